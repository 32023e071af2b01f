package learn

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"mend/agents/mlp"
)

// trunk says how much two nets share.
type trunk int

const (
	separate trunk = iota
	first          // the first layer only
	all            // all layers but the last
)

func (k trunk) String() string {
	return [...]string{"separate", "first layer shared", "trunk shared"}[k]
}

// newNets returns two random nets of dim inputs, with a and b outputs.
func newNets(r *rand.Rand, k trunk, hidden mlp.Activation, dim, a, b int) (*mlp.Net, *mlp.Net) {
	one, two := mlp.New(hidden, dim, 9, 7, a), mlp.New(hidden, dim, 9, 8, b)
	switch k {
	case first:
		two.Layers[0] = one.Layers[0]
	case all:
		two = one.WithHead(b)
	}
	randomize(r, one)
	randomize(r, &mlp.Net{Layers: two.Layers[one.Shared(two):]})
	return one, two
}

func randomize(r *rand.Rand, n *mlp.Net) {
	n.Orthogonal(r, mlp.HiddenGain, 1)
	for _, x := range n.Tensors() {
		for i := range x {
			x[i] += float32(0.1 * r.NormFloat64())
		}
	}
}

// nets64 computes one row of one or two nets in float64, from weights in the
// order of mlp.Tensors.
func nets64(w [][]float64, x []float32, nets ...*mlp.Net) [][]float64 {
	n := nets[0]
	y := [][]float64{net64(n, w[:2*len(n.Layers)], x)}
	if len(nets) == 2 {
		shared := 2 * n.Shared(nets[1])
		y = append(y, net64(nets[1], slices.Concat(w[:shared], w[2*len(n.Layers):]), x))
	}
	return y
}

func net64(n *mlp.Net, w [][]float64, x []float32) []float64 {
	v := make([]float64, len(x))
	for i := range x {
		v[i] = float64(x[i])
	}
	for k, l := range n.Layers {
		y := slices.Clone(w[2*k+1])
		for i := range v {
			for j := range y {
				y[j] += v[i] * w[2*k][i*l.Out+j]
			}
		}
		for j := range y {
			switch l.Activation {
			case mlp.Tanh:
				y[j] = math.Tanh(y[j])
			case mlp.ReLU:
				y[j] = math.Max(0, y[j])
			}
		}
		v = y
	}
	return v
}

func widen(list [][]float32) [][]float64 {
	out := make([][]float64, len(list))
	for i, x := range list {
		for _, v := range x {
			out[i] = append(out[i], float64(v))
		}
	}
	return out
}

// symexp64 and the losses below restate definitions, sharing nothing with what
// they check.
func symexp64(h Head, y float64) float64 {
	switch {
	case h == LinearHead:
		return y
	case y < 0:
		return 1 - math.Exp(-y)
	}
	return math.Exp(y) - 1
}

func huber64(delta, e float64) float64 {
	if e = math.Abs(e); e <= delta {
		return e * e / 2
	}
	return delta*e - delta*delta/2
}

// error64 is the loss of an error, divided by scale under a symexp head.
func error64(h Head, delta, e, scale float64) float64 {
	switch {
	case h == SymexpHead:
		return huber64(1, e/scale)
	case delta > 0:
		return huber64(delta, e)
	}
	return e * e
}

// checkLoss compares a loss and its gradients with those of an oracle, by
// finite differences of order h².
func checkLoss(t *testing.T, what string, names []string, tensors, grads [][]float32, loss float64, oracle func(w [][]float64) float64) {
	t.Helper()
	w := widen(tensors)
	if want := oracle(w); math.Abs(loss-want) > 3e-6*(1+math.Abs(want)) {
		t.Errorf("%s: loss is %v, want %v", what, loss, want)
	}
	if len(grads) != len(tensors) || len(names) != len(tensors) {
		t.Fatalf("%s: %d gradients and %d names for %d tensors", what, len(grads), len(names), len(tensors))
	}
	const h = 1e-6
	for k, x := range w {
		for i := range x {
			at := x[i]
			x[i] = at + h
			up := oracle(w)
			x[i] = at - h
			down := oracle(w)
			x[i] = at
			want := (up - down) / (2 * h)
			if got := float64(grads[k][i]); math.Abs(got-want) > 3e-6+2e-5*math.Abs(want) {
				t.Fatalf("%s: gradient %d of %s is %v, want %v", what, i, names[k], got, want)
			}
		}
	}
}

// gradients copies those of the latest run.
func gradients[B, L any](m *machine[B, L]) [][]float32 {
	var out [][]float32
	for _, p := range m.graph.params {
		out = append(out, slices.Clone(floats(p.grad)))
	}
	return out
}

func cloneAll(list [][]float32) [][]float32 {
	var out [][]float32
	for _, x := range list {
		out = append(out, slices.Clone(x))
	}
	return out
}

func checkSame(t *testing.T, what string, names []string, got, want [][]float32) {
	t.Helper()
	for k := range want {
		for i := range want[k] {
			if math.Float32bits(got[k][i]) != math.Float32bits(want[k][i]) {
				t.Errorf("%s: element %d of %s is %v, want %v", what, i, names[k], got[k][i], want[k][i])
				return
			}
		}
	}
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if recover() == nil {
			t.Errorf("%s: no panic", what)
		}
	}()
	f()
}
