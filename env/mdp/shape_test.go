package mdp_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"mend/env/mdp"
	"mend/env/seed"
	"mend/eval/exact"
)

// anyPotential is at most 0, of the size of MDPA's values.
func anyPotential(states int) []float64 {
	rng := rand.New(rand.NewPCG(1, 2))
	phi := make([]float64, states)
	for i := range phi {
		phi[i] = -1000 * rng.Float64()
	}
	return phi
}

// legalAction draws one of the legal actions.
func legalAction(mask []bool, bits uint64) int {
	for {
		if a := seed.Below(bits, len(mask)); mask[a] {
			return a
		}
		bits = bits*6364136223846793005 + 1442695040888963407
	}
}

// Sampled, the reward of each decision is what it was plus γ^N·Φ(s') − Φ(s), and
// over an episode that telescopes:
//
//	Σ γ^t·r = −(discounted cost) − Φ(s_0) + γ^T·Φ(s_T)
//
// Nothing else changes, what is measured included.
func TestPotentialTelescopes(t *testing.T) {
	m := partition(t)
	phi := anyPotential(m.States)
	for _, cost := range []string{mdp.Sampled, mdp.Expected} {
		for _, tau := range []time.Duration{0, 60 * time.Hour} {
			change := func(c *mdp.Config) { c.Cost, c.Tau, c.Horizon = cost, tau, 3000*time.Hour }
			plain, shaped := simulated(t, m, change), simulated(t, m, change)
			shaped.ShapeByPotential(phi, false)
			obs, mask := buffers(plain)
			obs2, mask2 := buffers(shaped)
			for k := range uint64(5) {
				plain.ResetExploring(seed.Seed(k), obs, mask) // to begin anywhere; ends by 16 decisions
				plain.Begin(seed.Seed(k), plain.State(), obs, mask)
				shaped.Begin(seed.Seed(k), plain.State(), obs2, mask2)
				start, discount, costs, rewards, n := plain.State(), 1.0, 0.0, 0.0, 0
				for ended := false; !ended; n++ {
					s := plain.State()
					a := legalAction(mask, seed.Seed(k).At(99, uint64(n)))
					x, y := plain.Step(a, obs, mask), shaped.Step(a, obs2, mask2)
					if x.Elapsed != y.Elapsed || plain.State() != shaped.State() || x.Truncated != y.Truncated {
						t.Fatalf("episode %d, decision %d: %+v to state %d, shaped %+v to %d", k, n, x, plain.State(), y, shaped.State())
					}
					ahead := math.Pow(plain.Gamma(), float64(x.Elapsed))
					want := float64(x.Reward) + ahead*phi[plain.State()] - phi[s]
					within(t, fmt.Sprintf("episode %d, decision %d: reward", k, n), float64(y.Reward), want, 1e-6*(1000+math.Abs(float64(x.Reward))))
					costs -= discount * float64(x.Reward)
					rewards += discount * float64(y.Reward)
					discount *= ahead
					ended = x.Truncated
				}
				want := -costs - phi[start] + discount*phi[plain.State()]
				within(t, fmt.Sprintf("%s, tau %v, episode %d of %d decisions", cost, tau, k, n), rewards, want, 1e-6*(1000*math.Sqrt(float64(n))+costs))
				if !slices.Equal(plain.Measure(nil), shaped.Measure(nil)) {
					t.Errorf("episode %d: measures %v, shaped %v", k, plain.Measure(nil), shaped.Measure(nil))
				}
			}
		}
	}
}

// advantage is −c(s,a) + γ·Σ P(s'|s,a)·Φ(s') − Φ(s) of a pair, added up from the
// branches.
func advantage(m *mdp.Model, pair int, gamma float64, phi []float64) float64 {
	x := -m.Cost[pair] - phi[m.StateOf[pair]]
	m.Rows.Each(int(m.Row[pair]), func(next int, p, cost float64, _ int) { x += p * (gamma*phi[next] - cost) })
	return x
}

