package cluster

import (
	"testing"

	"mend/env"
	"mend/env/seed"
)

// begun is a small world of two zones at the start of an episode in which
// nothing fails, to be changed by hand.
func begun(t *testing.T, change func(*Config)) *World {
	t.Helper()
	c := still()
	c.Topology = Topology{Regions: 1, ZonesPerRegion: 2, RacksPerZone: 3, NodesPerRack: 3}
	if change != nil {
		change(&c)
	}
	w := newTest(t, c)
	w.begin(seed.Seed(7))
	return w
}

// vanish has the controller lose node n.
func (w *World) vanish(n int32) {
	w.lose(n)
	w.q.cancel(w.timers.monitor + n)
	w.settleRepairs()
}

// TestDrainOutlivesPeer: a node is drained of all that it holds, though another
// that holds some of the same shards is lost meanwhile and comes back.
func TestDrainOutlivesPeer(t *testing.T) {
	w := begun(t, nil)
	const n, peer = 0, 17
	w.raise(n, alarmDetector, 1)
	w.cordon(n)
	w.drain(n)
	orders := w.orders
	if orders != w.held[n] {
		t.Fatalf("%d orders for %d copies", orders, w.held[n])
	}
	w.strike(peer, env.Minute, false)
	w.vanish(peer)
	w.q.cancel(w.timers.returns + peer)
	w.outageOver(peer)
	f := w.nodeFlags[peer]
	w.q.cancel(w.timers.monitor + peer)
	w.forget(peer)
	w.findCopies(peer, f)
	if w.orders != orders {
		t.Errorf("%d orders after a peer has come back, want %d as before", w.orders, orders)
	}
	if err := w.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

// TestFewestWanted: what a healthy node holds has as few copies as the shard that
// wants fewest, whatever the last change was about.
func TestFewestWanted(t *testing.T) {
	w := begun(t, func(c *Config) { c.Data.ReplicationFactor, c.Data.Quorum, c.Data.MaxFactor = 1, 1, 3 })
	w.setWant(300, 2)
	for n := range int32(w.nodes) {
		if got := w.nodeShards(n).fewest; got != 1 {
			t.Errorf("node %d: fewest copies %d, want 1", n, got)
		}
	}
	if w.commonWant != 1 {
		t.Errorf("most shards want %d copies, want 1", w.commonWant)
	}
}

// TestRenewSuperseded: a lost shard is created anew when its last record goes,
// also where that is of a copy that had been superseded.
func TestRenewSuperseded(t *testing.T) {
	w := begun(t, nil)
	const s = 5
	first := w.copiesOf(s)[0].node()
	w.die(first, 1)
	w.vanish(first)
	w.declare(first)
	w.settleRepairs()
	for w.orders > 0 {
		id, at := w.q.pop()
		w.now = at
		switch {
		case id == w.timers.replace+first: // not yet
			w.q.set(id, w.now+1000*env.Hour)
		case id >= w.timers.repair && id <= w.timers.retry:
			w.handle(id)
		}
		w.settleRepairs()
	}
	var others []int32
	for _, r := range w.copiesOf(s) {
		switch {
		case r == 0:
		case r.node() != first:
			others = append(others, r.node())
		case r.state() != replicaStale:
			t.Fatalf("the copy on the dead node has state %d", r.state())
		}
	}
	for _, m := range others {
		w.die(m, 2)
		w.vanish(m)
	}
	for _, m := range append(others, first) {
		if w.info[s].flags&shardLost == 0 {
			t.Fatal("the shard is not lost")
		}
		w.q.cancel(w.timers.replace + m)
		w.replaced(m)
	}
	if w.info[s].flags&shardLost != 0 || w.believedOf(s) != 3 {
		t.Errorf("flags %b, %d copies, want a shard created anew", w.info[s].flags, w.believedOf(s))
	}
}

// TestFastNotStarved: a fast repair starts when the next slow one is complete,
// though that frees but one of the several slots that it takes, and many slow
// ones wait.
func TestFastNotStarved(t *testing.T) {
	w := begun(t, func(c *Config) {
		c.Topology = Topology{Regions: 1, ZonesPerRegion: 1, RacksPerZone: 10, NodesPerRack: 3}
		c.Data.ShardsPerNode = 30
		c.Repair.ZoneMBps = 500
	})
	slow := func(s int32) {
		w.explicit(s)
		w.order(s, 1, false, spread)
		w.admitSoon = true
		w.settleRepairs()
	}
	for s := range int32(100) {
		slow(s)
		if s < w.zoneSlots { // so that they complete one by one
			w.now += 5 * env.Minute
		}
	}
	const urgent = 500
	w.explicit(urgent)
	w.order(urgent, 1, true, spread)
	for completed := 0; w.info[urgent].active == 0; {
		id, at := w.q.pop()
		w.now = at
		if id >= w.timers.repair && id <= w.timers.retry {
			if completed++; completed > 1 {
				t.Fatal("the fast repair waits for more than one slow one")
			}
			w.handle(id)
		}
		w.settleRepairs()
	}
}

// TestFalseAlarmsLookTrue: a false alarm of the detector comes with a latency as
// high as slow nodes have, and a score that follows from it as theirs does.
func TestFalseAlarmsLookTrue(t *testing.T) {
	w := begun(t, func(c *Config) { c.Detector.Recall = 0.9 })
	scores := map[float64]bool{}
	for n := range int32(w.nodes) {
		w.disturbed(n)
		latency, score := w.telemetry.latency[n], w.suspicions.score[n]
		if latency < w.cfg.Detector.Slowdown || !within(score, 1-1/latency, 1e-9) {
			t.Errorf("node %d: latency ratio %g, score %g", n, latency, score)
		}
		scores[score] = true
	}
	if len(scores) < w.nodes {
		t.Errorf("only %d scores of %d alarms", len(scores), w.nodes)
	}
}

// TestTargetUp: a higher target orders a copy of every shard.
func TestTargetUp(t *testing.T) {
	w := begun(t, func(c *Config) { c.Data.MaxFactor = 4 })
	w.setTarget(0, +1)
	if int(w.orders) != w.shards {
		t.Errorf("%d orders, want one for each of %d shards", w.orders, w.shards)
	}
	w.settleRepairs()
	w.q.set(w.timers.askReview, w.now) // as act does
	w.setTarget(0, -1)
	if w.orders != 0 || w.short != 0 {
		t.Errorf("%d orders and %d shards short of copies, want none", w.orders, w.short)
	}
}
