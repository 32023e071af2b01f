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
	DeclareDead // give the node up, and order the repair of what it held
	// Repairs go where their name says if a node there can take the copy, and
	// elsewhere if none can.
	RepairSlowSameZone
	RepairSlowOtherZone
	RepairSlowOtherRegion
	RepairFastSameZone
	RepairFastOtherZone
	RepairFastOtherRegion
	actionCount
)

var actions = [actionCount]string{
	"hold", "wait_1m", "wait_5m", "wait_15m", "wait_1h", "restart", "declare_dead",
	"repair_slow_same_zone", "repair_slow_other_zone", "repair_slow_other_region",
	"repair_fast_same_zone", "repair_fast_other_zone", "repair_fast_other_region",
}

var waits = [...]env.Time{Wait1m: env.Minute, Wait5m: 5 * env.Minute, Wait15m: 15 * env.Minute, Wait1h: env.Hour}

// afterRestart is when a restarted node is asked about again.
const afterRestart = 5 * env.Minute

// act carries out a legal answer to the present question.
func (w *World) act(a Action) {
	ask := w.timers.askNode + w.subject
	switch w.kind {
	case ShardsAtRisk:
		ask = w.timers.askRisk + w.subject
	case NoQuestion:
		return
	}
	switch {
	case a <= Wait1h:
		after := simulated(w.cfg.Monitor.HoldReview)
		if a != Hold {
			after = waits[a]
		}
		w.q.set(ask, w.now+after)
		w.tally.put(ask-w.timers.askNode, w.now+after)
	case a == Restart:
		w.restart(w.subject)
		w.q.set(ask, w.now+afterRestart)
	case a == DeclareDead:
		w.declare(w.subject)
	default:
		w.repairClass(w.subject, a >= RepairFastSameZone, sameZone+uint8(a-RepairSlowSameZone)%3)
	}
	w.settleRepairs()
}

// declare gives node n up and orders the repair of what it held.
func (w *World) declare(n int32) {
	w.charge(partActions, w.cfg.Prices.Declare)
	w.nodeFlags[n] |= nodeDeclared
	w.failOver(n)
	w.declared++
	w.zoneDeclared[w.zoneOf(n)]++
	w.declareCopies(n)
}

// restart restarts node n. It ends the outages and the slowness that a restart
// cures; others, those of its domains, and a dead node it leaves as they are.
func (w *World) restart(n int32) {
	w.charge(partActions, w.cfg.Prices.Restart)
	w.nodeFlags[n] |= nodeRestarted
	id := w.timers.returns + n
	back := w.now + simulated(w.cfg.Failures.RestartTime)
	if w.nodeFlags[n]&nodeCurable != 0 && w.q.pending(id) && back < w.q.at[id] {
		w.q.set(id, back)
	}
	w.cureSlow(n)
}
