package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// The committed files are what this program gives, byte for byte.
func TestCommittedCodeIsCurrent(t *testing.T) {
	t.Chdir("..") // where go run -C starts the program
	files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 5 {
		t.Errorf("%d files generated, want 5", len(files))
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is stale: run go generate ./agents/kernel", name)
		}
	}
}

// The line closest to x² on [0, 1] is x − 1/8, off by 1/8 at 0, 1/2 and 1; the
// parabola closest to x³ on [−1, 1] is 3x/4, as x³ − 3x/4 is Chebyshev's
// polynomial of degree 3 over 4.
func TestRemezByHand(t *testing.T) {
	for _, c := range []struct {
		lo float64
		f  func(float64) float64
		p  []float64
	}{
		{0, func(x float64) float64 { return x * x }, []float64{-0.125, 1}},
		{-1, func(x float64) float64 { return x * x * x }, []float64{0, 0.75, 0}},
	} {
		for i, got := range remez(len(c.p)-1, c.lo, 1, c.f) {
			if math.Abs(float64(got)-c.p[i]) > 1e-6 {
				t.Errorf("coefficient %d of degree %d is %v, want %v", i, len(c.p)-1, got, c.p[i])
			}
		}
	}
}

// The fits are well below half a unit in the last place, 2^-25, of what they
// are used for.
func TestPolynomialErrors(t *testing.T) {
	value := func(p []float32, x float64) float64 {
		var sum float64
		for i := len(p) - 1; i >= 0; i-- {
			sum = sum*x + float64(p[i])
		}
		return sum
	}
	for i := range 2001 {
		r := (float64(i)/1000 - 1) * math.Ln2 / 2
		if e := r + r*r*value(expPolynomial, r) - math.Expm1(r); math.Abs(e) > 0x1p-28*math.Abs(r) {
			t.Fatalf("e^r − 1 is off by %.3g at %v", e, r)
		}
		f := logLow - 1 + logLow*float64(i)/2000
		if e := f - f*f/2 + f*f*f*value(logPolynomial, f) - math.Log1p(f); math.Abs(e) > 0x1p-27*math.Abs(f) {
			t.Fatalf("ln(1+f) is off by %.3g at %v", e, f)
		}
	}
}
