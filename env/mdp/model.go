package mdp

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"mend/env"
)

// Model is a finite Markov decision process in discrete time, as data. States
// are numbered from 0. A pair is a state with one of its legal actions; pairs
// are numbered by state, then action. Nothing in it is written to once it is
// made, so any number of worlds and solvers may share one.
type Model struct {
	ID string
	// Definition says in words and numbers all that the model depends on; its
	// hash is part of the digest of every world made of it.
	Definition string
	// StepHours is how long a step lasts, in hours.
	StepHours float64
	Features  []env.Feature
	Actions   []string
	// Guards are safety rules that a world may be asked to obey; see
	// Config.Guard. The model itself does not.
	Guards []env.Guard

	States int
	// Start is where ordinary episodes begin.
	Start int
	// Obs is what a policy sees in each state, [States*len(Features)]. No two
	// states look alike.
	Obs []float32
	// PairOf is the pair of a state and an action, [States*len(Actions)], −1
	// where the action is not legal.
	PairOf []int32

	StateOf  []int32   // [pairs]
	ActionOf []int32   // [pairs]
	Row      []int32   // [pairs], of Rows
	Cost     []float64 // [pairs], $ a step, certain once the action is chosen
	Down     []bool    // [pairs], whether some data cannot be read during the step
	Rows     Rows

	// Policies are static and hand-written policies to compare with.
	Policies []Named
	// Label describes a state for people.
	Label func(state int) string
}

// Policy is a stationary deterministic policy: the action of each state.
type Policy []int32

// Named is a policy with a name and a line that says what it does.
type Named struct {
	Name, Summary string
	Policy        Policy
}

// Rows are the transition rows that pairs share. A row is a distribution over
// what happens: the next state, and what that costs.
type Rows interface {
	// Len is the number of rows.
	Len() int
	// Expect writes Σ_s' P(s'|row)·v(s') of every row to out, [Len()]. v is
	// [States] of the model. It uses all processors; the result does not depend
	// on how many there are.
	Expect(v, out []float64)
	// Cost is the expected cost of what happens, in $.
	Cost(row int) float64
	// Each calls f for every branch of a row: next state, probability, cost in
	// $, shards lost.
	Each(row int, f func(next int, p, cost float64, lost int))
	// Stay is the probability that the row leads to the given state and nothing
	// is charged.
	Stay(row, state int) float64
	// Leave draws a branch, given that it is not the one of Stay.
	Leave(row, state int, d *Draws) (next int, cost float64, lost int)
	// Move draws a branch from one number in [0, 1), by inversion in an order
	// that is alike in all rows, so that the same number means about the same
	// event in rows that differ little.
	Move(row int, u float64) (next int, cost float64, lost int)
}

// Pairs is the number of pairs.
func (m *Model) Pairs() int { return len(m.Row) }

// Pair is the pair of a state and an action, −1 where that is not legal.
func (m *Model) Pair(state, action int) int { return int(m.PairOf[state*len(m.Actions)+action]) }

// ObsRow is what a policy sees in a state.
func (m *Model) ObsRow(state int) []float32 {
	n := len(m.Features)
	return m.Obs[state*n : (state+1)*n : (state+1)*n]
}

// Expected is the expected cost of a pair in $ a step, what happens included.
func (m *Model) Expected(pair int) float64 { return m.Cost[pair] + m.Rows.Cost(int(m.Row[pair])) }

// Flags are the features that are 0 or 1 in every state. Twins are two states in
// which all of them are alike, 0 and 0 where there are none such.
func (m *Model) Flags() (flags []int, twins [2]int) {
	for f := range m.Features {
		is := true
		for s := 0; s < m.States && is; s++ {
			x := m.ObsRow(s)[f]
			is = x == 0 || x == 1
		}
		if is {
			flags = append(flags, f)
		}
	}
	seen := make(map[string]int, m.States)
	key := make([]byte, len(flags))
	for s := range m.States {
		for i, f := range flags {
			key[i] = byte(m.ObsRow(s)[f])
		}
		if t, ok := seen[string(key)]; ok {
			return flags, [2]int{t, s}
		}
		seen[string(key)] = s
	}
	return flags, [2]int{}
}

// Named is the policy of that name, or an error that names those there are.
func (m *Model) Named(name string) (Named, error) {
	names := make([]string, len(m.Policies))
	for i, p := range m.Policies {
		if p.Name == name {
			return p, nil
		}
		names[i] = p.Name
	}
	return Named{}, env.UnknownError{What: "baseline of " + m.ID, Name: name, Known: names}
}

