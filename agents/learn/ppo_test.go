package learn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"mend/agents/kernel"
	"mend/agents/mlp"
)

// ppoProblem is a learner with one random minibatch.
type ppoProblem struct {
	*PPO
	batch *PPOBatch
	loss  PPOLoss
}

func newPPOProblem(t testing.TB, seed uint64, k trunk, n, dim, actions int, hidden mlp.Activation, masked bool, loss PPOLoss) *ppoProblem {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	policy, value := newNets(r, k, hidden, dim, actions, 1)
	p := &ppoProblem{PPO: NewPPO(policy, value, masked, 1e-5, 0.5), loss: loss}
	b, err := p.Batch(n)
	if err != nil {
		t.Fatal(err)
	}
	p.batch = b
	p.fill(r)
	return p
}

// fill draws a batch whose ratios fall on both sides of the clip range, and
// whose errors fall on both sides of a Huber loss's δ.
func (p *ppoProblem) fill(r *rand.Rand) {
	b, width := p.batch, p.Policy.Out()
	for i := range b.Obs {
		b.Obs[i] = float32(r.NormFloat64())
	}
	for i := range b.Mask {
		b.Mask[i] = r.IntN(3) > 0
	}
	for i := range b.N {
		b.Action[i] = r.IntN(width)
		if b.Mask != nil {
			b.Mask[i*width+b.Action[i]] = true
		}
	}
	var s mlp.Scratch
	values := p.Value.Forward(b.N, b.Obs, &s)
	for i, lp := range p.logProbs() {
		v := p.loss.ValueHead.Value(values[i])
		b.OldLogProb[i] = lp + float32(0.3*r.NormFloat64())
		b.OldValue[i] = v + float32(0.3*r.NormFloat64())
		b.Advantage[i] = float32(r.NormFloat64())
		b.Return[i] = v + float32((1+math.Abs(float64(v)))*r.NormFloat64())
	}
}

// logProbs is log π(a|s) of the batch, as acting computes it.
func (p *ppoProblem) logProbs() []float32 {
	b, width := p.batch, p.Policy.Out()
	var s mlp.Scratch
	logits := p.Policy.Forward(b.N, b.Obs, &s)
	logp, prob := make([]float32, len(logits)), make([]float32, len(logits))
	kernel.LogSoftmax(b.N, width, logits, b.Mask, logp, prob)
	out := make([]float32, b.N)
	for i, a := range b.Action {
		out[i] = logp[i*width+a]
	}
	return out
}

// oracle returns the loss in float64 from its definition. Errors of a symexp
// head are relative to the predictions at the weights as they are now.
func (p *ppoProblem) oracle() func(w [][]float64) float64 {
	b, width := p.batch, p.Policy.Out()
	row := func(i int, w [][]float64) [][]float64 {
		return nets64(w, b.Obs[i*p.Policy.In():(i+1)*p.Policy.In()], p.Policy, p.Value)
	}
	scale := make([]float64, b.N)
	for i := range scale {
		scale[i] = 1 + math.Abs(symexp64(p.loss.ValueHead, row(i, widen(p.Tensors()))[1][0]))
	}
	return func(w [][]float64) float64 {
		var total float64
		for i := range b.N {
			y := row(i, w)
			logits, v := y[0], symexp64(p.loss.ValueHead, y[1][0])
			var z float64
			for j, l := range logits {
				if b.Mask == nil || b.Mask[i*width+j] {
					z += math.Exp(l)
				}
			}
			var entropy float64
			for j, l := range logits {
				if b.Mask == nil || b.Mask[i*width+j] {
					q := math.Exp(l) / z
					entropy -= q * math.Log(q)
				}
			}
			ratio := math.Exp(logits[b.Action[i]]) / z / math.Exp(float64(b.OldLogProb[i]))
			adv := float64(b.Advantage[i])
			surrogate := math.Min(ratio*adv, math.Max(math.Min(ratio, 1+p.loss.Clip), 1-p.loss.Clip)*adv)
			e := error64(p.loss.ValueHead, p.loss.ValueHuber, v-float64(b.Return[i]), scale[i])
			if c := p.loss.ValueClip; c > 0 {
				old := float64(b.OldValue[i])
				v = old + math.Max(-c, math.Min(c, v-old))
				e = math.Max(e, error64(p.loss.ValueHead, p.loss.ValueHuber, v-float64(b.Return[i]), scale[i]))
			}
			total += -surrogate + p.loss.ValueCoefficient*e - p.loss.EntropyCoefficient*entropy
		}
		return total / float64(b.N)
	}
}

