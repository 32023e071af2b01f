package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"

	"mend/env"
	"mend/env/guard"
	"mend/env/placement"
	"mend/env/seed"
	"mend/env/trace"
)

const (
	maxFactor = 6 // largest replication factor
	spare     = 3 // places beside the wanted copies, for written-off ones
	none      = int32(-1)
)

// Kind is what a decision is about.
type Kind uint8

// The kinds of decision.
const (
	NodeUnreachable   Kind = iota
	DomainUnreachable      // most nodes of a rack, zone or region at once
	NodeSuspect            // an alarm was raised on a node that answers
	ShardsAtRisk
	ShardLoad     // a shard is too hot or too cold for its replicas
	ClusterReview // a burst or a backlog has begun, ended, or lasts
	NoQuestion    // what an episode ends in; hold is the only answer
	kinds
)

func (k Kind) String() string {
	return [...]string{"node unreachable", "domain unreachable", "node suspect", "shards at risk", "shard load", "cluster review", "nothing"}[k]
}

// Flags of a node. The first group is truth, the second the controller's
// belief and log.
const (
	nodeDead    uint16 = 1 << iota // lost with its data, not yet replaced
	nodeCurable                    // a restart would end its present outage

	nodeUnreachable // silent for the monitor's timeout
	nodeDeclared    // declared dead
	nodeRestarted   // a restart was tried since it became unreachable
	nodeFailedOver  // its primaries were moved away since then
	nodeSuspect     // an alarm on it stands
	nodeCordoned    // is given no new copies while the alarm stands
	nodeDraining    // its copies are being moved elsewhere, while the alarm stands
	nodeRebooted    // was restarted because of the alarm
)

