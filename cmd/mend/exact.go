package main

import (
	"context"
	"errors"

	"mend/agents"
	"mend/env/mdp"
	"mend/eval"
	"mend/eval/exact"
)

// optimalName is what the solved policy is called among others.
const optimalName = "optimal"

// optimum solves the exact MDP, within its mask.
func (f *factory) optimum(ctx context.Context) (*exact.Solution, error) {
	w := f.recipe.exact
	return exact.Optimum(ctx, w.Model(), exact.Options{Legal: w.Legal})
}

// evaluate plays entries against each other; in an exact MDP beside the optimal
// policy, and with what each costs exactly.
func (f *factory) evaluate(ctx context.Context, entries []eval.Entry, c eval.Config) (*eval.Result, error) {
	w := f.recipe.exact
	if w == nil {
		return eval.Run(ctx, f.of(evaluationSplit), entries, c)
	}
	best, err := f.optimum(ctx)
	if err != nil {
		return nil, err
	}
	entries = append(entries, eval.Entry{Name: optimalName, Kind: eval.Optimal, New: func() (agents.Policy, error) {
		return mdp.NewActor(w.Model(), best.Policy), nil
	}})
	for i := range entries {
		if entries[i].Exact, err = exactCost(ctx, w, entries[i]); err != nil {
			return nil, err
		}
	}
	return eval.Run(ctx, f.of(evaluationSplit), entries, c)
}

// exactCost is what an entry costs in the long run, in $/h; nil where that depends
// on where it starts.
func exactCost(ctx context.Context, w *mdp.World, e eval.Entry) (*float64, error) {
	p, err := e.New()
	if err != nil {
		return nil, err
	}
	s, err := exact.Evaluate(ctx, w.Model(), exact.PolicyOf(w, p), exact.Options{})
	if errors.Is(err, exact.ErrMultichain) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &s.Gain, nil
}
