package classic

import (
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mend/env"
	"mend/env/envtest"
	"mend/env/seed"
	"mend/env/state"
)

func TestCartPoleConformance(t *testing.T) {
	envtest.Run(t, func() env.Env { return NewCartPole() })
}

func (c *CartPole) set(x [4]float64, steps int) {
	*c = CartPole{x[0], x[1], x[2], x[3], int32(steps), true}
}

func (c *CartPole) variables() [4]float64 {
	return [4]float64{c.position, c.velocity, c.angle, c.angularVelocity}
}

// The step map: from each state of the reference, one step must give the next
// one. Go's and the C library's sin and cos each err by at most one unit in the
// last place (about 1e-16 near 1); accelerations reach 30 /s², so that one step
// of 0.02 s can differ by 0.02·30·2e-16 ≈ 1e-16, plus half an ulp of rounding.
func TestCartPoleStepMap(t *testing.T) {
	const tolerance = 1e-15
	var steps, terminations, truncations, angles, positions int
	var worst float64
	for _, e := range readReference(t, "testdata/cartpole.txt") {
		from := e.start
		for k, want := range e.steps {
			var c CartPole
			var obs [4]float32
			c.set(from, k)
			o := c.Step(want.action, obs[:], nil)
			for i, got := range c.variables() {
				d := math.Abs(got - want.state[i])
				worst = max(worst, d)
				if !(d <= tolerance) {
					t.Fatalf("testdata/cartpole.txt:%d: %s, step %d: %s is %v, want %v", want.line, e.name, k,
						cartPoleSpec.Features[i].Name, got, want.state[i])
				}
				if obs[i] != float32(got) {
					t.Fatalf("%s, step %d: observed %v of %v", e.name, k, obs[i], got)
				}
			}
			wantOutcome := env.Outcome{Reward: 1, Elapsed: 1, Terminated: want.terminated, Truncated: want.truncated}
			if o != wantOutcome {
				t.Fatalf("testdata/cartpole.txt:%d: %s, step %d: outcome %+v, want %+v", want.line, e.name, k, o, wantOutcome)
			}
			if want.terminated {
				terminations++
				if math.Abs(want.state[2]) > angleLimit {
					angles++
				}
				if math.Abs(want.state[0]) > positionLimit {
					positions++
				}
			}
			if want.truncated {
				truncations++
			}
			steps++
			from = want.state
		}
	}
	t.Logf("%d steps, worst difference %.2g", steps, worst)
	if steps < 900 || terminations < 7 || truncations < 1 || angles < 5 || positions < 2 {
		t.Errorf("the reference has %d steps, %d terminations (%d by angle, %d by position), %d truncations: too little is tested",
			steps, terminations, angles, positions, truncations)
	}
}

// Whole episodes from the reference's start and actions alone. An unstable
// pole multiplies a difference by e^(λ·0.02) a step, λ = √(g/(l(4/3−m_p/m))) ≈
// 3.97 /s, so the bound grows from one rounding at that rate; once the bound is
// void (not before step 300) the comparison ends.
func TestCartPoleEpisodes(t *testing.T) {
	rate := math.Sqrt(gravity / (halfLength * (4.0/3 - massPole/massTotal)))
	for _, e := range readReference(t, "testdata/cartpole.txt") {
		var c CartPole
		var obs [4]float32
		c.set(e.start, 0)
		compared := 0
		for k, want := range e.steps {
			tolerance := 1e-14 * math.Exp(rate*interval*float64(k+1))
			if tolerance > 1e-3 {
				break
			}
			compared++
			o := c.Step(want.action, obs[:], nil)
			for i, got := range c.variables() {
				if !(math.Abs(got-want.state[i]) <= tolerance) {
					t.Fatalf("testdata/cartpole.txt:%d: %s, step %d: %s is %v, want %v ± %.1g", want.line, e.name, k,
						cartPoleSpec.Features[i].Name, got, want.state[i], tolerance)
				}
			}
			if o.Terminated != want.terminated || o.Truncated != want.truncated {
				t.Fatalf("testdata/cartpole.txt:%d: %s, step %d: terminated %v, truncated %v", want.line, e.name, k,
					o.Terminated, o.Truncated)
			}
		}
		if compared < min(len(e.steps), 300) {
			t.Errorf("%s: only %d of %d steps compared", e.name, compared, len(e.steps))
		}
	}
}

