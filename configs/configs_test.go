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
		"AgingFleet-v0":     "0ecbe7d087f646fc000bf790b2a2508ec2b5d4352d358a6528fdcb9dca659d78",
		"Cascade-v0":        "4759aa5b2746659a934d02f230c43294ffcdd845c2452bd042aaf15d13e07575",
		"Diurnal-v0":        "9640bf61862deb9f6e87797ebfa3151573b510e6542f5ea1ee166e76b8790ed0",
		"FlashCrowd-v0":     "abcfff4e3f816ad02c443b6fa317eb967a74d7b9a486c76ec2efa2f0e8f7d070",
		"GrayFailure-v0":    "a3c22da5519efae4f8b069acf614397a0c97d19084bab3ba9d444c2453a88d1c",
		"Partition-v0":      "b59b54b9d0304a666ba729519bd24905e14f2b3251fa576214b3bc6f6970fac4",
		"PredictorDrift-v0": "b656894b872c870e8c2055165acfc06f8f77bd1e168ec3f210d318ff9399e436",
		"RackBursts-v0":     "a4ecdd9c628915d83c66c25ef5cb186c393da9e0a6ece27570b745ac562e5c4d",
		"RegionLoss-v0":     "819875dcdc77702a2d6803bb1670e5f971cb53b1ef1c17f54e6be47a8431c45b",
		"RollingUpgrade-v0": "71d00ba6a198ac58ff9b3f82ede7c53b670c2d17756014929887cda0380b1260",
		"SpotPreemption-v0": "80e089d795e4b23b72d874897456106adc74685dab6a808d7567e66717411646",
		"Steady-v0":         "4f2e0b353ce4354a46ccc9405b3e228213d8376a73e3b0095b05ac2435ad3c71",
		"ZoneOutage-v0":     "9d98b7cbb615884b643acabc2565a2fbb7ffd7cd6969a7424e36b08dad104ef3",
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
