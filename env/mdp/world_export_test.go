package mdp

import "mend/env/seed"

// Begin starts in any state an episode that is ordinary otherwise.
func (w *World) Begin(s seed.Seed, state int, obs []float32, mask []bool) {
	w.start(s, state, 0, obs, mask)
}

// Noise is the random number of a step of the episode, in a world shaped by a
// twin.
func (w *World) Noise(step int64) float64 { return noise(w.draws.Seed, step) }
