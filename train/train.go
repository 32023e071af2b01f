package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"mend/agents"
	"mend/checkpoints"
	"mend/env"
	"mend/env/state"
)

// ErrInterrupted is what a run ends in when its context is cancelled: the
// checkpoint has been written and Resume continues from it.
var ErrInterrupted = errors.New("interrupted")

// Job is one training run. The caller builds the parts; Vector and Agent must
// be fresh.
type Job struct {
	Config Config
	Dir    string // the folder of the run, which exists; see NewDir
	Vector *env.Vector
	Agent  agents.Agent
	// Meta identifies the run in its checkpoints; Step, Update and Episode are
	// filled in.
	Meta checkpoints.Meta
	// Evaluate judges the policy learned so far, every Config.EvalEvery steps;
	// nil is never. It must not touch Vector or Agent.
	Evaluate func(ctx context.Context, p agents.Policy) (Evaluation, error)
	// Prepare makes what a fresh run needs before its first step and a resumed
	// one has in its checkpoint, after the lock on Dir is taken; nil is nothing.
	Prepare func(ctx context.Context) error
	// Finish turns a run that has come to its end into its results, before the
	// lock on Dir is given up; nil is nothing. Its error is that of the run.
	Finish func(ctx context.Context, s Summary) error
	// Log receives warnings; nil discards them. Progress receives a bar where
	// it is a terminal, otherwise plain lines; nil is neither.
	Log      *slog.Logger
	Progress io.Writer
}

// Evaluation is the mean of the objective and its confidence interval.
type Evaluation struct{ Mean, Lo, Hi float64 }

// Summary is how a run stands when Run or Resume returns.
type Summary struct {
	Steps, Updates, Episodes uint64
	// EpisodeReturn is the mean over the episodes of the last train line that
	// had any; NaN where no episode has ended.
	EpisodeReturn float64
	Evaluation    *Evaluation   // the last of this call, nil where there was none
	Checkpoint    string        // the last one written or resumed from
	Elapsed       time.Duration // of this call
	// StepsPerSecond is over this call, evaluations and checkpoints included.
	StepsPerSecond float64
}

// Run trains from the start. It refuses a folder that holds checkpoints.
//
// When ctx is cancelled the current step is finished, a checkpoint written and
// an error returned that is both ErrInterrupted and the cause. After any other
// error the checkpoints written so far stay as they are.
func (j *Job) Run(ctx context.Context) (Summary, error) { return j.start(ctx, nil) }

// Resume continues from c, a checkpoint of an equal job. Lines of metrics.jsonl
// and checkpoints later than c are removed: they will be made again.
func (j *Job) Resume(ctx context.Context, c *checkpoints.Checkpoint) (Summary, error) {
	return j.start(ctx, c)
}

func (j *Job) start(ctx context.Context, c *checkpoints.Checkpoint) (summary Summary, err error) {
	if err := j.Config.Validate(); err != nil {
		return Summary{}, fmt.Errorf("train: %w", err)
	}
	if n := j.Vector.N(); n != j.Config.Envs {
		return Summary{}, fmt.Errorf("train: envs is %d, the vector has %d environments", j.Config.Envs, n)
	}
	if err := j.Vector.SetExplore(j.Config.ExploringStarts); err != nil {
		return Summary{}, fmt.Errorf("train: %w", err)
	}
	l, err := newLoop(j)
	if err != nil {
		return Summary{}, err
	}
	unlock, err := lock(j.Dir)
	if err != nil {
		return Summary{}, err
	}
	defer unlock()

	if c == nil {
		err = l.fresh(ctx)
	} else {
		err = l.restore(c)
	}
	if err != nil {
		return Summary{}, err
	}
	if l.metrics, err = openMetrics(filepath.Join(j.Dir, MetricsFile), c == nil); err != nil {
		return Summary{}, err
	}
	defer func() {
		if e := l.metrics.close(); err == nil {
			err = e
		}
	}()

	ended := j.Vector.Ended
	j.Vector.Ended = func(i int, m []env.Ratio) {
		if ended != nil {
			ended(i, m)
		}
		l.measure(m)
	}
	defer func() { j.Vector.Ended = ended }()

	l.begin(time.Now())
	err = l.run(ctx)
	l.progress.stop(l.step, l.lastReturn)
	summary = l.summary()
	if err == nil && j.Finish != nil {
		err = j.Finish(ctx, summary)
	}
	return summary, err
}

// loop is a run in progress. What follows "saved" is in every checkpoint.
type loop struct {
	job      *Job
	metrics  *metrics
	progress *progress

	began      time.Time // of this call
	from       uint64    // step at that time
	lineTime   time.Time // of the last train line, or began
	lineStep   uint64    // step at that time
	saveTime   time.Time // of the last checkpoint, or began
	saveStep   uint64    // step at that time; unset where there is none
	savePath   string    // "" where there is none
	evaluation *Evaluation

	// saved
	cur, next *env.TimeStep
	actions   []int
	counters
}

