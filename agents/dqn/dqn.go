// Package dqn is deep Q-learning from a replay buffer, with masks, for steps of
// unequal length, and the extensions that compose: double, dueling, prioritised
// replay, horizons of several steps, quantiles of the return.
//
// Start with [New] and [Agent.Update], a training phase; one gradient step of it
// is algorithm 1 of Mnih et al. The targets stand in target.go, the buffer in
// replay.go, whose transitions pending.go completes. Left out: noisy networks,
// recurrence, several steps corrected for the policy that took them.
//
// Mnih et al., "Human-level control through deep reinforcement learning", Nature
// 518, 2015.
package dqn

import (
	"fmt"

	"mend/agents"
	"mend/agents/kernel"
	"mend/agents/learn"
	"mend/agents/mlp"
	"mend/agents/signal"
	"mend/env"
)

// Agent learns by DQN. It is not safe for concurrent use.
type Agent struct {
	cfg   Config
	setup signal.Setup
	gamma float64

	online, target *learn.QNet
	learner        *learn.TD
	acting         *mlp.Net // chooses as online does
	actor          *mlp.Net // chooses as the averaged weights do; acting where there are none
	averaged       *learn.QNet
	average        *signal.Average     // nil without
	moments        *signal.Moments     // nil without normalised observations
	scale          *signal.ReturnScale // nil without normalised rewards

	exploring signal.Stream // draws random actions
	sampling  signal.Stream // draws batches
	replay    *replay
	pending   *pending

	steps     uint64 // environment steps observed
	due       uint64 // of them since the latest training phase
	gradients uint64 // gradient steps taken
	updates   uint64 // training phases

	// Work space, no part of the state.
	actScratch         mlp.Scratch
	phi, after, shaped []float32 // [envs], of Observe
	batch              batch
}

var _ agents.Agent = (*Agent)(nil)

// New returns an agent made as s says.
func New(cfg Config, s signal.Setup) (*Agent, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("dqn: %w", err)
	}
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("dqn: %w", err)
	}
	spec := s.Spec
	actions, subjects := len(spec.Actions), 1
	if s.Signal.Credit == signal.CreditSubject {
		subjects = spec.Subjects
	}
	head, err := learn.ParseHead(s.Signal.ValueHead)
	if err != nil {
		return nil, fmt.Errorf("dqn: %w", err)
	}
	switch {
	case s.Signal.Differential:
		return nil, fmt.Errorf("dqn: signal.differential is true, want false: it is for ppo")
	case actions > maxActions:
		return nil, fmt.Errorf("dqn: %s has %d actions, want at most %d", spec.ID, actions, maxActions)
	case cfg.Quantiles > 1 && head != learn.LinearHead:
		return nil, fmt.Errorf("dqn: %d quantiles with value head %s, want linear", cfg.Quantiles, s.Signal.ValueHead)
	case cfg.LearningStarts >= s.Steps:
		return nil, fmt.Errorf("dqn: learning_starts is %d and training has %d steps, want fewer before learning starts", cfg.LearningStarts, s.Steps)
	case cfg.BufferSize < 4*s.Envs:
		// Two entries an environment may follow the origins of a step.
		return nil, fmt.Errorf("dqn: buffer_size is %d, want at least 4 for each of %d environments", cfg.BufferSize, s.Envs)
	}
	cfg.Hidden = append([]int(nil), cfg.Hidden...)
	a := &Agent{
		cfg: cfg, setup: s, gamma: s.Gamma(cfg.Gamma),
		exploring: signal.NewStream(s.Seed.Child("act", 0)),
		sampling:  signal.NewStream(s.Seed.Child("sample", 0)),
		replay:    newReplay(cfg.BufferSize, spec.ObsDim(), actions, spec.Masked, s.Potential != nil, cfg.Prioritized),
		pending:   newPending(s.Envs, subjects),
		batch:     newBatch(cfg.BatchSize, spec.ObsDim(), actions),
	}
	var input *mlp.Normalizer
	if s.Signal.NormalizeObservation {
		a.moments = signal.NewMoments(spec.ObsDim(), s.Signal.ObservationClip)
		input = a.moments.Normalizer()
	}
	if s.Signal.NormalizeReward {
		a.scale = signal.NewReturnScale(s.Envs, a.gamma)
		a.shaped = make([]float32, s.Envs)
	}
	if s.Potential != nil {
		a.phi, a.after = make([]float32, s.Envs), make([]float32, s.Envs)
	}

	hidden, err := mlp.ParseActivation(cfg.Activation)
	if err != nil {
		return nil, fmt.Errorf("dqn: %w", err)
	}
	// All nets look through one normaliser, so that they see the same features
	// at any time.
	net := func() *learn.QNet {
		sizes := append(append([]int{spec.ObsDim()}, cfg.Hidden...), actions*cfg.Quantiles)
		q := &learn.QNet{Advantage: mlp.New(hidden, sizes...), Actions: actions, Quantiles: cfg.Quantiles, Head: head}
		q.Advantage.Input = input
		if cfg.Dueling {
			q.Value = q.Advantage.WithHead(cfg.Quantiles)
		}
		return q
	}
	a.online, a.target = net(), net()
	// All values start near 0, those of a value stream at 0: what random values
	// of about 1 promise, a maximum over actions would first pass on.
	a.online.Advantage.Orthogonal(signal.NewStream(s.Seed.Child("weights", 0)).Rand, mlp.HiddenGain, mlp.PolicyGain)
	a.target.CopyFrom(a.online)
	a.batch.online, a.batch.target = a.online.Tensors(), a.target.Tensors()
	a.learner = learn.NewTD(a.online, cfg.AdamEps, cfg.MaxGradNorm)
	a.acting = a.online.Actor()
	a.acting.Input = input
	a.actor = a.acting
	if s.Signal.Average != signal.AverageNone {
		a.averaged = net()
		a.averaged.CopyFrom(a.online)
		a.average = signal.NewAverage(&a.setup.Signal, a.online.Tensors(), a.averaged.Tensors())
		a.actor = a.averaged.Actor()
		a.actor.Input = input
	}
	return a, nil
}

