package cluster

import (
	"math"
	"testing"
	"time"

	"mend/env"
	"mend/env/seed"
)

// TestMeanDelay: with a heartbeat every h and a timeout T an outage is noticed
// after a time uniform on [T − h, T): its mean is T − h/2, its variance h²/12.
// HDFS waits for 630 s at 3 s, Kubernetes for 40 s at 10 s.
func TestMeanDelay(t *testing.T) {
	for _, x := range []struct {
		name               string
		heartbeat, timeout time.Duration
		want               float64 // seconds
	}{
		{"HDFS", 3 * time.Second, 630 * time.Second, 628.5},
		{"Kubernetes", 10 * time.Second, 40 * time.Second, 35},
	} {
		c := still()
		c.Monitor.Heartbeat, c.Monitor.Timeout = x.heartbeat, x.timeout
		c.Failures.Transient = Outages{MTTF: 20 * time.Hour, Median: 2 * time.Hour, Sigma: 0.5}
		c.Horizon = 100 * days
		w := newTest(t, c)
		p := newPlayer(w)
		since := make([]env.Time, w.nodes)
		wasUp := false
		p.before = func(id int32) {
			if n := w.struck(transient, id); n >= 0 {
				wasUp = w.up(int32(n))
			}
		}
		h := x.heartbeat.Seconds()
		var delays, squares sample
		p.after = func(id int32) {
			if n := w.struck(transient, id); n >= 0 && wasUp {
				since[n] = w.now
			}
			if n := id - w.timers.monitor; n >= 0 && n < int32(w.nodes) && w.nodeFlags[n]&nodeUnreachable != 0 {
				d := (w.now - since[n]).Seconds()
				delays, squares = append(delays, d), append(squares, (d-x.want)*(d-x.want))
			}
		}
		tenfold(t, 10, func(from, to int) []figure {
			for s := from; s < to; s++ {
				p.playWhole(seed.Seed(s), hold)
			}
			// That the mean be known to a hundredth of h.
			return []figure{
				delays.figure(x.name+": delay, s", x.want, min(half(0.03), h/100/x.want)),
				squares.figure(x.name+": its variance, s²", h*h/12, half(0.03)),
			}
		})
		if d, limit := ks(delays, func(d float64) float64 { return (d-x.want)/h + 0.5 }), 1.95/math.Sqrt(float64(len(delays))); d > limit {
			t.Errorf("%s: delays are %.4f from uniform, want at most %.4f", x.name, d, limit)
		}
	}
}
