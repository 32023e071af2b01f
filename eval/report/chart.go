package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"mend/eval"
)

// The charts' measures, in SVG user units; they share one width and two
// columns.
const (
	chartWidth = 760.0
	plotLeft   = 190.0 // labels end before it
	plotRight  = 570.0 // figures begin after it
	rowHeight  = 26.0
	axisHeight = 42.0 // ticks and caption below a plot

	letterWidth = 7.0 // of figures, with room to spare
)

// tick is one mark on an axis.
type tick struct{ X, Y, Text string }

// frame is what every chart has.
type frame struct {
	Width, Height            string
	Left, Right, Top, Bottom string // of the plot
	TextX                    string // where figures beside the plot begin
	XTicks, YTicks           []tick
	Caption                  string // of the x axis
	CaptionX, CaptionY       string
	TickY                    string // of the x ticks' text
	Cut                      bool   // something reaches beyond the plot
}

func newFrame(left, right, top, bottom float64) frame {
	return frame{
		Width: coordinate(chartWidth), Height: coordinate(bottom + axisHeight),
		Left: coordinate(left), Right: coordinate(right), Top: coordinate(top), Bottom: coordinate(bottom),
		TextX:    coordinate(right + 14),
		CaptionX: coordinate((left + right) / 2), CaptionY: coordinate(bottom + 36), TickY: coordinate(bottom + 18),
	}
}

// xTicks labels an x axis in the unit of s.
func (f *frame) xTicks(a axis, at []float64, s eval.Scale) {
	s = tickScale(s, at)
	for _, x := range at {
		f.XTicks = append(f.XTicks, tick{X: coordinate(a.at(x)), Text: number(s, x)})
	}
}

func (f *frame) yTicks(a axis, at []float64, s eval.Scale) {
	s = tickScale(s, at)
	for _, y := range at {
		f.YTicks = append(f.YTicks, tick{Y: coordinate(a.at(y)), Text: number(s, y)})
	}
}

// tickScale gives s just the decimals that tell the ticks apart.
func tickScale(s eval.Scale, at []float64) eval.Scale {
	s.Decimals = 0
	for i, x := range at {
		narrowest := math.Abs(x)
		if i > 0 {
			narrowest = math.Abs(x - at[i-1])
		}
		if narrowest > 0 {
			s.Decimals = max(s.Decimals, min(8, -int(math.Floor(math.Log10(narrowest/s.Factor)+1e-9))))
		}
	}
	return s
}

// forest shows differences as dots with whiskers about a line at zero.
type forest struct {
	frame
	Rows         []forestRow
	Zero         string
	Below, Above string // what lies on either side of zero
}

// forestRow is one difference, or a heading.
type forestRow struct {
	Heading string
	Label   string
	Full    string // label in full, with the figures
	TextY   string
	Y       string
	Known   bool // the mean lies within the plot
	Mean    string
	Whisker bool
	Lo, Hi  string
	// Arrows where an end lies beyond the plot.
	LoArrow, HiArrow string
	Class            string // better, worse, open
	Figures          string
}

