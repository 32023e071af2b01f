package queueing

import (
	"fmt"
	"math"
	"testing"
)

// near checks got against want, which is known to a relative precision.
func near(t *testing.T, what string, got, want, relative float64) {
	t.Helper()
	if !(math.Abs(got-want) <= relative*math.Abs(want)) {
		t.Errorf("%s is %.9g, want %.9g within %g of it", what, got, want, relative)
	}
}

const ms = 1e-3

// Servers of 1000 requests a second each. Origin: the figures were computed in
// Python from the textbook formulas, by factorials rather than the recursion,
// and are given to their last digit; W = 1/(μ−λ) and quantiles −W·ln(1−p) of
// M/M/1 are also plain arithmetic.
func TestMMcFigures(t *testing.T) {
	const digits = 1e-6
	m1 := NewMGc(1, 800, ms, 1)
	near(t, "M/M/1 W", m1.MeanSojourn(), 5*ms, 1e-12)
	near(t, "M/M/1 Wq", m1.MeanWait(), 4*ms, 1e-12)
	near(t, "M/M/1 L", 800*m1.MeanSojourn(), 4, 1e-12) // Little
	for _, x := range []struct{ p, want float64 }{{0.50, 3.4657}, {0.95, 14.9787}, {0.99, 23.0259}} {
		near(t, fmt.Sprintf("M/M/1 p%g", 100*x.p), m1.SojournQuantile(x.p), x.want*ms, 2e-5)
		near(t, fmt.Sprintf("M/M/1 p%g", 100*x.p), m1.SojournQuantile(x.p), -5*ms*math.Log(1-x.p), 1e-12)
	}

	m2 := NewMGc(2, 1600, ms, 1)
	near(t, "c=2 C", m2.WaitProbability(), 0.711111, digits)
	near(t, "c=2 Wq", m2.MeanWait(), 1.777778*ms, digits)
	near(t, "c=2 p99", m2.SojournQuantile(0.99), 11.93737*ms, digits)

	m4 := NewMGc(4, 3200, ms, 1)
	near(t, "c=4 C", m4.WaitProbability(), 0.596432, digits)
	near(t, "c=4 Wq", m4.MeanWait(), 0.745541*ms, digits)
	near(t, "c=4 W", m4.MeanSojourn(), 1.745541*ms, digits)
	near(t, "c=4 p99 of the wait", m4.WaitQuantile(0.99), 5.110476*ms, digits)
	near(t, "c=4 p99", m4.SojournQuantile(0.99), 6.893203*ms, digits)
	near(t, "c=4 L", 3200*m4.MeanSojourn(), 5.585730, digits)

	m8 := NewMGc(8, 6400, ms, 1)
	near(t, "c=8 C", m8.WaitProbability(), 0.457645, digits)
	near(t, "c=8 W", m8.MeanSojourn(), 1.286028*ms, digits)
	near(t, "c=8 p99", m8.SojournQuantile(0.99), 5.152182*ms, digits)

	m4 = NewMGc(4, 3800, ms, 1)
	near(t, "c=4 rho=.95 C", m4.WaitProbability(), 0.891419, digits)
	near(t, "c=4 rho=.95 W", m4.MeanSojourn(), 5.457095*ms, digits)
	near(t, "c=4 rho=.95 p99", m4.SojournQuantile(0.99), 23.56687*ms, digits)
}

// Pollaczek and Khinchine: λE[S²]/(2(1−ρ)) = 0.8·(1+cv²)/(2·0.2) ms.
func TestMG1Figures(t *testing.T) {
	for _, x := range []struct{ cv2, want float64 }{{0, 2}, {1, 4}, {4, 10}} {
		q := NewMGc(1, 800, ms, x.cv2)
		near(t, fmt.Sprintf("M/G/1 Wq, cv² %g", x.cv2), q.MeanWait(), x.want*ms, 1e-12)
	}
}

