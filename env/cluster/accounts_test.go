package cluster

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"mend/env"
	"mend/env/seed"
)

// books keep a second account of an episode, in the plainest way: after every
// event all records are counted anew, and every repair has its own count of
// bytes left, which is brought forward at its present rate. Nothing is taken
// from the world's ledger, clocks or counters.
type books struct {
	w    *World
	fail func(format string, args ...any)

	start, at env.Time // of the first step; of the last event
	// Since the last event.
	copies, slow, fast, charged, unavailable, short int
	repairs                                         []twin // by flow
	lost                                            []bool
	under                                           []bool

	dollars       [parts]float64
	discounted    float64 // cost above C₀, from the start of the first step
	stepStart     env.Time
	storage       float64 // cost of storage above C₀, from stepStart
	bytes         float64
	unavailableUS float64
	shortUS       float64
	degraded      int
	lostCount     int
	completed     int
	cut           int      // repairs that ended before they were complete
	fastest       float64  // largest rate, bytes/µs
	flags         []uint16 // of the nodes, when it was last looked at them
	worst         float64  // largest error of a completion, µs
}

// twin is one repair.
type twin struct {
	shard, source int32
	begun         float64 // the world's clock then, only to tell repairs apart
	fast          bool
	left          float64 // bytes
}

func keepBooks(p *player, fail func(string, ...any)) *books {
	w := p.w
	b := &books{
		w: w, fail: fail, start: w.now, at: w.now, stepStart: w.now,
		repairs: make([]twin, len(w.flows)), lost: make([]bool, w.shards), under: make([]bool, w.shards),
	}
	for f := range b.repairs {
		b.repairs[f].shard = none
	}
	// What happened before the first question is no step's; it involved no
	// orders.
	b.dollars, b.unavailableUS = w.ledger.dollars, w.ledger.unavailableSeconds*1e6
	b.shortUS, b.degraded, b.lostCount = w.ledger.shortSeconds*1e6, int(w.ledger.degraded), int(w.ledger.lost)
	for s := range b.lost {
		b.lost[s] = w.info[s].flags&shardLost != 0
		b.under[s] = w.readableOf(int32(s)) < int(w.info[s].want)
	}
	b.count()
	p.before = func(int32) { b.advance() }
	p.after = func(int32) { b.look(); b.count() }
	p.acted = func(a Action) {
		b.stepStart, b.storage = w.now, 0
		switch a {
		case Restart:
			b.lump(partActions, w.cfg.Prices.Restart)
		case Replace:
			b.lump(partActions, w.cfg.Prices.Replace)
		}
		for n, before := range b.flags {
			if set := w.nodeFlags[n] &^ before; set&nodeDeclared != 0 {
				b.lump(partActions, w.cfg.Prices.Declare)
			} else if set&nodeFailedOver != 0 {
				b.lump(partActions, w.cfg.Prices.FailOver)
			}
		}
		b.look()
		b.count()
	}
	return b
}

// count counts everything.
func (b *books) count() {
	w := b.w
	b.flags = append(b.flags[:0], w.nodeFlags...)
	b.copies, b.slow, b.fast, b.charged, b.unavailable, b.short = 0, 0, 0, 0, 0, 0
	for s := range w.shards {
		readable, intact := 0, 0
		for r := s * w.width; r < (s+1)*w.width; r++ {
			if w.records[r].state() == replicaNone {
				continue
			}
			n := w.records[r].node()
			alive := w.nodeFlags[n]&nodeDead == 0
			switch {
			case w.records[r].state() == replicaRebuilding: // counted with the repairs
			case alive:
				b.copies++
				intact++
				if w.records[r].state() == replicaLive && w.nodeFlags[n]&nodeDeclared == 0 && !w.q.pending(w.timers.returns+n) && w.cuts[int(n)/w.cfg.Topology.NodesPerRack] == 0 {
					readable++
				}
			}
		}
		if intact == 0 && !b.lost[s] {
			b.lump(partLoss, w.cfg.Data.ShardGB/1000*w.cfg.Prices.LossPerTB)
			b.lostCount++
		}
		b.lost[s] = intact == 0
		if readable < w.cfg.Data.Quorum {
			b.unavailable++
			if intact > 0 {
				b.charged++
			}
		}
		if under := readable < int(w.info[s].want); under != b.under[s] {
			if b.under[s] = under; under {
				b.degraded++
			}
		}
		if b.under[s] {
			b.short++
		}
	}
	for f := range b.repairs {
		if b.repairs[f].shard != none {
			b.copies++
			if b.repairs[f].fast {
				b.fast++
			} else {
				b.slow++
			}
		}
	}
}

