package learn

import (
	"fmt"
	"math"
)

// TDLoss is the loss of Q-learning over a minibatch, for targets computed
// beforehand:
//
//	L = mean_i w_i · l(Q(s_i, a_i))
//
// where l is the squared error (Q − T)², a Huber loss, or that of [SymexpHead].
// With K > 1 quantiles of the return it is their quantile Huber loss
//
//	l = Σ_k mean_j |τ_k − [u < 0]| · L_δ(u),  u = T_j − Q_k,  τ_k = (2k+1)/2K
//
// for k from 0. The Huber loss L_δ is u²/2 where |u| ≤ δ, else δ·(|u| − δ/2).
//
// Mnih et al., Nature 518, 2015; quantiles: Dabney et al., arXiv:1710.10044,
// equation 10 and algorithm 1; weights: Schaul et al., arXiv:1511.05952.
type TDLoss struct {
	Huber float64 // δ; 0: squared error; no part in that of SymexpHead
}

// TDBatch is a minibatch of N transitions. The slices are the learner's own:
// fill them in place.
type TDBatch struct {
	N      int
	Obs    []float32 // [N*ObsDim], as the first layer takes it: normalised where the net normalises
	Action []int     // [N]
	Target []float32 // [N*Quantiles], T, in units of value
	Weight []float32 // [N], w: importance weights, 1 without
	// Error is what Gradient found, [N]: |Q − T|, of the means over quantiles,
	// divided by 1 + |Q| under a symexp head. A measure of surprise.
	Error []float32
}

// rows returns what the loss of a shard needs of the batch, in the same memory.
func (b *TDBatch) rows(s shard, quantiles int) *TDBatch {
	return &TDBatch{
		N: s.rows(), Action: b.Action[s.from:s.to], Target: s.of(b.Target, quantiles), Weight: s.of(b.Weight, 1), Error: s.of(b.Error, 1),
	}
}

// TDStats is what one gradient measured.
type TDStats struct {
	Loss     float64 // L
	MeanQ    float64 // mean Q(s_i, a_i), over quantiles too, in units of value
	AbsError float64 // mean of TDBatch.Error
}

// TD takes gradient steps on a Q-network.
type TD struct {
	Q      *QNet
	Solver *Adam

	trainer trainer[TDBatch, *tdLoss]
}

// NewTD returns a learner that trains q in place; its slices must stay. A net
// that is not fit by QNet.Check is a bug and panics.
func NewTD(q *QNet, eps, maxNorm float64) *TD {
	if err := q.Check(); err != nil {
		panic(err.Error())
	}
	nets := q.named()
	dim := q.Advantage.In()
	l := &TD{Q: q, Solver: newSolver(eps, maxNorm, nets...)}
	l.trainer = trainer[TDBatch, *tdLoss]{
		solver: l.Solver,
		makeBatch: func(n int) *TDBatch {
			b := &TDBatch{
				N: n, Obs: make([]float32, n*dim), Action: make([]int, n), Target: make([]float32, n*q.Quantiles),
				Weight: make([]float32, n), Error: make([]float32, n),
			}
			for i := range b.Weight {
				b.Weight[i] = 1
			}
			return b
		},
		makeLosses: func(g *graph, b *TDBatch) ([]*tdLoss, error) {
			o, err := g.nets(b.Obs, nets...)
			if err != nil {
				return nil, err
			}
			all, dy := o.gradient()
			var list []*tdLoss
			for _, s := range g.shards {
				list = append(list, newTDLoss(q, b, s, o.y, dy))
			}
			return list, g.loss("td loss", o, all, func(i int) float64 { return list[i].compute() })
		},
	}
	return l
}

// Batch returns the buffers for a minibatch of n transitions, the same at each
// call. The first call for an n builds its graph and sets all weights to 1.
func (l *TD) Batch(n int) (*TDBatch, error) {
	m, err := l.trainer.machine(n)
	if err != nil {
		return nil, err
	}
	return m.batch, nil
}

// Gradient computes loss and gradient at b, a result of Batch, and leaves the
// weights alone. It fills b.Error.
func (l *TD) Gradient(b *TDBatch, loss TDLoss) (TDStats, error) {
	m := l.trainer.of(b.N, b)
	for i, a := range b.Action {
		if a < 0 || a >= l.Q.Actions {
			panic(fmt.Sprintf("learn: transition %d of the batch took action %d of %d", i, a, l.Q.Actions))
		}
	}
	if l.Q.Quantiles > 1 && !(loss.Huber > 0) {
		panic(fmt.Sprintf("learn: δ is %v for %d quantiles, want above 0", loss.Huber, l.Q.Quantiles))
	}
	for _, p := range m.losses {
		p.criterion = criterion{l.Q.Head, loss.Huber}
	}
	l.trainer.compute(m)
	var s TDStats
	for _, p := range m.losses {
		s.Loss += p.stats.Loss
		s.MeanQ += p.stats.MeanQ
		s.AbsError += p.stats.AbsError
	}
	n := float64(b.N)
	s.Loss /= n
	s.MeanQ /= n
	s.AbsError /= n
	return s, l.trainer.accept(m, measured{"td loss", s.Loss})
}

