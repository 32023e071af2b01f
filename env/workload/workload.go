// Package workload is the load that clients offer to a store: how many
// requests a second, and which shards they are for. It is exogenous: a function
// of the seed and of time, whatever a policy does.
//
// Start with [Process] and [Config].
//
// # Model
//
// The load is constant between two changes, which come every Step, every
// crowds.Step while there is a flash crowd, and at the start of one:
//
//	rate(t) = RequestsPerSecond · season(t) · noise(t) · (1 + Σ excess_i(t))
//
// with the season in the middle of its step, the noise a gamma variate of mean 1
// for each step, and the excess of flash crowd i, its factor less 1 at the peak,
// averaged over the interval, so that no request of a crowd goes missing.
//
// Requests spread over shards by [Zipf]'s law of popularity ranks. Which shard
// has which rank is tracked for the Top first ranks. It drifts: neighbouring
// ranks exchange their shards, one pair at a time, drawn uniformly; the last
// tracked rank has its next neighbour among all other shards alike. A share
// HotShare of a crowd's excess goes to the one shard that the crowd is for, of a
// tracked rank drawn uniformly; that shard stays tracked until the crowd ends, a
// swap that says otherwise being offered without effect. A crowd ends when its
// excess has fallen below 1 % of the usual load. Where 16 crowds overlap, the
// weakest gives way to the next.
//
// # Randomness
//
// Every draw is a function of (seed, process, ordinal): the noise of the k-th
// step, the k-th swap, the k-th crowd. [Process.OfferedDigest] proves that two
// policies met the same load.
//
// # Left out
//
// Single requests, their sizes, sessions, and shards whose mix of reads and
// writes differs.
package workload

import (
	"fmt"
	"math"
	"slices"

	"mend/configs/field"
	"mend/env"
	"mend/env/seed"
	"mend/env/state"
)

// Top is how many ranks are tracked, where there are so many shards.
const Top = 64

const (
	maxCrowds = 16   // at a time
	faded     = 0.01 // excess at which a crowd ends
)

// Change says what a call of [Process.Advance] changed, as a set of bits.
type Change uint8

const (
	RateChanged   Change = 1 << iota // Rate
	SharesChanged                    // Share and Rest
	RanksChanged                     // ShardAt
)

// Slots of the draws of one crowd.
const (
	drawGap uint64 = iota // from the start of the crowd before
	drawFactor
	drawRamp
	drawRank
)

// Slots of the draws of one swap.
const (
	drawSwapGap uint64 = iota // from the swap before
	drawPair
	drawNewcomer
)

// crowd is a flash crowd that is on.
type crowd struct {
	start, ramp, end env.Time
	peak             float64 // excess at the peak: factor − 1
	shard            int32   // that it is for
	excess           float64 // mean over the current interval; derived
}

// Process is the offered load as time goes by. Nothing allocates after New.
type Process struct {
	c          Config
	shards     int
	step, fine env.Time // between two changes: usual, while there is a crowd
	decay      env.Time
	zipf       Zipf
	tracked    int          // ranks: Top, or all
	pairs      int          // of neighbouring ranks that may swap
	usual      [Top]float64 // Zipf's share of each tracked rank
	usualRest  float64      // and of all others

	now         env.Time
	from, until env.Time // the interval in which the load is as it is
	noise       seed.Seed
	drift       seed.Seed
	crowdSeed   seed.Seed
	swap        uint64 // ordinal of the next swap
	swapAt      env.Time
	nextCrowd   uint64 // ordinal
	crowdAt     env.Time
	crowds      [maxCrowds]crowd
	active      int32 // crowds
	top         [Top]int32
	digest      uint64

	// Derived from the above by refresh.
	rate   float64
	shares [Top]float64
	dilute float64 // what is left of a usual share
}

// New returns the load of so many shards, to be Reset before use. An invalid
// config gives field.Errors.
func New(c Config, shards int) (*Process, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	var e field.Errors
	e.Want(shards >= 1 && shards <= math.MaxInt32, "shards", shards, "1 to 2147483647")
	if err := e.Err(); err != nil {
		return nil, err
	}
	p := &Process{
		c:       c,
		shards:  shards,
		step:    simulated(c.Step),
		fine:    simulated(c.Crowds.Step),
		decay:   simulated(c.Crowds.Decay),
		zipf:    NewZipf(shards, c.Popularity.ZipfExponent),
		tracked: min(Top, shards),
	}
	p.pairs = p.tracked - 1
	if shards > p.tracked {
		p.pairs++
	}
	for r := range p.tracked {
		p.usual[r] = p.zipf.Share(r)
	}
	p.usualRest = 1 - p.zipf.Top(p.tracked)
	return p, nil
}

