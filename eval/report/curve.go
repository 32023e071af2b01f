package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"mend/eval"
)

// Point is one periodic evaluation: the objective after so many steps of
// training. Lo and Hi are NaN where no interval was recorded.
type Point struct {
	Step         uint64
	Mean, Lo, Hi float64
}

// ReadCurve reads the periodic evaluations out of a run's metrics: JSON lines,
// one object a line, of which those like
//
//	{"kind":"eval","step":20000,"objective":{"mean":9.5,"lo":9.1,"hi":9.9}}
//
// are wanted and all others are passed over. Null, or an end that is missing,
// is NaN. A line that is no JSON object is an error that gives its number; a
// last line cut short, as a killed run leaves it, is passed over. A resumed run
// repeats steps: the later line counts, and what it went back behind does not.
func ReadCurve(r io.Reader) ([]Point, error) {
	var points []Point
	in := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("report: metrics: %w", err)
		}
		last := err == io.EOF
		if len(bytes.TrimSpace(line)) > 0 && !(last && !json.Valid(line)) {
			p, ok, err := readPoint(line)
			if err != nil {
				return nil, fmt.Errorf("report: metrics: line %d: %w", n, err)
			}
			if ok {
				for len(points) > 0 && points[len(points)-1].Step >= p.Step {
					points = points[:len(points)-1]
				}
				points = append(points, p)
			}
		}
		if last {
			return points, nil
		}
	}
}

// readPoint reads one line; ok is false for a line of another kind.
func readPoint(line []byte) (p Point, ok bool, err error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return p, false, err
	}
	if fields == nil {
		return p, false, errors.New("null, want an object")
	}
	var kind string
	if json.Unmarshal(fields["kind"], &kind) != nil || kind != "eval" {
		return p, false, nil
	}
	for _, name := range []string{"step", "objective"} {
		if fields[name] == nil {
			return p, false, fmt.Errorf("an evaluation without %q", name)
		}
	}
	if err := json.Unmarshal(fields["step"], &p.Step); err != nil {
		return p, false, fmt.Errorf("step: %w", err)
	}
	var e eval.Estimate
	if err := json.Unmarshal(fields["objective"], &e); err != nil {
		return p, false, fmt.Errorf("objective: %w", err)
	}
	p.Mean, p.Lo, p.Hi = e.Mean, e.Lo, e.Hi
	return p, true, nil
}
