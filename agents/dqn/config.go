package dqn

import (
	"fmt"

	"mend/agents/mlp"
	"mend/agents/signal"
	"mend/configs/field"
)

// Config holds the hyperparameters. The defaults make Mnih et al.'s algorithm
// with the double estimator and a horizon of 3, sized for small networks on small
// worlds; dueling, prioritised replay and quantiles are switched on one by one.
type Config struct {
	// Hidden are the widths of the hidden layers. Where Dueling, both streams
	// share them.
	Hidden []int `yaml:"hidden"`
	// Activation of the hidden layers: tanh or relu.
	Activation string `yaml:"activation"`

	// LearningRate is Adam's step size.
	LearningRate float64 `yaml:"learning_rate"`
	// LearningRateSchedule is constant, or linear towards 0 at the end of
	// training.
	LearningRateSchedule string `yaml:"learning_rate_schedule"`
	// AdamEps is Adam's ε, outside the root.
	AdamEps float64 `yaml:"adam_eps"`
	// MaxGradNorm bounds the global norm of the gradient; 0 means no bound.
	MaxGradNorm float64 `yaml:"max_grad_norm"`

	// Gamma is the discount per nominal interval, used where the world has
	// none of its own.
	Gamma float64 `yaml:"gamma"`
	// NStep is the horizon over which rewards are summed before the target
	// bootstraps, in nominal intervals: a transition follows its successors
	// until their elapsed times add up to it. 1 is exactly one step, whatever
	// time that took. The sum is not corrected for actions that the greedy
	// policy would not take (Hessel et al., arXiv:1710.02298, section
	// "Multi-step learning").
	NStep float64 `yaml:"n_step"`

	// BufferSize is the number of observations that the replay buffer holds;
	// the oldest goes first. All but those at which the clock cut an episode
	// are the origin of a transition.
	BufferSize int `yaml:"buffer_size"`
	// LearningStarts is the number of environment steps before the first
	// gradient step.
	LearningStarts uint64 `yaml:"learning_starts"`
	// TrainFreq is the number of environment steps, over all environments,
	// between two training phases. Where one step of all environments is more
	// than that, it is followed by several phases' worth of gradient steps.
	TrainFreq int `yaml:"train_freq"`
	// GradientSteps is the number of gradient steps of a training phase.
	GradientSteps int `yaml:"gradient_steps"`
	// BatchSize is the number of transitions behind one gradient.
	BatchSize int `yaml:"batch_size"`

	// TargetUpdateInterval is the number of gradient steps between two copies
	// of the online network to the target network: the C of Mnih et al. 2015,
	// table 1. Stable-Baselines3 counts environment steps instead; C gradient
	// steps are C·train_freq/gradient_steps of those. Not used where Tau < 1.
	TargetUpdateInterval uint64 `yaml:"target_update_interval"`
	// Tau is 1 for such copies; below 1 the target network moves this share of
	// the way to the online network after every gradient step instead
	// (Lillicrap et al., arXiv:1509.02971, algorithm 1).
	Tau float64 `yaml:"tau"`

	// ExplorationInitialEps is the chance of a random action at the start of
	// training and ExplorationFinalEps that after ExplorationFraction of it,
	// linear in between and constant afterwards.
	ExplorationInitialEps float64 `yaml:"exploration_initial_eps"`
	ExplorationFinalEps   float64 `yaml:"exploration_final_eps"`
	ExplorationFraction   float64 `yaml:"exploration_fraction"`

	// Double lets the online network choose the action whose target value
	// bootstraps (van Hasselt, Guez & Silver, arXiv:1509.06461, equation 4).
	Double bool `yaml:"double"`
	// Dueling splits the last layer into a value and an advantage stream (Wang
	// et al., arXiv:1511.06581, equation 9).
	Dueling bool `yaml:"dueling"`
	// Quantiles is the number of quantiles of the return that the network
	// estimates: 1 is the expected return, more is quantile regression at the
	// midpoints τ̂ (Dabney et al., arXiv:1710.10044).
	Quantiles int `yaml:"quantiles"`
	// Huber is δ, the error at which the loss turns from squared to linear; 0
	// means squared throughout, which quantiles do not allow. The symexp value
	// head has its own, 1 on the relative error.
	Huber float64 `yaml:"huber"`

	// Prioritized draws transitions by their latest error (proportional
	// prioritisation of Schaul et al., arXiv:1511.05952, section 3.3).
	Prioritized bool `yaml:"prioritized"`
	// PriorityAlpha is α, how much the priority matters: 0 is uniform.
	PriorityAlpha float64 `yaml:"priority_alpha"`
	// PriorityBeta is β at the start of training, how much of the bias the
	// importance weights undo; it goes linearly to 1 at the end.
	PriorityBeta float64 `yaml:"priority_beta"`
	// PriorityEps is ε, added to an error so that none is never drawn again.
	PriorityEps float64 `yaml:"priority_eps"`
}

