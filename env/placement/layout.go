package placement

import (
	"mend/env/seed"
)

// Layout says where copies are. Besides Nodes it keeps, for kind copyset, the
// copysets: 8 bytes for each node of each. Nothing else grows with the shards.
type Layout struct {
	// Nodes is [shards*Factor]: the nodes of shard s are those from s*Factor
	// on, all different. Their order means nothing.
	Nodes  []int32
	Factor int

	config   Config
	topology Topology
	// sets is [sets*Factor], for kind copyset. The sets that node n is in are
	// member[first[n]:first[n+1]].
	sets, first, member []int32
}

// New places shards × factor copies on nodes that have space for capacity
// copies each. It fails where [Config.Check] does, and for no other reason. The
// layout is a function of its arguments; making it takes time proportional to
// copies and nodes.
//
// All kinds are balanced, so that the fullest node decides little:
//
//   - random and rack: the numbers of copies on any two nodes differ by at
//     most 1;
//   - window: by at most factor;
//   - copyset: by at most 1, except that up to factor−1 nodes may be in one
//     copyset less than the others if P·nodes is not a multiple of factor.
//
// Kinds rack and copyset put floor or ceil(factor/zones) copies of each shard
// into each zone, and as evenly into each zone's racks. Copies of a shard are
// therefore in different racks if there are as many, for kind window if there
// are more than ScatterWidth.
func New(c Config, t Topology, shards, factor, capacity int, s seed.Seed) (*Layout, error) {
	if err := c.Check(t, shards, factor, capacity); err != nil {
		return nil, err
	}
	l := &Layout{Nodes: make([]int32, shards*factor), Factor: factor, config: c, topology: t}
	switch c.Kind {
	case Random:
		newDealer(Topology{Zones: 1, RacksPerZone: 1, NodesPerRack: t.Nodes()}, s).fill(l.Nodes, factor)
	case Rack:
		newDealer(t, s).fill(l.Nodes, factor)
	case Window:
		l.fillWindows(s)
	case Copyset:
		l.sets = make([]int32, c.copysets(t.Nodes(), factor)*factor)
		newDealer(t, s).fill(l.sets, factor)
		l.fillSets()
	}
	return l, nil
}

// fillWindows places shards in rounds. In a round each node is once the first
// of a shard, and all shards have the same offsets from first to others. So
// each node gets Factor copies a round. Offsets are random in each round.
func (l *Layout) fillWindows(s seed.Seed) {
	n, others := l.topology.Nodes(), l.Factor-1
	offsets := make([]int32, others)
	d := newDealer(Topology{Zones: 1, RacksPerZone: 1, NodesPerRack: l.config.ScatterWidth}, s)
	for i := 0; i < len(l.Nodes); i += l.Factor {
		first := i / l.Factor % n
		if first == 0 {
			d.next(offsets)
		}
		l.Nodes[i] = l.onRing(first)
		for k, o := range offsets {
			l.Nodes[i+1+k] = l.onRing((first + 1 + int(o)) % n)
		}
	}
}

// onRing is the node at position p of the ring: neighbours are in different
// zones, then in different racks. Both counts divide the number of nodes, so
// this holds across the ring's end too.
func (l *Layout) onRing(p int) int32 {
	t := l.topology
	zone, rack, node := p%t.Zones, p/t.Zones%t.RacksPerZone, p/t.Racks()
	return int32((zone*t.RacksPerZone+rack)*t.NodesPerRack + node)
}

// position is the inverse of onRing.
func (l *Layout) position(n int32) int {
	t := l.topology
	rack, node := int(n)/t.NodesPerRack, int(n)%t.NodesPerRack
	return node*t.Racks() + rack%t.RacksPerZone*t.Zones + rack/t.RacksPerZone
}

// fillSets gives the copysets shards in turn: their order is random already,
// and each run of them has every node equally often. It also indexes the sets
// by node.
func (l *Layout) fillSets() {
	sets := len(l.sets) / l.Factor
	for i := 0; i < len(l.Nodes); i += l.Factor {
		set := i / l.Factor % sets * l.Factor
		turn := i / l.Factor / sets // so that each node comes first in its turn
		for k := range l.Factor {
			l.Nodes[i+k] = l.sets[set+(k+turn)%l.Factor]
		}
	}
	l.first = make([]int32, l.topology.Nodes()+1)
	l.member = make([]int32, len(l.sets))
	for _, n := range l.sets {
		l.first[n]++
	}
	end := int32(0)
	for n := range l.first {
		end += l.first[n]
		l.first[n] = end
	}
	for i := len(l.sets) - 1; i >= 0; i-- {
		n := l.sets[i]
		l.first[n]--
		l.member[l.first[n]] = int32(i / l.Factor)
	}
}

// Confined reports whether the layout confines a shard's copies to what
// Candidates names. Kinds random and rack do not: any node will do, for rack in
// a rack that has no other copy.
func (l *Layout) Confined() bool {
	return l.config.Kind == Window || l.config.Kind == Copyset
}

// Candidates appends to dst the nodes that may join held, which holds other
// copies of the same shard, one at least, such that no set of nodes arises that
// the layout does not allow: for kind copyset the rest of each copyset that
// includes held, a node once for every such set; for kind window each node
// within reach. It appends nothing where no set includes held, nor for kinds
// that are not Confined. It allocates only what dst lacks: 2·ScatterWidth +
// Factor are always enough.
//
// With one node held these are the node's peers. With all but one held the
// only candidate is, most often, the node that lost its copy.
func (l *Layout) Candidates(dst, held []int32) []int32 {
	switch {
	case len(held) == 0:
		return dst
	case l.config.Kind == Copyset:
		return l.setCandidates(dst, held)
	case l.config.Kind == Window:
		return l.windowCandidates(dst, held)
	}
	return dst
}

func (l *Layout) setCandidates(dst, held []int32) []int32 {
	n := held[0]
	for _, k := range l.member[l.first[n]:l.first[n+1]] {
		set := l.sets[int(k)*l.Factor : (int(k)+1)*l.Factor]
		before := len(dst)
		for _, m := range set {
			if !contains(held, m) {
				dst = append(dst, m)
			}
		}
		if len(dst)-before != l.Factor-len(held) { // held is not within the set
			dst = dst[:before]
		}
	}
	return dst
}

func (l *Layout) windowCandidates(dst, held []int32) []int32 {
	n, width := l.topology.Nodes(), l.config.ScatterWidth
	at := l.position(held[0])
	low, high := 0, 0 // of held, relative to at
	for _, m := range held {
		o := (l.position(m) - at + n) % n
		if o > n/2 {
			o -= n
		}
		low, high = min(low, o), max(high, o)
	}
	if high-low > width {
		return dst
	}
	for o := high - width; o <= low+width; o++ {
		if m := l.onRing((at + o + n) % n); !contains(held, m) {
			dst = append(dst, m)
		}
	}
	return dst
}

func contains(nodes []int32, n int32) bool {
	for _, m := range nodes {
		if m == n {
			return true
		}
	}
	return false
}
