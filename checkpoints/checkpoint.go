// Package checkpoints stores the state of a run, whole or not at all.
//
// Start with [Write], which replaces a file atomically and durably, and
// [Latest], which finds the newest checkpoint that reads whole. The file format
// is in format.md. What the sections hold is the business of whoever writes
// them; the policy that a run ends in is in checkpoints/policy.
package checkpoints

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"mend/checkpoints/internal/disk"
	"mend/checkpoints/internal/schema"
)

// Checkpoint is a file that [Read] found whole: everything needed to continue a
// run bit for bit. The data of its sections stay in the file until they are
// asked for.
type Checkpoint struct {
	Meta     Meta
	Sections []Stored
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
	Kernel                string // what computed: see agents/kernel
}

// Section is a named part of a checkpoint to be written, such as the state of
// the agent. It is streamed, so a large state is never held twice.
type Section struct {
	Name  string
	Size  uint64                  // bytes
	Write func(w io.Writer) error // writes exactly Size bytes
}

// Stored is a section of a checkpoint that was read.
type Stored struct {
	Name string
	Size uint64 // bytes

	path   string
	offset int64
	digest [sha256.Size]byte
}

// Section returns the named section.
func (c *Checkpoint) Section(name string) (*Stored, error) {
	names := make([]string, len(c.Sections))
	for i := range c.Sections {
		if c.Sections[i].Name == name {
			return &c.Sections[i], nil
		}
		names[i] = c.Sections[i].Name
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("checkpoints: no section %q, the checkpoint has none", name)
	}
	return nil, fmt.Errorf("checkpoints: no section %q, want one of %s", name, strings.Join(names, ", "))
}

// Read lets use read the data, all of it, from the file. That is the second
// time that the file is read: what [Read] verified is verified again, so a file
// that was altered in between is refused; what use did until then is void.
func (s *Stored) Read(use func(r io.Reader, size uint64) error) error {
	err := s.read(use)
	if err != nil {
		return fmt.Errorf("checkpoints: read %q: section %q: %w", s.path, s.Name, err)
	}
	return nil
}

func (s *Stored) read(use func(r io.Reader, size uint64) error) error {
	f, err := os.Open(s.path)
	if err != nil {
		return disk.Bare(err)
	}
	defer f.Close()
	digest := sha256.New()
	in := io.TeeReader(io.NewSectionReader(f, s.offset, int64(s.Size)), digest)
	if err := use(in, s.Size); err != nil {
		return err
	}
	if n, err := io.Copy(io.Discard, in); err != nil {
		return disk.Bare(err)
	} else if n > 0 {
		return fmt.Errorf("%d of %d bytes were left unread", n, s.Size)
	}
	if [sha256.Size]byte(digest.Sum(nil)) != s.digest {
		return errors.New("the file changed after it was verified")
	}
	return nil
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
		Kernel:    m.Kernel,
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
		Kernel:    m.GetKernel(),
	}
}
