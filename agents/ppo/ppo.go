// Package ppo is proximal policy optimisation with masks, for steps of unequal
// length.
//
// Start with [New] and [Agent.Update], which follows the paper's algorithm 1.
// The equations stand where they are computed: advantages at [GAE], credit to
// single subjects at [chains], the loss at [learn.PPOLoss]. What PPO shares with
// other learners (normalisation, shaping, averaged weights) is in agents/signal.
// Left out: continuous actions and recurrence.
//
// Schulman et al., arXiv:1707.06347. Huang et al., "The 37 implementation
// details of proximal policy optimization", 2022, describes the options; reward
// clipping is not among ours, see package signal.
package ppo

import (
	"fmt"
	"math"

	"mend/agents"
	"mend/agents/kernel"
	"mend/agents/learn"
	"mend/agents/mlp"
	"mend/agents/signal"
	"mend/env"
)

// Agent learns by PPO. It is not safe for concurrent use.
type Agent struct {
	cfg   Config
	setup signal.Setup
	gamma float64
	head  learn.Head

	policy, value *mlp.Net
	learner       *learn.PPO
	actor         *mlp.Net            // policy, or its average
	average       *signal.Average     // nil where actor is policy
	moments       *signal.Moments     // of the observations; nil where they are not normalised
	scale         *signal.ReturnScale // of the rewards; nil where they are not scaled
	rate          *signal.RewardRate  // of rewards, which is subtracted; nil where it is not
	rms           meanSquare          // of the advantages
	acting        signal.Stream       // draws actions
	shuffling     signal.Stream       // draws minibatches
	rollout       *rollout
	steps         uint64 // environment steps learned from
	updates       uint64 // updates made

	workspace
}

var _ agents.Agent = (*Agent)(nil)

// maxEntries bounds the entries of a rollout, which int32 numbers.
const maxEntries = 1 << 30

// New returns an agent made as s says.
func New(cfg Config, s signal.Setup) (*Agent, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("ppo: %w", err)
	}
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("ppo: %w", err)
	}
	if most := maxEntries / s.Envs; cfg.RolloutSteps > most {
		return nil, fmt.Errorf("ppo: rollout_steps is %d for %d environments, want at most %d", cfg.RolloutSteps, s.Envs, most)
	}
	hidden, err := mlp.ParseActivation(cfg.Activation)
	if err != nil {
		return nil, fmt.Errorf("ppo: %w", err)
	}
	head, err := learn.ParseHead(s.Signal.ValueHead)
	if err != nil {
		return nil, fmt.Errorf("ppo: %w", err)
	}
	cfg.Hidden = append([]int(nil), cfg.Hidden...)
	spec := s.Spec
	a := &Agent{
		cfg: cfg, setup: s, gamma: s.Gamma(cfg.Gamma), head: head,
		acting:    signal.NewStream(s.Seed.Child("act", 0)),
		shuffling: signal.NewStream(s.Seed.Child("shuffle", 0)),
		rollout:   newRollout(cfg.RolloutSteps, s.Envs, spec),
	}
	if s.Signal.Credit == signal.CreditSubject {
		a.rollout.chains = newChains(cfg.RolloutSteps, s.Envs, spec.Subjects, a.gamma)
	}

	sizes := append(append([]int{spec.ObsDim()}, cfg.Hidden...), len(spec.Actions))
	weights := signal.NewStream(s.Seed.Child("weights", 0))
	a.policy = mlp.New(hidden, sizes...)
	a.policy.Orthogonal(weights.Rand, mlp.HiddenGain, mlp.PolicyGain)
	if s.Signal.NormalizeObservation {
		a.moments = signal.NewMoments(spec.ObsDim(), s.Signal.ObservationClip)
		a.policy.Input = a.moments.Normalizer()
	}
	if cfg.SharedTrunk {
		a.value = a.policy.WithHead(1)
		last := &mlp.Net{Layers: a.value.Layers[len(a.value.Layers)-1:]}
		last.Orthogonal(weights.Rand, mlp.HiddenGain, mlp.ValueGain)
	} else {
		sizes[len(sizes)-1] = 1
		a.value = mlp.New(hidden, sizes...)
		a.value.Orthogonal(weights.Rand, mlp.HiddenGain, mlp.ValueGain)
		a.value.Input = a.policy.Input
	}
	a.learner = learn.NewPPO(a.policy, a.value, spec.Masked, cfg.AdamEps, cfg.MaxGradNorm)

	a.actor = a.policy
	if s.Signal.Average != signal.AverageNone {
		a.actor = a.policy.Clone()
		a.actor.Input = a.policy.Input // one normaliser, which follows the observations
		a.average = signal.NewAverage(&s.Signal, a.policy.Tensors(), a.actor.Tensors())
	}
	if s.Signal.NormalizeReward {
		a.scale = signal.NewReturnScale(s.Envs, a.gamma)
	}
	if s.Signal.Differential {
		if a.gamma != 1 {
			return nil, fmt.Errorf("ppo: signal.differential is true with a discount of %v, want 1", a.gamma)
		}
		a.rate = &signal.RewardRate{}
	}
	a.workspace = newWorkspace(a)
	a.before = newBefore(a.listTensors())
	return a, nil
}

