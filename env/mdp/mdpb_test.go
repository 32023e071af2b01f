package mdp

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"mend/env"
	"mend/env/guard"
	"mend/env/seed"
)

func presetB(t testing.TB, name string) BConfig {
	t.Helper()
	c, err := PresetB(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// modelB is one of the models, made once for all tests.
func modelB(t testing.TB, preset string, raw bool) *Model {
	t.Helper()
	c := presetB(t, preset)
	made.Lock()
	defer made.Unlock()
	key := fmt.Sprint(preset, raw)
	m := made.models[key]
	switch {
	case m != nil:
	case raw:
		m = MDPBRaw(c)
	default:
		m = MDPB(c)
	}
	made.models[key] = m
	return m
}

var made = struct {
	sync.Mutex
	models map[string]*Model
}{models: map[string]*Model{}}

func rawB(t testing.TB, preset string) *Model    { t.Helper(); return modelB(t, preset, true) }
func lumpedB(t testing.TB, preset string) *Model { t.Helper(); return modelB(t, preset, false) }

// perAction counts the pairs of each action.
func perAction(m *Model) map[string]int {
	pairs := make([]int, len(m.Actions))
	for _, a := range m.ActionOf {
		pairs[a]++
	}
	count := map[string]int{}
	for a, n := range pairs {
		count[m.Actions[a]] = n
	}
	return count
}

// perKind adds up the counts of actions that are alike up to what follows an
// underscore.
func perKind(m *Model) map[string]int {
	count := map[string]int{}
	for name, n := range perAction(m) {
		kind, _, _ := strings.Cut(name, "_")
		count[kind] += n
	}
	return count
}

// Pairs by kind are those that another program counted. States by hand: with k
// values of a node, r of them with a replica and f of them fit for a rebuild, there
// are k⁴ − (k−r)⁴ without a target and 4·f·(k³ − (k−r)³) with one, for either load;
// lumped, multisets in place of tuples and f in place of 4·f. k, r, f are 9, 4, 3,
// without flags 7, 3, 2.
func TestMDPBCounts(t *testing.T) {
	for _, x := range []struct {
		preset, form   string
		states, pairs  int
		actions, start int
		kinds          map[string]int
	}{
		{"B1", "raw", 26_368, 123_712, 14, 0, map[string]int{"noop": 26_368, "start": 22_032, "cancel": 14_496, "drop": 35_456, "restart": 25_360}},
		{"B1", "lumped", 1630, 6556, 12, 0, map[string]int{"noop": 1630, "start": 1086, "cancel": 780, "drop": 1760, "restart": 1300}},
		// Flagged nodes are as many as slow ones.
		{"restart-flag", "raw", 26_368, 123_712 + 25_360, 14, 0, map[string]int{"restart": 2 * 25_360}},
		{"restart-flag", "lumped", 1630, 6556 + 1300, 15, 0, map[string]int{"restart": 2 * 1300}},
		{"none", "raw", 2 * (7*7*7*7 - 4*4*4*4 + 4*2*(7*7*7-4*4*4)), 41_602, 14, 0, nil},
		{"none", "lumped", 2 * (210 - 35 + 2*(84-20)), 2370, 12, 0, map[string]int{"noop": 606}},
	} {
		m := modelB(t, x.preset, x.form == "raw")
		at := x.preset + ", " + x.form
		if m.States != x.states || m.Pairs() != x.pairs || len(m.Actions) != x.actions {
			t.Errorf("%s: %d states, %d pairs, %d actions, want %d, %d, %d", at, m.States, m.Pairs(), len(m.Actions), x.states, x.pairs, x.actions)
		}
		kinds := perKind(m)
		for kind, want := range x.kinds {
			if kinds[kind] != want {
				t.Errorf("%s: %d pairs of %s, want %d", at, kinds[kind], kind, want)
			}
		}
		if n := perAction(m)["drop_flag"] + perAction(m)["start_flag"]; x.preset == "none" && n > 0 {
			t.Errorf("%s: %d pairs about flagged nodes, want 0", at, n)
		}
	}
	if _, err := PresetB("B2"); err == nil {
		t.Error("preset B2 exists")
	}
}

// What follows from the shape of the raw form alone takes a while, and is checked
// of one preset of each shape but restart-flag, whose pairs include those of B1;
// with MEND_LONG=1, of all.
func TestMDPBCheck(t *testing.T) {
	for _, name := range PresetsB {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := lumpedB(t, name).Check(); err != nil {
				t.Errorf("lumped: %v", err)
			}
			m := rawB(t, name)
			if name == "B1" || name == "none" || os.Getenv("MEND_LONG") == "1" {
				if err := m.Check(); err != nil {
					t.Errorf("raw: %v", err)
				}
				return
			}
			if err := m.checkShape(); err != nil {
				t.Fatalf("raw: %v", err)
			}
			add := func(format string, args ...any) bool {
				t.Fatalf("raw: "+format, args...)
				return false
			}
			m.checkStates(add)
			m.checkRows(add)
		})
	}
}

