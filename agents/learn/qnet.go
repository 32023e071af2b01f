package learn

import (
	"fmt"

	"mend/agents/mlp"
)

// QNet maps observations to the values of actions, Q(s,a), or to Quantiles
// quantiles of the return after each action. With a Value net it is dueling:
//
//	y_{a,k} = V_k + A_{a,k} − mean_b A_{b,k},  Q(s,a,k) = Head(y_{a,k})
//
// where V has Quantiles outputs and A has Actions·Quantiles, laid out
// [action][quantile]. Value may share its first layers with Advantage. The mean
// is over all actions, legal or not.
//
// Wang et al., arXiv:1511.06581, equation 9.
type QNet struct {
	Advantage, Value *mlp.Net // Value nil: not dueling, y is Advantage's output
	Actions          int
	Quantiles        int // 1: expected value
	Head             Head
}

// Check reports what makes the net unfit to use: sizes that do not fit together,
// a net that is not fit by itself, or quantiles under a head that is not linear:
// the mean over quantiles would then be no function of mean outputs, and no
// chain of layers could act by it.
func (q *QNet) Check() error {
	switch {
	case q.Actions < 1 || q.Quantiles < 1:
		return fmt.Errorf("learn: %d actions and %d quantiles, want at least 1 of each", q.Actions, q.Quantiles)
	case q.Quantiles > 1 && q.Head != LinearHead:
		return fmt.Errorf("learn: %d quantiles under a %v head, want a linear head or 1", q.Quantiles, q.Head)
	}
	if err := q.Advantage.Check(); err != nil {
		return err
	}
	if q.Advantage.Out() != q.Actions*q.Quantiles {
		return fmt.Errorf("learn: %d outputs for %d actions and %d quantiles", q.Advantage.Out(), q.Actions, q.Quantiles)
	}
	if q.Value == nil {
		return nil
	}
	if err := q.Value.Check(); err != nil {
		return err
	}
	switch {
	case q.Value.Out() != q.Quantiles:
		return fmt.Errorf("learn: %d outputs of the value net for %d quantiles", q.Value.Out(), q.Quantiles)
	case q.Value.In() != q.Advantage.In():
		return fmt.Errorf("learn: %d inputs of the value net, %d of the advantage net", q.Value.In(), q.Advantage.In())
	case q.Value.Input != q.Advantage.Input:
		return fmt.Errorf("learn: value and advantage net normalise apart, want one normaliser")
	}
	return nil
}

// QScratch holds one forward pass of a QNet, as mlp.Scratch does of a net.
type QScratch struct {
	trunk, advantage, value mlp.Scratch
	y, out                  []float32
}

// Forward computes Q for a batch of rows: obs is [rows*In], not normalised, the
// result [rows*Actions*Quantiles]. It lies in s and holds until s is used again.
func (q *QNet) Forward(rows int, obs []float32, s *QScratch) []float32 {
	size := rows * q.Actions * q.Quantiles
	out := grow(&s.out, size)
	if q.Value == nil {
		q.Head.Values(out, q.Advantage.Forward(rows, obs, &s.advantage))
		return out
	}
	k := q.Advantage.Shared(q.Value)
	trunk := mlp.Net{Input: q.Advantage.Input, Layers: q.Advantage.Layers[:k]}
	advantage, value := mlp.Net{Layers: q.Advantage.Layers[k:]}, mlp.Net{Layers: q.Value.Layers[k:]}
	h := trunk.Forward(rows, obs, &s.trunk)
	y := grow(&s.y, size)
	q.duel(rows, advantage.Forward(rows, h, &s.advantage), value.Forward(rows, h, &s.value), y)
	q.Head.Values(out, y)
	return out
}

// grow returns the first size elements of *s, made larger where they do not fit.
func grow(s *[]float32, size int) []float32 {
	if cap(*s) < size {
		*s = make([]float32, size)
	}
	return (*s)[:size]
}

