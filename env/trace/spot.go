package trace

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"mend/env"
)

// Bounds of what is read of a spot file: bytes, instances, and outages of all.
const (
	maxSpotBytes     = 64 << 20
	maxSpotInstances = 10_000
	maxSpotOutages   = 10_000_000
)

// spotForm is what a spot file looks like.
const spotForm = `{"metadata":{"gap_seconds":g},"data":[n,...]}`

// ReadSpot reads a record of the availability of spot instances, in the form of
// the traces that Wu et al., "Can't be late: optimizing spot instance savings
// under deadlines" (NSDI 2024), published: how many instances ran, sampled
// every g seconds. Open chooses it by its opening brace; name is what messages
// call the file.
//
//	{"metadata":{"gap_seconds":g},"data":[n,...]}
//
// The largest n is taken for the number wanted. Instance i is away, with its
// data lost, in the gap after each sample n <= i. Other keys are passed over.
// The only system is [DefaultSystem], its nodes are the instances.
func ReadSpot(r io.Reader, name string) (*Trace, *Report, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxSpotBytes+1))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(b) > maxSpotBytes {
		return nil, nil, fmt.Errorf("%s: more than %d bytes, want a smaller file", name, maxSpotBytes)
	}
	errorf := func(offset int64, format string, args ...any) error {
		before := b[:max(0, min(offset-1, int64(len(b))))] // offsets count the byte in question
		line := bytes.Count(before, []byte("\n")) + 1
		col := len(before) - bytes.LastIndexByte(before, '\n')
		return fmt.Errorf("%s:%d:%d: %w", name, line, col, fmt.Errorf(format, args...))
	}
	var file struct {
		Metadata struct {
			GapSeconds float64 `json:"gap_seconds"`
		} `json:"metadata"`
		Data []*int32 `json:"data"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		switch {
		case errors.As(err, &syntax):
			return nil, nil, errorf(syntax.Offset, "%s, want %s", syntax, spotForm)
		case errors.As(err, &kind):
			return nil, nil, errorf(kind.Offset, "%s is a %s, want %s", kind.Field, excerpt([]byte(kind.Value)), spotForm)
		}
		return nil, nil, errorf(1, "%w", err)
	}
	samples := len(file.Data)
	gap := file.Metadata.GapSeconds
	if !(gap >= 1e-6 && gap*float64(samples) <= 1e12) {
		return nil, nil, errorf(1, "metadata.gap_seconds is %g for %d samples, want seconds > 0, of at most 1e12 in all", gap, samples)
	}
	wanted := int32(0)
	for i, n := range file.Data {
		if n == nil || *n < 0 || *n > maxSpotInstances {
			found := "null"
			if n != nil {
				found = strconv.Itoa(int(*n))
			}
			return nil, nil, errorf(1, "data[%d] is %s, want 0 to %d", i, found, maxSpotInstances)
		}
		wanted = max(wanted, *n)
	}
	if wanted == 0 {
		return nil, nil, errorf(1, "no instance in any of %d samples, want at least one", samples)
	}

	sum := sha256.Sum256(b)
	t := &Trace{Name: name, Form: FormSpot, Digest: hex.EncodeToString(sum[:])}
	at := func(sample int) env.Time { return env.Time(math.Round(float64(sample) * gap * float64(env.Second))) }
	end := at(samples)
	s := System{Name: DefaultSystem, NodeCount: int(wanted), End: end, Records: samples}
	for i := range wanted {
		s.Nodes = append(s.Nodes, Node{Name: strconv.Itoa(int(i)), End: end})
	}
	left := maxSpotOutages
	running := wanted // instances before the sample
	for k, n := range file.Data {
		for i := *n; i < running; i++ { // leave
			if left--; left < 0 {
				return nil, nil, errorf(1, "more than %d outages, want fewer", maxSpotOutages)
			}
			s.Nodes[i].Outages = append(s.Nodes[i].Outages, Outage{Start: at(k), End: end, Lost: true, Open: true})
		}
		for i := running; i < *n; i++ { // come back
			o := &s.Nodes[i].Outages[len(s.Nodes[i].Outages)-1]
			o.End, o.Open = at(k), false
		}
		running = *n
	}
	t.Systems = []System{s}
	return t, &Report{Name: name, Form: FormSpot, Records: samples, Used: samples}, nil
}
