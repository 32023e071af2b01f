package trace

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"mend/env"
)

// The columns of the LANL failure file that are read. Others (processors,
// memory, purpose) are ignored.
const (
	colSystem = iota
	colMachine
	colNodes
	colNode
	colNodeZ
	colInstall
	colProd
	colDecom
	colStart
	colFix
	colDownTime
	colFacilities // the first of six causes
	colHardware
	colHuman
	colNetwork
	colUndetermined
	colSoftware
	colSame

	numColumns
)

// lanlColumns are their names as the file writes them; case does not matter.
// After the two times it adds " (mm/dd/yy hh:mm)".
var lanlColumns = [numColumns]string{
	"System", "machine type", "nodes", "nodenum", "nodenumz", "node install", "node prod", "node decom",
	"Prob Started", "Prob Fixed", "Down Time",
	"Facilities", "Hardware", "Human Error", "Network", "Undetermined", "Software", "Same Event",
}

// columnCause is the cause that each of the six columns stands for.
var columnCause = [...]Cause{Facilities, Hardware, Human, Network, Undetermined, Software}

// storageMedia are the values of column Hardware that name a medium on which a
// node keeps data. An outage of such a cause is taken to destroy the node's
// data. That is our reading: the source does not say whether data survived.
// Controllers, cables, cabinets, cages, shelves and the solid-state memory of
// the vector machines ("SSD Memory Module", a cache) are left out.
var storageMedia = []string{"disk drive", "scsi drive", "fibre drive", "san disk drive"}

const (
	// maxNodes bounds the count in column nodes. LANL's largest system has 1024.
	maxNodes = 1_000_000
	// maxOutage bounds a plausible outage. LANL's longest is below half a year.
	maxOutage = 3652 * env.Day
)

// ReadLANL reads the LANL failure file (USENIX CFDR; latin-1, 26 columns,
// header "System,machine type,nodes,..."), as it is. Open chooses it by the
// header; name is what messages call the file.
//
// What it makes of a record:
//
//   - The node is nodenum, else nodenumz, else 0 where column nodes is 1.
//   - The outage lasts from Prob Started to Prob Fixed. Where the fix is
//     missing, unreadable, before the start or equal to it, it lasts for Down
//     Time (minutes) instead. What is then still empty gets one minute, the
//     resolution of the clock.
//   - Years have four digits, or two from 1969 to 2068.
//   - Outages of one node that overlap or touch are merged; the cause is that
//     of the earliest. Identical lines count once.
//   - [Outage.Lost] is our reading of the column Hardware: the node's data is
//     taken as destroyed where it names a storage medium (Disk Drive, SCSI
//     Drive, Fibre Drive, SAN Disk Drive). The source does not say.
//
// What it makes of systems:
//
//   - NodeCount is the greater of column nodes and the number of nodes seen, so
//     nodes that never failed count.
//   - A node is observed from the first day of the month in node prod (else
//     node install) to the last day of the month in node decom, or to the last
//     time in the file where that is earlier or node decom is "current". Both
//     Mon-yy and the spreadsheet's damaged yy-Mon are read ("2-Mar" is March
//     2002). Where no date can be read ("before tracking") the first or last
//     time of the system stands in. Outages outside widen these bounds.
//   - Nodes that never failed are taken to be there for as long as any node of
//     their system. That is too long for a system that grew late (system 12).
func ReadLANL(r io.Reader, name string) (*Trace, *Report, error) {
	s := newScanner(r, name)
	if err := s.header(); err != nil {
		return nil, nil, err
	}
	return readLANL(s)
}

// lanlHeader finds the columns in the header's fields; lacking holds the
// quoted names of those that are not there.
func lanlHeader(fields [][]byte) (at [numColumns]int, lacking []string) {
	for c, want := range lanlColumns {
		at[c] = slices.IndexFunc(fields, func(f []byte) bool {
			got, want := columnName(f), strings.ToLower(want)
			return got == want || (c == colStart || c == colFix) && strings.HasPrefix(got, want+" (")
		})
		if at[c] < 0 {
			lacking = append(lacking, strconv.Quote(want))
		}
	}
	return at, lacking
}

// lanlRecord is one line. Times are microseconds since 1970.
type lanlRecord struct {
	start, end env.Time
	system     int
	node       int // index into the system's nodes
	line       int
	cause      Cause
	lost       bool
	why        reason
}

