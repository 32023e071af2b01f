package cluster

import (
	"fmt"
	"math"

	"mend/configs/field"
)

// maxTiers is the largest number of tiers.
const maxTiers = 4

// Tier is a class of data of equal worth, which is asked about apart: shards at
// risk by tier, and in reviews how many copies its shards shall have.
type Tier struct {
	Name string `yaml:"name" json:"name"`
	// Share is the part of all shards.
	Share float64 `yaml:"share" json:"share"`
	// Value multiplies the prices of unavailability and loss.
	Value float64 `yaml:"value" json:"value"`
}

func validateTiers(tiers []Tier, e *field.Errors) {
	e.Want(len(tiers) <= maxTiers, "data.tiers", fmt.Sprintf("%d tiers", len(tiers)), fmt.Sprintf("at most %d", maxTiers))
	sum := 0.0
	names := map[string]bool{}
	for i, t := range tiers {
		path := fmt.Sprintf("data.tiers[%d].", i)
		e.Want(t.Name != "" && !names[t.Name], path+"name", t.Name, "a name of its own")
		e.Want(t.Share > 0 && t.Share <= 1, path+"share", t.Share, "above 0, to 1")
		e.Want(t.Value >= 1e-6 && t.Value <= 1e6, path+"value", t.Value, "1e-6 to 1e6")
		names[t.Name] = true
		sum += t.Share
	}
	e.Want(len(tiers) == 0 || math.Abs(sum-1) <= 1e-9, "data.tiers", sum, "shares that add up to 1")
}

// tiers are the tiers of a world, one at least: that of shard s is the first one
// that ends behind it.
type tiers struct {
	count int
	end   [maxTiers]int32 // shards; the last tier ends with them
	value [maxTiers]float64
	log   [maxTiers]float64 // of value
}

func newTiers(list []Tier, shards int) tiers {
	if len(list) == 0 {
		return tiers{count: 1, end: [maxTiers]int32{int32(shards)}, value: [maxTiers]float64{1}}
	}
	t := tiers{count: len(list)}
	sum := 0.0
	for i, x := range list {
		sum += x.Share
		t.end[i], t.value[i], t.log[i] = int32(math.Round(sum*float64(shards))), x.Value, math.Log(x.Value)
	}
	t.end[t.count-1] = int32(shards)
	return t
}

// of is the tier of shard s.
func (t *tiers) of(s int32) int {
	if t.count == 1 {
		return 0
	}
	return t.search(s)
}

func (t *tiers) search(s int32) int {
	k := 0
	for s >= t.end[k] {
		k++
	}
	return k
}

// span are the shards of tier k: from first to before end.
func (t *tiers) span(k int) (first, end int32) {
	if k > 0 {
		first = t.end[k-1]
	}
	return first, t.end[k]
}
