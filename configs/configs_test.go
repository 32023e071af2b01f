package configs

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"mend/configs/field"
	"mend/env/cluster"
	"mend/env/mdp"
)

// classic are worlds without a scenario.
var classic = []string{"CartPole-v1", "Acrobot-v1"}

// worlds are the ids that Read is given here: all scenarios and classic ones.
func worlds() []string {
	list := slices.Clone(classic)
	for _, s := range Scenarios() {
		list = append(list, s.ID)
	}
	for _, e := range mdp.Catalogue {
		list = append(list, e.ID)
	}
	return list
}

// Every scenario reads, validates and says what it is.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("scenarios/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	all := Scenarios()
	if len(all) != len(files) {
		t.Errorf("%d scenarios of %d files", len(all), len(files))
	}
	for i, s := range all {
		if filepath.Base(files[i]) != s.ID+".yaml" {
			t.Errorf("scenario %d is %s, its file %s", i, s.ID, files[i])
		}
		if s.Summary == "" || strings.Contains(s.Summary, "\n") {
			t.Errorf("%s: summary %q, want one line", s.ID, s.Summary)
		}
		if err := s.Cluster.Validate(); err != nil {
			t.Errorf("%s: %v", s.ID, err)
		}
	}
}

// A scenario that is wrong says where.
func TestScenarioRefused(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"summary: x\nclutser: {}\n", "X-v0.yaml:2:1: unknown key clutser, did you mean cluster?"},
		{"cluster: {topology: {regions: 0}}\n", "X-v0.yaml:1:31: cluster.topology.regions is 0, want 1 to "},
		{"cluster: {horizon: 3}\n", "X-v0.yaml:1:20: cluster.horizon "},
	} {
		_, err := readScenario("X-v0.yaml", []byte(c.text))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
}

// Every file in this folder is a configuration that its world takes.
func TestFilesInThisFolder(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	known := worlds()
	for _, e := range mdp.Catalogue {
		known = append(known, e.ID)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Parse(name, data)
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := Read(s, known); err != nil {
			t.Error(err)
		}
	}
}

// Every file in the folder mdp is a model.
func TestFilesOfModels(t *testing.T) {
	files, err := filepath.Glob("mdp/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ReadModel(name, data); err != nil {
			t.Error(err)
		}
	}
}

// The default of every world and agent, written out, reads back as it was, and
// has the section of that agent alone.
func TestDefaultReadsBack(t *testing.T) {
	for _, id := range worlds() {
		for _, algo := range Algos {
			name := algo + " on " + id
			want := Default(id, algo)
			b, err := Encode(want)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			s, err := Parse(id+".yaml", b)
			if err != nil {
				t.Errorf("%v in\n%s", err, b)
				continue
			}
			got, err := Read(s, worlds())
			if err != nil {
				t.Errorf("%v in\n%s", err, b)
				continue
			}
			again, err := Encode(*got)
			if err != nil || string(again) != string(b) {
				t.Errorf("%s: written out and read back it is\n%s%v, want\n%s", name, again, err, b)
			}
			if !reflect.DeepEqual(*got, want) {
				t.Errorf("%s reads back as %+v, want %+v", name, got, want)
			}
			_, exact := mdp.Find(id)
			if (got.Env.Cluster == nil) != (exact || slices.Contains(classic, id)) || (got.Env.Trace == nil) != (id != "Trace-v0") || (got.Env.MDP != nil) != exact {
				t.Errorf("%s has cluster %v, trace %v and mdp %v", name, got.Env.Cluster, got.Env.Trace, got.Env.MDP)
			}
			for _, a := range Algos {
				if has := strings.Contains(string(b), "\n"+a+":\n"); has != (a == algo) {
					t.Errorf("%s: section %s is written: %v", name, a, has)
				}
			}
		}
	}
}

// A default is of its own: changing one does not change the next.
func TestDefaultsShareNothing(t *testing.T) {
	a, c := Default("Steady-v0", "ppo"), Default("Steady-v0", "dqn")
	a.Env.Cluster.Topology.Regions = 7
	a.PPO.Hidden[0], c.DQN.Hidden[0], c.Signal.Shaping.Hidden[0] = 7, 7, 7
	b, d := Default("Steady-v0", "ppo"), Default("Steady-v0", "dqn")
	if b.Env.Cluster.Topology.Regions == 7 || b.PPO.Hidden[0] == 7 || d.DQN.Hidden[0] == 7 || d.Signal.Shaping.Hidden[0] == 7 {
		t.Error("two defaults share memory")
	}
}

