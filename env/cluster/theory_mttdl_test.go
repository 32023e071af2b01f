package cluster

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"mend/env"
	"mend/env/seed"
)

// How long shards last, against theory.
//
// The tests follow shard 0 of a group: as many nodes as copies, each of which
// holds a copy of every shard. Every node dies at rate λ, so the shard's copies
// die independently at rate λ each. The monitor notices within 2 ms, and the
// controller declares at once.

// half is a precision for sample.near: that of a confidence interval of 95 %
// that reaches this far to either side, relative to the truth.
func half(width float64) float64 { return width / 1.96 }

// replicates is how often to repeat what has the coefficient of variation 1, as
// long lives have, for half(width); a quarter more, for a sample's may be larger.
func replicates(width float64) int {
	return int(1.25 * (1.96 / width) * (1.96 / width))
}

// patience is the half-width that a test asks for: 3 % where it has time, and
// plain where it must be quick.
func patience(plain float64) float64 {
	if long() {
		return 0.03
	}
	return plain
}

// group is one group of nodes. Empty machines take the places of dead ones
// after an exponential time of mean replacement. Repairs take 1 ms each.
func group(copies int, mttf, replacement time.Duration) Config {
	c := still()
	c.Topology.RacksPerZone = copies
	c.Data.ShardsPerNode, c.Data.ShardGB, c.Data.NodeGB = 1, 1e-6, 1
	c.Data.ReplicationFactor, c.Data.Quorum = copies, 1
	c.Failures.Permanent.MTTF, c.Failures.Replacement = mttf, replacement
	c.Monitor.Heartbeat, c.Monitor.Timeout = time.Millisecond, time.Millisecond
	c.Repair = Repair{StreamMBps: 1, FastFactor: 1, ZoneMBps: 1e6, StreamsPerNode: 2 * copies}
	c.Limits.FreeSpace = 0
	return c
}

// giveUp declares every node that can be.
func giveUp(p *player) Action {
	if p.mask[DeclareDead] {
		return DeclareDead
	}
	return Hold
}

// lifetimes plays the episodes of seeds from ≤ s < to in p's world, under
// giveUp, and returns the times in hours until shard 0 has fewer than min
// intact copies, with those of the episodes before.
func lifetimes(t *testing.T, p *player, min int) (play func(from, to int) sample) {
	w := p.w
	w.horizon = env.Never / 2
	var over env.Time
	look := p.after
	p.after = func(id int32) {
		if look != nil {
			look(id)
		}
		if over == 0 && w.intactOf(0) < min {
			over = w.now
		}
	}
	var lives sample
	return func(from, to int) sample {
		for s := from; s < to; s++ {
			over = 0
			w.begin(seed.Seed(s))
			w.ledger.startStep(0)
			p.run()
			for over == 0 {
				w.observe(p.obs, p.mask)
				if p.step(giveUp(p)).Truncated {
					t.Fatalf("seed %d: the horizon cut a life short", s)
				}
			}
			lives = append(lives, over.Hours())
		}
		return lives
	}
}

// lastFor holds the mean time until shard 0 has fewer than min intact copies to
// want.
func (p *player) lastFor(t *testing.T, min int, want, width float64) {
	t.Helper()
	play := lifetimes(t, p, min)
	tenfold(t, replicates(width), func(from, to int) []figure {
		return []figure{play(from, to).figure("MTTDL, h", want, half(width))}
	})
}

// exponentialMTTDL is the mean time in which k copies become fewer than m,
// each lost at rate λ, missing ones made at rate μ each (parallel) or in all.
// It is the first passage of a birth-death chain (Karlin and Taylor, "A first
// course in stochastic processes", 1975, section 4.7), in the form that
// subtracts nothing: from i copies it takes
//
//	h_k = 1/(kλ),  h_i = 1/(iλ) + r_i/(iλ)·h_{i+1},  r_i = (k−i)μ or μ
//
// to i−1 for the first time, and MTTDL = Σ_{i=m..k} h_i.
func exponentialMTTDL(k, m int, lambda, mu float64, parallel bool) float64 {
	sum, h := 0.0, 0.0
	for i := k; i >= m; i-- {
		r := mu
		if parallel {
			r *= float64(k - i)
		}
		if i == k {
			r = 0
		}
		h = (1 + r*h) / (float64(i) * lambda)
		sum += h
	}
	return sum
}

