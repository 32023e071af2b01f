// Package policy is the artifact that a run ends in, policy.mend: a network
// with what its inputs and outputs mean, its safety rules, where it comes from
// and how well it did.
//
// Start with [Load], then [Artifact.Policy]: it decides from named raw values
// ([Policy.DecideNamed]), as a service does, or acts in worlds
// ([Policy.Act]). The package links neither training code nor a server. The
// file format is in format.md.
package policy

import (
	"fmt"

	"mend/agents/mlp"
	"mend/env"
)

// Artifact is a trained policy and everything needed to use it. Its slices are
// shared with whatever is made from it and not to be written to.
type Artifact struct {
	Features []env.Feature // what the network's inputs mean, in order
	Actions  []string      // what its outputs mean, in order
	Masked   bool          // trained with a mask of legal actions
	Guards   []env.Guard   // applied to every decision
	Fallback Fallback
	Net      *mlp.Net

	Provenance Provenance
	Evaluation *Evaluation // nil where it was not evaluated

	digest string
}

// Fallback is the hand-written policy that takes over where this one must not
// decide. Without a name there is none.
type Fallback struct {
	Name       string
	Parameters map[string]float64
}

// Provenance says what trained a policy, in which world.
type Provenance struct {
	Env       string `json:"env"`
	EnvDigest string `json:"env_digest"`
	Run       string `json:"run"`
	Algo      string `json:"algo"`
	Seed      uint64 `json:"seed"`
	Steps     uint64 `json:"steps"` // environment steps
	Tool      string `json:"tool"`  // version of mend
	Revision  string `json:"revision"`
	Go        string `json:"go"`
	CPU       string `json:"cpu"`
	Kernel    string `json:"kernel,omitempty"` // what computed; empty in old files
	// TrainSystems are the systems of a trace that training replayed; empty
	// where failures were drawn.
	TrainSystems []string `json:"train_systems,omitempty"`
}

// Evaluation compares policies on the same episodes.
type Evaluation struct {
	Episodes uint64
	Seed     uint64
	Policies []Result
}

// Result is what one policy achieved.
type Result struct {
	Name, Kind string // kind is learned, baseline, oracle or optimal
	Metrics    []Estimate
	Paired     *Paired // nil where there was nothing to compare with
}

// Estimate is a mean with its 95 % interval.
type Estimate struct {
	Name         string
	Mean, Lo, Hi float64
}

// Paired is the mean difference from another policy on the same episodes, with
// its 95 % interval.
type Paired struct {
	Vs, Metric   string
	Mean, Lo, Hi float64
}

// Digest is the hex SHA-256 that identifies the artifact: of the payload of the
// file that it was decoded from, or last saved to; empty before that.
func (a *Artifact) Digest() string { return a.digest }

// Spec is what the artifact knows of the world that it was trained in: id,
// digest, features, actions, whether they are masked, and guards.
func (a *Artifact) Spec() *env.Spec {
	return &env.Spec{
		ID:       a.Provenance.Env,
		Digest:   a.Provenance.EnvDigest,
		Features: a.Features,
		Actions:  a.Actions,
		Masked:   a.Masked,
		Guards:   a.Guards,
	}
}

// Check refuses a world in which the policy cannot act because features (name,
// unit, offset, scale, order) or actions differ, naming the first difference.
// A world that differs elsewhere only, and so in its digest, is accepted.
func (a *Artifact) Check(s *env.Spec) error {
	for i := range max(len(a.Features), len(s.Features)) {
		got, want := "missing", "none"
		if i < len(s.Features) {
			got = describe(s.Features[i])
		}
		if i < len(a.Features) {
			want = describe(a.Features[i])
		}
		if i >= len(s.Features) || i >= len(a.Features) || s.Features[i] != a.Features[i] {
			return fmt.Errorf("policy: feature %d of %s is %s, want %s as in training", i, s.ID, got, want)
		}
	}
	for i := range max(len(a.Actions), len(s.Actions)) {
		got, want := "missing", "none"
		if i < len(s.Actions) {
			got = fmt.Sprintf("%q", s.Actions[i])
		}
		if i < len(a.Actions) {
			want = fmt.Sprintf("%q", a.Actions[i])
		}
		if got != want {
			return fmt.Errorf("policy: action %d of %s is %s, want %s as in training", i, s.ID, got, want)
		}
	}
	return nil
}

func describe(f env.Feature) string {
	return fmt.Sprintf("%q [%s] with offset %v and scale %v", f.Name, f.Unit, f.Offset, f.Scale)
}
