package eval_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"mend/agents"
	"mend/configs/field"
	"mend/env"
	"mend/env/seed"
	"mend/eval"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the expected files of testdata")

// draws is a world in which everything is known: an episode lasts horizon
// decisions; each costs a draw that only the seed determines, plus the number
// of the action taken.
type draws struct {
	spec    *env.Spec
	horizon int

	rng         *rand.Rand
	left        int
	base, added float64
	last        float64
}

func newDraws() *draws {
	return &draws{
		horizon: 3,
		spec: &env.Spec{
			ID: "Draws-v0", Digest: strings.Repeat("d1", 32),
			Features: []env.Feature{{Name: "left", Scale: 1}, {Name: "last_draw", Scale: 1}},
			Actions:  []string{"none", "one", "two"},
			Metrics: []env.Metric{
				{Name: "cost_usd_per_day", Unit: "USD/day"},
				{Name: "base_usd_per_day", Unit: "USD/day", Part: true},
				{Name: "action_usd_per_day", Unit: "USD/day", Part: true},
				{Name: "availability", Unit: "share", HigherIsBetter: true},
				{Name: "repair_bytes_per_day", Unit: "bytes/day"},
				{Name: "mttr_seconds", Unit: "s"},
			},
			Objective: "cost_usd_per_day",
		},
	}
}

func (d *draws) Spec() *env.Spec { return d.spec }

func (d *draws) Reset(s seed.Seed, obs []float32, mask []bool) {
	d.rng, _ = s.Rand()
	d.left, d.base, d.added, d.last = d.horizon, 0, 0, 0
	d.observe(obs)
}

func (d *draws) Step(action int, obs []float32, mask []bool) env.Outcome {
	if d.left == 0 || action < 0 || action >= len(d.spec.Actions) {
		panic("draws: a step out of order")
	}
	d.left--
	d.last = 100 * d.rng.ExpFloat64()
	d.base += d.last
	d.added += float64(action)
	d.observe(obs)
	return env.Outcome{Reward: float32(-d.last - float64(action)), Elapsed: 1, Truncated: d.left == 0}
}

func (d *draws) observe(obs []float32) { obs[0], obs[1] = float32(d.left), float32(d.last) }

func (d *draws) Measure(dst []env.Ratio) []env.Ratio {
	days := float64(d.horizon)
	return append(dst,
		env.Ratio{Num: d.base + d.added, Den: days},
		env.Ratio{Num: d.base, Den: days},
		env.Ratio{Num: d.added, Den: days},
		env.Ratio{Num: days - 1e-6*d.base, Den: days},
		env.Ratio{Num: 1e9 * d.base, Den: days},
		env.Ratio{}, // nothing was ever repaired
	)
}

func (d *draws) AppendState(b []byte) []byte { return b }
func (d *draws) RestoreState([]byte) error   { return nil }

// act is a policy as a function.
type act func(t *env.TimeStep, actions []int)

func (f act) Act(t *env.TimeStep, actions []int) { f(t, actions) }

// always takes one action.
func always(action int) func() (agents.Policy, error) {
	return func() (agents.Policy, error) {
		return act(func(t *env.TimeStep, actions []int) { actions[0] = action }), nil
	}
}

func world() (env.Env, error) { return newDraws(), nil }

func entries() []eval.Entry {
	return []eval.Entry{
		{Name: "learned", Kind: eval.Learned, New: always(0)},
		{Name: "baseline:two", Kind: eval.Baseline, New: always(2)},
		{Name: "baseline:one", Kind: eval.Baseline, New: always(1)},
		{Name: "dice", Kind: eval.Oracle, New: func() (agents.Policy, error) { return &dice{}, nil }},
	}
}

// dice draws its actions.
type dice struct{ rng *rand.Rand }

func (d *dice) Begin(s seed.Seed) { d.rng, _ = s.Rand() }
func (d *dice) Act(t *env.TimeStep, actions []int) {
	actions[0] = d.rng.IntN(3)
}

