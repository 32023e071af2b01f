package cluster

import (
	"math"

	"mend/env/seed"
)

// tries is how many nodes of a zone are looked at for a free stream, and
// zoneTries of how many zones; drawing them keeps the cost independent of the
// cluster's size.
const (
	tries     = 32
	zoneTries = 8
)

// draws returns the random bits of shard s's next placement.
func (w *World) draws(s int32) seed.Seed {
	k := w.placements[s]
	w.placements[s]++
	return seed.Seed(w.placementSeed.At(uint64(s), uint64(k)))
}

// create gives shard s, of which no record exists, all its copies at once:
// each on a reachable node in a rack of its own, the zones in turn. It serves
// the start of an episode and shards that were lost and are written anew.
func (w *World) create(s int32) {
	d := w.draws(s)
	zone := seed.Below(d.At(0, 0), w.zones)
	missed := 0
	for try := uint64(0); int(w.believed[s]) < w.wants && missed < w.zones; try++ {
		n := w.emptiest(s, zone, d.At(1, try))
		zone = (zone + 1) % w.zones
		if n == none {
			missed++
			continue
		}
		missed = 0
		w.link(w.freeRecord(s), n, replicaLive)
		w.ledger.copies++
		w.intact[s]++
		w.setReadable(s, +1)
		w.setBelieved(s, +1)
	}
}

// emptiest draws two eligible nodes of a zone and returns the one that holds
// less ("the power of two choices"; Mitzenmacher, 2001), or none where the
// zone has none. It looks at all nodes only where the draws find none.
func (w *World) emptiest(s int32, zone int, bits uint64) int32 {
	best := none
	found := 0
	for t := uint64(0); t < tries && found < 2; t++ {
		n := int32(zone*w.nodesPerZone + seed.Below(seed.Seed(bits).At(t, 0), w.nodesPerZone))
		if n == best || !w.eligible(s, n) {
			continue
		}
		found++
		if best == none || w.held[n] < w.held[best] {
			best = n
		}
	}
	first := seed.Below(seed.Seed(bits).At(tries, 0), w.nodesPerZone)
	for i := 0; i < w.nodesPerZone && best == none; i++ {
		if n := int32(zone*w.nodesPerZone + (first+i)%w.nodesPerZone); w.eligible(s, n) {
			best = n
		}
	}
	return best
}

// eligible reports whether node n may receive a copy of shard s: it answers,
// has space, is not cordoned, and no copy that counts is in its rack, nor any record of the
// shard on itself.
func (w *World) eligible(s, n int32) bool {
	if w.nodeFlags[n]&(nodeUnreachable|nodeCordoned|nodeDraining) != 0 || !w.up(n) || w.held[n] >= w.nodeCopies {
		return false
	}
	rack := w.rackOf(n)
	for r := s * int32(w.width); r < (s+1)*int32(w.width); r++ {
		if w.repState[r] == replicaNone {
			continue
		}
		if w.repNode[r] == n || w.rackOf(w.repNode[r]) == rack && (w.counts(r) || w.repState[r] == replicaRebuilding) {
			return false
		}
	}
	return true
}

// place chooses source and destination of the next repair of shard s, or
// none, none where no streams or no eligible node are found. It waits for a
// stream in the zone that ranks first; it turns to the next one only where no
// node of the zone can take the copy, such as where its racks are down or have
// one each.
func (w *World) place(s int32) (src, dst int32) {
	d := w.draws(s)
	// A zone or region to be relative to: that of the first live copy.
	origin := -1
	for r := s * int32(w.width); r < (s+1)*int32(w.width); r++ {
		if w.counts(r) {
			origin = w.zoneOf(w.repNode[r])
			break
		}
	}
	if origin < 0 {
		return none, none
	}
	dst = none
	turn, rank := seed.Below(d.At(0, 0), w.zones), -1
	for try, busy := uint64(1), false; try <= zoneTries && dst == none && !busy; try++ {
		var zone int
		if zone, rank = w.nextZone(s, origin, turn, rank); zone < 0 {
			break
		}
		if try == zoneTries { // any, lest those that rank first be down for long
			zone = turn
		}
		for t := uint64(0); t < tries && dst == none; t++ {
			n := int32(zone*w.nodesPerZone + seed.Below(d.At(try, t), w.nodesPerZone))
			if free := w.freeStream(w.flows.replica, n); (free || !busy) && w.eligible(s, n) {
				if busy = true; free {
					dst = n
				}
			}
		}
	}
	if dst == none {
		return none, none
	}
	// The nearest source that has a stream.
	src, nearest := none, 3
	for r := s * int32(w.width); r < (s+1)*int32(w.width); r++ {
		if !w.counts(r) {
			continue
		}
		n := w.repNode[r]
		if far := w.distance(n, dst); far < nearest && w.up(n) && w.freeStream(w.streamsOut, n) {
			src, nearest = n, far
		}
	}
	if src == none {
		return none, none
	}
	return src, dst
}

