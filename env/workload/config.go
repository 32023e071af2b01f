package workload

import (
	"math"
	"time"

	"mend/configs/field"
	"mend/env"
)

// Config defines the load. Every default names its source in [DefaultConfig].
type Config struct {
	// RequestsPerSecond is the load of all shards together at a mean hour of a
	// weekday, without noise and flash crowds.
	RequestsPerSecond float64       `yaml:"requests_per_second" json:"requests_per_second"`
	ReadShare         float64       `yaml:"read_share" json:"read_share"` // of the requests; the others write
	Popularity        Popularity    `yaml:"popularity" json:"popularity"`
	Seasons           Seasons       `yaml:"seasons" json:"seasons"`
	Noise             Noise         `yaml:"noise" json:"noise"`
	Crowds            Crowds        `yaml:"crowds" json:"crowds"`
	Step              time.Duration `yaml:"step" json:"step"` // between two changes of the load
}

// Popularity is how requests spread over shards.
type Popularity struct {
	ZipfExponent float64 `yaml:"zipf_exponent" json:"zipf_exponent"` // the shard of rank r gets a share ∝ (r+1)^−exponent
	// SwapsPerHour is how many pairs of neighbouring ranks exchange their
	// shards, among the ranks that are tracked.
	SwapsPerHour float64 `yaml:"swaps_per_hour" json:"swaps_per_hour"`
}

// Seasons are the factors that the calendar gives. An episode starts at
// midnight before a Monday.
type Seasons struct {
	Amplitude float64       `yaml:"amplitude" json:"amplitude"` // of the day's sine, relative to its mean
	Peak      time.Duration `yaml:"peak" json:"peak"`           // its hour of day
	Weekend   float64       `yaml:"weekend" json:"weekend"`     // factor on Saturdays and Sundays
}

// Noise multiplies the load of each step by a gamma variate of mean 1. Its
// variance is what gives counts over windows of Requests requests on average
// the Fano factor Fano, variance over mean, where a Poisson process has 1:
//
//	v = (Fano − 1)/Requests
//
// so that the noise is as large relative to a small load as to a great one.
// Requests = RequestsPerSecond·Step makes Fano that of a mean step's counts.
type Noise struct {
	Fano     float64 `yaml:"fano" json:"fano"` // 1: no noise
	Requests float64 `yaml:"requests" json:"requests"`
}

// variance is that of the factor.
func (n Noise) variance() float64 { return (n.Fano - 1) / n.Requests }

// Crowds are flash crowds: many requests at once for one shard and what goes
// with it. The load rises linearly to Factor times the usual and falls back
// exponentially.
type Crowds struct {
	PerYear float64 `yaml:"per_year" json:"per_year"` // a year is 8760 h; 0: none
	// The factor is uniform in [FactorMin, FactorMax], the ramp in [RampMin,
	// RampMax].
	FactorMin float64       `yaml:"factor_min" json:"factor_min"`
	FactorMax float64       `yaml:"factor_max" json:"factor_max"`
	RampMin   time.Duration `yaml:"ramp_min" json:"ramp_min"`
	RampMax   time.Duration `yaml:"ramp_max" json:"ramp_max"`
	Decay     time.Duration `yaml:"decay" json:"decay"` // time constant
	// HotShare is how much of the excess goes to one shard, of a tracked rank;
	// the rest spreads as usual.
	HotShare float64       `yaml:"hot_share" json:"hot_share"`
	Step     time.Duration `yaml:"step" json:"step"` // between two changes of the load while there is a crowd
}

// DefaultConfig is the load of an interactive service.
//
// Sources: Yang, Yue, Rashmi: "A large scale analysis of hundreds of in-memory
// cache clusters at Twitter" (OSDI 2020): median read share 0.86; Cooper et
// al.: "Benchmarking cloud serving systems with YCSB" (SoCC 2010): Zipf
// exponent 0.99; load balancers of the Numenta anomaly benchmark: largest over
// smallest mean of an hour of day 2.24, which amplitude 0.4 makes 2.33; Azure's
// 2023 trace of conversations with language models, an hour long: whole minutes
// have 333 requests on average with Fano factor 16.4, and (Fano − 1)/mean is
// 0.070, 0.056, 0.046 and 0.036 in windows of 1 s, 5 s, 1 min and 5 min: nearly
// the same over scales, unlike the Fano factor itself, which grows from 1.4 to
// 62. What has no published figure is marked as assumed.
func DefaultConfig() Config {
	return Config{
		RequestsPerSecond: 100_000, // assumed: 1000 for each of 100 nodes
		ReadShare:         0.86,
		Popularity: Popularity{
			ZipfExponent: 0.99,
			SwapsPerHour: 4, // assumed
		},
		Seasons: Seasons{
			Amplitude: 0.4,
			Peak:      14 * time.Hour, // assumed
			Weekend:   0.8,            // assumed
		},
		Noise: Noise{Fano: 10, Requests: 333}, // assumed: 0.027, less than the trace, as steps are longer
		Crowds: Crowds{ // assumed, all
			PerYear:   12,
			FactorMin: 5, FactorMax: 20,
			RampMin: time.Minute, RampMax: 5 * time.Minute,
			Decay:    time.Hour,
			HotShare: 0.5,
			Step:     time.Minute,
		},
		Step: 15 * time.Minute,
	}
}

