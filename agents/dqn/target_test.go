package dqn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"mend/agents/signal"
	"mend/env"
)

// hand is an agent of linear networks over one-hot observations: the weight of
// feature s and output (a, k) is Q(s, a, k) itself.
type hand struct {
	*Agent
	states, actions int
}

func newHand(t *testing.T, states, actions int, masked bool, sig func(*signal.Config), change func(*Config)) *hand {
	t.Helper()
	spec := &env.Spec{ID: "hand", Features: make([]env.Feature, states), Actions: make([]string, actions), Masked: masked, Gamma: 0.5}
	c := DefaultConfig()
	c.Hidden, c.BufferSize, c.BatchSize, c.Double, c.NStep = nil, 16, 4, false, 1
	change(&c)
	s := signal.DefaultConfig()
	if sig != nil {
		sig(&s)
	}
	a, err := New(c, signal.Setup{Spec: spec, Envs: 1, Steps: 2000, Seed: 1, Signal: s})
	if err != nil {
		t.Fatal(err)
	}
	a.pending.returns = bounds{-1e6, 1e6} // the values of the tests need not come from their rewards
	return &hand{a, states, actions}
}

// table sets the values of one state.
func (h *hand) table(target bool, state int, values ...float32) {
	q := h.online
	if target {
		q = h.target
	}
	copy(q.Advantage.Layers[0].W[state*len(values):], values)
}

// step lets the agent see action 0 leading from one state to another.
func (h *hand) step(from, to int, reward, elapsed float32, end string) {
	prev, next := env.NewTimeStep(1, h.setup.Spec), env.NewTimeStep(1, h.setup.Spec)
	prev.Obs[from] = 1
	next.Obs[0] = 1 // of another episode, where this one ends
	switch end {
	case "":
		next.Obs[0], next.Obs[to] = 0, 1
	case "terminated":
		next.Terminated[0] = true
	case "truncated":
		next.Truncated[0] = true
		next.FinalObs[to] = 1
	}
	for a := range prev.Mask {
		// State s forbids action s, but for action 0, which all may take.
		prev.Mask[a] = a == 0 || a != from
		next.FinalMask[a] = a == 0 || a != to
	}
	next.Reward[0], next.Elapsed[0] = reward, elapsed
	h.Observe(prev, []int{0}, next)
}

// targetsOf computes the targets of a batch of one slot.
func (h *hand) targetsOf(t *testing.T, slot int) []float32 {
	t.Helper()
	b, err := h.learner.Batch(h.cfg.BatchSize)
	if err != nil {
		t.Fatal(err)
	}
	for i := range h.batch.slot {
		h.batch.slot[i] = slot
	}
	h.targets(b)
	k := h.cfg.Quantiles
	for i := range b.N {
		if !slices.Equal(b.Target[i*k:(i+1)*k], b.Target[:k]) {
			t.Fatalf("targets of equal transitions differ: %v", b.Target)
		}
	}
	return b.Target[:k]
}

func (h *hand) want(t *testing.T, what string, slot int, want ...float64) {
	t.Helper()
	for k, got := range h.targetsOf(t, slot) {
		if math.Abs(float64(got)-want[k]) > 1e-6*(1+math.Abs(want[k])) {
			t.Errorf("%s: target %v, want %v", what, got, want[k])
		}
	}
}

// γ = 0.5 throughout. Path: 1 → 2 → 3 → 1 → …, rewards 10, 20, 40.
func TestOneStepTargets(t *testing.T) {
	h := newHand(t, 4, 3, false, nil, func(*Config) {})
	h.table(true, 2, 1, 6, 2)
	h.table(true, 3, 8, 0, 0)
	h.table(false, 2, 9, 9, 100) // the online network has no say
	h.step(1, 2, 10, 1, "")
	h.step(2, 3, 20, 3, "")
	h.step(3, 1, 40, 0, "terminated")
	h.step(1, 2, 80, 2, "truncated")
	h.want(t, "one interval", 0, 10+0.5*6)
	h.want(t, "three intervals", 1, 20+0.125*8)
	h.want(t, "terminated", 2, 40)
	h.want(t, "truncated", 3, 80+0.25*6)
}

