package exact

import "math"

// gmres improves x towards A·x = b by at most restart products with A, and
// returns how many it took. It stops early once the residual has fallen to tol
// of what it was.
//
// Saad & Schultz, "GMRES: a generalized minimal residual algorithm for solving
// nonsymmetric linear systems", SIAM J. Sci. Stat. Comput. 7, 1986; modified
// Gram-Schmidt, twice.
type gmres struct {
	basis [][]float64 // orthonormal, of the Krylov space
	h     [][]float64 // Hessenberg matrix, by column, rotated to a triangle
	c, s  []float64   // rotations
	r     []float64   // right-hand side of the triangle
	y     []float64
}

func newGMRES(n, restart int) *gmres {
	g := &gmres{c: make([]float64, restart), s: make([]float64, restart), r: make([]float64, restart+1), y: make([]float64, restart)}
	for k := range restart + 1 {
		g.basis = append(g.basis, make([]float64, n))
		g.h = append(g.h, make([]float64, k+2))
	}
	return g
}

func (g *gmres) cycle(apply func(x, y []float64), b, x []float64, tol float64) (products int, residual float64) {
	restart := len(g.c)
	v := g.basis[0]
	apply(x, v)
	products++
	for i := range v {
		v[i] = b[i] - v[i]
	}
	start := norm(v)
	if start == 0 {
		return products, 0
	}
	residual = start
	scale(v, 1/start)
	clear(g.r)
	g.r[0] = start
	k := 0
	for ; k < restart; k++ {
		w, h := g.basis[k+1], g.h[k]
		apply(g.basis[k], w)
		products++
		clear(h)
		whole := norm(w)
		for range 2 {
			for j := range k + 1 {
				d := dot(w, g.basis[j])
				h[j] += d
				axpy(w, -d, g.basis[j])
			}
		}
		h[k+1] = norm(w)
		last := h[k+1] <= 1e-14*whole // the space is complete
		if !last {
			scale(w, 1/h[k+1])
		}
		for j := range k {
			h[j], h[j+1] = g.c[j]*h[j]+g.s[j]*h[j+1], -g.s[j]*h[j]+g.c[j]*h[j+1]
		}
		d := math.Hypot(h[k], h[k+1])
		if d == 0 {
			break // A is singular on the space: nothing more to gain
		}
		g.c[k], g.s[k] = h[k]/d, h[k+1]/d
		h[k] = d
		g.r[k], g.r[k+1] = g.c[k]*g.r[k], -g.s[k]*g.r[k]
		if residual = math.Abs(g.r[k+1]); last || residual <= tol*start {
			k++
			break
		}
	}
	for i := k - 1; i >= 0; i-- {
		sum := g.r[i]
		for j := i + 1; j < k; j++ {
			sum -= g.h[j][i] * g.y[j]
		}
		g.y[i] = sum / g.h[i][i]
	}
	for j := range k {
		axpy(x, g.y[j], g.basis[j])
	}
	return products, residual
}

func dot(x, y []float64) float64 {
	var a, b, c, d float64
	n := len(x) &^ 3
	for i := 0; i < n; i += 4 {
		a += x[i] * y[i]
		b += x[i+1] * y[i+1]
		c += x[i+2] * y[i+2]
		d += x[i+3] * y[i+3]
	}
	for i := n; i < len(x); i++ {
		a += x[i] * y[i]
	}
	return (a + b) + (c + d)
}

func norm(x []float64) float64 { return math.Sqrt(dot(x, x)) }

func axpy(y []float64, a float64, x []float64) {
	for i, v := range x {
		y[i] += a * v
	}
}

func scale(x []float64, a float64) {
	for i := range x {
		x[i] *= a
	}
}