// counters is what the loop itself carries from step to step.
type counters struct {
	step, update, episode uint64
	evaluated             uint64 // step up to which evaluations are done
	logged                uint64 // step of the last train line
	lastReturn            float64
	open                  []float64 // [N], return of the episode under way
	length                []uint64  // [N], steps of the episode under way
	window                window
}

// window is what happened since the last train line.
type window struct {
	episodes, steps uint64    // episodes that ended and their lengths in all
	returns         float64   // sum over those episodes
	num, den        []float64 // sums over those episodes, by metric of the world
	averages        []average // by metric of the agent
}

type average struct {
	name string
	sum  float64
	n    uint64
}

func newLoop(j *Job) (*loop, error) {
	spec, n := j.Vector.Spec(), j.Vector.N()
	for _, m := range spec.Metrics {
		if isColumn(m.Name) {
			return nil, fmt.Errorf("train: metric %q of %s has the name of a column of %s", m.Name, spec.ID, MetricsFile)
		}
	}
	l := &loop{
		job:     j,
		cur:     env.NewTimeStep(n, spec),
		next:    env.NewTimeStep(n, spec),
		actions: make([]int, n),
	}
	l.lastReturn = math.NaN()
	l.open = make([]float64, n)
	l.length = make([]uint64, n)
	l.window.num = make([]float64, len(spec.Metrics))
	l.window.den = make([]float64, len(spec.Metrics))
	return l, nil
}

// fresh starts the first episodes.
func (l *loop) fresh(ctx context.Context) error {
	if err := os.MkdirAll(l.folder(), 0o777); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	path, _, skipped, err := checkpoints.Latest(l.folder())
	if err == nil || len(skipped) > 0 {
		if err != nil {
			path = l.folder()
		}
		return fmt.Errorf("train: %q holds a run already (%s), want to resume it or another folder", l.job.Dir, filepath.Base(path))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("train: %w", err)
	}
	if l.job.Prepare != nil {
		if err := l.job.Prepare(ctx); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("train: %w before the first step: %w", ErrInterrupted, context.Cause(ctx))
			}
			return err
		}
	}
	l.job.Vector.Reset(l.cur)
	return nil
}

func (l *loop) folder() string { return filepath.Join(l.job.Dir, CheckpointsFolder) }

// begin starts the clocks of this call.
func (l *loop) begin(now time.Time) {
	l.began, l.lineTime, l.saveTime = now, now, now
	l.from, l.lineStep = l.step, l.step
	l.progress = newProgress(l.job.Progress, l.step, l.job.Config.Steps, now)
}

// run steps until the end, an error or an interrupt. Evaluation, lines and
// checkpoint of one step come in this order, so that a checkpoint vouches for
// every line up to its step.
func (l *loop) run(ctx context.Context) error {
	c := &l.job.Config
	for {
		if err := l.evaluate(ctx); err != nil {
			return err
		}
		now := time.Now()
		done, stop := l.step >= c.Steps, ctx.Err() != nil
		due := l.savePath == "" || c.CheckpointEvery > 0 && now.Sub(l.saveTime) >= c.CheckpointEvery
		if done || stop || due {
			if err := l.checkpoint(); err != nil {
				return err
			}
		}
		switch {
		case done:
			if l.update == 0 {
				l.warn("training has ended before its first update: the policy has learned nothing", "steps", l.step)
			}
			return nil
		case stop:
			return fmt.Errorf("train: %w at step %d, checkpoint %q written: %w", ErrInterrupted, l.step, l.savePath, context.Cause(ctx))
		}
		learned, err := l.advance()
		if err != nil {
			return err
		}
		if l.step >= c.Steps || learned && l.step-l.logged >= c.LogEvery {
			if err := l.logTrain(time.Now()); err != nil {
				return err
			}
		}
		l.progress.update(l.step, l.lastReturn, now)
	}
}

// advance takes one step of the vector and lets the agent learn from it.
func (l *loop) advance() (learned bool, err error) {
	j := l.job
	j.Agent.Act(l.cur, l.actions)
	j.Vector.Step(l.actions, l.next)
	j.Agent.Observe(l.cur, l.actions, l.next)
	l.step += uint64(l.next.N)
	if err := l.account(l.next); err != nil {
		return false, err
	}
	reported, err := j.Agent.Update()
	if err != nil {
		return false, fmt.Errorf("train: update at step %d: %w", l.step, err)
	}
	l.cur, l.next = l.next, l.cur
	if reported == nil {
		return false, nil
	}
	l.update++
	l.window.add(reported)
	return true, nil
}

