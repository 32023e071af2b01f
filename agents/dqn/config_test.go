package dqn

import (
	"errors"
	"math"
	"strings"
	"testing"

	"mend/agents/signal"
	"mend/configs/field"
	"mend/env"
	"mend/env/toy"
)

func TestDefaultConfigIsValid(t *testing.T) {
	c := DefaultConfig()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

// Every field has values that are refused, under its own key.
func TestValidate(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for key, spoils := range map[string][]func(c *Config){
		"hidden":                  {func(c *Config) { c.Hidden = make([]int, 17) }},
		"hidden.1":                {func(c *Config) { c.Hidden = []int{8, 0} }},
		"activation":              {func(c *Config) { c.Activation = "linear" }, func(c *Config) { c.Activation = "gelu" }},
		"learning_rate":           {func(c *Config) { c.LearningRate = 0 }, func(c *Config) { c.LearningRate = inf }},
		"learning_rate_schedule":  {func(c *Config) { c.LearningRateSchedule = "" }},
		"adam_eps":                {func(c *Config) { c.AdamEps = 0 }},
		"max_grad_norm":           {func(c *Config) { c.MaxGradNorm = nan }},
		"gamma":                   {func(c *Config) { c.Gamma = 0 }, func(c *Config) { c.Gamma = 1.1 }, func(c *Config) { c.Gamma = nan }},
		"n_step":                  {func(c *Config) { c.NStep = 0.5 }, func(c *Config) { c.NStep = inf }},
		"buffer_size":             {func(c *Config) { c.BufferSize = 0 }, func(c *Config) { c.BufferSize = maxCapacity + 1 }},
		"train_freq":              {func(c *Config) { c.TrainFreq = 0 }},
		"gradient_steps":          {func(c *Config) { c.GradientSteps = 0 }},
		"batch_size":              {func(c *Config) { c.BatchSize = -1 }},
		"target_update_interval":  {func(c *Config) { c.TargetUpdateInterval = 0 }},
		"tau":                     {func(c *Config) { c.Tau = 0 }, func(c *Config) { c.Tau = 1.5 }, func(c *Config) { c.Tau = nan }},
		"exploration_initial_eps": {func(c *Config) { c.ExplorationInitialEps = 1.1 }},
		"exploration_final_eps":   {func(c *Config) { c.ExplorationFinalEps = -0.1 }},
		"exploration_fraction":    {func(c *Config) { c.ExplorationFraction = nan }},
		"quantiles":               {func(c *Config) { c.Quantiles = 0 }},
		"huber":                   {func(c *Config) { c.Huber = -1 }, func(c *Config) { c.Huber, c.Quantiles = 0, 2 }},
		"priority_alpha":          {func(c *Config) { c.PriorityAlpha = 2 }},
		"priority_beta":           {func(c *Config) { c.PriorityBeta = nan }},
		"priority_eps":            {func(c *Config) { c.PriorityEps = 0 }},
	} {
		for _, spoil := range spoils {
			c := DefaultConfig()
			c.Hidden = []int{1, 1, 1}
			spoil(&c)
			if len(c.Hidden) == 17 {
				for i := range c.Hidden {
					c.Hidden[i] = 1
				}
			}
			var list field.Errors
			if err := c.Validate(); !errors.As(err, &list) || len(list) != 1 || list[0].Path != key {
				t.Errorf("%s: Validate says %v", key, err)
			}
		}
	}
	c := DefaultConfig()
	c.Tau, c.BatchSize, c.Gamma = 1.4, 0, 2
	err := c.Validate()
	if err == nil || len(err.(field.Errors)) != 3 || !strings.Contains(err.Error(), "tau is 1.4, want 0 < tau <= 1") {
		t.Errorf("three mistakes: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for want, spoil := range map[string]func(c *Config, s *signal.Setup){
		"0 environments":   func(_ *Config, s *signal.Setup) { s.Envs = 0 },
		"0 steps in total": func(_ *Config, s *signal.Setup) { s.Steps = 0 },
		"tau is 2":         func(c *Config, _ *signal.Setup) { c.Tau = 2 },
		"gamma 1.5":        func(_ *Config, s *signal.Setup) { s.Spec.Gamma = 1.5 },
		"buffer_size is 7": func(c *Config, _ *signal.Setup) { c.BufferSize = 7 },
		"learning_starts is 100 and training has 100 steps": func(c *Config, _ *signal.Setup) { c.LearningStarts = 100 },
		"51 quantiles":        func(c *Config, s *signal.Setup) { c.Quantiles, s.Signal.ValueHead = 51, "symexp" },
		"65537 actions":       func(_ *Config, s *signal.Setup) { s.Spec.Actions = make([]string, maxActions+1) },
		"whose reward":        func(_ *Config, s *signal.Setup) { s.Signal.Credit = signal.CreditSubject },
		"average is \"mean\"": func(_ *Config, s *signal.Setup) { s.Signal.Average = "mean" },
	} {
		spec := *toy.NewBandit().Spec()
		c, s := DefaultConfig(), signal.Setup{Spec: &spec, Envs: 2, Steps: 100, Signal: signal.DefaultConfig()}
		c.LearningStarts = 0
		spoil(&c, &s)
		if _, err := New(c, s); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "dqn: ") {
			t.Errorf("error %v, want one of dqn with %q", err, want)
		}
	}
}

// Epsilon goes linearly from the initial to the final value over the fraction,
// and stays.
func TestEpsilon(t *testing.T) {
	c := DefaultConfig()
	c.ExplorationInitialEps, c.ExplorationFinalEps, c.ExplorationFraction = 0.9, 0.1, 0.25
	for progress, want := range map[float64]float64{0: 0.9, 0.0625: 0.7, 0.125: 0.5, 0.25: 0.1, 0.5: 0.1, 1: 0.1} {
		if got := c.epsilon(progress); math.Abs(got-want) > 1e-15 {
			t.Errorf("epsilon after %v of the training is %v, want %v", progress, got, want)
		}
	}
	c.ExplorationFraction = 0
	if got := c.epsilon(0); got != 0.1 {
		t.Errorf("with no exploration phase epsilon starts at %v, want 0.1", got)
	}
}

// Act explores as often as the schedule says, evenly among the legal actions.
// Each count is binomial; the bounds are 5 standard deviations.
func TestActExplores(t *testing.T) {
	spec := &env.Spec{ID: "hand", Features: make([]env.Feature, 1), Actions: make([]string, 4), Masked: true}
	c := DefaultConfig()
	c.Hidden = nil
	c.LearningStarts, c.ExplorationInitialEps, c.ExplorationFinalEps, c.ExplorationFraction = 0, 0.6, 0.6, 0
	a, err := New(c, signal.Setup{Spec: spec, Envs: 10, Steps: 100, Seed: 3, Signal: signal.DefaultConfig()})
	if err != nil {
		t.Fatal(err)
	}
	copy(a.acting.Layers[0].W, []float32{0, 5, 9, 1})
	step, actions := env.NewTimeStep(10, spec), make([]int, 10)
	for i := range 10 {
		step.Obs[i] = 1
		copy(step.MaskRow(i), []bool{true, true, false, true}) // not the best
	}
	const n = 30000
	var counts [4]float64
	for range n / 10 {
		a.Act(step, actions)
		for _, x := range actions {
			counts[x]++
		}
	}
	for action, p := range []float64{0.2, 0.6, 0, 0.2} { // 0.6/3 each, and 0.4 for the best legal one
		if d := math.Abs(counts[action] - n*p); d > 5*math.Sqrt(n*p*(1-p)) {
			t.Errorf("action %d was taken %v times of %d, want a share of %v", action, counts[action], n, p)
		}
	}
}
