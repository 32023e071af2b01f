package train

import (
	"time"

	"mend/configs/field"
)

// Config says how long to train and what to leave behind on the way. Steps are
// environment steps: one step of a vector of 8 counts 8.
type Config struct {
	// Steps is the length of training; the last step of the vector may exceed
	// it by up to Envs−1.
	Steps uint64 `yaml:"steps"`
	// Envs is the number of environments stepped in lock-step.
	Envs int `yaml:"envs"`
	// Seed determines the run: worlds, exploration and first weights.
	Seed uint64 `yaml:"seed"`
	// ExploringStarts is the share of the environments whose episodes begin in a
	// state which following good policies would seldom lead to, where the world
	// offers that; see env.Vector.SetExplore. Evaluations never do.
	ExploringStarts float64 `yaml:"exploring_starts"`
	// LogEvery is the least number of steps between two train lines of
	// metrics.jsonl; a line averages over the updates since the last.
	LogEvery uint64 `yaml:"log_every"`
	// EvalEvery is the number of steps between periodic evaluations; 0 is
	// none.
	EvalEvery uint64 `yaml:"eval_every"`
	// EvalEpisodes is the number of episodes of a periodic evaluation.
	EvalEpisodes int `yaml:"eval_episodes"`
	// CheckpointEvery is the time between checkpoints on the wall clock, so
	// that a crash costs about that much work however fast the world is; 0
	// keeps only the first and the last. It does not affect what is learned.
	CheckpointEvery time.Duration `yaml:"checkpoint_every"`
	// Keep is the number of checkpoints kept, the newest.
	Keep int `yaml:"keep"`
}

// DefaultConfig trains for a million steps.
func DefaultConfig() Config {
	return Config{
		Steps:           1_000_000,
		Envs:            8,
		Seed:            1,
		LogEvery:        1_000,
		EvalEvery:       50_000,
		EvalEpisodes:    20,
		CheckpointEvery: time.Minute,
		Keep:            3,
	}
}

// maxSteps leaves room to count past Steps and to name checkpoints.
const maxSteps = 1_000_000_000_000

// Validate returns field.Errors with all complaints.
func (c Config) Validate() error {
	var e field.Errors
	e.Want(c.Steps >= 1 && c.Steps <= maxSteps, "steps", c.Steps, "1 <= steps <= 1e12")
	e.Want(c.Envs >= 1 && c.Envs <= 1<<16, "envs", c.Envs, "1 <= envs <= 65536")
	e.Want(c.ExploringStarts >= 0 && c.ExploringStarts <= 1, "exploring_starts", c.ExploringStarts, "0 <= exploring_starts <= 1")
	e.Want(c.EvalEvery == 0 || c.EvalEpisodes >= 1 && c.EvalEpisodes <= 1_000_000, "eval_episodes", c.EvalEpisodes, "1 <= eval_episodes <= 1e6, or eval_every 0")
	e.Want(c.CheckpointEvery >= 0, "checkpoint_every", c.CheckpointEvery, "checkpoint_every >= 0")
	e.Want(c.Keep >= 1, "keep", c.Keep, "keep >= 1")
	return e.Err()
}
