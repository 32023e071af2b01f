package env

import (
	"fmt"
	"runtime"
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
		c := newCrew(x.n, x.workers, func(from, to int) {
			if from < 0 || to > x.n || from >= to {
				panic(fmt.Sprintf("items %d to %d of %d", from, to, x.n))
			}
			for i := from; i < to; i++ {
				if done[i] != job-1 {
					panic(fmt.Sprintf("item %d has been done %d times before job %d", i, done[i], job))
				}
				done[i]++
			}
		})
		c.shareAll()
		for job = 1; job <= x.jobs; job++ {
			c.do()
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
	c := newCrew(n, 2, func(from, to int) {
		for range to - from {
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(time.Millisecond)
			running.Add(-1)
		}
	})
	for range 5 { // the first one is measured only
		c.do()
		time.Sleep(2 * spinTime)
	}
	if most.Load() != 2 {
		t.Errorf("%d items at a time, want 2", most.Load())
	}
}

// A job that takes next to nothing is not.
func TestCrewStaysAlone(t *testing.T) {
	calls := 0
	c := newCrew(100, 2, func(from, to int) { calls++ })
	for range 1000 {
		c.work = 0 // the machine may be busy
		c.do()
	}
	if calls != 1000 {
		t.Errorf("%d calls in 1000 jobs, want one for each", calls)
	}
}

// Helpers end by themselves.
func TestCrewEnds(t *testing.T) {
	c := newCrew(50, 4, func(int, int) {})
	c.shareAll()
	for range 100 {
		c.do()
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
		c := newCrew(n, 2, func(from, to int) {
			for i := from; i < to; i++ {
				if i == bad && broken {
					panic("item is bad")
				}
				done.Add(1)
			}
		})
		c.shareAll()
		for range 3 {
			done.Store(0)
			func() {
				defer func() {
					got := fmt.Sprint(recover())
					if !strings.HasPrefix(got, "item is bad\n\n") || !strings.Contains(got, "TestCrewPanics") {
						t.Errorf("item %d: panics with %q, want the value and the stack", bad, got)
					}
				}()
				c.do()
			}()
			if done.Load() != n-1 { // items are claimed singly
				t.Errorf("item %d: %d others were done, want %d", bad, done.Load(), n-1)
			}
		}
		broken = false
		done.Store(0)
		if c.do(); done.Load() != n {
			t.Errorf("item %d: %d items were done after the panics, want %d", bad, done.Load(), n)
		}
	}
}
