package exact

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"mend/env/mdp"
)

// sizes of random models: states, actions, branches of a row, and how much of the
// time nothing happens. Of those of 100 states and more not all is within one
// Krylov space.
var sizes = []struct {
	states, actions, branches int
	stay                      float64
}{
	{1, 3, 1, 0}, {2, 2, 2, 0}, {3, 3, 2, 0.5}, {7, 2, 3, 0}, {10, 4, 4, 0.9}, {40, 3, 5, 0.4}, {100, 3, 3, 0.95}, {150, 4, 12, 0},
}

func optimum(t testing.TB, m *mdp.Model, o Options) *Solution {
	t.Helper()
	s, err := Optimum(context.Background(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func evaluated(t testing.TB, m *mdp.Model, p mdp.Policy, o Options) *Solution {
	t.Helper()
	s, err := Evaluate(context.Background(), m, p, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Policy iteration and value iteration share nothing but the products with the
// rows, and elimination not even these: all agree, within the bounds and within
// the span asked for, on random models and on MDPA.
func TestOptimumByThreeMethods(t *testing.T) {
	ctx := context.Background()
	models := map[string]*mdp.Model{"MDPA": modelA(t, "A1")}
	for i, x := range sizes {
		models[fmt.Sprintf("random %d", x.states)] = random(rand.New(rand.NewPCG(1, uint64(i))), x.states, x.actions, x.branches, x.stay)
	}
	for name, m := range models {
		best := optimum(t, m, Options{})
		gain, _ := denseAverage(t, m, best.Policy)
		near(t, name+": the best policy by elimination", gain/m.StepHours, best.Gain, 1e-9)
		for _, span := range []float64{1, 1e-3, 1e-6, 1e-8} {
			byPolicies, err := Optimum(ctx, m, Options{Span: span})
			if err != nil {
				t.Errorf("%s: span %v: %v", name, span, err)
				continue
			}
			byValues, err := RelativeValueIteration(ctx, m, Options{Span: span})
			if err != nil {
				t.Errorf("%s: span %v: value iteration: %v", name, span, err)
				continue
			}
			for how, s := range map[string]*Solution{"policies": byPolicies, "values": byValues} {
				at := fmt.Sprintf("%s, iteration of %s to a span of %v", name, how, span)
				// The truth is known to a span of 1e-9 only.
				if !(s.Lower <= best.Upper && s.Upper >= best.Lower && s.Lower <= s.Gain && s.Gain <= s.Upper) {
					t.Errorf("%s: [%v, %v] around %v does not hold the optimum %v", at, s.Lower, s.Upper, s.Gain, best.Gain)
				}
				if s.Span() > span {
					t.Errorf("%s: the bounds are %v apart", at, s.Span())
				}
				// The policy is as good as the bounds say, give or take the slack.
				gain, _ := denseAverage(t, m, s.Policy)
				if gain/m.StepHours > s.Upper+span/4+1e-9 {
					t.Errorf("%s: the policy costs %v, more than %v", at, gain/m.StepHours, s.Upper)
				}
				if s.Bias[m.Start] != 0 {
					t.Errorf("%s: the bias of the start state is %v", at, s.Bias[m.Start])
				}
			}
		}
	}
}

// Many spans, so that some end just within the bounds of the evaluation: what is
// asked for must come out all the same.
func TestOptimumReachesEverySpan(t *testing.T) {
	m := modelA(t, "A1")
	best := optimum(t, m, Options{})
	small := random(rand.New(rand.NewPCG(2, 0)), 30, 4, 4, 0.9)
	bestSmall := optimum(t, small, Options{})
	for k := range 41 {
		span := math.Pow(10, 1-float64(k)/4) // 10 to 1e-9
		for _, x := range []struct {
			m    *mdp.Model
			best *Solution
		}{{m, best}, {small, bestSmall}} {
			s, err := Optimum(context.Background(), x.m, Options{Span: span})
			if err != nil {
				t.Errorf("%s: span %v: %v", x.m.ID, span, err)
				continue
			}
			if s.Span() > span || s.Lower > x.best.Upper || s.Upper < x.best.Lower {
				t.Errorf("%s: span %v: [%v, %v], the optimum is %v", x.m.ID, span, s.Lower, s.Upper, x.best.Gain)
			}
		}
	}
}

// A choice that is better by less than what counts must not keep the bounds apart:
// where nothing is known yet, those of action 0 are 0 and 1, just the span, and
// those of the best −0.2 and 1.
func TestOptimumWithinTheSlack(t *testing.T) {
	m := build("Slack-v0", 2, 2, func(s, a int) (float64, []branch) {
		return [2][2]float64{{0, -0.2}, {1, 1}}[s][a], []branch{{next: 0, p: 0.5}, {next: 1, p: 0.5}}
	})
	if s := optimum(t, m, Options{Span: 1}); s.Span() > 1 || s.Lower > 0.4 || s.Upper < 0.4 { // (1 − 0.2)/2
		t.Errorf("[%v, %v], want at most 1 apart around 0.4", s.Lower, s.Upper)
	}
}

// Against elimination and the stationary distribution, for policies drawn at
// random.
func TestEvaluate(t *testing.T) {
	ctx := context.Background()
	for i, x := range sizes {
		rng := rand.New(rand.NewPCG(3, uint64(i)))
		m := random(rng, x.states, x.actions, x.branches, x.stay)
		m.Start = rng.IntN(m.States)
		for k := range 3 {
			p := anyPolicy(rng, m, nil)
			at := fmt.Sprintf("model %d, policy %d: ", i, k)
			gain, bias := denseAverage(t, m, p)
			for _, span := range []float64{1e-2, 1e-9} {
				s := evaluated(t, m, p, Options{Span: span})
				near(t, at+"gain, the middle of the bounds", s.Gain, (s.Lower+s.Upper)/2, 1e-15*math.Abs(gain))
				if s.Span() > span || !(s.Lower-1e-11 <= gain && gain <= s.Upper+1e-11) {
					t.Errorf("%sspan %v: [%v, %v] around %v, by elimination %v", at, span, s.Lower, s.Upper, s.Gain, gain)
				}
			}
			s := evaluated(t, m, p, Options{Span: 1e-11})
			near(t, at+"bias, largest difference from elimination", farthest(s.Bias, bias), 0, 1e-8)

			mu, err := Visits(ctx, m, p)
			if err != nil {
				t.Fatal(err)
			}
			sum := 0.0
			for s, a := range p {
				sum += mu[s] * m.Expected(m.Pair(s, int(a)))
			}
			near(t, at+"costs weighted by visits", sum, gain, 1e-9)
		}
	}
}

// Visits are what the chain comes to from anywhere: a row of its matrix to the
// power of 2^24, for chains without a period.
func TestVisits(t *testing.T) {
	ctx := context.Background()
	check := func(at string, m *mdp.Model, p mdp.Policy) {
		mu, err := Visits(ctx, m, p)
		if err != nil {
			t.Errorf("%s: %v", at, err)
			return
		}
		sum := 0.0
		for s, x := range mu {
			sum += x
			if x < 0 {
				t.Errorf("%s: state %d has %v of the time", at, s, x)
			}
		}
		near(t, at+": sum", sum, 1, 1e-12)
		chain, _ := chainOf(m, p)
		power := mat.DenseCopyOf(chain)
		for range 24 {
			var next mat.Dense
			next.Mul(power, power)
			for i := range m.States { // lest rounding add up
				row := next.RawRowView(i)
				total := 0.0
				for _, x := range row {
					total += x
				}
				for j := range row {
					row[j] /= total
				}
			}
			power = &next
		}
		near(t, at+": largest difference from the power", farthest(mu, power.RawRowView(m.States-1)), 0, 1e-10)
	}
	m := modelA(t, "A1")
	for i := 0; i < len(m.Policies); i += 3 {
		check(m.Policies[i].Name, m, m.Policies[i].Policy)
	}
	check("optimal", m, optimum(t, m, Options{}).Policy)
	for i, x := range sizes {
		rng := rand.New(rand.NewPCG(4, uint64(i)))
		m := random(rng, x.states, x.actions, x.branches, x.stay)
		check(fmt.Sprint("random model ", i), m, anyPolicy(rng, m, nil))
	}
}

// A chain with a period, and one that ends in a state it never leaves: value
// iteration cannot do the first, both are in the definition of unichain.
//
//	ring: 0 → 1 → 2 → 0 at costs of 1, 2, 6: 3 a step, each state a third of the
//	time; h(1) = h(0) + 3 − 1, h(2) = h(1) + 3 − 2.
//	sink: 0 → 1 → 1 …, costs 5, then 7 a step: 7, all of the time in 1.
func TestPeriodicAndAbsorbing(t *testing.T) {
	ring := build("Ring-v0", 3, 1, func(s, _ int) (float64, []branch) {
		return []float64{1, 2, 6}[s], []branch{{next: (s + 1) % 3, p: 1}}
	})
	sink := build("Sink-v0", 2, 1, func(s, _ int) (float64, []branch) {
		return []float64{5, 7}[s], []branch{{next: 1, p: 1}}
	})
	for _, x := range []struct {
		m            *mdp.Model
		gain         float64
		bias, visits []float64
	}{
		{ring, 3, []float64{0, 2, 3}, []float64{1. / 3, 1. / 3, 1. / 3}},
		{sink, 7, []float64{0, 2}, []float64{0, 1}},
	} {
		p := make(mdp.Policy, x.m.States)
		for _, s := range []*Solution{evaluated(t, x.m, p, Options{}), optimum(t, x.m, Options{})} {
			near(t, x.m.ID+": gain", s.Gain, x.gain, 1e-9)
			near(t, x.m.ID+": bias", farthest(s.Bias, x.bias), 0, 1e-8)
		}
		mu, err := Visits(context.Background(), x.m, p)
		if err != nil {
			t.Errorf("%s: %v", x.m.ID, err)
			continue
		}
		near(t, x.m.ID+": visits", farthest(mu, x.visits), 0, 1e-12)
	}
	_, err := RelativeValueIteration(context.Background(), ring, Options{Sweeps: 500})
	if got, want := fmt.Sprint(err), "exact: Ring-v0: not solved after 500 sweeps"; got != want {
		t.Errorf("value iteration of a ring: error %q, want %q", got, want)
	}
}

// Over all policies of models small enough to try each: none is better than the
// optimum, and the one returned attains it.
func TestOptimumAgainstEveryPolicy(t *testing.T) {
	const gamma = 0.9
	ctx := context.Background()
	for i := range uint64(40) {
		rng := rand.New(rand.NewPCG(5, i))
		m := random(rng, 1+rng.IntN(5), 1+rng.IntN(3), 1+rng.IntN(3), []float64{0, 0.5}[rng.IntN(2)])
		var legal func(s, a int) bool
		if i%2 == 1 { // without the last action, where there is another
			legal = func(s, a int) bool { return a == 0 || a < len(m.Actions)-1 }
		}
		least, tried := math.Inf(1), 0
		values := make([]float64, m.States)
		for s := range values {
			values[s] = math.Inf(1)
		}
		policies(m, legal, func(p mdp.Policy) {
			tried++
			gain, _ := denseAverage(t, m, p)
			least = min(least, gain)
			for s, v := range denseDiscounted(t, m, p, gamma) {
				values[s] = min(values[s], v)
			}
		})
		at := fmt.Sprintf("model %d, %d policies", i, tried)
		o := Options{Legal: legal}
		best := optimum(t, m, o)
		near(t, at, best.Gain, least, 1e-9)
		gain, _ := denseAverage(t, m, best.Policy)
		near(t, at+": the best", gain, least, 1e-9)
		byValues, err := RelativeValueIteration(ctx, m, o)
		if err != nil {
			t.Fatal(err)
		}
		near(t, at+": by values", byValues.Gain, least, 1e-9)

		v, p, err := Discounted(ctx, m, gamma, o)
		if err != nil {
			t.Fatal(err)
		}
		near(t, at+": discounted", farthest(v, values), 0, 1e-6)
		near(t, at+": the best discounted", farthest(denseDiscounted(t, m, p, gamma), values), 0, 1e-6)
		for s, a := range p {
			if legal != nil && (!legal(s, int(a)) || !legal(s, int(best.Policy[s]))) {
				t.Errorf("%s: takes actions %d and %d in state %d, which are not legal", at, a, best.Policy[s], s)
			}
		}
	}
}

// Any policy costs as much more than the optimum as its choices do, weighted by
// where it spends its time.
func TestGapsAddUpToRegret(t *testing.T) {
	ctx := context.Background()
	m := modelA(t, "A1")
	all := slices.Clone(m.Policies)
	rng := rand.New(rand.NewPCG(6, 0))
	for k := range 5 {
		all = append(all, mdp.Named{Name: fmt.Sprint("random ", k), Policy: anyPolicy(rng, m, nil)})
	}
	best := optimum(t, m, Options{})
	for _, p := range all {
		mu, err := Visits(ctx, m, p.Policy)
		if err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
		sum := 0.0
		for s, g := range Gaps(m, p.Policy, best) {
			sum += mu[s] * g
			if g < -best.Span()*m.StepHours {
				t.Errorf("%s: the choice in state %d (%s) is better than the best by %v", p.Name, s, m.Label(s), -g)
			}
		}
		s := evaluated(t, m, p.Policy, Options{})
		near(t, p.Name, sum/m.StepHours, s.Gain-best.Gain, 2e-9) // both to a span of 1e-9
	}
	for s, g := range Gaps(m, best.Policy, best) {
		near(t, fmt.Sprintf("gap of the optimum in state %d", s), g, 0, best.Span()*m.StepHours)
	}
}

// The same bits with one processor as with two, on a model whose products are
// shared out.
func TestProcessorsDoNotMatter(t *testing.T) {
	m := random(rand.New(rand.NewPCG(7, 0)), 400, 4, 120, 0.5)
	if n := m.Rows.(*mdp.Sparse).Branches(); n < 2<<16 { // two shares of work
		t.Fatalf("%d branches, too few to be shared out", n)
	}
	type result struct {
		s      *Solution
		values []float64
		p      mdp.Policy
		mu     []float64
	}
	solve := func(processors int) (r result) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
		r.s = optimum(t, m, Options{})
		var err error
		if r.values, r.p, err = Discounted(context.Background(), m, 0.99, Options{}); err != nil {
			t.Fatal(err)
		}
		if r.mu, err = Visits(context.Background(), m, r.s.Policy); err != nil {
			t.Fatal(err)
		}
		return r
	}
	one, two := solve(1), solve(2)
	if one.s.Lower != two.s.Lower || one.s.Upper != two.s.Upper || one.s.Sweeps != two.s.Sweeps || !slices.Equal(one.s.Bias, two.s.Bias) || !slices.Equal(one.s.Policy, two.s.Policy) {
		t.Errorf("optimum [%v, %v] with one processor, [%v, %v] with two", one.s.Lower, one.s.Upper, two.s.Lower, two.s.Upper)
	}
	if !slices.Equal(one.values, two.values) || !slices.Equal(one.p, two.p) || !slices.Equal(one.mu, two.mu) {
		t.Error("discounted values or visits differ between one processor and two")
	}
}

// islands has two parts between which nobody goes, where both actions of state 2
// are 0: state 0 with 1, and 2 alone. Action 1 leads from 2 to 0.
func islands() *mdp.Model {
	return build("Islands-v0", 3, 2, func(s, a int) (float64, []branch) {
		switch {
		case s < 2 && a == 0:
			return float64(s), []branch{{next: 1 - s, p: 1}}
		case s == 2 && a == 0:
			return 5, []branch{{next: 2, p: 1}}
		case s == 2:
			return 1, []branch{{next: 0, p: 0.5}, {next: 2, p: 0.5}}
		case s == 0: // so that every state can be reached
			return 9, []branch{{next: 2, p: 1}}
		}
		return 0, nil
	})
}

func TestErrors(t *testing.T) {
	ctx := context.Background()
	m := islands()
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	a := modelA(t, "A1")
	three := a.Policies[0].Policy
	cancelled, cancel := context.WithCancelCause(ctx)
	cause := errors.New("enough of it")
	cancel(cause)
	first := func(_ any, err error) error { return err }
	discounted := func(gamma float64) error {
		_, _, err := Discounted(ctx, m, gamma, Options{})
		return err
	}
	parts := `exact: Islands-v0: the policy has 2 classes of states that it never leaves, those of state 0 (number 0, action "action_0") and of state 2 (number 2, action "action_0") among them: want one class of states that is never left (unichain)`
	for _, x := range []struct {
		name, want string
		err        error
	}{
		{"two classes", parts, first(Evaluate(ctx, m, mdp.Policy{0, 0, 0}, Options{}))},
		{"visits of two classes", parts, first(Visits(ctx, m, mdp.Policy{0, 0, 0}))},
		{
			"policy iteration within two classes", parts,
			first(Optimum(ctx, m, Options{Legal: func(s, a int) bool { return s != 2 || a == 0 }})),
		},
		{"an illegal action", "exact: Islands-v0: action 1 is not legal in state 1 (number 1)", first(Evaluate(ctx, m, mdp.Policy{0, 1, 1}, Options{}))},
		{"an action below 0", "exact: Islands-v0: action -1 is not legal in state 2 (number 2)", first(Evaluate(ctx, m, mdp.Policy{0, 0, -1}, Options{}))},
		{"an action too high", "exact: Islands-v0: action 2 is not legal in state 0 (number 0)", first(EvaluateDiscounted(ctx, m, mdp.Policy{2, 0, 1}, 0.9, Options{}))},
		{"visits by an illegal action", "exact: Islands-v0: action 1 is not legal in state 1 (number 1)", first(Visits(ctx, m, mdp.Policy{0, 1, 1}))},
		{"a policy too short", "exact: a policy of 2 states for the 3 of Islands-v0", first(Evaluate(ctx, m, mdp.Policy{0, 0}, Options{}))},
		{"a start too long", "exact: a policy of 4 states for the 3 of Islands-v0", first(Optimum(ctx, m, Options{From: mdp.Policy{0, 0, 1, 0}}))},
		{
			"nothing legal", "exact: Islands-v0: no legal action in state 1 (number 1)",
			first(Optimum(ctx, m, Options{Legal: func(s, _ int) bool { return s != 1 }})),
		},
		{
			"nothing legal, by values", "exact: Islands-v0: no legal action in state 1 (number 1)",
			first(RelativeValueIteration(ctx, m, Options{Legal: func(s, _ int) bool { return s != 1 }})),
		},
		{
			"an illegal start", "exact: Islands-v0: the policy to start with is not legal in state 2 (number 2)",
			first(Optimum(ctx, m, Options{From: mdp.Policy{0, 0, 1}, Legal: func(s, a int) bool { return s != 2 || a == 0 }})),
		},
		{"too few sweeps", "exact: MDPA-v0: not solved after 20 sweeps", first(Optimum(ctx, a, Options{Sweeps: 20}))},
		{"too few sweeps to evaluate", "exact: MDPA-v0: not solved after 7 sweeps", first(Evaluate(ctx, a, three, Options{Sweeps: 7}))},
		{"too few sweeps by values", "exact: MDPA-v0: not solved after 20 sweeps", first(RelativeValueIteration(ctx, a, Options{Sweeps: 20}))},
		{"too few sweeps discounted", "exact: MDPA-v0: not solved after 20 sweeps", first(EvaluateDiscounted(ctx, a, three, 0.999, Options{Sweeps: 20}))},
		{"a span below 0", "exact: span -1 and 1000000 sweeps, want both above 0", first(Optimum(ctx, m, Options{Span: -1}))},
		{"a span that is none", "exact: span NaN and 1000000 sweeps, want both above 0", first(Optimum(ctx, m, Options{Span: math.NaN()}))},
		{"sweeps below 0", "exact: span 1e-09 and -1 sweeps, want both above 0", first(Evaluate(ctx, m, mdp.Policy{0, 0, 1}, Options{Sweeps: -1}))},
		{"no discount", "exact: discount 1, want 0 <= gamma < 1", discounted(1)},
		{"a discount below 0", "exact: discount -0.1, want 0 <= gamma < 1", discounted(-0.1)},
		{"a discount that is none", "exact: discount NaN, want 0 <= gamma < 1", first(EvaluateDiscounted(ctx, m, mdp.Policy{0, 0, 1}, math.NaN(), Options{}))},
	} {
		if got := fmt.Sprint(x.err); got != x.want {
			t.Errorf("%s: error %q, want %q", x.name, got, x.want)
		}
	}
	for name, err := range map[string]error{
		"Optimum": first(Optimum(cancelled, a, Options{})), "RelativeValueIteration": first(RelativeValueIteration(cancelled, a, Options{})),
		"Evaluate": first(Evaluate(cancelled, a, three, Options{})), "EvaluateDiscounted": first(EvaluateDiscounted(cancelled, a, three, 0.9, Options{})),
		"Visits": first(Visits(cancelled, a, three)),
	} {
		if !errors.Is(err, cause) {
			t.Errorf("%s, cancelled: error %v, want %v", name, err, cause)
		}
	}

	// Policy iteration finds its way, also from a policy of two classes, and no
	// state needs a name.
	m.Label = nil
	for _, from := range []mdp.Policy{nil, {0, 0, 1}, {0, 0, 0}} {
		best := optimum(t, m, Options{From: from})
		near(t, "optimum of the islands", best.Gain, 0.5, 1e-9) // 0 and 1 in turn
	}
	_, err := Evaluate(ctx, m, mdp.Policy{0, 1, 0}, Options{})
	if got, want := fmt.Sprint(err), "exact: Islands-v0: action 1 is not legal in state 1 (no name)"; got != want {
		t.Errorf("without names: error %q, want %q", got, want)
	}
}
