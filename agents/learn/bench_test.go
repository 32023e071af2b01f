package learn

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"mend/agents/mlp"
)

func benchmarkPPO(b *testing.B, n, dim, actions int, shared bool) {
	r := rand.New(rand.NewPCG(1, 1))
	policy, value := mlp.New(mlp.Tanh, dim, 64, 64, actions), mlp.New(mlp.Tanh, dim, 64, 64, 1)
	policy.Orthogonal(r, mlp.HiddenGain, mlp.PolicyGain)
	value.Orthogonal(r, mlp.HiddenGain, mlp.ValueGain)
	if shared {
		value = policy.WithHead(1)
	}
	p := &ppoProblem{PPO: NewPPO(policy, value, false, 1e-5, 0.5), loss: ppoLosses["entropy"]}
	var err error
	if p.batch, err = p.Batch(n); err != nil {
		b.Fatal(err)
	}
	p.fill(r)
	p.Solver.LR = 1e-4
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Gradient(p.batch, p.loss); err != nil {
			b.Fatal(err)
		}
		if err := p.Step(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPPO is a whole gradient step, with Adam, of 64x64 tanh nets.
func BenchmarkPPO(b *testing.B) {
	for _, n := range []int{64, 256, 1024, 2048} {
		for _, shared := range []bool{false, true} {
			b.Run(fmt.Sprintf("n=%d,d=64,a=16,shared=%v", n, shared), func(b *testing.B) { benchmarkPPO(b, n, 64, 16, shared) })
		}
	}
	b.Run("n=256,d=4,a=2,shared=false", func(b *testing.B) { benchmarkPPO(b, 256, 4, 2, false) })
}

func BenchmarkTD(b *testing.B) {
	for _, c := range []struct {
		n, dim, hidden, actions, quantiles int
		dueling                            bool
	}{{64, 4, 256, 2, 1, false}, {256, 64, 64, 16, 1, false}, {256, 64, 64, 16, 1, true}, {256, 64, 64, 16, 32, true}} {
		b.Run(fmt.Sprintf("n=%d,d=%d,h=%d,a=%d,q=%d,dueling=%v", c.n, c.dim, c.hidden, c.actions, c.quantiles, c.dueling), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 1))
			q := &QNet{Advantage: mlp.New(mlp.ReLU, c.dim, c.hidden, c.hidden, c.actions*c.quantiles), Actions: c.actions, Quantiles: c.quantiles}
			q.Advantage.Orthogonal(r, mlp.HiddenGain, mlp.ValueGain)
			if c.dueling {
				q.Value = q.Advantage.WithHead(c.quantiles)
			}
			p := newTDProblem(b, r, q, c.n, TDLoss{Huber: 1})
			p.Solver.LR = 1e-4
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Gradient(p.batch, p.loss); err != nil {
					b.Fatal(err)
				}
				if err := p.Step(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkQForward is what a target costs: a forward pass of a dueling net.
func BenchmarkQForward(b *testing.B) {
	for _, head := range []Head{LinearHead, SymexpHead} {
		b.Run(head.String(), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 1))
			q := newQNet(r, separate, mlp.ReLU, true, 64, 16, 1, head)
			q.Advantage = mlp.New(mlp.ReLU, 64, 64, 64, 16)
			q.Advantage.Orthogonal(r, mlp.HiddenGain, mlp.ValueGain)
			q.Value = q.Advantage.WithHead(1)
			obs := normals(r, 256*64)
			var s QScratch
			b.ReportAllocs()
			for b.Loop() {
				q.Forward(256, obs, &s)
			}
		})
	}
}
