package cluster

import (
	"mend/env"
	"mend/env/seed"
)

// doom is the time of the next loss of the machine in slot n.
func (w *World) doom(n int32) env.Time { return w.q.at[w.timers.process[permanent]+n] }

// cureSlow is called when node n is restarted on order: it may be no longer
// slow afterwards.
func (w *World) cureSlow(n int32) {
	d := w.telemetry.draw(streamMeasured, n, uint64(w.telemetry.changed[n]))
	if w.slow[n] > 1 && seed.Uniform(d.At(drawSlowCured, 0)) < w.cfg.Failures.RestartCures {
		w.slow[n] = 1
		w.slowed(n)
	}
}
