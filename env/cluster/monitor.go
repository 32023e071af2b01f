package cluster

import (
	"math"

	"mend/env"
	"mend/env/seed"
)

// phase is the offset of node n's heartbeats: it sends them at phase + k·h.
func (w *World) phase(n int32) env.Time {
	return env.Time(seed.Below(w.beatSeed.At(uint64(n), 0), int(w.heartbeat)))
}

// beatBefore is when node n last sent a heartbeat before now, if it was up
// then. It may be before the start of the episode.
func (w *World) beatBefore(n int32) env.Time {
	since := (w.now - 1 - w.phase(n)) % w.heartbeat
	if since < 0 {
		since += w.heartbeat
	}
	return w.now - 1 - since
}

// nextBeat is the time of node n's first heartbeat at or after now.
func (w *World) nextBeat(n int32) env.Time { return w.beatBefore(n) + w.heartbeat }

// fellSilent is called when the heartbeats of node n, until now heard, cease to
// arrive.
func (w *World) fellSilent(n int32) {
	if beat := w.beatBefore(n); beat >= w.upSince[n] {
		w.lastBeat[n] = beat
	} // else it was not up for long enough to be heard
	id := w.timers.monitor + n
	if w.nodeFlags[n]&nodeUnreachable != 0 {
		w.q.cancel(id) // it will not be heard after all
	} else {
		w.q.set(id, w.lastBeat[n]+w.timeout)
	}
}

// spoke is called when the heartbeats of node n arrive again.
func (w *World) spoke(n int32) {
	w.upSince[n] = w.now
	id := w.timers.monitor + n
	beat := w.nextBeat(n)
	if w.nodeFlags[n]&nodeUnreachable != 0 {
		w.q.set(id, beat)
	} else if w.q.pending(id) && beat <= w.q.at[id] {
		w.q.cancel(id) // heard in time: the monitor never noticed
	}
}

// monitored is called when the monitor learns something of node n: that it has
// been silent for the timeout, or that it is back.
func (w *World) monitored(n int32) {
	if w.nodeFlags[n]&nodeUnreachable == 0 {
		w.lose(n)
		if w.heard(n) { // it came back too late for its heartbeat to be in time
			w.q.set(w.timers.monitor+n, w.nextBeat(n))
		}
		return
	}
	f := w.nodeFlags[n]
	w.forget(n)
	w.findCopies(n, f)
	w.returned(n)
}

// lose makes node n unreachable in the controller's belief and asks about it,
// soon, or when what was ordered no longer excuses its silence: until then it is
// not counted to what was lost.
func (w *World) lose(n int32) {
	w.nodeFlags[n] |= nodeUnreachable
	w.nodeFlags[n] &^= nodeRestarted
	w.asked[n] = 0
	due := w.now
	if w.now < w.planned[n] {
		w.nodeFlags[n] |= nodeRestarted
		due = w.planned[n]
	} else {
		w.flaps[n] = decayed(w.flaps[n], w.now-w.flapsAt[n], 7*env.Day) + 1
		w.flapsAt[n] = w.now
		w.losses10m = decayed(w.losses10m, w.now-w.lossesAt, 10*env.Minute) + 1
		w.losses1h = decayed(w.losses1h, w.now-w.lossesAt, env.Hour) + 1
		w.lossesAt = w.now
		w.noticeBurst()
	}
	w.unreachable++
	w.faultDomains.count(n, +1, +1)
	if int(w.faultDomains.unreachable[w.rackOf(n)]) == w.nodesPerRack {
		w.racksUnreachable++
	}
	w.reachableSpace -= int64(w.nodeCopies - w.held[n])
	w.lostAt[n] = w.now
	w.lost.append(n)
	w.loseCopies(n)
	w.joined(n, due+w.gatherTime())
}

// decayed is count after a while, decaying exponentially.
func decayed(count float64, elapsed, constant env.Time) float64 {
	return count * math.Exp(-float64(elapsed)/float64(constant))
}

// forget ends the monitor's suspicion of node n and questions about it. Its
// copies do not count yet.
func (w *World) forget(n int32) {
	f := w.nodeFlags[n]
	if f&nodeUnreachable == 0 {
		return
	}
	w.nodeFlags[n] &^= nodeUnreachable | nodeDeclared | nodeRestarted | nodeFailedOver
	w.unreachable--
	if int(w.faultDomains.unreachable[w.rackOf(n)]) == w.nodesPerRack {
		w.racksUnreachable--
	}
	members := int32(-1)
	if f&nodeDeclared != 0 {
		w.declared--
		w.zoneDeclared[w.zoneOf(n)]--
		members = 0
	}
	w.faultDomains.count(n, -1, members)
	w.reachableSpace += int64(w.nodeCopies - w.held[n])
	w.lost.remove(n)
	w.q.cancel(w.timers.askNode + n)
	w.left(n)
}
