package seed

import (
	"math"
	"math/bits"
	"slices"
	"testing"
)

// The five first outputs of splitmix64.c (Sebastiano Vigna) seeded with
// 1234567, as Rosetta Code, "Pseudo-random numbers/Splitmix64", lists them.
func TestMixIsSplitMix64(t *testing.T) {
	want := []uint64{
		6457827717110365317, 3203168211198807973, 9817491932198370423,
		4593380528125082431, 16408922859458223821,
	}
	for k, w := range want {
		if got := mix(1234567 + golden*uint64(k+1)); got != w {
			t.Errorf("output %d is %d, want %d", k, got, w)
		}
	}
}

// Streams are part of every result, so they may never change. Origin: an
// independent Python transcription of FNV-1a, SplitMix64 and the formulas of
// Child and At.
func TestGoldenSeeds(t *testing.T) {
	const all = math.MaxUint64
	for _, x := range []struct {
		parent Seed
		label  string
		index  uint64
		want   Seed
	}{
		{0, "", 0, 0x0def609a1a2dec6e},
		{0, "env", 0, 0x7edd2868ba9ceb5e},
		{1, "env", 0, 0x21aec61ae24ea3c2},
		{1, "env", 1, 0x60b5ba0c93e50dc0},
		{1, "episode", 1, 0x645b2ee53bc59326},
		{all, "répair", all, 0x0484442171bd4822},
	} {
		if got := x.parent.Child(x.label, x.index); got != x.want {
			t.Errorf("Seed(%d).Child(%q, %d) = %#x, want %#x", x.parent, x.label, x.index, got, x.want)
		}
	}
	for _, x := range []struct {
		s             Seed
		slot, ordinal uint64
		want          uint64
	}{
		{0, 0, 0, 0xa706dd2f4d197e6f},
		{0, 0, 1, 0xb382a305f4414f5e},
		{0, 1, 0, 0x46b73e79f0c37c00},
		{1, 0, 0, 0x5e41ab087439611e},
		{all, all, all, 0x4bffd802ebfb15e4},
		{42, 7, 1000000, 0xc34d19c9ac49778c},
	} {
		if got := x.s.At(x.slot, x.ordinal); got != x.want {
			t.Errorf("Seed(%d).At(%d, %d) = %#x, want %#x", x.s, x.slot, x.ordinal, got, x.want)
		}
	}
}

// 600,000 children of two neighbouring roots under three labels are all
// different. Were they drawn at random, the chance of any collision would be
// 600,000²/2/2^64 ≈ 1e-8.
func TestChildrenDoNotCollide(t *testing.T) {
	seeds := make([]Seed, 0, 600_000)
	for root := Seed(1); root <= 2; root++ {
		for _, label := range []string{"env", "episode", "episodes"} {
			for i := range uint64(100_000) {
				seeds = append(seeds, root.Child(label, i))
			}
		}
	}
	slices.Sort(seeds)
	for i := 1; i < len(seeds); i++ {
		if seeds[i] == seeds[i-1] {
			t.Fatalf("two of %d children are %#x", len(seeds), seeds[i])
		}
	}
	if len(seeds) != 600_000 {
		t.Fatalf("%d children", len(seeds))
	}
}

// Grandchildren along one path differ from those along another: the pair
// (label, index) is hashed at each level, so swapping levels matters.
func TestChildPathsDiffer(t *testing.T) {
	r := Seed(1)
	paths := map[Seed]string{}
	for name, s := range map[string]Seed{
		"root":             r,
		"env 0":            r.Child("env", 0),
		"env 0, episode 0": r.Child("env", 0).Child("episode", 0),
		"episode 0, env 0": r.Child("episode", 0).Child("env", 0),
		"env 0, episode 1": r.Child("env", 0).Child("episode", 1),
		"env 1, episode 0": r.Child("env", 1).Child("episode", 0),
		"root 2, env 0":    Seed(2).Child("env", 0),
	} {
		if other, ok := paths[s]; ok {
			t.Errorf("%s and %s are both %#x", name, other, s)
		}
		paths[s] = name
	}
}

