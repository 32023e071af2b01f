package learn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"

	"mend/agents/mlp"
)

// A batch cut into shards has the loss, the statistics and the gradient of the
// batch as one graph, but for rounding.
func TestShardsAgainstOneGraph(t *testing.T) {
	const n = 2*shardRows + 100
	p := newPPOProblem(t, 91, all, n, 5, 4, mlp.Tanh, true, ppoLosses["value clip"])
	stats, grads := p.gradients(t)
	if got := len(p.trainer.latest.graph.shards); got != 3 {
		t.Fatalf("%d shards, want 3", got)
	}
	// The mean over the batch is the mean of batches of one graph each.
	mean := PPOStats{}
	sum := widen(grads)
	for k := range sum {
		clear(sum[k])
	}
	const part = n / 4
	b, err := p.Batch(part)
	if err != nil {
		t.Fatal(err)
	}
	for from := 0; from < n; from += part {
		copy(b.Obs, p.batch.Obs[from*5:])
		copy(b.Mask, p.batch.Mask[from*4:])
		copy(b.Action, p.batch.Action[from:])
		copy(b.OldLogProb, p.batch.OldLogProb[from:])
		copy(b.OldValue, p.batch.OldValue[from:])
		copy(b.Advantage, p.batch.Advantage[from:])
		copy(b.Return, p.batch.Return[from:])
		s, err := p.Gradient(b, p.loss)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.trainer.latest.graph.shards) != 1 {
			t.Fatalf("%d shards for %d rows, want 1", len(p.trainer.latest.graph.shards), part)
		}
		for k, g := range gradients(p.trainer.latest) {
			for i, x := range g {
				sum[k][i] += float64(x) / 4
			}
		}
		mean.Loss += s.Loss / 4
		mean.PolicyLoss += s.PolicyLoss / 4
		mean.ValueLoss += s.ValueLoss / 4
		mean.Entropy += s.Entropy / 4
		mean.ApproxKL += s.ApproxKL / 4
		mean.ClipFraction += s.ClipFraction / 4
	}
	for _, x := range [][2]float64{
		{stats.Loss, mean.Loss}, {stats.PolicyLoss, mean.PolicyLoss}, {stats.ValueLoss, mean.ValueLoss},
		{stats.Entropy, mean.Entropy}, {stats.ApproxKL, mean.ApproxKL}, {stats.ClipFraction, mean.ClipFraction},
	} {
		if math.Abs(x[0]-x[1]) > 1e-9 {
			t.Errorf("statistics are %+v, want %+v", stats, mean)
			break
		}
	}
	for k := range sum {
		for i, want := range sum[k] {
			if math.Abs(float64(grads[k][i])-want) > 1e-6 {
				t.Fatalf("gradient %d of %s is %v, want %v", i, p.Solver.Names[k], grads[k][i], want)
			}
		}
	}
}

// training takes some steps on a batch of several shards and returns weights and
// errors.
func training(t *testing.T) [][]float32 {
	p := newPPOProblem(t, 93, all, 3*shardRows+11, 5, 4, mlp.Tanh, true, ppoLosses["value clip"])
	r := rand.New(rand.NewPCG(94, 1))
	q := newTDProblem(t, r, newQNet(r, first, mlp.ReLU, true, 5, 4, 3, LinearHead), 2*shardRows+3, TDLoss{Huber: 1})
	p.Solver.LR, q.Solver.LR = 1e-2, 1e-2
	var stats []float32
	for range 5 {
		s, err := p.Gradient(p.batch, p.loss)
		if err != nil {
			t.Fatal(err)
		}
		s2, err := q.Gradient(q.batch, q.loss)
		if err != nil {
			t.Fatal(err)
		}
		stats = append(stats, float32(s.Loss), float32(s2.Loss))
		if err := p.Step(); err != nil {
			t.Fatal(err)
		}
		if err := q.Step(); err != nil {
			t.Fatal(err)
		}
	}
	return cloneAll(slices.Concat(p.Tensors(), q.Q.Tensors(), [][]float32{q.batch.Error, stats}))
}

// The number of processors does not change a bit, and neither does running again.
func TestSameBitsOnAnyProcessors(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	want := training(t)
	for _, procs := range []int{1, 2, 4} {
		runtime.GOMAXPROCS(procs)
		checkSame(t, fmt.Sprintf("%d processors", procs), make([]string, len(want)), training(t), want)
	}
}

// Runs repeat to the bit: nothing accumulates, nothing is overwritten.
func TestRunsDoNotAccumulate(t *testing.T) {
	for _, n := range []int{8, shardRows + 8} {
		p := newPPOProblem(t, 51, all, n, 3, 4, mlp.Tanh, true, ppoLosses["value clip"])
		obs := slices.Clone(p.batch.Obs)
		s, first := p.gradients(t)
		for range 3 {
			again, g := p.gradients(t)
			if again != s {
				t.Fatalf("stats changed from %v to %v", s, again)
			}
			checkSame(t, "another run", p.Solver.Names, g, first)
		}
		if !slices.Equal(obs, p.batch.Obs) {
			t.Error("a run changed its input")
		}
	}
}

