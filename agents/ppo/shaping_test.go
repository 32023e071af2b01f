package ppo

import (
	"math"
	"math/rand/v2"
	"testing"

	"mend/agents/signal"
	"mend/env"
	"mend/env/toy"
)

// transition is one branch of a small decision process.
type transition struct {
	from, action, to      int
	chance                float64
	reward, elapsed       float64
	terminated, truncated bool
}

// process draws a semi-Markov decision process of 5 states and 3 actions, each
// with 3 branches of unequal length, some of which terminate.
func process(r *rand.Rand) (list []transition) {
	for from := range 5 {
		for action := range 3 {
			left := 1.0
			for branch := range 3 {
				chance := left
				if branch < 2 {
					chance *= r.Float64()
				}
				left -= chance
				list = append(list, transition{
					from: from, action: action, to: r.IntN(5), chance: chance,
					reward: float64(float32(r.NormFloat64())), elapsed: float64(r.IntN(7)+1) / 2,
					terminated: r.IntN(8) == 0, truncated: r.IntN(4) == 0,
				})
			}
		}
	}
	return list
}

// solve iterates values: what is best, and the value of each pair. A truncation
// ends an episode, not the world.
func solve(list []transition, gamma float64, reward func(k int) float64) (best [5]int, q [5][3]float64) {
	var v [5]float64
	for range 3000 {
		q = [5][3]float64{}
		for k, x := range list {
			after := 0.0
			if !x.terminated {
				after = math.Pow(gamma, x.elapsed) * v[x.to]
			}
			q[x.from][x.action] += x.chance * (reward(k) + after)
		}
		for s := range v {
			best[s] = 0
			for a := range q[s] {
				if q[s][a] > q[s][best[s]] {
					best[s] = a
				}
			}
			v[s] = q[s][best[s]]
		}
	}
	return best, q
}

// Whatever Φ is, the rewards that the agent learns from have the same best
// policy as the world's, and Q' = Q − Φ. Each transition of a random process is
// one environment of a rollout of one step, so that it is the agent that shapes.
//
// Ng, Harada, Russell 1999, theorem 1 and corollary 2.
func TestShapingKeepsTheBestPolicy(t *testing.T) {
	const gamma = 0.9
	for seed := range uint64(20) {
		list := process(rand.New(rand.NewPCG(seed, 2)))
		potential := fitted(t, "chain") // five one-hot states, and a Φ of another world
		c := small()
		c.RolloutSteps, c.Gamma = 1, gamma
		spec := *toy.NewChain().Spec()
		spec.Gamma, spec.Actions = 0, []string{"a", "b", "c"}
		sig := signal.DefaultConfig()
		sig.Shaping.Baseline = "first"
		a, err := New(c, signal.Setup{Spec: &spec, Envs: len(list), Steps: 1000, Seed: 1, Signal: sig, Potential: potential})
		if err != nil {
			t.Fatal(err)
		}
		cur, next, actions := env.NewTimeStep(len(list), &spec), env.NewTimeStep(len(list), &spec), make([]int, len(list))
		for k, x := range list {
			cur.ObsRow(k)[x.from] = 1
			// After an end Obs shows the next episode, which must not matter.
			after := next.ObsRow(k)
			if x.terminated || x.truncated {
				next.ObsRow(k)[(x.to+1)%5] = 1
				after = next.FinalObs[k*5 : (k+1)*5]
			}
			after[x.to] = 1
			actions[k] = x.action
			next.Reward[k], next.Elapsed[k] = float32(x.reward), float32(x.elapsed)
			next.Terminated[k], next.Truncated[k] = x.terminated, x.truncated
		}
		a.Observe(cur, actions, next)
		a.evaluate()
		a.rewardSignal()

		best, q := solve(list, gamma, func(k int) float64 { return list[k].reward })
		shaped, qs := solve(list, gamma, func(k int) float64 { return float64(a.rewards[k]) })
		if best != shaped {
			t.Errorf("process %d: the best policy is %v, shaped %v", seed, best, shaped)
		}
		changed := false
		for s := range q {
			obs, phi := make([]float32, 5), make([]float32, 1)
			obs[s] = 1
			potential.Values(1, obs, phi)
			for action := range q[s] {
				if d := qs[s][action] - (q[s][action] - float64(phi[0])); math.Abs(d) > 1e-4 {
					t.Errorf("process %d: Q'(%d, %d) is off by %v", seed, s, action, d)
				}
			}
			changed = changed || math.Abs(float64(phi[0])) > 0.1
		}
		if !changed {
			t.Fatal("the potential is 0 everywhere")
		}
	}
}