// Act takes a random legal action with the chance that the schedule says, and
// otherwise the legal one of the highest value by the online network.
func (a *Agent) Act(t *env.TimeStep, actions []int) {
	if len(actions) != t.N {
		panic(fmt.Sprintf("dqn: %d actions for %d environments", len(actions), t.N))
	}
	epsilon := a.cfg.epsilon(a.setup.Progress(a.steps))
	greedy := false
	for i := range actions {
		actions[i] = -1
		if a.exploring.Float64() < epsilon {
			actions[i] = a.random(t.MaskRow(i))
		} else {
			greedy = true
		}
	}
	if !greedy {
		return
	}
	values := a.acting.Forward(t.N, t.Obs, &a.actScratch)
	w := a.acting.Out()
	for i := range actions {
		if actions[i] < 0 {
			actions[i] = mlp.Argmax(values[i*w:(i+1)*w], t.MaskRow(i))
		}
	}
}

// random draws a legal action.
func (a *Agent) random(mask []bool) int {
	if mask == nil {
		return a.exploring.IntN(a.replay.actions)
	}
	legal := 0
	for _, m := range mask {
		if m {
			legal++
		}
	}
	if legal == 0 {
		panic(fmt.Sprintf("dqn: none of %d actions is legal", len(mask)))
	}
	action := -1
	for range 1 + a.exploring.IntN(legal) {
		for action++; !mask[action]; action++ {
		}
	}
	return action
}

