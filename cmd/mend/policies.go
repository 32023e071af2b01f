package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mend/agents"
	"mend/checkpoints"
	"mend/checkpoints/policy"
	"mend/configs"
	"mend/env"
	"mend/env/seed"
	"mend/eval"
	"mend/train"
)

// source is a POLICY of the command line that was learned: what acts, and the
// configuration of the run that it comes from, where that is known.
type source struct {
	name     string
	artifact *policy.Artifact
	config   []byte // nil where only the artifact is left
	from     string // the file that config was read from
}

// openPolicy reads a run, a checkpoint or a policy file.
func openPolicy(path string) (*source, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return openRunPolicy(path)
	}
	if err := checkFile(path, "a run, a checkpoint or a policy file"); err != nil {
		return nil, err
	}
	switch kind, err := fileKind(path); {
	case err != nil:
		return nil, err
	case kind == "checkpoint":
		c, err := checkpoints.Read(path)
		if err != nil {
			return nil, err
		}
		return fromCheckpoint(path, path, c)
	}
	a, err := policy.Load(path)
	if err != nil {
		return nil, err
	}
	return &source{name: path, artifact: a}, nil
}

// openRunPolicy takes policy.mend of a run, or its newest checkpoint where the
// run has not ended.
func openRunPolicy(dir string) (*source, error) {
	_, data, err := openRun(dir)
	if err != nil {
		return nil, err
	}
	a, err := policy.Load(filepath.Join(dir, policyFile))
	if err == nil {
		return &source{name: dir, artifact: a, config: data, from: filepath.Join(dir, train.ConfigFile)}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	path, c, _, err := checkpoints.Latest(filepath.Join(dir, train.CheckpointsFolder))
	if err != nil {
		return nil, err
	}
	return fromCheckpoint(dir, path, c)
}

// fromCheckpoint takes the policy out of the agent's state.
func fromCheckpoint(name, path string, c *checkpoints.Checkpoint) (*source, error) {
	r, err := (&overrides{}).readData(path, c.Meta.Config)
	if err != nil {
		return nil, fmt.Errorf("%s: its configuration: %w", path, err)
	}
	spec, err := specOf(&r.Env)
	if err != nil {
		return nil, err
	}
	agent, _, err := newAgent(r, spec, seed.Seed(0))
	if err != nil {
		return nil, err
	}
	if err := train.RestoreAgent(c, agent); err != nil {
		return nil, err
	}
	return &source{
		name: name, artifact: newArtifact(r, spec, agent.Actor(), c.Meta, runOf(path)),
		config: c.Meta.Config, from: path,
	}, nil
}

// runOf is the name of the run that a checkpoint lies in, empty where it lies
// elsewhere.
func runOf(checkpoint string) string {
	path, err := filepath.Abs(checkpoint)
	if err != nil || filepath.Base(filepath.Dir(path)) != train.CheckpointsFolder {
		return ""
	}
	return runName(filepath.Dir(filepath.Dir(path)))
}

// runName is the name of a run's folder, also where dir is ".".
func runName(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return filepath.Base(dir)
}

// specOf is the spec of a world, without the traces that it may replay.
func specOf(c *configs.Env) (*env.Spec, error) {
	w, err := bareWorld(c)
	if err != nil {
		return nil, err
	}
	return w.Spec(), nil
}

// bareWorld builds a world without the traces that it may replay.
func bareWorld(c *configs.Env) (env.Env, error) {
	if c.Cluster != nil {
		return newCluster(recipe{env: *c})
	}
	f, err := newFactory(c)
	if err != nil {
		return nil, err
	}
	return f.env(trainingSplit)
}

// fileKind tells a checkpoint from anything else by its first bytes.
func fileKind(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", bare(path, err)
	}
	defer f.Close()
	head := make([]byte, len(checkpoints.Magic))
	if _, err := io.ReadFull(f, head); err == nil && bytes.Equal(head, []byte(checkpoints.Magic)) {
		return "checkpoint", nil
	}
	return "policy", nil
}

// entry is the source as something to evaluate in a world of that spec.
func (s *source) entry(spec *env.Spec) (eval.Entry, error) {
	if err := s.artifact.Check(spec); err != nil {
		return eval.Entry{}, usagef("%s: %w", s.name, err)
	}
	return eval.Entry{Name: s.name, Kind: eval.Learned, New: func() (agents.Policy, error) {
		return s.artifact.Policy(), nil
	}}, nil
}

// splitNames cuts "a,b" into names; "all" and "none" are no names.
func splitNames(s string) []string {
	if s == "all" || s == "none" {
		return nil
	}
	names := strings.Split(s, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return names
}
