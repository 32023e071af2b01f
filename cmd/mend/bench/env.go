package bench

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"

	"mend/agents"
	"mend/env"
	"mend/env/cluster"
	"mend/env/seed"
)

// Cluster is a world of env/cluster to measure, played by a policy.
type Cluster struct {
	Name string // such as RackBursts-v0/nodes=100
	// Episodes is how many are played for one sample, from Reset to the end.
	Episodes int
	New      func() (Counted, error)
	Policy   func(*env.Spec) (agents.Policy, error)
}

// Counted is a world that counts its work, and says what there is of it.
type Counted interface {
	env.Env
	Config() cluster.Config
	Counts() cluster.Counts
}

// The results of a Cluster, by the end of their names.
const (
	perSecond   = ""             // decisions/s, Resets and policy included
	eventsRate  = "/events"      // events/s, likewise
	resetCost   = "/reset"       // us
	perShard    = "/bytes"       // of memory, a shard
	allocations = "/allocations" // a step
	idle        = "/idle"        // share of decisions that are reviews or repeated waits
)

// kindNames are the ends of the names of what is measured by kind.
func kindNames() []string {
	var names []string
	for k := range cluster.Kind(cluster.Kinds) {
		names = append(names, "/kind="+strings.ReplaceAll(k.String(), " ", "_"))
	}
	return names
}

// Env lists the measurements of worlds: those of each Cluster; the cost of a
// decision of the last one by that of the first, kind by kind; what a second
// processor gains where a Vector steps 64 of the first; and CartPole.
func Env(clusters []Cluster, cart func() env.Env) []Benchmark {
	var list []Benchmark
	for _, c := range clusters {
		list = append(list, c.benchmark())
	}
	first, last := clusters[0], clusters[len(clusters)-1]
	return append(list, ratios(first, last), twoCores(first), batch(cart))
}

func (c Cluster) benchmark() Benchmark {
	name := "env/" + c.Name
	b := Benchmark{}
	for _, end := range []string{perSecond, eventsRate, resetCost, perShard, allocations, idle} {
		b.Names = append(b.Names, name+end)
	}
	for _, k := range kindNames() {
		b.Names = append(b.Names, name+k, name+k+"/decisions", name+k+"/repeated")
	}
	b.Run = func(ctx context.Context, s Sampler) ([]Result, error) {
		results, err := c.measure(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("bench: %s: %w", name, err)
		}
		return results, nil
	}
	return b
}

func (c Cluster) measure(ctx context.Context, s Sampler) ([]Result, error) {
	bytes, err := c.bytesPerShard()
	if err != nil {
		return nil, err
	}
	p, err := c.player()
	if err != nil {
		return nil, err
	}
	// All samples are of the same episodes, so that they differ by the machine
	// alone. The first time the buffers grow.
	p.play(c.Episodes, s.Clock, nil)
	var perSecond, events, reset, allocs []float64
	kinds := make([][]float64, cluster.Kinds)
	var done work
	for range s.Runs {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		began := s.Clock()
		n := mallocs(func() { done = p.play(c.Episodes, s.Clock, nil) })
		took := (s.Clock() - began).Seconds()
		perSecond = append(perSecond, float64(done.decisions())/took)
		events = append(events, float64(done.events)/took)
		allocs = append(allocs, float64(n)/float64(done.decisions()))
		resets := done.resets.Seconds()
		reset = append(reset, resets/float64(c.Episodes)*1e6)
		for k, ns := range p.byKind(c.Episodes, s.Clock, took-resets) {
			kinds[k] = append(kinds[k], ns)
		}
	}
	name := "env/" + c.Name
	results := []Result{
		Summarize(name, "decisions/s", perSecond),
		Summarize(name+eventsRate, "events/s", events),
		Summarize(name+resetCost, "us", reset),
		Summarize(name+perShard, "B/shard", []float64{bytes}),
		Summarize(name+allocations, "1/step", allocs),
		Summarize(name+idle, "share", []float64{done.idle()}),
	}
	for k, end := range kindNames() {
		if n := float64(done.counts[k]); n > 0 {
			results = append(results,
				Summarize(name+end, "ns/decision", kinds[k]),
				Summarize(name+end+"/decisions", "share", []float64{n / float64(done.decisions())}),
				Summarize(name+end+"/repeated", "share", []float64{float64(done.repeated[k]) / n}))
		}
	}
	return results, nil
}

// bytesPerShard is what a world adds to the heap, after a Reset, by shard.
func (c Cluster) bytesPerShard() (float64, error) {
	heap := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what the first one has swept only now is free
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	before := heap()
	p, err := c.player()
	if err != nil {
		return 0, err
	}
	p.reset(0)
	after := heap()
	x := p.world.Config()
	return (after - before) / float64(x.Topology.Nodes()*x.Data.ShardsPerNode), nil
}

