package placement

import "mend/env/seed"

// dealer draws an endless sequence of nodes in groups: a deck of zones says
// which zone is next, its deck of racks which rack, the rack's deck of nodes
// which node. Each deck is dealt to its end before it is shuffled again, so
// that at any time its cards have been dealt equally often, give or take one.
// This holds for all nodes too: if each card of a deck was dealt c or c+1
// times, those of its m-card children were dealt floor(c/m) or
// ceil((c+1)/m) ≤ floor(c/m)+1 times.
//
// Within a group the same holds of every deck (see deal). Hence a group of R
// nodes has distinct nodes if there are R, distinct racks if there are R, and
// floor or ceil(R/Z) nodes in each of Z zones.
type dealer struct {
	seed  seed.Seed
	draws uint64  // nodes dealt so far
	group int32   // groups dealt so far
	cards []int32 // all decks' cards; a card names the deck below, or a node
	decks []deck  // zones, then racks of each zone, then nodes of each rack
}

// deck is a part of dealer.cards, dealt from the front.
type deck struct {
	first, size int32
	dealt       int32 // cards dealt since the last shuffle
	// What the current group got of this deck: held cards, and, at the end of
	// the deck, tail cards that it had before the first shuffle.
	group, held, tail int32
}

func newDealer(t Topology, s seed.Seed) *dealer {
	d := &dealer{
		seed:  s,
		cards: make([]int32, 0, t.Zones+t.Racks()+t.Nodes()),
		decks: make([]deck, 0, 1+t.Zones+t.Racks()),
	}
	add := func(size, card int) {
		d.decks = append(d.decks, deck{first: int32(len(d.cards)), size: int32(size), group: -1})
		for i := range size {
			d.cards = append(d.cards, int32(card+i))
		}
	}
	add(t.Zones, 1)
	for z := range t.Zones {
		add(t.RacksPerZone, 1+t.Zones+z*t.RacksPerZone)
	}
	for r := range t.Racks() {
		add(t.NodesPerRack, r*t.NodesPerRack)
	}
	return d
}

// fill writes groups of size nodes each to nodes.
func (d *dealer) fill(nodes []int32, size int) {
	for i := 0; i < len(nodes); i += size {
		d.next(nodes[i : i+size])
	}
}

// next writes one group to nodes.
func (d *dealer) next(nodes []int32) {
	for i := range nodes {
		zone := d.deal(0, d.seed.At(0, d.draws))
		rack := d.deal(zone, d.seed.At(1, d.draws))
		nodes[i] = d.deal(rack, d.seed.At(2, d.draws))
		d.draws++
	}
	d.group++
}

// deal takes a random card of those left in deck k. Where the current group
// has had cards since before the deck was shuffled, these, its tail, are dealt
// last.
func (d *dealer) deal(k int32, bits uint64) int32 {
	x := &d.decks[k]
	if x.group != d.group {
		x.group, x.held, x.tail = d.group, 0, 0
	}
	if x.dealt == x.size {
		x.dealt, x.tail = 0, x.held%x.size // the same each time in a group
	}
	end := x.size
	if x.dealt < x.size-x.tail {
		end -= x.tail
	}
	i := x.first + x.dealt
	j := i + int32(seed.Below(bits, int(end-x.dealt)))
	d.cards[i], d.cards[j] = d.cards[j], d.cards[i]
	x.dealt++
	x.held++
	return d.cards[i]
}