// In every pair the expected reward is A·Σ_{k<N} γ^k. Its mean is that of the
// sampled one, which is simulated too for some: both are A times the expectation
// of that sum, by the law of the hold.
func TestPotentialExpected(t *testing.T) {
	const draws = 2000
	for _, m := range []*mdp.Model{partition(t), smallModel(t)} {
		limit := int(math.Round(6 / m.StepHours))
		phi := anyPotential(m.States)
		for _, cost := range []string{mdp.Sampled, mdp.Expected} {
			expected := simulated(t, m, func(c *mdp.Config) { c.Cost = cost })
			sampled := expected.Sibling()
			expected.ShapeByPotential(phi, true)
			sampled.ShapeByPotential(phi, false)
			gamma := expected.Gamma()
			obs, mask := buffers(expected)
			for i := range m.Pairs() {
				s, a := int(m.StateOf[i]), int(m.ActionOf[i])
				want := advantage(m, i, gamma, phi)
				for k := range uint64(3) {
					expected.Begin(seed.Seed(k), s, obs, mask)
					o := expected.Step(a, obs, mask)
					within(t, fmt.Sprintf("%s, state %d (%s), action %q: expected reward", m.ID, s, m.Label(s), m.Actions[a]),
						float64(o.Reward), want*geometric(gamma, int(o.Elapsed)), 1e-6*math.Abs(want)*float64(o.Elapsed)+1e-9)
				}
			}
			for _, i := range lawPairs(m) {
				s, a := int(m.StateOf[i]), int(m.ActionOf[i])
				at := fmt.Sprintf("%s, %s, state %d (%s), action %q: mean reward", m.ID, cost, s, m.Label(s), m.Actions[a])
				l := lawOf(m, s, a, limit)
				steps, _ := l.moments(func(n int, _ bool, _ mdpBranch) float64 { return geometric(gamma, n) })
				want := advantage(m, i, gamma, phi) * steps
				mean, variance := l.moments(func(n int, happened bool, b mdpBranch) float64 {
					r := math.Pow(gamma, float64(n))*phi[b.next] - phi[s]
					if cost == mdp.Expected {
						return r - m.Expected(i)*geometric(gamma, n)
					}
					return r - m.Cost[i]*geometric(gamma, n) - math.Pow(gamma, float64(n-1))*b.cost
				})
				within(t, at+" by the law", mean, want, 1e-8*(1000+math.Abs(want)))
				sum := 0.0
				for k := range uint64(draws) {
					sampled.Begin(seed.Seed(11).Child("draw", k), s, obs, mask)
					sum += float64(sampled.Step(a, obs, mask).Reward)
				}
				// A loss, rarer than one in all draws, is left to the tests of the law.
				within(t, at, sum/draws, want, 5*math.Sqrt(variance/draws)+1e-6*(1000+math.Abs(want)))
			}
		}
	}
}

