package cluster

import (
	"fmt"
	"math"

	"mend/env"
)

// Indexes of the observation. All are built from what the monitor can know:
// heartbeats, the controller's own log, its orders and the topology.
const (
	// The cluster.
	fUnreachable = iota
	fDeclared
	fRacksUnreachable
	fLosses10m
	fLosses1h
	fUnderReplicated
	fOneCopy
	fNoCopy
	fBacklog
	fFreeSpace
	// The question.
	fNodeUnreachable
	fShardsAtRisk
	// Its subject.
	fSilence
	fAsked
	fRestarted
	fFlaps
	fRackUnreachable
	fZoneUnreachable
	fZoneDeclared
	fSubjectShards
	fSubjectTB
	fLiveCopies
	fSubjectOneCopy
	fSubjectNoCopy
	fSubjectUnordered
	fLiveZones
	fAwaited
	fRiskAge
	featureCount
)

// Lg marks units of ln(1 + x): such features span minutes to weeks, or one
// shard to all.
var features = [featureCount]env.Feature{
	fUnreachable:      {Name: "unreachable_share", Unit: "share of nodes", Scale: 0.1},
	fDeclared:         {Name: "declared_share", Unit: "share of nodes", Scale: 0.1},
	fRacksUnreachable: {Name: "racks_unreachable", Unit: "ln(1+racks)", Scale: 1},
	fLosses10m:        {Name: "losses_10m", Unit: "ln(1+nodes), decaying over 10 min", Scale: 1},
	fLosses1h:         {Name: "losses_1h", Unit: "ln(1+nodes), decaying over 1 h", Scale: 1},
	fUnderReplicated:  {Name: "under_replicated", Unit: "ln(1+shards)", Offset: 3, Scale: 3},
	fOneCopy:          {Name: "one_copy", Unit: "ln(1+shards)", Scale: 3},
	fNoCopy:           {Name: "no_copy", Unit: "ln(1+shards)", Scale: 3},
	fBacklog:          {Name: "repair_backlog", Unit: "ln(1+hours at full bandwidth)", Scale: 1},
	fFreeSpace:        {Name: "free_space", Unit: "share of reachable capacity, less orders", Offset: 0.5, Scale: 0.5},
	fNodeUnreachable:  {Name: "is_node_unreachable", Unit: "0 or 1", Scale: 1},
	fShardsAtRisk:     {Name: "is_shards_at_risk", Unit: "0 or 1", Scale: 1},
	fSilence:          {Name: "silence", Unit: "ln(1+minutes) since the last heartbeat", Offset: 2, Scale: 2},
	fAsked:            {Name: "asked", Unit: "ln(1+earlier decisions) on this outage", Scale: 1},
	fRestarted:        {Name: "restarted", Unit: "0 or 1", Scale: 1},
	fFlaps:            {Name: "flaps_7d", Unit: "ln(1+outages), decaying over 7 d", Scale: 1},
	fRackUnreachable:  {Name: "rack_unreachable_share", Unit: "share of nodes", Scale: 0.5},
	fZoneUnreachable:  {Name: "zone_unreachable_share", Unit: "share of nodes", Scale: 0.2},
	fZoneDeclared:     {Name: "zone_declared_share", Unit: "share of nodes", Scale: 0.1},
	fSubjectShards:    {Name: "subject_shards", Unit: "ln(1+shards)", Offset: 3, Scale: 2},
	fSubjectTB:        {Name: "subject_tb", Unit: "ln(1+TB)", Offset: 2, Scale: 2},
	fLiveCopies:       {Name: "believed_live_copies", Unit: "copies, fewest of any shard", Offset: 1, Scale: 1},
	fSubjectOneCopy:   {Name: "subject_one_copy", Unit: "ln(1+shards)", Scale: 2},
	fSubjectNoCopy:    {Name: "subject_no_copy", Unit: "ln(1+shards)", Scale: 2},
	fSubjectUnordered: {Name: "subject_unordered", Unit: "ln(1+shards) short of copies without an order", Offset: 2, Scale: 2},
	fLiveZones:        {Name: "live_zones", Unit: "zones, 2 for more", Offset: 1, Scale: 1},
	fAwaited:          {Name: "awaited", Unit: "0 or 1: a missing copy may return", Scale: 1},
	fRiskAge:          {Name: "risk_age", Unit: "ln(1+minutes) of the oldest shard", Offset: 2, Scale: 2},
}

