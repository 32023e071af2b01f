package cluster

import (
	"math"
	"strings"
	"testing"
	"time"

	"mend/env"
	"mend/env/seed"
)

// twoTiers has hot and cold data.
var twoTiers = []Tier{{"hot", 0.25, 8}, {"cold", 0.75, 0.5}}

// TestEqualTiers: two tiers of value 1 are asked about apart, and that is all: under
// a rule for which it makes no difference, what happens and what it costs is the
// same as without.
func TestEqualTiers(t *testing.T) {
	play := func(tiers []Tier) ([]env.Ratio, map[string]int64) {
		c := withLoad(small())
		c.Data.MaxFactor, c.Data.Tiers, c.Horizon = 5, tiers, 10*days
		w := newTest(t, c)
		newPlayer(w).play(2, giveUp)
		return w.Measure(nil), Asked(w)
	}
	without, few := play(nil)
	with, more := play([]Tier{{"a", 0.4, 1}, {"b", 0.6, 1}})
	for i, m := range metricsOf(true) {
		if a, b := without[i], with[i]; m.Name != "decisions_per_day" && (!within(a.Num, b.Num, 1e-9) || !within(a.Den, b.Den, 1e-9)) {
			t.Errorf("%s: %v without tiers, %v with two", m.Name, a, b)
		}
	}
	risk, review := ShardsAtRisk.String(), ClusterReview.String()
	if few[risk] == 0 || more[risk] <= few[risk] || more[review] != 2*few[review] {
		t.Errorf("questions without tiers %v, with two %v", few, more)
	}
}

// TestTierSizes: tiers share all shards out, in order, as near as whole shards
// can.
func TestTierSizes(t *testing.T) {
	for _, shards := range []int{1, 2, 3, 7, 1000, 100_000_000} {
		list := []Tier{{"a", 0.1, 2}, {"b", 0.2, 3}, {"c", 0.3, 4}, {"d", 0.4, 5}}
		x := newTiers(list, shards)
		next := int32(0)
		sum := 0.0
		for k := range list {
			first, end := x.span(k)
			sum += list[k].Share * float64(shards)
			if first != next || math.Abs(float64(end)-sum) > 0.5+1e-6 {
				t.Errorf("%d shards: tier %d is %d to %d, want %d to %g", shards, k, first, end, next, sum)
			}
			if end > first && (x.of(first) != k || x.of(end-1) != k) {
				t.Errorf("%d shards: shards %d and %d are of tiers %d and %d, want %d", shards, first, end-1, x.of(first), x.of(end-1), k)
			}
			next = end
		}
		if int(next) != shards {
			t.Errorf("%d shards are shared out, want %d", next, shards)
		}
	}
}

// TestTiersAtRisk: shards that a lost node leaves at risk are asked about by
// tier, with what the tier is worth.
func TestTiersAtRisk(t *testing.T) {
	w := begun(t, func(c *Config) { c.Data.Tiers = twoTiers })
	w.vanish(0)
	shards := map[int]int32{}
	for k := range int32(w.classes()) {
		if n := w.classSize(k); n > 0 {
			x := w.classAt(k)
			shards[x.tier] += n
			if x.copies != 2 || !x.awaited || w.classIndex(x) != int8(k) {
				t.Errorf("class %d is %+v with %d shards", k, x, n)
			}
			obs := make(observation, featureCount)
			w.observeClass(k, obs)
			raw := func(f int) float64 { return float64(features[f].Raw(obs[f])) }
			if got, want := raw(fTierValue), math.Log(twoTiers[x.tier].Value); !within(got, want, 1e-6) {
				t.Errorf("tier %d is worth e^%g, want e^%g", x.tier, got, want)
			}
			if share, target := raw(fTierShare), raw(fTierTarget); math.Abs(share-twoTiers[x.tier].Share) > 0.5/float64(w.shards)+1e-6 || target != 3 {
				t.Errorf("tier %d: share %g, target %g, want %g and 3", x.tier, share, target, twoTiers[x.tier].Share)
			}
		}
	}
	if shards[0] == 0 || shards[1] == 0 || shards[0]+shards[1] != w.held[0] {
		t.Errorf("%v shards at risk by tier, want %d in all", shards, w.held[0])
	}
}