// A policy that sees nothing but flags, numbers that are 0 or 1, sees all.
func TestMDPBFlagsAreEnough(t *testing.T) {
	for _, m := range []*Model{lumpedB(t, "B1"), rawB(t, "B1")} {
		names := map[string]bool{}
		for i, f := range m.Features {
			if names[f.Name] {
				t.Errorf("%s: two features %q", m.ID, f.Name)
			}
			names[f.Name] = true
			seen := false // in more than one value
			for s := range m.States {
				x := m.ObsRow(s)[i]
				seen = seen || x != m.ObsRow(0)[i]
				if !(x >= 0 && x <= 1) || f.Unit == "1" && x != 0 && x != 1 {
					t.Fatalf("%s: state %d: feature %q is %v", m.ID, s, f.Name, x)
				}
			}
			if !seen {
				t.Errorf("%s: feature %q never changes", m.ID, f.Name)
			}
		}
		like := map[string]int{}
		for s := range m.States {
			var flags []float32
			for i, x := range m.ObsRow(s) {
				if m.Features[i].Unit == "1" {
					flags = append(flags, x)
				}
			}
			if o, ok := like[obsKey(flags)]; ok {
				t.Fatalf("%s: states %d (%s) and %d (%s) have the same flags", m.ID, o, m.Label(o), s, m.Label(s))
			}
			like[obsKey(flags)] = s
		}
	}
}

func TestMDPBIndex(t *testing.T) {
	for i := range sweepAll {
		if got := bStateAt(i).index(); got != i {
			t.Fatalf("state %d has index %d", i, got)
		}
	}
}

// The factorised sweep against one branch after the other, on any number of
// processors.
func TestProductExpect(t *testing.T) {
	for _, name := range []string{"B1", "none"} {
		m := rawB(t, name)
		rng, _ := seed.Seed(4).Rand()
		checkExpect(t, m.Rows, random(rng, m.States))
	}
}

// A model may be shared: sweeps at the same time do not meet.
func TestProductExpectAtTheSameTime(t *testing.T) {
	m := rawB(t, "none")
	rng, _ := seed.Seed(5).Rand()
	var v, want [4][]float64
	for i := range v {
		v[i], want[i] = random(rng, m.States), make([]float64, m.Rows.Len())
		m.Rows.Expect(v[i], want[i])
	}
	var wait sync.WaitGroup
	for i := range v {
		wait.Go(func() {
			out := make([]float64, m.Rows.Len())
			for range 20 {
				if m.Rows.Expect(v[i], out); !slices.Equal(out, want[i]) {
					t.Errorf("sweep %d differs from the one done alone", i)
					return
				}
			}
		})
	}
	wait.Wait()
}

func TestProductExpectAllocatesNothing(t *testing.T) {
	m := rawB(t, "none")
	v, out := make([]float64, m.States), make([]float64, m.Rows.Len())
	withProcs(2, func() {
		const calls = 200
		m.Rows.Expect(v, out)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range calls {
			m.Rows.Expect(v, out)
		}
		runtime.ReadMemStats(&after)
		// The runtime itself makes a few now and then.
		if n := after.Mallocs - before.Mallocs; n >= calls/2 {
			t.Errorf("%d allocations in %d sweeps, want none", n, calls)
		}
	})
}

