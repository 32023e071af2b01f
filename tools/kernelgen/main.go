// Command kernelgen writes the assembly of package agents/kernel:
//
//	go run -C tools ./kernelgen
//
// Each instruction set gets one .s file, the Go declarations of its functions,
// and both sets and plain Go share the polynomials in coefficients.go. Equal
// sources give equal bytes everywhere.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
)

// folder is where the files go, seen from the folder of the tools module, where
// go run -C starts the program.
var folder = filepath.Join("..", "agents", "kernel")

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "kernelgen:", err)
		os.Exit(1)
	}
}

func run() error {
	files, err := generate()
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the generated files by name.
func generate() (map[string][]byte, error) {
	files := map[string][]byte{"coefficients.go": coefficients()}
	for _, s := range []*set{avx2(), avx512()} {
		s.gemm()
		s.elementwise()
		s.adam()
		s.reductions()
		s.softmax()
		if !s.wide() {
			s.transpose()
		}
		name := strings.ToLower(s.name) + "_amd64"
		if err := s.compile(name, files); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return files, nil
}

// evex finds registers that only AVX-512 has.
var evex = regexp.MustCompile(`\b([XY](1[6-9]|[23]\d)|Z\d+|K\d)\b`)

// compile adds the assembly and the declarations of the set's functions.
func (s *set) compile(name string, files map[string][]byte) error {
	f, err := s.Result()
	if err != nil {
		return err
	}
	if err := pass.Compile.Execute(f); err != nil {
		return err
	}
	for _, fn := range f.Functions() {
		for _, extension := range fn.ISA {
			if !slices.Contains(s.needs, extension) {
				return fmt.Errorf("%s needs %s, want no more than %s", fn.Name, extension, strings.Join(s.needs, ", "))
			}
		}
	}
	cfg := printer.Config{Name: "kernelgen", Argv: []string{"kernelgen"}, Pkg: "kernel"}
	for ext, p := range map[string]printer.Printer{".s": printer.NewGoAsm(cfg), ".go": printer.NewStubs(cfg)} {
		text, err := p.Print(f)
		if err != nil {
			return err
		}
		if r := evex.Find(text); r != nil && !s.wide() {
			return fmt.Errorf("register %s is in use, which AVX2 does not have", r)
		}
		files[name+ext] = bytes.TrimLeft(text, "\n")
	}
	return nil
}

// function starts a function that does not let its pointers escape.
func (s *set) function(name, signature, doc string) {
	s.Function(name + s.name)
	s.Attributes(attr.NOSPLIT)
	s.SignatureExpr(signature)
	s.Pragma("noescape")
	s.Doc(doc)
	s.constants = map[uint32]operand.Op{}
}
