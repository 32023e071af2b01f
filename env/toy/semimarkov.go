package toy

import (
	"fmt"
	"math"

	"mend/env"
	"mend/env/seed"
	"mend/env/state"
)

// Dimensions of [SemiMarkov].
const (
	SemiMarkovGamma = 0.9 // Spec.Gamma, per nominal interval
	SemiMarkovLimit = 60  // intervals until truncation
)

// Actions of [SemiMarkov].
const (
	SemiMarkovQuick = iota
	SemiMarkovSlow
)

// States of [SemiMarkov].
const (
	SemiMarkovCalm = iota
	SemiMarkovBusy
)

// What an action pays, at its start, and how many intervals it takes.
var (
	semiMarkovRewards = [2][2]float32{
		SemiMarkovCalm: {SemiMarkovQuick: 1, SemiMarkovSlow: 3},
		SemiMarkovBusy: {SemiMarkovQuick: 1, SemiMarkovSlow: 8},
	}
	semiMarkovElapsed = [2]float32{SemiMarkovQuick: 1, SemiMarkovSlow: 4}
)

var semiMarkovSpec = env.Spec{
	ID:       "SemiMarkov-v0",
	Digest:   digest("SemiMarkov-v0", semiMarkovRewards, semiMarkovElapsed, SemiMarkovGamma, SemiMarkovLimit),
	Features: indicators("state", 2),
	Actions:  []string{SemiMarkovQuick: "quick", SemiMarkovSlow: "slow"},
	Gamma:    SemiMarkovGamma,
}

// SemiMarkov is a world whose steps last unequally. At every decision it is
// calm or busy with equal chance. A quick action pays 1 and takes 1 interval; a
// slow one pays 3 when calm and 8 when busy and takes 4. The reward falls due
// when the action starts, so it is not discounted within the step. Episodes are
// truncated at the first decision after 60 intervals or more, and do not show
// the time.
//
// With the discount γ^Elapsed the best policy is quick when calm and slow when
// busy. Let W be the value before calm or busy is drawn:
//
//	V(calm) = 1 + γ·W
//	V(busy) = 8 + γ⁴·W
//	W = ½·(1 + 8) / (1 − ½·(γ + γ⁴)) ≈ 20.275
//
// so V(calm) ≈ 19.247 (slow: 16.302) and V(busy) ≈ 21.302 (quick: 19.247).
// A learner that discounts each step by γ, whatever it took, finds slow best
// in both states, and then gets only W = 5.5/(1 − γ⁴) ≈ 15.993. The ranking
// holds without discount too: 9/5 = 1.8 an interval against 11/8 = 1.375.
type SemiMarkov struct {
	seed    seed.Seed
	clock   int32 // intervals since Reset
	steps   int32
	state   uint8
	running bool
}

// NewSemiMarkov returns a SemiMarkov that awaits Reset.
func NewSemiMarkov() *SemiMarkov { return &SemiMarkov{} }

// SemiMarkovBest is the best action in a state.
func SemiMarkovBest(state int) int { return state }

// SemiMarkovValue is the optimal value V* of a state.
func SemiMarkovValue(state int) float64 {
	const g = SemiMarkovGamma
	w := 4.5 / (1 - (g+math.Pow(g, 4))/2)
	if state == SemiMarkovCalm {
		return 1 + g*w
	}
	return 8 + math.Pow(g, 4)*w
}

// Spec returns what a learner may know in advance.
func (m *SemiMarkov) Spec() *env.Spec { return &semiMarkovSpec }

// Reset draws the first state.
func (m *SemiMarkov) Reset(s seed.Seed, obs []float32, _ []bool) {
	*m = SemiMarkov{seed: s, running: true}
	m.draw(obs)
}

// Step does a quick or a slow action.
func (m *SemiMarkov) Step(action int, obs []float32, _ []bool) env.Outcome {
	check(&semiMarkovSpec, m.running, action, obs)
	o := env.Outcome{Reward: semiMarkovRewards[m.state][action], Elapsed: semiMarkovElapsed[action]}
	m.clock += int32(o.Elapsed)
	m.steps++
	o.Truncated = m.clock >= SemiMarkovLimit
	m.running = !o.Truncated
	m.draw(obs)
	return o
}

func (m *SemiMarkov) draw(obs []float32) {
	checkLength(&semiMarkovSpec, obs)
	m.state = uint8(m.seed.At(0, uint64(m.steps)) >> 63)
	oneHot(obs, int(m.state))
}

// AppendState appends the whole state to b.
func (m *SemiMarkov) AppendState(b []byte) []byte { return state.Append(b, m.fields) }

// RestoreState reads what AppendState wrote.
func (m *SemiMarkov) RestoreState(b []byte) error {
	err := state.Restore(b, m.fields)
	switch {
	case err != nil:
	case m.state > SemiMarkovBusy:
		err = fmt.Errorf("state %d, want 0 or 1", m.state)
	case m.steps < 0 || m.clock < m.steps || m.clock >= SemiMarkovLimit+4 || m.clock > 4*m.steps,
		m.running && m.clock >= SemiMarkovLimit:
		err = fmt.Errorf("%d intervals of %d after %d steps, running %v", m.clock, SemiMarkovLimit, m.steps, m.running)
	}
	if err != nil {
		m.running = false
		return fmt.Errorf("toy: SemiMarkov-v0: %w", err)
	}
	return nil
}

func (m *SemiMarkov) fields(c *state.Codec) {
	state.Value(c, &m.seed)
	state.Value(c, &m.clock)
	state.Value(c, &m.steps)
	state.Value(c, &m.state)
	state.Value(c, &m.running)
}
