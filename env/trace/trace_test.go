package trace

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"mend/env"
)

// dump writes a trace as lines that a test can hold beside what it expects.
// Times are minutes of the calendar in the LANL form, else seconds.
func dump(t *Trace) string {
	var b strings.Builder
	at := func(x env.Time) string {
		if t.Form == FormLANL {
			return t.Epoch.Add(time.Duration(x) * time.Microsecond).Format("2006-01-02 15:04")
		}
		return fmt.Sprint(x.Seconds())
	}
	fmt.Fprintf(&b, "%s %s\n", t.Form, t.Epoch.Format(time.RFC3339Nano))
	for i := range t.Systems {
		s := &t.Systems[i]
		fmt.Fprintf(&b, "system %s %q: %d nodes, %d records, %s to %s\n",
			s.Name, s.MachineType, s.NodeCount, s.Records, at(s.Start), at(s.End))
		for _, n := range s.Nodes {
			fmt.Fprintf(&b, "  %s, %s to %s\n", n.Name, at(n.Start), at(n.End))
			for _, o := range n.Outages {
				fmt.Fprintf(&b, "    %s to %s %v", at(o.Start), at(o.End), o.Cause)
				if o.Lost {
					b.WriteString(" lost")
				}
				if o.Open {
					b.WriteString(" open")
				}
				b.WriteString("\n")
			}
		}
	}
	return b.String()
}

// check reports every promise of the types that t and r break.
func check(t *testing.T, tr *Trace, r *Report) {
	t.Helper()
	sum := 0
	for _, c := range r.Repairs {
		sum += c.Records
	}
	if sum != r.Repaired {
		t.Errorf("repairs add up to %d, want %d", sum, r.Repaired)
	}
	sum = 0
	for _, c := range r.Drops {
		sum += c.Records
	}
	if sum != r.Dropped {
		t.Errorf("drops add up to %d, want %d", sum, r.Dropped)
	}
	if r.Used+r.Repaired+r.Dropped != r.Records {
		t.Errorf("%d used, %d repaired, %d dropped of %d records", r.Used, r.Repaired, r.Dropped, r.Records)
	}
	for _, c := range slices.Concat(r.Repairs, r.Drops, r.Notes) {
		if c.Reason == "" || len(c.Lines) != min(c.Records, 5) || !slices.IsSorted(c.Lines) || slices.Min(c.Lines) < 2 {
			t.Errorf("count %+v", c)
		}
	}
	if tr == nil {
		return
	}
	records := 0
	for i := range tr.Systems {
		s := &tr.Systems[i]
		records += s.Records
		if i > 0 && compareNames(tr.Systems[i-1].Name, s.Name) >= 0 {
			t.Errorf("system %q after %q", s.Name, tr.Systems[i-1].Name)
		}
		if s.Start < 0 || s.End < s.Start || s.NodeCount < len(s.Nodes) || len(s.Nodes) == 0 {
			t.Errorf("system %q: %d to %d, %d of %d nodes", s.Name, s.Start, s.End, len(s.Nodes), s.NodeCount)
		}
		for j, n := range s.Nodes {
			if j > 0 && compareNames(s.Nodes[j-1].Name, n.Name) >= 0 {
				t.Errorf("node %q after %q", n.Name, s.Nodes[j-1].Name)
			}
			if n.Start < s.Start || n.End > s.End {
				t.Errorf("node %q: %d to %d, system %d to %d", n.Name, n.Start, n.End, s.Start, s.End)
			}
			last := env.Time(-1)
			for _, o := range n.Outages {
				if o.Start <= last || o.End <= o.Start || o.Start < n.Start || o.End > n.End {
					t.Errorf("system %q node %q: outage %+v after %d, node %d to %d", s.Name, n.Name, o, last, n.Start, n.End)
				}
				last = o.End
			}
		}
	}
	if records != r.Used+r.Repaired {
		t.Errorf("systems have %d records, report has %d", records, r.Used+r.Repaired)
	}
}

// fixture reads a file of testdata, under its base name.
func fixture(t *testing.T, name string) (*Trace, *Report) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tr, r, err := Read(f, name)
	if err != nil {
		t.Fatal(err)
	}
	check(t, tr, r)
	return tr, r
}

func equalText(t *testing.T, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			t.Errorf("%s, line %d:\n got %s\nwant %s", what, i+1, a, b)
		}
	}
}

