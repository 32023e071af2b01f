package mdp

import (
	"math"
	"strings"
	"testing"
)

func multiCloud(t *testing.T, preset string) (MultiCloudConfig, *Model) {
	t.Helper()
	c, err := PresetMultiCloud(preset)
	if err != nil {
		t.Fatal(err)
	}
	return c, MultiCloud(c)
}

// The number of states by counting: per pair of load and storm, each provider is
// up, degraded or out with 0 to 2 replicas; the primary is any of three; and beside
// no copy there is one for each source that can be read and target that is not out
// and has room.
func TestMultiCloudIsWhole(t *testing.T) {
	want := 0
	for code := range 27 * 27 {
		var at, n [3]int
		for i, x := 0, code; i < 3; i++ {
			at[i], n[i] = x%3, x/3%3
			x /= 9
		}
		if n[0]+n[1]+n[2] == 0 {
			continue
		}
		copies := 1
		for from := range 3 {
			for to := range 3 {
				if at[from] != 2 && n[from] > 0 && at[to] != 2 && n[to] < 2 {
					copies++
				}
			}
		}
		want += 4 * 3 * copies
	}
	for _, preset := range PresetsMultiCloud {
		_, m := multiCloud(t, preset)
		if m.States != want || m.States != 24_624 || m.Pairs() != 171_084 {
			t.Errorf("%s: %d states and %d pairs, want %d, that is 24624, and 171084", preset, m.States, m.Pairs(), want)
		}
		if err := m.Check(); err != nil {
			t.Errorf("%s: %v", preset, err)
		}
	}
	if _, err := PresetMultiCloud("C2"); err == nil || !strings.Contains(err.Error(), "C1") {
		t.Errorf("preset C2: %v", err)
	}
}

func cloudAt(t *testing.T, m *Model, label string) int {
	t.Helper()
	for s := range m.States {
		if m.Label(s) == label {
			return s
		}
	}
	t.Fatalf("no state %q", label)
	return 0
}

// Costs and rows by hand, from the parameters of C1.
func TestMultiCloudByHand(t *testing.T) {
	_, m := multiCloud(t, "C1")
	cost := func(label, action string, want float64) {
		t.Helper()
		p := m.Pair(cloudAt(t, m, label), actionOf(t, m, action))
		if p < 0 {
			t.Fatalf("%s in %s is not legal", action, label)
		}
		if got := m.Cost[p]; math.Abs(got-want/4) > 1e-12 {
			t.Errorf("%s in %s costs %v $ a step, want %v", action, label, got, want/4)
		}
	}
	const month = 730.5 // h
	two := (80.0 + 130) / month
	fresh := "a up 1, b up 1, c up 0, primary a, calm, load low"
	// Storage, and 0.002 TB/h of reads at 90 $/TB.
	cost(fresh, "hold", two+0.18)
	// 0.36 copies an hour of a TB at 87 $, and storage at c; b does not serve.
	cost(fresh, "copy_b_to_c", two+100/month+0.36*87+0.18)
	// From the primary: its egress, and the interference.
	cost(fresh, "copy_a_to_c", two+100/month+0.36*90+0.2+0.18)
	// Within a provider: 0.72 copies an hour at 20 $.
	cost(fresh, "copy_a_to_a", two+80/month+0.72*20+0.2+0.18)
	// A planned move costs 5 $ at once; reads are then paid to b.
	cost(fresh, "serve_from_b", two+0.002*87+4*5)
	// High load: 0.01 TB/h; degraded: 20 $/h, and copies at half the speed.
	high := "a degraded 1, b up 1, c up 0, primary a, calm, load high"
	cost(high, "hold", two+0.9+20)
	cost(high, "copy_a_to_c", two+100/month+0.18*90+6+0.9+20)
	// Out: nothing is read, and moving is an emergency.
	out := "a out 1, b up 1, c up 0, primary a, storm, load high"
	cost(out, "hold", two+3000)
	cost(out, "serve_from_b", two+0.01*87+4*250)

	for _, x := range []struct{ label, action string }{
		{fresh, "cancel"}, {fresh, "drop_a"}, {fresh, "drop_c"}, {fresh, "serve_from_a"}, {fresh, "serve_from_c"}, {fresh, "copy_c_to_a"},
		{out, "copy_a_to_b"}, {out, "copy_b_to_a"},
	} {
		if m.Pair(cloudAt(t, m, x.label), actionOf(t, m, x.action)) >= 0 {
			t.Errorf("%s in %s is legal", x.action, x.label)
		}
	}

	// One replica is left, at a provider that is out in a storm: it is destroyed
	// with 1/600 an hour, or lost with 8 times 4 a year; then the shard starts anew.
	last := cloudAt(t, m, "a up 0, b degraded 0, c out 1, primary c, storm, load low")
	again := cloudAt(t, m, "a up 1, b degraded 1, c out 0, primary a, storm, load low")
	lost, sum := 0.0, 0.0
	m.Rows.Each(int(m.Row[m.Pair(last, cloudHold)]), func(next int, p, cost float64, shards int) {
		sum += p
		if shards > 0 {
			lost += p
			if next != again || cost != 50_000 || shards != 1 {
				t.Errorf("a loss leads to %s, at %v $", m.Label(next), cost)
			}
		} else if cost != 0 {
			t.Errorf("%v $ on the way to %s", cost, m.Label(next))
		}
	})
	if want := (1.0/600 + 8*4.0/8766) / 4; math.Abs(lost-want) > 1e-15 || math.Abs(sum-1) > 1e-12 {
		t.Errorf("lost with probability %v of %v, want %v of 1", lost, sum, want)
	}
	// What stays as it is comes first, so that a held action is drawn at once.
	m.Rows.Each(int(m.Row[m.Pair(last, cloudHold)]), func(next int, p, _ float64, _ int) {
		if sum == 1 && next != last {
			t.Errorf("the first branch leads to %s", m.Label(next))
		}
		sum = 0
	})
}

func actionOf(t *testing.T, m *Model, name string) int {
	t.Helper()
	for a, n := range m.Actions {
		if n == name {
			return a
		}
	}
	t.Fatalf("no action %q", name)
	return 0
}

// A copy that can no longer go on is given up: when its source goes out.
func TestMultiCloudGivesUpCopies(t *testing.T) {
	_, m := multiCloud(t, "C1")
	s := cloudAt(t, m, "a up 1, b up 1, c up 0, primary a, copying b to c, calm, load low")
	for _, want := range []string{
		"a up 1, b out 1, c up 0, primary a, calm, load low",                      // the source is out
		"a up 1, b up 1, c out 0, primary a, calm, load low",                      // the target is
		"a up 1, b up 0, c up 0, primary a, calm, load low",                       // the source's replica is lost
		"a up 1, b up 1, c up 1, primary a, calm, load low",                       // done
		"a up 1, b degraded 1, c up 0, primary a, copying b to c, calm, load low", // goes on, slower
	} {
		found := false
		m.Rows.Each(int(m.Row[m.Pair(s, cloudHold)]), func(next int, p, _ float64, _ int) { found = found || m.Label(next) == want && p > 0 })
		if !found {
			t.Errorf("no branch leads to %s", want)
		}
	}
}
