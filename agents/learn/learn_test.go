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
	"gorgonia.org/tensor"

	"mend/agents/mlp"
	"mend/env/state"
)

// problem is a learner with one random minibatch.
type problem struct {
	*PPO
	batch *PPOBatch
	loss  PPOLoss
}

func newProblem(t testing.TB, seed uint64, n, dim, actions int, hidden mlp.Activation, masked bool, loss PPOLoss) *problem {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	policy, value := mlp.New(hidden, dim, 9, 7, actions), mlp.New(hidden, dim, 8, 1)
	policy.Orthogonal(r, mlp.HiddenGain, 1)
	value.Orthogonal(r, mlp.HiddenGain, 1)
	for _, x := range append(policy.Tensors(), value.Tensors()...) {
		for i := range x {
			x[i] += float32(0.1 * r.NormFloat64())
		}
	}
	p := &problem{PPO: NewPPO(policy, value, masked, 1e-5, 0.5), loss: loss}
	b, err := p.Batch(n)
	if err != nil {
		t.Fatal(err)
	}
	p.batch = b
	p.fill(r)
	return p
}

// fill draws a batch whose ratios fall on both sides of the clip range.
func (p *problem) fill(r *rand.Rand) {
	b, width := p.batch, p.Policy.Out()
	for i := range b.Obs {
		b.Obs[i] = float32(r.NormFloat64())
	}
	for i := range b.Mask {
		b.Mask[i] = r.IntN(3) > 0
	}
	var s, s2 mlp.Scratch
	logits, values := p.Policy.Forward(b.N, b.Obs, &s), p.Value.Forward(b.N, b.Obs, &s2)
	lp := make([]float64, width)
	for i := range b.N {
		b.Action[i] = r.IntN(width)
		var mask []bool
		if b.Mask != nil {
			mask = b.Mask[i*width : (i+1)*width]
			mask[b.Action[i]] = true
		}
		LogSoftmax(lp, logits[i*width:(i+1)*width], mask)
		b.OldLogProb[i] = float32(lp[b.Action[i]] + 0.3*r.NormFloat64())
		b.OldValue[i] = values[i] + float32(0.3*r.NormFloat64())
		b.Advantage[i] = float32(r.NormFloat64())
		b.Return[i] = float32(r.NormFloat64())
	}
}

// loss64 is the loss in float64 from its definition, sharing nothing with the
// op: the oracle of finite differences.
func (p *problem) loss64(policy, value [][]float64) float64 {
	b, width := p.batch, p.Policy.Out()
	var total float64
	for i := range b.N {
		x := b.Obs[i*p.Policy.In() : (i+1)*p.Policy.In()]
		logits := net64(p.Policy, policy, x)
		v := net64(p.Value, value, x)[0]
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
		e := v - float64(b.Return[i])
		errors := e * e
		if c := p.loss.ValueClip; c > 0 {
			old := float64(b.OldValue[i])
			e = old + math.Max(-c, math.Min(c, v-old)) - float64(b.Return[i])
			errors = math.Max(errors, e*e)
		}
		total += -surrogate + p.loss.ValueCoefficient*errors - p.loss.EntropyCoefficient*entropy
	}
	return total / float64(b.N)
}

func net64(n *mlp.Net, w [][]float64, x []float32) []float64 {
	v := make([]float64, len(x))
	for i := range x {
		v[i] = float64(x[i])
	}
	for k, l := range n.Layers {
		y := slices.Clone(w[2*k+1])
		for i := range v {
			for j := range y {
				y[j] += v[i] * w[2*k][i*l.Out+j]
			}
		}
		for j := range y {
			switch l.Activation {
			case mlp.Tanh:
				y[j] = math.Tanh(y[j])
			case mlp.ReLU:
				y[j] = math.Max(0, y[j])
			}
		}
		v = y
	}
	return v
}

func widen(list [][]float32) [][]float64 {
	out := make([][]float64, len(list))
	for i, x := range list {
		for _, v := range x {
			out[i] = append(out[i], float64(v))
		}
	}
	return out
}

// gradients runs the graph and copies the gradient of every parameter.
func (p *problem) gradients(t testing.TB) (PPOStats, [][]float32) {
	t.Helper()
	s, err := p.Gradient(p.batch, p.loss)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]float32
	for _, x := range p.graphs[p.batch.N].params {
		out = append(out, slices.Clone(floats(x.grad)))
	}
	return s, out
}

