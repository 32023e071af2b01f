package cluster

import (
	"fmt"
	"math"

	"mend/configs/field"
	"mend/env"
	"mend/env/state"
)

// Domains says when the controller asks about a fault domain in place of its
// nodes.
type Domains struct {
	// Share is the share of a rack's, zone's or region's nodes, at least 2,
	// that must be unreachable together for one question to be asked about it;
	// 0: nodes are always asked about one by one, and at once.
	Share float64 `yaml:"share" json:"share"`
}

// defaultDomains: assumed. Kubernetes takes a zone for failed at 55 % of its
// nodes; a rack of a few nodes shows less sharply.
func defaultDomains() Domains { return Domains{Share: 0.5} }

func (d Domains) validate(e *field.Errors) {
	e.Want(share(d.Share), "domains.share", d.Share, "0 to 1, 0 for never")
}

// The levels of fault domains. Domains are numbered: racks first, then zones,
// then regions. The nodes of each are neighbours in number.
const (
	rackLevel = iota
	zoneLevel
	regionLevel
	domainLevels
)

// domains is what the controller keeps of fault domains. A domain is open
// while it is asked about in place of its members: the nodes in it that are
// unreachable and not declared dead.
type domains struct {
	first [domainLevels + 1]int32 // number of the first domain of each level, and of all
	size  [domainLevels]int32     // nodes of a domain
	needs [domainLevels]int32     // unreachable ones that make it the subject

	unreachable []int32 // by domain: nodes
	members     []int32 // by domain
	open        []bool
	failedOver  []bool     // while open: all members' primaries were moved away
	asked       []uint16   // while open: decisions on it
	lastBeat    []env.Time // while open: when any member was last heard
	opened      int32      // number of open domains
}

func newDomains(w *World) domains {
	var d domains
	counts := [domainLevels]int{w.racks, w.zones, w.regions}
	for l, n := range counts {
		d.first[l+1] = d.first[l] + int32(n)
		d.size[l] = int32(w.nodes / n)
		d.needs[l] = max(2, int32(math.Ceil(w.cfg.Domains.Share*float64(d.size[l])-1e-9)))
		if w.cfg.Domains.Share == 0 {
			d.needs[l] = math.MaxInt32
		}
	}
	n := d.first[domainLevels]
	d.unreachable = make([]int32, n)
	d.members = make([]int32, n)
	d.open = make([]bool, n)
	d.failedOver = make([]bool, n)
	d.asked = make([]uint16, n)
	d.lastBeat = make([]env.Time, n)
	return d
}

func (d *domains) reset() {
	clear(d.unreachable)
	clear(d.members)
	clear(d.open)
	clear(d.failedOver)
	clear(d.asked)
	clear(d.lastBeat)
	d.opened = 0
}

func (d *domains) fields(c *state.Codec) {
	state.Fixed(c, d.unreachable)
	state.Fixed(c, d.members)
	state.Fixed(c, d.open)
	state.Fixed(c, d.failedOver)
	state.Fixed(c, d.asked)
	state.Fixed(c, d.lastBeat)
	state.Value(c, &d.opened)
}

// of is the domain of a level that node n belongs to.
func (d *domains) of(n int32, level int) int32 { return d.first[level] + d.within(n, level) }

// within is its number among those of its level.
func (d *domains) within(n int32, level int) int32 { return n / d.size[level] }

func (d *domains) level(k int32) int {
	l := rackLevel
	for k >= d.first[l+1] {
		l++
	}
	return l
}

// span is the first node of domain k, and the first one after it.
func (d *domains) span(k int32) (first, end int32) {
	l := d.level(k)
	first = (k - d.first[l]) * d.size[l]
	return first, first + d.size[l]
}

// count adds to the unreachable nodes and to the members of all domains of
// node n.
func (d *domains) count(n, unreachable, members int32) {
	for l := range domainLevels {
		k := d.of(n, l)
		d.unreachable[k] += unreachable
		d.members[k] += members
	}
}

