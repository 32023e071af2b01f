package mdp

import (
	"fmt"

	"mend/env"
)

// Index finds the state that an observation shows.
type Index struct {
	model *Model
	state map[string]int32
	key   []byte // scratch
}

// NewIndex returns the index of a model.
func NewIndex(m *Model) *Index {
	x := &Index{model: m, state: make(map[string]int32, m.States), key: make([]byte, 4*len(m.Features))}
	for s := range m.States {
		x.state[obsKey(m.ObsRow(s))] = int32(s)
	}
	return x
}

// State is the state that looks like obs, −1 where none does. It does not
// allocate.
func (x *Index) State(obs []float32) int {
	if s, ok := x.state[string(appendKey(x.key[:0], obs))]; ok {
		return int(s)
	}
	return none
}

// Actor acts by a Policy. Where the mask forbids what that says it takes action
// 0, hold. It is an agents.Policy, and not safe for concurrent use.
type Actor struct {
	index  *Index
	policy Policy
}

// NewActor returns an Actor of a policy of m.
func NewActor(m *Model, p Policy) *Actor {
	if len(p) != m.States {
		panic(fmt.Sprintf("mdp: a policy of %d states for the %d of %s", len(p), m.States, m.ID))
	}
	return &Actor{NewIndex(m), p}
}

// Act reads t.Obs and t.Mask and fills actions.
func (a *Actor) Act(t *env.TimeStep, actions []int) {
	for i := range actions {
		s := a.index.State(t.ObsRow(i))
		if s < 0 {
			panic(fmt.Sprintf("mdp: %s: no state looks like %v", a.index.model.ID, t.ObsRow(i)))
		}
		actions[i] = int(a.policy[s])
		if mask := t.MaskRow(i); mask != nil && !mask[actions[i]] {
			actions[i] = 0
		}
	}
}
