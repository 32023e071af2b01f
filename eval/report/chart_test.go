package report

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"mend/eval"
)

// An axis maps its domain's ends to its range's ends and is linear, or linear
// in the logarithm, between them.
func TestAxisMapsDomainToRange(t *testing.T) {
	for _, c := range []struct {
		a       axis
		x, want float64
	}{
		{axis{d0: 0, d1: 10, r0: 100, r1: 200}, 0, 100},
		{axis{d0: 0, d1: 10, r0: 100, r1: 200}, 10, 200},
		{axis{d0: 0, d1: 10, r0: 100, r1: 200}, 2.5, 125},
		{axis{d0: -4, d1: 4, r0: 300, r1: 20}, 0, 160}, // upright: larger is higher up
		{axis{d0: -4, d1: 4, r0: 300, r1: 20}, 4, 20},
		{axis{d0: 0, d1: 10, r0: 100, r1: 200}, 11, 200}, // beyond: at the end
		{axis{d0: 0, d1: 10, r0: 100, r1: 200}, -1, 100},
		{axis{d0: 1, d1: 100, r0: 0, r1: 50, log: true}, 10, 25},
		{axis{d0: 1, d1: 100, r0: 0, r1: 50, log: true}, 1, 0},
		{axis{d0: 1, d1: 100, r0: 0, r1: 50, log: true}, 100, 50},
		{axis{d0: 1, d1: 100, r0: 0, r1: 50, log: true}, 1e9, 50},
	} {
		if got := c.a.at(c.x); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%+v at %v: %v, want %v", c.a, c.x, got, c.want)
		}
	}
}

func TestTicksAreRound(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		n      int
		want   string
	}{
		{0, 10, 5, "[0 2 4 6 8 10]"},
		{0, 11, 5, "[0 5 10 15]"},
		{-3, 7, 5, "[-4 -2 0 2 4 6 8]"},
		{-0.25, 0, 5, "[-0.25 -0.2 -0.15 -0.1 -0.05 0]"},
		{3, 3, 5, "[1 2 3 4 5]"},
		{31.561643835616437, math.Nextafter(31.561643835616437, 32), 5, "[10 20 30 40 50]"}, // an ulp apart
		{0, 0, 5, "[-0.6 -0.4 -0.2 0 0.2 0.4 0.6]"},
	} {
		a, at := newAxis(c.lo, c.hi, 0, 1, c.n)
		for i := range at {
			at[i] = math.Round(at[i]*1e9) / 1e9
		}
		if got := fmt.Sprint(at); got != c.want {
			t.Errorf("[%v, %v]: %s, want %s", c.lo, c.hi, got, c.want)
		}
		if a.d0 > c.lo || a.d1 < c.hi {
			t.Errorf("[%v, %v] is not within the axis %+v", c.lo, c.hi, a)
		}
	}
	if _, at := newLogAxis(3, 150, 0, 1); fmt.Sprint(at) != "[5 10 20 50 100]" {
		t.Errorf("logarithmic ticks %v", at)
	}
}

func TestLimitCutsOutliersOnly(t *testing.T) {
	for _, c := range []struct {
		sizes []float64
		want  float64
	}{
		{nil, 0}, {[]float64{5}, 5}, {[]float64{1, 2, 6}, 6}, {[]float64{1, 2, 3, 2, 100}, 1.1 * 3}, {[]float64{0, 0, 0, 9}, 9},
	} {
		if got := limit(c.sizes); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v: %v, want %v", c.sizes, got, c.want)
		}
	}
}

func TestCoordinate(t *testing.T) {
	for x, want := range map[float64]string{0: "0", -0.001: "0", 1.5: "1.5", 100: "100", 12.345: "12.35", 0.1 + 0.2: "0.3"} {
		if got := coordinate(x); got != want {
			t.Errorf("%v: %s, want %s", x, got, want)
		}
	}
}

// pairs is a learned policy with the given differences to baselines.
func pairs(higherIsBetter bool, ds ...eval.Estimate) *eval.Result {
	r := &eval.Result{Objective: "c", MetricsInfo: []eval.MetricInfo{{Name: "c", Unit: "USD", HigherIsBetter: higherIsBetter}}}
	p := eval.PolicyResult{Name: "l", Kind: eval.Learned, Metrics: map[string]eval.Estimate{"c": {Mean: 1}}}
	for i, d := range ds {
		p.Versus = append(p.Versus, eval.Paired{Vs: fmt.Sprint("b", i), Metric: "c", Estimate: d})
	}
	r.Policies = []eval.PolicyResult{p}
	return r
}

