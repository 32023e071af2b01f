package train

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"mend/agents/kernel"
	"mend/checkpoints"
)

// What a run leaves in its folder, besides MetricsFile.
const (
	CheckpointsFolder = "checkpoints"
	EvalFolder        = "eval" // for whoever evaluates
	ConfigFile        = "config.resolved.yaml"
	ManifestFile      = "manifest.json"
	lockFile          = "run.lock"
)

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// NewDir makes the folder of a new run,
//
//	root/<time>-<env>-<algo>-s<seed>-<first 6 digits of config's SHA-256>
//
// with its sub-folders and the resolved configuration in it, and returns its
// path. The time is UTC. Where the name is taken, -2, -3 and so on follow it.
func NewDir(root, env, algo string, seed uint64, config []byte, now time.Time) (string, error) {
	for _, name := range []string{env, algo} {
		if !nameForm.MatchString(name) {
			return "", fmt.Errorf("train: name %q in that of a run, want letters, digits, '.', '_' and '-'", name)
		}
	}
	if err := os.MkdirAll(root, 0o777); err != nil {
		return "", fmt.Errorf("train: %w", err)
	}
	sum := sha256.Sum256(config)
	name := fmt.Sprintf("%s-%s-%s-s%d-%x", now.UTC().Format("20060102-150405"), env, algo, seed, sum[:3])
	for i := 1; ; i++ {
		dir := filepath.Join(root, name)
		if i > 1 {
			dir = fmt.Sprintf("%s-%d", dir, i)
		}
		err := os.Mkdir(dir, 0o777)
		if errors.Is(err, fs.ErrExist) && i < 1000 {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("train: %w", err)
		}
		if err := fill(dir, config); err != nil {
			os.Remove(dir)
			return "", err
		}
		return dir, nil
	}
}

// UseDir makes dir the folder of a new run, for a caller who chose its name. It
// refuses one that exists and is not empty.
func UseDir(dir string, config []byte) error {
	_, missing := os.Stat(dir)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("train: folder %q is not empty (%s), want a new or empty one", dir, entries[0].Name())
	}
	err = fill(dir, config)
	if err != nil && missing != nil {
		os.Remove(dir)
	}
	return err
}

// fill makes what a new run begins with, or leaves dir as it was.
func fill(dir string, config []byte) (err error) {
	for _, sub := range []string{CheckpointsFolder, EvalFolder} {
		sub := filepath.Join(dir, sub)
		if err := os.Mkdir(sub, 0o777); err != nil {
			return fmt.Errorf("train: %w", err)
		}
		defer func() {
			if err != nil {
				os.Remove(sub)
			}
		}()
	}
	if err := checkpoints.WriteFile(filepath.Join(dir, ConfigFile), config); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return nil
}

// Manifest says what made a run, and where.
type Manifest struct {
	Schema       string    `json:"schema"` // mend.manifest/v1
	Started      time.Time `json:"started"`
	Env          string    `json:"env"`
	EnvDigest    string    `json:"env_digest"`
	Algo         string    `json:"algo"`
	Seed         uint64    `json:"seed"`
	ConfigSHA256 string    `json:"config_sha256"`
	Tool         string    `json:"tool"`
	Revision     string    `json:"revision"` // of the source; empty where the build does not know it
	Modified     bool      `json:"modified"` // the source differed from the revision
	Go           string    `json:"go"`
	OS           string    `json:"os"`
	Arch         string    `json:"arch"`
	CPU          string    `json:"cpu"`
	Kernel       string    `json:"kernel"`
	GOMAXPROCS   int       `json:"gomaxprocs"`
}

// NewManifest describes this process and the run that m identifies. An empty
// Tool, Go, CPU or Kernel in m is filled in.
func NewManifest(m checkpoints.Meta, now time.Time) Manifest {
	sum := sha256.Sum256(m.Config)
	revision, modified := revision()
	return Manifest{
		Schema:       "mend.manifest/v1",
		Started:      now.UTC().Truncate(time.Second),
		Env:          m.Env,
		EnvDigest:    m.EnvDigest,
		Algo:         m.Algo,
		Seed:         m.Seed,
		ConfigSHA256: hex.EncodeToString(sum[:]),
		Tool:         first(m.Tool, Tool()),
		Revision:     revision,
		Modified:     modified,
		Go:           first(m.Go, runtime.Version()),
		OS:           runtime.GOOS,
		Arch:         runtime.GOARCH,
		CPU:          first(m.CPU, CPU()),
		Kernel:       first(m.Kernel, kernel.Active()),
		GOMAXPROCS:   runtime.GOMAXPROCS(0),
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// WriteManifest writes manifest.json into the folder of a run.
func WriteManifest(dir string, m Manifest) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("train: %s: %w", ManifestFile, err)
	}
	if err := checkpoints.WriteFile(filepath.Join(dir, ManifestFile), append(b, '\n')); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return nil
}

// Tool is the version of the program that runs.
func Tool() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

func revision() (id string, modified bool) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", false
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			id = s.Value
		case "vcs.modified":
			modified = s.Value == "true"
		}
	}
	return id, modified
}

// CPU is the model of the processor, as far as the system tells, else its
// architecture.
func CPU() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		key, value, _ := strings.Cut(s.Text(), ":")
		if strings.TrimSpace(key) == "model name" {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	return runtime.GOARCH
}
