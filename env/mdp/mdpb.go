package mdp

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"mend/env"
)

// BConfig are the parameters of [MDPB] and [MDPBRaw]. Rates are per hour and
// become the probability rate/12 of a step; costs are in dollars. The rates of
// the nodes, the load and the prices are assumptions, not measured ones: what
// the world is for is its known optimum.
type BConfig struct {
	Death      float64 // an OK node dies, whether flagged before or not
	Recall     float64 // share of these deaths that a flag precedes; 0: there is no predictor
	Precision  float64 // share of flags that a death follows; not read where Recall is 0
	FlagEnd    float64 // a flag comes true or is withdrawn
	Slow       float64 // an OK node becomes slow
	SlowEnd    float64 // a slow node recovers
	Down       float64 // an OK or a slow node goes down, its replica intact
	Return     float64 // a node that is down is OK again
	DownDeath  float64 // a node that is down dies
	Replace    float64 // a dead node is replaced by an empty OK one
	LoadUp     float64
	LoadDown   float64
	Rebuild    float64    // one replica of 1 TB, at 200 MB/s
	Storage    float64    // $/h a replica, and the copy that an active rebuild writes
	Copy       float64    // $ a finished rebuild
	Restart    float64    // $ a restart
	LossPrice  float64    // $ for the partition
	NoneFast   [2]float64 // $/h while only slow nodes can be read: at low load, at high load
	Unreadable [2]float64 // $/h while nothing can: at low load, at high load
	// OneFast is in $/h at high load while fewer than two replicas are fast,
	// on top of what else is due.
	OneFast float64
	// RestartFlag makes a restart legal on flagged nodes too, and cure them: an
	// assumption of its own, and a favourable one.
	RestartFlag bool
}

// PresetsB are the named parameters of [MDPB] and [MDPBRaw].
var PresetsB = []string{"B1", "none", "weak", "good", "excellent", "restart-flag"}

// PresetB returns the parameters of that name: B1, whose predictor has a recall
// of 0.64 and a precision of 0.50, as one that reads SMART values might have; none,
// weak, good and excellent, which are B1 with another predictor; and
// restart-flag, which is B1 where restarts cure flagged nodes.
func PresetB(name string) (BConfig, error) {
	c := BConfig{
		Death: 4.0 / hoursPerYear, Recall: 0.64, Precision: 0.50, FlagEnd: 1.0 / 24,
		Slow: 1.0 / 1440, SlowEnd: 1.0 / 48,
		Down: 1.0 / 336, Return: 4, DownDeath: 0.05, Replace: 1.0 / 24,
		LoadUp: 1.0 / 14, LoadDown: 1.0 / 10, Rebuild: 0.72,
		Storage: 0.0274, Copy: 2, Restart: 0.2, LossPrice: 50_000,
		NoneFast: [2]float64{2, 10}, Unreadable: [2]float64{600, 3000}, OneFast: 1,
	}
	switch name {
	case "B1":
	case "none":
		c.Recall = 0
	case "weak":
		c.Recall = 0.30
	case "good":
		c.Recall, c.Precision = 0.80, 0.70
	case "excellent":
		c.Recall, c.Precision = 0.90, 0.90
	case "restart-flag":
		c.RestartFlag = true
	default:
		return BConfig{}, env.UnknownError{What: "preset of MDPB-v0", Name: name, Known: PresetsB}
	}
	return c, nil
}

// bNodes is how many nodes there are.
const bNodes = 4

// The conditions of a node. A rebuild can write to, and a replica be read from,
// those up to slow.
const (
	bOK = iota
	bFlag
	bSlow
	bDown
	bDead
	bConditions
)

var bConditionNames = [bConditions]string{"ok", "flag", "slow", "down", "dead"}

// bNode is the value of a node: twice its condition, plus 1 where it holds a
// replica. A dead node never does.
type bNode uint8

const bValues = 2*bConditions - 1

// bValueNames name the values, as counted.
var bValueNames = [bValues]string{
	"ok_empty", "ok_replicas", "flag_empty", "flag_replicas", "slow_empty", "slow_replicas", "down_empty", "down_replicas", "dead",
}

func (n bNode) condition() int { return int(n >> 1) }
func (n bNode) replica() bool  { return n&1 == 1 }
func (n bNode) readable() bool { return n.replica() && n.condition() <= bSlow }

// target is whether a rebuild can write to the node.
func (n bNode) target() bool { return !n.replica() && n.condition() <= bSlow }

