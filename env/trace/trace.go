package trace

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"mend/env"
)

// Trace is what a file says about the outages of nodes.
type Trace struct {
	Name   string // the path or name given to the reader
	Form   string // one of the Form constants
	Digest string // hex SHA-256 of the file's bytes; Select keeps it
	// Epoch is the instant of time 0, in UTC. It is the zero time.Time where
	// the file counts seconds from a start that it does not name.
	Epoch   time.Time
	Systems []System // by name, numbers first and in their order
}

// Values of Trace.Form and Report.Form.
const (
	FormLANL = "lanl"
	FormCSV  = "csv"

	FormSpot    = "spot"
	FormOutages = "outages"
)

// System is a set of nodes that were observed together.
type System struct {
	Name        string
	MachineType string // as LANL has it: cluster, smp, numa; else ""
	// NodeCount is how many nodes the system has. Those from len(Nodes) on are
	// named nowhere in the file: they never failed while observed.
	NodeCount int
	// Start and End bound the observation of the system's nodes.
	Start, End env.Time
	Records    int    // records of the file that were used or repaired
	Nodes      []Node // nodes that the file names, ordered as systems are
}

// Node is one node that the file names.
type Node struct {
	Name string
	// Start and End bound the node's observation. No outage lies outside.
	Start, End env.Time
	// Outages are sorted by Start and neither overlap nor touch.
	Outages []Outage
}

// Outage is the time [Start, End) during which a node was down. It is never
// empty.
type Outage struct {
	Start, End env.Time
	Cause      Cause // of the first record, where several were merged
	Lost       bool  // the node's data was destroyed
	Open       bool  // still down when the trace ended, at End
}

// Cause is the root cause of an outage, in the classes of Schroeder and Gibson
// (DSN 2006).
type Cause uint8

// Root causes. A form without causes gives Undetermined.
const (
	Undetermined Cause = iota
	Hardware
	Software
	Network
	Facilities
	Human
)

var causeNames = [...]string{"undetermined", "hardware", "software", "network", "facilities", "human"}

func (c Cause) String() string {
	if int(c) < len(causeNames) {
		return causeNames[c]
	}
	return fmt.Sprintf("Cause(%d)", uint8(c))
}

// System returns the named system, or an error that lists the names there are.
func (t *Trace) System(name string) (*System, error) {
	for i := range t.Systems {
		if t.Systems[i].Name == name {
			return &t.Systems[i], nil
		}
	}
	names := make([]string, len(t.Systems))
	for i := range t.Systems {
		names[i] = t.Systems[i].Name
	}
	const most = 40
	tail := ""
	if len(names) > most {
		names, tail = names[:most], ", ..."
	}
	return nil, fmt.Errorf("trace: %s: no system %q, want one of %s%s", t.Name, name, strings.Join(names, ", "), tail)
}

// Select returns a trace of the named systems only, in the order of names. It
// shares its nodes with t and keeps epoch and digest.
func (t *Trace) Select(names []string) (*Trace, error) {
	if len(names) == 0 {
		return nil, fmt.Errorf("trace: %s: no system selected, want at least one", t.Name)
	}
	sel := *t
	sel.Systems = make([]System, 0, len(names))
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("trace: %s: system %q selected twice, want it once", t.Name, name)
		}
		s, err := t.System(name)
		if err != nil {
			return nil, err
		}
		sel.Systems = append(sel.Systems, *s)
	}
	return &sel, nil
}

// Halves splits a system in time: the first half of its observation, and the
// second. They share its nodes; their names are those of the system with
// ":first" and ":second" behind.
func (s System) Halves() (first, second System) {
	first, second = s, s
	middle := s.Start + (s.End-s.Start)/2
	first.Name, first.End = s.Name+":first", middle
	second.Name, second.Start = s.Name+":second", middle
	return first, second
}

// NodeName returns the name of node i, 0 <= i < NodeCount. Nodes that the file
// does not name are called unseen-1, unseen-2, ...
func (s *System) NodeName(i int) string {
	s.check(i)
	if i < len(s.Nodes) {
		return s.Nodes[i].Name
	}
	return fmt.Sprintf("unseen-%d", i-len(s.Nodes)+1)
}

// Observed returns the time during which node i, 0 <= i < NodeCount, was
// observed: its own where the file names it, else the system's.
func (s *System) Observed(i int) (start, end env.Time) {
	s.check(i)
	if i < len(s.Nodes) {
		return s.Nodes[i].Start, s.Nodes[i].End
	}
	return s.Start, s.End
}

// Window appends to dst the outages of node i, 0 <= i < NodeCount, during
// [from, from+length), in order; neither may be negative. Their times are
// relative to from and clipped to [0, length]: a Start of 0 may mean that the
// node was down already, an End of length that it stayed down. The search
// costs O(log n) and allocates only to grow dst.
func (s *System) Window(dst []Outage, i int, from, length env.Time) []Outage {
	s.check(i)
	if from < 0 || length < 0 {
		panic(fmt.Sprintf("trace: window from %d for %d us, want neither negative", from, length))
	}
	if i >= len(s.Nodes) || length == 0 {
		return dst
	}
	to := from + min(length, env.Never-from)
	all := s.Nodes[i].Outages
	first := sort.Search(len(all), func(k int) bool { return all[k].End > from })
	for _, o := range all[first:] {
		if o.Start >= to {
			break
		}
		o.Start = max(o.Start, from) - from
		o.End = min(o.End, to) - from
		dst = append(dst, o)
	}
	return dst
}

func (s *System) check(i int) {
	if i < 0 || i >= s.NodeCount {
		panic(fmt.Sprintf("trace: node %d of system %q, want 0 to %d", i, s.Name, s.NodeCount-1))
	}
}

// compareNames orders numbers before other names, numbers by value.
func compareNames(a, b string) int {
	switch na, nb := isNumber(a), isNumber(b); {
	case na && nb && len(a) != len(b):
		return len(a) - len(b)
	case na != nb && na:
		return -1
	case na != nb:
		return 1
	}
	return strings.Compare(a, b)
}

func isNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
