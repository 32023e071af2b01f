package dqn

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"mend/env"
	"mend/env/state"
)

// explicit is a transition as the plain twin keeps it: both ends written out,
// and the twin's own index of what follows in the same chain.
type explicit struct {
	obs, next         []float32
	mask, nextMask    []bool
	action            int
	reward, elapsed   float64
	phi, nextPhi      float64
	terminated, known bool // known: the outcome is complete
	after             int  // index of the transition that starts in next, −1 for none yet
	entry             uint64
}

// twin keeps every decision ever made, in order, and finds things by looking.
type twin struct {
	list []explicit
	made uint64 // entries that the ring must have made
}

// latest is the open decision about a subject of an environment.
type latest map[[2]int]int

// script makes random steps of several environments, with ends of both kinds,
// and lets ring and twin see them.
type script struct {
	r                  *rand.Rand
	envs, dim, actions int
	subjects           int // 1: plain
	gamma              float64

	ring    *replay
	pending *pending
	twin    twin
	open    latest
	cur     *env.TimeStep
	count   float32
}

func (s *script) spec() *env.Spec {
	spec := &env.Spec{ID: "script", Features: make([]env.Feature, s.dim), Actions: make([]string, s.actions), Masked: s.ring.maskBytes > 0}
	if s.subjects > 1 {
		spec.Subjects = s.subjects
	}
	return spec
}

func newScript(r *rand.Rand, capacity, envs, subjects int, masked, shaped, prioritized bool) *script {
	s := &script{r: r, envs: envs, dim: 2, actions: 11, subjects: subjects, gamma: 0.9, open: latest{}}
	s.ring = newReplay(capacity, s.dim, s.actions, masked, shaped, prioritized)
	s.pending = newPending(envs, subjects)
	s.cur = env.NewTimeStep(envs, s.spec())
	s.show(s.cur.Obs, s.cur.Mask)
	s.ask(s.cur)
	return s
}

// show writes observations that occur only once, and masks.
func (s *script) show(obs []float32, mask []bool) {
	for i := range obs {
		s.count++
		obs[i] = s.count
	}
	for i := range mask {
		mask[i] = s.r.IntN(2) == 0 || i%s.actions == 3
	}
}

func (s *script) ask(t *env.TimeStep) {
	for i := range t.Subject {
		t.Subject[i] = int32(s.r.IntN(s.subjects))
	}
}

// phi is Φ of an observation, any function of it.
func (s *script) phi(obs []float32) float32 {
	if s.ring.phi == nil {
		return 0
	}
	return obs[0]*0.25 - 7
}

func (s *script) step() {
	next, actions := env.NewTimeStep(s.envs, s.spec()), make([]int, s.envs)
	s.show(next.Obs, next.Mask)
	s.show(next.FinalObs, next.FinalMask)
	s.ask(next)
	var phi, final []float32
	for i := range s.envs {
		actions[i] = s.r.IntN(s.actions)
		for m := s.cur.MaskRow(i); m != nil && !m[actions[i]]; {
			actions[i] = s.r.IntN(s.actions)
		}
		next.Reward[i] = float32(s.r.IntN(9) - 4)
		next.Elapsed[i] = []float32{0, 1, 1, 0.5, 3}[s.r.IntN(5)]
		switch s.r.IntN(12) {
		case 0:
			next.Terminated[i] = true
		case 1:
			next.Truncated[i] = true
		case 2:
			next.Terminated[i], next.Truncated[i] = true, s.r.IntN(3) == 0
		}
		for k := range next.CreditRow(i) {
			next.CreditRow(i)[k] = float32(s.r.IntN(9) - 4)
		}
		if s.ring.phi != nil {
			phi = append(phi, s.phi(s.cur.ObsRow(i)))
			final = append(final, s.phi(next.FinalObs[i*s.dim:(i+1)*s.dim]))
		}
	}
	s.pending.observe(s.ring, s.gamma, s.cur, actions, next, phi, final)
	for i, a := range actions {
		s.remember(i, a, next)
	}
	s.cur = next
}

