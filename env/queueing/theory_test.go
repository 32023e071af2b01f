package queueing

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	rule "mend/env/internal/tenfold"
	"mend/env/seed"
)

// figure is the mean of batches, beside what it should be.
type figure struct {
	what    string
	batches []float64
	want    float64
}

// Off reports whether f is more than 4 standard errors off.
func (f figure) Off() bool {
	e := batchMeans(f.batches)
	return !(math.Abs(e.mean-f.want) <= 4*e.stderr)
}

// tenfold checks figures of n batches, or of ten times as many, see rule.Settle.
func tenfold(t *testing.T, n int, measure func(from, to int) []figure) {
	t.Helper()
	for _, f := range rule.Settle(n, measure) {
		e := batchMeans(f.batches)
		t.Logf("%s: %.6g, want %.6g (%+.2f standard errors, half-width %.2f %%, %d batches)",
			f.what, e.mean, f.want, (e.mean-f.want)/e.stderr, 196*e.stderr/f.want, len(f.batches))
		agree(t, f.what, e.mean, f.want, e.stderr)
	}
}

// TestTenfold: batches of mean 1 and variance 1, to which errors are added. With
// 100 the standard error is 0.1, with 1000 it is 0.032.
func TestTenfold(t *testing.T) {
	for _, x := range []struct {
		what        string
		first, rest float64 // errors of the first 100 and of the others
		n           int     // batches that decide
		off         bool
	}{
		{"right", 0, 0, 100, false},
		{"unlucky at first", 0.5, 0, 1000, false},
		{"wrong", 0.5, 0.5, 1000, true},
		{"wrong by less than 100 would show", 0.5, 0.2, 1000, true},
	} {
		var all []float64
		f := rule.Settle(100, func(from, to int) []figure {
			for range to - from {
				e, r := x.rest, len(all)
				if r < 100 {
					e = x.first
				}
				all = append(all, 1+float64(1-2*(r%2))+e)
			}
			return []figure{{x.what, all, 1}}
		})[0]
		if len(f.batches) != x.n || f.Off() != x.off {
			t.Errorf("%s: %d batches, off %t, want %d, %t", x.what, len(f.batches), f.Off(), x.n, x.off)
		}
	}
}

// lobby is where requests wait for c servers, in one queue: each goes to the
// server that is free first.
type lobby struct {
	rng      *rand.Rand
	arrivals float64 // per second
	service  func(*rand.Rand) float64
	now      float64
	free     []float64 // when each server is
}

// request returns how long the next one waits and stays.
func (l *lobby) request() (wait, sojourn float64) {
	l.now += l.rng.ExpFloat64() / l.arrivals
	first := 0
	for j := range l.free {
		if l.free[j] < l.free[first] {
			first = j
		}
	}
	start := max(l.now, l.free[first])
	l.free[first] = start + l.service(l.rng)
	return start - l.now, l.free[first] - l.now
}

func exponential(mean float64) func(*rand.Rand) float64 {
	return func(rng *rand.Rand) float64 { return mean * rng.ExpFloat64() }
}

// p99 is a p99 x as measured: the share that takes longer, which should be 1 %,
// moves it by the relative error over the rate at which the tail decays there.
// (To first order; the quantiles of batches would be biased.)
func p99(x, share float64, tail func(float64) float64) float64 {
	rate := math.Log(tail(0.99*x)/tail(1.01*x)) / (0.02 * x)
	return x + (share/0.01-1)/rate
}

