package cluster

import (
	"fmt"

	"mend/env/placement"
	"mend/env/state"
)

// How shards and copies are stored.
//
// Most of the time nearly all shards are as they should be, and what happens to
// a node happens to hundreds of shards alike. So what is true of a node is kept
// once, by node, and shards are looked at one by one only where they differ:
//
//   - Each node has an array of entries, one for each copy that it holds: the
//     shard, and the other nodes that hold it. A pass over a node's entries reads
//     memory in order and looks at nothing else.
//   - A shard is plain when it has exactly the copies that it wants, none of them
//     superseded or in the making, and no orders. Nothing else is kept of a
//     plain shard: how many of its copies are readable, or believed to be,
//     follows from its nodes.
//   - A plain shard with one node that has been lost or is to be emptied is
//     implied by that node's entry: it counts as at risk, or as waiting for
//     repair, without being touched (node.implied).
//   - All others are explicit. Their records say how it is.
//
// An entry is marked where its shard is explicit; a pass then asks the record.
// The repair of an implied shard is implied too while it is in flight: a flow
// knows its shard, and the shard nothing of it. When the lost node returns, its
// flows end, and no shard has been touched.

// replica is one record of a copy: its node, its place among the node's entries,
// or the stream that writes it, and its state. The zero value is no copy.
type replica uint64

// States of a replica.
const (
	replicaNone       uint8 = iota
	replicaLive             // holds the shard, unless its node is dead
	replicaStale            // superseded while its node was unreachable; counts again if it is needed
	replicaRebuilding       // being written by a repair: no entry of its node yet
)

func newReplica(n, pos int32, st uint8) replica {
	return replica(uint32(n))<<32 | replica(uint32(pos))<<2 | replica(st)
}

func (r replica) node() int32  { return int32(r >> 32) }
func (r replica) pos() int32   { return int32(uint32(r) >> 2) }
func (r replica) state() uint8 { return uint8(r & 3) }

// Flags of a shard.
const (
	shardLost  uint8 = 1 << iota // truth: no intact copy is left
	shardFast                    // its ordered repairs are fast
	shardPlain                   // see above
)

// shard is what is known of one shard beside its copies.
type shard struct {
	flags      uint8
	want       uint8  // copies wanted
	ordered    uint8  // repairs ordered and not completed
	active     uint8  // of these, in flight
	locality   uint8  // where its ordered repairs shall go
	placements uint16 // placements drawn so far
}

// marked is the bit of an entry's first word whose shard is explicit; the rest
// is the shard.
const marked = int32(-1 << 31)

// Why a node is not as good as others. A pass over entries looks at these.
const (
	healthBad     uint8 = 1 << iota // belief: unreachable, or to be emptied
	healthQuiet                     // truth: down, or declared dead: its copies are not readable
	healthDead                      // truth: lost with its data
	healthBarred                    // belief: takes no new copies
	healthHealthy uint8 = 0
)

// store holds copies, shards and their entries.
type store struct {
	width    int // records of a shard
	stride   int // words of an entry: the shard, and maxWant−1 other nodes
	capacity int // entries of a node

	records []replica // [shards*width]
	info    []shard
	entries []int32 // [nodes*capacity*stride]; the other nodes are right where not marked
	held    []int32 // by node: entries
	live    []int32 // by node: entries of live copies
	marks   []int32 // by node: marked entries
	health  []uint8 // by node; one more, healthy, stands for no node
	tiers   tiers
	kinds   int // of implied shards: impliedKinds of each tier
	// unmarked counts the entries of a node that are not marked, by the kind of their
	// shards were the node alone bad: [nodes*kinds].
	unmarked []int32
	// implied counts, by node, the plain shards with this node alone bad, by kind:
	// [nodes*kinds].
	implied    []int32
	badNodes   int32             // nodes with that health
	oddShards  []int32           // scratch of odd
	firstKinds []int32           // unmarked, as the layout has it
	firstHeld  []int32           // held, likewise
	firstPos   []int32           // and the places of a shard's copies among their nodes' entries
	layout     *placement.Layout // nodes at the start
	peers      []int32           // scratch: nodes that keep to the layout
	apart      bool              // whether copies of a shard are never in one rack
	wants      int               // copies at the start
	maxWant    int
	uniform    bool // whether all shards want the same number of copies
}

// impliedKinds is how many kinds of implied shards there are in a tier: 0 to
// maxFactor−1 copies left, in one zone or several. Those of the next tier follow.
const impliedKinds = 2 * maxFactor

// copiesLeft is how many copies are left of shards of a kind.
func copiesLeft(kind int) int { return kind % impliedKinds / 2 }

