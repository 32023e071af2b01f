package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// product is one of the three products with the index rules of its operands.
type product struct {
	name string
	run  func(m, n, k int, a, b, c []float32, accumulate bool)
	a, b func(i, p, m, n, k int) int // index of A(i,p) and B(p,i)
	ta   blas.Transpose
	tb   blas.Transpose
}

var products = []product{
	{"NN", Gemm,
		func(i, p, m, n, k int) int { return i*k + p },
		func(j, p, m, n, k int) int { return p*n + j }, blas.NoTrans, blas.NoTrans},
	{"TN", GemmTN,
		func(i, p, m, n, k int) int { return p*m + i },
		func(j, p, m, n, k int) int { return p*n + j }, blas.Trans, blas.NoTrans},
	{"NT", GemmNT,
		func(i, p, m, n, k int) int { return i*k + p },
		func(j, p, m, n, k int) int { return j*k + p }, blas.NoTrans, blas.Trans},
}

func normals(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// checkProduct compares with the float64 sum; the bound is that of a running
// float32 sum, k·2⁻²⁴·Σ|ab|.
func checkProduct(t *testing.T, p product, m, n, k int, a, b []float32, accumulate bool) {
	t.Helper()
	c := make([]float32, m*n)
	for i := range c {
		c[i] = float32(i%5) - 2
	}
	before := slices.Clone(c)
	p.run(m, n, k, a, b, c, accumulate)
	for i := range m {
		for j := range n {
			var want, size float64
			if accumulate {
				want = float64(before[i*n+j])
			}
			for q := range k {
				v := float64(a[p.a(i, q, m, n, k)]) * float64(b[p.b(j, q, m, n, k)])
				want += v
				size += math.Abs(v)
			}
			got := float64(c[i*n+j])
			if math.Abs(want) > math.MaxFloat32 {
				want = math.Inf(int(math.Copysign(1, want)))
			}
			if math.IsNaN(want) || math.IsInf(want, 0) {
				if !(math.IsNaN(want) && math.IsNaN(got) || want == got) {
					t.Fatalf("%s %dx%dx%d: C(%d,%d) is %v, want %v", p.name, m, n, k, i, j, got, want)
				}
				continue
			}
			if math.Abs(got-want) > float64(k+2)*0x1p-23*(size+math.Abs(want))+0x1p-140 {
				t.Fatalf("%s %dx%dx%d: C(%d,%d) is %v, want %v", p.name, m, n, k, i, j, got, want)
			}
		}
	}
}

func TestProductsAgainstFloat64(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	sizes := []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17}
	for _, p := range products {
		for _, m := range sizes {
			for _, n := range sizes {
				for _, k := range sizes {
					a, b := normals(r, m*k), normals(r, k*n)
					checkProduct(t, p, m, n, k, a, b, (m+n+k)%2 == 0)
				}
			}
		}
		checkProduct(t, p, 65, 33, 129, normals(r, 65*129), normals(r, 129*33), true)
	}
}

// An infinity or NaN must reach every element whose sum holds it, and no other:
// kernels that skip zeros would lose 0·Inf = NaN.
func TestProductsSpecialValues(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	r := rand.New(rand.NewPCG(3, 4))
	for _, p := range products {
		for _, special := range []float32{inf, -inf, nan, math.MaxFloat32, 1e-45} {
			for at := range 7 * 6 {
				a, b := normals(r, 7*6), normals(r, 6*5)
				a[at] = special
				b[at%len(b)] = 0
				checkProduct(t, p, 7, 5, 6, a, b, false)
			}
		}
	}
}

func FuzzProducts(f *testing.F) {
	f.Add(uint8(3), uint8(4), uint8(5), uint64(1), true)
	f.Add(uint8(0), uint8(1), uint8(31), uint64(2), false)
	f.Fuzz(func(t *testing.T, m, n, k uint8, seed uint64, accumulate bool) {
		M, N, K := int(m%40), int(n%40), int(k%40)
		r := rand.New(rand.NewPCG(seed, 0))
		for _, p := range products {
			checkProduct(t, p, M, N, K, normals(r, M*K), normals(r, K*N), accumulate)
		}
	})
}