func run(t *testing.T, cfg eval.Config) *eval.Result {
	t.Helper()
	r, err := eval.Run(context.Background(), world, entries(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The draws of a world have a standard deviation of 100, the policies differ by
// 1 a decision: only paired worlds can tell them apart, and they do so exactly.
func TestPoliciesMeetTheSameDraws(t *testing.T) {
	r := run(t, eval.Config{Episodes: 20, Seed: 3, Workers: 2})
	learned := r.Policies[0]
	if half := learned.Metrics["cost_usd_per_day"].Half(); half < 5 {
		t.Fatalf("half interval %v, want the wide one of exponential draws", half)
	}
	if len(learned.Versus) != 2 {
		t.Fatalf("versus %d baselines, want 2", len(learned.Versus))
	}
	for i, want := range []struct {
		vs   string
		mean float64
	}{{"baseline:two", -2}, {"baseline:one", -1}} {
		d := learned.Versus[i]
		if d.Vs != want.vs || d.Metric != "cost_usd_per_day" {
			t.Errorf("versus %d: %s in %s, want %s in cost_usd_per_day", i, d.Vs, d.Metric, want.vs)
		}
		near(t, "difference to "+d.Vs, d.Mean, want.mean, 1e-9)
		near(t, "its width to "+d.Vs, d.Half(), 0, 1e-9)
		if !d.ExcludesZero() {
			t.Errorf("difference to %s: interval %v holds 0", d.Vs, d.Estimate)
		}
	}
	if p := learned.Paired; p == nil || p.Vs != "baseline:one" {
		t.Errorf("paired with %v, want the best baseline, baseline:one", p)
	}
	if p := r.Policies[1].Paired; p == nil || p.Vs != "baseline:one" {
		t.Errorf("baseline:two paired with %v, want baseline:one", p)
	}
	if p := r.Policies[2].Paired; p != nil {
		t.Errorf("the best baseline is paired with %v, want nothing", p)
	}
	if v := r.Policies[1].Versus; v != nil {
		t.Errorf("a baseline lists %v, want nothing", v)
	}
}

// Episode k is the world of Child("evaluation", 0).Child("eval", k), whatever
// the number of episodes.
func TestEpisodesAreSeededByIndex(t *testing.T) {
	const n = 7
	r := run(t, eval.Config{Episodes: n, Seed: 11})
	want := 0.0
	d := newDraws()
	for k := range n {
		d.Reset(seed.Seed(11).Child("evaluation", 0).Child("eval", uint64(k)), make([]float32, 2), nil)
		for range d.horizon {
			d.Step(0, make([]float32, 2), nil)
		}
		want += d.base / float64(d.horizon) / n
	}
	near(t, "cost", r.Policies[0].Metrics["cost_usd_per_day"].Mean, want, 1e-9*want)
	near(t, "return", r.Policies[0].Metrics[eval.EpisodeReturn].Mean, -3*want, 1e-6*want) // float32 rewards
	near(t, "length", r.Policies[0].Metrics[eval.EpisodeLength].Mean, 3, 0)
}

func TestResultsDoNotDependOnWorkers(t *testing.T) {
	var want []byte
	for _, workers := range []int{1, 4, 0, 1000} {
		got, err := json.Marshal(run(t, eval.Config{Episodes: 33, Seed: 5, Workers: workers}))
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d workers:\n%s\nwant, as with 1:\n%s", workers, got, want)
		}
	}
}

func TestSeedChangesTheWorlds(t *testing.T) {
	a := run(t, eval.Config{Episodes: 5, Seed: 1}).Policies[0].Metrics["cost_usd_per_day"]
	b := run(t, eval.Config{Episodes: 5, Seed: 2}).Policies[0].Metrics["cost_usd_per_day"]
	if a.Mean == b.Mean {
		t.Errorf("seeds 1 and 2 both cost %v", a.Mean)
	}
}

func TestGolden(t *testing.T) {
	for _, c := range []struct {
		name     string
		episodes int
	}{{"twenty", 20}, {"single", 1}} {
		r := run(t, eval.Config{Episodes: c.episodes, Seed: 4})
		if c.name == "twenty" {
			r.SetOptimum(90)
		}
		round(r)
		b, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, c.name+".json", append(b, '\n'))
		var table bytes.Buffer
		if err := r.WriteTable(&table); err != nil {
			t.Fatal(err)
		}
		golden(t, c.name+".txt", table.Bytes())
		for i, x := range table.Bytes() {
			if x >= 0x80 || x < ' ' && x != '\n' {
				t.Errorf("%s.txt: byte %#x at %d, want plain ASCII", c.name, x, i)
			}
		}
	}
}

// round keeps nine digits of the estimates, so that a processor that fuses
// multiplication and addition agrees with one that does not.
func round(r *eval.Result) {
	digits := func(x float64) float64 {
		if math.Abs(x) < 1e-12 {
			return 0
		}
		y, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 9, 64), 64)
		if err != nil {
			panic(err)
		}
		return y
	}
	estimate := func(e eval.Estimate) eval.Estimate {
		return eval.Estimate{Mean: digits(e.Mean), Lo: digits(e.Lo), Hi: digits(e.Hi)}
	}
	for i := range r.Policies {
		p := &r.Policies[i]
		for name, e := range p.Metrics {
			p.Metrics[name] = estimate(e)
		}
		if p.Paired != nil {
			p.Paired.Estimate = estimate(p.Paired.Estimate)
		}
		for j := range p.Versus {
			p.Versus[j].Estimate = estimate(p.Versus[j].Estimate)
		}
		if p.Regret != nil {
			*p.Regret = digits(*p.Regret)
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s (after reading the difference: go test ./eval -rewrite):\n%s\nwant:\n%s", path, got, want)
	}
}

