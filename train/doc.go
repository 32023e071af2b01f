// Package train runs the loop: act, step, observe, update.
//
// Start with [Job]: its Run begins a run and its Resume continues one from a
// checkpoint, bit for bit, as if it had never stopped. [NewDir] makes the
// folder that a run fills. The package names no algorithm and no world; it is
// handed an env.Vector and an agents.Agent.
//
// What a run computes depends on its configuration and seed alone. The clock
// paces checkpoints and progress and stamps lines of metrics.jsonl, but nothing
// in a checkpoint depends on it.
package train
