package cluster

import (
	"math"

	"mend/env"
	"mend/env/seed"
)

// up reports whether node n truly answers.
func (w *World) up(n int32) bool {
	return w.nodeFlags[n]&nodeDead == 0 && w.cuts[w.rackOf(n)] == 0 && !w.q.pending(w.timers.returns+n)
}

// strike takes node n down for a while; an outage under way is prolonged, not
// shortened.
func (w *World) strike(n int32, duration env.Time, curable bool) {
	if w.nodeFlags[n]&nodeDead != 0 {
		return
	}
	wasUp := w.up(n)
	until := w.now + duration
	id := w.timers.returns + n
	if w.q.pending(id) && w.q.at[id] >= until {
		return
	}
	w.q.set(id, until)
	w.nodeFlags[n] &^= nodeCurable
	if curable {
		w.nodeFlags[n] |= nodeCurable
	}
	if wasUp {
		w.nodeDown(n)
	}
}

// outageOver ends the outage of node n.
func (w *World) outageOver(n int32) {
	w.nodeFlags[n] &^= nodeCurable
	if w.up(n) {
		w.nodeUp(n)
	}
}

// domainOutages is the configuration of the process of domains p.
func (w *World) domainOutages(p process) *DomainOutages {
	f := &w.cfg.Failures
	return [levels]*DomainOutages{&f.Rack, &f.PDU, &f.Zone, &f.Region, &f.Provider}[p-rackOutage]
}

// domains is the number of domains that the process p strikes.
func (w *World) domains(p process) int {
	switch p {
	case rackOutage:
		return w.racks
	case pduOutage:
		return w.zones * w.pdusPerZone()
	case zoneOutage:
		return w.zones
	case regionOutage:
		return w.regions
	}
	per := w.cfg.Failures.RegionsPerProvider
	return (w.regions + per - 1) / per
}

func (w *World) pdusPerZone() int {
	per := w.cfg.Failures.RacksPerPDU
	return (w.cfg.Topology.RacksPerZone + per - 1) / per
}

// domainOf is the domain of process p that a rack is in.
func (w *World) domainOf(p process, rack int) int {
	zone := rack / w.cfg.Topology.RacksPerZone
	switch p {
	case rackOutage:
		return rack
	case pduOutage:
		return zone*w.pdusPerZone() + rack%w.cfg.Topology.RacksPerZone/w.cfg.Failures.RacksPerPDU
	case zoneOutage:
		return zone
	case regionOutage:
		return w.regionOfZone(zone)
	}
	return w.regionOfZone(zone) / w.cfg.Failures.RegionsPerProvider
}

// racksOf are the racks of domain d of process p: from first on, before last.
func (w *World) racksOf(p process, d int) (first, last int) {
	perZone := w.cfg.Topology.RacksPerZone
	perRegion := perZone * w.zonesPerRegion
	switch p {
	case rackOutage:
		return d, d + 1
	case pduOutage:
		zone, per := d/w.pdusPerZone(), w.cfg.Failures.RacksPerPDU
		first = zone*perZone + d%w.pdusPerZone()*per
		return first, min(first+per, (zone+1)*perZone)
	case zoneOutage:
		return d * perZone, (d + 1) * perZone
	case regionOutage:
		return d * perRegion, (d + 1) * perRegion
	}
	per := perRegion * w.cfg.Failures.RegionsPerProvider
	return d * per, min((d+1)*per, w.racks)
}

// domainEnd is the timer of the end of the outage of domain d of process p,
// which is under way while the timer is set.
func (w *World) domainEnd(p process, d int) int32 {
	return w.timers.domainEnd[p-rackOutage] + int32(d)
}

