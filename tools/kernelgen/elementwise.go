package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// elementwise writes the functions that treat every element alike.
func (s *set) elementwise() {
	s.function("exp", "func(dst, x *float32, n int)", "exp"+s.name+" is Exp of n elements.")
	s.prepareExp()
	s.unary(s.exp)

	s.function("log", "func(dst, x *float32, n int)", "log"+s.name+" is Log of n elements.")
	s.prepareLog()
	s.unary(s.log)

	s.function("scale", "func(dst, x *float32, n int, s float32)", "scale"+s.name+" is Scale of n elements.")
	factor := s.scalar("s")
	s.unary(func(x reg.VecVirtual) reg.VecVirtual {
		s.VMULPS(factor, x, x)
		return x
	})

	s.function("add", "func(dst, x *float32, n int)", "add"+s.name+" is Add of n elements.")
	s.update(func(dst, x reg.VecVirtual) { s.VADDPS(x, dst, dst) })

	s.function("lerp", "func(dst, x *float32, n int, t float32)", "lerp"+s.name+" is Lerp of n elements.")
	t := s.scalar("t")
	s.update(func(dst, x reg.VecVirtual) {
		s.VSUBPS(dst, x, x)
		s.VFMADD231PS(t, x, dst)
	})

	s.function("tanhGrad", "func(dz, dy, y *float32, n int)", "tanhGrad"+s.name+" is TanhGrad of n elements.")
	s.prepare(1)
	s.gradient(func(dy, y reg.VecVirtual) {
		slope := s.copied(1)
		s.VFNMADD231PS(y, y, slope)
		s.VMULPS(slope, dy, dy)
	})

	s.function("reluGrad", "func(dz, dy, y *float32, n int)", "reluGrad"+s.name+" is ReLUGrad of n elements.")
	s.prepare(0)
	s.gradient(func(dy, y reg.VecVirtual) {
		const notLessOrEqual = 22 // quiet; true of NaN
		if s.wide() {
			k := s.K()
			s.VCMPPS(operand.U8(notLessOrEqual), s.constant(0), y, k)
			s.VMOVUPS_Z(dy, k, dy)
			return
		}
		s.VCMPPS(operand.U8(notLessOrEqual), s.constant(0), y, y)
		s.VANDPS(y, dy, dy)
	})

	s.bias("Linear", func() {}, func(x reg.VecVirtual) reg.VecVirtual { return x })
	s.bias("Tanh", s.prepareTanh, s.tanh)
	s.bias("ReLU", func() { s.prepare(0) }, func(x reg.VecVirtual) reg.VecVirtual {
		s.VMAXPS(x, s.register(0), x) // NaN is the second operand and stays
		return x
	})
	s.normalize()
}

// unary ends a function of arguments dst, x and n.
func (s *set) unary(f func(x reg.VecVirtual) reg.VecVirtual) {
	dst, x := s.argument("dst"), s.argument("x")
	s.vectors(s.argument("n"), func(at reg.Register, t *tail) {
		s.result(f(s.value(x, at, t)), dst, at, t)
	})
	s.end()
}

// update ends a function of arguments dst, which it reads too, x and n.
func (s *set) update(f func(dst, x reg.VecVirtual)) {
	dst, x := s.argument("dst"), s.argument("x")
	s.vectors(s.argument("n"), func(at reg.Register, t *tail) {
		v := s.value(dst, at, t)
		f(v, s.value(x, at, t))
		s.result(v, dst, at, t)
	})
	s.end()
}

// gradient ends a function of arguments dz, dy, y and n; f replaces dy by dz.
func (s *set) gradient(f func(dy, y reg.VecVirtual)) {
	dz, dy, y := s.argument("dz"), s.argument("dy"), s.argument("y")
	s.vectors(s.argument("n"), func(at reg.Register, t *tail) {
		v := s.value(dy, at, t)
		f(v, s.value(y, at, t))
		s.result(v, dz, at, t)
	})
	s.end()
}

// bias writes a function that replaces y by f(y + b), row by row.
func (s *set) bias(name string, prepare func(), f func(x reg.VecVirtual) reg.VecVirtual) {
	s.function("bias"+name, "func(rows, cols int, y, b *float32)",
		"bias"+name+s.name+" is the "+name+" layer's activation of at least one row and column.")
	prepare()
	y, b := s.argument("y"), s.argument("b")
	s.matrix([]reg.GPVirtual{y}, func(at reg.Register, t *tail) {
		v := s.value(y, at, t)
		if t == nil {
			s.VADDPS(operand.Mem{Base: b, Index: at, Scale: 1}, v, v)
		} else {
			s.VADDPS(s.value(b, at, t), v, v)
		}
		s.result(f(v), y, at, t)
	})
	s.end()
}