// gradients runs the graph and copies the gradient of every parameter.
func (p *ppoProblem) gradients(t testing.TB) (PPOStats, [][]float32) {
	t.Helper()
	s, err := p.Gradient(p.batch, p.loss)
	if err != nil {
		t.Fatal(err)
	}
	return s, gradients(p.trainer.latest)
}

var ppoLosses = map[string]PPOLoss{
	"plain":              {Clip: 0.2, ValueCoefficient: 0.5},
	"entropy":            {Clip: 0.2, ValueCoefficient: 0.5, EntropyCoefficient: 0.1},
	"value clip":         {Clip: 0.1, ValueClip: 0.2, ValueCoefficient: 0.7, EntropyCoefficient: 0.02},
	"huber":              {Clip: 0.2, ValueCoefficient: 0.5, ValueHuber: 0.6},
	"huber, value clip":  {Clip: 0.2, ValueClip: 0.2, ValueCoefficient: 0.5, ValueHuber: 0.6},
	"symexp":             {Clip: 0.2, ValueCoefficient: 0.5, EntropyCoefficient: 0.1, ValueHead: SymexpHead},
	"symexp, value clip": {Clip: 0.2, ValueClip: 0.2, ValueCoefficient: 0.5, ValueHead: SymexpHead},
}

func TestPPOAgainstFiniteDifferences(t *testing.T) {
	for name, loss := range ppoLosses {
		for _, masked := range []bool{false, true} {
			for _, hidden := range []mlp.Activation{mlp.Tanh, mlp.ReLU} {
				for _, k := range []trunk{separate, first, all} {
					p := newPPOProblem(t, 11, k, 6, 3, 4, hidden, masked, loss)
					stats, grads := p.gradients(t)
					what := fmt.Sprint(name, ", masked ", masked, ", ", hidden, ", ", k)
					checkLoss(t, what, p.Solver.Names, p.Tensors(), grads, stats.Loss, p.oracle())
				}
			}
		}
	}
}