func (b *books) zone(n int32) int {
	return int(n) / (b.w.cfg.Topology.RacksPerZone * b.w.cfg.Topology.NodesPerRack)
}

// rates are the bytes a microsecond of every repair: a zone's bandwidth is
// shared in proportion to weight, and no repair of weight x gets more than x
// streams.
func (b *books) rates() []float64 {
	w := b.w
	weight := make([]float64, w.cfg.Topology.Zones())
	x := make([]float64, len(b.repairs))
	for f, r := range b.repairs {
		if r.shard != none {
			x[f] = 1
			if r.fast {
				x[f] = float64(w.cfg.Repair.FastFactor)
			}
			weight[b.zone(int32(f/w.cfg.Repair.StreamsPerNode))] += x[f]
		}
	}
	for f := range x {
		if x[f] > 0 {
			share := w.cfg.Repair.ZoneMBps * throttles[w.throttle] * x[f] / weight[b.zone(int32(f/w.cfg.Repair.StreamsPerNode))]
			x[f] = min(w.cfg.Repair.StreamMBps*x[f], share) // MB/s are bytes/µs
			b.fastest = max(b.fastest, x[f])
		}
	}
	return x
}

// advance brings everything to now at the rates counted last.
func (b *books) advance() {
	w := b.w
	us := float64(w.now - b.at)
	if us == 0 {
		return
	}
	hours := us / 3.6e9
	perCopy := w.cfg.Data.ShardGB * w.cfg.Prices.StoragePerGBMonth / 730
	running := [parts]float64{
		partStorage:        float64(b.copies) * perCopy,
		partInterference:   float64(b.slow)*w.cfg.Prices.SlowRepairPerHour + float64(b.fast)*w.cfg.Prices.FastRepairPerHour,
		partUnavailability: float64(b.charged) * w.cfg.Data.ShardGB / 1000 * w.cfg.Prices.UnavailablePerTBHour,
	}
	constant := float64(w.shards*w.cfg.Data.ReplicationFactor) * perCopy
	rate := -constant
	for p, r := range running {
		b.dollars[p] += r * hours
		rate += r
	}
	// ∫ e^(−t/τ) dt = e^(−t₀/τ) · τ · (1 − e^(−hours/τ))
	tau := w.cfg.Reward.TimeConstant.Hours()
	integral := tau * -math.Expm1(-hours/tau)
	b.discounted += rate * math.Exp(-(b.at-b.start).Hours()/tau) * integral
	b.storage += (running[partStorage] - constant) * math.Exp(-(b.at-b.stepStart).Hours()/tau) * integral
	b.unavailableUS += float64(b.unavailable) * us
	b.shortUS += float64(b.short) * us
	for f, rate := range b.rates() {
		b.repairs[f].left -= rate * us
	}
	b.at = w.now
}

func (b *books) lump(p part, dollars float64) {
	b.dollars[p] += dollars
	b.discounted += dollars * math.Exp(-(b.w.now-b.start).Hours()/b.w.cfg.Reward.TimeConstant.Hours())
}

