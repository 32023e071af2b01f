package dqn

import (
	"fmt"
	"slices"

	"mend/agents/learn"
	"mend/env/state"
)

// Fields carries everything that learning depends on; the replay buffer goes
// piece by piece and is never held twice.
func (a *Agent) Fields(c *state.Codec) {
	// A state of another shape is told by what it says first.
	on := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	for _, x := range []struct {
		what string
		want int
	}{
		{"value streams", on(a.cfg.Dueling)}, {"quantiles", a.cfg.Quantiles}, {"weights", a.online.Advantage.Params()},
		{"environments", a.setup.Envs}, {"credited subjects", a.pending.subjects}, {"entries in the replay buffer", a.replay.capacity()},
		{"priorities", on(a.cfg.Prioritized)}, {"averages", on(a.average != nil)}, {"normalisers", on(a.moments != nil)},
		{"reward scales", on(a.scale != nil)}, {"potentials", on(a.setup.Potential != nil)},
	} {
		n := uint64(x.want)
		state.Value(c, &n)
		if n != uint64(x.want) {
			c.Fail(fmt.Errorf("dqn: %d %s, this agent has %d", n, x.what, x.want))
		}
	}
	state.Value(c, &a.steps)
	state.Value(c, &a.due)
	state.Value(c, &a.gradients)
	state.Value(c, &a.updates)
	if a.due > a.steps {
		c.Fail(fmt.Errorf("dqn: %d of %d steps since the latest update", a.due, a.steps))
	}
	for _, x := range slices.Concat(a.online.Tensors(), a.target.Tensors()) {
		state.Fixed(c, x)
	}
	a.learner.Solver.Fields(c)
	if a.average != nil {
		a.average.Fields(c)
	}
	if a.moments != nil {
		a.moments.Fields(c)
	}
	if a.scale != nil {
		a.scale.Fields(c)
	}
	if a.setup.Potential != nil {
		a.setup.Potential.Fields(c)
	}
	a.exploring.Fields(c)
	a.sampling.Fields(c)
	a.replay.fields(c)
	a.pending.fields(c, a.replay)
	if c.Restoring() && c.Err() == nil {
		a.restored(c)
	}
}

// restored checks the weights and brings what follows from the state up to date.
func (a *Agent) restored(c *state.Codec) {
	for _, q := range []*learn.QNet{a.online, a.target, a.averaged} {
		if q == nil {
			continue
		}
		if err := q.Check(); err != nil {
			c.Fail(fmt.Errorf("dqn: %w", err))
			return
		}
	}
	a.online.RefreshActor(a.acting)
	if a.averaged != nil {
		a.averaged.RefreshActor(a.actor)
	}
}

// fields carries the entries, and no stale ones. The sums of the tree and the
// count of origins follow from them.
func (r *replay) fields(c *state.Codec) {
	state.Value(c, &r.added)
	if r.added > maxAdded {
		c.Fail(fmt.Errorf("replay: %d entries ever made, want at most %d", r.added, uint64(maxAdded)))
	}
	if c.Err() != nil {
		return
	}
	n := r.size()
	state.Fixed(c, r.obs[:n*r.dim])
	state.Fixed(c, r.mask[:n*r.maskBytes])
	state.Fixed(c, r.action[:n])
	state.Fixed(c, r.reward[:n])
	state.Fixed(c, r.elapsed[:n])
	state.Fixed(c, r.ended[:n])
	state.Fixed(c, r.next[:n])
	if r.phi != nil {
		state.Fixed(c, r.phi[:n])
	}
	if r.tree != nil {
		state.Value(c, &r.fresh)
		state.Fixed(c, r.tree.leaf[:n])
	}
	if c.Restoring() && c.Err() == nil {
		if err := r.check(); err != nil {
			c.Fail(err)
			return
		}
		if r.tree != nil {
			clear(r.tree.leaf[n:])
			r.tree.rebuild()
		}
	}
}

// check reports what no history of push, link and end leads to, and counts the
// origins.
func (r *replay) check() error {
	bad := func(x float32) bool { return x-x != 0 }
	mask := make([]bool, r.actions)
	r.origins = 0
	for s := range r.size() {
		// The entry's age: 0 is the youngest.
		age := (r.added - 1 - uint64(s)) % uint64(r.capacity())
		switch {
		case int(r.action[s]) >= r.actions:
			return fmt.Errorf("replay: entry %d took action %d of %d", s, r.action[s], r.actions)
		case uint64(r.next[s]) > age:
			return fmt.Errorf("replay: entry %d links %d entries ahead, %d are younger", s, r.next[s], age)
		case r.ended[s] && r.next[s] != 0:
			return fmt.Errorf("replay: entry %d terminated and links %d entries ahead", s, r.next[s])
		case bad(r.reward[s]):
			return fmt.Errorf("replay: entry %d has a reward of %v, want a finite number", s, r.reward[s])
		case !(r.elapsed[s] >= 0) || bad(r.elapsed[s]):
			return fmt.Errorf("replay: entry %d took %v intervals, want a finite number of at least 0", s, r.elapsed[s])
		case r.phi != nil && bad(r.phi[s]):
			return fmt.Errorf("replay: entry %d has a potential of %v, want a finite number", s, r.phi[s])
		}
		for _, x := range r.obs[s*r.dim : (s+1)*r.dim] {
			if bad(x) {
				return fmt.Errorf("replay: entry %d observed %v, want a finite number", s, x)
			}
		}
		if r.maskBytes > 0 {
			r.legal(s, mask)
			any := false
			for _, m := range mask {
				any = any || m
			}
			switch {
			case !any:
				return fmt.Errorf("replay: entry %d has no legal action", s)
			case r.origin(s) && !mask[r.action[s]]:
				return fmt.Errorf("replay: entry %d took action %d, which is not legal", s, r.action[s])
			}
		}
		if r.origin(s) {
			r.origins++
		}
		if r.tree != nil {
			w := r.tree.leaf[s]
			if bad(w) || w < 0 || (w > 0) != r.origin(s) {
				return fmt.Errorf("replay: entry %d has a priority of %v, origin %v", s, w, r.origin(s))
			}
		}
	}
	if r.tree != nil && (!(r.fresh > 0) || bad(r.fresh)) {
		return fmt.Errorf("replay: new entries get a priority of %v, want a finite number above 0", r.fresh)
	}
	return nil
}

// fields carries all of it.
func (p *pending) fields(c *state.Codec, r *replay) {
	state.Fixed(c, p.entry)
	state.Fixed(c, p.reward)
	state.Fixed(c, p.discount)
	state.Fixed(c, p.elapsed)
	p.returns.fields(c)
	if !c.Restoring() || c.Err() != nil {
		return
	}
	open := make(map[uint64]bool)
	for at, entry := range p.entry {
		finite := p.reward[at]-p.reward[at] == 0 && p.elapsed[at] >= 0 && p.elapsed[at]-p.elapsed[at] == 0
		switch {
		case entry == 0:
		case entry > r.added, r.holds(entry-1) && r.origin(r.slot(entry-1)), open[entry]:
			c.Fail(fmt.Errorf("entry %d of %d is under way, but is complete or twice so", entry-1, r.added))
		case !finite || !(p.discount[at] >= 0 && p.discount[at] <= 1):
			c.Fail(fmt.Errorf("entry %d has gathered a reward of %v over %v intervals at a discount of %v",
				entry-1, p.reward[at], p.elapsed[at], p.discount[at]))
		}
		open[entry] = true
	}
}
