package cluster

import (
	"math"

	"mend/env"
	"mend/env/state"
)

// part is one kind of cost.
type part uint8

const (
	partStorage part = iota
	partTraffic
	partInterference
	partUnavailability
	partLoss
	partActions
	// Where there is load.
	partServers
	partRequests
	partSlow
	partRefused
	partCredits
	parts
)

// ledger keeps account of costs and of what else an episode is measured by.
// Running costs follow from its integer counts, so that they do not drift.
type ledger struct {
	// What is charged by the hour.
	copies             int32            // that exist or are being made
	copiesBy           [providers]int32 // the same by provider, kept where there are several
	slow, fast         int32            // repairs in flight
	chargedUnavailable [maxTiers]int32  // shards short of their quorum and not lost, by tier
	unavailable        int32            // shards short of their quorum
	short              int32            // shards with fewer readable copies than wanted

	dollars [parts]float64 // since Reset, undiscounted

	// The cost of the present step above the constant rate C₀, discounted
	// from its start.
	stepStart  env.Time
	discount   float64 // e^(−(now−stepStart)/τ)
	discounted float64

	unavailableSeconds float64 // shard-seconds
	lost               int64   // shards
	repairBytes        float64
	shortSeconds       float64 // shard-seconds with fewer readable copies than wanted
	degraded           int64   // times that a shard came to have fewer
	decisions          [kinds]int64
	requests           requestLedger
}

func (l *ledger) startStep(now env.Time) {
	l.stepStart, l.discount, l.discounted = now, 1, 0
}

// accrue integrates the running costs from now to t.
func (w *World) accrue(t env.Time) {
	l := &w.ledger
	h := (t - w.now).Hours()
	storage := float64(l.copies) * w.pricePerCopyHour
	if w.mixed {
		storage = w.mixedStorage(&l.copiesBy)
	}
	interference := float64(l.slow)*w.cfg.Prices.SlowRepairPerHour + float64(l.fast)*w.cfg.Prices.FastRepairPerHour
	unavailability := 0.0
	for k, c := range l.chargedUnavailable {
		unavailability += float64(c) * w.tiers.value[k]
	}
	unavailability *= w.pricePerUnavailableHour
	l.dollars[partStorage] += storage * h
	l.dollars[partInterference] += interference * h
	l.dollars[partUnavailability] += unavailability * h
	l.unavailableSeconds += float64(l.unavailable) * (t - w.now).Seconds()
	l.shortSeconds += float64(l.short) * (t - w.now).Seconds()

	// ∫ c·e^(−u/τ) du over [now, t], u from the start of the step.
	excess := float64(int(l.copies)-w.shards*w.wants)*w.pricePerCopyHour + interference + unavailability
	if w.mixed {
		excess = storage - w.constantStorage + interference + unavailability
	}
	if w.load.on {
		excess += w.accrueLoad((t - w.now).Seconds())
	}
	after := math.Exp(-(t - l.stepStart).Hours() / w.tauHours)
	l.discounted += excess * w.tauHours * (l.discount - after)
	l.discount = after
}

// charge adds a lump of cost.
func (w *World) charge(p part, dollars float64) {
	w.ledger.dollars[p] += dollars
	w.ledger.discounted += dollars * w.ledger.discount
}

// chargeTraffic accounts for bytes that a repair has moved.
func (w *World) chargeTraffic(src, dst int32, bytes float64) {
	w.ledger.repairBytes += bytes
	from, to := w.zoneOf(src), w.zoneOf(dst)
	if from == to {
		return
	}
	class, perGB := w.traffic(from, to)
	usd := bytes / 1e9 * perGB
	w.ledger.requests.traffic[class] += usd
	w.charge(partTraffic, usd)
}

// countCopies counts c copies on node n that have come to exist or be made, or
// that no longer do.
func (w *World) countCopies(n, c int32) {
	w.ledger.copies += c
	if w.mixed {
		w.ledger.copiesBy[w.provider[w.regionOfZone(w.zoneOf(n))]] += c
	}
}

// mixedStorage is the storage of so many copies, in dollars an hour.
func (w *World) mixedStorage(copies *[providers]int32) float64 {
	sum := 0.0
	for i, c := range copies {
		sum += float64(c) * w.cfg.Data.ShardGB * w.tariff[i].storagePerGBMonth / 730
	}
	return sum
}

