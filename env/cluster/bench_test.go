package cluster

import (
	"fmt"
	"testing"

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