// Advantages of shaped rewards by the values V − Φ are those of the plain
// rewards by V: δ is the same, step by step, at termination, at truncation, at
// the end of the rollout and along chains.
func TestShapedAdvantages(t *testing.T) {
	for name, credit := range map[string]string{"chain": signal.CreditPlain, "semimarkov": signal.CreditPlain, "cartpole": signal.CreditPlain, "pair": signal.CreditSubject} {
		c := small()
		c.RolloutSteps = 130
		sig := signal.DefaultConfig()
		sig.Credit = credit
		plain := newSignalPlayer(t, c, sig, nil, 3, 4000, 5, worlds[name])
		sig.Shaping.Baseline = "first"
		shaped := newSignalPlayer(t, c, sig, fitted(t, name), 3, 4000, 5, worlds[name])
		for range c.RolloutSteps {
			plain.observe()
			shaped.observe()
		}
		a, b := plain.agent, shaped.agent
		a.evaluate()
		b.evaluate()
		for k, phi := range b.potentials {
			b.values[k] -= phi
		}
		// nextValues holds V of the final observations where there are any.
		final := b.finals[len(b.finals)/2:]
		for k := range b.nextValues {
			if b.rollout.bootstraps(k) {
				b.nextValues[k] -= final[0]
				final = final[1:]
			} else {
				b.nextValues[k] -= b.potentials[k+b.rollout.envs]
			}
		}
		for _, x := range []*Agent{a, b} {
			x.rewardSignal()
			x.advantages()
		}
		for k := range a.adv {
			if d := math.Abs(float64(a.adv[k] - b.adv[k])); d > 1e-4*(1+math.Abs(float64(a.adv[k]))) {
				t.Fatalf("%s: advantage %d is %v, shaped %v", name, k, a.adv[k], b.adv[k])
			}
		}
	}
}

// A constant charge per interval, discounted within the step, costs every policy
// of SemiMarkov the same and changes nothing; lumped into an undiscounted sum it
// makes long steps dearer than they are and moves the optimum. The advantages
// are the agent's, at exact values.
func TestConstantCostRate(t *testing.T) {
	const gamma, charge = toy.SemiMarkovGamma, 20.0
	best := func(cost func(elapsed float64) float64) [2]int {
		var reward, elapsed [2][2]float64
		for s := range reward {
			for a := range reward[s] {
				reward[s][a] = [2][2]float64{{1, 3}, {1, 8}}[s][a]
				elapsed[s][a] = []float64{1, 4}[a]
				reward[s][a] -= cost(elapsed[s][a])
			}
		}
		var v [2]float64
		for range 3000 {
			w := (v[0] + v[1]) / 2
			for s := range v {
				v[s] = math.Inf(-1)
				for a := range reward[s] {
					v[s] = max(v[s], reward[s][a]+math.Pow(gamma, elapsed[s][a])*w)
				}
			}
		}
		// One environment a pair: the advantage of each action at V*.
		w := float32((v[0] + v[1]) / 2)
		r, e, value, next, adv := make([]float32, 4), make([]float32, 4), make([]float32, 4), make([]float32, 4), make([]float32, 4)
		for k := range r {
			r[k], e[k], value[k], next[k] = float32(reward[k/2][k%2]), float32(elapsed[k/2][k%2]), float32(v[k/2]), w
		}
		GAE(4, gamma, 0.95, r, e, value, next, make([]bool, 4), make([]bool, 4), adv)
		var policy [2]int
		for s := range policy {
			if adv[2*s+1] > adv[2*s] {
				policy[s] = 1
			}
			if top := max(adv[2*s], adv[2*s+1]); math.Abs(float64(top)) > 1e-3 {
				t.Errorf("the best action of state %d has advantage %v, want 0", s, top)
			}
		}
		return policy
	}
	want := [2]int{toy.SemiMarkovBest(0), toy.SemiMarkovBest(1)}
	if got := best(func(float64) float64 { return 0 }); got != want {
		t.Errorf("without a charge %v is best, want %v", got, want)
	}
	within := func(elapsed float64) float64 { return charge * (math.Pow(gamma, elapsed) - 1) / math.Log(gamma) }
	if got := best(within); got != want {
		t.Errorf("with a charge discounted within the step %v is best, want %v", got, want)
	}
	if got := best(func(elapsed float64) float64 { return charge * elapsed }); got == want {
		t.Error("a lumped charge leaves the best policy as it is: the test shows nothing")
	}
}

// Values over four orders of magnitude, all in one network: each is learned to
// a tenth of itself.
func TestSymexpHeadLearnsValues(t *testing.T) {
	c := DefaultConfig()
	c.RolloutSteps, c.MinibatchSize, c.Epochs, c.LearningRate, c.Hidden = 32, 64, 8, 3e-3, []int{32}
	sig := signal.DefaultConfig()
	sig.ValueHead = "symexp"
	p := newSignalPlayer(t, c, sig, nil, 8, 20000, 5, func() env.Env { return &flip{} })
	p.train(t, 20000)
	values := make([]float32, 4)
	obs := make([]float32, 16)
	for face := range 4 {
		obs[face*4+face] = 1
	}
	p.agent.valuesOf(obs, values)
	for face, v := range values {
		want := -math.Pow(10, float64(face))
		if math.Abs(float64(v)-want) > 0.1*math.Abs(want) {
			t.Errorf("value of face %d is %v, want %v", face, v, want)
		}
	}
	if m := metric(t, p, "explained_variance"); m < 0.98 {
		t.Errorf("explained variance %v", m)
	}
}