// World is one replicated store. It implements env.Env and env.Measured.
type World struct {
	cfg    Config
	spec   env.Spec
	guards *guard.Set

	replays [processes]*replay // processes that are replayed; nil where drawn
	laws    [processes]gapLaw
	answers [NoQuestion][]Action // by kind of decision
	// hazardMax is the largest hazard of permanent losses, in units of 1/MTTF.
	hazardMax float64

	// Sizes.
	nodes, racks, zones, regions int
	nodesPerRack, nodesPerZone   int
	zonesPerRegion, shards       int

	// Constants in the units of the event loop.
	horizon                 env.Time
	heartbeat, timeout      env.Time
	shardBytes              float64
	nodeCopies              int32   // copies that a node has space for, as far as it is simulated
	nodeSpace               float64 // and in truth
	tauHours, intervalHours float64
	pricePerCopyHour        float64
	pricePerUnavailableHour float64
	pricePerLoss            float64
	provider                []uint8 // by region
	tariff                  [providers]tariff
	mixed                   bool             // whether there are several providers
	startBy                 [providers]int32 // copies at the start, where there are several
	constantStorage         float64          // and what they cost, dollars an hour
	streamRate, zoneRate    float64          // bytes/s
	timers                  timerIDs
	seeds                   [processes]seed.Seed
	beatSeed, placementSeed seed.Seed
	machineSeed, scriptSeed seed.Seed

	// Episode.
	started, ended bool
	now            env.Time
	q              queue
	kind           Kind
	subject        int32 // node, domain, class of shards, slot of a popular one, or tier
	legal          []bool
	offered        uint64 // digest of the failures offered so far

	ledger ledger
	tally  tally

	// Nodes.
	nodeFlags []uint16
	planned   []env.Time // until when a restart or exchange that was ordered excuses its silence
	lastBeat  []env.Time // while down or unreachable: when it was last heard
	upSince   []env.Time // truth, while up
	asked     []uint16   // decisions about it alone since it became unreachable
	flaps     []float64  // times it became unreachable, decaying over a week
	flapsAt   []env.Time
	cursor    []int32     // where it is leaving: entries of which the repair is in flight or ordered apart
	inUsed    []uint8     // streams that receive repairs
	outUsed   []uint8     // streams that feed repairs
	firstOut  []int32     // first repair that it feeds
	firstOf   []int32     // where it is leaving: first repair that it implies
	leaveSeed []seed.Seed // where it is leaving: of the placements of what it implies
	lostAt    []env.Time  // when it became unreachable
	ordinal   [processes][]uint32

	// Racks and zones.
	cuts         []uint8 // by rack: outages under way of domains that it is in
	zoneDeclared []int32
	clocks       []zoneClock
	faultDomains domains
	telemetry    telemetry
	suspicions   suspicions
	review       review
	zoneTable    []int32 // by node; one more for no node
	rackTable    []int32
	crowd        []uint8 // scratch of nextZone, by zone

	// Machines: truth, but for when they came into service.
	incarnation []uint32    // by node: machines that were in the slot before
	born        []env.Time  // when the machine was put into service
	slow        []float32   // by node: slowdown, 1 for none
	slowDraws   []seed.Seed // draws of the failure that makes it slow,
	slowLost    []bool      // whether it ends in a loss,
	slowPhases  []uint32    // and how often it has turned
	warnedFor   []uint32    // incarnation + 1 that a preemption is announced for

	// The rolling upgrade.
	upgradePhase uint8
	upgradeDraws seed.Seed
	upgraded     int32 // nodes that got the new build, from 0 on,
	rolledBack   int32 // and of these, those that got the old one again

	store                                       // shards and their copies
	lists        lists                          // classes at risk, then queues of repairs
	classImplied []int32                        // by class: implied shards, besides those of its list
	lost         chain                          // unreachable nodes, first lost first
	leave        chain                          // leaving nodes with implied repairs that are not begun
	tierWants    [maxTiers][maxFactor + 1]int32 // shards of a tier by copies wanted
	tierTarget   [maxTiers]int32                // copies wanted of the shards of a tier, but for extra ones of popular shards
	commonWant   int32                          // what all want where uniform
	gone         []int32                        // scratch of voidCopies
	quietNodes   int32                          // nodes with that health
	deadNodes    int32
	flows        []flow
	flowsUsed    int32   // flows that have been in use since the episode began
	freeFlow     int32   // first of those that no longer are, or none
	into         []int32 // by node and stream: the repair that it receives, or none
	streams      int32   // per node
	throttle     int8    // level
	zoneSlots    int32   // repairs that it lets into a zone at a time
	retries      uint8   // tries of waiting repairs in vain, since one succeeded
	admitSoon    bool    // whether waiting repairs are to be tried
	unsettled    bool    // whether a clock's timer is to be set again
	ahead        uint64  // see readAhead

	// Of shards, by believed live copies: fewer than wanted; one, where more are
	// wanted; none.
	short, oneCopy, noCopy int32
	byReadable             readableTable // truth
	unreachable            int32
	declared               int32
	racksUnreachable       int32
	reachableSpace         int64 // free copies on reachable nodes
	orders                 int32 // repairs ordered and not completed
	losses10m              float64
	losses1h               float64
	lossesAt               env.Time
	perm                   []int32 // scratch: 0 to nodes−1, in order between uses
	struckNodes            []int32 // scratch

	load load // requests
}

// New returns the world that cfg defines, under the given id.
func New(id string, cfg Config) (*World, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return newWorld(id, cfg, [processes]*replay{})
}

