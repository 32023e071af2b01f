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
		return fmt.Errorf("cluster: %s: %w", w.spec.ID, err)
	}
	if w.started {
		w.chooseScripts()
		if err := w.CheckInvariants(); err != nil {
			w.started = false
			return fmt.Errorf("cluster: %s: damaged state: %w", w.spec.ID, err)
		}
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
	state.Fixed(c, w.asked)
	state.Fixed(c, w.flaps)
	state.Fixed(c, w.flapsAt)
	state.Fixed(c, w.head)
	state.Fixed(c, w.held)
	state.Fixed(c, w.streamsOut)
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
	state.Fixed(c, w.rackUnreachable)
	state.Fixed(c, w.zoneUnreachable)
	state.Fixed(c, w.zoneDeclared)
	for z := range w.clocks {
		state.Value(c, &w.clocks[z].v)
		state.Value(c, &w.clocks[z].at)
		state.Value(c, &w.clocks[z].weight)
		state.Slice(c, &w.clocks[z].heap)
	}
	state.Fixed(c, w.readable)
	state.Fixed(c, w.intact)
	state.Fixed(c, w.shardFlags)
	state.Fixed(c, w.underSince)
	state.Fixed(c, w.believed)
	state.Fixed(c, w.ordered)
	state.Fixed(c, w.active)
	state.Fixed(c, w.locality)
	state.Fixed(c, w.placements)
	w.lists.fields(c)
	state.Fixed(c, w.repNode)
	state.Fixed(c, w.repState)
	state.Fixed(c, w.repNext)
	state.Fixed(c, w.repPrev)
	w.flows.fields(c)
	state.Fixed(c, w.levels[:])
	state.Value(c, &w.unreachable)
	state.Value(c, &w.declared)
	state.Value(c, &w.racksUnreachable)
	state.Value(c, &w.reachableSpace)
	state.Value(c, &w.orders)
	state.Value(c, &w.losses10m)
	state.Value(c, &w.losses1h)
	state.Value(c, &w.lossesAt)
}
