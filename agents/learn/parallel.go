package learn

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// parallel calls f for 0 to n−1, in any order, on the calling goroutine and,
// where there are processors for them, on others that end with it. A panic in
// one of those is the caller's. One processor, or one call, needs no goroutine.
//
// Goroutines that waited for the next calls, spinning, would save waking a
// processor, but took more than they gave wherever another process ran.
func parallel(n int, f func(int)) {
	workers := min(runtime.GOMAXPROCS(0), n)
	if workers == 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var (
		next     atomic.Int64
		wait     sync.WaitGroup
		panicked atomic.Pointer[string]
	)
	work := func() {
		defer func() {
			if r := recover(); r != nil {
				s := fmt.Sprintf("%v\n\n%s", r, debug.Stack())
				panicked.Store(&s)
			}
		}()
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			f(i)
		}
	}
	for range workers - 1 {
		wait.Go(work)
	}
	work()
	wait.Wait()
	if s := panicked.Load(); s != nil {
		panic(*s)
	}
}
