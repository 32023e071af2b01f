package toy

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"mend/env"
	"mend/env/envtest"
	"mend/env/seed"
)

func TestConformance(t *testing.T) {
	for _, newEnv := range []func() env.Env{
		func() env.Env { return NewBandit() },
		func() env.Env { return NewChain() },
		func() env.Env { return NewMasked() },
		func() env.Env { return NewSemiMarkov() },
		func() env.Env { return NewPair(0) },
		func() env.Env { return NewPair(1) },
	} {
		t.Run(newEnv().Spec().ID, func(t *testing.T) { envtest.Run(t, newEnv) })
	}
}

// play steps e with policy over n episodes and returns the mean return of an
// episode and its standard error.
func play(e env.Env, n int, policy func(obs []float32, mask []bool) int) (mean, standardError float64) {
	s := e.Spec()
	obs := make([]float32, s.ObsDim())
	var mask []bool
	if s.Masked {
		mask = make([]bool, len(s.Actions))
	}
	var sum, squares float64
	for k := range n {
		e.Reset(seed.Seed(5).Child("episode", uint64(k)), obs, mask)
		total := 0.0
		for {
			o := e.Step(policy(obs, mask), obs, mask)
			total += float64(o.Reward)
			if o.Terminated || o.Truncated {
				break
			}
		}
		sum += total
		squares += total * total
	}
	mean = sum / float64(n)
	return mean, math.Sqrt((squares/float64(n) - mean*mean) / float64(n))
}

// hot is the index of the 1 in a one-hot observation.
func hot(t *testing.T, obs []float32) int {
	t.Helper()
	at := -1
	for i, x := range obs {
		if x == 1 && at < 0 {
			at = i
		} else if x != 0 {
			t.Fatalf("observation %v is not one-hot", obs)
		}
	}
	if at < 0 {
		t.Fatalf("observation %v is not one-hot", obs)
	}
	return at
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: %v, want %v ± %.2g", what, got, want, tolerance)
	}
}

// The optimum and the two lesser policies of the documentation, over 20,000
// episodes; five standard errors are allowed.
func TestBanditOptimum(t *testing.T) {
	sum := 0.0
	for c, wins := range banditWins {
		for a, p := range wins {
			if p > wins[BanditBest(c)] {
				t.Errorf("context %d: arm %d wins more often than arm %d", c, a, BanditBest(c))
			}
		}
		sum += wins[BanditBest(c)]
	}
	near(t, "mean of the best arms", sum/BanditContexts, BanditOptimum, 1e-15)

	mean, e := play(NewBandit(), 20000, func(obs []float32, _ []bool) int { return BanditBest(hot(t, obs)) })
	near(t, "best policy", mean, BanditOptimum, 5*e)
	for arm, want := range []float64{0.4, 1.1 / 3, 1.1 / 3, 0.6} {
		mean, e := play(NewBandit(), 20000, func([]float32, []bool) int { return arm })
		near(t, fmt.Sprintf("always arm %d", arm), mean, want, 5*e)
	}
}

// The closed form satisfies Bellman's optimality equation on the transitions
// that the world itself makes, with going right the only best action.
func TestChainValue(t *testing.T) {
	c := NewChain()
	obs := make([]float32, ChainStates)
	for s := range ChainStates {
		var q [2]float64
		for a := range q {
			*c = Chain{at: int32(s), running: true}
			o := c.Step(a, obs, nil)
			q[a] = float64(o.Reward) + ChainGamma*ChainValue(hot(t, obs))
		}
		near(t, fmt.Sprintf("V(%d)", s), q[ChainRight], ChainValue(s), 1e-7)
		if q[ChainLeft] >= q[ChainRight] {
			t.Errorf("state %d: going left is worth %v, right %v", s, q[ChainLeft], q[ChainRight])
		}
	}
}

