package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"

	"mend/agents"
	"mend/agents/mlp"
	"mend/checkpoints/internal/schema"
	"mend/env"
)

var (
	rewrite = flag.Bool("rewrite", false, "write testdata anew")
	inf     = math.Inf(1)
)

var _ agents.Policy = (*Policy)(nil)

// sample is what testdata/v1.mend holds. It must not change. The network
// prefers repair below 3 copies, dropping above, and holding at 3; a large
// backlog speaks against repair.
func sample() *Artifact {
	return &Artifact{
		Features: []env.Feature{
			{Name: "believed_live_copies", Unit: "copies", Offset: 3, Scale: 2},
			{Name: "backlog", Unit: "TB", Offset: 0, Scale: 10},
		},
		Actions: []string{"hold", "repair", "drop"},
		Masked:  true,
		Guards: []env.Guard{
			{Name: "last copy", Feature: "believed_live_copies", Actions: []string{"drop"}, Min: 2, Max: float32(inf)},
			{Name: "flood", Feature: "backlog", Actions: []string{"repair"}, Min: float32(-inf), Max: 50},
		},
		Fallback: Fallback{Name: "hdfs", Parameters: map[string]float64{"timeout_seconds": 630, "streams": 2}},
		Net: &mlp.Net{Layers: []mlp.Layer{
			{In: 2, Out: 3, W: []float32{-1, 1, 0, 0, 0, 1}, B: []float32{0, 0, 0}, Activation: mlp.ReLU},
			{In: 3, Out: 3, W: []float32{0, 1, 0, 0, 0, 1, 0, -0.1, 0}, B: []float32{0.25, 0, 0}, Activation: mlp.Linear},
		}},
		Provenance: Provenance{
			Env: "RackBursts-v0", EnvDigest: strings.Repeat("cd", 32), Run: "20260101-RackBursts-v0-ppo-s7-abcdef",
			Algo: "ppo", Seed: 7, Steps: 1_000_000, Tool: "v0.1.0", Revision: "0123abc", Go: "go1.26.8", CPU: "amd64 avx512",
		},
		Evaluation: &Evaluation{
			Episodes: 100, Seed: 1,
			Policies: []Result{
				{
					Name: "policy", Kind: "learned",
					Metrics: []Estimate{{"cost_usd_per_day", 12.5, 12, 13}, {"mttr_seconds", math.NaN(), math.Inf(-1), inf}},
					Paired:  &Paired{"hdfs", "cost_usd_per_day", -1.5, -2, -1},
				},
				{Name: "hdfs", Kind: "baseline", Metrics: []Estimate{{"cost_usd_per_day", 14, 13.5, 14.5}}},
			},
		},
	}
}

// normalized is what testdata/v2.mend holds. It must not change. The network of
// sample sees the same numbers, as the normalizer undoes what the features now
// are observed by: copies less 1, backlog in TB.
func normalized() *Artifact {
	a := sample()
	a.Features[0].Offset, a.Features[0].Scale = 1, 1
	a.Features[1].Scale = 1
	a.Net.Input = &mlp.Normalizer{Mean: []float32{2, 0}, Scale: []float32{0.5, 0.1}, Clip: 10}
	a.Provenance.Algo, a.Provenance.Kernel = "dqn", "avx512"
	return a
}

func wantArtifact(t *testing.T, got, want *Artifact) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateNaNs(), cmpopts.IgnoreUnexported(Artifact{})); d != "" {
		t.Errorf("artifact differs (-want +got):\n%s", d)
	}
}

func encoded(t testing.TB, a *Artifact) []byte {
	t.Helper()
	b, _, err := a.encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func put(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestRoundTrip(t *testing.T) {
	smallest := &Artifact{
		Features:   []env.Feature{{Name: "x", Scale: 1}},
		Actions:    []string{"a"},
		Net:        mlp.New(mlp.Tanh, 1, 1),
		Provenance: Provenance{Env: "Chain-v0"},
	}
	for name, a := range map[string]*Artifact{"sample": sample(), "normalized": normalized(), "smallest": smallest} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "policy.mend")
			if err := a.Save(path); err != nil {
				t.Fatal(err)
			}
			got, err := Load(path)
			if err != nil {
				t.Fatal(err)
			}
			wantArtifact(t, got, a)
			if got.Digest() == "" || got.Digest() != a.Digest() {
				t.Errorf("digest %q, saved as %q", got.Digest(), a.Digest())
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for range 20 { // parameters come from a map
				if !bytes.Equal(encoded(t, got), b) {
					t.Fatal("equal artifacts have other bytes")
				}
			}
			if want := fmt.Sprintf("%x", sha256.Sum256(b[headerBytes:])); got.Digest() != want {
				t.Errorf("digest %s, want %s of the payload", got.Digest(), want)
			}
		})
	}
}

