package eval

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"

	"mend/env"
)

// Schema names the JSON form of a Result. Within a version, fields are only
// added.
const Schema = "mend.eval/v1"

// Metrics that every world has.
const (
	EpisodeReturn = "episode_return" // undiscounted sum of the rewards
	EpisodeLength = "episode_length" // decisions
)

// Result is what a Run came to. NaN and infinities are null in its JSON.
type Result struct {
	Schema    string `json:"schema"`
	Env       string `json:"env"`
	EnvDigest string `json:"env_digest"`
	Episodes  int    `json:"episodes"`
	Seed      uint64 `json:"seed"`
	// Objective names the metric that policies are compared by.
	Objective string `json:"objective"`
	// MetricsInfo describes the metrics: the Spec's in the Spec's order, then
	// EpisodeReturn and EpisodeLength.
	MetricsInfo []MetricInfo   `json:"metrics_info"`
	Policies    []PolicyResult `json:"policies"` // in the order of the entries
}

// MetricInfo describes one metric.
type MetricInfo struct {
	Name           string `json:"name"`
	Unit           string `json:"unit"`
	HigherIsBetter bool   `json:"higher_is_better"`
	// Part marks a summand of the objective.
	Part bool `json:"part"`
}

// PolicyResult is what one policy came to.
type PolicyResult struct {
	Name    string              `json:"name"`
	Kind    string              `json:"kind"`
	Metrics map[string]Estimate `json:"metrics"`
	// Paired compares with the best baseline on the same worlds; nil for that
	// baseline itself and where there is none. The best baseline is the one
	// with the best exact objective, or else with the best mean on these
	// episodes: then its own mean is a little flattered, to the disadvantage of
	// what is compared with it.
	Paired *Paired `json:"paired,omitempty"`
	// Versus compares a learned policy with every baseline.
	Versus []Paired `json:"versus,omitempty"`
	// Exact is the objective in the long run, solved rather than sampled; nil
	// where it was not.
	Exact *float64 `json:"exact,omitempty"`
	// Regret is how much worse than the optimum the objective is, as a fraction of
	// the optimum: that of Exact where there is one, else that of the mean; nil
	// where the optimum is unknown. See SetOptimum.
	Regret *float64 `json:"regret,omitempty"`
}

// Metric is the named metric's estimate, all NaN where there is none.
func (p *PolicyResult) Metric(name string) Estimate {
	if e, ok := p.Metrics[name]; ok {
		return e
	}
	return unknown
}

// Paired is the difference, policy minus Vs, in a metric on the same worlds.
type Paired struct {
	Vs, Metric string
	Estimate
}

// summarize turns what was played into a Result.
func summarize(spec *env.Spec, entries []Entry, cfg Config, played []sample) *Result {
	r := &Result{
		Schema: Schema, Env: spec.ID, EnvDigest: spec.Digest,
		Episodes: cfg.Episodes, Seed: cfg.Seed, Objective: spec.Objective,
	}
	if r.Objective == "" {
		r.Objective = EpisodeReturn
	}
	for _, m := range spec.Metrics {
		r.MetricsInfo = append(r.MetricsInfo, MetricInfo(m))
	}
	r.MetricsInfo = append(r.MetricsInfo,
		MetricInfo{Name: EpisodeReturn, HigherIsBetter: true},
		MetricInfo{Name: EpisodeLength, Unit: "decisions"})

	for i, e := range entries {
		p := PolicyResult{Name: e.Name, Kind: e.Kind, Metrics: make(map[string]Estimate, len(r.MetricsInfo))}
		for m, info := range r.MetricsInfo {
			p.Metrics[info.Name] = RatioInterval(played[i][m])
		}
		if x := e.Exact; x != nil && !math.IsNaN(*x) && !math.IsInf(*x, 0) {
			p.Exact = x
		}
		r.Policies = append(r.Policies, p)
	}

	objective := slices.IndexFunc(r.MetricsInfo, func(m MetricInfo) bool { return m.Name == r.Objective })
	pair := func(i, j int) Paired {
		return Paired{entries[j].Name, r.Objective, PairedInterval(played[i][objective], played[j][objective])}
	}
	best := r.bestBaseline()
	for i := range r.Policies {
		p := &r.Policies[i]
		if best >= 0 && i != best {
			d := pair(i, best)
			p.Paired = &d
		}
		if p.Kind == Learned {
			for j := range entries {
				if entries[j].Kind == Baseline {
					p.Versus = append(p.Versus, pair(i, j))
				}
			}
		}
	}
	if i := slices.IndexFunc(entries, func(e Entry) bool { return e.Kind == Optimal }); i >= 0 {
		r.SetOptimum(r.value(&r.Policies[i]))
	}
	return r
}

// SetOptimum sets every policy's Regret against the optimum of the objective:
// (value − optimum)/|optimum|, with the sign turned where higher is better, the
// value being Exact or else the mean. Run does so by the value of the first
// Optimal entry; whoever knows another calls it again. An optimum of 0 or NaN
// leaves the regret unknown.
func (r *Result) SetOptimum(optimum float64) {
	for i := range r.Policies {
		p := &r.Policies[i]
		p.Regret = r.regret(r.value(p), optimum)
	}
}

