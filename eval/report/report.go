// Package report draws the result of an evaluation on one page of HTML that
// needs nothing else: no network, no script, no other file.
//
// Start with [Write] and [Data]; [ReadCurve] reads the learning curve out of a
// run's metrics. The charts are SVG of our own, readable in light, in dark and
// on paper, in colours that colour-blind readers can tell apart (Okabe and Ito,
// "Color universal design", 2008). Every text is escaped.
package report

import (
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"mend/eval"
)

// Data is what goes on the page.
type Data struct {
	Result *eval.Result
	Curve  []Point  // periodic evaluations; may be empty
	Series []Series // other curves of training, such as the entropy; may be empty
	Facts  []Fact   // about the run: configuration, seed, steps, version, machine
	Notes  []string // footnotes, before those that hold for every evaluation
}

// Series is a named curve of training.
type Series struct {
	Name, Unit string
	Points     []Point
}

// Fact is one line about the run. A value of several lines is folded away.
type Fact struct{ Key, Value string }

//go:embed page.html
var source string

var layout = template.Must(template.New("page").Parse(source))

// Write writes the page.
func Write(w io.Writer, d Data) error {
	if d.Result == nil {
		return errors.New("report: no result of an evaluation")
	}
	if err := layout.Execute(w, newPage(d)); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// page is what the template shows.
type page struct {
	Env, Digest string
	Subtitle    string
	Verdicts    []sentence
	Facts, Long []Fact
	Table       table
	Forest      *forest
	Stack       *stack
	Curve       *curve
	Series      []*curve
	Notes       []string
}

// sentence says how a learned policy compares with the best baseline.
type sentence struct{ Class, Name, Text, Figures string }

type table struct {
	Header []string
	Rows   []tableRow
}

type tableRow struct {
	Name  string
	Kind  string // where the name does not say it
	Class string
	Cells []cell
}

// cell is a value and, below it, its interval.
type cell struct{ Value, Below, Class string }

func newPage(d Data) page {
	r := d.Result
	p := page{
		Env: r.Env, Digest: r.EnvDigest, Subtitle: fmt.Sprintf("%s, %s, seed %d", count(len(r.Policies), "policy", "policies"),
			count(r.Episodes, "episode", "episodes"), r.Seed),
		Verdicts: newVerdicts(r), Table: newTable(r), Forest: newForest(r), Stack: newStack(r),
		Curve: newCurve("", r.Info(r.Objective), d.Curve, r.BestBaseline()),
		Notes: append(slices.Clone(d.Notes), footnotes(r, len(d.Curve) > 0)...),
	}
	for _, s := range d.Series {
		if c := newCurve(s.Name, eval.MetricInfo{Name: s.Name, Unit: s.Unit}, s.Points, nil); c != nil {
			p.Series = append(p.Series, c)
		}
	}
	for _, f := range d.Facts {
		if strings.Contains(strings.TrimSpace(f.Value), "\n") {
			p.Long = append(p.Long, f)
		} else {
			p.Facts = append(p.Facts, f)
		}
	}
	return p
}

func newVerdicts(r *eval.Result) []sentence {
	info, scale := r.Info(r.Objective), r.DifferenceScale()
	best := r.BestBaseline()
	var all []sentence
	for _, p := range r.Ranked() {
		if p.Kind != eval.Learned || p.Paired == nil {
			continue
		}
		d := p.Paired
		s := sentence{Class: verdict(info, d.Estimate), Name: p.Name}
		switch {
		case !finite(d.Mean):
			continue
		case !finite(d.Lo):
			s.Text = "met " + d.Vs + ", the best baseline, too few times to be judged"
		case s.Class == "open":
			s.Text = "cannot be told apart from " + d.Vs + ", the best baseline"
		default:
			s.Text = "is " + s.Class + " than " + d.Vs + ", the best baseline"
		}
		s.Figures = bare(info) + " " + differenceText(scale, d.Estimate) + unit(scale)
		if base := best.Metric(r.Objective).Mean; base != 0 && finite(base) {
			percent := 100 * d.Mean / math.Abs(base)
			s.Figures += fmt.Sprintf(" (%s %%)", strings.ReplaceAll(strconv.FormatFloat(percent, 'f', 1, 64), "-", "−"))
		}
		all = append(all, s)
	}
	return all
}

func newTable(r *eval.Result) table {
	ranked, best := r.Ranked(), r.BestBaseline()
	t := table{Header: []string{"policy"}, Rows: make([]tableRow, len(ranked))}
	for i, p := range ranked {
		t.Rows[i] = tableRow{Name: p.Name}
		if !strings.HasPrefix(p.Name, p.Kind) {
			t.Rows[i].Kind = p.Kind
		}
		if p.Kind == eval.Learned {
			t.Rows[i].Class = "learned"
		}
	}
	for _, m := range r.Columns() {
		var all []eval.Estimate
		for _, p := range ranked {
			all = append(all, p.Metric(m.Name))
		}
		s := m.Scale(all...)
		t.Header = append(t.Header, m.Label(s))
		for i := range all {
			c := cell{Value: "–"}
			if finite(all[i].Mean) {
				c.Value = number(s, all[i].Mean)
			}
			if half := all[i].Half(); finite(half) && c.Value != "–" {
				c.Below = "± " + number(s, half)
			}
			t.Rows[i].Cells = append(t.Rows[i].Cells, c)
		}
	}
	if best != nil && len(ranked) > 1 {
		scale := r.DifferenceScale()
		t.Header = append(t.Header, "minus "+best.Name+bracketed(scale.Unit))
		for i, p := range ranked {
			c := cell{Value: "–"}
			if p.Paired != nil && finite(p.Paired.Mean) {
				c.Value, c.Below = signed(scale, p.Paired.Mean), span(scale, p.Paired.Estimate)
				c.Class = verdict(r.Info(r.Objective), p.Paired.Estimate)
			}
			t.Rows[i].Cells = append(t.Rows[i].Cells, c)
		}
	}
	for _, x := range r.ExactColumns() {
		t.Header = append(t.Header, x.Header)
		for i, p := range ranked {
			text := x.Text(&p)
			if text == "-" {
				text = "–"
			}
			t.Rows[i].Cells = append(t.Rows[i].Cells, cell{Value: strings.ReplaceAll(text, "-", "−")})
		}
	}
	return t
}

// footnotes say what the figures mean and what they do not.
func footnotes(r *eval.Result, curve bool) []string {
	notes := []string{
		fmt.Sprintf("Every policy played the same %s, drawn apart from the worlds of training (evaluation seed %d). Differences are taken world by world.",
			count(r.Episodes, "episode", "episodes"), r.Seed),
		"± and [ ] are 95 % confidence intervals of the mean over episodes (Student t; metrics are ratios of sums, with linearised variance). " +
			"They hold for the policies as they are here: another training run of the same method would give another policy.",
		"Each interval stands for itself; of twenty, one is expected to miss.",
	}
	if best := r.BestBaseline(); best != nil && best.Exact != nil {
		notes = append(notes, "Exact values are solved, not sampled: what a policy costs in the long run. Policies are ranked, and the best baseline is picked, by them; simulated values scatter about them, the more the rarer the losses.")
	} else {
		notes[len(notes)-1] += " The best baseline was picked on these same episodes, which flatters it a little."
	}
	if r.Episodes > 1 {
		notes = append(notes, fmt.Sprintf("Rare events: what happened in none of %d episodes may, at 95 %% confidence, still happen in up to %s %% of them; no interval above can show it.",
			r.Episodes, strconv.FormatFloat(100*ruleOfThree(r.Episodes), 'g', 2, 64)))
	} else {
		notes = append(notes, "One episode has no interval and says nothing about rare events.")
	}
	if slices.ContainsFunc(r.Policies, func(p eval.PolicyResult) bool { return p.Kind == eval.Baseline }) {
		notes = append(notes, "Baselines ran with the parameters of the configuration, by default those of the products: unless something above says otherwise they are untuned.")
	}
	if slices.ContainsFunc(r.Policies, func(p eval.PolicyResult) bool { return p.Kind == eval.Oracle }) {
		notes = append(notes, "An oracle knows what no policy in service can know; it bounds what can be gained.")
	}
	if curve {
		notes = append(notes, "The learning curve comes from evaluations during training; the policy judged above is that of the last step, not the best point of the curve.")
	}
	return notes
}

// ruleOfThree bounds the probability of what happened in none of n trials at
// 95 %: the p with (1 − p)^n = 0.05, which is about 3/n.
//
// Hanley and Lippman-Hand, "If nothing goes wrong, is everything all right?",
// JAMA 249, 1983.
func ruleOfThree(n int) float64 { return 1 - math.Pow(0.05, 1/float64(n)) }

func bracketed(unit string) string {
	if unit == "" {
		return ""
	}
	return " [" + unit + "]"
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
