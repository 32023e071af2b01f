package cluster

import (
	"fmt"
	"time"

	"mend/configs/field"
	"mend/env"
	"mend/env/state"
)

// Suspicion is what the controller makes of an alarm.
type Suspicion struct {
	// TTL is how long an alarm stands; with it end the cordon or drain that it
	// led to.
	TTL time.Duration `yaml:"ttl" json:"ttl"`
	// Flaps raises an alarm when a node returns that has become unreachable so
	// often, decaying over a week; 0: never.
	Flaps float64 `yaml:"flaps" json:"flaps"`
	// ReplaceTime is how long a machine that is exchanged on order is away.
	ReplaceTime time.Duration `yaml:"replace_time" json:"replace_time"`
}

// defaultSuspicion: assumed.
func defaultSuspicion() Suspicion {
	return Suspicion{TTL: 7 * days, Flaps: 3, ReplaceTime: 30 * time.Minute}
}

func (s Suspicion) validate(e *field.Errors) {
	e.Want(s.TTL >= time.Minute && s.TTL <= 100*365*days, "suspicion.ttl", s.TTL, "1m to 876000h")
	e.Want(s.Flaps == 0 || s.Flaps >= 1 && s.Flaps <= 1e6, "suspicion.flaps", s.Flaps, "1 to 1e6, or 0 for never")
	e.Want(s.ReplaceTime >= time.Minute && s.ReplaceTime <= 365*days, "suspicion.replace_time", s.ReplaceTime, "1m to 8760h")
}

// The kinds of alarm.
const (
	noAlarm        uint8 = iota
	alarmPredictor       // the node will be lost
	alarmDetector        // the node is slower than its peers
	alarmSpot            // the provider will take the node away
	alarmFlapping        // the node has become unreachable again and again
	alarms
)

// suspicions are the alarms that stand, by node; the node's flag says whether
// one does.
type suspicions struct {
	kind     []uint8
	score    []float64  // 0 to 1
	since    []env.Time // when it was raised
	until    []env.Time // when it ends
	deadline []env.Time // when the node will be taken away; env.Never where not announced
	asked    []uint16   // decisions on it
	standing int32      // their number
	cordoned int32      // nodes that are cordoned
}

func newSuspicions(nodes int) suspicions {
	return suspicions{
		kind: make([]uint8, nodes), score: make([]float64, nodes), since: make([]env.Time, nodes),
		until: make([]env.Time, nodes), deadline: make([]env.Time, nodes), asked: make([]uint16, nodes),
	}
}

func (s *suspicions) reset() {
	clear(s.kind)
	clear(s.score)
	clear(s.since)
	clear(s.until)
	fill(s.deadline, env.Never)
	clear(s.asked)
	s.standing, s.cordoned = 0, 0
}

func (s *suspicions) fields(c *state.Codec) {
	state.Fixed(c, s.kind)
	state.Fixed(c, s.score)
	state.Fixed(c, s.since)
	state.Fixed(c, s.until)
	state.Fixed(c, s.deadline)
	state.Fixed(c, s.asked)
	state.Value(c, &s.standing)
	state.Value(c, &s.cordoned)
}

// raise makes node n, which the controller takes for reachable, suspect and
// asks about it. Of two alarms that stand, the one of the higher score is kept,
// for as long as the later one. With an alarm comes a measurement of latency.
func (w *World) raise(n int32, kind uint8, score float64) {
	s := &w.suspicions
	if w.nodeFlags[n]&nodeSuspect == 0 {
		w.nodeFlags[n] |= nodeSuspect
		s.standing++
		s.asked[n] = 0
	} else if score < s.score[n] {
		kind, score = s.kind[n], s.score[n]
	}
	if kind != s.kind[n] || score != s.score[n] {
		s.since[n] = w.now
	}
	s.kind[n], s.score[n] = kind, score
	s.until[n] = w.now + simulated(w.cfg.Suspicion.TTL)
	w.q.set(w.timers.askSuspect+n, w.now)
}

// endSuspicion lets the alarm on node n go, and what was done because of it.
func (w *World) endSuspicion(n int32) {
	s := &w.suspicions
	f := w.nodeFlags[n]
	if f&nodeSuspect == 0 {
		return
	}
	s.standing--
	if f&nodeDraining != 0 {
		w.stay(n, true)
	}
	if f&nodeCordoned != 0 {
		s.cordoned--
		w.health[n] &^= healthBarred
		w.admitSoon = true // it takes copies again
	}
	w.nodeFlags[n] &^= nodeSuspect | nodeCordoned | nodeRebooted
	s.kind[n], s.score[n], s.since[n], s.until[n], s.deadline[n] = noAlarm, 0, 0, 0, env.Never
	w.q.cancel(w.timers.askSuspect + n)
}

// suspectDue asks about the suspect n, or ends the suspicion where its time is
// over. While the node is unreachable only its end is waited for.
func (w *World) suspectDue(n int32) bool {
	s := &w.suspicions
	if w.now >= s.until[n] {
		w.endSuspicion(n)
		return false
	}
	if w.nodeFlags[n]&nodeUnreachable != 0 {
		w.askAgain(n, env.Never)
		return false
	}
	again(&s.asked[n])
	w.ask(NodeSuspect, n, w.timers.askSuspect+n)
	return true
}