// bIndex finds states and pairs of MDPBRaw by what they are.
type bIndex struct {
	*Model
	space *bSpace
	t     *testing.T
}

func newBIndex(t *testing.T, preset string) bIndex {
	m := rawB(t, preset)
	return bIndex{m, m.Rows.(*Product).space, t}
}

// bParse reads a state such as "ok+ slow dead ok*, high": + is a replica, * the
// target.
func bParse(text string) bState {
	nodes, load, _ := strings.Cut(text, ", ")
	s := bState{target: none}
	if load == "high" {
		s.load = 1
	}
	for i, f := range strings.Fields(nodes) {
		if strings.HasSuffix(f, "*") {
			s.target = int8(i)
		}
		c := slices.Index([]string{"ok", "flag", "slow", "down", "dead"}, strings.TrimRight(f, "+*"))
		s.node[i] = bNode(2 * c)
		if strings.HasSuffix(f, "+") {
			s.node[i]++
		}
	}
	return s
}

func (m bIndex) state(text string) int {
	m.t.Helper()
	s := bParse(text)
	if !s.possible() {
		m.t.Fatalf("no state %q", text)
	}
	return int(m.space.number(s))
}

func (m bIndex) pairOf(text, action string) int {
	m.t.Helper()
	p := m.Pair(m.state(text), slices.Index(m.Actions, action))
	if p < 0 {
		m.t.Fatalf("%s is not legal in %q", action, text)
	}
	return p
}

// chance is the probability that a pair leads to a state at that cost.
func (m bIndex) chance(pair int, to string, cost float64, lost int) float64 {
	sum, state := 0.0, m.state(to)
	m.Rows.Each(int(m.Row[pair]), func(next int, p, c float64, l int) {
		if next == state && c == cost && l == lost {
			sum += p
		}
	})
	return sum
}

// What is legal, by hand.
func TestMDPBLegal(t *testing.T) {
	m, flag := newBIndex(t, "B1"), newBIndex(t, "restart-flag")
	for _, x := range []struct {
		m       bIndex
		s, want string
	}{
		{m, "ok+ ok+ ok+ ok, low", "noop start_4 drop_1 drop_2 drop_3"},
		{m, "ok+ flag slow* down, low", "noop start_2 cancel restart_3"},
		{m, "slow+ down+ dead ok*, high", "noop cancel drop_1 drop_2 restart_1"},
		{m, "down+ ok flag+ dead, high", "noop start_2 drop_1 drop_3"},
		{m, "down+ ok slow dead, low", "noop restart_3"}, // nothing to read from
		{m, "down+ ok* slow dead, low", "noop cancel restart_3"},
		{m, "dead ok+ dead dead, low", "noop"},
		{flag, "down+ ok flag+ slow, high", "noop start_2 start_4 drop_1 drop_3 restart_3 restart_4"},
	} {
		var got []string
		for a, name := range x.m.Actions {
			if x.m.Pair(x.m.state(x.s), a) >= 0 {
				got = append(got, name)
			}
		}
		if s := strings.Join(got, " "); s != x.want {
			t.Errorf("%q: legal are %q, want %q", x.s, s, x.want)
		}
	}
}

