package mdp

import (
	"fmt"
	"math"

	"mend/env"
)

// clouds is the number of providers of [MultiCloud], named a, b and c.
const clouds = 3

// cloudMost is how many replicas a provider may hold, each in a zone of its own.
const cloudMost = 2

// CloudProvider is what one provider costs and how it fails. Rates are per hour.
type CloudProvider struct {
	Storage float64 // $/h a replica
	Egress  float64 // $/TB that leaves the provider
	Within  float64 // $/TB from zone to zone
	Degrade float64 // it becomes degraded
	Outage  float64 // its region goes out without a warning
	Loss    float64 // a replica is lost for good
}

// MultiCloudConfig are the parameters of [MultiCloud]. Rates are per hour, costs
// in dollars.
type MultiCloudConfig struct {
	Providers [clouds]CloudProvider // a, b, c

	Recover, Fail        float64 // a degraded provider is up again; goes out
	Restore, Destroy     float64 // a region that is out returns with its data; its data is gone
	StormStart, StormEnd float64
	Storm                float64 // by which a storm multiplies Degrade, Outage and Loss
	LoadUp, LoadDown     float64 // of the foreground load

	CopyAcross, CopyWithin float64 // a copy of 1 TB between providers, between zones of one
	DegradedCopy           float64 // factor on these where either end is degraded

	ReadTB        [2]float64 // TB/h that clients read from the primary: at low load, at high load
	DegradedReads [2]float64 // $/h while the primary's provider is degraded, likewise
	Interference  [2]float64 // $/h while a copy reads from the primary's provider, likewise
	Unavailable   [2]float64 // $/h while the primary cannot be read, likewise
	Planned       [2]float64 // $ for moving the primary away from one that can be read, likewise
	Emergency     [2]float64 // $ for moving it away from one that cannot, likewise
	LossPrice     float64    // $ for the data
}

// PresetsMultiCloud are the named parameters of [MultiCloud].
var PresetsMultiCloud = []string{"C1", "cheap-egress", "independent"}

// PresetMultiCloud returns the parameters of that name: C1; cheap-egress, in which
// traffic costs a quarter; or independent, which has no storms and failures as
// often as C1 on average.
//
// Egress to the internet is the list price of large providers in 2026, 90 and 87
// $/TB for the first TBs, and that of one that competes by it, 10 (assumed); 10 or
// 20 from zone to zone likewise. A month of a replica of 1 TB costs 80, 130 and 100
// $, assumed: above the 18 to 23 of object storage, as it has to serve reads. How
// often providers degrade, go out and lose data, the storms, and what planned
// moves, unavailability and loss cost, are assumptions too: no provider publishes
// them.
func PresetMultiCloud(name string) (MultiCloudConfig, error) {
	const month = hoursPerYear / 12.0
	c := MultiCloudConfig{
		Providers: [clouds]CloudProvider{
			{Storage: 80 / month, Egress: 90, Within: 20, Degrade: 1.0 / 720, Outage: 0.2 / hoursPerYear, Loss: 1.0 / hoursPerYear},
			{Storage: 130 / month, Egress: 87, Within: 10, Degrade: 1.0 / 1440, Outage: 0.2 / hoursPerYear, Loss: 0.5 / hoursPerYear},
			{Storage: 100 / month, Egress: 10, Within: 10, Degrade: 1.0 / 168, Outage: 0.5 / hoursPerYear, Loss: 4.0 / hoursPerYear},
		},
		Recover: 1.0 / 6, Fail: 1.0 / 24, Restore: 1.0 / 6, Destroy: 1.0 / 600,
		StormStart: 1.0 / 168, StormEnd: 1.0 / 24, Storm: 8,
		LoadUp: 1.0 / 14, LoadDown: 1.0 / 10,
		CopyAcross: 0.36, CopyWithin: 0.72, DegradedCopy: 0.5,
		ReadTB:        [2]float64{0.002, 0.010},
		DegradedReads: [2]float64{2, 20},
		Interference:  [2]float64{0.2, 6},
		Unavailable:   [2]float64{600, 3000},
		Planned:       [2]float64{5, 25}, Emergency: [2]float64{50, 250},
		LossPrice: 50_000,
	}
	switch name {
	case "C1":
	case "cheap-egress":
		for i := range c.Providers {
			c.Providers[i].Egress /= 4
			c.Providers[i].Within /= 4
		}
	case "independent":
		stormy := c.StormStart / (c.StormStart + c.StormEnd) // share of time
		mean := 1 - stormy + stormy*c.Storm
		for i := range c.Providers {
			c.Providers[i].Degrade *= mean
			c.Providers[i].Outage *= mean
			c.Providers[i].Loss *= mean
		}
		c.Storm = 1
	default:
		return MultiCloudConfig{}, env.UnknownError{What: "preset of MultiCloud-v0", Name: name, Known: PresetsMultiCloud}
	}
	return c, nil
}

