package env

import (
	"errors"
	"fmt"
	"math"
	"reflect"

	"mend/env/seed"
	"mend/env/state"
)

// Vector steps N environments in lock-step and starts the next episode of each
// within the step that ended its last one: Obs is then the new episode's first
// observation and FinalObs the old one's last. Episode k of environment i is
// seeded by root.Child("env", i).Child("episode", k), so an environment's
// history does not depend on how many neighbours it has, nor on how many
// processors step it: see SetWorkers.
type Vector struct {
	// Ended, where set, is called for each episode that a Step has ended, with
	// what its world measured after its last step; nil where the world is not
	// [Measured]. The calls come within Step, on its goroutine, in the order of
	// the environments and after all of them have been stepped, so that sums
	// over m do not depend on the workers. The function does not keep m.
	Ended func(i int, m []Ratio)

	root    seed.Seed
	envs    []Env
	episode []uint64 // episodes started, by environment
	crew    *crew

	measured [][]Ratio // [N][Metrics] of the episodes that this Step ended; [N] nil where nothing is measured

	batched   Batched     // one of the same environments; nil where they are not, or not of one type
	credited  []Credited  // the same environments; nil where Spec.Subjects is 0
	exploring []Exploring // the same environments; nil where SetExplore was not called
	explore   float64

	// stepEnvs and resetEnvs, made once, and what they work on.
	stepJob, resetJob func(from, to int)
	actions           []int
	t                 *TimeStep
}

// NewVector joins environments of equal Spec.
func NewVector(root seed.Seed, envs ...Env) (*Vector, error) {
	if len(envs) == 0 {
		return nil, errors.New("env: a vector of no environments, want at least 1")
	}
	for i, e := range envs {
		if !reflect.DeepEqual(e.Spec(), envs[0].Spec()) {
			return nil, fmt.Errorf("env: environment %d of the vector differs in its spec from environment 0", i)
		}
	}
	v := &Vector{root: root, envs: envs, episode: make([]uint64, len(envs)), measured: make([][]Ratio, len(envs))}
	v.stepJob, v.resetJob = v.stepEnvs, v.resetEnvs
	v.SetWorkers(1)
	v.batched, _ = envs[0].(Batched)
	for i, e := range envs {
		if reflect.TypeOf(e) != reflect.TypeOf(envs[0]) {
			v.batched = nil
		}
		if _, ok := e.(Measured); ok {
			v.measured[i] = make([]Ratio, 0, len(e.Spec().Metrics))
		}
	}
	if s := v.Spec(); s.Subjects > 0 {
		v.credited = make([]Credited, len(envs))
		for i, e := range envs {
			c, ok := e.(Credited)
			if !ok {
				return nil, fmt.Errorf("env: %s has %d subjects but does not credit them", s.ID, s.Subjects)
			}
			v.credited[i] = c
		}
	}
	return v, nil
}

// SetExplore lets the episodes of this share of the environments, those that
// start from now on, begin by ResetExploring; those of the others never do. An
// environment whose episodes are long would else spend nearly all of its time in
// those, however many short exploring ones there were. Environment i explores
// where the fractional part of (i+½)·φ, the golden ratio, is below the share:
// evenly spread, independent of the neighbours, and at every greater share too.
// The share is configuration, not part of the state.
func (v *Vector) SetExplore(share float64) error {
	if !(share >= 0 && share <= 1) {
		return fmt.Errorf("env: share of exploring starts is %v, want 0 to 1", share)
	}
	exploring := make([]Exploring, len(v.envs))
	for i, e := range v.envs {
		x, ok := e.(Exploring)
		if !ok && share > 0 {
			return fmt.Errorf("env: share of exploring starts is %v, but %s offers none", share, v.Spec().ID)
		}
		exploring[i] = x
	}
	v.explore, v.exploring = share, exploring
	return nil
}

// Explores reports whether environment i begins its episodes by exploring.
func (v *Vector) Explores(i int) bool {
	_, x := math.Modf((float64(i) + 0.5) * math.Phi)
	return x < v.explore
}

// SetWorkers lets Reset and Step use up to n processors, the caller's included; at first
// it is 1, and less counts as 1. Results do not depend on it. Environments must
// then share nothing that one of them writes to. The others' goroutines come and
// go as they are worth it, and are gone soon after the last Step: there is
// nothing to close. See crew.
//
// A panic of a world is then the caller's, after all others have had their turn;
// its value is a string that names it and its stack.
func (v *Vector) SetWorkers(n int) { v.crew = newCrew(len(v.envs), n) }

// N is the number of environments.
func (v *Vector) N() int { return len(v.envs) }

// Spec is the common spec of the environments.
func (v *Vector) Spec() *Spec { return v.envs[0].Spec() }

