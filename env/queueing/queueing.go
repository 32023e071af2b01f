// Package queueing has closed forms of queueing theory: how long requests wait
// at a given utilisation, without simulating a single one.
//
// Start with [MGc], c parallel servers with one queue, and [Table], which has
// the latencies of one class of server ready for a world's event loop.
// [Quorum] is the wait for k of n replicas.
//
// Times are in seconds and rates per second; any other unit serves as well if
// used throughout. Utilisation ρ is the offered one: λ·S/c, which may exceed 1.
// A queue in overload, ρ >= 1, has no stationary state: every wait is longer
// than any bound, so means and quantiles are +Inf and tails are 1. Arguments
// without meaning, such as a negative rate, give NaN; nothing panics.
//
// Left out: priorities, networks of queues, and how a queue gets to its
// stationary state.
package queueing

import "math"

// ErlangC is the probability that an arrival at M/M/c has to wait, c being
// servers and a = λ/μ the offered load in erlangs.
//
//	1/B(0) = 1,  1/B(k) = 1 + (k/a)/B(k−1)
//	C = B(c)/(1 − ρ·(1−B(c))),  ρ = a/c
//
// The recursion of Erlang's loss formula B only adds positive numbers, so it is
// stable for all loads. In overload C is 1.
//
// Gross, Shortle, Thompson, Harris: "Fundamentals of Queueing Theory", 4th
// edition, sections 2.3 and 2.4.
func ErlangC(servers int, a float64) float64 {
	switch {
	case servers < 1 || !(a >= 0):
		return math.NaN()
	case a >= float64(servers):
		return 1
	}
	inverse := 1.0
	for k := 1; k <= servers; k++ {
		inverse = 1 + float64(k)/a*inverse // +Inf at a = 0: nobody waits
	}
	b := 1 / inverse
	rho := a / float64(servers)
	return b / ((1 - rho) + rho*b)
}

// MM1KLoss is the share of arrivals that M/M/1/K turns away: K requests fit,
// the one in service among them.
//
//	P = (1−ρ)·ρ^K/(1−ρ^(K+1)),  1/(K+1) at ρ = 1
//
// Gross et al., section 2.5. Written with expm1 of ln ρ, so that nothing
// cancels near ρ = 1 and nothing overflows above.
func MM1KLoss(k int, rho float64) float64 {
	switch {
	case k < 0 || !(rho >= 0):
		return math.NaN()
	case rho == 1:
		return 1 / float64(k+1)
	}
	l := math.Log(rho) // to the last bit near 1 as well: ρ−1 is exact there
	if rho > 1 {
		return math.Expm1(-l) / math.Expm1(-float64(k+1)*l)
	}
	return math.Pow(rho, float64(k)) * math.Expm1(l) / math.Expm1(float64(k+1)*l)
}

// MGc is c parallel servers with one queue, first come first served, Poisson
// arrivals and independent service times S with a given squared coefficient of
// variation cv² = Var S/E[S]².
//
// What is exact: everything for cv² = 1, exponential service (M/M/c); means
// and [MGc.WaitProbability] for one server (M/G/1). The rest is approximate:
// the mean wait is Allen's and Cunneen's correction of M/M/c,
//
//	Wq = C·S/(c·(1−ρ)) · (1+cv²)/2,
//
// which for c = 1 is the formula of Pollaczek and Khinchine, C is Erlang's, and
// the wait of those who wait counts as exponential with the mean that follows:
//
//	P(W > t) = C·e^(−θt),  θ = C/Wq = c·(1−ρ)/S · 2/(1+cv²).
//
// The tests state how far from a simulation that is.
//
// The law of service beyond its two moments is for cv² <= 1 a constant plus an
// exponential time, for cv² > 1 a mixture of two exponential times of balanced
// means (Tijms: "A First Course in Stochastic Models", 2003, appendix B), so
// that the sojourn W + S has a closed tail too.
//
// Allen: "Probability, Statistics, and Queueing Theory", 2nd edition, section
// 5.3; Gross et al., sections 2.3 and 5.1.
type MGc struct {
	wait    float64 // C: probability of having to wait
	theta   float64 // θ: rate of the wait of those who wait; 0 in overload
	service float64 // E[S]
	// S is shift plus, with probability p[i], an exponential time of mean m[i].
	shift float64
	p, m  [2]float64
}

