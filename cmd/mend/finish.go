package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"mend/agents"
	"mend/agents/mlp"
	"mend/checkpoints"
	"mend/checkpoints/policy"
	"mend/configs"
	"mend/env"
	"mend/eval"
	"mend/eval/report"
	"mend/train"
)

// What finish leaves in the folder of a run, beside what train does.
const (
	evalFile   = "final.json"
	policyFile = "policy.mend"
	reportFile = "report.html"
)

// finish evaluates the trained policy against the baselines, exports it, and
// writes the report. Done again, it writes the same files again.
func (t *training) finish(ctx context.Context, s train.Summary) error {
	if err := t.tidy(); err != nil {
		return err
	}
	w, err := t.factory.env(evaluationSplit)
	if err != nil {
		return err
	}
	names := t.factory.compared(t.config, w)
	entries := []eval.Entry{{Name: t.config.Algo, Kind: eval.Learned, New: greedy(t.agent.Actor())}}
	entries = append(entries, t.factory.baselines(t.config, t.vector.Spec(), names)...)
	fmt.Fprintf(t.err, "evaluating %d policies on %d held-out episodes\n", len(entries), t.config.Eval.Episodes)
	r, err := t.factory.evaluate(ctx, entries, t.config.Eval)
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := checkpoints.WriteFile(filepath.Join(t.job.Dir, train.EvalFolder, evalFile), append(b, '\n')); err != nil {
		return err
	}
	m := t.job.Meta
	m.Step, m.Update, m.Episode = s.Steps, s.Updates, s.Episodes
	a := newArtifact(t.config, t.vector.Spec(), t.agent.Actor(), m, runName(t.job.Dir))
	a.Evaluation = evaluationOf(r)
	if err := a.Save(filepath.Join(t.job.Dir, policyFile)); err != nil {
		return err
	}
	t.result = r
	return t.writeReport(r, s.Steps)
}

// tidy removes the temporary files of a finish that was killed, and makes the
// folder of the evaluation where somebody has removed it.
func (t *training) tidy() error {
	folder := filepath.Join(t.job.Dir, train.EvalFolder)
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	for _, path := range []string{
		filepath.Join(folder, evalFile), filepath.Join(t.job.Dir, policyFile), filepath.Join(t.job.Dir, reportFile),
	} {
		left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp-*"))
		if err != nil {
			continue // a pattern's character in the path: they stay
		}
		for _, l := range left {
			os.Remove(l)
		}
	}
	return nil
}

// greedy makes policies that act by net.
func greedy(net *mlp.Net) func() (agents.Policy, error) {
	return func() (agents.Policy, error) { return mlp.NewGreedy(net), nil }
}

// newArtifact is the policy that acts by net, with what it needs to know. Run is
// the name of the run that it comes from, m how far that had come.
func newArtifact(c *configs.Run, spec *env.Spec, net *mlp.Net, m checkpoints.Meta, run string) *policy.Artifact {
	a := &policy.Artifact{
		Features: spec.Features, Actions: spec.Actions, Masked: spec.Masked, Guards: spec.Guards,
		Net: net.Clone(),
		Provenance: policy.Provenance{
			Env: m.Env, EnvDigest: m.EnvDigest, Run: run, Algo: m.Algo, Seed: m.Seed,
			Steps: m.Step, Tool: m.Tool, Revision: revisionOf(), Go: m.Go, CPU: m.CPU, Kernel: m.Kernel,
		},
	}
	if c.Env.Trace != nil {
		a.Provenance.TrainSystems = c.Env.Trace.TrainSystems
	}
	if c.Baselines != nil {
		a.Fallback = policy.Fallback{Name: "hdfs", Parameters: map[string]float64{"timeout_seconds": c.Baselines.HDFS.Timeout.Seconds()}}
	}
	return a
}

