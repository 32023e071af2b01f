package cluster

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"mend/env"
	"mend/env/seed"
	"mend/env/trace"
)

// everything is a small cluster in which every process strikes often.
func everything() Config {
	c := small()
	c.Topology = Topology{Regions: 3, ZonesPerRegion: 2, RacksPerZone: 3, NodesPerRack: 2}
	c.Data.ShardsPerNode = 2
	c.Data.MaxFactor = 5
	c.Data.Tiers = []Tier{{"hot", 0.25, 10}, {"cold", 0.75, 0.5}}
	c.Horizon = 3 * days
	f := &c.Failures
	f.Transient.Shape, f.Transient.TailShare, f.Transient.TailIndex = 0.5, 0.1, 1
	f.Maintenance.Shape = 2
	f.Lemons = Lemons{Share: 0.2, Factor: 4}
	f.Permanent.Hazard, f.Permanent.MTTF = HazardBathtub, 200*time.Hour
	f.Permanent.Models = []MachineModel{{Share: 0.2, Factor: 5}, {Share: 0.1, Factor: 0}}
	f.Slow.MTTF, f.Slow.Exponential, f.Slow.RestartCures = 40*time.Hour, 10*time.Hour, 0.5
	f.Spot.MTTF, f.Spot.Share, f.Spot.Median = 30*time.Hour, 0.4, 10*time.Minute
	f.Burst.WideProbability = 0.3
	f.Rack.Outages = Outages{MTTF: 200 * time.Hour, Shape: 0.7, Offset: time.Hour, Exponential: 2 * time.Hour}
	f.PDU.MTTF, f.Zone.MTTF, f.Region.MTTF, f.Provider.MTTF = 100*time.Hour, 100*time.Hour, 60*time.Hour, 60*time.Hour
	f.RegionsPerProvider = 2 // two, of two regions and of one
	f.Partition.MTTF, f.Partition.Median = 40*time.Hour, 30*time.Minute
	f.Upgrade.Every, f.Upgrade.Bad = 20*time.Hour, 0.5
	c.Prices.Providers = []string{"aws", "custom", "gcp"}
	return withLoad(c)
}

