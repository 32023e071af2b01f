package dqn

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"mend/agents/learn"
	"mend/agents/mlp"
	"mend/agents/signal"
	"mend/env"
	"mend/env/seed"
	"mend/env/state"
	"mend/env/toy"
)

// small trains often, in a ring that wraps around within a test.
func small() Config {
	c := DefaultConfig()
	c.Hidden = []int{16}
	c.LearningRate, c.LearningRateSchedule = 1e-2, signal.Linear
	c.BufferSize, c.LearningStarts, c.TrainFreq, c.GradientSteps, c.BatchSize = 61, 20, 7, 2, 12
	c.TargetUpdateInterval = 5
	return c
}

// variants have every extension on somewhere.
var variants = map[string]func(c *Config, s *signal.Config){
	"plain": func(c *Config, s *signal.Config) { c.Double = false },
	"everything": func(c *Config, s *signal.Config) {
		c.Dueling, c.Prioritized, c.NStep, c.Tau = true, true, 3, 0.05
		s.NormalizeObservation, s.NormalizeReward, s.Average, s.ValueHead = true, true, signal.AverageTail, "symexp"
		s.AverageStart = 0.2
	},
	"credit": func(c *Config, s *signal.Config) {
		c.Prioritized, c.NStep = true, 8
		s.Credit = signal.CreditSubject
	},
	"quantiles": func(c *Config, s *signal.Config) {
		c.Quantiles, c.Dueling = 5, true
		s.Average = signal.AverageEMA
	},
}

func setup(envs int, total uint64, root seed.Seed) signal.Setup {
	return signal.Setup{Envs: envs, Steps: total, Seed: root, Signal: signal.DefaultConfig()}
}

// potential is one fitted, roughly, to the policy that takes action 0.
func potential(t testing.TB, world string) *signal.Potential {
	t.Helper()
	cfg := signal.DefaultConfig().Shaping
	cfg.Steps, cfg.Epochs, cfg.Hidden = 400, 1, []int{4}
	v := vector(t, 3, 2, worlds[world])
	p, err := signal.NewPotential(cfg, v.Spec())
	if err != nil {
		t.Fatal(err)
	}
	first := mlp.NewGreedy(mlp.New(mlp.Tanh, v.Spec().ObsDim(), len(v.Spec().Actions)))
	if err := p.Fit(context.Background(), v, first, 0.9, 4); err != nil {
		t.Fatal(err)
	}
	return p
}

// A run cut at any step and continued in fresh objects ends in the same bytes,
// before and after learning starts and while the ring wraps around.
func TestResumeAtAnyStep(t *testing.T) {
	for name, change := range variants {
		for world, newWorld := range worlds {
			if name == "credit" && world != "pair" {
				continue // nobody is credited there
			}
			t.Run(name+"/"+world, func(t *testing.T) {
				const envs, total = 3, 200
				c, s := small(), setup(envs, total, 5)
				change(&c, &s.Signal)
				p := newPlayer(t, c, s, newWorld)
				for cut := 0; cut < 50; cut += 3 {
					// The rest of the state is as the train loop would keep it.
					q := newPlayer(t, c, s, newWorld)
					for range 9 {
						q.step(t) // a history to be replaced
					}
					if err := state.Restore(state.Append(nil, p.agent.Fields), q.agent.Fields); err != nil {
						t.Fatal(err)
					}
					if err := q.vector.RestoreState(p.vector.AppendState(nil)); err != nil {
						t.Fatal(err)
					}
					if err := q.cur.RestoreState(p.cur.AppendState(nil)); err != nil {
						t.Fatal(err)
					}
					if err := q.next.RestoreState(p.next.AppendState(nil)); err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(p.everything(), q.everything()) {
						t.Fatalf("restored at step %d, the state differs", cut)
					}
					for range 3 {
						p.step(t)
						q.step(t)
						if !slices.Equal(p.actions, q.actions) {
							t.Fatalf("cut at step %d, other actions follow", cut)
						}
					}
					if !bytes.Equal(p.everything(), q.everything()) {
						t.Fatalf("cut at step %d, the state differs 3 steps later", cut)
					}
					obs := p.cur.ObsRow(0)
					var x, y mlp.Scratch
					if !slices.Equal(p.agent.Actor().Forward(1, obs, &x), q.agent.Actor().Forward(1, obs, &y)) {
						t.Fatalf("cut at step %d, the actors differ", cut)
					}
				}
				if p.agent.updates == 0 || p.agent.replay.added < 61 {
					t.Fatalf("%d updates and %d entries prove nothing", p.agent.updates, p.agent.replay.added)
				}
			})
		}
	}
}

