package cluster

import (
	"slices"
	"testing"
	"time"

	"mend/env"
)

// suspected is a cluster of 50 nodes in which nothing happens but that, at
// time 0, the provider warns of taking node 3 away in two minutes, and does
// not.
func suspected(t *testing.T, change func(*Config)) *player {
	t.Helper()
	c := still()
	c.Topology.NodesPerRack = 5
	if change != nil {
		change(&c)
	}
	p := newPlayer(newTest(t, c))
	p.after = func(int32) {
		if err := p.w.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
	}
	p.w.begin(1)
	p.w.ledger.startStep(0)
	p.w.warned(3, 2*env.Minute)
	p.run()
	p.w.observe(p.obs, p.mask)
	return p
}

// TestSuspicion: an alarm is asked about when it is raised and after each hold
// review, 6 h, for as long as it stands, 7 d: 28 times. A cordon ends with it.
func TestSuspicion(t *testing.T) {
	p := suspected(t, nil)
	w := p.w
	var at []env.Time
	for !w.ended {
		if w.kind != NodeSuspect || w.subject != 3 {
			t.Fatalf("a question of kind %s about %d", w.kind, w.subject)
		}
		at = append(at, w.now)
		if spot := p.raw(fAlarmSpot); spot != 1 || p.raw(fAlarmScore) != 1 {
			t.Fatalf("a warning of score %g shows as %g", p.raw(fAlarmScore), spot)
		}
		if w.now == 0 {
			// ln(1 + 2 min)
			if got := p.raw(fAlarmDeadline); !within(got, 1.0986123, 1e-6) {
				t.Errorf("deadline %g, want ln 3", got)
			}
			p.step(Cordon)
			continue
		}
		if p.mask[Cordon] || w.eligible(&holders{}, 3) || !w.eligible(&holders{}, 4) {
			t.Fatal("a cordoned node takes copies, or can be cordoned again")
		}
		p.step(Hold)
	}
	if len(at) != 28 || at[27] != 27*6*env.Hour {
		t.Errorf("%d questions, the last at %d", len(at), at[len(at)-1])
	}
	if w.nodeFlags[3] != 0 || w.suspicions.standing != 0 {
		t.Errorf("flags %b after the end of the alarm", w.nodeFlags[3])
	}
}

// TestRestartLive: a suspect that is restarted is away for the restart time,
// 3 minutes, and excused: nobody asks about its silence, and no loss is counted.
func TestRestartLive(t *testing.T) {
	p := suspected(t, nil)
	w := p.w
	p.step(Restart)
	for w.kind == ShardsAtRisk { // what it holds is short of a copy for that long
		p.step(Hold)
	}
	if w.kind != NodeSuspect || w.now < 3*env.Minute || w.now > 3*env.Minute+w.heartbeat {
		t.Errorf("next a question of kind %s at %d, want one about the suspect when it is back", w.kind, w.now)
	}
	if w.losses1h != 0 || w.flaps[3] != 0 || p.mask[Restart] {
		t.Errorf("%g losses, %g flaps, restart legal: %v", w.losses1h, w.flaps[3], p.mask[Restart])
	}
	if got, want := w.ledger.dollars[partActions], w.cfg.Prices.Restart; got != want {
		t.Errorf("charged %g $, want %g", got, want)
	}
}

// TestRestartCures: a restart makes the configured share of slow nodes as fast
// as others.
func TestRestartCures(t *testing.T) {
	for _, share := range []float64{0, 1} {
		p := suspected(t, func(c *Config) {
			c.Failures.Slow.MTTF, c.Failures.Slow.RestartCures = 100*365*days, share
		})
		p.after = nil // the node has become slow for no reason
		p.w.slow[3] = 4
		p.w.q.set(p.w.timers.slowEnd+3, 10*env.Day)
		p.step(Restart)
		if cured := p.w.slow[3] == 1; cured != (share == 1) {
			t.Errorf("share %g: slow %g after a restart", share, p.w.slow[3])
		}
	}
}

