package main

import (
	"context"
	"io"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"mend/agents/signal"
	"mend/checkpoints/policy"
	"mend/configs"
	"mend/env"
	"mend/env/seed"
	"mend/eval"
)

// What is exported acts as the agent does when it is evaluated, whatever stands
// between the weights that learn and those that act: streams, quantiles, a
// shared trunk, a normaliser, averages. Evaluated on the worlds of the run, it
// gets the run's very numbers.
func TestArtifactActsAsAgent(t *testing.T) {
	for _, x := range []struct {
		name, world, algo string
		change            func(c *configs.Run)
	}{
		{"dqn plain", "CartPole-v1", "dqn", func(*configs.Run) {}},
		{"dqn dueling quantiles", "Acrobot-v1", "dqn", func(c *configs.Run) {
			c.DQN.Dueling, c.DQN.Quantiles = true, 5
			c.Signal.NormalizeObservation, c.Signal.Average, c.Signal.AverageStart = true, signal.AverageTail, 0.2
		}},
		{"dqn dueling symexp, masked", "RackBursts-v0", "dqn", func(c *configs.Run) {
			c.DQN.Dueling, c.Signal.ValueHead = true, "symexp"
			c.Signal.NormalizeObservation, c.Signal.ObservationClip, c.Signal.Average = true, 0, signal.AverageEMA
		}},
		{"ppo shared, masked", "RackBursts-v0", "ppo", func(c *configs.Run) {
			c.PPO.SharedTrunk, c.PPO.RolloutSteps = true, 64
			c.Signal.NormalizeObservation, c.Signal.Average, c.Signal.AverageStart = true, signal.AverageTail, 0.2
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := configs.Default(x.world, x.algo)
			c.Train.Steps, c.Train.EvalEvery, c.Eval.Episodes = 1500, 0, 3
			if c.DQN != nil {
				c.DQN.Hidden, c.DQN.LearningStarts, c.DQN.GradientSteps = []int{16}, 300, 8
			}
			x.change(&c)
			run, err := newTraining(&c, streams{io.Discard, io.Discard})
			if err != nil {
				t.Fatal(err)
			}
			run.job.Dir = t.TempDir()
			s, err := run.job.Run(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if s.Updates < 2 {
				t.Fatalf("%d updates prove too little", s.Updates)
			}
			a, err := policy.Load(filepath.Join(run.job.Dir, policyFile))
			if err != nil {
				t.Fatal(err)
			}

			// In worlds of its own, where chance decides, so that much is met. They
			// are real: the artifact's guards believe what they observe.
			const worlds, steps = 8, 100
			v, err := run.newVector(seed.Seed(9), worlds)
			if err != nil {
				t.Fatal(err)
			}
			spec := v.Spec()
			cur, next := env.NewTimeStep(worlds, spec), env.NewTimeStep(worlds, spec)
			v.Reset(cur)
			r := rand.New(rand.NewPCG(1, 2))
			artifact, agent := a.Policy(), run.agent.Greedy()
			want, got, random := make([]int, worlds), make([]int, worlds), make([]int, worlds)
			decided := map[int]bool{}
			for n := range steps {
				agent.Act(cur, want)
				artifact.Act(cur, got)
				if !slices.Equal(got, want) {
					t.Fatalf("step %d: the artifact decides %v, the agent %v", n, got, want)
				}
				for i := range random {
					decided[want[i]] = true
					random[i] = r.IntN(len(spec.Actions))
					for spec.Masked && !cur.Mask[i*len(spec.Actions)+random[i]] {
						random[i] = r.IntN(len(spec.Actions))
					}
				}
				v.Step(random, next)
				cur, next = next, cur
			}
			if len(decided) < 2 {
				t.Errorf("the agent always decides the same, which proves too little")
			}

			learned := &source{name: x.algo, artifact: a}
			entry, err := learned.entry(spec)
			if err != nil {
				t.Fatal(err)
			}
			again, err := eval.Run(context.Background(), run.factory.of(evaluationSplit), []eval.Entry{entry}, c.Eval)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := again.Policies[0].Metrics, run.result.Policies[0].Metrics; !reflect.DeepEqual(got, want) {
				t.Errorf("the artifact gets %v, the run %v", got, want)
			}
		})
	}
}
