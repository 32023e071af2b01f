package cluster

import (
	"math"

	"mend/env"
	"mend/env/state"
)

// queues hold the shards with orders that are not in flight and a believed
// live copy to read, most urgent first: those with one before others, and fast
// before slow, as HDFS and Ceph do. A shard stays in the queue that it was put
// in.
const queues = 4

// misses is how many shards of a queue may find no streams before admit leaves
// the rest of it for later: until streams become free, or retryAfter (HDFS:
// dfs.namenode.reconstruction.pending.timeout-sec).
const (
	misses     = 4
	retryAfter = 5 * env.Minute
)

// Where an ordered repair shall put its copy, if a node there can take it; it
// goes to another zone where none can.
const (
	spread      uint8 = iota // the zone that has fewest copies of the shard
	sameZone                 // that of its source
	otherZone                // another zone of the source's region
	otherRegion              // another region
)

// order orders n more copies of shard s. They go where and as fast as those
// that it has on order, if any.
func (w *World) order(s int32, n int, fast bool, locality uint8) {
	if k := w.lists.in[s]; k >= 0 && int(k) < classes(w.wants) {
		w.lists.remove(s)
		if w.lists.length[k] == 0 {
			w.q.cancel(w.timers.askRisk + int32(k))
		}
	}
	if w.ordered[s] == 0 {
		w.locality[s] = locality
		w.shardFlags[s] &^= shardFast
		if fast {
			w.shardFlags[s] |= shardFast
		}
	}
	w.ordered[s] += uint8(n)
	w.orders += int32(n)
	w.enqueue(s)
}

// enqueue puts shard s into a queue if it has orders that are not in flight, a
// copy to read, and is in none.
func (w *World) enqueue(s int32) {
	if w.ordered[s] == w.active[s] || w.believed[s] == 0 || w.lists.in[s] >= 0 {
		return
	}
	k := classes(w.wants)
	if w.believed[s] > 1 {
		k += 2
	}
	if w.shardFlags[s]&shardFast == 0 {
		k++
	}
	w.lists.append(k, s, w.now)
}

// cancelOrder takes back one order of shard s: one that waits if there is one,
// else one in flight, whose copy is thrown away.
func (w *World) cancelOrder(s int32) {
	if w.ordered[s] == w.active[s] {
		for r := s * int32(w.width); ; r++ {
			if w.repState[r] == replicaRebuilding {
				w.stop(w.flows.of(r, w))
				break
			}
		}
	}
	w.ordered[s]--
	w.orders--
	if w.ordered[s] == w.active[s] && w.lists.in[s] >= 0 {
		w.lists.remove(s)
	}
}

// admit starts waiting repairs, most urgent first, as long as they find
// streams. It gives each queue up after a few that find none, so that its cost
// does not grow with the backlog, and moves those to the end, so that none
// keeps others from being tried.
func (w *World) admit() {
	waiting := false
	for k := classes(w.wants); k < classes(w.wants)+queues; k++ {
		missed := 0
		for n := w.lists.length[k]; n > 0 && missed < misses; n-- {
			s := w.lists.first[k]
			w.lists.remove(s)
			for w.ordered[s] > w.active[s] {
				if !w.start(s) {
					missed++
					w.lists.append(k, s, w.now)
					break
				}
				missed = 0
			}
		}
		waiting = waiting || w.lists.length[k] > 0
	}
	if waiting && !w.q.pending(w.timers.retry) {
		w.q.set(w.timers.retry, w.now+retryAfter)
	}
}

// flows are the repairs in flight. Flow f writes to node f / StreamsPerNode.
type flows struct {
	replica []int32   // the record that it fills, or none
	source  []int32   // node
	fast    []bool    // whether it has FastFactor times the weight of a slow one
	start   []float64 // clock of the destination's zone when it began
	end     []float64 // and when it will be complete
	place   []int32   // in the heap of the zone
}

func newFlows(n int) flows {
	return flows{
		replica: make([]int32, n), source: make([]int32, n), fast: make([]bool, n),
		start: make([]float64, n), end: make([]float64, n), place: make([]int32, n),
	}
}

