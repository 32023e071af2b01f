package kernel

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
