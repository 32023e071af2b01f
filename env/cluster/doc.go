// Package cluster is a discrete-event model of a replicated store that asks a
// policy what to do whenever something needs a decision.
//
// Start with [World], which is an env.Env, and [Config], which defines one.
//
// # Model
//
// Regions hold zones, zones racks, racks nodes. Each shard has
// ReplicationFactor copies in different racks, spread over the zones. Nodes
// become unreachable for a while (transient outages, maintenance, bursts
// within a rack, outages of whole racks) or are lost with their data; an empty
// machine then takes their place. A shard with fewer readable copies than its
// quorum is unavailable; one without any intact copy is lost for good, charged
// once, and created anew when the controller has learnt that nothing of it is
// left.
//
// The controller sees none of that, only heartbeats: a node that is silent for
// the monitor's timeout is unreachable, whether it will be back in a minute or
// never. Two kinds of decision follow: what to do about an unreachable node,
// asked when it is lost and again after each wait, and what to do about the
// shards that have fewer believed live copies than wanted and no repair
// ordered. Shards with equally many live copies, in one zone or several, with
// or without a missing copy that may return, are one subject. Declaring a node
// dead orders the repair of what it held. If it returns nonetheless, its copies
// count again, and repairs that have become needless are cancelled.
//
// A repair needs a stream at its source and one at its destination, both
// reachable, and waits for them. All repairs into a zone share the zone's
// bandwidth (see zoneClock).
//
// # Randomness
//
// Every draw is a function of (seed, process, slot, ordinal), never of what
// was drawn before: all policies are offered the same failures at the same
// times, as [World.OfferedDigest] proves. A failure that strikes a dead node is
// offered without effect; an outage that strikes a node already down prolongs
// its outage or changes nothing.
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
// Foreground load and latency, failing and slow nodes before they fail,
// partitions, drains, and the other kinds of decision.
package cluster
