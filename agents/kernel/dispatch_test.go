package kernel

import (
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// every runs a test with each implementation that the machine has.
func every(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	for _, name := range Available() {
		t.Run(name, func(t *testing.T) {
			force(t, name)
			test(t)
		})
	}
}

// force runs the rest of a test or benchmark with one implementation.
func force(t testing.TB, name string) {
	t.Helper()
	restore, err := Force(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(restore)
	if Active() != name {
		t.Fatalf("%s runs, want %s", Active(), name)
	}
}

func TestForce(t *testing.T) {
	before := Active()
	if !slices.Contains(Available(), before) || Available()[0] != "go" {
		t.Fatalf("%s runs, available are %v", before, Available())
	}
	restore, err := Force("go")
	if err != nil {
		t.Fatal(err)
	}
	restore()
	if Active() != before {
		t.Errorf("%s runs after restoring, want %s", Active(), before)
	}
	if _, err := Force("sse"); err == nil || !strings.Contains(err.Error(), `"sse", want one of go, avx2, avx512`) {
		t.Errorf("forcing sse gives %v", err)
	}
	if Active() != before {
		t.Errorf("%s runs after an error, want %s", Active(), before)
	}
}

func TestEnvironment(t *testing.T) {
	// Reading the variable here tells go test that the cached result depends on
	// it; what a package reads as it starts goes unnoticed.
	if l, err := start(os.Getenv("MEND_KERNEL")); l != active || err != nil || Err() != nil {
		t.Fatalf("%v runs, want %v: %v", active, l, Err())
	}
	defer func(b level) { best = b }(best)
	for _, c := range []struct {
		variable string
		best     level
		want     level
		message  string
	}{
		{"", levelGo, levelGo, ""},
		{"", levelAVX512, levelAVX512, ""},
		{"go", levelAVX512, levelGo, ""},
		{"avx2", levelAVX512, levelAVX2, ""},
		{"avx2", levelGo, levelGo, `MEND_KERNEL is "avx2", this machine runs go`},
		{"avx512", levelAVX2, levelGo, `MEND_KERNEL is "avx512", this machine runs go, avx2`},
		{"AVX2", levelAVX512, levelGo, `MEND_KERNEL is "AVX2", want one of go, avx2, avx512`},
	} {
		best = c.best
		got, err := start(c.variable)
		message := ""
		if err != nil {
			message = err.Error()
		}
		if got != c.want || !strings.HasSuffix(message, c.message) || (c.message == "") != (message == "") {
			t.Errorf("MEND_KERNEL=%q where %v is best gives %v and %q, want %v and %q", c.variable, c.best, got, message, c.want, c.message)
		}
	}
}

// Calls from several goroutines share nothing but what they read.
func TestConcurrentCalls(t *testing.T) {
	every(t, func(t *testing.T) {
		const m, n, k = 70, 33, 64
		r := rand.New(rand.NewPCG(31, 32))
		a, b, bias := normals(r, m*k), normals(r, k*n), normals(r, n)
		mask := make([]bool, m*n)
		for i := range mask {
			mask[i] = i%n == 0 || r.IntN(2) == 0
		}
		compute := func() []float32 {
			c, logp, prob, column := make([]float32, m*n), make([]float32, m*n), make([]float32, m*n), make([]float32, m)
			for _, p := range products {
				p.run(m, n, k, a, b, c, true)
				p.run(m, 1, k, a, b[:k], column, true)
			}
			LogSoftmax(m, n, c, mask, logp, prob)
			AddBiasTanh(m, n, c, bias)
			Normalize(m, n, c, bias, bias, 2, c)
			Exp(prob, prob)
			Log(prob, prob)
			ColumnSums(m, n, c, prob[:n], true)
			s := Adam{LR: 1, Beta1: 0.9, Beta2: 0.9, Eps: 1}.Step(1, 1)
			s.Update(c, a[:m*n], prob, slices.Clone(prob))
			return slices.Concat(c, logp, prob, column)
		}
		want := compute()
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				for range 10 {
					if got := compute(); !sameBits(got, want) {
						t.Error("another goroutine changed a result")
						return
					}
				}
			})
		}
		wait.Wait()
	})
}
