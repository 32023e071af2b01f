package mdp

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"mend/configs/field"
	"mend/env"
	"mend/env/envtest"
	"mend/env/seed"
)

// sure is a transition that happens for sure.
func sure(to string) []FileTransition {
	one := 1.0
	return []FileTransition{{To: to, P: &one}}
}

// two is a file of two states, in each of which one may stay for ever.
func two() *File {
	return &File{
		Step: time.Hour, Start: "a", Actions: []string{"stay", "go"},
		States: []FileState{
			{Name: "a", Actions: []FileAction{{Name: "go", Cost: 1, Transitions: sure("b")}, {Name: "stay", Cost: 2, Transitions: sure("a")}}},
			{Name: "b", Actions: []FileAction{{Name: "stay", Cost: 3, Transitions: sure("b")}, {Name: "go", Transitions: sure("a")}}},
		},
	}
}

// A world whose state surely stays asks again after the hold, and not before.
func TestWorldThatStays(t *testing.T) {
	m, err := two().Model()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(m.ActionOf, m.Cost), "[0 1 0 1] [2 1 3 0]"; got != want {
		t.Errorf("pairs %s, want %s: those of a state in the order of the actions", got, want)
	}
	c := DefaultConfig()
	c.Tau, c.Horizon = 0, 26*time.Hour
	w, err := New(m, c)
	if err != nil {
		t.Fatal(err)
	}
	obs, mask := make([]float32, 2), make([]bool, 2)
	w.Reset(seed.Seed(1), obs, mask)
	const stay, leave = 0, 1
	for i, x := range []struct {
		action          int
		elapsed, reward float32
		state           int
		end             bool
	}{
		{stay, 6, -12, 0, false}, {leave, 1, -1, 1, false}, {stay, 6, -18, 1, false}, {leave, 1, 0, 0, false},
		{stay, 6, -12, 0, false}, {stay, 6, -12, 0, true}, // the clock cuts at 26
	} {
		o := w.Step(x.action, obs, mask)
		if o.Elapsed != x.elapsed || o.Reward != x.reward || w.State() != x.state || o.Truncated != x.end {
			t.Errorf("step %d: %+v in state %d, want %+v", i, o, w.State(), x)
		}
	}
	// Nothing is left to chance, so all seeds are alike. Allocations are a matter of
	// all worlds of this package.
	for _, f := range envtest.Check(func() env.Env { return w.Sibling() }, envtest.Options{}) {
		if !f.OK && f.Check != "other-seed" && f.Check != "allocations" {
			t.Errorf("%s: %s", f.Check, f.Detail)
		}
	}
}

// What no YAML can hold is refused too.
func TestFileModelRefuses(t *testing.T) {
	nan, inf := math.NaN(), float32(math.Inf(1))
	for _, x := range []struct {
		change func(f *File)
		want   string
	}{
		{func(f *File) { f.States[0].Actions[0].Transitions[0].P = &nan }, "states[0].actions[0].transitions[0].p is NaN, want a probability, 0 to 1"},
		{func(f *File) { f.States[1].Actions[0].Cost = math.Inf(-1) }, "states[1].actions[0].cost is -Inf, want a finite number of $, at most 1e+12 either way"},
		{func(f *File) { f.States[1].Actions[0].Transitions[0].Cost = nan }, "states[1].actions[0].transitions[0].cost is NaN, want a finite number of $, at most 1e+12 either way"},
		{func(f *File) { f.Features = []FileFeature{{Name: "x", Offset: inf}} }, "features[0].offset is +Inf, want a finite number; " +
			"states[0].features lack x, want every feature; states[1].features lack x, want every feature"},
		{func(f *File) { *f = File{} }, "actions is missing or empty, want at least one; states is missing or empty, want at least one"},
	} {
		f := two()
		x.change(f)
		_, err := f.Model()
		var list field.Errors
		if !errors.As(err, &list) || err.Error() != x.want {
			t.Errorf("%v, want %s", err, x.want)
		}
	}
}

// Every setting but the name of the file is part of what defines a world, in the
// words of the first worlds, which had no files.
func TestConfigDefinition(t *testing.T) {
	c := DefaultConfig()
	if got, want := c.definition(), strings.Replace(fmt.Sprintf("%+v", c), "File: ", "", 1); got != want {
		t.Errorf("the definition is %s, want %s", got, want)
	}
	v := reflect.TypeOf(c)
	for i := range v.NumField() {
		x := c
		switch f := reflect.ValueOf(&x).Elem().Field(i); f.Kind() {
		case reflect.String:
			f.SetString("another")
		case reflect.Bool:
			f.SetBool(!f.Bool())
		default:
			f.SetInt(f.Int() + 1)
		}
		if same := x.definition() == c.definition(); same != (v.Field(i).Name == "File") {
			t.Errorf("%s changed: the same definition %v", v.Field(i).Name, same)
		}
	}
}

// A file is for the world that has none of its own, and for no other.
func TestEntryOfAFile(t *testing.T) {
	for _, e := range Catalogue {
		c := e.Config()
		c.File = "m.yaml"
		err := e.Validate(&c)
		if e.File {
			if _, bad := e.Build(&c); err != nil || bad == nil {
				t.Errorf("%s: %v; built: %v", e.ID, err, bad)
			}
			continue
		}
		if want := `file is "m.yaml", want none: the model of ` + e.ID + " is in no file"; err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", e.ID, err, want)
		}
	}
}
