package cluster

import (
	"fmt"
	"math"
	"slices"

	"mend/env"
	"mend/env/queueing"
	"mend/env/seed"
	"mend/env/state"
	"mend/env/workload"
)

// How load is served.
//
// Nothing is done for single requests, nor, at a change of the load, for single
// nodes. Requests for the shards of the first ranks of popularity are followed to
// the nodes that hold their readable copies, O(workload.Top × copies); those for
// all others spread evenly over the nodes that serve, which are counted by
// slowness and by the repairs that they take part in. Each node is a queue of its
// own: its utilisation, by requests and repairs, gives its latencies from a table
// (queueing.Table).
//
// Each request counts with the latency of one node, that of the nearest readable
// copy, plus the round trip to it: clients are spread evenly over the zones. A
// read by quorum makes work on ReadQuorum copies, any other read on one, a write
// on every readable copy. A repair keeps RepairServers servers busy at each of its
// two nodes, FastFactor times as many where it is fast, at whatever speed it
// proceeds. The wait for the slowest of a quorum, and queues between two
// stationary states, are left out, and so is what requests take from repairs.

// Distances of a request to the copy that serves it: within a zone, between zones
// of a region, between regions.
const distances = 3

// slowFactors are the slowdowns that nodes are counted with, each node with the
// nearest one by ratio.
var slowFactors = [...]float64{1, 1.5, 2, 3, 5, 10, 20, 50}

const slowClasses = len(slowFactors)

// slowClass is the class of a node that is slow by factor x.
func slowClass(x float32) uint8 {
	c := 0
	for c+1 < slowClasses && float64(x)*float64(x) > slowFactors[c]*slowFactors[c+1] {
		c++
	}
	return uint8(c)
}

// load is the state of requests. Where there is no load, on is false and all
// else is empty.
type load struct {
	on        bool
	process   *workload.Process
	tables    [slowClasses][distances]*queueing.Table // misses are those of the SLO less the round trip
	capacity  float64                                 // requests a second of a healthy node
	inverse   [slowClasses]float64                    // 1 / capacity of a node
	repair    float64                                 // and of these, what a slow repair takes
	rtt       [distances]float64                      // seconds
	readWork  float64                                 // copies that a read makes work on
	primaries bool
	spread    spreading
	money     loadPrices

	// Nodes, by truth.
	class   []uint8               // by node
	repairs []int32               // by node: weights of the repairs that it feeds and receives
	serving []int32               // nodes that are not quiet, by cell
	most    int32                 // repairs of any node since the episode began
	quiet   [domainLevels][]int32 // quiet nodes by rack, zone and region
	lost    [domainLevels][]int32 // of these, those that are not declared dead
	cut     []bool                // ways from one zone to another that are cut, [zones*zones]
	cuts    int32                 // number of them

	// Primaries of nodes that are down: copies that were on the node when it went
	// down, of which one in ReplicationFactor is a primary; none where they are
	// elsewhere, or the node is up.
	stuck       []int32
	stuckCopies int64

	slots   slots
	tracked []trackedShard // by popularity rank
	slope   float64        // rate, averaged exponentially over an hour
	stepAt  env.Time       // of the last load step
	// What the controller last measured of the cluster, at that load step.
	measured measurement

	// Derived.
	stale  staleness // what is to be worked out again
	rates  rates
	others []int32
	bins   []bin
	used   []int32
	parts  []latencyPart
	rest   fate               // of requests for shards that are not tracked
	near   [distances]float64 // and their distances
	unit   unit
}

// staleness is how much of what is known of the load is out of date: that and all
// below it.
type staleness uint8

const (
	fresh       staleness = iota
	staleRates            // how many requests there are, or what else nodes do
	staleShares           // how they share out over shards
	staleCopies           // which copies they find, and where
)

// outdate notes that so much is out of date.
func (l *load) outdate(s staleness) { l.stale = max(l.stale, s) }

