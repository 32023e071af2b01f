package signal

import (
	"fmt"
	"math"

	"mend/agents/mlp"
	"mend/configs/field"
)

// Config is the section `signal` of a run's configuration, the same for every
// algorithm.
type Config struct {
	// NormalizeObservation shifts and scales each feature to mean 0 and standard
	// deviation 1, by all that was observed before the latest update.
	NormalizeObservation bool `yaml:"normalize_observation"`
	// ObservationClip bounds a normalised feature on both sides; 0 means no
	// bound.
	ObservationClip float64 `yaml:"observation_clip"`
	// NormalizeReward divides rewards by the running standard deviation of the
	// discounted return. It never clips them.
	NormalizeReward bool `yaml:"normalize_reward"`
	// Differential subtracts the running average reward per interval from every
	// reward, for learning the average reward instead of a discounted one: the
	// discount must be 1. PPO only.
	Differential bool `yaml:"differential"`
	// ValueHead says what the last number of a value network means: linear, the
	// value itself; symexp, sign(y)·(e^|y|−1), trained by the relative error,
	// for values over orders of magnitude.
	ValueHead string `yaml:"value_head"`
	// Credit says whose reward a decision learns from: plain, all of it;
	// subject, only the part of the decision's own subject until it is asked
	// about again.
	Credit string `yaml:"credit"`
	// Average says which weights are evaluated and exported: none, the latest;
	// tail, their mean over the last updates; ema, an exponential moving
	// average.
	Average string `yaml:"average"`
	// AverageStart is the share of training after which the mean of tail starts.
	AverageStart float64 `yaml:"average_start"`
	// AverageDecay is what ema keeps of the average at a gradient step.
	AverageDecay float64 `yaml:"average_decay"`
	// Shaping adds a potential to the reward.
	Shaping Shaping `yaml:"shaping"`
}

// Shaping says how the reward is shaped by what a baseline would have earned. The
// keys after Kind are for a potential that is fitted; see [Potential].
type Shaping struct {
	// Baseline is the policy whose discounted return is the potential; empty
	// means no shaping.
	Baseline string `yaml:"baseline"`
	// Kind says where the potential comes from: fitted, from rollouts of the
	// baseline; and in exact MDPs also solved, from the model; expected, likewise,
	// and each reward is its expectation over what may happen; twin, from nowhere:
	// the reward is the difference to a twin under the baseline that meets the same
	// chance. Solved and expected tell a learner more than experience would.
	Kind string `yaml:"kind"`
	// Samples is how often an exact MDP draws what a decision leads to, the reward
	// being the mean: the simulator tries each decision that often.
	Samples int `yaml:"samples"`
	// Steps are the environment steps of the baseline's rollouts, over all
	// environments. They are not part of the training's.
	Steps uint64 `yaml:"steps"`
	// Lambda is the λ of the returns that the potential is fitted to, per
	// nominal interval.
	Lambda float64 `yaml:"lambda"`
	// Epochs is the number of passes over the rollouts. Each computes the
	// returns afresh.
	Epochs int `yaml:"epochs"`
	// MinibatchSize is the number of steps behind one gradient.
	MinibatchSize int `yaml:"minibatch_size"`
	// LearningRate is Adam's step size at the start; it falls linearly towards
	// 0.
	LearningRate float64 `yaml:"learning_rate"`
	// Hidden are the widths of the hidden layers.
	Hidden []int `yaml:"hidden"`
	// Activation of the hidden layers: tanh or relu.
	Activation string `yaml:"activation"`
}

// The ways to credit rewards.
const (
	CreditPlain   = "plain"
	CreditSubject = "subject"
)

// The kinds of shaping.
const (
	ShapingFitted   = "fitted"
	ShapingSolved   = "solved"
	ShapingExpected = "expected"
	ShapingTwin     = "twin"
)

// The ways to average weights.
const (
	AverageNone = "none"
	AverageTail = "tail"
	AverageEMA  = "ema"
)