// replayedEverything is the same world with recorded outages of everything that
// can be replayed.
func replayedEverything(t testing.TB) *World {
	t.Helper()
	c := everything()
	traces := map[string]*trace.Trace{}
	rng := rand.New(rand.NewPCG(6, 6))
	for p := range processes { // in an order of its own
		for name, q := range replayable {
			if p == q {
				n := 5
				if p == transient {
					n = c.Topology.Nodes()
				}
				traces[name] = recorded(n, 2*simulated(c.Horizon), rng)
				traces[name].Digest = name
			}
		}
	}
	w, _, err := NewReplay("TestReplay-v0", c, traces)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// only is a cluster of the given number of nodes in which nothing happens but
// what is added: racks of 10, one zone, and few shards.
func only(nodes int) Config {
	c := still()
	c.Topology = Topology{Regions: 1, ZonesPerRegion: 1, RacksPerZone: nodes / 10, NodesPerRack: 10}
	c.Data.ShardsPerNode = 1
	c.Horizon = 100 * days
	return c
}

// TestEverything recounts everything after every event of random episodes in
// which all processes strike, drawn and replayed, and holds each process to
// have had an effect.
func TestEverything(t *testing.T) {
	drawn, replayed := newTest(t, everything()), replayedEverything(t)
	for _, w := range []*World{drawn, replayed} {
		var struck [processes]int
		var seen struct{ slow, turned, silent, oneWay, bad, rollback, wornOut int }
		episodes := seed.Seed(5)
		if long() {
			episodes = 40
		}
		for k := range episodes {
			p := newPlayer(w)
			check := func(id int32) {
				if err := w.CheckInvariants(); err != nil {
					t.Fatalf("seed %d, time %d, timer %d: %v", k, w.now, id, err)
				}
			}
			p.after = func(id int32) {
				check(id)
				for q := range processes {
					if w.struck(q, id) >= 0 {
						struck[q]++
					}
				}
				for n := range int32(w.nodes) {
					if w.slow[n] > 1 {
						seen.slow++
					}
					if w.slowPhases[n] > 0 {
						seen.turned++
					}
					if w.silent(n) && w.up(n) {
						seen.silent++
					}
				}
				for a := range w.zones {
					for b := range a {
						if w.reaches(a, b) != w.reaches(b, a) {
							seen.oneWay++
						}
					}
				}
				if w.upgrading() && w.bad() {
					seen.bad++
					if w.upgradePhase == upgradeBack {
						seen.rollback++
					}
				}
			}
			p.acted = func(Action) { check(-1) }
			p.reset(k)
			check(-1)
			p.finish(random(uint64(k)))
			for n := range w.incarnation {
				seen.wornOut += int(w.incarnation[n])
			}
		}
		t.Logf("%v; %+v", struck, seen)
		for q, n := range struck {
			if n < 2*int(episodes) && w.slots(process(q)) > 0 {
				t.Errorf("%s struck %d times", process(q), n)
			}
		}
		if seen.slow == 0 || seen.turned == 0 || seen.silent == 0 || seen.oneWay == 0 || seen.bad == 0 || seen.rollback == 0 || seen.wornOut < 40*int(episodes) {
			t.Errorf("not all was seen: %+v", seen)
		}
	}
}

// TestDamagedStates flips bits of saved states of worlds in which every process
// strikes. What RestoreState accepts plays on, without panic or endless loop.
func TestDamagedStates(t *testing.T) {
	for _, w := range []*World{newTest(t, everything()), replayedEverything(t)} {
		p := newPlayer(w)
		policy := random(1)
		p.reset(1)
		var states [][]byte
		for i := range 200 {
			if p.step(policy(p)).Truncated {
				t.Fatal("the episode is too short")
			}
			if i%10 == 0 {
				states = append(states, w.AppendState(nil))
			}
		}
		accepted := 0
		rng := rand.New(rand.NewPCG(1, 2))
		for range 1000 {
			s := slices.Clone(states[rng.IntN(len(states))])
			for range 1 + rng.IntN(3) {
				s[rng.IntN(len(s))] ^= 1 << rng.IntN(8)
			}
			if w.RestoreState(s) != nil || !w.started || w.ended {
				continue
			}
			accepted++
			for n := range int32(w.nodes) {
				w.doom(n)
			}
			w.observe(p.obs, p.mask)
			for range 30 {
				if p.step(policy(p)).Truncated {
					break
				}
			}
		}
		if accepted < 100 {
			t.Errorf("only %d damaged states were accepted", accepted)
		}
	}
}

// TestGaps: gaps are Weibull with the configured mean and shape, and an episode
// starts in the midst of them: the first comes after x with density S(x)/mean,
// S(x) being the share of gaps longer than x, so that as many come per hour
// there as anywhere, of shape k: E = mean·Γ(1+2/k)/(2·Γ(1+1/k)²).
func TestGaps(t *testing.T) {
	for _, k := range []float64{0, 0.5, 0.489, 2.5} {
		c := only(5000)
		c.Failures.Transient = Outages{MTTF: 100 * time.Hour, Shape: k, Median: time.Minute}
		w := newTest(t, c)
		w.begin(3)
		if k == 0 {
			k = 1
		}
		g := math.Gamma(1 + 1/k)
		var first, later, strikes sample
		for n := range uint32(5000) {
			first = append(first, w.gap(transient, n, 0).Hours()/100)
			count := 0.0
			at := env.Time(0)
			for i := uint32(0); ; i++ {
				gap := w.gap(transient, n, i)
				if i > 0 && i <= 4 {
					later = append(later, gap.Hours()/100)
				}
				if at += gap; at > w.horizon {
					break
				}
				count++
			}
			strikes = append(strikes, count/w.horizon.Hours()*100)
		}
		what := fmt.Sprintf("shape %g: ", k)
		first.near(t, what+"first gap", math.Gamma(1+2/k)/(2*g*g), 0.05)
		later.near(t, what+"gap", 1, 0.02)
		strikes.near(t, what+"strikes per mean", 1, 0.02)
		if k == 0.5 { // S(x) = e^(−√(2x))
			equilibrium := func(x float64) float64 { return 1 - (1+math.Sqrt(2*x))*math.Exp(-math.Sqrt(2*x)) }
			if d := ks(first, equilibrium); d > 1.95/math.Sqrt(float64(len(first))) {
				t.Errorf("%sfirst gaps are %.4f from their law", what, d)
			}
		}
		if d := ks(later, func(x float64) float64 { return -math.Expm1(-math.Pow(g*x, k)) }); d > 1.95/math.Sqrt(float64(len(later))) {
			t.Errorf("%sgaps are %.4f from Weibull", what, d)
		}
	}
}

// TestDurations: the sum of an offset, a lognormal and an exponential, and a
// Pareto tail where there is one.
func TestDurations(t *testing.T) {
	draw := func(o Outages) sample {
		var x sample
		for i := range uint64(20_000) {
			x = append(x, o.duration(seed.Seed(9).At(i, 0)).Hours())
		}
		return x
	}
	near := func(what string, x sample, f func(float64) float64) {
		t.Helper()
		if d := ks(x, f); d > 1.95/math.Sqrt(float64(len(x))) {
			t.Errorf("%s: %.4f from the law", what, d)
		}
	}
	normal := func(z float64) float64 { return 0.5 * math.Erfc(-z/math.Sqrt2) }

	// SimEDC's rack outages.
	simedc := draw(Outages{Offset: 10 * time.Hour, Exponential: 24 * time.Hour})
	near("offset and exponential", simedc, func(h float64) float64 { return -math.Expm1(-max(0, h-10) / 24) })
	simedc.near(t, "mean, h", 34, 0.01)

	// Above its 90 % quantile, e^1.28155, P(X > x) = 0.1·(x/quantile)^−1.5.
	near("tail", draw(Outages{Median: time.Hour, Sigma: 1, TailShare: 0.1, TailIndex: 1.5}), func(h float64) float64 {
		if q := math.Exp(1.2815515655446004); h > q {
			return 1 - 0.1*math.Pow(h/q, -1.5)
		}
		return normal(math.Log(h))
	})

	// The parts are drawn independently: variances add up. e(e−1) + 4.
	sum := draw(Outages{Median: time.Hour, Sigma: 1, Exponential: 2 * time.Hour})
	sum.near(t, "sum of the parts, h", math.Exp(0.5)+2, 0.02)
	var squares sample
	for _, x := range sum {
		squares = append(squares, (x-math.Exp(0.5)-2)*(x-math.Exp(0.5)-2))
	}
	squares.near(t, "variance of the sum, h²", math.E*(math.E-1)+4, 0.1)
}

// backblaze is the cumulative hazard of the default bands at an age in hours,
// in units of 1/MTTF, from the annual failure rates that they come from.
func backblaze(age float64) float64 {
	const y = 8760
	until := []float64{0.25, 0.5, 1, 1.5, 2, 3, 4, 5, math.Inf(1)}
	afr := []float64{2.69, 2.23, 2.06, 2.52, 4.60, 6.40, 3.33, 3.82, 5.10}
	sum, from := 0.0, 0.0
	for i := range afr {
		to := min(age, until[i]*y)
		if to > from {
			sum += (to - from) * afr[i] / 3.57
			from = to
		}
	}
	return sum
}

// TestThinning holds the first losses of machines to the closed form of their
// survival: with H the integral of the hazard from the machine's age at the
// start to its loss, e^(−H) is uniform. A loss after the horizon is not known,
// so what is tested is that as many are lost within it as expected, by model
// too, and that among these (1 − e^(−H)) is uniform, up to its value at the
// horizon.
func TestThinning(t *testing.T) {
	const horizon = 3 * 8760.0
	models := []MachineModel{{Share: 0.25, Factor: 3}, {Share: 0.1, Factor: 0}}
	for _, x := range []struct {
		name   string
		change func(*Permanent)
		hazard func(age float64) float64 // cumulative, in units of 1/MTTF
	}{
		{"constant", func(p *Permanent) {}, func(age float64) float64 { return age }},
		{"bathtub", func(p *Permanent) { p.Hazard = HazardBathtub }, backblaze},
		{"weibull 2.95", func(p *Permanent) { p.Hazard, p.Shape = HazardWeibull, 2.95 },
			func(age float64) float64 { return 60_000 * math.Pow(age/60_000*math.Gamma(1+1/2.95), 2.95) }},
		{"weibull 0.65", func(p *Permanent) { p.Hazard, p.Shape = HazardWeibull, 0.65 },
			func(age float64) float64 { return 60_000 * math.Pow(age/60_000*math.Gamma(1+1/0.65), 0.65) }},
	} {
		c := only(1000)
		c.Horizon = horizon * time.Hour
		p := &c.Failures.Permanent
		p.MTTF, p.Models = 60_000*time.Hour, models
		x.change(p)
		w := newTest(t, c)
		var excess, bad, uniform sample // lost, less expected; of the bad model
		immortal := 0
		for k := range seed.Seed(20) {
			w.begin(k)
			for n := range int32(w.nodes) {
				factor := w.modelFactor(n)
				age := -w.born[n].Hours() + 24
				h := func(t float64) float64 { return factor / 60_000 * (x.hazard(age+t) - x.hazard(age)) }
				at := w.doom(n)
				died := at != env.Never
				expected := 1 - math.Exp(-h(horizon))
				e := -expected
				if died {
					e++
				}
				excess = append(excess, e)
				switch factor {
				case 3:
					bad = append(bad, e)
				case 0:
					immortal++
					if died {
						t.Fatalf("%s: a machine that cannot die does", x.name)
					}
				}
				if died {
					uniform = append(uniform, -math.Expm1(-h(at.Hours()))/expected)
				}
			}
		}
		zero := func(what string, s sample) {
			t.Helper()
			m, se := s.mean(), s.se()
			t.Logf("%s: %s %+.5f ± %.5f (%d)", x.name, what, m, se, len(s))
			if math.Abs(m) > 4*se || se > 0.01 {
				t.Errorf("%s: %s %.5f ± %.5f, want 0", x.name, what, m, se)
			}
		}
		zero("lost beyond expectation", excess)
		zero("of the bad model", bad)
		if d := ks(uniform, func(u float64) float64 { return u }); d > 1.95/math.Sqrt(float64(len(uniform))) || len(uniform) < 2000 {
			t.Errorf("%s: survival is %.4f from the closed form, %d machines", x.name, d, len(uniform))
		}
		if share := float64(immortal) / 20_000; math.Abs(share-0.1) > 4*0.0022 { // √(0.1·0.9/20000) = 0.0021
			t.Errorf("%s: a share of %.4f cannot die, want 0.1", x.name, share)
		}
	}
}

// TestDoom: what doom foretells is what happens, under a policy that acts,
// where nothing else destroys the machine; and it is foretold anew whenever it
// changes.
func TestDoom(t *testing.T) {
	c := everything()
	f := &c.Failures
	f.Rack.LossProbability, f.PDU.LossProbability, f.Zone.LossProbability, f.Burst.LossProbability = 0, 0, 0, 0
	f.Spot.MTTF = 0
	w := newTest(t, c)
	deaths, escalated := 0, 0
	episodes := seed.Seed(4)
	if long() {
		episodes = 20
	}
	for k := range episodes {
		p := newPlayer(w)
		doom := make([]env.Time, w.nodes)
		dead := make([]bool, w.nodes)
		look := func() {
			for n := range int32(w.nodes) {
				is := w.nodeFlags[n]&nodeDead != 0
				if is && !dead[n] {
					deaths++
					if doom[n] != w.now {
						t.Fatalf("seed %d: node %d died at %d, foretold %d", k, n, w.now, doom[n])
					}
				}
				dead[n] = is
				doom[n] = w.doom(n)
				if doom[n] < w.now && !is {
					t.Fatalf("seed %d: node %d is to have died at %d, it is %d", k, n, doom[n], w.now)
				}
				if !is && w.escalation(n) == doom[n] && doom[n] != env.Never {
					escalated++
				}
			}
		}
		p.after, p.acted = func(int32) { look() }, func(Action) { look() }
		p.playWhole(k, sparing(random(uint64(k))))
	}
	t.Logf("%d deaths, %d times one by slowness was next", deaths, escalated)
	if deaths < 15*int(episodes) || escalated < 10*int(episodes) {
		t.Errorf("only %d deaths, %d times one by slowness", deaths, escalated)
	}
}

// TestLemons: with the default factor and a share of 1 %, outages recur as
// LANL's failures do, 14.8 % within 24 h and 37.1 % within 7 d. By closed form,
// with rate r = 1/30 d: a share q = s·27/(1 + 26·s) of the outages are of
// lemons, at rate 27·r, and P = q·(1 − e^(−27·r·t)) + (1 − q)·(1 − e^(−r·t)).
// sparing is the policy, but for exchanging machines.
func sparing(policy func(*player) Action) func(*player) Action {
	return func(p *player) Action {
		if a := policy(p); a != Replace {
			return a
		}
		return Hold
	}
}

func TestLemons(t *testing.T) {
	c := only(10_000)
	c.Failures.Transient.MTTF = 30 * days
	c.Failures.Lemons.Share = 0.01
	w := newTest(t, c)
	var day, week sample
	lemons := 0
	for s := range seed.Seed(3) {
		w.begin(s)
		for n := range int32(w.nodes) {
			var at []float64
			add := func(p process) {
				sum := env.Time(0)
				for k := uint32(0); ; k++ {
					if sum += w.gap(p, uint32(n), k); sum > 200*env.Day {
						return
					}
					at = append(at, sum.Hours()/24)
				}
			}
			add(transient)
			if w.lemon(n) {
				lemons++
				add(lemon)
			}
			for i, x := range at {
				if x > 190 {
					continue
				}
				next := math.Inf(1)
				for j, y := range at {
					if j != i && y >= x {
						next = min(next, y-x)
					}
				}
				in := func(d float64) float64 {
					if next <= d {
						return 1
					}
					return 0
				}
				day, week = append(day, in(1)), append(week, in(7))
			}
		}
	}
	const q = 0.01 * 27 / 1.26
	recurs := func(d float64) float64 { return -q*math.Expm1(-27*d/30) - (1-q)*math.Expm1(-d/30) }
	if !within(recurs(1), 0.148, 0.05) || !within(recurs(7), 0.371, 0.05) {
		t.Errorf("by closed form %.4f and %.4f recur", recurs(1), recurs(7))
	}
	// Outages of one node are not independent: by the binomial law the
	// standard error is too small, so there is a percent to spare.
	if math.Abs(day.mean()-recurs(1)) > 0.01 || math.Abs(week.mean()-recurs(7)) > 0.01 || len(day) < 100_000 {
		t.Errorf("of %d outages, %.4f recur within a day, %.4f within a week, want %.4f and %.4f", len(day), day.mean(), week.mean(), recurs(1), recurs(7))
	}
	if lemons < 230 || lemons > 370 { // 300 ± 4·√300
		t.Errorf("%d lemons of 30,000 machines", lemons)
	}
}

// TestDomains: domains of every level partition the racks, and a rack is cut
// off just while an outage of one of its domains lasts, the outages being kept
// as a plain list of intervals.
func TestDomains(t *testing.T) {
	w := newTest(t, everything())
	for p := rackOutage; p <= providerOutage; p++ {
		next := 0
		for d := range w.domains(p) {
			first, last := w.racksOf(p, d)
			if first != next || last <= first {
				t.Fatalf("%s %d: racks %d to %d after %d", p, d, first, last, next)
			}
			for rack := first; rack < last; rack++ {
				if got := w.domainOf(p, rack); got != d {
					t.Errorf("%s: rack %d is in domain %d, want %d", p, rack, got, d)
				}
			}
			next = last
		}
		if next != w.racks {
			t.Errorf("%s: %d of %d racks", p, next, w.racks)
		}
	}
	if got := []int{w.domains(rackOutage), w.domains(pduOutage), w.domains(zoneOutage), w.domains(regionOutage), w.domains(providerOutage)}; fmt.Sprint(got) != "[18 12 6 3 2]" {
		t.Errorf("%v domains, want 18 racks, 2 PDUs in each of 6 zones, 3 regions, 2 providers", got)
	}

	type outage struct {
		first, last int // racks
		until       env.Time
	}
	nested := 0
	for k := range seed.Seed(10) {
		p := newPlayer(w)
		var outages []outage
		p.before = func(id int32) {
			for q := rackOutage; q <= providerOutage; q++ {
				if d := w.struck(q, id); d >= 0 {
					f := w.failure(q, uint32(d), w.ordinal[q][d])
					first, last := w.racksOf(q, d)
					outages = append(outages, outage{first, last, w.now + w.domainOutages(q).duration(f.At(drawDuration, 0))})
				}
			}
		}
		p.after = func(int32) {
			for n := range int32(w.nodes) {
				cut, by := false, 0
				for _, o := range outages {
					// Ends at this instant may be yet to come.
					if rack := w.rackOf(n); rack >= o.first && rack < o.last && o.until >= w.now {
						if o.until == w.now {
							return
						}
						cut = true
						by++
					}
				}
				if by > 1 {
					nested++
				}
				up := !cut && w.nodeFlags[n]&nodeDead == 0 && !w.q.pending(w.timers.returns+n)
				if up != w.up(n) {
					t.Fatalf("seed %d, time %d: node %d is up: %v, want %v of %v", k, w.now, n, w.up(n), up, outages)
				}
			}
		}
		p.playWhole(k, hold)
	}
	if nested < 1000 {
		t.Errorf("only %d times outages overlapped", nested)
	}
}

// TestWideBursts: of all bursts the configured share strike anywhere, and then
// ⌈x⌉ nodes, x/nodes being log-uniform from 1 % to 10 %: more than j − 1 with
// probability ln(0.1·n/(j−1))/ln 10. All nodes are struck equally often.
func TestWideBursts(t *testing.T) {
	c := only(500)
	c.Failures.Burst.MTTF, c.Failures.Burst.WideProbability = 2000*time.Hour, 0.25
	c.Failures.Burst.LossProbability = 0
	c.Failures.Burst.Outages.Median = time.Minute
	c.Failures.Burst.MeanNodes = 2
	c.Horizon = 300 * days
	w := newTest(t, c)
	p := newPlayer(w)
	allUp := false
	var sizes, wide, index sample
	p.before = func(id int32) {
		allUp = true
		for n := range int32(w.nodes) {
			allUp = allUp && w.up(n)
		}
	}
	p.after = func(id int32) {
		rack := w.struck(burst, id)
		if rack < 0 || !allUp {
			return
		}
		f := w.failure(burst, uint32(rack), w.ordinal[burst][rack]-1)
		is := seed.Uniform(f.At(drawWide, 0)) < 0.25
		size := 0.0
		for n := range int32(w.nodes) {
			if !w.up(n) {
				size++
				if is {
					index = append(index, float64(n))
				} else if w.rackOf(n) != rack {
					t.Fatalf("a burst in rack %d strikes node %d", rack, n)
				}
			}
		}
		if is {
			sizes, wide = append(sizes, size), append(wide, 1)
		} else {
			wide = append(wide, 0)
		}
	}
	for s := range seed.Seed(4) {
		p.playWhole(s, hold)
	}
	want := 0.0
	for j := 1; j <= 50; j++ {
		want += min(1, math.Log(50/float64(j-1))/math.Ln10)
	}
	sizes.near(t, "nodes of a wide burst", want, 0.05)
	wide.near(t, "share of wide bursts", 0.25, 0.1)
	index.near(t, "node struck", 249.5, 0.02)
}

// TestSlow: onsets, factors, phases and ends follow their laws.
func TestSlow(t *testing.T) {
	c := only(300)
	c.Failures.Slow.MTTF = 500 * time.Hour
	c.Failures.Replacement = time.Minute
	w := newTest(t, c)
	p := newPlayer(w)
	var factors, lengths, escalated, turning, slowPhases, normalPhases sample
	type state struct {
		since, turned env.Time
		x             float32
		on            bool
	}
	nodes := make([]state, w.nodes)
	p.after = func(int32) {
		for n := range int32(w.nodes) {
			s, on := &nodes[n], w.q.pending(w.timers.slowEnd+n)
			switch {
			case on && !s.on:
				factors = append(factors, math.Log(float64(w.slow[n])-1))
				turns := 0.0
				if w.q.pending(w.timers.slowPhase + n) {
					turns = 1
				}
				turning = append(turning, turns)
				*s = state{w.now, w.now, w.slow[n], true}
			case !on && s.on:
				dead := 0.0
				if w.nodeFlags[n]&nodeDead != 0 {
					dead = 1
				}
				escalated = append(escalated, dead)
				lengths = append(lengths, (w.now - s.since).Hours())
				*s = state{}
			case on && s.x != w.slow[n]:
				if x := (w.now - s.turned).Hours(); s.x > 1 {
					slowPhases = append(slowPhases, x)
				} else {
					normalPhases = append(normalPhases, x)
				}
				s.x, s.turned = w.slow[n], w.now
			}
		}
	}
	for k := range seed.Seed(4) {
		clear(nodes)
		p.playWhole(k, hold)
	}
	// x = 1 + 2·e^(1.37·z): median 3, 95th percentile 1 + 2·e^(1.37·1.645) = 20.
	if d := ks(factors, func(y float64) float64 { return 0.5 * math.Erfc(-(y-math.Ln2)/1.37/math.Sqrt2) }); d > 1.95/math.Sqrt(float64(len(factors))) {
		t.Errorf("factors are %.4f from their law", d)
	}
	// A new onset finds the node slow for 48 of 548 h.
	rate(t, "onsets per node-hour", len(factors), 4*300*2400, 1/548.0)
	lengths.near(t, "hours slow", 48, 0.05) // less what the horizon cuts, 48/2400
	escalated.near(t, "share lost", 0.25, 0.05)
	turning.near(t, "share intermittent", 0.3, 0.05)
	// Phases that the end cuts are left out: 1/(1/1h + 1/48h).
	slowPhases.near(t, "slow phase, h", 48.0/49, 0.02)
	normalPhases.near(t, "normal phase, h", 48.0/49, 0.02)
}

// rate checks a count of events in an exposure against a Poisson rate.
func rate(t *testing.T, what string, count int, exposure, want float64) {
	t.Helper()
	mean := want * exposure
	t.Logf("%s: %d events, want %.1f", what, count, mean)
	if math.Abs(float64(count)-mean) > 4*math.Sqrt(mean) || mean < 400 {
		t.Errorf("%s: %d events, want %.1f ± %.1f", what, count, mean, math.Sqrt(mean))
	}
}

// TestCureSlow: a restart heals the configured share of slow nodes at once, and
// a new machine is healthy.
func TestCureSlow(t *testing.T) {
	c := only(1000)
	c.Failures.Slow.MTTF, c.Failures.Slow.Escalates = 2_000_000*time.Hour, 0
	w := newTest(t, c)
	w.begin(1)
	var cured sample
	for n := range int32(w.nodes) {
		w.slowDown(n, 10*env.Day, false, w.failure(slowOnset, uint32(n), 0))
		if w.slow[n] <= 1 {
			t.Fatalf("node %d is slow by %g", n, w.slow[n])
		}
		w.restart(n)
		healed := 0.0
		if w.slow[n] == 1 {
			healed = 1
		} else {
			w.restart(n)
			if w.slow[n] == 1 {
				t.Fatal("a second restart heals")
			}
			w.die(n, 1)
			if w.slow[n] != 1 {
				t.Fatal("a lost node is slow")
			}
		}
		cured = append(cured, healed)
	}
	cured.near(t, "share healed", 0.226, 0.1)
	if err := w.checkFailures(); err != nil {
		t.Error(err)
	}
}

// TestPartitions: every pair has one slot, partitions come and go as
// configured, and 29 % are one-way, either way equally often.
func TestPartitions(t *testing.T) {
	c := still()
	c.Topology = Topology{Regions: 1, ZonesPerRegion: 8, RacksPerZone: 1, NodesPerRack: 1}
	c.Failures.Partition.MTTF = 100 * time.Hour
	c.Horizon = 200 * days
	w := newTest(t, c)
	seen := map[[2]int]bool{}
	for i := range w.slots(partition) {
		a, b := w.pair(i)
		if a < 0 || a >= b || b >= 8 || seen[[2]int{a, b}] {
			t.Errorf("slot %d is pair %d, %d", i, a, b)
		}
		seen[[2]int{a, b}] = true
	}
	if len(seen) != 28 {
		t.Errorf("%d of 28 pairs", len(seen))
	}
	p := newPlayer(w)
	whole := false
	var oneWay, there, minutes sample
	var began [8][8]env.Time
	events := 0
	p.before = func(id int32) {
		if i := w.struck(partition, id); i >= 0 {
			a, b := w.pair(i)
			whole = w.reaches(a, b) && w.reaches(b, a)
		}
	}
	p.after = func(id int32) {
		for a := range 8 {
			for b := range 8 {
				switch cut := !w.reaches(a, b); {
				case cut && began[a][b] == 0:
					began[a][b] = w.now
				case !cut && began[a][b] != 0:
					minutes = append(minutes, (w.now-began[a][b]).Hours()*60)
					began[a][b] = 0
				}
			}
		}
		if i := w.struck(partition, id); i >= 0 && whole {
			events++
			a, b := w.pair(i)
			if w.reaches(a, b) == w.reaches(b, a) {
				oneWay = append(oneWay, 0)
				return
			}
			oneWay = append(oneWay, 1)
			x := 0.0
			if !w.reaches(a, b) {
				x = 1
			}
			there = append(there, x)
		}
	}
	for s := range seed.Seed(4) {
		began = [8][8]env.Time{}
		p.playWhole(s, hold)
	}
	oneWay.near(t, "share one-way", 0.29, 0.05)
	there.near(t, "of these, from the first to the second", 0.5, 0.05)
	// 10 min·e^(1.2²/2) = 20.54; prolonged ones, one in 300, are longer.
	minutes.near(t, "minutes", 10*math.Exp(0.72), 0.05)
	rate(t, "partitions per pair-hour", events, 4*28*4800, 1/100.34)
}

// TestSilence: a zone that cannot reach the monitor's is believed lost, and
// serves nonetheless; when it can again, it is found at its next heartbeats. A
// partition the other way is not noticed.
func TestSilence(t *testing.T) {
	c := still()
	c.Topology = Topology{Regions: 1, ZonesPerRegion: 3, RacksPerZone: 3, NodesPerRack: 2}
	c.Failures.Partition.MTTF, c.Failures.Partition.OneWay = 80*365*days, 0
	w := newTest(t, c)
	for _, oneWay := range []float64{0, 1} {
		w.cfg.Failures.Partition.OneWay = oneWay
		for k := range uint64(10) {
			w.begin(1)
			w.ledger.startStep(0)
			w.q.set(w.timers.horizon, env.Day)
			i := 1 // of the zones 0 and 2
			if a, b := w.pair(i); a != 0 || b != 2 {
				t.Fatalf("slot %d is the pair %d, %d", i, a, b)
			}
			w.partition(i, env.Hour, seed.Seed(k))
			cut := !w.reaches(2, 0)
			if oneWay == 1 && cut == !w.reaches(0, 2) {
				t.Fatal("a one-way partition is none")
			}
			for w.now < 2*env.Hour {
				id, at := w.q.pop()
				w.now = at
				if id == w.timers.horizon {
					break
				}
				w.fire(id)
				if w.kind == NodeUnreachable && w.q.at[w.timers.askNode+w.subject] == env.Never {
					w.q.set(w.timers.askNode+w.subject, env.Day)
				}
				believed := w.unreachable == 6 && w.faultDomains.unreachable[w.racks+2] == 6
				if w.now > env.Minute && w.now < env.Hour && believed != cut || w.now > env.Hour+w.heartbeat && w.unreachable != 0 {
					t.Fatalf("at %d, %d nodes of zone 2 are believed unreachable, zone 2 is cut off: %v", w.now, w.unreachable, cut)
				}
				if w.ledger.unavailable != 0 || !w.up(17) {
					t.Fatal("cut off, a node does not serve")
				}
			}
		}
	}
}

// TestUpgrade follows a good and a bad upgrade, batch by batch.
func TestUpgrade(t *testing.T) {
	c := only(100)
	u := &c.Failures.Upgrade
	u.Every, u.Bad, u.CrashMTTF, u.RollbackMedian, u.RollbackSigma = 240*time.Hour, 0.5, 20*time.Minute, 6*time.Hour, 0
	w := newTest(t, c)
	p := newPlayer(w)
	var starts []env.Time
	restarts := make([]int, w.nodes)
	good, bad, crashes := 0, 0, 0
	exposure := 0.0
	var last env.Time
	wasDown := make([]bool, w.nodes)
	p.before = func(id int32) {
		if w.upgrading() && w.bad() {
			exposure += float64(w.upgraded-w.rolledBack) * (w.now - last).Hours()
		}
		last = w.now
		for n := range wasDown {
			wasDown[n] = !w.up(int32(n))
		}
	}
	p.after = func(id int32) {
		if got, want := w.upgradeProgress(), float64(w.upgraded-w.rolledBack)/100; w.upgrading() && got != want || !w.upgrading() && got != 0 {
			t.Fatalf("progress %g, upgrading: %v", got, w.upgrading())
		}
		if w.struck(crash, id) >= 0 {
			crashes++
			return
		}
		start := w.struck(upgrade, id) >= 0
		if start {
			starts = append(starts, w.now)
			clear(restarts)
			if w.bad() {
				bad++
			} else {
				good++
			}
		}
		if !start && id != w.timers.batch && id != w.timers.rollback || len(starts) == 0 {
			return
		}
		began := starts[len(starts)-1]
		for n := range int32(w.nodes) {
			if !w.up(n) && !wasDown[n] {
				restarts[n]++
				if want := began + env.Time(n/5)*30*env.Minute; restarts[n] == 1 && w.now != want && !w.bad() {
					t.Fatalf("node %d restarts at %d, want %d", n, w.now, want)
				}
			}
		}
		if w.upgradePhase == upgradeBack && w.rolledBack <= 5 && w.now != began+6*env.Hour {
			t.Errorf("a rollback begins %d after the upgrade, want 6 h", w.now-began)
		}
		if !w.upgrading() && w.bad() {
			// 6 h are 12 batches and the one at the start; or the rollback's
			// comes first. All were rolled back.
			if w.upgraded < 60 || w.upgraded > 65 || w.rolledBack != w.upgraded {
				t.Errorf("%d upgraded, %d rolled back", w.upgraded, w.rolledBack)
			}
		}
		if !w.upgrading() && !w.bad() && w.upgraded != 100 {
			t.Errorf("%d upgraded", w.upgraded)
		}
	}
	first := sample{}
	for s := range seed.Seed(12) {
		starts, last = starts[:0], 0
		p.playWhole(s, hold)
		for i := 1; i < len(starts); i++ {
			if starts[i]-starts[i-1] != 240*env.Hour {
				t.Errorf("upgrades %d apart", starts[i]-starts[i-1])
			}
		}
		first = append(first, starts[0].Hours())
	}
	for _, h := range first {
		if h < 0 || h > 240 {
			t.Errorf("the first upgrade comes after %g h", h)
		}
	}
	if n := good + bad; bad < n/2-20 || bad > n/2+20 || n < 100 {
		t.Errorf("%d good and %d bad upgrades", good, bad)
	}
	rate(t, "crashes per node-hour", crashes, exposure, 3)
}

// TestSpot: the right nodes are taken away, Warning after each warning, lost,
// and back after the drawn time; they run and are away as long as configured.
func TestSpot(t *testing.T) {
	c := still()
	c.Topology = Topology{Regions: 1, ZonesPerRegion: 3, RacksPerZone: 2, NodesPerRack: 5}
	c.Failures.Spot.MTTF = 10 * time.Hour
	w := newTest(t, c)
	count := make([]int, w.zones)
	for n := range int32(w.nodes) {
		if w.spot(n) {
			count[w.zoneOf(n)]++
		}
	}
	if fmt.Sprint(count) != "[3 3 3]" {
		t.Errorf("%v spot nodes in zones of 10, want 3 each", count)
	}
	p := newPlayer(w)
	var runs, away sample
	since := make([]env.Time, w.nodes)
	warned := make([]env.Time, w.nodes)
	dead := make([]bool, w.nodes)
	p.after = func(id int32) {
		if n := w.struck(preemption, id); n >= 0 {
			warned[n] = w.now
		}
		for n := range int32(w.nodes) {
			is := w.nodeFlags[n]&nodeDead != 0
			if is == dead[n] {
				continue
			}
			dead[n] = is
			if is {
				if !w.spot(n) || warned[n] != w.now-120*env.Second {
					t.Fatalf("node %d is lost at %d, warned at %d", n, w.now, warned[n])
				}
				runs = append(runs, (w.now - since[n]).Hours())
			} else {
				away = append(away, (w.now - since[n]).Hours())
			}
			since[n] = w.now
		}
	}
	for s := range seed.Seed(6) {
		clear(since)
		clear(dead)
		p.playWhole(s, hold)
	}
	runs.near(t, "hours until taken away", 10+1.0/30, 0.05)
	away.near(t, "hours away", math.Exp(0.5), 0.05) // 1 h·e^(1/2)
}

// TestSpotStrikesTheWarned: a machine that took the place of the one that was
// warned stays.
func TestSpotStrikesTheWarned(t *testing.T) {
	c := still()
	c.Failures.Spot.MTTF, c.Failures.Spot.Share, c.Failures.Spot.Warning = 10_000*time.Hour, 1, time.Hour
	w := newTest(t, c)
	w.begin(1)
	for i, replacedFirst := range []bool{false, true} {
		n := int32(i)
		w.q.cancel(w.timers.process[preemption] + n)
		w.warn(n)
		if replacedFirst {
			w.die(n, 1)
			w.q.cancel(w.timers.replace + n)
			w.replaced(n)
		}
		w.q.cancel(w.timers.reclaim + n)
		w.reclaim(n)
		if dead := w.nodeFlags[n]&nodeDead != 0; dead == replacedFirst {
			t.Errorf("another machine was put in place: %v, and the node is lost: %v", replacedFirst, dead)
		}
	}
	if err := w.checkFailures(); err != nil {
		t.Error(err)
	}
}

// TestReplay: recorded outages of zones, pairs, spot instances and slow nodes
// happen as recorded, and nothing else does.
func TestReplay(t *testing.T) {
	c := still()
	c.Topology = Topology{Regions: 1, ZonesPerRegion: 2, RacksPerZone: 2, NodesPerRack: 2}
	c.Data.ReplicationFactor = 2
	c.Failures.Spot.Share, c.Failures.Slow.Intermittent, c.Failures.Partition.OneWay, c.Failures.Slow.Escalates = 1, 0, 0, 0
	c.Failures.Zone.LossProbability = 0
	c.Horizon = 2 * days
	// The record is a microsecond longer than the episode, which starts with it.
	one := func(name string, subjects int, at ...trace.Outage) *trace.Trace {
		s := trace.System{Name: "s", NodeCount: subjects, Nodes: make([]trace.Node, 1), End: simulated(c.Horizon) + 1}
		s.Nodes[0].Outages = at
		return &trace.Trace{Name: name, Digest: name, Systems: []trace.System{s}}
	}
	traces := map[string]*trace.Trace{
		"zone":      one("zone", 1, down(env.Hour, 2*env.Hour)),
		"partition": one("partition", 1, down(3*env.Hour, 4*env.Hour)),
		"slow":      one("slow", 1, down(5*env.Hour, 6*env.Hour)),
		"spot":      one("spot", 1, down(7*env.Hour, 8*env.Hour), down(9*env.Hour, 10*env.Hour)),
	}
	w, skipped, err := NewReplay("Replay-v0", c, traces)
	if err != nil || len(skipped) > 0 {
		t.Fatal(err, skipped)
	}
	p := newPlayer(w)
	p.after = func(int32) {
		at := func(from, to env.Time) bool { return w.now > from && w.now < to }
		for n := range int32(w.nodes) {
			zone := at(env.Hour, 2*env.Hour)
			away := at(7*env.Hour, 8*env.Hour) || at(9*env.Hour, 10*env.Hour)
			if w.now%env.Hour == 0 {
				return // in the midst of what happens at once
			}
			if w.up(n) == (zone || away) || w.reaches(1, 0) == at(3*env.Hour, 4*env.Hour) || (w.slow[n] > 1) != at(5*env.Hour, 6*env.Hour) {
				t.Fatalf("time %d: node %d is up: %v, slow by %g; zone 1 reaches zone 0: %v", w.now, n, w.up(n), w.slow[n], w.reaches(1, 0))
			}
		}
		if err := w.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
	}
	p.playWhole(1, hold)
	if w.incarnation[0] != 2 || w.incarnation[7] != 2 {
		t.Errorf("machines were replaced %v times, want 2", w.incarnation)
	}

	// The digest names what is replayed, and in place of what.
	digests := map[string]bool{w.Spec().Digest: true, newTest(t, c).Spec().Digest: true}
	for _, m := range []map[string]*trace.Trace{
		{"zone": traces["zone"]}, {"zone": traces["spot"]}, {"region": traces["zone"]}, {"node": one("zone", 8, down(env.Hour, 2*env.Hour))},
	} {
		w, _, err := NewReplay("Replay-v0", c, m)
		if err != nil {
			t.Fatal(err)
		}
		if digests[w.Spec().Digest] {
			t.Errorf("%v: a digest that another world has", m)
		}
		digests[w.Spec().Digest] = true
	}
	for name, want := range map[string]string{
		"disk": `cluster: failures of a "disk" cannot be replayed, want one of node, partition, `,
		"node": "cluster: nothing in zone can be replayed: system s has 1 nodes, want 8",
	} {
		if _, _, err := NewReplay("Replay-v0", c, map[string]*trace.Trace{name: traces["zone"]}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestReplayRounds: where there are more slots than subjects, each round of
// them is replayed from an instant of its own.
func TestReplayRounds(t *testing.T) {
	c := still()
	tr := recorded(4, 3*simulated(c.Horizon), rand.New(rand.NewPCG(1, 2)))
	w, _, err := NewReplay("Replay-v0", c, map[string]*trace.Trace{"slow": tr})
	if err != nil {
		t.Fatal(err)
	}
	w.begin(1)
	r := w.replays[slowOnset]
	// 6 subjects, two of which never fail.
	a, b := fmt.Sprint(r.recorded[:6]), fmt.Sprint(r.recorded[6:])
	if len(r.recorded) != 10 || strings.Contains(a, b[1:len(b)-1]) {
		t.Errorf("slots %s, then %s", a, b)
	}
}

// TestFailuresValidate: each change is refused under its path, and the defaults
// with any one process on are not.
func TestFailuresValidate(t *testing.T) {
	for _, x := range []struct {
		want   string
		change func(*Failures)
	}{
		{"failures.transient.shape is 0.1", func(f *Failures) { f.Transient.Shape = 0.1 }},
		{"failures.transient.median is 0s", func(f *Failures) { f.Transient.Median = 0 }},
		{"failures.zone.offset is -1s", func(f *Failures) { f.Zone.Offset = -time.Second }},
		{"failures.zone.tail_index is 0", func(f *Failures) { f.Zone.TailShare = 0.1 }},
		{"failures.pdu.tail_share is 0.9", func(f *Failures) { f.PDU.TailShare = 0.9 }},
		{"failures.lemons.share is 2", func(f *Failures) { f.Lemons.Share = 2 }},
		{"failures.lemons.factor is 10000", func(f *Failures) { f.Lemons, f.Transient.MTTF = Lemons{0.5, 10_000}, time.Hour }},
		{"failures.permanent.hazard is u-shaped", func(f *Failures) { f.Permanent.Hazard = "u-shaped" }},
		{"failures.permanent.bands[1].until is 2190h0m0s", func(f *Failures) {
			f.Permanent.Hazard, f.Permanent.Bands = HazardBathtub, []AgeBand{{year / 4, 1}, {year / 4, 1}}
		}},
		{"failures.permanent.bands is 0", func(f *Failures) { f.Permanent.Hazard, f.Permanent.Bands = HazardBathtub, nil }},
		{"failures.permanent.models is", func(f *Failures) { f.Permanent.Models = []MachineModel{{0.6, 1}, {0.6, 1}} }},
		{"failures.permanent.models is", func(f *Failures) { f.Permanent.Models = []MachineModel{{1, 0}} }},
		{"failures.permanent.mttf is 1h0m0s", func(f *Failures) {
			f.Permanent.Hazard, f.Permanent.Shape, f.Permanent.MTTF = HazardWeibull, 5, time.Hour
		}},
		{"failures.slow.factor_median is 1", func(f *Failures) { f.Slow.FactorMedian = 1 }},
		{"failures.burst.wide_max is 0.001", func(f *Failures) { f.Burst.WideProbability, f.Burst.WideMax = 0.1, 0.001 }},
		{"failures.racks_per_pdu is 0", func(f *Failures) { f.RacksPerPDU = 0 }},
		{"failures.upgrade.every is 1m0s", func(f *Failures) { f.Upgrade.Every = time.Minute }},
		{"failures.spot.warning is -1s", func(f *Failures) { f.Spot.Warning = -time.Second }},
		{"", func(f *Failures) { f.PDU.MTTF = 8760 * time.Hour }},
		{"", func(f *Failures) { f.Zone.MTTF = 17_520 * time.Hour }},
		{"", func(f *Failures) { f.Region.MTTF, f.Provider.MTTF = year, year }},
		{"", func(f *Failures) { f.Slow.MTTF = 584_000 * time.Hour }},
		{"", func(f *Failures) { f.Spot.MTTF = 5 * time.Hour }},
		{"", func(f *Failures) { f.Partition.MTTF = 4380 * time.Hour }},
		{"", func(f *Failures) { f.Upgrade.Every = 30 * days }},
		{"", func(f *Failures) { f.Lemons.Share = 0.01 }},
		{"", func(f *Failures) { f.Permanent.Hazard = HazardWeibull }},
		{"", func(f *Failures) { f.Permanent.Hazard = HazardBathtub }},
		{"", func(f *Failures) { f.Burst.MTTF, f.Burst.WideProbability = 337*time.Hour, 0.1 }},
	} {
		c := DefaultConfig()
		x.change(&c.Failures)
		err := c.Validate()
		if x.want == "" {
			if err != nil {
				t.Error(err)
			} else if w := newTest(t, c); w.Spec().Digest == newTest(t, DefaultConfig()).Spec().Digest {
				t.Error("the change does not show in the digest")
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%v, want %s", err, x.want)
		}
	}
}