func (f *flows) reset() {
	fill(f.replica, none)
	fill(f.source, none)
	clear(f.fast)
	clear(f.start)
	clear(f.end)
	fill(f.place, none)
}

// of finds the flow that fills replica r.
func (f *flows) of(r int32, w *World) int32 {
	first := w.repNode[r] * int32(w.cfg.Repair.StreamsPerNode)
	for i := first; ; i++ {
		if f.replica[i] == r {
			return i
		}
	}
}

// fields carries the flows; their places are restored from the heaps.
func (f *flows) fields(c *state.Codec) {
	state.Fixed(c, f.replica)
	state.Fixed(c, f.source)
	state.Fixed(c, f.fast)
	state.Fixed(c, f.start)
	state.Fixed(c, f.end)
	state.Fixed(c, f.place)
}

// zoneClock shares a zone's repair bandwidth among the repairs into it, in
// proportion to their weights (generalised processor sharing; Parekh and
// Gallager, 1993). Its clock v advances at min(stream, zone/W) bytes a second,
// W being the sum of the weights in flight: a repair of b bytes and weight x
// that starts at v completes at v + b/x, so that starting and ending one costs
// O(log n) and none is ever recomputed.
type zoneClock struct {
	v      float64  // bytes per unit of weight since the clock was last idle
	at     env.Time // when v was right
	weight int32
	heap   []int32 // flows by (end, flow)
}

func (z *zoneClock) reset() { z.v, z.at, z.weight, z.heap = 0, 0, 0, z.heap[:0] }

func (w *World) rate(z *zoneClock) float64 {
	return math.Min(w.streamRate, w.zoneRate/float64(z.weight))
}

// advance brings the clock of a zone to now.
func (w *World) advance(zone int) *zoneClock {
	z := &w.clocks[zone]
	if z.weight > 0 {
		z.v += w.rate(z) * (w.now - z.at).Seconds()
	} else {
		z.v = 0
	}
	z.at = w.now
	return z
}

// schedule sets the timer of the zone's next completion.
func (w *World) schedule(zone int) {
	z := &w.clocks[zone]
	id := w.timers.repair + int32(zone)
	if len(z.heap) == 0 {
		w.q.cancel(id)
		return
	}
	left := max(0, w.flows.end[z.heap[0]]-z.v)
	at := env.Never
	if us := math.Ceil(left / w.rate(z) * 1e6); us < float64(env.Never/2) {
		at = w.now + env.Time(us)
	}
	w.q.set(id, at)
}

// start tries to begin one waiting repair of shard s.
func (w *World) start(s int32) bool {
	src, dst := w.place(s)
	if dst == none {
		return false
	}
	r := w.freeRecord(s)
	if r == none {
		return false
	}
	w.link(r, dst, replicaRebuilding)
	w.ledger.copies++
	w.active[s]++
	streams := int32(w.cfg.Repair.StreamsPerNode)
	f := dst * streams
	for w.flows.replica[f] != none {
		f++
	}
	w.flows.replica[f], w.flows.source[f], w.flows.fast[f] = r, src, w.shardFlags[s]&shardFast != 0
	*w.inFlight(f)++
	weight := w.weight(f)
	zone := w.zoneOf(dst)
	z := w.advance(zone)
	z.weight += weight
	w.flows.start[f], w.flows.end[f] = z.v, z.v+w.shardBytes/float64(weight)
	w.push(z, f)
	out := src * streams
	for w.streamsOut[out] != none {
		out++
	}
	w.streamsOut[out] = f
	w.schedule(zone)
	return true
}