func newWorld(id string, cfg Config, replays [processes]*replay) (*World, error) {
	t := cfg.Topology
	w := &World{
		cfg:       cfg,
		replays:   replays,
		hazardMax: cfg.Failures.Permanent.highest(cfg.Horizon),
		nodes:     t.Nodes(), racks: t.Racks(), zones: t.Zones(), regions: t.Regions,
		nodesPerRack: t.NodesPerRack, nodesPerZone: t.NodesPerRack * t.RacksPerZone,
		zonesPerRegion: t.ZonesPerRegion,
		shards:         t.Nodes() * cfg.Data.ShardsPerNode,
		streams:        int32(cfg.Repair.StreamsPerNode),

		horizon:   simulated(cfg.Horizon),
		heartbeat: simulated(cfg.Monitor.Heartbeat), timeout: simulated(cfg.Monitor.Timeout),
		shardBytes:              cfg.Data.ShardGB * 1e9,
		nodeCopies:              cfg.Data.copiesPerNode(),
		nodeSpace:               cfg.Data.space(),
		tauHours:                cfg.Reward.TimeConstant.Hours(),
		intervalHours:           cfg.Reward.Interval.Hours(),
		pricePerUnavailableHour: cfg.Data.ShardGB / 1000 * cfg.Prices.UnavailablePerTBHour,
		pricePerLoss:            cfg.Data.ShardGB / 1000 * cfg.Prices.LossPerTB,
		streamRate:              cfg.Repair.StreamMBps * 1e6,
		zoneRate:                cfg.Repair.ZoneMBps * 1e6,
	}
	w.zoneTable, w.rackTable = make([]int32, w.nodes+1), make([]int32, w.nodes+1)
	for n := range w.nodes {
		w.zoneTable[n], w.rackTable[n] = int32(n/w.nodesPerZone), int32(n/w.nodesPerRack)
	}
	w.zoneTable[w.nodes], w.rackTable[w.nodes] = none, none
	w.chooseTariffs()
	w.laws = w.newLaws()
	var err error
	if w.load, err = w.newLoad(); err != nil {
		return nil, err
	}
	w.store = w.newStore()
	w.timers = newTimerIDs(w)
	w.faultDomains = newDomains(w)
	w.telemetry = newTelemetry(w)
	w.suspicions = newSuspicions(w.nodes)
	w.spec = env.Spec{
		ID:        id,
		Digest:    digest(cfg, replays),
		Features:  features[:],
		Actions:   actions[:],
		Masked:    true,
		Gamma:     math.Exp(-w.intervalHours / w.tauHours),
		Guards:    w.guardRules(),
		Metrics:   metricsOf(cfg.Load.offered()),
		Objective: metrics[0].Name,
	}
	if w.guards, err = guard.Compile(&w.spec); err != nil {
		return nil, err
	}
	w.answers = w.answerable()
	w.allocate()
	// The layout belongs to the world, as its topology does: episodes differ in
	// what happens to it.
	w.layout, err = placement.New(cfg.Data.Placement, t.placed(), w.shards, w.wants, w.capacity, seed.Seed(0).Child("layout", 0))
	if err != nil {
		return nil, fmt.Errorf("cluster: data.placement: %w", err)
	}
	w.readLayout()
	if w.layout.Confined() {
		w.peers = make([]int32, 0, 2*cfg.Data.Placement.ScatterWidth+w.wants)
	}
	w.apart = cfg.Data.Placement.Kind != placement.Random
	if w.mixed {
		w.startBy = w.copiesAtStart()
		w.constantStorage = w.mixedStorage(&w.startBy)
	}
	if w.load.on {
		w.load.spread, w.load.money = w.newSpreading(), w.newLoadPrices()
	}
	return w, nil
}

// digest names the world: everything in cfg, the replayed traces, and the
// version of the model, which grows when the same configuration comes to mean
// another world.
func digest(cfg Config, replays [processes]*replay) string {
	h := sha256.New()
	var traces []string
	for p, r := range replays {
		if r != nil {
			traces = append(traces, process(p).String()+":"+r.identity())
		}
	}
	b, err := json.Marshal(struct {
		Model  string
		Config Config
		Traces []string
	}{"mend/env/cluster 3", cfg, traces})
	if err != nil {
		panic(err) // Validate has refused what JSON cannot hold
	}
	h.Write(b)
	return hex.EncodeToString(h.Sum(nil))
}

