package cluster

import (
	"fmt"
	"math"

	"mend/env"
	"mend/env/state"
)

// flow is a repair in flight. Those that have ended are a chain by next, to be
// used again, so that all are close together in memory.
type flow struct {
	shard            int32   // or none, where there is no such flow
	record           int32   // that it fills; none where the shard is implied
	origin           int32   // the leaving node that implies the shard, or none
	source, target   int32   // nodes
	next, prev       int32   // in the zone of its destination, of its weight
	nextOut, prevOut int32   // among those of its source
	nextOf, prevOf   int32   // among those of its origin
	start, end       float64 // clock of the destination's zone when it began, and when it will be complete
	fast             bool    // whether it has FastFactor times the weight of a slow one
	stream           uint8   // of its target
}

// flowOf finds the flow that fills record r.
func (w *World) flowOf(r int32) int32 {
	return w.into[w.records[r].node()*w.streams+w.records[r].pos()]
}

// noFlow is where no repair is in flight.
var noFlow = flow{
	shard: none, record: none, origin: none, source: none, target: none,
	next: none, prev: none, nextOut: none, prevOut: none, nextOf: none, prevOf: none,
}

// resetFlows forgets all repairs.
func (w *World) resetFlows() {
	fill(w.flows[:w.flowsUsed], noFlow)
	w.flowsUsed, w.freeFlow = 0, none
	fill(w.into, none)
}

// newFlow takes a flow that is not in use, and a stream of its target.
func (w *World) newFlow(target int32) (id int32) {
	if id = w.freeFlow; id != none {
		w.freeFlow = w.flows[id].next
	} else {
		id = w.flowsUsed
		w.flowsUsed++
	}
	at := target * w.streams
	k := uint8(0)
	for w.into[at] != none {
		at++
		k++
	}
	w.into[at] = id
	f := &w.flows[id]
	f.target, f.stream = target, k
	return id
}

// dropFlow gives back flow id.
func (w *World) dropFlow(id int32) {
	f := &w.flows[id]
	w.into[f.target*w.streams+int32(f.stream)] = none
	*f = noFlow
	f.next = w.freeFlow
	w.freeFlow = id
}

// zoneClock shares a zone's repair bandwidth among the repairs into it, in
// proportion to their weights (generalised processor sharing; Parekh and
// Gallager, 1993). Its clock v advances at min(stream, zone/W) bytes a second,
// W being the sum of the weights in flight: a repair of b bytes and weight x
// that starts at v completes at v + b/x. All shards are of one size, so repairs
// of one weight complete in the order in which they began; starting and ending
// one costs O(1), and none is ever recomputed.
type zoneClock struct {
	v           float64  // bytes per unit of weight since the clock was last idle
	at          env.Time // when v was right
	weight      int32
	first, last [2]int32 // flows, slow and fast, in order of completion
	stale       bool     // whether its timer is to be set again
}

func (z *zoneClock) reset() { *z = zoneClock{first: [2]int32{none, none}, last: [2]int32{none, none}} }

func (w *World) rate(z *zoneClock) float64 {
	return math.Min(w.streamRate, w.zoneRate*w.throttleShare()/float64(z.weight))
}

// takes reports whether a zone starts another repair: as many as its bandwidth can
// feed, and by the last one a few more where it is fast. More would only make all
// of them slower.
func (w *World) takes(z *zoneClock) bool {
	return z.weight < max(1, w.zoneSlots)
}

// setSlots counts the repairs that a zone's bandwidth can feed.
func (w *World) setSlots() {
	w.zoneSlots = int32(min(w.zoneRate*w.throttleShare()/w.streamRate+1e-9, 1<<30))
}

// open reports whether any zone takes another repair.
func (w *World) open() bool {
	for i := range w.clocks {
		if w.takes(&w.clocks[i]) {
			return true
		}
	}
	return false
}

// throttles are the shares of the zones' repair bandwidth that may be used, by
// level. (Assumed.)
var throttles = [...]float64{0.05, 0.2, 0.5, 1}

func (w *World) throttleShare() float64 { return throttles[w.throttle] }

// setThrottle changes the share of the bandwidth that repairs may use.
func (w *World) setThrottle(level int8) {
	for zone := range w.clocks {
		w.advance(zone).stale = true
	}
	w.throttle = level
	w.setSlots()
	w.unsettled, w.admitSoon = true, true
}

