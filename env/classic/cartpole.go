package classic

import (
	"fmt"
	"math"

	"mend/env"
	"mend/env/seed"
	"mend/env/state"
)

// Constants of Gymnasium's CartPole-v1: gymnasium/envs/classic_control/
// cartpole.py, and max_episode_steps in gymnasium/envs/__init__.py. The model
// is that of Barto, Sutton and Anderson, "Neuronlike adaptive elements that can
// solve difficult learning control problems", IEEE SMC-13, 1983, without its
// friction.
const (
	gravity        = 9.8 // m/s²
	massCart       = 1.0 // kg
	massPole       = 0.1 // kg
	massTotal      = massCart + massPole
	halfLength     = 0.5 // m, from the joint to the pole's centre of mass
	poleMassLength = massPole * halfLength
	pushForce      = 10.0 // N
	interval       = 0.02 // s between decisions
	positionLimit  = 2.4  // m; the episode terminates beyond it
	// angleLimit is 12° in rad; beyond it the episode terminates. It is
	// 12·2·π/360 as float64 arithmetic has it, one unit in the last place below
	// the rounded exact value.
	angleLimit = 0.20943951023931953
	resetBound = 0.05 // every state variable starts within ±resetBound
	stepLimit  = 500  // steps; the episode is truncated after that many
)

// Actions of CartPole.
const (
	PushLeft = iota
	PushRight
)

var cartPoleSpec = env.Spec{
	ID:     "CartPole-v1",
	Digest: digest(cartPoleDefinition()),
	Features: []env.Feature{
		{Name: "cart_position", Unit: "m", Scale: 1},
		{Name: "cart_velocity", Unit: "m/s", Scale: 1},
		{Name: "pole_angle", Unit: "rad", Scale: 1},
		{Name: "pole_angular_velocity", Unit: "rad/s", Scale: 1},
	},
	Actions: []string{PushLeft: "push_left", PushRight: "push_right"},
}

// cartPoleDefinition says all that the behaviour of CartPole depends on.
func cartPoleDefinition() string {
	return define([]string{
		"CartPole-v1",
		"dynamics gymnasium cartpole.py float64 euler, observation float32",
		"reward 1 per step, last included",
		"reset uniform, seed.At(variable, 0)",
	}, []constant{
		{"gravity", gravity},
		{"mass_cart", massCart},
		{"mass_pole", massPole},
		{"half_length", halfLength},
		{"push_force", pushForce},
		{"interval", interval},
		{"position_limit", positionLimit},
		{"angle_limit", angleLimit},
		{"reset_bound", resetBound},
		{"step_limit", stepLimit},
	})
}

// CartPole is Gymnasium's CartPole-v1: keep a pole upright on a cart by pushing
// the cart left or right. The reward is 1 for every step, the last included;
// an episode terminates where cart or pole leaves its limits and is truncated
// after 500 steps. The initial states come from our own seeds, so an episode of
// seed s is not Gymnasium's episode of seed s.
type CartPole struct {
	position        float64 // m
	velocity        float64 // m/s
	angle           float64 // rad, 0 is upright
	angularVelocity float64 // rad/s
	steps           int32   // since Reset
	running         bool
}

// NewCartPole returns a CartPole that awaits Reset.
func NewCartPole() *CartPole { return &CartPole{} }

// Spec returns what a learner may know in advance.
func (c *CartPole) Spec() *env.Spec { return &cartPoleSpec }

// Reset draws each state variable uniformly from ±0.05, in its own unit. The
// mask is not used.
func (c *CartPole) Reset(s seed.Seed, obs []float32, _ []bool) {
	draw := func(variable uint64) float64 {
		return resetBound * (2*seed.Uniform(s.At(variable, 0)) - 1)
	}
	*c = CartPole{
		position:        draw(0),
		velocity:        draw(1),
		angle:           draw(2),
		angularVelocity: draw(3),
		running:         true,
	}
	c.observe(row(obs))
}

// Step pushes the cart for one interval.
//
//	n  = (F + m_p·l·θ̇²·sin θ) / m
//	θ̈  = (g·sin θ − n·cos θ) / (l·(4/3 − m_p·cos²θ/m))
//	ẍ  = n − m_p·l·θ̈·cos θ / m
//
// followed by an explicit Euler step of all four variables, in the order of
// evaluation of Gymnasium's cartpole.py. The conversions to float64 forbid the
// compiler to fuse a product with a sum, which CPython does not do either.
func (c *CartPole) Step(action int, obs []float32, _ []bool) env.Outcome {
	sin, cos := sincos(c.angle)
	o := env.Outcome{Reward: 1, Elapsed: 1}
	o.Terminated, o.Truncated = c.push(action, sin, cos, row(obs))
	return o
}

// StepBatch implements [env.Batched]. The steps of one cart depend on each other
// and those of several do not: done in turns, by blocks, a processor has several
// under way.
func (*CartPole) StepBatch(carts []env.Env, actions []int, t *env.TimeStep, from, to int) {
	const block = 32
	var (
		c        [block]*CartPole
		sin, cos [block]float64
	)
	for ; from < to; from += block {
		n := min(block, to-from)
		for k, e := range carts[from : from+n] {
			c[k] = e.(*CartPole)
			sin[k], cos[k] = sincos(c[k].angle)
		}
		obs, act := t.Obs[4*from:4*(from+n)], actions[from:from+n]
		terminated, truncated := t.Terminated[from:from+n], t.Truncated[from:from+n]
		for k, a := range act {
			terminated[k], truncated[k] = c[k].push(a, sin[k], cos[k], (*[4]float32)(obs[4*k:]))
		}
		fill(t.Reward[from:from+n], 1)
		fill(t.Elapsed[from:from+n], 1)
	}
}