// closeLedger ends the account: repairs in flight are charged for what they
// have moved, and credits given for the month that has begun.
func (w *World) closeLedger() {
	for zone := range w.clocks {
		z := w.advance(zone)
		for _, id := range z.first {
			for ; id != none; id = w.flows[id].next {
				f := &w.flows[id]
				w.chargeTraffic(f.source, f.target, (min(z.v, f.end)-f.start)*float64(w.weight(f.fast)))
			}
		}
	}
	if w.load.on {
		w.closeMonth()
	}
}

func (l *ledger) fields(c *state.Codec) {
	state.Value(c, &l.copies)
	state.Fixed(c, l.copiesBy[:])
	state.Value(c, &l.slow)
	state.Value(c, &l.fast)
	state.Fixed(c, l.chargedUnavailable[:])
	state.Value(c, &l.unavailable)
	state.Value(c, &l.short)
	state.Fixed(c, l.dollars[:])
	state.Value(c, &l.stepStart)
	state.Value(c, &l.discount)
	state.Value(c, &l.discounted)
	state.Value(c, &l.unavailableSeconds)
	state.Value(c, &l.lost)
	state.Value(c, &l.repairBytes)
	state.Value(c, &l.shortSeconds)
	state.Value(c, &l.degraded)
	state.Fixed(c, l.decisions[:])
	l.requests.fields(c)
}

// metrics are what Measure reports, in its order, in a world with load: others
// are without the parts from servers on. The costs by part add up to the first.
var metrics = [...]env.Metric{
	{Name: "cost_usd_per_day", Unit: "USD/d"},
	{Name: "cost_storage_usd_per_day", Unit: "USD/d", Part: true},
	{Name: "cost_traffic_usd_per_day", Unit: "USD/d", Part: true},
	{Name: "cost_interference_usd_per_day", Unit: "USD/d", Part: true},
	{Name: "cost_unavailability_usd_per_day", Unit: "USD/d", Part: true},
	{Name: "cost_loss_usd_per_day", Unit: "USD/d", Part: true},
	{Name: "cost_actions_usd_per_day", Unit: "USD/d", Part: true},
	{Name: "cost_servers_usd_per_day", Unit: "USD/d", Part: true},
	{Name: "cost_requests_usd_per_day", Unit: "USD/d", Part: true},
	{Name: "cost_slow_usd_per_day", Unit: "USD/d", Part: true},
	{Name: "cost_refused_usd_per_day", Unit: "USD/d", Part: true},
	{Name: "cost_credits_usd_per_day", Unit: "USD/d", Part: true},
	{Name: "availability", Unit: "share", HigherIsBetter: true},
	{Name: "lost_shards", Unit: "shards/episode"},
	{Name: "repair_bytes_per_day", Unit: "B/d"},
	{Name: "mttr_seconds", Unit: "s"},
	{Name: "decisions_per_day", Unit: "1/d"},
}

// Measure implements env.Measured.
func (w *World) Measure(dst []env.Ratio) []env.Ratio {
	l := &w.ledger
	days := w.now.Hours() / 24
	total := 0.0
	for _, d := range l.dollars {
		total += d
	}
	dst = append(dst, env.Ratio{Num: total, Den: days})
	for _, d := range l.dollars[:w.parts()] {
		dst = append(dst, env.Ratio{Num: d, Den: days})
	}
	decisions := int64(0)
	for _, n := range l.decisions {
		decisions += n
	}
	shardSeconds := float64(w.shards) * w.now.Seconds()
	dst = append(dst,
		env.Ratio{Num: shardSeconds - l.unavailableSeconds, Den: shardSeconds},
		env.Ratio{Num: float64(l.lost), Den: 1},
		env.Ratio{Num: l.repairBytes, Den: days},
		env.Ratio{Num: l.shortSeconds, Den: float64(l.degraded)},
		env.Ratio{Num: float64(decisions), Den: days},
	)
	if w.load.on {
		dst = l.requests.measure(dst, days)
	}
	return dst
}

// parts is how many kinds of cost the world has.
func (w *World) parts() int {
	if w.load.on {
		return int(parts)
	}
	return int(partServers)
}

// metricsOf are the metrics of a world with or without load.
func metricsOf(load bool) []env.Metric {
	if load {
		return append(metrics[:len(metrics):len(metrics)], loadMetrics[:]...)
	}
	list := append([]env.Metric(nil), metrics[:1+partServers]...)
	return append(list, metrics[1+parts:]...)
}
