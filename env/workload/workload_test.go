package workload

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"mend/env"
	"mend/env/seed"
	"mend/env/state"
)

func newProcess(t testing.TB, c Config, shards int, s seed.Seed) *Process {
	t.Helper()
	p, err := New(c, shards)
	if err != nil {
		t.Fatal(err)
	}
	p.Reset(s)
	return p
}

// calm is the default load without noise, drift and crowds.
func calm() Config {
	c := DefaultConfig()
	c.Noise.Fano, c.Popularity.SwapsPerHour, c.Crowds.PerYear = 1, 0, 0
	return c
}

// stormy has something happening all the time.
func stormy() Config {
	c := DefaultConfig()
	c.Popularity.SwapsPerHour, c.Crowds.PerYear = 20, 1000
	return c
}

// agree checks a sampled figure against the truth: within 4 standard errors,
// which may be at most 3 % of it.
func agree(t *testing.T, what string, got, want, stderr float64) {
	t.Helper()
	if !(stderr <= 0.03*math.Abs(want)) {
		t.Errorf("%s: %.5g with standard error %.2g says too little", what, got, stderr)
	}
	if !(math.Abs(got-want) <= 4*stderr) {
		t.Errorf("%s is %.5g, standard error %.2g, want %.5g", what, got, stderr, want)
	}
}

// The day's largest load over its smallest is (1+A)/(1−A), at the configured
// hour and 12 h later; a weekend has the configured share of a weekday's load,
// whose mean is RequestsPerSecond.
func TestSeasons(t *testing.T) {
	c := calm()
	p := newProcess(t, c, 100, 1)
	var sum [7]float64
	most, least := 0.0, math.Inf(1)
	var mostAt, leastAt env.Time
	for p.Now() < 7*env.Day {
		sum[p.Now()/env.Day] += p.Rate() * (p.Next() - p.Now()).Seconds()
		if p.Now() < env.Day {
			if p.Rate() > most {
				most, mostAt = p.Rate(), p.Now()
			}
			if p.Rate() < least {
				least, leastAt = p.Rate(), p.Now()
			}
		}
		p.Advance(p.Next())
	}
	// The middle of the nearest step is 7.5 min from the peak.
	a := 0.4 * math.Cos(2*math.Pi*7.5/1440)
	near(t, "peak over trough", most/least, (1+a)/(1-a), 1e-9)
	if d := mostAt - 14*env.Hour; d < -15*env.Minute || d > 0 {
		t.Errorf("largest load in the step from %g h, want the one before or after 14", mostAt.Hours())
	}
	if d := leastAt - 2*env.Hour; d < -15*env.Minute || d > 0 {
		t.Errorf("smallest load in the step from %g h, want the one before or after 2", leastAt.Hours())
	}
	for day, x := range sum {
		want := c.RequestsPerSecond
		if day >= 5 {
			want *= 0.8
		}
		near(t, fmt.Sprintf("mean load of day %d", day), x/86400, want, 1e-9)
	}
}

// poisson counts the arrivals of a Poisson process of the given mean.
func poisson(rng *rand.Rand, mean float64) (n float64) {
	for at := rng.ExpFloat64(); at < mean; at += rng.ExpFloat64() {
		n++
	}
	return n
}

