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
	copies, slow, fast, unavailable, short int
	charged                                float64 // shards, times the value of their tiers
	copiesBy                               [providers]int
	load                                   loadTwin
	repairs                                []twin // by flow
	lost                                   []bool
	under                                  []bool

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
	requests      requestLedger
	cut           int      // repairs that ended before they were complete
	fastest       float64  // largest rate, bytes/µs
	flags         []uint16 // of the nodes, when it was last looked at them
	worst         float64  // largest error of a completion, µs
}

// twin is one repair.
type twin struct {
	shard          int32
	source, target int32
	begun          float64 // the world's clock then, only to tell repairs apart
	fast           bool
	left           float64 // bytes
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
	b.requests = w.ledger.requests
	b.shortUS, b.degraded, b.lostCount = w.ledger.shortSeconds*1e6, int(w.ledger.degraded), int(w.ledger.lost)
	for s := range b.lost {
		b.lost[s] = w.info[s].flags&shardLost != 0
		b.under[s] = w.readableOf(int32(s)) < int(w.info[s].want)
	}
	b.count()
	b.countLoad()
	p.before = func(int32) { b.advance() }
	p.after = func(int32) { b.look(); b.count(); b.countLoad() }
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
		b.countLoad()
	}
	return b
}

// count counts everything.
func (b *books) count() {
	w := b.w
	b.flags = append(b.flags[:0], w.nodeFlags...)
	b.copiesBy = [providers]int{}
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
				b.copiesBy[b.provider(n)]++
				intact++
				if w.records[r].state() == replicaLive && w.nodeFlags[n]&nodeDeclared == 0 && !w.q.pending(w.timers.returns+n) && w.cuts[int(n)/w.cfg.Topology.NodesPerRack] == 0 {
					readable++
				}
			}
		}
		if intact == 0 && !b.lost[s] {
			b.lump(partLoss, w.cfg.Data.ShardGB/1000*w.cfg.Prices.LossPerTB*b.value(s))
			b.lostCount++
		}
		b.lost[s] = intact == 0
		if readable < w.cfg.Data.Quorum {
			b.unavailable++
			if intact > 0 {
				b.charged += b.value(s)
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
			b.copiesBy[b.provider(b.repairs[f].target)]++
			if b.repairs[f].fast {
				b.fast++
			} else {
				b.slow++
			}
		}
	}
}

// value is that of the tier of shard s: the tiers share the shards out in order.
func (b *books) value(s int) float64 {
	part := (float64(s) + 0.5) / float64(b.w.shards)
	for _, x := range b.w.cfg.Data.Tiers {
		if part -= x.Share; part < 1e-9 {
			return x.Value
		}
	}
	return 1
}

// provider is that of node n, tariff what it charges.
func (b *books) provider(n int32) int {
	names := b.w.cfg.Prices.Providers
	if len(names) == 0 {
		return 0
	}
	return slices.Index(providerNames[:], names[b.zone(n)/b.w.cfg.Topology.ZonesPerRegion%len(names)])
}

