package classic

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
)

// referenceEpisode is one episode of a file of testdata, whose header says where
// its numbers come from.
type referenceEpisode struct {
	name  string
	start [4]float64
	steps []referenceStep
}

type referenceStep struct {
	line                  int
	action                int
	state                 [4]float64
	terminated, truncated bool
}

func readReference(t *testing.T, path string) []referenceEpisode {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var episodes []referenceEpisode
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		switch {
		case len(words) == 0:
		case words[0] == "episode":
			episodes = append(episodes, referenceEpisode{name: words[1]})
		default:
			e := &episodes[len(episodes)-1]
			var x [4]float64
			for i := range x {
				if x[i], err = strconv.ParseFloat(words[1+i], 64); err != nil {
					t.Fatalf("%s:%d: %v", path, n, err)
				}
			}
			if words[0] == "start" {
				e.start = x
				continue
			}
			action, err := strconv.Atoi(words[0])
			if err != nil {
				t.Fatalf("%s:%d: %v", path, n, err)
			}
			e.steps = append(e.steps, referenceStep{
				line: n, action: action, state: x,
				terminated: strings.Contains(words[5], "t"),
				truncated:  strings.Contains(words[5], "T"),
			})
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return episodes
}
