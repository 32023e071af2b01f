package placement

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"mend/env/seed"
)

// The cluster of Cidon et al. (2013): 5000 nodes, of which a power outage
// destroys 1 %, 50; three copies. Here 50 racks, since racks fail no more than
// others in these bursts.
var (
	outageTopology = Topology{2, 25, 100}
	outageNodes    = 5000
	outageLost     = 50
	outageP        = Hit(5000, 50, 3, 3)
)

func within(got, want, relative float64) bool { return math.Abs(got-want) <= relative*math.Abs(want) }

// near fails unless the estimate is within 4 standard errors of want, plus the
// relative bias, and its 95 % half-width is at most the share width of want.
func (e Estimate) near(t *testing.T, what string, want, bias, width float64) {
	t.Helper()
	t.Logf("%s: %.6g, standard error %.2g; want %.6g", what, e.Mean, e.StandardError, want)
	if half := 1.96 * e.StandardError; !(half <= width*want) {
		t.Errorf("%s: half-width %.3g of %.6g is more than %g %%: too few bursts to tell", what, half, want, 100*width)
	}
	if !(math.Abs(e.Mean-want) <= 4*e.StandardError+bias*want) {
		t.Errorf("%s: %.6g, standard error %.2g, want %.6g", what, e.Mean, e.StandardError, want)
	}
}

// TestLost against a look at every shard, on random layouts and bursts.
func TestLost(t *testing.T) {
	hits := 0
	cases(t, func(c Config, top Topology, shards, factor int, s seed.Seed) {
		l := newTest(t, c, top, shards, factor, s)
		sets := CopysetsOf(l.Nodes, factor, top.Nodes())
		r, _ := s.Rand()
		for range 5 {
			down := make([]bool, top.Nodes())
			failed := burst(nil, down, r.IntN(top.Nodes()+1), s, r.Uint64())
			n := 0
			distinct := map[string]bool{}
			for x := range shards {
				set := slices.Clone(l.Nodes[x*factor : (x+1)*factor])
				if !slices.ContainsFunc(set, func(n int32) bool { return !down[n] }) {
					n++
					slices.Sort(set)
					distinct[fmt.Sprint(set)] = true
				}
			}
			hits += n
			gotSets, gotShards := sets.Lost(failed, down)
			if gotShards != n || gotSets != len(distinct) {
				t.Errorf("%d shards in %d copysets lost, want %d in %d", gotShards, gotSets, n, len(distinct))
			}
		}
	})
	if hits < 500 {
		t.Errorf("only %d shards were ever lost", hits)
	}
}

// TestHit: the probabilities of a burst sum to 1 and have the mean b·n/N; and
// p of the cluster of 5000 is C(50,3)/C(5000,3) = 19,600/20,820,835,000.
func TestHit(t *testing.T) {
	for _, x := range [][3]int{{10, 3, 4}, {10, 8, 5}, {100, 1, 3}, {5000, 50, 6}, {7, 7, 3}, {7, 0, 3}} {
		sum, mean := 0.0, 0.0
		for k := range x[2] + 1 {
			p := Hit(x[0], x[1], x[2], k)
			sum, mean = sum+p, mean+p*float64(k)
		}
		if want := float64(x[1]*x[2]) / float64(x[0]); !within(sum, 1, 1e-12) || !within(mean, want, 1e-12) {
			t.Errorf("%v: sum %g, mean %g, want 1, %g", x, sum, mean, want)
		}
	}
	if want := 19_600.0 / 20_820_835_000; !within(outageP, want, 1e-12) {
		t.Errorf("p = %g, want %g", outageP, want)
	}
	// 2 of 4 with 3 of 10 struck: C(3,2)·C(7,2)/C(10,4) = 3·21/210.
	if got := Hit(10, 3, 4, 2); !within(got, 0.3, 1e-12) {
		t.Errorf("2 of 4: %g, want 0.3", got)
	}
	if Hit(10, 3, 4, 4) != 0 || Hit(10, 3, 4, -1) != 0 || Hit(10, 11, 4, 4) != 0 || Hit(3, 1, 4, 1) != 0 {
		t.Error("what cannot be has a probability")
	}
}

