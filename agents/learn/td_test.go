package learn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"mend/agents/mlp"
)

// tdProblem is a learner with one random minibatch.
type tdProblem struct {
	*TD
	batch *TDBatch
	loss  TDLoss
}

// newTDProblem draws a batch whose errors fall on both sides of a Huber loss's δ.
func newTDProblem(t testing.TB, r *rand.Rand, q *QNet, n int, loss TDLoss) *tdProblem {
	t.Helper()
	p := &tdProblem{TD: NewTD(q, 1e-5, 0.5), loss: loss}
	b, err := p.Batch(n)
	if err != nil {
		t.Fatal(err)
	}
	p.batch = b
	for i := range b.Obs {
		b.Obs[i] = float32(r.NormFloat64())
	}
	var s QScratch
	raw := *q
	raw.Advantage = &mlp.Net{Layers: q.Advantage.Layers} // b.Obs is normalised
	values := raw.Forward(n, b.Obs, &s)
	for i := range n {
		b.Action[i] = r.IntN(q.Actions)
		b.Weight[i] = float32(0.2 + r.Float64())
		for k := range q.Quantiles {
			v := values[(i*q.Actions+b.Action[i])*q.Quantiles+k]
			b.Target[i*q.Quantiles+k] = v + float32((1+math.Abs(float64(v)))*r.NormFloat64())
		}
	}
	return p
}

func (p *tdProblem) gradients(t testing.TB) (TDStats, [][]float32) {
	t.Helper()
	s, err := p.Gradient(p.batch, p.loss)
	if err != nil {
		t.Fatal(err)
	}
	return s, gradients(p.trainer.latest)
}

// taken64 is the output for the action taken in row i, one a quantile, before
// the head.
func (p *tdProblem) taken64(i int, w [][]float64) []float64 {
	q, b := p.Q, p.batch
	nets := []*mlp.Net{q.Advantage}
	if q.Value != nil {
		nets = append(nets, q.Value)
	}
	y := nets64(w, b.Obs[i*q.Advantage.In():(i+1)*q.Advantage.In()], nets...)
	out := make([]float64, q.Quantiles)
	for k := range out {
		out[k] = y[0][b.Action[i]*q.Quantiles+k]
		if q.Value != nil {
			mean := 0.0
			for a := range q.Actions {
				mean += y[0][a*q.Quantiles+k] / float64(q.Actions)
			}
			out[k] += y[1][k] - mean
		}
	}
	return out
}

// oracle returns the loss in float64 from its definition. Errors of a symexp
// head are relative to the predictions at the weights as they are now.
func (p *tdProblem) oracle() func(w [][]float64) float64 {
	b, q := p.batch, p.Q
	scale := make([]float64, b.N)
	for i := range scale {
		scale[i] = 1 + math.Abs(symexp64(q.Head, p.taken64(i, widen(q.Tensors()))[0]))
	}
	return func(w [][]float64) float64 {
		var total float64
		for i := range b.N {
			y := p.taken64(i, w)
			target := b.Target[i*q.Quantiles : (i+1)*q.Quantiles]
			var l float64
			if q.Quantiles == 1 {
				l = error64(q.Head, p.loss.Huber, symexp64(q.Head, y[0])-float64(target[0]), scale[i])
			} else {
				for k := range y {
					for _, target := range target {
						tau := (float64(k) + 0.5) / float64(q.Quantiles)
						u := float64(target) - y[k]
						if u < 0 {
							tau = 1 - tau
						}
						l += tau * huber64(p.loss.Huber, u) / float64(q.Quantiles)
					}
				}
			}
			total += float64(b.Weight[i]) * l
		}
		return total / float64(b.N)
	}
}

func newQNet(r *rand.Rand, k trunk, hidden mlp.Activation, dueling bool, dim, actions, quantiles int, head Head) *QNet {
	a, v := newNets(r, k, hidden, dim, actions*quantiles, quantiles)
	q := &QNet{Advantage: a, Actions: actions, Quantiles: quantiles, Head: head}
	if dueling {
		q.Value = v
	}
	return q
}

func TestTDAgainstFiniteDifferences(t *testing.T) {
	for name, c := range map[string]struct {
		loss      TDLoss
		head      Head
		quantiles int
	}{
		"squared":       {TDLoss{}, LinearHead, 1},
		"huber":         {TDLoss{Huber: 0.7}, LinearHead, 1},
		"symexp":        {TDLoss{}, SymexpHead, 1},
		"two quantiles": {TDLoss{Huber: 0.7}, LinearHead, 2},
		"quantiles":     {TDLoss{Huber: 1}, LinearHead, 5},
	} {
		for _, dueling := range []bool{false, true} {
			for _, hidden := range []mlp.Activation{mlp.Tanh, mlp.ReLU} {
				for _, k := range []trunk{separate, first, all} {
					if !dueling && k != separate {
						continue
					}
					r := rand.New(rand.NewPCG(13, 2))
					p := newTDProblem(t, r, newQNet(r, k, hidden, dueling, 3, 4, c.quantiles, c.head), 6, c.loss)
					stats, grads := p.gradients(t)
					what := fmt.Sprint(name, ", dueling ", dueling, ", ", hidden, ", ", k)
					checkLoss(t, what, p.Solver.Names, p.Q.Tensors(), grads, stats.Loss, p.oracle())
				}
			}
		}
	}
}

// biases returns a net of one linear layer whose outputs are its biases.
func biases(b ...float32) *mlp.Net {
	n := mlp.New(mlp.Tanh, 1, len(b))
	copy(n.Layers[0].B, b)
	return n
}