// NewMGc returns the queue with the given number of servers, arrivals per
// second, mean service time in seconds and squared coefficient of variation of
// the service time. Where an argument is out of range, all its results are NaN.
func NewMGc(servers int, arrivals, service, cv2 float64) MGc {
	c := float64(servers)
	rho := arrivals * service / c
	if servers < 1 || !(arrivals >= 0) || !positive(service) || !(cv2 >= 0) || math.IsInf(cv2, 0) || math.IsNaN(rho) {
		nan := math.NaN()
		return MGc{wait: nan, theta: nan, service: nan, shift: nan}
	}
	q := MGc{
		wait:    ErlangC(servers, arrivals*service),
		theta:   c * max(1-rho, 0) / service * 2 / (1 + cv2),
		service: service,
	}
	if cv2 <= 1 {
		cv := math.Sqrt(cv2)
		q.shift = service * (1 - cv)
		q.p[0], q.m[0] = 1, service*cv
	} else {
		d := math.Sqrt((cv2 - 1) / (cv2 + 1))
		q.p = [2]float64{(1 + d) / 2, (1 - d) / 2}
		q.m = [2]float64{service / (1 + d), service / (1 - d)}
	}
	return q
}

// WaitProbability is the probability of having to wait, C.
func (q *MGc) WaitProbability() float64 { return q.wait }

// MeanWait is the mean time in queue, Wq.
func (q *MGc) MeanWait() float64 { return q.wait / q.theta }

// MeanSojourn is the mean time from arrival to the end of service, W.
func (q *MGc) MeanSojourn() float64 { return q.MeanWait() + q.service }

// WaitTail is P(wait > t).
func (q *MGc) WaitTail(t float64) float64 {
	if t < 0 {
		return 1
	}
	return q.wait * math.Exp(-q.theta*t)
}

// WaitQuantile is the time that a share p of the waits does not exceed, for
// 0 <= p <= 1; 0 where that many do not wait.
func (q *MGc) WaitQuantile(p float64) float64 {
	switch {
	case !(p >= 0 && p <= 1) || math.IsNaN(q.wait):
		return math.NaN()
	case q.wait <= 1-p:
		return 0
	}
	return math.Log(q.wait/(1-p)) / q.theta
}

// SojournTail is P(wait + service > t). For each exponential part of service,
// of rate μ = 1/m, with u = t − shift:
//
//	P = (1−C)·e^(−μu) + C·(μ·e^(−θu) − θ·e^(−μu))/(μ−θ)
//	  = e^(−μu) + C·μ·e^(−min(μ,θ)·u)·(1−e^(−|μ−θ|u))/|μ−θ|
//
// The second form holds for μ = θ as well, where the fraction is u, and does
// not cancel near it.
func (q *MGc) SojournTail(t float64) float64 {
	u := t - q.shift
	if u < 0 {
		return 1
	}
	tail := 0.0
	for i, p := range q.p {
		if p == 0 {
			continue
		}
		if q.m[i] == 0 { // constant service
			tail += p * q.WaitTail(u)
			continue
		}
		mu := 1 / q.m[i]
		d := math.Abs(mu - q.theta)
		fraction := u
		if d > 0 {
			fraction = -math.Expm1(-d*u) / d
		}
		tail += p * (math.Exp(-mu*u) + q.wait*mu*math.Exp(-min(mu, q.theta)*u)*fraction)
	}
	if math.IsNaN(q.shift) {
		return q.shift
	}
	return min(tail, 1)
}

// SojournQuantile is the time that a share p of the sojourns does not exceed,
// for 0 <= p <= 1.
func (q *MGc) SojournQuantile(p float64) float64 {
	switch {
	case !(p >= 0 && p <= 1) || math.IsNaN(q.shift):
		return math.NaN()
	case q.theta == 0:
		return math.Inf(1)
	}
	return quantile(q.SojournTail, p, q.shift, q.service)
}

// quantile is the smallest t >= from with tail(t) <= 1−p, tail falling to 0,
// by doubling steps and then halves, to the last bit. It is from where that
// already does.
func quantile(tail func(float64) float64, p, from, step float64) float64 {
	rest := 1 - p
	switch {
	case tail(from) <= rest:
		return from
	case rest <= 0:
		return math.Inf(1)
	}
	low, high := from, from+step
	for tail(high) > rest {
		low, high = high, high+step
		step *= 2
	}
	for {
		middle := low + (high-low)/2
		if middle <= low || middle >= high {
			return high
		}
		if tail(middle) > rest {
			low = middle
		} else {
			high = middle
		}
	}
}

func positive(x float64) bool { return x > 0 && !math.IsInf(x, 0) }
