package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// flagOverride is a flag that stands for one key. The value of one that is text
// is taken as it is, that of another as YAML.
type flagOverride struct {
	flag, path, value string
	text              bool
}

// bind binds the flags of every command that reads a configuration. Those that
// take a world as an argument have no --env.
func (o *overrides) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&o.file, "config", "c", "", "configuration `FILE`")
	f.StringArrayVar(&o.set, "set", nil, "override one key of the configuration, `KEY=VALUE`, as often as wanted")
	o.flag(cmd, "trace", "env.trace.file", "trace of failures of nodes to replay in Trace-v0, a `FILE`").text = true
	o.flag(cmd, "mdp", "env.mdp.file", "finite MDP of your own, a `FILE`").text = true
}

func (o *overrides) bindEnv(cmd *cobra.Command) {
	o.flag(cmd, "env", "env.id", "world, an `ID` of mend env list").text = true
}

// flag binds a flag that stands for a key.
func (o *overrides) flag(cmd *cobra.Command, name, path, help string) *flagOverride {
	f := &flagOverride{flag: name, path: path}
	o.flags = append(o.flags, f)
	cmd.Flags().StringVar(&f.value, name, "", help)
	return f
}

// value is that of a flag, empty where it is not given.
func (o *overrides) value(flag string) string {
	for _, f := range o.flags {
		if f.flag == flag {
			return f.value
		}
	}
	return ""
}

// read reads the configuration: the file, if any, then the flags, over the
// defaults of the world.
func (o *overrides) read() (*configs.Run, error) {
	name, data := "", []byte(nil)
	if o.file != "" {
		var err error
		if data, err = readFile(o.file, "a configuration"); err != nil {
			return nil, err
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
		if id, ok := s.Lookup(f.path); ok && f.flag == "env" && id != f.value {
			// The file's other keys were written for its own world.
			return nil, usagef("--env %s with %s, whose env.id is %s: want one of them", f.value, name, id)
		}
		value := f.value
		if f.text {
			quoted, err := json.Marshal(value)
			if err != nil {
				return nil, err
			}
			value = string(quoted) // which is YAML too
		}
		if err := s.Override(fmt.Sprintf("--%s %s", f.flag, f.value), f.path, value); err != nil {
			return nil, usage(err)
		}
	}
	for _, assignment := range o.set {
		if err := s.Set(assignment); err != nil {
			return nil, usage(err)
		}
	}
	r, err := configs.Read(s, ids())
	if err != nil {
		return nil, usage(err)
	}
	if err := s.Positioned(checkWorld(r)); err != nil {
		return nil, usage(err)
	}
	return r, nil
}

// readFile reads a file that the command line names, at most 64 MiB: more than
// anybody takes who asks for one.
func readFile(path, want string) ([]byte, error) {
	if err := checkFile(path, want); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, bare(path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 64<<20))
	return data, bare(path, err)
}

// checkFile makes a file that is not there, or is a folder, a mistake of the
// command line. Want says what it should be.
func checkFile(path, want string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return usagef("%s: no such file, want %s", path, want)
	case err != nil:
		return bare(path, err)
	case info.IsDir():
		return usagef("%s: is a folder, want %s", path, want)
	}
	return nil
}

// bare is a file error that opens with the path instead of the operation.
func bare(path string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", path, p.Err)
	}
	return err
}
