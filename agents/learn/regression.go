package learn

import "mend/agents/mlp"

// RegressionBatch is a minibatch of N observations with the values that the net
// should have there. The slices are the learner's own: fill them in place.
type RegressionBatch struct {
	N      int
	Obs    []float32 // [N*ObsDim], as the first layer takes it: normalised where the net normalises
	Target []float32 // [N], in units of value
}

// Regression fits a value net by the mean squared error (V − T)², or by the loss
// of [SymexpHead].
type Regression struct {
	Net    *mlp.Net
	Head   Head
	Solver *Adam

	trainer trainer[RegressionBatch, *regressionLoss]
}

// NewRegression returns a learner that trains net, which has one output, in
// place; its slices must stay.
func NewRegression(net *mlp.Net, head Head, eps, maxNorm float64) *Regression {
	named := namedNet{"value", net}
	dim := net.In()
	l := &Regression{Net: net, Head: head, Solver: newSolver(eps, maxNorm, named)}
	l.trainer = trainer[RegressionBatch, *regressionLoss]{
		solver: l.Solver,
		makeBatch: func(n int) *RegressionBatch {
			return &RegressionBatch{N: n, Obs: make([]float32, n*dim), Target: make([]float32, n)}
		},
		makeLosses: func(g *graph, b *RegressionBatch) ([]*regressionLoss, error) {
			o, err := g.nets(b.Obs, named)
			if err != nil {
				return nil, err
			}
			dy, _ := o.gradient()
			var list []*regressionLoss
			for _, s := range g.shards {
				list = append(list, &regressionLoss{
					criterion: criterion{head: head}, total: float64(b.N),
					y: s.of(o.y[0], 1), dy: s.of(dy, 1), target: s.of(b.Target, 1), value: make([]float32, s.rows()),
				})
			}
			return list, g.loss("regression loss", o, dy, func(i int) float64 { return list[i].compute() })
		},
	}
	return l
}

// Batch returns the buffers for a minibatch of n observations, the same at each
// call. The first call for an n builds its graph.
func (l *Regression) Batch(n int) (*RegressionBatch, error) {
	m, err := l.trainer.machine(n)
	if err != nil {
		return nil, err
	}
	return m.batch, nil
}

// Gradient computes the loss and its gradient at b, a result of Batch, and
// leaves the weights alone.
func (l *Regression) Gradient(b *RegressionBatch) (float64, error) {
	m := l.trainer.of(b.N, b)
	l.trainer.compute(m)
	loss := 0.0
	for _, p := range m.losses {
		loss += p.sum
	}
	loss /= float64(b.N)
	return loss, l.trainer.accept(m, measured{"regression loss", loss})
}

// Step applies the latest gradient, once. An error names a gradient that is not
// finite; the weights are then what they were.
func (l *Regression) Step() error { return l.trainer.step() }

// regressionLoss is the loss of one shard.
type regressionLoss struct {
	criterion
	total         float64   // rows of the whole batch
	y, dy, target []float32 // [N]
	value         []float32 // [N], of y
	sum           float64
}

func (o *regressionLoss) compute() float64 {
	o.sum = 0
	o.head.Values(o.value, o.y)
	for i, v := range o.value {
		v := float64(v)
		loss, slope := o.at((v - float64(o.target[i])) * o.scale(v))
		o.sum += loss
		o.dy[i] = float32(slope / o.total)
	}
	return o.sum / o.total
}
