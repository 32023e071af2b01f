package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"mend/eval"
)

var samplePath = flag.String("sample", "", "write the sample page to this file")

var nan = math.NaN()

func estimate(mean, half float64) eval.Estimate {
	return eval.Estimate{Mean: mean, Lo: mean - half, Hi: mean + half}
}

// sample is a result as an evaluation would give it, with numbers made up.
func sample() *eval.Result {
	r := &eval.Result{
		Schema: eval.Schema, Env: "RackBursts-v0", EnvDigest: strings.Repeat("3fa9", 16), Episodes: 200, Seed: 7,
		Objective: "cost_usd_per_day",
		MetricsInfo: []eval.MetricInfo{
			{Name: "cost_usd_per_day", Unit: "USD/day"},
			{Name: "cost_storage_usd_per_day", Unit: "USD/day", Part: true},
			{Name: "cost_repair_traffic_usd_per_day", Unit: "USD/day", Part: true},
			{Name: "cost_unavailability_usd_per_day", Unit: "USD/day", Part: true},
			{Name: "cost_lost_bytes_usd_per_day", Unit: "USD/day", Part: true},
			{Name: "availability", Unit: "share", HigherIsBetter: true},
			{Name: "lost_shards", Unit: ""},
			{Name: "repair_bytes_per_day", Unit: "bytes/day"},
			{Name: "mttr_seconds", Unit: "s"},
			{Name: eval.EpisodeReturn, HigherIsBetter: true},
			{Name: eval.EpisodeLength, Unit: "decisions"},
		},
	}
	add := func(name, kind string, parts [4]float64, availability, lost, repair, mttr float64) {
		total := parts[0] + parts[1] + parts[2] + parts[3]
		r.Policies = append(r.Policies, eval.PolicyResult{Name: name, Kind: kind, Metrics: map[string]eval.Estimate{
			"cost_usd_per_day":                estimate(total, 0.06*total),
			"cost_storage_usd_per_day":        estimate(parts[0], 0.1),
			"cost_repair_traffic_usd_per_day": estimate(parts[1], 0.1*parts[1]),
			"cost_unavailability_usd_per_day": estimate(parts[2], 0.2*parts[2]),
			"cost_lost_bytes_usd_per_day":     estimate(parts[3], 0.8*parts[3]),
			"availability":                    estimate(availability, (1-availability)/6),
			"lost_shards":                     estimate(lost, 0.9*lost),
			"repair_bytes_per_day":            estimate(repair, 0.04*repair),
			"mttr_seconds":                    estimate(mttr, 0.03*mttr),
			eval.EpisodeReturn:                estimate(-total, 1),
			eval.EpisodeLength:                estimate(400, 9),
		}})
	}
	add("learned", eval.Learned, [4]float64{61.2, 9.8, 14.1, 4.0}, 0.9999912, 0.015, 1.9e12, 2400)
	add("baseline:hdfs", eval.Baseline, [4]float64{61.2, 14.4, 24.0, 6.2}, 0.9999807, 0.02, 2.8e12, 4100)
	add("baseline:ceph", eval.Baseline, [4]float64{61.2, 29.3, 18.0, 3.9}, 0.9999853, 0.015, 5.7e12, 1900)
	add("baseline:eager", eval.Baseline, [4]float64{61.2, 70.3, 16.0, 3.8}, 0.9999861, 0.015, 1.3e13, 1300)
	add("baseline:never", eval.Baseline, [4]float64{61.2, 0, 900, 2100}, 0.998, 31, 0, nan)
	add("oracle:lookahead", eval.Oracle, [4]float64{61.2, 8.1, 9.3, 2.2}, 0.9999949, 0.005, 1.6e12, 2100)
	pair := func(i, j int, half float64) eval.Paired {
		a, b := r.Policies[i].Metrics[r.Objective].Mean, r.Policies[j].Metrics[r.Objective].Mean
		return eval.Paired{Vs: r.Policies[j].Name, Metric: r.Objective, Estimate: estimate(a-b, half)}
	}
	for i, half := range []float64{4, 0, 7.9, 6, 400, 3.1} {
		if i != 1 {
			p := pair(i, 1, half)
			r.Policies[i].Paired = &p
		}
	}
	r.Policies[0].Versus = []eval.Paired{pair(0, 1, 4), pair(0, 2, 5), pair(0, 3, 6), pair(0, 4, 400)}
	r.SetOptimum(78)
	return r
}

func sampleCurve() []Point {
	var points []Point
	for i := range 40 {
		mean := 86 + 90*math.Exp(-float64(i)/6) + 3*math.Sin(float64(7*i))
		points = append(points, Point{Step: uint64(i) * 25_000, Mean: mean, Lo: mean - 6, Hi: mean + 6})
	}
	return points
}

