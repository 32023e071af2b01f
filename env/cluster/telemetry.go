package cluster

import (
	"fmt"
	"math"
	"time"

	"mend/configs/field"
	"mend/env"
	"mend/env/seed"
	"mend/env/state"
)

// Predictor foresees losses of nodes. Its alarms are exogenous: whether and when
// a loss is foreseen depends on nothing but the seed, the slot and the time of
// the loss, and mistaken alarms are a process of their own.
type Predictor struct {
	// Preset is none, weak, smart, good or oracle, or custom: then Recall,
	// Precision, Lead and LeadSigma count, which the others do without.
	Preset string `yaml:"preset" json:"preset"`
	// Recall is the share of losses that are foreseen, Precision the share of
	// alarms that a loss follows.
	Recall    float64 `yaml:"recall" json:"recall"`
	Precision float64 `yaml:"precision" json:"precision"`
	// Lead is the median of the lognormal time from an alarm to the loss, at
	// most a year; LeadSigma is the σ of its logarithm.
	Lead      time.Duration `yaml:"lead" json:"lead"`
	LeadSigma float64       `yaml:"lead_sigma" json:"lead_sigma"`
	// From DriftAt on (0: never) recall and precision are these.
	DriftAt        time.Duration `yaml:"drift_at" json:"drift_at"`
	DriftRecall    float64       `yaml:"drift_recall" json:"drift_recall"`
	DriftPrecision float64       `yaml:"drift_precision" json:"drift_precision"`
}

// Detector finds slow nodes by comparing their latency with that of their
// peers.
type Detector struct {
	// Recall is the chance that it raises an alarm on a node that has become
	// slower than Slowdown times its peers; 0: no alarms.
	Recall   float64 `yaml:"recall" json:"recall"`
	Slowdown float64 `yaml:"slowdown" json:"slowdown"`
	// Delay is the mean of the exponential time until a change of a node's
	// speed is measured, Noise the σ of the lognormal error of a measurement.
	Delay time.Duration `yaml:"delay" json:"delay"`
	Noise float64       `yaml:"noise" json:"noise"`
	// FalsePerYear is how many alarms it raises for no reason, per node.
	FalsePerYear float64 `yaml:"false_per_year" json:"false_per_year"`
}

// forecast is the quality of a predictor.
type forecast struct {
	recall, precision float64
	lead              time.Duration
	sigma             float64
}

// presets: weak and good are assumed, between them the predictors of node
// failures from a day ahead in Google's trace, with recall 27 to 88 % and
// precision 50 to 72 % (Sîrbu and Babaoglu, 2016). smart is the rule "any of
// SMART 5, 187, 197 and 198 is above 0" on Backblaze's drives: half of the
// alarms come 105 days ahead, 87 % a week ahead, which makes σ = 2.4.
var presets = []struct {
	name string
	forecast
}{
	{"none", forecast{}},
	{"weak", forecast{0.30, 0.50, 6 * time.Hour, 1}},
	{"smart", forecast{0.64, 0.49, 105 * days, 2.4}},
	{"good", forecast{0.80, 0.70, 24 * time.Hour, 1}},
	{"oracle", forecast{1, 1, 24 * time.Hour, 0}},
}

// leadMost is the longest lead. With it smart keeps about 5 % of the drives
// under an alarm, where the rule was measured at 4 %.
const leadMost = 365 * days

func defaultPredictor() Predictor { return Predictor{Preset: "none"} }

// defaultDetector raises no alarms. Its other figures are assumed.
func defaultDetector() Detector {
	return Detector{Slowdown: 2, Delay: 10 * time.Minute, Noise: 0.1, FalsePerYear: 0.2}
}

// forecast resolves the preset.
func (p Predictor) forecast() (forecast, bool) {
	if p.Preset == "custom" {
		return forecast{p.Recall, p.Precision, p.Lead, p.LeadSigma}, true
	}
	for _, x := range presets {
		if x.name == p.Preset {
			return x.forecast, true
		}
	}
	return forecast{}, false
}