// Costs and probabilities by hand, with the rates of B1 written out.
func TestMDPBByHand(t *testing.T) {
	m := newBIndex(t, "B1")
	const storage, step = 0.0274, 1.0 / 12
	for _, x := range []struct {
		s, action string
		rate      float64 // $/h
		fixed     float64 // $
		down      bool
	}{
		{"ok+ ok+ ok+ ok, low", "noop", 3 * storage, 0, false},
		{"ok+ ok+ ok+ ok, low", "drop_2", 3 * storage, 0, false}, // as before the drop
		{"ok+ ok* ok ok, low", "noop", 2 * storage, 0, false},    // the copy in flight
		{"ok+ ok* ok ok, high", "noop", 2*storage + 1, 0, false},
		{"ok+ ok ok ok, low", "start_3", 2 * storage, 0, false},
		{"ok+ ok* ok ok, low", "cancel", storage, 0, false},
		{"ok+ flag+ dead dead, high", "noop", 2 * storage, 0, false},
		{"slow+ down+ dead ok, low", "noop", 2*storage + 2, 0, false},
		{"slow+ down+ dead ok, high", "noop", 2*storage + 10 + 1, 0, false},
		{"down+ ok ok ok, low", "noop", storage + 600, 0, true},
		{"down+ ok* ok ok, high", "noop", storage + 3000 + 1, 0, true}, // no copy: nothing to read
		{"slow+ ok* dead dead, low", "restart_1", 2*storage + 2, 0.2, false},
		{"ok+ ok+ slow* ok, low", "restart_3", 2 * storage, 0.2, false},
	} {
		p := m.pairOf(x.s, x.action)
		near(t, x.s+": cost of "+x.action, m.Cost[p], x.rate*step+x.fixed, 1e-12)
		if m.Down[p] != x.down {
			t.Errorf("%s: down is %v, want %v", x.s, m.Down[p], x.down)
		}
	}

	const (
		q, low           = 0.06, 1 - step/14
		okFlag           = 4.0 / 8766 * 0.64 / 0.50 * step
		okDead           = 4.0 / 8766 * 0.36 * step
		okSlow, okDown   = step / 1440, step / 336
		ok               = 1 - okFlag - okDead - okSlow - okDown
		flagDead, flagOK = 0.5 / 24 * step, 0.5 / 24 * step
		slowOK, slowDown = step / 48, step / 336
		downOK, downDead = 4 * step, 0.05 * step
		dead             = 1 - step/24
	)
	one := m.pairOf("ok+ dead dead dead, low", "noop")
	near(t, "losing the only replica", m.chance(one, "ok+ ok+ ok+ ok, low", 50_000, 1), low*okDead, 1e-15)
	near(t, "its cost", m.Rows.Cost(int(m.Row[one])), 50_000*okDead, 1e-12)
	near(t, "its being flagged as another node is replaced", m.chance(one, "flag+ dead ok dead, low", 0, 0), low*okFlag*dead*dead*step/24, 1e-15)
	near(t, "its staying as the load rises", m.chance(one, "ok+ dead dead dead, high", 0, 0), (1-low)*ok*dead*dead*dead, 1e-15)
	near(t, "nothing", m.Rows.Stay(int(m.Row[one]), m.state("ok+ dead dead dead, low")), low*ok*dead*dead*dead, 1e-15)

	copying := m.pairOf("flag+ slow* dead dead, low", "noop")
	near(t, "completion as the flag comes true", m.chance(copying, "dead slow+ dead dead, low", 2, 0), low*flagDead*q*(1-slowOK-slowDown)*dead*dead, 1e-15)
	near(t, "completion as the target goes down", m.chance(copying, "flag+ down+ dead dead, low", 2, 0), low*(1-flagDead-flagOK)*q*slowDown*dead*dead, 1e-15)
	near(t, "the rebuild being lost with the target", m.chance(copying, "flag+ down dead dead, low", 0, 0), low*(1-flagDead-flagOK)*(1-q)*slowDown*dead*dead, 1e-15)
	near(t, "a pending rebuild not counting", m.Rows.Cost(int(m.Row[copying])), 2*q+50_000*flagDead*(1-q), 1e-12)

	// The last readable replica is restarted: the rebuild has this one step.
	restart := m.pairOf("slow+ ok* dead dead, low", "restart_1")
	near(t, "completion in the step of the restart", m.chance(restart, "down+ ok+ dead dead, low", 2, 0), low*(1-downOK-downDead)*q*ok*dead*dead, 1e-15)
	near(t, "cost of the restart", m.Rows.Cost(int(m.Row[restart])), 2*q+50_000*downDead*(1-q+q*okDead), 1e-12)
	wait := m.pairOf("down+ ok* dead dead, low", "noop")
	near(t, "cost of the step after it", m.Rows.Cost(int(m.Row[wait])), 50_000*downDead, 1e-12)
	near(t, "its return, the target kept", m.chance(wait, "ok+ ok* dead dead, low", 0, 0), low*downOK*ok*dead*dead, 1e-15)

	none := newBIndex(t, "none")
	near(t, "none: losing the only replica", none.Rows.Cost(int(none.Row[none.pairOf("ok+ dead dead dead, low", "noop")])), 50_000*4/8766.0*step, 1e-12)
}