// Reset starts the load that s determines, at time 0.
func (p *Process) Reset(s seed.Seed) {
	p.noise, p.drift, p.crowdSeed = s.Child("noise", 0), s.Child("drift", 0), s.Child("crowd", 0)
	ranks := s.Child("ranks", 0)
	for r := range p.tracked {
		p.top[r] = absent(p.top[:r], seed.Below(ranks.At(0, uint64(r)), p.shards-r))
	}
	p.now, p.active, p.digest = 0, 0, uint64(ranks)
	p.swap, p.nextCrowd = 0, 0
	p.swapAt, p.crowdAt = p.swapGap(0), p.crowdGap(0)
	p.renew()
}

// absent returns the n-th shard, from 0 in order of number, that is not among
// top.
func absent(top []int32, n int) int32 {
	shard := int32(n)
	for {
		before := 0
		for _, x := range top {
			if x <= shard {
				before++
			}
		}
		if next := int32(n + before); next != shard {
			shard = next // never back, so that this ends
			continue
		}
		return shard
	}
}

func (p *Process) swapGap(t env.Time) env.Time {
	if p.pairs == 0 || p.c.Popularity.SwapsPerHour == 0 {
		return env.Never
	}
	return later(t, env.FromHours(seed.Exponential(p.drift.At(drawSwapGap, p.swap))/p.c.Popularity.SwapsPerHour))
}

func (p *Process) crowdGap(t env.Time) env.Time {
	if p.c.Crowds.PerYear == 0 {
		return env.Never
	}
	const year = 8760 // hours
	return later(t, env.FromHours(seed.Exponential(p.crowdSeed.At(drawGap, p.nextCrowd))*year/p.c.Crowds.PerYear))
}

// later is t + d, at most Never.
func later(t, d env.Time) env.Time {
	if d > env.Never-t {
		return env.Never
	}
	return t + d
}

// Now is the time to which the process has been advanced.
func (p *Process) Now() env.Time { return p.now }

// Next is the time of the next change, always after Now.
func (p *Process) Next() env.Time { return min(p.until, p.swapAt) }

// Advance makes all changes up to and at the time now, which may not be before
// Now. In which strides it is called makes no difference to the load.
func (p *Process) Advance(now env.Time) Change {
	if now < p.now {
		panic(fmt.Sprintf("workload: advance to %d from %d", now, p.now))
	}
	var changed Change
	for {
		t := p.Next()
		if t > now || t == env.Never {
			p.now = now
			return changed
		}
		p.now = t
		if t == p.until {
			changed |= p.renew()
		} else {
			changed |= p.exchange()
		}
	}
}

// renew begins an interval at now: crowds end and start, the rate changes.
func (p *Process) renew() Change {
	changed := RateChanged
	if p.active > 0 {
		changed |= SharesChanged
	}
	kept := p.crowds[:0]
	for _, c := range p.crowds[:p.active] {
		if c.end > p.now {
			kept = append(kept, c)
		}
	}
	p.active = int32(len(kept))
	clear(p.crowds[p.active:]) // so that equal loads are saved as equal bytes
	for p.crowdAt == p.now {
		p.gather()
		p.nextCrowd++
		p.crowdAt = p.crowdGap(p.now)
	}
	if p.active > 0 {
		changed |= SharesChanged
	}
	p.from, p.until = p.now, min(boundary(p.now, p.step), p.crowdAt)
	if p.active > 0 {
		p.until = min(p.until, boundary(p.now, p.fine))
	}
	p.refresh()
	p.offer(0, math.Float64bits(p.rate))
	return changed
}

// boundary is the first multiple of step after t.
func boundary(t, step env.Time) env.Time {
	return later(t, step-t%step)
}

