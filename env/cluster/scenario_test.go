package cluster_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mend/configs"
	"mend/env"
	"mend/env/cluster"
	"mend/env/envtest"
	"mend/env/seed"
)

// TestScenario: the worlds that the tests of this package play as Steady-v0
// and RackBursts-v0 are these.
func TestScenario(t *testing.T) {
	want := map[string]cluster.Config{"Steady-v0": cluster.DefaultConfig(), "RackBursts-v0": cluster.RackBursts()}
	found := 0
	for _, s := range configs.Scenarios() {
		if c, ok := want[s.ID]; ok {
			found++
			if d := cmp.Diff(c, *s.Cluster); d != "" {
				t.Errorf("%s: -tests +scenario\n%s", s.ID, d)
			}
		}
	}
	if found != len(want) {
		t.Errorf("%d of %d scenarios found", found, len(want))
	}
}

// TestScenariosConform runs the suite that every world must pass on the first
// days of every scenario, with fewer nodes.
func TestScenariosConform(t *testing.T) {
	for _, s := range configs.Scenarios() {
		t.Run(s.ID, func(t *testing.T) {
			c := *s.Cluster
			c.Horizon, c.Load.Step = 24*time.Hour, time.Hour
			c.Topology.NodesPerRack, c.Data.ShardsPerNode = 3, 4
			envtest.Report(t, envtest.Check(func() env.Env { return newWorld(t, s.ID, c) }, envtest.Options{Steps: 32}))
		})
	}
}

// TestScenariosHappen: what a scenario is named after strikes often enough within
// an episode to matter, and as often as Processes says; and it asks the questions
// that it is there for. The counts of all but upgrades, which come regularly, are
// Poisson.
func TestScenariosHappen(t *testing.T) {
	const episodes = 8
	for _, x := range []struct {
		id        string
		processes []string
		asks      []string
	}{
		{"RackBursts-v0", []string{"burst"}, []string{"cluster review"}},
		{"GrayFailure-v0", []string{"slow"}, []string{"node suspect"}},
		{"Partition-v0", []string{"partition"}, []string{"domain unreachable"}},
		{"RollingUpgrade-v0", []string{"upgrade"}, []string{"node unreachable"}},
		{"AgingFleet-v0", nil, []string{"node suspect", "shards at risk"}},
		{"SpotPreemption-v0", []string{"spot"}, []string{"node suspect"}},
		{"ZoneOutage-v0", []string{"zone"}, []string{"domain unreachable", "cluster review"}},
		{"RegionLoss-v0", []string{"region", "provider"}, []string{"domain unreachable", "cluster review"}},
		{"PredictorDrift-v0", nil, []string{"node suspect"}},
		{"Diurnal-v0", nil, []string{"shard load"}},
		{"FlashCrowd-v0", nil, []string{"shard load"}},
		{"Cascade-v0", []string{"pdu", "burst"}, []string{"domain unreachable", "cluster review"}},
	} {
		t.Run(x.id, func(t *testing.T) {
			i := slices.IndexFunc(configs.Scenarios(), func(s configs.Scenario) bool { return s.ID == x.id })
			if i < 0 {
				t.Fatal("there is no such scenario")
			}
			c := *configs.Scenarios()[i].Cluster
			w := newWorld(t, x.id, c)
			counts, asked := map[string]float64{}, map[string]int64{}
			for e := range seed.Seed(episodes) {
				hold(w, e)
				for name, n := range cluster.Strikes(w) {
					counts[name] += n
				}
				for kind, n := range cluster.Asked(w) {
					asked[kind] += n
				}
			}
			named := 0
			days := episodes * c.Horizon.Hours() / 24
			for _, p := range w.Processes() {
				if p.Name == "permanent" || p.Name == "lemons" {
					continue // what strikes are candidates
				}
				want, got := p.PerDay()*days, counts[p.Name]
				if math.Abs(got-want) > 4*math.Sqrt(want)+1 {
					t.Errorf("%s strikes %g times, want %.1f", p.Name, got, want)
				}
				if slices.Contains(x.processes, p.Name) {
					named++
					if want < episodes {
						t.Errorf("%s strikes %.2f times an episode, want at least once", p.Name, want/episodes)
					}
				}
			}
			if named != len(x.processes) {
				t.Errorf("%d processes of %v are on", named, x.processes)
			}
			for _, kind := range x.asks {
				if asked[kind] < episodes {
					t.Errorf("%d decisions on %s in %d episodes, want at least one each", asked[kind], kind, episodes)
				}
			}
		})
	}
}

// hold plays an episode with a policy that does nothing.
func hold(w *cluster.World, s seed.Seed) {
	obs, mask := make([]float32, w.Spec().ObsDim()), make([]bool, len(w.Spec().Actions))
	for w.Reset(s, obs, mask); !w.Step(int(cluster.Hold), obs, mask).Truncated; {
	}
}

func newWorld(t testing.TB, id string, c cluster.Config) *cluster.World {
	t.Helper()
	w, err := cluster.New(id, c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}