// Conditions of a provider.
const (
	cloudUp       = iota
	cloudDegraded // slow, and likely to go out
	cloudOut      // the region cannot be reached
)

// cloudState is a state of MultiCloud.
type cloudState struct {
	at       [clouds]int // condition of each provider
	n        [clouds]int // replicas there
	primary  int         // provider that serves the reads
	from, to int         // of the copy in flight; none and none without
	w, h     int         // high load, storm
}

// code numbers the states that can be written down, most of which cannot be.
func (s *cloudState) code() int {
	x := s.w*2 + s.h
	for i := range clouds {
		x = (x*3+s.at[i])*(cloudMost+1) + s.n[i]
	}
	copying := 0
	if s.from >= 0 {
		copying = 1 + s.from*clouds + s.to
	}
	return (x*clouds+s.primary)*(clouds*clouds+1) + copying
}

// cloudCodes is the number of codes.
const cloudCodes = 4 * 27 * 27 * clouds * (clouds*clouds + 1)

func (s *cloudState) replicas() int { return s.n[0] + s.n[1] + s.n[2] }

// holds reports whether a provider has a replica that can be read.
func (s *cloudState) holds(i int) bool { return s.at[i] != cloudOut && s.n[i] > 0 }

// readable is the number of replicas that can be read.
func (s *cloudState) readable() int {
	x := 0
	for i := range clouds {
		if s.at[i] != cloudOut {
			x += s.n[i]
		}
	}
	return x
}

func (s *cloudState) canCopy(from, to int) bool {
	return s.holds(from) && s.at[to] != cloudOut && s.n[to] < cloudMost
}

// settled gives up a copy that cannot go on.
func (s cloudState) settled() cloudState {
	if s.from >= 0 && !s.canCopy(s.from, s.to) {
		s.from, s.to = none, none
	}
	return s
}

func cloudName(i int) string { return string(rune('a' + i)) }

func (s cloudState) String() string {
	x := ""
	for i := range clouds {
		x += fmt.Sprintf("%s %s %d, ", cloudName(i), [3]string{"up", "degraded", "out"}[s.at[i]], s.n[i])
	}
	x += "primary " + cloudName(s.primary) + ", "
	if s.from >= 0 {
		x += fmt.Sprintf("copying %s to %s, ", cloudName(s.from), cloudName(s.to))
	}
	return x + [2]string{"calm", "storm"}[s.h] + ", load " + [2]string{"low", "high"}[s.w]
}

// The actions, in order: hold, cancel, copies by source and target, drops and
// primaries by provider.
const (
	cloudHold    = 0
	cloudCancel  = 1
	cloudCopy    = 2
	cloudDrop    = cloudCopy + clouds*clouds
	cloudServe   = cloudDrop + clouds
	cloudActions = cloudServe + clouds
)

func cloudAction(a int) string {
	switch {
	case a == cloudHold:
		return "hold"
	case a == cloudCancel:
		return "cancel"
	case a < cloudDrop:
		a -= cloudCopy
		return "copy_" + cloudName(a/clouds) + "_to_" + cloudName(a%clouds)
	case a < cloudServe:
		return "drop_" + cloudName(a-cloudDrop)
	}
	return "serve_from_" + cloudName(a-cloudServe)
}

