package cluster

import (
	"fmt"
	"math"

	"mend/env"
)

// nothing is the observation in which every feature is 0 in its unit.
var nothing = func() (obs [featureCount]float32) {
	for i := range obs {
		obs[i] = features[i].Observed(0)
	}
	return obs
}()

// logs is ln(1 + k).
var logs = func() (t [1024]float64) {
	for k := range t {
		t[k] = math.Log1p(float64(k))
	}
	return t
}()

// log is ln(1 + k) of a count.
func log[T int | int32 | uint16](k T) float64 {
	if uint64(k) < uint64(len(logs)) {
		return logs[k]
	}
	return log1p(float64(k))
}

// mantissas are the numbers 1 + i/128, their reciprocals and logarithms.
var mantissas = func() (t [128]struct{ base, inverse, log float64 }) {
	for i := range t {
		x := 1 + float64(i)/128
		t[i].base, t[i].inverse, t[i].log = x, 1/x, math.Log(x)
	}
	return t
}()

// log1p is ln(1 + x) of an x >= 0, right to 10⁻⁹, in a fraction of the time of
// math.Log1p: with 1 + x = 2^e·m·(1 + d), m the nearest number below of a table
// and d < 1/128,
//
//	ln(1 + x) = e·ln 2 + ln m + d − d²/2 + d³/3 − …,
//
// cut before d⁴/4. The conversions keep products from being fused into sums, for
// the same bits everywhere.
func log1p(x float64) float64 {
	bits := math.Float64bits(1 + x)
	e := float64(int(bits>>52) - 1023)
	m := &mantissas[bits>>45&127]
	d := float64((math.Float64frombits(bits&(1<<52-1)|1023<<52) - m.base) * m.inverse)
	tail := float64(d * d * (0.5 - float64(d*(1.0/3))))
	return float64(e*math.Ln2) + m.log + d - tail
}

// faded is e^(−x), in steps of 1/64 up to 16.
var faded = func() (t [16*64 + 2]float64) {
	for i := range t {
		t[i] = math.Exp(-float64(i) / 64)
	}
	return t
}()

// fading is what decayed computes, right to 1 in 30,000 of count while that
// matters and 0 after 16 time constants: straight lines between the entries of
// a table, which err by 1/(8·64²).
func fading(count float64, elapsed, constant env.Time) float64 {
	x := float64(elapsed) / float64(constant) * 64
	if count == 0 || !(x < 16*64) {
		return 0
	}
	i := int(x)
	return count * (faded[i] + float64((x-float64(i))*(faded[i+1]-faded[i])))
}

// observe writes observation and mask of the present question.
func (w *World) observe(obs []float32, mask []bool) {
	if len(obs) != featureCount || len(mask) != len(actions) {
		panic(fmt.Sprintf("cluster: buffers of %d features and %d actions, want %d and %d", len(obs), len(mask), featureCount, len(actions)))
	}
	o := observation(obs)
	copy(obs, nothing[:])
	w.observeCluster(o)
	clear(w.legal)
	w.legal[Hold] = true
	if w.kind < NoQuestion {
		o.put(questions[w.kind].feature, 1)
		for _, a := range w.answers[w.kind] {
			w.legal[a] = true
		}
	}
	switch w.kind {
	case NodeUnreachable:
		w.observeLost(w.subject, o)
		w.legal[Restart] = w.nodeFlags[w.subject]&nodeRestarted == 0
	case DomainUnreachable:
		w.observeDomain(w.subject, o)
		w.legal[FailOver] = !w.faultDomains.failedOver[w.subject]
	case NodeSuspect:
		w.observeSuspect(w.subject, o)
		f := w.nodeFlags[w.subject]
		w.legal[Restart] = f&nodeRebooted == 0
		w.legal[Cordon] = f&nodeCordoned == 0
		w.legal[Drain] = f&nodeDraining == 0
	case ShardsAtRisk:
		w.observeClass(w.subject, o)
	case ShardLoad:
		w.observeLoad(w.subject, o)
	case ClusterReview:
		o.put(fRegimeAge, log1p(minutes(w.now-w.review.since)))
		tier := int(w.subject)
		if w.reviews() == w.tiers.count {
			w.observeTier(tier, o)
		}
		w.legal[ThrottleDown] = tier == 0 && w.throttle > 0
		w.legal[ThrottleUp] = tier == 0 && int(w.throttle) < len(throttles)-1
		w.legal[TargetDown] = w.targetLegal(tier, -1)
		w.legal[TargetUp] = w.targetLegal(tier, +1)
	}
	w.guards.Apply(obs, w.legal)
	copy(mask, w.legal)
}