// TestExponentialMTTDL holds the recursion to the published polynomials:
// two copies (3λ + μ)/2λ² (Patterson, Gibson and Katz, "A case for redundant
// arrays of inexpensive disks", SIGMOD 1988, with the term that they neglect),
// three, by first-step analysis, (11λ² + 7λμ + 2μ²)/6λ³ repaired in parallel
// and (11λ² + 4λμ + μ²)/6λ³ one by one.
func TestExponentialMTTDL(t *testing.T) {
	const l, m = 1.0 / 1000, 1.0 / 10
	for _, x := range []struct {
		what      string
		got, want float64
	}{
		{"one copy", exponentialMTTDL(1, 1, l, m, true), 1000},
		{"two copies", exponentialMTTDL(2, 1, l, m, true), (3*l + m) / (2 * l * l)},
		{"three, parallel", exponentialMTTDL(3, 1, l, m, true), (11*l*l + 7*l*m + 2*m*m) / (6 * l * l * l)},
		{"three, serial", exponentialMTTDL(3, 1, l, m, false), (11*l*l + 4*l*m + m*m) / (6 * l * l * l)},
		// No repair: the sum of 1/(iλ), Rényi's representation of order
		// statistics.
		{"2 of 4, no repair", exponentialMTTDL(4, 2, l, 0, true), 1000 * (1.0/4 + 1.0/3 + 1.0/2)},
	} {
		if !within(x.got, x.want, 1e-12) {
			t.Errorf("%s: %.12g, want %.12g", x.what, x.got, x.want)
		}
	}
	// λ = 1/1000 h, μ = 1/10 h, by the recursion in exact fractions.
	for _, x := range []struct {
		k, m             int
		parallel, serial float64
	}{
		{1, 1, 1000, 1000},
		{2, 1, 51_500, 51_500},
		{3, 1, 3_451_833.333, 1_735_166.667},
		{4, 1, 261_027_083.333, 43_827_083.333},
		{5, 1, 21_073_107_283.3, 885_665_616.667},
		{9, 6, 2_215_029.7619, 386_392.1958},
		{14, 10, 11_781_556.4602, 537_412.2711},
	} {
		if got := exponentialMTTDL(x.k, x.m, l, m, true); !within(got, x.parallel, 1e-9) {
			t.Errorf("%d of %d, parallel: %.12g h, want %.12g", x.m, x.k, got, x.parallel)
		}
		if got := exponentialMTTDL(x.k, x.m, l, m, false); !within(got, x.serial, 1e-9) {
			t.Errorf("%d of %d, serial: %.12g h, want %.12g", x.m, x.k, got, x.serial)
		}
	}
	// Disks, of which 1.57 % fail in a year of 8766 h, rebuilt in parallel.
	disk := -math.Log1p(-0.0157) / 8766
	for _, x := range []struct {
		k             int
		rebuild, want float64 // hours
	}{{2, 24, 6.393746e9}, {3, 24, 9.838579e13}, {3, 6, 1.573994e15}, {3, 1, 5.666198e16}} {
		if got := exponentialMTTDL(x.k, 1, disk, 1/x.rebuild, true); !within(got, x.want, 1e-6) {
			t.Errorf("%d disks, rebuilt in %g h: %.7g h, want %.7g", x.k, x.rebuild, got, x.want)
		}
	}
	// Rare losses grow rarer as μ^(k−m), one by one: four times for three
	// copies, sixteen times for 9 of 13 (Ford et al., OSDI 2010).
	for _, x := range []struct {
		k, m int
		want float64
	}{{3, 1, 4}, {13, 9, 16}} {
		if got := exponentialMTTDL(x.k, x.m, disk, 2, false) / exponentialMTTDL(x.k, x.m, disk, 1, false); !within(got, x.want, 1e-3) {
			t.Errorf("%d of %d: repairs twice as fast make it %g times as long, want %g", x.m, x.k, got, x.want)
		}
	}
}

