package kernel

import (
	"fmt"
	"math"
)

// LogSoftmax writes, row by row, the logarithm of the softmax of x to logp and
// the softmax itself to prob:
//
//	logp = (x − max x) − ln Σ,  prob = e^(x − max x)/Σ,  Σ = Σ e^(x − max x)
//
// over the legal elements of the row: those where mask is true, or all if mask
// is nil. At the others logp is −Inf and prob is 0. A row without a legal
// element panics. A legal element that is not finite makes all of its row NaN.
//
// x, mask, logp and prob are [rows*cols]. logp may be x; see [Exp] and [Log] for
// the formulas.
func LogSoftmax(rows, cols int, x []float32, mask []bool, logp, prob []float32) {
	const what = "log softmax"
	sizes(what, rows, cols, 0)
	length(what, "x", x, rows*cols)
	length(what, "logp", logp, rows*cols)
	length(what, "prob", prob, rows*cols)
	if mask != nil && len(mask) != len(x) {
		panic(fmt.Sprintf("kernel: %s: mask has %d elements, want %d", what, len(mask), len(x)))
	}
	left := rows
	if len(x) > 0 {
		left = logSoftmax(rows, cols, x, mask, logp, prob)
	}
	if left > 0 {
		panic(fmt.Sprintf("kernel: %s: row %d of %d has no legal element", what, rows-left, rows))
	}
}

// logSoftmax returns how many rows are left: the first of them has no legal
// element.
func logSoftmax(rows, cols int, x []float32, mask []bool, logp, prob []float32) int {
	if left, ok := vectorLogSoftmax(rows, cols, x, mask, logp, prob); ok {
		return left
	}
	inf := float32(math.Inf(1))
	for ; rows > 0; rows-- {
		top, bad := -inf, false
		for j, v := range x[:cols] {
			logp[j] = -inf
			if mask == nil || mask[j] {
				logp[j] = v
				top = max(top, v)
				bad = bad || v-v != 0
			}
		}
		switch {
		case bad:
			top = float32(math.NaN())
		case top == -inf:
			return rows
		}
		var sum float32
		for j, v := range logp[:cols] {
			e := exp(v - top)
			prob[j] = e
			sum += e
		}
		inverse, logarithm := 1/sum, log(sum)
		for j := range cols {
			logp[j] = logp[j] - top - logarithm
			prob[j] *= inverse
		}
		x, logp, prob = x[cols:], logp[cols:], prob[cols:]
		if mask != nil {
			mask = mask[cols:]
		}
	}
	return 0
}
