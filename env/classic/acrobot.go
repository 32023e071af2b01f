package classic

import (
	"fmt"
	"math"

	"mend/env"
	"mend/env/seed"
	"mend/env/state"
)

// AcrobotID is the registered name of [Acrobot].
const AcrobotID = "Acrobot-v1"

// Constants of Gymnasium's Acrobot-v1: gymnasium/envs/classic_control/
// acrobot.py, and max_episode_steps in gymnasium/envs/__init__.py. Both links
// are alike. The model is that of Sutton, "Generalization in reinforcement
// learning: successful examples using sparse coarse coding", NIPS 8, 1996, with
// the terms that its print lacks and Sutton and Barto's "Reinforcement
// Learning" has.
const (
	linkMass            = 1.0 // kg
	linkLength          = 1.0 // m
	linkCentre          = 0.5 // m, from the link's upper joint to its centre of mass
	linkInertia         = 1.0 // kg·m², about the centre of mass
	jointTorque         = 1.0 // N·m
	acrobotInterval     = 0.2 // s between decisions
	acrobotVelocity1    = 4 * math.Pi
	acrobotVelocity2    = 9 * math.Pi // rad/s; the velocities are clipped to ± these
	acrobotResetBound   = 0.1         // every state variable starts within ± this
	acrobotTargetHeight = 1.0         // m above the fixed joint; the episode terminates beyond it
	acrobotStepLimit    = 500         // steps; the episode is truncated after that many
)

// Actions of Acrobot.
const (
	TorqueNegative = iota
	TorqueNone
	TorquePositive
)

var acrobotSpec = env.Spec{
	ID:     AcrobotID,
	Digest: digest(acrobotDefinition()),
	Features: []env.Feature{
		{Name: "cos_theta_1", Unit: "1", Scale: 1},
		{Name: "sin_theta_1", Unit: "1", Scale: 1},
		{Name: "cos_theta_2", Unit: "1", Scale: 1},
		{Name: "sin_theta_2", Unit: "1", Scale: 1},
		{Name: "velocity_1", Unit: "rad/s", Scale: 1},
		{Name: "velocity_2", Unit: "rad/s", Scale: 1},
	},
	Actions: []string{TorqueNegative: "torque_negative", TorqueNone: "torque_none", TorquePositive: "torque_positive"},
}

// acrobotDefinition says all that the behaviour of Acrobot depends on.
func acrobotDefinition() string {
	return define([]string{
		AcrobotID,
		"dynamics gymnasium acrobot.py book float64 rk4, observation float32",
		"reward -1 per step, 0 on the terminating one",
		"reset uniform rounded to float32, seed.At(variable, 0)",
	}, []constant{
		{"gravity", gravity},
		{"link_mass", linkMass},
		{"link_length", linkLength},
		{"link_centre", linkCentre},
		{"link_inertia", linkInertia},
		{"joint_torque", jointTorque},
		{"interval", acrobotInterval},
		{"velocity_1_limit", acrobotVelocity1},
		{"velocity_2_limit", acrobotVelocity2},
		{"reset_bound", acrobotResetBound},
		{"target_height", acrobotTargetHeight},
		{"step_limit", acrobotStepLimit},
	})
}

// Acrobot is Gymnasium's Acrobot-v1: swing the free end of a double pendulum,
// driven at its middle joint only, to one link's length above the fixed joint.
// The reward is −1 for every step but the one that gets there, which
// terminates; an episode is truncated after 500 steps. The initial states come
// from our own seeds, so an episode of seed s is not Gymnasium's of seed s.
type Acrobot struct {
	x       acrobotState
	steps   int32 // since Reset
	running bool
}

// acrobotState is θ1, θ2 in rad and their velocities in rad/s. θ1 is 0 where
// the first link hangs down, θ2 is relative to the first link.
type acrobotState [4]float64

// NewAcrobot returns an Acrobot that awaits Reset.
func NewAcrobot() *Acrobot { return &Acrobot{} }

// Spec returns what a learner may know in advance.
func (a *Acrobot) Spec() *env.Spec { return &acrobotSpec }

// Reset draws each state variable uniformly from ±0.1, in its own unit, and
// rounds it to float32 as Gymnasium does. The mask is not used.
func (a *Acrobot) Reset(s seed.Seed, obs []float32, _ []bool) {
	*a = Acrobot{running: true}
	for i := range a.x {
		a.x[i] = float64(float32(acrobotResetBound * (2*seed.Uniform(s.At(uint64(i), 0)) - 1)))
	}
	a.observe(obs)
}

// Step applies a torque for one interval, by one step of the classical
// Runge-Kutta method; then the angles are wrapped to ±π and the velocities
// clipped. Sines differ between processor architectures in the last bit, and
// the motion is chaotic: histories are the same on one architecture only.
func (a *Acrobot) Step(action int, obs []float32, _ []bool) env.Outcome {
	if !a.running {
		panic("classic: Acrobot-v1: Step before Reset or after the episode's end")
	}
	if action < TorqueNegative || action > TorquePositive {
		panic(fmt.Sprintf("classic: Acrobot-v1: action %d, want 0 to 2", action))
	}
	a.x = a.x.integrate(jointTorque*float64(action-TorqueNone), acrobotInterval)
	a.x[0], a.x[1] = wrap(a.x[0]), wrap(a.x[1])
	a.x[2] = min(max(a.x[2], -acrobotVelocity1), acrobotVelocity1)
	a.x[3] = min(max(a.x[3], -acrobotVelocity2), acrobotVelocity2)
	a.steps++

	o := env.Outcome{
		Reward:     -1,
		Elapsed:    1,
		Terminated: a.x.height() > acrobotTargetHeight,
		Truncated:  a.steps >= acrobotStepLimit,
	}
	if o.Terminated {
		o.Reward = 0
	}
	a.running = !o.Terminated && !o.Truncated
	a.observe(obs)
	return o
}

