package env

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Every item of every job is done once, by whoever, before do returns: with more
// workers than processors and than items, with blocks of unequal length and with
// jobs short enough that helpers come late for one and meet the next.
func TestCrew(t *testing.T) {
	for _, x := range []struct{ n, workers, jobs int }{{1, 4, 100}, {5, 2, 20_000}, {7, 3, 5000}, {64, 2, 5000}, {1000, 5, 500}} {
		done := make([]int, x.n)
		job := 0
		c := newCrew(x.n, x.workers)
		do := func(from, to int) {
			if from < 0 || to > x.n || from >= to {
				panic(fmt.Sprintf("items %d to %d of %d", from, to, x.n))
			}
			for i := from; i < to; i++ {
				if done[i] != job-1 {
					panic(fmt.Sprintf("item %d has been done %d times before job %d", i, done[i], job))
				}
				done[i]++
			}
		}
		c.always = true
		for job = 1; job <= x.jobs; job++ {
			c.do(do)
			for i, d := range done {
				if d != job {
					t.Fatalf("%+v: item %d was done %d times in %d jobs", x, i, d, job)
				}
			}
		}
	}
}

// A job that takes long is shared with a helper even where jobs are far apart.
func TestCrewShares(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	const n = 8
	var running, most atomic.Int64
	c := newCrew(n, 2)
	nap := func(from, to int) {
		for range to - from {
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(100 * time.Microsecond)
			running.Add(-1)
		}
	}
	for range 3 * trials {
		c.do(nap)
		time.Sleep(2 * spinTime)
	}
	if most.Load() != 2 {
		t.Errorf("%d items at a time, want 2", most.Load())
	}
}

// A job that takes next to nothing is not, and one that helpers make longer is
// only on trial.
func TestCrewStaysAlone(t *testing.T) {
	calls := 0
	c := newCrew(100, 2)
	for range period {
		c.do(func(from, to int) { calls++ })
	}
	if calls != period {
		t.Errorf("%d calls in %d jobs, want one for each", calls, period)
	}
	for range 3 * trials { // the clock is not asked here
		c.learn(map[bool]time.Duration{true: time.Second, false: 2 * time.Second}[c.turn < trials])
	}
	if c.work != time.Second || c.pays {
		t.Errorf("a job of 1 s, 2 s if shared: takes %v, and sharing it pays: %v", c.work, c.pays)
	}
	calls = 0
	for range period - 3*trials {
		c.do(func(from, to int) { calls++ })
	}
	if calls != period-3*trials {
		t.Errorf("%d calls in %d jobs that were better not shared, want one for each", calls, period-3*trials)
	}
	for range 3 * trials {
		c.learn(map[bool]time.Duration{true: 2 * time.Second, false: time.Second}[c.turn < trials])
	}
	if !c.pays {
		t.Error("a job of 2 s, 1 s if shared, is not worth it")
	}
}

// Helpers end by themselves.
func TestCrewEnds(t *testing.T) {
	c := newCrew(50, 4)
	c.always = true
	for range 100 {
		c.do(func(int, int) {})
	}
	here := func() bool {
		for h := range c.helpers {
			if c.helpers[h].here.Load() {
				return true
			}
		}
		return false
	}
	for began := time.Now(); here(); runtime.Gosched() {
		if time.Since(began) > 10*time.Second {
			t.Fatal("helpers without work are still there")
		}
	}
}

// The panic of an item, whoever does it, is the caller's, after all others have
// been done; and the crew can go on.
func TestCrewPanics(t *testing.T) {
	const n = 40
	for bad := range n {
		var done atomic.Int64
		broken := true
		c := newCrew(n, 2)
		count := func(from, to int) {
			for i := from; i < to; i++ {
				if i == bad && broken {
					panic("item is bad")
				}
				done.Add(1)
			}
		}
		c.always = true
		for range 3 {
			done.Store(0)
			func() {
				defer func() {
					got := fmt.Sprint(recover())
					if !strings.HasPrefix(got, "item is bad\n\n") || !strings.Contains(got, "TestCrewPanics") {
						t.Errorf("item %d: panics with %q, want the value and the stack", bad, got)
					}
				}()
				c.do(count)
			}()
			if done.Load() != n-1 { // items are claimed singly
				t.Errorf("item %d: %d others were done, want %d", bad, done.Load(), n-1)
			}
		}
		broken = false
		done.Store(0)
		if c.do(count); done.Load() != n {
			t.Errorf("item %d: %d items were done after the panics, want %d", bad, done.Load(), n)
		}
	}
}

// BenchmarkCrew does jobs of 64 items with one worker and with two in turns. It
// reports what a job takes one, in µs, and how many times as long as it takes two:
// of the medians, and of the fastest tenths, which other programs on the machine
// disturb less.
func BenchmarkCrew(b *testing.B) {
	const n = 64
	var sink atomic.Uint64
	spin := func(rounds int) {
		x := 1.0
		for range rounds {
			x = 1/(x+1) + 1e-9 // about 6 ns
		}
		sink.Store(math.Float64bits(x))
	}
	for _, rounds := range []int{50, 150, 2500} {
		for _, gap := range []int{0, 5000} { // as a policy makes it
			b.Run(fmt.Sprintf("item=%d/gap=%d", rounds, gap), func(b *testing.B) {
				job := func(from, to int) {
					for range to - from {
						spin(rounds)
					}
				}
				var took [2][]float64
				crews := [2]*crew{newCrew(n, 1), newCrew(n, 2)}
				for b.Loop() {
					for i, c := range crews {
						for range 50 {
							spin(gap)
							began := time.Now()
							c.do(job)
							took[i] = append(took[i], time.Since(began).Seconds())
						}
					}
				}
				slices.Sort(took[0])
				slices.Sort(took[1])
				at := len(took[0]) / 2
				b.ReportMetric(took[0][at]*1e6, "us/job")
				b.ReportMetric(took[0][at]/took[1][at], "speedup")
				b.ReportMetric(took[0][at/5]/took[1][at/5], "speedup-p10")
			})
		}
	}
}
