package toy

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"mend/env/seed"
)

func alwaysRun(PairState) int     { return PairRun }
func alwaysService(PairState) int { return PairService }

func serviceFailed(x PairState) int {
	if x.Wear == PairFailed {
		return PairService
	}
	return PairRun
}

// arbitrary is a policy that no thought went into, but that serves what failed.
func arbitrary(x PairState) int {
	if x.Wear == PairFailed {
		return PairService
	}
	return (x.Wear*x.Other + x.Due + x.Subject) % 2
}

// selfish is where each machine's decisions are the best by its own credit,
// given the other's: what learning from parted rewards converges to. It is found
// by best responses in turn, from never any service.
func selfish(t *testing.T, coupling float64) func(PairState) int {
	t.Helper()
	m := newPairModel(coupling)
	action := map[PairState]int{}
	for range 20 {
		changed := false
		for k := range 2 {
			var part [2]float64
			part[k] = 1
			best := map[PairState]int{}
			m.solve(part, func(x PairState, q [2]float64) int {
				if x.Subject != k {
					return action[x]
				}
				best[x] = PairRun
				if q[PairService] > q[PairRun] {
					best[x] = PairService
				}
				return best[x]
			})
			for x, a := range best {
				changed = changed || a != action[x]
				action[x] = a
			}
		}
		if !changed {
			return func(x PairState) int { return action[x] }
		}
	}
	t.Fatalf("coupling %v: best responses do not settle", coupling)
	return nil
}

// The figures of PairRegret's documentation, and what they say: parting the
// reward is exact without coupling and biased with it.
func TestPairRegret(t *testing.T) {
	_, independent := PairOptimum(0)
	for _, c := range []struct{ coupling, optimum, selfish, independent, failed, never float64 }{
		{0, 27.944, 0, 0, 4.541, 26.068},
		{0.5, 25.979, 0.123, 0.476, 4.970, 28.429},
		{1, 24.482, 0.527, 2.522, 5.550, 28.224},
	} {
		at := func(what string) string { return fmt.Sprintf("coupling %v: %s", c.coupling, what) }
		v, best := PairOptimum(c.coupling)
		near(t, at("optimum"), v, c.optimum, 5e-4)
		near(t, at("regret of the optimum"), PairRegret(c.coupling, best), 0, 1e-10)
		near(t, at("regret by own credit"), PairRegret(c.coupling, selfish(t, c.coupling)), c.selfish, 6e-4)
		near(t, at("regret of ignoring the other"), PairRegret(c.coupling, independent), c.independent, 6e-4)
		near(t, at("regret of service where failed"), PairRegret(c.coupling, serviceFailed), c.failed, 6e-4)
		near(t, at("regret of never any service"), PairRegret(c.coupling, alwaysRun), c.never, 6e-4)
		// Both in service for ever: −0.5 each per tick, −1/(1−γ) = −20.
		near(t, at("always in service"), PairValue(c.coupling, alwaysService), -20, 1e-10)
	}
	if _, best := PairOptimum(1); fmt.Sprint(decisions(best)) == fmt.Sprint(decisions(independent)) {
		t.Error("the coupling does not change what is best")
	}
}

func decisions(policy func(PairState) int) []int {
	var d []int
	for _, x := range pairStates {
		d = append(d, policy(x))
	}
	return d
}

// Without coupling the optimum is the sum of two machines' alone. One machine's
// problem has four states and is solved here on its own:
//
//	V(w) = max( Σ_{t<period} γ^t·E[u(w_t)] + γ^period·E[V(w_period)],
//	            −0.5·(1−γ^s)/(1−γ) + γ^s·V(0) ),  s = ticks of the service
func TestPairIsTwoMachinesWithoutCoupling(t *testing.T) {
	want := 0.0
	var policy [2][pairWears]int
	for k := range 2 {
		p := pairWearing[k]
		var v [pairWears]float64
		for range 2000 {
			var next [pairWears]float64
			for w := range v {
				var at [pairWears]float64 // the distribution of wear
				at[w] = 1
				run, discount := 0.0, 1.0
				for range pairPeriod[k] {
					var later [pairWears]float64
					for x, chance := range at {
						run += discount * chance * pairIncome[x]
						if x == PairFailed {
							later[x] += chance
						} else {
							later[x] += chance * (1 - p)
							later[x+1] += chance * p
						}
					}
					at = later
					discount *= PairGamma
				}
				for x, chance := range at {
					run += discount * chance * v[x]
				}
				ticks := float64(pairTakes[k])
				if w == PairFailed {
					ticks += pairRepair
				}
				end := math.Pow(PairGamma, ticks)
				service := pairIncome[PairInService]*(1-end)/(1-PairGamma) + end*v[0]
				next[w], policy[k][w] = run, PairRun
				if service > run {
					next[w], policy[k][w] = service, PairService
				}
			}
			v = next
		}
		want += v[0]
	}
	got, best := PairOptimum(0)
	near(t, "optimum", got, want, 1e-9)
	for _, x := range pairStates {
		if best(x) != policy[x.Subject][x.Wear] {
			t.Errorf("%+v: the best action is %d, of the machine alone %d", x, best(x), policy[x.Subject][x.Wear])
		}
	}
}