// lanlReader gathers records before they become a Trace.
type lanlReader struct {
	s       *scanner
	at      [numColumns]int
	tally   tally
	records []lanlRecord
	systems []lanlSystem
	byName  map[string]int
	seen    map[[sha256.Size]byte]bool // lines
	last    env.Time                   // the latest time of a record that is kept
}

type lanlSystem struct {
	System
	first, last env.Time // of its records that are kept
	nodes       []lanlNode
	byNumber    map[int]int
}

// lanlNode holds the dates of a node; a zero hasFrom or hasTo means none.
type lanlNode struct {
	number         int
	from, to       env.Time
	hasFrom, hasTo bool
	current        bool // still in use when the file ends
	spells         []spell
}

func readLANL(s *scanner) (*Trace, *Report, error) {
	at, lacking := lanlHeader(s.fields)
	if len(lacking) > 0 {
		return nil, nil, s.errorf(1, "header lacks %s, want all columns of the LANL failure file", strings.Join(lacking, ", "))
	}
	l := &lanlReader{s: s, at: at, byName: map[string]int{}, seen: map[[sha256.Size]byte]bool{}}
	width := len(s.fields)
	for {
		more, err := s.next()
		if err != nil {
			return nil, nil, err
		}
		if !more {
			break
		}
		if err := s.want(width); err != nil {
			return nil, nil, err
		}
		if same := strings.ToLower(l.text(colSame)); s.cut && same != "no" && same != "yes" {
			return nil, nil, s.errorf(s.cols[at[colSame]], "file ends within a record: Same Event is %s, want No or Yes and a newline",
				excerpt(l.field(colSame)))
		}
		l.record()
	}
	if len(l.records) == 0 {
		return nil, nil, s.errNoRecords()
	}
	t := &Trace{Name: s.name, Form: FormLANL, Digest: s.digest()}
	l.build(t)
	report, err := l.tally.report(s.name, FormLANL)
	if err != nil {
		return nil, report, err
	}
	return t, report, nil
}

// field returns the bytes of a column in the current line.
func (l *lanlReader) field(column int) []byte { return bytes.TrimSpace(l.s.fields[l.at[column]]) }

// text decodes a column from latin-1, where every byte is the rune of its value.
func (l *lanlReader) text(column int) string {
	var b strings.Builder
	for _, c := range l.field(column) {
		b.WriteRune(rune(c))
	}
	return b.String()
}

// record turns the current line into one entry of records, dropped or not.
func (l *lanlReader) record() {
	r := lanlRecord{line: l.s.line}
	number, why := l.node()
	r.why = why
	if why.kept() {
		l.interval(&r)
	}
	if r.why.kept() {
		if sum := sha256.Sum256(l.s.raw); l.seen[sum] {
			r.why = dropDuplicate
		} else {
			l.seen[sum] = true
		}
	}
	if r.why.kept() {
		l.last = max(l.last, r.end)
		l.noteDownTime(&r)
		l.cause(&r)
		l.place(&r, number)
	}
	l.records = append(l.records, r)
}

// node finds the number of the record's node, and why it had to look further.
func (l *lanlReader) node() (number int, why reason) {
	if len(l.field(colSystem)) == 0 {
		return 0, dropNoSystem
	}
	if n, ok := parseCount(l.field(colNode)); ok {
		return n, asRead
	}
	if n, ok := parseCount(l.field(colNodeZ)); ok {
		return n, fixNodeZ
	}
	if n, ok := parseCount(l.field(colNodes)); ok && n == 1 {
		return 0, fixSoleNode
	}
	return 0, dropNoNode
}

// interval fills in when the outage was, or why there is none.
func (l *lanlReader) interval(r *lanlRecord) {
	start, ok := parseClock(l.field(colStart))
	switch {
	case len(l.field(colStart)) == 0:
		r.why = dropNoStart
		return
	case !ok:
		r.why = dropBadStart
		return
	}
	fix, hasFix := parseClock(l.field(colFix))
	minutes, hasMinutes := parseCount(l.field(colDownTime))
	how := asRead
	switch {
	case !hasFix && !hasMinutes:
		how = dropNoFix
	case !hasFix:
		how = fixFromDownTime
	case fix < start && !(hasMinutes && minutes > 0):
		how = dropNegative
	case fix < start:
		how = fixNegative
	case fix == start && hasMinutes && minutes > 0:
		how = fixZeroDownTime
	case fix == start:
		how = fixZeroMinute
	}
	switch {
	case !how.kept():
		r.why = how
		return
	case r.why == asRead:
		r.why = how
	}
	if how == fixFromDownTime || how == fixNegative || how == fixZeroDownTime {
		fix = start + env.Time(minutes)*env.Minute
	}
	if fix == start {
		fix = start + env.Minute
	}
	if fix-start > maxOutage {
		r.why = dropLong
	}
	r.start, r.end = start, fix
}

