package signal

import (
	"fmt"
	"math"

	"mend/agents/mlp"
	"mend/env/state"
)

// varianceEps is added to a variance before its root is divided by, so that
// what never changes is not divided by 0. OpenAI's baselines, VecNormalize.
const varianceEps = 1e-8

// running is a count, a mean and a sum of squared deviations from it.
//
// Batches are merged by
//
//	δ = mean_b − mean,  n' = n + n_b
//	mean' = mean + δ·n_b/n'
//	M2'   = M2 + M2_b + δ²·n·n_b/n'
//
// Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for
// computing sample variances", 1979, equations 2.1a and 2.1b.
type running struct{ n, mean, m2 float64 }

func (r *running) merge(b running) {
	if b.n == 0 {
		return
	}
	n := r.n + b.n
	delta := b.mean - r.mean
	r.mean += float64(delta * (b.n / n))
	r.m2 += b.m2 + float64(float64(delta*delta)*(r.n*(b.n/n)))
	r.n = n
}

// deviation is the root of variance and eps, with the population's n.
func (r *running) deviation() float64 { return math.Sqrt(r.m2/r.n + varianceEps) }

func (r *running) fields(c *state.Codec) {
	state.Value(c, &r.n)
	state.Value(c, &r.mean)
	state.Value(c, &r.m2)
	if c.Restoring() && c.Err() == nil && !(r.n >= 0 && r.m2 >= 0 && r.mean-r.mean == 0 && r.n-r.n == 0 && r.m2-r.m2 == 0) {
		c.Fail(fmt.Errorf("signal: moments of %v numbers with mean %v and squared deviations %v", r.n, r.mean, r.m2))
	}
}

// Moments are the running mean and variance of every feature of the
// observation, over everything added. Its normaliser lags behind until
// [Moments.Refresh]; at first it changes nothing.
type Moments struct {
	features   []running
	clip       float32
	normalizer mlp.Normalizer
}

// NewMoments returns moments of dim features whose normaliser is the identity.
// clip bounds what it returns once it is refreshed; 0 is no bound.
func NewMoments(dim int, clip float64) *Moments {
	m := &Moments{
		features:   make([]running, dim),
		clip:       float32(clip),
		normalizer: mlp.Normalizer{Mean: make([]float32, dim), Scale: make([]float32, dim)},
	}
	for i := range dim {
		m.normalizer.Scale[i] = 1
	}
	return m
}

// Normalizer maps x to clamp((x − mean)/√(variance + 1e-8), −clip, clip) by the
// moments at the latest Refresh. It is the same pointer at every call and
// follows later ones.
func (m *Moments) Normalizer() *mlp.Normalizer { return &m.normalizer }

// Add merges rows observations, [rows*dim], without touching the normaliser.
func (m *Moments) Add(rows int, obs []float32) {
	dim := len(m.features)
	if len(obs) != rows*dim {
		panic(fmt.Sprintf("signal: moments: %d numbers for %d rows of %d features", len(obs), rows, dim))
	}
	if rows == 0 {
		return
	}
	for j := range m.features {
		b := running{n: float64(rows)}
		for i := j; i < len(obs); i += dim {
			b.mean += float64(obs[i])
		}
		b.mean /= b.n
		for i := j; i < len(obs); i += dim {
			d := float64(obs[i]) - b.mean
			b.m2 += float64(d * d)
		}
		m.features[j].merge(b)
	}
}

// Refresh brings the normaliser up to all that was added.
func (m *Moments) Refresh() {
	if m.features[0].n > 0 {
		m.normalizer.Clip = m.clip
	}
	for j := range m.features {
		f := &m.features[j]
		if f.n > 0 {
			m.normalizer.Mean[j] = float32(f.mean)
			m.normalizer.Scale[j] = float32(1 / f.deviation())
		}
	}
}

// Fields carries the moments and the normaliser, which may lag behind.
func (m *Moments) Fields(c *state.Codec) {
	shape(c, "features in the moments", len(m.features))
	for j := range m.features {
		m.features[j].fields(c)
	}
	state.Fixed(c, m.normalizer.Mean)
	state.Fixed(c, m.normalizer.Scale)
	state.Value(c, &m.normalizer.Clip)
}

// shape carries a number that both sides must agree on.
func shape(c *state.Codec, what string, want int) {
	n := uint64(want)
	state.Value(c, &n)
	if n != uint64(want) {
		c.Fail(fmt.Errorf("signal: %d %s, want %d", n, what, want))
	}
}
