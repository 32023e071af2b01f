package exact

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"mend/env"
	"mend/env/mdp"
)

// modelA is MDPA of a preset.
func modelA(t testing.TB, preset string) *mdp.Model {
	t.Helper()
	c, err := mdp.PresetA(preset)
	if err != nil {
		t.Fatal(err)
	}
	return mdp.MDPA(c)
}

// static is a policy that ships with m.
func static(t testing.TB, m *mdp.Model, name string) mdp.Policy {
	t.Helper()
	p, err := m.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return p.Policy
}

// branch is where an action leads, with what probability, and at what cost.
type branch struct {
	next    int
	p, cost float64
}

// build makes a model of what at says about each state and action; no branches
// mean that the action is not legal. A step lasts an hour. What is seen of a state
// are the binary digits of its number.
func build(id string, states, actions int, at func(s, a int) (cost float64, to []branch)) *mdp.Model {
	m := &mdp.Model{
		ID: id, Definition: id, StepHours: 1, States: states, PairOf: make([]int32, states*actions),
		Label: func(s int) string { return fmt.Sprint("number ", s) },
	}
	for a := range actions {
		m.Actions = append(m.Actions, fmt.Sprint("action_", a))
	}
	bits := 1
	for 1<<bits < states {
		bits++
	}
	for b := range bits {
		m.Features = append(m.Features, env.Feature{Name: fmt.Sprint("bit_", b), Unit: "1", Scale: 1})
	}
	rows := &mdp.Sparse{}
	for s := range states {
		for b := range bits {
			m.Obs = append(m.Obs, float32(s>>b&1))
		}
		for a := range actions {
			i := s*actions + a
			m.PairOf[i] = -1
			cost, to := at(s, a)
			if len(to) == 0 {
				continue
			}
			m.PairOf[i] = int32(len(m.Row))
			m.StateOf, m.ActionOf = append(m.StateOf, int32(s)), append(m.ActionOf, int32(a))
			m.Row = append(m.Row, int32(rows.Begin()))
			m.Cost, m.Down = append(m.Cost, cost), append(m.Down, false)
			for _, b := range to {
				rows.Branch(b.next, b.p, b.cost, 0)
			}
			rows.End()
		}
	}
	m.Rows = rows
	return m
}

// random is a model that rng made up: every action may lead back to state 0, so
// that there is one recurrent class under every policy. stay is the probability
// with which, on average, nothing happens in a step.
func random(rng *rand.Rand, states, actions, branches int, stay float64) *mdp.Model {
	return build("Random-v0", states, actions, func(s, a int) (float64, []branch) {
		if a > 0 && rng.IntN(4) == 0 {
			return 0, nil
		}
		to := []branch{{next: 0, p: 0.1 + rng.Float64()}}
		for range branches - 1 {
			to = append(to, branch{rng.IntN(states), rng.ExpFloat64(), float64(rng.IntN(3)) * rng.NormFloat64()})
		}
		sum := 0.0
		for _, b := range to {
			sum += b.p
		}
		q := 2 * stay * rng.Float64()
		if q = min(q, 0.999); stay == 0 {
			q = 0
		}
		for i := range to {
			to[i].p *= (1 - q) / sum
		}
		return 10 * rng.NormFloat64(), append(to, branch{next: s, p: q})
	})
}

// anyPolicy draws a legal action for each state.
func anyPolicy(rng *rand.Rand, m *mdp.Model, legal func(s, a int) bool) mdp.Policy {
	p := make(mdp.Policy, m.States)
	for s := range p {
		for {
			if a := rng.IntN(len(m.Actions)); m.Pair(s, a) >= 0 && (legal == nil || legal(s, a)) {
				p[s] = int32(a)
				break
			}
		}
	}
	return p
}

// policies are all of them.
func policies(m *mdp.Model, legal func(s, a int) bool, f func(mdp.Policy)) {
	p := make(mdp.Policy, m.States)
	var from func(s int)
	from = func(s int) {
		if s == m.States {
			f(p)
			return
		}
		for a := range m.Actions {
			if m.Pair(s, a) >= 0 && (legal == nil || legal(s, a)) {
				p[s] = int32(a)
				from(s + 1)
			}
		}
	}
	from(0)
}

// chainOf is the transition matrix of a policy and its cost in each state, read
// off the branches.
func chainOf(m *mdp.Model, p mdp.Policy) (*mat.Dense, []float64) {
	n := m.States
	t, c := mat.NewDense(n, n, nil), make([]float64, n)
	for s, a := range p {
		pair := m.Pair(s, int(a))
		c[s] = m.Cost[pair]
		m.Rows.Each(int(m.Row[pair]), func(next int, q, cost float64, _ int) {
			t.Set(s, next, t.At(s, next)+q)
			c[s] += q * cost
		})
	}
	return t, c
}

// denseAverage solves h − P·h + g = c, h(start) = 0, by elimination: the average
// cost of a policy a step, and the bias.
func denseAverage(t testing.TB, m *mdp.Model, p mdp.Policy) (gain float64, bias []float64) {
	t.Helper()
	chain, c := chainOf(m, p)
	n := m.States
	a := mat.NewDense(n, n, nil)
	for i := range n {
		for j := range n {
			x := -chain.At(i, j)
			if i == j {
				x++
			}
			if j == m.Start {
				x = 1
			}
			a.Set(i, j, x)
		}
	}
	bias = solve(t, a, c)
	gain, bias[m.Start] = bias[m.Start], 0
	return gain, bias
}

// denseDiscounted solves v − γ·P·v = c by elimination.
func denseDiscounted(t testing.TB, m *mdp.Model, p mdp.Policy, gamma float64) []float64 {
	t.Helper()
	chain, c := chainOf(m, p)
	n := m.States
	a := mat.NewDense(n, n, nil)
	for i := range n {
		for j := range n {
			x := -gamma * chain.At(i, j)
			if i == j {
				x++
			}
			a.Set(i, j, x)
		}
	}
	return solve(t, a, c)
}

func solve(t testing.TB, a *mat.Dense, b []float64) []float64 {
	t.Helper()
	var x mat.VecDense
	if err := x.SolveVec(a, mat.NewVecDense(len(b), append([]float64(nil), b...))); err != nil {
		t.Fatal(err)
	}
	return append([]float64(nil), x.RawVector().Data...)
}

func near(t testing.TB, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: %.12g, want %.12g ± %.2g", what, got, want, tolerance)
	}
}

// farthest is the largest distance of two vectors.
func farthest(x, y []float64) float64 {
	d := 0.0
	for i := range x {
		d = math.Max(d, math.Abs(x[i]-y[i])) // NaN wins
	}
	return d
}
