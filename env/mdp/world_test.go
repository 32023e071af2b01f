package mdp_test

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"mend/env"
	"mend/env/envtest"
	"mend/env/mdp"
	"mend/env/seed"
	"mend/eval/exact"
)

// partition is MDPA of preset A1.
func partition(t testing.TB) *mdp.Model {
	t.Helper()
	c, err := mdp.PresetA("A1")
	if err != nil {
		t.Fatal(err)
	}
	return mdp.MDPA(c)
}

// simulated is a world of m under the default configuration, changed by change.
func simulated(t testing.TB, m *mdp.Model, change func(c *mdp.Config)) *mdp.World {
	t.Helper()
	c := mdp.DefaultConfig()
	if change != nil {
		change(&c)
	}
	w, err := mdp.New(m, c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// rule is a policy that ships with m.
func rule(t testing.TB, m *mdp.Model, name string) mdp.Policy {
	t.Helper()
	p, err := m.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return p.Policy
}

// within reports a value that is not near what it should be.
func within(t testing.TB, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: %.12g, want %.12g ± %.2g", what, got, want, tolerance)
	}
}

// buffers are what a world fills.
func buffers(w *mdp.World) ([]float32, []bool) {
	return make([]float32, w.Spec().ObsDim()), make([]bool, len(w.Spec().Actions))
}

// happens is a small model in which much happens. Steps last an hour.
//
//	state 0  wait: 3 $; stays 0.9, to 1 0.06, to 0 at 7 $ 0.03, loses a shard at 40 $ to 2 0.01
//	         go:   1 $; to 1 0.5, to 2 0.5
//	state 1  wait: 0 $; stays for ever
//	         go:   2 $; to 0 1 $ dearer 0.25, stays 0.75
//	state 2  wait: 5 $, nothing can be read; to 0 1
var happens = [3][2][]mdpBranch{
	{
		{{0, 0.9, 0, 0}, {1, 0.06, 0, 0}, {0, 0.03, 7, 0}, {2, 0.01, 40, 1}},
		{{1, 0.5, 0, 0}, {2, 0.5, 0, 0}},
	},
	{{{1, 1, 0, 0}}, {{0, 0.25, 1, 0}, {1, 0.75, 0, 0}}},
	{{{0, 1, 0, 0}}, nil},
}

var happensCost = [3][2]float64{{3, 1}, {0, 2}, {5, 0}}

type mdpBranch struct {
	next    int
	p, cost float64
	lost    int
}

func smallModel(t testing.TB) *mdp.Model {
	m := &mdp.Model{
		ID: "Small-v0", Definition: "small", StepHours: 1, States: 3,
		Features: []env.Feature{{Name: "one", Unit: "1", Scale: 1}, {Name: "two", Unit: "1", Scale: 1}},
		Actions:  []string{"wait", "go"},
		Guards:   []env.Guard{{Name: "stay_at_one", Feature: "one", Actions: []string{"go"}, Min: float32(math.Inf(-1)), Max: 0}},
		Obs:      []float32{0, 0, 1, 0, 0, 1},
		Label:    func(s int) string { return [3]string{"zero", "one", "two"}[s] },
	}
	rows := &mdp.Sparse{}
	for s := range happens {
		for a, to := range happens[s] {
			if to == nil {
				m.PairOf = append(m.PairOf, -1)
				continue
			}
			m.PairOf = append(m.PairOf, int32(len(m.Row)))
			m.StateOf, m.ActionOf = append(m.StateOf, int32(s)), append(m.ActionOf, int32(a))
			m.Row = append(m.Row, int32(rows.Begin()))
			m.Cost, m.Down = append(m.Cost, happensCost[s][a]), append(m.Down, s == 2)
			for _, b := range to {
				rows.Branch(b.next, b.p, b.cost, b.lost)
			}
			rows.End()
		}
	}
	m.Rows = rows
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	return m
}

// Worlds keep the contract whatever their options and their shaping, under
// episodes that the clock cuts within the checks and under long ones.
func TestWorldConformance(t *testing.T) {
	m := partition(t)
	base := rule(t, m, "rf3-delayed-fast")
	short := func(c *mdp.Config) { c.Horizon, c.ExploringDecisions = 200*time.Hour, 5 }
	for name, x := range map[string]struct {
		change func(c *mdp.Config)
		shape  func(w *mdp.World)
	}{
		"default":       {change: func(*mdp.Config) {}},
		"expected":      {change: func(c *mdp.Config) { c.Cost = mdp.Expected }},
		"steps":         {change: func(c *mdp.Config) { c.Hold = 5 * time.Minute }},
		"guard":         {change: func(c *mdp.Config) { c.Guard = true }},
		"no discount":   {change: func(c *mdp.Config) { c.Tau = 0 }},
		"potential":     {change: func(*mdp.Config) {}, shape: func(w *mdp.World) { w.ShapeByPotential(potential(t, w, base), false) }},
		"advantage":     {change: func(c *mdp.Config) { c.Guard = true }, shape: func(w *mdp.World) { w.ShapeByPotential(potential(t, w, base), true) }},
		"twin":          {change: func(c *mdp.Config) { c.Tau = 3 * time.Hour }, shape: func(w *mdp.World) { w.ShapeByTwin(base) }},
		"expected twin": {change: func(c *mdp.Config) { c.Tau, c.Cost = 3*time.Hour, mdp.Expected }, shape: func(w *mdp.World) { w.ShapeByTwin(base) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := simulated(t, m, func(c *mdp.Config) { short(c); x.change(c) })
			if x.shape != nil {
				x.shape(w)
			}
			envtest.Run(t, func() env.Env { return w.Sibling() })
		})
	}
	t.Run("ten years", func(t *testing.T) { // some 300,000 decisions an episode
		w := simulated(t, m, nil)
		envtest.Report(t, envtest.Check(func() env.Env { return w.Sibling() }, envtest.Options{EpisodeSteps: 1 << 20}))
	})
	t.Run("small", func(t *testing.T) {
		w := simulated(t, smallModel(t), func(c *mdp.Config) { c.Horizon = 100 * time.Hour })
		envtest.Run(t, func() env.Env { return w.Sibling() })
	})
}

// potential is what a rule returns within w's discount, from each state.
func potential(t testing.TB, w *mdp.World, p mdp.Policy) []float64 {
	t.Helper()
	v, err := exact.EvaluateDiscounted(t.Context(), w.Model(), p, w.Gamma(), exact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range v {
		v[i] = -v[i]
	}
	return v
}

// law is what a hold of one pair may come to, by the model: how long nothing
// happens, and what happens then.
type law struct {
	m     *mdp.Model
	pair  int
	stay  float64
	leave []mdpBranch
	limit int
}

func lawOf(m *mdp.Model, state, action, limit int) *law {
	l := &law{m: m, pair: m.Pair(state, action), limit: limit}
	m.Rows.Each(int(m.Row[l.pair]), func(next int, p, cost float64, lost int) {
		if next == state && cost == 0 && lost == 0 {
			l.stay += p
		} else {
			l.leave = append(l.leave, mdpBranch{next, p, cost, lost})
		}
	})
	return l
}

// each calls f for all that may come of a hold: its length, whether anything
// happened, what, and the probability.
//
//	P(N = n, b) = stay^(n−1)·p_b,  P(N = limit, nothing) = stay^limit
func (l *law) each(f func(n int, happened bool, b mdpBranch, p float64)) {
	q := 1.0
	for n := 1; n <= l.limit; n++ {
		for _, b := range l.leave {
			f(n, true, b, q*b.p)
		}
		q *= l.stay
	}
	f(l.limit, false, mdpBranch{next: int(l.m.StateOf[l.pair])}, q)
}

// moments are mean and variance of a function of what comes of the hold.
func (l *law) moments(of func(n int, happened bool, b mdpBranch) float64) (mean, variance float64) {
	square := 0.0
	l.each(func(n int, happened bool, b mdpBranch, p float64) {
		x := of(n, happened, b)
		mean += p * x
		square += p * x * x
	})
	return mean, max(0, square-mean*mean)
}

// geometric is Σ_{k<n} γ^k.
func geometric(gamma float64, n int) float64 {
	sum, x := 0.0, 1.0
	for range n {
		sum += x
		x *= gamma
	}
	return sum
}

// outcome is a class of what comes of a hold. Lengths of up to four steps are told
// apart, longer ones by halves of an octave, for what happens what it leads to.
type outcome struct {
	length   int
	happened bool
	next     int
	cents    int
	lost     int
}

func classify(n int, happened bool, next int, cost float64, lost int) outcome {
	length := n
	if n > 4 {
		length = 4 + int(2*math.Log2(float64(n)/4))
	}
	return outcome{length, happened, next, int(math.Round(100 * cost)), lost}
}

// fits compares how often each class came with what the law says, by Pearson's
// statistic. Classes of fewer than 10 expected are taken together. Its mean is the
// number of degrees of freedom d, its variance about 2d: six standard deviations
// are allowed.
func (l *law) fits(t *testing.T, what string, draws int, draw func(k int) outcome) {
	t.Helper()
	got := map[outcome]int{}
	for k := range draws {
		got[draw(k)]++
	}
	want := map[outcome]float64{}
	l.each(func(n int, happened bool, b mdpBranch, p float64) {
		want[classify(n, happened, b.next, b.cost, b.lost)] += p * float64(draws)
	})
	statistic, classes, rare, rareGot := 0.0, 0, 0.0, 0
	for o, n := range want {
		if n < 10 {
			rare += n
			rareGot += got[o]
		} else {
			statistic += (float64(got[o]) - n) * (float64(got[o]) - n) / n
			classes++
		}
		delete(got, o)
	}
	for o, n := range got {
		t.Errorf("%s: %d of %d draws came to %+v, which cannot be", what, n, draws, o)
	}
	if rare > 0 {
		if d := math.Abs(float64(rareGot) - rare); d > 6*math.Sqrt(rare)+6 { // nearly Poisson
			t.Errorf("%s: %d rare outcomes, want %.1f", what, rareGot, rare)
		}
	}
	if d := float64(classes - 1); statistic > d+6*math.Sqrt(2*d)+6 {
		t.Errorf("%s: chi-square %.1f over %d classes", what, statistic, classes)
	}
}

// measured is what a world has charged and lost since it began.
func measured(w *mdp.World) (charged float64, lost int) {
	m := w.Measure(nil)
	return m[0].Num, int(m[2].Num)
}

// lawPairs are the pairs of states and actions whose law is tested: in MDPA every
// 29th, which are of calm and storm, with rebuilds and without.
func lawPairs(m *mdp.Model) (pairs []int) {
	for i := 0; i < m.Pairs(); i++ {
		if m.Pairs() < 29 || i%29 == 0 {
			pairs = append(pairs, i)
		}
	}
	return pairs
}

// What a hold comes to is what the law says: drawn at once, as the event-driven
// world does; walked through with holds of one step; and in a world that is
// shaped by a twin, which walks too, by other random numbers. A hold of 20 h in
// calm is often cut at the cap.
func TestHoldsObeyTheLaw(t *testing.T) {
	const draws = 5000
	for _, m := range []*mdp.Model{partition(t), smallModel(t)} {
		hold := 20 * time.Hour
		limit := int(math.Round(hold.Hours() / m.StepHours))
		// A small discount, lest the twin be followed far.
		held := simulated(t, m, func(c *mdp.Config) { c.Hold, c.Tau = hold, time.Minute })
		walked := simulated(t, m, func(c *mdp.Config) { c.Hold = time.Duration(m.StepHours * float64(time.Hour)) })
		twin := held.Sibling()
		twin.ShapeByTwin(m0(m))
		obs, mask := buffers(held)
		for _, i := range lawPairs(m) {
			s, a := int(m.StateOf[i]), int(m.ActionOf[i])
			l := lawOf(m, s, a, limit)
			once := func(w *mdp.World) func(k int) outcome {
				return func(k int) outcome {
					w.Begin(seed.Seed(1).Child("hold", uint64(k)), s, obs, mask)
					n := int(w.Step(a, obs, mask).Elapsed)
					charged, lost := measured(w)
					cost := charged - float64(n)*m.Cost[i]
					// Nothing has happened where the state is the same and nothing was charged.
					happened := w.State() != s || lost > 0 || math.Abs(cost) > 1e-9*(1+charged)
					return classify(n, happened, w.State(), cost, lost)
				}
			}
			at := fmt.Sprintf("%s, state %d (%s), action %q", m.ID, s, m.Label(s), m.Actions[a])
			l.fits(t, at+", at once", draws, once(held))
			l.fits(t, at+", twin", draws, once(twin))
			l.fits(t, at+", step by step", draws, func(k int) outcome {
				walked.Begin(seed.Seed(1).Child("walk", uint64(k)), s, obs, mask)
				before, was := 0.0, 0
				for n := 1; ; n++ {
					if e := walked.Step(a, obs, mask).Elapsed; e != 1 {
						t.Fatalf("%s: a hold of one step lasts %v", at, e)
					}
					charged, lost := measured(walked)
					cost := charged - before - m.Cost[i]
					happened := walked.State() != s || lost > was || math.Abs(cost) > 1e-9*(1+charged)
					if happened || n == limit {
						return classify(n, happened, walked.State(), cost, lost)
					}
					before, was = charged, lost
				}
			})
		}
	}
}

// m0 is the policy of the first legal action of each state.
func m0(m *mdp.Model) mdp.Policy {
	p := make(mdp.Policy, m.States)
	for s := range p {
		p[s] = int32(slices.IndexFunc(m.PairOf[s*len(m.Actions):(s+1)*len(m.Actions)], func(i int32) bool { return i >= 0 }))
	}
	return p
}

// By hand: γ = exp(−1/τ); waiting in state 0 costs 3 at each of N steps, and what
// ends it costs 7 or 40 or nothing in the last. Expected, each step costs
// 3 + 0.03·7 + 0.01·40 = 3.61.
func TestRewardOfAHold(t *testing.T) {
	m := smallModel(t)
	for _, cost := range []string{mdp.Sampled, mdp.Expected} {
		for _, tau := range []time.Duration{0, 5 * time.Hour} {
			w := simulated(t, m, func(c *mdp.Config) { c.Cost, c.Tau, c.Hold = cost, tau, 12*time.Hour })
			gamma := 1.0
			if tau > 0 {
				gamma = math.Exp(-1 / tau.Hours())
			}
			if w.Gamma() != gamma || w.Spec().Gamma != gamma && tau > 0 || w.Spec().Gamma != 0 && tau == 0 {
				t.Errorf("tau %v: gamma %v, in the spec %v, want %v", tau, w.Gamma(), w.Spec().Gamma, gamma)
			}
			obs, mask := buffers(w)
			cut, events := 0, map[int]int{}
			for k := range uint64(400) {
				w.Begin(seed.Seed(2).Child("hold", k), 0, obs, mask)
				o := w.Step(0, obs, mask)
				n := int(o.Elapsed)
				charged, lost := measured(w)
				event := charged - 3*float64(n)
				events[int(event)]++
				if w.State() == 0 && event == 0 {
					cut++
					if n != 12 {
						t.Fatalf("nothing has happened, and the hold ends after %d steps", n)
					}
				}
				if (lost == 1) != (event == 40) {
					t.Fatalf("%d lost at a charge of %v", lost, event)
				}
				want, discount := 0.0, 1.0
				for step := 1; step <= n; step++ {
					if cost == mdp.Expected {
						want -= discount * 3.61
					} else {
						want -= discount * 3
						if step == n {
							want -= discount * event
						}
					}
					discount *= gamma
				}
				within(t, fmt.Sprintf("%s, tau %v: reward of %d steps and %v $", cost, tau, n, event), float64(o.Reward), want, 1e-6*math.Abs(want))
				ratios := w.Measure(nil)
				within(t, "charged an hour", ratios[0].Num/ratios[0].Den, (3*float64(n)+event)/float64(n), 1e-12)
				within(t, "expected an hour", ratios[1].Num/ratios[1].Den, 3.61, 1e-12)
			}
			if cut < 50 || events[7] < 50 || events[40] < 10 || events[0]-cut < 50 {
				t.Errorf("%d holds cut, charges %v: too few of a kind", cut, events)
			}
		}
	}
}

// A pair that surely stays is held up to the cap, one that surely leaves one step;
// the horizon cuts a hold.
func TestSureHolds(t *testing.T) {
	m := smallModel(t)
	for _, shape := range []func(w *mdp.World){func(*mdp.World) {}, func(w *mdp.World) { w.ShapeByTwin(mdp.Policy{0, 0, 0}) }} {
		w := simulated(t, m, func(c *mdp.Config) { c.Hold, c.Horizon = 4*time.Hour, 11*time.Hour })
		shape(w)
		obs, mask := buffers(w)
		for k := range uint64(20) {
			w.Begin(seed.Seed(3).Child("episode", k), 2, obs, mask)
			if o := w.Step(0, obs, mask); o.Elapsed != 1 || o.Truncated || w.State() != 0 {
				t.Fatalf("from 2: %+v to state %d, want one step to 0", o, w.State())
			}
			w.Begin(seed.Seed(3).Child("episode", k), 1, obs, mask)
			for i, steps := range []float32{4, 4, 3} {
				if o := w.Step(0, obs, mask); o.Elapsed != steps || o.Truncated != (i == 2) || o.Terminated || w.State() != 1 || o.Reward != 0 {
					t.Fatalf("decision %d: %+v to state %d, want %v steps in 1", i, o, w.State(), steps)
				}
			}
		}
	}
}

// Charging what happens or what is expected has the same mean in every pair, and
// that is the closed form
//
//	E r = −c(s,a)·(1 − (γ·stay)^L)/(1 − γ·stay)
//
// with the expected cost c added up from the branches. The variance is that of the
// law, as a sample may lack what is rare; five standard errors are allowed. Losses
// are as frequent and as cheap as to be seen in a few thousand draws.
func TestSampledAndExpectedRewardsAgree(t *testing.T) {
	const draws = 2000
	c, err := mdp.PresetA("A1")
	if err != nil {
		t.Fatal(err)
	}
	c.Loss, c.StormLoss, c.LossPrice = 0.05, 0.5, 100
	for _, m := range []*mdp.Model{mdp.MDPA(c), smallModel(t)} {
		limit := int(math.Round(6 / m.StepHours))
		for _, cost := range []string{mdp.Sampled, mdp.Expected} {
			w := simulated(t, m, func(c *mdp.Config) { c.Cost = cost })
			obs, mask := buffers(w)
			for _, i := range lawPairs(m) {
				s, a := int(m.StateOf[i]), int(m.ActionOf[i])
				l := lawOf(m, s, a, limit)
				c := m.Cost[i]
				for _, b := range l.leave {
					c += b.p * b.cost
				}
				within(t, "expected cost of a pair", m.Expected(i), c, 1e-12*(1+math.Abs(c)))
				want := -c * float64(limit)
				if x := w.Gamma() * l.stay; x < 1 {
					want = -c * (1 - math.Pow(x, float64(limit))) / (1 - x)
				}
				mean, variance := l.moments(func(n int, happened bool, b mdpBranch) float64 {
					if cost == mdp.Expected {
						return -c * geometric(w.Gamma(), n)
					}
					return -m.Cost[i]*geometric(w.Gamma(), n) - math.Pow(w.Gamma(), float64(n-1))*b.cost
				})
				at := fmt.Sprintf("%s, %s, state %d (%s), action %q: mean reward", m.ID, cost, s, m.Label(s), m.Actions[a])
				within(t, at+" by the law", mean, want, 1e-9*(1+math.Abs(want)))
				sum := 0.0
				for k := range uint64(draws) {
					w.Begin(seed.Seed(4).Child(cost, k), s, obs, mask)
					sum += float64(w.Step(a, obs, mask).Reward)
				}
				within(t, at, sum/draws, want, 5*math.Sqrt(variance/draws)+1e-6*math.Abs(want))
			}
		}
	}
}

// gain is a policy to be simulated.
type gain struct {
	name     string
	policy   mdp.Policy
	metric   int // 0: as charged; 1: as expected
	hold     time.Duration
	episodes int
}

// Simulated for ten years a time, policies cost what they are solved to cost: the
// mean over episodes lies within four standard errors of the gain, and these are
// small enough to say something: the half-width of a 95 % interval is at most 1 %.
// Episodes begin at the start and not in the long run, which adds
//
//	(h(start) − Σ_s μ(s)·h(s))/hours
//
// with bias h and share of time μ, known as well. Where a run fails, ten times as
// many episodes, these among them, must do.
func TestSimulatedGains(t *testing.T) {
	ctx := t.Context()
	m := partition(t)
	best, err := exact.Optimum(ctx, m, exact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	all := []gain{
		{"optimal", best.Policy, 1, 6 * time.Hour, 1000},
		{"rf4-delayed-fast", rule(t, m, "rf4-delayed-fast"), 1, 6 * time.Hour, 300},
		{"rf4-eager-fast", rule(t, m, "rf4-eager-fast"), 1, 6 * time.Hour, 300},
		{"rf5-eager-fast", rule(t, m, "rf5-eager-fast"), 1, 6 * time.Hour, 200},
		{"rf1-eager-slow, as charged", rule(t, m, "rf1-eager-slow"), 0, 6 * time.Hour, 1300},
	}
	if os.Getenv("MEND_LONG") == "1" {
		all = append(all, []gain{
			{"rf3-eager-fast", rule(t, m, "rf3-eager-fast"), 1, 6 * time.Hour, 3000},
			{"rf2-eager-fast", rule(t, m, "rf2-eager-fast"), 1, 6 * time.Hour, 3000},
			{"rf2-eager-fast, as charged", rule(t, m, "rf2-eager-fast"), 0, 6 * time.Hour, 25_000},
			{"rf4-delayed-fast, step by step", rule(t, m, "rf4-delayed-fast"), 1, 5 * time.Minute, 300},
		}...)
	}
	for _, x := range all {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			s, err := exact.Evaluate(ctx, m, x.policy, exact.Options{})
			if err != nil {
				t.Fatal(err)
			}
			mu, err := exact.Visits(ctx, m, x.policy)
			if err != nil {
				t.Fatal(err)
			}
			bias := s.Bias[m.Start]
			for state, share := range mu {
				bias -= share * s.Bias[state]
			}
			w := simulated(t, m, func(c *mdp.Config) { c.Hold = x.hold })
			obs, mask := buffers(w)
			sum, squares, hours, n := 0.0, 0.0, 0.0, 0
			play := func(episodes int) (mean, e float64) {
				for ; n < episodes; n++ {
					w.Reset(seed.Seed(5).Child("episode", uint64(n)), obs, mask)
					for !w.Step(int(x.policy[w.State()]), obs, mask).Truncated {
					}
					r := w.Measure(nil)[x.metric]
					hours = r.Den
					sum += r.Num / r.Den
					squares += r.Num / r.Den * r.Num / r.Den
				}
				mean = sum / float64(n)
				return mean, math.Sqrt((squares/float64(n) - mean*mean) / float64(n-1))
			}
			mean, e := play(x.episodes)
			t.Logf("%d episodes: %.6f ± %.6f, solved %.6f", n, mean, e, s.Gain)
			want := func() float64 { return s.Gain + bias/hours }
			good := func() bool { return math.Abs(mean-want()) <= 4*e && 1.96*e <= 0.01*s.Gain }
			if !good() {
				mean, e = play(10 * x.episodes)
			}
			if !good() {
				t.Errorf("%d episodes cost %.6f $/h with a standard error of %.6f, solved %.6f", n, mean, e, want())
			}
		})
	}
}

// What is measured adds up from what each decision shows: the rewards, where
// nothing is discounted; the time; the replicas that can be read, by the
// observation before each step; and the price of a loss.
func TestMeasuresAddUp(t *testing.T) {
	m := partition(t)
	for _, cost := range []string{mdp.Sampled, mdp.Expected} {
		w := simulated(t, m, func(c *mdp.Config) { c.Cost, c.Tau, c.Horizon = cost, 0, 20_000*time.Hour })
		obs, mask := buffers(w)
		p := rule(t, m, "rf1-eager-slow") // loses often
		paid, steps, down, lost, decisions := 0.0, 0, 0, 0, 0
		w.Reset(6, obs, mask)
		for ended := false; !ended; {
			unreadable := obs[0] == 0 // none can be dropped where one is left
			before := w.Measure(nil)
			o := w.Step(int(p[w.State()]), obs, mask)
			ended = o.Truncated
			paid -= float64(o.Reward)
			steps += int(o.Elapsed)
			decisions++
			if unreadable {
				down += int(o.Elapsed)
			}
			after := w.Measure(nil)
			if after[0].Num-before[0].Num > 50_000 {
				lost++
			}
		}
		if steps != 240_000 {
			t.Fatalf("an episode of %d steps, want 240,000", steps)
		}
		if down == 0 || lost == 0 {
			t.Fatalf("%d steps down and %d losses, too few to say anything", down, lost)
		}
		r := w.Measure(nil)
		objective := 0
		if cost == mdp.Expected {
			objective = 1
		}
		// Rewards are float32.
		within(t, cost+": cost", r[objective].Num, paid, 1e-6*paid)
		for i, want := range []struct {
			name string
			env.Ratio
		}{
			{mdp.CostPerHour, env.Ratio{Num: r[0].Num, Den: 20_000}}, {mdp.ExpectedPerHour, env.Ratio{Num: r[1].Num, Den: 20_000}},
			{mdp.LossesPerYear, env.Ratio{Num: float64(lost), Den: 20_000. / 8766}},
			{mdp.Availability, env.Ratio{Num: 100 * float64(steps-down), Den: float64(steps)}},
			{mdp.DecisionsPerDay, env.Ratio{Num: float64(decisions), Den: 20_000. / 24}},
		} {
			if name := w.Spec().Metrics[i].Name; name != want.name {
				t.Errorf("metric %d is %s, want %s", i, name, want.name)
			}
			within(t, want.name, r[i].Num, want.Num, 1e-9*want.Num)
			within(t, want.name+", per", r[i].Den, want.Den, 1e-9*want.Den)
		}
	}
}

// The mask is what is legal in the model, under the guard without the drops that
// leave fewer than three replicas to read; options that make another world make
// another digest.
func TestGuardAndDigest(t *testing.T) {
	m := partition(t)
	plain := simulated(t, m, nil)
	guarded := simulated(t, m, func(c *mdp.Config) { c.Guard = true })
	obs, mask := buffers(plain)
	forbidden := 0
	for s := range m.States {
		readable := int(math.Round(float64(m.ObsRow(s)[0] * 5)))
		for a, name := range m.Actions {
			legal := m.Pair(s, a) >= 0
			kept := legal && (readable >= 4 || !slices.Contains(m.Guards[0].Actions, name))
			if legal && !kept {
				forbidden++
			}
			for w, want := range map[*mdp.World]bool{plain: legal, guarded: kept} {
				w.Begin(1, s, obs, mask)
				if w.Legal(s, a) != want || mask[a] != want {
					t.Errorf("state %d (%s), action %q: legal %v, in the mask %v, want %v", s, m.Label(s), name, w.Legal(s, a), mask[a], want)
				}
			}
		}
	}
	if forbidden == 0 {
		t.Error("the guard forbids nothing")
	}
	if g := plain.Spec().Guards; g != nil {
		t.Errorf("guards %v in a world without", g)
	}
	if g := guarded.Spec().Guards; len(g) != 1 || g[0].Name != "keep_three_readable" {
		t.Errorf("guards %v, want keep_three_readable", g)
	}

	mild, err := mdp.PresetA("mild")
	if err != nil {
		t.Fatal(err)
	}
	digests := map[string]string{plain.Spec().Digest: "the default"}
	for name, w := range map[string]*mdp.World{
		"guard": guarded, "preset": simulated(t, mdp.MDPA(mild), nil),
		"cost":      simulated(t, m, func(c *mdp.Config) { c.Cost = mdp.Expected }),
		"hold":      simulated(t, m, func(c *mdp.Config) { c.Hold = time.Hour }),
		"tau":       simulated(t, m, func(c *mdp.Config) { c.Tau = 0 }),
		"horizon":   simulated(t, m, func(c *mdp.Config) { c.Horizon = time.Hour }),
		"exploring": simulated(t, m, func(c *mdp.Config) { c.ExploringDecisions = 17 }),
	} {
		if other, ok := digests[w.Spec().Digest]; ok {
			t.Errorf("%s has the digest of %s", name, other)
		}
		digests[w.Spec().Digest] = name
	}
	if d := simulated(t, partition(t), nil).Spec().Digest; digests[d] != "the default" {
		t.Errorf("the same world has the digest %s, then %s", plain.Spec().Digest, d)
	}
}

// A saved state whose numbers cannot be is refused by what is wrong with it, and
// leaves a world that must be Reset. The offsets are those of the fields: seed 0,
// draws 8, state 16, clock 20, exploring 28, running 32, cost 33, expected 41, lost
// 49, down 57, decisions 65.
func TestRestoreRefusesWhatCannotBe(t *testing.T) {
	w := simulated(t, partition(t), func(c *mdp.Config) { c.Hold, c.Horizon = 5*time.Minute, time.Hour })
	obs, mask := buffers(w)
	w.Reset(7, obs, mask)
	w.Step(0, obs, mask)
	saved := w.AppendState(nil)
	if len(saved) != 73 {
		t.Fatalf("a state of %d bytes, want 73: the offsets are stale", len(saved))
	}
	little := func(x uint64) (b []byte) {
		for i := range 8 {
			b = append(b, byte(x>>(8*i)))
		}
		return b
	}
	nan := little(math.Float64bits(math.NaN()))
	for _, x := range []struct {
		what  string
		at    int
		bytes []byte
		want  string
	}{
		{"a state too high", 16, []byte{172, 0, 0, 0}, "state 172, want 0 to 171"},
		{"a state below 0", 16, []byte{255, 255, 255, 255}, "state -1, want 0 to 171"},
		{"a clock beyond the end", 20, little(13), "step 13 of 12"},
		{"a clock before the start", 20, little(1 << 63), "of 12"},
		{"running at the end", 20, little(12), "step 12 of 12"},
		{"too many exploring decisions", 28, []byte{17, 0, 0, 0}, "17 of 16 exploring decisions left"},
		{"exploring decisions below 0", 28, []byte{255, 255, 255, 255}, "-1 of 16 exploring decisions left"},
		{"a cost that is none", 33, nan, "accounts of NaN $"},
		{"an infinite cost", 41, little(math.Float64bits(math.Inf(1))), "+Inf $"},
		{"losses below 0", 49, little(1 << 63), "losses"},
		{"down for too long", 57, little(100), "100 of "},
		{"decisions below 0", 65, little(1 << 63), "decisions"},
	} {
		b := slices.Clone(saved)
		copy(b[x.at:], x.bytes)
		err := w.RestoreState(b)
		if err == nil || !strings.HasPrefix(err.Error(), "mdp: MDPA-v0: ") || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: error %v, want one with %q", x.what, err, x.want)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: the world can be stepped", x.what)
				}
			}()
			w.Step(0, obs, mask)
		}()
		w.Reset(7, obs, mask)
		w.Step(0, obs, mask)
		if err := w.RestoreState(saved); err != nil || !slices.Equal(w.AppendState(nil), saved) {
			t.Errorf("%s: afterwards the state is not what it was: %v", x.what, err)
		}
	}
}

