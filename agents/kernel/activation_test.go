package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestBiasAndActivation(t *testing.T) {
	every(t, func(t *testing.T) {
		nan := float32(math.NaN())
		y := []float32{1, -2, 3, nan, 0, 5}
		b := []float32{-1, 1, 2}
		for _, c := range []struct {
			name string
			run  func(int, int, []float32, []float32)
			want func(z float32) float32
		}{
			{"linear", AddBias, func(z float32) float32 { return z }},
			{"tanh", AddBiasTanh, Tanh},
			{"relu", AddBiasReLU, func(z float32) float32 {
				if z < 0 {
					return 0
				}
				return z
			}},
		} {
			got := append([]float32(nil), y...)
			c.run(2, 3, got, b)
			for i := range got {
				want := c.want(y[i] + b[i%3])
				if !(math.Abs(float64(got[i]-want)) <= 2e-7) && !(got[i] != got[i] && want != want) {
					t.Errorf("%s: element %d is %v, want %v", c.name, i, got[i], want)
				}
			}
			c.run(0, 3, nil, b)
			c.run(3, 0, nil, nil)
		}
	})
}

func TestActivationGradients(t *testing.T) {
	every(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		z, dy := normals(r, 100), normals(r, 100)
		z[3] = 0
		y, dz := make([]float32, 100), make([]float32, 100)
		for i := range z {
			y[i] = Tanh(z[i])
		}
		TanhGrad(dz, dy, y)
		for i := range z {
			want := float64(dy[i]) / math.Pow(math.Cosh(float64(z[i])), 2)
			if math.Abs(float64(dz[i])-want) > 1e-6 {
				t.Fatalf("tanh: dz[%d] is %v, want %v", i, dz[i], want)
			}
		}
		for i := range z {
			y[i] = max(0, z[i])
		}
		ReLUGrad(dz, dy, y)
		for i := range z {
			want := dy[i]
			if z[i] <= 0 {
				want = 0
			}
			if dz[i] != want {
				t.Fatalf("relu: dz[%d] is %v, want %v", i, dz[i], want)
			}
		}
	})
}

func TestColumnSums(t *testing.T) {
	every(t, func(t *testing.T) {
		x := []float32{1, 2, 3, 4, 5, 6}
		s := []float32{100, 200}
		ColumnSums(3, 2, x, s, true)
		if s[0] != 109 || s[1] != 212 {
			t.Errorf("accumulated sums are %v, want [109 212]", s)
		}
		ColumnSums(3, 2, x, s, false)
		if s[0] != 9 || s[1] != 12 {
			t.Errorf("sums are %v, want [9 12]", s)
		}
		ColumnSums(0, 2, nil, s, false)
		if s[0] != 0 || s[1] != 0 {
			t.Errorf("sums of no rows are %v, want [0 0]", s)
		}
	})
}
