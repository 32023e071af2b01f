package cluster

import (
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"mend/agents/baseline"
	"mend/env"
	"mend/env/seed"
	"mend/env/trace"
)

// long says whether to run the longer variants of the statistical tests.
func long() bool { return os.Getenv("MEND_LONG") == "1" }

// small is a cluster that fails often, so that few events reach every corner.
func small() Config {
	c := DefaultConfig()
	c.Topology = Topology{Regions: 2, ZonesPerRegion: 2, RacksPerZone: 2, NodesPerRack: 3}
	c.Data.ShardsPerNode = 4
	c.Data.NodeGB = 4000
	c.Failures.Transient.MTTF = 40 * time.Hour
	c.Failures.Maintenance.MTTF = 100 * time.Hour
	c.Failures.Permanent.MTTF = 60 * time.Hour
	c.Failures.Rack.MTTF = 200 * time.Hour
	c.Failures.Rack.LossProbability = 0.2
	c.Failures.Burst.MTTF = 100 * time.Hour
	c.Failures.Burst.LossProbability = 0.1
	c.Predictor = Predictor{Preset: "custom", Recall: 0.7, Precision: 0.6, Lead: 5 * time.Hour, LeadSigma: 1, DriftAt: 4 * days, DriftRecall: 0.4, DriftPrecision: 0.3}
	c.Detector.Recall, c.Detector.FalsePerYear = 0.8, 50
	c.Suspicion.TTL = 6 * time.Hour
	c.Horizon = 20 * days
	return c
}

// still is a cluster of one zone in which nothing happens, for tests that add
// what they look at.
func still() Config {
	c := DefaultConfig()
	c.Topology = Topology{Regions: 1, ZonesPerRegion: 1, RacksPerZone: 10, NodesPerRack: 1}
	c.Failures.Transient.MTTF = 0
	c.Failures.Maintenance.MTTF = 0
	c.Failures.Rack.MTTF = 0
	c.Failures.Burst.MTTF = 0
	c.Failures.Permanent.MTTF = 0
	c.Limits.ZoneDeclaredShare = 1
	c.Domains.Share, c.Reviews.Every = 0, 0
	return c
}

// rackBursts is RackBursts-v0; TestScenario holds it to configs/scenarios.
func rackBursts() Config {
	c := DefaultConfig()
	c.Failures.Burst.MTTF = 337 * time.Hour
	c.Failures.Permanent.MTTF = 9125 * time.Hour
	c.Reviews.Every = 2 * time.Hour
	return c
}

// randomConfig is a small world with anything in it: one zone or region, one
// copy, racks of one node, as many copies as racks, no space to spare.
func randomConfig(rng *rand.Rand) Config {
	c := small()
	for {
		c.Topology = Topology{1 + rng.IntN(2), 1 + rng.IntN(3), 1 + rng.IntN(3), 1 + rng.IntN(4)}
		if c.Topology.Racks() > 1 && c.Topology.Nodes() <= 24 {
			break
		}
	}
	c.Data.ReplicationFactor = 1 + rng.IntN(min(c.Topology.Racks(), maxFactor))
	if rng.IntN(4) == 0 {
		c.Data.ReplicationFactor = min(c.Topology.Racks(), maxFactor)
	}
	c.Data.Quorum = 1 + rng.IntN(c.Data.ReplicationFactor)
	if rng.IntN(2) == 0 {
		c.Data.MaxFactor = min(c.Data.ReplicationFactor+1, maxFactor)
	}
	c.Data.ShardsPerNode = 1 + rng.IntN(4)
	copies := math.Ceil(float64(c.Data.ShardsPerNode*c.Data.ReplicationFactor) / 0.9)
	c.Data.NodeGB = c.Data.ShardGB * (copies + float64(rng.IntN(20)))
	c.Repair.StreamsPerNode = 1 + rng.IntN(3)
	c.Repair.FastFactor = 1 + rng.IntN(4)
	c.Repair.ZoneMBps = []float64{20, 200, 1000}[rng.IntN(3)]
	c.Monitor.RiskDelay = []time.Duration{0, 30 * time.Second, time.Hour}[rng.IntN(3)]
	if rng.IntN(3) == 0 { // a monitor that misses short returns
		c.Monitor.Heartbeat, c.Monitor.Timeout = 10*time.Minute, 20*time.Minute
	}
	c.Monitor.HoldReview = []time.Duration{time.Hour, 6 * time.Hour}[rng.IntN(2)]
	c.Failures.Replacement = []time.Duration{time.Minute, time.Hour, days}[rng.IntN(3)]
	c.Failures.Transient.MTTF = time.Duration(2+rng.IntN(60)) * time.Hour
	c.Limits = Limits{ZoneDeclaredShare: rng.Float64(), FreeSpace: 0.2 * rng.Float64()}
	c.Horizon = time.Duration(1+rng.IntN(10)) * days
	c.Domains.Share = []float64{0, 0.01, 0.5, 1}[rng.IntN(4)]
	c.Reviews.Every = []time.Duration{0, 30 * time.Minute, time.Hour}[rng.IntN(3)]
	if rng.IntN(3) == 0 {
		c.Predictor = Predictor{Preset: presets[rng.IntN(len(presets))].name}
	}
	c.Suspicion = Suspicion{
		TTL:         []time.Duration{time.Minute, time.Hour, 7 * days}[rng.IntN(3)],
		Flaps:       []float64{0, 1, 3}[rng.IntN(3)],
		ReplaceTime: []time.Duration{time.Minute, 6 * time.Hour}[rng.IntN(2)],
	}
	if rng.IntN(2) == 0 {
		c = withLoad(c)
		c.Load.Consistency = []string{ConsistencyQuorum, ConsistencyAvailable}[rng.IntN(2)]
		c.Load.ReadQuorum, c.Load.WriteQuorum = 1+rng.IntN(c.Data.ReplicationFactor), 1+rng.IntN(c.Data.ReplicationFactor)
		c.Load.InternetShare = 0.1
		c.Prices.Providers = [][]string{nil, {"azure"}, []string{"aws", "gcp"}[:c.Topology.Regions]}[rng.IntN(3)]
	}
	if rng.IntN(2) == 0 {
		c.Data.Tiers = []Tier{{"hot", 0.25, 10}, {"warm", 0.25, 1}, {"cold", 0.5, 0.1}}
	}
	return c
}