// Exploring starts are uniform over the states: of 172,000 each state gets 1000,
// and Pearson's statistic is 171 give or take √342; six of these are allowed.
func TestExploringStartsAreUniform(t *testing.T) {
	w := simulated(t, partition(t), nil)
	obs, mask := buffers(w)
	count := make([]float64, 172)
	for k := range uint64(172_000) {
		w.ResetExploring(seed.Seed(8).Child("start", k), obs, mask)
		count[w.State()]++
	}
	statistic := 0.0
	for _, n := range count {
		statistic += (n - 1000) * (n - 1000) / 1000
	}
	within(t, "chi-square", statistic, 171, 6*math.Sqrt(342))
	w.Reset(1, obs, mask)
	if s := w.State(); s != w.Model().Start || w.Model().Label(s) != "3 readable, 0 down, 0 rebuilding, load low, calm" {
		t.Errorf("Reset starts in state %d (%s)", s, w.Model().Label(s))
	}
}

// In a Vector the clock cuts exploring worlds after 16 decisions each, while the
// ordinary ones beside them go on.
func TestExploringWorldsInAVector(t *testing.T) {
	const decisions = 16 * 20
	w := simulated(t, partition(t), nil)
	var envs []env.Env
	for range 8 {
		envs = append(envs, w.Sibling())
	}
	v, err := env.NewVector(9, envs...)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.SetExplore(0.5); err != nil {
		t.Fatal(err)
	}
	step := env.NewTimeStep(len(envs), v.Spec())
	actor := mdp.NewActor(w.Model(), rule(t, w.Model(), "rf3-eager-fast"))
	actions := make([]int, len(envs))
	states := map[int]bool{} // in which exploring episodes begin
	start := w.Model().ObsRow(w.Model().Start)
	v.Reset(step)
	for k := range decisions {
		actor.Act(step, actions)
		v.Step(actions, step)
		for i := range envs {
			ends := v.Explores(i) && (k+1)%16 == 0
			if step.Truncated[i] != ends || step.Terminated[i] {
				t.Fatalf("world %d, exploring %v, decision %d: truncated %v, terminated %v", i, v.Explores(i), k, step.Truncated[i], step.Terminated[i])
			}
			if ends {
				states[envs[i].(*mdp.World).State()] = true
				if slices.Equal(step.FinalObs, step.Obs) {
					t.Errorf("world %d, decision %d: the last observation is the next episode's", i, k)
				}
			}
		}
	}
	if len(states) < 40 { // of 80 draws from 172 some 64 are different
		t.Errorf("exploring episodes began in %d states", len(states))
	}
	ordinary := 0
	for i, e := range envs {
		if n := int(e.(*mdp.World).Measure(nil)[4].Num); v.Explores(i) && n != 0 || !v.Explores(i) && n != decisions {
			t.Errorf("world %d, exploring %v: %d decisions in its episode", i, v.Explores(i), n)
		}
		if !v.Explores(i) {
			ordinary++
		}
	}
	if ordinary != 4 {
		t.Errorf("%d ordinary worlds of 8 at a share of a half, want 4", ordinary)
	}
	for range 20 { // ordinary episodes begin at the start
		v.Reset(step)
		for i := range envs {
			if !v.Explores(i) && !slices.Equal(step.ObsRow(i), start) {
				t.Errorf("world %d begins at %v, want %v", i, step.ObsRow(i), start)
			}
		}
	}
}