// Update runs a training phase once train_freq environment steps were observed
// since the last one. Statistics of observations and rewards are brought up to
// date before it, so that the network acts afterwards on the features that it
// was trained on.
//
// A gradient that is not finite is not applied. After an error the weights are
// those of the last gradient step that went well, if the error names a gradient
// step, but the agent is not fit for use: a checkpoint written before is.
func (a *Agent) Update() ([]agents.Metric, error) {
	freq := uint64(a.cfg.TrainFreq)
	if a.due < freq {
		return nil, nil
	}
	phases := a.due / freq
	a.due %= freq
	if a.moments != nil {
		a.moments.Refresh()
	}
	if a.scale != nil {
		a.scale.Refresh()
	}
	if a.steps < a.cfg.LearningStarts || a.replay.origins == 0 {
		return nil, nil
	}

	progress := a.setup.Progress(a.steps)
	p := phase{beta: signal.Anneal(a.cfg.PriorityBeta, 1, progress), loss: learn.TDLoss{Huber: a.cfg.Huber}}
	a.learner.Solver.LR = signal.Scheduled(a.cfg.LearningRateSchedule, a.cfg.LearningRate, progress)
	count := phases * uint64(a.cfg.GradientSteps)
	for k := range count {
		if err := a.gradientStep(&p); err != nil {
			return nil, fmt.Errorf("dqn: update %d: gradient step %d of %d: %w", a.updates+1, k+1, count, err)
		}
	}
	for i, x := range a.batch.online {
		if !kernel.Finite(x) {
			return nil, fmt.Errorf("dqn: update %d: %s is not finite after gradient step %d", a.updates+1, a.learner.Solver.Names[i], count)
		}
	}
	a.updates++
	a.online.RefreshActor(a.acting)
	if a.average != nil {
		a.average.Update(progress)
		a.averaged.RefreshActor(a.actor)
	}
	n := float64(count)
	metrics := []agents.Metric{
		{Name: "loss", Value: p.sum.Loss / n},
		{Name: "mean_q", Value: p.sum.MeanQ / n},
		{Name: "td_error", Value: p.sum.AbsError / n},
		{Name: "epsilon", Value: a.cfg.epsilon(progress)},
		{Name: "replay_size", Value: float64(a.replay.size())},
		{Name: "learning_rate", Value: a.learner.Solver.LR},
		{Name: "grad_norm", Value: p.norm / n},
	}
	if a.scale != nil {
		metrics = append(metrics, agents.Metric{Name: "reward_factor", Value: a.scale.Factor()})
	}
	return metrics, nil
}

// phase is what the gradient steps of one training phase have in common.
type phase struct {
	beta float64
	loss learn.TDLoss
	sum  learn.TDStats // over the gradient steps so far
	norm float64
}

// gradientStep is the inner loop of algorithm 1: draw, compute targets, descend,
// and move the target network.
func (a *Agent) gradientStep(p *phase) error {
	cfg := &a.cfg
	if cfg.Tau == 1 && a.gradients%cfg.TargetUpdateInterval == 0 {
		a.target.CopyFrom(a.online)
	}
	b, err := a.learner.Batch(cfg.BatchSize)
	if err != nil {
		return err
	}
	a.sample(b, p.beta)
	a.targets(b)
	s, err := a.learner.Gradient(b, p.loss)
	if err != nil {
		return err
	}
	if err := a.learner.Step(); err != nil {
		return err
	}
	a.gradients++
	if cfg.Prioritized {
		for i, slot := range a.batch.slot {
			a.replay.setPriority(slot, float64(b.Error[i]), cfg.PriorityEps, cfg.PriorityAlpha)
		}
	}
	if cfg.Tau < 1 {
		for i, x := range a.batch.target {
			kernel.Lerp(x, a.batch.online[i], float32(cfg.Tau))
		}
	}
	if a.average != nil {
		a.average.Step()
	}
	p.sum.Loss += s.Loss
	p.sum.MeanQ += s.MeanQ
	p.sum.AbsError += s.AbsError
	p.norm += a.learner.Solver.Norm
	return nil
}

// Greedy is the policy without exploration, by averaged weights where they are
// on. It follows later updates.
func (a *Agent) Greedy() agents.Policy { return mlp.NewGreedy(a.actor) }

// Actor is the network behind Greedy: its outputs rank the actions as their
// expected values do, but where dueling they are not those values. Its weights
// change with updates.
func (a *Agent) Actor() *mlp.Net { return a.actor }
