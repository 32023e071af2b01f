package dqn

import (
	"fmt"
	"math"

	"mend/env/state"
)

// bounds are what no discounted return can leave, as far as the rewards of single
// steps seen so far tell: as γ^{e_j}·(1 − γ^{Δ_j}) summed over steps j is at
// most 1,
//
//	Σ_j γ^{e_j} r_j ≤ max(0, max_j r_j/(1 − γ^{Δ_j}))
//
// and likewise below. For Δ = 1 that is the highest reward over 1 − γ. Values
// that bootstrap are clipped to them: a network that sees its own maximum again
// in its targets would otherwise pass on what it overestimates and add to it
// each time, without end, the faster under a symexp head. Where a step takes no
// time, or γ is 1, the bound is infinite.
//
// Clipping to the attainable range: Bellemare et al., arXiv:1707.06887, section
// 4 (there [V_min, V_max], set by hand).
type bounds struct{ low, high float64 }

// add widens the bounds by a step whose reward is r and whose length weighs
// 1 − γ^Δ.
func (b *bounds) add(r, weight float64) {
	switch {
	case r > 0:
		b.high = max(b.high, r/weight)
	case r < 0:
		b.low = min(b.low, r/weight)
	}
}

func (b *bounds) clip(v float64) float64 { return min(max(v, b.low), b.high) }

// weight is 1 − γ^Δ, exact for short steps too.
func weight(gamma, elapsed float64) float64 { return -math.Expm1(elapsed * math.Log(gamma)) }

func (b *bounds) fields(c *state.Codec) {
	state.Value(c, &b.low)
	state.Value(c, &b.high)
	if c.Restoring() && c.Err() == nil && !(b.low <= 0 && b.high >= 0) {
		c.Fail(fmt.Errorf("returns between %v and %v, want 0 among them", b.low, b.high))
	}
}
