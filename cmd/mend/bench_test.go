package main

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"mend/cmd/mend/bench"
	"mend/eval/report"
)

// An argument is a group, one name, or the beginning of several; the results of
// a benchmark that were not asked for are left out.
func TestChooseBenchmarks(t *testing.T) {
	all := []bench.Benchmark{
		{Names: []string{"learner/train/rss"}},
		{Names: []string{"kernel/gemm/2x2x2"}},
		{Names: []string{"kernel/tanh"}},
		{Names: []string{"learner/train"}},
		{Names: []string{"learner/step/n=2", "learner/step/n=2,shared"}},
		{Names: []string{"act/batch=1"}},
		{Names: []string{"solved/x/steps", "solved/x/cpu-s"}},
	}
	for _, c := range []struct {
		args string
		want string // results
		runs int    // benchmarks
	}{
		{"", "learner/train/rss kernel/gemm/2x2x2 kernel/tanh learner/train learner/step/n=2 learner/step/n=2,shared act/batch=1", 6},
		{"kernel", "kernel/gemm/2x2x2 kernel/tanh", 2},
		{"act kernel/ge", "kernel/gemm/2x2x2 act/batch=1", 2},
		{"learner/train", "learner/train", 1}, // a name, not a beginning
		{"learner/tra", "learner/train/rss learner/train", 2},
		{"learner/step/n=2,shared", "learner/step/n=2,shared", 1},
		{"solved", "solved/x/steps solved/x/cpu-s", 1},
		{"solved/x/cpu-s", "solved/x/cpu-s", 1},
		{"act act/batch=1", "act/batch=1", 1},
	} {
		chosen, wanted, err := chooseBenchmarks(all, strings.Fields(c.args))
		if err != nil {
			t.Errorf("%q: %v", c.args, err)
			continue
		}
		var results []string
		for _, b := range chosen {
			results = append(results, slices.DeleteFunc(slices.Clone(b.Names), func(name string) bool { return !wanted(name) })...)
		}
		if got := strings.Join(results, " "); got != c.want || len(chosen) != c.runs {
			t.Errorf("%q: %d benchmarks for %s, want %d for %s", c.args, len(chosen), got, c.runs, c.want)
		}
	}
	for arg, want := range map[string]string{
		"env":             `unknown benchmark "env", want one of learner, kernel, act, solved`,
		"solvd":           `unknown benchmark "solvd", did you mean "solved"?`,
		"kernel/tahn":     `unknown benchmark "kernel/tahn", did you mean "kernel/tanh"?`,
		"act/batch=1/x":   `unknown benchmark "act/batch=1/x", did you mean "act/batch=1"?`,
		"solved/acrobot":  `unknown benchmark "solved/acrobot", want one of solved/x/steps, solved/x/cpu-s`,
		"kernel/gemm/9x9": `unknown benchmark "kernel/gemm/9x9", `,
	} {
		_, _, err := chooseBenchmarks(all, []string{"act", arg})
		if u := (usageError{}); !errors.As(err, &u) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", arg, err, want)
		}
	}
}

// Every name of a group that is measured by default, of env, solved and regret is there
// once, and so is every name that the design publishes.
func TestBenchmarkNames(t *testing.T) {
	names := map[string]bool{}
	groups := map[string]bool{}
	for _, b := range (&benchOptions{runs: 1, cores: 1, seeds: 1}).benchmarks() {
		for _, name := range b.Names {
			if names[name] {
				t.Errorf("%s is there twice", name)
			}
			group, _, _ := strings.Cut(name, "/")
			names[name], groups[group] = true, true
		}
	}
	for _, group := range append([]string{"env", "solved", "regret"}, benchDefaults...) {
		if !groups[group] {
			t.Errorf("no group %s", group)
		}
	}
	if len(groups) != len(benchDefaults)+3 {
		t.Errorf("groups %v, want those of the default, env, solved and regret", groups)
	}
	for _, name := range []string{
		"kernel/gemm/64x64x64", "kernel/gemm-tn/64x64x1024", "kernel/adam", "learner/ppo-step/n=256,d=64,a=16", "learner/ppo-step/n=2048,d=64,a=16,shared",
		"learner/dqn-step/n=32,d=64,a=16", "learner/cartpole-ppo", "learner/cartpole-dqn", "learner/ppo-train/n=2048", "act/batch=1", "act/batch=64",
		"solved/cartpole-ppo/steps", "solved/cartpole-dqn/cpu-s", "solved/acrobot-ppo/stays",
		"env/RackBursts-v0/nodes=100", "env/RackBursts-v0/nodes=10000", "env/CartPole-v1/batch=1024",
		"env/RackBursts-v0/nodes=100/kind=node_unreachable", "env/RackBursts-v0/nodes=10000/kind=shards_at_risk/repeated",
		"env/RackBursts-v0/nodes=100/vector=64/speedup", "env/RackBursts-v0/nodes=10000/per:nodes=100/kind=node_unreachable",
		"regret/MDPA-v0/ppo/regret", "regret/MDPB-v0/dqn/cpu-s", "regret/MDPA-v0/ppo,unassisted/regret-half",
	} {
		if !names[name] {
			t.Errorf("no benchmark %s", name)
		}
	}
}

