package cluster

import (
	"math"

	"mend/env/seed"
)

// tries is how many nodes of a zone are looked at for a free stream, and
// zoneTries of how many zones; drawing them keeps the cost independent of the
// cluster's size. (Assumed: a zone of which a tenth of the nodes is free is missed
// in 3 % of the tries.)
const (
	tries     = 32
	zoneTries = 8
	lookMost  = 256 // nodes looked at in turn where none of those drawn can take a copy
)

// draws returns the random bits of the next placement of the explicit shard s.
// Those of a shard that a leaving node implies are of that node (leaveSeed).
func (w *World) draws(s int32) seed.Seed {
	k := w.info[s].placements
	w.info[s].placements++
	return seed.Seed(w.placementSeed.At(uint64(s), uint64(k)))
}

// create gives shard s, of which no record exists, all its copies at once:
// each on a reachable node in a rack of its own, the zones in turn. It serves
// shards that were lost and are written anew.
func (w *World) create(s int32) {
	d := w.draws(s)
	want := int(w.info[s].want)
	zone := seed.Below(d.At(0, 0), w.zones)
	missed, believed := 0, 0
	for try := uint64(0); believed < want && missed < w.zones; try++ {
		n := w.emptiest(s, zone, d.At(1, try))
		zone = (zone + 1) % w.zones
		if n == none {
			missed++
			continue
		}
		missed = 0
		w.link(w.freeRecord(s), n, replicaLive)
		w.countCopies(n, +1)
		believed++
		w.account(s, believed-1, believed)
		w.level(s, believed-1, believed)
	}
}

// emptiest draws two eligible nodes of a zone and returns the one that holds
// less ("the power of two choices"; Mitzenmacher, 2001), or none where the
// zone has none. It looks at all nodes only where the draws find none.
func (w *World) emptiest(s int32, zone int, bits uint64) int32 {
	var have holders
	w.gather(s, &have)
	best := none
	found := 0
	for t := uint64(0); t < tries && found < 2; t++ {
		n := int32(zone*w.nodesPerZone + seed.Below(seed.Seed(bits).At(t, 0), w.nodesPerZone))
		if n == best || !w.eligible(&have, n) {
			continue
		}
		found++
		if best == none || w.held[n] < w.held[best] {
			best = n
		}
	}
	first := seed.Below(seed.Seed(bits).At(tries, 0), w.nodesPerZone)
	for i := 0; i < w.nodesPerZone && best == none; i++ {
		if n := int32(zone*w.nodesPerZone + (first+i)%w.nodesPerZone); w.eligible(&have, n) {
			best = n
		}
	}
	return best
}

// holders are the nodes of one shard: first those of the copies that count, then
// those of copies in the making. Other copies are on nodes that receive none.
type holders struct {
	node            [maxFactor + spare]int32
	counted, placed int
}

func (w *World) gather(s int32, h *holders) {
	h.counted = 0
	rebuilding := false
	copies := w.copiesOf(s)
	for _, r := range copies {
		if w.counts(r) {
			h.node[h.counted] = r.node()
			h.counted++
		}
		rebuilding = rebuilding || r.state() == replicaRebuilding
	}
	h.placed = h.counted
	if !rebuilding {
		return
	}
	for _, r := range copies {
		if r.state() == replicaRebuilding {
			h.node[h.placed] = r.node()
			h.placed++
		}
	}
}

// eligible reports whether node n may receive a copy of the shard that h holds:
// it answers, is not to be emptied, has space, and no copy that counts is in its
// rack, or on itself where copies are placed at random.
func (w *World) eligible(h *holders, n int32) bool {
	if w.health[n] != healthHealthy || int(w.held[n])+int(w.inUsed[n]) >= w.capacity {
		return false
	}
	if !w.apart {
		for _, m := range h.node[:h.placed] {
			if m == n {
				return false
			}
		}
		return true
	}
	rack := w.rackTable[n]
	for _, m := range h.node[:h.placed] {
		if w.rackTable[m] == rack {
			return false
		}
	}
	return true
}

