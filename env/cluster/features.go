package cluster

import "mend/env"

// Indexes of the observation. All are built from what the monitor can know:
// heartbeats, telemetry, alarms, the controller's own log, its orders and the
// topology. The first group is there at every question; of the second one is
// 1; of the third those that the kind of question has, while the others are 0
// in their unit.
const (
	// The cluster.
	fUnreachable = iota
	fDeclared
	fRacksUnreachable
	fLosses10m
	fLosses1h
	fUnderReplicated
	fOneCopy
	fNoCopy
	fBacklog
	fFreeSpace
	fOpenDomains
	fSuspects
	fCordonedNodes
	fThrottle
	fUtilisation
	fRequestRate
	fLoadSlope
	fLatency
	fRefusedShare
	fUpgradeProgress
	// The question.
	fNodeUnreachable
	fDomainUnreachable
	fNodeSuspect
	fShardsAtRisk
	fShardLoad
	fClusterReview
	// Its subject: a node or domain that is unreachable, in part also a suspect.
	fSilence
	fAsked
	fRestarted
	fFlaps
	fRackUnreachable
	fZoneUnreachable
	fZoneDeclared
	fZoneDeclaredAfter
	fDomainLevel
	fDomainNodes
	fDomainUnreachableShare
	fFailedOver
	// A node, domain or class of shards: what it holds.
	fSubjectShards
	fSubjectTB
	fLiveCopies
	fSubjectOneCopy
	fSubjectNoCopy
	fSubjectUnordered
	fLiveZones
	fAwaited
	fRiskAge
	fTierValue
	fTierShare
	fTierTarget
	// A node that is unreachable or suspect.
	fAlarmPredictor
	fAlarmDetector
	fAlarmSpot
	fAlarmFlapping
	fAlarmScore
	fAlarmAge
	fAlarmDeadline
	fLatencyRatio
	fErrors
	fSmart
	fMachineAge
	fCordoned
	fDraining
	// A popular shard.
	fReplicaLoad
	fReplicas
	fExtraCopies
	fNodeUtilisation
	fPopularityRank
	// The regime that is reviewed.
	fRegimeAge
	featureCount
)

