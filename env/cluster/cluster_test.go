package cluster

import (
	"math/rand/v2"
	"testing"
	"time"

	"mend/env/seed"
)

// checkEveryEvent plays an episode and recounts everything after every action
// and event.
func checkEveryEvent(t *testing.T, w *World, k uint64) {
	t.Helper()
	p := newPlayer(w)
	check := func() {
		if err := w.CheckInvariants(); err != nil {
			t.Fatalf("seed %d, time %d: %v\nconfiguration: %+v", k, w.now, err, w.cfg)
		}
	}
	p.acted = func(Action) { check() }
	p.after = func(int32) { check() }
	p.reset(seed.Seed(k))
	check()
	p.finish(random(k))
}

// TestInvariants recounts everything after every event: in the small world, in
// random ones, and in ones whose node outages are replayed.
func TestInvariants(t *testing.T) {
	var lost, restored, events int64
	tally := func(w *World) {
		lost += w.ledger.lost
		restored += w.ledger.degraded - int64(w.ledger.short)
		events += w.ledger.decisions[NodeUnreachable] + w.ledger.decisions[ShardsAtRisk]
	}
	for k := range uint64(2) {
		w := newTest(t, small())
		checkEveryEvent(t, w, k)
		tally(w)
	}
	// Nodes are back for less than a heartbeat, and repairs begin there, when
	// the monitor still takes them for lost.
	c := small()
	c.Monitor.Heartbeat, c.Monitor.Timeout = 10*time.Minute, 20*time.Minute
	c.Failures.Transient = Outages{MTTF: 2 * time.Hour, Median: 15 * time.Minute, Sigma: 0.5}
	c.Horizon = 10 * days
	for k := range uint64(2) {
		w := newTest(t, c)
		checkEveryEvent(t, w, k)
		tally(w)
	}
	worlds := uint64(40)
	if long() {
		worlds = 600
	}
	for k := range worlds {
		rng := rand.New(rand.NewPCG(k, 3))
		c := randomConfig(rng)
		var w *World
		if k%4 == 0 {
			w = newTestTrace(t, c, recorded(c.Topology.Nodes(), 2*simulated(c.Horizon), rng))
		} else {
			w = newTest(t, c)
		}
		checkEveryEvent(t, w, k)
		tally(w)
	}
	t.Logf("%d decisions, %d shards lost, %d restored", events, lost, restored)
	if lost < 100 || restored < 1000 {
		t.Errorf("%d shards lost and %d restored, want more of both for the test to mean anything", lost, restored)
	}
}

// TestFullCopies: an episode starts with every shard whole, also where there
// are just as many racks as copies, so that the last copy has one rack of six
// to go to (32 draws miss it in 0.3 % of shards), and where nodes are 90 %
// full.
func TestFullCopies(t *testing.T) {
	c := still()
	c.Topology = Topology{Regions: 1, ZonesPerRegion: 1, RacksPerZone: 6, NodesPerRack: 20}
	c.Data.ReplicationFactor, c.Data.ShardsPerNode, c.Data.NodeGB = 6, 60, 200*400
	w := newTest(t, c)
	p := newPlayer(w)
	p.reset(1)
	if got := int32(w.shards) - w.short; int(got) != w.shards {
		t.Errorf("%d of %d shards start with all 6 copies", got, w.shards)
	}
	if err := w.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

// TestQuietEpisode: without failures an episode is one hold at its end, and
// costs the storage of all copies: 1000 shards of 200 GB, 3 copies each, at
// 0.02 $/GB and month of 730 h, for a day of 24 h.
func TestQuietEpisode(t *testing.T) {
	c := still()
	c.Topology.NodesPerRack = 5 // 50 nodes, 20 shards each
	w := newTest(t, c)
	p := newPlayer(w)
	p.reset(1)
	for a, ok := range p.mask {
		if ok != (a == int(Hold)) {
			t.Errorf("%s is legal: %v", actions[a], ok)
		}
	}
	o := p.step(Hold)
	if o.Reward != 0 || o.Elapsed != 0 || !o.Truncated || o.Terminated {
		t.Errorf("the only step gives %+v, want reward 0 after time 0, truncated", o)
	}
	m := w.Measure(nil)
	want := 1000.0 * 3 * 200 * 0.02 / 730 * 24
	if got := m[0].Num / m[0].Den; !within(got, want, 1e-12) {
		t.Errorf("%g $/d, want %g", got, want)
	}
	if m[7].Num != m[7].Den {
		t.Errorf("availability %v, want 1", m[7])
	}
}

// TestHugeCapacity: counts of free copies do not overflow. 2000 nodes with
// space for 1.6 million copies each have 3.2·10⁹ of them; what is simulated is
// four times the 3 copies that are their part, and 64.
func TestHugeCapacity(t *testing.T) {
	c := rackBursts()
	c.Topology.RacksPerZone = 100
	c.Data.ShardsPerNode, c.Data.ShardGB, c.Data.NodeGB = 1, 0.0625, 100_000
	c.Horizon = 10 * time.Hour
	p := newPlayer(newTest(t, c))
	p.reset(1)
	if got, want := p.raw(fFreeSpace), 1-3/1.6e6; !within(got, want, 1e-6) {
		t.Errorf("free space %g, want %g", got, want)
	}
	p.finish(baselinePolicy(t, "rf3-eager", p.w))
	if err := p.w.CheckInvariants(); err != nil {
		t.Error(err)
	}
	if p.w.ledger.decisions[NodeUnreachable] == 0 {
		t.Error("nothing happened")
	}
}

// TestLongOutages: outages that outlast the end of time do not come back
// before they began. With a median of 10,000 h and σ = 5, one in 170 draws is
// beyond 2.6·10⁹ h.
func TestLongOutages(t *testing.T) {
	c := small()
	c.Failures.Transient = Outages{MTTF: time.Hour, Median: 10_000 * time.Hour, Sigma: 5}
	c.Failures.Permanent.MTTF = 0
	c.Horizon = 2 * days
	saturated := 0
	w := newTest(t, c)
	p := newPlayer(w)
	p.after = func(int32) {
		for n := range int32(w.nodes) {
			if w.q.at[w.timers.returns+n] >= 1e18 && w.q.pending(w.timers.returns+n) {
				saturated++
			}
		}
		if err := w.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
	}
	for k := range seed.Seed(4) {
		p.play(k, hold)
	}
	if saturated == 0 {
		t.Error("no outage was long enough to be cut")
	}
}