// Counts of a step have the Fano factor of the config where their mean is that
// of the config, and 1 + v·N at mean N: gamma-mixed Poisson counts are negative
// binomial.
func TestFano(t *testing.T) {
	for _, x := range []struct{ fano, requests, mean, want float64 }{
		{10, 333, 333, 10},
		{26, 333, 333, 26},
		{10, 333, 100, 1 + 9.0/333*100},
		{1, 333, 50, 1},
	} {
		c := calm()
		c.Seasons.Amplitude, c.Seasons.Weekend = 0, 1
		c.Noise.Fano, c.Noise.Requests = x.fano, x.requests
		c.RequestsPerSecond = x.mean / 900
		p := newProcess(t, c, 100, 2)
		rng, _ := seed.Seed(3).Rand()
		// Batches of 500 steps, each with its unbiased variance over the mean of all.
		const batches, size = 80, 500
		var total, sum, square float64
		for range batches {
			var n, n2 float64
			for range size {
				k := poisson(rng, p.Rate()*900)
				n += k
				n2 += k * k
				p.Advance(p.Next())
			}
			v := (n2 - n*n/size) / (size - 1)
			total += n
			sum += v
			square += v * v
		}
		mean := total / (batches * size)
		stderr := math.Sqrt((square/batches-sum/batches*sum/batches)/batches) / mean
		name := fmt.Sprintf("Fano factor %g at %g, steps of %g", x.fano, x.requests, x.mean)
		agree(t, name, sum/batches/mean, x.want, stderr)
		agree(t, name+": mean", mean, x.mean, math.Sqrt(x.want*x.mean/(batches*size)))
	}
}

// Moments of the gamma law of mean 1: variance v, third central moment 2v².
// And its distribution at v = 1, exponential, and v = 2, half a squared normal.
func TestGamma(t *testing.T) {
	const n = 400_000
	for _, v := range []float64{1e-6, 0.03, 0.5, 1, 2} {
		var sum, square, fourth, sixth, cube, below float64
		for i := range n {
			x := gamma(seed.Seed(4).Child("gamma", uint64(i)), v)
			y := x - 1
			sum += y
			square += y * y
			cube += y * y * y
			fourth += y * y * y * y
			sixth += y * y * y * y * y * y
			if x < 0.1 {
				below++
			}
		}
		name := fmt.Sprintf("variance %g: ", v)
		agree(t, name+"mean", 1+sum/n, 1, math.Sqrt(v/n))
		agree(t, name+"variance", square/n, v, math.Sqrt((fourth/n-square/n*square/n)/n))
		if d, e := cube/n-2*v*v, math.Sqrt(sixth/n/n); !(math.Abs(d) <= 4*e) {
			t.Errorf("%sthird moment off by %g, standard error %g", name, d, e)
		}
		if v >= 1 {
			want := 1 - math.Exp(-0.1)
			if v == 2 {
				want = math.Erf(math.Sqrt(0.1 / 2)) // P(χ²₁ < 0.1)
			}
			agree(t, name+"below 0.1", below/n, want, math.Sqrt(want*(1-want)/n))
		}
	}
}

