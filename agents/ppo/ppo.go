// Package ppo is proximal policy optimisation with masks, for steps of unequal
// length.
//
// Start with [New] and [Agent.Update], which follows the paper's algorithm 1.
// The equations stand where they are computed: advantages at [GAE], the loss at
// [learn.PPOLoss]. Policy and value network are separate. Left out: continuous
// actions, recurrence, normalisation of observations and rewards, which is the
// world's affair.
//
// Schulman et al., arXiv:1707.06347.
package ppo

import (
	"fmt"
	"math"
	"math/rand/v2"

	"mend/agents"
	"mend/agents/kernel"
	"mend/agents/learn"
	"mend/agents/mlp"
	"mend/env"
	"mend/env/seed"
	"mend/env/state"
)

// Agent learns by PPO. It is not safe for concurrent use.
type Agent struct {
	cfg        Config
	gamma      float64
	totalSteps uint64
	envs       int

	policy, value *mlp.Net
	learner       *learn.PPO
	acting        stream // draws actions
	shuffling     stream // draws minibatches
	rollout       *rollout
	steps         uint64 // environment steps learned from
	updates       uint64 // updates made

	// Work space, no part of the state.
	actScratch, evalScratch mlp.Scratch
	logp                    []float64 // [actions]
	values, nextValues      []float32 // [T*N]
	oldLogProb              []float32 // [T*N]
	adv, returns            []float32 // [T*N]
	order                   []int32   // [T*N]
	backup                  [][]float32
}

var _ agents.Agent = (*Agent)(nil)

// stream is a random stream that can be saved.
type stream struct {
	*rand.Rand
	pcg *rand.PCG
}

func open(s seed.Seed) stream {
	r, p := s.Rand()
	return stream{r, p}
}

// New returns an agent for envs environments of the given spec. totalSteps is
// the length of training in environment steps, over all environments, by which
// schedules are measured.
func New(cfg Config, spec *env.Spec, envs int, totalSteps uint64, root seed.Seed) (*Agent, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("ppo: %w", err)
	}
	switch {
	case envs < 1:
		return nil, fmt.Errorf("ppo: %d environments, want at least 1", envs)
	case totalSteps < 1:
		return nil, fmt.Errorf("ppo: %d steps in total, want at least 1", totalSteps)
	case spec.ObsDim() < 1 || len(spec.Actions) < 1:
		return nil, fmt.Errorf("ppo: %s has %d features and %d actions, want at least 1 of each", spec.ID, spec.ObsDim(), len(spec.Actions))
	case spec.Gamma < 0 || spec.Gamma > 1:
		return nil, fmt.Errorf("ppo: %s has gamma %v, want 0 <= gamma <= 1", spec.ID, spec.Gamma)
	}
	cfg.Hidden = append([]int(nil), cfg.Hidden...)
	hidden, err := mlp.ParseActivation(cfg.Activation)
	if err != nil {
		return nil, fmt.Errorf("ppo: %w", err)
	}
	sizes := func(out int) []int {
		return append(append([]int{spec.ObsDim()}, cfg.Hidden...), out)
	}
	n := cfg.RolloutSteps * envs
	a := &Agent{
		cfg: cfg, gamma: cfg.Gamma, totalSteps: totalSteps, envs: envs,
		policy:    mlp.New(hidden, sizes(len(spec.Actions))...),
		value:     mlp.New(hidden, sizes(1)...),
		acting:    open(root.Child("act", 0)),
		shuffling: open(root.Child("shuffle", 0)),
		rollout:   newRollout(cfg.RolloutSteps, envs, spec),

		logp:   make([]float64, len(spec.Actions)),
		values: make([]float32, n), nextValues: make([]float32, n), oldLogProb: make([]float32, n),
		adv: make([]float32, n), returns: make([]float32, n), order: make([]int32, n),
	}
	if spec.Gamma != 0 {
		a.gamma = spec.Gamma
	}
	weights := open(root.Child("weights", 0))
	a.policy.Orthogonal(weights.Rand, mlp.HiddenGain, mlp.PolicyGain)
	a.value.Orthogonal(weights.Rand, mlp.HiddenGain, mlp.ValueGain)
	a.learner = learn.NewPPO(a.policy, a.value, spec.Masked, cfg.AdamEps, cfg.MaxGradNorm)
	for _, x := range a.tensors() {
		a.backup = append(a.backup, make([]float32, len(x)))
	}
	return a, nil
}

