package guard

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"mend/env"
)

var inf = float32(math.Inf(1))
var nan = float32(math.NaN())

func spec(guards ...env.Guard) *env.Spec {
	return &env.Spec{
		ID: "Test-v0",
		Features: []env.Feature{
			{Name: "copies", Unit: "1", Offset: 2, Scale: 3},
			{Name: "share", Unit: "1", Offset: 0, Scale: 1},
			{Name: "below", Unit: "1", Offset: 1, Scale: -0.1},
		},
		Actions: []string{"hold", "drop", "declare", "drain"},
		Masked:  true,
		Guards:  guards,
	}
}

// The two rules named in the design: never drop the last believed intact copy,
// never declare more than a set share of a zone dead.
func TestApply(t *testing.T) {
	s := spec(
		env.Guard{Name: "last copy", Feature: "copies", Actions: []string{"drop", "drain"}, Min: 2, Max: inf},
		env.Guard{Name: "zone", Feature: "share", Actions: []string{"declare", "drain"}, Min: -inf, Max: 0.1},
	)
	set, err := Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		copies, share float32
		want          string
	}{
		{3, 0, "hold drop declare drain"},
		{2, 0.1, "hold drop declare drain"},
		{1, 0, "hold declare"},
		{3, 0.2, "hold drop"},
		{1, 0.2, "hold"},
		{nan, 0, "hold declare"},
		{3, nan, "hold drop"},
		{inf, -inf, "hold drop declare drain"},
		{-inf, inf, "hold"},
	} {
		obs := []float32{s.Features[0].Observed(tt.copies), s.Features[1].Observed(tt.share), 0}
		mask := []bool{true, true, true, true}
		set.Apply(obs, mask)
		if got := legal(s, mask); got != tt.want {
			t.Errorf("copies %v, share %v: %s, want %s", tt.copies, tt.share, got, tt.want)
		}
		none := make([]bool, 4)
		set.Apply(obs, none)
		if got := legal(s, none); got != "" {
			t.Errorf("copies %v, share %v: %s became legal", tt.copies, tt.share, got)
		}
	}
}

func legal(s *env.Spec, mask []bool) string {
	var names []string
	for a, ok := range mask {
		if ok {
			names = append(names, s.Actions[a])
		}
	}
	return strings.Join(names, " ")
}

func TestCompileRefuses(t *testing.T) {
	good := env.Guard{Name: "g", Feature: "copies", Actions: []string{"drop"}, Min: 1, Max: 2}
	with := func(change func(*env.Guard)) *env.Spec {
		g := good
		change(&g)
		return spec(g)
	}
	broken := spec(good)
	broken.Features[0].Scale = 0
	for want, s := range map[string]*env.Spec{
		`guard: rule 0 has no name`:                                          with(func(g *env.Guard) { g.Name = "" }),
		`guard: two rules "g"`:                                               spec(good, good),
		`guard: rule "g": env: Test-v0 has no feature "load"`:                with(func(g *env.Guard) { g.Feature = "load" }),
		`guard: rule "g": env: Test-v0 has no action "burn"`:                 with(func(g *env.Guard) { g.Actions = []string{"drop", "burn"} }),
		`guard: rule "g": names action 0, "hold", which is always legal`:     with(func(g *env.Guard) { g.Actions = []string{"drop", "hold"} }),
		`guard: rule "g": names no action, want at least 1`:                  with(func(g *env.Guard) { g.Actions = nil }),
		`guard: rule "g": permits from 3 to 2, want min <= max`:              with(func(g *env.Guard) { g.Min = 3 }),
		`guard: rule "g": permits from NaN to 2, want min <= max`:            with(func(g *env.Guard) { g.Min = nan }),
		`guard: rule "g": permits from 1 to NaN, want min <= max`:            with(func(g *env.Guard) { g.Max = nan }),
		`guard: rule "g": feature "copies" has offset 2 and scale 0, want f`: broken,
	} {
		_, err := Compile(s)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if set, err := Compile(spec()); err != nil || !set.Empty() {
		t.Errorf("no guards: %v, %v", set, err)
	}
}

// Whatever offset and scale, a raw value within the bounds is permitted, and
// one beyond them is forbidden unless its observation is that of a bound.
func TestRounding(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 0))
	number := func() float32 {
		switch rng.IntN(4) {
		case 0:
			return float32(rng.IntN(7) - 3)
		case 1:
			return float32(rng.IntN(200)-100) / 10
		default:
			return float32(rng.NormFloat64() * math.Pow(10, float64(rng.IntN(9)-4)))
		}
	}
	within, beyond := 0, 0
	for range 200_000 {
		f := env.Feature{Name: "x", Offset: number(), Scale: number()}
		if f.Scale == 0 {
			continue
		}
		g := env.Guard{Name: "g", Feature: "x", Actions: []string{"a"}, Min: number(), Max: number()}
		if g.Min > g.Max {
			g.Min, g.Max = g.Max, g.Min
		}
		set, err := Compile(&env.Spec{Features: []env.Feature{f}, Actions: []string{"hold", "a"}, Guards: []env.Guard{g}})
		if err != nil {
			t.Fatal(err)
		}
		raw := []float32{
			number(), g.Min, g.Max,
			math.Nextafter32(g.Min, -inf), math.Nextafter32(g.Min, inf),
			math.Nextafter32(g.Max, -inf), math.Nextafter32(g.Max, inf),
		}
		for _, raw := range raw {
			obs, mask := f.Observed(raw), []bool{true, true}
			set.Apply([]float32{obs}, mask)
			inside := g.Min <= raw && raw <= g.Max
			switch {
			case inside:
				within++
			case obs != f.Observed(g.Min) && obs != f.Observed(g.Max):
				beyond++
			default:
				continue // the observation cannot tell it from a bound
			}
			if mask[1] != inside {
				t.Fatalf("feature %+v, guard [%v, %v], raw %v, observed %v: legal %v", f, g.Min, g.Max, raw, obs, mask[1])
			}
		}
	}
	if within < 100_000 || beyond < 100_000 {
		t.Errorf("only %d values within and %d beyond the bounds were tried", within, beyond)
	}
}

