package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// First step by hand: both corrections cancel the decay, so m̂ = g, v̂ = g² and
// the weight moves by lr·g/(|g|+ε).
func TestAdamFirstStep(t *testing.T) {
	every(t, func(t *testing.T) {
		w, m, v := []float32{1, 1, 1}, make([]float32, 3), make([]float32, 3)
		s := Adam{LR: 0.1, Beta1: 0.9, Beta2: 0.999, Eps: 0.5}.Step(1, 1)
		s.Update(w, []float32{2, -0.5, 0}, m, v)
		for i, want := range []float64{1 - 0.1*2/2.5, 1 + 0.1*0.5/1, 1} {
			if math.Abs(float64(w[i])-want) > 1e-6 {
				t.Errorf("weight %d is %v, want %v", i, w[i], want)
			}
		}
	})
}

// 300 steps against the paper's algorithm written out in float64.
func TestAdamAgainstFloat64(t *testing.T) {
	every(t, func(t *testing.T) {
		const n, lr, b1, b2, eps = 37, 3e-3, 0.9, 0.999, 1e-5
		r := rand.New(rand.NewPCG(9, 9))
		w := normals(r, n)
		m, v := make([]float32, n), make([]float32, n)
		var w64, m64, v64 [n]float64
		for i := range w {
			w64[i] = float64(w[i])
		}
		for step := 1; step <= 300; step++ {
			g := normals(r, n)
			norm := math.Sqrt(SumSquares(g))
			scale := ClipScale(norm, 2)
			var total float64
			for i, x := range g {
				d := float64(x) * scale
				total += d * d
				m64[i] = b1*m64[i] + (1-b1)*d
				v64[i] = b2*v64[i] + (1-b2)*d*d
				mh := m64[i] / (1 - math.Pow(b1, float64(step)))
				vh := v64[i] / (1 - math.Pow(b2, float64(step)))
				w64[i] -= lr * mh / (math.Sqrt(vh) + eps)
			}
			if math.Sqrt(total) > 2*(1+1e-9) {
				t.Fatalf("clipped norm is %v, want at most 2", math.Sqrt(total))
			}
			s := Adam{LR: lr, Beta1: b1, Beta2: b2, Eps: eps}.Step(uint64(step), scale)
			s.Update(w, g, m, v)
		}
		for i := range w {
			if math.Abs(float64(w[i])-w64[i]) > 2e-5 {
				t.Errorf("weight %d is %v after 300 steps, want %v", i, w[i], w64[i])
			}
		}
	})
}

func TestClipScale(t *testing.T) {
	for _, c := range []struct{ norm, limit, want float64 }{{3, 0, 1}, {3, 4, 1}, {8, 4, 0.5}, {0, 1, 1}} {
		if got := ClipScale(c.norm, c.limit); got != c.want {
			t.Errorf("scale of norm %v at limit %v is %v, want %v", c.norm, c.limit, got, c.want)
		}
	}
}

func TestFinite(t *testing.T) {
	every(t, func(t *testing.T) {
		inf := float32(math.Inf(1))
		for _, bad := range []float32{inf, -inf, float32(math.NaN())} {
			if Finite([]float32{0, bad, 1}) {
				t.Errorf("%v counted as finite", bad)
			}
		}
		if !Finite([]float32{0, math.MaxFloat32, -math.MaxFloat32, 1e-45}) || !Finite(nil) {
			t.Error("finite numbers counted as not finite")
		}
	})
}