// Differences of −10 to 10 give an axis of just that domain on plotLeft = 190
// to plotRight = 570, 19 units a dollar about x = 380.
func TestForestCoordinates(t *testing.T) {
	f := newForest(pairs(false, estimate(-5, 5), estimate(4, 6), estimate(2, 1), eval.Estimate{Mean: 3, Lo: nan, Hi: nan}))
	if f.Zero != "380" {
		t.Errorf("zero at %s, want 380", f.Zero)
	}
	for i, want := range []struct{ mean, lo, hi, class string }{
		{"285", "190", "380", "open"}, // touches 0
		{"456", "342", "570", "open"},
		{"418", "399", "437", "worse"},
		{"437", "", "", "open"},
	} {
		row := f.Rows[i+1] // below the heading
		if row.Mean != want.mean || row.Lo != want.lo || row.Hi != want.hi || row.Class != want.class {
			t.Errorf("row %d: %s [%s, %s] %s, want %+v", i, row.Mean, row.Lo, row.Hi, row.Class, want)
		}
	}
	if f.Cut {
		t.Error("something is cut, want nothing")
	}
	if f.Rows[1].Y != "43" { // the second row of 26 below a margin of 4
		t.Errorf("first difference at y = %s, want 43", f.Rows[1].Y)
	}
}

func TestForestColoursByDirection(t *testing.T) {
	if f := newForest(pairs(true, estimate(2, 1))); f.Rows[1].Class != "better" || f.Below != "← worse" {
		t.Errorf("%s under %q, want better", f.Rows[1].Class, f.Below)
	}
	if f := newForest(pairs(false, estimate(-2, 1))); f.Rows[1].Class != "better" || f.Below != "← better" {
		t.Errorf("%s under %q, want better", f.Rows[1].Class, f.Below)
	}
	if f := newForest(pairs(false)); f != nil {
		t.Errorf("a chart of no differences: %+v", f)
	}
}

func TestForestCutsWhatWouldFlattenTheRest(t *testing.T) {
	f := newForest(pairs(false, estimate(-1, 1), estimate(-2, 1), estimate(-3, 1), estimate(-5000, 100)))
	if !f.Cut || f.Rows[4].LoArrow == "" || f.Rows[3].LoArrow != "" {
		t.Errorf("cut %v, arrows %q and %q, want only the last row cut", f.Cut, f.Rows[4].LoArrow, f.Rows[3].LoArrow)
	}
	if f.Rows[4].Known || !f.Rows[3].Known {
		t.Error("the cut mean is drawn, or another is not")
	}
	if f.Rows[4].Figures != "−5000.0 [−5100.0, −4900.0]" {
		t.Errorf("figures %q, want them whole", f.Rows[4].Figures)
	}
}

// stacked is one policy a row of parts.
func stacked(parts ...[]float64) *eval.Result {
	r := &eval.Result{Objective: "c", MetricsInfo: []eval.MetricInfo{{Name: "c"}}}
	for k := range parts[0] {
		r.MetricsInfo = append(r.MetricsInfo, eval.MetricInfo{Name: fmt.Sprint("part", k), Part: true})
	}
	for i, xs := range parts {
		p := eval.PolicyResult{Name: fmt.Sprint("p", i), Kind: eval.Baseline, Metrics: map[string]eval.Estimate{}}
		total := 0.0
		for k, x := range xs {
			p.Metrics[fmt.Sprint("part", k)] = estimate(x, 0)
			if !math.IsNaN(x) {
				total += x
			}
		}
		p.Metrics["c"] = estimate(total, 0)
		r.Policies = append(r.Policies, p)
	}
	return r
}

// The axis runs from −4 to 8 on 190 to 570: 380/12 units a dollar, zero at
// 190 + 4·380/12 = 316.67.
func TestStackCoordinates(t *testing.T) {
	s := newStack(stacked([]float64{6, -3, 2, nan}))
	if s.Zero != "316.67" {
		t.Errorf("zero at %s, want 316.67", s.Zero)
	}
	var got []string
	for _, g := range s.Bars[0].Segments {
		got = append(got, g.Class+" "+g.X+" "+g.Width)
	}
	want := "p0 316.67 190; p1 221.67 95; p2 506.67 63.33" // 6·31.67, 3·31.67 left of zero, 2·31.67 after the first
	if strings.Join(got, "; ") != want {
		t.Errorf("segments %s, want %s", strings.Join(got, "; "), want)
	}
	if s.Bars[0].Total != "475" { // 5 dollars: 316.67 + 158.33
		t.Errorf("the whole at %s, want 475", s.Bars[0].Total)
	}
	if v := s.Legend[3].Values[0]; v != "–" {
		t.Errorf("an unknown part is %q, want a dash", v)
	}
}

