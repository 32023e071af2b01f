package cluster

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"mend/env"
	"mend/env/seed"
)

// hidden are changes of what the controller cannot know, made right at a
// decision. Each reports whether it found something to change.
var hidden = []struct {
	name string
	// garbage leaves a world that cannot be, but shows what is read.
	garbage bool
	change  func(*World, *rand.Rand) bool
}{
	{name: "the subject is dead, not down", change: func(w *World, rng *rand.Rand) bool {
		n := w.lostSubject()
		if n == none || w.up(n) || w.nodeFlags[n]&nodeDead != 0 {
			return false
		}
		w.die(n, seed.Seed(rng.Uint64()))
		return true
	}},
	{name: "another unreachable node is dead, not down", change: func(w *World, rng *rand.Rand) bool {
		n := w.some(rng, func(n int32) bool { return w.unreachableDown(n) && n != w.subject })
		if n == none {
			return false
		}
		w.die(n, seed.Seed(rng.Uint64()))
		return true
	}},
	{name: "an unreachable node returns at another time", change: func(w *World, rng *rand.Rand) bool {
		n := w.some(rng, func(n int32) bool { return w.unreachableDown(n) && w.q.pending(w.timers.returns+n) })
		if n == none {
			return false
		}
		w.q.set(w.timers.returns+n, w.now+1+env.Time(rng.Int64N(int64(10*env.Day))))
		return true
	}},
	{name: "the subject is back and not heard yet", change: func(w *World, rng *rand.Rand) bool {
		n := w.lostSubject()
		if n == none || !w.q.pending(w.timers.returns+n) || w.cuts[w.rackOf(n)] > 0 {
			return false
		}
		w.q.cancel(w.timers.returns + n)
		w.outageOver(n)
		return true
	}},
	{name: "a restart would cure another node", change: func(w *World, rng *rand.Rand) bool {
		n := w.some(rng, w.unreachableDown)
		if n == none {
			return false
		}
		w.nodeFlags[n] ^= nodeCurable
		return true
	}},
	{name: "a dead node is replaced at another time", change: func(w *World, rng *rand.Rand) bool {
		n := w.some(rng, func(n int32) bool { return w.nodeFlags[n]&nodeDead != 0 })
		if n == none {
			return false
		}
		w.q.set(w.timers.replace+n, w.now+1+env.Time(rng.Int64N(int64(10*env.Day))))
		return true
	}},
	{name: "a rack is back and not heard yet", change: func(w *World, rng *rand.Rand) bool {
		for rack := range int32(w.racks) {
			if id := w.domainEnd(rackOutage, int(rack)); w.q.pending(id) {
				w.q.cancel(id)
				w.domainOver(id)
				return true
			}
		}
		return false
	}},
	{name: "a reachable node has just gone down", change: func(w *World, rng *rand.Rand) bool {
		n := w.some(rng, w.reachableUp)
		if n == none {
			return false
		}
		w.strike(n, env.Hour, true)
		return true
	}},
	{name: "a node that reads or writes repairs has just gone down", change: func(w *World, rng *rand.Rand) bool {
		for _, f := range w.flows {
			if f.shard != none {
				w.strike(f.source, env.Hour, false)
				return true
			}
		}
		return false
	}},
	{name: "a reachable node has just died", change: func(w *World, rng *rand.Rand) bool {
		n := w.some(rng, w.reachableUp)
		if n == none {
			return false
		}
		w.die(n, seed.Seed(rng.Uint64()))
		return true
	}},
	{name: "a rack has just gone down", change: func(w *World, rng *rand.Rand) bool {
		rack := rng.IntN(w.racks)
		if w.cuts[rack] > 0 {
			return false
		}
		w.strikeDomain(rackOutage, rack, env.Hour, 0.2, seed.Seed(rng.Uint64()))
		return true
	}},
	{name: "a shard has just lost its last copy", change: func(w *World, rng *rand.Rand) bool {
		s := int32(rng.IntN(w.shards))
		if w.intactOf(s) == 0 {
			return false
		}
		for r := s * int32(w.width); r < (s+1)*int32(w.width); r++ {
			if st := w.records[r].state(); st == replicaLive || st == replicaStale {
				w.die(w.records[r].node(), seed.Seed(rng.Uint64()))
			}
		}
		return w.info[s].flags&shardLost != 0
	}},
	{name: "the next failures come at other times", change: func(w *World, rng *rand.Rand) bool {
		for p := range processes {
			for slot := range int32(w.slots(p)) {
				w.q.set(w.timers.process[p]+slot, w.now+env.Time(rng.Int64N(int64(100*env.Day))))
			}
		}
		return true
	}},
	{name: "future failures are others", change: func(w *World, rng *rand.Rand) bool {
		w.seed(seed.Seed(rng.Uint64()))
		for p := range w.ordinal {
			for i := range w.ordinal[p] {
				w.ordinal[p][i] = rng.Uint32()
			}
		}
		return true
	}},
	{name: "an outage of the rack of an unreachable node ends at another time", change: func(w *World, rng *rand.Rand) bool {
		n := w.some(rng, func(n int32) bool {
			return w.nodeFlags[n]&nodeUnreachable != 0 && w.q.pending(w.domainEnd(rackOutage, w.rackOf(n)))
		})
		if n == none {
			return false
		}
		w.q.set(w.domainEnd(rackOutage, w.rackOf(n)), w.now+1+env.Time(rng.Int64N(int64(10*env.Day))))
		return true
	}},
	{name: "a node has become slow and was not measured yet", garbage: true, change: func(w *World, rng *rand.Rand) bool {
		n := int32(rng.IntN(w.nodes))
		w.slow[n] = 1 + 9*rng.Float32()
		w.slowed(n)
		return true
	}},
	{name: "the suspect is no longer slow, and that was not measured yet", garbage: true, change: func(w *World, rng *rand.Rand) bool {
		if w.kind != NodeSuspect {
			return false
		}
		w.slow[w.subject] = 0.5
		w.slowed(w.subject)
		return true
	}},
	{name: "a node will be lost at another time, foreseen or not", change: func(w *World, rng *rand.Rand) bool {
		n := int32(rng.IntN(w.nodes))
		w.q.set(w.timers.process[permanent]+n, w.now+env.Time(rng.Int64N(int64(100*env.Day))))
		w.foretold(n)
		return true
	}},
	{name: "the alarm on the suspect was true, or mistaken", change: func(w *World, rng *rand.Rand) bool {
		if w.kind != NodeSuspect {
			return false
		}
		at := env.Never
		if rng.IntN(2) == 0 {
			at = w.now + env.Time(rng.Int64N(int64(env.Day)))
		}
		w.q.set(w.timers.process[permanent]+w.subject, at)
		w.telemetry.mistakes[w.subject] += rng.Uint32N(2)
		return true
	}},
	{name: "alarms come at other times, and the true ones are mistaken", change: func(w *World, rng *rand.Rand) bool {
		for id := w.timers.predicted; id < w.timers.monitor; id++ {
			w.q.set(id, w.now+env.Time(rng.Int64N(int64(10*env.Day))))
		}
		for n := range int32(w.nodes) {
			a, b := w.timers.predicted+n, w.timers.mistaken+n
			x, y := w.q.at[a], w.q.at[b]
			w.q.set(a, y)
			w.q.set(b, x)
		}
		return true
	}},
	{name: "future telemetry is other", change: func(w *World, rng *rand.Rand) bool {
		t := &w.telemetry
		t.seed(seed.Seed(rng.Uint64()))
		garble(rng, t.mistakes, t.disturbed)
		return true
	}},
	{name: "repairs are further", change: func(w *World, rng *rand.Rand) bool {
		changed := false
		for zone := range w.clocks {
			z := w.advance(zone)
			if f := w.headOf(z); f != none {
				changed = true
				z.v = max(z.v, (w.flows[f].start+w.flows[f].end)/2)
			}
			w.schedule(zone)
		}
		return changed
	}},
	{name: "all of the truth at once", garbage: true, change: func(w *World, rng *rand.Rand) bool {
		garble(rng, w.upSince, w.telemetry.changed)
		garble(rng, w.telemetry.mistakes, w.telemetry.disturbed)
		w.telemetry.seed(seed.Seed(rng.Uint64()))
		for i := range w.slow {
			w.slow[i] = rng.Float32()
		}
		garble(rng, w.inUsed, w.outUsed)
		garble(rng, w.firstOut, w.firstOf)
		for f := range w.flows {
			w.flows[f] = flow{shard: int32(rng.Uint32()), record: int32(rng.Uint32()), source: int32(rng.Uint32()), start: rng.Float64(), end: rng.Float64()}
		}
		for s := range w.info {
			x := &w.info[s]
			x.flags = x.flags&shardPlain | uint8(rng.IntN(4)) // shardLost, shardFast
			x.active, x.locality, x.placements = uint8(rng.Uint32()), uint8(rng.Uint32()), uint16(rng.Uint32())
		}
		for n := range w.health {
			w.health[n] ^= uint8(rng.IntN(4)) << 1 // healthQuiet, healthDead
		}
		w.quietNodes, w.deadNodes = int32(rng.Uint32()), int32(rng.Uint32())
		for i := range w.nodeFlags {
			w.nodeFlags[i] ^= uint16(rng.IntN(4)) // nodeDead, nodeCurable
			if w.nodeFlags[i]&nodeUnreachable == 0 {
				w.lastBeat[i] = env.Time(rng.Int64())
			}
		}
		if l := &w.load; l.on {
			garble(rng, l.serving, l.repairs, l.stuck)
			garble(rng, l.class)
			for level := range l.quiet {
				garble(rng, l.quiet[level])
			}
			l.rates = rates{p99: rng.Float64(), refused: rng.Float64()}
			l.stale = staleness(rng.IntN(int(staleCopies) + 1))
		}
		for k := range w.byReadable {
			garble(rng, w.byReadable[k][:])
		}
		garble(rng, w.cuts)
		garble(rng, w.incarnation)
		for p := range w.ordinal {
			garble(rng, w.ordinal[p])
		}
		w.seed(seed.Seed(rng.Uint64()))
		w.offered = rng.Uint64()
		for z := range w.clocks {
			w.clocks[z].v, w.clocks[z].at = rng.Float64(), env.Time(rng.Int64())
		}
		for id := range w.q.at {
			w.q.at[id] = w.now + env.Time(rng.Int64N(int64(env.Day)))
		}
		// Only the number of repairs in flight is not hidden: what they have
		// written takes space. TestInvariants holds it to the orders.
		slow, fast := w.ledger.slow, w.ledger.fast
		w.ledger = ledger{slow: slow, fast: fast, copies: int32(rng.Uint32()), lost: rng.Int64(), discounted: rng.Float64()}
		return true
	}},
}

