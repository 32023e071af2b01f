package cluster

import (
	"math"
	"math/rand/v2"
	"testing"

	"mend/env"
)

// TestFastFunctions compares what observations are computed with to the
// functions that they stand for.
func TestFastFunctions(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		x := math.Exp(60*rng.Float64() - 20) // 2·10⁻⁹ to 2·10¹⁷
		if got, want := log1p(x), math.Log1p(x); math.Abs(got-want) > 1e-9 {
			t.Fatalf("ln(1 + %g) is %.12g, want %.12g", x, got, want)
		}
	}
	for _, k := range []int{0, 1, 2, 1023, 1024, 1025, 1 << 40} {
		if got, want := log(k), math.Log1p(float64(k)); math.Abs(got-want) > 1e-9 {
			t.Errorf("ln(1 + %d) is %.12g, want %.12g", k, got, want)
		}
	}
	if log1p(0) != 0 {
		t.Errorf("ln(1 + 0) is %g", log1p(0))
	}
	// Straight lines over steps of h err by h²/8 of the value, here 1/32768.
	for range 200_000 {
		count, elapsed := 100*rng.Float64(), env.Time(rng.Int64N(int64(20*env.Hour)))
		got, want := fading(count, elapsed, env.Hour), decayed(count, elapsed, env.Hour)
		if math.Abs(got-want) > want/32768+count*2e-7 { // e^−16 at the end of the table
			t.Fatalf("%g after %g h is %.9g, want %.9g", count, elapsed.Hours(), got, want)
		}
	}
	if fading(3, 0, env.Hour) != 3 {
		t.Error("a count decays in no time")
	}
}
