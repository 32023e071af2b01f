package placement

import (
	"fmt"

	"mend/configs/field"
)

// The kinds of placement.
const (
	// Random puts copies on distinct nodes and ignores racks and zones.
	Random = "random"
	// Rack puts copies in distinct racks, spread over the zones evenly.
	Rack = "rack"
	// Window puts the first copy anywhere and the others among the
	// ScatterWidth nodes that follow it on a ring, as Facebook's HDFS did
	// (Cidon et al., 2013). Neighbours on the ring are in
	// different zones and racks.
	Window = "window"
	// Copyset puts all copies on one of few random sets of nodes, in distinct
	// racks spread over the zones: Copyset Replication (Cidon et al., 2013).
	Copyset = "copyset"
)

// Config says how copies are placed.
type Config struct {
	Kind string `yaml:"kind" json:"kind"` // random, rack, window or copyset
	// ScatterWidth is S, for window and copyset: the number of nodes after the
	// first copy's that may hold the others, or at most how many nodes share
	// shards with one node. Other kinds ignore it.
	ScatterWidth int `yaml:"scatter_width" json:"scatter_width"`
}

// DefaultConfig puts copies in distinct racks. Its scatter width, were it used,
// is that of Facebook's HDFS, 10 (Cidon et al., 2013).
func DefaultConfig() Config { return Config{Kind: Rack, ScatterWidth: 10} }

// Validate reports every field that is out of range, as field.Errors.
func (c Config) Validate() error {
	var e field.Errors
	known := c.Kind == Random || c.Kind == Rack || c.Kind == Window || c.Kind == Copyset
	e.Want(known, "kind", fmt.Sprintf("%q", c.Kind), "random, rack, window or copyset")
	e.Want(c.ScatterWidth >= 1 && c.ScatterWidth <= maxScatter, "scatter_width", c.ScatterWidth, fmt.Sprintf("1 to %d", maxScatter))
	return e.Err()
}

const (
	maxScatter = 10_000
	// maxCopies bounds the entries of one table.
	maxCopies = 1 << 30
)

// Topology is a regular tree: zone > rack > node. Nodes are numbered
// consecutively, so that node n is in rack n/NodesPerRack.
type Topology struct{ Zones, RacksPerZone, NodesPerRack int }

// Racks and Nodes count the whole cluster.
func (t Topology) Racks() int { return t.Zones * t.RacksPerZone }
func (t Topology) Nodes() int { return t.Racks() * t.NodesPerRack }

// Check reports, as field.Errors, why there is no layout of shards × factor
// copies on nodes that have space for capacity copies each. It costs nothing,
// so a configuration that holds a Config can ask before any world is made.
func (c Config) Check(t Topology, shards, factor, capacity int) error {
	if err := c.Validate(); err != nil {
		return err
	}
	var e field.Errors
	for _, x := range []int{t.Zones, t.RacksPerZone, t.NodesPerRack} {
		e.Want(x >= 1 && x <= 1<<20, "kind", fmt.Sprintf("%s on %+v", c.Kind, t), "counts from 1 to 2^20")
	}
	e.Want(shards >= 0 && factor >= 1 && capacity >= 0, "kind",
		fmt.Sprintf("%s of %d shards x %d copies, %d a node", c.Kind, shards, factor, capacity), "counts >= 0, at least one copy")
	if len(e) > 0 {
		return e
	}
	n := t.Nodes()
	e.Want(n <= maxCopies && shards <= maxCopies/factor, "kind",
		fmt.Sprintf("%s of %d shards x %d copies on %d nodes", c.Kind, shards, factor, n), "at most 2^30 nodes and copies")
	e.Want(factor <= n, "kind", fmt.Sprintf("%s on %d nodes", c.Kind, n), fmt.Sprintf("a node for each of %d copies", factor))
	if c.Kind == Rack {
		e.Want(t.Racks() >= factor, "kind", fmt.Sprintf("%s on %d racks", c.Kind, t.Racks()), fmt.Sprintf("a rack for each of %d copies", factor))
	}
	if c.Kind == Window {
		e.Want(c.ScatterWidth >= factor-1 && c.ScatterWidth <= (n-1)/2, "scatter_width", c.ScatterWidth,
			fmt.Sprintf("%d to %d: room for the other copies, in less than half the ring of %d nodes", factor-1, (n-1)/2, n))
	}
	if c.Kind == Copyset {
		e.Want(c.ScatterWidth < n, "scatter_width", c.ScatterWidth, fmt.Sprintf("less than the %d nodes", n))
		e.Want(c.permutations(factor) <= maxCopies/n, "scatter_width", c.ScatterWidth, "copysets with at most 2^30 nodes in all")
	}
	if len(e) > 0 {
		return e
	}
	most := c.most(n, shards, factor)
	e.Want(most <= capacity, "kind", fmt.Sprintf("%s with %d copies on the fullest node", c.Kind, most),
		fmt.Sprintf("at most the %d that a node has space for", capacity))
	return e.Err()
}

// permutations is P = ceil(S/(R−1)), how often each node is in a copyset
// (Cidon et al., 2013), which needs no more than one if R = 1.
func (c Config) permutations(factor int) int {
	if factor == 1 {
		return 1
	}
	return (c.ScatterWidth + factor - 2) / (factor - 1)
}

// copysets is the number of sets that kind copyset has: P·n/R, rounded down.
func (c Config) copysets(n, factor int) int { return c.permutations(factor) * n / factor }

// most bounds the number of copies on one node. Random and rack reach it;
// copyset stays at most one below.
func (c Config) most(n, shards, factor int) int {
	switch c.Kind {
	case Window: // each round of n shards gives every node factor copies
		return (shards + n - 1) / n * factor
	case Copyset: // each round of all sets gives every node P, or one less
		sets, p := c.copysets(n, factor), c.permutations(factor)
		rest := shards % sets
		return shards/sets*p + min(p, (rest*factor+n-1)/n)
	}
	return (shards*factor + n - 1) / n
}
