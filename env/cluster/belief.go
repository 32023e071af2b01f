package cluster

import "mend/env"

// loseCopies is called when the controller has lost node n, which is flagged as
// unreachable: its copies no longer count.
func (w *World) loseCopies(n int32) {
	if w.nodeFlags[n]&nodeDraining != 0 {
		w.stay(n, false)
	}
	// Repairs that began while it answered for less than a heartbeat.
	w.abortFlowsOf(n)
	for _, s := range w.odd(n, healthBad) {
		r := w.on(s, n)
		if w.records[r].state() != replicaLive {
			continue
		}
		if w.info[s].flags&shardPlain != 0 {
			w.explicit(s)
		}
		b := w.believedOf(s)
		w.level(s, b+1, b)
		w.refresh(s)
	}
	w.health[n] |= healthBad
	w.badNodes++
	implied := w.impliedOf(n)
	copy(implied, w.unmarkedOf(n))
	for kind, c := range implied {
		w.levelImplied(kind, c)
		w.countClass(kind, c)
	}
}

// impliedOf are the counts of the shards that node n implies, by kind.
func (w *World) impliedOf(n int32) []int32 {
	return w.implied[int(n)*w.kinds : (int(n)+1)*w.kinds]
}

// unmarkedOf are the counts of node n's entries that are not marked, by kind.
func (w *World) unmarkedOf(n int32) []int32 {
	return w.unmarked[int(n)*w.kinds : (int(n)+1)*w.kinds]
}

// kindOf is the kind of the plain shard of an entry if the entry's own node were
// bad.
func (w *World) kindOf(e []int32) int {
	kind := w.tiers.of(shardAt(e[0])) * impliedKinds
	others := e[1:]
	if len(others) == 0 || others[0] == int32(w.nodes) {
		return kind
	}
	kind += 2
	zone := w.zoneTable[others[0]]
	several := 0
	for _, n := range others[1:] {
		if n == int32(w.nodes) {
			break
		}
		kind += 2
		if w.zoneTable[n] != zone {
			several = 1
		}
	}
	return kind + several
}

// findCopies is called when the controller has found node n again, with its
// data; its flags were f. What it holds counts again; repairs that this makes
// needless are cancelled, and copies beyond those wanted dropped.
func (w *World) findCopies(n int32, f uint16) {
	declared := f&nodeDeclared != 0
	implied := w.impliedOf(n)
	sum := int32(0)
	for kind, c := range implied {
		sum += c
		w.levelImplied(kind, -c)
		if !declared {
			w.countClass(kind, -c)
		} else if copiesLeft(kind) > 0 {
			w.orders -= c
		}
	}
	clear(implied)
	w.health[n] &^= healthBad
	w.badNodes--
	if declared {
		w.unqueue(n)
		if w.up(n) {
			w.serve(n, f)
		}
	}
	w.admitSoon = true
	if sum == w.held[n] {
		return
	}
	for _, s := range w.odd(n, healthBad) {
		r := w.on(s, n)
		want := int(w.info[s].want)
		if w.records[r].state() == replicaStale {
			if w.believedOf(s) >= want {
				w.drop(r)
				continue
			}
			if w.info[s].flags&shardPlain != 0 {
				w.explicit(s)
			}
			w.setState(r, replicaLive)
			if w.health[n]&healthQuiet == 0 {
				readable := w.readableOf(s)
				w.account(s, readable-1, readable)
			}
		}
		b := w.believedOf(s)
		w.level(s, b-1, b)
		w.cancelBeyond(s)
		if b > want {
			w.drop(w.surplus(s, r))
		}
		w.refresh(s)
		w.settle(s)
	}
}

// cancelBeyond takes back orders of shard s that would give it more copies than
// it wants.
func (w *World) cancelBeyond(s int32) {
	staying := w.stayingOf(s)
	for w.info[s].ordered > 0 && staying+int(w.info[s].ordered) > int(w.info[s].want) {
		w.cancelOrder(s)
	}
}

// stayingOf counts the believed live copies of shard s that are not to go: on a
// node that is drained, or that the shard is moved from.
func (w *World) stayingOf(s int32) int {
	from := w.movedFrom(s)
	c := 0
	for _, r := range w.copiesOf(s) {
		if w.counts(r) && w.nodeFlags[r.node()]&nodeDraining == 0 && r.node() != from {
			c++
		}
	}
	return c
}

