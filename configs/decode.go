// Package configs reads and writes configurations: a YAML file decoded
// strictly over defaults, with overrides from the command line, where every
// complaint says file, line and column.
//
// Start with [Parse] and [Source.Decode]; [Source.Positioned] gives the
// complaints of a Validate method their place in the file. [Encode] writes the
// resolved configuration. Which keys exist is up to the struct decoded into.
package configs

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"mend/configs/field"
	"mend/env"
)

// Error is one complaint, with its place.
type Error struct {
	File      string // or the override that the value came from; may be empty
	Line, Col int    // from 1; 0 where the place in the file is unknown
	Message   string
}

// Error is one line, whatever the keys and values that it quotes.
func (e Error) Error() string {
	s := e.Message
	switch {
	case e.File != "" && e.Line != 0:
		s = fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, s)
	case e.File != "":
		s = e.File + ": " + s
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		var b strings.Builder
		for _, r := range s {
			if strconv.IsPrint(r) {
				b.WriteRune(r)
			} else {
				b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
			}
		}
		s = b.String()
	}
	return s
}

// Errors are all complaints about one configuration. Error prints one a line.
type Errors []Error

func (e Errors) Error() string {
	s := make([]string, len(e))
	for i := range e {
		s[i] = e[i].Error()
	}
	return strings.Join(s, "\n")
}

// Source is a configuration file, parsed but not yet decoded, with overrides
// applied. The zero value is not usable; see [Parse].
type Source struct {
	name   string
	root   *yaml.Node            // a mapping, free of aliases
	origin map[*yaml.Node]string // nodes that came from an override
	named  bool                  // complaints call an element of a list by its name, where it has one
}

// limits are how large a file may be. Values are counted once they are parsed;
// before that, so that not all of them are held in memory, the marks between them.
type limits struct{ bytes, marks, nodes int }

// runLimits are far above any honest configuration.
var runLimits = limits{bytes: 4 << 20, marks: 4 << 20, nodes: 100_000}

// Parse reads YAML. The name appears in errors; it may be empty where there is
// no file. An empty file is an empty mapping.
func Parse(name string, data []byte) (*Source, error) { return parseWithin(runLimits, name, data) }

func parseWithin(most limits, name string, data []byte) (*Source, error) {
	s := &Source{name: name, origin: map[*yaml.Node]string{}}
	root, bad := parse(most, data)
	if bad == nil && root != nil && !isNull(root) && root.Kind != yaml.MappingNode {
		bad = &Error{Line: root.Line, Col: root.Column, Message: "the file is " + describe(root) + ", want a mapping"}
	}
	if bad != nil {
		bad.File = name
		return nil, Errors{*bad}
	}
	if root == nil || isNull(root) {
		root = &yaml.Node{Kind: yaml.MappingNode}
	}
	s.root = root
	return s, nil
}

// parse reads at most one document, nil where there is none.
func parse(most limits, data []byte) (*yaml.Node, *Error) {
	if len(data) > most.bytes {
		return nil, &Error{Message: fmt.Sprintf("%d bytes, want at most %d", len(data), most.bytes)}
	}
	marks := 0
	for _, c := range data {
		if c == ',' || c == ':' || c == '[' || c == '{' || c == '\n' {
			marks++
		}
	}
	if marks > most.marks {
		return nil, &Error{Message: fmt.Sprintf("%d lines, commas, colons and opening brackets, want at most %d", marks, most.marks)}
	}
	// yaml v4.0.0 reports undecodable bytes without a position and reads
	// UTF-16 by its byte order mark, so that is checked here.
	if bad := checkText(data); bad != nil {
		return nil, bad
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, &Error{Message: err.Error()}
	}
	var first, second yaml.Node
	switch err := loader.Load(&first); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, syntaxError(data, err)
	}
	switch err := loader.Load(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return nil, syntaxError(data, err)
	default:
		return nil, &Error{Line: second.Line, Col: second.Column, Message: "a second document, want one"}
	}
	if len(first.Content) != 1 {
		return nil, nil
	}
	x := expander{most: most.nodes, active: map[*yaml.Node]bool{}}
	root := x.expand(first.Content[0])
	return root, x.bad
}

