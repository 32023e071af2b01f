package learn

import (
	"fmt"
	"math"
)

// LogSoftmax writes the log-probabilities of a masked categorical distribution:
//
//	log π(a) = x_a − max x − log Σ_legal exp(x_b − max x), −∞ where illegal
//
// A nil mask allows all. No legal action at all is a bug and panics.
func LogSoftmax(dst []float64, logits []float32, mask []bool) {
	top := math.Inf(-1)
	legal := 0
	for a, x := range logits {
		if mask == nil || mask[a] {
			legal++
			top = max(top, float64(x)) // NaN wins
		}
	}
	if legal == 0 {
		panic(fmt.Sprintf("learn: none of %d actions is legal, want at least 1", len(logits)))
	}
	sum := 0.0
	for a, x := range logits {
		if mask == nil || mask[a] {
			sum += math.Exp(float64(x) - top)
		}
	}
	norm := top + math.Log(sum)
	for a, x := range logits {
		if mask == nil || mask[a] {
			dst[a] = float64(x) - norm
		} else {
			dst[a] = math.Inf(-1)
		}
	}
}
