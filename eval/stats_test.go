package eval_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"mend/env"
	"mend/eval"
)

// plain gives each x the denominator 1.
func plain(xs ...float64) []env.Ratio {
	rs := make([]env.Ratio, len(xs))
	for i, x := range xs {
		rs[i] = env.Ratio{Num: x, Den: 1}
	}
	return rs
}

// Student's own example: hours of sleep gained by ten patients under two drugs
// ("The probable error of a mean", 1908, table on p. 20). R 4 gives for
// t.test(extra ~ group, data = sleep, paired = TRUE) the mean difference −1.58
// and the interval −2.4598858 to −0.7001142.
var (
	sleepA = []float64{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0}
	sleepB = []float64{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4}
)

func TestPairedIntervalOnStudentsSleepData(t *testing.T) {
	d := eval.PairedInterval(plain(sleepA...), plain(sleepB...))
	near(t, "mean", d.Mean, -1.58, 1e-9)
	near(t, "lo", d.Lo, -2.4598858, 1e-7)
	near(t, "hi", d.Hi, -0.7001142, 1e-7)
	if !d.ExcludesZero() {
		t.Error("the interval holds 0")
	}

	// It is the t interval of the differences.
	xs := make([]float64, len(sleepA))
	for i := range xs {
		xs[i] = sleepA[i] - sleepB[i]
	}
	same(t, "paired", d, eval.TInterval(xs), 1e-12)
	// The other way round it is mirrored.
	back := eval.PairedInterval(plain(sleepB...), plain(sleepA...))
	same(t, "mirrored", back, eval.Estimate{Mean: -d.Mean, Lo: -d.Hi, Hi: -d.Lo}, 1e-12)
}

// By hand: x̄ = 3, s² = 10/4, s/√n = √0.5; t_{4,0.975} = 2.776445105 (any table).
func TestTIntervalByHand(t *testing.T) {
	e := eval.TInterval([]float64{1, 2, 3, 4, 5})
	near(t, "mean", e.Mean, 3, 1e-12)
	near(t, "half", e.Half(), 2.776445105*math.Sqrt(0.5), 1e-8)

	// With one degree of freedom t is Cauchy: t_{0.975} = tan(0.475 π).
	two := eval.TInterval([]float64{0, 2})
	near(t, "half of two", two.Half(), math.Tan(0.475*math.Pi), 1e-8)
}

// By hand: R = 9/6 = 1.5 and D̄ = 2; the residuals Num − R·Den are −0.5, −1, 1.5,
// so z = −0.25, −0.5, 0.75, s² = 0.875/2, s/√n = √(0.4375/3);
// t_{2,0.975} = 4.30265273 (any table; closed form 0.95·√(2/(1 − 0.95²))).
func TestRatioIntervalByHand(t *testing.T) {
	e := eval.RatioInterval([]env.Ratio{{Num: 1, Den: 1}, {Num: 2, Den: 2}, {Num: 6, Den: 3}})
	near(t, "ratio", e.Mean, 1.5, 1e-12)
	near(t, "half", e.Half(), 0.95*math.Sqrt(2/(1-0.95*0.95))*math.Sqrt(0.4375/3), 1e-8)
}

func TestRatioIntervalOfEqualDenominatorsIsTheTInterval(t *testing.T) {
	rs := make([]env.Ratio, len(sleepA))
	for i, x := range sleepA {
		rs[i] = env.Ratio{Num: 7 * x, Den: 7}
	}
	same(t, "ratio", eval.RatioInterval(rs), eval.TInterval(sleepA), 1e-12)
}

// The ratio of sums weighs episodes by what they lasted: one repair of 10 s in
// one episode and nine of 20 s in the other take 19 s on average, not 15 s.
func TestRatioPoolsUnequalEpisodes(t *testing.T) {
	e := eval.RatioInterval([]env.Ratio{{Num: 10, Den: 1}, {Num: 180, Den: 9}, {}})
	near(t, "time to repair", e.Mean, 19, 1e-12)
}

