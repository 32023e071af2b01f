package policy

import (
	"fmt"
	"slices"

	"mend/agents/mlp"
	"mend/env"
	"mend/env/guard"
)

// Policy decides as an artifact says: the legal action of the highest output,
// after the guards. It is not safe for concurrent use; make one for each
// goroutine, they share the weights.
type Policy struct {
	artifact *Artifact
	guards   *guard.Set
	feature  map[string]int // index by name
	action   map[string]int
	scratch  mlp.Scratch
	obs      []float32 // of one decision by name
	raw      []float32
	given    []bool
	legal    []bool // of one environment, after the guards
	allowed  []bool // by the caller of DecideNamed
}

// Policy returns a new Policy of the artifact, which must be valid.
func (a *Artifact) Policy() *Policy {
	if err := a.Validate(); err != nil {
		panic(err)
	}
	guards, err := guard.Compile(a.Spec())
	if err != nil {
		panic(err)
	}
	p := &Policy{
		artifact: a,
		guards:   guards,
		feature:  make(map[string]int, len(a.Features)),
		action:   make(map[string]int, len(a.Actions)),
		obs:      make([]float32, len(a.Features)),
		raw:      make([]float32, len(a.Features)),
		given:    make([]bool, len(a.Features)),
		legal:    make([]bool, len(a.Actions)),
		allowed:  make([]bool, len(a.Actions)),
	}
	for i, f := range a.Features {
		p.feature[f.Name] = i
	}
	for i, name := range a.Actions {
		p.action[name] = i
	}
	return p
}

// Act reads t.Obs and t.Mask and fills actions. Where mask and guards together
// leave nothing, it takes action 0, "hold". It allocates only when t.N exceeds
// all earlier ones.
func (p *Policy) Act(t *env.TimeStep, actions []int) {
	nf, na := len(p.artifact.Features), len(p.artifact.Actions)
	if len(t.Obs) != t.N*nf || (t.Mask != nil && len(t.Mask) != t.N*na) || len(actions) != t.N {
		panic(fmt.Sprintf("policy: %d observed values, %d mask entries and %d actions for %d environments of %d features and %d actions",
			len(t.Obs), len(t.Mask), len(actions), t.N, nf, na))
	}
	out := p.artifact.Net.Forward(t.N, t.Obs, &p.scratch)
	for i := range actions {
		if !p.restrict(t.ObsRow(i), t.MaskRow(i)) {
			actions[i] = 0
			continue
		}
		actions[i] = mlp.Argmax(out[i*na:(i+1)*na], p.legal)
	}
}

// restrict fills p.legal with what mask, nil for everything, and the guards
// permit, and reports whether that is anything.
func (p *Policy) restrict(obs []float32, mask []bool) bool {
	for a := range p.legal {
		p.legal[a] = mask == nil || mask[a]
	}
	p.guards.Apply(obs, p.legal)
	return slices.Contains(p.legal, true)
}

// Decide returns the action for one situation, given the raw value of every
// feature in the order of the artifact, in its unit, and which actions are
// legal; nil means all, which only a policy trained without a mask takes. It
// refuses values that are not finite. It does not allocate but for errors.
func (p *Policy) Decide(raw []float32, legal []bool) (int, error) {
	features, actions := p.artifact.Features, p.artifact.Actions
	if len(raw) != len(features) {
		return 0, fmt.Errorf("policy: %d feature values, want %d", len(raw), len(features))
	}
	if legal == nil && p.artifact.Masked {
		return 0, fmt.Errorf("policy: no legal actions given, want some of %s", quoted(actions))
	}
	if legal != nil && len(legal) != len(actions) {
		return 0, fmt.Errorf("policy: legality of %d actions, want %d", len(legal), len(actions))
	}
	for i, f := range features {
		p.obs[i] = f.Observed(raw[i])
		if !finite(raw[i]) || !finite(p.obs[i]) {
			return 0, fmt.Errorf("policy: feature %q is %v, want a finite number in the range of float32", f.Name, raw[i])
		}
	}
	if !p.restrict(p.obs, legal) {
		if legal != nil && !slices.Contains(legal, true) {
			return 0, fmt.Errorf("policy: no action is legal, want at least one of %s", quoted(actions))
		}
		return 0, fmt.Errorf("policy: the guards forbid every legal action, want %q to be legal always", actions[0])
	}
	return mlp.Argmax(p.artifact.Net.Forward(1, p.obs, &p.scratch), p.legal), nil
}

// DecideNamed is [Policy.Decide] by name: raw has a value for each feature of
// the artifact and no other, legal the names of the legal actions. It returns
// the name of the action.
func (p *Policy) DecideNamed(raw map[string]float64, legal []string) (string, error) {
	var unknown []string
	clear(p.given)
	for name, x := range raw {
		if i, ok := p.feature[name]; ok {
			p.raw[i], p.given[i] = float32(x), true
		} else {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 { // before missing ones: a misspelt feature is both
		return "", fmt.Errorf("policy: %w", env.UnknownError{What: "feature", Name: slices.Min(unknown), Known: p.featureNames()})
	}
	if i := slices.Index(p.given, false); i >= 0 {
		return "", fmt.Errorf("policy: feature %q is missing, want a value for it", p.artifact.Features[i].Name)
	}
	var mask []bool
	if legal != nil {
		mask = p.allowed
		clear(mask)
		for _, name := range legal {
			a, ok := p.action[name]
			if !ok {
				return "", fmt.Errorf("policy: %w", env.UnknownError{What: "action", Name: name, Known: p.artifact.Actions})
			}
			mask[a] = true
		}
	}
	a, err := p.Decide(p.raw, mask)
	if err != nil {
		return "", err
	}
	return p.artifact.Actions[a], nil
}

func (p *Policy) featureNames() []string {
	names := make([]string, len(p.artifact.Features))
	for i, f := range p.artifact.Features {
		names[i] = f.Name
	}
	return names
}

func quoted(names []string) string { return fmt.Sprintf("%q", names) }
