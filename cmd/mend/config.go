package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mend/configs"
	"mend/env"
	"mend/env/mdp"
)

func newConfig(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Make and check configurations",
		Args:  nothing,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigInit(s), newConfigValidate(s))
	return cmd
}

func newConfigInit(s streams) *cobra.Command {
	var id, algo string
	cmd := &cobra.Command{
		Use:   "init [--env ID] [--algo ppo|dqn]",
		Short: "Write a configuration with every key at its default",
		Long: `Write a configuration with every key at its default to the standard output.

  mend config init --env RackBursts-v0 --algo ppo > mine.yaml
  mend train -c mine.yaml`,
		Args: nothing,
		RunE: func(*cobra.Command, []string) error {
			if _, err := worlds().Find(id); err != nil {
				return usage(err)
			}
			if !slices.Contains(configs.Algos, algo) {
				return usage(env.UnknownError{What: "agent", Name: algo, Known: configs.Algos})
			}
			b, err := configs.Encode(configs.Default(id, algo))
			if err != nil {
				return err
			}
			_, err = s.out.Write(b)
			return err
		},
	}
	cmd.Flags().StringVar(&id, "env", "RackBursts-v0", "world, an `ID` of mend env list")
	cmd.Flags().StringVar(&algo, "algo", configs.Algos[0], "agent: "+strings.Join(configs.Algos, ", "))
	return cmd
}

func newConfigValidate(s streams) *cobra.Command {
	o := &worldOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "validate FILE",
		Short: "Check a configuration, every key and value of it",
		Long: `Check a configuration, every key and value of it. What is wrong is printed as
file:line:col, and the exit code is 2.

  mend config validate configs/quickstart.yaml`,
		Args: exactly(1, "one: a configuration file"),
		RunE: func(_ *cobra.Command, args []string) error {
			o.file = args[0]
			c, err := o.read()
			if err != nil {
				return err
			}
			if x, ok := mdp.Find(c.Env.ID); ok && x.File && c.Env.MDP.File == "" {
				return o.describe(c, nil)
			}
			// What only building the world can tell, with its traces if it
			// names them.
			spec, err := specOf(&c.Env)
			if err == nil && c.Env.Cluster != nil && (c.Env.Trace == nil || c.Env.Trace.File != "") {
				_, err = newFactory(&c.Env)
			}
			if err != nil {
				return err
			}
			return o.describe(c, spec)
		},
	}
	cmd.Flags().StringArrayVar(&o.set, "set", nil, "override one key of the configuration, `KEY=VALUE`, as often as wanted")
	cmd.Flags().BoolVar(&o.json, "json", false, "write one JSON object")
	return cmd
}

// describe says that a configuration is in order. The spec is nil where the world
// is in a file that is not named yet.
func (o *worldOptions) describe(c *configs.Run, spec *env.Spec) error {
	if o.json {
		return o.writeJSON(struct {
			Schema string `json:"schema"` // mend.config/v1
			File   string `json:"file"`
			Env    string `json:"env"`
			Algo   string `json:"algo"`
		}{"mend.config/v1", o.file, c.Env.ID, c.Algo})
	}
	if spec == nil {
		_, err := fmt.Fprintf(o.out, "%s: ok: %s on %s, with --mdp FILE\n", o.file, c.Algo, c.Env.ID)
		return err
	}
	_, err := fmt.Fprintf(o.out, "%s: ok: %s on %s, %d features, %d actions\n", o.file, c.Algo, c.Env.ID, spec.ObsDim(), len(spec.Actions))
	return err
}