// The paired mean is the difference of the means that a table shows, also
// where denominators differ between the policies.
func TestPairedMeanIsTheDifferenceOfMeans(t *testing.T) {
	a := []env.Ratio{{Num: 1, Den: 1}, {Num: 2, Den: 2}, {Num: 6, Den: 3}}
	b := []env.Ratio{{Num: 5, Den: 4}, {}, {Num: 1, Den: 2}}
	d := eval.PairedInterval(a, b)
	near(t, "mean", d.Mean, 1.5-1, 1e-12)
	// z_a = −0.25, −0.5, 0.75; b: R = 1, D̄ = 2, z_b = 0.5, 0, −0.5; the
	// difference −0.75, −0.5, 1.25 has s² = 2.375/2.
	near(t, "half", d.Half(), 4.30265273*math.Sqrt(2.375/2/3), 1e-7)
}

func TestUnknown(t *testing.T) {
	none := eval.Estimate{Mean: math.NaN(), Lo: math.NaN(), Hi: math.NaN()}
	same(t, "no draws", eval.TInterval(nil), none, 0)
	same(t, "no episodes", eval.RatioInterval(nil), none, 0)
	same(t, "no denominators", eval.RatioInterval([]env.Ratio{{}, {}}), none, 0)
	same(t, "paired with none", eval.PairedInterval(plain(1, 2), []env.Ratio{{}, {}}), none, 0)
	one := eval.Estimate{Mean: 4, Lo: math.NaN(), Hi: math.NaN()}
	same(t, "one draw", eval.TInterval([]float64{4}), one, 0)
	same(t, "one episode", eval.RatioInterval([]env.Ratio{{Num: 8, Den: 2}}), one, 0)
	if one.ExcludesZero() || none.ExcludesZero() {
		t.Error("an unknown interval excludes 0")
	}
	if c := eval.TInterval([]float64{2, 2, 2}); c.Lo != 2 || c.Hi != 2 || !c.ExcludesZero() {
		t.Errorf("a constant has the interval %v, want [2, 2]", c)
	}
}

// The 95 % interval covers the truth in 95 % of 5000 experiments, give or take
// a standard error of √(0.95·0.05/5000) = 0.3 %; [93 %, 97 %] is more than six
// of them, so only a wrong formula fails. The normal quantile in place of t
// would cover 91.8 % at n = 10; the divisor n in place of n−1 94.0 %, which the
// tests by hand tell apart.
func TestCoverage(t *testing.T) {
	const experiments, n = 5000, 10
	rng := rand.New(rand.NewPCG(1, 2))
	mean, ratio, paired, narrower := 0, 0, 0, 0
	xs := make([]float64, n)
	for range experiments {
		for i := range xs {
			xs[i] = 5 + 3*rng.NormFloat64()
		}
		mean += covers(eval.TInterval(xs), 5)

		// Ratio: normal costs of 2 a day about episodes of 8 to 12 days. The
		// linearisation is of the first order, so n is larger.
		rs := make([]env.Ratio, 3*n)
		for i := range rs {
			days := 8 + 4*rng.Float64()
			rs[i] = env.Ratio{Num: 2*days + rng.NormFloat64(), Den: days}
		}
		ratio += covers(eval.RatioInterval(rs), 2)

		// Paired: worlds differ by 50, policies by 1.
		a, b := make([]env.Ratio, n), make([]env.Ratio, n)
		for i := range a {
			luck := 50 * rng.NormFloat64()
			a[i] = env.Ratio{Num: luck + 1 + rng.NormFloat64(), Den: 1}
			b[i] = env.Ratio{Num: luck + rng.NormFloat64(), Den: 1}
		}
		d := eval.PairedInterval(a, b)
		paired += covers(d, 1)
		if d.Half() < eval.RatioInterval(a).Half()/3 {
			narrower++
		}
	}
	for name, hits := range map[string]int{"mean": mean, "ratio": ratio, "paired": paired} {
		if c := float64(hits) / experiments; c < 0.93 || c > 0.97 {
			t.Errorf("%s: the interval covers the truth in %.1f %% of experiments, want 95", name, 100*c)
		}
	}
	if narrower < experiments*99/100 {
		t.Errorf("pairing narrowed the interval threefold in only %d of %d experiments", narrower, experiments)
	}
}

func covers(e eval.Estimate, truth float64) int {
	if e.Lo <= truth && truth <= e.Hi {
		return 1
	}
	return 0
}

func same(t *testing.T, what string, got, want eval.Estimate, tolerance float64) {
	t.Helper()
	equal := func(x, y float64) bool {
		return math.IsNaN(x) && math.IsNaN(y) || math.Abs(x-y) <= tolerance
	}
	if !equal(got.Mean, want.Mean) || !equal(got.Lo, want.Lo) || !equal(got.Hi, want.Hi) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
