package cluster

import (
	"mend/env"
	"mend/env/state"
)

// queue is the event queue: an indexed 4-ary heap of timers ordered by
// (at, id). Each timer has a fixed id, so that setting, moving and cancelling
// cost O(log n) and nothing is allocated after newQueue. Simultaneous events
// fire in the order of their ids, which, unlike a sequence number, no action
// of a policy can change.
type queue struct {
	at   []env.Time // by timer id; env.Never where not set
	pos  []int32    // by timer id: its place in heap, −1 where not set
	heap []timer
	n    int32 // timers set
}

// timer is a timer that is set. The heap holds times beside ids, so that
// comparing children reads memory in order.
type timer struct {
	at env.Time
	id int32
}

func (t timer) before(u timer) bool { return t.at < u.at || t.at == u.at && t.id < u.id }

func newQueue(timers int) queue {
	q := queue{
		at:   make([]env.Time, timers),
		pos:  make([]int32, timers),
		heap: make([]timer, timers),
	}
	q.clear()
	return q
}

func (q *queue) clear() {
	q.n = 0
	for i := range q.at {
		q.at[i], q.pos[i] = env.Never, -1
	}
}

// set makes timer id fire at the given time, whenever it was to fire before;
// env.Never cancels it.
func (q *queue) set(id int32, at env.Time) {
	p := q.pos[id]
	if at == env.Never {
		if p >= 0 {
			q.remove(p)
		}
		return
	}
	if p < 0 {
		p = q.n
		q.n++
	}
	earlier := at < q.at[id]
	q.at[id] = at
	if t := (timer{at, id}); earlier {
		q.up(p, t)
	} else {
		q.down(p, t)
	}
}

func (q *queue) cancel(id int32) { q.set(id, env.Never) }

// pending reports whether timer id is set.
func (q *queue) pending(id int32) bool { return q.pos[id] >= 0 }

// next is the earliest timer. The queue must not be empty.
func (q *queue) next() (id int32, at env.Time) { return q.heap[0].id, q.heap[0].at }

// pop takes the earliest timer.
func (q *queue) pop() (id int32, at env.Time) {
	id, at = q.next()
	q.remove(0)
	return id, at
}

func (q *queue) remove(p int32) {
	id := q.heap[p].id
	q.at[id], q.pos[id] = env.Never, -1
	q.n--
	if p == q.n {
		return
	}
	last := q.heap[q.n]
	if p > 0 && last.before(q.heap[(p-1)/4]) {
		q.up(p, last)
	} else {
		q.down(p, last)
	}
}

// up puts t at place p or above, down at place p or below.
func (q *queue) up(p int32, t timer) {
	for p > 0 {
		parent := (p - 1) / 4
		above := q.heap[parent]
		if !t.before(above) {
			break
		}
		q.heap[p], q.pos[above.id] = above, p
		p = parent
	}
	q.heap[p], q.pos[t.id] = t, p
}

func (q *queue) down(p int32, t timer) {
	heap := q.heap[:q.n]
	for {
		first := int(4*p + 1)
		if first >= len(heap) {
			break
		}
		least, below := first, heap[first]
		for c := first + 1; c < min(first+4, len(heap)); c++ {
			if heap[c].before(below) {
				least, below = c, heap[c]
			}
		}
		if !below.before(t) {
			break
		}
		heap[p], q.pos[below.id] = below, p
		p = int32(least)
	}
	heap[p], q.pos[t.id] = t, p
}

// fields carries the pending times; the heap is rebuilt from them, for its
// order is total.
func (q *queue) fields(c *state.Codec) {
	state.Fixed(c, q.at)
	if c.Restoring() {
		q.n = 0
		for id := range q.at {
			at := q.at[id]
			q.at[id], q.pos[id] = env.Never, -1
			if c.Err() == nil {
				q.set(int32(id), at)
			}
		}
	}
}
