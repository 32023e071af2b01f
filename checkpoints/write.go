package checkpoints

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"mend/checkpoints/internal/disk"
)

// Magic is what every checkpoint begins with.
const Magic = "\x89MENDC\r\n"

const (
	policyMagic = "\x89MENDP\r\n" // of checkpoints/policy, for a better error
	version     = 1
	sectionTag  = 'S'
	endTag      = 'E'
)

// Write stores a checkpoint at path, atomically and durably: whenever the
// process or the machine stops, path holds either what it held before or all of
// the checkpoint, and once Write has returned nil it holds the checkpoint.
func Write(path string, m Meta, sections ...Section) error {
	err := disk.Replace(path, func(w io.Writer) error { return encode(w, &m, sections) })
	if err != nil {
		return fmt.Errorf("checkpoints: write %q: %w", path, err)
	}
	return nil
}

// WriteFile stores data at path as durably as [Write] stores a checkpoint.
func WriteFile(path string, data []byte) error {
	err := disk.Replace(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return fmt.Errorf("checkpoints: write %q: %w", path, err)
	}
	return nil
}

// encode writes the file format; see format.md.
func encode(out io.Writer, m *Meta, sections []Section) error {
	meta, err := proto.MarshalOptions{Deterministic: true}.Marshal(m.message())
	if err != nil {
		return err
	}
	if uint64(len(meta)) > math.MaxUint32 {
		return fmt.Errorf("meta message of %d bytes, want at most %d", len(meta), uint32(math.MaxUint32))
	}
	names := make([]string, len(sections))
	for i, s := range sections {
		names[i] = s.Name
	}
	if err := checkNames(names); err != nil {
		return err
	}

	digest := sha256.New()
	w := bufio.NewWriterSize(io.MultiWriter(out, digest), 64<<10)
	head := append(make([]byte, 0, 16), Magic...)
	head = binary.LittleEndian.AppendUint32(head, version)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(meta)))
	w.Write(head) // a bufio.Writer keeps its first error for Flush
	w.Write(meta)
	for _, s := range sections {
		w.WriteByte(sectionTag)
		w.Write(binary.LittleEndian.AppendUint16(nil, uint16(len(s.Name))))
		w.WriteString(s.Name)
		w.Write(binary.LittleEndian.AppendUint64(nil, s.Size))
		data := counter{w: w}
		if err := s.Write(&data); err != nil {
			return err
		}
		if data.n != s.Size {
			return fmt.Errorf("section %q wrote %d bytes, it announced %d", s.Name, data.n, s.Size)
		}
	}
	w.WriteByte(endTag)
	if err := w.Flush(); err != nil {
		return err
	}
	_, err = out.Write(digest.Sum(nil))
	return err
}

// counter counts what passes to w.
type counter struct {
	w io.Writer
	n uint64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += uint64(n)
	return n, err
}

func checkNames(names []string) error {
	seen := make(map[string]bool, len(names))
	for i, name := range names {
		switch {
		case name == "":
			return fmt.Errorf("section %d has no name", i)
		case len(name) > math.MaxUint16:
			return fmt.Errorf("section %d has a name of %d bytes, want at most %d", i, len(name), math.MaxUint16)
		case !utf8.ValidString(name):
			return fmt.Errorf("section %d is called %q, want UTF-8", i, name)
		case seen[name]:
			return fmt.Errorf("two sections %q", name)
		}
		seen[name] = true
	}
	return nil
}
