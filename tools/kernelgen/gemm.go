package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// tile is a shape of the products' inner loop: columns of C, in vectors, by
// each of some numbers of rows, in descending order and ending with 1.
type tile struct {
	vectors int
	rows    []int
}

// gemm writes the products: for each width of tiles one function that computes
// a panel of C of that width, and one for a panel whose last vector is cut.
func (s *set) gemm() {
	for _, t := range s.tiles {
		s.panel(t, false)
		s.panel(t, true)
	}
}

// panel writes a function that adds A·B to a panel of C. An element of C stays
// in one lane of a register while it runs through k, so neither the shape of
// the panel nor that of the tile changes a bit of it.
func (s *set) panel(t tile, cut bool) {
	name, doc := fmt.Sprintf("panel%d", t.vectors), fmt.Sprintf("adds A·B, or writes it, to m rows by %d columns of C", t.vectors*s.lanes)
	signature := "func(m, k int, a *float32, rs, cs int, b *float32, ldb int, c *float32, ldc int, accumulate bool)"
	if cut {
		name, doc = fmt.Sprintf("panelCut%d", t.vectors), doc+fmt.Sprintf(", less those beyond the first n of the last %d", s.lanes)
		signature = "func(m, k int, a *float32, rs, cs int, b *float32, ldb int, c *float32, ldc int, accumulate bool, n int)"
	}
	s.function(name, signature, name+s.name+" "+doc+". A(i,p) is a[i*rs+p*cs].")
	var last *tail
	if cut {
		last = s.tail(s.argument("n"))
	}
	m, a, rs, cs := s.argument("m"), s.argument("a"), s.stride("rs"), s.stride("cs")
	c, ldb, ldc := s.argument("c"), s.stride("ldb"), s.stride("ldc")
	rs3 := s.GP64()
	s.LEAQ(operand.Mem{Base: rs, Index: rs, Scale: 2}, rs3)
	for _, rows := range t.rows {
		next, again := s.label("narrower"), s.label("rows")
		s.Label(again)
		s.CMPQ(m, operand.U32(uint32(rows)))
		s.JLT(operand.LabelRef(next))
		s.tile(t.vectors, rows, last, a, rs, rs3, cs, ldb, c, ldc)
		s.SUBQ(operand.U32(uint32(rows)), m)
		s.JMP(operand.LabelRef(again))
		s.Label(next)
	}
	s.end()
}

// tile writes the code of one tile, which moves a and c on by its rows.
func (s *set) tile(vectors, rows int, last *tail, a, rs, rs3, cs, ldb, c, ldc reg.GPVirtual) {
	at := func(base reg.Register, vector int) (operand.Mem, *tail) {
		m := operand.Mem{Base: base, Disp: vector * s.bytes()}
		if vector == vectors-1 {
			return m, last
		}
		return m, nil
	}
	sums := make([][]reg.VecVirtual, rows)
	for i := range sums {
		for range vectors {
			sums[i] = append(sums[i], s.vec())
		}
	}
	start, loop := s.label("start"), s.label("sum")
	for _, row := range sums {
		s.zero(row...)
	}
	s.CMPB(s.memory("accumulate"), operand.U8(0))
	s.JEQ(operand.LabelRef(start))
	to := s.GP64()
	s.MOVQ(c, to)
	for i, row := range sums {
		if i > 0 {
			s.ADDQ(ldc, to)
		}
		for j, sum := range row {
			m, t := at(to, j)
			s.load(m, t, sum)
		}
	}
	s.Label(start)

	// Four rows of A share a pointer.
	pointers := make([]reg.GPVirtual, (rows+3)/4)
	for g := range pointers {
		pointers[g] = s.GP64()
		if g == 0 {
			s.MOVQ(a, pointers[g])
		} else {
			s.LEAQ(operand.Mem{Base: pointers[g-1], Index: rs, Scale: 4}, pointers[g])
		}
	}
	b, k := s.argument("b"), s.argument("k")
	s.Label(loop)
	switch {
	case rows == 1:
		x := s.vec()
		s.VBROADCASTSS(operand.Mem{Base: pointers[0]}, x)
		for j, sum := range sums[0] {
			m, t := at(b, j)
			if t == nil {
				s.VFMADD231PS(m, x, sum)
				continue
			}
			y := s.vec()
			s.load(m, t, y)
			s.VFMADD231PS(y, x, sum)
		}
	default:
		y := make([]reg.VecVirtual, vectors)
		for j := range y {
			m, t := at(b, j)
			y[j] = s.vec()
			s.load(m, t, y[j])
		}
		for i := range rows {
			m := operand.Mem{Base: pointers[i/4]}
			switch i % 4 {
			case 1:
				m.Index, m.Scale = rs, 1
			case 2:
				m.Index, m.Scale = rs, 2
			case 3:
				m.Index, m.Scale = rs3, 1
			}
			if s.wide() && vectors == 1 {
				s.VFMADD231PS_BCST(m, y[0], sums[i][0])
				continue
			}
			x := s.vec()
			s.VBROADCASTSS(m, x)
			for j := range y {
				s.VFMADD231PS(x, y[j], sums[i][j])
			}
		}
	}
	for _, p := range pointers {
		s.ADDQ(cs, p)
	}
	s.ADDQ(ldb, b)
	s.DECQ(k)
	s.JNE(operand.LabelRef(loop))

	for i := range sums {
		for j, sum := range sums[i] {
			m, t := at(c, j)
			s.store(sum, t, m)
		}
		s.ADDQ(ldc, c)
	}
	// a moves on by rows·rs.
	for range rows / 4 {
		s.LEAQ(operand.Mem{Base: a, Index: rs, Scale: 4}, a)
	}
	switch rows % 4 {
	case 1:
		s.ADDQ(rs, a)
	case 2:
		s.LEAQ(operand.Mem{Base: a, Index: rs, Scale: 2}, a)
	case 3:
		s.ADDQ(rs3, a)
	}
}
