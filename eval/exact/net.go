package exact

import (
	"fmt"
	"slices"

	"mend/agents/mlp"
	"mend/env/mdp"
)

// Net returns a network that acts by a policy exactly, so that a solved policy can
// go wherever a learned one can. Its one hidden layer has a unit for each state
// whose choice is not the usual one; with k_f the flag f of that state,
//
//	relu(1 − Σ_f |x_f − k_f|)
//
// is 1 there and 0 in all others, as flags are 0 or 1 and no two states have the
// same. Usual is the first legal action in the order of how many states take it:
// that order is in the biases of the output. All numbers are small integers or
// multiples of 2⁻¹⁰, exact in float32.
//
// Features that are not 0 or 1 in every state are not looked at. It is an error
// if the others do not tell the states apart.
func Net(w *mdp.World, p mdp.Policy) (*mlp.Net, error) {
	m := w.Model()
	if len(p) != m.States {
		return nil, fmt.Errorf("exact: a policy of %d states for the %d of %s", len(p), m.States, m.ID)
	}
	flags, twins := m.Flags()
	if s, t := twins[0], twins[1]; s != t {
		return nil, fmt.Errorf("exact: %s: no flag tells states %d (%s) and %d (%s) apart, and a network needs one", m.ID, s, label(m, s), t, label(m, t))
	}
	actions := len(m.Actions)
	if actions > 1024 {
		return nil, fmt.Errorf("exact: %s has %d actions, want at most 1024 in a network", m.ID, actions)
	}
	taken := make([]int, actions)
	for s, a := range p {
		if a < 0 || int(a) >= actions || !w.Legal(s, int(a)) {
			return nil, fmt.Errorf("exact: %s: the policy takes action %d in state %d (%s), which is not legal there", m.ID, a, s, label(m, s))
		}
		taken[a]++
	}
	order := make([]int, actions) // by how often they are taken
	for a := range order {
		order[a] = a
	}
	slices.SortStableFunc(order, func(a, b int) int { return taken[b] - taken[a] })

	var unusual []int
	for s, a := range p {
		if order[slices.IndexFunc(order, func(a int) bool { return w.Legal(s, a) })] != int(a) {
			unusual = append(unusual, s)
		}
	}
	width := max(1, len(unusual))
	n := mlp.New(mlp.ReLU, len(m.Features), width, actions)
	hidden, out := &n.Layers[0], &n.Layers[1]
	for u, s := range unusual {
		hidden.B[u] = 1
		obs := m.ObsRow(s)
		for _, f := range flags {
			hidden.W[f*width+u] = -1
			if obs[f] == 1 {
				hidden.W[f*width+u] = 1
				hidden.B[u]--
			}
		}
		out.W[u*actions+int(p[s])] = 2
	}
	for rank, a := range order {
		out.B[a] = float32(actions-rank) / 1024
	}
	return n, nil
}