// moved is the node in another condition. The replica comes along, save in
// death.
func (n bNode) moved(condition int) bNode {
	if condition == bDead {
		return 2 * bDead
	}
	return bNode(2*condition) | n&1
}

// full is the node once a replica is written to it.
func (n bNode) full() bNode {
	if n.condition() == bDead {
		return n
	}
	return n | 1
}

// bState is a state of MDPB.
type bState struct {
	node   [bNodes]bNode
	target int8 // node that a rebuild writes to, or none
	load   uint8
}

// bReset is where a lost partition starts anew.
func bReset(load uint8) bState {
	const ok, replica = 2 * bOK, 2*bOK + 1
	return bState{[bNodes]bNode{replica, replica, replica, ok}, none, load}
}

// index numbers the states, those that cannot be included.
func (s bState) index() int {
	x := &s.node
	i := ((int(x[0])*bValues+int(x[1]))*bValues+int(x[2]))*bValues + int(x[3])
	return (i*(bNodes+1)+int(s.target)+1)*2 + int(s.load)
}

// bStateAt is the state of that index.
func bStateAt(i int) bState {
	s := bState{load: uint8(i % 2), target: int8(i/2%(bNodes+1)) - 1}
	i /= 2 * (bNodes + 1)
	for k := bNodes - 1; k >= 0; k-- {
		s.node[k] = bNode(i % bValues)
		i /= bValues
	}
	return s
}

// possible is whether the state is one of the model: a replica exists, and a
// rebuild writes where it can.
func (s bState) possible() bool {
	return !s.empty() && (s.target == none || s.node[s.target].target())
}

// count is how many nodes are as asked.
func (s bState) count(is func(bNode) bool) int {
	n := 0
	for _, x := range s.node {
		if is(x) {
			n++
		}
	}
	return n
}

// empty is whether no node holds a replica.
func (s bState) empty() bool { return (s.node[0]|s.node[1]|s.node[2]|s.node[3])&1 == 0 }

func (s bState) held() int     { return s.count(bNode.replica) }
func (s bState) readable() int { return s.count(bNode.readable) }
func (s bState) in(condition int) int {
	return s.count(func(n bNode) bool { return n.condition() == condition })
}

// replicas counts those on nodes of a condition.
func (s bState) replicas(condition int) int {
	return s.count(func(n bNode) bool { return n == bNode(2*condition+1) })
}

// fast counts the replicas that can be read, and not from a slow node.
func (s bState) fast() int { return s.replicas(bOK) + s.replicas(bFlag) }

// beside counts the nodes of a value, the target left out.
func (s bState) beside(v bNode) int {
	n := s.count(func(x bNode) bool { return x == v })
	if s.target != none && s.node[s.target] == v {
		n--
	}
	return n
}

// completed is the state with the rebuild done.
func (s bState) completed() bState {
	s.node[s.target] = s.node[s.target].full()
	s.target = none
	return s
}

func (s bState) String() string {
	var b strings.Builder
	for i, n := range s.node {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(bConditionNames[n.condition()])
		if n.replica() {
			b.WriteString(" with replica")
		}
		if i == int(s.target) {
			b.WriteString(" being written")
		}
	}
	fmt.Fprintf(&b, "; load %s", [2]string{"low", "high"}[s.load])
	return b.String()
}

// bAction is a decision of MDPB: a kind, and a node where it is about one.
type bAction struct{ kind, node int }

// The kinds of actions.
const (
	bNoop = iota // a rebuild goes on
	bStart
	bCancel
	bDrop
	bRestart
)

var bKindNames = [...]string{"noop", "start", "cancel", "drop", "restart"}

func (a bAction) String() string {
	switch a.kind {
	case bNoop, bCancel:
		return bKindNames[a.kind]
	}
	return fmt.Sprintf("%s_%d", bKindNames[a.kind], a.node+1)
}

// bActions are the decisions in the order of [MDPBRaw].
var bActions = func() []bAction {
	all := []bAction{{bNoop, none}}
	for _, kind := range []int{bStart, bCancel, bDrop, bRestart} {
		if kind == bCancel {
			all = append(all, bAction{bCancel, none})
			continue
		}
		for n := range bNodes {
			all = append(all, bAction{kind, n})
		}
	}
	return all
}()

