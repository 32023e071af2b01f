package learn

import (
	"fmt"
	"math"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mend/agents/mlp"
)

// PPOLoss is the loss of proximal policy optimisation over a minibatch:
//
//	L = L_π + c_v·L_V − c_e·H
//	L_π = −mean min(ρ·A, clip(ρ, 1−ε, 1+ε)·A),  ρ = π(a|s)/π_old(a|s)
//	L_V = mean (V(s) − R)²
//	H   = mean over states of −Σ_legal π log π
//
// and with a value clip c > 0
//
//	L_V = mean max((V − R)², (V_old + clip(V − V_old, −c, c) − R)²)
//
// Illegal actions have probability 0, no gradient and no part in H.
//
// Schulman et al., arXiv:1707.06347, equations 7 and 9; the value clip is
// from OpenAI's baselines, in units of value.
type PPOLoss struct {
	Clip               float64 // ε
	ValueClip          float64 // c; 0 means none
	ValueCoefficient   float64 // c_v
	EntropyCoefficient float64 // c_e
}

// PPOBatch is a minibatch of N steps. The slices are the learner's own: fill
// them in place.
type PPOBatch struct {
	N          int
	Obs        []float32 // [N*ObsDim]
	Mask       []bool    // [N*Actions]; nil where the world has no mask
	Action     []int     // [N]
	OldLogProb []float32 // [N], log π_old(a|s)
	OldValue   []float32 // [N], used by the value clip
	Advantage  []float32 // [N], A
	Return     []float32 // [N], R
}

// PPOStats is what one gradient measured.
type PPOStats struct {
	Loss         float64 // L
	PolicyLoss   float64 // L_π
	ValueLoss    float64 // L_V
	Entropy      float64 // H, in nats
	ApproxKL     float64 // mean (ρ − 1) − log ρ, estimates KL(π_old‖π)
	ClipFraction float64 // share of steps with |ρ − 1| > ε
}

// PPO takes gradient steps on a policy and a value network.
type PPO struct {
	Policy, Value *mlp.Net
	Solver        *Adam

	masked bool
	graphs map[int]*ppoGraph
	latest *ppoGraph // whose gradient Step applies
}

// NewPPO returns a learner that trains policy and value in place; their slices
// must stay. masked says whether batches carry a mask.
func NewPPO(policy, value *mlp.Net, masked bool, eps, maxNorm float64) *PPO {
	var sizes []int
	for _, n := range []*mlp.Net{policy, value} {
		for _, x := range n.Tensors() {
			sizes = append(sizes, len(x))
		}
	}
	return &PPO{
		Policy: policy, Value: value, Solver: NewAdam(0, eps, maxNorm, sizes...),
		masked: masked, graphs: map[int]*ppoGraph{},
	}
}

// Batch returns the buffers for a minibatch of n steps, the same at each call.
// The first call for an n builds its graph.
func (l *PPO) Batch(n int) (*PPOBatch, error) {
	g, ok := l.graphs[n]
	if !ok {
		var err error
		if g, err = l.build(n); err != nil {
			return nil, err
		}
		l.graphs[n] = g
	}
	return g.loss.batch, nil
}

// Gradient computes loss and gradient at b, a result of Batch, and leaves the
// weights alone.
func (l *PPO) Gradient(b *PPOBatch, loss PPOLoss) (PPOStats, error) {
	g := l.graphs[b.N]
	if g == nil || g.loss.batch != b {
		panic(fmt.Sprintf("learn: a batch of %d that Batch did not return", b.N))
	}
	l.latest = nil
	width := l.Policy.Out()
	for i, a := range b.Action {
		if a < 0 || a >= width || b.Mask != nil && !b.Mask[i*width+a] {
			panic(fmt.Sprintf("learn: step %d of the batch took action %d of %d, which is not legal", i, a, width))
		}
	}
	g.loss.PPOLoss = loss
	err := g.run()
	s := g.loss.stats
	for _, x := range []struct {
		name  string
		value float64
	}{{"policy loss", s.PolicyLoss}, {"value loss", s.ValueLoss}, {"entropy", s.Entropy}} {
		if math.IsNaN(x.value) || math.IsInf(x.value, 0) {
			return s, fmt.Errorf("learn: %s is %v", x.name, x.value)
		}
	}
	if err != nil {
		return s, err
	}
	l.latest = g
	return s, nil
}

// Step applies the latest gradient, once.
func (l *PPO) Step() error {
	if l.latest == nil {
		panic("learn: Step without a gradient")
	}
	g := l.latest
	l.latest = nil
	return l.Solver.Step(g.solver)
}

// ppoGraph is the graph of one minibatch size.
type ppoGraph struct {
	*graph
	loss *ppoLossOp
}

