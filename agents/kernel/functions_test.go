package kernel

import (
	"encoding/binary"
	"math"
	"os"
	"slices"
	"testing"
)

// function is one of the approximated functions and its bound, in units in the
// last place of the exact result, that its doc comment states. Over all 2³²
// float32 the greatest errors are, in plain Go and in assembly (both sets give
// the same): exp 0.957 and 0.988, log 0.930 and 0.897, tanh 2.425 and 2.419.
type function struct {
	name  string
	run   func(dst, x []float32)
	exact func(float64) float64
	bound float64
}

var functions = []function{
	{"exp", Exp, math.Exp, 1},
	{"log", Log, math.Log, 1},
	{"tanh", tanh, math.Tanh, 2.5},
	{"Tanh", func(dst, x []float32) {
		for i, v := range x {
			dst[i] = Tanh(v)
		}
	}, math.Tanh, 2.5},
}

// tanh is AddBiasTanh of one row without a bias: −0 keeps x = −0 as it is.
func tanh(dst, x []float32) {
	copy(dst, x)
	bias := make([]float32, len(x))
	for i := range bias {
		bias[i] = float32(math.Copysign(0, -1))
	}
	AddBiasTanh(1, len(dst), dst, bias)
}

// units is how far got is from want, in units in the last place of a float32.
// Infinities, NaN and the sign of zero must match exactly.
func units(got float32, want float64) float64 {
	rounded := float32(want)
	switch {
	case math.IsNaN(want) && got != got:
		return 0
	case math.IsInf(float64(rounded), 0) || math.IsInf(float64(got), 0) || got != got || want == 0:
		if math.Float32bits(got) == math.Float32bits(rounded) {
			return 0
		}
		return math.Inf(1)
	}
	_, e := math.Frexp(want)
	return math.Abs(float64(got)-want) / math.Ldexp(1, max(e-24, -149))
}

// Every 4001st float32, or every 53rd in the long test.
func TestFunctionErrors(t *testing.T) {
	stride := uint64(4001)
	if os.Getenv("MEND_LONG") != "" {
		stride = 53
	}
	every(t, func(t *testing.T) {
		for _, f := range functions {
			worst, at := 0.0, float32(0)
			x, y := make([]float32, 1000), make([]float32, 1000)
			for b := uint64(0); b < 1<<32; b += stride * uint64(len(x)) {
				for i := range x {
					x[i] = math.Float32frombits(uint32(b + uint64(i)*stride))
				}
				f.run(y, x)
				for i := range x {
					if e := units(y[i], f.exact(float64(x[i]))); e > worst {
						worst, at = e, x[i]
					}
				}
			}
			if worst > f.bound {
				t.Errorf("%s(%v) is off by %.3g units in the last place, want at most %v", f.name, at, worst, f.bound)
			}
			t.Logf("%s: largest error %.3g units at %v", f.name, worst, at)
		}
	})
}

// 2000 neighbours of each number where a formula changes its mind, and the
// special values.
func TestFunctionsAtTheirEdges(t *testing.T) {
	inf := float32(math.Inf(1))
	x := []float32{inf, -inf, float32(math.NaN()), 0, float32(math.Copysign(0, -1)), math.MaxFloat32, -math.MaxFloat32}
	for _, edge := range []float32{
		1e-45, 0x1p-126, // least subnormal, least normal
		0.75, 1, 1.5, // mantissas of log
		0.34657359, 1.0397208, // ln 2/2, 3·ln 2/2: where exp rounds to another power
		9.0109, 4.505, // tanh
		88.72284, 87.33655, 88.02969, 103.27893, 103.97208, // exp: overflow, first subnormal, 2^127, least subnormal, 0
	} {
		for _, towards := range []float32{inf, -inf} {
			for v, n := edge, 0; n < 1000; n++ {
				x = append(x, v, -v)
				v = math.Nextafter32(v, towards)
			}
		}
	}
	y := make([]float32, len(x))
	every(t, func(t *testing.T) {
		for _, f := range functions {
			f.run(y, x)
			for i, v := range x {
				if want := f.exact(float64(v)); !(units(y[i], want) <= f.bound) {
					t.Errorf("%s(%v) is %v, want %v", f.name, v, y[i], want)
				}
			}
		}
	})
}

// tanh is odd, and never leaves [−1, 1].
func TestTanhIsOddAndBounded(t *testing.T) {
	var x, minus []float32
	for v := float32(0x1p-126); v < 1e38; v *= 1.0003 { // below, a float32 would not grow
		x, minus = append(x, v), append(minus, -v)
	}
	y, z := make([]float32, len(x)), make([]float32, len(x))
	every(t, func(t *testing.T) {
		tanh(y, x)
		tanh(z, minus)
		for i := range x {
			if y[i] != -z[i] || !(y[i] <= 1) {
				t.Fatalf("tanh(%v) is %v, tanh of its negative %v", x[i], y[i], z[i])
			}
		}
	})
}

// The result for an element depends neither on where it lies nor on what lies
// beside it.
func TestFunctionsDoNotDependOnPosition(t *testing.T) {
	every(t, func(t *testing.T) {
		x := make([]float32, 200)
		for i := range x {
			x[i] = float32(i)/7 - 3
		}
		for _, f := range functions {
			all := make([]float32, len(x))
			f.run(all, x)
			for n := range 70 {
				for _, from := range []int{0, 1, 3, 5} {
					got := make([]float32, n)
					f.run(got, x[from:from+n])
					if want := all[from : from+n]; !sameBits(got, want) {
						t.Fatalf("%s of %d elements from %d is %v, want %v", f.name, n, from, got, want)
					}
				}
			}
		}
	})
}

// sameBits is equality that knows NaN from NaN and 0 from −0.
func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

func FuzzFunctions(f *testing.F) {
	f.Add([]byte("\x00\x00\x80\x3f\x00\x00\xc0\x7f\xff\xff\x7f\x7f"))
	f.Add(make([]byte, 4*37))
	f.Fuzz(func(t *testing.T, data []byte) {
		x := make([]float32, len(data)/4)
		for i := range x {
			x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
		every(t, func(t *testing.T) {
			for _, f := range functions {
				y := make([]float32, len(x))
				f.run(y, x)
				for i, v := range x {
					if want := f.exact(float64(v)); !(units(y[i], want) <= f.bound) {
						t.Errorf("%s(%v) is %v, want %v", f.name, v, y[i], want)
					}
				}
			}
			if finite := !slices.ContainsFunc(x, func(v float32) bool { return v-v != 0 }); Finite(x) != finite {
				t.Errorf("%v counts as finite: %v, want %v", x, Finite(x), finite)
			}
			checkLogSoftmax(t, min(1, len(x)), len(x), x, nil)
		})
	})
}
