package signal

import (
	"errors"
	"fmt"
	"math"

	"mend/agents/mlp"
	"mend/env"
	"mend/env/state"
)

// Potential is Φ, the discounted return of a baseline as a function of the
// observation. Learners add its difference to the reward,
//
//	r + γ^Elapsed·Φ(s') − Φ(s)
//
// where Φ(s') is Φ(FinalObs) where the step was truncated and 0 where it
// terminated. That leaves the best policy as it is, whatever Φ is, and a good Φ
// takes out of the reward what no decision changes.
//
// It is fitted before training, see [Potential.Fit], and frozen afterwards. Its
// values are clipped to the range of the returns that it was fitted to: what a
// symexp head makes of observations unlike those would else be far beyond any.
//
// Ng, Harada, Russell, "Policy invariance under reward transformations", 1999.
type Potential struct {
	cfg     Shaping
	net     *mlp.Net // with a normaliser of its own
	low     float32  // of the returns that it was fitted to
	high    float32
	quality Quality
	fitted  bool
	scratch []mlp.Scratch // one a worker
}

// Quality says how well Φ predicts the discounted returns of environments that
// it was not fitted to. What the observation does not tell, failures to come
// above all, is noise, so that a perfect Φ too stays below an explained variance
// of 1. FittedVariance tells the two apart: where it is no higher, longer
// rollouts or a longer fit will not help.
type Quality struct {
	Steps             uint64  // environment steps held out
	ExplainedVariance float64 // 1 − Var(G − Φ)/Var(G), of the steps held out
	FittedVariance    float64 // the same of the steps that Φ was fitted to
	RelativeError     float64 // mean |G − Φ|/(1 + |Φ|)
}

// NewPotential returns a potential for observations of the given spec, to be
// fitted or restored.
func NewPotential(cfg Shaping, spec *env.Spec) (*Potential, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("signal: shaping: %w", err)
	}
	if spec.ObsDim() < 1 {
		return nil, fmt.Errorf("signal: potential: %s has 0 features, want at least 1", spec.ID)
	}
	hidden, err := mlp.ParseActivation(cfg.Activation)
	if err != nil {
		return nil, fmt.Errorf("signal: shaping: %w", err)
	}
	cfg.Hidden = append([]int(nil), cfg.Hidden...)
	sizes := append(append([]int{spec.ObsDim()}, cfg.Hidden...), 1)
	p := &Potential{cfg: cfg, net: mlp.New(hidden, sizes...)}
	p.net.Input = NewMoments(spec.ObsDim(), potentialClip).Normalizer()
	return p, nil
}

// potentialClip bounds normalised features, as elsewhere by default.
const potentialClip = 10

// Fitted reports whether Φ has been fitted or restored.
func (p *Potential) Fitted() bool { return p.fitted }

// Quality is what Fit measured.
func (p *Potential) Quality() Quality { return p.quality }

// Values writes Φ of rows observations, [rows*ObsDim], to dst, [rows].
func (p *Potential) Values(rows int, obs, dst []float32) {
	if dim := p.net.In(); len(obs) != rows*dim || len(dst) != rows {
		panic(fmt.Sprintf("signal: potential: %d numbers and room for %d values, want %d rows of %d", len(obs), len(dst), rows, dim))
	}
	if !p.fitted {
		panic("signal: values of a potential that is neither fitted nor restored")
	}
	p.values(rows, obs, dst)
}

func (p *Potential) values(rows int, obs, dst []float32) {
	for len(p.scratch) < Workers(rows) {
		p.scratch = append(p.scratch, mlp.Scratch{})
	}
	dim := p.net.In()
	if rows <= ChunkRows { // no closure: nothing is allocated while acting
		p.chunk(0, obs, dst)
		return
	}
	Chunks(rows, func(worker, from, to int) {
		p.chunk(worker, obs[from*dim:to*dim], dst[from:to])
	})
}

func (p *Potential) chunk(worker int, obs, dst []float32) {
	for i, y := range p.net.Forward(len(dst), obs, &p.scratch[worker]) {
		dst[i] = min(max(potentialHead.Value(y), p.low), p.high)
	}
}

// Fields carries Φ and its quality.
func (p *Potential) Fields(c *state.Codec) {
	shape(c, "potential weights", p.net.Params())
	shape(c, "features of the potential", p.net.In())
	state.Value(c, &p.fitted)
	state.Fixed(c, p.net.Input.Mean)
	state.Fixed(c, p.net.Input.Scale)
	state.Value(c, &p.net.Input.Clip)
	for _, x := range p.net.Tensors() {
		state.Fixed(c, x)
	}
	state.Value(c, &p.low)
	state.Value(c, &p.high)
	state.Value(c, &p.quality.Steps)
	state.Value(c, &p.quality.ExplainedVariance)
	state.Value(c, &p.quality.FittedVariance)
	state.Value(c, &p.quality.RelativeError)
	if c.Restoring() && c.Err() == nil {
		if !p.fitted {
			c.Fail(errors.New("signal: the potential was saved before it was fitted"))
		} else if !(p.low <= p.high) {
			c.Fail(fmt.Errorf("signal: a potential between %v and %v", p.low, p.high))
		} else if err := p.net.Check(); err != nil {
			c.Fail(fmt.Errorf("signal: potential: %w", err))
		}
	}
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