func (w *World) allocate() {
	n := w.nodes
	w.q = newQueue(int(w.timers.count))
	w.tally.due = make([]env.Time, w.timers.count-w.timers.askNode)
	w.legal = make([]bool, len(actions))
	w.nodeFlags = make([]uint16, n)
	w.planned = make([]env.Time, n)
	w.lastBeat = make([]env.Time, n)
	w.upSince = make([]env.Time, n)
	w.slow = make([]float32, n)
	w.asked = make([]uint16, n)
	w.flaps = make([]float64, n)
	w.flapsAt = make([]env.Time, n)
	w.cursor = make([]int32, n)
	w.inUsed = make([]uint8, n)
	w.outUsed = make([]uint8, n)
	w.firstOut = make([]int32, n)
	w.firstOf = make([]int32, n)
	w.lostAt = make([]env.Time, n)
	w.leaveSeed = make([]seed.Seed, n)
	for p := range w.ordinal {
		w.ordinal[p] = make([]uint32, w.slots(process(p)))
	}
	w.cuts = make([]uint8, w.racks)
	w.incarnation = make([]uint32, n)
	w.born = make([]env.Time, n)
	w.slowDraws = make([]seed.Seed, w.slots(slowOnset))
	w.slowLost = make([]bool, w.slots(slowOnset))
	w.slowPhases = make([]uint32, w.slots(slowOnset))
	w.warnedFor = make([]uint32, w.slots(preemption))
	w.zoneDeclared = make([]int32, w.zones)
	w.clocks = make([]zoneClock, w.zones)
	w.crowd = make([]uint8, w.zones)
	w.lists = newLists(w.classes()+queues, w.shards)
	w.classImplied = make([]int32, w.classes())
	w.lost, w.leave = newChain(n), newChain(n)
	w.gone = make([]int32, 0, w.capacity)
	w.flows = make([]flow, n*int(w.streams))
	fill(w.flows, noFlow)
	w.into = make([]int32, n*int(w.streams))
	w.perm = make([]int32, n)
	for i := range w.perm {
		w.perm[i] = int32(i)
	}
	w.struckNodes = make([]int32, 0, n)
	for p, r := range w.replays {
		if r != nil {
			r.recorded = make([][]trace.Outage, w.slots(process(p)))
		}
	}
}

// Config returns the configuration that the world was built from.
func (w *World) Config() Config { return w.cfg }

// Spec implements env.Env.
func (w *World) Spec() *env.Spec { return &w.spec }

// OfferedDigest is a digest of all failures that were offered since Reset, in
// order, with their times and draws: equal for all policies that were run to
// the same time from the same seed.
func (w *World) OfferedDigest() uint64 { return w.offered }

// Reset implements env.Env.
func (w *World) Reset(s seed.Seed, obs []float32, mask []bool) {
	w.begin(s)
	// What happens before the first question belongs to no step.
	w.ledger.startStep(0)
	w.run()
	if w.ended {
		// Nothing happened that needs a decision. The one step that an episode
		// must have is then a hold at its end.
		w.ended = false
		w.q.set(w.timers.horizon, w.horizon)
	}
	w.observe(obs, mask)
}

// begin sets up the episode of seed s at time 0.
func (w *World) begin(s seed.Seed) {
	w.started, w.ended = true, false
	w.now, w.offered = 0, 0
	w.q.clear()
	w.seed(s)
	w.tally.begin()
	w.ledger = ledger{}

	clear(w.nodeFlags)
	clear(w.planned)
	clear(w.lastBeat)
	fill(w.upSince, -w.heartbeat) // the beats just before the start were heard
	fill(w.slow, 1)
	clear(w.asked)
	clear(w.flaps)
	clear(w.flapsAt)
	clear(w.cursor)
	clear(w.inUsed)
	clear(w.outUsed)
	fill(w.firstOut, none)
	fill(w.firstOf, none)
	clear(w.lostAt)
	clear(w.leaveSeed)
	for p := range w.ordinal {
		clear(w.ordinal[p])
	}
	clear(w.cuts)
	w.firstMachines()
	clear(w.slowDraws)
	clear(w.slowLost)
	clear(w.slowPhases)
	clear(w.warnedFor)
	w.upgradePhase, w.upgradeDraws, w.upgraded, w.rolledBack = upgradeIdle, 0, 0, 0
	clear(w.zoneDeclared)
	for z := range w.clocks {
		w.clocks[z].reset()
	}
	w.faultDomains.reset()
	w.telemetry.reset(s)
	w.suspicions.reset()
	w.review = review{answered: -afterAction}
	w.lists.reset()
	clear(w.classImplied)
	w.lost.reset()
	w.leave.reset()
	w.quietNodes, w.deadNodes = 0, 0
	w.resetFlows()
	w.throttle = int8(len(throttles) - 1)
	w.retries = 0
	w.setSlots()
	w.admitSoon, w.unsettled = false, false
	w.unreachable, w.declared, w.racksUnreachable = 0, 0, 0
	w.reachableSpace, w.orders = int64(w.nodes)*int64(w.nodeCopies), 0
	w.losses10m, w.losses1h, w.lossesAt = 0, 0, 0

	w.fillStore()
	w.beginLoad(s)
	w.q.set(w.timers.horizon, w.horizon)
	w.firstFailures()
	for n := range int32(w.nodes) {
		w.foretold(n)
	}
	w.firstAlarms()
}

