package cluster

import (
	"slices"
	"testing"
	"time"

	"mend/env"
	"mend/env/seed"
	"mend/env/trace"
)

func down(from, to env.Time) trace.Outage { return trace.Outage{Start: from, End: to} }
func lost(at env.Time) trace.Outage {
	return trace.Outage{Start: at, End: at + env.Minute, Lost: true}
}

// holders are the nodes with a live copy of shard s, in the order of its
// records.
func (w *World) holders(s int32) []int32 {
	var nodes []int32
	for r := s * int32(w.width); r < (s+1)*int32(w.width); r++ {
		if w.records[r].state() == replicaLive {
			nodes = append(nodes, w.records[r].node())
		}
	}
	return nodes
}

// TestOneShard follows one shard of two copies, one of which is lost for good
// at 10 h, through the only repair that it needs, under rf3-eager.
//
// By hand: 200 GB at 50 MB/s take 4000 s. The monitor notices T − (0, h] after
// the loss, rf3-eager declares at once, and the repair starts at once. Storage
// is that of 2 copies until 10 h, of 1 until the monitor notices, and of 2
// again, the one being made included.
func TestOneShard(t *testing.T) {
	c := still()
	c.Topology.RacksPerZone = 3
	c.Data.ShardsPerNode, c.Data.ReplicationFactor, c.Data.Quorum = 1, 2, 2
	c.Failures.Replacement = 10 * 365 * days
	c.Horizon = 24 * time.Hour
	c.Prices.Declare = 5
	// Which nodes hold which of the 3 shards depends on the seed alone.
	w := scripted(t, c, nil).w
	victim := w.holders(0)[0]
	copies := float64(w.held[victim])
	p := scripted(t, c, map[int][]trace.Outage{int(victim): {lost(10 * env.Hour)}})
	w = p.w
	noticed := w.now
	if d := noticed - 10*env.Hour; d < w.timeout-w.heartbeat || d >= w.timeout {
		t.Fatalf("noticed %d us after the loss, want %d to %d", d, w.timeout-w.heartbeat, w.timeout)
	}
	// Both streams of a node are free, and no node receives more than 2.
	repaired := noticed + 4000*env.Second
	last := env.Time(0)
	p.before = func(id int32) {
		if id >= w.timers.repair && id < w.timers.retry {
			last = w.now
		}
	}
	p.finish(baselinePolicy(t, "rf3-eager", w))
	if last != repaired {
		t.Errorf("repaired at %d, want %d", last, repaired)
	}
	perCopyHour := 200 * 0.02 / 730
	want := perCopyHour * (6*24 - copies*(noticed-10*env.Hour).Hours())
	if got := w.ledger.dollars[partStorage]; !within(got, want, 1e-12) {
		t.Errorf("storage costs %.12g $, want %.12g", got, want)
	}
	// Unavailable: the shards with one copy on the victim, 0.2 TB each at
	// 600 $/TB/h, from the loss to the repair.
	want = copies * 0.2 * 600 * (repaired - 10*env.Hour).Hours()
	if got := w.ledger.dollars[partUnavailability]; !within(got, want, 1e-12) {
		t.Errorf("unavailability costs %.12g $, want %.12g", got, want)
	}
	want = copies * 0.05 * 4000 / 3600
	if got := w.ledger.dollars[partInterference]; !within(got, want, 1e-9) {
		t.Errorf("interference costs %.12g $, want %.12g", got, want)
	}
	if got := w.ledger.dollars[partActions]; got != 5 {
		t.Errorf("actions cost %g $, want the 5 of one declaration", got)
	}
	if got, want := w.ledger.repairBytes, copies*200e9; !within(got, want, 1e-12) {
		t.Errorf("%g bytes repaired, want %g", got, want)
	}
	m := w.Measure(nil)
	if got, want := m[10].Num/m[10].Den, (repaired - 10*env.Hour).Seconds(); !within(got, want, 1e-12) {
		t.Errorf("mean time to repair %g s, want %g", got, want)
	}
	if got, want := m[7].Num/m[7].Den, 1-copies*(repaired-10*env.Hour).Hours()/(3*24); !within(got, want, 1e-12) {
		t.Errorf("availability %g, want %g", got, want)
	}
}

