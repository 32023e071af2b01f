package trace

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// Open reads the file at path in whichever form its header announces.
func Open(path string) (*Trace, *Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("trace: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("trace: %w", err)
	}
	if info.IsDir() {
		return nil, nil, fmt.Errorf("trace: %s: is a directory, want a file", path)
	}
	return Read(f, path)
}

// Read reads a trace in whichever form its header announces. Messages and the
// trace call it name. The report is there once the last line has been read,
// also where the file is then refused.
func Read(r io.Reader, name string) (*Trace, *Report, error) {
	in := bufio.NewReader(r)
	if first, err := in.Peek(1); err == nil && first[0] == '{' {
		return ReadSpot(in, name)
	}
	s := newScanner(in, name)
	if err := s.header(); err != nil {
		return nil, nil, err
	}
	_, lacking := lanlHeader(s.fields)
	plain, outages := 0, 0
	for _, f := range s.fields {
		if slices.Contains(plainColumns[:], columnName(f)) {
			plain++
		}
		if slices.Contains(outageColumns[:], columnName(f)) {
			outages++
		}
	}
	switch lanl := len(lanlColumns) - len(lacking); {
	case lanl > max(plain, outages):
		return readLANL(s)
	case outages > plain:
		return readOutages(s)
	case plain > 0:
		return readCSV(s)
	}
	return nil, nil, s.errorf(1, "header %s, want time,subject,event, start_time,end_time,status,service, or the columns of the LANL failure file (System, ..., Prob Started, ...)",
		excerpt(s.raw))
}

// header reads the first line that is not empty.
func (s *scanner) header() error {
	more, err := s.next()
	if err == nil && !more {
		s.line = 1
		err = s.errorf(1, "file is empty, want a header and records")
	}
	return err
}

// errNoRecords is the error where the file ends after the header.
func (s *scanner) errNoRecords() error {
	return s.errorf(1, "file ends after the header, want at least one record")
}

// columnName is the form in which names of columns are compared.
func columnName(field []byte) string {
	return strings.ToLower(string(bytes.TrimSpace(field)))
}
