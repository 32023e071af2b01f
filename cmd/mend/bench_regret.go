package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"mend/agents"
	"mend/agents/mlp"
	"mend/cmd/mend/bench"
	"mend/configs"
	"mend/env/mdp"
	"mend/eval/exact"
	"mend/train"
)

// regretRow is a line of the study of regret: a committed configuration, and what
// of it is changed. Without changes it is one of the recipes; each of the others
// takes away a part of the assistance, or puts something weaker in its place.
type regretRow struct {
	name, study string
	set         []string
}

// What rows change.
var (
	noGuard     = []string{"env.mdp.guard=false"}
	noExploring = []string{"train.exploring_starts=0"}
	everyStep   = []string{"env.mdp.hold=5m"}
	costReward  = []string{`signal.shaping.baseline=""`}
	unassisted  = slices.Concat(costReward, noGuard, noExploring, everyStep, []string{"env.mdp.cost=sampled"})
)

// shaped is shaping of a kind whose rewards are the mean of so many draws.
func shaped(kind string, samples int) []string {
	return []string{"signal.shaping.kind=" + kind, fmt.Sprintf("signal.shaping.samples=%d", samples)}
}

var regretRows = []regretRow{
	{"MDPA-v0/ppo", "mdpa-ppo", nil},
	{"MDPA-v0/dqn", "mdpa-dqn", nil},
	{"MDPB-v0/ppo", "mdpb-ppo", nil},
	{"MDPB-v0/dqn", "mdpb-dqn", nil},

	{"MDPA-v0/ppo,no-guard", "mdpa-ppo", noGuard},
	{"MDPA-v0/ppo,no-exploring-starts", "mdpa-ppo", noExploring},
	{"MDPA-v0/ppo,every-step", "mdpa-ppo", everyStep},
	{"MDPA-v0/ppo,cost-reward", "mdpa-ppo", costReward},
	{"MDPA-v0/ppo,unassisted", "mdpa-ppo", unassisted},
	{"MDPA-v0/dqn,cost-reward", "mdpa-dqn", costReward},
	{"MDPA-v0/dqn,unassisted", "mdpa-dqn", unassisted},
	{"MDPB-v0/ppo,unassisted", "mdpb-ppo", unassisted},
	{"MDPB-v0/dqn,unassisted", "mdpb-dqn", unassisted},

	// Without the model's probabilities.
	{"MDPA-v0/ppo,solved", "mdpa-ppo", shaped("solved", 1)},
	{"MDPA-v0/ppo,solved-512", "mdpa-ppo", shaped("solved", 512)},
	{"MDPA-v0/ppo,fitted", "mdpa-ppo", shaped("fitted", 1)},
	{"MDPA-v0/ppo,fitted-512", "mdpa-ppo", shaped("fitted", 512)},
	{"MDPA-v0/ppo,twin", "mdpa-ppo", shaped("twin", 1)},
	{"MDPA-v0/ppo,twin-16", "mdpa-ppo", shaped("twin", 16)},
	{"MDPA-v0/ppo,differential", "mdpa-ppo", []string{"ppo.gamma=1", "env.mdp.tau=0s", "signal.differential=true"}},
	{"MDPA-v0/dqn,solved", "mdpa-dqn", shaped("solved", 1)},
	{"MDPA-v0/dqn,solved-64", "mdpa-dqn", shaped("solved", 64)},
	{"MDPA-v0/dqn,fitted-64", "mdpa-dqn", shaped("fitted", 64)},
	{"MDPA-v0/dqn,twin", "mdpa-dqn", shaped("twin", 1)},
	{"MDPA-v0/dqn,n-step", "mdpa-dqn", slices.Concat(shaped("solved", 1), []string{"dqn.n_step=144"})},
	{"MDPB-v0/ppo,fitted-512", "mdpb-ppo", shaped("fitted", 512)},
	{"MDPB-v0/dqn,fitted-64", "mdpb-dqn", shaped("fitted", 64)},
}

// regret lists the benchmarks of how far from the optimum training ends, exactly.
func (o *benchOptions) regret() []bench.Benchmark {
	var list []bench.Benchmark
	for _, x := range regretRows {
		name := "regret/" + x.name
		b := bench.Benchmark{Run: func(ctx context.Context, _ bench.Sampler) ([]bench.Result, error) {
			var all []learning
			for i := range o.seeds {
				l, err := o.learnExact(ctx, x, o.firstSeed+uint64(i))
				if err != nil {
					return nil, fmt.Errorf("%s: %w", name, err)
				}
				fmt.Fprintf(o.err, "%s %v\n", name, l)
				all = append(all, l)
			}
			return summarizeRegret(name, all), nil
		}}
		for _, r := range summarizeRegret(name, []learning{{}}) {
			b.Names = append(b.Names, r.Name)
		}
		list = append(list, b)
	}
	return list
}

