package cluster

import (
	"fmt"
	"testing"

	"mend/env"
	"mend/env/seed"
)

// decisions plays episode after episode of w, Resets included.
func decisions(b *testing.B, w *World, policy func(*player) Action) {
	p := newPlayer(w)
	episode := seed.Seed(0)
	p.reset(episode)
	b.ReportAllocs()
	for b.Loop() {
		if p.step(policy(p)).Truncated {
			episode++
			p.reset(episode)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
}

// BenchmarkDecisions steps RackBursts-v0 under hdfs, with factor times as many zones
// and racks in a zone.
func BenchmarkDecisions(b *testing.B) {
	for _, x := range []struct{ factor, shards int }{{1, 20}, {1, 100}, {10, 100}} {
		b.Run(fmt.Sprintf("nodes=%d/shards_per_node=%d", 100*x.factor*x.factor, x.shards), func(b *testing.B) {
			c := rackBursts()
			c.Topology.ZonesPerRegion *= x.factor
			c.Topology.RacksPerZone *= x.factor
			c.Repair.ZoneMBps *= float64(x.factor)
			c.Data.ShardsPerNode, c.Data.NodeGB = x.shards, c.Data.NodeGB*float64(x.shards)/20
			w := newTest(b, c)
			decisions(b, w, baselinePolicy(b, "hdfs", w))
		})
	}
}

// BenchmarkLoad steps the same with load.
func BenchmarkLoad(b *testing.B) {
	w := newTest(b, withLoad(rackBursts()))
	decisions(b, w, baselinePolicy(b, "hdfs", w))
}

// BenchmarkBacklog steps the small world, where much waits for repair, under
// random actions.
func BenchmarkBacklog(b *testing.B) {
	decisions(b, newTest(b, small()), random(1))
}

// BenchmarkObserve writes the observation of one question of each kind.
func BenchmarkObserve(b *testing.B) {
	c := rackBursts()
	c.Predictor.Preset, c.Suspicion.Flaps = "good", 1
	p := newPlayer(newTest(b, c))
	states := map[Kind][]byte{}
	for s := range seed.Seed(4) {
		policy := random(uint64(s))
		for p.reset(s); !p.w.ended; p.step(policy(p)) {
			if _, ok := states[p.w.kind]; !ok && p.w.now > 10*env.Day {
				states[p.w.kind] = p.w.AppendState(nil)
			}
		}
	}
	for k := range kinds {
		if states[k] == nil {
			continue
		}
		b.Run(k.String(), func(b *testing.B) {
			if err := p.w.RestoreState(states[k]); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				p.w.observe(p.obs, p.mask)
			}
		})
	}
}