// remember is the twin's account of the step of environment i.
func (s *script) remember(i, action int, next *env.TimeStep) {
	w := &s.twin
	subject, credit := 0, next.Reward[i:i+1]
	if s.subjects > 1 {
		subject, credit = int(s.cur.Subject[i]), next.CreditRow(i)
	}
	x := explicit{
		obs: slices.Clone(s.cur.ObsRow(i)), mask: slices.Clone(s.cur.MaskRow(i)), action: action,
		phi: float64(s.phi(s.cur.ObsRow(i))), after: -1, entry: w.made,
	}
	w.made++
	if k, ok := s.open[[2]int{i, subject}]; ok {
		y := &w.list[k]
		y.known, y.next, y.nextMask, y.nextPhi, y.after = true, x.obs, x.mask, x.phi, len(w.list)
	}
	s.open[[2]int{i, subject}] = len(w.list)
	w.list = append(w.list, x)
	for k := range s.subjects {
		at, ok := s.open[[2]int{i, k}]
		if !ok {
			continue
		}
		y := &w.list[at]
		y.reward += math.Pow(s.gamma, y.elapsed) * float64(credit[k])
		y.elapsed += float64(next.Elapsed[i])
		if next.Terminated[i] {
			y.known, y.terminated = true, true
		} else if next.Truncated[i] && s.subjects == 1 {
			y.known = true
			y.next = slices.Clone(next.FinalObs[i*s.dim : (i+1)*s.dim])
			y.nextMask = slices.Clone(next.FinalMask[min(i*s.actions, len(next.FinalMask)):min((i+1)*s.actions, len(next.FinalMask))])
			y.nextPhi = float64(s.phi(y.next))
			w.made++
		}
		if next.Ended(i) {
			delete(s.open, [2]int{i, k})
		}
	}
}

// check compares ring and twin, entry by entry, over every horizon given.
func (s *script) check(t *testing.T, horizons ...float64) {
	t.Helper()
	r := s.ring
	if r.added != s.twin.made {
		t.Fatalf("%d entries made, want %d", r.added, s.twin.made)
	}
	origins := 0
	for k := range s.twin.list {
		x := &s.twin.list[k]
		if r.added-x.entry > uint64(r.capacity()) {
			continue // overwritten
		}
		slot := int(x.entry % uint64(r.capacity()))
		if !slices.Equal(r.obs[slot*s.dim:(slot+1)*s.dim], x.obs) || int(r.action[slot]) != x.action {
			t.Fatalf("entry %d: %v by action %d, want %v by %d", x.entry, r.obs[slot*s.dim:(slot+1)*s.dim], r.action[slot], x.obs, x.action)
		}
		if r.origin(slot) != x.known {
			t.Fatalf("entry %d is an origin: %v, want %v", x.entry, r.origin(slot), x.known)
		}
		if !x.known {
			continue
		}
		origins++
		for _, horizon := range horizons {
			s.checkOutcome(t, slot, k, horizon)
		}
	}
	if r.origins != origins {
		t.Fatalf("%d origins counted, want %d", r.origins, origins)
	}
}

// checkOutcome walks the twin's chain from transition k.
func (s *script) checkOutcome(t *testing.T, slot, k int, horizon float64) {
	t.Helper()
	r := s.ring
	got := r.follow(slot, s.gamma, horizon)
	var reward, elapsed float64
	x := &s.twin.list[k]
	for {
		reward += math.Pow(s.gamma, elapsed) * x.reward
		elapsed += x.elapsed
		if x.terminated || horizon == 1 || elapsed >= horizon || x.after < 0 || !s.twin.list[x.after].known {
			break
		}
		x = &s.twin.list[x.after]
	}
	if math.Abs(got.reward-reward) > 1e-5 || math.Abs(got.discount-math.Pow(s.gamma, elapsed)) > 1e-12 {
		t.Fatalf("transition %d over %v: reward %v at discount %v, want %v at %v", k, horizon, got.reward, got.discount, reward, math.Pow(s.gamma, elapsed))
	}
	if (got.last < 0) != x.terminated {
		t.Fatalf("transition %d over %v ends in slot %d, terminated %v", k, horizon, got.last, x.terminated)
	}
	if x.terminated {
		return
	}
	if last := r.obs[got.last*s.dim : (got.last+1)*s.dim]; !slices.Equal(last, x.next) {
		t.Fatalf("transition %d over %v ends in %v, want %v", k, horizon, last, x.next)
	}
	if r.maskBytes > 0 {
		mask := make([]bool, s.actions)
		if r.legal(got.last, mask); !slices.Equal(mask, x.nextMask) {
			t.Fatalf("transition %d over %v ends with mask %v, want %v", k, horizon, mask, x.nextMask)
		}
	}
	if r.phi != nil && float64(r.phi[got.last]) != x.nextPhi {
		t.Fatalf("transition %d over %v ends with potential %v, want %v", k, horizon, r.phi[got.last], x.nextPhi)
	}
}

