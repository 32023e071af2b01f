package configs

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"mend/configs/field"
	"mend/env/mdp"
)

// modelLimits leave room for the transitions that an mdp.File may have.
var modelLimits = limits{bytes: 16 << 20, marks: 2_000_000, nodes: 1_000_000}

// mostModelErrors is how many complaints about a model are worth reading at once.
const mostModelErrors = 20

// ReadModel reads a finite MDP from a file of the form that [mdp.File] describes,
// which name is the name of. Complaints are Errors, all at once up to twenty; they
// call states, actions and other elements of lists by their names.
func ReadModel(name string, data []byte) (*mdp.Model, error) {
	s, err := parseWithin(modelLimits, name, data)
	if err != nil {
		return nil, err
	}
	s.named = true
	var f mdp.File
	if err := s.Decode(&f); err != nil {
		all := err.(Errors)
		if more := len(all) - mostModelErrors; more > 0 {
			all = append(all[:mostModelErrors:mostModelErrors], Error{File: name, Message: fmt.Sprintf("and %d more complaints", more)})
		}
		return nil, all
	}
	m, err := f.Model()
	var list field.Errors
	if !errors.As(err, &list) {
		return m, err
	}
	all := s.Positioned(list).(Errors)
	places := all
	if n := len(list) - 1; list[n].Path == "" { // how many are not told
		places = all[:n]
	}
	slices.SortStableFunc(places, func(a, b Error) int { return cmp.Or(a.Line-b.Line, a.Col-b.Col) })
	return nil, all
}
