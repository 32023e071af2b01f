// Package signal is what all learners share of the learning signal: how
// observations and rewards are scaled, whose reward a decision is credited
// with, potential-based shaping, and averaged weights. Plain cost rewards do not
// teach the problems that mend is about; these are the named, switchable options
// that help.
//
// Start with [Config], a section of a run's configuration, and [Setup], what
// every learner is made from besides its own hyperparameters. Evaluation uses
// none of this except the averaged weights and the normaliser in front of them.
// Rewards are never clipped: damage would become cheap.
//
// All statistics change only when a learner says so, after an update: acting,
// old log-probabilities and training of one rollout see the same ones.
package signal
