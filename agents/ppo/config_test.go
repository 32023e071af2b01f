package ppo

import (
	"errors"
	"math"
	"strings"
	"testing"

	"mend/agents/signal"
	"mend/configs/field"
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
		"rollout_steps":             {func(c *Config) { c.RolloutSteps = 0 }},
		"minibatch_size":            {func(c *Config) { c.MinibatchSize = -1 }},
		"epochs":                    {func(c *Config) { c.Epochs = 0 }},
		"gamma":                     {func(c *Config) { c.Gamma = 0 }, func(c *Config) { c.Gamma = 1.1 }, func(c *Config) { c.Gamma = nan }},
		"lambda":                    {func(c *Config) { c.Lambda = -0.1 }, func(c *Config) { c.Lambda = nan }},
		"clip":                      {func(c *Config) { c.Clip = 1.4 }, func(c *Config) { c.Clip = 0 }, func(c *Config) { c.Clip = nan }},
		"clip_schedule":             {func(c *Config) { c.ClipSchedule = "cosine" }},
		"value_clip":                {func(c *Config) { c.ValueClip = -1 }, func(c *Config) { c.ValueClip = inf }},
		"value_coefficient":         {func(c *Config) { c.ValueCoefficient = nan }},
		"entropy_coefficient":       {func(c *Config) { c.EntropyCoefficient = -1 }},
		"entropy_coefficient_final": {func(c *Config) { c.EntropyCoefficientFinal = -1 }},
		"value_huber":               {func(c *Config) { c.ValueHuber = -1 }, func(c *Config) { c.ValueHuber = nan }},
		"normalize_advantage":       {func(c *Config) { c.NormalizeAdvantage = "true" }},
		"target_kl":                 {func(c *Config) { c.TargetKL = -1 }},
		"max_grad_norm":             {func(c *Config) { c.MaxGradNorm = nan }},
		"learning_rate":             {func(c *Config) { c.LearningRate = 0 }, func(c *Config) { c.LearningRate = inf }},
		"learning_rate_schedule":    {func(c *Config) { c.LearningRateSchedule = "" }},
		"adam_eps":                  {func(c *Config) { c.AdamEps = 0 }},
		"hidden.1":                  {func(c *Config) { c.Hidden = []int{8, 0} }},
		"activation":                {func(c *Config) { c.Activation = "linear" }, func(c *Config) { c.Activation = "gelu" }},
	} {
		for _, spoil := range spoils {
			c := DefaultConfig()
			spoil(&c)
			var list field.Errors
			if err := c.Validate(); !errors.As(err, &list) || len(list) != 1 || list[0].Path != key {
				t.Errorf("%s: Validate says %v", key, err)
			}
		}
	}
	c := DefaultConfig()
	c.Clip, c.Epochs, c.Gamma = 1.4, 0, 2
	err := c.Validate()
	if err == nil || len(err.(field.Errors)) != 3 || !strings.Contains(err.Error(), "clip is 1.4, want 0 < clip < 1") {
		t.Errorf("three mistakes: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	good := signal.Setup{Spec: toy.NewBandit().Spec(), Envs: 1, Steps: 100, Seed: 1, Signal: signal.DefaultConfig()}
	bad := *good.Spec
	bad.Gamma = 1.5
	for want, spoil := range map[string]func(c *Config, s *signal.Setup){
		"0 environments":                   func(_ *Config, s *signal.Setup) { s.Envs = 0 },
		"0 steps in total":                 func(_ *Config, s *signal.Setup) { s.Steps = 0 },
		"clip is 2, want 0 < clip < 1":     func(c *Config, _ *signal.Setup) { c.Clip = 2 },
		"want at most 16384":               func(c *Config, s *signal.Setup) { c.RolloutSteps, s.Envs = 16385, 1<<16 },
		"gamma 1.5":                        func(_ *Config, s *signal.Setup) { s.Spec = &bad },
		`value_head is "log"`:              func(_ *Config, s *signal.Setup) { s.Signal.ValueHead = "log" },
		"signal.credit is subject":         func(_ *Config, s *signal.Setup) { s.Signal.Credit = signal.CreditSubject },
		"signal.shaping.baseline is \"x\"": func(_ *Config, s *signal.Setup) { s.Signal.Shaping.Baseline = "x" },
	} {
		c, s := DefaultConfig(), good
		spoil(&c, &s)
		if _, err := New(c, s); err == nil || !strings.HasPrefix(err.Error(), "ppo: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one of ppo with %q", err, want)
		}
	}
	if _, err := New(DefaultConfig(), good); err != nil {
		t.Error(err)
	}
}
