// Package mlp is the forward pass of a multi-layer perceptron in plain Go: what every trained policy acts by.
package mlp

// Activation is applied to a layer's output, element by element.
type Activation uint8

// The activations.
const (
	Linear Activation = iota
	Tanh
	ReLU
)

// Layer computes Activation(x·W + B).
type Layer struct {
	In, Out    int
	W          []float32 // [In*Out], row-major: W[i*Out+j] joins input i to output j
	B          []float32 // [Out]
	Activation Activation
}

// Net is a chain of layers.
type Net struct{ Layers []Layer }
