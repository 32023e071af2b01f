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
// Numbers are little-endian. Codec holds the first error; later calls do
// nothing.
package state

import (
	"encoding/binary"
	"fmt"
	"unsafe"
)

// Number is what a Codec can carry.
type Number interface {
	~bool | ~int8 | ~uint8 | ~int16 | ~uint16 | ~int32 | ~uint32 | ~int64 | ~uint64 | ~float32 | ~float64
}

// Codec appends to or reads from a byte slice.
type Codec struct {
	buf       []byte
	restoring bool
	err       error
}

// Append returns b followed by what fields writes.
func Append(b []byte, fields func(*Codec)) []byte {
	c := Codec{buf: b}
	fields(&c)
	if c.err != nil {
		panic(c.err) // writing fails only where fields itself is wrong
	}
	return c.buf
}

// Restore lets fields read b, which it must use up exactly.
func Restore(b []byte, fields func(*Codec)) error {
	c := Codec{buf: b, restoring: true}
	fields(&c)
	if c.err == nil && len(c.buf) != 0 {
		c.err = fmt.Errorf("state: %d bytes left over", len(c.buf))
	}
	return c.err
}

// Restoring reports whether fields are being read rather than written.
func (c *Codec) Restoring() bool { return c.restoring }

// Fail makes the restoration fail with err unless it has already failed.
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
	if !c.restoring {
		var err error
		if c.buf, err = binary.Append(c.buf, binary.LittleEndian, s); err != nil {
			c.err = fmt.Errorf("state: %w", err)
		}
		return
	}
	n := len(s) * int(unsafe.Sizeof(s[0]))
	if len(c.buf) < n {
		c.err = fmt.Errorf("state: %d bytes where %d are wanted", len(c.buf), n)
		return
	}
	if _, err := binary.Decode(c.buf[:n], binary.LittleEndian, s); err != nil {
		c.err = fmt.Errorf("state: %w", err)
		return
	}
	c.buf = c.buf[n:]
}

// Slice carries the length of *s and its elements. Restoring keeps the backing
// array where it is large enough.
func Slice[T Number](c *Codec, s *[]T) {
	n := uint64(len(*s))
	Value(c, &n)
	if c.err != nil {
		return
	}
	if c.restoring {
		var zero T
		if n > uint64(len(c.buf))/uint64(unsafe.Sizeof(zero)) {
			c.err = fmt.Errorf("state: %d elements announced, %d bytes left", n, len(c.buf))
			return
		}
		if uint64(cap(*s)) < n {
			*s = make([]T, n)
		}
		*s = (*s)[:n]
	}
	Fixed(c, *s)
}
