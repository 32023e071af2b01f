package signal

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"mend/configs/field"
	"mend/env/seed"
	"mend/env/state"
	"mend/env/toy"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s is %v, want %v ± %.2g", what, got, want, tolerance)
	}
}

func TestDefaultConfigIsValid(t *testing.T) {
	c := DefaultConfig()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

// Every field has values that are refused, under its own key.
func TestValidate(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for key, spoils := range map[string][]func(c *Config){
		"observation_clip":       {func(c *Config) { c.ObservationClip = -1 }, func(c *Config) { c.ObservationClip = inf }, func(c *Config) { c.ObservationClip = nan }},
		"value_head":             {func(c *Config) { c.ValueHead = "" }, func(c *Config) { c.ValueHead = "log" }},
		"credit":                 {func(c *Config) { c.Credit = "all" }},
		"average":                {func(c *Config) { c.Average = "mean" }},
		"average_start":          {func(c *Config) { c.AverageStart = 1 }, func(c *Config) { c.AverageStart = nan }},
		"average_decay":          {func(c *Config) { c.AverageDecay = 1 }, func(c *Config) { c.AverageDecay = 0 }, func(c *Config) { c.AverageDecay = nan }},
		"shaping.steps":          {func(c *Config) { c.Shaping.Steps = 0 }, func(c *Config) { c.Shaping.Steps = 1 << 40 }},
		"shaping.lambda":         {func(c *Config) { c.Shaping.Lambda = 1.1 }, func(c *Config) { c.Shaping.Lambda = nan }},
		"shaping.epochs":         {func(c *Config) { c.Shaping.Epochs = 0 }},
		"shaping.minibatch_size": {func(c *Config) { c.Shaping.MinibatchSize = 0 }},
		"shaping.learning_rate":  {func(c *Config) { c.Shaping.LearningRate = 0 }, func(c *Config) { c.Shaping.LearningRate = inf }},
		"shaping.hidden.0":       {func(c *Config) { c.Shaping.Hidden = []int{0} }},
		"shaping.hidden":         {func(c *Config) { c.Shaping.Hidden = make([]int, 17); fill(c.Shaping.Hidden, 1) }},
		"shaping.activation":     {func(c *Config) { c.Shaping.Activation = "linear" }},
	} {
		for _, spoil := range spoils {
			c := DefaultConfig()
			spoil(&c)
			var list field.Errors
			if err := c.Validate(); !errors.As(err, &list) || len(list) != 1 || list[0].Path != key {
				t.Errorf("%s: Validate says %v", key, err)
			}
		}
	}
}

func fill(x []int, v int) {
	for i := range x {
		x[i] = v
	}
}

func TestSetup(t *testing.T) {
	s := Setup{Spec: toy.NewBandit().Spec(), Envs: 1, Steps: 1000, Signal: DefaultConfig()}
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
	if g := s.Gamma(0.7); g != 0.7 && s.Spec.Gamma == 0 || s.Spec.Gamma != 0 && g != s.Spec.Gamma {
		t.Errorf("gamma is %v where the world says %v and the agent 0.7", g, s.Spec.Gamma)
	}
	s.Spec = toy.NewChain().Spec()
	near(t, "gamma of a world with one", s.Gamma(0.7), toy.ChainGamma, 0)
	near(t, "progress", s.Progress(250), 0.25, 0)
	near(t, "progress past the end", s.Progress(2500), 1, 0)
	var err error
	if s.Potential, err = NewPotential(DefaultConfig().Shaping, toy.NewBandit().Spec()); err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "a potential of 3 features for the 5 of Chain-v0") {
		t.Errorf("the potential of another world: %v", err)
	}
}

// A stream goes on where it was saved.
func TestStream(t *testing.T) {
	a, b := NewStream(5), NewStream(6)
	for range 7 {
		a.Uint64()
	}
	if err := state.Restore(state.Append(nil, a.Fields), b.Fields); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if x, y := a.Uint64(), b.Uint64(); x != y {
			t.Fatalf("%d after restoring, want %d", y, x)
		}
	}
	if err := state.Restore([]byte{2, 0, 0, 0, 0, 0, 0, 0, 1, 2}, a.Fields); err == nil {
		t.Error("two bytes were taken for a stream")
	}
}

