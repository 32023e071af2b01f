package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Every length up to several vectors, against float64.
func TestLinearAgainstFloat64(t *testing.T) {
	every(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(21, 22))
		for n := range 70 {
			dst, src := normals(r, n), normals(r, n)
			for name, c := range map[string]struct {
				run  func(dst []float32)
				want func(d, s float64) float64
			}{
				"add":      {func(dst []float32) { Add(dst, src) }, func(d, s float64) float64 { return d + s }},
				"scale":    {func(dst []float32) { Scale(dst, src, 1.7) }, func(_, s float64) float64 { return 1.7 * s }},
				"lerp":     {func(dst []float32) { Lerp(dst, src, 0.3) }, func(d, s float64) float64 { return d + 0.3*(s-d) }},
				"lerp 0":   {func(dst []float32) { Lerp(dst, src, 0) }, func(d, _ float64) float64 { return d }},
				"in place": {func(dst []float32) { Scale(dst, dst, -2) }, func(d, _ float64) float64 { return -2 * d }},
			} {
				got := slices.Clone(dst)
				c.run(got)
				for i := range got {
					if want := c.want(float64(dst[i]), float64(src[i])); math.Abs(float64(got[i])-want) > 1e-6 {
						t.Fatalf("%s of %d: element %d is %v, want %v", name, n, i, got[i], want)
					}
				}
			}
		}
	})
}

// A difference, a product and two comparisons round alike everywhere.
func TestNormalize(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	every(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(25, 26))
		for cols := range 40 {
			for _, clip := range []float32{0, 0.5} {
				x, mean, scale := normals(r, 3*cols), normals(r, cols), normals(r, cols)
				for i, v := range []float32{inf, -inf, nan, math.MaxFloat32, float32(math.Copysign(0, -1))} {
					if cols > 4 {
						x[i*3] = v
					}
				}
				want := slices.Clone(x)
				for i, v := range want {
					v = (v - mean[i%cols]) * scale[i%cols]
					switch {
					case clip > 0 && v > clip:
						v = clip
					case clip > 0 && v < -clip:
						v = -clip
					}
					want[i] = v
				}
				got := make([]float32, len(x))
				Normalize(3, cols, x, mean, scale, clip, got)
				Normalize(3, cols, x, mean, scale, clip, x)
				for i := range want {
					if (got[i] != want[i] || x[i] != want[i]) && !(want[i] != want[i] && got[i] != got[i] && x[i] != x[i]) {
						t.Fatalf("%d columns within %v: element %d is %v, in place %v, want %v", cols, clip, i, got[i], x[i], want[i])
					}
				}
			}
		}
	})
}

func TestReductionsAgainstFloat64(t *testing.T) {
	every(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(23, 24))
		for n := range 150 {
			x := normals(r, 9*n)
			var want float64
			for _, v := range x {
				want += float64(v) * float64(v)
			}
			if got := SumSquares(x); math.Abs(got-want) > 1e-13*want {
				t.Fatalf("squares of %d sum to %v, want %v", len(x), got, want)
			}
			sums := make([]float32, n)
			ColumnSums(9, n, x, sums, false)
			for j, got := range sums {
				var want float64
				for i := range 9 {
					want += float64(x[i*n+j])
				}
				if math.Abs(float64(got)-want) > 1e-5 {
					t.Fatalf("column %d of %d sums to %v, want %v", j, n, got, want)
				}
			}
		}
	})
}

// One number that is not finite is found wherever it lies.
func TestFiniteFindsEveryPlace(t *testing.T) {
	every(t, func(t *testing.T) {
		for n := range 70 {
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(math.Inf(1 - 2*(i%2)))
				if Finite(x) {
					t.Fatalf("element %d of %d is %v and counts as finite", i, n, x[i])
				}
				x[i] = math.MaxFloat32
			}
			if !Finite(x) {
				t.Fatalf("%d finite numbers count as not finite", n)
			}
		}
	})
}
