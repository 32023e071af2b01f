package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mend/agents/kernel"
	"mend/checkpoints/policy"
)

// TestMain makes the test binary serve as mend itself, for the scripts.
func TestMain(m *testing.M) {
	commands := map[string]func(){
		"mend": func() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) },
	}
	if limit != nil {
		commands["limit"] = limit
	}
	testscript.Main(m, commands)
}

// limit is a command that runs another with a limit on the size of files; nil
// where there is no such limit.
var limit func()

// TestScripts runs testdata/*.txtar: command lines with what they print and
// the code that they end in. $CONFIGS is the folder of the committed
// configurations.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			configs, err := filepath.Abs("../../configs")
			e.Setenv("CONFIGS", configs)
			return err
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "root":
				return os.Geteuid() == 0, nil
			case "limit":
				return limit != nil, nil
			case "vector": // a kernel besides the one in Go
				return len(kernel.Available()) > 1, nil
			case "full":
				_, err := os.Stat("/dev/full")
				return err == nil, nil
			}
			return false, fmt.Errorf("no condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":       cmdExits,
			"fails":       cmdFails,
			"refused":     cmdRefused,
			"json":        cmdJSON,
			"await":       cmdAwait,
			"flip":        cmdFlip,
			"cut":         cmdCut,
			"forge":       cmdForge,
			"decide":      cmdDecide,
			"sameweights": cmdSameWeights,
			"larger":      cmdLarger,
		},
	})
}

// cmdExits: exits CODE COMMAND [ARG...] wants that exit code.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
	if b := ts.ReadFile("stderr"); strings.Contains(b, "goroutine ") || strings.Contains(b, "internal error") {
		ts.Fatalf("it panicked")
	}
}

// cmdFails: fails CODE COMMAND [ARG...] wants that exit code, nothing on the
// standard output, and exactly one line of error, the last.
func cmdFails(ts *testscript.TestScript, neg bool, args []string) {
	cmdExits(ts, neg, args)
	if errors, _ := errorLines(ts); errors != 1 {
		ts.Fatalf("%d lines of error, want 1", errors)
	}
}

// cmdRefused: refused CODE N COMMAND [ARG...] wants that exit code, nothing on
// the standard output, and N lines of error and no other.
func cmdRefused(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: refused CODE N COMMAND [ARG...]")
	}
	cmdExits(ts, neg, slices.Delete(slices.Clone(args), 1, 2))
	errors, others := errorLines(ts)
	if fmt.Sprint(errors) != args[1] || others != 0 {
		ts.Fatalf("%d lines of error and %d others, want %s and none", errors, others, args[1])
	}
}

func errorLines(ts *testscript.TestScript) (errors, others int) {
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("standard output is %q, want none", out)
	}
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile("stderr"), "\n"), "\n")
	for _, line := range lines {
		if strings.HasPrefix(line, "mend: ") {
			errors++
		} else {
			others++
		}
	}
	if !strings.HasPrefix(lines[len(lines)-1], "mend: ") {
		ts.Fatalf("the last line of the standard error is no error")
	}
	return errors, others
}

// cmdJSON: json FILE PATH... wants FILE, which may be stdout, to hold one JSON
// object and all of those paths in it: keys and indexes joined by dots, * for
// each of at least one. PATH:TYPE wants the type, PATH=VALUE the value.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: json FILE PATH...")
	}
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	var doc map[string]any
	if err := d.Decode(&doc); err != nil {
		ts.Fatalf("%s: %v", args[0], err)
	}
	if d.More() {
		ts.Fatalf("%s: more than one JSON value", args[0])
	}
	for _, arg := range args[1:] {
		path, want, isValue := strings.Cut(arg, "=")
		kind := ""
		if !isValue {
			path, kind, _ = strings.Cut(arg, ":")
		}
		if err := checkJSON(doc, strings.Split(path, "."), func(v any) error {
			switch {
			case isValue && fmt.Sprint(v) != want:
				return fmt.Errorf("is %v, want %s", v, want)
			case kind != "" && !slices.Contains(strings.Split(kind, "|"), kindOf(v)):
				return fmt.Errorf("is a %s, want %s", kindOf(v), kind)
			}
			return nil
		}); err != nil {
			ts.Fatalf("%s: %s %v", args[0], arg, err)
		}
	}
}