// TestPublished: the probabilities of data loss in the cluster of Cidon et al.
// (2013) follow from the numbers of copysets. Six digits are from evaluating
// 1 − (1−p)^C in extended precision.
func TestPublished(t *testing.T) {
	for _, x := range []struct {
		copysets  float64
		want      float64
		published string
	}{
		{5000 * 8000 / 3, 0.9999965, "99.99 %, random, 8,000 chunks a node"},
		{5000 * 55, 0.228081, "22.8 %, Facebook's HDFS: C(11,2) pairs beside each node"},
		{10.0 / 2 * 5000 / 3, 0.00781402, "0.78 %, copysets with S = 10"},
		{2.0 / 2 * 5000 / 3, 0.00156771, "0.15 %, copysets with S = 2"},
	} {
		// At whole numbers of copysets below and above the fraction.
		low, high := SomeOf(outageP, int(x.copysets)), SomeOf(outageP, int(math.Ceil(x.copysets)))
		if low > x.want*(1+1e-5) || high < x.want*(1-1e-5) {
			t.Errorf("%s: %.7g to %.7g, want %.7g", x.published, low, high, x.want)
		}
	}
}

// TestCopysetBursts: kind copyset loses data in as many bursts as published,
// by simulation of bursts, by conditioned sampling, and, for S = 2, exactly.
//
// For sets drawn independently the formula is exact on average over layouts:
// given the failed nodes, each set is among them with probability p. The sets
// of one permutation are disjoint instead, which raises the probability of any
// loss, for S = 2 by a share of 1.3e-4 (disjointLoss); a bias of 3e-4 is
// allowed for.
func TestCopysetBursts(t *testing.T) {
	root := seed.Seed(1)
	bursts, samples, width := map[int]int{2: 1_100_000, 10: 560_000}, 20_000, 0.05
	if long() {
		bursts = map[int]int{2: 20_000_000, 4: 10_000_000, 10: 5_000_000, 20: 3_000_000, 50: 1_000_000, 100: 500_000}
		samples, width = 200_000, 0.015
	}
	for _, x := range []struct {
		s         int
		published float64 // for S = 2 and 10; else 1 − (1−p)^(S/2·N/3)
		exact     float64 // 1 − (1−p)^(S/2·N/3)
	}{
		{2, 0.0015, 0.00156771}, {4, 0, 0.00313297}, {10, 0.0078, 0.00781402},
		{20, 0, 0.01556698}, {50, 0, 0.03846427}, {100, 0, 0.07544903},
	} {
		t.Run(fmt.Sprintf("S=%d", x.s), func(t *testing.T) {
			l := newTest(t, Config{Copyset, x.s}, outageTopology, 100_000, 3, root.Child("layout", uint64(x.s)))
			c := CopysetsOf(l.Nodes, 3, outageNodes)
			// Sets that arise twice are few: two of S·N/6 sets coincide with
			// probability 1/C(5000,3).
			if want := x.s * outageNodes / 6; c.Count() > want || c.Count() < want-2 {
				t.Fatalf("%d copysets, want %d", c.Count(), want)
			}
			formula := SomeOf(outageP, c.Count())
			if !within(formula, x.exact, 5e-4) { // a part of a copyset, and twins
				t.Errorf("1 − (1−p)^%d = %.8g, want about %.8g", c.Count(), formula, x.exact)
			}
			conditioned := c.LossProbability(outageLost, samples, root.Child("conditioned", uint64(x.s)))
			conditioned.near(t, "P(loss), conditioned", formula, 3e-4, 0.002)
			if x.s == 2 {
				conditioned.near(t, "P(loss), exact for disjoint sets", disjointLoss(c.Count(), outageNodes, outageLost, 3), 0, 0.002)
			}
			if x.published > 0 && !within(conditioned.Mean, x.published, 0.05) {
				t.Errorf("P(loss) %.4g, published %.4g", conditioned.Mean, x.published)
			}
			if n := bursts[x.s]; n > 0 {
				loss, shards := c.Simulate(outageLost, n, root.Child("bursts", uint64(x.s)))
				loss.near(t, "P(loss)", formula, 3e-4, width)
				// Conservation: shards·p, however they are placed.
				shards.near(t, "shards lost", 100_000*outageP, 0, width)
			}
		})
	}
}

// disjointLoss is the probability that a burst of b of n nodes includes one of
// c disjoint sets of r nodes, by inclusion and exclusion.
func disjointLoss(c, n, b, r int) float64 {
	sum, choose := 0.0, 1.0 // choose = C(c,j)
	for j := 1; j*r <= b && j <= c; j++ {
		choose *= float64(c-j+1) / float64(j)
		sum += float64(1-2*(j%2)) * -choose * Hit(n, b, j*r, j*r)
	}
	return sum
}

