package cluster

import "mend/env"

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

// FeatureGroup is a run of features that are there together.
type FeatureGroup struct {
	Title    string
	Features []env.Feature
}

// FeatureGroups are all features of the observation, in order, by what they are
// about.
func FeatureGroups() []FeatureGroup {
	starts := []struct {
		first int
		title string
	}{
		{fUnreachable, "The cluster, at every question"},
		{fNodeUnreachable, "The question, of which one is 1"},
		{fSilence, "A node or domain that is unreachable, in part also a suspect"},
		{fSubjectShards, "What a node, domain or class of shards holds"},
		{fAlarmPredictor, "A node that is unreachable or suspect"},
		{fReplicaLoad, "A shard that is too hot or too cold for its copies"},
		{fRegimeAge, "The regime that is reviewed"},
		{featureCount, ""},
	}
	var groups []FeatureGroup
	for i, g := range starts[:len(starts)-1] {
		groups = append(groups, FeatureGroup{g.title, features[g.first:starts[i+1].first:starts[i+1].first]})
	}
	return groups
}
