package envtest

import (
	"fmt"
	"math"
	"slices"

	"mend/env"
	"mend/env/seed"
)

// credit: the subject asked about exists, asking changes nothing, and the parts
// of the reward sum to it. That subjects and parts follow from the seed and are
// written anew at every step is seen by the checks of seeds and buffers.
func (c *checker) credit() string {
	e := c.newEnv()
	p := c.player(e, c.Seed)
	if p.credit == nil {
		return "nothing is credited"
	}
	w := e.(env.Credited)
	asked := make([]bool, p.s.Subjects)
	paid := make([]bool, p.s.Subjects)
	for range c.Steps {
		p.advance()
		at := fmt.Sprintf("episode %d, step %d", p.episode, p.step)
		if p.running {
			if p.subject < 0 || p.subject >= p.s.Subjects {
				fail("%s: the subject is %d, want 0 to %d", at, p.subject, p.s.Subjects-1)
			}
			asked[p.subject] = true
		}
		if p.step == 0 {
			continue
		}
		sum, size := 0.0, math.Abs(float64(p.out.Reward))
		for k, x := range p.credit {
			sum += float64(x)
			size += math.Abs(float64(x))
			paid[k] = paid[k] || x != 0
		}
		// Each part and the reward are rounded to float32 once.
		if d := math.Abs(sum - float64(p.out.Reward)); !(d <= size/(1<<23)) {
			fail("%s: the parts %v sum to %v, the reward is %v", at, p.credit, sum, p.out.Reward)
		}
		before := e.AppendState(nil)
		again := make([]float32, len(p.credit))
		w.Credit(again)
		if !slices.Equal(again, p.credit) {
			fail("%s: Credit writes %v, then %v", at, p.credit, again)
		}
		if p.running && w.Subject() != p.subject {
			fail("%s: the subject is %d, then %d", at, p.subject, w.Subject())
		}
		if d := differentBytes(before, e.AppendState(nil)); d != "" {
			fail("%s: Subject or Credit changes the state: %s", at, d)
		}
		if p.running {
			other := c.newEnv()
			if err := other.RestoreState(before); err != nil {
				fail("%s: a new instance refuses the state: %v", at, err)
			}
			if k := other.(env.Credited).Subject(); k != p.subject {
				fail("%s: the subject is %d, in a restored world %d", at, p.subject, k)
			}
		}
	}
	for _, d := range []int{-1, 1} {
		mustPanic(fmt.Sprintf("Credit to %d places for %d subjects", p.s.Subjects+d, p.s.Subjects),
			func() { w.Credit(make([]float32, p.s.Subjects+d)) })
	}
	return fmt.Sprintf("%d of %d subjects asked about, %d credited", count(asked), p.s.Subjects, count(paid))
}

func count(flags []bool) int {
	n := 0
	for _, f := range flags {
		if f {
			n++
		}
	}
	return n
}

// exploring: exploring starts follow from the seed alone, fill the buffers,
// begin episodes that run, end and can be saved, and are not what Reset does.
func (c *checker) exploring() string {
	if _, ok := c.newEnv().(env.Exploring); !ok {
		return "no exploring starts"
	}
	exploring := func(e env.Env, x poison) *player {
		p := c.player(e, c.Seed)
		p.explore, p.poison = true, &x
		return p
	}
	first := exploring(c.newEnv(), poison{float32(math.NaN()), false})
	want := first.record(c.Steps)
	used := c.player(c.newEnv(), c.Seed.Child("used", 0))
	used.record(1 + c.Steps/4)
	for _, x := range []struct {
		name string
		e    env.Env
	}{{"a new instance", c.newEnv()}, {"an instance used before", used.e}} {
		if d := difference(first.s, want, exploring(x.e, poison{-12345.678, true}).record(c.Steps)); d != "" {
			fail("%s, its buffers filled otherwise, differs: %s", x.name, d)
		}
	}
	for i := range want {
		for k, x := range want[i].obs {
			if !finite(float64(x)) {
				fail("%v: feature %d (%s) is %v", &want[i], k, first.s.Features[k].Name, x)
			}
		}
		if first.s.Masked && !slices.Contains(want[i].mask, true) {
			fail("%v: the mask leaves no legal action", &want[i])
		}
	}

	const starts = 32
	other := 0
	for k := range uint64(starts) {
		p := exploring(c.newEnv(), poison{})
		p.root = c.Seed.Child("exploring", k)
		p.advance()
		plain := c.player(c.newEnv(), p.root)
		plain.advance()
		b := p.e.AppendState(nil)
		if differentBytes(b, plain.e.AppendState(nil)) != "" {
			other++
		}
		restored := p.on(c.newEnv())
		if err := restored.e.RestoreState(b); err != nil {
			fail("start %d: a new instance refuses its state: %v", k, err)
		}
		const steps = 8
		if d := difference(p.s, p.record(steps), restored.record(steps)); d != "" {
			fail("start %d: a restored instance does not continue alike: %s", k, d)
		}
	}
	if other == 0 {
		fail("%d exploring starts are all what Reset makes of the same seeds", starts)
	}

	p := exploring(c.newEnv(), poison{})
	p.advance()
	for p.running {
		p.advance()
		if p.step > c.EpisodeSteps {
			fail("the episode has not ended after %d steps", c.EpisodeSteps)
		}
	}
	for _, d := range []int{-1, 1} {
		x := c.newEnv().(env.Exploring)
		obs := make([]float32, len(p.obs)+d)
		mustPanic(fmt.Sprintf("ResetExploring with an observation of length %d for %d features", len(obs), len(p.obs)),
			func() { x.ResetExploring(seed.Seed(0), obs, p.mask) })
	}
	return fmt.Sprintf("%s, %d of %d starts are not Reset's", seen(want), other, starts)
}

// mustPanic fails where do, a bug of the caller, does not panic.
func mustPanic(what string, do func()) {
	defer func() {
		if recover() == nil {
			fail("%s does not panic", what)
		}
	}()
	do()
}
