package mdp

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Product holds the transition rows of components that move independently: four
// nodes, all by the same probabilities, a rebuild that targets one of them, and
// a load that is low or high. It implements [Rows], and is no more general than
// [MDPBRaw], whose rows it holds.
//
// A row is a state after the action, and whether the rebuild is active. With x
// the values of the nodes (9 each), t the target and l the load, the sums of
//
//	E(x, t, l) = Σ_l' P(l'|l)·Σ_x1' P(x1'|x1)·…·Σ_x4' P(x4'|x4)·v(x', t', l')
//
// are taken one after the other for all x, t and l together: the matrix of a
// node is applied once for each node (a Kronecker product). t' is the target
// where its node is still fit for one, else none. A row is then
//
//	(1−q)·E(x, t, l) + q·E(x with the replica, none, l)
//
// where q is the probability that an active rebuild completes, else 0. That
// takes about a million multiplications for all rows, which have more than ten
// million branches.
//
// Any number of goroutines may use it, Expect included.
type Product struct {
	bMoves
	space *bSpace
	rows  []productRow
	mean  []float64        // [rows], expected cost
	terms [bValues][]bMove // of the expectation over a node, in threes

	mu   sync.Mutex
	free []*sweep
}

// productRow is a row: the number of the state after the action, and where the
// expectations of its two cases are found. Without an active rebuild, done is
// none.
type productRow struct{ state, at, done int32 }

// termsAtOnce is how many terms the innermost loop adds.
const termsAtOnce = 3

func newProduct(space *bSpace, moves bMoves) *Product {
	p := &Product{bMoves: moves, space: space}
	for v, terms := range moves.node {
		terms = slices.Clone(terms)
		for len(terms)%termsAtOnce != 0 {
			terms = append(terms, bMove{bNode(v), 0})
		}
		p.terms[v] = terms
	}
	return p
}

// add makes the next row.
func (p *Product) add(s bState, active bool) int {
	r := productRow{p.space.number(s), int32(s.index()), none}
	lost := 1.0
	for _, n := range s.node {
		if n.replica() {
			lost *= p.chance[n][2*bDead]
		}
	}
	mean := 0.0
	if active {
		r.done = int32(s.completed().index())
		dies := p.chance[s.node[s.target]][2*bDead]
		lost *= float64(1-p.done) + float64(p.done*dies)
		mean = p.done * p.copy
	}
	p.rows = append(p.rows, r)
	p.mean = append(p.mean, mean+float64(lost*p.loss))
	return len(p.rows) - 1
}

// row is the state after the action, and whether the rebuild is active.
func (p *Product) row(row int) (s bState, active bool) {
	r := p.rows[row]
	return p.space.states[r.state], r.done != none
}

// Len is the number of rows.
func (p *Product) Len() int { return len(p.rows) }

// Cost is the expected cost of a row.
func (p *Product) Cost(row int) float64 { return p.mean[row] }

// Each calls f for every branch, in the order of [Product.Move]; the same next
// state at the same cost may come twice.
func (p *Product) Each(row int, f func(next int, p, cost float64, lost int)) {
	s, active := p.row(row)
	settled := p.space.settled
	p.each(s, active, func(index int, chance, cost float64, lost int) {
		f(int(settled[index]), chance, cost, lost)
	})
}

// Stay is the probability that nothing happens.
func (p *Product) Stay(row, state int) float64 {
	s, active := p.row(row)
	to := p.space.states[state]
	if !active {
		return p.moved(s, to)
	}
	stay := (1 - p.done) * p.moved(s, to)
	if p.copy == 0 {
		stay += float64(p.done * p.moved(s.completed(), to))
	}
	return stay
}

// Leave draws what happens, given that something does. In the order load, nodes,
// rebuild it draws which is the first to move, from
//
//	P(i is first) = Π_{k<i} stay_k · (1−stay_i) / (1−Π_k stay_k),
//
// then what that one does, given that it moves, and what those after it do.
func (p *Product) Leave(row, state int, d *Draws) (next int, cost float64, lost int) {
	s, active := p.row(row)
	if int(p.rows[row].state) != state {
		// Rare, and never nearly certain to stay: the action changed something.
		for {
			next, cost, lost = p.draw(s, active, none, d)
			if next != state || cost != 0 || lost != 0 {
				return next, cost, lost
			}
		}
	}
	const parts = 2 + bNodes
	var first [parts]float64
	still, sum := 1.0, 0.0
	for i := range parts {
		q := p.moving(i, s, active)
		first[i] = still * q
		still *= 1 - q
		sum += first[i]
	}
	u := d.Uniform() * sum
	mover := none
	for i, q := range first {
		if q > 0 {
			if mover = i; u < q {
				break
			}
			u -= q
		}
	}
	return p.draw(s, active, mover, d)
}

