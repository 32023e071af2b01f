package cluster

import (
	"fmt"
	"math"
	"slices"

	"mend/env"
)

// CheckInvariants recounts everything that the world keeps a running count of
// and reports the first disagreement. It costs time in proportion to the size
// of the cluster; tests call it after every event.
func (w *World) CheckInvariants() error {
	if err := w.checkRanges(); err != nil {
		return err
	}
	if err := w.checkQueue(); err != nil {
		return err
	}
	if err := w.checkFailures(); err != nil {
		return err
	}
	if err := w.checkNodes(); err != nil {
		return err
	}
	if err := w.checkShards(); err != nil {
		return err
	}
	if err := w.checkRepairs(); err != nil {
		return err
	}
	if err := w.checkDomains(); err != nil {
		return err
	}
	if err := w.checkTelemetry(); err != nil {
		return err
	}
	if err := w.checkSuspicions(); err != nil {
		return err
	}
	if err := w.checkReview(); err != nil {
		return err
	}
	return w.checkLoad()
}

// checkRanges makes sure that every index is one, so that what follows can use
// them.
func (w *World) checkRanges() error {
	for n := range int32(w.nodes) {
		if w.held[n] < 0 || int(w.held[n])+int(w.inUsed[n]) > w.capacity || w.cursor[n] < 0 || w.cursor[n] > w.held[n] {
			return fmt.Errorf("node %d holds %d copies, %d of them dealt with, of at most %d", n, w.held[n], w.cursor[n], w.capacity)
		}
		e := w.entriesOf(n)
		for i := range e {
			limit := w.nodes + 1
			if i%w.stride == 0 {
				limit = w.shards
			}
			if v := e[i]; i%w.stride == 0 && int(shardAt(v)) >= limit || i%w.stride != 0 && (v < 0 || int(v) >= limit) {
				return fmt.Errorf("node %d: word %d of its entries is %d, want less than %d", n, i, v, limit)
			}
		}
	}
	for r, rep := range w.records {
		if rep == 0 {
			continue
		}
		n := rep.node()
		if rep.state() == replicaRebuilding && n >= 0 && int(n) < w.nodes && rep.pos() < w.streams {
			continue
		}
		if rep.state() == replicaNone || n < 0 || int(n) >= w.nodes || rep.pos() >= w.held[n] {
			return fmt.Errorf("record %d is at place %d of node %d in state %d", r, rep.pos(), n, rep.state())
		}
	}
	for _, x := range []struct {
		what    string
		indexes []int32
		n       int
	}{
		{"first shard of a list", w.lists.first, w.shards},
		{"last shard of a list", w.lists.last, w.shards},
		{"node's first repair", w.firstOut, len(w.flows)},
		{"node's first implied repair", w.firstOf, len(w.flows)},
		{"repair that a node receives", w.into, len(w.flows)},
		{"first repair to be used again", []int32{w.freeFlow}, int(w.flowsUsed)},
	} {
		for i, v := range x.indexes {
			if v < none || int(v) >= x.n {
				return fmt.Errorf("%s, number %d, is %d, want -1 to %d", x.what, i, v, x.n-1)
			}
		}
	}
	for s, l := range w.lists.links {
		if l.in < -1 || int(l.in) >= len(w.lists.length) || l.next < none || int(l.next) >= w.shards || l.prev < none || int(l.prev) >= w.shards {
			return fmt.Errorf("shard %d is in list %d of %d, between %d and %d", s, l.in, len(w.lists.length), l.prev, l.next)
		}
		if x := w.info[s]; x.want < 1 || int(x.want) > w.maxWant || x.active > x.ordered || x.locality > otherRegion {
			return fmt.Errorf("shard %d wants %d copies, %d ordered, %d in flight, to %d", s, x.want, x.ordered, x.active, x.locality)
		}
	}
	for id, f := range w.flows {
		for _, x := range []struct {
			v int32
			n int
		}{{f.shard, w.shards}, {f.record, len(w.records)}, {f.origin, w.nodes}, {f.nextOf, len(w.flows)}, {f.prevOf, len(w.flows)}, {f.source, w.nodes}, {f.target, w.nodes}, {f.next, len(w.flows)}, {f.prev, len(w.flows)}, {f.nextOut, len(w.flows)}, {f.prevOut, len(w.flows)}} {
			if x.v < none || int(x.v) >= x.n || int32(f.stream) >= w.streams {
				return fmt.Errorf("repair %d: index %d, want -1 to %d", id, x.v, x.n-1)
			}
		}
		if idle := f.shard == none; idle != (f.source == none) || idle != (f.target == none) || idle && f.origin != none {
			return fmt.Errorf("repair %d is from node %d to %d", id, f.source, f.target)
		}
	}
	for zone, z := range w.clocks {
		for _, v := range append(z.first[:], z.last[:]...) {
			if v < none || int(v) >= len(w.flows) {
				return fmt.Errorf("zone %d has a repair %d", zone, v)
			}
		}
	}
	if w.retries > 30 {
		return fmt.Errorf("%d tries in vain", w.retries)
	}
	if w.throttle < 0 || int(w.throttle) >= len(throttles) {
		return fmt.Errorf("throttle level %d", w.throttle)
	}
	for what, l := range map[string]*chain{"lost": &w.lost, "leaving": &w.leave} {
		seen, last := 0, none
		for n := l.first; n != none; last, n = n, l.next[n] {
			if n < 0 || int(n) >= w.nodes || l.prev[n] != last || seen > w.nodes {
				return fmt.Errorf("the chain of %s nodes is broken at %d", what, n)
			}
			seen++
		}
		if last != l.last {
			return fmt.Errorf("the chain of %s nodes ends at %d, recorded %d", what, last, l.last)
		}
		for n := range int32(w.nodes) {
			if l.has(n) {
				seen--
			}
		}
		if seen != 0 {
			return fmt.Errorf("%d nodes more in the chain of %s nodes than are marked so", seen, what)
		}
	}
	return nil
}

