package cluster

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"mend/env"
)

// TestQueueTwin runs random operations on the heap and on a slice that is
// sorted after each. Times are few, so that many timers tie; among equals the
// lower id fires first.
func TestQueueTwin(t *testing.T) {
	type entry struct {
		at env.Time
		id int32
	}
	const timers = 60
	rng := rand.New(rand.NewPCG(1, 2))
	q := newQueue(timers)
	var twin []entry
	find := func(id int32) int { return slices.IndexFunc(twin, func(e entry) bool { return e.id == id }) }
	pops, ties := 0, 0
	last := entry{at: -1}
	for step := range 200_000 {
		id := int32(rng.IntN(timers))
		switch op := rng.IntN(10); {
		case op < 5:
			at := env.Time(rng.IntN(20))
			if rng.IntN(20) == 0 {
				at = env.Never // which cancels
			}
			q.set(id, at)
			if i := find(id); i >= 0 {
				twin = slices.Delete(twin, i, i+1)
			}
			if at != env.Never {
				twin = append(twin, entry{at, id})
			}
			last.at = -1
		case op < 6:
			q.cancel(id)
			if i := find(id); i >= 0 {
				twin = slices.Delete(twin, i, i+1)
			}
		case len(twin) > 0:
			gotID, gotAt := q.pop()
			want := twin[0]
			if gotAt != want.at || gotID != want.id {
				t.Fatalf("step %d: timer %d fires at %d, want %d at %d", step, gotID, gotAt, want.id, want.at)
			}
			twin = twin[1:]
			if pops++; want.at == last.at {
				ties++
				if want.id < last.id {
					t.Fatalf("step %d: timer %d fires after %d, both at %d", step, want.id, last.id, want.at)
				}
			}
			last = want
		}
		slices.SortFunc(twin, func(a, b entry) int {
			return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.id, b.id))
		})
		if int(q.n) != len(twin) {
			t.Fatalf("step %d: %d timers set, want %d", step, q.n, len(twin))
		}
		i := find(id)
		if q.pending(id) != (i >= 0) || i >= 0 && q.at[id] != twin[i].at || i < 0 && q.at[id] != env.Never {
			t.Fatalf("step %d: timer %d is set: %v, for %d", step, id, q.pending(id), q.at[id])
		}
	}
	if pops < 10_000 || ties < 1000 {
		t.Errorf("%d timers fired, %d of them at the time of another, want more to have seen something", pops, ties)
	}
}
