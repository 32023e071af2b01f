package cluster

// found is called when node n is heard again, with its data. What it holds
// counts again; repairs that this makes needless are cancelled, and copies
// beyond those wanted dropped.
func (w *World) found(n int32) {
	w.forget(n)
	wants := uint8(w.wants)
	for r := w.head[n]; r != none; {
		next := w.repNext[r]
		s := r / int32(w.width)
		if w.repState[r] == replicaRebuilding {
			r = next
			continue
		}
		if w.repState[r] == replicaWrittenOff {
			if w.believed[s] >= wants {
				w.drop(r)
				r = next
				continue
			}
			w.repState[r] = replicaLive
			w.setReadable(s, +1)
		}
		w.setBelieved(s, +1)
		for w.ordered[s] > 0 && w.believed[s]+w.ordered[s] > wants {
			w.cancelOrder(s)
		}
		if w.believed[s] > wants {
			w.drop(w.surplus(s, r)) // never next: no node holds a shard twice
		}
		w.refresh(s)
		r = next
	}
	w.admit()
}

// surplus chooses which copy of shard s to drop when r has come back: one that
// shares its rack with another, else one in the zone that has most, r itself
// among equals. (Two copies come to share a rack where a node returns after
// its copy was made anew beside it.)
func (w *World) surplus(s, r int32) int32 {
	best, most := r, w.crowding(s, r)
	for q := s * int32(w.width); q < (s+1)*int32(w.width); q++ {
		if w.counts(q) {
			if c := w.crowding(s, q); c > most {
				best, most = q, c
			}
		}
	}
	return best
}

// crowding is large where the copy r of shard s adds little to its spread.
func (w *World) crowding(s, r int32) int {
	c := w.copiesIn(s, w.zoneOf(w.repNode[r]))
	for q := s * int32(w.width); q < (s+1)*int32(w.width); q++ {
		if q != r && w.counts(q) && w.rackOf(w.repNode[q]) == w.rackOf(w.repNode[r]) {
			c += w.width
		}
	}
	return c
}

// counts reports whether replica r is a believed live copy.
func (w *World) counts(r int32) bool {
	return w.repState[r] == replicaLive && w.nodeFlags[w.repNode[r]]&nodeUnreachable == 0
}

// copiesIn is the number of copies of shard s in a zone that are believed live
// or being made.
func (w *World) copiesIn(s int32, zone int) int {
	c := 0
	for r := s * int32(w.width); r < (s+1)*int32(w.width); r++ {
		if (w.counts(r) || w.repState[r] == replicaRebuilding) && w.zoneOf(w.repNode[r]) == zone {
			c++
		}
	}
	return c
}

// setBelieved changes the number of believed live copies of shard s by d.
func (w *World) setBelieved(s int32, d int8) {
	w.levels[w.believed[s]]--
	w.believed[s] = uint8(int8(w.believed[s]) + d)
	w.levels[w.believed[s]]++
}

// A class of shards at risk, by what the controller believes of them: the
// number of live copies, whether these are in several zones, and whether a
// missing copy is on a node that may yet return.
type class struct {
	copies  int // 1 to wants−1
	zones   int // 1, or 2 for more
	awaited bool
}

func classes(wants int) int { return 4 * (wants - 1) }

// index numbers the classes, those of fewest copies first.
func (k class) index() int8 {
	i := int8(4*(k.copies-1) + 2*(k.zones-1))
	if k.awaited {
		i++
	}
	return i
}

func classAt(index int32) class {
	return class{copies: int(index/4) + 1, zones: int(index/2%2) + 1, awaited: index%2 == 1}
}

// classOf is the index of the class of shard s, or −1: it has all its copies,
// or none that could be copied, or a repair ordered.
func (w *World) classOf(s int32) int8 {
	b := w.believed[s]
	if b == 0 || int(b) >= w.wants || w.ordered[s] > 0 {
		return -1
	}
	k := class{copies: int(b), zones: 1}
	zone := -1
	for r := s * int32(w.width); r < (s+1)*int32(w.width); r++ {
		switch {
		case w.repState[r] != replicaLive:
		case w.nodeFlags[w.repNode[r]]&nodeUnreachable != 0:
			k.awaited = true
		case zone < 0:
			zone = w.zoneOf(w.repNode[r])
		case w.zoneOf(w.repNode[r]) != zone:
			k.zones = 2
		}
	}
	return k.index()
}

// refresh moves shard s to the class that it now belongs to, or, where it
// waits for repair, into or out of the queues. A class that gains a shard is
// asked about soon.
func (w *World) refresh(s int32) {
	w.enqueue(s)
	old, risks := w.lists.in[s], int8(classes(w.wants))
	if old >= risks {
		if w.believed[s] == 0 {
			w.lists.remove(s)
		}
		return
	}
	k := w.classOf(s)
	if k == old {
		return
	}
	if old >= 0 {
		w.lists.remove(s)
		if w.lists.length[old] == 0 {
			w.q.cancel(w.timers.askRisk + int32(old))
		}
	}
	if k >= 0 {
		w.lists.append(int(k), s, w.now)
		soon := w.now + simulated(w.cfg.Monitor.RiskDelay)
		if id := w.timers.askRisk + int32(k); w.q.at[id] > soon {
			w.q.set(id, soon)
		}
	}
}

// declare writes off what node n holds and orders as many slow repairs of each
// shard as it then lacks.
func (w *World) declare(n int32) {
	w.charge(partActions, w.cfg.Prices.Declare)
	w.nodeFlags[n] |= nodeDeclared
	w.declared++
	w.zoneDeclared[w.zoneOf(n)]++
	w.domains.count(n, 0, -1)
	up := w.up(n)
	for r := w.head[n]; r != none; r = w.repNext[r] {
		if w.repState[r] != replicaLive {
			continue
		}
		s := r / int32(w.width)
		w.repState[r] = replicaWrittenOff
		if up { // back already, and not heard yet
			w.setReadable(s, -1)
		}
		if b := int(w.believed[s]); b > 0 && b+int(w.ordered[s]) < w.wants {
			w.order(s, w.wants-b-int(w.ordered[s]), false, spread)
		}
	}
	w.admit()
}
