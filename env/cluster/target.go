package cluster

// setTarget changes by delta how many copies are wanted of every shard: more are
// ordered, slow and spread over the zones; those that are too many are dropped
// at once. There is one tier.
func (w *World) setTarget(_, delta int32) {
	for s := range int32(w.shards) {
		w.setWant(s, int(w.info[s].want)+int(delta))
	}
	w.admitSoon = true
}

// targetLegal reports whether setTarget would stay within its bounds: never
// fewer copies than the quorum, or more than data.max_factor.
func (w *World) targetLegal(_, delta int32) bool {
	for want, shards := range w.wantCount {
		if to := want + int(delta); shards > 0 && (to < max(w.cfg.Data.Quorum, 2) || to > w.maxWant) {
			return false
		}
	}
	return true
}