func (w *World) newStore() store {
	st := store{
		wants: w.cfg.Data.ReplicationFactor, maxWant: w.cfg.Data.maxFactor(),
		capacity: int(w.nodeCopies),
	}
	st.width, st.stride = st.maxWant+spare, st.maxWant
	st.tiers = newTiers(w.cfg.Data.Tiers, w.shards)
	st.kinds = st.tiers.count * impliedKinds
	st.records = make([]replica, w.shards*st.width)
	st.info = make([]shard, w.shards)
	st.entries = make([]int32, w.nodes*st.capacity*st.stride)
	st.held = make([]int32, w.nodes)
	st.live = make([]int32, w.nodes)
	st.marks = make([]int32, w.nodes)
	st.health = make([]uint8, w.nodes+1)
	st.implied = make([]int32, w.nodes*st.kinds)
	st.unmarked = make([]int32, w.nodes*st.kinds)
	st.oddShards = make([]int32, 0, st.capacity)
	return st
}

// copiesOf are the records of shard s.
func (w *World) copiesOf(s int32) []replica {
	return w.records[int(s)*w.width : (int(s)+1)*w.width]
}

// entriesOf are the words of node n's entries.
func (w *World) entriesOf(n int32) []int32 {
	size := w.capacity * w.stride
	first := int(n) * size
	return w.entries[first : first+int(w.held[n])*w.stride : first+size]
}

// shardAt is the shard of the entry that begins with this word.
func shardAt(word int32) int32 { return word &^ marked }

// on finds the record of shard s on node n, which has one.
func (w *World) on(s, n int32) int32 {
	first := s * int32(w.width)
	for j, r := range w.copiesOf(s) {
		if r != 0 && r.node() == n {
			return first + int32(j)
		}
	}
	panic(fmt.Sprintf("cluster: shard %d has no record on node %d", s, n))
}

// readableOf, believedOf and intactOf count the copies of shard s that can truly
// be read, that the controller believes can be, and that truly exist.
func (w *World) readableOf(s int32) int {
	c := 0
	for _, r := range w.copiesOf(s) {
		if r.state() == replicaLive && w.health[r.node()]&healthQuiet == 0 {
			c++
		}
	}
	return c
}

func (w *World) believedOf(s int32) int {
	c := 0
	for _, r := range w.copiesOf(s) {
		if w.counts(r) {
			c++
		}
	}
	return c
}

func (w *World) intactOf(s int32) int {
	c := 0
	for _, r := range w.copiesOf(s) {
		if st := r.state(); (st == replicaLive || st == replicaStale) && w.health[r.node()]&healthDead == 0 {
			c++
		}
	}
	return c
}

// readableTable counts shards by copies wanted and by readable copies.
type readableTable [maxFactor + 1][maxFactor + spare + 1]int32

// counts reports whether r is a believed live copy.
func (w *World) counts(r replica) bool {
	return r.state() == replicaLive && w.nodeFlags[r.node()]&nodeUnreachable == 0
}

// link makes record r a copy on node n. Its entry is marked. The caller keeps
// the shard's counts.
func (w *World) link(r, n int32, st uint8) {
	w.load.outdate(staleCopies)
	pos := w.held[n]
	w.records[r] = newReplica(n, pos, st)
	w.held[n]++
	w.marks[n]++
	e := w.entriesOf(n)
	e[int(pos)*w.stride] = r/int32(w.width) | marked
	if st == replicaLive {
		w.live[n]++
	}
	if w.nodeFlags[n]&nodeUnreachable == 0 {
		w.reachableSpace--
	}
}

// unlink erases record r. The caller keeps the shard's counts.
func (w *World) unlink(r int32) {
	w.load.outdate(staleCopies)
	rep := w.records[r]
	n, pos := rep.node(), rep.pos()
	e := w.entriesOf(n)
	if i := int(pos) * w.stride; e[i]&marked != 0 {
		w.marks[n]--
	} else {
		w.unmarked[int(n)*w.kinds+w.kindOf(e[i:i+w.stride])]--
	}
	// The last entry takes its place; where repairs work their way through the
	// entries, those behind them stay behind.
	if c := w.cursor[n]; pos < c {
		w.moveEntry(n, e, c-1, pos)
		pos = c - 1
		w.cursor[n]--
	}
	last := w.held[n] - 1
	w.moveEntry(n, e, last, pos)
	clear(e[int(last)*w.stride:])
	w.held[n]--
	if rep.state() == replicaLive {
		w.live[n]--
	}
	if w.nodeFlags[n]&nodeUnreachable == 0 {
		w.reachableSpace++
	}
	w.records[r] = 0
}