func forEachKind(t *testing.T, f func(t *testing.T, subjects int, masked, shaped, prioritized bool)) {
	for k := range 16 {
		subjects := 1 + k>>3*2
		masked, shaped, prioritized := k&1 > 0, k&2 > 0, k&4 > 0
		t.Run(fmt.Sprintf("subjects=%d,masked=%v,shaped=%v,prioritized=%v", subjects, masked, shaped, prioritized), func(t *testing.T) {
			f(t, subjects, masked, shaped, prioritized)
		})
	}
}

// Ring and twin agree at every step, while the ring fills and over several
// rounds of it, for capacities that no number of environments divides.
func TestReplayAgainstPlainTwin(t *testing.T) {
	forEachKind(t, func(t *testing.T, subjects int, masked, shaped, prioritized bool) {
		for _, capacity := range []int{13, 64, 1000} {
			s := newScript(rand.New(rand.NewPCG(4, uint64(capacity))), capacity, 3, subjects, masked, shaped, prioritized)
			for range 120 {
				s.step()
				s.check(t, 1, 2, 5.5, 40)
			}
		}
	})
}

// FuzzReplay lets the fuzzer choose the shape.
func FuzzReplay(f *testing.F) {
	f.Add(uint64(1), uint8(20), uint8(2), uint8(0), uint8(50))
	f.Add(uint64(2), uint8(9), uint8(1), uint8(15), uint8(90))
	f.Fuzz(func(t *testing.T, root uint64, capacity, envs, kind, steps uint8) {
		n := 1 + int(envs)%4
		s := newScript(rand.New(rand.NewPCG(root, 0)), 4*n+int(capacity), n, 1+int(kind>>3&1)*2, kind&1 > 0, kind&2 > 0, kind&4 > 0)
		for range steps {
			s.step()
		}
		s.check(t, 1, 3)
	})
}

// Only whole transitions are drawn, uniformly. The bound is that of a normal
// approximation: with 200 draws expected each, a count deviates by more than 5
// standard deviations (71) less than once in a million.
func TestUniformSampling(t *testing.T) {
	s := newScript(rand.New(rand.NewPCG(5, 5)), 100, 3, 1, false, false, false)
	for range 90 {
		s.step()
	}
	counts := make([]int, 100)
	const each = 200
	for range each * s.ring.origins {
		counts[s.ring.uniform(s.r)]++
	}
	for slot, n := range counts {
		switch {
		case !s.ring.origin(slot) && n > 0:
			t.Errorf("slot %d is no origin and was drawn %d times", slot, n)
		case s.ring.origin(slot) && math.Abs(float64(n-each)) > 71:
			t.Errorf("slot %d was drawn %d times, want about %d", slot, n, each)
		}
	}
}

// The chance of an origin is its priority to the power of α over the sum (Schaul
// et al., equation 1). Pearson's χ² over the origins stays below its mean plus 5
// standard deviations, d + 5·√(2d) with d degrees of freedom; stratification
// only makes it smaller.
func TestPrioritizedSampling(t *testing.T) {
	const alpha, eps = 0.6, 0.01
	s := newScript(rand.New(rand.NewPCG(6, 6)), 100, 3, 1, false, false, true)
	for range 90 {
		s.step()
	}
	r := s.ring
	want, total := make([]float64, 100), 0.0
	for slot := range want {
		if r.origin(slot) {
			delta := 5 * s.r.Float64()
			r.setPriority(slot, delta, eps, alpha)
			want[slot] = math.Pow(delta+eps, alpha)
			total += want[slot]
		}
	}
	counts := make([]float64, 100)
	const batches, n = 4000, 8
	for range batches {
		for k := range n {
			slot, p := r.stratum(s.r, k, n)
			counts[slot]++
			if math.Abs(p-want[slot]/total) > 1e-6 {
				t.Fatalf("slot %d has a probability of %v, want %v", slot, p, want[slot]/total)
			}
		}
	}
	chi, d := 0.0, float64(r.origins-1)
	for slot, w := range want {
		if w == 0 {
			if counts[slot] > 0 {
				t.Errorf("slot %d is no origin and was drawn", slot)
			}
			continue
		}
		e := batches * n * w / total
		chi += (counts[slot] - e) * (counts[slot] - e) / e
	}
	if limit := d + 5*math.Sqrt(2*d); chi > limit || chi < d/20 {
		t.Errorf("χ² is %v over %v degrees of freedom, want %v to %v", chi, d, d/20, limit)
	}
}

