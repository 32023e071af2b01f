package kernel

import (
	"slices"
	"strings"
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
	if err := Err(); err != nil {
		t.Fatal(err)
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
