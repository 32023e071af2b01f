package cluster

// Which requests are refused, and which are served stale.
//
// What matters is how many readable copies of its shard a request reaches.
// Without a partition that is known exactly, as a count of shards by readable
// copies; shards outside the first ranks of popularity count alike. Where a
// client's zone is cut off from another, the copies that it reaches follow from
// how the layout spreads shards over zones, shards of one pattern together, each
// copy being readable with the share of its zone's nodes that serve. That is
// exact but for failures that strike during the partition, which it takes for
// independent, and for copies that repairs have made in other zones.

// spreading is how the layout spreads copies over zones.
type spreading struct {
	// inZone and inRegion count shards by the copies that they have in a zone or
	// region, as a share of all: [zones*(maxFactor+1)].
	inZone, inRegion []float64
	nearZone         []float64 // share of shards with a copy in the zone
	nearRegion       []float64
	patterns         []pattern
	pairs            [distances]float64 // pairs of copies of a shard, by distance
}

// pattern is one way to spread a shard over zones.
type pattern struct {
	share  float64 // of the shards
	zones  int
	zone   [maxFactor]int32
	copies [maxFactor]int32
}

// maxPatterns limits the patterns. Where there are more, as many shards stand for
// all, taken at equal distances from all; a share is then right to
// 1/(2·√maxPatterns) = 0.8 %, one standard error.
const maxPatterns = 4096

// newSpreading looks at the layout. It takes time in proportion to the shards.
func (w *World) newSpreading() spreading {
	const counts = maxFactor + 1
	s := spreading{
		inZone: make([]float64, w.zones*counts), inRegion: make([]float64, w.regions*counts),
		nearZone: make([]float64, w.zones), nearRegion: make([]float64, w.regions),
	}
	one := 1 / float64(w.shards)
	zone, region := make([]int, w.zones), make([]int, w.regions)
	find := func(shard int) (p pattern) {
		clear(zone)
		clear(region)
		for _, n := range w.layout.Nodes[shard*w.wants : (shard+1)*w.wants] {
			zone[w.zoneOf(n)]++
			region[w.regionOfZone(w.zoneOf(n))]++
		}
		for z, c := range zone {
			if c > 0 {
				p.zone[p.zones], p.copies[p.zones] = int32(z), int32(c)
				p.zones++
			}
		}
		return p
	}
	found, all := map[pattern]int{}, true
	for shard := range w.shards {
		p := find(shard)
		for z, c := range zone {
			s.inZone[z*counts+c] += one
		}
		for g, c := range region {
			s.inRegion[g*counts+c] += one
		}
		nodes := w.layout.Nodes[shard*w.wants : (shard+1)*w.wants]
		for i, n := range nodes {
			for _, m := range nodes[:i] {
				s.pairs[w.distance(n, m)] += one / float64(w.wants*(w.wants-1)/2)
			}
		}
		if i, ok := found[p]; ok {
			s.patterns[i].share += one
		} else if len(found) < maxPatterns {
			found[p] = len(s.patterns)
			p.share = one
			s.patterns = append(s.patterns, p)
		} else {
			all = false
		}
	}
	if !all {
		for i := range s.patterns {
			s.patterns[i] = find(int(int64(i) * int64(w.shards) / maxPatterns))
			s.patterns[i].share = 1.0 / maxPatterns
		}
	}
	for z := range s.nearZone {
		s.nearZone[z] = 1 - s.inZone[z*counts]
	}
	for g := range s.nearRegion {
		s.nearRegion[g] = 1 - s.inRegion[g*counts]
	}
	return s
}

// reached reports whether a client in zone a reaches zone b: whether messages
// arrive both ways.
func (w *World) reached(a, b int) bool {
	return !w.load.cut[a*w.zones+b] && !w.load.cut[b*w.zones+a]
}

// cutOff reports whether zone a does not reach all others.
func (w *World) cutOff(a int) bool {
	for b := range w.zones {
		if !w.reached(a, b) {
			return true
		}
	}
	return false
}

// judge adds to f what happens where a request reaches k readable copies, with
// probability p. The primary is then on a node that is down with probability
// stuck.
func (w *World) judge(f *fate, k int, p, stuck float64) {
	c := &w.cfg.Load
	if w.load.primaries {
		if k < c.ReadQuorum {
			f.readRefused += p
		}
		if k < c.WriteQuorum {
			f.writeRefused += p
		} else {
			f.writeRefused += p * stuck
			f.copies += p * (1 - stuck) * float64(k)
		}
		return
	}
	if k == 0 {
		f.readRefused += p
		f.writeRefused += p
		return
	}
	f.copies += p * float64(k)
	if k < c.ReadQuorum {
		f.readStale += p
	}
	if k < c.WriteQuorum {
		f.writeStale += p
	}
}