// From every state, either action leads where the model says, as often, after as
// many ticks and with what income: the mean over n steps of γ^Elapsed·[next is j]
// is the weight w of j, that of Credit the reward. Five standard errors are
// allowed in each of some 1,500 comparisons, √(w/n) at most for the first; the
// second's is measured.
func TestPairTransitions(t *testing.T) {
	const n = 1500
	const coupling = 0.75
	m := newPairModel(coupling)
	p := NewPair(coupling)
	obs, credit := make([]float32, p.Spec().ObsDim()), make([]float32, 2)
	for i, x := range pairStates {
		for a := range 2 {
			var want, got [pairWears * pairConditions * pairDue * 2]float64
			for _, b := range m.steps[i][a].to {
				want[b.state] += b.weight
			}
			var sum, squares [2]float64
			for k := range uint64(n) {
				p.start(seed.Seed(6).Child("start", uint64(i)).Child("step", k), x, obs)
				o := p.Step(a, obs, nil)
				got[m.index[p.State()]] += math.Pow(PairGamma, float64(o.Elapsed)) / n
				p.Credit(credit)
				for j, r := range credit {
					sum[j] += float64(r)
					squares[j] += float64(r) * float64(r)
				}
			}
			for j, y := range pairStates {
				if want[j] == 0 && got[j] == 0 {
					continue
				}
				near(t, fmt.Sprintf("%+v, action %d: weight of %+v", x, a, y), got[j], want[j], 5*math.Sqrt(want[j]/n))
				if want[j] == 0 {
					t.Errorf("%+v, action %d leads to %+v", x, a, y)
				}
			}
			for k := range sum {
				mean := sum[k] / n
				e := math.Sqrt(max(0, squares[k]/n-mean*mean) / n)
				near(t, fmt.Sprintf("%+v, action %d: income of machine %d", x, a, k), mean, m.steps[i][a].reward[k], 5*e+1e-6)
			}
		}
	}
}

// Played, policies return what is solved, in all and for each machine, from
// Reset and from exploring starts. What follows the truncation is put in from
// the solution, discounted by 0.006. Four standard errors are allowed in each of
// 36 comparisons.
func TestPairPlayed(t *testing.T) {
	const episodes = 1500
	times := map[float32]int{}
	for _, coupling := range []float64{0, 0.5, 1} {
		m := newPairModel(coupling)
		_, best := PairOptimum(coupling)
		for name, policy := range map[string]func(PairState) int{
			"best": best, "never": alwaysRun, "failed": serviceFailed, "arbitrary": arbitrary,
		} {
			fixed := func(x PairState, _ [2]float64) int { return policy(x) }
			parts := [2][2]float64{{1, 0}, {0, 1}}
			v := [2][]float64{m.solve(parts[0], fixed), m.solve(parts[1], fixed)}
			p := NewPair(coupling)
			obs := make([]float32, p.Spec().ObsDim())
			credit := make([]float32, 2)
			var sum, squares [3]float64 // of machine 0, 1, and of both, each less its solution
			for n := range uint64(episodes) {
				s := seed.Seed(9).Child(name, n)
				if n%2 == 0 {
					p.Reset(s, obs, nil)
				} else {
					p.ResetExploring(s, obs, nil)
				}
				i := m.index[p.State()]
				got := [3]float64{-v[0][i], -v[1][i], -v[0][i] - v[1][i]}
				discount := 1.0
				for ended := false; !ended; {
					o := p.Step(policy(p.State()), obs, nil)
					p.Credit(credit)
					for k, r := range []float32{credit[0], credit[1], o.Reward} {
						got[k] += discount * float64(r)
					}
					discount *= math.Pow(PairGamma, float64(o.Elapsed))
					times[o.Elapsed]++
					ended = o.Truncated
				}
				i = m.index[p.State()]
				got[0] += discount * v[0][i]
				got[1] += discount * v[1][i]
				got[2] += discount * (v[0][i] + v[1][i])
				for k, x := range got {
					sum[k] += x
					squares[k] += x * x
				}
			}
			for k, what := range []string{"machine 0", "machine 1", "both"} {
				mean := sum[k] / episodes
				e := math.Sqrt((squares[k]/episodes - mean*mean) / episodes)
				near(t, fmt.Sprintf("coupling %v, %s, %s: played less solved", coupling, name, what), mean, 0, 4*e)
			}
		}
	}
	for _, e := range []float32{0, 1, 2, 3} {
		if times[e] == 0 {
			t.Errorf("no step took %v ticks: %v", e, times)
		}
	}
}

