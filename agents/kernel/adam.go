package kernel

import (
	"fmt"
	"math"
)

// SumSquares is Σx², summed in float64, in an order that depends on the length
// alone: one tensor's part of the squared global norm.
func SumSquares(x []float32) float64 {
	if s, ok := vectorSumSquares(x); ok {
		return s
	}
	var s float64
	for _, v := range x {
		s += float64(float64(v) * float64(v))
	}
	return s
}

// ClipScale is the factor that brings a gradient of the given global norm down
// to at most limit: min(1, limit/norm). A limit of 0 means none.
func ClipScale(norm, limit float64) float64 {
	if limit > 0 && norm > limit {
		return limit / norm
	}
	return 1
}

// Adam holds the constants of the optimiser. Step t, counted from 1, updates the
// weights w and the moments m and v by the gradient g:
//
//	g ← scale·g
//	m ← β₁·m + (1−β₁)·g
//	v ← β₂·v + (1−β₂)·g²
//	w ← w − lr·(m/(1−β₁ᵗ)) / (√(v/(1−β₂ᵗ)) + ε)
//
// Kingma & Ba, arXiv:1412.6980, algorithm 1: ε stands outside the root. The
// factor scale is that of [ClipScale].
type Adam struct{ LR, Beta1, Beta2, Eps float64 }

// AdamStep is one step of Adam, the same for all tensors: the constants as they
// enter its equations.
type AdamStep struct {
	scale, b1, c1, b2, c2, eps float32
	lr                         float32 // lr/(1−β₁ᵗ)
	root                       float32 // 1/√(1−β₂ᵗ)
}

// Step prepares step t with a factor on the gradient.
func (a Adam) Step(t uint64, scale float64) AdamStep {
	if t == 0 {
		panic(fmt.Sprintf("kernel: adam: step %d, want at least 1", t))
	}
	return AdamStep{
		scale: float32(scale),
		b1:    float32(a.Beta1), c1: float32(1 - a.Beta1),
		b2: float32(a.Beta2), c2: float32(1 - a.Beta2),
		lr:   float32(a.LR / (1 - math.Pow(a.Beta1, float64(t)))),
		root: float32(1 / math.Sqrt(1-math.Pow(a.Beta2, float64(t)))),
		eps:  float32(a.Eps),
	}
}

// Update takes the step with one tensor. All slices have the same length; g is
// only read.
func (s *AdamStep) Update(w, g, m, v []float32) {
	length("adam", "g", g, len(w))
	length("adam", "m", m, len(w))
	length("adam", "v", v, len(w))
	if vectorAdam(s, w, g, m, v) {
		return
	}
	for i := range w {
		d := float32(s.scale * g[i])
		mi := float32(s.b1*m[i]) + float32(s.c1*d)
		vi := float32(s.b2*v[i]) + float32(s.c2*float32(d*d))
		m[i], v[i] = mi, vi
		w[i] -= float32(s.lr*mi) / (float32(sqrt(vi)*s.root) + s.eps)
	}
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// Finite reports whether x holds neither NaN nor an infinity.
func Finite(x []float32) bool {
	if f, ok := vectorFinite(x); ok {
		return f
	}
	for _, v := range x {
		if v-v != 0 {
			return false
		}
	}
	return true
}
