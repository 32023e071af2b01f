package learn

import (
	"fmt"
	"runtime"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mend/agents/mlp"
)

// graph is networks with a loss at one number of rows, ready to run.
type graph struct {
	*G.ExprGraph
	rows   int
	ops    uint64   // names the ops apart
	nodes  G.Nodes  // parameters
	params []*param // the same, as a solver takes them
	vm     G.VM
}

// param is a weight tensor with its gradient of the latest run.
type param struct{ w, grad G.Value }

// Value and Grad make it a gorgonia.ValueGrad.
func (p *param) Value() G.Value         { return p.w }
func (p *param) Grad() (G.Value, error) { return p.grad, nil }

// input adds an input of the given shape whose memory is data.
func (g *graph) input(name string, data []float32, shape ...int) *G.Node {
	t := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data))
	return G.NewTensor(g.ExprGraph, tensor.Float32, len(shape), G.WithShape(shape...), G.WithName(name), G.WithValue(t))
}

func (g *graph) param(name string, data []float32, shape ...int) *G.Node {
	n := g.input(name, data, shape...)
	g.nodes = append(g.nodes, n)
	return n
}

// outputs are the results of nets in a graph.
type outputs struct {
	nodes G.Nodes     // one for each net, or one for both where they share a trunk
	y     [][]float32 // [rows*Out], of each net
}

// nets adds one or two nets on obs. The graph shares their slices, and the
// parameters come in the order of mlp.Tensors.
func (g *graph) nets(obs []float32, named ...namedNet) (*outputs, error) {
	first := named[0].net
	x := g.input("obs", obs, g.rows, first.In())
	if len(named) == 2 {
		second := named[1]
		if second.net.In() != first.In() {
			return nil, fmt.Errorf("learn: %s has %d inputs and %s %d, want the same", named[0].name, first.In(), second.name, second.net.In())
		}
		seen := map[*float32]bool{}
		for _, x := range mlp.Tensors(first, second.net) {
			if seen[&x[0]] {
				return nil, fmt.Errorf("learn: %s and %s share weights elsewhere than in equal first layers", named[0].name, second.name)
			}
			seen[&x[0]] = true
		}
		if k := first.Shared(second.net); k > 0 {
			if k == len(first.Layers) || k == len(second.net.Layers) {
				return nil, fmt.Errorf("learn: %s and %s share %d layers of %d and %d, want a layer apart in each",
					named[0].name, second.name, k, len(first.Layers), len(second.net.Layers))
			}
			h, _, err := g.stack(x, named[0].name, first.Layers[:k])
			if err != nil {
				return nil, err
			}
			y, ends, err := g.layers(h, first.Layers[k].In, true,
				part{named[0].name, k, first.Layers[k:]}, part{second.name, k, second.net.Layers[k:]})
			return &outputs{G.Nodes{y}, ends}, err
		}
	}
	o := &outputs{}
	for _, n := range named {
		y, end, err := g.stack(x, n.name, n.net.Layers)
		if err != nil {
			return nil, err
		}
		o.nodes, o.y = append(o.nodes, y), append(o.y, end)
	}
	return o, nil
}

type namedNet struct {
	name string
	net  *mlp.Net
}

// stack adds the first layers of a net on the observation, as one node.
func (g *graph) stack(x *G.Node, name string, layers []mlp.Layer) (*G.Node, []float32, error) {
	y, ends, err := g.layers(x, layers[0].In, false, part{name, 0, layers})
	if err != nil {
		return nil, nil, err
	}
	return y, ends[0], nil
}

// loss adds a loss of the outputs and differentiates it by every parameter.
// compute reads o.y, writes the gradient at it to dy, which is laid out alike,
// and returns the loss.
func (g *graph) loss(name string, o *outputs, dy [][]float32, compute func() float64) error {
	var types []hm.Type
	for _, n := range o.nodes {
		types = append(types, n.Type())
	}
	l := g.op(name, nil, tensor.ScalarShape(), append(types, scalar)...)
	l.diff = make([]bool, len(o.nodes))
	for i := range l.diff {
		l.diff[i] = true
	}
	l.do = func() { *l.out.(*G.F32) = G.F32(compute()) }
	// The loss is the end of the graph: the gradient at it is 1.
	l.derive = func(in G.Nodes, loss, _ *G.Node) (G.Nodes, error) {
		var grads G.Nodes
		for i, n := range in {
			d, err := g.hand("dy", dy[i], n.Shape(), loss)
			if err != nil {
				return nil, err
			}
			grads = append(grads, d)
		}
		return grads, nil
	}
	loss, err := G.ApplyOp(l, o.nodes...)
	if err != nil {
		return fmt.Errorf("learn: %s: %w", name, err)
	}
	grads, err := G.Grad(loss, g.nodes...)
	if err != nil {
		return fmt.Errorf("learn: differentiate: %w", err)
	}
	for i, n := range g.nodes {
		g.params = append(g.params, &param{n.Value(), grads[i].Op().(*op).out})
	}
	return g.compile()
}

// compile builds the machine. Its program ends with the ops that compute: nodes
// that only hand out what those have filled need no instruction.
func (g *graph) compile() error {
	sorted, err := G.Sort(g.ExprGraph)
	if err != nil {
		return fmt.Errorf("learn: sort the graph: %w", err)
	}
	// Sort begins with the roots: what a computing node reads is marked before
	// its own turn.
	read := map[*G.Node]bool{}
	var roots G.Nodes
	for _, n := range sorted {
		o, ok := n.Op().(*op)
		if !ok || !read[n] && o.do == nil {
			continue
		}
		if !read[n] {
			roots = append(roots, n)
		}
		it := g.From(n.ID())
		for it.Next() {
			read[it.Node().(*G.Node)] = true
		}
	}
	vm := G.NewTapeMachine(g.ExactSubgraphRoots(roots...))
	runtime.SetFinalizer(vm, nil) // with it the machine would never be collected
	g.vm = vm
	return nil
}

// run computes loss and gradients.
func (g *graph) run() {
	g.vm.Reset() // a second run would do nothing
	if err := g.vm.RunAll(); err != nil {
		panic(err) // our ops fail by panics only, which Do turns into errors
	}
}

// gradientBuffers returns memory for the gradient at each net's output, and the
// same memory as loss wants it: one slice for each node.
func (o *outputs) gradientBuffers() (dy, nodes [][]float32) {
	size := 0
	for _, y := range o.y {
		size += len(y)
	}
	all := make([]float32, size)
	rest := all
	for _, y := range o.y {
		dy = append(dy, rest[:len(y):len(y)])
		rest = rest[len(y):]
	}
	if len(o.nodes) == 1 {
		return dy, [][]float32{all}
	}
	return dy, dy
}
