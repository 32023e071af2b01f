package learn

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// Every call is made once and is over when parallel returns.
func TestParallelCallsOnce(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for k := range 400 {
		runtime.GOMAXPROCS(1 + k/50%4)
		n := 1 + k%7
		calls := make([]int, n)
		parallel(n, func(i int) {
			runtime.Gosched()
			calls[i]++
		})
		for i, x := range calls {
			if x != 1 {
				t.Fatalf("run %d: %d calls for %d of %d, want 1", k, x, i, n)
			}
		}
	}
}

// Calls run at once where there are processors: each of two waits for the other.
func TestParallelRunsAtOnce(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	var both sync.WaitGroup
	both.Add(2)
	parallel(2, func(int) {
		both.Done()
		both.Wait()
	})
}

// waitFor fails where something does not come about in ten seconds.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