// TestLANLReasons reads a file with every reason of the LANL form. Its records
// are made up.
func TestLANLReasons(t *testing.T) {
	tr, r := fixture(t, "lanl.csv")
	equalText(t, "report", r.String(), strings.TrimSpace(`
lanl.csv: 30 records: 13 used, 9 repaired, 8 dropped
repaired 1: no node number: taken from nodenumz (line 12)
repaired 1: no node number: node 0, the only one of its system (line 13)
repaired 2: no readable fix: start plus Down Time (lines 8, 9)
repaired 1: fix before start: start plus Down Time (line 10)
repaired 1: fix equals start: start plus Down Time (line 11)
repaired 1: fix equals start: given one minute, the clock's resolution (line 4)
repaired 2: overlaps or touches an earlier outage of its node: merged (lines 6, 7)
dropped 1: no system (line 14)
dropped 1: no node number (line 15)
dropped 1: no start (line 16)
dropped 1: start is not a time (line 17)
dropped 1: no readable fix and no Down Time (line 18)
dropped 1: fix before start and no Down Time (line 19)
dropped 1: longer than ten years (line 20)
dropped 1: same as an earlier line (line 21)
note 1: Down Time is a minute off: start and fix kept (line 22)
note 1: Down Time is an hour off, as across a change of daylight saving: start and fix kept (line 23)
note 1: Down Time disagrees otherwise: start and fix kept (line 24)
note 1: no readable Down Time: start and fix kept (line 25)
note 1: nodenum and nodenumz differ: nodenum kept (line 26)
note 2: node number not below the count in column nodes: kept (lines 27, 31)
note 1: no readable count in column nodes (line 28)
note 2: no readable node prod, install or decom date (lines 13, 29)
note 1: starts outside the node's dates: dates widened (line 30)
note 1: no cause: undetermined (line 4)
note 1: more than one cause: the first kept (line 30)
`))
	equalText(t, "trace", dump(tr), strings.TrimLeft(`
lanl 1999-11-01T00:00:00Z
system 31 "cluster": 4 nodes, 20 records, 2001-02-10 00:00 to 2001-10-28 02:30
  0, 2001-03-01 00:00 to 2001-10-28 02:30
    2001-04-01 10:00 to 2001-04-01 11:00 hardware
    2001-04-02 10:00 to 2001-04-02 10:30 hardware lost
    2001-04-03 08:00 to 2001-04-03 08:01 undetermined
    2001-04-04 01:00 to 2001-04-04 04:10 software lost
    2001-04-20 00:00 to 2001-04-20 00:10 hardware
  1, 2001-02-10 00:00 to 2001-10-28 02:30
    2001-02-10 00:00 to 2001-02-10 00:10 facilities
    2001-04-05 00:00 to 2001-04-05 00:45 hardware
    2001-04-06 00:00 to 2001-04-06 00:15 hardware
    2001-04-07 00:00 to 2001-04-07 00:20 hardware
    2001-04-08 00:00 to 2001-04-08 00:25 hardware
    2001-04-21 00:00 to 2001-04-21 00:10 hardware
  2, 2001-03-01 00:00 to 2001-10-28 02:30
    2001-04-09 00:00 to 2001-04-09 00:05 undetermined
    2001-04-14 00:00 to 2001-04-14 00:10 hardware
    2001-04-16 00:00 to 2001-04-16 00:10 hardware
    2001-04-17 00:00 to 2001-04-17 00:10 hardware
    2001-04-18 00:00 to 2001-04-18 00:10 hardware
    2001-10-28 00:30 to 2001-10-28 02:30 hardware
  9, 2001-03-01 00:00 to 2001-10-28 02:30
    2001-04-19 00:00 to 2001-04-19 00:10 hardware
system 32 "smp": 1 nodes, 1 records, 2001-05-10 12:00 to 2001-07-01 00:00
  0, 2001-05-10 12:00 to 2001-07-01 00:00
    2001-05-10 12:00 to 2001-05-10 12:30 facilities
system 33 "réseau": 2 nodes, 1 records, 1999-11-01 00:00 to 2000-01-01 00:00
  17, 1999-11-01 00:00 to 2000-01-01 00:00
    1999-12-01 06:00 to 1999-12-01 07:00 software
`, "\n"))
}

