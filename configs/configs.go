package configs

import (
	"embed"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"mend/agents/baseline"
	"mend/agents/dqn"
	"mend/agents/ppo"
	"mend/agents/signal"
	"mend/configs/field"
	"mend/env"
	"mend/env/cluster"
	"mend/env/mdp"
	"mend/eval"
	"mend/train"
)

// Run is the configuration of one training run, and of the evaluations made of
// it. It only nests the configurations of the packages.
type Run struct {
	Env       Env              `yaml:"env"`
	Algo      string           `yaml:"algo"` // which agent; its section follows
	PPO       *ppo.Config      `yaml:"ppo"`
	DQN       *dqn.Config      `yaml:"dqn"`
	Signal    signal.Config    `yaml:"signal"` // what the agent learns from
	Train     train.Config     `yaml:"train"`
	Eval      eval.Config      `yaml:"eval"`
	Baselines *baseline.Config `yaml:"baselines"` // worlds with a scenario only
}

// Env chooses a world. The scenario of that id is the default of Cluster.
type Env struct {
	ID      string          `yaml:"id"`
	Cluster *cluster.Config `yaml:"cluster"` // worlds with a scenario only
	MDP     *mdp.Config     `yaml:"mdp"`     // exact MDPs only
	Trace   *Trace          `yaml:"trace"`   // worlds that replay a trace only
	// Traces are files of recorded failures that take the place of drawn ones,
	// by what fails, one of cluster.Replayable. Worlds with a scenario only.
	Traces map[string]string `yaml:"traces"`
}

// Trace chooses what a world replays.
type Trace struct {
	File string `yaml:"file"`
	// Systems of the file to train and to evaluate on. Where both are empty,
	// those that are large enough are dealt out in turn.
	TrainSystems []string `yaml:"train_systems"`
	EvalSystems  []string `yaml:"eval_systems"`
}

// Algos lists what Run.Algo may be.
var Algos = []string{"ppo", "dqn"}

//go:embed scenarios/*.yaml
var scenarioFiles embed.FS

// Scenario is a registered world of env/cluster, as data.
type Scenario struct {
	ID      string          `yaml:"-"` // the file's name
	Summary string          `yaml:"summary"`
	Trace   bool            `yaml:"trace"` // whether it replays a trace
	Cluster *cluster.Config `yaml:"cluster"`
}

// Scenarios returns all scenarios, sorted by id.
func Scenarios() []Scenario {
	const folder = "scenarios"
	files, err := scenarioFiles.ReadDir(folder)
	if err != nil {
		panic(err) // embedded
	}
	var all []Scenario
	for _, f := range files {
		data, err := scenarioFiles.ReadFile(path.Join(folder, f.Name()))
		if err != nil {
			panic(err)
		}
		s, err := readScenario(f.Name(), data)
		if err != nil {
			panic(err) // a test reads them all
		}
		all = append(all, s)
	}
	return all
}

func readScenario(name string, data []byte) (Scenario, error) {
	c := cluster.DefaultConfig()
	s := Scenario{ID: strings.TrimSuffix(name, ".yaml"), Cluster: &c}
	source, err := Parse(name, data)
	if err != nil {
		return s, err
	}
	if err := source.Decode(&s); err != nil {
		return s, err
	}
	var e field.Errors
	e.Under("cluster", s.Cluster.Validate())
	return s, source.Positioned(e.Err())
}

// Default is the configuration of a run of that agent, one of Algos, on the
// world of that id, before a file changes it.
func Default(id, algo string) Run {
	r := Run{Env: Env{ID: id}, Algo: algo, Signal: signal.DefaultConfig(), Train: train.DefaultConfig(), Eval: eval.DefaultConfig()}
	switch algo {
	case "ppo":
		c := ppo.DefaultConfig()
		r.PPO = &c
	case "dqn":
		c := dqn.DefaultConfig()
		r.DQN = &c
	default:
		panic(fmt.Sprintf("configs: no agent %q", algo))
	}
	if x, ok := mdp.Find(id); ok {
		c := x.Config()
		r.Env.MDP = &c
	}
	for _, s := range Scenarios() {
		if s.ID == id {
			b := baseline.DefaultConfig()
			r.Env.Cluster, r.Baselines, r.Env.Traces = s.Cluster, &b, map[string]string{}
			if s.Trace {
				r.Env.Trace = &Trace{}
			}
		}
	}
	return r
}

