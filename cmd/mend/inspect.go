package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mend/checkpoints"
	"mend/checkpoints/policy"
)

func newInspect(s streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show what a policy or a checkpoint holds",
		Long: `Show what a policy or a checkpoint holds: what it was trained in and by, what
it reads and answers, its guards, and how it was evaluated.

  mend inspect policy.mend
  mend inspect policy.mend --json
  mend inspect RUN/checkpoints/step-000000100000.ckpt`,
		Args: exactly(1, "one: a policy or a checkpoint file"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := checkFile(args[0], "a policy or a checkpoint file"); err != nil {
				return err
			}
			kind, err := fileKind(args[0])
			if err != nil {
				return err
			}
			if kind == "checkpoint" {
				return inspectCheckpoint(s, args[0], asJSON)
			}
			return inspectPolicy(s, args[0], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON object, schema mend.inspect/v1")
	return cmd
}

func inspectPolicy(s streams, path string, asJSON bool) error {
	a, err := policy.Load(path)
	if err != nil {
		return err
	}
	if asJSON {
		return s.writeJSON(a.Inspect())
	}
	var b bytes.Buffer
	p := a.Provenance
	fmt.Fprintf(&b, "policy      %s\ndigest      %s\n", path, a.Digest())
	fmt.Fprintf(&b, "world       %s, digest %s\n", p.Env, p.EnvDigest)
	fmt.Fprintf(&b, "trained     %s, seed %d, %d steps, run %s\n", p.Algo, p.Seed, p.Steps, p.Run)
	fmt.Fprintf(&b, "by          %s\n", makers(p.Tool, p.Go, p.CPU, p.Kernel))
	fmt.Fprintf(&b, "network     %d features -> %d actions, %d weights\n", len(a.Features), len(a.Actions), a.Net.Params())
	fmt.Fprintf(&b, "fallback    %s", cmp.Or(a.Fallback.Name, "none"))
	for _, key := range slices.Sorted(maps.Keys(a.Fallback.Parameters)) {
		fmt.Fprintf(&b, ", %s %g", key, a.Fallback.Parameters[key])
	}
	fmt.Fprintf(&b, "\n\nfeatures\n")
	for i, f := range a.Features {
		fmt.Fprintf(&b, "  %-24s (x - %g) / %g", f.Name, f.Offset, f.Scale)
		if n := a.Net.Input; n != nil {
			fmt.Fprintf(&b, ", then (x - %.4g) * %.4g", n.Mean[i], n.Scale[i])
			if n.Clip > 0 {
				fmt.Fprintf(&b, " within ±%g", n.Clip)
			}
		}
		fmt.Fprintf(&b, "   %s\n", f.Unit)
	}
	fmt.Fprintf(&b, "\nactions\n  %s\n\nguards\n", strings.Join(a.Actions, ", "))
	for _, g := range a.Guards {
		fmt.Fprintf(&b, "  %s: %s only while %s\n", g.Name, strings.Join(g.Actions, ", "), bounds(g.Feature, g.Min, g.Max))
	}
	if e := a.Evaluation; e != nil {
		fmt.Fprintf(&b, "\nevaluation on %d episodes, seed %d\n", e.Episodes, e.Seed)
		for _, r := range e.Policies {
			fmt.Fprintf(&b, "  %-24s", r.Name)
			for i, m := range r.Metrics {
				if i < 1 {
					fmt.Fprintf(&b, " %s %.6g [%.6g, %.6g]", m.Name, m.Mean, m.Lo, m.Hi)
				}
			}
			fmt.Fprintln(&b)
		}
	}
	_, err = s.out.Write(b.Bytes())
	return err
}

// makers says what a file was made by. Old files do not name the kernel.
func makers(tool, goVersion, cpu, kernel string) string {
	s := fmt.Sprintf("mend %s, %s, %s", tool, goVersion, cpu)
	if kernel != "" {
		s += ", kernel " + kernel
	}
	return s
}

// bounds is "lo <= name <= hi" with infinite bounds left out.
func bounds(name string, lo, hi float32) string {
	s := name
	if !math.IsInf(float64(lo), -1) {
		s = fmt.Sprintf("%g <= %s", lo, s)
	}
	if !math.IsInf(float64(hi), 1) {
		s = fmt.Sprintf("%s <= %g", s, hi)
	}
	return s
}

// checkpointInspection is what inspect says of a checkpoint.
type checkpointInspection struct {
	Schema    string              `json:"schema"` // mend.inspect_checkpoint/v1
	Env       string              `json:"env"`
	EnvDigest string              `json:"env_digest"`
	Algo      string              `json:"algo"`
	Seed      uint64              `json:"seed"`
	Step      uint64              `json:"step"`
	Update    uint64              `json:"update"`
	Episode   uint64              `json:"episode"`
	Tool      string              `json:"tool"`
	Go        string              `json:"go"`
	CPU       string              `json:"cpu"`
	Kernel    string              `json:"kernel"`
	Config    string              `json:"config"`
	Sections  []checkpointSection `json:"sections"`
}

type checkpointSection struct {
	Name  string `json:"name"`
	Bytes uint64 `json:"bytes"`
}

func inspectCheckpoint(s streams, path string, asJSON bool) error {
	c, err := checkpoints.Read(path)
	if err != nil {
		return err
	}
	m := c.Meta
	x := checkpointInspection{
		Schema: "mend.inspect_checkpoint/v1",
		Env:    m.Env, EnvDigest: m.EnvDigest, Algo: m.Algo, Seed: m.Seed, Step: m.Step, Update: m.Update, Episode: m.Episode,
		Tool: m.Tool, Go: m.Go, CPU: m.CPU, Kernel: m.Kernel, Config: string(m.Config),
	}
	for _, section := range c.Sections {
		x.Sections = append(x.Sections, checkpointSection{section.Name, section.Size})
	}
	if asJSON {
		return s.writeJSON(x)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "checkpoint  %s\nworld       %s, digest %s\n", path, x.Env, x.EnvDigest)
	fmt.Fprintf(&b, "training    %s, seed %d, step %d, update %d, episode %d\n", x.Algo, x.Seed, x.Step, x.Update, x.Episode)
	fmt.Fprintf(&b, "by          %s\n", makers(x.Tool, x.Go, x.CPU, x.Kernel))
	for _, section := range x.Sections {
		fmt.Fprintf(&b, "section     %-12s %d bytes\n", section.Name, section.Bytes)
	}
	_, err = s.out.Write(b.Bytes())
	return err
}
