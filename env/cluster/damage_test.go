package cluster

import (
	"math"
	"slices"
	"testing"
)

// TestDamage: states in which what is kept of repairs, lists and load contradicts
// itself are refused, or never looked at, and leave a world as good as new.
func TestDamage(t *testing.T) {
	c := withLoad(small())
	c.Data.ShardsPerNode, c.Data.NodeGB = 20, 20_000
	p := newPlayer(newTest(t, c))
	policy := random(4)
	p.reset(1)
	for p.w.flowsUsed < 4 || p.w.freeFlow == none || p.w.ledger.slow+p.w.ledger.fast == 0 {
		if p.step(policy(p)).Truncated {
			t.Fatal("no repairs")
		}
	}
	good, used := p.w.AppendState(nil), p.w.flowsUsed
	fresh := newPlayer(newTest(t, c))
	for name, damage := range map[string]func(*World){
		"another number of repairs": func(w *World) { w.flowsUsed++ },
		"many repairs of a node":    func(w *World) { w.load.most = math.MaxInt32 },
		"a repair never used to be used again": func(w *World) {
			last := &w.freeFlow
			for w.flows[*last].next != none {
				last = &w.flows[*last].next
			}
			*last = w.flowsUsed
		},
		"a circle of repairs":         func(w *World) { w.flows[w.freeFlow].next = w.freeFlow },
		"lists of no episode":         func(w *World) { w.started = false; w.lists.length[0], w.lists.last[0] = 5, none },
		"lists in a circle, likewise": func(w *World) { w.started = false; w.lists.length[0], w.lists.last[0] = 5, 0 },
	} {
		t.Run(name, func(t *testing.T) {
			w := newTest(t, c)
			if err := w.RestoreState(good); err != nil {
				t.Fatal(err)
			}
			damage(w)
			bad := w.AppendState(nil)
			if w.flowsUsed != used {
				// The first byte that differs is of that number: here it is
				// more than there can be.
				at := 0
				for good[at] == bad[at] {
					at++
				}
				bad = slices.Clone(good)
				bad[at], bad[at+1] = 0xff, 0x7f
			}
			dirty := newPlayer(newTest(t, c))
			if err := dirty.w.RestoreState(good); err != nil {
				t.Fatal(err)
			}
			if err := dirty.w.RestoreState(bad); err == nil && dirty.w.started {
				t.Fatal("the state is accepted")
			}
			// What follows is what follows in a world that has seen none of it.
			policy, same := random(5), random(5)
			fresh.reset(2)
			dirty.reset(2)
			for step := range 300 {
				if err := dirty.w.CheckInvariants(); err != nil {
					t.Fatalf("step %d: %v", step, err)
				}
				if !slices.Equal(fresh.obs, dirty.obs) {
					t.Fatalf("step %d: another observation than in a new world", step)
				}
				if fresh.step(policy(fresh)) != dirty.step(same(dirty)) {
					t.Fatalf("step %d: another outcome than in a new world", step)
				}
			}
		})
	}
}
