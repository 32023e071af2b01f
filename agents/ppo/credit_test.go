package ppo

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"mend/agents/signal"
	"mend/env"
	"mend/env/state"
)

// game is a random history of a world with subjects, and the rollout that
// recorded it.
type game struct {
	envs, subjects, steps int
	cur                   []*env.TimeStep // [steps+1]; the step that led to it, and whom it asks about
	rollout               *rollout
}

func newGame(r *rand.Rand, envs, subjects, steps int, gamma float64, ends bool) *game {
	spec := &env.Spec{ID: "game", Features: make([]env.Feature, 1), Actions: []string{"a"}, Subjects: subjects}
	g := &game{envs: envs, subjects: subjects, steps: steps, rollout: newRollout(steps, envs, spec)}
	g.rollout.chains = newChains(steps, envs, subjects, gamma)
	actions := make([]int, envs)
	for k := range steps + 1 {
		t := env.NewTimeStep(envs, spec)
		for i := range envs {
			t.Obs[i], t.FinalObs[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
			t.Subject[i] = int32(r.IntN(subjects))
			t.Elapsed[i] = float32(r.IntN(4)) / 2 // 0 for simultaneous decisions
			t.Terminated[i] = ends && r.IntN(9) == 0
			t.Truncated[i] = ends && r.IntN(9) == 0 // both at once happens
			for j := range subjects {
				t.Credit[i*subjects+j] = float32(r.NormFloat64())
				t.Reward[i] += t.Credit[i*subjects+j]
			}
		}
		g.cur = append(g.cur, t)
		if k > 0 {
			g.rollout.add(g.cur[k-1], actions, t)
		}
	}
	return g
}

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// The plain twin, O(T²): for each decision the history is read forwards until
// its subject is asked about again or the episode ends, and the advantage is the
// sum Σ (γλ)^(time to decision l of the chain)·δ_l, written out.
func TestChainsAgainstSum(t *testing.T) {
	const envs, subjects, steps, gamma, lambda = 3, 4, 60, 0.93, 0.8
	r := rand.New(rand.NewPCG(1, 2))
	g := newGame(r, envs, subjects, steps, gamma, true)
	value := random(r, envs*(steps+1))
	c := g.rollout.chains
	adv := make([]float32, envs*steps)
	chainGAE(gamma, lambda, c.reward, c.elapsed, c.link, value, adv)

	// next follows the decision at step k in environment i.
	next := func(k, i int) (reward, elapsed float64, at int, terminated, known bool) {
		subject := g.cur[k].Subject[i]
		for at = k; at < steps; {
			after := g.cur[at+1]
			reward += math.Pow(gamma, elapsed) * float64(after.CreditRow(i)[subject])
			elapsed += float64(after.Elapsed[i])
			at++
			switch {
			case after.Terminated[i]:
				return reward, elapsed, at, true, true
			case after.Truncated[i]:
				return 0, 0, at, false, false
			case after.Subject[i] == subject:
				return reward, elapsed, at, false, true
			}
		}
		return 0, 0, at, false, false
	}
	left, ended, after := 0, 0, 0
	for k := range steps {
		for i := range envs {
			want, weight := 0.0, 1.0
			entry := k*envs + i
			for at := k; ; {
				reward, elapsed, to, terminated, known := next(at, i)
				if !known {
					if at == k {
						left++
						if c.link[entry] != linkOpen {
							t.Errorf("step %d of environment %d is learned from", k, i)
						}
					}
					break
				}
				if at == k && c.link[entry] == linkOpen {
					t.Errorf("step %d of environment %d is left out", k, i)
				}
				delta := reward - float64(value[at*envs+i])
				if !terminated {
					delta += math.Pow(gamma, elapsed) * float64(value[to*envs+i])
				}
				want += weight * delta
				weight *= math.Pow(gamma*lambda, elapsed)
				if terminated {
					ended++
					break
				}
				if to == steps {
					after++
					break
				}
				at = to
			}
			if got := float64(adv[entry]); math.Abs(got-want) > 1e-5 {
				t.Errorf("advantage of step %d in environment %d is %v, want %v", k, i, got, want)
			}
		}
	}
	if left == 0 || ended == 0 || after == 0 {
		t.Errorf("%d decisions left out, %d closed by an end, %d by the step after the rollout, want some of each", left, ended, after)
	}
}

// With one subject, and no end but termination, the chains are the plain steps.
func TestOneSubjectIsPlainCredit(t *testing.T) {
	const envs, steps, gamma, lambda = 2, 50, 0.9, 0.7
	r := rand.New(rand.NewPCG(3, 4))
	g := newGame(r, envs, 1, steps, gamma, true)
	x := g.rollout
	n := envs * steps
	value := random(r, n+envs)
	c := x.chains
	chained, plain := make([]float32, n), make([]float32, n)
	chainGAE(gamma, lambda, c.reward, c.elapsed, c.link, value, chained)
	// Where the clock cut an episode the chain does not know what follows; plain
	// credit is told the value of the state itself, so that its δ differs only
	// there and the trace is cut in both.
	GAE(envs, gamma, lambda, x.reward, x.elapsed, value[:n], value[envs:], x.terminated, x.truncated, plain)
	cut := make([]bool, n) // leads to a truncation
	for k := n - 1; k >= 0; k-- {
		ends := x.terminated[k] || x.truncated[k]
		cut[k] = x.bootstraps(k) || !ends && k+envs < n && cut[k+envs]
		if !cut[k] && math.Abs(float64(chained[k]-plain[k])) > 1e-5 {
			t.Errorf("advantage of entry %d is %v, with plain credit %v", k, chained[k], plain[k])
		}
	}
}

// A rollout with chains is saved and restored at any length, and refused where
// what it says cannot be.
func TestChainsState(t *testing.T) {
	const envs, subjects, steps = 2, 3, 7
	for length := range steps + 1 {
		g := newGame(rand.New(rand.NewPCG(5, 6)), envs, subjects, steps, 0.9, true)
		h := newGame(rand.New(rand.NewPCG(7, 8)), envs, subjects, steps, 0.9, true)
		g.rollout.reset()
		for k := range length {
			g.rollout.add(g.cur[k], make([]int, envs), g.cur[k+1])
		}
		if err := state.Restore(state.Append(nil, g.rollout.fields), h.rollout.fields); err != nil {
			t.Fatal(err)
		}
		for k := length; k < steps; k++ {
			g.rollout.add(g.cur[k], make([]int, envs), g.cur[k+1])
			h.rollout.add(g.cur[k], make([]int, envs), g.cur[k+1])
		}
		if string(state.Append(nil, g.rollout.fields)) != string(state.Append(nil, h.rollout.fields)) {
			t.Errorf("restored after %d steps, the rollout differs at its end", length)
		}
	}
	for want, spoil := range map[string]func(c *chains){
		"is followed by entry 0":                 func(c *chains) { c.link[2] = 0 },
		"is followed by entry 3":                 func(c *chains) { c.link[0] = 3 },
		"is followed by entry -3":                func(c *chains) { c.link[0] = -3 },
		"is followed by entry 16":                func(c *chains) { c.link[0] = 16 },
		"is credited for subject 1 of environm":  func(c *chains) { c.last[1].entry = 1 },
		"entry 14 of a rollout of 14 is credite": func(c *chains) { c.last[1].entry = 14 },
	} {
		g := newGame(rand.New(rand.NewPCG(5, 6)), envs, subjects, steps, 0.9, false)
		spoil(g.rollout.chains)
		err := state.Restore(state.Append(nil, g.rollout.fields), g.rollout.fields)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// Few sizes of minibatch occur, and no entry twice.
func TestWholeMinibatches(t *testing.T) {
	a := &Agent{cfg: Config{MinibatchSize: 24}, rollout: &rollout{}}
	for n, want := range map[int]int{0: 0, 1: 1, 50: 50} {
		if got := a.whole(n); got != want {
			t.Errorf("%d of %d entries, want %d", got, n, want)
		}
	}
	a.rollout.chains = &chains{}
	for n, want := range map[int]int{0: 0, 1: 1, 2: 2, 3: 2, 23: 16, 24: 24, 50: 48} {
		if got := a.whole(n); got != want {
			t.Errorf("%d of %d entries, want %d", got, n, want)
		}
	}
}

// A rollout from which nothing can be learned changes no weight and no error.
func TestNothingToLearn(t *testing.T) {
	c := small()
	c.RolloutSteps = 1 // the first decision of Pair is about machine 0, the next about machine 1
	sig := signal.DefaultConfig()
	sig.Credit = signal.CreditSubject
	p := newSignalPlayer(t, c, sig, nil, 3, 400, 5, worlds["pair"])
	before := save(p.agent)
	p.step(t)
	if m := metric(t, p, "learned_share"); m != 0 {
		t.Errorf("learned from a share of %v", m)
	}
	for _, m := range p.metrics {
		if math.IsNaN(m.Value) {
			t.Errorf("%s is NaN", m.Name)
		}
	}
	if n := p.agent.learner.Solver.T; n != 0 || len(save(p.agent)) != len(before) {
		t.Errorf("%d gradient steps, want 0", n)
	}
}
