package signal

import (
	"fmt"

	"mend/env/state"
)

// RewardRate is the running average reward per nominal interval: of the sums of
// rewards r_i and times Δ_i of rollouts 1 to n,
//
//	ḡ = Σ d^(n−i)·r_i / Σ d^(n−i)·Δ_i,  d = 0.9
//
// What a differential learner subtracts, r − ḡ·Δ, in place of discounting: then
// the value is the relative one of the average-reward criterion. The memory of
// ten rollouts follows the policy as it improves.
//
// Schwartz, "A reinforcement learning method for maximizing undiscounted
// rewards", ICML 1993; as a ratio of sums, Mahadevan, "Average reward
// reinforcement learning", Machine Learning 22, 1996, section 4.
type RewardRate struct{ reward, time float64 }

// rateDecay is d of RewardRate.
const rateDecay = 0.9

// Add takes a rollout into the average.
func (r *RewardRate) Add(reward, elapsed []float32) {
	if len(reward) != len(elapsed) {
		panic(fmt.Sprintf("signal: reward rate: %d rewards over %d times", len(reward), len(elapsed)))
	}
	sum, time := 0.0, 0.0
	for i, x := range reward {
		sum += float64(x)
		time += float64(elapsed[i])
	}
	r.reward = float64(rateDecay*r.reward) + sum
	r.time = float64(rateDecay*r.time) + time
}

// Rate is ḡ, 0 before the first rollout.
func (r *RewardRate) Rate() float64 {
	if r.time == 0 {
		return 0
	}
	return r.reward / r.time
}

// Fields carries the average.
func (r *RewardRate) Fields(c *state.Codec) {
	state.Value(c, &r.reward)
	state.Value(c, &r.time)
	if c.Restoring() && c.Err() == nil && !(finite(r.reward) && r.time >= 0 && finite(r.time)) {
		c.Fail(fmt.Errorf("signal: rewards of %v over a time of %v", r.reward, r.time))
	}
}
