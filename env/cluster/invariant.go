package cluster

import (
	"fmt"
	"math"

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
	return w.checkRepairs()
}

// checkRanges makes sure that every index is one, so that what follows can use
// them.
func (w *World) checkRanges() error {
	for _, x := range []struct {
		what    string
		indexes []int32
		n       int
	}{
		{"node's first record", w.head, len(w.repNode)},
		{"stream's repair", w.streamsOut, len(w.flows.replica)},
		{"first shard of a list", w.lists.first, w.shards},
		{"last shard of a list", w.lists.last, w.shards},
		{"next shard", w.lists.next, w.shards},
		{"previous shard", w.lists.prev, w.shards},
		{"record's node", w.repNode, w.nodes},
		{"next record", w.repNext, len(w.repNode)},
		{"previous record", w.repPrev, len(w.repNode)},
		{"repair's record", w.flows.replica, len(w.repNode)},
		{"repair's source", w.flows.source, w.nodes},
		{"repair's place", w.flows.place, len(w.flows.replica)},
	} {
		for i, v := range x.indexes {
			if v < none || int(v) >= x.n {
				return fmt.Errorf("%s, number %d, is %d, want -1 to %d", x.what, i, v, x.n-1)
			}
		}
	}
	for s, k := range w.lists.in {
		if k < -1 || int(k) >= len(w.lists.length) {
			return fmt.Errorf("shard %d is in list %d of %d", s, k, len(w.lists.length))
		}
	}
	for r, st := range w.repState {
		if st > replicaRebuilding || st != replicaNone && w.repNode[r] == none {
			return fmt.Errorf("record %d has state %d on node %d", r, st, w.repNode[r])
		}
	}
	for zone := range w.clocks {
		z := &w.clocks[zone]
		if len(z.heap) > w.nodesPerZone*w.cfg.Repair.StreamsPerNode {
			return fmt.Errorf("zone %d has %d repairs", zone, len(z.heap))
		}
		for _, f := range z.heap {
			if f < 0 || int(f) >= len(w.flows.replica) || w.flows.replica[f] == none {
				return fmt.Errorf("zone %d has a repair %d", zone, f)
			}
		}
	}
	return nil
}

func (w *World) checkQueue() error {
	if w.kind >= kinds || w.subject < 0 || w.kind == NodeUnreachable && int(w.subject) >= w.nodes ||
		w.kind == ShardsAtRisk && int(w.subject) >= classes(w.wants) {
		return fmt.Errorf("question of kind %d about subject %d", w.kind, w.subject)
	}
	if w.now < 0 || w.now > w.horizon || !w.ended && w.q.at[w.timers.horizon] != w.horizon {
		return fmt.Errorf("it is %d and the episode ends at %d, want %d", w.now, w.q.at[w.timers.horizon], w.horizon)
	}
	for id, at := range w.q.at {
		if at < w.now {
			return fmt.Errorf("timer %d is set to %d, before now, %d", id, at, w.now)
		}
		if p := w.q.pos[id]; (p < 0) != (at == env.Never) || p >= 0 && w.q.heap[p] != int32(id) {
			return fmt.Errorf("timer %d is at place %d of the queue for time %d", id, p, at)
		}
	}
	return nil
}

