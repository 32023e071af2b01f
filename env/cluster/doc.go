// Package cluster is a discrete-event model of a replicated store that asks a
// policy what to do whenever something needs a decision.
//
// Start with [World], which is an env.Env, and [Config], which defines one.
//
// # Model
//
// Regions hold zones, zones racks, racks nodes. Each shard has
// ReplicationFactor copies, placed as Data.Placement says: in different racks,
// spread over the zones, if not otherwise. Nodes become unreachable for a while
// (see Failures below) or are lost with their data; an empty machine then takes
// their place. A shard with fewer readable copies than its quorum is unavailable; one without any intact copy is lost for good, charged
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
//   - An unreachable node: asked one heartbeat interval after it is lost, so that
//     those lost with it are seen together, and again after each wait.
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
//     ordered. Those of one tier of the data with equally many live copies, in
//     one zone or several, with or without a missing copy that may return, are one
//     subject.
//   - A popular shard: the requests for it take more than Load.Hot of the
//     capacity of each node that holds it, or, once it has been given extra
//     copies, would take less than Load.Cold with one fewer. Asked when the load
//     changes.
//   - The cluster: asked when a burst of losses or a repair backlog begins or
//     ends, and from time to time while it lasts, 5 minutes after another review at
//     the soonest. See [Reviews]. Where the number
//     of copies may change it is asked once for each [Tier], the first time also
//     about the throttle.
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
// # Load
//
// [Load] configures the requests of clients; by default there are none. Their rate
// and what they are for come from env/workload. Nothing is done for single requests:
// each node is a queue, whose utilisation gives the latencies (env/queueing), and
// what changes the load, or the nodes that serve, changes rates, which are held
// until the next change. See load.go for what counts as the latency of a request.
//
//   - Requests for the first 64 ranks of popularity follow the copies of their
//     shards; the others are spread evenly over the nodes that serve.
//   - With quorum consistency, requests that reach fewer readable copies than
//     their quorum are refused, and so are writes of which the primary is on a
//     node that is down. Primaries move by themselves after FailoverDelay, unless
//     half of the rack, zone or region is down too, and not declared dead (Domains.Share): then when the
//     controller fails over or declares dead, or enough nodes are back.
//   - With available consistency any copy serves, and requests that reach fewer
//     than the quorum count as stale.
//   - An overloaded node refuses what it cannot serve.
//   - Repairs keep servers of their two nodes busy (RepairServers), whose requests
//     then wait longer.
//
// The controller sees how many requests there are for what, and the latency and
// refusals of the whole at the last change of the load, but not which nodes are
// slow.
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
// where C₀ is the storage of the copies that there are at the start and, where
// there is load, the servers and the price of all requests, were all served:
// rates that no action changes, taken out so that rewards are about what actions
// change. It leaves the optimal policy as it is. The metrics report all of C,
// undiscounted.
//
// Prices are those of the configuration, or list prices of a provider for each
// region (prices.providers). Where there is load, clients are given back 10, 25 or
// 100 % of a 30-day month's bill for storage, traffic, servers and requests where
// fewer than 99.9, 99 or 95 % of its requests were served; the last month, which
// the horizon cuts, counts as far as it went.
//
// # Left out so far
//
// What requests take from repairs; the wait for the slowest of a quorum; what slow
// nodes mean for repairs; primaries that move because of a partition. The controller
// itself never fails, not even with its zone.
//
// What a policy sees and may answer is listed in FEATURES.md.
package cluster

//go:generate go test -count 1 -run ^TestFeaturesPage$ . -rewrite