// Files of every version ever released load forever.
func TestGolden(t *testing.T) {
	for name, want := range map[string]*Artifact{"v1.mend": sample(), "v2.mend": normalized()} {
		path := filepath.Join("testdata", name)
		if *rewrite {
			put(t, path, encoded(t, want))
		}
		got, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		wantArtifact(t, got, want)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, encoded(t, want)) {
			t.Errorf("%s: the same artifact is now written with other bytes: a new format needs a new version", name)
		}
		if name[1]-'0' != b[8] {
			t.Errorf("%s is of version %d", name, b[8])
		}
	}
}

func TestEveryDamageIsRefused(t *testing.T) {
	whole := encoded(t, normalized())
	refuse := func(t *testing.T, b []byte, what string, at int) {
		t.Helper()
		if a, err := Decode(b); err == nil || a != nil || strings.Contains(err.Error(), "\n") {
			t.Fatalf("%s %d of %d: %v, %v, want one line of error", what, at, len(whole), a, err)
		}
	}
	for i := range whole {
		for bit := range 8 {
			b := bytes.Clone(whole)
			b[i] ^= 1 << bit
			refuse(t, b, "changed byte", i)
		}
		refuse(t, whole[:i], "truncation at", i)
		refuse(t, append(bytes.Clone(whole[:i]), whole[i+1:]...), "removal of byte", i)
	}
	refuse(t, append(bytes.Clone(whole), 0), "appended byte at", len(whole))
}

