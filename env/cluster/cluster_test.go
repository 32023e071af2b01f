package cluster

import (
	"math/rand/v2"
	"testing"
	"time"

	"mend/env/seed"
)

// small is a cluster that fails often, so that few events reach every corner.
func small() Config {
	c := DefaultConfig()
	c.Topology = Topology{Regions: 2, ZonesPerRegion: 2, RacksPerZone: 2, NodesPerRack: 3}
	c.Data.ShardsPerNode = 4
	c.Data.NodeGB = 4000
	c.Failures.Transient.MTTF = 40 * time.Hour
	c.Failures.Maintenance.MTTF = 100 * time.Hour
	c.Failures.PermanentMTTF = 60 * time.Hour
	c.Failures.Rack.MTTF = 200 * time.Hour
	c.Failures.Rack.LossProbability = 0.2
	c.Failures.Burst.MTTF = 100 * time.Hour
	c.Failures.Burst.LossProbability = 0.1
	c.Horizon = 20 * days
	return c
}

// player plays random legal actions.
type player struct {
	rng  *rand.Rand
	obs  []float32
	mask []bool
}

func newPlayer(k uint64) *player {
	return &player{rand.New(rand.NewPCG(k, 1)), make([]float32, featureCount), make([]bool, len(actions))}
}

func (p *player) choose() Action {
	var legal []Action
	for a, ok := range p.mask {
		if ok {
			legal = append(legal, Action(a))
		}
	}
	return legal[p.rng.IntN(len(legal))]
}

// TestInvariants recounts everything after every event.
func TestInvariants(t *testing.T) {
	var lost, restored int64
	for k := range uint64(8) {
		w, err := New("Test-v0", small())
		if err != nil {
			t.Fatal(err)
		}
		p := newPlayer(k)
		w.Reset(seed.Seed(k), p.obs, p.mask)
		for steps := 0; !w.ended; steps++ {
			w.ledger.startStep(w.now)
			w.act(p.choose())
			for stop := false; !stop; {
				if err := w.CheckInvariants(); err != nil {
					t.Fatalf("seed %d, step %d, time %d: %v", k, steps, w.now, err)
				}
				id, at := w.q.pop()
				if at != w.now {
					w.accrue(at)
					w.now = at
				}
				stop = w.fire(id)
			}
			w.observe(p.obs, p.mask)
		}
		t.Logf("seed %d: %+v", k, w.ledger)
		lost += w.ledger.lost
		restored += w.ledger.restored
	}
	if lost == 0 || restored == 0 {
		t.Errorf("%d shards lost and %d restored, want some of both for the test to mean anything", lost, restored)
	}
}