// The first evaluation that is good enough counts, at the cost until then; what
// follows stays or not.
func TestJudge(t *testing.T) {
	curve := []report.Point{{Step: 100, Mean: 20}, {Step: 200, Mean: 475}, {Step: 300, Mean: 474.9}, {Step: 400, Mean: 500}, {Step: 500, Mean: math.NaN()}}
	looks := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second, 5 * time.Second}
	whole := solving{seed: 7, steps: 550, cpu: 6, all: 6}
	got := judge(curve[:4], looks[:4], 475, whole)
	if want := (solving{seed: 7, solved: true, steps: 200, cpu: 2, later: 2, stayed: 1, last: 500, all: 6}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	got = judge(curve[:1], looks[:1], 475, whole)
	if want := (solving{seed: 7, steps: 550, cpu: 6, last: 20, all: 6}); got != want {
		t.Errorf("never solved: got %+v, want %+v", got, want)
	}
	if got = judge(curve[4:], looks[4:], 475, whole); got.solved {
		t.Error("an evaluation of NaN solved it")
	}
}

// Three seeds by hand, one of which never gets there and counts with all of its
// training.
func TestSummarizeSolved(t *testing.T) {
	all := []solving{
		{seed: 1, solved: true, steps: 100, cpu: 1, later: 10, stayed: 9},
		{seed: 2, solved: true, steps: 300, cpu: 4, later: 30, stayed: 21},
		{seed: 3, steps: 1100, cpu: 9},
	}
	want := []bench.Result{
		{Name: "solved/x/solved", Unit: "seeds", Value: 2, Min: 2, Max: 2, Runs: 3},
		{Name: "solved/x/steps", Unit: "steps", Value: 300, Min: 100, Max: 1100, Runs: 3},
		{Name: "solved/x/steps-p10", Unit: "steps", Value: 140, Min: 100, Max: 1100, Runs: 3},
		{Name: "solved/x/steps-p90", Unit: "steps", Value: 940, Min: 100, Max: 1100, Runs: 3},
		{Name: "solved/x/cpu-s", Unit: "s", Value: 4, Min: 1, Max: 9, Runs: 3},
		{Name: "solved/x/stays", Unit: "share", Value: 30.0 / 40, Min: 0.7, Max: 0.9, Runs: 3},
	}
	got := summarizeSolved("solved/x", all)
	if len(got) != len(want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	for i := range want {
		g := got[i]
		g.Value = math.Round(g.Value*1e9) / 1e9
		if g != want[i] {
			t.Errorf("got %+v, want %+v", g, want[i])
		}
	}
	for _, r := range summarizeSolved("solved/x", all[2:]) {
		if math.IsNaN(r.Value) || math.IsNaN(r.Min) || math.IsNaN(r.Max) {
			t.Errorf("nothing solved: %+v is no JSON", r)
		}
	}
}

func TestFigure(t *testing.T) {
	for x, want := range map[float64]string{0.123456: "0.1235", 12.3456: "12.35", 999.96: "1000", 1234.5: "1234", 36012.9: "36013", -2500.2: "-2500", 0: "0"} {
		if got := figure(x); got != want {
			t.Errorf("%v is written %s, want %s", x, got, want)
		}
	}
}