func TestNewErrors(t *testing.T) {
	m := partition(t)
	for _, x := range []struct {
		name   string
		m      *mdp.Model
		change func(c *mdp.Config)
		want   string
	}{
		{"cost", m, func(c *mdp.Config) { c.Cost = "dear" }, `mdp: cost is "dear", want sampled or expected`},
		{"hold", m, func(c *mdp.Config) { c.Hold = 0 }, "mdp: hold is 0s, want above 0, at most 1000h"},
		{"hold", m, func(c *mdp.Config) { c.Hold = 1001 * time.Hour }, "mdp: hold is 1001h0m0s, want above 0, at most 1000h"},
		{"tau", m, func(c *mdp.Config) { c.Tau = -1 }, "mdp: tau is -1ns, want 0 to 1000000h"},
		{"horizon", m, func(c *mdp.Config) { c.Horizon = 0 }, "mdp: horizon is 0s, want above 0"},
		{"exploring", m, func(c *mdp.Config) { c.ExploringDecisions = 0 }, "mdp: exploring_decisions is 0, want 1 to 1073741824"},
		// exp(−300 s/τ) is 0 in float64 below τ = 0.40 s, and a discount of 0 would
		// mean that the agent has the choice.
		{"no discount left", m, func(c *mdp.Config) { c.Tau = time.Millisecond }, "mdp: tau is 1ms, too short for the 0.08333333333333333 h of a step of MDPA-v0: the discount is 0"},
		{"two", m, func(c *mdp.Config) { c.Tau, c.Horizon = -1, -1 }, "mdp: tau is -1ns, want 0 to 1000000h; horizon is -1ns, want above 0"},
		{
			"steps", changed(m, func(m *mdp.Model) { m.StepHours = 1e-5 }), func(c *mdp.Config) { c.Hold = 11 * time.Hour },
			"mdp: hold is 11h0m0s, 1100000 steps of MDPA-v0, want at most 1048576",
		},
		{
			"guards of what is not there", changed(m, func(m *mdp.Model) { m.Guards = []env.Guard{{Name: "g", Feature: "readable", Actions: []string{"fly"}}} }),
			func(c *mdp.Config) { c.Guard = true }, `mdp: MDPA-v0: guard: rule "g": env: MDPA-v0 has no action "fly"`,
		},
		{
			"nothing legal", changed(smallModel(t), func(m *mdp.Model) { m.PairOf = []int32{0, 1, -1, 2, 3, -1} }),
			func(c *mdp.Config) { c.Guard = true }, "mdp: Small-v0: the guards leave no legal action in state 1 (one)",
		},
	} {
		c := mdp.DefaultConfig()
		x.change(&c)
		if _, err := mdp.New(x.m, c); fmt.Sprint(err) != x.want {
			t.Errorf("%s: error %q, want %q", x.name, err, x.want)
		}
	}
	c := mdp.DefaultConfig()
	c.Tau = 500 * time.Millisecond // a discount of exp(−600)
	if _, err := mdp.New(m, c); err != nil {
		t.Errorf("a short time constant: %v", err)
	}
}