// New transitions get the highest priority so far, 1 at first, and lose it with
// their entry (Schaul et al., algorithm 1, line 6).
func TestPriorities(t *testing.T) {
	r := newReplay(4, 1, 2, false, false, true)
	push := func() uint64 { return r.push([]float32{0}, nil, 0, 0) }
	leaf := func(want ...float32) {
		t.Helper()
		if got := r.tree.leaf[:4]; !slices.Equal(got, want) {
			t.Errorf("priorities %v, want %v", got, want)
		}
	}
	a := push()
	leaf(0, 0, 0, 0)
	b := push()
	r.link(a, b, 0, 1)
	leaf(1, 0, 0, 0)
	r.setPriority(0, 8, 1, 0.5) // √9
	r.end(b, 0, 1)
	leaf(3, 3, 0, 0)
	r.setPriority(0, 0, 0.25, 0.5)
	leaf(0.5, 3, 0, 0)
	c := push()
	d := push()
	r.link(c, d, 0, 1)
	leaf(0.5, 3, 3, 0)
	r.end(push(), 0, 1) // over the first
	leaf(3, 3, 3, 0)
	if r.origins != 3 {
		t.Errorf("%d origins, want 3", r.origins)
	}
	r.setPriority(1, 0, 1e-300, 1)
	if r.tree.leaf[1] <= 0 {
		t.Error("an origin of priority 0")
	}
	r.setPriority(1, math.MaxFloat64, 1, 1)
	if x := r.tree.leaf[1]; x != math.MaxFloat32 {
		t.Errorf("the highest priority is %v", x)
	}
}

// Origins that the ring has overwritten before they were complete are gone.
func TestOverwrittenBeforeComplete(t *testing.T) {
	r := newReplay(4, 1, 2, false, false, true)
	first := r.push([]float32{1}, nil, 0, 0)
	for range 4 {
		r.push([]float32{2}, nil, 0, 0)
	}
	r.end(first, 9, 1)
	r.link(first, 4, 9, 1)
	if r.origins != 0 || r.ended[0] || r.next[0] != 0 || r.reward[0] != 0 {
		t.Errorf("an overwritten origin was completed: %d origins, reward %v", r.origins, r.reward[0])
	}
}

// save is the state of ring and pending decisions.
func (s *script) fields(c *state.Codec) {
	s.ring.fields(c)
	s.pending.fields(c, s.ring)
}

// A restored ring holds the same, writes the same bytes, and keeps nothing of
// its own history.
func TestReplayRestores(t *testing.T) {
	forEachKind(t, func(t *testing.T, subjects int, masked, shaped, prioritized bool) {
		for _, steps := range []int{0, 1, 5, 40, 200} {
			s := newScript(rand.New(rand.NewPCG(7, 7)), 50, 3, subjects, masked, shaped, prioritized)
			q := newScript(rand.New(rand.NewPCG(8, 8)), 50, 3, subjects, masked, shaped, prioritized)
			for range steps {
				s.step()
			}
			for range 30 {
				q.step()
			}
			saved := state.Append(nil, s.fields)
			if err := state.Restore(saved, q.fields); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(saved, state.Append(nil, q.fields)) {
				t.Fatalf("after %d steps the restored state differs", steps)
			}
			q.twin, q.open, q.cur = s.twin, s.open, s.cur
			q.check(t, 1, 5)
			if prioritized && q.ring.tree.total() != s.ring.tree.total() {
				t.Errorf("the priorities add up to %v, want %v", q.ring.tree.total(), s.ring.tree.total())
			}
		}
	})
}

