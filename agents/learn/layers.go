package learn

import (
	"fmt"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mend/agents/kernel"
	"mend/agents/mlp"
)

// chain is a run of layers with what training keeps of it: the outputs, and the
// gradients of the latest run.
type chain struct {
	rows   int
	layers []mlp.Layer // share the slices of a net
	y      [][]float32 // [rows*Out], output of each layer
	d      [][]float32 // [rows*Out], gradient at it, and then before the activation
	dw, db [][]float32 // as W and B of each layer
}

// newChain returns the chain of layers, whose last output is to lie in out.
func newChain(rows int, layers []mlp.Layer, out []float32) chain {
	c := chain{rows: rows, layers: layers}
	for i := range layers {
		l := &layers[i]
		y, d := out, []float32(nil)
		if i < len(layers)-1 {
			y = make([]float32, rows*l.Out)
		}
		if i < len(layers)-1 || l.Activation != mlp.Linear {
			d = make([]float32, rows*l.Out)
		}
		c.y, c.d = append(c.y, y), append(c.d, d)
		c.dw, c.db = append(c.dw, make([]float32, len(l.W))), append(c.db, make([]float32, len(l.B)))
	}
	return c
}

// out is the width of the last layer.
func (c *chain) out() int { return c.layers[len(c.layers)-1].Out }

// add adds the gradients of another chain of the same layers.
func (c *chain) add(o *chain) {
	for i := range c.layers {
		kernel.Add(c.dw[i], o.dw[i])
		kernel.Add(c.db[i], o.db[i])
	}
}

// forward runs the layers that acting runs too.
func (c *chain) forward(x []float32) {
	for i := range c.layers {
		c.layers[i].Forward(c.rows, x, c.y[i])
		x = c.y[i]
	}
}

// backward is the chain rule from the last layer to the first: with y = a(z)
// and z = x·W + b,
//
//	dz = dy·a'(z),  dW = xᵀ·dz,  db = Σ_rows dz,  dx = dz·Wᵀ
//
// The gradient at x goes to dx, or is added to it; a nil dx means that it is not
// wanted. x and dy are only read.
func (c *chain) backward(x, dy, dx []float32, accumulate bool) {
	d := dy
	for i := len(c.layers) - 1; i >= 0; i-- {
		l := &c.layers[i]
		switch l.Activation {
		case mlp.Linear:
		case mlp.Tanh:
			kernel.TanhGrad(c.d[i], d, c.y[i])
			d = c.d[i]
		case mlp.ReLU:
			kernel.ReLUGrad(c.d[i], d, c.y[i])
			d = c.d[i]
		default:
			panic("learn: gradient of " + l.Activation.String())
		}
		in := x
		if i > 0 {
			in = c.y[i-1]
		}
		kernel.GemmTN(l.In, l.Out, c.rows, in, d, c.dw[i], false)
		kernel.ColumnSums(c.rows, l.Out, d, c.db[i], false)
		if i > 0 {
			kernel.GemmNT(c.rows, l.In, l.Out, d, l.W, c.d[i-1], false)
			d = c.d[i-1]
		} else if dx != nil {
			kernel.GemmNT(c.rows, l.In, l.Out, d, l.W, dx, accumulate)
		}
	}
}

// part is a run of a net's layers, from number first on.
type part struct {
	name   string // of the net
	first  int
	layers []mlp.Layer
}

// fork is parts that run from the same x, as chains of each shard: the part of a
// layers node and its gradient.
type fork struct {
	width  int       // of x
	shards [][]chain // by shard, then part; the gradients of the first shard are then the batch's
}

