package train

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"mend/agents"
	"mend/checkpoints"
	"mend/env"
)

func evaluateWeight(_ context.Context, p agents.Policy) (Evaluation, error) {
	w := float64(p.(hold).d.weight >> 32)
	return Evaluation{w, w - 1, math.Inf(1)}, nil
}

// reference runs testConfig to its end and returns its folder.
func reference(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	j, _ := newJob(t, dir, testConfig())
	if _, err := j.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// lines reads metrics.jsonl without what depends on the clock.
func lines(t testing.TB, dir string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, MetricsFile))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range bytes.Lines(b) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if _, err := time.Parse(time.RFC3339, m["time"].(string)); err != nil {
			t.Error(err)
		}
		delete(m, "time")
		delete(m, "steps_per_second")
		s, _ := json.Marshal(m)
		out = append(out, string(s))
	}
	return out
}

// same checks that two runs left the same behind.
func same(t testing.TB, got, want string) {
	t.Helper()
	if !bytes.Equal(last(t, got), last(t, want)) {
		t.Error("final checkpoints differ")
	}
	if g, w := lines(t, got), lines(t, want); !slices.Equal(g, w) {
		t.Errorf("metrics differ:\ngot\n%s\nwant\n%s", strings.Join(g, "\n"), strings.Join(w, "\n"))
	}
}

// copyMetrics gives dir the lines of from.
func copyMetrics(t testing.TB, dir, from string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(from, MetricsFile))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, MetricsFile), b, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	j, agent := newJob(t, dir, testConfig())
	called := 0
	j.Vector.Ended = func(int, []env.Ratio) { called++ }
	s, err := j.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if s.Steps != 240 || s.Updates != 20 || s.Episodes == 0 || s.Evaluation == nil || s.StepsPerSecond <= 0 || math.IsNaN(s.EpisodeReturn) {
		t.Errorf("summary %+v", s)
	}
	if want := filepath.Join(dir, "checkpoints", checkpoints.Name(240)); s.Checkpoint != want {
		t.Errorf("checkpoint %s, want %s", s.Checkpoint, want)
	}
	if uint64(called) != s.Episodes {
		t.Errorf("the caller's Ended was called %d times in %d episodes", called, s.Episodes)
	}
	_, c, _, err := checkpoints.Latest(filepath.Join(dir, "checkpoints"))
	if err != nil {
		t.Fatal(err)
	}
	if weightOf(t, c) != agent.weight || c.Meta.Step != 240 || c.Meta.Update != 20 || c.Meta.Episode != s.Episodes || c.Meta.Algo != "digest" {
		t.Errorf("meta %+v", c.Meta)
	}

	// Updates come every 12 steps, lines at the first update 20 steps on.
	var steps []float64
	var episodes, total, length float64
	evals := 0
	for _, line := range lines(t, dir) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		switch m["kind"] {
		case "eval":
			o := m["objective"].(map[string]any)
			if o["hi"] != nil || o["lo"].(float64) != o["mean"].(float64)-1 {
				t.Errorf("line %s", line)
			}
			evals++
		case "train":
			steps = append(steps, m["step"].(float64))
			n := m["episodes"].(float64) - episodes
			episodes += n
			if r, ok := m["episode_return"].(float64); ok != (n > 0) {
				t.Errorf("%v episodes in line %s", n, line)
			} else if ok {
				total += r * n
				length += m["episode_length"].(float64) * n
			}
			if m["loss"] == nil || m["pending"] == nil {
				t.Errorf("line %s", line)
			}
			if _, ok := m["at_per_step"].(float64); ok != (n > 0) {
				t.Errorf("line %s", line)
			}
		}
	}
	if want := []float64{24, 48, 72, 96, 120, 144, 168, 192, 216, 240}; !slices.Equal(steps, want) {
		t.Errorf("train lines at %v, want %v", steps, want)
	}
	if evals != 4 || uint64(episodes) != s.Episodes || length > 240 || length < 100 || total == 0 {
		t.Errorf("%d evaluations, %v episodes, %v steps in them", evals, episodes, length)
	}
}