func TestReadGivesBackWhatWasWritten(t *testing.T) {
	for _, n := range []int{1, 9} {
		r := run(t, eval.Config{Episodes: n, Seed: 3})
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := eval.Read(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again, b) {
			t.Errorf("%s\nwant\n%s", again, b)
		}
		if m := got.Policies[0].Metrics["mttr_seconds"].Mean; !math.IsNaN(m) {
			t.Errorf("a metric without denominators is %v, want NaN", m)
		}
	}
	if _, err := eval.Read(strings.NewReader(`{"schema":"mend.eval/v2"}`)); err == nil || !strings.Contains(err.Error(), `"mend.eval/v2"`) {
		t.Errorf("a newer schema: error %v, want one that names it", err)
	}
	if _, err := eval.Read(strings.NewReader(`{"schema":`)); err == nil {
		t.Error("half a result was read")
	}
}

func TestNothingInfiniteIsWritten(t *testing.T) {
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		b, err := json.Marshal(eval.Paired{Vs: "b", Metric: "m", Estimate: eval.Estimate{Mean: x, Lo: x, Hi: 2}})
		if want := `{"vs":"b","metric":"m","mean":null,"lo":null,"hi":2}`; err != nil || string(b) != want {
			t.Errorf("%v: %s, %v, want %s", x, b, err, want)
		}
	}
}

func TestRegret(t *testing.T) {
	all := append(entries(), eval.Entry{Name: "optimal", Kind: eval.Optimal, New: always(0)})
	r, err := eval.Run(context.Background(), world, all, eval.Config{Episodes: 10})
	if err != nil {
		t.Fatal(err)
	}
	mean := r.Policies[4].Metrics["cost_usd_per_day"].Mean
	for i, want := range []float64{0, 2 / mean, 1 / mean} {
		near(t, "regret of "+r.Policies[i].Name, *r.Policies[i].Regret, want, 1e-9)
	}
	r.SetOptimum(mean / 2) // costs twice the optimum
	near(t, "regret", *r.Policies[0].Regret, 1, 1e-9)
	r.SetOptimum(0)
	if x := r.Policies[0].Regret; x != nil {
		t.Errorf("regret %v of an optimum of 0, want none", *x)
	}
	up := &eval.Result{
		Objective:   "gain",
		MetricsInfo: []eval.MetricInfo{{Name: "gain", HigherIsBetter: true}},
		Policies:    []eval.PolicyResult{{Metrics: map[string]eval.Estimate{"gain": {Mean: -12}}}},
	}
	up.SetOptimum(-10) // 2 short of −10 is a fifth
	near(t, "regret where higher is better", *up.Policies[0].Regret, 0.2, 1e-12)
}