// apply is the state after an action, and whether that is legal.
func (s cloudState) apply(a int) (after cloudState, legal bool) {
	legal = true
	switch {
	case a == cloudHold:
	case a == cloudCancel:
		legal = s.from >= 0
		s.from, s.to = none, none
	case a < cloudDrop:
		from, to := (a-cloudCopy)/clouds, (a-cloudCopy)%clouds
		legal = s.canCopy(from, to) && (s.from != from || s.to != to)
		s.from, s.to = from, to
	case a < cloudServe:
		i := a - cloudDrop
		legal = s.n[i] >= 1 && s.replicas() >= 2 && (i != s.primary || s.n[i] > 1)
		s.n[i]--
	default:
		i := a - cloudServe
		legal = i != s.primary && s.holds(i)
		s.primary = i
	}
	if !legal {
		return s, false
	}
	return s.settled(), true
}

// MultiCloud is one shard of 1 TB over three providers, each of which may hold two
// replicas, whose regions degrade, go out and may lose their data, under storms
// that all feel: where to keep replicas, when to copy ahead of an outage or wait
// for its end, and who serves the reads. 24,624 states, 171,084 pairs, steps of a
// quarter of an hour.
//
// A state is: each provider's condition (up, degraded, out) and replicas (0 to 2,
// one at least in all); the primary, the provider whose replica serves the reads;
// the copy in flight, from a provider with a readable replica to one that is not
// out and has room, or none; load low or high; calm or storm.
//
// Actions: hold; cancel the copy; copy from x to y, in place of another copy,
// where that can be; drop a replica at x, where it is not the last in all nor the
// primary's last; serve from x, which must hold a readable replica, and costs
// Planned where the old primary could be read and Emergency where not. A copy that
// can no longer go on is given up.
//
// In a step the action is applied; then the state after it is charged: Storage
// for each replica and for the one that a copy is making, in $/h; the copy's rate
// times the price of its traffic, Egress of its source or Within; Interference
// where it reads from the primary's provider; and, for the primary, Unavailable
// where it cannot be read, else its clients' ReadTB at Egress, and DegradedReads
// where its provider is degraded. Then at most one thing happens, each with
// probability rate/4: the copy completes; a replica is lost, each alike; the
// region of a provider that is out is destroyed with all its replicas; a provider
// goes out, degrades, recovers or returns; storm or load change. Where no replica
// is left anywhere, that costs LossPrice and the shard starts anew with one
// replica at a, the primary, and one at b.
//
// The static rules keep a layout of replicas: one at each of the cheapest
// providers, eager counting what can be read and waiting counting what exists, or
// one at each of a and b. The tuned ones are what a search over some thousand rules
// of that kind found best in C1: one with the same layout in calm and storm, two
// with a spare replica in a storm. Where traffic is cheap, a and b alone are better.
func MultiCloud(c MultiCloudConfig) *Model {
	states, index := cloudStates()
	o := cloudObserver()
	start := cloudFresh(0, 0)
	m := &Model{
		ID: "MultiCloud-v0", Definition: fmt.Sprintf("MultiCloud-v0 model 2 %+v", c), StepHours: 0.25, Features: o.features,
		Start: int(index[start.code()]),
		Label: func(s int) string { return states[s].String() },
	}
	var drops []string
	for a := range cloudActions {
		m.Actions = append(m.Actions, cloudAction(a))
		if a >= cloudDrop && a < cloudServe {
			drops = append(drops, cloudAction(a))
		}
	}
	m.Guards = []env.Guard{atLeastGuard("keep_two_readable", "readable", 3, drops...)}

	b := newBuilder(m, len(states))
	rows := &Sparse{}
	for i, s := range states {
		m.Obs = o.append(m.Obs, s)
		c.row(rows, s, m.StepHours, func(s cloudState) int { return int(index[s.code()]) })
		for a := range cloudActions {
			after, legal := s.apply(a)
			if !legal {
				continue
			}
			cost := c.rate(after) * m.StepHours
			switch {
			case a < cloudServe:
			case s.holds(s.primary):
				cost += c.Planned[s.w]
			default:
				cost += c.Emergency[s.w]
			}
			// What the state after is charged and leads to is its own row.
			b.pair(i, a, int(index[after.code()]), cost, !after.holds(after.primary))
		}
	}
	m.Rows = rows
	for _, r := range cloudRules() {
		b.policy(r.name, r.summary, func(s int) int { return r.action(&c, states[s]) })
	}
	return m
}

