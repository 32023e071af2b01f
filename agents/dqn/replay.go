package dqn

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// replay is a ring of observations and of what followed them. Every
// observation is stored once: a transition's s' is the entry that its origin
// links to, which is the origin of the next transition. An entry is
//
//   - open until its successor, or the end, is known: next is 0;
//   - an origin, that is a whole transition, once it is not: next is the
//     distance to the successor's entry, or the task terminated;
//   - a last observation where the clock cut the episode: a successor only,
//     which stays open for ever.
//
// A successor is always younger than its origin, so that it outlives it, and
// links lead forward only. Rewards are stored as the world paid them.
type replay struct {
	dim, actions int
	maskBytes    int    // bytes of a mask; 0 where the world has none
	added        uint64 // entries ever made; entry number k lies in slot k % capacity
	origins      int    // origins among those in the ring

	// By slot.
	obs     []float32 // [capacity*dim]
	mask    []uint8   // [capacity*maskBytes], bit a%8 of byte a/8: action a is legal
	action  []uint16
	reward  []float32
	elapsed []float32 // in nominal intervals
	ended   []bool    // the task terminated here
	next    []uint32  // distance to the successor's entry, 0 where there is none
	phi     []float32 // Φ of the observation; nil without shaping

	// tree holds the priorities, to the power of α, of origins and 0 for all
	// else; nil where origins are drawn uniformly. fresh is what a new origin
	// gets: the highest so far.
	tree  *sumTree
	fresh float32
}

const (
	maxCapacity = 1 << 26 // distances fit 32 bits; a slip of the pen is no out-of-memory
	maxActions  = 1 << 16 // so that an action fits 16
	maxAdded    = 1 << 62 // more than any run makes
)

func newReplay(capacity, dim, actions int, masked, shaped, prioritized bool) *replay {
	r := &replay{
		dim: dim, actions: actions,
		obs:     make([]float32, capacity*dim),
		action:  make([]uint16, capacity),
		reward:  make([]float32, capacity),
		elapsed: make([]float32, capacity),
		ended:   make([]bool, capacity),
		next:    make([]uint32, capacity),
		fresh:   1,
	}
	if masked {
		r.maskBytes = (actions + 7) / 8
		r.mask = make([]uint8, capacity*r.maskBytes)
	}
	if shaped {
		r.phi = make([]float32, capacity)
	}
	if prioritized {
		r.tree = newSumTree(capacity)
	}
	return r
}

func (r *replay) capacity() int { return len(r.action) }

// size is how many entries the ring holds.
func (r *replay) size() int { return int(min(r.added, uint64(r.capacity()))) }

func (r *replay) slot(entry uint64) int { return int(entry % uint64(r.capacity())) }

// holds reports whether the entry has not been overwritten.
func (r *replay) holds(entry uint64) bool {
	return entry < r.added && r.added-entry <= uint64(r.capacity())
}

// origin reports whether a transition starts in the slot.
func (r *replay) origin(slot int) bool { return r.next[slot] != 0 || r.ended[slot] }

// push makes an open entry, in place of the oldest where the ring is full, and
// returns its number. phi is not used without shaping.
func (r *replay) push(obs []float32, mask []bool, action int, phi float32) uint64 {
	if len(obs) != r.dim || r.maskBytes > 0 && len(mask) != r.actions {
		panic(fmt.Sprintf("dqn: an entry of %d features and %d mask values, want %d and %d", len(obs), len(mask), r.dim, r.actions))
	}
	entry := r.added
	s := r.slot(entry)
	if entry >= uint64(r.capacity()) && r.origin(s) {
		r.origins--
		if r.tree != nil {
			r.tree.set(s, 0)
		}
	}
	r.added++
	copy(r.obs[s*r.dim:], obs)
	if r.maskBytes > 0 {
		pack(r.mask[s*r.maskBytes:(s+1)*r.maskBytes], mask)
	}
	r.action[s] = uint16(action)
	r.reward[s], r.elapsed[s] = 0, 0
	r.ended[s], r.next[s] = false, 0
	if r.phi != nil {
		r.phi[s] = phi
	}
	return entry
}

