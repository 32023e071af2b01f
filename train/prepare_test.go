package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mend/checkpoints"
)

// Prepare runs before the first step of a fresh run, while others are kept out,
// and not where a checkpoint has what it makes; its error ends the run before
// anything is stored.
func TestPrepare(t *testing.T) {
	dir := t.TempDir()
	prepared := 0
	var result error
	job := func() *Job {
		j, agent := newJob(t, dir, testConfig())
		j.Prepare = func(context.Context) error {
			prepared++
			if agent.observed != 0 {
				t.Errorf("prepared after %d steps", agent.observed)
			}
			if _, err := lock(dir); err == nil || !strings.Contains(err.Error(), "another process") {
				t.Errorf("the folder is not locked: %v", err)
			}
			return result
		}
		return j
	}
	result = errors.New("bad")
	if _, err := job().Run(context.Background()); err != result || prepared != 1 {
		t.Fatalf("%v, prepared %d times, want %v and 1", err, prepared, result)
	}
	wantNoCheckpoint(t, dir)
	result = nil
	if _, err := job().Run(context.Background()); err != nil || prepared != 2 {
		t.Fatalf("%v, prepared %d times, want 2", err, prepared)
	}
	if _, err := job().Resume(context.Background(), latest(t, dir)); err != nil || prepared != 2 {
		t.Fatalf("%v, prepared %d times, want still 2", err, prepared)
	}
}

// An interrupt while preparing is one, although there is no checkpoint yet.
func TestPrepareInterrupted(t *testing.T) {
	dir := t.TempDir()
	cause := errors.New("signal: interrupt")
	ctx, cancel := context.WithCancelCause(context.Background())
	j, _ := newJob(t, dir, testConfig())
	j.Prepare = func(ctx context.Context) error {
		cancel(cause)
		return fmt.Errorf("fit: %w", ctx.Err())
	}
	_, err := j.Run(ctx)
	if !errors.Is(err, ErrInterrupted) || !errors.Is(err, cause) {
		t.Errorf("%v is not both an interrupt and its cause", err)
	}
	if want := "train: interrupted before the first step: signal: interrupt"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	wantNoCheckpoint(t, dir)
}

func wantNoCheckpoint(t *testing.T, dir string) {
	t.Helper()
	if path, _, _, err := checkpoints.Latest(filepath.Join(dir, CheckpointsFolder)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("checkpoint %s, %v, want none", path, err)
	}
}
