package eval

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/tw"
)

// Scale is how the values of one metric are written for people: x/Factor, in
// Unit, with so many decimals.
type Scale struct {
	Unit     string
	Factor   float64
	Decimals int
}

// Scale chooses how to write the given values of m. Bytes and seconds get the
// unit that suits their median, shares become per cent. The decimals show two
// digits of the narrowest interval, or else four digits of the smallest value,
// but no more than nine digits in all.
func (m MetricInfo) Scale(values ...Estimate) Scale {
	var sizes []float64
	for _, v := range values {
		if x := math.Abs(v.Mean); x > 0 && !math.IsInf(x, 0) {
			sizes = append(sizes, x)
		}
	}
	slices.Sort(sizes)
	median := 0.0
	if len(sizes) > 0 {
		median = sizes[len(sizes)/2]
	}
	s := m.unit(median)
	resolution, largest, whole := math.Inf(1), 1.0, true
	for _, x := range sizes {
		x /= s.Factor
		largest = max(largest, x)
		whole = whole && x == math.Trunc(x)
	}
	for _, v := range values {
		// An interval narrower than this is the rounding of a sum.
		if half := v.Half() / s.Factor; half > 1e-9*largest {
			resolution = min(resolution, half/10)
		}
	}
	if math.IsInf(resolution, 1) && !whole {
		for _, x := range sizes {
			x /= s.Factor
			if s.Unit == "%" && x < 100 {
				x = min(x, 100-x) // 99.9987 % is 0.0013 % short
			}
			resolution = min(resolution, x/1000)
		}
	}
	if !math.IsInf(resolution, 1) {
		s.Decimals = -int(math.Floor(math.Log10(resolution) + 1e-9))
	}
	s.Decimals = max(0, min(s.Decimals, 8-int(math.Log10(largest))))
	return s
}

// Difference is s for differences of values: per cent become points.
func (s Scale) Difference() Scale {
	if s.Unit == "%" {
		s.Unit = "% points"
	}
	return s
}

// Text writes x without its unit, "-" where it is not finite.
func (s Scale) Text(x float64) string {
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return "-"
	case x == 0:
		return "0"
	}
	t := strconv.FormatFloat(x/s.Factor, 'f', s.Decimals, 64)
	digits := strings.TrimPrefix(t, "-")
	if strings.Trim(digits, "0.") == "" {
		return digits // no minus before zeros
	}
	point := strings.IndexByte(digits, '.')
	if point < 0 {
		point = len(digits)
	}
	sign := t[:len(t)-len(digits)]
	if point > 4 { // 12,345 but 1234
		for i := point - 3; i > 0; i -= 3 {
			digits = digits[:i] + "," + digits[i:]
		}
	}
	return sign + digits
}

// Interval writes [lo, hi] without the unit, "" where an end is not known.
func (s Scale) Interval(e Estimate) string {
	if math.IsNaN(e.Half()) {
		return ""
	}
	return "[" + s.Text(e.Lo) + ", " + s.Text(e.Hi) + "]"
}

// step is a unit and its size in the base unit.
type step struct {
	unit string
	size float64
}

