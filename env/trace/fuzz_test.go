package trace

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"mend/env"
)

func FuzzLANL(f *testing.F) {
	f.Add([]byte(lanlLine + "\n" + strings.Replace(lanlLine, "11:00", "", 1)))
	f.Add([]byte(lanlLine + "\n" + lanlLine[:40]))
	f.Add([]byte(strings.ReplaceAll(lanlLine, "/2001", "/01") + "\r\n"))
	fuzz(f, "lanl.csv", ReadLANL)
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("2024-03-01T12:00:00+02:00,a,down\n2024-03-01T11:00:00Z,\"a\",up\n"))
	f.Add([]byte("9999-12-31T23:59:59Z,a/b,lost\n0000-01-01T00:00:00Z,a/b,up\n"))
	f.Add([]byte("999999999999.9999999,a,down\n0,a,lost\n1,a,up"))
	fuzz(f, "plain.csv", ReadCSV)
}

// fuzz feeds read and Read what follows a good header, and Read the same
// without one. Whatever the bytes, they give either an error of one line or a
// trace that keeps its promises, and the same each time. Seeds are pieces of a
// file of testdata.
func fuzz(f *testing.F, seeds string, read func(io.Reader, string) (*Trace, *Report, error)) {
	b, err := os.ReadFile(filepath.Join("testdata", seeds))
	if err != nil {
		f.Fatal(err)
	}
	lines := strings.SplitAfter(string(b), "\n")
	for piece := range slices.Chunk(lines[1:], 3) {
		f.Add([]byte(strings.Join(piece, "")))
	}
	f.Add([]byte(lines[0]))
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, _, err := Read(bytes.NewReader(body), "f"); err != nil && strings.ContainsAny(err.Error(), "\n\r\x00") {
			t.Errorf("error %q", err)
		}
		b := append([]byte(lines[0]), body...)
		tr, r, err := read(bytes.NewReader(b), "f")
		if err != nil {
			if tr != nil || strings.ContainsAny(err.Error(), "\n\r\x00") {
				t.Errorf("trace %v beside error %q", tr, err)
			}
			if r != nil {
				check(t, nil, r)
			}
			return
		}
		check(t, tr, r)
		again, r2, err := Read(bytes.NewReader(b), "f")
		if err != nil || !reflect.DeepEqual(tr, again) || !reflect.DeepEqual(r, r2) {
			t.Errorf("read twice: error %v, or different", err)
		}
		sum := tr.Summary()
		if sum.All.Records != r.Used+r.Repaired {
			t.Errorf("summary has %d records, want %d", sum.All.Records, r.Used+r.Repaired)
		}
		for i := range tr.Systems {
			s := &tr.Systems[i]
			for j := range s.Nodes {
				if got := s.Window(nil, j, 0, env.Never); !slices.Equal(got, s.Nodes[j].Outages) {
					t.Errorf("window of everything: %v, want %v", got, s.Nodes[j].Outages)
				}
			}
			s.Window(nil, s.NodeCount-1, s.Start, s.End-s.Start)
		}
	})
}