// account adds the rewards of one step to the returns of the episodes.
func (l *loop) account(t *env.TimeStep) error {
	for i, r := range t.Reward {
		if r-r != 0 {
			return fmt.Errorf("train: reward of environment %d at step %d is %v, want a finite number", i, l.step, r)
		}
		l.open[i] += float64(r)
		l.length[i]++
		if t.Ended(i) {
			l.episode++
			l.window.episodes++
			l.window.steps += l.length[i]
			l.window.returns += l.open[i]
			l.open[i], l.length[i] = 0, 0
		}
	}
	return nil
}

// measure adds up the metrics of an episode that has just ended.
func (l *loop) measure(m []env.Ratio) {
	if m == nil {
		return
	}
	if len(m) != len(l.window.num) {
		panic(fmt.Sprintf("train: %d ratios for the %d metrics of %s", len(m), len(l.window.num), l.job.Vector.Spec().ID))
	}
	for k, r := range m {
		l.window.num[k] += r.Num
		l.window.den[k] += r.Den
	}
}

func (w *window) add(reported []agents.Metric) {
next:
	for _, m := range reported {
		for k := range w.averages {
			if a := &w.averages[k]; a.name == m.Name {
				a.sum += m.Value
				a.n++
				continue next
			}
		}
		w.averages = append(w.averages, average{m.Name, m.Value, 1})
	}
}

func (w *window) reset() {
	clear(w.num)
	clear(w.den)
	*w = window{num: w.num, den: w.den, averages: w.averages[:0]}
}

// evaluate runs an evaluation if one is due. One that is interrupted stays due.
func (l *loop) evaluate(ctx context.Context) error {
	every := l.job.Config.EvalEvery
	if l.job.Evaluate == nil || every == 0 || l.step/every == l.evaluated/every || ctx.Err() != nil {
		return nil
	}
	e, err := l.job.Evaluate(ctx, l.job.Agent.Greedy())
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("train: evaluation at step %d: %w", l.step, err)
	}
	if err := l.metrics.eval(l.step, e, time.Now()); err != nil {
		return err
	}
	l.evaluated, l.evaluation = l.step, &e
	return nil
}

// logTrain writes a train line and starts the next window.
func (l *loop) logTrain(now time.Time) error {
	if l.window.episodes > 0 {
		l.lastReturn = l.window.returns / float64(l.window.episodes)
	}
	rate := float64(l.step-l.lineStep) / now.Sub(l.lineTime).Seconds()
	if err := l.metrics.train(&l.counters, l.job.Vector.Spec(), rate, now); err != nil {
		return err
	}
	l.window.reset()
	l.logged, l.lineStep, l.lineTime = l.step, l.step, now
	return nil
}

// The sections of a checkpoint, in order.
const (
	sectionLoop   = "loop"
	sectionVector = "vector"
	sectionSteps  = "timesteps"
	sectionAgent  = "agent"
)

// checkpoint stores the whole run unless this very step is stored already.
func (l *loop) checkpoint() error {
	if l.savePath != "" && l.saveStep == l.step {
		return nil
	}
	if err := l.metrics.sync(); err != nil {
		return err
	}
	m := l.job.Meta
	m.Step, m.Update, m.Episode = l.step, l.update, l.episode
	path := filepath.Join(l.folder(), checkpoints.Name(l.step))
	if err := checkpoints.Write(path, m,
		fields(sectionLoop, l.counters.fields),
		data(sectionVector, l.job.Vector.AppendState(nil)),
		data(sectionSteps, l.appendSteps(nil)),
		fields(sectionAgent, l.job.Agent.Fields),
	); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	l.savePath, l.saveStep, l.saveTime = path, l.step, time.Now()
	if err := checkpoints.Prune(l.folder(), l.job.Config.Keep); err != nil {
		l.warn("old checkpoints stay", "error", err)
	}
	return nil
}

// appendSteps stores both buffers: the rows of next that no episode's end has
// written are stale, but an agent may copy them, and then its state shows them.
func (l *loop) appendSteps(b []byte) []byte {
	cur, next := l.cur.AppendState(nil), l.next.AppendState(nil)
	return state.Append(b, func(c *state.Codec) {
		state.Slice(c, &cur)
		state.Slice(c, &next)
	})
}

func (l *loop) restoreSteps(b []byte) error {
	var cur, next []byte
	err := state.Restore(b, func(c *state.Codec) {
		state.Slice(c, &cur)
		state.Slice(c, &next)
	})
	if err == nil {
		err = l.cur.RestoreState(cur)
	}
	if err == nil {
		err = l.next.RestoreState(next)
	}
	return err
}

