// Package cluster is a discrete-event model of a replicated store that asks a
// policy what to do whenever something needs a decision.
//
// Start with [World], which is an env.Env, and [Config], which defines one.
//
// # Model
//
// Regions hold zones, zones racks, racks nodes. Each shard has
// ReplicationFactor copies in different racks, spread over the zones. Nodes
// become unreachable for a while (see Failures below) or are lost with their
// data; an empty machine then takes their place. A shard with fewer readable copies than its
// quorum is unavailable; one without any intact copy is lost for good, charged
// once, and created anew when the controller has learnt that nothing of it is
// left.
//
// The controller sees none of that, only heartbeats and telemetry: a node that
// is silent for the monitor's timeout is unreachable, whether it will be back in
// a minute or never. Declaring a node dead orders the repair of what it held. If
// it returns nonetheless, its copies count again, and repairs that have become
// needless are cancelled.
//
// # Decisions
//
// Each [Kind] of decision is about one subject:
//
//   - An unreachable node: asked one heartbeat interval after it is lost, and
//     again after each wait.
//   - An unreachable domain: the largest rack, zone or region of which
//     Domains.Share of the nodes, and two at least, are unreachable when one of
//     its nodes would be asked about. It is asked about in their place until it
//     no longer qualifies; what is then left is asked about node by node.
//   - A suspect: a node under an alarm of the [Predictor] of losses, the
//     [Detector] of slow nodes, the provider, or the controller itself, where it
//     returns again and again. Asked when the alarm is raised and from time to
//     time while it stands. A restart or exchange that was ordered excuses the
//     node's silence for as long as it takes.
//   - Shards at risk: fewer believed live copies than wanted and no repair
//     ordered. Those with equally many live copies, in one zone or several, with
//     or without a missing copy that may return, are one subject.
//   - The cluster: asked when a burst of losses or a repair backlog begins or
//     ends, and from time to time while it lasts. See [Reviews].
//
// Simultaneous questions come in this order, each seeing what earlier answers
// did.
//
// A repair needs a stream at its source and one at its destination, both
// reachable, and waits for them. All repairs into a zone share the zone's
// bandwidth (see zoneClock).
//
// # Failures
//
// [Failures] configures the processes, each with its slots: nodes (transient
// outages, maintenance, lemons, permanent losses, fail-slow, spot preemption),
// domains (racks, PDUs, zones, regions, providers), racks (bursts), pairs of
// zones (partitions), or the cluster (rolling upgrades). Most are off by
// default. [NewReplay] replays records in place of some of them.
//
//   - A machine has an age, a model, and may be a lemon; the one that takes its
//     place has others. Losses whose hazard depends on them are candidates at
//     the largest hazard there is, of which some are not fatal.
//   - An outage of a domain cuts its racks off; a node answers when no outage of
//     its own nor of a domain around it is under way.
//   - A partition cuts one zone off from another, in one direction or both.
//     Where it comes between a zone and the monitor, in zone 0, heartbeats are
//     lost; the nodes serve on.
//   - A bad upgrade crashes the nodes that run it, until they are rolled back.
//
// # Randomness
//
// Every draw is a function of (seed, process, slot, ordinal), never of what
// was drawn before: all policies are offered the same failures at the same
// times, as [World.OfferedDigest] proves. A failure that strikes a dead node,
// or a machine of another age, model or kind than it is for, is offered without
// effect; an outage that strikes a node or domain already down prolongs its
// outage or changes nothing. Alarms are drawn in the same way: whether and when a loss is
// foreseen is a function of the slot and the time of the loss, and false alarms
// are a process of their own, as often as the predictor's precision wants. One
// that comes while the node does not answer is offered without effect.
//
// # The end of an episode
//
// The horizon cuts an episode between two questions. Its last observation is
// therefore about no subject: the cluster's features as they are, those of
// question and subject 0 before scaling, and hold the only legal action. An
// episode in which nothing ever needed a decision consists of one step from
// such an observation.
//
// # Time and cost
//
// Time is integer microseconds. Costs are rates, held between events and
// integrated exactly, and lumps. The reward of a step is
//
//	−(1/ScaleUSD) · ∫ e^(−t/τ) d(C − C₀),  t from the start of the step,
//
// where C₀ is the storage of ReplicationFactor copies of every shard: a
// constant rate that no action changes, taken out so that rewards are about
// what actions change. It leaves the optimal policy as it is. The metrics
// report all of C, undiscounted.
//
// # Left out so far
//
// Foreground load and latency, decisions on load, and what slow nodes and
// partitions mean for repairs. The controller itself never fails, not even with
// its zone.
//
// What a policy sees and may answer is listed in FEATURES.md.
package cluster

//go:generate go test -count 1 -run ^TestFeaturesPage$ . -rewrite