// link completes a transition that goes on: the reward and time from its origin
// to the entry of the successor. An origin that was overwritten is left alone.
func (r *replay) link(origin, successor uint64, reward, elapsed float32) {
	if !r.holds(origin) {
		return
	}
	if successor <= origin || successor >= r.added {
		panic(fmt.Sprintf("dqn: entry %d follows entry %d of %d", successor, origin, r.added))
	}
	s := r.slot(origin)
	r.next[s] = uint32(successor - origin)
	r.complete(s, reward, elapsed)
}

// end completes a transition that nothing follows.
func (r *replay) end(origin uint64, reward, elapsed float32) {
	if !r.holds(origin) {
		return
	}
	s := r.slot(origin)
	r.ended[s] = true
	r.complete(s, reward, elapsed)
}

func (r *replay) complete(slot int, reward, elapsed float32) {
	r.reward[slot], r.elapsed[slot] = reward, elapsed
	r.origins++
	if r.tree != nil {
		r.tree.set(slot, r.fresh)
	}
}

// uniform draws a slot among the origins, of which there must be one. Nearly
// all slots are origins, so that drawing again where one is not costs little.
func (r *replay) uniform(random *rand.Rand) int {
	if r.origins == 0 {
		panic(fmt.Sprintf("dqn: none of %d entries is an origin", r.size()))
	}
	for {
		if s := random.IntN(r.size()); r.origin(s) {
			return s
		}
	}
}

// stratum draws a slot by priority, from the k-th of n equal parts of the sum
// of all, and returns its probability (Schaul et al., section 3.3).
func (r *replay) stratum(random *rand.Rand, k, n int) (slot int, probability float64) {
	total := r.tree.total()
	u := (float64(k) + random.Float64()) / float64(n) * total
	slot = r.tree.find(u)
	return slot, float64(r.tree.leaf[slot]) / total
}

// setPriority gives an origin the priority (|δ| + ε)^α.
func (r *replay) setPriority(slot int, delta, eps, alpha float64) {
	p := math.Pow(delta+eps, alpha)
	// An origin can always be drawn, and a sum of all stays finite.
	w := float32(min(max(p, math.SmallestNonzeroFloat32), math.MaxFloat32))
	r.tree.set(slot, w)
	r.fresh = max(r.fresh, w)
}

// outcome is what followed an origin over some horizon:
//
//	reward   = Σ_j γ^{Δ_0+…+Δ_{j−1}} r_j
//	discount = γ^{Σ_j Δ_j}
//
// last is the slot of the observation it ends in, −1 where the task terminated.
type outcome struct {
	reward, discount float64
	last             int
}

// follow sums rewards from an origin until the elapsed time reaches the
// horizon, the episode ends, or what follows is not known yet. A horizon of 1
// is one step.
func (r *replay) follow(slot int, gamma, horizon float64) outcome {
	o := outcome{discount: 1}
	var elapsed float64
	for {
		dt := float64(r.elapsed[slot])
		o.reward += float64(o.discount * float64(r.reward[slot]))
		o.discount *= power(gamma, dt)
		elapsed += dt
		if r.ended[slot] {
			o.last = -1
			return o
		}
		if slot += int(r.next[slot]); slot >= r.capacity() {
			slot -= r.capacity()
		}
		if horizon <= 1 || elapsed >= horizon || !r.origin(slot) {
			o.last = slot
			return o
		}
	}
}

// power is γ^Δ; most worlds step by 1.
func power(gamma, elapsed float64) float64 {
	switch elapsed {
	case 0:
		return 1
	case 1:
		return gamma
	}
	return math.Pow(gamma, elapsed)
}

func pack(dst []uint8, mask []bool) {
	clear(dst)
	for a, legal := range mask {
		if legal {
			dst[a/8] |= 1 << (a % 8)
		}
	}
}

// legal unpacks the mask of a slot.
func (r *replay) legal(slot int, mask []bool) {
	bits := r.mask[slot*r.maskBytes : (slot+1)*r.maskBytes]
	for a := range mask {
		mask[a] = bits[a/8]>>(a%8)&1 == 1
	}
}
