package ppo

import (
	"os"
	"slices"
	"testing"

	"mend/agents/signal"
	"mend/env"
	"mend/env/seed"
	"mend/env/toy"
)

// pairRegrets trains on Pair with each of the given number of seeds and returns,
// in order, what the greedy policies lose: exactly, by solving the world.
func pairRegrets(t *testing.T, seeds int, steps uint64, coupling float64, credit string) (regrets []float64) {
	t.Helper()
	for s := range seeds {
		c := DefaultConfig()
		c.RolloutSteps, c.MinibatchSize, c.LearningRate = 64, 256, 1e-3
		sig := signal.DefaultConfig()
		sig.Credit, sig.Average = credit, signal.AverageTail
		p := newSignalPlayer(t, c, sig, nil, 16, steps, seed.Seed(s+1), func() env.Env { return toy.NewPair(coupling) })
		p.train(t, steps)

		greedy := p.agent.Greedy()
		step, actions := env.NewTimeStep(1, p.vector.Spec()), make([]int, 1)
		regrets = append(regrets, toy.PairRegret(coupling, func(x toy.PairState) int {
			x.Observe(step.Obs)
			greedy.Act(step, actions)
			return actions[0]
		}))
	}
	slices.Sort(regrets)
	return regrets
}

// Where no machine affects the other, credit to subjects finds the optimum. With
// MEND_LONG=1 both kinds of credit are compared over 11 seeds: crediting the
// machine alone learns from less noise and is ahead early; where machines affect
// each other it does not see that, so plain credit ends up better.
func TestPairCredit(t *testing.T) {
	if r := pairRegrets(t, 1, 40_000, 0, signal.CreditSubject); r[0] > 0.1 {
		t.Errorf("regret %v at coupling 0, want 0", r[0])
	}
	if os.Getenv("MEND_LONG") != "1" {
		return
	}
	median := map[uint64]map[float64]map[string]float64{}
	for _, steps := range []uint64{12_000, 100_000} {
		median[steps] = map[float64]map[string]float64{}
		for _, coupling := range []float64{0, 0.5, 1} {
			median[steps][coupling] = map[string]float64{}
			for _, credit := range []string{signal.CreditPlain, signal.CreditSubject} {
				r := pairRegrets(t, 11, steps, coupling, credit)
				median[steps][coupling][credit] = r[5]
				t.Logf("%6d decisions, coupling %v, %-7s: median regret %.3f [%.3f, %.3f]", steps, coupling, credit, r[5], r[0], r[10])
			}
		}
	}
	if m := median[12_000][0]; m[signal.CreditSubject] >= m[signal.CreditPlain] {
		t.Errorf("uncoupled, after 12,000 decisions: regret %v by subject, %v plain", m[signal.CreditSubject], m[signal.CreditPlain])
	}
	if m := median[100_000][0]; m[signal.CreditSubject] > 0.01 || m[signal.CreditPlain] > 0.01 {
		t.Errorf("uncoupled, after 100,000 decisions: regret %v by subject, %v plain, want 0", m[signal.CreditSubject], m[signal.CreditPlain])
	}
	if m := median[100_000][1]; m[signal.CreditSubject] <= m[signal.CreditPlain] {
		t.Errorf("coupled, after 100,000 decisions: regret %v by subject, %v plain", m[signal.CreditSubject], m[signal.CreditPlain])
	}
}
