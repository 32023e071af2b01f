package cluster

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"mend/env"
	"mend/env/queueing"
	"mend/env/seed"
)

// withLoad is c under a load that keeps its nodes about half busy: 1000 requests
// a second and node, with crowds every other day.
func withLoad(c Config) Config {
	c.Load.RequestsPerSecond = 1000 * float64(c.Topology.Nodes())
	c.Load.ReadQuorum, c.Load.WriteQuorum = min(2, c.Data.ReplicationFactor), min(2, c.Data.ReplicationFactor)
	c.Load.Crowds.PerYear = 180
	return c
}

// constant makes the load of c the same at all times, and of all shards.
func constant(c Config, rate float64) Config {
	c.Load.RequestsPerSecond = rate
	c.Load.Seasons.Amplitude, c.Load.Seasons.Weekend = 0, 1
	c.Load.Noise.Fano = 1
	c.Load.Crowds.PerYear = 0
	c.Load.Popularity.ZipfExponent, c.Load.Popularity.SwapsPerHour = 0, 0
	return c
}

// trio is a cluster of three nodes, each of which holds all shards, so that all
// have the same to do. Nothing happens in it.
func trio(rate float64) Config {
	c := constant(still(), rate)
	c.Topology.RacksPerZone = 3
	c.Load.ReadQuorum, c.Load.WriteQuorum = 1, 2
	c.Horizon = 10 * days
	return c
}

