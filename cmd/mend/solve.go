package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mend/agents"
	"mend/agents/kernel"
	"mend/checkpoints"
	"mend/checkpoints/policy"
	"mend/configs"
	"mend/env/mdp"
	"mend/eval"
	"mend/eval/exact"
	"mend/train"
)

type solveOptions struct {
	worldOptions
	out, method string
	taus        []string
	force       bool
	states      int
}

func newSolve(s streams) *cobra.Command {
	o := &solveOptions{worldOptions: worldOptions{streams: s}}
	cmd := &cobra.Command{
		Use:   "solve ID [POLICY...]",
		Short: "Solve an exact MDP: the least cost that any policy can reach",
		Long: `Solve an exact MDP: the least cost that any policy can reach in the long run, the
regret of the policies that ship with it, the states in which the best of those
errs and what each costs, and what discounting gives away. The best policy is
written to a file that every command takes. A POLICY, a run, a checkpoint or a
policy file, is judged too, and the errors shown are those of the first.

  mend solve MDPA-v0
  mend solve MDPA-v0 runs/20261120-120000-MDPA-v0-ppo-s1-abcdef -o none
  mend solve MDP-v0 --mdp configs/mdp/two-copies.yaml
  mend solve MDPB-v0 --set env.mdp.preset=weak
  mend solve MDPB-v0 --set env.mdp.form=raw --tau none
  mend solve MDPA-v0 --set env.mdp.guard=true -o guarded.mend`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("0 arguments for %q, want the id of an exact MDP, and policies to judge", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := withSignals(cmd.Context())
			defer stop()
			return runSolve(ctx, o, args[0], args[1:])
		},
	}
	o.bind(cmd)
	f := cmd.Flags()
	f.StringVarP(&o.out, "output", "o", "", "policy `FILE` to write, or none; by default ID.optimal.mend, which may be there from a solve before")
	f.BoolVar(&o.force, "force", false, "replace FILE whatever it is")
	f.StringVar(&o.method, "method", "policy-iteration", "policy-iteration or value-iteration")
	f.StringSliceVar(&o.taus, "tau", nil, "time constants whose best policy is judged by its average cost, such as 24h,60h, or none; by default eleven, up to 20,000 states")
	f.IntVar(&o.states, "errors", 10, "states to show in which the best heuristic errs, `N`")
	return cmd
}

// solved is what solve found out.
type solved struct {
	Schema  string  `json:"schema"` // mend.solve/v1
	ID      string  `json:"id"`
	Digest  string  `json:"env_digest"`
	MDP     string  `json:"mdp,omitempty"` // the file that holds the model
	Preset  string  `json:"preset"`
	Form    string  `json:"form"`
	Guard   bool    `json:"guard"`
	States  int     `json:"states"`
	Pairs   int     `json:"pairs"`
	Method  string  `json:"method"`
	Optimum float64 `json:"optimum_usd_per_hour"`
	// Lower and Upper bound the optimum, Span apart.
	Lower      float64        `json:"lower_usd_per_hour"`
	Upper      float64        `json:"upper_usd_per_hour"`
	Span       float64        `json:"span_usd_per_hour"`
	Rounds     int            `json:"policies_evaluated"`
	Sweeps     int            `json:"sweeps"`
	Seconds    float64        `json:"seconds"` // of building and solving, not of the rest
	Policies   []solvedPolicy `json:"policies"`
	Heuristic  string         `json:"best_heuristic"`
	Erring     string         `json:"erring"`
	Errs       []solvedError  `json:"errors"` // of the policy Erring
	Taus       []solvedTau    `json:"discounted"`
	File       string         `json:"file,omitempty"`
	FileDigest string         `json:"policy_digest,omitempty"`
}

type solvedPolicy struct {
	Name    string   `json:"name"`
	Kind    string   `json:"kind"`
	Cost    *float64 `json:"usd_per_hour"` // null: it depends on where it starts
	Regret  *float64 `json:"regret"`       // null also where the optimum is 0
	Summary string   `json:"summary"`
}

// solvedError is a state in which a policy does not do the best.
type solvedError struct {
	State    string  `json:"state"`
	Does     string  `json:"does"`
	Best     string  `json:"best"`
	Share    float64 `json:"share_of_time"`
	Gap      float64 `json:"usd_per_choice"`
	PerHour  float64 `json:"usd_per_hour"` // Share·Gap, in an hour: all add up to the regret
	OfRegret float64 `json:"share_of_regret"`
}

