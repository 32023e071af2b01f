package kernel

// AddBias adds b to every row of y.
//
// y is [rows*cols], b is [cols].
func AddBias(rows, cols int, y, b []float32) {
	checkBias("add bias", rows, cols, y, b)
	if len(y) == 0 || vectorAddBias(rows, cols, y, b) {
		return
	}
	for ; len(y) > 0; y = y[cols:] {
		row := y[:len(b)]
		for j, v := range b {
			row[j] += v
		}
	}
}

// AddBiasTanh replaces y by tanh(y + b), row by row, to within 2.5 units in the
// last place of the tanh; see [Tanh] for the formula.
//
// y is [rows*cols], b is [cols].
func AddBiasTanh(rows, cols int, y, b []float32) {
	checkBias("add bias tanh", rows, cols, y, b)
	if len(y) == 0 || vectorAddBiasTanh(rows, cols, y, b) {
		return
	}
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
	if len(y) == 0 || vectorAddBiasReLU(rows, cols, y, b) {
		return
	}
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
	if vectorTanhGrad(dz, dy, y) {
		return
	}
	for i, v := range y {
		dz[i] = dy[i] * (1 - float32(v*v))
	}
}

// ReLUGrad takes the gradient through y = max(0, z): dz = dy where y > 0, else
// 0; so it is 0 at the kink. dz may be dy.
func ReLUGrad(dz, dy, y []float32) {
	length("relu gradient", "dy", dy, len(dz))
	length("relu gradient", "y", y, len(dz))
	if vectorReLUGrad(dz, dy, y) {
		return
	}
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
	if len(x) == 0 || vectorColumnSums(rows, cols, x, sums) {
		return
	}
	for ; len(x) > 0; x = x[cols:] {
		row := x[:len(sums)]
		for j := range sums {
			sums[j] += row[j]
		}
	}
}
