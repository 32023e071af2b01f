package train

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mend/checkpoints"
	"mend/env"
)

// MetricsFile holds one JSON object a line, of two kinds:
//
//	{"kind":"train","step","update","episodes","time","steps_per_second",
//	 "episode_return","episode_length", metrics of the agent, metrics of the world}
//	{"kind":"eval","step","time","objective":{"mean","lo","hi"}}
//
// A train line covers the time since the one before: episode_return and
// episode_length are means over the episodes that ended, those of the agent
// means over its updates, those of the world ratios of sums over the episodes
// that ended. What is not a finite number is null. Steps never decrease.
const MetricsFile = "metrics.jsonl"

var columns = []string{"kind", "step", "update", "episodes", "time", "steps_per_second", "episode_return", "episode_length", "objective"}

// isColumn ignores case, as trimMetrics and many other readers do.
func isColumn(name string) bool {
	return slices.ContainsFunc(columns, func(c string) bool { return strings.EqualFold(c, name) })
}

// metrics writes metrics.jsonl, each line by one call of the system.
type metrics struct {
	file *os.File
	path string
	line []byte
}

func openMetrics(path string, truncate bool) (*metrics, error) {
	flags := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	if truncate {
		flags |= os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o666)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	return &metrics{file: f, path: path}, nil
}

func (m *metrics) train(c *counters, spec *env.Spec, rate float64, now time.Time) error {
	w := &c.window
	m.open("train", c.step, now)
	m.integer("update", c.update)
	m.integer("episodes", c.episode)
	m.float("steps_per_second", rate)
	m.float("episode_return", w.returns/float64(w.episodes))
	m.float("episode_length", float64(w.steps)/float64(w.episodes))
	for i, a := range w.averages {
		if isColumn(a.name) || slices.ContainsFunc(spec.Metrics, func(s env.Metric) bool { return s.Name == a.name }) {
			return fmt.Errorf("train: metric %q of the agent is a column or a metric of %s too", w.averages[i].name, spec.ID)
		}
		m.float(a.name, a.sum/float64(a.n))
	}
	for k, s := range spec.Metrics {
		m.float(s.Name, w.num[k]/w.den[k])
	}
	return m.flush()
}

func (m *metrics) eval(step uint64, e Evaluation, now time.Time) error {
	m.open("eval", step, now)
	m.key("objective")
	m.line = append(m.line, '{')
	m.float("mean", e.Mean)
	m.float("lo", e.Lo)
	m.float("hi", e.Hi)
	m.line = append(m.line, '}')
	return m.flush()
}

func (m *metrics) open(kind string, step uint64, now time.Time) {
	m.line = append(m.line[:0], `{"kind":"`+kind+`"`...)
	m.integer("step", step)
	m.key("time")
	m.line = now.UTC().AppendFormat(m.line, `"2006-01-02T15:04:05.000Z07:00"`)
}

// key starts a member of the object under way.
func (m *metrics) key(name string) {
	if m.line[len(m.line)-1] != '{' {
		m.line = append(m.line, ',')
	}
	quoted, err := json.Marshal(name)
	if err != nil {
		panic(err) // no string fails
	}
	m.line = append(append(m.line, quoted...), ':')
}

func (m *metrics) integer(name string, x uint64) {
	m.key(name)
	m.line = strconv.AppendUint(m.line, x, 10)
}

func (m *metrics) float(name string, x float64) {
	m.key(name)
	if math.IsNaN(x) || math.IsInf(x, 0) {
		m.line = append(m.line, "null"...)
		return
	}
	m.line = strconv.AppendFloat(m.line, x, 'g', -1, 64)
}

func (m *metrics) flush() error {
	m.line = append(m.line, '}', '\n')
	if _, err := m.file.Write(m.line); err != nil {
		return fmt.Errorf("train: write %q: %w", m.path, cause(err))
	}
	return nil
}

func (m *metrics) sync() error {
	// Devices and some file systems cannot be synced and say so.
	if err := m.file.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("train: sync %q: %w", m.path, cause(err))
	}
	return nil
}

func (m *metrics) close() error {
	if err := m.file.Close(); err != nil {
		return fmt.Errorf("train: close %q: %w", m.path, cause(err))
	}
	return nil
}

// cause takes the operation and path out of an error of package os, where the
// message around it has them.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// trimMetrics drops lines past step, which a resumed run writes again, and
// lines that are torn. The file is replaced whole or not at all.
func trimMetrics(path string, step uint64) error {
	old, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	kept := make([]byte, 0, len(old))
	for line := range bytes.Lines(old) {
		var head struct{ Step *uint64 }
		whole := line[len(line)-1] == '\n' && json.Unmarshal(line, &head) == nil
		if whole && head.Step != nil && *head.Step <= step {
			kept = append(kept, line...)
		}
	}
	if len(kept) == len(old) {
		return nil
	}
	if err := checkpoints.WriteFile(path, kept); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return nil
}
