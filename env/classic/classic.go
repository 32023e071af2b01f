// Package classic holds control problems that other libraries publish too, so
// that learners can be checked against known learning curves.
//
// Start with [NewCartPole] and [CartPole.Step]; [Acrobot] pays only for
// reaching a goal that chance seldom finds. Rendering, and the other
// integrators, equations and reset bounds that Gymnasium offers, are left out.
package classic

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// constant is one number that a world's behaviour depends on.
type constant struct {
	name  string
	value float64
}

// define writes a world's definition: statements, then constants with all
// their bits.
func define(statements []string, constants []constant) string {
	var b strings.Builder
	for _, s := range statements {
		fmt.Fprintln(&b, s)
	}
	for _, c := range constants {
		fmt.Fprintf(&b, "%s %x\n", c.name, c.value)
	}
	return b.String()
}

// digest is the hex SHA-256 of text.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
