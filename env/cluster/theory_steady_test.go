package cluster

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"mend/env"
	"mend/env/placement"
	"mend/env/seed"
	"mend/env/trace"
)

// The world in the long run, against theory.

// gauge is the mean over time of something that changes only at events.
type gauge struct {
	w    *World
	area float64 // × µs
	at   env.Time
	now  float64
	from env.Time
}

func newGauge(w *World) *gauge { return &gauge{w: w} }

// reset begins a new mean.
func (g *gauge) reset() { g.area, g.at, g.from = 0, g.w.now, g.w.now }

// set gives the value from now on.
func (g *gauge) set(v float64) {
	g.area += g.now * float64(g.w.now-g.at)
	g.at, g.now = g.w.now, v
}

func (g *gauge) mean() float64 {
	g.set(g.now)
	return g.area / float64(g.w.now-g.from)
}

// renewals is a trace of nodes that are up and down in turn, for times that up
// and down draw in hours. The world merges outages of its own that overlap;
// those of a trace do not, so this is an alternating renewal process.
func renewals(nodes int, length env.Time, up, down func() float64) *trace.Trace {
	s := trace.System{Name: "renewals", NodeCount: nodes, End: length}
	for range nodes {
		node := trace.Node{End: length}
		for at := env.Time(0); ; {
			at += max(1, env.FromHours(up()))
			end := at + max(env.Millisecond, env.FromHours(down()))
			if end >= length {
				break
			}
			node.Outages = append(node.Outages, trace.Outage{Start: at, End: end})
			at = end
		}
		s.Nodes = append(s.Nodes, node)
	}
	return &trace.Trace{Name: "renewals", Digest: "renewals", Systems: []trace.System{s}}
}

// TestKOfN: the binomial's tail at availabilities of 0.99, 0.999 and a quarter
// of an hour a month, each by hand or in exact fractions.
func TestKOfN(t *testing.T) {
	const month = 1 - 1/(1+30*24*4.0)
	for _, x := range []struct {
		k, n     int
		up, want float64 // want: unavailability
		digits   float64
	}{
		{1, 2, 0.99, 1e-4, 1e-9}, {1, 3, 0.99, 1e-6, 1e-9}, {2, 3, 0.99, 2.98e-4, 1e-9},
		{3, 5, 0.99, 9.8506e-6, 1e-6}, {6, 9, 0.99, 1.210433e-6, 1e-6}, {10, 14, 0.99, 1.856894e-7, 1e-6},
		{2, 3, 0.999, 2.998e-6, 1e-6}, {3, 5, 0.999, 9.985006e-9, 1e-6}, {6, 9, 0.999, 1.254968e-10, 1e-4},
		{2, 3, month, 3.613551e-7, 1e-6}, {1, 3, month, 4.181867e-11, 1e-5},
	} {
		if got := 1 - kOfN(x.k, x.n, x.up); !within(got, x.want, x.digits) {
			t.Errorf("%d of %d at %g: unavailable %.7g, want %.7g", x.k, x.n, x.up, got, x.want)
		}
	}
}

// TestAvailabilityLaws: in an alternating renewal process a node is up with
// probability A = MTTF/(MTTF + MTTR), whatever the laws of the times (Barlow
// and Proschan, "Mathematical theory of reliability", 1965, chapter 3); and
// independent nodes are up, at least k of n, with the binomial's tail. So
// exponential times must give what Weibull up times of shape 0.5, which
// cluster, and lognormal down times give.
func TestAvailabilityLaws(t *testing.T) {
	const mttf, mttr = 9.0, 1.0
	for _, law := range []struct {
		name     string
		up, down func(*rand.Rand) float64
	}{
		{"exponential", (*rand.Rand).ExpFloat64, (*rand.Rand).ExpFloat64},
		// Weibull of mean 1: η·E^(1/k), η = 1/Γ(1 + 1/k) = 1/2.
		{"Weibull, lognormal",
			func(r *rand.Rand) float64 { e := r.ExpFloat64(); return e * e / 2 },
			func(r *rand.Rand) float64 { return math.Exp(r.NormFloat64() - 0.5) }},
	} {
		for _, x := range []struct {
			name           string
			factor, quorum int
			episodes       int // where there is time
			plain          float64
		}{
			{"1 of 1", 1, 1, 40, 0.05},
			{"1 of 2", 2, 1, 80, 0.06},
			{"1 of 3", 3, 1, 200, 0.15},
			{"2 of 3", 3, 2, 80, 0.06},
			{"3 of 5", 5, 3, 120, 0.1},
		} {
			width, episodes := patience(x.plain), 20
			if long() {
				episodes = x.episodes
			}
			var unavailability sample
			tenfold(t, episodes, func(from, to int) []figure {
				for s := from; s < to; s++ {
					rng := rand.New(rand.NewPCG(uint64(s), 8))
					c := still()
					c.Data.ShardsPerNode, c.Data.ReplicationFactor, c.Data.Quorum = 12, x.factor, x.quorum
					c.Horizon = 8000 * time.Hour
					c.Monitor.Timeout = 24 * time.Hour // hardly ever a question
					// Nodes begin up; a month later they have forgotten that.
					length := simulated(c.Horizon) + 30*env.Day
					w := newTestTrace(t, c, renewals(10, length, func() float64 { return mttf * law.up(rng) }, func() float64 { return mttr * law.down(rng) }))
					newPlayer(w).play(seed.Seed(s), hold)
					m := w.Measure(nil)[7]
					unavailability = append(unavailability, 1-m.Num/m.Den)
				}
				return []figure{unavailability.figure(law.name+", "+x.name+": unavailability", 1-kOfN(x.quorum, x.factor, mttf/(mttf+mttr)), half(width))}
			})
		}
	}
}

