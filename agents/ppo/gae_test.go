package ppo

import (
	"math"
	"math/rand/v2"
	"testing"
)

// trajectory is T steps of n environments with everything random.
type trajectory struct {
	reward, elapsed, value, next, adv []float32
	terminated, truncated             []bool
}

func newTrajectory(n int) *trajectory {
	f := func() []float32 { return make([]float32, n) }
	return &trajectory{f(), f(), f(), f(), f(), make([]bool, n), make([]bool, n)}
}

func (x *trajectory) gae(n int, gamma, lambda float64) []float32 {
	GAE(n, gamma, lambda, x.reward, x.elapsed, x.value, x.next, x.terminated, x.truncated, x.adv)
	return x.adv
}

// The plain twin: for each t the sum Σ_l (γλ)^(time from t to t+l)·δ_{t+l} up to
// the first end, written out.
func TestGAEAgainstSum(t *testing.T) {
	const steps, n, gamma, lambda = 40, 3, 0.93, 0.8
	r := rand.New(rand.NewPCG(1, 2))
	x := newTrajectory(steps * n)
	for k := range x.reward {
		x.reward[k] = float32(r.NormFloat64())
		x.elapsed[k] = float32(r.IntN(4)) / 2 // 0 for simultaneous decisions
		x.value[k] = float32(r.NormFloat64())
		x.terminated[k] = r.IntN(9) == 0
		x.truncated[k] = r.IntN(9) == 0 // both at once happens
	}
	for k := range x.next {
		x.next[k] = float32(r.NormFloat64())
		if k+n < len(x.value) && !x.terminated[k] && !x.truncated[k] {
			x.next[k] = x.value[k+n]
		}
	}
	adv := x.gae(n, gamma, lambda)
	for i := range n {
		for at := range steps {
			var want, span float64
			for l := at; l < steps; l++ {
				k := l*n + i
				bootstrap := math.Pow(gamma, float64(x.elapsed[k])) * float64(x.next[k])
				if x.terminated[k] {
					bootstrap = 0
				}
				want += math.Pow(gamma*lambda, span) * (float64(x.reward[k]) + bootstrap - float64(x.value[k]))
				if x.terminated[k] || x.truncated[k] {
					break
				}
				span += float64(x.elapsed[k])
			}
			if got := float64(adv[at*n+i]); math.Abs(got-want) > 1e-5 {
				t.Errorf("step %d of environment %d: advantage %v, want %v", at, i, got, want)
			}
		}
	}
}

// Reward 1 for ever at γ = 0.9 is worth exactly 10. Over a time limit nothing
// surprises: advantages are 0. Had the clock been taken for the end of the
// world, the last step would look 9 worse than it was.
func TestGAEOverTimeLimit(t *testing.T) {
	for _, lambda := range []float64{0, 0.5, 0.95, 1} {
		x := newTrajectory(12)
		for k := range x.reward {
			x.reward[k], x.elapsed[k], x.value[k], x.next[k] = 1, 1, 10, 10
		}
		x.truncated[5], x.truncated[11] = true, true
		for k, a := range x.gae(1, 0.9, lambda) {
			if math.Abs(float64(a)) > 1e-6 {
				t.Errorf("λ %v: advantage %d is %v, want 0", lambda, k, a)
			}
		}
		x.truncated[5], x.terminated[5] = false, true
		adv := x.gae(1, 0.9, lambda)
		for k := range 6 {
			want := -9 * math.Pow(0.9*lambda, float64(5-k))
			if math.Abs(float64(adv[k])-want) > 1e-5 {
				t.Errorf("λ %v, terminal: advantage %d is %v, want %v", lambda, k, adv[k], want)
			}
		}
		if adv[6] > 1e-6 || adv[6] < -1e-6 {
			t.Errorf("λ %v: an end reached into the next episode: %v", lambda, adv[6])
		}
	}
}

// A charge at a constant rate c costs (1−γ^Δ)·v over a step of Δ, discounted
// inside the step, where v = c/−ln γ is its value for ever. With V = v no step
// surprises, however uneven. Discounting by γ a step would be wrong by
// (γ^Δ − γ)·v.
func TestGAESemiMarkov(t *testing.T) {
	const gamma, rate = 0.9, -5.0
	v := rate / -math.Log(gamma)
	x := newTrajectory(8)
	for k, dt := range []float64{1, 0.25, 7, 0, 3.5, 0.01, 40, 2} {
		x.elapsed[k] = float32(dt)
		x.reward[k] = float32((1 - math.Pow(gamma, dt)) * v)
		x.value[k], x.next[k] = float32(v), float32(v)
	}
	x.truncated[7] = true
	for k, a := range x.gae(1, gamma, 0.9) {
		if math.Abs(float64(a)) > 1e-4 {
			t.Errorf("advantage %d is %v, want 0", k, a)
		}
	}
	// The trace decays by time: an advantage of 1 at the last step counts
	// (γλ)^(Σ Δ) at the first.
	x.reward[7]++
	want := math.Pow(0.9*0.9, 1+0.25+7+0+3.5+0.01+40)
	if got := float64(x.gae(1, gamma, 0.9)[0]); math.Abs(got-want) > 1e-5 {
		t.Errorf("first advantage is %v, want %v", got, want)
	}
	x.reward[3]++
	if got, want := float64(x.gae(1, gamma, 0.9)[0]), math.Pow(0.81, 8.25); math.Abs(got-want) > 2e-4 {
		t.Errorf("first advantage is %v, want %v", got, want)
	}
}

// GAE of λ = 1 is the discounted return minus the value; of λ = 0 the error of
// one step (section 3, equations 17 and 18).
func TestGAEExtremes(t *testing.T) {
	x := newTrajectory(3)
	copy(x.reward, []float32{1, 2, 4})
	copy(x.value, []float32{10, 20, 30})
	copy(x.next, []float32{20, 30, 40})
	for k := range x.elapsed {
		x.elapsed[k] = 1
	}
	for lambda, want := range map[float64][3]float64{
		1: {1 + 0.5*2 + 0.25*4 + 0.125*40 - 10, 2 + 0.5*4 + 0.25*40 - 20, 4 + 0.5*40 - 30},
		0: {1 + 0.5*20 - 10, 2 + 0.5*30 - 20, 4 + 0.5*40 - 30},
	} {
		for k, a := range x.gae(1, 0.5, lambda) {
			if math.Abs(float64(a)-want[k]) > 1e-6 {
				t.Errorf("λ %v: advantage %d is %v, want %v", lambda, k, a, want[k])
			}
		}
	}
}