// newForest lays out the paired differences: each learned policy with every
// baseline, then the others with the best baseline.
func newForest(r *eval.Result) *forest {
	type row struct {
		heading string
		label   string
		d       eval.Paired
	}
	var rows []row
	var rest []row
	info := r.Info(r.Objective)
	for _, p := range r.Ranked() {
		if len(p.Versus) > 0 {
			rows = append(rows, row{heading: p.Name + " minus …"})
			for _, d := range p.Versus {
				rows = append(rows, row{label: d.Vs, d: d})
			}
		} else if p.Paired != nil {
			rest = append(rest, row{label: p.Name, d: *p.Paired})
		}
	}
	if len(rest) > 0 {
		rows = append(rows, row{heading: "… minus " + rest[0].d.Vs + ", the best baseline"})
		rows = append(rows, rest...)
	}
	if len(rows) == 0 {
		return nil
	}

	var sizes []float64
	for _, x := range rows {
		size := 0.0
		for _, v := range []float64{x.d.Mean, x.d.Lo, x.d.Hi} {
			if finite(v) {
				size = math.Max(size, math.Abs(v))
			}
		}
		if x.heading == "" {
			sizes = append(sizes, size)
		}
	}
	reach := limit(sizes)
	lo, hi := 0.0, 0.0
	for _, x := range rows {
		for _, v := range []float64{x.d.Mean, x.d.Lo, x.d.Hi} {
			if finite(v) {
				lo = math.Min(lo, math.Max(v, -reach))
				hi = math.Max(hi, math.Min(v, reach))
			}
		}
	}
	scale := r.DifferenceScale()
	right := plotRight
	for _, x := range rows { // room for the longest figures
		letters := utf8.RuneCountInString(differenceText(scale, x.d.Estimate))
		right = min(right, max(2*plotLeft, chartWidth-14-letterWidth*float64(letters)))
	}
	a, at := newAxis(lo, hi, plotLeft, right, 6)
	top := 4.0
	f := &forest{frame: newFrame(plotLeft, right, top, top+rowHeight*float64(len(rows))), Zero: coordinate(a.at(0))}
	f.xTicks(a, at, scale)
	f.Caption, f.Below, f.Above = "difference in "+info.Label(scale), "← better", "worse →"
	if info.HigherIsBetter {
		f.Below, f.Above = "← worse", "better →"
	}
	for i, x := range rows {
		y := top + rowHeight*(float64(i)+0.5)
		out := forestRow{Heading: short(x.heading, 70), Label: short(x.label, 26), Y: coordinate(y), TextY: coordinate(y + 4)}
		if x.heading == "" {
			d := x.d.Estimate
			out.Figures = differenceText(scale, d)
			out.Full = x.label + ": " + out.Figures
			out.Class = verdict(info, d)
			if d.Mean >= a.d0 && d.Mean <= a.d1 {
				out.Known, out.Mean = true, coordinate(a.at(d.Mean))
			}
			if finite(d.Lo) && finite(d.Hi) {
				out.Whisker, out.Lo, out.Hi = true, coordinate(a.at(d.Lo)), coordinate(a.at(d.Hi))
			}
			if min(d.Lo, d.Mean) < a.d0 || d.Mean < a.d0 {
				out.LoArrow, f.Cut = arrow(a.r0, y, -1), true
			}
			if max(d.Hi, d.Mean) > a.d1 || d.Mean > a.d1 {
				out.HiArrow, f.Cut = arrow(a.r1, y, 1), true
			}
		}
		f.Rows = append(f.Rows, out)
	}
	return f
}

// arrow is a triangle whose tip lies just beyond x.
func arrow(x, y, direction float64) string {
	return fmt.Sprintf("%s,%s %s,%s %s,%s",
		coordinate(x+9*direction), coordinate(y),
		coordinate(x), coordinate(y-5),
		coordinate(x), coordinate(y+5))
}

// verdict classes a difference: better, worse, or open where the interval
// holds 0 or is not known.
func verdict(m eval.MetricInfo, d eval.Estimate) string {
	switch {
	case !d.ExcludesZero():
		return "open"
	case (d.Mean > 0) == m.HigherIsBetter:
		return "better"
	}
	return "worse"
}

// stack shows what the objective is made of, one bar a policy.
type stack struct {
	frame
	Zero   string
	Bars   []bar
	Names  []string // columns of the table below the chart: the policies
	Legend []legendRow
	Unit   string
}

type bar struct {
	Label, Full string
	Y, TextY    string
	Height      string
	Segments    []segment
	Total       string // coordinate of the objective itself; "" where unknown
	TickTop     string
	TickBottom  string
	Figure      string
	Arrow       string
}

type segment struct{ X, Width, Class, Title string }

