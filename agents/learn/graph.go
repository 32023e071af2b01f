package learn

import (
	"fmt"
	"runtime"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mend/agents/kernel"
	"mend/agents/mlp"
)

// graph is one network with its loss at one batch size, compiled to run.
type graph struct {
	*G.ExprGraph
	ops    uint64 // names the ops apart
	params []*param
	solver []G.ValueGrad // params again, as a Solver wants them
	nodes  G.Nodes       // of params
	grads  G.Nodes       // of params, in order
	vm     G.VM
}

// param is a weight tensor with its gradient of the latest run.
type param struct {
	name string
	w    *tensor.Dense
	grad G.Value
}

func (p *param) Value() G.Value { return p.w }

func (p *param) Grad() (G.Value, error) {
	if p.grad == nil {
		return nil, fmt.Errorf("learn: %s has no gradient yet", p.name)
	}
	return p.grad, nil
}

func newGraph() *graph { return &graph{ExprGraph: G.NewGraph()} }

// input adds an input of the given shape whose memory is data.
func (g *graph) input(name string, data []float32, shape ...int) (*G.Node, *tensor.Dense) {
	t := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data))
	return G.NewTensor(g.ExprGraph, tensor.Float32, len(shape), G.WithShape(shape...), G.WithName(name), G.WithValue(t)), t
}

// chain adds net on x, which has the given number of rows, and its weights to
// the parameters. The graph shares the slices of net.
func (g *graph) chain(name string, x *G.Node, rows int, net *mlp.Net) (*G.Node, error) {
	for i := range net.Layers {
		l := &net.Layers[i]
		w := g.param(fmt.Sprintf("%s.%d.W", name, i), l.W, l.In, l.Out)
		b := g.param(fmt.Sprintf("%s.%d.B", name, i), l.B, l.Out)
		o := &denseOp{
			op: g.op("dense", tensor.Shape{rows, l.Out}, matrix, matrix, vector, matrix),
			g:  g, rows: rows, in: l.In, width: l.Out, activation: l.Activation, needX: i > 0,
		}
		var err error
		if x, err = G.ApplyOp(o, x, w, b); err != nil {
			return nil, fmt.Errorf("learn: layer %d of %s: %w", i, name, err)
		}
	}
	return x, nil
}

func (g *graph) param(name string, data []float32, shape ...int) *G.Node {
	n, t := g.input(name, data, shape...)
	p := &param{name: name, w: t}
	g.params = append(g.params, p)
	g.solver = append(g.solver, p)
	g.nodes = append(g.nodes, n)
	return n
}

// compile differentiates loss by every parameter and builds the machine.
func (g *graph) compile(loss *G.Node) error {
	var err error
	if g.grads, err = G.Grad(loss, g.nodes...); err != nil {
		return fmt.Errorf("learn: differentiate: %w", err)
	}
	vm := G.NewTapeMachine(g.ExprGraph)
	runtime.SetFinalizer(vm, nil) // it would never be collected
	g.vm = vm
	return nil
}

// run computes loss and gradients. An error names the first gradient that is
// not finite.
func (g *graph) run() error {
	g.vm.Reset() // without it a second run does nothing
	if err := g.vm.RunAll(); err != nil {
		return fmt.Errorf("learn: run: %w", err)
	}
	for i, p := range g.params {
		p.grad = g.grads[i].Value()
		if !kernel.Finite(floats(p.grad)) {
			return fmt.Errorf("learn: gradient of %s is not finite", p.name)
		}
	}
	return nil
}
