package ppo

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"mend/agents/signal"
	"mend/env"
	"mend/env/seed"
	"mend/env/toy"
)

type threshold int

func (w threshold) Act(t *env.TimeStep, actions []int) {
	for i := range actions {
		o := t.ObsRow(i)
		actions[i] = 0
		for k := int(w); k < 4; k++ {
			if o[2+k] == 1 {
				actions[i] = 1
			}
		}
	}
}

func TestTmp(t *testing.T) {
	for _, coupling := range []float64{0, 1} {
		world := func() env.Env { return toy.NewPair(coupling) }
		for _, steps := range []uint64{12000, 40000, 100000} {
			for _, mode := range []string{"none", "shaped3", "shaped2", "symexp", "running", "obs", "rew"} {
				var rs []float64
				note := ""
				for s := range 7 {
					c := DefaultConfig()
					c.RolloutSteps, c.MinibatchSize, c.LearningRate = 64, 256, 1e-3
					sig := signal.DefaultConfig()
					sig.Average = signal.AverageTail
					var pot *signal.Potential
					switch mode {
					case "symexp":
						sig.ValueHead = "symexp"
					case "running":
						c.NormalizeAdvantage = NormalizeRunning
					case "obs":
						sig.NormalizeObservation = true
					case "rew":
						sig.NormalizeReward = true
					case "shaped3", "shaped2":
						sig.Shaping.Baseline = "x"
						sc := sig.Shaping
						sc.Steps = 50000
						v := vector(t, 99, 16, world)
						pot, _ = signal.NewPotential(sc, v.Spec())
						start := time.Now()
						if err := pot.Fit(t.Context(), v, threshold(mode[6]-'0'), 0.95, 3); err != nil {
							t.Fatal(err)
						}
						note = fmt.Sprintf("%+v %v", pot.Quality(), time.Since(start))
					}
					p := newSignalPlayer(t, c, sig, pot, 16, steps, seed.Seed(s+1), world)
					p.train(t, steps)
					greedy := p.agent.Greedy()
					step, actions := env.NewTimeStep(1, p.vector.Spec()), make([]int, 1)
					rs = append(rs, toy.PairRegret(coupling, func(x toy.PairState) int {
						x.Observe(step.Obs)
						greedy.Act(step, actions)
						return actions[0]
					}))
				}
				slices.Sort(rs)
				fmt.Fprintf(os.Stderr, "coupling %v steps %d %s: median %.3f [%.3f %.3f] %s\n", coupling, steps, mode, rs[3], rs[0], rs[6], note)
			}
		}
	}
}
