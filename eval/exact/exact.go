package exact

import (
	"context"
	"errors"
	"fmt"
	"math"

	"mend/env/mdp"
)

// Options say how exactly to solve. The zero value means the defaults.
type Options struct {
	// Span is how close the bounds on an average cost must come, in $ an hour;
	// for a discounted cost, how close to the truth each value must be, in $. 0
	// means 1e-9, which leaves eight digits after the point. Where costs are so
	// large that rounding is more than that, it is as close as rounding allows.
	Span float64
	// Sweeps bounds the products with the transition rows; 0 means a million.
	Sweeps int
	// Legal restricts the actions; nil means those of the model. Every state
	// must keep one.
	Legal func(state, action int) bool
	// From is the policy that policy iteration starts with; nil means the first
	// legal action of each state.
	From mdp.Policy
	// Values is a guess of the values, in $, that the first evaluation starts with;
	// nil means zeros. It saves time only.
	Values []float64
}

// Solution is an average cost and what goes with it.
type Solution struct {
	Policy mdp.Policy // the best, or the one that was evaluated
	// Gain is the average cost in $ an hour: the middle of Lower and Upper,
	// which bound it.
	Gain, Lower, Upper float64
	// Bias is the relative value of each state in $: how much more is paid from
	// there than from the start state, in the long run.
	Bias   []float64
	Rounds int // policies that were evaluated
	Sweeps int // products with the transition rows
}

// Span is the distance of the bounds, in $ an hour.
func (s *Solution) Span() float64 { return s.Upper - s.Lower }

// restart is the size of the Krylov space: the larger, the fewer products, and
// the more memory, 8 bytes a state each.
const restart = 60

// solver holds what the methods share.
type solver struct {
	ctx    context.Context
	m      *mdp.Model
	o      Options
	mean   []float64 // [pairs], expected cost
	legal  []bool    // [pairs]
	rows   []float64 // [rows], expectations
	h      []float64 // [states]
	pairs  []int32   // [states], of the policy
	scale  []float64 // [states], 1/(1 − probability of staying), 1 where that is 1
	gmres  *gmres
	sweeps int
}

func newSolver(ctx context.Context, m *mdp.Model, o Options) (*solver, error) {
	if o.Span == 0 {
		o.Span = 1e-9
	}
	if o.Sweeps == 0 {
		o.Sweeps = 1_000_000
	}
	if !(o.Span > 0) || o.Sweeps < 0 {
		return nil, fmt.Errorf("exact: span %v and %d sweeps, want both above 0", o.Span, o.Sweeps)
	}
	n := m.States
	s := &solver{
		ctx: ctx, m: m, o: o, mean: make([]float64, m.Pairs()), legal: make([]bool, m.Pairs()), rows: make([]float64, m.Rows.Len()),
		h: make([]float64, n), pairs: make([]int32, n), scale: make([]float64, n),
	}
	if o.Values != nil {
		if len(o.Values) != n {
			return nil, fmt.Errorf("exact: %d values to start with for the %d states of %s", len(o.Values), n, m.ID)
		}
		copy(s.h, o.Values)
	}
	for i := range s.mean {
		s.mean[i] = m.Expected(i)
		s.legal[i] = o.Legal == nil || o.Legal(int(m.StateOf[i]), int(m.ActionOf[i]))
	}
	return s, nil
}

// expect brings rows up to date with a function of the state.
func (s *solver) expect(v []float64) error {
	if err := s.ctx.Err(); err != nil {
		return context.Cause(s.ctx)
	}
	if s.sweeps >= s.o.Sweeps {
		return fmt.Errorf("exact: %s: not solved after %d sweeps", s.m.ID, s.sweeps)
	}
	s.sweeps++
	s.m.Rows.Expect(v, s.rows)
	return nil
}

// take makes p the policy in force.
func (s *solver) take(p mdp.Policy) error {
	m := s.m
	if len(p) != m.States {
		return fmt.Errorf("exact: a policy of %d states for the %d of %s", len(p), m.States, m.ID)
	}
	for i, a := range p {
		if a < 0 || int(a) >= len(m.Actions) || m.Pair(i, int(a)) < 0 {
			return fmt.Errorf("exact: %s: action %d is not legal in state %d (%s)", m.ID, a, i, label(m, i))
		}
		s.pairs[i] = int32(m.Pair(i, int(a)))
	}
	s.setScale()
	return nil
}

// label describes a state for people.
func label(m *mdp.Model, state int) string {
	if m.Label == nil {
		return "no name"
	}
	return m.Label(state)
}

func (s *solver) setScale() {
	m := s.m
	for i, p := range s.pairs {
		s.scale[i] = 1
		if leave := 1 - m.Rows.Stay(int(m.Row[p]), i); leave > 1e-12 {
			s.scale[i] = 1 / leave
		}
	}
}

// policy is the policy in force.
func (s *solver) policy() mdp.Policy {
	p := make(mdp.Policy, s.m.States)
	for i, x := range s.pairs {
		p[i] = s.m.ActionOf[x]
	}
	return p
}