// cloudFresh is the state in which a shard starts.
func cloudFresh(w, h int) cloudState {
	return cloudState{n: [clouds]int{1, 1, 0}, from: none, to: none, w: w, h: h}
}

// cloudStates lists all states, and numbers them by code.
func cloudStates() (states []cloudState, index []int32) {
	index = make([]int32, cloudCodes)
	for i := range index {
		index[i] = none
	}
	var each func(i int, s cloudState)
	each = func(i int, s cloudState) {
		if i < clouds {
			for at := range 3 {
				for n := range cloudMost + 1 {
					s.at[i], s.n[i] = at, n
					each(i+1, s)
				}
			}
			return
		}
		if s.replicas() == 0 {
			return
		}
		add := func(s cloudState) {
			index[s.code()] = int32(len(states))
			states = append(states, s)
		}
		for s.primary = range clouds {
			s.from, s.to = none, none
			add(s)
			for k := range clouds * clouds {
				if s.from, s.to = k/clouds, k%clouds; s.canCopy(s.from, s.to) {
					add(s)
				}
			}
		}
	}
	for w := range 2 {
		for h := range 2 {
			each(0, cloudState{w: w, h: h})
		}
	}
	return states, index
}

// rate is what is charged in $/h, certain after the action.
func (c *MultiCloudConfig) rate(s cloudState) float64 {
	x := 0.0
	for i, p := range c.Providers {
		x += p.Storage * float64(s.n[i])
	}
	if s.from >= 0 {
		price := c.Providers[s.from].Egress
		if s.from == s.to {
			price = c.Providers[s.from].Within
		}
		x += c.copyRate(s)*price + c.Providers[s.to].Storage
		if s.from == s.primary {
			x += c.Interference[s.w]
		}
	}
	if !s.holds(s.primary) {
		return x + c.Unavailable[s.w]
	}
	x += c.ReadTB[s.w] * c.Providers[s.primary].Egress
	if s.at[s.primary] == cloudDegraded {
		x += c.DegradedReads[s.w]
	}
	return x
}

// copyRate is the rate at which the copy in flight completes.
func (c *MultiCloudConfig) copyRate(s cloudState) float64 {
	r := c.CopyAcross
	if s.from == s.to {
		r = c.CopyWithin
	}
	if s.at[s.from] == cloudDegraded || s.at[s.to] == cloudDegraded {
		r *= c.DegradedCopy
	}
	return r
}

// row adds the row of the state after an action. First comes that nothing happens,
// then what depends on the copy and the replicas, last what does not: seen from
// the end, the same number means the same change of a provider, the load or the
// storm in all rows that are alike in these.
func (c *MultiCloudConfig) row(x *Sparse, s cloudState, step float64, index func(cloudState) int) {
	type branch struct {
		next cloudState
		p    float64
	}
	var happens []branch
	rest := 1.0
	add := func(rate float64, next cloudState) {
		p := rate * step
		rest -= p
		happens = append(happens, branch{next.settled(), p})
	}
	factor := [2]float64{1, c.Storm}[s.h]

	if s.from >= 0 {
		t := s
		t.n[s.to]++
		t.from, t.to = none, none
		add(c.copyRate(s), t)
	}
	for i, p := range c.Providers {
		if s.n[i] == 0 {
			continue
		}
		t := s
		t.n[i]--
		add(p.Loss*factor*float64(s.n[i]), t)
		if s.at[i] == cloudOut {
			t := s
			t.n[i] = 0
			add(c.Destroy, t)
		}
	}
	for i, p := range c.Providers {
		to := func(at int) cloudState {
			t := s
			t.at[i] = at
			return t
		}
		switch s.at[i] {
		case cloudUp:
			add(p.Outage*factor, to(cloudOut))
			add(p.Degrade*factor, to(cloudDegraded))
		case cloudDegraded:
			add(c.Fail, to(cloudOut))
			add(c.Recover, to(cloudUp))
		case cloudOut:
			add(c.Restore, to(cloudUp))
		}
	}
	t := s
	t.h = 1 - s.h
	add([2]float64{c.StormStart, c.StormEnd}[s.h], t)
	t = s
	t.w = 1 - s.w
	add([2]float64{c.LoadUp, c.LoadDown}[s.w], t)
	if rest < 0 {
		panic(fmt.Sprintf("mdp: MultiCloud-v0: what may happen in %v has probability %v, want at most 1", s, 1-rest))
	}
	x.Begin()
	x.Branch(index(s), rest, 0, 0)
	for _, b := range happens {
		if b.next.replicas() > 0 {
			x.Branch(index(b.next), b.p, 0, 0)
			continue
		}
		fresh := cloudFresh(b.next.w, b.next.h)
		fresh.at = b.next.at
		x.Branch(index(fresh), b.p, c.LossPrice, 1)
	}
	x.End()
}

