package cluster

// drain begins to move the copies of node n away.
func (w *World) drain(n int32) { w.nodeFlags[n] |= nodeDraining }

// setThrottle makes repairs use another share of the zones' bandwidth.
func (w *World) setThrottle(level int8) { w.throttle = level }

// setTarget changes the number of copies wanted of the shards of a tier.
func (w *World) setTarget(tier, delta int32) {}

// targetLegal reports whether setTarget would stay within its bounds.
func (w *World) targetLegal(tier, delta int32) bool { return false }
