// Package kernel holds the float32 loops that learning and acting spend their
// time in, in plain Go: matrix products, activations, column sums, Adam.
//
// Start with [Gemm] and [Tanh]. Matrices are contiguous and row-major, sizes
// are explicit, and slices of any other length panic. No function allocates,
// starts a goroutine or keeps a slice.
//
// Every element of a product is one sum in ascending order of the summed
// index, whatever the shape around it, so row i of a batch has the same bits
// as that row alone. Products are rounded before they are added: the
// conversions float32(a*b) forbid a fused multiply-add, so results do not
// depend on the architecture either.
//
// Left out: views with strides, transposes in place, other number types.
package kernel

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