// restFate is the fate of requests for shards that are not tracked, of which rest
// counts those of each number of readable copies.
func (w *World) restFate(rest *readableTable) (f fate) {
	l := &w.load
	shards, missing := int32(0), int64(0)
	for want := range rest {
		for k, n := range rest[want] {
			shards += n
			missing += int64(w.byReadable[want][k]) * int64(max(0, want-k))
		}
	}
	if shards == 0 {
		return f
	}
	whole := w.zones // client zones that reach all
	if l.cuts > 0 {
		for a := range w.zones {
			if w.cutOff(a) {
				whole--
				w.cutFate(&f, a, 1/float64(w.zones))
			}
		}
	}
	if whole == 0 {
		return f
	}
	// Of the copies that are missing, so many were on nodes of which the primaries
	// are stuck; a shard's primary was on any of its copies.
	stuck := 0.0
	if missing > 0 {
		stuck = min(1, float64(l.stuckCopies)/float64(missing))
	}
	for want := range rest {
		for k, n := range rest[want] {
			if n > 0 {
				p := float64(n) / float64(shards) * float64(whole) / float64(w.zones)
				w.judge(&f, k, p, stuck*float64(max(0, want-k))/float64(want))
			}
		}
	}
	return f
}

// cutFate adds to f the fate of the requests of clients in zone a, which is cut
// off from another, at weight p.
func (w *World) cutFate(f *fate, a int, p float64) {
	l := &w.load
	stuck := float64(l.stuckCopies) / (float64(w.shards) * w.meanWant())
	for i := range l.spread.patterns {
		x := &l.spread.patterns[i]
		var reached [maxFactor + 1]float64 // probability of so many readable copies
		reached[0] = 1
		most := 0
		for j, z := range x.zone[:x.zones] {
			if !w.reached(a, int(z)) {
				continue
			}
			up := w.zoneServes(int(z))
			for range x.copies[j] {
				most++
				for k := most; k > 0; k-- {
					reached[k] = reached[k]*(1-up) + reached[k-1]*up
				}
				reached[0] *= 1 - up
			}
		}
		for k, q := range reached[:most+1] {
			if q > 0 {
				w.judge(f, k, p*x.share*q, stuck)
			}
		}
	}
}

// zoneServes is the share of a zone's nodes that serve.
func (w *World) zoneServes(zone int) float64 {
	return 1 - float64(w.load.quiet[zoneLevel][zone])/float64(w.nodesPerZone)
}

// restNear is how clients share out by the distance of their shard's nearest
// readable copy:
//
//	P(a copy in zone z) = Σ_c inZone[z][c]·(1 − (1−serves_z)^c),
//
// and the same by region. It is exact while all nodes serve and repairs have not
// changed in which zones copies are; else it takes failures for independent.
func (w *World) restNear() (near [distances]float64) {
	s := &w.load.spread
	const counts = maxFactor + 1
	sum := func(in []float64, down float64) float64 {
		p, none := 0.0, 1.0
		for _, x := range in {
			p += x * (1 - none)
			none *= down
		}
		return p
	}
	region := 0.0
	for g := range w.regions {
		down := w.load.quiet[regionLevel][g]
		p := s.nearRegion[g]
		if down > 0 {
			p = sum(s.inRegion[g*counts:(g+1)*counts], float64(down)/float64(w.nodes/w.regions))
		}
		region += p
		for z := g * w.zonesPerRegion; z < (g+1)*w.zonesPerRegion; z++ {
			if down == 0 || w.load.quiet[zoneLevel][z] == 0 {
				near[0] += s.nearZone[z]
			} else {
				near[0] += sum(s.inZone[z*counts:(z+1)*counts], 1-w.zoneServes(z))
			}
		}
	}
	near[0] /= float64(w.zones)
	region = max(region/float64(w.regions), near[0])
	near[1], near[2] = region-near[0], 1-region
	if near[2] < 1e-12 {
		near[2] = 0
	}
	if near[1] < 1e-12 {
		near[1] = 0
	}
	return near
}

// findTracked looks at the copies of the shard of a popularity rank.
func (w *World) findTracked(rank int) {
	l := &w.load
	x := &l.tracked[rank]
	*x = trackedShard{}
	s := l.process.ShardAt(rank)
	live, stuck := 0, 0
	for _, r := range w.copiesOf(s) {
		if r.state() != replicaLive {
			continue
		}
		n := r.node()
		live++
		if l.stuck[n] != none {
			stuck++
		}
		if w.health[n]&healthQuiet == 0 {
			x.nodes[x.readable] = n
			x.readable++
		}
	}
	if stuck > 0 {
		x.stuck = float64(stuck) / float64(live)
	}
	zones, regions := 0, 0
	for i, n := range x.nodes[:x.readable] {
		newZone, newRegion := 1, 1
		for _, m := range x.nodes[:i] {
			switch w.distance(n, m) {
			case 0:
				newZone, newRegion = 0, 0
			case 1:
				newRegion = 0
			}
		}
		zones += newZone
		regions += newRegion
	}
	x.near[0] = float64(zones) / float64(w.zones)
	x.near[1] = float64(regions*w.zonesPerRegion-zones) / float64(w.zones)
	x.near[2] = float64(w.zones-regions*w.zonesPerRegion) / float64(w.zones)
}

// trackedFate is the fate of requests for a tracked shard.
func (w *World) trackedFate(x *trackedShard) (f fate) {
	if w.load.cuts == 0 {
		w.judge(&f, x.readable, 1, x.stuck)
		return f
	}
	for a := range w.zones {
		k := 0
		for _, n := range x.nodes[:x.readable] {
			if w.reached(a, int(w.zoneTable[n])) {
				k++
			}
		}
		w.judge(&f, k, 1/float64(w.zones), x.stuck)
	}
	return f
}
