// Package state writes and reads the state of worlds and agents as bytes.
//
// A type lists its fields once, in a method that takes a [*Codec]; the same
// list then serves AppendState and RestoreState, so the two cannot drift
// apart:
//
//	func (w *World) fields(c *state.Codec) {
//		state.Value(c, &w.now)
//		state.Fixed(c, w.position) // length is part of the configuration
//		state.Slice(c, &w.queue)   // length is part of the state
//	}
//
// [Append] and [Restore] hold the whole state in memory; [Size], [Write] and
// [Read] stream the same bytes through one buffer, for states too large to be
// held twice. Numbers are little-endian. Codec holds the first error; later
// calls do nothing.
package state

import (
	"fmt"
	"io"
	"slices"
	"unsafe"
)

// Number is what a Codec can carry.
type Number interface {
	~bool | ~int8 | ~uint8 | ~int16 | ~uint16 | ~int32 | ~uint32 | ~int64 | ~uint64 | ~float32 | ~float64
}

// chunk is the size of the buffer between a stream and the fields: large
// against the cost of a system call, small against the second-level cache.
const chunk = 64 << 10

// Codec carries fields to or from bytes.
type Codec struct {
	mode mode
	// buf holds, where appending, all bytes; where writing, those that w has
	// not yet got; where restoring, those that no field has yet taken.
	buf []byte
	w   io.Writer
	r   io.Reader // nil where buf is all there is to restore
	// spare is the storage behind buf where restoring from r.
	spare []byte
	// n counts, where counting, the bytes of the fields so far; where
	// restoring, the bytes that are still in r.
	n   uint64
	err error
}

type mode uint8

const (
	appending mode = iota
	counting
	writing
	restoring
)

// Append returns b followed by what fields writes.
func Append(b []byte, fields func(*Codec)) []byte {
	c := Codec{mode: appending, buf: b}
	fields(&c)
	if c.err != nil {
		panic(c.err) // writing fails only where fields itself is wrong
	}
	return c.buf
}

// Size is how many bytes Append appends and Write writes.
func Size(fields func(*Codec)) uint64 {
	c := Codec{mode: counting}
	fields(&c)
	if c.err != nil {
		panic(c.err) // as in Append
	}
	return c.n
}

// Write writes to w what Append would append, a chunk at a time.
func Write(w io.Writer, fields func(*Codec)) error {
	c := Codec{mode: writing, w: w, buf: make([]byte, 0, chunk)}
	fields(&c)
	c.flush()
	return c.err
}

// Restore lets fields read b, which it must use up exactly.
func Restore(b []byte, fields func(*Codec)) error {
	c := Codec{mode: restoring, buf: b}
	return c.restore(fields)
}

// Read lets fields read the next n bytes of r, which it must use up exactly, a
// chunk at a time. It takes no byte beyond them from r. A Slice is allocated
// only where the n bytes have room for it: n should be what the medium holds,
// not what an unchecked header claims.
func Read(r io.Reader, n uint64, fields func(*Codec)) error {
	c := Codec{mode: restoring, r: r, n: n, spare: make([]byte, min(n, chunk))}
	return c.restore(fields)
}

func (c *Codec) restore(fields func(*Codec)) error {
	fields(c)
	if c.err == nil && c.left() != 0 {
		c.err = fmt.Errorf("state: %d bytes left over", c.left())
	}
	return c.err
}

// Restoring reports whether fields are being read rather than written.
func (c *Codec) Restoring() bool { return c.mode == restoring }

// Fail makes the transfer fail with err unless it has already failed.
func (c *Codec) Fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// Err returns the first error.
func (c *Codec) Err() error { return c.err }

// Value carries one number.
func Value[T Number](c *Codec, p *T) {
	var one [1]T
	one[0] = *p
	Fixed(c, one[:])
	*p = one[0]
}

// Fixed carries the elements of s; its length is known to both sides.
func Fixed[T Number](c *Codec, s []T) {
	if c.err != nil || len(s) == 0 {
		return
	}
	size := int(unsafe.Sizeof(s[0]))
	n := len(s) * size
	switch c.mode {
	case counting:
		c.n += uint64(n)
	case restoring:
		if c.left() < uint64(n) {
			c.err = fmt.Errorf("state: %d bytes where %d are wanted", c.left(), n)
			return
		}
		for len(s) > 0 {
			b := c.take(len(s)*size, size)
			if c.err != nil {
				return
			}
			decode(s[:len(b)/size], b)
			s = s[len(b)/size:]
		}
	default:
		for len(s) > 0 {
			b := c.room(len(s)*size, size)
			if c.err != nil {
				return
			}
			encode(b, s[:len(b)/size])
			s = s[len(b)/size:]
		}
	}
}

// Slice carries the length of *s and its elements. Restoring keeps the backing
// array where it is large enough.
func Slice[T Number](c *Codec, s *[]T) {
	n := uint64(len(*s))
	Value(c, &n)
	if c.err != nil {
		return
	}
	if c.mode == restoring {
		var zero T
		if n > c.left()/uint64(unsafe.Sizeof(zero)) {
			c.err = fmt.Errorf("state: %d elements announced, %d bytes left", n, c.left())
			return
		}
		if uint64(cap(*s)) < n {
			*s = make([]T, n)
		}
		*s = (*s)[:n]
	}
	Fixed(c, *s)
}

// left is how many bytes are still to be restored.
func (c *Codec) left() uint64 { return uint64(len(c.buf)) + c.n }

// room extends buf by at most n bytes, at least one element of the given size,
// and returns what was added.
func (c *Codec) room(n, size int) []byte {
	if c.mode == appending {
		c.buf = slices.Grow(c.buf, n)
	} else {
		if cap(c.buf)-len(c.buf) < size {
			c.flush()
		}
		n = min(n, cap(c.buf)-len(c.buf))
		n -= n % size
	}
	k := len(c.buf)
	c.buf = c.buf[:k+n]
	return c.buf[k:]
}

// flush writes buf to w.
func (c *Codec) flush() {
	if c.err != nil {
		return
	}
	if len(c.buf) > 0 {
		if _, err := c.w.Write(c.buf); err != nil {
			c.err = fmt.Errorf("state: %w", err)
		}
	}
	c.buf = c.buf[:0]
}

// take removes at most n bytes from what is left, at least one element of the
// given size, of which left has enough.
func (c *Codec) take(n, size int) []byte {
	if len(c.buf) < size {
		k := copy(c.spare, c.buf)
		more := int(min(uint64(len(c.spare)-k), c.n))
		got, err := io.ReadFull(c.r, c.spare[k:k+more])
		if err != nil {
			c.err = fmt.Errorf("state: the stream ends %d bytes early: %w", c.n-uint64(got), err)
			return nil
		}
		c.buf, c.n = c.spare[:k+more], c.n-uint64(more)
	}
	n = min(n, len(c.buf))
	n -= n % size
	b := c.buf[:n]
	c.buf = c.buf[n:]
	return b
}
