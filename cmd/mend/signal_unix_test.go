//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mend/checkpoints"
	"mend/checkpoints/policy"
)

// signalConfigs are runs, by agent, whose training and evaluation each take some
// tenths of a second, so that a signal meets either. The one of DQN has all that
// needs to be saved: a replay buffer that overflows, priorities, longer horizons,
// statistics of observations and returns, averaged weights and a potential, in
// whose fit a signal may come too.
var signalConfigs = map[string]string{
	"ppo": signalWorld + `
ppo: {rollout_steps: 32, hidden: [8]}
`,
	"dqn": signalWorld + `
algo: dqn
dqn: {hidden: [8], learning_starts: 500, train_freq: 8, gradient_steps: 4, batch_size: 16, buffer_size: 3000, n_step: 3, dueling: true, prioritized: true}
signal:
  normalize_observation: true
  normalize_reward: true
  value_head: symexp
  average: ema
  shaping: {baseline: hdfs, steps: 8000, epochs: 4, hidden: [8]}
`,
}

const signalWorld = `
env:
  id: RackBursts-v0
  cluster:
    topology: {regions: 1, zones_per_region: 1, racks_per_zone: 4, nodes_per_rack: 3}
    data: {shards_per_node: 20}
    horizon: 48h
train: {steps: 24000, envs: 4, eval_every: 4000, eval_episodes: 4, checkpoint_every: 20ms}
eval: {episodes: 200}
`

const finalCheckpoint = "checkpoints/step-000000024000.ckpt"

// process is mend, running in dir.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	dir    string
	ended  chan struct{}
	stderr string // file
}

// start starts mend with its output in files of dir.
func start(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command("mend", args...), dir: dir, ended: make(chan struct{}), stderr: filepath.Join(dir, "stderr")}
	p.cmd.Dir = dir
	f, err := os.Create(p.stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p.cmd.Stderr = f
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait() // the state is looked at
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.ended
	})
	return p
}

func (p *process) said() string {
	b, err := os.ReadFile(p.stderr)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

// await waits until the file holds the text, and reports whether it came to
// that before the process ended.
func (p *process) await(file, text string) bool {
	for began := time.Now(); time.Since(began) < 60*time.Second; time.Sleep(time.Millisecond) {
		b, _ := os.ReadFile(filepath.Join(p.dir, file))
		if bytes.Contains(b, []byte(text)) {
			return true
		}
		select {
		case <-p.ended:
			return false
		default:
		}
	}
	p.t.Fatalf("no %q in %s after a minute", text, file)
	return false
}

// wait waits for the end and returns the exit code, -1 where a signal ended it.
func (p *process) wait() int {
	select {
	case <-p.ended:
	case <-time.After(2 * time.Minute):
		p.t.Fatalf("mend still runs after two minutes\n%s", p.said())
	}
	if said := p.said(); strings.Contains(said, "goroutine ") {
		p.t.Fatalf("mend panicked\n%s", said)
	}
	return p.cmd.ProcessState.ExitCode()
}

// folder is a new one with the configuration of that agent in it.
func folder(t *testing.T, algo string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "c.yaml"), []byte(signalConfigs[algo]), 0o666); err != nil {
		t.Fatal(err)
	}
	return dir
}

// uninterrupted is the folder of a whole run, and how long that took.
func uninterrupted(t *testing.T, algo string) (dir string, took time.Duration) {
	t.Helper()
	dir = folder(t, algo)
	began := time.Now()
	p := start(t, dir, "train", "-c", "c.yaml", "--out", "run")
	if code := p.wait(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, p.said())
	}
	return dir, time.Since(began)
}

