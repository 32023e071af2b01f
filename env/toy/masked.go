package toy

import (
	"fmt"

	"mend/env"
	"mend/env/seed"
	"mend/env/state"
)

// Dimensions of [Masked].
const (
	MaskedActions = 4
	MaskedSteps   = 8   // steps until truncation
	MaskedGamma   = 0.9 // Spec.Gamma
)

// maskedRewards is what each action pays. The most tempting are legal half of
// the time, the worthless one always.
var maskedRewards = [MaskedActions]float32{0, 0.3, 0.6, 1}

// MaskedMean is the expected reward of a step under the best policy, which takes
// the best legal action: ½·1 + ¼·0.6 + ⅛·0.3 = 0.6875. The best policy's return
// is 8 times that, 5.5, and uniform choice among legal actions gets less than
// half of it.
const MaskedMean = 0.6875

var maskedSpec = env.Spec{
	ID:       "Masked-v0",
	Digest:   digest("Masked-v0", maskedRewards, MaskedSteps, MaskedGamma, "action 0 always legal, others with chance 1/2"),
	Features: indicators("legal", MaskedActions),
	Actions:  []string{"hold", "low", "middle", "high"},
	Masked:   true,
	Gamma:    MaskedGamma,
}

// Masked is a world of changing masks, redrawn at every step: action 0 is
// always legal and pays nothing, actions 1 to 3 are legal with chance ½ each and
// pay 0.3, 0.6 and 1. The observation repeats the mask. Choosing an illegal
// action panics. Episodes are truncated after 8 steps and would go on.
type Masked struct {
	seed    seed.Seed
	legal   uint8 // bit a: action a is legal
	steps   int32
	running bool
}

// NewMasked returns a Masked that awaits Reset.
func NewMasked() *Masked { return &Masked{} }

// MaskedBest is the best of the legal actions: the last one.
func MaskedBest(mask []bool) int {
	for a := len(mask) - 1; a > 0; a-- {
		if mask[a] {
			return a
		}
	}
	return 0
}

// MaskedValue is the optimal value V* where mask is legal: the best reward now
// and γ·0.6875/(1−γ) = 6.1875 from later.
func MaskedValue(mask []bool) float64 {
	return float64(maskedRewards[MaskedBest(mask)]) + MaskedGamma*MaskedMean/(1-MaskedGamma)
}

// Spec returns what a learner may know in advance.
func (m *Masked) Spec() *env.Spec { return &maskedSpec }

// Reset draws the first mask.
func (m *Masked) Reset(s seed.Seed, obs []float32, mask []bool) {
	*m = Masked{seed: s, running: true}
	m.ask(obs, mask)
}

// Step takes a legal action and draws the next mask.
func (m *Masked) Step(action int, obs []float32, mask []bool) env.Outcome {
	check(&maskedSpec, m.running, action, obs)
	if m.legal>>action&1 == 0 {
		panic(fmt.Sprintf("toy: Masked-v0: action %d (%s) is masked", action, maskedSpec.Actions[action]))
	}
	m.steps++
	o := env.Outcome{Reward: maskedRewards[action], Elapsed: 1, Truncated: m.steps == MaskedSteps}
	m.running = !o.Truncated
	m.ask(obs, mask)
	return o
}

func (m *Masked) ask(obs []float32, mask []bool) {
	checkLength(&maskedSpec, obs)
	if len(mask) != MaskedActions {
		panic(fmt.Sprintf("toy: Masked-v0: mask of length %d, want %d", len(mask), MaskedActions))
	}
	m.legal = uint8(m.seed.At(0, uint64(m.steps))>>60) | 1
	for a := range mask {
		mask[a] = m.legal>>a&1 == 1
		obs[a] = float32(m.legal >> a & 1)
	}
}

// AppendState appends the whole state to b.
func (m *Masked) AppendState(b []byte) []byte { return state.Append(b, m.fields) }

// RestoreState reads what AppendState wrote.
func (m *Masked) RestoreState(b []byte) error {
	err := state.Restore(b, m.fields)
	if err == nil && (m.steps < 0 || m.steps > MaskedSteps || m.running && m.steps == MaskedSteps) {
		err = fmt.Errorf("%d steps of %d, running %v", m.steps, MaskedSteps, m.running)
	}
	if err != nil {
		m.running = false
		return fmt.Errorf("toy: Masked-v0: %w", err)
	}
	return nil
}

func (m *Masked) fields(c *state.Codec) {
	state.Value(c, &m.seed)
	state.Value(c, &m.legal)
	state.Value(c, &m.steps)
	state.Value(c, &m.running)
}