// Units of ln(1 + x) are of features that span minutes to weeks, or one shard
// to all. Counts that decay are right to 1 in 10,000.
var features = [featureCount]env.Feature{
	fUnreachable:            {Name: "unreachable_share", Unit: "share of nodes", Scale: 0.1},
	fDeclared:               {Name: "declared_share", Unit: "share of nodes", Scale: 0.1},
	fRacksUnreachable:       {Name: "racks_unreachable", Unit: "ln(1+racks)", Scale: 1},
	fLosses10m:              {Name: "losses_10m", Unit: "ln(1+nodes), decaying over 10 min", Scale: 1},
	fLosses1h:               {Name: "losses_1h", Unit: "ln(1+nodes), decaying over 1 h", Scale: 1},
	fUnderReplicated:        {Name: "under_replicated", Unit: "ln(1+shards)", Offset: 3, Scale: 3},
	fOneCopy:                {Name: "one_copy", Unit: "ln(1+shards)", Scale: 3},
	fNoCopy:                 {Name: "no_copy", Unit: "ln(1+shards)", Scale: 3},
	fBacklog:                {Name: "repair_backlog", Unit: "ln(1+hours at full bandwidth)", Scale: 1},
	fFreeSpace:              {Name: "free_space", Unit: "share of reachable capacity, less orders", Offset: 0.5, Scale: 0.5},
	fOpenDomains:            {Name: "open_domains", Unit: "ln(1+domains) asked about in place of their nodes", Scale: 1},
	fSuspects:               {Name: "suspects", Unit: "ln(1+nodes) under an alarm", Scale: 1},
	fCordonedNodes:          {Name: "cordoned_nodes", Unit: "ln(1+nodes) cordoned, as those that drain are", Scale: 1},
	fThrottle:               {Name: "repair_throttle", Unit: "share of the repair bandwidth that may be used", Offset: 1, Scale: 0.5},
	fUtilisation:            {Name: "utilisation", Unit: "share of the capacity of reachable nodes that requests take", Scale: 0.5},
	fRequestRate:            {Name: "request_rate", Unit: "requests/s, relative to the configured rate", Scale: 1},
	fLoadSlope:              {Name: "load_slope", Unit: "request_rate above its mean, decaying over 1 h", Scale: 0.5},
	fLatency:                {Name: "latency_p99", Unit: "ln(1+p99/SLO) at the last change of the load", Scale: 1},
	fUpgradeProgress:        {Name: "upgrade_progress", Unit: "share of nodes with the new build, while an upgrade is under way", Scale: 0.5},
	fRefusedShare:           {Name: "refused_share", Unit: "share of requests at the last change of the load", Scale: 0.1},
	fNodeUnreachable:        {Name: "is_node_unreachable", Unit: "0 or 1", Scale: 1},
	fDomainUnreachable:      {Name: "is_domain_unreachable", Unit: "0 or 1", Scale: 1},
	fNodeSuspect:            {Name: "is_node_suspect", Unit: "0 or 1", Scale: 1},
	fShardsAtRisk:           {Name: "is_shards_at_risk", Unit: "0 or 1", Scale: 1},
	fShardLoad:              {Name: "is_shard_load", Unit: "0 or 1", Scale: 1},
	fClusterReview:          {Name: "is_cluster_review", Unit: "0 or 1", Scale: 1},
	fSilence:                {Name: "silence", Unit: "ln(1+minutes) since the last heartbeat, of any member", Offset: 2, Scale: 2},
	fAsked:                  {Name: "asked", Unit: "ln(1+earlier decisions) on this outage or alarm", Scale: 1},
	fRestarted:              {Name: "restarted", Unit: "0 or 1", Scale: 1},
	fFlaps:                  {Name: "flaps_7d", Unit: "ln(1+outages), decaying over 7 d", Scale: 1},
	fRackUnreachable:        {Name: "rack_unreachable_share", Unit: "share of nodes, of the worst rack", Scale: 0.5},
	fZoneUnreachable:        {Name: "zone_unreachable_share", Unit: "share of nodes, of the worst zone", Scale: 0.2},
	fZoneDeclared:           {Name: "zone_declared_share", Unit: "share of nodes, of the worst zone", Scale: 0.1},
	fZoneDeclaredAfter:      {Name: "zone_declared_after", Unit: "share of nodes, of the worst zone, once the subject is declared dead", Scale: 0.1},
	fDomainLevel:            {Name: "domain_level", Unit: "1 rack, 2 zone, 3 region", Scale: 1},
	fDomainNodes:            {Name: "domain_nodes", Unit: "ln(1+nodes) unreachable and not declared dead", Scale: 2},
	fDomainUnreachableShare: {Name: "domain_unreachable_share", Unit: "share of nodes", Scale: 0.5},
	fFailedOver:             {Name: "failed_over", Unit: "0 or 1", Scale: 1},
	fSubjectShards:          {Name: "subject_shards", Unit: "ln(1+shards), once for each node that holds them", Offset: 3, Scale: 2},
	fSubjectTB:              {Name: "subject_tb", Unit: "ln(1+TB)", Offset: 2, Scale: 2},
	fLiveCopies:             {Name: "believed_live_copies", Unit: "copies, fewest of any shard", Offset: 1, Scale: 1},
	fSubjectOneCopy:         {Name: "subject_one_copy", Unit: "ln(1+shards)", Scale: 2},
	fSubjectNoCopy:          {Name: "subject_no_copy", Unit: "ln(1+shards)", Scale: 2},
	fSubjectUnordered:       {Name: "subject_unordered", Unit: "ln(1+shards) short of copies without an order", Offset: 2, Scale: 2},
	fLiveZones:              {Name: "live_zones", Unit: "zones, 2 for more", Offset: 1, Scale: 1},
	fAwaited:                {Name: "awaited", Unit: "0 or 1: a missing copy may return", Scale: 1},
	fTierValue:              {Name: "tier_value", Unit: "ln(value), that of the tier in question", Scale: 2},
	fTierShare:              {Name: "tier_share", Unit: "share of all shards", Scale: 1},
	fTierTarget:             {Name: "tier_target", Unit: "copies wanted of its shards, extra ones left out", Offset: 3, Scale: 2},
	fRiskAge:                {Name: "risk_age", Unit: "ln(1+minutes) of the oldest shard", Offset: 2, Scale: 2},
	fAlarmPredictor:         {Name: "alarm_predictor", Unit: "0 or 1: the node will be lost", Scale: 1},
	fAlarmDetector:          {Name: "alarm_detector", Unit: "0 or 1: the node is slow", Scale: 1},
	fAlarmSpot:              {Name: "alarm_spot", Unit: "0 or 1: the provider will take the node away", Scale: 1},
	fAlarmFlapping:          {Name: "alarm_flapping", Unit: "0 or 1: the node was lost again and again", Scale: 1},
	fAlarmScore:             {Name: "alarm_score", Unit: "0 to 1", Scale: 0.5},
	fAlarmAge:               {Name: "alarm_age", Unit: "ln(1+minutes)", Scale: 4},
	fAlarmDeadline:          {Name: "alarm_deadline", Unit: "ln(1+minutes) until the announced end", Scale: 2},
	fLatencyRatio:           {Name: "latency_ratio", Unit: "ln(latency/peers)", Scale: 1},
	fErrors:                 {Name: "errors_1d", Unit: "ln(1+errors), decaying over 1 d", Scale: 2},
	fSmart:                  {Name: "smart_errors", Unit: "ln(1+lasting errors) of the machine", Scale: 2},
	fMachineAge:             {Name: "machine_age", Unit: "ln(1+days) in service", Scale: 4},
	fCordoned:               {Name: "cordoned", Unit: "0 or 1", Scale: 1},
	fDraining:               {Name: "draining", Unit: "0 or 1", Scale: 1},
	fReplicaLoad:            {Name: "replica_load", Unit: "share of a node's capacity that each copy takes", Scale: 0.5},
	fReplicas:               {Name: "replicas", Unit: "copies, those on order included", Offset: 3, Scale: 2},
	fExtraCopies:            {Name: "extra_copies", Unit: "copies wanted beyond those of its tier", Scale: 1},
	fNodeUtilisation:        {Name: "node_utilisation", Unit: "share of the capacity of the busiest node that holds it, that requests take", Scale: 0.5},
	fPopularityRank:         {Name: "popularity_rank", Unit: "ln(1+rank), from 0", Offset: 2, Scale: 2},
	fRegimeAge:              {Name: "regime_age", Unit: "ln(1+minutes) since it last changed", Offset: 2, Scale: 2},
}