// What no history leads to is refused.
func TestReplayRestoreErrors(t *testing.T) {
	for want, spoil := range map[string]func(s *script){
		"took action 11 of 11":    func(s *script) { s.ring.action[2] = 11 },
		"links 60000 entries":     func(s *script) { s.ring.next[2] = 60000 },
		"terminated and links":    func(s *script) { s.ring.next[2], s.ring.ended[2] = 1, true },
		"has a reward of NaN":     func(s *script) { s.ring.reward[2] = float32(math.NaN()) },
		"took -1 intervals":       func(s *script) { s.ring.elapsed[2] = -1 },
		"has a potential of +Inf": func(s *script) { s.ring.phi[2] = float32(math.Inf(1)) },
		"observed NaN":            func(s *script) { s.ring.obs[5] = float32(math.NaN()) },
		"has no legal action":     func(s *script) { clear(s.ring.mask[4:6]) },
		"has a priority of 0": func(s *script) {
			s.ring.tree.leaf[slices.IndexFunc(s.ring.next, func(n uint32) bool { return n > 0 })] = 0
		},
		"new entries get":          func(s *script) { s.ring.fresh = 0 },
		"is under way, but":        func(s *script) { s.pending.entry[0] = s.ring.added + 1 },
		"at a discount of 2":       func(s *script) { s.pending.entry[0], s.pending.entry[1], s.pending.discount[0] = 1, 0, 2 },
		"gathered a reward of NaN": func(s *script) { s.pending.entry[0], s.pending.entry[1], s.pending.reward[0] = 1, 0, math.NaN() },
	} {
		s := newScript(rand.New(rand.NewPCG(9, 9)), 50, 2, 1, true, true, true)
		for range 60 {
			s.step()
		}
		for slot := range s.ring.action {
			s.ring.action[slot] = 3 // always legal
		}
		spoil(s)
		err := state.Restore(state.Append(nil, s.fields), newScript(rand.New(rand.NewPCG(9, 9)), 50, 2, 1, true, true, true).fields)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// A count of entries that would overflow is refused before anything is read.
func TestReplayRestoreRefusesHugeCounts(t *testing.T) {
	s := newScript(rand.New(rand.NewPCG(9, 9)), 50, 2, 1, true, true, true)
	b := state.Append(nil, s.fields)
	b[7] = 0x80 // of the count, little-endian
	if err := state.Restore(b, s.fields); err == nil || !strings.Contains(err.Error(), "entries ever made") {
		t.Errorf("error %v", err)
	}
}

// A million transitions of 64 features fit 300 MB with everything on: masks,
// potentials and priorities. They are filled, so that no page is only promised.
func TestReplayMemory(t *testing.T) {
	if os.Getenv("MEND_LONG") != "1" {
		t.Skip("fills 300 MB; MEND_LONG=1 runs it")
	}
	const capacity, dim, actions = 1_000_000, 64, 16
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := newReplay(capacity, dim, actions, true, true, true)
	obs, mask := make([]float32, dim), make([]bool, actions)
	var last uint64
	for k := range capacity {
		obs[k%dim], mask[k%actions] = float32(k), true
		entry := r.push(obs, mask, k%actions, 1)
		if k > 0 {
			r.link(last, entry, 1, 1)
		}
		last = entry
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	used := after.HeapAlloc - before.HeapAlloc
	t.Logf("%d transitions take %.1f MB", r.origins, float64(used)/1e6)
	if used > 300e6 {
		t.Errorf("%d bytes, want at most 300 MB", used)
	}
	runtime.KeepAlive(r)
}

func BenchmarkReplay(b *testing.B) {
	const capacity, dim, n = 1_000_000, 64, 64
	for _, prioritized := range []bool{false, true} {
		r := newReplay(capacity, dim, 16, false, false, prioritized)
		obs := make([]float32, dim)
		for k := range capacity {
			if entry := r.push(obs, nil, 0, 0); k > 0 {
				r.link(entry-1, entry, 1, 1)
			}
		}
		random := rand.New(rand.NewPCG(1, 1))
		to := make([]float32, dim)
		b.Run(fmt.Sprintf("batch=%d,prioritized=%v", n, prioritized), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for k := range n {
					var slot int
					if prioritized {
						slot, _ = r.stratum(random, k, n)
						r.setPriority(slot, 0.5, 1e-6, 0.6)
					} else {
						slot = r.uniform(random)
					}
					copy(to, r.obs[slot*dim:])
					copy(to, r.obs[r.follow(slot, 0.99, 1).last*dim:])
				}
			}
		})
	}
}