// One flash crowd from start to end: how high, for how long, how many requests
// in all, and for whom.
func TestCrowdShape(t *testing.T) {
	c := calm()
	c.Seasons.Amplitude, c.Seasons.Weekend = 0, 1
	c.Crowds.PerYear = 4
	for s := range seed.Seed(20) {
		p := newProcess(t, c, 1000, s)
		start := p.crowdAt
		p.Advance(start - 1)
		if p.Rate() != c.RequestsPerSecond {
			t.Fatalf("seed %d: rate %g before the crowd, want %g", s, p.Rate(), c.RequestsPerSecond)
		}
		if changed := p.Advance(start); changed != RateChanged|SharesChanged {
			t.Errorf("seed %d: the start of a crowd changes %b", s, changed)
		}
		x := p.crowds[0]
		e, ramp := x.peak, x.ramp.Seconds()
		if e < 4 || e > 19 || x.ramp < env.Minute || x.ramp > 5*env.Minute {
			t.Errorf("seed %d: factor %g, ramp %g s, want 5 to 20 and 60 to 300", s, 1+e, ramp)
		}
		if p.nextCrowd != 1 || p.crowdAt < x.end+env.Hour {
			continue // two crowds at once have a test of their own
		}
		rank := -1
		for r := range p.Tracked() {
			if p.ShardAt(r) == x.shard {
				rank = r
			}
		}
		total, hot, highest := 0.0, 0.0, 0.0
		var highestAt, afterAnHour env.Time
		for p.active > 0 {
			if p.Next()-p.Now() > env.Minute {
				t.Fatalf("seed %d: a change after %g s", s, (p.Next() - p.Now()).Seconds())
			}
			length := (p.Next() - p.Now()).Seconds()
			excess := p.Rate()/c.RequestsPerSecond - 1
			total += excess * length
			hot += (1 + excess) * p.Share(rank) * length
			hot -= p.usual[rank] * length
			if excess > highest {
				highest, highestAt = excess, p.Now()
			}
			if afterAnHour == 0 && p.Now() >= start+x.ramp+env.Hour {
				afterAnHour = p.Now()
				at := (p.Now() + p.Next()) / 2
				near(t, fmt.Sprintf("seed %d: excess after an hour", s), excess, e*math.Exp(-(at-start-x.ramp).Hours()), 1e-4)
			}
			p.Advance(p.Next())
		}
		if !(highest <= e && highest >= 0.7*e) || highestAt < start+x.ramp-env.Minute || highestAt > start+x.ramp+env.Minute {
			t.Errorf("seed %d: excess up to %g in the interval from %g s after the start, want up to %g at %g s",
				s, highest, (highestAt - start).Seconds(), e, ramp)
		}
		// ∫ = e·(ramp/2 + decay) less the tail beyond 1 %, cut within a minute.
		near(t, fmt.Sprintf("seed %d: requests of the crowd", s), total, e*ramp/2+3600*(e-faded), 60*faded/total)
		// Half of the crowd goes to the shard, and its usual share of the rest.
		near(t, fmt.Sprintf("seed %d: requests for its shard", s), hot, total*(0.5+0.5*p.usual[rank]), 1e-9)
		if p.Rate() != c.RequestsPerSecond || p.Share(rank) != p.usual[rank] {
			t.Errorf("seed %d: after the crowd rate %g, share %g, want %g, %g", s, p.Rate(), p.Share(rank), c.RequestsPerSecond, p.usual[rank])
		}
	}
}

// Crowds come at the configured rate, their factors and ramps are uniform, and
// all tracked ranks are struck alike.
func TestCrowdRate(t *testing.T) {
	c := calm()
	c.Crowds.PerYear = 500
	p := newProcess(t, c, 1000, 5)
	const years = 8
	var factor, ramp, n float64
	var struck [Top]float64
	for p.Next() < years*8760*env.Hour {
		next := p.nextCrowd
		p.Advance(p.Next())
		if p.nextCrowd == next {
			continue
		}
		n++
		x := p.crowds[p.active-1]
		factor += x.peak + 1
		ramp += x.ramp.Seconds()
		for r := range p.Tracked() {
			if p.ShardAt(r) == x.shard {
				struck[r]++
			}
		}
	}
	agree(t, "crowds", n, 500*years, math.Sqrt(500*years))
	agree(t, "mean factor", factor/n, 12.5, 15/math.Sqrt(12*n))
	agree(t, "mean ramp", ramp/n, 180, 240/math.Sqrt(12*n))
	chi := 0.0
	for _, k := range struck {
		chi += (k - n/Top) * (k - n/Top) / (n / Top)
	}
	// χ² of 63 degrees has mean 63 and variance 126.
	if math.Abs(chi-63) > 4*math.Sqrt(126) {
		t.Errorf("χ² of the ranks struck is %g, want 63 ± %g", chi, 4*math.Sqrt(126))
	}
}

