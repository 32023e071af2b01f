package cluster

import (
	"slices"
	"testing"
	"time"

	"mend/env"
	"mend/env/seed"
)

// TestMonitorTwin compares what the monitor notices, and when, with the rule
// applied to each node's heartbeats, one by one: a node is lost when the last
// beat is the timeout ago, and found at the next beat. The monitor is slow and
// outages frequent, so that nodes are back for less than a heartbeat, and
// return just before or after the timeout; zones are cut off from the monitor,
// whose heartbeats are then lost.
func TestMonitorTwin(t *testing.T) {
	c := small()
	c.Monitor.Heartbeat, c.Monitor.Timeout = 10*time.Minute, 30*time.Minute
	c.Failures.Transient = Outages{MTTF: time.Hour, Median: 8 * time.Minute, Sigma: 1.2}
	c.Failures.Permanent.MTTF, c.Failures.Rack.LossProbability, c.Failures.Burst.LossProbability = 0, 0, 0
	c.Failures.Partition.MTTF, c.Failures.Partition.Median = 5*time.Hour, 20*time.Minute
	c.Horizon = 10 * days
	w := newTest(t, c)
	type change struct {
		at env.Time
		up bool
	}
	missed, total := 0, 0
	for s := range seed.Seed(3) {
		truth := make([][]change, w.nodes)     // of being heard
		noticed := make([][]env.Time, w.nodes) // lost and found in turn
		p := newPlayer(w)
		up := make([]bool, w.nodes)
		look := func() {
			for n := range int32(w.nodes) {
				if now := w.heard(n); now != up[n] {
					truth[n] = append(truth[n], change{w.now, now})
					up[n] = now
				}
				if believed := w.nodeFlags[n]&nodeUnreachable == 0; believed != (len(noticed[n])%2 == 0) {
					noticed[n] = append(noticed[n], w.now)
				}
			}
		}
		p.after = func(int32) { look() }
		for n := range up {
			up[n] = true
		}
		p.playWhole(s, hold)

		for n := range int32(w.nodes) {
			var want []env.Time
			last := w.phase(n) - w.heartbeat // the last one before the start
			k, is := 0, true
			for beat := w.phase(n); beat < w.horizon; beat += w.heartbeat {
				for ; k < len(truth[n]) && truth[n][k].at <= beat; k++ {
					is = truth[n][k].up
				}
				if !is {
					continue
				}
				if beat-last > w.timeout {
					want = append(want, last+w.timeout, beat)
				}
				last = beat
			}
			if w.horizon-last > w.timeout {
				want = append(want, last+w.timeout)
			}
			if !slices.Equal(noticed[n], want) {
				t.Fatalf("seed %d, node %d: lost and found at\n%v, want\n%v", s, n, noticed[n], want)
			}
			total += len(want)
			for i := 1; i < len(truth[n]); i++ {
				if truth[n][i-1].up && truth[n][i].at-truth[n][i-1].at < w.heartbeat {
					missed++
				}
			}
		}
	}
	if total < 1000 || missed < 100 {
		t.Errorf("%d losses and returns noticed, %d times up for less than a heartbeat; want more", total, missed)
	}
}
