package exact

import (
	"context"
	"fmt"
	"math"

	"mend/env/mdp"
)

// EvaluateDiscounted computes the discounted cost of a policy from each state,
//
//	v = c + γ·P v
//
// in $, each within Options.Span. gamma is per step, below 1.
func EvaluateDiscounted(ctx context.Context, m *mdp.Model, p mdp.Policy, gamma float64, o Options) ([]float64, error) {
	s, err := newDiscounted(ctx, m, gamma, o)
	if err != nil {
		return nil, err
	}
	if err := s.take(p); err != nil {
		return nil, err
	}
	if err := s.evaluateDiscounted(gamma, s.o.Span); err != nil {
		return nil, err
	}
	return s.h, nil
}

func newDiscounted(ctx context.Context, m *mdp.Model, gamma float64, o Options) (*solver, error) {
	if !(gamma >= 0 && gamma < 1) {
		return nil, fmt.Errorf("exact: discount %v, want 0 <= gamma < 1", gamma)
	}
	if o.Span == 0 {
		o.Span = 1e-6 // of values of thousands of dollars
	}
	return newSolver(ctx, m, o)
}

// evaluateDiscounted solves for the policy in force, in s.h, to within span.
func (s *solver) evaluateDiscounted(gamma, span float64) (err error) {
	m, n := s.m, s.m.States
	if s.gmres == nil {
		s.gmres = newGMRES(n, restart)
	}
	weight := make([]float64, n)
	b := make([]float64, n)
	for i, p := range s.pairs {
		weight[i] = 1 / (1 - gamma*m.Rows.Stay(int(m.Row[p]), i))
		b[i] = s.mean[p] * weight[i]
	}
	apply := func(x, y []float64) {
		if err != nil {
			return
		}
		if err = s.expect(x); err != nil {
			return
		}
		for i, p := range s.pairs {
			y[i] = (x[i] - gamma*s.rows[m.Row[p]]) * weight[i]
		}
	}
	best := math.Inf(1)
	for stuck := 0; ; {
		if err := s.expect(s.h); err != nil {
			return err
		}
		worst := 0.0
		for i, p := range s.pairs {
			worst = math.Max(worst, math.Abs(s.mean[p]+gamma*s.rows[m.Row[p]]-s.h[i]))
		}
		if worst <= span*(1-gamma) {
			return nil
		}
		if !(worst <= 0.5*best) {
			if stuck++; stuck > 20 && worst <= s.rounding() {
				return nil
			} else if stuck > 20 {
				return fmt.Errorf("exact: %s: values are within %.3g $ only, want %.3g", m.ID, worst/(1-gamma), span)
			}
		} else {
			best, stuck = worst, 0
		}
		s.gmres.cycle(apply, b, s.h, 1e-10)
		if err != nil {
			return err
		}
	}
}

// Discounted computes the least discounted cost from each state in $, and a
// policy that attains it from every one, by policy iteration. gamma is per step.
func Discounted(ctx context.Context, m *mdp.Model, gamma float64, o Options) (values []float64, p mdp.Policy, err error) {
	s, err := newDiscounted(ctx, m, gamma, o)
	if err != nil {
		return nil, nil, err
	}
	if err := s.first(); err != nil {
		return nil, nil, err
	}
	// Values of a residual of half a span, which no choice improves by another
	// half, are within a span of the least.
	for {
		if err := s.evaluateDiscounted(gamma, s.o.Span/2); err != nil {
			return nil, nil, err
		}
		if err := s.expect(s.h); err != nil {
			return nil, nil, err
		}
		if changed, _, _ := s.improve(s.h, gamma, max(s.o.Span/2*(1-gamma), s.rounding())); changed == 0 {
			return s.h, s.policy(), nil
		}
		s.setScale()
	}
}
