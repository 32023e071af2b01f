package main

import (
	"context"
	"fmt"

	"mend/agents"
	"mend/agents/mlp"
	"mend/cmd/mend/bench"
	"mend/configs"
	"mend/env/mdp"
	"mend/eval/exact"
	"mend/train"
)

// regretRow is one line of the study of regret: a committed configuration, and
// what of it is changed.
type regretRow struct {
	name, study string
	set         []string
}

var regretRows = []regretRow{
	{"MDPA-v0/ppo", "mdpa-ppo", nil},
	{"MDPA-v0/dqn", "mdpa-dqn", nil},
}

func (o *benchOptions) regret() []bench.Benchmark {
	var list []bench.Benchmark
	for _, x := range regretRows {
		name := "regret/" + x.name
		b := bench.Benchmark{Run: func(ctx context.Context, _ bench.Sampler) ([]bench.Result, error) {
			var all []regretOf
			for i := range o.seeds {
				r, err := o.learnExact(ctx, x, o.firstSeed+uint64(i))
				if err != nil {
					return nil, fmt.Errorf("%s: %w", name, err)
				}
				fmt.Fprintf(o.err, "%s %v\n", name, r)
				all = append(all, r)
			}
			return summarizeRegret(name, all), nil
		}}
		for _, r := range summarizeRegret(name, []regretOf{{}}) {
			b.Names = append(b.Names, r.Name)
		}
		list = append(list, b)
	}
	return list
}

type regretOf struct {
	seed, steps uint64
	regret      float64 // of the last evaluation
	cpu         float64 // s, of training
	curve       []point
}

type point struct {
	steps  uint64
	regret float64
}

func (r regretOf) String() string {
	s := fmt.Sprintf("seed %d: regret %.4f %% after %d decisions, %.1f CPU s;", r.seed, 100*r.regret, r.steps, r.cpu)
	for _, p := range r.curve {
		s += fmt.Sprintf(" %dk %.3g", p.steps/1000, 100*p.regret)
	}
	return s
}

func summarizeRegret(name string, all []regretOf) []bench.Result {
	var regret, cpu, steps []float64
	for _, r := range all {
		regret, cpu, steps = append(regret, 100*r.regret), append(cpu, r.cpu), append(steps, float64(r.steps))
	}
	return []bench.Result{
		bench.Summarize(name+"/regret", "%", regret), bench.Summarize(name+"/decisions", "decisions", steps), bench.Summarize(name+"/cpu-s", "s", cpu),
	}
}

// learnExact trains one seed and looks at its exact regret on the way.
func (o *benchOptions) learnExact(ctx context.Context, x regretRow, trainingSeed uint64) (regretOf, error) {
	c, err := (&overrides{set: append(append([]string(nil), x.set...), o.set...)}).readData(x.study+".yaml", configs.Study(x.study))
	if err != nil {
		return regretOf{}, err
	}
	c.Train.Seed = trainingSeed
	t, done, err := o.trainingOf(c)
	if err != nil {
		return regretOf{}, err
	}
	defer done()
	w := t.factory.recipe.exact
	optimum, err := exact.Optimum(ctx, w.Model(), exact.Options{})
	if err != nil {
		return regretOf{}, err
	}
	look := func() (float64, error) { return regret(ctx, w, mlp.NewGreedy(t.agent.Actor()), optimum) }
	r := regretOf{seed: trainingSeed}
	began, evaluating := processorTime(), processorTime()-processorTime()
	t.job.Evaluate = func(ctx context.Context, _ agents.Policy) (train.Evaluation, error) {
		from := processorTime()
		g, err := look()
		r.curve = append(r.curve, point{0, g})
		evaluating += processorTime() - from
		return train.Evaluation{Mean: g}, err
	}
	summary, err := runToEnd(ctx, t)
	if err != nil {
		return regretOf{}, err
	}
	r.cpu = (processorTime() - began - evaluating).Seconds()
	r.steps = summary.Steps
	for i := range r.curve {
		r.curve[i].steps = c.Train.EvalEvery * uint64(i+1)
	}
	r.regret, err = look()
	return r, err
}

// regret is how much more a policy costs than the optimum, as a share of it.
func regret(ctx context.Context, w *mdp.World, p agents.Policy, optimum *exact.Solution) (float64, error) {
	s, err := exact.Evaluate(ctx, w.Model(), exact.PolicyOf(w, p), exact.Options{})
	if err != nil {
		return 0, err
	}
	return s.Gain/optimum.Gain - 1, nil
}
