package cluster

import (
	"math"

	"mend/env"
	"mend/env/seed"
)

// slowDown makes node n fail slow for a while, unless it is so already. It
// ends in the node's loss where lost is set, or with the configured
// probability.
func (w *World) slowDown(n int32, duration env.Time, lost bool, f seed.Seed) {
	if w.nodeFlags[n]&nodeDead != 0 || w.q.pending(w.timers.slowEnd+n) {
		return
	}
	w.slowDraws[n], w.slowLost[n], w.slowPhases[n] = f, lost || seed.Uniform(f.At(drawEscalates, 0)) < w.cfg.Failures.Slow.Escalates, 0
	w.q.set(w.timers.slowEnd+n, w.now+duration)
	if seed.Uniform(f.At(drawIntermittent, 0)) < w.cfg.Failures.Slow.Intermittent {
		w.q.set(w.timers.slowPhase+n, w.now+w.phaseLength(n))
	}
	w.setSlow(n, w.slowFactor(n))
	w.foretold(n)
}

// slowFactor is the slowdown of node n while its failure shows.
func (w *World) slowFactor(n int32) float32 {
	s := &w.cfg.Failures.Slow
	return float32(min(1e6, 1+(s.FactorMedian-1)*math.Exp(s.FactorSigma*seed.Normal(w.slowDraws[n].At(drawFactor, 0)))))
}

// phaseLength is the length of the present phase of a node that is slow now
// and then: even ones are slow, odd ones normal.
func (w *World) phaseLength(n int32) env.Time {
	k := w.slowPhases[n]
	mean := w.cfg.Failures.Slow.SlowPhase
	if k%2 == 1 {
		mean = w.cfg.Failures.Slow.NormalPhase
	}
	return hours(mean.Hours() * seed.Exponential(w.slowDraws[n].At(drawPhase, uint64(k))))
}

// nextPhase lets node n turn from slow to normal or back.
func (w *World) nextPhase(n int32) {
	w.slowPhases[n]++
	w.q.set(w.timers.slowPhase+n, w.now+w.phaseLength(n))
	if w.slowPhases[n]%2 == 1 {
		w.setSlow(n, 1)
	} else {
		w.setSlow(n, w.slowFactor(n))
	}
}

// slowOver ends the slowness of node n as it was to end: it heals, or is lost.
func (w *World) slowOver(n int32) {
	if w.slowLost[n] {
		w.die(n, seed.Seed(w.slowDraws[n].At(drawReplacement, 1)))
		return
	}
	w.speedUp(n)
}

// cureSlow is called where node n restarts: that heals some slow nodes.
func (w *World) cureSlow(n int32) {
	if w.slots(slowOnset) == 0 || !w.q.pending(w.timers.slowEnd+n) {
		return
	}
	if seed.Uniform(w.slowDraws[n].At(drawCurable, 1)) < w.cfg.Failures.Slow.RestartCures {
		w.speedUp(n)
		w.foretold(n)
	}
}

// speedUp ends the slowness of node n, if it is slow.
func (w *World) speedUp(n int32) {
	if w.slots(slowOnset) == 0 {
		return
	}
	w.q.cancel(w.timers.slowEnd + n)
	w.q.cancel(w.timers.slowPhase + n)
	w.slowDraws[n], w.slowLost[n], w.slowPhases[n] = 0, false, 0
	w.setSlow(n, 1)
}

func (w *World) setSlow(n int32, x float32) {
	if w.slow[n] != x {
		w.slow[n] = x
		if w.load.on {
			w.reclass(n)
		}
		w.slowed(n)
	}
}

// escalation is when the slowness of node n will end in its loss, or
// env.Never.
func (w *World) escalation(n int32) env.Time {
	if w.slots(slowOnset) == 0 || !w.slowLost[n] {
		return env.Never
	}
	return w.q.at[w.timers.slowEnd+n]
}