// unit is what becomes of one request a second, as it shares out over all shards.
type unit struct {
	total               requests
	perNode, perRequest float64   // services and requests of each serving node, for shards that are not tracked
	work, request       []float64 // and for those that are, by node
	touched             []int32   // nodes with any of these
}

// trackedShard is what is known of a popular shard.
type trackedShard struct {
	readable int
	nodes    [maxFactor + spare]int32 // of its readable copies
	stuck    float64                  // probability that its primary is on a node that is down
	near     [distances]float64       // clients by distance of the nearest readable copy
	fate     fate
}

// measurement is what the monitoring of requests shows.
type measurement struct {
	p99     float64 // seconds
	refused float64 // share of the requests
}

// rates are what happens a second while nothing changes.
type rates struct {
	offered, served, refused, stale, slow float64 // requests
	latency                               float64 // Σ of the latencies of served requests, seconds
	p99                                   float64 // of served requests, seconds
	usd                                   loadUSD
}

// fate is what becomes of requests for a shard: shares.
type fate struct {
	readRefused, writeRefused float64
	readStale, writeStale     float64
	copies                    float64 // that a write goes to, 0 where it is refused
}

// bin gathers the requests of nodes that are alike.
type bin struct {
	used             bool
	requests, rho    float64 // a second, and the sum of their nodes' utilisations
	weight, p50, p99 float64 // served requests; sums of their nodes' quantiles
}

const binsPerClass = 65 // one for each 1/64 of utilisation, the last for overload

func (w *World) newLoad() (load, error) {
	c := &w.cfg.Load
	l := load{on: c.offered()}
	if !l.on {
		return l, nil
	}
	l.rtt = [distances]float64{c.RTT.Zone.Seconds(), c.RTT.Region.Seconds(), c.RTT.Far.Seconds()}
	l.capacity = c.Service.Capacity()
	l.repair = l.capacity * c.RepairServers / float64(c.Service.Servers)
	l.readWork = 1
	if l.primaries = c.Consistency == ConsistencyQuorum; l.primaries {
		l.readWork = float64(c.ReadQuorum)
	}
	for k, factor := range slowFactors {
		for d := range l.tables[k] {
			class := c.Service
			class.ServiceSeconds *= factor
			// A round trip as long as the SLO leaves nothing: 1 ns, the least that a
			// table takes, is missed by all.
			class.SLOSeconds = max(class.SLOSeconds-l.rtt[d], 1e-9)
			var err error
			if l.tables[k][d], err = queueing.NewTable(class); err != nil {
				return l, fmt.Errorf("cluster: load.service, slowed %g times: %w", factor, err)
			}
		}
	}
	var err error
	if l.process, err = workload.New(c.Config, w.shards); err != nil {
		return l, fmt.Errorf("cluster: load: %w", err)
	}
	l.class, l.repairs = make([]uint8, w.nodes), make([]int32, w.nodes)
	l.serving = make([]int32, slowClasses*(1+2*int(w.streams)*w.cfg.Repair.FastFactor))
	l.others = make([]int32, len(l.serving))
	for level, n := range [domainLevels]int{w.racks, w.zones, w.regions} {
		l.quiet[level], l.lost[level] = make([]int32, n), make([]int32, n)
	}
	l.stuck = make([]int32, w.nodes)
	l.slots = newSlots(l.process.Tracked())
	l.tracked = make([]trackedShard, l.process.Tracked())
	l.cut = make([]bool, w.zones*w.zones)
	l.unit.work, l.unit.request = make([]float64, w.nodes), make([]float64, w.nodes)
	l.unit.touched = make([]int32, 0, min(w.nodes, l.process.Tracked()*(maxFactor+spare)))
	l.bins = make([]bin, slowClasses*binsPerClass)
	l.used = make([]int32, 0, len(l.bins))
	l.parts = make([]latencyPart, 0, distances*len(l.bins))
	for k, factor := range slowFactors {
		l.inverse[k] = factor / l.capacity
	}
	return l, nil
}

