package cluster

import "mend/env"

// Kinds is the number of kinds of decision that a policy is asked for.
const Kinds = int(NoQuestion)

// Counts is how much work an episode has been so far.
type Counts struct {
	Events uint64 // of the event queue, questions included
	// Decisions by Kind, and how many of them were repeated: the subject had
	// been answered with hold or a wait, and nothing has happened to it since.
	Decisions, Repeated [Kinds]uint64
}

// Counts returns the counts since Reset. They are no part of the state: after
// RestoreState they mean nothing until the next Reset.
func (w *World) Counts() Counts {
	c := Counts{Events: w.tally.events, Repeated: w.tally.repeated}
	for k := range c.Decisions {
		c.Decisions[k] = uint64(w.ledger.decisions[k])
	}
	return c
}

// tally is what World counts beside the ledger.
type tally struct {
	events   uint64
	repeated [Kinds]uint64
	due      []env.Time // by subject, classes after nodes: when hold or a wait that it was answered with is over
}

// begin starts counting for an episode.
func (t *tally) begin() {
	*t = tally{due: t.due}
	fill(t.due, env.Never)
}

// put is called when a subject is answered with hold or a wait until then.
func (t *tally) put(subject int32, until env.Time) { t.due[subject] = until }

// asked is called when a question is asked. What happens to a subject meanwhile
// has it asked about at another time.
func (t *tally) asked(k Kind, subject int32, now env.Time) {
	if t.due[subject] == now {
		t.repeated[k]++
	}
	t.due[subject] = env.Never
}
