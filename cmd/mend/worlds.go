package main

import (
	"errors"
	"slices"
	"strings"

	"mend/configs"
	"mend/env"
	"mend/env/classic"
	"mend/env/cluster"
	"mend/env/mdp"
	"mend/env/trace"
)

// split says what a world is for. It matters for worlds that replay a trace:
// they train on some of its systems and are evaluated on others.
type split int

const (
	trainingSplit split = iota
	evaluationSplit
)

// recipe is what a registered world is built from.
type recipe struct {
	env   configs.Env
	split split
	trace *trace.Trace // already read; nil where the world replays none
	exact *mdp.World   // already built, to be made siblings of; nil where the world is no exact MDP
}

// worlds lists every world.
func worlds() *env.Registry[recipe] {
	var r env.Registry[recipe]
	for _, s := range configs.Scenarios() {
		if s.Trace {
			r.Add(env.Entry[recipe]{ID: s.ID, Summary: s.Summary, New: newReplay})
			continue
		}
		r.Add(env.Entry[recipe]{ID: s.ID, Summary: s.Summary, New: func(r recipe) (env.Env, error) {
			return world(cluster.New(r.env.ID, *r.env.Cluster))
		}})
	}
	for _, e := range mdp.Catalogue {
		r.Add(env.Entry[recipe]{ID: e.ID, Summary: e.Summary, New: func(r recipe) (env.Env, error) { return r.exact.Sibling(), nil }})
	}
	r.Add(env.Entry[recipe]{ID: "CartPole-v1", Summary: "Gymnasium's cart and pole, 500 steps", New: func(recipe) (env.Env, error) {
		return classic.NewCartPole(), nil
	}})
	r.Add(env.Entry[recipe]{ID: "Acrobot-v1", Summary: "Gymnasium's two-link pendulum, 500 steps", New: func(recipe) (env.Env, error) {
		return classic.NewAcrobot(), nil
	}})
	return &r
}

// world is w, or an untyped nil with the error.
func world(w *cluster.World, err error) (env.Env, error) {
	if err != nil {
		return nil, err
	}
	return w, nil
}

func newReplay(r recipe) (env.Env, error) {
	names := r.env.Trace.TrainSystems
	if r.split == evaluationSplit {
		names = r.env.Trace.EvalSystems
	}
	t, err := r.trace.Select(names)
	if err != nil {
		return nil, err
	}
	w, _, err := cluster.NewTrace(r.env.ID, *r.env.Cluster, t) // skips none: dealSystems has seen to that
	return world(w, err)
}

func ids() []string {
	var list []string
	for _, e := range worlds().Entries() {
		list = append(list, e.ID)
	}
	return list
}

// factory builds worlds of one configuration, as many as are wanted. Its trace
// is read, and its model is built or read, once.
type factory struct {
	entry  env.Entry[recipe]
	recipe recipe
	report *trace.Report // of the trace; nil where there is none
	shaped *mdp.World    // what training worlds are siblings of, where an exact MDP is shaped
}

// newFactory builds the model of an exact MDP. It reads the trace, if the world
// of c replays one, and settles which of its systems are for training and which
// for evaluation, in c.
func newFactory(c *configs.Env) (*factory, error) {
	entry, err := worlds().Find(c.ID)
	if err != nil {
		return nil, usage(err)
	}
	f := &factory{entry: entry, recipe: recipe{env: *c}}
	if x, ok := mdp.Find(c.ID); ok {
		m, err := buildModel(x, c.MDP)
		if err != nil {
			return nil, err
		}
		f.recipe.exact, err = mdp.New(m, *c.MDP)
		return f, usage(err) // c asks for what the model cannot do
	}
	if c.Trace == nil {
		return f, nil
	}
	if c.Trace.File == "" {
		return nil, usagef("%s replays a trace: want --trace FILE, or env.trace.file in the configuration", c.ID)
	}
	t, report, err := openTrace(c.Trace.File)
	if err != nil {
		return nil, err
	}
	f.recipe.trace, f.report = t, report
	if err := dealSystems(c, t); err != nil {
		return nil, err
	}
	f.recipe.env = *c
	return f, nil
}

// buildModel makes the model of an exact MDP, or reads it from the file that c
// names.
func buildModel(x mdp.Entry, c *mdp.Config) (*mdp.Model, error) {
	if !x.File {
		return x.Build(c)
	}
	if c.File == "" {
		return nil, usagef("%s is a finite MDP of your own: want --mdp FILE, or env.mdp.file in the configuration", x.ID)
	}
	data, err := readFile(c.File, "a finite MDP")
	if err != nil {
		return nil, err
	}
	m, err := configs.ReadModel(c.File, data)
	return m, usage(err)
}

func openTrace(path string) (*trace.Trace, *trace.Report, error) {
	if err := checkFile(path, "a failure trace"); err != nil {
		return nil, nil, err
	}
	return trace.Open(path)
}

// dealSystems fills in the systems to train and to evaluate on, where c names
// none: the usable ones in turn. Names in both lists are refused.
func dealSystems(c *configs.Env, t *trace.Trace) error {
	if len(c.Trace.TrainSystems) == 0 && len(c.Trace.EvalSystems) == 0 {
		w, _, err := cluster.NewTrace(c.ID, *c.Cluster, t)
		if err != nil {
			return usagef("%w; env.cluster.topology and horizon say what is wanted", err)
		}
		systems := w.Systems()
		if len(systems) < 2 {
			return usagef("%s has one system that can be replayed, %s: want two, one of them to evaluate on, or env.trace.train_systems and eval_systems in the configuration",
				t.Name, strings.Join(systems, ", "))
		}
		for i, s := range systems {
			if i%2 == 0 {
				c.Trace.TrainSystems = append(c.Trace.TrainSystems, s)
			} else {
				c.Trace.EvalSystems = append(c.Trace.EvalSystems, s)
			}
		}
		return nil
	}
	for _, x := range []struct {
		key   string
		names []string
	}{{"train_systems", c.Trace.TrainSystems}, {"eval_systems", c.Trace.EvalSystems}} {
		if len(x.names) == 0 {
			return usagef("env.trace.%s is empty, want names of systems, or both lists empty", x.key)
		}
		sel, err := t.Select(x.names)
		if err != nil {
			return usagef("env.trace.%s: %w; where train_systems and eval_systems are both [], systems are dealt out", x.key, err)
		}
		_, skipped, err := cluster.NewTrace(c.ID, *c.Cluster, sel)
		if err == nil && len(skipped) > 0 {
			err = errors.New("cluster: " + strings.Join(skipped, "; "))
		}
		if err != nil {
			return usagef("env.trace.%s: %w", x.key, err)
		}
	}
	for _, name := range c.Trace.TrainSystems {
		if slices.Contains(c.Trace.EvalSystems, name) {
			return usagef("env.trace: system %s is in train_systems and in eval_systems, want it in one of them", name)
		}
	}
	return nil
}

// env builds one world.
func (f *factory) env(s split) (env.Env, error) {
	r := f.recipe
	r.split = s
	if s == trainingSplit && f.shaped != nil {
		r.exact = f.shaped
	}
	return f.entry.New(r)
}

// of is env as a function.
func (f *factory) of(s split) func() (env.Env, error) {
	return func() (env.Env, error) { return f.env(s) }
}
