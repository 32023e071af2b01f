package cluster

import (
	"errors"
	"fmt"
	"strings"

	"mend/env"
	"mend/env/seed"
	"mend/env/trace"
)

// script replays the outages of recorded systems in place of the transient and
// maintenance processes. An episode replays one system from one instant on:
// slot i stands for the system's node (offset + i) modulo its size, so that
// neighbours in the record, which fail together, are neighbours in the racks.
type script struct {
	digest  string // of the file
	systems []*trace.System
}

// identity is what of the script defines the world.
func (sc *script) identity() string {
	if sc == nil {
		return ""
	}
	names := make([]string, len(sc.systems))
	for i, s := range sc.systems {
		names[i] = s.Name
	}
	return sc.digest + ":" + strings.Join(names, ",")
}

// NewTrace returns a world whose node outages are those of tr. It uses the
// systems that have at least as many nodes as cfg and were observed for longer
// than an episode; the others it names in skipped, with the reason.
func NewTrace(id string, cfg Config, tr *trace.Trace) (w *World, skipped []string, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, nil, err
	}
	sc := &script{digest: tr.Digest}
	nodes, horizon := cfg.Topology.Nodes(), simulated(cfg.Horizon)
	for i := range tr.Systems {
		s := &tr.Systems[i]
		switch {
		case s.NodeCount < nodes:
			skipped = append(skipped, fmt.Sprintf("system %s has %d nodes, want %d", s.Name, s.NodeCount, nodes))
		case s.End-s.Start <= horizon:
			skipped = append(skipped, fmt.Sprintf("system %s was observed for %.0f d, want more than %.0f", s.Name, (s.End-s.Start).Hours()/24, horizon.Hours()/24))
		default:
			sc.systems = append(sc.systems, s)
		}
	}
	if len(sc.systems) == 0 {
		reason := "it has no systems"
		if len(skipped) > 0 {
			reason = strings.Join(skipped, "; ")
		}
		return nil, skipped, errors.New("cluster: nothing in " + tr.Name + " can be replayed: " + reason)
	}
	w, err = newWorld(id, cfg, sc)
	return w, skipped, err
}

// Systems names the recorded systems that the world replays, none where its
// failures are drawn.
func (w *World) Systems() []string {
	if w.script == nil {
		return nil
	}
	names := make([]string, len(w.script.systems))
	for i, s := range w.script.systems {
		names[i] = s.Name
	}
	return names
}

// chooseScript draws which system the episode replays, from when on, and with
// which of its nodes in slot 0.
func (w *World) chooseScript() {
	sc, d := w.script, w.scriptSeed
	w.scriptSystem = int32(seed.Below(d.At(0, 0), len(sc.systems)))
	s := sc.systems[w.scriptSystem]
	w.scriptFrom = s.Start + env.Time(seed.Uniform(d.At(1, 0))*float64(s.End-s.Start-w.horizon))
	w.scriptOffset = int32(seed.Below(d.At(2, 0), s.NodeCount))
	w.findScript()
}

// restoreScript finds the episode's part again where chooseScript's draws were
// restored.
func (w *World) restoreScript() error {
	if w.script == nil {
		return nil
	}
	if w.scriptSystem < 0 || int(w.scriptSystem) >= len(w.script.systems) {
		return fmt.Errorf("recorded system %d of %d", w.scriptSystem, len(w.script.systems))
	}
	s := w.script.systems[w.scriptSystem]
	if w.scriptFrom < s.Start || w.scriptFrom > s.End-w.horizon || w.scriptOffset < 0 || int(w.scriptOffset) >= s.NodeCount {
		return fmt.Errorf("recorded system %s from %d on and from its node %d", s.Name, w.scriptFrom, w.scriptOffset)
	}
	w.findScript()
	return nil
}

// findScript cuts the episode's part out of the record of every slot.
func (w *World) findScript() {
	s := w.script.systems[w.scriptSystem]
	for slot := range w.recorded {
		node := (int(w.scriptOffset) + slot) % s.NodeCount
		w.recorded[slot] = s.Window(w.recorded[slot][:0], node, w.scriptFrom, w.horizon)
	}
}

// scriptedOutage is outage k of the slot, one that starts at env.Never where
// there is none.
func (w *World) scriptedOutage(slot int, k uint32) trace.Outage {
	if int(k) >= len(w.recorded[slot]) {
		return trace.Outage{Start: env.Never, End: env.Never}
	}
	return w.recorded[slot][k]
}
