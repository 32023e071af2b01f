package cluster

import (
	"fmt"

	"mend/env"
)

// checkFailures recounts the state of the failure processes and of the
// machines.
func (w *World) checkFailures() error {
	for rack := range w.cuts {
		under := uint8(0)
		for p := rackOutage; p <= providerOutage; p++ {
			if w.q.pending(w.domainEnd(p, w.domainOf(p, rack))) {
				under++
			}
		}
		if w.cuts[rack] != under {
			return fmt.Errorf("rack %d: %d outages of its domains, counted %d", rack, under, w.cuts[rack])
		}
	}
	for i, v := range w.perm {
		if int(v) != i {
			return fmt.Errorf("the scratch permutation has %d at %d", v, i)
		}
	}
	oldest := simulated(w.cfg.Failures.Permanent.InitialAgeMax)
	for n := range int32(w.nodes) {
		if w.born[n] > w.now || w.born[n] < -oldest {
			return fmt.Errorf("the machine of node %d was born at %d", n, w.born[n])
		}
		if err := w.checkSlow(n); err != nil {
			return err
		}
		if w.slots(preemption) > 0 {
			announced := w.q.pending(w.timers.reclaim + n)
			if warned := w.warnedFor[n]; warned > w.incarnation[n]+1 || warned > 0 && !announced || announced && (!w.spot(n) || w.q.pending(w.timers.process[preemption]+n)) {
				return fmt.Errorf("node %d: machine %d is warned, %d is there; a preemption is announced: %v", n, int64(warned)-1, w.incarnation[n], announced)
			}
		}
		if w.slots(crash) > 0 && w.badBuild(n) != w.q.pending(w.timers.process[crash]+n) {
			return fmt.Errorf("node %d runs a bad build: %v, and will crash: %v", n, w.badBuild(n), !w.badBuild(n))
		}
	}
	if w.slots(partition) > 0 {
		for a := range w.zones {
			if w.q.pending(w.cutEnd(a, a)) {
				return fmt.Errorf("zone %d is cut off from itself", a)
			}
		}
	}
	return w.checkUpgrade()
}

func (w *World) checkSlow(n int32) error {
	if w.slots(slowOnset) == 0 {
		if w.slow[n] != 1 {
			return fmt.Errorf("node %d is slow by %g, and none ever is", n, w.slow[n])
		}
		return nil
	}
	id := w.timers.slowEnd + n
	turns := w.q.pending(w.timers.slowPhase + n)
	if !w.q.pending(id) {
		if w.slow[n] != 1 || turns || w.slowLost[n] || w.slowPhases[n] != 0 || w.slowDraws[n] != 0 {
			return fmt.Errorf("node %d is not failing slow, but is slow by %g, turns: %v", n, w.slow[n], turns)
		}
		return nil
	}
	want := w.slowFactor(n)
	if w.slowPhases[n]%2 == 1 {
		want = 1
	}
	if w.nodeFlags[n]&nodeDead != 0 || w.slow[n] != want || !turns && w.slowPhases[n] != 0 {
		return fmt.Errorf("node %d, dead: %v, is slow by %g in phase %d, want %g, turns: %v", n, w.nodeFlags[n]&nodeDead != 0, w.slow[n], w.slowPhases[n], want, turns)
	}
	return nil
}

func (w *World) checkUpgrade() error {
	if w.slots(upgrade) == 0 {
		if w.upgradePhase != upgradeIdle {
			return fmt.Errorf("an upgrade in phase %d, and there is none ever", w.upgradePhase)
		}
		return nil
	}
	phase, bad := w.upgradePhase, w.bad()
	batch, rollback := w.q.at[w.timers.batch], w.q.at[w.timers.rollback]
	walks := phase == upgradeForward || phase == upgradeBack
	if phase > upgradeBack || w.rolledBack < 0 || w.rolledBack > w.upgraded || int(w.upgraded) > w.nodes ||
		walks != (batch != env.Never) || phase >= upgradeDone && !bad || phase == upgradeDone && int(w.upgraded) < w.nodes ||
		phase != upgradeBack && phase != upgradeIdle && w.rolledBack != 0 ||
		(bad && (phase == upgradeForward || phase == upgradeDone)) != (rollback != env.Never) {
		return fmt.Errorf("an upgrade, bad: %v, in phase %d of %d nodes, %d rolled back, next batch at %d, rollback at %d",
			bad, phase, w.upgraded, w.rolledBack, batch, rollback)
	}
	return nil
}
