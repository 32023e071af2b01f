package train

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"mend/agents"
	"mend/agents/mlp"
	"mend/checkpoints"
	"mend/env"
	"mend/env/seed"
	"mend/env/state"
)

// walk is a world for the tests of this package: a random walk of random
// length that ends by chance (terminated) or by its clock (truncated).
type walk struct {
	rng    *rand.Rand
	pcg    *rand.PCG
	at     float32
	t, end int64
}

var walkSpec = env.Spec{
	ID:       "Walk-v0",
	Digest:   "d1",
	Features: []env.Feature{{Name: "at", Scale: 1}, {Name: "time", Scale: 1}},
	Actions:  []string{"hold", "left", "right"},
	Masked:   true,
	Metrics:  []env.Metric{{Name: "at_per_step"}},
}

func newWalk() *walk {
	rng, pcg := seed.Seed(0).Rand()
	return &walk{rng: rng, pcg: pcg}
}

func (w *walk) Spec() *env.Spec { return &walkSpec }

func (w *walk) Reset(s seed.Seed, obs []float32, mask []bool) {
	w.pcg.Seed(uint64(s), uint64(s.Child("walk", 0)))
	w.at, w.t, w.end = 0, 0, 5+w.rng.Int64N(20)
	w.fill(obs, mask)
}

func (w *walk) Step(action int, obs []float32, mask []bool) env.Outcome {
	w.t++
	w.at += float32(action)*w.rng.Float32() - 0.5
	w.fill(obs, mask)
	return env.Outcome{Reward: w.at, Elapsed: 1, Terminated: w.rng.IntN(30) == 0, Truncated: w.t == w.end}
}

func (w *walk) fill(obs []float32, mask []bool) {
	obs[0], obs[1] = w.at, float32(w.t)
	mask[0], mask[1], mask[2] = true, w.t%2 == 0, w.t%3 == 0
}

func (w *walk) Measure(dst []env.Ratio) []env.Ratio {
	return append(dst, env.Ratio{Num: float64(w.at), Den: float64(w.t)})
}

func (w *walk) AppendState(b []byte) []byte { return state.Append(b, w.fields) }
func (w *walk) RestoreState(b []byte) error { return state.Restore(b, w.fields) }
func (w *walk) fields(c *state.Codec) {
	generator(c, w.pcg)
	state.Value(c, &w.at)
	state.Value(c, &w.t)
	state.Value(c, &w.end)
}
func (w *walk) String() string          { return fmt.Sprintf("walk at %v", w.at) }
func hash(h uint64, bits uint64) uint64 { return (h ^ bits) * 0x100000001b3 }
func generator(c *state.Codec, pcg *rand.PCG) {
	b := make([]byte, 20)
	if !c.Restoring() {
		b, _ = pcg.MarshalBinary()
	}
	state.Fixed(c, b)
	if c.Restoring() && c.Err() == nil {
		if err := pcg.UnmarshalBinary(b); err != nil {
			c.Fail(err)
		}
	}
}

// digest is an agent for the tests of this package: its weight is a hash over
// everything it ever saw, stale rows included, and it explores by that weight.
type digest struct {
	rng      *rand.Rand
	pcg      *rand.PCG
	weight   uint64
	observed uint64
	pending  []float32 // observed since the last update
	reported []agents.Metric

	every    uint64        // vector steps between updates
	pause    time.Duration // of each update, to make time for being killed
	onUpdate func(d *digest) error
}

func newDigest(s uint64, every uint64) *digest {
	rng, pcg := seed.Seed(s).Child("agent", 0).Rand()
	return &digest{rng: rng, pcg: pcg, every: every, pending: make([]float32, 0, 1<<16), reported: make([]agents.Metric, 0, 2)}
}

func (d *digest) Act(t *env.TimeStep, actions []int) {
	for i := range actions {
		mask := t.MaskRow(i)
		for {
			if actions[i] = int((d.rng.Uint64() ^ d.weight) % uint64(len(mask))); mask[actions[i]] {
				break
			}
		}
	}
}

func (d *digest) Observe(prev *env.TimeStep, actions []int, next *env.TimeStep) {
	d.observed++
	d.pending = append(append(append(append(d.pending, prev.Obs...), next.FinalObs...), next.Obs...), next.Reward...)
	for _, a := range actions {
		d.pending = append(d.pending, float32(a))
	}
}

func (d *digest) Update() ([]agents.Metric, error) {
	if d.observed%d.every != 0 {
		return nil, nil
	}
	time.Sleep(d.pause)
	for _, x := range d.pending {
		d.weight = hash(d.weight, uint64(int64(x*1e6)))
	}
	loss := float64(d.weight >> 40)
	d.reported = append(d.reported[:0], agents.Metric{Name: "loss", Value: loss})
	if d.observed%(2*d.every) == 0 {
		d.reported = append(d.reported, agents.Metric{Name: "pending", Value: float64(len(d.pending))})
	}
	d.pending = d.pending[:0]
	if d.onUpdate != nil {
		if err := d.onUpdate(d); err != nil {
			return nil, err
		}
	}
	return d.reported, nil
}

func (d *digest) Greedy() agents.Policy { return hold{d} }
func (d *digest) Actor() *mlp.Net       { return nil }

func (d *digest) Fields(c *state.Codec) {
	generator(c, d.pcg)
	state.Value(c, &d.weight)
	state.Value(c, &d.observed)
	state.Slice(c, &d.pending)
}

// hold is the greedy policy of a digest: its objective follows the weight.
type hold struct{ d *digest }

func (h hold) Act(_ *env.TimeStep, actions []int) { clear(actions) }

// testConfig is a run of 60 steps of a vector of 4.
func testConfig() Config {
	c := DefaultConfig()
	c.Steps, c.Envs, c.Seed = 240, 4, 7
	c.LogEvery, c.EvalEvery, c.EvalEpisodes = 20, 50, 1
	c.CheckpointEvery, c.Keep = 0, 1
	return c
}

// newJob is a run of digests on walks.
func newJob(t testing.TB, dir string, c Config) (*Job, *digest) {
	worlds := make([]env.Env, c.Envs)
	for i := range worlds {
		worlds[i] = newWalk()
	}
	v, err := env.NewVector(seed.Seed(c.Seed).Child("train", 0), worlds...)
	if err != nil {
		t.Fatal(err)
	}
	agent := newDigest(c.Seed, 3)
	j := &Job{
		Config: c,
		Dir:    dir,
		Vector: v,
		Agent:  agent,
		Meta:   checkpoints.Meta{Env: "Walk-v0", EnvDigest: "d1", Algo: "digest", Seed: c.Seed, Config: []byte("train: {}\n"), Tool: "test"},
	}
	j.Evaluate = evaluateWeight
	return j, agent
}

// last returns the bytes of the newest checkpoint.
func last(t testing.TB, dir string) []byte {
	t.Helper()
	path, _, _, err := checkpoints.Latest(dir + "/checkpoints")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sectionOf returns the bytes of a section.
func sectionOf(t testing.TB, c *checkpoints.Checkpoint, name string) []byte {
	t.Helper()
	var b []byte
	if err := restoreSection(c, name, restoreData(func(data []byte) error { b = data; return nil })); err != nil {
		t.Fatal(err)
	}
	return b
}

func weightOf(t testing.TB, c *checkpoints.Checkpoint) uint64 {
	t.Helper()
	return binary.LittleEndian.Uint64(sectionOf(t, c, sectionAgent)[20:])
}