// noteDownTime compares Down Time with start and fix, where both are used.
func (l *lanlReader) noteDownTime(r *lanlRecord) {
	fix, ok := parseClock(l.field(colFix))
	if !ok || fix <= r.start {
		return
	}
	minutes, ok := parseCount(l.field(colDownTime))
	off := env.Time(minutes)*env.Minute - (fix - r.start)
	switch {
	case !ok:
		l.tally.add(noteNoDownTime, r.line)
	case off == 0:
	case off == env.Minute || off == -env.Minute:
		l.tally.add(noteMinute, r.line)
	case off == env.Hour || off == -env.Hour:
		l.tally.add(noteHour, r.line)
	default:
		l.tally.add(noteDownTime, r.line)
	}
}

// cause reads the six columns of causes.
func (l *lanlReader) cause(r *lanlRecord) {
	found := 0
	for i, c := range columnCause {
		if len(l.field(colFacilities+i)) == 0 {
			continue
		}
		if found == 0 {
			r.cause = c
		}
		found++
	}
	r.lost = slices.Contains(storageMedia, strings.ToLower(l.text(colHardware)))
	switch {
	case found == 0:
		l.tally.add(noteNoCause, r.line)
	case found > 1:
		l.tally.add(noteCauses, r.line)
	}
}

// place enters the record with its system and node and takes in what the line
// says of these.
func (l *lanlReader) place(r *lanlRecord, number int) {
	name := l.text(colSystem)
	i, ok := l.byName[name]
	if !ok {
		i = len(l.systems)
		l.byName[name] = i
		l.systems = append(l.systems, lanlSystem{first: r.start, last: r.end, byNumber: map[int]int{}})
		l.systems[i].Name = name
	}
	sys := &l.systems[i]
	sys.Records++
	sys.first, sys.last = min(sys.first, r.start), max(sys.last, r.end)
	if sys.MachineType == "" {
		sys.MachineType = l.text(colMachine)
	}
	count, ok := parseCount(l.field(colNodes))
	if ok && count > 0 && count <= maxNodes {
		sys.NodeCount = max(sys.NodeCount, count)
		if number >= count {
			l.tally.add(noteNodeHigh, r.line)
		}
	} else {
		l.tally.add(noteNodes, r.line)
	}
	if z, ok := parseCount(l.field(colNodeZ)); ok && z != number {
		l.tally.add(noteNodeZ, r.line)
	}
	j, ok := sys.byNumber[number]
	if !ok {
		j = len(sys.nodes)
		sys.byNumber[number] = j
		sys.nodes = append(sys.nodes, lanlNode{number: number})
	}
	r.system, r.node = i, j
	l.dates(&sys.nodes[j], r.line)
}

// dates widens the node's dates to what the current line says.
func (l *lanlReader) dates(n *lanlNode, line int) {
	from, _, ok := parseMonth(l.field(colProd))
	if !ok {
		from, _, ok = parseMonth(l.field(colInstall))
	}
	if ok && (!n.hasFrom || from < n.from) {
		n.from, n.hasFrom = from, true
	}
	_, to, hasTo := parseMonth(l.field(colDecom))
	if hasTo && (!n.hasTo || to > n.to) {
		n.to, n.hasTo = to, true
	}
	current := strings.EqualFold(l.text(colDecom), "current")
	n.current = n.current || current
	if !ok || !hasTo && !current {
		l.tally.add(noteDates, line)
	}
}

// build makes the systems of t from what was gathered, and tallies records.
func (l *lanlReader) build(t *Trace) {
	for i, r := range l.records {
		if r.why.kept() {
			n := &l.systems[r.system].nodes[r.node]
			n.spells = append(n.spells, spell{Outage{Start: r.start, End: r.end, Cause: r.cause, Lost: r.lost}, i})
		}
	}
	for i := range l.systems {
		sys := &l.systems[i]
		for j := range sys.nodes {
			sys.bound(&sys.nodes[j], l.last)
		}
	}
	for _, r := range l.records {
		if r.why.kept() {
			if n := &l.systems[r.system].nodes[r.node]; r.start < n.from || r.start >= n.to {
				l.tally.add(noteOutside, r.line)
			}
		}
	}
	epoch := env.Never
	for i := range l.systems {
		t.Systems = append(t.Systems, l.systems[i].finish(func(record int) {
			if r := &l.records[record]; r.why == asRead {
				r.why = fixOverlap
			}
		}))
		epoch = min(epoch, t.Systems[i].Start)
	}
	for _, r := range l.records {
		l.tally.add(r.why, r.line)
	}
	slices.SortFunc(t.Systems, func(a, b System) int { return compareNames(a.Name, b.Name) })
	if len(t.Systems) > 0 {
		t.Epoch = time.UnixMicro(int64(epoch)).UTC()
		t.shift(epoch)
	}
}