// solvedTau is what is lost by taking the discounted cost for the average.
type solvedTau struct {
	Hours  float64  `json:"tau_hours"`
	Cost   *float64 `json:"usd_per_hour"` // null: it depends on where it starts
	Regret *float64 `json:"regret"`
}

// Time constants that are judged by default, and up to how many states.
var (
	solveTaus      = []string{"1h", "3h", "6h", "12h", "24h", "36h", "48h", "60h", "120h", "240h", "720h"}
	solveTauStates = 20_000
)

func runSolve(ctx context.Context, o *solveOptions, id string, args []string) error {
	taus, err := o.parseTaus()
	if err != nil {
		return err
	}
	if o.method != "policy-iteration" && o.method != "value-iteration" {
		return usagef("--method is %q, want policy-iteration or value-iteration", o.method)
	}
	if o.states < 0 {
		return usagef("--errors is %d, want at least 0", o.states)
	}
	if _, ok := mdp.Find(id); !ok {
		if _, err := worlds().Find(id); err != nil {
			return usage(err)
		}
		var known []string
		for _, e := range mdp.Catalogue {
			known = append(known, e.ID)
		}
		return usagef("%s cannot be solved, want one of the exact MDPs: %s", id, strings.Join(known, ", "))
	}
	began := time.Now()
	c, f, err := o.open(id)
	if err != nil {
		return err
	}
	out, err := o.file(id)
	if err != nil {
		return err
	}
	w := f.recipe.exact
	m := w.Model()
	learned, err := o.learned(w, args)
	if err != nil {
		return err
	}
	solve := exact.Optimum
	if o.method == "value-iteration" {
		solve = exact.RelativeValueIteration
	}
	best, err := solve(ctx, m, exact.Options{Legal: w.Legal})
	if err != nil {
		return err
	}
	x := &solved{
		Schema: "mend.solve/v1", ID: id, Digest: w.Spec().Digest, MDP: c.Env.MDP.File, Preset: c.Env.MDP.Preset, Form: c.Env.MDP.Form, Guard: c.Env.MDP.Guard,
		States: m.States, Pairs: m.Pairs(), Method: o.method,
		Optimum: best.Gain, Lower: best.Lower, Upper: best.Upper, Span: best.Span(), Rounds: best.Rounds, Sweeps: best.Sweeps,
		Seconds: time.Since(began).Seconds(), Policies: []solvedPolicy{{Name: optimalName, Kind: eval.Optimal, Cost: &best.Gain, Regret: new(float64), Summary: "the best there is"}},
		Errs: []solvedError{}, Taus: []solvedTau{},
	}
	if err := x.judge(ctx, w, best, learned, o.states); err != nil {
		return err
	}
	if o.taus == nil && m.States > solveTauStates {
		taus = nil
	}
	if err := x.discount(ctx, w, best, taus); err != nil {
		return err
	}
	if out != "" {
		if err := x.write(out, c, w, best.Policy); err != nil {
			return err
		}
	}
	if o.json {
		return o.writeJSON(x)
	}
	_, err = o.streams.out.Write(x.text())
	return err
}

// open reads the configuration and builds the model.
func (o *solveOptions) open(id string) (*configs.Run, *factory, error) {
	o.flags = append(o.flags, &flagOverride{flag: "env", path: "env.id", value: id, text: true})
	c, err := o.read()
	if err != nil {
		return nil, nil, err
	}
	f, err := newFactory(&c.Env)
	return c, f, err
}

func (o *solveOptions) parseTaus() ([]time.Duration, error) {
	list := o.taus
	switch {
	case list == nil:
		list = solveTaus
	case slices.Equal(list, []string{"none"}):
		return nil, nil
	}
	var taus []time.Duration
	for _, s := range list {
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			return nil, usagef("--tau: %q is no time constant, want one such as 60h, or none", s)
		}
		taus = append(taus, d)
	}
	return taus, nil
}

