package main

import (
	"context"
	"fmt"
	"strings"

	"mend/agents"
	"mend/agents/dqn"
	"mend/agents/ppo"
	"mend/agents/signal"
	"mend/configs"
	"mend/configs/field"
	"mend/env"
	"mend/env/mdp"
	"mend/env/seed"
)

// newAgent builds the agent that the configuration names, and the potential
// that shapes its rewards, nil without shaping. The potential is neither fitted
// nor restored yet.
func newAgent(c *configs.Run, spec *env.Spec, s seed.Seed) (agents.Agent, *signal.Potential, error) {
	setup := signal.Setup{Spec: spec, Envs: c.Train.Envs, Steps: c.Train.Steps, Seed: s, Signal: c.Signal}
	if c.Signal.Shaping.Fits() {
		p, err := signal.NewPotential(c.Signal.Shaping, spec)
		if err != nil {
			return nil, nil, err
		}
		setup.Potential = p
	}
	var agent agents.Agent
	var err error
	switch c.Algo {
	case "ppo":
		agent, err = ppo.New(*c.PPO, setup)
	case "dqn":
		agent, err = dqn.New(*c.DQN, setup)
	default:
		err = fmt.Errorf("no agent %q", c.Algo) // configs.Read has refused it
	}
	if err != nil {
		return nil, nil, err
	}
	return agent, setup.Potential, nil
}

// discount is that of the world, or of the agent where the world has none.
func discount(c *configs.Run, spec *env.Spec) float64 {
	setup := signal.Setup{Spec: spec}
	if c.DQN != nil {
		return setup.Gamma(c.DQN.Gamma)
	}
	return setup.Gamma(c.PPO.Gamma)
}

// potentialWorlds is the number of worlds that a potential is fitted in, however
// many train: two of them are held out to measure it.
const potentialWorlds = 16

// prepare fits the potential of the agent, if it has one.
func (t *training) prepare(ctx context.Context) error {
	if t.potential == nil {
		return nil
	}
	return t.fit(ctx, t.potential)
}

// fit fits a potential in training worlds of its own.
func (t *training) fit(ctx context.Context, p *signal.Potential) error {
	x := t.config.Signal.Shaping
	root := seed.Seed(t.config.Train.Seed).Child("potential", 0)
	worlds, err := t.newVector(root.Child("worlds", 0), potentialWorlds)
	if err != nil {
		return err
	}
	spec := worlds.Spec()
	if err := worlds.SetExplore(t.config.Train.ExploringStarts); err != nil {
		return err
	}
	rule, err := t.factory.rule(t.config, x.Baseline, spec)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.err, "shaping: fitting the return of baseline:%s over %d steps\n", x.Baseline, x.Steps)
	if err := p.Fit(ctx, worlds, rule, discount(t.config, spec), root.Child("fit", 0)); err != nil {
		return err
	}
	q := p.Quality()
	fmt.Fprintf(t.err, "shaping: %s\n", fitted(q))
	if q.ExplainedVariance <= 0 {
		t.log().Warn("the potential predicts no better than a constant: it changes no optimum, but will hardly help; more shaping.steps may")
	}
	return nil
}

// fitted says how well a potential was fitted.
func fitted(q signal.Quality) string {
	return fmt.Sprintf("the potential explains %.1f %% of the variance of the return in %d steps held out and %.1f %% where it was fitted, the rest being chance or not observed; mean relative error %.3g",
		100*q.ExplainedVariance, q.Steps, 100*q.FittedVariance, q.RelativeError)
}

// learningSignal lists what changes the learning signal, "plain" where nothing
// does.
func learningSignal(c *configs.Run) string {
	s := c.Signal
	var on []string
	add := func(is bool, format string, args ...any) {
		if is {
			on = append(on, fmt.Sprintf(format, args...))
		}
	}
	add(s.NormalizeObservation, "normalized observations")
	add(s.NormalizeReward, "normalized rewards")
	add(s.Differential, "differential rewards")
	add(s.ValueHead != "linear", "value head %s", s.ValueHead)
	add(s.Credit != signal.CreditPlain, "credit by %s", s.Credit)
	add(s.Average == signal.AverageTail, "weights averaged over the last %.4g %%", 100*(1-s.AverageStart))
	add(s.Average == signal.AverageEMA, "weights averaged by ema %g", s.AverageDecay)
	add(s.Shaping.Fits(), "shaped by baseline:%s", s.Shaping.Baseline)
	add(s.Shaping.Baseline != "" && !s.Shaping.Fits(), "shaped by baseline:%s (%s)", s.Shaping.Baseline, s.Shaping.Kind)
	add(s.Shaping.Samples > 1, "rewards of %d draws", s.Shaping.Samples)
	if m := c.Env.MDP; m != nil {
		add(m.Cost == mdp.Expected, "expected costs")
		add(m.Guard, "guarded")
		add(m.Hold != mdp.DefaultConfig().Hold, "a decision every %v", m.Hold)
	}
	add(c.Train.ExploringStarts > 0, "%.4g %% exploring starts", 100*c.Train.ExploringStarts)
	if len(on) == 0 {
		return "plain"
	}
	return strings.Join(on, ", ")
}

// checkWorld refuses options of the learning signal that the world of r does not
// serve. It builds a world only where there is such an option, and no exact MDP,
// which all serve the same.
func checkWorld(r *configs.Run) error {
	explore, credit := r.Train.ExploringStarts > 0, r.Signal.Credit == signal.CreditSubject
	if !explore && !credit && !r.Signal.Differential {
		return nil
	}
	explores, credits, gamma := true, false, 0.0
	if m := r.Env.MDP; m == nil {
		w, err := bareWorld(&r.Env)
		if err != nil {
			return err
		}
		_, explores = w.(env.Exploring)
		_, credits = w.(env.Credited)
		credits = credits && w.Spec().Subjects > 0
		gamma = w.Spec().Gamma
	} else if m.Tau > 0 {
		gamma = 0.5 // which it is does not matter: it is not 1
	}
	var e field.Errors
	e.Want(!credit || credits, "signal.credit", r.Signal.Credit, signal.CreditPlain+": "+r.Env.ID+" does not say whose reward is whose")
	e.Want(!explore || explores, "train.exploring_starts", r.Train.ExploringStarts, "0: "+r.Env.ID+" offers no exploring starts")
	e.Want(!r.Signal.Differential || discount(r, &env.Spec{Gamma: gamma}) == 1, "signal.differential", true, "false where the discount is not 1")
	return e.Err()
}
