package signal

import (
	"fmt"
	"math"

	"mend/env/state"
)

// ReturnScale is the running standard deviation of the discounted return, by
// which rewards are divided. The return runs forward in time, one to each
// environment:
//
//	R_t = r_t + γ^Δ_{t−1}·R_{t−1}, starting afresh after an episode's end
//
// where Δ is Elapsed and r_t is discounted to the start of its step. Nothing is
// subtracted and nothing clipped, so that the order of policies stays.
//
// Engstrom et al., arXiv:2005.12729, section 3 (reward scaling), there for Δ=1.
type ReturnScale struct {
	gamma   float64
	carried []float64 // [envs], γ^Δ_{t−1}·R_{t−1}
	returns running
	factor  float64
}

// NewReturnScale returns the scale of envs environments, which is 1 until the
// first Refresh. gamma is the discount per nominal interval.
func NewReturnScale(envs int, gamma float64) *ReturnScale {
	return &ReturnScale{gamma: gamma, carried: make([]float64, envs), factor: 1}
}

// Add records one step of every environment, without touching the factor.
func (s *ReturnScale) Add(reward, elapsed []float32, terminated, truncated []bool) {
	for _, n := range []int{len(reward), len(elapsed), len(terminated), len(truncated)} {
		if n != len(s.carried) {
			panic(fmt.Sprintf("signal: return scale: a step of %d environments, want %d", n, len(s.carried)))
		}
	}
	for i := range s.carried {
		r := float64(reward[i]) + s.carried[i]
		s.returns.merge(running{n: 1, mean: r})
		if terminated[i] || truncated[i] {
			s.carried[i] = 0
		} else {
			s.carried[i] = math.Pow(s.gamma, float64(elapsed[i])) * r
		}
	}
}

// Refresh brings the factor up to all that was added.
func (s *ReturnScale) Refresh() {
	if s.returns.n > 0 {
		s.factor = 1 / s.returns.deviation()
	}
}

// Factor is what rewards are to be multiplied by: 1/√(variance + 1e-8) of the
// returns up to the latest Refresh.
func (s *ReturnScale) Factor() float64 { return s.factor }

// Fields carries the returns and the factor, which may lag behind.
func (s *ReturnScale) Fields(c *state.Codec) {
	shape(c, "environments in the return scale", len(s.carried))
	state.Fixed(c, s.carried)
	s.returns.fields(c)
	state.Value(c, &s.factor)
	if c.Restoring() && c.Err() == nil && !(s.factor > 0 && s.factor-s.factor == 0) {
		c.Fail(fmt.Errorf("signal: a return scale of %v, want a finite number above 0", s.factor))
	}
}