func (b *books) tariff(n int32) *tariff { return &b.w.tariff[b.provider(n)] }

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
			weight[b.zone(b.repairs[f].target)] += x[f]
		}
	}
	for f := range x {
		if x[f] > 0 {
			share := w.cfg.Repair.ZoneMBps * throttles[w.throttle] * x[f] / weight[b.zone(b.repairs[f].target)]
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
	storage, constant := 0.0, 0.0
	for i, n := range b.copiesBy {
		storage += float64(n) * w.cfg.Data.ShardGB * w.tariff[i].storagePerGBMonth / 730
	}
	for _, n := range w.layout.Nodes {
		constant += w.cfg.Data.ShardGB * b.tariff(n).storagePerGBMonth / 730
	}
	running := [parts]float64{
		partStorage:        storage,
		partInterference:   float64(b.slow)*w.cfg.Prices.SlowRepairPerHour + float64(b.fast)*w.cfg.Prices.FastRepairPerHour,
		partUnavailability: b.charged * w.cfg.Data.ShardGB / 1000 * w.cfg.Prices.UnavailablePerTBHour,
	}
	rate := -constant
	if w.load.on {
		x := &b.load
		running[partTraffic] = x.traffic[0] + x.traffic[1] + x.traffic[2]
		running[partServers] = x.servers
		running[partRequests] = x.requests
		running[partSlow] = x.slow
		running[partRefused] = x.refused
		rate -= x.servers + x.constant
		s := us / 1e6
		b.requests.offered += x.offered * s
		b.requests.served += x.served * s
		b.requests.stale += x.stale * s
		for i, y := range x.traffic {
			b.requests.traffic[i] += y * hours
		}
	}
	for p, r := range running {
		b.dollars[p] += r * hours
		rate += r
	}
	// ∫ e^(−t/τ) dt = e^(−t₀/τ) · τ · (1 − e^(−hours/τ))
	tau := w.cfg.Reward.TimeConstant.Hours()
	integral := tau * -math.Expm1(-hours/tau)
	b.discounted += rate * math.Exp(-(b.at-b.start).Hours()/tau) * integral
	b.storage += (storage - constant) * math.Exp(-(b.at-b.stepStart).Hours()/tau) * integral
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
		x := &w.flows[f]
		now := twin{shard: x.shard, source: x.source, target: x.target, begun: x.start, fast: x.fast, left: size}
		if old.shard != none && now.shard == old.shard && now.source == old.source && now.target == old.target && now.begun == old.begun {
			if old.left < -tolerance {
				b.fail("time %d: repair %d goes on %g bytes after its end", w.now, f, -old.left)
			}
			continue
		}
		dst := old.target
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
	price, class := 0.0, 0
	x := b.tariff(src)
	switch {
	case from/zones != to/zones && *x != *b.tariff(dst):
		price, class = x.internetPerGB, trafficInternet
	case from/zones != to/zones:
		price, class = x.nearPerGB, trafficRegion
	case from != to:
		price, class = x.zonePerGB, trafficZone
	}
	b.bytes += bytes
	b.requests.traffic[class] += bytes / 1e9 * price
	b.lump(partTraffic, bytes/1e9*price)
}

// loadTwin are the rates and the costs of requests, dollars an hour.
type loadTwin struct {
	offered, served, stale                     float64 // a second
	requests, slow, refused, servers, constant float64
	traffic                                    [trafficClasses]float64
}

// countLoad works out what becomes of requests now, see bruteForce.
func (b *books) countLoad() {
	w := b.w
	if !w.load.on {
		return
	}
	f := bruteForce(w, false)
	c := &w.cfg.Load
	x := &b.load
	*x = loadTwin{offered: w.load.process.Rate(), served: f.served, stale: f.stale}
	done := 0.0
	if f.served > 0 {
		done = f.served / (f.reads + f.writes)
	}
	var read, write, internet float64
	nodes := float64(w.nodes)
	for n := range int32(w.nodes) {
		t := b.tariff(n)
		read += t.readPerMillion / 1e6 / nodes
		write += t.writePerMillion / 1e6 / nodes
		internet += t.internetPerGB / 1e9 / nodes
		x.servers += t.serverPerHour
	}
	x.requests = 3600 * done * (f.reads*read + f.writes*write)
	x.constant = 3600 * x.offered * (c.ReadShare*read + (1-c.ReadShare)*write)
	x.slow = 3600 * f.slow * w.cfg.Prices.SlowPerMillion / 1e6
	x.refused = 3600 * f.refused * w.cfg.Prices.RefusedPerMillion / 1e6
	// The mean price of a byte over all ordered pairs of zones at a distance.
	var sum [distances][trafficClasses]float64
	var pairs [distances]float64
	for a := range w.zones {
		for z := range w.zones {
			src, dst := int32(a*w.nodesPerZone), int32(z*w.nodesPerZone)
			d := w.distance(src, dst)
			pairs[d]++
			switch t := b.tariff(src); {
			case d == 1:
				sum[d][trafficZone] += t.zonePerGB
			case d == 2 && b.provider(src) == b.provider(dst):
				sum[d][trafficRegion] += t.nearPerGB
			case d == 2:
				sum[d][trafficInternet] += t.internetPerGB
			}
		}
	}
	for d := 1; d < distances; d++ {
		bytes := done * ((f.reads*c.ReadBytes+f.writes*c.WriteBytes)*f.near[d] + f.copied*c.WriteBytes*w.load.spread.pairs[d])
		for class := range x.traffic {
			if pairs[d] > 0 {
				x.traffic[class] += 3600 * bytes / 1e9 * sum[d][class] / pairs[d]
			}
		}
	}
	x.traffic[trafficInternet] += 3600 * done * f.reads * c.ReadBytes * c.InternetShare * internet
}

// end closes the books.
func (b *books) end() {
	size := b.w.cfg.Data.ShardGB * 1e9
	for _, r := range b.repairs {
		if r.shard != none {
			b.traffic(r.source, r.target, size-max(r.left, 0))
		}
	}
	if b.w.load.on { // the episode is shorter than a month
		bill := b.dollars[partStorage] + b.dollars[partTraffic] + b.dollars[partServers] + b.dollars[partRequests]
		switch served := b.requests.served / b.requests.offered; {
		case served < 0.95:
			b.lump(partCredits, bill)
		case served < 0.99:
			b.lump(partCredits, bill/4)
		case served < 0.999:
			b.lump(partCredits, bill/10)
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
		total, slack := 0.0, 0.0
		for part, want := range b.dollars {
			seen[part] += want
			total += want
			tolerance := 1e-7 * (1 + math.Abs(want))
			if part == int(partRequests) || part == int(partRefused) || part == int(partCredits) {
				tolerance += 1e-5 * want // as below, where they are overloaded
				slack += tolerance
			}
			if part == int(partSlow) {
				// The world takes nodes of about equal utilisation together.
				tolerance += 0.02 * want
				slack += tolerance
			}
			if got := l.dollars[part]; math.Abs(got-want) > tolerance {
				fail("part %d of the cost: %g, want %g", part, got, want)
			}
		}
		m, metrics := p.w.Measure(nil), p.w.Spec().Metrics
		days := p.w.now.Hours() / 24
		checked := 0
		for _, x := range []struct {
			name           string
			want, den      float64
			relative, more float64
		}{
			{"cost_usd_per_day", total, days, 1e-7, slack},
			{"cost_storage_usd_per_day", b.dollars[partStorage], days, 1e-7, 0},
			{"cost_traffic_usd_per_day", b.dollars[partTraffic], days, 1e-7, 0},
			{"cost_interference_usd_per_day", b.dollars[partInterference], days, 1e-7, 0},
			{"cost_unavailability_usd_per_day", b.dollars[partUnavailability], days, 1e-7, 0},
			{"cost_loss_usd_per_day", b.dollars[partLoss], days, 1e-7, 0},
			{"cost_actions_usd_per_day", b.dollars[partActions], days, 1e-7, 0},
			{"cost_servers_usd_per_day", b.dollars[partServers], days, 1e-7, 0},
			{"cost_requests_usd_per_day", b.dollars[partRequests], days, 2e-5, 0},
			{"cost_refused_usd_per_day", b.dollars[partRefused], days, 2e-5, 0},
			{"cost_credits_usd_per_day", b.dollars[partCredits], days, 2e-5, 0},
			{"cost_traffic_zone_usd_per_day", b.requests.traffic[trafficZone], days, 1e-7, 0},
			{"cost_traffic_region_usd_per_day", b.requests.traffic[trafficRegion], days, 1e-7, 0},
			{"cost_traffic_internet_usd_per_day", b.requests.traffic[trafficInternet], days, 1e-7, 0},
			{"request_availability", b.requests.served, b.requests.offered, 2e-5, 0},
			{"stale_per_million", 1e6 * b.requests.stale, b.requests.offered, 2e-5, 0},
			{"availability", float64(p.w.shards)*p.w.now.Seconds() - b.unavailableUS/1e6, float64(p.w.shards) * p.w.now.Seconds(), 1e-9, 0},
			{"lost_shards", float64(b.lostCount), 1, 0, 0},
			{"repair_bytes_per_day", b.bytes, days, 1e-7, 0},
			{"mttr_seconds", b.shortUS / 1e6, float64(b.degraded), 1e-9, 0},
		} {
			for i := range metrics {
				if metrics[i].Name != x.name {
					continue
				}
				checked++
				if got := m[i].Num; math.Abs(got-x.want) > x.relative*(1+math.Abs(x.want))+x.more {
					fail("%s: %g, want %g", x.name, got, x.want)
				}
				close := 1e-9
				if x.name == "mttr_seconds" {
					close = 5e-3 // a shard may be whole and short again within an event
				}
				if got := m[i].Den; !within(got, x.den, close) {
					fail("%s: over %g, want %g", x.name, got, x.den)
				}
			}
		}
		if want := []int{11, 20}[map[bool]int{true: 1}[p.w.load.on]]; checked != want {
			fail("%d metrics checked, want %d", checked, want)
		}
		if got, want := sum, -b.discounted/c.Reward.ScaleUSD; math.Abs(got-want) > 1e-5*(scale+1e-3)+slack/c.Reward.ScaleUSD {
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
