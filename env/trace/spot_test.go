package trace

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"mend/env"
)

// TestSpot: samples are 2.5 s apart, and two instances are wanted.
func TestSpot(t *testing.T) {
	tr, r := fixture(t, "spot.json")
	equalText(t, "trace", dump(tr), `spot 0001-01-01T00:00:00Z
system default "": 2 nodes, 8 records, 0 to 20
  0, 0 to 20
    0 to 2.5 undetermined lost
    10 to 15 undetermined lost
  1, 0 to 20
    0 to 2.5 undetermined lost
    7.5 to 15 undetermined lost
    17.5 to 20 undetermined lost open
`)
	equalText(t, "report", r.String(), "spot.json: 8 records: 8 used, 0 repaired, 0 dropped")
}

// TestOutages: one record each is out of order and of no length, overlaps
// another, ends before it starts, has a status, a time and a service that are
// none.
func TestOutages(t *testing.T) {
	tr, r := fixture(t, "outages.csv")
	equalText(t, "trace", dump(tr), `outages 0001-01-01T00:00:00Z
system default "": 2 nodes, 4 records, 0 to 9200
  git, 0 to 9200
    0 to 4042.5 undetermined
    4500 to 4501 undetermined
  pages, 0 to 9200
    5000 to 7000 undetermined
system eu "": 1 nodes, 1 records, 0 to 9200
  git, 0 to 9200
    9000 to 9200 undetermined
`)
	equalText(t, "report", r.String(), `outages.csv: 9 records: 3 used, 2 repaired, 4 dropped
repaired 1: up at the instant of down: given one second (line 5)
repaired 1: overlaps or touches an earlier outage of its node: merged (line 4)
dropped 1: subject is not a name (line 9)
dropped 1: start or end is not a time in seconds (line 8)
dropped 1: end before start (line 6)
dropped 1: status is not a share from 0 to 1 (line 7)`)
}

func TestSpotAndOutageErrors(t *testing.T) {
	const head = "start_time,end_time,status,service\n"
	for _, c := range []struct{ in, want string }{
		{`{"metadata":{"gap_seconds":1},"data":[1,2`, `f:1:41: unexpected end of JSON input, want {"metadata":{"gap_seconds":g},"data":[n,...]}`},
		{"{\"metadata\":{\"gap_seconds\":1},\n\"data\":[1,x]}", `f:2:11: invalid character 'x' looking for beginning of value, want {"metadata":{"gap_seconds":g},"data":[n,...]}`},
		{`{"metadata":{"gap_seconds":1},"data":[1,0.5]}`, `f:1:43: data is a "number 0.5", want {"metadata":{"gap_seconds":g},"data":[n,...]}`},
		{`{"metadata":{"gap_seconds":1},"data":[1,null]}`, `f:1:1: data[1] is null, want 0 to 10000`},
		{`{"metadata":{"gap_seconds":1},"data":[-1]}`, `f:1:1: data[0] is -1, want 0 to 10000`},
		{`{"metadata":{"gap_seconds":1},"data":[0,0]}`, `f:1:1: no instance in any of 2 samples, want at least one`},
		{`{"metadata":{"gap_seconds":1},"data":[]}`, `f:1:1: no instance in any of 0 samples, want at least one`},
		{`{"data":[1]}`, `f:1:1: metadata.gap_seconds is 0 for 1 samples, want seconds > 0, of at most 1e12 in all`},
		{`{"metadata":{"gap_seconds":1e12},"data":[1,1]}`, `f:1:1: metadata.gap_seconds is 1e+12 for 2 samples, want seconds > 0, of at most 1e12 in all`},
		{"start_time,end_time,service\n", `f:1:1: header "start_time,end_time,service", want start_time,end_time,status,service`},
		{head, "f:2:1: file ends after the header, want at least one record"},
		{head + "1,2,0.5\n", "f:2:8: 3 fields, want 4"},
		{head + "1,2,0.5,gi", "f:2:11: file ends within a record, want a newline"},
		{head + "2,1,0.5,git\n", `trace: f: 1 of 1 records dropped, 1 for "end before start" (line 2), want at most half dropped`},
	} {
		tr, _, err := Read(strings.NewReader(c.in), "f")
		if err == nil || err.Error() != c.want || tr != nil {
			t.Errorf("%q:\n got %v\nwant %s", c.in, err, c.want)
		}
	}
}