// observation is one observation, [featureCount].
type observation []float32

// put stores a feature of which raw is the value in its unit.
func (o observation) put(feature int, raw float64) {
	f := &features[feature]
	o[feature] = (float32(raw) - f.Offset) / f.Scale // Feature.Observed, without copying the names
}

// flag stores a feature of 0 or 1.
func (o observation) flag(feature int, is bool) {
	if is {
		o.put(feature, 1)
	}
}

func (w *World) observeCluster(o observation) {
	since := w.now - w.lossesAt
	o.put(fThrottle, throttles[w.throttle])
	if w.upgrading() {
		o.put(fUpgradeProgress, w.upgradeProgress())
	}
	if w.unreachable > 0 {
		o.put(fUnreachable, float64(w.unreachable)/float64(w.nodes))
		o.put(fDeclared, float64(w.declared)/float64(w.nodes))
		o.put(fRacksUnreachable, log(w.racksUnreachable))
	}
	if x := fading(w.losses10m, since, 10*env.Minute); x > 0 {
		o.put(fLosses10m, log1p(x))
	}
	if x := fading(w.losses1h, since, env.Hour); x > 0 {
		o.put(fLosses1h, log1p(x))
	}
	o.put(fUnderReplicated, log(w.short))
	o.put(fOneCopy, log(w.oneCopy))
	o.put(fNoCopy, log(w.noCopy))
	if w.orders > 0 {
		o.put(fBacklog, log1p(float64(w.orders)*w.shardBytes/(w.zoneRate*float64(w.zones))/3600))
	}
	if reachable := float64(w.nodes - int(w.unreachable)); reachable > 0 {
		beyond := reachable * (w.nodeSpace - float64(w.nodeCopies))
		o.put(fFreeSpace, (float64(w.reachableSpace-int64(w.orders))+beyond)/(reachable*w.nodeSpace))
	}
	if w.load.on {
		w.observeLoads(o)
	}
	o.put(fOpenDomains, log(w.faultDomains.opened))
	o.put(fSuspects, log(w.suspicions.standing))
	o.put(fCordonedNodes, log(w.suspicions.cordoned))
}

// observeLost shows the unreachable node n.
func (w *World) observeLost(n int32, o observation) {
	o.put(fSilence, log1p(minutes(w.now-w.lastBeat[n])))
	o.put(fAsked, log(max(w.asked[n], 1)-1))
	o.flag(fRestarted, w.nodeFlags[n]&nodeRestarted != 0)
	o.flag(fFailedOver, w.nodeFlags[n]&nodeFailedOver != 0)
	w.observeNode(n, o)
}

// observeSuspect shows node n, which answers.
func (w *World) observeSuspect(n int32, o observation) {
	o.put(fAsked, log(max(w.suspicions.asked[n], 1)-1))
	o.flag(fRestarted, w.nodeFlags[n]&nodeRebooted != 0)
	w.observeNode(n, o)
}

// observeNode shows what is known of node n whether it answers or not.
func (w *World) observeNode(n int32, o observation) {
	o.put(fFlaps, log1p(fading(w.flaps[n], w.now-w.flapsAt[n], 7*env.Day)))
	zone := w.zoneOf(n)
	perZone := float64(w.nodesPerZone)
	o.put(fRackUnreachable, float64(w.faultDomains.unreachable[w.rackOf(n)])/float64(w.nodesPerRack))
	o.put(fZoneUnreachable, float64(w.faultDomains.unreachable[w.racks+zone])/perZone)
	o.put(fZoneDeclared, float64(w.zoneDeclared[zone])/perZone)
	o.put(fZoneDeclaredAfter, float64(w.zoneDeclared[zone]+1)/perZone)
	c := w.nodeShards(n)
	w.observeHeld(&c, o)
	w.observeHealth(n, o)
}

