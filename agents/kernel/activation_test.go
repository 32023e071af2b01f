package kernel

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// The bound that the doc comment states, over every float32 exponent that
// matters and a fine grid up to saturation.
func TestTanhError(t *testing.T) {
	worst, at := 0.0, float32(0)
	try := func(x float32) {
		if e := math.Abs(float64(Tanh(x)) - math.Tanh(float64(x))); e > worst {
			worst, at = e, x
		}
		if Tanh(-x) != -Tanh(x) {
			t.Fatalf("tanh(%v) is %v, tanh of its negative %v", x, Tanh(x), Tanh(-x))
		}
		if y := Tanh(x); !(y <= 1) {
			t.Fatalf("tanh(%v) is %v, want at most 1", x, y)
		}
	}
	for i := range 1 << 20 {
		try(float32(i) * (12.0 / (1 << 20)))
	}
	for x := float32(1e-45); x < 1e38; x *= 1.7 {
		try(x)
	}
	if worst > 3e-7 {
		t.Errorf("error %.3g at %v, want at most 3e-7", worst, at)
	}
	t.Logf("largest error %.3g at %v", worst, at)
}

func TestTanhSpecialValues(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, x := range []struct{ x, want float32 }{
		{0, 0}, {1e-45, 0}, {inf, 1}, {-inf, -1}, {100, 1}, {-100, -1}, {math.MaxFloat32, 1}, {1e-20, 1e-20},
	} {
		if got := Tanh(x.x); math.Abs(float64(got-x.want)) > 2e-7*math.Abs(float64(x.want)) {
			t.Errorf("tanh(%v) is %v, want %v", x.x, got, x.want)
		}
	}
	if y := Tanh(float32(math.NaN())); y == y {
		t.Errorf("tanh(NaN) is %v, want NaN", y)
	}
	if !math.Signbit(float64(Tanh(float32(math.Copysign(0, -1))))) {
		t.Error("tanh(-0) lost its sign")
	}
}

// The formula is what the doc comment says, here as a continued fraction in 200
// bits.
func TestTanhIsLambertsConvergent(t *testing.T) {
	num := func(v float64) *big.Float { return new(big.Float).SetPrec(200).SetFloat64(v) }
	for x := 0.25; x < tanhOne; x += 0.25 {
		h := x / 2
		f := num(13)
		for odd := 11.0; odd >= 1; odd -= 2 {
			f = new(big.Float).Add(num(odd), new(big.Float).Quo(num(h*h), f))
		}
		half, _ := new(big.Float).Quo(num(h), f).Float64()
		want := 2 * half / (1 + half*half)
		if math.Abs(want-math.Tanh(x)) > 1.1e-8 {
			t.Errorf("formula at %v is off by %.3g, want at most 1.1e-8", x, want-math.Tanh(x))
		}
		if got := float64(Tanh(float32(x))); math.Abs(got-want) > 3e-7 {
			t.Errorf("tanh(%v) is %v, the formula gives %v", x, got, want)
		}
	}
}

func TestBiasAndActivation(t *testing.T) {
	nan := float32(math.NaN())
	y := []float32{1, -2, 3, nan, 0, 5}
	b := []float32{-1, 1, 2}
	for _, c := range []struct {
		name string
		run  func(int, int, []float32, []float32)
		want func(z float32) float32
	}{
		{"linear", AddBias, func(z float32) float32 { return z }},
		{"tanh", AddBiasTanh, Tanh},
		{"relu", AddBiasReLU, func(z float32) float32 {
			if z < 0 {
				return 0
			}
			return z
		}},
	} {
		got := append([]float32(nil), y...)
		c.run(2, 3, got, b)
		for i := range got {
			want := c.want(y[i] + b[i%3])
			if got[i] != want && !(got[i] != got[i] && want != want) {
				t.Errorf("%s: element %d is %v, want %v", c.name, i, got[i], want)
			}
		}
		c.run(0, 3, nil, b)
		c.run(3, 0, nil, nil)
	}
}

func TestActivationGradients(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	z, dy := normals(r, 100), normals(r, 100)
	z[3] = 0
	y, dz := make([]float32, 100), make([]float32, 100)
	for i := range z {
		y[i] = Tanh(z[i])
	}
	TanhGrad(dz, dy, y)
	for i := range z {
		want := float64(dy[i]) / math.Pow(math.Cosh(float64(z[i])), 2)
		if math.Abs(float64(dz[i])-want) > 1e-6 {
			t.Fatalf("tanh: dz[%d] is %v, want %v", i, dz[i], want)
		}
	}
	for i := range z {
		y[i] = max(0, z[i])
	}
	ReLUGrad(dz, dy, y)
	for i := range z {
		want := dy[i]
		if z[i] <= 0 {
			want = 0
		}
		if dz[i] != want {
			t.Fatalf("relu: dz[%d] is %v, want %v", i, dz[i], want)
		}
	}
}

func TestColumnSums(t *testing.T) {
	x := []float32{1, 2, 3, 4, 5, 6}
	s := []float32{100, 200}
	ColumnSums(3, 2, x, s, true)
	if s[0] != 109 || s[1] != 212 {
		t.Errorf("accumulated sums are %v, want [109 212]", s)
	}
	ColumnSums(3, 2, x, s, false)
	if s[0] != 9 || s[1] != 12 {
		t.Errorf("sums are %v, want [9 12]", s)
	}
	ColumnSums(0, 2, nil, s, false)
	if s[0] != 0 || s[1] != 0 {
		t.Errorf("sums of no rows are %v, want [0 0]", s)
	}
}

func BenchmarkTanh(b *testing.B) {
	y, bias := make([]float32, 1024), make([]float32, 64)
	for b.Loop() {
		for i := range y {
			y[i] = float32(i%64)/16 - 2
		}
		AddBiasTanh(16, 64, y, bias)
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N)/1024, "ns/element")
}