// TestCSVReasons reads a file with every reason of the plain form.
func TestCSVReasons(t *testing.T) {
	tr, r := fixture(t, "plain.csv")
	equalText(t, "report", r.String(), strings.TrimSpace(`
plain.csv: 21 records: 7 used, 5 repaired, 9 dropped
repaired 1: up at the instant of down: given one second (line 5)
repaired 1: earlier than a line before it: sorted by time (line 8)
repaired 2: still down at the end: down until the trace ends (lines 13, 22)
repaired 1: overlaps or touches an earlier outage of its node: merged (line 6)
dropped 2: time is neither seconds nor RFC 3339 (lines 15, 17)
dropped 1: time is not of the first record's kind (line 16)
dropped 2: subject is not a name (lines 18, 19)
dropped 1: event is none of down, up, lost (line 20)
dropped 1: down while down (line 10)
dropped 1: lost while lost (line 9)
dropped 1: up while up (line 12)
note 1: a subject's first event is up: up since the start (line 2)
`))
	equalText(t, "trace", dump(tr), strings.TrimLeft(`
csv 0001-01-01T00:00:00Z
system a "": 2 nodes, 8 records, 0 to 201
  n1, 0 to 201
    60 to 120 undetermined lost
  n2, 0 to 201
    10 to 70.5 undetermined
system b "": 1 nodes, 1 records, 0 to 201
  rack/n1, 0 to 201
    140 to 201 undetermined lost open
system default "": 2 nodes, 3 records, 0 to 201
  n10, 0 to 201
    200 to 201 undetermined open
  n9, 0 to 201
    150 to 200 undetermined
`, "\n"))
}

// TestCSVClock reads RFC 3339: the epoch is the earliest time, zones count and
// seconds among them are dropped.
func TestCSVClock(t *testing.T) {
	tr, r, err := Read(strings.NewReader("\ufefftime,subject,event\r\n"+
		"2024-03-01T12:00:00.0000019Z,\"x\",down\r\n"+
		"\r\n"+
		"2024-03-01T14:00:01+02:00,x,up\r\n"+
		"5,x,down\r\n"+
		"2024-03-01T11:59:59Z,y,up"), "clock.csv")
	if err != nil {
		t.Fatal(err)
	}
	check(t, tr, r)
	equalText(t, "report", r.String(), strings.TrimSpace(`
clock.csv: 4 records: 2 used, 1 repaired, 1 dropped
repaired 1: earlier than a line before it: sorted by time (line 6)
dropped 1: time is not of the first record's kind (line 5)
note 1: a subject's first event is up: up since the start (line 6)
`))
	equalText(t, "trace", dump(tr), strings.TrimLeft(`
csv 2024-03-01T11:59:59Z
system default "": 2 nodes, 3 records, 0 to 2
  x, 0 to 2
    1.000001 to 2 undetermined
  y, 0 to 2
`, "\n"))
}

// lanlHead is the header of the LANL file, without its newline.
var lanlHead = func() string {
	b, err := os.ReadFile(filepath.Join("testdata", "lanl.csv"))
	if err != nil {
		panic(err)
	}
	head, _, _ := strings.Cut(string(b), "\n")
	return head
}()

// lanlLine is a record that nothing is wrong with, without its newline.
const lanlLine = "31,cluster,4,16,4,0,0,1-Feb,1-Mar,current,part,8,2,2,1,compute,4/1/2001 10:00,4/1/2001 11:00,60,,CPU,,,,,No"

