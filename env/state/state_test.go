package state

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type celsius float32

// thermostat has a field of every kind that a Codec carries.
type thermostat struct {
	On       bool
	I8       int8
	U8       uint8
	I16      int16
	U16      uint16
	I32      int32
	U32      uint32
	I64      int64
	U64      uint64
	F32      float32
	F64      float64
	Named    celsius
	Rooms    [3]celsius
	Switches [2]bool
	Queue    []int64
	Empty    []uint8
	Alarms   []bool
}

func (t *thermostat) fields(c *Codec) {
	Value(c, &t.On)
	Value(c, &t.I8)
	Value(c, &t.U8)
	Value(c, &t.I16)
	Value(c, &t.U16)
	Value(c, &t.I32)
	Value(c, &t.U32)
	Value(c, &t.I64)
	Value(c, &t.U64)
	Value(c, &t.F32)
	Value(c, &t.F64)
	Value(c, &t.Named)
	Fixed(c, t.Rooms[:])
	Fixed(c, t.Switches[:])
	Slice(c, &t.Queue)
	Slice(c, &t.Empty)
	Slice(c, &t.Alarms)
}

func sample() thermostat {
	return thermostat{
		true, -8, 8, -16, 16, math.MinInt32, math.MaxUint32, math.MinInt64, math.MaxUint64,
		-0.1, math.Pi, 21.5, [3]celsius{1, 2, 3}, [2]bool{false, true},
		[]int64{5, -6, 7}, []uint8{}, []bool{true, false, true},
	}
}

func TestRoundTrip(t *testing.T) {
	want := sample()
	b := Append([]byte("before"), want.fields)
	if !strings.HasPrefix(string(b), "before") {
		t.Fatalf("%q does not start with what it was appended to", b[:6])
	}
	b = b[len("before"):]

	for name, got := range map[string]thermostat{
		"new":  {Empty: []uint8{}}, // Slice restores length 0, not nil
		"used": {I8: 9, Queue: make([]int64, 9, 20), Empty: make([]uint8, 4), Alarms: []bool{true}},
	} {
		if err := Restore(b, got.fields); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if again := Append(nil, got.fields); !cmp.Equal(b, again) {
			t.Errorf("%s: written again:\n%s", name, cmp.Diff(b, again))
		}
	}
}

// NaN payloads and the sign of zero survive.
func TestFloatBitsSurvive(t *testing.T) {
	want := []float64{math.Float64frombits(0x7ff8dead_beef0001), math.Copysign(0, -1), math.Inf(-1), 5e-324}
	b := Append(nil, func(c *Codec) { Fixed(c, want) })
	got := make([]float64, len(want))
	if err := Restore(b, func(c *Codec) { Fixed(c, got) }); err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if math.Float64bits(got[i]) != math.Float64bits(want[i]) {
			t.Errorf("element %d: %#x, want %#x", i, math.Float64bits(got[i]), math.Float64bits(want[i]))
		}
	}
}

