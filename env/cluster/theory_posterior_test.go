package cluster

import (
	"fmt"
	"math"
	"testing"
	"time"

	"mend/env"
	"mend/env/seed"
)

// permanence counts the nodes that the monitor notices after a silence, and
// those that are dead when it does. To be noticed a node must have been silent
// for the monitor's timeout: the share of the dead is the posterior of
// permanence given that silence.
type permanence struct{ noticed, dead int }

// watch counts in p's episodes.
func (x *permanence) watch(p *player) {
	w := p.w
	p.after = func(id int32) {
		if n := id - w.timers.monitor; n >= 0 && n < int32(w.nodes) && w.nodeFlags[n]&nodeUnreachable != 0 {
			x.noticed++
			if w.nodeFlags[n]&nodeDead != 0 {
				x.dead++
			}
		}
	}
}

// figure is the share of the dead, with the binomial's standard error.
func (x permanence) figure(what string, want, precision float64) figure {
	n := float64(x.noticed)
	return figure{what, float64(x.dead) / n, math.Sqrt(want * (1 - want) / n), x.noticed, want, precision}
}

// posterior is the probability that a node which has been silent for a while is
// dead: prior that of a failure's being permanent, survival the probability that
// a transient one lasts longer. Bayes' rule.
func posterior(prior, survival float64) float64 { return prior / (prior + (1-prior)*survival) }

// silences are those at which the posterior is compared, and what it is for a
// prior of 0.05 and exponential transients of 300 s, by hand.
var silences = []struct {
	after time.Duration
	want  float64
}{
	{time.Millisecond, 0.05}, {time.Minute, 0.0604015}, {5 * time.Minute, 0.1251610}, {10 * time.Minute, 0.2800046},
	{15 * time.Minute, 0.5138867}, {30 * time.Minute, 0.9550220}, {time.Hour, 0.9998833},
}

// TestPosteriorExponential: among nodes silent for t, outages being permanent
// with probability 0.05 and else exponential of mean 300 s.
func TestPosteriorExponential(t *testing.T) {
	for _, x := range silences {
		if got := posterior(0.05, math.Exp(-x.after.Seconds()/300)); !within(got, x.want, 5e-6) {
			t.Errorf("after %v: the formula gives %g, want %g", x.after, got, x.want)
		}
		silentFor(t, x.after, Outages{Exponential: 300 * time.Second}, x.want)
	}
}

// silentFor measures the posterior of nodes that are silent for a while, where
// transient outages come every 190 h and last as o says, and losses every
// 3610 h, 19 times as rarely. (Outages that overlap, and losses of nodes that are
// down already, are fewer than 1 in 1000.)
func silentFor(t *testing.T, after time.Duration, o Outages, want float64) {
	t.Helper()
	c := still()
	c.Data.ShardsPerNode, c.Data.ReplicationFactor, c.Data.Quorum = 1, 1, 1
	c.Monitor.Heartbeat, c.Monitor.Timeout = time.Millisecond, after
	c.Monitor.HoldReview = 100_000 * time.Hour
	c.Failures.Transient = o
	c.Failures.Transient.MTTF = 190 * time.Hour
	c.Failures.Permanent.MTTF = 19 * c.Failures.Transient.MTTF
	c.Failures.Replacement = time.Minute
	c.Horizon = 150_000 * time.Hour
	episodes := 10
	if long() {
		episodes = 100
	}
	var share permanence
	p := newPlayer(newTest(t, c))
	share.watch(p)
	tenfold(t, episodes, func(from, to int) []figure {
		for s := from; s < to; s++ {
			p.playWhole(seed.Seed(s), hold)
		}
		return []figure{share.figure(fmt.Sprintf("P(dead | silent for %v)", after), want, half(patience(0.05)))}
	})
}

// TestPosteriorLognormal: the same where transient outages are lognormal of
// median 3 minutes and σ = 1.25. P(longer than t) = Φ(−ln(t/median)/σ).
func TestPosteriorLognormal(t *testing.T) {
	for _, x := range silences {
		survival := 0.5 * math.Erfc(math.Log(x.after.Minutes()/3)/1.25/math.Sqrt2)
		silentFor(t, x.after, Outages{Median: 3 * time.Minute, Sigma: 1.25}, posterior(0.05, survival))
	}
}