// normalize writes the clamped (x − mean)·scale, row by row.
func (s *set) normalize() {
	s.function("normalize", "func(rows, cols int, x, mean, scale *float32, bound float32, y *float32)",
		"normalize"+s.name+" is Normalize of at least one row and column, within ±bound.")
	x, mean, scale, y := s.argument("x"), s.argument("mean"), s.argument("scale"), s.argument("y")
	high, low := s.scalar("bound"), s.vec()
	s.zero(low)
	s.VSUBPS(high, low, low)
	s.matrix([]reg.GPVirtual{x, y}, func(at reg.Register, t *tail) {
		v := s.value(x, at, t)
		s.VSUBPS(s.value(mean, at, t), v, v)
		s.VMULPS(s.value(scale, at, t), v, v)
		// NaN is the second operand and stays.
		s.VMINPS(v, high, v)
		s.VMAXPS(v, low, v)
		s.result(v, y, at, t)
	})
	s.end()
}

// matrix writes the body for the vectors of each row, and for their tail, given
// the offset in bytes. It takes the arguments rows and cols, both at least 1,
// and moves the pointers on by a row after each.
func (s *set) matrix(pointers []reg.GPVirtual, body func(at reg.Register, t *tail)) {
	rows, cols := s.argument("rows"), s.argument("cols")
	rest, stride := s.GP64(), s.GP64()
	s.MOVQ(cols, stride)
	s.SHLQ(operand.U8(2), stride)
	s.MOVQ(cols, rest)
	s.ANDQ(operand.U32(uint32(s.lanes-1)), rest)
	s.SUBQ(rest, cols)
	s.SHLQ(operand.U8(2), cols) // bytes of a row's full vectors
	cut := s.GP64()
	s.MOVQ(rest, cut)
	t := s.tail(cut)
	s.Label("row")
	at := s.GP64()
	s.XORQ(at, at)
	s.JMP(operand.LabelRef("more"))
	s.Label("vector")
	body(at, nil)
	s.ADDQ(operand.U32(uint32(s.bytes())), at)
	s.Label("more")
	s.CMPQ(at, cols)
	s.JLT(operand.LabelRef("vector"))
	s.TESTQ(rest, rest)
	s.JEQ(operand.LabelRef("next"))
	body(at, t)
	s.Label("next")
	for _, p := range pointers {
		s.ADDQ(stride, p)
	}
	s.DECQ(rows)
	s.JNE(operand.LabelRef("row"))
}

// adam writes the update of weights and moments; see Adam for the equations
// and AdamStep for its constants.
func (s *set) adam() {
	s.function("adam", "func(w, grad, m, v *float32, n int, scale, b1, c1, b2, c2, lr, root, eps float32)", "adam"+s.name+" is AdamStep.Update of n elements.")
	w, g, m, v := s.argument("w"), s.argument("grad"), s.argument("m"), s.argument("v")
	scale, b1, c1, b2, c2 := s.scalar("scale"), s.scalar("b1"), s.scalar("c1"), s.scalar("b2"), s.scalar("c2")
	lr, root, eps := s.scalar("lr"), s.scalar("root"), s.scalar("eps")
	s.vectors(s.argument("n"), func(at reg.Register, t *tail) {
		d, mi, vi := s.value(g, at, t), s.value(m, at, t), s.value(v, at, t)
		s.VMULPS(scale, d, d)
		s.VMULPS(b1, mi, mi)
		s.VFMADD231PS(c1, d, mi)
		s.VMULPS(d, d, d)
		s.VMULPS(b2, vi, vi)
		s.VFMADD231PS(c2, d, vi)
		s.result(mi, m, at, t)
		s.result(vi, v, at, t)
		s.VSQRTPS(vi, vi)
		s.VFMADD213PS(eps, root, vi)
		s.VMULPS(lr, mi, mi)
		s.VDIVPS(vi, mi, mi)
		wi := s.value(w, at, t)
		s.VSUBPS(mi, wi, wi)
		s.result(wi, w, at, t)
	})
	s.end()
}