// observe writes observation and mask of the present question.
func (w *World) observe(obs []float32, mask []bool) {
	if len(obs) != featureCount || len(mask) != len(actions) {
		panic(fmt.Sprintf("cluster: buffers of %d features and %d actions, want %d and %d", len(obs), len(mask), featureCount, len(actions)))
	}
	var raw [featureCount]float64
	nodes := float64(w.nodes)
	w.decayLosses()
	raw[fUnreachable] = float64(w.unreachable) / nodes
	raw[fDeclared] = float64(w.declared) / nodes
	raw[fRacksUnreachable] = math.Log1p(float64(w.racksUnreachable))
	raw[fLosses10m] = math.Log1p(w.losses10m)
	raw[fLosses1h] = math.Log1p(w.losses1h)
	raw[fUnderReplicated] = math.Log1p(float64(w.short))
	raw[fOneCopy] = math.Log1p(float64(w.oneCopy))
	raw[fNoCopy] = math.Log1p(float64(w.noCopy))
	raw[fBacklog] = math.Log1p(float64(w.orders) * w.shardBytes / (w.zoneRate * float64(w.zones)) / 3600)
	if reachable := float64(w.nodes - int(w.unreachable)); reachable > 0 {
		raw[fFreeSpace] = float64(w.reachableSpace-int64(w.orders)) / (reachable * float64(w.nodeCopies))
	}
	clear(w.legal)
	w.legal[Hold] = true
	switch w.kind {
	case NodeUnreachable:
		w.observeNode(w.subject, &raw)
		w.legal[Wait1m], w.legal[Wait5m], w.legal[Wait15m], w.legal[Wait1h] = true, true, true, true
		w.legal[Restart] = w.nodeFlags[w.subject]&nodeRestarted == 0
		w.legal[DeclareDead] = true
	case ShardsAtRisk:
		w.observeClass(w.subject, &raw)
		w.legal[Wait1m], w.legal[Wait5m], w.legal[Wait15m], w.legal[Wait1h] = true, true, true, true
		w.legal[RepairSlowSameZone], w.legal[RepairFastSameZone] = true, true
		if w.zonesPerRegion > 1 {
			w.legal[RepairSlowOtherZone], w.legal[RepairFastOtherZone] = true, true
		}
		if w.regions > 1 {
			w.legal[RepairSlowOtherRegion], w.legal[RepairFastOtherRegion] = true, true
		}
	}
	for i := range raw {
		obs[i] = features[i].Observed(float32(raw[i]))
	}
	w.guards.Apply(obs, w.legal)
	copy(mask, w.legal)
}

func (w *World) observeNode(n int32, raw *[featureCount]float64) {
	raw[fNodeUnreachable] = 1
	raw[fSilence] = math.Log1p(minutes(w.now - w.lastBeat[n]))
	raw[fAsked] = math.Log1p(float64(max(w.asked[n], 1) - 1))
	if w.nodeFlags[n]&nodeRestarted != 0 {
		raw[fRestarted] = 1
	}
	raw[fFlaps] = math.Log1p(decayed(w.flaps[n], w.now-w.flapsAt[n], 7*env.Day))
	zone := w.zoneOf(n)
	raw[fRackUnreachable] = float64(w.rackUnreachable[w.rackOf(n)]) / float64(w.nodesPerRack)
	raw[fZoneUnreachable] = float64(w.zoneUnreachable[zone]) / float64(w.nodesPerZone)
	raw[fZoneDeclared] = float64(w.zoneDeclared[zone]) / float64(w.nodesPerZone)
	c := w.nodeShards(n)
	raw[fLiveCopies] = float64(c.fewest)
	raw[fSubjectOneCopy] = math.Log1p(float64(c.one))
	raw[fSubjectNoCopy] = math.Log1p(float64(c.none))
	raw[fSubjectUnordered] = math.Log1p(float64(c.unordered))
	w.observeSize(int(c.held), raw)
}

// nodeCounts describe the shards of which a node holds a live copy, in the
// controller's belief.
type nodeCounts struct {
	held, one, none, unordered int32 // shards; with one or no believed live copy; short of copies without an order
	fewest                     int   // believed live copies of any of them
}

func (w *World) nodeShards(n int32) nodeCounts {
	c := nodeCounts{fewest: int(w.commonWant)}
	f := w.nodeFlags[n]
	sum := int32(0)
	for kind, k := range w.impliedOf(n) {
		if k == 0 {
			continue
		}
		sum += k
		copies := kind / 2
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
	for _, s := range w.odd(n, healthBad, w.cursor[n]) {
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

func (w *World) observeClass(k int32, raw *[featureCount]float64) {
	raw[fShardsAtRisk] = 1
	n := int(w.classSize(k))
	w.observeSize(n, raw)
	raw[fSubjectUnordered] = raw[fSubjectShards]
	class := classAt(k)
	raw[fLiveCopies] = float64(class.copies)
	raw[fLiveZones] = float64(class.zones)
	if class.awaited {
		raw[fAwaited] = 1
	}
	if class.copies == 1 {
		raw[fSubjectOneCopy] = raw[fSubjectShards]
	}
	if n > 0 {
		raw[fRiskAge] = math.Log1p(minutes(w.now - w.riskSince(k)))
	}
}

func (w *World) observeSize(shards int, raw *[featureCount]float64) {
	raw[fSubjectShards] = math.Log1p(float64(shards))
	raw[fSubjectTB] = math.Log1p(float64(shards) * w.shardBytes / 1e12)
}

func minutes(t env.Time) float64 { return float64(t) / float64(env.Minute) }

// guardRules are the world's safety rules, as bounds on features.
func (w *World) guardRules() []env.Guard {
	inf := float32(math.Inf(1))
	// One node more must still be within the limit; half a node of slack keeps
	// rounding out of it.
	nodes := float64(w.nodesPerZone)
	limit := math.Floor(w.cfg.Limits.ZoneDeclaredShare*nodes + 1e-9)
	repairs := []string{"declare_dead"}
	for a := RepairSlowSameZone; a < actionCount; a++ {
		repairs = append(repairs, actions[a])
	}
	return []env.Guard{
		{
			Name: "zone_declared_share", Feature: "zone_declared_share", Actions: []string{"declare_dead"},
			Min: -inf, Max: float32((limit - 0.5) / nodes),
		},
		{Name: "free_space", Feature: "free_space", Actions: repairs, Min: float32(w.cfg.Limits.FreeSpace), Max: inf},
	}
}
