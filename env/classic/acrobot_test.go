package classic

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mend/env"
	"mend/env/envtest"
	"mend/env/seed"
	"mend/env/state"
)

func TestAcrobotConformance(t *testing.T) {
	envtest.Run(t, func() env.Env { return NewAcrobot() })
}

// The step map: from each state of the reference, one step must give the next
// one. In swinging up, velocities stay below 10 rad/s: an acceleration is then
// a sum of terms of at most 100 rad/s², each wrong by a few roundings of
// 1.1e-16, so that a step of 0.2 s differs by some 0.2·100·5·1.1e-16 ≈ 1e-14.
// The episodes at the velocity bounds have terms of 9π·(9π + 8π)/2 ≈ 750, hence
// ten times that.
func TestAcrobotStepMap(t *testing.T) {
	const tolerance = 1e-13
	var steps, terminations, truncations int
	var clipped, turned [2]int
	worst := 0.0
	for _, e := range readReference(t, "testdata/acrobot.txt") {
		from := e.start
		for k, want := range e.steps {
			a := Acrobot{x: from, steps: int32(k), running: true}
			var obs [6]float32
			o := a.Step(want.action, obs[:], nil)
			for i, got := range a.x {
				d := math.Abs(got - want.state[i])
				worst = max(worst, d)
				if !(d <= tolerance) {
					t.Fatalf("testdata/acrobot.txt:%d: %s, step %d: variable %d is %v, want %v", want.line, e.name, k, i, got, want.state[i])
				}
			}
			s := want.state
			for i, x := range [6]float64{math.Cos(s[0]), math.Sin(s[0]), math.Cos(s[1]), math.Sin(s[1]), s[2], s[3]} {
				if d := math.Abs(float64(obs[i]) - x); d > tolerance+math.Abs(x)/(1<<24) {
					t.Fatalf("%s, step %d: %s is observed as %v, want %v", e.name, k, acrobotSpec.Features[i].Name, obs[i], x)
				}
			}
			wantOutcome := env.Outcome{Reward: -1, Elapsed: 1, Terminated: want.terminated, Truncated: want.truncated}
			if want.terminated {
				wantOutcome.Reward = 0
				terminations++
			}
			if o != wantOutcome {
				t.Fatalf("testdata/acrobot.txt:%d: %s, step %d: outcome %+v, want %+v", want.line, e.name, k, o, wantOutcome)
			}
			if want.truncated {
				truncations++
			}
			for i, bound := range [2]float64{4 * math.Pi, 9 * math.Pi} {
				if math.Abs(s[2+i]) == bound {
					clipped[i]++
				}
				if math.Abs(s[i]-from[i]) > math.Pi {
					turned[i]++
				}
			}
			steps++
			from = want.state
		}
	}
	t.Logf("%d steps, worst difference %.2g", steps, worst)
	if steps < 900 || terminations < 7 || truncations < 1 || min(clipped[0], clipped[1]) < 4 || min(turned[0], turned[1]) < 2 {
		t.Errorf("the reference has %d steps, %d terminations, %d truncations, velocities at their bounds %v times, turns %v times: too little is tested",
			steps, terminations, truncations, clipped, turned)
	}
}

// Whole episodes from the reference's start and actions alone, as long as
// chaos lets them be compared: in swinging up, differences double about every
// 0.5 s at worst (a pendulum on its head: √(g/l) ≈ 3.1 /s; e^(3.1·0.2) a step).
func TestAcrobotEpisodes(t *testing.T) {
	longest := 0
	for _, e := range readReference(t, "testdata/acrobot.txt") {
		a := Acrobot{x: e.start, running: true}
		var obs [6]float32
		for k, want := range e.steps {
			tolerance := 1e-12 * math.Exp(math.Sqrt(gravity/linkLength)*acrobotInterval*float64(k+1))
			if tolerance > 1e-3 {
				break
			}
			longest = max(longest, k+1)
			o := a.Step(want.action, obs[:], nil)
			for i, got := range a.x {
				if !(math.Abs(got-want.state[i]) <= tolerance) {
					t.Fatalf("testdata/acrobot.txt:%d: %s, step %d: variable %d is %v, want %v ± %.1g", want.line, e.name, k, i, got, want.state[i], tolerance)
				}
			}
			if o.Terminated != want.terminated || o.Truncated != want.truncated {
				t.Fatalf("testdata/acrobot.txt:%d: %s, step %d: terminated %v, truncated %v", want.line, e.name, k, o.Terminated, o.Truncated)
			}
		}
	}
	if longest < 30 {
		t.Errorf("at most %d steps of an episode compared", longest)
	}
}

