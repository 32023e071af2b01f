package signal

import (
	"fmt"

	"mend/agents/kernel"
	"mend/env/state"
)

// Average keeps averaged weights beside the learned ones. Single iterates of a
// learner jump; their mean does not.
//
// In mode tail they follow the learned weights until a share of the training is
// over and are from then on the exact arithmetic mean over the updates. In mode
// ema each gradient step does
//
//	average ← d·average + (1 − d)·weights
//
// Polyak & Juditsky, "Acceleration of stochastic approximation by averaging",
// 1992, for the mean of the tail.
type Average struct {
	mode         string
	start, decay float64
	from, to     [][]float32
	sum          [][]float64 // of tail
	count        uint64      // updates in sum
}

// NewAverage averages the tensors from into to, equally shaped, which must
// start as copies. Both must stay where they are. The mode may not be none.
func NewAverage(cfg *Config, from, to [][]float32) *Average {
	a := &Average{mode: cfg.Average, start: cfg.AverageStart, decay: cfg.AverageDecay, from: from, to: to}
	if a.mode != AverageTail && a.mode != AverageEMA {
		panic(fmt.Sprintf("signal: average %q, want tail or ema", a.mode))
	}
	if len(from) != len(to) {
		panic(fmt.Sprintf("signal: average of %d tensors into %d", len(from), len(to)))
	}
	for i := range from {
		if len(from[i]) != len(to[i]) {
			panic(fmt.Sprintf("signal: average of tensor %d: %d numbers into %d", i, len(from[i]), len(to[i])))
		}
		if a.mode == AverageTail {
			a.sum = append(a.sum, make([]float64, len(from[i])))
		}
	}
	return a
}

// Step is to be called after every gradient step.
func (a *Average) Step() {
	if a.mode == AverageEMA {
		for i, from := range a.from {
			kernel.Lerp(a.to[i], from, float32(1-a.decay))
		}
	}
}

// Update is to be called after every update that went well, with the share of
// training that is over.
func (a *Average) Update(progress float64) {
	if a.mode != AverageTail {
		return
	}
	if progress <= a.start {
		for i, from := range a.from {
			copy(a.to[i], from)
		}
		return
	}
	a.count++
	for i, from := range a.from {
		to, sum := a.to[i], a.sum[i]
		for j, x := range from {
			sum[j] += float64(x)
			to[j] = float32(sum[j] / float64(a.count))
		}
	}
}

// Tensors are the averaged weights, which Step changes: what an update that
// fails has to put back.
func (a *Average) Tensors() [][]float32 { return a.to }

// Fields carries the average.
func (a *Average) Fields(c *state.Codec) {
	shape(c, "tensors in the average", len(a.to))
	for _, x := range a.to {
		state.Fixed(c, x)
	}
	shape(c, "sums in the average", len(a.sum))
	state.Value(c, &a.count)
	for _, x := range a.sum {
		state.Fixed(c, x)
	}
}
