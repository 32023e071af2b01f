package mdp

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"mend/configs/field"
)

// Entry is a registered model.
type Entry struct {
	ID, Summary string
	Presets     []string // the first is the default
	Forms       []string // likewise
	// Tau is the default time constant: long enough that the best discounted policy
	// is within 0.01 % of the least average cost; 0 means that of DefaultConfig.
	Tau time.Duration
	// File says that the model is in the file that Config.File names, and is made
	// by [File.Model] instead of Build.
	File  bool
	build func(preset, form string) (*Model, error)
}

// Catalogue lists the models that ship with mend.
var Catalogue = []Entry{
	{
		ID: "MDPA-v0", Summary: "exact MDP: one partition, 172 states; how many rebuilds, how fast, when to drop",
		Presets: PresetsA, Forms: []string{Lumped},
		build: func(preset, _ string) (*Model, error) {
			c, err := PresetA(preset)
			if err != nil {
				return nil, err
			}
			return MDPA(c), nil
		},
	},
	{
		ID: "MDPB-v0", Summary: "exact MDP: four nodes with a predictor of failures and slow nodes, 1,630 states lumped, 26,368 raw",
		Presets: PresetsB, Forms: []string{Lumped, Raw},
		build: func(preset, form string) (*Model, error) {
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
	{
		ID: "MultiCloud-v0", Summary: "exact MDP: a shard over three providers, region loss and egress prices, 24,624 states",
		Presets: PresetsMultiCloud, Forms: []string{Lumped}, Tau: 4000 * time.Hour,
		build: func(preset, _ string) (*Model, error) {
			c, err := PresetMultiCloud(preset)
			if err != nil {
				return nil, err
			}
			return MultiCloud(c), nil
		},
	},
	{
		ID: FileID, Summary: "exact MDP of your own, a YAML file: --mdp FILE",
		Presets: []string{"file"}, Forms: []string{Lumped}, File: true,
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
	if e.Tau > 0 {
		c.Tau = e.Tau
	}
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
	all.Want(e.File || c.File == "", "file", fmt.Sprintf("%q", c.File), "none: the model of "+e.ID+" is in no file")
	if err, ok := c.Validate().(field.Errors); ok {
		all = append(all, err...)
	}
	return all.Err()
}

// Build makes the model that c asks for, and checks it.
func (e Entry) Build(c *Config) (*Model, error) {
	if e.File {
		return nil, fmt.Errorf("mdp: the model of %s is in a file", e.ID)
	}
	m, err := e.build(c.Preset, c.Form)
	if err != nil {
		return nil, fmt.Errorf("mdp: %w", err)
	}
	return m, m.Check()
}
