package cluster

import (
	"math"

	"mend/env"
	"mend/env/seed"
)

// process is one kind of exogenous failure. Each has slots, which it strikes
// one by one and independently.
type process uint8

const (
	// By node.
	transient process = iota
	maintenance
	permanent
	lemon
	slowOnset
	crash
	preemption
	// By domain, in the order of Failures' fields.
	rackOutage
	pduOutage
	zoneOutage
	regionOutage
	providerOutage

	burst     // by rack
	partition // by pair of zones
	upgrade   // of the cluster
	processes
)

const levels = int(providerOutage-rackOutage) + 1 // kinds of domain

func (p process) String() string {
	return [...]string{
		"transient", "maintenance", "permanent", "lemon", "slow", "crash", "preemption",
		"rack outage", "pdu outage", "zone outage", "region outage", "provider outage",
		"burst", "partition", "upgrade",
	}[p]
}

// slots is the number of slots of process p, 0 where it never strikes.
func (w *World) slots(p process) int {
	switch {
	case w.laws[p].mean == 0 && w.replays[p] == nil:
		return 0
	case p < rackOutage:
		return w.nodes
	case p <= providerOutage:
		return w.domains(p)
	case p == burst:
		return w.racks
	case p == partition:
		return w.zones * (w.zones - 1) / 2
	}
	return 1
}

// Draws of one failure, by number.
const (
	drawGap uint64 = iota // until this failure, from the one before
	drawDuration
	drawCurable
	drawReplacement
	drawSize
	drawMark // whether a candidate for a permanent loss is one
	drawFactor
	drawIntermittent
	drawPhase // lengths of the phases of a slow node
	drawEscalates
	drawOneWay
	drawBad
	drawRollback
	drawWide
	// From here on one for each node: which are struck (with ordinal 1, which
	// no draw above has in a burst), which lose their data, which a restart
	// would cure, and how long each is down.
	drawNodes    = 5
	drawLoss     = 2 << 20
	drawCures    = 3 << 20
	drawOutage   = 4 << 20
	drawResidual = 8 << 20 // for the first failure of a slot
)

func (w *World) seed(s seed.Seed) {
	for p := range w.seeds {
		w.seeds[p] = s.Child(process(p).String(), 0)
	}
	w.machineSeed = s.Child("machine", 0)
	w.beatSeed = s.Child("heartbeat", 0)
	w.placementSeed = s.Child("placement", 0)
	w.scriptSeed = s.Child("trace", 0)
}

// failure names the draws of one failure: those of (process, slot, ordinal).
func (w *World) failure(p process, slot, ordinal uint32) seed.Seed {
	return seed.Seed(w.seeds[p].At(uint64(slot), uint64(ordinal)))
}

// gapLaw is the law of the gaps between the failures of a slot: Weibull, but
// for upgrades, which come regularly.
type gapLaw struct {
	mean  float64 // hours, 0: never
	shape float64
	scale float64 // 1/Γ(1 + 1/shape): gaps of scale·E^(1/shape), E exponential, have mean 1
}

func newGapLaw(mean, shape float64) gapLaw {
	if shape == 0 {
		shape = 1
	}
	return gapLaw{mean: mean, shape: shape, scale: 1 / math.Gamma(1+1/shape)}
}

// newLaws are the laws of all processes that are drawn.
func (w *World) newLaws() (laws [processes]gapLaw) {
	f := &w.cfg.Failures
	for p, o := range map[process]*Outages{
		transient: &f.Transient, maintenance: &f.Maintenance, slowOnset: &f.Slow.Outages,
		rackOutage: &f.Rack.Outages, pduOutage: &f.PDU.Outages, zoneOutage: &f.Zone.Outages,
		regionOutage: &f.Region.Outages, providerOutage: &f.Provider.Outages,
		burst: &f.Burst.Outages, partition: &f.Partition.Outages,
	} {
		laws[p] = newGapLaw(o.MTTF.Hours(), o.Shape)
	}
	if f.Lemons.Share > 0 {
		laws[lemon] = newGapLaw(f.Transient.MTTF.Hours()/f.Lemons.Factor, 1)
	}
	laws[permanent] = newGapLaw(f.Permanent.MTTF.Hours()/w.hazardMax, 1)
	if f.Spot.Share > 0 {
		laws[preemption] = newGapLaw(f.Spot.MTTF.Hours(), f.Spot.Shape)
	}
	laws[upgrade] = newGapLaw(f.Upgrade.Every.Hours(), 1)
	if f.Upgrade.Every > 0 && f.Upgrade.Bad > 0 {
		laws[crash] = newGapLaw(f.Upgrade.CrashMTTF.Hours(), 1)
	}
	if w.replays[transient] != nil { // the record has all outages of nodes
		laws[maintenance], laws[lemon] = gapLaw{}, gapLaw{}
	}
	return laws
}

// gap is the time from failure k−1 of the slot to failure k; for k = 0 from
// the start, which is an instant like any other: the gap that it falls into is
// longer than most.
func (w *World) gap(p process, slot, k uint32) env.Time {
	l := &w.laws[p]
	f := w.failure(p, slot, k)
	bits := f.At(drawGap, 0)
	var x float64
	switch {
	case p == upgrade && k == 0:
		x = seed.Uniform(bits)
	case p == upgrade:
		x = 1
	case l.shape == 1:
		x = seed.Exponential(bits)
	case k == 0:
		x = l.scale * residual(l.shape, bits, f)
	default:
		x = l.scale * math.Pow(seed.Exponential(bits), 1/l.shape)
	}
	return env.FromHours(l.mean * x)
}