// legendRow is one part: its colour, its name, its value under each policy.
type legendRow struct {
	Class, Name string
	Values      []string
}

// colours is how many parts have a colour of their own; further ones, the
// smallest, are drawn together.
const colours = 7

// newStack lays out the parts of the objective, in the Spec's order, positive
// ones to the right of zero and negative ones to the left.
func newStack(r *eval.Result) *stack {
	parts := r.Parts()
	policies := r.Ranked()
	if len(parts) == 0 || len(policies) == 0 {
		return nil
	}
	own, together := split(parts, policies)
	value := func(p eval.PolicyResult, m eval.MetricInfo) float64 { return p.Metric(m.Name).Mean }

	var ups, downs []float64
	for _, p := range policies {
		up, down := 0.0, 0.0
		for _, m := range parts {
			if x := value(p, m); finite(x) {
				up += math.Max(x, 0)
				down -= math.Min(x, 0)
			}
		}
		ups, downs = append(ups, up), append(downs, down)
	}
	a, at := newAxis(-limit(downs), limit(ups), plotLeft, plotRight, 6)
	top := 4.0
	const height = 30.0
	s := &stack{frame: newFrame(plotLeft, plotRight, top, top+height*float64(len(policies))), Zero: coordinate(a.at(0))}
	objective := r.Info(r.Objective)
	var totals []eval.Estimate
	for _, p := range policies {
		totals = append(totals, p.Metric(r.Objective))
	}
	scale := objective.Scale(totals...)
	s.xTicks(a, at, scale)
	s.Caption, s.Unit = objective.Label(scale), scale.Unit

	for i, p := range policies {
		y := top + height*float64(i)
		b := bar{
			Label: short(p.Name, 26), Full: p.Name, Y: coordinate(y + 5), TextY: coordinate(y + height/2 + 4), Height: coordinate(height - 10),
			TickTop: coordinate(y + 2), TickBottom: coordinate(y + height - 2),
		}
		up, down := 0.0, 0.0
		add := func(x float64, class, name string) {
			if !finite(x) || x == 0 {
				return
			}
			from, to := up, up+x
			if x < 0 {
				from, to = down+x, down
				down = from
			} else {
				up = to
			}
			x0, x1 := a.at(from), a.at(to)
			if x1-x0 < 0.005 { // beyond the cut, or too thin to draw
				return
			}
			b.Segments = append(b.Segments, segment{coordinate(x0), coordinate(x1 - x0), class,
				p.Name + ", " + name + ": " + number(scale, x) + unit(scale)})
		}
		for k, m := range own {
			add(value(p, m), "p"+strconv.Itoa(k), partName(objective, m))
		}
		rest := 0.0
		for _, m := range together {
			if x := value(p, m); finite(x) {
				rest += x
			}
		}
		add(rest, "px", "other parts")
		if up > a.d1 {
			b.Arrow, s.Cut = arrow(a.r1, y+height/2, 1), true
		}
		if total := p.Metric(r.Objective).Mean; finite(total) {
			b.Figure = number(scale, total)
			if total >= a.d0 && total <= a.d1 {
				b.Total = coordinate(a.at(total))
			}
		} else {
			b.Figure = "–"
		}
		s.Bars = append(s.Bars, b)
		s.Names = append(s.Names, strings.TrimPrefix(p.Name, "baseline:")) // the columns are narrow
	}
	legend := func(class string, m eval.MetricInfo) {
		row := legendRow{Class: class, Name: partName(objective, m)}
		for _, p := range policies {
			row.Values = append(row.Values, number(scale, value(p, m)))
		}
		s.Legend = append(s.Legend, row)
	}
	for k, m := range own {
		legend("p"+strconv.Itoa(k), m)
	}
	for _, m := range together {
		legend("px", m)
	}
	return s
}

