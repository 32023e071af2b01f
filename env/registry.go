package env

import (
	"fmt"
	"regexp"
	"strings"
)

// Registry lists worlds by id. C is what a world is built from, chosen by the
// program that joins them.
type Registry[C any] struct{ entries []Entry[C] }

// Entry is one registered world. Its ID has Gymnasium's form Name-vN; N grows
// whenever the behaviour changes.
type Entry[C any] struct {
	ID      string
	Summary string // one line
	New     func(C) (Env, error)
}

var idForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*-v[0-9]+$`)

// Add registers e. A malformed or repeated id is a bug and panics.
func (r *Registry[C]) Add(e Entry[C]) {
	if !idForm.MatchString(e.ID) {
		panic(fmt.Sprintf("env: id %q is not of the form Name-vN", e.ID))
	}
	for _, x := range r.entries {
		if x.ID == e.ID {
			panic("env: " + e.ID + " registered twice")
		}
	}
	r.entries = append(r.entries, e)
}

// Entries returns the registered worlds in the order of registration.
func (r *Registry[C]) Entries() []Entry[C] { return r.entries }

// Find returns the world of that id; the error suggests near ones.
func (r *Registry[C]) Find(id string) (Entry[C], error) {
	ids := make([]string, len(r.entries))
	for i, e := range r.entries {
		if e.ID == id {
			return e, nil
		}
		ids[i] = e.ID
	}
	return Entry[C]{}, UnknownError{What: "environment", Name: id, Known: ids}
}

// UnknownError reports a name that is not in a list, with the nearest ones.
type UnknownError struct {
	What, Name string
	Known      []string
}

func (e UnknownError) Error() string {
	if best := Nearest(e.Name, e.Known); best != "" {
		return fmt.Sprintf("unknown %s %q, did you mean %q?", e.What, e.Name, best)
	}
	return fmt.Sprintf("unknown %s %q, want one of %s", e.What, e.Name, strings.Join(e.Known, ", "))
}

// Nearest is the known name that was probably meant, empty where none is near:
// at most three edits away, and half the name, for of a short one little would
// be left.
func Nearest(name string, known []string) string {
	best, distance := "", 4
	for _, k := range known {
		if d := editDistance(strings.ToLower(name), strings.ToLower(k)); d < distance && 2*d <= len(name) {
			best, distance = k, d
		}
	}
	return best
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			above := row[j]
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above+1, row[j-1]+1, diagonal+cost)
			diagonal = above
		}
	}
	return row[len(b)]
}