// energy is kinetic plus potential energy of both links, in J, written down
// from the motion of the centres of mass and not from the equations of motion:
// link 1's moves at c·θ̇1, link 2's at the vector sum of l·θ̇1 along θ1 and
// c·(θ̇1+θ̇2) along θ1+θ2.
func (x acrobotState) energy() float64 {
	w1, w2 := x[2], x[2]+x[3]
	squared1 := linkCentre * linkCentre * w1 * w1
	squared2 := linkLength*linkLength*w1*w1 + linkCentre*linkCentre*w2*w2 + 2*linkLength*linkCentre*w1*w2*math.Cos(x[1])
	kinetic := linkMass*(squared1+squared2)/2 + linkInertia*(w1*w1+w2*w2)/2
	potential := -linkMass * gravity * (linkCentre*math.Cos(x[0]) + linkLength*math.Cos(x[0]) + linkCentre*math.Cos(x[0]+x[1]))
	return kinetic + potential
}

// randomAcrobotState is anywhere within the bounds.
func randomAcrobotState(n uint64) (x acrobotState) {
	for i, bound := range [4]float64{math.Pi, math.Pi, acrobotVelocity1, acrobotVelocity2} {
		x[i] = bound * (2*seed.Uniform(seed.Seed(8).At(n, uint64(i))) - 1)
	}
	return x
}

// Power: the equations of motion change the energy at the rate τ·θ̇2, that of a
// motor at the second joint, in every state; without torque they keep it. The
// central difference of step h is off by h²/6 times the third derivative (up to
// 1e7 at full speed) and by rounding of some 1e3 J·1e-16/h.
func TestAcrobotPower(t *testing.T) {
	const h = 1e-6
	for n := range uint64(1000) {
		x := randomAcrobotState(n)
		for _, torque := range []float64{-1, 0, 1} {
			f := x.derivative(torque)
			rate := (x.plus(h, f).energy() - x.plus(-h, f).energy()) / (2 * h)
			if want := torque * x[3]; math.Abs(rate-want) > 1e-5 {
				t.Fatalf("state %v, torque %v: energy changes by %v W, want %v", x, torque, rate, want)
			}
		}
	}
}

// The integrator is of fourth order: over 0.2 s, cut into n steps, the error in
// energy falls by 2⁴ where n doubles. Started where both links lie level, so
// that nothing is small by symmetry.
func TestAcrobotIntegratorOrder(t *testing.T) {
	start := acrobotState{math.Pi / 2, 0.3, 1, -2}
	drift := func(n int) float64 {
		x := start
		for range n {
			x = x.integrate(0, acrobotInterval/float64(n))
		}
		return math.Abs(x.energy() - start.energy())
	}
	for n := 4; n <= 16; n *= 2 {
		order := math.Log2(drift(n) / drift(2*n))
		if order < 3.5 { // energy may do better than the path, not worse
			t.Errorf("halving a step of 0.2/%d s lowers the error in energy by 2^%.2f, want 2^4", n, order)
		}
	}
	if d := drift(512); d > 1e-10 {
		t.Errorf("512 small steps change the energy by %v J", d)
	}
}

// The episode ends above the target height and not at it: Gymnasium compares
// with >. With the first link level and the second upright the free end is one
// link's length above the joint, and a turn of both by a hair more is above.
func TestAcrobotHeight(t *testing.T) {
	for _, c := range []struct {
		x    acrobotState
		want float64
	}{
		{acrobotState{0, 0}, -2},
		{acrobotState{math.Pi / 2, 0}, 0},
		{acrobotState{math.Pi / 2, math.Pi / 2}, 1},
		{acrobotState{math.Pi, 0}, 2},
		{acrobotState{math.Pi, math.Pi}, 0},
		{acrobotState{-math.Pi / 2, -math.Pi / 2}, 1},
	} {
		if got := c.x.height(); math.Abs(got-c.want) > 1e-15 {
			t.Errorf("height at %v is %v, want %v", c.x, got, c.want)
		}
	}
}

// The 500th step truncates whether or not the goal is reached on it, and pays 0
// where it is.
func TestAcrobotTerminatedAndTruncated(t *testing.T) {
	a := Acrobot{x: acrobotState{1.7, 1.2, 3, 3}, steps: acrobotStepLimit - 1, running: true}
	o := a.Step(TorqueNone, make([]float32, 6), nil)
	if want := (env.Outcome{Elapsed: 1, Terminated: true, Truncated: true}); o != want {
		t.Errorf("outcome %+v, want %+v", o, want)
	}
}

// Each start is uniform on ±0.1: over 10,000 draws the mean of a variable has a
// standard error of 0.2/√12/100 = 5.8e-4, its variance one of
// 0.04·√(1/180)/100 = 3.0e-5, and the mean product of two variables, which is 0
// where they are independent, one of 0.04/12/100 = 3.3e-5; five of each are
// allowed.
func TestAcrobotReset(t *testing.T) {
	const n = 10000
	var sum, squares, products [4]float64
	var a Acrobot
	obs := make([]float32, 6)
	for k := range uint64(n) {
		a.Reset(seed.Seed(3).Child("episode", k), obs, nil)
		for i, x := range a.x {
			if !(math.Abs(x) <= float64(float32(acrobotResetBound))) || x != float64(float32(x)) {
				t.Fatalf("episode %d starts with variable %d at %v", k, i, x)
			}
			sum[i] += x
			squares[i] += x * x
			products[i] += x * a.x[(i+1)%4]
		}
	}
	for i := range sum {
		if p := products[i] / n; math.Abs(p) > 5*3.3e-5 {
			t.Errorf("variable %d and the next start with a mean product of %v", i, p)
		}
		if mean := sum[i] / n; math.Abs(mean) > 5*5.8e-4 {
			t.Errorf("variable %d starts at %v on average", i, mean)
		}
		if v := squares[i] / n; math.Abs(v-0.04/12) > 5*3.0e-5 {
			t.Errorf("variable %d starts with variance %v, want %v", i, v, 0.04/12)
		}
	}
}

