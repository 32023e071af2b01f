package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"mend/agents"
	"mend/cmd/mend/bench"
	"mend/eval/report"
	"mend/train"
)

// solvedStudies are the studies of the group solved, with the mean return that
// counts as solved: Gymnasium's registered reward thresholds of CartPole-v1 and
// Acrobot-v1.
var solvedStudies = []struct {
	name      string
	threshold float64
}{
	{"cartpole-ppo", 475},
	{"cartpole-dqn", 475},
	{"acrobot-ppo", -100},
}

// solved lists the benchmarks of how soon training solves a world.
func (o *benchOptions) solved() []bench.Benchmark {
	var list []bench.Benchmark
	for _, x := range solvedStudies {
		b := bench.Benchmark{Run: func(ctx context.Context, _ bench.Sampler) ([]bench.Result, error) {
			var all []solving
			for i := range o.seeds {
				s, err := o.solve(ctx, x.name, x.threshold, o.firstSeed+uint64(i))
				if err != nil {
					return nil, fmt.Errorf("solved/%s: %w", x.name, err)
				}
				fmt.Fprintf(o.err, "solved/%s %v\n", x.name, s)
				all = append(all, s)
			}
			return summarizeSolved("solved/"+x.name, all), nil
		}}
		for _, r := range summarizeSolved("solved/"+x.name, []solving{{}}) {
			b.Names = append(b.Names, r.Name)
		}
		list = append(list, b)
	}
	return list
}

// solving is how the training of one seed went.
type solving struct {
	seed   uint64
	solved bool
	steps  uint64  // environment steps until the first evaluation that was good enough
	cpu    float64 // seconds until then; both are of all the training where none was
	later  int     // evaluations after it
	stayed int     // those of them that were good enough
	last   float64 // the mean return of the last evaluation
	all    float64 // cpu of all the training
}

func (s solving) String() string {
	if !s.solved {
		return fmt.Sprintf("seed %d: not solved in %d steps, %.2f CPU s; the last evaluation is %.1f", s.seed, s.steps, s.cpu, s.last)
	}
	return fmt.Sprintf("seed %d: solved after %d steps, %.2f CPU s; %d of %d later evaluations as good, the last %.1f; training took %.2f CPU s",
		s.seed, s.steps, s.cpu, s.stayed, s.later, s.last, s.all)
}

// solve trains one seed to the end.
func (o *benchOptions) solve(ctx context.Context, study string, threshold float64, trainingSeed uint64) (solving, error) {
	c, err := o.study(study, trainingSeed)
	if err != nil {
		return solving{}, err
	}
	t, done, err := o.trainingOf(c)
	if err != nil {
		return solving{}, err
	}
	defer done()
	var looks []time.Duration // processor time of training until each evaluation
	var evaluating time.Duration
	began := processorTime()
	spent := func() time.Duration { return o.started + processorTime() - began - evaluating }
	t.job.Evaluate = func(ctx context.Context, p agents.Policy) (train.Evaluation, error) {
		trained := spent()
		looks = append(looks, trained)
		e, err := t.evaluate(ctx, p)
		evaluating += spent() - trained
		return e, err
	}
	summary, err := runToEnd(ctx, t)
	if err != nil {
		return solving{}, err
	}
	all := spent().Seconds()
	metrics, err := os.Open(filepath.Join(t.job.Dir, train.MetricsFile))
	if err != nil {
		return solving{}, err
	}
	defer metrics.Close()
	curve, err := report.ReadCurve(metrics)
	if err != nil {
		return solving{}, err
	}
	if len(curve) != len(looks) {
		return solving{}, fmt.Errorf("%d evaluations in %s of %d", len(curve), train.MetricsFile, len(looks))
	}
	return judge(curve, looks, threshold, solving{seed: trainingSeed, steps: summary.Steps, cpu: all, all: all}), nil
}

// judge completes s, which says what all the training took, by the evaluations.
// looks is the processor time until each.
func judge(curve []report.Point, looks []time.Duration, threshold float64, s solving) solving {
	for i, p := range curve {
		good := p.Mean >= threshold
		switch {
		case s.solved:
			s.later++
			if good {
				s.stayed++
			}
		case good:
			s.solved, s.steps, s.cpu = true, p.Step, looks[i].Seconds()
		}
		s.last = p.Mean
	}
	return s
}

// summarizeSolved is what the seeds of one study came to.
func summarizeSolved(name string, all []solving) []bench.Result {
	var steps, cpu, stays []float64
	solved, later, stayed := 0, 0, 0
	for _, s := range all {
		steps = append(steps, float64(s.steps))
		cpu = append(cpu, s.cpu)
		if s.solved {
			solved++
		}
		if s.later > 0 {
			stays = append(stays, float64(s.stayed)/float64(s.later))
		}
		later += s.later
		stayed += s.stayed
	}
	if later == 0 {
		stays = []float64{0} // nothing was held, as there was nothing to hold
	}
	count := bench.Summarize(name+"/solved", "seeds", []float64{float64(solved)})
	share := bench.Summarize(name+"/stays", "share", stays)
	share.Value = float64(stayed) / float64(max(later, 1))
	s := bench.Summarize(name+"/steps", "steps", steps)
	low, high := s, s
	low.Name, low.Value = name+"/steps-p10", bench.Quantile(steps, 0.1)
	high.Name, high.Value = name+"/steps-p90", bench.Quantile(steps, 0.9)
	results := []bench.Result{count, s, low, high, bench.Summarize(name+"/cpu-s", "s", cpu), share}
	for i := range results {
		results[i].Runs = len(all)
	}
	return results
}
