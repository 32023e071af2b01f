// Package kernel holds the float32 loops that learning and acting spend their
// time in: matrix products, activations, exp, log and softmax, sums, Adam.
//
// Start with [Gemm] and [LogSoftmax]. Matrices are contiguous and row-major,
// sizes are explicit, and slices of any other length panic. No function
// allocates, starts a goroutine or keeps a slice, so goroutines may call them
// side by side. What a function writes overlaps nothing that it reads, unless its
// comment says so.
//
// There are three implementations of everything: assembly for AVX-512 (F, BW,
// DQ, VL, BMI2), assembly for AVX2 with FMA, and plain Go, which runs on other
// machines and is the easiest to read. The best that the CPU has runs, see
// [Active], unless the environment variable MEND_KERNEL says go, avx2 or
// avx512; a program asks [Err] before it trusts that. tools/kernelgen writes
// the assembly, and fits the polynomials that all three share.
//
// With one implementation equal inputs give equal bits. An element of a product
// is one chain of sums in ascending order of the summed index, whatever the
// shape around it, and an elementwise function treats an element alike wherever
// it lies, so row i of a batch has the same bits as that row alone. Between
// implementations the last bits differ: assembly fuses multiplications and
// additions, where plain Go rounds between them (the conversions float32(a*b)
// say so) and so gives the same bits on every architecture.
//
// Left out: views with strides, transposes in place, other number types.
package kernel

//go:generate go run -C ../../tools ./kernelgen

import "fmt"

// length panics unless the slice called name holds want elements.
func length(what, name string, s []float32, want int) {
	if len(s) != want {
		panic(fmt.Sprintf("kernel: %s: %s has %d elements, want %d", what, name, len(s), want))
	}
}

// sizes panics where a dimension is negative.
func sizes(what string, m, n, k int) {
	if m < 0 || n < 0 || k < 0 {
		panic(fmt.Sprintf("kernel: %s: sizes %d, %d, %d, want none below 0", what, m, n, k))
	}
}
