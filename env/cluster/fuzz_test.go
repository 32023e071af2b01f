package cluster

import (
	"math/rand/v2"
	"testing"

	"mend/env"
	"mend/env/seed"
)

// FuzzRestoreState: no bytes make RestoreState panic, what it accepts obeys
// the invariants, and Reset works afterwards. The seeds are states along
// episodes of a drawn, of a replayed world and of one in which every process strikes.
func FuzzRestoreState(f *testing.F) {
	c := small()
	c.Topology = Topology{Regions: 1, ZonesPerRegion: 1, RacksPerZone: 2, NodesPerRack: 1}
	c.Data.ShardsPerNode, c.Data.ReplicationFactor, c.Data.Quorum, c.Data.NodeGB = 1, 2, 1, 4000
	c.Repair.StreamsPerNode = 1
	drawn := newTest(f, c)
	replayed := newTestTrace(f, c, recorded(2, 60*env.Day, rand.New(rand.NewPCG(1, 1))))
	all := everything()
	all.Topology = Topology{Regions: 1, ZonesPerRegion: 2, RacksPerZone: 1, NodesPerRack: 1}
	all.Data = c.Data
	all.Data.MaxFactor, all.Data.Tiers = 3, twoTiers
	all.Prices.Providers = nil
	all.Horizon = 60 * days
	worlds := []*World{drawn, replayed, newTest(f, all)}
	for _, w := range worlds {
		f.Add(w.AppendState(nil))
		p := newPlayer(w)
		policy := random(1)
		p.reset(1)
		for range 5 {
			f.Add(w.AppendState(nil))
			for range 20 {
				p.step(policy(p))
			}
		}
		p.finish(policy)
		f.Add(w.AppendState(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, w := range worlds {
			if err := w.RestoreState(b); err == nil && w.started {
				if err := w.CheckInvariants(); err != nil {
					t.Errorf("accepted, yet %v", err)
				}
			}
			p := newPlayer(w)
			p.reset(seed.Seed(1))
			if err := w.CheckInvariants(); err != nil {
				t.Errorf("after Reset: %v", err)
			}
		}
	})
}