// learning is how the exact regret of one seed fell.
type learning struct {
	seed  uint64
	help  string // what the learner was helped by
	curve []look // the last is at the end
}

// look is one evaluation.
type look struct {
	share     float64 // of the training
	decisions uint64
	cpu       float64 // s of training
	regret    float64 // a fraction
}

// at is the look at a share of the training.
func (l *learning) at(share float64) look {
	if i := slices.IndexFunc(l.curve, func(x look) bool { return x.share >= share-1e-9 }); i >= 0 {
		return l.curve[i]
	}
	return look{}
}

func (l learning) String() string {
	var b strings.Builder
	end := l.at(1)
	fmt.Fprintf(&b, "seed %d: regret %.4f %% after %d decisions, %.1f CPU s; before:", l.seed, 100*end.regret, end.decisions, end.cpu)
	for _, x := range l.curve {
		if x.share < 1 {
			fmt.Fprintf(&b, " %.3g", 100*x.regret)
		}
	}
	return b.String()
}

// summarizeRegret is what the seeds of one row came to.
func summarizeRegret(name string, all []learning) []bench.Result {
	of := func(name, unit string, value func(l *learning) float64) bench.Result {
		var list []float64
		for i := range all {
			list = append(list, value(&all[i]))
		}
		r := bench.Summarize(name, unit, list)
		r.Note = all[0].help
		return r
	}
	regretAt := func(share float64) func(*learning) float64 {
		return func(l *learning) float64 { return 100 * l.at(share).regret }
	}
	return []bench.Result{
		of(name+"/regret", "%", regretAt(1)),
		of(name+"/regret-half", "%", regretAt(0.5)),
		of(name+"/regret-fifth", "%", regretAt(0.2)),
		of(name+"/decisions", "decisions", func(l *learning) float64 { return float64(l.at(1).decisions) }),
		of(name+"/cpu-s", "s", func(l *learning) float64 { return l.at(1).cpu }),
	}
}

// learnExact trains one seed and looks at its exact regret ten times.
func (o *benchOptions) learnExact(ctx context.Context, x regretRow, trainingSeed uint64) (learning, error) {
	c, err := (&overrides{set: slices.Concat(x.set, o.set)}).readData(x.study+".yaml", configs.Study(x.study))
	if err != nil {
		return learning{}, err
	}
	c.Train.Seed = trainingSeed
	c.Train.EvalEvery = max(1, c.Train.Steps/10)
	t, done, err := o.trainingOf(c)
	if err != nil {
		return learning{}, err
	}
	defer done()
	optimum, err := t.factory.optimum(ctx)
	if err != nil {
		return learning{}, err
	}
	l := learning{seed: trainingSeed, help: learningSignal(c)}
	var looking time.Duration
	began := processorTime()
	see := func(ctx context.Context, steps uint64) error {
		from := processorTime()
		g, err := regret(ctx, t.factory.recipe.exact, mlp.NewGreedy(t.agent.Actor()), optimum)
		l.curve = append(l.curve, look{float64(steps) / float64(c.Train.Steps), steps, (from - began - looking).Seconds(), g})
		looking += processorTime() - from
		return err
	}
	t.job.Evaluate = func(ctx context.Context, _ agents.Policy) (train.Evaluation, error) {
		err := see(ctx, c.Train.EvalEvery*uint64(len(l.curve)+1))
		return train.Evaluation{}, err
	}
	summary, err := runToEnd(ctx, t)
	if err != nil {
		return learning{}, err
	}
	if last := len(l.curve) - 1; last < 0 || l.curve[last].share < 1 {
		return l, see(ctx, summary.Steps)
	}
	return l, nil
}

// regret is how much more a policy costs than the optimum, as a fraction of it.
func regret(ctx context.Context, w *mdp.World, p agents.Policy, optimum *exact.Solution) (float64, error) {
	s, err := exact.Evaluate(ctx, w.Model(), exact.PolicyOf(w, p), exact.Options{})
	if err != nil {
		return 0, err
	}
	return s.Gain/optimum.Gain - 1, nil
}
