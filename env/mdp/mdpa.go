package mdp

import (
	"fmt"
	"math"
	"slices"

	"mend/env"
)

// hoursPerYear is that of the Gregorian calendar's mean year, 365.25 days.
const hoursPerYear = 8766

// AConfig are the parameters of [MDPA]. Rates are per hour, costs in dollars.
// The rates of a storm, the load and the prices are assumptions, not measured
// ones: what the world is for is its known optimum.
type AConfig struct {
	Loss, StormLoss           float64 // permanent loss of a readable replica
	Transient, StormTransient float64 // a readable replica goes down
	Return, DownLoss          float64 // a replica that is down returns; is lost
	LoadUp, LoadDown          float64 // of the foreground load
	StormStart, StormEnd      float64
	RebuildSlow, RebuildFast  float64 // one replica of 1 TB, at 50 and 200 MB/s

	Storage       float64    // $/h a replica
	Copy          float64    // $ a finished rebuild
	Interference  [2]float64 // $/h a rebuild at low load: slow, fast
	LoadedRebuild [2]float64 // $/h a rebuild at high load: slow, fast
	Unavailable   [2]float64 // $/h while nothing is readable: at low load, at high load
	OneAtHighLoad float64    // $/h while one replica serves high load
	TwoAtHighLoad float64    // $/h while two do
	LossPrice     float64    // $ for the partition
}

// PresetsA are the named parameters of [MDPA].
var PresetsA = []string{"A1", "mild"}

// PresetA returns the parameters of that name: A1, or mild, whose storms are
// half as strong and whose losses are twice as dear.
func PresetA(name string) (AConfig, error) {
	storm, price := 200.0, 50_000.0
	switch name {
	case "A1":
	case "mild":
		storm, price = 100, 100_000
	default:
		return AConfig{}, env.UnknownError{What: "preset of MDPA-v0", Name: name, Known: PresetsA}
	}
	return AConfig{
		Loss: 1.0 / hoursPerYear, StormLoss: storm / hoursPerYear,
		Transient: 1.0 / 720, StormTransient: storm / 720,
		Return: 4, DownLoss: 0.1,
		LoadUp: 1.0 / 14, LoadDown: 1.0 / 10,
		StormStart: 1.0 / 720, StormEnd: 0.25,
		RebuildSlow: 0.18, RebuildFast: 0.72,
		Storage: 0.0274, Copy: 2,
		Interference: [2]float64{0.05, 0.2}, LoadedRebuild: [2]float64{0.5, 6},
		Unavailable: [2]float64{600, 3000}, OneAtHighLoad: 2, TwoAtHighLoad: 0.1,
		LossPrice: price,
	}, nil
}

// aState is a state of MDPA: u readable replicas, d down but intact, r rebuilds
// in flight, high load, storm.
type aState struct{ u, d, r, w, h int }

func (s aState) String() string {
	return fmt.Sprintf("%d readable, %d down, %d rebuilding, load %s, %s",
		s.u, s.d, s.r, [2]string{"low", "high"}[s.w], [2]string{"calm", "storm"}[s.h])
}

// aAction is a decision of MDPA: how many rebuilds are to be in flight, at which
// speed, and whether a readable replica is dropped.
type aAction struct{ r, fast, drop int }

const aMost = 5 // replicas, those down and in flight included

var aActions = []aAction{
	{0, 0, 0}, {1, 0, 0}, {1, 1, 0}, {2, 0, 0}, {2, 1, 0},
	{0, 0, 1}, {1, 0, 1}, {1, 1, 1}, {2, 0, 1}, {2, 1, 1},
}

// legal says what can be done: a rebuild needs something to read from, a drop
// leaves a readable replica, and five is the most there can be.
func (a aAction) legal(s aState) bool {
	switch {
	case s.u == 0 && a.r > 0, a.drop == 1 && s.u < 2:
		return false
	}
	return s.u-a.drop+s.d+a.r <= aMost
}

func (a aAction) String() string {
	name := "rebuild_none"
	if a.r > 0 {
		name = fmt.Sprintf("rebuild_%d_%s", a.r, [2]string{"slow", "fast"}[a.fast])
	}
	if a.drop == 1 {
		name += "_drop"
	}
	return name
}

