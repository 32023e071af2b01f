package ppo

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

	"mend/agents/mlp"
	"mend/agents/signal"
	"mend/env"
	"mend/env/seed"
	"mend/env/toy"
)

// everySignal has every option on that all worlds offer.
func everySignal() signal.Config {
	c := signal.DefaultConfig()
	c.NormalizeObservation, c.NormalizeReward = true, true
	c.ValueHead = "symexp"
	c.Average, c.AverageDecay = signal.AverageEMA, 0.9
	c.Shaping.Baseline = "first"
	return c
}

// first takes the first legal action.
type first struct{}

func (first) Act(t *env.TimeStep, actions []int) {
	for i := range actions {
		actions[i] = 0
		for m := t.MaskRow(i); m != nil && !m[actions[i]]; {
			actions[i]++
		}
	}
}

// fitted is a roughly fitted potential for a world.
func fitted(t testing.TB, world string) *signal.Potential {
	t.Helper()
	c := everySignal().Shaping
	c.Steps, c.Epochs, c.Hidden = 400, 2, []int{8}
	v := vector(t, 77, 4, worlds[world])
	p, err := signal.NewPotential(c, v.Spec())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Fit(context.Background(), v, first{}, 0.9, 3); err != nil {
		t.Fatal(err)
	}
	return p
}

// flip terminates at once with a reward by what it shows, −1 to −1000.
type flip struct{ face int }

var flipSpec = env.Spec{ID: "flip", Features: make([]env.Feature, 4), Actions: []string{"a", "b"}}

func (f *flip) Spec() *env.Spec { return &flipSpec }
func (f *flip) Reset(s seed.Seed, obs []float32, _ []bool) {
	f.face = seed.Below(s.At(0, 0), 4)
	clear(obs)
	obs[f.face] = 1
}
func (f *flip) Step(_ int, obs []float32, _ []bool) env.Outcome {
	return env.Outcome{Reward: -float32(math.Pow(10, float64(f.face))), Elapsed: 1, Terminated: true}
}
func (f *flip) AppendState(b []byte) []byte { return b }
func (f *flip) RestoreState([]byte) error   { return nil }

// options are combinations that reach every option, each in a world that offers
// it.
func options(t testing.TB) map[string]func(envs int, total uint64, root seed.Seed) *player {
	make := func(world string, change func(c *Config, s *signal.Config)) func(int, uint64, seed.Seed) *player {
		return func(envs int, total uint64, root seed.Seed) *player {
			c, s := small(), everySignal()
			change(&c, &s)
			var p *signal.Potential
			if s.Shaping.Baseline != "" {
				p = fitted(t, world)
			}
			return newSignalPlayer(t, c, s, p, envs, total, root, worlds[world])
		}
	}
	return map[string]func(int, uint64, seed.Seed) *player{
		"shared, running, ema": make("cartpole", func(c *Config, s *signal.Config) {
			c.SharedTrunk, c.NormalizeAdvantage = true, NormalizeRunning
		}),
		"tail, huber, value clip": make("masked", func(c *Config, s *signal.Config) {
			c.ValueHuber, c.ValueClip, c.NormalizeAdvantage = 1, 0.5, NormalizeNone
			s.Average, s.AverageStart, s.ValueHead = signal.AverageTail, 0.2, "linear"
		}),
		"subject, tail": make("pair", func(c *Config, s *signal.Config) {
			c.SharedTrunk, c.TargetKL = true, 0.02
			s.Credit, s.Average, s.AverageStart = signal.CreditSubject, signal.AverageTail, 0.2
		}),
		"no shaping": make("semimarkov", func(c *Config, s *signal.Config) {
			s.Shaping.Baseline = ""
		}),
	}
}

