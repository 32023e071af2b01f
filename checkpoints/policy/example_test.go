package policy_test

import (
	"fmt"
	"log"

	"mend/checkpoints/policy"
)

// A service loads a policy once and asks it with the figures that it knows.
func Example() {
	artifact, err := policy.Load("testdata/v1.mend")
	if err != nil {
		log.Fatal(err)
	}
	p := artifact.Policy() // one for each goroutine

	legal := []string{"hold", "repair", "drop"}
	for _, copies := range []float64{1, 3, 5} {
		action, err := p.DecideNamed(map[string]float64{
			"believed_live_copies": copies,
			"backlog":              12, // TB, see artifact.Features
		}, legal)
		if err != nil {
			log.Fatal(err) // or act as artifact.Fallback says
		}
		fmt.Println(copies, action)
	}
	// Output:
	// 1 repair
	// 3 hold
	// 5 drop
}