var losses = map[string]PPOLoss{
	"plain":      {Clip: 0.2, ValueCoefficient: 0.5},
	"entropy":    {Clip: 0.2, ValueCoefficient: 0.5, EntropyCoefficient: 0.1},
	"value clip": {Clip: 0.1, ValueClip: 0.2, ValueCoefficient: 0.7, EntropyCoefficient: 0.02},
}

func TestGradientAgainstFiniteDifferences(t *testing.T) {
	for name, loss := range losses {
		for _, masked := range []bool{false, true} {
			for _, hidden := range []mlp.Activation{mlp.Tanh, mlp.ReLU} {
				for _, n := range []int{1, 6} {
					p := newProblem(t, 11, n, 3, 4, hidden, masked, loss)
					stats, grads := p.gradients(t)
					policy, value := widen(p.Policy.Tensors()), widen(p.Value.Tensors())
					if want := p.loss64(policy, value); math.Abs(stats.Loss-want) > 2e-6 {
						t.Errorf("%s: loss is %v, want %v", name, stats.Loss, want)
					}
					const h = 1e-6
					for k, x := range append(policy, value...) {
						for i := range x {
							at := x[i]
							x[i] = at + h
							up := p.loss64(policy, value)
							x[i] = at - h
							down := p.loss64(policy, value)
							x[i] = at
							want := (up - down) / (2 * h)
							if got := float64(grads[k][i]); math.Abs(got-want) > 2e-6+2e-5*math.Abs(want) {
								t.Fatalf("%s, masked %v, %v, batch %d: gradient %d of %s is %v, want %v",
									name, masked, hidden, n, i, p.graphs[n].params[k].name, got, want)
							}
						}
					}
				}
			}
		}
	}
}

// builtin is the same network and loss from gorgonia's own ops, in the forms
// that are known to be right: log-softmax by row maximum, masks of −1e9, clip
// and min by rectifiers, no Reshape.
func (p *problem) builtin(t *testing.T) (loss float64, grads [][]float32) {
	t.Helper()
	must := func(n *G.Node, err error) *G.Node {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	b, n, width := p.batch, p.batch.N, p.Policy.Out()
	g := G.NewGraph()
	name := 0
	constant := func(x []float32, shape ...int) *G.Node {
		name++
		return G.NewTensor(g, tensor.Float32, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprint("input", name)),
			G.WithValue(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(slices.Clone(x)))))
	}
	number := func(x float64) *G.Node { return G.NewConstant(float32(x)) }
	var params G.Nodes
	chain := func(x *G.Node, net *mlp.Net) *G.Node {
		for _, l := range net.Layers {
			w, bias := constant(l.W, l.In, l.Out), constant(l.B, 1, l.Out)
			params = append(params, w, bias)
			x = must(G.BroadcastAdd(must(G.Mul(x, w)), bias, nil, []byte{0}))
			switch l.Activation {
			case mlp.Tanh:
				x = must(G.Tanh(x))
			case mlp.ReLU:
				x = must(G.Rectify(x))
			}
		}
		return x
	}
	clip := func(x *G.Node, lo, hi float64) *G.Node {
		return must(G.Add(must(G.Sub(must(G.Rectify(must(G.Sub(x, number(lo))))), must(G.Rectify(must(G.Sub(x, number(hi))))))), number(lo)))
	}
	x := constant(b.Obs, n, p.Policy.In())
	logits, value := chain(x, p.Policy), chain(x, p.Value)
	mask, oneHot := make([]float32, n*width), make([]float32, n*width)
	for i := range n {
		oneHot[i*width+b.Action[i]] = 1
	}
	for i := range b.Mask {
		if !b.Mask[i] {
			mask[i] = -1e9
		}
	}
	logits = must(G.Add(logits, constant(mask, n, width)))
	z := must(G.BroadcastSub(logits, must(G.Max(logits, 1)), nil, []byte{1}))
	lsm := must(G.BroadcastSub(z, must(G.Log(must(G.Sum(must(G.Exp(z)), 1)))), nil, []byte{1}))
	lp := must(G.Sum(must(G.HadamardProd(lsm, constant(oneHot, n, width))), 1))
	entropy := must(G.Neg(must(G.Mean(must(G.Sum(must(G.HadamardProd(must(G.Exp(lsm)), lsm)), 1))))))
	ratio := must(G.Exp(must(G.Sub(lp, constant(b.OldLogProb, n)))))
	adv := constant(b.Advantage, n)
	first := must(G.HadamardProd(ratio, adv))
	second := must(G.HadamardProd(clip(ratio, 1-p.loss.Clip, 1+p.loss.Clip), adv))
	least := must(G.Sub(second, must(G.Rectify(must(G.Sub(second, first))))))
	policyLoss := must(G.Neg(must(G.Mean(least))))
	returns := constant(b.Return, n, 1)
	e := must(G.Square(must(G.Sub(value, returns))))
	if c := p.loss.ValueClip; c > 0 {
		old := constant(b.OldValue, n, 1)
		e2 := must(G.Square(must(G.Sub(must(G.Add(old, clip(must(G.Sub(value, old)), -c, c))), returns))))
		e = must(G.Add(e, must(G.Rectify(must(G.Sub(e2, e))))))
	}
	total := must(G.Sub(must(G.Add(policyLoss, must(G.Mul(must(G.Mean(e)), number(p.loss.ValueCoefficient))))),
		must(G.Mul(entropy, number(p.loss.EntropyCoefficient)))))
	var read G.Value
	G.Read(total, &read)
	gs, err := G.Grad(total, params...)
	if err != nil {
		t.Fatal(err)
	}
	vm := G.NewTapeMachine(g)
	runtime.SetFinalizer(vm, nil)
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	l, err := float(read)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range gs {
		grads = append(grads, slices.Clone(floats(x.Value())))
	}
	return float64(l), grads
}