// windowLoss is the probability that 3 of b random places on a ring of n are
// within width places of each other (a scan statistic on a circle): 1 less the
// share of arrangements in which any two successive gaps sum to more. These
// are counted by the gap from each place to the next, by a transfer matrix
// whose state is the last gap, or "width or more".
func windowLoss(n, b, width int) float64 {
	// ways[g][x]: sequences of gaps so far that sum to x and end in g.
	step := func(ways [][]float64) [][]float64 {
		next := make([][]float64, width+1)
		for g := 1; g <= width; g++ {
			next[g] = make([]float64, n+1)
			for x := range n + 1 - g {
				for last := max(1, width+1-g); last <= width; last++ {
					next[g][x+g] += ways[last][x]
				}
			}
		}
		for x := range n { // longer gaps
			next[width][x+1] += next[width][x]
		}
		return next
	}
	circular := 0.0
	for first := 1; first <= width; first++ {
		ways := make([][]float64, width+1)
		for g := range ways {
			ways[g] = make([]float64, n+1)
		}
		for x := first; x <= n; x++ {
			if x == first || first == width {
				ways[first][x] = 1
			}
		}
		for range b - 1 {
			ways = step(ways)
		}
		for last := max(1, width+1-first); last <= width; last++ {
			circular += ways[last][n]
		}
	}
	// A set of places is n/b sequences of gaps with a place to start.
	log := math.Log(circular) + math.Log(float64(n)/float64(b))
	for i := range b {
		log -= math.Log(float64(n-i)) - math.Log(float64(b-i))
	}
	return 1 - math.Exp(log)
}

// TestWindowLoss compares the twin with the count of all arrangements.
func TestWindowLoss(t *testing.T) {
	for _, x := range []struct{ n, b, width int }{{7, 3, 2}, {7, 3, 3}, {14, 4, 3}, {16, 5, 2}, {16, 5, 4}, {17, 3, 7}} {
		all, hit := 0, 0
		for pattern := range 1 << x.n {
			if bits.OnesCount(uint(pattern)) != x.b {
				continue
			}
			all++
			for start := range x.n {
				turned := pattern>>start | pattern<<(x.n-start)
				if bits.OnesCount(uint(turned&(1<<(x.width+1)-1))) >= 3 {
					hit++
					break
				}
			}
		}
		if got, want := windowLoss(x.n, x.b, x.width), float64(hit)/float64(all); !within(got, want, 1e-12) {
			t.Errorf("%+v: %g, want %g", x, got, want)
		}
	}
}

// TestWindowBursts: kind window with 11 nodes beside each has N·C(11,2) =
// 275,000 copysets, for which 1 − (1−p)^C is the 22.8 % published for
// Facebook's HDFS. Such copysets overlap, so the truth is lower: losses come in
// clumps.
func TestWindowBursts(t *testing.T) {
	l := newTest(t, Config{Window, 11}, outageTopology, 400*outageNodes, 3, 1)
	c := CopysetsOf(l.Nodes, 3, outageNodes)
	if c.Count() != 275_000 {
		t.Fatalf("%d copysets, want 275000", c.Count())
	}
	if got := SomeOf(outageP, c.Count()); !within(got, 0.228081, 1e-5) {
		t.Errorf("1 − (1−p)^275000 = %.7g, want 0.228081", got)
	}
	exact := windowLoss(outageNodes, outageLost, 11)
	t.Logf("P(loss) %.6f as if independent, %.6f exactly", SomeOf(outageP, c.Count()), exact)
	c.LossProbability(outageLost, 20_000, 2).near(t, "P(loss), conditioned", exact, 0, 0.01)
	bursts := 30_000
	if long() {
		bursts = 3_000_000
	}
	loss, shards := c.Simulate(outageLost, bursts, 3)
	loss.near(t, "P(loss)", exact, 0, 0.03)
	shards.near(t, "shards lost", 400*5000*outageP, 0, 0.03)
}

