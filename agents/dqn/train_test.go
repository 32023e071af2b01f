package dqn

import (
	"testing"

	"mend/agents"
	"mend/agents/signal"
	"mend/env"
	"mend/env/classic"
	"mend/env/seed"
	"mend/env/state"
	"mend/env/toy"
)

var worlds = map[string]func() env.Env{
	"bandit":     func() env.Env { return toy.NewBandit() },
	"chain":      func() env.Env { return toy.NewChain() },
	"masked":     func() env.Env { return toy.NewMasked() },
	"semimarkov": func() env.Env { return toy.NewSemiMarkov() },
	"pair":       func() env.Env { return toy.NewPair(0) },
	"cartpole":   func() env.Env { return classic.NewCartPole() },
}

// player is the loop around an agent: act, step, observe, update.
type player struct {
	agent     *Agent
	vector    *env.Vector
	cur, next *env.TimeStep
	actions   []int
	steps     uint64
	metrics   []agents.Metric // of the latest update
}

func newPlayer(t testing.TB, cfg Config, s signal.Setup, world func() env.Env) *player {
	t.Helper()
	p := &player{vector: vector(t, s.Seed, s.Envs, world), actions: make([]int, s.Envs)}
	s.Spec, s.Seed = p.vector.Spec(), s.Seed.Child("agent", 0)
	if s.Signal.Credit == "" {
		s.Signal = signal.DefaultConfig()
	}
	var err error
	if p.agent, err = New(cfg, s); err != nil {
		t.Fatal(err)
	}
	p.cur, p.next = env.NewTimeStep(s.Envs, s.Spec), env.NewTimeStep(s.Envs, s.Spec)
	p.vector.Reset(p.cur)
	return p
}

func vector(t testing.TB, root seed.Seed, envs int, world func() env.Env) *env.Vector {
	t.Helper()
	worlds := make([]env.Env, envs)
	for i := range worlds {
		worlds[i] = world()
	}
	v, err := env.NewVector(root, worlds...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// observe takes one step of all environments without an update. Afterwards
// p.next is the step before.
func (p *player) observe() {
	p.agent.Act(p.cur, p.actions)
	p.vector.Step(p.actions, p.next)
	p.agent.Observe(p.cur, p.actions, p.next)
	p.cur, p.next = p.next, p.cur
	p.steps += uint64(len(p.actions))
}

// step takes one step of all environments and reports whether it ended in a
// training phase.
func (p *player) step(t testing.TB) bool {
	t.Helper()
	p.observe()
	m, err := p.agent.Update()
	if err != nil {
		t.Fatal(err)
	}
	if m != nil {
		p.metrics = m
	}
	return m != nil
}

func (p *player) train(t testing.TB, steps uint64) {
	t.Helper()
	for p.steps < steps {
		p.step(t)
	}
}

// everything is all that a run depends on: agent, worlds and the latest step.
func (p *player) everything() []byte {
	return p.cur.AppendState(p.vector.AppendState(state.Append(nil, p.agent.Fields)))
}

// episodeReturns plays the first episode of each of n environments.
func episodeReturns(t testing.TB, policy agents.Policy, n int, root seed.Seed, world func() env.Env) (mean float64) {
	t.Helper()
	v := vector(t, root, n, world)
	step := env.NewTimeStep(n, v.Spec())
	v.Reset(step)
	ended, actions := make([]bool, n), make([]int, n)
	for left := n; left > 0; {
		policy.Act(step, actions)
		v.Step(actions, step)
		for i := range n {
			if ended[i] {
				continue
			}
			mean += float64(step.Reward[i]) / float64(n)
			if step.Ended(i) {
				ended[i] = true
				left--
			}
		}
	}
	return mean
}
