package cluster

import "mend/env/seed"

func (w *World) newLayout() []int32 {
	l := make([]int32, w.shards*w.wants)
	held := make([]int, w.nodes)
	for s := range w.shards {
		have := l[s*w.wants : (s+1)*w.wants]
		d := seed.Seed(1).Child("layout", uint64(s))
		zone := seed.Below(d.At(0, 0), w.zones)
		missed := 0
		for j := 0; j < w.wants; {
			have[j] = none
			if missed == w.zones {
				j++
				continue
			}
			best := none
			first := seed.Below(d.At(1, uint64(j*64+zone)), w.nodesPerZone)
			for i := range w.nodesPerZone {
				n := int32(zone*w.nodesPerZone + (first+i)%w.nodesPerZone)
				ok := held[n] < w.capacity
				for _, m := range have[:j] {
					ok = ok && m != none && w.rackOf(m) != w.rackOf(n)
				}
				if ok && (best == none || held[n] < held[best]) {
					best = n
				}
			}
			zone = (zone + 1) % w.zones
			if best == none {
				missed++
				continue
			}
			missed = 0
			have[j] = best
			held[best]++
			j++
		}
	}
	return l
}
