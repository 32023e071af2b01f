package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// large crosses several chunks, at odd offsets, with elements of every size.
type large struct {
	Odd     bool
	Floats  []float32
	Flags   []bool
	Bytes   []uint8
	Shorts  []int16
	Doubles []float64
}

func (l *large) fields(c *Codec) {
	Value(c, &l.Odd) // one byte: nothing after it is aligned
	Slice(c, &l.Floats)
	Slice(c, &l.Flags)
	Slice(c, &l.Bytes)
	Slice(c, &l.Shorts)
	Slice(c, &l.Doubles)
}

func newLarge() *large {
	l := &large{
		Odd: true, Floats: make([]float32, chunk), Flags: make([]bool, 2*chunk+1), Bytes: make([]uint8, chunk-1),
		Shorts: make([]int16, chunk+3), Doubles: make([]float64, chunk/2+5),
	}
	for i := range l.Floats {
		l.Floats[i] = float32(i) - 0.1
	}
	for i := range l.Flags {
		l.Flags[i] = i%3 == 0
	}
	for i := range l.Bytes {
		l.Bytes[i] = uint8(i * 7)
	}
	for i := range l.Shorts {
		l.Shorts[i] = int16(i * 31)
	}
	for i := range l.Doubles {
		l.Doubles[i] = math.Sqrt(float64(i))
	}
	return l
}

// plain writes what Append should, by the standard library alone.
func (l *large) plain() []byte {
	b := []byte{1}
	for _, s := range []any{l.Floats, l.Flags, l.Bytes, l.Shorts, l.Doubles} {
		b = binary.LittleEndian.AppendUint64(b, uint64(binary.Size(s)/elementSize(s)))
		b, _ = binary.Append(b, binary.LittleEndian, s)
	}
	return b
}

func elementSize(s any) int {
	switch s.(type) {
	case []float32:
		return 4
	case []int16:
		return 2
	case []float64:
		return 8
	}
	return 1
}

// Size, Write and Append agree with each other and with encoding/binary; Read
// and Restore give back what was written, however the stream is cut.
func TestStreamIsAppend(t *testing.T) {
	l := newLarge()
	want := l.plain()
	if got := Append(nil, l.fields); !bytes.Equal(got, want) {
		t.Fatalf("Append differs from encoding/binary in %d and %d bytes", len(got), len(want))
	}
	if got := Size(l.fields); got != uint64(len(want)) {
		t.Errorf("size %d, want %d", got, len(want))
	}
	var b bytes.Buffer
	if err := Write(&b, l.fields); err != nil || !bytes.Equal(b.Bytes(), want) {
		t.Fatalf("Write gives %d bytes, error %v; they differ from Append's %d", b.Len(), err, len(want))
	}
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"whole":       func(r io.Reader) io.Reader { return r },
		"half":        iotest.HalfReader,
		"byte":        iotest.OneByteReader,
		"data at EOF": iotest.DataErrReader,
	} {
		for _, got := range []*large{{}, newLarge()} {
			stream := strings.NewReader(string(want) + "next")
			if err := Read(wrap(stream), uint64(len(want)), got.fields); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if diff := cmp.Diff(l, got); diff != "" {
				t.Fatalf("%s: (-want +got):\n%s", name, diff)
			}
			if name == "whole" && stream.Len() != len("next") {
				t.Errorf("%d bytes are left for what follows, want 4", stream.Len())
			}
		}
	}
}

// pieces counts what it is given.
type pieces struct{ n, most, total int }

func (p *pieces) Write(b []byte) (int, error) {
	p.n++
	p.most = max(p.most, len(b))
	p.total += len(b)
	return len(b), nil
}

// Write hands over full chunks, also of many small fields, and no more than one
// chunk is held.
func TestWriteIsBounded(t *testing.T) {
	values := make([]uint64, 3*chunk/8+1)
	for name, fields := range map[string]func(*Codec){
		"one field": func(c *Codec) { Fixed(c, values) },
		"many small": func(c *Codec) {
			for i := range values {
				Value(c, &values[i])
			}
		},
	} {
		var p pieces
		if err := Write(&p, fields); err != nil {
			t.Fatal(err)
		}
		if want := (pieces{n: 4, most: chunk, total: 3*chunk + 8}); p != want {
			t.Errorf("%s: written as %+v, want %+v", name, p, want)
		}
	}
	big := make([]float32, 1<<22) // 16 MiB
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := Write(io.Discard, func(c *Codec) { Fixed(c, big) }); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 4*chunk { // others may allocate a little meanwhile
		t.Errorf("writing 16 MiB allocates %d bytes, want one chunk of %d", n, chunk)
	}
}

