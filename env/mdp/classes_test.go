package mdp

import (
	"math/rand/v2"
	"slices"
	"testing"

	"mend/env/seed"
)

// closedByClosure is the plain twin of ClosedClasses: a class is closed where
// all that can be reached from its states leads back to them.
func closedByClosure(next [][]int) []int {
	n := len(next)
	reach := make([][]bool, n)
	for i := range reach {
		reach[i] = make([]bool, n)
		reach[i][i] = true
		for _, j := range next[i] {
			reach[i][j] = true
		}
	}
	for k := range n {
		for i := range n {
			for j := range n {
				reach[i][j] = reach[i][j] || reach[i][k] && reach[k][j]
			}
		}
	}
	var least []int
	for i := range n {
		closed, first := true, true
		for j := range n {
			closed = closed && (!reach[i][j] || reach[j][i])
			first = first && !(j < i && reach[i][j] && reach[j][i])
		}
		if closed && first {
			least = append(least, i)
		}
	}
	return least
}

func checkClosed(t *testing.T, next [][]int) {
	t.Helper()
	got := ClosedClasses(len(next), func(s int, f func(int)) {
		for _, n := range next[s] {
			f(n)
		}
	})
	slices.Sort(got)
	if want := closedByClosure(next); !slices.Equal(got, want) {
		t.Errorf("graph %v has closed classes %v, want %v", next, got, want)
	}
}

// All 512 graphs of three states, then random ones that are sparse enough to have
// several classes, with successors named twice.
func TestClosedClasses(t *testing.T) {
	for bits := range 1 << 9 {
		next := make([][]int, 3)
		for k := range 9 {
			if bits>>k&1 == 1 {
				next[k/3] = append(next[k/3], k%3)
			}
		}
		checkClosed(t, next)
	}
	rng, _ := seed.Seed(1).Rand()
	several := 0
	for range 3000 {
		next := randomGraph(rng)
		checkClosed(t, next)
		if len(closedByClosure(next)) > 1 {
			several++
		}
	}
	if several < 1000 {
		t.Errorf("%d of 3000 random graphs have several closed classes, want 1000 for the test to mean something", several)
	}
}

func randomGraph(rng *rand.Rand) [][]int {
	n := 1 + rng.IntN(12)
	next := make([][]int, n)
	for range rng.IntN(2*n + 1) {
		s := rng.IntN(n)
		next[s] = append(next[s], rng.IntN(n))
	}
	return next
}

// A path of a million states would overflow a stack, were the search recursive.
func TestClosedClassesOfALongPath(t *testing.T) {
	const n = 1_000_000
	got := ClosedClasses(n, func(s int, f func(int)) { f(min(s+1, n-1)) })
	if !slices.Equal(got, []int{n - 1}) {
		t.Errorf("a path has closed classes %v, want its end, %d", got, n-1)
	}
	got = ClosedClasses(n, func(s int, f func(int)) { f((s + 1) % n) })
	if !slices.Equal(got, []int{0}) {
		t.Errorf("a cycle has closed classes %v, want its least state, 0", got)
	}
}