// checkText wants UTF-8 without control characters.
func checkText(data []byte) *Error {
	line, col := 1, 1
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return &Error{Line: line, Col: col, Message: fmt.Sprintf("byte %#02x is not UTF-8", data[i])}
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0x7f:
			return &Error{Line: line, Col: col, Message: fmt.Sprintf("control character %U", r)}
		case r == '\n':
			line, col = line+1, 1
		default:
			col++
		}
		i += size
	}
	return nil
}

// syntaxError keeps the place of an error of the YAML package and rewords the
// two that people meet most.
func syntaxError(data []byte, err error) *Error {
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		return &Error{Message: err.Error()}
	}
	message := e.Message
	if strings.Contains(message, "cannot start any token") {
		switch c := byteAt(data, e.Mark.Line, e.Mark.Column); c {
		case '\t':
			message = "a tab where spaces are wanted"
		case '@', '`', '%':
			message = fmt.Sprintf("a plain value cannot start with %c, put it in quotes", c)
		}
	}
	if e.ContextMsg != "" && e.ContextMark.Line < e.Mark.Line {
		message += fmt.Sprintf(", %s from line %d", e.ContextMsg, e.ContextMark.Line)
	}
	return &Error{Line: e.Mark.Line, Col: e.Mark.Column, Message: message}
}

func byteAt(data []byte, line, col int) byte {
	for l, text := range bytes.Split(data, []byte("\n")) {
		if r := bytes.Runes(text); l == line-1 && col >= 1 && col <= len(r) {
			return byte(r[col-1])
		}
	}
	return 0
}

// expander replaces aliases by copies, so that an override of one use leaves
// the others alone. It bounds what a few lines of nested aliases grow to.
type expander struct {
	most   int // nodes
	active map[*yaml.Node]bool
	nodes  int
	bad    *Error
}

func (x *expander) expand(n *yaml.Node) *yaml.Node {
	if x.nodes++; x.bad != nil {
		return n
	} else if x.nodes > x.most {
		x.bad = &Error{Line: n.Line, Col: n.Column, Message: fmt.Sprintf("more than %d values, aliases included", x.most)}
		return n
	}
	from := n
	if n.Kind == yaml.AliasNode {
		from = n.Alias
	}
	if x.active[from] {
		x.bad = &Error{Line: n.Line, Col: n.Column, Message: fmt.Sprintf("alias *%s contains itself", n.Value)}
		return n
	}
	c := *from
	c.Anchor, c.Line, c.Column = "", n.Line, n.Column
	if len(from.Content) > 0 {
		x.active[from] = true
		c.Content = make([]*yaml.Node, len(from.Content))
		for i, child := range from.Content {
			c.Content[i] = x.expand(child)
		}
		delete(x.active, from)
	}
	return &c
}

// Set applies an override such as "ppo.clip=0.1" or "env.systems=[18, 20]".
// The value is YAML; mappings on the way are created.
func (s *Source) Set(assignment string) error {
	origin := "--set " + assignment
	path, value, ok := strings.Cut(assignment, "=")
	if !ok {
		return Errors{{File: origin, Message: "no =, want KEY=VALUE"}}
	}
	return s.Override(origin, strings.TrimSpace(path), value)
}

// Override sets the value at path, as YAML. The origin, such as "--steps 1e6",
// stands for the file in errors about the value.
func (s *Source) Override(origin, path, value string) error {
	complain := func(format string, args ...any) error {
		return Errors{{File: origin, Message: fmt.Sprintf(format, args...)}}
	}
	keys := split(path)
	if slices.Contains(keys, "") {
		return complain("key %q has an empty part", path)
	}
	v, bad := parse(runLimits, []byte(value))
	if bad != nil {
		return complain("%s", bad.Message)
	}
	if v == nil {
		v = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	}
	s.mark(v, origin)

	n := s.root
	for i, key := range keys {
		last := i == len(keys)-1
		if n.Kind == yaml.SequenceNode {
			j, err := strconv.Atoi(key)
			if err != nil || j < 0 || j >= len(n.Content) {
				return complain("%s has %d elements, none is %s", strings.Join(keys[:i], "."), len(n.Content), key)
			}
			if last {
				n.Content[j] = v
			}
			n = n.Content[j]
			continue
		}
		if isNull(n) {
			*n = yaml.Node{Kind: yaml.MappingNode, Line: n.Line, Column: n.Column}
		}
		if n.Kind != yaml.MappingNode {
			return complain("%s is %s, want a mapping", strings.Join(keys[:i], "."), describe(n))
		}
		at := slot(n, key)
		if at < 0 {
			k := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}
			m := &yaml.Node{Kind: yaml.MappingNode}
			s.origin[k], s.origin[m] = origin, origin
			n.Content = append(n.Content, k, m)
			at = len(n.Content) - 1
		}
		if last {
			n.Content[at] = v
		}
		n = n.Content[at]
	}
	return nil
}

