// Package bench measures how fast the parts of mend are, in the units that
// results are published in.
//
// Start with [Benchmark], one thing that can be measured, and [Sampler], which
// says how: enough repetitions that a sample takes long, and the median of a
// few samples, so that a shared machine disturbs the result little. [Kernel],
// [Steps] and [Act] list what can be measured of the learner's parts, [Env] what
// of worlds. What
// needs whole training runs is measured by the command, cmd/mend.
package bench

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"
)

// Result is what a benchmark came to.
type Result struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"` // the median of the runs
	Unit  string  `json:"unit"`
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
	Runs  int     `json:"runs"`
	Note  string  `json:"note,omitempty"` // under which conditions
}

// Summarize is the result of the given samples, at least one.
func Summarize(name, unit string, samples []float64) Result {
	return Result{
		Name: name, Unit: unit, Value: Quantile(samples, 0.5),
		Min: slices.Min(samples), Max: slices.Max(samples), Runs: len(samples),
	}
}

// Quantile is the value below which a share q of the samples lies, 0 ≤ q ≤ 1,
// linear between neighbours: definition 7 of Hyndman and Fan, "Sample quantiles
// in statistical packages", The American Statistician 50, 1996.
func Quantile(samples []float64, q float64) float64 {
	if len(samples) == 0 || q < 0 || q > 1 {
		panic(fmt.Sprintf("bench: quantile %v of %d samples, want 0 to 1 of at least 1", q, len(samples)))
	}
	s := slices.Sorted(slices.Values(samples))
	at := q * float64(len(s)-1)
	i := min(int(at), len(s)-1)
	j := min(i+1, len(s)-1)
	return s[i] + (at-math.Floor(at))*(s[j]-s[i])
}

// Benchmark is one thing to measure. It may yield several results.
type Benchmark struct {
	Names []string // of the results, in order
	Run   func(ctx context.Context, s Sampler) ([]Result, error)
}

// Sampler says how often to measure, how long, and by which clock.
type Sampler struct {
	Runs  int                  // samples, at least 1
	Time  time.Duration        // least length of a sample
	Clock func() time.Duration // since some moment
}

// Seconds measures f, which does its work n times and returns an error that
// ends the measurement. It returns one sample a run, in seconds each time. The
// repetitions of a sample are found first; that also warms up.
func (s Sampler) Seconds(ctx context.Context, f func(n int) error) ([]float64, error) {
	clock := func(n int) (time.Duration, error) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		began := s.Clock()
		err := f(n)
		return s.Clock() - began, err
	}
	n := 1
	for {
		t, err := clock(n)
		if err != nil {
			return nil, err
		}
		if t >= s.Time {
			break
		}
		n = more(n, t, s.Time)
	}
	samples := make([]float64, s.Runs)
	for i := range samples {
		t, err := clock(n)
		if err != nil {
			return nil, err
		}
		samples[i] = t.Seconds() / float64(n)
	}
	return samples, nil
}

// more is the next number of repetitions to try, where n took t and want is
// wanted: a fifth more than needed, but no more than a hundred times as many,
// since a very short t says little.
func more(n int, t, want time.Duration) int {
	guess := 1.2 * float64(n) * float64(want) / float64(max(t, 1))
	return int(min(max(guess, float64(n)+1), 100*float64(n)))
}

// mallocs counts allocations while f runs, those of others too: of many calls,
// a few stray ones are not f's.
func mallocs(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}

// one makes a benchmark of one result: f prepares what is measured and returns
// the work and how its seconds become the value.
func one(name, unit string, f func() (work func(n int) error, value func(seconds float64) float64, err error)) Benchmark {
	return Benchmark{Names: []string{name}, Run: func(ctx context.Context, s Sampler) ([]Result, error) {
		work, value, err := f()
		if err != nil {
			return nil, fmt.Errorf("bench: %s: %w", name, err)
		}
		samples, err := s.Seconds(ctx, work)
		if err != nil {
			return nil, fmt.Errorf("bench: %s: %w", name, err)
		}
		for i := range samples {
			samples[i] = value(samples[i])
		}
		return []Result{Summarize(name, unit, samples)}, nil
	}}
}