// TestMTTDLParallel: exponential repairs in parallel. A lost copy can be made
// anew only on the empty machine that takes its node's place, after an
// exponential time of mean 1/μ, and then is at once. So all repairs are
// exponential and independent. What remains is 2 ms of monitoring and 1 ms of
// transfer, against 6 minutes.
func TestMTTDLParallel(t *testing.T) {
	for _, x := range []struct {
		name  string
		k, m  int
		ratio float64 // μ/λ
		plain float64
	}{
		{"1 copy", 1, 1, 10, 0.03},
		{"2 copies", 2, 1, 30, 0.05},
		{"3 copies", 3, 1, 10, 0.12},
		{"4 copies", 4, 1, 5, 0.15},
		{"2 of 4", 4, 2, 10, 0.08},
		{"3 of 5", 5, 3, 10, 0.05},
		{"4 of 6", 6, 4, 10, 0.05},
	} {
		t.Run(x.name, func(t *testing.T) {
			mttf := time.Duration(x.ratio * 6 * float64(time.Minute))
			p := newPlayer(newTest(t, group(x.k, mttf, 6*time.Minute)))
			p.lastFor(t, x.m, exponentialMTTDL(x.k, x.m, 1/mttf.Hours(), 10, true), patience(x.plain))
		})
	}
}

// sizes gives repairs sizes of their own, where the world knows only one: it
// is called with a repair that has just begun, and returns how many hours it
// shall take at the speed of one stream.
type sizes func(flow int32) (hours float64)

// resized makes p's world ask size about every repair.
func (p *player) resized(size sizes) {
	look := func() {
		for n := range int32(p.w.nodes) {
			if p.w.inUsed[n] == 0 {
				continue
			}
			for _, id := range p.w.into[n*p.w.streams : (n+1)*p.w.streams] {
				if id == none {
					continue
				}
				f := &p.w.flows[id]
				if !within(f.end-f.start, p.w.shardBytes, 1e-6) {
					continue
				}
				p.w.resize(id, size(id)*3600*p.w.streamRate)
			}
		}
	}
	p.after = func(int32) { look() }
	p.acted = func(Action) { look() }
}

// resize makes repair id one of so many bytes, and puts it in its place among
// those of its zone, which complete in the order of their ends.
func (w *World) resize(id int32, bytes float64) {
	f := &w.flows[id]
	zone := w.zoneOf(f.target)
	z := w.advance(zone)
	if f.prev == none {
		z.first[0] = f.next
	} else {
		w.flows[f.prev].next = f.next
	}
	if f.next == none {
		z.last[0] = f.prev
	} else {
		w.flows[f.next].prev = f.prev
	}
	f.end = f.start + bytes
	// Before the first that ends later. Those that are still to be resized end
	// before all others, wherever they are.
	f.prev, f.next = none, z.first[0]
	for f.next != none && w.flows[f.next].end <= f.end {
		f.prev, f.next = f.next, w.flows[f.next].next
	}
	if f.prev == none {
		z.first[0] = id
	} else {
		w.flows[f.prev].next = id
	}
	if f.next == none {
		z.last[0] = id
	} else {
		w.flows[f.next].prev = id
	}
	w.schedule(zone)
}

// instant is the time of a repair that shall matter to nobody, 3.6 ms in hours.
const instant = 1e-6

// ofShard0 makes the repairs of shard 0 last as long as draw says, in hours, and
// those of the group's other shards next to nothing.
func (p *player) ofShard0(draw func() float64) {
	w := p.w
	p.resized(func(id int32) float64 {
		if w.flows[id].shard != 0 {
			return instant
		}
		return draw()
	})
}

// transfers is a group in which an empty machine takes a dead one's place
// within 2 ms, less than the configuration allows, and is then filled from
// another copy, the given number of copies at a time.
func transfers(t *testing.T, copies, atOnce int, mttf time.Duration) *player {
	c := group(copies, mttf, time.Minute)
	c.Repair.ZoneMBps = float64(atOnce) * c.Repair.StreamMBps
	p := newPlayer(newTest(t, c))
	p.w.cfg.Failures.Replacement = 0
	return p
}

