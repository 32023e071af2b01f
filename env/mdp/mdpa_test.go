package mdp

import (
	"math"
	"slices"
	"testing"

	"mend/env"
	"mend/env/guard"
)

// solver computes average costs to many digits. It is a test's own: package
// eval/exact is what others use.
type solver struct {
	m    *Model
	mask []bool    // [pairs], those that may be used
	out  []float64 // [rows]
	h    []float64 // [states], relative values of the last result
}

func newSolver(m *Model) *solver {
	x := &solver{m: m, mask: make([]bool, m.Pairs()), out: make([]float64, m.Rows.Len()), h: make([]float64, m.States)}
	for i := range x.mask {
		x.mask[i] = true
	}
	return x
}

// guarded leaves the pairs that the guards permit.
func (x *solver) guarded(t *testing.T) {
	t.Helper()
	set, err := guard.Compile(&env.Spec{ID: x.m.ID, Features: x.m.Features, Actions: x.m.Actions, Guards: x.m.Guards})
	if err != nil {
		t.Fatal(err)
	}
	legal := make([]bool, len(x.m.Actions))
	for s := range x.m.States {
		for a := range legal {
			legal[a] = true
		}
		set.Apply(x.m.ObsRow(s), legal)
		for a, ok := range legal {
			if p := x.m.Pair(s, a); p >= 0 {
				x.mask[p] = ok
			}
		}
	}
}

// stepTolerance is how far apart the bounds of an average cost may be, in $ a
// step: 5e-7 $/h.
const stepTolerance = 4e-8

// sweep returns the least and greatest of min_a c(s,a) + Σ P·h − h(s), between
// which the best average cost lies, and writes to policy what is best.
func (x *solver) sweep(policy Policy) (lo, hi float64) {
	m := x.m
	m.Rows.Expect(x.h, x.out)
	lo, hi = math.Inf(1), math.Inf(-1)
	for s := range m.States {
		least := math.Inf(1)
		for a := range m.Actions {
			if p := m.Pair(s, a); p >= 0 && x.mask[p] {
				q := m.Expected(p) + x.out[m.Row[p]]
				// What differs by rounding alone is no reason to change.
				if q < least-1e-9 {
					least = q
					policy[s] = int32(a)
				}
			}
		}
		lo, hi = min(lo, least-x.h[s]), max(hi, least-x.h[s])
	}
	return lo, hi
}

// optimum returns the least average cost in $/h, by policy iteration from the
// values of the last result, and a policy that has it.
func (x *solver) optimum(t *testing.T) (float64, Policy) {
	t.Helper()
	policy := make(Policy, x.m.States)
	for range 50 {
		lo, hi := x.sweep(policy)
		if hi-lo <= stepTolerance {
			return (lo + hi) / 2 / x.m.StepHours, policy
		}
		x.gain(t, policy)
	}
	t.Fatalf("%s: policy iteration does not end", x.m.ID)
	return 0, nil
}

// gain returns the average cost of a policy in $/h. With h(start) = 0 it solves
//
//	g + h(s) − Σ P(s'|s)·h(s') = c(s)
//
// by BiCGSTAB (van der Vorst, SIAM J. Sci. Stat. Comput. 13, 1992) with the
// diagonal as preconditioner; x[start] is g. What it returns rests on the bounds
// that a sweep gives, not on the solver.
func (x *solver) gain(t *testing.T, policy Policy) float64 {
	t.Helper()
	m, n, ref := x.m, x.m.States, x.m.Start
	pairs, cost, scale := make([]int, n), make([]float64, n), make([]float64, n)
	for s := range pairs {
		pairs[s] = m.Pair(s, int(policy[s]))
		cost[s] = m.Expected(pairs[s])
		scale[s] = 1
		if s != ref {
			m.Rows.Each(int(m.Row[pairs[s]]), func(next int, p, _ float64, _ int) {
				if next == s {
					scale[s] -= p
				}
			})
		}
	}
	apply := func(y, out []float64) { // out = (matrix·y)/scale
		g := y[ref]
		y[ref] = 0
		m.Rows.Expect(y, x.out)
		for s := range out {
			out[s] = (g + y[s] - x.out[m.Row[pairs[s]]]) / scale[s]
		}
		y[ref] = g
	}
	dot := func(a, b []float64) float64 {
		sum := 0.0
		for i := range a {
			sum += a[i] * b[i]
		}
		return sum
	}
	bounds := func(y []float64) (lo, hi float64) {
		g := y[ref]
		y[ref] = 0
		m.Rows.Expect(y, x.out)
		lo, hi = math.Inf(1), math.Inf(-1)
		for s := range pairs {
			d := cost[s] + x.out[m.Row[pairs[s]]] - y[s]
			lo, hi = min(lo, d), max(hi, d)
		}
		copy(x.h, y)
		y[ref] = g
		return lo, hi
	}
	y := slices.Clone(x.h)
	r, v, w, z := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	for range 30 {
		lo, hi := bounds(y)
		if hi-lo <= stepTolerance {
			return (lo + hi) / 2 / m.StepHours
		}
		y[ref] = (lo + hi) / 2
		apply(y, r)
		for s := range r {
			r[s] = cost[s]/scale[s] - r[s]
		}
		shadow, p := slices.Clone(r), slices.Clone(r)
		rho, target := dot(r, r), 1e-20*dot(r, r)
		for k := 0; k < 200 && dot(r, r) > target; k++ {
			apply(p, v)
			alpha := rho / dot(shadow, v)
			for s := range r {
				w[s] = r[s] - alpha*v[s]
			}
			apply(w, z)
			omega := dot(z, w) / dot(z, z)
			for s := range r {
				y[s] += alpha*p[s] + omega*w[s]
				r[s] = w[s] - omega*z[s]
			}
			next := dot(shadow, r)
			beta := next / rho * alpha / omega
			rho = next
			for s := range p {
				p[s] = r[s] + beta*(p[s]-omega*v[s])
			}
		}
	}
	t.Fatalf("%s: the average cost of a policy does not settle", m.ID)
	return 0
}

