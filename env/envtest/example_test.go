package envtest_test

import (
	"fmt"

	"mend/env"
	"mend/env/envtest"
	"mend/env/toy"
)

// A chain is truncated after 20 steps; asked to end within 10, it fails.
func ExampleCheck() {
	newEnv := func() env.Env { return toy.NewChain() }
	for _, f := range envtest.Check(newEnv, envtest.Options{EpisodeSteps: 10}) {
		if !f.OK {
			fmt.Printf("%s: %s\n", f.Check, f.Detail)
		}
	}
	// Output:
	// end: episode 0 has not ended after 10 steps
	// misuse: the episode has not ended after 10 steps
	// exploring: the episode has not ended after 10 steps
}
