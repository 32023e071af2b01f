package mlp

import (
	"math"
	"math/rand/v2"
)

// Gains of Orthogonal for a policy or value net, from Engstrom et al.,
// "Implementation matters in deep RL", arXiv:2005.12729, section 3, and Huang
// et al., "The 37 implementation details of PPO", 2022, detail 2.
const (
	HiddenGain = math.Sqrt2
	PolicyGain = 0.01
	ValueGain  = 1.0
)

// Orthogonal draws the weights of every layer from r as gain times a random
// matrix with orthonormal rows or columns, whichever are fewer, and sets the
// biases to 0. The last layer has a gain of its own.
//
// Saxe et al., arXiv:1312.6120: such layers preserve the lengths of gradients.
func (n *Net) Orthogonal(r *rand.Rand, hiddenGain, lastGain float64) {
	for i := range n.Layers {
		gain := hiddenGain
		if i == len(n.Layers)-1 {
			gain = lastGain
		}
		n.Layers[i].orthogonal(r, gain)
	}
}

// orthogonal draws min(In, Out) Gaussian vectors of length max(In, Out) and
// orthonormalises them by modified Gram-Schmidt, twice over for accuracy.
func (l *Layer) orthogonal(r *rand.Rand, gain float64) {
	count, length := min(l.In, l.Out), max(l.In, l.Out)
	vectors := make([][]float64, count)
	for i := range vectors {
		v := make([]float64, length)
		for j := range v {
			v[j] = r.NormFloat64()
		}
		for range 2 {
			for _, u := range vectors[:i] {
				p := dot(u, v)
				for j := range v {
					v[j] -= float64(p * u[j])
				}
			}
			norm := math.Sqrt(dot(v, v))
			for j := range v {
				v[j] /= norm
			}
		}
		vectors[i] = v
	}
	for i := range l.In {
		for j := range l.Out {
			x := 0.0
			if l.In < l.Out {
				x = vectors[i][j]
			} else {
				x = vectors[j][i]
			}
			l.W[i*l.Out+j] = float32(gain * x)
		}
	}
	clear(l.B)
}

func dot(u, v []float64) float64 {
	s := 0.0
	for i := range u {
		s += float64(u[i] * v[i])
	}
	return s
}
