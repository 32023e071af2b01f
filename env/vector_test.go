package env_test

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mend/env"
	"mend/env/classic"
	"mend/env/seed"
	"mend/env/toy"
)

const root = seed.Seed(17)

var worlds = map[string]func() env.Env{
	"bandit":     func() env.Env { return toy.NewBandit() },
	"chain":      func() env.Env { return toy.NewChain() },
	"masked":     func() env.Env { return toy.NewMasked() },
	"semimarkov": func() env.Env { return toy.NewSemiMarkov() },
	"pair":       func() env.Env { return toy.NewPair(0.5) },
	"cartpole":   func() env.Env { return classic.NewCartPole() },
}

func newVector(t testing.TB, n int, newEnv func() env.Env) (*env.Vector, *env.TimeStep) {
	t.Helper()
	envs := make([]env.Env, n)
	for i := range envs {
		envs[i] = newEnv()
	}
	v, err := env.NewVector(root, envs...)
	if err != nil {
		t.Fatal(err)
	}
	return v, env.NewTimeStep(n, v.Spec())
}

// act draws a legal action for environment i at step k.
func act(mask []bool, actions, i, k int) int {
	for try := uint64(0); ; try++ {
		a := seed.Below(root.Child("act", uint64(i)).At(uint64(k), try), actions)
		if mask == nil || mask[a] {
			return a
		}
	}
}

func actAll(t *env.TimeStep, s *env.Spec, actions []int, k int) {
	for i := range actions {
		actions[i] = act(t.MaskRow(i), len(s.Actions), i, k)
	}
}

// single is the plain twin of one row of a Vector: one world, stepped and reset
// by hand.
type single struct {
	e       env.Env
	i       int
	episode uint64

	obs, finalObs   []float32
	mask, finalMask []bool
	out             env.Outcome
	ended           bool
	credited        env.Credited // nil where the world is not
	credit          []float32
}

func newSingle(e env.Env, i int) *single {
	x := &single{e: e, i: i, obs: make([]float32, e.Spec().ObsDim())}
	if e.Spec().Masked {
		x.mask = make([]bool, len(e.Spec().Actions))
	}
	if n := e.Spec().Subjects; n > 0 {
		x.credited, x.credit = e.(env.Credited), make([]float32, n)
	}
	x.reset()
	return x
}

func (x *single) reset() {
	x.e.Reset(root.Child("env", uint64(x.i)).Child("episode", x.episode), x.obs, x.mask)
	x.episode++
}

func (x *single) step(k int) {
	x.out = x.e.Step(act(x.mask, len(x.e.Spec().Actions), x.i, k), x.obs, x.mask)
	x.ended = x.out.Terminated || x.out.Truncated
	if x.credited != nil {
		x.credited.Credit(x.credit)
	}
	if x.ended {
		x.finalObs = append(x.finalObs[:0], x.obs...)
		x.finalMask = append(x.finalMask[:0], x.mask...)
		x.reset()
	}
}

// Every row of a Vector is what one world gives alone, whatever the number of
// its neighbours and of workers: Obs and Mask are the new episode's within the
// step that ended the old one, FinalObs and FinalMask the old one's last.
func TestVectorRowsAreSingleWorlds(t *testing.T) {
	for name, newEnv := range worlds {
		for _, c := range []struct{ n, workers int }{{1, 1}, {2, 1}, {2, 2}, {7, 1}, {7, 3}, {40, 2}} { // 40: more than a block of CartPole's
			n := c.n
			t.Run(fmt.Sprintf("%s/n=%d,workers=%d", name, n, c.workers), func(t *testing.T) {
				v, step := newVector(t, n, newEnv)
				v.SetWorkers(c.workers)
				v.ShareAll()
				singles := make([]*single, n)
				for i := range singles {
					singles[i] = newSingle(newEnv(), i)
				}
				var endings []int // environments that Ended was called for in this step
				caller := goroutine()
				v.Ended = func(i int, m []env.Ratio) {
					endings = append(endings, i)
					if m != nil {
						t.Errorf("Ended(%d) has measures of a world that measures nothing", i)
					}
					if g := goroutine(); g != caller {
						t.Errorf("Ended(%d) is called on %s, want %s", i, g, caller)
					}
				}
				v.Reset(step)
				for i, x := range singles {
					if diff := cmp.Diff(x.obs, step.ObsRow(i)); diff != "" {
						t.Fatalf("reset of row %d (-single +vector):\n%s", i, diff)
					}
					if x.credited != nil && int(step.Subject[i]) != x.credited.Subject() {
						t.Fatalf("reset of row %d: subject %d, alone %d", i, step.Subject[i], x.credited.Subject())
					}
				}
				actions := make([]int, n)
				ended := 0
				for k := range min(300, 4000/n) {
					actAll(step, v.Spec(), actions, k)
					endings = nil
					v.Step(actions, step)
					var want []int
					for i, x := range singles {
						x.step(k)
						checkRow(t, step, i, k, x)
						if x.ended {
							want = append(want, i)
							ended++
						}
					}
					if diff := cmp.Diff(want, endings); diff != "" {
						t.Fatalf("step %d: Ended called for (-want +got):\n%s", k, diff)
					}
				}
				if ended < n {
					t.Errorf("only %d episodes ended in %d worlds", ended, n)
				}
			})
		}
	}
}

