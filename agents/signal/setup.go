package signal

import (
	"fmt"
	"math/rand/v2"

	"mend/env"
	"mend/env/seed"
	"mend/env/state"
)

// Setup is what every learner is made from besides its own hyperparameters.
type Setup struct {
	Spec   *env.Spec
	Envs   int       // environments that it observes in lock-step
	Steps  uint64    // length of training in environment steps, over all of them: what schedules are measured by
	Seed   seed.Seed // of everything that it draws
	Signal Config
	// Potential shapes the rewards; nil where none was fitted. It is frozen while
	// the agent learns and part of its state, so it need not be fitted where
	// the agent is to be restored.
	Potential *Potential
}

// Validate reports the first thing that no learner can work with.
func (s *Setup) Validate() error {
	if err := s.Signal.Validate(); err != nil {
		return fmt.Errorf("signal: %w", err)
	}
	spec := s.Spec
	switch {
	case s.Envs < 1:
		return fmt.Errorf("%d environments, want at least 1", s.Envs)
	case s.Steps < 1:
		return fmt.Errorf("%d steps in total, want at least 1", s.Steps)
	case spec.ObsDim() < 1 || len(spec.Actions) < 1:
		return fmt.Errorf("%s has %d features and %d actions, want at least 1 of each", spec.ID, spec.ObsDim(), len(spec.Actions))
	case !(spec.Gamma >= 0 && spec.Gamma <= 1):
		return fmt.Errorf("%s has gamma %v, want 0 <= gamma <= 1", spec.ID, spec.Gamma)
	case s.Signal.Credit == CreditSubject && spec.Subjects < 1:
		return fmt.Errorf("signal.credit is subject, but %s does not say whose reward is whose, want plain", spec.ID)
	case s.Potential == nil && s.Signal.Shaping.Fits():
		return fmt.Errorf("signal.shaping.baseline is %q and there is no potential", s.Signal.Shaping.Baseline)
	case s.Potential != nil && s.Potential.net.In() != spec.ObsDim():
		return fmt.Errorf("a potential of %d features for the %d of %s", s.Potential.net.In(), spec.ObsDim(), spec.ID)
	}
	return nil
}

// Gamma is the discount per nominal interval: the world's where it has one,
// otherwise the agent's own.
func (s *Setup) Gamma(own float64) float64 {
	if s.Spec.Gamma != 0 {
		return s.Spec.Gamma
	}
	return own
}

// Progress is the share of training that is over after steps environment steps,
// at most 1.
func (s *Setup) Progress(steps uint64) float64 { return min(1, float64(steps)/float64(s.Steps)) }

// Stream is a sequence of random numbers that can be saved.
type Stream struct {
	*rand.Rand
	pcg *rand.PCG
}

// NewStream opens the stream of s.
func NewStream(s seed.Seed) Stream {
	r, p := s.Rand()
	return Stream{r, p}
}

// Fields carries the position in the stream.
func (s Stream) Fields(c *state.Codec) {
	saved, err := s.pcg.MarshalBinary()
	if err != nil {
		c.Fail(err)
	}
	state.Slice(c, &saved)
	if c.Restoring() && c.Err() == nil {
		if err := s.pcg.UnmarshalBinary(saved); err != nil {
			c.Fail(err)
		}
	}
}