func (p Predictor) validate(e *field.Errors) {
	f, ok := p.forecast()
	e.Want(ok, "predictor.preset", p.Preset, "none, weak, smart, good, oracle or custom")
	e.Want(share(p.Recall), "predictor.recall", p.Recall, "0 to 1")
	e.Want(share(p.Precision), "predictor.precision", p.Precision, "0 to 1")
	e.Want(p.LeadSigma >= 0 && p.LeadSigma <= 5, "predictor.lead_sigma", p.LeadSigma, "0 to 5")
	e.Want(p.DriftAt >= 0, "predictor.drift_at", p.DriftAt, "a duration, or 0 for never")
	e.Want(share(p.DriftRecall), "predictor.drift_recall", p.DriftRecall, "0 to 1")
	e.Want(share(p.DriftPrecision), "predictor.drift_precision", p.DriftPrecision, "0 to 1")
	if ok && f.recall > 0 {
		e.Want(f.precision >= 0.001, "predictor.precision", p.Precision, "at least 0.001 where recall is above 0")
		e.Want(f.lead >= time.Second && f.lead <= leadMost, "predictor.lead", p.Lead, "1s to 8760h where recall is above 0")
	}
	if p.DriftAt > 0 && p.DriftRecall > 0 {
		e.Want(f.lead > 0, "predictor.drift_recall", p.DriftRecall, "0 where nothing is foreseen before drift_at")
		e.Want(p.DriftPrecision >= 0.001, "predictor.drift_precision", p.DriftPrecision, "at least 0.001 where drift_recall is above 0")
	}
}

func (d Detector) validate(e *field.Errors) {
	e.Want(share(d.Recall), "detector.recall", d.Recall, "0 to 1")
	e.Want(d.Slowdown > 1 && d.Slowdown <= 1000, "detector.slowdown", d.Slowdown, "above 1, to 1000")
	e.Want(d.Delay >= time.Second && d.Delay <= 365*days, "detector.delay", d.Delay, "1s to 8760h")
	e.Want(d.Noise >= 0 && d.Noise <= 5, "detector.noise", d.Noise, "0 to 5")
	e.Want(d.FalsePerYear >= 0 && d.FalsePerYear <= 1e6, "detector.false_per_year", d.FalsePerYear, "0 to 1e6")
}

// Streams of draws of the telemetry.
const (
	streamForetold  = iota // by slot and time of the loss
	streamMistaken         // by slot and ordinal
	streamStanding         // by slot: false alarms that stand when the episode starts
	streamMeasured         // by slot and time of the change
	streamDisturbed        // by slot and ordinal
	streamNoticed          // by slot and time: what was announced, or noticed on its return
	streamCount
)

// Draws within one of a stream, by number.
const (
	drawWhether uint64 = iota // the loss is foreseen, the slow node found out
	drawWhen                  // lead, gap or delay
	drawScore                 // of the alarm
	drawCount                 // of errors that come with it
	drawNoise                 // of the latency measured with it
)

// telemetry is what nodes report of their health, by node, and what is needed
// to draw it.
type telemetry struct {
	forecast forecast
	seeds    [streamCount]seed.Seed

	// What the controller sees.
	latency  []float64  // ratio to peers when it was last measured
	errors   []float64  // that came with alarms, decaying over a day
	errorsAt []env.Time // when errors was right
	smart    []float64  // lasting errors that the predictor goes by

	// Hidden.
	changed   []env.Time // when its speed last changed
	mistakes  []uint32   // ordinals of the false alarms
	disturbed []uint32
}

func newTelemetry(w *World) telemetry {
	t := telemetry{
		latency: make([]float64, w.nodes), errors: make([]float64, w.nodes), errorsAt: make([]env.Time, w.nodes),
		smart:   make([]float64, w.nodes),
		changed: make([]env.Time, w.nodes), mistakes: make([]uint32, w.nodes), disturbed: make([]uint32, w.nodes),
	}
	t.forecast, _ = w.cfg.Predictor.forecast()
	return t
}

func (t *telemetry) reset(s seed.Seed) {
	t.seed(s)
	fill(t.latency, 1)
	clear(t.errors)
	clear(t.errorsAt)
	clear(t.smart)
	clear(t.changed)
	clear(t.mistakes)
	clear(t.disturbed)
}

func (t *telemetry) seed(s seed.Seed) {
	for i := range t.seeds {
		t.seeds[i] = s.Child("telemetry", uint64(i))
	}
}

