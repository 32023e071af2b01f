package trace

import (
	"fmt"
	"strings"
)

// Report says what a reader did with the records of a file. Records is always
// Used + Repaired + Dropped.
type Report struct {
	Name     string `json:"name"`
	Form     string `json:"form"`
	Records  int    `json:"records"`  // lines after the header that are not empty; samples of FormSpot
	Used     int    `json:"used"`     // used as read
	Repaired int    `json:"repaired"` // used after the repair named in Repairs
	Dropped  int    `json:"dropped"`  // not used, for the reason named in Drops
	// Repairs add up to Repaired and Drops to Dropped: a record counts under
	// the first reason that was found. Notes are remarks on records that were
	// kept; one record may have several.
	Repairs []Count `json:"repairs,omitempty"`
	Drops   []Count `json:"drops,omitempty"`
	Notes   []Count `json:"notes,omitempty"`
}

// Count is how many records share a reason.
type Count struct {
	Reason  string `json:"reason"`
	Records int    `json:"records"`
	Lines   []int  `json:"lines"` // of the first few, ascending, at most 5; the header is line 1
}

// String is the report as text, one line a reason, without a final newline.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d records: %d used, %d repaired, %d dropped", r.Name, r.Records, r.Used, r.Repaired, r.Dropped)
	for _, group := range []struct {
		title  string
		counts []Count
	}{{"repaired", r.Repairs}, {"dropped", r.Drops}, {"note", r.Notes}} {
		for _, c := range group.counts {
			fmt.Fprintf(&b, "\n%s %d: %s (%s)", group.title, c.Records, c.Reason, c.where())
		}
	}
	return b.String()
}

func (c Count) where() string {
	var b strings.Builder
	b.WriteString("line")
	if c.Records > 1 {
		b.WriteString("s")
	}
	for i, n := range c.Lines {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, " %d", n)
	}
	if c.Records > len(c.Lines) {
		b.WriteString(", ...")
	}
	return b.String()
}

// reason is why a record was not simply used. The zero reason is that it was.
type reason uint8

const (
	asRead reason = iota

	// Repairs.
	fixNodeZ
	fixSoleNode
	fixFromDownTime
	fixNegative
	fixZeroDownTime
	fixZeroMinute
	fixZeroSecond
	fixOrder
	fixOpen
	fixOverlap

	// Drops.
	dropNoSystem
	dropNoNode
	dropNoStart
	dropBadStart
	dropNoFix
	dropNegative
	dropLong
	dropDuplicate
	dropBadTime
	dropOtherTime
	dropBadSubject
	dropBadEvent
	dropDownTwice
	dropLostTwice
	dropUpTwice
	dropNoSeconds
	dropEndFirst
	dropBadStatus

	// Notes.
	noteMinute
	noteHour
	noteDownTime
	noteNoDownTime
	noteNodeZ
	noteNodeHigh
	noteNodes
	noteDates
	noteOutside
	noteNoCause
	noteCauses
	noteFirstUp

	numReasons
)

// kept is whether a record of this reason is used, repaired or not.
func (r reason) kept() bool { return r < dropNoSystem }

// reasonText says what was found and, for repairs, what was made of it.
var reasonText = [numReasons]string{
	fixNodeZ:        "no node number: taken from nodenumz",
	fixSoleNode:     "no node number: node 0, the only one of its system",
	fixFromDownTime: "no readable fix: start plus Down Time",
	fixNegative:     "fix before start: start plus Down Time",
	fixZeroDownTime: "fix equals start: start plus Down Time",
	fixZeroMinute:   "fix equals start: given one minute, the clock's resolution",
	fixZeroSecond:   "up at the instant of down: given one second",
	fixOrder:        "earlier than a line before it: sorted by time",
	fixOpen:         "still down at the end: down until the trace ends",
	fixOverlap:      "overlaps or touches an earlier outage of its node: merged",

	dropNoSystem:   "no system",
	dropNoNode:     "no node number",
	dropNoStart:    "no start",
	dropBadStart:   "start is not a time",
	dropNoFix:      "no readable fix and no Down Time",
	dropNegative:   "fix before start and no Down Time",
	dropLong:       "longer than ten years",
	dropDuplicate:  "same as an earlier line",
	dropBadTime:    "time is neither seconds nor RFC 3339",
	dropOtherTime:  "time is not of the first record's kind",
	dropBadSubject: "subject is not a name",
	dropBadEvent:   "event is none of down, up, lost",
	dropDownTwice:  "down while down",
	dropLostTwice:  "lost while lost",
	dropUpTwice:    "up while up",
	dropNoSeconds:  "start or end is not a time in seconds",
	dropEndFirst:   "end before start",
	dropBadStatus:  "status is not a share from 0 to 1",

	noteMinute:     "Down Time is a minute off: start and fix kept",
	noteHour:       "Down Time is an hour off, as across a change of daylight saving: start and fix kept",
	noteDownTime:   "Down Time disagrees otherwise: start and fix kept",
	noteNoDownTime: "no readable Down Time: start and fix kept",
	noteNodeZ:      "nodenum and nodenumz differ: nodenum kept",
	noteNodeHigh:   "node number not below the count in column nodes: kept",
	noteNodes:      "no readable count in column nodes",
	noteDates:      "no readable node prod, install or decom date",
	noteOutside:    "starts outside the node's dates: dates widened",
	noteNoCause:    "no cause: undetermined",
	noteCauses:     "more than one cause: the first kept",
	noteFirstUp:    "a subject's first event is up: up since the start",
}

// tally counts reasons. Line numbers must come in ascending order per reason.
type tally [numReasons]Count

func (t *tally) add(why reason, line int) {
	const firstFew = 5
	c := &t[why]
	c.Records++
	if len(c.Lines) < firstFew {
		c.Lines = append(c.Lines, line)
	}
}

// report sums up. The error refuses a file of which too little is left.
func (t *tally) report(name, form string) (*Report, error) {
	r := &Report{Name: name, Form: form, Used: t[asRead].Records}
	for why := asRead + 1; why < numReasons; why++ {
		c := t[why]
		if c.Records == 0 {
			continue
		}
		c.Reason = reasonText[why]
		switch {
		case why.kept():
			r.Repairs = append(r.Repairs, c)
			r.Repaired += c.Records
		case why < noteMinute:
			r.Drops = append(r.Drops, c)
			r.Dropped += c.Records
		default:
			r.Notes = append(r.Notes, c)
		}
	}
	r.Records = r.Used + r.Repaired + r.Dropped
	if 2*r.Dropped > r.Records {
		worst := r.Drops[0]
		for _, c := range r.Drops[1:] {
			if c.Records > worst.Records {
				worst = c
			}
		}
		return r, fmt.Errorf("trace: %s: %d of %d records dropped, %d for %q (%s), want at most half dropped",
			name, r.Dropped, r.Records, worst.Records, worst.Reason, worst.where())
	}
	return r, nil
}
