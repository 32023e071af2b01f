package mdp

import (
	"fmt"
	"math"

	"mend/env/seed"
)

// ShapeByPotential makes the reward r + γ^N·Φ(s') − Φ(s) from now on: the model
// of a baseline's discounted return, [States] in $ and at most 0, is Φ. That
// leaves the best policy as it is (Ng, Harada, Russell 1999).
//
// Where expected, every step of the hold is paid the expectation of its share,
//
//	r = A(s,a)·Σ_{k<N} γ^k,  A(s,a) = −c(s,a) + γ·Σ_s' P(s'|s,a)·Φ(s') − Φ(s)
//
// which has the same mean given s and a, and no noise but that of N. It uses the
// model's probabilities: a learner that gets it has been told more than
// experience tells. c is the expected cost.
func (w *World) ShapeByPotential(phi []float64, expected bool) {
	m := w.model
	if len(phi) != m.States {
		panic(fmt.Sprintf("mdp: a potential of %d states for the %d of %s", len(phi), m.States, m.ID))
	}
	w.phi, w.events, w.charge, w.twin = phi, w.sampled, w.mean, twin{}
	if !expected {
		return
	}
	w.phi, w.events = nil, false
	rows := make([]float64, m.Rows.Len())
	m.Rows.Expect(phi, rows)
	w.charge = make([]float64, m.Pairs())
	for i := range w.charge {
		w.charge[i] = w.mean[i] - float64(w.gamma*rows[m.Row[i]]) + phi[m.StateOf[i]]
	}
}

// ShapeByTwin makes the reward what a twin of the world, under a baseline and
// the same chance, would have been charged more: with the baseline's rule b,
//
//	r = −C(a, then b from s') + C(b from s)
//
// where C are the discounted charges of two paths that meet the same random
// number in each step, the first under the action until the hold ends and then
// under b, the second under b throughout, both until they are in one state at
// one time: from there on they would be one. The expectation of r given s and a
// is the advantage of the hold over b, as with [World.ShapeByPotential], but
// nothing is used beyond what a simulator of the world can be asked: to go on
// from a state with given random numbers. Decisions are many times slower: both
// paths are walked step by step until they meet.
func (w *World) ShapeByTwin(b Policy) {
	m := w.model
	if len(b) != m.States {
		panic(fmt.Sprintf("mdp: a rule of %d states for the %d of %s", len(b), m.States, m.ID))
	}
	w.phi, w.events, w.charge = nil, w.sampled, w.mean
	w.twin = twin{rule: make([]int32, m.States)}
	for s, a := range b {
		w.twin.rule[s] = m.PairOf[s*len(m.Actions)+int(a)]
	}
	// Beyond this many steps charges weigh less than a millionth.
	w.twin.most = 1 << 20
	if w.gamma < 1 {
		w.twin.most = int(min(float64(w.twin.most), math.Ceil(math.Log(1e-6)/math.Log(w.gamma))))
	}
}

// twin is the baseline that a world compares with.
type twin struct {
	rule []int32 // [States], its pairs
	most int     // steps that a comparison is followed
}

// Resample makes the reward the mean over n draws of what a hold leads to, from
// now on; the first is the one that the world goes on with. That divides the
// variance by n and asks a simulator to try each decision n times, but nothing of
// its probabilities.
func (w *World) Resample(n int) { w.samples = n }

// noise is the random number of a step of the episode.
func noise(s seed.Seed, step int64) float64 {
	return seed.Uniform(s.At(slotNoise, uint64(step)))
}

// walk holds an action step by step.
func (w *World) walk(pair, limit int, d *Draws) held {
	m := w.model
	row, from := int(m.Row[pair]), int(m.StateOf[pair])
	h := held{}
	for h.steps < limit {
		h.next, h.cost, h.lost = m.Rows.Move(row, noise(d.Seed, w.clock+int64(h.steps)))
		h.steps++
		if h.next != from || h.cost != 0 || h.lost != 0 {
			break
		}
	}
	return h
}

// baseline is what the twin is charged from the given state on, less what it is
// charged from where the hold has ended.
func (w *World) baseline(from int, s seed.Seed, h *held) float64 {
	m := w.model
	sum, discount := 0.0, 1.0
	x, y := h.next, from // after the hold; the twin
	for k := 0; k < w.twin.most; k++ {
		after := k >= h.steps
		if after && x == y {
			break
		}
		u := noise(s, w.clock+int64(k))
		p := int(w.twin.rule[y])
		sum += discount * w.stepCost(p)
		next, cost, _ := m.Rows.Move(int(m.Row[p]), u)
		if w.events {
			sum += discount * cost
		}
		y = next
		if after {
			p := int(w.twin.rule[x])
			sum -= discount * w.stepCost(p)
			next, cost, _ := m.Rows.Move(int(m.Row[p]), u)
			if w.events {
				sum -= discount * cost
			}
			x = next
		}
		discount *= w.gamma
	}
	return sum
}

func (w *World) stepCost(pair int) float64 {
	if w.events {
		return w.model.Cost[pair]
	}
	return w.mean[pair]
}