// beginLoad starts the load of the episode of seed s.
func (w *World) beginLoad(s seed.Seed) {
	l := &w.load
	if !l.on {
		return
	}
	l.process.Reset(s.Child("load", 0))
	w.beginSlots()
	clear(l.class)
	clear(l.repairs)
	clear(l.serving)
	l.serving[0], l.most = int32(w.nodes), 0
	for level := range l.quiet {
		clear(l.quiet[level])
		clear(l.lost[level])
	}
	clear(l.cut)
	l.cuts, l.stuckCopies = 0, 0
	fill(l.stuck, none)
	l.slope, l.stepAt, l.measured = l.process.Rate(), 0, measurement{}
	l.outdate(staleCopies)
	w.q.set(w.timers.load, l.process.Next())
	w.q.set(w.timers.month, month)
}

// loadStep changes the load.
func (w *World) loadStep() {
	l := &w.load
	l.measured = measurement{p99: l.rates.p99, refused: l.rates.refused / max(l.rates.offered, 1e-300)}
	before := l.process.Rate()
	l.slope = before + (l.slope-before)*math.Exp(-float64(w.now-l.stepAt)/float64(env.Hour))
	l.stepAt = w.now
	change := l.process.Advance(w.now)
	w.offered = w.offered*0x100000001b3 ^ l.process.OfferedDigest()
	w.q.set(w.timers.load, l.process.Next())
	switch {
	case change&workload.RanksChanged != 0:
		w.rerank()
		l.outdate(staleCopies)
	case change&workload.SharesChanged != 0:
		l.outdate(staleShares)
	default:
		l.outdate(staleRates)
	}
	w.askLoads()
}

// cellOf is where node n is counted while it serves: with those of its slowness
// and as many repairs, by repairs first.
func (l *load) cellOf(n int32) int { return int(l.repairs[n])*slowClasses + int(l.class[n]) }

// cells are the counts that may not be 0.
func (l *load) cells() []int32 { return l.serving[:int(l.most+1)*slowClasses] }

// loadRepair is called when node n begins to take part in a repair of the given
// weight, or ends to (−weight).
func (w *World) loadRepair(n, weight int32) {
	l := &w.load
	if w.health[n]&healthQuiet != 0 {
		l.repairs[n] += weight
		return
	}
	l.serving[l.cellOf(n)]--
	l.repairs[n] += weight
	l.most = max(l.most, l.repairs[n])
	l.serving[l.cellOf(n)]++
	l.outdate(staleRates)
}

// loadQuiet is called when node n ceases to serve.
func (w *World) loadQuiet(n int32) {
	l := &w.load
	l.outdate(staleCopies)
	l.serving[l.cellOf(n)]--
	declared := w.nodeFlags[n]&nodeDeclared != 0
	for level := range l.quiet {
		k := w.faultDomains.within(n, level)
		if l.quiet[level][k]++; !declared {
			l.lost[level][k]++
		}
	}
	if l.primaries && !declared {
		l.stuck[n] = w.live[n]
		l.stuckCopies += int64(w.live[n])
		w.q.set(w.timers.failover+n, w.now+simulated(w.cfg.Load.FailoverDelay))
	}
}

// loadServes is called when node n, whose flags were f, serves again.
func (w *World) loadServes(n int32, f uint16) {
	l := &w.load
	l.outdate(staleCopies)
	l.most = max(l.most, l.repairs[n])
	l.serving[l.cellOf(n)]++
	w.failOver(n)
	for level := range l.quiet {
		l.quiet[level][w.faultDomains.within(n, level)]--
	}
	if f&nodeDeclared == 0 {
		w.notLost(n)
	}
}