// look compares the repairs in flight with those before the event.
func (b *books) look() {
	w := b.w
	size := w.cfg.Data.ShardGB * 1e9
	tolerance := 2 * max(b.fastest, 1) // what is moved in 2 µs
	for f := range b.repairs {
		old := &b.repairs[f]
		now := twin{shard: w.flows[f].shard, source: w.flows[f].source, begun: w.flows[f].start, fast: w.flows[f].fast, left: size}
		if old.shard != none && now.shard == old.shard && now.source == old.source && now.begun == old.begun {
			if old.left < -tolerance {
				b.fail("time %d: repair %d goes on %g bytes after its end", w.now, f, -old.left)
			}
			continue
		}
		dst := int32(f / w.cfg.Repair.StreamsPerNode)
		if old.shard != none {
			if slices.ContainsFunc(w.copiesOf(old.shard), func(r replica) bool { return r.state() == replicaLive && r.node() == dst }) {
				b.completed++
				if math.Abs(old.left) > tolerance {
					b.fail("time %d: repair %d is complete with %g bytes left, want none within %g", w.now, f, old.left, tolerance)
				}
				b.worst = max(b.worst, math.Abs(old.left)/max(b.fastest, 1))
			} else {
				b.cut++
			}
			b.traffic(old.source, dst, size-max(old.left, 0))
		}
		if *old = now; now.shard == none {
			old.left = 0
		}
	}
}

// traffic charges for bytes moved: nothing within a zone.
func (b *books) traffic(src, dst int32, bytes float64) {
	zones := b.w.cfg.Topology.ZonesPerRegion
	from, to := b.zone(src), b.zone(dst)
	price := 0.0
	switch {
	case from/zones != to/zones:
		price = b.w.cfg.Prices.CrossRegionPerGB
	case from != to:
		price = b.w.cfg.Prices.CrossZonePerGB
	}
	b.bytes += bytes
	b.lump(partTraffic, bytes/1e9*price)
}

// end closes the books.
func (b *books) end() {
	size := b.w.cfg.Data.ShardGB * 1e9
	for f, r := range b.repairs {
		if r.shard != none {
			b.traffic(r.source, int32(f/b.w.cfg.Repair.StreamsPerNode), size-max(r.left, 0))
		}
	}
}

// TestAccounts compares the world's ledger with books kept apart from it, over
// random worlds and policies:
//
//   - every part of the cost, and their sum;
//   - the sum of rewards, discounted by γ^Elapsed, with the cost above C₀
//     discounted by e^(−t/τ) from the first question on;
//   - the end of every repair, within 2 µs of exact processor sharing;
//   - dollars of traffic: bytes by price of the distance;
//   - availability, lost shards, bytes repaired, time to repair.
//
// Tolerances are for float32 rewards and for sums in another order.
func TestAccounts(t *testing.T) {
	episodes := uint64(24)
	if long() {
		episodes = 400
	}
	completed, cut, worst := 0, 0, 0.0
	var seen [parts]float64
	for k := range episodes {
		rng := rand.New(rand.NewPCG(k, 21))
		c := randomConfig(rng)
		if k%3 == 0 {
			c = small()
			c.Repair.ZoneMBps = 60
		}
		c.Horizon = min(c.Horizon, 5*days)
		c.Reward.TimeConstant = c.Reward.TimeConstant * 2 / 3
		p := newPlayer(newTest(t, c))
		policy := random(k)
		if k%2 == 0 {
			policy = baselinePolicy(t, "rf3-eager", p.w)
		}
		p.reset(seed.Seed(k))
		fail := func(format string, args ...any) {
			t.Fatalf("seed %d: %s", k, fmt.Sprintf(format, args...))
		}
		b := keepBooks(p, fail)
		gamma := p.w.Spec().Gamma
		sum, scale, elapsed := 0.0, 0.0, 0.0
		for {
			o := p.step(policy(p))
			r := math.Pow(gamma, elapsed) * float64(o.Reward)
			sum, scale = sum+r, scale+math.Abs(r)
			elapsed += float64(o.Elapsed)
			if o.Truncated {
				break
			}
		}
		b.end()
		completed, cut, worst = completed+b.completed, cut+b.cut, max(worst, b.worst)

		l := &p.w.ledger
		total := 0.0
		for part, want := range b.dollars {
			seen[part] += want
			total += want
			if got := l.dollars[part]; math.Abs(got-want) > 1e-7*(1+math.Abs(want)) {
				fail("part %d of the cost: %g, want %g", part, got, want)
			}
		}
		m := p.w.Measure(nil)
		for i, x := range []struct{ want, relative float64 }{
			{total, 1e-7}, {b.dollars[0], 1e-7}, {b.dollars[1], 1e-7}, {b.dollars[2], 1e-7}, {b.dollars[3], 1e-7}, {b.dollars[4], 1e-7}, {b.dollars[5], 1e-7},
			{float64(p.w.shards)*p.w.now.Seconds() - b.unavailableUS/1e6, 1e-9},
			{float64(b.lostCount), 0}, {b.bytes, 1e-7}, {b.shortUS / 1e6, 1e-9},
		} {
			if got := m[i].Num; math.Abs(got-x.want) > x.relative*(1+math.Abs(x.want)) {
				fail("%s: %g, want %g", metrics[i].Name, got, x.want)
			}
		}
		if got := m[10].Den; got != float64(b.degraded) {
			fail("%g times short of copies, want %d", got, b.degraded)
		}
		if got, want := sum, -b.discounted/c.Reward.ScaleUSD; math.Abs(got-want) > 1e-5*(scale+1e-3) {
			fail("the discounted return is %g, want %g", got, want)
		}
		if got, want := elapsed, float64(p.w.now-b.start)/float64(simulated(c.Reward.Interval)); !within(got, want, 1e-5) {
			fail("steps took %g intervals, want %g", got, want)
		}
	}
	t.Logf("%d repairs completed, at most %.3g µs off; %d cut short; dollars by part %.4g", completed, worst, cut, seen)
	if completed < 2000 || cut < 500 {
		t.Errorf("%d repairs completed and %d cut short, want more", completed, cut)
	}
	for part, d := range seen {
		if d == 0 {
			t.Errorf("part %d of the cost is 0 everywhere", part)
		}
	}
}

