// Package tenfold decides when simulations are held to theory, for the tests of
// several packages.
package tenfold

import "slices"

// Settle returns the figures that decide: those of n replicates, or, where any of
// them is off, those of ten times as many. The n are among the 10·n: no seed is
// replaced.
//
// measure makes replicates from ≤ r < to, which follow those that it has made
// before, and returns the figures of all of them.
func Settle[F interface{ Off() bool }](n int, measure func(from, to int) []F) []F {
	figures := measure(0, n)
	if slices.ContainsFunc(figures, F.Off) {
		figures = measure(n, 10*n)
	}
	return figures
}