// What Gymnasium itself printed: the examples of VectorEnv.reset and
// VectorEnv.step in gymnasium/vector/vector_env.py (three CartPole-v1, seed 42,
// actions 1, 0, 1), which its own doctests run. Both sides are float32 printed
// to eight digits, so the start is known to half a unit of the eighth.
func TestCartPolePublishedSteps(t *testing.T) {
	for _, x := range []struct {
		start, want [4]float64
		action      int
	}{
		{
			[4]float64{0.0273956, -0.00611216, 0.03585979, 0.0197368},
			[4]float64{0.02727336, 0.18847767, 0.03625453, -0.26141977}, PushRight,
		},
		{
			[4]float64{0.01522993, -0.04562247, -0.04799704, 0.03392126},
			[4]float64{0.01431748, -0.24002443, -0.04731862, 0.3110827}, PushLeft,
		},
		{
			[4]float64{-0.03774345, -0.02418869, -0.00942293, 0.0469184},
			[4]float64{-0.03822722, 0.1710671, -0.00848456, -0.2487226}, PushRight,
		},
	} {
		var c CartPole
		var obs [4]float32
		c.set(x.start, 0)
		c.Step(x.action, obs[:], nil)
		for i := range obs {
			if d := math.Abs(float64(obs[i]) - x.want[i]); !(d <= 3e-8) {
				t.Errorf("from %v by action %d: %s is %v, Gymnasium printed %v", x.start, x.action,
					cartPoleSpec.Features[i].Name, obs[i], x.want[i])
			}
		}
	}
}

// At the limits themselves the episode goes on: Gymnasium compares with < and
// >. A step of speed 0 leaves position and angle where they are.
func TestCartPoleLimitsAreInclusive(t *testing.T) {
	for _, x := range []struct {
		position, angle float64
		terminated      bool
	}{
		{positionLimit, 0, false},
		{-positionLimit, 0, false},
		{math.Nextafter(positionLimit, 9), 0, true},
		{-math.Nextafter(positionLimit, 9), 0, true},
		{0, angleLimit, false},
		{0, -angleLimit, false},
		{0, math.Nextafter(angleLimit, 9), true},
		{0, -math.Nextafter(angleLimit, 9), true},
	} {
		var c CartPole
		c.set([4]float64{x.position, 0, x.angle, 0}, 0)
		o := c.Step(PushLeft, make([]float32, 4), nil)
		if o.Terminated != x.terminated {
			t.Errorf("position %v, angle %v: terminated %v, want %v", x.position, x.angle, o.Terminated, x.terminated)
		}
	}
	// 12*2*math.pi/360 in CPython.
	if float64(angleLimit) != 0.20943951023931953 {
		t.Errorf("angle limit %v, Gymnasium's is 0.20943951023931953", float64(angleLimit))
	}
}

// The 500th step truncates whether or not the pole falls on it.
func TestCartPoleTerminatedAndTruncated(t *testing.T) {
	var c CartPole
	c.set([4]float64{positionLimit, 1, 0, 0}, stepLimit-1)
	o := c.Step(PushLeft, make([]float32, 4), nil)
	if want := (env.Outcome{Reward: 1, Elapsed: 1, Terminated: true, Truncated: true}); o != want {
		t.Errorf("outcome %+v, want %+v", o, want)
	}
}

// Each start is uniform on ±0.05: over 4·10,000 draws the mean of a variable
// has a standard error of 0.1/√12/100 = 2.9e-4, its variance one of
// 0.01·√(1/180)/100 = 7.5e-6; five of each are allowed.
func TestCartPoleReset(t *testing.T) {
	const n = 10000
	var sum, squares [4]float64
	var c CartPole
	obs := make([]float32, 4)
	for k := range uint64(n) {
		c.Reset(seed.Seed(3).Child("episode", k), obs, nil)
		for i, x := range c.variables() {
			if !(math.Abs(x) < resetBound) {
				t.Fatalf("episode %d starts with %s %v", k, cartPoleSpec.Features[i].Name, x)
			}
			sum[i] += x
			squares[i] += x * x
		}
	}
	for i := range sum {
		if mean := sum[i] / n; math.Abs(mean) > 5*2.9e-4 {
			t.Errorf("%s starts at %v on average", cartPoleSpec.Features[i].Name, mean)
		}
		if v := squares[i] / n; math.Abs(v-0.01/12) > 5*7.5e-6 {
			t.Errorf("%s starts with variance %v, want %v", cartPoleSpec.Features[i].Name, v, 0.01/12)
		}
	}
}

// The digest names the behaviour: it changes with any constant, and a change
// here asks for a new version in the id. Origin: our own, of this version.
func TestCartPoleDigest(t *testing.T) {
	const want = "57a4c4d0bf442161eb1942fa3e04c6631bef22307427e50449c8cbe62337a3ff"
	if got := cartPoleSpec.Digest; got != want {
		t.Errorf("digest %s, want %s, of\n%s", got, want, cartPoleDefinition())
	}
}

