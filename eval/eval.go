// Package eval judges policies: every policy on the same worlds.
//
// Start with [Run], which plays every [Entry] through the same episodes, and
// [Result], which holds what they came to, as JSON for machines and through
// [Result.WriteTable] for people. The statistics are in [TInterval],
// [RatioInterval] and [PairedInterval]. The package names no algorithm and no
// world, uses none of the aids of training (shaping, compensated losses,
// exploration), and draws no pages: that is eval/report.
package eval

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"mend/agents"
	"mend/configs/field"
	"mend/env"
	"mend/env/seed"
)

// The kinds of an Entry.
const (
	Learned  = "learned"
	Baseline = "baseline" // hand-written; what the others are compared with
	Oracle   = "oracle"   // knows more than a policy may
	Optimal  = "optimal"  // solved; its result is taken for the optimum
)

// Entry is one policy to be judged.
type Entry struct {
	Name string // "learned", "baseline:hdfs"
	Kind string // Learned, Baseline, Oracle or Optimal
	// New is called once a worker, from the goroutine that called Run, so that
	// policies may keep scratch. Policies of one Entry must act alike: what
	// they do in an episode depends on the episode only.
	New func() (agents.Policy, error)
	// Exact is its objective in the long run, where that was solved; nil where it
	// was not.
	Exact *float64
}

// Episodic is a policy that draws or remembers. Run calls Begin before each
// episode's first Act; what the policy does until the next Begin must follow
// from s and from what it is shown, or results would depend on Workers.
type Episodic interface {
	agents.Policy
	Begin(s seed.Seed)
}

// Privileged is a policy that looks behind the observation. Run shows it the
// world it will act in, once. Only an Oracle or Optimal entry may be one.
type Privileged interface {
	agents.Policy
	Attach(world env.Env)
}

// Config says how much to evaluate.
type Config struct {
	// Episodes each policy plays.
	Episodes int `yaml:"episodes"`
	// Seed chooses the worlds. A policy that was picked out of several by an
	// evaluation should be reported on another Seed than it was picked on.
	Seed uint64 `yaml:"seed"`
	// Workers play in parallel; 0 means GOMAXPROCS. Results do not depend on it.
	Workers int `yaml:"-"`
}

// MaxEpisodes bounds Config.Episodes: the samples of every episode, policy and
// metric are held until the end.
const MaxEpisodes = 1_000_000

// DefaultConfig evaluates on 100 episodes.
func DefaultConfig() Config { return Config{Episodes: 100} }

// Validate returns every complaint about c, as field.Errors.
func (c Config) Validate() error {
	var e field.Errors
	e.Want(c.Episodes >= 1 && c.Episodes <= MaxEpisodes, "episodes", c.Episodes, fmt.Sprintf("1 to %d", MaxEpisodes))
	e.Want(c.Workers >= 0, "workers", c.Workers, "at least 0")
	return e.Err()
}

// Run plays cfg.Episodes episodes of every entry and returns what they came to.
//
// Episode k of every policy is Reset by
//
//	seed.Seed(cfg.Seed).Child("evaluation", 0).Child("eval", k)
//
// so that all policies meet the same worlds, and no world that training met:
// training derives its seeds by other labels. An [Episodic] policy begins the
// episode with Child("policy", 0) of that seed. Each world is stepped alone, in
// a batch of one, so that no policy's arithmetic depends on its neighbours.
//
// When ctx ends, Run stops within a step and returns the cause. A panic of a
// world or a policy stops the other workers and goes on in the caller's
// goroutine, with the episode that replays it.
func Run(ctx context.Context, newEnv func() (env.Env, error), entries []Entry, cfg Config) (*Result, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("eval: %w", err)
	}
	if err := checkEntries(entries); err != nil {
		return nil, err
	}
	n := cfg.Workers
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	n = min(n, cfg.Episodes*len(entries))
	workers := make([]*worker, n)
	for i := range workers {
		w, err := newWorker(newEnv, entries)
		if err != nil {
			return nil, err
		}
		if i > 0 && !reflect.DeepEqual(w.world.Spec(), workers[0].world.Spec()) {
			return nil, fmt.Errorf("eval: worlds of %s differ in their spec, want one world made alike", w.world.Spec().ID)
		}
		workers[i] = w
	}
	spec := workers[0].world.Spec()
	if err := checkSpec(spec, workers[0].measured != nil); err != nil {
		return nil, err
	}
	played, err := play(ctx, workers, entries, cfg)
	if err != nil {
		return nil, err
	}
	return summarize(spec, entries, cfg, played), nil
}

func checkEntries(entries []Entry) error {
	if len(entries) == 0 {
		return errors.New("eval: no policies, want at least 1")
	}
	kinds := []string{Learned, Baseline, Oracle, Optimal}
	names := make(map[string]bool, len(entries))
	for _, e := range entries {
		if e.Name == "" || names[e.Name] {
			return fmt.Errorf("eval: policy name %q is empty or used twice", e.Name)
		}
		names[e.Name] = true
		if !slices.Contains(kinds, e.Kind) {
			return fmt.Errorf("eval: policy %q is of kind %q, want %s", e.Name, e.Kind, strings.Join(kinds, ", "))
		}
	}
	return nil
}

