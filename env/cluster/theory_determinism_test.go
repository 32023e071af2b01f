package cluster

import (
	"encoding/binary"
	"hash"
	"hash/fnv"
	"math"
	"runtime"
	"testing"

	"mend/env"
	"mend/env/seed"
)

// logged is a world that hashes every event of its episodes: timer id and time.
type logged struct {
	*World
	p        *player
	h        hash.Hash64
	offered  hash.Hash64 // of failures alone
	events   int
	episodes []uint64 // hash of each episode that is over
}

func newLogged(w *World) *logged {
	l := &logged{World: w, p: newPlayer(w), h: fnv.New64a(), offered: fnv.New64a()}
	l.p.before = func(id int32) {
		var b [12]byte
		binary.LittleEndian.PutUint32(b[:], uint32(id))
		binary.LittleEndian.PutUint64(b[4:], uint64(w.now))
		l.h.Write(b[:])
		l.events++
		if id >= w.timers.drawn && id < w.timers.batch {
			l.offered.Write(b[:])
		}
	}
	return l
}

// Reset implements env.Env, as World.Reset does.
func (l *logged) Reset(s seed.Seed, obs []float32, mask []bool) {
	w := l.World
	l.h.Reset()
	l.offered.Reset()
	w.begin(s)
	w.ledger.startStep(0)
	l.p.run()
	if w.ended {
		w.ended = false
		w.q.set(w.timers.horizon, w.horizon)
	}
	w.observe(obs, mask)
}

// Step implements env.Env.
func (l *logged) Step(action int, obs []float32, mask []bool) env.Outcome {
	l.p.obs, l.p.mask = obs, mask
	o := l.p.step(Action(action))
	if o.Truncated {
		l.episodes = append(l.episodes, l.h.Sum64())
	}
	return o
}

// choose is a policy without a state of its own: a legal action that depends on
// what is observed, and on k.
func choose(k uint64, obs []float32, mask []bool) int {
	bits := seed.Seed(k)
	for _, x := range obs {
		bits = seed.Seed(bits.At(uint64(math.Float32bits(x)), 0))
	}
	legal := 0
	for _, ok := range mask {
		if ok {
			legal++
		}
	}
	pick := seed.Below(bits.At(0, 1), legal)
	for a, ok := range mask {
		if ok {
			if pick == 0 {
				return a
			}
			pick--
		}
	}
	panic("no legal action")
}

// TestSameEvents: equal seeds and policies give the same events at the same
// times, whether a world plays alone, beside others in a Vector, stepped by one
// processor or by two.
func TestSameEvents(t *testing.T) {
	const neighbours, episodes = 3, 2
	for name, newWorld := range worlds(t) {
		t.Run(name, func(t *testing.T) {
			root := seed.Seed(77)
			var want [neighbours][]uint64
			events := 0
			for i := range want {
				l := newLogged(newWorld())
				obs, mask := make([]float32, featureCount), make([]bool, len(actions))
				for k := range uint64(episodes) {
					l.Reset(root.Child("env", uint64(i)).Child("episode", k), obs, mask)
					for !l.Step(choose(3, obs, mask), obs, mask).Truncated {
					}
				}
				want[i] = l.episodes
				events += l.events
			}
			if want[0][0] == want[1][0] || want[0][0] == want[0][1] {
				t.Errorf("different episodes have the same events: %x", want)
			}
			for _, procs := range []int{1, 2} {
				before := runtime.GOMAXPROCS(procs)
				var ls [neighbours]*logged
				var envs [neighbours]env.Env
				for i := range ls {
					ls[i] = newLogged(newWorld())
					envs[i] = ls[i]
				}
				v, err := env.NewVector(root, envs[:]...)
				if err != nil {
					t.Fatal(err)
				}
				v.SetWorkers(procs)
				step, act := env.NewTimeStep(neighbours, v.Spec()), make([]int, neighbours)
				v.Reset(step)
				over := func() bool {
					for _, l := range ls {
						if len(l.episodes) < episodes {
							return false
						}
					}
					return true
				}
				for !over() {
					for i := range act {
						act[i] = choose(3, step.ObsRow(i), step.MaskRow(i))
					}
					v.Step(act, step)
				}
				runtime.GOMAXPROCS(before)
				for i, l := range ls {
					for k, h := range want[i] {
						if l.episodes[k] != h {
							t.Errorf("%d processors: the events of episode %d of world %d differ from those of the same world alone", procs, k, i)
						}
					}
				}
			}
			t.Logf("%d events in %d episodes", events, neighbours*episodes)
			if events < 1000 && name != "Steady" {
				t.Errorf("only %d events", events)
			}
		})
	}
}

// TestSameFailures: whatever the policy, failures strike the same slots at the
// same times, and their digest says so; and another seed's do not.
func TestSameFailures(t *testing.T) {
	for name, newWorld := range worlds(t) {
		t.Run(name, func(t *testing.T) {
			l := newLogged(newWorld())
			obs, mask := make([]float32, featureCount), make([]bool, len(actions))
			play := func(s, k seed.Seed) (events, offered, digest uint64) {
				l.Reset(s, obs, mask)
				for !l.Step(choose(uint64(k), obs, mask), obs, mask).Truncated {
				}
				return l.h.Sum64(), l.offered.Sum64(), l.OfferedDigest()
			}
			other, _, _ := play(1, 0)
			all := map[uint64]bool{}
			_, offered, digest := play(0, 0)
			for k := range seed.Seed(6) {
				h, o, d := play(0, k)
				if o != offered || d != digest {
					t.Errorf("policy %d is offered %#x, %#x; want %#x, %#x as policy 0", k, o, d, offered, digest)
				}
				all[h] = true
			}
			if all[other] {
				t.Error("two seeds have the same events")
			}
			if len(all) < 6 && name != "Steady" {
				t.Errorf("6 policies led to %d courses of events", len(all))
			}
		})
	}
}