// advance brings the clock of a zone to now.
func (w *World) advance(zone int) *zoneClock {
	z := &w.clocks[zone]
	if z.weight > 0 {
		if z.at != w.now {
			z.v += w.rate(z) * (w.now - z.at).Seconds()
		}
	} else {
		z.v = 0
	}
	z.at = w.now
	return z
}

// headOf is the flow of a zone that completes next, or none.
func (w *World) headOf(z *zoneClock) int32 {
	slow, fast := z.first[0], z.first[1]
	if slow == none || fast != none && (w.flows[fast].end < w.flows[slow].end || w.flows[fast].end == w.flows[slow].end && fast < slow) {
		return fast
	}
	return slow
}

// schedule sets the timer of the zone's next completion.
func (w *World) schedule(zone int) {
	z := &w.clocks[zone]
	z.stale = false
	id := w.timers.repair + int32(zone)
	f := w.headOf(z)
	if f == none {
		w.q.cancel(id)
		return
	}
	left := max(0, w.flows[f].end-z.v)
	at := env.Never
	if us := math.Ceil(left / w.rate(z) * 1e6); us < float64(env.Never/2) {
		at = w.now + env.Time(us)
	}
	w.q.set(id, at)
}

// settleRepairs ends the handling of an event or an action: repairs that may
// begin do, and the timers of the zones' clocks are set.
func (w *World) settleRepairs() {
	if w.admitSoon {
		w.admitSoon = false
		w.admit()
	}
	if !w.unsettled {
		return
	}
	w.unsettled = false
	for zone := range w.clocks {
		if w.clocks[zone].stale {
			w.schedule(zone)
		}
	}
}

// startRepair starts a repair of shard s from node src to node dst; it fails where the
// shard has no record to spare.
func (w *World) startRepair(s, src, dst int32) bool {
	r := w.freeRecord(s)
	if r == none {
		return false
	}
	x := &w.info[s]
	id := w.beginFlow(s, src, dst, x.flags&shardFast != 0)
	w.fillRecord(id, r)
	return true
}

// fillRecord makes record r of flow id's shard the one that it fills.
func (w *World) fillRecord(id, r int32) {
	f := &w.flows[id]
	f.record = r
	w.records[r] = newReplica(f.target, int32(f.stream), replicaRebuilding)
	w.info[f.shard].active++
}

// startImplied starts the repair of the plain shard s, which the leaving node
// origin implies.
func (w *World) startImplied(s, origin, src, dst int32) {
	id := w.beginFlow(s, src, dst, false)
	f := &w.flows[id]
	f.origin, f.nextOf = origin, w.firstOf[origin]
	if f.nextOf != none {
		w.flows[f.nextOf].prevOf = id
	}
	w.firstOf[origin] = id
}

// leaveOrigin takes flow f out of those of its origin.
func (w *World) leaveOrigin(f *flow) {
	if f.prevOf == none {
		w.firstOf[f.origin] = f.nextOf
	} else {
		w.flows[f.prevOf].nextOf = f.nextOf
	}
	if f.nextOf != none {
		w.flows[f.nextOf].prevOf = f.prevOf
	}
	f.origin, f.nextOf, f.prevOf = none, none, none
}

// ownImplied makes the implied flow of shard s, if there is one, the shard's own,
// which has just become explicit and has an order for it. It is fed by one of the
// shard's nodes.
func (w *World) ownImplied(s int32) {
	for _, r := range w.copiesOf(s) {
		if r == 0 {
			continue
		}
		for id := w.firstOut[r.node()]; id != none; id = w.flows[id].nextOut {
			if f := &w.flows[id]; f.shard == s {
				w.leaveOrigin(f)
				// A shard that was plain has a record to spare.
				w.fillRecord(id, w.freeRecord(s))
				return
			}
		}
	}
}

// beginFlow starts to copy shard s from node src to node dst.
func (w *World) beginFlow(s, src, dst int32, fast bool) (id int32) {
	id = w.newFlow(dst)
	w.retries = 0
	w.countCopies(dst, +1)
	w.inUsed[dst]++
	w.outUsed[src]++
	f := &w.flows[id]
	f.shard, f.source, f.fast = s, src, fast
	*w.inFlight(f)++
	weight := w.weight(f.fast)
	if w.load.on {
		w.loadRepair(src, weight)
		w.loadRepair(dst, weight)
	}
	z := w.advance(w.zoneOf(dst))
	z.weight += weight
	z.stale, w.unsettled = true, true
	f.start, f.end = z.v, z.v+w.shardBytes/float64(weight)
	k := speed(f.fast)
	f.next, f.prev = none, z.last[k]
	if z.last[k] == none {
		z.first[k] = id
	} else {
		w.flows[z.last[k]].next = id
	}
	z.last[k] = id
	f.prevOut, f.nextOut = none, w.firstOut[src]
	if f.nextOut != none {
		w.flows[f.nextOut].prevOut = id
	}
	w.firstOut[src] = id
	return id
}

