// Package mlp is the forward pass of a multi-layer perceptron in plain Go: what
// every trained policy acts by.
//
// Start with [Net], a chain of layers behind an optional [Normalizer] of its
// input, and [Greedy], the policy that takes the legal action of a net's highest
// output. Training is in agents/learn, which runs the same [Layer.Forward] on
// the same slices, so that both see the same bits. Left out: anything but fully
// connected layers.
package mlp

import (
	"fmt"

	"mend/agents/kernel"
)

// Activation is applied to a layer's output, element by element.
type Activation uint8

// The activations.
const (
	Linear Activation = iota
	Tanh
	ReLU
)

func (a Activation) String() string {
	switch a {
	case Linear:
		return "linear"
	case Tanh:
		return "tanh"
	case ReLU:
		return "relu"
	}
	return fmt.Sprintf("activation %d", uint8(a))
}

// ParseActivation is the inverse of String.
func ParseActivation(s string) (Activation, error) {
	for _, a := range []Activation{Linear, Tanh, ReLU} {
		if a.String() == s {
			return a, nil
		}
	}
	return 0, fmt.Errorf("mlp: activation %q, want linear, tanh or relu", s)
}

// Layer computes Activation(x·W + B).
type Layer struct {
	In, Out    int
	W          []float32 // [In*Out], row-major: W[i*Out+j] joins input i to output j
	B          []float32 // [Out]
	Activation Activation
}

// Forward computes y for a batch of n rows: x is [n*In], y is [n*Out]. A row's
// result does not depend on n.
func (l *Layer) Forward(n int, x, y []float32) {
	kernel.Gemm(n, l.Out, l.In, x, l.W, y, false)
	switch l.Activation {
	case Linear:
		kernel.AddBias(n, l.Out, y, l.B)
	case Tanh:
		kernel.AddBiasTanh(n, l.Out, y, l.B)
	case ReLU:
		kernel.AddBiasReLU(n, l.Out, y, l.B)
	default:
		panic("mlp: " + l.Activation.String())
	}
}

// Net is a chain of layers. Nets share a trunk where their first layers hold
// the same slices; see [Net.WithHead] and [Net.Shared].
type Net struct {
	Input  *Normalizer // applied to the input; nil means none
	Layers []Layer
}

// New returns a net of zero weights. sizes are the widths from input to output;
// hidden is the activation of all layers but the last, which is linear.
func New(hidden Activation, sizes ...int) *Net {
	if len(sizes) < 2 {
		panic(fmt.Sprintf("mlp: %d sizes, want at least 2", len(sizes)))
	}
	n := &Net{Layers: make([]Layer, len(sizes)-1)}
	for i := range n.Layers {
		in, out := sizes[i], sizes[i+1]
		n.Layers[i] = Layer{In: in, Out: out, W: make([]float32, in*out), B: make([]float32, out), Activation: hidden}
	}
	n.Layers[len(n.Layers)-1].Activation = Linear
	return n
}

// WithHead returns a net that shares Input and all layers but the last with n,
// slices included, and has a linear last layer of its own with the given number
// of outputs, all zero.
func (n *Net) WithHead(out int) *Net {
	last := len(n.Layers) - 1
	in := n.Layers[last].In
	head := Layer{In: in, Out: out, W: make([]float32, in*out), B: make([]float32, out), Activation: Linear}
	return &Net{Input: n.Input, Layers: append(append([]Layer(nil), n.Layers[:last]...), head)}
}

// Shared counts the first layers that n and m have in common: those that hold
// the same slices.
func (n *Net) Shared(m *Net) int {
	k := 0
	for k < min(len(n.Layers), len(m.Layers)) {
		a, b := &n.Layers[k], &m.Layers[k]
		if &a.W[0] != &b.W[0] || &a.B[0] != &b.B[0] || a.Activation != b.Activation {
			break
		}
		k++
	}
	return k
}

// In is the width of the input.
func (n *Net) In() int { return n.Layers[0].In }

// Out is the width of the output.
func (n *Net) Out() int { return n.Layers[len(n.Layers)-1].Out }

// Params counts weights and biases.
func (n *Net) Params() int {
	total := 0
	for i := range n.Layers {
		total += len(n.Layers[i].W) + len(n.Layers[i].B)
	}
	return total
}

// Tensors lists the weights and biases in order: W and B of each layer.
func (n *Net) Tensors() [][]float32 { return n.tensors(0) }

