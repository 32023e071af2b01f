package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"runtime"
	"testing"
	"time"

	"mend/configs"
)

// Training on two processors, which share the steps of the worlds and the
// gradient, ends in the bytes of training on one. The world's steps are long
// enough to be shared, and its episodes, of a day, end on the way.
func TestTrainingDoesNotDependOnProcessors(t *testing.T) {
	run := func(processors int) []byte {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
		c := configs.Default("RackBursts-v0", "ppo")
		c.Env.Cluster.Horizon = 24 * time.Hour
		c.Train.Envs, c.Train.Steps, c.Train.EvalEvery = 16, 2048, 0
		c.PPO.RolloutSteps, c.PPO.MinibatchSize, c.PPO.Hidden = 64, 256, []int{16}
		x, err := newTraining(&c, streams{out: io.Discard, err: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		x.job.Dir, x.job.Finish, x.job.Progress = t.TempDir(), nil, nil
		x.job.Config.CheckpointEvery = 0
		s, err := x.job.Run(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if s.Updates != 2 || s.Episodes < 32 {
			t.Fatalf("%d updates and %d episodes prove too little", s.Updates, s.Episodes)
		}
		data, err := os.ReadFile(s.Checkpoint)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if !bytes.Equal(run(1), run(2)) {
		t.Error("checkpoints differ")
	}
}