// What a learner sees tells all states apart, and exploring starts reach each.
func TestPairStates(t *testing.T) {
	p := NewPair(0.5)
	obs := make([]float32, p.Spec().ObsDim())
	seen := map[string]PairState{}
	for _, x := range PairStates() {
		x.Observe(obs)
		if y, ok := seen[fmt.Sprint(obs)]; ok {
			t.Errorf("%+v looks like %+v", x, y)
		}
		seen[fmt.Sprint(obs)] = x
	}
	met := map[PairState]bool{}
	for n := range uint64(3000) {
		p.ResetExploring(seed.Seed(2).Child("episode", n), obs, nil)
		if x := p.State(); seen[fmt.Sprint(obs)] != x || p.Subject() != x.Subject {
			t.Fatalf("%+v (subject %d) is observed as %+v", x, p.Subject(), seen[fmt.Sprint(obs)])
		}
		met[p.State()] = true
	}
	if len(met) != len(seen) {
		t.Errorf("exploring starts met %d of %d states", len(met), len(seen))
	}
	// Two machines as new, both due, machine 0 first.
	p.Reset(1, obs, nil)
	want := []float32{1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0}
	if !slices.Equal(obs, want) {
		t.Errorf("Reset shows %v, want %v", obs, want)
	}
}

// A hand-computed start: both as new and due. Serving machine 0 takes no time
// until machine 1 is asked; serving that too lasts until machine 0 is done,
// 2 ticks of −0.5 each: −0.5·(1 + 0.95) for either.
func TestPairByHand(t *testing.T) {
	p := NewPair(1)
	obs, credit := make([]float32, p.Spec().ObsDim()), make([]float32, 2)
	p.Reset(4, obs, nil)
	o := p.Step(PairService, obs, nil)
	p.Credit(credit)
	if o.Elapsed != 0 || o.Reward != 0 || credit[0] != 0 || credit[1] != 0 {
		t.Errorf("the first answer: %+v, credit %v, want nothing", o, credit)
	}
	if want := (PairState{Subject: 1, Other: PairInService, Due: 2}); p.State() != want {
		t.Errorf("then %+v, want %+v", p.State(), want)
	}
	o = p.Step(PairService, obs, nil)
	p.Credit(credit)
	if o.Elapsed != 2 || o.Reward != -1.95 || credit[0] != -0.975 || credit[1] != -0.975 {
		t.Errorf("the second answer: %+v, credit %v, want 2 ticks and -0.975 each", o, credit)
	}
	if want := (PairState{Subject: 0, Other: PairInService, Due: 1}); p.State() != want {
		t.Errorf("then %+v, want %+v", p.State(), want)
	}
}

func TestPairCouplingPanics(t *testing.T) {
	for _, c := range []float64{-0.1, 1.1, math.NaN()} {
		func() {
			defer func() {
				if r := fmt.Sprint(recover()); r != fmt.Sprintf("toy: Pair-v0: coupling %v, want 0 to 1", c) {
					t.Errorf("coupling %v: panics with %q", c, r)
				}
			}()
			NewPair(c)
		}()
	}
}

func BenchmarkPairStep(b *testing.B) {
	p := NewPair(0.5)
	obs := make([]float32, p.Spec().ObsDim())
	p.Reset(1, obs, nil)
	b.ReportAllocs()
	steps := 0
	for b.Loop() {
		if o := p.Step(arbitrary(p.State()), obs, nil); o.Truncated {
			p.Reset(seed.Seed(steps), obs, nil)
		}
		steps++
	}
	b.ReportMetric(float64(steps)/b.Elapsed().Seconds(), "steps/s")
}