// layers adds one node that runs parts from x, which has the given width, side
// by side, and their weights to the parameters. It returns the output of each
// part; the node's value is all of them, one after the other. A fork is one node
// because of the gradient at x: were it several, gorgonia would add up theirs
// with an op of its own, into new memory at every run. needX says whether that
// gradient is wanted.
func (g *graph) layers(x *G.Node, width int, needX bool, parts ...part) (*G.Node, [][]float32, error) {
	f := &fork{width, make([][]chain, len(g.shards))}
	types, in := []hm.Type{x.Type()}, G.Nodes{x}
	size := 0
	for _, p := range parts {
		size += g.rows * p.layers[len(p.layers)-1].Out
	}
	buf := make([]float32, size)
	rest := buf
	var ends [][]float32
	for _, p := range parts {
		out := p.layers[len(p.layers)-1].Out
		y := rest[: g.rows*out : g.rows*out]
		rest = rest[len(y):]
		ends = append(ends, y)
		for i, s := range g.shards {
			f.shards[i] = append(f.shards[i], newChain(s.rows(), p.layers, s.of(y, out)))
		}
		for i := range p.layers {
			l := &p.layers[i]
			types = append(types, matrix, vector)
			in = append(in,
				g.param(fmt.Sprintf("%s.%d.W", p.name, p.first+i), l.W, l.In, l.Out),
				g.param(fmt.Sprintf("%s.%d.B", p.name, p.first+i), l.B, l.Out))
		}
	}
	o := g.op("layers", buf, tensor.Shape{size}, append(types, vector)...)
	o.diff = make([]bool, len(in))
	for i := range o.diff {
		o.diff[i] = i > 0 || needX
	}
	from := memory(x)
	each := func(i int) {
		rows := g.shards[i].of(from, width)
		for k := range f.shards[i] {
			f.shards[i][k].forward(rows)
		}
	}
	o.do = func() { parallel(len(g.shards), each) }
	o.derive = func(in G.Nodes, y, dy *G.Node) (G.Nodes, error) { return g.layersGradient(in[0], y, dy, needX, f) }
	y, err := G.ApplyOp(o, in...)
	if err != nil {
		return nil, nil, fmt.Errorf("learn: layers of %s from %d on: %w", parts[0].name, parts[0].first, err)
	}
	return y, ends, nil
}

// layersGradient adds the node that computes all gradients of a layers node,
// and those that hand them out.
func (g *graph) layersGradient(x, y, dy *G.Node, needX bool, f *fork) (G.Nodes, error) {
	batch := f.shards[0]
	// The node's own value is one of the gradients.
	first := batch[0].layers[0]
	value, shape := batch[0].dw[0], tensor.Shape{first.In, first.Out}
	var dx []float32
	if needX {
		dx = make([]float32, g.rows*f.width)
		value, shape = dx, x.Shape()
	}
	o := g.op("layers gradient", value, shape, x.Type(), y.Type(), dy.Type(), typeOf(shape))
	from, at := memory(x), memory(dy)
	each := func(i int) {
		s := g.shards[i]
		var d []float32
		if needX {
			d = s.of(dx, f.width)
		}
		rest := at
		for k := range f.shards[i] {
			c := &f.shards[i][k]
			out := c.out()
			c.backward(s.of(from, f.width), s.of(rest[:g.rows*out], out), d, k > 0)
			rest = rest[g.rows*out:]
		}
	}
	o.do = func() {
		parallel(len(g.shards), each)
		for _, shard := range f.shards[1:] {
			for k := range batch {
				batch[k].add(&shard[k])
			}
		}
	}
	all, err := G.ApplyOp(o, x, y, dy)
	if err != nil {
		return nil, err
	}
	grads := G.Nodes{nil}
	if needX {
		grads[0] = all
	}
	for i, c := range batch {
		for j := range c.layers {
			l := &c.layers[j]
			dw := all
			if i > 0 || j > 0 || needX {
				if dw, err = g.hand("dW", c.dw[j], tensor.Shape{l.In, l.Out}, all); err != nil {
					return nil, err
				}
			}
			db, err := g.hand("db", c.db[j], tensor.Shape{l.Out}, all)
			if err != nil {
				return nil, err
			}
			grads = append(grads, dw, db)
		}
	}
	return grads, nil
}