func sampleData() Data {
	entropy := Series{Name: "entropy", Unit: "nats"}
	for i := range 200 {
		entropy.Points = append(entropy.Points, Point{Step: uint64(i) * 5000, Mean: 2.1 * math.Exp(-float64(i)/90), Lo: nan, Hi: nan})
	}
	return Data{
		Result: sample(), Curve: sampleCurve(), Series: []Series{entropy},
		Facts: []Fact{
			{"algorithm", "ppo"}, {"training seed", "1"}, {"steps", "1,000,000"}, {"version", "v0.1.0"},
			{"machine", "8 cores, AVX2"}, {"shaping", "sampled"},
			{"configuration", "agent:\n  algorithm: ppo\n  ppo:\n    clip: 0.2\n"},
		},
		Notes: []string{"Trained on one seed."},
	}
}

// The sample page, to be looked at: go test ./eval/report -sample FILE.html
func TestSample(t *testing.T) {
	page := render(t, sampleData())
	if *samplePath == "" {
		return
	}
	if err := os.WriteFile(*samplePath, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
}

func render(t *testing.T, d Data) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, d); err != nil {
		t.Fatal(err)
	}
	checkPage(t, b.String())
	return b.String()
}

// checkPage checks that the page is well-formed XML, asks for nothing outside
// itself, and shows no broken number.
func checkPage(t *testing.T, page string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	elements := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("page is not well-formed: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok {
			elements++
			for _, a := range e.Attr {
				switch a.Name.Local {
				case "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height":
					if x, err := strconv.ParseFloat(a.Value, 64); (err != nil || math.IsNaN(x) || math.IsInf(x, 0)) && e.Name.Local != "meta" {
						t.Errorf("<%s %s=%q>, want a number", e.Name.Local, a.Name.Local, a.Value)
					}
				}
			}
			if e.Name.Local == "script" || e.Name.Local == "link" || e.Name.Local == "img" {
				t.Errorf("the page has a <%s>", e.Name.Local)
			}
		}
	}
	if elements < 20 {
		t.Errorf("%d elements, want a page", elements)
	}
	for _, bad := range []string{"http://", "https://", "src=", "href=", "@import", "url(", "NaN", "Inf", "ZgotmplZ"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
}