// cloudObserver lists what a policy sees of MultiCloud: all of it.
func cloudObserver() *observer[cloudState] {
	var o observer[cloudState]
	o.count("replicas", "replicas", clouds*cloudMost, func(s cloudState) int { return s.replicas() })
	o.count("readable", "replicas", clouds*cloudMost, func(s cloudState) int { return s.readable() })
	o.flag("load_high", func(s cloudState) bool { return s.w == 1 })
	o.flag("storm", func(s cloudState) bool { return s.h == 1 })
	o.flag("primary_readable", func(s cloudState) bool { return s.holds(s.primary) })
	o.flag("primary_degraded", func(s cloudState) bool { return s.at[s.primary] == cloudDegraded })
	o.atLeast("readable", 1, 4, func(s cloudState) int { return s.readable() })
	for i := range clouds {
		x := cloudName(i)
		o.flag("degraded_"+x, func(s cloudState) bool { return s.at[i] == cloudDegraded })
		o.flag("out_"+x, func(s cloudState) bool { return s.at[i] == cloudOut })
		o.atLeast("replicas_"+x, 1, cloudMost, func(s cloudState) int { return s.n[i] })
		o.flag("primary_"+x, func(s cloudState) bool { return s.primary == i })
		o.flag("copy_from_"+x, func(s cloudState) bool { return s.from == i })
		o.flag("copy_to_"+x, func(s cloudState) bool { return s.to == i })
	}
	return &o
}

// cloudRule is a hand-written policy. It first sees to the primary: away from a
// provider that cannot be read, or is degraded, to the best in its order that is
// up; back to a better one only at low load. Then it brings the replicas to its
// layout, one copy at a time.
type cloudRule struct {
	name, summary string
	layout        [2][clouds]int // replicas wanted: in calm, in a storm
	order         [clouds]int    // of providers to serve from, the best first
	eager         bool           // counts what can be read instead of what exists
	ahead         bool           // copies to a provider that is up where none with a replica is
	calmBack      bool           // goes back to a better primary only in calm
	quiet         bool           // at high load does not copy from the primary what only a storm wants
}

func cloudRules() []cloudRule {
	var rules []cloudRule
	cheapest := [clouds]int{0, 2, 1}
	for n := 1; n <= clouds; n++ {
		for _, eager := range []bool{false, true} {
			r := cloudRule{order: cheapest, eager: eager}
			when, counted := "wait", "exist"
			if eager {
				when, counted = "eager", "can be read"
			}
			r.name = fmt.Sprintf("%s-%s", [clouds]string{"one-provider", "two-providers", "three-providers"}[n-1], when)
			r.summary = fmt.Sprintf("one replica at each of the %d cheapest, counting what %s", n, counted)
			for _, i := range cheapest[:n] {
				r.layout[0][i], r.layout[1][i] = 1, 1
			}
			rules = append(rules, r)
		}
	}
	large := [clouds]int{1, 1, 0}
	same := [clouds]int{0, 1, 2}
	return append(rules,
		cloudRule{
			name: "large-two-wait", summary: "one replica at each of a and b, which serves, counting what exists",
			layout: [2][clouds]int{large, large}, order: [clouds]int{1, 0, 2},
		},
		cloudRule{
			name: "large-two-ahead", summary: "as large-two-wait; copies ahead of outages",
			layout: [2][clouds]int{large, large}, order: [clouds]int{1, 0, 2}, ahead: true,
		},
		cloudRule{
			name: "tuned", summary: "one replica at b and two at c, which serves; copies ahead of outages",
			layout: [2][clouds]int{same, same}, order: [clouds]int{2, 0, 1}, ahead: true,
		},
		cloudRule{
			name: "tuned-storm", summary: "one replica at a and two at c, which serves, and one more at b in a storm; copies ahead of outages",
			layout: [2][clouds]int{{1, 0, 2}, {1, 1, 2}}, order: [clouds]int{2, 1, 0}, ahead: true, calmBack: true,
		},
		cloudRule{
			name: "tuned-quiet", summary: "as tuned-storm; at high load the storm's replica is not copied from the primary",
			layout: [2][clouds]int{{1, 0, 2}, {1, 1, 2}}, order: [clouds]int{2, 1, 0}, ahead: true, calmBack: true, quiet: true,
		})
}