func checkRow(t *testing.T, step *env.TimeStep, i, k int, x *single) {
	t.Helper()
	got := env.Outcome{Reward: step.Reward[i], Elapsed: step.Elapsed[i], Terminated: step.Terminated[i], Truncated: step.Truncated[i]}
	if got != x.out || step.Ended(i) != x.ended {
		t.Fatalf("step %d, row %d: %+v, alone %+v", k, i, got, x.out)
	}
	if diff := cmp.Diff(x.obs, step.ObsRow(i)); diff != "" {
		t.Fatalf("step %d, row %d, Obs (-single +vector):\n%s", k, i, diff)
	}
	if diff := cmp.Diff(x.mask, step.MaskRow(i)); diff != "" {
		t.Fatalf("step %d, row %d, Mask (-single +vector):\n%s", k, i, diff)
	}
	if x.credited == nil && step.Subject != nil {
		t.Fatal("subjects in a world that has none")
	}
	if x.credited != nil {
		if got, want := int(step.Subject[i]), x.credited.Subject(); got != want {
			t.Fatalf("step %d, row %d: subject %d, alone %d", k, i, got, want)
		}
		if diff := cmp.Diff(x.credit, step.CreditRow(i)); diff != "" {
			t.Fatalf("step %d, row %d, Credit (-single +vector):\n%s", k, i, diff)
		}
	}
	if !x.ended {
		return
	}
	w := len(x.obs)
	if diff := cmp.Diff(x.finalObs, step.FinalObs[i*w:(i+1)*w]); diff != "" {
		t.Fatalf("step %d, row %d, FinalObs (-single +vector):\n%s", k, i, diff)
	}
	if x.mask != nil {
		w := len(x.mask)
		if diff := cmp.Diff(x.finalMask, step.FinalMask[i*w:(i+1)*w]); diff != "" {
			t.Fatalf("step %d, row %d, FinalMask (-single +vector):\n%s", k, i, diff)
		}
	}
}

// goroutine names the one that calls it.
func goroutine() string {
	b := make([]byte, 64)
	name, _, _ := strings.Cut(string(b[:runtime.Stack(b, false)]), " [")
	return name
}

// A second Reset starts the same history again.
func TestVectorResetStartsOver(t *testing.T) {
	v, step := newVector(t, 3, worlds["chain"])
	actions := make([]int, 3)
	var first []float32
	for round := range 2 {
		v.Reset(step)
		var all []float32
		for k := range 50 {
			actAll(step, v.Spec(), actions, k)
			v.Step(actions, step)
			all = append(all, step.Obs...)
		}
		if round == 0 {
			first = all
		} else if diff := cmp.Diff(first, all); diff != "" {
			t.Errorf("the second round differs:\n%s", diff)
		}
	}
	v, step = newVector(t, 3, worlds["pair"])
	for i := range 3 { // Reset must clear these
		step.CreditRow(i)[1], step.Subject[i] = 1, 1
		step.Reward[i], step.Elapsed[i], step.Terminated[i], step.Truncated[i] = 1, 1, true, true
	}
	v.Reset(step)
	for i := range 3 {
		if step.Reward[i] != 0 || step.Elapsed[i] != 0 || step.Ended(i) || step.CreditRow(i)[1] != 0 || step.Subject[i] != 0 {
			t.Errorf("row %d after Reset: reward %v, elapsed %v, ended %v, credit %v, subject %d", i, step.Reward[i], step.Elapsed[i],
				step.Ended(i), step.CreditRow(i), step.Subject[i])
		}
	}
}

