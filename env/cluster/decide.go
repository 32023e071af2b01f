package cluster

import "mend/env"

// Action is what a policy can answer. Which are legal depends on the kind of
// decision.
type Action int

// The actions.
const (
	Hold Action = iota // leave it; ask again on news, or after Monitor.HoldReview
	Wait1m
	Wait5m
	Wait15m
	Wait1h
	Restart     // restart the node; ask again after 5 minutes
	DeclareDead // give the node, or all of the domain, up, and order the repair of what it held
	FailOver    // move the primaries of the domain's nodes away
	Cordon      // put no new copies on the suspect
	Drain       // move the suspect's copies away
	Replace     // exchange the suspect's machine now, and its data with it
	// Repairs go where their name says if a node there can take the copy, and
	// elsewhere if none can.
	RepairSlowSameZone
	RepairSlowOtherZone
	RepairSlowOtherRegion
	RepairFastSameZone
	RepairFastOtherZone
	RepairFastOtherRegion
	AddNear // one replica more, in the zone of the shard's first live copy
	AddFar  // one replica more, in another zone
	DropReplica
	MoveReplica // move the hottest replica
	// Repair bandwidth, a step of throttles; the target of a tier, a replica.
	ThrottleDown
	ThrottleUp
	TargetDown
	TargetUp
	actionCount
)

var actions = [actionCount]string{
	"hold", "wait_1m", "wait_5m", "wait_15m", "wait_1h", "restart", "declare_dead", "fail_over", "cordon", "drain", "replace",
	"repair_slow_same_zone", "repair_slow_other_zone", "repair_slow_other_region",
	"repair_fast_same_zone", "repair_fast_other_zone", "repair_fast_other_region",
	"add_near", "add_far", "drop_replica", "move_replica", "throttle_down", "throttle_up", "target_down", "target_up",
}

var waits = [...]env.Time{Wait1m: env.Minute, Wait5m: 5 * env.Minute, Wait15m: 15 * env.Minute, Wait1h: env.Hour}

// afterAction is when a node that was restarted, or a domain whose primaries were
// moved away, is asked about again, and the soonest that the cluster is reviewed
// after a review.
const afterAction = 5 * env.Minute

// act carries out a legal answer to the present question.
func (w *World) act(a Action) {
	switch w.kind {
	case NodeUnreachable:
		w.actNode(a, w.subject)
	case DomainUnreachable:
		w.actDomain(a, w.subject)
	case NodeSuspect:
		w.actSuspect(a, w.subject)
	case ShardsAtRisk:
		w.actClass(a, w.subject)
	case ShardLoad:
		w.actLoad(a, w.subject)
	case ClusterReview:
		w.actReview(int(w.subject), a)
	}
	w.settleRepairs()
	w.noticeRegime()
}

// pause is how long an answer of hold or wait leaves the subject alone.
func (w *World) pause(a Action) env.Time {
	if a == Hold {
		return simulated(w.cfg.Monitor.HoldReview)
	}
	return waits[a]
}

// postpone sets the next question of timer id to when hold or a wait is over.
func (w *World) postpone(id int32, until env.Time) {
	w.q.set(id, until)
	w.tally.put(id-w.timers.askNode, until)
}

func (w *World) actNode(a Action, n int32) {
	ask := w.timers.askNode + n
	switch {
	case a <= Wait1h:
		w.postpone(ask, w.now+w.pause(a))
	case a == Restart:
		w.restart(n)
		w.q.set(ask, w.now+afterAction)
	case a == DeclareDead:
		w.declare(n)
	}
}

func (w *World) actClass(a Action, k int32) {
	if a <= Wait1h {
		w.postpone(w.timers.askRisk+k, w.now+w.pause(a))
		return
	}
	w.repairClass(k, a >= RepairFastSameZone, sameZone+uint8(a-RepairSlowSameZone)%3)
}

// declare gives node n up and orders the repair of what it held.
func (w *World) declare(n int32) {
	w.charge(partActions, w.cfg.Prices.Declare)
	w.nodeFlags[n] |= nodeDeclared
	w.failOver(n)
	w.declared++
	w.zoneDeclared[w.zoneOf(n)]++
	w.faultDomains.count(n, 0, -1)
	w.declareCopies(n)
}

// restart restarts node n. It ends the outages and the slowness that a restart
// cures; others, those of its domains, and a dead node it leaves as they are.
func (w *World) restart(n int32) {
	w.charge(partActions, w.cfg.Prices.Restart)
	w.nodeFlags[n] |= nodeRestarted
	w.reboot(n)
}

// reboot ends the outage and the slowness of node n that a restart cures.
func (w *World) reboot(n int32) {
	id := w.timers.returns + n
	back := w.now + simulated(w.cfg.Failures.RestartTime)
	if w.nodeFlags[n]&nodeCurable != 0 && w.q.pending(id) && back < w.q.at[id] {
		w.q.set(id, back)
	}
	w.cureSlow(n)
}