// Act draws actions from the policy, among the legal ones.
func (a *Agent) Act(t *env.TimeStep, actions []int) {
	if len(actions) != t.N {
		panic(fmt.Sprintf("ppo: %d actions for %d environments", len(actions), t.N))
	}
	logits := a.policy.Forward(t.N, t.Obs, &a.act.scratch)
	width := a.policy.Out()
	prob := a.act.softmax(t.N, width, logits, t.Mask)
	for i := range actions {
		p := prob[i*width : (i+1)*width]
		if actions[i] = sample(a.acting.Float64(), p); actions[i] < 0 {
			panic(fmt.Sprintf("ppo: environment %d: none of %d actions has a probability above 0: %v, observing %v", i, width, p, t.ObsRow(i)))
		}
	}
}

// sample inverts the distribution function at u in [0, 1). An action of
// probability 0 is never drawn: where there is no other, the result is −1.
func sample(u float64, prob []float32) int {
	last := -1
	for i, p := range prob {
		if !(p > 0) {
			continue
		}
		last = i
		if u < float64(p) {
			return i
		}
		u -= float64(p)
	}
	return last // rounding
}

// Observe records one step.
func (a *Agent) Observe(prev *env.TimeStep, actions []int, next *env.TimeStep) {
	a.rollout.add(prev, actions, next)
}

// Update learns once RolloutSteps steps of every environment were observed.
// After an error the agent is as it was before.
func (a *Agent) Update() ([]agents.Metric, error) {
	if !a.rollout.full() {
		return nil, nil
	}
	a.save()
	metrics, err := a.update()
	if err != nil {
		a.putBack()
		return nil, fmt.Errorf("ppo: update %d: %w", a.updates+1, err)
	}
	a.steps += uint64(a.rollout.steps * a.rollout.envs)
	a.updates++
	if a.average != nil {
		a.average.Update(a.setup.Progress(a.steps))
	}
	a.learnStatistics()
	a.rollout.reset()
	return metrics, nil
}