// notLost is called when node n is no longer one of those that are lost with
// their domain: it serves, or has been declared dead.
func (w *World) notLost(n int32) {
	l := &w.load
	for level := range l.lost {
		k := w.faultDomains.within(n, level)
		l.lost[level][k]--
		if l.primaries && l.lost[level][k] == w.faultDomains.needs[level]-1 {
			// The domain is no longer lost as a whole.
			size := int32(w.nodes / len(l.lost[level]))
			for m := int32(k) * size; m < int32(k+1)*size; m++ {
				if l.stuck[m] != none && !w.q.pending(w.timers.failover+m) {
					w.leaseOver(m)
				}
			}
		}
	}
}

// loadCut is called when the way from zone a to zone b is cut, or no longer is.
func (w *World) loadCut(a, b int, cut bool) {
	l := &w.load
	if !l.on {
		return
	}
	l.outdate(staleCopies)
	l.cut[a*w.zones+b] = cut
	if cut {
		l.cuts++
	} else {
		l.cuts--
	}
}

// leaseOver moves the primaries of node n elsewhere, which has been down for long
// enough, unless a domain is lost with it: that is left to the controller.
func (w *World) leaseOver(n int32) {
	for level := range w.load.quiet {
		if w.load.lost[level][w.faultDomains.within(n, level)] >= w.faultDomains.needs[level] {
			return
		}
	}
	w.failOver(n)
}

// failOver moves the primaries of node n elsewhere, if they are stuck there.
func (w *World) failOver(n int32) {
	l := &w.load
	if !l.on || l.stuck[n] == none {
		return
	}
	l.stuckCopies -= int64(l.stuck[n])
	l.stuck[n] = none
	w.q.cancel(w.timers.failover + n)
	l.outdate(staleCopies)
}

// reclass is called when the slowness of node n has changed.
func (w *World) reclass(n int32) {
	l := &w.load
	c := slowClass(w.slow[n])
	if c == l.class[n] {
		return
	}
	serves := w.health[n]&healthQuiet == 0
	if serves {
		l.serving[l.cellOf(n)]--
		l.outdate(staleRates)
	}
	l.class[n] = c
	if serves {
		l.serving[l.cellOf(n)]++
	}
}

// evaluate works out l.rates from the present state.
func (w *World) evaluate() {
	l := &w.load
	if l.stale >= staleCopies {
		w.findCopiesOfRequests()
	}
	if l.stale >= staleShares {
		w.shareOut()
	}
	l.stale = fresh
	u, r := &l.unit, &l.rates
	rate := l.process.Rate()
	total := u.total.times(rate)
	*r = rates{offered: rate, refused: total.refused, stale: total.stale}

	// Latency, node by node where a tracked shard is, else class by class.
	others := l.others[:copy(l.others, l.cells())]
	for _, n := range u.touched {
		others[l.cellOf(n)]--
		l.serve(&total, l.class[n], rate*(u.perNode+u.work[n])+float64(l.repairs[n])*l.repair, rate*(u.perRequest+u.request[n]))
	}
	for cell, n := range others {
		if n > 0 {
			repairs, class := cell/slowClasses, uint8(cell%slowClasses)
			l.serve(&total, class, rate*u.perNode+float64(repairs)*l.repair, rate*u.perRequest*float64(n))
		}
	}
	for _, k := range l.used {
		if b := &l.bins[k]; b.requests > 0 {
			l.settle(b, &total, uint8(k/binsPerClass), b.rho/b.requests, b.requests)
		}
	}
	r.p99 = l.quantile(&total.near)
	l.price(r, &total, &w.cfg.Load)
}

// findCopiesOfRequests works out what becomes of requests for each of the tracked
// shards, and for the others together.
func (w *World) findCopiesOfRequests() {
	l := &w.load
	rest := w.byReadable
	for rank := range l.tracked {
		w.findTracked(rank)
		x := &l.tracked[rank]
		x.fate = w.trackedFate(x)
		rest[w.info[l.process.ShardAt(rank)].want][x.readable]--
	}
	l.rest, l.near = w.restFate(&rest), w.restNear()
}