// TestWaits simulates the queues of TestMMcFigures and TestMG1Figures. Of the
// laws of service with cv² = 4 it takes that of 5 ms once in five times and
// nothing else.
func TestWaits(t *testing.T) {
	constant := func(*rand.Rand) float64 { return ms }
	fifth := func(rng *rand.Rand) float64 {
		if rng.Uint64N(5) > 0 {
			return 0
		}
		return 5 * ms
	}
	for i, x := range []struct {
		name                        string
		c                           int
		arrivals                    float64
		service                     func(*rand.Rand) float64
		waiting, mean, wait, inside float64 // P(waits), Wq, p99 of the wait, of the sojourn in ms; 0: unknown
		size                        int     // of 40 batches
		long                        bool
	}{
		{"M/M/1", 1, 800, exponential(ms), 0.8, 4, 0, 23.0259, 80_000, false},
		{"M/M/2", 2, 1600, exponential(ms), 0.711111, 1.777778, 0, 11.93737, 80_000, false},
		{"M/M/4", 4, 3200, exponential(ms), 0.596432, 0.745541, 5.110476, 6.893203, 80_000, false},
		{"M/M/8", 8, 6400, exponential(ms), 0.457645, 0.286028, 0, 5.152182, 80_000, false},
		{"M/M/4, ρ = 0.95", 4, 3800, exponential(ms), 0.891419, 4.457095, 0, 23.56687, 1_000_000, true},
		{"M/D/1", 1, 800, constant, 0.8, 2, 0, 0, 20_000, false},
		{"M/G/1", 1, 800, fifth, 0.8, 10, 0, 0, 40_000, false},
	} {
		if x.long && os.Getenv("MEND_LONG") == "" {
			continue
		}
		q := NewMGc(x.c, x.arrivals, ms, 1) // where a p99 is known
		rng, _ := seed.Seed(200 + i).Rand()
		l := &lobby{rng: rng, arrivals: x.arrivals, service: x.service, free: make([]float64, x.c)}
		for range x.size { // it begins empty
			l.request()
		}
		var waiting, mean, wait, inside []float64
		tenfold(t, 40, func(from, to int) []figure {
			for range to - from {
				late, sum, slow, slowest := 0, 0.0, 0, 0
				for range x.size {
					w, s := l.request()
					sum += w
					if w > 0 {
						late++
					}
					if w > x.wait*ms {
						slow++
					}
					if s > x.inside*ms {
						slowest++
					}
				}
				size := float64(x.size)
				waiting, mean = append(waiting, float64(late)/size), append(mean, sum/size)
				if x.wait > 0 {
					wait = append(wait, p99(x.wait*ms, float64(slow)/size, q.WaitTail))
				}
				if x.inside > 0 {
					inside = append(inside, p99(x.inside*ms, float64(slowest)/size, q.SojournTail))
				}
			}
			figures := []figure{{x.name + ": P(waits)", waiting, x.waiting}, {x.name + ": Wq, s", mean, x.mean * ms}}
			if x.wait > 0 {
				figures = append(figures, figure{x.name + ": p99 of the wait, s", wait, x.wait * ms})
			}
			if x.inside > 0 {
				figures = append(figures, figure{x.name + ": p99 of the sojourn, s", inside, x.inside * ms})
			}
			return figures
		})
	}
}

// TestLoss: M/M/1/10 at ρ = 0.9 turns 5.081373 % away.
func TestLoss(t *testing.T) {
	rng, _ := seed.Seed(300).Rand()
	inside := 0
	var lost []float64
	tenfold(t, 40, func(from, to int) []figure {
		for range to - from {
			const size = 40_000
			arrived, turned := 0, 0
			for arrived < size {
				if inside > 0 && rng.Float64()*1.9 > 0.9 { // served before the next arrives
					inside--
					continue
				}
				arrived++
				if inside == 10 {
					turned++
				} else {
					inside++
				}
			}
			lost = append(lost, float64(turned)/size)
		}
		return []figure{{"M/M/1/10: loss", lost, 0.05081373}}
	})
}

// TestQuorumOfThree simulates TestQuorumFigures: the first, second and third of
// three exponential responses of mean 1 ms.
func TestQuorumOfThree(t *testing.T) {
	rng, _ := seed.Seed(301).Rand()
	mean, p99 := [3]float64{1.0 / 3, 1.0/3 + 1.0/2, 1.0/3 + 1.0/2 + 1}, [3]float64{1.535057, 2.831861, 5.700436}
	var means, beyond [3][]float64
	tenfold(t, 100, func(from, to int) []figure {
		for range to - from {
			const size = 6000
			var sum, slow [3]float64
			for range size {
				x := [3]float64{rng.ExpFloat64(), rng.ExpFloat64(), rng.ExpFloat64()}
				slices.Sort(x[:])
				for k, y := range x {
					sum[k] += y
					if y > p99[k] {
						slow[k]++
					}
				}
			}
			for k := range 3 {
				means[k], beyond[k] = append(means[k], sum[k]/size), append(beyond[k], slow[k]/size)
			}
		}
		var figures []figure
		for k := range 3 {
			name := fmt.Sprintf("%d of 3: ", k+1)
			figures = append(figures, figure{name + "mean, ms", means[k], mean[k]}, figure{name + "P(beyond p99)", beyond[k], 0.01})
		}
		return figures
	})
}
