package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"mend/cmd/mend/bench"
	"mend/configs"
	"mend/train"
)

// study is the committed configuration of that name, with --set and a seed that
// chooses training and held-out worlds.
func (o *benchOptions) study(name string, trainingSeed uint64) (*configs.Run, error) {
	c, err := (&overrides{set: o.set}).readData(name+".yaml", configs.Study(name))
	if err != nil {
		return nil, err
	}
	c.Train.Seed, c.Eval.Seed = trainingSeed, trainingSeed
	return c, nil
}

// trainingOf is a run of c in a folder of its own that keeps to training: no
// evaluation, no checkpoint but the first and the last, no results. The folder
// is removed by done.
func (o *benchOptions) trainingOf(c *configs.Run) (t *training, done func(), err error) {
	if t, err = newTraining(c, o.streams); err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "mend-bench-")
	if err != nil {
		return nil, nil, err
	}
	t.job.Dir = dir
	t.job.Config.CheckpointEvery = 0
	t.job.Evaluate, t.job.Finish, t.job.Progress = nil, nil, nil
	runtime.GC() // what came before is not to be paid for here
	return t, func() { os.RemoveAll(dir) }, nil
}

// runToEnd runs t. Where ctx ends, only its cause is worth telling: the folder
// with the checkpoint goes.
func runToEnd(ctx context.Context, t *training) (train.Summary, error) {
	s, err := t.job.Run(ctx)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return s, err
}

// How many steps are trained to measure the speed, which hardly changes over a
// run. The schedules of a study run as if it went to its end.
const (
	cartPolePPOSteps = 20_480
	cartPoleDQNSteps = 25_088
	ppoTrainSteps    = 81_920
)

// training lists the benchmarks of the speed of training.
func (o *benchOptions) training() []bench.Benchmark {
	ofStudy := func(study string) func(uint64) (*configs.Run, error) {
		return func(s uint64) (*configs.Run, error) { return o.study(study, s) }
	}
	return []bench.Benchmark{
		o.speed("learner/cartpole-ppo", cartPolePPOSteps, processorTime, ofStudy("cartpole-ppo")),
		o.speed("learner/cartpole-dqn", cartPoleDQNSteps, processorTime, ofStudy("cartpole-dqn")),
		o.speed("learner/ppo-train/n=2048", ppoTrainSteps, wallTime, largeBatches),
	}
}

// largeBatches is a run whose updates are of 10 epochs over 8,192 steps in
// minibatches of 2,048, of 256x256 networks.
func largeBatches(trainingSeed uint64) (*configs.Run, error) {
	c := configs.Default("CartPole-v1", "ppo")
	c.Train.Seed, c.Train.Envs, c.Train.Steps = trainingSeed, 64, ppoTrainSteps
	c.PPO.RolloutSteps, c.PPO.MinibatchSize, c.PPO.Epochs = 128, 2048, 10
	c.PPO.Hidden = []int{256, 256}
	return &c, nil
}

// speed measures environment steps a second of clock, over the first steps of
// training by the configuration for a seed.
func (o *benchOptions) speed(name string, steps uint64, clock func() time.Duration, config func(seed uint64) (*configs.Run, error)) bench.Benchmark {
	once := func(ctx context.Context, s uint64) (float64, error) {
		c, err := config(s)
		if err != nil {
			return 0, err
		}
		t, done, err := o.trainingOf(c)
		if err != nil {
			return 0, err
		}
		defer done()
		t.job.Config.Steps = min(steps, c.Train.Steps)
		began := clock()
		summary, err := runToEnd(ctx, t)
		return float64(summary.Steps) / (clock() - began).Seconds(), err
	}
	return o.seeded(name, "steps/s", once)
}

// seeded makes a benchmark that measures one value for each run, of a seed of
// its own.
func (o *benchOptions) seeded(name, unit string, once func(ctx context.Context, seed uint64) (float64, error)) bench.Benchmark {
	return bench.Benchmark{Names: []string{name}, Run: func(ctx context.Context, s bench.Sampler) ([]bench.Result, error) {
		samples := make([]float64, s.Runs)
		for i := range samples {
			var err error
			if samples[i], err = once(ctx, o.firstSeed+uint64(i)); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		return []bench.Result{bench.Summarize(name, unit, samples)}, nil
	}}
}

// memory lists the benchmarks of peak memory, of mend train as a process of its
// own, evaluation and report included; none where the system does not tell.
func (o *benchOptions) memory() []bench.Benchmark {
	if !knowsPeakMemory {
		return nil
	}
	return []bench.Benchmark{o.seeded("learner/cartpole-ppo/rss", "MB", func(ctx context.Context, s uint64) (float64, error) {
		p, err := o.trainProcess(ctx, "cartpole-ppo", s, cartPolePPOSteps)
		if err != nil {
			return 0, err
		}
		return float64(peakMemory(p)) / 1e6, nil
	})}
}

// trainProcess runs mend train on a study as a process of its own and returns
// how it ended.
func (o *benchOptions) trainProcess(ctx context.Context, study string, s, steps uint64) (*os.ProcessState, error) {
	dir, err := os.MkdirTemp("", "mend-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	config := filepath.Join(dir, study+".yaml")
	if err := os.WriteFile(config, configs.Study(study), 0o666); err != nil {
		return nil, err
	}
	c, err := o.study(study, s)
	if err != nil {
		return nil, err
	}
	args := []string{os.Args[0], "train", "-c", config, "--out", filepath.Join(dir, "run"),
		"--seed", strconv.FormatUint(s, 10), "--steps", strconv.FormatUint(min(steps, c.Train.Steps), 10)}
	for _, x := range o.set {
		args = append(args, "--set", x)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, self)
	cmd.Args, cmd.Stdout, cmd.Stderr = args, &out, &out
	cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", o.cores))
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("mend train: %w:\n%s", err, bytes.TrimSpace(out.Bytes()))
	}
	return cmd.ProcessState, nil
}