// By dynamic programming over the steps left, no policy beats always going
// right without discount either, even one that knows the time.
func TestChainReturn(t *testing.T) {
	c := NewChain()
	obs := make([]float32, ChainStates)
	var best [ChainStates]float64
	for left := 1; left <= ChainSteps; left++ {
		var now [ChainStates]float64
		for s := range now {
			for a := range 2 {
				*c = Chain{at: int32(s), steps: int32(ChainSteps - left), running: true}
				o := c.Step(a, obs, nil)
				if o.Truncated != (left == 1) || o.Terminated {
					t.Fatalf("%d steps left: terminated %v, truncated %v", left, o.Terminated, o.Truncated)
				}
				now[s] = max(now[s], float64(o.Reward)+best[hot(t, obs)])
			}
		}
		best = now
	}
	sum := 0.0
	for s, v := range best {
		near(t, fmt.Sprintf("return from state %d", s), v, ChainReturn(s), 1e-12)
		sum += v
	}
	near(t, "mean return", sum/ChainStates, 18, 1e-12)

	mean, e := play(NewChain(), 5000, func([]float32, []bool) int { return ChainRight })
	near(t, "mean return of always going right", mean, 18, 5*e)
}

// Each of the eight masks comes with chance 1/8, so the documented mean follows
// by summing over them; the world is checked against it by play.
func TestMaskedOptimum(t *testing.T) {
	best, uniform := 0.0, 0.0
	for m := range 8 {
		mask := []bool{true, m&1 != 0, m&2 != 0, m&4 != 0}
		sum, legal, top := 0.0, 0, 0.0
		for a, ok := range mask {
			if ok {
				legal++
				sum += float64(maskedRewards[a])
				top = max(top, float64(maskedRewards[a]))
			}
		}
		if got := float64(maskedRewards[MaskedBest(mask)]); got != top {
			t.Errorf("mask %v: the best action pays %v, want %v", mask, got, top)
		}
		best += top / 8
		uniform += sum / float64(legal) / 8
		// V* = best reward + γ·E[V*], with E[V*] = mean/(1−γ).
		near(t, fmt.Sprintf("V*(%v)", mask), MaskedValue(mask), top+0.9*0.6875/0.1, 1e-12)
	}
	near(t, "expected best reward", best, MaskedMean, 1e-7)
	if uniform >= MaskedMean/2 {
		t.Errorf("uniform choice gets %v of %v", uniform, MaskedMean)
	}
	mean, e := play(NewMasked(), 5000, func(obs []float32, mask []bool) int {
		for a := range mask {
			if mask[a] != (obs[a] == 1) {
				t.Fatalf("mask %v, observation %v", mask, obs)
			}
		}
		return MaskedBest(mask)
	})
	near(t, "best policy", mean, MaskedSteps*MaskedMean, 5*e)
}

func TestMaskedPanics(t *testing.T) {
	m := NewMasked()
	obs, mask := make([]float32, MaskedActions), make([]bool, MaskedActions)
	for k := uint64(0); ; k++ {
		m.Reset(seed.Seed(1).Child("episode", k), obs, mask)
		if !mask[3] {
			break
		}
	}
	defer func() {
		if r := fmt.Sprint(recover()); r != "toy: Masked-v0: action 3 (high) is masked" {
			t.Errorf("panics with %q", r)
		}
	}()
	m.Step(3, obs, mask)
}