func TestCartPoleRestoreStateErrors(t *testing.T) {
	encode := func(x [4]float64, steps int32, running bool) []byte {
		c := CartPole{x[0], x[1], x[2], x[3], steps, running}
		return state.Append(nil, c.fields)
	}
	for _, x := range []struct {
		name  string
		bytes []byte
		want  string
	}{
		{"truncated", encode([4]float64{}, 1, true)[:36], "classic: CartPole-v1: state: 0 bytes where 1 are wanted"},
		{"too long", append(encode([4]float64{}, 1, true), 0), "classic: CartPole-v1: state: 1 bytes left over"},
		{"nan", encode([4]float64{0, math.NaN()}, 1, true), "classic: CartPole-v1: state variable NaN, want a finite number"},
		{"infinite", encode([4]float64{0, 0, 0, math.Inf(1)}, 1, true), "classic: CartPole-v1: state variable +Inf, want a finite number"},
		{"negative steps", encode([4]float64{}, -1, false), "classic: CartPole-v1: -1 steps, want 0 to 500"},
		{"too many steps", encode([4]float64{}, 501, false), "classic: CartPole-v1: 501 steps, want 0 to 500"},
		{"late", encode([4]float64{}, 500, true), "classic: CartPole-v1: running after 500 steps, want an end"},
		{"fallen", encode([4]float64{0, 0, 1, 0}, 5, true), "classic: CartPole-v1: running at position 0 m and angle 1 rad, want at most 2.4 and 0.20943951023931953"},
	} {
		c := NewCartPole()
		c.Reset(1, make([]float32, 4), nil)
		err := c.RestoreState(x.bytes)
		if got := fmt.Sprint(err); got != x.want {
			t.Errorf("%s: error %q, want %q", x.name, got, x.want)
		}
		if c.running {
			t.Errorf("%s: the world runs on after the error", x.name)
		}
	}
}

// FuzzCartPoleRestoreState: whatever is read is refused, or is a state that
// writes the same bytes again and can be stepped to its end.
func FuzzCartPoleRestoreState(f *testing.F) {
	obs := make([]float32, 4)
	c := NewCartPole()
	f.Add(c.AppendState(nil))
	c.Reset(1, obs, nil)
	f.Add(c.AppendState(nil))
	for range 20 {
		if o := c.Step(PushRight, obs, nil); o.Terminated {
			break
		}
		f.Add(c.AppendState(nil))
	}
	f.Add(c.AppendState(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		c := NewCartPole()
		if err := c.RestoreState(b); err != nil {
			if c.running {
				t.Errorf("runs on after %v", err)
			}
			return
		}
		again := c.AppendState(nil)
		last := len(b) - 1
		if b[last] != 0 {
			b[last] = 1 // any other byte reads as true
		}
		if diff := cmp.Diff(b, again); diff != "" {
			t.Fatalf("written again (-read +written):\n%s", diff)
		}
		for k := 0; c.running; k++ {
			if k >= stepLimit {
				t.Fatalf("running after %d steps", k)
			}
			c.Step(k%2, obs, nil)
		}
	})
}

func BenchmarkCartPoleStep(b *testing.B) {
	c := NewCartPole()
	obs := make([]float32, 4)
	c.Reset(1, obs, nil)
	b.ReportAllocs()
	steps := 0
	for b.Loop() {
		if o := c.Step(steps&1, obs, nil); o.Terminated || o.Truncated {
			c.Reset(seed.Seed(steps), obs, nil)
		}
		steps++
	}
	b.ReportMetric(float64(steps)/b.Elapsed().Seconds(), "steps/s")
}

// BenchmarkCartPoleVector pushes 1,024 carts left and right in turn.
func BenchmarkCartPoleVector(b *testing.B) {
	const n = 1024
	envs := make([]env.Env, n)
	for i := range envs {
		envs[i] = NewCartPole()
	}
	v, err := env.NewVector(1, envs...)
	if err != nil {
		b.Fatal(err)
	}
	step := env.NewTimeStep(n, v.Spec())
	actions := make([]int, n)
	v.Reset(step)
	b.ReportAllocs()
	batches := 0
	for b.Loop() {
		for i := range actions {
			actions[i] = (i + batches) & 1
		}
		v.Step(actions, step)
		batches++
	}
	b.ReportMetric(float64(batches*n)/b.Elapsed().Seconds(), "steps/s")
}

// Within the limits of the angle, and beyond, sincos is math.Sincos: to the last
// bit where the compiler fuses no product with a sum, as on the first level of
// amd64, elsewhere to one unit in the last place.
func TestSincos(t *testing.T) {
	exact := runtime.GOARCH == "amd64"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			exact = exact && (s.Key != "GOAMD64" || s.Value == "v1")
		}
	}
	most := math.Pow(2, -52)
	if exact {
		most = 0
	}
	for i := range 200_000 {
		x := 0.78 * (2*seed.Uniform(seed.Seed(3).At(0, uint64(i))) - 1)
		if i%2 == 0 {
			x *= math.Pow(2, -float64(i%50)) // small ones too
		}
		sin, cos := sincos(x)
		wantSin, wantCos := math.Sincos(x)
		if math.Abs(sin-wantSin) > most*math.Abs(wantSin) || math.Abs(cos-wantCos) > most*wantCos {
			t.Fatalf("sincos(%v) = %v, %v, want %v, %v", x, sin, cos, wantSin, wantCos)
		}
	}
	if sin, cos := sincos(0); sin != 0 || cos != 1 {
		t.Errorf("sincos(0) = %v, %v, want 0, 1", sin, cos)
	}
}
