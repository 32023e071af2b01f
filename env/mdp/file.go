package mdp

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"mend/configs/field"
	"mend/env"
)

// FileID is the id of the world whose model is in a file.
const FileID = "MDP-v0"

// File is a model as people write it, in YAML; configs/mdp/two-copies.yaml is an
// example, and [File.Model] says what is wrong with one.
//
//	step: 1h                      # how long a step lasts
//	start: both                   # where ordinary episodes begin
//	actions: [wait, repair]       # all there are; the first is what guards fall back on
//	features:                     # what a policy sees; unit, offset and scale may be left out
//	  - {name: copies, unit: copies, scale: 2}
//	states:
//	  - name: both
//	    features: {copies: 2}     # a value for each feature
//	    unavailable: false        # true where data cannot be read
//	    actions:                  # those that are legal here
//	      - name: wait
//	        cost: 0               # $ a step, certain once the action is chosen
//	        transitions:          # what happens then; p adds up to 1 within 1e-10
//	          - {to: both, p: 0.98}
//	          - {to: one, p: 0.02, cost: 5, lost: 0} # $ and shards lost on this way
//	policies:                     # what solve, eval and train compare with, baseline:eager
//	  - {name: eager, summary: one line, actions: {both: wait, one: repair}}
//	guards:                       # obeyed where env.mdp.guard is true
//	  - {name: few, feature: copies, actions: [repair], max: 1}
//
// Names are of letters, digits, _, + and -. Names, step, start, actions, states,
// transitions, to and p must be given; a unit or a scale that is not is 1, and
// whatever else is 0, false or none.
// Transitions that several actions share may be written once, as a YAML anchor.
// The order of the states numbers them, that of the transitions is the one of
// [Rows].Move.
//
// An observation holds (x − offset)/scale of each feature. No two states may
// have the same. Where those features that are 0 or 1 in every state do not tell
// the states apart, a flag state_NAME is added for each of them, so that a small
// network can act by any policy, the solved one among them.
type File struct {
	Step     time.Duration `yaml:"step"`
	Start    string        `yaml:"start"`
	Actions  []string      `yaml:"actions"`
	Features []FileFeature `yaml:"features"`
	States   []FileState   `yaml:"states"`
	Policies []FilePolicy  `yaml:"policies"`
	Guards   []FileGuard   `yaml:"guards"`
}

// FileFeature is a feature of a File.
type FileFeature struct {
	Name   string   `yaml:"name"`
	Unit   string   `yaml:"unit"` // nothing means 1
	Offset float32  `yaml:"offset"`
	Scale  *float32 `yaml:"scale"` // nil means 1
}

// FileState is a state of a File.
type FileState struct {
	Name        string             `yaml:"name"`
	Features    map[string]float32 `yaml:"features"` // in their units
	Unavailable bool               `yaml:"unavailable"`
	Actions     []FileAction       `yaml:"actions"`
}

// FileAction is a legal action of a FileState.
type FileAction struct {
	Name        string           `yaml:"name"`
	Cost        float64          `yaml:"cost"`
	Transitions []FileTransition `yaml:"transitions"`
}

// FileTransition is a branch of a row.
type FileTransition struct {
	To   string   `yaml:"to"`
	P    *float64 `yaml:"p"`
	Cost float64  `yaml:"cost"`
	Lost int      `yaml:"lost"`
}

// FilePolicy is a policy of a File: the action of each state.
type FilePolicy struct {
	Name    string            `yaml:"name"`
	Summary string            `yaml:"summary"`
	Actions map[string]string `yaml:"actions"`
}

// FileGuard is a guard of a File. A bound that is nil is none.
type FileGuard struct {
	Name    string   `yaml:"name"`
	Feature string   `yaml:"feature"`
	Actions []string `yaml:"actions"`
	Min     *float32 `yaml:"min"`
	Max     *float32 `yaml:"max"`
}