// M/M/1/10 at ρ = 0.9 loses 0.9^10·0.1/(1−0.9^11); at any other ρ the balance
// equations, solved by summing ρ^i, say the same.
func TestMM1KLoss(t *testing.T) {
	near(t, "M/M/1/10 loss", MM1KLoss(10, 0.9), 0.05081373, 1e-7)
	for _, k := range []int{0, 1, 2, 10, 100} {
		for _, rho := range []float64{0, 1e-9, 0.5, 1 - 1e-6, 1 - 1e-12, 1, 1 + 1e-12, 1.5, 1e3} {
			sum := 0.0 // Σ ρ^(i−k), largest power 1 where ρ > 1
			for i := 0; i <= k; i++ {
				sum += math.Pow(rho, float64(i-k))
			}
			near(t, fmt.Sprintf("M/M/1/%d loss at %g", k, rho), MM1KLoss(k, rho), 1/sum, 1e-9)
		}
	}
	if got := MM1KLoss(3, math.Inf(1)); got != 1 {
		t.Errorf("loss at infinite load is %g, want 1", got)
	}
}

// Erlang's C by its definition, a^c/c!·1/(1−ρ) over itself plus Σ a^k/k!, and
// its limits.
func TestErlangC(t *testing.T) {
	for _, c := range []int{1, 2, 5, 20, 100} {
		for _, rho := range []float64{0, 1e-3, 0.1, 0.5, 0.9, 0.999} {
			a := rho * float64(c)
			term, sum := 1.0, 0.0
			for k := range c {
				sum += term
				term *= a / float64(k+1)
			}
			term /= 1 - rho
			near(t, fmt.Sprintf("C(%d, %g)", c, a), ErlangC(c, a), term/(sum+term), 1e-11)
		}
		if got := ErlangC(c, float64(c)); got != 1 {
			t.Errorf("C(%d, %d) = %g, want 1", c, c, got)
		}
		// dC/dρ is finite at 1, so that C is near 1 there.
		if got := ErlangC(c, float64(c)*(1-1e-12)); !(got < 1 && got > 1-1e-9) {
			t.Errorf("C(%d, just below %d) = 1 − %g", c, c, 1-got)
		}
	}
	// a^c/c! overflows from c = 1024 on; B and C do not.
	if got := ErlangC(100_000, 99_900); !(got > 0.6 && got < 0.8) { // Halfin–Whitt: 1/(1+βΦ(β)/φ(β)) = 0.67 at β = 0.316
		t.Errorf("C(100000, 99900) = %g, want about 0.67", got)
	}
}

// The tail of the sojourn is smooth where θ = μ: at ρ = 1 − 1/c for M/M/c. On
// both sides of it the values differ as their derivative says, and at it the
// tail is e^(−μt)·(1 + C·μt).
func TestEqualRates(t *testing.T) {
	for _, c := range []int{2, 4, 10} {
		at := func(rho float64) float64 {
			q := NewMGc(c, rho*float64(c)/ms, ms, 1)
			return q.SojournTail(3 * ms)
		}
		rho := 1 - 1/float64(c)
		want := math.Exp(-3) * (1 + 3*ErlangC(c, float64(c-1)))
		for _, e := range []float64{0, 1e-15, -1e-15, 1e-12, -1e-12, 1e-9, -1e-9} {
			near(t, fmt.Sprintf("c=%d, ρ off by %g", c, e), at(rho+e), want, 1e-13+100*math.Abs(e))
		}
		slope := (at(rho+1e-4) - at(rho-1e-4)) / 2e-4
		near(t, "slope", (at(rho+1e-3)-at(rho-1e-3))/2e-3, slope, 1e-3)
	}
}

