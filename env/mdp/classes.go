package mdp

// ClosedClasses returns one state, the least, of every class of a directed graph
// that nothing leads out of: its strongly connected components without
// successors in others. successors calls its argument for every successor of a
// state, as often as it likes.
//
// Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput. 1,
// 1972, without recursion.
func ClosedClasses(states int, successors func(state int, f func(next int))) []int {
	t := tarjan{
		index: make([]int32, states), low: make([]int32, states), class: make([]int32, states), mark: make([]int32, states),
		successors: successors,
	}
	for s := range states {
		t.index[s], t.class[s], t.mark[s] = none, none, none
	}
	for root := range states {
		if t.index[root] == none {
			t.search(root)
		}
	}
	var closed []int
	for c, open := range t.open {
		if !open {
			closed = append(closed, t.least[c])
		}
	}
	return closed
}

const none = -1

type tarjan struct {
	successors func(int, func(int))

	// By state.
	index []int32 // order of discovery
	low   []int32 // least index known to be in the same class
	class []int32 // once complete
	mark  []int32 // state whose successors last had this one

	frames []frame
	next   []int32 // successors still to be looked at, of all frames
	stack  []int32 // states discovered whose class is not complete
	count  int32

	// By class.
	least []int
	open  []bool // something leads out
}

// frame is a state on the path of the search.
type frame struct {
	state int32
	at    int  // of next: where its successors begin
	open  bool // what was found of its class leads to another one
}

func (t *tarjan) enter(s int) {
	t.index[s], t.low[s] = t.count, t.count
	t.count++
	t.stack = append(t.stack, int32(s))
	t.frames = append(t.frames, frame{state: int32(s), at: len(t.next)})
	t.successors(s, func(n int) {
		if t.mark[n] != int32(s) {
			t.mark[n] = int32(s)
			t.next = append(t.next, int32(n))
		}
	})
}

func (t *tarjan) search(root int) {
	t.enter(root)
	for len(t.frames) > 0 {
		f := &t.frames[len(t.frames)-1]
		if last := len(t.next) - 1; last >= f.at {
			n := t.next[last]
			t.next = t.next[:last]
			switch {
			case t.index[n] == none:
				t.enter(int(n))
			case t.class[n] == none:
				t.low[f.state] = min(t.low[f.state], t.index[n])
			default:
				f.open = true
			}
			continue
		}
		t.leave()
	}
}

// leave goes back to the frame before, and completes a class where this one is
// the first of it that was found.
func (t *tarjan) leave() {
	f := t.frames[len(t.frames)-1]
	t.frames = t.frames[:len(t.frames)-1]
	var parent frame
	before := &parent
	if len(t.frames) > 0 {
		before = &t.frames[len(t.frames)-1]
	}
	if t.low[f.state] != t.index[f.state] {
		t.low[before.state] = min(t.low[before.state], t.low[f.state])
		before.open = before.open || f.open
		return
	}
	least, class := f.state, int32(len(t.open))
	for {
		s := t.stack[len(t.stack)-1]
		t.stack = t.stack[:len(t.stack)-1]
		t.class[s] = class
		least = min(least, s)
		if s == f.state {
			break
		}
	}
	t.least = append(t.least, int(least))
	t.open = append(t.open, f.open)
	before.open = true
}