func (t *telemetry) fields(c *state.Codec) {
	state.Fixed(c, t.seeds[:])
	state.Fixed(c, t.latency)
	state.Fixed(c, t.errors)
	state.Fixed(c, t.errorsAt)
	state.Fixed(c, t.smart)
	state.Fixed(c, t.changed)
	state.Fixed(c, t.mistakes)
	state.Fixed(c, t.disturbed)
}

// draw names the draws of one event of a stream.
func (t *telemetry) draw(stream int, n int32, ordinal uint64) seed.Seed {
	return seed.Seed(t.seeds[stream].At(uint64(n), ordinal))
}

// drifted reports whether the predictor is, at the time at, what it drifts to.
func (w *World) drifted(at env.Time) bool {
	p := &w.cfg.Predictor
	return p.DriftAt > 0 && at >= simulated(p.DriftAt)
}

// recallAt is the chance that a loss is foreseen whose alarm would be at that
// time.
func (w *World) recallAt(at env.Time) float64 {
	if w.drifted(at) {
		return w.cfg.Predictor.DriftRecall
	}
	return w.telemetry.forecast.recall
}

// mistakeRate is how many false alarms of the predictor there are an hour and
// node, such that the wanted share of alarms is right:
//
//	precision = true / (true + false), true = recall · λ,
//	so that false = recall · λ · (1 − precision) / precision,
//
// where λ is the configured mean rate of the losses that can be foreseen: those
// of age, 1/Permanent.MTTF (at the mean of its hazard), and of slow nodes,
// Escalates/Slow.MTTF. Losses in outages and bursts, and of spot nodes, are not.
func (w *World) mistakeRate(drifted bool) float64 {
	recall, precision := w.telemetry.forecast.recall, w.telemetry.forecast.precision
	if drifted {
		recall, precision = w.cfg.Predictor.DriftRecall, w.cfg.Predictor.DriftPrecision
	}
	f, losses := &w.cfg.Failures, 0.0
	if f.Permanent.MTTF > 0 {
		losses = 1 / f.Permanent.MTTF.Hours()
	}
	if f.Slow.MTTF > 0 {
		losses += f.Slow.Escalates / f.Slow.MTTF.Hours()
	}
	if recall == 0 {
		return 0
	}
	return recall * losses * (1 - precision) / precision
}

// leadOf draws the time from an alarm to the loss.
func (w *World) leadOf(d seed.Seed) env.Time {
	f := &w.telemetry.forecast
	return min(env.FromHours(f.lead.Hours()*math.Exp(f.sigma*seed.Normal(d.At(drawWhen, 0)))), simulated(leadMost))
}

// foresight is up to when losses matter: where they are foreseen, beyond the end
// of the episode, for the alarms come before it.
func (w *World) foresight() env.Time {
	if w.telemetry.forecast.lead == 0 {
		return w.horizon
	}
	return w.horizon + simulated(leadMost)
}

// meanLead is the mean of leadOf in hours: of a lognormal X of median m, cut
// at M,
//
//	E min(X, M) = m·e^(σ²/2)·N((ln(M/m) − σ²)/σ) + M·N(−ln(M/m)/σ),
//
// N being the distribution function of the standard normal.
func (f *forecast) meanLead() float64 {
	m, most := f.lead.Hours(), leadMost.Hours()
	if f.sigma == 0 {
		return m
	}
	normal := func(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }
	x := math.Log(most / m)
	return m*math.Exp(f.sigma*f.sigma/2)*normal((x-f.sigma*f.sigma)/f.sigma) + most*normal(-x/f.sigma)
}

// firstAlarms sets the first false alarms of every node. Losses soon after the
// start may have been foreseen before it: their alarms come at the start. So
// that these are as often right as later ones, false alarms stand then too: of
// those of the mean lead before the start.
func (w *World) firstAlarms() {
	t := &w.telemetry
	standing := 0.0
	if r := w.mistakeRate(w.drifted(0)); r > 0 {
		standing = r * t.forecast.meanLead()
	}
	for n := range int32(w.nodes) {
		if seed.Exponential(t.draw(streamStanding, n, 0).At(drawWhether, 0)) < standing {
			w.q.set(w.timers.mistaken+n, 0)
		} else {
			w.nextMistake(n)
		}
		w.nextDisturbance(n)
	}
}

