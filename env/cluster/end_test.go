package cluster

import (
	"testing"

	"mend/env/seed"
)

// TestEnd: the observation in which an episode ends is about no subject, and
// hold is all that it allows; so is that of an episode in which nothing ever
// needs a decision.
func TestEnd(t *testing.T) {
	check := func(p *player) {
		t.Helper()
		for i := fNodeUnreachable; i < featureCount; i++ {
			if raw := features[i].Raw(p.obs[i]); raw != 0 {
				t.Errorf("%s is %g, want 0", features[i].Name, raw)
			}
		}
		for a, legal := range p.mask {
			if legal != (Action(a) == Hold) {
				t.Errorf("%s is legal: %v", actions[a], legal)
			}
		}
	}
	p := newPlayer(newTest(t, small()))
	for s := range seed.Seed(3) {
		p.play(s, random(uint64(s)))
		check(p)
	}

	quiet := newPlayer(newTest(t, still()))
	quiet.reset(1)
	check(quiet)
	if o := quiet.step(Hold); !o.Truncated || o.Terminated {
		t.Errorf("a quiet episode goes on after its only step: %+v", o)
	}
	check(quiet)
}
