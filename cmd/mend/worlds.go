package main

import (
	"errors"
	"maps"
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
	env     configs.Env
	split   split
	replays []replay   // already read
	exact   *mdp.World // already built, to be made siblings of; nil where the world is no exact MDP
}

// replay is a trace that takes the place of a failure process.
type replay struct {
	what   string // as cluster.NewReplay names it
	report *trace.Report
	// The systems to train and to evaluate on.
	train, eval *trace.Trace
	shared      bool // they are the same, for there is nothing to hold out
}

// worlds lists every world.
func worlds() *env.Registry[recipe] {
	var r env.Registry[recipe]
	for _, s := range configs.Scenarios() {
		r.Add(env.Entry[recipe]{ID: s.ID, Summary: s.Summary, New: newCluster})
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

func newCluster(r recipe) (env.Env, error) {
	traces := map[string]*trace.Trace{}
	for _, x := range r.replays {
		traces[x.what] = x.train
		if r.split == evaluationSplit {
			traces[x.what] = x.eval
		}
	}
	w, _, err := cluster.NewReplay(r.env.ID, *r.env.Cluster, traces) // skips none: the systems were chosen to suit
	if err != nil {
		return nil, err // not a *World that is nil
	}
	return w, nil
}

func ids() []string {
	var list []string
	for _, e := range worlds().Entries() {
		list = append(list, e.ID)
	}
	return list
}

// factory builds worlds of one configuration, as many as are wanted. Its traces
// are read, and its model is built or read, once.
type factory struct {
	entry  env.Entry[recipe]
	recipe recipe
	shaped *mdp.World // what training worlds are siblings of, where an exact MDP is shaped
}

// newFactory builds the model of an exact MDP. It reads the traces that the world
// of c replays, and settles which of their systems are for training and which
// for evaluation; those of c.Trace it writes into c.
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
	if c.Trace != nil {
		r, err := replayNodes(c)
		if err != nil {
			return nil, err
		}
		f.recipe.replays = append(f.recipe.replays, r)
	}
	for _, what := range slices.Sorted(maps.Keys(c.Traces)) {
		r, err := replayOf(what, c.Traces[what], *c.Cluster)
		if err != nil {
			return nil, err
		}
		f.recipe.replays = append(f.recipe.replays, r)
	}
	return f, nil
}

// replayNodes reads the trace of a world that replays the outages of its nodes.
func replayNodes(c *configs.Env) (replay, error) {
	if c.Trace.File == "" {
		return replay{}, usagef("%s replays a trace: want --trace FILE, or env.trace.file in the configuration", c.ID)
	}
	t, report, err := openTrace(c.Trace.File)
	if err != nil {
		return replay{}, err
	}
	if err := dealSystems(c, t); err != nil {
		return replay{}, err
	}
	r := replay{what: "node", report: report}
	if r.train, err = t.Select(c.Trace.TrainSystems); err != nil {
		return replay{}, err
	}
	r.eval, err = t.Select(c.Trace.EvalSystems)
	return r, err
}

// replayOf reads a trace of failures of what. Its usable systems are dealt out in
// turn to training and evaluation; a single one is cut in two in time, where the
// halves are long enough, or else serves both.
func replayOf(what, path string, cfg cluster.Config) (replay, error) {
	t, report, err := openTrace(path)
	if err != nil {
		return replay{}, err
	}
	systems, _, err := cluster.Usable(cfg, what, t)
	if err != nil {
		return replay{}, usagef("env.traces.%s: %w; env.cluster.topology and horizon say what is wanted", what, err)
	}
	r := replay{what: what, report: report}
	if len(systems) == 1 {
		return r.halve(t, systems[0], cfg)
	}
	even, odd := deal(systems)
	if r.train, err = t.Select(even); err != nil {
		return replay{}, err
	}
	r.eval, err = t.Select(odd)
	return r, err
}

// halve makes the halves of the one system that can be replayed those to train
// and to evaluate on.
func (r replay) halve(t *trace.Trace, system string, cfg cluster.Config) (replay, error) {
	whole, err := t.Select([]string{system})
	if err != nil {
		return replay{}, err
	}
	first, second := *whole, *whole
	a, b := whole.Systems[0].Halves()
	first.Systems, second.Systems = []trace.System{a}, []trace.System{b}
	r.train, r.eval = &first, &second
	for _, half := range []*trace.Trace{r.train, r.eval} {
		if _, _, err := cluster.Usable(cfg, r.what, half); err != nil {
			r.train, r.eval, r.shared = whole, whole, true
		}
	}
	return r, nil
}

// deal deals names out in turn.
func deal(names []string) (even, odd []string) {
	for i, name := range names {
		if i%2 == 0 {
			even = append(even, name)
		} else {
			odd = append(odd, name)
		}
	}
	return even, odd
}

// names are those of the systems of t, as reports show them.
func names(t *trace.Trace) string {
	var list []string
	for i := range t.Systems {
		list = append(list, t.Systems[i].Name)
	}
	return strings.Join(list, ", ")
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
		systems, _, err := cluster.Usable(*c.Cluster, "node", t)
		if err != nil {
			return usagef("%w; env.cluster.topology and horizon say what is wanted", err)
		}
		if len(systems) < 2 {
			return usagef("%s has one system that can be replayed, %s: want two, one of them to evaluate on, or env.trace.train_systems and eval_systems in the configuration",
				t.Name, strings.Join(systems, ", "))
		}
		c.Trace.TrainSystems, c.Trace.EvalSystems = deal(systems)
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
		_, skipped, err := cluster.Usable(*c.Cluster, "node", sel)
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
