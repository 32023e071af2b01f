package queueing

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"mend/env/seed"
)

// Three exponential responses of mean 1. Origin: Rényi's sums 1/3, 1/3+1/2,
// 1/3+1/2+1, and quantiles by solving 1−(1−F)³, 3F²−2F³ and F³ = 0.99 in
// Python; −ln(0.01)/3 is the first.
func TestQuorumFigures(t *testing.T) {
	mean := []float64{0.333333, 0.833333, 1.833333}
	p99 := []float64{1.535057, 2.831861, 5.700436}
	for i := range 3 {
		q := NewQuorum(i+1, 1, 0, 0, 0)
		near(t, fmt.Sprintf("mean of %d of 3", i+1), q.Mean(), mean[i], 2e-6)
		near(t, fmt.Sprintf("p99 of %d of 3", i+1), q.Quantile(0.99), p99[i], 1e-6)
	}
}

// Without offsets the mean is Rényi's sum, for every k of every n.
func TestQuorumMean(t *testing.T) {
	for n := 1; n <= MaxReplicas; n++ {
		offsets := make([]float64, n)
		want := 0.0
		for k := 1; k <= n; k++ {
			want += 2 / float64(n-k+1)
			for i := range offsets {
				offsets[i] = 5
			}
			q := NewQuorum(k, 2, offsets...)
			near(t, fmt.Sprintf("mean of %d of %d", k, n), q.Mean(), 5+want, 1e-12)
		}
	}
}

// The two that can be done by hand: for one of two replicas, d further apart,
// min = m − m/2·e^(−d/m); for both, the sum of the means less that.
func TestQuorumOffsets(t *testing.T) {
	for _, d := range []float64{0, 1e-9, 0.3, 1, 40, 5000} {
		first, both := NewQuorum(1, 2, 1+d, 1), NewQuorum(2, 2, 1, 1+d)
		want := 1 + 2 - math.Exp(-d/2)
		near(t, fmt.Sprintf("mean of 1 of 2, %g apart", d), first.Mean(), want, 1e-12)
		near(t, fmt.Sprintf("mean of 2 of 2, %g apart", d), both.Mean(), 3+3+d-want, 1e-12)
	}
	// Without service the k-th offset is all there is.
	q := NewQuorum(2, 0, 7, 3, 5)
	if m, p := q.Mean(), q.Quantile(0.99); m != 5 || p != 5 {
		t.Errorf("constant responses: mean %g, p99 %g, want 5", m, p)
	}
	if a, b := q.Tail(4.99), q.Tail(5); a != 1 || b != 0 {
		t.Errorf("constant responses: tail %g, %g, want 1, 0", a, b)
	}
}

// Quorums of replicas at round trips of 0.25 ms, 0.8 ms (another zone) and 65
// ms (another region), mean service 1 ms and 20 ms, against draws. The share of
// draws beyond the p99 is binomial.
func TestQuorumSimulated(t *testing.T) {
	const n = 500_000
	offsets := []float64{0.25, 0.8, 0.8, 65, 70}
	rng, _ := seed.Seed(1).Rand()
	for _, mean := range []float64{1, 20} {
		var sum, square [5]float64
		var beyond [5]int
		var quorums [5]Quorum
		var p99 [5]float64
		for k := range quorums {
			quorums[k] = NewQuorum(k+1, mean, offsets...)
			p99[k] = quorums[k].Quantile(0.99)
		}
		var x [5]float64
		for range n {
			for i, o := range offsets {
				x[i] = o + mean*rng.ExpFloat64()
			}
			slices.Sort(x[:])
			for k, y := range x {
				sum[k] += y
				square[k] += y * y
				if y > p99[k] {
					beyond[k]++
				}
			}
		}
		for k := range quorums {
			name := fmt.Sprintf("%d of 5, mean %g", k+1, mean)
			m := sum[k] / n
			agree(t, name, m, quorums[k].Mean(), math.Sqrt((square[k]/n-m*m)/n))
			share := float64(beyond[k]) / n
			agree(t, name+", beyond p99", share, 0.01, math.Sqrt(share*(1-share)/n))
		}
	}
}

func TestQuorumBad(t *testing.T) {
	for _, q := range []Quorum{
		NewQuorum(0, 1, 0), NewQuorum(2, 1, 0), NewQuorum(1, -1, 0), NewQuorum(1, math.NaN(), 0), NewQuorum(1, 1, -1),
		NewQuorum(1, 1, math.Inf(1)), NewQuorum(1, 1), NewQuorum(1, 1, make([]float64, MaxReplicas+1)...),
	} {
		if a, b, c := q.Mean(), q.Tail(1), q.Quantile(0.5); !math.IsNaN(a) || !math.IsNaN(b) || !math.IsNaN(c) {
			t.Errorf("%+v gives %g, %g, %g, want NaN", q, a, b, c)
		}
	}
	q := NewQuorum(1, 1, 0)
	if !math.IsNaN(q.Quantile(-0.1)) || !math.IsInf(q.Quantile(1), 1) {
		t.Error("p-1 or p100 is a number")
	}
}
