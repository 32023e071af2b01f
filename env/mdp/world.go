package mdp

import (
	"fmt"
	"math"
	"slices"

	"mend/env"
	"mend/env/guard"
	"mend/env/seed"
	"mend/env/state"
)

// World simulates a [Model] as an env.Env. It is not safe for concurrent use;
// worlds may share a model.
//
// It never terminates: the clock cuts an episode at Config.Horizon, or after
// Config.ExploringDecisions where it began with an exploring start, in any state
// with equal chance. The observation is the whole state and does not show the
// time. Nothing is allocated after New.
type World struct {
	model *Model
	spec  *env.Spec
	config
	mask []bool // [States*Actions]

	// What the reward of a step is made of; see Shape.
	events  bool      // what happens is charged as it happens
	charge  []float64 // [pairs], $ a step, expected
	phi     []float64 // [States], potential; nil without
	twin    twin      // rule is nil without
	samples int       // draws of what happens, of which the reward is the mean
	stay    []float64 // [pairs], probability that nothing happens in a step
	logs    []float64 // [pairs], its logarithm, below 0
	pow     []float64 // [hold+1], γ^n
	sums    []float64 // [hold+1], Σ_{k<n} γ^k
	mean    []float64 // [pairs], expected cost in $ a step, of the model
	again   Draws     // of what is only tried; here, or every step would allocate some

	// State.
	draws   Draws // of the seed of the episode; a field, or every step would allocate one
	at      int32 // state of the model
	clock   int64 // steps since Reset
	left    int32 // decisions until the clock cuts an exploring episode, 0 in others
	running bool
	cost    float64 // $ since Reset, as charged
	smooth  float64 // $ since Reset, expected in each step
	lost    int64   // shards lost since Reset
	down    int64   // steps in which data could not be read
	asked   int64   // decisions
}

// config is Config in steps.
type config struct {
	sampled   bool
	hold      int
	horizon   int64
	exploring int32
	gamma     float64 // per step; 1 where the agent discounts
}

// Metrics of a World.
const (
	CostPerHour     = "cost_usd_per_hour"
	ExpectedPerHour = "expected_usd_per_hour"
	LossesPerYear   = "lost_shards_per_year"
	Availability    = "availability"
	DecisionsPerDay = "decisions_per_day"
)

// New returns a world of m that awaits Reset. It trusts that m.Check passes.
func New(m *Model, c Config) (*World, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("mdp: %w", err)
	}
	steps := func(hours float64) float64 { return hours / m.StepHours }
	w := &World{model: m, config: config{
		sampled: c.Cost == Sampled, hold: int(max(1, math.Round(steps(c.Hold.Hours())))),
		horizon: int64(max(1, math.Round(steps(c.Horizon.Hours())))), exploring: int32(c.ExploringDecisions), gamma: 1,
	}}
	if most := 1 << 20; w.hold > most {
		return nil, fmt.Errorf("mdp: hold is %v, %d steps of %s, want at most %d", c.Hold, w.hold, m.ID, most)
	}
	w.spec = &env.Spec{
		ID:       m.ID,
		Digest:   hashed(fmt.Sprintf("world 1 %s\n%s\n%s", m.Definition, m.Digest(), c.definition())),
		Features: m.Features, Actions: m.Actions, Masked: true,
		Metrics: []env.Metric{
			{Name: CostPerHour, Unit: "USD/h"},
			{Name: ExpectedPerHour, Unit: "USD/h"},
			{Name: LossesPerYear, Unit: "shards/a"},
			{Name: Availability, Unit: "%", HigherIsBetter: true},
			{Name: DecisionsPerDay, Unit: "1/d"},
		},
		Objective: CostPerHour,
	}
	if c.Tau > 0 {
		w.gamma = math.Exp(-m.StepHours / c.Tau.Hours())
		w.spec.Gamma = w.gamma
		if w.gamma == 0 {
			return nil, fmt.Errorf("mdp: tau is %v, too short for the %v h of a step of %s: the discount is 0", c.Tau, m.StepHours, m.ID)
		}
	}
	if c.Guard {
		w.spec.Guards = m.Guards
	}
	if err := w.fillMask(); err != nil {
		return nil, err
	}
	w.fillTables()
	return w, nil
}

