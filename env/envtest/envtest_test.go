package envtest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mend/env"
	"mend/env/seed"
	"mend/env/state"
)

// walk is a small world that keeps the contract and uses all of it: a random
// walk on −5 to 5 with a mask, a guard, metrics, two subjects asked about in
// turn and exploring starts at 4. Tests break it in one place at a time.
type walk struct {
	s       *env.Spec
	seed    seed.Seed
	at      int32
	steps   int32
	running bool
	cost    [2]float64 // moving, drifting
	credit  [2]float32 // of the last step
}

const walkLimit = 40

var walkSpec = env.Spec{
	ID:     "Walk-v0",
	Digest: strings.Repeat("0123456789abcdef", 4),
	Features: []env.Feature{
		{Name: "position", Unit: "cells", Scale: 5},
		{Name: "time_left", Unit: "1", Offset: 20, Scale: 20},
	},
	Actions: []string{"hold", "left", "right"},
	Masked:  true,
	Gamma:   0.9,
	Guards:  []env.Guard{{Name: "stay_right", Feature: "position", Actions: []string{"left"}, Min: -2, Max: float32(math.Inf(1))}},
	Metrics: []env.Metric{
		{Name: "cost", Unit: "cells per step"},
		{Name: "moving", Unit: "cells per step", Part: true},
		{Name: "drifting", Unit: "cells per step", Part: true},
	},
	Objective: "cost",
	Subjects:  2,
}

func newWalk() *walk { s := walkSpec; return &walk{s: &s} }

func (w *walk) Spec() *env.Spec { return w.s }

func (w *walk) Reset(s seed.Seed, obs []float32, mask []bool) {
	*w = walk{s: w.s, seed: s, running: true}
	w.observe(obs, mask)
}

func (w *walk) ResetExploring(s seed.Seed, obs []float32, mask []bool) {
	*w = walk{s: w.s, seed: s, at: 4, running: true}
	w.observe(obs, mask)
}

func (w *walk) Subject() int { return int(w.steps % 2) }

func (w *walk) Credit(dst []float32) {
	if len(dst) != 2 {
		panic("wrong length")
	}
	copy(dst, w.credit[:])
}

func (w *walk) Step(action int, obs []float32, mask []bool) env.Outcome {
	if !w.running {
		panic("not running")
	}
	if action < 0 || action > 2 || action == 1 && w.at < -2 {
		panic("illegal action")
	}
	move := []int32{0, -1, 1}[action]
	drift := int32(seed.Below(w.seed.At(0, uint64(w.steps)), 3) - 1)
	w.cost[0] += math.Abs(float64(move))
	w.cost[1] += math.Abs(float64(drift))
	w.at = min(5, w.at+move+drift)
	w.steps++
	o := env.Outcome{Reward: float32(w.at), Elapsed: 1, Terminated: w.at < -4, Truncated: w.steps == walkLimit}
	w.running = !o.Terminated && !o.Truncated
	w.credit = [2]float32{o.Reward / 4, o.Reward - o.Reward/4}
	w.observe(obs, mask)
	return o
}

func (w *walk) observe(obs []float32, mask []bool) {
	if len(obs) != 2 || len(mask) != 3 {
		panic("wrong lengths")
	}
	obs[0] = w.s.Features[0].Observed(float32(w.at))
	obs[1] = w.s.Features[1].Observed(float32(walkLimit - w.steps))
	mask[0], mask[1], mask[2] = true, w.at >= -2, true
}

func (w *walk) fields(c *state.Codec) {
	state.Value(c, &w.seed)
	state.Value(c, &w.at)
	state.Value(c, &w.steps)
	state.Value(c, &w.running)
	state.Fixed(c, w.cost[:])
}

func (w *walk) AppendState(b []byte) []byte { return state.Append(b, w.fields) }

func (w *walk) RestoreState(b []byte) error { return state.Restore(b, w.fields) }