func (l *PPO) build(n int) (*ppoGraph, error) {
	dim, width := l.Policy.In(), l.Policy.Out()
	b := &PPOBatch{
		N: n, Obs: make([]float32, n*dim), Action: make([]int, n),
		OldLogProb: make([]float32, n), OldValue: make([]float32, n),
		Advantage: make([]float32, n), Return: make([]float32, n),
	}
	if l.masked {
		b.Mask = make([]bool, n*width)
	}
	g := newGraph()
	x, _ := g.input("obs", b.Obs, n, dim)
	logits, err := g.chain("policy", x, n, l.Policy)
	if err != nil {
		return nil, err
	}
	value, err := g.chain("value", x, n, l.Value)
	if err != nil {
		return nil, err
	}
	o := &ppoLossOp{
		op: g.op("ppo loss", tensor.ScalarShape(), matrix, matrix, hm.Type(scalar)),
		g:  g, batch: b, width: width, logp: make([]float64, width), prob: make([]float64, width),
		dlogits: make([]float32, n*width), dvalue: make([]float32, n),
	}
	loss, err := G.ApplyOp(o, logits, value)
	if err != nil {
		return nil, fmt.Errorf("learn: ppo loss: %w", err)
	}
	if err := g.compile(loss); err != nil {
		return nil, err
	}
	return &ppoGraph{g, o}, nil
}

// ppoLossOp maps logits [N, Actions] and values [N, 1] to the loss, and
// computes the gradient at both on the way.
type ppoLossOp struct {
	op
	PPOLoss
	g               *graph
	batch           *PPOBatch
	width           int
	logp, prob      []float64 // [Actions], of the current row
	dlogits, dvalue []float32
	result          G.F32
	stats           PPOStats
}

func (o *ppoLossOp) DiffWRT(int) []bool { return []bool{true, true} }

func (o *ppoLossOp) SymDiff(in G.Nodes, loss, grad *G.Node) (G.Nodes, error) {
	n := o.batch.N
	dlogits, err := G.ApplyOp(&handOp{o.g.op("dlogits", tensor.Shape{n, o.width}, scalar, scalar, matrix), o.dlogits}, loss, grad)
	if err != nil {
		return nil, err
	}
	dvalue, err := G.ApplyOp(&handOp{o.g.op("dvalue", tensor.Shape{n, 1}, scalar, scalar, matrix), o.dvalue}, loss, grad)
	if err != nil {
		return nil, err
	}
	return G.Nodes{dlogits, dvalue}, nil
}

func (o *ppoLossOp) Do(v ...G.Value) (G.Value, error) {
	b, n := o.batch, float64(o.batch.N)
	logits, value := floats(v[0]), floats(v[1])
	var s PPOStats
	for i := range b.N {
		at := i * o.width
		var mask []bool
		if b.Mask != nil {
			mask = b.Mask[at : at+o.width]
		}
		LogSoftmax(o.logp, logits[at:at+o.width], mask)

		// Both sides of the ratio are rounded alike, so that it is exactly 1
		// while the policy is still the old one.
		action, adv := b.Action[i], float64(b.Advantage[i])
		logRatio := float64(float32(o.logp[action]) - b.OldLogProb[i])
		ratio := math.Exp(logRatio)
		clipped := min(max(ratio, 1-o.Clip), 1+o.Clip)
		free, bounded := ratio*adv, clipped*adv
		dlogp := 0.0 // ∂L/∂log π(a|s)
		if free <= bounded {
			s.PolicyLoss -= free
			dlogp = -free / n
		} else {
			s.PolicyLoss -= bounded
		}
		s.ApproxKL += (ratio - 1) - logRatio
		if math.Abs(ratio-1) > o.Clip {
			s.ClipFraction++
		}

		entropy := 0.0
		for j, lp := range o.logp {
			o.prob[j] = math.Exp(lp)
			if o.prob[j] > 0 { // else 0·∞
				entropy -= o.prob[j] * lp
			}
		}
		s.Entropy += entropy

		// ∂log π(a)/∂x_j = [j=a] − π_j, ∂H/∂x_j = −π_j·(log π_j + H).
		for j, lp := range o.logp {
			d := 0.0
			if p := o.prob[j]; p > 0 {
				d = -dlogp*p + o.EntropyCoefficient/n*p*(lp+entropy)
			}
			if j == action {
				d += dlogp
			}
			o.dlogits[at+j] = float32(d)
		}

		e := float64(value[i]) - float64(b.Return[i])
		de := 1.0 // ∂e/∂V
		if c := o.ValueClip; c > 0 {
			move := float64(value[i]) - float64(b.OldValue[i])
			near := min(max(move, -c), c)
			if e2 := float64(b.OldValue[i]) + near - float64(b.Return[i]); e2*e2 > e*e {
				e = e2
				if move != near {
					de = 0
				}
			}
		}
		s.ValueLoss += e * e
		o.dvalue[i] = float32(2 * o.ValueCoefficient * e * de / n)
	}
	s.PolicyLoss /= n
	s.ValueLoss /= n
	s.Entropy /= n
	s.ApproxKL /= n
	s.ClipFraction /= n
	s.Loss = s.PolicyLoss + o.ValueCoefficient*s.ValueLoss - o.EntropyCoefficient*s.Entropy
	o.stats = s
	o.result = G.F32(s.Loss)
	return &o.result, nil
}
