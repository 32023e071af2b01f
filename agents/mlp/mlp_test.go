package mlp

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"mend/env"
)

func random(seed uint64, hidden Activation, sizes ...int) *Net {
	n := New(hidden, sizes...)
	r := rand.New(rand.NewPCG(seed, 0))
	n.Orthogonal(r, HiddenGain, ValueGain)
	for _, x := range n.Tensors() {
		for i := range x {
			x[i] += float32(0.1 * r.NormFloat64())
		}
	}
	return n
}

func inputs(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// forward64 is the twin of Forward: one row, in float64, from the definition.
func forward64(n *Net, x []float32) []float64 {
	v := make([]float64, len(x))
	for i := range x {
		v[i] = float64(x[i])
	}
	for _, l := range n.Layers {
		y := make([]float64, l.Out)
		for j := range y {
			y[j] = float64(l.B[j])
			for i := range v {
				y[j] += v[i] * float64(l.W[i*l.Out+j])
			}
			switch l.Activation {
			case Tanh:
				y[j] = math.Tanh(y[j])
			case ReLU:
				y[j] = max(0, y[j])
			}
		}
		v = y
	}
	return v
}

func TestForwardAgainstFloat64(t *testing.T) {
	for _, hidden := range []Activation{Tanh, ReLU, Linear} {
		n := random(1, hidden, 5, 33, 16, 3)
		var s Scratch
		for _, rows := range []int{0, 1, 2, 7, 4} {
			x := inputs(2, rows*5)
			y := n.Forward(rows, x, &s)
			if len(y) != rows*3 {
				t.Fatalf("%d outputs for %d rows, want %d", len(y), rows, rows*3)
			}
			for i := range rows {
				for j, want := range forward64(n, x[i*5:(i+1)*5]) {
					if math.Abs(float64(y[i*3+j])-want) > 1e-5 {
						t.Errorf("%v: output %d of row %d is %v, want %v", hidden, j, i, y[i*3+j], want)
					}
				}
			}
		}
	}
}

// A row acted on alone gives the bits that it gives in a batch.
func TestForwardDoesNotDependOnBatch(t *testing.T) {
	n := random(3, Tanh, 7, 64, 64, 5)
	x := inputs(4, 64*7)
	var all, one Scratch
	y := n.Forward(64, x, &all)
	for i := range 64 {
		if z := n.Forward(1, x[i*7:(i+1)*7], &one); !slices.Equal(z, y[i*5:(i+1)*5]) {
			t.Fatalf("row %d alone is %v, in the batch %v", i, z, y[i*5:(i+1)*5])
		}
	}
}

func TestOrthogonal(t *testing.T) {
	for _, size := range [][2]int{{4, 64}, {64, 64}, {64, 2}, {64, 1}, {1, 5}} {
		n := New(Tanh, size[0], size[1])
		n.Layers[0].B[0] = 3
		n.Orthogonal(rand.New(rand.NewPCG(5, 6)), 9, HiddenGain)
		l := n.Layers[0]
		at := func(i, j int) float64 {
			if l.In < l.Out {
				return float64(l.W[i*l.Out+j])
			}
			return float64(l.W[j*l.Out+i])
		}
		for a := range min(l.In, l.Out) {
			for b := range min(l.In, l.Out) {
				var p, want float64
				for j := range max(l.In, l.Out) {
					p += at(a, j) * at(b, j)
				}
				if a == b {
					want = 2
				}
				if math.Abs(p-want) > 1e-6 {
					t.Errorf("%v: product of vectors %d and %d is %v, want %v", size, a, b, p, want)
				}
			}
		}
		if l.B[0] != 0 {
			t.Errorf("%v: bias is %v, want 0", size, l.B[0])
		}
		again := New(Tanh, size[0], size[1])
		again.Orthogonal(rand.New(rand.NewPCG(5, 6)), 9, HiddenGain)
		if !slices.Equal(again.Layers[0].W, l.W) {
			t.Errorf("%v: the same seed gave other weights", size)
		}
	}
}

func TestCheck(t *testing.T) {
	nan := float32(math.NaN())
	for want, spoil := range map[string]func(n *Net){
		"":                                    func(n *Net) {},
		"0 layers":                            func(n *Net) { n.Layers = nil },
		"layer 1 has 7 inputs, want the 4":    func(n *Net) { n.Layers[1].In = 7 },
		"layer 0 is 0x4":                      func(n *Net) { n.Layers[0].In = 0 },
		"layer 0 has 11 weights, want 3 x 4":  func(n *Net) { n.Layers[0].W = n.Layers[0].W[:11] },
		"layer 1 has 1 biases, want 2":        func(n *Net) { n.Layers[1].B = n.Layers[1].B[:1] },
		"layer 1 has activation 9":            func(n *Net) { n.Layers[1].Activation = 9 },
		"layer 0: weight 5 is NaN":            func(n *Net) { n.Layers[0].W[5] = nan },
		"layer 1: bias 1 is -Inf, want a fin": func(n *Net) { n.Layers[1].B[1] = float32(math.Inf(-1)) },
	} {
		n := random(7, ReLU, 3, 4, 2)
		spoil(n)
		err := n.Check()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestParamsAndClone(t *testing.T) {
	n := random(8, ReLU, 3, 4, 2)
	if n.Params() != 3*4+4+4*2+2 || n.In() != 3 || n.Out() != 2 {
		t.Errorf("%d parameters, %d in, %d out; want 26, 3, 2", n.Params(), n.In(), n.Out())
	}
	c := n.Clone()
	c.Layers[0].W[0]++
	c.Layers[1].B[1]++
	if c.Layers[0].W[0] == n.Layers[0].W[0] || c.Layers[1].B[1] == n.Layers[1].B[1] {
		t.Error("the clone shares weights")
	}
	n.CopyFrom(c)
	if c.Layers[0].W[0] != n.Layers[0].W[0] || c.Layers[1].B[1] != n.Layers[1].B[1] {
		t.Error("CopyFrom left weights behind")
	}
}

func TestArgmax(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for _, c := range []struct {
		values []float32
		mask   []bool
		want   int
	}{
		{[]float32{1, 3, 3, 2}, nil, 1},
		{[]float32{1, 3, 3, 2}, []bool{true, false, false, true}, 3},
		{[]float32{5, 1, 1}, []bool{false, true, true}, 1},
		{[]float32{nan, inf, 0}, []bool{true, true, false}, 1},
		{[]float32{1, nan, 2}, nil, 2},
		{[]float32{nan, nan}, nil, 0},
		{[]float32{inf, inf}, []bool{false, true}, 1},
	} {
		if got := Argmax(c.values, c.mask); got != c.want {
			t.Errorf("argmax of %v under %v is %d, want %d", c.values, c.mask, got, c.want)
		}
	}
	for want, mask := range map[string][]bool{"none of 2": {false, false}, "mask of 3 entries for 2": make([]bool, 3)} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
					t.Errorf("panic %q, want one with %q", got, want)
				}
			}()
			Argmax([]float32{1, 2}, mask)
		}()
	}
}

