package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// checkLogSoftmax compares with the formula in float64, and logp written over
// x with logp apart from it. Logarithms may be off by a few roundings of
// numbers as large as the row's spread and by one for each term of the sum.
func checkLogSoftmax(t *testing.T, rows, cols int, x []float32, mask []bool) {
	t.Helper()
	logp, prob := make([]float32, rows*cols), make([]float32, rows*cols)
	LogSoftmax(rows, cols, x, mask, logp, prob)
	over, again := append([]float32(nil), x...), make([]float32, rows*cols)
	LogSoftmax(rows, cols, over, mask, over, again)
	if !sameBits(over, logp) || !sameBits(again, prob) {
		t.Fatalf("%d columns: written over x it is %v, %v, want %v, %v", cols, over, again, logp, prob)
	}
	for i := 0; i < len(x); i += cols {
		legal := func(j int) bool { return mask == nil || mask[i+j] }
		top, finite := math.Inf(-1), true
		for j, v := range x[i : i+cols] {
			if legal(j) {
				top = max(top, float64(v))
				finite = finite && v-v == 0
			}
		}
		var sum float64
		for j, v := range x[i : i+cols] {
			if legal(j) {
				sum += math.Exp(float64(v) - top)
			}
		}
		for j := range cols {
			l, p, want := float64(logp[i+j]), float64(prob[i+j]), float64(x[i+j])-top-math.Log(sum)
			switch {
			case !finite:
				if l == l || p == p {
					t.Fatalf("row %d of %d columns has no finite maximum, element %d is %v, %v, want NaN", i/cols, cols, j, l, p)
				}
			case !legal(j):
				if !math.IsInf(l, -1) || p != 0 {
					t.Fatalf("row %d of %d columns: illegal element %d is %v, %v, want -Inf, 0", i/cols, cols, j, l, p)
				}
			case want < -math.MaxFloat32:
				if l > -math.MaxFloat32 || p != 0 {
					t.Fatalf("row %d of %d columns: element %d is %v, %v, want %v, 0", i/cols, cols, j, l, p, want)
				}
			default:
				bound := 0x1p-24 * (4*(1+math.Abs(want)) + float64(cols))
				if !(math.Abs(l-want) <= bound) {
					t.Fatalf("row %d of %d columns: logp[%d] is %v, want %v", i/cols, cols, j, l, want)
				}
				if e := math.Exp(want); !(math.Abs(p-e) <= e*bound+0x1p-148) {
					t.Fatalf("row %d of %d columns: prob[%d] is %v, want %v", i/cols, cols, j, p, e)
				}
			}
		}
	}
}

func TestLogSoftmaxAgainstFloat64(t *testing.T) {
	every(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		for cols := 1; cols <= 70; cols++ {
			for _, spread := range []float32{0.1, 5, 1000, 1e38} {
				const rows = 19 // of two columns: two vectors and a rest
				x := normals(r, rows*cols)
				Scale(x, x, spread)
				for i := range x {
					x[i] = min(max(x[i], -math.MaxFloat32), math.MaxFloat32)
				}
				checkLogSoftmax(t, rows, cols, x, nil)
				mask := make([]bool, rows*cols)
				for i := range mask {
					mask[i] = r.IntN(3) == 0
				}
				for i := range rows {
					mask[i*cols+r.IntN(cols)] = true
				}
				checkLogSoftmax(t, rows, cols, x, mask)
			}
		}
		LogSoftmax(0, 3, nil, nil, nil, nil)
	})
}

// What is not finite makes its row NaN where legal and nothing where illegal.
func TestLogSoftmaxNotFinite(t *testing.T) {
	every(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(13, 14))
		for _, cols := range []int{1, 2, 5, 8, 9, 16, 17, 40} {
			for _, special := range []float32{float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN())} {
				for at := range cols {
					const rows, row = 19, 9
					x := normals(r, rows*cols)
					x[row*cols+at] = special
					checkLogSoftmax(t, rows, cols, x, nil)
					if cols == 1 {
						continue
					}
					mask := make([]bool, rows*cols)
					for i := range mask {
						mask[i] = i != row*cols+at
					}
					checkLogSoftmax(t, rows, cols, x, mask)
				}
			}
		}
	})
}

func TestLogSoftmaxWithoutLegalElement(t *testing.T) {
	every(t, func(t *testing.T) {
		for _, cols := range []int{1, 2, 7, 8, 16, 33} {
			const rows = 19
			for empty := range rows {
				x, mask := make([]float32, rows*cols), make([]bool, rows*cols)
				for i := range mask {
					mask[i] = i/cols != empty
				}
				func() {
					defer func() {
						want := fmt.Sprintf("row %d of %d has no legal element", empty, rows)
						if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
							t.Errorf("%d columns: panic %q, want %q", cols, got, want)
						}
					}()
					LogSoftmax(rows, cols, x, mask, make([]float32, rows*cols), make([]float32, rows*cols))
				}()
			}
		}
	})
}

// A row has the same bits alone and in a batch, even those of its NaN.
func TestLogSoftmaxRowDoesNotDependOnBatch(t *testing.T) {
	specials := []float32{float32(math.Inf(1)), float32(math.Inf(-1)), math.Float32frombits(0xffc12345), 0, float32(math.Copysign(0, -1))}
	every(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(15, 16))
		for cols := 1; cols < 40; cols++ {
			const rows = 45
			x, mask := normals(r, rows*cols), make([]bool, rows*cols)
			for i := range mask {
				mask[i] = i%cols == i/cols%cols || r.IntN(2) == 0
				if i >= rows*cols/2 && r.IntN(4*cols) == 0 {
					x[i] = specials[r.IntN(len(specials))]
				}
			}
			for _, mask := range [][]bool{nil, mask} {
				logp, prob := make([]float32, rows*cols), make([]float32, rows*cols)
				LogSoftmax(rows, cols, x, mask, logp, prob)
				for i := range rows {
					l, p, m := make([]float32, cols), make([]float32, cols), mask
					if m != nil {
						m = m[i*cols : (i+1)*cols]
					}
					LogSoftmax(1, cols, x[i*cols:(i+1)*cols], m, l, p)
					if !sameBits(l, logp[i*cols:(i+1)*cols]) || !sameBits(p, prob[i*cols:(i+1)*cols]) {
						t.Fatalf("row %d of %d columns alone is %v, %v, in the batch %v, %v", i, cols, l, p, logp[i*cols:(i+1)*cols], prob[i*cols:(i+1)*cols])
					}
				}
			}
		}
	})
}