// Merged in batches of any size, the moments are those of two passes over
// everything, also where the mean is large against the deviation.
func TestMomentsAgainstTwoPasses(t *testing.T) {
	const dim, clip = 3, 2
	r := rand.New(rand.NewPCG(1, 2))
	m := NewMoments(dim, clip)
	var all []float32
	for _, rows := range []int{1, 5, 0, 17, 300} {
		obs := make([]float32, rows*dim)
		for i := range rows {
			obs[i*dim] = float32(r.NormFloat64())
			obs[i*dim+1] = float32(3000 + 0.5*r.NormFloat64())
			obs[i*dim+2] = 7 // never changes
		}
		m.Add(rows, obs)
		all = append(all, obs...)
	}
	n := m.Normalizer()
	x, y := []float32{5, -3, 1e6}, make([]float32, dim)
	if n.Apply(1, x, y); y[0] != x[0] || y[1] != x[1] || y[2] != x[2] {
		t.Errorf("before Refresh %v becomes %v, want no change", x, y)
	}
	m.Refresh()
	rows := float64(len(all) / dim)
	for j := range dim {
		mean, variance := 0.0, 0.0
		for i := j; i < len(all); i += dim {
			mean += float64(all[i]) / rows
		}
		for i := j; i < len(all); i += dim {
			variance += (float64(all[i]) - mean) * (float64(all[i]) - mean) / rows
		}
		near(t, "mean", m.features[j].mean, mean, 1e-9)
		near(t, "variance", m.features[j].m2/rows, variance, 1e-9)
		near(t, "mean of the normaliser", float64(n.Mean[j]), mean, 1e-4)
		near(t, "scale of the normaliser", float64(n.Scale[j])*math.Sqrt(variance+1e-8), 1, 1e-6)
	}
	if n.Apply(1, []float32{100, 3000, 7}, y); y[0] != clip || math.Abs(float64(y[1])) > 0.2 || y[2] != 0 {
		t.Errorf("normalised %v, want the bound, about 0, and 0", y)
	}
	if n != m.Normalizer() {
		t.Error("the normaliser moved")
	}
}

// By the definition: for each t the sum over the episode so far, discounted to
// t by the time in between, then the deviation of all of them.
func TestReturnScaleAgainstDefinition(t *testing.T) {
	const envs, steps, gamma = 3, 60, 0.9
	r := rand.New(rand.NewPCG(3, 4))
	s := NewReturnScale(envs, gamma)
	reward, elapsed := make([][]float32, steps), make([][]float32, steps)
	terminated, truncated := make([][]bool, steps), make([][]bool, steps)
	for k := range steps {
		for range envs {
			reward[k] = append(reward[k], float32(r.NormFloat64()-1))
			elapsed[k] = append(elapsed[k], float32(r.IntN(5))/2)
			terminated[k] = append(terminated[k], r.IntN(10) == 0)
			truncated[k] = append(truncated[k], r.IntN(10) == 0)
		}
		s.Add(reward[k], elapsed[k], terminated[k], truncated[k])
	}
	if f := s.Factor(); f != 1 {
		t.Errorf("factor %v before Refresh, want 1", f)
	}
	s.Refresh()
	var returns []float64
	for i := range envs {
		for k := range steps {
			sum, discount := 0.0, 1.0
			for j := k; ; j-- {
				sum += discount * float64(reward[j][i])
				if j == 0 || terminated[j-1][i] || truncated[j-1][i] {
					break
				}
				discount *= math.Pow(gamma, float64(elapsed[j-1][i]))
			}
			returns = append(returns, sum)
		}
	}
	mean, variance := 0.0, 0.0
	for _, x := range returns {
		mean += x / float64(len(returns))
	}
	for _, x := range returns {
		variance += (x - mean) * (x - mean) / float64(len(returns))
	}
	near(t, "factor", s.Factor(), 1/math.Sqrt(variance+1e-8), 1e-12)
}

