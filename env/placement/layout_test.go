package placement

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"mend/configs/field"
	"mend/env/seed"
)

func long() bool { return os.Getenv("MEND_LONG") == "1" }

func newTest(t testing.TB, c Config, top Topology, shards, factor int, s seed.Seed) *Layout {
	t.Helper()
	l, err := New(c, top, shards, factor, c.most(top.Nodes(), shards, factor), s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// cases calls f with random configurations for which there is a layout.
func cases(t *testing.T, f func(c Config, top Topology, shards, factor int, s seed.Seed)) {
	seen := map[string]int{}
	for i := range 2000 {
		s := seed.Seed(1).Child("case", uint64(i))
		r, _ := s.Rand()
		top := Topology{1 + r.IntN(4), 1 + r.IntN(5), 1 + r.IntN(5)}
		c := Config{[]string{Random, Rack, Window, Copyset}[r.IntN(4)], 1 + r.IntN(12)}
		shards, factor := r.IntN(400), 1+r.IntN(6)
		if c.Check(top, shards, factor, math.MaxInt) == nil {
			seen[c.Kind]++
			f(c, top, shards, factor, s)
		}
		if t.Failed() {
			t.Fatalf("case %d: %+v on %+v, %d shards x %d", i, c, top, shards, factor)
		}
	}
	for _, k := range []string{Random, Rack, Window, Copyset} {
		if seen[k] < 50 {
			t.Fatalf("only %d cases of kind %s", seen[k], k)
		}
	}
}

// spread returns the least and the largest count of 0..n−1 among xs.
func spread(n int, xs []int) (least, most int) {
	counts := make([]int, n)
	for _, x := range xs {
		counts[x]++
	}
	return slices.Min(counts), slices.Max(counts)
}

func ints(nodes []int32, div int) []int {
	xs := make([]int, len(nodes))
	for i, n := range nodes {
		xs[i] = int(n) / div
	}
	return xs
}

func ceil(a, b int) int { return (a + b - 1) / b }

// TestShards: what New promises of each shard, and of each group of nodes that
// shares shards.
func TestShards(t *testing.T) {
	cases(t, func(c Config, top Topology, shards, factor int, s seed.Seed) {
		l := newTest(t, c, top, shards, factor, s)
		if len(l.Nodes) != shards*factor {
			t.Errorf("%d copies", len(l.Nodes))
		}
		for x := range shards {
			set := l.Nodes[x*factor : (x+1)*factor]
			if slices.Min(set) < 0 || int(slices.Max(set)) >= top.Nodes() {
				t.Errorf("shard %d is on %v", x, set)
				return
			}
			if _, most := spread(top.Nodes(), ints(set, 1)); most > 1 {
				t.Errorf("shard %d is twice on a node: %v", x, set)
			}
			racks := ints(set, top.NodesPerRack)
			zones := ints(set, top.NodesPerRack*top.RacksPerZone)
			_, inRack := spread(top.Racks(), racks)
			switch c.Kind {
			case Rack, Copyset:
				if least, most := spread(top.Zones, zones); most-least > 1 {
					t.Errorf("shard %d is unevenly in zones %v", x, zones)
				}
				// Racks of a zone are as even as they can be.
				if want := ceil(ceil(factor, top.Zones), top.RacksPerZone); inRack > want || top.Racks() >= factor && want > 1 {
					t.Errorf("shard %d has %d copies in a rack, want at most %d", x, inRack, want)
				}
			case Window:
				if top.Racks() > c.ScatterWidth && inRack > 1 {
					t.Errorf("shard %d is in racks %v", x, racks)
				}
				for _, n := range set {
					if d := (l.position(n) - l.position(set[0]) + top.Nodes()) % top.Nodes(); d > c.ScatterWidth {
						t.Errorf("shard %d: a copy is %d places after the first", x, d)
					}
				}
			}
		}
	})
}

// TestBalance: the numbers of copies on nodes, and that all copies find a place
// whenever there are as many places as promised, but not with one less.
func TestBalance(t *testing.T) {
	cases(t, func(c Config, top Topology, shards, factor int, s seed.Seed) {
		n := top.Nodes()
		// Random and rack need no more space than the copies, in whole copies
		// a node.
		capacity := ceil(shards*factor, n)
		allowed := 1
		switch c.Kind {
		case Window:
			capacity, allowed = ceil(shards, n)*factor, factor
		case Copyset:
			capacity = c.most(n, shards, factor)
		}
		l, err := New(c, top, shards, factor, capacity, s)
		if err != nil {
			t.Error(err)
			return
		}
		counts := make([]int, n)
		for _, m := range l.Nodes {
			counts[m]++
		}
		if c.Kind == Copyset {
			// Nodes that are in fewer copysets have less.
			sets := make([]int, n)
			for _, m := range l.sets {
				sets[m]++
			}
			full := slices.Max(sets)
			fewer := 0
			kept := counts[:0:0]
			for m := range sets {
				if sets[m] == full {
					kept = append(kept, counts[m])
				} else if fewer++; sets[m] != full-1 {
					t.Errorf("node %d is in %d copysets, others in %d", m, sets[m], full)
				}
			}
			if fewer >= factor {
				t.Errorf("%d nodes are in fewer copysets", fewer)
			}
			if got := slices.Max(counts); got != capacity && got != capacity-1 {
				t.Errorf("%d copies on the fullest node, want %d or one less", got, capacity)
			}
			counts = kept
		}
		if least, most := slices.Min(counts), slices.Max(counts); most > capacity || most-least > allowed {
			t.Errorf("%d to %d copies a node, want at most %d apart and %d", least, most, allowed, capacity)
		}
		if shards > 0 {
			if _, err := New(c, top, shards, factor, capacity-1, s); err == nil {
				t.Error("one place less a node is no error")
			}
		}
	})
}

// TestDeterminism: the same seed, the same layout; another seed, another one.
func TestDeterminism(t *testing.T) {
	top := Topology{3, 5, 4}
	for _, kind := range []string{Random, Rack, Window, Copyset} {
		c := Config{kind, 6}
		a, b, other := newTest(t, c, top, 500, 3, 7), newTest(t, c, top, 500, 3, 7), newTest(t, c, top, 500, 3, 8)
		if !slices.Equal(a.Nodes, b.Nodes) {
			t.Errorf("%s: the same seed gives another layout", kind)
		}
		if slices.Equal(a.Nodes, other.Nodes) {
			t.Errorf("%s: another seed gives the same layout", kind)
		}
	}
}

// TestVariety: kinds random and rack have as many copysets as independent
// draws, T·(1 − (1−1/T)^T) of T possible ones with T shards, whose variance is
// T·(1/e)·(1 − 2/e) (the classical occupancy problem). So dealing from
// shuffled decks costs balance nothing in variety.
func TestVariety(t *testing.T) {
	for _, x := range []struct {
		kind string
		top  Topology
		sets int
	}{
		{Random, Topology{1, 1, 100}, 161_700}, // C(100,3)
		{Rack, Topology{3, 30, 2}, 216_000},    // one of 60 nodes in each of 3 zones
	} {
		l := newTest(t, Config{Kind: x.kind, ScatterWidth: 1}, x.top, x.sets, 3, 3)
		n := float64(x.sets)
		want := n * -math.Expm1(n*math.Log1p(-1/n))
		sd := math.Sqrt(n / math.E * (1 - 2/math.E))
		got := float64(CopysetsOf(l.Nodes, 3, x.top.Nodes()).Count())
		t.Logf("%s: %.0f copysets, independent draws %.0f, sd %.0f", x.kind, got, want, sd)
		if math.Abs(got-want) > 4*sd {
			t.Errorf("%s: %.0f copysets, want %.0f, standard deviation %.0f", x.kind, got, want, sd)
		}
	}
}

// TestCandidates against the definition: for kind copyset, what remains of each
// copyset around held; for kind window, every node such that all are among
// ScatterWidth+1 consecutive places of the ring.
func TestCandidates(t *testing.T) {
	cases(t, func(c Config, top Topology, shards, factor int, s seed.Seed) {
		l := newTest(t, c, top, shards, factor, s)
		if l.Confined() != (c.Kind == Window || c.Kind == Copyset) {
			t.Errorf("confined: %v", l.Confined())
		}
		r, _ := s.Rand()
		n := top.Nodes()
		buf := make([]int32, 0, 2*c.ScatterWidth+factor)
		for range min(20, shards) {
			x := r.IntN(shards)
			held := slices.Clone(l.Nodes[x*factor : (x+1)*factor])
			r.Shuffle(factor, func(i, j int) { held[i], held[j] = held[j], held[i] })
			lost := held[factor-1]
			held = held[:r.IntN(factor)]
			got := l.Candidates(buf, held)
			if cap(got) != cap(buf) {
				t.Error("the buffer was too small")
			}
			var want []int32
			switch {
			case len(held) == 0:
			case c.Kind == Copyset:
				for set := range slices.Chunk(l.sets, factor) {
					if !slices.ContainsFunc(held, func(m int32) bool { return !slices.Contains(set, m) }) {
						want = append(want, slices.DeleteFunc(slices.Clone(set), func(m int32) bool { return slices.Contains(held, m) })...)
					}
				}
			case c.Kind == Window:
				for m := range int32(n) {
					fits := func(start int) bool {
						for _, h := range append([]int32{m}, held...) {
							if (l.position(h)-start+n)%n > c.ScatterWidth {
								return false
							}
						}
						return true
					}
					if !slices.Contains(held, m) && slices.ContainsFunc(seq(n), fits) {
						want = append(want, m)
					}
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("beside %v: %v, want %v", held, got, want)
			}
			if l.Confined() && len(held) > 0 && !slices.Contains(got, lost) {
				t.Errorf("beside %v: %v lacks %d, which was there", held, got, lost)
			}
		}
	})
}

func seq(n int) []int {
	xs := make([]int, n)
	for i := range xs {
		xs[i] = i
	}
	return xs
}

// TestUnrelated: nodes that share no copyset have no candidates.
func TestUnrelated(t *testing.T) {
	l := newTest(t, Config{Copyset, 2}, Topology{3, 4, 5}, 100, 3, 1)
	held := []int32{l.sets[0], l.sets[3]} // S = 2: copysets are disjoint
	if got := l.Candidates(nil, held); len(got) != 0 {
		t.Errorf("beside %v of two copysets: %v", held, got)
	}
	l = newTest(t, Config{Window, 4}, Topology{3, 4, 5}, 100, 3, 1)
	held = []int32{l.onRing(58), l.onRing(3)} // 5 places apart
	if got := l.Candidates(nil, held); len(got) != 0 {
		t.Errorf("beside %v, too far apart: %v", held, got)
	}
}

// TestRepairsKeepCopysets: however often copies are lost and repaired on
// candidates, no copyset arises that the layout had not: P·N/R of them, here
// 5·60/3.
func TestRepairsKeepCopysets(t *testing.T) {
	top := Topology{3, 4, 5}
	l := newTest(t, Config{Copyset, 10}, top, 2000, 3, 1)
	if got := CopysetsOf(l.Nodes, 3, 60).Count(); got != 100 {
		t.Fatalf("%d copysets, want 100", got)
	}
	r := rand.New(rand.NewPCG(1, 2))
	moved := 0
	for range 20_000 {
		set := l.Nodes[r.IntN(2000)*3:][:3]
		r.Shuffle(3, func(i, j int) { set[i], set[j] = set[j], set[i] })
		for keep := 1 + r.IntN(2); keep < 3; keep++ {
			near := l.Candidates(nil, set[:keep])
			n := near[r.IntN(len(near))]
			if n != set[keep] {
				moved++
			}
			set[keep] = n
		}
	}
	if got := CopysetsOf(l.Nodes, 3, 60).Count(); got > 100 || moved < 5000 {
		t.Errorf("%d copysets after %d moves, want at most 100, and at least 5000 moves", got, moved)
	}
}

func TestCandidatesAllocateNothing(t *testing.T) {
	for _, kind := range []string{Window, Copyset} {
		l := newTest(t, Config{kind, 10}, Topology{3, 10, 10}, 3000, 3, 1)
		buf := make([]int32, 0, 23)
		if n := testing.AllocsPerRun(100, func() {
			for i := 0; i < 300; i += 3 {
				l.Candidates(buf, l.Nodes[i:i+1])
				l.Candidates(buf, l.Nodes[i:i+2])
			}
		}); n != 0 {
			t.Errorf("%s: %g allocations", kind, n)
		}
	}
}

func TestComplaints(t *testing.T) {
	top := Topology{2, 2, 5}
	for _, x := range []struct {
		c                        Config
		top                      Topology
		shards, factor, capacity int
		path                     string
	}{
		{Config{"raid", 1}, top, 10, 3, 10, "kind"},
		{Config{Rack, 0}, top, 10, 3, 10, "scatter_width"},
		{Config{Rack, 1}, Topology{0, 2, 5}, 10, 3, 10, "kind"},
		{Config{Rack, 1}, top, -1, 3, 10, "kind"},
		{Config{Rack, 1}, top, 10, 0, 10, "kind"},
		{Config{Rack, 1}, top, 10, 5, 10, "kind"},            // 4 racks
		{Config{Random, 1}, top, 10, 21, 100, "kind"},        // 20 nodes
		{Config{Random, 1}, top, 10, 3, 1, "kind"},           // 30 copies in 20 places
		{Config{Random, 1}, top, math.MaxInt, 3, 10, "kind"}, // overflow
		{Config{Random, 1}, Topology{1 << 20, 1 << 20, 1 << 20}, 10, 3, 10, "kind"},
		{Config{Window, 1}, top, 10, 3, 10, "scatter_width"},  // too few for 2 others
		{Config{Window, 10}, top, 10, 3, 10, "scatter_width"}, // more than half of the ring
		{Config{Copyset, 20}, top, 10, 3, 10, "scatter_width"},
		{Config{Copyset, 10_000}, Topology{1, 1, 1 << 20}, 10, 2, 10, "scatter_width"}, // 10^10 entries
	} {
		_, err := New(x.c, x.top, x.shards, x.factor, x.capacity, 1)
		list, ok := err.(field.Errors)
		if !ok || list[0].Path != x.path {
			t.Errorf("%+v on %+v, %d x %d: %v, want a complaint about %s", x.c, x.top, x.shards, x.factor, err, x.path)
		}
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

// BenchmarkNew places 1,000,000 shards of 3 copies on 10,000 nodes.
func BenchmarkNew(b *testing.B) {
	for _, kind := range []string{Random, Rack, Window, Copyset} {
		b.Run(fmt.Sprintf("kind=%s/nodes=10000/copies=3000000", kind), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				newTest(b, Config{kind, 10}, Topology{4, 50, 50}, 1_000_000, 3, 1)
			}
			b.ReportMetric(3e6*float64(b.N)/b.Elapsed().Seconds(), "copies/s")
		})
	}
}
