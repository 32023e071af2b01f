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
	heap []int32    // timer ids
	n    int32      // timers set
}

func newQueue(timers int) queue {
	q := queue{
		at:   make([]env.Time, timers),
		pos:  make([]int32, timers),
		heap: make([]int32, timers),
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
	q.pos[id], q.heap[p] = p, id
	if earlier {
		q.up(p)
	} else {
		q.down(p)
	}
}

func (q *queue) cancel(id int32) { q.set(id, env.Never) }

// pending reports whether timer id is set.
func (q *queue) pending(id int32) bool { return q.pos[id] >= 0 }

// pop takes the earliest timer. The queue must not be empty.
func (q *queue) pop() (id int32, at env.Time) {
	id = q.heap[0]
	at = q.at[id]
	q.remove(0)
	return id, at
}

func (q *queue) remove(p int32) {
	id := q.heap[p]
	q.at[id], q.pos[id] = env.Never, -1
	q.n--
	if p == q.n {
		return
	}
	last := q.heap[q.n]
	q.heap[p], q.pos[last] = last, p
	if p > 0 && q.less(last, q.heap[(p-1)/4]) {
		q.up(p)
	} else {
		q.down(p)
	}
}

func (q *queue) less(a, b int32) bool {
	return q.at[a] < q.at[b] || q.at[a] == q.at[b] && a < b
}

func (q *queue) up(p int32) {
	id := q.heap[p]
	for p > 0 {
		parent := (p - 1) / 4
		above := q.heap[parent]
		if !q.less(id, above) {
			break
		}
		q.heap[p], q.pos[above] = above, p
		p = parent
	}
	q.heap[p], q.pos[id] = id, p
}

func (q *queue) down(p int32) {
	id := q.heap[p]
	for {
		first := 4*p + 1
		if first >= q.n {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, q.n); c++ {
			if q.less(q.heap[c], q.heap[least]) {
				least = c
			}
		}
		below := q.heap[least]
		if !q.less(below, id) {
			break
		}
		q.heap[p], q.pos[below] = below, p
		p = least
	}
	q.heap[p], q.pos[id] = id, p
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