// TestMTTDLSerial: exponential repairs one by one, for the zone's bandwidth
// feeds one stream. Repairs of shard 0 are made exponential as they begin; that
// one whose reader or writer dies begins anew changes nothing, for they have no
// memory.
func TestMTTDLSerial(t *testing.T) {
	for _, x := range []struct {
		name   string
		k, m   int
		ratio  float64
		atOnce int
		plain  float64
	}{
		{"2 copies", 2, 1, 30, 1, 0.05},
		{"3 copies", 3, 1, 10, 1, 0.08},
		{"4 copies", 4, 1, 10, 1, 0.16},
		{"2 of 4", 4, 2, 10, 1, 0.05},
		{"3 of 5", 5, 3, 10, 1, 0.05},
		{"3 copies, parallel", 3, 1, 10, 100, 0.12},
		{"4 copies, parallel", 4, 1, 5, 100, 0.15},
	} {
		t.Run(x.name, func(t *testing.T) {
			mttf := time.Duration(100 * x.ratio * float64(time.Hour))
			p := transfers(t, x.k, x.atOnce, mttf)
			rng := rand.New(rand.NewPCG(1, 1))
			p.ofShard0(func() float64 { return 100 * rng.ExpFloat64() })
			p.lastFor(t, x.m, exponentialMTTDL(x.k, x.m, 1/mttf.Hours(), 0.01, x.atOnce > 1), patience(x.plain))
		})
	}
}

// excursions are episodes of a shard of k copies that is lost below m: from the
// first loss of a copy until all k are intact again, or the shard is lost.
// Copies are lost inflated times as often as at rate λ, so what happens in an
// excursion at its time t has the weight
//
//	W(t) = inflated^(−D)·e^((inflated−1)·λ·kt),
//
// the likelihood ratio of the D deaths of nodes since its beginning, in kt hours
// of nodes (Asmussen and Glynn, "Stochastic simulation", 2007, section V.1).
type excursions struct {
	weights sample // W at the end, whose mean is 1
	hours   sample // ∫ W
	low     sample // ∫ W, while there are m copies
}

// watch returns what plays the excursions of seeds from ≤ s < to.
func (x *excursions) watch(p *player, k, m int, lambda, inflated float64) (play func(from, to int)) {
	w := p.w
	w.horizon = env.Never / 2
	grows := (inflated - 1) * lambda * float64(k)
	var at env.Time
	var weight, hours, low float64
	var intact int
	var begun, over bool
	look := p.after
	p.after = func(id int32) {
		look(id)
		if over {
			return
		}
		if begun {
			since := (w.now - at).Hours()
			area := weight * math.Expm1(grows*since) / grows
			hours += area
			if intact == m {
				low += area
			}
			weight *= math.Exp(grows * since)
			if w.struck(permanent, id) >= 0 {
				weight /= inflated
			}
		}
		at, intact = w.now, w.intactOf(0)
		over = begun && (intact == k || intact < m)
		begun = begun || intact < k
	}
	return func(from, to int) {
		for s := from; s < to; s++ {
			weight, hours, low, begun, over = 1, 0, 0, false, false
			w.begin(seed.Seed(s))
			w.ledger.startStep(0)
			p.run()
			for !over {
				w.observe(p.obs, p.mask)
				p.step(giveUp(p))
			}
			x.weights, x.hours, x.low = append(x.weights, weight), append(x.hours, hours), append(x.low, low)
		}
	}
}

// ratio is a sample whose mean is that of x over that of y, and whose standard
// error is the ratio's (Cochran, "Sampling techniques", 1977, chapter 6).
func ratio(x, y sample) sample {
	r, m := x.mean()/y.mean(), y.mean()
	z := make(sample, len(x))
	for i := range z {
		z[i] = r + (x[i]-r*y[i])/m
	}
	return z
}

// TestMTTDLRare: rates at which losses are too rare to wait for, λ = 1/1000 h
// and μ = 1/10 h. All k copies are there for 1/(kλ); then follows an excursion, of
// T hours, T_m of them with m copies. It ends in the loss of the shard with
// probability mλ·E[T_m], for copies are lost at rate mλ while there are m. So
//
//	MTTDL = (1/(kλ) + E[T]) / (mλ·E[T_m])
//
// (Goyal et al., "A unified framework for simulating Markovian models of highly
// dependable systems", IEEE Trans. Computers 41, 1992.)
func TestMTTDLRare(t *testing.T) {
	const lambda, mu, inflated = 1.0 / 1000, 1.0 / 10, 10
	for _, x := range []struct {
		name   string
		k, m   int
		atOnce int
		n      int // excursions for 3 %
	}{
		{"2 copies", 2, 1, 1, 50_000},
		{"3 copies, parallel", 3, 1, 100, 100_000},
		{"3 copies, serial", 3, 1, 1, 100_000},
		{"4 copies, parallel", 4, 1, 100, 700_000},
		{"4 copies, serial", 4, 1, 1, 700_000},
		{"2 of 4, parallel", 4, 2, 100, 100_000},
		{"2 of 4, serial", 4, 2, 1, 100_000},
		{"4 of 6, parallel", 6, 4, 100, 100_000},
		{"4 of 6, serial", 6, 4, 1, 100_000},
	} {
		t.Run(x.name, func(t *testing.T) {
			p := transfers(t, x.k, x.atOnce, 1000*time.Hour/inflated)
			rng := rand.New(rand.NewPCG(3, 3))
			p.ofShard0(func() float64 { return 10 * rng.ExpFloat64() })
			width, n := patience(0.35), x.n
			if !long() {
				n /= 80
			}
			var e excursions
			play := e.watch(p, x.k, x.m, lambda, inflated)
			tenfold(t, n, func(from, to int) []figure {
				play(from, to)
				cycles := make(sample, len(e.hours))
				for i, h := range e.hours {
					cycles[i] = (1/(float64(x.k)*lambda) + h) / (float64(x.m) * lambda)
				}
				return []figure{
					ratio(cycles, e.low).figure("MTTDL, h", exponentialMTTDL(x.k, x.m, lambda, mu, x.atOnce > 1), half(width)),
					e.weights.figure("mean weight", 1, half(width)),
				}
			})
		})
	}
}

