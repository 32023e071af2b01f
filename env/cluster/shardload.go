package cluster

import (
	"fmt"

	"mend/env/state"
)

// Questions about popular shards.
//
// The controller counts requests by shard, for the tracked ranks of popularity,
// and so knows how busy each copy of them is. Each tracked shard has a slot, which
// is the subject of its questions, for as long as it is among those ranks. A shard
// that leaves them gives up the extra copies that it was given.

// slots are what the controller keeps of the shards that it tracks.
type slots struct {
	shard  []int32 // by slot
	rank   []int32 // popularity rank, from 0
	extra  []uint8 // copies wanted beyond those of the shard's tier
	moving []int32 // node of the copy that is to go when another is made, or none
	moves  int32   // slots with one

	// Derived.
	slot []int32 // by rank
}

func newSlots(n int) slots {
	return slots{
		shard: make([]int32, n), rank: make([]int32, n), slot: make([]int32, n),
		extra: make([]uint8, n), moving: make([]int32, n),
	}
}

func (w *World) beginSlots() {
	t := &w.load.slots
	for i := range t.shard {
		t.shard[i], t.rank[i], t.slot[i] = w.load.process.ShardAt(i), int32(i), int32(i)
	}
	clear(t.extra)
	fill(t.moving, none)
	t.moves = 0
}

func (t *slots) fields(c *state.Codec) {
	state.Fixed(c, t.shard)
	state.Fixed(c, t.rank)
	state.Fixed(c, t.extra)
	state.Fixed(c, t.moving)
	state.Value(c, &t.moves)
	if c.Restoring() {
		for i, r := range t.rank {
			if r >= 0 && int(r) < len(t.slot) {
				t.slot[r] = int32(i)
			}
		}
	}
}

// rerank is called when the shards of some ranks have changed. Shards that stay
// keep their slots; each of the others takes one that has become free.
func (w *World) rerank() {
	t, p := &w.load.slots, w.load.process
	fill(t.slot, none)
	for i, s := range t.shard {
		t.rank[i] = none
		for r := range t.slot {
			if p.ShardAt(r) == s {
				t.rank[i], t.slot[r] = int32(r), int32(i)
				break
			}
		}
	}
	free := 0
	for r := range t.slot {
		if t.slot[r] != none {
			continue
		}
		for t.rank[free] != none {
			free++
		}
		w.release(int32(free))
		t.shard[free], t.rank[free], t.slot[r] = p.ShardAt(r), int32(r), int32(free)
	}
}

// release ends what was asked and done about the shard in slot i.
func (w *World) release(i int32) {
	t := &w.load.slots
	w.q.cancel(w.timers.askLoad + i)
	w.stopMove(i)
	if e := t.extra[i]; e > 0 {
		t.extra[i] = 0
		s := t.shard[i]
		w.setWant(s, int(w.info[s].want)-int(e))
	}
}

// replicaLoad is the share of a node's capacity that the requests for the shard in
// slot i would take on each of so many copies.
func (w *World) replicaLoad(i int32, copies int) float64 {
	l := &w.load
	rate, reads := l.process.Rate()*l.process.Share(int(l.slots.rank[i])), l.process.ReadShare()
	n := float64(max(copies, 1))
	return rate * (reads*min(l.readWork, n)/n + 1 - reads) / l.capacity
}

// expected is how many copies the shard in slot i is believed to have soon.
func (w *World) expected(i int32) int {
	s := w.load.slots.shard[i]
	return w.stayingOf(s) + w.orderedOf(s)
}

// orderedOf counts the orders of shard s, its implied one included.
func (w *World) orderedOf(s int32) int {
	x := &w.info[s]
	if x.flags&shardPlain == 0 {
		return int(x.ordered)
	}
	for _, r := range w.copiesOf(s) {
		if r.state() == replicaLive && w.leaving(r.node()) {
			return 1
		}
	}
	return 0
}

// isHot and isCold report whether the shard in slot i is to be asked about.
func (w *World) isHot(i int32) bool {
	// Most shards would not be too hot for a single copy.
	return w.replicaLoad(i, 1) > w.cfg.Load.Hot && w.replicaLoad(i, w.expected(i)) > w.cfg.Load.Hot
}

func (w *World) isCold(i int32) bool {
	return w.load.slots.extra[i] > 0 && w.replicaLoad(i, w.expected(i)-1) < w.cfg.Load.Cold
}

// askLoads asks soon about all shards that have become hot or cold, but for those
// that were to be left alone for now.
func (w *World) askLoads() {
	for i := range int32(len(w.load.slots.shard)) {
		if id := w.timers.askLoad + i; !w.q.pending(id) && (w.isHot(i) || w.isCold(i)) {
			w.q.set(id, w.now)
		}
	}
}

// loadDue asks about the shard in slot i, if there is still reason to, and reports
// whether it does.
func (w *World) loadDue(i int32) bool {
	if !w.isHot(i) && !w.isCold(i) {
		return false
	}
	w.ask(ShardLoad, i, w.timers.askLoad+i)
	return true
}

func (w *World) actLoad(a Action, i int32) {
	t := &w.load.slots
	s := t.shard[i]
	id := w.timers.askLoad + i
	if a <= Wait1h {
		w.postpone(id, w.now+w.pause(a))
		return
	}
	w.q.set(id, w.now+afterAction)
	want := int(w.info[s].want)
	switch a {
	case AddNear, AddFar:
		locality := sameZone
		if a == AddFar {
			if locality = otherZone; w.zonesPerRegion == 1 {
				locality = otherRegion
			}
		}
		t.extra[i]++
		w.setWant(s, want+1)
		if w.believedOf(s)+int(w.info[s].ordered) < want+1 {
			w.order(s, 1, true, locality)
		}
	case DropReplica:
		t.extra[i]--
		w.setWant(s, want-1)
	case MoveReplica:
		if w.info[s].flags&shardPlain != 0 {
			w.explicit(s)
		}
		n, _ := w.busiest(i)
		w.order(s, 1, true, spread)
		t.moving[i] = n
		t.moves++
	}
	w.admitSoon = true
}

