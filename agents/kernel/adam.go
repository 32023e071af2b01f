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

// AdamStep holds the constants of one step of Adam, common to all tensors.
type AdamStep struct {
	LR, Beta1, Beta2, Eps float64
	T                     uint64  // counts steps from 1
	Scale                 float64 // factor on the gradient, from ClipScale
}

// Adam updates the weights w and the moments m and v by the gradient g:
//
//	g ← scale·g
//	m ← β₁·m + (1−β₁)·g
//	v ← β₂·v + (1−β₂)·g²
//	w ← w − lr·(m/(1−β₁ᵗ)) / (√(v/(1−β₂ᵗ)) + ε)
//
// All slices have the same length; g is only read.
//
// Kingma & Ba, arXiv:1412.6980, algorithm 1: ε stands outside the root.
func Adam(s AdamStep, w, g, m, v []float32) {
	length("adam", "g", g, len(w))
	length("adam", "m", m, len(w))
	length("adam", "v", v, len(w))
	if s.T == 0 {
		panic(fmt.Sprintf("kernel: adam: step %d, want at least 1", s.T))
	}
	t := float64(s.T)
	c := adamConstants{
		scale: float32(s.Scale),
		b1:    float32(s.Beta1), c1: float32(1 - s.Beta1),
		b2: float32(s.Beta2), c2: float32(1 - s.Beta2),
		lr:   float32(s.LR / (1 - math.Pow(s.Beta1, t))),
		root: float32(1 / math.Sqrt(1-math.Pow(s.Beta2, t))),
		eps:  float32(s.Eps),
	}
	if vectorAdam(c, w, g, m, v) {
		return
	}
	for i := range w {
		d := float32(c.scale * g[i])
		mi := float32(c.b1*m[i]) + float32(c.c1*d)
		vi := float32(c.b2*v[i]) + float32(c.c2*float32(d*d))
		m[i], v[i] = mi, vi
		w[i] -= float32(c.lr*mi) / (float32(sqrt(vi)*c.root) + c.eps)
	}
}

// adamConstants are the constants of a step as they enter its equations.
type adamConstants struct {
	scale, b1, c1, b2, c2, eps float32
	lr                         float32 // lr/(1−β₁ᵗ)
	root                       float32 // 1/√(1−β₂ᵗ)
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
