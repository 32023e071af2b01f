package bench

import (
	"fmt"
	"math/rand/v2"

	"mend/agents/kernel"
)

// Kernel lists the loops of agents/kernel. Products are named m×n×k and count
// 2·m·n·k operations; the others are in nanoseconds an element.
//
// The shapes are those of training 64x64 networks: the hidden layers of an
// acting batch and of minibatches, a policy head of 16 actions and one of 5,
// and the two products of a backward pass.
func Kernel() []Benchmark {
	var list []Benchmark
	for _, x := range []struct {
		kind    string
		product func(m, n, k int, a, b, c []float32, accumulate bool)
		m, n, k int
	}{
		{"gemm", kernel.Gemm, 64, 64, 64},
		{"gemm", kernel.Gemm, 1024, 64, 64},
		{"gemm", kernel.Gemm, 2048, 64, 128},
		{"gemm", kernel.Gemm, 1024, 16, 64},
		{"gemm", kernel.Gemm, 1024, 5, 64},
		{"gemm-tn", kernel.GemmTN, 64, 64, 1024}, // the gradient of weights
		{"gemm-nt", kernel.GemmNT, 1024, 64, 64}, // the gradient of inputs
	} {
		name := fmt.Sprintf("kernel/%s/%dx%dx%d", x.kind, x.m, x.n, x.k)
		list = append(list, one(name, "GFLOP/s", func() (func(int) error, func(float64) float64, error) {
			r := numbers()
			a, b, c := normals(r, x.m*x.k), normals(r, x.k*x.n), make([]float32, x.m*x.n)
			work := func(n int) error {
				for range n {
					x.product(x.m, x.n, x.k, a, b, c, false)
				}
				return nil
			}
			flop := 2 * float64(x.m) * float64(x.n) * float64(x.k)
			return work, func(s float64) float64 { return flop / s / 1e9 }, nil
		}))
	}

	// The weights of one hidden layer of 64, or its output at a minibatch of
	// 64: it stays in the nearest caches, as it does in training.
	const rows, cols = 64, 64
	elements := func(name string, f func(r *rand.Rand) func()) {
		list = append(list, one("kernel/"+name, "ns", func() (func(int) error, func(float64) float64, error) {
			call := f(numbers())
			work := func(n int) error {
				for range n {
					call()
				}
				return nil
			}
			return work, func(s float64) float64 { return s * 1e9 / (rows * cols) }, nil
		}))
	}
	elements("tanh", func(r *rand.Rand) func() {
		// Each call goes on from the last: the bias keeps the values apart.
		y, bias := normals(r, rows*cols), normals(r, cols)
		return func() { kernel.AddBiasTanh(rows, cols, y, bias) }
	})
	elements("exp", func(r *rand.Rand) func() {
		x, y := normals(r, rows*cols), make([]float32, rows*cols)
		return func() { kernel.Exp(y, x) }
	})
	elements("log", func(r *rand.Rand) func() {
		x, y := make([]float32, rows*cols), make([]float32, rows*cols)
		for i := range x {
			x[i] = float32(r.ExpFloat64())
		}
		return func() { kernel.Log(y, x) }
	})
	elements("log-softmax", func(r *rand.Rand) func() {
		const actions = 16
		x := normals(r, rows*cols)
		logp, prob := make([]float32, len(x)), make([]float32, len(x))
		return func() { kernel.LogSoftmax(len(x)/actions, actions, x, nil, logp, prob) }
	})
	elements("adam", func(r *rand.Rand) func() {
		w, g := normals(r, rows*cols), normals(r, rows*cols)
		m, v := make([]float32, len(w)), make([]float32, len(w))
		adam := kernel.Adam{LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-5}
		t := uint64(0)
		return func() {
			t++
			step := adam.Step(t, 1)
			step.Update(w, g, m, v)
		}
	})
	return list
}

// numbers draws the data of a benchmark, the same at each call.
func numbers() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// normals are n standard normal numbers.
func normals(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}