// exactly is an entry whose objective in the long run is known.
func exactly(e eval.Entry, x float64) eval.Entry {
	e.Exact = &x
	return e
}

// Solved values outrank sampled ones: by these, not by what was played, policies
// are ranked, the best baseline is chosen and regret is counted; an entry without
// one counts by its mean. Differences on the same worlds stay what was played.
func TestExact(t *testing.T) {
	all := entries()
	all[0] = exactly(all[0], 90)
	all[1] = exactly(all[1], 95) // two a decision, which the worlds played say is worse
	all[2] = exactly(all[2], 100)
	all = append(all, exactly(eval.Entry{Name: "optimal", Kind: eval.Optimal, New: always(1)}, 80))
	r, err := eval.Run(context.Background(), world, all, eval.Config{Episodes: 20, Seed: 4})
	if err != nil {
		t.Fatal(err)
	}
	dice := r.Policies[3].Metric(r.Objective).Mean
	for i, want := range []struct{ exact, regret float64 }{{90, 0.125}, {95, 0.1875}, {100, 0.25}, {math.NaN(), (dice - 80) / 80}, {80, 0}} {
		p := r.Policies[i]
		if (p.Exact == nil) != math.IsNaN(want.exact) || p.Exact != nil && *p.Exact != want.exact {
			t.Errorf("%s: exact %v, want %v", p.Name, p.Exact, want.exact)
		}
		near(t, "regret of "+p.Name, *p.Regret, want.regret, 1e-12)
	}
	if b := r.BestBaseline(); b == nil || b.Name != "baseline:two" {
		t.Errorf("the best baseline is %v, want baseline:two", b)
	}
	if p := r.Policies[0].Paired; p == nil || p.Vs != "baseline:two" {
		t.Errorf("paired with %v, want baseline:two", p)
	} else {
		near(t, "difference to baseline:two", p.Mean, -2, 1e-9)
	}
	var names []string
	for _, p := range r.Ranked() {
		names = append(names, p.Name)
	}
	if dice < 100 {
		t.Fatalf("dice costs %v, want more than 100, to come last", dice)
	}
	if want := []string{"optimal", "learned", "baseline:two", "baseline:one", "dice"}; !reflect.DeepEqual(names, want) {
		t.Errorf("ranked %v, want %v", names, want)
	}

	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b, []byte(`"exact":`)); n != 4 || !bytes.Contains(b, []byte(`"exact":95,`)) {
		t.Errorf("%d exact values in the JSON, want 4, 95 among them:\n%s", n, b)
	}
	back, err := eval.Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if x := back.Policies[2].Exact; x == nil || *x != 100 || back.Policies[3].Exact != nil || back.BestBaseline().Name != "baseline:two" {
		t.Errorf("read back: %v and %v, want 100 and none; best baseline %s", x, back.Policies[3].Exact, back.BestBaseline().Name)
	}

	r.SetOptimum(100)
	near(t, "regret of learned against 100", *r.Policies[0].Regret, -0.1, 1e-12)
	r.SetOptimum(80)
	round(r)
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	golden(t, "exact.txt", table.Bytes())
}

// Columns are there as far as something is known: none, regret alone in two
// decimals, both in eight and four.
func TestExactColumns(t *testing.T) {
	value, regret := 1.23456789, -0.012345678
	cells := func(unit string, exact, short *float64) (all []string) {
		r := &eval.Result{
			Objective: "c", MetricsInfo: []eval.MetricInfo{{Name: "c", Unit: unit}},
			Policies: []eval.PolicyResult{{Name: "a", Exact: exact, Regret: short}, {Name: "b"}},
		}
		for _, c := range r.ExactColumns() {
			all = append(all, c.Header, c.Text(&r.Policies[0]), c.Text(&r.Policies[1]))
		}
		return all
	}
	for _, x := range []struct {
		unit          string
		exact, regret *float64
		want          []string
	}{
		{"USD/h", nil, nil, nil},
		{"USD/h", nil, &regret, []string{"regret [%]", "-1.23", "-"}},
		{"USD/h", &value, nil, []string{"exact [USD/h]", "1.23456789", "-"}},
		{"", &value, &regret, []string{"exact", "1.23456789", "-", "exact regret [%]", "-1.2346", "-"}},
		{"a\x1b", &value, nil, []string{"exact [a?]", "1.23456789", "-"}},
	} {
		if got := cells(x.unit, x.exact, x.regret); !reflect.DeepEqual(got, x.want) {
			t.Errorf("columns %q, want %q", got, x.want)
		}
	}
}