// Taken for costs, the rewards of single steps, as the world pays them, make
// another problem with the same best policy: its values are those of the first
// less the potential's, here of RF3, so that none is positive. Rewards are
// float32, of values of thousands.
func TestPotentialLeavesTheOptimum(t *testing.T) {
	ctx := t.Context()
	m := partition(t)
	w := simulated(t, m, func(c *mdp.Config) { c.Hold = 5 * time.Minute })
	phi := potential(t, w, rule(t, m, "rf3-delayed-fast"))
	w.ShapeByPotential(phi, true)
	obs, mask := buffers(w)
	paid := changed(m, func(p *mdp.Model) {
		p.Cost = make([]float64, m.Pairs())
		for i := range p.Cost {
			w.Begin(1, int(m.StateOf[i]), obs, mask)
			p.Cost[i] = -float64(w.Step(int(m.ActionOf[i]), obs, mask).Reward) - m.Rows.Cost(int(m.Row[i]))
		}
	})
	least, _, err := exact.Discounted(ctx, m, w.Gamma(), exact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	v, p, err := exact.Discounted(ctx, paid, w.Gamma(), exact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	attained, err := exact.EvaluateDiscounted(ctx, m, p, w.Gamma(), exact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for s := range v {
		at := fmt.Sprintf("state %d (%s)", s, m.Label(s))
		within(t, at+": value", v[s], least[s]+phi[s], 1e-3)
		within(t, at+": what the best policy of the rewards costs", attained[s], least[s], 1e-4)
		if v[s] > 1e-3 {
			t.Errorf("%s: the best policy is worse than RF3 by %v $", at, v[s])
		}
	}
}

// Shaping a world anew leaves nothing of what it was shaped by before.
func TestShapeAnew(t *testing.T) {
	m := smallModel(t)
	phi := anyPotential(m.States)
	shapes := map[string]func(w *mdp.World){
		"potential": func(w *mdp.World) { w.ShapeByPotential(phi, false) },
		"advantage": func(w *mdp.World) { w.ShapeByPotential(phi, true) },
		"twin":      func(w *mdp.World) { w.ShapeByTwin(mdp.Policy{1, 1, 0}) },
	}
	for _, cost := range []string{mdp.Sampled, mdp.Expected} {
		for first, before := range shapes {
			for second, then := range shapes {
				once := simulated(t, m, func(c *mdp.Config) { c.Cost = cost })
				twice := once.Sibling()
				then(once)
				before(twice)
				then(twice)
				obs, mask := buffers(once)
				once.Reset(12, obs, mask)
				twice.Reset(12, obs, mask)
				for k := range 200 {
					a := legalAction(mask, seed.Seed(13).At(0, uint64(k)))
					if x, y := once.Step(a, obs, mask), twice.Step(a, obs, mask); x != y {
						t.Errorf("%s: %s after %s, decision %d: %+v, want %+v", cost, second, first, k, y, x)
						break
					}
				}
			}
		}
	}
}

// path is where a world would go and what it would be charged in each of n steps
// from a state and a time on, under an action while it is held and then under a
// rule, with the numbers of the world's own episode.
func path(w *mdp.World, cost string, from int, clock int64, n, hold, action int, b mdp.Policy) (states []int, charges []float64) {
	m := w.Model()
	for k := range n {
		if k >= hold {
			action = int(b[from])
		}
		pair := m.Pair(from, action)
		next, charge, _ := m.Rows.Move(int(m.Row[pair]), w.Noise(clock+int64(k)))
		charge += m.Cost[pair]
		if cost == mdp.Expected {
			charge = m.Expected(pair)
		}
		states, charges = append(states, from), append(charges, charge)
		from = next
	}
	return states, charges
}

// counted counts the moves of rows.
type counted struct {
	mdp.Rows
	moves *int
}

func (c counted) Move(row int, u float64) (int, float64, int) {
	*c.moves++
	return c.Rows.Move(row, u)
}

// The twin's reward is that of its definition, in which both paths are followed
// to the last step that counts, and the walk ends where they meet: each step takes
// one move of the twin, one of the hold or of the path that follows it, and none is
// taken after.
func TestTwinAgainstItsDefinition(t *testing.T) {
	a := partition(t)
	for _, x := range []struct {
		m    *mdp.Model
		b    mdp.Policy
		tau  time.Duration
		size float64 // of what a step may charge
	}{
		{a, rule(t, a, "rf3-delayed-fast"), 6 * time.Hour, 50_000},
		{smallModel(t), mdp.Policy{1, 1, 0}, 10 * time.Hour, 40},
	} {
		moves := 0
		m := changed(x.m, func(m *mdp.Model) { m.Rows = counted{m.Rows, &moves} })
		for _, cost := range []string{mdp.Sampled, mdp.Expected} {
			w := simulated(t, m, func(c *mdp.Config) { c.Cost, c.Tau, c.Horizon = cost, x.tau, 100_000*time.Hour })
			w.ShapeByTwin(x.b)
			most := int(math.Ceil(math.Log(1e-6) / math.Log(w.Gamma())))
			obs, mask := buffers(w)
			w.Reset(14, obs, mask)
			clock, far := int64(0), 0
			for k := range 300 {
				from, action := w.State(), legalAction(mask, seed.Seed(15).At(0, uint64(k)))
				moves = 0
				o := w.Step(action, obs, mask)
				took, hold := moves, int(o.Elapsed)
				x1, c := path(w, cost, from, clock, most, hold, action, x.b)
				x2, d := path(w, cost, from, clock, most, 0, 0, x.b)
				reward, discount := 0.0, 1.0
				for i := range c {
					reward += discount * (d[i] - c[i])
					discount *= w.Gamma()
				}
				want := 2 * hold
				for i := hold; i < most && x1[i] != x2[i]; i++ {
					want += 2
				}
				at := fmt.Sprintf("%s, %s, decision %d: state %d (%s), action %q", m.ID, cost, k, from, m.Label(from), m.Actions[action])
				within(t, at, float64(o.Reward), reward, 1e-6*(math.Abs(reward)+x.size))
				if took != want {
					t.Errorf("%s: %d moves, want %d", at, took, want)
				}
				if want > 2*hold && want < 2*most {
					far++
				}
				clock += int64(o.Elapsed)
			}
			if far < 50 { // the paths part at the hold, and meet later
				t.Errorf("%s, %s: only %d paths part and meet again", m.ID, cost, far)
			}
		}
	}
}

// An action that is the rule's own leaves one path: it is paid nothing, whatever
// happens.
func TestTwinOfTheRuleItself(t *testing.T) {
	m := partition(t)
	b := rule(t, m, "rf4-eager-fast")
	for _, cost := range []string{mdp.Sampled, mdp.Expected} {
		for _, hold := range []time.Duration{5 * time.Minute, 6 * time.Hour} {
			w := simulated(t, m, func(c *mdp.Config) { c.Cost, c.Hold = cost, hold })
			w.ShapeByTwin(b)
			obs, mask := buffers(w)
			for s := range m.States {
				for k := range uint64(5) {
					w.Begin(seed.Seed(16).Child("draw", k), s, obs, mask)
					o := w.Step(int(b[s]), obs, mask)
					tolerance := 0.0
					if o.Elapsed > 1 { // rounding: a sum of products against a product of a sum
						charged, _ := measured(w)
						tolerance = 1e-14 * charged * float64(o.Elapsed)
					}
					within(t, fmt.Sprintf("%s, hold %v, state %d (%s): reward", cost, hold, s, m.Label(s)), float64(o.Reward), 0, tolerance)
				}
			}
		}
	}
}

// Over many seeds the mean of the twin's reward is what the potential pays as
// expected, with the return of the same rule for Φ: the advantage of the hold. Four
// and a half standard errors are allowed in each of some 230 comparisons. The
// partition has so many events, at such prices, that a few thousand draws see
// them; with those of A1, a sample without a catastrophe is sure of a wrong mean.
func TestTwinMeanIsTheAdvantage(t *testing.T) {
	c, err := mdp.PresetA("A1")
	if err != nil {
		t.Fatal(err)
	}
	c.Loss, c.StormLoss, c.Transient, c.StormTransient, c.StormStart = 0.1, 0.4, 0.3, 1, 0.3
	c.LossPrice, c.Unavailable = 50, [2]float64{1, 5}
	a := mdp.MDPA(c)
	for _, x := range []struct {
		m     *mdp.Model
		b     mdp.Policy
		cost  string
		tau   time.Duration
		draws int
	}{
		{smallModel(t), mdp.Policy{1, 1, 0}, mdp.Sampled, 10 * time.Hour, 20_000},
		{smallModel(t), mdp.Policy{0, 1, 0}, mdp.Sampled, 10 * time.Hour, 20_000},
		{smallModel(t), mdp.Policy{1, 1, 0}, mdp.Expected, 10 * time.Hour, 20_000},
		{a, rule(t, a, "rf3-delayed-fast"), mdp.Expected, 6 * time.Hour, 4000},
		{a, rule(t, a, "rf2-eager-slow"), mdp.Sampled, 6 * time.Hour, 4000},
	} {
		w := simulated(t, x.m, func(c *mdp.Config) { c.Cost, c.Tau = x.cost, x.tau })
		phi := potential(t, w, x.b)
		limit := int(math.Round(6 / x.m.StepHours))
		w.ShapeByTwin(x.b)
		obs, mask := buffers(w)
		told := 0 // comparisons that see something
		for i := 0; i < x.m.Pairs(); i++ {
			if x.m.Pairs() > 100 && i%8 != 0 {
				continue
			}
			s, a := int(x.m.StateOf[i]), int(x.m.ActionOf[i])
			steps, _ := lawOf(x.m, s, a, limit).moments(func(n int, _ bool, _ mdpBranch) float64 { return geometric(w.Gamma(), n) })
			want := advantage(x.m, i, w.Gamma(), phi) * steps
			sum, squares := 0.0, 0.0
			for k := range uint64(x.draws) {
				w.Begin(seed.Seed(17).Child("draw", k), s, obs, mask)
				r := float64(w.Step(a, obs, mask).Reward)
				sum += r
				squares += r * r
			}
			n := float64(x.draws)
			mean := sum / n
			e := math.Sqrt(max(0, squares/n-mean*mean) / n)
			within(t, fmt.Sprintf("%s, %s, state %d (%s), action %q: mean reward", x.m.ID, x.cost, s, x.m.Label(s), x.m.Actions[a]),
				mean, want, 4.5*e+1e-5*(1+math.Abs(want)))
			if math.Abs(want) > 1e-6 && 4.5*e < 0.5*math.Abs(want) {
				told++
			}
		}
		if told < 2 || x.m.Pairs() > 100 && told < 30 {
			t.Errorf("%s, %s: only %d comparisons can tell the mean from 0", x.m.ID, x.cost, told)
		}
	}
}

// Paths that never meet. The rule goes round 0 → 1 → 0 at a cost of 1 in state 0;
// action 1 waits in 0, which is held for 3 steps, and is one behind for ever:
//
//	−(1 + γ + γ²) − γ³/(1−γ²) + 1/(1−γ²)
//
// to a millionth of what two paths cost. Without a discount the walk ends too,
// after 2^20 steps, an even number: the rule has paid at half of them, the other
// 3 and half of what was left, 2^20 − 3 from state 0, rounded up.
func TestTwinThatNeverMeets(t *testing.T) {
	m := changed(smallModel(t), func(m *mdp.Model) {
		m.States, m.Obs = 2, m.Obs[:4]
		m.PairOf, m.StateOf, m.ActionOf, m.Row = []int32{0, 1, 2, -1}, []int32{0, 0, 1}, []int32{0, 1, 0}, []int32{0, 1, 2}
		m.Cost, m.Down = []float64{1, 1, 0}, make([]bool, 3)
		rows := &mdp.Sparse{}
		for _, next := range []int{1, 0, 0} {
			rows.Begin()
			rows.Branch(next, 1, 0, 0)
			rows.End()
		}
		m.Rows = rows
	})
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	for _, tau := range []time.Duration{0, 20 * time.Hour, 20 * time.Minute} {
		w := simulated(t, m, func(c *mdp.Config) { c.Tau, c.Hold = tau, 3*time.Hour })
		w.ShapeByTwin(mdp.Policy{0, 0})
		obs, mask := buffers(w)
		w.Reset(1, obs, mask)
		o := w.Step(1, obs, mask)
		g := w.Gamma()
		want, size := -3.0-(1<<19-1)+(1<<19), 0.0
		if g < 1 {
			size = 1 / (1 - g*g)
			want = -(1 + g + g*g) - g*g*g*size + size
		}
		within(t, fmt.Sprintf("tau %v", tau), float64(o.Reward), want, 3e-6*size+1e-6)
		if o.Elapsed != 3 || w.State() != 0 {
			t.Errorf("held for %v steps to state %d, want 3 to 0", o.Elapsed, w.State())
		}
	}
}

func TestShapePanics(t *testing.T) {
	w := simulated(t, smallModel(t), nil)
	for want, do := range map[string]func(){
		"mdp: a potential of 2 states for the 3 of Small-v0": func() { w.ShapeByPotential(make([]float64, 2), true) },
		"mdp: a rule of 4 states for the 3 of Small-v0":      func() { w.ShapeByTwin(make(mdp.Policy, 4)) },
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
