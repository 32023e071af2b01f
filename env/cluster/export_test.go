package cluster

// RackBursts is what the tests play as RackBursts-v0.
func RackBursts() Config { return rackBursts() }

// Strikes counts, by name as in Processes, how often each process has struck
// since Reset, candidates and strikes without effect included.
func Strikes(w *World) map[string]float64 {
	counts := map[string]float64{}
	for p, name := range map[process]string{
		transient: "transient", maintenance: "maintenance", permanent: "permanent", slowOnset: "slow", preemption: "spot", burst: "burst",
		rackOutage: "rack", pduOutage: "pdu", zoneOutage: "zone", regionOutage: "region", providerOutage: "provider",
		partition: "partition", upgrade: "upgrade",
	} {
		for _, k := range w.ordinal[p] {
			counts[name] += float64(k)
		}
	}
	return counts
}

// Asked counts the decisions since Reset by kind.
func Asked(w *World) map[string]int64 {
	counts := map[string]int64{}
	for k, n := range w.ledger.decisions {
		counts[Kind(k).String()] = n
	}
	return counts
}