// Validate reports every field that is out of range, as field.Errors.
func (c Config) Validate() error {
	var e field.Errors
	e.Want(c.RequestsPerSecond >= 0 && c.RequestsPerSecond <= 1e12, "requests_per_second", c.RequestsPerSecond, "0 to 1e12")
	e.Want(share(c.ReadShare), "read_share", c.ReadShare, "0 to 1")
	p := c.Popularity
	e.Want(p.ZipfExponent >= 0 && p.ZipfExponent <= 10, "popularity.zipf_exponent", p.ZipfExponent, "0 to 10")
	e.Want(p.SwapsPerHour >= 0 && p.SwapsPerHour <= 1e6, "popularity.swaps_per_hour", p.SwapsPerHour, "0 to 1e6")
	s := c.Seasons
	e.Want(share(s.Amplitude), "seasons.amplitude", s.Amplitude, "0 to 1")
	e.Want(s.Peak >= 0 && s.Peak < 24*time.Hour, "seasons.peak", s.Peak, "0 to less than 24h")
	e.Want(s.Weekend >= 0 && s.Weekend <= 100, "seasons.weekend", s.Weekend, "0 to 100")
	n := c.Noise
	e.Want(n.Fano >= 1 && n.Fano <= 1e6, "noise.fano", n.Fano, "1 to 1e6")
	e.Want(n.Requests > 0 && n.Requests <= 1e15, "noise.requests", n.Requests, "more than 0, up to 1e15")
	if n.Fano > 1 && n.Requests > 0 {
		e.Want(n.variance() <= 100, "noise.fano", n.Fano, "at most 1 + 100·noise.requests: a factor of variance 100")
	}
	f := c.Crowds
	e.Want(f.PerYear >= 0 && f.PerYear <= 1e4, "crowds.per_year", f.PerYear, "0 to 1e4")
	e.Want(f.FactorMin >= 1 && f.FactorMin <= 1e4, "crowds.factor_min", f.FactorMin, "1 to 1e4")
	e.Want(f.FactorMax >= f.FactorMin && f.FactorMax <= 1e4, "crowds.factor_max", f.FactorMax, "crowds.factor_min to 1e4")
	e.Want(f.RampMin >= time.Second && f.RampMin <= days, "crowds.ramp_min", f.RampMin, "1s to 24h")
	e.Want(f.RampMax >= f.RampMin && f.RampMax <= days, "crowds.ramp_max", f.RampMax, "crowds.ramp_min to 24h")
	e.Want(f.Decay >= time.Second && f.Decay <= 30*days, "crowds.decay", f.Decay, "1s to 720h")
	e.Want(share(f.HotShare), "crowds.hot_share", f.HotShare, "0 to 1")
	e.Want(c.Step >= time.Second && c.Step <= days, "step", c.Step, "1s to 24h")
	e.Want(f.Step >= time.Second && f.Step <= max(c.Step, time.Second), "crowds.step", f.Step, "1s to step")
	return e.Err()
}

const days = 24 * time.Hour

func share(x float64) bool { return x >= 0 && x <= 1 }

func simulated(d time.Duration) env.Time { return env.Time(d / time.Microsecond) }

// at is the seasonal factor at time t.
//
//	(1 + Amplitude·cos 2π(t − Peak)/24 h)·(Weekend on days 6 and 7 of the week)
func (s Seasons) at(t env.Time) float64 {
	const perDay = 2 * math.Pi / float64(env.Day)
	f := 1 + s.Amplitude*math.Cos(perDay*float64(t%env.Day-simulated(s.Peak)))
	if t%(7*env.Day) >= 5*env.Day {
		f *= s.Weekend
	}
	return f
}