func fill[T any](s []T, v T) {
	for i := range s {
		s[i] = v
	}
}

// Step implements env.Env.
func (w *World) Step(action int, obs []float32, mask []bool) env.Outcome {
	if !w.started || w.ended {
		panic("cluster: Step before Reset or after the end of an episode")
	}
	if action < 0 || action >= len(actions) || !w.legal[action] {
		panic(fmt.Sprintf("cluster: action %d is not legal for a decision on %s", action, w.kind))
	}
	start := w.now
	w.ledger.startStep(w.now)
	w.act(Action(action))
	w.run()
	if w.ended {
		w.closeLedger()
	}
	w.observe(obs, mask)
	return env.Outcome{
		Reward:    float32(-w.ledger.discounted / w.cfg.Reward.ScaleUSD),
		Elapsed:   float32((w.now - start).Hours() / w.intervalHours),
		Truncated: w.ended,
	}
}

// run handles events until one asks for a decision or the episode ends.
func (w *World) run() {
	for {
		id, at := w.q.pop()
		w.tally.events++
		if at != w.now {
			w.accrue(at)
			w.now = at
		}
		if w.fire(id) {
			return
		}
	}
}

// fire handles one event and reports whether it stops the run.
func (w *World) fire(id int32) bool {
	if w.handle(id) {
		return true
	}
	w.settleRepairs()
	w.noticeRegime()
	return false
}

func (w *World) handle(id int32) bool {
	t := &w.timers
	switch {
	case id < t.drawn:
		w.ended = true
		w.kind, w.subject = NoQuestion, 0
		return true
	case id < t.batch:
		w.offer(id)
	case id < t.rollback:
		w.upgradeBatch()
	case id < t.reclaim:
		w.rollback()
	case id < t.slowEnd:
		w.reclaim(id - t.reclaim)
	case id < t.slowPhase:
		w.slowOver(id - t.slowEnd)
	case id < t.replace:
		w.nextPhase(id - t.slowPhase)
	case id < t.returns:
		w.replaced(id - t.replace)
	case id < t.domainEnd[0]:
		w.outageOver(id - t.returns)
	case id < t.cutEnd:
		w.domainOver(id)
	case id < t.failover:
		w.cutOver(int(id-t.cutEnd)/w.zones, int(id-t.cutEnd)%w.zones)
	case id < t.load:
		w.leaseOver(id - t.failover)
	case id < t.month:
		w.loadStep()
	case id < t.predicted:
		w.closeMonth()
	case id < t.mistaken:
		w.predicted(id - t.predicted)
	case id < t.measured:
		w.mistaken(id - t.mistaken)
	case id < t.disturbed:
		w.measured(id - t.measured)
	case id < t.monitor:
		w.disturbed(id - t.disturbed)
	case id < t.repair:
		w.monitored(id - t.monitor)
	case id < t.retry:
		w.repaired(int(id - t.repair))
	case id < t.burstEnd:
		w.admitSoon = true
	case id < t.askNode:
		// The burst is over: noticeRegime sees it.
	case id < t.askDomain:
		w.nodeDue(id - t.askNode)
		return true
	case id < t.askSuspect:
		w.domainDue(id - t.askDomain)
		return true
	case id < t.askRisk:
		return w.suspectDue(id - t.askSuspect)
	case id < t.askLoad:
		w.ask(ShardsAtRisk, id-t.askRisk, id)
		return true
	case id < t.askReview:
		return w.loadDue(id - t.askLoad)
	default:
		w.ask(ClusterReview, id-t.askReview, id)
		return true
	}
	return false
}

