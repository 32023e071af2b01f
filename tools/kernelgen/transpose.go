package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transpose writes the transposition of a matrix in blocks of eight by eight.
// It uses AVX only and serves both sets.
func (s *set) transpose() {
	s.function("transpose", "func(rows, cols int, src *float32, lds int, dst *float32, ldd int)",
		"transposeAVX2 writes the transpose of src, whose rows and columns are multiples of 8, at least 8, to dst.")
	rows, src, lds := s.argument("rows"), s.argument("src"), s.stride("lds")
	dst, ldd := s.argument("dst"), s.stride("ldd")
	lds3, ldd3 := s.GP64(), s.GP64()
	s.LEAQ(operand.Mem{Base: lds, Index: lds, Scale: 2}, lds3)
	s.LEAQ(operand.Mem{Base: ldd, Index: ldd, Scale: 2}, ldd3)

	s.Label("rows")
	cols, from, to := s.argument("cols"), s.GP64(), s.GP64()
	s.MOVQ(src, from)
	s.MOVQ(dst, to)
	s.Label("cols")
	r := make([]reg.VecVirtual, 8)
	for i := range r {
		r[i] = s.YMM()
		s.VMOVUPS(eighth(s, i, from, lds, lds3), r[i])
	}
	// Pairs, then fours, then halves: each step doubles the run of elements
	// that come from one column of src.
	pairs, fours := make([]reg.VecVirtual, 8), make([]reg.VecVirtual, 8)
	for i := range pairs {
		pairs[i], fours[i] = s.YMM(), s.YMM()
	}
	for i := 0; i < 8; i += 2 {
		s.VUNPCKLPS(r[i+1], r[i], pairs[i])
		s.VUNPCKHPS(r[i+1], r[i], pairs[i+1])
	}
	for i := 0; i < 8; i += 4 {
		for h := range 2 {
			s.VSHUFPS(operand.U8(0x44), pairs[i+2+h], pairs[i+h], fours[i+2*h])
			s.VSHUFPS(operand.U8(0xee), pairs[i+2+h], pairs[i+h], fours[i+2*h+1])
		}
	}
	for i := range 8 {
		v := s.YMM()
		s.VPERM2F128(operand.U8([]uint8{0x20, 0x31}[i/4]), fours[4+i%4], fours[i%4], v)
		s.VMOVUPS(v, eighth(s, i, to, ldd, ldd3))
	}
	s.ADDQ(operand.U8(32), from)
	s.LEAQ(operand.Mem{Base: to, Index: ldd, Scale: 8}, to)
	s.SUBQ(operand.U8(8), cols)
	s.JNE(operand.LabelRef("cols"))
	s.LEAQ(operand.Mem{Base: src, Index: lds, Scale: 8}, src)
	s.ADDQ(operand.U8(32), dst)
	s.SUBQ(operand.U8(8), rows)
	s.JNE(operand.LabelRef("rows"))
	s.end()
}

// eighth addresses row i of eight that lie stride apart from base.
func eighth(s *set, i int, base, stride, stride3 reg.GPVirtual) operand.Mem {
	if i >= 4 {
		half := s.GP64()
		s.LEAQ(operand.Mem{Base: base, Index: stride, Scale: 4}, half)
		base = half
	}
	switch i % 4 {
	case 1:
		return operand.Mem{Base: base, Index: stride, Scale: 1}
	case 2:
		return operand.Mem{Base: base, Index: stride, Scale: 2}
	case 3:
		return operand.Mem{Base: base, Index: stride3, Scale: 1}
	}
	return operand.Mem{Base: base}
}