// Between Observe and Update a phase may be due.
func TestResumeBeforeUpdate(t *testing.T) {
	for name, world := range worlds {
		p := newPlayer(t, small(), setup(3, 400, 5), world)
		for p.agent.due+3 < 7 || p.agent.steps < 40 {
			p.step(t)
		}
		p.observe()
		q := newPlayer(t, small(), setup(3, 400, 5), world)
		if err := state.Restore(state.Append(nil, p.agent.Fields), q.agent.Fields); err != nil {
			t.Fatal(err)
		}
		for _, a := range []*Agent{p.agent, q.agent} {
			if m, err := a.Update(); m == nil || err != nil {
				t.Fatalf("%s: no update: %v", name, err)
			}
		}
		if !bytes.Equal(state.Append(nil, p.agent.Fields), state.Append(nil, q.agent.Fields)) {
			t.Errorf("%s: the state differs after the update", name)
		}
	}
}

// The potential is part of the state: it need not be fitted where the agent is
// restored.
func TestResumeWithPotential(t *testing.T) {
	s := setup(3, 400, 5)
	s.Potential = potential(t, "chain")
	p := newPlayer(t, small(), s, worlds["chain"])
	p.train(t, 90)
	var err error
	if s.Potential, err = signal.NewPotential(func() signal.Shaping {
		cfg := signal.DefaultConfig().Shaping
		cfg.Hidden = []int{4}
		return cfg
	}(), toy.NewChain().Spec()); err != nil {
		t.Fatal(err)
	}
	q := newPlayer(t, small(), s, worlds["chain"])
	if err := state.Restore(state.Append(nil, p.agent.Fields), q.agent.Fields); err != nil {
		t.Fatal(err)
	}
	for k := range 30 {
		p.agent.Act(p.cur, p.actions)
		q.agent.Act(p.cur, q.actions)
		p.vector.Step(p.actions, p.next)
		p.agent.Observe(p.cur, p.actions, p.next)
		q.agent.Observe(p.cur, q.actions, p.next)
		for _, a := range []*Agent{p.agent, q.agent} {
			if _, err := a.Update(); err != nil {
				t.Fatal(err)
			}
		}
		p.cur, p.next = p.next, p.cur
		if !bytes.Equal(state.Append(nil, p.agent.Fields), state.Append(nil, q.agent.Fields)) {
			t.Fatalf("the state differs after %d steps", k+1)
		}
	}
}

// Entries carry Φ of their observation, and so does a last one.
func TestStoresPotential(t *testing.T) {
	for _, scaled := range []bool{false, true} {
		s := setup(3, 4000, 5)
		s.Potential, s.Signal.NormalizeReward = potential(t, "chain"), scaled
		c := small()
		c.BufferSize = 200
		p := newPlayer(t, c, s, worlds["chain"])
		for range 25 { // past a truncation after 20
			p.step(t)
		}
		r := p.agent.replay
		n := r.size()
		want := make([]float32, n)
		s.Potential.Values(n, r.obs[:n*r.dim], want)
		if !slices.Equal(r.phi[:n], want) || n != 3*25+3 {
			t.Errorf("scaled=%v: potentials of %d entries %v, want %v", scaled, n, r.phi[:n], want)
		}
	}
}

