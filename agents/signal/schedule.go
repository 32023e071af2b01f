package signal

// The schedules of a hyperparameter over the training.
const (
	Constant = "constant"
	Linear   = "linear" // towards 0 at the end
)

// IsSchedule reports whether s names one of them.
func IsSchedule(s string) bool { return s == Constant || s == Linear }

// Scheduled is the value of a schedule that begins at start, after the given
// progress, of 0 to 1, through the training.
func Scheduled(schedule string, start, progress float64) float64 {
	if schedule == Linear {
		return start * (1 - progress)
	}
	return start
}

// Anneal goes from start to end, in proportion to progress, of 0 to 1.
func Anneal(start, end, progress float64) float64 { return start + float64((end-start)*progress) }
