// Package baseline holds the hand-written policies that learned ones are
// measured against: the static rules of well-known systems, with their default
// parameters.
//
// A baseline is a pure function of observation and mask. It finds features and
// actions by name, so it serves every world that has them, and is what a
// deployed policy falls back to.
package baseline

import (
	"fmt"
	"math"
	"slices"
	"time"

	"mend/agents"
	"mend/configs/field"
	"mend/env"
)

// Config holds the parameters of the baselines that have some.
type Config struct {
	HDFS         HDFS         `yaml:"hdfs"`
	Ceph         Ceph         `yaml:"ceph"`
	Cockroach    Cockroach    `yaml:"cockroach"`
	Carbonite    Carbonite    `yaml:"carbonite"`
	Local        Local        `yaml:"local"`
	K8s          K8s          `yaml:"k8s"`
	PredictDrain PredictDrain `yaml:"predict_drain"`
	Autoscale    Autoscale    `yaml:"autoscale"`
}

// HDFS declares a node dead, or all of a domain, after Timeout of silence.
type HDFS struct {
	Timeout time.Duration `yaml:"timeout"`
}

// Ceph takes a node out OutInterval after Grace of silence, but never while
// its whole rack is down. It so leaves a domain alone that holds such a rack.
type Ceph struct {
	Grace       time.Duration `yaml:"grace"`
	OutInterval time.Duration `yaml:"out_interval"`
}

// Cockroach declares a node dead after Timeout of silence. Where a popular shard is
// too hot it moves the copy on the busiest node, as its load-based rebalancing
// moves replicas off hot stores (kvserver/store_rebalancer.go).
type Cockroach struct {
	Timeout time.Duration `yaml:"timeout"`
}

// Carbonite repairs a shard once it has fewer than Low believed live copies.
// The high mark, up to which it then repairs, is the replication factor of the
// world: that is what an order of repairs restores.
type Carbonite struct {
	Low int `yaml:"low"`
}

// Local never declares a node dead. It repairs within the zone, where traffic is
// free: at once and fast where one copy is left, at once where no missing copy
// can return, else once a shard has been short of copies for Wait. It is no
// product's rule, but the simplest that uses what the world offers.
type Local struct {
	Wait time.Duration `yaml:"wait"`
}

// K8s declares a node dead, as Kubernetes evicts what runs on it, after Grace
// and Toleration of silence, but waits while ZoneUnhealthy or more of its zone
// is unreachable. (Kubernetes then evicts at a tenth of its rate, and in zones
// of up to 50 nodes not at all.)
type K8s struct {
	Grace         time.Duration `yaml:"grace"`
	Toleration    time.Duration `yaml:"toleration"`
	ZoneUnhealthy float64       `yaml:"zone_unhealthy"`
}

// PredictDrain is HDFS, and drains nodes under an alarm of a score of Threshold
// or more.
type PredictDrain struct {
	Threshold float64 `yaml:"threshold"`
}

// Autoscale is HDFS, and gives popular shards the copies that keep the requests
// for them within Target of a node's capacity each, by the rule of Kubernetes'
// HorizontalPodAutoscaler:
//
//	wanted = ⌈copies·load/Target⌉
//
// or as many as there are, where load/Target is within Tolerance of 1. Copies on
// order count, and take their part of the load. One is added or dropped at a time.
// ERMS (Cheng et al., CLUSTER Workshops 2012) gives hot files of HDFS more copies
// and takes them back once they cool down; Scarlett (Ananthanarayanan et al.,
// EuroSys 2011) does so by how many read a file at once.
//
// Where more are wanted than may be, Move moves the copy on the busiest node
// elsewhere, as Cockroach does.
type Autoscale struct {
	Target    float64 `yaml:"target"`
	Tolerance float64 `yaml:"tolerance"`
	Far       bool    `yaml:"far"` // new copies go to another zone, where one can take them
	Move      bool    `yaml:"move"`
}