// qualifies reports whether domain k, of that level, is to be asked about in
// place of its members.
func (d *domains) qualifies(k int32, level int) bool {
	return d.unreachable[k] >= d.needs[level] && d.members[k] >= 2
}

// largest is the largest domain of node n that qualifies, or none. Of domains
// of equal nodes it is the innermost.
func (d *domains) largest(n int32) int32 {
	best, size := none, int32(0)
	for l := range domainLevels {
		if k := d.of(n, l); d.size[l] > size && d.qualifies(k, l) {
			best, size = k, d.size[l]
		}
	}
	return best
}

// openOf is the open domain that node n belongs to, or none: at most one is.
func (d *domains) openOf(n int32) int32 {
	if d.opened > 0 {
		for l := range domainLevels {
			if k := d.of(n, l); d.open[k] {
				return k
			}
		}
	}
	return none
}

// nextMember is the first member from node n on and before end, or none. It
// passes over racks without any, so that a walk costs what it finds.
func (w *World) nextMember(n, end int32) int32 {
	per := int32(w.nodesPerRack)
	for n < end {
		if n%per == 0 && w.faultDomains.members[n/per] == 0 {
			n += per
			continue
		}
		if w.nodeFlags[n]&(nodeUnreachable|nodeDeclared) == nodeUnreachable {
			return n
		}
		n++
	}
	return none
}

// gatherTime is how long a first question about a node waits for others to be lost
// with it: nodes that vanish in the same instant are noticed within one
// heartbeat interval.
func (w *World) gatherTime() env.Time {
	if w.cfg.Domains.Share == 0 {
		return 0
	}
	return w.heartbeat
}

// nodeDue asks about node n, or about the domain that has vanished with it.
func (w *World) nodeDue(n int32) {
	if k := w.faultDomains.largest(n); k != none {
		w.openDomain(k)
		w.askDomain(k)
		return
	}
	again(&w.asked[n])
	w.ask(NodeUnreachable, n, w.timers.askNode+n)
}

// domainDue asks about the open domain k, or about the one around it that has
// vanished by now.
func (w *World) domainDue(k int32) {
	first, _ := w.faultDomains.span(k)
	if outer := w.faultDomains.largest(first); w.faultDomains.level(outer) > w.faultDomains.level(k) {
		w.openDomain(outer)
		k = outer
	}
	w.askDomain(k)
}

func (w *World) askDomain(k int32) {
	again(&w.faultDomains.asked[k])
	w.ask(DomainUnreachable, k, w.timers.askDomain+k)
}

// openDomain suspends the questions about the members of domain k, and about
// domains within it.
func (w *World) openDomain(k int32) {
	d := &w.faultDomains
	first, end := d.span(k)
	for l := range d.level(k) {
		for i := d.of(first, l); d.opened > 0 && i <= d.of(end-1, l); i++ {
			if d.open[i] {
				d.open[i] = false
				d.opened--
				w.q.cancel(w.timers.askDomain + i)
			}
		}
	}
	d.open[k] = true
	d.opened++
	d.asked[k], d.failedOver[k], d.lastBeat[k] = 0, true, math.MinInt64
	for n := w.nextMember(first, end); n != none; n = w.nextMember(n+1, end) {
		w.q.cancel(w.timers.askNode + n)
		d.lastBeat[k] = max(d.lastBeat[k], w.lastBeat[n])
		d.failedOver[k] = d.failedOver[k] && w.nodeFlags[n]&nodeFailedOver != 0
	}
}

// closeDomain ends the question about domain k; those of its members that are
// still unreachable are asked about as if they had just been lost.
func (w *World) closeDomain(k int32) {
	d := &w.faultDomains
	d.open[k] = false
	d.opened--
	w.q.cancel(w.timers.askDomain + k)
	first, end := d.span(k)
	for n := w.nextMember(first, end); n != none; n = w.nextMember(n+1, end) {
		w.q.set(w.timers.askNode+n, max(w.now+w.gatherTime(), w.planned[n]))
	}
}

