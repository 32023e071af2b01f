package cluster

import (
	"math"
	"strings"
	"testing"
	"time"

	"mend/env"
	"mend/env/trace"
)

// outages are those of node n, 10 minutes each, from those times on.
func outages(n int, starts ...env.Time) map[int][]trace.Outage {
	m := map[int][]trace.Outage{}
	for _, at := range starts {
		m[n] = append(m[n], trace.Outage{Start: at, End: at + 10*env.Minute})
	}
	return m
}

// together takes nodes first to end−1 down from 1 h on, for the given time, and
// the last stay of them for ever.
func together(first, end, stay int, length env.Time) map[int][]trace.Outage {
	m := map[int][]trace.Outage{}
	for n := first; n < end; n++ {
		o := trace.Outage{Start: env.Hour, End: env.Hour + length}
		if n >= end-stay {
			o.End = env.Never / 2
		}
		m[n] = []trace.Outage{o}
	}
	return m
}

func namesAll(t *testing.T, err error, names ...string) {
	t.Helper()
	for _, name := range names {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}

// vanishing is 100 nodes, in racks of 10 and zones of 50, of two zones, in
// which only what a script says happens.
func vanishing() Config {
	c := still()
	c.Topology = DefaultConfig().Topology
	c.Domains = defaultDomains()
	c.Horizon = 3 * days
	return c
}

// asks counts the questions of an episode by kind, and lists those about
// domains.
func asks(t *testing.T, p *player, policy func(*player) Action) (kinds [kinds]int, domains []int32) {
	t.Helper()
	p.after = func(int32) {
		if err := p.w.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
	}
	for !p.w.ended {
		kinds[p.w.kind]++
		if p.w.kind == DomainUnreachable {
			domains = append(domains, p.w.subject)
		}
		p.step(policy(p))
	}
	return kinds, domains
}

// TestDomainQuestions: nodes that vanish together are one question. Racks are domains 0
// to 9, zones 10 and 11, the region 12.
func TestDomainQuestions(t *testing.T) {
	for _, x := range []struct {
		what            string
		first, end      int
		domain          int32 // or none
		nodes           int   // questions about single nodes
		members, levels float64
	}{
		{"a rack", 20, 30, 2, 0, 10, 1},
		{"half of a rack", 20, 25, 2, 0, 5, 1},
		{"less than half of a rack", 20, 24, none, 4, 0, 0},
		{"half of a zone", 50, 75, 11, 0, 25, 2},
		// Of racks 5 and 6, a node of 6 happens to be noticed first.
		{"two racks of a zone, so one question each", 50, 70, 6, 0, 10, 1},
		{"a zone, which is half of the region", 0, 50, 12, 0, 50, 3},
		{"49 nodes, of which a zone, but not the region, has half", 0, 49, 10, 0, 49, 2},
	} {
		p := scripted(t, vanishing(), together(x.first, x.end, 0, 4*env.Hour))
		if x.domain != none {
			if p.w.kind != DomainUnreachable || p.w.subject != x.domain || p.raw(fDomainLevel) != x.levels {
				t.Errorf("%s: a question of kind %s about %d, level %g", x.what, p.w.kind, p.w.subject, p.raw(fDomainLevel))
			}
			if got := p.raw(fDomainNodes); !within(got, math.Log1p(x.members), 1e-6) {
				t.Errorf("%s: ln(1+members) is %g, want that of %g", x.what, got, x.members)
			}
			// Asked one heartbeat interval after the first loss is noticed.
			if late := p.w.now - env.Hour - p.w.timeout; late > p.w.heartbeat || late < 0 {
				t.Errorf("%s: asked %d us after the timeout", x.what, late)
			}
		}
		k, domains := asks(t, p, hold)
		if k[NodeUnreachable] != x.nodes || x.domain == none && len(domains) > 0 || x.domain != none && domains[0] != x.domain {
			t.Errorf("%s: %d questions about nodes, want %d; about domains %v", x.what, k[NodeUnreachable], x.nodes, domains)
		}
		if want := map[bool]int{true: 1}[x.domain != none] + map[bool]int{true: 1}[x.end-x.first == 20]; len(domains) != want {
			t.Errorf("%s: questions about domains %v, want %d", x.what, domains, want)
		}
	}
}

// TestDomainActions: after waits the domain is asked about again; failing over
// is charged for each node, once; declaring orders the repair of all that its
// members held.
func TestDomainActions(t *testing.T) {
	p := scripted(t, vanishing(), together(20, 30, 0, 48*env.Hour))
	w := p.w
	at := w.now
	p.step(Wait15m)
	for w.kind == ShardsAtRisk {
		p.step(Hold)
	}
	if w.kind != DomainUnreachable || w.now != at+15*env.Minute {
		t.Fatalf("a question of kind %s at %d, want the domain after 15 min", w.kind, w.now)
	}
	p.step(FailOver)
	if got := w.ledger.dollars[partActions]; !within(got, 10*w.cfg.Prices.FailOver, 1e-9) {
		t.Errorf("charged %g $ for 10 nodes at %g $", got, w.cfg.Prices.FailOver)
	}
	for w.kind == ShardsAtRisk {
		p.step(Hold)
	}
	if w.kind != DomainUnreachable || p.mask[FailOver] || p.raw(fFailedOver) != 1 {
		t.Errorf("a question of kind %s, fail over legal: %v", w.kind, p.mask[FailOver])
	}
	if got := p.raw(fZoneDeclaredAfter); !within(got, 0.2, 1e-6) { // 10 of 50
		t.Errorf("%g of the zone would be declared, want 0.2", got)
	}
	p.step(DeclareDead)
	k, domains := asks(t, p, hold)
	if w.declared != 0 || k[NodeUnreachable] > 0 || len(domains) > 0 || w.ledger.repairBytes == 0 {
		t.Errorf("%d declared at the end, %v questions, domains %v, %g bytes repaired", w.declared, k, domains, w.ledger.repairBytes)
	}
}

// TestDomainGuard: a domain that is more of a zone than may be declared dead is
// not.
func TestDomainGuard(t *testing.T) {
	for share, legal := range map[float64]bool{0.19: false, 0.2: true} {
		c := vanishing()
		c.Limits.ZoneDeclaredShare = share
		if p := scripted(t, c, together(20, 30, 0, env.Hour)); p.mask[DeclareDead] != legal {
			t.Errorf("10 of 50 with a limit of %g: legal %v", share, p.mask[DeclareDead])
		}
	}
}

// TestDomainEnds: when so many are back that the domain no longer qualifies,
// those that are not are asked about one by one.
func TestDomainEnds(t *testing.T) {
	p := scripted(t, vanishing(), together(20, 30, 3, 4*env.Hour))
	w := p.w
	k, domains := asks(t, p, func(p *player) Action {
		if p.w.kind == NodeUnreachable {
			if n := p.w.subject; n < 27 || n > 29 || p.w.now < 5*env.Hour || p.w.now > 5*env.Hour+3*w.heartbeat {
				t.Errorf("asked about node %d at %d", n, p.w.now)
			}
			return DeclareDead
		}
		return Hold
	})
	if k[NodeUnreachable] != 3 || len(domains) != 1 {
		t.Errorf("%d questions about nodes, want 3; about domains %v", k[NodeUnreachable], domains)
	}
}

// TestNoDomains: with a share of 0 every node is asked about at once.
func TestNoDomains(t *testing.T) {
	c := vanishing()
	c.Domains.Share = 0
	p := scripted(t, c, together(20, 30, 0, 4*env.Hour))
	if p.w.now > env.Hour+p.w.timeout {
		t.Errorf("first asked at %d", p.w.now)
	}
	if k, domains := asks(t, p, hold); k[NodeUnreachable] != 10 || len(domains) > 0 {
		t.Errorf("%d questions about nodes, want 10; about domains %v", k[NodeUnreachable], domains)
	}
}

// TestReviews: a review when a burst begins, one when it ends or a backlog
// begins or ends, one every 15 minutes as long as either lasts, and none
// otherwise.
func TestReviews(t *testing.T) {
	c := vanishing()
	c.Reviews = defaultReviews()
	p := scripted(t, c, together(20, 30, 0, 4*env.Hour))
	w := p.w
	last, regimes := env.Time(-1), []uint8{}
	k, _ := asks(t, p, func(p *player) Action {
		switch w.kind {
		case ClusterReview:
			if w.now < env.Hour || w.now > 48*env.Hour {
				t.Errorf("a review at %d", w.now)
			}
			n := len(regimes)
			if n > 0 && regimes[n-1] == 0 && w.review.regime == 0 {
				t.Errorf("a review of nothing at %d", w.now)
			}
			if same := n > 0 && regimes[n-1] == w.review.regime; same && w.now != last+15*env.Minute || n > 0 && w.now > last+15*env.Minute && regimes[n-1] != 0 {
				t.Errorf("regime %b: reviews at %d and %d", w.review.regime, last, w.now)
			}
			last, regimes = w.now, append(regimes, w.review.regime)
			if p.mask[ThrottleUp] != (w.throttle < 3) || p.mask[ThrottleDown] != (w.throttle > 0) {
				t.Errorf("throttle %d: mask %v", w.throttle, p.mask)
			}
			if w.throttle > 0 {
				return ThrottleDown
			}
		case DomainUnreachable:
			if p.mask[DeclareDead] && w.now > env.Hour+20*env.Minute {
				return DeclareDead
			}
			return Wait15m
		}
		return Hold
	})
	seen := map[uint8]bool{}
	for _, r := range regimes {
		seen[r] = true
	}
	if k[ClusterReview] < 5 || !seen[regimeBurst] || !seen[regimeBacklog] || regimes[len(regimes)-1] != 0 {
		t.Errorf("reviews of regimes %b", regimes)
	}
	if w.throttle != 0 {
		t.Errorf("throttle %d after so many steps down", w.throttle)
	}
	c.Reviews.Every = time.Duration(0)
	if k, _ := asks(t, scripted(t, c, together(20, 30, 0, 4*env.Hour)), hold); k[ClusterReview] != 0 {
		t.Errorf("%d reviews where there are none", k[ClusterReview])
	}
}