// The scale is that of the shaped rewards, over truncations (chain) and
// terminations (bandit).
func TestScalesShapedRewards(t *testing.T) {
	for _, world := range []string{"chain", "bandit"} {
		s := setup(2, 4000, 5)
		s.Potential, s.Signal.NormalizeReward = potential(t, world), true
		p := newPlayer(t, small(), s, worlds[world])
		dim, gamma := p.vector.Spec().ObsDim(), p.agent.gamma
		phi := make([]float32, 1)
		value := func(obs []float32) float64 {
			s.Potential.Values(1, obs, phi)
			return float64(phi[0])
		}
		twin := signal.NewReturnScale(2, gamma)
		shaped := make([]float32, 2)
		for range 45 {
			p.observe() // p.next is now the step before
			for i := range shaped {
				after := value(p.cur.ObsRow(i))
				switch {
				case p.cur.Terminated[i]:
					after = 0
				case p.cur.Truncated[i]:
					after = value(p.cur.FinalObs[i*dim : (i+1)*dim])
				}
				shaped[i] = float32(float64(p.cur.Reward[i]) + gamma*after - value(p.next.ObsRow(i)))
				if got := p.agent.shaped[i]; math.Abs(float64(got-shaped[i])) > 1e-5 {
					t.Fatalf("%s: shaped reward %v, want %v", world, got, shaped[i])
				}
			}
			twin.Add(shaped, p.cur.Elapsed, p.cur.Terminated, p.cur.Truncated)
		}
		p.agent.scale.Refresh()
		twin.Refresh()
		if got, want := p.agent.scale.Factor(), twin.Factor(); math.Abs(got/want-1) > 1e-6 {
			t.Errorf("%s: scale %v, want %v", world, got, want)
		}
	}
}