// repairman is the steady state of n machines that fail at rate λ while they
// run and are repaired at rate μ by c crews: p[j] is the probability that j are
// not running (Cox and Smith, "Queues", 1961, section 2.5).
func repairman(n, c int, lambda, mu float64) []float64 {
	p := make([]float64, n+1)
	p[0] = 1
	sum := 1.0
	for j := 1; j <= n; j++ {
		p[j] = p[j-1] * float64(n-j+1) * lambda / (float64(min(j, c)) * mu)
		sum += p[j]
	}
	for j := range p {
		p[j] /= sum
	}
	return p
}

// expectation is the mean of the distribution p.
func expectation(p []float64) float64 {
	m := 0.0
	for j, x := range p {
		m += float64(j) * x
	}
	return m
}

// atLeast is the probability of j or more.
func atLeast(p []float64, j int) float64 {
	sum := 0.0
	for _, x := range p[j:] {
		sum += x
	}
	return sum
}

// TestRepairman checks the formula: with a crew for each machine it is the
// binomial distribution, and with one crew E[not running] = n − (1 − p₀)·μ/λ.
func TestRepairman(t *testing.T) {
	p := repairman(3, 3, 1.0/1000, 1.0/10)
	for up, want := range []float64{9.705901e-7, 2.911770e-4, 2.911770e-2, 0.9705901} {
		if got := p[3-up]; !within(got, want, 1e-6) {
			t.Errorf("%d of 3 up: %g, want %g", up, got, want)
		}
	}
	if p := repairman(100, 1, 1.0/1000, 1.0/10); !within(expectation(p), 100-(1-p[0])*100, 1e-9) {
		t.Errorf("one crew: %g", expectation(p))
	}
}

// TestIndependentNodes: nodes that are lost at rate λ and replaced at rate μ,
// each on its own, are a birth-death chain with a crew for each. Counted are
// all 99, and by threes: P(j of 3 running) is binomial. Any three of the 99 are
// alike, so what is averaged over time is the share of all threes.
func TestIndependentNodes(t *testing.T) {
	for _, x := range []struct {
		mttf   time.Duration
		plain  float64   // half-width of the mean number of dead nodes
		triple []float64 // and of P(0, 1, 2, 3 of 3 running)
	}{
		{1000 * time.Hour, 0.03, []float64{0.05, 0.03, 0.02, 0.01}},
		{50 * time.Hour, 0.01, []float64{0.03, 0.02, 0.01, 0.01}},
	} {
		c := still()
		c.Topology.RacksPerZone = 99
		c.Data.ShardsPerNode, c.Data.ReplicationFactor, c.Data.Quorum = 1, 1, 1
		c.Failures.Permanent.MTTF, c.Failures.Replacement = x.mttf, 10*time.Hour
		c.Monitor.Heartbeat, c.Monitor.Timeout = time.Millisecond, time.Millisecond
		c.Monitor.HoldReview = 10_000 * time.Hour
		c.Horizon = 2600 * time.Hour * time.Duration(x.mttf/(50*time.Hour))
		w := newTest(t, c)
		p := newPlayer(w)
		dead := newGauge(w)
		var triple [4]*gauge
		for j := range triple {
			triple[j] = newGauge(w)
		}
		count := func(int32) {
			if w.now < 100*env.Hour { // a node's state is forgotten in 10 h
				dead.reset()
				for _, g := range triple {
					g.reset()
				}
			}
			gone := 0
			for _, f := range w.nodeFlags[:w.nodes] {
				if f&nodeDead != 0 {
					gone++
				}
			}
			dead.set(float64(gone))
			for up, g := range triple {
				g.set(placement.Hit(w.nodes, gone, 3, 3-up))
			}
		}
		p.after = count
		lambda := 1 / x.mttf.Hours()
		want := repairman(3, 3, lambda, 0.1)
		var deads sample
		var triples [4]sample
		episodes := 20
		if long() {
			episodes = 200
		}
		tenfold(t, episodes, func(from, to int) []figure {
			for s := from; s < to; s++ {
				p.playWhole(seed.Seed(s), hold)
				deads = append(deads, dead.mean())
				for j, g := range triple {
					triples[j] = append(triples[j], g.mean())
				}
			}
			figures := []figure{deads.figure("dead nodes", 99*lambda/(lambda+0.1), half(x.plain))}
			for up, width := range x.triple {
				figures = append(figures, triples[up].figure(fmt.Sprint("P(running of 3) ", up), want[3-up], half(min(width, patience(width)))))
			}
			return figures
		})
	}
}

