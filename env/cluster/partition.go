package cluster

import (
	"mend/env"
	"mend/env/seed"
)

// reaches reports whether messages from zone a arrive in zone b.
func (w *World) reaches(a, b int) bool {
	return a == b || w.timers.cutEnd == w.timers.failover || !w.q.pending(w.cutEnd(a, b))
}

// cutEnd is the timer of the end of a partition in the direction from zone a
// to zone b, which is under way while the timer is set.
func (w *World) cutEnd(a, b int) int32 { return w.timers.cutEnd + int32(a*w.zones+b) }

// silent reports whether the heartbeats of node n are lost on their way to the
// monitor, in zone 0.
func (w *World) silent(n int32) bool { return !w.reaches(w.zoneOf(n), 0) }

// heard reports whether the monitor hears node n's heartbeats.
func (w *World) heard(n int32) bool { return w.up(n) && !w.silent(n) }

// pair is the pair of zones, a < b, that slot i of the partitions is about.
func (w *World) pair(i int) (a, b int) {
	for b = 1; i >= b; b++ {
		i -= b
	}
	return i, b
}

// partition cuts the pair of zones in slot i apart, or one direction; a
// partition under way is prolonged, not shortened.
func (w *World) partition(i int, duration env.Time, f seed.Seed) {
	a, b := w.pair(i)
	there, back := true, true
	if u := seed.Uniform(f.At(drawOneWay, 0)); u < w.cfg.Failures.Partition.OneWay {
		there = u < w.cfg.Failures.Partition.OneWay/2
		back = !there
	}
	until := w.now + duration
	began := func(a, b int, struck bool) bool {
		id := w.cutEnd(a, b)
		was := w.q.pending(id)
		if struck && (!was || until > w.q.at[id]) {
			w.q.set(id, until)
		}
		return struck && !was
	}
	// Both directions are cut before anything follows from either.
	there, back = began(a, b, there), began(b, a, back)
	if there {
		w.cutBegan(a, b)
	}
	if back {
		if a == 0 {
			w.silence(b)
		}
		w.cutBegan(b, a)
	}
}

// cutOver ends the partition from zone a to zone b.
func (w *World) cutOver(a, b int) {
	if b == 0 {
		w.endSilence(a)
	}
	w.cutEnded(a, b)
}

// silence makes the monitor miss all nodes of a zone.
func (w *World) silence(zone int) {
	for n := int32(zone * w.nodesPerZone); n < int32((zone+1)*w.nodesPerZone); n++ {
		if w.up(n) {
			w.fellSilent(n)
		}
	}
}

// endSilence makes the monitor hear the nodes of a zone again.
func (w *World) endSilence(zone int) {
	for n := int32(zone * w.nodesPerZone); n < int32((zone+1)*w.nodesPerZone); n++ {
		if w.up(n) {
			w.spoke(n)
		}
	}
}

// cutBegan is called when zone a ceases to reach zone b: repairs from one to the
// other end, and their orders wait again.
func (w *World) cutBegan(a, b int) {
	w.loadCut(a, b, true)
	for _, f := range w.clocks[b].first {
		for f != none {
			next := w.flows[f].next
			if w.zoneOf(w.flows[f].source) == a {
				w.abort(f)
			}
			f = next
		}
	}
}

// cutEnded is called when zone a reaches zone b again.
func (w *World) cutEnded(a, b int) {
	w.loadCut(a, b, false)
	w.admitSoon = true
}