func (w *World) checkQueue() error {
	if w.kind >= kinds || w.subject < 0 || int(w.subject) >= w.subjects(w.kind) {
		return fmt.Errorf("question of kind %d about subject %d", w.kind, w.subject)
	}
	if w.now < 0 || w.now > w.horizon || !w.ended && w.q.at[w.timers.horizon] != w.horizon {
		return fmt.Errorf("it is %d and the episode ends at %d, want %d", w.now, w.q.at[w.timers.horizon], w.horizon)
	}
	for id, at := range w.q.at {
		if at < w.now {
			return fmt.Errorf("timer %d is set to %d, before now, %d", id, at, w.now)
		}
		if p := w.q.pos[id]; (p < 0) != (at == env.Never) || p >= 0 && w.q.heap[p].id != int32(id) {
			return fmt.Errorf("timer %d is at place %d of the queue for time %d", id, p, at)
		}
	}
	return nil
}

// subjects is how many subjects questions of kind k can be about.
func (w *World) subjects(k Kind) int {
	switch k {
	case NodeUnreachable, NodeSuspect:
		return w.nodes
	case DomainUnreachable:
		return len(w.faultDomains.members)
	case ShardsAtRisk:
		return w.classes()
	case ShardLoad:
		return len(w.load.slots.shard)
	case ClusterReview:
		return w.reviews()
	}
	return 1
}

