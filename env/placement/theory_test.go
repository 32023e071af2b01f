package placement

import (
	"math"
	"math/rand/v2"
	"testing"

	rule "mend/env/internal/tenfold"
	"mend/env/seed"
)

// figure is an estimate, beside what it should be within the relative bias.
type figure struct {
	what       string
	e          Estimate
	want, bias float64
}

// Off reports whether f is more than 4 standard errors off.
func (f figure) Off() bool { return !within(f.e.Mean, f.want, f.bias+4*f.e.StandardError/f.want) }

// tenfold checks figures of n bursts, or of ten times as many, see rule.Settle. The
// first n bursts of 10·n are the same, and so are made again.
func tenfold(t *testing.T, n int, measure func(from, to int) []figure) {
	t.Helper()
	width := 0.12
	if long() {
		width = 0.03
	}
	for _, f := range rule.Settle(n, measure) {
		f.e.near(t, f.what, f.want, f.bias, width)
	}
}

// TestTenfold: measurements of mean 1 and variance 1, to which errors are added.
// With 100 the standard error is 0.1, with 1000 it is 0.032.
func TestTenfold(t *testing.T) {
	for _, x := range []struct {
		what        string
		first, rest float64 // errors of the first 100 and of the others
		n           int     // measurements that decide
		off         bool
	}{
		{"right", 0, 0, 100, false},
		{"unlucky at first", 0.5, 0, 1000, false},
		{"wrong", 0.5, 0.5, 1000, true},
		{"wrong by less than 100 would show", 0.5, 0.2, 1000, true},
	} {
		last := 0
		f := rule.Settle(100, func(_, n int) []figure {
			var m moments
			for r := range n {
				e := x.rest
				if r < 100 {
					e = x.first
				}
				m.add(1 + float64(1-2*(r%2)) + e)
			}
			last = n
			return []figure{{x.what, m.estimate(1), 1, 0}}
		})[0]
		if last != x.n || f.Off() != x.off {
			t.Errorf("%s: %d measurements, off %t, want %d, %t", x.what, last, f.Off(), x.n, x.off)
		}
	}
}

// TestPrefix: more bursts are the same ones and others.
func TestPrefix(t *testing.T) {
	l := newTest(t, Config{Window, 4}, Topology{1, 1, 40}, 400, 3, 1)
	c := CopysetsOf(l.Nodes, 3, 40)
	sum := func(n int) float64 {
		_, shards := c.Simulate(6, n, 9)
		return shards.Mean * float64(n)
	}
	last, total := sum(2), 0
	for n := 3; n < 100; n++ {
		down := make([]bool, 40)
		_, lost := c.Lost(burst(nil, down, 6, 9, uint64(n-1)), down)
		total += lost
		got := sum(n)
		if math.Abs(got-last-float64(lost)) > 1e-9 {
			t.Errorf("burst %d loses %g shards, want %d", n, got-last, lost)
		}
		last = got
	}
	if total < 50 {
		t.Errorf("only %d shards were lost", total)
	}
}

// TestPublishedBursts: 1 % of 5000 nodes at once. The published probabilities of
// loss are 22.8 % for random sets within a window, 0.78 % and 0.15 % for
// copysets; every placement loses as many shards on average. What disjoint or
// overlapping sets change is as in TestCopysetBursts and TestWindowBursts.
func TestPublishedBursts(t *testing.T) {
	for i, x := range []struct {
		name   string
		c      Config
		shards int
		bias   float64
		bursts int // for half-widths of 3 %
	}{
		{"window", Config{Window, 11}, 2_000_000, 0, 150_000},
		{"copysets, S = 10", Config{Copyset, 10}, 100_000, 3e-4, 700_000},
		{"copysets, S = 2", Config{Copyset, 2}, 100_000, 3e-4, 3_500_000},
	} {
		l := newTest(t, x.c, outageTopology, x.shards, 3, seed.Seed(20+i))
		c := CopysetsOf(l.Nodes, 3, outageNodes)
		want := SomeOf(outageP, c.Count())
		if x.c.Kind == Window {
			want = windowLoss(outageNodes, outageLost, x.c.ScatterWidth)
		}
		n := x.bursts
		if !long() {
			n /= 16
		}
		tenfold(t, n, func(_, n int) []figure {
			loss, shards := c.Simulate(outageLost, n, seed.Seed(30+i))
			return []figure{
				{x.name + ": P(loss), conditioned", c.LossProbability(outageLost, n/10, seed.Seed(40+i)), want, x.bias},
				{x.name + ": P(loss)", loss, want, x.bias},
				{x.name + ": shards lost", shards, float64(x.shards) * outageP, 0},
			}
		})
	}
}

// TestRackRatios: shards in one rack, two and three are lost 75,152 : 83.49 : 1
// as often, with nodes lost at 1e-3 and racks at 1e-4. Both fail inflated, and
// each sample is weighted by the ratio of its probabilities.
func TestRackRatios(t *testing.T) {
	const inflated = 0.3
	samples := 100_000
	if long() {
		samples = 1_000_000
	}
	for i, x := range rackCases {
		l := newTest(t, x.c, x.top, 1, 3, 1)
		c := CopysetsOf(l.Nodes, 3, x.top.Nodes())
		want := x.loss / 1.330637e-9
		tenfold(t, samples, func(_, n int) []figure {
			g := rand.New(rand.NewPCG(5, uint64(i)))
			down := make([]bool, x.top.Nodes())
			var failed []int32
			var m moments
			for range n {
				weight := 1.0
				fails := func(rate float64) bool {
					if g.Float64() < inflated {
						weight *= rate / inflated
						return true
					}
					weight *= (1 - rate) / (1 - inflated)
					return false
				}
				failed = failed[:0]
				for rack := range x.top.Racks() {
					whole := fails(rackLoss)
					for n := rack * x.top.NodesPerRack; n < (rack+1)*x.top.NodesPerRack; n++ {
						own := fails(nodeLoss)
						if down[n] = whole || own; down[n] {
							failed = append(failed, int32(n))
						}
					}
				}
				_, shards := c.Lost(failed, down)
				m.add(weight * float64(shards))
			}
			return []figure{{x.name + ": as often as in three racks", m.estimate(1 / 1.330637e-9), want, 1e-6}}
		})
	}
}
