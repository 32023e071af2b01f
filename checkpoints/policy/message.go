package policy

import (
	"fmt"

	"mend/agents/mlp"
	"mend/checkpoints/internal/schema"
	"mend/env"
)

// The two functions below are each other's inverse. They name every field of
// the schema once; a new field belongs into both.

func (a *Artifact) message() *schema.Policy {
	m := &schema.Policy{
		Schema:  versionOf(a.Net),
		Actions: a.Actions,
		Masked:  a.Masked,
		Provenance: &schema.Provenance{
			Env:       a.Provenance.Env,
			EnvDigest: a.Provenance.EnvDigest,
			Run:       a.Provenance.Run,
			Algo:      a.Provenance.Algo,
			Seed:      a.Provenance.Seed,
			Steps:     a.Provenance.Steps,
			Tool:      a.Provenance.Tool,
			Revision:  a.Provenance.Revision,
			Go:        a.Provenance.Go,
			Cpu:       a.Provenance.CPU,
			Kernel:    a.Provenance.Kernel,

			TrainSystems: a.Provenance.TrainSystems,
		},
	}
	for _, f := range a.Features {
		m.Features = append(m.Features, &schema.Feature{Name: f.Name, Unit: f.Unit, Offset: f.Offset, Scale: f.Scale})
	}
	for _, g := range a.Guards {
		m.Guards = append(m.Guards, &schema.Guard{Name: g.Name, Feature: g.Feature, Actions: g.Actions, Min: g.Min, Max: g.Max})
	}
	if a.Fallback.Name != "" {
		m.Fallback = &schema.Fallback{Name: a.Fallback.Name, Parameters: a.Fallback.Parameters}
	}
	if x := a.Net.Input; x != nil {
		m.Normalizer = &schema.Normalizer{Mean: x.Mean, Scale: x.Scale, Clip: x.Clip}
	}
	for _, l := range a.Net.Layers {
		m.Layers = append(m.Layers, &schema.Layer{
			In: uint32(l.In), Out: uint32(l.Out), Weights: l.W, Biases: l.B, Activation: activations[l.Activation],
		})
	}
	if e := a.Evaluation; e != nil {
		m.Evaluation = &schema.Evaluation{Episodes: e.Episodes, Seed: e.Seed}
		for _, r := range e.Policies {
			result := &schema.Result{Name: r.Name, Kind: r.Kind}
			for _, x := range r.Metrics {
				result.Metrics = append(result.Metrics, &schema.Estimate{Name: x.Name, Mean: x.Mean, Lo: x.Lo, Hi: x.Hi})
			}
			if p := r.Paired; p != nil {
				result.Paired = &schema.Paired{Vs: p.Vs, Metric: p.Metric, Mean: p.Mean, Lo: p.Lo, Hi: p.Hi}
			}
			m.Evaluation.Policies = append(m.Evaluation.Policies, result)
		}
	}
	return m
}

func artifact(m *schema.Policy) (*Artifact, error) {
	p := m.GetProvenance()
	a := &Artifact{
		Actions:  m.GetActions(),
		Masked:   m.GetMasked(),
		Fallback: Fallback{Name: m.GetFallback().GetName(), Parameters: m.GetFallback().GetParameters()},
		Net:      &mlp.Net{},
		Provenance: Provenance{
			Env:       p.GetEnv(),
			EnvDigest: p.GetEnvDigest(),
			Run:       p.GetRun(),
			Algo:      p.GetAlgo(),
			Seed:      p.GetSeed(),
			Steps:     p.GetSteps(),
			Tool:      p.GetTool(),
			Revision:  p.GetRevision(),
			Go:        p.GetGo(),
			CPU:       p.GetCpu(),
			Kernel:    p.GetKernel(),

			TrainSystems: p.GetTrainSystems(),
		},
	}
	for _, f := range m.GetFeatures() {
		a.Features = append(a.Features, env.Feature{Name: f.GetName(), Unit: f.GetUnit(), Offset: f.GetOffset(), Scale: f.GetScale()})
	}
	for _, g := range m.GetGuards() {
		a.Guards = append(a.Guards, env.Guard{Name: g.GetName(), Feature: g.GetFeature(), Actions: g.GetActions(), Min: g.GetMin(), Max: g.GetMax()})
	}
	if x := m.GetNormalizer(); x != nil {
		a.Net.Input = &mlp.Normalizer{Mean: x.GetMean(), Scale: x.GetScale(), Clip: x.GetClip()}
	}
	for i, l := range m.GetLayers() {
		activation, err := activationOf(l.GetActivation())
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", i, err)
		}
		a.Net.Layers = append(a.Net.Layers, mlp.Layer{
			In: int(l.GetIn()), Out: int(l.GetOut()), W: l.GetWeights(), B: l.GetBiases(), Activation: activation,
		})
	}
	if e := m.GetEvaluation(); e != nil {
		a.Evaluation = &Evaluation{Episodes: e.GetEpisodes(), Seed: e.GetSeed()}
		for _, r := range e.GetPolicies() {
			result := Result{Name: r.GetName(), Kind: r.GetKind()}
			for _, x := range r.GetMetrics() {
				result.Metrics = append(result.Metrics, Estimate{Name: x.GetName(), Mean: x.GetMean(), Lo: x.GetLo(), Hi: x.GetHi()})
			}
			if p := r.GetPaired(); p != nil {
				result.Paired = &Paired{Vs: p.GetVs(), Metric: p.GetMetric(), Mean: p.GetMean(), Lo: p.GetLo(), Hi: p.GetHi()}
			}
			a.Evaluation.Policies = append(a.Evaluation.Policies, result)
		}
	}
	return a, nil
}

// activations is in the order of mlp.Activation, so that neither numbering
// binds the other.
var activations = []schema.Activation{
	mlp.Linear: schema.Activation_ACTIVATION_LINEAR,
	mlp.Tanh:   schema.Activation_ACTIVATION_TANH,
	mlp.ReLU:   schema.Activation_ACTIVATION_RELU,
}

func activationOf(a schema.Activation) (mlp.Activation, error) {
	for i, x := range activations {
		if x == a {
			return mlp.Activation(i), nil
		}
	}
	return 0, fmt.Errorf("activation %d, want 0 to %d", a, len(activations)-1)
}