// duel joins the outputs of both nets to y, which is laid out like advantage.
func (q *QNet) duel(rows int, advantage, value, y []float32) {
	w := q.Actions * q.Quantiles
	for i := range rows {
		a, v, y := advantage[i*w:(i+1)*w], value[i*q.Quantiles:(i+1)*q.Quantiles], y[i*w:(i+1)*w]
		for k := range v {
			m := q.mean(a, k)
			for j := k; j < w; j += q.Quantiles {
				y[j] = (v[k] - m) + a[j]
			}
		}
	}
}

// mean is mean_b A_{b,k} of one row.
func (q *QNet) mean(a []float32, k int) float32 {
	var sum float32
	for j := k; j < len(a); j += q.Quantiles {
		sum += a[j]
	}
	return sum / float32(q.Actions)
}

// named lists the nets as errors call them.
func (q *QNet) named() []namedNet {
	if q.Value == nil {
		return []namedNet{{"q", q.Advantage}}
	}
	return []namedNet{{"advantage", q.Advantage}, {"value", q.Value}}
}

// Tensors lists the parameters, each once.
func (q *QNet) Tensors() [][]float32 {
	if q.Value == nil {
		return q.Advantage.Tensors()
	}
	return mlp.Tensors(q.Advantage, q.Value)
}

// Clone returns a deep copy, which shares a trunk as q does.
func (q *QNet) Clone() *QNet {
	c := *q
	c.Advantage = q.Advantage.Clone()
	if q.Value != nil {
		c.Value = q.Value.Clone()
		c.Value.Input = c.Advantage.Input
		copy(c.Value.Layers, c.Advantage.Layers[:q.Advantage.Shared(q.Value)])
	}
	return &c
}

// CopyFrom copies weights and normaliser of an equally shaped net. It allocates
// nothing.
func (q *QNet) CopyFrom(from *QNet) {
	if (q.Value == nil) != (from.Value == nil) {
		panic("learn: copy between a dueling net and one that is not")
	}
	q.Advantage.CopyFrom(from.Advantage)
	if q.Value != nil {
		q.Value.CopyFrom(from.Value)
	}
}

// Actor returns a chain of layers whose highest output is that of the highest
// mean over quantiles of Q. Head and value net move all actions alike, so it is
// the advantage net, with the last layer averaged over quantiles. It shares
// nothing with q; see RefreshActor.
func (q *QNet) Actor() *mlp.Net {
	n := q.Advantage.Clone()
	last := &n.Layers[len(n.Layers)-1]
	last.Out = q.Actions
	last.W, last.B = make([]float32, last.In*last.Out), make([]float32, last.Out)
	q.RefreshActor(n)
	return n
}

// RefreshActor brings dst, a result of Actor, up to the weights and normaliser
// of q. It allocates nothing.
func (q *QNet) RefreshActor(dst *mlp.Net) {
	last := len(dst.Layers) - 1
	if last != len(q.Advantage.Layers)-1 {
		panic(fmt.Sprintf("learn: an actor of %d layers for a net of %d", last+1, len(q.Advantage.Layers)))
	}
	hidden, from := mlp.Net{Input: dst.Input, Layers: dst.Layers[:last]}, mlp.Net{Input: q.Advantage.Input, Layers: q.Advantage.Layers[:last]}
	hidden.CopyFrom(&from)
	q.average(dst.Layers[last].W, q.Advantage.Layers[last].W)
	q.average(dst.Layers[last].B, q.Advantage.Layers[last].B)
}

// average writes the means over Quantiles neighbours in x to dst.
func (q *QNet) average(dst, x []float32) {
	if len(x) != len(dst)*q.Quantiles {
		panic(fmt.Sprintf("learn: %d weights of an actor for %d of a net with %d quantiles", len(dst), len(x), q.Quantiles))
	}
	if q.Quantiles == 1 {
		copy(dst, x)
		return
	}
	for i := range dst {
		sum := 0.0
		for _, v := range x[i*q.Quantiles : (i+1)*q.Quantiles] {
			sum += float64(v)
		}
		dst[i] = float32(sum / float64(q.Quantiles))
	}
}