// watched is a world that knows where it stands and may misbehave.
type watched struct {
	*draws
	at func()
}

func (w *watched) Step(action int, obs []float32, mask []bool) env.Outcome {
	w.at()
	o := w.draws.Step(action, obs, mask)
	return o
}

func TestCancelStopsSoonWithItsCause(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cause := errors.New("enough of it")
	endless := func() (env.Env, error) {
		d := newDraws()
		d.horizon = math.MaxInt
		steps := 0
		return &watched{d, func() {
			if steps++; steps == 1000 {
				cancel(cause)
			}
		}}, nil
	}
	stopped := make(chan error)
	go func() {
		_, err := eval.Run(ctx, endless, entries(), eval.Config{Episodes: 100, Workers: 3})
		stopped <- err
	}()
	select {
	case err := <-stopped:
		if !errors.Is(err, cause) {
			t.Errorf("error %v, want %v", err, cause)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("still running 10 s after it was cancelled")
	}
}

func TestPanicReachesTheCaller(t *testing.T) {
	for name, c := range map[string]struct {
		world  func() (env.Env, error)
		policy func() (agents.Policy, error)
	}{
		"policy": {world, func() (agents.Policy, error) {
			return act(func(*env.TimeStep, []int) { panic("out of ideas") }), nil
		}},
		"world": {func() (env.Env, error) {
			return &watched{newDraws(), func() { panic("out of ideas") }}, nil
		}, always(0)},
	} {
		func() {
			defer func() {
				x := fmt.Sprint(recover())
				for _, want := range []string{`policy "a"`, "seed 8", "Draws-v0", "out of ideas", "eval_test.go"} {
					if !strings.Contains(x, want) {
						t.Errorf("%s: panic %q, want %q in it", name, x, want)
					}
				}
			}()
			_, err := eval.Run(context.Background(), c.world,
				[]eval.Entry{{Name: "a", Kind: eval.Learned, New: c.policy}}, eval.Config{Episodes: 50, Seed: 8, Workers: 2})
			t.Errorf("%s: returned %v, want a panic", name, err)
		}()
	}
}

// peek wants to see the world.
type peek struct{ world env.Env }

func (p *peek) Attach(w env.Env)                   { p.world = w }
func (p *peek) Act(t *env.TimeStep, actions []int) { actions[0] = p.world.(*draws).left % 3 }
func newPeek() (agents.Policy, error)              { return &peek{}, nil }
func failing() (agents.Policy, error)              { return nil, errors.New("no such file") }
func named(s *env.Spec) func() (env.Env, error) {
	return func() (env.Env, error) { return withSpec(s), nil }
}
func withSpec(s *env.Spec) env.Env { d := newDraws(); d.spec = s; return d }
func changed(f func(s *env.Spec)) func() (env.Env, error) {
	s := *newDraws().spec
	f(&s)
	return named(&s)
}

func TestPrivilegedPoliciesSeeTheirWorld(t *testing.T) {
	r, err := eval.Run(context.Background(), world, []eval.Entry{{Name: "peek", Kind: eval.Oracle, New: newPeek}}, eval.Config{Episodes: 8, Workers: 4})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "cost of actions 0, 2 and 1", r.Policies[0].Metrics["action_usd_per_day"].Mean, 1, 1e-12)
}

