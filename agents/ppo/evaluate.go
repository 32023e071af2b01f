package ppo

import (
	"mend/agents/kernel"
	"mend/agents/mlp"
	"mend/agents/signal"
)

// workspace is what an update computes of a rollout and throws away: no part of
// the state.
type workspace struct {
	act        worker    // of Act
	workers    []worker  // of evaluate
	obs        []float32 // [T*N*dim], normalised; the rollout's own where nothing is
	values     []float32 // [T*N+N], V(s_t), and of the observations after the rollout
	nextValues []float32 // [T*N], V(s'_t)
	potentials []float32 // [T*N+N], Φ(s_t); nil without shaping
	finals     []float32 // V and then Φ of the final observations
	shaped     []float32 // [T*N], rewards with shaping, before their scale
	rewards    []float32 // [T*N], as learned from: those of chains where there are any
	oldLogProb []float32 // [T*N]
	adv        []float32 // [T*N]
	returns    []float32 // [T*N]
	order      []int32   // [T*N]
	before     before    // the update
}

// worker is what one goroutine needs of its own.
type worker struct {
	scratch    mlp.Scratch
	logp, prob []float32
}

// softmax returns the probabilities of rows logits; the logarithms are in logp.
func (w *worker) softmax(rows, width int, logits []float32, mask []bool) []float32 {
	n := rows * width
	if cap(w.logp) < n {
		w.logp, w.prob = make([]float32, n), make([]float32, n)
	}
	w.logp, w.prob = w.logp[:n], w.prob[:n]
	kernel.LogSoftmax(rows, width, logits, mask, w.logp, w.prob)
	return w.prob
}

func newWorkspace(a *Agent) workspace {
	n := a.rollout.steps * a.rollout.envs
	f := func(n int) []float32 { return make([]float32, n) }
	w := workspace{
		values: f(n + a.rollout.envs), nextValues: f(n), oldLogProb: f(n), adv: f(n), returns: f(n), order: make([]int32, n),
	}
	w.obs, w.shaped = a.rollout.obs, a.rollout.reward
	if a.moments != nil {
		w.obs = f(len(a.rollout.obs))
	}
	if a.setup.Potential != nil {
		w.potentials, w.shaped = f(n+a.rollout.envs), f(n)
	}
	w.rewards = w.shaped
	if a.scale != nil || a.rate != nil || a.rollout.chains != nil {
		w.rewards = f(n)
	}
	return w
}

// evaluate computes the normalised observations, V(s_t), V(s'_t), Φ and
// log π_old(a_t|s_t) of the rollout, with the weights as they are.
func (a *Agent) evaluate() {
	r := a.rollout
	n, dim, width := r.steps*r.envs, r.dim, r.actions
	a.grow(n)
	signal.Chunks(n, func(k, from, to int) {
		w := &a.workers[k]
		obs := r.obs[from*dim : to*dim]
		if a.moments != nil {
			obs = a.obs[from*dim : to*dim]
			a.moments.Normalizer().Apply(to-from, r.obs[from*dim:to*dim], obs)
		}
		// The networks without their normaliser.
		value, policy := mlp.Net{Layers: a.value.Layers}, mlp.Net{Layers: a.policy.Layers}
		a.head.Values(a.values[from:to], value.Forward(to-from, obs, &w.scratch))
		var mask []bool
		if r.masked {
			mask = r.mask[from*width : to*width]
		}
		w.softmax(to-from, width, policy.Forward(to-from, obs, &w.scratch), mask)
		for i := range to - from {
			a.oldLogProb[from+i] = w.logp[i*width+int(r.action[from+i])]
		}
	})
	finals := len(r.final) / dim
	if cap(a.finals) < 2*finals {
		a.finals = make([]float32, 2*finals)
	}
	a.finals = a.finals[:2*finals]
	a.valuesOf(r.next, a.values[n:])
	a.valuesOf(r.final, a.finals[:finals])
	if p := a.setup.Potential; p != nil {
		p.Values(n, r.obs, a.potentials[:n])
		p.Values(r.envs, r.next, a.potentials[n:])
		p.Values(finals, r.final, a.finals[finals:])
	}

	// s'_t is s_{t+1}, except where the clock cut the episode. Where it
	// terminated nothing follows and GAE does not look.
	copy(a.nextValues, a.values[r.envs:])
	final := a.finals
	for k := range n {
		if r.bootstraps(k) {
			a.nextValues[k] = final[0]
			final = final[1:]
		}
	}
}

func (a *Agent) grow(rows int) {
	for len(a.workers) < signal.Workers(rows) {
		a.workers = append(a.workers, worker{})
	}
}

// valuesOf evaluates the value network on raw observations.
func (a *Agent) valuesOf(obs, values []float32) {
	dim := a.value.In()
	a.grow(len(values))
	signal.Chunks(len(values), func(k, from, to int) {
		a.head.Values(values[from:to], a.value.Forward(to-from, obs[from*dim:to*dim], &a.workers[k].scratch))
	})
}

// rewardSignal computes the rewards that are learned from: shaped, then scaled or
// less their average. The potential is in the world's units, so that comes last.
func (a *Agent) rewardSignal() {
	r := a.rollout
	if a.potentials != nil {
		final := a.finals[len(a.finals)/2:]
		for k := range a.shaped {
			next := 0.0
			switch {
			case r.bootstraps(k):
				next = float64(final[0])
				final = final[1:]
			case !r.terminated[k]:
				next = float64(a.potentials[k+r.envs])
			}
			a.shaped[k] = float32(float64(r.reward[k]) + float64(power(a.gamma, float64(r.elapsed[k]))*next) - float64(a.potentials[k]))
		}
	}
	rewards := a.shaped
	if r.chains != nil {
		rewards = r.chains.shaped(a.potentials, a.rewards)
	}
	if a.scale != nil {
		kernel.Scale(a.rewards, rewards, float32(a.scale.Factor()))
	}
	if a.rate != nil {
		rate := a.rate.Rate()
		for k, x := range rewards {
			a.rewards[k] = float32(float64(x) - float64(rate*float64(r.elapsed[k])))
		}
	}
}

// advantages computes advantages and returns of the rollout.
func (a *Agent) advantages() {
	r, n := a.rollout, len(a.adv)
	if c := r.chains; c != nil {
		chainGAE(a.gamma, a.cfg.Lambda, a.rewards, c.elapsed, c.link, a.values, a.adv)
	} else {
		GAE(r.envs, a.gamma, a.cfg.Lambda, a.rewards, r.elapsed, a.values[:n], a.nextValues, r.terminated, r.truncated, a.adv)
	}
	for k, v := range a.values[:n] {
		a.returns[k] = a.adv[k] + v
	}
}
