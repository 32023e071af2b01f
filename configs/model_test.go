package configs

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"mend/env/mdp"
	"mend/eval/exact"
)

// small is a model whose mistakes are made below.
const small = `step: 1h
start: up
actions: [wait, fix]
features:
  - {name: load, scale: 2}
states:
  - name: up
    features: {load: 1}
    actions:
      - name: wait
        transitions: [{to: up, p: 0.9}, {to: down, p: 0.1}]
  - name: down
    features: {load: 0}
    unavailable: true
    actions:
      - name: wait
        cost: 3
        transitions:
          - {to: down, p: 1}
      - name: fix
        transitions:
          - {to: up, p: 0.5, cost: 7, lost: 1}
          - {to: down, p: 0.5}
policies:
  - name: lazy
    actions: {up: wait, down: wait}
guards:
  - {name: idle, feature: load, actions: [fix], max: 0}
`

// change replaces parts of small, each of which is there once: old, new, ….
func change(t *testing.T, parts ...string) string {
	t.Helper()
	text := small
	for i := 0; i < len(parts); i += 2 {
		if strings.Count(text, parts[i]) != 1 {
			t.Fatalf("%q is there %d times", parts[i], strings.Count(text, parts[i]))
		}
		text = strings.Replace(text, parts[i], parts[i+1], 1)
	}
	return text
}

