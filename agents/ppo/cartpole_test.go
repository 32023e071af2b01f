package ppo

import (
	"fmt"
	"os"
	"testing"

	"mend/agents/signal"
	"mend/env"
	"mend/env/classic"
	"mend/env/seed"
)

// cartPoleConfig are the settings of RL Baselines3 Zoo for CartPole-v1.
func cartPoleConfig() Config {
	c := DefaultConfig()
	c.RolloutSteps, c.MinibatchSize, c.Epochs = 32, 256, 20
	c.Gamma, c.Lambda = 0.98, 0.8
	c.LearningRate, c.LearningRateSchedule = 1e-3, signal.Linear
	c.Clip, c.ClipSchedule = 0.2, signal.Linear
	c.EntropyCoefficient, c.EntropyCoefficientFinal = 0, 0
	return c
}

// Gymnasium calls CartPole-v1 solved at a mean return of 475 (its registered
// reward threshold). One seed by default, which stops as soon as it is there;
// with MEND_LONG=1 ten seeds train to the end, and the last policy counts.
func TestSolvesCartPole(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for seconds")
	}
	const envs, total, wanted = 8, 100_000, 475
	long := os.Getenv("MEND_LONG") == "1"
	world := func() env.Env { return classic.NewCartPole() }
	seeds := 1
	if long {
		seeds = 10
	}
	for s := range seeds {
		root := seed.Seed(s + 1)
		t.Run(fmt.Sprintf("seed=%d", s+1), func(t *testing.T) {
			p := newPlayer(t, cartPoleConfig(), envs, total, root, world)
			var first uint64
			for p.steps < total && (long || first == 0) {
				if p.step(t) && p.agent.updates%8 == 0 && first == 0 &&
					episodeReturns(t, p.agent.Greedy(), 20, root.Child("evaluate", 0), world) >= wanted {
					first = p.steps
				}
			}
			if first == 0 {
				t.Fatalf("not solved in %d steps", p.steps)
			}
			t.Logf("solved after %d steps", first)
			if !long {
				return
			}
			mean := episodeReturns(t, p.agent.Greedy(), 100, root.Child("final", 0), world)
			t.Logf("mean return %v at the end", mean)
			if mean < wanted {
				t.Errorf("mean return %v after %d steps, want at least %d", mean, p.steps, wanted)
			}
		})
	}
}

func BenchmarkTrainCartPole(b *testing.B) {
	p := newPlayer(b, cartPoleConfig(), 8, 1<<40, 1, func() env.Env { return classic.NewCartPole() })
	for b.Loop() {
		p.step(b)
	}
	b.ReportMetric(float64(8*b.N)/b.Elapsed().Seconds(), "steps/s")
}