// shareOut spreads one request a second over the shards, and so over the nodes.
func (w *World) shareOut() {
	l := &w.load
	p, u := l.process, &l.unit
	for _, n := range u.touched {
		u.work[n], u.request[n] = 0, 0
	}
	u.touched, u.perNode, u.perRequest, u.total = u.touched[:0], 0, 0, requests{}
	serving := int32(0)
	for _, n := range l.cells() {
		serving += n
	}
	t := l.accept(p.Rest(), &l.rest)
	u.total.add(&t, &l.near)
	if serving > 0 {
		u.perNode, u.perRequest = t.work/float64(serving), (t.reads+t.writes)/float64(serving)
	}
	for rank := range l.tracked {
		x := &l.tracked[rank]
		t := l.accept(p.Share(rank), &x.fate)
		u.total.add(&t, &x.near)
		if t.reads+t.writes == 0 {
			continue
		}
		each := 1 / float64(x.readable)
		for _, n := range x.nodes[:x.readable] {
			if u.request[n] == 0 {
				u.touched = append(u.touched, n)
			}
			u.work[n] += t.work * each
			u.request[n] += (t.reads + t.writes) * each
		}
	}
	if accepted := u.total.reads + u.total.writes; accepted > 0 {
		for d := range u.total.near {
			u.total.near[d] /= accepted
		}
	}
}

// requests are those that were accepted, a second, and what became of the others.
type requests struct {
	reads, writes  float64
	copies         float64 // Σ of the copies that writes go to
	work           float64 // services on nodes
	refused, stale float64
	near           [distances]float64 // by distance to the nearest copy; at last as shares
}

// times is so many times as many.
func (t requests) times(rate float64) requests {
	t.reads *= rate
	t.writes *= rate
	t.copies *= rate
	t.work *= rate
	t.refused *= rate
	t.stale *= rate
	return t
}

// accept is what becomes of so many requests a second.
func (l *load) accept(rate float64, f *fate) (t requests) {
	share := l.process.ReadShare()
	reads, writes := rate*share, rate*(1-share)
	t.reads, t.writes = reads*(1-f.readRefused), writes*(1-f.writeRefused)
	t.copies = writes * f.copies
	t.work = t.reads*l.readWork + t.copies
	t.refused = reads*f.readRefused + writes*f.writeRefused
	t.stale = reads*f.readStale + writes*f.writeStale
	return t
}

func (t *requests) add(x *requests, near *[distances]float64) {
	t.reads += x.reads
	t.writes += x.writes
	t.copies += x.copies
	t.work += x.work
	t.refused += x.refused
	t.stale += x.stale
	for d := range near {
		t.near[d] += (x.reads + x.writes) * near[d]
	}
}

// serve adds requests that nodes of a class serve, each of which has so many
// services a second to do. Nodes of one bucket of utilisation are taken together,
// at their mean; busy ones, whose latencies change fast, one by one.
func (l *load) serve(t *requests, class uint8, work, requests float64) {
	if requests == 0 {
		return
	}
	rho := work * l.inverse[class]
	k := int32(class)*binsPerClass + int32(min(rho*64, 64))
	b := &l.bins[k]
	if !b.used {
		b.used = true
		l.used = append(l.used, k)
	}
	if rho < busy {
		b.requests += requests
		b.rho += requests * rho
		return
	}
	l.settle(b, t, class, rho, requests)
}

// busy is the utilisation from which on nodes are looked at one by one.
const busy = 0.875

// settle adds up what becomes of requests at a utilisation.
func (l *load) settle(b *bin, t *requests, class uint8, rho, requests float64) {
	r := &l.rates
	at := l.tables[class][0].At(rho)
	served := requests * at.Served
	r.served += served
	r.refused += requests * (1 - at.Served)
	miss := t.near[0] * at.Miss
	rtt := t.near[0] * l.rtt[0]
	for d := 1; d < distances; d++ {
		if share := t.near[d]; share > 0 {
			miss += share * l.tables[class][d].Miss(rho)
			rtt += share * l.rtt[d]
		}
	}
	r.slow += served * miss
	r.latency += served * (at.Mean + rtt)
	b.weight += served
	b.p50 += served * at.P50
	b.p99 += served * at.P99
}

