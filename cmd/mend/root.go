package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"
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
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		newTrain(s), newEval(s), newExport(s), newInspect(s), newEnv(s), newConfig(s), newVersion(s),
		&cobra.Command{
			Use:   "exit-codes",
			Short: "What the exit codes mean",
			Long: `Exit codes of mend:

  0    done
  1    failed at run time: a file cannot be written, or what it holds is damaged
  2    the command line or a configuration is wrong, or names a file that is not there
  3    a check that was asked for failed (mend env check)
  130  stopped by Ctrl-C, 143 by SIGTERM; training has then written a checkpoint`,
		},
	)
	usageForArgs(root)
	return root
}

// usageForArgs makes complaints about positional arguments and unknown
// commands usage errors, in the whole tree.
func usageForArgs(c *cobra.Command) {
	args := c.Args
	if args == nil {
		args = cobra.NoArgs
	}
	c.Args = func(cmd *cobra.Command, list []string) error {
		if err := args(cmd, list); err != nil {
			if cmd.HasSubCommands() && len(list) > 0 {
				return usagef("unknown command %q for %q, see %s --help", list[0], cmd.CommandPath(), cmd.CommandPath())
			}
			return usage(err)
		}
		return nil
	}
	for _, sub := range c.Commands() {
		usageForArgs(sub)
	}
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