var (
	byteSteps   = []step{{"B", 1}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"PB", 1e15}, {"EB", 1e18}}
	secondSteps = []step{{"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"min", 60}, {"h", 3600}, {"days", 86400}, {"years", 365.25 * 86400}}
)

// unit chooses the unit for values of about the given size. A unit "X/day" is
// scaled as X is.
func (m MetricInfo) unit(size float64) Scale {
	base, per, rate := strings.Cut(m.Unit, "/")
	if rate {
		per = "/" + per
	}
	steps, inBase := []step(nil), 1.0
	switch base {
	case "B", "byte", "bytes":
		steps = byteSteps
	case "us", "microsecond", "microseconds":
		steps, inBase = secondSteps, 1e-6
	case "ms", "millisecond", "milliseconds":
		steps, inBase = secondSteps, 1e-3
	case "s", "second", "seconds":
		steps = secondSteps
	case "min", "minute", "minutes":
		steps, inBase = secondSteps, 60
	case "h", "hour", "hours":
		steps, inBase = secondSteps, 3600
	case "d", "day", "days":
		steps, inBase = secondSteps, 86400
	case "share", "fraction", "probability":
		return Scale{Unit: "%" + per, Factor: 0.01}
	case "1":
		if !rate {
			return Scale{Factor: 1}
		}
		return Scale{Unit: m.Unit, Factor: 1}
	default:
		return Scale{Unit: m.Unit, Factor: 1}
	}
	if size == 0 {
		return Scale{Unit: m.Unit, Factor: 1}
	}
	chosen := steps[0]
	for _, s := range steps {
		if size*inBase >= 1.5*s.size { // 90 s, but 1.6 min
			chosen = s
		}
	}
	return Scale{Unit: chosen.unit + per, Factor: chosen.size / inBase}
}

// Label is the metric's name for people, with the unit of s in place of the
// unit that the name may end in: "repair_bytes_per_day" becomes "repair
// [TB/day]".
func (m MetricInfo) Label(s Scale) string {
	base, per, rate := strings.Cut(strings.ToLower(m.Unit), "/")
	switch base {
	case "b":
		base = "bytes"
	case "s":
		base = "seconds"
	case "min":
		base = "minutes"
	case "h":
		base = "hours"
	}
	if rate {
		switch per {
		case "d":
			per = "day"
		case "h":
			per = "hour"
		}
		base = strings.TrimPrefix(base+"_per_"+per, "1_")
	}
	name := strings.ReplaceAll(strings.TrimSuffix(m.Name, "_"+base), "_", " ")
	return printable(name) + unitSuffix(s)
}

// WriteTable writes r for people, in plain ASCII but for the names: one line a
// policy, the best objective first, then each learned policy's difference to
// every baseline.
func (r *Result) WriteTable(w io.Writer) error {
	ranked, columns := r.Ranked(), r.Columns()
	best := r.BestBaseline()

	header := []string{"policy"}
	rows := make([][]string, len(ranked))
	for i, p := range ranked {
		rows[i] = []string{printable(p.Name)}
	}
	for _, m := range columns {
		s := m.Scale(r.values(m.Name)...)
		header = append(header, m.Label(s))
		for i, p := range ranked {
			e := p.Metric(m.Name)
			cell := s.Text(e.Mean)
			if m.Name == r.Objective && !math.IsNaN(e.Half()) {
				cell += " +/- " + s.Text(e.Half())
			}
			rows[i] = append(rows[i], cell)
		}
	}
	objective := columns[0]
	scale := r.DifferenceScale()
	if best != nil && len(ranked) > 1 {
		header = append(header, "minus "+printable(best.Name)+unitSuffix(scale))
		for i, p := range ranked {
			rows[i] = append(rows[i], difference(scale, p.Paired))
		}
	}
	for _, c := range r.ExactColumns() {
		header = append(header, c.Header)
		for i, p := range ranked {
			rows[i] = append(rows[i], c.Text(&p))
		}
	}
	if err := writeGrid(w, header, rows); err != nil {
		return fmt.Errorf("eval: table: %w", err)
	}

	var b strings.Builder
	fmt.Fprintf(&b, "%s, digest %s\n%s; 95 %% intervals (Student t)", printable(r.Env), printable(r.EnvDigest), episodes(r.Episodes, r.Seed))
	if best != nil && len(ranked) > 1 {
		fmt.Fprintf(&b, "; * excludes 0, %s is better", betterSign(objective))
	}
	b.WriteString(".\n")
	for _, p := range ranked {
		if len(p.Versus) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s minus each baseline, %s, on the same worlds:\n", printable(p.Name), objective.Label(scale))
		width := 0
		for _, d := range p.Versus {
			width = max(width, len(printable(d.Vs)))
		}
		for _, d := range p.Versus {
			fmt.Fprintf(&b, "  %-*s  %s\n", width, printable(d.Vs), strings.TrimRight(difference(scale, &d), " "))
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("eval: table: %w", err)
	}
	return nil
}

// ExactColumn is a column of a table that is exact or, in the case of regret, may
// be.
type ExactColumn struct {
	Header string
	Text   func(p *PolicyResult) string // "-" where it is not known
}

// ExactColumns are the exact objective and the regret, as far as any policy has
// them.
func (r *Result) ExactColumns() []ExactColumn {
	column := func(header string, decimals int, factor float64, of func(p *PolicyResult) *float64) []ExactColumn {
		if !slices.ContainsFunc(r.Policies, func(p PolicyResult) bool { return of(&p) != nil }) {
			return nil
		}
		return []ExactColumn{{header, func(p *PolicyResult) string {
			if x := of(p); x != nil {
				return Fixed(factor**x, decimals)
			}
			return "-"
		}}}
	}
	header, decimals := "exact", 2
	regret := "regret [%]"
	if u := r.Info(r.Objective).Unit; u != "" {
		header += " [" + printable(u) + "]"
	}
	exact := column(header, 8, 1, func(p *PolicyResult) *float64 { return p.Exact })
	sampled := slices.ContainsFunc(r.Policies, func(p PolicyResult) bool { return p.Exact == nil && p.Regret != nil })
	if exact != nil && !sampled {
		regret, decimals = "exact regret [%]", 4
	}
	return append(exact, column(regret, decimals, 100, func(p *PolicyResult) *float64 { return p.Regret })...)
}

// Fixed writes x with so many decimals, and zeros without a sign.
func Fixed(x float64, decimals int) string {
	t := strconv.FormatFloat(x, 'f', decimals, 64)
	if strings.Trim(t, "-0.") == "" {
		return strings.TrimPrefix(t, "-")
	}
	return t
}

// DifferenceScale is how the paired differences of r are written, all alike.
func (r *Result) DifferenceScale() Scale {
	var all []Estimate
	for _, p := range r.Policies {
		if p.Paired != nil {
			all = append(all, p.Paired.Estimate)
		}
		for _, d := range p.Versus {
			all = append(all, d.Estimate)
		}
	}
	return r.Info(r.Objective).Scale(all...).Difference()
}

// values are the estimates of one metric.
func (r *Result) values(name string) []Estimate {
	var all []Estimate
	for _, p := range r.Policies {
		all = append(all, p.Metric(name))
	}
	return all
}

// writeGrid writes a table of ASCII lines, numbers to the right.
func writeGrid(w io.Writer, header []string, rows [][]string) error {
	align := make(tw.Alignment, len(header))
	for i := range align {
		align[i] = tw.AlignRight
	}
	align[0] = tw.AlignLeft
	t := tablewriter.NewTable(w,
		tablewriter.WithSymbols(tw.NewSymbols(tw.StyleASCII)),
		tablewriter.WithAlignment(align),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
	)
	t.Header(header)
	for _, row := range rows {
		if err := t.Append(row); err != nil {
			return err
		}
	}
	return t.Render()
}

// difference writes one paired difference, "-" for none.
func difference(s Scale, d *Paired) string {
	if d == nil || math.IsNaN(d.Mean) {
		return "-"
	}
	mark := "  "
	if d.ExcludesZero() {
		mark = " *"
	}
	return strings.TrimRight(s.Text(d.Mean)+" "+s.Interval(d.Estimate), " ") + mark
}

func unitSuffix(s Scale) string {
	if s.Unit == "" {
		return ""
	}
	return " [" + s.Unit + "]"
}

func betterSign(m MetricInfo) string {
	if m.HigherIsBetter {
		return "positive"
	}
	return "negative"
}

func episodes(n int, seed uint64) string {
	if n == 1 {
		return fmt.Sprintf("1 episode of seed %d", seed)
	}
	return fmt.Sprintf("%d episodes of seed %d", n, seed)
}

// printable replaces what could steer a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