// Whatever happens, shares are a distribution, ranks are different shards, and a
// crowd's shard keeps a rank.
func TestShares(t *testing.T) {
	for _, shards := range []int{1, 2, 63, 64, 65, 66, 100, 100_000} {
		p := newProcess(t, stormy(), shards, 6)
		most := int32(0)
		for p.Now() < 30*env.Day {
			p.Advance(p.Next())
			most = max(most, p.active)
			if err := p.check(); err != nil {
				t.Fatalf("%d shards: %v", shards, err)
			}
			sum := p.Rest()
			for r := range p.Tracked() {
				sum += p.Share(r)
			}
			if math.Abs(sum-1) > 1e-12 {
				t.Fatalf("%d shards: shares add up to 1 + %g", shards, sum-1)
			}
		}
		if most < 2 {
			t.Errorf("%d shards: at most %d crowds at a time: too few to tell", shards, most)
		}
		if p.Tracked() != min(shards, Top) || p.ShardAt(-1) != -1 || p.ShardAt(p.Tracked()) != -1 {
			t.Errorf("%d shards: %d tracked, %d before, %d after them", shards, p.Tracked(), p.ShardAt(-1), p.ShardAt(p.Tracked()))
		}
		if shards > 70 {
			sum := 0.0
			for r := Top; r < shards; r++ {
				sum += p.Share(r)
			}
			near(t, "shares of ranks that are not tracked", sum, p.Rest(), 1e-9)
		}
	}
}

// More crowds than there is room for: the weakest gives way, the load stays
// finite.
func TestCrowdsOverflow(t *testing.T) {
	c := stormy()
	c.Crowds.PerYear = 1e4
	c.Crowds.Decay = 24 * time.Hour
	p := newProcess(t, c, 1000, 7)
	replaced := 0
	for p.Now() < 20*env.Day {
		before, active, next := p.crowds, p.active, p.nextCrowd
		p.Advance(p.Next())
		if active == maxCrowds && p.active == maxCrowds && p.nextCrowd == next+1 {
			for i, x := range before {
				if p.crowds[i].start == x.start || x.end <= p.Now() {
					continue
				}
				replaced++
				for _, other := range before {
					if other.excess < x.excess {
						t.Fatalf("at %d: a crowd of excess %g gives way before one of %g", p.Now(), x.excess, other.excess)
					}
				}
			}
		}
		if err := p.check(); err != nil {
			t.Fatal(err)
		}
		if limit := c.RequestsPerSecond * 1.4 * 3 * (1 + 19*maxCrowds); !(p.Rate() > 0 && p.Rate() < limit) {
			t.Fatalf("rate %g, want up to %g", p.Rate(), limit)
		}
	}
	if replaced < 100 {
		t.Errorf("%d crowds gave way: too few to tell", replaced)
	}
	if p.active != maxCrowds {
		t.Errorf("%d crowds, want all %d", p.active, maxCrowds)
	}
}

// Swaps come at the configured rate and exchange neighbours, every pair alike;
// who enters at the bottom is any of the others alike.
func TestDrift(t *testing.T) {
	c := calm()
	c.Popularity.SwapsPerHour = 10
	const shards = 74 // 10 that are not tracked
	p := newProcess(t, c, shards, 8)
	const hours = 3000
	var swaps [Top]float64
	var n, entered float64
	var newcomers [shards - Top]float64
	for p.Next() < hours*env.Hour {
		before := p.top
		changed := p.Advance(p.Next())
		moved := 0
		first := -1
		for r := range Top {
			if p.top[r] != before[r] {
				moved++
				if first < 0 {
					first = r
				}
			}
		}
		switch {
		case changed&RanksChanged == 0 && moved == 0:
			continue
		case moved == 2 && p.top[first] == before[first+1] && p.top[first+1] == before[first]:
		case moved == 1 && first == Top-1:
			entered++
			place := 0 // among those that were not tracked
			for x := range p.top[first] {
				tracked := false
				for _, y := range before {
					tracked = tracked || x == y
				}
				if !tracked {
					place++
				}
			}
			newcomers[place]++
		default:
			t.Fatalf("at %d: change %b, %d ranks differ from %d on", p.Now(), changed, moved, first)
		}
		n++
		swaps[first]++
	}
	agree(t, "swaps", n, 10*hours, math.Sqrt(10*hours))
	chi := func(what string, counts []float64, total float64) {
		t.Helper()
		x, want, df := 0.0, total/float64(len(counts)), float64(len(counts)-1)
		for _, k := range counts {
			x += (k - want) * (k - want) / want
		}
		if want < 20 || math.Abs(x-df) > 4*math.Sqrt(2*df) {
			t.Errorf("χ² of %s is %g, want %g ± %g, of at least 20 each: %v", what, x, df, 4*math.Sqrt(2*df), counts)
		}
	}
	chi("pairs", swaps[:], n)
	chi("newcomers", newcomers[:], entered)
}