// Rand is a function of the seed, and two seeds open different generators whose
// saved state continues them.
func TestRand(t *testing.T) {
	a, pcg := Seed(3).Rand()
	b, _ := Seed(3).Rand()
	c, _ := Seed(4).Rand()
	same := 0
	for range 100 {
		x, y, z := a.Uint64(), b.Uint64(), c.Uint64()
		if x != y {
			t.Fatalf("equal seeds draw %#x and %#x", x, y)
		}
		if x == z {
			same++
		}
	}
	if same > 0 {
		t.Errorf("seeds 3 and 4 agree in %d of 100 draws", same)
	}
	saved, err := pcg.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	want := a.Uint64()
	d, restored := Seed(5).Rand()
	if err := restored.UnmarshalBinary(saved); err != nil {
		t.Fatal(err)
	}
	if got := d.Uint64(); got != want {
		t.Errorf("after restoring %#x, want %#x", got, want)
	}
}

const draws = 1 << 16

// streams are the ways in which worlds read a seed.
var streams = []struct {
	name string
	at   func(k uint64) uint64
}{
	{"ordinals of a slot", func(k uint64) uint64 { return Seed(11).At(3, k) }},
	{"slots at ordinal 0", func(k uint64) uint64 { return Seed(11).At(k, 0) }},
	{"first draw of consecutive roots", func(k uint64) uint64 { return Seed(k).At(0, 0) }},
	{"children by index", func(k uint64) uint64 { return uint64(Seed(11).Child("env", k)) }},
	{"first draw of children", func(k uint64) uint64 { return Seed(11).Child("episode", k).At(0, 0) }},
}

// chiSquare returns Pearson's statistic of counts against equal chances.
func chiSquare(counts []int) float64 {
	n := 0
	for _, c := range counts {
		n += c
	}
	want := float64(n) / float64(len(counts))
	x := 0.0
	for _, c := range counts {
		x += (float64(c) - want) * (float64(c) - want) / want
	}
	return x
}

// checkChiSquare allows five standard deviations: with b−1 degrees of freedom
// the statistic has mean b−1 and variance 2(b−1). Too even counts are as wrong
// as too uneven ones. With fixed seeds the outcome never varies.
func checkChiSquare(t *testing.T, name string, counts []int) {
	t.Helper()
	f := float64(len(counts) - 1)
	if x := chiSquare(counts); math.Abs(x-f) > 5*math.Sqrt(2*f) {
		t.Errorf("%s: chi-square %.1f with %.0f degrees of freedom, want within ±%.1f", name, x, f, 5*math.Sqrt(2*f))
	}
}

// The top, middle and bottom eight bits of each stream are uniform.
func TestBytesAreUniform(t *testing.T) {
	for _, s := range streams {
		for _, shift := range []int{56, 28, 0} {
			counts := make([]int, 256)
			for k := range uint64(draws) {
				counts[s.at(k)>>shift&0xff]++
			}
			checkChiSquare(t, s.name, counts)
		}
	}
}

// A correlation of n independent pairs of uniform variates has a standard
// deviation of 1/√n; five are allowed.
func TestStreamsAreUncorrelated(t *testing.T) {
	correlation := func(a, b func(k uint64) uint64) float64 {
		sum := 0.0
		for k := range uint64(draws) {
			sum += (Uniform(a(k)) - 0.5) * (Uniform(b(k)) - 0.5)
		}
		return sum / draws * 12
	}
	check := func(name string, a, b func(k uint64) uint64) {
		t.Helper()
		if r := correlation(a, b); math.Abs(r) > 5/math.Sqrt(draws) {
			t.Errorf("%s: correlation %.4f, want within ±%.4f", name, r, 5/math.Sqrt(draws))
		}
	}
	for _, s := range streams {
		for _, lag := range []uint64{1, 2, 256} {
			check(s.name+" and later", s.at, func(k uint64) uint64 { return s.at(k + lag) })
		}
	}
	root := Seed(11)
	slot := func(s Seed, slot uint64) func(uint64) uint64 {
		return func(k uint64) uint64 { return s.At(slot, k) }
	}
	check("two slots", slot(root, 0), slot(root, 1))
	check("a slot of two roots", slot(root, 0), slot(root+1, 0))
	check("a slot of two children", slot(root.Child("env", 0), 0), slot(root.Child("env", 1), 0))
	check("a slot of two labels", slot(root.Child("env", 0), 0), slot(root.Child("episode", 0), 0))
	check("a slot and its transpose", slot(root, 5), func(k uint64) uint64 { return root.At(k, 5) })
}

