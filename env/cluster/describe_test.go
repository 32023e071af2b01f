package cluster

import (
	"math"
	"slices"
	"testing"
	"time"

	"mend/env/seed"
)

// TestDecisions: exactly the kinds of decision and the answers that Decisions
// lists come up.
func TestDecisions(t *testing.T) {
	narrow := small() // no other zone or region, no domains, no targets
	narrow.Topology = Topology{Regions: 1, ZonesPerRegion: 1, RacksPerZone: 4, NodesPerRack: 2}
	narrow.Domains.Share = 0
	narrow.Data.Quorum = 3
	unreviewed := small()
	unreviewed.Reviews.Every = 0
	loaded := small() // of which a few shards are too popular
	loaded.Load = crowded().Load
	loaded.Load.RequestsPerSecond, loaded.Data.MaxFactor = 20_000, 5
	for name, c := range map[string]Config{"everything": everything(), "narrow": narrow, "unreviewed": unreviewed, "loaded": loaded} {
		t.Run(name, func(t *testing.T) {
			c.Limits.ZoneDeclaredShare, c.Horizon = 1, 5*days // nothing that a guard forbids throughout
			if name == "everything" {
				c.Data.MaxFactor = c.Data.ReplicationFactor + 1
			}
			w := newTest(t, c)
			listed := map[string][]string{NoQuestion.String(): {actions[Hold]}}
			for _, d := range w.Decisions() {
				listed[d.Kind] = d.Actions
			}
			seen := map[string]map[string]bool{}
			p := newPlayer(w)
			for s := range seed.Seed(12) {
				policy := random(uint64(s))
				p.play(s, func(p *player) Action {
					kind := w.kind.String()
					if seen[kind] == nil {
						seen[kind] = map[string]bool{}
					}
					for a, ok := range p.mask {
						if ok && !seen[kind][actions[a]] {
							seen[kind][actions[a]] = true
							if !slices.Contains(listed[kind], actions[a]) {
								t.Errorf("%s is legal in a decision on %s, and not listed", actions[a], kind)
							}
						}
					}
					return policy(p)
				})
			}
			for kind, list := range listed {
				for _, a := range list {
					if !seen[kind][a] && kind != NoQuestion.String() {
						t.Errorf("%s is never legal in a decision on %s", a, kind)
					}
				}
			}
		})
	}
}

// TestMeanTime: the mean time between losses that is told is one over the mean
// hazard by hand.
func TestMeanTime(t *testing.T) {
	half := 365 * days / 2
	for name, x := range map[string]struct {
		p    Permanent
		want float64 // in units of MTTF
	}{
		"constant": {Permanent{MTTF: year, Hazard: HazardConstant}, 1},
		// Half of the machines have hazard 1, half 3; a quarter of all five times that: 2·(0.75 + 0.25·5).
		"bathtub": {Permanent{MTTF: year, Hazard: HazardBathtub, InitialAgeMax: year, Bands: []AgeBand{{half, 1}, {year, 3}},
			Models: []MachineModel{{0.25, 5}}}, 1 / 4.0},
		// The mean of k·Γ(1+1/k)^k·x^(k−1) over x in [0, 1] is Γ(1+1/k)^k: for k = 2, π/4.
		"weibull": {Permanent{MTTF: 100 * year, Hazard: HazardWeibull, Shape: 2, InitialAgeMax: 100 * year}, 4 / math.Pi},
	} {
		got := float64(x.p.meanTime()) / float64(x.p.MTTF)
		// A machine is a day old when it is put into service: 1/365 of the ages.
		if math.Abs(got/x.want-1) > 0.003 {
			t.Errorf("%s: %g MTTF, want %g", name, got, x.want)
		}
	}
}

// TestProcesses: those that are off are not told, what is replayed is told by
// its file, and shares count.
func TestProcesses(t *testing.T) {
	c := still()
	if all := newTest(t, c).Processes(); len(all) != 0 {
		t.Errorf("a still world tells of %v", all)
	}
	c.Failures.Transient.MTTF = 10 * time.Hour
	c.Failures.Lemons = Lemons{Share: 0.2, Factor: 5}
	c.Failures.Spot.MTTF, c.Failures.Spot.Share = 20*time.Hour, 0.3
	want := []Process{
		{Name: "transient", Strikes: "node", Subjects: 10, Every: 10 * time.Hour},
		{Name: "lemons", Strikes: "lemon", Subjects: 2, Every: 2 * time.Hour},
		{Name: "spot", Strikes: "spot node", Subjects: 3, Every: 20 * time.Hour},
	}
	got := newTest(t, c).Processes()
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if x := got[1].PerDay(); x != 24 {
		t.Errorf("lemons strike %g times a day, want 24", x)
	}
	for _, p := range replayedEverything(t).Processes() {
		if replayed := p.Name != "burst" && p.Name != "upgrade"; replayed != (p.Trace != "") || replayed != (p.PerDay() == 0) {
			t.Errorf("%s is replayed: %v, told as %v", p.Name, replayed, p)
		}
	}
}