// speed is the index of a flow's list in its zone.
func speed(fast bool) int {
	if fast {
		return 1
	}
	return 0
}

// end takes flow id out of its zone's clock, charges what it has moved, and
// returns its shard, the record that it fills, what it was implied by, and its
// target.
func (w *World) end(id int32) (s, record, origin, dst int32) {
	f := &w.flows[id]
	dst = f.target
	zone := w.zoneOf(dst)
	z := w.advance(zone)
	weight := w.weight(f.fast)
	if w.load.on {
		w.loadRepair(f.source, -weight)
		w.loadRepair(dst, -weight)
	}
	w.chargeTraffic(f.source, dst, (min(z.v, f.end)-f.start)*float64(weight))
	z.weight -= weight
	z.stale, w.unsettled = true, true
	k := speed(f.fast)
	if f.prev == none {
		z.first[k] = f.next
	} else {
		w.flows[f.prev].next = f.next
	}
	if f.next == none {
		z.last[k] = f.prev
	} else {
		w.flows[f.next].prev = f.prev
	}
	if f.prevOut == none {
		w.firstOut[f.source] = f.nextOut
	} else {
		w.flows[f.prevOut].nextOut = f.nextOut
	}
	if f.nextOut != none {
		w.flows[f.nextOut].prevOut = f.prevOut
	}
	*w.inFlight(f)--
	w.inUsed[dst]--
	w.outUsed[f.source]--
	s, record, origin = f.shard, f.record, f.origin
	if origin != none {
		w.leaveOrigin(f)
	} else {
		w.info[s].active--
	}
	w.dropFlow(id)
	return s, record, origin, dst
}

// weight is a flow's share of its zone's bandwidth, relative to a slow one's.
func (w *World) weight(fast bool) int32 {
	if fast {
		return int32(w.cfg.Repair.FastFactor)
	}
	return 1
}

// inFlight is the count of repairs in flight that flow f belongs to.
func (w *World) inFlight(f *flow) *int32 {
	if f.fast {
		return &w.ledger.fast
	}
	return &w.ledger.slow
}

// stop ends flow f before its time. Its order stands.
func (w *World) stop(f int32) {
	_, record, _, node := w.end(f)
	if record != none {
		w.records[record] = 0
	}
	w.countCopies(node, -1)
	w.admitSoon = true // others may have its streams
}

// abortFlowsOf stops the repairs into and out of node n, whose orders wait
// again.
func (w *World) abortFlowsOf(n int32) {
	w.abortFlowsInto(n)
	for w.firstOut[n] != none {
		w.abort(w.firstOut[n])
	}
}

func (w *World) abortFlowsInto(n int32) {
	for at := n * w.streams; w.inUsed[n] > 0; at++ {
		if f := w.into[at]; f != none {
			w.abort(f)
		}
	}
}

func (w *World) abort(f int32) {
	s, implied := w.flows[f].shard, w.flows[f].origin != none
	w.stop(f)
	if implied {
		w.explicit(s)
	}
	w.enqueue(s)
}

// repaired completes the repairs of a zone that are due.
func (w *World) repaired(zone int) {
	z := w.advance(zone)
	// The timer was rounded up to whole microseconds: at least one is due.
	z.v = max(z.v, w.flows[w.headOf(z)].end)
	w.readAhead(z)
	for {
		f := w.headOf(z)
		if f == none || w.flows[f].end > z.v {
			break
		}
		w.complete(w.end(f))
	}
	w.admitSoon = true
}

// readAhead reads what the completion of the slow repairs that are due will read,
// for all of them at once: in a large cluster each shard is in memory that no cache
// holds, and so the processor fetches many of them together instead of one after
// the other.
func (w *World) readAhead(z *zoneClock) {
	var due [64]int32
	n := 0
	sum := replica(0)
	for f := z.first[speed(false)]; f != none && n < len(due) && w.flows[f].end <= z.v; f = w.flows[f].next {
		due[n] = w.flows[f].shard
		sum += w.records[int(due[n])*w.width] + replica(w.info[due[n]].flags)
		n++
	}
	words := int32(0)
	for _, s := range due[:n] {
		for _, r := range w.copiesOf(s)[:w.wants] {
			words += w.entries[(int(r.node())*w.capacity+int(r.pos()))*w.stride]
		}
	}
	w.ahead = uint64(sum) + uint64(words) // or the compiler would not read them
}

