package cluster

import (
	"math"

	"mend/env"
	"mend/env/seed"
)

// Phases of the rolling upgrade.
const (
	upgradeIdle    uint8 = iota
	upgradeForward       // it walks over the nodes
	upgradeDone          // all nodes run a bad build
	upgradeBack          // the rollback walks over the nodes
)

// upgrade begins the upgrade with draws f, unless one is under way.
func (w *World) upgrade(f seed.Seed) {
	if w.upgradePhase != upgradeIdle {
		return
	}
	w.upgradePhase, w.upgradeDraws, w.upgraded, w.rolledBack = upgradeForward, f, 0, 0
	if w.bad() {
		u := &w.cfg.Failures.Upgrade
		w.q.set(w.timers.rollback, w.now+lognormal(u.RollbackMedian.Hours(), u.RollbackSigma, f.At(drawRollback, 0)))
	}
	w.upgradeBatch()
}

// bad reports whether the build of the present upgrade is.
func (w *World) bad() bool {
	return seed.Uniform(w.upgradeDraws.At(drawBad, 0)) < w.cfg.Failures.Upgrade.Bad
}

func lognormal(hoursMedian, sigma float64, bits uint64) env.Time {
	return hours(hoursMedian * math.Exp(sigma*seed.Normal(bits)))
}

// rebootTime is how long a node is down when it restarts for an upgrade, by
// draw i of f.
func (w *World) rebootTime(f seed.Seed, i uint64) env.Time {
	u := &w.cfg.Failures.Upgrade
	return lognormal(u.Median.Hours(), u.Sigma, f.At(drawOutage+i, 0))
}

// badBuild reports whether node n runs a bad build.
func (w *World) badBuild(n int32) bool {
	return w.upgradePhase != upgradeIdle && n >= w.rolledBack && n < w.upgraded && w.bad()
}

// upgrading reports whether an upgrade or its rollback is under way.
func (w *World) upgrading() bool { return w.upgradePhase != upgradeIdle }

// upgradeProgress is the share of nodes that run the new build of an upgrade
// under way.
func (w *World) upgradeProgress() float64 {
	if !w.upgrading() {
		return 0
	}
	return float64(w.upgraded-w.rolledBack) / float64(w.nodes)
}

// upgradeBatch restarts the next nodes, with the new build or the old one.
func (w *World) upgradeBatch() {
	u := &w.cfg.Failures.Upgrade
	size := int32(math.Ceil(u.Batch * float64(w.nodes)))
	walked, end := &w.upgraded, int32(w.nodes)
	if w.upgradePhase == upgradeBack {
		walked, end = &w.rolledBack, w.upgraded
	}
	first := *walked
	last := min(end, first+size)
	w.fold(upgrade, uint32(w.upgradePhase)<<30|uint32(first), w.upgradeDraws)
	*walked = last
	for n := first; n < last; n++ {
		draw := uint64(n)
		if w.upgradePhase == upgradeBack {
			draw += uint64(w.nodes)
			// The gap to the crash that does not come is used up.
			w.q.cancel(w.timers.process[crash] + n)
			w.ordinal[crash][n]++
		} else if w.badBuild(n) {
			w.next(crash, uint32(n))
		}
		w.cureSlow(n)
		w.strike(n, w.rebootTime(w.upgradeDraws, draw), false)
	}
	switch {
	case last < end:
		w.q.set(w.timers.batch, w.now+simulated(u.BatchEvery))
	case w.upgradePhase == upgradeForward && w.bad():
		w.upgradePhase = upgradeDone
	default:
		w.upgradePhase = upgradeIdle
	}
}

// rollback begins to undo a bad upgrade.
func (w *World) rollback() {
	w.upgradePhase = upgradeBack
	w.q.cancel(w.timers.batch)
	w.upgradeBatch()
}
