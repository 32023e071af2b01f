package workload_test

import (
	"fmt"

	"mend/env"
	"mend/env/workload"
)

// A day of load, change by change.
func ExampleProcess() {
	p, err := workload.New(workload.DefaultConfig(), 2000)
	if err != nil {
		fmt.Println(err)
		return
	}
	p.Reset(1)
	var requests, hottest float64
	for p.Now() < env.Day {
		until := min(p.Next(), env.Day)
		n := p.Rate() * (until - p.Now()).Seconds()
		requests += n
		hottest += n * p.Share(0)
		p.Advance(until)
	}
	fmt.Printf("%.1f·10⁹ requests, %.1f %% of them for the most popular shard\n", requests/1e9, 100*hottest/requests)
	// Output:
	// 8.8·10⁹ requests, 11.8 % of them for the most popular shard
}
