//go:build !amd64

package kernel

func detect() level { return levelGo }

// Without assembly plain Go does all the work.

func vectorGemm(m, n, k int, a []float32, rs, cs int, b, c []float32, accumulate bool) bool {
	return false
}
func vectorGemmNT(m, n, k int, a, b, c []float32, accumulate bool) bool { return false }
func vectorExp(dst, x []float32) bool                                   { return false }
func vectorLog(dst, x []float32) bool                                   { return false }
func vectorAdd(dst, src []float32) bool                                 { return false }
func vectorScale(dst, src []float32, s float32) bool                    { return false }
func vectorLerp(dst, src []float32, t float32) bool                     { return false }
func vectorTanhGrad(dz, dy, y []float32) bool                           { return false }
func vectorReLUGrad(dz, dy, y []float32) bool                           { return false }
func vectorAddBias(rows, cols int, y, b []float32) bool                 { return false }
func vectorAddBiasTanh(rows, cols int, y, b []float32) bool             { return false }
func vectorAddBiasReLU(rows, cols int, y, b []float32) bool             { return false }
func vectorColumnSums(rows, cols int, x, sums []float32) bool           { return false }
func vectorSumSquares(x []float32) (sum float64, ok bool)               { return 0, false }
func vectorFinite(x []float32) (finite, ok bool)                        { return false, false }
func vectorAdam(s *AdamStep, w, g, m, v []float32) bool                 { return false }
func vectorNormalize(rows, cols int, x, mean, scale []float32, bound float32, y []float32) bool {
	return false
}
func vectorLogSoftmax(rows, cols int, x []float32, mask []bool, logp, prob []float32) (left int, ok bool) {
	return 0, false
}