// place chooses source and destination of the next repair of a shard whose nodes
// are in have, by the random bits d. It gives none, none where no streams or no
// eligible node are found, and none, full where the zone that the copy should go
// to takes no more repairs now. It reads nothing of the shard itself, which may be
// one of many that only its nodes are known of.
//
// It waits for a stream in the zone that ranks first; it turns to the next one
// only where no node of the zone can take the copy, such as where its racks are
// down or have one each.
func (w *World) place(have *holders, d seed.Seed, locality uint8) (src, dst int32) {
	if have.counted == 0 {
		return none, none
	}
	dst = w.confined(have, d, locality)
	// A zone or region to be relative to: that of the first live copy.
	origin := int(w.zoneTable[have.node[0]])
	turn, zone, rank := 0, 0, -1
	if w.zones > 1 {
		turn = int(uint64(uint32(d)) * uint64(w.zones) >> 32)
	}
	for try := uint64(1); try <= zoneTries && dst == none; try++ {
		if zone, rank = w.nextZone(have, locality, origin, turn, rank); zone < 0 {
			break
		}
		if try == zoneTries { // any, lest those that rank first be down for long
			zone = turn
		}
		if !w.takes(&w.clocks[zone]) {
			return none, full
		}
		busy := false
		for t := uint64(0); t < tries && dst == none; t++ {
			n := int32(zone*w.nodesPerZone + seed.Below(d.At(try, t), w.nodesPerZone))
			if free := int32(w.inUsed[n]) < w.streams; (free || !busy) && w.eligible(have, n) {
				if busy = true; free {
					dst = n
				}
			}
		}
		if busy {
			break
		}
		// Where few nodes can take it, the draws may have missed them.
		first := seed.Below(d.At(try, tries), w.nodesPerZone)
		for i := range min(w.nodesPerZone, lookMost) {
			n := int32(zone*w.nodesPerZone + (first+i)%w.nodesPerZone)
			if !w.eligible(have, n) {
				continue
			}
			if int32(w.inUsed[n]) < w.streams {
				dst = n
				break
			}
			busy = true
		}
		if busy {
			break
		}
	}
	if dst == none {
		return none, none
	}
	// The nearest source that has a stream.
	src, nearest := none, 3
	for _, n := range have.node[:have.counted] {
		if far := w.distance(n, dst); far < nearest && w.health[n]&healthQuiet == 0 && int32(w.outUsed[n]) < w.streams && w.reaches(w.zoneOf(n), w.zoneOf(dst)) {
			src, nearest = n, far
		}
	}
	if src == none {
		return none, none
	}
	return src, dst
}

// full stands for a destination that is not to be had now.
const full = int32(-3)

// confined chooses the destination of a repair where the layout confines the
// copies of a shard: a node that completes a set of the layout, or else a node
// that shares a set with one of the holders; none where there is no layout to
// keep to, or no such node takes the copy or is where the order wants it.
func (w *World) confined(have *holders, d seed.Seed, locality uint8) int32 {
	if !w.layout.Confined() {
		return none
	}
	origin := w.zoneOf(have.node[0])
	for _, held := range [][]int32{have.node[:have.placed], have.node[:1]} {
		peers := w.layout.Candidates(w.peers[:0], held)
		if len(peers) == 0 {
			continue
		}
		first := seed.Below(d.At(zoneTries+1, 0), len(peers))
		for i := range peers {
			n := peers[(first+i)%len(peers)]
			if int32(w.inUsed[n]) < w.streams && w.eligible(have, n) && w.takes(&w.clocks[w.zoneOf(n)]) &&
				(locality == spread || w.wanted(locality, origin, w.zoneOf(n))) {
				return n
			}
		}
	}
	return none
}

