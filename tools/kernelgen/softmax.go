package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// softmax writes LogSoftmax three times: for rows of two columns, several of
// which share a vector, for those of up to one vector, which stay in registers,
// and for longer ones. Where they overlap they give the same bits.
func (s *set) softmax() {
	s.softmaxPairs()

	const signature = "func(rows, cols int, x *float32, mask *bool, logp, prob *float32) int"
	const doc = " is LogSoftmax of at least one row of %s. It returns how many rows are left, the first of them without a legal element."

	s.function("logSoftmaxShort", signature, "logSoftmaxShort"+s.name+fmt.Sprintf(doc, fmt.Sprintf("1 to %d columns", s.lanes)))
	f := s.softmaxStart()
	n := s.GP64()
	s.MOVQ(f.cols, n)
	t := s.tail(n)
	s.Label("row")
	at := s.GP64()
	s.XORQ(at, at)
	legal := s.legal(f, at, t, f.cols)
	v, bad := s.vec(), s.vec()
	s.load(operand.Mem{Base: f.x, Index: at, Scale: 1}, legal, v)
	s.VSUBPS(v, v, bad)
	v = s.others(v, legal)
	top := s.vec()
	s.VMOVUPS(v, top)
	s.top(top, bad)
	s.VSUBPS(top, v, v)
	e := s.vec()
	s.VMOVUPS(v, e)
	e = s.exp(e)
	sum := s.vec()
	s.VMOVUPS(e, sum)
	inverse, logarithm := s.normalizer(sum)
	s.VSUBPS(logarithm, v, v)
	s.result(v, f.logp, at, t)
	s.VMULPS(inverse, e, e)
	s.result(e, f.prob, at, t)
	s.softmaxEnd(f)

	s.function("logSoftmaxLong", signature, "logSoftmaxLong"+s.name+fmt.Sprintf(doc, "any number of columns"))
	f = s.softmaxStart()
	whole, rest := s.GP64(), s.GP64()
	s.MOVQ(operand.U32(uint32(s.lanes)), whole)
	full := s.tail(whole)
	s.MOVQ(f.cols, rest)
	s.ANDQ(operand.U32(uint32(s.lanes-1)), rest)
	s.MOVQ(rest, whole)
	cut := s.tail(whole)
	vectors := func(body func(at reg.GPVirtual, t *tail, n reg.GPVirtual)) {
		at, end := s.GP64(), s.GP64()
		loop, last, done := s.label("vector"), s.label("last"), s.label("done")
		s.MOVQ(f.cols, end)
		s.SUBQ(rest, end)
		s.SHLQ(operand.U8(2), end)
		s.XORQ(at, at)
		s.Label(loop)
		s.CMPQ(at, end)
		s.JGE(operand.LabelRef(last))
		body(at, full, nil)
		s.ADDQ(operand.U32(uint32(s.bytes())), at)
		s.JMP(operand.LabelRef(loop))
		s.Label(last)
		s.TESTQ(rest, rest)
		s.JEQ(operand.LabelRef(done))
		body(at, cut, rest)
		s.Label(done)
	}
	s.Label("row")
	top, bad = s.vec(), s.vec()
	s.VMOVUPS(s.bits(infinity|sign), top)
	s.zero(bad)
	vectors(func(at reg.GPVirtual, t *tail, n reg.GPVirtual) {
		legal := s.legal(f, at, t, n)
		v, d := s.vec(), s.vec()
		s.load(operand.Mem{Base: f.x, Index: at, Scale: 1}, legal, v)
		s.VSUBPS(v, v, d)
		s.VORPS(d, bad, bad)
		v = s.others(v, legal)
		s.VMAXPS(v, top, top)
		s.result(v, f.logp, at, t)
	})
	s.top(top, bad)
	sum = s.vec()
	s.zero(sum)
	vectors(func(at reg.GPVirtual, t *tail, _ reg.GPVirtual) {
		v := s.others(s.value(f.logp, at, t), t)
		s.VSUBPS(top, v, v)
		e := s.exp(v)
		s.result(e, f.prob, at, t)
		s.VADDPS(e, sum, sum)
	})
	inverse, logarithm = s.normalizer(sum)
	vectors(func(at reg.GPVirtual, t *tail, _ reg.GPVirtual) {
		v, e := s.value(f.logp, at, t), s.value(f.prob, at, t)
		s.VSUBPS(top, v, v)
		s.VSUBPS(logarithm, v, v)
		s.result(v, f.logp, at, t)
		s.VMULPS(inverse, e, e)
		s.result(e, f.prob, at, t)
	})
	s.softmaxEnd(f)
}