// Pairs of neighbouring slots fill the unit square evenly: 32×32 cells.
func TestSlotsAreIndependent(t *testing.T) {
	counts := make([]int, 1024)
	for k := range uint64(draws) {
		counts[Seed(12).At(8, k)>>59<<5|Seed(12).At(9, k)>>59]++
	}
	checkChiSquare(t, "slots 8 and 9", counts)
}

// Changing one bit of seed, slot or ordinal changes each output bit with chance
// 1/2: of 64·64·64 bits 131,072 on average, with standard deviation 256.
func TestAvalanche(t *testing.T) {
	for _, x := range []struct {
		name string
		flip func(k, bit uint64) uint64
	}{
		{"seed", func(k, bit uint64) uint64 { return Seed(k).At(k, k) ^ Seed(k^bit).At(k, k) }},
		{"slot", func(k, bit uint64) uint64 { return Seed(1).At(k, 2) ^ Seed(1).At(k^bit, 2) }},
		{"ordinal", func(k, bit uint64) uint64 { return Seed(1).At(2, k) ^ Seed(1).At(2, k^bit) }},
		{"parent", func(k, bit uint64) uint64 { return uint64(Seed(k).Child("a", 2) ^ Seed(k^bit).Child("a", 2)) }},
		{"index", func(k, bit uint64) uint64 { return uint64(Seed(1).Child("a", k) ^ Seed(1).Child("a", k^bit)) }},
	} {
		changed := 0
		for k := range uint64(64) {
			for bit := range 64 {
				changed += bits.OnesCount64(x.flip(k, 1<<bit))
			}
		}
		if math.Abs(float64(changed)-131072) > 5*256 {
			t.Errorf("%s: %d of 262144 bits change, want 131072 ± 1280", x.name, changed)
		}
	}
}

// moments returns the mean and the variance about the known mean.
func moments(f func(bits uint64) float64, mean float64) (m, v float64) {
	for k := range uint64(draws) {
		x := f(Seed(13).At(0, k))
		m += x
		v += (x - mean) * (x - mean)
	}
	return m / draws, v / draws
}

// Sample mean and variance of n draws have standard errors √(σ²/n) and
// √((μ₄−σ⁴)/n) with the fourth central moment μ₄: 1/80 for the uniform, 9 for
// the exponential and 3 for the standard normal distribution. Five are allowed.
func TestMoments(t *testing.T) {
	for _, x := range []struct {
		name                   string
		f                      func(uint64) float64
		mean, variance, fourth float64
	}{
		{"Uniform", Uniform, 0.5, 1.0 / 12, 1.0 / 80},
		{"Exponential", Exponential, 1, 1, 9},
		{"Normal", Normal, 0, 1, 3},
	} {
		m, v := moments(x.f, x.mean)
		if e := 5 * math.Sqrt(x.variance/draws); math.Abs(m-x.mean) > e {
			t.Errorf("%s: mean %.4f, want %v ± %.4f", x.name, m, x.mean, e)
		}
		if e := 5 * math.Sqrt((x.fourth-x.variance*x.variance)/draws); math.Abs(v-x.variance) > e {
			t.Errorf("%s: variance %.4f, want %.4f ± %.4f", x.name, v, x.variance, e)
		}
	}
}

