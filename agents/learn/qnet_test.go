package learn

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"mend/agents/mlp"
)

var qShapes = []struct {
	name      string
	dueling   bool
	k         trunk
	quantiles int
	head      Head
}{
	{"plain", false, separate, 1, LinearHead},
	{"symexp", false, separate, 1, SymexpHead},
	{"quantiles", false, separate, 7, LinearHead},
	{"dueling apart", true, separate, 1, SymexpHead},
	{"dueling", true, first, 1, LinearHead},
	{"dueling quantiles", true, all, 7, LinearHead},
}

// normalized gives both nets of q one random normaliser.
func normalized(r *rand.Rand, q *QNet) *QNet {
	n := &mlp.Normalizer{Clip: 2}
	for range q.Advantage.In() {
		n.Mean = append(n.Mean, float32(r.NormFloat64()))
		n.Scale = append(n.Scale, float32(0.5+r.Float64()))
	}
	q.Advantage.Input = n
	if q.Value != nil {
		q.Value.Input = n
	}
	return q
}

func normals(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(2 * r.NormFloat64())
	}
	return x
}

func TestQNetForward(t *testing.T) {
	for _, c := range qShapes {
		r := rand.New(rand.NewPCG(3, 4))
		q := normalized(r, newQNet(r, c.k, mlp.Tanh, c.dueling, 5, 4, c.quantiles, c.head))
		if err := q.Check(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		const rows = 6
		obs := normals(r, rows*5)
		var s, alone QScratch
		got := q.Forward(rows, obs, &s)
		if len(got) != rows*4*c.quantiles {
			t.Fatalf("%s: %d values, want %d", c.name, len(got), rows*4*c.quantiles)
		}
		x := make([]float32, len(obs))
		q.Advantage.Input.Apply(rows, obs, x)
		for i := range rows {
			w := 4 * c.quantiles
			if one := q.Forward(1, obs[i*5:(i+1)*5], &alone); !slices.Equal(one, got[i*w:(i+1)*w]) {
				t.Errorf("%s: row %d alone is %v, in the batch %v", c.name, i, one, got[i*w:(i+1)*w])
			}
			// The definition in float64.
			p := &tdProblem{TD: &TD{Q: q}, batch: &TDBatch{Obs: x, Action: make([]int, rows)}}
			for a := range 4 {
				p.batch.Action[i] = a
				for k, y := range p.taken64(i, widen(q.Tensors())) {
					want := symexp64(c.head, y)
					if g := float64(got[i*w+a*c.quantiles+k]); math.Abs(g-want) > 1e-5*(1+math.Abs(want)) {
						t.Errorf("%s: Q of row %d, action %d, quantile %d is %v, want %v", c.name, i, a, k, g, want)
					}
				}
			}
		}
		if n := testing.AllocsPerRun(10, func() { q.Forward(rows, obs, &s) }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", c.name, n)
		}
	}
}

// The actor's highest output is the action of the highest mean over quantiles.
func TestActor(t *testing.T) {
	for _, c := range qShapes {
		r := rand.New(rand.NewPCG(5, 6))
		q := normalized(r, newQNet(r, c.k, mlp.Tanh, c.dueling, 5, 4, c.quantiles, c.head))
		actor := q.Actor()
		if err := actor.Check(); err != nil {
			t.Fatal(err)
		}
		check := func(q *QNet) {
			t.Helper()
			const rows = 50
			obs := normals(r, rows*5)
			var s QScratch
			var s2 mlp.Scratch
			values, out := q.Forward(rows, obs, &s), actor.Forward(rows, obs, &s2)
			chosen := map[int]bool{}
			for i := range rows {
				a := mlp.Argmax(out[i*4:(i+1)*4], nil)
				chosen[a] = true
				mean := make([]float64, 4)
				for j := range mean {
					for k := range c.quantiles {
						mean[j] += float64(values[(i*4+j)*c.quantiles+k]) / float64(c.quantiles)
					}
				}
				if best := slices.Max(mean); mean[a] < best-1e-5*(1+math.Abs(best)) {
					t.Errorf("%s: actor takes action %d of %v", c.name, a, mean)
				}
			}
			if len(chosen) < 2 {
				t.Errorf("%s: the actor always takes the same action: nothing was tested", c.name)
			}
		}
		check(q)
		before := cloneAll(actor.Tensors())
		randomize(r, q.Advantage)
		q.Advantage.Input.Mean[0]++
		checkSame(t, c.name+": the actor shares weights", make([]string, len(before)), actor.Tensors(), before)
		if n := testing.AllocsPerRun(5, func() { q.RefreshActor(actor) }); n != 0 {
			t.Errorf("%s: RefreshActor: %v allocations, want 0", c.name, n)
		}
		check(q)
	}
}

func TestQNetCloneAndCopy(t *testing.T) {
	for _, c := range qShapes {
		r := rand.New(rand.NewPCG(7, 8))
		q := normalized(r, newQNet(r, c.k, mlp.Tanh, c.dueling, 5, 4, c.quantiles, c.head))
		clone := q.Clone()
		if err := clone.Check(); err != nil {
			t.Fatal(err)
		}
		if got, want := len(clone.Tensors()), len(q.Tensors()); got != want {
			t.Errorf("%s: the clone has %d tensors, want %d: it does not share a trunk alike", c.name, got, want)
		}
		obs := normals(r, 3*5)
		var s, s2 QScratch
		before := slices.Clone(q.Forward(3, obs, &s))
		if got := clone.Forward(3, obs, &s2); !slices.Equal(got, before) {
			t.Errorf("%s: the clone computes %v, want %v", c.name, got, before)
		}
		for _, x := range clone.Tensors() {
			for i := range x {
				x[i] += 0.1
			}
		}
		clone.Advantage.Input.Mean[1]++
		if got := q.Forward(3, obs, &s); !slices.Equal(got, before) {
			t.Errorf("%s: the clone shares weights", c.name)
		}
		if n := testing.AllocsPerRun(5, func() { q.CopyFrom(clone) }); n != 0 {
			t.Errorf("%s: CopyFrom: %v allocations, want 0", c.name, n)
		}
		if got, want := q.Forward(3, obs, &s), clone.Forward(3, obs, &s2); !slices.Equal(got, want) {
			t.Errorf("%s: the copy computes %v, want %v", c.name, got, want)
		}
	}
}

func TestQNetCheck(t *testing.T) {
	for want, q := range map[string]*QNet{
		"0 actions":                              {Advantage: biases(1), Quantiles: 1},
		"3 outputs for 2 actions":                {Advantage: biases(1, 2, 3), Actions: 2, Quantiles: 1},
		"2 outputs of the value net":             {Advantage: biases(1, 2), Value: biases(1, 2), Actions: 2, Quantiles: 1},
		"2 quantiles under a symexp head":        {Advantage: biases(1, 2), Actions: 1, Quantiles: 2, Head: SymexpHead},
		"2 inputs of the value net":              {Advantage: biases(1), Value: mlp.New(mlp.Tanh, 2, 1), Actions: 1, Quantiles: 1},
		"bias 0 is NaN":                          {Advantage: biases(float32(math.NaN())), Actions: 1, Quantiles: 1},
		"value and advantage net normalise apar": {Advantage: biases(1), Value: &mlp.Net{Input: &mlp.Normalizer{Mean: []float32{0}, Scale: []float32{1}}, Layers: biases(1).Layers}, Actions: 1, Quantiles: 1},
	} {
		if err := q.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