// With every option on, a run cut at any step and continued in fresh objects,
// whose potential is not fitted again, ends in the same bytes.
func TestResumeWithOptions(t *testing.T) {
	for name, make := range options(t) {
		for cut := range 36 {
			if cut > 17 && cut != 31 && cut != 32 {
				continue
			}
			p := make(3, 400, 5)
			for range cut {
				p.step(t)
			}
			q := make(3, 400, 5)
			if q.agent.setup.Potential != nil {
				var err error
				c := everySignal().Shaping
				c.Hidden = []int{8}
				if q.agent.setup.Potential, err = signal.NewPotential(c, q.vector.Spec()); err != nil {
					t.Fatal(err)
				}
			}
			if err := restore(q.agent, save(p.agent)); err != nil {
				t.Fatal(err)
			}
			if err := q.vector.RestoreState(p.vector.AppendState(nil)); err != nil {
				t.Fatal(err)
			}
			if err := q.cur.RestoreState(p.cur.AppendState(nil)); err != nil {
				t.Fatal(err)
			}
			// The rows of next that no end has written are stale, and show later.
			if err := q.next.RestoreState(p.next.AppendState(nil)); err != nil {
				t.Fatal(err)
			}
			for k := range 40 {
				if k%13 == 0 && !bytes.Equal(p.everything(), q.everything()) {
					t.Fatalf("%s: cut at step %d, the state differs after %d more", name, cut, k)
				}
				p.step(t)
				q.step(t)
			}
			if !bytes.Equal(p.everything(), q.everything()) || fmt.Sprint(p.metrics) != fmt.Sprint(q.metrics) {
				t.Errorf("%s: cut at step %d, the runs end differently", name, cut)
			}
			for i, x := range p.agent.Actor().Tensors() {
				if !slices.Equal(x, q.agent.Actor().Tensors()[i]) {
					t.Errorf("%s: cut at step %d, the actors differ", name, cut)
				}
			}
		}
	}
}

// The state of an agent with other options is refused by what differs, and no
// bytes at all make it panic.
func TestRestoreRefusesOtherOptions(t *testing.T) {
	all := options(t)
	for name, make := range all {
		p := make(3, 400, 5)
		for range 20 {
			p.step(t)
		}
		saved := save(p.agent)
		for other, make := range all {
			if other == name {
				continue
			}
			if err := restore(make(3, 400, 5).agent, saved); err == nil {
				t.Errorf("%q was restored from %q", other, name)
			}
		}
		q := make(3, 400, 5).agent
		for n := range saved {
			if n >= 600 && n < len(saved)-2000 && n%101 != 0 { // shapes come first, the rollout last
				continue
			}
			if restore(q, saved[:n]) == nil {
				t.Errorf("%s: %d of %d bytes were accepted", name, n, len(saved))
			}
			spoilt := bytes.Clone(saved)
			spoilt[n] ^= 0xff
			_ = restore(q, spoilt)
		}
	}
}