// A Vector and its TimeStep saved at any step, amid episodes of unequal age,
// continue bit for bit in new ones.
func TestVectorRestore(t *testing.T) {
	for name, newEnv := range worlds {
		t.Run(name, func(t *testing.T) {
			const n = 3
			v, step := newVector(t, n, newEnv)
			v.Reset(step)
			actions := make([]int, n)
			for k := range 120 {
				if k%31 == 5 {
					w, copied := newVector(t, n, newEnv)
					if err := w.RestoreState(v.AppendState(nil)); err != nil {
						t.Fatal(err)
					}
					if err := copied.RestoreState(step.AppendState(nil)); err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(step, copied); diff != "" {
						t.Fatalf("time step (-saved +restored):\n%s", diff)
					}
					if diff := cmp.Diff(v.AppendState(nil), w.AppendState(nil)); diff != "" {
						t.Fatalf("saved again (-saved +restored):\n%s", diff)
					}
					v, step = w, copied // continue in the restored one
				}
				actAll(step, v.Spec(), actions, k)
				v.Step(actions, step)
			}
			straight, want := newVector(t, n, newEnv)
			straight.Reset(want)
			for k := range 120 {
				actAll(want, straight.Spec(), actions, k)
				straight.Step(actions, want)
			}
			if diff := cmp.Diff(want.Obs, step.Obs); diff != "" {
				t.Errorf("observations (-never stopped +restored):\n%s", diff)
			}
			if diff := cmp.Diff(straight.AppendState(nil), v.AppendState(nil)); diff != "" {
				t.Errorf("states (-never stopped +restored):\n%s", diff)
			}
		})
	}
}

func TestRestoreErrors(t *testing.T) {
	v, step := newVector(t, 2, worlds["bandit"])
	v.Reset(step)
	b := v.AppendState([]byte("head"))[len("head"):]
	for n := range b {
		if v.RestoreState(b[:n]) == nil {
			t.Errorf("%d of %d bytes are accepted", n, len(b))
		}
	}
	if err := v.RestoreState(append(b[:len(b):len(b)], 0)); err == nil {
		t.Error("a byte too many is accepted")
	}
	bad := append([]byte(nil), b...)
	bad[len(bad)-2] = 9 // the context of environment 1
	err := v.RestoreState(bad)
	if got, want := fmt.Sprint(err), "env: vector: environment 1: toy: Bandit-v0: context 9, want 0 to 2"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}

	b = step.AppendState(nil)
	for n := range b {
		err := step.RestoreState(b[:n])
		if err == nil || !strings.HasPrefix(err.Error(), "env: time step: state: ") {
			t.Errorf("time step: %d of %d bytes: error %v", n, len(b), err)
		}
	}
	for _, k := range []int32{-1, 2} {
		pair := env.NewTimeStep(2, toy.NewPair(0).Spec())
		pair.Subject[1] = k
		err := env.NewTimeStep(2, toy.NewPair(0).Spec()).RestoreState(pair.AppendState(nil))
		if got, want := fmt.Sprint(err), fmt.Sprintf("env: time step: environment 1 asks about subject %d, want 0 to 1", k); got != want {
			t.Errorf("error %q, want %q", got, want)
		}
	}
	if err := env.NewTimeStep(3, v.Spec()).RestoreState(b); err == nil {
		t.Error("a time step of 2 environments is restored into one of 3")
	}
}

// Stepping, endings and resets included, allocates nothing; the goroutine of a
// helper may, where none that has ended can be used again.
func TestVectorStepDoesNotAllocate(t *testing.T) {
	for _, workers := range []int{1, 2} {
		for name, newEnv := range worlds {
			v, step := newVector(t, 4, newEnv)
			v.SetWorkers(workers)
			ended := 0
			v.Ended = func(int, []env.Ratio) { ended++ }
			v.Reset(step)
			actions := make([]int, 4)
			k := 0
			if n := testing.AllocsPerRun(300, func() {
				actAll(step, v.Spec(), actions, k)
				v.Step(actions, step)
				k++
			}); n != 0 {
				t.Errorf("%s, %d workers: %v allocations a step, want 0", name, workers, n)
			}
			if ended == 0 {
				t.Errorf("%s: no episode ended in %d steps", name, k)
			}
		}
	}
}