// The format is fixed: little-endian, lengths as uint64, nothing between.
// Origin: written out by hand from the package comment.
func TestFormat(t *testing.T) {
	b := Append(nil, func(c *Codec) {
		x, q := uint16(0x0102), []int32{-1, 2}
		Value(c, &x)
		Slice(c, &q)
	})
	want := []byte{
		0x02, 0x01,
		2, 0, 0, 0, 0, 0, 0, 0,
		0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0,
	}
	if diff := cmp.Diff(want, b); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Every proper prefix is refused, and so is a longer state.
func TestTruncated(t *testing.T) {
	s := sample()
	b := Append(nil, s.fields)
	for n := range b {
		var got thermostat
		if err := Restore(b[:n], got.fields); err == nil {
			t.Errorf("%d of %d bytes are accepted", n, len(b))
		}
	}
	var got thermostat
	err := Restore(append(b, 0, 0), got.fields)
	if err == nil || err.Error() != "state: 2 bytes left over" {
		t.Errorf("two bytes too many: error %v", err)
	}
}

func TestErrors(t *testing.T) {
	var x uint32
	var q []uint32
	for _, c := range []struct {
		name   string
		bytes  []byte
		fields func(*Codec)
		want   string
	}{
		{"short value", []byte{1, 2, 3}, func(c *Codec) { Value(c, &x) }, "state: 3 bytes where 4 are wanted"},
		{"short length", []byte{1, 2, 3}, func(c *Codec) { Slice(c, &q) }, "state: 3 bytes where 8 are wanted"},
		{
			"more announced than there is",
			[]byte{2, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7},
			func(c *Codec) { Slice(c, &q) },
			"state: 2 elements announced, 7 bytes left",
		},
		{
			"a length that would overflow", // 2^62·4 bytes wrap to 0
			[]byte{0, 0, 0, 0, 0, 0, 0, 0x40},
			func(c *Codec) { Slice(c, &q) },
			"state: 4611686018427387904 elements announced, 0 bytes left",
		},
	} {
		err := Restore(c.bytes, c.fields)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: error %v, want %s", c.name, err, c.want)
		}
	}
}

// The first error stays, and what follows it is left alone.
func TestFirstErrorStays(t *testing.T) {
	first, second := errors.New("first"), errors.New("second")
	x, fixed, slice := uint16(7), []uint8{8}, []uint8{9}
	err := Restore([]byte{1, 2, 3, 4, 5}, func(c *Codec) {
		if !c.Restoring() {
			t.Error("Restoring is false in Restore")
		}
		if c.Err() != nil {
			t.Errorf("error before any: %v", c.Err())
		}
		c.Fail(first)
		c.Fail(second)
		Value(c, &x)
		Fixed(c, fixed)
		Slice(c, &slice)
	})
	if !errors.Is(err, first) {
		t.Errorf("error %v, want %v", err, first)
	}
	if x != 7 || fixed[0] != 8 || len(slice) != 1 || slice[0] != 9 {
		t.Errorf("restored after the error: %d, %v, %v", x, fixed, slice)
	}
}

func TestAppendPanicsOnFail(t *testing.T) {
	want := errors.New("more racks than fit")
	defer func() {
		if r := recover(); r != want {
			t.Errorf("panics with %v, want %v", r, want)
		}
	}()
	Append(nil, func(c *Codec) {
		if c.Restoring() {
			t.Error("Restoring is true in Append")
		}
		c.Fail(want)
	})
}

// Restoring reuses the backing array where it is large enough.
func TestSliceKeepsItsArray(t *testing.T) {
	from := []int32{1, 2, 3}
	b := Append(nil, func(c *Codec) { Slice(c, &from) })
	array := make([]int32, 1, 4)
	got := array
	if err := Restore(b, func(c *Codec) { Slice(c, &got) }); err != nil {
		t.Fatal(err)
	}
	if &got[0] != &array[0] || !cmp.Equal(got, from) {
		t.Errorf("restored %v into another array", got)
	}
}

// FuzzRestore: no bytes panic, and what is accepted writes the same bytes again
// (a bool is true for any byte but 0, so that one is compared as written).
func FuzzRestore(f *testing.F) {
	s := sample()
	b := Append(nil, s.fields)
	f.Add(b)
	f.Add(b[:len(b)-1])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var first, second thermostat
		if Restore(b, first.fields) != nil {
			return
		}
		written := Append(nil, first.fields)
		if len(written) != len(b) {
			t.Fatalf("%d bytes read, %d written", len(b), len(written))
		}
		if err := Restore(written, second.fields); err != nil {
			t.Fatal(err)
		}
		if again := Append(nil, second.fields); !cmp.Equal(written, again) {
			t.Fatalf("written twice:\n%s", cmp.Diff(written, again))
		}
	})
}
