package cluster

import (
	"math"

	"mend/env"
	"mend/env/seed"
)

// process is one kind of exogenous failure.
type process uint8

const (
	transient process = iota
	maintenance
	permanent
	rackOutage
	burst
	processes
)

func (p process) String() string {
	return [...]string{"transient", "maintenance", "permanent", "rack outage", "burst"}[p]
}

// count is the number of slots that the process has: nodes or racks.
func (p process) count(nodes, racks int) int {
	if p <= permanent {
		return nodes
	}
	return racks
}

func (p process) slots(w *World) int { return p.count(w.nodes, w.racks) }

// Draws of one failure, by number.
const (
	drawGap uint64 = iota // until this failure, from the one before
	drawDuration
	drawCurable
	drawReplacement
	drawSize
	drawNodes            // from here on one for each node of the rack: which are struck,
	drawLoss   = 2 << 20 // which lose their data,
	drawCures  = 3 << 20 // which a restart would cure,
	drawOutage = 4 << 20 // and how long each is down
)

func (w *World) seed(s seed.Seed) {
	for p := range w.seeds {
		w.seeds[p] = s.Child(process(p).String(), 0)
	}
	w.beatSeed = s.Child("heartbeat", 0)
	w.placementSeed = s.Child("placement", 0)
	w.scriptSeed = s.Child("trace", 0)
}

// failure names the draws of one failure: those of (process, slot, ordinal).
func (w *World) failure(p process, slot, ordinal uint32) seed.Seed {
	return seed.Seed(w.seeds[p].At(uint64(slot), uint64(ordinal)))
}

// firstFailures sets the first failure of every slot.
func (w *World) firstFailures() {
	if w.script != nil {
		w.chooseScript()
	}
	for p := range processes {
		for slot := range p.slots(w) {
			w.next(p, uint32(slot))
		}
	}
	for n := range int32(w.nodes) {
		w.foretold(n)
	}
}

// next sets the timer of the failure that follows w.ordinal[p][slot].
func (w *World) next(p process, slot uint32) {
	id := w.timers.process[p] + int32(slot)
	if w.script != nil && p <= maintenance {
		at := env.Never
		if p == transient {
			at = w.scriptedOutage(int(slot), w.ordinal[p][slot]).Start
		}
		w.q.set(id, at)
		return
	}
	mttf := w.mttf(p)
	if mttf == 0 {
		return
	}
	gap := env.FromHours(mttf * seed.Exponential(w.failure(p, slot, w.ordinal[p][slot]).At(drawGap, 0)))
	if gap > env.Never-w.now {
		return // beyond the end of time
	}
	w.q.set(id, w.now+gap)
}

// mttf is the mean gap of the process in hours, 0 where it never strikes.
func (w *World) mttf(p process) float64 {
	f := &w.cfg.Failures
	switch p {
	case transient:
		return f.Transient.MTTF.Hours()
	case maintenance:
		return f.Maintenance.MTTF.Hours()
	case permanent:
		return f.PermanentMTTF.Hours()
	case rackOutage:
		return f.Rack.MTTF.Hours()
	}
	return f.Burst.MTTF.Hours()
}

// duration draws the length of an outage, at least a millisecond and short
// enough to be added to the time.
func (o *Outages) duration(bits uint64) env.Time {
	d := env.FromHours(o.Median.Hours() * math.Exp(o.Sigma*seed.Normal(bits)))
	return min(max(env.Millisecond, d), env.Never/2)
}

// offer lets the failure of timer id strike, and sets the slot's next one.
func (w *World) offer(id int32) {
	p := processes - 1
	for id < w.timers.process[p] {
		p--
	}
	slot := uint32(id - w.timers.process[p])
	k := w.ordinal[p][slot]
	f := w.failure(p, slot, k)
	w.offered = w.offered*0x100000001b3 ^ seed.Seed(w.now).At(uint64(p)<<32|uint64(slot), uint64(f))
	cfg := &w.cfg.Failures
	n := int32(slot)
	curable := seed.Uniform(f.At(drawCurable, 0)) < cfg.RestartCures
	switch {
	case w.script != nil && p == transient:
		o := w.scriptedOutage(int(slot), k)
		w.strike(n, o.End-o.Start, curable)
		if o.Lost {
			w.die(n, f)
		}
	case p == transient:
		w.strike(n, cfg.Transient.duration(f.At(drawDuration, 0)), curable)
	case p == maintenance:
		w.strike(n, cfg.Maintenance.duration(f.At(drawDuration, 0)), curable)
	case p == permanent:
		w.die(n, f)
	case p == rackOutage:
		w.strikeRack(int(slot), cfg.Rack.duration(f.At(drawDuration, 0)), f)
	case p == burst:
		w.strikeSome(int(slot), f)
	}
	w.ordinal[p][slot]++
	w.next(p, slot)
	if p == permanent {
		w.foretold(n)
	}
}