func TestTDLossByHand(t *testing.T) {
	for name, c := range map[string]struct {
		q              *QNet
		loss           TDLoss
		action         int
		target         []float32
		weight         float32
		want           float64 // loss
		meanQ, err     float64
		dbias, dbiasOf []float64 // gradient at the biases: advantage, value
	}{
		"squared: (3−5)² times the weight, slope 2·(−2)": {
			&QNet{Advantage: biases(1, 3), Actions: 2, Quantiles: 1}, TDLoss{}, 1, []float32{5}, 0.5,
			2, 3, 2, []float64{0, -2}, nil},
		"huber inside: 0.5²/2": {
			&QNet{Advantage: biases(1, 3), Actions: 2, Quantiles: 1}, TDLoss{Huber: 1}, 1, []float32{2.5}, 1,
			0.125, 3, 0.5, []float64{0, 0.5}, nil},
		"huber outside: 2 − ½": {
			&QNet{Advantage: biases(1, 3), Actions: 2, Quantiles: 1}, TDLoss{Huber: 1}, 0, []float32{3}, 1,
			1.5, 1, 2, []float64{-1, 0}, nil},
		// y_0 = 10 + 1 − (1+4)/2 = 8.5; half of its slope goes to each advantage.
		"dueling": {
			&QNet{Advantage: biases(1, 4), Value: biases(10), Actions: 2, Quantiles: 1}, TDLoss{Huber: 1}, 0, []float32{8}, 1,
			0.125, 8.5, 0.5, []float64{0.25, -0.25}, []float64{0.5}},
		// V = e^(ln 4) − 1 = 3, error (3−5)/4.
		"symexp": {
			&QNet{Advantage: biases(0, float32(math.Log(4))), Actions: 2, Quantiles: 1, Head: SymexpHead}, TDLoss{}, 1, []float32{5}, 1,
			0.125, 3, 0.5, []float64{0, -0.5}, nil},
		// τ = ¼, ¾; quantiles 1 and 3, targets 2 and 2.5, δ = 1.
		// k=0: u = 1, 1.5: ¼·(½ + 1)/2 = 0.1875, slope −¼·(1 + 1)/2.
		// k=1: u = −1, −½: (1−¾)·(½ + ⅛)/2 = 0.078125, slope ¼·(1 + ½)/2.
		"quantiles": {
			&QNet{Advantage: biases(9, 9, 1, 3), Actions: 2, Quantiles: 2}, TDLoss{Huber: 1}, 1, []float32{2, 2.5}, 1,
			0.265625, 2, 0.25, []float64{0, 0, -0.25, 0.1875}, nil},
	} {
		l := NewTD(c.q, 1e-5, 0)
		b, err := l.Batch(1)
		if err != nil {
			t.Fatal(err)
		}
		b.Action[0], b.Weight[0] = c.action, c.weight
		copy(b.Target, c.target)
		s, err := l.Gradient(b, c.loss)
		if err != nil {
			t.Fatal(err)
		}
		grads := gradients(l.trainer.latest)
		check := func(what string, got, want float64) {
			t.Helper()
			if math.Abs(got-want) > 1e-6 {
				t.Errorf("%s: %s is %v, want %v", name, what, got, want)
			}
		}
		check("loss", s.Loss, c.want)
		check("mean Q", s.MeanQ, c.meanQ)
		check("mean error", s.AbsError, c.err)
		check("error", float64(b.Error[0]), c.err)
		for i, want := range c.dbias {
			check(fmt.Sprintf("gradient of bias %d", i), float64(grads[1][i]), want)
		}
		for i, want := range c.dbiasOf {
			check(fmt.Sprintf("gradient of value bias %d", i), float64(grads[3][i]), want)
		}
	}
}

// The loss sees the same Q, to the bit, as Forward computes for targets.
func TestTDMatchesForward(t *testing.T) {
	for _, k := range []trunk{separate, first, all} {
		for _, quantiles := range []int{1, 3} {
			r := rand.New(rand.NewPCG(17, 3))
			p := newTDProblem(t, r, newQNet(r, k, mlp.ReLU, true, 5, 4, quantiles, LinearHead), 9, TDLoss{Huber: 1})
			var s QScratch
			q := p.Q.Forward(9, p.batch.Obs, &s)
			for i, a := range p.batch.Action {
				copy(p.batch.Target[i*quantiles:], q[(i*4+a)*quantiles:][:quantiles])
			}
			p.gradients(t)
			if slices.ContainsFunc(p.batch.Error, func(e float32) bool { return e != 0 }) {
				t.Errorf("%v, %d quantiles: errors at Forward's own values are %v, want 0", k, quantiles, p.batch.Error)
			}
		}
	}
}

func TestTDRefusals(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 3))
	p := newTDProblem(t, r, newQNet(r, separate, mlp.ReLU, false, 3, 4, 2, LinearHead), 5, TDLoss{Huber: 1})
	mustPanic(t, "quantiles without δ", func() { p.Gradient(p.batch, TDLoss{}) })
	p.batch.Action[1] = 4
	mustPanic(t, "action 4 of 4", func() { p.Gradient(p.batch, p.loss) })
	mustPanic(t, "a symexp head with quantiles", func() {
		NewTD(&QNet{Advantage: biases(1, 2), Actions: 1, Quantiles: 2, Head: SymexpHead}, 1e-5, 0)
	})
	if _, err := p.Batch(0); err == nil || !strings.Contains(err.Error(), "batch of 0 rows") {
		t.Errorf("a batch of no rows gives %v", err)
	}
}
