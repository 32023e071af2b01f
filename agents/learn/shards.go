package learn

import (
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	G "gorgonia.org/gorgonia"

	"mend/agents/kernel"
)

// A batch is cut into shards, a graph each, which run on as many goroutines as
// there are processors. The cut follows from the batch alone, so that no bit of
// a gradient depends on the machine: shards of shardRows, and of more only
// where there would be more than maxShards, so that what a run allocates, which
// is so much for each graph, is bounded.
const (
	shardRows = 512
	maxShards = 16
)

func shardSize(n int) int { return max(shardRows, (n+maxShards-1)/maxShards) }

// machine computes loss and gradient for batches B of one size. L is a shard's
// loss.
type machine[B, L any] struct {
	batch  *B
	losses []L
	graphs []*graph
	params []G.ValueGrad // with the gradient over all shards
}

// trainer is what learners share: the machines by batch size, and the latest
// gradient.
type trainer[B, L any] struct {
	solver *Adam
	// makeBatch makes a batch of n rows, makeLoss adds the nets and the loss of
	// rows from to to.
	makeBatch func(n int) *B
	makeLoss  func(g *graph, b *B, from, to int) (L, error)

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
	m := &machine[B, L]{batch: t.makeBatch(n)}
	size := shardSize(n)
	for from := 0; from < n; from += size {
		to := min(from+size, n)
		g := &graph{ExprGraph: G.NewGraph(), rows: to - from}
		l, err := t.makeLoss(g, m.batch, from, to)
		if err != nil {
			return nil, err
		}
		m.losses, m.graphs = append(m.losses, l), append(m.graphs, g)
	}
	for _, p := range m.graphs[0].params {
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

// compute runs all shards of m and adds up their gradients, in order. accept
// makes the result the latest gradient.
func (t *trainer[B, L]) compute(m *machine[B, L]) {
	t.latest = nil
	runAll(m.graphs)
	for _, g := range m.graphs[1:] {
		for i, p := range g.params {
			kernel.Add(floats(m.graphs[0].params[i].grad), floats(p.grad))
		}
	}
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

// runAll runs every graph, on the calling goroutine and, where there are
// processors for them, on others that end with it. A panic in one of those is
// the caller's.
func runAll(graphs []*graph) {
	workers := min(runtime.GOMAXPROCS(0), len(graphs))
	if workers == 1 {
		for _, g := range graphs {
			g.run()
		}
		return
	}
	var (
		next     atomic.Int64
		wait     sync.WaitGroup
		panicked atomic.Pointer[string]
	)
	work := func() {
		defer func() {
			if r := recover(); r != nil {
				s := fmt.Sprintf("%v\n\n%s", r, debug.Stack())
				panicked.Store(&s)
			}
		}()
		for i := int(next.Add(1)) - 1; i < len(graphs); i = int(next.Add(1)) - 1 {
			graphs[i].run()
		}
	}
	for range workers - 1 {
		wait.Go(work)
	}
	work()
	wait.Wait()
	if s := panicked.Load(); s != nil {
		panic(*s)
	}
}
