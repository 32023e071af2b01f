//go:build linux

package kernel

import (
	"os"
	"syscall"
	"testing"
	"unsafe"
)

// fence returns memory for slices that end, or begin, where the process may
// neither read nor write: one element too far and the test crashes.
func fence(t *testing.T, bytes int) (begin, end func(n int) []float32) {
	t.Helper()
	page := os.Getpagesize()
	size := (bytes + page - 1) / page * page
	m, err := syscall.Mmap(-1, 0, size+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(m); err != nil {
			t.Error(err)
		}
	})
	for _, guard := range [][]byte{m[:page], m[page+size:]} {
		if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	floats := func(offset, n int) []float32 {
		if n == 0 {
			return nil
		}
		return unsafe.Slice((*float32)(unsafe.Pointer(&m[offset])), n)
	}
	return func(n int) []float32 { return floats(page, n) }, func(n int) []float32 { return floats(page+size-4*n, n) }
}

// Every function stays within its slices, whatever their length.
func TestNothingBeyondSlices(t *testing.T) {
	var begin, end [5]func(int) []float32
	for i := range begin {
		begin[i], end[i] = fence(t, 4*70*80)
	}
	// bools are the last n bytes before a fence, or the first after one.
	bools := func(s func(int) []float32, first bool, n int) []bool {
		if n == 0 {
			return nil
		}
		words := s((n + 3) / 4)
		b := unsafe.Slice((*bool)(unsafe.Pointer(&words[0])), 4*len(words))
		if first {
			b = b[:n]
		} else {
			b = b[len(b)-n:]
		}
		for i := range b {
			b[i] = true
		}
		return b
	}
	step := Adam{Eps: 1}.Step(1, 1)
	every(t, func(t *testing.T) {
		for first, s := range [][5]func(int) []float32{end, begin} {
			for n := range 80 {
				x, y, z, w := s[0](n), s[1](n), s[2](n), s[3](n)
				for i := range n {
					x[i], y[i], z[i], w[i] = 1, 1, 1, 1
				}
				Exp(x, y)
				Log(x, y)
				Add(x, y)
				Scale(x, y, 2)
				Lerp(x, y, 0.5)
				TanhGrad(x, y, z)
				ReLUGrad(x, y, z)
				SumSquares(x)
				Finite(x)
				step.Update(x, y, z, w)
				for _, rows := range []int{1, 3, 9} {
					m := s[0](rows * n)
					AddBias(rows, n, m, y)
					AddBiasTanh(rows, n, m, y)
					AddBiasReLU(rows, n, m, y)
					ColumnSums(rows, n, m, y, true)
					Normalize(rows, n, m, y, z, 3, s[3](rows*n))
					if n == 0 {
						continue // such rows have no legal element
					}
					clear(m)
					LogSoftmax(rows, n, m, nil, s[1](rows*n), s[2](rows*n))
					LogSoftmax(rows, n, m, bools(s[4], first == 1, rows*n), s[1](rows*n), s[2](rows*n))
				}
				// Tiles have up to 16 rows; transposing takes blocks of 8.
				for _, m := range []int{1, 2, 6, 9, 31, 64} {
					for _, k := range []int{1, 3, 8, 11, 32, 70} {
						for _, p := range products {
							p.run(m, n, k, s[0](m*k), s[1](k*n), s[2](m*n), (m+n+k)%2 == 0)
						}
					}
				}
			}
		}
	})
}

// A function writes to its destination and to nothing beside it.
func TestNeighboursStay(t *testing.T) {
	every(t, func(t *testing.T) {
		for n := range 40 {
			for from := range 9 {
				buffer := make([]float32, n+20)
				for i := range buffer {
					buffer[i] = 7
				}
				dst, src := buffer[from:from+n], make([]float32, n)
				a, step := make([]float32, 3), Adam{Eps: 1}.Step(1, 1)
				for _, run := range []func(){
					func() { Exp(dst, src) }, func() { Log(dst, src) }, func() { Add(dst, src) }, func() { Scale(dst, src, 2) },
					func() { Lerp(dst, src, 0.5) }, func() { TanhGrad(dst, src, src) }, func() { ReLUGrad(dst, src, src) },
					func() { AddBias(1, n, dst, src) }, func() { AddBiasTanh(1, n, dst, src) }, func() { AddBiasReLU(1, n, dst, src) },
					func() { ColumnSums(1, n, src, dst, false) }, func() { step.Update(dst, src, src, src) }, func() { Normalize(1, n, src, src, src, 1, dst) },
					func() { Gemm(1, n, 1, a[:1], src, dst, false) }, func() { GemmTN(1, n, 1, a[:1], src, dst, false) },
					func() { GemmNT(1, n, 1, a[:1], src, dst, false) },
					func() { LogSoftmax(min(n, 1), n, src, nil, dst, make([]float32, n)) },
					func() { LogSoftmax(min(n, 1), n, src, nil, make([]float32, n), dst) },
				} {
					clear(src)
					run()
				}
				for i, v := range buffer {
					if (i < from || i >= from+n) && v != 7 {
						t.Fatalf("writing to %d elements from %d changed element %d to %v", n, from, i, v)
					}
				}
			}
		}
	})
}
