package toy

import (
	"fmt"
	"math"

	"mend/env"
	"mend/env/seed"
	"mend/env/state"
)

// Dimensions and rewards of [Chain].
const (
	ChainStates = 5
	ChainSteps  = 20  // steps until truncation
	ChainGamma  = 0.9 // Spec.Gamma
	chainLure   = 0.2 // reward for going left at state 0; right at the last state pays 1
)

// Actions of [Chain].
const (
	ChainLeft = iota
	ChainRight
)

var chainSpec = env.Spec{
	ID:       "Chain-v0",
	Digest:   digest("Chain-v0", ChainStates, ChainSteps, ChainGamma, chainLure, "uniform start"),
	Features: indicators("state", ChainStates),
	Actions:  []string{ChainLeft: "left", ChainRight: "right"},
	Gamma:    ChainGamma,
}

// Chain is a walk along five states that never ends but is truncated after 20
// steps, and does not show the time. Going right at the last state stays there
// and pays 1, going left at the first stays there and pays 0.2, all else pays 0.
// Episodes start in each state with equal chance; nothing else is random.
//
// Going right is best everywhere: V*(s) = γ^(4−s)/(1−γ), that is 10 in the last
// state and 6.561 in the first, where the lure is worth 2 forever. These values
// hold at a truncation too: a learner that bootstraps from zero there finds
// V(4) near 5.8, the mean of (1−γ^k)/(1−γ) over the k steps that are left when
// the best policy is in the last state.
type Chain struct {
	at      int32
	steps   int32
	running bool
}

// NewChain returns a Chain that awaits Reset.
func NewChain() *Chain { return &Chain{} }

// ChainValue is the optimal value V* of state s, and the value of always going
// right.
func ChainValue(s int) float64 {
	return math.Pow(ChainGamma, float64(ChainStates-1-s)) / (1 - ChainGamma)
}

// ChainReturn is the undiscounted return of an episode that starts in state s
// and always goes right: 20 less the steps to get there. Over all starts the
// mean is 18, which is also the most that any policy gets.
func ChainReturn(s int) float64 { return ChainSteps - float64(ChainStates-1-s) }

// Spec returns what a learner may know in advance.
func (c *Chain) Spec() *env.Spec { return &chainSpec }

// Reset draws the first state.
func (c *Chain) Reset(s seed.Seed, obs []float32, _ []bool) {
	checkLength(&chainSpec, obs)
	*c = Chain{at: int32(seed.Below(s.At(0, 0), ChainStates)), running: true}
	oneHot(obs, int(c.at))
}

// ResetExploring starts in the first state, at the lure, which going right leaves
// for good.
func (c *Chain) ResetExploring(_ seed.Seed, obs []float32, _ []bool) {
	checkLength(&chainSpec, obs)
	*c = Chain{running: true}
	oneHot(obs, 0)
}

// Step goes left or right.
func (c *Chain) Step(action int, obs []float32, _ []bool) env.Outcome {
	check(&chainSpec, c.running, action, obs)
	o := env.Outcome{Elapsed: 1}
	switch {
	case action == ChainRight && c.at == ChainStates-1:
		o.Reward = 1
	case action == ChainRight:
		c.at++
	case c.at == 0:
		o.Reward = chainLure
	default:
		c.at--
	}
	c.steps++
	o.Truncated = c.steps == ChainSteps
	c.running = !o.Truncated
	oneHot(obs, int(c.at))
	return o
}

// AppendState appends the whole state to b.
func (c *Chain) AppendState(b []byte) []byte { return state.Append(b, c.fields) }

// RestoreState reads what AppendState wrote.
func (c *Chain) RestoreState(b []byte) error {
	err := state.Restore(b, c.fields)
	switch {
	case err != nil:
	case c.at < 0 || c.at >= ChainStates:
		err = fmt.Errorf("state %d, want 0 to %d", c.at, ChainStates-1)
	case c.steps < 0 || c.steps > ChainSteps || c.running && c.steps == ChainSteps:
		err = fmt.Errorf("%d steps of %d, running %v", c.steps, ChainSteps, c.running)
	}
	if err != nil {
		c.running = false
		return fmt.Errorf("toy: Chain-v0: %w", err)
	}
	return nil
}

func (c *Chain) fields(s *state.Codec) {
	state.Value(s, &c.at)
	state.Value(s, &c.steps)
	state.Value(s, &c.running)
}
