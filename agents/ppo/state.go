package ppo

import (
	"fmt"
	"math"

	"mend/agents/kernel"
	"mend/agents/mlp"
	"mend/env/state"
)

// tensors lists all weights and moments that an update changes, in order:
// policy and value network, what they share once; the moments of each; the
// averaged weights.
func (a *Agent) tensors() [][]float32 { return a.before.tensors }

func (a *Agent) listTensors() [][]float32 {
	list := mlp.Tensors(a.policy, a.value)
	for i := range a.learner.Solver.M {
		list = append(list, a.learner.Solver.M[i], a.learner.Solver.V[i])
	}
	if a.average != nil {
		list = append(list, a.average.Tensors()...)
	}
	return list
}

// tensorName names entry i of tensors.
func (a *Agent) tensorName(i int) string {
	names := a.learner.Solver.Names
	weights := len(names)
	switch {
	case i < weights:
		return names[i]
	case i < 3*weights:
		return [2]string{"first", "second"}[(i-weights)%2] + " moment of " + names[(i-weights)/2]
	}
	return "average of " + names[i-3*weights]
}

// before is what an update that fails puts back.
type before struct {
	tensors, copies [][]float32
	t               uint64 // gradient steps
	rms             meanSquare
	shuffling       []byte
}

func newBefore(tensors [][]float32) before {
	b := before{tensors: tensors}
	for _, x := range tensors {
		b.copies = append(b.copies, make([]float32, len(x)))
	}
	return b
}

func (a *Agent) save() {
	b := &a.before
	for i, x := range b.tensors {
		copy(b.copies[i], x)
	}
	b.t, b.rms = a.learner.Solver.T, a.rms
	b.shuffling = state.Append(b.shuffling[:0], a.shuffling.Fields)
}

func (a *Agent) putBack() {
	b := &a.before
	for i, x := range b.tensors {
		copy(x, b.copies[i])
	}
	a.learner.Solver.T, a.rms = b.t, b.rms
	if err := state.Restore(b.shuffling, a.shuffling.Fields); err != nil {
		panic(err) // just written
	}
}

// learnStatistics takes the rollout into the moments of observations and into
// the scale of rewards, once it has been learned from.
func (a *Agent) learnStatistics() {
	r := a.rollout
	if a.moments != nil {
		a.moments.Add(r.steps*r.envs, r.obs)
		a.moments.Refresh()
	}
	if a.scale != nil {
		for t := 0; t < len(a.shaped); t += r.envs {
			u := t + r.envs
			a.scale.Add(a.shaped[t:u], r.elapsed[t:u], r.terminated[t:u], r.truncated[t:u])
		}
		a.scale.Refresh()
	}
	if a.rate != nil {
		a.rate.Add(a.shaped, r.elapsed)
	}
}

// Fields carries everything that learning depends on. After an error the agent
// is not fit for use.
func (a *Agent) Fields(c *state.Codec) {
	// A state of another shape is told by what it says first.
	for _, x := range []struct {
		what string
		want int
	}{
		{"policy weights", a.policy.Params()}, {"value weights", a.value.Params()},
		{"shared layers", a.policy.Shared(a.value)},
		{"environments", a.setup.Envs}, {"steps in a rollout", a.rollout.steps},
		{"normalisers of observations", count(a.moments != nil)},
		{"scales of rewards", count(a.scale != nil)},
		{"rates of rewards", count(a.rate != nil)},
		{"averages of weights", count(a.average != nil)},
		{"potentials", count(a.setup.Potential != nil)},
		{"credited subjects", a.creditedSubjects()},
	} {
		n := uint64(x.want)
		state.Value(c, &n)
		if n != uint64(x.want) {
			c.Fail(fmt.Errorf("ppo: %d %s in the state, this agent has %d", n, x.what, x.want))
		}
	}
	if c.Err() != nil {
		return
	}
	state.Value(c, &a.steps)
	state.Value(c, &a.updates)
	for _, x := range mlp.Tensors(a.policy, a.value) {
		state.Fixed(c, x)
	}
	a.learner.Solver.Fields(c)
	state.Value(c, &a.rms.sum)
	state.Value(c, &a.rms.weight)
	if c.Restoring() && c.Err() == nil && !(a.rms.sum >= 0 && a.rms.sum <= math.MaxFloat64 && a.rms.weight >= 0 && a.rms.weight <= 1) {
		c.Fail(fmt.Errorf("ppo: a mean square of %v with weight %v", a.rms.sum, a.rms.weight))
	}
	if a.moments != nil {
		a.moments.Fields(c)
	}
	if a.scale != nil {
		a.scale.Fields(c)
	}
	if a.rate != nil {
		a.rate.Fields(c)
	}
	if a.average != nil {
		a.average.Fields(c)
	}
	if p := a.setup.Potential; p != nil {
		p.Fields(c)
	}
	a.acting.Fields(c)
	a.shuffling.Fields(c)
	a.rollout.fields(c)
	if !c.Restoring() || c.Err() != nil {
		return
	}
	for i, x := range a.tensors() {
		if !kernel.Finite(x) {
			c.Fail(fmt.Errorf("ppo: %s is not finite in the state", a.tensorName(i)))
		}
	}
	if err := a.policy.Check(); err != nil { // its normaliser
		c.Fail(fmt.Errorf("ppo: %w", err))
	}
}

func (a *Agent) creditedSubjects() int {
	if c := a.rollout.chains; c != nil {
		return c.subjects
	}
	return 0
}

func count(has bool) int {
	if has {
		return 1
	}
	return 0
}
