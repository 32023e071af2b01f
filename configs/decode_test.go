package configs

import (
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"mend/configs/field"
)

// run is a configuration with a field of every kind.
type run struct {
	Seed  uint64      `yaml:"seed"`
	Train trainConfig `yaml:"train"`
	PPO   ppoConfig   `yaml:"ppo"`
	World any         `yaml:"world"`
	Level level       `yaml:"level"`
	Tags  map[string]float64
	Twin  *ppoConfig `yaml:"twin"`
	Other *extraR    `yaml:"other"`
	Limit *int       `yaml:"limit"`
	State int        `yaml:"-"`
	extra `yaml:",inline"`
	Extra `yaml:",inline"`
}

type (
	extra struct{ Hidden int }
	Extra struct {
		Note string `yaml:"note"`
	}
	trainConfig struct {
		Steps uint64        `yaml:"steps"`
		Small int8          `yaml:"small"`
		Every time.Duration `yaml:"every"`
		Quiet bool          `yaml:"quiet"`
	}
	ppoConfig struct {
		Clip   float64   `yaml:"clip"`
		Rate   float32   `yaml:"learning_rate"`
		Epochs int       `yaml:"epochs"`
		Hidden []int     `yaml:"hidden"`
		Betas  [2]string `yaml:"betas"`
	}
	worldConfig struct {
		ID      string   `yaml:"id"`
		Systems []int    `yaml:"systems"`
		Racks   []extraR `yaml:"racks"`
	}
	extraR struct {
		Name string `yaml:"name"`
	}
	level int
)

func (l level) MarshalText() ([]byte, error) { return []byte([]string{"low", "high"}[l]), nil }

func (l *level) UnmarshalText(b []byte) error {
	switch string(b) {
	case "low":
		*l = 0
	case "high":
		*l = 1
	default:
		return errors.New(`"` + string(b) + `" is no level, want low or high`)
	}
	return nil
}

func defaults() run {
	return run{
		Seed:  1,
		Train: trainConfig{Steps: 100, Every: time.Minute},
		PPO:   ppoConfig{Clip: 0.2, Rate: 3e-4, Epochs: 4, Hidden: []int{64, 64}, Betas: [2]string{"a", "b"}},
		World: &worldConfig{ID: "CartPole-v1"},
		Other: &extraR{"o"},
		Limit: new(5),
		Tags:  map[string]float64{"a": 1},
	}
}

func decode(t *testing.T, text string, overrides ...string) (run, error) {
	t.Helper()
	c := defaults()
	s, err := Parse("small.yaml", []byte(text))
	for i := 0; err == nil && i < len(overrides); i++ {
		err = s.Set(overrides[i])
	}
	if err == nil {
		err = s.Decode(&c)
	}
	return c, err
}