// At the start every shard has every rank alike.
func TestFirstRanks(t *testing.T) {
	const shards, n = 80, 6_000
	p, err := New(calm(), shards)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []int{0, 1, 30, Top - 1} {
		var counts [shards]float64
		for s := range seed.Seed(n) {
			p.Reset(s)
			counts[p.ShardAt(r)]++
		}
		chi := 0.0
		for _, k := range counts {
			chi += (k - n/shards) * (k - n/shards) / (n / shards)
		}
		if math.Abs(chi-79) > 4*math.Sqrt(158) {
			t.Errorf("rank %d: χ² over shards is %g, want 79 ± %g", r, chi, 4*math.Sqrt(158))
		}
	}
}

// absent against counting up.
func TestAbsent(t *testing.T) {
	rng, _ := seed.Seed(9).Rand()
	for range 200 {
		shards := 1 + rng.IntN(40)
		perm := rng.Perm(shards)
		var top []int32
		in := make([]bool, shards)
		for _, x := range perm[:rng.IntN(shards)] {
			top = append(top, int32(x))
			in[x] = true
		}
		n := 0
		for x := range shards {
			if in[x] {
				continue
			}
			if got := absent(top, n); got != int32(x) {
				t.Fatalf("number %d of %d shards without %v is %d, want %d", n, shards, top, got, x)
			}
			n++
		}
	}
}

// play is the digest of days of load, in strides of the given length, and of
// what can be read of it at the end of each day.
func play(p *Process, s seed.Seed, days int, stride env.Time) uint64 {
	p.Reset(s)
	h := uint64(0)
	for day := 1; day <= days; day++ {
		end := env.Time(day) * env.Day
		for p.Now() < end {
			next := p.Next()
			if stride > 0 {
				next = p.Now() + stride
			}
			p.Advance(min(next, end))
		}
		for r := range p.Tracked() {
			h = h*31 ^ math.Float64bits(p.Share(r)) ^ uint64(p.ShardAt(r))
		}
		h = h*31 ^ math.Float64bits(p.Rate()) ^ p.OfferedDigest()
	}
	return h
}

// The load depends on the seed alone: not on the strides of Advance, not on
// what the process did before, not on other goroutines.
func TestSameSeedSameLoad(t *testing.T) {
	const days, seeds = 20, 8
	want := make([]uint64, seeds)
	reused := newProcess(t, stormy(), 500, 99)
	for s := range want {
		want[s] = play(reused, seed.Seed(s), days, 0)
		for _, other := range want[:s] {
			if want[s] == other {
				t.Errorf("seed %d has the load of another", s)
			}
		}
	}
	for _, stride := range []env.Time{7 * env.Second, env.Hour + 1, env.Day} {
		p := newProcess(t, stormy(), 500, 0)
		for s := range want[:2] {
			if got := play(p, seed.Seed(s), days, stride); got != want[s] {
				t.Errorf("seed %d in strides of %g s: %#x, want %#x", s, stride.Seconds(), got, want[s])
			}
		}
	}
	for _, procs := range []int{1, 4} {
		before := runtime.GOMAXPROCS(procs)
		got := make([]uint64, seeds)
		var wg sync.WaitGroup
		for s := range got {
			p := newProcess(t, stormy(), 500, 0)
			wg.Go(func() { got[s] = play(p, seed.Seed(s), days, 0) })
		}
		wg.Wait()
		runtime.GOMAXPROCS(before)
		for s := range got {
			if got[s] != want[s] {
				t.Errorf("%d processors, seed %d: %#x, want %#x", procs, s, got[s], want[s])
			}
		}
	}
}