func TestPageIsWholeAndSelfContained(t *testing.T) {
	page := render(t, sampleData())
	for _, want := range []string{
		"<h1>RackBursts-v0</h1>", strings.Repeat("3fa9", 16), "200 episodes", "seed 7",
		"learned is better than baseline:hdfs, the best baseline", "cost −16.7 [−20.7, −12.7] USD/day (−15.8 %)",
		"training seed", "clip: 0.2", "oracle:lookahead", "availability [%]", "repair [TB/day]", "mttr [min]", "regret [%]",
		"Learning curve", "entropy", "Trained on one seed.", "untuned",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// Where the objective was solved, the table shows it and the regret by it, a
// policy without it a dash; the order is that of what was solved.
func TestExactValuesAreShown(t *testing.T) {
	r := sample()
	if page := render(t, Data{Result: r}); strings.Contains(page, "exact [") || strings.Contains(page, "exact regret") {
		t.Error("exact values are shown where there are none")
	}
	learned, hdfs := 88.125, 77.75
	r.Policies[0].Exact, r.Policies[1].Exact = &learned, &hdfs
	r.SetOptimum(80)
	x := newTable(r)
	n := len(x.Header)
	if x.Header[n-2] != "exact [USD/day]" || x.Header[n-1] != "regret [%]" { // that of the oracle is sampled
		t.Fatalf("header %q, want the exact value and regret last", x.Header)
	}
	cells := map[string][2]string{}
	for _, row := range x.Rows {
		k := len(row.Cells)
		cells[row.Name] = [2]string{row.Cells[k-2].Value, row.Cells[k-1].Value}
	}
	for name, want := range map[string][2]string{
		"learned": {"88.12500000", "10.16"}, "baseline:hdfs": {"77.75000000", "−2.81"}, // (77.75 − 80)/80
		"oracle:lookahead": {"–", "1.00"}, // 80.8 on the episodes
	} {
		if cells[name] != want {
			t.Errorf("%s: %q, want %q", name, cells[name], want)
		}
	}
	if first := x.Rows[0].Name; first != "baseline:hdfs" {
		t.Errorf("%s comes first, want baseline:hdfs", first)
	}
	if page := render(t, Data{Result: r}); !strings.Contains(page, "exact [USD/day]") || !strings.Contains(page, "88.12500000") {
		t.Error("the page lacks the exact values")
	}
}

// Hostile text appears as text: not one element or attribute more.
func TestEveryTextIsEscaped(t *testing.T) {
	const evil = `</title></text><script>alert(1)</script>"'><b onclick=x>&amp;`
	d := sampleData()
	tags := regexp.MustCompile(`<[a-z]`)
	want := len(tags.FindAllString(render(t, d), -1))
	d.Result.Env, d.Result.EnvDigest = evil, evil
	for i := range d.Result.MetricsInfo {
		m := &d.Result.MetricsInfo[i]
		if m.Name == eval.EpisodeReturn || m.Name == eval.EpisodeLength {
			continue
		}
		for _, p := range d.Result.Policies {
			p.Metrics[m.Name+evil] = p.Metrics[m.Name]
		}
		m.Name, m.Unit = m.Name+evil, evil
	}
	d.Result.Objective += evil
	for i := range d.Result.Policies {
		p := &d.Result.Policies[i]
		p.Name += evil
		if p.Paired != nil {
			p.Paired.Vs = evil
		}
		for j := range p.Versus {
			p.Versus[j].Vs = evil
		}
	}
	d.Series[0].Name, d.Series[0].Unit = evil, evil
	d.Facts = append(d.Facts[:len(d.Facts)-1], Fact{evil, evil + "\n" + evil})
	d.Facts[0] = Fact{evil, evil}
	d.Notes = []string{evil}
	page := render(t, d)
	if got := len(tags.FindAllString(page, -1)); got != want {
		t.Errorf("%d tags, want %d as with harmless names", got, want)
	}
	if strings.Contains(page, "<script") || strings.Contains(page, "<b onclick") {
		t.Error("hostile markup came through")
	}
}

func TestSparseResults(t *testing.T) {
	one := sample()
	one.Policies = one.Policies[:1]
	one.Policies[0].Paired, one.Policies[0].Versus = nil, nil

	single := sample() // one episode: no intervals
	single.Episodes = 1
	for i := range single.Policies {
		p := &single.Policies[i]
		for name, e := range p.Metrics {
			p.Metrics[name] = eval.Estimate{Mean: e.Mean, Lo: nan, Hi: nan}
		}
		if p.Paired != nil {
			p.Paired.Lo, p.Paired.Hi = nan, nan
		}
		for j := range p.Versus {
			p.Versus[j].Lo, p.Versus[j].Hi = nan, nan
		}
	}

	unknown := sample()
	for i := range unknown.Policies {
		p := &unknown.Policies[i]
		for name := range p.Metrics {
			p.Metrics[name] = eval.Estimate{Mean: nan, Lo: nan, Hi: nan}
		}
		p.Regret = nil
		if p.Paired != nil {
			p.Paired.Estimate = eval.Estimate{Mean: nan, Lo: nan, Hi: nan}
		}
	}

	missing := sample()
	for _, p := range missing.Policies {
		delete(p.Metrics, "cost_storage_usd_per_day")
		delete(p.Metrics, "mttr_seconds")
	}

	classic := &eval.Result{Env: "CartPole-v1", Episodes: 10, Objective: eval.EpisodeReturn,
		MetricsInfo: []eval.MetricInfo{{Name: eval.EpisodeReturn, HigherIsBetter: true}, {Name: eval.EpisodeLength, Unit: "decisions"}},
		Policies: []eval.PolicyResult{{Name: "learned", Kind: eval.Learned, Metrics: map[string]eval.Estimate{
			eval.EpisodeReturn: {Mean: 500, Lo: 500, Hi: 500}, eval.EpisodeLength: {Mean: 500, Lo: 500, Hi: 500}}}}}

	zero := sample()
	for _, p := range zero.Policies {
		for name := range p.Metrics {
			p.Metrics[name] = eval.Estimate{}
		}
	}

	points := func(xs ...float64) []Point {
		var ps []Point
		for i, x := range xs {
			ps = append(ps, Point{Step: uint64(i), Mean: x, Lo: x - 1, Hi: nan})
		}
		return ps
	}
	for name, d := range map[string]Data{
		"one policy": {Result: one}, "one episode": {Result: single, Curve: sampleCurve()},
		"nothing known": {Result: unknown, Curve: points(nan, nan)}, "missing metrics": {Result: missing},
		"classic": {Result: classic, Curve: points(9, nan, 500, math.Inf(1), 200)}, "all zero": {Result: zero, Curve: points(0)},
		"no policies": {Result: &eval.Result{Env: "Empty-v0"}}, "an empty result": {Result: &eval.Result{}},
		"one point": {Result: sample(), Curve: points(100)}, "a long way": {Result: sample(), Curve: points(1e6, 1e3, 80, 79)},
	} {
		t.Run(name, func(t *testing.T) { render(t, d) })
	}
	if err := Write(io.Discard, Data{}); err == nil {
		t.Error("a page without a result was written")
	}
}

func TestMissingPartsAreShownAsMissing(t *testing.T) {
	r := sample()
	delete(r.Policies[0].Metrics, "cost_storage_usd_per_day")
	s := newStack(r)
	for _, row := range s.Legend {
		if row.Name == "storage" {
			if i := 1; row.Values[i] != "–" { // ranked second, after the oracle
				t.Errorf("missing part is %q, want a dash", row.Values[i])
			}
			return
		}
	}
	t.Error("no row for storage")
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriteReportsTheWriter(t *testing.T) {
	if err := Write(failing{}, sampleData()); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("error %v, want the writer's", err)
	}
}

// 1 − 0.05^(1/n): 95 % at n = 1, about 3/n for many (0.0295 for n = 100).
func TestRuleOfThree(t *testing.T) {
	for n, want := range map[int]float64{1: 0.95, 2: 1 - math.Sqrt(0.05), 100: 0.0295130} {
		if got := ruleOfThree(n); math.Abs(got-want) > 1e-6 {
			t.Errorf("n = %d: %v, want %v", n, got, want)
		}
	}
}