// Draws from rows of every kind: with and without an active rebuild, under
// actions that change the state and that do not, in both forms.
func TestMDPBDraws(t *testing.T) {
	m := newBIndex(t, "B1")
	for _, x := range [][2]string{
		{"ok+ ok+ ok+ ok, low", "noop"},
		{"ok+ ok* flag+ slow, high", "noop"},
		{"flag+ slow* dead dead, low", "noop"},
		{"down+ down+ ok* dead, low", "noop"},
		{"dead dead slow+ flag*, high", "noop"},
		{"ok+ flag+ slow+ down+, high", "drop_2"},
		{"slow+ ok* dead dead, low", "restart_1"},
		{"down+ down+ ok+ ok*, low", "drop_3"},
		{"ok+ ok ok slow, low", "start_4"},
		{"ok+ ok* ok slow, low", "cancel"},
	} {
		p := m.pairOf(x[0], x[1])
		checkDraws(t, m.Rows, int(m.Row[p]), int(m.StateOf[p]))
	}
	// States that the row is not of, but may lead to.
	p := m.pairOf("ok+ ok* flag+ slow, high", "noop")
	for _, s := range []string{"ok+ ok flag+ slow, high", "ok+ down flag+ slow, high", "ok+ ok* flag+ slow, low"} {
		checkDraws(t, m.Rows, int(m.Row[p]), m.state(s))
	}
	lumped := lumpedB(t, "B1")
	for p := 0; p < lumped.Pairs(); p += 799 {
		checkDraws(t, lumped.Rows, int(lumped.Row[p]), int(lumped.StateOf[p]))
	}
}

// Where a finished copy costs nothing, more than one event may lead to a state
// for nothing.
func TestProductStayWithoutPrices(t *testing.T) {
	c := presetB(t, "B1")
	c.Copy = 0
	m := MDPBRaw(c)
	x := bIndex{m, m.Rows.(*Product).space, t}
	p := x.pairOf("ok+ ok* flag+ slow, high", "noop")
	for _, s := range []string{"ok+ ok* flag+ slow, high", "ok+ dead flag+ slow, high", "ok+ ok+ flag+ slow, low"} {
		checkDraws(t, m.Rows, int(m.Row[p]), x.state(s))
	}
}

// Counting nodes that are alike loses nothing: each raw pair costs and leads to
// what the pair of its class does.
func TestMDPBLumpsExactly(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"B1", "none", "restart-flag"} {
		c := presetB(t, name)
		raw, lumped := rawB(t, name), lumpedB(t, name)
		space := raw.Rows.(*Product).space
		classes := c.classes()
		_, lump := space.lump()
		rng, _ := seed.Seed(6).Rand()
		v := random(rng, lumped.States)
		lifted := make([]float64, raw.States)
		for s := range lifted {
			lifted[s] = v[lump[s]]
		}
		a, b := make([]float64, raw.Rows.Len()), make([]float64, lumped.Rows.Len())
		raw.Rows.Expect(lifted, a)
		lumped.Rows.Expect(v, b)
		hit, bad := make([]bool, lumped.Pairs()), 0
		for p, r := range raw.Row {
			s, action := space.states[raw.StateOf[p]], bActions[raw.ActionOf[p]]
			class := slices.IndexFunc(classes, func(x bClass) bool { return x.of(s, action) })
			k := lumped.Pair(int(lump[raw.StateOf[p]]), class)
			if k < 0 {
				t.Fatalf("%s: %v in %v is of class %q, which is not legal", name, action, s, lumped.Actions[class])
			}
			hit[k] = true
			l := lumped.Row[k]
			if !(math.Abs(a[r]-b[l]) < 1e-13) || raw.Cost[p] != lumped.Cost[k] || raw.Down[p] != lumped.Down[k] ||
				!(math.Abs(raw.Rows.Cost(int(r))-lumped.Rows.Cost(int(l))) < 1e-11) {
				if bad++; bad < 5 {
					t.Errorf("%s: %v in %v: leads to %v at %v and %v, down %v; lumped %v at %v and %v, down %v", name, action, s,
						a[r], raw.Cost[p], raw.Rows.Cost(int(r)), raw.Down[p], b[l], lumped.Cost[k], lumped.Rows.Cost(int(l)), lumped.Down[k])
				}
			}
		}
		if i := slices.Index(hit, false); i >= 0 {
			t.Errorf("%s: no raw pair is of lumped pair %d", name, i)
		}
	}
}

