package mdp

import (
	"fmt"
	"slices"
	"strings"

	"mend/configs/field"
)

// Entry is a registered model.
type Entry struct {
	ID, Summary string
	Presets     []string // the first is the default
	Forms       []string // likewise
	build       func(preset, form string) (*Model, error)
}

// Catalogue lists the models that ship with mend.
var Catalogue = []Entry{
	{
		"MDPA-v0", "exact MDP: one partition, 172 states; how many rebuilds, how fast, when to drop", PresetsA, []string{Lumped},
		func(preset, _ string) (*Model, error) {
			c, err := PresetA(preset)
			if err != nil {
				return nil, err
			}
			return MDPA(c), nil
		},
	},
	{
		"MDPB-v0", "exact MDP: four nodes with a predictor of failures and slow nodes, 1,630 states lumped, 26,368 raw", PresetsB, []string{Lumped, Raw},
		func(preset, form string) (*Model, error) {
			c, err := PresetB(preset)
			if err != nil {
				return nil, err
			}
			if form == Raw {
				return MDPBRaw(c), nil
			}
			return MDPB(c), nil
		},
	},
}

// Find is the entry of that id.
func Find(id string) (Entry, bool) {
	for _, e := range Catalogue {
		if e.ID == id {
			return e, true
		}
	}
	return Entry{}, false
}

// Config is the default configuration of a world of the model.
func (e Entry) Config() Config {
	c := DefaultConfig()
	c.Preset, c.Form = e.Presets[0], e.Forms[0]
	return c
}

// Validate returns nil or all complaints about c, as field.Errors.
func (e Entry) Validate(c *Config) error {
	var all field.Errors
	for _, x := range []struct {
		path, is string
		known    []string
	}{{"preset", c.Preset, e.Presets}, {"form", c.Form, e.Forms}} {
		all.Want(slices.Contains(x.known, x.is), x.path, fmt.Sprintf("%q", x.is), strings.Join(x.known, " or "))
	}
	if err, ok := c.Validate().(field.Errors); ok {
		all = append(all, err...)
	}
	return all.Err()
}

// Build makes the model that c asks for, and checks it.
func (e Entry) Build(c *Config) (*Model, error) {
	m, err := e.build(c.Preset, c.Form)
	if err != nil {
		return nil, fmt.Errorf("mdp: %w", err)
	}
	return m, m.Check()
}
