package queueing

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"mend/env/seed"
)

// agree checks a simulated figure against the truth: within 4 standard errors,
// and 95 % intervals of at most 3 % on either side, so that it says something.
func agree(t *testing.T, what string, got, want, stderr float64) {
	t.Helper()
	if half := 1.96 * stderr; !(half <= 0.03*math.Abs(got)) {
		t.Errorf("%s: simulated %.5g ± %.2g says too little", what, got, half)
	}
	if !(math.Abs(got-want) <= 4*stderr) {
		t.Errorf("%s: simulated %.5g, standard error %.2g, want %.5g", what, got, stderr, want)
	}
}

// estimate is a mean over batches with its standard error.
type estimate struct{ mean, stderr float64 }

func batchMeans(x []float64) estimate {
	var sum, square float64
	for _, y := range x {
		sum += y
	}
	mean := sum / float64(len(x))
	for _, y := range x {
		square += (y - mean) * (y - mean)
	}
	n := float64(len(x))
	return estimate{mean, math.Sqrt(square / (n - 1) / n)}
}

type simulated struct{ wait, waitP99, sojournP99, waiting estimate }

// simulate sends batches of requests through c servers with one queue. The
// first batch warms it up and is not counted. To have less to sort, it looks
// for the p99 among times beyond the p90 of q.
func simulate(t *testing.T, s seed.Seed, q *MGc, c int, arrivals float64, service func(*rand.Rand) float64, batches, size int) simulated {
	rng, _ := s.Rand()
	free := make([]float64, c) // when each server is done with what is assigned to it
	waitFloor, sojournFloor := q.WaitQuantile(0.9), q.SojournQuantile(0.9)
	var waits, sojourns []float64
	p99 := func(largest []float64) float64 {
		rank := size - size*99/100
		if len(largest) < rank {
			t.Fatalf("%d times of %d are beyond the p90", len(largest), size)
		}
		slices.Sort(largest)
		return largest[len(largest)-rank]
	}
	now := 0.0
	var mean, waitP99, sojournP99, waiting []float64
	for b := 0; b <= batches; b++ {
		waits, sojourns = waits[:0], sojourns[:0]
		sum, late := 0.0, 0
		for range size {
			now += rng.ExpFloat64() / arrivals
			first := 0
			for j := range free {
				if free[j] < free[first] {
					first = j
				}
			}
			start := max(now, free[first])
			free[first] = start + service(rng)
			if w := start - now; w > 0 {
				sum += w
				late++
				if w > waitFloor {
					waits = append(waits, w)
				}
			}
			if x := free[first] - now; x > sojournFloor {
				sojourns = append(sojourns, x)
			}
		}
		if b == 0 {
			continue
		}
		mean = append(mean, sum/float64(size))
		waitP99 = append(waitP99, p99(waits))
		sojournP99 = append(sojournP99, p99(sojourns))
		waiting = append(waiting, float64(late)/float64(size))
	}
	return simulated{batchMeans(mean), batchMeans(waitP99), batchMeans(sojournP99), batchMeans(waiting)}
}

// draw samples the service time that q assumes.
func (q *MGc) draw(rng *rand.Rand) float64 {
	i := 0
	if rng.Float64() >= q.p[0] {
		i = 1
	}
	return q.shift + q.m[i]*rng.ExpFloat64()
}

// M/M/c is exact: mean wait, p99 of wait and sojourn, probability of waiting.
func TestMMcSimulated(t *testing.T) {
	for i, x := range []struct {
		c    int
		rho  float64
		size int
	}{{1, 0.8, 80_000}, {2, 0.8, 50_000}, {4, 0.8, 80_000}, {8, 0.6, 60_000}, {4, 0.5, 40_000}} {
		q := NewMGc(x.c, x.rho*float64(x.c), 1, 1)
		s := simulate(t, seed.Seed(i), &q, x.c, x.rho*float64(x.c), q.draw, 40, x.size)
		name := fmt.Sprintf("M/M/%d, ρ = %g: ", x.c, x.rho)
		agree(t, name+"mean wait", s.wait.mean, q.MeanWait(), s.wait.stderr)
		agree(t, name+"p99 of the wait", s.waitP99.mean, q.WaitQuantile(0.99), s.waitP99.stderr)
		agree(t, name+"p99 of the sojourn", s.sojournP99.mean, q.SojournQuantile(0.99), s.sojournP99.stderr)
		agree(t, name+"waiting", s.waiting.mean, q.WaitProbability(), s.waiting.stderr)
	}
}