// movable reports whether a copy of the shard in slot i can be moved now: it has
// all that it wants, and nothing is on order.
func (w *World) movable(i int32) bool {
	s := w.load.slots.shard[i]
	return w.believedOf(s) == int(w.info[s].want) && w.orderedOf(s) == 0
}

// busiest is the node that is busiest among those of the shard in slot i, by the
// requests counted and the latency last measured of it, and how busy it is. It is
// none where no copy is believed live.
func (w *World) busiest(i int32) (node int32, load float64) {
	node = none
	most := -1.0
	for _, r := range w.copiesOf(w.load.slots.shard[i]) {
		if !w.counts(r) {
			continue
		}
		n := r.node()
		x := w.nodeLoad(n)
		if y := x * w.telemetry.latency[n]; y > most {
			node, load, most = n, x, y
		}
	}
	return node, load
}

// nodeLoad is how busy node n is by the requests counted: those for the tracked
// shards of which it has a believed copy, and its part of all others.
func (w *World) nodeLoad(n int32) float64 {
	l := &w.load
	sum := w.restLoad()
	for i, s := range l.slots.shard {
		for _, r := range w.copiesOf(s) {
			if w.counts(r) && r.node() == n {
				sum += w.replicaLoad(int32(i), w.believedOf(s))
				break
			}
		}
	}
	return sum
}

// restLoad is the share of a node's capacity that requests for shards that are not
// tracked take, spread over all nodes that are believed to serve.
func (w *World) restLoad() float64 {
	l := &w.load
	reads := l.process.ReadShare()
	work := l.process.Rate() * l.process.Rest() * (reads*l.readWork + (1-reads)*w.meanWant())
	return work / (l.capacity * float64(max(1, w.nodes-int(w.unreachable))))
}

// movedFrom is the node from which shard s is being moved, or none.
func (w *World) movedFrom(s int32) int32 {
	t := &w.load.slots
	if t.moves > 0 {
		for i, x := range t.shard {
			if x == s {
				return t.moving[i]
			}
		}
	}
	return none
}

// stopMove forgets that a copy of the shard in slot i was to go.
func (w *World) stopMove(i int32) {
	if t := &w.load.slots; t.moving[i] != none {
		t.moving[i] = none
		t.moves--
	}
}

// unordered is called when nothing is on order any more for shard s.
func (w *World) unordered(s int32) {
	t := &w.load.slots
	if t.moves > 0 {
		for i, x := range t.shard {
			if x == s {
				w.stopMove(int32(i))
			}
		}
	}
}

// observeLoads shows the load of the cluster: requests counted and latencies
// measured.
func (w *World) observeLoads(o observation) {
	l := &w.load
	p := l.process
	base := w.cfg.Load.RequestsPerSecond
	reads := p.ReadShare()
	nodes := float64(max(1, w.nodes-int(w.unreachable)))
	o.put(fUtilisation, p.Rate()*(reads*l.readWork+(1-reads)*w.meanWant())/(l.capacity*nodes))
	o.put(fRequestRate, p.Rate()/base)
	o.put(fLoadSlope, (p.Rate()-l.slope)/base)
	o.put(fLatency, log1p(l.measured.p99/w.cfg.Load.Service.SLOSeconds))
	o.put(fRefusedShare, l.measured.refused)
}

// observeLoad shows the shard in slot i.
func (w *World) observeLoad(i int32, o observation) {
	s := w.load.slots.shard[i]
	b := w.believedOf(s)
	w.observeSize(1, o)
	o.put(fLiveCopies, float64(b))
	o.put(fReplicaLoad, w.replicaLoad(i, b))
	w.observeTier(w.tiers.of(w.load.slots.shard[i]), o)
	o.put(fReplicas, float64(w.expected(i)))
	o.put(fExtraCopies, float64(w.load.slots.extra[i]))
	_, busy := w.busiest(i)
	o.put(fNodeUtilisation, busy)
	o.put(fPopularityRank, log(w.load.slots.rank[i]))
	want := int(w.info[s].want)
	w.legal[AddNear] = want < w.maxWant
	w.legal[AddFar] = want < w.maxWant && w.zones > 1
	w.legal[DropReplica] = w.load.slots.extra[i] > 0
	w.legal[MoveReplica] = w.movable(i)
}

// checkSlots recounts what is kept of tracked shards.
func (w *World) checkSlots() error {
	l := &w.load
	t := &l.slots
	moves := int32(0)
	for i, s := range t.shard {
		r := t.rank[i]
		if r < 0 || int(r) >= len(t.shard) || l.process.ShardAt(int(r)) != s || t.slot[r] != int32(i) {
			return fmt.Errorf("slot %d has shard %d of rank %d", i, s, r)
		}
		x := w.info[s]
		if int(t.extra[i]) >= int(x.want) {
			return fmt.Errorf("shard %d wants %d copies, %d of them extra", s, x.want, t.extra[i])
		}
		if n := t.moving[i]; n != none {
			moves++
			if n < 0 || int(n) >= w.nodes || x.ordered == 0 {
				return fmt.Errorf("shard %d is to leave node %d with %d on order", s, n, x.ordered)
			}
		}
	}
	if moves != t.moves {
		return fmt.Errorf("%d copies are being moved, counted %d", moves, t.moves)
	}
	return nil
}