// One step, two actions, equal logits: π = (½, ½), H = ln 2. With π_old = 0.4 the
// ratio is 1.25; ε = 0.2 bounds it at 1.2.
func TestPPOLossByHand(t *testing.T) {
	policy, value := mlp.New(mlp.Tanh, 1, 2), mlp.New(mlp.Tanh, 1, 1)
	l := NewPPO(policy, value, false, 1e-5, 0)
	b, err := l.Batch(1)
	if err != nil {
		t.Fatal(err)
	}
	b.OldLogProb[0] = float32(math.Log(0.4))
	b.OldValue[0], b.Return[0] = 2, 5
	for name, c := range map[string]struct {
		advantage      float32
		loss           PPOLoss
		policy, value  float64
		dlogit, dvalue float64 // the latter without the coefficient of ½
	}{
		"A > 0 beyond the bound is bounded; (3−5)² = 4, slope 2·(−2)":           {2, PPOLoss{}, -2.4, 4, 0, -4},
		"A < 0 beyond the bound is free: ∂/∂logit = −ρA(1−π) = 1.25":            {-2, PPOLoss{}, 2.5, 4, 1.25, -4},
		"V clipped to 2.5: (2.5−5)² = 6.25 is larger, and flat":                 {2, PPOLoss{ValueClip: 0.5}, -2.4, 6.25, 0, 0},
		"Huber inside δ = 3: 2²/2":                                              {2, PPOLoss{ValueHuber: 3}, -2.4, 2, 0, -2},
		"Huber outside δ = ½: ½·(2 − ¼)":                                        {2, PPOLoss{ValueHuber: 0.5}, -2.4, 0.875, 0, -0.5},
		"symexp: V = 3, relative error −2/4, (½)²/2":                            {2, PPOLoss{ValueHead: SymexpHead}, -2.4, 0.125, 0, -0.5},
		"symexp, V clipped to 2.5: −2.5/4, 0.625²/2 is larger, and flat":        {2, PPOLoss{ValueHead: SymexpHead, ValueClip: 0.5}, -2.4, 0.1953125, 0, 0},
		"symexp, the clip of 1 just reached: error and slope as without a clip": {2, PPOLoss{ValueHead: SymexpHead, ValueClip: 1}, -2.4, 0.125, 0, -0.5},
	} {
		c.loss.Clip, c.loss.ValueCoefficient, c.loss.EntropyCoefficient = 0.2, 0.5, 0.3
		value.Layers[0].B[0] = c.loss.ValueHead.Inverse(3)
		b.Advantage[0] = c.advantage
		s, err := l.Gradient(b, c.loss)
		if err != nil {
			t.Fatal(err)
		}
		o := l.trainer.latest.losses[0]
		for _, x := range []struct {
			name      string
			got, want float64
		}{
			{"policy loss", s.PolicyLoss, c.policy}, {"value loss", s.ValueLoss, c.value}, {"entropy", s.Entropy, math.Ln2},
			{"kl", s.ApproxKL, 0.25 - math.Log(1.25)}, {"clip fraction", s.ClipFraction, 1},
			{"dlogit 0", float64(o.dlogits[0]), c.dlogit}, {"dlogit 1", float64(o.dlogits[1]), -c.dlogit},
			{"dvalue", float64(o.dy[0]), c.dvalue / 2}, {"loss", s.Loss, c.policy + 0.5*c.value - 0.3*math.Ln2},
		} {
			if math.Abs(x.got-x.want) > 1e-6 {
				t.Errorf("%s: %s is %v, want %v", name, x.name, x.got, x.want)
			}
		}
	}
}

// A symexp head that predicts the mean of two returns sits at the zero of the
// gradient: it is not biased.
func TestSymexpIsUnbiased(t *testing.T) {
	value := mlp.New(mlp.Tanh, 1, 1)
	value.Layers[0].B[0] = SymexpHead.Inverse(100)
	l := NewRegression(value, SymexpHead, 1e-5, 0)
	b, err := l.Batch(2)
	if err != nil {
		t.Fatal(err)
	}
	b.Target[0], b.Target[1] = 60, 140
	if _, err := l.Gradient(b); err != nil {
		t.Fatal(err)
	}
	if g := gradients(l.trainer.latest)[1][0]; math.Abs(float64(g)) > 1e-6 {
		t.Errorf("gradient at the mean is %v, want 0", g)
	}
}

// A policy that has not moved has ratio 1 exactly, and illegal logits of any
// size neither count nor get a gradient.
func TestMask(t *testing.T) {
	for _, k := range []trunk{separate, all} {
		p := newPPOProblem(t, 31, k, 16, 4, 5, mlp.Tanh, true, PPOLoss{Clip: 0.2, ValueCoefficient: 0.5, EntropyCoefficient: 0.1})
		last := &p.Policy.Layers[len(p.Policy.Layers)-1]
		for i := range 16 {
			for j := range 5 {
				p.batch.Mask[i*5+j] = j != 2 && (j+i)%4 != 0
			}
			p.batch.Action[i] = 1
			p.batch.Mask[i*5+1] = true
		}
		copy(p.batch.OldLogProb, p.logProbs())
		stats, before := p.gradients(t)
		if stats.ApproxKL != 0 || stats.ClipFraction != 0 {
			t.Errorf("unmoved policy: kl %v, clip fraction %v, want 0", stats.ApproxKL, stats.ClipFraction)
		}
		for i, legal := range p.batch.Mask {
			if d := p.trainer.latest.losses[0].dlogits[i]; !legal && d != 0 {
				t.Errorf("illegal logit %d has gradient %v", i, d)
			}
		}
		for _, b := range []float32{-300, 300, 1e30} {
			last.B[2] = b // action 2 is never legal
			again, after := p.gradients(t)
			if again != stats {
				t.Errorf("an illegal logit of %v changed %v to %v", b, stats, again)
			}
			checkSame(t, fmt.Sprintf("an illegal logit of %v", b), p.Solver.Names, after, before)
		}
	}
}