// sealed is a file of a version with a right header around any payload.
func sealed(version byte, payload []byte) []byte {
	b := append([]byte(magic), version, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	sum := sha256.Sum256(payload)
	return append(append(b, sum[:]...), payload...)
}

func changed(t testing.TB, change func(*schema.Policy)) []byte {
	t.Helper()
	return changedOf(t, sample(), change)
}

func changedOf(t testing.TB, a *Artifact, change func(*schema.Policy)) []byte {
	t.Helper()
	m := a.message()
	version := byte(m.Schema)
	change(m)
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return sealed(version, b)
}

// normalizedAs is a file with a normalizer that claims another version.
func normalizedAs(t testing.TB, version uint32) []byte {
	b := changedOf(t, normalized(), func(m *schema.Policy) { m.Schema = version })
	b[8] = byte(version)
	return b
}

func TestLoadErrors(t *testing.T) {
	whole := encoded(t, sample())
	newer := bytes.Clone(whole)
	newer[8] = 3
	altered := bytes.Clone(whole)
	altered[len(altered)-1] ^= 1
	nan := float32(math.NaN())

	dir := t.TempDir()
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"empty":      {nil, "empty file, want a policy"},
		"junk":       {bytes.Repeat([]byte{0xde, 0xad}, 500), "not a policy: wrong magic bytes"},
		"text":       {[]byte("x"), "not a policy: wrong magic bytes"},
		"newer":      {newer, "schema version 3, this build reads 1 to 2"},
		"header":     {whole[:30], "truncated: 30 bytes, want at least 48"},
		"magic":      {whole[:8], "truncated: 8 bytes, want at least 48"},
		"truncated":  {whole[:100], fmt.Sprintf("truncated: 100 bytes, want %d", len(whole))},
		"appended":   {append(bytes.Clone(whole), 1), fmt.Sprintf("damaged: %d bytes, want %d", len(whole)+1, len(whole))},
		"altered":    {altered, "damaged: the payload has SHA-256 "},
		"checkpoint": {append([]byte(checkpointMagic), 1, 0, 0, 0), "is a checkpoint, want a policy"},
		"no payload": {sealed(1, nil), "schema version 0 in the payload, 1 in the header"},
		"no message": {sealed(1, []byte{0xff, 0xff}), "payload: proto"},

		"version 0":     {append([]byte(magic), make([]byte, 40)...), "schema version 0, this build reads 1 to 2"},
		"version 1":     {normalizedAs(t, 1), "schema version 1, want 2: a normalizer makes it 2"},
		"version 2":     {changedOf(t, normalized(), func(m *schema.Policy) { m.Normalizer = nil }), "schema version 2, want 1: a normalizer makes it 2"},
		"means":         {changedOf(t, normalized(), func(m *schema.Policy) { m.Normalizer.Mean = nil }), "mlp: normaliser has 0 means and 2 scales, want the 2 inputs"},
		"scales":        {changedOf(t, normalized(), func(m *schema.Policy) { m.Normalizer.Scale = append(m.Normalizer.Scale, 1) }), "mlp: normaliser has 2 means and 3 scales"},
		"mean NaN":      {changedOf(t, normalized(), func(m *schema.Policy) { m.Normalizer.Mean[1] = nan }), "mlp: normaliser: mean 1 is NaN"},
		"scale +Inf":    {changedOf(t, normalized(), func(m *schema.Policy) { m.Normalizer.Scale[0] = float32(inf) }), "mlp: normaliser: scale 0 is +Inf"},
		"scale below 0": {changedOf(t, normalized(), func(m *schema.Policy) { m.Normalizer.Scale[0] = -1 }), "mlp: normaliser: scale 0 is -1"},
		"clip":          {changedOf(t, normalized(), func(m *schema.Policy) { m.Normalizer.Clip = -1 }), "mlp: normaliser: clip is -1"},
		"schema":        {changed(t, func(m *schema.Policy) { m.Schema = 2 }), "schema version 2 in the payload"},
		"env":           {changed(t, func(m *schema.Policy) { m.Provenance = nil }), "no environment, want the id"},
		"features":      {changed(t, func(m *schema.Policy) { m.Features = nil }), "0 features and 3 actions, want at least 1 of each"},
		"actions":       {changed(t, func(m *schema.Policy) { m.Actions = nil }), "2 features and 0 actions"},
		"feature name":  {changed(t, func(m *schema.Policy) { m.Features[1].Name = "" }), "feature 1 has no name"},
		"feature twice": {changed(t, func(m *schema.Policy) { m.Features[1].Name = m.Features[0].Name }), `two features are called "believed_live_copies"`},
		"action twice":  {changed(t, func(m *schema.Policy) { m.Actions[2] = "hold" }), `two actions are called "hold"`},
		"scale 0":       {changed(t, func(m *schema.Policy) { m.Features[1].Scale = 0 }), `feature "backlog" has offset 0 and scale 0, want`},
		"scale NaN":     {changed(t, func(m *schema.Policy) { m.Features[1].Scale = nan }), `feature "backlog" has offset 0 and scale NaN, want`},
		"offset":        {changed(t, func(m *schema.Policy) { m.Features[1].Offset = float32(inf) }), `offset +Inf and scale 10, want`},
		"no layers":     {changed(t, func(m *schema.Policy) { m.Layers = nil }), "mlp: 0 layers, want at least 1"},
		"weights":       {changed(t, func(m *schema.Policy) { m.Layers[0].Weights = m.Layers[0].Weights[1:] }), "mlp: layer 0 has 5 weights, want 2 x 3"},
		"weight":        {changed(t, func(m *schema.Policy) { m.Layers[1].Weights[4] = nan }), "mlp: layer 1: weight 4 is NaN"},
		"bias":          {changed(t, func(m *schema.Policy) { m.Layers[1].Biases[0] = float32(inf) }), "mlp: layer 1: bias 0 is +Inf"},
		"vast layer":    {changed(t, func(m *schema.Policy) { m.Layers[0].In, m.Layers[0].Out = 1<<30, 1<<30 }), "mlp: layer 0 has 6 weights"},
		"activation":    {changed(t, func(m *schema.Policy) { m.Layers[0].Activation = 9 }), "layer 0: activation 9, want 0 to 2"},
		"inputs":        {changed(t, func(m *schema.Policy) { m.Features = m.Features[:1]; m.Guards = nil }), "2 inputs and 3 outputs, want 1 and 3"},
		"outputs":       {changed(t, func(m *schema.Policy) { m.Actions = append(m.Actions, "more") }), "2 inputs and 3 outputs, want 2 and 4"},
		"guard":         {changed(t, func(m *schema.Policy) { m.Guards[0].Actions[0] = "hold" }), `guard: rule "last copy": names action 0`},
		"guard feature": {changed(t, func(m *schema.Policy) { m.Guards[0].Feature = "x" }), `guard: rule "last copy": env: RackBursts-v0 has no feature "x"`},
		"fallback":      {changed(t, func(m *schema.Policy) { m.Fallback.Name = "" }), "the fallback has parameters but no name"},
		"parameter":     {changed(t, func(m *schema.Policy) { m.Fallback.Parameters["streams"] = inf }), `fallback parameter "streams" is +Inf`},
		"result":        {changed(t, func(m *schema.Policy) { m.Evaluation.Policies[0].Name = "" }), "evaluated policy 0 has no name"},
		"metric twice":  {changed(t, func(m *schema.Policy) { r := m.Evaluation.Policies[0]; r.Metrics[1].Name = r.Metrics[0].Name }), `evaluated policy "policy": two metrics are called`},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, "x.mend")
			put(t, path, tt.data)
			_, err := Load(path)
			wantError(t, err, fmt.Sprintf("policy: read %q: ", path))
			wantError(t, err, tt.want)
			_, err = Decode(tt.data)
			wantError(t, err, "policy: ")
			wantError(t, err, tt.want)
		})
	}
	_, err := Load(dir)
	wantError(t, err, "is a folder, want a policy file")
	if _, err = Load(filepath.Join(dir, "none.mend")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not wrap fs.ErrNotExist", err)
	}
}

