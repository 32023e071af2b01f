package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"mend/agents/kernel"
	"mend/env"
)

// streams are where a command reads nothing from and writes to: results to
// out, progress and logs to err.
type streams struct{ out, err io.Writer }

// log returns a logger to err, without times: what matters has them.
func (s streams) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// writeJSON writes one object, indented.
func (s streams) writeJSON(v any) error {
	e := json.NewEncoder(s.out)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	s := streams{stdout, stderr}
	root := &cobra.Command{
		Use:   "mend",
		Short: "Learn when to repair: policies for replication and recovery in storage clusters",
		Long: `mend trains reinforcement-learning policies for replication and recovery in
replicated storage clusters, measures them against the static rules of
well-known systems on the same failures, and exports them.

  mend train -c configs/quickstart.yaml     train, evaluate, export, report
  mend eval RUN                             evaluate again, on other worlds
  mend env list                             the worlds
  mend config init --env RackBursts-v0      a configuration to start from`,
		Version:       versionLine(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          nothing,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := kernel.Err(); err != nil {
				return usage(err)
			}
			return refuseEmpty(cmd)
		},
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(newHelp())
	root.SetVersionTemplate("{{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		newTrain(s), newEval(s), newSolve(s), newExport(s), newInspect(s), newEnv(s), newConfig(s), newBench(s), newVersion(s),
		&cobra.Command{
			Use:   "exit-codes",
			Short: "What the exit codes mean",
			Long: `Exit codes of mend:

  0    done
  1    failed at run time: a file cannot be written, or what it holds is damaged
  2    the command line, a configuration or MEND_KERNEL is wrong, or names a file
       that is not there
  3    a check that was asked for failed (mend env check)
  130  stopped by Ctrl-C, 143 by SIGTERM; training has then written a checkpoint`,
		},
	)
	usageForArgs(root)
	return root
}

func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Say what a command does and how",
		Long:  "Say what a command does and how.\n\n  mend help train",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil {
				return usage(err)
			}
			if len(rest) > 0 {
				return unknownCommand(about, rest[0])
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// flagError names the flag that was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	name, ok := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !ok {
		return usage(err)
	}
	var known []string
	for _, f := range collect(cmd.Flags().VisitAll) {
		known = append(known, "--"+f.Name)
	}
	return usagef("%w (see %s --help)", env.UnknownError{What: "flag", Name: "--" + name, Known: known}, cmd.CommandPath())
}

// collect gathers what visit visits.
func collect[T any](visit func(func(T))) []T {
	var all []T
	visit(func(x T) { all = append(all, x) })
	return all
}

// refuseEmpty refuses a flag given as "", as by a variable of a shell that is
// not set, where that would pass for a flag that is not given.
func refuseEmpty(cmd *cobra.Command) error {
	for _, f := range collect(cmd.Flags().Visit) {
		if f.Value.Type() == "string" && f.Value.String() == "" {
			return usagef("--%s is empty, want a value, or no such flag", f.Name)
		}
	}
	return nil
}

// usageForArgs makes complaints about positional arguments and unknown
// commands usage errors, in the whole tree.
func usageForArgs(c *cobra.Command) {
	args := c.Args
	if args == nil {
		args = nothing
	}
	c.Args = func(cmd *cobra.Command, list []string) error {
		if cmd.HasSubCommands() && len(list) > 0 {
			return unknownCommand(cmd, list[0])
		}
		return usage(args(cmd, list))
	}
	for _, sub := range c.Commands() {
		usageForArgs(sub)
	}
}

func unknownCommand(parent *cobra.Command, name string) error {
	var known []string
	for _, c := range parent.Commands() {
		if c.IsAvailableCommand() {
			known = append(known, c.Name())
		}
	}
	if len(known) == 0 {
		return usagef("%q has no command %q", parent.CommandPath(), name)
	}
	return usagef("%w (see %s --help)", env.UnknownError{What: "command", Name: name, Known: known}, parent.CommandPath())
}

// nothing refuses arguments.
func nothing(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("argument %q for %q, want none", args[0], cmd.CommandPath())
	}
	return nil
}

// exactly is cobra.ExactArgs with a message that names what is wanted.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return fmt.Errorf("%d arguments for %q, want %s", len(args), cmd.CommandPath(), what)
		}
		return nil
	}
}
