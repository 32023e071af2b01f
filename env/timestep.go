package env

import (
	"fmt"

	"mend/env/state"
)

// TimeStep holds the latest step of N environments, batch first. The caller
// owns the buffers.
type TimeStep struct {
	N         int
	Obs       []float32 // [N*ObsDim]; a new episode's first, where one ended
	Mask      []bool    // [N*Actions], legal in Obs; nil where Spec.Masked is false
	FinalObs  []float32 // [N*ObsDim]; the ended episode's last; else stale
	FinalMask []bool    // [N*Actions], legal in FinalObs; else stale
	Reward    []float32 // [N]
	Elapsed   []float32 // [N], in nominal intervals
	// Terminated and Truncated are [N]; see Outcome.
	Terminated []bool
	Truncated  []bool
	// Subject and Credit are nil where Spec.Subjects is 0; see Credited.
	Subject []int32   // [N], whom the decision in Obs is about
	Credit  []float32 // [N*Subjects], the parts of Reward
}

// NewTimeStep returns buffers for n environments of the given Spec.
func NewTimeStep(n int, s *Spec) *TimeStep {
	t := &TimeStep{
		N:          n,
		Obs:        make([]float32, n*s.ObsDim()),
		FinalObs:   make([]float32, n*s.ObsDim()),
		Reward:     make([]float32, n),
		Elapsed:    make([]float32, n),
		Terminated: make([]bool, n),
		Truncated:  make([]bool, n),
	}
	if s.Masked {
		t.Mask = make([]bool, n*len(s.Actions))
		t.FinalMask = make([]bool, n*len(s.Actions))
	}
	if s.Subjects > 0 {
		t.Subject = make([]int32, n)
		t.Credit = make([]float32, n*s.Subjects)
	}
	return t
}

// ObsRow is the observation of environment i.
func (t *TimeStep) ObsRow(i int) []float32 { return row(t.Obs, t.N, i) }

// MaskRow is the mask of environment i, nil where nothing is masked.
func (t *TimeStep) MaskRow(i int) []bool { return row(t.Mask, t.N, i) }

// CreditRow is what environment i's subjects earned, nil where none is credited.
func (t *TimeStep) CreditRow(i int) []float32 { return row(t.Credit, t.N, i) }

// Ended reports whether the step ended an episode in environment i.
func (t *TimeStep) Ended(i int) bool { return t.Terminated[i] || t.Truncated[i] }

func row[T any](s []T, n, i int) []T {
	if s == nil {
		return nil
	}
	w := len(s) / n
	return s[i*w : (i+1)*w : (i+1)*w]
}

// AppendState appends the whole step to b.
func (t *TimeStep) AppendState(b []byte) []byte { return state.Append(b, t.fields) }

// RestoreState reads what AppendState of an equally shaped TimeStep wrote.
func (t *TimeStep) RestoreState(b []byte) error {
	if err := state.Restore(b, t.fields); err != nil {
		return fmt.Errorf("env: time step: %w", err)
	}
	return nil
}

func (t *TimeStep) fields(c *state.Codec) {
	state.Fixed(c, t.Obs)
	state.Fixed(c, t.Mask)
	state.Fixed(c, t.FinalObs)
	state.Fixed(c, t.FinalMask)
	state.Fixed(c, t.Reward)
	state.Fixed(c, t.Elapsed)
	state.Fixed(c, t.Terminated)
	state.Fixed(c, t.Truncated)
	state.Fixed(c, t.Subject)
	state.Fixed(c, t.Credit)
	if !c.Restoring() || c.Err() != nil {
		return
	}
	for i, k := range t.Subject { // learners use it as an index
		if subjects := len(t.Credit) / t.N; k < 0 || int(k) >= subjects {
			c.Fail(fmt.Errorf("environment %d asks about subject %d, want 0 to %d", i, k, subjects-1))
		}
	}
}
