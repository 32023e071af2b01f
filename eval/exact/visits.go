package exact

import (
	"context"
	"fmt"
	"math"

	"mend/env/mdp"
)

// Visits is the share of time that a policy spends in each state in the long run,
// [states]: the solution of μ = μ·P that sums to 1.
func Visits(ctx context.Context, m *mdp.Model, p mdp.Policy) ([]float64, error) {
	s, err := newSolver(ctx, m, Options{})
	if err != nil {
		return nil, err
	}
	if err := s.take(p); err != nil {
		return nil, err
	}
	if err := s.unichain(); err != nil {
		return nil, err
	}
	chain := s.chain()
	n := m.States
	// In terms of how often a state is left, μ(1 − P(s|s)), the equations are
	// those of the chain of changes. The start state's also says that all of μ is
	// 1, which makes them regular:
	//
	//	μ − μ·P + (Σμ)·e = e
	mu := make([]float64, n)
	apply := func(x, y []float64) {
		sum := 0.0
		for i, v := range x {
			mu[i] = v * s.scale[i]
			sum += mu[i]
		}
		copy(y, mu)
		chain.subtract(mu, y)
		y[m.Start] += sum
	}
	b, x := make([]float64, n), make([]float64, n)
	b[m.Start] = 1
	for i := range x {
		x[i] = 1 / (float64(n) * s.scale[i])
	}
	g := newGMRES(n, restart)
	for round := 0; ; round++ {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		if _, left := g.cycle(apply, b, x, 1e-12); left < 1e-13 {
			break
		}
		if round == 200 {
			return nil, fmt.Errorf("exact: %s: shares of time do not settle", m.ID)
		}
	}
	sum := 0.0
	for i, v := range x {
		mu[i] = math.Max(0, v*s.scale[i]) // rounding
		sum += mu[i]
	}
	scale(mu, 1/sum)
	return mu, nil
}

// chain is the transition matrix of one policy, by row.
type chain struct {
	first []int
	next  []int32
	p     []float64
}

func (s *solver) chain() *chain {
	c := &chain{first: []int{0}}
	at := make([]int32, s.m.States) // 1 + where of the present row a state is
	for _, pair := range s.pairs {
		from := len(c.next)
		s.m.Rows.Each(int(s.m.Row[pair]), func(next int, p, _ float64, _ int) {
			if k := int(at[next]) - 1; k >= from && k < len(c.next) && int(c.next[k]) == next {
				c.p[k] += p
				return
			}
			at[next] = int32(len(c.next) + 1)
			c.next, c.p = append(c.next, int32(next)), append(c.p, p)
		})
		c.first = append(c.first, len(c.next))
	}
	return c
}

// subtract does y ← y − x·P.
func (c *chain) subtract(x, y []float64) {
	for i, v := range x {
		if v == 0 {
			continue
		}
		for k := c.first[i]; k < c.first[i+1]; k++ {
			y[c.next[k]] -= v * c.p[k]
		}
	}
}

// Gaps is how much each choice of a policy costs against the best, in $ a step
// and at least 0 but for rounding, [states]:
//
//	c(s, π(s)) + Σ P(s'|s, π(s))·h(s') − h(s) − g
//
// with gain g and bias h of the optimum. Weighted by [Visits] of the policy they
// add up to how much more it costs than the optimum, an identity (Kakade and
// Langford, "Approximately optimal approximate reinforcement learning", 2002,
// for the discounted form).
func Gaps(m *mdp.Model, p mdp.Policy, optimum *Solution) []float64 {
	rows := make([]float64, m.Rows.Len())
	m.Rows.Expect(optimum.Bias, rows)
	gaps := make([]float64, m.States)
	for s, a := range p {
		pair := m.Pair(s, int(a))
		gaps[s] = m.Expected(pair) + rows[m.Row[pair]] - optimum.Bias[s] - optimum.Gain*m.StepHours
	}
	return gaps
}
