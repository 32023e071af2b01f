package exact

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// times is multiplication with a matrix.
func times(a *mat.Dense) func(x, y []float64) {
	return func(x, y []float64) {
		mat.NewVecDense(len(y), y).MulVec(a, mat.NewVecDense(len(x), x))
	}
}

// Random systems with a dominant diagonal against elimination, from any start, at
// any scale; those larger than the Krylov space take several cycles.
func TestGMRES(t *testing.T) {
	for n := 1; n <= 150; n += 1 + n/3 {
		for k, size := range []float64{1, 1e-18, 1e18} {
			rng := rand.New(rand.NewPCG(21, uint64(1000*n+k)))
			a := mat.NewDense(n, n, nil)
			b, x := make([]float64, n), make([]float64, n)
			for i := range n {
				b[i], x[i] = size*rng.NormFloat64(), size*rng.NormFloat64()
				for j := range n {
					a.Set(i, j, 0.8*rng.NormFloat64()/math.Sqrt(float64(n)))
				}
				a.Set(i, i, a.At(i, i)+2)
			}
			want := solve(t, a, b)
			g := newGMRES(n, restart)
			at := fmt.Sprintf("%d unknowns of size %v", n, size)
			products, start := 0, residual(a, x, b)
			for before := start; before > 1e-13*start; {
				took, left := g.cycle(times(a), b, x, 1e-10)
				products += took
				after := residual(a, x, b)
				if after > before || math.Abs(left-after) > 1e-9*before+1e-14*start {
					t.Fatalf("%s: a residual of %v became %v, said to be %v", at, before, after, left)
				}
				before = after
			}
			near(t, at+": farthest from elimination", farthest(x, want)/size, 0, 1e-11)
			if n < 20 && products > 2*(n+2) { // n products reach the solution, once more all but rounding
				t.Errorf("%s: %d products, want at most %d", at, products, 2*(n+2))
			}
			if products > 5*(restart+1) { // 0.4 a step, 1e-13 after 33
				t.Errorf("%s: %d products, want at most %d", at, products, 5*(restart+1))
			}
		}
	}
}

func residual(a *mat.Dense, x, b []float64) float64 {
	y := make([]float64, len(b))
	times(a)(x, y)
	for i := range y {
		y[i] -= b[i]
	}
	return norm(y)
}

// A matrix that is singular, and one whose space is complete before the solution
// is found, end in what can be had and say how far off it is. The least residual
// of x0 = 1 in the projection onto the first of two axes is that of the second.
func TestGMRESSingular(t *testing.T) {
	for _, c := range []struct {
		name string
		a    []float64
		want float64 // residual
	}{
		{"nothing", []float64{0, 0, 0, 0}, math.Sqrt2},
		{"a projection", []float64{1, 0, 0, 0}, 1},
		{"a nilpotent", []float64{0, 1, 0, 0}, 1},
		{"the identity", []float64{1, 0, 0, 1}, 0},
	} {
		a := mat.NewDense(2, 2, c.a)
		b, x := []float64{1, 1}, []float64{0, 0}
		_, left := newGMRES(2, restart).cycle(times(a), b, x, 1e-12)
		near(t, c.name+": residual", residual(a, x, b), c.want, 1e-12)
		near(t, c.name+": residual as said", left, c.want, 1e-12)
	}
	x := []float64{3, 4}
	if took, left := newGMRES(2, restart).cycle(times(mat.NewDense(2, 2, []float64{1, 0, 0, 1})), []float64{3, 4}, x, 1e-12); took != 1 || left != 0 {
		t.Errorf("a solution given: %d products, residual %v, want 1 and 0", took, left)
	}
}
