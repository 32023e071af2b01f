package cluster

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"mend/env"
	"mend/env/envtest"
	"mend/env/seed"
)

// worlds are those that every promise of determinism is checked on.
func worlds(t testing.TB) map[string]func() *World {
	quick := func(c Config, horizon time.Duration) Config { c.Horizon = horizon; return c }
	busy := quick(small(), 8*days)
	tiny := busy
	tiny.Topology = Topology{Regions: 1, ZonesPerRegion: 1, RacksPerZone: 3, NodesPerRack: 1}
	one := busy
	one.Data.ReplicationFactor, one.Data.Quorum = 1, 1
	replayed := busy
	replayed.Failures.Transient.MTTF, replayed.Failures.Permanent.MTTF = 0, 0
	tr := recorded(replayed.Topology.Nodes(), 20*env.Day, rand.New(rand.NewPCG(5, 5)))
	made := func(c Config) func() *World { return func() *World { return newTest(t, c) } }
	return map[string]func() *World{
		"Steady":     made(quick(DefaultConfig(), 10*days)),
		"RackBursts": made(quick(rackBursts(), 5*days)),
		"small":      made(busy),
		"tiny":       made(tiny),
		"one copy":   made(one),
		"Trace":      func() *World { return newTestTrace(t, replayed, tr) },
		"everything": made(everything()),
		"Replay":     func() *World { return replayedEverything(t) },
	}
}

// TestConformance runs the suite that every world must pass. It covers equal
// seeds, interleaved worlds, saving and restoring, damaged states, misuse, and
// allocations, under random actions.
func TestConformance(t *testing.T) {
	for name, newWorld := range worlds(t) {
		t.Run(name, func(t *testing.T) {
			envtest.Run(t, func() env.Env { return newWorld() })
		})
	}
}

// TestOffered: every policy is offered the same failures, and other seeds
// others.
func TestOffered(t *testing.T) {
	for name, newWorld := range worlds(t) {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			p := newPlayer(w)
			seen := map[uint64]seed.Seed{}
			for s := range seed.Seed(4) {
				p.play(s, hold)
				want := w.OfferedDigest()
				if other, ok := seen[want]; ok {
					t.Errorf("seeds %d and %d are offered the same failures", s, other)
				}
				seen[want] = s
				costs := map[float64]bool{}
				for _, policy := range []func(*player) Action{
					baselinePolicy(t, "rf3-eager", w), baselinePolicy(t, "hdfs", w), random(uint64(s)), random(99),
				} {
					p.play(s, policy)
					if got := w.OfferedDigest(); got != want {
						t.Errorf("seed %d: offered %#x, want %#x as under do-nothing", s, got, want)
					}
					costs[w.Measure(nil)[0].Num] = true
				}
				if len(costs) < 2 && name != "Steady" {
					t.Errorf("seed %d: all policies cost the same, so they cannot have acted", s)
				}
			}
		})
	}
}