// DefaultConfig has the products' defaults. HDFS: 2·5 min + 10·3 s
// (dfs.namenode.heartbeat.recheck-interval, dfs.heartbeat.interval); Ceph:
// osd_heartbeat_grace, mon_osd_down_out_interval and mon_osd_down_out_subtree_
// limit=rack; CockroachDB: server.time_until_store_dead. Carbonite (Chun et
// al., NSDI 2006) has no default; with 3, a shard short of one of three copies is
// repaired. Local waits as long as HDFS. Kubernetes: node-monitor-grace-period 40 s
// (50 s in recent versions), default-not-ready-toleration-seconds 300,
// unhealthy-zone-threshold 0.55. PredictDrain acts where an alarm is more likely
// true than not, were half of them true. Autoscale: the default metric of
// autoscaling/v2, 80 % of a pod's processor, and horizontal-pod-autoscaler-tolerance.
func DefaultConfig() Config {
	return Config{
		HDFS:         HDFS{Timeout: 630 * time.Second},
		Ceph:         Ceph{Grace: 20 * time.Second, OutInterval: 600 * time.Second},
		Cockroach:    Cockroach{Timeout: 5 * time.Minute},
		Carbonite:    Carbonite{Low: 3},
		Local:        Local{Wait: 630 * time.Second},
		K8s:          K8s{Grace: 40 * time.Second, Toleration: 300 * time.Second, ZoneUnhealthy: 0.55},
		PredictDrain: PredictDrain{Threshold: 0.5},
		Autoscale:    Autoscale{Target: 0.8, Tolerance: 0.1, Move: true},
	}
}

// Validate reports every field that is out of range, as field.Errors.
func (c Config) Validate() error {
	var e field.Errors
	duration := func(path string, d time.Duration) {
		e.Want(d >= 0 && d <= 365*24*time.Hour, path, d, "0s to 8760h")
	}
	duration("hdfs.timeout", c.HDFS.Timeout)
	duration("ceph.grace", c.Ceph.Grace)
	duration("ceph.out_interval", c.Ceph.OutInterval)
	duration("cockroach.timeout", c.Cockroach.Timeout)
	duration("local.wait", c.Local.Wait)
	duration("k8s.grace", c.K8s.Grace)
	duration("k8s.toleration", c.K8s.Toleration)
	e.Want(c.K8s.ZoneUnhealthy > 0 && c.K8s.ZoneUnhealthy <= 1, "k8s.zone_unhealthy", c.K8s.ZoneUnhealthy, "above 0, to 1")
	e.Want(c.PredictDrain.Threshold >= 0 && c.PredictDrain.Threshold <= 1, "predict_drain.threshold", c.PredictDrain.Threshold, "0 to 1")
	e.Want(c.Autoscale.Target > 0 && c.Autoscale.Target <= 1000, "autoscale.target", c.Autoscale.Target, "above 0, to 1000")
	e.Want(c.Autoscale.Tolerance >= 0 && c.Autoscale.Tolerance <= 1, "autoscale.tolerance", c.Autoscale.Tolerance, "0 to 1")
	e.Want(c.Carbonite.Low >= 1 && c.Carbonite.Low <= 6, "carbonite.low", c.Carbonite.Low, "1 to 6")
	return e.Err()
}

// rule is what the baselines differ in.
type rule struct {
	timeout    float64 // seconds of silence after which a node is declared dead
	spareRacks bool    // but not while its whole rack is unreachable
	spareZones bool    // nor while as much of its zone is unreachable as
	unhealthy  float64 // this
	drains     bool    // suspects are drained whose alarm has a score of
	threshold  float64 // this
	low        float64 // shards with fewer believed live copies are repaired,
	repairGone bool    // and those of which no missing copy can return
	local      bool    // the rule of Local, with
	wait       float64 // seconds that a shard is left short of copies
	moves      bool    // the busiest copies of hot shards are moved
	scales     bool    // popular shards are treated by the rule of Autoscale, with
	scale      Autoscale
	// about is the feature of the question by which the rule differs from HDFS,
	// where there is one.
	about string
}

func rules(c Config) []struct {
	name string
	rule rule
} {
	never := math.Inf(1)
	return []struct {
		name string
		rule rule
	}{
		{"do-nothing", rule{timeout: never}},
		{"rf3-eager", rule{timeout: 0, low: math.Inf(1)}},
		{"hdfs", rule{timeout: c.HDFS.Timeout.Seconds(), repairGone: true}},
		{"ceph", rule{timeout: (c.Ceph.Grace + c.Ceph.OutInterval).Seconds(), spareRacks: true, repairGone: true}},
		{"cockroach", rule{timeout: c.Cockroach.Timeout.Seconds(), repairGone: true, moves: true}},
		{"carbonite", rule{timeout: never, low: float64(c.Carbonite.Low)}},
		{"local", rule{timeout: never, local: true, wait: c.Local.Wait.Seconds()}},
		{"k8s", rule{timeout: (c.K8s.Grace + c.K8s.Toleration).Seconds(), spareZones: true, unhealthy: c.K8s.ZoneUnhealthy, repairGone: true}},
		{"predict-drain", rule{timeout: c.HDFS.Timeout.Seconds(), drains: true, threshold: c.PredictDrain.Threshold, repairGone: true, about: "is_node_suspect"}},
		{"autoscale", rule{timeout: c.HDFS.Timeout.Seconds(), repairGone: true, scales: true, scale: c.Autoscale, about: "is_shard_load"}},
	}
}