// height is how far the free end is above the fixed joint, in m.
func (x acrobotState) height() float64 {
	return -linkLength*math.Cos(x[0]) - linkLength*math.Cos(x[1]+x[0])
}

// integrate follows the motion for h seconds under a constant torque.
//
//	x' = x + h/6·(k1 + 2·k2 + 2·k3 + k4)
//	k1 = f(x), k2 = f(x + h/2·k1), k3 = f(x + h/2·k2), k4 = f(x + h·k3)
func (x acrobotState) integrate(torque, h float64) acrobotState {
	k1 := x.derivative(torque)
	k2 := x.plus(h/2, k1).derivative(torque)
	k3 := x.plus(h/2, k2).derivative(torque)
	k4 := x.plus(h, k3).derivative(torque)
	for i := range x {
		x[i] += h / 6 * (k1[i] + 2*k2[i] + 2*k3[i] + k4[i])
	}
	return x
}

// plus is x + h·k.
func (x acrobotState) plus(h float64, k acrobotState) acrobotState {
	for i := range x {
		x[i] += h * k[i]
	}
	return x
}

// derivative is the rate of change of x under torque τ, with m, l, c and I the
// mass, length, centre and inertia of links 1 and 2:
//
//	d1 = m1·c1² + m2·(l1² + c2² + 2·l1·c2·cos θ2) + I1 + I2
//	d2 = m2·(c2² + l1·c2·cos θ2) + I2
//	φ2 = m2·c2·g·sin(θ1+θ2)
//	φ1 = −m2·l1·c2·θ̇2·(θ̇2 + 2·θ̇1)·sin θ2 + (m1·c1 + m2·l1)·g·sin θ1 + φ2
//	θ̈2 = (τ + d2/d1·φ1 − m2·l1·c2·θ̇1²·sin θ2 − φ2) / (m2·c2² + I2 − d2²/d1)
//	θ̈1 = −(d2·θ̈2 + φ1) / d1
//
// Gymnasium writes sin α as cos(α − π/2).
func (x acrobotState) derivative(torque float64) acrobotState {
	const (
		coupling = linkMass * linkLength * linkCentre
		inertia2 = linkMass*linkCentre*linkCentre + linkInertia // of link 2 about its joint
		inertia1 = inertia2 + linkInertia + linkMass*(linkLength*linkLength+linkCentre*linkCentre)
	)
	v1, v2 := x[2], x[3]
	sin2, cos2 := math.Sincos(x[1])
	d1 := inertia1 + 2*coupling*cos2
	d2 := inertia2 + coupling*cos2
	phi2 := linkMass * linkCentre * gravity * math.Sin(x[0]+x[1])
	phi1 := -coupling*v2*(v2+2*v1)*sin2 + linkMass*(linkCentre+linkLength)*gravity*math.Sin(x[0]) + phi2
	a2 := (torque + d2/d1*phi1 - coupling*v1*v1*sin2 - phi2) / (inertia2 - d2*d2/d1)
	a1 := -(d2*a2 + phi1) / d1
	return acrobotState{v1, v2, a1, a2}
}

// wrap brings an angle to [−π, π] by whole turns.
func wrap(angle float64) float64 {
	for angle > math.Pi {
		angle -= 2 * math.Pi
	}
	for angle < -math.Pi {
		angle += 2 * math.Pi
	}
	return angle
}

func (a *Acrobot) observe(obs []float32) {
	if len(obs) != 6 {
		panic(fmt.Sprintf("classic: Acrobot-v1: observation of length %d, want 6", len(obs)))
	}
	for i := range 2 {
		sin, cos := math.Sincos(a.x[i])
		obs[2*i], obs[2*i+1] = float32(cos), float32(sin)
		obs[4+i] = float32(a.x[2+i])
	}
}

// AppendState appends the whole state to b.
func (a *Acrobot) AppendState(b []byte) []byte { return state.Append(b, a.fields) }

// RestoreState reads what AppendState wrote.
func (a *Acrobot) RestoreState(b []byte) error {
	err := state.Restore(b, a.fields)
	if err == nil {
		err = a.validate()
	}
	if err != nil {
		a.running = false
		return fmt.Errorf("classic: Acrobot-v1: %w", err)
	}
	return nil
}

func (a *Acrobot) fields(c *state.Codec) {
	state.Fixed(c, a.x[:])
	state.Value(c, &a.steps)
	state.Value(c, &a.running)
}

// validate refuses states that no episode can be in.
func (a *Acrobot) validate() error {
	for i, bound := range [4]float64{math.Pi, math.Pi, acrobotVelocity1, acrobotVelocity2} {
		if !(math.Abs(a.x[i]) <= bound) {
			return fmt.Errorf("state variable %d is %v, want at most ±%v", i, a.x[i], bound)
		}
	}
	switch {
	case a.steps < 0 || a.steps > acrobotStepLimit:
		return fmt.Errorf("%d steps, want 0 to %d", a.steps, acrobotStepLimit)
	case a.running && a.steps == acrobotStepLimit:
		return fmt.Errorf("running after %d steps, want an end", a.steps)
	case a.running && a.x.height() > acrobotTargetHeight:
		return fmt.Errorf("running with the free end at %v m, want an end beyond %v", a.x.height(), acrobotTargetHeight)
	}
	return nil
}
