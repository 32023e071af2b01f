package workload

import (
	"fmt"
	"math"
	"testing"
)

// near checks got against want, which is known to a relative precision.
func near(t *testing.T, what string, got, want, relative float64) {
	t.Helper()
	if !(math.Abs(got-want) <= relative*math.Abs(want)) {
		t.Errorf("%s is %.15g, want %.15g within %g of it", what, got, want, relative)
	}
}

// Shares against sums term by term, at either side of where those end and of
// exponent 1.
func TestZipfSums(t *testing.T) {
	for _, s := range []float64{0, 0.3, 0.7, 0.99, 1 - 1e-9, 1, 1 + 1e-9, 1.21, 2, 2.68, 10} {
		const n = 200_000
		sums := make([]float64, n+1) // H(k, s)
		low := 0.0                   // Kahan's correction
		for k := 1; k <= n; k++ {
			y := math.Pow(float64(k), -s) - low
			sums[k] = sums[k-1] + y
			low = sums[k] - sums[k-1] - y
		}
		for _, n := range []int{1, 2, 63, 64, 65, 1000, 200_000} {
			z := NewZipf(n, s)
			for _, top := range []int{0, 1, 10, 62, 63, 64, 65, 500, n / 100, n} {
				top = min(top, n)
				near(t, fmt.Sprintf("top %d of %d, exponent %g", top, n, s), z.Top(top), sums[top]/sums[n], 1e-12)
			}
			for _, r := range []int{0, 1, 40, n - 1} {
				if r < n {
					near(t, fmt.Sprintf("rank %d of %d, exponent %g", r, n, s), z.Share(r), math.Pow(float64(r+1), -s)/sums[n], 1e-12)
				}
			}
			if a, b, c := z.Share(-1), z.Share(n), z.Top(-1); a != 0 || b != 0 || c != 0 {
				t.Errorf("beyond %d ranks: shares %g, %g, %g, want 0", n, a, b, c)
			}
		}
	}
}

// The share of the most popular 1 % of a million keys, for the exponents of
// studies. Origin: sums of a million terms in Python.
func TestZipfPublished(t *testing.T) {
	for _, x := range []struct{ exponent, percent float64 }{{0.7, 24.12}, {0.99, 66.43}, {1.21, 91.62}} {
		z := NewZipf(1_000_000, x.exponent)
		if got := 100 * z.Top(10_000); math.Abs(got-x.percent) > 0.005 {
			t.Errorf("exponent %g: top 1 %% have %.3f %%, want %.2f %%", x.exponent, got, x.percent)
		}
	}
}
