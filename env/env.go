// Package env says what a world promises a learner.
//
// Start with [Env], the contract of one world, and [Vector], which steps many
// of them in lock-step. A world asks one question at a time: Step runs it
// until the next decision is due and says how much time went by. The package
// knows nothing of learning; concrete worlds live in its sub-packages.
package env

import (
	"fmt"
	"math"

	"mend/env/seed"
)

// Time is simulated time in microseconds since the start of an episode. An
// int64 of microseconds lasts 292,000 years; a time.Duration ends after 292.
type Time int64

// Units of simulated time.
const (
	Microsecond Time = 1
	Millisecond      = 1000 * Microsecond
	Second           = 1000 * Millisecond
	Minute           = 60 * Second
	Hour             = 60 * Minute
	Day              = 24 * Hour

	// Never is later than any event.
	Never Time = math.MaxInt64
)

// Hours converts t to hours.
func (t Time) Hours() float64 { return float64(t) / float64(Hour) }

// Seconds converts t to seconds.
func (t Time) Seconds() float64 { return float64(t) / float64(Second) }

// FromHours converts hours to a Time, rounded to the nearest microsecond and
// saturated to [0, Never].
func FromHours(h float64) Time {
	us := h * float64(Hour)
	switch {
	case !(us > 0):
		return 0
	case us >= float64(Never):
		return Never
	}
	return Time(math.Round(us))
}

// Feature describes one element of the observation. The observation holds
// (raw − Offset)/Scale, where raw is in Unit.
type Feature struct {
	Name, Unit    string
	Offset, Scale float32
}

// Raw converts an observed value back to the feature's unit.
func (f Feature) Raw(observed float32) float32 {
	return float32(observed*f.Scale) + f.Offset // no fused multiply-add: the same bits everywhere
}

// Observed converts a raw value to what the observation holds.
func (f Feature) Observed(raw float32) float32 { return (raw - f.Offset) / f.Scale }

// Guard is a safety rule as data: the named actions are legal only while the
// raw value of the named feature lies in [Min, Max]. Package env/guard applies
// it, the same way in a world's mask and beside a deployed policy.
//
// As JSON it is {"name", "feature", "actions", "min", "max"}, an infinite bound
// being null.
type Guard struct {
	Name     string
	Feature  string
	Actions  []string
	Min, Max float32 // either may be infinite: no bound on that side
}

// Metric names a quantity by which an episode is judged, besides its return.
// Every metric is a ratio (see [Ratio]), so that episodes of unequal length
// and rare events pool rightly.
type Metric struct {
	Name, Unit     string
	HigherIsBetter bool
	// Part marks a summand of the objective, such as one kind of cost.
	Part bool
}

// Ratio is one episode's contribution to a [Metric]: over many episodes the
// metric is the sum of Num over the sum of Den.
type Ratio struct{ Num, Den float64 }

// Spec is what a learner may know of a world in advance. It is constant over
// the life of an Env.
type Spec struct {
	ID       string    // registered name, such as "CartPole-v1"
	Digest   string    // hex SHA-256 over everything that defines the world
	Features []Feature // what each element of the observation means
	Actions  []string  // what each action is called
	Masked   bool      // whether Reset and Step fill a mask of legal actions
	// Gamma is the world's discount per nominal interval, exp(−interval/τ);
	// 0 where the world leaves the choice to the agent.
	Gamma  float64
	Guards []Guard
	// Subjects is how many parts the reward has, each owed to one subject of
	// the world's questions; 0 where the reward is one whole. See [Credited].
	Subjects int
	// Metrics are what [Measured.Measure] reports, in order. Objective names
	// the one that policies are compared by; empty means the episode return,
	// higher being better.
	Metrics   []Metric
	Objective string
}

// ObsDim is the length of an observation.
func (s *Spec) ObsDim() int { return len(s.Features) }

// Feature returns the index of the named feature, or an error that names it.
func (s *Spec) Feature(name string) (int, error) {
	for i, f := range s.Features {
		if f.Name == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("env: %s has no feature %q", s.ID, name)
}

// Action returns the index of the named action, or an error that names it.
func (s *Spec) Action(name string) (int, error) {
	for i, a := range s.Actions {
		if a == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("env: %s has no action %q", s.ID, name)
}

// Env is one world. It is not safe for concurrent use.
//
// Reset and Step write every element of obs (length Spec().ObsDim()) and, in
// masked worlds, of mask (length len(Spec().Actions), at least one true). They
// keep neither slice. Wrong lengths, a Step before Reset or after the episode's
// end, and an action out of range or masked are bugs of the caller and panic.
type Env interface {
	// Spec returns the same pointer at every call; callers do not write to it.
	Spec() *Spec
	// Reset starts the episode that s determines and fills obs and mask.
	Reset(s seed.Seed, obs []float32, mask []bool)
	// Step applies action, runs to the next decision or the episode's end, and
	// fills obs and mask with what follows.
	Step(action int, obs []float32, mask []bool) Outcome
	// AppendState appends the whole state of the world to b, so that
	// RestoreState on an Env of the same Spec continues bit for bit.
	AppendState(b []byte) []byte
	// RestoreState replaces the state. After an error the world must be Reset.
	RestoreState(b []byte) error
}

// Outcome is what one Step led to.
type Outcome struct {
	// Reward earned over the step. Worlds with a clock of their own discount
	// it inside the step: ∫ e^(−t/τ) dR, t from the start of the step.
	Reward float32
	// Elapsed is the time the step took, in units of the world's nominal
	// interval: always 1 in fixed-step worlds, 0 between simultaneous
	// decisions.
	Elapsed float32
	// Terminated: the task itself ended, nothing follows. Truncated: the clock
	// cut the episode, the world would have gone on. Both may be true.
	Terminated, Truncated bool
}

// Measured is an Env that accounts for its episode in the metrics of its Spec.
type Measured interface {
	Env
	// Measure appends one Ratio per Spec().Metrics, for the episode since
	// Reset, undiscounted.
	Measure(dst []Ratio) []Ratio
}

// Exploring is an Env that also offers exploring starts: episodes that begin
// in a state which following good policies would seldom lead to (Sutton and
// Barto, "Reinforcement Learning", 2nd ed., section 5.3).
type Exploring interface {
	Env
	// ResetExploring starts another episode that s determines, as Reset does.
	// From there on the world runs as ever.
	ResetExploring(s seed.Seed, obs []float32, mask []bool)
}

// Credited is an Env that asks about one of Spec().Subjects subjects at a time
// and says whose reward is whose.
type Credited interface {
	Env
	// Subject is whom the current decision is about, in [0, Subjects). It has
	// no meaning once the episode has ended.
	Subject() int
	// Credit writes each subject's part of the last Step's reward to dst, of
	// length Subjects. The parts sum to the reward. It has no meaning before
	// the first Step since Reset or RestoreState.
	Credit(dst []float32)
}

// Batched is an Env of which many can take a step in one call, in less time than
// one by one.
type Batched interface {
	Env
	// StepBatch steps worlds[i] by actions[i] for all i from from to to−1. It
	// fills row i of Obs and Mask and element i of Reward, Elapsed, Terminated
	// and Truncated as Step would, to the last bit, and touches nothing else of
	// t. The worlds are all of the receiver's type; the receiver itself matters
	// no more than another of them.
	StepBatch(worlds []Env, actions []int, t *TimeStep, from, to int)
}