func (w *World) checkNodes() error {
	var unreachable, declared, racks int32
	var space int64
	zoneDeclared := make([]int32, w.zones)
	var silent, dead, bad int32
	for n := range int32(w.nodes) {
		f := w.nodeFlags[n]
		held := w.held[n]
		if err := w.checkEntries(n); err != nil {
			return err
		}
		health := healthHealthy
		if f&(nodeUnreachable|nodeDraining) != 0 {
			health |= healthBad
		}
		if !w.up(n) || f&nodeDeclared != 0 {
			health |= healthQuiet
			silent++
		}
		if f&nodeDead != 0 {
			health |= healthDead
			dead++
		}
		if health&healthBad != 0 {
			bad++
		}
		if w.health[n]&^healthBarred != health {
			return fmt.Errorf("node %d: health %b, want %b", n, w.health[n], health)
		}
		if lost := f&nodeUnreachable != 0; lost != w.lost.has(n) || lost && w.lost.next[n] != none && w.lostAt[w.lost.next[n]] < w.lostAt[n] {
			return fmt.Errorf("node %d is unreachable: %v, and misplaced among the lost", n, lost)
		}
		if w.leaving(n) && w.cursor[n] < held && !w.leave.has(n) || !w.leaving(n) && (w.leave.has(n) || w.cursor[n] != 0) {
			return fmt.Errorf("node %d is leaving: %v, waits for repairs: %v, %d of %d dealt with", n, w.leaving(n), w.leave.has(n), w.cursor[n], held)
		}
		if f&nodeUnreachable != 0 {
			unreachable++
			if f&nodeDeclared != 0 {
				declared++
				zoneDeclared[w.zoneOf(n)]++
			} else if asked := w.kind == NodeUnreachable && w.subject == n; !asked && !w.q.pending(w.timers.askNode+n) && w.faultDomains.openOf(n) == none {
				return fmt.Errorf("node %d is unreachable and will not be asked about", n)
			}
		} else {
			space += int64(w.nodeCopies - held)
			if f&(nodeDeclared|nodeRestarted) != 0 || w.q.pending(w.timers.askNode+n) {
				return fmt.Errorf("node %d is reachable and flagged or asked about", n)
			}
		}
		dead := f&nodeDead != 0
		if dead != w.q.pending(w.timers.replace+n) || dead && w.q.pending(w.timers.returns+n) {
			return fmt.Errorf("node %d is dead: %v, to be replaced: %v, to return: %v", n, dead,
				w.q.pending(w.timers.replace+n), w.q.pending(w.timers.returns+n))
		}
		if !w.heard(n) && f&nodeUnreachable == 0 && !w.q.pending(w.timers.monitor+n) {
			return fmt.Errorf("node %d is not heard and will not be noticed", n)
		}
		if w.heard(n) && f&nodeUnreachable != 0 && !w.q.pending(w.timers.monitor+n) {
			return fmt.Errorf("node %d is heard and will not be noticed", n)
		}
	}
	if silent != w.quietNodes || dead != w.deadNodes || bad != w.badNodes {
		return fmt.Errorf("%d nodes silent, %d dead and %d bad, counted %d, %d and %d", silent, dead, bad, w.quietNodes, w.deadNodes, w.badNodes)
	}
	for i := range w.racks {
		if int(w.faultDomains.unreachable[i]) == w.nodesPerRack {
			racks++
		}
	}
	for z := range zoneDeclared {
		if zoneDeclared[z] != w.zoneDeclared[z] {
			return fmt.Errorf("zone %d: %d nodes declared, counted %d", z, zoneDeclared[z], w.zoneDeclared[z])
		}
	}
	if unreachable != w.unreachable || declared != w.declared || racks != w.racksUnreachable || space != w.reachableSpace {
		return fmt.Errorf("unreachable %d, declared %d, racks %d, space %d; counted %d, %d, %d, %d",
			unreachable, declared, racks, space, w.unreachable, w.declared, w.racksUnreachable, w.reachableSpace)
	}
	return nil
}

// checkEntries checks the entries of node n against the records.
func (w *World) checkEntries(n int32) error {
	var live, marks int32
	tally := make([]int32, w.kinds)
	e := w.entriesOf(n)
	for i := 0; i < len(e); i += w.stride {
		s := shardAt(e[i])
		var rep replica
		var others [maxFactor + spare]int32
		left := 0
		for _, r := range w.copiesOf(s) {
			switch {
			case r != 0 && r.state() != replicaRebuilding && r.node() == n:
				rep = r
			case r.state() == replicaLive:
				others[left] = r.node()
				left++
			}
		}
		if rep == 0 || int(rep.pos()) != i/w.stride {
			return fmt.Errorf("node %d: entry %d is of shard %d, whose record is at %d", n, i/w.stride, s, rep.pos())
		}
		if rep.state() == replicaLive {
			live++
		}
		if e[i]&marked != 0 {
			marks++
			if w.info[s].flags&shardPlain != 0 && rep.state() == replicaLive {
				return fmt.Errorf("node %d: the entry of the plain shard %d is marked", n, s)
			}
			continue
		}
		tally[w.kindOf(e[i:i+w.stride])]++
		if w.info[s].flags&shardPlain == 0 || rep.state() != replicaLive {
			return fmt.Errorf("node %d: the entry of shard %d, flags %b, state %d, is not marked", n, s, w.info[s].flags, rep.state())
		}
		for _, m := range e[i+1 : i+w.stride] {
			if m == int32(w.nodes) {
				continue
			}
			i := slices.Index(others[:left], m)
			if i < 0 {
				return fmt.Errorf("node %d: the entry of shard %d names node %d", n, s, m)
			}
			left--
			others[i] = others[left]
		}
		if left > 0 {
			return fmt.Errorf("node %d: the entry of shard %d lacks nodes %v", n, s, others[:left])
		}
	}
	if !slices.Equal(tally, w.unmarkedOf(n)) {
		return fmt.Errorf("node %d: entries by kind %v, counted %v", n, tally, w.unmarkedOf(n))
	}
	if live != w.live[n] || marks != w.marks[n] {
		return fmt.Errorf("node %d: %d live copies, %d marked entries, counted %d and %d", n, live, marks, w.live[n], w.marks[n])
	}
	return nil
}

