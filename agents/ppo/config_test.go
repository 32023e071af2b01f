package ppo

import (
	"errors"
	"math"
	"strings"
	"testing"

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
	spec := toy.NewBandit().Spec()
	c := DefaultConfig()
	if _, err := New(c, spec, 0, 100, 1); err == nil {
		t.Error("0 environments were accepted")
	}
	if _, err := New(c, spec, 1, 0, 1); err == nil {
		t.Error("0 steps were accepted")
	}
	c.Clip = 2
	if _, err := New(c, spec, 1, 100, 1); err == nil || !strings.Contains(err.Error(), "clip is 2") {
		t.Errorf("clip of 2: %v", err)
	}
	bad := *spec
	bad.Gamma = 1.5
	if _, err := New(DefaultConfig(), &bad, 1, 100, 1); err == nil {
		t.Error("a gamma of 1.5 was accepted")
	}
}
