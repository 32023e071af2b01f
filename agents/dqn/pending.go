package dqn

import (
	"fmt"

	"mend/env"
)

// pending holds the decisions whose outcome is not complete, at most one for
// each subject of each environment: reward and time gather here until the
// subject is asked again. With credit `plain` an environment has one subject,
// which every decision is about and which gets the whole reward; with `subject`
// those are the world's, and a transition is what one subject earned between
// two decisions about it:
//
//	r = Σ_j γ^{e_j} c_j,  e_j the time from the decision to the start of step j
//
// where c_j is the subject's part of step j's reward. At a termination all are
// complete. Where the clock cuts the episode, nobody knows whom FinalObs asks
// about: with one subject its decision continues there, with several those
// under way are dropped. A world whose clock cuts at fixed times biases nothing
// by that but the number of transitions.
type pending struct {
	envs, subjects int

	// By environment and subject.
	entry    []uint64  // number of the decision's entry plus 1; 0 for none
	reward   []float64 // r so far
	discount []float64 // γ^elapsed
	elapsed  []float64 // nominal intervals so far

	returns bounds // of any subject's discounted return
}

func newPending(envs, subjects int) *pending {
	n := envs * subjects
	return &pending{
		envs: envs, subjects: subjects,
		entry: make([]uint64, n), reward: make([]float64, n), discount: make([]float64, n), elapsed: make([]float64, n),
	}
}

// observe records one step of all environments. phi and final are Φ of prev.Obs
// and, where an episode was cut, of next.FinalObs; nil without shaping.
func (p *pending) observe(r *replay, gamma float64, prev *env.TimeStep, actions []int, next *env.TimeStep, phi, final []float32) {
	for i, action := range actions {
		var f float32
		if phi != nil {
			f = phi[i]
		}
		subject, credit := 0, next.Reward[i:i+1]
		if p.subjects > 1 {
			subject, credit = int(prev.Subject[i]), next.CreditRow(i)
			if subject < 0 || subject >= p.subjects {
				panic(fmt.Sprintf("dqn: a decision about subject %d of %d", subject, p.subjects))
			}
		}
		p.decide(r, i, subject, r.push(prev.ObsRow(i), prev.MaskRow(i), action, f))
		dt := float64(next.Elapsed[i])
		p.earn(i, credit, gamma, dt)
		switch {
		case next.Terminated[i]:
			p.terminate(r, i)
		case next.Truncated[i] && p.subjects == 1:
			if final != nil {
				f = final[i]
			}
			var mask []bool
			if next.FinalMask != nil {
				mask = next.FinalMask[i*r.actions : (i+1)*r.actions]
			}
			p.decide(r, i, 0, r.push(next.FinalObs[i*r.dim:(i+1)*r.dim], mask, 0, f))
			p.drop(i)
		case next.Truncated[i]:
			p.drop(i)
		}
	}
}

// decide opens a transition about subject k of environment i at the given
// entry, which completes the one before.
func (p *pending) decide(r *replay, i, k int, entry uint64) {
	at := i*p.subjects + k
	if before := p.entry[at]; before > 0 {
		r.link(before-1, entry, float32(p.reward[at]), float32(p.elapsed[at]))
	}
	p.entry[at], p.reward[at], p.discount[at], p.elapsed[at] = entry+1, 0, 1, 0
}

// earn adds one step of environment i: what each subject earned, and Δ.
func (p *pending) earn(i int, credit []float32, gamma, elapsed float64) {
	from := i * p.subjects
	discount, weight := power(gamma, elapsed), weight(gamma, elapsed)
	for k, c := range credit[:p.subjects] {
		p.returns.add(float64(c), weight)
		at := from + k
		if p.entry[at] == 0 {
			continue
		}
		p.reward[at] += float64(p.discount[at] * float64(c))
		p.discount[at] *= discount
		p.elapsed[at] += elapsed
	}
}

// terminate completes all decisions of environment i.
func (p *pending) terminate(r *replay, i int) {
	for at := i * p.subjects; at < (i+1)*p.subjects; at++ {
		if entry := p.entry[at]; entry > 0 {
			r.end(entry-1, float32(p.reward[at]), float32(p.elapsed[at]))
		}
		p.entry[at] = 0
	}
}

// drop forgets the decisions of environment i.
func (p *pending) drop(i int) { clear(p.entry[i*p.subjects : (i+1)*p.subjects]) }