// joined is called when node n, which has just become unreachable at an
// expected or unexpected time, is a member of its domains. Its question is
// due, or that of the open domain that it joins.
func (w *World) joined(n int32, due env.Time) {
	d := &w.faultDomains
	k := d.openOf(n)
	if k == none {
		w.q.set(w.timers.askNode+n, due)
		return
	}
	d.lastBeat[k] = max(d.lastBeat[k], w.lastBeat[n])
	d.failedOver[k] = false
	if id := w.timers.askDomain + k; w.q.at[id] > due {
		w.q.set(id, due)
	}
}

// left is called when node n has ceased to be a member of its domains.
func (w *World) left(n int32) {
	if k := w.faultDomains.openOf(n); k != none && !w.faultDomains.qualifies(k, w.faultDomains.level(k)) {
		w.closeDomain(k)
	}
}

func (w *World) actDomain(a Action, k int32) {
	first, end := w.faultDomains.span(k)
	ask := w.timers.askDomain + k
	switch {
	case a <= Wait1h:
		w.postpone(ask, w.now+w.pause(a))
	case a == FailOver:
		for n := w.nextMember(first, end); n != none; n = w.nextMember(n+1, end) {
			if w.nodeFlags[n]&nodeFailedOver == 0 {
				w.nodeFlags[n] |= nodeFailedOver
				w.charge(partActions, w.cfg.Prices.FailOver)
				w.failOver(n)
			}
		}
		w.faultDomains.failedOver[k] = true
		w.q.set(ask, w.now+afterAction)
	case a == DeclareDead:
		for n := w.nextMember(first, end); n != none; n = w.nextMember(n+1, end) {
			w.declare(n)
		}
		w.closeDomain(k)
	}
}

// checkDomains recounts what is kept of fault domains.
func (w *World) checkDomains() error {
	d := &w.faultDomains
	var opened int32
	unreachable, members := make([]int32, len(d.members)), make([]int32, len(d.members))
	for n := range int32(w.nodes) {
		f := w.nodeFlags[n]
		member := f&(nodeUnreachable|nodeDeclared) == nodeUnreachable
		around := 0
		for l := range domainLevels {
			k := d.of(n, l)
			if f&nodeUnreachable != 0 {
				unreachable[k]++
			}
			if member {
				members[k]++
			}
			if d.open[k] {
				around++
				if member && d.failedOver[k] && f&nodeFailedOver == 0 {
					return fmt.Errorf("domain %d has failed over, its node %d has not", k, n)
				}
				if member && d.lastBeat[k] < w.lastBeat[n] {
					return fmt.Errorf("domain %d was heard at %d, its node %d at %d", k, d.lastBeat[k], n, w.lastBeat[n])
				}
			}
		}
		if around > 1 {
			return fmt.Errorf("node %d is in %d open domains", n, around)
		}
		if f&nodeFailedOver != 0 && f&nodeUnreachable == 0 {
			return fmt.Errorf("node %d is reachable and has failed over", n)
		}
		if around > 0 && w.q.pending(w.timers.askNode+n) {
			return fmt.Errorf("node %d is in an open domain and will be asked about", n)
		}
	}
	for k := range int32(len(d.members)) {
		if unreachable[k] != d.unreachable[k] || members[k] != d.members[k] {
			return fmt.Errorf("domain %d: %d nodes unreachable, %d not declared; counted %d and %d", k, unreachable[k], members[k], d.unreachable[k], d.members[k])
		}
		asks := w.q.pending(w.timers.askDomain + k)
		if !d.open[k] {
			if asks {
				return fmt.Errorf("domain %d is not open and will be asked about", k)
			}
			continue
		}
		opened++
		if !d.qualifies(k, d.level(k)) {
			return fmt.Errorf("domain %d is open with %d of %d nodes unreachable", k, unreachable[k], d.size[d.level(k)])
		}
		if !asks && !(w.kind == DomainUnreachable && w.subject == k) {
			return fmt.Errorf("domain %d is open and will not be asked about", k)
		}
	}
	if opened != d.opened {
		return fmt.Errorf("%d open domains, counted %d", opened, d.opened)
	}
	return nil
}
