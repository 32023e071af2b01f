package train

import (
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
)

// Pace of progress: a bar is redrawn every barEvery; lines come every twentieth
// of the run, but no closer than lineLeast and no farther than lineMost.
const (
	barEvery  = 100 * time.Millisecond
	lineLeast = time.Second
	lineMost  = 10 * time.Second
)

// progress shows how far a run has come: one line that redraws itself on a
// terminal, elsewhere lines of key=value without any control code. A nil
// *progress shows nothing.
type progress struct {
	w           io.Writer
	bar         *progressbar.ProgressBar // nil off a terminal
	from, total uint64
	began, last time.Time
	lastStep    uint64
}

func newProgress(w io.Writer, from, total uint64, now time.Time) *progress {
	if w == nil {
		return nil
	}
	p := &progress{w: w, from: from, total: total, began: now, last: now, lastStep: from}
	if isTerminal(w) {
		p.draw()
	}
	return p
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("TERM") != "dumb" && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()))
}

// draw makes p a bar. Rate and remaining time are in its text: the bar's own
// would count the steps before a resume as taken in an instant.
func (p *progress) draw() {
	p.bar = progressbar.NewOptions64(int64(p.total),
		progressbar.OptionSetWriter(p.w),
		progressbar.OptionSetWidth(12), // with the text, less than 80 columns
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionShowDescriptionAtLineEnd(),
	)
}

// update is called at every step of the vector; it costs nothing unless
// something is due.
func (p *progress) update(step uint64, episodeReturn float64, now time.Time) {
	if p == nil {
		return
	}
	since := now.Sub(p.last)
	if p.bar != nil {
		if since >= barEvery {
			p.last = now
			p.redraw(step, episodeReturn, now)
		}
		return
	}
	if since >= lineMost || since >= lineLeast && step-p.lastStep >= p.total/20 {
		p.line(step, episodeReturn, now)
	}
}

func (p *progress) redraw(step uint64, episodeReturn float64, now time.Time) {
	rate, eta := p.pace(step, now)
	text := fmt.Sprintf("%s/%s %s steps/s return %s eta %s", short(float64(step)), short(float64(p.total)), short(rate), number(episodeReturn), eta)
	// Each call draws, the last one what stays: Describe with the new position,
	// but at the end Set64, after which the bar never changes. Their errors are
	// dropped: a lost terminal must not stop the run.
	if step >= p.total {
		p.bar.Describe(text)
		_ = p.bar.Set64(int64(p.total))
		return
	}
	_ = p.bar.Set64(int64(step))
	p.bar.Describe(text)
}

func (p *progress) line(step uint64, episodeReturn float64, now time.Time) {
	rate, eta := p.pace(step, now)
	p.last, p.lastStep = now, step
	fmt.Fprintf(p.w, "step=%d of=%d steps/s=%.0f return=%s eta=%s\n", step, p.total, rate, number(episodeReturn), eta)
}

// pace is the mean rate of this call and the time left at that rate.
func (p *progress) pace(step uint64, now time.Time) (rate float64, eta string) {
	if elapsed := now.Sub(p.began).Seconds(); elapsed > 0 {
		rate = float64(step-p.from) / elapsed
	}
	left := float64(p.total-min(step, p.total)) / rate
	if !(left < 1e8) {
		return rate, "-"
	}
	return rate, (time.Duration(math.Ceil(left)) * time.Second).String()
}

// clear makes room for other output; the next update draws the bar again.
func (p *progress) clear() {
	if p != nil && p.bar != nil {
		_ = p.bar.Clear()
	}
}

// stop shows the last state and leaves the line.
func (p *progress) stop(step uint64, episodeReturn float64) {
	if p == nil {
		return
	}
	now := time.Now()
	if p.bar != nil {
		p.redraw(step, episodeReturn, now)
		fmt.Fprintln(p.w)
		return
	}
	p.line(step, episodeReturn, now)
}

// number is x to four digits, "-" where there is none.
func number(x float64) string {
	if math.IsNaN(x) {
		return "-"
	}
	return strconv.FormatFloat(x, 'g', 4, 64)
}

// short is x to three digits with k, M or G.
func short(x float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v := x / unit.size; v >= 1 {
			digits := 2
			for w := v; w >= 10 && digits > 0; w /= 10 {
				digits--
			}
			text := strconv.FormatFloat(v, 'f', digits, 64)
			if digits > 0 {
				text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
			}
			return text + unit.name
		}
	}
	return strconv.FormatFloat(x, 'f', 0, 64)
}