// Act draws actions from the policy, among the legal ones.
func (a *Agent) Act(t *env.TimeStep, actions []int) {
	if len(actions) != t.N {
		panic(fmt.Sprintf("ppo: %d actions for %d environments", len(actions), t.N))
	}
	logits := a.policy.Forward(t.N, t.Obs, &a.actScratch)
	w := len(a.logp)
	for i := range actions {
		learn.LogSoftmax(a.logp, logits[i*w:(i+1)*w], t.MaskRow(i))
		actions[i] = sample(a.acting.Float64(), a.logp)
	}
}

// sample inverts the distribution function at u in [0, 1). An action of
// probability 0 is never drawn.
func sample(u float64, logp []float64) int {
	last := -1
	for i, lp := range logp {
		p := math.Exp(lp)
		if !(p > 0) {
			continue
		}
		last = i
		if u < p {
			return i
		}
		u -= p
	}
	if last < 0 {
		panic(fmt.Sprintf("ppo: none of %d actions has a probability above 0: %v", len(logp), logp))
	}
	return last // rounding
}

// Observe records one step.
func (a *Agent) Observe(prev *env.TimeStep, actions []int, next *env.TimeStep) {
	a.rollout.add(prev, actions, next)
}

// Update learns once RolloutSteps steps of every environment were observed.
// After an error the weights are what they were before.
func (a *Agent) Update() ([]agents.Metric, error) {
	if !a.rollout.full() {
		return nil, nil
	}
	for i, x := range a.tensors() {
		copy(a.backup[i], x)
	}
	t := a.learner.Solver.T
	metrics, err := a.update()
	if err != nil {
		for i, x := range a.tensors() {
			copy(x, a.backup[i])
		}
		a.learner.Solver.T = t
		return nil, fmt.Errorf("ppo: update %d: %w", a.updates+1, err)
	}
	a.steps += uint64(a.rollout.steps * a.rollout.envs)
	a.updates++
	a.rollout.reset()
	return metrics, nil
}

func (a *Agent) update() ([]agents.Metric, error) {
	cfg, r := &a.cfg, a.rollout
	fraction := min(1, float64(a.steps)/float64(a.totalSteps))
	loss := learn.PPOLoss{
		Clip:               at(cfg.ClipSchedule, cfg.Clip, fraction),
		ValueClip:          cfg.ValueClip,
		ValueCoefficient:   cfg.ValueCoefficient,
		EntropyCoefficient: between(cfg.EntropyCoefficient, cfg.EntropyCoefficientFinal, fraction),
	}
	lr := at(cfg.LearningRateSchedule, cfg.LearningRate, fraction)
	a.learner.Solver.LR = lr

	a.evaluate()
	GAE(r.envs, a.gamma, cfg.Lambda, r.reward, r.elapsed, a.values, a.nextValues, r.terminated, r.truncated, a.adv)
	for k, v := range a.values {
		a.returns[k] = a.adv[k] + v
		a.order[k] = int32(k)
	}

	var mean learn.PPOStats
	var norm, steps, count float64
	stop := false
	for epoch := 0; epoch < cfg.Epochs && !stop; epoch++ {
		a.shuffling.Shuffle(len(a.order), func(i, j int) { a.order[i], a.order[j] = a.order[j], a.order[i] })
		for from := 0; from < len(a.order); from += cfg.MinibatchSize {
			rows := a.order[from:min(from+cfg.MinibatchSize, len(a.order))]
			b, err := a.minibatch(rows)
			if err != nil {
				return nil, err
			}
			s, err := a.learner.Gradient(b, loss)
			if err != nil {
				return nil, fmt.Errorf("epoch %d, minibatch %d: %w", epoch+1, from/cfg.MinibatchSize+1, err)
			}
			mean.PolicyLoss += s.PolicyLoss
			mean.ValueLoss += s.ValueLoss
			mean.Entropy += s.Entropy
			mean.ApproxKL += s.ApproxKL
			mean.ClipFraction += s.ClipFraction
			count++
			if cfg.TargetKL > 0 && s.ApproxKL > 1.5*cfg.TargetKL {
				stop = true
				break
			}
			if err := a.learner.Step(); err != nil {
				return nil, fmt.Errorf("epoch %d, minibatch %d: %w", epoch+1, from/cfg.MinibatchSize+1, err)
			}
			norm += a.learner.Solver.Norm
			steps++
		}
	}
	for i, x := range a.tensors() {
		if !kernel.Finite(x) {
			return nil, fmt.Errorf("%s is not finite after the update", a.tensorName(i))
		}
	}
	return []agents.Metric{
		{Name: "policy_loss", Value: mean.PolicyLoss / count},
		{Name: "value_loss", Value: mean.ValueLoss / count},
		{Name: "entropy", Value: mean.Entropy / count},
		{Name: "approx_kl", Value: mean.ApproxKL / count},
		{Name: "clip_fraction", Value: mean.ClipFraction / count},
		{Name: "explained_variance", Value: explainedVariance(a.values, a.returns)},
		{Name: "learning_rate", Value: lr},
		{Name: "grad_norm", Value: norm / max(1, steps)},
	}, nil
}

