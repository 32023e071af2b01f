package queueing

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/integrate/quad"
)

// MaxReplicas is the largest n of a [Quorum].
const MaxReplicas = 32

// Quorum is the time until k of n replicas have answered. Replica i answers
// after a constant offset, such as its round trip, plus an exponential time;
// the exponential times are independent and of one mean.
//
// With F_i(t) = 1 − e^(−(t−offset_i)/mean), at least 0, the time exceeds t
// where fewer than k of n independent events of probability F_i have happened
// (Poisson binomial). With offsets 0 its mean is mean·(1/n + … + 1/(n−k+1))
// (Rényi 1953; David and Nagaraja: "Order Statistics", 3rd edition, section
// 2.5).
type Quorum struct {
	k, n    int
	mean    float64
	offsets [MaxReplicas]float64 // in rising order
}

// NewQuorum returns the wait for k of len(offsets) replicas. Where an argument
// is out of range (1 <= k <= len(offsets) <= MaxReplicas, mean and offsets
// finite and not negative), all its results are NaN.
func NewQuorum(k int, mean float64, offsets ...float64) Quorum {
	q := Quorum{k: k, n: len(offsets), mean: mean}
	bad := k < 1 || k > q.n || q.n > MaxReplicas || !(mean >= 0) || math.IsInf(mean, 0)
	for _, o := range offsets {
		bad = bad || !(o >= 0) || math.IsInf(o, 0)
	}
	if bad {
		return Quorum{mean: math.NaN()}
	}
	copy(q.offsets[:], offsets)
	slices.Sort(q.offsets[:q.n])
	return q
}

// Tail is P(time > t), by dynamic programming over the replicas, O(n·k).
func (q *Quorum) Tail(t float64) float64 {
	if math.IsNaN(q.mean) {
		return q.mean
	}
	var answered [MaxReplicas]float64 // probability of j answers, j < k
	answered[0] = 1
	for _, o := range q.offsets[:q.n] {
		u := t - o
		if u < 0 {
			break // nor any replica further away
		}
		late := 0.0
		if q.mean > 0 {
			late = math.Exp(-u / q.mean)
		}
		for j := q.k - 1; j > 0; j-- {
			answered[j] = answered[j]*late + answered[j-1]*(1-late)
		}
		answered[0] *= late
	}
	sum := 0.0
	for _, p := range answered[:q.k] {
		sum += p
	}
	return min(sum, 1)
}

// Quantile is the time within which a share p of the requests have their k
// answers, for 0 <= p <= 1.
func (q *Quorum) Quantile(p float64) float64 {
	if !(p >= 0 && p <= 1) || math.IsNaN(q.mean) {
		return math.NaN()
	}
	return quantile(q.Tail, p, q.offsets[q.k-1], q.mean)
}

// Mean is the expected time, the integral of the tail. Up to the k-th offset
// the tail is 1. Between two further offsets, and behind the last, tail/x is a
// polynomial in x = e^(−t/mean), so that Gauss-Legendre quadrature over
// dt = −mean·dx/x has no error but rounding.
func (q *Quorum) Mean() float64 {
	if math.IsNaN(q.mean) {
		return q.mean
	}
	sum := q.offsets[q.k-1]
	if q.mean == 0 {
		return sum
	}
	for a := q.k; a <= q.n; a++ { // a replicas may have answered
		from, least := q.offsets[a-1], 0.0
		if a < q.n {
			least = math.Exp((from - q.offsets[a]) / q.mean)
		}
		if least == 1 {
			continue // two equal offsets
		}
		sum += q.mean * quad.Fixed(func(x float64) float64 {
			return q.Tail(from-q.mean*math.Log(x)) / x
		}, least, 1, (a+1)/2, quad.Legendre{}, 1)
	}
	return sum
}
