package workload

import "math"

// Zipf is Zipf's law over n ranks, from 0: the share of rank r is
//
//	(r+1)^−s/H(n, s),  H(n, s) = Σ_{k=1..n} k^−s.
//
// All is O(1) in n: sums beyond the first terms follow from Euler and Maclaurin.
type Zipf struct {
	n        int
	exponent float64
	total    float64 // H(n, s)
}

// NewZipf returns the law over n >= 1 ranks with exponent s >= 0.
func NewZipf(n int, s float64) Zipf {
	return Zipf{n: n, exponent: s, total: harmonic(n, s)}
}

// Share is the share of one rank, 0 beyond the last.
func (z *Zipf) Share(rank int) float64 {
	if rank < 0 || rank >= z.n {
		return 0
	}
	return math.Pow(float64(rank+1), -z.exponent) / z.total
}

// Top is the share of the first ranks together.
func (z *Zipf) Top(ranks int) float64 {
	switch {
	case ranks <= 0:
		return 0
	case ranks >= z.n:
		return 1
	}
	return harmonic(ranks, z.exponent) / z.total
}

// directly is how many terms harmonic adds one by one. The first term left out
// of the series below is then under 2e-13, whatever the exponent.
const directly = 64

// harmonic is the generalised harmonic number H(n, s).
//
//	Σ_{k=m..n} f(k) = ∫_m^n f + (f(m)+f(n))/2 + Σ_j B_2j/(2j)!·(f^(2j−1)(n) − f^(2j−1)(m))
//
// with f(k) = k^−s and terms up to j = 2 (Graham, Knuth, Patashnik: "Concrete
// Mathematics", section 9.5).
func harmonic(n int, s float64) float64 {
	sum := 0.0
	for k := min(n, directly-1); k >= 1; k-- { // the smallest first
		sum += math.Pow(float64(k), -s)
	}
	if n < directly {
		return sum
	}
	return sum + eulerMaclaurin(directly, float64(n), s)
}

func eulerMaclaurin(m, n, s float64) float64 {
	// ∫ = m^(1−s)·((n/m)^(1−s) − 1)/(1−s), ln(n/m) at s = 1.
	l := math.Log(n / m)
	integral := l
	if s != 1 {
		integral = math.Pow(m, 1-s) * math.Expm1((1-s)*l) / (1 - s)
	}
	// Minus the odd derivatives of k^−s, with B_2j/(2j)!: 1/12, −1/720.
	ends := func(k float64) float64 {
		f := math.Pow(k, -s)
		first := s / k * f
		third := first * (s + 1) * (s + 2) / (k * k)
		return first/12 - third/720
	}
	return integral + (math.Pow(m, -s)+math.Pow(n, -s))/2 + ends(m) - ends(n)
}
