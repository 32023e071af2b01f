package trace

import (
	"cmp"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"mend/env"
)

// plainColumns are the columns of the plain form, in order.
var plainColumns = [...]string{"time", "subject", "event"}

// DefaultSystem is the system of plain subjects that name none.
const DefaultSystem = "default"

// maxSubject is the longest subject, in bytes.
const maxSubject = 256

// ReadCSV reads the plain form: UTF-8, the header time,subject,event, then one
// line an event. Open chooses it by the header; name is what messages call the
// file.
//
//	time,subject,event
//	0,a/node1,up
//	120.5,a/node2,down
//	180,a/node2,up
//	200,a/node1,lost
//
// Time is RFC 3339, or decimal seconds since the start; all records of a file
// use the kind of the first. Digits beyond the microsecond are cut off. Subject
// is system/node, or a node of the system [DefaultSystem]. Event is one of
//
//   - down: the node is unreachable from now on;
//   - lost: likewise, and its data is destroyed; also after down;
//   - up: it is back. As the first event of its node it says that the node was
//     up since the start, and so declares a node that may never fail.
//
// Events are sorted by time, those of one instant in the order of their lines.
// All nodes are observed from time 0 to the last event: time 0 is the start
// that seconds count from, or the earliest RFC 3339 time. An outage whose up is
// missing lasts to the end; one of no length gets one second.
func ReadCSV(r io.Reader, name string) (*Trace, *Report, error) {
	s := newScanner(r, name)
	if err := s.header(); err != nil {
		return nil, nil, err
	}
	return readCSV(s)
}

// plainRecord is one line. Its time is in microseconds, since 1970 in RFC 3339.
type plainRecord struct {
	at   env.Time
	node int // index into the reader's nodes
	line int
	kind event
	why  reason
}

type event uint8

const (
	eventNone event = iota
	eventDown
	eventUp
	eventLost
)

// plainReader gathers records before they become a Trace.
type plainReader struct {
	s       *scanner
	tally   tally
	records []plainRecord
	nodes   []plainNode
	byName  map[string]int // by system/node
	timed   bool           // a record has settled whether times are RFC 3339
	rfc3339 bool
}

// plainNode is a subject and, while events are replayed, its state.
type plainNode struct {
	system, name string
	named        bool // by a record that is kept
	down         bool
	open         spell // while down
	spells       []spell
	records      int // kept
}

func readCSV(s *scanner) (*Trace, *Report, error) {
	if err := plainHeader(s); err != nil {
		return nil, nil, err
	}
	p := &plainReader{s: s, byName: map[string]int{}}
	for {
		more, err := s.next()
		if err != nil {
			return nil, nil, err
		}
		if !more {
			break
		}
		if err := s.want(len(plainColumns)); err != nil {
			return nil, nil, err
		}
		if s.cut && parseEvent(s.fields[2]) == eventNone {
			return nil, nil, s.errorf(s.cols[2], "file ends within a record: event is %s, want down, up or lost", excerpt(s.fields[2]))
		}
		p.record()
	}
	if len(p.records) == 0 {
		return nil, nil, s.errNoRecords()
	}
	t := &Trace{Name: s.name, Form: FormCSV, Digest: s.digest()}
	p.build(t)
	report, err := p.tally.report(s.name, FormCSV)
	if err != nil {
		return nil, report, err
	}
	return t, report, nil
}

// plainHeader wants exactly the three columns.
func plainHeader(s *scanner) error {
	var got, lacking []string
	for _, f := range s.fields {
		got = append(got, columnName(f))
	}
	for _, want := range plainColumns {
		if !slices.Contains(got, want) {
			lacking = append(lacking, want)
		}
	}
	if len(lacking) > 0 {
		return s.errorf(1, "header lacks %s, want time,subject,event", strings.Join(lacking, ", "))
	}
	if !slices.Equal(got, plainColumns[:]) {
		return s.errorf(1, "header %s, want time,subject,event and no other column", excerpt(s.raw))
	}
	return nil
}

// record turns the current line into one entry of records.
func (p *plainReader) record() {
	r := plainRecord{line: p.s.line, kind: parseEvent(p.s.fields[2])}
	var rfc3339, ok bool
	r.at, rfc3339, ok = parseTime(string(p.s.fields[0]))
	system, node, named := parseSubject(string(p.s.fields[1]))
	switch {
	case !ok:
		r.why = dropBadTime
	case p.timed && rfc3339 != p.rfc3339:
		r.why = dropOtherTime
	case !named:
		r.why = dropBadSubject
	case r.kind == eventNone:
		r.why = dropBadEvent
	default:
		p.timed, p.rfc3339 = true, rfc3339
		key := system + "/" + node
		i, ok := p.byName[key]
		if !ok {
			i = len(p.nodes)
			p.byName[key] = i
			p.nodes = append(p.nodes, plainNode{system: system, name: node})
		}
		r.node = i
	}
	p.records = append(p.records, r)
}

