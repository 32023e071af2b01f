package dqn

import (
	"fmt"
	"math"

	"mend/agents/learn"
	"mend/agents/mlp"
)

// batch is the work space of one gradient step: transitions drawn and where
// they lead.
type batch struct {
	slot        []int     // [n], of the origins
	probability []float64 // [n], of having drawn them
	outcome     []outcome // [n]

	next     []float32 // [n*dim], the observations that bootstrap, without gaps
	mask     []bool    // [actions], of one of them
	expected []float32 // [actions], values of one of them

	onlineScratch, targetScratch learn.QScratch
	online, target               [][]float32 // tensors of the two networks
}

func newBatch(n, dim, actions int) batch {
	return batch{
		slot: make([]int, n), probability: make([]float64, n), outcome: make([]outcome, n),
		next: make([]float32, n*dim), mask: make([]bool, actions), expected: make([]float32, actions),
	}
}

// sample draws origins and fills what the gradient looks at in them:
// observations, actions and importance weights.
func (a *Agent) sample(b *learn.TDBatch, beta float64) {
	r, w := a.replay, &a.batch
	for i := range w.slot {
		if a.cfg.Prioritized {
			w.slot[i], w.probability[i] = r.stratum(a.sampling.Rand, i, len(w.slot))
		} else {
			w.slot[i] = r.uniform(a.sampling.Rand) // and the weight stays at 1
		}
		s := w.slot[i]
		copy(b.Obs[i*r.dim:(i+1)*r.dim], r.obs[s*r.dim:])
		b.Action[i] = int(r.action[s])
	}
	if input := a.online.Advantage.Input; input != nil {
		input.Apply(b.N, b.Obs, b.Obs)
	}
	if a.cfg.Prioritized {
		weigh(b.Weight, w.probability, beta)
	}
}

// weigh computes importance weights, those of the batch scaled to at most 1:
//
//	w_i = (N·P(i))^−β / max_j (N·P(j))^−β = (min_j P(j) / P(i))^β
//
// Schaul et al., arXiv:1511.05952, section 3.4.
func weigh(weight []float32, probability []float64, beta float64) {
	least := probability[0]
	for _, p := range probability {
		least = min(least, p)
	}
	for i, p := range probability {
		weight[i] = float32(math.Pow(least/p, beta))
	}
}

// targets computes what the values of the drawn actions should be, by the
// target network and the rewards over the horizon:
//
//	y_k = (R + γ^Δ·V_k − Φ(s))/σ
//	V_k = σ·Q_k(s', a*) + Φ(s'), clipped to what a return can be
//	a*  = argmax over the legal actions of s' of mean_k Q_k
//
// where R and Δ are sums over the steps of the horizon (see [outcome]), s' is
// the observation after it, or that at which the clock cut the episode, and k
// runs over quantiles. The argmax is by the target network, or where double by
// the online one. Φ is the potential and σ the scale of rewards, where they are
// on: over several steps the differences of Φ telescope. Where the task
// terminated, Q and Φ of s' are 0. The range of returns is that of [bounds].
//
// Mnih et al. 2015, algorithm 1; van Hasselt et al., arXiv:1509.06461, equation
// 4; with Δ, Bradtke & Duff 1994; quantiles: Dabney et al., arXiv:1710.10044,
// equation 11, whose N² pairs of errors the loss forms.
func (a *Agent) targets(b *learn.TDBatch) {
	r, w := a.replay, &a.batch
	live := 0
	for i, s := range w.slot {
		w.outcome[i] = r.follow(s, a.gamma, a.cfg.NStep)
		if last := w.outcome[i].last; last >= 0 {
			copy(w.next[live*r.dim:(live+1)*r.dim], r.obs[last*r.dim:])
			live++
		}
	}
	var values, choosing []float32
	if live > 0 {
		next := w.next[:live*r.dim]
		values = a.target.Forward(live, next, &w.targetScratch)
		choosing = values
		if a.cfg.Double {
			choosing = a.online.Forward(live, next, &w.onlineScratch)
		}
	}
	scale := 1.0
	if a.scale != nil {
		scale = a.scale.Factor()
	}
	k := a.cfg.Quantiles
	row := r.actions * k
	live = 0
	for i, s := range w.slot {
		o := &w.outcome[i]
		before, after := 0.0, 0.0 // Φ(s) and Φ(s')
		if r.phi != nil {
			before = float64(r.phi[s])
			if o.last >= 0 {
				after = float64(r.phi[o.last])
			}
		}
		target := b.Target[i*k : (i+1)*k]
		if o.last < 0 {
			for j := range target {
				target[j] = float32((o.reward - before) * scale)
			}
			continue
		}
		best := a.best(choosing[live*row:(live+1)*row], o.last)
		for j, q := range values[live*row+best*k : live*row+(best+1)*k] {
			v := a.pending.returns.clip(float64(q)/scale + after)
			target[j] = float32((o.reward + float64(o.discount*v) - before) * scale)
		}
		live++
	}
}

// best is the legal action of a slot with the highest expected value, by values
// [actions*quantiles].
func (a *Agent) best(values []float32, slot int) int {
	r, w := a.replay, &a.batch
	var mask []bool
	if r.maskBytes > 0 {
		mask = w.mask
		r.legal(slot, mask)
	}
	k := a.cfg.Quantiles
	if k == 1 {
		return mlp.Argmax(values, mask)
	}
	if len(values) != len(w.expected)*k {
		panic(fmt.Sprintf("dqn: %d values for %d actions of %d quantiles", len(values), len(w.expected), k))
	}
	for action := range w.expected {
		sum := float32(0)
		for _, q := range values[action*k : (action+1)*k] {
			sum += q
		}
		w.expected[action] = sum
	}
	return mlp.Argmax(w.expected, mask)
}