// Order of nodes is all that a lumped state leaves out.
func TestLumpedState(t *testing.T) {
	rng, _ := seed.Seed(7).Rand()
	for i := range sweepAll {
		s := bStateAt(i)
		if !s.possible() {
			continue
		}
		l := s.lumped()
		if !l.possible() || l.lumped() != l {
			t.Fatalf("%v lumps to %v, which lumps to %v", s, l, l.lumped())
		}
		order := rng.Perm(bNodes)
		o := bState{target: none, load: s.load}
		for i, k := range order {
			o.node[i] = s.node[k]
			if k == int(s.target) {
				o.target = int8(i)
			}
		}
		if o.lumped() != l {
			t.Fatalf("%v lumps to %v, in another order to %v", s, l, o.lumped())
		}
	}
}

// Average costs that another program found by relative value iteration; the digits
// given are exact.
func TestMDPBGains(t *testing.T) {
	t.Parallel()
	const tolerance = 1e-6
	m := lumpedB(t, "B1")
	x := newSolver(m)
	for _, c := range []struct {
		name string
		gain float64
	}{
		{"rf2-delayed-drain-restart", 0.06927517},
		{"rf3-delayed-restart", 0.08597721},
		{"rf3-delayed", 0.08651377},
		{"rf3-delayed-drain-restart", 0.08774104},
		{"rf3-delayed-drain", 0.08824944},
		{"rf3-eager", 0.08918450},
		{"rf2-delayed-drain", 0.09503928},
		{"rf2-delayed-restart", 0.09539687},
		{"rf2-delayed", 0.11869153},
		{"rf2-eager", 0.11949729},
	} {
		near(t, "B1: "+c.name, x.gain(t, named(t, m, c.name)), c.gain, tolerance)
	}
}

// The optimum with each predictor, and what the guards take of it: at most 0.001 %.
func TestMDPBOptimum(t *testing.T) {
	for name, want := range map[string]float64{
		"B1": 0.06847865, "none": 0.08545118, "weak": 0.08023195, "good": 0.06405757, "excellent": 0.06181132, "restart-flag": 0.06566058,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := lumpedB(t, name)
			x := newSolver(m)
			x.gain(t, named(t, m, "rf2-delayed-drain-restart")) // to start near the optimum
			best, _ := x.optimum(t)
			near(t, "optimum", best, want, 1e-6)
			x.guarded(t)
			within, _ := x.optimum(t)
			near(t, "optimum within the guards", within/best, 1, 1e-5)
		})
	}
}

// The raw form's policies take actions of the classes that the lumped form's do,
// save where several slow nodes may be restarted, of which each takes its first.
func TestMDPBPolicies(t *testing.T) {
	c := presetB(t, "B1")
	raw, lumped := rawB(t, "B1"), lumpedB(t, "B1")
	space, classes := raw.Rows.(*Product).space, c.classes()
	_, lump := space.lump()
	for k, p := range raw.Policies {
		l := lumped.Policies[k]
		if p.Name != l.Name || p.Summary != l.Summary {
			t.Errorf("policy %d is %q and %q", k, p.Name, l.Name)
		}
		for i, a := range p.Policy {
			s, action := space.states[i], bActions[a]
			class := classes[l.Policy[lump[i]]]
			if !class.of(s, action) && (class.kind != bRestart || action.kind != bRestart) {
				t.Fatalf("%s in %v: %v, lumped %v", p.Name, s, action, class)
			}
		}
	}
	m := newBIndex(t, "B1")
	for _, x := range []struct{ policy, s, want string }{
		{"rf2-delayed-drain-restart", "ok+ slow* slow+ flag, low", "restart_2"},
		{"rf2-delayed-drain-restart", "ok+ flag+ flag ok, low", "start_4"},
		{"rf2-delayed-drain-restart", "ok+ flag+ flag dead, low", "start_3"},
		{"rf2-delayed-drain-restart", "ok+ flag+ down+ ok, low", "drop_2"},
		{"rf2-delayed-drain-restart", "ok+ ok+ ok* ok, low", "cancel"},
		{"rf2-delayed", "ok+ down+ ok ok, low", "noop"},
		{"rf2-eager", "ok+ down+ ok slow, low", "start_3"},
		{"rf2-eager", "ok+ down+ flag slow, low", "start_4"},
		{"rf2-eager", "down+ down+ ok ok, low", "noop"},
		{"rf2-eager", "slow+ down+ ok+ ok, low", "drop_2"},
		{"rf1-delayed", "ok+ slow+ ok ok, low", "drop_2"},
	} {
		s := m.state(x.s)
		if got := m.Actions[named(t, m.Model, x.policy)[s]]; got != x.want {
			t.Errorf("%s in %q: %s, want %s", x.policy, x.s, got, x.want)
		}
	}
}

