package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"mend/checkpoints"
)

// childFull runs where no file may exceed 6 KiB and the agent's state grows,
// so that a checkpoint meets the limit half-way.
func childFull(dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	const limit = 6 << 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		fmt.Println("setrlimit:", err)
		os.Exit(1)
	}
	config := testConfig()
	config.CheckpointEvery = 1
	j, agent := newJob(nil, dir, config)
	agent.every = 1 << 40
	_, err := j.Run(context.Background())
	if !errors.Is(err, syscall.EFBIG) {
		err = fmt.Errorf("want EFBIG, got %v", err)
	}
	fmt.Fprint(os.Stderr, err)
}

// A checkpoint that cannot be written stops the run with one line and leaves
// the last good one, and nothing else.
func TestCheckpointCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	cmd, stderr := child(t, "full", dir)
	if err := cmd.Run(); err != nil {
		t.Fatal(err, stderr)
	}
	message := stderr.String()
	if !strings.HasPrefix(message, "train: checkpoints: write ") || !strings.HasSuffix(message, ": file too large") || strings.Contains(message, "\n") {
		t.Errorf("got %s", message)
	}
	path, c, skipped, err := checkpoints.Latest(filepath.Join(dir, "checkpoints"))
	if err != nil || len(skipped) > 0 || c.Meta.Step == 0 {
		t.Fatalf("latest is %s, skipped %v, %v", path, skipped, err)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "checkpoints"))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v; want the last good checkpoint alone", entries, err)
	}

	// With room again, the run goes on as if nothing had been.
	j, agent := newJob(t, dir, testConfig())
	agent.every = 1 << 40
	if _, err := j.Resume(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	whole := t.TempDir()
	j, agent = newJob(t, whole, testConfig())
	agent.every = 1 << 40
	if _, err := j.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	same(t, dir, whole)
}