// evaluate computes V(s_t), V(s'_t) and log π_old(a_t|s_t) of the rollout with
// the weights as they are.
func (a *Agent) evaluate() {
	r := a.rollout
	n, dim, w := r.steps*r.envs, r.dim, r.actions
	a.valuesOf(r.obs, a.values)

	// s'_t is s_{t+1}, except where the clock cut the episode. Where it
	// terminated nothing follows and GAE does not look.
	copy(a.nextValues, a.values[r.envs:])
	a.valuesOf(r.next, a.nextValues[n-r.envs:])
	final := r.final
	for k := range n {
		if r.bootstraps(k) {
			a.valuesOf(final[:dim], a.nextValues[k:k+1])
			final = final[dim:]
		}
	}

	for from := 0; from < n; from += chunk {
		rows := min(chunk, n-from)
		logits := a.policy.Forward(rows, r.obs[from*dim:(from+rows)*dim], &a.evalScratch)
		for i := range rows {
			k := from + i
			var mask []bool
			if r.masked {
				mask = r.mask[k*w : (k+1)*w]
			}
			learn.LogSoftmax(a.logp, logits[i*w:(i+1)*w], mask)
			a.oldLogProb[k] = float32(a.logp[r.action[k]])
		}
	}
}

// chunk bounds the rows of one forward pass, so that its activations stay in
// the cache. It does not change a bit.
const chunk = 1024

func (a *Agent) valuesOf(obs, values []float32) {
	dim := a.value.In()
	for from := 0; from < len(values); from += chunk {
		rows := min(chunk, len(values)-from)
		copy(values[from:], a.value.Forward(rows, obs[from*dim:(from+rows)*dim], &a.evalScratch))
	}
}

// minibatch gathers the given entries of the rollout.
func (a *Agent) minibatch(rows []int32) (*learn.PPOBatch, error) {
	b, err := a.learner.Batch(len(rows))
	if err != nil {
		return nil, err
	}
	r := a.rollout
	for i, row := range rows {
		k := int(row)
		copy(b.Obs[i*r.dim:(i+1)*r.dim], r.obs[k*r.dim:])
		if r.masked {
			copy(b.Mask[i*r.actions:(i+1)*r.actions], r.mask[k*r.actions:])
		}
		b.Action[i] = int(r.action[k])
		b.OldLogProb[i] = a.oldLogProb[k]
		b.OldValue[i] = a.values[k]
		b.Advantage[i] = a.adv[k]
		b.Return[i] = a.returns[k]
	}
	if a.cfg.NormalizeAdvantage {
		normalize(b.Advantage)
	}
	return b, nil
}

