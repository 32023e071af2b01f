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
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := withSignals(context.Background())
	defer stop()
	cmd := newRoot(stdout, stderr)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if errors.Is(err, syscall.EPIPE) {
		return exitFailed // whoever read us has gone: end quietly
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

func (e signalError) Error() string { return syscall.Signal(e).String() }

// withSignals returns a context that SIGINT or SIGTERM cancels with the signal
// as its cause; the second one ends the program at once.
func withSignals(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		s, ok := <-signals
		if !ok {
			return
		}
		number := s.(syscall.Signal)
		cancel(signalError(number))
		if _, ok := <-signals; ok {
			os.Exit(exitSignals + int(number))
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel(nil)
	}
}
