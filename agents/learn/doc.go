// Package learn trains networks: graph, differentiation and execution by
// gorgonia; layers, losses and the optimiser are our own.
//
// Start with [PPO], which holds a policy and a value network and takes gradient
// steps on them, and [Adam], the solver. The weights of a graph are the slices
// of an [mlp.Net], and its layers call [mlp.Layer.Forward]: acting and training
// see the same bits. It is the only package that imports gorgonia.
//
// gorgonia v0.9.18 is used within the bounds that were measured to be right:
//
//   - Every op of a graph is ours, owns its output buffer and hashes uniquely;
//     gorgonia merges nodes of equal hash. Reshape, SoftMax, LogSumExp and the
//     initialisers are wrong or irreproducible there and are not used.
//   - Shapes are fixed, so there is one graph and one tape machine for each
//     minibatch size, built when first asked for and kept.
//   - Gradients are read from the nodes that Grad returns, fresh at every run;
//     with BindDualValues they would add up.
//   - A tape machine's finalizer keeps it alive for ever; it is cleared.
//
// Graphs, machines and ops belong to one goroutine.
package learn