// legal says what can be done: a rebuild needs something to read from and a node
// to write to, the last replica is not dropped.
func (c *BConfig) legal(s bState, a bAction) bool {
	switch a.kind {
	case bStart:
		return s.node[a.node].target() && a.node != int(s.target) && s.readable() > 0
	case bCancel:
		return s.target != none
	case bDrop:
		return s.node[a.node].replica() && s.held() >= 2
	case bRestart:
		x := s.node[a.node].condition()
		return x == bSlow || x == bFlag && c.RestartFlag
	}
	return true
}

// after is the state that a legal action makes of s at once.
func (s bState) after(a bAction) bState {
	switch a.kind {
	case bStart:
		s.target = int8(a.node)
	case bCancel:
		s.target = none
	case bDrop:
		s.node[a.node] &^= 1
	case bRestart:
		s.node[a.node] = s.node[a.node].moved(bDown)
		if a.node == int(s.target) {
			s.target = none
		}
	}
	return s
}

// bPair is a state with an action: what it leads to at once, whether the rebuild
// is then active, what is certain to be charged, in $ a step, and whether
// nothing could be read.
type bPair struct {
	after  bState
	active bool
	cost   float64
	down   bool
}

// pair looks at the state before the action for what can be read, and for what
// that costs. A rebuild is active where there is one after the action and
// something could be read before it.
func (c *BConfig) pair(s bState, a bAction) bPair {
	readable, fast := s.readable(), s.fast()
	after := s.after(a)
	x := bPair{after: after, active: after.target != none && readable > 0, down: readable == 0}
	stored := s.held()
	if x.active {
		stored++
	}
	rate := c.Storage * float64(stored)
	switch {
	case readable == 0:
		rate += c.Unreadable[s.load]
	case fast == 0:
		rate += c.NoneFast[s.load]
	}
	if s.load == 1 && fast < 2 {
		rate += c.OneFast
	}
	x.cost = rate / 12
	if a.kind == bRestart {
		x.cost += c.Restart
	}
	return x
}

// bMove is a value that a node takes in a step, the one it has among them.
type bMove struct {
	to bNode
	p  float64
}

// bMoves are the probabilities of a step of MDPB, and the costs of what may
// happen in it.
type bMoves struct {
	node   [bValues][]bMove // staying comes first
	chance [bValues][bValues]float64
	flip   [2]float64 // the load changes, from low, from high
	done   float64    // an active rebuild completes
	copy   float64    // $
	loss   float64    // $
}

func (c *BConfig) moves() bMoves {
	rate := [bConditions][bConditions]float64{
		bOK:   {bSlow: c.Slow, bDown: c.Down, bDead: c.Death * (1 - c.Recall)},
		bFlag: {bOK: (1 - c.Precision) * c.FlagEnd, bDead: c.Precision * c.FlagEnd},
		bSlow: {bOK: c.SlowEnd, bDown: c.Down},
		bDown: {bOK: c.Return, bDead: c.DownDeath},
		bDead: {bOK: c.Replace},
	}
	if c.Recall > 0 {
		rate[bOK][bFlag] = c.Death * c.Recall / c.Precision
	}
	m := bMoves{flip: [2]float64{c.LoadUp / 12, c.LoadDown / 12}, done: c.Rebuild / 12, copy: c.Copy, loss: c.LossPrice}
	for v := range bNode(bValues) {
		stay := 1.0
		moves := []bMove{{to: v}}
		for to, r := range rate[v.condition()] {
			if p := r / 12; p != 0 {
				stay -= p
				moves = append(moves, bMove{v.moved(to), p})
			}
		}
		moves[0].p = stay
		m.node[v] = moves
		for _, x := range moves {
			m.chance[v][x.to] = x.p
		}
	}
	return m
}