func (w *World) fillMask() error {
	m := w.model
	w.mask = make([]bool, len(m.PairOf))
	for i, p := range m.PairOf {
		w.mask[i] = p >= 0
	}
	rules, err := guard.Compile(w.spec)
	if err != nil {
		return fmt.Errorf("mdp: %s: %w", m.ID, err)
	}
	k := len(m.Actions)
	for s := range m.States {
		row := w.mask[s*k : (s+1)*k]
		rules.Apply(m.ObsRow(s), row)
		if !slices.Contains(row, true) {
			return fmt.Errorf("mdp: %s: the guards leave no legal action in state %d (%s)", m.ID, s, m.label(s))
		}
	}
	return nil
}

func (w *World) fillTables() {
	m := w.model
	n := m.Pairs()
	w.mean, w.stay, w.logs = make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range n {
		w.mean[i] = m.Expected(i)
		w.stay[i] = m.Rows.Stay(int(m.Row[i]), int(m.StateOf[i]))
		w.logs[i] = min(math.Log(w.stay[i]), -1e-300) // a pair that surely stays is held as long as it may be
	}
	w.events, w.charge = w.sampled, w.mean
	w.pow, w.sums = make([]float64, w.hold+1), make([]float64, w.hold+1)
	w.pow[0] = 1
	for k := range w.hold {
		w.pow[k+1] = w.pow[k] * w.gamma
		w.sums[k+1] = w.sums[k] + w.pow[k]
	}
}

// Sibling returns another world like this, shaped alike, that awaits Reset. It
// shares the tables.
func (w *World) Sibling() *World {
	c := *w
	c.running = false
	return &c
}

// Model is what the world simulates.
func (w *World) Model() *Model { return w.model }

// State is the state of the model that the current decision is about.
func (w *World) State() int { return int(w.at) }

// Gamma is the discount per step, 1 where the agent discounts.
func (w *World) Gamma() float64 { return w.gamma }

// Legal reports whether the mask, guards included, allows an action in a state.
func (w *World) Legal(state, action int) bool { return w.mask[state*len(w.model.Actions)+action] }

// Spec returns what a learner may know in advance.
func (w *World) Spec() *env.Spec { return w.spec }

// Reset starts in the model's start state.
func (w *World) Reset(s seed.Seed, obs []float32, mask []bool) {
	w.start(s, w.model.Start, 0, obs, mask)
}

// ResetExploring starts in any state, each with equal chance.
func (w *World) ResetExploring(s seed.Seed, obs []float32, mask []bool) {
	w.start(s, seed.Below(s.At(slotStart, 0), w.model.States), w.exploring, obs, mask)
}

func (w *World) start(s seed.Seed, at int, left int32, obs []float32, mask []bool) {
	w.draws, w.at, w.clock, w.left, w.running = Draws{Seed: s}, int32(at), 0, left, true
	w.cost, w.smooth, w.lost, w.down, w.asked = 0, 0, 0, 0, 0
	w.observe(obs, mask)
}

// Step applies the action until something happens, at most for the hold.
func (w *World) Step(action int, obs []float32, mask []bool) env.Outcome {
	m := w.model
	if !w.running {
		panic("mdp: " + m.ID + ": Step before Reset or after the episode's end")
	}
	k := len(m.Actions)
	if action < 0 || action >= k || !w.mask[int(w.at)*k+action] {
		panic(fmt.Sprintf("mdp: %s: action %d is not legal in state %d (%s)", m.ID, action, w.at, m.label(int(w.at))))
	}
	from := int(w.at)
	pair := int(m.PairOf[from*k+action])
	limit := int(min(int64(w.hold), w.horizon-w.clock))
	drawn := w.draws.N
	h := w.happens(pair, limit, &w.draws)
	r := w.reward(pair, w.draws.Seed, &h)
	for k := 1; k < w.samples; k++ {
		w.again = Draws{seed.Seed(w.draws.Seed.At(slotAgain, uint64(k))), drawn}
		x := w.happens(pair, limit, &w.again)
		r += w.reward(pair, w.again.Seed, &x)
	}
	r /= float64(max(1, w.samples))
	w.at = int32(h.next)

	n := float64(h.steps)
	w.cost += n*m.Cost[pair] + h.cost
	w.smooth += n * w.mean[pair]
	w.lost += int64(h.lost)
	if m.Down[pair] {
		w.down += int64(h.steps)
	}
	w.asked++
	w.clock += int64(h.steps)
	o := env.Outcome{Reward: float32(r), Elapsed: float32(h.steps)}
	if w.left > 0 {
		w.left--
		o.Truncated = w.left == 0
	}
	o.Truncated = o.Truncated || w.clock >= w.horizon
	w.running = !o.Truncated
	w.observe(obs, mask)
	return o
}

// held is what came of an action that was held.
type held struct {
	steps, next int
	cost        float64 // of what happened, in the last step
	lost        int
}

