package trace

import (
	"cmp"
	"io"
	"slices"
	"strconv"
	"strings"

	"mend/env"
)

// outageColumns are the columns of the form of outages, in order.
var outageColumns = [...]string{"start_time", "end_time", "status", "service"}

// ReadOutages reads outages of services in the form of the Cloud Uptime Archive
// (AtLarge Research): the header start_time,end_time,status,service, then one
// line an outage. Open chooses it by the header; name is what messages call the
// file.
//
//	start_time,end_time,status,service
//	0.0,4042.0,0.025,git
//
// Times are decimal seconds since the start. Status, a share from 0 to 1 of
// what the outage affected, is not used. Service is a subject as in [ReadCSV].
// Services are observed from time 0 to the last end; an outage of no length
// gets one second.
func ReadOutages(r io.Reader, name string) (*Trace, *Report, error) {
	s := newScanner(r, name)
	if err := s.header(); err != nil {
		return nil, nil, err
	}
	return readOutages(s)
}

// service is a subject and what is known of it.
type service struct {
	system, name string
	spells       []spell
}

func readOutages(s *scanner) (*Trace, *Report, error) {
	if err := outageHeader(s); err != nil {
		return nil, nil, err
	}
	type record struct {
		line int
		why  reason
	}
	var records []record
	var services []service
	byName := map[string]int{}
	var latest, end env.Time
	for {
		more, err := s.next()
		if err != nil {
			return nil, nil, err
		}
		if !more {
			break
		}
		if err := s.want(len(outageColumns)); err != nil {
			return nil, nil, err
		}
		if s.cut {
			return nil, nil, s.errorf(len(s.raw)+1, "file ends within a record, want a newline")
		}
		r := record{line: s.line}
		start, since, ok1 := parseTime(string(s.fields[0]))
		stop, until, ok2 := parseTime(string(s.fields[1]))
		status, err := strconv.ParseFloat(string(s.fields[2]), 64)
		system, node, named := parseSubject(string(s.fields[3]))
		switch {
		case !ok1 || !ok2 || since || until:
			r.why = dropNoSeconds
		case stop < start:
			r.why = dropEndFirst
		case err != nil || !(status >= 0 && status <= 1):
			r.why = dropBadStatus
		case !named:
			r.why = dropBadSubject
		default:
			if start < latest {
				r.why = fixOrder
			}
			if stop == start {
				stop += env.Second
				r.why = fixZeroSecond
			}
			latest, end = max(latest, start), max(end, stop)
			key := system + "/" + node
			i, ok := byName[key]
			if !ok {
				i = len(services)
				byName[key] = i
				services = append(services, service{system: system, name: node})
			}
			services[i].spells = append(services[i].spells, spell{Outage{Start: start, End: stop}, len(records)})
		}
		records = append(records, r)
	}
	if len(records) == 0 {
		return nil, nil, s.errNoRecords()
	}
	slices.SortFunc(services, func(a, b service) int {
		return cmp.Or(compareNames(a.system, b.system), compareNames(a.name, b.name))
	})
	t := &Trace{Name: s.name, Form: FormOutages, Digest: s.digest()}
	for _, x := range services {
		n := Node{Name: x.name, End: end}
		n.Outages = merge(x.spells, func(i int) {
			if records[i].why == asRead {
				records[i].why = fixOverlap
			}
		})
		if k := len(t.Systems); k == 0 || t.Systems[k-1].Name != x.system {
			t.Systems = append(t.Systems, System{Name: x.system, End: end})
		}
		sys := &t.Systems[len(t.Systems)-1]
		sys.Nodes = append(sys.Nodes, n)
		sys.NodeCount++
		sys.Records += len(x.spells)
	}
	var counts tally
	for _, r := range records {
		counts.add(r.why, r.line)
	}
	report, err := counts.report(s.name, FormOutages)
	if err != nil {
		return nil, report, err
	}
	return t, report, nil
}

// outageHeader wants exactly the four columns.
func outageHeader(s *scanner) error {
	var got []string
	for _, f := range s.fields {
		got = append(got, columnName(f))
	}
	if !slices.Equal(got, outageColumns[:]) {
		return s.errorf(1, "header %s, want %s", excerpt(s.raw), strings.Join(outageColumns[:], ","))
	}
	return nil
}