func TestMDPBGuards(t *testing.T) {
	for _, m := range []*Model{lumpedB(t, "restart-flag"), rawB(t, "restart-flag")} {
		spec := &env.Spec{ID: m.ID, Features: m.Features, Actions: m.Actions, Guards: m.Guards}
		set, err := guard.Compile(spec)
		if err != nil {
			t.Fatal(err)
		}
		legal := make([]bool, len(m.Actions))
		for p := range m.Row {
			for a := range legal {
				legal[a] = true
			}
			i := int(m.StateOf[p])
			set.Apply(m.ObsRow(i), legal)
			s := bParseLabel(m.Label(i))
			ok, fast := s.replicas(bOK), s.fast()
			var want bool
			switch name := m.Actions[m.ActionOf[p]]; {
			case slices.Contains(m.Actions, "drop_1") && strings.HasPrefix(name, "drop"):
				want = ok >= 2
			case name == "drop_ok":
				want = ok >= 3
			case strings.HasPrefix(name, "drop"):
				want = ok >= 2
			case name == "restart_slow_replica":
				want = fast >= 1
			default:
				want = true
			}
			if got := legal[m.ActionOf[p]]; got != want {
				t.Fatalf("%s: %s in %v is permitted: %v, want %v", m.ID, m.Actions[m.ActionOf[p]], s, got, want)
			}
		}
	}
}

// bParseLabel reads what bState.String wrote.
func bParseLabel(text string) bState {
	nodes, load, _ := strings.Cut(text, "; load ")
	nodes = strings.NewReplacer(" with replica", "+", " being written", "*", ",", "").Replace(nodes)
	return bParse(nodes + ", " + load)
}

func TestMDPBLabels(t *testing.T) {
	for i := range sweepAll {
		if s := bStateAt(i); s.possible() {
			if got := bParseLabel(s.String()); got != s {
				t.Fatalf("%q reads as %v", s, got)
			}
		}
	}
	want := "ok with replica, slow being written, down, dead; load high"
	if got := fmt.Sprint(bParse("ok+ slow* down dead, high")); got != want {
		t.Errorf("label %q, want %q", got, want)
	}
}

func BenchmarkProductExpect(b *testing.B) {
	m := rawB(b, "B1")
	rng, _ := seed.Seed(8).Rand()
	v, out := random(rng, m.States), make([]float64, m.Rows.Len())
	b.ReportAllocs()
	for b.Loop() {
		m.Rows.Expect(v, out)
	}
}

func BenchmarkSparseExpect(b *testing.B) {
	m := lumpedB(b, "B1")
	rng, _ := seed.Seed(8).Rand()
	v, out := random(rng, m.States), make([]float64, m.Rows.Len())
	b.ReportAllocs()
	for b.Loop() {
		m.Rows.Expect(v, out)
	}
}

func BenchmarkMDPB(b *testing.B) {
	c := presetB(b, "B1")
	for b.Loop() {
		MDPB(c)
	}
}

func BenchmarkMDPBRaw(b *testing.B) {
	c := presetB(b, "B1")
	for b.Loop() {
		MDPBRaw(c)
	}
}