// foretold is called when the time of node n's next loss may have changed: at
// the start, and when its machine is another.
func (w *World) foretold(n int32) {
	id := w.timers.predicted + n
	w.q.cancel(id)
	loss := w.doom(n)
	if loss == env.Never || w.telemetry.forecast.lead == 0 {
		return
	}
	d := w.telemetry.draw(streamForetold, n, uint64(loss))
	at := max(w.now, loss-w.leadOf(d))
	if seed.Uniform(d.At(drawWhether, 0)) < w.recallAt(at) {
		w.q.set(id, at)
	}
}

// reports reports whether node n is heard, and known to be.
func (w *World) reports(n int32) bool { return w.nodeFlags[n]&nodeUnreachable == 0 && w.heard(n) }

// predicted raises the alarm that node n will be lost. Scores are such that a
// policy can tell good alarms from bad ones, though not surely: those of true
// alarms have density 2x, those of false ones 2(1 − x), so that an alarm of
// score x is true with probability p·x / (p·x + (1 − p)·(1 − x)), p being the
// precision. (Assumed.)
func (w *World) predicted(n int32) {
	if loss := w.doom(n); w.reports(n) && loss != env.Never {
		d := w.telemetry.draw(streamForetold, n, uint64(loss))
		w.degrade(n, d)
		w.measure(n, d)
		w.raise(n, alarmPredictor, math.Sqrt(seed.Uniform(d.At(drawScore, 0))))
	}
}

// mistaken raises the same alarm on a node that will not be lost.
func (w *World) mistaken(n int32) {
	d := w.telemetry.draw(streamMistaken, n, uint64(w.telemetry.mistakes[n]))
	w.offeredAlarm(n, d)
	if w.reports(n) {
		w.degrade(n, d)
		w.measure(n, d)
		w.raise(n, alarmPredictor, 1-math.Sqrt(seed.Uniform(d.At(drawScore, 0))))
	}
	w.telemetry.mistakes[n]++
	w.nextMistake(n)
}

// degrade counts the lasting errors that made the predictor raise an alarm.
func (w *World) degrade(n int32, d seed.Seed) {
	w.telemetry.smart[n] += 1 + math.Floor(4*seed.Exponential(d.At(drawCount, 0)))
}

// nextMistake sets the next false alarm: unit exponentials in the integral of
// the rate, which drifts.
func (w *World) nextMistake(n int32) {
	t := &w.telemetry
	x := seed.Exponential(t.draw(streamMistaken, n, uint64(t.mistakes[n])).At(drawWhen, 0))
	from := w.now
	if drift := simulated(w.cfg.Predictor.DriftAt); w.cfg.Predictor.DriftAt > 0 && !w.drifted(w.now) {
		before := w.mistakeRate(false) * (drift - w.now).Hours()
		if x < before {
			w.after(w.timers.mistaken+n, from, x/w.mistakeRate(false))
			return
		}
		x, from = x-before, drift
	}
	if r := w.mistakeRate(w.drifted(from)); r > 0 {
		w.after(w.timers.mistaken+n, from, x/r)
	}
}

// after sets timer id to some hours after from, unless that is beyond the end
// of time.
func (w *World) after(id int32, from env.Time, hours float64) {
	if gap := env.FromHours(hours); gap < env.Never-from {
		w.q.set(id, from+gap)
	}
}

// offeredAlarm counts an alarm to the digest of what is offered to all policies.
func (w *World) offeredAlarm(n int32, d seed.Seed) {
	w.offered = w.offered*0x100000001b3 ^ seed.Seed(w.now).At(uint64(n), uint64(d))
}

// slowed is called when the true slowdown of node n has changed.
func (w *World) slowed(n int32) {
	t := &w.telemetry
	t.changed[n] = w.now
	d := t.draw(streamMeasured, n, uint64(w.now))
	w.after(w.timers.measured+n, w.now, w.cfg.Detector.Delay.Hours()*seed.Exponential(d.At(drawWhen, 0)))
}