func (w *walk) Measure(dst []env.Ratio) []env.Ratio {
	steps := max(1, float64(w.steps))
	return append(dst, env.Ratio{Num: w.cost[0] + w.cost[1], Den: steps},
		env.Ratio{Num: w.cost[0], Den: steps}, env.Ratio{Num: w.cost[1], Den: steps})
}

func TestGoodWorldPasses(t *testing.T) {
	findings := Check(func() env.Env { return newWalk() }, Options{})
	Report(t, findings)
	details := map[string]string{}
	for _, f := range findings {
		details[f.Check] = f.Detail
	}
	// The walk uses every part of the contract, so no check may have seen nothing.
	for check, dull := range map[string]string{
		"mask":    ", 0 masks forbid something",
		"guards":  ", guards applied 0 times",
		"metrics": "nothing is measured",
		"credit":  "nothing is credited",
	} {
		if strings.HasSuffix(details[check], dull) {
			t.Errorf("%s saw too little: %s", check, details[check])
		}
	}
	for check, want := range map[string]string{
		"misuse":    "14 cases panic",
		"credit":    "2 of 2 subjects asked about, 2 credited",
		"exploring": "32 of 32 starts are not Reset's",
	} {
		if !strings.HasSuffix(details[check], want) {
			t.Errorf("%s: %s, want %s", check, details[check], want)
		}
	}
}

// broken is a walk with some methods replaced.
type broken struct {
	*walk
	spec    func() *env.Spec
	reset   func(seed.Seed, []float32, []bool)
	step    func(int, []float32, []bool) env.Outcome
	append  func([]byte) []byte
	restore func([]byte) error
	measure func([]env.Ratio) []env.Ratio
	explore func(seed.Seed, []float32, []bool)
	subject func() int
	credit  func([]float32)
}

func newBroken() *broken {
	w := newWalk()
	return &broken{w, w.Spec, w.Reset, w.Step, w.AppendState, w.RestoreState, w.Measure, w.ResetExploring, w.Subject, w.Credit}
}

func (b *broken) Spec() *env.Spec                               { return b.spec() }
func (b *broken) Reset(s seed.Seed, obs []float32, mask []bool) { b.reset(s, obs, mask) }
func (b *broken) Step(a int, obs []float32, mask []bool) env.Outcome {
	return b.step(a, obs, mask)
}
func (b *broken) AppendState(p []byte) []byte         { return b.append(p) }
func (b *broken) RestoreState(p []byte) error         { return b.restore(p) }
func (b *broken) Measure(dst []env.Ratio) []env.Ratio { return b.measure(dst) }
func (b *broken) Subject() int                        { return b.subject() }
func (b *broken) Credit(dst []float32)                { b.credit(dst) }
func (b *broken) ResetExploring(s seed.Seed, obs []float32, mask []bool) {
	b.explore(s, obs, mask)
}

// after lets f follow Reset, ResetExploring and Step. What it does to the
// reward is credited to subject 0.
func (b *broken) after(f func(o *env.Outcome, obs []float32, mask []bool)) {
	b.reset = func(s seed.Seed, obs []float32, mask []bool) {
		b.walk.Reset(s, obs, mask)
		f(&env.Outcome{}, obs, mask)
	}
	b.explore = func(s seed.Seed, obs []float32, mask []bool) {
		b.walk.ResetExploring(s, obs, mask)
		f(&env.Outcome{}, obs, mask)
	}
	b.step = func(a int, obs []float32, mask []bool) env.Outcome {
		o := b.walk.Step(a, obs, mask)
		earned := o.Reward
		f(&o, obs, mask)
		b.walk.credit[0] += o.Reward - earned
		return o
	}
}

func badSpec(change func(*env.Spec)) func(*broken) {
	return func(b *broken) {
		s := walkSpec
		s.Features = slices.Clone(s.Features)
		s.Guards = slices.Clone(s.Guards)
		s.Metrics = slices.Clone(s.Metrics)
		change(&s)
		b.spec = func() *env.Spec { return &s }
	}
}