func TestApplyAllocatesNothing(t *testing.T) {
	set, err := Compile(spec(env.Guard{Name: "g", Feature: "copies", Actions: []string{"drop"}, Min: 2, Max: inf}))
	if err != nil {
		t.Fatal(err)
	}
	obs, mask := make([]float32, 3), make([]bool, 4)
	if n := testing.AllocsPerRun(100, func() { set.Apply(obs, mask) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestApplyPanics(t *testing.T) {
	set, err := Compile(spec())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		want := "guard: 2 features and 4 mask entries, want 3 and 4"
		if got := fmt.Sprint(recover()); got != want {
			t.Errorf("panic %q, want %q", got, want)
		}
	}()
	set.Apply(make([]float32, 2), make([]bool, 4))
}

func TestJSON(t *testing.T) {
	for want, g := range map[string]env.Guard{
		`{"name":"a","feature":"x","actions":["drop"],"min":2,"max":null}`:     {Name: "a", Feature: "x", Actions: []string{"drop"}, Min: 2, Max: inf},
		`{"name":"b","feature":"x","actions":["drop"],"min":null,"max":0.1}`:   {Name: "b", Feature: "x", Actions: []string{"drop"}, Min: -inf, Max: 0.1},
		`{"name":"c","feature":"x","actions":["drop"],"min":-1,"max":1000}`:    {Name: "c", Feature: "x", Actions: []string{"drop"}, Min: -1, Max: 1000},
		`{"name":"d","feature":"x","actions":["d","e"],"min":null,"max":null}`: {Name: "d", Feature: "x", Actions: []string{"d", "e"}, Min: -inf, Max: inf},
	} {
		b, err := json.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		var got, back env.Guard
		if err := json.Unmarshal([]byte(want), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		if string(b) != want || !reflect.DeepEqual(got, g) || !reflect.DeepEqual(back, g) {
			t.Errorf("%+v is %s and back %+v; %s is %+v", g, b, back, want, got)
		}
	}
	var g env.Guard
	if err := json.Unmarshal([]byte(`{"name":"a","min":1}`), &g); err != nil || g.Min != 1 || g.Max != inf {
		t.Errorf("absent bound: %+v, %v", g, err)
	}
	for _, bad := range []env.Guard{{Min: nan}, {Max: nan}, {Min: inf}, {Max: -inf}} {
		if b, err := json.Marshal(bad); err == nil {
			t.Errorf("%+v is %s, want an error", bad, b)
		}
	}
}

func FuzzApply(f *testing.F) {
	f.Add(float32(1), float32(2), float32(3), float32(2), float32(0.5))
	f.Add(float32(0), float32(-1), -inf, inf, nan)
	f.Add(float32(1e30), float32(1e-30), float32(-1e38), float32(1e38), inf)
	f.Fuzz(func(t *testing.T, offset, scale, lo, hi, obs float32) {
		s := spec(env.Guard{Name: "g", Feature: "copies", Actions: []string{"drop"}, Min: lo, Max: hi})
		s.Features[0].Offset, s.Features[0].Scale = offset, scale
		set, err := Compile(s)
		if err != nil {
			return
		}
		mask, again := []bool{true, true, false, true}, []bool{true, true, false, true}
		row := []float32{obs, nan, nan}
		set.Apply(row, mask)
		set.Apply(row, again)
		if !reflect.DeepEqual(mask, again) {
			t.Errorf("%v, then %v", mask, again)
		}
		if !mask[0] || mask[2] || !mask[3] {
			t.Errorf("mask %v: an action no rule names was changed", mask)
		}
		if obs != obs && mask[1] {
			t.Error("NaN is permitted")
		}
	})
}
