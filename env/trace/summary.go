package trace

import (
	"cmp"
	"slices"

	"mend/env"
)

// year is a mean Gregorian year, 365.2425 days.
const year = 31_556_952 * env.Second

// burstWindow is how near in time the failures of a burst begin: 120 s, as in
// Ford et al., "Availability in globally distributed storage systems", OSDI
// 2010, section 3.1.
const burstWindow = 2 * env.Minute

// Summary holds the figures of a trace, one entry a system and one over all.
type Summary struct {
	Systems []SystemSummary `json:"systems"`
	All     SystemSummary   `json:"all"`
}

// SystemSummary holds the figures of one system. Ratios without a denominator
// are 0.
type SystemSummary struct {
	Name        string `json:"name"`
	MachineType string `json:"machine_type,omitempty"`
	Records     int    `json:"records"`      // used or repaired
	Nodes       int    `json:"nodes"`        // with those that never failed
	NodesFailed int    `json:"nodes_failed"` // with an outage
	Outages     int    `json:"outages"`      // after merging
	Lost        int    `json:"lost"`         // outages that destroyed data
	Open        int    `json:"open"`         // outages that the trace's end cuts
	// SpanYears is the time that the system, or any of them, was observed for;
	// NodeYears the sum over nodes, down or up, of the time each was.
	SpanYears          float64 `json:"span_years"`
	NodeYears          float64 `json:"node_years"`
	OutagesPerNodeYear float64 `json:"outages_per_node_year"`
	// Length of outages in minutes: the node's time to repair. Those that the
	// trace's end cuts are left out.
	RepairMinutesMean   float64 `json:"repair_minutes_mean"`
	RepairMinutesMedian float64 `json:"repair_minutes_median"`
	// BurstShare is the share of outages that began within 2 min of one of
	// another node of the same system.
	BurstShare float64 `json:"burst_share"`
}

// Summary computes the figures of t.
func (t *Trace) Summary() Summary {
	var sum Summary
	var all figures
	for i := range t.Systems {
		f := t.Systems[i].figures()
		all.add(&f)
		sum.Systems = append(sum.Systems, f.summary())
	}
	sum.All = all.summary()
	sum.All.Name = "all"
	return sum
}

// figures are what a summary is computed from; those of systems add up.
type figures struct {
	SystemSummary
	start, end env.Time
	repairs    []env.Time // lengths of outages that are not open
	bursts     int
}

// add pools f into all.
func (all *figures) add(f *figures) {
	if all.Nodes == 0 {
		all.start, all.end = f.start, f.end
	}
	all.start, all.end = min(all.start, f.start), max(all.end, f.end)
	all.Records += f.Records
	all.Nodes += f.Nodes
	all.NodesFailed += f.NodesFailed
	all.Outages += f.Outages
	all.Lost += f.Lost
	all.Open += f.Open
	all.NodeYears += f.NodeYears
	all.repairs = append(all.repairs, f.repairs...)
	all.bursts += f.bursts
}

// summary fills in the ratios.
func (f *figures) summary() SystemSummary {
	s := f.SystemSummary
	s.SpanYears = float64(f.end-f.start) / float64(year)
	if s.NodeYears > 0 {
		s.OutagesPerNodeYear = float64(s.Outages) / s.NodeYears
	}
	if s.Outages > 0 {
		s.BurstShare = float64(f.bursts) / float64(s.Outages)
	}
	if n := len(f.repairs); n > 0 {
		slices.Sort(f.repairs)
		var total float64
		for _, d := range f.repairs {
			total += float64(d)
		}
		s.RepairMinutesMean = total / float64(n) / float64(env.Minute)
		s.RepairMinutesMedian = (float64(f.repairs[(n-1)/2]) + float64(f.repairs[n/2])) / 2 / float64(env.Minute)
	}
	return s
}

func (s *System) figures() figures {
	f := figures{start: s.Start, end: s.End}
	f.Name, f.MachineType, f.Records, f.Nodes = s.Name, s.MachineType, s.Records, s.NodeCount
	var begins []begin
	for i, n := range s.Nodes {
		f.NodeYears += float64(n.End-n.Start) / float64(year)
		if len(n.Outages) > 0 {
			f.NodesFailed++
		}
		for _, o := range n.Outages {
			f.Outages++
			begins = append(begins, begin{o.Start, i})
			if o.Lost {
				f.Lost++
			}
			if o.Open {
				f.Open++
			} else {
				f.repairs = append(f.repairs, o.End-o.Start)
			}
		}
	}
	f.NodeYears += float64(s.NodeCount-len(s.Nodes)) * float64(s.End-s.Start) / float64(year)
	f.bursts = countBursts(begins)
	return f
}

// begin is when an outage of a node starts.
type begin struct {
	at   env.Time
	node int
}

// countBursts counts the begins that have one of another node within
// burstWindow. It sorts them; each then needs only its nearest neighbours of
// another node on either side.
func countBursts(b []begin) int {
	slices.SortFunc(b, func(x, y begin) int { return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.node, y.node)) })
	near := make([]bool, len(b))
	// The nearest earlier begin of another node ends the run of b[i]'s own.
	for i, other := 1, -1; i < len(b); i++ {
		if b[i-1].node != b[i].node {
			other = i - 1
		}
		near[i] = other >= 0 && b[i].at-b[other].at <= burstWindow
	}
	for i, other := len(b)-2, -1; i >= 0; i-- {
		if b[i+1].node != b[i].node {
			other = i + 1
		}
		near[i] = near[i] || other >= 0 && b[other].at-b[i].at <= burstWindow
	}
	n := 0
	for _, yes := range near {
		if yes {
			n++
		}
	}
	return n
}