func TestWrongUseIsRefused(t *testing.T) {
	one := func(name, kind string, f func() (agents.Policy, error)) []eval.Entry {
		return []eval.Entry{{Name: name, Kind: kind, New: f}}
	}
	good := one("a", eval.Learned, always(0))
	worlds := 0
	for _, c := range []struct {
		name    string
		world   func() (env.Env, error)
		entries []eval.Entry
		cfg     eval.Config
		want    string
	}{
		{"no episodes", world, good, eval.Config{}, "episodes is 0, want 1 to 1000000"},
		{"negative workers", world, good, eval.Config{Episodes: 1, Workers: -1}, "workers is -1"},
		{"no policies", world, nil, eval.Config{Episodes: 1}, "no policies"},
		{"a name twice", world, append(good, good...), eval.Config{Episodes: 1}, `"a"`},
		{"an unknown kind", world, one("a", "best", always(0)), eval.Config{Episodes: 1}, `"best"`},
		{"no world", func() (env.Env, error) { return nil, errors.New("no such trace") }, good, eval.Config{Episodes: 1}, "no such trace"},
		{"no policy", world, one("a", eval.Learned, failing), eval.Config{Episodes: 1}, `"a": no such file`},
		{"a privileged baseline", world, one("a", eval.Baseline, newPeek), eval.Config{Episodes: 1}, "privileged"},
		{"an objective from nowhere", changed(func(s *env.Spec) { s.Objective = "joy" }), good, eval.Config{Episodes: 1}, `"joy"`},
		{"a metric twice", changed(func(s *env.Spec) { s.Metrics = append(s.Metrics, s.Metrics[0]) }), good, eval.Config{Episodes: 1}, "two metrics"},
		{"worlds that differ", func() (env.Env, error) {
			d := newDraws()
			worlds++
			d.spec.Digest = fmt.Sprint(worlds)
			return d, nil
		}, good, eval.Config{Episodes: 2, Workers: 2}, "differ"},
		{"an unmeasured world", func() (env.Env, error) { return struct{ env.Env }{newDraws()}, nil }, good, eval.Config{Episodes: 1}, "does not measure"},
	} {
		_, err := eval.Run(context.Background(), c.world, c.entries, c.cfg)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", c.name, err, c.want)
		}
	}
	var complaints field.Errors
	if err := (eval.Config{Workers: -1}).Validate(); !errors.As(err, &complaints) || len(complaints) != 2 {
		t.Errorf("Validate: %v, want both complaints as field.Errors", err)
	}
	if err := eval.DefaultConfig().Validate(); err != nil {
		t.Errorf("DefaultConfig: %v", err)
	}
}

// A world without metrics is judged by its return, higher being better.
func TestReturnIsTheObjectiveOfAWorldWithoutMetrics(t *testing.T) {
	s := *newDraws().spec
	s.Metrics, s.Objective = nil, ""
	classic := func() (env.Env, error) { return struct{ env.Env }{withSpec(&s)}, nil }
	r, err := eval.Run(context.Background(), classic, entries()[:3], eval.Config{Episodes: 4})
	if err != nil {
		t.Fatal(err)
	}
	if r.Objective != eval.EpisodeReturn || r.BestBaseline().Name != "baseline:one" {
		t.Errorf("objective %s, best baseline %s, want %s and baseline:one", r.Objective, r.BestBaseline().Name, eval.EpisodeReturn)
	}
	near(t, "difference", r.Policies[0].Paired.Mean, 3, 1e-4) // 3 decisions of cost 1, in float32
	var names []string
	for _, p := range r.Ranked() {
		names = append(names, p.Name)
	}
	if want := []string{"learned", "baseline:one", "baseline:two"}; !reflect.DeepEqual(names, want) {
		t.Errorf("ranked %v, want %v", names, want)
	}
}