// ErrMultichain is the error of a policy that has no single average cost.
var ErrMultichain = errors.New("want one class of states that is never left (unichain)")

// unichain refuses a policy whose chain falls into parts: its average cost would
// depend on where it starts.
func (s *solver) unichain() error {
	m := s.m
	closed := mdp.ClosedClasses(m.States, func(state int, f func(int)) {
		m.Rows.Each(int(m.Row[s.pairs[state]]), func(next int, p, _ float64, _ int) {
			if p > 0 {
				f(next)
			}
		})
	})
	if len(closed) > 1 {
		a, b := closed[0], closed[1]
		return fmt.Errorf("exact: %s: the policy has %d classes of states that it never leaves, those of state %d (%s, action %q) and of state %d (%s, action %q) among them: %w",
			m.ID, len(closed), a, label(m, a), m.Actions[m.ActionOf[s.pairs[a]]], b, label(m, b), m.Actions[m.ActionOf[s.pairs[b]]], ErrMultichain)
	}
	return nil
}

// evaluate solves h − P h + g = c for the policy in force, where h is 0 in the
// start state, and returns bounds on g in $ a step, at most span apart. s.h is
// where it starts, and the solution.
//
// Each equation is divided by the probability of leaving its state: that makes
// them the equations of the chain of changes, which is what an event-driven
// world sees, and far better conditioned.
func (s *solver) evaluate(span float64) (lower, upper float64, err error) {
	m, n := s.m, s.m.States
	if s.gmres == nil {
		s.gmres = newGMRES(n, restart)
	}
	ref := m.Start
	value := make([]float64, n)
	apply := func(x, y []float64) {
		if err != nil {
			return
		}
		g := x[ref]
		copy(value, x)
		value[ref] = 0
		if err = s.expect(value); err != nil {
			return
		}
		for i, p := range s.pairs {
			y[i] = (value[i] - s.rows[m.Row[p]] + g) * s.scale[i]
		}
	}
	b, x := make([]float64, n), make([]float64, n)
	for i, p := range s.pairs {
		b[i] = s.mean[p] * s.scale[i]
	}
	best := math.Inf(1)
	for stuck := 0; ; {
		if lower, upper, err = s.bounds(s.h); err != nil {
			return 0, 0, err
		}
		if upper-lower <= span {
			return lower, upper, nil
		}
		if !(upper-lower <= 0.5*best) { // also where h has grown out of all numbers
			if stuck++; stuck > 20 && upper-lower <= s.rounding() {
				return lower, upper, nil
			} else if stuck > 20 {
				return 0, 0, fmt.Errorf("exact: %s: the bounds on the average cost stay %.3g $/h apart, want %.3g", m.ID, (upper-lower)/m.StepHours, span/m.StepHours)
			}
		} else {
			best, stuck = upper-lower, 0
		}
		shift := s.h[ref]
		for i := range x {
			x[i] = s.h[i] - shift
		}
		x[ref] = (lower + upper) / 2
		s.gmres.cycle(apply, b, x, 1e-10)
		if err != nil {
			return 0, 0, err
		}
		copy(s.h, x)
		s.h[ref] = 0
	}
}

// rounding is what may be lost, at worst, of an expectation of s.h.
func (s *solver) rounding() float64 {
	most := 0.0
	for _, x := range s.h {
		most = math.Max(most, math.Abs(x))
	}
	return 32 * 0x1p-52 * most
}

// bounds are those that h gives on the average cost of the policy in force.
func (s *solver) bounds(h []float64) (lower, upper float64, err error) {
	if err := s.expect(h); err != nil {
		return 0, 0, err
	}
	lower, upper = math.Inf(1), math.Inf(-1)
	for i, p := range s.pairs {
		d := s.mean[p] + s.rows[s.m.Row[p]] - h[i]
		lower, upper = math.Min(lower, d), math.Max(upper, d)
	}
	return lower, upper, nil
}

// Evaluate computes the average cost of a policy.
func Evaluate(ctx context.Context, m *mdp.Model, p mdp.Policy, o Options) (*Solution, error) {
	s, err := newSolver(ctx, m, o)
	if err != nil {
		return nil, err
	}
	if err := s.take(p); err != nil {
		return nil, err
	}
	if err := s.unichain(); err != nil {
		return nil, err
	}
	lower, upper, err := s.evaluate(s.o.Span * m.StepHours)
	if err != nil {
		return nil, err
	}
	return s.solution(lower, upper, 1), nil
}

func (s *solver) solution(lower, upper float64, rounds int) *Solution {
	lower, upper = lower/s.m.StepHours, upper/s.m.StepHours
	return &Solution{
		Policy: s.policy(), Gain: (lower + upper) / 2, Lower: lower, Upper: upper,
		Bias: append([]float64(nil), s.h...), Rounds: rounds, Sweeps: s.sweeps,
	}
}