// each calls f for all that may happen after an action: the load stays or changes,
// each node moves, an active rebuild completes or does not, in an order that is
// alike for all states. (It completes before the nodes move, which comes to the
// same: they move alike with a replica and without.) f is told the index of a
// state whose target has yet to be looked after, and which has yet to start anew
// where all is lost.
func (m *bMoves) each(s bState, active bool, f func(index int, p, cost float64, lost int)) {
	// Indexes are added up, not computed anew for each branch.
	const p4, p3, p2, p1 = sweepInner, sweepRow, sweepPlane, sweepPlane * bValues
	completes := 0 // how much the index grows where the rebuild does
	if active {
		completes = [bNodes]int{p1, p2, p3, p4}[s.target] - 2*int(s.target+1)
	}
	var to [bNodes]bNode
	for change, pl := range [2]float64{1 - m.flip[s.load], m.flip[s.load]} {
		base := bState{target: s.target, load: s.load ^ uint8(change)}.index()
		for _, a := range m.node[s.node[0]] {
			to[0] = a.to
			for _, b := range m.node[s.node[1]] {
				to[1] = b.to
				for _, c := range m.node[s.node[2]] {
					to[2] = c.to
					abc, pc := base+int(a.to)*p1+int(b.to)*p2+int(c.to)*p3, pl*a.p*b.p*c.p
					for _, d := range m.node[s.node[3]] {
						to[3] = d.to
						index, p, cost, lost := abc+int(d.to)*p4, pc*d.p, 0.0, 0
						if (a.to|b.to|c.to|d.to)&1 == 0 {
							cost, lost = m.loss, 1
						}
						if !active {
							f(index, p, cost, lost)
							continue
						}
						f(index, p*(1-m.done), cost, lost)
						if to[s.target].condition() == bDead {
							f(index, p*m.done, m.copy+cost, lost)
						} else {
							f(index+completes, p*m.done, m.copy, 0)
						}
					}
				}
			}
		}
	}
}

// moved is the probability that s becomes to without a rebuild completing or a
// partition being lost.
func (m *bMoves) moved(s, to bState) float64 {
	p := m.flip[s.load]
	if s.load == to.load {
		p = 1 - p
	}
	for i, n := range s.node {
		p *= m.chance[n][to.node[i]]
	}
	target := s.target
	if target != none && !to.node[target].target() {
		target = none
	}
	if target != to.target {
		return 0
	}
	return p
}

// bSpace are the states of MDPBRaw.
type bSpace struct {
	states []bState
	// settled is the number of the state that one becomes at the end of a step,
	// by index: a target that no longer is one is forgotten, and a partition
	// without a replica starts anew. What is never reached becomes state 0.
	settled []int32
}

// newBSpace lists the states, those with a flagged node only where flags.
func newBSpace(flags bool) *bSpace {
	x := &bSpace{settled: make([]int32, sweepAll)}
	exists := func(s bState) bool { return s.possible() && (flags || s.in(bFlag) == 0) }
	for i := range x.settled {
		if s := bStateAt(i); exists(s) {
			x.settled[i] = int32(len(x.states))
			x.states = append(x.states, s)
		}
	}
	for i := range x.settled {
		s := bStateAt(i)
		if s.target != none && !s.node[s.target].target() {
			s.target = none
		}
		if s.empty() {
			s = bReset(s.load)
		}
		if exists(s) {
			x.settled[i] = x.settled[s.index()]
		}
	}
	return x
}

// number is the number of a state that exists.
func (x *bSpace) number(s bState) int32 { return x.settled[s.index()] }

// MDPBRaw is one partition on four nodes, one step of repair at a time: whether
// to start a rebuild and where, to cancel it, to drop a replica, to restart a
// slow node. Nodes are flagged before some of their deaths, become slow, go down
// and return, die and are replaced. Steps are of five minutes. Of B1 there are
// 26,368 states and 123,712 pairs; [MDPB] is the same with nodes that are alike
// counted instead of named.
//
// In a step, storage, readability and load are charged as they are before the
// action, and a restart; then the action is applied. A rebuild is active where
// something could be read before the action: then its copy is charged too, and
// it completes with probability rate/12, for the price of a copy, before the
// nodes move. Nodes and load move independently, with probabilities rate/12; a
// replica goes where its node goes, except into death. A rebuild to a node that
// is down or dead now is lost. Where no replica is left, that costs a partition,
// which starts anew on four nodes that are OK, with replicas on the first three.
//
// Whatever the parameters, features and actions are the same, save three actions
// of MDPB that restarts of flagged nodes need: a policy can be tried where it was
// not trained. Where the recall is 0 there is no state with a flagged node.
//
// Of the guards of MDPB there is but one here, and weaker: a replica is dropped
// only while two are on OK nodes. Whether more may be done to a node depends on
// what it is and on what the others hold, while a guard looks at one feature.
func MDPBRaw(c BConfig) *Model {
	space := newBSpace(c.Recall > 0)
	o := bRawObserver()
	m := &Model{
		ID: "MDPB-v0", Definition: fmt.Sprintf("MDPB-v0 raw model 1 %+v", c), StepHours: 1.0 / 12, Features: o.features,
		Start: int(space.number(bReset(0))),
		Label: func(s int) string { return space.states[s].String() },
	}
	var drops []string
	for _, a := range bActions {
		m.Actions = append(m.Actions, a.String())
		if a.kind == bDrop {
			drops = append(drops, a.String())
		}
	}
	m.Guards = []env.Guard{atLeastGuard("keep_an_ok_replica", "ok_replicas", 2, drops...)}
	b := newBuilder(m, len(space.states))
	rows := newProduct(space, c.moves())
	number := newRowNumbers(len(space.states), rows.add)
	for i, s := range space.states {
		m.Obs = o.append(m.Obs, s)
		for k, a := range bActions {
			if c.legal(s, a) {
				x := c.pair(s, a)
				b.pair(i, k, number.row(int(space.number(x.after)), x.after, x.active), x.cost, x.down)
			}
		}
	}
	m.Rows = rows
	bPolicies(b, space.states, func(_ bState, a bAction) int { return slices.Index(bActions, a) })
	return m
}

