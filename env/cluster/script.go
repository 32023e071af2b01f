package cluster

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mend/env"
	"mend/env/seed"
	"mend/env/trace"
)

// replayable are the processes that a record can take the place of, by the
// name of what it records. Records of nodes take the place of the maintenance
// and lemon processes too. A recorded loss of a domain is one of all its nodes.
var replayable = map[string]process{
	"node": transient, "permanent": permanent, "slow": slowOnset, "spot": preemption, "partition": partition,
	"rack": rackOutage, "pdu": pduOutage, "zone": zoneOutage, "region": regionOutage, "provider": providerOutage,
}

// replay replays the outages of recorded systems in place of a process. An
// episode replays one system from one instant on: slot i stands for the
// system's subject (offset + i) modulo their number, so that neighbours in the
// record, which fail together, are neighbours in the racks. Where there are
// more slots than subjects, each further round of them is replayed from an
// instant of its own.
type replay struct {
	name    string // of the file
	digest  string // and of what is in it
	systems []*trace.System

	// Of the episode, by the world's scriptSeed.
	system   int
	from     env.Time
	offset   int
	recorded [][]trace.Outage // by slot
}

// identity is what of the replay defines the world.
func (r *replay) identity() string { return r.digest + ":" + strings.Join(r.names(), ",") }

func (r *replay) names() []string {
	names := make([]string, len(r.systems))
	for i, s := range r.systems {
		names[i] = s.Name
	}
	return names
}

// Replayable lists what [NewReplay] can replay failures of, sorted.
func Replayable() []string { return slices.Sorted(maps.Keys(replayable)) }

// NewReplay returns a world in which recorded failures take the place of drawn
// ones, by what fails: node, permanent, slow, spot, partition (of pairs of
// zones), rack, pdu, zone, region or provider. Of each trace it uses the systems
// that [Usable] names; the others it names in skipped, with the reason.
func NewReplay(id string, cfg Config, traces map[string]*trace.Trace) (w *World, skipped []string, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, nil, err
	}
	var replays [processes]*replay
	for _, what := range slices.Sorted(maps.Keys(traces)) {
		r, unused, err := newReplay(cfg, what, traces[what])
		skipped = append(skipped, unused...)
		if err != nil {
			return nil, skipped, err
		}
		replays[replayable[what]] = r
	}
	w, err = newWorld(id, cfg, replays)
	return w, skipped, err
}

// Usable names the systems of tr that a world of cfg can replay as failures of
// what: those observed for longer than an episode, that have a subject at least
// and, for nodes, as many as cfg. The others it names in skipped, with the reason.
// It is an error that there are none.
func Usable(cfg Config, what string, tr *trace.Trace) (systems, skipped []string, err error) {
	r, skipped, err := newReplay(cfg, what, tr)
	if err != nil {
		return nil, skipped, err
	}
	return r.names(), skipped, nil
}

// newReplay gathers the usable systems of tr.
func newReplay(cfg Config, what string, tr *trace.Trace) (r *replay, skipped []string, err error) {
	p, ok := replayable[what]
	if !ok {
		return nil, nil, fmt.Errorf("cluster: failures of a %q cannot be replayed, want one of %s", what, strings.Join(Replayable(), ", "))
	}
	if zones := cfg.Topology.Zones(); p == partition && zones > maxPartitionZones {
		return nil, nil, fmt.Errorf("cluster: %d zones, want at most %d with partitions", zones, maxPartitionZones)
	}
	r = &replay{name: tr.Name, digest: tr.Digest}
	nodes, horizon := cfg.Topology.Nodes(), simulated(cfg.Horizon)
	for i := range tr.Systems {
		s := &tr.Systems[i]
		switch {
		case p == transient && s.NodeCount < nodes:
			skipped = append(skipped, fmt.Sprintf("system %s has %d nodes, want %d", s.Name, s.NodeCount, nodes))
		case s.NodeCount == 0:
			skipped = append(skipped, fmt.Sprintf("system %s has nothing that could fail", s.Name))
		case s.End-s.Start <= horizon:
			skipped = append(skipped, fmt.Sprintf("system %s was observed for %.0f d, want more than %.0f", s.Name, (s.End-s.Start).Hours()/24, horizon.Hours()/24))
		default:
			r.systems = append(r.systems, s)
		}
	}
	if len(r.systems) == 0 {
		reason := "it has no systems"
		if len(skipped) > 0 {
			reason = strings.Join(skipped, "; ")
		}
		return nil, skipped, errors.New("cluster: nothing in " + tr.Name + " can be replayed: " + reason)
	}
	return r, skipped, nil
}

// chooseScripts draws, for each replayed process, which system the episode
// replays, from when on, and with which of its subjects in slot 0; and cuts the
// episode's part out of the record of every slot.
func (w *World) chooseScripts() {
	for p, r := range w.replays {
		if r == nil {
			continue
		}
		d := w.scriptSeed
		if process(p) != transient {
			d = d.Child(process(p).String(), 0)
		}
		r.system = seed.Below(d.At(0, 0), len(r.systems))
		s := r.systems[r.system]
		from := func(round int) env.Time {
			return s.Start + env.Time(seed.Uniform(d.At(1, uint64(round)))*float64(s.End-s.Start-w.horizon))
		}
		r.from = from(0)
		r.offset = seed.Below(d.At(2, 0), s.NodeCount)
		for slot := range r.recorded {
			at := r.from
			if round := slot / s.NodeCount; round > 0 {
				at = from(round)
			}
			r.recorded[slot] = s.Window(r.recorded[slot][:0], (r.offset+slot)%s.NodeCount, at, w.horizon)
		}
	}
}

// recordedOutage is outage k of a slot of a replayed process, one that starts
// at env.Never where there is none.
func (w *World) recordedOutage(p process, slot, k uint32) trace.Outage {
	recorded := w.replays[p].recorded[slot]
	if int(k) >= len(recorded) {
		return trace.Outage{Start: env.Never, End: env.Never}
	}
	return recorded[k]
}

// recordedLoss is when the record of node n, where nodes are replayed, next has
// its data destroyed.
func (w *World) recordedLoss(n int32) env.Time {
	recorded := w.replays[transient].recorded[n]
	for k := int(w.ordinal[transient][n]); k < len(recorded); k++ {
		if recorded[k].Lost {
			return recorded[k].Start
		}
	}
	return env.Never
}
