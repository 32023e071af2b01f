package dqn

import "fmt"

// fanout is how many children a node of a sumTree has: the sums above a leaf
// are then few, and one node's children lie side by side.
const fanout = 16

// sumTree keeps non-negative weights and finds the one in which a running sum
// of them passes a given value, both in O(log n).
//
// A sum is always made anew from its children, in their order. So the tree is a
// function of its leaves: rounding does not pile up over updates, and a tree
// rebuilt from saved leaves has the same bits.
//
// Schaul et al., arXiv:1511.05952, appendix B.2.1.
type sumTree struct {
	n    int
	leaf []float32 // n weights, padded with zeros to whole nodes
	// sums[0][j] is the sum of leaves 16j to 16j+15, sums[k+1][j] that of the
	// same entries of sums[k]; the last level has one entry that counts.
	sums [][]float64
}

func newSumTree(n int) *sumTree {
	if n < 1 {
		panic(fmt.Sprintf("dqn: a sum tree of %d weights, want at least 1", n))
	}
	nodes := (n + fanout - 1) / fanout
	t := &sumTree{n: n, leaf: make([]float32, nodes*fanout)}
	for nodes > 1 {
		above := (nodes + fanout - 1) / fanout
		t.sums = append(t.sums, make([]float64, above*fanout))
		nodes = above
	}
	t.sums = append(t.sums, make([]float64, 1))
	return t
}

// total is the sum of all weights.
func (t *sumTree) total() float64 { return t.sums[len(t.sums)-1][0] }

// set changes weight i to w.
func (t *sumTree) set(i int, w float32) {
	if i < 0 || i >= t.n || !(w >= 0) || w-w != 0 {
		panic(fmt.Sprintf("dqn: weight %d of %d set to %v, want a finite number of at least 0", i, t.n, w))
	}
	if t.leaf[i] == w {
		return
	}
	t.leaf[i] = w
	i /= fanout
	t.sums[0][i] = sum(t.leaf[i*fanout:])
	for k := 1; k < len(t.sums); k++ {
		i /= fanout
		t.sums[k][i] = sum(t.sums[k-1][i*fanout:])
	}
}

// rebuild makes all sums from the leaves.
func (t *sumTree) rebuild() {
	for i := range len(t.leaf) / fanout {
		t.sums[0][i] = sum(t.leaf[i*fanout:])
	}
	for k := 1; k < len(t.sums); k++ {
		for i := range len(t.sums[k-1]) / fanout {
			t.sums[k][i] = sum(t.sums[k-1][i*fanout:])
		}
	}
}

func sum[T float32 | float64](x []T) float64 {
	x = x[:fanout]
	var a, b, c, d float64 // four chains of additions side by side
	for i := 0; i < fanout; i += 4 {
		a += float64(x[i])
		b += float64(x[i+1])
		c += float64(x[i+2])
		d += float64(x[i+3])
	}
	return (a + b) + (c + d)
}

// find returns the weight in which the running sum passes u, 0 <= u < total.
// It is never one of weight 0. A tree of zeros panics.
func (t *sumTree) find(u float64) int {
	i := 0
	for k := len(t.sums) - 2; k >= 0; k-- {
		i, u = descend(t.sums[k], i, u)
	}
	i, _ = descend(t.leaf, i, u)
	return i
}

// descend chooses among the children of node i and returns what is left of u.
// Where rounding has left u beyond all of them it takes the last above 0.
func descend[T float32 | float64](children []T, i int, u float64) (int, float64) {
	children = children[i*fanout:][:fanout]
	last := -1
	for j, w := range children {
		if w == 0 {
			continue
		}
		if u < float64(w) {
			return i*fanout + j, u
		}
		u -= float64(w)
		last = j
	}
	if last < 0 {
		panic(fmt.Sprintf("dqn: all %d weights below node %d are 0", fanout, i))
	}
	// Stay within the last child, at its upper end.
	return i*fanout + last, float64(children[last])
}