func (n *Net) tensors(from int) [][]float32 {
	list := make([][]float32, 0, 2*len(n.Layers))
	for i := from; i < len(n.Layers); i++ {
		list = append(list, n.Layers[i].W, n.Layers[i].B)
	}
	return list
}

// Clone returns a deep copy.
func (n *Net) Clone() *Net {
	c := &Net{Input: n.Input.Clone(), Layers: append([]Layer(nil), n.Layers...)}
	for i := range c.Layers {
		l := &c.Layers[i]
		l.W = append([]float32(nil), l.W...)
		l.B = append([]float32(nil), l.B...)
	}
	return c
}

// Tensors lists the weights and biases of two nets: those of the first, then
// those of the second that are not the first's.
func Tensors(first, second *Net) [][]float32 {
	return append(first.Tensors(), second.tensors(first.Shared(second))...)
}

// CopyFrom copies weights and normaliser of an equally shaped net. It allocates
// nothing.
func (n *Net) CopyFrom(from *Net) {
	if len(n.Layers) != len(from.Layers) {
		panic(fmt.Sprintf("mlp: copy of %d layers to %d", len(from.Layers), len(n.Layers)))
	}
	for i := range n.Layers {
		to, l := &n.Layers[i], &from.Layers[i]
		if to.In != l.In || to.Out != l.Out {
			panic(fmt.Sprintf("mlp: copy of layer %d of %dx%d to %dx%d", i, l.In, l.Out, to.In, to.Out))
		}
		copy(to.W, l.W)
		copy(to.B, l.B)
	}
	n.Input.copyFrom(from.Input)
}

// Check reports what makes the net unfit to use: no layers, sizes that do not
// chain, an unknown activation, a weight that is not finite, a normaliser that
// does not fit.
func (n *Net) Check() error {
	if len(n.Layers) == 0 {
		return fmt.Errorf("mlp: 0 layers, want at least 1")
	}
	for i := range n.Layers {
		l := &n.Layers[i]
		switch {
		case l.In < 1 || l.Out < 1:
			return fmt.Errorf("mlp: layer %d is %dx%d, want at least 1x1", i, l.In, l.Out)
		case i > 0 && l.In != n.Layers[i-1].Out:
			return fmt.Errorf("mlp: layer %d has %d inputs, want the %d outputs of the layer before", i, l.In, n.Layers[i-1].Out)
		case len(l.W)%l.Out != 0 || len(l.W)/l.Out != l.In:
			return fmt.Errorf("mlp: layer %d has %d weights, want %d x %d", i, len(l.W), l.In, l.Out)
		case len(l.B) != l.Out:
			return fmt.Errorf("mlp: layer %d has %d biases, want %d", i, len(l.B), l.Out)
		case l.Activation > ReLU:
			return fmt.Errorf("mlp: layer %d has %v, want linear, tanh or relu", i, l.Activation)
		}
		if j := notFinite(l.W); j >= 0 {
			return fmt.Errorf("mlp: layer %d: weight %d is %v, want a finite number", i, j, l.W[j])
		}
		if j := notFinite(l.B); j >= 0 {
			return fmt.Errorf("mlp: layer %d: bias %d is %v, want a finite number", i, j, l.B[j])
		}
	}
	if n.Input != nil {
		return n.Input.check(n.In())
	}
	return nil
}

func notFinite(x []float32) int {
	for i, v := range x {
		if v-v != 0 {
			return i
		}
	}
	return -1
}

// Scratch holds the activations of one forward pass. The zero value is ready;
// it grows to the largest batch it has seen and then allocates no more.
type Scratch struct {
	input  []float32
	layers [][]float32
}

// Forward computes the output for a batch of rows: x is [rows*In()], the result
// [rows*Out()]. It lies in s and holds until s is used again.
func (n *Net) Forward(rows int, x []float32, s *Scratch) []float32 {
	if n.Input != nil {
		y := grow(&s.input, len(x))
		n.Input.Apply(rows, x, y)
		x = y
	}
	if len(s.layers) < len(n.Layers) {
		s.layers = append(s.layers, make([][]float32, len(n.Layers)-len(s.layers))...)
	}
	for i := range n.Layers {
		l := &n.Layers[i]
		y := grow(&s.layers[i], rows*l.Out)
		l.Forward(rows, x, y)
		x = y
	}
	return x
}

// grow returns the first size elements of *s, made larger where they do not fit.
func grow(s *[]float32, size int) []float32 {
	if cap(*s) < size {
		*s = make([]float32, size)
	}
	return (*s)[:size]
}