// Every metric of a line is the plain sum or mean over what it covers.
func TestTrainLine(t *testing.T) {
	var c counters
	c.step, c.update, c.episode = 9, 3, 2
	c.window = window{episodes: 2, steps: 8, returns: 5, num: []float64{3}, den: []float64{6}}
	c.window.add([]agents.Metric{{Name: `a"b`, Value: 1}})
	c.window.add([]agents.Metric{{Name: `a"b`, Value: 2}, {Name: "bad", Value: math.NaN()}})
	dir := t.TempDir()
	m, err := openMetrics(filepath.Join(dir, "m"), true)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.FixedZone("x", 3600))
	if err := errors.Join(m.train(&c, &walkSpec, 1e21, now), m.eval(9, Evaluation{1, math.NaN(), math.Inf(1)}, now), m.close()); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(filepath.Join(dir, "m"))
	want := `{"kind":"train","step":9,"time":"2026-01-02T02:04:05.006Z","update":3,"episodes":2,"steps_per_second":1e+21,"episode_return":2.5,"episode_length":4,"a\"b":1.5,"bad":null,"at_per_step":0.5}
{"kind":"eval","step":9,"time":"2026-01-02T02:04:05.006Z","objective":{"mean":1,"lo":null,"hi":null}}
`
	if string(got) != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestGOMAXPROCS(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	one := reference(t)
	runtime.GOMAXPROCS(2)
	same(t, reference(t), one)
}

// Whatever step a run is resumed from, and however often checkpoints were
// taken, it ends in the same bytes.
func TestResumeFromEveryCheckpoint(t *testing.T) {
	want := reference(t)
	all := t.TempDir()
	config := testConfig()
	config.CheckpointEvery, config.Keep = 1, 1000
	j, _ := newJob(t, all, config)
	if _, err := j.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	same(t, all, want)
	for step := uint64(0); step <= 240; step += 4 {
		c, err := checkpoints.Read(filepath.Join(all, "checkpoints", checkpoints.Name(step)))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		copyMetrics(t, dir, want)
		j, _ := newJob(t, dir, testConfig())
		s, err := j.Resume(context.Background(), c)
		if err != nil {
			t.Fatalf("from step %d: %v", step, err)
		}
		if s.Steps != 240 {
			t.Errorf("from step %d: summary %+v", step, s)
		}
		if step == 240 {
			continue // nothing to write
		}
		if same(t, dir, want); t.Failed() {
			t.Fatalf("from step %d", step)
		}
	}
}

