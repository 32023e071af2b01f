package cluster

import (
	"testing"

	"mend/env"
	"mend/env/trace"
)

// A node is down for three hours. It is asked about first when its silence has
// lasted for the monitor's timeout, and then after each wait of 15 minutes, of
// which 11 fit in what is left of the three hours. Those questions are repeated;
// the first is not, nor one 5 minutes after a restart. The class of the shards
// that it leaves short is asked about once: it is held, and the review, after 6
// hours, comes to nothing.
func TestCounts(t *testing.T) {
	for _, restart := range []bool{false, true} {
		p := scripted(t, still(), map[int][]trace.Outage{4: {{Start: env.Hour, End: 4 * env.Hour}}})
		for asked := 0; ; {
			action := Hold
			if p.w.kind == NodeUnreachable {
				action = Wait15m
				if asked++; restart && asked == 1 {
					action = Restart
				}
			}
			if p.step(action).Truncated {
				break
			}
		}
		c := p.w.Counts()
		want := Counts{Decisions: [Kinds]uint64{NodeUnreachable: 12, ShardsAtRisk: 1}, Repeated: [Kinds]uint64{NodeUnreachable: 11}}
		if restart {
			want.Decisions[NodeUnreachable] = 13
		}
		if c.Decisions != want.Decisions || c.Repeated != want.Repeated {
			t.Errorf("restart %v: %+v, want %+v", restart, c, want)
		}
		// Down, silent, up, heard again, the horizon, and the questions.
		if questions := c.Decisions[NodeUnreachable] + c.Decisions[ShardsAtRisk]; c.Events < questions+5 || c.Events > questions+20 {
			t.Errorf("restart %v: %d events and %d questions", restart, c.Events, questions)
		}
	}
}
