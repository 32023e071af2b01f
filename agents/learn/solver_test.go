package learn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"mend/agents/mlp"
	"mend/env/state"
)

// Machines of two sizes share weights and moments, and a learner restored from
// copies continues bit for bit.
func TestResume(t *testing.T) {
	for _, k := range []trunk{separate, all} {
		steps := func(p *ppoProblem, n int) {
			t.Helper()
			other, err := p.Batch(3)
			if err != nil {
				t.Fatal(err)
			}
			copy(other.Obs, p.batch.Obs)
			copy(other.Action, p.batch.Action)
			copy(other.OldLogProb, p.batch.OldLogProb)
			copy(other.Return, p.batch.Return)
			copy(other.Advantage, p.batch.Advantage)
			for i := range n {
				b := p.batch
				if i%3 == 2 {
					b = other
				}
				if _, err := p.Gradient(b, p.loss); err != nil {
					t.Fatal(err)
				}
				p.Solver.LR = 1e-2 / float64(i+1)
				if err := p.Step(); err != nil {
					t.Fatal(err)
				}
			}
		}
		p := newPPOProblem(t, 61, k, 8, 3, 4, mlp.Tanh, false, ppoLosses["entropy"])
		steps(p, 10)
		q := newPPOProblem(t, 61, k, 8, 3, 4, mlp.Tanh, false, ppoLosses["entropy"])
		q.Policy.CopyFrom(p.Policy)
		q.Value.CopyFrom(p.Value)
		if err := state.Restore(state.Append(nil, p.Solver.Fields), q.Solver.Fields); err != nil {
			t.Fatal(err)
		}
		before := cloneAll(p.Tensors())
		steps(p, 20)
		steps(q, 20)
		checkSame(t, fmt.Sprint(k, ": resumed"), p.Solver.Names, q.Tensors(), p.Tensors())
		for i, x := range p.Tensors() {
			if x[0] == before[i][0] {
				t.Errorf("%v: %s did not move", k, p.Solver.Names[i])
			}
		}
	}
}

// The solver against the paper's algorithm in float64, gradients clipped to a
// global norm over all tensors.
func TestSolver(t *testing.T) {
	const lr, eps, limit = 1e-2, 1e-5, 0.4
	p := newPPOProblem(t, 71, all, 8, 3, 4, mlp.Tanh, false, ppoLosses["entropy"])
	p.Solver.LR, p.Solver.Eps, p.Solver.MaxNorm = lr, eps, limit
	w := widen(p.Tensors())
	m, v := widen(p.Tensors()), widen(p.Tensors())
	for k := range m {
		clear(m[k])
		clear(v[k])
	}
	clipped := 0
	for step := 1; step <= 50; step++ {
		_, grads := p.gradients(t)
		var squares float64
		for _, g := range grads {
			for _, x := range g {
				squares += float64(x) * float64(x)
			}
		}
		norm := math.Sqrt(squares)
		scale := math.Min(1, limit/norm)
		if scale < 1 {
			clipped++
		}
		for k, g := range grads {
			for i := range g {
				d := scale * float64(g[i])
				m[k][i] = 0.9*m[k][i] + 0.1*d
				v[k][i] = 0.999*v[k][i] + 0.001*d*d
				w[k][i] -= lr * m[k][i] / (1 - math.Pow(0.9, float64(step))) /
					(math.Sqrt(v[k][i]/(1-math.Pow(0.999, float64(step)))) + eps)
			}
		}
		if err := p.Step(); err != nil {
			t.Fatal(err)
		}
		if math.Abs(p.Solver.Norm-norm) > 1e-6*norm {
			t.Fatalf("step %d: norm is %v, want %v", step, p.Solver.Norm, norm)
		}
	}
	if p.Solver.T != 50 || clipped == 0 || clipped == 50 {
		t.Errorf("%d steps counted, want 50; %d of them clipped, want some", p.Solver.T, clipped)
	}
	for k, x := range p.Tensors() {
		for i := range x {
			if math.Abs(float64(x[i])-w[k][i]) > 1e-5 {
				t.Fatalf("weight %d of %s is %v, want %v", i, p.Solver.Names[k], x[i], w[k][i])
			}
		}
	}
}

// What is not finite is named, by Gradient or by Step, and the weights and
// moments stay what they were.
func TestNotFinite(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		want  string
		k     trunk
		spoil func(p *ppoProblem)
	}{
		{"policy loss is NaN", separate, func(p *ppoProblem) { p.batch.Advantage[2] = nan }},
		{"value loss is +Inf", all, func(p *ppoProblem) { p.batch.Return[2] = inf }},
		{"policy loss is NaN", separate, func(p *ppoProblem) { p.Policy.Layers[1].W[0] = nan }},
		{"gradient of value.0.W is not finite", separate, func(p *ppoProblem) { p.batch.Return[2] = 1e38; p.loss.ValueCoefficient = 1e38 }},
		// The trunk is the policy's; its gradient holds the value net's.
		{"gradient of policy.0.W is not finite", all, func(p *ppoProblem) { p.batch.Return[2] = 1e38; p.loss.ValueCoefficient = 1e38 }},
	} {
		p := newPPOProblem(t, 81, c.k, 8, 3, 4, mlp.Tanh, false, ppoLosses["plain"])
		p.Solver.LR = 1
		c.spoil(p)
		state := append(p.Tensors(), append(p.Solver.M, p.Solver.V...)...)
		before := cloneAll(state)
		_, err := p.Gradient(p.batch, p.loss)
		if err == nil {
			err = p.Step()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
		checkSame(t, c.want, make([]string, len(state)), state, before)
		if p.Solver.T != 0 {
			t.Errorf("%s: %d steps counted, want 0", c.want, p.Solver.T)
		}
		mustPanic(t, "Step after an error", func() { p.Step() })
	}
	r := rand.New(rand.NewPCG(1, 1))
	q := newTDProblem(t, r, newQNet(r, separate, mlp.ReLU, false, 3, 4, 1, LinearHead), 5, TDLoss{Huber: 1})
	q.batch.Target[1] = nan
	if _, err := q.Gradient(q.batch, q.loss); err == nil || !strings.Contains(err.Error(), "td loss is NaN") {
		t.Errorf("error %v, want one with %q", err, "td loss is NaN")
	}
	v := NewRegression(biases(1), LinearHead, 1e-5, 0)
	b, err := v.Batch(1)
	if err != nil {
		t.Fatal(err)
	}
	b.Target[0] = inf
	if _, err := v.Gradient(b); err == nil || !strings.Contains(err.Error(), "regression loss is +Inf") {
		t.Errorf("error %v, want one with %q", err, "regression loss is +Inf")
	}
}

// Nets that no trunk can explain are refused.
func TestSharing(t *testing.T) {
	n, apart := mlp.New(mlp.Tanh, 3, 3, 3, 1), mlp.New(mlp.Tanh, 3, 3, 3, 1)
	late, bias := apart.Clone(), apart.Clone()
	late.Layers[1] = n.Layers[1]
	bias.Layers[0].W = n.Layers[0].W
	for want, value := range map[string]*mlp.Net{
		"share 3 layers of 3 and 3":                           n,
		"share weights elsewhere than in equal first layers":  late,
		"share weights elsewhere than in equal first layers ": bias,
		"policy has 3 inputs and value 2":                     mlp.New(mlp.Tanh, 2, 1),
	} {
		if _, err := NewPPO(n, value, false, 1e-5, 0).Batch(4); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if _, err := NewPPO(n, apart, false, 1e-5, 0).Batch(4); err != nil {
		t.Error(err)
	}
}
