package exact

import (
	"mend/agents"
	"mend/env"
	"mend/env/mdp"
)

// PolicyOf asks p in every state of w, guards and all, what it does there. p must
// depend on nothing but the observation and the mask.
func PolicyOf(w *mdp.World, p agents.Policy) mdp.Policy {
	m := w.Model()
	t := env.NewTimeStep(m.States, w.Spec())
	copy(t.Obs, m.Obs)
	for s := range m.States {
		for a, mask := 0, t.MaskRow(s); a < len(mask); a++ {
			mask[a] = w.Legal(s, a)
		}
	}
	actions := make([]int, m.States)
	p.Act(t, actions)
	policy := make(mdp.Policy, m.States)
	for s, a := range actions {
		policy[s] = int32(a)
	}
	return policy
}
