package cluster

import (
	"fmt"

	"mend/env/state"
)

// AppendState implements env.Env.
func (w *World) AppendState(b []byte) []byte { return state.Append(b, w.fields) }

// RestoreState implements env.Env.
func (w *World) RestoreState(b []byte) error {
	w.started = false
	if err := state.Restore(b, w.fields); err != nil {
		w.started = false
		w.empty()
		return fmt.Errorf("cluster: %s: %w", w.spec.ID, err)
	}
	if !w.started {
		w.empty()
	} else {
		w.chooseScripts()
		if err := w.CheckInvariants(); err != nil {
			w.started = false
			w.empty()
			return fmt.Errorf("cluster: %s: damaged state: %w", w.spec.ID, err)
		}
		w.setSlots()
	}
	return nil
}

func (w *World) fields(c *state.Codec) {
	state.Value(c, &w.started)
	state.Value(c, &w.ended)
	state.Value(c, &w.now)
	state.Value(c, &w.kind)
	state.Value(c, &w.subject)
	state.Fixed(c, w.legal)
	state.Value(c, &w.offered)
	state.Fixed(c, w.seeds[:])
	state.Value(c, &w.beatSeed)
	state.Value(c, &w.placementSeed)
	state.Value(c, &w.machineSeed)
	state.Value(c, &w.scriptSeed)
	w.q.fields(c)
	w.ledger.fields(c)
	state.Fixed(c, w.nodeFlags)
	state.Fixed(c, w.lastBeat)
	state.Fixed(c, w.upSince)
	state.Fixed(c, w.planned)
	state.Fixed(c, w.asked)
	state.Fixed(c, w.flaps)
	state.Fixed(c, w.flapsAt)
	state.Fixed(c, w.cursor)
	state.Fixed(c, w.lostAt)
	state.Fixed(c, w.leaveSeed)
	for p := range w.ordinal {
		state.Fixed(c, w.ordinal[p])
	}
	state.Fixed(c, w.cuts)
	state.Fixed(c, w.incarnation)
	state.Fixed(c, w.born)
	state.Fixed(c, w.slow)
	state.Fixed(c, w.slowDraws)
	state.Fixed(c, w.slowLost)
	state.Fixed(c, w.slowPhases)
	state.Fixed(c, w.warnedFor)
	state.Value(c, &w.upgradePhase)
	state.Value(c, &w.upgradeDraws)
	state.Value(c, &w.upgraded)
	state.Value(c, &w.rolledBack)
	state.Fixed(c, w.zoneDeclared)
	w.store.fields(c)
	w.lists.fields(c)
	w.faultDomains.fields(c)
	w.telemetry.fields(c)
	w.suspicions.fields(c)
	w.review.fields(c)
	state.Fixed(c, w.classImplied)
	w.lost.fields(c)
	w.leave.fields(c)
	for k := range w.tierWants {
		state.Fixed(c, w.tierWants[k][:])
	}
	state.Fixed(c, w.tierTarget[:])
	state.Value(c, &w.commonWant)
	state.Value(c, &w.quietNodes)
	state.Value(c, &w.deadNodes)
	w.flowFields(c)
	w.load.fields(c)
	for k := range w.byReadable {
		state.Fixed(c, w.byReadable[k][:])
	}
	state.Value(c, &w.short)
	state.Value(c, &w.oneCopy)
	state.Value(c, &w.noCopy)
	state.Value(c, &w.unreachable)
	state.Value(c, &w.declared)
	state.Value(c, &w.racksUnreachable)
	state.Value(c, &w.reachableSpace)
	state.Value(c, &w.orders)
	state.Value(c, &w.losses10m)
	state.Value(c, &w.losses1h)
	state.Value(c, &w.lossesAt)
}