// Reset starts the first episode of every environment.
func (v *Vector) Reset(t *TimeStep) {
	v.check(t)
	v.t = t
	v.crew.share(v.resetJob)
	v.t = nil
}

func (v *Vector) resetEnvs(from, to int) {
	t := v.t
	for i := from; i < to; i++ {
		v.episode[i] = 0
		v.start(i, t)
		t.Reward[i], t.Elapsed[i] = 0, 0
		t.Terminated[i], t.Truncated[i] = false, false
		clear(t.CreditRow(i))
	}
}

// Step applies actions[i] to environment i and fills t.
func (v *Vector) Step(actions []int, t *TimeStep) {
	v.check(t)
	if len(actions) != len(v.envs) {
		panic(fmt.Sprintf("env: %d actions for %d environments", len(actions), len(v.envs)))
	}
	v.actions, v.t = actions, t
	v.crew.do(v.stepJob)
	v.actions, v.t = nil, nil // no longer ours
	if v.Ended == nil {
		return
	}
	for i := range v.envs {
		if t.Ended(i) {
			v.Ended(i, v.measured[i])
		}
	}
}

// stepEnvs steps environments from to to−1, and starts the next episodes of
// those that end. It touches nothing of the others.
func (v *Vector) stepEnvs(from, to int) {
	t := v.t
	if v.batched != nil {
		v.batched.StepBatch(v.envs, v.actions, t, from, to)
	} else {
		for i := from; i < to; i++ {
			o := v.envs[i].Step(v.actions[i], t.ObsRow(i), t.MaskRow(i))
			t.Reward[i], t.Elapsed[i] = o.Reward, o.Elapsed
			t.Terminated[i], t.Truncated[i] = o.Terminated, o.Truncated
		}
	}
	for i := from; i < to; i++ {
		if v.credited != nil {
			v.credited[i].Credit(t.CreditRow(i))
		}
		if t.Ended(i) {
			copy(row(t.FinalObs, t.N, i), t.ObsRow(i))
			copy(row(t.FinalMask, t.N, i), t.MaskRow(i))
			if v.Ended != nil && v.measured[i] != nil {
				v.measured[i] = v.envs[i].(Measured).Measure(v.measured[i][:0])
			}
			v.start(i, t)
		} else if v.credited != nil {
			t.Subject[i] = int32(v.credited[i].Subject())
		}
	}
}

func (v *Vector) start(i int, t *TimeStep) {
	s := v.root.Child("env", uint64(i)).Child("episode", v.episode[i])
	v.episode[i]++
	if v.Explores(i) {
		v.exploring[i].ResetExploring(s, t.ObsRow(i), t.MaskRow(i))
	} else {
		v.envs[i].Reset(s, t.ObsRow(i), t.MaskRow(i))
	}
	if v.credited != nil {
		t.Subject[i] = int32(v.credited[i].Subject())
	}
}

func (v *Vector) check(t *TimeStep) {
	s := v.Spec()
	masks := 0
	if s.Masked {
		masks = t.N * len(s.Actions)
	}
	if t.N != len(v.envs) || len(t.Obs) != t.N*s.ObsDim() || len(t.Mask) != masks {
		panic(fmt.Sprintf("env: time step of %d environments with %d features and %d mask entries for %d environments of %s",
			t.N, len(t.Obs), len(t.Mask), len(v.envs), s.ID))
	}
	if v.credited != nil && (len(t.Subject) != t.N || len(t.Credit) != t.N*s.Subjects) {
		panic(fmt.Sprintf("env: time step of %d environments with %d subjects and %d credits for %d environments of %s with %d subjects each",
			t.N, len(t.Subject), len(t.Credit), len(v.envs), s.ID, s.Subjects))
	}
}

// AppendState appends the state of every environment to b.
func (v *Vector) AppendState(b []byte) []byte {
	return state.Append(b, func(c *state.Codec) {
		state.Fixed(c, v.episode)
		for _, e := range v.envs {
			world := e.AppendState(nil)
			state.Slice(c, &world)
		}
	})
}

// RestoreState reads what AppendState of an equal Vector wrote.
func (v *Vector) RestoreState(b []byte) error {
	err := state.Restore(b, func(c *state.Codec) {
		state.Fixed(c, v.episode)
		for i, e := range v.envs {
			var world []byte
			state.Slice(c, &world)
			if c.Err() != nil {
				return
			}
			if err := e.RestoreState(world); err != nil {
				c.Fail(fmt.Errorf("environment %d: %w", i, err))
			}
		}
	})
	if err != nil {
		return fmt.Errorf("env: vector: %w", err)
	}
	return nil
}
