package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mend/agents"
	"mend/agents/kernel"
	"mend/agents/signal"
	"mend/checkpoints"
	"mend/configs"
	"mend/env"
	"mend/env/seed"
	"mend/eval"
	"mend/train"
)

type trainOptions struct {
	overrides
	out    string
	resume string
	json   bool
	streams
}

func newTrain(s streams) *cobra.Command {
	o := &trainOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "train [-c FILE] [--env ID] | --resume RUN",
		Short: "Train a policy, evaluate it, export it and write a report",
		Long: `Train a policy and compare it with the baselines on worlds that training
never saw.

  mend train -c configs/quickstart.yaml
  mend train --env RackBursts-v0 --steps 1e6 --seed 7
  mend train --env CartPole-v1 --algo dqn
  mend train --env MDP-v0 --mdp configs/mdp/two-copies.yaml
  mend train --env RackBursts-v0 --set signal.shaping.baseline=hdfs
  mend train --resume runs/20261120-120000-RackBursts-v0-ppo-s1-abcdef

The run's folder, runs/<time>-<env>-<algo>-s<seed>-<hash> or --out, holds the
resolved configuration, metrics.jsonl, checkpoints, the evaluation, the policy
(policy.mend) and report.html. Ctrl-C writes a checkpoint and stops; --resume
then ends in the same weights, bit for bit, as a run that was never stopped.`,
		Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := withSignals(cmd.Context())
			defer stop()
			return runTrain(ctx, o)
		},
	}
	o.bind(cmd)
	o.bindEnv(cmd)
	o.flag(cmd, "algo", "algo", "agent: "+strings.Join(configs.Algos, ", ")).text = true
	o.flag(cmd, "steps", "train.steps", "environment steps to train, `N`")
	o.flag(cmd, "seed", "train.seed", "`SEED` of worlds, exploration and first weights")
	cmd.Flags().StringVar(&o.out, "out", "", "folder of the run, which must not exist or be empty (`DIR`)")
	cmd.Flags().StringVar(&o.resume, "resume", "", "continue the run in folder `RUN`")
	cmd.Flags().BoolVar(&o.json, "json", false, "write the evaluation as JSON")
	return cmd
}

func runTrain(ctx context.Context, o *trainOptions) error {
	if o.resume != "" {
		return resumeTrain(ctx, o)
	}
	c, err := o.read()
	if err != nil {
		return err
	}
	t, err := newTraining(c, o.streams)
	if err != nil {
		return err
	}
	if err := t.newFolder(o.out); err != nil {
		return err
	}
	fmt.Fprintf(o.err, "run %s\n", t.job.Dir)
	t.announce()
	_, err = t.job.Run(ctx)
	return t.end(err, o.json)
}