// A state with a number that nothing can act or learn by is refused by name.
func TestRestoreRefusesNaN(t *testing.T) {
	nan := float32(math.NaN())
	for want, spoil := range map[string]func(a *Agent){
		"value.0.B is not finite":                   func(a *Agent) { a.value.Layers[0].B[1] = nan },
		"second moment of policy.1.W is not finite": func(a *Agent) { a.learner.Solver.V[2][0] = nan },
		"average of policy.1.B is not finite":       func(a *Agent) { a.actor.Layers[1].B[0] = nan },
		"normaliser: scale 2":                       func(a *Agent) { a.policy.Input.Scale[2] = -1 },
		"a mean square of -1":                       func(a *Agent) { a.rms.sum = -1 },
	} {
		p := newSignalPlayer(t, small(), everySignal(), fitted(t, "cartpole"), 3, 4000, 5, worlds["cartpole"])
		q := newSignalPlayer(t, small(), everySignal(), fitted(t, "cartpole"), 3, 4000, 5, worlds["cartpole"])
		spoil(p.agent)
		if err := restore(q.agent, save(p.agent)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// No bit depends on the number of processors: rollouts of several chunks.
func TestDeterminismWithOptions(t *testing.T) {
	for name, make := range options(t) {
		run := func(processors int) [32]byte {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
			p := make(70, 70*40, 9)
			p.train(t, 70*40)
			return sha256.Sum256(p.everything())
		}
		if one, two := run(1), run(2); one != two {
			t.Errorf("%s: digests %x and %x at 1 and 2 processors", name, one[:4], two[:4])
		}
	}
}

// Acting, old log-probabilities and training of one rollout see the same
// normaliser: it is the identity in the first, and then stays between updates.
func TestStatisticsChangeAtUpdates(t *testing.T) {
	c := small()
	p := newSignalPlayer(t, c, everySignal(), fitted(t, "cartpole"), 3, 4000, 5, worlds["cartpole"])
	normalizer := func() []float32 {
		n := p.agent.policy.Input
		return append(append([]float32{n.Clip}, n.Mean...), n.Scale...)
	}
	if want := []float32{0, 0, 0, 0, 0, 1, 1, 1, 1}; !slices.Equal(normalizer(), want) {
		t.Errorf("at first the normaliser is %v, want %v", normalizer(), want)
	}
	var rows [][]float32
	before, factor := normalizer(), p.agent.scale.Factor()
	for range 3 * c.RolloutSteps {
		for i := range 3 {
			rows = append(rows, slices.Clone(p.cur.ObsRow(i)))
		}
		if !p.step(t) {
			if !slices.Equal(before, normalizer()) || factor != p.agent.scale.Factor() {
				t.Fatal("a statistic changed within a rollout")
			}
			continue
		}
		if slices.Equal(before, normalizer()) || factor == p.agent.scale.Factor() {
			t.Fatal("a statistic did not change at an update")
		}
		before, factor = normalizer(), p.agent.scale.Factor()
		for j, mean := range p.agent.policy.Input.Mean {
			want := 0.0
			for _, x := range rows {
				want += float64(x[j]) / float64(len(rows))
			}
			if math.Abs(float64(mean)-want) > 1e-5 {
				t.Errorf("mean of feature %d is %v, want %v", j, mean, want)
			}
		}
	}
	// The ratio of the first gradient is exactly 1 all the same.
	c.MinibatchSize, c.Epochs = 48, 1
	q := newSignalPlayer(t, c, everySignal(), fitted(t, "cartpole"), 3, 4000, 5, worlds["cartpole"])
	for range 3 * c.RolloutSteps {
		if q.step(t) && (metric(t, q, "approx_kl") != 0 || metric(t, q, "clip_fraction") != 0) {
			t.Error("the first ratio of an update is not 1")
		}
	}
}

// The rewards that are learned from are the world's times the factor.
func TestRewardsAreScaled(t *testing.T) {
	s := signal.DefaultConfig()
	s.NormalizeReward = true
	p := newSignalPlayer(t, small(), s, nil, 3, 4000, 5, worlds["cartpole"])
	for !p.step(t) {
	}
	factor := p.agent.scale.Factor()
	if factor == 1 {
		t.Fatal("the factor is still 1")
	}
	for range 16 {
		p.observe()
	}
	p.agent.evaluate()
	p.agent.rewardSignal()
	for k, r := range p.agent.rewards {
		if want := float32(factor) * p.agent.rollout.reward[k]; r != want {
			t.Errorf("reward %d is %v, want %v", k, r, want)
		}
	}
}

// The factor is that of the rewards before they are scaled, over all rollouts.
func TestScaleIsOfTheWorldsRewards(t *testing.T) {
	s := signal.DefaultConfig()
	s.NormalizeReward = true
	p := newSignalPlayer(t, small(), s, nil, 3, 4000, 5, worlds["cartpole"])
	want := signal.NewReturnScale(3, p.agent.gamma)
	for range 5 * 16 {
		p.observe()
		want.Add(p.cur.Reward, p.cur.Elapsed, p.cur.Terminated, p.cur.Truncated)
		if m, err := p.agent.Update(); err != nil {
			t.Fatal(err)
		} else if m != nil {
			want.Refresh()
			if got := p.agent.scale.Factor(); got != want.Factor() {
				t.Fatalf("after %d updates the factor is %v, want %v", p.agent.updates, got, want.Factor())
			}
		}
	}
}

// The value loss that the first gradient reports is the mean, by hand, of
// Huber(V − R) under a linear head, of Huber((V − R)/(1 + |V|)) with δ = 1 under
// symexp, of (V − R)² else.
func TestValueLoss(t *testing.T) {
	huber := func(e, delta float64) float64 {
		if math.Abs(e) <= delta {
			return e * e / 2
		}
		return delta * (math.Abs(e) - delta/2)
	}
	for name, x := range map[string]struct {
		head  string
		delta float64
		loss  func(v, r float64) float64
	}{
		"squared": {"linear", 0, func(v, r float64) float64 { return (v - r) * (v - r) }},
		"huber":   {"linear", 3, func(v, r float64) float64 { return huber(v-r, 3) }},
		"symexp":  {"symexp", 3, func(v, r float64) float64 { return huber((v-r)/(1+math.Abs(v)), 1) }},
	} {
		c, s := small(), signal.DefaultConfig()
		c.MinibatchSize, c.Epochs, c.ValueHuber = 48, 1, x.delta
		s.ValueHead = x.head
		p := newSignalPlayer(t, c, s, nil, 3, 4000, 5, func() env.Env { return &flip{} })
		for !p.step(t) {
		}
		want := 0.0
		for k, r := range p.agent.returns {
			want += x.loss(float64(p.agent.values[k]), float64(r)) / float64(len(p.agent.returns))
		}
		if got := metric(t, p, "value_loss"); math.Abs(got-want) > 1e-5*want {
			t.Errorf("%s: value loss %v, want %v", name, got, want)
		}
	}
}

// The actor is one net throughout, has the normaliser of the policy, and is the
// mean of the policies after the updates of the tail.
func TestActorIsTheAverage(t *testing.T) {
	s := signal.DefaultConfig()
	s.NormalizeObservation, s.Average, s.AverageStart = true, signal.AverageTail, 0.5
	const updates = 10
	c := small()
	p := newSignalPlayer(t, c, s, nil, 3, updates*16*3, 5, worlds["cartpole"])
	actor, greedy := p.agent.Actor(), p.agent.Greedy().(*mlp.Greedy)
	var sum []float64
	n := 0
	for k := range updates {
		for !p.step(t) {
		}
		if p.agent.Actor() != actor || greedy.Net != actor || actor.Input != p.agent.policy.Input {
			t.Fatal("the actor moved")
		}
		w := slices.Concat(p.agent.policy.Tensors()...)
		if k+1 > updates/2 {
			if sum == nil {
				sum = make([]float64, len(w))
			}
			n++
			for i := range w {
				sum[i] += float64(w[i])
			}
			for i := range w {
				w[i] = float32(sum[i] / float64(n))
			}
		}
		if !slices.Equal(w, slices.Concat(actor.Tensors()...)) {
			t.Fatalf("after update %d the actor is not the mean of %d policies", k+1, n)
		}
	}
	if n != 5 {
		t.Errorf("%d policies were averaged, want 5", n)
	}
}

// In mode ema the actor moves by 1−d of the way at every gradient step: with one
// minibatch and one epoch, at every update.
func TestActorIsTheMovingAverage(t *testing.T) {
	s := signal.DefaultConfig()
	s.Average, s.AverageDecay = signal.AverageEMA, 0.75
	c := small()
	c.MinibatchSize, c.Epochs = 48, 1
	p := newSignalPlayer(t, c, s, nil, 3, 4000, 5, worlds["cartpole"])
	want := slices.Concat(p.agent.policy.Tensors()...)
	for range 5 {
		for !p.step(t) {
		}
		got := slices.Concat(p.agent.Actor().Tensors()...)
		for i, w := range slices.Concat(p.agent.policy.Tensors()...) {
			want[i] = 0.75*want[i] + 0.25*w
			if math.Abs(float64(got[i]-want[i])) > 1e-6 {
				t.Fatalf("weight %d of the actor is %v, want %v", i, got[i], want[i])
			}
		}
	}
}

// One trunk: the same slices in both nets, and a head of each one's own.
func TestSharedTrunk(t *testing.T) {
	c := small()
	c.SharedTrunk, c.Hidden = true, []int{16, 12}
	p := newPlayer(t, c, 3, 4000, 5, worlds["cartpole"])
	a := p.agent
	if a.policy.Shared(a.value) != 2 || a.value.Out() != 1 || a.policy.Out() != 2 {
		t.Fatalf("%d shared layers, outputs %d and %d", a.policy.Shared(a.value), a.value.Out(), a.policy.Out())
	}
	norm := 0.0
	for _, w := range a.value.Layers[2].W {
		norm += float64(w) * float64(w)
	}
	if math.Abs(norm-mlp.ValueGain) > 1e-6 { // one orthonormal column
		t.Errorf("the value head starts with a squared norm of %v, want %v", norm, mlp.ValueGain)
	}
	want := 0
	for _, x := range a.policy.Tensors() {
		want += len(x)
	}
	want += len(a.value.Layers[2].W) + 1
	got := 0
	for _, m := range a.learner.Solver.M {
		got += len(m)
	}
	if got != want {
		t.Errorf("%d parameters are trained, want %d", got, want)
	}
}

// Every main option by itself still learns the chain: going right, which takes
// bootstrapping over the time limit.
func TestLearnsWithOptions(t *testing.T) {
	for name, change := range map[string]func(c *Config, s *signal.Config){
		"shared trunk": func(c *Config, s *signal.Config) { c.SharedTrunk = true },
		"huber":        func(c *Config, s *signal.Config) { c.ValueHuber = 1 },
		"running":      func(c *Config, s *signal.Config) { c.NormalizeAdvantage = NormalizeRunning },
		"observations": func(c *Config, s *signal.Config) { s.NormalizeObservation = true },
		"rewards":      func(c *Config, s *signal.Config) { s.NormalizeReward = true },
		"symexp":       func(c *Config, s *signal.Config) { s.ValueHead = "symexp" },
		"tail":         func(c *Config, s *signal.Config) { s.Average = signal.AverageTail },
		"ema":          func(c *Config, s *signal.Config) { s.Average, s.AverageDecay = signal.AverageEMA, 0.99 },
		"shaping":      func(c *Config, s *signal.Config) { s.Shaping.Baseline = "first" },
		"all that goes on": func(c *Config, s *signal.Config) {
			*s = everySignal()
			c.SharedTrunk, c.NormalizeAdvantage = true, NormalizeRunning
		},
	} {
		c, s := DefaultConfig(), signal.DefaultConfig()
		c.RolloutSteps, c.MinibatchSize, c.Epochs, c.LearningRate, c.Hidden = 32, 64, 8, 3e-3, []int{32}
		change(&c, &s)
		var potential *signal.Potential
		if s.Shaping.Baseline != "" {
			potential = fitted(t, "chain")
		}
		p := newSignalPlayer(t, c, s, potential, 8, 25000, 11, worlds["chain"])
		p.train(t, 25000)
		step, actions := env.NewTimeStep(1, p.vector.Spec()), make([]int, 1)
		values := make([]float32, 1)
		for i := range toy.ChainStates {
			clear(step.Obs)
			step.Obs[i] = 1
			if p.agent.Greedy().Act(step, actions); actions[0] != toy.ChainRight {
				t.Errorf("%s: action %d in state %d, want %d", name, actions[0], i, toy.ChainRight)
			}
			if s.NormalizeReward || potential != nil {
				continue // other values
			}
			p.agent.valuesOf(step.Obs, values)
			if want := toy.ChainValue(i); math.Abs(float64(values[0])-want) > 0.6 {
				t.Errorf("%s: value of state %d is %v, want %v within 0.6", name, i, values[0], want)
			}
		}
	}
}