var sink []byte

// Each world below breaks the contract in one way. want lists the checks that
// fail, one of which must say detail.
func TestBrokenWorldsFail(t *testing.T) {
	var instances int // made so far, by the world that counts them
	var owner *broken // the instance that was Reset last, of worlds that share it
	for _, x := range []struct {
		name   string
		want   string // checks, separated by blanks
		detail string
		breaks func(b *broken)
	}{
		{"nil spec", "*", "the spec is nil", func(b *broken) { b.spec = func() *env.Spec { return nil } }},
		{"id", "spec", `id "walk" is not of the form`, badSpec(func(s *env.Spec) { s.ID = "walk" })},
		{"digest", "spec", "64 lower-case hex digits", badSpec(func(s *env.Spec) { s.Digest = s.Digest[1:] })},
		{"gamma", "spec", "gamma is 1", badSpec(func(s *env.Spec) { s.Gamma = 1 })},
		{"feature named twice", "spec", `two features named "position"`, badSpec(func(s *env.Spec) { s.Features[1].Name = "position" })},
		{"feature without unit", "spec", "feature 1 (time_left) has no unit", badSpec(func(s *env.Spec) { s.Features[1].Unit = "" })},
		{"feature without scale", "spec", "scale 0", badSpec(func(s *env.Spec) { s.Features[1].Scale = 0 })},
		{"action named twice", "spec", `two actions named "left"`, badSpec(func(s *env.Spec) { s.Actions = []string{"hold", "left", "left"} })},
		{"action without name", "spec", "action 2 has no name", badSpec(func(s *env.Spec) { s.Actions = []string{"hold", "left", ""} })},
		{"guard of unknown feature", "spec guards", `reads feature "height"`, badSpec(func(s *env.Spec) { s.Guards[0].Feature = "height" })},
		{"guard of unknown action", "spec guards", `guards action "up"`, badSpec(func(s *env.Spec) { s.Guards[0].Actions = []string{"up"} })},
		{"guard of no action", "spec", `guards no action`, badSpec(func(s *env.Spec) { s.Guards[0].Actions = nil })},
		{"empty guard", "spec guards", "allows values from 3 to 2", badSpec(func(s *env.Spec) { s.Guards[0].Min, s.Guards[0].Max = 3, 2 })},
		{"no features", "*spec", "0 features and 3 actions", badSpec(func(s *env.Spec) { s.Features = nil })},
		{"metric without unit", "spec", `metric "moving" has no unit`, badSpec(func(s *env.Spec) { s.Metrics[1].Unit = "" })},
		{"unknown objective", "spec", `objective "profit"`, badSpec(func(s *env.Spec) { s.Objective = "profit" })},
		{"new spec at each call", "spec", "another pointer", func(b *broken) {
			b.spec = func() *env.Spec { s := walkSpec; return &s }
		}},
		{"spec that changes", "spec", "the spec changed while stepping", func(b *broken) {
			b.after(func(*env.Outcome, []float32, []bool) { b.s.Gamma = 0.8 })
		}},
		{"spec of the instance", "spec neighbours", "another spec", func(b *broken) {
			instances++
			b.s.Gamma = 1 / float64(1+instances)
		}},

		{"draws from a global source", "same-seed buffers interleaving neighbours restore damaged-state exploring", "two instances differ", func(b *broken) {
			b.after(func(o *env.Outcome, _ []float32, _ []bool) { instances++; o.Reward += float32(instances) })
		}},
		{"Reset that leaves something behind", "same-seed restore exploring", "an instance used before differs", func(b *broken) {
			steps := 0
			b.after(func(o *env.Outcome, obs []float32, _ []bool) { steps++; obs[1] = float32(steps / 100) })
		}},
		{"draws times from a global source", "same-seed buffers interleaving neighbours restore damaged-state exploring", "the elapsed time is", func(b *broken) {
			b.after(func(o *env.Outcome, _ []float32, _ []bool) { instances++; o.Elapsed = float32(instances) })
		}},
		{"draws ends from a global source", "*same-seed", "(terminated, truncated) is", func(b *broken) {
			b.after(func(o *env.Outcome, _ []float32, _ []bool) {
				if instances++; instances%37 == 0 && b.steps > 0 {
					o.Terminated, b.running = true, false
				}
			})
		}},
		{"ignores its seed", "other-seed", "8 seeds give the same history", func(b *broken) {
			b.reset = func(_ seed.Seed, obs []float32, mask []bool) { b.walk.Reset(7, obs, mask) }
		}},
		{"leaves a feature unwritten", "buffers", "what the buffers held before shows: episode 0, reset: feature 1 (time_left)", func(b *broken) {
			b.reset = func(s seed.Seed, obs []float32, mask []bool) {
				kept := obs[1]
				b.walk.Reset(s, obs, mask)
				obs[1] = kept
			}
		}},
		{"leaves a mask unwritten", "*buffers", "what the buffers held before shows", func(b *broken) {
			b.step = func(a int, obs []float32, mask []bool) env.Outcome {
				kept := mask[1]
				o := b.walk.Step(a, obs, mask)
				mask[1] = kept && mask[1]
				return o
			}
		}},
		{"infinite feature", "finite exploring", "feature 1 (time_left) is +Inf", func(b *broken) {
			b.after(func(_ *env.Outcome, obs []float32, _ []bool) {
				if b.steps == 3 {
					obs[1] = float32(math.Inf(1))
				}
			})
		}},
		{"NaN reward", "finite credit", "the reward is NaN", func(b *broken) {
			b.after(func(o *env.Outcome, _ []float32, _ []bool) { o.Reward = float32(math.NaN()) })
		}},
		{"time runs backwards", "finite", "the elapsed time is -1", func(b *broken) {
			b.after(func(o *env.Outcome, _ []float32, _ []bool) { o.Elapsed = -1 })
		}},
		{"nothing legal at the end", "mask exploring", "the mask leaves no legal action", func(b *broken) {
			b.after(func(_ *env.Outcome, _ []float32, mask []bool) {
				if !b.running {
					clear(mask)
				}
			})
		}},
		{"nothing legal amid an episode", "*mask", "the mask leaves no legal action", func(b *broken) {
			b.after(func(_ *env.Outcome, _ []float32, mask []bool) {
				if b.steps == 3 {
					clear(mask)
				}
			})
		}},
		{"mask against its guard", "guards", `guard "stay_right" lets left be legal only where`, badSpec(func(s *env.Spec) { s.Guards[0].Min = -1 })},
		{"never ends", "end misuse exploring", "episode 0 has not ended after 1000 steps", func(b *broken) {
			b.after(func(o *env.Outcome, _ []float32, _ []bool) {
				o.Terminated, o.Truncated = false, false
				b.running = true
				b.at = max(b.at, -2)
				b.steps %= walkLimit
			})
		}},
		{"allocates in Step", "allocations", "allocations in", func(b *broken) {
			b.after(func(*env.Outcome, []float32, []bool) { sink = make([]byte, 16) })
		}},
		{"instances share a variable", "interleaving neighbours exploring", "another instance stepped in turn", func(b *broken) {
			b.reset = func(s seed.Seed, obs []float32, mask []bool) {
				owner = b
				b.walk.Reset(s, obs, mask)
			}
			b.step = func(a int, obs []float32, mask []bool) env.Outcome {
				o := b.walk.Step(a, obs, mask)
				if owner != b && owner != nil && owner.running {
					o.Reward++
				}
				return o
			}
		}},

		{"forgets a field", "restore", "does not continue alike", func(b *broken) {
			bonus := float32(0)
			b.after(func(o *env.Outcome, _ []float32, _ []bool) {
				bonus++
				if b.steps == 0 {
					bonus = 0
				}
				o.Reward += bonus
			})
		}},
		{"forgets a field that nothing shows", "restore", "saved again by a new instance: byte 33 of 34", func(b *broken) {
			hidden := uint8(0)
			b.after(func(*env.Outcome, []float32, []bool) { hidden++ })
			b.append = func(p []byte) []byte { return append(b.walk.AppendState(p), hidden) }
			b.restore = func(p []byte) error {
				if len(p) == 0 {
					return errors.New("empty")
				}
				hidden = 0
				return b.walk.RestoreState(p[:len(p)-1])
			}
		}},
		{"forgets what moves a hidden field", "restore", "steps later in another state", func(b *broken) {
			hidden, unsaved := uint8(0), 0
			b.after(func(*env.Outcome, []float32, []bool) {
				unsaved++
				hidden = uint8(unsaved / 7)
			})
			b.append = func(p []byte) []byte { return append(b.walk.AppendState(p), hidden) }
			b.restore = func(p []byte) error {
				if len(p) == 0 {
					return errors.New("empty")
				}
				hidden = p[len(p)-1]
				return b.walk.RestoreState(p[:len(p)-1])
			}
		}},
		{"saving changes what follows", "restore exploring", "saving changes what follows", func(b *broken) {
			saved := float32(0)
			b.append = func(p []byte) []byte { saved++; return b.walk.AppendState(p) }
			b.after(func(o *env.Outcome, _ []float32, _ []bool) { o.Reward += saved })
		}},
		{"saves into one buffer of its own", "restore", "the world writes to bytes it has saved", func(b *broken) {
			var buffer []byte
			b.append = func(p []byte) []byte {
				buffer = b.walk.AppendState(append(buffer[:0], p...))
				return buffer
			}
		}},
		{"forgets a metric", "restore", "measures", func(b *broken) {
			b.append = func(p []byte) []byte {
				w := *b.walk
				w.cost = [2]float64{}
				return w.AppendState(p)
			}
		}},
		{"drops what it should append to", "restore", "does not append", func(b *broken) {
			b.append = func([]byte) []byte { return b.walk.AppendState(nil) }
		}},
		{"saving moves the world", "restore metrics credit", "saving twice differs", func(b *broken) {
			b.append = func(p []byte) []byte { b.steps++; return b.walk.AppendState(p) }
		}},
		{"restores the bytes it was given", "restore", "saved again by a new instance", func(b *broken) {
			var kept []byte
			b.restore = func(p []byte) error { kept = p; return b.walk.RestoreState(p) }
			b.append = func(p []byte) []byte {
				if kept != nil {
					return append(p, kept...)
				}
				return b.walk.AppendState(p)
			}
			b.after(func(*env.Outcome, []float32, []bool) { kept = nil })
		}},
		{"refuses what it wrote", "restore misuse credit exploring", "refuses it: no", func(b *broken) {
			b.restore = func([]byte) error { return errors.New("no") }
		}},
		{"accepts a short state", "damaged-state", "RestoreState accepts a state cut to", func(b *broken) {
			b.restore = func(p []byte) error {
				b.walk.RestoreState(p)
				return nil
			}
		}},
		{"accepts a long state", "damaged-state", "RestoreState accepts a state one byte too long", func(b *broken) {
			b.restore = func(p []byte) error { return b.walk.RestoreState(p[:min(len(p), len(b.walk.AppendState(nil)))]) }
		}},
		{"panics on garbage", "damaged-state", "RestoreState panics on a state", func(b *broken) {
			b.restore = func(p []byte) error {
				err := b.walk.RestoreState(p)
				if b.at > 100 {
					panic("invariant broken")
				}
				return err
			}
		}},
		{"Reset does not heal", "damaged-state", "Reset after a damaged state differs", func(b *broken) {
			bad := false
			b.restore = func(p []byte) error {
				err := b.walk.RestoreState(p)
				bad = bad || err != nil
				return err
			}
			b.after(func(o *env.Outcome, _ []float32, _ []bool) {
				if bad {
					o.Reward++
				}
			})
		}},

		{"Step before Reset is ignored", "misuse", "Step before Reset does not panic", func(b *broken) {
			b.step = func(a int, obs []float32, mask []bool) env.Outcome {
				if b.seed == 0 {
					return env.Outcome{}
				}
				return b.walk.Step(a, obs, mask)
			}
		}},
		{"Step after the end is ignored", "misuse", "Step after an episode's end does not panic", func(b *broken) {
			b.step = func(a int, obs []float32, mask []bool) env.Outcome {
				if b.steps > 0 && !b.running {
					return env.Outcome{Terminated: true}
				}
				return b.walk.Step(a, obs, mask)
			}
		}},
		{"forgets that it had ended", "misuse", "Step in a restored world whose episode had ended", func(b *broken) {
			b.restore = func(p []byte) error {
				err := b.walk.RestoreState(p)
				b.running = true
				return err
			}
		}},
		{"clips an action out of range", "misuse", "action 3 does not panic", func(b *broken) {
			b.step = func(a int, obs []float32, mask []bool) env.Outcome { return b.walk.Step(min(a, 2), obs, mask) }
		}},
		{"clips a negative action", "misuse", "action -1 does not panic", func(b *broken) {
			b.step = func(a int, obs []float32, mask []bool) env.Outcome { return b.walk.Step(max(a, 0), obs, mask) }
		}},
		{"allows a masked action", "misuse", "masked action 1 (left) does not panic", func(b *broken) {
			b.step = func(a int, obs []float32, mask []bool) env.Outcome {
				if a == 1 && b.at < -2 {
					a = 0
				}
				return b.walk.Step(a, obs, mask)
			}
		}},
		{"accepts a long observation", "misuse", "Reset with an observation of length 3 for 2 features", func(b *broken) {
			b.reset = func(s seed.Seed, obs []float32, mask []bool) { b.walk.Reset(s, obs[:2], mask) }
		}},
		{"accepts a long mask", "misuse", "Step with a mask of length 4 for 3 actions", func(b *broken) {
			b.step = func(a int, obs []float32, mask []bool) env.Outcome { return b.walk.Step(a, obs, mask[:3]) }
		}},

		{"Measure drops what it should append to", "metrics", "does not append", func(b *broken) {
			b.measure = func([]env.Ratio) []env.Ratio { return b.walk.Measure(nil) }
		}},
		{"Measure reports too little", "metrics", "2 ratios for 3 metrics", func(b *broken) {
			b.measure = func(dst []env.Ratio) []env.Ratio { return b.walk.Measure(dst)[:len(dst)+2] }
		}},
		{"infinite metric", "metrics", "metric drifting is +Inf over 1", func(b *broken) {
			b.measure = func(dst []env.Ratio) []env.Ratio {
				dst = b.walk.Measure(dst)
				dst[len(dst)-1] = env.Ratio{Num: math.Inf(1), Den: 1}
				dst[len(dst)-2].Den = 1
				dst[len(dst)-3].Den = 1
				return dst
			}
		}},
		{"parts that do not add up", "metrics", "the parts of cost add up to", func(b *broken) {
			b.measure = func(dst []env.Ratio) []env.Ratio {
				dst = b.walk.Measure(dst)
				dst[len(dst)-1].Num++
				return dst
			}
		}},
		{"parts per something else", "metrics", "but its part drifting per", func(b *broken) {
			b.measure = func(dst []env.Ratio) []env.Ratio {
				dst = b.walk.Measure(dst)
				dst[len(dst)-1].Den++
				return dst
			}
		}},
		{"Measure counts its calls", "metrics", "Measure reports [{1 1}", func(b *broken) {
			calls := 0.0
			b.measure = func(dst []env.Ratio) []env.Ratio {
				calls++
				dst = b.walk.Measure(dst)
				dst[len(dst)-1].Num += calls
				dst[len(dst)-3].Num += calls
				return dst
			}
		}},
		{"Measure changes the state", "restore metrics", "Measure changes the state", func(b *broken) {
			b.measure = func(dst []env.Ratio) []env.Ratio {
				dst = b.walk.Measure(dst)
				b.seed++
				return dst
			}
		}},
		{"Measure steers the next step", "metrics", "measured at every step ends in another state", func(b *broken) {
			measured := false
			b.measure = func(dst []env.Ratio) []env.Ratio { measured = true; return b.walk.Measure(dst) }
			b.after(func(*env.Outcome, []float32, []bool) {
				if measured {
					b.cost[0]++
				}
				measured = false
			})
		}},
		{"negative subjects", "spec", "-1 subjects", badSpec(func(s *env.Spec) { s.Subjects = -1 })},
		{"subject out of range", "credit", "the subject is 2, want 0 to 1", func(b *broken) {
			b.subject = func() int { return 2 * b.walk.Subject() }
		}},
		{"parts that are not the reward", "credit", "the reward is", func(b *broken) {
			b.credit = func(dst []float32) { b.walk.Credit(dst); dst[1] *= 1.01 }
		}},
		{"a part that is not a number", "credit", "the reward is", func(b *broken) {
			b.credit = func(dst []float32) { dst[0], dst[1] = float32(math.Inf(1)), float32(math.Inf(-1)) }
		}},
		{"Credit adds to what was there", "buffers credit exploring", "the credit of subject 1 is", func(b *broken) {
			b.credit = func(dst []float32) { dst[0] = b.walk.credit[0]; dst[1] += b.walk.credit[1] }
		}},
		{"Credit counts its calls", "restore credit", "Credit writes", func(b *broken) {
			calls, step := 0, int32(-1)
			b.credit = func(dst []float32) {
				if step != b.steps {
					step, calls = b.steps, 0
				}
				calls++
				b.walk.Credit(dst)
				dst[0] += float32(calls) - 1
			}
		}},
		{"Credit changes the state", "credit", "Subject or Credit changes the state", func(b *broken) {
			b.credit = func(dst []float32) { b.walk.Credit(dst); b.cost[1]++ }
		}},
		{"Credit accepts a long buffer", "credit", "Credit to 3 places for 2 subjects", func(b *broken) {
			b.credit = func(dst []float32) { b.walk.Credit(dst[:2]) }
		}},
		{"a subject that is not saved", "restore credit", "in a restored world", func(b *broken) {
			k := 0
			b.after(func(*env.Outcome, []float32, []bool) {
				if k++; b.steps == 0 {
					k = 0
				}
			})
			b.subject = func() int { return k / 2 % 2 }
		}},
		{"explores by a global source", "exploring", "differs", func(b *broken) {
			b.explore = func(s seed.Seed, obs []float32, mask []bool) {
				instances++
				b.walk.ResetExploring(s.Child("again", uint64(instances)), obs, mask)
			}
		}},
		{"exploring leaves a feature unwritten", "exploring", "feature 1 (time_left)", func(b *broken) {
			b.explore = func(s seed.Seed, obs []float32, mask []bool) {
				kept := obs[1]
				b.walk.ResetExploring(s, obs, mask)
				obs[1] = kept
			}
		}},
		{"exploring is Reset", "exploring", "32 exploring starts are all what Reset makes", func(b *broken) {
			b.explore = b.walk.Reset
		}},
		{"explores what it refuses", "exploring", "a new instance refuses its state: too far", func(b *broken) {
			b.restore = func(p []byte) error {
				err := b.walk.RestoreState(p)
				if err == nil && b.at == 4 && b.steps == 0 {
					err = errors.New("too far")
				}
				return err
			}
		}},
		{"explores a long observation", "exploring", "ResetExploring with an observation of length 3", func(b *broken) {
			b.explore = func(s seed.Seed, obs []float32, mask []bool) { b.walk.ResetExploring(s, obs[:2], mask) }
		}},
		{"exploring never ends", "exploring", "has not ended after 1000 steps", func(b *broken) {
			const endless = -1e6 // a cost that marks the episode, also where it is saved
			b.explore = func(s seed.Seed, obs []float32, mask []bool) {
				b.walk.ResetExploring(s, obs, mask)
				b.cost[0] = endless
			}
			b.step = func(a int, obs []float32, mask []bool) env.Outcome {
				o := b.walk.Step(a, obs, mask)
				if b.cost[0] < endless/2 {
					b.at, b.steps, b.running = 4, min(b.steps, 30), true
					o.Terminated, o.Truncated = false, false
					b.observe(obs, mask)
				}
				return o
			}
		}},
		{"Step panics", "*", "the world panicked: out of order", func(b *broken) {
			b.step = func(int, []float32, []bool) env.Outcome { panic("out of order") }
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			instances, owner = 0, nil
			var failed []string
			said := false
			for _, f := range Check(func() env.Env {
				b := newBroken()
				x.breaks(b)
				return b
			}, Options{EpisodeSteps: 1000}) {
				if !f.OK {
					failed = append(failed, f.Check)
					said = said || strings.Contains(f.Detail, x.detail)
					t.Logf("%s: %s", f.Check, f.Detail)
				}
			}
			if !said {
				t.Errorf("no finding says %q", x.detail)
			}
			if want, any := strings.CutPrefix(x.want, "*"); any {
				if !slices.Contains(failed, want) && (want != "" || len(failed) == 0) {
					t.Errorf("failed %v, want %s among them", failed, want)
				}
				return
			}
			if diff := cmp.Diff(strings.Fields(x.want), failed); diff != "" {
				t.Errorf("failed checks (-want +got):\n%s", diff)
			}
		})
	}
}

