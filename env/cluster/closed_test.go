package cluster

import (
	"math"
	"testing"
	"time"

	"mend/env"
	"mend/env/seed"
)

// TestDetectionDelay: from an outage to the monitor's noticing it takes a time
// that is uniform on [T − h, T), T − h/2 on average: the last heartbeat was up
// to h before the outage, and T after it the node counts as unreachable.
func TestDetectionDelay(t *testing.T) {
	c := still()
	c.Monitor.Heartbeat, c.Monitor.Timeout = 3*time.Second, 630*time.Second // HDFS: 628.5 s on average
	c.Failures.Transient = Outages{MTTF: 20 * time.Hour, Median: 2 * time.Hour, Sigma: 0.5}
	c.Horizon = 1000 * days
	w := newTest(t, c)
	p := newPlayer(w)
	since := make([]env.Time, w.nodes)
	wasUp := false
	var delays sample
	p.before = func(id int32) {
		if n := w.struck(transient, id); n >= 0 {
			wasUp = w.up(int32(n))
		}
	}
	p.after = func(id int32) {
		if n := w.struck(transient, id); n >= 0 && wasUp {
			since[n] = w.now
		}
		if n := id - w.timers.monitor; n >= 0 && n < int32(w.nodes) && w.nodeFlags[n]&nodeUnreachable != 0 {
			d := w.now - since[n]
			if d < w.timeout-w.heartbeat || d >= w.timeout {
				t.Fatalf("node %d was noticed after %g s", n, d.Seconds())
			}
			delays = append(delays, d.Seconds())
		}
	}
	p.playWhole(1, hold)
	delays.near(t, "detection delay, s", 628.5, 1e-4)
	d := ks(delays, func(x float64) float64 { return (x - 627) / 3 })
	if limit := 1.95 / math.Sqrt(float64(len(delays))); d > limit || len(delays) < 5000 {
		t.Errorf("%d delays are %.4f from uniform, want at most %.4f, and at least 5000 delays", len(delays), d, limit)
	}
}

// kOfN is the probability that at least k of n independent nodes are up.
func kOfN(k, n int, up float64) float64 {
	sum, choose := 0.0, 1.0 // choose = C(n, i)
	for i := range n + 1 {
		if i >= k {
			sum += choose * math.Pow(up, float64(i)) * math.Pow(1-up, float64(n-i))
		}
		choose *= float64(n-i) / float64(i+1)
	}
	return sum
}

// TestAvailability: the share of time with a quorum of readable copies, under
// do-nothing and outages with exponential gaps.
//
// An outage that strikes a node already down prolongs it, so a node is down
// while any outage covers the present: the number of these is Poisson of mean
// ρ = E[duration]/MTTF (M/G/∞; Takács, 1962), whatever the law of durations,
// and A = e^(−ρ). That is MTTF/(MTTF + MTTR) with MTTR the mean of a merged
// outage, (e^ρ − 1)·MTTF: an M/G/∞ busy period. Copies in different racks are
// independent, so k of n are up with the binomial's tail.
func TestAvailability(t *testing.T) {
	// The formula itself, as published: 2 of 3 at A = 0.99 (2.98e-4 by hand:
	// 3·0.01²·0.99 + 0.01³), 3 of 5 at 0.999.
	if got := 1 - kOfN(2, 3, 0.99); !within(got, 2.98e-4, 1e-9) {
		t.Fatalf("2 of 3 at 0.99: %g", got)
	}
	if got := 1 - kOfN(3, 5, 0.999); !within(got, 9.985006e-9, 1e-6) {
		t.Fatalf("3 of 5 at 0.999: %g", got)
	}
	for _, x := range []struct {
		name           string
		factor, quorum int
		sigma          float64
		rho            float64
		precision      float64 // of the unavailability
	}{
		{"1 of 1, constant durations", 1, 1, 0, 0.05, 0.01},
		{"1 of 1, lognormal durations", 1, 1, 1.25, 0.05, 0.02},
		{"1 of 1, long outages", 1, 1, 0.5, 1, 0.01},
		{"2 of 3", 3, 2, 1.25, 0.1, 0.03},
		{"1 of 3", 3, 1, 0.5, 0.3, 0.05},
		{"3 of 5", 5, 3, 0.5, 0.2, 0.05},
	} {
		c := still()
		c.Data.ShardsPerNode, c.Data.ReplicationFactor, c.Data.Quorum = 4, x.factor, x.quorum
		median := 30 * time.Minute
		mean := median.Hours() * math.Exp(x.sigma*x.sigma/2)
		mttf := time.Duration(mean / x.rho * float64(time.Hour))
		c.Failures.Transient = Outages{MTTF: mttf, Median: median, Sigma: x.sigma}
		c.Horizon = 300 * mttf
		w := newTest(t, c)
		p := newPlayer(w)
		var unavailability sample
		for s := range seed.Seed(40) {
			p.play(s, hold)
			m := w.Measure(nil)[7]
			unavailability = append(unavailability, 1-m.Num/m.Den)
		}
		unavailability.near(t, x.name+": unavailability", 1-kOfN(x.quorum, x.factor, math.Exp(-x.rho)), x.precision)
	}
}