func (a *Agent) update() ([]agents.Metric, error) {
	cfg := &a.cfg
	progress := a.setup.Progress(a.steps)
	loss := a.loss(progress)
	lr := signal.Scheduled(cfg.LearningRateSchedule, cfg.LearningRate, progress)
	a.learner.Solver.LR = lr

	if err := a.rollout.check(); err != nil {
		return nil, err
	}
	a.evaluate()
	a.rewardSignal()
	a.advantages()
	rows := a.rows()
	explained := a.explainedVariance(rows)
	switch cfg.NormalizeAdvantage {
	case NormalizeRunning:
		a.rms.divide(a.adv, rows, cfg.AdvantageClip)
	case NormalizeNone:
		clip(a.adv, rows, 1, cfg.AdvantageClip)
	}
	used := a.whole(len(rows))

	var mean learn.PPOStats
	var norm, steps, count float64
	stop := false
	for epoch := 0; epoch < cfg.Epochs && !stop; epoch++ {
		shuffle(a.shuffling, rows)
		for from := 0; from < used; from += cfg.MinibatchSize {
			fail := func(err error) error {
				return fmt.Errorf("epoch %d, minibatch %d: %w", epoch+1, from/cfg.MinibatchSize+1, err)
			}
			b, err := a.minibatch(rows[from:min(from+cfg.MinibatchSize, used)])
			if err != nil {
				return nil, fail(err)
			}
			s, err := a.learner.Gradient(b, loss)
			if err != nil {
				return nil, fail(err)
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
				return nil, fail(err)
			}
			if a.average != nil {
				a.average.Step()
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
	count = max(1, count) // no decision may have been learned from
	metrics := []agents.Metric{
		{Name: "policy_loss", Value: mean.PolicyLoss / count},
		{Name: "value_loss", Value: mean.ValueLoss / count},
		{Name: "entropy", Value: mean.Entropy / count},
		{Name: "approx_kl", Value: mean.ApproxKL / count},
		{Name: "clip_fraction", Value: mean.ClipFraction / count},
		{Name: "explained_variance", Value: explained},
		{Name: "learning_rate", Value: lr},
		{Name: "grad_norm", Value: norm / max(1, steps)},
	}
	if cfg.NormalizeAdvantage == NormalizeRunning {
		metrics = append(metrics, agents.Metric{Name: "advantage_rms", Value: a.rms.root()})
	}
	if a.scale != nil {
		metrics = append(metrics, agents.Metric{Name: "reward_factor", Value: a.scale.Factor()})
	}
	if a.rate != nil {
		metrics = append(metrics, agents.Metric{Name: "reward_rate", Value: a.rate.Rate()})
	}
	if a.rollout.chains != nil {
		metrics = append(metrics, agents.Metric{Name: "learned_share", Value: float64(used) / float64(len(a.adv))})
	}
	return metrics, nil
}

// loss is the loss of an update after fraction of the training.
func (a *Agent) loss(fraction float64) learn.PPOLoss {
	cfg := &a.cfg
	return learn.PPOLoss{
		Clip:               signal.Scheduled(cfg.ClipSchedule, cfg.Clip, fraction),
		ValueClip:          cfg.ValueClip,
		ValueCoefficient:   cfg.ValueCoefficient,
		ValueHead:          a.head,
		ValueHuber:         cfg.ValueHuber,
		EntropyCoefficient: signal.Anneal(cfg.EntropyCoefficient, cfg.EntropyCoefficientFinal, fraction),
	}
}

// shuffle puts rows into a random order: Fisher and Yates.
func shuffle(s signal.Stream, rows []int32) {
	for i := len(rows) - 1; i > 0; i-- {
		j := s.IntN(i + 1)
		rows[i], rows[j] = rows[j], rows[i]
	}
}

// rows lists the entries of the rollout that can be learned from.
func (a *Agent) rows() []int32 {
	rows := a.order[:0]
	for k := range a.adv {
		if c := a.rollout.chains; c == nil || c.link[k] != linkOpen {
			rows = append(rows, int32(k))
		}
	}
	return rows
}

// whole is how many of n entries an epoch learns from: all, or with credit to
// subjects, where n varies, whole minibatches, and the greatest power of two
// where there is not one. The entries left out differ from epoch to epoch. Each
// size of minibatch is compiled by itself, so they should be few.
func (a *Agent) whole(n int) int {
	size := a.cfg.MinibatchSize
	switch {
	case a.rollout.chains == nil || n == 0:
		return n
	case n >= size:
		return n - n%size
	}
	whole := 1
	for 2*whole <= n {
		whole *= 2
	}
	return whole
}

// minibatch gathers the given entries of the rollout.
func (a *Agent) minibatch(rows []int32) (*learn.PPOBatch, error) {
	b, err := a.learner.Batch(len(rows))
	if err != nil {
		return nil, err
	}
	r := a.rollout
	dim, width := r.dim, r.actions
	obs := b.Obs
	for _, k := range rows {
		copy(obs[:dim], a.obs[int(k)*dim:])
		obs = obs[dim:]
	}
	if r.masked {
		mask := b.Mask
		for _, k := range rows {
			copy(mask[:width], r.mask[int(k)*width:])
			mask = mask[width:]
		}
	}
	for i, k := range rows {
		b.Action[i] = int(r.action[k])
		b.OldLogProb[i] = a.oldLogProb[k]
		b.OldValue[i] = a.values[k]
		b.Advantage[i] = a.adv[k]
		b.Return[i] = a.returns[k]
	}
	if a.cfg.NormalizeAdvantage == NormalizeMinibatch {
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
	mean, variance := 0.0, 0.0
	for _, v := range x {
		mean += float64(v)
	}
	mean /= float64(len(x))
	for _, v := range x {
		d := float64(v) - mean
		variance += float64(d * d)
	}
	scale := 1 / (math.Sqrt(variance/float64(len(x)-1)) + 1e-8)
	for i, v := range x {
		x[i] = float32((float64(v) - mean) * scale)
	}
}

// meanSquare is an exponential moving average of the mean square of the
// advantages of a rollout, without bias towards its start: of the numbers x_1 to
// x_n the average is Σ d^(n−i)·x_i / Σ d^(n−i) with d = 0.9.
type meanSquare struct{ sum, weight float64 }

// The memory of meanSquare is some ten rollouts: advantages shrink as the policy
// improves.
const meanSquareDecay = 0.9

func (m *meanSquare) root() float64 {
	return math.Sqrt(m.sum / max(m.weight, math.SmallestNonzeroFloat64))
}

// divide takes the given rows of adv into the average, divides them by its root
// and, unless bound is 0, clips them to ±bound.
func (m *meanSquare) divide(adv []float32, rows []int32, bound float64) {
	if len(rows) == 0 {
		return
	}
	squares := 0.0
	for _, k := range rows {
		squares += float64(float64(adv[k]) * float64(adv[k]))
	}
	m.sum = float64(meanSquareDecay*m.sum) + float64((1-meanSquareDecay)*(squares/float64(len(rows))))
	m.weight = float64(meanSquareDecay*m.weight) + (1 - meanSquareDecay)
	clip(adv, rows, 1/(m.root()+1e-8), bound)
}

// clip multiplies the given rows of adv by scale and, unless bound is 0, clips them
// to ±bound.
func clip(adv []float32, rows []int32, scale, bound float64) {
	if bound == 0 {
		bound = math.Inf(1)
	}
	for _, k := range rows {
		adv[k] = float32(max(-bound, min(bound, float64(adv[k])*scale)))
	}
}

// explainedVariance is 1 − Var(R − V)/Var(R) over the given rows: 1 for a
// perfect critic, 0 for a constant one. Where all returns are equal it is
// reported as 0.
func (a *Agent) explainedVariance(rows []int32) float64 {
	variance := func(of func(k int32) float64) float64 {
		mean, squares := 0.0, 0.0
		for _, k := range rows {
			mean += of(k)
		}
		mean /= float64(len(rows))
		for _, k := range rows {
			d := of(k) - mean
			squares += float64(d * d)
		}
		return squares
	}
	total := variance(func(k int32) float64 { return float64(a.returns[k]) })
	if len(rows) == 0 || total == 0 {
		return 0
	}
	return 1 - variance(func(k int32) float64 { return float64(a.returns[k]) - float64(a.values[k]) })/total
}

// Greedy is the policy without exploration. It follows later updates.
func (a *Agent) Greedy() agents.Policy { return mlp.NewGreedy(a.actor) }

// Actor is the policy network, averaged where that is on. Its weights change
// with updates.
func (a *Agent) Actor() *mlp.Net { return a.actor }
