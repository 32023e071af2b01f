package kernel

import "unsafe"

// Sizes of blocks. They change no bit: sums run through C, which holds them
// exactly.
const (
	vectorK    = 128 // summed indexes: 128 rows of 64 columns of B fill 32 KB, which stay in the first cache
	vectorRows = 512 // rows of A in a call, which no goroutine can interrupt

	turnedK = 64 // summed indexes and columns of B that GemmNT transposes at a time
	turnedN = 64

	line = 64 // bytes in a line of the cache; vectors that straddle two take twice as long
)

// vectorGemm adds A·B to C [m*n], or writes it, where A(i,p) is a[i*rs+p*cs]
// and the elements of a row, or those of a column, lie side by side. C has at
// least one element, and k is at least 1.
func vectorGemm(m, n, k int, a []float32, rs, cs int, b, c []float32, accumulate bool) bool {
	if active == levelGo {
		return false
	}
	if n == 1 && rs == 1 {
		// One column of C is one row of Bᵀ·Aᵀ, whose vectors run along A.
		m, n, a, b, cs = 1, m, b, a, 1
	}
	if tall(m, n, k) {
		return vectorGemmNT(m, 1, k, a, b, c, accumulate) // one column of B is one row of Bᵀ
	}
	for p := 0; p < k; p += vectorK {
		kb := min(vectorK, k-p)
		for i := 0; i < m; i += vectorRows {
			panels(min(vectorRows, m-i), n, kb, &a[i*rs+p*cs], rs, cs, b[p*n:], n, c[i*n:], n, accumulate || p > 0)
		}
	}
	return true
}

// vectorGemmNT adds A·Bᵀ to C, or writes it; see GemmNT. C has at least one
// element, and k is at least 1.
func vectorGemmNT(m, n, k int, a, b, c []float32, accumulate bool) bool {
	if active == levelGo {
		return false
	}
	if tall(m, n, k) {
		m, n, a, b = 1, m, b, a // one column of C is one row of B·Aᵀ
	}
	var space [turnedK*turnedN + line/4]float32
	turned := space[-uintptr(unsafe.Pointer(&space))%line/4:]
	for p := 0; p < k; p += turnedK {
		kb := min(turnedK, k-p)
		for j := 0; j < n; j += turnedN {
			nb := min(turnedN, n-j)
			turn(nb, kb, b[j*k+p:], k, turned)
			for i := 0; i < m; i += vectorRows {
				panels(min(vectorRows, m-i), nb, kb, &a[i*k+p], k, 1, turned, nb, c[i*n+j:], n, accumulate || p > 0)
			}
		}
	}
	return true
}

// tall reports whether C is a column so high that transposing A is faster than
// vectors with one lane at work.
func tall(m, n, k int) bool { return n == 1 && m >= 64 && k >= 32 && k%8 == 0 }

// turn writes the transpose of a matrix of rows, which are stride apart, to
// dst [cols*rows].
func turn(rows, cols int, src []float32, stride int, dst []float32) {
	r, c := rows&^7, cols&^7
	if r > 0 && c > 0 {
		transposeAVX2(r, c, &src[0], stride, &dst[0], rows)
	} else {
		c = 0
	}
	for j := range rows {
		from := 0
		if j < r {
			from = c
		}
		for p, v := range src[j*stride:][from:cols] {
			dst[(from+p)*rows+j] = v
		}
	}
}

// panels cuts C into panels of the widest kind that has no idle vector.
func panels(m, n, k int, a *float32, rs, cs int, b []float32, ldb int, c []float32, ldc int, accumulate bool) {
	if active == levelAVX512 {
		for j := 0; j < n; {
			b, c := &b[j], &c[j]
			switch left := n - j; {
			case left >= 64:
				panel4AVX512(m, k, a, rs, cs, b, ldb, c, ldc, accumulate)
				j += 64
			case left > 48:
				panelCut4AVX512(m, k, a, rs, cs, b, ldb, c, ldc, accumulate, left-48)
				return
			case left >= 32:
				panel2AVX512(m, k, a, rs, cs, b, ldb, c, ldc, accumulate)
				j += 32
			case left > 16:
				panelCut2AVX512(m, k, a, rs, cs, b, ldb, c, ldc, accumulate, left-16)
				return
			case left == 16:
				panel1AVX512(m, k, a, rs, cs, b, ldb, c, ldc, accumulate)
				return
			default:
				panelCut1AVX512(m, k, a, rs, cs, b, ldb, c, ldc, accumulate, left)
				return
			}
		}
		return
	}
	for j := 0; j < n; {
		b, c := &b[j], &c[j]
		left := n - j
		// A panel of few rows needs many columns to have enough sums at work.
		if m < 4 && left > 16 {
			switch {
			case left >= 64:
				panel8AVX2(m, k, a, rs, cs, b, ldb, c, ldc, accumulate)
				j += 64
				continue
			case left > 56:
				panelCut8AVX2(m, k, a, rs, cs, b, ldb, c, ldc, accumulate, left-56)
				return
			case left >= 32:
				panel4AVX2(m, k, a, rs, cs, b, ldb, c, ldc, accumulate)
				j += 32
				continue
			case left > 24:
				panelCut4AVX2(m, k, a, rs, cs, b, ldb, c, ldc, accumulate, left-24)
				return
			}
		}
		switch {
		case left >= 16:
			panel2AVX2(m, k, a, rs, cs, b, ldb, c, ldc, accumulate)
			j += 16
		case left > 8:
			panelCut2AVX2(m, k, a, rs, cs, b, ldb, c, ldc, accumulate, left-8)
			return
		case left == 8:
			panel1AVX2(m, k, a, rs, cs, b, ldb, c, ldc, accumulate)
			return
		default:
			panelCut1AVX2(m, k, a, rs, cs, b, ldb, c, ldc, accumulate, left)
			return
		}
	}
}
