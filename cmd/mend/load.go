package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"mend/configs"
)

// overrides are the flags that change a configuration, the same for every
// command that reads one.
type overrides struct {
	file  string
	set   []string
	flags []*flagOverride
}

// flagOverride is a flag that stands for one key.
type flagOverride struct{ flag, path, value string }

func (o *overrides) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&o.file, "config", "c", "", "configuration `FILE`")
	f.StringArrayVar(&o.set, "set", nil, "override one key of the configuration, `KEY=VALUE`, as often as wanted")
	o.flag(cmd, "env", "env.id", "world, an `ID` of mend env list")
	o.flag(cmd, "trace", "env.trace.file", "failure trace to replay, a `FILE`")
}

// flag binds a flag that stands for a key.
func (o *overrides) flag(cmd *cobra.Command, name, path, help string) {
	f := &flagOverride{flag: name, path: path}
	o.flags = append(o.flags, f)
	cmd.Flags().StringVar(&f.value, name, "", help)
}

// read reads the configuration: the file, if any, then the flags, over the
// defaults of the world.
func (o *overrides) read() (*configs.Run, error) {
	name, data := "", []byte(nil)
	if o.file != "" {
		var err error
		if data, err = os.ReadFile(o.file); err != nil {
			return nil, missing(err)
		}
		name = o.file
	}
	return o.readData(name, data)
}

func (o *overrides) readData(name string, data []byte) (*configs.Run, error) {
	s, err := configs.Parse(name, data)
	if err != nil {
		return nil, usage(err)
	}
	for _, f := range o.flags {
		if f.value == "" {
			continue
		}
		if err := s.Override(fmt.Sprintf("--%s %s", f.flag, f.value), f.path, f.value); err != nil {
			return nil, usage(err)
		}
	}
	for _, assignment := range o.set {
		if err := s.Set(assignment); err != nil {
			return nil, usage(err)
		}
	}
	r, err := configs.Read(s, ids())
	return r, usage(err)
}

// missing makes a file that is not there a mistake of the command line.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return usage(err)
	}
	return err
}