func resumeTrain(ctx context.Context, o *trainOptions) error {
	if err := o.refuseWithResume(); err != nil {
		return err
	}
	c, _, err := openRun(o.resume)
	if err != nil {
		return err
	}
	path, ckpt, skipped, err := checkpoints.Latest(filepath.Join(o.resume, train.CheckpointsFolder))
	for _, e := range skipped {
		o.log().Warn("checkpoint passed over", "error", e)
	}
	// Without any checkpoint the run was killed before its first step.
	if err != nil && (len(skipped) > 0 || !errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	t, err := newTraining(c, o.streams)
	if err != nil {
		return err
	}
	t.job.Dir = o.resume
	if err := t.completeFolder(); err != nil {
		return err
	}
	if ckpt == nil {
		fmt.Fprintf(o.err, "run %s, which has no checkpoint, from the start\n", o.resume)
		t.announce()
		_, err = t.job.Run(ctx)
		return t.end(err, o.json)
	}
	if err := t.identify(ckpt); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	fmt.Fprintf(o.err, "run %s, resumed at step %d\n", o.resume, ckpt.Meta.Step)
	t.announce()
	_, err = t.job.Resume(ctx, ckpt)
	return t.end(err, o.json)
}

// refuseWithResume refuses the flags that would change the run.
func (o *trainOptions) refuseWithResume() error {
	var given string
	switch {
	case o.file != "":
		given = "config"
	case o.out != "":
		return usagef("--out with --resume, want one of them: a run keeps its folder")
	case len(o.set) > 0:
		given = "set"
	}
	for _, f := range o.flags {
		if f.value != "" {
			given = f.flag
		}
	}
	if given != "" {
		return usagef("--%s with --resume, want one of them: a run keeps its configuration", given)
	}
	return nil
}

// training is a run with everything that it is made of.
type training struct {
	streams
	config    *configs.Run
	factory   *factory
	agent     agents.Agent
	potential *signal.Potential // of the agent; nil without shaping
	vector    *env.Vector
	job       train.Job
	result    *eval.Result // of finish
}

// newTraining joins world, agent and loop. Their seeds are children of
// train.seed.
func newTraining(c *configs.Run, s streams) (*training, error) {
	t := &training{streams: s, config: c}
	var err error
	if t.factory, err = newFactory(&c.Env); err != nil {
		return nil, err
	}
	if err := t.shape(context.Background()); err != nil {
		return nil, err
	}
	root := seed.Seed(c.Train.Seed)
	if t.vector, err = t.newVector(root.Child("train", 0), c.Train.Envs); err != nil {
		return nil, err
	}
	if t.agent, t.potential, err = newAgent(c, t.vector.Spec(), root.Child("agent", 0)); err != nil {
		return nil, err
	}
	resolved, err := configs.Encode(c)
	if err != nil {
		return nil, err
	}
	t.job = train.Job{
		Config:   c.Train,
		Vector:   t.vector,
		Agent:    t.agent,
		Evaluate: t.evaluate,
		Prepare:  t.prepare,
		Finish:   t.finish,
		Log:      s.log(),
		Progress: s.err,
		Meta: checkpoints.Meta{
			Env: c.Env.ID, EnvDigest: t.vector.Spec().Digest, Algo: c.Algo, Seed: c.Train.Seed,
			Config: resolved, Tool: train.Tool(), Go: runtime.Version(), CPU: train.CPU(),
			Kernel: kernel.Active(),
		},
	}
	return t, nil
}

// newVector joins n training worlds, which all processors may step.
func (t *training) newVector(s seed.Seed, n int) (*env.Vector, error) {
	envs := make([]env.Env, n)
	for i := range envs {
		var err error
		if envs[i], err = t.factory.env(trainingSplit); err != nil {
			return nil, err
		}
	}
	v, err := env.NewVector(s, envs...)
	if err == nil {
		v.SetWorkers(runtime.GOMAXPROCS(0))
	}
	return v, err
}

// newFolder makes the folder of a new run, with configuration and manifest.
func (t *training) newFolder(out string) error {
	now := time.Now()
	var err error
	if out == "" {
		t.job.Dir, err = train.NewDir("runs", t.config.Env.ID, t.config.Algo, t.config.Train.Seed, t.job.Meta.Config, now)
	} else {
		if err := checkOut(out); err != nil {
			return err
		}
		t.job.Dir, err = out, train.UseDir(out, t.job.Meta.Config)
	}
	if err != nil {
		return err
	}
	return train.WriteManifest(t.job.Dir, train.NewManifest(t.job.Meta, now))
}

// checkOut refuses what cannot become the folder of a new run. What it misses,
// train.UseDir finds.
func checkOut(out string) error {
	info, err := os.Stat(out)
	if err != nil {
		return nil
	}
	if !info.IsDir() {
		return usagef("--out %s: is a file, want a new or empty folder", out)
	}
	if list, err := os.ReadDir(out); err == nil && len(list) > 0 {
		return usagef("--out %s: is not empty, want a new or empty folder, or --resume %s", out, out)
	}
	return nil
}

// completeFolder writes the manifest of a run that was killed before it could.
func (t *training) completeFolder() error {
	if _, err := os.Stat(filepath.Join(t.job.Dir, train.ManifestFile)); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return train.WriteManifest(t.job.Dir, train.NewManifest(t.job.Meta, time.Now()))
}

// identify refuses to continue another run than the one that c is of.
func (t *training) identify(c *checkpoints.Checkpoint) error {
	was, is := c.Meta, t.job.Meta
	for _, x := range []struct{ what, was, is string }{
		{"world", was.Env, is.Env},
		{"digest of the world", was.EnvDigest, is.EnvDigest},
		{"agent", was.Algo, is.Algo},
		{"configuration", string(was.Config), string(is.Config)},
	} {
		if x.was != x.is {
			if strings.Contains(x.was, "\n") {
				return fmt.Errorf("its %s is not that of the run", x.what)
			}
			return fmt.Errorf("its %s is %s, that of the run %s", x.what, x.was, x.is)
		}
	}
	for _, x := range []struct{ what, was, is string }{{"mend", was.Tool, is.Tool}, {"Go", was.Go, is.Go}, {"CPU", was.CPU, is.CPU}, {"kernel", was.Kernel, is.Kernel}} {
		if x.was != x.is {
			t.job.Log.Warn("resuming elsewhere than the run began: the last bits may differ", "what", x.what, "was", x.was, "is", x.is)
		}
	}
	t.job.Meta.Tool, t.job.Meta.Go, t.job.Meta.CPU, t.job.Meta.Kernel = was.Tool, was.Go, was.CPU, was.Kernel
	return nil
}

// announce says what is about to happen.
func (t *training) announce() {
	spec := t.vector.Spec()
	fmt.Fprintf(t.err, "%s, digest %.12s, %d features, %d actions; %s, seed %d, %d steps in %d worlds\n",
		spec.ID, spec.Digest, spec.ObsDim(), len(spec.Actions), t.config.Algo, t.config.Train.Seed, t.config.Train.Steps, t.config.Train.Envs)
	fmt.Fprintf(t.err, "kernel %s; learning signal: %s\n", kernel.Active(), learningSignal(t.config))
	t.factory.announce(t.err, true)
}

// evaluate judges the policy under training on its own set of held-out worlds.
// The workers of the evaluation need a policy each, of the same weights, which
// rest meanwhile; the one that is passed is not used.
func (t *training) evaluate(ctx context.Context, _ agents.Policy) (train.Evaluation, error) {
	c := eval.Config{Episodes: t.config.Train.EvalEpisodes, Seed: periodicSeed(t.config)}
	r, err := eval.Run(ctx, t.factory.of(evaluationSplit), []eval.Entry{{
		Name: t.config.Algo, Kind: eval.Learned, New: greedy(t.agent.Actor()),
	}}, c)
	if err != nil {
		return train.Evaluation{}, err
	}
	m := r.Policies[0].Metric(r.Objective)
	return train.Evaluation{Mean: m.Mean, Lo: m.Lo, Hi: m.Hi}, nil
}

// periodicSeed chooses the worlds of the learning curve, others than those of
// the final evaluation.
func periodicSeed(c *configs.Run) uint64 {
	return uint64(seed.Seed(c.Eval.Seed).Child("learning curve", 0))
}

// end prints the results of a run that has ended with err.
func (t *training) end(err error, asJSON bool) error {
	if err != nil {
		// In training or in the evaluation after it: either way there is a
		// checkpoint.
		if sig := signalError(0); errors.As(err, &sig) {
			fmt.Fprintf(t.err, "continue with: mend train --resume %s\n", quoteForShell(t.job.Dir))
		}
		return err
	}
	if asJSON {
		return t.writeJSON(t.result)
	}
	return t.summarize(t.result)
}

// quoteForShell quotes what a shell would not take as it is.
func quoteForShell(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:@%,=", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// openRun reads the resolved configuration of a run.
func openRun(dir string) (*configs.Run, []byte, error) {
	path := filepath.Join(dir, train.ConfigFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, usagef("%s is no run: it has no config.resolved.yaml", dir)
	}
	if info, e := os.Stat(dir); e == nil && !info.IsDir() {
		return nil, nil, usagef("%s is no run: it is a file, want the folder of a run", dir)
	}
	if err != nil {
		return nil, nil, bare(path, err)
	}
	c, err := (&overrides{}).readData(path, data)
	return c, bytes.Clone(data), err
}
