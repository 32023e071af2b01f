package dqn

import (
	"fmt"

	"mend/env"
)

// Observe records one step.
func (a *Agent) Observe(prev *env.TimeStep, actions []int, next *env.TimeStep) {
	n, r := a.setup.Envs, a.replay
	if prev.N != n || next.N != n || len(actions) != n {
		panic(fmt.Sprintf("dqn: a step of %d environments with %d actions to %d environments, want %d of each", prev.N, len(actions), next.N, n))
	}
	masked := 0
	if r.maskBytes > 0 {
		masked = n * r.actions
	}
	if len(prev.Obs) != n*r.dim || len(prev.Mask) != masked {
		panic(fmt.Sprintf("dqn: a step of %d observed and %d masked values, want %d and %d", len(prev.Obs), len(prev.Mask), n*r.dim, masked))
	}
	for i, action := range actions {
		if action < 0 || action >= r.actions {
			panic(fmt.Sprintf("dqn: action %d in environment %d, want 0 to %d", action, i, r.actions-1))
		}
	}
	a.potentials(prev, next)
	a.pending.observe(r, a.gamma, prev, actions, next, a.phi, a.after)
	if a.moments != nil {
		a.moments.Add(n, prev.Obs)
	}
	if a.scale != nil {
		a.scale.Add(a.shapedRewards(next), next.Elapsed, next.Terminated, next.Truncated)
	}
	a.steps += uint64(n)
	a.due += uint64(n)
}

// potentials computes Φ of what was observed before the step, and of what it
// led to where the clock cut the episode or the scale of rewards asks for it.
func (a *Agent) potentials(prev, next *env.TimeStep) {
	p := a.setup.Potential
	if p == nil {
		return
	}
	dim := a.replay.dim
	p.Values(prev.N, prev.Obs, a.phi)
	if a.scale != nil {
		p.Values(next.N, next.Obs, a.after)
	}
	for i := range a.after {
		switch {
		case next.Terminated[i]:
			a.after[i] = 0
		case next.Truncated[i]:
			p.Values(1, next.FinalObs[i*dim:(i+1)*dim], a.after[i:i+1])
		}
	}
}

// shapedRewards are r + γ^Δ·Φ(s') − Φ(s) of a step; see [signal.Potential].
func (a *Agent) shapedRewards(next *env.TimeStep) []float32 {
	copy(a.shaped, next.Reward)
	if a.phi != nil {
		for i := range a.shaped {
			after := float64(power(a.gamma, float64(next.Elapsed[i])) * float64(a.after[i]))
			a.shaped[i] = float32(float64(next.Reward[i]) + after - float64(a.phi[i]))
		}
	}
	return a.shaped
}