// Digest is the hex SHA-256 of the definition.
func (m *Model) Digest() string { return hashed(m.Definition) }

func hashed(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// pair names a state and an action for people.
func (m *Model) pair(state, action int) string {
	return fmt.Sprintf("state %d (%s), action %q", state, m.label(state), m.Actions[action])
}

func (m *Model) label(state int) string {
	if m.Label == nil {
		return "no name"
	}
	return m.Label(state)
}

// rowTolerance is how far from 1 the probabilities of a row may sum: what
// adding up a few thousand of them can lose, and no more.
const rowTolerance = 1e-10

// Check returns what makes the model unfit to be simulated or solved, at most
// ten complaints, each naming state and action: tables of the wrong size,
// states without a legal action or that look alike, costs that are not finite,
// rows that do not sum to 1, states that nothing leads to, and more than one
// class of states that, once entered, is never left under any policy. That each
// single policy has one recurrent class is seen only when it is evaluated.
func (m *Model) Check() error {
	if err := m.checkShape(); err != nil {
		return fmt.Errorf("mdp: %s: %w", m.ID, err)
	}
	var all []error
	add := func(format string, args ...any) bool {
		if len(all) < 10 {
			all = append(all, fmt.Errorf("mdp: "+m.ID+": "+format, args...))
		}
		return len(all) < 10
	}
	m.checkStates(add)
	m.checkRows(add)
	if len(all) == 0 {
		m.checkClasses(add)
	}
	return errors.Join(all...)
}

func (m *Model) checkShape() error {
	n, k, p := m.States, len(m.Actions), len(m.Row)
	switch {
	case m.Rows == nil:
		return errors.New("no transition rows")
	case !(m.StepHours > 0) || math.IsInf(m.StepHours, 0):
		return fmt.Errorf("a step lasts %v h, want a finite time above 0", m.StepHours)
	case n < 1 || k < 1:
		return fmt.Errorf("%d states and %d actions, want at least 1 of each", n, k)
	case m.Start < 0 || m.Start >= n:
		return fmt.Errorf("starts in state %d, want 0 to %d", m.Start, n-1)
	case len(m.Obs) != n*len(m.Features):
		return fmt.Errorf("%d observed values, want %d states x %d features", len(m.Obs), n, len(m.Features))
	case len(m.PairOf) != n*k:
		return fmt.Errorf("%d entries of PairOf, want %d states x %d actions", len(m.PairOf), n, k)
	case len(m.StateOf) != p || len(m.ActionOf) != p || len(m.Cost) != p || len(m.Down) != p:
		return fmt.Errorf("%d states, %d actions, %d costs and %d flags of %d pairs, want one each", len(m.StateOf), len(m.ActionOf), len(m.Cost), len(m.Down), p)
	}
	for i := range p {
		s, a := int(m.StateOf[i]), int(m.ActionOf[i])
		if s < 0 || s >= n || a < 0 || a >= k || m.Pair(s, a) != i {
			return fmt.Errorf("pair %d is of state %d and action %d, where PairOf has another", i, s, a)
		}
		if r := int(m.Row[i]); r < 0 || r >= m.Rows.Len() {
			return fmt.Errorf("%s: row %d, want 0 to %d", m.pair(s, a), r, m.Rows.Len()-1)
		}
	}
	for _, x := range m.Policies {
		if len(x.Policy) != n {
			return fmt.Errorf("policy %q has %d states, want %d", x.Name, len(x.Policy), n)
		}
	}
	return nil
}

func (m *Model) checkStates(add func(string, ...any) bool) {
	seen := make(map[string]int, m.States)
	k := len(m.Actions)
	for s := range m.States {
		legal := slices.ContainsFunc(m.PairOf[s*k:(s+1)*k], func(p int32) bool { return p >= 0 })
		if !legal && !add("state %d (%s) has no legal action, want at least one", s, m.label(s)) {
			return
		}
		for i, x := range m.ObsRow(s) {
			if x-x != 0 && !add("state %d (%s): feature %q is %v, want a finite number", s, m.label(s), m.Features[i].Name, x) {
				return
			}
		}
		key := obsKey(m.ObsRow(s))
		if t, ok := seen[key]; ok && !add("states %d (%s) and %d (%s) look alike", t, m.label(t), s, m.label(s)) {
			return
		}
		seen[key] = s
	}
	for i, c := range m.Cost {
		s, a := int(m.StateOf[i]), int(m.ActionOf[i])
		if (math.IsNaN(c) || math.IsInf(c, 0)) && !add("%s: cost %v, want a finite number", m.pair(s, a), c) {
			return
		}
	}
	for _, x := range m.Policies {
		for s, a := range x.Policy {
			if a < 0 || int(a) >= k || m.Pair(s, int(a)) < 0 {
				if !add("policy %q takes action %d in state %d (%s), which is not legal there", x.Name, a, s, m.label(s)) {
					return
				}
			}
		}
	}
}

// checkRows looks at every row once, and names the first pair that uses it.
func (m *Model) checkRows(add func(string, ...any) bool) {
	done := make([]bool, m.Rows.Len())
	for i, r := range m.Row {
		if done[r] {
			continue
		}
		done[r] = true
		at := m.pair(int(m.StateOf[i]), int(m.ActionOf[i]))
		sum, bad := 0.0, ""
		m.Rows.Each(int(r), func(next int, p, cost float64, _ int) {
			sum += p
			switch {
			case next < 0 || next >= m.States:
				bad = fmt.Sprintf("leads to state %d, want 0 to %d", next, m.States-1)
			case !(p >= 0 && p <= 1):
				bad = fmt.Sprintf("leads to state %d (%s) with probability %v, want 0 to 1", next, m.label(next), p)
			case math.IsNaN(cost) || math.IsInf(cost, 0):
				bad = fmt.Sprintf("charges %v on the way to state %d (%s), want a finite number", cost, next, m.label(next))
			}
		})
		if bad == "" && !(math.Abs(sum-1) <= rowTolerance) {
			bad = fmt.Sprintf("probabilities sum to %.17g, want 1", sum)
		}
		if bad != "" && !add("%s: %s", at, bad) {
			return
		}
	}
}

// checkClasses walks the graph of what any action may lead to.
func (m *Model) checkClasses(add func(string, ...any) bool) {
	for _, s := range m.unreached() {
		if !add("state %d (%s) cannot be reached from state %d (%s), want every state reachable", s, m.label(s), m.Start, m.label(m.Start)) {
			return
		}
	}
	// A row belongs to a class that is never left only together with a state of
	// it, which has the lesser number; rows that no pair uses are classes of their
	// own, and open.
	if closed := ClosedClasses(m.States+m.Rows.Len(), m.successors); len(closed) > 1 {
		var some []string
		for _, c := range closed[:min(3, len(closed))] {
			some = append(some, fmt.Sprintf("that of state %d (%s)", c, m.label(c)))
		}
		add("%d classes of states that no action leaves, %s: want one, or there is no single average cost (not unichain)", len(closed), strings.Join(some, ", "))
	}
}

// successors calls f for what any action may lead to: from a state its rows, which
// are numbered after the states, and from a row its states. So each row is looked
// at once, however many pairs share it.
func (m *Model) successors(node int, f func(next int)) {
	if node >= m.States {
		m.Rows.Each(node-m.States, func(next int, p, _ float64, _ int) {
			if p > 0 {
				f(next)
			}
		})
		return
	}
	k := len(m.Actions)
	for _, p := range m.PairOf[node*k : (node+1)*k] {
		if p >= 0 {
			f(m.States + int(m.Row[p]))
		}
	}
}

// unreached are the states that nothing leads to from the start.
func (m *Model) unreached() []int {
	reached := make([]bool, m.States+m.Rows.Len())
	reached[m.Start] = true
	todo := []int{m.Start}
	for len(todo) > 0 {
		node := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		m.successors(node, func(next int) {
			if !reached[next] {
				reached[next] = true
				todo = append(todo, next)
			}
		})
	}
	var list []int
	for s, ok := range reached[:m.States] {
		if !ok {
			list = append(list, s)
		}
	}
	return list
}

// obsKey is an observation as a key of a map.
func obsKey(obs []float32) string { return string(appendKey(nil, obs)) }

func appendKey(b []byte, obs []float32) []byte {
	for _, x := range obs {
		u := math.Float32bits(x)
		b = append(b, byte(u), byte(u>>8), byte(u>>16), byte(u>>24))
	}
	return b
}
