package envtest

import (
	"fmt"
	"math"
	"slices"

	"mend/env"
	"mend/env/seed"
)

// player steps one world with random legal actions, episode after episode. The
// actions depend on nothing but the player's seed and the masks.
type player struct {
	e    env.Env
	s    *env.Spec
	root seed.Seed // of the episodes
	acts seed.Seed // of the actions

	episode, step int  // of the current or, before its Reset, the next episode
	running       bool // a Step comes next, not a Reset
	explore       bool // episodes begin by ResetExploring
	action        int  // the last one, -1 after a Reset
	obs           []float32
	mask          []bool
	out           env.Outcome
	subject       int       // of the decision in obs; -1 where there is none
	credit        []float32 // of the last Step; nil where Spec.Subjects is 0
	poison        *poison
}

// poison is what the buffers hold before the world fills them.
type poison struct {
	obs  float32
	mask bool
}

func (c *checker) player(e env.Env, root seed.Seed) *player {
	p := &player{e: e, s: e.Spec(), root: root, acts: c.Seed.Child("actions", 0)}
	p.obs = make([]float32, p.s.ObsDim())
	if p.s.Masked {
		p.mask = make([]bool, len(p.s.Actions))
	}
	if _, ok := e.(env.Credited); ok && p.s.Subjects > 0 { // a spec that promises more fails in spec
		p.credit = make([]float32, p.s.Subjects)
	}
	return p
}

// advance does the next Reset or Step. It allocates nothing.
func (p *player) advance() {
	if p.running {
		p.action = p.choose()
	}
	if p.poison != nil {
		for i := range p.obs {
			p.obs[i] = p.poison.obs
		}
		for i := range p.mask {
			p.mask[i] = p.poison.mask
		}
		for i := range p.credit {
			p.credit[i] = p.poison.obs
		}
	}
	p.subject = -1
	if !p.running {
		p.action, p.step, p.running = -1, 0, true
		p.out = env.Outcome{}
		p.start(p.root.Child("episode", uint64(p.episode)))
		if p.credit != nil {
			clear(p.credit) // there was no Step
			p.subject = p.e.(env.Credited).Subject()
		}
		return
	}
	p.out = p.e.Step(p.action, p.obs, p.mask)
	p.step++
	if p.out.Terminated || p.out.Truncated {
		p.running = false
		p.episode++
	}
	if p.credit != nil {
		p.e.(env.Credited).Credit(p.credit)
		if p.running {
			p.subject = p.e.(env.Credited).Subject()
		}
	}
}

func (p *player) start(s seed.Seed) {
	if p.explore {
		p.e.(env.Exploring).ResetExploring(s, p.obs, p.mask)
		return
	}
	p.e.Reset(s, p.obs, p.mask)
}

// choose draws a legal action.
func (p *player) choose() int {
	draw := p.acts.At(uint64(p.episode), uint64(p.step))
	a := choose(p.mask, len(p.s.Actions), draw)
	if a < 0 {
		fail("episode %d, step %d: the mask leaves no legal action", p.episode, p.step)
	}
	return a
}

// choose maps random bits to an action that mask allows, or −1.
func choose(mask []bool, actions int, bits uint64) int {
	if mask == nil {
		return seed.Below(bits, actions)
	}
	legal := 0
	for _, ok := range mask {
		if ok {
			legal++
		}
	}
	if legal == 0 {
		return -1
	}
	n := seed.Below(bits, legal)
	for a, ok := range mask {
		if ok {
			if n == 0 {
				return a
			}
			n--
		}
	}
	panic("unreachable")
}

// on returns a player that continues p in another world.
func (p *player) on(e env.Env) *player {
	q := *p
	q.e = e
	q.obs = slices.Clone(p.obs)
	q.mask = slices.Clone(p.mask)
	q.credit = slices.Clone(p.credit)
	return &q
}

// reset starts the player's next episode, dropping a running one.
func (p *player) reset() {
	p.running = false
	p.advance()
}

// event is what one Reset or Step led to.
type event struct {
	episode, step, action int
	obs                   []float32
	mask                  []bool
	out                   env.Outcome
	subject               int
	credit                []float32
}

// record advances n times.
func (p *player) record(n int) []event {
	events := make([]event, n)
	for i := range events {
		episode := p.episode
		p.advance()
		events[i] = event{episode, p.step, p.action, slices.Clone(p.obs), slices.Clone(p.mask), p.out, p.subject, slices.Clone(p.credit)}
	}
	return events
}

func (e *event) String() string {
	if e.action < 0 {
		return fmt.Sprintf("episode %d, reset", e.episode)
	}
	return fmt.Sprintf("episode %d, step %d", e.episode, e.step)
}

// difference says where b first differs from a, and is empty where it nowhere
// does.
func difference(s *env.Spec, a, b []event) string {
	for i := range a {
		if d := a[i].difference(s, &b[i]); d != "" {
			return a[i].String() + ": " + d
		}
	}
	return ""
}

func (e *event) difference(s *env.Spec, x *event) string {
	for i := range e.obs {
		if math.Float32bits(e.obs[i]) != math.Float32bits(x.obs[i]) {
			return fmt.Sprintf("feature %d (%s) is %v, then %v", i, s.Features[i].Name, e.obs[i], x.obs[i])
		}
	}
	for i := range e.mask {
		if e.mask[i] != x.mask[i] {
			return fmt.Sprintf("action %d (%s) is legal: %v, then %v", i, s.Actions[i], e.mask[i], x.mask[i])
		}
	}
	if math.Float32bits(e.out.Reward) != math.Float32bits(x.out.Reward) {
		return fmt.Sprintf("the reward is %v, then %v", e.out.Reward, x.out.Reward)
	}
	if math.Float32bits(e.out.Elapsed) != math.Float32bits(x.out.Elapsed) {
		return fmt.Sprintf("the elapsed time is %v, then %v", e.out.Elapsed, x.out.Elapsed)
	}
	if e.out.Terminated != x.out.Terminated || e.out.Truncated != x.out.Truncated {
		return fmt.Sprintf("(terminated, truncated) is (%v, %v), then (%v, %v)",
			e.out.Terminated, e.out.Truncated, x.out.Terminated, x.out.Truncated)
	}
	if e.subject != x.subject {
		return fmt.Sprintf("the subject is %d, then %d", e.subject, x.subject)
	}
	for i := range e.credit {
		if math.Float32bits(e.credit[i]) != math.Float32bits(x.credit[i]) {
			return fmt.Sprintf("the credit of subject %d is %v, then %v", i, e.credit[i], x.credit[i])
		}
	}
	return ""
}

// seen says how much events cover.
func seen(events []event) string {
	steps, episodes := 0, 0
	for i := range events {
		if events[i].action < 0 {
			episodes++
		} else {
			steps++
		}
	}
	return fmt.Sprintf("%d steps, %d episodes", steps, episodes)
}
