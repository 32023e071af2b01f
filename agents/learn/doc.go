// Package learn trains networks: graph, differentiation and execution by
// gorgonia; layers, losses and the optimiser are our own.
//
// Start with [PPO], which takes gradient steps on a policy and a value network,
// and [Adam], the solver. [TD] does the same for a [QNet], [Regression] for a
// value net alone. The weights of a graph are the slices of an [mlp.Net], and
// its layers call [mlp.Layer.Forward]: acting and training see the same bits. It
// is the only package that imports gorgonia.
//
// gorgonia v0.9.18 is used within the bounds that were measured to be right:
//
//   - Every op of a graph is ours, owns its output and hashes uniquely; gorgonia
//     merges nodes of equal hash. Reshape, SoftMax, LogSumExp and the
//     initialisers are wrong or irreproducible there and are not used.
//   - No value has two readers that need its gradient: gorgonia would add up
//     the parts into new memory at every run. A fork of two nets is one op.
//   - Shapes are fixed, so there is one graph for each number of rows, built
//     when first asked for and kept.
//   - A tape machine passes every run to another thread and back, about 6 µs,
//     and spends 1 µs and some allocations on each node. So there is one graph
//     for a whole batch, the layers of a net are one op, and the program leaves
//     out the nodes that only hand out gradients which another op has filled.
//   - A panic in an op would end the program, because the machine runs ops on a
//     goroutine of its own: it becomes the run's error. A machine's finalizer
//     keeps it alive for ever and is cleared.
//
// A batch is cut into shards by its size alone. Each op runs them in parallel
// and adds up their gradients in order, so that no bit depends on the number of
// processors. A learner belongs to one goroutine.
package learn