func TestErrors(t *testing.T) {
	const head = "time,subject,event\n"
	long := strings.Repeat("x", maxLine+1)
	for _, c := range []struct{ name, in, want string }{
		{"empty", "", "f:1:1: file is empty, want a header and records"},
		{"blank", "\n\r\n", "f:1:1: file is empty, want a header and records"},
		{"header only", head, "f:2:1: file ends after the header, want at least one record"},
		{"header without newline", "time,subject,event", "f:2:1: file ends after the header, want at least one record"},
		{"lanl header only", lanlHead + "\n", "f:2:1: file ends after the header, want at least one record"},
		{"unknown header", "a,b\n", `f:1:1: header "a,b", want time,subject,event, start_time,end_time,status,service, or the columns of the LANL failure file (System, ..., Prob Started, ...)`},
		{"long unknown header", strings.Repeat("h", 70) + "\n", `f:1:1: header "` + strings.Repeat("h", 60) + `"..., want time,subject,event, start_time,end_time,status,service, or the columns of the LANL failure file (System, ..., Prob Started, ...)`},
		{"column missing", "time,event\n1,up\n", "f:1:1: header lacks subject, want time,subject,event"},
		{"columns missing", "subject\n", "f:1:1: header lacks time, event, want time,subject,event"},
		{"column too many", "time,subject,event,rack\n", `f:1:1: header "time,subject,event,rack", want time,subject,event and no other column`},
		{"columns out of order", "subject,time,event\n", `f:1:1: header "subject,time,event", want time,subject,event and no other column`},
		{"lanl columns missing", strings.Replace(strings.Replace(lanlHead, "Down Time", "Uptime", 1), ",nodes,", ",n,", 1) + "\n",
			`f:1:1: header lacks "nodes", "Down Time", want all columns of the LANL failure file`},
		{"binary", "\x7fELF\x02\x01", "f:1:1: byte 0x7f, want text"},
		{"utf-16", "\xff\xfet\x00i\x00", "f:1:4: byte 0x00, want text"},
		{"binary later", head + "1,a,up\n2,\x00,up\n", "f:3:3: byte 0x00, want text"},
		{"old line ends", "time,subject,event\r1,a,up\r", "f:1:19: byte 0x0d, want text"},
		{"gigantic header", long, "f:1:65537: line longer than 65536 bytes, want a text file of short lines"},
		{"gigantic line", head + "1,a,up\n" + long + "\n", "f:3:65537: line longer than 65536 bytes, want a text file of short lines"},
		{"field too few", head + "1,a,up\n2,a\n3,a,up\n", "f:3:4: 2 fields, want 3"},
		{"field too many", head + "1,a,up,now\n", "f:2:8: 4 fields, want 3"},
		{"cut after field", head + "1,a,up\n2,", "f:3:3: file ends within a record: 2 fields, want 3"},
		{"cut within event", head + "1,a,down\n2,a,u", `f:3:5: file ends within a record: event is "u", want down, up or lost`},
		{"cut within quotes", head + "1,a,down\n2,\"a", "f:3:3: file ends within quotes, want a closing quote"},
		{"open quote", head + "1,\"a,down\n2,a,up\n", "f:2:3: quote without end, want a closing quote on the same line"},
		{"text after quote", head + "1,\"a\"b,down\n", `f:2:6: "b" after a closing quote, want a comma`},
		{"quote within field", head + "1,a\"b\",down\n", "f:2:4: quote within a field, want quotes around the whole field"},
		{"lanl field too few", lanlHead + "\n" + lanlLine + "\n31,cluster\n", "f:3:11: 2 fields, want 26"},
		{"lanl field too many", lanlHead + "\n" + lanlLine + ",\n", "f:2:109: 27 fields, want 26"},
		{"lanl cut", lanlHead + "\n" + lanlLine + "\n31,clu", "f:3:7: file ends within a record: 2 fields, want 26"},
		{"lanl cut in last field", lanlHead + "\n" + strings.TrimSuffix(lanlLine, "o"),
			`f:2:106: file ends within a record: Same Event is "N", want No or Yes and a newline`},
		{"mostly dropped", head + "1,a,down\n2,,up\nx,a,up\n4,a,on\ny,b,up\n",
			`trace: f: 4 of 5 records dropped, 2 for "time is neither seconds nor RFC 3339" (lines 4, 6), want at most half dropped`},
		{"lanl all dropped", lanlHead + "\n" + strings.Replace(lanlLine, "4/1/2001 10:00", "", 1) + "\n",
			`trace: f: 1 of 1 records dropped, 1 for "no start" (line 2), want at most half dropped`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr, r, err := Read(strings.NewReader(c.in), "f")
			if err == nil || err.Error() != c.want {
				t.Errorf("\n got %v\nwant %s", err, c.want)
			}
			if tr != nil {
				t.Errorf("a trace beside error %v", err)
			}
			if r != nil {
				check(t, nil, r)
			}
		})
	}
}

