package kernel

// AddBias adds b to every row of y.
//
// y is [rows*cols], b is [cols].
func AddBias(rows, cols int, y, b []float32) {
	checkBias("add bias", rows, cols, y, b)
	for ; len(y) > 0; y = y[cols:] {
		row := y[:len(b)]
		for j, v := range b {
			row[j] += v
		}
	}
}

// AddBiasTanh replaces y by tanh(y + b), row by row.
//
// y is [rows*cols], b is [cols].
func AddBiasTanh(rows, cols int, y, b []float32) {
	checkBias("add bias tanh", rows, cols, y, b)
	for ; len(y) > 0; y = y[cols:] {
		row := y[:len(b)]
		for j, v := range b {
			row[j] = Tanh(row[j] + v)
		}
	}
}

// AddBiasReLU replaces y by max(0, y + b), row by row. NaN stays NaN.
//
// y is [rows*cols], b is [cols].
func AddBiasReLU(rows, cols int, y, b []float32) {
	checkBias("add bias relu", rows, cols, y, b)
	for ; len(y) > 0; y = y[cols:] {
		row := y[:len(b)]
		for j, v := range b {
			v += row[j]
			if v < 0 {
				v = 0
			}
			row[j] = v
		}
	}
}

func checkBias(what string, rows, cols int, y, b []float32) {
	sizes(what, rows, cols, 0)
	length(what, "y", y, rows*cols)
	length(what, "b", b, cols)
}

// TanhGrad takes the gradient through y = tanh(z): dz = dy·(1 − y²). dz may be
// dy.
func TanhGrad(dz, dy, y []float32) {
	length("tanh gradient", "dy", dy, len(dz))
	length("tanh gradient", "y", y, len(dz))
	for i, v := range y {
		dz[i] = dy[i] * (1 - float32(v*v))
	}
}

// ReLUGrad takes the gradient through y = max(0, z): dz = dy where y > 0, else
// 0; so it is 0 at the kink. dz may be dy.
func ReLUGrad(dz, dy, y []float32) {
	length("relu gradient", "dy", dy, len(dz))
	length("relu gradient", "y", y, len(dz))
	for i, v := range y {
		d := dy[i]
		if v <= 0 {
			d = 0
		}
		dz[i] = d
	}
}

// ColumnSums writes the sum of each column of x, or adds it to accumulate: the
// gradient of a bias.
//
// x is [rows*cols], sums is [cols].
func ColumnSums(rows, cols int, x, sums []float32, accumulate bool) {
	sizes("column sums", rows, cols, 0)
	length("column sums", "x", x, rows*cols)
	length("column sums", "sums", sums, cols)
	if !accumulate {
		clear(sums)
	}
	for ; len(x) > 0; x = x[cols:] {
		row := x[:len(sums)]
		for j := range sums {
			sums[j] += row[j]
		}
	}
}

// tanhOne is where tanh rounds to 1: 1 − tanh(x) ≈ 2e^(−2x) falls below half of
// the last bit before 1, 2^−25, at x = 13·ln 2 = 9.011.
const tanhOne = 9.0109

// Tanh is tanh(x) to within 3e-7. It is odd, never leaves [−1, 1], and NaN
// gives NaN.
//
// At h = x/2 it takes the 7th convergent of Lambert's continued fraction
//
//	tanh h = h/(1 + h²/(3 + h²/(5 + … + h²/13))) = h·P(h²)/Q(h²) = N/Q
//
// whose coefficients are integers, exact in float32 and positive, so that
// nothing cancels, and doubles the angle with a single division:
//
//	tanh x = 2·tanh h/(1 + tanh² h) = 2·N·Q/(Q² + N²)
//
// Doubling damps errors where tanh is near 1: the formula's own error is 1e-8.
//
// J. H. Lambert, "Mémoire sur quelques propriétés remarquables des quantités
// transcendentes circulaires et logarithmiques", 1768.
func Tanh(x float32) float32 {
	if x > tanhOne {
		return 1
	}
	if x < -tanhOne {
		return -1
	}
	h := 0.5 * x
	y := float32(h * h)
	p := y + 378
	p = float32(p*y) + 17325
	p = float32(p*y) + 135135
	q := float32(28*y) + 3150
	q = float32(q*y) + 62370
	q = float32(q*y) + 135135
	n := float32(h * p)
	t := float32(2*n) * q / (float32(q*q) + float32(n*n))
	// Rounding may end one bit beyond 1.
	if t > 1 {
		return 1
	}
	if t < -1 {
		return -1
	}
	return t
}
