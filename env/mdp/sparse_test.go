package mdp

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"mend/env/seed"
)

// near complains where got is further than tolerance from want, or not a number.
func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s is %.17g, want %.17g ± %g", what, got, want, tolerance)
	}
}

// random fills a slice with numbers between −1 and 1.
func random(rng *rand.Rand, n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = 2*rng.Float64() - 1
	}
	return v
}

// withProcs runs f with that many processors.
func withProcs(n int, f func()) {
	before := runtime.GOMAXPROCS(n)
	defer runtime.GOMAXPROCS(before)
	f()
}

// checkExpect compares Expect with what Each says, and its bits between numbers
// of processors.
func checkExpect(t *testing.T, rows Rows, v []float64) {
	t.Helper()
	var first []float64
	for _, procs := range []int{1, 2, 3, 8} {
		out := make([]float64, rows.Len())
		withProcs(procs, func() { rows.Expect(v, out) })
		if first == nil {
			first = out
		}
		if !slices.Equal(out, first) {
			t.Errorf("expectations on %d processors differ from those on 1", procs)
		}
	}
	bad := 0
	for r, got := range first {
		want, cost := 0.0, 0.0
		rows.Each(r, func(next int, p, c float64, _ int) {
			want += p * v[next]
			cost += p * c
		})
		if !(math.Abs(got-want) <= 1e-13) || !(math.Abs(rows.Cost(r)-cost) <= 1e-12*(1+cost)) {
			if bad++; bad < 5 {
				t.Errorf("row %d: expectation %v and cost %v, branch by branch %v and %v", r, got, rows.Cost(r), want, cost)
			}
		}
	}
}

// checkDraws compares how a row is drawn with what Each says: Stay and Move to
// the digit, Leave by chi-square.
func checkDraws(t *testing.T, rows Rows, row, state int) {
	t.Helper()
	type branch struct {
		branchKey
		p float64
	}
	var all []branch
	p, pieces := map[branchKey]float64{}, map[branchKey]int{}
	rows.Each(row, func(next int, q, cost float64, lost int) {
		k := branchKey{int32(next), cost, uint8(lost)}
		all = append(all, branch{k, q})
		p[k] += q
		pieces[k]++
	})
	at := fmt.Sprintf("row %d, state %d: ", row, state)
	still := branchKey{next: int32(state)}
	stay := rows.Stay(row, state)
	near(t, at+"Stay", stay, p[still], 1e-14)

	// Inversion: the numbers that lead to a branch are an interval for each time
	// that it is listed, in the order of the list.
	const n = 20_000
	count := map[branchKey]int{}
	for i := range n {
		next, cost, lost := rows.Move(row, (float64(i)+0.5)/n)
		count[branchKey{int32(next), cost, uint8(lost)}]++
	}
	for k, c := range count {
		if p[k] == 0 {
			t.Errorf("%sMove leads to %v, which Each does not name", at, k)
		}
		near(t, fmt.Sprintf("%sshare of Move to %v", at, k), float64(c)/n, p[k], float64(1+pieces[k])/n)
	}
	upTo := 0.0
	for _, b := range all {
		u := upTo + b.p/2
		upTo += b.p
		if b.p < 1e-12 {
			continue // rounding of u may carry it to a neighbour
		}
		next, cost, lost := rows.Move(row, u)
		if k := (branchKey{int32(next), cost, uint8(lost)}); k != b.branchKey {
			t.Errorf("%sMove of %.17g leads to %v, want %v", at, u, k, b.branchKey)
			break
		}
	}
	for _, u := range []float64{0, 1 - 1.0/(1<<53)} {
		next, cost, lost := rows.Move(row, u)
		if p[branchKey{int32(next), cost, uint8(lost)}] == 0 {
			t.Errorf("%sMove of %v leads to state %d, which Each does not name", at, u, next)
		}
	}

	clear(count)
	d := Draws{Seed: seed.Seed(row).Child("leave", uint64(state))}
	for range n {
		next, cost, lost := rows.Leave(row, state, &d)
		count[branchKey{int32(next), cost, uint8(lost)}]++
	}
	if count[still] > 0 {
		t.Errorf("%sLeave stayed %d times", at, count[still])
	}
	delete(p, still)
	checkCounts(t, at+"Leave", count, p, 1-stay, n)
}

