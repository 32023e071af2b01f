package mdp_test

import (
	"fmt"
	"math"
	"testing"

	"mend/agents"
	"mend/env"
	"mend/env/mdp"
)

var _ agents.Policy = (*mdp.Actor)(nil)

// Every state is found by what it looks like, nothing else by anything, and
// looking does not allocate.
func TestIndex(t *testing.T) {
	for _, m := range []*mdp.Model{partition(t), smallModel(t)} {
		x := mdp.NewIndex(m)
		for s := range m.States {
			if got := x.State(m.ObsRow(s)); got != s {
				t.Errorf("%s: state %d is found as %d", m.ID, s, got)
			}
		}
		obs := append([]float32(nil), m.ObsRow(0)...)
		for _, strange := range []float32{0.123, -1, float32(math.NaN())} {
			obs[0] = strange
			if got := x.State(obs); got != -1 {
				t.Errorf("%s: %v is state %d, want none", m.ID, obs, got)
			}
		}
		if got := x.State(obs[1:]); got != -1 {
			t.Errorf("%s: an observation too short is state %d, want none", m.ID, got)
		}
		if n := testing.AllocsPerRun(100, func() { x.State(m.ObsRow(m.States - 1)) }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", m.ID, n)
		}
	}
}

// An Actor does in each row of a batch what its policy says of the state shown
// there, and holds where the mask forbids that; without masks it just acts.
func TestActor(t *testing.T) {
	m := partition(t)
	w := simulated(t, m, func(c *mdp.Config) { c.Guard = true })
	p := rule(t, m, "rf1-eager-fast") // drops down to one, which the guard forbids
	a := mdp.NewActor(m, p)
	step := env.NewTimeStep(m.States, w.Spec())
	for i := range m.States { // from the last state to the first
		s := m.States - 1 - i
		copy(step.ObsRow(i), m.ObsRow(s))
		for k := range m.Actions {
			step.MaskRow(i)[k] = w.Legal(s, k)
		}
	}
	actions := make([]int, m.States)
	a.Act(step, actions)
	held := 0
	for i, got := range actions {
		s := m.States - 1 - i
		want := int(p[s])
		if !w.Legal(s, want) {
			want = 0
			held++
		}
		if got != want {
			t.Errorf("state %d (%s): action %q, want %q", s, m.Label(s), m.Actions[got], m.Actions[want])
		}
	}
	if held == 0 {
		t.Error("the guard forbids nothing that the policy does")
	}
	if n := testing.AllocsPerRun(10, func() { a.Act(step, actions) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
	step.Mask = nil
	a.Act(step, actions)
	for i, got := range actions {
		if s := m.States - 1 - i; got != int(p[s]) {
			t.Errorf("without a mask, state %d (%s): action %q, want %q", s, m.Label(s), m.Actions[got], m.Actions[p[s]])
		}
	}
}

func TestActorPanics(t *testing.T) {
	m := smallModel(t)
	step := env.NewTimeStep(1, simulated(t, m, nil).Spec())
	step.Obs[0], step.Obs[1] = 1, 1
	for want, do := range map[string]func(){
		"mdp: a policy of 2 states for the 3 of Small-v0": func() { mdp.NewActor(m, mdp.Policy{0, 0}) },
		"mdp: Small-v0: no state looks like [1 1]":        func() { mdp.NewActor(m, mdp.Policy{0, 0, 0}).Act(step, make([]int, 1)) },
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); got != want {
					t.Errorf("panics with %q, want %q", got, want)
				}
			}()
			do()
		}()
	}
}
