package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

type exportOptions struct {
	out, format string
	force       bool
	streams
}

func newExport(s streams) *cobra.Command {
	o := &exportOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "export RUN|CHECKPOINT|POLICY -o FILE",
		Short: "Write the policy of a run or checkpoint to a file of its own",
		Long: `Write the policy of a run or checkpoint to a file of its own.

  mend export runs/20261120-120000-RackBursts-v0-ppo-s1-abcdef -o policy.mend
  mend export RUN/checkpoints/step-000000100000.ckpt -o early.mend`,
		Args: exactly(1, "one: a run, a checkpoint or a policy file"),
		RunE: func(_ *cobra.Command, args []string) error { return runExport(o, args[0]) },
	}
	cmd.Flags().StringVarP(&o.out, "output", "o", "", "`FILE` to write")
	cmd.Flags().StringVar(&o.format, "format", "mend", "mend")
	cmd.Flags().BoolVar(&o.force, "force", false, "replace FILE if it is there")
	return cmd
}

func runExport(o *exportOptions, path string) error {
	switch {
	case o.out == "":
		return usagef("no file to write, want -o FILE")
	case o.format != "mend":
		return usagef("format %q, want mend", o.format)
	}
	if info, err := os.Lstat(o.out); err == nil && info.IsDir() {
		return usagef("%s: is a folder, want a file to write", o.out)
	} else if err == nil && !o.force {
		return usagef("%s is there already, want another file, or --force", o.out)
	}
	s, err := openPolicy(path)
	if err != nil {
		return err
	}
	if err := s.artifact.Save(o.out); err != nil {
		return err
	}
	_, err = fmt.Fprintf(o.streams.out, "%s  digest %s\n", o.out, s.artifact.Digest())
	return err
}
