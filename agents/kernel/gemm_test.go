package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// product is one of the three products with the index rules of its operands.
type product struct {
	name string
	run  func(m, n, k int, a, b, c []float32, accumulate bool)
	a, b func(i, p, m, n, k int) int // index of A(i,p) and B(p,i)
}

var products = []product{
	{"NN", Gemm,
		func(i, p, m, n, k int) int { return i*k + p },
		func(j, p, m, n, k int) int { return p*n + j }},
	{"TN", GemmTN,
		func(i, p, m, n, k int) int { return p*m + i },
		func(j, p, m, n, k int) int { return p*n + j }},
	{"NT", GemmNT,
		func(i, p, m, n, k int) int { return i*k + p },
		func(j, p, m, n, k int) int { return j*k + p }},
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
	every(t, func(t *testing.T) {
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
			for _, s := range [][3]int{{65, 33, 129}, {520, 5, 3}, {2, 200, 70}, {13, 131, 300}} { // several blocks
				m, n, k := s[0], s[1], s[2]
				checkProduct(t, p, m, n, k, normals(r, m*k), normals(r, k*n), true)
				checkProduct(t, p, m, n, k, normals(r, m*k), normals(r, k*n), false)
			}
		}
	})
}

// An infinity or NaN must reach every element whose sum holds it, and no other:
// kernels that skip zeros would lose 0·Inf = NaN.
func TestProductsSpecialValues(t *testing.T) {
	every(t, func(t *testing.T) {
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
	})
}

func FuzzProducts(f *testing.F) {
	f.Add(uint8(3), uint8(4), uint8(5), uint64(1), true)
	f.Add(uint8(0), uint8(1), uint8(31), uint64(2), false)
	f.Fuzz(func(t *testing.T, m, n, k uint8, seed uint64, accumulate bool) {
		M, N, K := int(m%40), int(n%80), int(k%80)
		every(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			for _, p := range products {
				checkProduct(t, p, M, N, K, normals(r, M*K), normals(r, K*N), accumulate)
			}
		})
	})
}

// An element depends on its row of A, its column of B, and k: cutting rows and
// columns off changes no bit of the others, so a row alone is the row of a
// batch.
func TestElementDoesNotDependOnShape(t *testing.T) {
	every(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, p := range products {
			for _, k := range []int{1, 4, 6, 64, 300} {
				const m, n = 70, 150
				a, b := normals(r, m*k), normals(r, k*n)
				all := make([]float32, m*n)
				p.run(m, n, k, a, b, all, false)
				shapes := [][2]int{{1, 1}, {1, 2}, {1, 5}, {1, 16}, {1, 64}, {1, n}, {m, 1}, {m, 5}, {12, 33}}
				for range 40 {
					shapes = append(shapes, [2]int{1 + r.IntN(m), 1 + r.IntN(n)})
				}
				for _, s := range shapes {
					rows, cols := s[0], s[1]
					top, left := r.IntN(m-rows+1), r.IntN(n-cols+1)
					partA, partB := make([]float32, rows*k), make([]float32, k*cols)
					for q := range k {
						for i := range rows {
							partA[p.a(i, q, rows, cols, k)] = a[p.a(top+i, q, m, n, k)]
						}
						for j := range cols {
							partB[p.b(j, q, rows, cols, k)] = b[p.b(left+j, q, m, n, k)]
						}
					}
					part := make([]float32, rows*cols)
					p.run(rows, cols, k, partA, partB, part, false)
					for i := range rows {
						want := all[(top+i)*n+left:][:cols]
						if got := part[i*cols : (i+1)*cols]; !slices.Equal(got, want) {
							t.Fatalf("%s: row %d of %dx%dx%d is %v, in %dx%dx%d it is %v", p.name, i, rows, cols, k, got, m, n, k, want)
						}
					}
				}
			}
		}
	})
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
		"m has 5 elements, want 6":    func() { new(AdamStep).Update(x, x, x[:5], x) },
		"step 0, want at least 1":     func() { Adam{}.Step(0, 1) },
		"mean has 6 elements, want 3": func() { Normalize(2, 3, x, x, x[:3], 1, x) },
		"scale has 6":                 func() { Normalize(2, 3, x, x[:3], x, 1, x) },
		"normalize: x has 5":          func() { Normalize(2, 3, x[:5], x[:3], x[:3], 1, x) },
		"normalize: y has 5":          func() { Normalize(2, 3, x, x[:3], x[:3], 1, x[:5]) },
		"exp: x has 5 elements":       func() { Exp(x, x[:5]) },
		"log: x has 5 elements":       func() { Log(x, x[:5]) },
		"add: src has 5 elements":     func() { Add(x, x[:5]) },
		"scale: src has 5 elements":   func() { Scale(x, x[:5], 1) },
		"lerp: src has 5 elements":    func() { Lerp(x, x[:5], 1) },
		"x has 6 elements, want 4":    func() { LogSoftmax(2, 2, x, nil, x, x) },
		"logp has 5 elements, want 6": func() { LogSoftmax(2, 3, x, nil, x[:5], x) },
		"prob has 5 elements, want 6": func() { LogSoftmax(2, 3, x, nil, x, x[:5]) },
		"mask has 5 elements, want 6": func() { LogSoftmax(2, 3, x, make([]bool, 5), x, x) },
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
	every(t, func(t *testing.T) {
		x := make([]float32, 7*7)
		b, logp, prob, mask := x[:7], make([]float32, 7*7), make([]float32, 7*7), make([]bool, 7*7)
		for i := range mask {
			mask[i] = i%3 != 1
		}
		if n := testing.AllocsPerRun(20, func() {
			Gemm(7, 7, 7, x, x, x, true)
			GemmTN(7, 7, 7, x, x, x, true)
			GemmNT(7, 7, 7, x, x, x, true)
			AddBiasTanh(7, 7, x, b)
			AddBiasReLU(7, 7, x, b)
			TanhGrad(x, x, x)
			ColumnSums(7, 7, x, b, false)
			step := Adam{}.Step(1, 1)
			step.Update(x, x, x, x)
			Normalize(7, 7, x, b, b, 1, x)
			AddBias(7, 7, x, b)
			ReLUGrad(x, x, x)
			SumSquares(x)
			Finite(x)
			Exp(x, x)
			Log(x, x)
			Add(x, x)
			Scale(x, x, 1)
			Lerp(x, x, 1)
			clear(x)
			LogSoftmax(7, 7, x, mask, logp, prob)
		}); n != 0 {
			t.Errorf("%v allocations, want 0", n)
		}
	})
}