// Later minor additions do not stop this build from reading the file, and the
// digest stays that of the file.
func TestUnknownFields(t *testing.T) {
	whole := encoded(t, sample())
	payload := append(bytes.Clone(whole[headerBytes:]), 0xa2, 0x06, 3, 'n', 'e', 'w') // field 100
	a, err := Decode(sealed(1, payload))
	if err != nil {
		t.Fatal(err)
	}
	wantArtifact(t, a, sample())
	if want := fmt.Sprintf("%x", sha256.Sum256(payload)); a.Digest() != want {
		t.Errorf("digest %s, want %s", a.Digest(), want)
	}
}

func TestSaveErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.mend")
	for want, change := range map[string]func(*Artifact){
		"no network": func(a *Artifact) { a.Net = nil },
		"two actions are called \"hold\", want different names": func(a *Artifact) { a.Actions[1] = "hold" },
		"UTF-8":       func(a *Artifact) { a.Provenance.Run = "\xff" },
		"is NaN":      func(a *Artifact) { a.Fallback.Parameters["x"] = math.NaN() },
		"min <= max":  func(a *Artifact) { a.Guards[0].Max = 1 },
		"two metrics": func(a *Artifact) { a.Evaluation.Policies[0].Metrics[1].Name = "cost_usd_per_day" },
	} {
		a := sample()
		change(a)
		wantError(t, a.Save(path), want)
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s: a file was written", want)
		}
		if a.Digest() != "" {
			t.Errorf("%s: digest %s of an artifact never saved", want, a.Digest())
		}
	}
	wantError(t, sample().Save(filepath.Join(path, "no", "folder")), "policy: write ")
}

func TestCheck(t *testing.T) {
	a := sample()
	if err := a.Check(a.Spec()); err != nil {
		t.Error(err)
	}
	digest := a.Spec()
	digest.Digest, digest.ID, digest.Guards = "other", "RackBursts-v1", nil
	if err := a.Check(digest); err != nil {
		t.Errorf("digest, id and guards alone: %v", err)
	}
	for want, change := range map[string]func(*env.Spec){
		`policy: feature 1 of RackBursts-v0 is "queue" [TB] with offset 0 and scale 10, want "backlog" [TB] with offset 0 and scale 10 as in training`: func(s *env.Spec) { s.Features[1].Name = "queue" },
		`feature 1 of RackBursts-v0 is "backlog" [GB]`:                                            func(s *env.Spec) { s.Features[1].Unit = "GB" },
		`feature 0 of RackBursts-v0 is "believed_live_copies" [copies] with offset 4`:             func(s *env.Spec) { s.Features[0].Offset = 4 },
		`feature 0 of RackBursts-v0 is "believed_live_copies" [copies] with offset 3 and scale 1`: func(s *env.Spec) { s.Features[0].Scale = 1 },
		`feature 0 of RackBursts-v0 is "backlog"`:                                                 func(s *env.Spec) { s.Features[0], s.Features[1] = s.Features[1], s.Features[0] },
		`feature 1 of RackBursts-v0 is missing, want "backlog"`:                                   func(s *env.Spec) { s.Features = s.Features[:1] },
		`feature 2 of RackBursts-v0 is "x" [1] with offset 0 and scale 1, want none`:              func(s *env.Spec) { s.Features = append(s.Features, env.Feature{Name: "x", Unit: "1", Scale: 1}) },
		`policy: action 1 of RackBursts-v0 is "drop", want "repair" as in training`:               func(s *env.Spec) { s.Actions[1], s.Actions[2] = s.Actions[2], s.Actions[1] },
		`policy: action 2 of RackBursts-v0 is missing, want "drop" as in training`:                func(s *env.Spec) { s.Actions = s.Actions[:2] },
		`policy: action 3 of RackBursts-v0 is "missing", want none as in training`:                func(s *env.Spec) { s.Actions = append(s.Actions, "missing") },
	} {
		s := sample().Spec()
		change(s)
		wantError(t, a.Check(s), want)
	}
}

