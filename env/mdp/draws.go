package mdp

import "mend/env/seed"

// Draws is a sequence of random numbers of which each is a function of the seed
// and its place in the sequence.
type Draws struct {
	Seed seed.Seed
	N    uint64 // drawn so far
}

// Uniform draws a number in (0, 1).
func (d *Draws) Uniform() float64 {
	u := seed.Uniform(d.Seed.At(slotDraws, d.N))
	d.N++
	return u
}

// The slots of the random draws of an episode.
const (
	slotDraws = iota // of Draws, by ordinal
	slotNoise        // of the twin, by step
	slotStart        // of an exploring start
	slotAgain        // seeds of draws that are only tried
)