// askAgain sets the next question about the suspect n, no later than the end
// of its suspicion.
func (w *World) askAgain(n int32, at env.Time) {
	w.q.set(w.timers.askSuspect+n, min(at, w.suspicions.until[n]))
}

// returned is called when node n, with its data, has been heard again.
func (w *World) returned(n int32) {
	w.lastBeat[n] = w.now // what follows may take it down in this very instant
	if w.nodeFlags[n]&nodeSuspect != 0 {
		w.askAgain(n, w.now)
	}
	flaps := decayed(w.flaps[n], w.now-w.flapsAt[n], 7*env.Day)
	if most := w.cfg.Suspicion.Flaps; most > 0 && flaps >= most && w.now >= w.planned[n] {
		w.measure(n, w.telemetry.draw(streamNoticed, n, uint64(w.now)))
		w.raise(n, alarmFlapping, 1-most/(2*flaps))
	}
}

func (w *World) actSuspect(a Action, n int32) {
	next := w.now + w.pause(Hold)
	switch a {
	case Wait1m, Wait5m, Wait15m, Wait1h:
		next = w.now + w.pause(a)
	case Cordon:
		w.cordon(n)
	case Drain:
		w.cordon(n)
		w.drain(n)
	case Restart:
		w.restartLive(n)
		next = w.now + afterAction
	case Replace:
		w.exchange(n)
	}
	w.askAgain(n, next)
	if a <= Wait1h {
		w.tally.put(w.timers.askSuspect+n-w.timers.askNode, next)
	}
}

// cordon keeps new copies off node n. A node that drains is cordoned too, and
// remains so where its loss ends the draining.
func (w *World) cordon(n int32) {
	if w.nodeFlags[n]&nodeCordoned == 0 {
		w.nodeFlags[n] |= nodeCordoned
		w.health[n] |= healthBarred
		w.suspicions.cordoned++
	}
}

// restartLive restarts node n, which answers: it is away for the restart time,
// which the controller expects, and may be no longer slow afterwards.
func (w *World) restartLive(n int32) {
	w.charge(partActions, w.cfg.Prices.Restart)
	w.nodeFlags[n] |= nodeRebooted
	away := simulated(w.cfg.Failures.RestartTime)
	// Its first heartbeat comes within an interval of its return.
	w.planned[n] = w.now + away + w.heartbeat
	if w.up(n) {
		w.strike(n, away, false)
	}
	w.reboot(n) // it may have gone down just now
}

// exchange takes the machine of node n away with its data, and puts another in
// its place. The controller gives up what it held at once.
func (w *World) exchange(n int32) {
	w.charge(partActions, w.cfg.Prices.Replace)
	away := max(simulated(w.cfg.Suspicion.ReplaceTime), w.timeout+w.heartbeat)
	w.kill(n, away)
	w.q.set(w.timers.replace+n, w.now+away) // also where it was lost before
	w.planned[n] = w.now + away + w.heartbeat
	w.q.cancel(w.timers.monitor + n) // it will not be heard, nor missed
	w.lose(n)
	w.q.cancel(w.timers.askNode + n)
	w.declare(n)
	w.left(n)
}

// checkSuspicions makes sure that alarms stand as long as they are asked about.
func (w *World) checkSuspicions() error {
	s := &w.suspicions
	var standing, cordoned int32
	for n := range int32(w.nodes) {
		f := w.nodeFlags[n]
		suspect := f&nodeSuspect != 0
		asks := w.q.pending(w.timers.askSuspect+n) || w.kind == NodeSuspect && w.subject == n
		if suspect != (s.kind[n] != noAlarm) || s.kind[n] >= alarms || suspect && !asks || !suspect && w.q.pending(w.timers.askSuspect+n) {
			return fmt.Errorf("node %d is suspect: %v, alarm %d, will be asked about: %v", n, suspect, s.kind[n], asks)
		}
		if !(s.score[n] >= 0 && s.score[n] <= 1) || s.since[n] < 0 || s.since[n] > w.now || suspect && s.until[n] < w.now {
			return fmt.Errorf("node %d: alarm of score %g from %d to %d", n, s.score[n], s.since[n], s.until[n])
		}
		if suspect {
			standing++
		} else if f&(nodeCordoned|nodeDraining|nodeRebooted) != 0 {
			return fmt.Errorf("node %d is no suspect and treated as one", n)
		}
		if f&nodeCordoned != 0 {
			cordoned++
		}
		if barred := w.health[n]&healthBarred != 0; barred != (f&nodeCordoned != 0) || f&nodeDraining != 0 && !barred {
			return fmt.Errorf("node %d takes no copies: %v, cordoned or draining: %b", n, barred, f&(nodeCordoned|nodeDraining))
		}
	}
	if standing != s.standing || cordoned != s.cordoned {
		return fmt.Errorf("%d suspects, %d of them cordoned; counted %d and %d", standing, cordoned, s.standing, s.cordoned)
	}
	return nil
}
