// Package field reports which field of a configuration is wrong, so that the
// package that owns the field need not know where its value was written, and
// the package that reads files can say file, line and column.
package field

import (
	"fmt"
	"strings"
)

// Error is one complaint about one field.
type Error struct {
	Path    string // keys from the root of the configuration, joined by dots
	Message string // what is wrong and what is wanted
	Key     bool   // it is the key that is wrong, rather than its value
}

func (e Error) Error() string {
	if e.Path == "" {
		return e.Message
	}
	return e.Path + " " + e.Message
}

// Errors are all complaints about a configuration, in order.
type Errors []Error

func (e Errors) Error() string {
	s := make([]string, len(e))
	for i := range e {
		s[i] = e[i].Error()
	}
	return strings.Join(s, "; ")
}

// Err returns e, or nil where there is nothing to complain about.
func (e Errors) Err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// Want adds a complaint about path unless ok holds. The message is "is VALUE,
// want ALLOWED".
func (e *Errors) Want(ok bool, path string, value any, allowed string) {
	if !ok {
		*e = append(*e, Error{Path: path, Message: fmt.Sprintf("is %v, want %s", value, allowed)})
	}
}

// Under adds the complaints of err, a result of Validate, below the key prefix.
func (e *Errors) Under(prefix string, err error) {
	if err == nil {
		return
	}
	list, ok := err.(Errors)
	if !ok {
		panic(fmt.Sprintf("field: %T under %s, want field.Errors", err, prefix))
	}
	for _, x := range list {
		x.Path = prefix + "." + x.Path
		*e = append(*e, x)
	}
}