// up reports whether node n truly answers.
func (w *World) up(n int32) bool {
	return w.nodeFlags[n]&nodeDead == 0 && !w.rackDown[w.rackOf(n)] && !w.q.pending(w.timers.returns+n)
}

// strike takes node n down for a while; an outage under way is prolonged, not
// shortened.
func (w *World) strike(n int32, duration env.Time, curable bool) {
	if w.nodeFlags[n]&nodeDead != 0 {
		return
	}
	wasUp := w.up(n)
	until := w.now + duration
	id := w.timers.returns + n
	if w.q.pending(id) && w.q.at[id] >= until {
		return
	}
	w.q.set(id, until)
	w.nodeFlags[n] &^= nodeCurable
	if curable {
		w.nodeFlags[n] |= nodeCurable
	}
	if wasUp {
		w.nodeDown(n)
	}
}

// outageOver ends the outage of node n.
func (w *World) outageOver(n int32) {
	w.nodeFlags[n] &^= nodeCurable
	if w.up(n) {
		w.nodeUp(n)
	}
}

// die destroys what node n holds. An empty machine takes its place later, and
// not before the monitor has had time to notice.
func (w *World) die(n int32, f seed.Seed) {
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
	delay := env.FromHours(w.cfg.Failures.Replacement.Hours() * seed.Exponential(f.At(drawReplacement, 0)))
	w.q.set(w.timers.replace+n, w.now+max(delay, w.timeout+w.heartbeat))
}

// replaced puts an empty machine into the slot of the dead node n: it reports
// to the monitor, whose records of the node's copies are thereby void.
func (w *World) replaced(n int32) {
	if rack := w.rackOf(n); w.rackDown[rack] {
		// It cannot report before the rack is back.
		w.q.set(w.timers.replace+n, w.q.at[w.timers.rackEnd+int32(rack)]+w.heartbeat)
		return
	}
	w.q.cancel(w.timers.monitor + n)
	if w.nodeFlags[n]&nodeUnreachable == 0 {
		w.lose(n)
	}
	w.voidCopies(n)
	w.forget(n)
	w.nodeFlags[n] &^= nodeDead
	w.health[n] = healthHealthy
	w.badNodes--
	w.silent--
	w.dead--
	w.newMachine(n)
	w.foretold(n)
	w.upSince[n], w.lastBeat[n] = w.now, w.now
	for _, s := range w.gone {
		w.renew(s)
	}
	w.admitSoon = true
}

// strikeRack cuts a rack off; some of its nodes may not survive.
func (w *World) strikeRack(rack int, duration env.Time, f seed.Seed) {
	first := int32(rack * w.nodesPerRack)
	id := w.timers.rackEnd + int32(rack)
	until := w.now + duration
	if w.rackDown[rack] {
		if until > w.q.at[id] {
			w.q.set(id, until)
		}
	} else {
		w.q.set(id, until)
		struck := w.perm[:0]
		for n := first; n < first+int32(w.nodesPerRack); n++ {
			if w.up(n) {
				struck = append(struck, n)
			}
		}
		w.rackDown[rack] = true
		for _, n := range struck {
			w.nodeDown(n)
		}
	}
	for i := range w.nodesPerRack {
		if seed.Uniform(f.At(drawLoss+uint64(i), 0)) < w.cfg.Failures.Rack.LossProbability {
			w.die(first+int32(i), seed.Seed(f.At(drawReplacement, uint64(i))))
		}
	}
}

// rackOver ends the outage of a rack.
func (w *World) rackOver(rack int32) {
	w.rackDown[rack] = false
	first := rack * int32(w.nodesPerRack)
	for n := first; n < first+int32(w.nodesPerRack); n++ {
		if w.up(n) {
			w.nodeUp(n)
		}
	}
}

// strikeSome takes 1 + Geometric nodes of a rack down, MeanNodes on average
// (less where the rack is smaller), each for a time of its own.
func (w *World) strikeSome(rack int, f seed.Seed) {
	b := &w.cfg.Failures.Burst
	size := 1
	if b.MeanNodes > 1 {
		// P(extra >= k) = (1 − 1/mean)^k.
		size += int(min(1e6, math.Log(seed.Uniform(f.At(drawSize, 0)))/math.Log1p(-1/b.MeanNodes)))
	}
	size = min(size, w.nodesPerRack)
	for i := range w.perm {
		w.perm[i] = int32(i)
	}
	first := int32(rack * w.nodesPerRack)
	for i := range size {
		j := i + seed.Below(f.At(drawNodes+uint64(i), 1), w.nodesPerRack-i)
		w.perm[i], w.perm[j] = w.perm[j], w.perm[i]
		n, u := first+w.perm[i], uint64(i)
		w.strike(n, b.duration(f.At(drawOutage+u, 0)), seed.Uniform(f.At(drawCures+u, 0)) < w.cfg.Failures.RestartCures)
		if seed.Uniform(f.At(drawLoss+u, 0)) < b.LossProbability {
			w.die(n, seed.Seed(f.At(drawReplacement, u)))
		}
	}
}