func TestRankedPutsTheUnknownLast(t *testing.T) {
	r := &eval.Result{Objective: "c", MetricsInfo: []eval.MetricInfo{{Name: "c"}}}
	for _, p := range []struct {
		name string
		mean float64
	}{{"none", math.NaN()}, {"dear", 2}, {"cheap", 1}, {"also none", math.NaN()}, {"as dear", 2}} {
		r.Policies = append(r.Policies, eval.PolicyResult{Name: p.name, Kind: eval.Baseline,
			Metrics: map[string]eval.Estimate{"c": {Mean: p.mean}}})
	}
	var names []string
	for _, p := range r.Ranked() {
		names = append(names, p.Name)
	}
	if got, want := strings.Join(names, ", "), "cheap, dear, as dear, none, also none"; got != want {
		t.Errorf("ranked %s, want %s", got, want)
	}
	if b := r.BestBaseline(); b == nil || b.Name != "cheap" {
		t.Errorf("best baseline %v, want cheap", b)
	}
}

func TestScaleText(t *testing.T) {
	exact := func(x float64) eval.Estimate { return eval.Estimate{Mean: x, Lo: x, Hi: x} }
	within := func(x, half float64) eval.Estimate { return eval.Estimate{Mean: x, Lo: x - half, Hi: x + half} }
	for _, c := range []struct {
		unit string
		e    eval.Estimate
		want string // the mean, then its unit
	}{
		{"USD/day", within(1234.5678, 0.5), "1234.57 USD/day"},
		{"USD/day", within(-12345.678, 70), "-12,346 USD/day"},
		{"bytes/day", exact(1.5e12), "1.500 TB/day"},
		{"bytes", exact(1.4e12), "1400 GB"},
		{"B/d", within(2.8e12, 1e11), "2.80 TB/d"},
		{"s", exact(95.5), "1.592 min"},
		{"s", exact(80), "80 s"},
		{"seconds", within(7200, 72), "2.000 h"},
		{"hours", exact(0.01), "36 s"},
		{"share", exact(0.999987654), "99.998765 %"},
		{"share", within(0.9999, 1e-6), "99.99000 %"},
		{"share", exact(1), "100 %"},
		{"shards", exact(0), "0 shards"},
		{"1", within(-0.0004, 0.1), "0.00 "},
		{"", exact(500), "500 "},
		{"1/day", exact(0.25), "0.2500 1/day"},
		{"", eval.Estimate{Mean: math.NaN(), Lo: math.NaN(), Hi: math.NaN()}, "- "},
		{"", exact(math.Inf(1)), "- "},
	} {
		s := eval.MetricInfo{Unit: c.unit}.Scale(c.e)
		if got := s.Text(c.e.Mean) + " " + s.Unit; got != c.want {
			t.Errorf("%v in %q: %q, want %q", c.e.Mean, c.unit, got, c.want)
		}
	}
}

func TestLabelNamesItsUnitOnce(t *testing.T) {
	for _, c := range []struct{ name, unit, want string }{
		{"cost_usd_per_day", "USD/day", "cost [USD/day]"},
		{"cost_usd_per_day", "USD/d", "cost [USD/d]"},
		{"repair_bytes_per_day", "B/d", "repair [B/d]"},
		{"decisions_per_day", "1/d", "decisions [1/d]"},
		{"lost_shards", "shards/episode", "lost shards [shards/episode]"},
		{"mttr_seconds", "s", "mttr [s]"},
		{"lost_shards", "", "lost shards"},
		{"lost_shards", "shards", "lost [shards]"},
		{"availability", "share", "availability [%]"},
	} {
		m := eval.MetricInfo{Name: c.name, Unit: c.unit}
		if got := m.Label(m.Scale(eval.Estimate{Mean: 5, Lo: 5, Hi: 5})); got != c.want {
			t.Errorf("%s in %s: %q, want %q", c.name, c.unit, got, c.want)
		}
	}
}

func TestTableCannotSteerATerminal(t *testing.T) {
	r, err := eval.Run(context.Background(), world, []eval.Entry{
		{Name: "a\x1b[2J\nb", Kind: eval.Learned, New: always(0)},
		{Name: "c\rd", Kind: eval.Baseline, New: always(0)},
	}, eval.Config{Episodes: 2})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\r") || !strings.Contains(b.String(), "a?[2J?b") {
		t.Errorf("table:\n%q", b.String())
	}
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s is %v, want %v within %v", what, got, want, tolerance)
	}
}