// Tails and quantiles are inverse to each other, and the integral of the tail
// is the mean.
func TestTailsAgree(t *testing.T) {
	for _, c := range []int{1, 3, 16} {
		for _, rho := range []float64{0, 0.01, 0.5, 0.9, 0.999} {
			for _, cv2 := range []float64{0, 0.25, 1, 1.000001, 4, 25} {
				q := NewMGc(c, rho*float64(c), 1, cv2)
				name := fmt.Sprintf("c=%d ρ=%g cv²=%g", c, rho, cv2)
				for _, p := range []float64{0.1, 0.5, 0.99, 0.99999} {
					if x := q.SojournQuantile(p); x > q.shift {
						near(t, name+" sojourn", q.SojournTail(x), 1-p, 1e-9)
					}
					if x := q.WaitQuantile(p); x > 0 {
						near(t, name+" wait", q.WaitTail(x), 1-p, 1e-9)
					}
				}
				// From shift to infinity by t = shift + unit·u², u = s/(1−s).
				const n = 20_000
				sum, unit := 0.0, q.MeanSojourn()
				for i := range n {
					s := (float64(i) + 0.5) / n
					u := s / (1 - s)
					sum += q.SojournTail(q.shift+unit*u*u) * unit * 2 * u / (1 - s) / (1 - s) / n
				}
				near(t, name+" ∫ tail", q.shift+sum, q.MeanSojourn(), 1e-5)
			}
		}
	}
}

// What is defined of an overloaded, an idle and an impossible queue.
func TestEdges(t *testing.T) {
	inf := math.Inf(1)
	for _, rho := range []float64{1, 1.5, 1e6} {
		q := NewMGc(4, rho*4, 1, 4)
		for what, got := range map[string]float64{
			"mean wait": q.MeanWait(), "mean sojourn": q.MeanSojourn(), "wait p1": q.WaitQuantile(0.01), "sojourn p1": q.SojournQuantile(0.01),
		} {
			if got != inf {
				t.Errorf("ρ = %g: %s is %g, want +Inf", rho, what, got)
			}
		}
		if c, w, s := q.WaitProbability(), q.WaitTail(1e9), q.SojournTail(1e9); c != 1 || w != 1 || !(math.Abs(s-1) < 1e-12) {
			t.Errorf("ρ = %g: probability and tails are %g, %g, %g, want 1", rho, c, w, s)
		}
	}
	idle := NewMGc(4, 0, 1, 1)
	if w, s := idle.MeanWait(), idle.MeanSojourn(); w != 0 || s != 1 {
		t.Errorf("idle: wait %g, sojourn %g, want 0 and 1", w, s)
	}
	if got := idle.SojournQuantile(1); got != inf {
		t.Errorf("idle: sojourn p100 is %g, want +Inf", got)
	}
	if got := idle.WaitQuantile(0.99); got != 0 {
		t.Errorf("idle: wait p99 is %g, want 0", got)
	}
	nan := math.NaN()
	for _, q := range []MGc{
		NewMGc(0, 1, 1, 1), NewMGc(1, -1, 1, 1), NewMGc(1, nan, 1, 1), NewMGc(1, 1, 0, 1), NewMGc(1, 1, inf, 1),
		NewMGc(1, 1, nan, 1), NewMGc(1, 1, 1, -1), NewMGc(1, 1, 1, nan), NewMGc(1, 1, 1, inf),
	} {
		for _, got := range []float64{
			q.WaitProbability(), q.MeanWait(), q.MeanSojourn(), q.WaitTail(1), q.SojournTail(1), q.WaitQuantile(0.5), q.SojournQuantile(0.5),
		} {
			if !math.IsNaN(got) {
				t.Errorf("%+v gives %g, want NaN", q, got)
			}
		}
	}
	if q := NewMGc(1, 0.5, 1, 1); !math.IsNaN(q.SojournQuantile(1.1)) || !math.IsNaN(q.WaitQuantile(nan)) {
		t.Error("a share outside 0 to 1 has a quantile")
	}
	if !math.IsNaN(ErlangC(0, 1)) || !math.IsNaN(ErlangC(1, -1)) || !math.IsNaN(MM1KLoss(-1, 1)) || !math.IsNaN(MM1KLoss(1, nan)) {
		t.Error("an impossible queue has a figure")
	}
}