func checkSpec(s *env.Spec, measured bool) error {
	if len(s.Metrics) > 0 && !measured {
		return fmt.Errorf("eval: %s names %d metrics but does not measure them", s.ID, len(s.Metrics))
	}
	names := map[string]bool{EpisodeReturn: true, EpisodeLength: true}
	for _, m := range s.Metrics {
		if names[m.Name] {
			return fmt.Errorf("eval: %s has two metrics %q", s.ID, m.Name)
		}
		names[m.Name] = true
	}
	if s.Objective != "" && !names[s.Objective] {
		return fmt.Errorf("eval: %s has the objective %q, which is not among its metrics", s.ID, s.Objective)
	}
	return nil
}

// worker is one world and one policy an entry, owned by one goroutine.
type worker struct {
	world    env.Env
	measured env.Measured // the world, or nil
	policies []agents.Policy
	step     *env.TimeStep
	actions  []int
	ratios   []env.Ratio
}

func newWorker(newEnv func() (env.Env, error), entries []Entry) (*worker, error) {
	world, err := newEnv()
	if err != nil {
		return nil, fmt.Errorf("eval: world: %w", err)
	}
	w := &worker{world: world, step: env.NewTimeStep(1, world.Spec()), actions: make([]int, 1)}
	w.measured, _ = world.(env.Measured)
	for _, e := range entries {
		p, err := e.New()
		if err != nil {
			return nil, fmt.Errorf("eval: policy %q: %w", e.Name, err)
		}
		if q, ok := p.(Privileged); ok {
			if e.Kind != Oracle && e.Kind != Optimal {
				return nil, fmt.Errorf("eval: policy %q is privileged but of kind %q, want %s or %s", e.Name, e.Kind, Oracle, Optimal)
			}
			q.Attach(world)
		}
		w.policies = append(w.policies, p)
	}
	return w, nil
}

// sample is what one policy measured, [metric][episode], in the order of
// Result.MetricsInfo.
type sample [][]env.Ratio

// play hands out the episodes to the workers and collects them by index.
func play(ctx context.Context, workers []*worker, entries []Entry, cfg Config) ([]sample, error) {
	metrics := len(workers[0].world.Spec().Metrics) + 2
	played := make([]sample, len(entries))
	for i := range played {
		played[i] = make(sample, metrics)
		for m := range played[i] {
			played[i][m] = make([]env.Ratio, cfg.Episodes)
		}
	}
	root := seed.Seed(cfg.Seed).Child("evaluation", 0)
	jobs := int64(len(entries) * cfg.Episodes)

	inner, stop := context.WithCancel(ctx)
	defer stop()
	var next, completed atomic.Int64
	var panicked atomic.Pointer[string]
	var wg sync.WaitGroup
	for _, w := range workers {
		wg.Go(func() {
			var i, k int
			defer func() {
				if x := recover(); x != nil {
					s := fmt.Sprintf("eval: policy %q in episode %d of seed %d of %s: %v\n\n%s",
						entries[i].Name, k, cfg.Seed, w.world.Spec().ID, x, debug.Stack())
					panicked.CompareAndSwap(nil, &s)
					stop()
				}
			}()
			for {
				job := next.Add(1) - 1
				if job >= jobs {
					return
				}
				i, k = int(job)/cfg.Episodes, int(job)%cfg.Episodes
				ratios, ok := w.episode(inner.Done(), w.policies[i], root.Child("eval", uint64(k)))
				if !ok {
					return
				}
				for m, r := range ratios {
					played[i][m][k] = r
				}
				completed.Add(1)
			}
		})
	}
	wg.Wait()
	if s := panicked.Load(); s != nil {
		panic(*s)
	}
	if completed.Load() == jobs {
		return played, nil
	}
	if ctx.Err() == nil { // a policy or world ended its goroutine
		panic(fmt.Sprintf("eval: %d of %d episodes came to an end", completed.Load(), jobs))
	}
	return nil, context.Cause(ctx)
}

// episode plays one episode and returns its metrics, valid until the next
// call; ok is false where done closed before its end.
func (w *worker) episode(done <-chan struct{}, p agents.Policy, s seed.Seed) (ratios []env.Ratio, ok bool) {
	t := w.step
	if q, ok := p.(Episodic); ok {
		q.Begin(s.Child("policy", 0))
	}
	w.world.Reset(s, t.Obs, t.Mask)
	t.Reward[0], t.Elapsed[0], t.Terminated[0], t.Truncated[0] = 0, 0, false, false
	episodeReturn, decisions := 0.0, 0
	for {
		select {
		case <-done:
			return nil, false
		default:
		}
		p.Act(t, w.actions)
		o := w.world.Step(w.actions[0], t.Obs, t.Mask)
		t.Reward[0], t.Elapsed[0], t.Terminated[0], t.Truncated[0] = o.Reward, o.Elapsed, o.Terminated, o.Truncated
		episodeReturn += float64(o.Reward)
		decisions++
		if o.Terminated || o.Truncated {
			break
		}
	}
	w.ratios = w.ratios[:0]
	if w.measured != nil {
		w.ratios = w.measured.Measure(w.ratios)
	}
	if want := len(w.world.Spec().Metrics); len(w.ratios) != want {
		panic(fmt.Sprintf("eval: world measured %d metrics, want %d", len(w.ratios), want))
	}
	w.ratios = append(w.ratios, env.Ratio{Num: episodeReturn, Den: 1}, env.Ratio{Num: float64(decisions), Den: 1})
	return w.ratios, true
}
