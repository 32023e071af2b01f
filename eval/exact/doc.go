// Package exact solves finite Markov decision processes: the least average or
// discounted cost, and what any policy costs, without sampling.
//
// Start with [Optimum] and [Evaluate]. Both return a [Solution] with bounds that
// hold whatever the method did: for any function h of the state,
//
//	min_s (T h − h)(s)  ≤  g  ≤  max_s (T h − h)(s)
//
// where T is the Bellman operator of the best policy, or of the one that is
// evaluated (Puterman, "Markov Decision Processes", 1994, theorem 8.5.5). Their
// distance is the span that is reported.
//
// [Optimum] is policy iteration, whose linear systems are solved by GMRES with
// nothing but products with the transition rows, so that it works on factorised
// models too. [RelativeValueIteration] reaches the same by another way, more
// slowly; it is there to check the first. [Discounted] and [EvaluateDiscounted]
// are the same for a discounted cost. [Visits] says where a policy spends its
// time, [Gaps] what each of its choices costs: over all states their products
// add up to its regret.
//
// Costs are in $, those of a [Solution] a step of the model unless a name says
// otherwise.
package exact
