package report

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// axis maps a domain of values to a range of coordinates.
type axis struct {
	d0, d1 float64 // domain
	r0, r1 float64 // range; r1 < r0 on an upright axis
	log    bool
}

// at is the coordinate of x:
//
//	r0 + (r1 − r0)·(x − d0)/(d1 − d0)
//
// with the logarithms of x, d0 and d1 on a logarithmic axis. Values outside the
// domain land at its nearer end.
func (a axis) at(x float64) float64 {
	x = math.Max(a.d0, math.Min(a.d1, x))
	f := (x - a.d0) / (a.d1 - a.d0)
	if a.log {
		f = math.Log(x/a.d0) / math.Log(a.d1/a.d0)
	}
	return a.r0 + (a.r1-a.r0)*f
}

// newAxis is a linear axis over at least [lo, hi], widened to round ticks.
func newAxis(lo, hi, r0, r1 float64, ticks int) (axis, []float64) {
	// A domain of a few ulps counts as one value: ticks could not tell it apart.
	if size := math.Max(math.Abs(lo), math.Abs(hi)); !(hi-lo > 1e-9*size) {
		pad := math.Max(size, 1) / 2
		lo, hi = lo-pad, hi+pad
	}
	step := niceStep((hi - lo) / float64(ticks))
	first, last := math.Floor(lo/step+1e-9), math.Ceil(hi/step-1e-9)
	var at []float64
	for i := first; i <= last; i++ {
		at = append(at, i*step)
	}
	return axis{d0: first * step, d1: last * step, r0: r0, r1: r1}, at
}

// newLogAxis is a logarithmic axis over [lo, hi], lo > 0, with ticks at 1, 2
// and 5 times powers of ten; at powers of ten only over four decades or more.
func newLogAxis(lo, hi, r0, r1 float64) (axis, []float64) {
	steps := []float64{1, 2, 5}
	if hi/lo >= 1e4 {
		steps = steps[:1]
	}
	var at []float64
	for e := math.Floor(math.Log10(lo)); e <= math.Log10(hi); e++ {
		for _, s := range steps {
			if x := s * math.Pow(10, e); x >= lo && x <= hi {
				at = append(at, x)
			}
		}
	}
	return axis{d0: lo, d1: hi, r0: r0, r1: r1, log: true}, at
}

// niceStep is the smallest of 1, 2 and 5 times a power of ten that is not
// below x.
func niceStep(x float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(x)))
	for _, s := range []float64{1, 2, 5} {
		if s*p >= x*(1-1e-9) {
			return s * p
		}
	}
	return 10 * p
}

// limit is how far a chart of sizes should reach: to the largest, or, where
// that is more than six times the median, to the largest that is not. What
// reaches further is cut, so that one bad policy does not flatten the others.
func limit(sizes []float64) float64 {
	sizes = slices.Clone(sizes)
	slices.Sort(sizes)
	if len(sizes) == 0 {
		return 0
	}
	largest := sizes[len(sizes)-1]
	median := sizes[len(sizes)/2]
	if median == 0 || largest <= 6*median {
		return largest
	}
	for i := len(sizes) - 1; ; i-- {
		if sizes[i] <= 6*median {
			return 1.1 * sizes[i]
		}
	}
}

// coordinate writes a coordinate to a hundredth.
func coordinate(x float64) string {
	s := strconv.FormatFloat(x, 'f', 2, 64)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	if s == "-0" {
		return "0"
	}
	return s
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
