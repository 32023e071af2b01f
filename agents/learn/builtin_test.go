package learn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mend/agents/mlp"
)

// builtin is a graph of gorgonia's own ops, in the forms that are known to be
// right: log-softmax by row maximum, masks of −1e9, clip and min by rectifiers,
// no Reshape.
type builtin struct {
	t      *testing.T
	g      *G.ExprGraph
	names  int
	params G.Nodes
}

func newBuiltin(t *testing.T) *builtin { return &builtin{t: t, g: G.NewGraph()} }

func (b *builtin) must(n *G.Node, err error) *G.Node {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

func (b *builtin) constant(x []float32, shape ...int) *G.Node {
	b.names++
	return G.NewTensor(b.g, tensor.Float32, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprint("input", b.names)),
		G.WithValue(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(slices.Clone(x)))))
}

func number(x float64) *G.Node { return G.NewConstant(float32(x)) }

// chain adds layers, and their weights to the parameters.
func (b *builtin) chain(x *G.Node, layers []mlp.Layer) *G.Node {
	for _, l := range layers {
		w, bias := b.constant(l.W, l.In, l.Out), b.constant(l.B, 1, l.Out)
		b.params = append(b.params, w, bias)
		x = b.must(G.BroadcastAdd(b.must(G.Mul(x, w)), bias, nil, []byte{0}))
		switch l.Activation {
		case mlp.Tanh:
			x = b.must(G.Tanh(x))
		case mlp.ReLU:
			x = b.must(G.Rectify(x))
		}
	}
	return x
}

// nets adds two nets, which may share a trunk.
func (b *builtin) nets(x *G.Node, one, two *mlp.Net) (*G.Node, *G.Node) {
	k := one.Shared(two)
	h := b.chain(x, one.Layers[:k])
	return b.chain(h, one.Layers[k:]), b.chain(h, two.Layers[k:])
}

func (b *builtin) clip(x *G.Node, lo, hi float64) *G.Node {
	above := b.must(G.Rectify(b.must(G.Sub(x, number(lo)))))
	over := b.must(G.Rectify(b.must(G.Sub(x, number(hi)))))
	return b.must(G.Add(b.must(G.Sub(above, over)), number(lo)))
}

// run computes loss and gradients.
func (b *builtin) run(loss *G.Node) (float64, [][]float32) {
	b.t.Helper()
	var read G.Value
	G.Read(loss, &read)
	gs, err := G.Grad(loss, b.params...)
	if err != nil {
		b.t.Fatal(err)
	}
	vm := G.NewTapeMachine(b.g)
	runtime.SetFinalizer(vm, nil)
	if err := vm.RunAll(); err != nil {
		b.t.Fatal(err)
	}
	var grads [][]float32
	for _, x := range gs {
		grads = append(grads, slices.Clone(floats(x.Value())))
	}
	switch x := read.Data().(type) {
	case float32:
		return float64(x), grads
	case []float32:
		return float64(x[0]), grads
	}
	b.t.Fatalf("loss is a %T", read.Data())
	return 0, nil
}

func (b *builtin) compare(what string, loss *G.Node, got float64, names []string, grads [][]float32) {
	b.t.Helper()
	want, wantGrads := b.run(loss)
	if math.Abs(got-want) > 3e-6*(1+math.Abs(want)) {
		b.t.Errorf("%s: loss is %v, built-in ops give %v", what, got, want)
	}
	if len(grads) != len(wantGrads) {
		b.t.Fatalf("%s: %d gradients, built-in ops give %d", what, len(grads), len(wantGrads))
	}
	for k := range grads {
		for i := range grads[k] {
			if math.Abs(float64(grads[k][i]-wantGrads[k][i])) > 5e-6 {
				b.t.Fatalf("%s: gradient %d of %s is %v, built-in ops give %v", what, i, names[k], grads[k][i], wantGrads[k][i])
			}
		}
	}
}

func TestPPOAgainstBuiltinOps(t *testing.T) {
	for _, name := range []string{"plain", "entropy", "value clip"} {
		for _, masked := range []bool{false, true} {
			for _, hidden := range []mlp.Activation{mlp.Tanh, mlp.ReLU} {
				for _, k := range []trunk{separate, first, all} {
					p := newPPOProblem(t, 23, k, 32, 5, 6, hidden, masked, ppoLosses[name])
					stats, grads := p.gradients(t)
					b := newBuiltin(t)
					what := fmt.Sprint(name, ", masked ", masked, ", ", hidden, ", ", k)
					b.compare(what, p.builtin(b), stats.Loss, p.Solver.Names, grads)
				}
			}
		}
	}
}

func (p *ppoProblem) builtin(g *builtin) *G.Node {
	must, constant := g.must, g.constant
	b, n, width := p.batch, p.batch.N, p.Policy.Out()
	logits, value := g.nets(constant(b.Obs, n, p.Policy.In()), p.Policy, p.Value)
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
	second := must(G.HadamardProd(g.clip(ratio, 1-p.loss.Clip, 1+p.loss.Clip), adv))
	least := must(G.Sub(second, must(G.Rectify(must(G.Sub(second, first))))))
	policyLoss := must(G.Neg(must(G.Mean(least))))
	returns := constant(b.Return, n, 1)
	e := must(G.Square(must(G.Sub(value, returns))))
	if c := p.loss.ValueClip; c > 0 {
		old := constant(b.OldValue, n, 1)
		e2 := must(G.Square(must(G.Sub(must(G.Add(old, g.clip(must(G.Sub(value, old)), -c, c))), returns))))
		e = must(G.Add(e, must(G.Rectify(must(G.Sub(e2, e))))))
	}
	return must(G.Sub(must(G.Add(policyLoss, must(G.Mul(must(G.Mean(e)), number(p.loss.ValueCoefficient))))),
		must(G.Mul(entropy, number(p.loss.EntropyCoefficient)))))
}

// A Huber loss from built-in ops: with a = |e|, x = max(a − δ, 0) and q = a − x,
// it is q²/2 + δ·x.
func TestTDAgainstBuiltinOps(t *testing.T) {
	const delta = 0.7
	for _, hidden := range []mlp.Activation{mlp.Tanh, mlp.ReLU} {
		r := rand.New(rand.NewPCG(29, 1))
		net := mlp.New(hidden, 5, 9, 7, 6)
		randomize(r, net)
		p := newTDProblem(t, r, &QNet{Advantage: net, Actions: 6, Quantiles: 1}, 32, TDLoss{Huber: delta})
		stats, grads := p.gradients(t)

		g, b := newBuiltin(t), p.batch
		must := g.must
		q := g.chain(g.constant(b.Obs, b.N, 5), net.Layers)
		oneHot := make([]float32, b.N*6)
		for i, a := range b.Action {
			oneHot[i*6+a] = 1
		}
		taken := must(G.Sum(must(G.HadamardProd(q, g.constant(oneHot, b.N, 6))), 1))
		a := must(G.Abs(must(G.Sub(taken, g.constant(b.Target, b.N)))))
		x := must(G.Rectify(must(G.Sub(a, number(delta)))))
		inside := must(G.Square(must(G.Sub(a, x))))
		l := must(G.Add(must(G.Mul(inside, number(0.5))), must(G.Mul(x, number(delta)))))
		loss := must(G.Mean(must(G.HadamardProd(l, g.constant(b.Weight, b.N)))))
		g.compare(hidden.String(), loss, stats.Loss, p.Solver.Names, grads)
	}
}