func (w *World) checkShards() error {
	var copies, unavailable, orders, short, believedShort, one, no int32
	var charged [maxTiers]int32
	var tierWants [maxTiers][maxFactor + 1]int32
	var byReadable readableTable
	var copiesBy [providers]int32
	implied := make([]int32, len(w.implied))
	classImplied := make([]int32, len(w.classImplied))
	length := make([]int32, len(w.lists.length))
	for s := range int32(w.shards) {
		x := &w.info[s]
		want := int(x.want)
		tier := w.tiers.of(s)
		tierWants[tier][want]++
		if w.tierTarget[tier] < 1 || want < int(w.tierTarget[tier]) {
			return fmt.Errorf("shard %d wants %d copies, those of its tier %d", s, want, w.tierTarget[tier])
		}
		readable, intact, believed := w.readableOf(s), w.intactOf(s), w.believedOf(s)
		var active uint8
		live, bad := 0, none
		var seen [maxFactor + spare]int32
		records := 0
		several := false
		for _, r := range w.copiesOf(s) {
			if r == 0 {
				continue
			}
			if slices.Contains(seen[:records], r.node()) {
				return fmt.Errorf("shard %d has two records on node %d", s, r.node())
			}
			if r.state() != replicaRebuilding && w.health[r.node()]&healthDead == 0 {
				copiesBy[w.provider[w.regionOfZone(w.zoneOf(r.node()))]]++
			}
			seen[records] = r.node()
			records++
			switch r.state() {
			case replicaRebuilding:
				active++
				copies++
				copiesBy[w.provider[w.regionOfZone(w.zoneOf(r.node()))]]++
			case replicaLive:
				live++
				if w.health[r.node()]&healthBad != 0 {
					several = bad != none
					bad = r.node()
				}
			}
		}
		copies += int32(intact)
		byReadable[want][readable]++
		if active != x.active {
			return fmt.Errorf("shard %d: %d repairs in flight, counted %d", s, active, x.active)
		}
		in := w.lists.links[s].in
		if in >= 0 {
			length[in]++
		}
		lost := x.flags&shardLost != 0
		if lost != (intact == 0 && records > 0) && !(intact == 0 && records == 0) {
			return fmt.Errorf("shard %d: %d intact copies, lost: %v", s, intact, lost)
		}
		if readable < want {
			short++
		}
		if readable < w.cfg.Data.Quorum {
			unavailable++
			if !lost {
				charged[w.tiers.of(s)]++
			}
		}
		if believed < want {
			believedShort++
		}
		switch {
		case believed == 0:
			no++
		case believed == 1 && want > 1:
			one++
		}
		orders += int32(x.ordered)
		if x.flags&shardPlain != 0 {
			if live != want || active != 0 || x.ordered != 0 || in >= 0 || several {
				return fmt.Errorf("shard %d is plain with %d live copies, %d ordered, in list %d, on several bad nodes: %v", s, live, x.ordered, in, several)
			}
			if bad == none {
				continue
			}
			kind := w.impliedKind(s, bad)
			implied[int(bad)*w.kinds+kind]++
			switch {
			case !w.leaving(bad):
				if copiesLeft(kind) > 0 {
					classImplied[w.classOfKind(kind)]++
				}
			case w.impliesOrder(bad, kind):
				orders++
			}
			continue
		}
		if k := w.queueOf(s); k >= 0 != (int(in) >= w.classes()) || k >= 0 && k != in {
			return fmt.Errorf("shard %d: %d ordered, %d in flight, in list %d, want %d", s, x.ordered, active, in, k)
		}
		waiting := x.ordered > x.active && believed > 0
		for _, r := range w.copiesOf(s) {
			if w.counts(r) && w.nodeFlags[r.node()]&nodeDraining != 0 && x.ordered == 0 && w.stayingOf(s) < want {
				return fmt.Errorf("shard %d: nothing is ordered in place of its copy on node %d, which drains", s, r.node())
			}
		}
		if k := w.classOf(s); !waiting && in != k {
			return fmt.Errorf("shard %d is in class %d, want %d", s, in, k)
		}
	}
	for i := range w.flows {
		if w.flows[i].origin != none {
			copies++
			copiesBy[w.provider[w.regionOfZone(w.zoneOf(w.flows[i].target))]]++
		}
	}
	l := &w.ledger
	if byReadable != w.byReadable || w.mixed && copiesBy != l.copiesBy {
		return fmt.Errorf("shards by readable copies %v, copies by provider %v; counted %v, %v", byReadable, copiesBy, w.byReadable, l.copiesBy)
	}
	if copies != l.copies || unavailable != l.unavailable || charged != l.chargedUnavailable || short != l.short {
		return fmt.Errorf("copies %d, unavailable %d, charged %d, short %d; counted %d, %d, %d, %d",
			copies, unavailable, charged, short, l.copies, l.unavailable, l.chargedUnavailable, l.short)
	}
	if orders != w.orders || believedShort != w.short || one != w.oneCopy || no != w.noCopy {
		return fmt.Errorf("orders %d, short %d, of one copy %d, of none %d; counted %d, %d, %d, %d",
			orders, believedShort, one, no, w.orders, w.short, w.oneCopy, w.noCopy)
	}
	if w.commonWant < 0 || w.commonWant > maxFactor || tierWants != w.tierWants || w.uniform != (w.wanting(int(w.commonWant)) == int32(w.shards)) {
		return fmt.Errorf("shards by tier and copies wanted: %v, counted %v, all %d: %v", tierWants, w.tierWants, w.commonWant, w.uniform)
	}
	for i := range implied {
		if implied[i] != w.implied[i] {
			return fmt.Errorf("node %d implies %d shards of kind %d, counted %d", i/w.kinds, implied[i], i%w.kinds, w.implied[i])
		}
	}
	for k := range length {
		n := int32(0)
		last := none
		for s, before := w.lists.first[k], none; s != none; before, s = s, w.lists.links[s].next {
			last = s
			if n++; n > length[k] || w.lists.links[s].prev != before || int(w.lists.links[s].in) != k {
				return fmt.Errorf("list %d is broken at shard %d", k, s)
			}
		}
		if n != length[k] || n != w.lists.length[k] || last != w.lists.last[k] {
			return fmt.Errorf("list %d has %d shards, linked %d, counted %d, and ends in %d, want %d", k, length[k], n, w.lists.length[k], w.lists.last[k], last)
		}
		if k >= w.classes() {
			if n > 0 && !w.q.pending(w.timers.retry) && !w.admitSoon && w.ledger.slow+w.ledger.fast == 0 {
				return fmt.Errorf("%d shards of queue %d wait and will not be tried again", n, k)
			}
			continue
		}
		if classImplied[k] != w.classImplied[k] {
			return fmt.Errorf("class %d has %d implied shards, counted %d", k, classImplied[k], w.classImplied[k])
		}
		n += classImplied[k]
		asked := w.kind == ShardsAtRisk && int(w.subject) == k
		if pending := w.q.pending(w.timers.askRisk + int32(k)); n == 0 && pending || n > 0 && !pending && !asked {
			return fmt.Errorf("class %d has %d shards and will be asked about: %v", k, n, pending)
		}
	}
	return nil
}

