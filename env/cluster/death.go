package cluster

import (
	"math"
	"time"

	"mend/env"
	"mend/env/seed"
)

// die destroys what node n holds. An empty machine takes its place after an
// exponential time.
func (w *World) die(n int32, f seed.Seed) {
	w.kill(n, env.FromHours(w.cfg.Failures.Replacement.Hours()*seed.Exponential(f.At(drawReplacement, 0))))
}

// kill destroys what node n holds. An empty machine takes its place after
// delay, and not before the monitor has had time to notice.
func (w *World) kill(n int32, delay env.Time) {
	if w.nodeFlags[n]&nodeDead != 0 {
		return
	}
	wasUp := w.up(n)
	w.nodeFlags[n] = w.nodeFlags[n]&^nodeCurable | nodeDead
	w.q.cancel(w.timers.returns + n)
	if wasUp {
		w.nodeDown(n)
	}
	w.destroyCopies(n)
	w.q.set(w.timers.replace+n, w.now+max(delay, w.timeout+w.heartbeat))
	w.speedUp(n)
	w.foretold(n)
}

// replaced puts an empty machine into the slot of the dead node n: it reports
// to the monitor, whose records of the node's copies are thereby void.
func (w *World) replaced(n int32) {
	if until := w.cutUntil(n); until > 0 {
		// It cannot report before the way to the monitor is whole again.
		w.q.set(w.timers.replace+n, min(until, env.Never-1-w.heartbeat)+w.heartbeat)
		return
	}
	w.q.cancel(w.timers.monitor + n)
	if w.nodeFlags[n]&nodeUnreachable == 0 {
		w.lose(n)
	}
	w.voidCopies(n)
	f := w.nodeFlags[n]
	w.forget(n)
	w.nodeFlags[n] &^= nodeDead
	w.health[n] = healthHealthy
	if w.load.on {
		w.loadServes(n, f)
	}
	w.badNodes--
	w.quietNodes--
	w.deadNodes--
	w.upSince[n], w.lastBeat[n] = w.now, w.now
	w.newMachine(n)
	w.replaceMachine(n)
	for _, s := range w.gone {
		w.renew(s)
	}
	w.admitSoon = true
}

// Draws of one machine, by number.
const (
	drawModel uint64 = iota
	drawLemon
	drawAge
)

// machine names the draws of the machine that is now in slot n.
func (w *World) machine(n int32) seed.Seed {
	return seed.Seed(w.machineSeed.At(uint64(n), uint64(w.incarnation[n])))
}

// firstMachines puts the machines in place that an episode starts with.
func (w *World) firstMachines() {
	clear(w.incarnation)
	oldest := float64(simulated(w.cfg.Failures.Permanent.InitialAgeMax))
	for n := range int32(w.nodes) {
		w.born[n] = -env.Time(oldest * seed.Uniform(w.machine(n).At(drawAge, 0)))
	}
}

// replaceMachine puts a new machine into slot n, of an age and a model of its
// own.
func (w *World) replaceMachine(n int32) {
	w.incarnation[n]++
	w.born[n] = w.now
	w.foretold(n)
}

// lemon reports whether the machine in slot n is one.
func (w *World) lemon(n int32) bool {
	return seed.Uniform(w.machine(n).At(drawLemon, 0)) < w.cfg.Failures.Lemons.Share
}

// modelFactor is the factor of the hazard of the machine in slot n.
func (w *World) modelFactor(n int32) float64 {
	models := w.cfg.Failures.Permanent.Models
	if len(models) == 0 {
		return 1
	}
	u := seed.Uniform(w.machine(n).At(drawModel, 0))
	for i := range models {
		if u -= models[i].Share; u < 0 {
			return models[i].Factor
		}
	}
	return 1
}

// tested is the age at which a machine is put into service.
const tested = 24 * time.Hour

// ageFactor is g of the hazard, see Permanent.
func (p *Permanent) ageFactor(age env.Time) float64 {
	switch p.Hazard {
	case HazardBathtub:
		for i := range p.Bands {
			if age < simulated(p.Bands[i].Until) {
				return p.Bands[i].Factor
			}
		}
		return p.Bands[len(p.Bands)-1].Factor
	case HazardWeibull:
		k := p.Shape
		return k * math.Pow(math.Gamma(1+1/k), k) * math.Pow(age.Hours()/p.MTTF.Hours(), k-1)
	}
	return 1
}

// highest is the largest hazard, as a multiple of 1/MTTF, that any machine can
// have within horizon.
func (p *Permanent) highest(horizon time.Duration) float64 {
	if p.MTTF == 0 {
		return 1
	}
	age := 0.0
	switch p.Hazard {
	case HazardBathtub:
		for i := range p.Bands {
			age = max(age, p.Bands[i].Factor)
		}
	default: // monotone
		age = max(p.ageFactor(simulated(tested)), p.ageFactor(simulated(tested+p.InitialAgeMax+horizon)))
	}
	model, left := 0.0, 1.0
	for i := range p.Models {
		if p.Models[i].Share > 0 {
			model = max(model, p.Models[i].Factor)
		}
		left -= p.Models[i].Share
	}
	if left > 1e-9 {
		model = max(model, 1)
	}
	return age * model
}

// fatal reports whether the candidate for a permanent loss with draws f, at
// the given time, kills the machine that is in slot n now. Candidates come at
// the largest hazard there is; each is kept with probability h/h_max, so that
// what is kept has hazard h (Lewis and Shedler, "Simulation of nonhomogeneous
// Poisson processes by thinning", 1979). So all policies are offered the same
// candidates, whatever machines they have.
func (w *World) fatal(n int32, at env.Time, f seed.Seed) bool {
	age := at - w.born[n] + simulated(tested)
	h := w.modelFactor(n) * w.cfg.Failures.Permanent.ageFactor(age)
	return seed.Uniform(f.At(drawMark, 0))*w.hazardMax < h
}

// doom is when the machine in slot n will be lost if nothing is done and
// nothing outside it destroys it: env.Never if not before the end of foresight,
// or if it is lost already. It looks ahead over the candidates on offer.
func (w *World) doom(n int32) env.Time {
	if w.nodeFlags[n]&nodeDead != 0 {
		return env.Never
	}
	at := min(w.wearsOut(n), w.escalation(n))
	if w.replays[transient] != nil {
		at = min(at, w.recordedLoss(n))
	}
	if at > w.foresight() {
		return env.Never
	}
	return at
}

// wearsOut is the time of the next fatal candidate of slot n, or a time beyond
// foresight.
func (w *World) wearsOut(n int32) env.Time {
	if w.slots(permanent) == 0 {
		return env.Never
	}
	k := w.ordinal[permanent][n]
	at := w.q.at[w.timers.process[permanent]+n]
	if w.replays[permanent] != nil {
		return at
	}
	for at <= w.foresight() && !w.fatal(n, at, w.failure(permanent, uint32(n), k)) {
		k++
		gap := w.gap(permanent, uint32(n), k)
		if gap > env.Never-at {
			return env.Never
		}
		at += gap
	}
	return at
}
