package learn

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"
)

// shardRows is the size of a shard: the rows of a batch that one goroutine takes
// at a time. The cut follows from the batch alone, so that no bit of a gradient
// depends on the machine.
const shardRows = 512

// shard is a run of rows of a batch, up to but not including to.
type shard struct{ from, to int }

func (s shard) rows() int { return s.to - s.from }

// of returns the shard's rows of x, which has the given width.
func (s shard) of(x []float32, width int) []float32 {
	return x[s.from*width : s.to*width : s.to*width]
}

func cut(n int) []shard {
	var list []shard
	for from := 0; from < n; from += shardRows {
		list = append(list, shard{from, min(from+shardRows, n)})
	}
	return list
}

// machine computes loss and gradient for batches B of one size. L is a shard's
// loss.
type machine[B, L any] struct {
	batch  *B
	losses []L
	graph  *graph
	params []G.ValueGrad // with the gradient
}

// trainer is what learners share: the machines by batch size, and the latest
// gradient.
type trainer[B, L any] struct {
	solver *Adam
	// makeBatch makes a batch of n rows, makeLosses adds the nets and the loss,
	// of which each shard of the graph has a part.
	makeBatch  func(n int) *B
	makeLosses func(g *graph, b *B) ([]L, error)

	machines map[int]*machine[B, L]
	latest   *machine[B, L] // whose gradient step applies
}

// machine returns the machine for n rows and builds it where it is the first.
func (t *trainer[B, L]) machine(n int) (*machine[B, L], error) {
	if m, ok := t.machines[n]; ok {
		return m, nil
	}
	if n < 1 {
		return nil, fmt.Errorf("learn: a batch of %d rows, want at least 1", n)
	}
	m := &machine[B, L]{batch: t.makeBatch(n), graph: &graph{ExprGraph: G.NewGraph(), rows: n, shards: cut(n)}}
	var err error
	if m.losses, err = t.makeLosses(m.graph, m.batch); err != nil {
		return nil, err
	}
	for _, p := range m.graph.params {
		m.params = append(m.params, p)
	}
	if t.machines == nil {
		t.machines = map[int]*machine[B, L]{}
	}
	t.machines[n] = m
	return m, nil
}

// of returns the machine whose batch b is.
func (t *trainer[B, L]) of(n int, b *B) *machine[B, L] {
	m := t.machines[n]
	if m == nil || m.batch != b {
		panic(fmt.Sprintf("learn: a batch of %d rows that Batch did not return", n))
	}
	return m
}

// step applies the latest gradient, once.
func (t *trainer[B, L]) step() error {
	m := t.latest
	if m == nil {
		panic("learn: Step without a gradient")
	}
	t.latest = nil
	return t.solver.Step(m.params)
}

// compute runs the graph of m. accept makes the result the latest gradient.
func (t *trainer[B, L]) compute(m *machine[B, L]) {
	t.latest = nil
	m.graph.run()
}

// measured is a part of a loss.
type measured struct {
	name  string
	value float64
}

// accept makes the gradient that m has computed the latest, unless what was
// measured with it is not finite.
func (t *trainer[B, L]) accept(m *machine[B, L], parts ...measured) error {
	for _, x := range parts {
		if math.IsNaN(x.value) || math.IsInf(x.value, 0) {
			return fmt.Errorf("learn: %s is %v", x.name, x.value)
		}
	}
	t.latest = m
	return nil
}
