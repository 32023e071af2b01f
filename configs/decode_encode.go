package configs

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Encode writes v, a struct, as YAML that [Source.Decode] reads back to equal
// values over the same defaults. Keys come in the order of the fields, those of
// a map sorted. Sections that are nil are left out, single values that are nil
// written as null.
func Encode(v any) ([]byte, error) {
	n, err := encode(reflect.ValueOf(v), "")
	if err != nil {
		return nil, fmt.Errorf("configs: %w", err)
	}
	b, err := yaml.Dump(n, yaml.WithIndent(2), yaml.WithLineWidth(-1))
	if err != nil {
		return nil, fmt.Errorf("configs: %w", err)
	}
	return b, nil
}

func encode(v reflect.Value, path string) (*yaml.Node, error) {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if m, ok := v.Interface().(encoding.TextMarshaler); ok && !v.IsNil() {
			return encodeText(m, path)
		}
		v = v.Elem()
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		return encodeText(m, path)
	}
	// A MarshalText of the pointer is found on a copy.
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	if m, ok := p.Interface().(encoding.TextMarshaler); ok {
		return encodeText(m, path)
	}
	if v.Type() == durationType {
		return scalar("!!str", durationText(time.Duration(v.Int()))), nil
	}
	switch v.Kind() {
	case reflect.Struct:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, f := range fieldsOf(v.Type()) {
			if err := add(n, f.name, v.FieldByIndex(f.index), path); err != nil {
				return nil, err
			}
		}
		return n, nil
	case reflect.Map:
		n := &yaml.Node{Kind: yaml.MappingNode}
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			if err := add(n, k.String(), v.MapIndex(k), path); err != nil {
				return nil, err
			}
		}
		return n, nil
	case reflect.Slice, reflect.Array:
		n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for i := range v.Len() {
			c, err := encode(v.Index(i), fmt.Sprintf("%s[%d]", path, i))
			if err != nil {
				return nil, err
			}
			if c.Kind == yaml.MappingNode {
				n.Style = 0
			}
			n.Content = append(n.Content, c)
		}
		return n, nil
	case reflect.Bool:
		return scalar("!!bool", strconv.FormatBool(v.Bool())), nil
	case reflect.String:
		return text(v.String(), path)
	case reflect.Float32, reflect.Float64:
		if math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0) {
			return nil, fmt.Errorf("%s is %v, want a finite number", path, v.Float())
		}
		return scalar("!!float", strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits())), nil
	}
	switch {
	case v.CanInt():
		return scalar("!!int", strconv.FormatInt(v.Int(), 10)), nil
	case v.CanUint():
		return scalar("!!int", strconv.FormatUint(v.Uint(), 10)), nil
	}
	panic(fmt.Sprintf("configs: %s is of type %s, which no file can hold", path, v.Type()))
}

// add appends a key and its value to the mapping n.
func add(n *yaml.Node, key string, v reflect.Value, path string) error {
	k, err := text(key, path)
	if err != nil {
		return err
	}
	if (v.Kind() == reflect.Interface || v.Kind() == reflect.Map) && v.IsNil() {
		return nil
	}
	if v.Kind() == reflect.Pointer && v.IsNil() {
		if !isSection(v.Type().Elem()) {
			n.Content = append(n.Content, k, scalar("!!null", "null"))
		}
		return nil
	}
	c, err := encode(v, join(path, key))
	if err != nil {
		return err
	}
	n.Content = append(n.Content, k, c)
	return nil
}

func encodeText(m encoding.TextMarshaler, path string) (*yaml.Node, error) {
	b, err := m.MarshalText()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return text(string(b), path)
}

// scalar is written plain: the tag is the one that its value resolves to.
func scalar(tag, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
}

var (
	bare     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./-]*$`)
	reserved = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|true|false|null|nan|inf)$`)
)

// text is quoted wherever YAML could take it for anything but a string.
func text(s, path string) (*yaml.Node, error) {
	if !utf8.ValidString(s) {
		return nil, fmt.Errorf("%s is %q, want UTF-8", path, s)
	}
	n := scalar("!!str", s)
	if !bare.MatchString(s) || reserved.MatchString(s) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n, nil
}

// durationText is Duration.String without the zeros at its end: 10m, not 10m0s.
func durationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
