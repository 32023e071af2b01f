package cluster

import (
	"math"
	"testing"

	"mend/env/seed"
)

// TestGuards: under the policy that declares whatever it may, no zone ever has
// more nodes declared dead than its limit, nor fewer where more are asked for;
// and nothing is ordered while less space is free than the limit.
//
// Zones of 6, 50 and 3 nodes at 25 %: at most 1 (1.5), 12 (12.5) and 0 (0.75).
func TestGuards(t *testing.T) {
	for _, x := range []struct {
		topology Topology
		most     int32
	}{
		{Topology{2, 2, 2, 3}, 1}, {Topology{1, 2, 5, 10}, 12}, {Topology{1, 2, 3, 1}, 0}, {Topology{1, 1, 4, 2}, 2},
	} {
		c := small()
		c.Topology = x.topology
		c.Data.NodeGB = 4200 // 21 copies, of which 12 are taken
		c.Limits.FreeSpace = 0.35
		c.Horizon = 4 * days
		w := newTest(t, c)
		p := newPlayer(w)
		most, refused, full := int32(0), 0, 0
		p.after = func(int32) {
			for _, n := range w.zoneDeclared {
				if most = max(most, n); n > x.most {
					t.Fatalf("%+v: %d nodes of a zone of %d are declared dead", x.topology, n, w.nodesPerZone)
				}
			}
		}
		for s := range seed.Seed(2) {
			eager := baselinePolicy(t, "rf3-eager", w)
			p.play(s, func(p *player) Action {
				a := eager(p)
				free := p.raw(fFreeSpace)
				if orders := a == DeclareDead || a >= Drain && a <= AddFar; orders && free < 0.35-1e-6 {
					t.Fatalf("%s with %g of the space free", actions[a], free)
				}
				if free < 0.35-1e-6 {
					full++
				}
				if lost := w.kind == NodeUnreachable || w.kind == DomainUnreachable; lost && !p.mask[DeclareDead] && free > 0.35+1e-6 {
					refused++
					if n := after(w); n <= x.most {
						t.Fatalf("%+v: a declaration is refused that would make %d of %d", x.topology, n, x.most)
					}
				}
				return a
			})
		}
		t.Logf("%+v: at most %d declared, %d refused, %d times too little space", x.topology, most, refused, full)
		if most != x.most || refused == 0 {
			t.Errorf("%+v: at most %d declared and %d refused, want the limit, %d, to have been met", x.topology, most, refused, x.most)
		}
		if full == 0 && x.topology.Nodes() == 12 {
			t.Errorf("%+v: space was never short", x.topology)
		}
	}
}

// after is how many nodes of any zone are declared dead if the subject is:
// those that are, and its members that are not.
func after(w *World) int32 {
	first, end := w.subject, w.subject+1
	if w.kind == DomainUnreachable {
		first, end = w.faultDomains.span(w.subject)
	}
	most := int32(0)
	for z := range w.zones {
		n, touched := int32(0), false
		for i := int32(z * w.nodesPerZone); i < int32((z+1)*w.nodesPerZone); i++ {
			switch f := w.nodeFlags[i]; {
			case f&nodeDeclared != 0:
				n++
			case f&nodeUnreachable != 0 && i >= first && i < end:
				n++
				touched = true
			}
		}
		if touched {
			most = max(most, n)
		}
	}
	return most
}

// TestFreeSpaceFeature recomputes the feature from the records: free copies of
// the reachable nodes, less orders, over what these nodes can hold. What is in
// flight counts once, as an order. Where nodes are far larger than what they hold,
// their whole space counts.
func TestFreeSpaceFeature(t *testing.T) {
	for _, times := range []float64{1, 1000} {
		c := small()
		c.Data.NodeGB *= times
		testFreeSpace(t, c)
	}
}

func testFreeSpace(t *testing.T, c Config) {
	c.Horizon = 4 * days
	w := newTest(t, c)
	p := newPlayer(w)
	policy := random(1)
	p.reset(1)
	for inFlight := 0; ; {
		space, nodes, rebuilding := 0, 0, 0
		for n := range int32(w.nodes) {
			if w.nodeFlags[n]&nodeUnreachable != 0 {
				continue
			}
			nodes++
			space += int(w.nodeSpace)
			rebuilding += int(w.inUsed[n])
			space -= int(w.held[n])
		}
		space -= int(w.orders)
		if nodes > 0 {
			if want, got := float64(space)/(float64(nodes)*w.nodeSpace), p.raw(fFreeSpace); math.Abs(got-want) > 1e-6 {
				t.Fatalf("time %d: free space %g, want %g, with %d repairs in flight", w.now, got, want, rebuilding)
			}
		}
		inFlight += rebuilding
		if p.step(policy(p)).Truncated {
			if inFlight == 0 {
				t.Error("no repair was ever in flight")
			}
			return
		}
	}
}
