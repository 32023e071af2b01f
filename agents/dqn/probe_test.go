package dqn
import ("testing";"mend/agents/signal";"mend/env";"mend/env/classic";"mend/env/seed")
func TestProbe(t *testing.T){
 world := func() env.Env { return classic.NewCartPole() }
 for name, f := range map[string]func(c *Config){
  "A lin gs2": func(c *Config){c.LearningRateSchedule=Linear; c.GradientSteps=2},
  "B lin gs1": func(c *Config){c.LearningRateSchedule=Linear},
  "C lin gs2 n3": func(c *Config){c.LearningRateSchedule=Linear; c.GradientSteps=2; c.NStep=3},
  "D lin gs2 b128": func(c *Config){c.LearningRateSchedule=Linear; c.GradientSteps=2; c.BatchSize=128},
  "E lin gs2 int1000": func(c *Config){c.LearningRateSchedule=Linear; c.GradientSteps=2; c.TargetUpdateInterval=1000},
  "F lin gs2 lr2e-3": func(c *Config){c.LearningRateSchedule=Linear; c.GradientSteps=2; c.LearningRate=2e-3},
  "G lin gs2 tau": func(c *Config){c.LearningRateSchedule=Linear; c.GradientSteps=2; c.Tau=0.01},
 } { 
  var out []float64
  for s := range 4 {
  root:=seed.Seed(s+1)
  c:=DefaultConfig(); f(&c)
  p := newPlayer(t, c, signal.Setup{Envs: 8, Steps: 100_000, Seed: root}, world)
  var first uint64
  for p.steps<100_000 { p.step(t); if p.steps%4000==0 && first==0 && episodeReturns(t,p.agent.Greedy(),20,root.Child("e",0),world)>=475 { first=p.steps } }
  out=append(out, float64(first), episodeReturns(t,p.agent.Greedy(),50,root.Child("f",0),world))
 }
 t.Logf("%s %.0f", name, out)
 }
}