// DefaultConfig returns the defaults: everything is off. Those of the averages
// are what worked in our own trials on exact MDPs; the clip is that of
// Andrychowicz et al., arXiv:2006.05990, appendix B.9 and most libraries. With
// those of the potential, on RackBursts-v0, Φ explains as much of held-out
// returns as after longer fits, and about as much of those it was fitted to; a λ
// this close to 1 spares the epochs that a lower one needs to carry values back.
func DefaultConfig() Config {
	return Config{
		ObservationClip: 10,
		ValueHead:       "linear",
		Credit:          CreditPlain,
		Average:         AverageNone,
		AverageStart:    0.7,
		AverageDecay:    0.998,
		Shaping: Shaping{
			Kind: ShapingFitted, Samples: 1,
			Steps: 200_000, Lambda: 0.997, Epochs: 8, MinibatchSize: 256,
			LearningRate: 3e-3, Hidden: []int{64, 64}, Activation: "tanh",
		},
	}
}

// Validate returns nil or all complaints, as field.Errors.
func (c *Config) Validate() error {
	var e field.Errors
	quoted := func(s string) string { return fmt.Sprintf("%q", s) }
	e.Want(c.ObservationClip >= 0 && c.ObservationClip <= math.MaxFloat32, "observation_clip", c.ObservationClip, "a finite number of at least 0")
	e.Want(c.ValueHead == "linear" || c.ValueHead == "symexp", "value_head", quoted(c.ValueHead), "linear or symexp")
	e.Want(c.Credit == CreditPlain || c.Credit == CreditSubject, "credit", quoted(c.Credit), "plain or subject")
	e.Want(c.Average == AverageNone || c.Average == AverageTail || c.Average == AverageEMA, "average", quoted(c.Average), "none, tail or ema")
	e.Want(c.AverageStart >= 0 && c.AverageStart < 1, "average_start", c.AverageStart, "0 <= average_start < 1")
	e.Want(c.AverageDecay > 0 && c.AverageDecay < 1, "average_decay", c.AverageDecay, "0 < average_decay < 1")
	e.Want(!c.Differential || !c.NormalizeReward && c.Credit != CreditSubject, "differential", c.Differential,
		"false with normalize_reward, whose scale is that of a discounted return, or credit subject")
	e.Under("shaping", c.Shaping.Validate())
	return e.Err()
}

// Fits reports whether the learner has a potential of its own, to be fitted. A
// world that tries a decision several times shapes the reward itself.
func (s *Shaping) Fits() bool { return s.Baseline != "" && s.Kind == ShapingFitted && s.Samples == 1 }

// Validate returns nil or all complaints, as field.Errors.
func (s *Shaping) Validate() error {
	var e field.Errors
	e.Want(s.Kind == ShapingFitted || s.Kind == ShapingSolved || s.Kind == ShapingExpected || s.Kind == ShapingTwin,
		"kind", fmt.Sprintf("%q", s.Kind), "fitted, solved, expected or twin")
	e.Want(s.Samples >= 1 && s.Samples <= 1<<20, "samples", s.Samples, "1 to 1048576")
	e.Want(s.Steps >= 1 && s.Steps <= 1<<24, "steps", s.Steps, "1 to 16777216")
	e.Want(s.Lambda >= 0 && s.Lambda <= 1, "lambda", s.Lambda, "0 <= lambda <= 1")
	e.Want(s.Epochs >= 1 && s.Epochs <= 10000, "epochs", s.Epochs, "1 to 10000")
	e.Want(s.MinibatchSize >= 1 && s.MinibatchSize <= 1<<20, "minibatch_size", s.MinibatchSize, "1 to 1048576")
	e.Want(s.LearningRate > 0 && s.LearningRate <= math.MaxFloat64, "learning_rate", s.LearningRate, "a finite number above 0")
	e.Want(len(s.Hidden) <= 16, "hidden", fmt.Sprintf("%d layers", len(s.Hidden)), "at most 16")
	for i, n := range s.Hidden {
		e.Want(n >= 1 && n <= 4096, fmt.Sprintf("hidden.%d", i), n, "1 to 4096")
	}
	a, err := mlp.ParseActivation(s.Activation)
	e.Want(err == nil && a != mlp.Linear, "activation", fmt.Sprintf("%q", s.Activation), "tanh or relu")
	return e.Err()
}