// Each variate, mapped through its own distribution function, is uniform:
// 1−e^(−x) and ½·erfc(−x/√2).
func TestDistributions(t *testing.T) {
	for _, x := range []struct {
		name string
		cdf  func(bits uint64) float64
	}{
		{"Uniform", Uniform},
		{"Exponential", func(b uint64) float64 { return -math.Expm1(-Exponential(b)) }},
		{"Normal", func(b uint64) float64 { return math.Erfc(-Normal(b)/math.Sqrt2) / 2 }},
	} {
		counts := make([]int, 256)
		for k := range uint64(draws) {
			p := x.cdf(Seed(14).At(0, k))
			counts[min(255, int(p*256))]++
		}
		checkChiSquare(t, x.name, counts)
	}
}

// The quantiles of the closed forms, at bits whose Uniform is known: 2^63 gives
// 1/2 + 2^-53. Normal quantiles from Abramowitz and Stegun, table 26.1:
// Φ(1) = 0.84134474606854, Φ(−2) = 0.02275013194818.
func TestQuantiles(t *testing.T) {
	bitsOf := func(p float64) uint64 { return uint64(p*(1<<52)) << 12 }
	for _, x := range []struct {
		name      string
		got, want float64
	}{
		{"Uniform(1/2)", Uniform(1 << 63), 0.5},
		{"Exponential(1/2)", Exponential(1 << 63), math.Ln2},
		{"Normal(1/2)", Normal(1 << 63), 0},
		{"Normal(Φ(1))", Normal(bitsOf(0.84134474606854)), 1},
		{"Normal(Φ(-2))", Normal(bitsOf(0.02275013194818)), -2},
	} {
		if !(math.Abs(x.got-x.want) < 1e-12) {
			t.Errorf("%s = %v, want %v", x.name, x.got, x.want)
		}
	}
}

// No draw is 0, 1 or infinite, whatever the bits.
func TestExtremes(t *testing.T) {
	for _, b := range []uint64{0, 1, 1<<12 - 1, 1 << 12, math.MaxUint64 - 1, math.MaxUint64} {
		if u := Uniform(b); !(u > 0 && u < 1) {
			t.Errorf("Uniform(%#x) = %v, want 0 < u < 1", b, u)
		}
		if x := Exponential(b); !(x > 0 && x < 37) { // −ln 2^−53 = 36.7
			t.Errorf("Exponential(%#x) = %v, want 0 < x < 37", b, x)
		}
		if x := Normal(b); !(math.Abs(x) < 8.3) { // Φ(−8.3) < 2^−53
			t.Errorf("Normal(%#x) = %v, want |x| < 8.3", b, x)
		}
	}
	if a, b := Uniform(0), Uniform(math.MaxUint64); a != 1-b {
		t.Errorf("Uniform is from %v to 1−%v, want it symmetric", a, 1-b)
	}
}

func TestBelow(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 100} {
		counts := make([]int, n)
		for k := range uint64(draws) {
			counts[Below(Seed(15).At(uint64(n), k), n)]++
		}
		if n == 1 {
			if counts[0] != draws {
				t.Errorf("Below 1 is 0 in %d of %d draws", counts[0], draws)
			}
			continue
		}
		checkChiSquare(t, "Below", counts)
	}
	// The map is monotone, from 0 to n−1.
	for _, n := range []int{1, 2, 3, 1 << 40, math.MaxInt} {
		if lo, hi := Below(0, n), Below(math.MaxUint64, n); lo != 0 || hi != n-1 {
			t.Errorf("Below %d is from %d to %d", n, lo, hi)
		}
	}
}

// Drawing allocates nothing.
func TestDrawsDoNotAllocate(t *testing.T) {
	sum := 0.0
	k := uint64(0)
	if n := testing.AllocsPerRun(100, func() {
		s := Seed(1).Child("env", k)
		sum += Exponential(s.At(1, k)) + Normal(s.At(2, k)) + float64(Below(s.At(3, k), 5))
		k++
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
	if sum == 0 {
		t.Error("nothing drawn")
	}
}