// residual draws how long the gap around a given instant still lasts, gaps
// being Weibull of shape k and scale 1: a share of it, uniform, for its length
// X, which is drawn in proportion to length and so has X^k ~ Gamma(1 + 1/k).
// That is drawn by rejection (Marsaglia and Tsang, "A simple method for
// generating gamma variables", 2000).
func residual(k float64, bits uint64, f seed.Seed) float64 {
	d := 1 + 1/k - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for i := uint64(0); ; i += 2 {
		z := seed.Normal(f.At(drawResidual, i))
		v := 1 + c*z
		v *= v * v
		if v > 0 && math.Log(seed.Uniform(f.At(drawResidual, i+1))) < z*z/2+d-d*v+d*math.Log(v) {
			return seed.Uniform(bits) * math.Pow(d*v, 1/k)
		}
	}
}

// duration draws the length of an outage, at least a millisecond and short
// enough to be added to the time.
func (o *Outages) duration(bits uint64) env.Time {
	h := o.Offset.Hours()
	if o.Median > 0 {
		u := seed.Uniform(bits)
		z := seed.Normal(bits)
		pareto := 1.0
		if o.TailShare > 0 && u > 1-o.TailShare {
			z = math.Sqrt2 * math.Erfinv(1-2*o.TailShare)
			pareto = math.Pow((1-u)/o.TailShare, -1/o.TailIndex)
		}
		h += o.Median.Hours() * math.Exp(o.Sigma*z) * pareto
	}
	if o.Exponential > 0 {
		h += o.Exponential.Hours() * seed.Exponential(seed.Seed(bits).At(0, 0))
	}
	return hours(h)
}

// hours is a duration of h hours, at least a millisecond and short enough to be
// added to the time.
func hours(h float64) env.Time { return min(max(env.Millisecond, env.FromHours(h)), env.Never/2) }

// firstFailures sets the first failure of every slot.
func (w *World) firstFailures() {
	w.chooseScripts()
	for p := range processes {
		for slot := range w.slots(p) {
			w.next(p, uint32(slot))
		}
	}
}

// next sets the timer of the failure w.ordinal[p][slot], from the one before.
func (w *World) next(p process, slot uint32) {
	switch {
	case p == crash && !w.badBuild(int32(slot)), p == preemption && !w.spot(int32(slot)):
		return
	}
	id, k := w.timers.process[p]+int32(slot), w.ordinal[p][slot]
	if w.replays[p] != nil {
		at := w.recordedOutage(p, slot, k).Start
		if p == preemption && at != env.Never {
			at = max(w.now, at-simulated(w.cfg.Failures.Spot.Warning))
		}
		w.q.set(id, at)
		return
	}
	if gap := w.gap(p, slot, k); gap <= env.Never-w.now { // else it is beyond the end of time
		w.q.set(id, w.now+gap)
	}
}

// fold adds a failure to the digest of what was offered.
func (w *World) fold(p process, slot uint32, f seed.Seed) {
	w.offered = w.offered*0x100000001b3 ^ seed.Seed(w.now).At(uint64(p)<<32|uint64(slot), uint64(f))
}

// offer lets the failure of timer id strike, and sets the slot's next one.
func (w *World) offer(id int32) {
	p := processes - 1
	for id < w.timers.process[p] {
		p--
	}
	slot := uint32(id - w.timers.process[p])
	k := w.ordinal[p][slot]
	f := w.failure(p, slot, k)
	w.fold(p, slot, f)
	if p == preemption { // it strikes later
		w.warn(int32(slot))
		return
	}
	w.befall(p, slot, f)
	w.ordinal[p][slot]++
	w.next(p, slot)
}

// befall lets the failure of draws f strike the slot.
func (w *World) befall(p process, slot uint32, f seed.Seed) {
	cfg := &w.cfg.Failures
	n := int32(slot)
	curable := seed.Uniform(f.At(drawCurable, 0)) < cfg.RestartCures
	lost := false
	duration := func(o *Outages) env.Time {
		if w.replays[p] == nil {
			return o.duration(f.At(drawDuration, 0))
		}
		r := w.recordedOutage(p, slot, w.ordinal[p][slot])
		lost = r.Lost
		return r.End - r.Start
	}
	switch p {
	case transient:
		w.strike(n, duration(&cfg.Transient), curable)
		if lost {
			w.die(n, f)
		}
	case maintenance:
		w.strike(n, duration(&cfg.Maintenance), curable)
	case permanent:
		if w.replays[p] != nil || w.fatal(n, w.now, f) {
			w.die(n, f)
		}
	case lemon:
		if w.lemon(n) {
			w.strike(n, duration(&cfg.Transient), curable)
		}
	case slowOnset:
		d := duration(&cfg.Slow.Outages)
		w.slowDown(n, d, lost, f)
	case crash:
		w.strike(n, w.rebootTime(f, 0), false)
	case burst:
		w.strikeSome(int(slot), f)
	case partition:
		w.partition(int(slot), duration(&cfg.Partition.Outages), f)
	case upgrade:
		w.upgrade(f)
	default:
		o := w.domainOutages(p)
		loss := o.LossProbability
		d := duration(&o.Outages)
		if lost {
			loss = 1
		}
		w.strikeDomain(p, int(slot), d, loss, f)
	}
}