// value is the objective of a policy: exact where that is known.
func (r *Result) value(p *PolicyResult) float64 {
	if p.Exact != nil {
		return *p.Exact
	}
	return p.Metric(r.Objective).Mean
}

// regret is nil where it is not known.
func (r *Result) regret(value, optimum float64) *float64 {
	x := (value - optimum) / math.Abs(optimum)
	if r.Info(r.Objective).HigherIsBetter {
		x = -x
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// Info describes the named metric; of an unknown one it knows only the name.
func (r *Result) Info(name string) MetricInfo {
	for _, m := range r.MetricsInfo {
		if m.Name == name {
			return m
		}
	}
	return MetricInfo{Name: name}
}

// Parts are the metrics that add up to the objective.
func (r *Result) Parts() []MetricInfo {
	return slices.DeleteFunc(slices.Clone(r.MetricsInfo), func(m MetricInfo) bool { return !m.Part })
}

// Columns are the metrics that a table shows: the objective, then the others
// that are no parts of it. The return and length of episodes are shown only
// for worlds without metrics of their own.
func (r *Result) Columns() []MetricInfo {
	columns := []MetricInfo{r.Info(r.Objective)}
	for _, m := range r.MetricsInfo {
		general := m.Name == EpisodeReturn || m.Name == EpisodeLength
		if m.Name == r.Objective || m.Part || general && len(r.MetricsInfo) > 2 {
			continue
		}
		columns = append(columns, m)
	}
	return columns
}

// Ranked are the policies, the best objective first, unknown ones last, equal
// ones in the order of the entries.
func (r *Result) Ranked() []PolicyResult {
	ranked := slices.Clone(r.Policies)
	slices.SortStableFunc(ranked, func(a, b PolicyResult) int {
		x, y := r.value(&a), r.value(&b)
		switch {
		case r.better(x, y):
			return -1
		case r.better(y, x):
			return 1
		}
		return 0
	})
	return ranked
}

// better reports whether x is a better value of the objective than y; any
// value is better than none.
func (r *Result) better(x, y float64) bool {
	switch {
	case math.IsNaN(x):
		return false
	case math.IsNaN(y):
		return true
	case r.Info(r.Objective).HigherIsBetter:
		return x > y
	}
	return x < y
}

// BestBaseline is the baseline with the best objective, nil where no baseline has
// one.
func (r *Result) BestBaseline() *PolicyResult {
	if i := r.bestBaseline(); i >= 0 {
		return &r.Policies[i]
	}
	return nil
}

func (r *Result) bestBaseline() int {
	best, least := -1, math.NaN()
	for i := range r.Policies {
		p := &r.Policies[i]
		if x := r.value(p); p.Kind == Baseline && r.better(x, least) {
			best, least = i, x
		}
	}
	return best
}

// Read reads the JSON of one Result.
func Read(from io.Reader) (*Result, error) {
	r := &Result{}
	if err := json.NewDecoder(from).Decode(r); err != nil {
		return nil, fmt.Errorf("eval: result: %w", err)
	}
	if r.Schema != Schema {
		return nil, fmt.Errorf("eval: result has the schema %q, this build reads %q", r.Schema, Schema)
	}
	return r, nil
}

// interval is the JSON form of an Estimate, with null for what is not finite.
type interval struct {
	Mean *float64 `json:"mean"`
	Lo   *float64 `json:"lo"`
	Hi   *float64 `json:"hi"`
}

func (e Estimate) interval() interval {
	number := func(x float64) *float64 {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil
		}
		return &x
	}
	return interval{number(e.Mean), number(e.Lo), number(e.Hi)}
}

func (v interval) estimate() Estimate {
	number := func(x *float64) float64 {
		if x == nil {
			return math.NaN()
		}
		return *x
	}
	return Estimate{number(v.Mean), number(v.Lo), number(v.Hi)}
}

// MarshalJSON writes {"mean","lo","hi"}, null where a value is not finite.
func (e Estimate) MarshalJSON() ([]byte, error) { return json.Marshal(e.interval()) }

// UnmarshalJSON reads what MarshalJSON wrote; null and what is missing is NaN.
func (e *Estimate) UnmarshalJSON(b []byte) error {
	var v interval
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*e = v.estimate()
	return nil
}

// pairedJSON is the JSON form of a Paired.
type pairedJSON struct {
	Vs     string `json:"vs"`
	Metric string `json:"metric"`
	interval
}

// MarshalJSON writes {"vs","metric","mean","lo","hi"}.
func (p Paired) MarshalJSON() ([]byte, error) {
	return json.Marshal(pairedJSON{p.Vs, p.Metric, p.interval()})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (p *Paired) UnmarshalJSON(b []byte) error {
	var v pairedJSON
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*p = Paired{v.Vs, v.Metric, v.estimate()}
	return nil
}
