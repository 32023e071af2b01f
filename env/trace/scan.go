package trace

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// maxLine is the longest line read, in bytes. LANL's longest is below 300.
const maxLine = 64 << 10

// scanner reads lines of comma-separated fields. Fields are bytes, not
// decoded, and valid until the next line. Unlike encoding/csv it bounds the
// length of a line, ends every quote on its line and tells whether the last
// line ended in a newline.
type scanner struct {
	name   string
	in     *bufio.Reader
	sum    hash.Hash
	line   int      // number of the current line, from 1
	raw    []byte   // the line without its ending
	fields [][]byte // what lies between its commas, without quotes
	cols   []int    // where each field starts, in bytes from 1
	cut    bool     // no newline after the line
}

func newScanner(r io.Reader, name string) *scanner {
	sum := sha256.New()
	return &scanner{name: name, sum: sum, in: bufio.NewReaderSize(io.TeeReader(r, sum), maxLine+2)}
}

// digest is the hex SHA-256 of all bytes, once next has returned false.
func (s *scanner) digest() string { return hex.EncodeToString(s.sum.Sum(nil)) }

// errorf gives an error at column col of the current line.
func (s *scanner) errorf(col int, format string, args ...any) error {
	return fmt.Errorf("%s:%d:%d: %w", s.name, s.line, col, fmt.Errorf(format, args...))
}

// next reads the next line that is not empty and splits it. It returns false
// at the end of the file.
func (s *scanner) next() (bool, error) {
	for {
		s.line++
		raw, err := s.in.ReadSlice('\n')
		text := bytes.TrimSuffix(bytes.TrimSuffix(raw, []byte("\n")), []byte("\r"))
		switch {
		case len(text) > maxLine || errors.Is(err, bufio.ErrBufferFull):
			return false, s.errorf(maxLine+1, "line longer than %d bytes, want a text file of short lines", maxLine)
		case err == io.EOF && len(raw) == 0:
			return false, nil
		case err != nil && err != io.EOF:
			return false, s.errorf(1, "%w", err)
		}
		s.cut = err == io.EOF
		if s.line == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		for i, b := range text {
			if b < ' ' && b != '\t' || b == 0x7f {
				return false, s.errorf(i+1, "byte 0x%02x, want text", b)
			}
		}
		if len(text) > 0 {
			s.raw = text
			return true, s.split()
		}
	}
}

// split cuts raw at its commas. Quotes may enclose a whole field and hold
// commas and doubled quotes; anywhere else they are an error.
func (s *scanner) split() error {
	s.fields, s.cols = s.fields[:0], s.cols[:0]
	for i := 0; ; {
		s.cols = append(s.cols, i+1)
		if i < len(s.raw) && s.raw[i] == '"' {
			field, n := unquote(s.raw[i:])
			switch {
			case n < 0 && s.cut:
				return s.errorf(i+1, "file ends within quotes, want a closing quote")
			case n < 0:
				return s.errorf(i+1, "quote without end, want a closing quote on the same line")
			case i+n < len(s.raw) && s.raw[i+n] != ',':
				return s.errorf(i+n+1, "%q after a closing quote, want a comma", s.raw[i+n:i+n+1])
			}
			s.fields = append(s.fields, field)
			i += n
		} else {
			n := bytes.IndexByte(s.raw[i:], ',')
			if n < 0 {
				n = len(s.raw) - i
			}
			field := s.raw[i : i+n]
			if q := bytes.IndexByte(field, '"'); q >= 0 {
				return s.errorf(i+q+1, "quote within a field, want quotes around the whole field")
			}
			s.fields = append(s.fields, field)
			i += n
		}
		if i == len(s.raw) {
			return nil
		}
		i++ // the comma
	}
}

// unquote returns the content of the quoted field that b starts with, and its
// length with quotes, or -1 where it does not end.
func unquote(b []byte) (field []byte, n int) {
	doubled := false
	for i := 1; i < len(b); i++ {
		switch {
		case b[i] != '"':
		case i+1 < len(b) && b[i+1] == '"':
			doubled = true
			i++
		default:
			field = b[1:i]
			if doubled {
				field = bytes.ReplaceAll(field, []byte(`""`), []byte(`"`))
			}
			return field, i + 1
		}
	}
	return nil, -1
}

// want checks the number of fields of a record.
func (s *scanner) want(n int) error {
	got := len(s.fields)
	switch {
	case got > n:
		return s.errorf(s.cols[n], "%d fields, want %d", got, n)
	case got < n && s.cut:
		return s.errorf(len(s.raw)+1, "file ends within a record: %d fields, want %d", got, n)
	case got < n:
		return s.errorf(len(s.raw)+1, "%d fields, want %d", got, n)
	}
	return nil
}

// excerpt is the start of b, for a message of one line.
func excerpt(b []byte) string {
	const most = 60
	if len(b) > most {
		return fmt.Sprintf("%q...", b[:most])
	}
	return fmt.Sprintf("%q", b)
}