func TestRestoreErrors(t *testing.T) {
	p := newPlayer(t, small(), setup(3, 400, 5), worlds["masked"])
	for range 40 {
		p.step(t)
	}
	saved := state.Append(nil, p.agent.Fields)
	for want, change := range map[string]func(c *Config, s *signal.Setup, b *[]byte){
		"weights, this agent":             func(c *Config, _ *signal.Setup, _ *[]byte) { c.Hidden = []int{15} },
		"value streams":                   func(c *Config, _ *signal.Setup, _ *[]byte) { c.Dueling = true },
		"1 quantiles, this agent has 2":   func(c *Config, _ *signal.Setup, _ *[]byte) { c.Quantiles = 2 },
		"3 environments, this":            func(_ *Config, s *signal.Setup, _ *[]byte) { s.Envs = 4 },
		"61 entries in the replay buffer": func(c *Config, _ *signal.Setup, _ *[]byte) { c.BufferSize = 60 },
		"0 priorities, this agent has 1":  func(c *Config, _ *signal.Setup, _ *[]byte) { c.Prioritized = true },
		"averages":                        func(_ *Config, s *signal.Setup, _ *[]byte) { s.Signal.Average = signal.AverageEMA },
		"normalisers":                     func(_ *Config, s *signal.Setup, _ *[]byte) { s.Signal.NormalizeObservation = true },
		"reward scales":                   func(_ *Config, s *signal.Setup, _ *[]byte) { s.Signal.NormalizeReward = true },
		"bytes where":                     func(_ *Config, _ *signal.Setup, b *[]byte) { *b = (*b)[:len(*b)/2] },
		"1 bytes left over":               func(_ *Config, _ *signal.Setup, b *[]byte) { *b = append(*b, 0) },
		"steps since the latest update":   func(_ *Config, _ *signal.Setup, b *[]byte) { (*b)[11*8+8+3] = 1 }, // of due
		"want a finite number":            func(_ *Config, _ *signal.Setup, b *[]byte) { copy((*b)[15*8:], "\xff\xff\xff\xff") },
	} {
		c, s, b := small(), setup(3, 400, 5), slices.Clone(saved)
		change(&c, &s, &b)
		q := newPlayer(t, c, s, worlds["masked"])
		if err := state.Restore(b, q.agent.Fields); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	for n := range len(saved) {
		if n%97 == 0 || n < 64 || n > len(saved)-64 {
			if err := state.Restore(saved[:n], p.agent.Fields); err == nil {
				t.Fatalf("%d of %d bytes were accepted", n, len(saved))
			}
		}
	}
}

// FuzzRestore: no bytes panic, and an agent that accepts them can go on.
func FuzzRestore(f *testing.F) {
	c, s := small(), setup(2, 400, 5)
	variants["everything"](&c, &s.Signal)
	c.Hidden = []int{3}
	p := newPlayer(f, c, s, worlds["masked"])
	for _, steps := range []uint64{0, 30, 200} {
		p.train(f, steps)
		f.Add(state.Append(nil, p.agent.Fields))
	}
	cur := p.cur
	f.Fuzz(func(t *testing.T, b []byte) {
		q := newPlayer(t, c, s, worlds["masked"])
		if state.Restore(b, q.agent.Fields) != nil {
			return
		}
		again := state.Append(nil, q.agent.Fields)
		if len(again) != len(b) {
			t.Fatalf("%d bytes read, %d written", len(b), len(again))
		}
		if q.agent.due > 1000 {
			return // as many gradient steps would be due
		}
		q.agent.Act(cur, q.actions)
		q.agent.Observe(cur, q.actions, cur)
		_, _ = q.agent.Update() // the weights may be beyond use
	})
}

// The bits do not depend on the number of processors, with batches of several
// shards too.
func TestDeterminism(t *testing.T) {
	run := func(processors int) [32]byte {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
		c, s := small(), setup(4, 400, 9)
		variants["everything"](&c, &s.Signal)
		c.BatchSize = 1200
		p := newPlayer(t, c, s, worlds["cartpole"])
		p.train(t, 200)
		return sha256.Sum256(p.everything())
	}
	a, b, c := run(1), run(2), run(1)
	if a != b || a != c {
		t.Errorf("digests %x, %x, %x at 1, 2, 1 processors", a[:4], b[:4], c[:4])
	}
}

// Acting and observing allocate nothing, whatever is on.
func TestActAndObserveAllocateNothing(t *testing.T) {
	for name, change := range variants {
		for world, newWorld := range worlds {
			if name == "credit" && world != "pair" {
				continue // nobody is credited there
			}
			c, s := small(), setup(3, 1000, 5)
			change(&c, &s.Signal)
			c.ExplorationInitialEps = 0.5
			p := newPlayer(t, c, s, newWorld)
			p.step(t)
			if n := testing.AllocsPerRun(100, func() {
				p.agent.Act(p.cur, p.actions)
				p.agent.Observe(p.cur, p.actions, p.next)
			}); n > 0 {
				t.Errorf("%s/%s: %v allocations a step", name, world, n)
			}
		}
	}
	s := setup(3, 1000, 5)
	s.Potential, s.Signal.NormalizeReward = potential(t, "chain"), true
	p := newPlayer(t, small(), s, worlds["chain"])
	for range 20 {
		p.observe() // to the end of an episode, which p.next is
	}
	p.cur, p.next = p.next, p.cur
	if n := testing.AllocsPerRun(100, func() { p.agent.Observe(p.cur, p.actions, p.next) }); n > 0 {
		t.Errorf("shaped: %v allocations a step", n)
	}
}

// What Observe was given may be overwritten afterwards.
func TestObserveCopies(t *testing.T) {
	for name, world := range worlds {
		p := newPlayer(t, small(), setup(3, 400, 5), world)
		for range 30 {
			p.agent.Act(p.cur, p.actions)
			p.vector.Step(p.actions, p.next)
			p.agent.Observe(p.cur, p.actions, p.next)
			before := state.Append(nil, p.agent.Fields)
			for i := range p.cur.Obs {
				p.cur.Obs[i], p.cur.FinalObs[i] = 1e6, -1e6
			}
			clear(p.cur.Mask)
			for i := range p.actions {
				p.actions[i] = -9
			}
			if !bytes.Equal(before, state.Append(nil, p.agent.Fields)) {
				t.Fatalf("%s: the replay buffer shares memory with the time step", name)
			}
			p.cur, p.next = p.next, p.cur
		}
	}
}

func TestWrongUsePanics(t *testing.T) {
	p := newPlayer(t, small(), setup(3, 400, 5), worlds["masked"])
	two := env.NewTimeStep(2, p.vector.Spec())
	plain, dark := *p.cur, *p.cur
	plain.Mask = nil
	dark.Mask = make([]bool, len(p.cur.Mask))
	for want, f := range map[string]func(){
		"2 actions for 3":   func() { p.agent.Act(p.cur, make([]int, 2)) },
		"of 4 actions is":   func() { p.agent.Act(&dark, make([]int, 3)) },
		"want 3 of each":    func() { p.agent.Observe(two, make([]int, 2), two) },
		"0 masked values":   func() { p.agent.Observe(&plain, make([]int, 3), p.cur) },
		"action 4 in envir": func() { p.agent.Observe(p.cur, []int{0, 4, 0}, p.cur) },
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
					t.Errorf("panic %q, want one with %q", got, want)
				}
			}()
			f()
		}()
	}
}

