package main

import (
	"math"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// prepare makes constants ready for use in the loops that follow: in registers
// with AVX-512, in memory with AVX2, which has too few.
func (s *set) prepare(constants ...float32) {
	for _, c := range constants {
		s.prepareBits(math.Float32bits(c))
	}
}

func (s *set) prepareBits(constants ...uint32) {
	for _, c := range constants {
		if _, ok := s.constants[c]; ok {
			continue
		}
		if !s.wide() {
			s.constants[c] = s.global(c)
			continue
		}
		r, v := s.GP32(), s.vec()
		s.MOVL(operand.U32(c), r)
		s.VPBROADCASTD(r, v)
		s.constants[c] = v
	}
}

// prepareInMemory is prepare for a function with more constants than registers.
func (s *set) prepareInMemory(constants ...float32) {
	for _, c := range constants {
		if b := math.Float32bits(c); s.constants[b] == nil {
			s.constants[b] = s.global(b)
		}
	}
}

// global is a vector full of c in the file's data.
func (s *set) global(c uint32) operand.Mem {
	if _, ok := s.globals[c]; !ok {
		m := s.StaticGlobal("constant" + hex(c))
		s.DataAttributes(attr.RODATA | attr.NOPTR)
		for i := range s.lanes / 2 {
			s.AddDatum(8*i, operand.U64(uint64(c)<<32|uint64(c)))
		}
		s.globals[c] = m
	}
	return s.globals[c]
}

// constant is a prepared constant as the first operand of an instruction,
// which may lie in memory.
func (s *set) constant(c float32) operand.Op { return s.bits(math.Float32bits(c)) }

func (s *set) bits(c uint32) operand.Op {
	op, ok := s.constants[c]
	if !ok {
		panic("constant " + hex(c) + " is not prepared")
	}
	return op
}

// copied is a register of its own that holds a prepared constant.
func (s *set) copied(c float32) reg.VecVirtual {
	v := s.vec()
	s.VMOVUPS(s.constant(c), v)
	return v
}

// register is a register that holds a prepared constant and must not change.
func (s *set) register(c float32) reg.VecVirtual {
	if v, ok := s.constant(c).(reg.VecVirtual); ok {
		return v
	}
	return s.copied(c)
}

// scalar is a vector full of a float32 argument.
func (s *set) scalar(name string) reg.VecVirtual {
	v := s.vec()
	s.VBROADCASTSS(s.memory(name), v)
	return v
}

// memory is where an argument lies.
func (s *set) memory(name string) operand.Mem {
	b, err := s.Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

// returned is where the result lies.
func (s *set) returned() operand.Mem {
	b, err := s.ReturnIndex(0).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

// vectors writes the body for each vector of n elements, given the offset in
// bytes, and for their tail.
func (s *set) vectors(n reg.GPVirtual, body func(at reg.Register, t *tail)) {
	loop, rest, done := s.label("loop"), s.label("tail"), s.label("done")
	at := s.GP64()
	s.XORQ(at, at)
	s.SUBQ(operand.U32(uint32(s.lanes)), n)
	s.JLT(operand.LabelRef(rest))
	s.Label(loop)
	body(at, nil)
	s.ADDQ(operand.U32(uint32(s.bytes())), at)
	s.SUBQ(operand.U32(uint32(s.lanes)), n)
	s.JGE(operand.LabelRef(loop))
	s.Label(rest)
	s.ADDQ(operand.U32(uint32(s.lanes)), n)
	s.JEQ(operand.LabelRef(done))
	body(at, s.tail(n))
	s.Label(done)
}

// value loads the vector at an offset from a pointer.
func (s *set) value(base, at reg.Register, t *tail) reg.VecVirtual {
	v := s.vec()
	s.load(operand.Mem{Base: base, Index: at, Scale: 1}, t, v)
	return v
}

// result stores the vector at an offset from a pointer.
func (s *set) result(v reg.VecVirtual, base, at reg.Register, t *tail) {
	s.store(v, t, operand.Mem{Base: base, Index: at, Scale: 1})
}

func hex(c uint32) string {
	const digits = "0123456789abcdef"
	var b [8]byte
	for i := range b {
		b[i] = digits[c>>(28-4*i)&15]
	}
	return string(b[:])
}
