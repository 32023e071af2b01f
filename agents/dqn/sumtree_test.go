package dqn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// plainFind is the twin of sumTree.find: the first weight in which the running
// sum passes u, by walking over all of them.
func plainFind(weights []float32, u float64) int {
	last := -1
	for i, w := range weights {
		if w == 0 {
			continue
		}
		if u < float64(w) {
			return i
		}
		u -= float64(w)
		last = i
	}
	return last
}

// Small integers add up exactly, so that tree and walk must agree for every u,
// on the borders between weights too. Sizes cover one node, a full one, one
// more, and three levels.
func TestSumTreeAgainstWalk(t *testing.T) {
	for _, n := range []int{1, 2, 15, 16, 17, 255, 256, 257, 5000} {
		r := rand.New(rand.NewPCG(1, uint64(n)))
		tree, twin := newSumTree(n), make([]float32, n)
		for range 40 {
			for range 1 + n/8 {
				i, w := r.IntN(n), float32(r.IntN(4))
				tree.set(i, w)
				twin[i] = w
			}
			total := 0.0
			for _, w := range twin {
				total += float64(w)
			}
			if tree.total() != total {
				t.Fatalf("%d weights: total %v, want %v", n, tree.total(), total)
			}
			for range 50 {
				u := float64(r.IntN(int(total)*2+1)) / 2
				if u >= total {
					continue
				}
				if got, want := tree.find(u), plainFind(twin, u); got != want {
					t.Fatalf("%d weights: find(%v) = %d, want %d", n, u, got, want)
				}
			}
		}
	}
}

// With weights over 60 orders of magnitude the sums round: what find returns
// still has a weight, and lies where the running sum is near u.
func TestSumTreeRounds(t *testing.T) {
	const n = 3000
	r := rand.New(rand.NewPCG(2, 2))
	tree := newSumTree(n)
	for i := range n {
		if r.IntN(3) > 0 {
			tree.set(i, float32(math.Pow(10, 60*r.Float64()-30)))
		}
	}
	total := tree.total()
	for k := range 5000 {
		u := total * (float64(k) + r.Float64()) / 5000
		if k == 0 {
			u = 0
		}
		i := tree.find(min(u, math.Nextafter(total, 0)))
		if tree.leaf[i] == 0 {
			t.Fatalf("find(%v) = %d, whose weight is 0", u, i)
		}
		before := 0.0
		for _, w := range tree.leaf[:i] {
			before += float64(w)
		}
		if slack := 1e-12 * total; u < before-slack || u > before+float64(tree.leaf[i])+slack {
			t.Fatalf("find(%v) = %d, which covers %v to %v", u, i, before, before+float64(tree.leaf[i]))
		}
	}
	if i := tree.find(2 * total); tree.leaf[i] == 0 {
		t.Errorf("beyond all weights: %d, whose weight is 0", i)
	}
}

// A rebuilt tree has the bits of the one that was updated leaf by leaf.
func TestSumTreeRebuild(t *testing.T) {
	const n = 777
	r := rand.New(rand.NewPCG(3, 3))
	tree, again := newSumTree(n), newSumTree(n)
	for range 5000 {
		tree.set(r.IntN(n), r.Float32())
	}
	copy(again.leaf, tree.leaf)
	again.rebuild()
	for k := range tree.sums {
		if !slices.Equal(tree.sums[k], again.sums[k]) {
			t.Errorf("level %d differs", k)
		}
	}
}

func TestSumTreePanics(t *testing.T) {
	tree := newSumTree(20)
	for want, f := range map[string]func(){
		"weight 20 of 20":    func() { tree.set(20, 1) },
		"set to NaN":         func() { tree.set(0, float32(math.NaN())) },
		"set to -1":          func() { tree.set(0, -1) },
		"set to +Inf":        func() { tree.set(0, float32(math.Inf(1))) },
		"a sum tree of 0":    func() { newSumTree(0) },
		"below node 0 are 0": func() { tree.find(0) },
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
					t.Errorf("panic %q, want one with %q", got, want)
				}
			}()
			f()
		}()
	}
}