func (r *cloudRule) action(c *MultiCloudConfig, s cloudState) int {
	if i := r.serve(s); i != none {
		return cloudServe + i
	}
	from, to := r.copy(c, s)
	switch {
	case to < 0 && s.from >= 0:
		return cloudCancel
	case to >= 0 && to == s.to:
		return cloudHold
	case to >= 0:
		return cloudCopy + from*clouds + to
	}
	return r.drop(s)
}

// serve is the provider that should become the primary, none where it may stay.
func (r *cloudRule) serve(s cloudState) int {
	if !s.holds(s.primary) {
		for _, at := range []int{cloudUp, cloudDegraded} {
			for _, i := range r.order {
				if s.holds(i) && s.at[i] == at {
					return i
				}
			}
		}
		return none
	}
	better := true // than the primary, in the order
	for _, i := range r.order {
		if i == s.primary {
			better = false
			continue
		}
		if s.at[i] != cloudUp || s.n[i] == 0 {
			continue
		}
		back := better && s.at[s.primary] == cloudUp && s.w == 0 && (s.h == 0 || !r.calmBack)
		if back || s.at[s.primary] == cloudDegraded {
			return i
		}
	}
	return none
}

// copy is the copy that should be in flight, none and none without.
func (r *cloudRule) copy(c *MultiCloudConfig, s cloudState) (from, to int) {
	want := r.layout[s.h]
	wanted := want[0] + want[1] + want[2]
	to = none
	pick := func(ok func(i int) bool) {
		best := math.Inf(1)
		for i := range clouds {
			if s.at[i] == cloudOut || s.n[i] == cloudMost || !ok(i) {
				continue
			}
			// Cheap, but first of all up, then without a replica.
			x := c.Providers[i].Storage + 10*float64(min(1, s.n[i])) + 100*float64(s.at[i])
			if x < best {
				to, best = i, x
			}
		}
	}
	if r.ahead {
		safe := false
		for i := range clouds {
			safe = safe || s.at[i] == cloudUp && s.n[i] > 0
		}
		if !safe {
			pick(func(i int) bool { return s.at[i] == cloudUp })
		}
	}
	if to < 0 && (!r.eager || s.readable() < wanted) {
		pick(func(i int) bool { return s.n[i] < want[i] })
	}
	if to < 0 && r.eager && s.readable() < wanted {
		pick(func(int) bool { return true })
	}
	if to < 0 {
		return none, none
	}
	from = none
	best := math.Inf(1)
	for i, p := range c.Providers {
		price := p.Egress
		if i == to {
			price = p.Within
		}
		if s.canCopy(i, to) && price < best {
			from, best = i, price
		}
	}
	if from < 0 || r.quiet && s.w == 1 && from == s.primary && s.n[to] >= r.layout[0][to] && s.readable() > 1 {
		return none, none
	}
	return from, to
}

// drop gives up a replica beyond the layout once all of that is there and can be
// read.
func (r *cloudRule) drop(s cloudState) int {
	want := r.layout[s.h]
	for i := range clouds {
		if s.n[i] < want[i] || want[i] > 0 && s.at[i] == cloudOut {
			return cloudHold
		}
	}
	for i := range clouds {
		if s.n[i] > want[i] {
			if _, legal := s.apply(cloudDrop + i); legal {
				return cloudDrop + i
			}
		}
	}
	return cloudHold
}
