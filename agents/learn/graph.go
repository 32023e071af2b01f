package learn

import (
	"fmt"
	"runtime"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mend/agents/mlp"
)

// graph is networks with a loss at one number of rows, ready to run.
type graph struct {
	*G.ExprGraph
	rows   int
	shards []shard  // of the rows
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
	node *G.Node     // all of y, one after the other
	y    [][]float32 // [rows*Out], of each net
}

// nets adds one or two nets on obs. The graph shares their slices, and the
// parameters come in the order of mlp.Tensors.
func (g *graph) nets(obs []float32, named ...namedNet) (*outputs, error) {
	first := named[0].net
	x, width := g.input("obs", obs, g.rows, first.In()), first.In()
	trunk := 0
	if len(named) == 2 {
		var err error
		if trunk, err = sharedTrunk(named[0], named[1]); err != nil {
			return nil, err
		}
	}
	if trunk > 0 {
		h, _, err := g.layers(x, width, false, part{named[0].name, 0, first.Layers[:trunk]})
		if err != nil {
			return nil, err
		}
		x, width = h, first.Layers[trunk].In
	}
	var ends []part
	for _, n := range named {
		ends = append(ends, part{n.name, trunk, n.net.Layers[trunk:]})
	}
	node, y, err := g.layers(x, width, trunk > 0, ends...)
	return &outputs{node, y}, err
}

// sharedTrunk counts the layers that both nets begin with. It is an error where
// they do not fit together or share anything else.
func sharedTrunk(first, second namedNet) (int, error) {
	a, b := first.net, second.net
	if a.In() != b.In() {
		return 0, fmt.Errorf("learn: %s has %d inputs and %s %d, want the same", first.name, a.In(), second.name, b.In())
	}
	seen := map[*float32]bool{}
	for _, x := range mlp.Tensors(a, b) {
		if seen[&x[0]] {
			return 0, fmt.Errorf("learn: %s and %s share weights elsewhere than in equal first layers", first.name, second.name)
		}
		seen[&x[0]] = true
	}
	k := a.Shared(b)
	if k == len(a.Layers) || k == len(b.Layers) {
		return 0, fmt.Errorf("learn: %s and %s share %d layers of %d and %d, want a layer apart in each",
			first.name, second.name, k, len(a.Layers), len(b.Layers))
	}
	return k, nil
}

type namedNet struct {
	name string
	net  *mlp.Net
}

// loss adds a loss of the outputs and differentiates it by every parameter.
// compute reads the rows of a shard in o.y, writes the gradient there to dy, of
// o.gradient, and returns the shard's part of the loss.
func (g *graph) loss(name string, o *outputs, dy []float32, compute func(shard int) float64) error {
	l := g.op(name, nil, tensor.ScalarShape(), o.node.Type(), scalar)
	l.diff = []bool{true}
	parts := make([]float64, len(g.shards))
	each := func(i int) { parts[i] = compute(i) }
	l.do = func() {
		parallel(len(g.shards), each)
		sum := 0.0
		for _, x := range parts {
			sum += x
		}
		*l.out.(*G.F32) = G.F32(sum)
	}
	// The loss is the end of the graph: the gradient at it is 1.
	l.derive = func(in G.Nodes, loss, _ *G.Node) (G.Nodes, error) {
		d, err := g.hand("dy", dy, in[0].Shape(), loss)
		return G.Nodes{d}, err
	}
	loss, err := G.ApplyOp(l, o.node)
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

// gradient returns memory for the gradient at the outputs: all of it, and the
// part of each net.
func (o *outputs) gradient() (all []float32, dy [][]float32) {
	size := 0
	for _, y := range o.y {
		size += len(y)
	}
	all = make([]float32, size)
	rest := all
	for _, y := range o.y {
		dy = append(dy, rest[:len(y):len(y)])
		rest = rest[len(y):]
	}
	return all, dy
}