// TestReplace: the machine of a suspect is exchanged within ReplaceTime; the
// copies that it held are ordered anew at once, and nobody asks about the node.
func TestReplace(t *testing.T) {
	p := suspected(t, nil)
	w := p.w
	held := w.held[3]
	p.acted = func(Action) {
		if held == 0 || w.orders != held {
			t.Errorf("%d orders for %d copies given up", w.orders, held)
		}
		if w.unreachable != 1 || w.declared != 1 || w.losses1h != 0 {
			t.Errorf("%d unreachable, %d declared, %g losses", w.unreachable, w.declared, w.losses1h)
		}
	}
	p.step(Replace)
	if !w.ended || w.nodeFlags[3] != 0 || w.ledger.lost != 0 || w.short != 0 {
		t.Errorf("a question of kind %s at %d; flags %b, %d lost, %d shards short of copies", w.kind, w.now, w.nodeFlags[3], w.ledger.lost, w.short)
	}
	if got := w.born[3]; got != 30*env.Minute {
		t.Errorf("the new machine came at %d, want after 30 min", got)
	}
	prices := w.cfg.Prices
	if got, want := w.ledger.dollars[partActions], prices.Replace+prices.Declare; got != want {
		t.Errorf("charged %g $, want %g", got, want)
	}
}

// TestReplaceGuards: a suspect that holds the last believed copy of a shard is
// not exchanged, nor one in a zone where nobody more may be declared dead.
func TestReplaceGuards(t *testing.T) {
	if p := suspected(t, func(c *Config) { c.Data.ReplicationFactor, c.Data.Quorum = 1, 1 }); p.mask[Replace] {
		t.Error("an only copy may be thrown away")
	}
	if p := suspected(t, func(c *Config) { c.Limits.ZoneDeclaredShare = 0 }); p.mask[Replace] {
		t.Error("a node may be declared dead where none may")
	}
	if p := suspected(t, nil); !p.mask[Replace] || !p.mask[Drain] || !p.mask[Cordon] || !p.mask[Restart] {
		t.Errorf("mask %v", p.mask)
	}
}

// TestFlapping: a node that returns for the third time within a week, less what
// has decayed, raises an alarm; with a threshold of 2.5, the third.
func TestFlapping(t *testing.T) {
	c := still()
	c.Suspicion.Flaps = 2.5
	p := scripted(t, c, outages(5, env.Hour, 2*env.Hour, 3*env.Hour, 4*env.Hour))
	var at []int64
	for !p.w.ended {
		if p.w.kind == NodeSuspect && p.raw(fAlarmFlapping) == 1 {
			at = append(at, int64(p.w.now/env.Hour))
		}
		p.step(Hold)
	}
	if len(at) < 2 || !slices.Equal(at[:2], []int64{3, 4}) {
		t.Errorf("alarms at hours %v, want 3 and 4 first", at)
	}
}

// TestSuspicionValidate: fields out of range are named.
func TestSuspicionValidate(t *testing.T) {
	c := DefaultConfig()
	c.Suspicion, c.Reviews.Every, c.Domains.Share = Suspicion{}, time.Second, 2
	c.Predictor = Predictor{Preset: "perfect", DriftAt: -1}
	c.Detector = Detector{Recall: 2}
	namesAll(t, c.Validate(), "suspicion.ttl", "suspicion.replace_time", "reviews.every", "domains.share",
		"predictor.preset", "predictor.drift_at", "detector.recall", "detector.slowdown", "detector.delay")
	c = DefaultConfig()
	c.Predictor = Predictor{Preset: "custom", Recall: 0.5}
	namesAll(t, c.Validate(), "predictor.precision", "predictor.lead")
	c.Predictor = Predictor{Preset: "none", DriftAt: time.Hour, DriftRecall: 0.5, DriftPrecision: 0.5}
	namesAll(t, c.Validate(), "predictor.drift_recall")
}

// TestDrainSuspect: what a suspect holds is moved away, with never a shard short
// of a copy; it takes no new ones while the alarm stands, and does so again after
// it.
func TestDrainSuspect(t *testing.T) {
	p := suspected(t, nil)
	w := p.w
	if w.held[3] == 0 {
		t.Fatal("the suspect holds nothing")
	}
	p.step(Drain)
	if w.now != 6*env.Hour || w.held[3] != 0 || p.raw(fDraining) != 1 || p.raw(fCordoned) != 1 || p.mask[Drain] || p.mask[Cordon] {
		t.Errorf("at %d it holds %d; draining %g, cordoned %g, mask %v", w.now, w.held[3], p.raw(fDraining), p.raw(fCordoned), p.mask)
	}
	for !w.ended {
		if w.eligible(&holders{}, 3) {
			t.Fatal("a draining node takes copies")
		}
		p.step(Hold)
	}
	if w.nodeFlags[3] != 0 || !w.eligible(&holders{}, 3) || w.ledger.degraded != 0 || w.ledger.repairBytes == 0 {
		t.Errorf("flags %b after the alarm, %d times short of copies, %g bytes moved", w.nodeFlags[3], w.ledger.degraded, w.ledger.repairBytes)
	}
}
