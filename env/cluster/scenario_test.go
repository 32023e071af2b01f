package cluster_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"mend/configs"
	"mend/env/cluster"
)

// TestScenario: the worlds that the tests of this package play as Steady-v0
// and RackBursts-v0 are these.
func TestScenario(t *testing.T) {
	want := map[string]cluster.Config{"Steady-v0": cluster.DefaultConfig(), "RackBursts-v0": cluster.RackBursts()}
	found := 0
	for _, s := range configs.Scenarios() {
		if err := s.Cluster.Validate(); err != nil {
			t.Errorf("%s: %v", s.ID, err)
		}
		if c, ok := want[s.ID]; ok {
			found++
			if d := cmp.Diff(c, *s.Cluster); d != "" {
				t.Errorf("%s: -tests +scenario\n%s", s.ID, d)
			}
		}
	}
	if found != len(want) {
		t.Errorf("%d of %d scenarios found", found, len(want))
	}
}
