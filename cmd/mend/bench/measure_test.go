package bench

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"
)

// wall is the clock on the wall.
func wall() time.Duration { return time.Since(start) }

var start = time.Now()

// The quantiles of four numbers by hand: h = 3·q, between the numbers around.
func TestQuantile(t *testing.T) {
	samples := []float64{40, 10, 30, 20}
	for q, want := range map[float64]float64{0: 10, 0.1: 13, 0.5: 25, 0.9: 37, 1: 40} {
		if got := Quantile(samples, q); math.Abs(got-want) > 1e-12 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if !slices.Equal(samples, []float64{40, 10, 30, 20}) {
		t.Errorf("the samples became %v", samples)
	}
	if got := Quantile([]float64{7}, 0.9); got != 7 {
		t.Errorf("quantile of 7 alone is %v", got)
	}
	got := Summarize("x", "ns", samples)
	if want := (Result{Name: "x", Value: 25, Unit: "ns", Min: 10, Max: 40, Runs: 4}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Work of 100 µs a time is repeated until a sample is long enough, and a
// sample is of one time.
func TestSeconds(t *testing.T) {
	var repetitions []int
	s := Sampler{Runs: 3, Time: 2 * time.Millisecond, Clock: wall}
	samples, err := s.Seconds(context.Background(), func(n int) error {
		repetitions = append(repetitions, n)
		time.Sleep(time.Duration(n) * 100 * time.Microsecond)
		return nil
	})
	if err != nil || len(samples) != 3 {
		t.Fatalf("%d samples, %v, want 3", len(samples), err)
	}
	for _, x := range samples {
		if x < 100e-6 { // a sleep is never shorter
			t.Errorf("a sample is %v s, want at least 100 us", x)
		}
	}
	last := repetitions[len(repetitions)-3:]
	if repetitions[0] != 1 || last[0] != last[1] || last[1] != last[2] || last[0] != repetitions[len(repetitions)-4] {
		t.Errorf("repetitions were %v, want 1 first and those found by calibration in all samples", repetitions)
	}
}

func TestSecondsEnds(t *testing.T) {
	s := Sampler{Runs: 1, Time: time.Hour, Clock: wall}
	failure := errors.New("failure")
	calls := 0
	_, err := s.Seconds(context.Background(), func(int) error {
		if calls++; calls == 2 {
			return failure
		}
		return nil
	})
	if !errors.Is(err, failure) || calls != 2 {
		t.Errorf("%v after %d calls, want the failure of the second", err, calls)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	if _, err = s.Seconds(ctx, func(int) error { cancel(failure); return nil }); !errors.Is(err, failure) {
		t.Errorf("%v, want the cause of the end", err)
	}
}

func TestMore(t *testing.T) {
	for _, c := range []struct {
		n       int
		t, want time.Duration
		next    int
	}{
		{1, 0, time.Second, 100},                                // too short to tell
		{100, time.Millisecond, 10 * time.Millisecond, 1200},    // ten times, and a fifth
		{3, 9 * time.Millisecond, 9100 * time.Microsecond, 4},   // always more
		{50, time.Nanosecond, 100 * time.Millisecond, 50 * 100}, // a hundred times at most
	} {
		if got := more(c.n, c.t, c.want); got != c.next {
			t.Errorf("%d took %v, want %v: %d next, want %d", c.n, c.t, c.want, got, c.next)
		}
	}
}

// What is refused is what allocates at every call.
func TestMallocs(t *testing.T) {
	var keep [][]byte
	if n := mallocs(func() {
		for range 1000 {
			keep = append(keep, make([]byte, 100))
		}
	}); n < 1000 || len(keep) != 1000 {
		t.Errorf("%d allocations counted, want at least 1000", n)
	}
}

// Every benchmark runs and yields what it is named after, with a value that a
// machine can have.
func TestBenchmarks(t *testing.T) {
	names := map[string]bool{}
	for _, b := range slices.Concat(Kernel(), Steps(), Act()) {
		results, err := b.Run(context.Background(), Sampler{Runs: 2, Time: time.Millisecond, Clock: wall})
		if err != nil {
			t.Errorf("%v: %v", b.Names, err)
			continue
		}
		if len(results) != len(b.Names) {
			t.Errorf("%d results of %v", len(results), b.Names)
			continue
		}
		for i, r := range results {
			if r.Name != b.Names[i] || names[r.Name] {
				t.Errorf("result %d of %v is named %s, twice: %v", i, b.Names, r.Name, names[r.Name])
			}
			names[r.Name] = true
			if !(r.Min > 0 && r.Min <= r.Value && r.Value <= r.Max) || math.IsInf(r.Max, 1) || r.Runs != 2 || r.Unit == "" {
				t.Errorf("%+v", r)
			}
		}
	}
	for _, name := range []string{"kernel/gemm/64x64x64", "learner/ppo-step/n=256,d=64,a=16", "act/batch=1"} {
		if !names[name] { // published by these names
			t.Errorf("no benchmark %s", name)
		}
	}
}