// voidCopies erases all that node n held, which is unreachable and whose machine
// has been replaced. Shards of which thereby the last record goes are put on
// w.gone.
func (w *World) voidCopies(n int32) {
	w.load.outdate(staleCopies)
	w.gone = w.gone[:0]
	for id := w.firstOf[n]; id != none; id = w.firstOf[n] {
		w.explicit(w.flows[id].shard)
	}
	w.unqueue(n)
	e := w.entriesOf(n)
	for i := 0; i < len(e); i += w.stride {
		s := shardAt(e[i])
		r := w.on(s, n)
		if w.records[r].state() == replicaLive {
			if w.info[s].flags&shardPlain != 0 {
				w.explicit(s)
			}
			w.mark(s)
			w.records[r] = 0
			w.refresh(s)
		}
		w.records[r] = 0
		if w.info[s].flags&shardLost != 0 {
			w.gone = append(w.gone, s)
		}
	}
	clear(e)
	clear(w.unmarkedOf(n))
	w.held[n], w.live[n], w.marks[n] = 0, 0, 0
}

// surplus chooses which copy of shard s to drop when r has come to be one too
// many: one on a node that is to be emptied, else one that shares its rack with
// another, else one in the zone that has most, r itself among equals. (Two
// copies come to share a rack where a node returns after its copy was made anew
// beside it.)
func (w *World) surplus(s, r int32) int32 {
	best, most := r, w.crowding(s, r)
	for q := s * int32(w.width); q < (s+1)*int32(w.width); q++ {
		if w.counts(w.records[q]) {
			if c := w.crowding(s, q); c > most {
				best, most = q, c
			}
		}
	}
	return best
}

// crowding is large where the copy r of shard s adds little to its spread.
func (w *World) crowding(s, r int32) int {
	n := w.records[r].node()
	c := w.copiesIn(s, w.zoneOf(n))
	if w.nodeFlags[n]&nodeDraining != 0 || w.movedFrom(s) == n {
		c += w.width * w.width
	}
	for q := s * int32(w.width); q < (s+1)*int32(w.width); q++ {
		if q != r && w.counts(w.records[q]) && w.rackOf(w.records[q].node()) == w.rackOf(n) {
			c += w.width
		}
	}
	return c
}

// copiesIn is the number of copies of shard s in a zone that are believed live
// or being made.
func (w *World) copiesIn(s int32, zone int) int {
	c := 0
	for _, r := range w.copiesOf(s) {
		if (w.counts(r) || r.state() == replicaRebuilding) && w.zoneOf(r.node()) == zone {
			c++
		}
	}
	return c
}

// level keeps count of the shards that are short of believed live copies, as
// that number of shard s changes.
func (w *World) level(s int32, before, after int) {
	want := int(w.info[s].want)
	w.countLevel(want, before, -1)
	w.countLevel(want, after, +1)
}

func (w *World) countLevel(want, copies int, c int32) {
	if copies < want {
		w.short += c
	}
	if copies == 0 {
		w.noCopy += c
	} else if copies == 1 && want > 1 {
		w.oneCopy += c
	}
}

// levelImplied counts c implied shards of a kind, which lack one copy.
func (w *World) levelImplied(kind int, c int32) {
	left := copiesLeft(kind)
	w.countLevel(left+1, left, c)
}

// A class of shards at risk, by what the controller believes of them: the
// number of live copies, the tier, whether these copies are in several zones, and
// whether a missing one is on a node that may yet return.
type class struct {
	copies  int // 1 to maxWant−1
	tier    int
	zones   int // 1, or 2 for more
	awaited bool
}

// classes is how many there are; queues of repairs are numbered behind them.
func (st *store) classes() int { return 4 * (st.maxWant - 1) * st.tiers.count }

// classIndex numbers the classes, those of fewest copies first, and among these those
// of the first tier.
func (st *store) classIndex(k class) int8 {
	i := int8(4*((k.copies-1)*st.tiers.count+k.tier) + 2*(k.zones-1))
	if k.awaited {
		i++
	}
	return i
}

func (st *store) classAt(index int32) class {
	i := int(index / 4)
	return class{copies: i/st.tiers.count + 1, tier: i % st.tiers.count, zones: int(index/2%2) + 1, awaited: index%2 == 1}
}