// bClass is an action of MDPB: a kind, and the nodes that it may be about, as
// they are all alike.
type bClass struct {
	kind   int
	value  bNode
	target bool // the node is the present target
}

// classes are the decisions of MDPB.
func (c *BConfig) classes() []bClass {
	const replica = 1
	all := []bClass{
		{kind: bNoop},
		{bStart, 2 * bOK, false}, {bStart, 2 * bFlag, false}, {bStart, 2 * bSlow, false},
		{kind: bCancel},
		{bDrop, 2*bOK + replica, false}, {bDrop, 2*bFlag + replica, false}, {bDrop, 2*bSlow + replica, false}, {bDrop, 2*bDown + replica, false},
		{bRestart, 2 * bSlow, false}, {bRestart, 2*bSlow + replica, false}, {bRestart, 2 * bSlow, true},
	}
	if c.RestartFlag {
		all = append(all, bClass{bRestart, 2 * bFlag, false}, bClass{bRestart, 2*bFlag + replica, false}, bClass{bRestart, 2 * bFlag, true})
	}
	return all
}

func (x bClass) String() string {
	name := bKindNames[x.kind]
	switch x.kind {
	case bNoop, bCancel:
		return name
	}
	name += "_" + bConditionNames[x.value.condition()]
	switch {
	case x.kind != bRestart:
	case x.target:
		name += "_target"
	case x.value.replica():
		name += "_replica"
	default:
		name += "_empty"
	}
	return name
}

// of is the class of an action in s.
func (x bClass) of(s bState, a bAction) bool {
	return x.kind == a.kind && (a.node == none || x.value == s.node[a.node] && x.target == (a.node == int(s.target)))
}

// action is what a class means in s: on the first node of that kind, where there
// is one.
func (x bClass) action(s bState) (bAction, bool) {
	for n := none; n < bNodes; n++ {
		if a := (bAction{x.kind, n}); (n == none) == (x.kind == bNoop || x.kind == bCancel) && x.of(s, a) {
			return a, true
		}
	}
	return bAction{}, false
}

// lumped is the state with its nodes in order, which stands for all that differ
// in nothing but that.
func (s bState) lumped() bState {
	key := func(i int) bNode { // the target after its likes
		if i == int(s.target) {
			return 2*s.node[i] + 1
		}
		return 2 * s.node[i]
	}
	var keys [bNodes]bNode
	for i := range keys {
		k := key(i)
		j := i
		for ; j > 0 && keys[j-1] > k; j-- {
			keys[j] = keys[j-1]
		}
		keys[j] = k
	}
	to := bState{target: none, load: s.load}
	for i, k := range keys {
		to.node[i] = k >> 1
		if k&1 == 1 {
			to.target = int8(i)
		}
	}
	return to
}