// answer is a policy that gives one answer to each kind of question, and holds
// where it is not legal.
func answer(node, shards Action) func(*player) Action {
	return func(p *player) Action {
		a := shards
		if p.w.kind == NodeUnreachable {
			a = node
		}
		if !p.mask[a] {
			return Hold
		}
		return a
	}
}

// TestTrafficByDistance: a copy of 200 GB costs nothing within its zone, 4 $ to
// another zone (0.02 $/GB) and 10 $ to another region (0.05 $/GB).
func TestTrafficByDistance(t *testing.T) {
	for _, x := range []struct {
		action Action
		each   float64
	}{
		{RepairSlowSameZone, 0}, {RepairSlowOtherZone, 4}, {RepairSlowOtherRegion, 10},
		{RepairFastSameZone, 0}, {RepairFastOtherZone, 4}, {RepairFastOtherRegion, 10},
	} {
		c := still()
		c.Topology = Topology{Regions: 2, ZonesPerRegion: 2, RacksPerZone: 4, NodesPerRack: 1}
		c.Data.ShardsPerNode, c.Data.ReplicationFactor, c.Data.Quorum = 1, 2, 1
		c.Horizon = 2 * days
		p := scripted(t, c, map[int][]trace.Outage{0: {lost(env.Hour)}})
		copies := float64(p.w.held[0])
		if copies == 0 {
			t.Fatal("node 0 holds nothing")
		}
		p.finish(answer(Hold, x.action))
		if got := p.w.ledger.dollars[partTraffic]; !within(got, copies*x.each, 1e-12) {
			t.Errorf("%s: traffic costs %g $, want %g", actions[x.action], got, copies*x.each)
		}
		if got := p.w.ledger.repairBytes; !within(got, copies*200e9, 1e-12) {
			t.Errorf("%s: %g bytes, want %g", actions[x.action], got, copies*200e9)
		}
	}
}

