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
		"AgingFleet-v0":     "c53f3c8fee60dc25f59335b64c631e99d1fa6ccb7830022fdb6925bed11d046d",
		"Cascade-v0":        "0f6acfd3cc2dcc5a8a6aeaa2d84b58377e0fb8f0f3ac507900cd00aa3d7e8eef",
		"Diurnal-v0":        "6a90ed143f6af9acac59f06b7dbe0be8eccfc4bfd60be1cea672b92028067d87",
		"FlashCrowd-v0":     "5eda084478f341f2b818f56f7617504c7603a72dc3e08806ef32d749a5123d2d",
		"GrayFailure-v0":    "14636d16b2e1843ea08e661a44c85a1261e707ca23ae421e78e579ce2d25217c",
		"Partition-v0":      "35dc082015d43cfd7c78ec6a7aca5b299d2fe903db1e4d73925c6493fdc51399",
		"PredictorDrift-v0": "e4104ab75d00aa819a20c603da4257c5cb940447ae277b0f0f6c8599212d6243",
		"RackBursts-v0":     "8f90049db28fec23803f14fa1b18fead62db82892d791fb3d8049b830f00d6e3",
		"RegionLoss-v0":     "767c01e5a8c7b8adf3f605a0656d56ed90d79bec9c6c4a8aa704867a34a9e2bb",
		"RollingUpgrade-v0": "d507226197de7e5e4c22c0b2820586957011715fe049a7e555eecbafb4af4703",
		"SpotPreemption-v0": "487cf128b88e75ed8112f7c44d586352f8a61d72c1978bf320ce5453c28e70e5",
		"Steady-v0":         "1cdd7a6ac08ba9c3fb4c7b44b9ffe2cd151027231653c2842f6c0291289a2ae9",
		"ZoneOutage-v0":     "b85ed169a7de024e9d166fb998a942804dca1d375647bd725602616176bd0d12",
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