// changed is a copy of m with something else.
func changed(m *mdp.Model, change func(m *mdp.Model)) *mdp.Model {
	c := *m
	change(&c)
	return &c
}

func TestCatalogue(t *testing.T) {
	for _, e := range mdp.Catalogue {
		c := e.Config()
		if err := e.Validate(&c); err != nil {
			t.Errorf("%s: the default is refused: %v", e.ID, err)
		}
		if f, ok := mdp.Find(e.ID); !ok || f.Summary != e.Summary {
			t.Errorf("%s is not found", e.ID)
		}
		c.Preset, c.Form, c.Cost = "best", "round", "dear"
		want := fmt.Sprintf(`preset is "best", want %s; form is "round", want %s; cost is "dear", want sampled or expected`,
			strings.Join(e.Presets, " or "), strings.Join(e.Forms, " or "))
		if err := e.Validate(&c); fmt.Sprint(err) != want {
			t.Errorf("%s: error %q, want %q", e.ID, err, want)
		}
		unknown := "mdp: unknown "
		if e.File {
			unknown = "mdp: the model of " + e.ID + " is in a file"
		}
		if _, err := e.Build(&c); err == nil || !strings.HasPrefix(err.Error(), unknown) {
			t.Errorf("%s: error %v, want one about what is unknown", e.ID, err)
		}
	}
	if _, ok := mdp.Find("MDPZ-v0"); ok {
		t.Error("MDPZ-v0 is found")
	}
	e, _ := mdp.Find("MDPA-v0")
	definitions := map[string]bool{}
	for _, preset := range e.Presets {
		c := e.Config()
		c.Preset = preset
		m, err := e.Build(&c)
		if err != nil {
			t.Fatalf("%s: %v", preset, err)
		}
		if m.ID != e.ID || definitions[m.Definition] {
			t.Errorf("preset %s makes %s, defined as another: %v", preset, m.ID, definitions[m.Definition])
		}
		definitions[m.Definition] = true
	}
}