// moveEntry moves the entry at one place of node n to another.
func (w *World) moveEntry(n int32, e []int32, from, to int32) {
	if from == to {
		return
	}
	copy(e[int(to)*w.stride:int(to+1)*w.stride], e[int(from)*w.stride:int(from+1)*w.stride])
	r := w.on(shardAt(e[int(to)*w.stride]), n)
	w.records[r] = newReplica(n, to, w.records[r].state())
}

// swapEntries exchanges two entries of node n.
func (w *World) swapEntries(n int32, e []int32, a, b int32) {
	if a == b {
		return
	}
	for i := range w.stride {
		x, y := &e[int(a)*w.stride+i], &e[int(b)*w.stride+i]
		*x, *y = *y, *x
	}
	for _, pos := range [2]int32{a, b} {
		r := w.on(shardAt(e[int(pos)*w.stride]), n)
		w.records[r] = newReplica(n, pos, w.records[r].state())
	}
}

// setState changes the state of record r.
func (w *World) setState(r int32, st uint8) {
	w.load.outdate(staleCopies)
	rep := w.records[r]
	if rep.state() == replicaLive {
		w.live[rep.node()]--
	}
	if st == replicaLive {
		w.live[rep.node()]++
	}
	w.records[r] = newReplica(rep.node(), rep.pos(), st)
}

// mark marks the entries of shard s, which is explicit.
func (w *World) mark(s int32) {
	for _, r := range w.copiesOf(s) {
		if r != 0 && r.state() != replicaRebuilding {
			w.markEntry(r)
		}
	}
}

// markEntry marks the entry of the copy r, if it is not yet.
func (w *World) markEntry(r replica) {
	n := r.node()
	first := (int(n)*w.capacity + int(r.pos())) * w.stride
	e := w.entries[first : first+w.stride]
	if e[0]&marked == 0 {
		e[0] |= marked
		w.marks[n]++
		w.unmarked[int(n)*w.kinds+w.kindOf(e)]--
	}
}

func (w *World) isMarked(r replica) bool {
	return w.entries[(int(r.node())*w.capacity+int(r.pos()))*w.stride]&marked != 0
}

// settle makes the explicit shard s plain if it is as it should be; else its entries are
// marked.
func (w *World) settle(s int32) {
	x := &w.info[s]
	live := 0
	plain := x.ordered == 0 && x.flags&shardLost == 0 && w.lists.links[s].in < 0
	for _, r := range w.copiesOf(s) {
		switch {
		case r.state() == replicaLive:
			live++
			plain = plain && w.health[r.node()]&healthBad == 0
		case r.state() == replicaRebuilding:
			plain = false
		}
	}
	if !plain || live != int(x.want) {
		x.flags &^= shardPlain
		w.mark(s)
		return
	}
	w.makePlain(s)
}

// makePlain makes shard s plain, which is as it should be, and writes its
// entries.
func (w *World) makePlain(s int32) {
	x := &w.info[s]
	x.flags = x.flags&^shardFast | shardPlain
	x.locality = spread
	var live [maxFactor]replica
	copies := 0
	for _, r := range w.copiesOf(s) {
		if r.state() == replicaLive {
			live[copies] = r
			copies++
		} else if r != 0 {
			w.markEntry(r) // superseded
		}
	}
	if copies == 3 && w.stride == 3 {
		a, b, c := live[0].node(), live[1].node(), live[2].node()
		x, y, z := w.zoneTable[a], w.zoneTable[b], w.zoneTable[c]
		w.writeTriple(live[0], s, b, c, y, z)
		w.writeTriple(live[1], s, a, c, x, z)
		w.writeTriple(live[2], s, a, b, x, y)
		return
	}
	for i, r := range live[:copies] {
		n := r.node()
		first := (int(n)*w.capacity + int(r.pos())) * w.stride
		e := w.entries[first : first+w.stride]
		tally := w.unmarkedOf(n)
		if e[0]&marked != 0 {
			w.marks[n]--
		} else {
			tally[w.kindOf(e)]--
		}
		e[0] = s
		k := 1
		for j, q := range live[:copies] {
			if i != j {
				e[k] = q.node()
				k++
			}
		}
		for ; k < len(e); k++ {
			e[k] = int32(w.nodes)
		}
		tally[w.kindOf(e)]++
	}
}