// moving is the probability that a component moves: the load, node 1, …, node 4,
// the rebuild.
func (p *Product) moving(i int, s bState, active bool) float64 {
	switch {
	case i == 0:
		return p.flip[s.load]
	case i <= bNodes:
		return 1 - p.node[s.node[i-1]][0].p
	case active:
		return p.done
	}
	return 0
}

// draw draws what the components do: all of them, or, where the first to move is
// named, that one and those after it.
func (p *Product) draw(s bState, active bool, first int, d *Draws) (next int, cost float64, lost int) {
	to := s
	if first == 0 || first < 0 && d.Uniform() >= 1-p.flip[s.load] {
		to.load ^= 1
	}
	for i := max(first, 1); i <= bNodes; i++ {
		moves := p.node[s.node[i-1]]
		u := d.Uniform()
		if i == first {
			u *= 1 - moves[0].p
			moves = moves[1:]
		}
		to.node[i-1], _ = choose(moves, u)
	}
	done := first == 1+bNodes || active && d.Uniform() >= 1-p.done
	return p.settle(to, done)
}

// Move draws what happens by inversion: of the load, then of each node, then of
// the rebuild. What is left of the number after each of them, scaled to [0, 1),
// serves for the next.
func (p *Product) Move(row int, u float64) (next int, cost float64, lost int) {
	s, active := p.row(row)
	to := s
	if stay := 1 - p.flip[s.load]; u < stay {
		u = min(u/stay, belowOne)
	} else {
		to.load ^= 1
		u = min((u-stay)/p.flip[s.load], belowOne)
	}
	for i, n := range s.node {
		to.node[i], u = choose(p.node[n], u)
	}
	return p.settle(to, active && u >= 1-p.done)
}

// choose is the move that u in [0, Σp) falls on, and where in it, scaled to
// [0, 1).
func choose(moves []bMove, u float64) (to bNode, rest float64) {
	last := len(moves) - 1
	for _, m := range moves[:last] {
		if u < m.p {
			return m.to, min(u/m.p, belowOne)
		}
		u -= m.p
	}
	return moves[last].to, min(u/moves[last].p, belowOne)
}

// belowOne is the greatest number below 1.
const belowOne = 1 - 1.0/(1<<53)

// settle is the branch where the nodes have moved to the given state, whose
// target has yet to be looked after.
func (p *Product) settle(to bState, done bool) (next int, cost float64, lost int) {
	if done {
		to, cost = to.completed(), p.copy
	}
	if to.empty() {
		cost, lost = cost+p.loss, 1
	}
	return int(p.space.settled[to.index()]), cost, lost
}

// Expect writes the expectation of every row. It allocates nothing unless more
// calls than ever before are under way.
func (p *Product) Expect(v, out []float64) {
	if len(out) != p.Len() || len(v) != len(p.space.states) {
		panic(fmt.Sprintf("mdp: expectations of %d rows over %d states, want %d and %d", len(out), len(v), p.Len(), len(p.space.states)))
	}
	x := p.sweep()
	x.v, x.out = v, out
	x.run(last2, bValues*bValues)
	x.run(first2, sweepPlane/sweepColumns)
	x.run(gather, (p.Len()+sweepRows-1)/sweepRows)
	x.v, x.out = nil, nil
	p.mu.Lock()
	p.free = append(p.free, x)
	p.mu.Unlock()
}

// The arrays of a sweep are indexed as [bState.index] is: by node 1, node 2, node
// 3, node 4, target, load.
const (
	sweepInner   = (bNodes + 1) * 2               // of one x
	sweepRow     = bValues * sweepInner           // of all x4
	sweepPlane   = bValues * sweepRow             // of all x3 and x4
	sweepColumns = sweepPlane / (bValues * 3)     // of a plane, that one work item takes
	sweepRows    = 1 << 10                        // of the result, that one takes
	sweepAll     = bValues * bValues * sweepPlane // including those that cannot be
)

