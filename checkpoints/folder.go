package checkpoints

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"mend/checkpoints/internal/disk"
)

// Name is the file name of the checkpoint after that many environment steps.
func Name(step uint64) string { return fmt.Sprintf("step-%012d.ckpt", step) }

var (
	nameForm = regexp.MustCompile(`^step-([0-9]{12,20})\.ckpt$`)
	tempForm = regexp.MustCompile(`^\.step-[0-9]{12,20}\.ckpt` + disk.TempForm + `$`)
)

// Latest returns the newest checkpoint in dir that reads whole, by the step in
// its name. The errors of newer, damaged ones are in skipped. Where there is
// none, err says so; it wraps [fs.ErrNotExist] if nothing in dir even has the
// name of a checkpoint.
func Latest(dir string) (path string, c *Checkpoint, skipped []error, err error) {
	names, err := list(dir)
	if err != nil {
		return "", nil, nil, err
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		c, err := Read(path)
		if err == nil {
			return path, c, skipped, nil
		}
		skipped = append(skipped, err)
	}
	if len(names) == 0 {
		return "", nil, nil, fmt.Errorf("checkpoints: no checkpoint in %q, want a file such as %s: %w", dir, Name(0), fs.ErrNotExist)
	}
	return "", nil, skipped, fmt.Errorf("checkpoints: none of the %d checkpoints in %q reads whole, want one that does", len(names), dir)
}

// Prune removes all checkpoints in dir but the newest keep, at least 1. If none
// of those reads whole, it spares the newest one that does. It also removes the
// temporary files of writers that were killed, so nobody else may be writing
// checkpoints into dir meanwhile.
func Prune(dir string, keep int) error {
	if keep < 1 {
		return fmt.Errorf("checkpoints: prune %q: keep is %d, want at least 1", dir, keep)
	}
	names, err := list(dir)
	if err != nil {
		return err
	}
	var errs []error
	remove := func(name string) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("checkpoints: prune %q: %w", filepath.Join(dir, name), disk.Bare(err)))
		}
	}
	if len(names) > keep {
		// Oldest first, so that being killed here leaves no gap.
		readable := slices.IndexFunc(names, func(name string) bool {
			_, err := Read(filepath.Join(dir, name))
			return err == nil
		})
		for i := len(names) - 1; i >= keep; i-- {
			if i != readable {
				remove(names[i])
			}
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("checkpoints: prune %q: %w", dir, disk.Bare(err))
	}
	for _, e := range entries {
		if e.Type().IsRegular() && tempForm.MatchString(e.Name()) {
			remove(e.Name())
		}
	}
	return errors.Join(errs...)
}

// list returns the names of the checkpoints in dir, newest first.
func list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("checkpoints: list %q: %w", dir, disk.Bare(err))
	}
	type file struct {
		name string
		step uint64
	}
	var files []file
	for _, e := range entries {
		m := nameForm.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		step, err := strconv.ParseUint(m[1], 10, 64)
		if err != nil || e.Name() != Name(step) {
			continue // a number that Name never writes
		}
		files = append(files, file{e.Name(), step})
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(b.step, a.step) })
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.name
	}
	return names, nil
}
