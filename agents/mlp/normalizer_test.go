package mlp

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"mend/env"
)

func TestNormalizer(t *testing.T) {
	nan := float32(math.NaN())
	n := Normalizer{Mean: []float32{1, -2, 0}, Scale: []float32{2, 0.5, 0}, Clip: 3}
	x := []float32{2, 2, 7, 100, -100, nan}
	// (2−1)·2, (2+2)/2, 7·0; (100−1)·2 and (−100+2)/2 beyond 3.
	want := []float32{2, 2, 0, 3, -3, nan}
	y := make([]float32, 6)
	same := func(got, want []float32) bool {
		return slices.EqualFunc(got, want, func(a, b float32) bool { return a == b || a != a && b != b })
	}
	if n.Apply(2, x, y); !same(y, want) {
		t.Errorf("normalised to %v, want %v", y, want)
	}
	n.Clip = 0
	if n.Apply(1, x[3:], y[:3]); y[0] != 198 || y[1] != -49 {
		t.Errorf("without a bound normalised to %v, want 198 and -49", y[:2])
	}
	n.Clip = 3
	if n.Apply(2, x, x); !same(x, want) {
		t.Errorf("in place normalised to %v, want %v", x, want)
	}
	defer func() {
		if got := fmt.Sprint(recover()); !strings.Contains(got, "normalise 6 values to 3") {
			t.Errorf("panic %q, want one about 6 and 3", got)
		}
	}()
	n.Apply(2, x, y[:3])
}

// normalized returns a random net behind a random normaliser.
func normalized(seed uint64, sizes ...int) *Net {
	n := random(seed, Tanh, sizes...)
	n.Input = &Normalizer{Mean: inputs(seed, sizes[0]), Scale: inputs(seed+1, sizes[0]), Clip: 1.5}
	for i, s := range n.Input.Scale {
		n.Input.Scale[i] = float32(math.Abs(float64(s)))
	}
	return n
}

// A net with a normaliser computes what the net without computes of normalised
// observations; acting does not allocate.
func TestForwardNormalises(t *testing.T) {
	n := normalized(21, 5, 8, 3)
	plain := Net{Layers: n.Layers}
	x := inputs(22, 4*5)
	y := make([]float32, len(x))
	n.Input.Apply(4, x, y)
	if slices.Equal(x, y) || slices.Max(y) != 1.5 {
		t.Fatalf("normalised to %v: nothing was tested", y)
	}
	before := slices.Clone(x)
	var s, s2 Scratch
	got := n.Forward(4, x, &s)
	if want := plain.Forward(4, y, &s2); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if !slices.Equal(x, before) {
		t.Error("Forward changed its input")
	}
	for i := range 4 {
		if one := n.Forward(1, x[i*5:(i+1)*5], &s2); !slices.Equal(one, got[i*3:(i+1)*3]) {
			t.Errorf("row %d alone is %v, in the batch %v", i, one, got[i*3:(i+1)*3])
		}
	}
	step := env.NewTimeStep(4, &env.Spec{Features: make([]env.Feature, 5), Actions: []string{"a", "b", "c"}})
	copy(step.Obs, x)
	actions := make([]int, 4)
	g := NewGreedy(n)
	g.Act(step, actions)
	for i, a := range actions {
		if want := Argmax(got[i*3:(i+1)*3], nil); a != want {
			t.Errorf("environment %d: action %d, want %d", i, a, want)
		}
	}
	if n := testing.AllocsPerRun(10, func() { g.Act(step, actions) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestNormalizerIsClonedAndCopied(t *testing.T) {
	n := normalized(23, 3, 2)
	c := n.Clone()
	c.Input.Mean[0]++
	c.Input.Scale[1]++
	c.Input.Clip = 7
	if c.Input.Mean[0] == n.Input.Mean[0] || c.Input.Scale[1] == n.Input.Scale[1] || n.Input.Clip == 7 {
		t.Error("the clone shares its normaliser")
	}
	if a := testing.AllocsPerRun(5, func() { n.CopyFrom(c) }); a != 0 {
		t.Errorf("%v allocations, want 0", a)
	}
	if !slices.Equal(c.Input.Mean, n.Input.Mean) || !slices.Equal(c.Input.Scale, n.Input.Scale) || n.Input.Clip != 7 {
		t.Error("CopyFrom left the normaliser behind")
	}
	for name, from := range map[string]*Net{"none": random(1, Tanh, 3, 2), "width": {Input: &Normalizer{}, Layers: n.Layers}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: copied", name)
				}
			}()
			n.CopyFrom(from)
		}()
	}
}

func TestCheckNormalizer(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for want, spoil := range map[string]func(n *Normalizer){
		"":                                 func(n *Normalizer) { n.Scale[0] = 0 },
		"2 means and 3 scales, want the 3": func(n *Normalizer) { n.Mean = n.Mean[:2] },
		"3 means and 2 scales, want the 3": func(n *Normalizer) { n.Scale = n.Scale[:2] },
		"mean 1 is +Inf":                   func(n *Normalizer) { n.Mean[1] = inf },
		"scale 2 is NaN":                   func(n *Normalizer) { n.Scale[2] = nan },
		"scale 0 is -1":                    func(n *Normalizer) { n.Scale[0] = -1 },
		"clip is -1":                       func(n *Normalizer) { n.Clip = -1 },
		"clip is +Inf":                     func(n *Normalizer) { n.Clip = inf },
	} {
		n := normalized(25, 3, 2)
		spoil(n.Input)
		err := n.Check()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestWithHead(t *testing.T) {
	n := normalized(27, 3, 8, 6, 4)
	v := n.WithHead(2)
	if err := v.Check(); err != nil {
		t.Fatal(err)
	}
	if v.Out() != 2 || v.Input != n.Input || v.Layers[2].Activation != Linear || n.Shared(v) != 2 || n.Shared(n.Clone()) != 0 || n.Shared(n) != 3 {
		t.Errorf("%d outputs, %v last, %d layers shared", v.Out(), v.Layers[2].Activation, n.Shared(v))
	}
	var s Scratch
	if y := v.Forward(1, inputs(28, 3), &s); y[0] != 0 || y[1] != 0 {
		t.Errorf("the new head computes %v, want 0", y)
	}
	v.Layers[1].W[5]++
	v.Layers[2].W[0]++
	if n.Layers[1].W[5] != v.Layers[1].W[5] || n.Layers[2].W[0] == v.Layers[2].W[0] {
		t.Error("the nets share something else than the trunk")
	}
	list := Tensors(n, v)
	if len(list) != 8 || &list[6][0] != &v.Layers[2].W[0] {
		t.Errorf("%d tensors, want the 6 of the first and the head's 2", len(list))
	}
}
