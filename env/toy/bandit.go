package toy

import (
	"fmt"

	"mend/env"
	"mend/env/seed"
	"mend/env/state"
)

// BanditContexts and BanditArms are the dimensions of [Bandit].
const (
	BanditContexts = 3
	BanditArms     = 4
)

// banditWins is the chance that an arm pays 1, by context. The best arm differs
// between contexts, and the best arm on average (3, with 0.6) is nowhere best.
var banditWins = [BanditContexts][BanditArms]float64{
	{0.9, 0.2, 0.1, 0.6},
	{0.1, 0.8, 0.3, 0.6},
	{0.2, 0.1, 0.7, 0.6},
}

// BanditOptimum is the expected return of an episode of [Bandit] under the best
// policy: the mean over contexts of the best arm's chance,
// (0.9 + 0.8 + 0.7)/3 = 0.8. A policy that ignores the context gets at most
// 0.6, uniform choice 5.2/12 ≈ 0.433.
const BanditOptimum = 0.8

var banditSpec = env.Spec{
	ID:       "Bandit-v0",
	Digest:   digest("Bandit-v0", banditWins, "uniform context, one pull, terminated; pays 1 or 0"),
	Features: indicators("context", BanditContexts),
	Actions:  []string{"arm_0", "arm_1", "arm_2", "arm_3"},
}

// Bandit is a contextual bandit: an episode shows one of three contexts, each
// equally likely, and ends with the pull of one of four arms, which pays 1 or 0.
type Bandit struct {
	seed    seed.Seed
	context uint8
	running bool
}

// NewBandit returns a Bandit that awaits Reset.
func NewBandit() *Bandit { return &Bandit{} }

// BanditBest is the arm of the highest expected reward in a context.
func BanditBest(context int) int { return context }

// Spec returns what a learner may know in advance.
func (b *Bandit) Spec() *env.Spec { return &banditSpec }

// Reset draws the context.
func (b *Bandit) Reset(s seed.Seed, obs []float32, _ []bool) {
	checkLength(&banditSpec, obs)
	*b = Bandit{seed: s, context: uint8(seed.Below(s.At(0, 0), BanditContexts)), running: true}
	oneHot(obs, int(b.context))
}

// Step pulls an arm and ends the episode.
func (b *Bandit) Step(action int, obs []float32, _ []bool) env.Outcome {
	check(&banditSpec, b.running, action, obs)
	b.running = false
	oneHot(obs, int(b.context))
	o := env.Outcome{Elapsed: 1, Terminated: true}
	if seed.Uniform(b.seed.At(1, 0)) < banditWins[b.context][action] {
		o.Reward = 1
	}
	return o
}

// AppendState appends the whole state to p.
func (b *Bandit) AppendState(p []byte) []byte { return state.Append(p, b.fields) }

// RestoreState reads what AppendState wrote.
func (b *Bandit) RestoreState(p []byte) error {
	err := state.Restore(p, b.fields)
	if err == nil && b.context >= BanditContexts {
		err = fmt.Errorf("context %d, want 0 to %d", b.context, BanditContexts-1)
	}
	if err != nil {
		b.running = false
		return fmt.Errorf("toy: Bandit-v0: %w", err)
	}
	return nil
}

func (b *Bandit) fields(c *state.Codec) {
	state.Value(c, &b.seed)
	state.Value(c, &b.context)
	state.Value(c, &b.running)
}