func (s *Source) mark(n *yaml.Node, origin string) {
	s.origin[n] = origin
	for _, c := range n.Content {
		s.mark(c, origin)
	}
}

// Lookup returns the scalar at path as written, before decoding.
func (s *Source) Lookup(path string) (string, bool) {
	n, _, rest := s.find(path)
	if rest != 0 || n.Kind != yaml.ScalarNode || isNull(n) {
		return "", false
	}
	return n.Value, true
}

// find follows path as far as it exists: the value there, its key (nil at the
// root and in lists), and how many parts of the path are left.
func (s *Source) find(path string) (value, key *yaml.Node, rest int) {
	keys := split(path)
	value = s.root
	for i, k := range keys {
		rest = len(keys) - i
		switch value.Kind {
		case yaml.MappingNode:
			at := slot(value, k)
			if at < 0 {
				return value, key, rest
			}
			key, value = value.Content[at-1], value.Content[at]
		case yaml.SequenceNode:
			j, err := strconv.Atoi(k)
			if err != nil || j < 0 || j >= len(value.Content) {
				return value, key, rest
			}
			key, value = nil, value.Content[j]
		default:
			return value, key, rest
		}
	}
	return value, key, 0
}

// split cuts "a.b[2].c" into a, b, 2, c.
func split(path string) []string {
	return strings.Split(strings.ReplaceAll(strings.ReplaceAll(path, "[", "."), "]", ""), ".")
}

// slot returns the index of key's value in the mapping n, or -1.
func slot(n *yaml.Node, key string) int {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Kind == yaml.ScalarNode && n.Content[i].Value == key {
			return i + 1
		}
	}
	return -1
}

// Positioned gives the complaints of a Validate method, field.Errors, the
// place of the value they are about, or of the nearest mapping that exists.
// Other errors are returned as they are.
func (s *Source) Positioned(err error) error {
	var list field.Errors
	var one field.Error
	switch {
	case errors.As(err, &list):
	case errors.As(err, &one):
		list = field.Errors{one}
	default:
		return err
	}
	out := make(Errors, len(list))
	for i, e := range list {
		value, key, rest := s.find(e.Path)
		at := value
		if (rest > 0 || e.Key) && key != nil {
			at = key
		}
		e.Path = s.spell(e.Path)
		if at == s.root {
			out[i] = Error{File: s.name, Message: e.Error()}
			continue
		}
		out[i] = s.complaint(at, e.Error())
	}
	return out
}

// spell is path with names of elements in place of their indexes, where s is
// named.
func (s *Source) spell(path string) string {
	if !s.named {
		return path
	}
	n, out := s.root, ""
	for _, k := range split(path) {
		i, err := strconv.Atoi(k)
		switch {
		case n != nil && n.Kind == yaml.SequenceNode && err == nil && i >= 0 && i < len(n.Content):
			n = n.Content[i]
			out = s.element(out, i, n)
			continue
		case n != nil && n.Kind == yaml.MappingNode && slot(n, k) >= 0:
			n = n.Content[slot(n, k)]
		default:
			n = nil
		}
		out = join(out, k)
	}
	return out
}

// element is the path of element i of a list, which is n.
func (s *Source) element(list string, i int, n *yaml.Node) string {
	if s.named && n.Kind == yaml.MappingNode {
		if at := slot(n, "name"); at >= 0 && plainName.MatchString(n.Content[at].Value) {
			return fmt.Sprintf("%s[%s]", list, n.Content[at].Value)
		}
	}
	return fmt.Sprintf("%s[%d]", list, i)
}

// plainName is a name that reads well within a path.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_+-]{1,64}$`)