// TestTierLoss: what is lost costs as much as its tier is worth.
func TestTierLoss(t *testing.T) {
	w := begun(t, func(c *Config) { c.Data.Tiers, c.Failures.Replacement = twoTiers, 1000*time.Hour })
	for n := range int32(w.nodes) {
		w.die(n, 1)
	}
	first, _ := w.tiers.span(1)
	perShard := w.cfg.Data.ShardGB / 1000 * w.cfg.Prices.LossPerTB
	want := perShard * (8*float64(first) + 0.5*float64(w.shards-int(first)))
	if got := w.ledger.dollars[partLoss]; !within(got, want, 1e-9) || w.ledger.lost != int64(w.shards) {
		t.Errorf("%d shards are lost for %g $, want %d for %g", w.ledger.lost, got, w.shards, want)
	}
}

// TestTierReview: a review asks about each tier, and the first time about the
// throttle; a higher target orders copies of that tier's shards.
func TestTierReview(t *testing.T) {
	c := small()
	c.Data.MaxFactor, c.Data.Tiers, c.Reviews.Every = 4, twoTiers, time.Hour
	p := newPlayer(newTest(t, c))
	w := p.w
	raised := false
	for s := seed.Seed(0); s < 3 && !raised; s++ {
		for p.reset(s); !w.ended && !raised; {
			if w.kind != ClusterReview {
				p.step(Hold)
				continue
			}
			if w.subject != 0 {
				t.Fatalf("seed %d: a review begins with tier %d", s, w.subject)
			}
			at := w.now
			if p.step(Hold); w.kind != ClusterReview || w.subject != 1 || w.now != at {
				t.Fatalf("seed %d: question %v about %d at %d follows the first one of a review at %d", s, w.kind, w.subject, w.now, at)
			}
			if p.mask[ThrottleDown] || p.mask[ThrottleUp] {
				t.Error("the second question of a review is about the throttle")
			}
			if raised = p.mask[TargetUp]; raised {
				first, end := w.tiers.span(1)
				if p.step(TargetUp); w.tierTarget != [maxTiers]int32{3, 4} || w.tierWants[1][4] != end-first || w.tierWants[0][3] != first {
					t.Errorf("targets %v, copies wanted %v", w.tierTarget, w.tierWants)
				}
			}
		}
	}
	if !raised {
		t.Error("no review in which a target could be raised")
	}
}

// TestBadTiers: what is wrong with tiers is said by name.
func TestBadTiers(t *testing.T) {
	for want, tiers := range map[string][]Tier{
		"data.tiers is 0.5":     {{"a", 0.5, 1}},
		"data.tiers[1].name":    {{"a", 0.5, 1}, {"a", 0.5, 1}},
		"data.tiers[0].name":    {{"", 1, 1}},
		"data.tiers[0].share":   {{"a", 0, 1}, {"b", 1, 1}},
		"data.tiers[0].value":   {{"a", 1, math.NaN()}},
		"data.tiers is 5 tiers": {{"a", 0.2, 1}, {"b", 0.2, 1}, {"c", 0.2, 1}, {"d", 0.2, 1}, {"e", 0.2, 1}},
	} {
		c := small()
		c.Data.Tiers = tiers
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want one with %q", tiers, err, want)
		}
	}
}

// TestTargetsToAndFro: a policy that takes back in each review what it did in the
// last one cannot keep the world at one time.
func TestTargetsToAndFro(t *testing.T) {
	c := small()
	c.Data.MaxFactor, c.Data.Tiers, c.Reviews.Every, c.Horizon = 4, twoTiers, time.Hour, 10*days
	p := newPlayer(newTest(t, c))
	reviews, up := 0, [maxTiers]bool{}
	p.play(3, func(p *player) Action {
		if p.w.kind != ClusterReview {
			return Hold
		}
		if reviews++; reviews > 10_000 {
			t.Fatalf("%d reviews until %d", reviews, p.w.now)
		}
		k := p.w.subject
		if up[k] = !up[k] && p.mask[TargetUp]; up[k] {
			return TargetUp
		}
		if p.mask[TargetDown] {
			return TargetDown
		}
		return Hold
	})
	// One each 5 minutes for each tier, and as many again for what goes on besides.
	if most := int(c.Horizon/(5*time.Minute)) * 2 * len(c.Data.Tiers); reviews > most || reviews < 100 {
		t.Errorf("%d reviews, want 100 to %d", reviews, most)
	}
}