// Step applies the latest gradient, once. An error names a gradient that is not
// finite; the weights are then what they were.
func (l *TD) Step() error { return l.trainer.step() }

// tdLoss is the loss of one shard, as a sum over its rows, with the gradient of
// the mean over the batch that it belongs to.
type tdLoss struct {
	criterion
	q     *QNet
	batch *TDBatch // the shard's rows
	total float64  // rows of the whole batch

	advantage, value   []float32 // outputs of the nets; value nil: not dueling
	dadvantage, dvalue []float32
	y, taken           []float32 // [N*Quantiles], outputs and values of the actions taken
	slope              []float32 // [Quantiles], at y of the current row
	stats              TDStats   // sums over the rows
}

// newTDLoss returns the loss of shard s of b: y are the outputs of the nets for
// the batch, dy the gradients there.
func newTDLoss(q *QNet, b *TDBatch, s shard, y, dy [][]float32) *tdLoss {
	K, w := q.Quantiles, q.Actions*q.Quantiles
	o := &tdLoss{
		q: q, batch: b.rows(s, K), total: float64(b.N), advantage: s.of(y[0], w), dadvantage: s.of(dy[0], w),
		y: make([]float32, s.rows()*K), taken: make([]float32, s.rows()*K), slope: make([]float32, K),
	}
	if q.Value != nil {
		o.value, o.dvalue = s.of(y[1], K), s.of(dy[1], K)
	}
	return o
}

// compute fills stats, the errors and the gradients, and returns the loss.
func (o *tdLoss) compute() float64 {
	o.stats = TDStats{}
	b, K, w := o.batch, o.q.Quantiles, o.q.Actions*o.q.Quantiles
	for i, action := range b.Action {
		a, y := o.advantage[i*w:(i+1)*w], o.y[i*K:(i+1)*K]
		copy(y, a[action*K:])
		if o.value != nil {
			for k, v := range o.value[i*K : (i+1)*K] {
				y[k] += v - o.q.mean(a, k)
			}
		}
	}
	o.q.Head.Values(o.taken, o.y)
	for i, action := range b.Action {
		taken, target := o.taken[i*K:(i+1)*K], b.Target[i*K:(i+1)*K]
		var loss, q, e float64
		if K == 1 {
			loss, q, e = o.expected(taken[0], target[0])
		} else {
			loss, q, e = o.quantiles(taken, target)
		}
		o.stats.Loss += float64(b.Weight[i]) * loss
		o.stats.MeanQ += q
		o.stats.AbsError += e
		b.Error[i] = float32(e)

		// ∂y_a/∂A_b = [a=b] − 1/Actions where dueling, and ∂y_a/∂V = 1.
		d := o.dadvantage[i*w : (i+1)*w]
		scale := float32(float64(b.Weight[i]) / o.total)
		clear(d)
		for k := range K {
			g := scale * o.slope[k]
			if o.value != nil {
				o.dvalue[i*K+k] = g
				share := g / float32(o.q.Actions)
				for j := k; j < w; j += K {
					d[j] = -share
				}
			}
			d[action*K+k] += g
		}
	}
	return o.stats.Loss / o.total
}

// expected returns the loss of Q, Q and |TD error|, and sets slope.
func (o *tdLoss) expected(taken, target float32) (loss, q, e float64) {
	q = float64(taken)
	e = (q - float64(target)) * o.scale(q)
	loss, slope := o.at(e)
	o.slope[0] = float32(slope)
	return loss, q, math.Abs(e)
}

// quantiles does the same for quantiles of the return. With e = Q − T = −u and
// c = clamp(e, −δ, δ) the Huber loss is c·(e − c/2) and its slope c. As
// |τ − [u < 0]| = ½ + (½ − τ)·sign e, and c has the sign of e, sums over j with
// and without that sign do for every τ.
func (o *tdLoss) quantiles(taken, target []float32) (loss, q, e float64) {
	K, delta := float64(len(taken)), o.delta
	for k, y := range taken {
		y := float64(y)
		q += y
		e += float64(target[k])
		var plain, signed, slope, signedSlope float64
		for _, t := range target {
			e := y - float64(t)
			c := min(max(e, -delta), delta)
			rest, size := e-c/2, math.Abs(c)
			plain += c * rest
			signed += size * rest
			slope += c
			signedSlope += size
		}
		side := 0.5 - (2*float64(k)+1)/(2*K) // ½ − τ_k
		loss += (plain/2 + side*signed) / K
		o.slope[k] = float32((slope/2 + side*signedSlope) / K)
	}
	q /= K
	return loss, q, math.Abs(q - e/K)
}
