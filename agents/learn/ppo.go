package learn

import (
	"fmt"

	"mend/agents/mlp"
)

// PPOLoss is the loss of proximal policy optimisation over a minibatch:
//
//	L = L_π + c_v·L_V − c_e·H
//	L_π = −mean min(ρ·A, clip(ρ, 1−ε, 1+ε)·A),  ρ = π(a|s)/π_old(a|s)
//	L_V = mean l(V(s))
//	H   = mean over states of −Σ_legal π log π
//
// where l(V) is the squared error (V − R)², or a Huber loss, or that of
// [SymexpHead]. A value clip c > 0 takes the worse of two predictions,
//
//	max(l(V), l(V_old + clip(V − V_old, −c, c)))
//
// in units of value, with errors on the scale that V sets. Illegal actions have
// probability 0, no gradient and no part in H.
//
// Schulman et al., arXiv:1707.06347, equations 7 and 9; the value clip is
// from OpenAI's baselines.
type PPOLoss struct {
	Clip               float64 // ε
	ValueClip          float64 // c; 0 means none
	ValueCoefficient   float64 // c_v
	EntropyCoefficient float64 // c_e
	ValueHead          Head    // what the value net's output stands for
	ValueHuber         float64 // δ of the Huber loss under a linear head; 0: squared error
}

// PPOBatch is a minibatch of N steps. The slices are the learner's own: fill
// them in place.
type PPOBatch struct {
	N          int
	Obs        []float32 // [N*ObsDim], as the first layers take it: normalised where the nets normalise
	Mask       []bool    // [N*Actions]; nil where the world has no mask
	Action     []int     // [N]
	OldLogProb []float32 // [N], log π_old(a|s), of kernel.LogSoftmax
	OldValue   []float32 // [N], in units of value; used by the value clip
	Advantage  []float32 // [N], A
	Return     []float32 // [N], R, in units of value
}

func newPPOBatch(n, dim, actions int, masked bool) *PPOBatch {
	b := &PPOBatch{
		N: n, Obs: make([]float32, n*dim), Action: make([]int, n),
		OldLogProb: make([]float32, n), OldValue: make([]float32, n),
		Advantage: make([]float32, n), Return: make([]float32, n),
	}
	if masked {
		b.Mask = make([]bool, n*actions)
	}
	return b
}

// rows returns what the loss of a shard reads of the batch, in the same memory.
func (b *PPOBatch) rows(s shard, actions int) *PPOBatch {
	v := &PPOBatch{
		N: s.rows(), Action: b.Action[s.from:s.to],
		OldLogProb: s.of(b.OldLogProb, 1), OldValue: s.of(b.OldValue, 1),
		Advantage: s.of(b.Advantage, 1), Return: s.of(b.Return, 1),
	}
	if b.Mask != nil {
		v.Mask = b.Mask[s.from*actions : s.to*actions]
	}
	return v
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

	trainer trainer[PPOBatch, *ppoLoss]
}

// NewPPO returns a learner that trains policy and value in place; their slices
// must stay. The nets may share a trunk, but not a last layer. masked says
// whether batches carry a mask.
func NewPPO(policy, value *mlp.Net, masked bool, eps, maxNorm float64) *PPO {
	nets := []namedNet{{"policy", policy}, {"value", value}}
	l := &PPO{Policy: policy, Value: value, Solver: newSolver(eps, maxNorm, nets...)}
	dim, actions := policy.In(), policy.Out()
	l.trainer = trainer[PPOBatch, *ppoLoss]{
		solver:    l.Solver,
		makeBatch: func(n int) *PPOBatch { return newPPOBatch(n, dim, actions, masked) },
		makeLosses: func(g *graph, b *PPOBatch) ([]*ppoLoss, error) {
			o, err := g.nets(b.Obs, nets...)
			if err != nil {
				return nil, err
			}
			all, dy := o.gradient()
			var list []*ppoLoss
			for _, s := range g.shards {
				list = append(list, newPPOLoss(b.rows(s, actions), b.N, actions,
					s.of(o.y[0], actions), s.of(o.y[1], 1), s.of(dy[0], actions), s.of(dy[1], 1)))
			}
			return list, g.loss("ppo loss", o, all, func(i int) float64 { return list[i].compute() })
		},
	}
	return l
}

// Tensors lists the parameters, each once, in the order of Solver.
func (l *PPO) Tensors() [][]float32 { return mlp.Tensors(l.Policy, l.Value) }

// Batch returns the buffers for a minibatch of n steps, the same at each call.
// The first call for an n builds its graph.
func (l *PPO) Batch(n int) (*PPOBatch, error) {
	m, err := l.trainer.machine(n)
	if err != nil {
		return nil, err
	}
	return m.batch, nil
}

// Gradient computes loss and gradient at b, a result of Batch, and leaves the
// weights alone.
func (l *PPO) Gradient(b *PPOBatch, loss PPOLoss) (PPOStats, error) {
	m := l.trainer.of(b.N, b)
	width := l.Policy.Out()
	for i, a := range b.Action {
		if a < 0 || a >= width || b.Mask != nil && !b.Mask[i*width+a] {
			panic(fmt.Sprintf("learn: step %d of the batch took action %d of %d, which is not legal", i, a, width))
		}
	}
	for _, p := range m.losses {
		p.PPOLoss = loss
	}
	l.trainer.compute(m)
	var s PPOStats
	for _, p := range m.losses {
		s.PolicyLoss += p.stats.PolicyLoss
		s.ValueLoss += p.stats.ValueLoss
		s.Entropy += p.stats.Entropy
		s.ApproxKL += p.stats.ApproxKL
		s.ClipFraction += p.stats.ClipFraction
	}
	n := float64(b.N)
	s.PolicyLoss /= n
	s.ValueLoss /= n
	s.Entropy /= n
	s.ApproxKL /= n
	s.ClipFraction /= n
	s.Loss = s.PolicyLoss + loss.ValueCoefficient*s.ValueLoss - loss.EntropyCoefficient*s.Entropy
	return s, l.trainer.accept(m,
		measured{"policy loss", s.PolicyLoss}, measured{"value loss", s.ValueLoss}, measured{"entropy", s.Entropy})
}

// Step applies the latest gradient, once. An error names a gradient that is not
// finite; the weights are then what they were.
func (l *PPO) Step() error { return l.trainer.step() }