func garble[T uint8 | uint16 | uint32 | int32 | env.Time | float64](rng *rand.Rand, lists ...[]T) {
	for _, s := range lists {
		for i := range s {
			s[i] = T(rng.Uint64())
		}
	}
}

// some is a node of which ok is true, or none.
func (w *World) some(rng *rand.Rand, ok func(int32) bool) int32 {
	first := rng.IntN(w.nodes)
	for i := range w.nodes {
		if n := int32((first + i) % w.nodes); ok(n) {
			return n
		}
	}
	return none
}

// lostSubject is the node that the question is about, or one of the domain that
// it is about, or none.
func (w *World) lostSubject() int32 {
	switch w.kind {
	case NodeUnreachable:
		return w.subject
	case DomainUnreachable:
		first, end := w.faultDomains.span(w.subject)
		return w.nextMember(first, end)
	}
	return none
}

func (w *World) unreachableDown(n int32) bool {
	return w.nodeFlags[n]&(nodeUnreachable|nodeDead) == nodeUnreachable && !w.up(n)
}

func (w *World) reachableUp(n int32) bool { return w.nodeFlags[n]&nodeUnreachable == 0 && w.up(n) }

// shown is observation and mask as bytes.
func shown(p *player) []byte { return appendStep(nil, p, 0, env.Outcome{}) }