// A policy that has not moved has ratio exactly 1 too where a batch is cut into
// shards, and where the old log-probabilities were computed row by row.
func TestRatioIsExactlyOne(t *testing.T) {
	p := newPPOProblem(t, 33, separate, shardRows+77, 5, 3, mlp.Tanh, true, ppoLosses["plain"])
	copy(p.batch.OldLogProb, p.logProbs())
	var s mlp.Scratch
	logp, prob := make([]float32, 3), make([]float32, 3)
	for i := 0; i < p.batch.N; i += 7 {
		kernel.LogSoftmax(1, 3, p.Policy.Forward(1, p.batch.Obs[i*5:(i+1)*5], &s), p.batch.Mask[i*3:(i+1)*3], logp, prob)
		p.batch.OldLogProb[i] = logp[p.batch.Action[i]]
	}
	if stats, _ := p.gradients(t); stats.ApproxKL != 0 {
		t.Errorf("kl is %v, want 0", stats.ApproxKL)
	}
}

func TestIllegalActionPanics(t *testing.T) {
	p := newPPOProblem(t, 35, separate, 4, 3, 4, mlp.Tanh, true, ppoLosses["plain"])
	p.batch.Mask[2*4+p.batch.Action[2]] = false
	mustPanic(t, "an illegal action", func() { p.Gradient(p.batch, p.loss) })
	other := *p.batch
	mustPanic(t, "a batch of the caller's", func() { p.Gradient(&other, p.loss) })
}

// The graph's layers and acting give the same bits, with a trunk or without.
func TestForwardMatchesActing(t *testing.T) {
	for _, k := range []trunk{separate, first, all} {
		p := newPPOProblem(t, 41, k, 7, 3, 4, mlp.Tanh, false, ppoLosses["plain"])
		p.gradients(t)
		o := p.trainer.latest.losses[0]
		var s mlp.Scratch
		for _, x := range []struct {
			net *mlp.Net
			got []float32
		}{{p.Policy, o.logits}, {p.Value, o.y}} {
			if want := x.net.Forward(7, p.batch.Obs, &s); !slices.Equal(x.got, want) {
				t.Errorf("%v: graph computes %v, acting %v", k, x.got, want)
			}
			w := x.net.Out()
			for i := range 7 {
				if y := x.net.Forward(1, p.batch.Obs[i*3:(i+1)*3], &s); !slices.Equal(y, x.got[i*w:(i+1)*w]) {
					t.Errorf("%v: row %d alone is %v, in the graph %v", k, i, y, x.got[i*w:(i+1)*w])
				}
			}
		}
	}
}

// Nothing is spent on the gradient at observations.
func TestNoGradientAtObservations(t *testing.T) {
	for _, k := range []trunk{separate, first, all} {
		p := newPPOProblem(t, 43, k, 7, 3, 4, mlp.Tanh, false, ppoLosses["plain"])
		p.gradients(t)
		found := 0
		for _, n := range p.trainer.latest.graph.AllNodes() {
			if o, ok := n.Op().(*op); ok && o.name == "layers gradient" {
				found++
				if len(memory(n)) == 7*3 {
					t.Errorf("%v: %v computes a gradient of the observations' size", k, o)
				}
			}
		}
		if found == 0 {
			t.Errorf("%v: no gradients of layers, nothing was tested", k)
		}
	}
}
