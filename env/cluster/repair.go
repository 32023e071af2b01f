package cluster

import (
	"mend/env"
	"mend/env/seed"
)

// queues hold the explicit shards with orders that are not in flight and a
// believed live copy to read, most urgent first: those with one before others,
// and fast before slow, as HDFS and Ceph do. Shards that a leaving node
// implies come after the explicit ones of the urgency that most of them have, whose
// number of copies is the usual one, in the order in which the nodes were given up.
const queues = 4

// misses is how many shards of a queue may find no streams before admit leaves
// the rest of it for later: until streams become free, or retryAfter (HDFS:
// dfs.namenode.reconstruction.pending.timeout-sec). The number is assumed.
const (
	misses     = 4
	retryAfter = 5 * env.Minute
	// Each try in vain doubles the time to the next, up to this, until one
	// succeeds.
	retryMost = env.Hour
)

// Where an ordered repair shall put its copy, if a node there can take it; it
// goes to another zone where none can.
const (
	spread      uint8 = iota // the zone that has fewest copies of the shard
	sameZone                 // that of the shard's first live copy
	otherZone                // another zone of that zone's region
	otherRegion              // another region
)

// order orders n more copies of the explicit shard s. They go where and as fast
// as those that it has on order, if any.
func (w *World) order(s int32, n int, fast bool, locality uint8) {
	if k := w.lists.links[s].in; k >= 0 && int(k) < w.classes() {
		w.lists.remove(s)
		w.askNoMore(k)
	}
	x := &w.info[s]
	if x.ordered == 0 {
		x.locality = locality
		x.flags &^= shardFast
		if fast {
			x.flags |= shardFast
		}
	}
	x.ordered += uint8(n)
	w.orders += int32(n)
	w.enqueue(s)
}

// enqueue puts shard s into a queue if it has orders that are not in flight, a
// copy to read, and is in none.
func (w *World) enqueue(s int32) {
	if w.lists.links[s].in >= 0 {
		return
	}
	if k := w.queueOf(s); k >= 0 {
		w.lists.append(int(k), s, w.now)
	}
}

// queueOf is the queue that the explicit shard s belongs to, or −1: it has no
// orders that wait, or nothing to read.
func (w *World) queueOf(s int32) int8 {
	x := &w.info[s]
	if x.ordered == x.active {
		return -1
	}
	b := w.believedOf(s)
	if b == 0 {
		return -1
	}
	k := int8(w.classes())
	if b > 1 {
		k += 2
	}
	if x.flags&shardFast == 0 {
		k++
	}
	return k
}

// cancelOrder takes back one order of shard s: one that waits if there is one,
// else one in flight, whose copy is thrown away.
func (w *World) cancelOrder(s int32) {
	x := &w.info[s]
	if x.ordered == x.active {
		for j, r := range w.copiesOf(s) {
			if r.state() == replicaRebuilding {
				w.stop(w.flowOf(s*int32(w.width) + int32(j)))
				break
			}
		}
	}
	x.ordered--
	w.orders--
	if x.ordered == 0 {
		w.unordered(s)
	}
	if x.ordered == x.active && w.lists.links[s].in >= 0 {
		w.lists.remove(s)
	}
}

// admit starts waiting repairs, most urgent first, as long as they find
// streams. It gives each queue up after a few that find none, so that its cost
// does not grow with the backlog, and moves those to the end, so that none
// keeps others from being tried.
func (w *World) admit() {
	w.admitQueues(0, 2)
	if w.commonWant == 2 {
		w.admitImplied()
	}
	w.admitQueues(2, 4)
	if w.commonWant != 2 {
		w.admitImplied()
	}
	waiting := w.leave.first != none
	for _, n := range w.lists.length[w.classes():] {
		waiting = waiting || n > 0
	}
	// Where any is in flight, its end brings us back.
	if waiting && w.ledger.slow+w.ledger.fast == 0 {
		if !w.q.pending(w.timers.retry) {
			w.q.set(w.timers.retry, w.now+min(retryAfter<<w.retries, retryMost))
			w.retries = min(w.retries+1, 30)
		}
	} else {
		w.q.cancel(w.timers.retry)
	}
}

func (w *World) admitQueues(from, to int) {
	var have holders
	for k := w.classes() + from; k < w.classes()+to; k++ {
		missed := 0
		for n := w.lists.length[k]; n > 0 && missed < misses && w.open(); n-- {
			s := w.lists.first[k]
			w.lists.remove(s)
			for x := &w.info[s]; x.ordered > x.active; {
				w.gather(s, &have)
				src, dst := w.place(&have, w.draws(s), x.locality)
				if dst < 0 || !w.startRepair(s, src, dst) {
					missed++
					w.lists.append(k, s, w.now)
					break
				}
				missed = 0
			}
		}
	}
}

// admitImplied starts repairs of shards that leaving nodes imply. Where the next
// one should go to a zone that takes no more, one of a few behind it may go first;
// those that could not start for another reason wait in a queue of their own.
func (w *World) admitImplied() {
	var have holders
	missed := 0
	for n := w.leave.first; n != none; {
		next := w.leave.next[n]
		e := w.entriesOf(n)
		draining := w.nodeFlags[n]&nodeDraining != 0
		draws := w.leaveSeed[n]
		for ahead := int32(0); w.cursor[n]+ahead < w.held[n] && ahead < misses && missed < misses && w.open(); {
			at := w.cursor[n] + ahead
			i := int(at) * w.stride
			others := e[i+1 : i+w.stride]
			kind := -1
			if e[i]&marked == 0 && w.othersHealthy(others, healthBad) {
				kind = w.kindOf(e[i : i+w.stride])
			}
			if kind < 0 || !w.impliesOrder(n, kind) {
				w.swapEntries(n, e, at, w.cursor[n]) // it has orders of its own, or none
				w.cursor[n]++
				continue
			}
			s := e[i]
			copies := copy(have.node[:], others[:copiesLeft(kind)])
			if draining {
				have.node[copies] = n
				copies++
			}
			have.counted, have.placed = copies, copies
			src, dst := w.place(&have, seed.Seed(draws.At(uint64(s), 0)), spread)
			if dst == full {
				ahead++
				continue
			}
			w.swapEntries(n, e, at, w.cursor[n])
			w.cursor[n]++
			if dst == none {
				missed++
				w.explicit(s)
				w.enqueue(s)
				continue
			}
			w.startImplied(s, n, src, dst)
		}
		if w.cursor[n] < w.held[n] {
			return
		}
		w.leave.remove(n)
		n = next
	}
}

// queueLeaving puts the leaving node n at the end of those whose shards wait for
// repair; unqueue takes it out and ends the repairs that it implies.
func (w *World) queueLeaving(n int32) {
	w.cursor[n] = 0
	w.leaveSeed[n] = seed.Seed(w.placementSeed.At(uint64(w.shards)+uint64(n), uint64(w.now)))
	w.leave.append(n)
	w.admitSoon = true
}

func (w *World) unqueue(n int32) {
	if w.leave.has(n) {
		w.leave.remove(n)
	}
	w.cursor[n] = 0
	for w.firstOf[n] != none {
		w.stop(w.firstOf[n])
	}
}
