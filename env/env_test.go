package env

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestTimeUnits(t *testing.T) {
	// 24·60·60·10^6 µs and 10^6 µs.
	if Day != 86_400_000_000 || Second != 1_000_000 {
		t.Errorf("a day is %d µs, a second %d µs", Day, Second)
	}
	for _, x := range []struct {
		t              Time
		hours, seconds float64
	}{
		{0, 0, 0},
		{Hour, 1, 3600},
		{90 * Minute, 1.5, 5400},
		{Microsecond, 1.0 / 3.6e9, 1e-6},
		{-Day, -24, -86400},
		{365 * Day, 8760, 31_536_000},
	} {
		if x.t.Hours() != x.hours || x.t.Seconds() != x.seconds {
			t.Errorf("%d µs: %v h and %v s, want %v and %v", x.t, x.t.Hours(), x.t.Seconds(), x.hours, x.seconds)
		}
	}
}

func TestFromHours(t *testing.T) {
	for _, x := range []struct {
		hours float64
		want  Time
	}{
		{0, 0},
		{-1, 0},
		{math.Inf(-1), 0},
		{math.NaN(), 0},
		{1, Hour},
		{0.25, 15 * Minute},
		{1e-10, 0},          // 0.36 µs
		{1.4e-10, 1},        // 0.504 µs
		{2.5e9, Time(9e18)}, // the last round number that fits: 2.5e9 h = 9e18 µs
		{2.5621e9, Never},   // 2^63 µs = 2.56205e9 h
		{math.MaxFloat64, Never},
		{math.Inf(1), Never},
	} {
		if got := FromHours(x.hours); got != x.want {
			t.Errorf("FromHours(%v) = %d, want %d", x.hours, got, x.want)
		}
	}
	// Whole microseconds survive the way there and back as long as float64 has
	// digits for them: 2^52 µs are 1.25 million hours.
	for _, u := range []Time{1, 3, 999_999, Hour + 1, 1_000_000*Hour + 7} {
		if got := FromHours(u.Hours()); got != u {
			t.Errorf("%d µs come back as %d", u, got)
		}
	}
}

func TestFeature(t *testing.T) {
	f := Feature{Name: "free_space", Unit: "TB", Offset: 50, Scale: 25}
	if got := f.Observed(100); got != 2 {
		t.Errorf("100 TB are observed as %v, want 2", got)
	}
	if got := f.Raw(-2); got != 0 {
		t.Errorf("-2 is %v TB, want 0", got)
	}
	s := Spec{ID: "Store-v0", Features: []Feature{{Name: "age"}, f}, Actions: []string{"hold", "repair"}}
	if s.ObsDim() != 2 {
		t.Errorf("%d features, want 2", s.ObsDim())
	}
	if i, err := s.Feature("free_space"); i != 1 || err != nil {
		t.Errorf("feature %d, error %v", i, err)
	}
	if i, err := s.Action("repair"); i != 1 || err != nil {
		t.Errorf("action %d, error %v", i, err)
	}
	_, err := s.Feature("space")
	if got, want := fmt.Sprint(err), `env: Store-v0 has no feature "space"`; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
	_, err = s.Action("space")
	if got, want := fmt.Sprint(err), `env: Store-v0 has no action "space"`; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
}

func TestRegistry(t *testing.T) {
	var r Registry[int]
	for _, id := range []string{"CartPole-v1", "RackBursts-v0", "ZoneOutage-v0"} {
		r.Add(Entry[int]{ID: id, Summary: "about " + id})
	}
	if e, err := r.Find("RackBursts-v0"); err != nil || e.Summary != "about RackBursts-v0" {
		t.Errorf("found %+v, error %v", e, err)
	}
	var ids []string
	for _, e := range r.Entries() {
		ids = append(ids, e.ID)
	}
	if got, want := strings.Join(ids, " "), "CartPole-v1 RackBursts-v0 ZoneOutage-v0"; got != want {
		t.Errorf("entries %s, want %s", got, want)
	}

	for _, x := range []struct{ id, want string }{
		{"CartPole-v0", `unknown environment "CartPole-v0", did you mean "CartPole-v1"?`},
		{"cartpole-v1", `unknown environment "cartpole-v1", did you mean "CartPole-v1"?`},
		{"RackBurst-v0", `unknown environment "RackBurst-v0", did you mean "RackBursts-v0"?`},
		{"ZoneOutage", `unknown environment "ZoneOutage", did you mean "ZoneOutage-v0"?`},
		{"Pendulum-v1", `unknown environment "Pendulum-v1", want one of CartPole-v1, RackBursts-v0, ZoneOutage-v0`},
		{"", `unknown environment "", want one of CartPole-v1, RackBursts-v0, ZoneOutage-v0`},
	} {
		_, err := r.Find(x.id)
		if got := fmt.Sprint(err); got != x.want {
			t.Errorf("Find(%q): %s, want %s", x.id, got, x.want)
		}
	}
}

func TestRegistryPanics(t *testing.T) {
	for _, x := range []struct{ id, want string }{
		{"CartPole-v1", "env: CartPole-v1 registered twice"},
		{"CartPole", `env: id "CartPole" is not of the form Name-vN`},
		{"Cart Pole-v1", `env: id "Cart Pole-v1" is not of the form Name-vN`},
		{"-v1", `env: id "-v1" is not of the form Name-vN`},
		{"CartPole-v", `env: id "CartPole-v" is not of the form Name-vN`},
		{"CartPole-v1 ", `env: id "CartPole-v1 " is not of the form Name-vN`},
	} {
		var r Registry[int]
		r.Add(Entry[int]{ID: "CartPole-v1"})
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); got != x.want {
					t.Errorf("Add(%q) panics with %s, want %s", x.id, got, x.want)
				}
			}()
			r.Add(Entry[int]{ID: x.id})
		}()
	}
}

// The plain twin is the recursion that defines the distance.
func TestEditDistance(t *testing.T) {
	var plain func(a, b string) int
	plain = func(a, b string) int {
		switch {
		case a == "":
			return len(b)
		case b == "":
			return len(a)
		case a[0] == b[0]:
			return plain(a[1:], b[1:])
		}
		return 1 + min(plain(a[1:], b), plain(a, b[1:]), plain(a[1:], b[1:]))
	}
	words := []string{"", "a", "ab", "ba", "abc", "acb", "bca", "aabc", "kitten", "sitting", "sittin"}
	for _, a := range words {
		for _, b := range words {
			if got, want := editDistance(a, b), plain(a, b); got != want {
				t.Errorf("editDistance(%q, %q) = %d, want %d", a, b, got, want)
			}
		}
	}
}
