package exact

import (
	"mend/agents"
	"mend/env"
	"mend/env/mdp"
)

// rowsAtOnce is how many states a policy is asked about at once: a network that
// acts by a table has a unit for nearly each of them.
const rowsAtOnce = 256

// PolicyOf asks p in every state of w, guards and all, what it does there. p must
// depend on nothing but the observation and the mask.
func PolicyOf(w *mdp.World, p agents.Policy) mdp.Policy {
	m := w.Model()
	policy := make(mdp.Policy, 0, m.States)
	dim := len(m.Features)
	for from := 0; from < m.States; from += rowsAtOnce {
		n := min(rowsAtOnce, m.States-from)
		t := env.NewTimeStep(n, w.Spec())
		copy(t.Obs, m.Obs[from*dim:(from+n)*dim])
		for s := range n {
			for a, mask := 0, t.MaskRow(s); a < len(mask); a++ {
				mask[a] = w.Legal(from+s, a)
			}
		}
		actions := make([]int, n)
		p.Act(t, actions)
		for _, a := range actions {
			policy = append(policy, int32(a))
		}
	}
	return policy
}
