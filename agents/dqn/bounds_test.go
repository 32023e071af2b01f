package dqn

import (
	"math"
	"math/rand/v2"
	"testing"

	"mend/env/state"
)

// No discounted sum of steps leaves the bounds of those steps, and a reward that
// comes for ever reaches its bound.
func TestBoundsHoldAllReturns(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 1))
	for range 200 {
		gamma := 0.5 + 0.499*r.Float64()
		var b bounds
		rewards, elapsed := make([]float64, 1+r.IntN(60)), make([]float64, 60)
		for j := range rewards {
			rewards[j], elapsed[j] = r.NormFloat64(), 5*r.Float64()
			b.add(rewards[j], weight(gamma, elapsed[j]))
		}
		g := 0.0
		for j := len(rewards) - 1; j >= 0; j-- {
			g = rewards[j] + math.Pow(gamma, elapsed[j])*g
			if g < b.low*(1+1e-12) || g > b.high*(1+1e-12) {
				t.Fatalf("return %v outside %v", g, b)
			}
		}
	}
	var b bounds
	b.add(1, weight(0.99, 1))
	b.add(-3, weight(0.5, 2))
	// 1/(1 − 0.99) and −3/(1 − 0.25).
	if math.Abs(b.high-100) > 1e-9 || math.Abs(b.low+4) > 1e-9 {
		t.Errorf("bounds %v, want −4 and 100", b)
	}
	b.add(-1, weight(0.5, 0))
	b.add(0, weight(1, 1))
	if !math.IsInf(b.low, -1) || math.Abs(b.high-100) > 1e-9 {
		t.Errorf("after a step of no time the bounds are %v, want −Inf and 100", b)
	}
}

func TestBoundsRestore(t *testing.T) {
	for b, ok := range map[bounds]bool{
		{-2, 3}: true, {0, 0}: true, {math.Inf(-1), math.Inf(1)}: true,
		{1, 3}: false, {-2, -1}: false, {math.NaN(), 0}: false,
	} {
		var got bounds
		err := state.Restore(state.Append(nil, b.fields), got.fields)
		if (err == nil) != ok || ok && got != b {
			t.Errorf("%v restores as %v, %v", b, got, err)
		}
	}
}

// A value that bootstraps is one that a return can have: −1 a step at γ = 0.5 is
// between −2 and 0. Φ is taken off and added again.
func TestTargetsAreBounded(t *testing.T) {
	h := newHand(t, 3, 2, false, nil, func(*Config) {})
	h.pending.returns = bounds{}
	h.step(1, 2, -1, 1, "")
	h.step(2, 1, -1, 1, "")
	h.table(true, 2, 8, 1)
	h.want(t, "above", 0, -1+0.5*0)
	h.table(true, 2, -1.5, -9)
	h.want(t, "within", 0, -1-0.5*1.5)
	h.table(true, 2, -9, -8)
	h.want(t, "below", 0, -1-0.5*2)
	h.replay.phi = make([]float32, h.replay.capacity())
	copy(h.replay.phi, []float32{-4, -6})
	h.table(true, 2, 8, 1) // −6 + 8 is above 0
	h.want(t, "shaped, above", 0, -1+0.5*0+4)
	h.table(true, 2, 5, 1) // −6 + 5 is within
	h.want(t, "shaped, within", 0, -1-0.5*1+4)
}
