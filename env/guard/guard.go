// Package guard applies the safety rules of a world, the same way in the mask
// of the world and beside a deployed policy.
//
// A rule is data, an [env.Guard]. [Compile] checks the rules of a Spec and
// resolves their names; [Set.Apply] then takes forbidden actions out of a mask.
// Action 0 is "hold", which no rule may forbid, so something is always legal.
package guard

import (
	"fmt"
	"math"

	"mend/env"
)

// Set holds compiled rules. It is never written to again, so any number of
// goroutines may use it.
type Set struct {
	features, actions int
	rules             []rule
}

// rule permits its actions while lo <= obs[feature] <= hi.
type rule struct {
	feature int
	lo, hi  float32 // in units of the observation
	actions []int
}

// Compile resolves the guards of s. It refuses rules that name what s does not
// have or name nothing, that name action 0, whose bounds are NaN or permit no
// value, and those without a name of their own.
func Compile(s *env.Spec) (*Set, error) {
	set := &Set{features: len(s.Features), actions: len(s.Actions)}
	seen := make(map[string]bool, len(s.Guards))
	for i, g := range s.Guards {
		if g.Name == "" {
			return nil, fmt.Errorf("guard: rule %d has no name", i)
		}
		if seen[g.Name] {
			return nil, fmt.Errorf("guard: two rules %q", g.Name)
		}
		seen[g.Name] = true
		r, err := compile(s, &g)
		if err != nil {
			return nil, fmt.Errorf("guard: rule %q: %w", g.Name, err)
		}
		set.rules = append(set.rules, r)
	}
	return set, nil
}

func compile(s *env.Spec, g *env.Guard) (rule, error) {
	i, err := s.Feature(g.Feature)
	if err != nil {
		return rule{}, err
	}
	f := s.Features[i]
	if !finite(f.Offset) || !finite(f.Scale) || f.Scale == 0 {
		return rule{}, fmt.Errorf("feature %q has offset %v and scale %v, want finite numbers and a scale other than 0", f.Name, f.Offset, f.Scale)
	}
	if !(g.Min <= g.Max) { // also where either is NaN
		return rule{}, fmt.Errorf("permits from %v to %v, want min <= max", g.Min, g.Max)
	}
	// The bounds are compared as the world would have observed them. Rounding
	// keeps order, so a raw value at a bound is at the bound here too; the raw
	// value recovered from an observation could fall an ulp beyond it.
	r := rule{feature: i, lo: f.Observed(g.Min), hi: f.Observed(g.Max)}
	if f.Scale < 0 {
		r.lo, r.hi = r.hi, r.lo
	}
	if len(g.Actions) == 0 {
		return rule{}, fmt.Errorf("names no action, want at least 1")
	}
	for _, name := range g.Actions {
		a, err := s.Action(name)
		if err != nil {
			return rule{}, err
		}
		if a == 0 {
			return rule{}, fmt.Errorf("names action 0, %q, which is always legal", name)
		}
		r.actions = append(r.actions, a)
	}
	return r, nil
}

func finite(x float32) bool {
	return !math.IsNaN(float64(x)) && !math.IsInf(float64(x), 0)
}

// Empty reports whether there is nothing to apply.
func (s *Set) Empty() bool { return len(s.rules) == 0 }

// Apply clears mask[a] for every action a that the observation forbids:
//
//	mask[a] = mask[a] ∧ ∀ rules of a: Min ≤ raw ≤ Max,  raw = obs·Scale + Offset
//
// It depends on nothing but obs, leaves action 0 as it is and never makes an
// action legal. An observation that is NaN forbids. Slices are of one
// environment: obs [ObsDim], mask [Actions].
func (s *Set) Apply(obs []float32, mask []bool) {
	if len(obs) != s.features || len(mask) != s.actions {
		panic(fmt.Sprintf("guard: %d features and %d mask entries, want %d and %d", len(obs), len(mask), s.features, s.actions))
	}
	for i := range s.rules {
		r := &s.rules[i]
		if x := obs[r.feature]; x >= r.lo && x <= r.hi {
			continue
		}
		for _, a := range r.actions {
			mask[a] = false
		}
	}
}