// The digest names the behaviour: it changes with any constant, and a change
// here asks for a new version in the id. Origin: our own, of this version.
func TestAcrobotDigest(t *testing.T) {
	const want = "b72a53ceb45fae9105fed797469e69850b30f97a97ccd70bbe3315d225931415"
	if got := acrobotSpec.Digest; got != want {
		t.Errorf("digest %s, want %s, of\n%s", got, want, acrobotDefinition())
	}
}

func TestAcrobotRestoreStateErrors(t *testing.T) {
	encode := func(x acrobotState, steps int32, running bool) []byte {
		a := Acrobot{x, steps, running}
		return state.Append(nil, a.fields)
	}
	for _, x := range []struct {
		name  string
		bytes []byte
		want  string
	}{
		{"truncated", encode(acrobotState{}, 1, true)[:36], "classic: Acrobot-v1: state: 0 bytes where 1 are wanted"},
		{"nan", encode(acrobotState{0, math.NaN()}, 1, true), "classic: Acrobot-v1: state variable 1 is NaN, want at most ±3.141592653589793"},
		{"infinite", encode(acrobotState{math.Inf(1)}, 1, true), "classic: Acrobot-v1: state variable 0 is +Inf, want at most ±3.141592653589793"},
		{"fast", encode(acrobotState{0, 0, 0, -28.3}, 1, true), "classic: Acrobot-v1: state variable 3 is -28.3, want at most ±28.274333882308138"},
		{"negative steps", encode(acrobotState{}, -1, false), "classic: Acrobot-v1: -1 steps, want 0 to 500"},
		{"too many steps", encode(acrobotState{}, 501, false), "classic: Acrobot-v1: 501 steps, want 0 to 500"},
		{"late", encode(acrobotState{}, 500, true), "classic: Acrobot-v1: running after 500 steps, want an end"},
		// 2·cos(π − 3.125)
		{"at the goal", encode(acrobotState{3.125}, 5, true), "classic: Acrobot-v1: running with the free end at 1.9997246901633732 m, want an end beyond 1"},
	} {
		a := NewAcrobot()
		a.Reset(1, make([]float32, 6), nil)
		err := a.RestoreState(x.bytes)
		if got := fmt.Sprint(err); got != x.want {
			t.Errorf("%s: error %q, want %q", x.name, got, x.want)
		}
		if a.running {
			t.Errorf("%s: the world runs on after the error", x.name)
		}
	}
}

// FuzzAcrobotRestoreState: whatever is read is refused, or is a state that
// writes the same bytes again and can be stepped to its end.
func FuzzAcrobotRestoreState(f *testing.F) {
	obs := make([]float32, 6)
	a := NewAcrobot()
	f.Add(a.AppendState(nil))
	a.Reset(1, obs, nil)
	f.Add(a.AppendState(nil))
	for k := range 20 {
		a.Step(k%3, obs, nil)
		f.Add(a.AppendState(nil))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		a := NewAcrobot()
		if err := a.RestoreState(b); err != nil {
			if a.running {
				t.Errorf("runs on after %v", err)
			}
			return
		}
		again := a.AppendState(nil)
		last := len(b) - 1
		if b[last] != 0 {
			b[last] = 1 // any other byte reads as true
		}
		if diff := cmp.Diff(b, again); diff != "" {
			t.Fatalf("written again (-read +written):\n%s", diff)
		}
		for k := 0; a.running; k++ {
			if k >= acrobotStepLimit {
				t.Fatalf("running after %d steps", k)
			}
			a.Step(k%3, obs, nil)
			if err := a.validate(); err != nil {
				t.Fatalf("step %d leads to what RestoreState refuses: %v", k, err)
			}
		}
	})
}

func BenchmarkAcrobotStep(b *testing.B) {
	a := NewAcrobot()
	obs := make([]float32, 6)
	a.Reset(1, obs, nil)
	b.ReportAllocs()
	steps := 0
	for b.Loop() {
		if o := a.Step(steps%3, obs, nil); o.Terminated || o.Truncated {
			a.Reset(seed.Seed(steps), obs, nil)
		}
		steps++
	}
	b.ReportMetric(float64(steps)/b.Elapsed().Seconds(), "steps/s")
}