// Saved at any time, within crowds and without, a load goes on as it would
// have, and is saved again as the same bytes.
func TestSaveRestore(t *testing.T) {
	for _, shards := range []int{3, 500} {
		p := newProcess(t, stormy(), shards, 11)
		q := newProcess(t, stormy(), shards, 12) // with a past of its own
		q.Advance(3 * env.Day)
		r := newProcess(t, stormy(), shards, 11)
		rng, _ := seed.Seed(13).Rand()
		crowds := 0
		for range 60 {
			stride := env.Time(rng.Int64N(int64(12 * env.Hour)))
			p.Advance(p.Now() + stride)
			crowds += int(min(p.active, 1))
			saved := state.Append(nil, p.Fields)
			if err := state.Restore(saved, q.Fields); err != nil {
				t.Fatal(err)
			}
			if again := state.Append(nil, q.Fields); !bytes.Equal(saved, again) {
				t.Fatalf("at %d: saved again as other bytes", p.Now())
			}
			if *q != *p {
				t.Fatalf("at %d: restored\n%+v\nwant\n%+v", p.Now(), *q, *p)
			}
			// q goes on by itself for a while, p from what it was.
			q.Advance(q.Now() + 2*env.Day)
			r.Advance(p.Now())
			if r.OfferedDigest() != p.OfferedDigest() || r.Rate() != p.Rate() || r.shares != p.shares {
				t.Fatalf("at %d: the load that was never saved differs", p.Now())
			}
		}
		if crowds < 5 || crowds > 55 {
			t.Errorf("%d shards: %d of 60 states within a crowd: too few or too many to tell", shards, crowds)
		}
		r.Advance(p.Now() + 2*env.Day)
		if *q != *r {
			t.Errorf("%d shards: the future of the restored load differs", shards)
		}
	}
}

// Damaged bytes are refused or give a load that goes on; none panics or hangs.
func TestDamagedState(t *testing.T) {
	p := newProcess(t, stormy(), 500, 14)
	for p.active < 2 {
		p.Advance(p.Next())
	}
	saved := state.Append(nil, p.Fields)
	for n := range saved {
		if state.Restore(saved[:n], p.Fields) == nil {
			t.Errorf("%d of %d bytes are accepted", n, len(saved))
		}
	}
	refused := 0
	for i := range 8 * len(saved) {
		b := bytes.Clone(saved)
		b[i/8] ^= 1 << (i % 8)
		if err := state.Restore(b, p.Fields); err != nil {
			if !strings.HasPrefix(err.Error(), "workload: damaged state: ") {
				t.Errorf("bit %d: error %v", i, err)
			}
			refused++
			continue
		}
		for range 50 {
			p.Advance(p.Next())
		}
	}
	if refused < len(saved) {
		t.Errorf("%d of %d damaged states are refused", refused, 8*len(saved))
	}
}

func TestAdvanceBackwards(t *testing.T) {
	p := newProcess(t, calm(), 10, 0)
	p.Advance(5)
	defer func() {
		if r := recover(); r != "workload: advance to 4 from 5" {
			t.Errorf("panics with %v", r)
		}
	}()
	p.Advance(4)
}

func TestDoesNotAllocate(t *testing.T) {
	p := newProcess(t, stormy(), 500, 15)
	if n := testing.AllocsPerRun(20, func() { p.Advance(p.Now() + env.Day) }); n != 0 {
		t.Errorf("%g allocations a day", n)
	}
	if n := testing.AllocsPerRun(20, func() { p.Reset(1) }); n != 0 {
		t.Errorf("%g allocations a Reset", n)
	}
}

func TestValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default: %v", err)
	}
	if err := (Config{}).Validate(); err == nil {
		t.Error("an empty config is valid")
	}
	for want, change := range map[string]func(*Config){
		"requests_per_second is NaN, want 0 to 1e12":                                        func(c *Config) { c.RequestsPerSecond = math.NaN() },
		"read_share is 1.1, want 0 to 1":                                                    func(c *Config) { c.ReadShare = 1.1 },
		"popularity.zipf_exponent is -1, want 0 to 10":                                      func(c *Config) { c.Popularity.ZipfExponent = -1 },
		"popularity.swaps_per_hour is +Inf, want 0 to 1e6":                                  func(c *Config) { c.Popularity.SwapsPerHour = math.Inf(1) },
		"seasons.amplitude is 2, want 0 to 1":                                               func(c *Config) { c.Seasons.Amplitude = 2 },
		"seasons.peak is 24h0m0s, want 0 to less than 24h":                                  func(c *Config) { c.Seasons.Peak = 24 * time.Hour },
		"seasons.weekend is -1, want 0 to 100":                                              func(c *Config) { c.Seasons.Weekend = -1 },
		"noise.fano is 0.5, want 1 to 1e6":                                                  func(c *Config) { c.Noise.Fano = 0.5 },
		"noise.requests is 0, want more than 0, up to 1e15":                                 func(c *Config) { c.Noise.Requests = 0 },
		"noise.fano is 1000, want at most 1 + 100·noise.requests: a factor of variance 100": func(c *Config) { c.Noise = Noise{Fano: 1000, Requests: 1} },
		"crowds.per_year is -1, want 0 to 1e4":                                              func(c *Config) { c.Crowds.PerYear = -1 },
		"crowds.factor_min is 0, want 1 to 1e4":                                             func(c *Config) { c.Crowds.FactorMin = 0 },
		"crowds.factor_max is 4, want crowds.factor_min to 1e4":                             func(c *Config) { c.Crowds.FactorMax = 4 },
		"crowds.ramp_min is 0s, want 1s to 24h":                                             func(c *Config) { c.Crowds.RampMin = 0 },
		"crowds.ramp_max is 1s, want crowds.ramp_min to 24h":                                func(c *Config) { c.Crowds.RampMax = time.Second },
		"crowds.decay is 0s, want 1s to 720h":                                               func(c *Config) { c.Crowds.Decay = 0 },
		"crowds.hot_share is -1, want 0 to 1":                                               func(c *Config) { c.Crowds.HotShare = -1 },
		"crowds.step is 16m0s, want 1s to step":                                             func(c *Config) { c.Crowds.Step = 16 * time.Minute },
		"step is 25h0m0s, want 1s to 24h":                                                   func(c *Config) { c.Step = 25 * time.Hour },
		"requests_per_second is -1, want 0 to 1e12; read_share is 2, want 0 to 1":           func(c *Config) { c.RequestsPerSecond, c.ReadShare = -1, 2 },
	} {
		c := DefaultConfig()
		change(&c)
		if _, err := New(c, 10); err == nil || err.Error() != want {
			t.Errorf("error %v\nwant  %s", err, want)
		}
	}
	if _, err := New(DefaultConfig(), 0); err == nil || err.Error() != "shards is 0, want 1 to 2147483647" {
		t.Errorf("no shards: error %v", err)
	}
}

// BenchmarkAdvance goes from change to change, with the default's drift and
// crowds and without any.
func BenchmarkAdvance(b *testing.B) {
	for name, c := range map[string]Config{"default": DefaultConfig(), "calm": calm(), "stormy": stormy()} {
		b.Run(name, func(b *testing.B) {
			p := newProcess(b, c, 2000, 1)
			b.ReportAllocs()
			for b.Loop() {
				p.Advance(p.Next())
			}
		})
	}
}
