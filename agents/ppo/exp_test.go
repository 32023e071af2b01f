package ppo

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"

	"mend/env"
	"mend/env/classic"
	"mend/env/seed"
)

func TestExp(t *testing.T) {
	spec := os.Getenv("EXP")
	if spec == "" {
		t.Skip()
	}
	cfg := cartPoleConfig()
	if err := json.Unmarshal([]byte(spec), &cfg); err != nil {
		t.Fatal(err)
	}
	total := uint64(100000)
	if s := os.Getenv("TOTAL"); s != "" {
		total, _ = strconv.ParseUint(s, 10, 64)
	}
	envs := 8
	if s := os.Getenv("ENVS"); s != "" {
		envs, _ = strconv.Atoi(s)
	}
	nseeds := 10
	if s := os.Getenv("SEEDS"); s != "" {
		nseeds, _ = strconv.Atoi(s)
	}
	world := func() env.Env { return classic.NewCartPole() }
	for s := range nseeds {
		root := seed.Seed(s + 1)
		var r0, r1 syscall.Rusage
		syscall.Getrusage(0, &r0)
		p := newPlayer(t, cfg, envs, total, root, world)
		first, solved, dips, n := uint64(0), 0, 0, 0
		last := 0.0
		firstCPU := 0.0
		cpu := func() float64 {
			syscall.Getrusage(0, &r1)
			return float64(r1.Utime.Nano()-r0.Utime.Nano()+r1.Stime.Nano()-r0.Stime.Nano()) / 1e9
		}
		for p.steps < total {
			if p.step(t) && p.steps/2048 != (p.steps-uint64(envs*cfg.RolloutSteps))/2048 {
				last = episodeReturns(t, p.agent.Greedy(), 20, root.Child("evaluate", 0), world)
				n++
				if last >= 475 {
					solved++
					if first == 0 {
						first = p.steps
						firstCPU = cpu()
					}
				} else if first > 0 {
					dips++
				}
			}
		}
		fin := episodeReturns(t, p.agent.Greedy(), 100, root.Child("final", 0), world)
		fmt.Printf("seed %d first %d (%.1fs) last %.1f final100 %.1f dips %d/%d cpu %.1fs\n", s+1, first, firstCPU, last, fin, dips, n, cpu())
	}
}
