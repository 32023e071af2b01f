package queueing

import (
	"math"

	"mend/configs/field"
)

// Class is a class of server whose latencies a [Table] holds.
type Class struct {
	Servers        int     `yaml:"servers" json:"servers"`                 // requests that it serves at a time
	ServiceSeconds float64 `yaml:"service_seconds" json:"service_seconds"` // mean service time
	CV2            float64 `yaml:"cv2" json:"cv2"`                         // squared coefficient of variation of service
	SLOSeconds     float64 `yaml:"slo_seconds" json:"slo_seconds"`         // latency that a request should not exceed
}

// Validate reports every field that is out of range, as field.Errors.
func (c Class) Validate() error {
	var e field.Errors
	e.Want(c.Servers >= 1 && c.Servers <= 1024, "servers", c.Servers, "1 to 1024")
	e.Want(c.ServiceSeconds >= 1e-9 && c.ServiceSeconds <= 1e6, "service_seconds", c.ServiceSeconds, "1e-9 to 1e6")
	e.Want(c.CV2 >= 0 && c.CV2 <= 100, "cv2", c.CV2, "0 to 100")
	e.Want(c.SLOSeconds >= 1e-9 && c.SLOSeconds <= 1e9, "slo_seconds", c.SLOSeconds, "1e-9 to 1e9")
	return e.Err()
}

// Capacity is how many requests a second the server can serve.
func (c Class) Capacity() float64 { return float64(c.Servers) / c.ServiceSeconds }

// Latency is what requests meet at one utilisation.
type Latency struct {
	Mean, P50, P99 float64 // of the sojourn of served requests, seconds
	Miss           float64 // share of the served requests that exceed the SLO
	Served         float64 // share of all requests that are served
}

const (
	buckets = 64
	// Saturation is the utilisation above which latencies no longer grow. A
	// queue needs about S/(c·(1−ρ)²) seconds to get near its stationary state;
	// at saturation that is 10^6 services of one server, longer than any load
	// lasts.
	Saturation = 1 - 1.0/1024
	// unlikely stands for any smaller share of misses, such as 0, whose
	// logarithm is -Inf.
	unlikely = 1e-300
)

// knot holds what is interpolated between two utilisations. Latencies grow
// like 1/(1−ρ) and misses like e^(−θ·SLO), θ linear in ρ: so scaled, both are
// nearly linear.
type knot struct {
	mean, p50, p99 float64 // (1−ρ) times the latency
	miss           float64 // ln of the share
}

// Table holds the latencies of a [Class] of server at 64 utilisations and
// interpolates between them.
//
// At and above [Saturation] latencies are those at Saturation. In overload,
// ρ >= 1, the share 1/ρ of the requests is served, each too late, and the
// others fail.
type Table struct {
	knots [buckets + 1]knot // at ρ = i/64, the last in the limit
	first float64           // share of misses at ρ = 0
}

// NewTable computes the latencies of c. An invalid class gives field.Errors.
func NewTable(c Class) (*Table, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	t := new(Table)
	for i := range buckets {
		rho := float64(i) / buckets
		q := NewMGc(c.Servers, rho*c.Capacity(), c.ServiceSeconds, c.CV2)
		t.knots[i] = knot{
			mean: (1 - rho) * q.MeanSojourn(),
			p50:  (1 - rho) * q.SojournQuantile(0.50),
			p99:  (1 - rho) * q.SojournQuantile(0.99),
			miss: math.Log(max(q.SojournTail(c.SLOSeconds), unlikely)),
		}
		if i == 0 {
			t.first = q.SojournTail(c.SLOSeconds)
		}
	}
	// As ρ nears 1 all wait, exponentially, and service no longer matters:
	// (1−ρ)/θ = S·(1+cv²)/(2c).
	scale := (1 + c.CV2) / 2 / c.Capacity()
	t.knots[buckets] = knot{mean: scale, p50: scale * math.Ln2, p99: scale * math.Log(100)}
	return t, nil
}

// At is the latency at the offered utilisation rho. Below 0, and NaN, count as
// 0.
func (t *Table) At(rho float64) Latency {
	if !(rho > 0) {
		rho = 0
	}
	x := min(rho, Saturation)
	i := int(x * buckets)
	f := x*buckets - float64(i)
	a, b := &t.knots[i], &t.knots[i+1]
	grow := 1 / (1 - x)
	l := Latency{
		Mean:   (a.mean + f*(b.mean-a.mean)) * grow,
		P50:    (a.p50 + f*(b.p50-a.p50)) * grow,
		P99:    (a.p99 + f*(b.p99-a.p99)) * grow,
		Served: 1,
	}
	l.Miss = t.Miss(rho)
	if rho >= 1 {
		l.Served = 1 / rho
	}
	return l
}

// Miss is the Miss of At(rho), where nothing else of it is wanted.
func (t *Table) Miss(rho float64) float64 {
	if !(rho > 0) {
		rho = 0
	}
	x := min(rho, Saturation)
	i := int(x * buckets)
	f := x*buckets - float64(i)
	a, b := t.knots[i].miss, t.knots[i+1].miss
	switch {
	case rho >= 1:
		return 1
	case i == 0: // from a share that may be 0
		return t.first + f*(math.Exp(b)-t.first)
	}
	return math.Exp(a + f*(b-a))
}