func TestDecode(t *testing.T) {
	for _, test := range []struct {
		name, text string
		set        []string
		want       func(*run)
	}{
		{"empty", "", nil, func(*run) {}},
		{"only comments", "# nothing\n", nil, func(*run) {}},
		{"empty document", "---\n", nil, func(*run) {}},
		{"empty mapping", "ppo:\n  # clip: 0.1\nseed: 3\n", nil, func(c *run) { c.Seed = 3 }},
		{"largest seed", "seed: 18446744073709551615", nil, func(c *run) { c.Seed = math.MaxUint64 }},
		{"largest seed as a float", "seed: 1.8446744073709551615e19", nil, func(c *run) { c.Seed = math.MaxUint64 }},
		{"exponent", "train: {steps: 1e6}", nil, func(c *run) { c.Train.Steps = 1e6 }},
		{"exponent and point", "train: {steps: 2.5E+3}", nil, func(c *run) { c.Train.Steps = 2500 }},
		{"underscores", "train: {steps: 1_000_000}", nil, func(c *run) { c.Train.Steps = 1e6 }},
		{"hexadecimal", "train: {steps: 0x10, small: -0x80}", nil, func(c *run) { c.Train.Steps, c.Train.Small = 16, -128 }},
		{"zeros", "seed: -0\ntrain: {steps: 0.0, small: -0e5, every: 0}", nil, func(c *run) { c.Seed, c.Train.Steps, c.Train.Every = 0, 0, 0 }},
		{"floats", "ppo: {clip: 1, learning_rate: .5}", nil, func(c *run) { c.PPO.Clip, c.PPO.Rate = 1, 0.5 }},
		{"float forms", "ppo: {clip: 1_000.5, learning_rate: 0x10}", nil, func(c *run) { c.PPO.Clip, c.PPO.Rate = 1000.5, 16 }},
		{"duration", "train: {every: 1h30m}", nil, func(c *run) { c.Train.Every = 90 * time.Minute }},
		{"bool", "train: {quiet: True}", nil, func(c *run) { c.Train.Quiet = true }},
		{"a list replaces", "ppo: {hidden: [32]}", nil, func(c *run) { c.PPO.Hidden = []int{32} }},
		{"an empty list replaces", "ppo: {hidden: []}", nil, func(c *run) { c.PPO.Hidden = nil }},
		{"a map adds", "tags: {b: 2}", nil, func(c *run) { c.Tags["b"] = 2 }},
		{"pointer", "twin: {clip: 0.1}", nil, func(c *run) { c.Twin = &ppoConfig{Clip: 0.1} }},
		{"nil pointer", "twin: ~", nil, func(c *run) {}},
		{"interface", "world: {id: X-v0, racks: [{name: a}]}", nil, func(c *run) {
			c.World = &worldConfig{ID: "X-v0", Racks: []extraR{{"a"}}}
		}},
		{"text", "level: high", nil, func(c *run) { c.Level = 1 }},
		{"inline", "note: hello there", nil, func(c *run) { c.Note = "hello there" }},
		{"date is a string", "note: 2024-01-02", nil, func(c *run) { c.Note = "2024-01-02" }},
		{"yes is a string", "note: yes", nil, func(c *run) { c.Note = "yes" }},
		{"quoted number is a string", "note: '1e400'", nil, func(c *run) { c.Note = "1e400" }},
		{"number for a string", "note: 1_8e0", nil, func(c *run) { c.Note = "1_8e0" }},
		{"empty section", "other:\nlimit:", nil, func(c *run) { c.Limit = nil }},
		{"tagged string", "note: !!str 12", nil, func(c *run) { c.Note = "12" }},
		{"alias", "ppo: &p {clip: 0.1}\ntwin: *p", nil, func(c *run) { c.PPO.Clip, c.Twin = 0.1, &ppoConfig{Clip: 0.1} }},
		{"set", "ppo: {clip: 0.1}", []string{"ppo.clip=0.3", "world.systems=[18, 20]", "tags.z=3", "seed= 7"}, func(c *run) {
			c.PPO.Clip, c.Seed, c.World.(*worldConfig).Systems, c.Tags["z"] = 0.3, 7, []int{18, 20}, 3
		}},
		{"set into null", "ppo:\n", []string{"ppo.clip=0.3"}, func(c *run) { c.PPO.Clip = 0.3 }},
		{"set into a list", "ppo: {hidden: [1, 2]}", []string{"ppo.hidden[1]=5", "ppo.hidden.0=4"}, func(c *run) { c.PPO.Hidden = []int{4, 5} }},
		{"set leaves other uses of an alias alone", "ppo: &p {clip: 0.1}\ntwin: *p", []string{"ppo.clip=0.5"}, func(c *run) {
			c.PPO.Clip, c.Twin = 0.5, &ppoConfig{Clip: 0.1}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := decode(t, test.text, test.set...)
			if err != nil {
				t.Fatal(err)
			}
			want := defaults()
			test.want(&want)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestDecodeErrors(t *testing.T) {
	for _, test := range []struct {
		text string
		set  []string
		want string
	}{
		// Syntax.
		{"a: [1,\n", nil, "small.yaml:2:1: did not find expected node content"},
		{"ppo:\n\tclip: 1\n", nil, "small.yaml:2:1: a tab where spaces are wanted"},
		{"note: @x", nil, "small.yaml:1:7: a plain value cannot start with @, put it in quotes"},
		{"a: b: c\n", nil, "small.yaml:1:5: mapping values are not allowed in this context"},
		{"{a: 1,\n b: 2", nil, "small.yaml:3:1: did not find expected ',' or '}', while parsing a flow mapping from line 1"},
		{"seed: 1\nnote: \xff", nil, "small.yaml:2:7: byte 0xff is not UTF-8"},
		{"note: a\x00", nil, "small.yaml:1:8: control character U+0000"},
		{"- 1\n", nil, "small.yaml:1:1: the file is a list, want a mapping"},
		{"seed: 1\n---\nseed: 2\n", nil, "small.yaml:2:1: a second document, want one"},
		{"seed: 1\n...\nseed: [\n", nil, "small.yaml:4:1: did not find expected node content"},
		{"note: *x", nil, "small.yaml:1:7: unknown anchor 'x' referenced"},
		{"ppo: &x [*x]", nil, "small.yaml:1:10: alias *x contains itself"},
		{strings.Repeat("[", 20000), nil, "small.yaml:1:10001: exceeded max depth of 10000"},

		// Keys.
		{"ppo:\n  clipp: 1\n", nil, "small.yaml:2:3: unknown key ppo.clipp, did you mean clip?"},
		{"ppo: {learningRate: 1}", nil, "small.yaml:1:7: unknown key ppo.learningRate, did you mean learning_rate?"},
		{"ppo: {zzz: 1}", nil, "small.yaml:1:7: unknown key ppo.zzz, want one of clip, learning_rate, epochs, hidden, betas"},
		{"hidden: 1", nil, "small.yaml:1:1: unknown key hidden, want one of seed, train, ppo, world, level, tags, twin, other, limit, note"},
		{"seed: 1\nppo: {}\nseed: 2\n", nil, "small.yaml:3:1: seed is given twice, first on line 1"},
		{"tags: {a: 1, a: 2}", nil, "small.yaml:1:14: tags.a is given twice, first on line 1"},
		{"? [1, 2]\n: 3\n", nil, "small.yaml:1:3: a key is a list, want a name"},
		{"ppo: &p {}\ntwin: {<<: *p}\n", nil, "small.yaml:2:8: merge key twin.<<, want the values themselves"},

		// Kinds.
		{"ppo:\n  clip: high\n", nil, "small.yaml:2:9: ppo.clip is a string, want a number"},
		{"ppo: {clip: '0.1'}", nil, "small.yaml:1:13: ppo.clip is a string, want a number"},
		{"ppo: {clip: [1]}", nil, "small.yaml:1:13: ppo.clip is a list, want a number"},
		{"ppo: {clip: }", nil, "small.yaml:1:13: ppo.clip is empty, want a number"},
		{"ppo: {clip: true}", nil, "small.yaml:1:13: ppo.clip is true or false, want a number"},
		{"ppo: {clip: {a: 1}}", nil, "small.yaml:1:13: ppo.clip is a mapping, want a number"},
		{"ppo: {epochs: many}", nil, "small.yaml:1:15: ppo.epochs is a string, want a whole number"},
		{"ppo: 3", nil, "small.yaml:1:6: ppo is a number, want a mapping"},
		{"ppo: {hidden: 64}", nil, "small.yaml:1:15: ppo.hidden is a number, want a list"},
		{"ppo: {hidden: [64, x]}", nil, "small.yaml:1:20: ppo.hidden[1] is a string, want a whole number"},
		{"ppo: {betas: [x]}", nil, "small.yaml:1:14: ppo.betas has 1 elements, want 2"},
		{"train: {quiet: yes}", nil, "small.yaml:1:16: train.quiet is a string, want true or false"},
		{"note: true", nil, "small.yaml:1:7: note is true or false, want a string (put it in quotes)"},
		{"\"a\\n\\e[1m\": 1", nil, `small.yaml:1:1: unknown key a\n\x1b[1m, want one of seed, train, ppo, world, level, tags, twin, other, limit, note`},
		{"note:", nil, "small.yaml:1:6: note is empty, want a string"},
		{"note: !secret x", nil, "small.yaml:1:7: note has the tag !secret, want a plain value"},
		{"note: !!binary aGk=", nil, "small.yaml:1:7: note has the tag !!binary, want a plain value"},
		{"level: middle", nil, `small.yaml:1:8: level: "middle" is no level, want low or high`},
		{"level: [low]", nil, "small.yaml:1:8: level is a list, want a single value"},
		{"train: {every: 60}", nil, "small.yaml:1:16: train.every is 60, want a unit: a duration such as 10m or 630s"},
		{"train: {every: soon}", nil, "small.yaml:1:16: train.every is soon, want a duration such as 10m or 630s"},
		{"train: {every: [1s]}", nil, "small.yaml:1:16: train.every is a list, want a duration such as 10m or 630s"},

		// Ranges.
		{"seed: 18446744073709551616", nil, "small.yaml:1:7: seed is 18446744073709551616, want a whole number from 0 to 18446744073709551615"},
		{"seed: 1.8446744073709551616e19", nil, "small.yaml:1:7: seed is 1.8446744073709551616e19, want a whole number from 0 to 18446744073709551615"},
		{"seed: 1e999999999", nil, "small.yaml:1:7: seed is 1e999999999, want a whole number from 0 to 18446744073709551615"},
		{"seed: -1", nil, "small.yaml:1:7: seed is -1, want a whole number from 0 to 18446744073709551615"},
		{"seed: 1.5", nil, "small.yaml:1:7: seed is 1.5, want a whole number"},
		{"seed: 1e-5", nil, "small.yaml:1:7: seed is 1e-5, want a whole number"},
		{"seed: 1e-999999999", nil, "small.yaml:1:7: seed is 1e-999999999, want a whole number"},
		{"seed: .nan", nil, "small.yaml:1:7: seed is .nan, want a whole number"},
		{"seed: 007", nil, "small.yaml:1:7: seed is 007, want a whole number without leading zeros"},
		{"seed: 08", nil, "small.yaml:1:7: seed is 08, want a whole number without leading zeros"},
		{"train: {small: 128}", nil, "small.yaml:1:16: train.small is 128, want a whole number from -128 to 127"},
		{"train: {small: -129}", nil, "small.yaml:1:16: train.small is -129, want a whole number from -128 to 127"},
		{"ppo: {clip: .nan}", nil, "small.yaml:1:13: ppo.clip is .nan, want a finite number"},
		{"ppo: {clip: -.inf}", nil, "small.yaml:1:13: ppo.clip is -.inf, want a finite number"},
		{"ppo: {clip: 1e400}", nil, "small.yaml:1:13: ppo.clip is 1e400, want a number between ±1.8e+308"},
		{"ppo: {learning_rate: 1e39}", nil, "small.yaml:1:22: ppo.learning_rate is 1e39, want a number between ±3.4e+38"},
		{"ppo: {clip: 010}", nil, "small.yaml:1:13: ppo.clip is 010, want a number without leading zeros"},
		{"ppo: {clip: !!float x}", nil, "small.yaml:1:13: ppo.clip is x, want a number"},

		// All at once.
		{"seed: x\nppo:\n  clip: y\n  epoch: 3\n", nil, "small.yaml:1:7: seed is a string, want a whole number\n" +
			"small.yaml:3:9: ppo.clip is a string, want a number\n" +
			"small.yaml:4:3: unknown key ppo.epoch, did you mean epochs?"},

		// Overrides.
		{"", []string{"ppo.clip"}, "--set ppo.clip: no =, want KEY=VALUE"},
		{"", []string{"=1"}, `--set =1: key "" has an empty part`},
		{"", []string{"ppo..clip=1"}, `--set ppo..clip=1: key "ppo..clip" has an empty part`},
		{"", []string{"ppo.hidden=[1"}, "--set ppo.hidden=[1: did not find expected ',' or ']', while parsing a flow sequence from line 1"},
		{"", []string{"ppo.clipp=1"}, "--set ppo.clipp=1: unknown key ppo.clipp, did you mean clip?"},
		{"", []string{"pppo.clip=1"}, "--set pppo.clip=1: unknown key pppo, did you mean ppo?"},
		{"", []string{"ppo.clip=x"}, "--set ppo.clip=x: ppo.clip is a string, want a number"},
		{"", []string{"seed="}, "--set seed=: seed is empty, want a whole number"},
		{"seed: 1", []string{"seed.x=1"}, "--set seed.x=1: seed is a number, want a mapping"},
		{"ppo: {hidden: [1]}", []string{"ppo.hidden[3]=1"}, "--set ppo.hidden[3]=1: ppo.hidden has 1 elements, none is 3"},
		{"ppo: {hidden: [1]}", []string{"ppo.hidden[0]=x"}, "--set ppo.hidden[0]=x: ppo.hidden[0] is a string, want a whole number"},
	} {
		_, err := decode(t, test.text, test.set...)
		if err == nil {
			t.Errorf("%.60q %q: no error, want %s", test.text, test.set, test.want)
			continue
		}
		var list Errors
		if err.Error() != test.want || !errors.As(err, &list) {
			t.Errorf("%.60q %q:\n got %s\nwant %s", test.text, test.set, err, test.want)
		}
	}
}

// A few hundred bytes of nested aliases stand for 9^9 values.
func TestAliasBomb(t *testing.T) {
	text := "a0: &a0 [x]\n"
	for i := range 9 {
		a, b := string(rune('0'+i)), string(rune('1'+i))
		text += "a" + b + ": &a" + b + " [" + strings.TrimSuffix(strings.Repeat("*a"+a+", ", 9), ", ") + "]\n"
	}
	_, err := decode(t, text)
	if err == nil || !strings.Contains(err.Error(), "more than 100000 values, aliases included") {
		t.Errorf("got %v", err)
	}
}

func TestPositioned(t *testing.T) {
	s, err := Parse("small.yaml", []byte("seed: 3\nppo:\n  epochs: 2\n\n  # how far\n  hidden: [64,\n    0]\n  clip: 1.4\ntrain:\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Set("train.steps=0"), s.Override("--twin", "twin.clip", "3")); err != nil {
		t.Fatal(err)
	}
	var list field.Errors
	list.Want(false, "ppo.clip", 1.4, "0 < clip < 1")
	list.Want(false, "ppo.hidden[1]", 0, "at least 1")
	list.Want(false, "ppo.learning_rate", -1, "at least 0")
	list.Want(false, "train.steps", 0, "at least 1")
	list.Want(false, "train.every", "1ns", "at least 1s")
	list.Want(false, "twin.clip", 3, "0 < clip < 1")
	list.Want(false, "twin.epochs", 0, "at least 1")
	list.Want(false, "world.id", `""`, "an id")
	want := `small.yaml:8:9: ppo.clip is 1.4, want 0 < clip < 1
small.yaml:7:5: ppo.hidden[1] is 0, want at least 1
small.yaml:2:1: ppo.learning_rate is -1, want at least 0
--set train.steps=0: train.steps is 0, want at least 1
small.yaml:9:1: train.every is 1ns, want at least 1s
--twin: twin.clip is 3, want 0 < clip < 1
--twin: twin.epochs is 0, want at least 1
small.yaml: world.id is "", want an id`
	if got := s.Positioned(list.Err()).Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := s.Positioned(list[0]).Error(); got != "small.yaml:8:9: ppo.clip is 1.4, want 0 < clip < 1" {
		t.Errorf("one error: got %s", got)
	}
	if s.Positioned(nil) != nil {
		t.Error("nil is an error")
	}
	other := errors.New("other")
	if s.Positioned(other) != other {
		t.Error("another error was changed")
	}
	// Without a file only the message is left.
	s, _ = Parse("", nil)
	if got := s.Positioned(list[:1].Err()).Error(); got != "ppo.clip is 1.4, want 0 < clip < 1" {
		t.Errorf("no file: got %s", got)
	}
}

func TestLookup(t *testing.T) {
	s, err := Parse("small.yaml", []byte("env: {id: A-v0, empty: , list: [x, y]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"env.id": "A-v0", "env.list[1]": "y", "env.empty": "", "env": "", "env.id.x": "", "nope": "", "env.list[2]": "", "env.list[x]": ""} {
		got, ok := s.Lookup(path)
		if got != want || ok != (want != "") {
			t.Errorf("%s: got %q, %v, want %q", path, got, ok, want)
		}
	}
}

func TestEncode(t *testing.T) {
	c := defaults()
	c.Train.Steps = math.MaxUint64
	c.Note = "yes"
	c.Tags = map[string]float64{"z": 1e21, "b": 0.1, "no": -2, "1e4": 5}
	c.World = &worldConfig{ID: "1", Racks: []extraR{{"a: b"}, {""}}}
	want := `seed: 1
train:
  steps: 18446744073709551615
  small: 0
  every: 1m
  quiet: false
ppo:
  clip: 0.2
  learning_rate: 0.0003
  epochs: 4
  hidden: [64, 64]
  betas: [a, b]
world:
  id: "1"
  systems: []
  racks:
  - name: "a: b"
  - name: ""
level: low
tags:
  "1e4": 5
  b: 0.1
  "no": -2
  z: 1e+21
other:
  name: o
limit: 5
note: "yes"
`
	got, err := Encode(&c)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	// A value that was set to nothing stays so over the defaults.
	c = defaults()
	c.Limit = nil
	if got, err = Encode(c); err != nil {
		t.Fatal(err)
	}
	if back, err := decode(t, string(got)); err != nil || !reflect.DeepEqual(back, c) {
		t.Errorf("%v, got %+v from\n%s", err, back, got)
	}
	for _, bad := range []func(*run){
		func(c *run) { c.PPO.Clip = math.NaN() },
		func(c *run) { c.PPO.Rate = float32(math.Inf(1)) },
		func(c *run) { c.Note = "\xff" },
	} {
		c := defaults()
		bad(&c)
		if b, err := Encode(c); err == nil {
			t.Errorf("no error, wrote\n%s", b)
		} else {
			t.Log(err)
		}
	}
}

// roundTrip checks that c survives Encode and Decode.
func roundTrip(t *testing.T, c run) {
	t.Helper()
	text, err := Encode(c)
	if err != nil {
		return // NaN and the like; TestEncode
	}
	s, err := Parse("resolved", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	got := run{World: &worldConfig{}}
	if err := s.Decode(&got); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if !reflect.DeepEqual(got, c) {
		t.Fatalf("got  %+v\nwant %+v\n%s", got, c, text)
	}
	again, err := Encode(got)
	if err != nil || string(again) != string(text) {
		t.Fatalf("%v, encoded again:\n%s\nfirst:\n%s", err, again, text)
	}
}

func FuzzEncode(f *testing.F) {
	f.Add(uint64(1), 0.2, float32(3e-4), int64(time.Hour), "text", "key")
	for _, s := range []string{"", " ", "a\nb", "a ", "~", "0x1", "1:30", "- a", "a: b", "#a", "é", "\u2028", "\ufeff", "a\tb", "\x7f", "\u0085", "<<", "=", "%", "\x00", strings.Repeat("long ", 50)} {
		f.Add(uint64(math.MaxUint64), -1e300, float32(1e-40), int64(-1), s, s)
	}
	f.Fuzz(func(t *testing.T, seed uint64, clip float64, rate float32, every int64, text, key string) {
		c := defaults()
		c.Seed, c.PPO.Clip, c.PPO.Rate = seed, clip, rate
		c.Train.Small, c.Train.Every = int8(seed), time.Duration(every)
		c.Note, c.PPO.Betas[0] = text, key
		c.Tags = map[string]float64{key: clip, "b": 1}
		c.World = &worldConfig{ID: key, Racks: []extraR{{text}}}
		roundTrip(t, c)
	})
}

// FuzzDecode checks that no file makes the decoder panic, and that what it
// accepts can be written and read again.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("seed: 3\nppo: {clip: 0.1, hidden: [1, 2]}\ntrain: {every: 10m}\n"), "ppo.clip=0.1")
	f.Add([]byte("ppo: &p {clip: 1e5}\ntwin: *p\ntags: {a: .5}\n"), "ppo.hidden[0]=[x")
	f.Add([]byte("world:\n  racks:\n  - name: |\n      a\n"), "world.racks[0].name=>")
	f.Add([]byte("? [a]\n: b\n<<: {}\n!!str a: !foo b\n"), "a=!!int b")
	f.Add([]byte("%YAML 1.1\n---\na: \"\\x41\"\n...\n"), "=")
	f.Fuzz(func(t *testing.T, data []byte, assignment string) {
		s, err := Parse("fuzz", data)
		if err != nil {
			return
		}
		_ = s.Set(assignment)
		s.Lookup(assignment)
		c := run{World: &worldConfig{}}
		if err := s.Decode(&c); err != nil {
			for _, e := range err.(Errors) {
				if strings.ContainsFunc(e.Error(), func(r rune) bool { return !strconv.IsPrint(r) }) {
					t.Fatalf("message %q", e)
				}
			}
			return
		}
		roundTrip(t, c)
	})
}