// DefaultConfig returns the defaults. Widths, batch and the long phases with one
// copy to the target network each are those of RL Baselines3 Zoo for CartPole-v1,
// which narrower networks were seen to fail on; the learning rate falls, without
// which the last policy is often a bad one; over 3 intervals the cost of an
// action is seen before its target bootstraps, without which the cluster worlds
// are learned several times slower. α, β and ε are those of Schaul et
// al., table 3, and of OpenAI's baselines.
func DefaultConfig() Config {
	return Config{
		Hidden: []int{256, 256}, Activation: "relu",
		LearningRate: 2e-3, LearningRateSchedule: signal.Linear, AdamEps: 1e-8, MaxGradNorm: 10,
		Gamma: 0.99, NStep: 3,
		BufferSize: 100_000, LearningStarts: 1000, TrainFreq: 256, GradientSteps: 128, BatchSize: 64,
		TargetUpdateInterval: 128, Tau: 1,
		ExplorationInitialEps: 1, ExplorationFinalEps: 0.05, ExplorationFraction: 0.2,
		Double: true, Dueling: false, Quantiles: 1, Huber: 1,
		Prioritized: false, PriorityAlpha: 0.6, PriorityBeta: 0.4, PriorityEps: 1e-6,
	}
}

// Validate returns nil or all complaints, as field.Errors.
func (c *Config) Validate() error {
	var e field.Errors
	finite := func(x float64) bool { return x-x == 0 }
	share := func(x float64, path string) {
		e.Want(x >= 0 && x <= 1, path, x, fmt.Sprintf("0 <= %s <= 1", path))
	}
	e.Want(len(c.Hidden) <= 16, "hidden", fmt.Sprintf("%d layers", len(c.Hidden)), "at most 16")
	for i, n := range c.Hidden {
		e.Want(n >= 1 && n <= 4096, fmt.Sprintf("hidden.%d", i), n, "1 to 4096")
	}
	a, err := mlp.ParseActivation(c.Activation)
	e.Want(err == nil && a != mlp.Linear, "activation", fmt.Sprintf("%q", c.Activation), "tanh or relu")

	e.Want(c.LearningRate > 0 && finite(c.LearningRate), "learning_rate", c.LearningRate, "a finite number above 0")
	e.Want(signal.IsSchedule(c.LearningRateSchedule), "learning_rate_schedule",
		fmt.Sprintf("%q", c.LearningRateSchedule), "constant or linear")
	e.Want(c.AdamEps > 0 && finite(c.AdamEps), "adam_eps", c.AdamEps, "a finite number above 0")
	e.Want(c.MaxGradNorm >= 0 && finite(c.MaxGradNorm), "max_grad_norm", c.MaxGradNorm, "a finite number of at least 0")

	e.Want(c.Gamma > 0 && c.Gamma <= 1, "gamma", c.Gamma, "0 < gamma <= 1")
	e.Want(c.NStep >= 1 && finite(c.NStep), "n_step", c.NStep, "a finite number of at least 1")

	e.Want(c.BufferSize >= 1 && c.BufferSize <= maxCapacity, "buffer_size", c.BufferSize, fmt.Sprintf("1 to %d", maxCapacity))
	e.Want(c.TrainFreq >= 1 && c.TrainFreq <= 1<<30, "train_freq", c.TrainFreq, "1 to 1073741824")
	e.Want(c.GradientSteps >= 1 && c.GradientSteps <= 1<<20, "gradient_steps", c.GradientSteps, "1 to 1048576")
	e.Want(c.BatchSize >= 1 && c.BatchSize <= 1<<20, "batch_size", c.BatchSize, "1 to 1048576")
	e.Want(c.TargetUpdateInterval >= 1, "target_update_interval", c.TargetUpdateInterval, "at least 1")
	e.Want(c.Tau > 0 && c.Tau <= 1, "tau", c.Tau, "0 < tau <= 1")

	share(c.ExplorationInitialEps, "exploration_initial_eps")
	share(c.ExplorationFinalEps, "exploration_final_eps")
	share(c.ExplorationFraction, "exploration_fraction")

	e.Want(c.Quantiles >= 1 && c.Quantiles <= 1024, "quantiles", c.Quantiles, "1 to 1024")
	if c.Quantiles > 1 {
		e.Want(c.Huber > 0 && finite(c.Huber), "huber", c.Huber, "a finite number above 0 with quantiles")
	} else {
		e.Want(c.Huber >= 0 && finite(c.Huber), "huber", c.Huber, "a finite number of at least 0")
	}
	share(c.PriorityAlpha, "priority_alpha")
	share(c.PriorityBeta, "priority_beta")
	e.Want(c.PriorityEps > 0 && finite(c.PriorityEps), "priority_eps", c.PriorityEps, "a finite number above 0")
	return e.Err()
}

// epsilon is the chance of a random action after fraction of the training.
func (c *Config) epsilon(fraction float64) float64 {
	if fraction >= c.ExplorationFraction {
		return c.ExplorationFinalEps
	}
	return signal.Anneal(c.ExplorationInitialEps, c.ExplorationFinalEps, fraction/c.ExplorationFraction)
}