func (w *World) checkNodes() error {
	var unreachable, declared, racks int32
	var space int64
	rack, zone, zoneDeclared := make([]int32, w.racks), make([]int32, w.zones), make([]int32, w.zones)
	records := 0
	for n := range int32(w.nodes) {
		f := w.nodeFlags[n]
		held := int32(0)
		previous := none
		for r := w.head[n]; r != none; r = w.repNext[r] {
			if r < 0 || int(r) >= len(w.repNode) || w.repNode[r] != n || w.repPrev[r] != previous || w.repState[r] == replicaNone {
				return fmt.Errorf("node %d: record %d is broken", n, r)
			}
			if held++; int(held) > len(w.repNode) {
				return fmt.Errorf("node %d: its records form a ring", n)
			}
			if w.repState[r] == replicaRebuilding && (!w.up(n) || f&nodeUnreachable != 0) {
				return fmt.Errorf("node %d is down or unreachable and receives a repair", n)
			}
			previous = r
		}
		records += int(held)
		if held != w.held[n] || held > w.nodeCopies {
			return fmt.Errorf("node %d holds %d records, counted %d, space for %d", n, held, w.held[n], w.nodeCopies)
		}
		if f&nodeUnreachable != 0 {
			unreachable++
			rack[w.rackOf(n)]++
			zone[w.zoneOf(n)]++
			if f&nodeDeclared != 0 {
				declared++
				zoneDeclared[w.zoneOf(n)]++
			} else if asked := w.kind == NodeUnreachable && w.subject == n; !asked && !w.q.pending(w.timers.askNode+n) {
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
	for r, st := range w.repState {
		if st != replicaNone {
			records--
		}
		if (st == replicaNone) != (w.repNode[r] == none) {
			return fmt.Errorf("record %d has state %d and node %d", r, st, w.repNode[r])
		}
	}
	if records != 0 {
		return fmt.Errorf("%d records more on nodes than there are", records)
	}
	for i := range rack {
		if rack[i] != w.rackUnreachable[i] {
			return fmt.Errorf("rack %d: %d nodes unreachable, counted %d", i, rack[i], w.rackUnreachable[i])
		}
		if int(rack[i]) == w.nodesPerRack {
			racks++
		}
	}
	for z := range zone {
		if zone[z] != w.zoneUnreachable[z] || zoneDeclared[z] != w.zoneDeclared[z] {
			return fmt.Errorf("zone %d: %d nodes unreachable and %d declared, counted %d and %d", z, zone[z], zoneDeclared[z], w.zoneUnreachable[z], w.zoneDeclared[z])
		}
	}
	if unreachable != w.unreachable || declared != w.declared || racks != w.racksUnreachable || space != w.reachableSpace {
		return fmt.Errorf("unreachable %d, declared %d, racks %d, space %d; counted %d, %d, %d, %d",
			unreachable, declared, racks, space, w.unreachable, w.declared, w.racksUnreachable, w.reachableSpace)
	}
	return nil
}

func (w *World) checkShards() error {
	var levels [maxFactor + 2]int32
	var copies, unavailable, charged, orders int32
	length := make([]int32, len(w.lists.length))
	for s := range int32(w.shards) {
		var readable, intact, believed, active uint8
		for r := s * int32(w.width); r < (s+1)*int32(w.width); r++ {
			st, n := w.repState[r], w.repNode[r]
			if st == replicaNone {
				continue
			}
			dead := w.nodeFlags[n]&nodeDead != 0
			if st == replicaRebuilding {
				active++
				copies++
			} else if !dead {
				intact++
				copies++
			}
			if st == replicaLive && w.up(n) {
				readable++
			}
			if w.counts(r) {
				believed++
			}
			for q := s * int32(w.width); q < r; q++ {
				if w.repNode[q] == n {
					return fmt.Errorf("shard %d has two records on node %d", s, n)
				}
			}
		}
		if readable != w.readable[s] || intact != w.intact[s] || believed != w.believed[s] || active != w.active[s] {
			return fmt.Errorf("shard %d: readable %d, intact %d, believed %d, in flight %d; counted %d, %d, %d, %d",
				s, readable, intact, believed, active, w.readable[s], w.intact[s], w.believed[s], w.active[s])
		}
		if w.ordered[s] < active || int(believed) > w.wants {
			return fmt.Errorf("shard %d: %d ordered, %d in flight, %d believed live", s, w.ordered[s], active, believed)
		}
		lost := w.shardFlags[s]&shardLost != 0
		if lost != (intact == 0) {
			return fmt.Errorf("shard %d is lost: %v, intact copies: %d", s, lost, intact)
		}
		if (int(readable) < w.wants) != (w.underSince[s] != env.Never) {
			return fmt.Errorf("shard %d: %d readable, short of copies since %d", s, readable, w.underSince[s])
		}
		if int(readable) < w.cfg.Data.Quorum {
			unavailable++
			if !lost {
				charged++
			}
		}
		levels[believed]++
		orders += int32(w.ordered[s])
		in := w.lists.in[s]
		if in >= 0 {
			length[in]++
		}
		waiting := w.ordered[s] > active && believed > 0
		if queued := int(in) >= classes(w.wants); waiting != queued {
			return fmt.Errorf("shard %d: %d ordered, %d in flight, in list %d", s, w.ordered[s], active, in)
		}
		if want := w.classOf(s); !waiting && in != want {
			return fmt.Errorf("shard %d is in class %d, want %d", s, in, want)
		}
	}
	l := &w.ledger
	if levels != w.levels || copies != l.copies || unavailable != l.unavailable || charged != l.chargedUnavailable || orders != w.orders {
		return fmt.Errorf("levels %v, copies %d, unavailable %d, charged %d, orders %d; counted %v, %d, %d, %d, %d",
			levels, copies, unavailable, charged, orders, w.levels, l.copies, l.unavailable, l.chargedUnavailable, w.orders)
	}
	for k := range length {
		n := int32(0)
		for s, before := w.lists.first[k], none; s != none; before, s = s, w.lists.next[s] {
			if n++; n > length[k] || w.lists.prev[s] != before || int(w.lists.in[s]) != k {
				return fmt.Errorf("list %d is broken at shard %d", k, s)
			}
		}
		if n != length[k] || n != w.lists.length[k] {
			return fmt.Errorf("list %d has %d shards, linked %d, counted %d", k, length[k], n, w.lists.length[k])
		}
		if k < classes(w.wants) && n == 0 && w.q.pending(w.timers.askRisk+int32(k)) {
			return fmt.Errorf("class %d is empty and will be asked about", k)
		}
		if asked := w.kind == ShardsAtRisk && int(w.subject) == k; k < classes(w.wants) && n > 0 && !asked && !w.q.pending(w.timers.askRisk+int32(k)) {
			return fmt.Errorf("class %d has %d shards and will not be asked about", k, n)
		}
		if k >= classes(w.wants) && n > 0 && !w.q.pending(w.timers.retry) {
			return fmt.Errorf("%d shards of queue %d wait and will not be tried again", n, k)
		}
	}
	return nil
}

func (w *World) checkRepairs() error {
	streams := int32(w.cfg.Repair.StreamsPerNode)
	var slow, fast int32
	weights := make([]int32, w.zones)
	inFlight := make([]int, w.zones)
	for f := range int32(len(w.flows.replica)) {
		r := w.flows.replica[f]
		if r == none {
			continue
		}
		dst, src := f/streams, w.flows.source[f]
		if r < 0 || int(r) >= len(w.repState) || src < 0 || int(src) >= w.nodes {
			return fmt.Errorf("repair %d fills record %d from node %d", f, r, src)
		}
		if w.repState[r] != replicaRebuilding || w.repNode[r] != dst || !w.up(dst) || !w.up(src) || w.nodeFlags[src]&nodeUnreachable != 0 {
			return fmt.Errorf("repair %d from node %d to %d fills record %d of state %d", f, src, dst, r, w.repState[r])
		}
		found := 0
		for _, g := range w.streamsOut[src*streams : (src+1)*streams] {
			if g == f {
				found++
			}
		}
		zone := w.zoneOf(dst)
		z := &w.clocks[zone]
		if place := w.flows.place[f]; found != 1 || place < 0 || int(place) >= len(z.heap) || z.heap[place] != f {
			return fmt.Errorf("repair %d uses %d streams of node %d and place %d", f, found, src, place)
		}
		if start, end := w.flows.start[f], w.flows.end[f]; !(start >= 0 && start <= end && end <= math.MaxFloat64) {
			return fmt.Errorf("repair %d runs from %g to %g", f, start, end)
		}
		weights[zone] += w.weight(f)
		inFlight[zone]++
		if w.flows.fast[f] {
			fast++
		} else {
			slow++
		}
	}
	for zone := range w.clocks {
		z := &w.clocks[zone]
		if !(z.v >= 0 && z.v <= math.MaxFloat64) || z.at > w.now {
			return fmt.Errorf("zone %d: its clock is %g at %d", zone, z.v, z.at)
		}
		if z.weight != weights[zone] || len(z.heap) != inFlight[zone] {
			return fmt.Errorf("zone %d: weight %d in %d repairs, counted %d in %d", zone, weights[zone], inFlight[zone], z.weight, len(z.heap))
		}
		for i := 1; i < len(z.heap); i++ {
			if w.sooner(z.heap[i], z.heap[(i-1)/2]) {
				return fmt.Errorf("zone %d: its repairs are out of order", zone)
			}
		}
	}
	if slow != w.ledger.slow || fast != w.ledger.fast {
		return fmt.Errorf("%d slow and %d fast repairs, counted %d and %d", slow, fast, w.ledger.slow, w.ledger.fast)
	}
	return nil
}