// writeTriple writes the entry of copy r of shard s, whose two others are on the
// given nodes, in zones x and y.
func (w *World) writeTriple(r replica, s, other, another, x, y int32) {
	n := r.node()
	e := w.entries[(int(n)*w.capacity+int(r.pos()))*3:][:3]
	kinds := w.unmarkedOf(n)[w.tiers.of(s)*impliedKinds+4:][:2]
	if e[0] < 0 {
		w.marks[n]--
	} else {
		kinds[several(w.zoneTable[e[1]], w.zoneTable[e[2]])]--
	}
	e[0], e[1], e[2] = s, other, another
	kinds[several(x, y)]++
}

// othersHealthy reports whether none of the other nodes of an entry has any of
// the given health bits.
func (w *World) othersHealthy(others []int32, bits uint8) bool {
	h := uint8(0)
	for _, n := range others {
		h |= w.health[n]
	}
	return h&bits == 0
}

// odd lists the shards of node n that are explicit, or whose other nodes have any
// of the given health bits. The rest are plain, and nothing need be known of them
// one by one. The list is valid until the next call.
func (w *World) odd(n int32, bits uint8) []int32 {
	out := w.oddShards[:0]
	e := w.entriesOf(n)
	others := w.badNodes
	if bits == healthQuiet {
		others = w.quietNodes
	}
	if w.health[n]&bits != 0 {
		others--
	}
	health := w.health
	switch {
	case others == 0 && w.marks[n] == 0:
	case others == 0:
		for i := 0; i < len(e); i += w.stride {
			if e[i] < 0 {
				out = append(out, shardAt(e[i]))
			}
		}
	case w.stride == 3:
		for i := 2; i < len(e); i += 3 {
			if e[i-2] < 0 || (health[e[i-1]]|health[e[i]])&bits != 0 {
				out = append(out, shardAt(e[i-2]))
			}
		}
	default:
		for i := 0; i < len(e); i += w.stride {
			if e[i] < 0 || !w.othersHealthy(e[i+1:i+w.stride], bits) {
				out = append(out, shardAt(e[i]))
			}
		}
	}
	return out
}

// explicit makes the plain shard s explicit. Where one of its nodes implied it,
// it is now in a class or has an order of its own.
func (w *World) explicit(s int32) {
	x := &w.info[s]
	x.flags &^= shardPlain
	w.mark(s)
	bad := none
	for _, r := range w.copiesOf(s) {
		if r.state() == replicaLive && w.health[r.node()]&healthBad != 0 {
			bad = r.node()
		}
	}
	if bad == none {
		return
	}
	// It was implied by that node, alone.
	kind := w.impliedKind(s, bad)
	w.implied[int(bad)*w.kinds+kind]--
	switch {
	case !w.leaving(bad):
		w.countClass(kind, -1)
	case w.impliesOrder(bad, kind):
		x.ordered, x.locality = 1, spread
		x.flags &^= shardFast
		w.ownImplied(s)
	}
}

// leaving reports whether the repair of what node n holds was ordered as a
// whole.
func (w *World) leaving(n int32) bool { return w.nodeFlags[n]&(nodeDeclared|nodeDraining) != 0 }

// impliesOrder reports whether the leaving node n implies an order for the
// shards of that kind: where there is a copy to read.
func (w *World) impliesOrder(n int32, kind int) bool {
	return copiesLeft(kind) > 0 || w.nodeFlags[n]&nodeUnreachable == 0
}

// impliedKind is the kind of the plain shard s, which node bad implies.
func (w *World) impliedKind(s, bad int32) int {
	zone, several, copies := int32(-1), 0, 0
	for _, r := range w.copiesOf(s) {
		if r.state() != replicaLive || r.node() == bad {
			continue
		}
		copies++
		switch z := w.zoneTable[r.node()]; {
		case zone < 0:
			zone = z
		case z != zone:
			several = 1
		}
	}
	return w.tiers.of(s)*impliedKinds + 2*copies + several
}

// empty forgets what nodes hold, what is in lists, and repairs, where a state that
// was read is damaged, or of no episode: none of it was checked.
func (w *World) empty() {
	clear(w.entries)
	clear(w.held)
	w.lists.forget()
	w.flowsUsed = int32(len(w.flows))
	w.resetFlows()
}