// MDPB is [MDPBRaw] where nodes that are alike are counted instead of named, with
// actions that say which kind of node is meant: nothing is lost by that. Of B1
// there are 1,630 states and 6,556 pairs.
func MDPB(c BConfig) *Model {
	space := newBSpace(c.Recall > 0)
	classes, lump := space.lump()
	o := bObserver()
	m := &Model{
		ID: "MDPB-v0", Definition: fmt.Sprintf("MDPB-v0 model 1 %+v", c), StepHours: 1.0 / 12, Features: o.features,
		Start: int(lump[space.number(bReset(0))]),
		Label: func(s int) string { return classes[s].String() },
	}
	actions := c.classes()
	for _, a := range actions {
		m.Actions = append(m.Actions, a.String())
	}
	m.Guards = bGuards()
	b := newBuilder(m, len(classes))
	rows, moves := &Sparse{}, c.moves()
	number := newRowNumbers(len(classes), func(s bState, active bool) int {
		n := rows.Begin()
		moves.each(s, active, func(index int, p, cost float64, lost int) {
			rows.Branch(int(lump[space.settled[index]]), p, cost, lost)
		})
		rows.End()
		return n
	})
	for i, s := range classes {
		m.Obs = o.append(m.Obs, s)
		for k, class := range actions {
			if a, ok := class.action(s); ok && c.legal(s, a) {
				x := c.pair(s, a)
				after := lump[space.number(x.after)]
				b.pair(i, k, number.row(int(after), classes[after], x.active), x.cost, x.down)
			}
		}
	}
	m.Rows = rows
	bPolicies(b, classes, func(s bState, a bAction) int {
		return slices.IndexFunc(actions, func(x bClass) bool { return x.of(s, a) })
	})
	return m
}

// lump lists the states whose nodes are in order, and numbers that of each state.
func (x *bSpace) lump() (classes []bState, class []int32) {
	class = make([]int32, len(x.states))
	for i, s := range x.states {
		if s == s.lumped() {
			class[i] = int32(len(classes))
			classes = append(classes, s)
		}
	}
	for i, s := range x.states {
		class[i] = class[x.number(s.lumped())]
	}
	return classes, class
}

// rowNumbers makes each row once: that of a state after the action, with or
// without an active rebuild.
type rowNumbers struct {
	number []int32
	add    func(s bState, active bool) int
}

func newRowNumbers(states int, add func(s bState, active bool) int) rowNumbers {
	x := rowNumbers{make([]int32, 2*states), add}
	for i := range x.number {
		x.number[i] = none
	}
	return x
}

func (x rowNumbers) row(number int, s bState, active bool) int {
	at := &x.number[2*number]
	if active {
		at = &x.number[2*number+1]
	}
	if *at == none {
		*at = int32(x.add(s, active))
	}
	return int(*at)
}

// bGuards are the guards of MDPB. They take 0.001 % of its optimum, or less. One
// that holds back the cure of a flagged node with a replica would take 0.3 %.
func bGuards() []env.Guard {
	return []env.Guard{
		atLeastGuard("keep_two_ok_replicas", "ok_replicas", 3, "drop_ok"),
		atLeastGuard("drop_only_beside_two_ok_replicas", "ok_replicas", 2, "drop_flag", "drop_slow", "drop_down"),
		atLeastGuard("restart_only_beside_a_fast_replica", "fast", 1, "restart_slow_replica"),
	}
}

// atLeastGuard permits actions only while a feature is at least so much.
func atLeastGuard(name, feature string, least float32, actions ...string) env.Guard {
	return env.Guard{Name: name, Feature: feature, Actions: actions, Min: least, Max: float32(math.Inf(1))}
}

// bObserver lists what a policy sees of MDPB: all of it.
func bObserver() *observer[bState] {
	var o observer[bState]
	for v := range bNode(bValues) {
		most := bNodes - 1 // a replica is elsewhere
		if v.replica() {
			most = bNodes
		}
		o.atLeast(bValueNames[v], 1, most, func(s bState) int { return s.beside(v) })
	}
	for _, x := range []struct {
		name  string
		value bNode
	}{{"target_ok", 2 * bOK}, {"target_flag", 2 * bFlag}, {"target_slow", 2 * bSlow}} {
		o.flag(x.name, func(s bState) bool { return s.target != none && s.node[s.target] == x.value })
	}
	bCommon(&o)
	return &o
}

// bRawObserver lists what a policy sees of MDPBRaw: all of it.
func bRawObserver() *observer[bState] {
	names := [bValues]string{"ok_empty", "ok_replica", "flag_empty", "flag_replica", "slow_empty", "slow_replica", "down_empty", "down_replica", "dead"}
	var o observer[bState]
	for n := range bNodes {
		for v, name := range names {
			o.flag(fmt.Sprintf("node_%d_%s", n+1, name), func(s bState) bool { return s.node[n] == bNode(v) })
		}
	}
	for n := range bNodes {
		o.flag(fmt.Sprintf("target_%d", n+1), func(s bState) bool { return int(s.target) == n })
	}
	// What the other form has as the thermometer of a value.
	o.atLeast("ok_replicas", 1, 3, func(s bState) int { return s.replicas(bOK) })
	bCommon(&o)
	return &o
}