// A phase has gradient_steps for every train_freq environment steps, none before
// learning starts.
func TestPhases(t *testing.T) {
	c := small()
	c.TrainFreq, c.GradientSteps, c.LearningStarts = 8, 3, 30
	p := newPlayer(t, c, setup(3, 400, 5), worlds["chain"])
	for range 60 {
		before := p.agent.gradients
		learned := p.step(t)
		crossed := p.steps/8 - (p.steps-3)/8
		want := 3 * crossed
		if p.steps < 30 {
			want = 0
		}
		if got := p.agent.gradients - before; got != want || learned != (want > 0) {
			t.Fatalf("%d gradient steps after %d environment steps, want %d", got, p.steps, want)
		}
	}
	c.TrainFreq = 1 // three phases' worth each step
	p = newPlayer(t, c, setup(3, 400, 5), worlds["chain"])
	p.train(t, 30)
	if p.agent.gradients != 9 || p.agent.updates != 1 {
		t.Errorf("%d gradient steps in %d updates, want 9 in 1", p.agent.gradients, p.agent.updates)
	}
}

// Hard copies come every target_update_interval gradient steps, soft ones move
// the target after each.
func TestTargetNetwork(t *testing.T) {
	equal := func(x, y *learn.QNet) bool {
		return slices.EqualFunc(x.Tensors(), y.Tensors(), slices.Equal[[]float32])
	}
	c := small()
	c.TrainFreq, c.GradientSteps, c.TargetUpdateInterval, c.Dueling = 3, 1, 4, true
	p := newPlayer(t, c, setup(3, 400, 5), worlds["chain"])
	copies := make([]*learn.QNet, 0)
	for len(copies) < 14 {
		before := p.agent.online.Clone()
		if !p.step(t) {
			continue
		}
		copies = append(copies, before)
		if want := copies[(len(copies)-1)/4*4]; !equal(p.agent.target, want) {
			t.Fatalf("after gradient step %d the target is not the online network of %d steps before", len(copies), (len(copies)-1)%4+1)
		}
	}

	c.Tau = 0.25
	p = newPlayer(t, c, setup(3, 400, 5), worlds["chain"])
	for k := 0; k < 10; {
		before := p.agent.target.Clone()
		if !p.step(t) {
			continue
		}
		k++
		for i, x := range p.agent.target.Tensors() {
			for j, got := range x {
				b, o := before.Tensors()[i][j], p.agent.online.Tensors()[i][j]
				if want := b + 0.25*(o-b); math.Abs(float64(got-want)) > 1e-6 {
					t.Fatalf("weight %d of tensor %d is %v, want %v", j, i, got, want)
				}
			}
		}
	}
}

// Schedules run from the start to the end of training.
func TestSchedulesAndMetrics(t *testing.T) {
	c := small()
	c.TrainFreq, c.ExplorationFraction = 50, 0.5
	p := newPlayer(t, c, setup(2, 400, 5), worlds["chain"])
	p.train(t, 100)
	want := map[string]float64{"epsilon": 1 + (0.05-1)/2., "learning_rate": 1e-2 * 0.75, "replay_size": 61}
	var names []string
	for _, m := range p.metrics {
		names = append(names, m.Name)
		if math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
			t.Errorf("%s is %v", m.Name, m.Value)
		}
		if w, ok := want[m.Name]; ok && math.Abs(m.Value-w) > 1e-12 {
			t.Errorf("%s is %v after a quarter of the training, want %v", m.Name, m.Value, w)
		}
	}
	if want := []string{"loss", "mean_q", "td_error", "epsilon", "replay_size", "learning_rate", "grad_norm"}; !slices.Equal(names, want) {
		t.Errorf("metrics are %v, want %v", names, want)
	}
	if b := signal.Anneal(0.4, 1, 0.5); math.Abs(b-0.7) > 1e-15 {
		t.Errorf("half way from 0.4 to 1 is %v", b)
	}
}

