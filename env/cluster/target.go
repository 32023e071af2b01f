package cluster

// setTarget changes by delta how many copies are wanted of every shard of a tier:
// more are ordered, slow and spread over the zones; those that are too many are
// dropped at once.
func (w *World) setTarget(tier int, delta int32) {
	w.tierTarget[tier] += delta
	first, end := w.tiers.span(tier)
	for s := first; s < end; s++ {
		if w.setWant(s, int(w.info[s].want)+int(delta)); w.info[s].flags&shardPlain == 0 {
			w.orderMissing(s)
		}
	}
	w.admitSoon = true
}

// targetLegal reports whether setTarget would stay within its bounds: never
// fewer copies than the quorum, or than 2, or more of any shard than
// data.max_factor.
func (w *World) targetLegal(tier int, delta int32) bool {
	if w.cfg.Data.fixed() {
		return false
	}
	if delta < 0 {
		return int(w.tierTarget[tier]+delta) >= max(w.cfg.Data.Quorum, 2)
	}
	most := int(w.tierTarget[tier]) // of a tier without shards, too
	for want, shards := range w.tierWants[tier] {
		if shards > 0 {
			most = max(most, want)
		}
	}
	return most+int(delta) <= w.maxWant
}

// wanting counts the shards of which so many copies are wanted.
func (w *World) wanting(copies int) (shards int32) {
	for k := range w.tiers.count {
		shards += w.tierWants[k][copies]
	}
	return shards
}

// meanWant is how many copies are wanted of a shard, on average.
func (w *World) meanWant() float64 {
	sum := 0
	for want := range maxFactor + 1 {
		sum += want * int(w.wanting(want))
	}
	return float64(sum) / float64(w.shards)
}