// happens draws what comes of an action that is held for at most limit steps. A
// world with a twin walks, as both must meet the same chance in each step.
func (w *World) happens(pair, limit int, d *Draws) held {
	if w.twin.rule != nil {
		return w.walk(pair, limit, d)
	}
	return w.jump(pair, limit, d)
}

// reward is that of a hold: less what it is charged, discounted to its start, and
// shaped. s is the seed of what happened in it.
func (w *World) reward(pair int, s seed.Seed, h *held) float64 {
	r := -w.charge[pair] * w.sums[h.steps]
	if w.events {
		r = -w.model.Cost[pair]*w.sums[h.steps] - w.pow[h.steps-1]*h.cost
	}
	from := int(w.model.StateOf[pair])
	switch {
	case w.phi != nil:
		r += w.pow[h.steps]*w.phi[h.next] - w.phi[from]
	case w.twin.rule != nil:
		r += w.baseline(from, s, h)
	}
	return r
}

// jump draws how long nothing happens, and what happens then.
//
//	P(N > n) = stay^n
func (w *World) jump(pair, limit int, d *Draws) held {
	m := w.model
	row := int(m.Row[pair])
	h := held{steps: 1}
	if q := w.stay[pair]; q > 0 {
		if x := math.Log(d.Uniform()) / w.logs[pair]; x < float64(limit) {
			h.steps = 1 + int(x)
			h.next, h.cost, h.lost = m.Rows.Leave(row, int(m.StateOf[pair]), d)
		} else {
			h.steps, h.next = limit, int(m.StateOf[pair])
		}
	} else {
		h.next, h.cost, h.lost = m.Rows.Move(row, d.Uniform())
	}
	return h
}

func (w *World) observe(obs []float32, mask []bool) {
	m := w.model
	row := m.ObsRow(int(w.at))
	if len(obs) != len(row) || len(mask) != len(m.Actions) {
		panic(fmt.Sprintf("mdp: %s: observation of length %d and mask of %d, want %d and %d", m.ID, len(obs), len(mask), len(row), len(m.Actions)))
	}
	copy(obs, row)
	copy(mask, w.mask[int(w.at)*len(mask):])
}

// Measure appends one Ratio for each metric: costs as they were charged and as
// they were expected, losses, availability, decisions.
func (w *World) Measure(dst []env.Ratio) []env.Ratio {
	hours := float64(w.clock) * w.model.StepHours
	return append(dst,
		env.Ratio{Num: w.cost, Den: hours},
		env.Ratio{Num: w.smooth, Den: hours},
		env.Ratio{Num: float64(w.lost), Den: hours / hoursPerYear},
		env.Ratio{Num: 100 * float64(w.clock-w.down), Den: float64(w.clock)},
		env.Ratio{Num: float64(w.asked), Den: hours / 24},
	)
}

// AppendState appends the whole state to b.
func (w *World) AppendState(b []byte) []byte { return state.Append(b, w.fields) }

// RestoreState reads what AppendState wrote.
func (w *World) RestoreState(b []byte) error {
	err := state.Restore(b, w.fields)
	switch {
	case err != nil:
	case w.at < 0 || int(w.at) >= w.model.States:
		err = fmt.Errorf("state %d, want 0 to %d", w.at, w.model.States-1)
	case w.clock < 0 || w.clock > w.horizon || w.running && w.clock >= w.horizon || w.left < 0 || w.left > w.exploring:
		err = fmt.Errorf("step %d of %d, %d of %d exploring decisions left, running %v", w.clock, w.horizon, w.left, w.exploring, w.running)
	case w.lost < 0 || w.down < 0 || w.down > w.clock || w.asked < 0 || w.cost-w.cost != 0 || w.smooth-w.smooth != 0:
		err = fmt.Errorf("accounts of %v $ and %v $, %d losses, %d of %d steps down, %d decisions", w.cost, w.smooth, w.lost, w.down, w.clock, w.asked)
	}
	if err != nil {
		w.at, w.running = 0, false
		return fmt.Errorf("mdp: %s: %w", w.model.ID, err)
	}
	return nil
}

func (w *World) fields(c *state.Codec) {
	state.Value(c, &w.draws.Seed)
	state.Value(c, &w.draws.N)
	state.Value(c, &w.at)
	state.Value(c, &w.clock)
	state.Value(c, &w.left)
	state.Value(c, &w.running)
	state.Value(c, &w.cost)
	state.Value(c, &w.smooth)
	state.Value(c, &w.lost)
	state.Value(c, &w.down)
	state.Value(c, &w.asked)
}