// softmaxPairs writes LogSoftmax of rows of two columns.
func (s *set) softmaxPairs() {
	s.function("logSoftmaxPairs", "func(rows int, x *float32, mask *bool, logp, prob *float32) int",
		"logSoftmaxPairs"+s.name+fmt.Sprintf(" is LogSoftmax of two columns, %d rows at a time. It returns how many rows are left: fewer, or the first %d of them have one without a legal element.", s.lanes/2, s.lanes/2))
	s.prepareSoftmax()
	f := softmaxFrame{rows: s.argument("rows"), x: s.argument("x"), mask: s.argument("mask"), logp: s.argument("logp"), prob: s.argument("prob")}
	lanes, at := s.GP64(), s.GP64()
	s.MOVQ(operand.U32(uint32(s.lanes)), lanes)
	all := s.tail(lanes)
	s.XORQ(at, at)
	s.Label("group")
	s.CMPQ(f.rows, operand.U32(uint32(s.lanes/2)))
	s.JLT(operand.LabelRef("few"))
	legal := s.legal(f, at, all, nil)
	v, bad := s.vec(), s.vec()
	s.load(operand.Mem{Base: f.x, Index: at, Scale: 1}, legal, v)
	s.VSUBPS(v, v, bad) // 0 if finite, else NaN
	v = s.others(v, legal)
	top := s.vec()
	s.VMOVUPS(v, top)
	s.withinPairs(top, func(w reg.VecVirtual) { s.VMAXPS(w, top, top) })
	s.withinPairs(bad, func(w reg.VecVirtual) { s.VORPS(w, bad, bad) })
	s.VORPS(bad, top, top) // NaN if bad is, else top
	const unordered = 3
	if s.wide() {
		k := s.K()
		s.VCMPPS(operand.U8(unordered), top, top, k)
		s.VMOVUPS(s.bits(quietNaN).(reg.VecVirtual), k, top)
		s.VPCMPEQD(s.bits(infinity|sign), top, k)
		s.KORTESTW(k, k)
	} else {
		which := s.vec()
		s.VCMPPS(operand.U8(unordered), top, top, which)
		s.VBLENDVPS(which, s.bits(quietNaN), top, top)
		s.VPCMPEQD(s.bits(infinity|sign), top, which)
		s.VPTEST(which, which)
	}
	s.JNE(operand.LabelRef("few")) // a row has no legal element
	s.VSUBPS(top, v, v)
	e := s.vec()
	s.VMOVUPS(v, e)
	e = s.exp(e)
	sum := s.vec()
	s.VMOVUPS(e, sum)
	s.withinPairs(sum, func(w reg.VecVirtual) { s.VADDPS(w, sum, sum) })
	inverse, logarithm := s.inverseAndLog(sum)
	s.VSUBPS(logarithm, v, v)
	s.result(v, f.logp, at, nil)
	s.VMULPS(inverse, e, e)
	s.result(e, f.prob, at, nil)
	s.ADDQ(operand.U32(uint32(s.bytes())), at)
	s.SUBQ(operand.U32(uint32(s.lanes/2)), f.rows)
	s.JMP(operand.LabelRef("group"))
	s.Label("few")
	s.Store(f.rows, s.ReturnIndex(0))
	s.end()
}

// withinPairs combines the lanes of each pair: it calls combine with those of v
// exchanged.
func (s *set) withinPairs(v reg.VecVirtual, combine func(reg.VecVirtual)) {
	w := s.vec()
	s.VPERMILPS(operand.U8(0xb1), v, w)
	combine(w)
}

// softmaxFrame holds the pointers to the current row.
type softmaxFrame struct {
	rows, cols, x, mask, logp, prob reg.GPVirtual
}

const quietNaN = 0x7fc00000

func (s *set) prepareSoftmax() {
	s.prepareInMemory(logPolynomial...)
	s.prepareExp()
	s.prepareLog()
	s.prepareBits(quietNaN)
}

func (s *set) softmaxStart() softmaxFrame {
	s.prepareSoftmax()
	return softmaxFrame{s.argument("rows"), s.argument("cols"), s.argument("x"), s.argument("mask"), s.argument("logp"), s.argument("prob")}
}

func (s *set) softmaxEnd(f softmaxFrame) {
	bytes := s.GP64()
	s.MOVQ(f.cols, bytes)
	s.SHLQ(operand.U8(2), bytes)
	s.ADDQ(bytes, f.x)
	s.ADDQ(bytes, f.logp)
	s.ADDQ(bytes, f.prob)
	s.TESTQ(f.mask, f.mask)
	s.JEQ(operand.LabelRef("unmasked"))
	s.ADDQ(f.cols, f.mask)
	s.Label("unmasked")
	s.DECQ(f.rows)
	s.JNE(operand.LabelRef("row"))
	s.Label("none")
	s.Store(f.rows, s.ReturnIndex(0))
	s.end()
}