func (w *World) checkRepairs() error {
	var slow, fast, used int32
	weights, inFlight := make([]int32, w.zones), make([]int, w.zones)
	in, out := make([]uint8, w.nodes), make([]uint8, w.nodes)
	implied, of := make([]uint8, w.shards), make([]int, w.nodes)
	for id, f := range w.flows {
		if f.shard == none {
			continue
		}
		dst, src := f.target, f.source
		if w.into[dst*w.streams+int32(f.stream)] != int32(id) {
			return fmt.Errorf("repair %d is not stream %d of node %d", id, f.stream, dst)
		}
		used++
		if w.health[dst]&^healthBarred != healthHealthy || !w.up(src) || w.nodeFlags[src]&nodeUnreachable != 0 {
			return fmt.Errorf("repair %d is from node %d to %d", id, src, dst)
		}
		if f.origin == none {
			if f.record == none || f.record/int32(w.width) != f.shard || w.records[f.record] != newReplica(dst, int32(f.stream), replicaRebuilding) {
				return fmt.Errorf("repair %d of shard %d fills record %d", id, f.shard, f.record)
			}
		} else if implied[f.shard]++; f.record != none || implied[f.shard] > 1 || w.info[f.shard].flags&shardPlain == 0 {
			return fmt.Errorf("repair %d of shard %d, flags %b, fills record %d, implied by node %d", id, f.shard, w.info[f.shard].flags, f.record, f.origin)
		} else {
			of[f.origin]++
		}
		zone := w.zoneOf(dst)
		if end := f.start + w.shardBytes/float64(w.weight(f.fast)); !(f.start >= 0 && f.start <= w.clocks[zone].v && f.end == end) {
			return fmt.Errorf("repair %d runs from %g to %g, want to %g, and it is %g", id, f.start, f.end, end, w.clocks[zone].v)
		}
		in[dst]++
		out[src]++
		weights[zone] += w.weight(f.fast)
		inFlight[zone]++
		if f.fast {
			fast++
		} else {
			slow++
		}
	}
	for f := w.freeFlow; f != none && used <= w.flowsUsed; f = w.flows[f].next {
		if w.flows[f].shard != none || f >= w.flowsUsed {
			return fmt.Errorf("repair %d of %d is to be used again, and of shard %d", f, w.flowsUsed, w.flows[f].shard)
		}
		used++
	}
	if used != w.flowsUsed {
		return fmt.Errorf("%d repairs are in flight or to be used again, want %d", used, w.flowsUsed)
	}
	received := int32(0)
	for _, f := range w.into {
		if f != none {
			received++
		}
	}
	if received != slow+fast {
		return fmt.Errorf("nodes receive %d repairs of %d in flight", received, slow+fast)
	}
	for n := range int32(w.nodes) {
		for f, before := w.firstOf[n], none; f != none; before, f = f, w.flows[f].nextOf {
			if of[n]--; of[n] < 0 || w.flows[f].origin != n || w.flows[f].prevOf != before {
				return fmt.Errorf("node %d: the list of repairs that it implies is broken at %d", n, f)
			}
		}
		if of[n] != 0 {
			return fmt.Errorf("node %d: %d implied repairs more than in its list", n, of[n])
		}
		// Entries that are dealt with are in flight or of explicit shards.
		for i := range int(w.cursor[n]) {
			s := w.entriesOf(n)[i*w.stride]
			if s&marked == 0 && implied[s] == 0 && w.impliesOrder(n, w.kindOf(w.entriesOf(n)[i*w.stride:(i+1)*w.stride])) {
				return fmt.Errorf("node %d: shard %d is passed over", n, s)
			}
		}
		found := uint8(0)
		for f, before := w.firstOut[n], none; f != none; before, f = f, w.flows[f].nextOut {
			if found++; found > out[n] || w.flows[f].source != n || w.flows[f].prevOut != before {
				return fmt.Errorf("node %d: the list of repairs that it feeds is broken at %d", n, f)
			}
		}
		if in[n] != w.inUsed[n] || out[n] != w.outUsed[n] || found != out[n] || int32(max(in[n], out[n])) > w.streams {
			return fmt.Errorf("node %d receives %d repairs and feeds %d, counted %d and %d", n, in[n], out[n], w.inUsed[n], w.outUsed[n])
		}
	}
	for zone := range w.clocks {
		z := &w.clocks[zone]
		if !(z.v >= 0 && z.v <= math.MaxFloat64) || z.at > w.now {
			return fmt.Errorf("zone %d: its clock is %g at %d", zone, z.v, z.at)
		}
		n := 0
		for k := range z.first {
			last := none
			for f := z.first[k]; f != none; last, f = f, w.flows[f].next {
				x := &w.flows[f]
				if n++; n > inFlight[zone] || x.shard == none || speed(x.fast) != k || x.prev != last || w.zoneOf(x.target) != zone || last != none && w.flows[last].end > x.end {
					return fmt.Errorf("zone %d: its repairs are out of order at %d", zone, f)
				}
			}
			if last != z.last[k] {
				return fmt.Errorf("zone %d: its last repair is %d, counted %d", zone, last, z.last[k])
			}
		}
		if z.weight != weights[zone] || n != inFlight[zone] {
			return fmt.Errorf("zone %d: weight %d in %d repairs, counted %d in %d", zone, weights[zone], inFlight[zone], z.weight, n)
		}
	}
	if slow != w.ledger.slow || fast != w.ledger.fast {
		return fmt.Errorf("%d slow and %d fast repairs, counted %d and %d", slow, fast, w.ledger.slow, w.ledger.fast)
	}
	return nil
}
