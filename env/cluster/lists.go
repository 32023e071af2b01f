package cluster

import (
	"mend/env"
	"mend/env/state"
)

// lists are doubly linked lists of shards, each shard in one of them at most,
// in the order in which they came: classes at risk and queues of repairs.
type lists struct {
	first, last, length []int32 // by list
	links               []link  // by shard
}

// link is a shard's place in its list.
type link struct {
	next, prev int32
	in         int8     // its list, or −1
	since      env.Time // when it came to its list
}

// unlinked is a shard that is in no list.
var unlinked = link{next: none, prev: none, in: -1}

func newLists(n, shards int) lists {
	l := lists{
		first: make([]int32, n), last: make([]int32, n), length: make([]int32, n),
		links: make([]link, shards),
	}
	l.forget()
	return l
}

// forget empties all lists, whatever they hold.
func (l *lists) forget() {
	fill(l.links, unlinked)
	fill(l.first, none)
	fill(l.last, none)
	clear(l.length)
}

// reset empties all lists, at the cost of what they hold.
func (l *lists) reset() {
	for k := range l.first {
		for l.length[k] > 0 {
			l.remove(l.last[k])
		}
	}
}

// append puts shard s, which is in no list, at the end of list k.
func (l *lists) append(k int, s int32, now env.Time) {
	last := l.last[k]
	l.links[s] = link{next: none, prev: last, in: int8(k), since: now}
	if last == none {
		l.first[k] = s
	} else {
		l.links[last].next = s
	}
	l.last[k] = s
	l.length[k]++
}

// remove takes shard s out of its list.
func (l *lists) remove(s int32) {
	x := &l.links[s]
	k, before, after := x.in, x.prev, x.next
	if before == none {
		l.first[k] = after
	} else {
		l.links[before].next = after
	}
	if after == none {
		l.last[k] = before
	} else {
		l.links[after].prev = before
	}
	*x = unlinked
	l.length[k]--
}

func (l *lists) fields(c *state.Codec) {
	state.Fixed(c, l.first)
	state.Fixed(c, l.last)
	state.Fixed(c, l.length)
	for i := range l.links {
		x := &l.links[i]
		state.Value(c, &x.next)
		state.Value(c, &x.prev)
		state.Value(c, &x.in)
		state.Value(c, &x.since)
	}
}

// chain is a doubly linked list of nodes.
type chain struct {
	first, last int32
	next, prev  []int32 // by node; absent where it is not in the list
}

// absent marks a node that is not in a chain.
const absent = int32(-2)

func newChain(nodes int) chain {
	return chain{next: make([]int32, nodes), prev: make([]int32, nodes)}
}

func (l *chain) reset() {
	l.first, l.last = none, none
	fill(l.next, absent)
	fill(l.prev, absent)
}

func (l *chain) has(n int32) bool { return l.next[n] != absent }

// append puts node n, which is not in the chain, at its end.
func (l *chain) append(n int32) {
	l.next[n], l.prev[n] = none, l.last
	if l.last == none {
		l.first = n
	} else {
		l.next[l.last] = n
	}
	l.last = n
}

// remove takes node n out of the chain.
func (l *chain) remove(n int32) {
	before, after := l.prev[n], l.next[n]
	if before == none {
		l.first = after
	} else {
		l.next[before] = after
	}
	if after == none {
		l.last = before
	} else {
		l.prev[after] = before
	}
	l.next[n], l.prev[n] = absent, absent
}

func (l *chain) fields(c *state.Codec) {
	state.Value(c, &l.first)
	state.Value(c, &l.last)
	state.Fixed(c, l.next)
	state.Fixed(c, l.prev)
}