// strikeDomain cuts domain d of process p off; an outage of it under way is
// prolonged, not shortened. Each of its nodes is lost with probability loss.
func (w *World) strikeDomain(p process, d int, duration env.Time, loss float64, f seed.Seed) {
	id := w.domainEnd(p, d)
	until := w.now + duration
	first, last := w.racksOf(p, d)
	firstNode, lastNode := int32(first*w.nodesPerRack), int32(last*w.nodesPerRack)
	if w.q.pending(id) {
		w.q.set(id, max(until, w.q.at[id]))
	} else {
		w.q.set(id, until)
		// All are cut off before any repair looks for another place.
		struck := w.struckNodes[:0]
		for n := firstNode; n < lastNode; n++ {
			if w.up(n) {
				struck = append(struck, n)
			}
		}
		for rack := first; rack < last; rack++ {
			w.cuts[rack]++
		}
		for _, n := range struck {
			w.nodeDown(n)
		}
	}
	if loss == 0 {
		return
	}
	for n := firstNode; n < lastNode; n++ {
		i := uint64(n - firstNode)
		if seed.Uniform(f.At(drawLoss+i, 0)) < loss {
			w.die(n, seed.Seed(f.At(drawReplacement, i)))
		}
	}
}

// domainOver ends the outage whose timer is id.
func (w *World) domainOver(id int32) {
	p := providerOutage
	for id < w.timers.domainEnd[p-rackOutage] {
		p--
	}
	first, last := w.racksOf(p, int(id-w.timers.domainEnd[p-rackOutage]))
	for rack := first; rack < last; rack++ {
		w.cuts[rack]--
	}
	for rack := first; rack < last; rack++ {
		if w.cuts[rack] > 0 {
			continue
		}
		for n := int32(rack * w.nodesPerRack); n < int32((rack+1)*w.nodesPerRack); n++ {
			if w.up(n) {
				w.nodeUp(n)
			}
		}
	}
}

// cutUntil is when the rack of node n, and its way to the monitor, will be
// whole again as far as is known: 0 where they are.
func (w *World) cutUntil(n int32) env.Time {
	until := env.Time(0)
	if rack := w.rackOf(n); w.cuts[rack] > 0 {
		for p := rackOutage; p <= providerOutage; p++ {
			if id := w.domainEnd(p, w.domainOf(p, rack)); w.q.pending(id) {
				until = max(until, w.q.at[id])
			}
		}
	}
	if w.silent(n) {
		until = max(until, w.q.at[w.cutEnd(w.zoneOf(n), 0)])
	}
	return until
}

// strikeSome lets a burst that began in a rack strike: some nodes of the rack,
// or some of all nodes, each for a time of its own.
func (w *World) strikeSome(rack int, f seed.Seed) {
	b := &w.cfg.Failures.Burst
	first, among := int32(rack*w.nodesPerRack), w.nodesPerRack
	size := 1
	if seed.Uniform(f.At(drawWide, 0)) < b.WideProbability {
		first, among = 0, w.nodes
		share := b.WideMin * math.Pow(b.WideMax/b.WideMin, seed.Uniform(f.At(drawSize, 0)))
		size = int(math.Ceil(share * float64(w.nodes)))
	} else if b.MeanNodes > 1 {
		// P(extra >= k) = (1 − 1/mean)^k.
		size += int(min(1e6, math.Log(seed.Uniform(f.At(drawSize, 0)))/math.Log1p(-1/b.MeanNodes)))
	}
	size = min(size, among)
	// The first steps of a shuffle of 0 to among−1, undone below, so that the
	// cost is that of the nodes struck.
	other := func(i int) int { return i + seed.Below(f.At(drawNodes+uint64(i), 1), among-i) }
	for i := range size {
		j := other(i)
		w.perm[i], w.perm[j] = w.perm[j], w.perm[i]
		n, u := first+w.perm[i], uint64(i)
		w.strike(n, b.duration(f.At(drawOutage+u, 0)), seed.Uniform(f.At(drawCures+u, 0)) < w.cfg.Failures.RestartCures)
		if seed.Uniform(f.At(drawLoss+u, 0)) < b.LossProbability {
			w.die(n, seed.Seed(f.At(drawReplacement, u)))
		}
	}
	for i := size - 1; i >= 0; i-- {
		j := other(i)
		w.perm[i], w.perm[j] = w.perm[j], w.perm[i]
	}
}
