package ppo

import (
	"fmt"
)

// GAE writes generalized advantage estimates to adv.
//
//	δ_t = r_t + γ^Δ·(1−terminated_t)·V(s'_t) − V(s_t)
//	A_t = δ_t + (γλ)^Δ·(1−ended_t)·A_{t+1}
//
// Δ is elapsed_t, in nominal intervals, and r_t is discounted to the start of
// the step. Slices are [T*n], time-major, for n environments. nextValue is
// V(s'_t), where s'_t is FinalObs at an episode's end: the world goes on where
// the clock cut it, so truncation bootstraps; nothing follows termination. The
// trace ends with the episode in both cases.
//
// Schulman et al., arXiv:1506.02438, section 3; with Δ, Bradtke & Duff,
// "Reinforcement learning methods for continuous-time Markov decision
// problems", 1994.
func GAE(n int, gamma, lambda float64, reward, elapsed, value, nextValue []float32, terminated, truncated []bool, adv []float32) {
	for _, l := range []int{len(elapsed), len(value), len(nextValue), len(terminated), len(truncated), len(adv)} {
		if l != len(reward) {
			panic(fmt.Sprintf("ppo: gae: slice of %d for %d rewards", l, len(reward)))
		}
	}
	if n < 1 || len(reward)%n != 0 {
		panic(fmt.Sprintf("ppo: gae: %d rewards for %d environments", len(reward), n))
	}
	for i := range n {
		next := 0.0 // A_{t+1}
		for t := len(reward) - n + i; t >= 0; t -= n {
			dt := float64(elapsed[t])
			delta := float64(reward[t]) - float64(value[t])
			if !terminated[t] {
				delta += power(gamma, dt) * float64(nextValue[t])
			}
			if terminated[t] || truncated[t] {
				next = delta
			} else {
				next = delta + power(gamma*lambda, dt)*next
			}
			adv[t] = float32(next)
		}
	}
}
