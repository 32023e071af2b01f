package main

import (
	"errors"
	"fmt"

	"mend/agents"
	"mend/cmd/mend/bench"
	"mend/configs"
	"mend/env"
	"mend/env/classic"
)

// The world that the benchmarks of env play, and by which rule.
const (
	benchWorld = "RackBursts-v0"
	benchRule  = "hdfs"
)

// env lists the benchmarks of worlds.
func (o *benchOptions) env() []bench.Benchmark {
	return bench.Env([]bench.Cluster{o.scaled(1, 20), o.scaled(10, 1)}, func() env.Env { return classic.NewCartPole() })
}

// scaled is RackBursts-v0 with factor times as many zones, each of factor times
// as many racks and with so much more bandwidth, and with 100 shards a node,
// which has space for them in proportion.
func (o *benchOptions) scaled(factor, episodes int) bench.Cluster {
	const shardsPerNode = 100
	config := func() (*configs.Run, *factory, error) {
		c, err := (&overrides{set: o.set}).readData(benchWorld, fmt.Appendf(nil, "env: {id: %s}\nalgo: ppo\n", benchWorld))
		if err != nil {
			return nil, nil, err
		}
		x := c.Env.Cluster
		x.Topology.ZonesPerRegion *= factor
		x.Topology.RacksPerZone *= factor
		x.Repair.ZoneMBps *= float64(factor)
		x.Data.NodeGB *= shardsPerNode / float64(x.Data.ShardsPerNode)
		x.Data.ShardsPerNode = shardsPerNode
		if err := x.Validate(); err != nil {
			return nil, nil, usage(err)
		}
		f, err := newFactory(&c.Env)
		return c, f, err
	}
	return bench.Cluster{
		Name:     fmt.Sprintf("%s/nodes=%d", benchWorld, 100*factor*factor),
		Episodes: episodes,
		New: func() (bench.Counted, error) {
			_, f, err := config()
			if err != nil {
				return nil, err
			}
			w, err := f.env(trainingSplit)
			if err != nil {
				return nil, err
			}
			counted, ok := w.(bench.Counted)
			if !ok {
				return nil, errors.New(benchWorld + " does not count its work")
			}
			return counted, nil
		},
		Policy: func(spec *env.Spec) (agents.Policy, error) {
			c, f, err := config()
			if err != nil {
				return nil, err
			}
			return f.rule(c, benchRule, spec)
		},
	}
}
