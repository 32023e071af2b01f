package learn

import (
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mend/agents/kernel"
	"mend/agents/mlp"
)

var (
	scalar = tensor.Float32
	vector = G.TensorType{Dims: 1, Of: tensor.Float32}
	matrix = G.TensorType{Dims: 2, Of: tensor.Float32}
)

// op is what our ops have in common: they own their output and share nothing,
// so that gorgonia neither merges them nor lends their memory to others.
type op struct {
	name  string
	id    uint64 // unique in its graph
	typ   hm.Type
	arity int
	shape tensor.Shape
	out   *tensor.Dense // nil for scalars
	buf   []float32     // of out
}

func (g *graph) op(name string, shape tensor.Shape, types ...hm.Type) op {
	g.ops++
	o := op{name: name, id: g.ops, typ: hm.NewFnType(types...), arity: len(types) - 1, shape: shape}
	if len(shape) > 0 {
		o.buf = make([]float32, shape.TotalSize())
		o.out = tensor.New(tensor.WithShape(shape...), tensor.WithBacking(o.buf))
	}
	return o
}

func (o *op) Arity() int                                     { return o.arity }
func (o *op) Type() hm.Type                                  { return o.typ }
func (o *op) InferShape(...G.DimSizer) (tensor.Shape, error) { return o.shape, nil }
func (o *op) ReturnsPtr() bool                               { return false }
func (o *op) CallsExtern() bool                              { return false }
func (o *op) OverwritesInput() int                           { return -1 }
func (o *op) String() string                                 { return fmt.Sprintf("%s#%d", o.name, o.id) }
func (o *op) DiffWRT(n int) []bool                           { return make([]bool, n) }
func (o *op) SymDiff(G.Nodes, *G.Node, *G.Node) (G.Nodes, error) {
	return nil, fmt.Errorf("learn: %s has no derivative", o.name)
}

func (o *op) WriteHash(h hash.Hash) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], o.id)
	h.Write([]byte("mend/learn/" + o.name))
	h.Write(b[:])
}

func (o *op) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

func floats(v G.Value) []float32 { return v.(*tensor.Dense).Float32s() }

// denseOp is Activation(x·W + b), the layer that acting uses too.
type denseOp struct {
	op
	g          *graph
	rows       int
	in, width  int
	activation mlp.Activation
	needX      bool // whether the gradient at x is wanted
}

func (o *denseOp) Do(v ...G.Value) (G.Value, error) {
	l := mlp.Layer{In: o.in, Out: o.width, W: floats(v[1]), B: floats(v[2]), Activation: o.activation}
	l.Forward(o.rows, floats(v[0]), o.buf)
	return o.out, nil
}

func (o *denseOp) DiffWRT(int) []bool { return []bool{o.needX, true, true} }

// SymDiff is the chain rule: with y = a(z) and z = x·W + b,
//
//	dz = dy·a'(z),  dW = xᵀ·dz,  db = Σ_rows dz,  dx = dz·Wᵀ
func (o *denseOp) SymDiff(in G.Nodes, y, dy *G.Node) (G.Nodes, error) {
	g, x, w := o.g, in[0], in[1]
	dz := dy
	var err error
	if o.activation != mlp.Linear {
		dz, err = G.ApplyOp(&activationGradOp{g.op("dz", tensor.Shape{o.rows, o.width}, matrix, matrix, matrix), o.activation}, dy, y)
		if err != nil {
			return nil, err
		}
	}
	dw, err := G.ApplyOp(&weightGradOp{g.op("dW", tensor.Shape{o.in, o.width}, matrix, matrix, matrix), o.rows}, x, dz)
	if err != nil {
		return nil, err
	}
	db, err := G.ApplyOp(&biasGradOp{g.op("db", tensor.Shape{o.width}, matrix, vector), o.rows}, dz)
	if err != nil {
		return nil, err
	}
	var dx *G.Node
	if o.needX {
		dx, err = G.ApplyOp(&inputGradOp{g.op("dx", tensor.Shape{o.rows, o.in}, matrix, matrix, matrix), o.width}, dz, w)
		if err != nil {
			return nil, err
		}
	}
	return G.Nodes{dx, dw, db}, nil
}

type activationGradOp struct {
	op
	activation mlp.Activation
}

func (o *activationGradOp) Do(v ...G.Value) (G.Value, error) {
	switch dy, y := floats(v[0]), floats(v[1]); o.activation {
	case mlp.Tanh:
		kernel.TanhGrad(o.buf, dy, y)
	case mlp.ReLU:
		kernel.ReLUGrad(o.buf, dy, y)
	default:
		return nil, fmt.Errorf("learn: gradient of %v", o.activation)
	}
	return o.out, nil
}

type weightGradOp struct {
	op
	rows int
}

func (o *weightGradOp) Do(v ...G.Value) (G.Value, error) {
	kernel.GemmTN(o.shape[0], o.shape[1], o.rows, floats(v[0]), floats(v[1]), o.buf, false)
	return o.out, nil
}

type biasGradOp struct {
	op
	rows int
}

func (o *biasGradOp) Do(v ...G.Value) (G.Value, error) {
	kernel.ColumnSums(o.rows, o.shape[0], floats(v[0]), o.buf, false)
	return o.out, nil
}

type inputGradOp struct {
	op
	width int
}

func (o *inputGradOp) Do(v ...G.Value) (G.Value, error) {
	kernel.GemmNT(o.shape[0], o.shape[1], o.width, floats(v[0]), floats(v[1]), o.buf, false)
	return o.out, nil
}

// handOp hands out a gradient that the loss has computed along with itself,
// times the gradient at the loss. Its inputs are the loss and that gradient.
type handOp struct {
	op
	from []float32
}

func (o *handOp) Do(v ...G.Value) (G.Value, error) {
	s, err := float(v[1])
	if err != nil {
		return nil, err
	}
	for i, d := range o.from {
		o.buf[i] = s * d
	}
	return o.out, nil
}

func float(v G.Value) (float32, error) {
	switch x := v.Data().(type) {
	case float32:
		return x, nil
	case []float32:
		return x[0], nil
	}
	return 0, fmt.Errorf("learn: a %T where a float32 is wanted", v.Data())
}