// legal is the tail t less the elements that the mask at an offset in bytes of
// x forbids. n is the number of lanes in t, nil for all.
func (s *set) legal(f softmaxFrame, at reg.GPVirtual, t *tail, n reg.GPVirtual) *tail {
	all, index := s.label("all"), s.GP64()
	mask := operand.Mem{Base: f.mask, Index: index, Scale: 1}
	if s.wide() {
		k, v := s.K(), s.XMM()
		s.KMOVW(t.mask, k)
		s.TESTQ(f.mask, f.mask)
		s.JEQ(operand.LabelRef(all))
		s.MOVQ(at, index)
		s.SHRQ(operand.U8(2), index)
		s.VMOVDQU8_Z(mask, k, v)
		s.VPTESTMB(v, v, k)
		s.Label(all)
		return &tail{k}
	}
	legal := s.vec()
	s.VMOVUPS(t.mask, legal)
	s.TESTQ(f.mask, f.mask)
	s.JEQ(operand.LabelRef(all))
	s.MOVQ(at, index)
	s.SHRQ(operand.U8(2), index)
	if n == nil {
		s.VPMOVZXBD(mask, legal)
	} else {
		// Byte by byte, as nothing may be read beyond the mask.
		bytes, b, i, next := s.GP64(), s.GP32(), s.GP64(), s.label("byte")
		s.ADDQ(f.mask, index)
		mask := operand.Mem{Base: index, Index: i, Scale: 1, Disp: -1}
		s.XORQ(bytes, bytes)
		s.MOVQ(n, i)
		s.Label(next)
		s.SHLQ(operand.U8(8), bytes)
		s.MOVBLZX(mask, b)
		s.ORQ(b.As64(), bytes)
		s.DECQ(i)
		s.JNE(operand.LabelRef(next))
		s.VMOVQ(bytes, legal.AsX())
		s.VPMOVZXBD(legal.AsX(), legal)
	}
	zero := s.vec()
	s.zero(zero)
	s.VPCMPGTD(zero, legal, legal)
	s.Label(all)
	return &tail{legal}
}

// others returns v with −Inf in the lanes outside t.
func (s *set) others(v reg.VecVirtual, t *tail) reg.VecVirtual {
	if s.wide() {
		w := s.vec()
		s.VMOVUPS(s.bits(infinity|sign), w)
		s.VMOVUPS(v, t.mask, w)
		return w
	}
	w := s.vec()
	s.VMOVUPS(s.bits(infinity|sign), w)
	s.VBLENDVPS(t.mask, v, w, w)
	return w
}

// top fills the lanes of top with the greatest of them, or with NaN if a lane
// of bad is not 0. It leaves the function if there is no legal element.
func (s *set) top(top, bad reg.VecVirtual) {
	good := s.label("finite")
	if s.wide() {
		k := s.K()
		s.VPTESTMD(bad, bad, k)
		s.KORTESTW(k, k)
	} else {
		s.VPTEST(bad, bad)
	}
	s.JEQ(operand.LabelRef(good))
	s.VMOVUPS(s.bits(quietNaN), top)
	s.Label(good)
	s.across(top, func(v reg.VecVirtual) { s.VMAXPS(v, top, top) })
	low := s.GP32()
	s.VMOVD(top.AsX(), low)
	s.CMPL(low, operand.U32(infinity|sign))
	s.JEQ(operand.LabelRef("none"))
}

// normalizer returns 1/Σ and ln Σ of the lanes of sum, where Σ is at least 1.
func (s *set) normalizer(sum reg.VecVirtual) (inverse, logarithm reg.VecVirtual) {
	s.across(sum, func(v reg.VecVirtual) { s.VADDPS(v, sum, sum) })
	return s.inverseAndLog(sum)
}

// inverseAndLog returns 1/x and ln x, lane by lane.
func (s *set) inverseAndLog(x reg.VecVirtual) (inverse, logarithm reg.VecVirtual) {
	inverse = s.copied(1)
	s.VDIVPS(x, inverse, inverse)
	return inverse, s.log(x)
}

// across combines all lanes: it calls combine with v itself, its halves
// exchanged, then its quarters, and so on.
func (s *set) across(v reg.VecVirtual, combine func(reg.VecVirtual)) {
	w := s.vec()
	if s.wide() {
		s.VSHUFF64X2(operand.U8(0x4e), v, v, w)
		combine(w)
		s.VSHUFF64X2(operand.U8(0xb1), v, v, w)
	} else {
		s.VPERM2F128(operand.U8(0x01), v, v, w)
	}
	combine(w)
	s.VPERMILPS(operand.U8(0x4e), v, w)
	combine(w)
	s.withinPairs(v, combine)
}