// unmeasured hides the Measure of a walk.
type unmeasured struct{ env.Env }

func TestMetricsWithoutMeasure(t *testing.T) {
	findings := Check(func() env.Env { return unmeasured{newWalk()} }, Options{})
	if got, want := findings[0], (Finding{"spec", false, "3 metrics, but the world has no Measure"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// The seed matters unless Deterministic says that it does not; either claim can
// be found wrong.
func TestDeterministic(t *testing.T) {
	blind := func() env.Env {
		b := newBroken()
		b.reset = func(_ seed.Seed, obs []float32, mask []bool) { b.walk.Reset(7, obs, mask) }
		return b
	}
	seeing := func() env.Env { return newWalk() }
	for _, x := range []struct {
		name          string
		newEnv        func() env.Env
		deterministic bool
		want          []string
	}{
		{"seed ignored, as said", blind, true, nil},
		{"seed ignored", blind, false, []string{"other-seed"}},
		{"seed used, contrary to what is said", seeing, true, []string{"other-seed"}},
		{"seed used", seeing, false, nil},
	} {
		var failed []string
		for _, f := range Check(x.newEnv, Options{Deterministic: x.deterministic}) {
			if !f.OK {
				failed = append(failed, f.Check)
			}
		}
		if diff := cmp.Diff(x.want, failed); diff != "" {
			t.Errorf("%s: failed checks (-want +got):\n%s", x.name, diff)
		}
	}
}

// recorder is a T.
type recorder struct{ errors []string }

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func TestRunReportsFailures(t *testing.T) {
	var r recorder
	Run(&r, func() env.Env {
		b := newBroken()
		b.after(func(o *env.Outcome, _ []float32, _ []bool) { o.Elapsed = -1 })
		return b
	})
	want := []string{"finite: episode 0, step 1: the elapsed time is -1, want 0 or more"}
	if diff := cmp.Diff(want, r.errors); diff != "" {
		t.Errorf("reported (-want +got):\n%s", diff)
	}
	r.errors = nil
	Run(&r, func() env.Env { return newWalk() })
	if len(r.errors) > 0 {
		t.Errorf("a good world: %v", r.errors)
	}
}
