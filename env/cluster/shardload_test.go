package cluster

import (
	"testing"
	"time"

	"mend/env"
)

// crowded is a cluster of 20 nodes in two zones with a crowd for one shard now
// and then, which would take up three nodes.
func crowded() Config {
	c := constant(still(), 5000)
	c.Topology = Topology{Regions: 1, ZonesPerRegion: 2, RacksPerZone: 10, NodesPerRack: 1}
	c.Data.MaxFactor, c.Data.ShardGB, c.Data.NodeGB = 6, 1, 1000
	c.Load.Crowds.PerYear = 100
	c.Load.Crowds.FactorMin, c.Load.Crowds.FactorMax = 4, 4
	c.Load.Crowds.HotShare = 1
	c.Load.Crowds.Decay = 3 * time.Hour
	c.Load.ReadQuorum = 1
	c.Horizon = 30 * days
	return c
}

// scale is a policy that adds copies near to hot shards and drops those of cold
// ones.
func scale(p *player) Action {
	switch {
	case p.w.kind != ShardLoad:
		return Hold
	case p.raw(fReplicaLoad) > p.w.cfg.Load.Hot && p.mask[AddNear]:
		return AddNear
	case p.mask[DropReplica] && p.w.isCold(p.w.subject):
		return DropReplica
	}
	return Wait15m
}

// TestShardLoad: a crowd's shard is asked about when it is hot; copies are added,
// which spares requests, and dropped when it has cooled down. The baseline does so
// by what it observes.
func TestShardLoad(t *testing.T) {
	t.Run("scale", func(t *testing.T) { testShardLoad(t, func(*World) func(*player) Action { return scale }) })
	t.Run("autoscale", func(t *testing.T) {
		testShardLoad(t, func(w *World) func(*player) Action { return baselinePolicy(t, "autoscale", w) })
	})
}

func testShardLoad(t *testing.T, policy func(*World) func(*player) Action) {
	p := newPlayer(newTest(t, crowded()))
	p.play(2, hold)
	idle := p.w.ledger
	if idle.decisions[ShardLoad] == 0 || idle.requests.refused == 0 {
		t.Fatalf("%d questions, %g refused: no crowd", idle.decisions[ShardLoad], idle.requests.refused)
	}
	most, added, dropped := 0, 0, 0
	p.acted = func(a Action) {
		switch a {
		case AddNear:
			added++
		case DropReplica:
			dropped++
		}
		most = max(most, int(p.w.info[p.w.load.slots.shard[p.w.subject]].want))
	}
	events := 0
	p.after = func(int32) {
		if events++; events%50 == 0 {
			if err := p.w.CheckInvariants(); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.play(2, policy(p.w))
	l := &p.w.ledger
	if added < 2 || dropped != added || most > 6 || p.w.ledger.copies != int32(3*p.w.shards) {
		t.Errorf("%d copies added and %d dropped, at most %d of a shard, %d in the end; want all dropped", added, dropped, most, l.copies)
	}
	if l.requests.refused > 0.7*idle.requests.refused {
		t.Errorf("%g requests refused, without more copies %g", l.requests.refused, idle.requests.refused)
	}
}

// TestMoveReplica: a copy is moved from the node that is busiest: it goes when
// another has been made, and the number of copies is as before.
func TestMoveReplica(t *testing.T) {
	c := crowded()
	c.Data.ShardGB = 200
	c.Data.NodeGB = 20000
	w := newTest(t, c)
	p := newPlayer(w)
	p.reset(2)
	for w.kind != ShardLoad || !p.mask[MoveReplica] {
		if p.step(Hold).Truncated {
			t.Fatal("no shard to move")
		}
	}
	s := w.load.slots.shard[w.subject]
	from, _ := w.busiest(w.subject)
	p.acted = func(Action) {}
	moved := false
	p.after = func(int32) {
		if err := w.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
		has := false
		for _, r := range w.copiesOf(s) {
			has = has || r.state() == replicaLive && r.node() == from
		}
		if b := w.believedOf(s); b != 3 {
			t.Fatalf("%d copies, want 3", b)
		}
		if !has && !moved {
			moved = true
			if w.load.slots.moves != 0 || w.orders != 0 {
				t.Errorf("%d moves and %d orders afterwards", w.load.slots.moves, w.orders)
			}
		}
	}
	p.step(MoveReplica)
	for until := w.now + env.Hour; !moved && w.now < until; {
		if p.mask[MoveReplica] {
			t.Error("a copy can be moved while another is")
		}
		p.step(Wait15m)
	}
	if !moved {
		t.Error("the copy has not moved")
	}
}

// TestAddFar: a copy that is added far comes to another zone than those that are
// there, one that is added near to one of theirs.
func TestAddFar(t *testing.T) {
	for _, a := range []Action{AddNear, AddFar} {
		c := crowded()
		c.Topology = Topology{Regions: 1, ZonesPerRegion: 5, RacksPerZone: 4, NodesPerRack: 1}
		w := newTest(t, c)
		p := newPlayer(w)
		p.reset(2)
		for w.kind != ShardLoad || !p.mask[a] {
			if p.step(Hold).Truncated {
				t.Fatal("no hot shard")
			}
		}
		s := w.load.slots.shard[w.subject]
		zones := func() int {
			seen := map[int]bool{}
			for _, r := range w.copiesOf(s) {
				if r.state() == replicaLive {
					seen[w.zoneOf(r.node())] = true
				}
			}
			return len(seen)
		}
		before := zones()
		p.step(a)
		for w.believedOf(s) < 4 {
			if p.step(Wait1m).Truncated {
				t.Fatal("no copy was added")
			}
		}
		if after := zones(); (after > before) != (a == AddFar) {
			t.Errorf("%s: copies in %d zones, before in %d", actions[a], after, before)
		}
	}
}

// TestRanksLost: a shard that is no longer among the tracked ranks gives its extra
// copies up.
func TestRanksLost(t *testing.T) {
	c := crowded()
	c.Load.Crowds.PerYear = 0
	c.Load.Popularity.SwapsPerHour = 100
	w := newTest(t, c)
	w.begin(1)
	slot := w.load.slots.slot[63]
	s := w.load.slots.shard[slot]
	w.kind, w.subject = ShardLoad, slot
	w.act(AddNear)
	w.kind = NoQuestion
	for i := 0; w.load.slots.extra[slot] > 0 && i < 100000; i++ {
		id, at := w.q.pop()
		w.accrue(at)
		w.now = at
		w.fire(id)
	}
	if err := w.CheckInvariants(); err != nil {
		t.Fatal(err)
	}
	if w.now > 10*env.Day || w.load.slots.shard[slot] == s || w.info[s].want != 3 || w.wanting(4) != 0 {
		t.Errorf("at %d, slot %d has shard %d, shard %d wants %d copies", w.now, slot, w.load.slots.shard[slot], s, w.info[s].want)
	}
}