func presetA(t *testing.T, name string) *Model {
	t.Helper()
	c, err := PresetA(name)
	if err != nil {
		t.Fatal(err)
	}
	return MDPA(c)
}

func TestMDPA(t *testing.T) {
	for _, name := range PresetsA {
		m := presetA(t, name)
		if m.States != 172 || m.Pairs() != 872 || len(m.Policies) != 20 {
			t.Errorf("%s: %d states, %d pairs and %d policies, want 172, 872 and 20", name, m.States, m.Pairs(), len(m.Policies))
		}
		if err := m.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := PresetA("A2"); err == nil {
		t.Error("preset A2 exists")
	}
}

// aIndex finds states and actions of MDPA by what they are.
type aIndex struct {
	*Model
	t *testing.T
}

func (m aIndex) state(s aState) int {
	m.t.Helper()
	for i := range m.States {
		if m.Label(i) == s.String() {
			return i
		}
	}
	m.t.Fatalf("no state %v", s)
	return 0
}

func (m aIndex) pairOf(s aState, action string) int {
	m.t.Helper()
	p := m.Pair(m.state(s), slices.Index(m.Actions, action))
	if p < 0 {
		m.t.Fatalf("%s is not legal in %v", action, s)
	}
	return p
}

// chance is the probability that a pair leads to a state at that cost.
func (m aIndex) chance(pair int, to aState, cost float64) float64 {
	sum := 0.0
	m.Rows.Each(int(m.Row[pair]), func(next int, p, c float64, _ int) {
		if next == m.state(to) && c == cost {
			sum += p
		}
	})
	return sum
}

// Costs and probabilities by hand. The hours between changes are those of A1.
func TestMDPAByHand(t *testing.T) {
	m := aIndex{presetA(t, "A1"), t}
	for _, x := range []struct {
		s      aState
		action string
		rate   float64 // $/h
		down   bool
	}{
		{aState{u: 3}, "rebuild_none", 3 * 0.0274, false},
		{aState{u: 4}, "rebuild_none_drop", 3 * 0.0274, false},
		{aState{u: 2}, "rebuild_2_fast", 4*0.0274 + 2*0.2, false},
		{aState{u: 2, w: 1, h: 1}, "rebuild_2_fast", 4*0.0274 + 2*6 + 0.1, false},
		{aState{u: 2, w: 1}, "rebuild_1_slow_drop", 2*0.0274 + 0.5 + 2, false},
		{aState{d: 2, r: 1}, "rebuild_none", 2*0.0274 + 600, true},
		{aState{d: 1, w: 1}, "rebuild_none", 0.0274 + 3000, true},
	} {
		p := m.pairOf(x.s, x.action)
		near(t, x.s.String()+": cost of "+x.action, m.Cost[p], x.rate/12, 1e-12)
		if m.Down[p] != x.down {
			t.Errorf("%v: down is %v, want %v", x.s, m.Down[p], x.down)
		}
	}
	p := func(rate float64) float64 { return 1 - math.Exp(-rate/12) }
	calm, low := 1-p(1.0/720), 1-p(1.0/14)
	lost, down, gone, back, slow := p(1.0/8766), p(1.0/720), p(0.1), p(4), p(0.18)

	one := m.pairOf(aState{u: 1}, "rebuild_none")
	near(t, "losing the only replica", m.chance(one, aState{u: 3}, 50_000), calm*low*lost, 1e-15)
	near(t, "its cost", m.Rows.Cost(int(m.Row[one])), 50_000*lost, 1e-10)
	near(t, "the only replica going down", m.chance(one, aState{d: 1}, 0), calm*low*down, 1e-15)
	near(t, "its staying", m.Rows.Stay(int(m.Row[one]), m.state(aState{u: 1})), calm*low*(1-lost-down), 1e-15)

	all := m.pairOf(aState{u: 1, d: 1, r: 1}, "rebuild_1_slow")
	near(t, "return and completion", m.chance(all, aState{u: 3}, 2), calm*low*(1-lost-down)*(1-gone)*back*slow, 1e-15)
	near(t, "a storm, the load rising and loss of one of two, whichever",
		m.chance(all, aState{u: 1, r: 1, w: 1, h: 1}, 0), (1-calm)*(1-low)*((1-lost-down)*gone+lost*(1-gone)*back)*(1-slow), 1e-15)
	near(t, "completion as both others are lost", m.chance(all, aState{u: 1}, 2), calm*low*slow*lost*gone, 1e-15)

	storm := m.pairOf(aState{u: 2, h: 1, w: 1}, "rebuild_none")
	sl, sd := p(200.0/8766), p(200.0/720)
	near(t, "one lost and one down in a storm", m.chance(storm, aState{d: 1, h: 1, w: 1}, 0), (1-p(0.25))*(1-p(0.1))*2*sl*sd, 1e-15)
}

// Average costs that another program found by relative value iteration; the digits
// given are exact.
func TestMDPAGains(t *testing.T) {
	t.Parallel()
	const tolerance = 1e-6
	m := presetA(t, "A1")
	x := newSolver(m)
	best, policy := x.optimum(t)
	near(t, "A1: optimum", best, 0.09647456, tolerance)
	for name, want := range map[string]float64{
		"rf4-delayed-fast": 0.11937276, "rf3-delayed-fast": 0.12221639, "rf3-eager-fast": 0.12385842, "rf4-eager-fast": 0.12868696,
		"rf4-eager-slow": 0.13722695, "rf4-delayed-slow": 0.13751947,
		"rf5-eager-fast": 0.14609675, "rf5-delayed-fast": 0.14609675, "rf5-eager-slow": 0.14689824, "rf5-delayed-slow": 0.14689824,
		"rf3-eager-slow": 0.21915918, "rf3-delayed-slow": 0.22714694,
		"rf2-eager-fast": 0.63853106, "rf2-delayed-fast": 0.66662870, "rf2-eager-slow": 1.15572470, "rf2-delayed-slow": 1.16980449,
		"rf1-eager-fast": 17.75241686, "rf1-delayed-fast": 17.75241686, "rf1-eager-slow": 17.75241686, "rf1-delayed-slow": 17.75241686,
	} {
		near(t, "A1: "+name, x.gain(t, named(t, m, name)), want, tolerance)
	}

	// What the best policy does where it differs from any static one.
	i := aIndex{m, t}
	for _, c := range []struct {
		s    aState
		want string
	}{
		{aState{u: 2}, "rebuild_2_fast"}, {aState{u: 2, w: 1}, "rebuild_none"},
		{aState{u: 3}, "rebuild_none"}, {aState{u: 3, h: 1}, "rebuild_2_fast"}, {aState{u: 3, h: 1, w: 1}, "rebuild_2_slow"},
		{aState{u: 4}, "rebuild_none_drop"},
	} {
		if got := m.Actions[policy[i.state(c.s)]]; got != c.want {
			t.Errorf("best in %v is %s, want %s", c.s, got, c.want)
		}
	}

	x = newSolver(m)
	x.guarded(t)
	best, _ = x.optimum(t)
	near(t, "A1: optimum within the guards", best, 0.09647456, tolerance)

	m = presetA(t, "mild")
	x = newSolver(m)
	best, _ = x.optimum(t)
	near(t, "mild: optimum", best, 0.089261, tolerance)
	near(t, "mild: rf3-delayed-fast", x.gain(t, named(t, m, "rf3-delayed-fast")), 0.094965, tolerance)
}

func named(t *testing.T, m *Model, name string) Policy {
	t.Helper()
	n, err := m.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return n.Policy
}