// fillStore gives every shard the copies of the layout, as an episode begins.
func (w *World) fillStore() {
	for n, first := range w.firstHeld {
		if w.held[n] > first {
			clear(w.entriesOf(int32(n))[int(first)*w.stride:])
		}
	}
	clear(w.marks)
	clear(w.health)
	clear(w.implied)
	w.badNodes = 0
	w.short, w.oneCopy, w.noCopy = 0, 0, 0
	w.tierWants = [maxTiers][maxFactor + 1]int32{}
	for k := range w.tiers.count {
		first, end := w.tiers.span(k)
		w.tierWants[k][w.wants] = end - first
		w.tierTarget[k] = int32(w.wants)
	}
	w.commonWant, w.uniform = int32(w.wants), true
	factor := w.wants
	if w.stride == 3 && factor == 3 {
		w.fillTriples()
	} else {
		w.fillAny(factor)
	}
	copy(w.held, w.firstHeld)
	copy(w.live, w.firstHeld)
	copy(w.unmarked, w.firstKinds)
	w.ledger.copies = int32(w.shards * factor)
	w.ledger.copiesBy = w.startBy
	w.byReadable = readableTable{}
	w.byReadable[factor][factor] = int32(w.shards)
	w.reachableSpace -= int64(w.shards * factor)
}

// readLayout makes what fillStore copies: the entries of the layout by node, in
// number and by kind, and the places that its copies have among them.
func (w *World) readLayout() {
	w.firstKinds = make([]int32, len(w.unmarked))
	w.firstHeld = make([]int32, w.nodes)
	w.firstPos = make([]int32, len(w.layout.Nodes))
	e := make([]int32, w.stride)
	for s := range w.shards {
		nodes := w.layout.Nodes[s*w.wants : (s+1)*w.wants]
		for j, n := range nodes {
			fill(e, int32(w.nodes))
			e[0] = int32(s)
			copy(e[1+copy(e[1:], nodes[:j]):], nodes[j+1:])
			w.firstKinds[int(n)*w.kinds+w.kindOf(e)]++
			w.firstPos[s*w.wants+j] = w.firstHeld[n]
			w.firstHeld[n]++
		}
	}
}

// fillTriples is fillAny for the usual case: three copies, never more.
func (w *World) fillTriples() {
	nodes, pos := w.layout.Nodes, w.firstPos
	first := shard{flags: shardPlain, want: uint8(w.wants)}
	for s := range w.shards {
		w.info[s] = first
		n, p := nodes[3*s:][:3], pos[3*s:][:3]
		records := w.records[s*w.width:][:3+spare]
		records[0] = w.fillEntry(int32(s), n[0], p[0], n[1], n[2])
		records[1] = w.fillEntry(int32(s), n[1], p[1], n[0], n[2])
		records[2] = w.fillEntry(int32(s), n[2], p[2], n[0], n[1])
		records[3], records[4], records[5] = 0, 0, 0
	}
}

// fillEntry writes the entry of shard s at a place of node n.
func (w *World) fillEntry(s, n, pos, other, another int32) replica {
	e := w.entries[(int(n)*w.capacity+int(pos))*3:][:3]
	e[0], e[1], e[2] = s, other, another
	return newReplica(n, pos, replicaLive)
}

// fillAny gives every shard its copies, of any number.
func (w *World) fillAny(factor int) {
	first := shard{flags: shardPlain, want: uint8(w.wants)}
	for s := range w.shards {
		w.info[s] = first
		nodes, pos := w.layout.Nodes[s*factor:(s+1)*factor], w.firstPos[s*factor:]
		records := w.records[s*w.width : (s+1)*w.width]
		clear(records)
		for j, n := range nodes {
			records[j] = newReplica(n, pos[j], replicaLive)
			at := (int(n)*w.capacity + int(pos[j])) * w.stride
			e := w.entries[at : at+w.stride]
			fill(e, int32(w.nodes))
			e[0] = int32(s)
			k := 1
			for i, other := range nodes {
				if i != j {
					e[k] = other
					k++
				}
			}
		}
	}
}

func several(x, y int32) int {
	if x != y {
		return 1
	}
	return 0
}

func (st *store) fields(c *state.Codec) {
	state.Fixed(c, st.records)
	for i := range st.info {
		x := &st.info[i]
		state.Value(c, &x.flags)
		state.Value(c, &x.want)
		state.Value(c, &x.ordered)
		state.Value(c, &x.active)
		state.Value(c, &x.locality)
		state.Value(c, &x.placements)
	}
	state.Fixed(c, st.held)
	if c.Restoring() {
		clear(st.entries)
	}
	size := st.capacity * st.stride
	for n, held := range st.held {
		if held < 0 || int(held) > st.capacity {
			c.Fail(fmt.Errorf("node %d holds %d copies, has space for %d", n, held, st.capacity))
			return
		}
		state.Fixed(c, st.entries[n*size:n*size+int(held)*st.stride])
	}
	state.Fixed(c, st.live)
	state.Fixed(c, st.marks)
	state.Fixed(c, st.health)
	state.Fixed(c, st.implied)
	state.Fixed(c, st.unmarked)
	state.Value(c, &st.badNodes)
	state.Value(c, &st.uniform)
}
