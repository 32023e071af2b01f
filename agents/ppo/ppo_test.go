package ppo

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"mend/agents/learn"
	"mend/agents/mlp"
	"mend/agents/signal"
	"mend/env"
	"mend/env/classic"
	"mend/env/seed"
	"mend/env/state"
	"mend/env/toy"
)

func small() Config {
	c := DefaultConfig()
	c.RolloutSteps, c.MinibatchSize, c.Epochs = 16, 24, 3 // 24 does not divide 16·3
	c.LearningRate, c.LearningRateSchedule = 1e-2, signal.Linear
	c.EntropyCoefficient = 0.02
	c.Hidden = []int{16}
	return c
}

var worlds = map[string]func() env.Env{
	"bandit":     func() env.Env { return toy.NewBandit() },
	"chain":      func() env.Env { return toy.NewChain() },
	"masked":     func() env.Env { return toy.NewMasked() },
	"semimarkov": func() env.Env { return toy.NewSemiMarkov() },
	"cartpole":   func() env.Env { return classic.NewCartPole() },
	"pair":       func() env.Env { return toy.NewPair(0) },
}

func save(a *Agent) []byte { return state.Append(nil, a.Fields) }

func restore(a *Agent, b []byte) error { return state.Restore(b, a.Fields) }

// everything is all that a run depends on: agent, worlds and the latest step.
func (p *player) everything() []byte {
	return p.cur.AppendState(p.vector.AppendState(save(p.agent)))
}

