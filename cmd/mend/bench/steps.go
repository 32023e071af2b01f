package bench

import (
	"fmt"
	"math"

	"mend/agents/learn"
	"mend/agents/mlp"
)

// Steps lists gradient steps of the learners on minibatches of n, with 64
// features, 16 actions and two hidden tanh layers of 64, in microseconds a
// step: forward, backward, clipping of the gradient and Adam. PPO's policy and
// value share nothing but where the name says so. What DQN's targets cost, a
// forward pass of the target network, is not in it.
func Steps() []Benchmark {
	var list []Benchmark
	step := func(name string, prepare func() (func() error, error)) {
		list = append(list, one("learner/"+name, "us", func() (func(int) error, func(float64) float64, error) {
			f, err := prepare()
			work := func(n int) error {
				for range n {
					if err := f(); err != nil {
						return err
					}
				}
				return nil
			}
			return work, func(s float64) float64 { return s * 1e6 }, err
		}))
	}
	for _, shared := range []bool{false, true} {
		suffix := ""
		if shared {
			suffix = ",shared"
		}
		for _, n := range []int{64, 256, 1024, 2048} {
			step(fmt.Sprintf("ppo-step/n=%d,d=%d,a=%d%s", n, features, actions, suffix), func() (func() error, error) { return ppoStep(n, shared) })
		}
	}
	for _, n := range []int{32, 128, 256} {
		step(fmt.Sprintf("dqn-step/n=%d,d=%d,a=%d", n, features, actions), func() (func() error, error) { return dqnStep(n) })
	}
	return list
}

// The constants of Adam and clipping, of no consequence to the time. The
// solvers keep their learning rate of 0: everything is computed, and the
// problem stays what it is however often the step is taken.
const (
	adamEps = 1e-5
	maxNorm = 0.5
)

// ppoStep returns one gradient step of PPO on a random minibatch.
func ppoStep(n int, shared bool) (func() error, error) {
	r := numbers()
	policy := mlp.New(mlp.Tanh, features, width, width, actions)
	policy.Orthogonal(r, mlp.HiddenGain, mlp.PolicyGain)
	value := mlp.New(mlp.Tanh, features, width, width, 1)
	if shared {
		value = policy.WithHead(1)
	} else {
		value.Orthogonal(r, mlp.HiddenGain, mlp.ValueGain)
	}
	l := learn.NewPPO(policy, value, false, adamEps, maxNorm)
	b, err := l.Batch(n)
	if err != nil {
		return nil, err
	}
	copy(b.Obs, normals(r, len(b.Obs)))
	copy(b.Advantage, normals(r, n))
	copy(b.Return, normals(r, n))
	copy(b.OldValue, normals(r, n))
	for i := range n {
		b.Action[i] = r.IntN(actions)
		b.OldLogProb[i] = float32(-math.Log(actions)) // nearly so at the start
	}
	loss := learn.PPOLoss{Clip: 0.2, ValueCoefficient: 0.5, EntropyCoefficient: 0.01}
	return func() error {
		if _, err := l.Gradient(b, loss); err != nil {
			return err
		}
		return l.Step()
	}, nil
}

// dqnStep returns one gradient step of DQN on a random minibatch.
func dqnStep(n int) (func() error, error) {
	r := numbers()
	net := mlp.New(mlp.Tanh, features, width, width, actions)
	net.Orthogonal(r, mlp.HiddenGain, mlp.ValueGain)
	l := learn.NewTD(&learn.QNet{Advantage: net, Actions: actions, Quantiles: 1}, adamEps, maxNorm)
	b, err := l.Batch(n)
	if err != nil {
		return nil, err
	}
	copy(b.Obs, normals(r, len(b.Obs)))
	copy(b.Target, normals(r, len(b.Target)))
	for i := range n {
		b.Action[i] = r.IntN(actions)
		b.Weight[i] = 1
	}
	loss := learn.TDLoss{Huber: 1}
	return func() error {
		if _, err := l.Gradient(b, loss); err != nil {
			return err
		}
		return l.Step()
	}, nil
}