// file is where the policy goes, empty for nowhere. What solve itself wrote for
// this world may be replaced.
func (o *solveOptions) file(id string) (string, error) {
	path := o.out
	switch path {
	case "none":
		return "", nil
	case "":
		path = id + ".optimal.mend"
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	if err != nil {
		return "", bare(path, err)
	}
	if info.IsDir() {
		return "", usagef("%s: is a folder, want a file to write", path)
	}
	if o.force {
		return path, nil
	}
	if a, err := policy.Load(path); err == nil && a.Provenance.Algo == exactAlgo && a.Provenance.Env == id {
		return path, nil
	}
	return "", usagef("%s is there already and no optimal policy of %s, want another file, or --force", path, id)
}

// exactAlgo is the provenance of a policy that was solved.
const exactAlgo = "exact"

// judged is a policy to be evaluated.
type judged struct {
	name, kind, summary string
	policy              mdp.Policy
}

// learned are the policies of the command line.
func (o *solveOptions) learned(w *mdp.World, args []string) ([]judged, error) {
	var list []judged
	for _, arg := range args {
		s, err := openPolicy(arg)
		if err != nil {
			return nil, err
		}
		if err := s.artifact.Check(w.Spec()); err != nil {
			return nil, usagef("%s: %w", arg, err)
		}
		list = append(list, judged{arg, eval.Learned, s.artifact.Provenance.Algo, exact.PolicyOf(w, s.artifact.Policy())})
	}
	return list, nil
}

// judge evaluates policies of the command line and those that ship with the
// model, and looks for the errors of the first, or of the best heuristic.
func (x *solved) judge(ctx context.Context, w *mdp.World, best *exact.Solution, list []judged, states int) error {
	m := w.Model()
	for _, p := range m.Policies {
		list = append(list, judged{p.Name, eval.Baseline, p.Summary, exact.PolicyOf(w, mdp.NewActor(m, p.Policy))})
	}
	least := math.Inf(1)
	var erring *judged
	var cost float64
	for i := range list {
		p := &list[i]
		s := solvedPolicy{Name: p.name, Kind: p.kind, Summary: p.summary}
		e, err := exact.Evaluate(ctx, m, p.policy, exact.Options{Values: best.Bias})
		if err != nil && !errors.Is(err, exact.ErrMultichain) {
			return err
		}
		if err == nil {
			s.Cost, s.Regret = &e.Gain, x.regret(e.Gain)
			better := p.kind == eval.Baseline && e.Gain < least
			if better {
				least, x.Heuristic = e.Gain, p.name
			}
			if erring == nil || better && erring.kind == eval.Baseline {
				erring, cost = p, e.Gain
			}
		}
		x.Policies = append(x.Policies, s)
	}
	of := func(p solvedPolicy) float64 {
		if p.Cost == nil {
			return math.Inf(1)
		}
		return *p.Cost
	}
	slices.SortStableFunc(x.Policies[1:], func(a, b solvedPolicy) int { return cmp.Compare(of(a), of(b)) })
	if erring == nil || states == 0 || cost-best.Gain <= 1e-9*math.Max(1, math.Abs(best.Gain)) { // rounding aside, it does not err
		return nil
	}
	return x.errors(ctx, m, best, erring, cost, states)
}

// errors lists the states in which a policy errs most, by what that costs.
func (x *solved) errors(ctx context.Context, m *mdp.Model, best *exact.Solution, p *judged, cost float64, states int) error {
	visits, err := exact.Visits(ctx, m, p.policy)
	if err != nil {
		return err
	}
	gaps := exact.Gaps(m, p.policy, best)
	order := make([]int, 0, m.States)
	for s := range gaps {
		if p.policy[s] != best.Policy[s] {
			order = append(order, s)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(visits[b]*gaps[b], visits[a]*gaps[a]) })
	x.Erring = p.name
	for _, s := range order[:min(states, len(order))] {
		perHour := visits[s] * gaps[s] / m.StepHours
		x.Errs = append(x.Errs, solvedError{
			State: m.Label(s), Does: m.Actions[p.policy[s]], Best: m.Actions[best.Policy[s]],
			Share: visits[s], Gap: gaps[s], PerHour: perHour, OfRegret: perHour / (cost - best.Gain),
		})
	}
	return nil
}

// discount judges the best policies of discounted costs. The longer the time
// constant, the nearer they and their values are to those of the average cost.
func (x *solved) discount(ctx context.Context, w *mdp.World, best *exact.Solution, taus []time.Duration) error {
	m := w.Model()
	for _, tau := range taus {
		gamma := math.Exp(-m.StepHours / tau.Hours())
		guess := slices.Clone(best.Bias)
		for i := range guess {
			guess[i] += best.Gain * m.StepHours / (1 - gamma)
		}
		_, p, err := exact.Discounted(ctx, m, gamma, exact.Options{Legal: w.Legal, From: best.Policy, Values: guess})
		if err != nil {
			return err
		}
		t := solvedTau{Hours: tau.Hours()}
		switch s, err := exact.Evaluate(ctx, m, p, exact.Options{Values: best.Bias}); {
		case errors.Is(err, exact.ErrMultichain):
		case err != nil:
			return err
		case err == nil:
			t.Cost, t.Regret = &s.Gain, x.regret(s.Gain)
		}
		x.Taus = append(x.Taus, t)
	}
	return nil
}

// regret is how much more than the optimum a cost is, as a fraction of that; nil
// where that is 0.
func (x *solved) regret(cost float64) *float64 {
	if x.Optimum == 0 {
		return nil
	}
	r := (cost - x.Optimum) / math.Abs(x.Optimum)
	return &r
}

// write saves the policy as an artifact, and reads it again to see that it acts
// as it should.
func (x *solved) write(path string, c *configs.Run, w *mdp.World, p mdp.Policy) error {
	net, err := exact.Net(w, p)
	if err != nil {
		return err
	}
	spec := w.Spec()
	a := newArtifact(c, spec, net, checkpoints.Meta{
		Env: spec.ID, EnvDigest: spec.Digest, Algo: exactAlgo, Tool: train.Tool(), Go: runtime.Version(), CPU: train.CPU(), Kernel: kernel.Active(),
	}, "")
	a.Fallback.Name = x.Heuristic
	if err := a.Save(path); err != nil {
		return err
	}
	read, err := policy.Load(path)
	if err != nil {
		return err
	}
	if got := exact.PolicyOf(w, agents.Policy(read.Policy())); !slices.Equal(got, p) {
		return fmt.Errorf("%s does not act by the optimal policy", path)
	}
	x.File, x.FileDigest = path, read.Digest()
	return nil
}

func (x *solved) text() []byte {
	var b bytes.Buffer
	guarded := ""
	if x.Guard {
		guarded = ", guarded"
	}
	model := fmt.Sprintf("preset %s, %s", x.Preset, x.Form)
	if x.MDP != "" {
		model = x.MDP
	}
	fmt.Fprintf(&b, "%s, %s%s: %d states, %d pairs; digest %.12s\n", x.ID, model, guarded, x.States, x.Pairs, x.Digest)
	fmt.Fprintf(&b, "optimum %.8f $/h = %.2f $ a year, between %.10f and %.10f (span %.1e)\n", x.Optimum, x.Optimum*hoursPerYear, x.Lower, x.Upper, x.Span)
	how := fmt.Sprintf("%d policies, ", x.Rounds)
	if x.Rounds == 0 {
		how = ""
	}
	fmt.Fprintf(&b, "by %s: %s%d sweeps, %.2f s with the model\n\n", x.Method, how, x.Sweeps, x.Seconds)

	width := len(optimalName)
	for _, p := range x.Policies {
		width = max(width, len(p.Name))
	}
	fmt.Fprintf(&b, "%-*s  %14s  %12s  %12s\n", width, "policy", "$/h", "$/year", "regret")
	for _, p := range x.Policies {
		if p.Cost == nil {
			fmt.Fprintf(&b, "%-*s  %14s  %12s  %12s  not one average cost: it depends on the start\n", width, p.Name, "-", "-", "-")
			continue
		}
		fmt.Fprintf(&b, "%-*s  %14.8f  %12.2f  %s\n", width, p.Name, *p.Cost, *p.Cost*hoursPerYear, percent(p.Regret, 2))
	}
	if len(x.Errs) > 0 {
		fmt.Fprintf(&b, "\nwhere %s errs, by what it costs:\n", x.Erring)
		for _, e := range x.Errs {
			fmt.Fprintf(&b, "%6.1f %% of its regret  %s\n%24s does %s, best %s; %.3g %% of the time, %.3g $ a choice\n",
				100*e.OfRegret, e.State, "", e.Does, e.Best, 100*e.Share, e.Gap)
		}
	}
	if len(x.Taus) > 0 {
		fmt.Fprintf(&b, "\nthe best policy of a discounted cost, by its average cost:\n%10s  %14s  %12s\n", "tau [h]", "$/h", "regret")
		for _, t := range x.Taus {
			if t.Cost == nil {
				fmt.Fprintf(&b, "%10.4g  %14s  %12s  not one average cost: it depends on the start\n", t.Hours, "-", "-")
				continue
			}
			fmt.Fprintf(&b, "%10.4g  %14.8f  %s\n", t.Hours, *t.Cost, percent(t.Regret, 4))
		}
	}
	if x.File != "" {
		fmt.Fprintf(&b, "\npolicy  %s  digest %s\n", x.File, x.FileDigest)
	}
	return b.Bytes()
}

// percent prints a share, if it is known.
func percent(share *float64, decimals int) string {
	if share == nil {
		return fmt.Sprintf("%12s", "-")
	}
	return fmt.Sprintf("%10s %%", eval.Fixed(100**share, decimals))
}

// hoursPerYear is that of a year of 365.25 days.
const hoursPerYear = 8766
