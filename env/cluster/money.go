package cluster

import (
	"math"

	"mend/env"
	"mend/env/state"
)

// month is how long service credits are reckoned for.
const month = 30 * env.Day

// credits are the shares of a month's bill that are given back where the share of
// requests that was served falls below a bound, as in the service level
// agreements of the large clouds' object stores.
var credits = [...]struct{ below, share float64 }{{0.95, 1}, {0.99, 0.25}, {0.999, 0.10}}

// loadPrices are the prices of requests in the units of the event loop. Clients
// are spread evenly over zones, so regions and their providers count alike.
type loadPrices struct {
	read, write   float64                            // dollars a request
	near          [distances][trafficClasses]float64 // dollars a byte, by distance
	internet      float64                            // dollars a byte read to the internet
	serversHour   float64                            // dollars an hour, all nodes
	slow, refused float64                            // dollars a request
}

// loadUSD are running costs of load, dollars a second.
type loadUSD struct {
	requests, slow, refused float64
	traffic                 [trafficClasses]float64
	constant                float64 // of requests, were all served: what no action changes
}

// requestLedger keeps account of requests since Reset.
type requestLedger struct {
	offered, served, refused, stale, slow float64
	latency                               float64                 // Σ over served requests, seconds
	p99                                   float64                 // of the cluster, weighted by served requests, seconds
	traffic                               [trafficClasses]float64 // dollars, of repairs too

	// Of the present month: what was there when it began.
	monthOffered, monthServed, monthBill float64
}

func (r *requestLedger) fields(c *state.Codec) {
	for _, x := range []*float64{&r.offered, &r.served, &r.refused, &r.stale, &r.slow, &r.latency, &r.p99, &r.monthOffered, &r.monthServed, &r.monthBill} {
		state.Value(c, x)
	}
	state.Fixed(c, r.traffic[:])
}

func (w *World) newLoadPrices() loadPrices {
	c := &w.cfg.Prices
	p := loadPrices{slow: c.SlowPerMillion / 1e6, refused: c.RefusedPerMillion / 1e6}
	regions := float64(w.regions)
	for g := range w.regions {
		t := &w.tariff[w.provider[g]]
		p.read += t.readPerMillion / 1e6 / regions
		p.write += t.writePerMillion / 1e6 / regions
		p.internet += t.internetPerGB / 1e9 / regions
		p.serversHour += t.serverPerHour * float64(w.nodes) / regions
		if w.zonesPerRegion > 1 {
			class, price := w.traffic(g*w.zonesPerRegion, g*w.zonesPerRegion+1)
			p.near[1][class] += price / 1e9 / regions
		}
		for h := range w.regions {
			if h != g {
				class, price := w.traffic(g*w.zonesPerRegion, h*w.zonesPerRegion)
				p.near[2][class] += price / 1e9 / (regions * (regions - 1))
			}
		}
	}
	return p
}

// price works out what the requests of r, of which t were accepted, cost.
func (l *load) price(r *rates, t *requests, c *Load) {
	m := &l.money
	accepted := t.reads + t.writes
	if accepted == 0 {
		accepted = 1
	}
	// Those that an overloaded node drops are of both kinds.
	done := r.served / accepted
	u := &r.usd
	u.requests = (t.reads*m.read + t.writes*m.write) * done
	u.constant = r.offered * (c.ReadShare*m.read + (1-c.ReadShare)*m.write)
	u.slow, u.refused = r.slow*m.slow, r.refused*m.refused
	// Bytes go from or to the client over the distance of the nearest copy, and
	// from there to the other copies.
	bytes := (t.reads*c.ReadBytes + t.writes*c.WriteBytes) * done
	copied := max(0, t.copies-t.writes) * c.WriteBytes * done
	for d := 1; d < distances; d++ {
		b := bytes*t.near[d] + copied*l.spread.pairs[d]
		for class := range u.traffic {
			u.traffic[class] += b * m.near[d][class]
		}
	}
	u.traffic[trafficInternet] += t.reads * done * c.ReadBytes * c.InternetShare * m.internet
}

