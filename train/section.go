package train

import (
	"io"

	"mend/agents"
	"mend/checkpoints"
	"mend/env/state"
)

// fields is a section that streams.
func fields(name string, f func(*state.Codec)) checkpoints.Section {
	return checkpoints.Section{Name: name, Size: state.Size(f), Write: func(w io.Writer) error { return state.Write(w, f) }}
}

// data is a section that is held.
func data(name string, b []byte) checkpoints.Section {
	return checkpoints.Section{Name: name, Size: uint64(len(b)), Write: func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}}
}

// restoreFields is the counterpart of fields.
func restoreFields(f func(*state.Codec)) func(io.Reader, uint64) error {
	return func(r io.Reader, size uint64) error { return state.Read(r, size, f) }
}

// restoreData is the counterpart of data.
func restoreData(restore func([]byte) error) func(io.Reader, uint64) error {
	return func(r io.Reader, size uint64) error {
		b := make([]byte, size)
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		return restore(b)
	}
}

// RestoreAgent restores an agent from the checkpoint of a run.
func RestoreAgent(c *checkpoints.Checkpoint, a agents.Agent) error {
	return restoreSection(c, sectionAgent, restoreFields(a.Fields))
}

func restoreSection(c *checkpoints.Checkpoint, name string, use func(io.Reader, uint64) error) error {
	s, err := c.Section(name)
	if err != nil {
		return err
	}
	return s.Read(use)
}
