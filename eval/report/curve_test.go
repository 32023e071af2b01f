package report

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadCurve(t *testing.T) {
	const text = `{"kind":"start","step":0}
{"kind":"update","step":2048,"entropy":1.3,"objective":"ignored"}
{"kind":"eval","step":10000,"objective":{"mean":12.5,"lo":11,"hi":14},"seconds":3}

{"kind":7}
{"step":3}
{"objective":{"hi":4,"mean":3},"step":20000,"kind":"eval"}
{"kind":"eval","step":30000,"objective":{"mean":null,"lo":null,"hi":null}}
`
	points, err := ReadCurve(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := "[{10000 12.5 11 14} {20000 3 NaN 4} {30000 NaN NaN NaN}]"
	if got := fmt.Sprint(points); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestReadCurveOfAKilledRun(t *testing.T) {
	const whole = `{"kind":"eval","step":1,"objective":{"mean":2}}`
	for n := range len(whole) {
		points, err := ReadCurve(strings.NewReader(whole + "\n" + whole[:n]))
		if err != nil || len(points) != 1 {
			t.Errorf("last line cut to %q: %v, %v, want the first point", whole[:n], points, err)
		}
	}
	// Whole but for its line end, it counts.
	points, err := ReadCurve(strings.NewReader(whole + "\n" + strings.Replace(whole, `"step":1`, `"step":2`, 1)))
	if err != nil || len(points) != 2 {
		t.Errorf("%v, %v, want two points", points, err)
	}
}

// A run that resumed at step 20 had got to 30 before it was killed.
func TestReadCurveOfAResumedRun(t *testing.T) {
	var b strings.Builder
	for i, step := range []int{10, 20, 30, 20, 30, 40} {
		fmt.Fprintf(&b, `{"kind":"eval","step":%d,"objective":{"mean":%d}}`+"\n", step, i)
	}
	points, err := ReadCurve(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range points {
		got = append(got, fmt.Sprint(p.Step, ":", p.Mean))
	}
	if s := strings.Join(got, ", "); s != "10:0, 20:3, 30:4, 40:5" {
		t.Errorf("%s, want 10:0, 20:3, 30:4, 40:5", s)
	}
}

func TestReadCurveSaysWhichLineIsWrong(t *testing.T) {
	for line, want := range map[string]string{
		`{"kind":"eval"`: "line 3", `nonsense`: "line 3", `[1]`: "line 3", `null`: "an object", `{} {}`: "line 3",
		`{"kind":"eval","objective":{"mean":1}}`:              `line 3: an evaluation without "step"`,
		`{"kind":"eval","step":1}`:                            `line 3: an evaluation without "objective"`,
		`{"kind":"eval","step":-1,"objective":{"mean":1}}`:    "line 3: step",
		`{"kind":"eval","step":1,"objective":{"mean":"low"}}`: "line 3: objective",
	} {
		_, err := ReadCurve(strings.NewReader("{}\n{}\n" + line + "\n{}\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", line, err, want)
		}
	}
	if _, err := ReadCurve(iotest.ErrReader(errors.New("disk gone"))); err == nil || !strings.Contains(err.Error(), "disk gone") {
		t.Errorf("error %v, want the reader's", err)
	}
}

// Lines may be longer than any buffer.
func TestReadCurveOfALongLine(t *testing.T) {
	long := `{"kind":"update","values":"` + strings.Repeat("x", 1<<20) + `"}`
	points, err := ReadCurve(strings.NewReader(long + "\n" + `{"kind":"eval","step":5,"objective":{"mean":1}}`))
	if err != nil || len(points) != 1 || points[0].Step != 5 || !math.IsNaN(points[0].Lo) {
		t.Errorf("%v, %v, want one point at step 5", points, err)
	}
}
