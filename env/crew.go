package env

import (
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// crew does a job of n independent items again and again, on the caller's
// goroutine and on those of helpers, where they gain time.
//
// Each worker has a block of items of its own, of which it claims a few at a
// time, and then helps itself from the blocks of the others: an item stays with
// the same processor's caches while the work is even, and no worker waits for
// one that is long busy with a single item or has been suspended. A helper that
// never comes costs nothing, for the caller then does it all.
//
// To wake a processor that idles takes far longer than a step of many a world:
// 50 to 100 µs on a virtual machine. So a helper, once there, watches for the
// next job for spinTime, and then ends; and it is started only where that is
// likely to pay. Which is judged by the clock: it decides who does the work, not
// what comes of it.
type crew struct {
	n, workers int
	grain      int // items claimed at a time
	job        func(from, to int)

	work time.Duration // what a job takes one worker, a running mean
	last time.Time     // when the last job was done
	// leastWork and muchWork but for tests.
	least, much time.Duration

	helpers []helper
	blocks  []block
	issued  atomic.Uint64 // jobs handed to the helpers so far
	_       [56]byte
	done    atomic.Int64 // items of this job
	_       [56]byte
	broken  atomic.Pointer[string] // the first panic
}

// block is a range of items, on a line of the caches of its own.
type block struct {
	next atomic.Int64 // to be claimed
	end  int64
	_    [48]byte
}

type helper struct {
	here atomic.Bool
	run  func() // made once, so that go allocates nothing
	_    [48]byte
}

const (
	// spinTime is how long a helper without work stays, and so how much of its
	// processor's time the last job can waste.
	spinTime = 100 * time.Microsecond
	// leastWork is what a job must take for helpers to take part: sharing one out
	// costs about 1 µs.
	leastWork = 8 * time.Microsecond
	// muchWork is worth waking a processor for, whether or not the next job comes
	// within spinTime.
	muchWork = 300 * time.Microsecond
)

func newCrew(n, workers int, job func(from, to int)) *crew {
	c := &crew{n: n, workers: max(1, min(workers, n)), job: job, least: leastWork, much: muchWork}
	c.grain = 1 + n/(64*c.workers)
	c.blocks = make([]block, c.workers)
	for b := range c.blocks {
		c.blocks[b].end = int64(n * (b + 1) / c.workers)
		c.blocks[b].next.Store(c.blocks[b].end)
	}
	c.helpers = make([]helper, c.workers-1)
	for h := range c.helpers {
		c.helpers[h].run = func() { c.help(h) }
	}
	return c
}

// do does the job once.
func (c *crew) do() {
	if c.workers == 1 {
		c.job(0, c.n)
		return
	}
	began := time.Now()
	gap := began.Sub(c.last)
	mine := c.n
	if c.work < c.least {
		c.job(0, c.n)
	} else {
		mine = c.share(c.work >= c.much || gap < spinTime)
	}
	c.last = time.Now()
	if mine > 0 {
		// Of the caller's items only: what the helpers took, or its wait for
		// them, says little.
		c.work += (c.last.Sub(began)*time.Duration(c.n)/time.Duration(mine) - c.work) / 8
	}
}

// share does the job with the helpers that are here, and starts the others
// where that is wanted. It returns how many items the caller did.
func (c *crew) share(start bool) int {
	c.done.Store(0)
	for b := range c.blocks {
		first := int64(0)
		if b > 0 {
			first = c.blocks[b-1].end
		}
		c.blocks[b].next.Store(first)
	}
	c.issued.Add(1)
	if start {
		for h := range c.helpers {
			if x := &c.helpers[h]; !x.here.Load() {
				x.here.Store(true)
				go x.run()
			}
		}
	}
	mine := c.claim(0)
	for spins := 1; c.done.Load() < int64(c.n); spins++ {
		if spins%64 == 0 {
			runtime.Gosched()  // a helper may have been preempted
			mine += c.claim(0) // what workers have left that panicked
		}
	}
	if s := c.broken.Swap(nil); s != nil {
		panic(*s)
	}
	return mine
}

// help takes part in jobs until none has come for spinTime. It may come late
// for a job, and find nothing, or even find the next one instead: a claim is
// one on the job that is under way, for it ends only with its last item.
func (c *crew) help(h int) {
	x := &c.helpers[h]
	defer x.here.Store(false)
	seen := uint64(math.MaxUint64)
	for {
		waiting := time.Now()
		for spins := 1; c.issued.Load() == seen; spins++ {
			if spins%256 != 0 {
				continue
			}
			if time.Since(waiting) > spinTime {
				return
			}
			runtime.Gosched() // leave the processor to whoever can use it
		}
		seen = c.issued.Load()
		c.claim(h + 1)
	}
}

// claim claims and does items until none is left, and returns how many it did.
func (c *crew) claim(worker int) (items int) {
	defer func() {
		if r := recover(); r != nil {
			s := fmt.Sprintf("%v\n\n%s", r, debug.Stack())
			c.broken.CompareAndSwap(nil, &s)
		}
		if items > 0 {
			c.done.Add(int64(items))
		}
	}()
	grain := int64(c.grain)
	for k := range c.blocks {
		b := &c.blocks[(worker+k)%len(c.blocks)]
		for b.next.Load() < b.end { // else leave the line to its owner
			from := b.next.Add(grain) - grain
			to := min(from+grain, b.end)
			if from >= to {
				break
			}
			items += int(to - from) // also where one of them panics
			c.job(int(from), int(to))
		}
	}
	return items
}