// push is Step, given sine and cosine of the angle.
func (c *CartPole) push(action int, sin, cos float64, obs *[4]float32) (terminated, truncated bool) {
	if !c.running {
		panic("classic: CartPole-v1: Step before Reset or after the episode's end")
	}
	if uint(action) > PushRight {
		panic(fmt.Sprintf("classic: CartPole-v1: action %d, want 0 or 1", action))
	}
	force := pushForce * float64(2*action-1) // no branch: it could not be predicted
	n := (force + float64(poleMassLength*(c.angularVelocity*c.angularVelocity)*sin)) / massTotal
	angularAcceleration := (float64(gravity*sin) - float64(cos*n)) /
		(halfLength * (4.0/3.0 - massPole*(cos*cos)/massTotal))
	acceleration := n - poleMassLength*angularAcceleration*cos/massTotal

	position := c.position + float64(interval*c.velocity)
	velocity := c.velocity + float64(interval*acceleration)
	angle := c.angle + float64(interval*c.angularVelocity)
	angularVelocity := c.angularVelocity + float64(interval*angularAcceleration)
	steps := c.steps + 1
	terminated, truncated = !withinLimits(position, angle), steps >= stepLimit
	c.position, c.velocity, c.angle, c.angularVelocity = position, velocity, angle, angularVelocity
	c.steps, c.running = steps, !terminated && !truncated
	c.observe(obs)
	return terminated, truncated
}

func fill(s []float32, x float32) {
	for i := range s {
		s[i] = x
	}
}

// sincos is math.Sincos for |x| < π/4, and bit for bit what that returns where
// the compiler fuses nothing, but for the sign of a zero, which Step does not
// see. The angle of a running episode is within angleLimit: nothing needs to be
// reduced or reflected, and no branch depends on it. The polynomials are those
// of Cephes, sin.c (Moshier, 1984 to 2000).
func sincos(x float64) (sin, cos float64) {
	xx := x * x
	s := float64(1.58962301576546568060e-10*xx) - 2.50507477628578072866e-8
	s = float64(s*xx) + 2.75573136213857245213e-6
	s = float64(s*xx) - 1.98412698295895385996e-4
	s = float64(s*xx) + 8.33333333332211858878e-3
	s = float64(s*xx) - 1.66666666666666307295e-1
	c := float64(-1.13585365213876817300e-11*xx) + 2.08757008419747316778e-9
	c = float64(c*xx) - 2.75573141792967388112e-7
	c = float64(c*xx) + 2.48015872888517045348e-5
	c = float64(c*xx) - 1.38888888888730564116e-3
	c = float64(c*xx) + 4.16666666666665929218e-2
	return x + float64(x*xx*s), 1 - float64(0.5*xx) + float64(xx*xx*c)
}

func withinLimits(position, angle float64) bool {
	return math.Abs(position) <= positionLimit && math.Abs(angle) <= angleLimit
}

func (c *CartPole) observe(obs *[4]float32) {
	obs[0] = float32(c.position)
	obs[1] = float32(c.velocity)
	obs[2] = float32(c.angle)
	obs[3] = float32(c.angularVelocity)
}

// row is obs, of the length that it must have.
func row(obs []float32) *[4]float32 {
	if len(obs) != 4 {
		panic(fmt.Sprintf("classic: CartPole-v1: observation of length %d, want 4", len(obs)))
	}
	return (*[4]float32)(obs)
}

// AppendState appends the whole state to b.
func (c *CartPole) AppendState(b []byte) []byte { return state.Append(b, c.fields) }

// RestoreState reads what AppendState wrote.
func (c *CartPole) RestoreState(b []byte) error {
	err := state.Restore(b, c.fields)
	if err == nil {
		err = c.validate()
	}
	if err != nil {
		c.running = false
		return fmt.Errorf("classic: CartPole-v1: %w", err)
	}
	return nil
}

func (c *CartPole) fields(s *state.Codec) {
	state.Value(s, &c.position)
	state.Value(s, &c.velocity)
	state.Value(s, &c.angle)
	state.Value(s, &c.angularVelocity)
	state.Value(s, &c.steps)
	state.Value(s, &c.running)
}

// validate refuses states that no episode can be in.
func (c *CartPole) validate() error {
	for _, v := range []float64{c.position, c.velocity, c.angle, c.angularVelocity} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("state variable %v, want a finite number", v)
		}
	}
	switch {
	case c.steps < 0 || c.steps > stepLimit:
		return fmt.Errorf("%d steps, want 0 to %d", c.steps, stepLimit)
	case c.running && c.steps == stepLimit:
		return fmt.Errorf("running after %d steps, want an end", c.steps)
	case c.running && !withinLimits(c.position, c.angle):
		return fmt.Errorf("running at position %v m and angle %v rad, want at most %v and %v",
			c.position, c.angle, positionLimit, angleLimit)
	}
	return nil
}
