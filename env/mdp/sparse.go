package mdp

import (
	"fmt"
	"runtime"
	"sort"
	"sync"
)

// Sparse holds transition rows branch by branch. It implements [Rows].
type Sparse struct {
	first []int32 // [rows+1]
	next  []int32 // [branches]
	p     []float64
	upTo  []float64 // [branches], Σ p of the row up to and including this branch
	cost  []float64
	lost  []uint8
	mean  []float64 // [rows], expected cost

	open map[branchKey]int32 // of the row being made
}

// branchKey is what makes two branches of a row the same.
type branchKey struct {
	next int32
	cost float64
	lost uint8
}

// Begin starts the next row and returns its number.
func (s *Sparse) Begin() int {
	if len(s.first) == 0 {
		s.first = append(s.first, 0)
	}
	s.open = map[branchKey]int32{}
	return len(s.mean)
}

// Branch adds to the row begun that with probability p the next state is next,
// at a cost in $, lost shards among it. Branches that are the same are added
// up, in the place of the first; those of probability 0 are left out.
//
// The order of the branches is that of [Sparse.Move]: put what does not depend
// on the state or the action outermost.
func (s *Sparse) Branch(next int, p, cost float64, lost int) {
	if p == 0 {
		return
	}
	if lost < 0 || lost > 255 {
		panic(fmt.Sprintf("mdp: %d shards lost at once, want 0 to 255", lost))
	}
	k := branchKey{int32(next), cost, uint8(lost)}
	i, ok := s.open[k]
	if !ok {
		i = int32(len(s.next))
		s.open[k] = i
		s.next, s.p, s.cost, s.lost = append(s.next, k.next), append(s.p, 0), append(s.cost, cost), append(s.lost, k.lost)
	}
	s.p[i] += p
}

// End completes the row begun.
func (s *Sparse) End() {
	from := s.first[len(s.first)-1]
	sum, mean := 0.0, 0.0
	for i := from; i < int32(len(s.next)); i++ {
		sum += s.p[i]
		mean += float64(s.p[i] * s.cost[i])
		s.upTo = append(s.upTo, sum)
	}
	s.first = append(s.first, int32(len(s.next)))
	s.mean = append(s.mean, mean)
	s.open = nil
}

// Len is the number of rows.
func (s *Sparse) Len() int { return len(s.mean) }

// Branches is the number of branches of all rows.
func (s *Sparse) Branches() int { return len(s.next) }

// Cost is the expected cost of a row.
func (s *Sparse) Cost(row int) float64 { return s.mean[row] }

// parallelBranches is how many branches make work for another processor:
// starting one costs as much as some thousand.
const parallelBranches = 1 << 16

// Expect writes Σ p·v(next) of every row.
//
// A fair share of the branches goes to each worker; a row is summed by one.
func (s *Sparse) Expect(v, out []float64) {
	if len(out) != s.Len() {
		panic(fmt.Sprintf("mdp: expectations of %d rows, want %d", len(out), s.Len()))
	}
	workers := min(runtime.GOMAXPROCS(0), 1+len(s.next)/parallelBranches)
	if workers == 1 {
		s.expect(v, out, 0, s.Len())
		return
	}
	var wait sync.WaitGroup
	from := 0
	for w := range workers {
		// Rows up to which there is a fair share of the branches.
		share := int32(int64(len(s.next)) * int64(w+1) / int64(workers))
		to := from + sort.Search(s.Len()-from, func(i int) bool { return s.first[from+i] >= share })
		if w == workers-1 {
			to = s.Len()
		}
		a := from
		wait.Go(func() { s.expect(v, out, a, to) })
		from = to
	}
	wait.Wait()
}

func (s *Sparse) expect(v, out []float64, from, to int) {
	for r := from; r < to; r++ {
		a, b := s.first[r], s.first[r+1]
		p, next := s.p[a:b], s.next[a:b]
		sum := 0.0
		for i, q := range p {
			sum += q * v[next[i]]
		}
		out[r] = sum
	}
}

// Each calls f for every branch.
func (s *Sparse) Each(row int, f func(next int, p, cost float64, lost int)) {
	for i := s.first[row]; i < s.first[row+1]; i++ {
		f(int(s.next[i]), s.p[i], s.cost[i], int(s.lost[i]))
	}
}

// stay is the branch to the given state that charges nothing, −1 where there is
// none.
func (s *Sparse) stay(row, state int) int {
	for i := s.first[row]; i < s.first[row+1]; i++ {
		if int(s.next[i]) == state && s.cost[i] == 0 && s.lost[i] == 0 {
			return int(i)
		}
	}
	return -1
}

// Stay is the probability that nothing happens.
func (s *Sparse) Stay(row, state int) float64 {
	if i := s.stay(row, state); i >= 0 {
		return s.p[i]
	}
	return 0
}

// Leave draws what happens, given that something does.
func (s *Sparse) Leave(row, state int, d *Draws) (next int, cost float64, lost int) {
	i := s.stay(row, state)
	u := d.Uniform() * s.upTo[s.first[row+1]-1]
	if i >= 0 {
		before := s.upTo[i] - s.p[i]
		if u *= 1 - s.p[i]; u >= before {
			u += s.p[i]
		}
	}
	j := s.find(row, u)
	if j == i { // rounding: the next branch, if there is one
		if j++; j == int(s.first[row+1]) {
			j = max(int(s.first[row]), j-2)
		}
	}
	return int(s.next[j]), s.cost[j], int(s.lost[j])
}

// Move draws what happens by inversion.
func (s *Sparse) Move(row int, u float64) (next int, cost float64, lost int) {
	j := s.find(row, u*s.upTo[s.first[row+1]-1])
	return int(s.next[j]), s.cost[j], int(s.lost[j])
}

// find is the first branch whose upTo exceeds u.
func (s *Sparse) find(row int, u float64) int {
	a, b := int(s.first[row]), int(s.first[row+1])
	for a < b {
		if h := int(uint(a+b) >> 1); s.upTo[h] > u {
			b = h
		} else {
			a = h + 1
		}
	}
	return min(a, int(s.first[row+1])-1)
}
