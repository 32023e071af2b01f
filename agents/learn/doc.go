// Package learn trains networks: graph and differentiation by gorgonia; layers,
// losses, execution and the optimiser are our own.
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
//   - A run walks the ops in the order of [gorgonia.Sort]. gorgonia's tape
//     machine does the same and gives the same bits, but passes every run to
//     another thread and back and allocates for each op: 25 to 60 µs and some
//     hundred allocations, where a whole step on 64 rows takes 40.
//
// A batch is cut into shards of a fixed number of rows, each with a graph of its
// own; they run in parallel and their gradients are added in order, so that no
// bit depends on the number of processors. A learner belongs to one goroutine.
package learn
