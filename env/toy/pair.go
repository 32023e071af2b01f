package toy

import (
	"fmt"

	"mend/env"
	"mend/env/seed"
	"mend/env/state"
)

// Dimensions of [Pair].
const (
	PairGamma = 0.95 // Spec.Gamma, per tick
	PairLimit = 100  // ticks until truncation
)

// Actions of [Pair].
const (
	PairRun = iota
	PairService
)

// Conditions of a machine of [Pair]: worn 0 (as new) to 2, failed, or in
// service, which is none that a machine can be asked about in.
const (
	PairFailed    = 3
	PairInService = 4

	pairWears      = 4 // conditions of a machine that is asked about
	pairConditions = 5
)

// Machines 0 and 1 of [Pair] differ in their rhythm and in how fast they wear.
var (
	pairPeriod  = [2]uint8{2, 3}        // ticks from a question to the next, running
	pairTakes   = [2]uint8{2, 3}        // ticks of a service
	pairWearing = [2]float64{0.12, 0.2} // chance of wear per tick
)

const (
	pairRepair = 2 // further ticks of the service of a failed machine
	pairLoad   = 4 // the wear that the other's load adds at coupling 1, in units of the own
	pairNoise  = 1 // a running machine's income varies by ± this, evenly
	pairDue    = 6 // ticks to the other's next question are 0 to 5
)

// pairIncome is what a machine earns per tick, by condition.
var pairIncome = [pairConditions]float64{1, 0.8, 0.4, PairFailed: -1, PairInService: -0.5}

// Pair is a world of two subjects: machines that wear, fail and are serviced,
// each asked about at its own times, whose costs are its own. Time goes by in
// ticks, the nominal interval.
//
// A machine that runs is asked about every 2 (machine 0) or 3 ticks (machine
// 1). PairRun lets it go on; PairService makes it as new in as many ticks, or 2
// more where it had failed, after which it is asked about again. Where both are
// due, machine 0 is asked about first and no time goes by in between. Within a
// tick that starts in conditions x_0 and x_1, machine k
//
//	earns  u(x_k) ± 1 while up, each with chance ½; u(x_k) while down
//	u      1, 0.8, 0.4 worn 0 to 2; −1 failed; −0.5 in service
//	wears  by one, while up, with chance p_k·(1 + 4·κ·[the other is down])
//	p      0.12 and 0.2
//
// where down is failed or in service, and κ, from 0 to 1, is the coupling: the
// machine that is up carries the load of one that is down. The reward of a step
// of E ticks is Σ_{t<E} γ^t·(income of both in tick t); [Pair.Credit] parts it
// by machine. Episodes start with both machines as new and due, or exploring in
// any state, and are truncated at the first question after 100 ticks or more.
// They do not show the time. The observation is the whole state else.
//
// What it asks of a learner: to discount by elapsed time, which may be 0; to
// learn from a reward that is mostly noise and the other machine's doing; and to
// know when parting the reward is right. At κ = 0 no machine affects the other:
// what is best by the machines' own credit is best. At κ > 0 being down costs
// the other machine, which the own credit does not show; [PairRegret] says how
// much is lost by that.
type Pair struct {
	spec     *env.Spec
	coupling float64

	seed      seed.Seed
	condition [2]uint8
	due       [2]uint8 // ticks until the machine is asked about; 0 for the current subject
	subject   uint8
	running   bool
	clock     int32      // ticks since Reset
	credit    [2]float32 // of the last Step; not saved
}

// PairState is what a decision in [Pair] may depend on.
type PairState struct {
	Subject int // the machine asked about, 0 or 1
	Wear    int // its condition, 0 to 3
	Other   int // condition of the other machine, 0 to 4
	Due     int // ticks until the other is asked about, 0 to 5
}

// NewPair returns a Pair that awaits Reset. It panics where coupling is not in
// [0, 1].
func NewPair(coupling float64) *Pair {
	if !(coupling >= 0 && coupling <= 1) {
		panic(fmt.Sprintf("toy: Pair-v0: coupling %v, want 0 to 1", coupling))
	}
	features := indicators("subject", 2)
	features = append(features, indicators("wear", pairWears)...)
	features = append(features, indicators("other", pairConditions)...)
	features = append(features, indicators("due", pairDue)...)
	return &Pair{coupling: coupling, spec: &env.Spec{
		ID: "Pair-v0",
		Digest: digest("Pair-v0", PairGamma, PairLimit, pairPeriod, pairTakes, pairWearing, pairRepair, pairLoad,
			pairNoise, pairIncome, coupling),
		Features: features,
		Actions:  []string{PairRun: "run", PairService: "service"},
		Gamma:    PairGamma,
		Subjects: 2,
	}}
}

// Spec returns what a learner may know in advance.
func (p *Pair) Spec() *env.Spec { return p.spec }

// Reset starts with both machines as new and due.
func (p *Pair) Reset(s seed.Seed, obs []float32, _ []bool) {
	p.start(s, PairState{}, obs)
}

// ResetExploring starts in any state, each with equal chance.
func (p *Pair) ResetExploring(s seed.Seed, obs []float32, _ []bool) {
	p.start(s, pairStates[seed.Below(s.At(pairStart, 0), len(pairStates))], obs)
}

func (p *Pair) start(s seed.Seed, x PairState, obs []float32) {
	*p = Pair{spec: p.spec, coupling: p.coupling, seed: s, running: true}
	k := x.Subject
	p.subject = uint8(k)
	p.condition[k], p.condition[1-k], p.due[1-k] = uint8(x.Wear), uint8(x.Other), uint8(x.Due)
	p.observe(obs)
}