// end takes flow f out of its zone's clock, charges what it has moved, and
// returns the record that it was filling.
func (w *World) end(f int32) int32 {
	r := w.flows.replica[f]
	streams := int32(w.cfg.Repair.StreamsPerNode)
	dst, src := f/streams, w.flows.source[f]
	zone := w.zoneOf(dst)
	z := w.advance(zone)
	moved := min(z.v, w.flows.end[f]) - w.flows.start[f]
	w.chargeTraffic(src, dst, moved*float64(w.weight(f)))
	z.weight -= w.weight(f)
	w.pull(z, w.flows.place[f])
	*w.inFlight(f)--
	for i := src * streams; ; i++ {
		if w.streamsOut[i] == f {
			w.streamsOut[i] = none
			break
		}
	}
	w.flows.replica[f], w.flows.source[f] = none, none
	w.active[r/int32(w.width)]--
	w.schedule(zone)
	return r
}

// weight is flow f's share of its zone's bandwidth, relative to a slow one's.
func (w *World) weight(f int32) int32 {
	if w.flows.fast[f] {
		return int32(w.cfg.Repair.FastFactor)
	}
	return 1
}

// inFlight is the count of repairs in flight that flow f belongs to.
func (w *World) inFlight(f int32) *int32 {
	if w.flows.fast[f] {
		return &w.ledger.fast
	}
	return &w.ledger.slow
}

// stop ends flow f before its time. Its order stands.
func (w *World) stop(f int32) {
	w.unlink(w.end(f))
}

// abortFlowsOf stops the repairs into and out of node n, whose orders wait
// again.
func (w *World) abortFlowsOf(n int32) {
	streams := int32(w.cfg.Repair.StreamsPerNode)
	aborted := false
	for i := n * streams; i < (n+1)*streams; i++ {
		for _, f := range [2]int32{i, w.streamsOut[i]} {
			if f == none || w.flows.replica[f] == none {
				continue
			}
			s := w.flows.replica[f] / int32(w.width)
			w.stop(f)
			w.enqueue(s)
			aborted = true
		}
	}
	if aborted {
		w.admit()
	}
}

// repaired completes the repairs of a zone that are due.
func (w *World) repaired(zone int) {
	z := w.advance(zone)
	// The timer was rounded up to whole microseconds: at least one is due.
	z.v = max(z.v, w.flows.end[z.heap[0]])
	for len(z.heap) > 0 && w.flows.end[z.heap[0]] <= z.v {
		r := w.end(z.heap[0])
		s := r / int32(w.width)
		w.repState[r] = replicaLive
		w.ordered[s]--
		w.orders--
		w.intact[s]++
		w.setReadable(s, +1)
		if w.counts(r) {
			w.setBelieved(s, +1)
		}
		w.refresh(s)
	}
	w.admit()
}

// push and pull keep the heap of a zone's flows, ordered by (end, flow).
func (w *World) push(z *zoneClock, f int32) {
	z.heap = append(z.heap, f)
	w.flows.place[f] = int32(len(z.heap) - 1)
	w.siftUp(z, len(z.heap)-1)
}

func (w *World) pull(z *zoneClock, place int32) {
	last := len(z.heap) - 1
	w.flows.place[z.heap[place]] = none
	f := z.heap[last]
	z.heap = z.heap[:last]
	if int(place) == last {
		return
	}
	z.heap[place], w.flows.place[f] = f, place
	w.siftUp(z, int(place))
	w.siftDown(z, int(w.flows.place[f]))
}

func (w *World) sooner(a, b int32) bool {
	return w.flows.end[a] < w.flows.end[b] || w.flows.end[a] == w.flows.end[b] && a < b
}

func (w *World) swap(z *zoneClock, i, j int) {
	a, b := z.heap[i], z.heap[j]
	z.heap[i], z.heap[j] = b, a
	w.flows.place[b], w.flows.place[a] = int32(i), int32(j)
}

func (w *World) siftUp(z *zoneClock, i int) {
	for i > 0 && w.sooner(z.heap[i], z.heap[(i-1)/2]) {
		w.swap(z, i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (w *World) siftDown(z *zoneClock, i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(z.heap); c++ {
			if w.sooner(z.heap[c], z.heap[least]) {
				least = c
			}
		}
		if least == i {
			return
		}
		w.swap(z, i, least)
		i = least
	}
}
