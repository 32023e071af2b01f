package cluster

import (
	"fmt"
	"math"
	"time"

	"mend/configs/field"
	"mend/env"
	"mend/env/state"
)

// Reviews says when the controller reviews the cluster as a whole.
type Reviews struct {
	// Every is the time between two reviews while a burst or a repair backlog
	// lasts, beside those when it begins and ends, 5 minutes after another review
	// at the soonest; 0: none at all.
	Every time.Duration `yaml:"every" json:"every"`
	// Burst is how many nodes, decaying over 10 minutes, must have been lost
	// for a burst.
	Burst float64 `yaml:"burst" json:"burst"`
}

// defaultReviews: assumed. Three nodes lost within two minutes are a burst (Ford
// et al., OSDI 2010, join failures up to 120 s apart).
func defaultReviews() Reviews { return Reviews{Every: 15 * time.Minute, Burst: 2.5} }

func (r Reviews) validate(e *field.Errors) {
	e.Want(r.Every == 0 || simulated(r.Every) >= afterAction, "reviews.every", r.Every, "at least 5m, or 0 for none")
	e.Want(r.Burst >= 1 && r.Burst <= 1e6, "reviews.burst", r.Burst, "1 to 1e6")
}

// Bits of a regime, all of which the controller can see.
const (
	regimeBurst   uint8 = 1 << iota // many nodes were lost of late
	regimeBacklog                   // repairs are on order
)

// review is what the controller knows of the present regime.
type review struct {
	regime   uint8
	since    env.Time
	answered env.Time // when a question of the last review was answered
}

func (r *review) fields(c *state.Codec) {
	state.Value(c, &r.regime)
	state.Value(c, &r.since)
	state.Value(c, &r.answered)
}

// regime is what is going on.
func (w *World) regime() uint8 {
	var r uint8
	if w.q.pending(w.timers.burstEnd) {
		r |= regimeBurst
	}
	if w.orders > 0 {
		r |= regimeBacklog
	}
	return r
}

// reviews is how many questions a review consists of: one for each tier, or one
// where there is nothing to ask about tiers.
func (w *World) reviews() int {
	if w.cfg.Data.fixed() {
		return 1
	}
	return w.tiers.count
}

// noticeRegime asks for a review where the regime has changed: soon after the last
// one, for a change may be what the last one did, and could be undone at once.
func (w *World) noticeRegime() {
	r := w.regime()
	if r == w.review.regime || w.cfg.Reviews.Every == 0 {
		return
	}
	w.review.regime, w.review.since = r, w.now
	if at := max(w.now, w.review.answered+afterAction); at < w.q.at[w.timers.askReview] {
		w.q.set(w.timers.askReview, at)
	}
}

// noticeBurst is called when a node was lost: losses10m is right.
func (w *World) noticeBurst() {
	if x := w.losses10m / w.cfg.Reviews.Burst; x >= 1 {
		w.q.set(w.timers.burstEnd, w.now+1+env.Time(math.Log(x)*float64(10*env.Minute)))
	}
}

// actReview answers the question of a review about a tier; the first one is about
// the throttle too.
func (w *World) actReview(tier int, a Action) {
	w.review.answered = w.now
	switch a {
	case ThrottleDown:
		w.setThrottle(w.throttle - 1)
	case ThrottleUp:
		w.setThrottle(w.throttle + 1)
	case TargetDown:
		w.setTarget(tier, -1)
	case TargetUp:
		w.setTarget(tier, +1)
	}
	next := w.now + simulated(w.cfg.Reviews.Every)
	id := w.timers.askReview + int32(tier)
	if a == Hold && w.review.regime != 0 {
		w.tally.put(id-w.timers.askNode, next)
	}
	switch {
	case tier+1 < w.reviews():
		w.q.set(id+1, w.now) // the review goes on
	case w.review.regime != 0 && !w.q.pending(w.timers.askReview): // else it changed meanwhile
		w.q.set(w.timers.askReview, next)
	}
}

// checkReview makes sure that reviews are asked for as long as, and no longer
// than, something is going on.
func (w *World) checkReview() error {
	asks := w.kind == ClusterReview
	for k := range int32(w.reviews()) {
		asks = asks || w.q.pending(w.timers.askReview+k)
	}
	if w.cfg.Reviews.Every == 0 {
		if asks || w.review.regime != 0 {
			return fmt.Errorf("a review is asked for, and there are none")
		}
		return nil
	}
	if r := w.regime(); r != w.review.regime || w.review.since < 0 || w.review.since > w.now || w.review.answered > w.now {
		return fmt.Errorf("regime %b, recorded %b since %d", r, w.review.regime, w.review.since)
	}
	if w.review.regime != 0 && !asks && !w.ended {
		return fmt.Errorf("regime %b will not be reviewed", w.review.regime)
	}
	return nil
}