// constantSerialMTTDL is the mean time in which k copies become fewer than m
// where repairs take a constant time d each, one by one, and begin anew if the
// copy that is read or the node that is written is lost. With i copies and a
// repair of age u in flight it is V_i(u), where
//
//	V_i(u) = ∫₀^{d−u} e^(−(i+1)λt) [1 + λV_i(0) + λV_{i−1}(0) + (i−1)λV_{i−1}(u+t)] dt
//	         + e^(−(i+1)λ(d−u)) · V_{i+1}(0),
//	V_k = 1/(kλ) + V_{k−1}(0),  V_i = 0 for i < m:
//
// within dt the writer is lost, the copy that is read, or another one. These
// are the equations of a Markov chain with a supplementary variable (Cox, "The
// analysis of non-Markovian stochastic processes by the inclusion of
// supplementary variables", 1955). They are solved on a grid, by the
// trapezoidal rule.
func constantSerialMTTDL(k, m int, lambda, d float64) float64 {
	const grid = 2000
	if k == m {
		return 1 / (float64(k) * lambda)
	}
	// Every value is linear in the unknowns V_m(0) to V_{k−1}(0): a constant,
	// then a factor for each.
	unknowns := k - m
	type linear []float64
	at := func(i int) int { return i - m + 1 } // place of V_i(0)
	matrix := make([][]float64, unknowns)
	below := make([]linear, grid+1) // V_{i−1} on the grid
	for j := range below {
		below[j] = make(linear, unknowns+1)
	}
	h := d / grid
	for i := m; i < k; i++ {
		rate := float64(i+1) * lambda
		decay := math.Exp(-rate * h)
		g := func(j int) linear { // the bracket
			x := make(linear, unknowns+1)
			x[0] = 1
			x[at(i)] += lambda
			if i > m {
				x[at(i-1)] += lambda
			}
			for c := range x {
				x[c] += float64(i-1) * lambda * below[j][c]
			}
			return x
		}
		v := make([]linear, grid+1)
		v[grid] = make(linear, unknowns+1)
		if i+1 < k {
			v[grid][at(i+1)] = 1
		} else {
			v[grid][0], v[grid][at(k-1)] = 1/(float64(k)*lambda), 1
		}
		for j := grid - 1; j >= 0; j-- {
			v[j] = make(linear, unknowns+1)
			now, next := g(j), g(j+1)
			for c := range v[j] {
				v[j][c] = decay*v[j+1][c] + h/2*(now[c]+decay*next[c])
			}
		}
		// V_i(0) = v[0].
		row := make([]float64, unknowns+1)
		for c := range unknowns {
			row[c] = -v[0][c+1]
		}
		row[at(i)-1]++
		row[unknowns] = v[0][0]
		matrix[i-m] = row
		below = v
	}
	return 1/(float64(k)*lambda) + solve(matrix)[unknowns-1]
}

