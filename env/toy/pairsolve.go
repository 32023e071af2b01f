package toy

import "math"

// pairStates are all states in which [Pair] asks.
var pairStates = func() (states []PairState) {
	for i := range 2 * pairWears * pairConditions * pairDue {
		x := PairState{
			Subject: i % 2,
			Wear:    i / 2 % pairWears,
			Other:   i / (2 * pairWears) % pairConditions,
			Due:     i / (2 * pairWears * pairConditions),
		}
		if x.valid() {
			states = append(states, x)
		}
	}
	return states
}()

// PairStates returns all states in which [Pair] asks.
func PairStates() []PairState { return append([]PairState(nil), pairStates...) }

// PairOptimum is the greatest expected discounted return of [Pair] from Reset,
// never truncated, and a policy that attains it from every state.
func PairOptimum(coupling float64) (value float64, policy func(PairState) int) {
	m := newPairModel(coupling)
	action := make(map[PairState]int, len(pairStates))
	v := m.solve(pairBoth, func(x PairState, q [2]float64) int {
		a := PairRun
		if q[PairService] > q[PairRun] {
			a = PairService
		}
		action[x] = a
		return a
	})
	return v[m.index[PairState{}]], func(x PairState) int { return action[x] }
}

// PairValue is the expected discounted return of policy in [Pair] from Reset,
// never truncated.
func PairValue(coupling float64, policy func(PairState) int) float64 {
	m := newPairModel(coupling)
	v := m.solve(pairBoth, func(x PairState, _ [2]float64) int { return policy(x) })
	return v[m.index[PairState{}]]
}

// PairRegret is how much [PairValue] of policy falls short of [PairOptimum]. To
// three digits:
//
//	coupling                               0      0.5    1
//	optimum                                27.944 25.979 24.482
//	regret of each machine's best by its    0      0.123  0.527
//	  own credit, given the other's
//	regret of the optimum at coupling 0     0      0.476  2.522
//	regret of service where failed only     4.541  4.970  5.550
//	regret of never any service            26.068 28.429 28.224
func PairRegret(coupling float64, policy func(PairState) int) float64 {
	best, _ := PairOptimum(coupling)
	return best - PairValue(coupling, policy)
}

// pairModel is the semi-Markov decision process of [Pair], written out. The
// step from state i by action a earns reward[k] for machine k in expectation,
// discounted within the step, and leads to states to with weights of chance
// times γ^Elapsed.
type pairModel struct {
	coupling float64
	index    map[PairState]int
	steps    [][2]pairStep
}

type pairStep struct {
	reward [2]float64
	to     []pairBranch
}

type pairBranch struct {
	state  int
	weight float64
}

func newPairModel(coupling float64) *pairModel {
	m := &pairModel{coupling: coupling, index: map[PairState]int{}, steps: make([][2]pairStep, len(pairStates))}
	for i, x := range pairStates {
		m.index[x] = i
	}
	for i, x := range pairStates {
		for a := range 2 {
			var condition, due [2]uint8
			k := x.Subject
			condition[k], condition[1-k], due[1-k] = uint8(x.Wear), uint8(x.Other), uint8(x.Due)
			pairAct(&condition, &due, k, a)
			m.follow(&m.steps[i][a], condition, due, 1)
		}
	}
	return m
}

// follow adds to s what comes of the given conditions until the next question,
// reached with this weight.
func (m *pairModel) follow(s *pairStep, condition, due [2]uint8, weight float64) {
	if due[0] == 0 || due[1] == 0 {
		s.to = append(s.to, pairBranch{m.index[pairState(condition, due, pairAsked(due))], weight})
		return
	}
	var wears [2]float64
	for k, x := range condition {
		s.reward[k] += weight * pairIncome[x] // the noise has mean 0
		if x < PairFailed {
			wears[k] = pairChance(m.coupling, condition, k)
		}
	}
	for branch := range uint8(4) {
		next, chance := condition, 1.0
		for k := range next {
			worn := branch >> k & 1
			next[k] += worn
			if worn == 1 {
				chance *= wears[k]
			} else {
				chance *= 1 - wears[k]
			}
		}
		if chance > 0 {
			due := due
			pairTick(&next, &due)
			m.follow(s, next, due, weight*chance*PairGamma)
		}
	}
}

// pairBoth weighs both machines' parts alike: the whole reward.
var pairBoth = [2]float64{1, 1}

// solve iterates the values of all states under choose, which is told the value
// of either action, until they stand still; reward counts part[k] of what
// machine k earns. Two steps in a row take a tick at least, so errors shrink by
// γ every two rounds.
func (m *pairModel) solve(part [2]float64, choose func(x PairState, q [2]float64) int) []float64 {
	v := make([]float64, len(pairStates))
	for {
		change := 0.0
		for i, x := range pairStates {
			var q [2]float64
			for a := range q {
				s := &m.steps[i][a]
				q[a] = part[0]*s.reward[0] + part[1]*s.reward[1]
				for _, b := range s.to {
					q[a] += b.weight * v[b.state]
				}
			}
			next := q[choose(x, q)]
			change = max(change, math.Abs(next-v[i]))
			v[i] = next
		}
		if change < 1e-13 {
			return v
		}
	}
}