func (s *Source) complaint(n *yaml.Node, message string) Error {
	if origin, ok := s.origin[n]; ok {
		return Error{File: origin, Message: message}
	}
	return Error{File: s.name, Line: n.Line, Col: n.Column, Message: message}
}

// Decode writes the configuration over *into, a struct that holds the
// defaults. Unknown and repeated keys, values of the wrong type and numbers
// out of range are errors; all of them are reported, as [Errors].
//
// A list replaces its default, a mapping adds to it. Whole numbers may be
// written 1e6 or 1_000_000; durations need a unit; a number where a string is
// wanted, such as the name 18, is taken as written. Types that implement
// encoding.TextUnmarshaler read any scalar. A field of interface type is
// decoded into the pointer that it holds.
func (s *Source) Decode(into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("configs: decoding into %T, want a pointer to a struct", into))
	}
	d := decoder{source: s}
	d.value(s.root, v.Elem(), "")
	if len(d.errs) > 0 {
		return d.errs
	}
	return nil
}

type decoder struct {
	source *Source
	errs   Errors
}

func (d *decoder) complain(n *yaml.Node, format string, args ...any) {
	d.errs = append(d.errs, d.source.complaint(n, fmt.Sprintf(format, args...)))
}

func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	if !d.tagged(n, path) {
		return
	}
	switch {
	case v.Kind() == reflect.Pointer:
		if isNull(n) {
			// An empty section leaves its defaults, as where all of its lines
			// are commented out; an empty value is none.
			if !isSection(v.Type().Elem()) {
				v.SetZero()
			}
			return
		}
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(n, v.Elem(), path)
		return
	case v.Kind() == reflect.Interface && !v.IsNil() && v.Elem().Kind() == reflect.Pointer && !v.Elem().IsNil():
		d.value(n, v.Elem().Elem(), path)
		return
	case v.Type() == durationType:
		d.duration(n, v, path)
		return
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if n.Kind != yaml.ScalarNode || isNull(n) {
			d.complain(n, "%s is %s, want a single value", path, describe(n))
		} else if err := u.UnmarshalText([]byte(n.Value)); err != nil {
			d.complain(n, "%s: %v", path, err)
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Map:
		d.mapping(n, v, path)
	case reflect.Slice, reflect.Array:
		d.list(n, v, path)
	case reflect.Bool:
		b, err := strconv.ParseBool(strings.ToLower(n.Value))
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || err != nil {
			d.complain(n, "%s is %s, want true or false", path, describe(n))
			return
		}
		v.SetBool(b)
	case reflect.String:
		if n.Kind != yaml.ScalarNode || isNull(n) || n.ShortTag() == "!!bool" {
			quotes := ""
			if n.Kind == yaml.ScalarNode && !isNull(n) {
				quotes = " (put it in quotes)"
			}
			d.complain(n, "%s is %s, want a string%s", path, describe(n), quotes)
			return
		}
		v.SetString(n.Value)
	case reflect.Float32, reflect.Float64:
		d.float(n, v, path)
	default:
		if !v.CanInt() && !v.CanUint() {
			panic(fmt.Sprintf("configs: %s is of type %s, which no file can hold", path, v.Type()))
		}
		d.whole(n, v, path)
	}
}

// tagged refuses explicit tags that change what a value means.
func (d *decoder) tagged(n *yaml.Node, path string) bool {
	switch tag := n.ShortTag(); tag {
	case "", "!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq", "!!timestamp", "!!merge":
		return true
	default:
		d.complain(n, "%s has the tag %s, want a plain value", path, tag)
		return false
	}
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string) {
	fields := fieldsOf(v.Type())
	d.pairs(n, path, func(key, value *yaml.Node) {
		i := slices.IndexFunc(fields, func(f structField) bool { return f.name == key.Value })
		if i < 0 {
			d.complain(key, "unknown key %s, %s", join(path, key.Value), suggest(key.Value, fields))
			return
		}
		d.value(value, v.FieldByIndex(fields[i].index), join(path, key.Value))
	})
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	if v.Type().Key().Kind() != reflect.String {
		panic(fmt.Sprintf("configs: %s is of type %s, want string keys", path, v.Type()))
	}
	m := reflect.MakeMap(v.Type())
	for k, e := range v.Seq2() {
		m.SetMapIndex(k, e)
	}
	d.pairs(n, path, func(key, value *yaml.Node) {
		k := reflect.ValueOf(key.Value).Convert(v.Type().Key())
		element := reflect.New(v.Type().Elem()).Elem()
		if old := m.MapIndex(k); old.IsValid() {
			element.Set(old)
		}
		d.value(value, element, join(path, key.Value))
		m.SetMapIndex(k, element)
	})
	if m.Len() > 0 {
		v.Set(m)
	}
}

