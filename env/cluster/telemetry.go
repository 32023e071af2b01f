package cluster

import "mend/env"

// foretold is called when the time of node n's next loss may have changed: at
// the start, and when its machine is another.
func (w *World) foretold(n int32) {}

// slowed is called when the true slowdown of node n has changed.
func (w *World) slowed(n int32) {}

// warned is called when the provider announces that node n will be taken away
// at the given time.
func (w *World) warned(n int32, at env.Time) {}