// TestOfferedRates: gaps of every process are exponential with the configured
// mean, durations lognormal, and a burst strikes 1 + a geometric number of
// nodes, no more than the rack has.
func TestOfferedRates(t *testing.T) {
	c := rackBursts()
	c.Failures.Rack.MTTF = 1000 * time.Hour
	c.Horizon = 100 * days
	w := newTest(t, c)
	p := newPlayer(w)
	var gaps [processes]sample
	var durations sample // ln(minutes) of transient outages of nodes that were up
	sizes := make([]int, w.nodesPerRack+1)
	bursts := 0
	up := make([]bool, w.nodesPerRack)
	p.before = func(id int32) {
		if rack := w.struck(burst, id); rack >= 0 {
			for i := range up {
				up[i] = w.up(int32(rack*w.nodesPerRack + i))
			}
		}
	}
	p.after = func(id int32) {
		for k := range processes {
			if slot := w.struck(k, id); slot >= 0 {
				// The timer is set for the next one now: no gap is censored.
				gaps[k] = append(gaps[k], (w.q.at[id]-w.now).Hours()/w.laws[k].mean)
			}
		}
		if rack := w.struck(burst, id); rack >= 0 {
			size, all := 0, true
			for i := range up {
				all = all && up[i]
				if up[i] && !w.up(int32(rack*w.nodesPerRack+i)) {
					size++
				}
			}
			if all {
				sizes[size]++
				bursts++
			}
		}
		if n := w.struck(transient, id); n >= 0 {
			f := w.failure(transient, uint32(n), w.ordinal[transient][n]-1)
			durations = append(durations, math.Log(w.cfg.Failures.Transient.duration(f.At(drawDuration, 0)).Hours()*60))
		}
	}
	for s := range seed.Seed(20) {
		p.playWhole(s, hold)
	}
	for k := range processes {
		if w.slots(k) == 0 {
			continue
		}
		precision := 0.1
		if k == transient {
			precision = 0.02
		}
		gaps[k].near(t, k.String()+": gap, in units of its mean", 1, precision)
		d := ks(gaps[k], func(x float64) float64 { return -math.Expm1(-x) })
		if limit := 1.95 / math.Sqrt(float64(len(gaps[k]))); d > limit {
			t.Errorf("%s: gaps are %.4f from exponential, want at most %.4f", k, d, limit)
		}
	}
	// Lognormal of median 3 min and σ = 1.25.
	normal := func(x float64) float64 { return 0.5 * math.Erfc(-(x-math.Log(3))/1.25/math.Sqrt2) }
	if d, limit := ks(durations, normal), 1.95/math.Sqrt(float64(len(durations))); d > limit {
		t.Errorf("durations are %.4f from lognormal, want at most %.4f", d, limit)
	}
	// P(size = k) = (1/4)(3/4)^(k−1) for k < 10, the rest 10; the mean is
	// 4·(1 − (3/4)¹⁰) = 3.7747. χ² of 9 degrees of freedom exceeds 27.88 once
	// in 1000 times.
	chi2, mean := 0.0, 0.0
	for k := 1; k <= 10; k++ {
		share := 0.25 * math.Pow(0.75, float64(k-1))
		if k == 10 {
			share = math.Pow(0.75, 9)
		}
		want := share * float64(bursts)
		chi2 += (float64(sizes[k]) - want) * (float64(sizes[k]) - want) / want
		mean += float64(k*sizes[k]) / float64(bursts)
	}
	t.Logf("%d bursts of %.3f nodes on average, sizes %v, chi² %.1f", bursts, mean, sizes[1:], chi2)
	if chi2 > 27.88 || bursts < 500 || sizes[0] > 0 {
		t.Errorf("burst sizes %v of %d bursts: chi² %.1f, want at most 27.88", sizes, bursts, chi2)
	}
}