// build replays the events in order of time, makes the systems of t and
// tallies records.
func (p *plainReader) build(t *Trace) {
	order := make([]int, 0, len(p.records)) // records that are not dropped yet
	latest := env.Time(math.MinInt64)
	for i := range p.records {
		r := &p.records[i]
		if !r.why.kept() {
			continue
		}
		if r.at < latest {
			r.why = fixOrder
		}
		latest = max(latest, r.at)
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p.records[a].at, p.records[b].at) })

	// The first event of each node and hence the first of all is kept.
	var start, end env.Time
	if p.rfc3339 && len(order) > 0 {
		start = p.records[order[0]].at
		t.Epoch = time.UnixMicro(int64(start)).UTC()
	}
	var firstUps []int // lines
	for _, i := range order {
		if p.replay(i, &firstUps) {
			end = p.records[i].at
		}
	}
	slices.Sort(firstUps)
	for _, line := range firstUps {
		p.tally.add(noteFirstUp, line)
	}
	p.finish(t, start, end)
	t.shift(start)
	for _, r := range p.records {
		p.tally.add(r.why, r.line)
	}
}

// replay applies one event to its node; kept is whether it made sense.
func (p *plainReader) replay(i int, firstUps *[]int) (kept bool) {
	r := &p.records[i]
	n := &p.nodes[r.node]
	switch {
	case r.kind == eventUp && n.down:
		n.open.End = r.at
		if n.open.End == n.open.Start {
			n.open.End += env.Second
			p.repair(i, fixZeroSecond)
		}
		n.spells = append(n.spells, n.open)
		n.down = false
	case r.kind == eventUp && n.named:
		r.why = dropUpTwice
		return false
	case r.kind == eventUp:
		*firstUps = append(*firstUps, r.line)
	case r.kind == eventLost && n.down && n.open.Lost:
		r.why = dropLostTwice
		return false
	case r.kind == eventLost && n.down:
		n.open.Lost = true
	case n.down:
		r.why = dropDownTwice
		return false
	default:
		n.open = spell{Outage{Start: r.at, Lost: r.kind == eventLost}, i}
		n.down = true
	}
	n.named = true
	n.records++
	return true
}

// repair marks record i, unless it counts as repaired already.
func (p *plainReader) repair(i int, why reason) {
	if p.records[i].why == asRead {
		p.records[i].why = why
	}
}

// finish closes what is still down at end and gathers nodes into systems.
func (p *plainReader) finish(t *Trace, start, end env.Time) {
	for i := range p.nodes {
		n := &p.nodes[i]
		if n.down { // at the last instant, perhaps
			end = max(end, n.open.Start+env.Second)
		}
		for _, s := range n.spells { // of no length at the last instant, perhaps
			end = max(end, s.End)
		}
	}
	for i := range p.nodes {
		if n := &p.nodes[i]; n.down {
			n.open.End, n.open.Open = end, true
			n.spells = append(n.spells, n.open)
			p.repair(n.open.record, fixOpen)
		}
	}
	slices.SortFunc(p.nodes, func(a, b plainNode) int {
		return cmp.Or(compareNames(a.system, b.system), compareNames(a.name, b.name))
	})
	for i := range p.nodes {
		n := &p.nodes[i]
		out := Node{Name: n.name, Outages: merge(n.spells, func(record int) { p.repair(record, fixOverlap) })}
		if k := len(t.Systems); k == 0 || t.Systems[k-1].Name != n.system {
			t.Systems = append(t.Systems, System{Name: n.system})
		}
		s := &t.Systems[len(t.Systems)-1]
		s.Nodes = append(s.Nodes, out)
		s.NodeCount++
		s.Records += n.records
	}
	for i := range t.Systems {
		s := &t.Systems[i]
		s.Start, s.End = start, end
		for j := range s.Nodes {
			s.Nodes[j].Start, s.Nodes[j].End = start, end
		}
	}
}

func parseEvent(b []byte) event {
	switch string(b) {
	case "down":
		return eventDown
	case "up":
		return eventUp
	case "lost":
		return eventLost
	}
	return eventNone
}

// parseSubject splits system/node at the first slash. Names are printable
// UTF-8 without spaces at their ends.
func parseSubject(s string) (system, node string, ok bool) {
	if len(s) > maxSubject || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", "", false
	}
	system, node, found := strings.Cut(s, "/")
	if !found {
		system, node = DefaultSystem, s
	}
	for _, name := range []string{system, node} {
		if name == "" || name != strings.TrimSpace(name) {
			return "", "", false
		}
	}
	return system, node, true
}

// parseTime reads RFC 3339 into microseconds since 1970, or decimal seconds
// (at most twelve digits before the point: 31,000 years) into microseconds.
func parseTime(s string) (at env.Time, rfc3339, ok bool) {
	whole, frac, point := strings.Cut(s, ".")
	if !isNumber(whole) {
		t, err := time.Parse(time.RFC3339, s)
		return env.Time(t.UnixMicro()), true, err == nil
	}
	if len(whole) > 12 || point && !isNumber(frac) {
		return 0, false, false
	}
	for _, c := range []byte(whole) {
		at = 10*at + env.Time(c-'0')
	}
	at *= env.Second
	for i, unit := 0, env.Second/10; i < len(frac) && unit > 0; i, unit = i+1, unit/10 {
		at += env.Time(frac[i]-'0') * unit
	}
	return at, false, true
}
