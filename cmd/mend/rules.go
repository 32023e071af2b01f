package main

import (
	"context"
	"fmt"

	"mend/agents"
	"mend/agents/baseline"
	"mend/agents/signal"
	"mend/configs"
	"mend/env"
	"mend/env/cluster"
	"mend/env/mdp"
	"mend/eval"
	"mend/eval/exact"
)

// rules are the names of the hand-written policies of the world.
func (f *factory) rules(c *configs.Run) []string {
	if w := f.recipe.exact; w != nil {
		var names []string
		for _, p := range w.Model().Policies {
			names = append(names, p.Name)
		}
		return names
	}
	if c.Baselines != nil {
		return baseline.Names()
	}
	return nil
}

// compared are the names of the rules that policies are compared with in world w:
// those that its questions tell apart.
func (f *factory) compared(c *configs.Run, w env.Env) []string {
	store, ok := w.(*cluster.World)
	if !ok || c.Baselines == nil {
		return f.rules(c)
	}
	var questions []string
	for _, d := range store.Decisions() {
		questions = append(questions, d.Feature)
	}
	return baseline.Suited(questions)
}

// rule builds the hand-written policy of that name.
func (f *factory) rule(c *configs.Run, name string, spec *env.Spec) (agents.Policy, error) {
	if w := f.recipe.exact; w != nil {
		p, err := w.Model().Named(name)
		if err != nil {
			return nil, err
		}
		return mdp.NewActor(w.Model(), p.Policy), nil
	}
	return baseline.New(name, *c.Baselines, spec)
}

// baselines are the entries of the named rules.
func (f *factory) baselines(c *configs.Run, spec *env.Spec, names []string) []eval.Entry {
	var entries []eval.Entry
	for _, name := range names {
		entries = append(entries, eval.Entry{
			Name: "baseline:" + name, Kind: eval.Baseline,
			New: func() (agents.Policy, error) { return f.rule(c, name, spec) },
		})
	}
	return entries
}

// shape makes the training worlds of an exact MDP pay what the kind of shaping
// says, where that is not for the agent to do.
func (t *training) shape(ctx context.Context) error {
	x := &t.config.Signal.Shaping
	if x.Baseline == "" || x.Fits() {
		return nil
	}
	w := t.factory.recipe.exact.Sibling()
	m := w.Model()
	p, err := m.Named(x.Baseline)
	if err != nil {
		return usagef("signal.shaping.baseline: %w", err)
	}
	// What the rule is within the mask.
	rule := exact.PolicyOf(w, mdp.NewActor(m, p.Policy))
	if x.Kind == signal.ShapingTwin {
		w.ShapeByTwin(rule)
	} else {
		phi, err := t.potentialOf(ctx, w, rule)
		if err != nil {
			return fmt.Errorf("shaping by %s: %w", x.Baseline, err)
		}
		w.ShapeByPotential(phi, x.Kind == signal.ShapingExpected)
	}
	w.Resample(x.Samples)
	t.factory.shaped = w
	return nil
}

// potentialOf is Φ of each state: what a rule is expected to earn from there on,
// solved, or fitted to rollouts.
func (t *training) potentialOf(ctx context.Context, w *mdp.World, rule mdp.Policy) ([]float64, error) {
	m := w.Model()
	if t.config.Signal.Shaping.Kind == signal.ShapingFitted {
		p, err := signal.NewPotential(t.config.Signal.Shaping, w.Spec())
		if err != nil {
			return nil, err
		}
		if err := t.fit(ctx, p); err != nil {
			return nil, err
		}
		values := make([]float32, m.States)
		p.Values(m.States, m.Obs, values)
		phi := make([]float64, m.States)
		for i, v := range values {
			phi[i] = float64(v)
		}
		return phi, nil
	}
	phi, err := costs(ctx, w, rule)
	for i := range phi {
		phi[i] = -phi[i]
	}
	return phi, err
}

// costs are what a rule costs from each state on: discounted, or without a
// discount relative to the start state.
func costs(ctx context.Context, w *mdp.World, rule mdp.Policy) ([]float64, error) {
	if w.Gamma() < 1 {
		return exact.EvaluateDiscounted(ctx, w.Model(), rule, w.Gamma(), exact.Options{})
	}
	s, err := exact.Evaluate(ctx, w.Model(), rule, exact.Options{})
	if err != nil {
		return nil, err
	}
	return s.Bias, nil
}