// solve solves linear equations, each of its factors and then its right side,
// by elimination.
func solve(a [][]float64) []float64 {
	n := len(a)
	for i := range n {
		pivot := i
		for r := i + 1; r < n; r++ {
			if math.Abs(a[r][i]) > math.Abs(a[pivot][i]) {
				pivot = r
			}
		}
		a[i], a[pivot] = a[pivot], a[i]
		for r := i + 1; r < n; r++ {
			f := a[r][i] / a[i][i]
			for c := i; c <= n; c++ {
				a[r][c] -= f * a[i][c]
			}
		}
	}
	x := make([]float64, n)
	for i := n - 1; i >= 0; i-- {
		x[i] = a[i][n]
		for c := i + 1; c < n; c++ {
			x[i] -= a[i][c] * x[c]
		}
		x[i] /= a[i][i]
	}
	return x
}

// constantParallelMTTDL3 is the mean life of a shard of three copies where
// repairs take a constant time d, in parallel, and begin anew if reader or writer
// is lost. With two copies and a repair of age u it is V(u), with one and
// repairs of ages x and 0 it is W(x):
//
//	V(u) = ∫₀^{d−u} e^(−3λt) [1 + λV(0) + λW(0) + λW(u+t)] dt + e^(−3λ(d−u)) · V₃
//	W(x) = ∫₀^{d−x} e^(−3λt) [1 + λW(t) + λW(x+t)] dt + e^(−3λ(d−x)) · V(d−x)
//	V₃ = 1/(3λ) + V(0)
//
// In V the writer is lost, or the copy that is read, so that both repairs begin
// now, or the other one. In W both read the last copy; the writer of the
// elder repair is lost, or of the younger one. (A repair of age 0 beside one of
// age x is all that ever begins.)
func constantParallelMTTDL3(lambda, d float64) float64 {
	const grid = 150
	h := d / grid
	n := 2 * (grid + 1)
	a := make([][]float64, n)
	v, w := func(j int) int { return j }, func(j int) int { return grid + 1 + j }
	for j := range grid + 1 {
		rv, rw := make([]float64, n+1), make([]float64, n+1)
		for i := 0; i <= grid-j && j < grid; i++ {
			weight := h * math.Exp(-3*lambda*float64(i)*h)
			if i == 0 || i == grid-j {
				weight /= 2
			}
			rv[n] += weight
			rv[v(0)] -= weight * lambda
			rv[w(0)] -= weight * lambda
			rv[w(j+i)] -= weight * lambda
			rw[n] += weight
			rw[w(i)] -= weight * lambda
			rw[w(j+i)] -= weight * lambda
		}
		end := math.Exp(-3 * lambda * float64(grid-j) * h)
		rv[v(j)]++
		rv[v(0)] -= end
		rv[n] += end / (3 * lambda)
		rw[w(j)]++
		rw[v(grid-j)] -= end
		a[j], a[grid+1+j] = rv, rw
	}
	return 1/(3*lambda) + solve(a)[0]
}

// lifetimesOf simulates how long n shards of k copies last where repairs take a
// constant time d in parallel, and begin anew if reader or writer is lost. Each
// copy has a slot. A repair reads the copy in the lowest slot, as the world does
// within a zone, and takes the lowest slot that is free; that of a lost copy
// becomes free soon after its repair has begun.
func lifetimesOf(k int, lambda, d float64, n int, rng *rand.Rand) sample {
	const (
		empty = iota
		copied
		rebuilding
	)
	type slot struct {
		state      int
		death, end float64 // of its node; of the repair
		reads      int
	}
	var lives sample
	for range n {
		now := 0.0
		slots := make([]slot, k+3)
		for i := range k {
			slots[i] = slot{state: copied, death: rng.ExpFloat64() / lambda}
		}
		live := k
		begin := func(but int) {
			src, dst := -1, -1
			for i, s := range slots {
				if s.state == copied && src < 0 {
					src = i
				}
				if s.state == empty && i != but && dst < 0 {
					dst = i
				}
			}
			slots[dst] = slot{rebuilding, now + rng.ExpFloat64()/lambda, now + d, src}
		}
		for {
			at, which, done := math.Inf(1), -1, false
			for i, s := range slots {
				if s.state == empty {
					continue
				}
				if s.death < at {
					at, which, done = s.death, i, false
				}
				if s.state == rebuilding && s.end < at {
					at, which, done = s.end, i, true
				}
			}
			now = at
			if done {
				slots[which].state = copied
				live++
				continue
			}
			was := slots[which].state
			slots[which] = slot{}
			if was == copied {
				if live--; live == 0 {
					break
				}
				for i, s := range slots {
					if s.state == rebuilding && s.reads == which {
						slots[i] = slot{}
						begin(which)
					}
				}
			}
			begin(which)
		}
		lives = append(lives, now)
	}
	return lives
}