func TestDecide(t *testing.T) {
	for _, tt := range []struct {
		copies, backlog float64
		legal, want     string
	}{
		{1, 0, "hold repair drop", "repair"},
		{2, 0, "hold repair drop", "repair"},
		{3, 0, "hold repair drop", "hold"},
		{5, 0, "hold repair drop", "drop"},
		{1, 60, "hold repair drop", "hold"}, // flood forbids repair, though 1 > 0.6 > 0.25
		{2, 50, "hold repair drop", "hold"}, // 0.5-0.5 < 0.25
		{1, 50, "hold repair drop", "repair"},
		{1, 0, "hold drop", "hold"},   // last copy forbids drop
		{2, 0, "drop", "drop"},        // at the bound it does not
		{5, 0, "hold repair", "hold"}, // the caller forbids drop
	} {
		p := sample().Policy()
		raw := map[string]float64{"believed_live_copies": tt.copies, "backlog": tt.backlog}
		got, err := p.DecideNamed(raw, strings.Fields(tt.legal))
		if err != nil || got != tt.want {
			t.Errorf("copies %v, backlog %v, legal %s: %s, %v, want %s", tt.copies, tt.backlog, tt.legal, got, err, tt.want)
		}
	}
}

// A normalizer is part of the decision, alone and in a batch.
func TestDecideNormalized(t *testing.T) {
	plain, p := sample().Policy(), normalized().Policy()
	legal := []bool{true, true, true}
	taken := map[int]bool{}
	for copies := range 7 {
		for backlog := range 8 {
			raw := []float32{float32(copies), float32(10 * backlog)}
			want, err := plain.Decide(raw, legal)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := p.Decide(raw, legal); err != nil || got != want {
				t.Errorf("copies %d, backlog %d: %d, %v, want %d as without", copies, 10*backlog, got, err, want)
			}
			taken[want] = true
		}
	}
	if len(taken) != 3 {
		t.Errorf("actions taken %v, want all", taken)
	}
	without := normalized()
	without.Net.Input = nil
	q := without.Policy()
	raw := []float32{1, 10} // observed as 0 and 10: without the normalizer no reason to repair
	a, _ := p.Decide(raw, legal)
	b, _ := q.Decide(raw, legal)
	if a != 1 || b == 1 {
		t.Errorf("action %d with the normalizer and %d without, want 1 and another", a, b)
	}

	// However few the copies, they count as its bound.
	clipped := normalized()
	clipped.Net.Input.Clip = 0.25
	c := clipped.Policy()
	for _, copies := range []float32{0, 1, 2} { // (copies-1-2)/2 is below -0.25
		if got, err := c.Decide([]float32{copies, 0}, legal); err != nil || got != 0 {
			t.Errorf("copies %v: %d, %v, want 0: 0.25 for repair is not above 0.25 for hold", copies, got, err)
		}
	}
}

