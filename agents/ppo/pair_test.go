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
func pairRegrets(t *testing.T, seeds int, steps uint64, coupling float64, credit, head string) (regrets []float64) {
	t.Helper()
	for s := range seeds {
		c := DefaultConfig()
		c.RolloutSteps, c.MinibatchSize, c.LearningRate = 64, 256, 1e-3
		sig := signal.DefaultConfig()
		sig.Credit, sig.ValueHead, sig.Average = credit, head, signal.AverageTail
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

// Where no machine affects the other, either credit finds the optimum. With
// MEND_LONG=1 they are compared over 11 seeds. Crediting the machine alone is
// ahead only while the critic is what holds back learning (its values are half
// as large): a head that reaches large values at once takes that lead away, with
// two subjects. Where machines affect each other it never sees that, and plain
// credit ends up better.
func TestPairCredit(t *testing.T) {
	for _, credit := range []string{signal.CreditPlain, signal.CreditSubject} {
		if r := pairRegrets(t, 1, 40_000, 0, credit, "symexp"); r[0] > 0.1 {
			t.Errorf("%s credit: regret %v at coupling 0, want 0", credit, r[0])
		}
	}
	if os.Getenv("MEND_LONG") != "1" {
		return
	}
	for _, head := range []string{"linear", "symexp"} {
		for _, steps := range []uint64{12_000, 100_000} {
			for _, coupling := range []float64{0, 0.5, 1} {
				median := map[string]float64{}
				for _, credit := range []string{signal.CreditPlain, signal.CreditSubject} {
					r := pairRegrets(t, 11, steps, coupling, credit, head)
					median[credit] = r[5]
					t.Logf("%s head, %6d decisions, coupling %v, %-7s: median regret %.3f [%.3f, %.3f]", head, steps, coupling, credit, r[5], r[0], r[10])
				}
				if steps < 100_000 {
					continue
				}
				plain, subject := median[signal.CreditPlain], median[signal.CreditSubject]
				if coupling == 0 && (plain > 0.01 || subject > 0.01) {
					t.Errorf("%s head, uncoupled: regret %v by plain credit, %v by subject, want 0", head, plain, subject)
				}
				if coupling > 0 && subject <= plain {
					t.Errorf("%s head, coupling %v: regret %v by plain credit, %v by subject, want less", head, coupling, plain, subject)
				}
			}
		}
	}
}