// weights is a run of random tensors.
func weights(r *rand.Rand, list [][]float32) {
	for _, x := range list {
		for i := range x {
			x[i] += float32(r.NormFloat64())
		}
	}
}

func tensors(sizes ...int) (list [][]float32) {
	for _, n := range sizes {
		list = append(list, make([]float32, n))
	}
	return list
}

// The tail is the mean of the weights after each update past its start, exact
// to the last bit of float32; before, it is the latest weights.
func TestTailIsTheMean(t *testing.T) {
	c := DefaultConfig()
	c.Average, c.AverageStart = AverageTail, 0.5
	from, to := tensors(4, 3), tensors(4, 3)
	a := NewAverage(&c, from, to)
	r := rand.New(rand.NewPCG(5, 6))
	sum, n := make([]float64, 7), 0.0
	for k := range 100 {
		weights(r, from)
		a.Step() // changes nothing
		progress := float64(k+1) / 100
		a.Update(progress)
		for i := range sum {
			now, averaged := from[i/4][i%4], to[i/4][i%4]
			if progress <= 0.5 {
				if averaged != now {
					t.Fatalf("at %v the average is %v, want the weight %v", progress, averaged, now)
				}
				continue
			}
			sum[i] += float64(now)
			if want := float32(sum[i] / (n + 1)); averaged != want {
				t.Fatalf("at %v the average is %v, want %v", progress, averaged, want)
			}
		}
		if progress > 0.5 {
			n++
		}
	}
}

// After n steps the moving average is d^n·w_0 + (1−d)·Σ d^(n−i)·w_i.
func TestMovingAverageClosedForm(t *testing.T) {
	c := DefaultConfig()
	c.Average, c.AverageDecay = AverageEMA, 0.9
	from, to := tensors(5), tensors(5)
	r := rand.New(rand.NewPCG(7, 8))
	weights(r, from)
	copy(to[0], from[0])
	w := [][]float32{append([]float32(nil), from[0]...)}
	a := NewAverage(&c, from, to)
	const n = 40
	for range n {
		weights(r, from)
		w = append(w, append([]float32(nil), from[0]...))
		a.Step()
		a.Update(1) // changes nothing
	}
	for j, got := range to[0] {
		want := math.Pow(0.9, n) * float64(w[0][j])
		for i := 1; i <= n; i++ {
			want += 0.1 * math.Pow(0.9, float64(n-i)) * float64(w[i][j])
		}
		near(t, "average", float64(got), want, 1e-5)
	}
}

