package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// reductions writes the functions that sum.
func (s *set) reductions() {
	s.function("columnSums", "func(rows, cols int, x, sums *float32)", "columnSums"+s.name+" adds at least one row to sums.")
	rows, cols, x, sums := s.argument("rows"), s.argument("cols"), s.argument("x"), s.argument("sums")
	stride := s.GP64()
	s.MOVQ(cols, stride)
	s.SHLQ(operand.U8(2), stride)
	const together = 4
	group := func(vectors int, at reg.Register, t *tail) {
		acc := make([]reg.VecVirtual, vectors)
		place := func(base reg.Register, j int) operand.Mem {
			return operand.Mem{Base: base, Index: at, Scale: 1, Disp: j * s.bytes()}
		}
		for j := range acc {
			acc[j] = s.vec()
			s.load(place(sums, j), t, acc[j])
		}
		row, left, loop := s.GP64(), s.GP64(), s.label("rows")
		s.MOVQ(x, row)
		s.MOVQ(rows, left)
		s.Label(loop)
		for j, a := range acc {
			if t == nil {
				s.VADDPS(place(row, j), a, a)
				continue
			}
			v := s.vec()
			s.load(place(row, j), t, v)
			s.VADDPS(v, a, a)
		}
		s.ADDQ(stride, row)
		s.DECQ(left)
		s.JNE(operand.LabelRef(loop))
		for j, a := range acc {
			s.store(a, t, place(sums, j))
		}
	}
	at := s.GP64()
	s.XORQ(at, at)
	s.Label("groups")
	s.SUBQ(operand.U32(uint32(together*s.lanes)), cols)
	s.JLT(operand.LabelRef("singles"))
	group(together, at, nil)
	s.ADDQ(operand.U32(uint32(together*s.bytes())), at)
	s.JMP(operand.LabelRef("groups"))
	s.Label("singles")
	s.ADDQ(operand.U32(uint32(together*s.lanes)), cols)
	s.ADDQ(at, x)
	s.ADDQ(at, sums)
	s.vectors(cols, func(at reg.Register, t *tail) { group(1, at, t) })
	s.end()

	s.function("sumSquares", "func(x *float32, n int) float64", "sumSquares"+s.name+" is SumSquares of n elements.")
	x = s.argument("x")
	low, high := s.vec(), s.vec()
	s.zero(low, high)
	s.vectors(s.argument("n"), func(at reg.Register, t *tail) {
		v, part := s.value(x, at, t), s.vec()
		s.VCVTPS2PD(s.lower(v), part)
		s.VFMADD231PD(part, part, low)
		s.VCVTPS2PD(s.upper(v), part)
		s.VFMADD231PD(part, part, high)
	})
	s.VADDPD(high, low, low)
	if s.wide() {
		half := s.YMM()
		s.VEXTRACTF64X4(operand.U8(1), low, half)
		s.VADDPD(low.AsY(), half, half)
		low = half
	}
	quarter := s.XMM()
	s.VEXTRACTF128(operand.U8(1), low, quarter)
	s.VADDPD(low.AsX(), quarter, quarter)
	other := s.XMM()
	s.VUNPCKHPD(quarter, quarter, other)
	s.VADDSD(other, quarter, quarter)
	s.VMOVSD(quarter, s.returned())
	s.end()

	s.function("finite", "func(x *float32, n int) bool", "finite"+s.name+" is Finite of n elements.")
	x = s.argument("x")
	seen := s.vec()
	s.zero(seen)
	s.vectors(s.argument("n"), func(at reg.Register, t *tail) {
		v := s.value(x, at, t)
		s.VSUBPS(v, v, v) // 0 if finite, else NaN
		s.VORPS(v, seen, seen)
	})
	good := s.GP8()
	if s.wide() {
		k := s.K()
		s.VPTESTMD(seen, seen, k)
		s.KORTESTW(k, k)
	} else {
		s.VPTEST(seen, seen)
	}
	s.SETEQ(good)
	s.Store(good, s.ReturnIndex(0))
	s.end()
}

// lower and upper are the halves of a vector.
func (s *set) lower(v reg.VecVirtual) reg.Register {
	if s.wide() {
		return v.AsY()
	}
	return v.AsX()
}

func (s *set) upper(v reg.VecVirtual) reg.Register {
	if s.wide() {
		h := s.YMM()
		s.VEXTRACTF64X4(operand.U8(1), v, h)
		return h
	}
	h := s.XMM()
	s.VEXTRACTF128(operand.U8(1), v, h)
	return h
}