func checkJSON(v any, path []string, check func(any) error) error {
	if len(path) == 0 {
		return check(v)
	}
	var values []any
	switch v := v.(type) {
	case map[string]any:
		for key, x := range v {
			if path[0] == "*" || path[0] == key {
				values = append(values, x)
			}
		}
	case []any:
		for i, x := range v {
			if path[0] == "*" || path[0] == fmt.Sprint(i) {
				values = append(values, x)
			}
		}
	}
	if len(values) == 0 {
		return fmt.Errorf("has no %q", path[0])
	}
	for _, x := range values {
		if err := checkJSON(x, path[1:], check); err != nil {
			return err
		}
	}
	return nil
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "bool"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

// cmdAwait: await PATTERN waits for a file of that name.
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await PATTERN")
	}
	for began := time.Now(); time.Since(began) < 20*time.Second; time.Sleep(time.Millisecond) {
		if found, _ := filepath.Glob(ts.MkAbs(args[0])); len(found) > 0 {
			return
		}
	}
	ts.Fatalf("no %s after 20 s", args[0])
}

// cmdFlip: flip FILE BYTE flips the lowest bit of a byte, from the end where
// BYTE is negative.
func cmdFlip(ts *testscript.TestScript, neg bool, args []string) {
	edit(ts, args, func(b []byte, at int) []byte {
		if at < 0 {
			at += len(b)
		}
		b[at] ^= 1
		return b
	})
}

// cmdCut: cut FILE N keeps the first N bytes, or drops the last -N.
func cmdCut(ts *testscript.TestScript, neg bool, args []string) {
	edit(ts, args, func(b []byte, n int) []byte {
		if n < 0 {
			n += len(b)
		}
		return b[:n]
	})
}

func edit(ts *testscript.TestScript, args []string, change func(b []byte, n int) []byte) {
	if len(args) != 2 {
		ts.Fatalf("want FILE NUMBER")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), change(b, n), 0o666))
}

// cmdForge: forge POLICY OUT CHANGE writes a policy file that Save would never
// write, with every checksum right.
func cmdForge(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: forge POLICY OUT CHANGE")
	}
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	b, err = forge(b, args[2])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o666))
}

// cmdDecide: decide POLICY [ACTION...] asks for a decision where every feature
// is at its offset and those actions are legal, and prints it.
func cmdDecide(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 1 {
		ts.Fatalf("usage: decide POLICY [ACTION...]")
	}
	a, err := policy.Load(ts.MkAbs(args[0]))
	ts.Check(err)
	raw := make(map[string]float64)
	for _, f := range a.Features {
		raw[f.Name] = float64(f.Offset)
	}
	action, err := a.Policy().DecideNamed(raw, append([]string{}, args[1:]...))
	if neg {
		if err == nil {
			ts.Fatalf("it decided %q, want an error", action)
		}
		fmt.Fprintln(ts.Stderr(), err)
		return
	}
	ts.Check(err)
	fmt.Fprintln(ts.Stdout(), action)
}

// cmdSameWeights: sameweights POLICY POLICY compares networks, with what stands
// before them.
func cmdSameWeights(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: sameweights POLICY POLICY")
	}
	same, err := sameWeights(ts.MkAbs(args[0]), ts.MkAbs(args[1]))
	ts.Check(err)
	if same == neg {
		ts.Fatalf("same weights: %v", same)
	}
}

func sameWeights(a, b string) (bool, error) {
	var nets [2][]byte
	for i, path := range []string{a, b} {
		p, err := policy.Load(path)
		if err != nil {
			return false, err
		}
		var buf bytes.Buffer
		if n := p.Net.Input; n != nil {
			fmt.Fprintf(&buf, "%b %b %b\n", n.Mean, n.Scale, n.Clip)
		}
		for _, l := range p.Net.Layers {
			fmt.Fprintf(&buf, "%d %d %v %b %b\n", l.In, l.Out, l.Activation, l.W, l.B)
		}
		nets[i] = buf.Bytes()
	}
	return bytes.Equal(nets[0], nets[1]), nil
}

// cmdLarger: larger A B N wants file A to have more than N bytes more than B.
func cmdLarger(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: larger A B N")
	}
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	a, b := len(ts.ReadFile(args[0])), len(ts.ReadFile(args[1]))
	if (a > b+n) == neg {
		ts.Fatalf("%s has %d bytes, %s %d", args[0], a, args[1], b)
	}
}