// pairs calls f for each key of the mapping n; an empty value is an empty
// mapping, as where all of its lines are commented out.
func (d *decoder) pairs(n *yaml.Node, path string, f func(key, value *yaml.Node)) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.complain(n, "%s is %s, want a mapping", path, describe(n))
		return
	}
	first := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode:
			d.complain(key, "a key is %s, want a name", describe(key))
			continue
		case key.ShortTag() == "!!merge":
			d.complain(key, "merge key %s, want the values themselves", join(path, "<<"))
			continue
		case first[key.Value] != nil:
			d.complain(key, "%s is given twice, first on line %d", join(path, key.Value), first[key.Value].Line)
			continue
		}
		first[key.Value] = key
		f(key, value)
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.complain(n, "%s is %s, want a list", path, describe(n))
		return
	}
	if v.Kind() == reflect.Array && len(n.Content) != v.Len() {
		d.complain(n, "%s has %d elements, want %d", path, len(n.Content), v.Len())
		return
	}
	if v.Kind() == reflect.Slice {
		if len(n.Content) == 0 {
			if v.Len() > 0 {
				v.SetZero()
			}
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	}
	for i, c := range n.Content {
		d.value(c, v.Index(i), d.source.element(path, i, c))
	}
}

func (d *decoder) duration(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		d.complain(n, "%s is %s, want a duration such as 10m or 630s", path, describe(n))
		return
	}
	t, err := time.ParseDuration(n.Value)
	if err != nil {
		unit := ""
		if isNumber(n) {
			unit = " a unit:"
		}
		d.complain(n, "%s is %s, want%s a duration such as 10m or 630s", path, n.Value, unit)
		return
	}
	v.SetInt(int64(t))
}

func (d *decoder) float(n *yaml.Node, v reflect.Value, path string) {
	if !isNumber(n) {
		d.complain(n, "%s is %s, want a number", path, describe(n))
		return
	}
	text := strings.ReplaceAll(n.Value, "_", "")
	if leadingZero.MatchString(text) {
		d.complain(n, "%s is %s, want a number without leading zeros", path, n.Value)
		return
	}
	f, err := strconv.ParseFloat(text, v.Type().Bits())
	if mag, neg, e := parseWhole(text); err != nil && e == nil { // hexadecimal and the like
		f, err = float64(mag), nil
		if neg {
			f = -f
		}
	}
	switch {
	case strings.ContainsAny(text, "nN"): // .nan and .inf
		d.complain(n, "%s is %s, want a finite number", path, n.Value)
	case errors.Is(err, strconv.ErrRange):
		largest := math.MaxFloat64
		if v.Type().Bits() == 32 {
			largest = math.MaxFloat32
		}
		d.complain(n, "%s is %s, want a number between ±%.3g", path, n.Value, largest)
	case err != nil:
		d.complain(n, "%s is %s, want a number", path, n.Value)
	default:
		v.SetFloat(f)
	}
}

func (d *decoder) whole(n *yaml.Node, v reflect.Value, path string) {
	if !isNumber(n) {
		d.complain(n, "%s is %s, want a whole number", path, describe(n))
		return
	}
	mag, neg, err := parseWhole(strings.ReplaceAll(n.Value, "_", ""))
	bits := v.Type().Bits()
	switch {
	case err == errNotWhole:
		d.complain(n, "%s is %s, want a whole number", path, n.Value)
		return
	case err == errLeadingZeros:
		d.complain(n, "%s is %s, want a whole number without leading zeros", path, n.Value)
		return
	case v.CanUint():
		largest := uint64(math.MaxUint64) >> (64 - bits)
		if err != nil || neg && mag > 0 || mag > largest {
			d.complain(n, "%s is %s, want a whole number from 0 to %d", path, n.Value, largest)
			return
		}
		v.SetUint(mag)
	default:
		largest := uint64(math.MaxInt64) >> (64 - bits)
		if err != nil || !neg && mag > largest || neg && mag > largest+1 {
			d.complain(n, "%s is %s, want a whole number from %d to %d", path, n.Value, -int64(largest)-1, largest)
			return
		}
		if neg {
			mag = -mag
		}
		v.SetInt(int64(mag))
	}
}