// appendStep appends the bytes of one step.
func appendStep(b []byte, p *player, a Action, o env.Outcome) []byte {
	b = append(b, byte(a))
	b = binary.LittleEndian.AppendUint32(b, math.Float32bits(o.Reward))
	b = binary.LittleEndian.AppendUint32(b, math.Float32bits(o.Elapsed))
	for _, x := range p.obs {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	for _, ok := range p.mask {
		x := byte(0)
		if ok {
			x = 1
		}
		b = append(b, x)
	}
	return b
}

// trajectory is all that an episode shows, and its final state.
func trajectory(p *player, s seed.Seed, policy func(*player) Action, between func()) []byte {
	p.reset(s)
	b := appendStep(nil, p, 0, env.Outcome{})
	for {
		a := policy(p)
		o := p.step(a)
		b = appendStep(b, p, a, o)
		if o.Truncated {
			return p.w.AppendState(b)
		}
		if between != nil {
			between()
		}
	}
}

// TestSameBytes: an episode is the same, bit for bit, in a new world, in a used
// one, and beside another world; and stepped event by event, as tests with
// hooks do.
func TestSameBytes(t *testing.T) {
	for name, newWorld := range worlds(t) {
		t.Run(name, func(t *testing.T) {
			const s = 7
			p := newPlayer(newWorld())
			want := trajectory(p, s, random(s), nil)
			if len(want) < 10_000 && name != "Steady" {
				t.Fatalf("only %d bytes", len(want))
			}
			p.play(s+1, random(3))
			if got := trajectory(p, s, random(s), nil); !bytes.Equal(got, want) {
				t.Error("differs in a world that was used before")
			}
			other, act := newPlayer(newWorld()), random(11)
			episode := seed.Seed(20)
			other.reset(episode)
			beside := func() {
				if other.step(act(other)).Truncated {
					episode++
					other.reset(episode)
				}
			}
			if got := trajectory(newPlayer(newWorld()), s, random(s), beside); !bytes.Equal(got, want) {
				t.Error("differs beside another world")
			}
			hooked := newPlayer(newWorld())
			hooked.after = func(int32) {}
			if got := trajectory(hooked, s, random(s), nil); !bytes.Equal(got, want) {
				t.Error("differs when stepped event by event")
			}
		})
	}
}

// TestRestore saves at many points of an episode and lets a used world go on
// from there: the rest and the final state are the same, bit for bit.
func TestRestore(t *testing.T) {
	for name, newWorld := range worlds(t) {
		t.Run(name, func(t *testing.T) {
			type point struct {
				step  int
				state []byte
				obs   []float32
				mask  []bool
			}
			p := newPlayer(newWorld())
			policy := baselinePolicy(t, "hdfs", p.w)
			var points []point
			steps, every := 0, 1
			var rest [][]byte // what each step showed
			p.reset(3)
			for {
				if steps%every == 0 {
					points = append(points, point{steps, p.w.AppendState(nil), append([]float32(nil), p.obs...), append([]bool(nil), p.mask...)})
					if len(points) == 32 { // thin them out
						for i := range 16 {
							points[i] = points[2*i]
						}
						points, every = points[:16], 2*every
					}
				}
				a := policy(p)
				o := p.step(a)
				rest = append(rest, appendStep(nil, p, a, o))
				if steps++; o.Truncated {
					break
				}
			}
			want := p.w.AppendState(nil)
			q := newPlayer(newWorld())
			q.play(1, random(1))
			for _, at := range points {
				if err := q.w.RestoreState(at.state); err != nil {
					t.Fatalf("step %d: %v", at.step, err)
				}
				if !bytes.Equal(q.w.AppendState(nil), at.state) {
					t.Fatalf("step %d: saved again, the state differs", at.step)
				}
				copy(q.obs, at.obs)
				copy(q.mask, at.mask)
				for i := at.step; i < steps; i++ {
					a := policy(q)
					if o := q.step(a); !bytes.Equal(appendStep(nil, q, a, o), rest[i]) {
						t.Fatalf("saved at step %d: step %d differs", at.step, i)
					}
				}
				if !bytes.Equal(q.w.AppendState(nil), want) {
					t.Fatalf("saved at step %d: the final state differs", at.step)
				}
			}
			t.Logf("%d points of %d steps", len(points), steps)
		})
	}
}

// TestAllocations: a step allocates nothing.
func TestAllocations(t *testing.T) {
	p := newPlayer(newTest(t, rackBursts()))
	policy := baselinePolicy(t, "hdfs", p.w)
	p.play(1, policy) // whatever grows, grows here
	p.reset(1)
	steps := 0
	if n := testing.AllocsPerRun(300, func() {
		if p.step(policy(p)).Truncated {
			t.Fatal("the episode is too short")
		}
		steps++
	}); n != 0 {
		t.Errorf("%g allocations a step", n)
	}
	if steps < 300 {
		t.Errorf("only %d steps", steps)
	}
}
