package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mend/configs"
	"mend/env"
	"mend/eval"
)

type evalOptions struct {
	overrides
	baselines string
	json      bool
	streams
}

func newEval(s streams) *cobra.Command {
	o := &evalOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "eval [POLICY...] [--env ID]",
		Short: "Compare policies on the same worlds",
		Long: `Compare policies on the same worlds. POLICY is a run, a checkpoint, a policy
file, or baseline:NAME. Baselines are compared too, unless --baselines says
otherwise: all but those about a question that the world never asks.

  mend eval runs/20261120-120000-RackBursts-v0-ppo-s1-abcdef
  mend eval policy.mend baseline:ceph --env Steady-v0 --baselines none
  mend eval RUN --env Trace-v0 --trace failures.csv --json

The world is the one of the first run or policy unless --env or -c choose
another.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := withSignals(cmd.Context())
			defer stop()
			return runEval(ctx, o, args)
		},
		Args: cobra.ArbitraryArgs,
	}
	o.bind(cmd)
	o.bindEnv(cmd)
	o.flag(cmd, "episodes", "eval.episodes", "episodes of each policy, `N`")
	o.flag(cmd, "seed", "eval.seed", "`SEED` that chooses the worlds")
	cmd.Flags().StringVar(&o.baselines, "baselines", "all", "baselines to compare with: all, none or `a,b`")
	cmd.Flags().BoolVar(&o.json, "json", false, "write one JSON object, schema mend.eval/v1")
	return cmd
}

func runEval(ctx context.Context, o *evalOptions, args []string) error {
	names, all := splitNames(o.baselines), o.baselines == "all"
	var learned []*source
	for i, arg := range args {
		if slices.Contains(args[:i], arg) {
			return usagef("%s is given twice, want it once", arg)
		}
		if name, ok := strings.CutPrefix(arg, "baseline:"); ok {
			names = append(names, name)
			continue
		}
		s, err := openPolicy(arg)
		if err != nil {
			return err
		}
		learned = append(learned, s)
	}
	c, err := o.world(learned)
	if err != nil {
		return err
	}
	f, err := newFactory(&c.Env)
	if err != nil {
		return err
	}
	known := f.rules(c)
	if len(names) > 0 && len(known) == 0 {
		return usagef("%s has no baselines, want --baselines none, and no baseline:NAME", c.Env.ID)
	}
	for i, name := range names {
		if !slices.Contains(known, name) {
			return usage(env.UnknownError{What: "baseline", Name: name, Known: known})
		}
		if slices.Contains(names[:i], name) {
			return usagef("baseline:%s is given twice, want it once", name)
		}
	}
	f.announce(o.err, false)
	w, err := f.env(evaluationSplit)
	if err != nil {
		return err
	}
	if all {
		compared := f.compared(c, w)
		names = append(compared, slices.DeleteFunc(names, func(name string) bool { return slices.Contains(compared, name) })...)
	}
	var entries []eval.Entry
	for _, s := range learned {
		e, err := s.entry(w.Spec())
		if err != nil {
			return err
		}
		if p := s.artifact.Provenance; p.EnvDigest != w.Spec().Digest {
			fmt.Fprintf(o.err, "%s was trained in %s of digest %.12s, and is evaluated in %s of digest %.12s\n",
				s.name, p.Env, p.EnvDigest, w.Spec().ID, w.Spec().Digest)
		}
		if x := c.Env.Trace; x != nil {
			for _, name := range s.artifact.Provenance.TrainSystems {
				if slices.Contains(x.EvalSystems, name) {
					fmt.Fprintf(o.err, "WARNING: %s was trained on system %s: on the same trace, this is no evaluation on held-out failures\n", s.name, name)
				}
			}
		}
		entries = append(entries, e)
	}
	entries = append(entries, f.baselines(c, w.Spec(), names)...)
	if len(entries) == 0 {
		return usagef("no policy to evaluate: want a run, a checkpoint, a policy file or baseline:NAME")
	}
	r, err := f.evaluate(ctx, entries, c.Eval)
	if err != nil {
		return err
	}
	if o.json {
		return o.writeJSON(r)
	}
	var b bytes.Buffer
	if err := r.WriteTable(&b); err != nil {
		return err
	}
	_, err = o.out.Write(b.Bytes())
	return err
}

// world is the configuration to evaluate in: that of -c, else that of the first
// policy unless --env names another world, with all flags applied.
func (o *evalOptions) world(learned []*source) (*configs.Run, error) {
	id := o.value("env")
	if o.file != "" || len(learned) == 0 {
		return o.read()
	}
	first := learned[0]
	if trained := first.artifact.Provenance.Env; id == "" || id == trained {
		if first.config != nil {
			return o.readData(first.from, first.config)
		}
		return o.readData(first.name, []byte("env: {id: "+trained+"}"))
	}
	return o.read()
}