func FuzzOutages(f *testing.F) {
	f.Add([]byte("1,2,0.5,a/b\n0,1e3,0,a\n"))
	fuzz(f, "outages.csv", ReadOutages)
}

// FuzzSpot: whatever the bytes, they give an error of one line or a trace that
// keeps its promises, and of which the number of instances away at a time says
// how many ran.
func FuzzSpot(f *testing.F) {
	b, err := os.ReadFile(filepath.Join("testdata", "spot.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"metadata":{"gap_seconds":1e-6},"data":[3,0,3]}`))
	f.Add([]byte(`{"metadata":{"gap_seconds":1e300},"data":[1]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		tr, r, err := ReadSpot(bytes.NewReader(b), "f")
		if err != nil {
			if tr != nil || strings.ContainsAny(err.Error(), "\n\r\x00") {
				t.Errorf("trace %v beside error %q", tr, err)
			}
			return
		}
		check(t, tr, r)
		again, _, err := ReadSpot(bytes.NewReader(b), "f")
		if err != nil || !reflect.DeepEqual(tr, again) {
			t.Errorf("read twice: error %v, or different", err)
		}
		s := &tr.Systems[0]
		for i := range s.NodeCount {
			if got := s.Window(nil, i, 0, env.Never); !slices.Equal(got, s.Nodes[i].Outages) {
				t.Errorf("window of everything: %v, want %v", got, s.Nodes[i].Outages)
			}
		}
	})
}

// TestRealSpot and TestRealOutages read the files that MEND_TRACE_DIR has, see
// realFile. The numbers of samples, instances and outages were counted once by
// a separate program.
func TestRealSpot(t *testing.T) {
	dir := filepath.Join(filepath.Dir(realFile(t)), "..", "spot")
	for _, x := range []struct {
		file                        string
		samples, instances, outages int
		end                         env.Time
	}{
		{"availability/1-node/aws-02-15-2023/us-east-1a_v100_1.json", 20158, 1, 254, 20158 * 195 * env.Second},
		{"preemption/1-node/aws-04-22-2023/us-west-2c_v100_1.json", 19961, 1, 58, 19961 * 32 * env.Second},
		{"preemption/4-node/aws-08-03-2023/us-west-2c_v100_1.json", 5131, 4, 330, 5131 * 300 * env.Second},
	} {
		tr, r, err := Open(filepath.Join(dir, x.file))
		if err != nil {
			t.Fatal(err)
		}
		check(t, tr, r)
		s := &tr.Systems[0]
		outages := 0
		for _, n := range s.Nodes {
			outages += len(n.Outages)
		}
		if r.Used != x.samples || s.NodeCount != x.instances || outages != x.outages || s.End != x.end {
			t.Errorf("%s: %d samples, %d instances, %d outages, %d us, want %+v", x.file, r.Used, s.NodeCount, outages, s.End, x)
		}
	}
}

func TestRealOutages(t *testing.T) {
	dir := filepath.Join(filepath.Dir(realFile(t)), "..", "cloud_uptime")
	for _, x := range []struct {
		file      string
		outages   int
		end, down env.Time
	}{
		{"github-status_global-status_operator_reported.csv", 230, 139730538 * env.Second, 3404347 * env.Second},
		{"slack_global-status_operator_reported.csv", 261, 115171200 * env.Second, 14666704 * env.Second},
	} {
		tr, r, err := Open(filepath.Join(dir, x.file))
		if err != nil {
			t.Fatal(err)
		}
		check(t, tr, r)
		s := &tr.Systems[0]
		down := env.Time(0)
		for _, o := range s.Nodes[0].Outages {
			down += o.End - o.Start
		}
		if s.NodeCount != 1 || r.Dropped > 0 || len(s.Nodes[0].Outages) != x.outages || s.End != x.end || down != x.down {
			t.Errorf("%s: %v, %d outages to %d, down for %d, want %+v", x.file, r, len(s.Nodes[0].Outages), s.End, down, x)
		}
	}
}
