package policy

import (
	"encoding/json"
	"math"

	"mend/env"
)

// Inspection is the machine-readable description of an artifact, schema
// mend.inspect/v1: everything but the weights.
type Inspection struct {
	Schema     string               `json:"schema"`
	Kind       string               `json:"kind"` // policy
	Digest     string               `json:"digest"`
	Features   []InspectedFeature   `json:"features"`
	Actions    []string             `json:"actions"`
	Masked     bool                 `json:"masked"`
	Guards     []env.Guard          `json:"guards"`
	Fallback   *InspectedFallback   `json:"fallback"`
	Normalizer *InspectedNormalizer `json:"normalizer"`
	Network    []InspectedLayer     `json:"network"`
	Parameters int                  `json:"parameters"` // weights and biases
	Provenance Provenance           `json:"provenance"`
	Evaluation *InspectedEvaluation `json:"evaluation"`
}

// InspectedFeature is one feature of an Inspection.
type InspectedFeature struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Offset float32 `json:"offset"`
	Scale  float32 `json:"scale"`
}

// InspectedFallback is the fallback of an Inspection.
type InspectedFallback struct {
	Name       string             `json:"name"`
	Parameters map[string]float64 `json:"parameters"`
}

// InspectedNormalizer is what stands before the network of an Inspection: an
// observed x becomes (x - mean) * scale, within ±clip unless that is 0.
type InspectedNormalizer struct {
	Mean  []float32 `json:"mean"`
	Scale []float32 `json:"scale"`
	Clip  float32   `json:"clip"`
}

// InspectedLayer is one layer of the network of an Inspection.
type InspectedLayer struct {
	In         int    `json:"in"`
	Out        int    `json:"out"`
	Activation string `json:"activation"`
}

// InspectedEvaluation is the evaluation of an Inspection; it has the shape of
// mend.eval/v1.
type InspectedEvaluation struct {
	Episodes uint64            `json:"episodes"`
	Seed     uint64            `json:"seed"`
	Policies []InspectedResult `json:"policies"`
}

// InspectedResult is one evaluated policy of an Inspection.
type InspectedResult struct {
	Name    string                       `json:"name"`
	Kind    string                       `json:"kind"`
	Metrics map[string]InspectedEstimate `json:"metrics"`
	Paired  *InspectedPaired             `json:"paired,omitempty"`
}

// InspectedEstimate is a mean with its 95 % interval.
type InspectedEstimate struct {
	Mean Number `json:"mean"`
	Lo   Number `json:"lo"`
	Hi   Number `json:"hi"`
}

// InspectedPaired is a paired difference with its 95 % interval.
type InspectedPaired struct {
	Vs     string `json:"vs"`
	Metric string `json:"metric"`
	InspectedEstimate
}

// Number is a float64 that is null in JSON where it is not finite.
type Number float64

// MarshalJSON writes the number or null.
func (n Number) MarshalJSON() ([]byte, error) {
	if x := float64(n); math.IsNaN(x) || math.IsInf(x, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// Inspect describes the artifact. Lists are empty rather than nil, so that
// JSON has [] for them.
func (a *Artifact) Inspect() *Inspection {
	x := &Inspection{
		Schema:     "mend.inspect/v1",
		Kind:       "policy",
		Digest:     a.digest,
		Features:   make([]InspectedFeature, len(a.Features)),
		Actions:    append([]string{}, a.Actions...),
		Masked:     a.Masked,
		Guards:     append([]env.Guard{}, a.Guards...),
		Network:    make([]InspectedLayer, len(a.Net.Layers)),
		Parameters: a.Net.Params(),
		Provenance: a.Provenance,
	}
	for i, f := range a.Features {
		x.Features[i] = InspectedFeature(f)
	}
	if a.Fallback.Name != "" {
		x.Fallback = &InspectedFallback{a.Fallback.Name, map[string]float64{}}
		for name, value := range a.Fallback.Parameters {
			x.Fallback.Parameters[name] = value
		}
	}
	if n := a.Net.Input; n != nil {
		x.Normalizer = &InspectedNormalizer{n.Mean, n.Scale, n.Clip}
	}
	for i, l := range a.Net.Layers {
		x.Network[i] = InspectedLayer{l.In, l.Out, l.Activation.String()}
	}
	if e := a.Evaluation; e != nil {
		x.Evaluation = &InspectedEvaluation{Episodes: e.Episodes, Seed: e.Seed, Policies: []InspectedResult{}}
		for _, r := range e.Policies {
			result := InspectedResult{Name: r.Name, Kind: r.Kind, Metrics: map[string]InspectedEstimate{}}
			for _, m := range r.Metrics {
				result.Metrics[m.Name] = InspectedEstimate{Number(m.Mean), Number(m.Lo), Number(m.Hi)}
			}
			if p := r.Paired; p != nil {
				result.Paired = &InspectedPaired{p.Vs, p.Metric, InspectedEstimate{Number(p.Mean), Number(p.Lo), Number(p.Hi)}}
			}
			x.Evaluation.Policies = append(x.Evaluation.Policies, result)
		}
	}
	return x
}