// wantSame compares what two runs ended in.
func wantSame(t *testing.T, a, b string) {
	t.Helper()
	for _, name := range []string{finalCheckpoint, "eval/final.json", "policy.mend"} {
		x, err := os.ReadFile(filepath.Join(a, "run", name))
		if err != nil {
			t.Fatal(err)
		}
		y, err := os.ReadFile(filepath.Join(b, "run", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(x, y) {
			t.Errorf("%s differs from that of the run that was never stopped", name)
		}
	}
	same, err := sameWeights(filepath.Join(a, "run", "policy.mend"), filepath.Join(b, "run", "policy.mend"))
	if err != nil || !same {
		t.Errorf("weights equal: %v, %v", same, err)
	}
	for _, dir := range []string{a, b} {
		for _, pattern := range []string{".*.tmp-*", "*/.*.tmp-*"} {
			if left, _ := filepath.Glob(filepath.Join(dir, "run", pattern)); len(left) > 0 {
				t.Errorf("temporary files stay: %v", left)
			}
		}
		lines(t, filepath.Join(dir, "run", "metrics.jsonl"))
	}
}

// lines checks that metrics.jsonl holds whole lines of ascending steps.
func lines(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var last uint64
	seen := make(map[string]bool)
	for line := range bytes.Lines(b) {
		var x struct {
			Kind string
			Step uint64
		}
		if err := json.Unmarshal(line, &x); err != nil {
			t.Fatalf("%s: %q: %v", path, line, err)
		}
		key := fmt.Sprint(x.Kind, x.Step)
		if x.Step < last || seen[key] {
			t.Fatalf("%s: a %s line of step %d comes after step %d, or twice", path, x.Kind, x.Step, last)
		}
		last, seen[key] = x.Step, true
	}
	if last != 24000 {
		t.Errorf("%s ends at step %d", path, last)
	}
}

// Ctrl-C and SIGTERM, in training and in the evaluation after it, leave a
// checkpoint, and the run that is resumed as the message says ends as one that
// was never stopped.
func TestStoppedBySignal(t *testing.T) {
	t.Parallel()
	whole := map[string]string{}
	for algo := range signalConfigs {
		whole[algo], _ = uninterrupted(t, algo)
	}
	for _, c := range []struct {
		name, algo string
		signal     syscall.Signal
		code       int
		file, text string // what to wait for
		says       string
	}{
		{"SIGINT in training", "ppo", syscall.SIGINT, 130, "run/metrics.jsonl", `"kind":"train"`, "interrupted at step "},
		{"SIGTERM in training", "dqn", syscall.SIGTERM, 143, "run/metrics.jsonl", `"step":8`, "interrupted at step "},
		{"SIGINT in the evaluation", "ppo", syscall.SIGINT, 130, "stderr", "evaluating", "stopped by SIGINT"},
		{"SIGTERM in the evaluation", "dqn", syscall.SIGTERM, 143, "stderr", "evaluating", "stopped by SIGTERM"},
		{"SIGTERM at the start", "ppo", syscall.SIGTERM, 143, "stderr", "digest", "interrupted at step "},
		{"SIGINT in the fit of the potential", "dqn", syscall.SIGINT, 130, "stderr", "shaping: fitting", "interrupted before the first step"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := folder(t, c.algo)
			p := start(t, dir, "train", "-c", "c.yaml", "--out", "run")
			if !p.await(c.file, c.text) {
				t.Fatalf("it ended too soon\n%s", p.said())
			}
			p.cmd.Process.Signal(c.signal)
			if code := p.wait(); code != c.code {
				t.Fatalf("exit code %d, want %d\n%s", code, c.code, p.said())
			}
			said := p.said()
			const hint = "continue with: mend "
			_, rest, ok := strings.Cut(said, hint)
			if !ok || !strings.Contains(said, "mend: ") || !strings.Contains(said, c.says) {
				t.Fatalf("it says %s", said)
			}
			args, _, _ := strings.Cut(rest, "\n")
			path, _, skipped, err := checkpoints.Latest(filepath.Join(dir, "run", "checkpoints"))
			if early := strings.Contains(c.says, "before the first step"); early && !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("checkpoint %s, %v, want none yet", path, err)
			} else if !early && (err != nil || len(skipped) > 0) {
				t.Fatalf("latest checkpoint %s, skipped %v: %v", path, skipped, err)
			}
			if strings.Contains(c.says, "at step") && !strings.Contains(said, filepath.Base(path)) {
				t.Errorf("%s is the latest checkpoint, it says %s", path, said)
			}
			if _, err := os.Stat(filepath.Join(dir, "run", "policy.mend")); err == nil {
				t.Error("there is a policy already")
			}
			p = start(t, dir, strings.Fields(args)...)
			if code := p.wait(); code != 0 {
				t.Fatalf("exit code %d\n%s", code, p.said())
			}
			wantSame(t, whole[c.algo], dir)
		})
	}
}