// player plays one world by a policy.
type player struct {
	world   Counted
	policy  agents.Policy
	t       *env.TimeStep
	actions []int
}

func (c Cluster) player() (*player, error) {
	w, err := c.New()
	if err != nil {
		return nil, err
	}
	policy, err := c.Policy(w.Spec())
	if err != nil {
		return nil, err
	}
	return &player{w, policy, env.NewTimeStep(1, w.Spec()), make([]int, 1)}, nil
}

// work is how much was done.
type work struct {
	resets           time.Duration // what the Resets took of it
	events           uint64
	counts, repeated [cluster.Kinds]uint64
}

func (w *work) add(c cluster.Counts) {
	w.events += c.Events
	for k := range w.counts {
		w.counts[k] += c.Decisions[k]
		w.repeated[k] += c.Repeated[k]
	}
}

// decisions is the number of all kinds. An episode ends after the answer to the
// last of them, so there are as many Steps.
func (w *work) decisions() (n uint64) {
	for _, d := range w.counts {
		n += d
	}
	return n
}

// idle is the share of decisions that are reviews of the cluster, or about a
// subject to which nothing has happened since it was answered with a wait.
func (w *work) idle() float64 {
	n := w.counts[cluster.ClusterReview]
	for k, r := range w.repeated {
		if cluster.Kind(k) != cluster.ClusterReview {
			n += r
		}
	}
	return float64(n) / float64(w.decisions())
}

// reset starts an episode.
func (p *player) reset(episode int) {
	p.world.Reset(seed.Seed(1).Child("bench", uint64(episode)), p.t.Obs, p.t.Mask)
}

// play plays episodes from 0 on, and times their Resets. Where timed is given, it
// is called for each Step with the kind of question that it answers and what it
// took.
func (p *player) play(episodes int, clock func() time.Duration, timed func(kind int, took time.Duration)) (done work) {
	for k := range episodes {
		began := clock()
		p.reset(k)
		done.resets += clock() - began
		var before cluster.Counts
		for ended := false; !ended; {
			p.policy.Act(p.t, p.actions)
			if timed == nil {
				o := p.world.Step(p.actions[0], p.t.Obs, p.t.Mask)
				ended = o.Terminated || o.Truncated
				continue
			}
			c := p.world.Counts()
			kind := -1 // what Reset leaves to hold where nothing is asked
			for k := range c.Decisions {
				if c.Decisions[k] != before.Decisions[k] {
					kind = k
				}
			}
			before = c
			began := time.Now()
			o := p.world.Step(p.actions[0], p.t.Obs, p.t.Mask)
			took := time.Since(began)
			ended = o.Terminated || o.Truncated
			if kind >= 0 {
				timed(kind, took)
			}
		}
		done.add(p.world.Counts())
	}
	return done
}

// byKind is what a decision of each kind takes, in nanoseconds: the Step that
// answers it, with all that happens up to the next question, and the policy. A
// Step takes about as long as twenty readings of the clock, which so must not be
// counted: the kinds share out the seconds that all Steps of the same episodes
// take without the clock, each by its part of the time by the clock, from which
// for every Step is taken what the clock shows where nothing happens.
func (p *player) byKind(episodes int, clock func() time.Duration, seconds float64) []float64 {
	idle := clockCost()
	took, n := make([]float64, cluster.Kinds), make([]float64, cluster.Kinds)
	p.play(episodes, clock, func(kind int, t time.Duration) {
		took[kind] += max(t.Seconds()-idle, 1e-9)
		n[kind]++
	})
	all := 0.0
	for _, t := range took {
		all += t
	}
	for k := range took {
		if n[k] > 0 {
			took[k] *= seconds / all / n[k] * 1e9
		}
	}
	return took
}

// clockCost is how much later the clock is read, in seconds, where it is read
// twice: the mean of many, less those with an interruption.
func clockCost() float64 {
	var pairs [10_000]float64
	for i := range pairs {
		began := time.Now()
		pairs[i] = time.Since(began).Seconds()
	}
	most := 2 * Quantile(pairs[:], 0.5)
	sum, n := 0.0, 0.0
	for _, t := range pairs {
		if t <= most {
			sum += t
			n++
		}
	}
	return sum / n
}