// Row i of a batch has the same bits as a batch of that row alone.
func TestRowDoesNotDependOnBatch(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, p := range []product{products[0], products[2]} {
		for _, n := range []int{1, 2, 3, 8, 11, 64} {
			const m, k = 11, 300 // several blocks
			a, b := normals(r, m*k), normals(r, k*n)
			all, one := make([]float32, m*n), make([]float32, n)
			p.run(m, n, k, a, b, all, false)
			for i := range m {
				p.run(1, n, k, a[i*k:(i+1)*k], b, one, false)
				if !slices.Equal(one, all[i*n:(i+1)*n]) {
					t.Fatalf("%s: row %d of %d columns alone is %v, in the batch %v", p.name, i, n, one, all[i*n:(i+1)*n])
				}
			}
		}
	}
}

func TestWrongLengthsPanic(t *testing.T) {
	x := make([]float32, 6)
	for name, f := range map[string]func(){
		"A has 6 elements, want 4":    func() { Gemm(2, 3, 2, x, x, x, false) },
		"B has 6 elements, want 8":    func() { GemmTN(2, 4, 2, x[:4], x, x, false) },
		"C has 6 elements, want 4":    func() { GemmNT(2, 2, 3, x, x, x, false) },
		"-1, 2, 3, want none below 0": func() { Gemm(-1, 2, 3, x, x, x, false) },
		"b has 6 elements, want 3":    func() { AddBias(2, 3, x, x) },
		"y has 6 elements, want 9":    func() { AddBiasTanh(3, 3, x, x[:3]) },
		"y has 5 elements, want 6":    func() { AddBiasReLU(2, 3, x[:5], x[:3]) },
		"dy has 5 elements, want 6":   func() { TanhGrad(x, x[:5], x) },
		"y has 4 elements, want 6":    func() { ReLUGrad(x, x, x[:4]) },
		"sums has 2 elements, want 3": func() { ColumnSums(2, 3, x, x[:2], false) },
		"m has 5 elements, want 6":    func() { Adam(AdamStep{T: 1}, x, x, x[:5], x) },
		"step 0, want at least 1":     func() { Adam(AdamStep{}, x, x, x, x) },
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, name) {
					t.Errorf("panic %q, want one with %q", got, name)
				}
			}()
			f()
		}()
	}
}

func TestNoAllocations(t *testing.T) {
	x := make([]float32, 7*7)
	b := x[:7]
	if n := testing.AllocsPerRun(20, func() {
		Gemm(7, 7, 7, x, x, x, true)
		GemmTN(7, 7, 7, x, x, x, true)
		GemmNT(7, 7, 7, x, x, x, true)
		AddBiasTanh(7, 7, x, b)
		AddBiasReLU(7, 7, x, b)
		TanhGrad(x, x, x)
		ColumnSums(7, 7, x, b, false)
		Adam(AdamStep{T: 1, Scale: 1}, x, x, x, x)
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkGemm(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, s := range [][3]int{{64, 64, 64}, {1024, 64, 64}, {1, 64, 64}, {1024, 16, 64}, {1024, 2, 64}, {64, 64, 1024}} {
		m, n, k := s[0], s[1], s[2]
		x, y, z := normals(r, m*k), normals(r, k*n), make([]float32, m*n)
		for _, p := range products {
			rate := func(b *testing.B) {
				b.ReportMetric(float64(2*m*n*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			}
			b.Run(fmt.Sprintf("%s/%dx%dx%d", p.name, m, n, k), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p.run(m, n, k, x, y, z, false)
				}
				rate(b)
			})
			b.Run(fmt.Sprintf("%s/%dx%dx%d/gonum", p.name, m, n, k), func(b *testing.B) {
				lda, ldb := k, n
				ar, ac, br, bc := m, k, k, n
				if p.ta == blas.Trans {
					lda, ar, ac = m, k, m
				}
				if p.tb == blas.Trans {
					ldb, br, bc = k, n, k
				}
				for b.Loop() {
					blas32.Gemm(p.ta, p.tb, 1, blas32.General{Rows: ar, Cols: ac, Stride: lda, Data: x},
						blas32.General{Rows: br, Cols: bc, Stride: ldb, Data: y}, 0, blas32.General{Rows: m, Cols: n, Stride: n, Data: z})
				}
				rate(b)
			})
		}
	}
}