var (
	errNotWhole     = errors.New("not whole")
	errTooLarge     = errors.New("too large")
	errLeadingZeros = errors.New("leading zeros")
)

// leadingZero: YAML 1.1 takes 010 for eight, YAML 1.2 for ten; yaml v4.0.0
// follows the former, and reads 08 as a float.
var leadingZero = regexp.MustCompile(`^[-+]?0[0-9]+$`)

// parseWhole reads a whole number exactly: sign and magnitude.
func parseWhole(text string) (mag uint64, neg bool, err error) {
	if leadingZero.MatchString(text) {
		return 0, false, errLeadingZeros
	}
	digits, neg := strings.CutPrefix(text, "-")
	if !neg {
		digits = strings.TrimPrefix(text, "+")
	}
	mag, err = strconv.ParseUint(digits, 0, 64)
	if err == nil {
		return mag, neg, nil
	}
	if errors.Is(err, strconv.ErrRange) {
		return 0, neg, errTooLarge
	}
	// A float, such as 1e6 or 2.5e3. Its size is bounded before the exact
	// arithmetic: 1e999999999 would fill the memory.
	f, err := strconv.ParseFloat(digits, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || f >= 1<<65:
		return 0, neg, errTooLarge
	case err != nil || math.IsNaN(f) || len(digits) > 100:
		return 0, neg, errNotWhole
	case f == 0 && !strings.ContainsAny(strings.FieldsFunc(digits, isExponent)[0], "123456789"):
		return 0, neg, nil
	case f < 1:
		return 0, neg, errNotWhole
	}
	r, ok := new(big.Rat).SetString(digits)
	if !ok || !r.IsInt() {
		return 0, neg, errNotWhole
	}
	if !r.Num().IsUint64() {
		return 0, neg, errTooLarge
	}
	return r.Num().Uint64(), neg, nil
}

func isExponent(r rune) bool { return r == 'e' || r == 'E' }

// decimal is a number that yaml v4.0.0 may call a string: it does so where the
// value overflows a float64, as in 1e400.
var decimal = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?$`)

func isNumber(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode {
		return false
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		return true
	case "!!str":
		const marked = yaml.TaggedStyle | yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
		return n.Style&marked == 0 && decimal.MatchString(n.Value)
	}
	return false
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// isSection reports whether a value of type t holds further keys.
func isSection(t reflect.Type) bool { return t.Kind() == reflect.Struct || t.Kind() == reflect.Map }

// describe says what a value is: "a string", "empty".
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "empty"
	case n.ShortTag() == "!!bool":
		return "true or false"
	case isNumber(n):
		return "a number"
	}
	return "a string"
}

var durationType = reflect.TypeFor[time.Duration]()

// structField is one key of a struct.
type structField struct {
	name  string
	index []int
}

// fieldsOf lists the keys of a struct in order: the name in the yaml tag, or
// the field's name in lower case. A tag of "-" hides a field, ",inline" lists
// the fields of a struct in place.
func fieldsOf(t reflect.Type) []structField {
	var out []structField
	for f := range t.Fields() {
		if !f.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case name == "-":
			continue
		case options == "inline":
			for _, inner := range fieldsOf(f.Type) {
				out = append(out, structField{inner.name, append([]int{f.Index[0]}, inner.index...)})
			}
			continue
		case name == "":
			name = strings.ToLower(f.Name)
		}
		out = append(out, structField{name, f.Index})
	}
	return out
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// suggest names the key that was probably meant, or else all keys.
func suggest(name string, fields []structField) string {
	if len(fields) == 0 {
		return "none is known here"
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	if best := env.Nearest(name, names); best != "" {
		return "did you mean " + best + "?"
	}
	return "want one of " + strings.Join(names, ", ")
}