// MDPA is one partition of up to five replicas under a load that comes and goes
// and storms in which everything fails two hundred times as often: how many
// rebuilds to run, how fast, and when to drop a replica too many. 172 states, 872
// pairs, steps of five minutes.
//
// In a step, the action is applied and the costs of what it leads to are charged
// at the current load. Then, independently and with probabilities p(x) =
// 1−exp(−x/12) of a rate x: each readable replica is lost with p(loss), else
// down with, in all, p(transient); each one that is down is lost with p, given
// that it is not it returns; each rebuild completes; load and storm change. No
// replica makes two moves. Where none is left, that costs a partition, which
// starts anew with three.
func MDPA(c AConfig) *Model {
	var states []aState
	index := map[aState]int{}
	for u := range aMost + 1 {
		for d := range aMost + 1 - u {
			for r := range min(2, aMost-u-d) + 1 {
				for w := range 2 {
					for h := range 2 {
						if s := (aState{u, d, r, w, h}); u+d > 0 {
							index[s] = len(states)
							states = append(states, s)
						}
					}
				}
			}
		}
	}
	o := aObserver()
	m := &Model{
		ID: "MDPA-v0", Definition: fmt.Sprintf("MDPA-v0 model 1 %+v", c), StepHours: 1.0 / 12, Features: o.features,
		Start: index[aState{u: 3}],
		Label: func(s int) string { return states[s].String() },
	}
	var drops []string
	for _, a := range aActions {
		m.Actions = append(m.Actions, a.String())
		if a.drop == 1 {
			drops = append(drops, a.String())
		}
	}
	// Its optimum is the model's: nothing is given away.
	m.Guards = []env.Guard{{Name: "keep_three_readable", Feature: "readable", Actions: drops, Min: 4, Max: float32(math.Inf(1))}}

	b := newBuilder(m, len(states))
	rows := &aRows{config: &c, index: index, number: map[aAfter]int{}}
	for i, s := range states {
		m.Obs = o.append(m.Obs, s)
		for k, a := range aActions {
			if a.legal(s) {
				after := aAfter{aState{s.u - a.drop, s.d, a.r, s.w, s.h}, a.fast}
				b.pair(i, k, rows.row(after), c.rate(after)*m.StepHours, after.u == 0)
			}
		}
	}
	m.Rows = &rows.Sparse
	for n := 1; n <= aMost; n++ {
		for _, delayed := range []bool{false, true} {
			for fast := range 2 {
				a := aStatic{n, delayed, fast}
				b.policy(a.name(), a.summary(), func(s int) int { return slices.Index(aActions, a.action(states[s])) })
			}
		}
	}
	return m
}

// aObserver lists what a policy sees of MDPA: all of it.
func aObserver() *observer[aState] {
	var o observer[aState]
	u, d, r := func(s aState) int { return s.u }, func(s aState) int { return s.d }, func(s aState) int { return s.r }
	o.count("readable", "replicas", aMost, u)
	o.count("down", "replicas", aMost, d)
	o.count("rebuilding", "replicas", 2, r)
	o.flag("load_high", func(s aState) bool { return s.w == 1 })
	o.flag("storm", func(s aState) bool { return s.h == 1 })
	// What a count is worth depends on load and storm: with these a layer of a
	// network need not find out that it does.
	only := func(when func(aState) bool, n func(aState) int) func(aState) int {
		return func(s aState) int {
			if when(s) {
				return n(s)
			}
			return 0
		}
	}
	storm, loaded := func(s aState) bool { return s.h == 1 }, func(s aState) bool { return s.w == 1 }
	o.flag("storm_at_high_load", func(s aState) bool { return storm(s) && loaded(s) })
	o.atLeast("readable_in_storm", 1, aMost, only(storm, u))
	o.atLeast("readable_at_high_load", 1, aMost, only(loaded, u))
	o.atLeast("rebuilding_in_storm", 1, 2, only(storm, r))
	o.atLeast("rebuilding_at_high_load", 1, 2, only(loaded, r))
	o.atLeast("readable", 1, aMost, u)
	o.atLeast("down", 1, aMost, d)
	o.atLeast("rebuilding", 1, 2, r)
	o.atLeast("intact", 2, aMost, func(s aState) int { return s.u + s.d })
	return &o
}

// aAfter is what a row depends on: the state after the action, and the speed of
// the rebuilds.
type aAfter struct {
	aState
	fast int
}