// classOfKind is the class of implied shards of a kind, of which a copy is awaited.
func (st *store) classOfKind(kind int) int8 {
	return st.classIndex(class{copies: copiesLeft(kind), tier: kind / impliedKinds, zones: 1 + kind%2, awaited: true})
}

// kindOfClass is the kind of the implied shards of class k.
func (st *store) kindOfClass(k int32) int {
	x := st.classAt(k)
	return x.tier*impliedKinds + 2*x.copies + x.zones - 1
}

// countClass counts c implied shards of a kind in their class: those of which a
// copy is awaited. A class that gains shards is asked about soon.
func (w *World) countClass(kind int, c int32) {
	if c == 0 || copiesLeft(kind) == 0 {
		return
	}
	k := w.classOfKind(kind)
	w.classImplied[k] += c
	if c > 0 {
		w.askSoon(k)
	} else {
		w.askNoMore(k)
	}
}

// classSize is how many shards are in class k.
func (w *World) classSize(k int32) int32 { return w.lists.length[k] + w.classImplied[k] }

// askSoon has class k asked about soon.
func (w *World) askSoon(k int8) {
	soon := w.now + simulated(w.cfg.Monitor.RiskDelay)
	if id := w.timers.askRisk + int32(k); w.q.at[id] > soon {
		w.q.set(id, soon)
	}
}

// askNoMore ends questions about class k if it is empty.
func (w *World) askNoMore(k int8) {
	if w.classSize(int32(k)) == 0 {
		w.q.cancel(w.timers.askRisk + int32(k))
	}
}

// classOf is the index of the class of the explicit shard s, or −1: it has all
// its copies, or none that could be copied, or a repair ordered.
func (w *World) classOf(s int32) int8 {
	b := w.believedOf(s)
	if b == 0 || b >= int(w.info[s].want) || w.info[s].ordered > 0 {
		return -1
	}
	k := class{copies: b, tier: w.tiers.of(s), zones: 1}
	zone := -1
	for _, r := range w.copiesOf(s) {
		if r.state() != replicaLive {
			continue
		}
		switch f := w.nodeFlags[r.node()]; {
		case f&nodeUnreachable != 0:
			k.awaited = k.awaited || f&nodeDeclared == 0
		case zone < 0:
			zone = w.zoneOf(r.node())
		case w.zoneOf(r.node()) != zone:
			k.zones = 2
		}
	}
	return w.classIndex(k)
}

// refresh moves the explicit shard s to the class that it now belongs to, or,
// where it waits for repair, into or out of the queues.
func (w *World) refresh(s int32) {
	old, risks := w.lists.links[s].in, int8(w.classes())
	k := w.queueOf(s)
	if k < 0 {
		k = w.classOf(s)
	}
	if k == old {
		return
	}
	if old >= 0 {
		if w.lists.remove(s); old < risks {
			w.askNoMore(old)
		}
	}
	if k >= 0 {
		if w.lists.append(int(k), s, w.now); k < risks {
			w.askSoon(k)
		}
	}
}

// repairClass orders all copies that the shards of class k lack.
func (w *World) repairClass(k int32, fast bool, locality uint8) {
	if w.classImplied[k] > 0 {
		kind := w.kindOfClass(k)
		for n := w.lost.first; n != none; n = w.lost.next[n] {
			if w.leaving(n) || w.impliedOf(n)[kind] == 0 {
				continue
			}
			e := w.entriesOf(n)
			for i := 0; i < len(e); i += w.stride {
				others := e[i+1 : i+w.stride]
				if e[i]&marked != 0 || !w.othersHealthy(others, healthBad) || w.kindOf(e[i:i+w.stride]) != kind {
					continue
				}
				s := e[i]
				w.explicit(s)
				w.order(s, int(w.info[s].want)-w.believedOf(s), fast, locality)
			}
		}
	}
	for w.lists.length[k] > 0 {
		s := w.lists.first[k]
		w.order(s, int(w.info[s].want)-w.believedOf(s), fast, locality)
	}
	w.admitSoon = true
}

// declareCopies orders the repair of what node n holds, which was declared dead.
func (w *World) declareCopies(n int32) {
	if w.up(n) { // back already, and not heard yet
		w.quiet(n)
	} else if w.load.on {
		w.notLost(n)
	}
	implied := w.impliedOf(n)
	sum := int32(0)
	for kind, c := range implied {
		sum += c
		w.countClass(kind, -c)
		if copiesLeft(kind) > 0 {
			w.orders += c
		}
	}
	w.queueLeaving(n)
	if sum == w.held[n] {
		return
	}
	for _, s := range w.odd(n, healthBad) {
		if w.records[w.on(s, n)].state() == replicaLive {
			w.orderMissing(s)
			w.refresh(s)
		}
	}
}

