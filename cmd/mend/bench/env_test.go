package bench

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"mend/agents"
	"mend/agents/baseline"
	"mend/env"
	"mend/env/classic"
	"mend/env/cluster"
)

// little is a cluster of so many racks of four nodes for ten days.
func little(name string, racks int) Cluster {
	c := cluster.DefaultConfig()
	c.Topology = cluster.Topology{Regions: 1, ZonesPerRegion: 2, RacksPerZone: racks, NodesPerRack: 4}
	c.Horizon = 240 * time.Hour
	return Cluster{
		Name: name, Episodes: 3,
		New:    func() (Counted, error) { return cluster.New("Little-v0", c) },
		Policy: func(s *env.Spec) (agents.Policy, error) { return baseline.New("hdfs", baseline.DefaultConfig(), s) },
	}
}

// Every benchmark of worlds yields what it is named after, with a value that it
// can have.
func TestEnv(t *testing.T) {
	names := map[string]Result{}
	for _, b := range Env([]Cluster{little("Little-v0/nodes=24", 3), little("Little-v0/nodes=48", 6)}, func() env.Env { return classic.NewCartPole() }) {
		results, err := b.Run(context.Background(), Sampler{Runs: 2, Time: time.Millisecond, Clock: wall})
		if err != nil {
			t.Errorf("%v: %v", b.Names, err)
			continue
		}
		// Kinds that are never asked have no results.
		if 2*len(results) < len(b.Names) {
			t.Errorf("%d results of %v", len(results), b.Names)
			continue
		}
		last := -1
		for _, r := range results {
			i := slices.Index(b.Names, r.Name)
			if _, twice := names[r.Name]; i <= last || twice {
				t.Errorf("result %s of %v is out of order, twice: %v", r.Name, b.Names, twice)
			}
			last = i
			names[r.Name] = r
			least := r.Min > 0
			if strings.HasSuffix(r.Name, "/allocations") || strings.HasSuffix(r.Name, "/repeated") || strings.HasSuffix(r.Name, "/idle") {
				least = r.Min >= 0 && r.Max < 1
			}
			if !(least && r.Min <= r.Value && r.Value <= r.Max) || math.IsInf(r.Max, 1) || r.Unit == "" {
				t.Errorf("%+v", r)
			}
		}
	}
	// hdfs waits for a silent node, again and again, and never for shards at risk.
	if r := names["env/Little-v0/nodes=24/kind=node_unreachable/repeated"]; r.Value < 0.1 || r.Value > 0.9 {
		t.Errorf("%+v", r)
	}
	for _, name := range []string{"env/Little-v0/nodes=48/per:nodes=24/kind=shards_at_risk", "env/Little-v0/nodes=24/vector=64/cores=1", "env/CartPole-v1/batch=1024"} {
		if _, ok := names[name]; !ok {
			t.Errorf("no benchmark %s", name)
		}
	}
}

// The kinds share out exactly the time that all decisions take, as many as the
// world counts.
func TestByKind(t *testing.T) {
	p, err := little("Little-v0/nodes=24", 3).player()
	if err != nil {
		t.Fatal(err)
	}
	done := p.play(3, wall, nil)
	ns := p.byKind(3, wall, 1)
	sum := 0.0
	for k, n := range done.counts {
		if k := cluster.Kind(k); n < 10 && (k == cluster.NodeUnreachable || k == cluster.ShardsAtRisk || k == cluster.ClusterReview) {
			t.Errorf("only %d decisions of kind %d", n, k)
		}
		sum += float64(n) * ns[k] / 1e9
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Errorf("the kinds take %v s, all together 1 s", sum)
	}
}
