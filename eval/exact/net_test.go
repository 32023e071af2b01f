package exact

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"mend/agents"
	"mend/agents/mlp"
	"mend/env"
	"mend/env/mdp"
)

func worldOf(t testing.TB, m *mdp.Model, guarded bool) *mdp.World {
	t.Helper()
	c := mdp.DefaultConfig()
	c.Guard = guarded
	w, err := mdp.New(m, c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// The network acts by its policy in every state: the optimum of either preset,
// static ones, random ones, one that takes what is usual everywhere, with the
// guard and without.
func TestNetActsByThePolicy(t *testing.T) {
	for _, preset := range mdp.PresetsA {
		m := modelA(t, preset)
		for _, guarded := range []bool{false, true} {
			w := worldOf(t, m, guarded)
			first := make(mdp.Policy, m.States)
			named := []mdp.Named{
				{Name: "optimal", Policy: optimum(t, m, Options{Legal: w.Legal}).Policy},
				{Name: "rf3-delayed-fast", Policy: PolicyOf(w, mdp.NewActor(m, static(t, m, "rf3-delayed-fast")))},
				{Name: "first", Policy: first},
			}
			rng := rand.New(rand.NewPCG(31, 0))
			for k := range 20 {
				named = append(named, mdp.Named{Name: fmt.Sprint("random ", k), Policy: anyPolicy(rng, m, w.Legal)})
			}
			for _, p := range named {
				n, err := Net(w, p.Policy)
				if err != nil {
					t.Errorf("%s, guard %v, %s: %v", preset, guarded, p.Name, err)
					continue
				}
				if err := n.Check(); err != nil {
					t.Errorf("%s, guard %v, %s: %v", preset, guarded, p.Name, err)
				}
				got := PolicyOf(w, mlp.NewGreedy(n))
				for s, a := range p.Policy {
					if got[s] != a {
						t.Errorf("%s, guard %v, %s: state %d (%s): the network takes %q, the policy %q", preset, guarded, p.Name, s, m.Label(s), m.Actions[got[s]], m.Actions[a])
						break
					}
				}
				if p.Name == "first" && n.Layers[0].Out != 1 { // a hidden layer must not be empty
					t.Errorf("%s, guard %v: %d hidden units for a policy that does the usual everywhere, want 1", preset, guarded, n.Layers[0].Out)
				}
			}
		}
	}
	for i := range uint64(20) {
		rng := rand.New(rand.NewPCG(32, i))
		m := random(rng, 1+rng.IntN(60), 1+rng.IntN(5), 3, 0.5)
		w, p := worldOf(t, m, false), anyPolicy(rng, m, nil)
		n, err := Net(w, p)
		if err != nil {
			t.Fatal(err)
		}
		if got := PolicyOf(w, mlp.NewGreedy(n)); !slices.Equal(got, p) {
			t.Errorf("random model %d: the network's policy is %v, want %v", i, got, p)
		}
	}
}

func TestNetErrors(t *testing.T) {
	m := islands()
	w := worldOf(t, m, false)
	for name, c := range map[string]struct {
		policy mdp.Policy
		want   string
	}{
		"too short":        {mdp.Policy{0, 0}, "exact: a policy of 2 states for the 3 of Islands-v0"},
		"illegal":          {mdp.Policy{0, 1, 0}, "exact: Islands-v0: the policy takes action 1 in state 1 (number 1), which is not legal there"},
		"an action of -1":  {mdp.Policy{0, 0, -1}, "exact: Islands-v0: the policy takes action -1 in state 2 (number 2), which is not legal there"},
		"no action at all": {mdp.Policy{2, 0, 0}, "exact: Islands-v0: the policy takes action 2 in state 0 (number 0), which is not legal there"},
	} {
		if _, err := Net(w, c.policy); fmt.Sprint(err) != c.want {
			t.Errorf("%s: error %q, want %q", name, err, c.want)
		}
	}
	// In state 2 the second digit is no flag any more: 1 and 3 look alike to one
	// that sees only flags.
	four := build("Four-v0", 4, 1, func(s, _ int) (float64, []branch) { return 0, []branch{{next: (s + 1) % 4, p: 1}} })
	four.Obs[2*2+1] = 0.5
	_, err := Net(worldOf(t, four, false), make(mdp.Policy, 4))
	if got, want := fmt.Sprint(err), "exact: Four-v0: no flag tells states 0 (number 0) and 2 (number 2) apart, and a network needs one"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
	many := build("Many-v0", 1, 1025, func(_, a int) (float64, []branch) { return float64(a), []branch{{next: 0, p: 1}} })
	_, err = Net(worldOf(t, many, false), mdp.Policy{0})
	if got, want := fmt.Sprint(err), "exact: Many-v0 has 1025 actions, want at most 1024 in a network"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
}

// shown is a policy that remembers what it was shown.
type shown struct {
	agents.Policy
	step *env.TimeStep
}

func (s *shown) Act(t *env.TimeStep, actions []int) {
	s.step = t
	s.Policy.Act(t, actions)
}

// PolicyOf gives back what an Actor acts by, shows it every state with the world's
// own mask, and under a guard what is left of it.
func TestPolicyOf(t *testing.T) {
	m := modelA(t, "A1")
	rng := rand.New(rand.NewPCG(33, 0))
	for _, guarded := range []bool{false, true} {
		w := worldOf(t, m, guarded)
		changed := 0
		for range 10 {
			p := anyPolicy(rng, m, nil)
			x := &shown{Policy: mdp.NewActor(m, p)}
			got := PolicyOf(w, x)
			for s, a := range p {
				want := a
				if !w.Legal(s, int(a)) {
					want = 0
					changed++
				}
				if got[s] != want {
					t.Fatalf("guard %v, state %d (%s): %q, want %q", guarded, s, m.Label(s), m.Actions[got[s]], m.Actions[want])
				}
				if !slices.Equal(x.step.ObsRow(s), m.ObsRow(s)) {
					t.Fatalf("state %d is shown as %v, want %v", s, x.step.ObsRow(s), m.ObsRow(s))
				}
				for a, ok := range x.step.MaskRow(s) {
					if ok != w.Legal(s, a) {
						t.Fatalf("state %d, action %d: the mask says %v", s, a, ok)
					}
				}
			}
		}
		if guarded != (changed > 0) {
			t.Errorf("guard %v: %d choices changed", guarded, changed)
		}
	}
}