// measured measures the latency of node n after its speed has changed, or
// later, where it does not answer. A slow node may raise an alarm, of a score
// that grows with its slowdown.
func (w *World) measured(n int32) {
	if !w.reports(n) {
		w.q.set(w.timers.measured+n, w.now+simulated(w.cfg.Detector.Delay))
		return
	}
	t, c := &w.telemetry, &w.cfg.Detector
	d := t.draw(streamMeasured, n, uint64(t.changed[n]))
	w.measure(n, d)
	if float64(w.slow[n]) >= c.Slowdown && seed.Uniform(d.At(drawWhether, 0)) < c.Recall {
		w.fault(n, d)
		w.raise(n, alarmDetector, 1-1/max(1, t.latency[n]))
	}
}

// measure stores how slow node n looks.
func (w *World) measure(n int32, d seed.Seed) {
	w.telemetry.latency[n] = float64(w.slow[n]) * math.Exp(w.cfg.Detector.Noise*seed.Normal(d.At(drawNoise, 0)))
}

// fault counts the errors that come with a slow node.
func (w *World) fault(n int32, d seed.Seed) {
	t := &w.telemetry
	t.errors[n] = decayed(t.errors[n], w.now-t.errorsAt[n], env.Day) + 1 + math.Floor(10*seed.Exponential(d.At(drawCount, 0)))
	t.errorsAt[n] = w.now
}

// disturbed raises the alarm that node n is slow for no reason but a passing
// disturbance, which makes its latency look as if it were.
func (w *World) disturbed(n int32) {
	t := &w.telemetry
	d := t.draw(streamDisturbed, n, uint64(t.disturbed[n]))
	w.offeredAlarm(n, d)
	if w.reports(n) {
		w.fault(n, d)
		// As slow as a slow node looks; it is over when the node is next measured.
		t.latency[n] = w.cfg.Detector.Slowdown * math.Exp(math.Abs(seed.Normal(d.At(drawNoise, 0))))
		w.raise(n, alarmDetector, 1-1/t.latency[n])
		w.after(w.timers.measured+n, w.now, w.cfg.Detector.Delay.Hours()*seed.Exponential(d.At(drawWhether, 0)))
	}
	t.disturbed[n]++
	w.nextDisturbance(n)
}

func (w *World) nextDisturbance(n int32) {
	if r := w.cfg.Detector.FalsePerYear / (365 * 24); w.cfg.Detector.Recall > 0 && r > 0 {
		d := w.telemetry.draw(streamDisturbed, n, uint64(w.telemetry.disturbed[n]))
		w.after(w.timers.disturbed+n, w.now, seed.Exponential(d.At(drawWhen, 0))/r)
	}
}

// warned is called when the provider announces that node n will be taken away
// at the given time.
func (w *World) warned(n int32, at env.Time) {
	if w.nodeFlags[n]&nodeUnreachable == 0 {
		if w.reports(n) {
			w.measure(n, w.telemetry.draw(streamNoticed, n, uint64(w.now)))
		}
		w.raise(n, alarmSpot, 1)
		w.suspicions.deadline[n] = at
	}
}

// newMachine is called when another machine has taken the place of node n.
func (w *World) newMachine(n int32) {
	t := &w.telemetry
	w.q.cancel(w.timers.measured + n)
	t.latency[n], t.errors[n], t.smart[n] = 1, 0, 0
	w.planned[n] = 0
	w.endSuspicion(n)
}

// checkTelemetry makes sure that what nodes report are numbers.
func (w *World) checkTelemetry() error {
	t := &w.telemetry
	for n := range w.nodes {
		for _, x := range [...]float64{t.latency[n], t.errors[n], t.smart[n]} {
			if !(x >= 0 && x <= math.MaxFloat64) {
				return fmt.Errorf("node %d reports latency ratio %g, %g errors and %g lasting ones", n, t.latency[n], t.errors[n], t.smart[n])
			}
		}
		for _, at := range [...]env.Time{t.errorsAt[n], t.changed[n], w.flapsAt[n], w.lossesAt} {
			if at < 0 || at > w.now {
				return fmt.Errorf("node %d: erred, changed speed or was lost at %d, want 0 to now, %d", n, at, w.now)
			}
		}
	}
	return nil
}
