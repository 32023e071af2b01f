package ppo

import (
	"fmt"

	"mend/agents/kernel"
	"mend/env"
	"mend/env/state"
)

// rollout holds up to T steps of N environments, time-major: entry t*N+i is
// step t of environment i.
type rollout struct {
	steps, envs, dim, actions int
	masked                    bool

	length     uint64    // steps recorded
	obs        []float32 // [T*N*dim]
	mask       []bool    // [T*N*actions], nil where the world has no mask
	action     []int32   // [T*N]
	reward     []float32 // [T*N]
	elapsed    []float32 // [T*N]
	terminated []bool    // [T*N]
	truncated  []bool    // [T*N]
	next       []float32 // [N*dim], the observation after the last step
	final      []float32 // [k*dim], FinalObs of the k truncated steps, in order
	chains     *chains   // of each subject's decisions; nil for plain credit
}

func newRollout(steps, envs int, spec *env.Spec) *rollout {
	n, dim := steps*envs, spec.ObsDim()
	r := &rollout{
		steps: steps, envs: envs, dim: dim, actions: len(spec.Actions), masked: spec.Masked,
		obs:        make([]float32, n*dim),
		action:     make([]int32, n),
		reward:     make([]float32, n),
		elapsed:    make([]float32, n),
		terminated: make([]bool, n),
		truncated:  make([]bool, n),
		next:       make([]float32, envs*dim),
	}
	if spec.Masked {
		r.mask = make([]bool, n*r.actions)
	}
	return r
}

func (r *rollout) full() bool { return r.length == uint64(r.steps) }

func (r *rollout) reset() {
	r.length, r.final = 0, r.final[:0]
	if r.chains != nil {
		r.chains.reset()
	}
}

// bootstraps reports whether entry k needs the value of a FinalObs.
func (r *rollout) bootstraps(k int) bool { return r.truncated[k] && !r.terminated[k] }

// add copies one step of all environments.
func (r *rollout) add(prev *env.TimeStep, actions []int, next *env.TimeStep) {
	if prev.N != r.envs || next.N != r.envs || len(actions) != r.envs {
		panic(fmt.Sprintf("ppo: a step of %d environments with %d actions to %d environments, want %d of each", prev.N, len(actions), next.N, r.envs))
	}
	if len(prev.Obs) != r.envs*r.dim || len(prev.Mask) != len(r.mask)/r.steps {
		panic(fmt.Sprintf("ppo: a step of %d observed and %d masked values, want %d and %d", len(prev.Obs), len(prev.Mask), r.envs*r.dim, len(r.mask)/r.steps))
	}
	if r.full() {
		panic(fmt.Sprintf("ppo: step %d of a rollout of %d, want an Update first", r.length, r.steps))
	}
	t := int(r.length)
	at := t * r.envs
	copy(r.obs[at*r.dim:], prev.Obs)
	if r.masked {
		copy(r.mask[at*r.actions:], prev.Mask)
	}
	for i, a := range actions {
		r.action[at+i] = int32(a)
	}
	copy(r.reward[at:], next.Reward)
	copy(r.elapsed[at:], next.Elapsed)
	copy(r.terminated[at:], next.Terminated)
	copy(r.truncated[at:], next.Truncated)
	for i := range r.envs {
		if r.bootstraps(at + i) {
			r.final = append(r.final, next.FinalObs[i*r.dim:(i+1)*r.dim]...)
		}
	}
	if r.chains != nil {
		r.chains.add(at, prev, next)
	}
	r.length++
	if r.full() {
		copy(r.next, next.Obs)
		if r.chains != nil {
			r.chains.finish(next)
		}
	}
}

// check reports the first number of a full rollout that nothing can be learned
// from. Clipping would hide an infinite one.
func (r *rollout) check() error {
	type numbers struct {
		what  string
		width int
		list  []float32
	}
	all := []numbers{{"observation", r.dim, r.obs}, {"observation after the rollout,", r.dim, r.next}, {"reward", 1, r.reward}, {"elapsed time", 1, r.elapsed}}
	if r.chains != nil {
		all = append(all, numbers{"credit", 1, r.chains.reward})
	}
	for _, x := range all {
		if kernel.Finite(x.list) {
			continue
		}
		for k, v := range x.list {
			if v-v != 0 {
				row := k / x.width
				return fmt.Errorf("%s of step %d of environment %d is %v", x.what, row/r.envs+1, row%r.envs, v)
			}
		}
	}
	if kernel.Finite(r.final) {
		return nil
	}
	final := r.final
	for k := range r.reward {
		if !r.bootstraps(k) {
			continue
		}
		for _, v := range final[:r.dim] {
			if v-v != 0 {
				return fmt.Errorf("final observation of step %d of environment %d is %v", k/r.envs+1, k%r.envs, v)
			}
		}
		final = final[r.dim:]
	}
	return nil
}

// fields carries what was recorded, and no stale entries.
func (r *rollout) fields(c *state.Codec) {
	state.Value(c, &r.length)
	if r.length > uint64(r.steps) {
		c.Fail(fmt.Errorf("ppo: %d steps in a rollout of %d", r.length, r.steps))
	}
	if c.Err() != nil {
		r.length = 0
		return
	}
	n := int(r.length) * r.envs
	state.Fixed(c, r.obs[:n*r.dim])
	if r.masked {
		state.Fixed(c, r.mask[:n*r.actions])
	}
	state.Fixed(c, r.action[:n])
	state.Fixed(c, r.reward[:n])
	state.Fixed(c, r.elapsed[:n])
	state.Fixed(c, r.terminated[:n])
	state.Fixed(c, r.truncated[:n])
	if r.full() {
		state.Fixed(c, r.next)
	}
	state.Slice(c, &r.final)
	if r.chains != nil {
		r.chains.fields(c, n)
	}
	if !c.Restoring() || c.Err() != nil {
		return
	}
	ends := 0
	for k := range n {
		if r.bootstraps(k) {
			ends++
		}
		if a := int(r.action[k]); a < 0 || a >= r.actions || r.masked && !r.mask[k*r.actions+a] {
			c.Fail(fmt.Errorf("ppo: action %d of step %d is not legal", a, k/r.envs))
			return
		}
	}
	if len(r.final) != ends*r.dim {
		c.Fail(fmt.Errorf("ppo: %d final observations for %d truncations", len(r.final)/r.dim, ends))
	}
}
