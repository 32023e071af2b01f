package exact

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"mend/env/mdp"
)

// deterministicModel draws a model in which most actions lead to one state for
// sure, many of them back to where they are taken, and every state can be reached
// from every other: most policies fall into parts.
func deterministicModel(t *testing.T, r *rand.Rand, states, actions int) *mdp.Model {
	t.Helper()
	f := &mdp.File{Step: 3600e9, Start: "s0"}
	for a := range actions {
		f.Actions = append(f.Actions, fmt.Sprint("a", a))
	}
	for s := range states {
		x := mdp.FileState{Name: fmt.Sprint("s", s)}
		for a := range actions {
			y := mdp.FileAction{Name: fmt.Sprint("a", a), Cost: float64(r.IntN(20))}
			to := func(next int, p float64) {
				y.Transitions = append(y.Transitions, mdp.FileTransition{To: fmt.Sprint("s", next), P: &p})
			}
			switch next := r.IntN(states); {
			case a == 0:
				to((s+1)%states, 1) // a ring
			case r.IntN(2) == 0:
				to(s, 1)
			case next == s || r.IntN(2) == 0:
				to(next, 1)
			default:
				p := r.Float64()
				to(s, 1-p)
				to(next, p)
			}
			x.Actions = append(x.Actions, y)
		}
		f.States = append(f.States, x)
	}
	m, err := f.Model()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// leastOfAll tries every policy, and every part that its chain falls into: the
// least average cost of any of them, in $/h, as each can be reached.
func leastOfAll(t *testing.T, m *mdp.Model) float64 {
	t.Helper()
	n, k := m.States, len(m.Actions)
	policies := 1
	for range n {
		policies *= k
	}
	least := math.Inf(1)
	for code := range policies {
		p := make(mdp.Policy, n)
		for s := range p {
			p[s] = int32(code % k)
			code /= k
		}
		successors := func(s int, f func(int)) {
			m.Rows.Each(int(m.Row[m.Pair(s, int(p[s]))]), func(next int, _, _ float64, _ int) { f(next) })
		}
		for _, c := range mdp.ClosedClasses(n, successors) {
			least = min(least, averageFrom(m, p, c))
		}
	}
	return least / m.StepHours
}

// averageFrom is the average cost a step from a recurrent state: the mean of the
// chain that pauses in every other step, which has the same and is not periodic,
// by squaring its matrix.
func averageFrom(m *mdp.Model, p mdp.Policy, from int) float64 {
	n := m.States
	x := make([][]float64, n)
	for s := range x {
		x[s] = make([]float64, n)
		x[s][s] = 0.5
		m.Rows.Each(int(m.Row[m.Pair(s, int(p[s]))]), func(next int, q, _ float64, _ int) { x[s][next] += 0.5 * q })
	}
	for range 40 {
		y := make([][]float64, n)
		for i := range y {
			y[i] = make([]float64, n)
			sum := 0.0
			for j := range n {
				for k := range n {
					y[i][j] += x[i][k] * x[k][j]
				}
				sum += y[i][j]
			}
			for j := range n {
				y[i][j] /= sum
			}
		}
		x = y
	}
	mean := 0.0
	for s, q := range x[from] {
		mean += q * m.Expected(m.Pair(s, int(p[s])))
	}
	return mean
}

// Policy iteration finds the optimum also where policies on its way, the first
// among them, would stay for ever in whichever part they begin in.
func TestOptimumOfModelsWithParts(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := deterministicModel(t, r, 2+r.IntN(4), 2+r.IntN(2))
		got, err := Optimum(context.Background(), m, Options{})
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
			continue
		}
		want := leastOfAll(t, m)
		if math.Abs(got.Gain-want) > 1e-8 {
			t.Errorf("seed %d: optimum %v, want %v", seed, got.Gain, want)
		}
		// The policy itself has that cost, from everywhere.
		e, err := Evaluate(context.Background(), m, got.Policy, Options{})
		if err != nil || math.Abs(e.Gain-want) > 1e-8 {
			t.Errorf("seed %d: the best policy costs %v, %v, want %v", seed, e, err, want)
		}
	}
}

// A model that falls into parts itself has no optimum, and says so.
func TestOptimumOfParts(t *testing.T) {
	one := 1.0
	f := &mdp.File{Step: 3600e9, Start: "a", Actions: []string{"left", "right"}}
	stay := func(name string, cost float64) mdp.FileState {
		return mdp.FileState{Name: name, Actions: []mdp.FileAction{{Name: "left", Cost: cost, Transitions: []mdp.FileTransition{{To: name, P: &one}}}}}
	}
	f.States = []mdp.FileState{{Name: "a", Actions: []mdp.FileAction{
		{Name: "left", Transitions: []mdp.FileTransition{{To: "b", P: &one}}}, {Name: "right", Transitions: []mdp.FileTransition{{To: "c", P: &one}}},
	}}, stay("b", 1), stay("c", 2)}
	if _, err := f.Model(); err == nil {
		t.Fatal("it is accepted")
	}
	// Guards can do the same to a model that is in order.
	back := mdp.FileAction{Name: "right", Transitions: []mdp.FileTransition{{To: "a", P: &one}}}
	f.States[1].Actions, f.States[2].Actions = append(f.States[1].Actions, back), append(f.States[2].Actions, back)
	m, err := f.Model()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Optimum(context.Background(), m, Options{Legal: func(s, a int) bool { return s == 0 || a == 0 }})
	if want := "exact: MDP-v0: the policy has 2 classes of states that it never leaves"; err == nil || len(err.Error()) < len(want) || err.Error()[:len(want)] != want {
		t.Errorf("%v, want %s", err, want)
	}
	if s, err := Optimum(context.Background(), m, Options{}); err != nil || math.Abs(s.Gain) > 1e-12 { // a, b, a, …
		t.Errorf("without them %v, %v", s, err)
	}
}

// Where costs are so large that a billionth of a dollar is lost in rounding, the
// bounds are as close as that allows.
func TestLargeCosts(t *testing.T) {
	for _, factor := range []float64{1e3, 1e6, 1e9} {
		r := rand.New(rand.NewPCG(3, 3))
		m := deterministicModel(t, r, 5, 3)
		for i := range m.Cost {
			m.Cost[i] = (m.Cost[i] + r.Float64()) * factor
		}
		got, err := Optimum(context.Background(), m, Options{})
		if err != nil {
			t.Errorf("factor %g: %v", factor, err)
			continue
		}
		want := leastOfAll(t, m)
		if math.Abs(got.Gain-want) > 1e-12*want || got.Lower > want*(1+1e-12) || got.Upper < want*(1-1e-12) {
			t.Errorf("factor %g: optimum %v, between %v and %v, want %v", factor, got.Gain, got.Lower, got.Upper, want)
		}
		if _, _, err := Discounted(context.Background(), m, 0.9999, Options{}); err != nil {
			t.Errorf("factor %g, discounted: %v", factor, err)
		}
	}
}