// Read decodes a parsed file over the defaults of its world, which env.id
// names, and its agent, which algo names, and validates the result. ids are the
// registered worlds. Complaints are Errors, all at once.
func Read(s *Source, ids []string) (*Run, error) {
	id, ok := s.Lookup("env.id")
	if !ok {
		return nil, s.Positioned(field.Errors{{Path: "env.id", Message: "is missing, want one of " + strings.Join(ids, ", ")}})
	}
	if !slices.Contains(ids, id) {
		return nil, s.Positioned(field.Errors{{Path: "env.id", Message: "is an " + env.UnknownError{What: "environment", Name: id, Known: ids}.Error()}})
	}
	algo, ok := s.Lookup("algo")
	known := !ok || slices.Contains(Algos, algo)
	if !ok || !known {
		algo = Algos[0]
	}
	r, want := Default(id, algo), Default(id, algo)
	if err := s.Decode(&r); err != nil {
		return nil, err
	}
	var e field.Errors
	absent := func(is, want bool, path, why string) {
		if is && !want {
			e = append(e, field.Error{Path: path, Message: "is given, want none: " + why})
		} else if !is && want {
			e = append(e, field.Error{Path: path, Message: "is null, want a mapping, or no such key"})
		}
	}
	noUse := id + " has no use for it"
	absent(r.Env.Cluster != nil, want.Env.Cluster != nil, "env.cluster", noUse)
	absent(r.Env.MDP != nil, want.Env.MDP != nil, "env.mdp", noUse)
	absent(r.Env.Trace != nil, want.Env.Trace != nil, "env.trace", noUse)
	if want.Env.Traces == nil {
		absent(len(r.Env.Traces) > 0, false, "env.traces", noUse)
	}
	absent(r.Baselines != nil, want.Baselines != nil, "baselines", noUse)
	if known {
		absent(r.PPO != nil, want.PPO != nil, "ppo", "algo is "+algo)
		absent(r.DQN != nil, want.DQN != nil, "dqn", "algo is "+algo)
	}
	e.Want(known, "algo", fmt.Sprintf("%q", r.Algo), strings.Join(Algos, " or "))
	if len(e) == 0 {
		e = r.validate()
	}
	if len(e) > 0 {
		return nil, s.Positioned(e)
	}
	return &r, nil
}

// validate collects the complaints of all sections that are there.
func (r *Run) validate() field.Errors {
	var e field.Errors
	if r.Env.Cluster != nil {
		e.Under("env.cluster", r.Env.Cluster.Validate())
		e.Under("baselines", r.Baselines.Validate())
		r.Env.validateTraces(&e)
	}
	if x, ok := mdp.Find(r.Env.ID); ok {
		e.Under("env.mdp", x.Validate(r.Env.MDP))
	}
	if r.PPO != nil {
		e.Under("ppo", r.PPO.Validate())
		// What ppo.New refuses of these together.
		most := 1 << 30 / max(r.Train.Envs, 1)
		e.Want(r.PPO.RolloutSteps <= most, "ppo.rollout_steps", r.PPO.RolloutSteps, fmt.Sprintf("at most %d, 2^30 over all train.envs", most))
	}
	if r.DQN != nil {
		e.Under("dqn", r.DQN.Validate())
		e.Want(!r.Signal.Differential, "signal.differential", r.Signal.Differential, "false: it is for ppo")
		// What dqn.New refuses of these together.
		e.Want(r.DQN.Quantiles <= 1 || r.Signal.ValueHead != "symexp", "dqn.quantiles", r.DQN.Quantiles, "1 with signal.value_head symexp")
		e.Want(r.DQN.BufferSize < 1 || r.DQN.BufferSize >= 4*r.Train.Envs, "dqn.buffer_size", r.DQN.BufferSize,
			fmt.Sprintf("at least %d, 4 for each of train.envs", 4*r.Train.Envs))
		e.Want(r.Train.Steps < 1 || r.DQN.LearningStarts < r.Train.Steps, "dqn.learning_starts", r.DQN.LearningStarts,
			fmt.Sprintf("less than train.steps, %d", r.Train.Steps))
	}
	e.Under("signal", r.Signal.Validate())
	r.validateShaping(&e)
	e.Under("train", r.Train.Validate())
	e.Under("eval", r.Eval.Validate())
	return e
}

func (c *Env) validateTraces(e *field.Errors) {
	for _, what := range slices.Sorted(maps.Keys(c.Traces)) {
		path := "env.traces." + what
		switch {
		case !slices.Contains(cluster.Replayable(), what):
			*e = append(*e, field.Error{Path: path, Key: true,
				Message: "is no kind of failure that is replayed, want one of " + strings.Join(cluster.Replayable(), ", ")})
		case what == "node" && c.Trace != nil:
			*e = append(*e, field.Error{Path: path, Key: true, Message: "is given, want none: env.trace has the failures of nodes"})
		case c.Traces[what] == "":
			*e = append(*e, field.Error{Path: path, Message: "is empty, want the path of a failure trace"})
		}
	}
}

// validateShaping leaves the names of an exact MDP's rules to whoever builds its
// model.
func (r *Run) validateShaping(e *field.Errors) {
	x := &r.Signal.Shaping
	if x.Baseline == "" {
		return
	}
	const path = "signal.shaping.baseline"
	exact := r.Env.MDP != nil
	switch {
	case exact: // cmd knows the names of its rules
	case r.Baselines == nil:
		*e = append(*e, field.Error{Path: path, Message: fmt.Sprintf("is %q, want none: %s has no baselines", x.Baseline, r.Env.ID)})
	case !slices.Contains(baseline.Names(), x.Baseline):
		*e = append(*e, field.Error{Path: path, Message: "is an " + env.UnknownError{What: "baseline", Name: x.Baseline, Known: baseline.Names()}.Error()})
	}
	e.Want(exact || x.Samples == 1, "signal.shaping.samples", x.Samples, "1: "+r.Env.ID+" is no exact MDP")
	e.Want(exact || x.Kind == signal.ShapingFitted, "signal.shaping.kind", fmt.Sprintf("%q", x.Kind), "fitted: "+r.Env.ID+" is no exact MDP")
}