// complete makes the copy of shard s that a flow has written on node dst one as
// any other. The flow filled record r, or was implied by node origin.
func (w *World) complete(s, r, origin, dst int32) {
	x := &w.info[s]
	if origin != none {
		// The shard is plain and implied, its copy in the making as well.
		w.impliedOf(origin)[w.impliedKind(s, origin)]--
		x.flags &^= shardPlain
		x.ordered, x.locality = 1, spread
		r = w.freeRecord(s)
	}
	w.link(r, dst, replicaLive)
	x.ordered--
	w.orders--
	readable, b, want := 0, 0, int(x.want)
	healthy, missing := true, false
	for _, q := range w.copiesOf(s) {
		if q.state() != replicaLive {
			continue
		}
		h := w.health[q.node()]
		if h&healthQuiet == 0 {
			readable++
		}
		if w.nodeFlags[q.node()]&nodeUnreachable != 0 {
			missing = true
			continue
		}
		b++
		healthy = healthy && h&healthBad == 0
	}
	w.account(s, readable-1, readable)
	w.level(s, b-1, b)
	if b == want && missing {
		w.supersede(s)
	}
	if b == want && healthy && x.ordered == 0 && x.flags&shardLost == 0 {
		w.unordered(s)
		w.makePlain(s)
		return
	}
	if b > want {
		if w.drop(w.surplus(s, r)); b-1 == want {
			w.supersede(s)
		}
	}
	for _, q := range w.copiesOf(s) {
		if w.counts(q) && w.nodeFlags[q.node()]&nodeDraining != 0 {
			w.orderMissing(s) // it is still to go, though another was lost meanwhile
			break
		}
	}
	if x.ordered == 0 {
		w.unordered(s)
	}
	w.refresh(s)
	w.settle(s)
}

// supersede makes the copies of shard s that are missing stale: it has all that
// it wants without them.
func (w *World) supersede(s int32) {
	for j, r := range w.copiesOf(s) {
		if r.state() != replicaLive || w.nodeFlags[r.node()]&nodeUnreachable == 0 {
			continue
		}
		w.setState(s*int32(w.width)+int32(j), replicaStale)
		if w.health[r.node()]&healthQuiet == 0 {
			readable := w.readableOf(s)
			w.account(s, readable+1, readable)
		}
	}
}

func (w *World) flowFields(c *state.Codec) {
	state.Value(c, &w.flowsUsed)
	state.Value(c, &w.freeFlow)
	if w.flowsUsed < 0 || int(w.flowsUsed) > len(w.flows) {
		c.Fail(fmt.Errorf("%d repairs, want 0 to %d", w.flowsUsed, len(w.flows)))
		return
	}
	for i := range w.flows[:w.flowsUsed] {
		f := &w.flows[i]
		state.Value(c, &f.shard)
		state.Value(c, &f.record)
		state.Value(c, &f.origin)
		state.Value(c, &f.source)
		state.Value(c, &f.target)
		state.Value(c, &f.stream)
		state.Value(c, &f.next)
		state.Value(c, &f.prev)
		state.Value(c, &f.nextOut)
		state.Value(c, &f.prevOut)
		state.Value(c, &f.nextOf)
		state.Value(c, &f.prevOf)
		state.Value(c, &f.start)
		state.Value(c, &f.end)
		state.Value(c, &f.fast)
	}
	if c.Restoring() {
		fill(w.flows[w.flowsUsed:], noFlow)
	}
	state.Fixed(c, w.into)
	state.Fixed(c, w.inUsed)
	state.Fixed(c, w.outUsed)
	state.Fixed(c, w.firstOut)
	state.Fixed(c, w.firstOf)
	for i := range w.clocks {
		z := &w.clocks[i]
		state.Value(c, &z.v)
		state.Value(c, &z.at)
		state.Value(c, &z.weight)
		state.Fixed(c, z.first[:])
		state.Fixed(c, z.last[:])
	}
	state.Value(c, &w.throttle)
	state.Value(c, &w.retries)
}
