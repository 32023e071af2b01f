package eval

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"mend/env"
)

// Estimate is a mean and the ends of its 95 % confidence interval. NaN stands
// for what is not known: the ends where there is one episode, all three where
// nothing was measured.
type Estimate struct{ Mean, Lo, Hi float64 }

// unknown is the estimate of nothing.
var unknown = Estimate{math.NaN(), math.NaN(), math.NaN()}

// Half is half the width of the interval.
func (e Estimate) Half() float64 { return (e.Hi - e.Lo) / 2 }

// ExcludesZero reports whether the interval is known and does not hold 0.
func (e Estimate) ExcludesZero() bool { return e.Lo > 0 || e.Hi < 0 }

// confidence of every interval of this package.
const confidence = 0.95

// TInterval estimates the mean of the distribution that xs were drawn from:
//
//	x̄ ± t_{n−1, 0.975}·s/√n,  s² = Σ(x_i − x̄)²/(n−1)
//
// Student, "The probable error of a mean", Biometrika 6, 1908.
//
// It assumes independent draws whose mean is close to normal. Episodes are
// independent by their seeds. Heavy tails are the danger: while no episode
// holds the rare loss, the interval is too narrow and too low, and so would be
// any interval made from these draws alone. That is why it is not a bootstrap:
// resampling cannot show what was not drawn, and at few episodes its percentile
// interval covers less than this one, being without the t and the n−1. Read a
// rare loss beside the number of episodes: none in n means, at 95 %, no more
// than about 3/n an episode.
func TInterval(xs []float64) Estimate {
	if len(xs) == 0 {
		return unknown
	}
	mean := stat.Mean(xs, nil)
	half := halfWidth(xs, mean)
	return Estimate{mean, mean - half, mean + half}
}

// halfWidth is t_{n−1, 0.975}·s/√n about the given mean, NaN for one draw.
func halfWidth(xs []float64, mean float64) float64 {
	n := float64(len(xs))
	if n < 2 {
		return math.NaN()
	}
	sum := 0.0
	for _, x := range xs {
		sum += (x - mean) * (x - mean)
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile((1 + confidence) / 2)
	return t * math.Sqrt(sum/(n-1)/n)
}

// RatioInterval estimates E[Num]/E[Den] by the ratio of sums,
//
//	R = Σ Num_i / Σ Den_i
//
// with the linearised variance of the delta method: R is in error by about the
// mean of z_i = (Num_i − R·Den_i)/D̄, so its interval is the t interval of the
// z_i, moved to R. Where all Den are equal this is [TInterval] of Num_i/Den_i.
// The ratio of sums is biased by O(1/n), far less than its interval is wide.
// Where the Den sum to 0 nothing is known.
//
// Cochran, "Sampling Techniques", 3rd ed., 1977, sections 6.3 and 6.4.
func RatioInterval(rs []env.Ratio) Estimate {
	z, ratio := linearised(rs)
	if z == nil {
		return unknown
	}
	half := halfWidth(z, 0)
	return Estimate{ratio, ratio - half, ratio + half}
}

// PairedInterval estimates R_a − R_b, the ratios of [RatioInterval], from
// episodes that a and b played on the same worlds. The interval is the t
// interval of the paired z_i(a) − z_i(b), moved to R_a − R_b: what the worlds
// have in common cancels. The mean is thus always the difference of the two
// means. Where all Den are equal this is Student's paired interval, [TInterval]
// of Num_i(a)/Den_i(a) − Num_i(b)/Den_i(b).
func PairedInterval(a, b []env.Ratio) Estimate {
	if len(a) != len(b) {
		panic(fmt.Sprintf("eval: %d episodes paired with %d", len(a), len(b)))
	}
	za, ra := linearised(a)
	zb, rb := linearised(b)
	if za == nil || zb == nil {
		return unknown
	}
	for i := range za {
		za[i] -= zb[i]
	}
	half := halfWidth(za, 0)
	return Estimate{ra - rb, ra - rb - half, ra - rb + half}
}

// linearised returns R = Σ Num/Σ Den and z_i = (Num_i − R·Den_i)/D̄, whose sum
// is 0; nil where the Den sum to 0.
func linearised(rs []env.Ratio) (z []float64, ratio float64) {
	num, den := 0.0, 0.0
	for _, r := range rs {
		num += r.Num
		den += r.Den
	}
	if den == 0 {
		return nil, math.NaN()
	}
	ratio = num / den
	z = make([]float64, len(rs))
	for i, r := range rs {
		z[i] = (r.Num - ratio*r.Den) / (den / float64(len(rs)))
	}
	return z, ratio
}
