package train

import (
	"context"
	"errors"
	"strings"
	"testing"

	"mend/checkpoints"
)

// Finish runs once the last step is taken and never before, while others are
// kept out, and its error is that of the run; a resumed run that had come to
// its end finishes again.
func TestFinish(t *testing.T) {
	dir := t.TempDir()
	stopped, stop := context.WithCancelCause(context.Background())
	stop(errors.New("stop"))
	finished := 0
	bad := errors.New("bad")
	var result error
	job := func() *Job {
		j, _ := newJob(t, dir, testConfig())
		j.Finish = func(_ context.Context, s Summary) error {
			finished++
			if s.Steps < testConfig().Steps || s.Checkpoint == "" {
				t.Errorf("finish at %+v", s)
			}
			if _, err := lock(dir); err == nil || !strings.Contains(err.Error(), "another process") {
				t.Errorf("the folder is not locked: %v", err)
			}
			return result
		}
		return j
	}
	if _, err := job().Run(stopped); !errors.Is(err, ErrInterrupted) || finished != 0 {
		t.Fatalf("%v, finished %d times, want an interrupt and 0", err, finished)
	}
	result = bad
	if _, err := job().Resume(context.Background(), latest(t, dir)); err != bad || finished != 1 {
		t.Fatalf("%v, finished %d times, want %v and 1", err, finished, bad)
	}
	result = nil
	if s, err := job().Resume(context.Background(), latest(t, dir)); err != nil || finished != 2 || s.Steps < testConfig().Steps {
		t.Fatalf("%+v, %v, finished %d times, want 2", s, err, finished)
	}
}

func latest(t *testing.T, dir string) *checkpoints.Checkpoint {
	t.Helper()
	_, c, _, err := checkpoints.Latest(dir + "/checkpoints")
	if err != nil {
		t.Fatal(err)
	}
	return c
}