func TestAgainstBuiltinOps(t *testing.T) {
	for name, loss := range losses {
		for _, masked := range []bool{false, true} {
			for _, hidden := range []mlp.Activation{mlp.Tanh, mlp.ReLU} {
				p := newProblem(t, 23, 32, 5, 6, hidden, masked, loss)
				stats, grads := p.gradients(t)
				want, wantGrads := p.builtin(t)
				if math.Abs(stats.Loss-want) > 3e-6 {
					t.Errorf("%s, masked %v: loss is %v, built-in ops give %v", name, masked, stats.Loss, want)
				}
				for k := range grads {
					for i := range grads[k] {
						if d := math.Abs(float64(grads[k][i] - wantGrads[k][i])); d > 3e-6 {
							t.Fatalf("%s, masked %v: gradient %d of %s is %v, built-in ops give %v",
								name, masked, i, p.graphs[32].params[k].name, grads[k][i], wantGrads[k][i])
						}
					}
				}
			}
		}
	}
}

// One step, two actions, equal logits: π = (½, ½), H = ln 2. With π_old = 0.4 the
// ratio is 1.25; ε = 0.2 bounds it at 1.2.
func TestLossByHand(t *testing.T) {
	policy, value := mlp.New(mlp.Tanh, 1, 2), mlp.New(mlp.Tanh, 1, 1)
	value.Layers[0].B[0] = 3
	l := NewPPO(policy, value, false, 1e-5, 0)
	b, err := l.Batch(1)
	if err != nil {
		t.Fatal(err)
	}
	b.OldLogProb[0] = float32(math.Log(0.4))
	b.OldValue[0], b.Return[0] = 2, 5
	for _, c := range []struct {
		advantage            float32
		valueClip            float64
		policy, value        float64
		dlogit, dvalue       float64
		entropy, kl, clipped float64
	}{
		// A > 0 beyond the bound: bounded, no gradient. (3−5)² = 4, slope 2·½·(−2).
		{2, 0, -2.4, 4, 0, -2, math.Ln2, 0.25 - math.Log(1.25), 1},
		// A < 0 beyond the bound: free, ∂/∂logit = −ρA(1−π) = 1.25.
		{-2, 0, 2.5, 4, 1.25, -2, math.Ln2, 0.25 - math.Log(1.25), 1},
		// Value clipped to 2.5: (2.5−5)² = 6.25 is larger, and flat.
		{2, 0.5, -2.4, 6.25, 0, 0, math.Ln2, 0.25 - math.Log(1.25), 1},
	} {
		b.Advantage[0] = c.advantage
		s, err := l.Gradient(b, PPOLoss{Clip: 0.2, ValueClip: c.valueClip, ValueCoefficient: 0.5, EntropyCoefficient: 0.3})
		if err != nil {
			t.Fatal(err)
		}
		o := l.graphs[1].loss
		for _, x := range []struct {
			name      string
			got, want float64
		}{
			{"policy loss", s.PolicyLoss, c.policy}, {"value loss", s.ValueLoss, c.value}, {"entropy", s.Entropy, c.entropy},
			{"kl", s.ApproxKL, c.kl}, {"clip fraction", s.ClipFraction, c.clipped},
			{"dlogit 0", float64(o.dlogits[0]), c.dlogit}, {"dlogit 1", float64(o.dlogits[1]), -c.dlogit},
			{"dvalue", float64(o.dvalue[0]), c.dvalue}, {"loss", s.Loss, c.policy + 0.5*c.value - 0.3*math.Ln2},
		} {
			if math.Abs(x.got-x.want) > 1e-6 {
				t.Errorf("advantage %v, value clip %v: %s is %v, want %v", c.advantage, c.valueClip, x.name, x.got, x.want)
			}
		}
	}
}