// A section without content, as where all of it is commented out, is as none.
func TestEmptySections(t *testing.T) {
	for algo, text := range map[string]string{
		"ppo": "env:\n  id: Steady-v0\n  cluster:\nppo:\ndqn:\nsignal:\ntrain:\nbaselines: null\n",
		"dqn": "env:\n  id: Steady-v0\n  cluster:\nalgo: dqn\nppo:\ndqn:\nsignal:\n  shaping:\ntrain:\n",
	} {
		s, err := Parse("r.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Read(s, worlds())
		if err != nil {
			t.Fatal(err)
		}
		if want := Default("Steady-v0", algo); !reflect.DeepEqual(*got, want) {
			t.Errorf("%+v, want the defaults %+v", *got, want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string // one complaint each
	}{
		{"", []string{"r.yaml: env.id is missing, want one of "}},
		{"env: {id: Nothing-v0}", []string{`r.yaml:1:11: env.id is an unknown environment "Nothing-v0", want one of `}},
		{"env: {id: steady-v0}", []string{`r.yaml:1:11: env.id is an unknown environment "steady-v0", did you mean "Steady-v0"?`}},
		{"env: {id: CartPole-v1, cluster: {}}", []string{"r.yaml:1:33: env.cluster is given, want none: "}},
		{"env: {id: Steady-v0, trace: {file: x}}", []string{"r.yaml:1:29: env.trace is given, want none: "}},
		{"env: {id: CartPole-v1, traces: {zone: x}}", []string{"r.yaml:1:32: env.traces is given, want none: "}},
		{"env: {id: Steady-v0, traces: {disk: x, zone: ''}}", []string{"r.yaml:1:31: env.traces.disk is no kind of failure that is replayed, want one of node, ", "r.yaml:1:46: env.traces.zone is empty, want the path "}},
		{"env: {id: Trace-v0, traces: {node: x}}", []string{"r.yaml:1:30: env.traces.node is given, want none: env.trace has "}},
		{"env: {id: Steady-v0, traces: [x]}", []string{"r.yaml:1:30: env.traces is a list, want a mapping"}},
		{"env: {id: Steady-v0}\nalgo: sarsa", []string{`r.yaml:2:7: algo is "sarsa", want ppo or dqn`}},
		{"env: {id: Steady-v0}\nalgo: dqm\ndqn: {gamma: 0.9}", []string{`r.yaml:2:7: algo is "dqm", want ppo or dqn`}},
		{"env: {id: Steady-v0}\nalgo: null", []string{"r.yaml:2:7: algo is empty, want a string"}},
		{"env: {id: Steady-v0}\ndqn: {gamma: 0.9}", []string{"r.yaml:2:6: dqn is given, want none: algo is ppo"}},
		{"env: {id: Steady-v0}\nppo: {}\nalgo: dqn", []string{"r.yaml:2:6: ppo is given, want none: algo is dqn"}},
		{"env: {id: Steady-v0}\nalgo: dqn\ndqn: {clip: 0.1}", []string{"r.yaml:3:7: unknown key dqn.clip, "}},
		{"env: {id: Steady-v0}\nalgo: dqn\ndqn: {gamma: 2}\nsignal: {value_head: cubic, shaping: {lambda: -1}}\ntrain: {exploring_starts: 2}",
			[]string{"r.yaml:3:14: dqn.gamma is 2, ", `r.yaml:4:22: signal.value_head is "cubic", want linear or symexp`, "r.yaml:4:47: signal.shaping.lambda is -1, ", "r.yaml:5:27: train.exploring_starts is 2, "}},
		{"env: {id: Steady-v0}\nalgo: dqn\ndqn: {quantiles: 3, buffer_size: 31}\nsignal: {value_head: symexp}",
			[]string{"r.yaml:3:18: dqn.quantiles is 3, want 1 with signal.value_head symexp", "r.yaml:3:34: dqn.buffer_size is 31, want at least 32, 4 for each of train.envs"}},
		{"env: {id: Steady-v0}\nalgo: dqn\ndqn: {learning_starts: 500}\ntrain: {steps: 500}", []string{"r.yaml:3:24: dqn.learning_starts is 500, want less than train.steps, 500"}},
		{"env: {id: Steady-v0}\nppo: {rollout_steps: 16385}\ntrain: {envs: 65536}", []string{"r.yaml:2:22: ppo.rollout_steps is 16385, want at most 16384, 2^30 over all train.envs"}},
		{"env: {id: Steady-v0}\nsignal: {shaping: {baseline: cepf}}", []string{`r.yaml:2:30: signal.shaping.baseline is an unknown baseline "cepf", did you mean "ceph"?`}},
		{"env: {id: CartPole-v1}\nsignal:\n  shaping: {baseline: ceph}", []string{`r.yaml:3:23: signal.shaping.baseline is "ceph", want none: CartPole-v1 has no baselines`}},
		{"env: {id: Steady-v0}\nppo: {clip: 2}\ntrain: {keep: 0}\neval: {episodes: 0}\nbaselines: {ceph: {grace: -1s}}",
			[]string{"r.yaml:2:13: ppo.clip ", "r.yaml:3:15: train.keep ", "r.yaml:4:18: eval.episodes ", "r.yaml:5:27: baselines.ceph.grace "}},
	} {
		s, err := Parse("r.yaml", []byte(c.text))
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		_, err = Read(s, worlds())
		if err == nil {
			t.Errorf("%q is accepted", c.text)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(c.want) {
			t.Errorf("%q: %q, want %q", c.text, lines, c.want)
			continue
		}
		for i, want := range c.want {
			found := false
			for _, line := range lines {
				found = found || strings.HasPrefix(line, want)
			}
			if !found {
				t.Errorf("%q: complaint %d: %q, want %s", c.text, i, lines, want)
			}
		}
		if e := (field.Errors)(nil); errors.As(err, &e) {
			t.Errorf("%q: complaints without a place: %v", c.text, e)
		}
	}
}

// A registered world stays what it is: results name its digest, and policies
// the one that they were trained in. A change on purpose is a new version, -v1
// and so on, beside the old one. (The digests are those of the first release,
// computed by this code.)
func TestDigests(t *testing.T) {
	want := map[string]string{
		"AgingFleet-v0":     "b80aebfc9f82aaa18c21bbf12927072ea557aed00e5c5083461dd3c474a18822",
		"Cascade-v0":        "f5214643add5001441097d7d3cb9e8292f84c4a12626845b8d855361ca946433",
		"Diurnal-v0":        "0c4a4a4feef4be5c106ffafee5826dab0e3cb7a9bd2bfdc31343c3241ccda0b9",
		"FlashCrowd-v0":     "4b58e59afa8ea0636324082f2cebf9ee14d72994ef5b69f6205ab40cfb99902e",
		"GrayFailure-v0":    "f9aa29fcaf04f11af7cf998722e0f71aea9b808c9230fa446ccdd82aee4cd3b9",
		"Partition-v0":      "5b26de7efb0092a0cdf921bceaa10cf5ee62d31a49f5f396937610b23b02358a",
		"PredictorDrift-v0": "5accc2cb071e54d2678740290f28f4fe6a1758e1d2f42096eaabe3b56ca06ca1",
		"RackBursts-v0":     "f185853e2674b4816a08c84d6c6c56e63b920058e056489c2e11172994cdb3ad",
		"RegionLoss-v0":     "61b04ad44ed50be924f7fcac9a3e259f65deeadfacef30bf318e8e352f6c090f",
		"RollingUpgrade-v0": "21214a1ecd676a6e65e549e5064c4e40545ff511032135435f9fd0021b047125",
		"SpotPreemption-v0": "130b242dac35947cd2c5e1c67ed754bb67a1b1eb4e3a7cb857b7cc40d462014a",
		"Steady-v0":         "89c6e153ccaa889603baedc040165e1a8f8e9d2a736d71d623744ac62296b246",
		"ZoneOutage-v0":     "7194227e91d035fdcae3ae0944ac1b524f1ae1ddc63835751980fc1ccf2e386b",
	}
	for _, s := range Scenarios() {
		if s.Trace {
			continue // its digest depends on the trace
		}
		w, err := cluster.New(s.ID, *s.Cluster)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.Spec().Digest; got != want[s.ID] {
			t.Errorf("%s has digest %s, want %s", s.ID, got, want[s.ID])
		}
	}
}