// workshop is a world of 100 machines, nodes, whose repair is to be filled
// again by the crews, the repairs that the zone takes at a time. Groups of 5
// nodes have the same shards, and a node has space for no more: what a node
// held can come back to it alone, once an empty machine is there. Of the copies
// that come back the last lasts as long as draw says, in hours, the others next
// to nothing. So a node's repair lasts as long as one draw; it begins anew if
// the node is lost again, or the one that is read, and hardly ever is all of a
// group lost.
type workshop struct {
	p      *player
	down   []bool     // dead, or its long repair is not over
	since  []env.Time // when that began
	long   []int32    // the shard of its long repair, or none
	broken *gauge     // nodes down
	busy   *gauge     // whether no fewer are down than there are crews
	hours  float64    // of downtime that is over,
	times  int        // and how often
}

func newWorkshop(t *testing.T, crews int, mttf time.Duration, draw func() float64) *workshop {
	c := still()
	c.Topology.RacksPerZone = 100
	c.Data.Placement.Kind, c.Data.Placement.ScatterWidth = "copyset", 4
	c.Data.ShardsPerNode, c.Data.ReplicationFactor, c.Data.Quorum = 1, 5, 1
	c.Data.ShardGB, c.Data.NodeGB = 1e-6, 40e-6
	c.Failures.Permanent.MTTF, c.Failures.Replacement = mttf, time.Minute
	c.Monitor.Heartbeat, c.Monitor.Timeout = time.Millisecond, time.Millisecond
	c.Repair = Repair{StreamMBps: 1, FastFactor: 1, ZoneMBps: float64(crews), StreamsPerNode: 100}
	c.Limits.FreeSpace = 0
	c.Horizon = 50_000 * time.Hour
	p := newPlayer(newTest(t, c))
	w := p.w
	w.capacity = 5
	w.cfg.Failures.Replacement = 0 // 2 ms, lest what was there go elsewhere meanwhile
	x := &workshop{
		p: p, down: make([]bool, w.nodes), since: make([]env.Time, w.nodes), long: make([]int32, w.nodes),
		broken: newGauge(w), busy: newGauge(w),
	}
	p.resized(func(id int32) float64 {
		n := w.flows[id].target
		if !x.down[n] || x.long[n] != none || w.held[n]+int32(w.inUsed[n]) < 5 {
			return instant
		}
		x.long[n] = w.flows[id].shard
		return draw()
	})
	look := p.after
	p.after = func(id int32) {
		if n := int32(w.struck(permanent, id)); n >= 0 && !x.down[n] {
			x.down[n], x.since[n] = true, w.now
		}
		broken := 0.0
		for n, down := range x.down {
			if !down {
				continue
			}
			if s := x.long[n]; s != none && w.holds(s, int32(n)) {
				x.down[n], x.long[n] = false, none
				x.hours += (w.now - x.since[n]).Hours()
				x.times++
				continue
			} else if s != none && !x.underWay(int32(n)) {
				x.long[n] = none // cut short: it begins anew
			}
			broken++
		}
		if w.now < 1000*env.Hour {
			x.hours, x.times = 0, 0
			x.broken.reset()
			x.busy.reset()
		}
		x.broken.set(broken)
		x.busy.set(0)
		if int(broken) >= crews {
			x.busy.set(1)
		}
		look(id)
	}
	return x
}

// holds reports whether node n has a live copy of shard s.
func (w *World) holds(s, n int32) bool {
	for _, r := range w.copiesOf(s) {
		if r.state() == replicaLive && r.node() == n {
			return true
		}
	}
	return false
}

// underWay reports whether the long repair of node n is in flight: a repair of
// the size that all have as they begin is another one.
func (x *workshop) underWay(n int32) bool {
	w := x.p.w
	for _, id := range w.into[n*w.streams : (n+1)*w.streams] {
		if id == none {
			continue
		}
		f := &w.flows[id]
		if f.shard == x.long[n] && !within(f.end-f.start, w.shardBytes, 1e-6) {
			return true
		}
	}
	return false
}

