package main

import (
	"slices"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Absolute value and sign of a float32.
const (
	absolute = 1<<31 - 1
	sign     = 1 << 31
)

const log2e = 1.4426950408889634 // 1/ln 2

// reduce writes x = n·ln 2 + r with |r| ≤ ln 2/2, r in place of x. It returns n
// and z, whose low bits hold n as an integer.
func (s *set) reduce(x reg.VecVirtual) (n, z reg.VecVirtual) {
	z, n = s.copied(round), s.vec()
	s.VFMADD231PS(s.constant(log2e), x, z)
	s.VSUBPS(s.constant(round), z, n)
	s.VFNMADD231PS(s.constant(ln2Hi), n, x)
	s.VFNMADD231PS(s.constant(ln2Lo32), n, x)
	return n, z
}

const ln2Lo32 = float32(ln2Lo)

// expm1 returns e^r − 1 = r + r²·P(r) of a reduced r.
func (s *set) expm1(r reg.VecVirtual) reg.VecVirtual {
	p, square := s.polynomial(expPolynomial, r), s.vec()
	s.VMULPS(r, r, square)
	s.VFMADD213PS(r, square, p)
	return p
}

// polynomial evaluates p at x by Horner's rule.
func (s *set) polynomial(p []float32, x reg.VecVirtual) reg.VecVirtual {
	sum := s.copied(p[len(p)-1])
	for _, c := range slices.Backward(p[:len(p)-1]) {
		s.VFMADD213PS(s.constant(c), x, sum)
	}
	return sum
}

func (s *set) prepareExp() {
	s.prepare(log2e, round, ln2Hi, ln2Lo32, 1, expLow, expHigh)
	s.prepare(expPolynomial...)
}

// exp replaces x by e^x.
func (s *set) exp(x reg.VecVirtual) reg.VecVirtual {
	// NaN is the second operand and stays.
	s.VMAXPS(x, s.register(expLow), x)
	s.VMINPS(x, s.register(expHigh), x)
	n, z := s.reduce(x)
	y := s.expm1(x)
	s.VADDPS(s.constant(1), y, y)
	if s.wide() {
		s.VSCALEFPS(n, y, y)
		return y
	}
	// 2^n may be no float32, so it is two factors.
	half := s.vec()
	s.VPSUBD(s.constant(round), z, z)
	s.VPSRAD(operand.U8(1), z, half)
	s.VPSUBD(half, z, z)
	for _, n := range []reg.VecVirtual{half, z} {
		s.power(n)
		s.VMULPS(n, y, y)
	}
	return y
}

// power replaces an integer n, or a number with n in its low bits, by 2^n.
func (s *set) power(n reg.VecVirtual) {
	s.VPSLLD(operand.U8(23), n, n)
	s.VPADDD(s.constant(1), n, n)
}

func (s *set) prepareTanh() {
	s.prepare(log2e, round, ln2Hi, ln2Lo32, 1, 2, tanhOne)
	s.prepare(expPolynomial...)
	s.prepareBits(absolute, sign)
}

// tanh replaces x by tanh |x| = u/(u+2), u = e^2|x| − 1, with the sign of x.
func (s *set) tanh(x reg.VecVirtual) reg.VecVirtual {
	signs := s.vec()
	s.VANDPS(s.bits(sign), x, signs)
	s.VANDPS(s.bits(absolute), x, x)
	s.VMINPS(x, s.register(tanhOne), x)
	s.VADDPS(x, x, x)
	_, power := s.reduce(x)
	u, less := s.expm1(x), s.vec()
	s.power(power)
	s.VSUBPS(s.constant(1), power, less)
	s.VFMADD213PS(less, power, u) // 2^n·(e^r − 1) + (2^n − 1)
	s.VADDPS(s.constant(2), u, less)
	s.VDIVPS(less, u, u)
	s.VORPS(signs, u, u)
	return u
}

const (
	infinity = 0x7f800000
	smallest = 0x00800000 // the least normal float32
)

func (s *set) prepareLog() {
	s.prepare(0, 1, -0.5, ln2Hi, ln2Lo32)
	s.prepare(logPolynomial...)
	s.prepareBits(infinity, infinity|sign)
	if !s.wide() {
		s.prepare(logLow, 1<<23, 23)
		s.prepareBits(smallest, 1<<23-1)
	}
}

// log replaces x = m·2^e, 0.75 ≤ m < 1.5, by
//
//	ln x = e·ln 2 + f − f²/2 + f³·P(f),  f = m − 1
func (s *set) log(x reg.VecVirtual) reg.VecVirtual {
	e, f := s.split(x)
	y, square := s.polynomial(logPolynomial, f), s.vec()
	s.VMULPS(f, f, square)
	s.VMULPS(f, y, y)
	s.VMULPS(square, y, y)
	s.VFMADD231PS(s.constant(ln2Lo32), e, y)
	s.VFMADD231PS(s.constant(-0.5), square, y)
	s.VADDPS(f, y, y)
	s.VFMADD231PS(s.constant(ln2Hi), e, y)
	const equal = 0
	if s.wide() {
		k := s.K()
		s.VCMPPS(operand.U8(equal), s.constant(0), x, k)
		s.VMOVUPS(s.bits(infinity|sign).(reg.VecVirtual), k, y)
		s.VCMPPS(operand.U8(equal), s.bits(infinity), x, k)
		s.VMOVUPS(x, k, y)
		return y
	}
	which := s.vec()
	s.VCMPPS(operand.U8(equal), s.constant(0), x, which)
	s.VBLENDVPS(which, s.bits(infinity|sign), y, y)
	s.VCMPPS(operand.U8(equal), s.bits(infinity), x, which)
	s.VBLENDVPS(which, x, y, y)
	const notGreaterOrEqual = 25 // quiet; true of NaN
	s.VCMPPS(operand.U8(notGreaterOrEqual), s.constant(0), x, which)
	s.VORPS(which, y, y) // ones are a NaN
	return y
}

// split returns the exponent and the mantissa less 1 of x, which it keeps.
func (s *set) split(x reg.VecVirtual) (e, f reg.VecVirtual) {
	e, f = s.vec(), s.vec()
	if s.wide() {
		const (
			threeQuarters = 3      // mantissas from 0.75 up
			negativeIsNaN = 2 << 2 // of minus zero too, which log mends
			less          = 1
		)
		k := s.K()
		s.VGETEXPPS(x, e)
		s.VGETMANTPS(operand.U8(threeQuarters|negativeIsNaN), x, f)
		s.VCMPPS(operand.U8(less), s.constant(1), f, k)
		s.VADDPS(s.constant(1), e, k, e)
		s.VSUBPS(s.constant(1), f, f)
		return e, f
	}
	small, scaled := s.vec(), s.vec()
	s.VCMPPS(operand.U8(1), s.bits(smallest), x, small)
	s.VMULPS(s.constant(1<<23), x, scaled)
	s.VBLENDVPS(small, scaled, x, scaled)
	s.VPSUBD(s.constant(logLow), scaled, scaled)
	s.VPSRAD(operand.U8(23), scaled, e)
	s.VCVTDQ2PS(e, e)
	s.VANDPS(s.constant(23), small, small)
	s.VSUBPS(small, e, e)
	s.VANDPS(s.bits(1<<23-1), scaled, f)
	s.VPADDD(s.constant(logLow), f, f)
	s.VSUBPS(s.constant(1), f, f)
	return e, f
}