// Over a horizon of 3 intervals: the second step lasts 2 and reaches it. One
// that only ends may be short of it; so may the youngest.
func TestNStepTargets(t *testing.T) {
	h := newHand(t, 4, 3, false, nil, func(c *Config) { c.NStep = 3 })
	h.table(true, 1, 16, 0, 0)
	h.table(true, 3, 8, 0, 0)
	h.step(1, 2, 10, 1, "")
	h.step(2, 3, 20, 2, "")
	h.step(3, 1, 40, 1, "")
	h.step(1, 3, 80, 1, "truncated")
	h.step(2, 2, 160, 1, "")
	h.step(2, 2, 320, 0.5, "terminated")
	h.step(1, 2, 640, 1, "")
	h.step(2, 3, 0, 1, "")
	h.want(t, "1 + 2 intervals", 0, 10+0.5*20+0.125*8)
	h.want(t, "2 + 1 intervals", 1, 20+0.25*40+0.125*16)
	h.want(t, "truncated after 1 + 1", 2, 40+0.5*80+0.25*8)
	h.want(t, "truncated after 1", 3, 80+0.5*8)
	// Slot 4 is the FinalObs.
	h.want(t, "terminated after 1 + 0.5", 5, 160+0.5*320)
	h.table(true, 2, 4, 0, 0)
	h.want(t, "what follows is not known yet", 7, 640+0.5*4)
}

// van Hasselt et al.: the online network chooses, the target network values.
func TestDoubleTargets(t *testing.T) {
	h := newHand(t, 3, 3, false, nil, func(c *Config) { c.Double = true })
	h.table(true, 2, 1, 6, 2)
	h.table(false, 2, 0, -1, 5)
	h.step(1, 2, 10, 1, "")
	h.step(2, 1, 0, 1, "terminated")
	h.want(t, "double", 0, 10+0.5*2)
}

// The best action of s' must be legal there, within an episode, where the clock
// cut it, and for either network that chooses.
func TestMaskedTargets(t *testing.T) {
	for _, double := range []bool{false, true} {
		h := newHand(t, 4, 4, true, nil, func(c *Config) { c.Double = double })
		h.table(true, 2, 1, 3, 100, 2) // action 2 is forbidden in state 2
		h.table(true, 3, 1, 4, 2, 100) // and 3 in 3
		h.table(false, 2, 1, 3, 100, 2)
		h.table(false, 3, 1, 4, 2, 100)
		h.step(1, 2, 10, 1, "")
		h.step(2, 3, 20, 1, "truncated")
		h.want(t, fmt.Sprintf("double=%v, under way", double), 0, 10+0.5*3)
		h.want(t, fmt.Sprintf("double=%v, at the cut", double), 1, 20+0.5*4)
	}
}

// Shaped by r + γ^Δ·Φ(s') − Φ(s), the sum over several steps keeps only the
// potentials at both ends, and none where the task terminated. The plain twin
// adds the shaped rewards step by step.
func TestShapingTelescopes(t *testing.T) {
	const horizon = 4
	h := newHand(t, 4, 2, false, nil, func(c *Config) { c.NStep = horizon })
	h.replay.phi = make([]float32, h.replay.capacity())
	phi := []float64{0, -7, 11, 5}
	type step struct {
		from, to        int
		reward, elapsed float32
		end             string
	}
	path := []step{{1, 2, 10, 1, ""}, {2, 3, 20, 1.5, ""}, {3, 1, 40, 2, ""}, {1, 3, 80, 1, "terminated"}, {3, 2, 5, 1, ""}, {2, 1, 6, 2, "truncated"}, {1, 1, 0, 1, ""}}
	for _, x := range path {
		h.step(x.from, x.to, x.reward, x.elapsed, x.end)
	}
	for slot, k := range []int{0, 1, 2, 3, 4, 5, -1, 6} {
		from := 1
		if k >= 0 {
			from = path[k].from
		}
		h.replay.phi[slot] = float32(phi[from])
	}
	for k := range 6 {
		var want, elapsed float64
		for j := k; ; j++ {
			x := path[j]
			r := float64(x.reward) - phi[x.from]
			if x.end != "terminated" {
				r += math.Pow(0.5, float64(x.elapsed)) * phi[x.to]
			}
			want += math.Pow(0.5, elapsed) * r
			elapsed += float64(x.elapsed)
			if x.end != "" || elapsed >= horizon {
				break
			}
		}
		h.target.Advantage.Layers[0].W[0] = 99 // state 0 is in no transition
		for i := 1; i < 4; i++ {
			h.table(true, i, 0, 0)
		}
		h.want(t, fmt.Sprintf("step %d", k), k, want)
	}
}