// Values by value iteration over the four policies, with rewards and times as
// the world gives them: the closed form is the best, and slow everywhere, which
// a discount of γ a step prefers, is not.
func TestSemiMarkovValue(t *testing.T) {
	m := NewSemiMarkov()
	obs := make([]float32, 2)
	var reward, elapsed [2][2]float64
	for s := range 2 {
		for a := range 2 {
			*m = SemiMarkov{state: uint8(s), running: true}
			o := m.Step(a, obs, nil)
			reward[s][a], elapsed[s][a] = float64(o.Reward), float64(o.Elapsed)
		}
	}
	solve := func(discount func(elapsed float64) float64) (v [2]float64, policy [2]int) {
		for range 2000 {
			w := (v[0] + v[1]) / 2
			for s := range v {
				v[s] = math.Inf(-1)
				for a := range 2 {
					if q := reward[s][a] + discount(elapsed[s][a])*w; q > v[s] {
						v[s], policy[s] = q, a
					}
				}
			}
		}
		return v, policy
	}

	v, policy := solve(func(elapsed float64) float64 { return math.Pow(SemiMarkovGamma, elapsed) })
	for s := range v {
		near(t, fmt.Sprintf("V(%d)", s), v[s], SemiMarkovValue(s), 1e-10)
		if policy[s] != SemiMarkovBest(s) {
			t.Errorf("state %d: the best action is %d, not %d", s, policy[s], SemiMarkovBest(s))
		}
	}
	near(t, "W", (v[0]+v[1])/2, 20.275, 5e-4)
	if _, policy := solve(func(float64) float64 { return SemiMarkovGamma }); policy != [2]int{SemiMarkovSlow, SemiMarkovSlow} {
		t.Errorf("ignoring elapsed time, policy %v is best; the world cannot tell the two apart", policy)
	}

	// Without discount, over whole episodes, the ranking is the same. An episode
	// ends up to 3 intervals late, so its return is 60 to 63 intervals' worth.
	best, e := play(NewSemiMarkov(), 2000, func(obs []float32, _ []bool) int { return hot(t, obs) })
	near(t, "return of the best policy", best, 61.5*1.8, 1.5*1.8+5*e)
	slow, e := play(NewSemiMarkov(), 2000, func([]float32, []bool) int { return SemiMarkovSlow })
	near(t, "return of slow everywhere", slow, 60*1.375, 5*e)
}

// Restored states are ones that an episode can be in.
func TestRestoreStateErrors(t *testing.T) {
	for _, x := range []struct {
		name, want string
		from, into env.Env
	}{
		{"bandit", "toy: Bandit-v0: context 3, want 0 to 2", &Bandit{context: 3}, NewBandit()},
		{"chain state", "toy: Chain-v0: state -1, want 0 to 4", &Chain{at: -1}, NewChain()},
		{"chain steps", "toy: Chain-v0: 20 steps of 20, running true", &Chain{steps: 20, running: true}, NewChain()},
		{"masked steps", "toy: Masked-v0: 9 steps of 8, running false", &Masked{steps: 9}, NewMasked()},
		{"semi-Markov state", "toy: SemiMarkov-v0: state 2, want 0 or 1", &SemiMarkov{state: 2}, NewSemiMarkov()},
		{"semi-Markov clock", "toy: SemiMarkov-v0: 9 intervals of 60 after 2 steps, running true", &SemiMarkov{clock: 9, steps: 2, running: true}, NewSemiMarkov()},
		{"semi-Markov end", "toy: SemiMarkov-v0: 60 intervals of 60 after 60 steps, running true", &SemiMarkov{clock: 60, steps: 60, running: true}, NewSemiMarkov()},
		{"pair subject", "toy: Pair-v0: machine 2 is asked about", &Pair{subject: 2}, NewPair(0)},
		{"pair not due", "toy: Pair-v0: machine 1 is asked about, conditions [0 0], due in [1 1] ticks", &Pair{subject: 1, due: [2]uint8{1, 1}}, NewPair(0)},
		{"pair out of turn", "toy: Pair-v0: machine 1 is asked about, conditions [0 0], due in [0 0] ticks", &Pair{subject: 1}, NewPair(0)},
		{"pair asked in service", "toy: Pair-v0: machine 0 is asked about, conditions [4 0], due in [0 1] ticks", &Pair{condition: [2]uint8{4, 0}, due: [2]uint8{0, 1}}, NewPair(0)},
		{"pair runs too long", "toy: Pair-v0: machine 0 is asked about, conditions [0 3], due in [0 4] ticks", &Pair{condition: [2]uint8{0, 3}, due: [2]uint8{0, 4}}, NewPair(0)},
		{"pair end", "toy: Pair-v0: 100 ticks of 100, running true", &Pair{clock: 100, running: true}, NewPair(0)},
	} {
		err := x.into.RestoreState(x.from.AppendState(nil))
		if got := fmt.Sprint(err); !strings.HasPrefix(got, x.want) {
			t.Errorf("%s: error %q, want %q", x.name, got, x.want)
		}
	}
}
