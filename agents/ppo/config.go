package ppo

import (
	"fmt"

	"mend/agents/mlp"
	"mend/agents/signal"
	"mend/configs/field"
)

// Config holds the hyperparameters. The defaults are those of the paper's
// table 5 (Atari) where it has them, with the learning rate, discount, λ and
// entropy that small networks on small worlds want.
type Config struct {
	// RolloutSteps is T, the steps of each environment between two updates.
	RolloutSteps int `yaml:"rollout_steps"`
	// MinibatchSize is the number of steps behind one gradient. The last
	// minibatch of an epoch is smaller where it does not divide the rollout.
	MinibatchSize int `yaml:"minibatch_size"`
	// Epochs is the number of passes over a rollout.
	Epochs int `yaml:"epochs"`

	// Gamma is the discount per nominal interval, used where the world has
	// none of its own.
	Gamma float64 `yaml:"gamma"`
	// Lambda is GAE's λ, per nominal interval.
	Lambda float64 `yaml:"lambda"`

	// Clip is ε, the range of the probability ratio.
	Clip float64 `yaml:"clip"`
	// ClipSchedule is constant, or linear towards 0 at the end of training.
	ClipSchedule string `yaml:"clip_schedule"`
	// ValueClip bounds the move of a value per update, in units of value; 0
	// means no bound.
	ValueClip float64 `yaml:"value_clip"`
	// ValueCoefficient weighs the loss of the value.
	ValueCoefficient float64 `yaml:"value_coefficient"`
	// ValueHuber is the error beyond which the loss of a linear value head grows
	// linearly, in units of value; 0 means nowhere: the squared error, which is
	// twice the Huber loss of small errors.
	ValueHuber float64 `yaml:"value_huber"`
	// EntropyCoefficient weighs the entropy at the start of training and
	// EntropyCoefficientFinal at its end, linear in between.
	EntropyCoefficient      float64 `yaml:"entropy_coefficient"`
	EntropyCoefficientFinal float64 `yaml:"entropy_coefficient_final"`
	// NormalizeAdvantage: none; minibatch, each minibatch is shifted and scaled
	// to mean 0 and standard deviation 1; running, all are divided by a root
	// mean square that is kept over updates, and clipped by AdvantageClip.
	NormalizeAdvantage string `yaml:"normalize_advantage"`
	// AdvantageClip bounds advantages on both sides, in units of the running root
	// mean square they are divided by, or of reward where that is none; 0 means no
	// bound, and minibatch knows none. A bound tames the gradient of catastrophes,
	// next to which small gaps are lost; and it hides rare ones: where rewards are
	// noisy, damage becomes cheap.
	AdvantageClip float64 `yaml:"advantage_clip"`
	// TargetKL ends an update once a minibatch estimates a divergence from the
	// old policy of 1.5 times this; 0 means never.
	TargetKL float64 `yaml:"target_kl"`

	// LearningRate is Adam's step size.
	LearningRate float64 `yaml:"learning_rate"`
	// LearningRateSchedule is constant, or linear towards 0 at the end of
	// training.
	LearningRateSchedule string `yaml:"learning_rate_schedule"`
	// AdamEps is Adam's ε, outside the root.
	AdamEps float64 `yaml:"adam_eps"`
	// MaxGradNorm bounds the global norm of the gradient; 0 means no bound.
	MaxGradNorm float64 `yaml:"max_grad_norm"`

	// Hidden are the widths of the hidden layers, of the policy and of the
	// value network.
	Hidden []int `yaml:"hidden"`
	// SharedTrunk lets policy and value network share the hidden layers.
	SharedTrunk bool `yaml:"shared_trunk"`
	// Activation of the hidden layers: tanh or relu.
	Activation string `yaml:"activation"`
}

// The ways to normalise advantages.
const (
	NormalizeNone      = "none"
	NormalizeMinibatch = "minibatch"
	NormalizeRunning   = "running"
)

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		RolloutSteps: 128, MinibatchSize: 256, Epochs: 4,
		Gamma: 0.99, Lambda: 0.95,
		Clip: 0.2, ClipSchedule: signal.Constant, ValueClip: 0, ValueCoefficient: 0.5,
		EntropyCoefficient: 0.01, EntropyCoefficientFinal: 0,
		NormalizeAdvantage: NormalizeMinibatch, AdvantageClip: 4, TargetKL: 0,
		LearningRate: 3e-4, LearningRateSchedule: signal.Linear, AdamEps: 1e-5, MaxGradNorm: 0.5,
		Hidden: []int{64, 64}, Activation: "tanh",
	}
}

// Validate returns nil or all complaints, as field.Errors.
func (c *Config) Validate() error {
	var e field.Errors
	finite := func(x float64) bool { return x-x == 0 }
	e.Want(c.RolloutSteps >= 1 && c.RolloutSteps <= 1<<20, "rollout_steps", c.RolloutSteps, "1 to 1048576")
	e.Want(c.MinibatchSize >= 1 && c.MinibatchSize <= 1<<20, "minibatch_size", c.MinibatchSize, "1 to 1048576")
	e.Want(c.Epochs >= 1 && c.Epochs <= 1000, "epochs", c.Epochs, "1 to 1000")
	e.Want(c.Gamma > 0 && c.Gamma <= 1, "gamma", c.Gamma, "0 < gamma <= 1")
	e.Want(c.Lambda >= 0 && c.Lambda <= 1, "lambda", c.Lambda, "0 <= lambda <= 1")
	e.Want(c.Clip > 0 && c.Clip < 1, "clip", c.Clip, "0 < clip < 1")
	e.Want(signal.IsSchedule(c.ClipSchedule), "clip_schedule", fmt.Sprintf("%q", c.ClipSchedule), "constant or linear")
	e.Want(c.NormalizeAdvantage == NormalizeNone || c.NormalizeAdvantage == NormalizeMinibatch || c.NormalizeAdvantage == NormalizeRunning,
		"normalize_advantage", fmt.Sprintf("%q", c.NormalizeAdvantage), "none, minibatch or running")
	for _, x := range []struct {
		path  string
		value float64
	}{
		{"value_clip", c.ValueClip}, {"value_coefficient", c.ValueCoefficient}, {"value_huber", c.ValueHuber},
		{"entropy_coefficient", c.EntropyCoefficient}, {"entropy_coefficient_final", c.EntropyCoefficientFinal},
		{"advantage_clip", c.AdvantageClip}, {"target_kl", c.TargetKL}, {"max_grad_norm", c.MaxGradNorm},
	} {
		e.Want(x.value >= 0 && finite(x.value), x.path, x.value, "a finite number of at least 0")
	}
	e.Want(c.LearningRate > 0 && finite(c.LearningRate), "learning_rate", c.LearningRate, "a finite number above 0")
	e.Want(signal.IsSchedule(c.LearningRateSchedule), "learning_rate_schedule",
		fmt.Sprintf("%q", c.LearningRateSchedule), "constant or linear")
	e.Want(c.AdamEps > 0 && finite(c.AdamEps), "adam_eps", c.AdamEps, "a finite number above 0")
	e.Want(len(c.Hidden) <= 16, "hidden", fmt.Sprintf("%d layers", len(c.Hidden)), "at most 16")
	for i, n := range c.Hidden {
		e.Want(n >= 1 && n <= 4096, fmt.Sprintf("hidden.%d", i), n, "1 to 4096")
	}
	a, err := mlp.ParseActivation(c.Activation)
	e.Want(err == nil && a != mlp.Linear, "activation", fmt.Sprintf("%q", c.Activation), "tanh or relu")
	return e.Err()
}
