package checkpoints

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"google.golang.org/protobuf/proto"

	"mend/checkpoints/internal/disk"
	"mend/checkpoints/internal/schema"
)

// Read verifies the checkpoint at path, every byte of it. It refuses a file that
// is not one, is of a newer version, is incomplete or was altered.
func Read(path string) (*Checkpoint, error) {
	f, size, err := disk.Open(path, "checkpoint file")
	if err == nil {
		defer f.Close()
		var c *Checkpoint
		if c, err = decode(f, size); err == nil {
			for i := range c.Sections {
				c.Sections[i].path = path
			}
			return c, nil
		}
	}
	return nil, fmt.Errorf("checkpoints: read %q: %w", path, err)
}

// decode reads a file of the given size and keeps of its sections where they
// are. Lengths are believed only as far as the file reaches, so no allocation
// exceeds it.
func decode(in io.Reader, size int64) (*Checkpoint, error) {
	d := decoder{in: bufio.NewReaderSize(in, 64<<10), left: size, digest: sha256.New()}
	d.header(size)
	c := &Checkpoint{}
	meta := d.take("meta message", uint64(d.uint32()))
	var names []string
	for d.err == nil {
		tag := d.take("section", 1)
		if d.err != nil || tag[0] == endTag {
			break
		}
		if tag[0] != sectionTag {
			d.fail(fmt.Errorf("damaged: byte %d is 0x%02x, want a section or the end", size-d.left-1, tag[0]))
			break
		}
		s := Stored{Name: string(d.take("section name", uint64(d.uint16())))}
		s.Size = d.uint64()
		s.offset = size - d.left
		s.digest = d.pass(fmt.Sprintf("section %q", s.Name), s.Size)
		c.Sections = append(c.Sections, s)
		names = append(names, s.Name)
	}
	d.trailer()
	if d.err != nil {
		return nil, d.err
	}
	if err := checkNames(names); err != nil {
		return nil, err
	}
	var m schema.Meta
	if err := proto.Unmarshal(meta, &m); err != nil {
		return nil, fmt.Errorf("meta message: %w", err)
	}
	c.Meta = metaOf(&m)
	return c, nil
}

// decoder reads fields and keeps the first error; later calls do nothing.
type decoder struct {
	in     *bufio.Reader
	left   int64 // bytes of the file not yet read
	digest hash.Hash
	err    error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// fits reports whether n bytes of what can follow, and fails where they cannot
// because the digest must come after them.
func (d *decoder) fits(what string, n uint64, after int64) bool {
	if d.err == nil && (d.left < after || n > uint64(d.left-after)) {
		d.err = fmt.Errorf("truncated or damaged: %s of %d bytes, %d left in the file", what, n, max(0, d.left-after))
	}
	return d.err == nil
}

// take reads n bytes.
func (d *decoder) take(what string, n uint64) []byte {
	if !d.fits(what, n, sha256.Size) {
		return nil
	}
	b := make([]byte, n)
	d.read(what, b)
	d.digest.Write(b)
	return b
}

// pass reads n bytes into the digest, and returns that of them alone.
func (d *decoder) pass(what string, n uint64) (sum [sha256.Size]byte) {
	if !d.fits(what, n, sha256.Size) {
		return sum
	}
	own := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(d.digest, own), d.in, int64(n)); err != nil {
		d.readFailed(what, err)
	}
	d.left -= int64(n)
	return [sha256.Size]byte(own.Sum(nil))
}

func (d *decoder) read(what string, b []byte) {
	if _, err := io.ReadFull(d.in, b); err != nil {
		d.readFailed(what, err)
	}
	d.left -= int64(len(b))
}

func (d *decoder) readFailed(what string, err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the file shrank while it was read")
	}
	d.fail(fmt.Errorf("%s: %w", what, disk.Bare(err)))
}

func (d *decoder) uint16() uint16 {
	if b := d.take("length", 2); d.err == nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (d *decoder) uint32() uint32 {
	if b := d.take("length", 4); d.err == nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if b := d.take("length", 8); d.err == nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) header(size int64) {
	if size == 0 {
		d.fail(errors.New("empty file, want a checkpoint"))
		return
	}
	start := make([]byte, min(size, int64(len(Magic))))
	d.read("magic", start)
	d.digest.Write(start)
	switch {
	case d.err != nil:
	case string(start) == policyMagic:
		d.fail(errors.New("is a policy, want a checkpoint"))
	case string(start) != Magic[:len(start)]:
		d.fail(errors.New("not a checkpoint: wrong magic bytes"))
	case len(start) < len(Magic):
		d.fail(fmt.Errorf("truncated: %d bytes, not even the magic bytes are complete", size))
	}
	b := d.take("format version", 4)
	if d.err != nil {
		return
	}
	if v := binary.LittleEndian.Uint32(b); v != version {
		d.fail(fmt.Errorf("format version %d, this build reads %d", v, version))
	}
}

// trailer checks that exactly the digest follows, and that it is right.
func (d *decoder) trailer() {
	if d.err != nil {
		return
	}
	if d.left != sha256.Size {
		d.fail(fmt.Errorf("damaged: %d bytes after the end marker, want a digest of %d", d.left, sha256.Size))
		return
	}
	got := make([]byte, sha256.Size)
	d.read("digest", got)
	if want := d.digest.Sum(nil); d.err == nil && string(got) != string(want) {
		d.fail(fmt.Errorf("damaged: the content has SHA-256 %x, want %x as recorded", want[:8], got[:8]))
	}
}