func (w *World) metric(t testing.TB, name string) float64 {
	t.Helper()
	for i, m := range w.Measure(nil) {
		if w.Spec().Metrics[i].Name == name {
			return m.Num / m.Den
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// TestLoadLatency: under a constant load the latencies, the share above the SLO
// and the share served are those of env/queueing at the utilisation
//
//	ρ = rate·(reads/3 + writes)·S/servers,
//
// each read being served by one of three nodes and each write by all, plus the
// round trip of 0.25 ms.
func TestLoadLatency(t *testing.T) {
	for _, rate := range []float64{100, 5000, 8800, 9800} {
		c := trio(rate)
		c.Load.Service.SLOSeconds = 0.01
		p := newPlayer(newTest(t, c))
		p.play(1, hold)
		class := c.Load.Service
		rho := rate * (0.86/3 + 0.14) / class.Capacity()
		class.SLOSeconds -= 0.00025
		table, err := queueing.NewTable(class)
		if err != nil {
			t.Fatal(err)
		}
		want := table.At(rho)
		requests := rate * c.Horizon.Seconds()
		q := &p.w.ledger.requests
		for _, x := range []struct {
			what      string
			got, want float64
		}{
			{"requests", q.offered, requests},
			{"served", q.served, requests * want.Served},
			{"refused", q.refused, requests * (1 - want.Served)},
			{"slow", q.slow, requests * want.Served * want.Miss},
			{"mean latency", p.w.metric(t, "latency_mean_seconds"), want.Mean + 0.00025},
			{"p99", p.w.metric(t, "latency_p99_seconds"), want.P99 + 0.00025},
			{"availability", p.w.metric(t, "request_availability"), want.Served},
		} {
			if math.Abs(x.got-x.want) > 1e-9*math.Abs(x.want)+1e-6*requests*1e-9 {
				t.Errorf("%g requests/s, utilisation %g: %s %g, want %g", rate, rho, x.what, x.got, x.want)
			}
		}
	}
}

// TestLoadSlow: with one of three nodes slow, a third of the requests has its
// latency; the 99th percentile lies between those of the two kinds.
func TestLoadSlow(t *testing.T) {
	c := trio(3000)
	w := newTest(t, c)
	w.begin(1)
	w.setSlow(0, 3.2) // class 3
	w.evaluate()
	rho := 3000 * (0.86/3 + 0.14) / c.Load.Service.Capacity()
	healthy, slow := w.load.tables[0][0].At(rho), w.load.tables[3][0].At(3*rho)
	want := (2*healthy.Mean+slow.Mean)/3 + 0.00025
	if got := w.load.rates.latency / w.load.rates.served; !within(got, want, 1e-12) {
		t.Errorf("mean latency %g, want %g", got, want)
	}
	if got := w.load.rates.p99; got < healthy.P99 || got > slow.P99+0.00025 {
		t.Errorf("p99 %g, want %g to %g", got, healthy.P99, slow.P99)
	}
	// 3 % of all are the slowest 1 % of all: those of the slow node beyond its
	// 97th percentile.
	q := queueing.NewMGc(8, rho*c.Load.Service.Capacity(), 0.002*3, 1)
	if got, want := w.load.rates.p99-0.00025, q.SojournQuantile(0.97); !within(got, want, 0.05) {
		t.Errorf("p99 %g, want about %g", got, want)
	}
}

// TestLoadRepairs: a repair keeps a quarter of a server busy at both of its nodes,
// a fast one a whole server, which is 1/32 or 1/8 of their capacity.
func TestLoadRepairs(t *testing.T) {
	c := trio(3000)
	c.Load.RepairServers = 0.25
	w := newTest(t, c)
	w.begin(1)
	w.loadRepair(0, w.weight(false))
	w.loadRepair(1, w.weight(true))
	rho := 3000 * (0.86/3 + 0.14) / c.Load.Service.Capacity()
	table := w.load.tables[0][0]
	want := (table.At(rho+1.0/32).Mean+table.At(rho+1.0/8).Mean+table.At(rho).Mean)/3 + 0.00025
	if w.evaluate(); !within(w.load.rates.latency/w.load.rates.served, want, 1e-12) {
		t.Errorf("mean latency %g, want %g", w.load.rates.latency/w.load.rates.served, want)
	}
	w.loadRepair(0, -w.weight(false))
	w.loadRepair(1, -w.weight(true))
	if w.evaluate(); !within(w.load.rates.latency/w.load.rates.served, table.At(rho).Mean+0.00025, 1e-12) {
		t.Errorf("mean latency %g after the repairs, want %g", w.load.rates.latency/w.load.rates.served, table.At(rho).Mean+0.00025)
	}
}

// brute is what happens a second, worked out shard by shard and node by node.
type brute struct {
	refused, served, slow, stale, latency float64
	reads, writes, copied                 float64 // accepted, and the copies that writes go to beside the first
	near                                  [distances]float64
}

// bruteForce works out the rates of w without its counts. Shards without a rank
// have equal shares. Where exact, requests find the copies that there are;
// otherwise, those for shards without a rank share out as restFate and restNear
// have it.
func bruteForce(w *World, exact bool) (b brute) {
	c, p := &w.cfg.Load, w.load.process
	quorum := c.Consistency == ConsistencyQuorum
	ranks := map[int32]int{}
	for r := range p.Tracked() {
		ranks[p.ShardAt(r)] = r
	}
	up := func(n int32) bool { return w.up(n) && w.nodeFlags[n]&nodeDeclared == 0 }
	serving := 0.0
	stuck := 0.0
	for n := range int32(w.nodes) {
		if up(n) {
			serving++
		}
		stuck += float64(max(0, w.load.stuck[n]))
	}
	missing := 0.0
	readable := make([][]int32, w.shards)
	for s := range int32(w.shards) {
		for _, r := range w.copiesOf(s) {
			if r.state() == replicaLive && up(r.node()) {
				readable[s] = append(readable[s], r.node())
			}
		}
		missing += float64(max(0, int(w.info[s].want)-len(readable[s])))
	}
	work, request := make([]float64, w.nodes), make([]float64, w.nodes)
	readWork := 1.0
	if quorum {
		readWork = float64(c.ReadQuorum)
	}
	for s := range int32(w.shards) {
		nodes, want := readable[s], int(w.info[s].want)
		rank, tracked := ranks[s]
		share := p.Rest() / float64(w.shards-p.Tracked())
		primary := 0.0
		if missing > 0 {
			primary = min(1, stuck/missing) * float64(max(0, want-len(nodes))) / float64(want)
		}
		if tracked {
			share = p.Share(rank)
			live, down := 0.0, 0.0
			for _, r := range w.copiesOf(s) {
				if r.state() == replicaLive {
					live++
					if w.load.stuck[r.node()] != none {
						down++
					}
				}
			}
			if primary = 0; down > 0 {
				primary = down / live
			}
		}
		rate := p.Rate() * share / float64(w.zones)
		var near [distances]float64
		accepted := b.reads + b.writes
		for a := range w.zones {
			k, nearest := 0, 2
			for _, n := range nodes {
				if z := w.zoneOf(n); w.reaches(a, z) && w.reaches(z, a) {
					k++
				}
				d := 2
				if z := w.zoneOf(n); z == a {
					d = 0
				} else if w.regionOfZone(z) == w.regionOfZone(a) {
					d = 1
				}
				nearest = min(nearest, d)
			}
			near[nearest] += 1 / float64(w.zones)
			reads, writes := rate*c.ReadShare, rate*(1-c.ReadShare)
			switch {
			case quorum:
				if k < c.ReadQuorum {
					reads = 0
				}
				if k < c.WriteQuorum {
					writes = 0
				} else {
					writes *= 1 - primary
				}
			case k == 0:
				reads, writes = 0, 0
			default:
				if k < c.ReadQuorum {
					b.stale += reads
				}
				if k < c.WriteQuorum {
					b.stale += writes
				}
			}
			b.reads += reads
			b.writes += writes
			b.copied += writes * max(0, float64(k)-1)
			for _, n := range nodes {
				if tracked {
					work[n] += (reads*readWork)/float64(len(nodes)) + writes*float64(k)/float64(len(nodes))
					request[n] += (reads + writes) / float64(len(nodes))
				}
			}
			if !tracked { // spread over all nodes
				for n := range int32(w.nodes) {
					if up(n) {
						work[n] += (reads*readWork + writes*float64(k)) / serving
						request[n] += (reads + writes) / serving
					}
				}
			}
		}
		if !tracked && !exact {
			near = w.restNear()
		}
		for d := range near {
			b.near[d] += near[d] * (b.reads + b.writes - accepted)
		}
	}
	for d := range b.near {
		if b.reads+b.writes > 0 {
			b.near[d] /= b.reads + b.writes
		}
	}
	for _, f := range w.flows {
		if f.shard != none {
			repair := float64(w.weight(f.fast)) * c.RepairServers / c.Service.ServiceSeconds
			work[f.source] += repair
			work[f.target] += repair
		}
	}
	for n := range work {
		if request[n] == 0 {
			continue
		}
		factor := slowFactors[slowClass(w.slow[n])]
		for d, rtt := range []time.Duration{c.RTT.Zone, c.RTT.Region, c.RTT.Far} {
			at := w.load.tables[slowClass(w.slow[n])][d].At(work[n] * factor / c.Service.Capacity())
			b.latency += request[n] * at.Served * b.near[d] * (at.Mean + rtt.Seconds())
			b.slow += request[n] * at.Served * b.near[d] * at.Miss
			if d == 0 {
				b.served += request[n] * at.Served
			}
		}
	}
	b.refused = p.Rate() - b.served
	return b
}

// TestLoadBruteForce compares the rates with those of all shards and nodes one by
// one, in worlds in which everything fails. Without a partition all is equal, but
// for the distances to the nearest copy while nodes are down; with one, what is
// refused or stale is right to 0.05 on average, at worst 0.25, and mean latency to
// 15 ms, a quarter of the way between regions, though every third node fails.
func TestLoadBruteForce(t *testing.T) {
	parted, compared := 0, 0
	far, worst, missed := 0.0, 0.0, 0.0
	for k := range uint64(4) {
		c := everything()
		c.Data.ShardsPerNode, c.Data.NodeGB = 8, 8000
		if k%2 == 1 {
			c.Load.Consistency = ConsistencyAvailable
		}
		w := newTest(t, c)
		p := newPlayer(w)
		p.before = func(id int32) {
			if w.now%7 != 0 { // some of them
				return
			}
			if w.load.stale > fresh {
				w.evaluate()
			}
			// What was kept is what is worked out anew.
			kept := w.load.rates
			w.load.outdate(staleCopies)
			if w.evaluate(); kept != w.load.rates {
				t.Fatalf("seed %d, time %d: rates %+v, anew %+v", k, w.now, kept, w.load.rates)
			}
			r, b := &w.load.rates, bruteForce(w, true)
			far += math.Abs(r.latency/max(r.served, 1) - b.latency/max(b.served, 1))
			compared++
			if w.load.cuts > 0 {
				parted++
				diff := math.Abs(r.refused+r.stale-b.refused-b.stale) / r.offered
				missed += diff
				worst = max(worst, diff)
				return
			}
			for _, x := range []struct {
				what      string
				got, want float64
			}{{"refused", r.refused, b.refused}, {"served", r.served, b.served}, {"stale", r.stale, b.stale}} {
				if math.Abs(x.got-x.want) > 1e-9*r.offered {
					t.Fatalf("seed %d, time %d: %s %g a second, want %g of %g", k, w.now, x.what, x.got, x.want, r.offered)
				}
			}
		}
		p.play(seed.Seed(k), random(k))
	}
	far, missed = far/float64(compared), missed/float64(parted)
	t.Logf("%d comparisons, %d under a partition: on average %.3g of the requests misjudged, at most %.3g; latency off by %.3g s", compared, parted, missed, worst, far)
	if compared < 500 || parted < 50 || missed > 0.05 || worst > 0.25 || far > 0.015 {
		t.Errorf("%d comparisons, %d parted, %.3g misjudged, at most %.3g, latency off by %.3g", compared, parted, missed, worst, far)
	}
}

// TestLatencyQuantile: of requests of two kinds the quantile is where the tails,
// with math.Exp, add up to 1 %.
func TestLatencyQuantile(t *testing.T) {
	for _, p := range [][]latencyPart{
		{{1, 1, 3}},
		{{0.5, 1, 3}, {0.5, 2, 5}},
		{{0.995, 1, 3}, {0.005, 50, 1}},
		{{0.97, 0.1, 30}, {0.03, 10, 0.2}},
		{{0.6, 0.001, 4000}, {0.3, 0.002, 1000}, {0.1, 0.07, 10}},
	} {
		l := &load{bins: make([]bin, len(p)), parts: make([]latencyPart, 0, distances*len(p))}
		for i, x := range p {
			l.bins[i] = bin{used: true, weight: 7 * x.share, p50: 7 * x.share * x.p50, p99: 7 * x.share * (x.p50 + ln50/x.theta)}
			l.used = append(l.used, int32(i))
		}
		got := l.quantile(&[distances]float64{1})
		tail := 0.0
		for _, x := range p {
			if got < x.p50 {
				tail += x.share * (1 - 0.5*got/x.p50)
			} else {
				tail += x.share * 0.5 * math.Exp(-x.theta*(got-x.p50))
			}
		}
		if !within(tail, 0.01, 1e-4) {
			t.Errorf("%v: %g of the requests take longer than %g, want 0.01", p, tail, got)
		}
	}
}

// TestPartitionRequests: two zones, three copies of each shard, two in one of them. Where
// they are cut apart, a client reaches a quorum of two for the shards that have
// two copies on its side: half of them. The others are refused, or served stale.
func TestPartitionRequests(t *testing.T) {
	for _, kind := range []string{ConsistencyQuorum, ConsistencyAvailable} {
		c := constant(still(), 1000)
		c.Topology = Topology{Regions: 1, ZonesPerRegion: 2, RacksPerZone: 5, NodesPerRack: 1}
		c.Failures.Partition.MTTF = 1e6 * time.Hour
		c.Load.Consistency = kind
		w := newTest(t, c)
		w.begin(1)
		w.evaluate()
		if r := w.load.rates; r.refused > 1e-9 || r.stale > 0 {
			t.Fatalf("%s: %g refused and %g stale while nothing is wrong", kind, r.refused, r.stale)
		}
		w.partition(0, env.Hour, 0)
		w.evaluate()
		r := w.load.rates
		refused, stale := 500.0, 0.0
		if kind == ConsistencyAvailable {
			refused, stale = 0, 500
		}
		if math.Abs(r.refused-refused) > 1e-6 || math.Abs(r.stale-stale) > 1e-6 {
			t.Errorf("%s: %g of 1000 requests refused and %g stale, want %g and %g", kind, r.refused, r.stale, refused, stale)
		}
		w.q.cancel(w.cutEnd(0, 1))
		w.cutOver(0, 1)
		w.q.cancel(w.cutEnd(1, 0))
		w.cutOver(1, 0)
		w.evaluate()
		if r := w.load.rates; r.refused > 1e-9 || r.stale > 0 {
			t.Errorf("%s: %g refused and %g stale afterwards", kind, r.refused, r.stale)
		}
	}
}

// TestPrimaries: a node that goes down refuses the writes of its primaries, one in
// three of its copies, for the failover delay. Where all of a zone goes, it
// refuses them until the nodes are declared dead, the zone fails over, or enough
// nodes return.
func TestPrimaries(t *testing.T) {
	primariesOf(t, false)
	primariesOf(t, true)
}

// primariesOf ends with the return of the zone's nodes, or with failing it over.
func primariesOf(t *testing.T, failOver bool) {
	c := constant(still(), 1000)
	c.Topology = Topology{Regions: 1, ZonesPerRegion: 3, RacksPerZone: 3, NodesPerRack: 2}
	c.Load.ReadQuorum, c.Load.WriteQuorum, c.Domains.Share = 1, 1, 0.5
	w := newTest(t, c)
	w.begin(1)
	refused := func() float64 { w.evaluate(); return w.load.rates.refused }
	run := func(until env.Time) {
		for w.q.heap[0].at <= until {
			id, at := w.q.pop()
			w.accrue(at)
			w.now = at
			w.fire(id)
		}
		w.accrue(until)
		w.now = until
	}
	writes := 140.0 // of 1000 requests
	w.strike(0, env.Hour, false)
	// All 18 nodes hold as many copies, give or take one.
	if got, want := refused(), writes/18; !within(got, want, 0.03) {
		t.Errorf("%g requests refused, want %g", got, want)
	}
	run(w.now + 10*env.Second - 1)
	if got := refused(); got == 0 {
		t.Error("the primaries have moved before the failover delay")
	}
	run(w.now + 1)
	if got := refused(); got > 1e-9 {
		t.Errorf("%g requests refused after the failover delay", got)
	}
	// Zone 1, with one copy of each shard and a third of the primaries.
	for n := int32(6); n < 12; n++ {
		w.strike(n, 2*env.Hour, false)
	}
	run(w.now + 20*env.Minute)
	if got, want := refused(), writes/3; !within(got, want, 0.05) {
		t.Errorf("a zone is lost and %g requests refused, want about %g", got, want)
	}
	w.declare(6)
	if got, want := refused(), writes*5/18; !within(got, want, 0.05) {
		t.Errorf("one of its nodes is declared dead and %g requests refused, want about %g", got, want)
	}
	if failOver {
		zone := w.faultDomains.first[zoneLevel] + 1
		if !w.faultDomains.open[zone] {
			t.Fatal("the zone was not asked about")
		}
		w.actDomain(FailOver, zone)
		if got := refused(); got > 1e-9 {
			t.Errorf("%g requests refused after the zone has failed over", got)
		}
		return
	}
	for n := int32(7); n < 11; n++ {
		if w.load.stuck[11] == none {
			t.Errorf("node 11 has no primaries before node %d is back, and a third of the zone with it", n)
		}
		w.q.cancel(w.timers.returns + n)
		w.outageOver(n)
	}
	// Less than half of the zone is down: it is no longer lost as a whole.
	if got := refused(); w.load.stuck[11] != none || got > 1e-9 {
		t.Errorf("node 11 is no longer lost with its zone; %g requests refused", got)
	}
}

// TestFlashCrowd: a crowd for one shard overloads the nodes that hold it, and
// those alone; more copies of it help.
func TestFlashCrowd(t *testing.T) {
	c := constant(still(), 10_000)
	c.Topology.RacksPerZone = 20
	c.Data.MaxFactor = 6
	c.Load.Crowds.PerYear = 200
	c.Load.Crowds.FactorMin, c.Load.Crowds.FactorMax = 5, 5
	c.Load.Crowds.HotShare = 1
	c.Load.ReadQuorum = 1
	c.Horizon = 20 * days
	w := newTest(t, c)
	w.begin(3)
	for w.load.rates.refused == 0 {
		if w.ended {
			t.Fatal("nothing was ever refused")
		}
		id, at := w.q.pop()
		w.accrue(at)
		w.now = at
		w.fire(id)
	}
	hot, most := none, 0.0
	for r := range w.load.process.Tracked() {
		if s := w.load.process.Share(r); s > most {
			hot, most = w.load.process.ShardAt(r), s
		}
	}
	w.evaluate()
	r := w.load.rates
	// Three nodes serve what they can, 4000/s each. A third of the reads for the
	// shard comes to each of them and all writes, and their part of all else, which
	// 400 shards share.
	extra := r.offered * (most - 1.0/400)
	rest := (r.offered - extra) / 20
	rho := (extra*(0.86/3+0.14) + rest*(0.86+3*0.14)) / 4000
	if want := (extra + 3*rest) * (1 - 1/rho); rho < 1.2 || !within(r.refused, want, 0.1) {
		t.Errorf("%g requests refused, want %g at utilisation %g", r.refused, want, rho)
	}
	w.setWant(hot, 6)
	w.order(hot, 3, true, sameZone)
	w.settleRepairs()
	for w.believedOf(hot) < 6 && !w.ended {
		id, at := w.q.pop()
		w.accrue(at)
		w.now = at
		w.fire(id)
	}
	w.evaluate()
	if after := w.load.rates; after.refused/after.offered > r.refused/r.offered/2 {
		t.Errorf("with 6 copies %g of %g requests are refused, with 3 %g of %g", after.refused, after.offered, r.refused, r.offered)
	}
}

// TestRequestsConserved: all requests are served or refused, in every episode and at
// any time.
func TestRequestsConserved(t *testing.T) {
	refused := 0.0
	for k := range uint64(8) {
		c := everything()
		if k%2 == 1 {
			c = withLoad(randomConfig(rand.New(rand.NewPCG(k, 5))))
			c.Horizon = 3 * days
		}
		w := newTest(t, c)
		p := newPlayer(w)
		p.after = func(int32) {
			q := &w.ledger.requests
			if sum := q.served + q.refused; math.Abs(sum-q.offered) > 1e-9*q.offered {
				t.Fatalf("seed %d, time %d: %g served and %g refused of %g", k, w.now, q.served, q.refused, q.offered)
			}
			if w.load.stale > fresh {
				return
			}
			r := w.load.rates
			for what, x := range map[string]float64{"refused": r.refused, "stale": r.stale, "slow": r.slow, "served": r.served, "p99": r.p99, "latency": r.latency} {
				if !(x >= -1e-9*r.offered) || math.IsInf(x, 0) {
					t.Fatalf("seed %d, time %d: %s %g", k, w.now, what, x)
				}
			}
		}
		p.play(seed.Seed(k), random(k))
		refused += w.ledger.requests.refused
	}
	if refused == 0 {
		t.Error("nothing was ever refused")
	}
}

// TestLoadReward: what requests cost if all are served is in no reward; where
// nothing fails, rewards are those of slow requests alone.
func TestLoadReward(t *testing.T) {
	c := trio(3000)
	c.Prices.Providers = []string{"aws"}
	p := newPlayer(newTest(t, c))
	p.reset(1)
	o := p.step(Hold)
	if want := -p.w.ledger.dollars[partSlow]; !o.Truncated || math.Abs(float64(o.Reward)*c.Reward.ScaleUSD-want) > 1e-3 {
		t.Errorf("reward %g in dollars, want %g", float64(o.Reward)*c.Reward.ScaleUSD, want)
	}
	// 3000 requests/s for 10 days at 0.4 and 5 $ per million; three servers.
	if got, want := p.w.ledger.dollars[partRequests], 3000*864000*(0.86*0.4+0.14*5)/1e6; !within(got, want, 1e-9) {
		t.Errorf("requests cost %g, want %g", got, want)
	}
	if got, want := p.w.ledger.dollars[partServers], 3*240*0.384; !within(got, want, 1e-9) {
		t.Errorf("servers cost %g, want %g", got, want)
	}
}

// TestCredits: 10, 25 and 100 % of a month's bill below 99.9, 99 and 95 % of the
// requests served, for whole months and for the rest of the episode.
func TestCredits(t *testing.T) {
	for _, x := range []struct{ served, share float64 }{{1, 0}, {0.9995, 0}, {0.9985, 0.1}, {0.985, 0.25}, {0.9, 1}} {
		c := trio(1000 * 4)
		c.Horizon = 45 * days
		// A node of all is overloaded to serve that share: rate·(reads/3+writes)/capacity.
		if x.served < 1 {
			c.Load.RequestsPerSecond = 4000 / (0.86/3 + 0.14) / x.served
		}
		w := newTest(t, c)
		p := newPlayer(w)
		p.play(1, hold)
		if got := w.metric(t, "request_availability"); !within(got, x.served, 1e-9) {
			t.Fatalf("%g of the requests served, want %g", got, x.served)
		}
		l := &w.ledger
		if got, want := l.dollars[partCredits], x.share*l.bill(); !within(got, want, 1e-9) {
			t.Errorf("%g served: credits of %g, want %g", x.served, got, want)
		}
	}
}

// TestLoadOff: a world whose load is 0 is not another for what else is said of it.
func TestLoadOff(t *testing.T) {
	c := small()
	d := c
	d.Load.Consistency, d.Load.Hot = ConsistencyAvailable, 0.5
	d.Prices.ServerPerHour, d.Prices.ReadPerMillion = 1, 2
	p, q := newPlayer(newTest(t, c)), newPlayer(newTest(t, d))
	p.play(1, random(1))
	q.play(1, random(1))
	a, b := p.w.Measure(nil), q.w.Measure(nil)
	if fmt.Sprint(a) != fmt.Sprint(b) || len(a) != len(p.w.Spec().Metrics) {
		t.Errorf("metrics %v and %v", a, b)
	}
}

// BenchmarkLoadStep measures one evaluation of the load, of 100 nodes, and of
// 10,000 in 9 zones, where the rate has changed, the shares, or copies.
func BenchmarkLoadStep(b *testing.B) {
	for _, t := range []Topology{{1, 2, 5, 10}, {3, 3, 40, 28}} {
		c := DefaultConfig()
		c.Topology = t
		w := newTest(b, withLoad(c))
		p := newPlayer(w)
		p.reset(1)
		w.strike(3, env.Hour, false)
		w.setSlow(5, 4)
		for stale, what := range []string{staleRates: "rate", staleShares: "shares", staleCopies: "copies"} {
			if what == "" {
				continue
			}
			b.Run(fmt.Sprintf("nodes=%d/%s", w.nodes, what), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					w.load.outdate(staleness(stale))
					w.evaluate()
				}
			})
		}
	}
}
