package exact

import "mend/env/mdp"

// join mends a policy in force whose chain falls into parts, though the model does
// not: one part stays as it is, and from all other states there will be a way to
// it. It reports whether there was something to mend; the error says that there is
// no such way.
//
// Before are the pairs of the policy that was improved upon, nil where there was
// none. Its chain was one, so all parts of the new one but at most one have a
// choice that was improved, and an average cost that is less for it. One of these
// stays: with every step the average cost falls, and policy iteration ends
// (compare Puterman, "Markov Decision Processes", 1994, section 9.5, on models in
// which every state can be reached from every other).
func (s *solver) join(before []int32) (bool, error) {
	m := s.m
	closed := mdp.ClosedClasses(m.States, func(state int, f func(int)) { s.leadsTo(s.pairs[state], f) })
	if len(closed) < 2 {
		return false, nil
	}
	// Pairs that lead to a state, by state.
	into := make([][]int32, m.States)
	for p := range m.Row {
		if s.legal[p] {
			s.leadsTo(int32(p), func(next int) { into[next] = append(into[next], int32(p)) })
		}
	}
	in := make([]bool, m.States)
	var list []int // of those that are in
	enter := func(state int) {
		if !in[state] {
			in[state] = true
			list = append(list, state)
		}
	}
	part := func(state int) (improved bool) {
		clear(in)
		list = list[:0]
		enter(state)
		for i := 0; i < len(list); i++ {
			at := list[i]
			improved = improved || before == nil || s.pairs[at] != before[at]
			s.leadsTo(s.pairs[at], enter)
		}
		return improved
	}
	for _, c := range closed {
		if part(c) {
			break
		}
	}
	// Whatever leads there by the policy keeps its choice, what does not gets
	// another.
	for _, free := range []bool{false, true} {
		for i := 0; i < len(list); i++ {
			for _, p := range into[list[i]] {
				if from := int(m.StateOf[p]); !in[from] && (free || s.pairs[from] == p) {
					s.pairs[from] = p
					enter(from)
				}
			}
		}
	}
	if len(list) < m.States {
		return false, s.unichain()
	}
	s.setScale()
	return true, nil
}

// leadsTo calls f for what a pair may lead to.
func (s *solver) leadsTo(pair int32, f func(next int)) {
	s.m.Rows.Each(int(s.m.Row[pair]), func(next int, p, _ float64, _ int) {
		if p > 0 {
			f(next)
		}
	})
}