// TestLittle: L = λW (Little, "A proof for the queuing formula L = λW", 1961),
// of nodes that are down: in number nodes × rate × mean, as long as outages
// hardly overlap. Merged ones are an M/G/∞ queue's busy periods, so exactly it
// is nodes·(1 − e^(−ρ)) with ρ = rate × mean (Takács, 1962).
func TestLittle(t *testing.T) {
	c := still()
	c.Topology.RacksPerZone = 50
	c.Data.ShardsPerNode, c.Data.ReplicationFactor, c.Data.Quorum = 1, 1, 1
	c.Monitor.HoldReview = 100_000 * time.Hour
	c.Failures.Transient = Outages{MTTF: 100 * time.Hour, Median: 15 * time.Minute, Sigma: 1}
	c.Horizon = 30_000 * time.Hour
	w := newTest(t, c)
	p := newPlayer(w)
	down := newGauge(w)
	count := func(id int32) {
		if w.now < env.Day {
			down.reset()
		}
		n := 0.0
		for i := range int32(w.nodes) {
			if !w.up(i) {
				n++
			}
		}
		down.set(n)
	}
	p.after = count
	rho := 0.25 * math.Exp(0.5) / 100 // a lognormal's mean is e^(σ²/2) medians
	var l sample
	tenfold(t, 20, func(from, to int) []figure {
		for s := from; s < to; s++ {
			p.playWhole(seed.Seed(s), hold)
			l = append(l, down.mean())
		}
		return []figure{
			l.figure("nodes down", -50*math.Expm1(-rho), half(0.02)),
			l.figure("nodes down, as if none overlapped", 50*rho, half(0.02)),
		}
	})
}

// TestBulkQueue: the orders and the repairs in flight of a zone that makes one
// copy at a time. Nodes are lost as a Poisson process, and each loss orders as
// many copies as the node held, X: a queue of M^X/D/1. With S the time of a
// repair and u = λ·E[X]·S its utilisation, an order waits
//
//	W = u·S/(2(1−u)) + (E[X²]/E[X] − 1)·S/(2(1−u))
//
// on average (Chaudhry and Templeton, "A first course in bulk queues", 1983,
// section 3.2; the first term is Pollaczek and Khinchine's). Little's law gives the orders,
// λ·E[X]·(W + S), and the repairs in flight, u. X is counted, for repairs
// spread the copies unevenly; so is the rate of orders. Of both laws the
// occupancy and the times of single orders are measured apart.
func TestBulkQueue(t *testing.T) {
	const nodes, utilisation = 400, 0.5
	c := still()
	c.Topology.RacksPerZone = nodes
	c.Data.ShardsPerNode, c.Data.ReplicationFactor, c.Data.Quorum = 1, 3, 1
	c.Data.ShardGB, c.Data.NodeGB = 1, 100
	c.Monitor.Heartbeat, c.Monitor.Timeout = time.Millisecond, time.Millisecond
	c.Failures.Replacement = time.Minute
	c.Limits.FreeSpace = 0
	const service = 1.0 // hours
	rate := utilisation / (3 * service)
	c.Failures.Permanent.MTTF = time.Duration(nodes / rate * float64(time.Hour))
	c.Repair = Repair{StreamMBps: 1000.0 / 3600, FastFactor: 1, ZoneMBps: 1000.0 / 3600, StreamsPerNode: 4}
	c.Horizon = 20_000 * time.Hour
	w := newTest(t, c)
	p := newPlayer(w)
	orders, flying := newGauge(w), newGauge(w)
	var x, x2, losses, repairs float64
	before := int32(0)
	watch := func() {
		if w.now < 200*env.Hour {
			orders.reset()
			flying.reset()
			x, x2, losses, repairs = 0, 0, 0, 0
		}
		orders.set(float64(w.orders))
		flying.set(float64(w.ledger.slow + w.ledger.fast))
		before = w.orders
	}
	p.after = func(id int32) {
		if id == w.timers.repair && w.orders < before {
			repairs += float64(before - w.orders)
		}
		watch()
	}
	p.acted = func(a Action) {
		if a == DeclareDead {
			n := float64(w.orders - before)
			x, x2, losses = x+n, x2+n*n, losses+1
		}
		watch()
	}
	episodes := 40
	if long() {
		episodes = 400
	}
	var l, f sample
	var sumX, sumX2, sumLosses, sumRepairs float64
	tenfold(t, episodes, func(from, to int) []figure {
		for s := from; s < to; s++ {
			p.playWhole(seed.Seed(s), giveUp)
			hours := (w.now - 200*env.Hour).Hours()
			l, f = append(l, orders.mean()), append(f, flying.mean())
			if !within(flying.mean(), repairs*service/hours, 0.005) { // but for those cut short
				t.Errorf("seed %d: %g repairs in flight, but %g of %g h each in %g h", s, flying.mean(), repairs, service, hours)
			}
			sumX, sumX2, sumLosses, sumRepairs = sumX+x, sumX2+x2, sumLosses+losses, sumRepairs+repairs
		}
		mean := sumX / sumLosses
		u := rate * mean * service
		wait := (u + sumX2/sumX - 1) * service / (2 * (1 - u))
		t.Logf("%.0f losses of %.3f copies each, E[X²]/E[X] = %.3f", sumLosses, mean, sumX2/sumX)
		return []figure{
			f.figure("repairs in flight", u, half(patience(0.05))),
			l.figure("orders", rate*mean*(wait+service), half(patience(0.1))),
		}
	})
}
