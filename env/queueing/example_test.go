package queueing_test

import (
	"fmt"

	"mend/env/queueing"
)

// A server of 8 threads, 4 ms a request, at three loads.
func ExampleTable() {
	table, err := queueing.NewTable(queueing.Class{Servers: 8, ServiceSeconds: 0.004, CV2: 1, SLOSeconds: 0.05})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, rho := range []float64{0.5, 0.95, 1.25} {
		l := table.At(rho)
		fmt.Printf("%.2f: p99 %.1f ms, %.3f %% late, %.0f %% served\n", rho, 1000*l.P99, 100*l.Miss, 100*l.Served)
	}
	// Output:
	// 0.50: p99 18.5 ms, 0.000 % late, 100 % served
	// 0.95: p99 49.5 ms, 0.951 % late, 100 % served
	// 1.25: p99 2360.5 ms, 100.000 % late, 80 % served
}
