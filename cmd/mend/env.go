package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"mend/env"
	"mend/env/cluster"
	"mend/env/envtest"
	"mend/env/trace"
)

func newEnv(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "env",
		Short: "List, describe and check worlds, and read traces",
		Args:  nothing,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newEnvList(s), newEnvDescribe(s), newEnvCheck(s), newEnvTrace(s))
	return cmd
}

func newEnvList(s streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the worlds",
		Long:  "List the worlds.\n\n  mend env list",
		Args:  nothing,
		RunE: func(*cobra.Command, []string) error {
			type row struct {
				ID      string `json:"id"`
				Summary string `json:"summary"`
			}
			list := struct {
				Schema string `json:"schema"`
				Envs   []row  `json:"envs"`
			}{Schema: "mend.env_list/v1"}
			var b bytes.Buffer
			for _, e := range worlds().Entries() {
				list.Envs = append(list.Envs, row{e.ID, e.Summary})
				fmt.Fprintf(&b, "%-17s %s\n", e.ID, e.Summary)
			}
			if asJSON {
				return s.writeJSON(list)
			}
			_, err := s.out.Write(b.Bytes())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON object")
	return cmd
}

// worldOptions choose a world by an argument, and the flags that configurations
// have.
type worldOptions struct {
	overrides
	json bool
	streams
}

func (o *worldOptions) bind(cmd *cobra.Command) {
	o.overrides.bind(cmd)
	cmd.Flags().BoolVar(&o.json, "json", false, "write one JSON object")
}

func (o *worldOptions) factory(id string) (*factory, error) {
	if _, err := worlds().Find(id); err != nil {
		return nil, usage(err)
	}
	o.flags = append(o.flags, &flagOverride{flag: "env", path: "env.id", value: id, text: true})
	c, err := o.read()
	if err != nil {
		return nil, err
	}
	return newFactory(&c.Env)
}

// worldDescription is what describe says of a world.
type worldDescription struct {
	Schema    string        `json:"schema"` // mend.env/v1
	ID        string        `json:"id"`
	Digest    string        `json:"digest"`
	Summary   string        `json:"summary"`
	Masked    bool          `json:"masked"`
	Gamma     float64       `json:"gamma"`
	Objective string        `json:"objective"`
	Features  []featureInfo `json:"features"`
	Actions   []string      `json:"actions"`
	Guards    []env.Guard   `json:"guards"`
	Metrics   []metricInfo  `json:"metrics"`
	// Of worlds of a store.
	Decisions []decisionInfo `json:"decisions,omitempty"`
	Failures  []failureInfo  `json:"failures,omitempty"`
	Tiers     []tierInfo     `json:"tiers,omitempty"`
}

type decisionInfo struct {
	Kind    string   `json:"kind"`
	Feature string   `json:"feature"` // that is 1 where it is asked for
	Asked   string   `json:"asked"`   // when
	Actions []string `json:"actions"`
}

// tierInfo is a tier of the data.
type tierInfo struct {
	Name  string  `json:"name"`
	Share float64 `json:"share"` // of all shards
	Value float64 `json:"value"` // factor on the prices of unavailability and loss
}

// failureInfo is a failure process that is on.
type failureInfo struct {
	Name     string  `json:"name"` // its key in env.cluster.failures
	Strikes  string  `json:"strikes"`
	Subjects float64 `json:"subjects"`
	// The mean time between two strikes on one subject, and how often it
	// strikes the cluster; absent where a trace is replayed.
	EveryHours float64 `json:"every_hours,omitempty"`
	PerDay     float64 `json:"per_day,omitempty"`
	Trace      string  `json:"trace,omitempty"`
}

type featureInfo struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Offset float32 `json:"offset"`
	Scale  float32 `json:"scale"`
}

type metricInfo struct {
	Name           string `json:"name"`
	Unit           string `json:"unit"`
	HigherIsBetter bool   `json:"higher_is_better"`
	Part           bool   `json:"part"`
}

func newEnvDescribe(s streams) *cobra.Command {
	o := &worldOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "describe ID",
		Short: "Describe what a policy sees and can do in a world",
		Long: `Describe what a policy sees and can do in a world.

  mend env describe RackBursts-v0
  mend env describe Trace-v0 --trace failures.csv
  mend env describe MDP-v0 --mdp configs/mdp/two-copies.yaml`,
		Args: exactly(1, "one: the id of a world"),
		RunE: func(_ *cobra.Command, args []string) error { return runEnvDescribe(o, args[0]) },
	}
	o.bind(cmd)
	return cmd
}