// observeHealth shows alarm and telemetry of node n.
func (w *World) observeHealth(n int32, o observation) {
	t, s := &w.telemetry, &w.suspicions
	if kind := s.kind[n]; kind != noAlarm {
		o.put(fAlarmPredictor+int(kind-alarmPredictor), 1)
		o.put(fAlarmScore, s.score[n])
		o.put(fAlarmAge, log1p(minutes(w.now-s.since[n])))
		if s.deadline[n] != env.Never {
			o.put(fAlarmDeadline, log1p(max(0, minutes(s.deadline[n]-w.now))))
		}
		o.flag(fCordoned, w.nodeFlags[n]&nodeCordoned != 0)
		o.flag(fDraining, w.nodeFlags[n]&nodeDraining != 0)
	}
	if x := t.latency[n]; x != 1 {
		o.put(fLatencyRatio, math.Log(max(x, 1e-6))) // it may be below 1
	}
	if x := fading(t.errors[n], w.now-t.errorsAt[n], env.Day); x > 0 {
		o.put(fErrors, log1p(x))
	}
	o.put(fSmart, log(int32(min(t.smart[n], math.MaxInt32))))
	o.put(fMachineAge, log1p(float64(w.now-w.born[n])/float64(env.Day)))
}

// observeDomain shows domain k: sums over its members, and the worst of the
// racks and zones that they are in.
func (w *World) observeDomain(k int32, o observation) {
	d := &w.faultDomains
	level := d.level(k)
	o.put(fSilence, log1p(minutes(w.now-d.lastBeat[k])))
	o.put(fAsked, log(max(d.asked[k], 1)-1))
	o.flag(fFailedOver, d.failedOver[k])
	o.put(fDomainLevel, float64(level+1))
	o.put(fDomainNodes, log(d.members[k]))
	o.put(fDomainUnreachableShare, float64(d.unreachable[k])/float64(d.size[level]))
	sum := w.noShards()
	var rackUnreachable, zoneUnreachable, declared, after int32
	first, end := d.span(k)
	rack, zone := none, none
	for n := w.nextMember(first, end); n != none; n = w.nextMember(n+1, end) {
		c := w.nodeShards(n)
		sum.add(&c)
		if r := d.of(n, rackLevel); r != rack {
			rack = r
			rackUnreachable = max(rackUnreachable, d.unreachable[r])
		}
		if z := d.of(n, zoneLevel); z != zone {
			zone = z
			zoneUnreachable = max(zoneUnreachable, d.unreachable[z])
			is := w.zoneDeclared[z-d.first[zoneLevel]]
			// Members beyond a rack are not declared with it.
			more := d.members[z]
			if level == rackLevel {
				more = d.members[k]
			}
			declared, after = max(declared, is), max(after, is+more)
		}
	}
	perZone := float64(w.nodesPerZone)
	o.put(fRackUnreachable, float64(rackUnreachable)/float64(w.nodesPerRack))
	o.put(fZoneUnreachable, float64(zoneUnreachable)/perZone)
	o.put(fZoneDeclared, float64(declared)/perZone)
	o.put(fZoneDeclaredAfter, float64(after)/perZone)
	w.observeHeld(&sum, o)
}

// nodeCounts describe the shards of which a node holds a live copy, in the
// controller's belief.
type nodeCounts struct {
	held, one, none, unordered int32 // shards; with one or no believed live copy; short of copies without an order
	fewest                     int   // believed live copies of any of them
}

// noShards are the counts of what holds nothing.
func (w *World) noShards() nodeCounts { return nodeCounts{fewest: int(w.commonWant)} }

// plainShards are the counts of node n's plain shards, were all of its other
// nodes well: they have the copies that they want.
func (w *World) plainShards(n int32) nodeCounts {
	c := w.noShards()
	fewest := maxFactor + 1
	for kind, k := range w.unmarkedOf(n) {
		if k > 0 {
			fewest = min(fewest, copiesLeft(kind)+1)
		}
	}
	if fewest <= maxFactor {
		c.fewest = fewest // the fewest that any wants
	}
	return c
}

