// Package disk replaces files durably and opens those that are to be read.
//
// Its errors do not repeat the path, which the caller knows best how to name.
package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
)

// Replace lets fill write a temporary file in the folder of path, makes it
// durable and renames it to path. Whenever the process or the machine stops,
// path holds either what it held before or all that fill wrote.
//
// These are our own lines because renameio does not sync the folder, so that
// a rename can be lost with the power, and has no such function on Windows.
func Replace(path string, fill func(io.Writer) error) error {
	folder := filepath.Dir(path)
	f, err := createTemp(folder, filepath.Base(path))
	if err != nil {
		return Bare(err)
	}
	err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name()) // best effort; Prune removes what stays
		return Bare(err)
	}
	return syncFolder(folder)
}

// TempForm is what stands, in a regular expression, after the dot and the name
// of a file in the name of its temporary file.
const TempForm = `\.tmp-[0-9]+-[0-9]+`

var tempCount atomic.Uint64

// createTemp creates a file that no other writer uses, process id and count
// being unique among the living; a name left by the dead is passed over. Unlike
// os.CreateTemp it leaves the permissions to the umask.
func createTemp(folder, base string) (*os.File, error) {
	for {
		name := fmt.Sprintf(".%s.tmp-%d-%d", base, os.Getpid(), tempCount.Add(1))
		f, err := os.OpenFile(filepath.Join(folder, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// syncFolder makes a rename in the folder durable.
func syncFolder(folder string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be synced there
	}
	d, err := os.Open(folder)
	if err != nil {
		return Bare(err)
	}
	defer d.Close()
	// Some network and user-space file systems have no fsync for folders and
	// say so; nothing more can be done there.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return Bare(err)
	}
	return nil
}

// Open opens a regular file and says how large it is; what it should be is for
// the error.
func Open(path, what string) (*os.File, int64, error) {
	info, err := os.Stat(path) // first: opening a named pipe would wait
	if err != nil {
		return nil, 0, Bare(err)
	}
	if !info.Mode().IsRegular() {
		kind := "special file"
		if info.IsDir() {
			kind = "folder"
		}
		return nil, 0, fmt.Errorf("is a %s, want a %s", kind, what)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, Bare(err)
	}
	if info, err = f.Stat(); err != nil {
		f.Close()
		return nil, 0, Bare(err)
	}
	return f, info.Size(), nil
}

// Bare drops operation and path of a file error.
func Bare(err error) error {
	var p *os.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	}
	return err
}
