package cluster

// setTarget changes by delta how many copies are wanted of every shard: more are
// ordered, slow and spread over the zones; those that are too many are dropped
// at once.
func (w *World) setTarget(delta int32) {
	for s := range int32(w.shards) {
		if w.setWant(s, int(w.info[s].want)+int(delta)); w.info[s].flags&shardPlain == 0 {
			w.orderMissing(s)
		}
	}
	w.admitSoon = true
}

// targetLegal reports whether setTarget would stay within its bounds: never
// fewer copies than the quorum, or than 2, or more than data.max_factor. Where
// that is 0 the target is fixed.
func (w *World) targetLegal(delta int32) bool {
	if w.cfg.Data.MaxFactor == 0 {
		return false
	}
	for want, shards := range w.wantCount {
		if to := want + int(delta); shards > 0 && (to < max(w.cfg.Data.Quorum, 2) || to > w.maxWant) {
			return false
		}
	}
	return true
}