// TestRandomBursts: with random placement, nearly every shard is a copyset. At
// 8,000 chunks a node a burst of 50 loses data with probability 0.9999965; at
// 300 chunks a node, here, with 1 − (1−p)^500000 = 0.375. Kind rack loses as
// many shards.
func TestRandomBursts(t *testing.T) {
	for _, kind := range []string{Random, Rack} {
		l := newTest(t, Config{kind, 1}, outageTopology, 500_000, 3, 1)
		c := CopysetsOf(l.Nodes, 3, outageNodes)
		bursts := 15_000
		if long() {
			bursts = 1_000_000
		}
		loss, shards := c.Simulate(outageLost, bursts, 3)
		shards.near(t, kind+": shards lost", 500_000*outageP, 0, 0.03)
		if kind == Random {
			loss.near(t, "P(loss)", SomeOf(outageP, c.Count()), 0, 0.03)
			c.LossProbability(outageLost, 10_000, 2).near(t, "P(loss), conditioned", SomeOf(outageP, c.Count()), 0, 0.01)
		}
	}
}

// TestFullOutage: the published 8,000 chunks a node. All bursts but 3.5 in a
// million lose data: 40,000,000·p/3 = 12.55 shards each.
func TestFullOutage(t *testing.T) {
	if !long() {
		t.Skip("holds 13 million shards; MEND_LONG=1 runs it")
	}
	l := newTest(t, Config{Random, 1}, outageTopology, 5000*8000/3, 3, 1)
	c := CopysetsOf(l.Nodes, 3, outageNodes)
	if got := SomeOf(outageP, c.Count()); !within(got, 0.9999965, 1e-7) {
		t.Errorf("1 − (1−p)^%d = %.8g, want 0.9999965", c.Count(), got)
	}
	loss, shards := c.Simulate(outageLost, 20_000, 3)
	shards.near(t, "shards lost", float64(len(l.Nodes)/3)*outageP, 0, 0.01)
	if loss.Mean < 1-1.5/20_000 { // 0.07 bursts without loss are expected; more than one has probability 2.3e-3
		t.Errorf("P(loss) %.7f", loss.Mean)
	}
}

// TestConservationExactly: over all bursts of b nodes, each of T shards is lost
// in C(N−R, b−R) of them, whatever the placement.
func TestConservationExactly(t *testing.T) {
	top := Topology{2, 3, 2} // 12 nodes
	for _, kind := range []string{Random, Rack, Window, Copyset} {
		l := newTest(t, Config{kind, 4}, top, 40, 3, 5)
		c := CopysetsOf(l.Nodes, 3, 12)
		total := map[int]int{} // shards lost, by size of burst
		for pattern := range 1 << 12 {
			down := make([]bool, 12)
			var failed []int32
			for n := range down {
				if down[n] = pattern>>n&1 == 1; down[n] {
					failed = append(failed, int32(n))
				}
			}
			_, shards := c.Lost(failed, down)
			total[len(failed)] += shards
		}
		for b, choose := range map[int]int{3: 1, 4: 9, 6: 84, 9: 84, 12: 1} { // C(9, b−3)
			if total[b] != 40*choose {
				t.Errorf("%s: bursts of %d lose %d shards in all, want %d", kind, b, total[b], 40*choose)
			}
		}
	}
}

// The racks that three copies are in, and layouts that put them there.
var rackCases = []struct {
	name    string
	c       Config
	top     Topology
	perRack []int
	loss    float64 // q = 1e-3, r = 1e-4, see TestRackLoss
}{
	{"one rack", Config{Copyset, 2}, Topology{1, 1, 3}, []int{3}, 1.000010e-4},
	{"two racks", Config{Copyset, 2}, Topology{1, 2, 2}, []int{2, 1}, 1.110898e-7},
	{"three racks", Config{Rack, 1}, Topology{1, 3, 1}, []int{1, 1, 1}, 1.330637e-9},
}

const nodeLoss, rackLoss = 1e-3, 1e-4

