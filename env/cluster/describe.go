package cluster

import "time"

// Process is one failure process that a world has, for those who read about it.
type Process struct {
	Name string // its key in Failures
	// Strikes is what each of its strikes is on, and Subjects how many of these
	// there are: the expected number, where machines are drawn.
	Strikes  string
	Subjects float64
	// Every is the mean time between two strikes on one subject, at the start of
	// an episode; 0 where Trace, the name of a file, is replayed instead.
	Every time.Duration
	Trace string
}

// PerDay is how often it strikes the cluster, 0 where a trace is replayed.
func (p *Process) PerDay() float64 {
	if p.Every == 0 {
		return 0
	}
	return p.Subjects * 24 / p.Every.Hours()
}

// Processes are the failure processes of the world that are on, in the order of
// Failures. What an upgrade does to nodes is part of the upgrade.
func (w *World) Processes() []Process {
	f := &w.cfg.Failures
	nodes := float64(w.nodes)
	spot := 0.0
	for n := range int32(w.nodes) {
		if w.spot(n) {
			spot++
		}
	}
	domains := func(p process) float64 { return float64(w.domains(p)) }
	pairs := float64(w.zones * (w.zones - 1) / 2)
	lemons := time.Duration(float64(f.Transient.MTTF) / f.Lemons.Factor)
	var all []Process
	for _, x := range []struct {
		process process
		Process
	}{
		{transient, Process{Name: "transient", Strikes: "node", Subjects: nodes, Every: f.Transient.MTTF}},
		{maintenance, Process{Name: "maintenance", Strikes: "node", Subjects: nodes, Every: f.Maintenance.MTTF}},
		{lemon, Process{Name: "lemons", Strikes: "lemon", Subjects: nodes * f.Lemons.Share, Every: lemons}},
		{permanent, Process{Name: "permanent", Strikes: "node", Subjects: nodes, Every: f.Permanent.meanTime()}},
		{slowOnset, Process{Name: "slow", Strikes: "node", Subjects: nodes, Every: f.Slow.MTTF}},
		{preemption, Process{Name: "spot", Strikes: "spot node", Subjects: spot, Every: f.Spot.MTTF}},
		{burst, Process{Name: "burst", Strikes: "rack", Subjects: float64(w.racks), Every: f.Burst.MTTF}},
		{rackOutage, Process{Name: "rack", Strikes: "rack", Subjects: domains(rackOutage), Every: f.Rack.MTTF}},
		{pduOutage, Process{Name: "pdu", Strikes: "PDU", Subjects: domains(pduOutage), Every: f.PDU.MTTF}},
		{zoneOutage, Process{Name: "zone", Strikes: "zone", Subjects: domains(zoneOutage), Every: f.Zone.MTTF}},
		{regionOutage, Process{Name: "region", Strikes: "region", Subjects: domains(regionOutage), Every: f.Region.MTTF}},
		{providerOutage, Process{Name: "provider", Strikes: "provider", Subjects: domains(providerOutage), Every: f.Provider.MTTF}},
		{partition, Process{Name: "partition", Strikes: "pair of zones", Subjects: pairs, Every: f.Partition.MTTF}},
		{upgrade, Process{Name: "upgrade", Strikes: "cluster", Subjects: 1, Every: f.Upgrade.Every}},
	} {
		if w.slots(x.process) == 0 {
			continue
		}
		if r := w.replays[x.process]; r != nil {
			x.Every, x.Trace = 0, r.name
		}
		all = append(all, x.Process)
	}
	return all
}

// meanTime is one over the mean hazard of the machines that an episode starts
// with.
func (p *Permanent) meanTime() time.Duration {
	model, left := 0.0, 1.0
	for _, m := range p.Models {
		model += m.Share * m.Factor
		left -= m.Share
	}
	const steps = 10_000
	age := 0.0
	for i := range steps { // the midpoint rule: a Weibull hazard may begin at infinity
		age += p.ageFactor(simulated(tested+time.Duration((float64(i)+0.5)/steps*float64(p.InitialAgeMax)))) / steps
	}
	return time.Duration(float64(p.MTTF) / ((model + left) * age))
}

// Decision is one kind of decision that a world asks for.
type Decision struct {
	Kind    string
	Feature string   // that is 1 where it is asked for, and 0 else
	Asked   string   // when it is
	Actions []string // that may be legal
}

// questions says of each kind of decision when it is asked, and what may be
// answered besides hold. Some answers are legal at some times only, see observe.
var questions = [NoQuestion]struct {
	feature int
	asked   string
	answers []Action
}{
	NodeUnreachable: {fNodeUnreachable, "a node falls silent, and after each wait",
		[]Action{Wait1m, Wait5m, Wait15m, Wait1h, Restart, DeclareDead}},
	DomainUnreachable: {fDomainUnreachable, "most nodes of a rack, zone or region are silent, and after each wait",
		[]Action{Wait1m, Wait5m, Wait15m, Wait1h, DeclareDead, FailOver}},
	NodeSuspect: {fNodeSuspect, "an alarm is raised on a node that answers, and after each wait",
		[]Action{Wait1m, Wait5m, Wait15m, Wait1h, Restart, Cordon, Drain, Replace}},
	ShardsAtRisk: {fShardsAtRisk, "shards have fewer believed live copies than wanted, and no repair is ordered",
		[]Action{Wait1m, Wait5m, Wait15m, Wait1h, RepairSlowSameZone, RepairSlowOtherZone, RepairSlowOtherRegion,
			RepairFastSameZone, RepairFastOtherZone, RepairFastOtherRegion}},
	ShardLoad: {fShardLoad, "a popular shard takes too much of each of its nodes, or little with extra copies, and after each wait",
		[]Action{Wait1m, Wait5m, Wait15m, Wait1h, AddNear, AddFar, DropReplica, MoveReplica}},
	ClusterReview: {fClusterReview, "a burst of losses or a repair backlog begins or ends, and from time to time while it lasts; once for each tier, where its target may change",
		[]Action{ThrottleDown, ThrottleUp, TargetDown, TargetUp}},
}

// answerable are the answers to each kind of decision, besides hold, that may be
// legal in this world; none where it is never asked.
func (w *World) answerable() (list [NoQuestion][]Action) {
	for k := range questions {
		c, d := &w.cfg, &w.cfg.Data
		if Kind(k) == DomainUnreachable && c.Domains.Share == 0 || Kind(k) == ShardLoad && !c.Load.offered() || Kind(k) == ClusterReview && c.Reviews.Every == 0 {
			continue
		}
		for _, a := range questions[k].answers {
			switch {
			case (a == RepairSlowOtherZone || a == RepairFastOtherZone) && w.zonesPerRegion == 1,
				(a == RepairSlowOtherRegion || a == RepairFastOtherRegion) && w.regions == 1,
				(a == AddNear || a == AddFar || a == DropReplica) && d.fixed(),
				a == AddFar && w.zones == 1,
				(a == TargetDown || a == TargetUp) && d.fixed():
				continue
			}
			list[k] = append(list[k], a)
		}
	}
	return list
}

// Decisions are the kinds of decision that the world may ask for.
func (w *World) Decisions() []Decision {
	var all []Decision
	for k, answers := range w.answers {
		if len(answers) == 0 {
			continue
		}
		d := Decision{Kind: Kind(k).String(), Feature: features[questions[k].feature].Name, Asked: questions[k].asked, Actions: []string{actions[Hold]}}
		for _, a := range answers {
			d.Actions = append(d.Actions, actions[a])
		}
		all = append(all, d)
	}
	return all
}