// latencyPart is a share of the served requests whose latencies are alike: half of them
// take longer than p50, and those that take longer than t > p50 become fewer as
// e^(−theta·t).
type latencyPart struct{ share, p50, theta float64 }

const ln50 = 3.912023005428146

// quantile is the latency that 99 % of the served requests do not exceed. Those of
// one bin have their mean median and p99, and a tail that falls exponentially from
// one through the other, later by the round trip; so it is exact where all nodes
// are alike.
func (l *load) quantile(near *[distances]float64) float64 {
	parts := l.parts[:0]
	sum := 0.0
	for _, k := range l.used {
		if b := &l.bins[k]; b.weight > 0 { // else none of them is served
			sum += b.weight
			p50 := b.p50 / b.weight
			theta := ln50 / max(b.p99/b.weight-p50, 1e-12)
			for d, share := range near {
				if share > 0 {
					parts = append(parts, latencyPart{share * b.weight, p50 + l.rtt[d], theta})
				}
			}
		}
		l.bins[k] = bin{}
	}
	l.used = l.used[:0]
	if sum == 0 {
		return 0
	}
	// Not less than that of any part, were the others served at once.
	t := 0.0
	for i := range parts {
		p := &parts[i]
		if p.share /= sum; p.share > 0.02 {
			t = max(t, p.p50+math.Log(50*p.share)/p.theta)
		}
	}
	// The logarithm of a sum of exponential tails is convex, so that Newton's
	// method comes to the quantile from below, monotonically.
	for range 50 {
		tail, slope := 0.0, 0.0
		for i := range parts {
			x, y := parts[i].tail(t)
			tail += x
			slope += y
		}
		if !(tail > 0.01 && slope > 0) {
			break
		}
		step := tail / slope * math.Log(tail/0.01)
		if t += step; !(step > 1e-5*t) {
			break
		}
	}
	return t
}

// tail is the share of all requests that are in the part and take longer than t,
// and how fast it falls.
func (p *latencyPart) tail(t float64) (share, slope float64) {
	if t <= p.p50 {
		slope = 0.5 * p.share / p.p50
		return p.share - slope*max(t, 0), slope
	}
	share = 0.5 * p.share * decay(p.theta*(t-p.p50))
	return share, p.theta * share
}

// decay is e^(−x) for x ≥ 0, right to 10⁻⁶ of it, and 0 beyond x = 16.
func decay(x float64) float64 {
	if !(x < 16) {
		return 0
	}
	x *= 64
	i := int(x)
	r := (x - float64(i)) / 64
	return faded[i] * (1 - r + 0.5*r*r)
}

func (l *load) fields(c *state.Codec) {
	if !l.on {
		return
	}
	l.process.Fields(c)
	state.Fixed(c, l.class)
	state.Fixed(c, l.repairs)
	state.Fixed(c, l.serving)
	state.Value(c, &l.most)
	for level := range l.quiet {
		state.Fixed(c, l.quiet[level])
		state.Fixed(c, l.lost[level])
	}
	state.Fixed(c, l.cut)
	state.Value(c, &l.cuts)
	state.Fixed(c, l.stuck)
	state.Value(c, &l.stuckCopies)
	l.slots.fields(c)
	state.Value(c, &l.slope)
	state.Value(c, &l.stepAt)
	state.Value(c, &l.measured.p99)
	state.Value(c, &l.measured.refused)
	if c.Restoring() {
		l.outdate(staleCopies)
	}
}