// Going back in a folder removes what was later there.
func TestResumeInPlace(t *testing.T) {
	want := reference(t)
	dir := t.TempDir()
	config := testConfig()
	config.CheckpointEvery, config.Keep = 1, 1000
	j, _ := newJob(t, dir, config)
	if _, err := j.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	c, err := checkpoints.Read(filepath.Join(dir, "checkpoints", checkpoints.Name(120)))
	if err != nil {
		t.Fatal(err)
	}
	torn := filepath.Join(dir, "checkpoints", checkpoints.Name(400))
	if err := os.WriteFile(torn, []byte("torn"), 0o666); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	j, agent := newJob(t, dir, testConfig())
	agent.onUpdate = func(*digest) error { cancel(errors.New("enough")); return nil }
	if _, err := j.Resume(ctx, c); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	path, c, skipped, err := checkpoints.Latest(filepath.Join(dir, "checkpoints"))
	if err != nil || len(skipped) > 0 || c.Meta.Step != 132 {
		t.Fatalf("%s, %v, %v", path, skipped, err)
	}
	j, _ = newJob(t, dir, testConfig())
	if _, err := j.Resume(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	same(t, dir, want)
}

func TestInterrupt(t *testing.T) {
	want := reference(t)
	cause := errors.New("signal: interrupt")
	for _, test := range []struct {
		name string
		stop func(j *Job, d *digest, stop func())
		step uint64
	}{
		{"before the first step", func(_ *Job, _ *digest, stop func()) { stop() }, 0},
		{"in an update", func(_ *Job, d *digest, stop func()) {
			d.onUpdate = func(d *digest) error {
				if d.observed == 9 {
					stop()
				}
				return nil
			}
		}, 36},
		{"in an evaluation", func(j *Job, _ *digest, stop func()) {
			n := 0
			j.Evaluate = func(ctx context.Context, p agents.Policy) (Evaluation, error) {
				if n++; n == 2 {
					stop()
					return Evaluation{}, ctx.Err()
				}
				return evaluateWeight(ctx, p)
			}
		}, 100},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			ctx, cancel := context.WithCancelCause(context.Background())
			j, agent := newJob(t, dir, testConfig())
			test.stop(j, agent, func() { cancel(cause) })
			s, err := j.Run(ctx)
			if !errors.Is(err, ErrInterrupted) || !errors.Is(err, cause) || s.Steps != test.step {
				t.Fatalf("got %v at step %d, want step %d", err, s.Steps, test.step)
			}
			wantText := fmt.Sprintf("train: interrupted at step %d, checkpoint %q written: signal: interrupt", test.step, s.Checkpoint)
			if err.Error() != wantText {
				t.Errorf("got  %v\nwant %s", err, wantText)
			}
			c, err := checkpoints.Read(s.Checkpoint)
			if err != nil {
				t.Fatal(err)
			}
			j, _ = newJob(t, dir, testConfig())
			if _, err := j.Resume(context.Background(), c); err != nil {
				t.Fatal(err)
			}
			same(t, dir, want)
		})
	}
}

// child is what the test binary does instead of testing where this is set.
const childMode = "MEND_TRAIN_CHILD"