// orderMissing orders slow repairs of all copies that the explicit shard s lacks
// on nodes that stay, if there is one to read.
func (w *World) orderMissing(s int32) {
	x := &w.info[s]
	if missing := int(x.want) - w.stayingOf(s) - int(x.ordered); missing > 0 && w.believedOf(s) > 0 {
		w.order(s, missing, false, spread)
	}
}

// drain begins to move what node n holds, which is reachable, to other nodes.
// It serves until all is moved.
func (w *World) drain(n int32) {
	w.abortFlowsInto(n) // what they write would have to be moved again
	w.nodeFlags[n] |= nodeDraining
	for _, s := range w.odd(n, healthBad) {
		r := w.on(s, n)
		if w.records[r].state() != replicaLive {
			continue
		}
		if w.info[s].flags&shardPlain != 0 {
			w.explicit(s)
		}
		w.orderMissing(s)
		w.refresh(s)
	}
	w.health[n] |= healthBad
	w.badNodes++
	implied := w.impliedOf(n)
	copy(implied, w.unmarkedOf(n))
	for _, c := range implied {
		w.orders += c
	}
	w.queueLeaving(n)
	w.admitSoon = true
}

// stay ends the draining of node n, which keeps what it still holds; cancel
// takes back the orders that this makes needless.
func (w *World) stay(n int32, cancel bool) {
	w.nodeFlags[n] &^= nodeDraining
	w.health[n] &^= healthBad
	w.badNodes--
	implied := w.impliedOf(n)
	for _, c := range implied {
		w.orders -= c
	}
	clear(implied)
	w.unqueue(n)
	for _, s := range w.odd(n, healthBad) {
		if w.info[s].flags&shardPlain != 0 { // its copy on n is superseded
			continue
		}
		if cancel {
			w.cancelBeyond(s)
			w.refresh(s)
		}
		w.settle(s)
	}
}

// setWant changes how many copies of shard s are wanted; more are ordered, and
// those that are too many dropped.
func (w *World) setWant(s int32, want int) {
	x := &w.info[s]
	if x.flags&shardPlain != 0 {
		w.explicit(s)
	}
	ofTier := &w.tierWants[w.tiers.of(s)]
	ofTier[x.want]--
	ofTier[want]++
	most := int32(0)
	for k := range ofTier {
		if c := w.wanting(k); c > most {
			most, w.commonWant = c, int32(k)
		}
	}
	w.uniform = most == int32(w.shards)
	w.load.outdate(staleCopies)
	b, readable, before := w.believedOf(s), w.readableOf(s), int(x.want)
	w.countLevel(before, b, -1)
	if readable < before {
		w.ledger.short--
	}
	w.byReadable[before][readable]--
	w.byReadable[want][readable]++
	x.want = uint8(want)
	w.countLevel(want, b, +1)
	if readable < want {
		w.ledger.short++
	}
	degraded := w.ledger.degraded
	w.cancelBeyond(s)
	for ; b > want; b-- {
		last := none
		for j, r := range w.copiesOf(s) {
			if w.counts(r) {
				last = s*int32(w.width) + int32(j)
			}
		}
		w.drop(w.surplus(s, last))
	}
	// What was short of copies and still is has not come to be so anew.
	if w.ledger.degraded = degraded; readable >= before && w.readableOf(s) < want {
		w.ledger.degraded++
	}
	w.refresh(s)
	w.settle(s)
}

// riskSince is since when the oldest shard of class k has been in it: an implied
// one since its node was lost.
func (w *World) riskSince(k int32) env.Time {
	since := env.Never
	if s := w.lists.first[k]; s != none {
		since = w.lists.links[s].since
	}
	if w.classImplied[k] == 0 {
		return since
	}
	kind := w.kindOfClass(k)
	for n := w.lost.first; n != none; n = w.lost.next[n] {
		if w.lostAt[n] >= since {
			break
		}
		if !w.leaving(n) && w.impliedOf(n)[kind] > 0 {
			return w.lostAt[n]
		}
	}
	return since
}