// Names lists the baselines.
func Names() []string {
	var names []string
	for _, r := range rules(DefaultConfig()) {
		names = append(names, r.name)
	}
	return names
}

// Suited lists the baselines for worlds that ask these questions, named by their
// features: all but those that only another question would tell from HDFS.
func Suited(questions []string) []string {
	var names []string
	for _, r := range rules(DefaultConfig()) {
		if about := r.rule.about; about == "" || slices.Contains(questions, about) {
			names = append(names, r.name)
		}
	}
	return names
}

// Policy is one baseline on one world. Any number of goroutines may share it.
type Policy struct {
	name string
	rule rule
	spec *env.Spec

	// Features by index.
	isNode, silence, rackShare, copies, zones, awaited, riskAge int
	// These are −1 in worlds that ask fewer kinds of question.
	isDomain, isSuspect, isLoad, isReview, zoneShare, score int
	replicaLoad, replicas                                   int
	// Actions by index.
	hold, declare, fastSameZone, sameZone, otherZone, retry int
	drain, addNear, addFar, drop, move                      int    // −1 where there is none
	waits                                                   []wait // shortest first
}

type wait struct {
	action  int
	seconds float64
}

var _ agents.Policy = (*Policy)(nil)

// New returns the named baseline for worlds of that spec. It fails for unknown
// names and for worlds without the features and actions that baselines use.
func New(name string, c Config, spec *env.Spec) (*Policy, error) {
	p := &Policy{name: name, spec: spec}
	found := false
	for _, r := range rules(c) {
		if r.name == name {
			p.rule, found = r.rule, true
		}
	}
	if !found {
		return nil, env.UnknownError{What: "baseline", Name: name, Known: Names()}
	}
	for _, x := range []struct {
		index *int
		name  string
	}{
		{&p.isNode, "is_node_unreachable"}, {&p.silence, "silence"}, {&p.rackShare, "rack_unreachable_share"},
		{&p.copies, "believed_live_copies"}, {&p.zones, "live_zones"}, {&p.awaited, "awaited"},
		{&p.riskAge, "risk_age"},
	} {
		i, err := spec.Feature(x.name)
		if err != nil {
			return nil, fmt.Errorf("baseline: %s: %w", name, err)
		}
		*x.index = i
	}
	for _, x := range []struct {
		index *int
		name  string
	}{
		{&p.isDomain, "is_domain_unreachable"}, {&p.isSuspect, "is_node_suspect"}, {&p.isLoad, "is_shard_load"},
		{&p.isReview, "is_cluster_review"}, {&p.zoneShare, "zone_unreachable_share"}, {&p.score, "alarm_score"},
		{&p.replicaLoad, "replica_load"}, {&p.replicas, "replicas"},
	} {
		*x.index = slices.IndexFunc(spec.Features, func(f env.Feature) bool { return f.Name == x.name })
	}
	for _, x := range []struct {
		index *int
		name  string
	}{{&p.drain, "drain"}, {&p.addNear, "add_near"}, {&p.addFar, "add_far"}, {&p.drop, "drop_replica"}, {&p.move, "move_replica"}} {
		*x.index = slices.Index(spec.Actions, x.name)
	}
	p.waits = make([]wait, 4)
	for _, x := range []struct {
		index *int
		name  string
	}{
		{&p.hold, "hold"}, {&p.declare, "declare_dead"},
		{&p.fastSameZone, "repair_fast_same_zone"}, {&p.sameZone, "repair_slow_same_zone"}, {&p.otherZone, "repair_slow_other_zone"},
		{&p.waits[0].action, "wait_1m"}, {&p.waits[1].action, "wait_5m"},
		{&p.waits[2].action, "wait_15m"}, {&p.waits[3].action, "wait_1h"},
	} {
		i, err := spec.Action(x.name)
		if err != nil {
			return nil, fmt.Errorf("baseline: %s: %w", name, err)
		}
		*x.index = i
	}
	for i, s := range []float64{60, 300, 900, 3600} {
		p.waits[i].seconds = s
	}
	p.retry = p.waits[1].action
	return p, nil
}

