package placement

import (
	"math"
	"slices"

	"mend/env/seed"
)

// Copysets are the distinct sets of nodes that hold all copies of some shard.
type Copysets struct {
	factor int
	// Sets are sorted, and so are the nodes in each; sets whose lowest node is
	// n are those from first[n] to first[n+1].
	first  []int32 // [nodes+1]
	nodes  []int32 // [sets*factor]
	shards []int32 // [sets]: how many shards have that set
	total  int     // shards in all
}

// CopysetsOf finds the copysets of a table [shards*factor] of nodes below
// nodes, such as Layout.Nodes. It takes time proportional to shards and the
// logarithm of shards per node.
func CopysetsOf(table []int32, factor, nodes int) *Copysets {
	c := &Copysets{factor: factor, first: make([]int32, nodes+1), total: len(table) / factor}
	sorted := slices.Clone(table)
	for s := range c.total {
		set := sorted[s*factor : (s+1)*factor]
		slices.Sort(set)
		c.first[set[0]]++
	}
	end := int32(0)
	for n := range c.first {
		end += c.first[n]
		c.first[n] = end
	}
	order := make([]int32, c.total)
	for s := range c.total {
		n := sorted[s*factor]
		c.first[n]--
		order[c.first[n]] = int32(s)
	}
	set := func(s int32) []int32 { return sorted[int(s)*factor : (int(s)+1)*factor] }
	for n := range nodes {
		bucket := order[c.first[n]:c.first[n+1]]
		slices.SortFunc(bucket, func(a, b int32) int { return slices.Compare(set(a), set(b)) })
		c.first[n] = int32(len(c.shards))
		for i, s := range bucket {
			if i > 0 && slices.Equal(set(s), set(bucket[i-1])) {
				c.shards[len(c.shards)-1]++
				continue
			}
			c.nodes = append(c.nodes, set(s)...)
			c.shards = append(c.shards, 1)
		}
	}
	c.first[nodes] = int32(len(c.shards))
	return c
}

// Count is the number of distinct copysets.
func (c *Copysets) Count() int { return len(c.shards) }

// Lost counts the copysets all of whose nodes are down, and the shards on
// them. The array down is [nodes], true for those in failed and no others. It
// looks only at sets whose lowest node failed: sets·len(failed)/nodes of them
// in a burst of random nodes.
func (c *Copysets) Lost(failed []int32, down []bool) (sets, shards int) {
	for _, f := range failed {
	next:
		for k := int(c.first[f]); k < int(c.first[f+1]); k++ {
			for _, n := range c.nodes[k*c.factor+1 : (k+1)*c.factor] {
				if !down[n] {
					continue next
				}
			}
			sets++
			shards += int(c.shards[k])
		}
	}
	return sets, shards
}

// Estimate is a mean over independent samples and its standard error.
type Estimate struct{ Mean, StandardError float64 }

// moments adds up samples.
type moments struct{ n, sum, squares float64 }

func (m *moments) add(x float64) { m.n, m.sum, m.squares = m.n+1, m.sum+x, m.squares+x*x }

// estimate is times factor.
func (m *moments) estimate(factor float64) Estimate {
	mean := m.sum / m.n
	return Estimate{factor * mean, factor * math.Sqrt(max(0, m.squares/m.n-mean*mean)/(m.n-1))}
}

// burst extends failed by random nodes to want nodes, all different, and marks
// them down. Draws are those of slot i.
func burst(failed []int32, down []bool, want int, s seed.Seed, i uint64) []int32 {
	for try := uint64(0); len(failed) < want; try++ {
		if n := seed.Below(s.At(i, try), len(down)); !down[n] {
			down[n] = true
			failed = append(failed, int32(n))
		}
	}
	return failed
}

// Simulate fails b random nodes at once, bursts times over, at least twice. It
// returns the share of bursts that lose a shard, and the number of shards lost
// in a burst; of all nodes where b is larger than that.
func (c *Copysets) Simulate(b, bursts int, s seed.Seed) (loss, shards Estimate) {
	down := make([]bool, len(c.first)-1)
	b = min(b, len(down))
	failed := make([]int32, 0, b)
	var any, lost moments
	for i := range bursts {
		failed = burst(failed[:0], down, b, s, uint64(i))
		sets, n := c.Lost(failed, down)
		any.add(float64(min(sets, 1)))
		lost.add(float64(n))
		for _, f := range failed {
			down[f] = false
		}
	}
	return any.estimate(1), lost.estimate(1)
}

// LossProbability estimates the same share of bursts from samples that all
// lose a shard, so that rare losses cost no more than others. It fails one
// copyset, chosen uniformly, and b − R other nodes; where K copysets are then
// lost,
//
//	P(some copyset lost) = C · p · E[1/K]
//
// with C copysets and p = [Hit](nodes, b, R, R), because a burst that loses K
// sets arises in K ways. The relative error is that of 1/K, below 1.
//
// Karp, Luby and Madras, "Monte-Carlo approximation algorithms for enumeration
// problems", Journal of Algorithms 10 (1989).
func (c *Copysets) LossProbability(b, samples int, s seed.Seed) Estimate {
	down := make([]bool, len(c.first)-1)
	b = min(b, len(down))
	if b < c.factor || c.Count() == 0 {
		return Estimate{}
	}
	failed := make([]int32, 0, b)
	choice, others := s.Child("set", 0), s.Child("others", 0)
	var inverse moments
	for i := range samples {
		k := seed.Below(choice.At(0, uint64(i)), c.Count())
		failed = append(failed[:0], c.nodes[k*c.factor:(k+1)*c.factor]...)
		for _, n := range failed {
			down[n] = true
		}
		failed = burst(failed, down, b, others, uint64(i))
		sets, _ := c.Lost(failed, down)
		inverse.add(1 / float64(sets))
		for _, f := range failed {
			down[f] = false
		}
	}
	return inverse.estimate(float64(c.Count()) * Hit(len(down), b, c.factor, c.factor))
}
