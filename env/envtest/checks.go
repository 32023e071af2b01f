package envtest

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"runtime"
	"slices"

	"mend/env"
	"mend/env/seed"
)

var (
	idForm     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*-v[0-9]+$`)
	digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// spec: what the Spec says is complete, consistent and constant.
func (c *checker) spec() string {
	e := c.newEnv()
	s := e.Spec()
	if s == nil {
		fail("the spec is nil")
	}
	if !idForm.MatchString(s.ID) {
		fail("id %q is not of the form Name-vN", s.ID)
	}
	if !digestForm.MatchString(s.Digest) {
		fail("digest %q is not 64 lower-case hex digits", s.Digest)
	}
	if !(s.Gamma >= 0 && s.Gamma < 1) {
		fail("gamma is %v, want 0 <= gamma < 1", s.Gamma)
	}
	if len(s.Features) == 0 || len(s.Actions) == 0 {
		fail("%d features and %d actions, want at least 1 of each", len(s.Features), len(s.Actions))
	}
	var names []string
	for i, f := range s.Features {
		names = append(names, f.Name)
		if f.Unit == "" {
			fail("feature %d (%s) has no unit; a pure number has unit \"1\"", i, f.Name)
		}
		if f.Scale == 0 || !finite(float64(f.Scale)) || !finite(float64(f.Offset)) {
			fail("feature %d (%s) has offset %v and scale %v, want finite ones and a scale other than 0", i, f.Name, f.Offset, f.Scale)
		}
	}
	unique("feature", names)
	unique("action", s.Actions)
	names = nil
	for _, g := range s.Guards {
		names = append(names, g.Name)
		if !s.Masked {
			fail("guard %q in a world without masks", g.Name)
		}
		if !slices.ContainsFunc(s.Features, func(f env.Feature) bool { return f.Name == g.Feature }) {
			fail("guard %q reads feature %q, which the world has not", g.Name, g.Feature)
		}
		if len(g.Actions) == 0 {
			fail("guard %q guards no action", g.Name)
		}
		for _, a := range g.Actions {
			if !slices.Contains(s.Actions, a) {
				fail("guard %q guards action %q, which the world has not", g.Name, a)
			}
		}
		if !(g.Min <= g.Max) {
			fail("guard %q allows values from %v to %v", g.Name, g.Min, g.Max)
		}
	}
	unique("guard", names)
	names = nil
	for _, m := range s.Metrics {
		names = append(names, m.Name)
		if m.Unit == "" {
			fail("metric %q has no unit; a pure number has unit \"1\"", m.Name)
		}
	}
	unique("metric", names)
	if s.Objective != "" && !slices.Contains(names, s.Objective) {
		fail("objective %q is not one of the metrics", s.Objective)
	}
	if _, ok := e.(env.Measured); len(names) > 0 && !ok {
		fail("%d metrics, but the world has no Measure", len(names))
	}
	if s.Subjects < 0 {
		fail("%d subjects, want 0 or more", s.Subjects)
	}
	if _, ok := e.(env.Credited); s.Subjects > 0 && !ok {
		fail("%d subjects, but the world has no Subject and Credit", s.Subjects)
	}

	before := fmt.Sprintf("%#v", *s)
	if other := fmt.Sprintf("%#v", *c.newEnv().Spec()); other != before {
		fail("a second instance has another spec: %s, then %s", before, other)
	}
	p := c.player(e, c.Seed)
	for range c.Steps {
		p.advance()
		if e.Spec() != s {
			fail("episode %d, step %d: Spec returns another pointer than before", p.episode, p.step)
		}
	}
	if after := fmt.Sprintf("%#v", *s); after != before {
		fail("the spec changed while stepping: %s, then %s", before, after)
	}
	return fmt.Sprintf("%d features, %d actions, %d guards, %d metrics", len(s.Features), len(s.Actions), len(s.Guards), len(s.Metrics))
}

func unique(what string, names []string) {
	for i, n := range names {
		if n == "" {
			fail("%s %d has no name", what, i)
		}
		if slices.Contains(names[:i], n) {
			fail("two %ss named %q", what, n)
		}
	}
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// sameSeed: the same seeds and actions give the same bytes, in a new world and
// in one that has been used.
func (c *checker) sameSeed() string {
	first := c.player(c.newEnv(), c.Seed)
	want := first.record(c.Steps)
	again := c.player(c.newEnv(), c.Seed)
	if d := difference(first.s, want, again.record(c.Steps)); d != "" {
		fail("two instances differ under the same seeds and actions: %s", d)
	}
	reused := c.player(first.e, c.Seed)
	if d := difference(first.s, want, reused.record(c.Steps)); d != "" {
		fail("an instance used before differs from a new one: %s", d)
	}
	return seen(want)
}

// otherSeed: the seed matters, unless the world is said to be deterministic.
func (c *checker) otherSeed() string {
	p := c.player(c.newEnv(), c.Seed.Child("other", 0))
	want := p.record(c.Steps)
	const seeds = 8
	for i := range uint64(seeds - 1) {
		q := c.player(c.newEnv(), c.Seed.Child("other", i+1))
		d := difference(p.s, want, q.record(c.Steps))
		switch {
		case d != "" && c.Deterministic:
			fail("two seeds differ in a world said to be deterministic: %s", d)
		case d != "":
			return "seeds differ at " + d
		}
	}
	if !c.Deterministic {
		fail("%d seeds give the same history (%s)", seeds, seen(want))
	}
	return fmt.Sprintf("%d seeds agree, %s each", seeds, seen(want))
}

// buffers: every element of every buffer is written, whatever it held.
func (c *checker) buffers() string {
	record := func(x poison) []event {
		p := c.player(c.newEnv(), c.Seed)
		p.poison = &x
		return p.record(c.Steps)
	}
	want := record(poison{float32(math.NaN()), false})
	for _, x := range []poison{{-12345.678, true}, {float32(math.Inf(1)), false}} {
		if d := difference(c.newEnv().Spec(), want, record(x)); d != "" {
			fail("what the buffers held before shows: %s", d)
		}
	}
	return seen(want)
}

// finite: observations, rewards and times are numbers that can be learned from.
func (c *checker) finite() string {
	p := c.player(c.newEnv(), c.Seed)
	p.poison = &poison{} // a world that leaves elements alone fails in buffers
	events := p.record(c.Steps)
	for i := range events {
		e := &events[i]
		for k, x := range e.obs {
			if !finite(float64(x)) {
				fail("%v: feature %d (%s) is %v", e, k, p.s.Features[k].Name, x)
			}
		}
		if !finite(float64(e.out.Reward)) {
			fail("%v: the reward is %v", e, e.out.Reward)
		}
		if !finite(float64(e.out.Elapsed)) || e.out.Elapsed < 0 {
			fail("%v: the elapsed time is %v, want 0 or more", e, e.out.Elapsed)
		}
	}
	return seen(events)
}

// mask: at least one action is legal, after an episode's end too.
func (c *checker) mask() string {
	p := c.player(c.newEnv(), c.Seed)
	if !p.s.Masked {
		return "nothing is masked"
	}
	events := p.record(c.Steps)
	masked := 0
	for i := range events {
		if !slices.Contains(events[i].mask, true) {
			fail("%v: the mask leaves no legal action", &events[i])
		}
		if slices.Contains(events[i].mask, false) {
			masked++
		}
	}
	return fmt.Sprintf("%s, %d masks forbid something", seen(events), masked)
}

// guards: where a guard's feature is out of range, the mask forbids its
// actions. Values so near a bound that float32 may round them across are left
// out.
func (c *checker) guards() string {
	p := c.player(c.newEnv(), c.Seed)
	if len(p.s.Guards) == 0 {
		return "no guards"
	}
	events := p.record(c.Steps)
	applied := 0
	for _, g := range p.s.Guards {
		k, err := p.s.Feature(g.Feature)
		if err != nil {
			fail("guard %q: %v", g.Name, err)
		}
		f := p.s.Features[k]
		slack := func(bound float32) float32 {
			if !finite(float64(bound)) {
				return 0
			}
			return 1e-5 * float32(math.Abs(float64(bound))+math.Abs(float64(f.Scale))+math.Abs(float64(f.Offset)))
		}
		for i := range events {
			e := &events[i]
			raw := f.Raw(e.obs[k])
			if raw >= g.Min-slack(g.Min) && raw <= g.Max+slack(g.Max) {
				continue
			}
			applied++
			for _, name := range g.Actions {
				a, err := p.s.Action(name)
				if err != nil {
					fail("guard %q: %v", g.Name, err)
				}
				if e.mask[a] {
					fail("%v: guard %q lets %s be legal only where %s is in [%v, %v]; it is %v and the action is legal",
						e, g.Name, name, f.Name, g.Min, g.Max, raw)
				}
			}
		}
	}
	return fmt.Sprintf("%s, guards applied %d times", seen(events), applied)
}

// end: episodes end under random legal actions.
func (c *checker) end() string {
	p := c.player(c.newEnv(), c.Seed)
	const episodes = 3
	total, longest := 0, 0
	for p.episode < episodes {
		p.advance()
		if p.step > c.EpisodeSteps {
			fail("episode %d has not ended after %d steps", p.episode, c.EpisodeSteps)
		}
		if !p.running {
			total += p.step
			longest = max(longest, p.step)
		}
	}
	return fmt.Sprintf("%d episodes of %d steps on average, %d at most", episodes, total/episodes, longest)
}

// allocations: Step allocates nothing in episodes that the world has played
// before. Others in the process may allocate meanwhile, so the best of several
// attempts counts.
func (c *checker) allocations() string {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	e := c.newEnv()
	c.player(e, c.Seed).record(c.Steps)
	least := uint64(math.MaxUint64)
	steps := 0
	for range 5 {
		p := c.player(e, c.Seed)
		var before, after runtime.MemStats
		allocated := uint64(0)
		steps = 0
		for resets := 0; steps+resets < c.Steps; resets++ {
			p.reset()
			runtime.ReadMemStats(&before)
			for p.running && steps+resets+1 < c.Steps {
				p.advance()
				steps++
			}
			runtime.ReadMemStats(&after)
			allocated += after.Mallocs - before.Mallocs
		}
		if least = min(least, allocated); least == 0 {
			break
		}
	}
	if steps == 0 {
		fail("no step was measured")
	}
	if least > 0 {
		fail("%d allocations in %d steps after Reset, want 0", least, steps)
	}
	return fmt.Sprintf("0 in %d steps", steps)
}

// interleaving: two instances stepped in turn do not affect each other.
func (c *checker) interleaving() string {
	alone := c.player(c.newEnv(), c.Seed)
	want := alone.record(c.Steps)
	a := c.player(c.newEnv(), c.Seed)
	b := c.player(c.newEnv(), c.Seed.Child("interleaved", 0))
	got := make([]event, 0, c.Steps)
	for range c.Steps {
		got = append(got, a.record(1)...)
		b.advance()
	}
	if d := difference(alone.s, want, got); d != "" {
		fail("another instance stepped in turn changes this one: %s", d)
	}
	return seen(want)
}

// neighbours: world 0 of a Vector does not depend on how many others there are.
func (c *checker) neighbours() string {
	alone, others := c.world0(1), c.world0(4)
	if d := difference(c.newEnv().Spec(), alone, others); d != "" {
		fail("world 0 of a vector differs between 1 and 4 worlds: %s", d)
	}
	ended := 0
	for i := range alone {
		if alone[i].out.Terminated || alone[i].out.Truncated {
			ended++
		}
	}
	return fmt.Sprintf("%d steps, %d episodes ended", len(alone)-1, ended)
}

// world0 is the history of world 0 in a Vector of n.
func (c *checker) world0(n int) []event {
	envs := make([]env.Env, n)
	for i := range envs {
		envs[i] = c.newEnv()
	}
	v, err := env.NewVector(c.Seed, envs...)
	if err != nil {
		fail("%v", err)
	}
	t := env.NewTimeStep(n, v.Spec())
	actions := make([]int, n)
	v.Reset(t)
	events := []event{{action: -1, obs: slices.Clone(t.ObsRow(0)), mask: slices.Clone(t.MaskRow(0))}}
	for k := range c.Steps {
		for i := range actions {
			draw := c.Seed.Child("vector actions", uint64(i)).At(uint64(k), 0)
			if actions[i] = choose(t.MaskRow(i), len(v.Spec().Actions), draw); actions[i] < 0 {
				fail("world %d of %d, step %d: the mask leaves no legal action", i, n, k)
			}
		}
		v.Step(actions, t)
		subject := -1
		if t.Subject != nil {
			subject = int(t.Subject[0])
		}
		events = append(events, event{
			step: k + 1, action: actions[0], subject: subject,
			obs: slices.Clone(t.ObsRow(0)), mask: slices.Clone(t.MaskRow(0)), credit: slices.Clone(t.CreditRow(0)),
			out: env.Outcome{Reward: t.Reward[0], Elapsed: t.Elapsed[0], Terminated: t.Terminated[0], Truncated: t.Truncated[0]},
		})
	}
	return events
}

// restore: a world saved amid an episode continues bit for bit in another
// instance, new or used, and saving changes nothing.
func (c *checker) restore() string {
	const points = 8
	size := 0
	for k := range uint64(points) {
		p := c.player(c.newEnv(), c.Seed)
		advances := 1 // the first point is just after Reset
		if k > 0 {
			advances += seed.Below(c.Seed.Child("restore", k).At(0, 0), c.Steps)
		}
		for range advances {
			p.advance()
		}
		for !p.running {
			p.advance()
			advances++
		}
		at := fmt.Sprintf("saved in episode %d after step %d", p.episode, p.step)

		prefix := []byte("prefix")
		b := p.e.AppendState(prefix)
		if !bytes.HasPrefix(b, prefix) {
			fail("%s: AppendState does not append", at)
		}
		b = b[len(prefix):]
		saved := slices.Clone(b)
		size = max(size, len(saved))
		if d := differentBytes(saved, p.e.AppendState(nil)); d != "" {
			fail("%s: saving twice differs: %s", at, d)
		}
		measured := measure(p.e)
		unsaved := c.player(c.newEnv(), c.Seed)
		for range advances {
			unsaved.advance()
		}
		atSave := p.on(nil)
		want := p.record(c.Steps)
		if d := difference(p.s, want, unsaved.record(c.Steps)); d != "" {
			fail("%s: saving changes what follows: %s", at, d)
		}
		if !bytes.Equal(b, saved) {
			fail("%s: the world writes to bytes it has saved", at)
		}
		end, endMeasured := p.e.AppendState(nil), measure(p.e)

		used := c.player(c.newEnv(), c.Seed.Child("used", k))
		used.record(1 + c.Steps/4)
		for _, target := range []struct {
			name string
			e    env.Env
		}{{"a new instance", c.newEnv()}, {"a used instance", used.e}} {
			if err := target.e.RestoreState(b); err != nil {
				fail("%s: %s refuses it: %v", at, target.name, err)
			}
			for i := range b {
				b[i] = 0xff // the world must not read them later
			}
			if d := differentBytes(saved, target.e.AppendState(nil)); d != "" {
				fail("%s: saved again by %s: %s", at, target.name, d)
			}
			if m := measure(target.e); !slices.Equal(m, measured) {
				fail("%s: %s measures %v, want %v", at, target.name, m, measured)
			}
			q := atSave.on(target.e)
			if d := difference(p.s, want, q.record(c.Steps)); d != "" {
				fail("%s: %s does not continue alike: %s", at, target.name, d)
			}
			if d := differentBytes(end, target.e.AppendState(nil)); d != "" {
				fail("%s: %s ends %d steps later in another state: %s", at, target.name, c.Steps, d)
			}
			if m := measure(target.e); !slices.Equal(m, endMeasured) {
				fail("%s: %s measures %v in the end, want %v", at, target.name, m, endMeasured)
			}
			copy(b, saved)
		}
	}
	return fmt.Sprintf("%d points, up to %d bytes", points, size)
}

// measure is what a world measures, nil where it does not. NaN is refused in
// metrics; here it would differ from itself.
func measure(e env.Env) []env.Ratio {
	m, ok := e.(env.Measured)
	if !ok {
		return nil
	}
	return m.Measure(nil)
}

func differentBytes(want, got []byte) string {
	if len(want) != len(got) {
		return fmt.Sprintf("%d bytes, then %d", len(want), len(got))
	}
	for i := range want {
		if want[i] != got[i] {
			return fmt.Sprintf("byte %d of %d is %#02x, then %#02x", i, len(want), want[i], got[i])
		}
	}
	return ""
}

// damagedState: a state cut short or too long is refused; no bytes make the
// world panic; Reset works after either.
func (c *checker) damagedState() string {
	fresh := c.player(c.newEnv(), c.Seed)
	want := fresh.record(c.Steps)
	p := c.player(c.newEnv(), c.Seed)
	for range 1 + c.Steps/2 {
		p.advance()
	}
	for !p.running {
		p.advance()
	}
	saved := p.e.AppendState(nil)
	if len(saved) == 0 {
		fail("the saved state is empty, yet a world that runs differs from a new one")
	}
	e := c.newEnv()
	try := func(b []byte, how string) (err error) {
		defer func() {
			if r := recover(); r != nil {
				fail("RestoreState panics on a state %s: %v", how, r)
			}
		}()
		return e.RestoreState(b)
	}

	const cuts = 256
	tried := 0
	for i := range min(len(saved), cuts) {
		n := i * len(saved) / min(len(saved), cuts)
		how := fmt.Sprintf("cut to %d of %d bytes", n, len(saved))
		if try(slices.Clone(saved[:n]), how) == nil {
			fail("RestoreState accepts a state %s", how)
		}
		tried++
	}
	if how := "one byte short"; try(slices.Clone(saved[:len(saved)-1]), how) == nil {
		fail("RestoreState accepts a state %s", how)
	}
	if how := "one byte too long"; try(append(slices.Clone(saved), 0), how) == nil {
		fail("RestoreState accepts a state %s", how)
	}
	refused := 0
	const garbled = 256
	for i := range uint64(garbled) {
		b := slices.Clone(saved)
		draws := c.Seed.Child("garble", i)
		how := ""
		switch i % 4 {
		case 0:
			k := seed.Below(draws.At(0, 0), len(b))
			b[k] ^= 1 << seed.Below(draws.At(1, 0), 8)
			how = fmt.Sprintf("with a bit of byte %d flipped", k)
		case 1: // eight bytes, such as a length, replaced by ones
			k := seed.Below(draws.At(0, 0), len(b))
			for j := k; j < min(k+8, len(b)); j++ {
				b[j] = 0xff
			}
			how = fmt.Sprintf("with 0xff from byte %d", k)
		case 2:
			k := seed.Below(draws.At(0, 0), len(b))
			for j := k; j < min(k+8, len(b)); j++ {
				b[j] = byte(draws.At(2, uint64(j)))
			}
			how = fmt.Sprintf("with random bytes from byte %d", k)
		case 3:
			for j := range b {
				b[j] = byte(draws.At(2, uint64(j)))
			}
			how = "of random bytes"
		}
		if try(b, how) != nil {
			refused++
		}
	}
	q := c.player(e, c.Seed)
	if d := difference(fresh.s, want, q.record(c.Steps)); d != "" {
		fail("Reset after a damaged state differs from a new world: %s", d)
	}
	return fmt.Sprintf("%d cuts refused, %d of %d garbled states refused", tried+2, refused, garbled)
}

// misuse: bugs of the caller panic.
func (c *checker) misuse() string {
	cases := 0
	must := func(what string, do func()) {
		cases++
		mustPanic(what, do)
	}
	begin := func() *player {
		p := c.player(c.newEnv(), c.Seed)
		p.advance()
		return p
	}
	step := func(p *player, action int) { p.e.Step(action, p.obs, p.mask) }

	must("Step before Reset", func() { step(c.player(c.newEnv(), c.Seed), 0) })
	for _, action := range []int{-1, len(begin().s.Actions)} {
		must(fmt.Sprintf("action %d", action), func() { step(begin(), action) })
	}

	p := begin()
	for p.running {
		p.advance()
		if p.step > c.EpisodeSteps {
			fail("the episode has not ended after %d steps", c.EpisodeSteps)
		}
	}
	q := p.on(c.newEnv())
	if err := q.e.RestoreState(p.e.AppendState(nil)); err != nil {
		fail("the state after an episode's end is refused: %v", err)
	}
	last := choose(p.mask, len(p.s.Actions), 0)
	must("Step after an episode's end", func() { step(p, last) })
	must("Step in a restored world whose episode had ended", func() { step(q, last) })

	p = begin()
	for n := c.Steps; p.s.Masked && n > 0; n-- {
		if a := slices.Index(p.mask, false); a >= 0 && p.running {
			must(fmt.Sprintf("masked action %d (%s)", a, p.s.Actions[a]), func() { step(p, a) })
			break
		}
		p.advance()
	}

	for _, d := range []int{-1, 1} {
		p := begin()
		obs := make([]float32, len(p.obs)+d)
		must(fmt.Sprintf("Reset with an observation of length %d for %d features", len(obs), len(p.obs)),
			func() { p.e.Reset(c.Seed, obs, p.mask) })
		p = begin()
		must(fmt.Sprintf("Step with an observation of length %d for %d features", len(obs), len(p.obs)),
			func() { p.e.Step(p.choose(), obs, p.mask) })
		if !p.s.Masked {
			continue
		}
		p = begin()
		mask := make([]bool, len(p.mask)+d)
		must(fmt.Sprintf("Reset with a mask of length %d for %d actions", len(mask), len(p.mask)),
			func() { p.e.Reset(c.Seed, p.obs, mask) })
		p = begin()
		must(fmt.Sprintf("Step with a mask of length %d for %d actions", len(mask), len(p.mask)),
			func() { p.e.Step(p.choose(), p.obs, mask) })
	}
	return fmt.Sprintf("%d cases panic", cases)
}

// metrics: Measure reports one finite ratio a metric and changes nothing; the
// parts of the objective add up to it.
func (c *checker) metrics() string {
	e := c.newEnv()
	m, ok := e.(env.Measured)
	if !ok {
		return "nothing is measured"
	}
	s := e.Spec()
	p := c.player(e, c.Seed)
	whole := slices.IndexFunc(s.Metrics, func(m env.Metric) bool { return m.Name == s.Objective })
	for range c.Steps {
		p.advance()
		at := fmt.Sprintf("episode %d, step %d", p.episode, p.step)
		before := e.AppendState(nil)
		first := env.Ratio{Num: -1, Den: -2}
		got := m.Measure([]env.Ratio{first})
		if len(got) == 0 || got[0] != first {
			fail("%s: Measure does not append", at)
		}
		got = got[1:]
		if len(got) != len(s.Metrics) {
			fail("%s: Measure reports %d ratios for %d metrics", at, len(got), len(s.Metrics))
		}
		parts, total := 0, 0.0
		for i, r := range got {
			if !finite(r.Num) || !finite(r.Den) {
				fail("%s: metric %s is %v over %v", at, s.Metrics[i].Name, r.Num, r.Den)
			}
			if s.Metrics[i].Part && whole >= 0 {
				parts++
				total += r.Num
				if r.Den != got[whole].Den {
					fail("%s: %s is per %v, but its part %s per %v", at, s.Objective, got[whole].Den, s.Metrics[i].Name, r.Den)
				}
			}
		}
		if parts > 0 {
			if num := got[whole].Num; math.Abs(total-num) > 1e-9*(math.Abs(total)+math.Abs(num)) {
				fail("%s: the parts of %s add up to %v, not to %v", at, s.Objective, total, num)
			}
		}
		if again := m.Measure(nil); !slices.Equal(again, got) {
			fail("%s: Measure reports %v, then %v", at, got, again)
		}
		if d := differentBytes(before, e.AppendState(nil)); d != "" {
			fail("%s: Measure changes the state: %s", at, d)
		}
	}
	plain := c.player(c.newEnv(), c.Seed)
	for range c.Steps {
		plain.advance()
	}
	if d := differentBytes(plain.e.AppendState(nil), e.AppendState(nil)); d != "" {
		fail("a world measured at every step ends in another state: %s", d)
	}
	return fmt.Sprintf("%d metrics over %d steps", len(s.Metrics), c.Steps)
}
