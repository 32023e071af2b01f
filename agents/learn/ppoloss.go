package learn

import (
	"math"

	"mend/agents/kernel"
)

// ppoLoss is the loss of one shard, as a sum over its rows, with the gradient of
// the mean over the batch that it belongs to.
type ppoLoss struct {
	PPOLoss
	batch  *PPOBatch // the shard's rows
	total  float64   // rows of the whole batch
	width  int       // actions
	logits []float32 // [N*width]
	y      []float32 // [N], outputs of the value net

	dlogits, dy []float32
	value       []float32 // [N], of y
	logp, prob  []float32 // [N*width]
	plogp       []float32 // [width], π·log π of the current row
	stats       PPOStats  // sums over the rows; no Loss
}

func newPPOLoss(b *PPOBatch, total, width int, logits, y, dlogits, dy []float32) *ppoLoss {
	return &ppoLoss{
		batch: b, total: float64(total), width: width, logits: logits, y: y, dlogits: dlogits, dy: dy,
		value: make([]float32, b.N), logp: make([]float32, len(logits)), prob: make([]float32, len(logits)), plogp: make([]float32, width),
	}
}

// compute fills stats and the gradients, and returns the loss.
func (o *ppoLoss) compute() float64 {
	o.stats = PPOStats{}
	o.policy()
	o.values()
	s := &o.stats
	return (s.PolicyLoss + o.ValueCoefficient*s.ValueLoss - o.EntropyCoefficient*s.Entropy) / o.total
}

func (o *ppoLoss) policy() {
	b, w, s := o.batch, o.width, &o.stats
	kernel.LogSoftmax(b.N, w, o.logits, b.Mask, o.logp, o.prob)
	bonus := float32(o.EntropyCoefficient / o.total)
	for i := range b.N {
		logp, prob := o.logp[i*w:(i+1)*w], o.prob[i*w:(i+1)*w]

		// Both sides come from the same kernel, so that the ratio is exactly 1
		// while the policy is still the old one.
		action, adv := b.Action[i], float64(b.Advantage[i])
		logRatio := float64(logp[action] - b.OldLogProb[i])
		ratio := math.Exp(logRatio)
		clipped := min(max(ratio, 1-o.Clip), 1+o.Clip)
		free, bounded := ratio*adv, clipped*adv
		dlogp := 0.0 // ∂L/∂log π(a|s)
		if free <= bounded {
			s.PolicyLoss -= free
			dlogp = -free / o.total
		} else {
			s.PolicyLoss -= bounded
		}
		s.ApproxKL += (ratio - 1) - logRatio
		if math.Abs(ratio-1) > o.Clip {
			s.ClipFraction++
		}

		plogp := o.plogp[:len(prob)]
		logp = logp[:len(prob)]
		var entropy float32
		for j, p := range prob {
			t := p * logp[j]
			if p == 0 { // 0·∞
				t = 0
			}
			plogp[j] = t
			entropy -= t
		}
		s.Entropy += float64(entropy)

		// ∂log π(a)/∂x_j = [j=a] − π_j, ∂H/∂x_j = −π_j·(log π_j + H).
		d := o.dlogits[i*w : (i+1)*w][:len(prob)]
		c := bonus*entropy - float32(dlogp)
		for j, p := range prob {
			d[j] = c*p + bonus*plogp[j]
		}
		d[action] += float32(dlogp)
	}
}

func (o *ppoLoss) values() {
	b, s := o.batch, &o.stats
	c := criterion{o.ValueHead, o.ValueHuber}
	o.ValueHead.Values(o.value, o.y)
	for i, v := range o.value {
		v, old, target := float64(v), float64(b.OldValue[i]), float64(b.Return[i])
		scale := c.scale(v)
		loss, slope := c.at((v - target) * scale)
		if o.ValueClip > 0 {
			move := v - old
			near := min(max(move, -o.ValueClip), o.ValueClip)
			if worse, slope2 := c.at((old + near - target) * scale); worse > loss {
				loss, slope = worse, slope2
				if move != near {
					slope = 0
				}
			}
		}
		s.ValueLoss += loss
		o.dy[i] = float32(o.ValueCoefficient * slope / o.total)
	}
}
