package exact

import (
	"context"
	"os"
	"testing"

	"mend/env/mdp"
)

// No other program has solved MultiCloud: the figures are this package's own, by
// policy iteration, the bounds of which hold whatever it does. They pin the model.
// What must hold besides: cheaper traffic makes all cheaper, and no rule that ships
// is within 2 % of the optimum.
func TestMultiCloud(t *testing.T) {
	gains := map[string]map[string]float64{}
	for preset, want := range map[string]map[string]float64{
		"C1":           {"optimal": 0.80500761, "tuned-quiet": 0.82822337, "tuned-storm": 0.83766655, "tuned": 0.86589203, "large-two-wait": 0.89386971},
		"cheap-egress": {"optimal": 0.50318776, "large-two-ahead": 0.51793347, "three-providers-wait": 0.65907625},
		"independent":  {"optimal": 0.81895505, "tuned": 0.83939019, "tuned-storm": 0.92408792},
	} {
		if preset != "cheap-egress" && os.Getenv("MEND_LONG") == "" {
			continue
		}
		c, err := mdp.PresetMultiCloud(preset)
		if err != nil {
			t.Fatal(err)
		}
		m := mdp.MultiCloud(c)
		got := map[string]float64{"optimal": optimum(t, m, Options{Span: 1e-7}).Gain}
		for _, p := range m.Policies {
			e, err := Evaluate(context.Background(), m, p.Policy, Options{Span: 1e-7})
			if err != nil {
				t.Fatalf("%s, %s: %v", preset, p.Name, err)
			}
			got[p.Name] = e.Gain
			if e.Gain < got["optimal"]*1.02 {
				t.Errorf("%s: %s costs %v $/h, within 2 %% of the optimum", preset, p.Name, e.Gain)
			}
		}
		for name, x := range want {
			near(t, preset+", "+name, got[name], x, 1e-6)
		}
		gains[preset] = got
	}
	for name, x := range gains["cheap-egress"] {
		if gains["C1"] != nil && x >= gains["C1"][name] {
			t.Errorf("%s costs %v $/h where traffic is cheap, and %v where not", name, x, gains["C1"][name])
		}
	}
}
