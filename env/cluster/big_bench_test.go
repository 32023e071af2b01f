package cluster

import "testing"

func BenchmarkBig(b *testing.B) {
	c := rackBursts()
	c.Topology.ZonesPerRegion *= 10
	c.Topology.RacksPerZone *= 10
	c.Repair.ZoneMBps *= 10
	c.Data.ShardsPerNode, c.Data.NodeGB = 100, c.Data.NodeGB*5
	w := newTest(b, c)
	decisions(b, w, baselinePolicy(b, "hdfs", w))
}
