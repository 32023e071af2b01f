package kernel

// In plain Go the products work on tiles of three rows by two columns: six
// running sums, five operands and the products just fit the 15 registers that
// the compiler has on amd64; larger tiles spill. Operands that do not lie along
// the summed index are first copied, a block at a time, into an array on the
// stack. Sums run through C, so blocks do not change a bit.
const (
	blockK = 128 // summed indexes in a block
	blockN = 32  // columns of B in a block, even
)

// Gemm computes C = A·B, or C += A·B to accumulate.
//
// A is [m*k], B is [k*n], C is [m*n].
func Gemm(m, n, k int, a, b, c []float32, accumulate bool) {
	check("gemm", m, n, k, a, b, c)
	sums := len(c) > 0 && k > 0
	if sums && vectorGemm(m, n, k, a, k, 1, b, c, accumulate) {
		return
	}
	if !accumulate {
		clear(c)
	}
	if !sums {
		return
	}
	if m >= 3 {
		gemm(m, n, k, a, b, c)
	}
	for i := m - m%3; i < m; i++ {
		row(n, k, a[i*k:], 1, b, c[i*n:i*n+n])
	}
}

func gemm(m, n, k int, a, b, c []float32) {
	var packed [blockN * blockK]float32
	for p := 0; p < k; p += blockK {
		kb := min(blockK, k-p)
		for j := 0; j < n; j += blockN {
			nb := min(blockN, n-j)
			pack(packed[:], nb, kb, b[p*n+j:], n)
			for i := 0; i+3 <= m; i += 3 {
				panel(nb, a[i*k+p:][:kb], a[(i+1)*k+p:][:kb], a[(i+2)*k+p:][:kb], packed[:nb*kb], c[i*n+j:], n)
			}
		}
	}
}

// GemmTN computes C = Aᵀ·B, or C += Aᵀ·B to accumulate. With A the inputs of a
// layer and B the gradient at its output it gives the gradient of the weights.
//
// A is [k*m], B is [k*n], C is [m*n].
func GemmTN(m, n, k int, a, b, c []float32, accumulate bool) {
	check("gemm TN", m, n, k, a, b, c)
	sums := len(c) > 0 && k > 0
	if sums && vectorGemm(m, n, k, a, 1, m, b, c, accumulate) {
		return
	}
	if !accumulate {
		clear(c)
	}
	if !sums {
		return
	}
	if m >= 3 {
		gemmTN(m, n, k, a, b, c)
	}
	for i := m - m%3; i < m; i++ {
		row(n, k, a[i:], m, b, c[i*n:i*n+n])
	}
}

func gemmTN(m, n, k int, a, b, c []float32) {
	var packedA [3 * blockK]float32
	var packedB [blockN * blockK]float32
	for p := 0; p < k; p += blockK {
		kb := min(blockK, k-p)
		for j := 0; j < n; j += blockN {
			nb := min(blockN, n-j)
			pack(packedB[:], nb, kb, b[p*n+j:], n)
			for i := 0; i+3 <= m; i += 3 {
				pack(packedA[:], 3, kb, a[p*m+i:], m)
				panel(nb, packedA[:kb], packedA[kb:2*kb], packedA[2*kb:3*kb], packedB[:nb*kb], c[i*n+j:], n)
			}
		}
	}
}

// GemmNT computes C = A·Bᵀ, or C += A·Bᵀ to accumulate. With A the gradient at
// a layer's output and B its weights it gives the gradient at its input.
//
// A is [m*k], B is [n*k], C is [m*n].
func GemmNT(m, n, k int, a, b, c []float32, accumulate bool) {
	check("gemm NT", m, n, k, a, b, c)
	sums := len(c) > 0 && k > 0
	if sums && vectorGemmNT(m, n, k, a, b, c, accumulate) {
		return
	}
	if !accumulate {
		clear(c)
	}
	if !sums {
		return
	}
	i := 0
	for ; i+3 <= m; i += 3 {
		panel(n, a[i*k:][:k], a[(i+1)*k:][:k], a[(i+2)*k:][:k], b, c[i*n:], n)
	}
	for ; i < m; i++ {
		for j := range n {
			c[i*n+j] = dot(c[i*n+j], a[i*k:][:k], b[j*k:][:k])
		}
	}
}

func check(what string, m, n, k int, a, b, c []float32) {
	sizes(what, m, n, k)
	length(what, "A", a, m*k)
	length(what, "B", b, k*n)
	length(what, "C", c, m*n)
}

// pack copies the first nb columns of kb rows of b, whose rows are n apart, to
// dst, one column after the other.
func pack(dst []float32, nb, kb int, b []float32, n int) {
	for p := range kb {
		for j, v := range b[p*n:][:nb] {
			dst[j*kb+p] = v
		}
	}
}

// panel adds to nb columns of three rows of C the products of three rows of A
// with columns of B that lie one after the other. Rows of C are n apart.
func panel(nb int, a0, a1, a2, b, c []float32, n int) {
	k := len(a0)
	a1, a2 = a1[:len(a0)], a2[:len(a0)]
	j := 0
	for ; j+2 <= nb; j += 2 {
		b0, b1 := b[j*k:][:len(a0)], b[(j+1)*k:][:len(a0)]
		c0, c1, c2 := (*[2]float32)(c[j:]), (*[2]float32)(c[n+j:]), (*[2]float32)(c[2*n+j:])
		s00, s01, s10, s11, s20, s21 := c0[0], c0[1], c1[0], c1[1], c2[0], c2[1]
		for p, x0 := range a0 {
			y0, y1 := b0[p], b1[p]
			x1, x2 := a1[p], a2[p]
			s00 += float32(y0 * x0)
			s01 += float32(y1 * x0)
			s10 += float32(y0 * x1)
			s11 += float32(y1 * x1)
			s20 += float32(y0 * x2)
			s21 += float32(y1 * x2)
		}
		c0[0], c0[1], c1[0], c1[1], c2[0], c2[1] = s00, s01, s10, s11, s20, s21
	}
	if j < nb {
		y := b[j*k:][:len(a0)]
		s0, s1, s2 := c[j], c[n+j], c[2*n+j]
		for p, x0 := range a0 {
			s0 += float32(y[p] * x0)
			s1 += float32(y[p] * a1[p])
			s2 += float32(y[p] * a2[p])
		}
		c[j], c[n+j], c[2*n+j] = s0, s1, s2
	}
}

// row adds to one row of C the product of k elements of a, which are stride
// apart, with B [k*n].
func row(n, k int, a []float32, stride int, b, c []float32) {
	j := 0
	for ; j+8 <= n; j += 8 {
		s := (*[8]float32)(c[j:])
		s0, s1, s2, s3, s4, s5, s6, s7 := s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]
		for p := range k {
			x, y := a[p*stride], (*[8]float32)(b[p*n+j:])
			s0 += float32(x * y[0])
			s1 += float32(x * y[1])
			s2 += float32(x * y[2])
			s3 += float32(x * y[3])
			s4 += float32(x * y[4])
			s5 += float32(x * y[5])
			s6 += float32(x * y[6])
			s7 += float32(x * y[7])
		}
		s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7] = s0, s1, s2, s3, s4, s5, s6, s7
	}
	for ; j < n; j++ {
		s := c[j]
		for p := range k {
			s += float32(a[p*stride] * b[p*n+j])
		}
		c[j] = s
	}
}

// dot adds the products of two rows to s.
func dot(s float32, a, b []float32) float32 {
	b = b[:len(a)]
	for p, x := range a {
		s += float32(b[p] * x)
	}
	return s
}