// recorded is a trace of two systems of n nodes whose outages are random; one
// in ten destroys the data.
func recorded(n int, length env.Time, rng *rand.Rand) *trace.Trace {
	tr := &trace.Trace{Name: "random", Form: trace.FormCSV, Digest: "random"}
	for range 2 {
		s := trace.System{Name: string(rune('a' + len(tr.Systems))), NodeCount: n + 2, End: length}
		for range n {
			node := trace.Node{End: length}
			for at := env.Time(0); ; {
				at += env.FromHours(30 * rng.ExpFloat64())
				end := at + env.FromHours(0.01+2*rng.ExpFloat64())
				if end >= length {
					break
				}
				node.Outages = append(node.Outages, trace.Outage{Start: at, End: end, Lost: rng.IntN(10) == 0})
				at = end + 1
			}
			s.Nodes = append(s.Nodes, node)
		}
		tr.Systems = append(tr.Systems, s)
	}
	return tr
}

func newTest(t testing.TB, c Config) *World {
	t.Helper()
	w, err := New("Test-v0", c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func newTestTrace(t testing.TB, c Config, tr *trace.Trace) *World {
	t.Helper()
	w, _, err := NewReplay("TestTrace-v0", c, map[string]*trace.Trace{"node": tr})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// scripted starts an episode of c in which exactly the given outages of nodes
// happen, besides what c draws.
func scripted(t testing.TB, c Config, outages map[int][]trace.Outage) *player {
	t.Helper()
	nodes := c.Topology.Nodes()
	s := trace.System{Name: "script", NodeCount: nodes, Nodes: make([]trace.Node, nodes), End: simulated(c.Horizon) + 1}
	for n, o := range outages {
		s.Nodes[n].Outages = o
	}
	p := newPlayer(newTestTrace(t, c, &trace.Trace{Name: "script", Digest: "script", Systems: []trace.System{s}}))
	// The system lasts one microsecond longer than the episode, which so starts
	// with it. Look for a seed that leaves the nodes where they are.
	for k := seed.Seed(0); ; k++ {
		p.reset(k)
		if p.w.replays[transient].offset == 0 {
			return p
		}
	}
}

// player steps one world, event by event where it has hooks.
type player struct {
	w    *World
	obs  []float32
	mask []bool
	// before and after are called around every event, of the timer id, and
	// acted after every action, before any event that follows it.
	before, after func(id int32)
	acted         func(Action)
}

func newPlayer(w *World) *player {
	return &player{w: w, obs: make([]float32, featureCount), mask: make([]bool, len(actions))}
}

func (p *player) reset(s seed.Seed) { p.w.Reset(s, p.obs, p.mask) }

// step is World.Step with hooks.
func (p *player) step(a Action) env.Outcome {
	w := p.w
	if p.before == nil && p.after == nil && p.acted == nil {
		return w.Step(int(a), p.obs, p.mask)
	}
	if !p.mask[a] {
		panic("illegal action " + actions[a])
	}
	start := w.now
	w.ledger.startStep(w.now)
	w.act(a)
	if p.acted != nil {
		p.acted(a)
	}
	p.run()
	if w.ended {
		w.closeLedger()
	}
	w.observe(p.obs, p.mask)
	return env.Outcome{
		Reward:    float32(-w.ledger.discounted / w.cfg.Reward.ScaleUSD),
		Elapsed:   float32((w.now - start).Hours() / w.intervalHours),
		Truncated: w.ended,
	}
}

// run is World.run with hooks.
func (p *player) run() {
	w := p.w
	for stop := false; !stop; {
		id, at := w.q.next()
		if at != w.now {
			w.accrue(at)
			w.now = at
		}
		if p.before != nil {
			p.before(id)
		}
		w.q.pop()
		stop = w.fire(id)
		if p.after != nil {
			p.after(id)
		}
	}
}

// playWhole plays an episode with hooks from its very start, where play calls
// them from the first question on. The episode must have one.
func (p *player) playWhole(s seed.Seed, policy func(*player) Action) {
	p.w.begin(s)
	p.w.ledger.startStep(0)
	p.run()
	if p.w.ended {
		panic("an episode without a question")
	}
	p.w.observe(p.obs, p.mask)
	p.finish(policy)
}

// play runs the episode of seed s to its end.
func (p *player) play(s seed.Seed, policy func(*player) Action) {
	p.reset(s)
	p.finish(policy)
}

// finish runs the present episode to its end.
func (p *player) finish(policy func(*player) Action) {
	for !p.step(policy(p)).Truncated {
	}
}

// hold is the policy that never acts.
func hold(*player) Action { return Hold }

// random plays random legal actions.
func random(k uint64) func(*player) Action {
	rng := rand.New(rand.NewPCG(k, 1))
	var legal []Action
	return func(p *player) Action {
		legal = legal[:0]
		for a, ok := range p.mask {
			if ok {
				legal = append(legal, Action(a))
			}
		}
		return legal[rng.IntN(len(legal))]
	}
}

// baselinePolicy is a hand-written policy on w.
func baselinePolicy(t testing.TB, name string, w *World) func(*player) Action {
	t.Helper()
	b, err := baseline.New(name, baseline.DefaultConfig(), w.Spec())
	if err != nil {
		t.Fatal(err)
	}
	step, act := &env.TimeStep{N: 1}, make([]int, 1)
	return func(p *player) Action {
		step.Obs, step.Mask = p.obs, p.mask
		b.Act(step, act)
		return Action(act[0])
	}
}

// raw is the value of a feature in its unit.
func (p *player) raw(feature int) float64 { return float64(features[feature].Raw(p.obs[feature])) }

// struck returns the slot of the process that timer id belongs to, or −1.
func (w *World) struck(p process, id int32) int {
	first := w.timers.process[p]
	if id < first || int(id-first) >= w.slots(p) {
		return -1
	}
	return int(id - first)
}

// sample is a set of independent measurements.
type sample []float64

func (x sample) mean() float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// se is the standard error of the mean.
func (x sample) se() float64 {
	m, sum := x.mean(), 0.0
	for _, v := range x {
		sum += (v - m) * (v - m)
	}
	n := float64(len(x))
	return math.Sqrt(sum / (n - 1) / n)
}

// near checks the figure that is the mean of x.
func (x sample) near(t *testing.T, what string, want, precision float64) {
	t.Helper()
	x.figure(what, want, precision).check(t)
}

// ks is the Kolmogorov-Smirnov distance of x from the distribution function f.
// Among n values it exceeds 1.95/√n once in 1000 times (Kolmogorov, 1933).
func ks(x sample, f func(float64) float64) float64 {
	x = slices.Clone(x)
	slices.Sort(x)
	d, n := 0.0, float64(len(x))
	for i, v := range x {
		p := f(v)
		d = max(d, p-float64(i)/n, float64(i+1)/n-p)
	}
	return d
}

func within(got, want, relative float64) bool { return math.Abs(got-want) <= relative*math.Abs(want) }