func TestMain(m *testing.M) {
	switch mode, dir, _ := strings.Cut(os.Getenv(childMode), ":"); mode {
	case "run":
		if err := childRun(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "full":
		childFull(dir)
	default:
		os.Exit(m.Run())
	}
}

func killedConfig() Config {
	c := testConfig()
	c.Steps, c.EvalEvery, c.LogEvery = 4000, 300, 30
	return c
}

// childRun begins the run in dir or continues it.
func childRun(dir string) error {
	config := killedConfig()
	config.CheckpointEvery, config.Keep = 2*time.Millisecond, 2
	j, agent := newJob(nil, dir, config)
	agent.pause = time.Millisecond / 2
	_, c, _, err := checkpoints.Latest(filepath.Join(dir, "checkpoints"))
	if err == nil {
		_, err = j.Resume(context.Background(), c)
	} else {
		_, err = j.Run(context.Background())
	}
	return err
}

func child(t *testing.T, mode, dir string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childMode+"="+mode+":"+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	return cmd, &stderr
}

// A run that is killed at any moment, again and again, ends in the bytes of one
// that was left alone.
func TestKill(t *testing.T) {
	want := t.TempDir()
	j, _ := newJob(t, want, killedConfig())
	if _, err := j.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	const s = 20261120 // change it to replay other moments
	rng := rand.New(rand.NewPCG(s, 0))
	dir := t.TempDir()
	kills := 0
	for {
		cmd, stderr := child(t, "run", dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var timer *time.Timer
		if kills < 25 {
			timer = time.AfterFunc(time.Duration(rng.Int64N(int64(120*time.Millisecond))), func() { cmd.Process.Kill() })
		}
		err := cmd.Wait()
		if timer != nil {
			timer.Stop()
		}
		if err == nil {
			break
		}
		if stderr.Len() > 0 {
			t.Fatalf("seed %d, after %d kills: %s", s, kills, stderr)
		}
		kills++
	}
	t.Logf("killed %d times", kills)
	if kills < 3 {
		t.Errorf("seed %d: killed %d times, want at least 3 for the test to mean anything", s, kills)
	}
	same(t, dir, want)
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	j, _ := newJob(t, dir, testConfig())
	_, err = j.Run(context.Background())
	want := fmt.Sprintf("train: %q is being written by another process, want to wait for it or another folder", dir)
	if runtime.GOOS == "linux" && (err == nil || err.Error() != want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	unlock()
	if _, err := j.Run(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestDiskFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, MetricsFile)
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	j, _ := newJob(t, dir, testConfig())
	s, err := j.Run(context.Background())
	want := fmt.Sprintf("train: write %q: no space left on device", path)
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if s.Steps != 24 {
		t.Errorf("stopped at step %d, want 24, that of the first line", s.Steps)
	}
	if _, c, _, err := checkpoints.Latest(filepath.Join(dir, "checkpoints")); err != nil || c.Meta.Step != 0 {
		t.Errorf("the first checkpoint is gone: %v", err)
	}
}

func TestTrimMetrics(t *testing.T) {
	const a, b, c = `{"kind":"train","step":1}` + "\n", `{"kind":"eval","step":2,"objective":{"mean":1}}` + "\n", `{"kind":"train","step":3}` + "\n"
	for _, test := range []struct{ name, have, want string }{
		{"nothing", "", ""},
		{"nothing to do", a + b, a + b},
		{"later", a + b + c, a + b},
		{"torn", a + b + `{"kind":"tra`, a + b},
		{"torn before its newline", a + b + strings.TrimSpace(c), a + b},
		{"torn line of an old step", a + strings.TrimSpace(b), a},
		{"zeros after a power cut", a + "\x00\x00\x00\x00", a},
		{"noise between", a + "noise\n\n" + b + c, a + b},
		{"no step", a + "{}\n" + b, a + b},
		{"step of another kind", a + `{"step":"x"}` + "\n" + `{"step":1.5}` + "\n", a},
	} {
		path := filepath.Join(t.TempDir(), MetricsFile)
		if err := os.WriteFile(path, []byte(test.have), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := trimMetrics(path, 2); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if got, _ := os.ReadFile(path); string(got) != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
	if err := trimMetrics(filepath.Join(t.TempDir(), "none"), 2); err != nil {
		t.Error(err)
	}
}

// A torn last line is dropped and its step written again.
func TestResumeTornMetrics(t *testing.T) {
	want := reference(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	j, agent := newJob(t, dir, testConfig())
	agent.onUpdate = func(d *digest) error {
		if d.observed == 30 {
			cancel()
		}
		return nil
	}
	s, err := j.Run(ctx)
	if !errors.Is(err, ErrInterrupted) || !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, MetricsFile), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(`{"kind":"train","step":144,"upd`)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	c, err := checkpoints.Read(s.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	j, _ = newJob(t, dir, testConfig())
	if _, err := j.Resume(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	same(t, dir, want)
}

func TestRefusals(t *testing.T) {
	done := reference(t)
	_, c, _, err := checkpoints.Latest(filepath.Join(done, "checkpoints"))
	if err != nil {
		t.Fatal(err)
	}
	run := func(j *Job) error { _, err := j.Run(context.Background()); return err }
	resume := func(j *Job) error { _, err := j.Resume(context.Background(), c); return err }
	for _, test := range []struct {
		name   string
		change func(j *Job, d *digest)
		do     func(j *Job) error
		want   string // DIR stands for the folder
	}{
		{"configuration", func(j *Job, _ *digest) { j.Config.Keep = 0 }, run, "train: keep is 0, want keep >= 1"},
		{"environments", func(j *Job, _ *digest) { j.Config.Envs = 3 }, run, "train: envs is 3, the vector has 4 environments"},
		{"folder", func(j *Job, _ *digest) { j.Dir = done }, run, fmt.Sprintf("train: %q holds a run already (step-000000000240.ckpt), want to resume it or another folder", done)},
		{"no folder", func(j *Job, _ *digest) { j.Dir += "/none" }, run, "train: open DIR/none/run.lock: no such file or directory"},
		{"update", func(_ *Job, d *digest) { d.onUpdate = func(*digest) error { return errors.New("ppo: loss is NaN") } }, run, "train: update at step 12: ppo: loss is NaN"},
		{"evaluation", func(j *Job, _ *digest) {
			j.Evaluate = func(context.Context, agents.Policy) (Evaluation, error) { return Evaluation{}, errors.New("eval: no") }
		}, run, "train: evaluation at step 52: eval: no"},
		{"metric", func(j *Job, d *digest) {
			d.onUpdate = func(*digest) error { d.reported[0].Name = "Step"; return nil }
		}, run, `train: metric "Step" of the agent is a column or a metric of Walk-v0 too`},
		{"other world", func(j *Job, _ *digest) { j.Meta.EnvDigest = "d2" }, resume, "train: resume from step 240: environment digest is d1 in the checkpoint, d2 in the job"},
		{"other seed", func(j *Job, _ *digest) { j.Meta.Seed = 8 }, resume, "train: resume from step 240: seed is 7 in the checkpoint, 8 in the job"},
		{"other number", func(j *Job, _ *digest) {
			k, _ := newJob(t, "", Config{Envs: 2})
			j.Vector, j.Config.Envs = k.Vector, 2
		}, resume, fmt.Sprintf("train: resume from step 240: checkpoints: read %q: section \"loop\": 4 environments in the checkpoint, 2 in the job",
			filepath.Join(done, "checkpoints", checkpoints.Name(240)))},
		{"exploring starts", func(j *Job, _ *digest) { j.Config.ExploringStarts = 0.5 }, run, "train: env: share of exploring starts is 0.5, but Walk-v0 offers none"},
	} {
		dir := t.TempDir()
		j, agent := newJob(t, dir, testConfig())
		test.change(j, agent)
		err := test.do(j)
		if want := strings.ReplaceAll(test.want, "DIR", dir); err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", test.name, err, want)
		}
	}
}

type nanWorld struct{ *walk }

func (w nanWorld) Step(action int, obs []float32, mask []bool) env.Outcome {
	o := w.walk.Step(action, obs, mask)
	if w.t == 3 {
		o.Reward = float32(math.Inf(-1))
	}
	return o
}

func TestRewardFinite(t *testing.T) {
	config := testConfig()
	config.Envs = 1
	j, _ := newJob(t, t.TempDir(), config)
	j.Vector, _ = env.NewVector(1, nanWorld{newWalk()})
	_, err := j.Run(context.Background())
	if want := "train: reward of environment 0 at step 3 is -Inf, want a finite number"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The kind of machine is part of the promise, so a change of it is reported.
func TestResumeWarns(t *testing.T) {
	done := reference(t)
	_, c, _, err := checkpoints.Latest(filepath.Join(done, "checkpoints"))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	j, _ := newJob(t, done, testConfig())
	j.Log = slog.New(slog.NewTextHandler(&log, nil))
	j.Meta.CPU, j.Meta.Kernel = "other", "avx9"
	s, err := j.Resume(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`what=cpu checkpoint="" here=other`, `what=kernel checkpoint="" here=avx9`} {
		if !strings.Contains(log.String(), `msg="resumed elsewhere, results may differ in the last bits" `+want) {
			t.Errorf("log %s, want %s", log.String(), want)
		}
	}
	if s.Checkpoint == "" || s.EpisodeReturn == 0 {
		t.Errorf("summary %+v", s)
	}
}

// A run that is too short to learn anything says so, and one that is not does
// not.
func TestNothingLearned(t *testing.T) {
	for _, x := range []struct {
		steps uint64
		want  string
	}{
		{4, `level=WARN msg="training has ended before its first update: the policy has learned nothing" steps=4`},
		{240, ""},
	} {
		config := testConfig()
		config.Steps = x.steps
		j, _ := newJob(t, t.TempDir(), config)
		var log bytes.Buffer
		j.Log = slog.New(slog.NewTextHandler(&log, nil))
		if _, err := j.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(log.String()); !strings.HasSuffix(got, x.want) || x.want == "" && got != "" {
			t.Errorf("%d steps: log %q, want %q", x.steps, got, x.want)
		}
	}
}

// Evaluation and the pace of checkpoints leave training alone.
func TestNoInfluence(t *testing.T) {
	_, want, _, err := checkpoints.Latest(filepath.Join(reference(t), "checkpoints"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := testConfig()
	config.CheckpointEvery = time.Nanosecond
	j, _ := newJob(t, dir, config)
	j.Evaluate = nil
	j.Progress = io.Discard
	if _, err := j.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	_, got, _, err := checkpoints.Latest(filepath.Join(dir, "checkpoints"))
	if err != nil {
		t.Fatal(err)
	}
	// The loop notes the step of the last evaluation.
	for _, name := range []string{sectionVector, sectionSteps, sectionAgent} {
		if !bytes.Equal(sectionOf(t, got, name), sectionOf(t, want, name)) {
			t.Errorf("section %s differs", name)
		}
	}
}

// A step of the loop allocates nothing: runs of different lengths allocate
// alike.
func TestAllocations(t *testing.T) {
	allocations := func(steps uint64) uint64 {
		config := testConfig()
		config.Steps, config.LogEvery, config.EvalEvery, config.CheckpointEvery = steps, 1<<40, 0, time.Hour
		j, agent := newJob(t, t.TempDir(), config)
		agent.every = 50
		j.Progress = io.Discard
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := j.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.Mallocs - before.Mallocs
	}
	allocations(400)
	short, long := allocations(4_000), allocations(40_000)
	if long > short+100 {
		t.Errorf("%d allocations in 1,000 steps of the vector, %d in 10,000", short, long)
	}
}

// A large agent streams into a checkpoint and out of it: 4 MB is room for the
// buffers, of 64 kB each, and the rest of the run; the agent is eight times
// that, so a copy of it would show.
func TestLargeAgentStreams(t *testing.T) {
	const size, room = 32 << 20, 4 << 20
	large := func(dir string) (*loop, *digest) {
		j, agent := newJob(t, dir, testConfig())
		agent.pending = make([]float32, size/4)
		l, err := newLoop(j)
		if err != nil {
			t.Fatal(err)
		}
		return l, agent
	}
	allocated := func(what string, f func() error) {
		t.Helper()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := f(); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > room {
			t.Errorf("%s an agent of %d bytes allocates %d, want at most %d", what, size, n, room)
		}
	}
	dir := t.TempDir()
	l, agent := large(dir)
	agent.pending[size/4-1] = 7
	if err := l.fresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	var err error
	if l.metrics, err = openMetrics(filepath.Join(dir, MetricsFile), true); err != nil {
		t.Fatal(err)
	}
	defer l.metrics.close()
	allocated("storing", l.checkpoint)

	l, agent = large(dir)
	allocated("restoring", func() error { return l.restore(latest(t, dir)) })
	if got := agent.pending[size/4-1]; got != 7 {
		t.Errorf("the last number is %v, want 7", got)
	}
}

func TestConfigValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	c := Config{EvalEvery: 1, CheckpointEvery: -1, ExploringStarts: 1.5}
	want := "steps is 0, want 1 <= steps <= 1e12; envs is 0, want 1 <= envs <= 65536; exploring_starts is 1.5, want 0 <= exploring_starts <= 1; eval_episodes is 0, want 1 <= eval_episodes <= 1e6, or eval_every 0; " +
		"checkpoint_every is -1ns, want checkpoint_every >= 0; keep is 0, want keep >= 1"
	if err := c.Validate(); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// BenchmarkLoop is the cost of the loop itself, with a world and an agent that
// cost next to nothing.
func BenchmarkLoop(b *testing.B) {
	config := testConfig()
	config.Steps, config.LogEvery, config.EvalEvery = uint64(4*b.N), 1<<40, 0
	j, agent := newJob(b, b.TempDir(), config)
	agent.every = 50
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := j.Run(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(config.Steps)/b.Elapsed().Seconds(), "steps/s")
}