// TestOrdersElsewhere: an order that cannot be met where it shall go is met
// elsewhere. With one rack in each zone no second copy fits into a zone, yet
// "same zone" is legal; the shard must not wait forever, for nobody is asked
// about it again.
func TestOrdersElsewhere(t *testing.T) {
	for _, x := range []struct {
		name     string
		topology Topology
		action   Action
		gone     []int // nodes
	}{
		{"same zone of one rack", Topology{1, 4, 1, 3}, RepairSlowSameZone, []int{0}},
		{"other zones all down", Topology{1, 2, 3, 2}, RepairSlowOtherZone, []int{0, 1, 2, 3, 4, 5}},
		{"other region all down", Topology{2, 1, 3, 2}, RepairFastOtherRegion, []int{0, 1, 2, 3, 4, 5}},
		{"many zones all down", Topology{2, 12, 1, 1}, RepairSlowOtherRegion, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
	} {
		c := still()
		c.Topology = x.topology
		c.Data.ShardsPerNode, c.Data.ReplicationFactor, c.Data.Quorum = 2, 2, 1
		c.Horizon = 5 * days
		outages := map[int][]trace.Outage{}
		for _, n := range x.gone {
			outages[n] = []trace.Outage{down(env.Hour, 5*env.Day)}
		}
		p := scripted(t, c, outages)
		p.finish(answer(Hold, x.action))
		if p.w.ledger.repairBytes == 0 || p.w.orders != 0 {
			t.Errorf("%s: %g bytes repaired, %d orders never met", x.name, p.w.ledger.repairBytes, p.w.orders)
		}
	}
}

// TestSpreadElsewhere: a declared node's copies go to another zone where all
// of the zone with fewest copies is down.
func TestSpreadElsewhere(t *testing.T) {
	c := still()
	c.Topology = Topology{Regions: 1, ZonesPerRegion: 3, RacksPerZone: 3, NodesPerRack: 2}
	c.Data.ShardsPerNode = 2
	c.Horizon = 5 * days
	outages := map[int][]trace.Outage{}
	for n := range 6 {
		outages[n] = []trace.Outage{down(env.Hour, 5*env.Day)}
	}
	p := scripted(t, c, outages)
	p.finish(answer(DeclareDead, Hold))
	if got := int32(p.w.shards) - p.w.short; int(got) != p.w.shards || p.w.orders != 0 {
		t.Errorf("%d of %d shards have 3 copies, %d orders wait", got, p.w.shards, p.w.orders)
	}
}

// TestHopelessOrders: shards whose last copy is out of reach, or which no node
// can take, do not keep others from being repaired. Nodes 0 to 8 of 20 are
// declared dead one by one; some shards then have all their copies there. Node 9, lost
// a day later, must be repaired nonetheless, within 8 h: 12 copies of 200 GB
// at 50 MB/s, 2 at a time on each node, take 67 min if all start at once and
// 7 h if no two did.
func TestHopelessOrders(t *testing.T) {
	c := still()
	c.Topology.NodesPerRack = 2
	c.Data.ShardsPerNode, c.Data.ReplicationFactor, c.Data.Quorum = 6, 2, 1
	c.Horizon = 5 * days
	outages := map[int][]trace.Outage{}
	for n := range 9 {
		outages[n] = []trace.Outage{down(env.Hour+env.Time(n)*10*env.Minute, 5*env.Day)}
	}
	outages[9] = []trace.Outage{lost(2 * env.Day)}
	p := scripted(t, c, outages)
	w := p.w
	hopeless, done := 0, env.Never
	p.after = func(int32) {
		waiting := 0
		for s := range int32(w.shards) {
			if w.believedOf(s) == 0 {
				hopeless = max(hopeless, int(w.noCopy))
			} else if w.believedOf(s) < 2 {
				waiting++
			}
		}
		switch {
		case w.now < 2*env.Day+env.Minute:
		case waiting > 0:
			done = env.Never
		case done == env.Never:
			done = w.now
		}
	}
	p.finish(answer(DeclareDead, RepairSlowSameZone))
	if hopeless < 8 {
		t.Errorf("only %d shards were hopeless", hopeless)
	}
	if done > 2*env.Day+8*env.Hour {
		t.Errorf("repaired %g h after the loss, want 8 at most", (done - 2*env.Day).Hours())
	}
}

// TestBothCopies: two orders of one shard start together. A shard of 3 copies
// loses 2 in an instant; both are made from the third at once, in 4000 s.
func TestBothCopies(t *testing.T) {
	c := still()
	c.Data.ShardsPerNode = 1
	c.Horizon = 2 * days
	c.Repair.StreamsPerNode = 4 // other shards of the two nodes need some too
	victims := scripted(t, c, nil).w.holders(0)[:2]
	p := scripted(t, c, map[int][]trace.Outage{int(victims[0]): {lost(env.Hour)}, int(victims[1]): {lost(env.Hour)}})
	w := p.w
	together := false
	p.acted = func(Action) { together = together || w.info[0].active == 2 }
	p.finish(answer(Hold, RepairSlowSameZone))
	if !together {
		t.Error("the two repairs of the shard did not start together")
	}
	if w.believedOf(0) != 3 {
		t.Errorf("%d copies in the end, want 3", w.believedOf(0))
	}
}

// TestTriedAgain: a repair that could not start is tried again within 5
// minutes, though nothing else happens. When the order comes, the only source
// is down for 10 s, too short for anyone to notice.
func TestTriedAgain(t *testing.T) {
	c := still()
	c.Topology.RacksPerZone = 3
	c.Data.ShardsPerNode, c.Data.ReplicationFactor, c.Data.Quorum = 1, 2, 1
	c.Horizon = 2 * days
	holders := scripted(t, c, nil).w.holders(0)
	first := scripted(t, c, map[int][]trace.Outage{int(holders[0]): {down(env.Hour, env.Day)}})
	// The question about the shard comes RiskDelay after the loss is noticed.
	asked := first.w.now + 30*env.Second
	p := scripted(t, c, map[int][]trace.Outage{
		int(holders[0]): {down(env.Hour, env.Day)},
		int(holders[1]): {down(asked-5*env.Second, asked+5*env.Second)},
	})
	w := p.w
	var started env.Time
	p.after = func(int32) {
		if w.info[0].active > 0 && started == 0 {
			started = w.now
		}
	}
	ordered := false
	p.acted = func(a Action) { ordered = ordered || w.info[0].ordered > 0 && w.info[0].active == 0 && w.now == asked }
	p.finish(answer(Hold, RepairSlowSameZone))
	if !ordered {
		t.Fatal("the repair was not ordered while its source was down")
	}
	if started <= asked || started > asked+5*env.Minute {
		t.Errorf("started %g s after the order, want within 300", (started - asked).Seconds())
	}
}

// TestFastStays: declaring a second node does not slow down what was ordered
// fast.
func TestFastStays(t *testing.T) {
	c := still()
	c.Data.ShardsPerNode = 1
	w := newTest(t, c)
	p := newPlayer(w)
	p.reset(1)
	w.explicit(0)
	w.order(0, 1, true, sameZone)
	w.order(0, 1, false, spread)
	if w.info[0].flags&shardFast == 0 || w.info[0].locality != sameZone || w.info[0].ordered != 2 {
		t.Errorf("flags %b, locality %d, %d ordered; want a fast repair in the same zone, 2 ordered", w.info[0].flags, w.info[0].locality, w.info[0].ordered)
	}
}

// TestReturnCancels: a declared node that returns with its data makes its
// repairs needless: what is in flight is stopped, what is complete is dropped
// again, and every shard ends with the copies wanted.
func TestReturnCancels(t *testing.T) {
	c := still()
	c.Horizon = 2 * days
	// 60 copies of 200 GB, at most 20 at a time into 10 nodes, take hours.
	p := scripted(t, c, map[int][]trace.Outage{3: {down(env.Hour, 3*env.Hour)}})
	w := p.w
	before, most := 0, int32(0)
	p.before = func(id int32) {
		if id == w.timers.monitor+3 {
			before = int(w.orders)
			most = w.ledger.copies
		}
	}
	p.finish(answer(DeclareDead, Hold))
	if before == 0 || before >= 60 {
		t.Fatalf("%d orders when the node was heard again, want some done and some left", before)
	}
	if most <= int32(3*w.shards) {
		t.Errorf("%d copies then, want more than %d", most, 3*w.shards)
	}
	if w.orders != 0 || w.ledger.copies != int32(3*w.shards) || w.short != 0 {
		t.Errorf("in the end %d orders, %d copies, %d whole shards; want 0, %d, %d", w.orders, w.ledger.copies, int32(w.shards)-w.short, 3*w.shards, w.shards)
	}
	if w.ledger.lost != 0 {
		t.Errorf("%d shards lost", w.ledger.lost)
	}
}

// TestLostOnce: a shard all of whose copies are destroyed is charged once, and
// created anew when its last node has been replaced.
func TestLostOnce(t *testing.T) {
	c := still()
	c.Data.ShardsPerNode = 1
	c.Failures.Replacement = time.Hour
	c.Horizon = 30 * days
	holders := scripted(t, c, nil).w.holders(0)
	outages := map[int][]trace.Outage{}
	for i, n := range holders {
		outages[int(n)] = []trace.Outage{lost(env.Hour + env.Time(i)*env.Second)}
	}
	p := scripted(t, c, outages)
	w := p.w
	var replacements, renewed env.Time
	gone := false
	p.after = func(id int32) {
		if id >= w.timers.replace && id < w.timers.returns && slices.Contains(holders, id-w.timers.replace) {
			replacements = w.now
		}
		if w.intactOf(0) == 0 {
			gone = true
		} else if gone && renewed == 0 {
			renewed = w.now
		}
		if err := w.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
	}
	p.finish(hold)
	lost := float64(w.ledger.lost)
	if lost < 1 || w.ledger.dollars[partLoss] != lost*0.2*50_000 {
		t.Errorf("%g shards lost for %g $, want 10000 $ each", lost, w.ledger.dollars[partLoss])
	}
	if renewed == 0 || renewed != replacements {
		t.Errorf("created anew at %d, want when the last node was replaced, %d", renewed, replacements)
	}
	if w.believedOf(0) != 3 || w.intactOf(0) != 3 {
		t.Errorf("%d copies believed and %d intact in the end, want 3", w.believedOf(0), w.intactOf(0))
	}
}

// TestRackOutage: nodes of a rack that is down return when both the rack and
// their own outage are over; those that died in it do not, and their
// replacements do not report from a rack that is down.
func TestRackOutage(t *testing.T) {
	c := still()
	c.Topology = Topology{Regions: 1, ZonesPerRegion: 1, RacksPerZone: 4, NodesPerRack: 3}
	c.Data.ShardsPerNode = 2
	c.Failures.Replacement = time.Minute
	c.Horizon = days
	// Node 0 goes down before the rack and returns during its outage, node 1
	// goes down during it and returns after it, node 2 dies during it.
	p := scripted(t, c, map[int][]trace.Outage{
		0: {down(env.Hour, 2*env.Hour)}, 1: {down(2*env.Hour, 5*env.Hour)}, 2: {lost(2 * env.Hour)},
	})
	w := p.w
	cut := false
	back := [3]env.Time{}
	p.before = func(id int32) {
		// The rack is down from the first event after 1.5 h, for 2.5 h.
		if !cut && w.now > 90*env.Minute {
			cut = true
			w.strikeDomain(rackOutage, 0, 4*env.Hour-w.now, 0, seed.Seed(1))
		}
	}
	p.after = func(int32) {
		for n := range int32(3) {
			if cut && back[n] == 0 && w.up(n) {
				back[n] = w.now
			}
		}
		if err := w.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
	}
	w.cfg.Failures.Rack.LossProbability = 0
	p.finish(hold)
	if want := [3]env.Time{4 * env.Hour, 5 * env.Hour, 4*env.Hour + w.heartbeat}; back != want {
		t.Errorf("nodes are back at %v, want %v", back, want)
	}
}

// TestProlonged: an outage that strikes a node or a rack already down lasts
// until the later of both ends, and a restart cures it if it cures the one
// that lasts longer.
func TestProlonged(t *testing.T) {
	for _, x := range []struct {
		first, second      env.Time
		curable1, curable2 bool
		want               env.Time
		curable            bool
	}{
		{env.Hour, 3 * env.Hour, true, false, 3 * env.Hour, false},
		{env.Hour, 3 * env.Hour, false, true, 3 * env.Hour, true},
		{3 * env.Hour, env.Hour, true, false, 3 * env.Hour, true},
		{3 * env.Hour, env.Hour, false, true, 3 * env.Hour, false},
	} {
		w := newTest(t, still())
		w.begin(1)
		w.strike(4, x.first, x.curable1)
		w.strike(4, x.second, x.curable2)
		if got, curable := w.q.at[w.timers.returns+4], w.nodeFlags[4]&nodeCurable != 0; got != x.want || curable != x.curable {
			t.Errorf("%+v: until %d, curable %v", x, got, curable)
		}
		w.strikeDomain(rackOutage, 4, x.first, 0, seed.Seed(1))
		w.strikeDomain(rackOutage, 4, x.second, 0, seed.Seed(2))
		if got := w.q.at[w.domainEnd(rackOutage, 4)]; got != x.want {
			t.Errorf("%+v: the rack is down until %d", x, got)
		}
	}
}

// TestBackOff: tries in vain come after 5, 10, 20, 40 and then 60 minutes. The
// only source is down around each of them.
func TestBackOff(t *testing.T) {
	c := still()
	c.Topology.RacksPerZone = 3
	c.Data.ShardsPerNode, c.Data.ReplicationFactor, c.Data.Quorum = 1, 2, 1
	c.Horizon = 2 * days
	holders := scripted(t, c, nil).w.holders(0)
	first := scripted(t, c, map[int][]trace.Outage{int(holders[0]): {down(env.Hour, env.Day)}})
	asked := first.w.now + 30*env.Second
	// 10 s are too short for anyone to notice.
	var outages []trace.Outage
	for _, after := range []env.Time{0, 5, 15, 35, 75, 135, 195} {
		at := asked + after*env.Minute
		outages = append(outages, down(at-5*env.Second, at+5*env.Second))
	}
	p := scripted(t, c, map[int][]trace.Outage{int(holders[0]): {down(env.Hour, env.Day)}, int(holders[1]): outages})
	w := p.w
	var started env.Time
	p.after = func(int32) {
		if w.info[0].active > 0 && started == 0 {
			started = w.now
		}
	}
	p.finish(answer(Hold, RepairSlowSameZone))
	if want := asked + 255*env.Minute; started != want {
		t.Errorf("started %g min after the order, want %g", (started-asked).Hours()*60, (want-asked).Hours()*60)
	}
}