// sweep is what one call of Expect needs; calls at the same time need several.
type sweep struct {
	p      *Product
	v, out []float64
	a, b   []float64

	// Work is numbered items, done by whoever comes next: each is the same
	// computation whichever processor does it.
	phase int
	items int64
	next  atomic.Int64
	wait  sync.WaitGroup
	help  func() // made once, so that starting it allocates nothing
}

// The phases of a sweep.
const (
	last2  = iota // load, nodes 4 and 3; an item is the plane of (x1, x2)
	first2        // nodes 2 and 1; an item is some columns of all planes
	gather        // an item is some rows of the result
)

func (p *Product) sweep() *sweep {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		x := p.free[n-1]
		p.free = p.free[:n-1]
		return x
	}
	x := &sweep{p: p, a: make([]float64, sweepAll), b: make([]float64, sweepAll)}
	x.help = func() {
		x.work()
		x.wait.Done()
	}
	return x
}

// run does all items of a phase, with the help of other processors.
func (x *sweep) run(phase, items int) {
	x.phase, x.items = phase, int64(items)
	x.next.Store(0)
	helpers := min(runtime.GOMAXPROCS(0), items) - 1
	x.wait.Add(helpers)
	for range helpers {
		go x.help()
	}
	x.work()
	x.wait.Wait()
}

func (x *sweep) work() {
	for {
		i := x.next.Add(1) - 1
		switch {
		case i >= x.items:
			return
		case x.phase == last2:
			x.last2(int(i) * sweepPlane)
		case x.phase == first2:
			x.first2(int(i) * sweepColumns)
		default:
			x.gather(int(i) * sweepRows)
		}
	}
}

// last2 fills a plane and takes the expectation over load, node 4 and node 3.
func (x *sweep) last2(at int) {
	p := x.p
	a, b := x.a[at:at+sweepPlane], x.b[at:at+sweepPlane]
	settled := p.space.settled[at : at+sweepPlane]
	up, down := p.flip[0], p.flip[1]
	for i := 0; i < sweepPlane; i += 2 {
		low, high := x.v[settled[i]], x.v[settled[i+1]]
		a[i] = (1-up)*low + up*high
		a[i+1] = (1-down)*high + down*low
	}
	for i := 0; i < sweepPlane; i += sweepRow {
		p.oneNode(b[i:], a[i:], sweepInner, sweepInner)
	}
	p.oneNode(a, b, sweepRow, sweepRow)
}

// first2 takes the expectation over node 2 and node 1 for some columns.
func (x *sweep) first2(at int) {
	const stride = bValues * sweepPlane
	for i := range bValues {
		from := at + i*stride
		x.p.oneNode(x.b[from:], x.a[from:], sweepPlane, sweepColumns)
	}
	for i := range bValues {
		from := at + i*sweepPlane
		x.p.oneNode(x.a[from:], x.b[from:], stride, sweepColumns)
	}
}

// oneNode takes the expectation over one node: of n numbers for each of its
// values, which are stride apart.
func (p *Product) oneNode(out, in []float64, stride, n int) {
	for i, terms := range p.terms {
		to := out[i*stride:][:n]
		for k := 0; k < len(terms); k += termsAtOnce {
			t := terms[k : k+termsAtOnce]
			pa, a := t[0].p, in[int(t[0].to)*stride:][:len(to)]
			pb, b := t[1].p, in[int(t[1].to)*stride:][:len(to)]
			pc, c := t[2].p, in[int(t[2].to)*stride:][:len(to)]
			if k == 0 {
				for j := range to {
					to[j] = pa*a[j] + pb*b[j] + pc*c[j]
				}
				continue
			}
			for j := range to {
				to[j] += pa*a[j] + pb*b[j] + pc*c[j]
			}
		}
	}
}

// gather writes some rows of the result.
func (x *sweep) gather(from int) {
	to := min(from+sweepRows, len(x.out))
	q := x.p.done
	out := x.out[from:to]
	for i, r := range x.p.rows[from:to] {
		e := x.a[r.at]
		if r.done != none {
			e = (1-q)*e + q*x.a[r.done]
		}
		out[i] = e
	}
}
