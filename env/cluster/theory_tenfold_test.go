package cluster

import (
	"math"
	"slices"
	"testing"

	rule "mend/env/internal/tenfold"
)

// How measurements are held to theory.

// figure is something measured, beside what it should be.
type figure struct {
	what            string
	got, se         float64 // with its standard error
	n               int     // measurements
	want, precision float64 // a larger se than precision·want would show nothing
}

// figure is the mean of x.
func (x sample) figure(what string, want, precision float64) figure {
	return figure{what, x.mean(), x.se(), len(x), want, precision}
}

// twin is f where want has been simulated too, with a standard error of its own.
func (f figure) twin(se float64) figure {
	f.se = math.Hypot(f.se, se)
	return f
}

// Off reports whether f is more than 4 standard errors off: a wrong rejection
// in 16,000, were the seeds not fixed.
func (f figure) Off() bool { return !(math.Abs(f.got-f.want) <= 4*f.se) }

// vague reports whether f would show nothing.
func (f figure) vague() bool { return !(f.se <= f.precision*math.Abs(f.want)) }

// check fails the test where f is off or vague.
func (f figure) check(t *testing.T) {
	t.Helper()
	t.Logf("%s: %.6g ± %.2g, want %.6g (%+.2f standard errors, half-width %.2f %%, %d samples)",
		f.what, f.got, f.se, f.want, (f.got-f.want)/f.se, 196*f.se/math.Abs(f.want), f.n)
	if f.Off() {
		t.Errorf("%s: %.6g, want %.6g within 4 standard errors of %.2g", f.what, f.got, f.want, f.se)
	}
	if f.vague() {
		t.Errorf("%s: standard error %.2g, want at most %.2g for the test to mean anything", f.what, f.se, f.precision*math.Abs(f.want))
	}
}

// tenfold checks the figures of n replicates, or of ten times as many, see
// rule.Settle.
func tenfold(t *testing.T, n int, measure func(from, to int) []figure) {
	t.Helper()
	for _, f := range rule.Settle(n, measure) {
		f.check(t)
	}
}

// TestTenfold: measurements of mean 0 and variance 1, to which errors are
// added. With 100 the standard error is 0.1, with 1000 it is 0.032.
func TestTenfold(t *testing.T) {
	for _, x := range []struct {
		what        string
		first, rest float64 // errors of the first 100 and of the others
		precision   float64
		n           int // measurements that decide
		off, vague  bool
	}{
		{"right", 0, 0, 0.11, 100, false, false},
		{"off by 3 standard errors", 0.3, 0.3, 0.11, 100, false, false},
		{"unlucky at first", 0.5, 0, 0.11, 1000, false, false},
		{"unlucky at first, by much", 1.5, 0, 0.11, 1000, true, false},
		{"wrong", 0.5, 0.5, 0.11, 1000, true, false},
		{"wrong by less than 100 would show", 0.5, 0.2, 0.11, 1000, true, false},
		{"wrong later alone", 0.5, -0.5, 0.11, 1000, true, false},
		{"right, but vague", 0, 0, 0.05, 100, false, true},
		{"wrong, and vague at first", 0.5, 0.5, 0.05, 1000, true, false},
		{"not a number", math.NaN(), 0, 0.11, 1000, true, true},
	} {
		var all, other sample
		var calls [][2]int
		got := rule.Settle(100, func(from, to int) []figure {
			calls = append(calls, [2]int{from, to})
			for r := from; r < to; r++ {
				sign := float64(1 - 2*(r%2))
				e := x.rest
				if r < 100 {
					e = x.first
				}
				all, other = append(all, 1+sign+e), append(other, 1+sign)
			}
			return []figure{other.figure("right", 1, 0.11), all.figure(x.what, 1, x.precision)}
		})
		f := got[1]
		if f.n != x.n || got[0].n != x.n || len(all) != x.n || f.Off() != x.off || f.vague() != x.vague || got[0].Off() {
			t.Errorf("%s: %+v, want %d measurements, off %t, vague %t", x.what, f, x.n, x.off, x.vague)
		}
		want := [][2]int{{0, 100}, {100, 1000}}
		if x.n == 100 {
			want = want[:1]
		}
		if !slices.Equal(calls, want) {
			t.Errorf("%s: replicates %d, want %d", x.what, calls, want)
		}
	}
	// A want that is simulated adds its own error.
	if f := (figure{got: 1.5, se: 0.06, n: 100, want: 1, precision: 0.1}).twin(0.08); !within(f.se, 0.1, 1e-12) || !f.Off() || f.vague() {
		t.Errorf("a twin: %+v", f)
	}
}