// measuredChain measures its episodes' returns, and when they are read.
type measuredChain struct {
	*toy.Chain
	total float32
}

func (m *measuredChain) Reset(s seed.Seed, obs []float32, mask []bool) {
	m.total = 0
	m.Chain.Reset(s, obs, mask)
}

func (m *measuredChain) Step(action int, obs []float32, mask []bool) env.Outcome {
	o := m.Chain.Step(action, obs, mask)
	m.total += o.Reward
	return o
}

func (m *measuredChain) Measure(dst []env.Ratio) []env.Ratio {
	return append(dst, env.Ratio{Num: float64(m.total), Den: 1})
}

// What Ended is handed is of the episode that has ended: its return is the sum
// of its rewards.
func TestEndedMeasures(t *testing.T) {
	const n = 9
	for _, workers := range []int{1, 2} {
		v, step := newVector(t, n, func() env.Env { return &measuredChain{Chain: toy.NewChain()} })
		v.SetWorkers(workers)
		v.ShareAll()
		v.Reset(step)
		var total [n]float32
		actions := make([]int, n)
		var got []env.Ratio
		v.Ended = func(_ int, m []env.Ratio) { got = append(got, m...) }
		ended := 0
		for k := range 200 {
			actAll(step, v.Spec(), actions, k)
			got = got[:0]
			v.Step(actions, step)
			var want []env.Ratio
			for i := range total {
				total[i] += step.Reward[i]
				if step.Ended(i) {
					want = append(want, env.Ratio{Num: float64(total[i]), Den: 1})
					total[i] = 0
					ended++
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%d workers, step %d: measured %v, want %v", workers, k, got, want)
			}
		}
		if ended < n {
			t.Errorf("only %d episodes ended", ended)
		}
	}
}

func TestNewVectorErrors(t *testing.T) {
	_, err := env.NewVector(root)
	if got, want := fmt.Sprint(err), "env: a vector of no environments, want at least 1"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
	_, err = env.NewVector(root, toy.NewChain(), toy.NewChain(), toy.NewBandit())
	if got, want := fmt.Sprint(err), "env: environment 2 of the vector differs in its spec from environment 0"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
}

// uncredited hides the Credit of a Pair.
type uncredited struct{ env.Env }

func TestSubjectsNeedCredit(t *testing.T) {
	_, err := env.NewVector(root, uncredited{toy.NewPair(0)})
	if got, want := fmt.Sprint(err), "env: Pair-v0 has 2 subjects but does not credit them"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
}

// starter ends every episode at once and tells how it began and from what seed.
type starter struct {
	env.Env
	starts *[]start
}

type start struct {
	Seed      seed.Seed
	Exploring bool
}

func (s *starter) Reset(x seed.Seed, obs []float32, _ []bool) {
	*s.starts = append(*s.starts, start{x, false})
	clear(obs)
}

func (s *starter) ResetExploring(x seed.Seed, obs []float32, _ []bool) {
	*s.starts = append(*s.starts, start{x, true})
	clear(obs)
}

func (s *starter) Step(_ int, obs []float32, _ []bool) env.Outcome {
	clear(obs)
	return env.Outcome{Elapsed: 1, Terminated: true}
}

// begin is how n episodes of each of size worlds begin at a share of exploring
// starts, by world.
func begin(t *testing.T, size, n int, share float64) [][]start {
	t.Helper()
	starts := make([][]start, size)
	envs := make([]env.Env, size)
	for i := range envs {
		envs[i] = &starter{toy.NewBandit(), &starts[i]}
	}
	v, err := env.NewVector(root, envs...)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.SetExplore(share); err != nil {
		t.Fatal(err)
	}
	step := env.NewTimeStep(size, v.Spec())
	v.Reset(step)
	for range n - 1 {
		v.Step(make([]int, size), step)
	}
	return starts
}

// Whole environments explore: of each, all episodes or none. At every share the
// seeds are the same, a greater share only adds environments, and the number of
// neighbours changes nothing. By hand, the fractional parts of (i+½)·1.6180340 for
// i = 0 to 9 are .809 .427 .045 .663 .281 .899 .517 .135 .753 .371.
func TestVectorExplore(t *testing.T) {
	const size, episodes = 10, 50
	plain := begin(t, size, episodes, 0)
	for _, x := range []struct {
		share   float64
		explore []int
	}{
		{0, nil}, {0.1, []int{2}}, {0.25, []int{2, 7}}, {0.5, []int{1, 2, 4, 7, 9}},
		{0.75, []int{1, 2, 3, 4, 6, 7, 9}}, {1, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
	} {
		now := begin(t, size, episodes, x.share)
		for i := range now {
			for k, s := range now[i] {
				if s.Seed != plain[i][k].Seed {
					t.Fatalf("share %v: episode %d of world %d has another seed", x.share, k, i)
				}
				if want := slices.Contains(x.explore, i); s.Exploring != want {
					t.Fatalf("share %v: episode %d of world %d explores: %v, want %v", x.share, k, i, s.Exploring, want)
				}
			}
		}
		if diff := cmp.Diff(now[:2], begin(t, 2, episodes, x.share)); diff != "" {
			t.Errorf("share %v: worlds 0 and 1 alone differ (-of 10 +alone):\n%s", x.share, diff)
		}
	}
}

// Of the first n environments, for every n, a share is the share of n within two:
// a draw for each would be off by √(n/4), 16 for 1,024 at ½. The golden ratio is
// the number that spreads its multiples most evenly (Knuth, "The Art of Computer
// Programming" 3, section 6.4); the bound of two was measured.
func TestExploringEnvironmentsAreEvenlySpread(t *testing.T) {
	const n = 1024
	v, _ := newVector(t, n, worlds["chain"])
	if v.Explores(2) {
		t.Error("environment 2 explores where nothing was said")
	}
	before := make([]bool, n)
	for _, share := range []float64{0.01, 0.1, 0.25, 0.5, 0.7, 0.9, 1} {
		if err := v.SetExplore(share); err != nil {
			t.Fatal(err)
		}
		explore := 0
		for i := range n {
			now := v.Explores(i)
			if before[i] && !now {
				t.Errorf("share %v: environment %d explores at a lesser share only", share, i)
			}
			if before[i] = now; now {
				explore++
			}
			if d := float64(explore) - share*float64(i+1); math.Abs(d) > 2 {
				t.Fatalf("share %v: %d of %d environments explore", share, explore, i+1)
			}
		}
	}
	// A share that is refused changes nothing.
	if v.SetExplore(2) == nil || !v.Explores(0) {
		t.Error("a share of 2 is accepted, or nothing explores after it")
	}
}

// The share counts for episodes that start from now on, not for one that runs.
func TestSetExploreAmidEpisodes(t *testing.T) {
	v, step := newVector(t, 3, worlds["chain"])
	straight, want := newVector(t, 3, worlds["chain"])
	v.Reset(step)
	straight.Reset(want)
	actions := make([]int, 3)
	ended := make([]int, 3)
	for k := range 60 {
		if k == 3 {
			if err := v.SetExplore(1); err != nil {
				t.Fatal(err)
			}
		}
		actAll(want, v.Spec(), actions, k)
		v.Step(actions, step)
		straight.Step(actions, want)
		for i := range ended {
			if ended[i] == 0 && (step.Reward[i] != want.Reward[i] || step.Ended(i) != want.Ended(i)) {
				t.Fatalf("step %d: environment %d differs before its episode has ended", k, i)
			}
			if step.Ended(i) {
				ended[i]++
				if step.ObsRow(i)[0] != 1 { // a chain explores from its first state
					t.Errorf("step %d: the next episode of environment %d does not explore", k, i)
				}
			}
		}
	}
	if slices.Contains(ended, 0) {
		t.Errorf("%v episodes ended: too few to say anything", ended)
	}
}

// What explores is not in the state: a Vector restored under the same share
// goes on alike, subjects and all.
func TestVectorExploreRestore(t *testing.T) {
	const n = 3
	explore := func() (*env.Vector, *env.TimeStep) {
		v, step := newVector(t, n, worlds["pair"])
		if err := v.SetExplore(0.5); err != nil {
			t.Fatal(err)
		}
		return v, step
	}
	v, step := explore()
	straight, want := explore()
	v.Reset(step)
	straight.Reset(want)
	actions := make([]int, n)
	for k := range 400 {
		if k%61 == 7 {
			w, copied := explore()
			if err := w.RestoreState(v.AppendState(nil)); err != nil {
				t.Fatal(err)
			}
			if err := copied.RestoreState(step.AppendState(nil)); err != nil {
				t.Fatal(err)
			}
			v, step = w, copied
		}
		actAll(step, v.Spec(), actions, k)
		v.Step(actions, step)
		straight.Step(actions, want)
		if diff := cmp.Diff(want, step); diff != "" {
			t.Fatalf("step %d (-never stopped +restored):\n%s", k, diff)
		}
	}
}

func TestSetExploreErrors(t *testing.T) {
	v, _ := newVector(t, 2, worlds["bandit"])
	if err := v.SetExplore(0); err != nil {
		t.Errorf("share 0 where none is offered: %v", err)
	}
	for _, x := range []struct {
		world string
		share float64
		want  string
	}{
		{"bandit", 0.1, "env: share of exploring starts is 0.1, but Bandit-v0 offers none"},
		{"chain", -0.1, "env: share of exploring starts is -0.1, want 0 to 1"},
		{"chain", 1.1, "env: share of exploring starts is 1.1, want 0 to 1"},
		{"chain", math.NaN(), "env: share of exploring starts is NaN, want 0 to 1"},
	} {
		v, _ := newVector(t, 2, worlds[x.world])
		if got := fmt.Sprint(v.SetExplore(x.share)); got != x.want {
			t.Errorf("error %q, want %q", got, x.want)
		}
	}
}

func TestVectorPanics(t *testing.T) {
	v, step := newVector(t, 2, worlds["masked"])
	v.Reset(step)
	unmasked := env.NewTimeStep(2, v.Spec())
	unmasked.Mask = nil
	for _, x := range []struct {
		name, want string
		do         func()
	}{
		{"actions", "env: 1 actions for 2 environments", func() { v.Step([]int{0}, step) }},
		{
			"time step of another size", "env: time step of 3 environments with 12 features and 12 mask entries for 2 environments of Masked-v0",
			func() { v.Step([]int{0, 0}, env.NewTimeStep(3, v.Spec())) },
		},
		{
			"time step of another world", "env: time step of 2 environments with 10 features and 0 mask entries for 2 environments of Masked-v0",
			func() { v.Reset(env.NewTimeStep(2, toy.NewChain().Spec())) },
		},
		{
			"time step without masks", "env: time step of 2 environments with 8 features and 0 mask entries for 2 environments of Masked-v0",
			func() { v.Reset(unmasked) },
		},
		{
			"time step without subjects", "env: time step of 2 environments with 0 subjects and 0 credits for 2 environments of Pair-v0 with 2 subjects each",
			func() {
				v, step := newVector(t, 2, worlds["pair"])
				step.Subject, step.Credit = nil, nil
				v.Reset(step)
			},
		},
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); got != x.want {
					t.Errorf("%s: panics with %q, want %q", x.name, got, x.want)
				}
			}()
			x.do()
		}()
	}
}

// Rows are windows of the batch, of fixed capacity so that an append cannot
// reach the next one.
func TestTimeStepRows(t *testing.T) {
	step := env.NewTimeStep(3, toy.NewMasked().Spec())
	for i := range step.Obs {
		step.Obs[i] = float32(i)
		step.Mask[i] = i%5 == 0
	}
	if diff := cmp.Diff([]float32{4, 5, 6, 7}, step.ObsRow(1)); diff != "" {
		t.Errorf("row 1 (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]bool{false, false, true, false}, step.MaskRow(2)); diff != "" {
		t.Errorf("mask row 2 (-want +got):\n%s", diff)
	}
	_ = append(step.ObsRow(1), float32(math.NaN()))
	if step.Obs[8] != 8 {
		t.Errorf("appending to row 1 wrote %v into row 2", step.Obs[8])
	}
	if row := env.NewTimeStep(3, toy.NewChain().Spec()).MaskRow(0); row != nil {
		t.Errorf("mask row of an unmasked world: %v, want nil", row)
	}
}