// A run cut at any step, in the middle of a rollout or at its end, and
// continued in fresh objects ends in the same bytes.
func TestResumeAtAnyStep(t *testing.T) {
	for name, world := range worlds {
		for _, cut := range []int{0, 1, 7, 15, 16, 17, 35} {
			const envs, total = 3, 400
			p := newPlayer(t, small(), envs, total, 5, world)
			for range cut {
				p.step(t)
			}
			// The rest of the state is as the train loop would keep it.
			q := newPlayer(t, small(), envs, total, 5, world)
			if err := restore(q.agent, save(p.agent)); err != nil {
				t.Fatal(err)
			}
			if err := q.vector.RestoreState(p.vector.AppendState(nil)); err != nil {
				t.Fatal(err)
			}
			if err := q.cur.RestoreState(p.cur.AppendState(nil)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(p.everything(), q.everything()) {
				t.Fatalf("%s: restored at step %d, the state differs", name, cut)
			}
			for k := range 40 {
				p.step(t)
				q.step(t)
				if k%8 == 7 && !bytes.Equal(p.everything(), q.everything()) {
					t.Fatalf("%s: cut at step %d, the state differs after %d more", name, cut, k+1)
				}
			}
			if fmt.Sprint(p.metrics) != fmt.Sprint(q.metrics) {
				t.Errorf("%s: cut at step %d, metrics are %v, want %v", name, cut, q.metrics, p.metrics)
			}
		}
	}
}

// Between Observe and Update the rollout may be full.
func TestResumeBeforeUpdate(t *testing.T) {
	for name, world := range worlds {
		p := newPlayer(t, small(), 3, 400, 5, world)
		for range 31 {
			p.step(t)
		}
		p.observe()
		q := newPlayer(t, small(), 3, 400, 5, world)
		if err := restore(q.agent, save(p.agent)); err != nil {
			t.Fatal(err)
		}
		for _, a := range []*Agent{p.agent, q.agent} {
			if m, err := a.Update(); m == nil || err != nil {
				t.Fatalf("%s: no update: %v", name, err)
			}
		}
		if !bytes.Equal(save(p.agent), save(q.agent)) {
			t.Errorf("%s: the state differs after the update", name)
		}
	}
}

// Restoring into an agent with a history of its own must leave nothing of it.
func TestRestoreReplacesHistory(t *testing.T) {
	p := newPlayer(t, small(), 3, 400, 5, worlds["chain"])
	q := newPlayer(t, small(), 3, 400, 6, worlds["chain"])
	for range 20 {
		p.step(t)
	}
	for range 47 {
		q.step(t)
	}
	saved := save(p.agent)
	if err := restore(q.agent, saved); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(saved, save(q.agent)) {
		t.Error("restored state differs")
	}
}

func TestRestoreErrors(t *testing.T) {
	p := newPlayer(t, small(), 3, 400, 5, worlds["masked"])
	for range 5 {
		p.step(t)
	}
	saved := save(p.agent)
	other := small()
	other.Hidden = []int{15}
	for want, x := range map[string]struct {
		cfg  Config
		envs int
		b    []byte
	}{
		"policy weights":    {other, 3, saved},
		"3 environments":    {small(), 4, saved},
		"bytes where":       {small(), 3, saved[:len(saved)/2]},
		"1 bytes left over": {small(), 3, append(slices.Clone(saved), 0)},
	} {
		q := newPlayer(t, x.cfg, x.envs, 400, 5, worlds["masked"])
		if err := restore(q.agent, x.b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	for n := range len(saved) {
		if n%97 == 0 || n < 64 || n > len(saved)-64 {
			if err := restore(p.agent, saved[:n]); err == nil {
				t.Fatalf("%d of %d bytes were accepted", n, len(saved))
			}
		}
	}
}

// The bits do not depend on the number of processors.
func TestDeterminism(t *testing.T) {
	run := func(processors int) [32]byte {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
		p := newPlayer(t, small(), 4, 1000, 9, worlds["cartpole"])
		p.train(t, 1000)
		return sha256.Sum256(p.everything())
	}
	a, b, c := run(1), run(2), run(1)
	if a != b || a != c {
		t.Errorf("digests %x, %x, %x at 1, 2, 1 processors", a[:4], b[:4], c[:4])
	}
}

// What Observe was given may be overwritten afterwards.
func TestObserveCopies(t *testing.T) {
	spoil := func(t *env.TimeStep) {
		for i := range t.Obs {
			t.Obs[i], t.FinalObs[i] = 1e6, -1e6
		}
		for i := range t.Reward {
			t.Reward[i], t.Elapsed[i], t.Terminated[i], t.Truncated[i] = 7, 7, true, false
		}
		for i := range t.Mask {
			t.Mask[i] = false
		}
	}
	for name, world := range worlds {
		p := newPlayer(t, small(), 3, 400, 5, world)
		for k := range 15 {
			p.agent.Act(p.cur, p.actions)
			p.vector.Step(p.actions, p.next)
			p.agent.Observe(p.cur, p.actions, p.next)
			before := save(p.agent)
			spoil(p.cur)
			for i := range p.actions {
				p.actions[i] = -9
			}
			if m, err := p.agent.Update(); m != nil || err != nil {
				t.Fatalf("an update after %d of 16 steps: %v, %v", k+1, m, err)
			}
			if !bytes.Equal(before, save(p.agent)) {
				t.Fatalf("%s: the rollout shares memory with the time step", name)
			}
			p.cur, p.next = p.next, p.cur
		}
	}
}

// Values and advantages of a rollout over truncations, recomputed by hand from
// the time steps as they went by.
func TestBootstrapsFromFinalObs(t *testing.T) {
	c := small()
	c.Gamma, c.Lambda = 0.9, 0.7
	for _, name := range []string{"chain", "semimarkov", "cartpole"} {
		const envs = 3
		c.RolloutSteps = 130
		p := newPlayer(t, c, envs, 4000, 5, worlds[name])
		gamma := c.Gamma
		if g := p.vector.Spec().Gamma; g != 0 {
			gamma = g
		}
		type step struct{ delta, decay [envs]float64 }
		var list []step
		value := func(obs []float32) float64 {
			var s mlp.Scratch
			return float64(p.agent.value.Forward(1, obs, &s)[0])
		}
		ends := 0
		for range c.RolloutSteps {
			p.agent.Act(p.cur, p.actions)
			p.vector.Step(p.actions, p.next)
			p.agent.Observe(p.cur, p.actions, p.next)
			var s step
			for i := range envs {
				dt := float64(p.next.Elapsed[i])
				obs := p.next.ObsRow(i)
				if p.next.Ended(i) {
					dim := p.vector.Spec().ObsDim()
					obs = p.next.FinalObs[i*dim : (i+1)*dim]
					ends++
				}
				follows := math.Pow(gamma, dt) * value(obs)
				if p.next.Terminated[i] {
					follows = 0
				}
				s.delta[i] = float64(p.next.Reward[i]) + follows - value(p.cur.ObsRow(i))
				if !p.next.Ended(i) {
					s.decay[i] = math.Pow(gamma*c.Lambda, dt)
				}
			}
			list = append(list, s)
			p.cur, p.next = p.next, p.cur
		}
		if ends == 0 {
			t.Fatalf("%s: no episode ended", name)
		}
		p.agent.evaluate()
		r := p.agent.rollout
		GAE(envs, p.agent.gamma, c.Lambda, r.reward, r.elapsed, p.agent.values[:len(r.reward)], p.agent.nextValues, r.terminated, r.truncated, p.agent.adv)
		var next [envs]float64
		for k := len(list) - 1; k >= 0; k-- {
			for i := range envs {
				next[i] = list[k].delta[i] + list[k].decay[i]*next[i]
				if got := float64(p.agent.adv[k*envs+i]); math.Abs(got-next[i]) > 1e-4 {
					t.Fatalf("%s: advantage of step %d in environment %d is %v, want %v", name, k, i, got, next[i])
				}
			}
		}
	}
}

// A minibatch holds what was recorded, with the log-probability under the mask
// that the action was drawn with.
func TestMinibatch(t *testing.T) {
	for _, name := range []string{"masked", "cartpole"} {
		const envs = 3
		p := newPlayer(t, small(), envs, 4000, 5, worlds[name])
		last := &p.agent.policy.Layers[1]
		for i := range last.W {
			last.W[i] *= 100 // far from uniform
		}
		var obs, logp []float32
		var mask []bool
		for range 16 {
			obs, mask = append(obs, p.cur.Obs...), append(mask, p.cur.Mask...)
			p.observe()
			for i, a := range p.actions {
				var s mlp.Scratch
				out := p.agent.policy.Forward(1, p.next.ObsRow(i), &s)
				var z float64
				for j, x := range out {
					if m := p.next.MaskRow(i); m == nil || m[j] {
						z += math.Exp(float64(x))
					}
				}
				logp = append(logp, float32(float64(out[a])-math.Log(z)))
			}
		}
		p.agent.evaluate()
		for k := range p.agent.adv {
			p.agent.adv[k], p.agent.returns[k] = float32(k), float32(-k)
		}
		rows := []int32{7, 44, 0, 31}
		b, err := p.agent.minibatch(rows)
		if err != nil {
			t.Fatal(err)
		}
		dim, width := p.vector.Spec().ObsDim(), len(p.vector.Spec().Actions)
		var v mlp.Scratch
		values := p.agent.value.Forward(len(obs)/dim, obs, &v)
		for i, row := range rows {
			k := int(row)
			if !slices.Equal(b.Obs[i*dim:(i+1)*dim], obs[k*dim:(k+1)*dim]) {
				t.Errorf("%s: wrong observation in row %d", name, i)
			}
			if mask != nil && !slices.Equal(b.Mask[i*width:(i+1)*width], mask[k*width:(k+1)*width]) {
				t.Errorf("%s: wrong mask in row %d", name, i)
			}
			if d := math.Abs(float64(b.OldLogProb[i] - logp[k])); d > 1e-6 {
				t.Errorf("%s: log-probability %v in row %d, want %v", name, b.OldLogProb[i], i, logp[k])
			}
			if b.OldValue[i] != values[k] || b.Return[i] != float32(-k) || b.Action[i] != int(p.agent.rollout.action[k]) {
				t.Errorf("%s: value %v, return %v, action %d in row %d", name, b.OldValue[i], b.Return[i], b.Action[i], i)
			}
		}
		// (7, 44, 0, 31) less its mean 20.5, over its deviation.
		deviation := math.Sqrt((13.5*13.5 + 23.5*23.5 + 20.5*20.5 + 10.5*10.5) / 3)
		for i, want := range []float64{-13.5, 23.5, -20.5, 10.5} {
			if math.Abs(float64(b.Advantage[i])-want/deviation) > 1e-6 {
				t.Errorf("%s: advantage %v in row %d, want %v", name, b.Advantage[i], i, want/deviation)
			}
		}
		for _, other := range []string{NormalizeNone, NormalizeRunning} {
			p.agent.cfg.NormalizeAdvantage = other
			if _, err := p.agent.minibatch(rows); err != nil {
				t.Fatal(err)
			}
			if want := []float32{7, 44, 0, 31}; !slices.Equal(b.Advantage, want) {
				t.Errorf("%s: advantages normalised %s are %v, want %v", name, other, b.Advantage, want)
			}
		}
	}
}

// The first gradient of an update is taken at the policy that acted: the ratio
// is exactly 1.
func TestFirstRatioIsOne(t *testing.T) {
	c := small()
	c.MinibatchSize, c.Epochs = 48, 1
	for name, world := range worlds {
		p := newPlayer(t, c, 3, 4000, 5, world)
		for range 3 {
			for !p.step(t) {
			}
			if kl, clip := metric(t, p, "approx_kl"), metric(t, p, "clip_fraction"); kl != 0 || clip != 0 {
				t.Errorf("%s: kl %v and clip fraction %v, want 0", name, kl, clip)
			}
		}
	}
}

// Actions are drawn with the probabilities of the softmax, and never where the
// mask forbids.
func TestActSamplesThePolicy(t *testing.T) {
	const n = 60000
	spec := &env.Spec{ID: "test", Features: make([]env.Feature, 1), Actions: []string{"a", "b", "c", "d"}, Masked: true}
	a, err := New(small(), signal.Setup{Spec: spec, Envs: 1, Steps: 100, Seed: 3, Signal: signal.DefaultConfig()})
	if err != nil {
		t.Fatal(err)
	}
	last := &a.policy.Layers[len(a.policy.Layers)-1]
	clear(last.W)
	copy(last.B, []float32{1, 5, -1, 0.5})
	step := env.NewTimeStep(n, spec)
	for i := range n {
		copy(step.MaskRow(i), []bool{true, false, true, true})
	}
	actions := make([]int, n)
	a.Act(step, actions)
	var count [4]float64
	for _, x := range actions {
		count[x]++
	}
	z := math.Exp(1) + math.Exp(-1) + math.Exp(0.5)
	for i, p := range []float64{math.Exp(1) / z, 0, math.Exp(-1) / z, math.Exp(0.5) / z} {
		if d := math.Abs(count[i]/n - p); d > 4*math.Sqrt(p*(1-p)/n) {
			t.Errorf("action %d was drawn with frequency %v, want %v", i, count[i]/n, p)
		}
	}
	if n := testing.AllocsPerRun(5, func() { a.Act(step, actions) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestSample(t *testing.T) {
	prob := []float32{0, 0.5, 0, 0.5, 0}
	for u, want := range map[float64]int{0: 1, 0.49: 1, 0.51: 3, 1 - 1e-16: 3} {
		if got := sample(u, prob); got != want {
			t.Errorf("sample at %v is %d, want %d", u, got, want)
		}
	}
	if got := sample(0.5, []float32{0, float32(math.NaN())}); got != -1 {
		t.Errorf("sample of nothing is %d, want -1", got)
	}
}

// An error names update, epoch, minibatch and tensor, or step and environment,
// and leaves the agent as it was.
func TestNotFinite(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for want, spoil := range map[string]func(p *player){
		"ppo: update 2: reward of step 10 of environment 1 is NaN":        func(p *player) { p.next.Reward[1] = nan },
		"ppo: update 2: observation of step 10 of environment 0 is +Inf":  func(p *player) { p.cur.Obs[0] = inf },
		"ppo: update 2: elapsed time of step 10 of environment 2 is -Inf": func(p *player) { p.next.Elapsed[2] = -inf },
	} {
		p := newSignalPlayer(t, small(), everySignal(), fitted(t, "chain"), 3, 4000, 5, worlds["chain"])
		for !p.step(t) {
		}
		for {
			p.agent.Act(p.cur, p.actions)
			p.vector.Step(p.actions, p.next)
			if p.agent.rollout.length == 9 {
				spoil(p)
			}
			p.agent.Observe(p.cur, p.actions, p.next)
			before := save(p.agent)
			_, err := p.agent.Update()
			if err != nil {
				if err.Error() != want {
					t.Errorf("error %q, want %q", err, want)
				}
				if !bytes.Equal(before, save(p.agent)) {
					t.Error("the failed update changed the agent")
				}
				break
			}
			if p.agent.updates > 1 {
				t.Fatalf("went through, want %q", want)
			}
			p.cur, p.next = p.next, p.cur
		}
	}

	p := newPlayer(t, small(), 3, 4000, 5, worlds["chain"])
	for range 15 {
		p.step(t)
	}
	p.agent.value.Layers[0].B[3] = nan
	p.observe()
	_, err := p.agent.Update()
	if got := fmt.Sprint(err); !strings.HasPrefix(got, "ppo: update 1: epoch 1, minibatch 1: ") || !strings.Contains(got, " is NaN") {
		t.Errorf("error %q", got)
	}
}

// Numbers that no time step shows as they are: a final observation, and what a
// subject is credited with.
func TestNotFiniteLater(t *testing.T) {
	nan := float32(math.NaN())
	spec := &env.Spec{ID: "test", Features: make([]env.Feature, 2), Actions: []string{"a"}}
	r := newRollout(2, 3, spec)
	step := env.NewTimeStep(3, spec)
	step.Truncated[0] = true
	r.add(step, make([]int, 3), step)
	if err := r.check(); err != nil {
		t.Fatal(err)
	}
	step.Truncated[2], step.FinalObs[5] = true, nan
	r.add(step, make([]int, 3), step)
	const want = "final observation of step 2 of environment 2 is NaN"
	if err := r.check(); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}

	sig := signal.DefaultConfig()
	sig.Credit = signal.CreditSubject
	p := newSignalPlayer(t, small(), sig, nil, 3, 4000, 5, worlds["pair"])
	for range 15 {
		p.step(t)
	}
	p.observe()
	p.agent.rollout.chains.reward[7] = nan
	_, err := p.agent.Update()
	if want := "credit of step 3 of environment 1 is NaN"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q", err, want)
	}
}

func TestTensorNames(t *testing.T) {
	for _, x := range []struct {
		shared bool
		count  int // weights, two moments each, averages of the policy
		names  map[int]string
	}{
		{false, 8 + 16 + 4, map[int]string{
			0: "policy.0.W", 3: "policy.1.B", 4: "value.0.W", 8: "first moment of policy.0.W", 15: "second moment of policy.1.B",
			22: "first moment of value.1.B", 24: "average of policy.0.W", 27: "average of policy.1.B",
		}},
		{true, 6 + 12 + 4, map[int]string{
			0: "policy.0.W", 3: "policy.1.B", 4: "value.1.W", 6: "first moment of policy.0.W", 17: "second moment of value.1.B",
			18: "average of policy.0.W",
		}},
	} {
		c := small()
		c.SharedTrunk = x.shared
		p := newSignalPlayer(t, c, everySignal(), fitted(t, "chain"), 3, 4000, 5, worlds["chain"])
		for i, want := range x.names {
			if got := p.agent.tensorName(i); got != want {
				t.Errorf("tensor %d is called %q, want %q", i, got, want)
			}
		}
		if n := len(p.agent.tensors()); n != x.count {
			t.Errorf("%d tensors, want %d", n, x.count)
		}
	}
}

// An update that fails half way takes back the steps it took, whatever is on.
func TestFailedUpdateIsTakenBack(t *testing.T) {
	c := small()
	c.LearningRate, c.MaxGradNorm, c.NormalizeAdvantage = 1e38, 0, NormalizeRunning
	p := newSignalPlayer(t, c, everySignal(), fitted(t, "chain"), 3, 4000, 5, worlds["chain"])
	for range 15 {
		p.step(t)
	}
	p.observe()
	before := save(p.agent)
	_, err := p.agent.Update()
	if err == nil || !strings.Contains(err.Error(), "update 1: epoch 1, minibatch 2: ") {
		t.Fatalf("error %v, want one in the second minibatch", err)
	}
	if !bytes.Equal(before, save(p.agent)) {
		t.Error("the failed update changed the agent")
	}
}

func TestWrongUsePanics(t *testing.T) {
	p := newPlayer(t, small(), 3, 400, 5, worlds["masked"])
	two := env.NewTimeStep(2, p.vector.Spec())
	plain := *p.cur
	plain.Mask = nil
	for want, f := range map[string]func(){
		"2 actions for 3": func() { p.agent.Act(p.cur, make([]int, 2)) },
		"want 3 of each":  func() { p.agent.Observe(two, make([]int, 2), two) },
		"0 masked values": func() { p.agent.Observe(&plain, make([]int, 3), p.cur) },
		"want an Update first": func() {
			for range 17 {
				p.agent.Observe(p.cur, make([]int, 3), p.cur)
			}
		},
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

// Schedules run from the first update to the end of training.
func TestSchedules(t *testing.T) {
	c := small()
	c.MinibatchSize = 48
	p := newPlayer(t, c, 3, 48*4, 5, worlds["bandit"])
	for k := range 6 {
		for !p.step(t) {
		}
		want := 1e-2 * (1 - float64(min(k, 4))/4)
		if m := metric(t, p, "learning_rate"); math.Abs(m-want) > 1e-12 {
			t.Errorf("learning rate of update %d is %v, want %v", k+1, m, want)
		}
	}

	c.Clip, c.ClipSchedule = 0.2, signal.Linear
	c.ValueClip, c.ValueCoefficient, c.ValueHuber = 3, 0.7, 2
	c.EntropyCoefficient, c.EntropyCoefficientFinal = 0.06, 0.01
	sig := signal.DefaultConfig()
	sig.ValueHead = "symexp"
	agent := newSignalPlayer(t, c, sig, nil, 3, 48, 5, worlds["bandit"]).agent
	for fraction, want := range map[float64]learn.PPOLoss{
		0:   {Clip: 0.2, EntropyCoefficient: 0.06},
		0.5: {Clip: 0.1, EntropyCoefficient: 0.035}, // half way
		1:   {Clip: 0, EntropyCoefficient: 0.01},
	} {
		want.ValueClip, want.ValueCoefficient, want.ValueHuber, want.ValueHead = 3, 0.7, 2, learn.SymexpHead
		got := agent.loss(fraction)
		if math.Abs(got.Clip-want.Clip) > 1e-15 || math.Abs(got.EntropyCoefficient-want.EntropyCoefficient) > 1e-15 {
			t.Errorf("loss after %v of the training is %+v, want %+v", fraction, got, want)
		}
		got.Clip, got.EntropyCoefficient = want.Clip, want.EntropyCoefficient
		if got != want {
			t.Errorf("loss after %v of the training is %+v, want %+v", fraction, got, want)
		}
	}
	agent.cfg.ClipSchedule = signal.Constant
	if got := agent.loss(0.9).Clip; got != 0.2 {
		t.Errorf("a constant clip is %v, want 0.2", got)
	}
}

func metric(t testing.TB, p *player, name string) float64 {
	t.Helper()
	for _, m := range p.metrics {
		if m.Name == name {
			return m.Value
		}
	}
	t.Fatalf("no metric %s in %v", name, p.metrics)
	return 0
}

func TestMetrics(t *testing.T) {
	c := small()
	c.TargetKL = 1e-9 // the second minibatch is too far
	p := newPlayer(t, c, 3, 4000, 5, worlds["cartpole"])
	for !p.step(t) {
	}
	var names []string
	for _, m := range p.metrics {
		names = append(names, m.Name)
		if math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
			t.Errorf("%s is %v", m.Name, m.Value)
		}
	}
	if want := []string{"policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction", "explained_variance", "learning_rate", "grad_norm"}; !slices.Equal(names, want) {
		t.Errorf("metrics are %v, want %v", names, want)
	}
	if n := p.agent.learner.Solver.T; n != 1 {
		t.Errorf("%d gradient steps beyond the target divergence, want 1", n)
	}
	if h := metric(t, p, "entropy"); math.Abs(h-math.Ln2) > 0.01 {
		t.Errorf("a fresh policy has entropy %v, want about ln 2", h)
	}
}

// All orders are as frequent: 1000 of each are expected, with a deviation of
// √(6000·1/6·5/6) = 29.
func TestShuffle(t *testing.T) {
	stream := signal.NewStream(3)
	count := map[[3]int32]int{}
	for range 6000 {
		rows := [3]int32{0, 1, 2}
		shuffle(stream, rows[:])
		count[rows]++
	}
	for rows, n := range count {
		if n < 1000-4*29 || n > 1000+4*29 {
			t.Errorf("order %v came %d times of 6000, want about 1000", rows, n)
		}
	}
	if len(count) != 6 {
		t.Errorf("%d orders of 3, want 6", len(count))
	}
}

// Each epoch takes the rollout in an order of its own.
func TestEpochsAreShuffled(t *testing.T) {
	c := small()
	order := func(epochs int) []int32 {
		c.Epochs = epochs
		p := newPlayer(t, c, 3, 4000, 5, worlds["cartpole"])
		for !p.step(t) {
		}
		return p.agent.order
	}
	one, two := order(1), order(2)
	if slices.IsSorted(one) || slices.IsSorted(two) || slices.Equal(one, two) {
		t.Errorf("orders of two epochs are %v and %v, want two random ones", one, two)
	}
	if slices.Sort(two); two[0] != 0 || two[47] != 47 || len(slices.Compact(two)) != 48 {
		t.Errorf("an epoch took %v, want each of 48 once", two)
	}
}

// An update ends before the step whose gradient finds 1.5 times the target. The
// first of two minibatches finds 0, so the second finds twice the mean.
func TestTargetKL(t *testing.T) {
	c := small()
	c.MinibatchSize, c.Epochs = 48, 2
	run := func(target float64) (kl float64, steps uint64) {
		c.TargetKL = target
		p := newPlayer(t, c, 3, 4000, 5, worlds["cartpole"])
		for !p.step(t) {
		}
		return 2 * metric(t, p, "approx_kl"), p.agent.learner.Solver.T
	}
	kl, steps := run(0)
	if !(kl > 0) || steps != 2 {
		t.Fatalf("divergence %v after %d steps without a target, want 2", kl, steps)
	}
	for share, want := range map[float64]uint64{0.999: 1, 1.001: 2} {
		if _, steps := run(share * kl / 1.5); steps != want {
			t.Errorf("%d steps at a target of %v/1.5 of what is found, want %d", steps, share, want)
		}
	}
}

func TestNormalize(t *testing.T) {
	x := []float32{1, 2, 3, 6}
	normalize(x)
	sum, squares := 0.0, 0.0
	for _, v := range x {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	if math.Abs(sum) > 1e-6 || math.Abs(squares/3-1) > 1e-6 {
		t.Errorf("sum %v and squares %v after normalising", sum, squares)
	}
	one := []float32{5}
	if normalize(one); one[0] != 5 {
		t.Errorf("a single advantage became %v", one[0])
	}
	same := []float32{2, 2}
	if normalize(same); same[0] != 0 || same[1] != 0 {
		t.Errorf("equal advantages became %v", same)
	}
}

// By hand: mean squares of 4, then of 1, weigh 0.9·4 to 1; the third element is
// left out, and the bound is 4 roots.
func TestRunningMeanSquare(t *testing.T) {
	var m meanSquare
	rows := []int32{0, 1}
	x := []float32{2, -2, 7}
	m.divide(x, rows, 4)
	if x[2] != 7 || math.Abs(float64(x[0])-1) > 1e-6 || x[1] != -x[0] {
		t.Errorf("first rollout became %v, want ±1 and 7", x)
	}
	x = []float32{1, 1, 7}
	m.divide(x, rows, 4)
	if want := math.Sqrt(1.9 / (0.9*4 + 1)); math.Abs(float64(x[0])-want) > 1e-6 {
		t.Errorf("second rollout became %v, want %v", x, want)
	}
	x = make([]float32, 100)
	x[3] = -1000 // its own root mean square is 100
	rows = rows[:0]
	for k := range x {
		rows = append(rows, int32(k))
	}
	m = meanSquare{}
	if m.divide(x, rows, 4); x[3] != -4 {
		t.Errorf("an advantage of 10 roots became %v, want -4", x[3])
	}
	m.divide(x, nil, 4) // nothing to learn from
	// Without a bound all is kept; without a scale the bound is in units of reward.
	y := []float32{-10, 3, 0.5}
	if m.divide(y, []int32{0, 1, 2}, 0); float64(y[0])/float64(y[1]) > -3.3 {
		t.Errorf("without a bound -10 and 3 became %v", y)
	}
	y = []float32{-10, 3, 7}
	if clip(y, []int32{0, 1}, 1, 4); y[0] != -4 || y[1] != 3 || y[2] != 7 {
		t.Errorf("bounded by 4, -10, 3 and another's 7 became %v", y)
	}
}

func TestExplainedVariance(t *testing.T) {
	a := &Agent{}
	explained := func(values, returns []float32, rows ...int32) float64 {
		a.values, a.returns = values, returns
		return a.explainedVariance(rows)
	}
	r := []float32{1, 2, 3, 100}
	for want, v := range map[float64][]float32{1: {1, 2, 3, 0}, 0: {7, 7, 7, 0}, -3: {3, 2, 1, 0}} {
		if got := explained(v, r, 0, 1, 2); math.Abs(got-want) > 1e-9 {
			t.Errorf("explained variance of %v is %v, want %v", v, got, want)
		}
	}
	if got := explained(r, []float32{4, 4, 4, 5}, 0, 1, 2); got != 0 {
		t.Errorf("explained variance of equal returns is %v, want 0", got)
	}
	if got := explained(r, r); got != 0 {
		t.Errorf("explained variance of nothing is %v, want 0", got)
	}
}

// Each toy world asks for one thing; see package toy. Seconds suffice.
func TestLearnsToyWorlds(t *testing.T) {
	quick := DefaultConfig()
	quick.RolloutSteps, quick.MinibatchSize, quick.Epochs = 32, 64, 8
	quick.LearningRate = 3e-3
	quick.Hidden = []int{32}
	root := seed.Seed(11)

	best := func(t *testing.T, p *player, obs []float32, mask []bool) int {
		t.Helper()
		step := env.NewTimeStep(1, p.vector.Spec())
		copy(step.Obs, obs)
		copy(step.Mask, mask)
		actions := make([]int, 1)
		p.agent.Greedy().Act(step, actions)
		return actions[0]
	}
	hot := func(n, i int) []float32 {
		x := make([]float32, n)
		x[i] = 1
		return x
	}
	t.Run("bandit", func(t *testing.T) {
		p := newPlayer(t, quick, 8, 8000, root, worlds["bandit"])
		p.train(t, 8000)
		n := p.vector.Spec().ObsDim()
		for context := range n {
			if a := best(t, p, hot(n, context), nil); a != toy.BanditBest(context) {
				t.Errorf("action %d in context %d, want %d", a, context, toy.BanditBest(context))
			}
		}
	})
	t.Run("chain", func(t *testing.T) {
		p := newPlayer(t, quick, 8, 30000, root, worlds["chain"])
		p.train(t, 30000)
		var s mlp.Scratch
		for i := range toy.ChainStates {
			if a := best(t, p, hot(toy.ChainStates, i), nil); a != toy.ChainRight {
				t.Errorf("action %d in state %d, want %d", a, i, toy.ChainRight)
			}
			v, want := float64(p.agent.value.Forward(1, hot(toy.ChainStates, i), &s)[0]), toy.ChainValue(i)
			if math.Abs(v-want) > 0.5 {
				t.Errorf("value of state %d is %v, want %v within 0.5", i, v, want)
			}
		}
	})
	t.Run("masked", func(t *testing.T) {
		p := newPlayer(t, quick, 8, 12000, root, worlds["masked"])
		p.train(t, 12000)
		step := env.NewTimeStep(8, p.vector.Spec())
		p.vector.Reset(step)
		actions := make([]int, 8)
		wrong := 0
		for range 200 {
			p.agent.Greedy().Act(step, actions)
			for i, a := range actions {
				if a != toy.MaskedBest(step.MaskRow(i)) {
					wrong++
				}
			}
			p.vector.Step(actions, step)
		}
		if wrong > 0 {
			t.Errorf("%d of 1600 actions are not the best legal one", wrong)
		}
	})
	t.Run("semimarkov", func(t *testing.T) {
		p := newPlayer(t, quick, 8, 40000, root, worlds["semimarkov"])
		if p.agent.gamma != toy.SemiMarkovGamma {
			t.Fatalf("gamma is %v, want the world's %v", p.agent.gamma, toy.SemiMarkovGamma)
		}
		p.train(t, 40000)
		var s mlp.Scratch
		for i := range 2 {
			if a := best(t, p, hot(2, i), nil); a != toy.SemiMarkovBest(i) {
				t.Errorf("action %d in state %d, want %d", a, i, toy.SemiMarkovBest(i))
			}
			// The critic is that of the policy that still explores a little.
			v, want := float64(p.agent.value.Forward(1, hot(2, i), &s)[0]), toy.SemiMarkovValue(i)
			if math.Abs(v-want) > 1 {
				t.Errorf("value of state %d is %v, want %v within 1", i, v, want)
			}
		}
	})
}

func BenchmarkAct(b *testing.B) {
	for _, x := range []struct{ n, dim, actions int }{{1, 64, 16}, {64, 64, 16}, {8, 4, 2}} {
		b.Run(fmt.Sprintf("n=%d,d=%d,a=%d", x.n, x.dim, x.actions), func(b *testing.B) {
			spec := &env.Spec{ID: "bench", Features: make([]env.Feature, x.dim), Actions: make([]string, x.actions)}
			a, err := New(DefaultConfig(), signal.Setup{Spec: spec, Envs: x.n, Steps: 1000, Seed: 1, Signal: signal.DefaultConfig()})
			if err != nil {
				b.Fatal(err)
			}
			step, actions := env.NewTimeStep(x.n, spec), make([]int, x.n)
			r := rand.New(rand.NewPCG(1, 1))
			for i := range step.Obs {
				step.Obs[i] = float32(r.NormFloat64())
			}
			greedy := a.Greedy()
			b.Run("sample", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					a.Act(step, actions)
				}
			})
			b.Run("greedy", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					greedy.Act(step, actions)
				}
			})
		})
	}
}

// An update at the shape of cartpole-ppo.yaml: 8 environments, 32 steps, 20
// epochs of one minibatch of 256.
func BenchmarkUpdate(b *testing.B) {
	p := newPlayer(b, cartPoleConfig(), 8, 1<<40, 1, worlds["cartpole"])
	for range 31 {
		p.step(b)
	}
	p.observe()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.agent.Update(); err != nil {
			b.Fatal(err)
		}
		p.agent.rollout.length = 32 // the same rollout once more
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(b.N)/20, "us/gradient")
}
