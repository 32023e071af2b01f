package learn

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"

	"mend/agents/kernel"
	"mend/env/state"
)

// Adam is a gorgonia.Solver: it scales the gradient down to a global norm of at
// most MaxNorm and takes a step of Adam; see [kernel.Adam] for the equations.
// M and V are aligned with the order of the parameters, which must not change.
// With T they are the whole state.
//
// Clipping by global norm: Pascanu, Mikolov, Bengio, arXiv:1211.5063.
type Adam struct {
	LR           float64
	Beta1, Beta2 float64
	Eps          float64
	MaxNorm      float64 // 0 means no limit

	Names []string // of the parameters, for errors

	T    uint64      // steps taken
	M, V [][]float32 // first and second moments, one slice a parameter
	Norm float64     // global norm of the latest gradient, before clipping
}

var _ G.Solver = (*Adam)(nil)

// newSolver returns a solver for the parameters of one or two nets, in the order
// of mlp.Tensors, with the decay rates of the paper's section 2.
func newSolver(eps, maxNorm float64, nets ...namedNet) *Adam {
	a := &Adam{Beta1: 0.9, Beta2: 0.999, Eps: eps, MaxNorm: maxNorm}
	for i, n := range nets {
		first := 0
		if i > 0 {
			first = nets[0].net.Shared(n.net)
		}
		for k := first; k < len(n.net.Layers); k++ {
			for _, x := range []struct {
				name string
				size int
			}{{"W", len(n.net.Layers[k].W)}, {"B", len(n.net.Layers[k].B)}} {
				a.Names = append(a.Names, fmt.Sprintf("%s.%d.%s", n.name, k, x.name))
				a.M = append(a.M, make([]float32, x.size))
				a.V = append(a.V, make([]float32, x.size))
			}
		}
	}
	return a
}

// Step updates the parameters in place. Where the gradient is not finite it
// leaves everything as it was and names a tensor.
func (a *Adam) Step(params []G.ValueGrad) error {
	if len(params) != len(a.M) {
		panic(fmt.Sprintf("learn: %d parameters for a solver of %d", len(params), len(a.M)))
	}
	var squares float64
	for i, p := range params {
		g, err := p.Grad()
		if err != nil {
			return fmt.Errorf("learn: gradient of parameter %d: %w", i, err)
		}
		squares += kernel.SumSquares(floats(g))
	}
	norm := math.Sqrt(squares)
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		return a.notFinite(params)
	}
	a.T++
	a.Norm = norm
	s := kernel.Adam{LR: a.LR, Beta1: a.Beta1, Beta2: a.Beta2, Eps: a.Eps}.Step(a.T, kernel.ClipScale(norm, a.MaxNorm))
	for i, p := range params {
		g, err := p.Grad()
		if err != nil {
			return fmt.Errorf("learn: gradient of parameter %d: %w", i, err)
		}
		s.Update(floats(p.Value()), floats(g), a.M[i], a.V[i])
	}
	return nil
}

// notFinite names the first gradient that is not finite. Only a norm that is
// not finite calls for the search.
func (a *Adam) notFinite(params []G.ValueGrad) error {
	for i, p := range params {
		if g, err := p.Grad(); err == nil && !kernel.Finite(floats(g)) {
			return fmt.Errorf("learn: gradient of %s is not finite", a.Names[i])
		}
	}
	return fmt.Errorf("learn: the norm of the gradient is not finite")
}

// Fields carries T, M and V.
func (a *Adam) Fields(c *state.Codec) {
	state.Value(c, &a.T)
	for i := range a.M {
		state.Fixed(c, a.M[i])
		state.Fixed(c, a.V[i])
	}
}
