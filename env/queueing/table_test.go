package queueing

import (
	"fmt"
	"math"
	"testing"
)

func newTable(t testing.TB, c Class) *Table {
	t.Helper()
	table, err := NewTable(c)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// TestTableError states the error of interpolation against the closed forms, at
// 6 utilisations in each bucket up to Saturation: relative for latencies,
// absolute for the share of misses. The p99 of constant service has a kink
// where one request in a hundred begins to wait, which a bucket smooths.
func TestTableError(t *testing.T) {
	const mean, p50, p99, miss, constantP99 = 0, 1, 2, 3, 4
	var worst [5]float64
	for _, c := range []int{1, 2, 4, 8, 16, 32} {
		for _, cv2 := range []float64{0, 0.25, 1, 4} {
			for _, slo := range []float64{1.5, 3, 10, 50} {
				class := Class{Servers: c, ServiceSeconds: 0.004, CV2: cv2, SLOSeconds: 0.004 * slo}
				table := newTable(t, class)
				for i := 0; ; i++ {
					rho := (float64(i) + 0.5) / (6 * buckets)
					if rho > Saturation {
						break
					}
					q := NewMGc(c, rho*class.Capacity(), class.ServiceSeconds, cv2)
					l := table.At(rho)
					note := func(k int, off float64) { worst[k] = max(worst[k], math.Abs(off)) }
					note(mean, l.Mean/q.MeanSojourn()-1)
					note(p50, l.P50/q.SojournQuantile(0.5)-1)
					note(miss, l.Miss-q.SojournTail(class.SLOSeconds))
					k := p99
					if cv2 == 0 {
						k = constantP99
					}
					note(k, l.P99/q.SojournQuantile(0.99)-1)
				}
			}
		}
	}
	t.Logf("largest errors of mean, p50, p99, misses and p99 of constant service: %.4f", worst)
	for k, limit := range [5]float64{mean: 0.001, p50: 0.015, p99: 0.02, miss: 0.02, constantP99: 0.14} {
		if !(worst[k] <= limit) {
			t.Errorf("figure %d: largest error %.4f, want at most %g", k, worst[k], limit)
		}
	}
}

// At the knots the table is the closed form; latencies and misses only grow
// with load, from no load to overload.
func TestTableShape(t *testing.T) {
	for _, class := range []Class{
		{1, 0.001, 1, 0.01}, {8, 0.004, 4, 0.02}, {4, 0.01, 0, 0.015}, {32, 0.02, 0.5, 0.05},
	} {
		table := newTable(t, class)
		for i := range buckets {
			rho := float64(i) / buckets
			q := NewMGc(class.Servers, rho*class.Capacity(), class.ServiceSeconds, class.CV2)
			l := table.At(rho)
			name := fmt.Sprintf("%+v at %g: ", class, rho)
			near(t, name+"mean", l.Mean, q.MeanSojourn(), 1e-12)
			near(t, name+"p50", l.P50, q.SojournQuantile(0.5), 1e-12)
			near(t, name+"p99", l.P99, q.SojournQuantile(0.99), 1e-12)
			near(t, name+"misses", l.Miss, max(q.SojournTail(class.SLOSeconds), float64(min(i, 1))*unlikely), 1e-12)
		}
		last := table.At(0)
		for i := 1; i <= 3000; i++ {
			l := table.At(float64(i) / 2000)
			const rounding = 1 - 1e-12
			if l.Mean < last.Mean*rounding || l.P50 < last.P50*rounding || l.P99 < last.P99*rounding || l.Miss < last.Miss*rounding || l.Served > last.Served {
				t.Fatalf("%+v: %+v at %g after %+v", class, l, float64(i)/2000, last)
			}
			if l.Miss > 1 || l.Served > 1 || l.P50 > l.P99 {
				t.Fatalf("%+v: %+v at %g", class, l, float64(i)/2000)
			}
			last = l
		}
	}
}

// In overload what exceeds capacity fails, and what is served is late.
func TestTableOverload(t *testing.T) {
	table := newTable(t, Class{Servers: 4, ServiceSeconds: 0.004, CV2: 1, SLOSeconds: 0.05})
	most := table.At(Saturation)
	for _, rho := range []float64{1, 1.25, 4, math.Inf(1)} {
		l := table.At(rho)
		want := Latency{most.Mean, most.P50, most.P99, 1, 1 / rho}
		if l != want {
			t.Errorf("%+v at %g, want %+v", l, rho, want)
		}
	}
	for _, rho := range []float64{-1, math.NaN(), math.Inf(-1)} {
		if got, want := table.At(rho), table.At(0); got != want {
			t.Errorf("%+v at %g, want %+v as at 0", got, rho, want)
		}
	}
}

func TestTableInvalid(t *testing.T) {
	_, err := NewTable(Class{0, math.NaN(), -1, math.Inf(1)})
	const want = "servers is 0, want 1 to 1024; service_seconds is NaN, want 1e-9 to 1e6; " +
		"cv2 is -1, want 0 to 100; slo_seconds is +Inf, want 1e-9 to 1e9"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestTableDoesNotAllocate(t *testing.T) {
	table := newTable(t, Class{8, 0.004, 1, 0.05})
	rho := 0.0
	if n := testing.AllocsPerRun(100, func() { rho += table.At(rho).Served / 64 }); n != 0 {
		t.Errorf("%g allocations a lookup", n)
	}
}

func BenchmarkTable(b *testing.B) {
	table := newTable(b, Class{8, 0.004, 1, 0.05})
	rho, sum := 0.0, 0.0
	b.ReportAllocs()
	for b.Loop() {
		if rho += 0.0037; rho > 1.1 {
			rho -= 1.1
		}
		sum += table.At(rho).Miss
	}
	if sum == 0 {
		b.Error("no misses")
	}
}

func BenchmarkNewTable(b *testing.B) {
	for b.Loop() {
		newTable(b, Class{8, 0.004, 4, 0.05})
	}
}