func (c *nodeCounts) add(x *nodeCounts) {
	c.held += x.held
	c.one += x.one
	c.none += x.none
	c.unordered += x.unordered
	c.fewest = min(c.fewest, x.fewest)
}

// nodeShards counts what node n holds.
func (w *World) nodeShards(n int32) nodeCounts {
	c := w.plainShards(n)
	f := w.nodeFlags[n]
	sum := int32(0)
	for kind, k := range w.impliedOf(n) {
		if k == 0 {
			continue
		}
		sum += k
		copies := copiesLeft(kind)
		if f&nodeDraining != 0 {
			copies++
		} else if f&nodeDeclared == 0 {
			c.unordered += k
		}
		c.fewest = min(c.fewest, copies)
		switch {
		case copies == 0:
			c.none += k
		case copies == 1:
			c.one += k
		}
	}
	c.held = w.live[n]
	if sum == w.live[n] {
		return c
	}
	for _, s := range w.odd(n, healthBad) {
		if w.records[w.on(s, n)].state() != replicaLive {
			continue
		}
		b := w.believedOf(s)
		c.fewest = min(c.fewest, b)
		switch b {
		case 0:
			c.none++
		case 1:
			c.one++
		}
		if b < int(w.info[s].want) && w.info[s].ordered == 0 {
			c.unordered++
		}
	}
	return c
}

func (w *World) observeHeld(c *nodeCounts, o observation) {
	w.observeSize(c.held, o)
	o.put(fLiveCopies, float64(c.fewest))
	o.put(fSubjectOneCopy, log(c.one))
	o.put(fSubjectNoCopy, log(c.none))
	o.put(fSubjectUnordered, log(c.unordered))
}

func (w *World) observeClass(k int32, o observation) {
	n := w.classSize(k)
	w.observeSize(n, o)
	o.put(fSubjectUnordered, log(n))
	class := w.classAt(k)
	w.observeTier(class.tier, o)
	o.put(fLiveCopies, float64(class.copies))
	o.put(fLiveZones, float64(class.zones))
	o.flag(fAwaited, class.awaited)
	if class.copies == 1 {
		o.put(fSubjectOneCopy, log(n))
	}
	if n > 0 {
		o.put(fRiskAge, log1p(minutes(w.now-w.riskSince(k))))
	}
}

// observeTier shows what a tier is worth, and what is wanted for it.
func (w *World) observeTier(k int, o observation) {
	o.put(fTierValue, w.tiers.log[k])
	first, end := w.tiers.span(k)
	o.put(fTierShare, float64(end-first)/float64(w.shards))
	o.put(fTierTarget, float64(w.tierTarget[k]))
}

func (w *World) observeSize(shards int32, o observation) {
	o.put(fSubjectShards, log(shards))
	o.put(fSubjectTB, log1p(float64(shards)*w.shardBytes/1e12))
}

func minutes(t env.Time) float64 { return float64(t) / float64(env.Minute) }

// guardRules are the world's safety rules, as bounds on features.
func (w *World) guardRules() []env.Guard {
	inf := float32(math.Inf(1))
	// Half a node of slack keeps rounding out of the comparison.
	nodes := float64(w.nodesPerZone)
	limit := math.Floor(w.cfg.Limits.ZoneDeclaredShare*nodes + 1e-9)
	orders := []string{actions[DeclareDead], actions[Drain], actions[Replace]}
	for a := RepairSlowSameZone; a <= AddFar; a++ {
		orders = append(orders, actions[a])
	}
	orders = append(orders, actions[MoveReplica], actions[TargetUp])
	return []env.Guard{
		{
			Name: "zone_declared_share", Feature: "zone_declared_after", Actions: []string{actions[DeclareDead], actions[Replace]},
			Min: -inf, Max: float32((limit + 0.5) / nodes),
		},
		{Name: "free_space", Feature: "free_space", Actions: orders, Min: float32(w.cfg.Limits.FreeSpace), Max: inf},
		// The suspect's own copy, or the one that is dropped, is one of those
		// believed live.
		{Name: "last_copy", Feature: "believed_live_copies", Actions: []string{actions[Replace], actions[DropReplica]}, Min: 1.5, Max: inf},
	}
}