// gather starts the crowd of ordinal nextCrowd.
func (p *Process) gather() {
	f := p.c.Crowds
	draw := func(slot uint64) uint64 { return p.crowdSeed.At(slot, p.nextCrowd) }
	c := crowd{
		start: p.now,
		ramp:  simulated(f.RampMin) + env.Time(seed.Uniform(draw(drawRamp))*float64(simulated(f.RampMax-f.RampMin))),
		peak:  f.FactorMin + seed.Uniform(draw(drawFactor))*(f.FactorMax-f.FactorMin) - 1,
		shard: p.top[seed.Below(draw(drawRank), p.tracked)],
	}
	c.end = later(p.now, c.ramp)
	if c.peak > faded {
		c.end = later(c.end, env.Time(float64(p.decay)*math.Log(c.peak/faded)))
	}
	p.offer(1, uint64(c.shard)<<32^math.Float64bits(c.peak))
	i := p.active
	if i < maxCrowds {
		p.active++
	} else {
		i = 0
		for j := range p.crowds {
			if p.crowds[j].excess < p.crowds[i].excess {
				i = int32(j)
			}
		}
	}
	p.crowds[i] = c
}

// integral is that of the crowd's excess from its start to t, in
// microseconds: linear up to the peak, then exponential.
func (c *crowd) integral(t, decay env.Time) float64 {
	u, ramp, d := float64(t-c.start), float64(c.ramp), float64(decay)
	if u <= ramp {
		return c.peak * u * u / (2 * ramp)
	}
	return c.peak * (ramp/2 - d*math.Expm1((ramp-u)/d))
}

// exchange makes the swap of ordinal p.swap.
func (p *Process) exchange() Change {
	r := seed.Below(p.drift.At(drawPair, p.swap), p.pairs)
	changed := Change(0)
	switch {
	case r+1 < p.tracked:
		p.top[r], p.top[r+1] = p.top[r+1], p.top[r]
		changed = RanksChanged
	case !p.crowded(p.top[r]):
		p.top[r] = absent(p.top[:p.tracked], seed.Below(p.drift.At(drawNewcomer, p.swap), p.shards-p.tracked))
		changed = RanksChanged
	}
	p.offer(2, uint64(r)<<32|uint64(uint32(p.top[r])))
	p.swap++
	p.swapAt = p.swapGap(p.now)
	if changed != 0 && p.active > 0 {
		p.spread()
		changed |= SharesChanged
	}
	return changed
}

// crowded reports whether a crowd is for the shard.
func (p *Process) crowded(shard int32) bool {
	for i := range p.active {
		if p.crowds[i].shard == shard {
			return true
		}
	}
	return false
}

// refresh derives the rate and the shares of the interval.
func (p *Process) refresh() {
	excess := 0.0
	length := float64(p.until - p.from)
	for i := range p.active {
		c := &p.crowds[i]
		c.excess = (c.integral(p.until, p.decay) - c.integral(p.from, p.decay)) / length
		excess += c.excess
	}
	k := p.from / p.step
	p.rate = p.c.RequestsPerSecond * p.c.Seasons.at(k*p.step+p.step/2) *
		gamma(seed.Seed(p.noise.At(0, uint64(k))), p.c.Noise.variance()) * (1 + excess)
	p.spread()
}

// spread derives the shares.
func (p *Process) spread() {
	all := 1.0
	for i := range p.active {
		all += p.crowds[i].excess
	}
	hot := p.c.Crowds.HotShare
	p.dilute = (1 + (1-hot)*(all-1)) / all
	for r := range p.tracked {
		p.shares[r] = p.usual[r] * p.dilute
	}
	for i := range p.active {
		c := &p.crowds[i]
		p.shares[slices.Index(p.top[:p.tracked], c.shard)] += hot * c.excess / all
	}
}

// gamma is a variate of the gamma law of mean 1 and variance v, 1 where v is 0.
// Its shape is a = 1/v.
//
// Marsaglia, Tsang: "A simple method for generating gamma variables", ACM
// Transactions on Mathematical Software 26 (2000), section 5; below shape 1
// their gamma(a) = gamma(a+1)·U^(1/a), section 6. The j-th attempt has draws of
// its own; more than 95 in 100 succeed.
func gamma(s seed.Seed, v float64) float64 {
	if v == 0 {
		return 1
	}
	a, boost := 1/v, 1.0
	if a < 1 {
		boost = math.Pow(seed.Uniform(s.At(2, 0)), v)
		a++
	}
	d := a - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for j := uint64(0); ; j++ {
		x := seed.Normal(s.At(0, j))
		w := 1 + c*x
		if w <= 0 {
			continue
		}
		w *= w * w
		if math.Log(seed.Uniform(s.At(1, j))) < x*x/2+d*(1-w+math.Log(w)) {
			return d * w * boost * v
		}
	}
}

