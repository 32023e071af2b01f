package kernel

import "math"

// Add adds src to dst, element by element.
func Add(dst, src []float32) {
	length("add", "src", src, len(dst))
	if vectorAdd(dst, src) {
		return
	}
	for i, v := range src {
		dst[i] += v
	}
}

// Scale writes s·src to dst. dst may be src.
func Scale(dst, src []float32, s float32) {
	length("scale", "src", src, len(dst))
	if vectorScale(dst, src, s) {
		return
	}
	for i, v := range src {
		dst[i] = s * v
	}
}

// Lerp moves dst towards src: dst ← dst + t·(src − dst). With t small it is one
// step of a target network or of an exponential moving average.
func Lerp(dst, src []float32, t float32) {
	length("lerp", "src", src, len(dst))
	if vectorLerp(dst, src, t) {
		return
	}
	for i, v := range src {
		dst[i] += float32(t * (v - dst[i]))
	}
}

// Normalize writes clamp((x − mean)·scale, −clip, clip) to y, row by row; a clip
// of 0 means no bound. NaN stays NaN. y may be x.
//
// x and y are [rows*cols], mean and scale are [cols].
func Normalize(rows, cols int, x, mean, scale []float32, clip float32, y []float32) {
	const what = "normalize"
	sizes(what, rows, cols, 0)
	length(what, "x", x, rows*cols)
	length(what, "mean", mean, cols)
	length(what, "scale", scale, cols)
	length(what, "y", y, rows*cols)
	if clip == 0 {
		clip = float32(math.Inf(1))
	}
	if len(x) == 0 || vectorNormalize(rows, cols, x, mean, scale, clip, y) {
		return
	}
	for ; len(x) > 0; x, y = x[cols:], y[cols:] {
		to := y[:cols]
		for j, v := range x[:cols] {
			v = (v - mean[j]) * scale[j]
			if v > clip {
				v = clip
			} else if v < -clip {
				v = -clip
			}
			to[j] = v
		}
	}
}
