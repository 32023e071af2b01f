package train

import (
	"bytes"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

func TestProgressLines(t *testing.T) {
	var b bytes.Buffer
	now := time.Unix(1000, 0)
	p := newProgress(&b, 1000, 10_000, now)
	for step := uint64(1001); step <= 3000; step++ {
		now = now.Add(10 * time.Millisecond)
		p.update(step, math.NaN(), now)
	}
	p.clear()
	for step := uint64(3001); step < 3025; step++ { // slower
		now = now.Add(time.Second)
		p.update(step, -12.3456, now)
	}
	// 100 steps/s for 20 s, a line each 500 steps; then 1 step/s, a line each 10 s.
	want := `step=1500 of=10000 steps/s=100 return=- eta=1m25s
step=2000 of=10000 steps/s=100 return=- eta=1m20s
step=2500 of=10000 steps/s=100 return=- eta=1m15s
step=3000 of=10000 steps/s=100 return=- eta=1m10s
step=3010 of=10000 steps/s=67 return=-12.35 eta=1m45s
step=3020 of=10000 steps/s=50 return=-12.35 eta=2m19s
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	if strings.ContainsAny(b.String(), "\x1b\r") {
		t.Errorf("control codes in %q", b.String())
	}
	if p.bar != nil {
		t.Error("a bar without a terminal")
	}
}

// Pipes and files are no terminals, and nothing is written to a nil writer.
func TestProgressOffTerminal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := newProgress(w, 0, 100, time.Now())
	p.update(50, 1, time.Now().Add(time.Minute))
	p.stop(100, 1)
	w.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\r") || strings.Count(b.String(), "\n") != 2 {
		t.Errorf("got %q", b.String())
	}
	var none *progress
	none.update(1, 1, time.Now())
	none.clear()
	none.stop(1, 1)
}

// The bar redraws one line, which fits 80 columns, and ends it once.
func TestProgressBar(t *testing.T) {
	var b bytes.Buffer
	now := time.Unix(1000, 0)
	p := newProgress(&b, 500_000, 123_000_000, now)
	p.draw()
	for step := uint64(500_000); step < 123_000_000; step += 1_000_000 {
		now = now.Add(50 * time.Millisecond)
		p.update(step, -12345.678, now)
	}
	p.stop(123_000_008, -12345.678)
	if strings.Count(b.String(), "\n") != 1 || !strings.HasSuffix(b.String(), "\n") {
		t.Errorf("got %q", b.String())
	}
	for _, line := range strings.Split(strings.TrimSpace(b.String()), "\r") {
		if n := len([]rune(line)); n > 80 {
			t.Errorf("%d columns in %q", n, line)
		}
	}
	for _, want := range []string{"100% |████████████|", "123M/123M", "return -1.235e+04"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in %q", want, b.String())
		}
	}
}

func TestShort(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 999: "999", 1000: "1k", 51_234: "51.2k", 1e6: "1M", 2.5e9: "2.5G", 999_999: "1000k", 99_960: "100k"} {
		if got := short(x); got != want {
			t.Errorf("%v: got %s, want %s", x, got, want)
		}
	}
}
