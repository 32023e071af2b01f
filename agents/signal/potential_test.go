package signal

import (
	"bytes"
	"context"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"mend/env"
	"mend/env/seed"
	"mend/env/state"
	"mend/env/toy"
)

// always takes one action.
type always int

func (a always) Act(t *env.TimeStep, actions []int) {
	for i := range actions {
		actions[i] = int(a)
	}
}

func vector(t *testing.T, n int, world func() env.Env) *env.Vector {
	t.Helper()
	list := make([]env.Env, n)
	for i := range list {
		list[i] = world()
	}
	v, err := env.NewVector(root, list...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func chain() env.Env      { return toy.NewChain() }
func semiMarkov() env.Env { return toy.NewSemiMarkov() }

func quick() Shaping {
	c := DefaultConfig().Shaping
	c.Steps, c.Epochs, c.MinibatchSize, c.Hidden = 6000, 30, 64, []int{32}
	return c
}

// The values of a fixed policy in worlds that are truncated: the fit has to
// bootstrap at the cut. Always slow in SemiMarkov is worth r + γ⁴·W with
// W = 5.5/(1 − γ⁴), see toy.SemiMarkov; terminating is tested below.
func TestFitAgainstClosedForm(t *testing.T) {
	for _, x := range []struct {
		name    string
		world   func() env.Env
		policy  always
		gamma   float64
		want    func(state int) float64
		states  int
		quality float64
	}{
		{"chain", chain, toy.ChainRight, toy.ChainGamma, toy.ChainValue, toy.ChainStates, 0.99},
		{"semi-Markov", semiMarkov, toy.SemiMarkovSlow, toy.SemiMarkovGamma, func(state int) float64 {
			g4 := math.Pow(toy.SemiMarkovGamma, 4)
			return []float64{3, 8}[state] + g4*5.5/(1-g4)
		}, 2, 0.3},
	} {
		for _, lambda := range []float64{0.5, 1} {
			c := quick()
			c.Lambda = lambda
			p, err := NewPotential(c, x.world().Spec())
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Fit(t.Context(), vector(t, 8, x.world), x.policy, x.gamma, 3); err != nil {
				t.Fatal(err)
			}
			for s := range x.states {
				obs, got := make([]float32, x.states), make([]float32, 1)
				obs[s] = 1
				p.Values(1, obs, got)
				want := x.want(s)
				near(t, x.name, float64(got[0]), want, 0.04*want)
			}
			q := p.Quality()
			if q.Steps != 750 || q.ExplainedVariance < x.quality || q.ExplainedVariance > 1 || !(q.RelativeError < 0.2) {
				t.Errorf("%s: quality %+v", x.name, q)
			}
		}
	}
}

// flip is a world that terminates at once with a reward by what it shows, over
// four orders of magnitude. spoil replaces the reward.
type flip struct {
	face  int
	spoil float32
}

var flipSpec = env.Spec{ID: "flip", Features: make([]env.Feature, 4), Actions: []string{"on"}}

func (f *flip) Spec() *env.Spec { return &flipSpec }
func (f *flip) Reset(s seed.Seed, obs []float32, _ []bool) {
	f.face = seed.Below(s.At(0, 0), 4)
	clear(obs)
	obs[f.face] = 1
}
func (f *flip) Step(_ int, obs []float32, _ []bool) env.Outcome {
	reward := -float32(math.Pow(10, float64(f.face)))
	if f.spoil != 0 {
		reward = f.spoil
	}
	return env.Outcome{Reward: reward, Elapsed: 1, Terminated: true}
}
func (f *flip) AppendState(b []byte) []byte { return b }
func (f *flip) RestoreState([]byte) error   { return nil }

// Values of −1 to −1000 are fitted to a few per cent each, and nothing is
// bootstrapped where an episode terminates.
func TestFitOverOrdersOfMagnitude(t *testing.T) {
	p, err := NewPotential(quick(), &flipSpec)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Fit(t.Context(), vector(t, 4, func() env.Env { return &flip{} }), always(0), 0.99, 3); err != nil {
		t.Fatal(err)
	}
	for face := range 4 {
		obs, got := make([]float32, 4), make([]float32, 1)
		obs[face] = 1
		p.Values(1, obs, got)
		want := -math.Pow(10, float64(face))
		near(t, "value", float64(got[0]), want, 0.04*math.Abs(want))
	}
	if q := p.Quality(); q.ExplainedVariance < 0.99 || q.FittedVariance < 0.99 || q.RelativeError > 0.04 {
		t.Errorf("quality %+v", q)
	}
	// Far from all that it saw, Φ is still one of −1000 to −1.
	for _, x := range []float32{-1e6, 1e6} {
		for face := range 4 {
			obs, got := make([]float32, 4), make([]float32, 1)
			obs[face] = x
			p.Values(1, obs, got)
			if got[0] < -1000 || got[0] > -1 {
				t.Errorf("Φ of %v is %v, want −1000 to −1", obs, got[0])
			}
		}
	}
}

// The quality is that of environments that the fit has not seen: where their
// rewards are others, it is bad, and the fit as good as before.
func TestQualityIsOfOthers(t *testing.T) {
	p, err := NewPotential(quick(), &flipSpec)
	if err != nil {
		t.Fatal(err)
	}
	v, err := env.NewVector(root, &flip{}, &flip{}, &flip{}, &flip{spoil: 5000})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Fit(t.Context(), v, always(0), 0.99, 3); err != nil {
		t.Fatal(err)
	}
	got := make([]float32, 1)
	p.Values(1, []float32{0, 1, 0, 0}, got)
	near(t, "value", float64(got[0]), -10, 0.4)
	if q := p.Quality(); q.RelativeError < 4 || q.FittedVariance < 0.99 || q.ExplainedVariance > 0.5 || q.Steps != 1500 {
		t.Errorf("quality %+v", q)
	}
}

// The targets by their definition, as a sum over the n-step returns:
// G^λ = Σ_n (weights of λ)·G^(n), written out forwards from each step.
func TestReturnsAgainstDefinition(t *testing.T) {
	const gamma, lambda = 0.9, 0.6
	c := quick()
	c.Steps, c.Epochs = 900, 1
	p, err := NewPotential(c, semiMarkov().Spec())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Fit(t.Context(), vector(t, 3, semiMarkov), always(0), gamma, 3); err != nil {
		t.Fatal(err)
	}
	h, err := play(t.Context(), vector(t, 3, semiMarkov), alternate{}, 300)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.returns(p, gamma, lambda); err != nil {
		t.Fatal(err)
	}
	value := func(obs []float32) float64 {
		v := make([]float32, 1)
		p.Values(1, obs, v)
		return float64(v[0])
	}
	ends := 0
	for k := range h.reward {
		// Sum over the steps j from k on of what has not been cut off by λ yet:
		// weight·discount·(r_j + γ^Δ·(1 − λ^Δ)·V), the last with the whole of V.
		want, weight := 0.0, 1.0
		for j := k; ; j += h.envs {
			dt := float64(h.elapsed[j])
			d, l := math.Pow(gamma, dt), math.Pow(lambda, dt)
			var after float64
			last := h.truncated[j] || j+h.envs >= len(h.reward)
			switch {
			case h.truncated[j]:
				n := 0
				for i := range j {
					if h.truncated[i] {
						n++
					}
				}
				after = value(h.final[n*h.dim : (n+1)*h.dim])
				ends++
			case last:
				i := j % h.envs
				after = value(h.next[i*h.dim : (i+1)*h.dim])
			default:
				after = value(h.obs[(j+h.envs)*h.dim : (j+h.envs+1)*h.dim])
			}
			if last {
				want += weight * (float64(h.reward[j]) + d*after)
				break
			}
			want += weight * (float64(h.reward[j]) + d*(1-l)*after)
			weight *= d * l
		}
		near(t, "return", float64(h.target[k]), want, 1e-4)
	}
	if ends == 0 {
		t.Error("no episode was truncated")
	}
}

// alternate goes by the observation, so that steps last 1 and 4.
type alternate struct{}

func (alternate) Act(t *env.TimeStep, actions []int) {
	for i := range actions {
		actions[i] = int(t.ObsRow(i)[1])
	}
}

// Same seed, same bits, whatever the number of processors; another seed, others.
func TestFitIsDeterministic(t *testing.T) {
	c := quick()
	c.Steps, c.Epochs, c.MinibatchSize = 3000, 2, 1000
	fit := func(processors int, s seed.Seed) []byte {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
		p, err := NewPotential(c, chain().Spec())
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Fit(t.Context(), vector(t, 4, chain), always(1), 0.9, s); err != nil {
			t.Fatal(err)
		}
		return state.Append(nil, p.Fields)
	}
	one := fit(1, 3)
	if !bytes.Equal(one, fit(2, 3)) {
		t.Error("1 and 2 processors differ")
	}
	if bytes.Equal(one, fit(2, 4)) {
		t.Error("two seeds agree")
	}
}

func TestFitRefuses(t *testing.T) {
	p, err := NewPotential(quick(), &flipSpec)
	if err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for want, x := range map[string]struct {
		ctx   context.Context
		envs  int
		spoil float32
		gamma float64
	}{
		"1 environment, want at least 2": {t.Context(), 1, 0, 0.9},
		"gamma is 0":                     {t.Context(), 2, 0, 0},
		"not finite":                     {t.Context(), 2, float32(math.NaN()), 0.9},
		"context canceled":               {cancelled, 2, 0, 0.9},
	} {
		err := p.Fit(x.ctx, vector(t, x.envs, func() env.Env { return &flip{spoil: x.spoil} }), always(0), x.gamma, 3)
		if err == nil || !strings.HasPrefix(err.Error(), "signal: fit of the potential: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
		if p.Fitted() {
			t.Errorf("%s, and yet fitted", want)
		}
		if x.ctx == cancelled && !errors.Is(err, context.Canceled) {
			t.Errorf("%v is not context.Canceled", err)
		}
	}
	if err := p.Fit(t.Context(), vector(t, 2, chain), always(0), 0.9, 3); err == nil || !strings.Contains(err.Error(), "Chain-v0 has 5 features") {
		t.Errorf("another world: %v", err)
	}
	bad := quick()
	bad.Epochs = 0
	if _, err := NewPotential(bad, &flipSpec); err == nil || !strings.Contains(err.Error(), "epochs is 0") {
		t.Errorf("0 epochs: %v", err)
	}
}

// Φ of a few rows, as an agent asks while it acts, allocates nothing.
func TestValuesAllocateNothing(t *testing.T) {
	p, err := NewPotential(quick(), &flipSpec)
	if err != nil {
		t.Fatal(err)
	}
	p.fitted = true
	obs, dst := make([]float32, 4*8), make([]float32, 8)
	if n := testing.AllocsPerRun(10, func() { p.Values(8, obs, dst) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