// Rate is the load of all shards together now, in requests a second.
func (p *Process) Rate() float64 { return p.rate }

// ReadShare is the share of the requests that read.
func (p *Process) ReadShare() float64 { return p.c.ReadShare }

// Tracked is how many ranks have a known shard: Top, or as many as there are
// shards.
func (p *Process) Tracked() int { return p.tracked }

// ShardAt is the shard that has the rank now, -1 for a rank that is not
// tracked.
func (p *Process) ShardAt(rank int) int32 {
	if rank < 0 || rank >= p.tracked {
		return -1
	}
	return p.top[rank]
}

// Share is the share of the requests that are for the shard of this rank now.
// The ranks are those of usual times: during a flash crowd a shard may have a
// greater share than those before it.
func (p *Process) Share(rank int) float64 {
	if rank >= 0 && rank < p.tracked {
		return p.shares[rank]
	}
	return p.zipf.Share(rank) * p.dilute
}

// Rest is the share of all shards together whose rank is not tracked.
func (p *Process) Rest() float64 { return p.usualRest * p.dilute }

// OfferedDigest is a digest of the load that was offered since Reset, in order.
func (p *Process) OfferedDigest() uint64 { return p.digest }

func (p *Process) offer(kind, what uint64) {
	p.digest = p.digest*0x100000001b3 ^ seed.Seed(p.now).At(kind, what)
}

// Fields carries the state, to be saved and restored by a process of the same
// Config and number of shards. Where that fails, Reset or another Fields must
// follow.
func (p *Process) Fields(c *state.Codec) {
	state.Value(c, &p.now)
	state.Value(c, &p.from)
	state.Value(c, &p.until)
	state.Value(c, &p.noise)
	state.Value(c, &p.drift)
	state.Value(c, &p.crowdSeed)
	state.Value(c, &p.swap)
	state.Value(c, &p.swapAt)
	state.Value(c, &p.nextCrowd)
	state.Value(c, &p.crowdAt)
	state.Value(c, &p.active)
	for i := range p.crowds {
		x := &p.crowds[i]
		state.Value(c, &x.start)
		state.Value(c, &x.ramp)
		state.Value(c, &x.end)
		state.Value(c, &x.peak)
		state.Value(c, &x.shard)
		if c.Restoring() {
			x.excess = 0 // refresh derives it for the active ones
		}
	}
	state.Fixed(c, p.top[:p.tracked])
	state.Value(c, &p.digest)
	if !c.Restoring() || c.Err() != nil {
		return
	}
	if err := p.check(); err != nil {
		c.Fail(fmt.Errorf("workload: damaged state: %w", err))
		return
	}
	p.refresh()
}

// check reports what no process of this Config can have come to.
func (p *Process) check() error {
	if !(0 <= p.from && p.from <= p.now && p.now < p.until && p.until <= boundary(p.from, p.step) && p.until <= p.crowdAt) {
		return fmt.Errorf("at %d, from %d until %d, next crowd at %d", p.now, p.from, p.until, p.crowdAt)
	}
	if p.swapAt <= p.now {
		return fmt.Errorf("at %d, next swap at %d", p.now, p.swapAt)
	}
	if p.active < 0 || p.active > maxCrowds {
		return fmt.Errorf("%d flash crowds, want 0 to %d", p.active, maxCrowds)
	}
	f := p.c.Crowds
	for i := range p.active {
		c := p.crowds[i]
		if !(0 <= c.start && c.start <= p.from && simulated(f.RampMin) <= c.ramp && c.ramp <= simulated(f.RampMax) && c.end > p.from &&
			c.peak >= f.FactorMin-1 && c.peak <= f.FactorMax-1) {
			return fmt.Errorf("flash crowd %d of %d: %+v", i, p.active, c)
		}
		if slices.Index(p.top[:p.tracked], c.shard) < 0 {
			return fmt.Errorf("flash crowd %d of %d is for shard %d, which has no rank", i, p.active, c.shard)
		}
	}
	for r, shard := range p.top[:p.tracked] {
		if shard < 0 || int(shard) >= p.shards {
			return fmt.Errorf("rank %d is shard %d of %d", r, shard, p.shards)
		}
		if other := slices.Index(p.top[:r], shard); other >= 0 {
			return fmt.Errorf("ranks %d and %d are both shard %d", other, r, shard)
		}
	}
	return nil
}