// nextZone is the zone of the lowest rank above after, and its rank; −1 where
// there is none. Zones rank by whether they are what the order wants, then by
// the number of copies that they have, then by whether they take a repair now,
// then from zone turn on.
func (w *World) nextZone(have *holders, locality uint8, origin, turn, after int) (zone, rank int) {
	if w.zones == 1 {
		if after >= 0 {
			return -1, after
		}
		return 0, 0
	}
	zone, rank = -1, math.MaxInt
	for _, n := range have.node[:have.placed] {
		w.crowd[w.zoneTable[n]] += 2
	}
	z := turn
	for i := range w.zones {
		x := int(w.crowd[z])
		if locality != spread && !w.wanted(locality, origin, z) {
			x += 2 * (w.width + 1)
		}
		if !w.takes(&w.clocks[z]) {
			x++
		}
		best := x == 0
		if x = x*w.zones + i; x > after && x < rank {
			if zone, rank = z, x; best {
				break // those that follow rank behind it
			}
		}
		if z++; z == w.zones {
			z = 0
		}
	}
	for _, n := range have.node[:have.placed] {
		w.crowd[w.zoneTable[n]] = 0
	}
	return zone, rank
}

// wanted reports whether a copy in zone z is what an order wants whose source
// is in zone origin.
func (w *World) wanted(locality uint8, origin, z int) bool {
	sameRegion := w.regionOfZone(z) == w.regionOfZone(origin)
	switch locality {
	case sameZone:
		return z == origin
	case otherZone:
		return z != origin && sameRegion
	case otherRegion:
		return !sameRegion
	}
	return true
}

// distance is 0 within a zone, 1 between zones of a region, 2 between regions.
func (w *World) distance(a, b int32) int {
	za, zb := w.zoneTable[a], w.zoneTable[b]
	switch {
	case za == zb:
		return 0
	case w.regions == 1 || w.regionOfZone(int(za)) == w.regionOfZone(int(zb)):
		return 1
	}
	return 2
}

// freeRecord is an unused record of shard s. Where all are taken it forgets a
// superseded copy, or one on a node that was declared dead; none where there is none
// of these either.
func (w *World) freeRecord(s int32) int32 {
	first := s * int32(w.width)
	spare := none
	for j, r := range w.copiesOf(s) {
		switch {
		case r == 0:
			return first + int32(j)
		case r.state() == replicaStale && w.nodeFlags[r.node()]&nodeUnreachable != 0, // not one that is just being found again
			spare == none && r.state() == replicaLive && w.nodeFlags[r.node()]&nodeDeclared != 0:
			spare = first + int32(j)
		}
	}
	if spare != none {
		w.drop(spare)
	}
	return spare
}

// drop deletes the copy r, which is live or superseded, of an explicit shard.
func (w *World) drop(r int32) {
	s := r / int32(w.width)
	rep := w.records[r]
	n := rep.node()
	live, counted := rep.state() == replicaLive, w.counts(rep)
	if live {
		w.mark(s) // the entries of the others name this one
	}
	w.unlink(r)
	if live && w.health[n]&healthQuiet == 0 {
		readable := w.readableOf(s)
		w.account(s, readable+1, readable)
	}
	if counted {
		b := w.believedOf(s)
		w.level(s, b+1, b)
	}
	if w.health[n]&healthDead == 0 {
		w.countCopies(n, -1)
		w.destroyed(s)
	}
}

// renew creates shard s anew, which was lost, if its last record is gone: only
// now does the controller know. The machine that has just replaced the last
// record's node can always take a copy.
func (w *World) renew(s int32) {
	for _, r := range w.copiesOf(s) {
		if r != 0 {
			return
		}
	}
	for w.info[s].ordered > 0 {
		w.cancelOrder(s)
	}
	w.create(s)
	w.info[s].flags &^= shardLost
	if w.readableOf(s) < w.cfg.Data.Quorum {
		w.ledger.chargedUnavailable[w.tiers.of(s)]++
	}
	w.refresh(s)
	w.settle(s)
}