func runEnvDescribe(o *worldOptions, id string) error {
	f, err := o.factory(id)
	if err != nil {
		return err
	}
	w, err := f.env(trainingSplit)
	if err != nil {
		return err
	}
	spec := w.Spec()
	d := worldDescription{
		Schema: "mend.env/v1", ID: spec.ID, Digest: spec.Digest, Summary: f.entry.Summary, Masked: spec.Masked,
		Gamma: spec.Gamma, Objective: spec.Objective, Actions: spec.Actions, Guards: append([]env.Guard{}, spec.Guards...), Metrics: []metricInfo{},
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: %s\ndigest %s\n", d.ID, d.Summary, d.Digest)
	if d.Gamma != 0 {
		fmt.Fprintf(&b, "discount %.6f per nominal interval\n", d.Gamma)
	}
	fmt.Fprintf(&b, "\nfeatures, observed as (x - offset) / scale\n")
	for _, x := range spec.Features {
		d.Features = append(d.Features, featureInfo{x.Name, x.Unit, x.Offset, x.Scale})
		fmt.Fprintf(&b, "  %-24s offset %-5g scale %-8g %s\n", x.Name, x.Offset, x.Scale, x.Unit)
	}
	fmt.Fprintf(&b, "\nactions\n  %s\n", strings.Join(spec.Actions, ", "))
	if len(spec.Guards) > 0 {
		fmt.Fprintf(&b, "\nguards\n")
	}
	for _, g := range spec.Guards {
		fmt.Fprintf(&b, "  %s: %s only while %s\n", g.Name, strings.Join(g.Actions, ", "), bounds(g.Feature, g.Min, g.Max))
	}
	if len(spec.Metrics) > 0 {
		fmt.Fprintf(&b, "\nmetrics\n")
	}
	for _, m := range spec.Metrics {
		d.Metrics = append(d.Metrics, metricInfo{m.Name, m.Unit, m.HigherIsBetter, m.Part})
		note := ""
		if m.Name == spec.Objective {
			note = "  (what policies are compared by)"
		} else if m.Part {
			note = "  (part of it)"
		}
		fmt.Fprintf(&b, "  %-32s %s%s\n", m.Name, m.Unit, note)
	}
	if c, ok := w.(*cluster.World); ok {
		d.describeStore(c, &b)
	}
	if o.json {
		return o.writeJSON(d)
	}
	_, err = o.out.Write(b.Bytes())
	return err
}

// describeStore adds what a world of a store has beside its Spec.
func (d *worldDescription) describeStore(w *cluster.World, b *bytes.Buffer) {
	fmt.Fprintf(b, "\ndecisions, and what may be answered\n")
	for _, x := range w.Decisions() {
		d.Decisions = append(d.Decisions, decisionInfo{x.Kind, x.Feature, x.Asked, x.Actions})
		fmt.Fprintf(b, "  %s: %s\n    %s\n", x.Kind, x.Asked, strings.Join(x.Actions, ", "))
	}
	fmt.Fprintf(b, "\nfailures that are on, keys of env.cluster.failures\n")
	for _, x := range w.Processes() {
		d.Failures = append(d.Failures, failureInfo{x.Name, x.Strikes, x.Subjects, x.Every.Hours(), x.PerDay(), x.Trace})
		fmt.Fprintf(b, "  %-12s ", x.Name)
		if x.Trace != "" {
			fmt.Fprintf(b, "of each %s (%.4g) as in %s\n", x.Strikes, x.Subjects, x.Trace)
			continue
		}
		fmt.Fprintf(b, "of each %s (%.4g) every %.4g h; %.3g a day in all\n", x.Strikes, x.Subjects, x.Every.Hours(), x.PerDay())
	}
	if tiers := w.Config().Data.Tiers; len(tiers) > 0 {
		fmt.Fprintf(b, "\ntiers of the data, env.cluster.data.tiers\n")
		for _, x := range tiers {
			d.Tiers = append(d.Tiers, tierInfo{x.Name, x.Share, x.Value})
			fmt.Fprintf(b, "  %-12s %.4g of the shards, prices of unavailability and loss times %.4g\n", x.Name, x.Share, x.Value)
		}
	}
}

func newEnvCheck(s streams) *cobra.Command {
	o := &worldOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "check ID",
		Short: "Check that a world keeps its promises to a learner",
		Long: `Check that a world keeps its promises to a learner: same seed, same bytes;
masks that leave something legal; state that saves and restores; no
allocation; and so on. Exit code 3 if it does not.

  mend env check RackBursts-v0`,
		Args: exactly(1, "one: the id of a world"),
		RunE: func(_ *cobra.Command, args []string) error { return runEnvCheck(o, args[0]) },
	}
	o.bind(cmd)
	return cmd
}

