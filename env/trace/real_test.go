package trace

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// realFile is the LANL failure file, which is not part of mend. A relative
// MEND_TRACE_DIR counts from the root of the module.
func realFile(tb testing.TB) string {
	dir := os.Getenv("MEND_TRACE_DIR")
	if dir == "" {
		tb.Skip("MEND_TRACE_DIR is not set: the real LANL failure file is not read")
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join("..", "..", dir)
	}
	return filepath.Join(dir, "lanl", "lanl_failures.csv")
}

// TestRealLANL reads a sample of the LANL failure file: 16,736 of its 23,739
// records, the rest being held back where the sample was made. All numbers
// here are of that sample, computed once by a separate program (Python: its
// csv module, calendar arithmetic by datetime, outages as sets of half
// minutes), so they differ from the figures for the whole file, such as a mean
// time to repair of 354.2 min and 14.3 % of failures in bursts.
func TestRealLANL(t *testing.T) {
	tr, r, err := Open(realFile(t))
	if err != nil {
		t.Fatal(err)
	}
	check(t, tr, r)
	if r.Records != 16736 || r.Used != 16368 || r.Repaired != 228 || r.Dropped != 140 {
		t.Errorf("%d records, %d used, %d repaired, %d dropped, want 16736, 16368, 228, 140",
			r.Records, r.Used, r.Repaired, r.Dropped)
	}
	type tallied struct {
		reason  string
		records int
	}
	for _, c := range []struct {
		what string
		got  []Count
		want []tallied
	}{
		// All 120 zero-length records have a Down Time of 0.
		{"repairs", r.Repairs, []tallied{{reasonText[fixZeroMinute], 120}, {reasonText[fixOverlap], 108}}},
		// Those of system 17, of which nothing but times and causes is known.
		{"drops", r.Drops, []tallied{{reasonText[dropNoNode], 126}, {reasonText[dropDuplicate], 14}}},
		// 17 of the 18 cross a change of daylight saving in Denver, and their
		// Down Time is right by that clock.
		{"notes", r.Notes, []tallied{{reasonText[noteMinute], 394}, {reasonText[noteHour], 18}, {reasonText[noteNodeZ], 1},
			{reasonText[noteNodeHigh], 126}, {reasonText[noteDates], 530}, {reasonText[noteNoCause], 121}}},
	} {
		var got []tallied
		for _, x := range c.got {
			got = append(got, tallied{x.Reason, x.Records})
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}

	sum := tr.Summary()
	if len(sum.Systems) != 18 {
		t.Errorf("%d systems, want 18", len(sum.Systems))
	}
	if a := sum.All; a.Outages != 16488 || a.Lost != 250 || a.Open != 0 || a.RepairMinutesMedian != 59 ||
		!about(a.RepairMinutesMean, 309.16690926734594) || !about(a.BurstShare, 2527.0/16488) {
		t.Errorf("all: %+v", a)
	}
	want := map[string]SystemSummary{
		"2":  {Nodes: 49, Outages: 7041, RepairMinutesMedian: 53, RepairMinutesMean: 136.5639823888652, BurstShare: 2015.0 / 7041},
		"14": {Nodes: 128, Outages: 125, RepairMinutesMedian: 15, RepairMinutesMean: 5911.864, BurstShare: 22.0 / 125},
		"18": {Nodes: 1024, Outages: 3976, RepairMinutesMedian: 58, RepairMinutesMean: 179.18863179074447, BurstShare: 226.0 / 3976, OutagesPerNodeYear: 1.155260531369169},
		"20": {Nodes: 512, Outages: 2461, RepairMinutesMedian: 75, RepairMinutesMean: 207.29906542056074, BurstShare: 184.0 / 2461, OutagesPerNodeYear: 1.273481909101064},
		"24": {Nodes: 1, Outages: 151, RepairMinutesMedian: 95, RepairMinutesMean: 385.49668874172187},
	}
	for _, s := range sum.Systems {
		w, ok := want[s.Name]
		if !ok {
			continue
		}
		delete(want, s.Name)
		if s.Nodes != w.Nodes || s.Outages != w.Outages || s.RepairMinutesMedian != w.RepairMinutesMedian ||
			!about(s.RepairMinutesMean, w.RepairMinutesMean) || !about(s.BurstShare, w.BurstShare) ||
			w.OutagesPerNodeYear > 0 && !about(s.OutagesPerNodeYear, w.OutagesPerNodeYear) {
			t.Errorf("system %s: %+v, want %+v", s.Name, s, w)
		}
	}
	if len(want) > 0 {
		t.Errorf("systems not found: %v", want)
	}
	if got := tr.Epoch.Format("2006-01-02 15:04"); got != "1995-05-19 21:55" {
		t.Errorf("epoch %s, want 1995-05-19 21:55", got)
	}
}

func about(got, want float64) bool {
	return got-want <= 1e-9*want && want-got <= 1e-9*want
}

// TestRealMemory bounds what reading 2 MB of failures allocates, all in all,
// and what the trace keeps. Measured: 10.1 MB and 0.6 MB.
func TestRealMemory(t *testing.T) {
	path := realFile(t)
	var before, after, kept runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	tr, _, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	runtime.GC()
	runtime.ReadMemStats(&kept)
	runtime.KeepAlive(tr)
	allocated, live := after.TotalAlloc-before.TotalAlloc, int64(kept.HeapAlloc)-int64(before.HeapAlloc)
	t.Logf("%d bytes allocated, %d kept", allocated, live)
	if allocated > 16<<20 || live > 2<<20 {
		t.Errorf("%d bytes allocated, %d kept, want at most %d and %d", allocated, live, 16<<20, 2<<20)
	}
}

// BenchmarkLANL reads the file from memory; 16,736 records are some 2 MB.
func BenchmarkLANL(b *testing.B) {
	data, err := os.ReadFile(realFile(b))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Read(strings.NewReader(string(data)), "f"); err != nil {
			b.Fatal(err)
		}
	}
}
