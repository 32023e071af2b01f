package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
	"github.com/mmcloughlin/avo/x86"
)

// set is an instruction set and the file being built for it. The generators of
// kernels are written once; what differs between the sets is here.
type set struct {
	*build.Context
	name  string
	lanes int      // float32 in a vector register
	needs []string // extensions that it may use: what detect of agents/kernel asks of the CPU
	tiles []tile

	constants map[uint32]operand.Op  // of the current function
	globals   map[uint32]operand.Mem // of the file
	labels    int
}

// avx2 has 16 vector registers: the tile of 6 rows by 2 vectors keeps 12 sums,
// two vectors of B, one element of A and a mask. A single row has no more sums
// than vectors, so it takes 8 of them: two instructions a cycle that each wait
// four cycles.
func avx2() *set {
	return &set{
		Context: build.NewContext(), name: "AVX2", lanes: 8,
		needs:   []string{"AVX", "AVX2", "FMA3"},
		tiles:   []tile{{8, []int{1}}, {4, []int{2, 1}}, {2, []int{6, 4, 2, 1}}, {1, []int{12, 4, 2, 1}}},
		globals: map[uint32]operand.Mem{},
	}
}

// avx512 has 32: 24 sums, up to 4 vectors of B and one element of A.
func avx512() *set {
	return &set{
		Context: build.NewContext(), name: "AVX512", lanes: 16,
		needs:   []string{"AVX", "AVX2", "FMA3", "AVX512F", "AVX512BW", "AVX512DQ", "AVX512VL", "BMI2"},
		tiles:   []tile{{4, []int{6, 4, 2, 1}}, {2, []int{12, 8, 4, 2, 1}}, {1, []int{16, 8, 4, 2, 1}}},
		globals: map[uint32]operand.Mem{},
	}
}

func (s *set) wide() bool { return s.lanes == 16 }

// bytes is the size of a vector register.
func (s *set) bytes() int { return 4 * s.lanes }

// vec is a fresh vector register.
func (s *set) vec() reg.VecVirtual {
	if s.wide() {
		return s.ZMM()
	}
	return s.YMM()
}

// label is a fresh label.
func (s *set) label(name string) string {
	s.labels++
	return fmt.Sprintf("%s%d", name, s.labels)
}

// argument loads an argument of the current function to a register.
func (s *set) argument(name string) reg.GPVirtual {
	r := s.GP64()
	s.Load(s.Param(name), r)
	return r
}

// stride loads an argument that counts float32 and makes it count bytes.
func (s *set) stride(name string) reg.GPVirtual {
	r := s.argument(name)
	s.SHLQ(operand.U8(2), r)
	return r
}

// zero clears vector registers.
func (s *set) zero(v ...reg.VecVirtual) {
	for _, x := range v {
		if !s.wide() {
			s.VXORPS(x, x, x)
			continue
		}
		i, err := x86.VPXORD(x, x, x)
		if err != nil {
			panic(err)
		}
		i.CancellingInputs = true // which avo knows of VXORPS only
		s.Instruction(i)
	}
}

// tail describes the first few lanes of a vector: a mask register with AVX-512,
// a vector whose lanes are all ones or all zeros with AVX2.
type tail struct {
	mask reg.Register
}

// tail makes the tail of n lanes, 0 ≤ n ≤ lanes. It changes n.
func (s *set) tail(n reg.GPVirtual) *tail {
	if s.wide() {
		ones, k := s.GP32(), s.K()
		s.MOVL(operand.U32(math.MaxUint32), ones)
		s.BZHIL(n.As32(), ones, ones)
		s.KMOVW(ones, k)
		return &tail{k}
	}
	table, m := s.GP64(), s.vec()
	s.LEAQ(s.tailTable(), table)
	s.NEGQ(n)
	s.VMOVUPS(operand.Mem{Base: table, Index: n, Scale: 4, Disp: s.bytes()}, m)
	return &tail{m}
}

// tailTable is eight words of ones, then eight of zeros.
func (s *set) tailTable() operand.Mem {
	const name = math.MaxUint32 // a NaN that is no constant
	if _, ok := s.globals[name]; !ok {
		m := s.StaticGlobal("tails")
		s.DataAttributes(attr.RODATA | attr.NOPTR)
		for i := range 8 {
			s.AddDatum(8*i, operand.U64(map[bool]uint64{true: math.MaxUint64}[i < 4]))
		}
		s.globals[name] = m
	}
	return s.globals[name]
}

// load reads a vector, or its tail with zeros beyond.
func (s *set) load(m operand.Mem, t *tail, v reg.VecVirtual) {
	switch {
	case t == nil:
		s.VMOVUPS(m, v)
	case s.wide():
		s.VMOVUPS_Z(m, t.mask, v)
	default:
		s.VMASKMOVPS(m, t.mask, v)
	}
}

// store writes a vector, or its tail.
func (s *set) store(v reg.VecVirtual, t *tail, m operand.Mem) {
	switch {
	case t == nil:
		s.VMOVUPS(v, m)
	case s.wide():
		s.VMOVUPS(v, t.mask, m)
	default:
		s.VMASKMOVPS(v, t.mask, m)
	}
}

// end returns from a function that used vectors.
func (s *set) end() {
	s.VZEROUPPER()
	s.RET()
}