// A panic in a shard reaches the caller of Gradient, whichever goroutine ran it,
// and workers end.
func TestPanicsReachTheCaller(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	for _, n := range []int{8, 3*shardRows + 8} {
		p := newPPOProblem(t, 95, separate, n, 3, 4, mlp.Tanh, true, ppoLosses["plain"])
		p.gradients(t)
		before := runtime.NumGoroutine()
		loss := p.trainer.latest.losses[len(p.trainer.latest.losses)-1]
		action := loss.batch.Action
		loss.batch.Action = action[:0]
		func() {
			defer func() {
				if r := fmt.Sprint(recover()); !strings.Contains(r, "index out of range") || n > shardRows && !strings.Contains(r, "ppoloss.go") {
					t.Errorf("%d rows: panic is %.200q, want the op's, with its stack", n, r)
				}
			}()
			p.Gradient(p.batch, p.loss)
		}()
		mustPanic(t, "Step after a panic", func() { p.Step() })
		loss.batch.Action = action
		p.gradients(t) // still works
		waitFor(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= before })
	}
}

// A machine for the whole graph, with the nodes that only hand out what others
// compute, fills the same gradients as the program that leaves them out.
func TestAgainstWholeGraph(t *testing.T) {
	for _, k := range []trunk{separate, first, all} {
		p := newPPOProblem(t, 97, k, 9, 3, 4, mlp.Tanh, true, ppoLosses["value clip"])
		stats, want := p.gradients(t)
		m := p.trainer.latest
		m.losses[0].stats = PPOStats{}
		for _, x := range m.graph.params {
			g := floats(x.grad)
			for i := range g {
				g[i] = float32(math.NaN())
			}
		}
		vm := G.NewTapeMachine(m.graph.ExprGraph)
		runtime.SetFinalizer(vm, nil) // it would never be collected
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		checkSame(t, k.String(), p.Solver.Names, gradients(m), want)
		if got := m.losses[0].stats.Entropy / 9; got != stats.Entropy {
			t.Errorf("%v: entropy is %v, want %v", k, got, stats.Entropy)
		}
	}
}

// What a step allocates is gorgonia's book-keeping of one run and the goroutines
// of two processors: it does not grow with the batch.
func TestAllocations(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	count := func(k trunk, n int) (allocs, bytes uint64) {
		p := newPPOProblem(t, 91, k, n, 8, 4, mlp.Tanh, true, ppoLosses["entropy"])
		r := rand.New(rand.NewPCG(2, 2))
		q := newTDProblem(t, r, newQNet(r, k, mlp.ReLU, true, 8, 4, 3, LinearHead), n, TDLoss{Huber: 1})
		v := NewRegression(p.Value, SymexpHead, 1e-5, 0)
		b, err := v.Batch(n)
		if err != nil {
			t.Fatal(err)
		}
		steps := func(runs int) {
			for range runs {
				p.step(t)
				q.step(t)
				if _, err := v.Gradient(b); err != nil {
					t.Fatal(err)
				}
				if err := v.Step(); err != nil {
					t.Fatal(err)
				}
			}
		}
		const runs = 50
		steps(2)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		steps(runs)
		runtime.ReadMemStats(&after)
		return (after.Mallocs - before.Mallocs) / runs, (after.TotalAlloc - before.TotalAlloc) / runs
	}
	for _, k := range []trunk{separate, all} {
		one, size := count(k, 8)
		for _, rows := range []int{shardRows, 2 * shardRows, 20 * shardRows} {
			more, room := uint64(0), size/10
			if rows > shardRows {
				// A closure, its variables and a goroutine, which may be a new one,
				// at up to five nodes of each of the three learners.
				more, room = 3*5*8, 3*5*1000
			}
			if n, bytes := count(k, rows); n > one+more || bytes > size+room {
				t.Errorf("%v: %d allocations of %d bytes in steps of %d rows, %d of %d with 8", k, n, bytes, rows, one, size)
			}
		}
	}
}

func (p *ppoProblem) step(t *testing.T) {
	if _, err := p.Gradient(p.batch, p.loss); err != nil {
		t.Fatal(err)
	}
	if err := p.Step(); err != nil {
		t.Fatal(err)
	}
}

func (p *tdProblem) step(t *testing.T) {
	if _, err := p.Gradient(p.batch, p.loss); err != nil {
		t.Fatal(err)
	}
	if err := p.Step(); err != nil {
		t.Fatal(err)
	}
}

// Dropped learners are collected: the finalizer that would keep them is gone.
func TestMachinesAreCollected(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	make50 := func() {
		for i := range 50 {
			p := newPPOProblem(t, uint64(i), all, 64, 16, 4, mlp.Tanh, false, ppoLosses["plain"])
			p.gradients(t)
		}
	}
	make50()
	before := heap()
	make50()
	if after := heap(); after > before+1<<20 {
		t.Errorf("heap grew from %d to %d bytes over 50 dropped learners", before, after)
	}
}