// first is the first legal action of each state, or the policy to start with.
func (s *solver) first() error {
	m := s.m
	if s.o.From != nil {
		if err := s.take(s.o.From); err != nil {
			return err
		}
		for i, p := range s.pairs {
			if !s.legal[p] {
				return fmt.Errorf("exact: %s: the policy to start with is not legal in state %d (%s)", m.ID, i, label(m, i))
			}
		}
		return nil
	}
	for i := range s.pairs {
		s.pairs[i] = -1
	}
	for p := m.Pairs() - 1; p >= 0; p-- {
		if s.legal[p] {
			s.pairs[m.StateOf[p]] = int32(p)
		}
	}
	for i, p := range s.pairs {
		if p < 0 {
			return fmt.Errorf("exact: %s: no legal action in state %d (%s)", m.ID, i, label(m, i))
		}
	}
	s.setScale()
	return nil
}

// improve makes the policy in force the best one against the expectations in
// rows, at a discount of gamma, of values v. Choices that are better by less
// than slack stay as they are. It returns how many changed, and the bounds of T
// v − v.
func (s *solver) improve(v []float64, gamma, slack float64) (changed int, lower, upper float64) {
	m := s.m
	lower, upper = math.Inf(1), math.Inf(-1)
	pair := 0
	for i := range s.pairs {
		old := int(s.pairs[i])
		least, best := math.Inf(1), -1
		for ; pair < m.Pairs() && int(m.StateOf[pair]) == i; pair++ {
			if !s.legal[pair] {
				continue
			}
			if q := s.mean[pair] + gamma*s.rows[m.Row[pair]]; q < least {
				least, best = q, pair
			}
		}
		if least < s.mean[old]+gamma*s.rows[m.Row[old]]-slack {
			s.pairs[i] = int32(best)
			changed++
		}
		lower, upper = math.Min(lower, least-v[i]), math.Max(upper, least-v[i])
	}
	return changed, lower, upper
}

// warmup is how many times the Bellman operator is applied before the first
// policy is evaluated, where no policy is given: what is best over so many steps is
// nearer to the best than any fixed choice.
const warmup = 50

// Optimum computes the least average cost by policy iteration (Howard, "Dynamic
// Programming and Markov Processes", 1960). Its policy has that cost from every
// state, also where those on the way fall into parts; see join.
func Optimum(ctx context.Context, m *mdp.Model, o Options) (*Solution, error) {
	s, err := newSolver(ctx, m, o)
	if err != nil {
		return nil, err
	}
	if err := s.first(); err != nil {
		return nil, err
	}
	if o.From == nil {
		if _, err := s.values(warmup); err != nil {
			return nil, err
		}
	}
	// Where nothing improves by the slack, the bounds of T h − h are no further
	// apart than those of the policy and the slack, so that the span is reached.
	span := s.o.Span * m.StepHours
	var before []int32 // the pairs that were improved upon
	for round := 1; ; round++ {
		// Parts whose costs differ defeat the method, or are hidden behind values
		// so large that the difference is lost in rounding.
		if _, _, err := s.evaluate(span * 3 / 4); err != nil || s.rounding() > 16*span {
			joined, e := s.join(before)
			switch {
			case e != nil:
				return nil, e
			case joined:
				clear(s.h)
				continue
			case err != nil:
				return nil, err
			}
		}
		if err := s.expect(s.h); err != nil {
			return nil, err
		}
		before = append(before[:0], s.pairs...)
		noise := s.rounding()
		changed, lower, upper := s.improve(s.h, 1, max(span/5, noise/4))
		if upper-lower <= span || changed == 0 && upper-lower <= noise {
			// What is left to gain is within the span. The policy in force is
			// best against h; one whose parts cost the same is made one.
			if _, err := s.join(nil); err != nil {
				return nil, err
			}
			return s.solution(lower, upper, round), nil
		}
		if changed == 0 {
			return nil, fmt.Errorf("exact: %s: no choice improves, but the bounds are %.3g $/h apart, want %.3g", m.ID, (upper-lower)/m.StepHours, s.o.Span)
		}
		s.setScale()
	}
}

// RelativeValueIteration computes the least average cost by applying the Bellman
// operator until the bounds are close (White, "Dynamic programming, Markov
// chains, and the method of successive approximations", 1963).
func RelativeValueIteration(ctx context.Context, m *mdp.Model, o Options) (*Solution, error) {
	s, err := newSolver(ctx, m, o)
	if err != nil {
		return nil, err
	}
	if err := s.first(); err != nil {
		return nil, err
	}
	return s.values(math.MaxInt)
}

// values applies the Bellman operator to h until the bounds are close, or so many
// times: then the solution is nil. The policy in force is then the best against
// the h before the last time.
func (s *solver) values(times int) (*Solution, error) {
	m := s.m
	defer s.setScale()
	for range times {
		if err := s.expect(s.h); err != nil {
			return nil, err
		}
		_, lower, upper := s.improve(s.h, 1, 0)
		if upper-lower <= s.o.Span*m.StepHours {
			return s.solution(lower, upper, 0), nil
		}
		shift := s.mean[s.pairs[m.Start]] + s.rows[m.Row[s.pairs[m.Start]]]
		for i, p := range s.pairs {
			s.h[i] = s.mean[p] + s.rows[m.Row[p]] - shift
		}
	}
	return nil, nil
}