// Name is the name that New was given.
func (p *Policy) Name() string { return p.name }

// Act implements agents.Policy.
func (p *Policy) Act(t *env.TimeStep, actions []int) {
	for i := range actions {
		actions[i] = p.decide(t.ObsRow(i), t.MaskRow(i))
	}
}

// raw is the value of a feature in its unit, 0 where the world does not have it.
func (p *Policy) raw(obs []float32, feature int) float64 {
	if feature < 0 {
		return 0
	}
	return float64(p.spec.Features[feature].Raw(obs[feature]))
}

func (p *Policy) decide(obs []float32, legal []bool) int {
	is := func(feature int) bool { return p.raw(obs, feature) > 0.5 }
	a := p.hold
	switch {
	case is(p.isNode), is(p.isDomain):
		a = p.onLost(obs, legal)
	case is(p.isSuspect):
		if p.rule.drains && p.drain >= 0 && p.raw(obs, p.score) >= p.rule.threshold {
			a = p.drain
		}
	case is(p.isLoad) && p.rule.scales:
		a = p.onLoad(obs, legal)
	case is(p.isLoad) && p.rule.moves:
		if a = p.retry; p.move >= 0 && legal[p.move] {
			a = p.move
		}
	case is(p.isLoad), is(p.isReview):
		// Nothing: these systems leave it to their operators.
	default:
		a = p.onShards(obs, legal)
	}
	if !legal[a] {
		return p.hold
	}
	return a
}

// slack absorbs the rounding of silence, which is ln(1+minutes) in float32.
const slack = 1.0

// overshoot is how much later than meant a node may be declared dead, in
// seconds: about as long as a world's monitor gathers nodes that are lost
// together, before it asks for the first time.
const overshoot = 5.0

// onLost is about a node or a domain that is unreachable.
func (p *Policy) onLost(obs []float32, legal []bool) int {
	if math.IsInf(p.rule.timeout, 1) {
		return p.hold
	}
	left := p.rule.timeout - p.seconds(obs, p.silence)
	if left <= slack {
		switch {
		case !legal[p.declare],
			p.rule.spareRacks && p.raw(obs, p.rackShare) > 0.999,
			p.rule.spareZones && p.raw(obs, p.zoneShare) > p.rule.unhealthy-1e-6:
			return p.retry
		}
		return p.declare
	}
	return p.waitFor(left)
}

// waitFor is the longest wait that hardly overshoots, else the shortest.
func (p *Policy) waitFor(seconds float64) int {
	a := p.waits[0].action
	for _, w := range p.waits {
		if w.seconds <= seconds+overshoot {
			a = w.action
		}
	}
	return a
}

// seconds is a feature of unit ln(1+minutes) in seconds.
func (p *Policy) seconds(obs []float32, feature int) float64 {
	return 60 * math.Expm1(p.raw(obs, feature))
}

func (p *Policy) onShards(obs []float32, legal []bool) int {
	gone := p.raw(obs, p.awaited) < 0.5
	if p.rule.local {
		left := p.rule.wait - p.seconds(obs, p.riskAge)
		switch {
		case p.raw(obs, p.copies) < 1.5:
			return p.fastSameZone
		case gone || left <= slack:
			return p.sameZone
		}
		return p.waitFor(left)
	}
	if p.raw(obs, p.copies) >= p.rule.low && !(p.rule.repairGone && gone) {
		return p.hold
	}
	if p.raw(obs, p.zones) < 1.5 && legal[p.otherZone] {
		return p.otherZone
	}
	return p.sameZone
}

// onLoad is about a popular shard.
func (p *Policy) onLoad(obs []float32, legal []bool) int {
	r := &p.rule.scale
	may := func(action int) bool { return action >= 0 && legal[action] }
	copies := p.raw(obs, p.replicas)
	load := p.raw(obs, p.replicaLoad) * p.raw(obs, p.copies) // of all copies together
	wanted := copies
	if x := load / (copies * r.Target); math.Abs(x-1) > r.Tolerance {
		wanted = math.Ceil(load / r.Target)
	}
	switch {
	case wanted > copies && r.Far && may(p.addFar):
		return p.addFar
	case wanted > copies && may(p.addNear):
		return p.addNear
	case wanted > copies && r.Move && may(p.move):
		return p.move
	case wanted < copies && may(p.drop):
		return p.drop
	}
	return p.retry
}