// M/G/1 is exact in its means and in who waits, whatever the law of service.
// The p99 are approximate; so are means where there are several servers. Each
// row states the largest error that was seen, rounded up, relative to the
// simulation. Rows that need more than 4 million requests run only where
// MEND_LONG is set.
func TestMGcSimulated(t *testing.T) {
	lognormal := func(cv2 float64) func(*rand.Rand) float64 {
		v := math.Log1p(cv2)
		return func(rng *rand.Rand) float64 { return math.Exp(math.Sqrt(v)*rng.NormFloat64() - v/2) }
	}
	for i, x := range []struct {
		c                      int
		rho, cv2               float64
		size                   int
		law                    string
		mean, waitP99, sojourn float64 // largest relative errors
	}{
		{1, 0.8, 0, 40_000, "own", 0, 0.06, 0.06},
		{1, 0.8, 0.25, 40_000, "own", 0, 0.05, 0.04},
		{1, 0.8, 4, 200_000, "own", 0, 0.11, 0.11},
		{1, 0.5, 4, 40_000, "own", 0, 0.20, 0.17},
		{1, 0.5, 4, 160_000, "lognormal", 0, 0.34, 0.31},
		{4, 0.8, 0, 40_000, "own", 0.03, 0.06, 0.05},
		{4, 0.8, 0.25, 40_000, "own", 0.02, 0.03, 0.02},
		{4, 0.8, 4, 240_000, "own", 0.08, 0.07, 0.04},
		{4, 0.5, 4, 100_000, "own", 0.30, 0.08, 0.01},
		{8, 0.8, 4, 300_000, "own", 0.16, 0.05, 0.02},
	} {
		if x.size > 100_000 && os.Getenv("MEND_LONG") == "" {
			continue
		}
		arrivals := x.rho * float64(x.c)
		q := NewMGc(x.c, arrivals, 1, x.cv2)
		service := q.draw
		if x.law == "lognormal" {
			service = lognormal(x.cv2)
		}
		s := simulate(t, seed.Seed(100+i), &q, x.c, arrivals, service, 40, x.size)
		name := fmt.Sprintf("M/G/%d, ρ = %g, cv² = %g, %s law: ", x.c, x.rho, x.cv2, x.law)
		approximate := func(what string, got float64, e estimate, limit float64) {
			t.Helper()
			off := got/e.mean - 1
			t.Logf("%s%s: %.4g, simulated %.4g ± %.2g, off by %+.1f %%", name, what, got, e.mean, 1.96*e.stderr, 100*off)
			if !(1.96*e.stderr <= 0.03*e.mean) {
				t.Errorf("%s%s: simulated %.5g ± %.2g says too little", name, what, e.mean, 1.96*e.stderr)
			}
			if !(math.Abs(off) <= limit+4*e.stderr/e.mean) {
				t.Errorf("%s%s is %.4g, %.1f %% off the simulated %.4g", name, what, got, 100*off, e.mean)
			}
		}
		approximate("mean wait", q.MeanWait(), s.wait, x.mean)
		if x.c == 1 {
			approximate("waiting", q.WaitProbability(), s.waiting, 0)
		}
		approximate("p99 of the wait", q.WaitQuantile(0.99), s.waitP99, x.waitP99)
		approximate("p99 of the sojourn", q.SojournQuantile(0.99), s.sojournP99, x.sojourn)
	}
}
