package cluster

import "mend/env"

// nodeDown is called when node n, until now up, ceases to answer.
func (w *World) nodeDown(n int32) {
	for r := w.head[n]; r != none; r = w.repNext[r] {
		if w.repState[r] == replicaLive {
			w.setReadable(r/int32(w.width), -1)
		}
	}
	w.abortFlowsOf(n)
	if !w.silent(n) {
		w.fellSilent(n)
	}
}

// nodeUp is called when node n answers again.
func (w *World) nodeUp(n int32) {
	for r := w.head[n]; r != none; r = w.repNext[r] {
		if w.repState[r] == replicaLive {
			w.setReadable(r/int32(w.width), +1)
		}
	}
	if !w.silent(n) {
		w.spoke(n)
	}
}

// setReadable changes the number of readable copies of shard s by d and keeps
// account of unavailability and of the time to repair.
func (w *World) setReadable(s int32, d int8) {
	before := w.readable[s]
	after := uint8(int8(before) + d)
	w.readable[s] = after
	quorum := uint8(w.cfg.Data.Quorum)
	if (before < quorum) != (after < quorum) {
		change := int32(1)
		if after >= quorum {
			change = -1
		}
		w.ledger.unavailable += change
		if w.shardFlags[s]&shardLost == 0 {
			w.ledger.chargedUnavailable += change
		}
	}
	wants := uint8(w.wants)
	if before >= wants && after < wants {
		w.underSince[s] = w.now
	} else if before < wants && after >= wants && w.underSince[s] != env.Never {
		w.ledger.repairSeconds += (w.now - w.underSince[s]).Seconds()
		w.ledger.restored++
		w.underSince[s] = env.Never
	}
}

// destroyed accounts for the end of one intact copy of shard s; the last one
// loses the shard.
func (w *World) destroyed(s int32) {
	w.intact[s]--
	if w.intact[s] > 0 || w.shardFlags[s]&shardLost != 0 {
		return
	}
	w.shardFlags[s] |= shardLost
	w.ledger.lost++
	w.charge(partLoss, w.pricePerLoss)
	if w.readable[s] < uint8(w.cfg.Data.Quorum) {
		w.ledger.chargedUnavailable--
	}
}