// bCommon lists what both forms show: the load, and counts of what matters.
func bCommon(o *observer[bState]) {
	unflagged := func(s bState) int { return s.held() - s.replicas(bFlag) }
	o.flag("load_high", func(s bState) bool { return s.load == 1 })
	o.flag("rebuilding", func(s bState) bool { return s.target != none })
	o.atLeast("held", 2, bNodes, bState.held)
	o.atLeast("readable", 1, 3, bState.readable)
	o.atLeast("fast", 1, 2, bState.fast)
	o.atLeast("unflagged", 1, 3, unflagged)
	o.count("held", "replicas", bNodes, bState.held)
	o.count("readable", "replicas", bNodes, bState.readable)
	o.count("fast", "replicas", bNodes, bState.fast)
	o.count("unflagged", "replicas", bNodes, unflagged)
	o.count("ok_replicas", "replicas", bNodes, func(s bState) int { return s.replicas(bOK) })
	o.count("flag_replicas", "replicas", bNodes, func(s bState) int { return s.replicas(bFlag) })
	o.count("down_replicas", "replicas", bNodes, func(s bState) int { return s.replicas(bDown) })
	o.count("ok_empty", "nodes", bNodes-1, func(s bState) int { return s.beside(2 * bOK) })
	o.count("slow", "nodes", bNodes, func(s bState) int { return s.in(bSlow) })
	o.count("dead", "nodes", bNodes-1, func(s bState) int { return s.in(bDead) })
}

// bRule is a rule of fixed replication factor n: eager counts what is readable,
// delayed what is held; drain leaves out what is on flagged nodes; restart
// restarts slow nodes.
type bRule struct {
	n                       int
	delayed, drain, restart bool
}

func (r bRule) name() string {
	name := fmt.Sprintf("rf%d-eager", r.n)
	if r.delayed {
		name = fmt.Sprintf("rf%d-delayed", r.n)
	}
	if r.drain {
		name += "-drain"
	}
	if r.restart {
		name += "-restart"
	}
	return name
}

func (r bRule) summary() string {
	counted, first := "readable replicas", ""
	if r.delayed {
		counted = "replicas, those down included"
	}
	if r.drain {
		counted += ", those on flagged nodes not"
	}
	if r.restart {
		first = "restart slow nodes, "
	}
	return fmt.Sprintf("%srebuild until there are %d %s, drop those beyond", first, r.n, counted)
}

// action is the first that applies; of nodes that are alike, the first is taken.
func (r bRule) action(s bState) bAction {
	find := func(kind int, is func(bNode) bool, conditions ...int) (bAction, bool) {
		for _, x := range conditions {
			for i, n := range s.node {
				if n.condition() == x && is(n) {
					return bAction{kind, i}, true
				}
			}
		}
		return bAction{bNoop, none}, false
	}
	present := s.readable()
	if r.delayed {
		present = s.held()
	}
	if r.drain {
		present -= s.replicas(bFlag)
	}
	if r.restart {
		if a, ok := find(bRestart, func(bNode) bool { return true }, bSlow); ok {
			return a
		}
	}
	switch {
	case present < r.n && s.target == none && s.readable() > 0:
		a, _ := find(bStart, bNode.target, bOK, bSlow, bFlag)
		return a
	case present < r.n:
	case s.target != none:
		return bAction{bCancel, none}
	case s.held() > r.n:
		a, _ := find(bDrop, bNode.replica, bFlag, bDown, bSlow, bOK)
		if x := a.node; x == none || s.node[x].condition() != bOK || present > r.n {
			return a
		}
	}
	return bAction{bNoop, none}
}

// bPolicies adds the rules to a model, whose actions number turns theirs into.
func bPolicies(b builder, states []bState, number func(bState, bAction) int) {
	for n := 1; n <= 3; n++ {
		for _, delayed := range []bool{false, true} {
			for _, drain := range []bool{false, true} {
				for _, restart := range []bool{false, true} {
					r := bRule{n, delayed, drain, restart}
					b.policy(r.name(), r.summary(), func(i int) int { return number(states[i], r.action(states[i])) })
				}
			}
		}
	}
}