// play plays the episode of seed s.
func (x *workshop) play(s seed.Seed) {
	clear(x.down)
	fill(x.long, none)
	x.p.playWhole(s, giveUp)
}

// TestWorkshop: machines that fail at rate λ = 1/1000 h and whose repair takes
// an exponential time of mean 10 h, by c crews: the machine repairman.
// E[not running] is 7.570045 for one crew, 1.287964 for two, 0.990892 for
// five and 0.990099 for a hundred; the mean downtime follows from Little's law.
func TestWorkshop(t *testing.T) {
	const lambda, mu = 1.0 / 1000, 1.0 / 10
	for _, x := range []struct {
		crews    int
		want     float64 // E[not running]
		plain    float64 // half-width
		episodes int
	}{
		{1, 7.570045, 0.12, 12},
		{2, 1.287964, 0.05, 12},
		{5, 0.990892, 0.05, 12},
		{100, 0.990099, 0.05, 12},
	} {
		p := repairman(100, x.crews, lambda, mu)
		if !within(expectation(p), x.want, 1e-6) {
			t.Errorf("%d crews: the formula gives %g, want %g", x.crews, expectation(p), x.want)
		}
		rng := rand.New(rand.NewPCG(2, 2))
		shop := newWorkshop(t, x.crews, 1000*time.Hour, func() float64 { return 10 * rng.ExpFloat64() })
		width, episodes := patience(x.plain), x.episodes
		if long() {
			episodes *= 8
		}
		var broken, busy, downtime sample
		name := fmt.Sprint(x.crews, " crews: ")
		tenfold(t, episodes, func(from, to int) []figure {
			for s := from; s < to; s++ {
				shop.hours, shop.times = 0, 0
				shop.play(seed.Seed(s))
				broken = append(broken, shop.broken.mean())
				busy = append(busy, shop.busy.mean())
				downtime = append(downtime, shop.hours/float64(shop.times))
			}
			figures := []figure{
				broken.figure(name+"nodes not running", x.want, half(width)),
				downtime.figure(name+"mean downtime, h", x.want/(lambda*(100-x.want)), half(width)),
			}
			if x.crews <= 2 {
				figures = append(figures, busy.figure(name+"P(all busy)", atLeast(p, x.crews), half(width)))
			}
			return figures
		})
	}
}

// repairShop simulates n machines that fail at rate λ while they run and whose
// repair takes a constant time d, by c crews. A repair begins anew at rate
// anew: where the machine, or the one that it is filled from, is lost. It gives
// the mean number that do not run over some hours. The crews take whom they
// like: all repairs are alike, and their number does not depend on it.
func repairShop(n, c int, lambda, anew, d, hours float64, rng *rand.Rand) float64 {
	var ends []float64 // of the repairs under way
	down := 0
	now, area := 0.0, 0.0
	for now < hours {
		rate := lambda*float64(n-down) + anew*float64(len(ends))
		next := now + rng.ExpFloat64()/rate
		first := -1
		for i, end := range ends {
			if end < next {
				next, first = end, i
			}
		}
		area += float64(down) * (next - now)
		now = next
		switch {
		case first >= 0:
			ends = append(ends[:first], ends[first+1:]...)
			down--
		case rng.Float64()*rate < anew*float64(len(ends)):
			ends[rng.IntN(len(ends))] = now + d
		default:
			down++
		}
		for len(ends) < min(c, down) {
			ends = append(ends, now+d)
		}
	}
	return area / now
}

// TestConstantWorkshop: repairs of constant duration, the world's own law. For
// one crew, M/D/1 with a finite population, and two, against a simulation of
// their own.
func TestConstantWorkshop(t *testing.T) {
	for _, x := range []struct {
		crews int
		plain float64
	}{{1, 0.1}, {2, 0.05}} {
		rng := rand.New(rand.NewPCG(9, 9))
		var twin, broken sample
		shop := newWorkshop(t, x.crews, 1000*time.Hour, func() float64 { return 10 })
		width, episodes := patience(x.plain), 12
		if long() {
			episodes *= 8
		}
		tenfold(t, episodes, func(from, to int) []figure {
			for range 20 * (to - from) / episodes {
				twin = append(twin, repairShop(100, x.crews, 1.0/1000, 2.0/1000, 10, 1e6, rng))
			}
			if se := twin.se(); se > half(0.01)*twin.mean() {
				t.Errorf("the simulation gives %g ± %g", twin.mean(), se)
			}
			for s := from; s < to; s++ {
				shop.play(seed.Seed(s))
				broken = append(broken, shop.broken.mean())
			}
			return []figure{broken.figure(fmt.Sprint(x.crews, " crews: nodes not running"), twin.mean(), half(width)).twin(twin.se())}
		})
	}
}