// Illegal logits of any size neither count nor get a gradient, and a policy
// that has not moved has ratio 1 exactly.
func TestMask(t *testing.T) {
	p := newProblem(t, 31, 16, 4, 5, mlp.Tanh, true, PPOLoss{Clip: 0.2, ValueCoefficient: 0.5, EntropyCoefficient: 0.1})
	last := &p.Policy.Layers[len(p.Policy.Layers)-1]
	var s mlp.Scratch
	logits := p.Policy.Forward(16, p.batch.Obs, &s)
	lp := make([]float64, 5)
	for i := range 16 {
		for j := range 5 {
			p.batch.Mask[i*5+j] = j != 2 && (j+i)%4 != 0
		}
		p.batch.Action[i] = 1
		p.batch.Mask[i*5+1] = true
		LogSoftmax(lp, logits[i*5:(i+1)*5], p.batch.Mask[i*5:(i+1)*5])
		p.batch.OldLogProb[i] = float32(lp[1])
	}
	stats, before := p.gradients(t)
	if stats.ApproxKL != 0 || stats.ClipFraction != 0 {
		t.Errorf("unmoved policy: kl %v, clip fraction %v, want 0", stats.ApproxKL, stats.ClipFraction)
	}
	o := p.graphs[16].loss
	for i, legal := range p.batch.Mask {
		if !legal && o.dlogits[i] != 0 {
			t.Errorf("illegal logit %d has gradient %v", i, o.dlogits[i])
		}
	}
	for _, b := range []float32{-300, 300, 1e30} {
		last.B[2] = b // action 2 is never legal
		again, after := p.gradients(t)
		if again != stats {
			t.Errorf("an illegal logit of %v changed %v to %v", b, stats, again)
		}
		for k := range before {
			if !slices.Equal(before[k], after[k]) {
				t.Errorf("an illegal logit of %v changed gradient %d", b, k)
			}
		}
	}
}

func TestLogSoftmax(t *testing.T) {
	dst := make([]float64, 3)
	LogSoftmax(dst, []float32{1000, 0, -1000}, nil)
	if dst[0] != 0 || dst[1] != -1000 || dst[2] != -2000 {
		t.Errorf("log-softmax is %v, want [0 -1000 -2000]", dst)
	}
	LogSoftmax(dst, []float32{5, 1e38, 5}, []bool{true, false, true})
	if math.Abs(dst[0]+math.Ln2) > 1e-15 || !math.IsInf(dst[1], -1) || dst[2] != dst[0] {
		t.Errorf("log-softmax is %v, want [-ln2 -Inf -ln2]", dst)
	}
	defer func() {
		if recover() == nil {
			t.Error("no legal action, no panic")
		}
	}()
	LogSoftmax(dst, []float32{1, 2, 3}, make([]bool, 3))
}

