//go:build linux || darwin

package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

func init() { limit = runLimited }

// runLimited is the command: limit FILE+N COMMAND [ARG...]. No file may grow
// beyond the size of FILE plus N bytes, which is how a full disk looks to a
// writer. The usual action of SIGXFSZ is restored, as in a shell.
func runLimited() {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "limit:", err)
			os.Exit(99)
		}
	}
	file, plus, _ := strings.Cut(os.Args[1], "+")
	n, err := strconv.ParseUint(plus, 10, 63)
	fail(err)
	if file != "" {
		info, err := os.Stat(file)
		fail(err)
		n += uint64(info.Size())
	}
	path, err := exec.LookPath(os.Args[2])
	fail(err)
	signal.Reset(syscall.SIGXFSZ)
	fail(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}))
	fail(syscall.Exec(path, os.Args[2:], os.Environ()))
}
