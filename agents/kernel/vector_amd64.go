package kernel

import "unsafe"

// Each function here does the work of the one that its name tells, or returns
// false where plain Go is to do it.

func vectorExp(dst, x []float32) bool {
	d, p := unsafe.SliceData(dst), unsafe.SliceData(x)
	switch active {
	case levelAVX512:
		expAVX512(d, p, len(x))
	case levelAVX2:
		expAVX2(d, p, len(x))
	default:
		return false
	}
	return true
}

func vectorLog(dst, x []float32) bool {
	d, p := unsafe.SliceData(dst), unsafe.SliceData(x)
	switch active {
	case levelAVX512:
		logAVX512(d, p, len(x))
	case levelAVX2:
		logAVX2(d, p, len(x))
	default:
		return false
	}
	return true
}

func vectorAdd(dst, src []float32) bool {
	d, p := unsafe.SliceData(dst), unsafe.SliceData(src)
	switch active {
	case levelAVX512:
		addAVX512(d, p, len(src))
	case levelAVX2:
		addAVX2(d, p, len(src))
	default:
		return false
	}
	return true
}

func vectorScale(dst, src []float32, s float32) bool {
	d, p := unsafe.SliceData(dst), unsafe.SliceData(src)
	switch active {
	case levelAVX512:
		scaleAVX512(d, p, len(src), s)
	case levelAVX2:
		scaleAVX2(d, p, len(src), s)
	default:
		return false
	}
	return true
}

func vectorLerp(dst, src []float32, t float32) bool {
	d, p := unsafe.SliceData(dst), unsafe.SliceData(src)
	switch active {
	case levelAVX512:
		lerpAVX512(d, p, len(src), t)
	case levelAVX2:
		lerpAVX2(d, p, len(src), t)
	default:
		return false
	}
	return true
}

func vectorTanhGrad(dz, dy, y []float32) bool {
	d, p, q := unsafe.SliceData(dz), unsafe.SliceData(dy), unsafe.SliceData(y)
	switch active {
	case levelAVX512:
		tanhGradAVX512(d, p, q, len(y))
	case levelAVX2:
		tanhGradAVX2(d, p, q, len(y))
	default:
		return false
	}
	return true
}

func vectorReLUGrad(dz, dy, y []float32) bool {
	d, p, q := unsafe.SliceData(dz), unsafe.SliceData(dy), unsafe.SliceData(y)
	switch active {
	case levelAVX512:
		reluGradAVX512(d, p, q, len(y))
	case levelAVX2:
		reluGradAVX2(d, p, q, len(y))
	default:
		return false
	}
	return true
}

func vectorAddBias(rows, cols int, y, b []float32) bool {
	p, q := unsafe.SliceData(y), unsafe.SliceData(b)
	switch active {
	case levelAVX512:
		biasLinearAVX512(rows, cols, p, q)
	case levelAVX2:
		biasLinearAVX2(rows, cols, p, q)
	default:
		return false
	}
	return true
}

func vectorAddBiasTanh(rows, cols int, y, b []float32) bool {
	p, q := unsafe.SliceData(y), unsafe.SliceData(b)
	switch active {
	case levelAVX512:
		biasTanhAVX512(rows, cols, p, q)
	case levelAVX2:
		biasTanhAVX2(rows, cols, p, q)
	default:
		return false
	}
	return true
}

func vectorAddBiasReLU(rows, cols int, y, b []float32) bool {
	p, q := unsafe.SliceData(y), unsafe.SliceData(b)
	switch active {
	case levelAVX512:
		biasReLUAVX512(rows, cols, p, q)
	case levelAVX2:
		biasReLUAVX2(rows, cols, p, q)
	default:
		return false
	}
	return true
}

func vectorNormalize(rows, cols int, x, mean, scale []float32, bound float32, y []float32) bool {
	px, pm, ps, py := unsafe.SliceData(x), unsafe.SliceData(mean), unsafe.SliceData(scale), unsafe.SliceData(y)
	switch active {
	case levelAVX512:
		normalizeAVX512(rows, cols, px, pm, ps, bound, py)
	case levelAVX2:
		normalizeAVX2(rows, cols, px, pm, ps, bound, py)
	default:
		return false
	}
	return true
}

func vectorColumnSums(rows, cols int, x, sums []float32) bool {
	p, q := unsafe.SliceData(x), unsafe.SliceData(sums)
	switch active {
	case levelAVX512:
		columnSumsAVX512(rows, cols, p, q)
	case levelAVX2:
		columnSumsAVX2(rows, cols, p, q)
	default:
		return false
	}
	return true
}

func vectorSumSquares(x []float32) (sum float64, ok bool) {
	p := unsafe.SliceData(x)
	switch active {
	case levelAVX512:
		return sumSquaresAVX512(p, len(x)), true
	case levelAVX2:
		return sumSquaresAVX2(p, len(x)), true
	}
	return 0, false
}

func vectorFinite(x []float32) (finite, ok bool) {
	p := unsafe.SliceData(x)
	switch active {
	case levelAVX512:
		return finiteAVX512(p, len(x)), true
	case levelAVX2:
		return finiteAVX2(p, len(x)), true
	}
	return false, false
}

func vectorAdam(s *AdamStep, w, g, m, v []float32) bool {
	pw, pg, pm, pv := unsafe.SliceData(w), unsafe.SliceData(g), unsafe.SliceData(m), unsafe.SliceData(v)
	switch active {
	case levelAVX512:
		adamAVX512(pw, pg, pm, pv, len(w), s.scale, s.b1, s.c1, s.b2, s.c2, s.lr, s.root, s.eps)
	case levelAVX2:
		adamAVX2(pw, pg, pm, pv, len(w), s.scale, s.b1, s.c1, s.b2, s.c2, s.lr, s.root, s.eps)
	default:
		return false
	}
	return true
}

func vectorLogSoftmax(rows, cols int, x []float32, mask []bool, logp, prob []float32) (left int, ok bool) {
	if active != levelGo && cols == 2 {
		// Several rows a vector, up to the last few or to one without a legal
		// element, which go the way of all.
		left = logSoftmaxPairs(rows, x, mask, logp, prob)
		if left == 0 {
			return 0, true
		}
		done := 2 * (rows - left)
		rows, x, logp, prob = left, x[done:], logp[done:], prob[done:]
		if mask != nil {
			mask = mask[done:]
		}
	}
	px, pm, pl, pp := unsafe.SliceData(x), unsafe.SliceData(mask), unsafe.SliceData(logp), unsafe.SliceData(prob)
	switch {
	case active == levelAVX512 && cols <= 16:
		return logSoftmaxShortAVX512(rows, cols, px, pm, pl, pp), true
	case active == levelAVX512:
		return logSoftmaxLongAVX512(rows, cols, px, pm, pl, pp), true
	case active == levelAVX2 && cols <= 8:
		return logSoftmaxShortAVX2(rows, cols, px, pm, pl, pp), true
	case active == levelAVX2:
		return logSoftmaxLongAVX2(rows, cols, px, pm, pl, pp), true
	}
	return 0, false
}

func logSoftmaxPairs(rows int, x []float32, mask []bool, logp, prob []float32) (left int) {
	px, pm, pl, pp := unsafe.SliceData(x), unsafe.SliceData(mask), unsafe.SliceData(logp), unsafe.SliceData(prob)
	if active == levelAVX512 {
		return logSoftmaxPairsAVX512(rows, px, pm, pl, pp)
	}
	return logSoftmaxPairsAVX2(rows, px, pm, pl, pp)
}