// TestRackLoss: copies in the same rack, r + (1−r)·q³; in two,
// (r+(1−r)q²)(r+(1−r)q); in three, (r+(1−r)q)³, for nodes that are lost with
// probability q = 1e-3 and racks with r = 1e-4: in the ratio 75,152 : 83.49 : 1.
// The formula is compared with these and with the sum over all patterns of
// failures, on layouts as New makes them. (The first ratio is 75,152.7 to one
// digit more.)
func TestRackLoss(t *testing.T) {
	for _, x := range rackCases {
		l := newTest(t, x.c, x.top, 1, 3, 1)
		c := CopysetsOf(l.Nodes, 3, x.top.Nodes())
		sum := 0.0
		things := x.top.Racks() + x.top.Nodes()
		for pattern := range 1 << things {
			p := 1.0
			down := make([]bool, x.top.Nodes())
			for i := range things {
				rate := rackLoss
				if i >= x.top.Racks() {
					rate = nodeLoss
				}
				if pattern>>i&1 == 0 {
					p *= 1 - rate
					continue
				}
				p *= rate
				for n := range down {
					down[n] = down[n] || n == i-x.top.Racks() || n/x.top.NodesPerRack == i
				}
			}
			var failed []int32
			for n := range down {
				if down[n] {
					failed = append(failed, int32(n))
				}
			}
			if _, shards := c.Lost(failed, down); shards > 0 {
				sum += p
			}
		}
		formula := RackLoss(nodeLoss, rackLoss, x.perRack...)
		if !within(formula, x.loss, 1e-6) || !within(sum, formula, 1e-9) {
			t.Errorf("%s: formula %.7g, all patterns %.7g, want %.7g", x.name, formula, sum, x.loss)
		}
	}
	three := RackLoss(nodeLoss, rackLoss, 1, 1, 1)
	if one, two := RackLoss(nodeLoss, rackLoss, 3)/three, RackLoss(nodeLoss, rackLoss, 2, 1)/three; math.Abs(one-75_152.7) > 0.05 || math.Abs(two-83.49) > 0.005 {
		t.Errorf("ratios %.1f : %.3f : 1, want 75152.7 : 83.49 : 1", one, two)
	}
}

// TestRackFailures samples what TestRackLoss computes: racks and nodes fail at
// inflated rates, and each sample is weighted by the ratio of its probabilities
// (importance sampling; the weights have mean 1 exactly). The likely loss, of
// one rack, is sampled at the true rates too.
func TestRackFailures(t *testing.T) {
	for _, x := range rackCases {
		l := newTest(t, x.c, x.top, 1, 3, 1)
		c := CopysetsOf(l.Nodes, 3, x.top.Nodes())
		sample := func(q, r float64, samples int) Estimate {
			g := rand.New(rand.NewPCG(1, 2))
			down := make([]bool, x.top.Nodes())
			var failed []int32
			var m moments
			for range samples {
				weight := 1.0
				fails := func(rate, inflated float64) bool {
					if g.Float64() < inflated {
						weight *= rate / inflated
						return true
					}
					weight *= (1 - rate) / (1 - inflated)
					return false
				}
				failed = failed[:0]
				for rack := range x.top.Racks() {
					whole := fails(rackLoss, r)
					for n := rack * x.top.NodesPerRack; n < (rack+1)*x.top.NodesPerRack; n++ {
						if down[n] = whole || fails(nodeLoss, q); down[n] {
							failed = append(failed, int32(n))
						}
					}
				}
				_, shards := c.Lost(failed, down)
				m.add(weight * float64(shards))
			}
			return m.estimate(1)
		}
		sample(0.3, 0.3, 1_000_000).near(t, x.name, x.loss, 1e-6, 0.03)
		if len(x.perRack) == 1 {
			n, width := 3_000_000, 0.15
			if long() {
				n, width = 100_000_000, 0.03
			}
			sample(nodeLoss, rackLoss, n).near(t, x.name+" at true rates", x.loss, 1e-6, width)
		}
	}
}

// BenchmarkLost is the cost of a burst of 50 of 5000 nodes.
func BenchmarkLost(b *testing.B) {
	for _, c := range []Config{{Random, 1}, {Window, 11}, {Copyset, 10}, {Copyset, 2}} {
		b.Run(fmt.Sprintf("kind=%s/S=%d/shards=500000", c.Kind, c.ScatterWidth), func(b *testing.B) {
			sets := CopysetsOf(newTest(b, c, outageTopology, 500_000, 3, 1).Nodes, 3, outageNodes)
			b.ReportAllocs()
			i := 0
			down := make([]bool, outageNodes)
			failed := make([]int32, 0, outageLost)
			for b.Loop() {
				failed = burst(failed[:0], down, outageLost, 1, uint64(i))
				sets.Lost(failed, down)
				for _, f := range failed {
					down[f] = false
				}
				i++
			}
		})
	}
}

// BenchmarkCopysetsOf finds the copysets of 500,000 shards, all distinct.
func BenchmarkCopysetsOf(b *testing.B) {
	l := newTest(b, Config{Random, 1}, outageTopology, 500_000, 3, 1)
	for b.Loop() {
		CopysetsOf(l.Nodes, 3, outageNodes)
	}
}
