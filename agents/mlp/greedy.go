package mlp

import (
	"fmt"

	"mend/env"
)

// Argmax returns the legal index of the highest value, the lowest index among
// equals. A nil mask allows all. NaN counts below every number. No legal index
// at all is a bug and panics.
func Argmax(values []float32, mask []bool) int {
	if mask != nil && len(mask) != len(values) {
		panic(fmt.Sprintf("mlp: argmax: mask of %d entries for %d values", len(mask), len(values)))
	}
	best := -1
	for i, v := range values {
		if mask != nil && !mask[i] {
			continue
		}
		if best < 0 || v > values[best] || (values[best] != values[best] && v == v) {
			best = i
		}
	}
	if best < 0 {
		panic(fmt.Sprintf("mlp: argmax: none of %d values is legal, want at least 1", len(values)))
	}
	return best
}

// Greedy is the policy that takes the legal action of the net's highest output.
// It follows changes of the net. It is not safe for concurrent use.
type Greedy struct {
	Net     *Net
	scratch Scratch
}

// NewGreedy returns the greedy policy of n.
func NewGreedy(n *Net) *Greedy { return &Greedy{Net: n} }

// Act reads t.Obs and t.Mask and fills actions. It allocates only when t.N
// exceeds all earlier ones.
func (g *Greedy) Act(t *env.TimeStep, actions []int) {
	if len(actions) != t.N {
		panic(fmt.Sprintf("mlp: %d actions for %d environments", len(actions), t.N))
	}
	out := g.Net.Forward(t.N, t.Obs, &g.scratch)
	w := g.Net.Out()
	for i := range actions {
		actions[i] = Argmax(out[i*w:(i+1)*w], t.MaskRow(i))
	}
}
