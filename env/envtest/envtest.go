// Package envtest checks that a world keeps the contract of [env.Env].
//
// Start with [Run], for tests, or [Check], for programs: a list of findings,
// one a check. What is checked holds for every world; whether a world models
// what it claims to is for its own tests. A Step that never returns is not
// caught.
package envtest

import (
	"fmt"

	"mend/env"
	"mend/env/seed"
)

// Finding is the result of one check.
type Finding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"` // how much was seen, or what is wrong
}

// Options bound and seed the checks. The zero value means the defaults.
type Options struct {
	// Seed is the root of all episodes and actions.
	Seed seed.Seed
	// Steps is how many steps a check takes, over as many episodes as it
	// needs; 0 means 256.
	Steps int
	// EpisodeSteps is within how many steps an episode of random legal actions
	// must end; 0 means 100,000.
	EpisodeSteps int
	// Deterministic says that the seed of an episode changes nothing, which is
	// then checked instead of its contrary.
	Deterministic bool
}

// T is what Run and Report need of a *testing.T, so that programs that call
// Check do not link package testing.
type T interface {
	Helper()
	Errorf(format string, args ...any)
}

// Run reports every check that the worlds made by newEnv do not pass.
func Run(t T, newEnv func() env.Env) {
	t.Helper()
	Report(t, Check(newEnv, Options{}))
}

// Report reports the findings that are not OK.
func Report(t T, findings []Finding) {
	t.Helper()
	for _, f := range findings {
		if !f.OK {
			t.Errorf("%s: %s", f.Check, f.Detail)
		}
	}
}

// Check runs every check on worlds made by newEnv, which returns a new one of
// equal Spec at every call. It returns one finding a check, always the same
// checks in the same order. It measures allocations of the whole process: run
// it while nothing else does.
func Check(newEnv func() env.Env, o Options) []Finding {
	if o.Steps == 0 {
		o.Steps = 256
	}
	if o.EpisodeSteps == 0 {
		o.EpisodeSteps = 100_000
	}
	c := &checker{Options: o, newEnv: newEnv}
	findings := make([]Finding, len(checks))
	for i, k := range checks {
		findings[i] = c.do(k.name, k.run)
	}
	return findings
}

// checks are all checks, in the order in which a broken world is best
// repaired.
var checks = []struct {
	name string
	run  func(*checker) string
}{
	{"spec", (*checker).spec},
	{"same-seed", (*checker).sameSeed},
	{"other-seed", (*checker).otherSeed},
	{"buffers", (*checker).buffers},
	{"finite", (*checker).finite},
	{"mask", (*checker).mask},
	{"guards", (*checker).guards},
	{"end", (*checker).end},
	{"allocations", (*checker).allocations},
	{"interleaving", (*checker).interleaving},
	{"neighbours", (*checker).neighbours},
	{"restore", (*checker).restore},
	{"damaged-state", (*checker).damagedState},
	{"misuse", (*checker).misuse},
	{"metrics", (*checker).metrics},
	{"credit", (*checker).credit},
	{"exploring", (*checker).exploring},
}

// checker holds what the checks share.
type checker struct {
	Options
	newEnv func() env.Env
}

// violation is what a check panics with, deep in its loops, where the world
// breaks the contract.
type violation string

// fail ends the running check.
func fail(format string, args ...any) { panic(violation(fmt.Sprintf(format, args...))) }

// do runs one check, which returns how much it saw.
func (c *checker) do(name string, run func(*checker) string) (f Finding) {
	f.Check = name
	defer func() {
		switch r := recover().(type) {
		case nil:
		case violation:
			f.Detail = string(r)
		default:
			f.Detail = fmt.Sprintf("the world panicked: %v", r)
		}
	}()
	f.Detail = run(c)
	f.OK = true
	return f
}