// Slots of random draws; those of machine k are k further on, one draw a tick.
const (
	pairWear  = 0
	pairVary  = 2
	pairStart = 4
)

// Step lets the machine asked about run or serves it, and goes on to the next
// question.
func (p *Pair) Step(action int, obs []float32, _ []bool) env.Outcome {
	check(p.spec, p.running, action, obs)
	pairAct(&p.condition, &p.due, int(p.subject), action)
	var income [2]float64
	o := env.Outcome{}
	for discount := 1.0; p.due[0] > 0 && p.due[1] > 0; discount *= PairGamma {
		before := p.condition
		for k, x := range before {
			income[k] += discount * pairIncome[x]
			if x < PairFailed {
				if p.seed.At(pairVary+uint64(k), uint64(p.clock))>>63 == 0 {
					income[k] += discount * pairNoise
				} else {
					income[k] -= discount * pairNoise
				}
				if seed.Uniform(p.seed.At(pairWear+uint64(k), uint64(p.clock))) < pairChance(p.coupling, before, k) {
					p.condition[k]++
				}
			}
		}
		pairTick(&p.condition, &p.due)
		p.clock++
		o.Elapsed++
	}
	o.Reward = float32(income[0] + income[1])
	p.credit = [2]float32{float32(income[0]), float32(income[1])}
	p.subject = pairAsked(p.due)
	o.Truncated = p.clock >= PairLimit
	p.running = !o.Truncated
	p.observe(obs)
	return o
}

// pairAct gives machine k what its question decided.
func pairAct(condition, due *[2]uint8, k, action int) {
	if action == PairRun {
		due[k] = pairPeriod[k]
		return
	}
	due[k] = pairTakes[k]
	if condition[k] == PairFailed {
		due[k] += pairRepair
	}
	condition[k] = PairInService
}

// pairChance is the chance that machine k, which is up, wears in a tick.
func pairChance(coupling float64, condition [2]uint8, k int) float64 {
	chance := pairWearing[k]
	if condition[1-k] >= PairFailed {
		chance *= 1 + pairLoad*coupling
	}
	return chance
}

// pairTick lets the questions come one tick nearer and ends services.
func pairTick(condition, due *[2]uint8) {
	for k := range due {
		due[k]--
		if due[k] == 0 && condition[k] == PairInService {
			condition[k] = 0
		}
	}
}

// pairAsked is which machine the next question is about, of those due.
func pairAsked(due [2]uint8) uint8 {
	if due[0] == 0 {
		return 0
	}
	return 1
}

// Subject is the machine asked about.
func (p *Pair) Subject() int { return int(p.subject) }

// Credit writes what each machine earned in the last step.
func (p *Pair) Credit(dst []float32) {
	if len(dst) != 2 {
		panic(fmt.Sprintf("toy: Pair-v0: credit of length %d, want 2", len(dst)))
	}
	copy(dst, p.credit[:])
}

// State is what the current decision may depend on.
func (p *Pair) State() PairState { return pairState(p.condition, p.due, p.subject) }

func pairState(condition, due [2]uint8, subject uint8) PairState {
	k := subject
	return PairState{int(k), int(condition[k]), int(condition[1-k]), int(due[1-k])}
}

func (p *Pair) observe(obs []float32) { p.State().Observe(obs) }

// Observe writes the observation in which a learner meets x, of length 17.
func (x PairState) Observe(obs []float32) {
	if want := 2 + pairWears + pairConditions + pairDue; len(obs) != want {
		panic(fmt.Sprintf("toy: Pair-v0: observation of length %d, want %d", len(obs), want))
	}
	clear(obs)
	for _, f := range [4]struct{ hot, n int }{{x.Subject, 2}, {x.Wear, pairWears}, {x.Other, pairConditions}, {x.Due, pairDue}} {
		obs[f.hot] = 1
		obs = obs[f.n:]
	}
}

// valid reports whether x is a state that a decision can be due in: the other
// machine is asked about within the longest it can run or be in service, and
// not before machine 0 where both are due.
func (x PairState) valid() bool {
	if x.Subject < 0 || x.Subject > 1 || x.Wear < 0 || x.Wear >= pairWears || x.Other < 0 || x.Other >= pairConditions {
		return false
	}
	k := 1 - x.Subject
	least, most := k^1, int(pairPeriod[k])
	if x.Other == PairInService {
		least, most = 1, int(pairTakes[k])+pairRepair
	}
	return x.Due >= least && x.Due <= most
}

// AppendState appends the whole state to b.
func (p *Pair) AppendState(b []byte) []byte { return state.Append(b, p.fields) }

// RestoreState reads what AppendState wrote.
func (p *Pair) RestoreState(b []byte) error {
	err := state.Restore(b, p.fields)
	switch {
	case err != nil:
	case p.subject > 1 || p.due[p.subject] != 0 || !p.State().valid():
		err = fmt.Errorf("machine %d is asked about, conditions %v, due in %v ticks", p.subject, p.condition, p.due)
	case p.clock < 0 || p.clock >= PairLimit+pairDue || p.running && p.clock >= PairLimit:
		err = fmt.Errorf("%d ticks of %d, running %v", p.clock, PairLimit, p.running)
	}
	if err != nil {
		p.running = false
		return fmt.Errorf("toy: Pair-v0: %w", err)
	}
	return nil
}

func (p *Pair) fields(c *state.Codec) {
	state.Value(c, &p.seed)
	state.Fixed(c, p.condition[:])
	state.Fixed(c, p.due[:])
	state.Value(c, &p.subject)
	state.Value(c, &p.running)
	state.Value(c, &p.clock)
}
