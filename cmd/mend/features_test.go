package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"mend/checkpoints"
	"mend/configs"
	"mend/env"
	"mend/env/seed"
)

// TestFeaturesAgree: the world, env describe, an exported policy as inspect shows
// it and, for worlds of a store, env/cluster/FEATURES.md name the same features
// with the same unit, offset and scale in the same order, the same actions and
// the same guards.
func TestFeaturesAgree(t *testing.T) {
	for _, id := range []string{"Steady-v0", "RegionLoss-v0", "MDPB-v0", "CartPole-v1"} {
		t.Run(id, func(t *testing.T) {
			c := configs.Default(id, "ppo")
			spec, err := specOf(&c.Env)
			if err != nil {
				t.Fatal(err)
			}
			agent, _, err := newAgent(&c, spec, seed.Seed(1))
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "policy.mend")
			if err := newArtifact(&c, spec, agent.Actor(), checkpoints.Meta{Env: id, EnvDigest: spec.Digest}, "run").Save(file); err != nil {
				t.Fatal(err)
			}
			type told struct {
				Features []featureInfo `json:"features"`
				Actions  []string      `json:"actions"`
				Guards   []env.Guard   `json:"guards"`
			}
			want := told{Actions: spec.Actions, Guards: append([]env.Guard{}, spec.Guards...)}
			for _, f := range spec.Features {
				if f.Name == "" || f.Unit == "" || !(f.Scale > 0) {
					t.Errorf("feature %+v, want a name, a unit and a scale > 0", f)
				}
				want.Features = append(want.Features, featureInfo(f))
			}
			for _, args := range [][]string{{"env", "describe", id, "--json"}, {"inspect", file, "--json"}} {
				var out, errs bytes.Buffer
				if code := run(args, &out, &errs); code != 0 {
					t.Fatalf("mend %s: exit code %d: %s", strings.Join(args, " "), code, &errs)
				}
				var got told
				if err := json.Unmarshal(out.Bytes(), &got); err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("mend %s tells of %+v, the world of %+v", strings.Join(args, " "), got, want)
				}
			}
			if c.Env.Cluster == nil {
				return
			}
			if got := pageFeatures(t); !reflect.DeepEqual(got, want.Features) {
				t.Errorf("FEATURES.md tells of %+v, the world of %+v", got, want.Features)
			}
		})
	}
}

// pageFeatures reads the rows | number | `name` | unit | offset | scale | of
// FEATURES.md.
func pageFeatures(t *testing.T) []featureInfo {
	page, err := os.ReadFile("../../env/cluster/FEATURES.md")
	if err != nil {
		t.Fatal(err)
	}
	var list []featureInfo
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 5 || cells[0] != "| "+strconv.Itoa(len(list)) {
			continue
		}
		offset, err1 := strconv.ParseFloat(cells[3], 32)
		scale, err2 := strconv.ParseFloat(strings.TrimSuffix(cells[4], " |"), 32)
		if err1 != nil || err2 != nil {
			t.Fatalf("row %q", line)
		}
		list = append(list, featureInfo{strings.Trim(cells[1], "`"), cells[2], float32(offset), float32(scale)})
	}
	return list
}