// TestCutAnywhere cuts files of both forms at every byte: only a cut at the
// end of a line goes unnoticed.
func TestCutAnywhere(t *testing.T) {
	for _, whole := range []string{
		lanlHead + "\n" + lanlLine + "\n" + strings.Replace(lanlLine, "CPU", `"CPU, board"`, 1) + "\n",
		"time,subject,event\n1,a,down\n2,a,up\n3,a/b,lost\n",
	} {
		head := strings.IndexByte(whole, '\n') + 1
		for n := range whole {
			_, _, err := Read(strings.NewReader(whole[:n]), "f")
			atEnd := n > head && (whole[n-1] == '\n' || whole[n] == '\n')
			if (err == nil) != atEnd {
				t.Errorf("cut after %q: error %v", whole[max(0, n-20):n], err)
			}
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := Open(dir); err == nil || err.Error() != "trace: "+dir+": is a directory, want a file" {
		t.Errorf("directory: %v", err)
	}
	missing := filepath.Join(dir, "none.csv")
	if _, _, err := Open(missing); err == nil || err.Error() != "trace: open "+missing+": no such file or directory" {
		t.Errorf("missing: %v", err)
	}
	tr, r, err := Open(filepath.Join("testdata", "plain.csv"))
	if err != nil {
		t.Fatal(err)
	}
	check(t, tr, r)
	again, _ := fixture(t, "plain.csv")
	again.Name = tr.Name
	if !reflect.DeepEqual(tr, again) {
		t.Error("Open and Read differ")
	}
}

// TestForms feeds each reader the other's form.
func TestForms(t *testing.T) {
	_, _, err := ReadCSV(strings.NewReader(lanlHead+"\n"+lanlLine+"\n"), "f")
	if want := "f:1:1: header lacks time, subject, event, want time,subject,event"; err == nil || err.Error() != want {
		t.Errorf("ReadCSV of LANL: %v, want %s", err, want)
	}
	_, _, err = ReadLANL(strings.NewReader("time,subject,event\n"), "f")
	if err == nil || !strings.HasPrefix(err.Error(), `f:1:1: header lacks "System", "machine type", "nodes", `) {
		t.Errorf("ReadLANL of the plain form: %v", err)
	}
}

// TestDigest: the SHA-256 of "time,subject,event\n0,a,up\n" is from sha256sum.
func TestDigest(t *testing.T) {
	tr, _, err := Read(strings.NewReader("time,subject,event\n0,a,up\n"), "f")
	if err != nil {
		t.Fatal(err)
	}
	if want := "34eb3a5551f932fc9cb96738529ede7cda5395c59477874374eb0228debd577f"; tr.Digest != want {
		t.Errorf("digest %s, want %s", tr.Digest, want)
	}
}

func TestParseClock(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"1/2/2003 4:05", "2003-01-02T04:05:00Z"},
		{"12/31/1999 23:59", "1999-12-31T23:59:00Z"},
		{"02/29/00 00:00", "2000-02-29T00:00:00Z"},
		{"1/1/69 0:00", "1969-01-01T00:00:00Z"},
		{"1/1/68 0:00", "2068-01-01T00:00:00Z"},
		{"2/29/2001 0:00", ""},
		{"0/1/2001 0:00", ""},
		{"1/0/2001 0:00", ""},
		{"13/1/2001 0:00", ""},
		{"1/1/2001 24:00", ""},
		{"1/1/2001 0:60", ""},
		{"1/1/2001 0:6", ""},
		{"1/1/201 0:00", ""},
		{"1/1/1901 0:00", ""},
		{"1/1/9999 0:00", ""},
		{"001/1/2001 0:00", ""},
		{"1/1/2001", ""},
		{"1/1 0:00", ""},
		{"-1/1/2001 0:00", ""},
		{"2001-01-01 0:00", ""},
		{"", ""},
	} {
		got := ""
		if at, ok := parseClock([]byte(c.in)); ok {
			got = time.UnixMicro(int64(at)).UTC().Format(time.RFC3339)
		}
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

func TestParseMonth(t *testing.T) {
	for _, c := range []struct{ in, start, end string }{
		{"Nov-96", "1996-11-01", "1996-12-01"},
		{"Dec-99", "1999-12-01", "2000-01-01"},
		{"Jan-00", "2000-01-01", "2000-02-01"},
		{"2-Mar", "2002-03-01", "2002-04-01"},
		{"12-dec", "2012-12-01", "2013-01-01"},
		{"current", "", ""},
		{"before tracking", "", ""},
		{"", "", ""},
		{"Foo-96", "", ""},
		{"Nov-Dec", "", ""},
		{"Nov-1996", "", ""},
		{"123-Nov", "", ""},
	} {
		start, end, ok := parseMonth([]byte(c.in))
		got := [2]string{}
		if ok {
			got[0] = time.UnixMicro(int64(start)).UTC().Format(time.DateOnly)
			got[1] = time.UnixMicro(int64(end)).UTC().Format(time.DateOnly)
		}
		if got != [2]string{c.start, c.end} {
			t.Errorf("%q: %v, want %s to %s", c.in, got, c.start, c.end)
		}
	}
}

func TestParseTime(t *testing.T) {
	for _, c := range []struct {
		in      string
		at      env.Time
		rfc, ok bool
	}{
		{"0", 0, false, true},
		{"1.5", 1_500_000, false, true},
		{"0.0000019", 1, false, true},
		{"999999999999.999999", 999_999_999_999_999_999, false, true},
		{"1970-01-01T00:00:01.25Z", 1_250_000, true, true},
		{"1969-12-31T23:00:00-01:00", 0, true, true},
		{"1000000000000", 0, false, false},
		{"1.", 0, false, false},
		{".5", 0, false, false},
		{"1e3", 0, false, false},
		{"+1", 0, false, false},
		{"-1", 0, false, false},
		{"inf", 0, false, false},
		{" 1", 0, false, false},
		{"", 0, false, false},
		{"2024-13-01T00:00:00Z", 0, false, false},
	} {
		at, rfc, ok := parseTime(c.in)
		if ok != c.ok || ok && (at != c.at || rfc != c.rfc) {
			t.Errorf("%q: %d, %v, %v, want %d, %v, %v", c.in, at, rfc, ok, c.at, c.rfc, c.ok)
		}
	}
}

// TestMerge compares merge with a line of cells: [2a, 2b] closed, so that
// touching spells join.
func TestMerge(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var cells [120]bool
		var spells []spell
		lost := map[env.Time]bool{}
		for i := range 1 + rng.IntN(8) {
			a := env.Time(rng.IntN(50))
			b := a + 1 + env.Time(rng.IntN(8))
			s := spell{Outage{Start: a, End: b, Cause: Cause(rng.IntN(6)), Lost: rng.IntN(4) == 0}, i}
			if s.Lost {
				lost[a] = true
			}
			spells = append(spells, s)
			for c := 2 * a; c <= 2*b; c++ {
				cells[c] = true
			}
		}
		var want []Outage
		for c := env.Time(0); c < 120; c++ {
			if !cells[c] || c > 0 && cells[c-1] {
				continue
			}
			o := Outage{Start: c / 2}
			first := slices.IndexFunc(spells, func(s spell) bool { return s.Start == o.Start })
			o.Cause = spells[first].Cause
			for ; cells[c]; c++ {
				o.Lost = o.Lost || c%2 == 0 && lost[c/2]
			}
			o.End = (c - 1) / 2
			want = append(want, o)
		}
		merged := 0
		got := merge(slices.Clone(spells), func(int) { merged++ })
		if !slices.Equal(got, want) || merged != len(spells)-len(want) {
			t.Fatalf("merge of %v:\n got %v, %d merged\nwant %v", spells, got, merged, want)
		}
	}
}

// TestWindow compares Window with a walk over all outages.
func TestWindow(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	s := System{Name: "w", NodeCount: 3, End: 1000, Nodes: []Node{{Name: "a", End: 1000}, {Name: "b", Start: 5, End: 900}}}
	for at := env.Time(0); at < 980; at += 1 + env.Time(rng.IntN(20)) {
		o := Outage{Start: at, Cause: Cause(rng.IntN(6)), Lost: rng.IntN(2) == 0}
		at += 1 + env.Time(rng.IntN(20))
		o.End = at
		s.Nodes[0].Outages = append(s.Nodes[0].Outages, o)
	}
	for range 5000 {
		from, length := env.Time(rng.IntN(1100)), env.Time(rng.IntN(300))
		if rng.IntN(50) == 0 {
			length = env.Never
		}
		want := []Outage{{Start: -1}}
		for _, o := range s.Nodes[0].Outages {
			start, end := o.Start-from, min(o.End-from, length)
			if o.Start = max(start, 0); o.Start < end {
				o.End = end
				want = append(want, o)
			}
		}
		if got := s.Window([]Outage{{Start: -1}}, 0, from, length); !slices.Equal(got, want) {
			t.Fatalf("window from %d for %d:\n got %v\nwant %v", from, length, got, want)
		}
	}
	if got := s.Window(nil, 1, 0, 1000); got != nil {
		t.Errorf("node without outages: %v", got)
	}
	if got := s.Window(nil, 2, 0, 1000); got != nil {
		t.Errorf("unseen node: %v", got)
	}
	buf := make([]Outage, 0, 100)
	if n := testing.AllocsPerRun(100, func() { buf = s.Window(buf[:0], 0, 300, 300) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
	if got := []string{s.NodeName(0), s.NodeName(2)}; !slices.Equal(got, []string{"a", "unseen-1"}) {
		t.Errorf("names %v", got)
	}
	for i, want := range [][2]env.Time{{0, 1000}, {5, 900}, {0, 1000}} {
		if start, end := s.Observed(i); start != want[0] || end != want[1] {
			t.Errorf("node %d observed %d to %d, want %v", i, start, end, want)
		}
	}
	for _, c := range []struct {
		want string
		call func()
	}{
		{`trace: node 3 of system "w", want 0 to 2`, func() { s.Window(nil, 3, 0, 1) }},
		{"trace: window from -1 for 5 us, want neither negative", func() { s.Window(nil, 0, -1, 5) }},
	} {
		func() {
			defer func() {
				if got := recover(); got != c.want {
					t.Errorf("panic %v, want %s", got, c.want)
				}
			}()
			c.call()
		}()
	}
}

func TestSelect(t *testing.T) {
	tr, _ := fixture(t, "lanl.csv")
	sel, err := tr.Select([]string{"33", "31"})
	if err != nil {
		t.Fatal(err)
	}
	if len(sel.Systems) != 2 || sel.Systems[0].Name != "33" || sel.Systems[1].Name != "31" || len(tr.Systems) != 3 {
		t.Errorf("selected %v", sel.Systems)
	}
	if sel.Digest != tr.Digest || !sel.Epoch.Equal(tr.Epoch) {
		t.Error("digest or epoch changed")
	}
	for _, c := range []struct {
		names []string
		want  string
	}{
		{nil, "trace: lanl.csv: no system selected, want at least one"},
		{[]string{"31", "8"}, `trace: lanl.csv: no system "8", want one of 31, 32, 33`},
		{[]string{"31", "31"}, `trace: lanl.csv: system "31" selected twice, want it once`},
	} {
		if _, err := tr.Select(c.names); err == nil || err.Error() != c.want {
			t.Errorf("%v: %v, want %s", c.names, err, c.want)
		}
	}
}

func TestCompareNames(t *testing.T) {
	names := []string{"0", "2", "10", "010", "", "a", "a10", "a2", "b"}
	for i, a := range names {
		for j, b := range names {
			if got := compareNames(a, b); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%q and %q: %d", a, b, got)
			}
		}
	}
}

// TestSummary: in system s two nodes fail 120 s apart (a burst), one 121 s
// later (none); outages last 60, 120 and 600 s and two are cut by the end; four
// nodes are observed for a year of 31,556,952 s and the second that the outage
// at its end is given.
func TestSummary(t *testing.T) {
	tr, _, err := Read(strings.NewReader(`time,subject,event
0,s/d,up
100,s/a,down
160,s/a,up
220,s/b,down
340,s/b,up
341,s/c,lost
941,s/c,up
950,s/a,down
950,z,down
31556952,s/b,down
31556952,z,up
`), "f")
	if err != nil {
		t.Fatal(err)
	}
	got := tr.Summary()
	const y = 1 + 1.0/31556952 // the last outage is given a second
	want := SystemSummary{
		Name: "s", Records: 9, Nodes: 4, NodesFailed: 3, Outages: 5, Lost: 1, Open: 2,
		SpanYears: y, NodeYears: 4 * y, OutagesPerNodeYear: 5 / (4 * y),
		RepairMinutesMean: 13.0 / 3, RepairMinutesMedian: 2, BurstShare: 2.0 / 5,
	}
	if len(got.Systems) != 2 {
		t.Fatalf("systems %+v", got.Systems)
	}
	near(t, got.Systems[1], want)
	pooled := SystemSummary{
		Name: "all", Records: 11, Nodes: 5, NodesFailed: 4, Outages: 6, Lost: 1, Open: 2,
		SpanYears: y, NodeYears: 5 * y, OutagesPerNodeYear: 6 / (5 * y),
		RepairMinutesMean: (13 + (31556952-950)/60.0) / 4, RepairMinutesMedian: 6, BurstShare: 2.0 / 6,
	}
	near(t, got.All, pooled)
}

// near compares summaries, floats within 1e-9 of their size.
func near(t *testing.T, got, want SystemSummary) {
	t.Helper()
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range g.NumField() {
		a, b := g.Field(i).Interface(), w.Field(i).Interface()
		if x, ok := a.(float64); ok {
			y := b.(float64)
			if d := x - y; d < 0 && -d <= 1e-9*y || d >= 0 && d <= 1e-9*y {
				continue
			}
		}
		if a != b {
			t.Errorf("%s %s: %v, want %v", got.Name, g.Type().Field(i).Name, a, b)
		}
	}
}

// TestBursts compares countBursts with all pairs.
func TestBursts(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 1000 {
		b := make([]begin, rng.IntN(12))
		for i := range b {
			b[i] = begin{env.Time(rng.IntN(20)) * env.Minute, rng.IntN(3)}
		}
		want := 0
		for _, x := range b {
			if slices.ContainsFunc(b, func(y begin) bool {
				return x.node != y.node && x.at-y.at <= burstWindow && y.at-x.at <= burstWindow
			}) {
				want++
			}
		}
		if got := countBursts(slices.Clone(b)); got != want {
			t.Fatalf("%v: %d, want %d", b, got, want)
		}
	}
}

func TestCauseString(t *testing.T) {
	for i, c := range columnCause {
		if want := strings.Fields(strings.ToLower(lanlColumns[colFacilities+i]))[0]; c.String() != want {
			t.Errorf("column %q is %v", lanlColumns[colFacilities+i], c)
		}
	}
	if got := Cause(9).String(); got != "Cause(9)" {
		t.Errorf("Cause(9) is %s", got)
	}
}

func ExampleRead() {
	in := strings.NewReader(`time,subject,event
0,rack1/a,up
30,rack1/b,down
90,rack1/b,up
200,rack1/b,lost
`)
	t, report, err := Read(in, "mine.csv")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report)
	s := &t.Systems[0]
	for i := range s.NodeCount {
		for _, o := range s.Window(nil, i, 60*env.Second, 300*env.Second) {
			fmt.Println(s.NodeName(i), o.Start.Seconds(), o.End.Seconds(), o.Lost)
		}
	}
	// Output:
	// mine.csv: 4 records: 3 used, 1 repaired, 0 dropped
	// repaired 1: still down at the end: down until the trace ends (line 5)
	// note 1: a subject's first event is up: up since the start (line 2)
	// b 0 30 false
	// b 140 141 true
}

// TestHalves: the halves of a system meet in its middle, and what is replayed of
// either is what happened then.
func TestHalves(t *testing.T) {
	s := System{Name: "a", NodeCount: 1, Start: 10, End: 31, Nodes: []Node{{Name: "x", Start: 10, End: 31, Outages: []Outage{{Start: 12, End: 14}, {Start: 19, End: 25}}}}}
	first, second := s.Halves()
	if first.Name == second.Name || first.Start != 10 || first.End != 20 || second.Start != 20 || second.End != 31 {
		t.Fatalf("halves %s from %d to %d, %s from %d to %d, want 10 to 20 and 20 to 31", first.Name, first.Start, first.End, second.Name, second.Start, second.End)
	}
	a := first.Window(nil, 0, first.Start, first.End-first.Start)
	b := second.Window(nil, 0, second.Start, second.End-second.Start)
	if len(a) != 2 || a[1].Start != 9 || a[1].End != 10 || len(b) != 1 || b[0].Start != 0 || b[0].End != 5 {
		t.Errorf("outages %v and %v, want the second one cut at 20", a, b)
	}
	if s.Name != "a" || s.End != 31 {
		t.Errorf("the system has become %s to %d", s.Name, s.End)
	}
}