func TestDecideErrors(t *testing.T) {
	all := []string{"hold", "repair", "drop"}
	raw := func(copies, backlog float64) map[string]float64 {
		return map[string]float64{"believed_live_copies": copies, "backlog": backlog}
	}
	p := sample().Policy()
	for _, tt := range []struct {
		raw   map[string]float64
		legal []string
		want  string
	}{
		{map[string]float64{"backlog": 1}, all, `policy: feature "believed_live_copies" is missing, want a value for it`},
		{map[string]float64{"backlog": 1, "believed_live_copy": 1}, all, `policy: unknown feature "believed_live_copy", did you mean "believed_live_copies"?`},
		{map[string]float64{"backlog": 1, "believed_live_copies": 1, "zz": 1, "b": 2}, all, `unknown feature "b"`},
		{nil, all, "is missing"},
		{raw(math.NaN(), 0), all, `policy: feature "believed_live_copies" is NaN, want a finite number`},
		{raw(1, -inf), all, `policy: feature "backlog" is -Inf`},
		{raw(1, 1e300), all, `policy: feature "backlog" is +Inf, want a finite number in the range of float32`},
		{raw(3, 0), []string{"hold", "dorp"}, `policy: unknown action "dorp", did you mean "drop"?`},
		{raw(3, 0), nil, `policy: no legal actions given, want some of ["hold" "repair" "drop"]`},
		{raw(3, 0), []string{}, "policy: no action is legal, want at least one"},
		{raw(1, 0), []string{"drop"}, `policy: the guards forbid every legal action, want "hold" to be legal always`},
	} {
		got, err := p.DecideNamed(tt.raw, tt.legal)
		wantError(t, err, tt.want)
		if got != "" {
			t.Errorf("%s with %v", got, err)
		}
	}
	// An error leaves nothing behind.
	if got, err := p.DecideNamed(raw(1, 0), all); err != nil || got != "repair" {
		t.Errorf("%s, %v, want repair", got, err)
	}
	if _, err := p.DecideNamed(map[string]float64{"backlog": 0}, all); err == nil {
		t.Error("an earlier value stood in for a missing one")
	}

	_, err := p.Decide([]float32{1}, nil)
	wantError(t, err, "policy: 1 feature values, want 2")
	_, err = p.Decide([]float32{1, 0}, make([]bool, 2))
	wantError(t, err, "policy: legality of 2 actions, want 3")
}

func TestUnmaskedTakesNil(t *testing.T) {
	a := sample()
	a.Masked = false
	p := a.Policy()
	got, err := p.DecideNamed(map[string]float64{"believed_live_copies": 1, "backlog": 0}, nil)
	if err != nil || got != "repair" {
		t.Errorf("%s, %v, want repair", got, err)
	}
	step := env.NewTimeStep(1, a.Spec())
	step.Obs[0] = a.Features[0].Observed(5)
	actions := make([]int, 1)
	if p.Act(step, actions); actions[0] != 2 {
		t.Errorf("action %d, want 2", actions[0])
	}
}

// Acting in a batch is deciding one by one; and what a guard or the mask
// forbids is never done.
func TestAct(t *testing.T) {
	a := sample()
	p, one := a.Policy(), a.Policy()
	const n = 120
	step := env.NewTimeStep(n, a.Spec())
	copies, backlog := make([]float32, n), make([]float32, n)
	for i := range n {
		copies[i], backlog[i] = float32(i%6), float32(10*(i%8))
		step.Obs[2*i] = a.Features[0].Observed(copies[i])
		step.Obs[2*i+1] = a.Features[1].Observed(backlog[i])
		for j := range 3 {
			step.Mask[3*i+j] = j == 0 || i>>j&1 == 0
		}
	}
	before := bytes.Clone(boolBytes(step.Mask))
	actions := make([]int, n)
	p.Act(step, actions)
	taken := [3]int{}
	for i, got := range actions {
		want, err := one.Decide([]float32{copies[i], backlog[i]}, step.MaskRow(i))
		if err != nil || got != want {
			t.Errorf("copies %v, backlog %v, mask %v: %d, decided alone %d, %v", copies[i], backlog[i], step.MaskRow(i), got, want, err)
		}
		if !step.MaskRow(i)[got] || got == 2 && copies[i] < 2 || got == 1 && backlog[i] > 50 {
			t.Errorf("copies %v, backlog %v, mask %v: forbidden action %d", copies[i], backlog[i], step.MaskRow(i), got)
		}
		taken[got]++
	}
	if taken[0] == 0 || taken[1] == 0 || taken[2] == 0 {
		t.Errorf("actions taken %v, want some of each", taken)
	}
	if !bytes.Equal(before, boolBytes(step.Mask)) {
		t.Error("Act changed the mask of the time step")
	}

	// Nothing legal: hold.
	clear(step.Mask)
	p.Act(step, actions)
	for i, got := range actions {
		if got != 0 {
			t.Fatalf("row %d: action %d where nothing is legal, want 0", i, got)
		}
	}
}

