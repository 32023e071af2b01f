package policy

import (
	"errors"
	"fmt"
	"math"

	"mend/agents/mlp"
	"mend/env/guard"
)

// Validate says what makes the artifact unusable, first things first. What
// [Load] and [Decode] return is valid.
func (a *Artifact) Validate() error {
	if err := a.validate(); err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	return nil
}

func (a *Artifact) validate() error {
	if a.Provenance.Env == "" {
		return errors.New("no environment, want the id of the world it was trained in")
	}
	if len(a.Features) == 0 || len(a.Actions) == 0 {
		return fmt.Errorf("%d features and %d actions, want at least 1 of each", len(a.Features), len(a.Actions))
	}
	names := make([]string, len(a.Features))
	for i, f := range a.Features {
		names[i] = f.Name
		if !finite(f.Offset) || !finite(f.Scale) || f.Scale == 0 {
			return fmt.Errorf("feature %q has offset %v and scale %v, want finite numbers and a scale other than 0", f.Name, f.Offset, f.Scale)
		}
	}
	if err := unique("feature", names); err != nil {
		return err
	}
	if err := unique("action", a.Actions); err != nil {
		return err
	}
	if err := checkNet(a.Net, len(a.Features), len(a.Actions)); err != nil {
		return err
	}
	if _, err := guard.Compile(a.Spec()); err != nil {
		return err
	}
	if a.Fallback.Name == "" && len(a.Fallback.Parameters) > 0 {
		return errors.New("the fallback has parameters but no name")
	}
	for name, x := range a.Fallback.Parameters {
		if name == "" || math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("fallback parameter %q is %v, want a name and a finite number", name, x)
		}
	}
	return a.Evaluation.validate()
}

func checkNet(n *mlp.Net, features, actions int) error {
	if n == nil {
		return errors.New("no network")
	}
	if err := n.Check(); err != nil {
		return err
	}
	if n.In() != features || n.Out() != actions {
		return fmt.Errorf("the network has %d inputs and %d outputs, want %d and %d, one for each feature and action", n.In(), n.Out(), features, actions)
	}
	return nil
}

func (e *Evaluation) validate() error {
	if e == nil {
		return nil
	}
	for i, r := range e.Policies {
		if r.Name == "" {
			return fmt.Errorf("evaluated policy %d has no name", i)
		}
		names := make([]string, len(r.Metrics))
		for j, m := range r.Metrics {
			names[j] = m.Name
		}
		if err := unique("metric", names); err != nil {
			return fmt.Errorf("evaluated policy %q: %w", r.Name, err)
		}
	}
	return nil
}

func unique(kind string, names []string) error {
	seen := make(map[string]bool, len(names))
	for i, name := range names {
		if name == "" {
			return fmt.Errorf("%s %d has no name", kind, i)
		}
		if seen[name] {
			return fmt.Errorf("two %ss are called %q, want different names", kind, name)
		}
		seen[name] = true
	}
	return nil
}

func finite(x float32) bool {
	return !math.IsNaN(float64(x)) && !math.IsInf(float64(x), 0)
}
