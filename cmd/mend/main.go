// Command mend trains, evaluates and exports policies for replication and
// recovery in replicated storage clusters.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// Exit codes; see the help topic exit-codes.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitCheck   = 3
	exitSignals = 128 // plus the number of the signal
)

// run executes one command line and returns the exit code.
func run(args []string, stdout, stderr io.Writer) (code int) {
	defer func() {
		if p := recover(); p != nil { // a bug, which must not look like exit code 2
			fmt.Fprintf(stderr, "mend: internal error: %v\n%s", p, debug.Stack())
			code = exitFailed
		}
	}()
	keepWriteErrors()
	out := &checkedWriter{w: stdout}
	cmd := newRoot(out, stderr)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(context.Background())
	if err == nil {
		err = out.err
	}
	if err == nil {
		return exitOK
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintf(stderr, "mend: %s\n", line)
	}
	var sig signalError
	var usage usageError
	var check checkError
	switch {
	case errors.As(err, &sig):
		return exitSignals + int(sig)
	case errors.As(err, &check):
		return exitCheck
	case errors.As(err, &usage):
		return exitUsage
	}
	return exitFailed
}

// checkedWriter keeps the first error of w, also where the writer of a help
// text drops it.
type checkedWriter struct {
	w   io.Writer
	err error
}

func (c *checkedWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	if c.err == nil {
		c.err = err
	}
	return n, err
}

// usageError is a command line or a configuration that is wrong.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// checkError is a check that was asked for and failed.
type checkError struct{ error }

// signalError is the signal that ended the command.
type signalError syscall.Signal

func (e signalError) Error() string {
	switch syscall.Signal(e) {
	case syscall.SIGINT:
		return "stopped by SIGINT"
	case syscall.SIGTERM:
		return "stopped by SIGTERM"
	}
	return "stopped by signal: " + syscall.Signal(e).String()
}

// withSignals returns a context that SIGINT or SIGTERM cancels with the signal
// as its cause; the second one ends the program at once. It is for commands
// that watch their context; signals end the others as they end any program.
func withSignals(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		s, ok := <-signals
		if !ok {
			return
		}
		cancel(signalError(s.(syscall.Signal)))
		if s, ok = <-signals; ok {
			os.Exit(exitSignals + int(s.(syscall.Signal)))
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel(nil)
	}
}
