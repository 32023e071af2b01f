// Package mdp holds finite Markov decision processes that are given as data,
// and simulates them as worlds. Because they are data they can also be solved:
// package eval/exact computes the best possible cost, so that the regret of a
// learned policy is known to the last digit.
//
// Start with [Model], the data, and [World], the simulation. [Sparse] holds
// transition rows one by one; [Product] those of components that move
// independently. The models are [MDPA], one partition; [MDPB], four nodes with
// a predictor of failures and slow nodes; [MultiCloud], shards over providers;
// and those that users write as a [File].
//
// # What a step is
//
// In state s a decision takes a legal action a, a [Model] pair. At once that
// costs what the pair says; then one row of probabilities, which several pairs
// may share, moves the process to the next state, and the branch that is taken
// may cost something too (a lost shard, a finished copy). Costs are in dollars
// a step, an average cost is quoted in dollars an hour, a step lasts StepHours.
//
// # Event-driven worlds
//
// Between events nothing changes and there is nothing to decide, so a [World]
// asks again only when the state has changed or something was charged, at the
// latest after Config.Hold: it applies the action again in every step in
// between. The best stationary policy is the same one, at the same average
// cost. Every state remains what it was at each of these steps, so the number
// of them is a geometric variate N, cut at the cap, and the reward of the hold
//
//	r = −Σ_{k<N} γ^k·(cost of step k),  γ = exp(−StepHours/τ)
//
// is drawn without walking through it. Elapsed is N: the nominal interval is
// one step.
//
// What is left out: continuous states, observations that hide some of the
// state, and steps of unequal length in the data itself.
package mdp
