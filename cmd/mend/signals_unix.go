//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// keepWriteErrors makes a write past the limit on file sizes, and one to a pipe
// that nobody reads, an error of that write instead of the end of the program:
// training goes on without the reader of its progress, and ends in order where
// a file cannot grow.
func keepWriteErrors() { signal.Ignore(syscall.SIGXFSZ, syscall.SIGPIPE) }
