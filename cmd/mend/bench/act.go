package bench

import (
	"fmt"

	"mend/agents/mlp"
	"mend/env"
)

// The network that acting and gradient steps are measured on.
const (
	features = 64
	actions  = 16
	width    = 64 // of each of two hidden layers
)

// Act lists calls of a trained policy: 64 features, a 64x64 tanh trunk, 16
// actions, of which it takes the best. In nanoseconds a call. A call that
// allocates is an error.
func Act() []Benchmark {
	var list []Benchmark
	for _, batch := range []int{1, 64} {
		name := fmt.Sprintf("act/batch=%d", batch)
		list = append(list, one(name, "ns", func() (func(int) error, func(float64) float64, error) {
			act := actor(batch)
			act(1) // makes its buffers
			const calls = 10_000
			if n := mallocs(func() { act(calls) }); n >= calls {
				return nil, nil, fmt.Errorf("%d allocations in %d calls, want none", n, calls)
			}
			work := func(n int) error {
				act(n)
				return nil
			}
			return work, func(s float64) float64 { return s * 1e9 }, nil
		}))
	}
	return list
}

// actor returns what lets a greedy policy act n times on a batch, each time on
// another of 64 observations.
func actor(batch int) func(n int) {
	const observations = 64
	r := numbers()
	net := mlp.New(mlp.Tanh, features, width, width, actions)
	net.Orthogonal(r, mlp.HiddenGain, 1)
	policy := mlp.NewGreedy(net)
	obs := normals(r, observations*batch*features)
	t := &env.TimeStep{N: batch}
	chosen := make([]int, batch)
	return func(n int) {
		for i := range n {
			at := i % observations * batch * features
			t.Obs = obs[at : at+batch*features]
			policy.Act(t, chosen)
		}
	}
}