// accrueLoad integrates what requests do for so many seconds, and returns their
// running cost above the constant part, in dollars an hour.
func (w *World) accrueLoad(seconds float64) (excessPerHour float64) {
	l := &w.load
	if l.stale > fresh {
		w.evaluate()
	}
	r, q, d := &l.rates, &w.ledger.requests, &w.ledger.dollars
	q.offered += r.offered * seconds
	q.served += r.served * seconds
	q.refused += r.refused * seconds
	q.stale += r.stale * seconds
	q.slow += r.slow * seconds
	q.latency += r.latency * seconds
	q.p99 += r.p99 * r.served * seconds
	u := &r.usd
	traffic := 0.0
	for class, x := range u.traffic {
		q.traffic[class] += x * seconds
		traffic += x
	}
	d[partTraffic] += traffic * seconds
	d[partServers] += l.money.serversHour / 3600 * seconds
	d[partRequests] += u.requests * seconds
	d[partSlow] += u.slow * seconds
	d[partRefused] += u.refused * seconds
	return 3600 * (traffic + u.requests - u.constant + u.slow + u.refused)
}

// bill is what the provider has charged since Reset: what credits are a share of.
func (l *ledger) bill() float64 {
	return l.dollars[partStorage] + l.dollars[partTraffic] + l.dollars[partServers] + l.dollars[partRequests]
}

// closeMonth gives credits for the month that ends now, or for the part of it that
// was played, and begins the next one.
func (w *World) closeMonth() {
	l, q := &w.ledger, &w.ledger.requests
	served := (q.served - q.monthServed) / (q.offered - q.monthOffered)
	for _, c := range credits {
		if served < c.below {
			w.charge(partCredits, c.share*(l.bill()-q.monthBill))
			break
		}
	}
	q.monthOffered, q.monthServed, q.monthBill = q.offered, q.served, l.bill()
	if at := w.now + month; at <= w.horizon {
		w.q.set(w.timers.month, at)
	}
}

// loadMetrics are what Measure reports besides where there is load. The costs of
// traffic by class add up to that of all traffic.
var loadMetrics = [...]env.Metric{
	{Name: "cost_traffic_zone_usd_per_day", Unit: "USD/d"},
	{Name: "cost_traffic_region_usd_per_day", Unit: "USD/d"},
	{Name: "cost_traffic_internet_usd_per_day", Unit: "USD/d"},
	{Name: "request_availability", Unit: "share of requests served", HigherIsBetter: true},
	{Name: "refused_per_million", Unit: "requests/10^6"},
	{Name: "stale_per_million", Unit: "requests/10^6"},
	{Name: "slow_per_million", Unit: "served requests/10^6"},
	{Name: "latency_mean_seconds", Unit: "s"},
	{Name: "latency_p99_seconds", Unit: "s, of the cluster at a time, mean over served requests"},
}

func (q *requestLedger) measure(dst []env.Ratio, days float64) []env.Ratio {
	for _, usd := range q.traffic {
		dst = append(dst, env.Ratio{Num: usd, Den: days})
	}
	return append(dst,
		env.Ratio{Num: q.served, Den: q.offered},
		env.Ratio{Num: q.refused * 1e6, Den: q.offered},
		env.Ratio{Num: q.stale * 1e6, Den: q.offered},
		env.Ratio{Num: q.slow * 1e6, Den: q.served},
		env.Ratio{Num: q.latency, Den: q.served},
		env.Ratio{Num: q.p99, Den: q.served},
	)
}

// finite reports whether all that is kept of requests is a number.
func (q *requestLedger) finite() bool {
	sum := q.offered + q.served + q.refused + q.stale + q.slow + q.latency + q.p99 + q.monthOffered + q.monthServed + q.monthBill
	for _, x := range q.traffic {
		sum += x
	}
	return !math.IsNaN(sum) && !math.IsInf(sum, 0)
}
