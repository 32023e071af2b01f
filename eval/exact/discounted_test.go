package exact

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"mend/env/mdp"
)

// Against elimination, for discounts from none to nearly all, to the span asked
// for.
func TestEvaluateDiscounted(t *testing.T) {
	ctx := context.Background()
	for i, x := range sizes {
		rng := rand.New(rand.NewPCG(11, uint64(i)))
		m := random(rng, x.states, x.actions, x.branches, x.stay)
		for _, gamma := range []float64{0, 0.5, 0.99, 0.9999} {
			p := anyPolicy(rng, m, nil)
			want := denseDiscounted(t, m, p, gamma)
			for _, span := range []float64{1, 1e-3, 1e-6} {
				got, err := EvaluateDiscounted(ctx, m, p, gamma, Options{Span: span})
				if err != nil {
					t.Errorf("model %d, gamma %v, span %v: %v", i, gamma, span, err)
					continue
				}
				near(t, fmt.Sprintf("model %d, gamma %v: farthest from elimination", i, gamma), farthest(got, want), 0, span*(1+1e-6))
			}
		}
	}
	m := modelA(t, "A1")
	gamma := math.Exp(-m.StepHours / 60)
	for _, p := range m.Policies {
		got, err := EvaluateDiscounted(ctx, m, p.Policy, gamma, Options{})
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
			continue
		}
		near(t, p.Name+": farthest from elimination", farthest(got, denseDiscounted(t, m, p.Policy, gamma)), 0, 1e-6)
	}
}

// Bellman's equation holds in every state:
//
//	v(s) = min_a c(s,a) + γ·Σ P(s'|s,a)·v(s')
//
// within 1−γ times the span, or v would not be known to it.
func TestDiscountedBellman(t *testing.T) {
	ctx := context.Background()
	models := []*mdp.Model{modelA(t, "A1"), modelA(t, "mild")}
	for i, x := range sizes {
		models = append(models, random(rand.New(rand.NewPCG(12, uint64(i))), x.states, x.actions, x.branches, x.stay))
	}
	for i, m := range models {
		for _, gamma := range []float64{0, 0.9, math.Exp(-1. / 12 / 60)} {
			for _, span := range []float64{10, 1e-2, 1e-6} {
				at := fmt.Sprintf("model %d, gamma %v, span %v", i, gamma, span)
				v, p, err := Discounted(ctx, m, gamma, Options{Span: span})
				if err != nil {
					t.Errorf("%s: %v", at, err)
					continue
				}
				worst := 0.0
				for s := range m.States {
					least := math.Inf(1)
					for a := range m.Actions {
						pair := m.Pair(s, a)
						if pair < 0 {
							continue
						}
						x := m.Cost[pair]
						m.Rows.Each(int(m.Row[pair]), func(next int, q, cost float64, _ int) { x += q * (cost + gamma*v[next]) })
						least = min(least, x)
					}
					worst = max(worst, math.Abs(least-v[s]))
				}
				near(t, at+": largest residual", worst, 0, span*(1-gamma)+1e-11)
				// What is returned is what the policy costs.
				near(t, at+": farthest from what the policy costs", farthest(v, denseDiscounted(t, m, p, gamma)), 0, span+1e-7)
			}
		}
	}
}

// With a discount of ½, −0.5 for ever is −1, of which nothing is known while the
// residual may be ½. A choice that is better, −1.9 or −1.4 for ever, must not be
// missed by more than 1, whether it is by the residual, by what counts as better, or
// by both.
func TestDiscountedWithinTheSlack(t *testing.T) {
	for _, best := range []float64{-0.95, -0.7} {
		m := build("Slack-v0", 1, 2, func(_, a int) (float64, []branch) {
			return []float64{-0.5, best}[a], []branch{{next: 0, p: 1}}
		})
		v, _, err := Discounted(context.Background(), m, 0.5, Options{Span: 1})
		if err != nil {
			t.Fatal(err)
		}
		near(t, "value", v[0], 2*best, 1)
	}
}

// As the time constant grows, the best discounted policy becomes the best there
// is, and its value that of the average cost, the bias in proportion:
//
//	v(s) = g/(1−γ) + h(s) − Σμh + O(1−γ)
//
// (Puterman, 1994, corollary 8.2.5), so that ten times the time leaves a tenth of
// the difference.
func TestDiscountedTendsToAverage(t *testing.T) {
	ctx := context.Background()
	for name, m := range map[string]*mdp.Model{
		"A1": modelA(t, "A1"), "mild": modelA(t, "mild"), "random": random(rand.New(rand.NewPCG(13, 0)), 30, 4, 4, 0.5),
	} {
		best := optimum(t, m, Options{})
		mu, err := Visits(ctx, m, best.Policy)
		if err != nil {
			t.Fatal(err)
		}
		mean := 0.0
		for s, x := range mu {
			mean += x * best.Bias[s]
		}
		var left [2]float64
		for i, hours := range []float64{2000, 20_000} {
			gamma := math.Exp(-m.StepHours / hours)
			// From a policy that is bad, values of 500,000 $ leave no digits.
			v, p, err := Discounted(ctx, m, gamma, Options{Span: 1e-4, From: best.Policy})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			gain, _ := denseAverage(t, m, p)
			near(t, fmt.Sprintf("%s, tau %v h: average cost", name, hours), gain/m.StepHours, best.Gain, 2e-9)
			left[i] = v[m.Start] - best.Gain*m.StepHours/(1-gamma) + mean
		}
		near(t, name+": what is left of the difference", left[1]/left[0], 0.1, 0.03)
	}
}
