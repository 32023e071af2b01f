package cluster

import (
	"fmt"
	"math"
	"testing"
	"time"

	"mend/env"
	"mend/env/placement"
	"mend/env/seed"
)

// TestCorrelatedRacks: all three copies of a shard are down at once with
// probability Π_m (r + (1−r)·q^m), m of them in each rack, where a node is down
// by itself with probability q and its rack with r, all independently. For q =
// 1e-3 and r = 1e-4 the same rack, two racks and three are 75,152 : 83.49 : 1
// apart; here q = 0.1 and r = 0.05. Outages that overlap merge, so q is
// 1 − e^(−ρ) (Takács, 1962), and so is r.
func TestCorrelatedRacks(t *testing.T) {
	together := [][]int{{3}, {2, 1}, {1, 1, 1}} // copies by rack
	rare := placement.RackLoss(1e-3, 1e-4, 1, 1, 1)
	for i, want := range []float64{75152, 83.49, 1} {
		if got := placement.RackLoss(1e-3, 1e-4, together[i]...) / rare; !within(got, want, 1e-4) {
			t.Errorf("%v: %g times as likely as in three racks, want %g", together[i], got, want)
		}
	}
	const q, r = 0.1, 0.05
	for _, kind := range []string{placement.Random, placement.Rack, placement.Copyset} {
		c := still()
		c.Topology.RacksPerZone, c.Topology.NodesPerRack = 4, 5
		c.Data.ShardsPerNode, c.Data.Quorum = 6, 1
		c.Data.Placement.Kind, c.Data.Placement.ScatterWidth = kind, 4
		c.Monitor.HoldReview = 100_000 * time.Hour
		const mean = 1.0 // hour, of constant outages
		c.Failures.Transient = Outages{MTTF: time.Duration(mean / -math.Log1p(-q) * float64(time.Hour)), Median: time.Hour}
		c.Failures.Rack.Outages = Outages{MTTF: time.Duration(mean / -math.Log1p(-r) * float64(time.Hour)), Median: time.Hour}
		c.Failures.Rack.LossProbability = 0
		c.Horizon = 4000 * time.Hour
		w := newTest(t, c)
		p := newPlayer(w)
		var classes [3][]int32 // shards by racks
		class := make([]int, w.shards)
		for s := range w.shards {
			racks := map[int]bool{}
			for _, n := range w.layout.Nodes[3*s : 3*s+3] {
				racks[w.rackOf(n)] = true
			}
			class[s] = len(racks) - 1
			classes[class[s]] = append(classes[class[s]], int32(s))
		}
		var gone [3]*gauge
		for i := range gone {
			gone[i] = newGauge(w)
		}
		up := make([]bool, w.nodes)
		p.after = func(int32) {
			for n := range up {
				up[n] = w.up(int32(n))
			}
			var by [3]float64
			for s, nodes := 0, w.layout.Nodes; s < w.shards; s++ {
				if !up[nodes[3*s]] && !up[nodes[3*s+1]] && !up[nodes[3*s+2]] {
					by[class[s]]++
				}
			}
			for i, g := range gone {
				if w.now < 3*env.Hour { // three outages' time
					g.reset()
				}
				g.set(by[i])
			}
		}
		var share [3]sample
		episodes := 8
		if long() {
			episodes = 40
		}
		tenfold(t, episodes, func(from, to int) []figure {
			for s := from; s < to; s++ {
				p.playWhole(seed.Seed(s), hold)
				sum := 0.0
				for i, g := range gone {
					sum += g.mean()
					if len(classes[i]) > 0 {
						share[i] = append(share[i], g.mean()/float64(len(classes[i])))
					}
				}
				// The world's own account of it.
				if m := w.Measure(nil)[7]; !within(1-m.Num/m.Den, sum/float64(w.shards), 0.02) {
					t.Errorf("%s, seed %d: unavailable for %g of the time, want %g", kind, s, 1-m.Num/m.Den, sum/float64(w.shards))
				}
			}
			var figures []figure
			for i, x := range share {
				if len(x) > 0 {
					figures = append(figures, x.figure(fmt.Sprintf("%s: P(all down) of %d shards in %d racks", kind, len(classes[i]), i+1),
						placement.RackLoss(q, r, together[i]...), half(patience(0.2))))
				}
			}
			return figures
		})
		for i, x := range share {
			if (len(x) > 0) != (kind == placement.Random || i == 2) {
				t.Errorf("%s: %d shards in %d racks", kind, len(classes[i]), i+1)
			}
		}
	}
}

// TestConservation: a burst that destroys b of n nodes, all equally likely,
// destroys all copies of a shard with probability C(b,3)/C(n,3), wherever they
// are. So the expected number of lost shards is the same for every placement,
// while that of losing any is least for few copysets (Cidon et al., "Copysets",
// ATC 2013, section 3). The nodes are in one rack, for a burst strikes nodes of
// one; sizes are 1 + geometric, as the world draws them.
func TestConservation(t *testing.T) {
	const nodes, shards = 60, 240
	var any []float64
	for _, kind := range []string{placement.Random, placement.Window, placement.Copyset} {
		c := still()
		c.Topology.RacksPerZone, c.Topology.NodesPerRack = 1, nodes
		c.Data.ShardsPerNode, c.Data.Quorum = shards/nodes, 1
		c.Data.Placement.Kind, c.Data.Placement.ScatterWidth = kind, 4
		c.Failures.Burst = Bursts{Outages: Outages{MTTF: time.Hour, Median: time.Hour}, MeanNodes: 12, LossProbability: 1}
		w := newTest(t, c)
		p := newPlayer(w)
		bursts := 6000
		if long() {
			bursts = 60_000
		}
		struck := false
		p.after = func(id int32) { struck = struck || w.struck(burst, id) >= 0 }
		// P(b) = (1/12)(11/12)^(b−1), the rest in b = 60.
		want, left := 0.0, 1.0
		for b := 1; b <= nodes; b++ {
			share := left / 12
			if b == nodes {
				share = left
			}
			left -= share
			want += share * shards * placement.Hit(nodes, b, 3, 3)
		}
		var lost, some sample
		tenfold(t, bursts, func(from, to int) []figure {
			for s := from; s < to; s++ {
				w.begin(seed.Seed(s))
				w.ledger.startStep(0)
				for struck = false; !struck; {
					id, at := w.q.pop()
					w.now = at
					w.fire(id)
					p.after(id)
				}
				b := int(w.deadNodes)
				// Less what that size leads one to expect, so that sizes add no
				// noise.
				lost = append(lost, want+float64(w.ledger.lost)-shards*placement.Hit(nodes, b, 3, 3))
				if w.ledger.lost > 0 {
					some = append(some, 1)
				} else {
					some = append(some, 0)
				}
			}
			return []figure{lost.figure(kind+": shards lost in a burst", want, half(patience(0.06)))}
		})
		any = append(any, some.mean())
		t.Logf("%s: P(any lost) %.4f ± %.4f", kind, some.mean(), some.se())
	}
	if !(any[2] < any[1] && any[1] < any[0]) {
		t.Errorf("P(any shard lost) is %.3g for random, window, copyset; want it to fall", any)
	}
}
