package env

import (
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
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
// next job for spinTime, and then ends. Where other programs want the processors
// too, helpers cost more than they give. So now and then a few jobs are done
// alone and a few shared, and the others as took less. The clock decides who does
// the work, not what comes of it.
type crew struct {
	n, workers int
	grain      int                // items claimed at a time
	job        func(from, to int) // the present one

	turn          int                   // of the present job, in [0, period)
	alone, shared [trials]time.Duration // what jobs on trial took
	work          time.Duration         // the median of alone
	pays          bool                  // sharing took less
	always        bool                  // to share, in tests
	last          time.Time             // when the last job was done

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
	// leastWork is what a job must take to be shared: to share it costs about 1 µs.
	leastWork = 8 * time.Microsecond
	// muchWork is worth waking a processor for, even where the next job does not
	// come within spinTime.
	muchWork = 300 * time.Microsecond

	// Of period jobs, the first so many are done alone to see what they take.
	// Twice as many follow that are shared: helpers may come during the first
	// half, and the second half is what counts.
	trials = 8
	period = 512
)

func newCrew(n, workers int) *crew {
	c := &crew{n: n, workers: max(1, min(workers, n))}
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

// do does a job, of the kind that do always does, with helpers where they gain
// time.
func (c *crew) do(job func(from, to int)) {
	if c.workers == 1 {
		job(0, c.n)
		return
	}
	began := time.Now()
	near := began.Sub(c.last) < spinTime
	worth := c.work >= leastWork && (near || c.work >= muchWork)
	if c.always || worth && (c.pays || c.turn < 3*trials) && c.turn >= trials {
		c.share(job)
	} else {
		job(0, c.n)
	}
	c.last = time.Now()
	c.learn(c.last.Sub(began))
}

// learn takes note of what the job of this turn took.
func (c *crew) learn(took time.Duration) {
	switch t := c.turn; {
	case t < trials:
		c.alone[t] = took
		if t == trials-1 {
			c.work = median(&c.alone)
		}
	case t >= 2*trials && t < 3*trials:
		c.shared[t-2*trials] = took
		if t == 3*trials-1 {
			c.pays = median(&c.shared) < c.work
		}
	}
	c.turn = (c.turn + 1) % period
}

// median sorts x. It is not moved by the few jobs that do much more than others.
func median(x *[trials]time.Duration) time.Duration {
	slices.Sort(x[:])
	return x[trials/2]
}

// share does a job with the helpers that are here, and starts the others.
func (c *crew) share(job func(from, to int)) {
	if c.workers == 1 {
		job(0, c.n)
		return
	}
	c.job = job
	c.done.Store(0)
	for b := range c.blocks {
		first := int64(0)
		if b > 0 {
			first = c.blocks[b-1].end
		}
		c.blocks[b].next.Store(first)
	}
	c.issued.Add(1)
	for h := range c.helpers {
		if x := &c.helpers[h]; !x.here.Load() {
			x.here.Store(true)
			go x.run()
		}
	}
	c.claim(0)
	for spins := 1; c.done.Load() < int64(c.n); spins++ {
		if spins%1024 == 0 {
			runtime.Gosched() // a helper may have been preempted
			c.claim(0)        // what workers have left that panicked
		}
	}
	c.job = nil
	if s := c.broken.Swap(nil); s != nil {
		panic(*s)
	}
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
			if spins%2048 != 0 {
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

// claim claims and does items until none is left.
func (c *crew) claim(worker int) {
	items := 0
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
}