func TestStackDrawsTheSmallestPartsTogether(t *testing.T) {
	s := newStack(stacked([]float64{9, 8, 7, 6, 5, 0.1, 4, 3, 0.2}))
	own, together := 0, 0
	for _, row := range s.Legend {
		if row.Class == "px" {
			together++
		} else {
			own++
		}
	}
	if own != colours || together != 2 {
		t.Errorf("%d parts on their own and %d together, want %d and 2", own, together, colours)
	}
	last := s.Bars[0].Segments[len(s.Bars[0].Segments)-1]
	if last.Class != "px" || !strings.Contains(last.Title, "other parts: 0.3") {
		t.Errorf("last segment %+v, want the two smallest together, 0.3", last)
	}
}

func TestStackCutsTheOutlier(t *testing.T) {
	s := newStack(stacked([]float64{10, 1}, []float64{12, 1}, []float64{11, 1}, []float64{500, 900}))
	worst := s.Bars[3]
	if !s.Cut || worst.Arrow == "" || worst.Total != "" || worst.Figure != "1400" {
		t.Errorf("outlier: cut %v, %+v, want it cut with its figure whole", s.Cut, worst)
	}
	if s.Bars[0].Arrow != "" {
		t.Error("another bar is cut")
	}
}

// Means of 0 to 100 give an axis of 0 to 100 on 274 to 24, 2.5 units each;
// steps 0 to 1000 lie on 64 to 748.
func TestCurveCoordinates(t *testing.T) {
	m := eval.MetricInfo{Name: "r", HigherIsBetter: true}
	baseline := &eval.PolicyResult{Name: "b", Metrics: map[string]eval.Estimate{"r": {Mean: 40, Lo: 20, Hi: 60}}}
	c := newCurve("", m, []Point{{0, 0, nan, nan}, {500, 50, 40, 60}, {1000, 100, 80, 100}}, baseline)
	if len(c.Lines) != 1 || c.Lines[0] != "64,274 406,149 748,24" {
		t.Errorf("line %v, want 64,274 406,149 748,24", c.Lines)
	}
	if len(c.Bands) != 1 || c.Bands[0] != "406,124 748,24 748,74 406,174" {
		t.Errorf("band %v, want 406,124 748,24 748,74 406,174", c.Bands)
	}
	if c.Baseline != "174" || c.BaselineTop != "124" || c.BaselineHeight != "100" {
		t.Errorf("baseline at %s, band %s high from %s, want 174, 100 and 124", c.Baseline, c.BaselineHeight, c.BaselineTop)
	}
}

func TestCurveBreaksWhereNothingIsKnown(t *testing.T) {
	c := newCurve("", eval.MetricInfo{Name: "r"}, []Point{{0, 1, nan, nan}, {1, 2, nan, nan}, {2, nan, nan, nan}, {3, 2, nan, nan}, {4, 1, nan, nan}}, nil)
	if len(c.Lines) != 2 || len(c.Dots) != 4 || c.Baseline != "" {
		t.Errorf("%d lines, %d dots, baseline %q, want 2, 4 and none", len(c.Lines), len(c.Dots), c.Baseline)
	}
	if c := newCurve("", eval.MetricInfo{}, nil, nil); c != nil {
		t.Errorf("a curve of no points: %+v", c)
	}
}

func TestCurveOverDecadesIsLogarithmic(t *testing.T) {
	c := newCurve("", eval.MetricInfo{Name: "cost"}, []Point{{0, 10000, 1, 2e4}, {1, 100, 90, 110}, {2, 10, -1, 12}}, nil)
	if !strings.Contains(c.YCaption, "logarithmic") {
		t.Errorf("caption %q, want it to say logarithmic", c.YCaption)
	}
	// 10 to 10,000 widened by 1.5 either way; 100 lies log(15)/log(2250) up.
	want := 274 - 250*math.Log(15)/math.Log(2250)
	if got := strings.Split(c.Lines[0], " ")[1]; got != "406,"+coordinate(want) {
		t.Errorf("100 at %s, want y = %s", got, coordinate(want))
	}
}

func TestStepText(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 950: "950", 1000: "1k", 25000: "25k", 1.5e6: "1.5M", 2e9: "2G"} {
		if got := stepText(x); got != want {
			t.Errorf("%v: %s, want %s", x, got, want)
		}
	}
}
