// Package placement decides which nodes hold the copies of which shard, and
// says how likely a layout is to lose data when nodes fail together.
//
// Start with [Config], which names a kind, and [New], which makes a [Layout].
// [Layout.Candidates] tells a repair which nodes keep to the layout;
// [CopysetsOf] counts the sets of nodes that share shards and samples bursts.
//
// # Why it matters
//
// A copyset is a set of nodes that holds all copies of some shard. If b of N
// nodes fail at once, a shard of R copies is lost with probability
//
//	p = C(b,R)/C(N,R),
//
// whatever the placement: the expected number of lost shards is shards·p. The
// placement decides in how many bursts they are lost. With C copysets that
// share few nodes, some shard is lost in a share 1 − (1−p)^C of bursts: few
// copysets lose much but seldom (Cidon et al., "Copysets: reducing the
// frequency of data loss in cloud storage", USENIX ATC 2013).
//
// # What it leaves out
//
// Nodes are alike, regions play no part, and a layout is made once: it knows
// nothing of failed nodes or of copies that moved since.
package placement
