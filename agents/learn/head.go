package learn

import (
	"fmt"
	"math"

	"mend/agents/kernel"
)

// Head maps the last output y of a value net to the value that it stands for.
type Head uint8

// The heads.
const (
	// LinearHead: V = y.
	LinearHead Head = iota
	// SymexpHead: V = sign(y)·(e^|y| − 1), so that values of any magnitude lie
	// within reach of outputs of a few units. Its error is relative, (V − R)/(1 + |V|),
	// with the divisor held constant, under a Huber loss of δ = 1. As dV/dy is
	// 1 + |V|, the gradient at y is the relative error clipped to [−1, 1]; unlike
	// the squared error of symlog(R), it has its zero at the mean of R where it is
	// not clipped.
	//
	// V is bounded: beyond |y| of 40 it stays at e^40 − 1 ≈ 2.4e17, so that
	// neither V nor a sum of squares of it overflows. The gradient there is as
	// at the bound, and errors draw y back. An infinite y has an infinite V.
	//
	// The transform: Hafner et al., arXiv:2301.04104, section "Symlog predictions".
	SymexpHead
)

// symexpLimit is the largest |y| that SymexpHead tells apart.
const symexpLimit = 40

// magnitude is |y|, bounded where it is finite.
func magnitude(y float32) float32 {
	y = math.Float32frombits(math.Float32bits(y) &^ (1 << 31))
	if y > symexpLimit && y <= math.MaxFloat32 {
		return symexpLimit
	}
	return y
}

func (h Head) String() string {
	switch h {
	case LinearHead:
		return "linear"
	case SymexpHead:
		return "symexp"
	}
	return fmt.Sprintf("head %d", uint8(h))
}

// ParseHead is the inverse of String.
func ParseHead(s string) (Head, error) {
	for _, h := range []Head{LinearHead, SymexpHead} {
		if h.String() == s {
			return h, nil
		}
	}
	return 0, fmt.Errorf("learn: value head %q, want linear or symexp", s)
}

// Value is the value of output y.
func (h Head) Value(y float32) float32 {
	if h == SymexpHead {
		return float32(math.Copysign(math.Expm1(float64(magnitude(y))), float64(y)))
	}
	return y
}

// Values writes the values of the outputs y to dst, which must not overlap y,
// at the rate of the kernels: to within 1e-6·(1 + |V|) of Value.
func (h Head) Values(dst, y []float32) {
	if len(dst) != len(y) {
		panic(fmt.Sprintf("learn: values of %d outputs for %d", len(y), len(dst)))
	}
	if h == LinearHead {
		copy(dst, y)
		return
	}
	for i, y := range y {
		dst[i] = magnitude(y)
	}
	kernel.Exp(dst, dst)
	for i, y := range y {
		v := dst[i] - 1
		if y < 0 {
			v = -v
		}
		dst[i] = v
	}
}

// Inverse is the output of value v, which a symexp head has up to 2.4e17.
func (h Head) Inverse(v float32) float32 {
	if h == SymexpHead {
		return float32(math.Copysign(math.Log1p(math.Abs(float64(v))), float64(v)))
	}
	return v
}

// criterion is the loss of one prediction of a value, as a function of its
// error. With V the value of output y and R the target,
//
//	e = (V − R)·scale(V)
//
// and dL/dy is the slope of the loss at e, for either head: see [SymexpHead].
type criterion struct {
	head  Head
	delta float64 // of the Huber loss under a linear head; 0: squared error
}

// scale is the factor on errors at prediction v, a constant to differentiation.
func (c criterion) scale(v float64) float64 {
	if c.head == SymexpHead {
		return 1 / (1 + math.Abs(v))
	}
	return 1
}

// at returns e², or the Huber loss
//
//	e²/2 where |e| ≤ δ, else δ·(|e| − δ/2)
//
// and its slope. Huber, "Robust estimation of a location parameter", 1964.
func (c criterion) at(e float64) (loss, slope float64) {
	delta := c.delta
	if c.head == SymexpHead {
		delta = 1
	}
	switch {
	case delta == 0:
		return e * e, 2 * e
	case math.Abs(e) <= delta:
		return e * e / 2, e
	}
	return delta * (math.Abs(e) - delta/2), math.Copysign(delta, e)
}