func (c *counters) fields(s *state.Codec) {
	n := uint64(len(c.open))
	state.Value(s, &n)
	if n != uint64(len(c.open)) {
		s.Fail(fmt.Errorf("%d environments in the checkpoint, %d in the job", n, len(c.open)))
	}
	state.Value(s, &c.step)
	state.Value(s, &c.update)
	state.Value(s, &c.episode)
	state.Value(s, &c.evaluated)
	state.Value(s, &c.logged)
	state.Value(s, &c.lastReturn)
	state.Fixed(s, c.open)
	state.Fixed(s, c.length)
	w := &c.window
	state.Value(s, &w.episodes)
	state.Value(s, &w.steps)
	state.Value(s, &w.returns)
	state.Fixed(s, w.num)
	state.Fixed(s, w.den)
	averages := uint64(len(w.averages))
	state.Value(s, &averages)
	for i := uint64(0); i < averages && s.Err() == nil; i++ {
		if s.Restoring() {
			w.averages = append(w.averages, average{})
		}
		a := &w.averages[i]
		name := []byte(a.name)
		state.Slice(s, &name)
		a.name = string(name)
		state.Value(s, &a.sum)
		state.Value(s, &a.n)
	}
}

// restore takes up the run where c left it. It changes files only after all of
// c has been read.
func (l *loop) restore(c *checkpoints.Checkpoint) error {
	j := l.job
	for _, id := range []struct {
		what      string
		have, job any
	}{
		{"environment", c.Meta.Env, j.Meta.Env},
		{"environment digest", c.Meta.EnvDigest, j.Meta.EnvDigest},
		{"algorithm", c.Meta.Algo, j.Meta.Algo},
		{"seed", c.Meta.Seed, j.Meta.Seed},
	} {
		if id.have != id.job {
			return fmt.Errorf("train: resume from step %d: %s is %v in the checkpoint, %v in the job", c.Meta.Step, id.what, id.have, id.job)
		}
	}
	for _, section := range []struct {
		name    string
		restore func(io.Reader, uint64) error
	}{
		{sectionLoop, restoreFields(l.counters.fields)},
		{sectionVector, restoreData(j.Vector.RestoreState)},
		{sectionSteps, restoreData(l.restoreSteps)},
		{sectionAgent, restoreFields(j.Agent.Fields)},
	} {
		if err := restoreSection(c, section.name, section.restore); err != nil {
			return fmt.Errorf("train: resume from step %d: %w", c.Meta.Step, err)
		}
	}
	if l.step != c.Meta.Step {
		return fmt.Errorf("train: resume from step %d: the loop is at step %d", c.Meta.Step, l.step)
	}
	if err := trimMetrics(filepath.Join(j.Dir, MetricsFile), l.step); err != nil {
		return err
	}
	if err := removeLater(l.folder(), l.step); err != nil {
		return err
	}
	path := filepath.Join(l.folder(), checkpoints.Name(l.step))
	if _, err := os.Stat(path); err == nil {
		l.savePath, l.saveStep = path, l.step
	}
	for _, d := range [][3]string{{"tool", c.Meta.Tool, j.Meta.Tool}, {"go", c.Meta.Go, j.Meta.Go}, {"cpu", c.Meta.CPU, j.Meta.CPU}, {"kernel", c.Meta.Kernel, j.Meta.Kernel}} {
		if d[1] != d[2] {
			l.warn("resumed elsewhere, results may differ in the last bits", "what", d[0], "checkpoint", d[1], "here", d[2])
		}
	}
	if string(c.Meta.Config) != string(j.Meta.Config) {
		l.warn("resumed with another configuration")
	}
	return nil
}

// removeLater removes checkpoints past step, whole or damaged, which would
// otherwise pass for newer than those to come.
func removeLater(folder string, step uint64) error {
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	for _, e := range entries {
		var at uint64
		if _, err := fmt.Sscanf(e.Name(), "step-%d.ckpt", &at); err != nil || e.Name() != checkpoints.Name(at) || at <= step {
			continue
		}
		if err := os.Remove(filepath.Join(folder, e.Name())); err != nil {
			return fmt.Errorf("train: %w", err)
		}
	}
	return nil
}

func (l *loop) warn(message string, args ...any) {
	if l.job.Log != nil {
		l.progress.clear()
		l.job.Log.Warn(message, args...)
	}
}

func (l *loop) summary() Summary {
	elapsed := time.Since(l.began)
	return Summary{
		Steps:          l.step,
		Updates:        l.update,
		Episodes:       l.episode,
		EpisodeReturn:  l.lastReturn,
		Evaluation:     l.evaluation,
		Checkpoint:     l.savePath,
		Elapsed:        elapsed,
		StepsPerSecond: float64(l.step-l.from) / elapsed.Seconds(),
	}
}
