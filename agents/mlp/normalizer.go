package mlp

import (
	"fmt"

	"mend/agents/kernel"
)

// Normalizer maps an observation x, element by element, to
//
//	clamp((x − Mean)·Scale, −Clip, Clip)
//
// in front of a net. Its numbers are statistics of what was observed; they are
// not trained.
type Normalizer struct {
	Mean, Scale []float32 // [In] of the net
	Clip        float32   // 0 means no bound
}

// Apply writes the normalised rows of x to y, which may be x. Both are
// [rows*len(Mean)]. NaN stays NaN.
func (n *Normalizer) Apply(rows int, x, y []float32) {
	if want := rows * len(n.Mean); len(n.Scale) != len(n.Mean) || len(x) != want || len(y) != want {
		panic(fmt.Sprintf("mlp: normalise %d values to %d by %d means and %d scales, want %d rows", len(x), len(y), len(n.Mean), len(n.Scale), rows))
	}
	kernel.Normalize(rows, len(n.Mean), x, n.Mean, n.Scale, n.Clip, y)
}

// Clone returns a deep copy; nil of nil.
func (n *Normalizer) Clone() *Normalizer {
	if n == nil {
		return nil
	}
	return &Normalizer{Mean: append([]float32(nil), n.Mean...), Scale: append([]float32(nil), n.Scale...), Clip: n.Clip}
}

// copyFrom copies the numbers of a normaliser of the same width. Both may be
// nil, but not one alone.
func (n *Normalizer) copyFrom(from *Normalizer) {
	if (n == nil) != (from == nil) {
		panic(fmt.Sprintf("mlp: copy between a net with a normaliser and one without: %v to %v", from != nil, n != nil))
	}
	if n == nil {
		return
	}
	if len(n.Mean) != len(from.Mean) || len(n.Scale) != len(from.Scale) {
		panic(fmt.Sprintf("mlp: copy of a normaliser of width %d to one of %d", len(from.Mean), len(n.Mean)))
	}
	copy(n.Mean, from.Mean)
	copy(n.Scale, from.Scale)
	n.Clip = from.Clip
}

// check reports what makes n unfit for a net of the given number of inputs.
func (n *Normalizer) check(in int) error {
	if len(n.Mean) != in || len(n.Scale) != in {
		return fmt.Errorf("mlp: normaliser has %d means and %d scales, want the %d inputs of the net", len(n.Mean), len(n.Scale), in)
	}
	if i := notFinite(n.Mean); i >= 0 {
		return fmt.Errorf("mlp: normaliser: mean %d is %v, want a finite number", i, n.Mean[i])
	}
	for i, s := range n.Scale {
		if s-s != 0 || s < 0 {
			return fmt.Errorf("mlp: normaliser: scale %d is %v, want a finite number, at least 0", i, s)
		}
	}
	if n.Clip-n.Clip != 0 || n.Clip < 0 {
		return fmt.Errorf("mlp: normaliser: clip is %v, want a finite number, at least 0", n.Clip)
	}
	return nil
}