func TestReadModel(t *testing.T) {
	m, err := ReadModel("m.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if m.ID != "MDP-v0" || m.StepHours != 1 || m.Start != 0 || m.States != 2 || m.Pairs() != 3 || m.Label(1) != "down" {
		t.Errorf("read as %+v", m)
	}
	// Load 1 of scale 2 is no flag, so each state has one.
	if got, want := fmt.Sprint(m.Features), "[{load 1 0 2} {state_up 1 0 1} {state_down 1 0 1}]"; got != want {
		t.Errorf("features %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(m.Obs), "[0.5 1 0 0 0 1]"; got != want {
		t.Errorf("observations %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(m.PairOf, m.Cost, m.Down), "[0 -1 1 2] [0 3 0] [false true true]"; got != want {
		t.Errorf("pairs %s, want %s", got, want)
	}
	if got, want := m.Expected(2), 0.5*7; got != want {
		t.Errorf("down and fix cost %v, want %v", got, want)
	}
	if p := m.Policies[0]; p.Name != "lazy" || fmt.Sprint(p.Policy) != "[0 0]" {
		t.Errorf("policy %+v", p)
	}
	if g := m.Guards[0]; !math.IsInf(float64(g.Min), -1) || g.Max != 0 {
		t.Errorf("guard %+v", g)
	}
}

// Where the features of a file are flags that tell the states apart, or where it
// has none, there are no others, or a flag for each state.
func TestReadModelFlags(t *testing.T) {
	for _, x := range []struct{ text, want string }{
		{change(t, "name: load, scale: 2", "name: load, offset: -2, scale: 3"), "[{load 1 -2 3} {state_up 1 0 1} {state_down 1 0 1}]"}, // 1 and 2/3
		{change(t, "name: load, scale: 2", "name: load, unit: TB"), "[{load TB 0 1}]"},
		{change(t, "features:\n  - {name: load, scale: 2}\n", "", "    features: {load: 1}\n", "", "    features: {load: 0}\n", "", "feature: load", "feature: state_down"), "[{state_up 1 0 1} {state_down 1 0 1}]"},
	} {
		m, err := ReadModel("m.yaml", []byte(x.text))
		if err != nil {
			t.Errorf("%v in\n%s", err, x.text)
			continue
		}
		if got := fmt.Sprint(m.Features); got != x.want {
			t.Errorf("features %s, want %s", got, x.want)
		}
	}
}

func TestReadModelRefuses(t *testing.T) {
	const up, down = "{to: up, p: 0.9}", "{to: down, p: 0.1}"
	for _, x := range []struct {
		parts []string
		want  string // all lines
	}{
		// Of the file as a whole.
		{[]string{"step: 1h\n", ""}, "m.yaml: step is missing or 0, want how long a step lasts, from 1ms to 8766h0m0s"},
		{[]string{"step: 1h", "step: -1h"}, "m.yaml:1:7: step is -1h0m0s, want how long a step lasts, from 1ms to 8766h0m0s"},
		{[]string{"step: 1h", "step: 1"}, "m.yaml:1:7: step is 1, want a unit: a duration such as 10m or 630s"},
		{[]string{"start: up\n", ""}, "m.yaml: start is missing, want the name of a state"},
		{[]string{"start: up", "start: upp"}, `m.yaml:2:8: start is an unknown state "upp", did you mean "up"?`},
		{[]string{"start: up", "start: dowm"}, `m.yaml:2:8: start is an unknown state "dowm", did you mean "down"?`},
		{[]string{"[wait, fix]\nf", "[]\nf"}, "m.yaml:3:10: actions is missing or empty, want at least one"},
		{[]string{"[wait, fix]\nf", "[wait, fix, fix]\nf"}, `m.yaml:3:22: actions[2] is "fix" again, want each action once`},
		{[]string{"[wait, fix]\nf", "[wait, fix, drop]\nf"}, `m.yaml:3:22: actions[2] is "drop", which no state has, want it in one, or not listed`},
		{[]string{"[wait, fix]\nf", "[wait, fix, a b]\nf"}, "m.yaml:3:22: actions[2] is \"a b\", want a name of up to 64 letters, digits, _, + and -\n" +
			`m.yaml:3:22: actions[2] is "a b", which no state has, want it in one, or not listed`},
		{[]string{"sta" + "tes:", "sates:"}, "m.yaml:6:1: unknown key sates, did you mean states?"},

		// Of features.
		{[]string{"scale: 2", "scale: 0"}, "m.yaml:5:25: features[load].scale is 0, want a finite number other than 0"},
		{[]string{"scale: 2", "scale: .inf"}, "m.yaml:5:25: features[load].scale is .inf, want a finite number"},
		{[]string{"{name: load, scale: 2}", "{scale: 2}"}, "m.yaml:5:5: features[0].name is missing, want a name\n" +
			"m.yaml:8:16: states[up].features.load is an unknown feature \"load\", want one of those that the file lists, which are none\n" +
			"m.yaml:13:16: states[down].features.load is an unknown feature \"load\", want one of those that the file lists, which are none\n" +
			"m.yaml:28:27: guards[idle].feature is an unknown feature \"load\", want one of those that the file lists, which are none"},
		{[]string{"{load: 1}", "{}"}, "m.yaml:8:15: states[up].features lack load, want every feature"},
		{[]string{"    features: {load: 1}\n", ""}, "m.yaml:7:5: states[up].features lack load, want every feature"},
		{[]string{"{load: 1}", "{load: 1, laod: 2}"}, `m.yaml:8:25: states[up].features.laod is an unknown feature "laod", did you mean "load"?`},
		{[]string{"{load: 1}", "{load: 1, load: 2}"}, "m.yaml:8:25: states[up].features.load is given twice, first on line 8"},
		{[]string{"{load: 1}", "{load: 3e38}", "scale: 2", "scale: 1e-3"}, "m.yaml:8:22: states[up].features.load is 3e+38, observed as +Inf, want a finite number"},
		{[]string{"{load: 1}", "{load: -0.0}"}, "m.yaml:13:15: states[down].features are those of state up, want features that tell all states apart, or none at all"},
		{[]string{"name: load", "name: state_up", "{load: 1}", "{state_up: 1}", "{load: 0}", "{state_up: 0}", "feature: load", "feature: state_up"},
			`m.yaml:5:12: features[state_up].name is "state_up", as is the flag that is added for that state, want another name`},

		// Of states and actions.
		{[]string{"- name: down", "- name: up"}, `m.yaml:11:46: states[up].actions[wait].transitions[1].to is an unknown state "down", want one of up` + "\n" +
			`m.yaml:12:11: states[up].name is "up" again, want each state once` + "\n" +
			`m.yaml:19:18: states[up].actions[wait].transitions[0].to is an unknown state "down", want one of up` + "\n" +
			`m.yaml:23:18: states[up].actions[fix].transitions[1].to is an unknown state "down", want one of up` + "\n" +
			`m.yaml:26:25: policies[lazy].actions.down is an unknown state "down", want one of up`},
		{[]string{"- name: fix", "- name: fxi"}, `m.yaml:3:17: actions[1] is "fix", which no state has, want it in one, or not listed` + "\n" +
			`m.yaml:20:15: states[down].actions[fxi].name is an unknown action "fxi", want one of wait, fix`},
		{[]string{"- name: fix", "- name: wait"}, `m.yaml:3:17: actions[1] is "fix", which no state has, want it in one, or not listed` + "\n" +
			`m.yaml:20:15: states[down].actions[wait].name is "wait" again, want each action once`},
		{[]string{"- name: fix\n        tr", "- tr"}, `m.yaml:3:17: actions[1] is "fix", which no state has, want it in one, or not listed` + "\n" +
			`m.yaml:20:9: states[down].actions[1].name is missing, want the name of an action`},
		{[]string{"      - name: wait\n        transitions: [" + up + ", " + down + "]\n", "      []\n", "guards:\n  - {name: idle, feature: load, actions: [fix], max: 0}\n", "", "{up: wait, down: wait}", "{down: fix}"},
			"m.yaml:10:7: states[up].actions is missing or empty, want at least one legal action\n" +
				"m.yaml:25:14: policies[lazy].actions lack up, want an action for every state"},
		{[]string{"cost: 3", "cost: .nan"}, "m.yaml:17:15: states[down].actions[wait].cost is .nan, want a finite number"},
		{[]string{"cost: 3", "cost: much"}, "m.yaml:17:15: states[down].actions[wait].cost is a string, want a number"},
		{[]string{"cost: 3", "cost: 1e13"}, "m.yaml:17:15: states[down].actions[wait].cost is 1e+13, want a finite number of $, at most 1e+12 either way"},
		{[]string{"cost: 3", "price: 3"}, "m.yaml:17:9: unknown key states[down].actions[wait].price, want one of name, cost, transitions"},

		// Of transitions.
		{[]string{up, "{to: up, p: 0.8}"}, "m.yaml:11:22: states[up].actions[wait].transitions add up to 0.9, want 1 within 1e-10"},
		{[]string{up, "{to: up, p: 0.9000000002}"}, "m.yaml:11:22: states[up].actions[wait].transitions add up to 1.0000000002, want 1 within 1e-10"},
		{[]string{up, "{to: up, p: 1.1}"}, "m.yaml:11:35: states[up].actions[wait].transitions[0].p is 1.1, want a probability, 0 to 1"},
		{[]string{up, "{to: up, p: -1}"}, "m.yaml:11:35: states[up].actions[wait].transitions[0].p is -1, want a probability, 0 to 1"},
		{[]string{up, "{to: up, p: .nan}"}, "m.yaml:11:35: states[up].actions[wait].transitions[0].p is .nan, want a finite number"},
		{[]string{up, "{to: up}"}, "m.yaml:11:23: states[up].actions[wait].transitions[0].p is missing, want a probability"},
		{[]string{up, "{to: upp, p: 0.9}"}, `m.yaml:11:28: states[up].actions[wait].transitions[0].to is an unknown state "upp", did you mean "up"?`},
		{[]string{up, "{p: 0.9}"}, "m.yaml:11:23: states[up].actions[wait].transitions[0].to is missing, want the name of a state"},
		{[]string{up, "{to: up, p: 0.8}, {to: up, p: 0.1}"}, `m.yaml:11:46: states[up].actions[wait].transitions[1].to is "up" again, at the same cost and loss, want one transition of their sum`},
		{[]string{"[" + up + ", " + down + "]", "[]"}, "m.yaml:11:22: states[up].actions[wait].transitions is missing or empty, want where the action leads"},
		{[]string{"lost: 1", "lost: 256"}, "m.yaml:22:45: states[down].actions[fix].transitions[0].lost is 256, want 0 to 255 shards"},
		{[]string{"cost: 7", "cost: -.inf"}, "m.yaml:22:36: states[down].actions[fix].transitions[0].cost is -.inf, want a finite number"},

		// Of the graph.
		{[]string{down, "{to: up, p: 0.1, lost: 2}"}, "m.yaml:12:5: states[down] cannot be reached from up, the start, want every state reachable"},
		{[]string{"  - name: down\n", "  - name: gone\n    features: {load: 9}\n    actions: [{name: wait, transitions: [{to: gone, p: 1}]}]\n  - name: down\n",
			down, "{to: down, p: 0.05}, {to: gone, p: 0.05}", "{to: up, p: 0.5, cost: 7, lost: 1}", "{to: down, p: 0.5, cost: 2}", "{up: wait,", "{up: wait, gone: wait,"},
			"m.yaml:15:5: states[down] and gone are in different classes of states that no action leaves, 2 in all: want one, or there is no single average cost (not unichain)"},

		// Of policies and guards.
		{[]string{"{up: wait, down: wait}", "{up: fix, down: wiat}"}, `m.yaml:26:19: policies[lazy].actions.up is "fix", which is not legal there, want wait` + "\n" +
			`m.yaml:26:30: policies[lazy].actions.down is an unknown action "wiat", did you mean "wait"?`},
		{[]string{"{up: wait, down: wait}", "{up: wait}"}, "m.yaml:26:14: policies[lazy].actions lack down, want an action for every state"},
		{[]string{"{up: wait, down: wait}", "{up: wait, down: wait, dowm: fix}"}, `m.yaml:26:37: policies[lazy].actions.dowm is an unknown state "dowm", did you mean "down"?`},
		{[]string{"{up: wait, down: wait}", "{up: wait, down: wait, 'a.b': fix}"}, `m.yaml:26:14: policies[lazy].actions is an unknown state "a.b", want one of up, down`},
		{[]string{"{up: wait, down: wait}", "{}"}, "m.yaml:26:14: policies[lazy].actions lack up, down, want an action for every state"},
		{[]string{"name: lazy", "name: all"}, `m.yaml:25:11: policies[all].name is "all", want another name than all, none, optimal`},
		{[]string{"name: lazy", "summary: \"a\\nb\""}, "m.yaml:25:5: policies[0].name is missing, want a name\n" +
			"m.yaml:25:14: policies[0].summary has several lines, want one"},
		{[]string{"policies:\n", "policies:\n  - {name: lazy, actions: {up: wait, down: fix}}\n"}, `m.yaml:26:11: policies[lazy].name is "lazy" again, want each policy once`},
		{[]string{"feature: load", "feature: laod"}, `m.yaml:28:27: guards[idle].feature is an unknown feature "laod", did you mean "load"?`},
		{[]string{"actions: [fix], max: 0", "actions: [fix, wait, fix], max: 0"}, `m.yaml:28:48: guards[idle].actions[1] is "wait", the first of all actions, which no guard may forbid` + "\n" +
			`m.yaml:28:54: guards[idle].actions[2] is "fix" again, want each action once`},
		{[]string{"actions: [fix], max: 0", "actions: [], max: 0"}, "m.yaml:28:42: guards[idle].actions is missing or empty, want the actions to forbid"},
		{[]string{"max: 0}", "min: 2, max: 0}"}, "m.yaml:28:62: guards[idle].max is 0, want at least min, 2"},
		{[]string{", max: 0}", "}"}, "m.yaml:28:5: guards[idle] has neither min nor max, want at least one of them"},
		{[]string{"max: 0}", "max: 0}\n  - {name: idle, feature: load, actions: [fix], max: 0}"}, `m.yaml:29:12: guards[idle].name is "idle" again, want each guard once`},
		{[]string{"[wait, fix]\nf", "[fix, wait]\nf", "actions: [fix], max", "actions: [wait], max"}, "m.yaml:10:7: states[up].actions lack fix, the first of all actions, which guards fall back on"},

		// Several at once.
		{[]string{"start: up", "start: dowm", up, "{to: up, p: 0.8}", "lost: 1", "lost: -1", "{up: wait, down: wait}", "{down: fix}"}, `m.yaml:2:8: start is an unknown state "dowm", did you mean "down"?` + "\n" +
			"m.yaml:11:22: states[up].actions[wait].transitions add up to 0.9, want 1 within 1e-10\n" +
			"m.yaml:22:45: states[down].actions[fix].transitions[0].lost is -1, want 0 to 255 shards\n" +
			"m.yaml:26:14: policies[lazy].actions lack up, want an action for every state"},
	} {
		text := change(t, x.parts...)
		_, err := ReadModel("m.yaml", []byte(text))
		if err == nil {
			t.Errorf("%q: accepted, want %s", x.parts, x.want)
			continue
		}
		var list Errors
		if err.Error() != x.want || !errors.As(err, &list) {
			t.Errorf("%q:\n got %s\nwant %s", x.parts, err, x.want)
		}
	}
}

// Sizes are refused before anything is made of them, and of many complaints only
// the first are told.
func TestReadModelBounds(t *testing.T) {
	list := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for _, x := range []struct{ name, text, want string }{
		{"states", change(t, "policies:\n", list(20_000, "  - {name: s%d}\n")+"policies:\n"), "m.yaml:7:3: states has 20002 elements, want at most 20000"},
		{"actions", change(t, "[wait, fix]\nf", "[wait, fix, "+list(1023, "a%d, ")+"]\nf"), "m.yaml:3:10: actions has 1025 elements, want at most 1024"},
		{"pairs", change(t, "[wait, fix]\nf", "[wait, fix, "+list(1000, "a%d, ")+"]\nf", "policies:\n", list(1100, "  - {name: s%d}\n")+"policies:\n"),
			"m.yaml:7:3: states and actions are 1104204 pairs, want at most 1048576"},
		{"observed", change(t, "features:\n", "features:\n"+list(1000, "  - {name: f%d}\n"), "policies:\n", list(5000, "  - {name: s%d}\n")+"policies:\n"),
			"m.yaml:1007:3: states and features are 5007002 values, want at most 4194304"},
		{"transitions", change(t, "[{to: up, p: 0.9}, {to: down, p: 0.1}]", "&x ["+strings.Repeat("{}, ", 100_000)+"]", "\n          - {to: down, p: 1}\n", " *x\n"),
			"m.yaml:7:3: states have 200002 transitions, want at most 200000"},
		{"policies", change(t, "policies:\n", "policies:\n"+list(1000, "  - {name: p%d}\n")), "m.yaml:25:3: policies has 1001 elements, want at most 1000"},
		{"guards", change(t, "guards:\n", "guards:\n"+list(1000, "  - {name: p%d}\n")), "m.yaml:28:3: guards has 1001 elements, want at most 1000"},
		{"bytes", small + strings.Repeat("#", 16<<20), "m.yaml: 16777831 bytes, want at most 16777216"},
		{"values", small + "x: [" + strings.Repeat("0,", 1_000_000) + "]\n", "m.yaml:29:1999787: more than 1000000 values, aliases included"},
		{"marks", small + "x: [" + strings.Repeat("0,", 2_000_000) + "]\n", "m.yaml: 2000103 lines, commas, colons and opening brackets, want at most 2000000"},
	} {
		_, err := ReadModel("m.yaml", []byte(x.text))
		if err == nil || !strings.HasPrefix(err.Error(), x.want) {
			t.Errorf("%s: %.200v, want %s", x.name, err, x.want)
		}
	}
	for name, text := range map[string]string{
		"decoding": change(t, "policies:\n", list(30, "  - {name: s%d, price: 3}\n")+"policies:\n"),
		"checking": change(t, "policies:\n", list(28, "  - {name: s%d}\n")+"policies:\n"),
	} {
		_, err := ReadModel("m.yaml", []byte(text))
		lines := strings.Split(fmt.Sprint(err), "\n")
		if len(lines) != 21 || !strings.HasPrefix(lines[20], "m.yaml: and ") || !strings.HasSuffix(lines[20], " more complaints") {
			t.Errorf("%s: %d lines, the last %s", name, len(lines), lines[len(lines)-1])
		}
	}
	// A name that is no name is not quoted in full, nor are all that it could be.
	_, err := ReadModel("m.yaml", []byte(change(t, "start: up", "start: "+strings.Repeat("x", 1<<20), "policies:\n", list(30, "  - {name: s%d}\n")+"policies:\n")))
	if first, _, _ := strings.Cut(fmt.Sprint(err), "\n"); len(first) > 200 || !strings.HasSuffix(first, ", s6, s7, … (32 in all)") {
		t.Errorf("%.300s", first)
	}
	// States that need flags of their own are fewer: n² values of the observations.
	many := "step: 1h\nstart: s0\nactions: [go]\nstates:\n" + list(2049, "- {name: s%d, actions: [{name: go, transitions: [{to: s0, p: 1}]}]}\n")
	_, err = ReadModel("m.yaml", []byte(many))
	if want := "m.yaml:5:1: states are 2049, and features that are 0 or 1 do not tell them apart, which takes a flag for each state: 4198401 values, want at most 4194304"; !strings.HasPrefix(fmt.Sprint(err), want) {
		t.Errorf("%.300v, want %s", err, want)
	}
}

func example(t testing.TB) []byte {
	data, err := os.ReadFile("mdp/two-copies.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The example, by hand. Let b, o and n be the shares of time in both, one and
// none. What enters a state leaves it: with u the probability that a copy comes
// back to one, and v to none,
//
//	n·(v + 0.01) = 0.02·o
//	0.02·b = u·o + 0.01·n
//
// Waiting has u = 0.1 and v = 0.09, repairing u = 0.5 and v = 0.49. In terms of
// o = 1, a repair in none makes n = 0.02/0.5 = 0.04, no repair n = 0.02/0.1 = 0.2.
// A step in none costs 100 or, with a repair, 140, and 0.01·1000 for the loss:
//
//	one     none    n     b                            cost                   $/h
//	wait    repair  0.04  (0.1+0.0004)/0.02 =  5.02    1+0.04·150 = 7         7/6.06    =  1.15511551
//	repair  repair  0.04  (0.5+0.0004)/0.02 = 25.02   41+0.04·150 = 47       47/26.06  =  1.80353031
//	wait    wait    0.2   (0.1+0.002)/0.02  =  5.1     1+0.2·110  = 23       23/6.3    =  3.65079365
//	repair  wait    0.2   (0.5+0.002)/0.02  = 25.1    41+0.2·110  = 63       63/26.3   =  2.39543726
func TestExample(t *testing.T) {
	m, err := ReadModel("two-copies.yaml", example(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	best, err := exact.Optimum(ctx, m, exact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("%s is %.10f, want %.10f", what, got, want)
		}
	}
	near("the optimum", best.Gain, 350.0/303)
	const wait, repair = 0, 1
	if got := fmt.Sprint(best.Policy); got != fmt.Sprint(mdp.Policy{wait, wait, repair}) {
		t.Errorf("the best policy is %s", got)
	}
	for _, x := range []struct {
		policy mdp.Policy
		want   float64
	}{
		{mdp.Policy{wait, wait, repair}, 7 / 6.06}, {mdp.Policy{wait, repair, repair}, 47 / 26.06},
		{mdp.Policy{wait, wait, wait}, 23 / 6.3}, {mdp.Policy{wait, repair, wait}, 63 / 26.3},
	} {
		e, err := exact.Evaluate(ctx, m, x.policy, exact.Options{})
		if err != nil {
			t.Fatal(err)
		}
		near(fmt.Sprint(x.policy), e.Gain, x.want)
	}
	eager, err := m.Named("eager")
	if err != nil || fmt.Sprint(eager.Policy) != fmt.Sprint(mdp.Policy{wait, repair, repair}) {
		t.Errorf("eager is %v, %v", eager, err)
	}

	// Guarded, repair is forbidden while a copy can be read, and the network of
	// the best policy acts by it.
	c := mdp.DefaultConfig()
	c.Guard = true
	w, err := mdp.New(m, c)
	if err != nil {
		t.Fatal(err)
	}
	guarded, err := exact.Optimum(ctx, m, exact.Options{Legal: w.Legal})
	if err != nil {
		t.Fatal(err)
	}
	near("the guarded optimum", guarded.Gain, 350.0/303)
	if w.Legal(1, repair) || !w.Legal(2, repair) {
		t.Error("the guard is not obeyed")
	}
	if _, err := exact.Net(w, guarded.Policy); err != nil {
		t.Error(err)
	}
}

// fileOf writes a model as a file, its states named by number.
func fileOf(m *mdp.Model) *mdp.File {
	state := func(s int) string { return fmt.Sprint("s", s) }
	f := &mdp.File{Step: time.Duration(math.Round(m.StepHours * float64(time.Hour))), Start: state(m.Start), Actions: m.Actions}
	for _, x := range m.Features {
		f.Features = append(f.Features, mdp.FileFeature{Name: x.Name, Unit: x.Unit, Offset: x.Offset, Scale: &x.Scale})
	}
	for s := range m.States {
		x := mdp.FileState{Name: state(s), Features: map[string]float32{}}
		for i, o := range m.ObsRow(s) {
			x.Features[m.Features[i].Name] = float32(math.Round(float64(m.Features[i].Raw(o)))) // whole numbers all
		}
		for a, name := range m.Actions {
			p := m.Pair(s, a)
			if p < 0 {
				continue
			}
			x.Unavailable = m.Down[p] // of a state in all models that are written here
			y := mdp.FileAction{Name: name, Cost: m.Cost[p]}
			m.Rows.Each(int(m.Row[p]), func(next int, p, cost float64, lost int) {
				y.Transitions = append(y.Transitions, mdp.FileTransition{To: state(next), P: &p, Cost: cost, Lost: lost})
			})
			x.Actions = append(x.Actions, y)
		}
		f.States = append(f.States, x)
	}
	for _, p := range m.Policies {
		x := mdp.FilePolicy{Name: p.Name, Summary: p.Summary, Actions: map[string]string{}}
		for s, a := range p.Policy {
			x.Actions[state(s)] = m.Actions[a]
		}
		f.Policies = append(f.Policies, x)
	}
	for _, g := range m.Guards {
		x := mdp.FileGuard{Name: g.Name, Feature: g.Feature, Actions: g.Actions}
		if !math.IsInf(float64(g.Min), 0) {
			x.Min = &g.Min
		}
		if !math.IsInf(float64(g.Max), 0) {
			x.Max = &g.Max
		}
		f.Guards = append(f.Guards, x)
	}
	return f
}

// MDP-A written as a file is the same model: alike in all tables, and of the same
// optimum.
func TestModelRoundTrip(t *testing.T) {
	c, err := mdp.PresetA("A1")
	if err != nil {
		t.Fatal(err)
	}
	want := mdp.MDPA(c)
	text, err := Encode(fileOf(want))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadModel("a.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		what      string
		got, want any
	}{
		{"features", got.Features, want.Features}, {"actions", got.Actions, want.Actions}, {"guards", got.Guards, want.Guards},
		{"start", got.Start, want.Start}, {"step", got.StepHours, want.StepHours}, {"observations", got.Obs, want.Obs},
		{"pairs", got.PairOf, want.PairOf}, {"costs", got.Cost, want.Cost}, {"unavailable", got.Down, want.Down}, {"policies", got.Policies, want.Policies},
	} {
		if fmt.Sprint(x.got) != fmt.Sprint(x.want) {
			t.Errorf("%s differ: %.200v, want %.200v", x.what, x.got, x.want)
		}
	}
	best, err := exact.Optimum(context.Background(), got, exact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%.8f", best.Gain); text != "0.09647456" {
		t.Errorf("the optimum is %s, want 0.09647456", text)
	}
}

// What a world is depends on what the file says, not on its name or layout.
func TestModelDigest(t *testing.T) {
	digest := func(name, text string) string {
		t.Helper()
		m, err := ReadModel(name, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		c := mdp.DefaultConfig()
		c.File = name
		w, err := mdp.New(m, c)
		if err != nil {
			t.Fatal(err)
		}
		return w.Spec().Digest
	}
	want := digest("m.yaml", small)
	if got := digest("n.yaml", "# the same\n"+change(t, "{load: 1}", "{ load: 1.0 }", "cost: 3", "cost: 3 # $")); got != want {
		t.Errorf("the same content has digests %s and %s", got, want)
	}
	for _, parts := range [][]string{
		{"step: 1h", "step: 2h"}, {"start: up", "start: down"}, {"scale: 2", "scale: 3"}, {"cost: 3", "cost: 4"}, {"cost: 7", "cost: 8"}, {"lost: 1", "lost: 2"},
		{"p: 0.9}", "p: 0.8}", "p: 0.1}", "p: 0.2}"}, {"    unavailable: true\n", ""}, {"max: 0", "max: 1"}, {"down: wait}", "down: fix}"},
	} {
		if digest("m.yaml", change(t, parts...)) == want {
			t.Errorf("%q has the same digest", parts)
		}
	}
}

// No file makes the reader panic, and what it accepts is a model that passes
// Check, and makes a world with guards and without.
func FuzzReadModel(f *testing.F) {
	f.Add([]byte(small))
	f.Add(example(f))
	f.Add([]byte("step: 1ms\nstart: a\nactions: [b]\nstates: [{name: a, actions: [{name: b, cost: -1e12, transitions: [{to: a, p: 1, lost: 255}]}]}]\n"))
	f.Add([]byte("step: 1h\nstart: 1\nactions: [b, c]\nstates:\n- &s {name: 1, actions: [&a {name: b, transitions: [{to: 1, p: 0.99999999995}]}]}\n- *s\nguards: [{}]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ReadModel("m.yaml", data)
		if err != nil {
			var list Errors
			if !errors.As(err, &list) || len(list) == 0 || len(list) > mostModelErrors+1 {
				t.Fatalf("complaints %v", err)
			}
			return
		}
		if err := m.Check(); err != nil {
			t.Fatal(err)
		}
		c := mdp.DefaultConfig()
		c.Hold = time.Minute // steps may be short
		for _, c.Guard = range []bool{false, true} {
			w, err := mdp.New(m, c)
			if err != nil {
				t.Fatal(err)
			}
			// Every policy can be followed, whatever the guards take away.
			for _, p := range m.Policies {
				for s, a := range exact.PolicyOf(w, mdp.NewActor(m, p.Policy)) {
					if !w.Legal(s, int(a)) {
						t.Fatalf("policy %s takes action %d in state %d", p.Name, a, s)
					}
				}
			}
		}
	})
}