func TestGreedy(t *testing.T) {
	spec := &env.Spec{Features: make([]env.Feature, 3), Actions: []string{"a", "b", "c", "d"}, Masked: true}
	n := random(9, Tanh, 3, 8, 4)
	g := NewGreedy(n)
	step := env.NewTimeStep(20, spec)
	copy(step.Obs, inputs(10, len(step.Obs)))
	for i := range step.Mask {
		step.Mask[i] = i%3 != 0
	}
	actions := make([]int, 20)
	g.Act(step, actions)
	for i, a := range actions {
		out := forward64(n, step.ObsRow(i))
		for j := range out {
			if step.MaskRow(i)[j] && out[j] > out[a]+1e-5 {
				t.Errorf("environment %d: action %d of %v under %v", i, a, out, step.MaskRow(i))
			}
		}
		if !step.MaskRow(i)[a] {
			t.Errorf("environment %d: action %d is not legal", i, a)
		}
	}
	if n := testing.AllocsPerRun(10, func() { g.Act(step, actions) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestActivationNames(t *testing.T) {
	for _, a := range []Activation{Linear, Tanh, ReLU} {
		if b, err := ParseActivation(a.String()); err != nil || a != b {
			t.Errorf("%v reads back as %v, %v", a, b, err)
		}
	}
	if _, err := ParseActivation("gelu"); err == nil {
		t.Error("gelu was accepted")
	}
}

// Loading a policy must not link the training code.
func TestDoesNotLinkGorgonia(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Skipf("go list: %v", err)
	}
	for _, p := range strings.Fields(string(out)) {
		if strings.Contains(p, "gorgonia") || strings.HasSuffix(p, "agents/learn") {
			t.Errorf("mlp imports %s", p)
		}
	}
}

// BenchmarkActing is a greedy decision of a 64x64 tanh net with 64 features and
// 16 actions.
func BenchmarkActing(b *testing.B) {
	for _, rows := range []int{1, 64} {
		for _, normalise := range []bool{false, true} {
			b.Run(fmt.Sprintf("batch=%d,normalise=%v", rows, normalise), func(b *testing.B) {
				b.ReportAllocs()
				g := NewGreedy(normalized(1, 64, 64, 64, 16))
				if !normalise {
					g.Net.Input = nil
				}
				step := env.NewTimeStep(rows, &env.Spec{Features: make([]env.Feature, 64), Actions: make([]string, 16)})
				copy(step.Obs, inputs(1, len(step.Obs)))
				actions := make([]int, rows)
				for b.Loop() {
					g.Act(step, actions)
				}
			})
		}
	}
}