func TestStreamErrors(t *testing.T) {
	full := errors.New("device full")
	x := make([]float32, chunk)
	calls := 0
	err := Write(writerFunc(func([]byte) (int, error) { calls++; return 0, full }),
		func(c *Codec) { Fixed(c, x); Fixed(c, x) })
	if !errors.Is(err, full) || err.Error() != "state: device full" || calls != 1 {
		t.Errorf("a full device: error %v after %d calls, want one", err, calls)
	}
	invalid := errors.New("not to be saved")
	var b bytes.Buffer
	if err := Write(&b, func(c *Codec) { Fixed(c, x[:1]); c.Fail(invalid) }); err != invalid || b.Len() != 0 {
		t.Errorf("Fail while writing: error %v, %d bytes written", err, b.Len())
	}

	var q []float32
	announce := func(n uint64, bytes int) io.Reader {
		return strings.NewReader(string(binary.LittleEndian.AppendUint64(nil, n)) + strings.Repeat("x", bytes))
	}
	for _, c := range []struct {
		name string
		r    io.Reader
		n    uint64
		want string
	}{
		{"more announced than there is", announce(1<<62, 12), 20, "state: 4611686018427387904 elements announced, 12 bytes left"},
		{"more announced than a chunk holds", announce(chunk, 2*chunk), 8 + 2*chunk, "state: 65536 elements announced, 131072 bytes left"},
		{"left over", announce(2, 9), 17, "state: 1 bytes left over"},
		{"short", announce(2, 8), 7, "state: 7 bytes where 8 are wanted"},
		{"the stream ends", announce(3, 8), 20, "state: the stream ends 4 bytes early: unexpected EOF"},
		{"the stream is empty", strings.NewReader(""), 20, "state: the stream ends 20 bytes early: EOF"},
		{"the stream breaks", iotest.ErrReader(full), 20, "state: the stream ends 20 bytes early: device full"},
	} {
		q = nil
		err := Read(c.r, c.n, func(c *Codec) { Slice(c, &q) })
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: error %v, want %s", c.name, err, c.want)
		}
		if strings.Contains(c.want, "announced") && q != nil {
			t.Errorf("%s: %d elements allocated before it is refused", c.name, cap(q))
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// A bool that was not 0 or 1 in the bytes is 1 in memory: Go compares bools as
// bytes.
func TestBoolsAreNormal(t *testing.T) {
	type flag bool
	in := []byte{0, 1, 2, 128, 255}
	got := make([]flag, len(in))
	if err := Restore(in, func(c *Codec) { Fixed(c, got) }); err != nil {
		t.Fatal(err)
	}
	again := Append(nil, func(c *Codec) { Fixed(c, got) })
	if want := []byte{0, 1, 1, 1, 1}; !bytes.Equal(again, want) {
		t.Errorf("%v is written again as %v, want %v", in, again, want)
	}
}

// Small values allocate nothing beyond the chunk.
func TestSmallValuesDoNotAllocate(t *testing.T) {
	s := sample()
	b := Append(nil, s.fields)
	fields := s.fields
	if n := testing.AllocsPerRun(100, func() { b = Append(b[:0], fields) }); n > 1 { // the Codec
		t.Errorf("Append: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		if Restore(b, fields) != nil {
			t.Error("refused")
		}
	}); n > 1 {
		t.Errorf("Restore: %v allocations", n)
	}
}

// FuzzRead: Read takes, refuses and gives the same as Restore.
func FuzzRead(f *testing.F) {
	s := sample()
	b := Append(nil, s.fields)
	f.Add(b, uint64(len(b)))
	f.Add(b, uint64(len(b)-1))
	f.Add(b[:20], uint64(1<<40))
	f.Add(b[:len(b)-3], uint64(len(b)))
	f.Fuzz(func(t *testing.T, b []byte, n uint64) {
		var restored, read thermostat
		r := bytes.NewReader(b)
		err := Read(iotest.HalfReader(r), n, read.fields)
		if n > uint64(len(b)) {
			if err == nil {
				t.Fatalf("%d bytes are read as %d", len(b), n)
			}
			return
		}
		want := Restore(b[:n], restored.fields)
		if (err == nil) != (want == nil) || err != nil && err.Error() != want.Error() {
			t.Fatalf("Read: %v, Restore: %v", err, want)
		}
		if x, y := Append(nil, restored.fields), Append(nil, read.fields); !slices.Equal(x, y) {
			t.Fatalf("(-restored +read):\n%s", cmp.Diff(x, y))
		}
		if uint64(r.Len()) < uint64(len(b))-n {
			t.Fatalf("%d bytes taken, %d allowed", len(b)-r.Len(), n)
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	b.Run("float32", func(b *testing.B) { benchmarkWrite(b, make([]float32, 1<<20)) })
	b.Run("uint8", func(b *testing.B) { benchmarkWrite(b, make([]uint8, 1<<22)) })
	b.Run("bool", func(b *testing.B) { benchmarkWrite(b, make([]bool, 1<<22)) })
	b.Run("uint16", func(b *testing.B) { benchmarkWrite(b, make([]uint16, 1<<21)) })
	b.Run("float64", func(b *testing.B) { benchmarkWrite(b, make([]float64, 1<<19)) })
}

func benchmarkWrite[T Number](b *testing.B, s []T) {
	b.SetBytes(int64(Size(func(c *Codec) { Fixed(c, s) })))
	for b.Loop() {
		if err := Write(io.Discard, func(c *Codec) { Fixed(c, s) }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	b.Run("float32", func(b *testing.B) { benchmarkRead(b, make([]float32, 1<<20)) })
	b.Run("uint8", func(b *testing.B) { benchmarkRead(b, make([]uint8, 1<<22)) })
	b.Run("bool", func(b *testing.B) { benchmarkRead(b, make([]bool, 1<<22)) })
	b.Run("uint16", func(b *testing.B) { benchmarkRead(b, make([]uint16, 1<<21)) })
	b.Run("float64", func(b *testing.B) { benchmarkRead(b, make([]float64, 1<<19)) })
}

func benchmarkRead[T Number](b *testing.B, s []T) {
	fields := func(c *Codec) { Fixed(c, s) }
	from := Append(nil, fields)
	b.SetBytes(int64(len(from)))
	for b.Loop() {
		if err := Read(bytes.NewReader(from), uint64(len(from)), fields); err != nil {
			b.Fatal(err)
		}
	}
}
