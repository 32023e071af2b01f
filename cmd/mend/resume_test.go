package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"mend/agents"
	"mend/agents/signal"
	"mend/checkpoints"
	"mend/configs"
	"mend/env"
	"mend/env/seed"
	"mend/env/toy"
	"mend/train"
)

// first is the policy that a potential is fitted to here.
type first struct{}

func (first) Act(_ *env.TimeStep, actions []int) { clear(actions) }

// resumable is a run with all of the learning signal switched on, in a world
// that credits subjects and offers exploring starts, which no registered one
// does yet. Its steps are so few that each of them can be resumed from: the
// updates begin, the replay buffer overflows and the averages of the tail start
// on the way.
func resumable(algo string) *configs.Run {
	c := configs.Default("Pair-v0", algo)
	c.Train.Steps, c.Train.Envs, c.Train.Seed = 450, 3, 5
	c.Train.LogEvery, c.Train.EvalEvery, c.Train.ExploringStarts = 30, 0, 0.5
	c.Train.CheckpointEvery, c.Train.Keep = 1, 1000
	c.Signal.NormalizeObservation, c.Signal.NormalizeReward = true, true
	c.Signal.ValueHead, c.Signal.Credit = "symexp", signal.CreditSubject
	c.Signal.Shaping.Baseline, c.Signal.Shaping.Steps, c.Signal.Shaping.Epochs, c.Signal.Shaping.Hidden = "first", 320, 1, []int{4}
	switch algo {
	case "ppo":
		c.Signal.Average, c.Signal.AverageStart = signal.AverageTail, 0.5
		c.PPO.RolloutSteps, c.PPO.MinibatchSize, c.PPO.Epochs, c.PPO.Hidden = 10, 16, 2, []int{5}
	case "dqn":
		c.Signal.Average = signal.AverageEMA
		c.DQN.Hidden, c.DQN.BufferSize, c.DQN.BatchSize, c.DQN.LearningStarts, c.DQN.TrainFreq = []int{5}, 70, 8, 40, 7
		c.DQN.NStep, c.DQN.Dueling, c.DQN.Prioritized, c.DQN.TargetUpdateInterval = 3, true, true, 5
	}
	return &c
}

// resumableJob is a fresh job of such a run. Its potential is fitted unless the
// job is to be resumed.
func resumableJob(t *testing.T, c *configs.Run, dir string, fit bool) *train.Job {
	t.Helper()
	vector := func(s seed.Seed) *env.Vector {
		worlds := make([]env.Env, c.Train.Envs)
		for i := range worlds {
			worlds[i] = toy.NewPair(0.5)
		}
		v, err := env.NewVector(s, worlds...)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	root := seed.Seed(c.Train.Seed)
	v := vector(root.Child("train", 0))
	agent, potential, err := newAgent(c, v.Spec(), root.Child("agent", 0))
	if err != nil {
		t.Fatal(err)
	}
	var policy agents.Policy = first{}
	return &train.Job{
		Config: c.Train, Dir: dir, Vector: v, Agent: agent,
		Meta: checkpoints.Meta{Env: "Pair-v0", Algo: c.Algo, Seed: c.Train.Seed},
		Prepare: func(ctx context.Context) error {
			if !fit {
				t.Error("a run that is resumed is prepared")
			}
			return potential.Fit(ctx, vector(root.Child("potential", 0)), policy, discount(c, v.Spec()), root.Child("fit", 0))
		},
	}
}

// Whatever step a run is resumed from, it ends in the bytes of the run that was
// never stopped. Every seventh step is tried, which meets all that happens in
// between, or with MEND_LONG=1 each.
func TestResumeFromEveryStep(t *testing.T) {
	for _, algo := range configs.Algos {
		t.Run(algo, func(t *testing.T) {
			c := resumable(algo)
			whole := t.TempDir()
			s, err := resumableJob(t, c, whole, true).Run(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if s.Updates < 3 || s.Episodes < 3 {
				t.Fatalf("%d updates and %d episodes prove too little", s.Updates, s.Episodes)
			}
			want, err := os.ReadFile(s.Checkpoint)
			if err != nil {
				t.Fatal(err)
			}
			stride := 7
			if os.Getenv("MEND_LONG") != "" {
				stride = 1
			}
			for step := uint64(0); step < c.Train.Steps; step += uint64(stride * c.Train.Envs) {
				from, err := checkpoints.Read(filepath.Join(whole, train.CheckpointsFolder, checkpoints.Name(step)))
				if err != nil {
					t.Fatal(err)
				}
				c.Train.CheckpointEvery = 0
				s, err := resumableJob(t, c, t.TempDir(), false).Resume(context.Background(), from)
				if err != nil {
					t.Fatal(fmt.Errorf("from step %d: %w", step, err))
				}
				got, err := os.ReadFile(s.Checkpoint)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("resumed at step %d, it ends in other bytes", step)
				}
			}
		})
	}
}

// What is switched on is said, and nothing else.
func TestLearningSignal(t *testing.T) {
	for _, x := range []struct {
		config *configs.Run
		want   string
	}{
		{resumable("ppo"), "normalized observations, normalized rewards, value head symexp, credit by subject, weights averaged over the last 50 %, shaped by baseline:first, 50 % exploring starts"},
		{resumable("dqn"), "normalized observations, normalized rewards, value head symexp, credit by subject, weights averaged by ema 0.998, shaped by baseline:first, 50 % exploring starts"},
	} {
		if got := learningSignal(x.config); got != x.want {
			t.Errorf("got  %s\nwant %s", got, x.want)
		}
	}
	plain := configs.Default("Pair-v0", "dqn")
	if got := learningSignal(&plain); got != "plain" {
		t.Errorf("the default is %s, want plain", got)
	}
}
