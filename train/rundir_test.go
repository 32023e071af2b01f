package train

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"mend/agents/kernel"
	"mend/checkpoints"
)

func TestNewDir(t *testing.T) {
	root := filepath.Join(t.TempDir(), "runs")
	config := []byte("train:\n  steps: 3\n")
	now := time.Date(2026, 11, 20, 19, 8, 5, 0, time.FixedZone("x", 3600))
	var names []string
	for range 3 {
		dir, err := NewDir(root, "CartPole-v1", "ppo", 7, config, now)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, filepath.Base(dir))
		got, err := os.ReadFile(filepath.Join(dir, "config.resolved.yaml"))
		if err != nil || string(got) != string(config) {
			t.Errorf("%q, %v", got, err)
		}
		for _, sub := range []string{"checkpoints", "eval"} {
			if info, err := os.Stat(filepath.Join(dir, sub)); err != nil || !info.IsDir() {
				t.Error(sub, err)
			}
		}
	}
	const first = "20261120-180805-CartPole-v1-ppo-s7-"
	if !strings.HasPrefix(names[0], first) || len(names[0]) != len(first)+6 || names[1] != names[0]+"-2" || names[2] != names[0]+"-3" {
		t.Errorf("names %q", names)
	}
	_, err := NewDir(root, "../x", "ppo", 7, config, now)
	if want := `train: name "../x" in that of a run, want letters, digits, '.', '_' and '-'`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestUseDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := UseDir(dir, []byte("x: 1\n")); err != nil {
		t.Fatal(err)
	}
	err := UseDir(dir, nil)
	if want := fmt.Sprintf("train: folder %q is not empty (checkpoints), want a new or empty one", dir); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := UseDir(file, nil); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

func TestManifest(t *testing.T) {
	dir := t.TempDir()
	meta := checkpoints.Meta{Env: "Walk-v0", EnvDigest: "d1", Algo: "digest", Seed: 1<<64 - 1, Config: []byte("x")}
	if err := WriteManifest(dir, NewManifest(meta, time.Unix(1e9, 5))); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	if m.Schema != "mend.manifest/v1" || m.Seed != 1<<64-1 || m.Go != runtime.Version() || m.CPU == "" || m.Tool == "" || m.GOMAXPROCS < 1 || m.Kernel != kernel.Active() ||
		m.ConfigSHA256 != "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" || !m.Started.Equal(time.Unix(1e9, 0)) {
		t.Errorf("%+v", m)
	}
}
