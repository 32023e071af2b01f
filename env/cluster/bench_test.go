package cluster

import (
	"fmt"
	"testing"

	"mend/env"
	"mend/env/seed"
)

// BenchmarkDecisions steps RackBursts-v0, 100 nodes, under hdfs, episode after
// episode, Resets included. It reports decisions a second.
func BenchmarkDecisions(b *testing.B) {
	for _, shards := range []int{20, 100} {
		b.Run(fmt.Sprintf("nodes=100/shards_per_node=%d", shards), func(b *testing.B) {
			c := rackBursts()
			c.Data.ShardsPerNode, c.Data.NodeGB = shards, c.Data.NodeGB*float64(shards)/20
			p := newPlayer(newTest(b, c))
			policy := baselinePolicy(b, "hdfs", p.w)
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
		})
	}
}

// BenchmarkLoad steps the same with load.
func BenchmarkLoad(b *testing.B) {
	p := newPlayer(newTest(b, withLoad(rackBursts())))
	policy := baselinePolicy(b, "hdfs", p.w)
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

// BenchmarkBacklog steps the small world, where much waits for repair, under
// random actions.
func BenchmarkBacklog(b *testing.B) {
	p := newPlayer(newTest(b, small()))
	policy := random(1)
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