func TestStepPanics(t *testing.T) {
	w := simulated(t, partition(t), func(c *mdp.Config) { c.Horizon = 5 * time.Minute })
	obs, mask := buffers(w)
	for _, x := range []struct {
		name, want string
		do         func()
	}{
		{"before Reset", "mdp: MDPA-v0: Step before Reset or after the episode's end", func() { w.Sibling().Step(0, obs, mask) }},
		{"a sibling of a world that runs", "mdp: MDPA-v0: Step before Reset or after the episode's end", func() {
			w.Reset(1, obs, mask)
			w.Sibling().Step(0, obs, mask)
		}},
		{"after the end", "mdp: MDPA-v0: Step before Reset or after the episode's end", func() {
			w.Reset(1, obs, mask)
			w.Step(0, obs, mask)
			w.Step(0, obs, mask)
		}},
		{"an illegal action", "mdp: MDPA-v0: action 5 is not legal in state 0 (0 readable, 1 down, 0 rebuilding, load low, calm)", func() {
			w.Begin(1, 0, obs, mask)
			w.Step(5, obs, mask)
		}},
		{"short buffers", "mdp: MDPA-v0: observation of length 1 and mask of 1, want 36 and 10", func() { w.Reset(1, obs[:1], mask[:1]) }},
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); got != x.want {
					t.Errorf("%s: panics with %q, want %q", x.name, got, x.want)
				}
			}()
			x.do()
		}()
	}
}

func BenchmarkWorldStep(b *testing.B) {
	m := partition(b)
	p := rule(b, m, "rf3-delayed-fast")
	for name, shape := range map[string]func(w *mdp.World){
		"plain": func(*mdp.World) {}, "advantage": func(w *mdp.World) { w.ShapeByPotential(potential(b, w, p), true) },
		"twin": func(w *mdp.World) { w.ShapeByTwin(p) },
	} {
		b.Run(name, func(b *testing.B) {
			w := simulated(b, m, nil)
			shape(w)
			obs, mask := buffers(w)
			w.Reset(1, obs, mask)
			b.ReportAllocs()
			steps := 0
			for b.Loop() {
				if w.Step(int(p[w.State()]), obs, mask).Truncated {
					w.Reset(seed.Seed(steps), obs, mask)
				}
				steps++
			}
			b.ReportMetric(float64(steps)/b.Elapsed().Seconds(), "decisions/s")
		})
	}
}