// Every kind of state comes back as it was, is refused where its shape differs
// or it was cut, and never panics.
func TestFields(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	moments := func(dim int) *Moments {
		m := NewMoments(dim, 10)
		obs := make([]float32, 4*dim)
		weights(r, [][]float32{obs})
		m.Add(2, obs[:2*dim])
		m.Refresh()
		m.Add(2, obs[2*dim:])
		return m
	}
	scale := func(envs int) *ReturnScale {
		s := NewReturnScale(envs, 0.9)
		for range 3 {
			x := tensors(envs, envs)
			weights(r, x)
			s.Add(x[0], x[1], make([]bool, envs), make([]bool, envs))
			if s.returns.n == float64(2*envs) {
				s.Refresh()
			}
		}
		return s
	}
	average := func(mode string, n int) *Average {
		c := DefaultConfig()
		c.Average = mode
		from, to := tensors(n), tensors(n)
		a := NewAverage(&c, from, to)
		for range 3 {
			weights(r, from)
			a.Step()
			a.Update(1)
		}
		return a
	}
	potential := func(hidden int) *Potential {
		c := DefaultConfig().Shaping
		c.Hidden = []int{hidden}
		p, err := NewPotential(c, toy.NewChain().Spec())
		if err != nil {
			t.Fatal(err)
		}
		weights(r, p.net.Tensors())
		p.fitted, p.low, p.high, p.quality = true, -3, 5, Quality{7, 0.5, 0.75, 0.25}
		return p
	}
	type fielded interface{ Fields(*state.Codec) }
	for name, x := range map[string]struct{ from, into, other fielded }{
		"moments":   {moments(3), moments(3), moments(4)},
		"scale":     {scale(3), scale(3), scale(2)},
		"tail":      {average(AverageTail, 4), average(AverageTail, 4), average(AverageEMA, 4)},
		"ema":       {average(AverageEMA, 4), average(AverageEMA, 4), average(AverageTail, 4)},
		"potential": {potential(3), potential(3), potential(4)},
	} {
		b := state.Append(nil, x.from.Fields)
		if err := state.Restore(b, x.into.Fields); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(b, state.Append(nil, x.into.Fields)) {
			t.Errorf("%s: restored state differs", name)
		}
		if err := state.Restore(b, x.other.Fields); err == nil || !strings.HasPrefix(err.Error(), "signal: ") || !strings.Contains(err.Error(), ", want ") {
			t.Errorf("%s: restored into another shape: %v", name, err)
		}
		for n := range b {
			if err := state.Restore(b[:n], x.into.Fields); err == nil {
				t.Errorf("%s: %d of %d bytes were accepted", name, n, len(b))
			}
		}
		for i := range b {
			spoilt := bytes.Clone(b)
			spoilt[i] ^= 0xff
			_ = state.Restore(spoilt, x.into.Fields) // must not panic
		}
	}

	for _, factor := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		s := scale(3)
		s.factor = factor
		if err := state.Restore(state.Append(nil, s.Fields), scale(3).Fields); err == nil {
			t.Errorf("a factor of %v was restored", factor)
		}
	}
	p, unfitted := potential(3), potential(3)
	unfitted.fitted = false
	if err := state.Restore(state.Append(nil, unfitted.Fields), p.Fields); err == nil {
		t.Error("an unfitted potential was restored")
	}
	p.net.Layers[0].W[0] = float32(math.NaN())
	if err := state.Restore(state.Append(nil, p.Fields), potential(3).Fields); err == nil {
		t.Error("a potential with a weight of NaN was restored")
	}
}

// Chunks cover every row once, each worker alone with its number.
func TestChunks(t *testing.T) {
	for _, processors := range []int{1, 2, 5} {
		old := runtime.GOMAXPROCS(processors)
		for _, rows := range []int{0, 1, ChunkRows, ChunkRows + 1, 7*ChunkRows - 3} {
			seen := make([]int32, rows)
			busy := make([]bool, Workers(rows))
			Chunks(rows, func(w, from, to int) {
				if busy[w] {
					t.Errorf("worker %d is two", w)
				}
				busy[w] = true
				if from%ChunkRows != 0 || to-from > ChunkRows {
					t.Errorf("chunk from %d to %d", from, to)
				}
				for i := from; i < to; i++ {
					seen[i]++
				}
				busy[w] = false
			})
			for i, n := range seen {
				if n != 1 {
					t.Fatalf("%d processors: row %d of %d was seen %d times", processors, i, rows, n)
				}
			}
		}
		runtime.GOMAXPROCS(old)
	}
}

func TestWrongUsePanics(t *testing.T) {
	c := DefaultConfig()
	unfitted, err := NewPotential(c.Shaping, toy.NewChain().Spec())
	if err != nil {
		t.Fatal(err)
	}
	for want, f := range map[string]func(){
		"5 numbers for 2 rows of 3 features": func() { NewMoments(3, 0).Add(2, make([]float32, 5)) },
		"a step of 2 environments, want 3":   func() { NewReturnScale(3, 1).Add(make([]float32, 2), nil, nil, nil) },
		`average "none"`:                     func() { NewAverage(&c, nil, nil) },
		"neither fitted nor restored":        func() { unfitted.Values(1, make([]float32, 5), make([]float32, 1)) },
		"4 numbers and room for 1 values":    func() { unfitted.Values(1, make([]float32, 4), make([]float32, 1)) },
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
					t.Errorf("panic %q, want one with %q", got, want)
				}
			}()
			f()
		}()
	}
}

var root = seed.Seed(21)
