package dqn

import (
	"math"
	"testing"

	"mend/agents/learn"
	"mend/agents/signal"
	"mend/env"
	"mend/env/seed"
	"mend/env/toy"
)

// quick solves toy worlds within a second, by one-step targets, which random
// actions do not bias.
func quick() Config {
	c := DefaultConfig()
	c.Hidden = []int{32}
	c.LearningRate, c.LearningRateSchedule = 3e-3, signal.Linear
	c.BufferSize, c.LearningStarts, c.TrainFreq, c.GradientSteps, c.BatchSize = 20_000, 500, 16, 4, 64
	c.TargetUpdateInterval, c.NStep = 100, 1
	c.ExplorationFraction, c.ExplorationFinalEps = 0.5, 0.3
	return c
}

// learners are the algorithms that must solve every toy world.
var learners = map[string]func(c *Config, s *signal.Config){
	"dqn":     func(c *Config, s *signal.Config) { c.Double = false },
	"double":  func(c *Config, s *signal.Config) {},
	"dueling": func(c *Config, s *signal.Config) { c.Dueling, c.Prioritized = true, true },
	"rainbow": func(c *Config, s *signal.Config) { c.Dueling, c.Prioritized, c.NStep = true, true, 3 },
	"qr":      func(c *Config, s *signal.Config) { c.Quantiles = 11 },
	"symexp": func(c *Config, s *signal.Config) {
		c.Tau = 0.02
		s.ValueHead, s.Average = "symexp", signal.AverageEMA
	},
}

// values are the expected values of all actions by the online network.
func (p *player) values(obs []float32) []float64 {
	var s learn.QScratch
	k := p.agent.cfg.Quantiles
	out := p.agent.online.Forward(1, obs, &s)
	v := make([]float64, len(out)/k)
	for i, q := range out {
		v[i/k] += float64(q) / float64(k)
	}
	return v
}

// best is the greedy action.
func (p *player) best(obs []float32, mask []bool) int {
	step, actions := env.NewTimeStep(1, p.vector.Spec()), make([]int, 1)
	copy(step.Obs, obs)
	copy(step.Mask, mask)
	p.agent.Greedy().Act(step, actions)
	return actions[0]
}

func hot(n, i int) []float32 {
	x := make([]float32, n)
	x[i] = 1
	return x
}

func highest(x []float64) float64 {
	best := math.Inf(-1)
	for _, v := range x {
		best = max(best, v)
	}
	return best
}

// Each toy world asks for one thing; see package toy. Every variant finds the
// best policy, and its values where a world's optimum has a closed form. Over a
// horizon of several steps the values are those of exploring on the way, which
// here, with random actions in all of the buffer, are a third lower: then only
// the policy counts.
func TestLearnsToyWorlds(t *testing.T) {
	root := seed.Seed(11)
	for name, change := range learners {
		t.Run(name, func(t *testing.T) {
			start := func(t *testing.T, world string, steps uint64) *player {
				t.Helper()
				c, s := quick(), setup(8, steps, root)
				change(&c, &s.Signal)
				p := newPlayer(t, c, s, worlds[world])
				p.train(t, steps)
				return p
			}
			tolerance := 0.5
			if name == "rainbow" {
				tolerance = math.Inf(1)
			}
			t.Run("bandit", func(t *testing.T) {
				p := start(t, "bandit", 12000)
				for context := range toy.BanditContexts {
					obs := hot(toy.BanditContexts, context)
					if a := p.best(obs, nil); a != toy.BanditBest(context) {
						t.Errorf("action %d in context %d, want %d", a, context, toy.BanditBest(context))
					}
					// The best arms win with chances 0.9, 0.8 and 0.7.
					if v, want := highest(p.values(obs)), 0.9-0.1*float64(context); math.Abs(v-want) > 0.15 {
						t.Errorf("value of context %d is %v, want %v within 0.15", context, v, want)
					}
				}
			})
			t.Run("chain", func(t *testing.T) {
				p := start(t, "chain", 16000)
				for i := range toy.ChainStates {
					obs := hot(toy.ChainStates, i)
					if a := p.best(obs, nil); a != toy.ChainRight {
						t.Errorf("action %d in state %d, want %d", a, i, toy.ChainRight)
					}
					if v, want := highest(p.values(obs)), toy.ChainValue(i); math.Abs(v-want) > tolerance {
						t.Errorf("value of state %d is %v, want %v within %v", i, v, want, tolerance)
					}
				}
			})
			t.Run("masked", func(t *testing.T) {
				p := start(t, "masked", 12000)
				step := env.NewTimeStep(8, p.vector.Spec())
				p.vector.Reset(step)
				actions, wrong := make([]int, 8), 0
				for range 100 {
					p.agent.Greedy().Act(step, actions)
					for i, a := range actions {
						if a != toy.MaskedBest(step.MaskRow(i)) {
							wrong++
						}
					}
					p.vector.Step(actions, step)
				}
				if wrong > 0 {
					t.Errorf("%d of 800 actions are not the best legal one", wrong)
				}
			})
			t.Run("semimarkov", func(t *testing.T) {
				p := start(t, "semimarkov", 16000)
				if p.agent.gamma != toy.SemiMarkovGamma {
					t.Fatalf("gamma is %v, want the world's %v", p.agent.gamma, toy.SemiMarkovGamma)
				}
				for i := range 2 {
					obs := hot(2, i)
					if a := p.best(obs, nil); a != toy.SemiMarkovBest(i) {
						t.Errorf("action %d in state %d, want %d", a, i, toy.SemiMarkovBest(i))
					}
					if v, want := highest(p.values(obs)), toy.SemiMarkovValue(i); math.Abs(v-want) > 2*tolerance {
						t.Errorf("value of state %d is %v, want %v within %v", i, v, want, 2*tolerance)
					}
				}
			})
		})
	}
}

// Without coupling no machine of Pair affects the other, so that its own credit
// suffices. With coupling 1 being down costs the other machine, which the whole
// reward shows and the own credit does not: two machines that each follow theirs
// lose 0.53 (see toy.PairRegret), the optimum being 24.5. What is learned is not
// exact; the bounds lie between the two.
func TestLearnsPair(t *testing.T) {
	for _, x := range []struct {
		coupling    float64
		credit      string
		least, most float64
		steps       uint64
	}{
		{0, signal.CreditPlain, 0, 0.05, 20000},
		{0, signal.CreditSubject, 0, 0.05, 20000},
		{1, signal.CreditPlain, 0, 0.3, 40000},
		{1, signal.CreditSubject, 0.3, 1.2, 40000},
	} {
		c, s := quick(), setup(8, x.steps, 1)
		s.Signal.Credit, s.Signal.Average = x.credit, signal.AverageTail
		p := newPlayer(t, c, s, func() env.Env { return toy.NewPair(x.coupling) })
		p.train(t, x.steps)
		obs := make([]float32, p.vector.Spec().ObsDim())
		regret := toy.PairRegret(x.coupling, func(state toy.PairState) int {
			state.Observe(obs)
			return p.best(obs, nil)
		})
		if !(regret >= x.least-1e-9 && regret <= x.most) {
			t.Errorf("coupling %v, credit %s: regret %v, want %v to %v", x.coupling, x.credit, regret, x.least, x.most)
		}
	}
}
