package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// measure runs a benchmark with each implementation that the machine has.
func measure(b *testing.B, name, unit string, size float64, run func()) {
	for _, k := range Available() {
		b.Run(name+"/"+k, func(b *testing.B) {
			force(b, k)
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
			ns := b.Elapsed().Seconds() * 1e9 / float64(b.N)
			if unit == "GFLOP/s" {
				b.ReportMetric(size/ns, unit)
			} else {
				b.ReportMetric(ns/size, unit)
			}
		})
	}
}

// Shapes of layers, forward (NN), the gradients of weights (TN) and of inputs
// (NT), with gonum beside.
func BenchmarkGemm(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, p := range products {
		for _, s := range [][3]int{{64, 64, 64}, {1024, 64, 64}, {2048, 64, 128}, {1, 64, 64}, {1024, 16, 64}, {1024, 5, 64}, {1024, 1, 64}, {1024, 64, 4}, {64, 64, 1024}, {64, 1, 1024}} {
			m, n, k := s[0], s[1], s[2]
			x, y, z := normals(r, m*k), normals(r, k*n), make([]float32, m*n)
			name := fmt.Sprintf("%s/%dx%dx%d", p.name, m, n, k)
			measure(b, name, "GFLOP/s", float64(2*m*n*k), func() { p.run(m, n, k, x, y, z, false) })
			b.Run(name+"/gonum", func(b *testing.B) {
				ta, tb := blas.NoTrans, blas.NoTrans
				one, two := blas32.General{Rows: m, Cols: k, Stride: k, Data: x}, blas32.General{Rows: k, Cols: n, Stride: n, Data: y}
				switch p.name {
				case "TN":
					ta, one.Rows, one.Cols, one.Stride = blas.Trans, k, m, m
				case "NT":
					tb, two.Rows, two.Cols, two.Stride = blas.Trans, n, k, k
				}
				for b.Loop() {
					blas32.Gemm(ta, tb, 1, one, two, 0, blas32.General{Rows: m, Cols: n, Stride: n, Data: z})
				}
				b.ReportMetric(float64(2*m*n*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}

// The forward pass of a net of 64 inputs, two hidden layers of 64 tanh and 16
// outputs.
func BenchmarkForward(b *testing.B) {
	r := rand.New(rand.NewPCG(9, 10))
	w1, w2, w3, bias := normals(r, 64*64), normals(r, 64*64), normals(r, 64*16), normals(r, 64)
	for _, rows := range []int{1, 8, 64, 1024} {
		x, h1, h2, y := normals(r, rows*64), make([]float32, rows*64), make([]float32, rows*64), make([]float32, rows*16)
		measure(b, fmt.Sprint(rows), "ns/row", float64(rows), func() {
			Gemm(rows, 64, 64, x, w1, h1, false)
			AddBiasTanh(rows, 64, h1, bias)
			Gemm(rows, 64, 64, h1, w2, h2, false)
			AddBiasTanh(rows, 64, h2, bias)
			Gemm(rows, 16, 64, h2, w3, y, false)
			AddBias(rows, 16, y, bias[:16])
		})
	}
}

func BenchmarkElementwise(b *testing.B) {
	const n = 4096
	r := rand.New(rand.NewPCG(11, 12))
	x, y, z, w, positive, bias := normals(r, n), normals(r, n), normals(r, n), normals(r, n), make([]float32, n), normals(r, 64)
	Exp(positive, x)
	step := Adam{LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-5}.Step(10, 1)
	moment := make([]float32, n)
	for _, c := range []struct {
		name string
		run  func()
	}{
		{"Exp", func() { Exp(y, x) }},
		{"Log", func() { Log(y, positive) }},
		{"AddBias", func() { AddBias(n/64, 64, z, bias) }},
		{"AddBiasTanh", func() { copy(z, x); AddBiasTanh(n/64, 64, z, bias) }},
		{"AddBiasReLU", func() { AddBiasReLU(n/64, 64, z, bias) }},
		{"TanhGrad", func() { TanhGrad(z, x, positive) }},
		{"ReLUGrad", func() { ReLUGrad(z, x, positive) }},
		{"ColumnSums", func() { ColumnSums(n/64, 64, x, bias, false) }},
		{"SumSquares", func() { SumSquares(x) }},
		{"Finite", func() { Finite(x) }},
		{"Add", func() { Add(z, x) }},
		{"Scale", func() { Scale(z, x, 0.5) }},
		{"Lerp", func() { Lerp(z, x, 0.5) }},
		{"Normalize", func() { Normalize(n/64, 64, x, bias, bias, 5, y) }},
		{"Adam", func() { step.Update(w, x, z, moment) }},
	} {
		measure(b, c.name, "ns/element", n, c.run)
	}
}

func BenchmarkLogSoftmax(b *testing.B) {
	const rows = 1024
	r := rand.New(rand.NewPCG(13, 14))
	for _, cols := range []int{2, 5, 16, 64} {
		x, logp, prob, mask := normals(r, rows*cols), make([]float32, rows*cols), make([]float32, rows*cols), make([]bool, rows*cols)
		for i := range mask {
			mask[i] = i%cols == 0 || r.IntN(2) == 0
		}
		measure(b, fmt.Sprintf("%dx%d", rows, cols), "ns/row", rows, func() { LogSoftmax(rows, cols, x, nil, logp, prob) })
		measure(b, fmt.Sprintf("%dx%d/masked", rows, cols), "ns/row", rows, func() { LogSoftmax(rows, cols, x, mask, logp, prob) })
	}
}