// TestConstantMTTDL holds the laws of constant repairs to what is known of them:
// two copies in closed form, no repairs and instant ones, and three in
// parallel against a simulation.
func TestConstantMTTDL(t *testing.T) {
	// Two copies: from one, the copy dies, its successor's machine, or the
	// repair succeeds, with probabilities a, a, and s = e^(−2λd) = 1−2a; tries
	// repeat until the first or the last: lost with p = a/(1−a), after
	// 2a/(2λ)/(1−a) on average. MTTDL = (1/(2λ) + a/λ/(1−a))/p.
	const lambda, d = 1.0 / 1000, 100.0
	s := math.Exp(-2 * lambda * d)
	a := (1 - s) / 2
	if got, want := constantSerialMTTDL(2, 1, lambda, d), (1/(2*lambda)+a/lambda/(1-a))*(1-a)/a; !within(got, want, 1e-6) {
		t.Errorf("two copies: %g h, want %g", got, want)
	}
	// Repairs that never end: the sum of 1/(iλ).
	for k := 2; k <= 5; k++ {
		want := 0.0
		for i := 1; i <= k; i++ {
			want += 1 / (float64(i) * lambda)
		}
		if got := constantSerialMTTDL(k, 1, lambda, 20/lambda); !within(got, want, 1e-3) {
			t.Errorf("%d copies without repair: %g h, want %g", k, got, want)
		}
	}
	// Three copies one by one, of which two may not be lost, are served as in
	// parallel: the first repair is the only one.
	if got, want := constantSerialMTTDL(3, 2, lambda, d), constantSerialMTTDL(3, 1, lambda, d); !(got < want/3) {
		t.Errorf("2 of 3 last %g h, 1 of 3 %g h", got, want)
	}
	// In parallel: limits, and a simulation.
	if got, want := constantParallelMTTDL3(lambda, 5/lambda), 1000*(1+1.0/2+1.0/3); !within(got, want, 0.01) {
		t.Errorf("three copies without repair: %g h, want %g", got, want)
	}
	rng := rand.New(rand.NewPCG(4, 4))
	var lives sample
	tenfold(t, replicates(0.02), func(from, to int) []figure {
		lives = append(lives, lifetimesOf(3, lambda, 2*d, to-from, rng)...)
		return []figure{lives.figure("simulated life of three copies, h", constantParallelMTTDL3(lambda, 2*d), half(0.03))}
	})
}

// TestMTTDLConstant: the world's own law, repairs of constant duration, one by
// one and in parallel. Four copies in parallel are compared with a simulation
// that shares nothing with the world: its states have three ages.
func TestMTTDLConstant(t *testing.T) {
	const lambda = 1.0 / 1000
	for _, x := range []struct {
		name   string
		k, m   int
		d      float64 // hours
		atOnce int
		plain  float64
	}{
		{"2 copies", 2, 1, 50, 1, 0.03},
		{"3 copies, serial", 3, 1, 100, 1, 0.08},
		{"4 copies, serial", 4, 1, 150, 1, 0.1},
		{"2 of 4, serial", 4, 2, 100, 1, 0.05},
		{"3 copies, parallel", 3, 1, 150, 100, 0.05},
		{"4 copies, parallel", 4, 1, 200, 100, 0.12},
	} {
		t.Run(x.name, func(t *testing.T) {
			p := transfers(t, x.k, x.atOnce, 1000*time.Hour)
			p.ofShard0(func() float64 { return x.d })
			width := patience(x.plain)
			if x.atOnce == 1 || x.k == 2 {
				p.lastFor(t, x.m, constantSerialMTTDL(x.k, x.m, lambda, x.d), width)
				return
			}
			if x.k == 3 {
				p.lastFor(t, x.m, constantParallelMTTDL3(lambda, x.d), width)
				return
			}
			play := lifetimes(t, p, x.m)
			rng := rand.New(rand.NewPCG(4, 4))
			var twin sample
			tenfold(t, replicates(width), func(from, to int) []figure {
				twin = append(twin, lifetimesOf(x.k, lambda, x.d, 9*(to-from), rng)...)
				return []figure{play(from, to).figure("MTTDL, h", twin.mean(), half(width)).twin(twin.se())}
			})
		})
	}
}