// A loss that is not finite ends the update with an error that says where, and
// the weights of the last good step.
func TestUpdateErrors(t *testing.T) {
	p := newPlayer(t, small(), setup(3, 400, 5), worlds["chain"])
	for p.agent.updates < 2 {
		p.step(t)
	}
	for p.agent.due < 7 {
		p.observe()
	}
	for i := range p.agent.replay.reward {
		p.agent.replay.reward[i] = float32(math.Inf(1))
	}
	before := p.agent.online.Clone()
	_, err := p.agent.Update()
	if err == nil || !strings.Contains(err.Error(), "dqn: update 3: gradient step 1 of 2: ") {
		t.Fatalf("error %v, want one in the first gradient step of update 3", err)
	}
	for i, x := range p.agent.online.Tensors() {
		if !slices.Equal(x, before.Tensors()[i]) {
			t.Errorf("%s changed", p.agent.learner.Solver.Names[i])
		}
	}

	// Weights that overflow are found at the end of the phase at the latest.
	c := small()
	c.LearningRate, c.GradientSteps = 3e38, 1
	p = newPlayer(t, c, setup(3, 400, 5), worlds["chain"])
	for err = nil; err == nil && p.agent.updates < 4; {
		p.observe()
		_, err = p.agent.Update()
	}
	if err == nil || !strings.HasPrefix(err.Error(), "dqn: update ") || !strings.Contains(err.Error(), "gradient step 1") {
		t.Errorf("error %v after steps beyond the range of weights", err)
	}
}

func TestTensorNames(t *testing.T) {
	c := small()
	for want, dueling := range map[string]bool{
		"[q.0.W q.0.B q.1.W q.1.B]": false,
		"[advantage.0.W advantage.0.B advantage.1.W advantage.1.B value.1.W value.1.B]": true,
	} {
		c.Dueling = dueling
		p := newPlayer(t, c, setup(1, 400, 5), worlds["chain"])
		var names []string
		for i := range p.agent.online.Tensors() {
			names = append(names, p.agent.learner.Solver.Names[i])
		}
		if got := fmt.Sprint(names); got != want {
			t.Errorf("tensors %v, want %v", got, want)
		}
	}
}

// Act follows the latest weights, Greedy the averaged ones, which move at every
// gradient step.
func TestGreedyFollowsAverage(t *testing.T) {
	c, s := small(), setup(3, 400, 5)
	c.ExplorationInitialEps, c.ExplorationFinalEps, c.GradientSteps = 0, 0, 1
	s.Signal.Average, s.Signal.AverageDecay, s.Signal.NormalizeObservation = signal.AverageEMA, 0.999, true
	p := newPlayer(t, c, s, worlds["cartpole"])
	actor := p.agent.Actor()
	var x, y mlp.Scratch
	var z learn.QScratch
	want := p.agent.online.Tensors()[0][0]
	for p.agent.updates < 10 {
		if p.step(t) {
			want += 0.001 * (p.agent.online.Tensors()[0][0] - want)
		}
	}
	if got := p.agent.averaged.Tensors()[0][0]; math.Abs(float64(got-want)) > 1e-6 {
		t.Errorf("the average of a weight is %v, want %v", got, want)
	}
	obs := p.cur.ObsRow(0)
	slow, fast := p.agent.averaged.Forward(1, obs, &z), p.agent.acting.Forward(1, obs, &y)
	if actor != p.agent.Actor() || !slices.Equal(actor.Forward(1, obs, &x), slow) {
		t.Errorf("the actor computes %v, the averaged network %v", actor.Forward(1, obs, &x), slow)
	}
	if slices.Equal(slow, fast) {
		t.Error("average and latest weights are the same")
	}
	fast = slices.Clone(fast)
	if latest := p.agent.online.Forward(1, obs, &z); !slices.Equal(fast, latest) {
		t.Errorf("acting on %v, the latest network says %v", fast, latest)
	}
}
