// Package toy holds tiny worlds whose optimum is known in closed form or solved
// exactly, so that a learner can be asked for the right answer within seconds.
//
// Each world asks for one thing: [Bandit] for the value of an action in a
// context, [Chain] for bootstrapping over a time limit, [Masked] for never
// choosing an illegal action, [SemiMarkov] for discounting by the time that a
// step took, [Pair] for crediting each of two subjects with its own doing. None
// of them measures anything besides its return.
package toy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"mend/env"
)

// digest is the hex SHA-256 of everything that a world depends on.
func digest(definition ...any) string {
	sum := sha256.Sum256([]byte(fmt.Sprintln(definition...)))
	return hex.EncodeToString(sum[:])
}

// check panics where the caller of Step or Reset breaks the contract.
func check(s *env.Spec, running bool, action int, obs []float32) {
	if !running {
		panic("toy: " + s.ID + ": Step before Reset or after the episode's end")
	}
	if action < 0 || action >= len(s.Actions) {
		panic(fmt.Sprintf("toy: %s: action %d, want 0 to %d", s.ID, action, len(s.Actions)-1))
	}
	checkLength(s, obs)
}

func checkLength(s *env.Spec, obs []float32) {
	if len(obs) != s.ObsDim() {
		panic(fmt.Sprintf("toy: %s: observation of length %d, want %d", s.ID, len(obs), s.ObsDim()))
	}
}

// oneHot writes 1 at position hot of obs and 0 elsewhere.
func oneHot(obs []float32, hot int) {
	clear(obs)
	obs[hot] = 1
}

// indicators are n features of which one is 1: name_0, name_1, and so on.
func indicators(name string, n int) []env.Feature {
	f := make([]env.Feature, n)
	for i := range f {
		f[i] = env.Feature{Name: fmt.Sprintf("%s_%d", name, i), Unit: "1", Scale: 1}
	}
	return f
}
