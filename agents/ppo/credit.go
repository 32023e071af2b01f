package ppo

import (
	"fmt"
	"math"

	"mend/env"
	"mend/env/state"
)

// chains turns the steps of a rollout into one decision process a subject: a
// decision about subject k lasts until k is asked about again, and earns what k
// earned in the meantime,
//
//	r = Σ_t γ^(time from the decision to step t)·credit_k(t)
//
// over the steps t in between, the decision's own included. What a chain does
// not know is left out of the update:
//
//   - the last decision about a subject in a rollout, unless the decision after
//     the rollout is about the same subject: its reward is not complete;
//   - the last one of a truncated episode: there is no observation of the
//     subject at the cut to bootstrap from.
//
// The decision before it in its chain still bootstraps from its value. An
// episode that terminates closes the decisions of all subjects, with nothing to
// follow.
type chains struct {
	gamma          float64
	envs, subjects int
	// By entry of the rollout.
	reward  []float32 // [T*N], r
	elapsed []float32 // [T*N], Δ until the next decision
	link    []int32   // [T*N], entry of the next decision; T*N+i: the one after the rollout in environment i
	last    []waiting // [N*subjects]
}

// Links to no entry.
const (
	linkOpen int32 = -1 // not known: left out
	linkEnd  int32 = -2 // terminated: nothing follows
)

// waiting is the latest decision about a subject, while it is being credited.
type waiting struct {
	entry   int32 // of the rollout; linkOpen where there is none
	sum     float64
	elapsed float64
}

func newChains(steps, envs, subjects int, gamma float64) *chains {
	n := steps * envs
	c := &chains{
		gamma: gamma, envs: envs, subjects: subjects,
		reward: make([]float32, n), elapsed: make([]float32, n), link: make([]int32, n),
		last: make([]waiting, envs*subjects),
	}
	c.reset()
	return c
}

func (c *chains) reset() {
	for k := range c.last {
		c.last[k] = waiting{entry: linkOpen}
	}
}

// add records the step whose entries start at at.
func (c *chains) add(at int, prev, next *env.TimeStep) {
	if len(prev.Subject) != c.envs || len(next.Credit) != c.envs*c.subjects {
		panic(fmt.Sprintf("ppo: a step of %d subjects and %d credits, want %d and %d", len(prev.Subject), len(next.Credit), c.envs, c.envs*c.subjects))
	}
	for i := range c.envs {
		last := c.last[i*c.subjects : (i+1)*c.subjects]
		entry, subject := at+i, int(prev.Subject[i])
		if subject < 0 || subject >= c.subjects {
			panic(fmt.Sprintf("ppo: a decision about subject %d of %d", subject, c.subjects))
		}
		c.reward[entry], c.elapsed[entry], c.link[entry] = 0, 0, linkOpen
		c.close(&last[subject], int32(entry))
		last[subject] = waiting{entry: int32(entry)}
		for k, r := range next.CreditRow(i) {
			w := &last[k]
			if w.entry < 0 {
				continue
			}
			if r != 0 {
				w.sum += float64(power(c.gamma, w.elapsed) * float64(r))
			}
			w.elapsed += float64(next.Elapsed[i])
			if next.Terminated[i] {
				c.close(w, linkEnd)
			} else if next.Truncated[i] {
				w.entry = linkOpen
			}
		}
	}
}

// finish closes the decisions about those whom the first decision after the
// rollout is about.
func (c *chains) finish(next *env.TimeStep) {
	for i, subject := range next.Subject {
		c.close(&c.last[i*c.subjects+int(subject)], int32(len(c.link)+i))
	}
}

func (c *chains) close(w *waiting, link int32) {
	if w.entry >= 0 {
		c.reward[w.entry], c.elapsed[w.entry], c.link[w.entry] = float32(w.sum), float32(w.elapsed), link
	}
	w.entry = linkOpen
}

// shaped writes r + γ^Δ·Φ(s_l) − Φ(s_k) to dst, [T*N], for the entries that are
// not open: Φ as at [chainGAE], potentials is [T*N+N], nil where there is none.
func (c *chains) shaped(potentials, dst []float32) []float32 {
	copy(dst, c.reward)
	if potentials == nil {
		return dst
	}
	for k, l := range c.link {
		switch {
		case l == linkOpen:
		case l == linkEnd:
			dst[k] = float32(float64(dst[k]) - float64(potentials[k]))
		default:
			dst[k] = float32(float64(dst[k]) + float64(power(c.gamma, float64(c.elapsed[k]))*float64(potentials[l])) - float64(potentials[k]))
		}
	}
	return dst
}

// fields carries the first n entries and what is being credited.
func (c *chains) fields(s *state.Codec, n int) {
	state.Fixed(s, c.reward[:n])
	state.Fixed(s, c.elapsed[:n])
	state.Fixed(s, c.link[:n])
	for k := range c.last {
		w := &c.last[k]
		state.Value(s, &w.entry)
		state.Value(s, &w.sum)
		state.Value(s, &w.elapsed)
		if s.Restoring() && (w.entry < linkOpen || int(w.entry) >= n || w.entry >= 0 && int(w.entry)%c.envs != k/c.subjects) {
			s.Fail(fmt.Errorf("ppo: entry %d of a rollout of %d is credited for subject %d of environment %d", w.entry, n, k%c.subjects, k/c.subjects))
		}
	}
	if !s.Restoring() || s.Err() != nil {
		return
	}
	for k, l := range c.link[:n] {
		after := int(l) - len(c.link)
		if l < linkEnd || l >= 0 && (int(l) <= k || int(l)%c.envs != k%c.envs || int(l) >= n && after < 0 || after >= c.envs) {
			s.Fail(fmt.Errorf("ppo: entry %d of a rollout of %d is followed by entry %d", k, n, l))
			return
		}
	}
}

// chainGAE is [GAE] along chains:
//
//	δ_k = r_k + γ^Δ·V(s_l) − V(s_k),  l = link_k, V = 0 after an end
//	A_k = δ_k + (γλ)^Δ·A_l
//
// where A_l is left out of the sum where l is open or lies after the rollout.
// reward, elapsed, link and adv are [T*N], value is [T*N+N]. The advantage of an
// open entry is 0 and means nothing.
func chainGAE(gamma, lambda float64, reward, elapsed []float32, link []int32, value, adv []float32) {
	for k := len(link) - 1; k >= 0; k-- {
		l := link[k]
		if l == linkOpen {
			adv[k] = 0
			continue
		}
		dt := float64(elapsed[k])
		a := float64(reward[k]) - float64(value[k])
		if l >= 0 {
			a += float64(power(gamma, dt) * float64(value[l]))
			if int(l) < len(link) && link[l] != linkOpen {
				a += float64(power(gamma*lambda, dt) * float64(adv[l]))
			}
		}
		adv[k] = float32(a)
	}
}

// power is base^exponent. Most steps of most worlds last 1, some 0.
func power(base, exponent float64) float64 {
	switch exponent {
	case 0:
		return 1
	case 1:
		return base
	}
	return math.Pow(base, exponent)
}