// bound settles the node's dates; last is the latest time in the file.
func (sys *lanlSystem) bound(n *lanlNode, last env.Time) {
	if !n.hasFrom {
		n.from = sys.first
	}
	switch {
	case n.current:
		n.to = last
	case n.hasTo:
		n.to = min(n.to, last)
	default:
		n.to = sys.last
	}
}

// finish makes the System, with times since 1970 still.
func (sys *lanlSystem) finish(merged func(record int)) System {
	slices.SortFunc(sys.nodes, func(a, b lanlNode) int { return cmp.Compare(a.number, b.number) })
	out := sys.System
	out.NodeCount = max(out.NodeCount, len(sys.nodes))
	out.Nodes = make([]Node, len(sys.nodes))
	for i, n := range sys.nodes {
		node := Node{Name: fmt.Sprint(n.number), Start: n.from, End: n.to, Outages: merge(n.spells, merged)}
		node.Start = min(node.Start, node.Outages[0].Start)
		node.End = max(node.End, node.Outages[len(node.Outages)-1].End)
		if i == 0 {
			out.Start, out.End = node.Start, node.End
		}
		out.Start, out.End = min(out.Start, node.Start), max(out.End, node.End)
		out.Nodes[i] = node
	}
	return out
}

// parseCount reads a whole number of up to nine digits.
func parseCount(b []byte) (int, bool) {
	if len(b) == 0 || len(b) > 9 {
		return 0, false
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

// parseClock reads m/d/yyyy h:mm, or m/d/yy h:mm, as UTC, into microseconds
// since 1970. Years are 1969 to 2068.
func parseClock(b []byte) (env.Time, bool) {
	date, clock, _ := bytes.Cut(b, []byte(" "))
	md, rest, _ := bytes.Cut(date, []byte("/"))
	dd, yy, _ := bytes.Cut(rest, []byte("/"))
	hh, mm, _ := bytes.Cut(bytes.TrimLeft(clock, " "), []byte(":"))
	if len(md) > 2 || len(dd) > 2 || len(hh) > 2 || len(mm) != 2 || len(yy) != 2 && len(yy) != 4 {
		return 0, false
	}
	month, ok1 := parseCount(md)
	day, ok2 := parseCount(dd)
	year, ok3 := parseCount(yy)
	hour, ok4 := parseCount(hh)
	minute, ok5 := parseCount(mm)
	if len(yy) == 2 {
		year = fullYear(year)
	}
	if !(ok1 && ok2 && ok3 && ok4 && ok5) || year < 1969 || year > 2068 || hour > 23 || minute > 59 {
		return 0, false
	}
	at := time.Date(year, time.Month(month), day, hour, minute, 0, 0, time.UTC)
	if int(at.Month()) != month || at.Day() != day {
		return 0, false
	}
	return env.Time(at.UnixMicro()), true
}

// fullYear reads two digits as POSIX does: 69 to 99 are of the 1900s.
func fullYear(yy int) int {
	if yy >= 69 {
		return 1900 + yy
	}
	return 2000 + yy
}

// parseMonth reads Mon-yy ("Nov-96"), or what a spreadsheet makes of it when
// yy could be a day, yy-Mon ("2-Mar" for March 2002). It returns the first
// instants of that month and of the next.
func parseMonth(b []byte) (start, end env.Time, ok bool) {
	left, right, ok := bytes.Cut(b, []byte("-"))
	if !ok {
		return 0, 0, false
	}
	if len(right) == 3 {
		left, right = right, left
	}
	yy, ok := parseCount(right)
	if len(left) != 3 || !ok || len(right) > 2 {
		return 0, 0, false
	}
	for m := time.January; m <= time.December; m++ {
		if strings.EqualFold(m.String()[:3], string(left)) {
			first := time.Date(fullYear(yy), m, 1, 0, 0, 0, 0, time.UTC)
			return env.Time(first.UnixMicro()), env.Time(first.AddDate(0, 1, 0).UnixMicro()), true
		}
	}
	return 0, 0, false
}