// Rewards, shaped ones too, are divided by the scale; values are in its units.
func TestScaledTargets(t *testing.T) {
	h := newHand(t, 3, 2, false, func(s *signal.Config) { s.NormalizeReward = true }, func(*Config) {})
	h.table(true, 2, 3, 1)
	h.step(1, 2, 10, 1, "")
	h.step(2, 1, -30, 1, "terminated")
	h.want(t, "before the first update", 0, 10+0.5*3)
	h.scale.Refresh()
	factor := h.scale.Factor()
	// Returns 10 and −30 + 0.5·10: standard deviation 17.5.
	if math.Abs(factor*17.5-1) > 1e-6 {
		t.Errorf("the scale is %v, want 1/17.5", factor)
	}
	h.want(t, "scaled", 0, 10/17.5+0.5*3)
	h.want(t, "scaled, terminated", 1, -30/17.5)
	h.replay.phi = make([]float32, h.replay.capacity())
	copy(h.replay.phi, []float32{4, 6})
	h.want(t, "shaped and scaled", 0, (10+0.5*6-4)/17.5+0.5*3)
}

// Every quantile of the best action by the mean moves, whichever has the highest
// single quantile.
func TestQuantileTargets(t *testing.T) {
	h := newHand(t, 3, 2, false, nil, func(c *Config) { c.Quantiles = 3 })
	h.table(true, 2, -1, 0, 10, 4, 4, 4) // means 3 and 4
	h.step(1, 2, 10, 1, "")
	h.step(2, 1, 7, 1, "terminated")
	h.want(t, "quantiles", 0, 12, 12, 12)
	h.want(t, "terminated", 1, 7, 7, 7)
	h.table(true, 2, -1, 4, 10, 4, 4, 4) // means 4.33 and 4
	h.want(t, "quantiles", 0, 10-0.5, 10+2, 10+5)
	h.cfg.Double = true
	h.table(false, 2, 0, 0, 0, 0, 1, 0)
	h.want(t, "double", 0, 12, 12, 12)
}

// A value head that is not linear takes part in units of value.
func TestSymexpTargets(t *testing.T) {
	h := newHand(t, 3, 2, false, func(s *signal.Config) { s.ValueHead = "symexp" }, func(*Config) {})
	h.table(true, 2, 2, -5)
	h.step(1, 2, 10, 1, "")
	h.step(2, 1, 0, 1, "")
	if got, want := float64(h.targetsOf(t, 0)[0]), 10+0.5*(math.E*math.E-1); math.Abs(got-want) > 1e-5 {
		t.Errorf("target %v, want %v", got, want)
	}
}

// A batch holds what was observed, normalised, with importance weights
// (N·P)^−β over the highest of the batch.
func TestSample(t *testing.T) {
	h := newHand(t, 3, 2, false, func(s *signal.Config) { s.NormalizeObservation, s.ObservationClip = true, 0 },
		func(c *Config) { c.Prioritized, c.BatchSize = true, 200 })
	h.step(1, 2, 10, 1, "")
	h.step(2, 1, 20, 1, "")
	h.step(1, 1, 30, 1, "terminated")
	for slot, delta := range []float64{1, 2, 7} {
		h.replay.setPriority(slot, delta, 0, 1)
	}
	h.moments.Refresh()
	b, err := h.learner.Batch(200)
	if err != nil {
		t.Fatal(err)
	}
	h.sample(b, 0.5)
	var counts [3]int
	for i, slot := range h.batch.slot {
		counts[slot]++
		want := make([]float32, 3)
		h.moments.Normalizer().Apply(1, h.replay.obs[slot*3:(slot+1)*3], want)
		if !slices.Equal(b.Obs[i*3:(i+1)*3], want) {
			t.Fatalf("row %d observes %v, want %v", i, b.Obs[i*3:(i+1)*3], want)
		}
		// P = 0.1, 0.2, 0.7; the rarest gets 1.
		if w := []float64{1, math.Sqrt(0.5), math.Sqrt(1. / 7)}[slot]; math.Abs(float64(b.Weight[i])-w) > 1e-6 {
			t.Fatalf("weight %v in slot %d, want %v", b.Weight[i], slot, w)
		}
	}
	// Of 200 equal parts of the sum 20, 40 and 140 lie within one priority each.
	if counts != [3]int{20, 40, 140} {
		t.Errorf("drawn %v times, want 20, 40 and 140", counts)
	}
}

// The plain formula, with N and β as in the paper.
func TestWeigh(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	p, w := make([]float64, 20), make([]float32, 20)
	for i := range p {
		p[i] = r.Float64()
	}
	for _, beta := range []float64{0, 0.4, 1} {
		weigh(w, p, beta)
		highest := 0.0
		for _, x := range p {
			highest = max(highest, math.Pow(77*x, -beta))
		}
		for i, x := range p {
			if want := math.Pow(77*x, -beta) / highest; math.Abs(float64(w[i])-want) > 1e-6 {
				t.Errorf("β %v: weight %v, want %v", beta, w[i], want)
			}
		}
	}
}