func evaluationOf(r *eval.Result) *policy.Evaluation {
	e := &policy.Evaluation{Episodes: uint64(r.Episodes), Seed: r.Seed}
	for _, p := range r.Policies {
		x := policy.Result{Name: p.Name, Kind: p.Kind}
		for _, m := range r.MetricsInfo {
			v := p.Metric(m.Name)
			x.Metrics = append(x.Metrics, policy.Estimate{Name: m.Name, Mean: v.Mean, Lo: v.Lo, Hi: v.Hi})
		}
		if d := p.Paired; d != nil {
			x.Paired = &policy.Paired{Vs: d.Vs, Metric: d.Metric, Mean: d.Mean, Lo: d.Lo, Hi: d.Hi}
		}
		e.Policies = append(e.Policies, x)
	}
	return e
}

func (t *training) writeReport(r *eval.Result, steps uint64) error {
	metrics, err := os.Open(filepath.Join(t.job.Dir, train.MetricsFile))
	if err != nil {
		return err
	}
	defer metrics.Close()
	curve, err := report.ReadCurve(metrics)
	if err != nil {
		return err
	}
	m := t.job.Meta
	d := report.Data{Result: r, Curve: curve, Facts: []report.Fact{
		{Key: "run", Value: runName(t.job.Dir)},
		{Key: "agent", Value: m.Algo},
		{Key: "learning signal", Value: learningSignal(t.config)},
		{Key: "training seed", Value: fmt.Sprint(m.Seed)},
		{Key: "steps", Value: fmt.Sprint(steps)},
		{Key: "mend", Value: m.Tool},
		{Key: "Go", Value: m.Go},
		{Key: "CPU", Value: m.CPU},
		{Key: "kernel", Value: m.Kernel},
	}}
	if t.potential != nil {
		d.Facts = append(d.Facts, report.Fact{Key: "shaping", Value: fitted(t.potential.Quality())})
	}
	for _, x := range t.factory.recipe.replays {
		d.Facts = append(d.Facts,
			report.Fact{Key: x.what + " trace", Value: x.report.String()},
			report.Fact{Key: "trained on systems", Value: names(x.train)},
			report.Fact{Key: "evaluated on systems", Value: names(x.eval)})
		if x.shared {
			d.Notes = append(d.Notes, x.sharedNote())
		}
	}
	if len(t.factory.recipe.replays) > 0 {
		d.Notes = append(d.Notes, overlapNote)
	}
	d.Facts = append(d.Facts, report.Fact{Key: "configuration", Value: string(m.Config)})
	var page bytes.Buffer
	if err := report.Write(&page, d); err != nil {
		return err
	}
	return checkpoints.WriteFile(filepath.Join(t.job.Dir, reportFile), page.Bytes())
}

// summarize prints the result for people.
func (t *training) summarize(r *eval.Result) error {
	var b bytes.Buffer
	if err := r.WriteTable(&b); err != nil {
		return err
	}
	fmt.Fprintf(&b, "policy  %s\nreport  %s\n", filepath.Join(t.job.Dir, policyFile), filepath.Join(t.job.Dir, reportFile))
	_, err := t.out.Write(b.Bytes())
	return err
}

// announce says what became of the traces, and which of their systems are used.
func (f *factory) announce(w io.Writer, training bool) {
	for _, x := range f.recipe.replays {
		fmt.Fprintln(w, x.report)
		if x.what != "node" {
			fmt.Fprintf(w, "%s: ", x.what)
		}
		if training {
			fmt.Fprintf(w, "training on systems %s; ", names(x.train))
		}
		fmt.Fprintf(w, "evaluating on systems %s\n", names(x.eval))
		if x.shared {
			fmt.Fprintf(w, "WARNING: %s\n", x.sharedNote())
		}
	}
	if len(f.recipe.replays) > 0 {
		fmt.Fprintln(w, overlapNote)
	}
}

// sharedNote qualifies evaluations on what was trained on.
func (r *replay) sharedNote() string {
	return fmt.Sprintf("The trace of failures of a %s has one system that can be replayed, too short to be cut in two: this is no evaluation on held-out failures.", r.what)
}

// overlapNote qualifies the intervals of evaluations that replay a trace.
const overlapNote = "Episodes are windows of these few systems and may overlap: the intervals are too narrow, and do not cover the choice of systems."
