package main

import (
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"mend/configs"
	"mend/env/mdp"
)

// Every example in a help text is a command line that mend takes: the command,
// its flags and the number of its arguments, and the worlds it names exist.
// What the files that it names hold is not looked at.
func TestHelpHasWorkingExamples(t *testing.T) {
	examples := 0
	for _, c := range commands(newRoot(io.Discard, io.Discard)) {
		own := 0
		for line := range strings.SplitSeq(c.Long, "\n") {
			example, ok := strings.CutPrefix(line, "  mend ")
			if !ok {
				continue
			}
			examples++
			own++
			example, _, _ = strings.Cut(example, "   ") // a remark
			example, _, _ = strings.Cut(example, " > ") // where the output goes
			root := newRoot(io.Discard, io.Discard)
			cmd, args, err := root.Find(strings.Fields(example))
			if err == nil {
				err = cmd.ParseFlags(args)
			}
			if err == nil {
				err = cmd.ValidateArgs(cmd.Flags().Args())
			}
			if err != nil {
				t.Errorf("help of %q: %s: %v", c.CommandPath(), example, err)
			}
			for _, id := range regexp.MustCompile(`\b[A-Z][A-Za-z]+-v[0-9]\b`).FindAllString(example, -1) {
				if !slices.Contains(ids(), id) {
					t.Errorf("help of %q: %s: no world %s", c.CommandPath(), example, id)
				}
			}
		}
		if own == 0 && c.Runnable() && !c.HasSubCommands() {
			t.Errorf("help of %q has no example", c.CommandPath())
		}
	}
	if examples < 10 {
		t.Errorf("%d examples, want at least 10", examples)
	}
}

// commands are c and all below it.
func commands(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		all = append(all, commands(sub)...)
	}
	return all
}

// Every world that configs knows is registered, and every registered world has
// a default configuration that it can be made from.
func TestWorldsHaveDefaults(t *testing.T) {
	for _, s := range configs.Scenarios() {
		if !slices.Contains(ids(), s.ID) {
			t.Errorf("scenario %s is no world", s.ID)
		}
	}
	for _, id := range ids() {
		c := configs.Default(id, configs.Algos[0])
		if id == mdp.FileID {
			c.Env.MDP.File = "../../configs/mdp/two-copies.yaml"
		}
		spec, err := specOf(&c.Env)
		if err != nil {
			t.Errorf("%s: %v", id, err)
		} else if spec.ID != id {
			t.Errorf("%s makes a world called %s", id, spec.ID)
		}
	}
}