// ratios measures how many times as much a decision of each kind takes in the
// larger world as in the smaller one.
func ratios(small, large Cluster) Benchmark {
	name := "env/" + large.Name + "/per:" + small.Name[strings.LastIndexByte(small.Name, '/')+1:]
	b := Benchmark{}
	for _, k := range kindNames() {
		b.Names = append(b.Names, name+k)
	}
	b.Run = func(ctx context.Context, s Sampler) ([]Result, error) {
		var worlds [2]*player
		for i, c := range []Cluster{small, large} {
			var err error
			if worlds[i], err = c.player(); err != nil {
				return nil, fmt.Errorf("bench: %s: %w", name, err)
			}
		}
		samples := make([][]float64, cluster.Kinds)
		for range s.Runs { // in turns, so that both meet the same machine
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			var ns [2][]float64
			for i, c := range []Cluster{small, large} {
				began := s.Clock()
				resets := worlds[i].play(c.Episodes, s.Clock, nil).resets
				took := s.Clock() - began - resets
				ns[i] = worlds[i].byKind(c.Episodes, s.Clock, took.Seconds())
			}
			for k := range samples {
				samples[k] = append(samples[k], ns[1][k]/ns[0][k]) // NaN where it is never asked
			}
		}
		var results []Result
		for k, x := range samples {
			if !slices.ContainsFunc(x, math.IsNaN) { // asked in both
				results = append(results, Summarize(b.Names[k], "ratio", x))
			}
		}
		return results, nil
	}
	return b
}

// vectorWorlds are stepped together to measure what a second processor gains.
const vectorWorlds = 64

// twoCores measures a Vector of a world: decisions a second of one processor, of
// two, and how many times as many those are. All by the clock on the wall, in
// turns, and over the same steps from the same Reset on. That Reset, of all worlds
// at once, is not included; later ones are, and the policy, which one processor
// runs.
func twoCores(c Cluster) Benchmark {
	name := fmt.Sprintf("env/%s/vector=%d", c.Name, vectorWorlds)
	b := Benchmark{Names: []string{name + "/cores=1", name + "/cores=2", name + "/speedup"}}
	cores := min(2, runtime.NumCPU())
	if cores == 1 {
		b.Names = b.Names[:1]
	}
	b.Run = func(ctx context.Context, s Sampler) ([]Result, error) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
		play, err := c.vector()
		if err != nil {
			return nil, fmt.Errorf("bench: %s: %w", name, err)
		}
		steps := 1
		for took := time.Duration(0); took < 10*s.Time; { // helpers come and go, and episodes end
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			steps *= 2
			took = play(1, steps)
		}
		var rates [2][]float64
		var speedup []float64
		for range s.Runs {
			for i := range cores {
				if ctx.Err() != nil {
					return nil, context.Cause(ctx)
				}
				took := play(i+1, steps)
				rates[i] = append(rates[i], float64(vectorWorlds*steps)/took.Seconds())
			}
			if cores == 2 {
				last := len(speedup)
				speedup = append(speedup, rates[1][last]/rates[0][last])
			}
		}
		results := []Result{Summarize(b.Names[0], "decisions/s", rates[0])}
		if cores == 2 {
			results = append(results, Summarize(b.Names[1], "decisions/s", rates[1]), Summarize(b.Names[2], "ratio", speedup))
		}
		return results, nil
	}
	return b
}

// vector returns what plays a Vector of the world from its Reset for so many
// steps and says what these took.
func (c Cluster) vector() (play func(workers, steps int) time.Duration, err error) {
	worlds := make([]env.Env, vectorWorlds)
	for i := range worlds {
		if worlds[i], err = c.New(); err != nil {
			return nil, err
		}
	}
	v, err := env.NewVector(1, worlds...)
	if err != nil {
		return nil, err
	}
	policy, err := c.Policy(v.Spec())
	if err != nil {
		return nil, err
	}
	t, actions := env.NewTimeStep(vectorWorlds, v.Spec()), make([]int, vectorWorlds)
	return func(workers, steps int) time.Duration {
		v.SetWorkers(workers)
		v.Reset(t)
		began := time.Now()
		for range steps {
			policy.Act(t, actions)
			v.Step(actions, t)
		}
		return time.Since(began)
	}, nil
}

// batch measures a Vector of 1,024 carts under random actions, Resets included.
func batch(cart func() env.Env) Benchmark {
	const n, rows = 1024, 64
	name := fmt.Sprintf("env/CartPole-v1/batch=%d", n)
	return one(name, "steps/s", func() (func(int) error, func(float64) float64, error) {
		carts := make([]env.Env, n)
		for i := range carts {
			carts[i] = cart()
		}
		v, err := env.NewVector(1, carts...)
		if err != nil {
			return nil, nil, err
		}
		r := numbers()
		actions := make([]int, n*rows)
		for i := range actions {
			actions[i] = r.IntN(len(v.Spec().Actions))
		}
		t := env.NewTimeStep(n, v.Spec())
		v.Reset(t)
		work := func(steps int) error {
			for i := range steps {
				at := i % rows * n
				v.Step(actions[at:at+n], t)
			}
			return nil
		}
		return work, func(s float64) float64 { return math.Round(n / s) }, nil
	})
}
