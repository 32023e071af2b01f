// Package agents says what acts and what learns.
//
// A [Policy] chooses actions from observations and masks; an [Agent] is a
// Policy that learns. Hand-written policies are in agents/baseline, learners
// in agents/ppo and agents/dqn, what these share of the learning signal in
// agents/signal, the forward pass that every trained policy acts by in
// agents/mlp.
package agents

import (
	"mend/agents/mlp"
	"mend/env"
	"mend/env/state"
)

// Policy chooses one action for each environment of a TimeStep.
type Policy interface {
	// Act reads t.Obs and t.Mask and fills actions, of length t.N, with legal
	// actions. It keeps neither.
	Act(t *env.TimeStep, actions []int)
}

// Agent is a Policy that learns; its Act explores.
type Agent interface {
	Policy
	// Observe records one step: in prev the actions were taken, next followed.
	// It copies what it keeps.
	Observe(prev *env.TimeStep, actions []int, next *env.TimeStep)
	// Update learns once enough was observed and says what it measured; until
	// then it does nothing and returns nil.
	Update() ([]Metric, error)
	// Greedy is the policy learned so far, without exploration. It follows
	// later updates.
	Greedy() Policy
	// Actor is the network behind Greedy, which takes the legal action of the
	// highest output: with averaged weights where the agent averages, and with
	// its normaliser in front. It follows later updates.
	Actor() *mlp.Net
	// Fields carries everything that learning depends on, in either direction:
	// an agent of the same configuration that it restores continues bit for
	// bit. After an error the agent is not fit for use.
	Fields(c *state.Codec)
}

// Metric is one figure that an update reports.
type Metric struct {
	Name  string
	Value float64
}
