package placement

import "math"

// Hit is the probability that a burst of b out of nodes nodes, all equally
// likely, strikes exactly k of the n nodes of one shard:
//
//	C(b,k) · C(nodes−b, n−k) / C(nodes, n)
//
// the hypergeometric law. It is 0 where that cannot be.
func Hit(nodes, b, n, k int) float64 {
	if n < 0 || n > nodes || b < 0 || b > nodes || k < 0 || k > n || k > b || n-k > nodes-b {
		return 0
	}
	// The nodes of the shard in any order, the first k of them struck.
	p := 1.0
	for i := range k {
		p *= float64(b-i) / float64(nodes-i) * float64(n-i) / float64(i+1) // C(n,k) orders
	}
	for i := range n - k {
		p *= float64(nodes-b-i) / float64(nodes-k-i)
	}
	return p
}

// SomeOf is 1 − (1−p)^n: the probability that some of n independent events
// happens, each of probability p. With p = Hit(nodes, b, R, R) and n copysets
// it is the probability that a burst loses data (Cidon et al., 2013). It
// supposes copysets as if drawn independently. Those of kind window overlap, so
// that losses come in clumps and the truth is lower: with 50 of 5000 nodes lost
// and 11 nodes in a window, 0.208 rather than 0.228.
func SomeOf(p float64, n int) float64 {
	return -math.Expm1(float64(n) * math.Log1p(-p))
}

// RackLoss is the probability that all copies are gone, m of them in each rack
// of perRack, if nodes fail with probability q and racks with probability r,
// all independently:
//
//	Π_m (r + (1−r)·q^m)
func RackLoss(q, r float64, perRack ...int) float64 {
	p := 1.0
	for _, m := range perRack {
		p *= r + (1-r)*math.Pow(q, float64(m))
	}
	return p
}