// The graph's layers and acting give the same bits.
func TestForwardMatchesActing(t *testing.T) {
	p := newProblem(t, 41, 7, 3, 4, mlp.Tanh, false, losses["plain"])
	p.gradients(t)
	var dense []*denseOp
	for _, n := range p.graphs[7].AllNodes() {
		if o, ok := n.Op().(*denseOp); ok && o.activation == mlp.Linear && o.width == 4 {
			dense = append(dense, o)
		}
	}
	if len(dense) != 1 {
		t.Fatalf("%d policy heads, want 1", len(dense))
	}
	var s mlp.Scratch
	if want := p.Policy.Forward(7, p.batch.Obs, &s); !slices.Equal(dense[0].buf, want) {
		t.Errorf("graph computes %v, acting %v", dense[0].buf, want)
	}
	for i := range 7 {
		if y := p.Policy.Forward(1, p.batch.Obs[i*3:(i+1)*3], &s); !slices.Equal(y, dense[0].buf[i*4:(i+1)*4]) {
			t.Errorf("row %d alone is %v, in the graph %v", i, y, dense[0].buf[i*4:(i+1)*4])
		}
	}
}

// Runs repeat to the bit: nothing accumulates, nothing is overwritten.
func TestRunsDoNotAccumulate(t *testing.T) {
	p := newProblem(t, 51, 8, 3, 4, mlp.Tanh, true, losses["value clip"])
	obs := slices.Clone(p.batch.Obs)
	s, first := p.gradients(t)
	for range 3 {
		again, g := p.gradients(t)
		if again != s {
			t.Fatalf("stats changed from %v to %v", s, again)
		}
		for k := range g {
			if !slices.Equal(g[k], first[k]) {
				t.Fatalf("gradient %d changed between runs", k)
			}
		}
	}
	if !slices.Equal(obs, p.batch.Obs) {
		t.Error("a run changed its input")
	}
}

// Machines of two sizes share weights and moments, and a learner restored from
// copies continues bit for bit.
func TestResume(t *testing.T) {
	steps := func(p *problem, other *PPOBatch, n int) {
		t.Helper()
		for i := range n {
			b := p.batch
			if i%3 == 2 {
				b = other
			}
			if _, err := p.Gradient(b, p.loss); err != nil {
				t.Fatal(err)
			}
			p.Solver.LR = 1e-2 / float64(i+1)
			if err := p.Step(); err != nil {
				t.Fatal(err)
			}
		}
	}
	second := func(p *problem) *PPOBatch {
		b, err := p.Batch(3)
		if err != nil {
			t.Fatal(err)
		}
		copy(b.Obs, p.batch.Obs)
		copy(b.Action, p.batch.Action)
		copy(b.OldLogProb, p.batch.OldLogProb)
		copy(b.Return, p.batch.Return)
		copy(b.Advantage, p.batch.Advantage)
		return b
	}
	p := newProblem(t, 61, 8, 3, 4, mlp.Tanh, false, losses["entropy"])
	steps(p, second(p), 10)
	q := newProblem(t, 61, 8, 3, 4, mlp.Tanh, false, losses["entropy"])
	q.Policy.CopyFrom(p.Policy)
	q.Value.CopyFrom(p.Value)
	if err := state.Restore(state.Append(nil, p.Solver.Fields), q.Solver.Fields); err != nil {
		t.Fatal(err)
	}
	steps(p, second(p), 20)
	steps(q, second(q), 20)
	for k, x := range append(p.Policy.Tensors(), p.Value.Tensors()...) {
		if y := append(q.Policy.Tensors(), q.Value.Tensors()...)[k]; !slices.Equal(x, y) {
			t.Errorf("tensor %d differs after resuming", k)
		}
	}
}

// The solver against the paper's algorithm in float64, gradients clipped to a
// global norm over all tensors.
func TestSolver(t *testing.T) {
	const lr, eps, limit = 1e-2, 1e-5, 0.4
	p := newProblem(t, 71, 8, 3, 4, mlp.Tanh, false, losses["entropy"])
	p.Solver.LR, p.Solver.Eps, p.Solver.MaxNorm = lr, eps, limit
	all := append(p.Policy.Tensors(), p.Value.Tensors()...)
	w := widen(all)
	m, v := widen(all), widen(all)
	for k := range m {
		clear(m[k])
		clear(v[k])
	}
	for step := 1; step <= 50; step++ {
		_, grads := p.gradients(t)
		var squares float64
		for _, g := range grads {
			for _, x := range g {
				squares += float64(x) * float64(x)
			}
		}
		norm := math.Sqrt(squares)
		scale := math.Min(1, limit/norm)
		for k, g := range grads {
			for i := range g {
				d := scale * float64(g[i])
				m[k][i] = 0.9*m[k][i] + 0.1*d
				v[k][i] = 0.999*v[k][i] + 0.001*d*d
				w[k][i] -= lr * m[k][i] / (1 - math.Pow(0.9, float64(step))) /
					(math.Sqrt(v[k][i]/(1-math.Pow(0.999, float64(step)))) + eps)
			}
		}
		if err := p.Step(); err != nil {
			t.Fatal(err)
		}
		if math.Abs(p.Solver.Norm-norm) > 1e-6 {
			t.Fatalf("step %d: norm is %v, want %v", step, p.Solver.Norm, norm)
		}
	}
	if p.Solver.T != 50 {
		t.Errorf("%d steps counted, want 50", p.Solver.T)
	}
	for k := range all {
		for i := range all[k] {
			if math.Abs(float64(all[k][i])-w[k][i]) > 1e-5 {
				t.Fatalf("weight %d of tensor %d is %v, want %v", i, k, all[k][i], w[k][i])
			}
		}
	}
}