// normalize shifts and scales x to mean 0 and standard deviation 1. A single
// element has no deviation and stays as it is.
func normalize(x []float32) {
	if len(x) < 2 {
		return
	}
	mean, variance := moments(x)
	scale := 1 / (math.Sqrt(variance*float64(len(x))/float64(len(x)-1)) + 1e-8)
	for i, v := range x {
		x[i] = float32((float64(v) - mean) * scale)
	}
}

func moments(x []float32) (mean, variance float64) {
	for _, v := range x {
		mean += float64(v)
	}
	mean /= float64(len(x))
	for _, v := range x {
		d := float64(v) - mean
		variance += float64(d * d)
	}
	return mean, variance / float64(len(x))
}

// explainedVariance is 1 − Var(R − V)/Var(R): 1 for a perfect critic, 0 for a
// constant one. Where all returns are equal it is reported as 0.
func explainedVariance(values, returns []float32) float64 {
	_, total := moments(returns)
	if total == 0 {
		return 0
	}
	rest := make([]float32, len(values))
	for i := range rest {
		rest[i] = returns[i] - values[i]
	}
	_, left := moments(rest)
	return 1 - left/total
}

// Greedy is the policy without exploration. It follows later updates.
func (a *Agent) Greedy() agents.Policy { return mlp.NewGreedy(a.policy) }

// Actor is the policy network. Its weights change with updates.
func (a *Agent) Actor() *mlp.Net { return a.policy }

// tensors lists all weights and moments that an update changes, in order:
// policy and value network, then the moments of each.
func (a *Agent) tensors() [][]float32 {
	list := append(a.policy.Tensors(), a.value.Tensors()...)
	for i := range a.learner.Solver.M {
		list = append(list, a.learner.Solver.M[i], a.learner.Solver.V[i])
	}
	return list
}

// tensorName names entry i of tensors.
func (a *Agent) tensorName(i int) string {
	name := func(i int) string {
		net := "policy"
		if i >= 2*len(a.policy.Layers) {
			net, i = "value", i-2*len(a.policy.Layers)
		}
		return fmt.Sprintf("%s.%d.%c", net, i/2, "WB"[i%2])
	}
	weights := 2 * (len(a.policy.Layers) + len(a.value.Layers))
	if i < weights {
		return name(i)
	}
	return [2]string{"first", "second"}[(i-weights)%2] + " moment of " + name((i-weights)/2)
}

// AppendState appends everything that learning depends on.
func (a *Agent) AppendState(b []byte) []byte { return state.Append(b, a.fields) }

// RestoreState reads what AppendState of an agent of the same configuration
// wrote. After an error the agent is not fit for use.
func (a *Agent) RestoreState(b []byte) error {
	if err := state.Restore(b, a.fields); err != nil {
		return fmt.Errorf("ppo: state: %w", err)
	}
	return nil
}

func (a *Agent) fields(c *state.Codec) {
	// A state of another shape is told by what it says first.
	for _, x := range []struct {
		what string
		want int
	}{
		{"policy weights", a.policy.Params()}, {"value weights", a.value.Params()},
		{"environments", a.envs}, {"steps in a rollout", a.rollout.steps},
	} {
		n := uint64(x.want)
		state.Value(c, &n)
		if n != uint64(x.want) {
			c.Fail(fmt.Errorf("%d %s, this agent has %d", n, x.what, x.want))
		}
	}
	state.Value(c, &a.steps)
	state.Value(c, &a.updates)
	for _, x := range append(a.policy.Tensors(), a.value.Tensors()...) {
		state.Fixed(c, x)
	}
	a.learner.Solver.Fields(c)
	for _, s := range []stream{a.acting, a.shuffling} {
		saved, err := s.pcg.MarshalBinary()
		if err != nil {
			c.Fail(err)
		}
		state.Slice(c, &saved)
		if c.Restoring() && c.Err() == nil {
			if err := s.pcg.UnmarshalBinary(saved); err != nil {
				c.Fail(err)
			}
		}
	}
	a.rollout.fields(c)
}