// checkCounts compares counts of n draws with probabilities that sum to total.
// Branches of which fewer than 5 are expected are taken together. The statistic
// minus its degrees of freedom, over the root of twice those, is about normal:
// with fixed seeds and a bound of 6 it fails for no other reason than an error.
func checkCounts(t *testing.T, what string, count map[branchKey]int, p map[branchKey]float64, total float64, n int) {
	t.Helper()
	chi, bins, seen, rest, restSeen := 0.0, 0, 0, 0.0, 0
	add := func(c int, e float64) {
		chi += (float64(c) - e) * (float64(c) - e) / e
		bins++
	}
	for k, q := range p {
		seen += count[k]
		if e := float64(n) * q / total; e >= 5 {
			add(count[k], e)
		} else {
			rest += e
			restSeen += count[k]
		}
	}
	if seen != n {
		t.Errorf("%s: %d of %d draws are branches that Each names", what, seen, n)
	}
	if rest >= 5 {
		add(restSeen, rest)
	} else if restSeen > 30 {
		t.Errorf("%s: %d draws of rare branches, want about %.2g", what, restSeen, rest)
	}
	if df := float64(bins - 1); bins > 1 && (chi-df)/math.Sqrt(2*df) > 6 {
		t.Errorf("%s: chi-square %.1f with %v degrees of freedom", what, chi, df)
	}
}

// randomRows are rows in which branches come twice, charge or not, and may have
// probability 0. Row i stays in state i with most of its probability.
func randomRows(rng *rand.Rand, rows, branches int) *Sparse {
	var s Sparse
	for r := range rows {
		s.Begin()
		w := random(rng, branches)
		sum := 0.0
		for i := range w {
			w[i] = math.Abs(w[i])
			if i == branches/2 {
				w[i] = float64(2 * branches)
			}
			if i == 1 {
				w[i] = 0
			}
			sum += w[i]
		}
		for i, x := range w {
			switch {
			case i == branches/2:
				s.Branch(r, x/sum, 0, 0)
			case i%3 == 0:
				s.Branch(rng.IntN(rows), x/sum, float64(rng.IntN(2)), rng.IntN(2))
			default:
				s.Branch(rng.IntN(rows), x/sum, 0, 0)
			}
		}
		s.End()
	}
	return &s
}

func TestSparse(t *testing.T) {
	rng, _ := seed.Seed(2).Rand()
	s := randomRows(rng, 30, 12)
	checkExpect(t, s, random(rng, 30))
	for r := range s.Len() {
		checkDraws(t, s, r, r)
		checkDraws(t, s, r, (r+1)%30)
	}
}

// More branches than one processor is given.
func TestSparseInParallel(t *testing.T) {
	rng, _ := seed.Seed(3).Rand()
	s := randomRows(rng, 1000, 300)
	if want := 4 * parallelBranches; s.Branches() < want {
		t.Fatalf("%d branches, want %d for the test to mean something", s.Branches(), want)
	}
	checkExpect(t, s, random(rng, 1000))
}

// What is the same is added up in the place of the first, what costs or loses
// something else is not, and what is impossible is left out.
func TestSparseMerges(t *testing.T) {
	var s Sparse
	if n := s.Begin(); n != 0 {
		t.Errorf("first row is %d, want 0", n)
	}
	s.Branch(2, 0.125, 0, 0)
	s.Branch(1, 0, 0, 0)
	s.Branch(1, 0.25, 0, 0)
	s.Branch(2, 0.25, 0, 0)
	s.Branch(2, 0.125, 8, 0)
	s.Branch(2, 0.25, 8, 1)
	s.End()
	if n := s.Begin(); n != 1 {
		t.Errorf("second row is %d, want 1", n)
	}
	s.Branch(2, 1, 0, 0)
	s.End()
	var got []string
	s.Each(0, func(next int, p, cost float64, lost int) { got = append(got, fmt.Sprint(next, p, cost, lost)) })
	want := []string{"2 0.375 0 0", "1 0.25 0 0", "2 0.125 8 0", "2 0.25 8 1"}
	if !slices.Equal(got, want) || s.Branches() != 5 || s.Len() != 2 {
		t.Errorf("branches %q, %d of %d rows, want %q, 5 of 2", got, s.Branches(), s.Len(), want)
	}
	if c := s.Cost(0); c != 3 {
		t.Errorf("expected cost %v, want 3", c)
	}
	if a, b := s.Stay(0, 2), s.Stay(0, 0); a != 0.375 || b != 0 {
		t.Errorf("stays in 2 with %v and in 0 with %v, want 0.375 and 0", a, b)
	}
}