// A run that is killed again and again, at any moment, ends as one that was
// never stopped. MEND_LONG=1 kills more often.
func TestKilled(t *testing.T) {
	t.Parallel()
	for algo, kills := range map[string]int{"ppo": 16, "dqn": 8} {
		if os.Getenv("MEND_LONG") != "" {
			kills *= 12
		}
		t.Run(algo, func(t *testing.T) { killAgainAndAgain(t, algo, kills) })
	}
}

func killAgainAndAgain(t *testing.T, algo string, kills int) {
	const seed = 1
	whole, took := uninterrupted(t, algo)
	rng := rand.New(rand.NewPCG(seed, 0))
	dir := folder(t, algo)
	run := filepath.Join(dir, "run")
	inTraining, inFinish, finished := 0, 0, 0
	for kill := 0; kill < kills; kill++ {
		p := start(t, dir, next(t, dir)...)
		// Half of the kills right after the evaluation has begun, or what is
		// left of the run would be too short to meet its end.
		delay := time.Duration(rng.Float64() * float64(took) / 2)
		if kill%2 == 1 && p.await("stderr", "evaluating") {
			delay = time.Duration(rng.Float64() * float64(took) / 6)
		}
		select {
		case <-p.ended:
		case <-time.After(delay):
		}
		p.cmd.Process.Kill()
		code := p.wait()
		switch said := p.said(); {
		case code == 0:
			finished++
		case code != -1:
			t.Fatalf("kill %d, seed %d: exit code %d\n%s", kill, seed, code, said)
		case strings.Contains(said, "evaluating"):
			inFinish++
		default:
			inTraining++
		}
		// Whatever has its final name is whole.
		if _, err := os.Stat(filepath.Join(run, "policy.mend")); err == nil {
			if _, err := policy.Load(filepath.Join(run, "policy.mend")); err != nil {
				t.Fatalf("kill %d, seed %d: %v", kill, seed, err)
			}
		}
		if b, err := os.ReadFile(filepath.Join(run, "eval", "final.json")); err == nil && !json.Valid(b) {
			t.Fatalf("kill %d, seed %d: final.json is %q", kill, seed, b)
		}
		if _, _, skipped, _ := checkpoints.Latest(filepath.Join(run, "checkpoints")); len(skipped) > 0 {
			t.Fatalf("kill %d, seed %d: %v", kill, seed, skipped)
		}
		// Begin again, or most kills would come after the training.
		if kill%4 == 3 {
			if err := os.RemoveAll(run); err != nil {
				t.Fatal(err)
			}
		}
	}
	p := start(t, dir, next(t, dir)...)
	if code := p.wait(); code != 0 {
		t.Fatalf("seed %d: exit code %d\n%s", seed, code, p.said())
	}
	wantSame(t, whole, dir)
	t.Logf("killed %d times in training and %d times after, %d times too late", inTraining, inFinish, finished)
	if inTraining == 0 || inFinish == 0 {
		t.Errorf("%d kills in training and %d after it prove too little", inTraining, inFinish)
	}
}

// next continues the run in dir, or starts it where it was killed before it
// had its configuration.
func next(t *testing.T, dir string) []string {
	t.Helper()
	run := filepath.Join(dir, "run")
	if _, err := os.Stat(filepath.Join(run, "config.resolved.yaml")); err == nil {
		return []string{"train", "--resume", "run"}
	}
	if err := os.RemoveAll(run); err != nil {
		t.Fatal(err)
	}
	return []string{"train", "-c", "c.yaml", "--out", "run"}
}
