package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Every width up to several vectors. What needs no more than a sum is exact.
func TestBiasAndActivation(t *testing.T) {
	every(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 3))
		for cols := range 70 {
			y, b := normals(r, 3*cols), normals(r, cols)
			if cols > 0 {
				y[r.IntN(len(y))] = float32(math.NaN())
			}
			for _, c := range []struct {
				name  string
				run   func(int, int, []float32, []float32)
				want  func(z float32) float32
				bound float64
			}{
				{"linear", AddBias, func(z float32) float32 { return z }, 0},
				{"tanh", AddBiasTanh, Tanh, 2e-7},
				{"relu", AddBiasReLU, func(z float32) float32 {
					if z < 0 {
						return 0
					}
					return z
				}, 0},
			} {
				got := slices.Clone(y)
				c.run(3, cols, got, b)
				for i := range got {
					want := c.want(y[i] + b[i%cols])
					if !(math.Abs(float64(got[i]-want)) <= c.bound) && !(got[i] != got[i] && want != want) {
						t.Errorf("%s of %d columns: element %d is %v, want %v", c.name, cols, i, got[i], want)
					}
				}
				c.run(0, cols, nil, b)
			}
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
