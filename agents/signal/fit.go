package signal

import (
	"context"
	"errors"
	"fmt"
	"math"

	"mend/agents"
	"mend/agents/kernel"
	"mend/agents/learn"
	"mend/agents/mlp"
	"mend/env"
	"mend/env/seed"
)

// potentialHead lets Φ span orders of magnitude, as discounted dollars do, and
// counts errors relative to it.
const potentialHead = learn.SymexpHead

// Fit fits Φ to the discounted return of policy, at the discount gamma per
// nominal interval, from rollouts in the environments of v. They must be fresh
// training worlds, at least 2: one in eight, but at least one, is held out to
// measure [Quality]. s determines the first weights and the order of the
// minibatches. After an error Φ is not fitted.
//
// The targets are the λ-returns of the current Φ,
//
//	G_t = r_t + γ^Δ·((1 − λ^Δ)·Φ(s'_t) + λ^Δ·G_{t+1})
//
// with r_t + γ^Δ·Φ(s'_t) where the step was truncated or is the last, and r_t
// where it terminated. As the loss is quadratic only up to a relative error of 1,
// returns whose rare catastrophes exceed that are underestimated.
//
// Sutton & Barto, "Reinforcement learning", second edition, section 12.1.
func (p *Potential) Fit(ctx context.Context, v *env.Vector, policy agents.Policy, gamma float64, s seed.Seed) error {
	err := p.fit(ctx, v, policy, gamma, s)
	if err != nil {
		p.fitted, p.quality = false, Quality{}
		return fmt.Errorf("signal: fit of the potential: %w", err)
	}
	return nil
}

func (p *Potential) fit(ctx context.Context, v *env.Vector, policy agents.Policy, gamma float64, s seed.Seed) error {
	switch {
	case v.N() < 2:
		return fmt.Errorf("%d environment, want at least 2", v.N())
	case v.Spec().ObsDim() != p.net.In():
		return fmt.Errorf("%s has %d features, this potential %d", v.Spec().ID, v.Spec().ObsDim(), p.net.In())
	case !(gamma > 0 && gamma <= 1):
		return fmt.Errorf("gamma is %v, want 0 < gamma <= 1", gamma)
	}
	h, err := play(ctx, v, policy, int((p.cfg.Steps+uint64(v.N())-1)/uint64(v.N())))
	if err != nil {
		return err
	}
	held := max(1, v.N()/8)
	train := make([]int32, 0, len(h.reward))
	moments := NewMoments(h.dim, potentialClip)
	for k := range h.reward {
		if k%h.envs < h.envs-held {
			train = append(train, int32(k))
			moments.Add(1, h.obs[k*h.dim:(k+1)*h.dim])
		}
	}
	moments.Refresh()
	input := moments.Normalizer()
	p.net.Input.Clip = input.Clip
	copy(p.net.Input.Mean, input.Mean)
	copy(p.net.Input.Scale, input.Scale)

	p.low, p.high = -math.MaxFloat32, math.MaxFloat32 // until the returns are known
	random := NewStream(s.Child("potential", 0))
	p.net.Orthogonal(random.Rand, mlp.HiddenGain, mlp.ValueGain)
	learner := learn.NewRegression(p.net, potentialHead, 1e-5, 0.5)
	size := min(p.cfg.MinibatchSize, len(train))
	steps := p.cfg.Epochs * (len(train) / size)
	b, err := learner.Batch(size)
	if err != nil {
		return err
	}
	for epoch := range p.cfg.Epochs {
		if err := h.returns(p, gamma, p.cfg.Lambda); err != nil {
			return fmt.Errorf("epoch %d: %w", epoch+1, err)
		}
		random.Shuffle(len(train), func(i, j int) { train[i], train[j] = train[j], train[i] })
		for from := 0; from+size <= len(train); from += size {
			if err := ctx.Err(); err != nil {
				return err
			}
			for i, k := range train[from : from+size] {
				row := h.obs[int(k)*h.dim : (int(k)+1)*h.dim]
				p.net.Input.Apply(1, row, b.Obs[i*h.dim:(i+1)*h.dim])
				b.Target[i] = h.target[k]
			}
			learner.Solver.LR = p.cfg.LearningRate * (1 - float64(learner.Solver.T)/float64(steps))
			_, err := learner.Gradient(b)
			if err == nil {
				err = learner.Step()
			}
			if err != nil {
				return fmt.Errorf("epoch %d, minibatch %d: %w", epoch+1, from/size+1, err)
			}
		}
	}
	if err := p.net.Check(); err != nil {
		return err
	}
	p.low, p.high = h.target[train[0]], h.target[train[0]]
	for _, k := range train {
		p.low, p.high = min(p.low, h.target[k]), max(p.high, h.target[k])
	}
	return p.measure(h, gamma, held)
}

