// Package checkpoints stores the state of a run, whole or not at all.
//
// Start with [Write], which replaces a file atomically and durably, and
// [Latest], which finds the newest checkpoint that reads whole. The file format
// is in format.md. What the sections hold is the business of whoever writes
// them; the policy that a run ends in is in checkpoints/policy.
package checkpoints

import (
	"fmt"
	"strings"

	"mend/checkpoints/internal/schema"
)

// Checkpoint is everything needed to continue a run bit for bit.
type Checkpoint struct {
	Meta     Meta
	Sections []Section
}

// Meta says what a checkpoint is of and how far the run had come. It holds
// nothing that depends on wall time: equal runs give equal files.
type Meta struct {
	Env, EnvDigest, Algo string
	Seed                 uint64
	// Environment steps, learning updates and episodes ended so far.
	Step, Update, Episode uint64
	Config                []byte // config.resolved.yaml
	Tool, Go, CPU         string // versions of mend and Go, and the kind of CPU
}

// Section is a named part of a checkpoint, such as the state of the agent.
type Section struct {
	Name string
	Data []byte
}

// Section returns the data of the named section, not copied.
func (c *Checkpoint) Section(name string) ([]byte, error) {
	names := make([]string, len(c.Sections))
	for i, s := range c.Sections {
		if s.Name == name {
			return s.Data, nil
		}
		names[i] = s.Name
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("checkpoints: no section %q, the checkpoint has none", name)
	}
	return nil, fmt.Errorf("checkpoints: no section %q, want one of %s", name, strings.Join(names, ", "))
}

func (m *Meta) message() *schema.Meta {
	return &schema.Meta{
		Env:       m.Env,
		EnvDigest: m.EnvDigest,
		Algo:      m.Algo,
		Seed:      m.Seed,
		Step:      m.Step,
		Update:    m.Update,
		Episode:   m.Episode,
		Config:    m.Config,
		Tool:      m.Tool,
		Go:        m.Go,
		Cpu:       m.CPU,
	}
}

func metaOf(m *schema.Meta) Meta {
	return Meta{
		Env:       m.GetEnv(),
		EnvDigest: m.GetEnvDigest(),
		Algo:      m.GetAlgo(),
		Seed:      m.GetSeed(),
		Step:      m.GetStep(),
		Update:    m.GetUpdate(),
		Episode:   m.GetEpisode(),
		Config:    m.GetConfig(),
		Tool:      m.GetTool(),
		Go:        m.GetGo(),
		CPU:       m.GetCpu(),
	}
}