// split picks the parts that get a colour of their own: those that are the
// largest share of any policy's bar. Both lists keep the Spec's order.
func split(parts []eval.MetricInfo, policies []eval.PolicyResult) (own, together []eval.MetricInfo) {
	share := make(map[string]float64, len(parts))
	for _, p := range policies {
		sum := 0.0
		for _, m := range parts {
			if x := p.Metric(m.Name).Mean; finite(x) {
				sum += math.Abs(x)
			}
		}
		for _, m := range parts {
			if x := p.Metric(m.Name).Mean; finite(x) && sum > 0 {
				share[m.Name] = math.Max(share[m.Name], math.Abs(x)/sum)
			}
		}
	}
	bySize := slices.Clone(parts)
	slices.SortStableFunc(bySize, func(a, b eval.MetricInfo) int {
		switch x, y := share[a.Name], share[b.Name]; {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	for _, m := range parts {
		if slices.Index(bySize, m) < colours {
			own = append(own, m)
		} else {
			together = append(together, m)
		}
	}
	return own, together
}

// bare is the name of a metric without its unit.
func bare(m eval.MetricInfo) string { return m.Label(eval.Scale{}) }

// partName is the name of a part without its unit and without the name of the
// whole: "traffic" for a part "cost_traffic" of the objective "cost".
func partName(objective, m eval.MetricInfo) string {
	return strings.TrimPrefix(bare(m), bare(objective)+" ")
}

// curve shows values over steps of training.
type curve struct {
	frame
	Name           string
	PlotW, PlotH   string
	Lines          []string // points of polylines, one a run of known values
	Bands          []string // points of polygons
	Dots           []dot
	Baseline       string // y of the best baseline; "" where there is none
	BaselineText   string
	BaselineTextY  string
	BaselineTop    string // its interval
	BaselineHeight string
	YCaption       string
}

type dot struct{ X, Y, Title string }

// logFrom is the ratio of the largest to the smallest value from which a curve
// of positive values gets a logarithmic axis.
const logFrom = 20

// newCurve lays out points, in the unit of m, with a line for the estimate of
// baseline unless that is nil.
func newCurve(name string, m eval.MetricInfo, points []Point, baseline *eval.PolicyResult) *curve {
	var means, ends []float64
	var estimates []eval.Estimate
	last := uint64(0)
	for _, p := range points {
		last = max(last, p.Step)
		estimates = append(estimates, eval.Estimate{Mean: p.Mean, Lo: math.NaN(), Hi: math.NaN()})
		if finite(p.Mean) {
			means = append(means, p.Mean)
		}
		for _, x := range []float64{p.Lo, p.Hi} {
			if finite(p.Mean) && finite(x) {
				ends = append(ends, x)
			}
		}
	}
	if len(means) == 0 {
		return nil
	}
	base := eval.Estimate{Mean: math.NaN(), Lo: math.NaN(), Hi: math.NaN()}
	if baseline != nil {
		base = baseline.Metric(m.Name)
		if finite(base.Mean) {
			means = append(means, base.Mean)
			estimates = append(estimates, base)
		}
	}
	scale := m.Scale(estimates...)

	const left, right, top, bottom = 64.0, 748.0, 24.0, 274.0
	lo, hi := slices.Min(means), slices.Max(means)
	var y axis
	var at []float64
	logarithmic := lo > 0 && hi/lo > logFrom
	if logarithmic {
		y, at = newLogAxis(lo/1.5, hi*1.5, bottom, top)
	} else {
		// Wide intervals may take the axis to twice the range of the means.
		room := math.Max(hi-lo, math.Abs(hi)*1e-3) / 2
		for _, x := range ends {
			lo, hi = math.Min(lo, math.Max(x, slices.Min(means)-room)), math.Max(hi, math.Min(x, slices.Max(means)+room))
		}
		y, at = newAxis(lo, hi, bottom, top, 5)
	}
	x, steps := newAxis(0, math.Max(float64(last), 1), left, right, 8)
	x.d1 = math.Max(float64(last), 1) // the curve ends at the plot's edge

	c := &curve{frame: newFrame(left, right, top, bottom), Name: name,
		PlotW: coordinate(right - left), PlotH: coordinate(bottom - top), YCaption: m.Label(scale)}
	c.yTicks(y, at, scale)
	if logarithmic {
		c.YCaption += ", logarithmic"
	}
	for _, s := range steps {
		if s <= x.d1 {
			c.XTicks = append(c.XTicks, tick{X: coordinate(x.at(s)), Text: stepText(s)})
		}
	}
	c.Caption = "steps of training"

	var line, upper, lower []string
	flush := func() {
		if len(line) > 1 {
			c.Lines = append(c.Lines, strings.Join(line, " "))
		}
		line = nil
	}
	flushBand := func() {
		if len(upper) > 1 {
			slices.Reverse(lower)
			c.Bands = append(c.Bands, strings.Join(append(upper, lower...), " "))
		}
		upper, lower = nil, nil
	}
	for _, p := range points {
		if !finite(p.Mean) {
			flush()
			flushBand()
			continue
		}
		px, py := coordinate(x.at(float64(p.Step))), coordinate(y.at(p.Mean))
		line = append(line, px+","+py)
		text := fmt.Sprintf("%s steps: %s", stepText(float64(p.Step)), number(scale, p.Mean))
		if finite(p.Lo) && finite(p.Hi) {
			upper = append(upper, px+","+coordinate(y.at(p.Hi)))
			lower = append(lower, px+","+coordinate(y.at(p.Lo)))
			text += " " + number(scale, p.Lo) + " to " + number(scale, p.Hi)
		} else {
			flushBand()
		}
		c.Dots = append(c.Dots, dot{px, py, text + unit(scale)})
	}
	flush()
	flushBand()

	if finite(base.Mean) {
		at := y.at(base.Mean)
		c.Baseline = coordinate(at)
		c.BaselineText = short(baseline.Name, 40) + " " + number(scale, base.Mean)
		c.BaselineTextY = coordinate(at - 6)
		if at-top < 20 {
			c.BaselineTextY = coordinate(at + 16)
		}
		if finite(base.Lo) && finite(base.Hi) {
			c.BaselineTop = coordinate(y.at(base.Hi))
			c.BaselineHeight = coordinate(y.at(base.Lo) - y.at(base.Hi))
		}
	}
	return c
}

// stepText writes a number of steps: 950, 20k, 1.5M.
func stepText(x float64) string {
	for _, s := range []step{{"G", 1e9}, {"M", 1e6}, {"k", 1e3}} {
		if x >= s.size {
			return strconv.FormatFloat(math.Round(x/s.size*1000)/1000, 'f', -1, 64) + s.letter
		}
	}
	return strconv.FormatFloat(x, 'f', -1, 64)
}

type step struct {
	letter string
	size   float64
}

// number writes x in the unit of s with the typographic minus.
func number(s eval.Scale, x float64) string {
	if !finite(x) {
		return "–"
	}
	return strings.ReplaceAll(s.Text(x), "-", "−")
}

// unit is the unit of s after a number.
func unit(s eval.Scale) string {
	if s.Unit == "" {
		return ""
	}
	return " " + s.Unit
}

// signed writes a difference with its sign.
func signed(s eval.Scale, x float64) string {
	if x > 0 && finite(x) {
		return "+" + number(s, x)
	}
	return number(s, x)
}

// span writes an interval, "" where it is not known.
func span(s eval.Scale, e eval.Estimate) string {
	if !finite(e.Lo) || !finite(e.Hi) {
		return ""
	}
	return "[" + number(s, e.Lo) + ", " + number(s, e.Hi) + "]"
}

// differenceText writes a difference and its interval.
func differenceText(s eval.Scale, d eval.Estimate) string {
	return strings.TrimSpace(signed(s, d.Mean) + " " + span(s, d))
}

// short cuts s to n letters.
func short(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
