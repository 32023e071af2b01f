package kernel

import "math"

// Exp writes e^x to dst, element by element, to within 1 unit in the last
// place: +Inf above 88.722839, subnormal below −87.336545, 0 below −103.97208;
// NaN gives NaN. dst may be x.
//
// With x = n·ln 2 + r and |r| ≤ ln 2/2 it is 2ⁿ·(1 + r + r²·P(r)). P is the
// minimax polynomial of degree 5, fitted by tools/kernelgen.
func Exp(dst, x []float32) {
	length("exp", "x", x, len(dst))
	if vectorExp(dst, x) {
		return
	}
	for i, v := range x {
		dst[i] = exp(v)
	}
}

func exp(x float32) float32 {
	switch {
	case x != x:
		return x
	case x > expHigh:
		x = expHigh
	case x < expLow:
		x = expLow
	}
	z, r := reduce(x)
	y := 1 + expm1(r)
	// 2^n may be no float32, so it is two factors.
	n := int32(math.Float32bits(z)) - int32(math.Float32bits(round))
	half := n >> 1
	return y * power(uint32(half)) * power(uint32(n-half))
}

// reduce returns r = x − n·ln 2 with |r| ≤ ln 2/2, and n in the low bits of z.
func reduce(x float32) (z, r float32) {
	z = float32(log2e*x) + round
	n := z - round
	return z, x - float32(ln2Hi*n) - float32(ln2Lo*n)
}

// expm1 is e^r − 1 of a reduced r.
func expm1(r float32) float32 {
	p := float32(exp5*r) + exp4
	p = float32(p*r) + exp3
	p = float32(p*r) + exp2
	p = float32(p*r) + exp1
	p = float32(p*r) + exp0
	return float32(p*float32(r*r)) + r
}

// power is 2^n, given n in the low bits of a number.
func power(n uint32) float32 { return math.Float32frombits(n<<23 + 127<<23) }

// Log writes the natural logarithm of x to dst, element by element, to within
// 1 unit in the last place, subnormal x included: −Inf at 0 and −0, NaN below;
// +Inf and NaN give themselves. dst may be x.
//
// With x = m·2^e and 0.75 ≤ m < 1.5 it is e·ln 2 + f − f²/2 + f³·P(f), f = m − 1.
// P is the minimax polynomial of degree 8, fitted by tools/kernelgen.
func Log(dst, x []float32) {
	length("log", "x", x, len(dst))
	if vectorLog(dst, x) {
		return
	}
	for i, v := range x {
		dst[i] = log(v)
	}
}

func log(x float32) float32 {
	switch {
	case x == 0:
		return float32(math.Inf(-1))
	case x < 0 || x != x:
		return float32(math.NaN())
	case x > math.MaxFloat32:
		return x
	}
	var e float32
	if x < 0x1p-126 {
		x *= 1 << 23
		e = -23
	}
	const low = 0x3f400000 // logLow
	b := math.Float32bits(x) - low
	e += float32(int32(b) >> 23)
	f := math.Float32frombits(b&(1<<23-1)+low) - 1
	p := float32(log8*f) + log7
	p = float32(p*f) + log6
	p = float32(p*f) + log5
	p = float32(p*f) + log4
	p = float32(p*f) + log3
	p = float32(p*f) + log2
	p = float32(p*f) + log1
	p = float32(p*f) + log0
	square := float32(f * f)
	y := float32(float32(p*f) * square)
	y += float32(ln2Lo * e)
	y -= float32(0.5 * square)
	return f + y + float32(ln2Hi*e)
}

// Tanh is tanh(x) to within 2.5 units in the last place. It is odd, never
// leaves [−1, 1], keeps −0, and NaN gives NaN. It is plain Go, whatever is
// active: [AddBiasTanh] uses the same formula but may differ in the last bits.
//
// With u = e^(2|x|) − 1, taken from the polynomial of [Exp] without loss near 0,
// it is u/(u+2).
func Tanh(x float32) float32 {
	if x != x {
		return x
	}
	a := math.Float32frombits(math.Float32bits(x) &^ (1 << 31))
	z, r := reduce(2 * min(a, tanhOne))
	s := power(math.Float32bits(z))
	u := float32(s*expm1(r)) + (s - 1)
	t := u / (u + 2)
	return math.Float32frombits(math.Float32bits(t) | math.Float32bits(x)&(1<<31))
}
