package kernel

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// level says which implementation runs; later ones need more of the CPU.
type level uint8

const (
	levelGo level = iota
	levelAVX2
	levelAVX512
)

var levelNames = [...]string{"go", "avx2", "avx512"}

func (l level) String() string { return levelNames[l] }

var (
	best            = detect()
	active, initErr = start(os.Getenv("MEND_KERNEL"))
)

// start returns the level that the environment asks for, or else the best.
func start(variable string) (level, error) {
	if variable == "" {
		return best, nil
	}
	l, err := parse(variable)
	if err != nil {
		return levelGo, fmt.Errorf("kernel: environment variable MEND_KERNEL is %w", err)
	}
	return l, nil
}

// parse returns the level of the given name if this machine can run it.
func parse(name string) (level, error) {
	i := slices.Index(levelNames[:], name)
	switch {
	case i < 0:
		return 0, fmt.Errorf("%q, want one of %s", name, strings.Join(levelNames[:], ", "))
	case level(i) > best:
		return 0, fmt.Errorf("%q, this machine runs %s", name, strings.Join(Available(), ", "))
	}
	return level(i), nil
}

// Err says what is wrong with the environment variable MEND_KERNEL, which
// chooses the implementation: go, avx2 or avx512. After an error plain Go runs.
func Err() error { return initErr }

// Active is the name of the implementation that runs: go, avx2 or avx512. It is
// the one named by MEND_KERNEL, or else the best that this machine has.
func Active() string { return active.String() }

// Available lists the implementations that this machine can run, plain Go
// first, the best last.
func Available() []string { return slices.Clone(levelNames[:best+1]) }

// Force switches to the implementation of the given name until restore is
// called. It is for tests and benchmarks: nothing else may compute meanwhile.
func Force(name string) (restore func(), err error) {
	l, err := parse(name)
	if err != nil {
		return nil, fmt.Errorf("kernel: implementation is %w", err)
	}
	old := active
	active = l
	return func() { active = old }, nil
}
