package mdp

import (
	"fmt"

	"mend/env"
)

// builder fills the tables of a Model.
type builder struct{ *Model }

// newBuilder returns tables for n states in which no action is legal yet.
func newBuilder(m *Model, n int) builder {
	m.States = n
	m.Obs = make([]float32, 0, n*len(m.Features))
	m.PairOf = make([]int32, n*len(m.Actions))
	for i := range m.PairOf {
		m.PairOf[i] = none
	}
	return builder{m}
}

// pair makes an action legal. Pairs must come by state, then action.
func (b builder) pair(state, action, row int, cost float64, down bool) {
	at := state*len(b.Actions) + action
	if n := len(b.StateOf); n > 0 && at <= int(b.StateOf[n-1])*len(b.Actions)+int(b.ActionOf[n-1]) {
		panic(fmt.Sprintf("mdp: %s: pair of state %d and action %d comes late", b.ID, state, action))
	}
	b.PairOf[at] = int32(len(b.Row))
	b.StateOf = append(b.StateOf, int32(state))
	b.ActionOf = append(b.ActionOf, int32(action))
	b.Row = append(b.Row, int32(row))
	b.Cost = append(b.Cost, cost)
	b.Down = append(b.Down, down)
}

// policy adds a policy, given by the action of each state.
func (b builder) policy(name, summary string, action func(state int) int) {
	p := make(Policy, b.States)
	for s := range p {
		p[s] = int32(action(s))
	}
	b.Policies = append(b.Policies, Named{name, summary, p})
}

// observer lists features and how each is read off a state S.
type observer[S any] struct {
	features []env.Feature
	read     []func(S) int
}

// count is a feature that is a number from 0 to most, scaled to [0, 1].
func (o *observer[S]) count(name, unit string, most int, read func(S) int) {
	o.features = append(o.features, env.Feature{Name: name, Unit: unit, Scale: float32(most)})
	o.read = append(o.read, read)
}

// flag is a feature that is 0 or 1.
func (o *observer[S]) flag(name string, is func(S) bool) {
	o.count(name, "1", 1, func(s S) int {
		if is(s) {
			return 1
		}
		return 0
	})
}

// atLeast are flags of whether a number is at least from, …, to.
func (o *observer[S]) atLeast(name string, from, to int, read func(S) int) {
	for k := from; k <= to; k++ {
		o.flag(fmt.Sprintf("%s_ge_%d", name, k), func(s S) bool { return read(s) >= k })
	}
}

// append appends what is seen in s to obs.
func (o *observer[S]) append(obs []float32, s S) []float32 {
	for i, f := range o.read {
		obs = append(obs, o.features[i].Observed(float32(f(s))))
	}
	return obs
}