// measure compares Φ with the discounted returns of the last held environments.
func (p *Potential) measure(h *history, gamma float64, held int) error {
	if err := h.returns(p, gamma, 1); err != nil {
		return err
	}
	var fitted, other errorsOf
	for k, g := range h.target {
		e := &fitted
		if k%h.envs >= h.envs-held {
			e = &other
		}
		e.add(float64(g), float64(h.value[k]))
	}
	q := Quality{
		Steps: uint64(other.total.n), RelativeError: other.relative / other.total.n,
		ExplainedVariance: other.explained(), FittedVariance: fitted.explained(),
	}
	if !finite(q.ExplainedVariance) || !finite(q.FittedVariance) || !finite(q.RelativeError) {
		return fmt.Errorf("explained variances %v and %v and relative error %v, want finite numbers", q.ExplainedVariance, q.FittedVariance, q.RelativeError)
	}
	p.quality, p.fitted = q, true
	return nil
}

// errorsOf gathers returns G and what Φ leaves of them.
type errorsOf struct {
	total, left running // of G and G − Φ
	relative    float64 // sum of |G − Φ|/(1 + |Φ|)
}

func (x *errorsOf) add(g, phi float64) {
	e := g - phi
	x.total.merge(running{n: 1, mean: g})
	x.left.merge(running{n: 1, mean: e})
	x.relative += math.Abs(e) / (1 + math.Abs(phi))
}

// explained is 1 − Var(G − Φ)/Var(G), and 0 where G does not vary.
func (x *errorsOf) explained() float64 {
	if x.total.m2 == 0 {
		return 0
	}
	return 1 - x.left.m2/x.total.m2
}

// history is T steps of N environments under the baseline, time-major.
type history struct {
	envs, dim             int
	obs                   []float32 // [T*N*dim]
	reward, elapsed       []float32 // [T*N]
	terminated, truncated []bool    // [T*N]
	next                  []float32 // [N*dim], the observation after the last step
	final                 []float32 // [k*dim], FinalObs of the k steps that were truncated and did not terminate

	value, target         []float32 // [T*N], Φ(s_t) and G_t
	nextValue, finalValue []float32 // of next and final
}

// play records steps of every environment of v under policy.
func play(ctx context.Context, v *env.Vector, policy agents.Policy, steps int) (*history, error) {
	n, spec := v.N(), v.Spec()
	h := &history{envs: n, dim: spec.ObsDim(), obs: make([]float32, 0, steps*n*spec.ObsDim())}
	cur, next, actions := env.NewTimeStep(n, spec), env.NewTimeStep(n, spec), make([]int, n)
	v.Reset(cur)
	for t := range steps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		policy.Act(cur, actions)
		v.Step(actions, next)
		h.obs = append(h.obs, cur.Obs...)
		h.reward = append(h.reward, next.Reward...)
		h.elapsed = append(h.elapsed, next.Elapsed...)
		h.terminated = append(h.terminated, next.Terminated...)
		h.truncated = append(h.truncated, next.Truncated...)
		for i := range n {
			if next.Truncated[i] && !next.Terminated[i] {
				h.final = append(h.final, next.FinalObs[i*h.dim:(i+1)*h.dim]...)
			}
		}
		if !kernel.Finite(next.Reward) || !kernel.Finite(next.Elapsed) || !kernel.Finite(cur.Obs) {
			return nil, fmt.Errorf("step %d of the baseline has a reward, elapsed time or observation that is not finite", t+1)
		}
		cur, next = next, cur
	}
	h.next = cur.Obs
	if !kernel.Finite(h.next) || !kernel.Finite(h.final) {
		return nil, errors.New("a last observation of the baseline is not finite")
	}
	f := func(n int) []float32 { return make([]float32, n) }
	h.value, h.target, h.nextValue, h.finalValue = f(len(h.reward)), f(len(h.reward)), f(n), f(len(h.final)/h.dim)
	return h, nil
}

// returns evaluates Φ everywhere and from it the targets.
func (h *history) returns(p *Potential, gamma, lambda float64) error {
	p.values(len(h.value), h.obs, h.value)
	p.values(h.envs, h.next, h.nextValue)
	p.values(len(h.finalValue), h.final, h.finalValue)
	last := len(h.reward) - h.envs
	final := len(h.finalValue)
	g := make([]float64, h.envs) // G_{t+1}
	for k := len(h.reward) - 1; k >= 0; k-- {
		i, dt := k%h.envs, float64(h.elapsed[k])
		discount, keep := math.Pow(gamma, dt), math.Pow(lambda, dt)
		follows := 0.0
		switch {
		case h.terminated[k]:
		case h.truncated[k]:
			final--
			follows = float64(h.finalValue[final])
		case k >= last:
			follows = float64(h.nextValue[i])
		default:
			follows = float64((1-keep)*float64(h.value[k+h.envs])) + float64(keep*g[i])
		}
		g[i] = float64(h.reward[k]) + float64(discount*follows)
		h.target[k] = float32(g[i])
	}
	if !kernel.Finite(h.target) {
		return errors.New("a return is not finite")
	}
	return nil
}
