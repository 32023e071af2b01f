package trace

import (
	"cmp"
	"slices"

	"mend/env"
)

// shift moves every time of the trace back by epoch.
func (t *Trace) shift(epoch env.Time) {
	for i := range t.Systems {
		s := &t.Systems[i]
		s.Start -= epoch
		s.End -= epoch
		for j := range s.Nodes {
			n := &s.Nodes[j]
			n.Start -= epoch
			n.End -= epoch
			for k := range n.Outages {
				n.Outages[k].Start -= epoch
				n.Outages[k].End -= epoch
			}
		}
	}
}

// spell is an outage as one record, or one pair of records, gives it.
type spell struct {
	Outage
	record int // index of the record that opens it
}

// merge sorts the spells of one node and joins those that overlap or touch:
// the node was not up in between. It calls merged with the record of each
// spell that was absorbed by an earlier one.
func merge(spells []spell, merged func(record int)) []Outage {
	slices.SortFunc(spells, func(a, b spell) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.record, b.record))
	})
	var out []Outage
	for _, s := range spells {
		if n := len(out); n > 0 && s.Start <= out[n-1].End {
			last := &out[n-1]
			last.End = max(last.End, s.End)
			last.Lost = last.Lost || s.Lost
			last.Open = last.Open || s.Open
			merged(s.record)
			continue
		}
		out = append(out, s.Outage)
	}
	return out
}