func TestNotFinite(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for want, spoil := range map[string]func(p *problem){
		"policy loss is NaN":                  func(p *problem) { p.batch.Advantage[2] = nan },
		"value loss is +Inf":                  func(p *problem) { p.batch.Return[2] = inf },
		"gradient of value.0.W is not finite": func(p *problem) { p.batch.Return[2] = 1e38; p.loss.ValueCoefficient = 1e38 },
		"policy loss is NaN ":                 func(p *problem) { p.Policy.Layers[1].W[0] = nan },
	} {
		p := newProblem(t, 81, 8, 3, 4, mlp.Tanh, false, losses["plain"])
		spoil(p)
		before := widen(append(p.Policy.Tensors(), p.Value.Tensors()...))
		_, err := p.Gradient(p.batch, p.loss)
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("error %v, want one with %q", err, want)
		}
		for k, x := range widen(append(p.Policy.Tensors(), p.Value.Tensors()...)) {
			for i := range x {
				if x[i] != before[k][i] && x[i] == x[i] {
					t.Fatalf("%s: weight %d of tensor %d changed", want, i, k)
				}
			}
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: Step applied a bad gradient", want)
				}
			}()
			p.Step()
		}()
	}
}

// Allocations of a step belong to the machine's book-keeping: they do not grow
// with the batch.
func TestAllocationsDoNotGrow(t *testing.T) {
	count := func(n int) float64 {
		p := newProblem(t, 91, n, 8, 4, mlp.Tanh, true, losses["entropy"])
		return testing.AllocsPerRun(20, func() {
			if _, err := p.Gradient(p.batch, p.loss); err != nil {
				t.Fatal(err)
			}
			if err := p.Step(); err != nil {
				t.Fatal(err)
			}
		})
	}
	small, large := count(4), count(256)
	t.Logf("%v allocations a step", small)
	if large > small+2 {
		t.Errorf("%v allocations at batch 256, %v at batch 4", large, small)
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
			p := newProblem(t, uint64(i), 64, 16, 4, mlp.Tanh, false, losses["plain"])
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

func BenchmarkGradientStep(b *testing.B) {
	for _, c := range []struct{ n, dim, actions int }{{64, 64, 16}, {256, 64, 16}, {256, 4, 2}, {1024, 64, 16}} {
		b.Run(fmt.Sprintf("n=%d,d=%d,a=%d", c.n, c.dim, c.actions), func(b *testing.B) {
			b.ReportAllocs()
			r := rand.New(rand.NewPCG(1, 1))
			policy, value := mlp.New(mlp.Tanh, c.dim, 64, 64, c.actions), mlp.New(mlp.Tanh, c.dim, 64, 64, 1)
			policy.Orthogonal(r, mlp.HiddenGain, mlp.PolicyGain)
			value.Orthogonal(r, mlp.HiddenGain, mlp.ValueGain)
			p := &problem{PPO: NewPPO(policy, value, false, 1e-5, 0.5), loss: losses["entropy"]}
			var err error
			if p.batch, err = p.Batch(c.n); err != nil {
				b.Fatal(err)
			}
			p.fill(r)
			p.Solver.LR = 1e-4
			for b.Loop() {
				if _, err := p.Gradient(p.batch, p.loss); err != nil {
					b.Fatal(err)
				}
				if err := p.Step(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