// TestBurstShare measures what RackBursts-v0 claims: 37 % of node failures are
// in a burst of two or more within 120 s, as Ford et al. (OSDI 2010) count
// them, anywhere in the cluster. A failure is a node's going from up to down.
func TestBurstShare(t *testing.T) {
	c := rackBursts()
	w := newTest(t, c)
	p := newPlayer(w)
	up := make([]bool, w.nodes)
	var times []env.Time
	p.before = func(id int32) {
		if id < w.timers.batch {
			for n := range up {
				up[n] = w.up(int32(n))
			}
		}
	}
	p.after = func(id int32) {
		if id < w.timers.batch {
			for n := range up {
				if up[n] && !w.up(int32(n)) {
					times = append(times, w.now)
				}
			}
		}
	}
	// By episode: failures, and those together with others.
	var all, together sample
	episodes := seed.Seed(250)
	if long() {
		episodes = 5000
	}
	for s := range episodes {
		times = times[:0]
		p.playWhole(s, hold)
		n := 0
		for i, at := range times {
			if i > 0 && at-times[i-1] <= 120*env.Second || i+1 < len(times) && times[i+1]-at <= 120*env.Second {
				n++
			}
		}
		all, together = append(all, float64(len(times))), append(together, float64(n))
	}
	share := together.mean() / all.mean()
	residual := make(sample, len(all)) // of the ratio estimator
	for i := range all {
		residual[i] = (together[i] - share*all[i]) / all.mean()
	}
	t.Logf("share in bursts %.4f ± %.4f, of %.1f failures an episode", share, residual.se(), all.mean())
	if se := residual.se(); math.Abs(share-0.37) > 0.02 || se > 0.005 {
		t.Errorf("share in bursts %.4f ± %.4f, want 0.37 ± 0.02", share, se)
	}
}

// TestRestart: a restart ends RestartTime later the configured share of
// outages that would last longer, and no others: not those of the rack, nor a
// node's death.
func TestRestart(t *testing.T) {
	c := rackBursts()
	c.Failures.Permanent.MTTF /= 5
	c.Failures.Rack.MTTF = 2000 * time.Hour
	w := newTest(t, c)
	p := newPlayer(w)
	var cured sample
	beyond := 0
	policy := func(p *player) Action {
		if w.kind != NodeUnreachable || !p.mask[Restart] {
			return Hold
		}
		n := w.subject
		until, set := w.q.at[w.timers.returns+n], w.q.pending(w.timers.returns+n)
		down := !w.up(n)
		return func() Action {
			p.acted = func(Action) {
				now := w.q.at[w.timers.returns+n]
				switch {
				case !set:
					if now != until || down == w.up(n) {
						t.Fatalf("node %d, in no outage of its own: the restart changed something", n)
					}
					if down {
						beyond++
					}
				case until <= w.now+3*env.Minute:
					if now != until {
						t.Fatalf("node %d: a restart moved the return from %d to %d", n, until, now)
					}
				case now == until:
					cured = append(cured, 0)
				case now == w.now+3*env.Minute:
					cured = append(cured, 1)
				default:
					t.Fatalf("node %d: a restart moved the return from %d to %d", n, until, now)
				}
				p.acted = nil
			}
			return Restart
		}()
	}
	p.acted = func(Action) {}
	p.after = func(int32) {} // hooks stay on
	for s := range seed.Seed(40) {
		p.play(s, policy)
	}
	cured.near(t, "share cured", 0.226, 0.05)
	if beyond < 50 {
		t.Errorf("only %d restarts of nodes that are dead or whose rack is down", beyond)
	}
}