// rate is what is charged in $/h, certain after the action.
func (c *AConfig) rate(s aAfter) float64 {
	x := c.Storage * float64(s.u+s.d+s.r)
	interference := c.Interference
	if s.w == 1 {
		interference = c.LoadedRebuild
	}
	x += interference[s.fast] * float64(s.r)
	switch {
	case s.u == 0:
		x += c.Unavailable[s.w]
	case s.w == 1 && s.u == 1:
		x += c.OneAtHighLoad
	case s.w == 1 && s.u == 2:
		x += c.TwoAtHighLoad
	}
	return x
}

// aRows makes each row of MDPA once.
type aRows struct {
	Sparse
	config *AConfig
	index  map[aState]int
	number map[aAfter]int
}

func (x *aRows) row(s aAfter) int {
	if s.r == 0 {
		s.fast = 0
	}
	if n, ok := x.number[s]; ok {
		return n
	}
	n := x.Begin()
	x.number[s] = n
	c := x.config
	p := func(rate float64) float64 { return -math.Expm1(-rate / 12) }
	pick := func(on int, off, value float64) float64 {
		if on == 1 {
			return value
		}
		return off
	}
	lost := p(pick(s.h, c.Loss, c.StormLoss))
	down := p(pick(s.h, c.Transient, c.StormTransient))
	gone, back := p(c.DownLoss), p(c.Return)
	done := p(pick(s.fast, c.RebuildSlow, c.RebuildFast))
	flips := func(on int, up, down float64) [2]float64 { // stays, changes
		q := p(pick(on, up, down))
		return [2]float64{1 - q, q}
	}
	storm, load := flips(s.h, c.StormStart, c.StormEnd), flips(s.w, c.LoadUp, c.LoadDown)
	for fh, ph := range storm {
		for fw, pw := range load {
			to := aState{w: s.w ^ fw, h: s.h ^ fh}
			for lu := range s.u + 1 {
				for du := range s.u - lu + 1 {
					pu := trinomial(s.u, lu, du, lost, down)
					for ld := range s.d + 1 {
						for rd := range s.d - ld + 1 {
							pd := trinomial(s.d, ld, rd, gone, (1-gone)*back)
							for k := range s.r + 1 {
								pr := trinomial(s.r, k, 0, done, 0)
								to.u = s.u - lu - du + rd + k
								to.d = s.d - ld - rd + du
								to.r = s.r - k
								q := ph * pw * pu * pd * pr
								cost := c.Copy * float64(k)
								if to.u+to.d == 0 {
									x.Branch(x.index[aState{u: 3, w: to.w, h: to.h}], q, cost+c.LossPrice, 1)
									continue
								}
								x.Branch(x.index[to], q, cost, 0)
							}
						}
					}
				}
			}
		}
	}
	x.End()
	return n
}

// trinomial is the probability that of n units i do what each does with
// probability p, and j what each does with probability q.
func trinomial(n, i, j int, p, q float64) float64 {
	ways := 1.0
	for k := range i {
		ways = ways * float64(n-k) / float64(k+1)
	}
	for k := range j {
		ways = ways * float64(n-i-k) / float64(k+1)
	}
	return ways * math.Pow(p, float64(i)) * math.Pow(q, float64(j)) * math.Pow(1-p-q, float64(n-i-j))
}

// aStatic is a rule of fixed replication factor n: eager rebuilds what is not
// readable, delayed what is not intact.
type aStatic struct {
	n       int
	delayed bool
	fast    int
}

func (a aStatic) name() string {
	return fmt.Sprintf("rf%d-%s-%s", a.n, a.when(), [2]string{"slow", "fast"}[a.fast])
}

func (a aStatic) when() string {
	if a.delayed {
		return "delayed"
	}
	return "eager"
}

func (a aStatic) summary() string {
	counted := "readable replicas"
	if a.delayed {
		counted = "replicas, those down included"
	}
	return fmt.Sprintf("rebuild %s until there are %d %s, drop those beyond", [2]string{"slowly", "fast"}[a.fast], a.n, counted)
}

func (a aStatic) action(s aState) aAction {
	present := s.u
	if a.delayed {
		present += s.d
	}
	x := aAction{r: min(2, max(0, a.n-present)), fast: a.fast}
	if s.u > a.n && s.u >= 2 {
		x.drop = 1
	}
	for x.r > 0 && !x.legal(s) {
		x.r--
	}
	if x.r == 0 {
		x.fast = 0
	}
	return x
}