// TestHiddenTruth: two worlds that differ only in what the controller cannot
// know show the same bytes. All that is changed is checked to leave a world
// that can be, except for the garbage.
func TestHiddenTruth(t *testing.T) {
	c := small()
	c.Horizon = 6 * days
	c.Repair.ZoneMBps = 40 // so that repairs are in flight and wait
	p, q := newPlayer(newTest(t, c)), newPlayer(newTest(t, c))
	changed := make([]int, len(hidden))
	kinds := [kinds]int{}
	for s := range seed.Seed(3) {
		policy, rng := random(uint64(s)), rand.New(rand.NewPCG(uint64(s), 8))
		p.reset(s)
		for step := 0; ; step++ {
			if step%5 == 0 {
				kinds[p.w.kind]++
				state, want := p.w.AppendState(nil), shown(p)
				for i, h := range hidden {
					if err := q.w.RestoreState(state); err != nil {
						t.Fatal(err)
					}
					if !h.change(q.w, rng) {
						continue
					}
					changed[i]++
					if !h.garbage {
						if err := q.w.CheckInvariants(); err != nil {
							t.Fatalf("seed %d, step %d: %s: a world that cannot be: %v", s, step, h.name, err)
						}
					}
					q.w.observe(q.obs, q.mask)
					if !bytes.Equal(shown(q), want) {
						for i := range p.obs {
							if math.Float32bits(p.obs[i]) != math.Float32bits(q.obs[i]) {
								t.Errorf("%s is %v, then %v", features[i].Name, p.obs[i], q.obs[i])
							}
						}
						t.Fatalf("seed %d, step %d, a question about a %s: it shows that %s; mask %v, then %v",
							s, step, p.w.kind, h.name, p.mask, q.mask)
					}
				}
				// What the controller does know shows.
				if err := q.w.RestoreState(state); err != nil {
					t.Fatal(err)
				}
				q.w.orders++
				q.w.observe(q.obs, q.mask)
				if bytes.Equal(shown(q), want) {
					t.Fatalf("seed %d, step %d: one more order does not show", s, step)
				}
			}
			if p.step(policy(p)).Truncated {
				break
			}
		}
	}
	for i, h := range hidden {
		t.Logf("%5d times: %s", changed[i], h.name)
		if changed[i] < 50 {
			t.Errorf("only %d times: %s", changed[i], h.name)
		}
	}
	for _, k := range []Kind{NodeUnreachable, DomainUnreachable, NodeSuspect, ShardsAtRisk, ClusterReview} {
		if kinds[k] < 30 {
			t.Errorf("%d questions of kind %s: want 30", kinds[k], k)
		}
	}
}
