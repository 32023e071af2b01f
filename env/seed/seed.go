// Package seed splits one number into any number of independent random
// streams.
//
// A [Seed] is a name for randomness, not a generator. [Seed.Child] derives
// further seeds by hashing, so that no stream depends on how many neighbours
// it has; [Seed.Rand] opens a sequential generator; [Seed.At] is counter-based:
// the draw for (slot, ordinal) is a pure function of its arguments, so that no
// action of a policy can shift another draw.
//
// Seeds are never derived by addition: Gymnasium's seed+i makes world i of
// seed s equal to world 0 of seed s+i.
package seed

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// Seed determines a stream of random numbers. Any value is a valid root.
type Seed uint64

// mix is the finalizer of SplitMix64, a bijection on 64 bits that passes
// BigCrush when fed a counter (Steele, Lea, Flood: "Fast splittable
// pseudorandom number generators", OOPSLA 2014; constants of Stafford's
// variant 13).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	x ^= x >> 31
	return x
}

// golden is 2^64 divided by the golden ratio, made odd: SplitMix64's increment.
const golden = 0x9e3779b97f4a7c15

// Child derives the seed named (label, index) below s.
func (s Seed) Child(label string, index uint64) Seed {
	// FNV-1a over the label, then two rounds that fold in parent and index.
	h := uint64(0xcbf29ce484222325)
	for i := 0; i < len(label); i++ {
		h = (h ^ uint64(label[i])) * 0x100000001b3
	}
	x := mix(uint64(s) + golden ^ mix(h+golden))
	return Seed(mix(x + golden*(index+1)))
}

// Rand opens the sequential generator of s. Its state can be saved: it is the
// returned PCG.
func (s Seed) Rand() (*rand.Rand, *rand.PCG) {
	p := rand.NewPCG(mix(uint64(s)+golden), mix(mix(uint64(s))+golden))
	return rand.New(p), p
}

// At returns 64 random bits for (slot, ordinal), a pure function of both and s.
func (s Seed) At(slot, ordinal uint64) uint64 {
	x := mix(uint64(s) + golden*(slot+1))
	return mix(x + golden*(ordinal+1))
}

// Uniform maps 64 random bits to the open interval (0, 1): never 0, never 1.
func Uniform(bits uint64) float64 {
	return (float64(bits>>12) + 0.5) / (1 << 52)
}

// Exponential maps 64 random bits to an exponential variate of mean 1.
func Exponential(bits uint64) float64 { return -math.Log(Uniform(bits)) }

// Normal maps 64 random bits to a standard normal variate by inversion.
func Normal(bits uint64) float64 {
	return math.Sqrt2 * math.Erfinv(2*Uniform(bits)-1)
}

// Below maps 64 random bits b to an integer in [0, n). Its bias is below
// n/2^64 (Lemire, "Fast random integer generation in an interval", 2019).
func Below(b uint64, n int) int {
	hi, _ := bits.Mul64(b, uint64(n))
	return int(hi)
}
