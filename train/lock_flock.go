//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package train

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lock keeps other processes from writing the run in dir. The lock is the
// kernel's and ends with the process, however that ends; the file stays.
func lock(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EINTR {
			break
		}
	}
	switch {
	case err == syscall.EWOULDBLOCK:
		f.Close()
		return nil, fmt.Errorf("train: %q is being written by another process, want to wait for it or another folder", dir)
	case err == syscall.ENOLCK || errors.Is(err, errors.ErrUnsupported):
		f.Close()
		return func() {}, nil // some network file systems have no locks
	case err != nil:
		f.Close()
		return nil, fmt.Errorf("train: lock %q: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}