func runEnvCheck(o *worldOptions, id string) error {
	f, err := o.factory(id)
	if err != nil {
		return err
	}
	if _, err := f.env(trainingSplit); err != nil {
		return err
	}
	findings := envtest.Check(func() env.Env {
		w, err := f.env(trainingSplit)
		if err != nil {
			panic(err) // it could be built a moment ago
		}
		return w
	}, f.checkOptions())
	type row struct {
		Check  string `json:"check"`
		OK     bool   `json:"ok"`
		Detail string `json:"detail,omitempty"`
	}
	list := struct {
		Schema string `json:"schema"` // mend.env_check/v1
		ID     string `json:"id"`
		OK     bool   `json:"ok"`
		Checks []row  `json:"checks"`
	}{"mend.env_check/v1", id, true, nil}
	var b bytes.Buffer
	failed := 0
	for _, x := range findings {
		list.Checks = append(list.Checks, row{x.Check, x.OK, x.Detail})
		verdict := "ok"
		if !x.OK {
			verdict = "FAILED"
			failed++
		}
		fmt.Fprintf(&b, "%-8s %s", verdict, x.Check)
		if x.Detail != "" {
			fmt.Fprintf(&b, ": %s", x.Detail)
		}
		fmt.Fprintln(&b)
	}
	list.OK = failed == 0
	if o.json {
		err = o.writeJSON(list)
	} else {
		_, err = o.out.Write(b.Bytes())
	}
	if err == nil && failed > 0 {
		err = checkError{fmt.Errorf("%s fails %d of %d checks", id, failed, len(findings))}
	}
	return err
}

// checkOptions allow an exact MDP, whose episodes last years, a decision in every
// step of them.
func (f *factory) checkOptions() envtest.Options {
	w := f.recipe.exact
	if w == nil {
		return envtest.Options{}
	}
	return envtest.Options{EpisodeSteps: int(f.recipe.env.MDP.Horizon.Hours()/w.Model().StepHours) + 1}
}

func newEnvTrace(s streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "trace FILE",
		Short: "Say what a failure trace holds, and what of it can be used",
		Long: `Say what a failure trace holds, and what of it can be used. Two forms are
read: the LANL/CFDR failure records as published, and plain CSV with the
columns time, subject (system/node) and event (down, up or lost).

  mend env trace lanl_failures.csv`,
		Args: exactly(1, "one: a trace file"),
		RunE: func(_ *cobra.Command, args []string) error { return runEnvTrace(s, args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON object")
	return cmd
}

func runEnvTrace(s streams, path string, asJSON bool) error {
	t, report, err := openTrace(path)
	if err != nil {
		return err
	}
	sum := t.Summary()
	if asJSON {
		return s.writeJSON(struct {
			Schema  string        `json:"schema"` // mend.env_trace/v1
			Digest  string        `json:"digest"`
			Report  *trace.Report `json:"report"`
			Summary trace.Summary `json:"summary"`
		}{"mend.env_trace/v1", t.Digest, report, sum})
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\ndigest %s\n\n", report, t.Digest)
	fmt.Fprintf(&b, "%-10s %7s %7s %8s %6s %7s %14s %14s %14s %12s\n", "system", "nodes", "failed", "outages", "lost", "years",
		"per node-year", "mean min down", "median", "in bursts")
	for _, x := range append(sum.Systems, sum.All) {
		fmt.Fprintf(&b, "%-10s %7d %7d %8d %6d %7.2f %14.3f %14.1f %14.1f %11.1f%%\n", x.Name, x.Nodes, x.NodesFailed, x.Outages, x.Lost,
			x.SpanYears, x.OutagesPerNodeYear, x.RepairMinutesMean, x.RepairMinutesMedian, 100*x.BurstShare)
	}
	_, err = s.out.Write(b.Bytes())
	return err
}
