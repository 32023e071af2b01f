package cluster

import (
	"mend/env"
	"mend/env/state"
)

// lists are doubly linked lists of shards, each shard in one of them at most,
// in the order in which they came: classes at risk and queues of repairs.
type lists struct {
	first, last, length []int32    // by list
	in                  []int8     // by shard: its list, or −1
	next, prev          []int32    // by shard
	since               []env.Time // by shard: when it came to its list
}

func newLists(n, shards int) lists {
	return lists{
		first: make([]int32, n), last: make([]int32, n), length: make([]int32, n),
		in: make([]int8, shards), next: make([]int32, shards), prev: make([]int32, shards),
		since: make([]env.Time, shards),
	}
}

func (l *lists) reset() {
	fill(l.first, none)
	fill(l.last, none)
	clear(l.length)
	fill(l.in, -1)
	fill(l.next, none)
	fill(l.prev, none)
	clear(l.since)
}

// append puts shard s, which is in no list, at the end of list k.
func (l *lists) append(k int, s int32, now env.Time) {
	l.in[s], l.since[s] = int8(k), now
	l.next[s], l.prev[s] = none, l.last[k]
	if l.last[k] == none {
		l.first[k] = s
	} else {
		l.next[l.last[k]] = s
	}
	l.last[k] = s
	l.length[k]++
}

// remove takes shard s out of its list.
func (l *lists) remove(s int32) {
	k := l.in[s]
	before, after := l.prev[s], l.next[s]
	if before == none {
		l.first[k] = after
	} else {
		l.next[before] = after
	}
	if after == none {
		l.last[k] = before
	} else {
		l.prev[after] = before
	}
	l.in[s], l.next[s], l.prev[s] = -1, none, none
	l.length[k]--
}

func (l *lists) fields(c *state.Codec) {
	state.Fixed(c, l.first)
	state.Fixed(c, l.last)
	state.Fixed(c, l.length)
	state.Fixed(c, l.in)
	state.Fixed(c, l.next)
	state.Fixed(c, l.prev)
	state.Fixed(c, l.since)
}