// checkLoad recounts what is kept of load.
func (w *World) checkLoad() error {
	l := &w.load
	if !l.on {
		return nil
	}
	serving := make([]int32, len(l.serving))
	repairs := make([]int32, w.nodes)
	for i := range w.flows {
		if f := &w.flows[i]; f.shard != none {
			repairs[f.source] += w.weight(f.fast)
			repairs[f.target] += w.weight(f.fast)
		}
	}
	if l.most < 0 || (int(l.most)+1)*slowClasses > len(serving) {
		return fmt.Errorf("at most %d repairs of a node", l.most)
	}
	var quiet, undeclared [domainLevels][]int32
	for level := range quiet {
		quiet[level], undeclared[level] = make([]int32, len(l.quiet[level])), make([]int32, len(l.quiet[level]))
	}
	copies := int64(0)
	for n := range int32(w.nodes) {
		if c := slowClass(w.slow[n]); c != l.class[n] {
			return fmt.Errorf("node %d is slow by %g, class %d, counted %d", n, w.slow[n], c, l.class[n])
		}
		if repairs[n] != l.repairs[n] || repairs[n] > l.most {
			return fmt.Errorf("node %d takes part in repairs of weight %d, counted %d, at most %d", n, repairs[n], l.repairs[n], l.most)
		}
		isQuiet := w.health[n]&healthQuiet != 0
		if isQuiet {
			for level := range quiet {
				if quiet[level][w.faultDomains.within(n, level)]++; w.nodeFlags[n]&nodeDeclared == 0 {
					undeclared[level][w.faultDomains.within(n, level)]++
				}
			}
		} else {
			serving[l.cellOf(n)]++
		}
		pending := w.q.pending(w.timers.failover + n)
		if l.stuck[n] < none || l.stuck[n] != none && (!isQuiet || !l.primaries) || l.stuck[n] == none && pending {
			return fmt.Errorf("node %d serves: %v, and has %d copies with their primaries, that will move: %v", n, !isQuiet, l.stuck[n], pending)
		}
		copies += int64(max(0, l.stuck[n]))
		if l.stuck[n] != none && !pending {
			lost := false
			for level := range l.quiet {
				lost = lost || l.lost[level][w.faultDomains.within(n, level)] >= w.faultDomains.needs[level]
			}
			if !lost {
				return fmt.Errorf("the primaries of node %d will not move", n)
			}
		}
	}
	for level := range quiet {
		for k, c := range quiet[level] {
			if d := undeclared[level][k]; c != l.quiet[level][k] || d != l.lost[level][k] {
				return fmt.Errorf("domain %d of level %d has %d quiet nodes, %d of them not declared dead; counted %d and %d", k, level, c, d, l.quiet[level][k], l.lost[level][k])
			}
		}
	}
	if !slices.Equal(serving, l.serving) || copies != l.stuckCopies {
		return fmt.Errorf("serving nodes by class %v, %d copies with primaries on others; counted %v, %d", serving, copies, l.serving, l.stuckCopies)
	}
	cuts := int32(0)
	for a := range w.zones {
		for b := range w.zones {
			cut := !w.reaches(a, b)
			if cut {
				cuts++
			}
			if l.cut[a*w.zones+b] != cut {
				return fmt.Errorf("the way from zone %d to %d is cut: %v", a, b, cut)
			}
		}
	}
	if cuts != l.cuts {
		return fmt.Errorf("%d ways between zones are cut, counted %d", cuts, l.cuts)
	}
	if err := w.checkSlots(); err != nil {
		return err
	}
	if p := l.process; p.Now() > w.now || w.q.at[w.timers.load] != p.Next() && !w.ended {
		return fmt.Errorf("the load is of %d and changes at %d, want %d", p.Now(), w.q.at[w.timers.load], p.Next())
	}
	if !w.ledger.requests.finite() || !finite(l.slope) || !finite(l.measured.p99) || !finite(l.measured.refused) || l.stepAt < 0 || l.stepAt > w.now {
		return fmt.Errorf("requests %+v, measured %+v, slope %g at %d", w.ledger.requests, l.measured, l.slope, l.stepAt)
	}
	return nil
}

func finite(x float64) bool { return math.Abs(x) <= math.MaxFloat64 }
