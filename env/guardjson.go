package env

import (
	"encoding/json"
	"fmt"
	"math"
)

// guardJSON is the JSON form of a Guard, which has no way to say infinity.
type guardJSON struct {
	Name    string   `json:"name"`
	Feature string   `json:"feature"`
	Actions []string `json:"actions"`
	Min     *float32 `json:"min"` // null: no lower bound
	Max     *float32 `json:"max"` // null: no upper bound
}

// MarshalJSON writes an infinite bound as null.
func (g Guard) MarshalJSON() ([]byte, error) {
	j := guardJSON{Name: g.Name, Feature: g.Feature, Actions: g.Actions, Min: &g.Min, Max: &g.Max}
	if math.IsInf(float64(g.Min), -1) {
		j.Min = nil
	}
	if math.IsInf(float64(g.Max), 1) {
		j.Max = nil
	}
	if j.Actions == nil {
		j.Actions = []string{}
	}
	b, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("env: guard %q permits from %v to %v: %w", g.Name, g.Min, g.Max, err)
	}
	return b, nil
}

// UnmarshalJSON reads a bound that is null or absent as infinite.
func (g *Guard) UnmarshalJSON(b []byte) error {
	var j guardJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("env: guard: %w", err)
	}
	*g = Guard{
		Name: j.Name, Feature: j.Feature, Actions: j.Actions,
		Min: float32(math.Inf(-1)), Max: float32(math.Inf(1)),
	}
	if j.Min != nil {
		g.Min = *j.Min
	}
	if j.Max != nil {
		g.Max = *j.Max
	}
	return nil
}