// Limits of a File, above any that people would write or a laptop solve in
// minutes. Those of numbers keep sums finite.
const (
	mostStates      = 20_000
	mostActions     = 1024 // of a network; see exact.Net
	mostPairs       = 1 << 20
	mostObserved    = 1 << 22 // states x features
	mostTransitions = 200_000
	mostPolicies    = 1000
	mostGuards      = 1000
	mostCost        = 1e12
	leastStep       = time.Millisecond
	mostStep        = hoursPerYear * time.Hour
	mostComplaints  = 20
)

var nameForm = regexp.MustCompile(`^[A-Za-z0-9_+-]{1,64}$`)

// reservedPolicies are words of the command line that are no policies.
var reservedPolicies = []string{"all", "none", "optimal"}

// Model makes the model, or returns what is wrong with the file, as field.Errors,
// up to twenty complaints at once. Besides what [Model.Check] looks at: names that
// are unknown or given twice, policies that forget a state or take an action that
// is not legal, actions that no state has, guards that cannot be obeyed, and sizes
// out of all proportion.
func (f *File) Model() (*Model, error) {
	r := fileReader{File: f}
	m := r.model()
	if r.more > 0 {
		r.errs = append(r.errs, field.Error{Message: fmt.Sprintf("and %d more complaints", r.more)})
	}
	if err := r.errs.Err(); err != nil {
		return nil, err
	}
	return m, m.Check()
}

// fileReader collects complaints about a File.
type fileReader struct {
	*File
	errs                   field.Errors
	more                   int // complaints beyond mostComplaints
	state, action, feature map[string]int
	stateNames             []string
	featureNames           []string
}

// full reports whether further complaints are but counted.
func (r *fileReader) full() bool { return len(r.errs) >= mostComplaints }

