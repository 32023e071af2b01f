package main

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mend/agents/kernel"
	"mend/cmd/mend/bench"
	"mend/env"
	"mend/train"
)

type benchOptions struct {
	runs, cores, seeds int
	firstSeed          uint64
	set                []string
	json               bool
	started            time.Duration // processor time of the process until the command began
	streams
}

// Groups of benchmarks that are measured where none is named: not env, solved and
// regret, which take minutes.
var benchDefaults = []string{"kernel", "learner", "act"}

func newBench(s streams) *cobra.Command {
	o := &benchOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "bench [GROUP|NAME]...",
		Short: "Measure how fast this machine computes, trains and acts",
		Long: `Measure how fast this machine computes, trains and acts. An argument is a group,
a name or the beginning of names; without any, all groups but env, solved and
regret are measured, in about a minute. Every figure that is published of mend comes from
one of these commands:

  mend bench                           all groups but env, solved and regret
  mend bench kernel                    GFLOP/s of products, ns an element of the rest
  mend bench learner                   gradient steps in us, training in steps/s, memory in MB
  mend bench learner --cores 2         the same on two cores: ppo-train and large n gain
  mend bench act --json                ns a decision, for machines
  mend bench env/RackBursts-v0/nodes=  decisions/s of 100 and of 10,000 nodes, and what they cost
  mend bench env/CartPole              steps/s of 1,024 carts
  mend bench solved                    steps and CPU seconds until solved, five seeds
  mend bench solved/cartpole-ppo --seeds 20 --first-seed 101
  mend bench regret --seeds 10         distance from the optimum, an hour or more
  mend bench regret/MDPA-v0/ppo/       of one recipe, a minute or two

kernel   kernel/gemm/MxNxK, gemm-tn (gradient of weights), gemm-nt (gradient of
         inputs), and tanh, exp, log, log-softmax, adam on 4,096 elements
learner  learner/ppo-step and dqn-step: one gradient step on a minibatch of n
         with d features and a actions, 64x64 tanh networks, Adam included; ,shared:
         policy and value on one trunk. DQN's target is not included.
         learner/cartpole-ppo and cartpole-dqn: environment steps a second of
         processor time, of training alone, with configs/cartpole-ppo.yaml and
         cartpole-dqn.yaml; /rss: peak memory of such a mend train.
         learner/ppo-train/n=2048: environment steps a second on the wall clock,
         with 256x256 networks and minibatches that two cores share
act      act/batch=N: one call of a greedy policy of 64 features, 64x64 tanh and
         16 actions for N worlds
env      env/RackBursts-v0/nodes=N, 100 shards a node under baseline:hdfs, whole episodes
         with their Reset: decisions a second on one core. /events: events of the
         simulation a second; /reset: us an episode; /bytes: memory a shard, all
         included; /allocations: a step; /kind=KIND: ns a decision of that kind,
         from the answer to the next question, the policy included, and /repeated:
         the share that is asked again after a hold or a wait in which nothing
         happened. /per:nodes=100: how many times as much a decision costs as with
         100 nodes. /vector=64: 64 worlds stepped together, on the wall clock, and
         what a second core gains, whatever --cores says.
         env/CartPole-v1/batch=1024: steps a second of 1,024 carts, random actions
solved   training with a committed configuration, 20 greedy episodes on held-out
         worlds every eval_every steps. Solved is a mean return of 475 (CartPole-v1)
         or -100 (Acrobot-v1). /solved: seeds that got there; /steps and /cpu-s: until
         they first did, CPU seconds with the start of the program and without
         evaluations, where a seed that never did counts with all of its training;
         /stays: share of the later evaluations, of all seeds, that are as good
regret   training on exact MDPs with a committed configuration. /regret: how much more
         the learned policy costs in the long run than the best possible one, solved,
         not sampled; /regret-half, /regret-fifth: after a half and a fifth of the
         training; /decisions, /cpu-s: all of it, without evaluations. A name without
         a comma is a recipe, with all that helps it; with one, the recipe less that
         help: no-guard, no-exploring-starts, every-step (a decision every 5 minutes),
         cost-reward (no shaping), unassisted (none of them, and losses charged as
         they happen); or with something weaker in place of the model's expected
         advantage: solved, fitted, twin, each of one draw or of so many, n-step
         (returns over 12 hours), differential (no discount). What the learner was helped by is listed below the figures

The value is the median of the runs or seeds, min and max are the extremes, but
/solved is a count and /steps-p10, /steps-p90 and /stays are what they say. On one
core, the default, times are processor time, which other programs on the machine
hardly disturb; with --cores, and where the system does not tell (Windows), they
are time on the wall. CPU seconds are processor time in any case.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.started = processorTime()
			ctx, stop := withSignals(cmd.Context())
			defer stop()
			return runBench(ctx, o, args)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.runs, "runs", 5, "samples of each figure, `N`")
	f.IntVar(&o.cores, "cores", 1, "processors to use, `N`")
	f.IntVar(&o.seeds, "seeds", 5, "seeds of solved, `N`")
	f.Uint64Var(&o.firstSeed, "first-seed", 1, "first `SEED` of training, the others follow it")
	f.StringArrayVar(&o.set, "set", nil, "override one key of the committed configurations, `KEY=VALUE`: the figures are then no longer those published")
	f.BoolVar(&o.json, "json", false, "write one JSON object, schema mend.bench/v1")
	return cmd
}

// wallTime is the time on the wall since the program began.
func wallTime() time.Duration { return time.Since(programBegan) }

var programBegan = time.Now()

// benchReport is what bench measured, and on what.
type benchReport struct {
	Schema  string         `json:"schema"` // mend.bench/v1
	Machine benchMachine   `json:"machine"`
	Set     []string       `json:"set,omitempty"` // what --set changed
	Results []bench.Result `json:"results"`
}

type benchMachine struct {
	CPU    string `json:"cpu"`
	Kernel string `json:"kernel"` // the implementation of agents/kernel
	Go     string `json:"go"`
	Cores  int    `json:"cores"` // used
}

func runBench(ctx context.Context, o *benchOptions, args []string) error {
	for _, x := range []struct {
		flag        string
		value, most int
	}{{"runs", o.runs, 1000}, {"cores", o.cores, runtime.NumCPU()}, {"seeds", o.seeds, 10_000}} {
		if x.value < 1 || x.value > x.most {
			return usagef("--%s is %d, want 1 to %d", x.flag, x.value, x.most)
		}
	}
	for _, set := range o.set {
		if key, _, _ := strings.Cut(set, "="); key == "train.seed" || key == "eval.seed" {
			return usagef("--set %s: each run has a seed of its own, want --first-seed", set)
		}
	}
	chosen, wanted, err := chooseBenchmarks(o.benchmarks(), args)
	if err != nil {
		return err
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(o.cores))

	r := benchReport{
		Schema: "mend.bench/v1", Set: o.set, Results: []bench.Result{},
		Machine: benchMachine{CPU: train.CPU(), Kernel: kernel.Active(), Go: runtime.Version(), Cores: o.cores},
	}
	// On one core processor time is what a machine that does nothing else would
	// take; what several cores share out only the clock on the wall can tell.
	sampler := bench.Sampler{Runs: o.runs, Time: 50 * time.Millisecond, Clock: processorTime}
	if o.cores > 1 {
		sampler.Clock = wallTime
	}
	for i, b := range chosen {
		name := b.Names[0]
		if len(b.Names) > 1 {
			name = path.Dir(name) // of all
		}
		fmt.Fprintf(o.err, "[%d/%d] %s\n", i+1, len(chosen), name)
		results, err := b.Run(ctx, sampler)
		if err != nil {
			return err
		}
		for _, x := range results {
			if wanted(x.Name) {
				r.Results = append(r.Results, x)
			}
		}
	}
	if o.json {
		return o.writeJSON(r)
	}
	return o.writeBench(&r)
}

// benchmarks lists all. Peak memory comes first: a new process counts that of
// the one that it was started from, which has touched little yet.
func (o *benchOptions) benchmarks() []bench.Benchmark {
	return slices.Concat(o.memory(), bench.Kernel(), bench.Steps(), o.training(), bench.Act(), o.env(), o.solved(), o.regret())
}

// chooseBenchmarks picks those that args name, and says which of their results
// are wanted.
func chooseBenchmarks(all []bench.Benchmark, args []string) (chosen []bench.Benchmark, wanted func(name string) bool, err error) {
	var names, groups []string
	for _, b := range all {
		for _, name := range b.Names {
			names = append(names, name)
			if group, _, _ := strings.Cut(name, "/"); !slices.Contains(groups, group) {
				groups = append(groups, group)
			}
		}
	}
	if len(args) == 0 {
		args = benchDefaults
	}
	want := map[string]bool{}
	for _, arg := range args {
		exact := slices.Contains(names, arg)
		found := false
		for _, name := range names {
			if name == arg || !exact && strings.HasPrefix(name, arg) {
				want[name], found = true, true
			}
		}
		if !found {
			known := groups
			if group, _, _ := strings.Cut(arg, "/"); slices.Contains(groups, group) {
				known = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !strings.HasPrefix(name, group+"/") })
			}
			return nil, nil, usagef("%w (see mend bench --help)", env.UnknownError{What: "benchmark", Name: arg, Known: known})
		}
	}
	wanted = func(name string) bool { return want[name] }
	for _, b := range all {
		if slices.ContainsFunc(b.Names, wanted) {
			chosen = append(chosen, b)
		}
	}
	return chosen, wanted, nil
}

// writeBench prints the results for people.
func (o *benchOptions) writeBench(r *benchReport) error {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "value\tmin\tmax\tunit\truns\t")
	for _, x := range r.Results {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t  %s\n", figure(x.Value), figure(x.Min), figure(x.Max), x.Unit, x.Runs, x.Name)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for i, x := range r.Results {
		if x.Note != "" && (i == 0 || path.Dir(r.Results[i-1].Name) != path.Dir(x.Name)) {
			fmt.Fprintf(&b, "\n%s: %s", path.Dir(x.Name), x.Note)
		}
	}
	m := r.Machine
	fmt.Fprintf(&b, "\n%s, kernel %s, %s, %d of %d cores; value is the median\n", m.CPU, m.Kernel, m.Go, m.Cores, runtime.NumCPU())
	if len(r.Set) > 0 {
		fmt.Fprintf(&b, "with --set %s: not the committed configurations\n", strings.Join(r.Set, " --set "))
	}
	_, err := o.out.Write(b.Bytes())
	return err
}

// figure writes x with four digits, and all digits before the point.
func figure(x float64) string {
	if x >= 1000 || x <= -1000 {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', 4, 64)
}