// ask makes the next question one of kind k about the subject, whose timer is id.
func (w *World) ask(k Kind, subject, id int32) {
	w.kind, w.subject = k, subject
	w.ledger.decisions[k]++
	w.tally.asked(k, id-w.timers.askNode, w.now)
}

// again counts one more decision about a subject.
func again(asked *uint16) { *asked = min(*asked+1, math.MaxUint16-1) }

// timerIDs are the first timer ids of each group; simultaneous events fire in
// this order: failures, returns, telemetry, what the monitor sees, repairs,
// questions.
type timerIDs struct {
	horizon int32
	drawn   int32            // first of the failure processes
	process [processes]int32 // one timer a slot
	// What follows from these alone: the next batch of an upgrade, the start
	// of its rollback; by node, a preemption that was announced, the end of a
	// slowness and of its present phase.
	batch, rollback, reclaim, slowEnd, slowPhase int32

	replace   int32         // by node
	returns   int32         // by node
	domainEnd [levels]int32 // by domain
	cutEnd    int32         // by ordered pair of zones; none without partitions
	// Of load; none without.
	failover, load, month int32 // by node: its primaries move elsewhere; the load changes; a month ends

	// Telemetry, by node.
	predicted  int32 // the predictor foresees its loss
	mistaken   int32 // the predictor takes it for one that will be lost
	measured   int32 // its latency is measured
	disturbed  int32 // the detector takes it for a slow one
	monitor    int32 // by node: falls silent for the timeout, or is heard again
	repair     int32 // by zone: the next repair completes
	retry      int32 // repairs that wait are tried again
	burstEnd   int32
	askNode    int32 // by node
	askDomain  int32 // by domain
	askSuspect int32 // by node: asks about it, or ends the suspicion
	askRisk    int32 // by class
	askLoad    int32 // by tracked shard; none without load
	askReview  int32 // by tier
	count      int32
}

func newTimerIDs(w *World) timerIDs {
	var t timerIDs
	next := int32(1)
	take := func(n int) int32 {
		first := next
		next += int32(n)
		return first
	}
	t.drawn = next
	for p := range t.process {
		t.process[p] = take(w.slots(process(p)))
	}
	t.batch = take(w.slots(upgrade))
	t.rollback = take(w.slots(upgrade))
	t.reclaim = take(w.slots(preemption))
	t.slowEnd = take(w.slots(slowOnset))
	t.slowPhase = take(w.slots(slowOnset))
	t.replace = take(w.nodes)
	t.returns = take(w.nodes)
	for i := range t.domainEnd {
		t.domainEnd[i] = take(w.domains(rackOutage + process(i)))
	}
	pairs := 0
	if w.slots(partition) > 0 {
		pairs = w.zones * w.zones
	}
	t.cutEnd = take(pairs)
	if w.cfg.Load.offered() {
		t.failover, t.load, t.month = take(w.nodes), take(1), take(1)
	} else {
		t.failover, t.load, t.month = next, next, next
	}
	t.predicted = take(w.nodes)
	t.mistaken = take(w.nodes)
	t.measured = take(w.nodes)
	t.disturbed = take(w.nodes)
	t.monitor = take(w.nodes)
	t.repair = take(w.zones)
	t.retry = take(1)
	t.burstEnd = take(1)
	t.askNode = take(w.nodes)
	t.askDomain = take(w.racks + w.zones + w.regions)
	t.askSuspect = take(w.nodes)
	t.askRisk = take(w.classes())
	t.askLoad = take(len(w.load.slots.shard))
	t.askReview = take(w.reviews())
	t.count = next
	return t
}

func (w *World) rackOf(n int32) int { return int(w.rackTable[n]) }
func (w *World) zoneOf(n int32) int { return int(w.zoneTable[n]) }
func (w *World) regionOfZone(z int) int {
	return z / w.zonesPerRegion
}