// TestConstantRate: what all actions cost alike is not in the reward. Storage
// at twice the price changes the reward of each step by the storage of the
// copies beyond, or short of, those wanted, and by nothing else.
func TestConstantRate(t *testing.T) {
	c := small()
	c.Horizon = 5 * days
	dear := c
	dear.Prices.StoragePerGBMonth *= 2
	for k := range uint64(4) {
		p, q := newPlayer(newTest(t, c)), newPlayer(newTest(t, dear))
		p.reset(seed.Seed(k))
		q.reset(seed.Seed(k))
		b := keepBooks(p, t.Fatalf)
		policy := random(k)
		differ := 0
		for {
			a := policy(p)
			o, d := p.step(a), q.step(a)
			want := -b.storage / c.Reward.ScaleUSD
			// Both rewards are rounded to 2⁻²⁴ of themselves.
			slack := 1e-7 * (math.Abs(float64(o.Reward)) + math.Abs(float64(d.Reward)))
			if got := float64(d.Reward) - float64(o.Reward); math.Abs(got-want) > slack+1e-9 {
				t.Fatalf("seed %d, time %d: the rewards differ by %g, want %g", k, p.w.now, got, want)
			}
			if want != 0 {
				differ++
			}
			if o.Truncated {
				break
			}
		}
		if differ == 0 {
			t.Errorf("seed %d: there were never more or fewer copies than wanted", k)
		}
	}
	// Where nothing is lost or added, nothing differs.
	c.Failures.Permanent.MTTF, c.Failures.Rack.LossProbability, c.Failures.Burst.LossProbability = 0, 0, 0
	dear = c
	dear.Prices.StoragePerGBMonth *= 2
	p, q := newPlayer(newTest(t, c)), newPlayer(newTest(t, dear))
	p.reset(1)
	q.reset(1)
	for steps := 0; ; steps++ {
		o, d := p.step(Hold), q.step(Hold)
		if o.Reward != d.Reward {
			t.Fatalf("step %d: rewards %g and %g under do-nothing", steps, o.Reward, d.Reward)
		}
		if o.Truncated {
			if steps < 100 {
				t.Errorf("only %d steps", steps)
			}
			break
		}
	}
}
