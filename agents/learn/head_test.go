package learn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"mend/agents/mlp"
)

func TestHeads(t *testing.T) {
	for _, h := range []Head{LinearHead, SymexpHead} {
		if got, err := ParseHead(h.String()); err != nil || got != h {
			t.Errorf("%v reads back as %v, %v", h, got, err)
		}
		for _, v := range []float32{0, 1e-6, 0.5, -0.5, 3, -1000, 1e6} {
			if got := h.Value(h.Inverse(v)); math.Abs(float64(got-v)) > 3e-6*math.Abs(float64(v)) {
				t.Errorf("%v: value of the inverse of %v is %v", h, v, got)
			}
		}
	}
	y := []float32{0, 1e-4, -1e-4, 0.3, -0.3, 2, -5, 12, 40, -80}
	for _, h := range []Head{LinearHead, SymexpHead} {
		v := make([]float32, len(y))
		h.Values(v, y)
		for i, y := range y {
			if want := float64(h.Value(y)); math.Abs(float64(v[i])-want) > 1e-6*(1+math.Abs(want)) {
				t.Errorf("%v: values of %v are %v, want %v", h, y, v[i], want)
			}
		}
	}
	// Bounded for every finite output, in both forms, and passing on what is
	// not finite.
	inf, top := float32(math.Inf(1)), float32(math.Expm1(40))
	for _, c := range []struct{ y, want float32 }{{41, top}, {-89, -top}, {math.MaxFloat32, top}, {inf, inf}, {-inf, -inf}} {
		var v [1]float32
		SymexpHead.Values(v[:], []float32{c.y})
		near := v[0] == c.want || math.Abs(float64(v[0]/c.want)-1) <= 1e-6
		if got := SymexpHead.Value(c.y); got != c.want || !near {
			t.Errorf("symexp of %v is %v and %v, want %v", c.y, got, v[0], c.want)
		}
	}
	if _, err := ParseHead("symlog"); err == nil {
		t.Error("symlog was accepted")
	}
	// e^1 − 1, and odd.
	if v := SymexpHead.Value(1); math.Abs(float64(v)-1.718281828) > 1e-6 || SymexpHead.Value(-1) != -v {
		t.Errorf("symexp of ±1 is %v and %v, want ±1.7182818", v, SymexpHead.Value(-1))
	}
}

func TestRegressionAgainstFiniteDifferences(t *testing.T) {
	for _, head := range []Head{LinearHead, SymexpHead} {
		for _, hidden := range []mlp.Activation{mlp.Tanh, mlp.ReLU} {
			r := rand.New(rand.NewPCG(9, 1))
			net := mlp.New(hidden, 3, 9, 7, 1)
			randomize(r, net)
			l := NewRegression(net, head, 1e-5, 0)
			b, err := l.Batch(8)
			if err != nil {
				t.Fatal(err)
			}
			copy(b.Obs, normals(r, len(b.Obs)))
			copy(b.Target, normals(r, 8))
			value := func(w [][]float64, i int) float64 { return symexp64(head, net64(net, w, b.Obs[i*3:(i+1)*3])[0]) }
			scale := make([]float64, 8)
			for i := range scale {
				scale[i] = 1 + math.Abs(value(widen(net.Tensors()), i))
			}
			loss, err := l.Gradient(b)
			if err != nil {
				t.Fatal(err)
			}
			checkLoss(t, fmt.Sprint(head, ", ", hidden), l.Solver.Names, net.Tensors(), gradients(l.trainer.latest), loss, func(w [][]float64) float64 {
				var total float64
				for i := range 8 {
					total += error64(head, 0, value(w, i)-float64(b.Target[i]), scale[i]) / 8
				}
				return total
			})
		}
	}
}

// Fitting reaches the mean of the targets at each observation, under either
// head, where single targets lie as far as 40 % off.
func TestRegressionFitsTheMean(t *testing.T) {
	for _, head := range []Head{LinearHead, SymexpHead} {
		r := rand.New(rand.NewPCG(10, 1))
		net := mlp.New(mlp.Tanh, 1, 16, 1)
		net.Orthogonal(r, mlp.HiddenGain, mlp.ValueGain)
		l := NewRegression(net, head, 1e-5, 0)
		b, err := l.Batch(4)
		if err != nil {
			t.Fatal(err)
		}
		copy(b.Obs, []float32{-1, -1, 1, 1})
		copy(b.Target, []float32{-7, -3, 14, 26}) // means −5 and 20
		for step := range 3000 {
			if _, err := l.Gradient(b); err != nil {
				t.Fatal(err)
			}
			l.Solver.LR = 1e-2 * (1 - float64(step)/3000)
			if err := l.Step(); err != nil {
				t.Fatal(err)
			}
		}
		var s mlp.Scratch
		for i, y := range net.Forward(4, b.Obs, &s) {
			if got, want := head.Value(y), []float32{-5, -5, 20, 20}[i]; math.Abs(float64(got-want)) > 0.05*math.Abs(float64(want)) {
				t.Errorf("%v: value at %v is %v, want %v", head, b.Obs[i], got, want)
			}
		}
	}
}