func (r *fileReader) complain(path, format string, args ...any) {
	r.add(field.Error{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (r *fileReader) add(e field.Error) {
	if r.full() {
		r.more++
		return
	}
	r.errs = append(r.errs, e)
}

// unknown complains about a name that is none of those known, or is missing.
func (r *fileReader) unknown(e field.Error, what, name string, known []string) {
	switch {
	case r.full(): // looking for near ones takes time
	case name == "":
		e.Message = "is missing, want the name of " + article(what)
	default:
		e.Message = "is an " + unknown(what, name, known)
	}
	r.add(e)
}

// unknown says that a name is none of those known, and which was probably meant.
func unknown(what, name string, known []string) string {
	x := env.UnknownError{What: what, Name: clip(name)}
	if best := env.Nearest(x.Name, known); best != "" {
		x.Known = []string{best}
		return x.Error()
	}
	for _, k := range known {
		if most := 10; len(x.Known) == most {
			x.Known = append(x.Known, fmt.Sprintf("… (%d in all)", len(known)))
			break
		}
		if k = clip(k); k != "" && !slices.Contains(x.Known, k) {
			x.Known = append(x.Known, k)
		}
	}
	if len(x.Known) == 0 {
		x.Known = []string{"those that the file lists, which are none"}
	}
	return x.Error()
}

func article(what string) string {
	if strings.ContainsAny(what[:1], "aeiou") {
		return "an " + what
	}
	return "a " + what
}

// clip cuts what is too long to be a name.
func clip(name string) string {
	if len(name) <= 64 {
		return name
	}
	return strings.ToValidUTF8(name[:64], "") + "…"
}

// model is nil where there are complaints.
func (r *fileReader) model() *Model {
	if r.checkSizes(); len(r.errs) > 0 {
		return nil
	}
	if r.Step < leastStep || r.Step > mostStep {
		is := fmt.Sprintf("is %v", r.Step)
		if r.Step == 0 {
			is = "is missing or 0"
		}
		r.complain("step", "%s, want how long a step lasts, from %v to %v", is, leastStep, mostStep)
	}
	r.featureNames = make([]string, len(r.Features))
	for i, f := range r.Features {
		r.featureNames[i] = f.Name
	}
	r.stateNames = make([]string, len(r.States))
	for i, s := range r.States {
		r.stateNames[i] = s.Name
	}
	r.feature = r.number("features", ".name", "feature", r.featureNames)
	r.action = r.number("actions", "", "action", r.Actions)
	r.state = r.number("states", ".name", "state", r.stateNames)
	if _, ok := r.state[r.Start]; !ok {
		r.unknown(field.Error{Path: "start"}, "state", r.Start, r.stateNames)
	}
	r.checkFeatures()
	taken := make([]bool, len(r.Actions))
	for i := range r.States {
		r.checkState(i, taken)
	}
	for i, is := range taken {
		if name := r.Actions[i]; !is && name != "" && r.action[name] == i {
			r.complain(fmt.Sprintf("actions[%d]", i), "is %q, which no state has, want it in one, or not listed", clip(name))
		}
	}
	r.checkPolicies()
	if len(r.errs) > 0 {
		r.checkGuards(nil)
		return nil
	}
	m := r.build()
	r.checkGuards(m.Features)
	r.checkStates(m)
	r.checkClasses(m)
	return m
}

// checkSizes refuses what is too large to look at any further, or empty.
func (r *fileReader) checkSizes() {
	for _, x := range []struct {
		path     string
		is, most int
	}{{"actions", len(r.Actions), mostActions}, {"states", len(r.States), mostStates}} {
		switch {
		case x.is == 0:
			r.complain(x.path, "is missing or empty, want at least one")
		case x.is > x.most:
			r.complain(x.path, "has %d elements, want at most %d", x.is, x.most)
		}
	}
	if n := len(r.States) * len(r.Actions); n > mostPairs {
		r.complain("states", "and actions are %d pairs, want at most %d", n, mostPairs)
	}
	if n := len(r.States) * len(r.Features); n > mostObserved {
		r.complain("states", "and features are %d values, want at most %d", n, mostObserved)
	}
	if n := len(r.Policies); n > mostPolicies {
		r.complain("policies", "has %d elements, want at most %d", n, mostPolicies)
	}
	if n := len(r.Guards); n > mostGuards {
		r.complain("guards", "has %d elements, want at most %d", n, mostGuards)
	}
	n := 0
	for _, s := range r.States {
		for _, a := range s.Actions {
			n += len(a.Transitions)
		}
	}
	if n > mostTransitions {
		r.complain("states", "have %d transitions, want at most %d", n, mostTransitions)
	}
}

// number checks the names of a list and numbers them.
func (r *fileReader) number(list, key, what string, names []string) map[string]int {
	of := make(map[string]int, len(names))
	for i, name := range names {
		path := fmt.Sprintf("%s[%d]%s", list, i, key)
		r.name(path, name)
		if _, ok := of[name]; ok && name != "" {
			r.complain(path, "is %q again, want each %s once", clip(name), what)
			continue
		}
		of[name] = i
	}
	delete(of, "")
	return of
}

func (r *fileReader) name(path, name string) {
	switch {
	case name == "":
		r.complain(path, "is missing, want a name")
	case !nameForm.MatchString(name):
		r.complain(path, "is %q, want a name of up to 64 letters, digits, _, + and -", clip(name))
	}
}

func (r *fileReader) checkFeatures() {
	for i, f := range r.Features {
		if f.Scale != nil && (*f.Scale == 0 || !finite(*f.Scale)) {
			r.complain(fmt.Sprintf("features[%d].scale", i), "is %v, want a finite number other than 0", *f.Scale)
		}
		if !finite(f.Offset) {
			r.complain(fmt.Sprintf("features[%d].offset", i), "is %v, want a finite number", f.Offset)
		}
	}
}

func finite(x float32) bool { return x-x == 0 }

// feature i, as an env.Feature.
func (f FileFeature) feature() env.Feature {
	x := env.Feature{Name: f.Name, Unit: f.Unit, Offset: f.Offset, Scale: 1}
	if f.Unit == "" {
		x.Unit = "1"
	}
	if f.Scale != nil {
		x.Scale = *f.Scale
	}
	return x
}

// checkState marks which actions are taken.
func (r *fileReader) checkState(i int, taken []bool) {
	s, path := &r.States[i], fmt.Sprintf("states[%d]", i)
	for _, name := range slices.Sorted(maps.Keys(s.Features)) {
		at := r.key(path+".features", name)
		k, ok := r.feature[name]
		if !ok {
			r.unknown(at, "feature", name, r.featureNames)
			continue
		}
		at.Key = false
		f := r.Features[k].feature()
		if x := s.Features[name]; f.Scale != 0 && !finite(f.Observed(x)) {
			at.Message = fmt.Sprintf("is %v, observed as %v, want a finite number", x, f.Observed(x))
			r.add(at)
		}
	}
	var lacking []string
	for _, f := range r.Features {
		if _, ok := s.Features[f.Name]; !ok && f.Name != "" {
			lacking = append(lacking, f.Name)
		}
	}
	if len(lacking) > 0 {
		r.complain(path+".features", "lack %s, want every feature", few(lacking))
	}

	if len(s.Actions) == 0 {
		r.complain(path+".actions", "is missing or empty, want at least one legal action")
	}
	seen := make(map[string]bool, len(s.Actions))
	for j := range s.Actions {
		a := &s.Actions[j]
		at := fmt.Sprintf("%s.actions[%d]", path, j)
		k, ok := r.action[a.Name]
		switch {
		case !ok:
			r.unknown(field.Error{Path: at + ".name"}, "action", a.Name, r.Actions)
		case seen[a.Name]:
			r.complain(at+".name", "is %q again, want each action once", clip(a.Name))
		default:
			taken[k] = true
		}
		seen[a.Name] = true
		r.checkCost(at+".cost", a.Cost)
		r.checkTransitions(at+".transitions", a.Transitions)
	}
	if len(r.Guards) > 0 && len(s.Actions) > 0 && len(r.Actions) > 0 && !seen[r.Actions[0]] {
		r.complain(path+".actions", "lack %s, the first of all actions, which guards fall back on", clip(r.Actions[0]))
	}
}

// key is a complaint about a key of a mapping, or of the mapping where the key
// is too odd to be part of a path.
func (r *fileReader) key(path, key string) field.Error {
	if !nameForm.MatchString(key) {
		return field.Error{Path: path}
	}
	return field.Error{Path: path + "." + key, Key: true}
}

func (r *fileReader) checkCost(path string, cost float64) {
	if !(math.Abs(cost) <= mostCost) {
		r.complain(path, "is %v, want a finite number of $, at most %v either way", cost, mostCost)
	}
}

func (r *fileReader) checkTransitions(path string, list []FileTransition) {
	if len(list) == 0 {
		r.complain(path, "is missing or empty, want where the action leads")
		return
	}
	seen := make(map[branchKey]bool, len(list))
	sum, good := 0.0, true
	for i, x := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		n, ok := r.state[x.To]
		k := branchKey{int32(n), x.Cost, uint8(x.Lost)}
		switch {
		case !ok:
			r.unknown(field.Error{Path: at + ".to"}, "state", x.To, r.stateNames)
		case seen[k]:
			r.complain(at+".to", "is %q again, at the same cost and loss, want one transition of their sum", clip(x.To))
		}
		seen[k] = true
		r.checkCost(at+".cost", x.Cost)
		if x.Lost < 0 || x.Lost > 255 {
			r.complain(at+".lost", "is %d, want 0 to 255 shards", x.Lost)
		}
		switch {
		case x.P == nil:
			r.complain(at+".p", "is missing, want a probability")
			good = false
		case !(*x.P >= 0 && *x.P <= 1):
			r.complain(at+".p", "is %v, want a probability, 0 to 1", *x.P)
			good = false
		default:
			sum += *x.P
		}
	}
	if good && !(math.Abs(sum-1) <= rowTolerance) {
		r.complain(path, "add up to %.12g, want 1 within %v", sum, rowTolerance)
	}
}

func (r *fileReader) checkPolicies() {
	seen := map[string]bool{}
	for i := range r.Policies {
		p, path := &r.Policies[i], fmt.Sprintf("policies[%d]", i)
		switch r.name(path+".name", p.Name); {
		case slices.Contains(reservedPolicies, p.Name):
			r.complain(path+".name", "is %q, want another name than %s", p.Name, strings.Join(reservedPolicies, ", "))
		case seen[p.Name]:
			r.complain(path+".name", "is %q again, want each policy once", clip(p.Name))
		}
		seen[p.Name] = p.Name != ""
		if strings.ContainsAny(p.Summary, "\n\r") {
			r.complain(path+".summary", "has several lines, want one")
		}
		r.checkPolicy(path+".actions", p.Actions)
	}
}

func (r *fileReader) checkPolicy(path string, actions map[string]string) {
	for _, state := range slices.Sorted(maps.Keys(actions)) {
		at := r.key(path, state)
		s, ok := r.state[state]
		if !ok {
			r.unknown(at, "state", state, r.stateNames)
			continue
		}
		at.Key = false
		name := actions[state]
		if _, ok := r.action[name]; !ok {
			r.unknown(at, "action", name, r.Actions)
			continue
		}
		var legal []string
		for _, a := range r.States[s].Actions {
			legal = append(legal, a.Name)
		}
		if !slices.Contains(legal, name) {
			at.Message = fmt.Sprintf("is %q, which is not legal there, want %s", name, strings.Join(legal, " or "))
			r.add(at)
		}
	}
	var lacking []string
	for _, s := range r.States {
		if _, ok := actions[s.Name]; !ok && s.Name != "" {
			lacking = append(lacking, s.Name)
		}
	}
	if len(lacking) > 0 {
		r.complain(path, "lack %s, want an action for every state", few(lacking))
	}
}

// checkGuards looks at guards on those features, or on what is known of them
// where that is nil.
func (r *fileReader) checkGuards(features []env.Feature) {
	known := r.featureNames
	if features != nil {
		known = nil
		for _, f := range features {
			known = append(known, f.Name)
		}
	}
	seen := map[string]bool{}
	for i := range r.Guards {
		g, path := &r.Guards[i], fmt.Sprintf("guards[%d]", i)
		if r.name(path+".name", g.Name); seen[g.Name] {
			r.complain(path+".name", "is %q again, want each guard once", clip(g.Name))
		}
		seen[g.Name] = g.Name != ""
		if !slices.Contains(known, g.Feature) && (features != nil || !strings.HasPrefix(g.Feature, stateFlag)) {
			r.unknown(field.Error{Path: path + ".feature"}, "feature", g.Feature, known)
		}
		if len(g.Actions) == 0 {
			r.complain(path+".actions", "is missing or empty, want the actions to forbid")
		}
		for j, name := range g.Actions {
			at := fmt.Sprintf("%s.actions[%d]", path, j)
			switch k, ok := r.action[name]; {
			case !ok:
				r.unknown(field.Error{Path: at}, "action", name, r.Actions)
			case k == 0:
				r.complain(at, "is %q, the first of all actions, which no guard may forbid", name)
			case slices.Contains(g.Actions[:j], name):
				r.complain(at, "is %q again, want each action once", name)
			}
		}
		switch {
		case g.Min == nil && g.Max == nil:
			r.complain(path, "has neither min nor max, want at least one of them")
		case g.Min != nil && g.Max != nil && !(*g.Min <= *g.Max):
			r.complain(path+".max", "is %v, want at least min, %v", *g.Max, *g.Min)
		}
	}
}

// build makes the model of a file whose names, numbers and sizes are in order.
func (r *fileReader) build() *Model {
	m := &Model{ID: FileID, Definition: r.definition(), StepHours: r.Step.Hours(), Actions: r.Actions, Start: r.state[r.Start]}
	for _, f := range r.Features {
		m.Features = append(m.Features, f.feature())
	}
	b, rows := newBuilder(m, len(r.States)), &Sparse{}
	for i, s := range r.States {
		for k, f := range m.Features {
			// −0 would look like 0 and be another observation.
			m.Obs = append(m.Obs, f.Observed(s.Features[r.Features[k].Name])+0)
		}
		actions := slices.Clone(s.Actions)
		slices.SortFunc(actions, func(x, y FileAction) int { return r.action[x.Name] - r.action[y.Name] })
		for _, a := range actions {
			sum := 0.0
			for _, x := range a.Transitions {
				sum += *x.P
			}
			row := rows.Begin()
			for _, x := range a.Transitions {
				rows.Branch(r.state[x.To], *x.P/sum, x.Cost, x.Lost)
			}
			rows.End()
			b.pair(i, r.action[a.Name], row, a.Cost, s.Unavailable)
		}
	}
	m.Rows = rows
	names := r.stateNames
	m.Label = func(s int) string { return names[s] }
	for _, p := range r.Policies {
		b.policy(p.Name, p.Summary, func(s int) int { return r.action[p.Actions[names[s]]] })
	}
	for _, g := range r.Guards {
		x := env.Guard{Name: g.Name, Feature: g.Feature, Actions: g.Actions, Min: float32(math.Inf(-1)), Max: float32(math.Inf(1))}
		if g.Min != nil {
			x.Min = *g.Min
		}
		if g.Max != nil {
			x.Max = *g.Max
		}
		m.Guards = append(m.Guards, x)
	}
	r.addFlags(m)
	return m
}

// definition is the file without comments and layout.
func (r *fileReader) definition() string {
	b, err := json.Marshal(r.File)
	if err != nil {
		panic(err) // its numbers are finite
	}
	return FileID + " file 1 " + string(b)
}

// stateFlag begins the name of the flag of a state.
const stateFlag = "state_"

// addFlags adds a flag for each state, where the flags among the features do not
// tell the states apart.
func (r *fileReader) addFlags(m *Model) {
	n, k := m.States, len(m.Features)
	if _, twins := m.Flags(); k > 0 && twins[0] == twins[1] {
		return
	}
	if n*(k+n) > mostObserved {
		r.complain("states", "are %d, and features that are 0 or 1 do not tell them apart, which takes a flag for each state: %d values, want at most %d",
			n, n*(k+n), mostObserved)
		return
	}
	obs := make([]float32, 0, n*(k+n))
	for s, name := range r.stateNames {
		if i, ok := r.feature[stateFlag+name]; ok {
			r.complain(fmt.Sprintf("features[%d].name", i), "is %q, as is the flag that is added for that state, want another name", stateFlag+name)
		}
		obs = append(obs, m.ObsRow(s)...)
		for t := range n {
			x := float32(0)
			if s == t {
				x = 1
			}
			obs = append(obs, x)
		}
	}
	for _, name := range r.stateNames {
		m.Features = append(m.Features, env.Feature{Name: stateFlag + name, Unit: "1", Scale: 1})
	}
	m.Obs = obs
}

// checkStates wants the features of the file, flags aside, to tell the states
// apart, where it has any.
func (r *fileReader) checkStates(m *Model) {
	n := len(r.Features)
	if n == 0 {
		return
	}
	seen := make(map[string]int, m.States)
	for s := range m.States {
		row := make([]float32, n)
		copy(row, m.Obs[s*len(m.Obs)/m.States:])
		key := obsKey(row)
		if t, ok := seen[key]; ok {
			r.complain(fmt.Sprintf("states[%d].features", s), "are those of state %s, want features that tell all states apart, or none at all", r.stateNames[t])
			continue
		}
		seen[key] = s
	}
}

// checkClasses is Model.checkClasses with the places.
func (r *fileReader) checkClasses(m *Model) {
	for _, s := range m.unreached() {
		r.complain(fmt.Sprintf("states[%d]", s), "cannot be reached from %s, the start, want every state reachable", r.Start)
	}
	if closed := ClosedClasses(m.States+m.Rows.Len(), m.successors); len(closed) > 1 {
		slices.Sort(closed)
		r.complain(fmt.Sprintf("states[%d]", closed[1]), "and %s are in different classes of states that no action leaves, %d in all: want one, or there is no single average cost (not unichain)",
			r.stateNames[closed[0]], len(closed))
	}
}

// few lists names, the first of many.
func few(names []string) string {
	if most := 5; len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