// nextZone is the zone of the lowest rank above after, and its rank; −1 where
// there is none. Zones rank by whether they are what the order wants, then by
// the number of copies that they have, then from zone turn on.
func (w *World) nextZone(s int32, origin, turn, after int) (zone, rank int) {
	zone, rank = -1, math.MaxInt
	for i := range w.zones {
		z := (turn + i) % w.zones
		x := w.copiesIn(s, z)
		if !w.wanted(w.locality[s], origin, z) {
			x += w.width + 1
		}
		if x = x*w.zones + i; x > after && x < rank {
			zone, rank = z, x
		}
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

// freeStream reports whether one of node n's streams is unused.
func (w *World) freeStream(streams []int32, n int32) bool {
	per := int32(w.cfg.Repair.StreamsPerNode)
	for _, x := range streams[n*per : (n+1)*per] {
		if x == none {
			return true
		}
	}
	return false
}

// distance is 0 within a zone, 1 between zones of a region, 2 between regions.
func (w *World) distance(a, b int32) int {
	za, zb := w.zoneOf(a), w.zoneOf(b)
	switch {
	case za == zb:
		return 0
	case w.regionOfZone(za) == w.regionOfZone(zb):
		return 1
	}
	return 2
}

// freeRecord is an unused record of shard s. Where all are taken it forgets a
// written-off copy; none where there is none of these either.
func (w *World) freeRecord(s int32) int32 {
	writtenOff := none
	for r := s * int32(w.width); r < (s+1)*int32(w.width); r++ {
		switch w.repState[r] {
		case replicaNone:
			return r
		case replicaWrittenOff:
			writtenOff = r
		}
	}
	if writtenOff != none {
		w.drop(writtenOff)
	}
	return writtenOff
}

// link makes record r a replica on node n.
func (w *World) link(r, n int32, st uint8) {
	w.repNode[r], w.repState[r] = n, st
	w.repNext[r], w.repPrev[r] = w.head[n], none
	if w.head[n] != none {
		w.repPrev[w.head[n]] = r
	}
	w.head[n] = r
	w.held[n]++
	if w.nodeFlags[n]&nodeUnreachable == 0 {
		w.reachableSpace--
	}
}

// unlink erases record r. The caller keeps the shard's counts.
func (w *World) unlink(r int32) {
	n := w.repNode[r]
	if before := w.repPrev[r]; before == none {
		w.head[n] = w.repNext[r]
	} else {
		w.repNext[before] = w.repNext[r]
	}
	if after := w.repNext[r]; after != none {
		w.repPrev[after] = w.repPrev[r]
	}
	if w.repState[r] == replicaRebuilding {
		w.ledger.copies--
	}
	w.held[n]--
	if w.nodeFlags[n]&nodeUnreachable == 0 {
		w.reachableSpace++
	}
	w.repNode[r], w.repState[r], w.repNext[r], w.repPrev[r] = none, replicaNone, none, none
}

// drop deletes the copy r, which is live or written off.
func (w *World) drop(r int32) {
	s, n := r/int32(w.width), w.repNode[r]
	if w.repState[r] == replicaLive {
		if w.up(n) {
			w.setReadable(s, -1)
		}
		if w.counts(r) {
			w.setBelieved(s, -1)
		}
	}
	dead := w.nodeFlags[n]&nodeDead != 0
	w.unlink(r)
	if !dead {
		w.ledger.copies--
		w.destroyed(s)
	}
}

// renew creates shard s anew, if it was lost and its last record is gone: only
// now does the controller know. The machine that has just replaced the last
// record's node can always take a copy.
func (w *World) renew(s int32) {
	if w.shardFlags[s]&shardLost == 0 {
		return
	}
	for r := s * int32(w.width); r < (s+1)*int32(w.width); r++ {
		if w.repState[r] != replicaNone {
			return
		}
	}
	for w.ordered[s] > 0 {
		w.cancelOrder(s)
	}
	w.create(s)
	w.shardFlags[s] &^= shardLost
	if w.readable[s] < uint8(w.cfg.Data.Quorum) {
		w.ledger.chargedUnavailable++
	}
}