func boolBytes(s []bool) []byte {
	b := make([]byte, len(s))
	for i, x := range s {
		if x {
			b[i] = 1
		}
	}
	return b
}

func TestActAllocatesNothing(t *testing.T) {
	a := sample()
	p := a.Policy()
	step := env.NewTimeStep(16, a.Spec())
	actions := make([]int, 16)
	p.Act(step, actions)
	if n := testing.AllocsPerRun(100, func() { p.Act(step, actions) }); n != 0 {
		t.Errorf("Act: %v allocations, want 0", n)
	}
	raw, legal := []float32{1, 2}, []bool{true, true, true}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := p.Decide(raw, legal); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Decide: %v allocations, want 0", n)
	}
}

func TestActPanics(t *testing.T) {
	p := sample().Policy()
	defer func() {
		want := "policy: 3 observed values, 3 mask entries and 1 actions for 1 environments of 2 features and 3 actions"
		if got := fmt.Sprint(recover()); got != want {
			t.Errorf("panic %q, want %q", got, want)
		}
	}()
	p.Act(&env.TimeStep{N: 1, Obs: make([]float32, 3), Mask: make([]bool, 3)}, make([]int, 1))
}

func TestInspect(t *testing.T) {
	for name, artifact := range map[string]*Artifact{"inspect.json": sample(), "inspect_v2.json": normalized()} {
		a, err := Decode(encoded(t, artifact))
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.MarshalIndent(a.Inspect(), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, '\n')
		path := filepath.Join("testdata", name)
		if *rewrite {
			put(t, path, got)
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Errorf("%s: inspection differs (-want +got):\n%s", name, d)
		}
	}

	a := sample()
	a.Guards, a.Fallback, a.Evaluation = nil, Fallback{}, nil
	got, err := json.Marshal(a.Inspect())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"normalizer":null`, `"guards":[]`, `"fallback":null`, `"evaluation":null`} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}

// Loading a policy links neither what trains nor what serves nor what parses
// command lines.
func TestImports(t *testing.T) {
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go tool to list imports with")
	}
	out, err := exec.Command(tool, "list", "-deps", "mend/checkpoints/policy").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 20 {
		t.Fatalf("only %d packages listed: %v", len(deps), deps)
	}
	for _, dep := range deps {
		for _, banned := range []string{"gorgonia.org/", "github.com/spf13/cobra", "net/http", "mend/agents/learn", "mend/train", "mend/cmd", "mend/configs"} {
			if dep == strings.TrimSuffix(banned, "/") || strings.HasPrefix(dep, strings.TrimSuffix(banned, "/")+"/") {
				t.Errorf("loading a policy links %s", dep)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	whole := encoded(f, sample())
	f.Add(whole, byte(0))
	f.Add(whole[headerBytes:], byte(1))
	f.Add(encoded(f, normalized())[headerBytes:], byte(2))
	f.Add([]byte(magic), byte(0))
	f.Add(changed(f, func(m *schema.Policy) { m.Layers[0].In = math.MaxUint32 })[headerBytes:], byte(1))
	f.Add(changedOf(f, normalized(), func(m *schema.Policy) { m.Normalizer.Mean = nil })[headerBytes:], byte(2))
	f.Fuzz(func(t *testing.T, b []byte, version byte) {
		if version > 0 { // so that the digest does not stop everything
			b = sealed(version, b)
		}
		a, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Decode(encoded(t, a))
		if err != nil {
			t.Fatalf("written again: %v", err)
		}
		wantArtifact(t, again, a)
		if err := a.Check(again.Spec()); err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(a.Inspect()); err != nil {
			t.Fatal(err)
		}
		step := env.NewTimeStep(2, a.Spec())
		for i := range step.Mask {
			step.Mask[i] = true
		}
		a.Policy().Act(step, make([]int, 2))
	})
}

func BenchmarkAct(b *testing.B) {
	a := sample()
	p := a.Policy()
	step := env.NewTimeStep(1, a.Spec())
	actions := make([]int, 1)
	b.ReportAllocs()
	for b.Loop() {
		p.Act(step, actions)
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("no error, want %q", want)
	case !strings.Contains(err.Error(), want):
		t.Errorf("error %q, want %q", err, want)
	case strings.Contains(err.Error(), "\n"):
		t.Errorf("error of several lines: %q", err)
	}
}
