package cluster

// nodeDown is called when node n, until now up, ceases to answer.
func (w *World) nodeDown(n int32) {
	if w.nodeFlags[n]&nodeDeclared == 0 {
		w.quiet(n)
	}
	w.abortFlowsOf(n)
	if !w.silent(n) {
		w.fellSilent(n)
	}
}

// nodeUp is called when node n answers again.
func (w *World) nodeUp(n int32) {
	if w.nodeFlags[n]&nodeDeclared == 0 {
		w.serve(n, w.nodeFlags[n])
	}
	if !w.silent(n) {
		w.spoke(n)
	}
}

// quiet is called when the copies on node n cease to be readable: it is down, or
// declared dead.
func (w *World) quiet(n int32) {
	w.quietNodes++
	w.health[n] |= healthQuiet
	if w.load.on {
		w.loadQuiet(n)
	}
	w.changeReadable(n, -1)
}

// serve is called when the copies on node n, whose flags were f, are readable
// again.
func (w *World) serve(n int32, f uint16) {
	w.quietNodes--
	w.health[n] &^= healthQuiet
	if w.load.on {
		w.loadServes(n, f)
	}
	w.changeReadable(n, +1)
}

// changeReadable accounts for node n's copies, which have become readable (+1)
// or ceased to be (−1).
func (w *World) changeReadable(n int32, d int) {
	odd := w.odd(n, healthQuiet)
	for _, s := range odd {
		if w.records[w.on(s, n)].state() == replicaLive {
			after := w.readableOf(s)
			w.account(s, after-d, after)
		}
	}
	if w.uniform && w.tiers.count == 1 {
		w.accountMany(0, int(w.commonWant), w.held[n]-int32(len(odd)), d)
		return
	}
	// The others, by tier and by how many copies they want.
	var wants [maxTiers][maxFactor + 1]int32
	for kind, c := range w.unmarkedOf(n) {
		wants[kind/impliedKinds][copiesLeft(kind)+1] += c
	}
	for _, s := range odd {
		if r := w.records[w.on(s, n)]; r.state() == replicaLive && !w.isMarked(r) {
			wants[w.tiers.of(s)][w.info[s].want]--
		}
	}
	for tier := range w.tiers.count {
		for want, c := range wants[tier] {
			if c > 0 {
				w.accountMany(tier, want, c, d)
			}
		}
	}
}

// accountMany accounts for c shards of a tier that want so many copies, of which
// all are readable (+1), or all but one (−1), since now.
func (w *World) accountMany(tier, want int, c int32, d int) {
	l := &w.ledger
	if d < 0 {
		l.short += c
		l.degraded += int64(c)
		w.byReadable[want][want] -= c
		w.byReadable[want][want-1] += c
	} else {
		l.short -= c
		w.byReadable[want][want-1] -= c
		w.byReadable[want][want] += c
	}
	if want == w.cfg.Data.Quorum {
		l.unavailable -= c * int32(d)
		l.chargedUnavailable[tier] -= c * int32(d)
	}
}

// account keeps account of unavailability and of the time to repair where the
// number of readable copies of shard s changes.
func (w *World) account(s int32, before, after int) {
	quorum := w.cfg.Data.Quorum
	x := &w.info[s]
	w.byReadable[x.want][before]--
	w.byReadable[x.want][after]++
	w.load.outdate(staleCopies)
	if (before < quorum) != (after < quorum) {
		change := int32(1)
		if after >= quorum {
			change = -1
		}
		w.ledger.unavailable += change
		if x.flags&shardLost == 0 {
			w.ledger.chargedUnavailable[w.tiers.of(s)] += change
		}
	}
	want := int(x.want)
	if before >= want && after < want {
		w.ledger.short++
		w.ledger.degraded++
	} else if before < want && after >= want {
		w.ledger.short--
	}
}

// destroyCopies accounts for the end of all that node n holds.
func (w *World) destroyCopies(n int32) {
	w.health[n] |= healthDead
	w.deadNodes++
	w.countCopies(n, -w.held[n])
	if w.deadNodes == 1 && w.marks[n] == 0 && w.wanting(1) == 0 {
		return // all have copies elsewhere
	}
	e := w.entriesOf(n)
	for i := 0; i < len(e); i += w.stride {
		if e[i]&marked == 0 && !w.othersDead(e[i+1:i+w.stride]) {
			continue
		}
		w.destroyed(shardAt(e[i]))
	}
}

// othersDead reports whether all other nodes of an entry are dead.
func (w *World) othersDead(others []int32) bool {
	for _, n := range others {
		if w.health[n]&healthDead == 0 && n != int32(w.nodes) {
			return false
		}
	}
	return true
}

// destroyed is called when an intact copy of shard s may have been the last:
// then the shard is lost.
func (w *World) destroyed(s int32) {
	x := &w.info[s]
	if x.flags&shardLost != 0 || w.intactOf(s) > 0 {
		return
	}
	x.flags |= shardLost
	w.ledger.lost++
	tier := w.tiers.of(s)
	w.charge(partLoss, w.pricePerLoss*w.tiers.value[tier])
	if w.readableOf(s) < w.cfg.Data.Quorum {
		w.ledger.chargedUnavailable[tier]--
	}
}
