package learn

import (
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"
	"runtime/debug"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

var (
	scalar = tensor.Float32
	vector = G.TensorType{Dims: 1, Of: tensor.Float32}
	matrix = G.TensorType{Dims: 2, Of: tensor.Float32}
)

// op is a node's operation. Its output is memory of its own and its hash is
// unique, so that gorgonia neither merges it with others nor lends its memory
// to them. What it reads is known when the graph is built; see memory.
type op struct {
	name  string
	id    uint64 // unique in its graph
	typ   hm.Type
	arity int
	shape tensor.Shape
	out   G.Value
	diff  []bool // by which inputs it can be differentiated; nil: by none

	// do computes out; nil where another op fills it.
	do func()
	// derive returns the gradients at the inputs, given the output and the
	// gradient at it; nil where diff is false.
	derive func(in G.Nodes, out, grad *G.Node) (G.Nodes, error)
}

// op returns an operation with the given types of inputs and output. out is the
// memory of the output, nil for that of a scalar.
func (g *graph) op(name string, out []float32, shape tensor.Shape, types ...hm.Type) *op {
	g.ops++
	o := &op{name: name, id: g.ops, typ: hm.NewFnType(types...), arity: len(types) - 1, shape: shape}
	if len(shape) > 0 {
		o.out = tensor.New(tensor.WithShape(shape...), tensor.WithBacking(out))
	} else {
		o.out = new(G.F32)
	}
	return o
}

// memory is where the value of n lies: of an input, or of an op of ours.
func memory(n *G.Node) []float32 {
	if o, ok := n.Op().(*op); ok {
		return floats(o.out)
	}
	return floats(n.Value())
}

func floats(v G.Value) []float32 { return v.(*tensor.Dense).Float32s() }

// Do computes the output. The machine calls it on a goroutine of its own, where
// nobody could recover from a panic: it comes back as the machine's error.
func (o *op) Do(...G.Value) (v G.Value, err error) {
	if o.do == nil {
		return o.out, nil
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("learn: %v: %v\n\n%s", o, r, debug.Stack())
		}
	}()
	o.do()
	return o.out, nil
}

func (o *op) DiffWRT(n int) []bool {
	if o.diff == nil {
		return make([]bool, n)
	}
	return o.diff
}

func (o *op) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	if o.derive == nil {
		return nil, fmt.Errorf("learn: %v has no derivative", o)
	}
	return o.derive(in, out, grad)
}

func (o *op) Arity() int                                     { return o.arity }
func (o *op) Type() hm.Type                                  { return o.typ }
func (o *op) InferShape(...G.DimSizer) (tensor.Shape, error) { return o.shape, nil }
func (o *op) ReturnsPtr() bool                               { return false }
func (o *op) CallsExtern() bool                              { return false }
func (o *op) OverwritesInput() int                           { return -1 }
func (o *op) String() string                                 { return fmt.Sprintf("%s#%d", o.name, o.id) }

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

// hand adds a node that hands out memory which the op of node after fills.
func (g *graph) hand(name string, from []float32, shape tensor.Shape, after *G.Node) (*G.Node, error) {
	return G.ApplyOp(g.op(name, from, shape, after.Type(), typeOf(shape)), after)
}

func typeOf(s tensor.Shape) hm.Type {
	switch len(s) {
	case 0:
		return scalar
	case 1:
		return vector
	}
	return matrix
}
