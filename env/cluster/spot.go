package cluster

import (
	"math"

	"mend/env"
)

// spot reports whether node n is a spot instance, which the controller knows.
// They are spread evenly over the nodes of each zone.
func (w *World) spot(n int32) bool {
	if w.slots(preemption) == 0 {
		return false
	}
	i, share := float64(int(n)%w.nodesPerZone), w.cfg.Failures.Spot.Share
	return math.Floor((i+1)*share+1e-9) > math.Floor(i*share+1e-9)
}

// warn announces that the machine in slot n will be taken away. Its preemption
// is the one that is due; it strikes no other machine.
func (w *World) warn(n int32) {
	at := w.now + simulated(w.cfg.Failures.Spot.Warning)
	if w.replays[preemption] != nil {
		at = max(w.now, w.recordedOutage(preemption, uint32(n), w.ordinal[preemption][n]).Start)
	}
	w.q.set(w.timers.reclaim+n, at)
	if w.nodeFlags[n]&nodeDead == 0 {
		w.warnedFor[n] = w.incarnation[n] + 1
		w.warned(n, at)
	}
}

// reclaim takes the machine in slot n away, if it is the one that was warned.
func (w *World) reclaim(n int32) {
	slot := uint32(n)
	k := w.ordinal[preemption][n]
	f := w.failure(preemption, slot, k)
	w.fold(preemption, slot, f)
	if w.warnedFor[n] == w.incarnation[n]+1 {
		var away env.Time
		if w.replays[preemption] != nil {
			o := w.recordedOutage(preemption, slot, k)
			away = o.End - o.Start
		} else {
			away = w.cfg.Failures.Spot.duration(f.At(drawDuration, 0))
		}
		w.kill(n, away)
	}
	w.warnedFor[n] = 0
	w.ordinal[preemption][n]++
	w.next(preemption, slot)
}
