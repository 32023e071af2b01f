package cluster

import (
	"fmt"
	"math"
	"time"

	"mend/configs/field"
	"mend/env"
	"mend/env/placement"
)

// Config defines a world. Every default names its source in [DefaultConfig].
type Config struct {
	Topology  Topology      `yaml:"topology" json:"topology"`
	Data      Data          `yaml:"data" json:"data"`
	Failures  Failures      `yaml:"failures" json:"failures"`
	Monitor   Monitor       `yaml:"monitor" json:"monitor"`
	Domains   Domains       `yaml:"domains" json:"domains"`
	Predictor Predictor     `yaml:"predictor" json:"predictor"`
	Detector  Detector      `yaml:"detector" json:"detector"`
	Suspicion Suspicion     `yaml:"suspicion" json:"suspicion"`
	Reviews   Reviews       `yaml:"reviews" json:"reviews"`
	Repair    Repair        `yaml:"repair" json:"repair"`
	Load      Load          `yaml:"load" json:"load"`
	Prices    Prices        `yaml:"prices" json:"prices"`
	Limits    Limits        `yaml:"limits" json:"limits"`
	Reward    Reward        `yaml:"reward" json:"reward"`
	Horizon   time.Duration `yaml:"horizon" json:"horizon"` // length of an episode
}

// Topology is a regular tree: region > zone > rack > node.
type Topology struct {
	Regions        int `yaml:"regions" json:"regions"`
	ZonesPerRegion int `yaml:"zones_per_region" json:"zones_per_region"`
	RacksPerZone   int `yaml:"racks_per_zone" json:"racks_per_zone"`
	NodesPerRack   int `yaml:"nodes_per_rack" json:"nodes_per_rack"`
}

// Zones, Racks and Nodes count the whole cluster.
func (t Topology) Zones() int { return t.Regions * t.ZonesPerRegion }
func (t Topology) Racks() int { return t.Zones() * t.RacksPerZone }
func (t Topology) Nodes() int { return t.Racks() * t.NodesPerRack }

func (t Topology) placed() placement.Topology {
	return placement.Topology{Zones: t.Zones(), RacksPerZone: t.RacksPerZone, NodesPerRack: t.NodesPerRack}
}

// Data is what the cluster stores.
type Data struct {
	ShardsPerNode     int     `yaml:"shards_per_node" json:"shards_per_node"`       // shards / nodes
	ShardGB           float64 `yaml:"shard_gb" json:"shard_gb"`                     // size of one copy, 10^9 bytes
	ReplicationFactor int     `yaml:"replication_factor" json:"replication_factor"` // copies wanted
	MaxFactor         int     `yaml:"max_factor" json:"max_factor"`                 // copies that may come to be wanted of a shard; 0: their number is fixed
	Quorum            int     `yaml:"quorum" json:"quorum"`                         // readable copies that a shard needs to be available
	NodeGB            float64 `yaml:"node_gb" json:"node_gb"`                       // capacity of a node
	// Tiers say what parts of the data are worth; without any all is of one, of
	// value 1.
	Tiers []Tier `yaml:"tiers" json:"tiers"`
	// Placement says which nodes hold a shard at the start, and are preferred for
	// its repairs.
	Placement placement.Config `yaml:"placement" json:"placement"`
}

// maxFactor is the largest number of copies that may ever be wanted.
func (d Data) maxFactor() int { return max(d.MaxFactor, d.ReplicationFactor) }

// fixed reports whether the number of copies of a shard can neither rise nor fall.
func (d Data) fixed() bool {
	return d.MaxFactor == 0 || d.MaxFactor <= min(d.ReplicationFactor, max(d.Quorum, 2))
}

// space is how many copies a node has space for.
func (d Data) space() float64 { return math.Floor(d.NodeGB/d.ShardGB + 1e-9) }

// copiesPerNode is how many of them are simulated; what is beyond four times the
// node's part is never needed.
func (d Data) copiesPerNode() int32 {
	return int32(min(d.space(), float64(4*d.ShardsPerNode*d.maxFactor()+64)))
}

// Monitor is how the controller learns of failures.
type Monitor struct {
	Heartbeat time.Duration `yaml:"heartbeat" json:"heartbeat"` // between two heartbeats of a node
	Timeout   time.Duration `yaml:"timeout" json:"timeout"`     // silence after which a node counts as unreachable
	// RiskDelay gathers shards that come to be at risk together into one
	// question.
	RiskDelay time.Duration `yaml:"risk_delay" json:"risk_delay"`
	// HoldReview is when a subject that was answered with hold is asked about
	// again, where nothing happened to it before.
	HoldReview time.Duration `yaml:"hold_review" json:"hold_review"`
}

// Repair is the machinery that makes new copies.
type Repair struct {
	// StreamMBps limits one slow repair, FastFactor times as much one fast
	// repair; all repairs into a zone share ZoneMBps, fast ones with
	// FastFactor times the weight. Units of 10^6 bytes a second.
	StreamMBps float64 `yaml:"stream_mbps" json:"stream_mbps"`
	FastFactor int     `yaml:"fast_factor" json:"fast_factor"`
	ZoneMBps   float64 `yaml:"zone_mbps" json:"zone_mbps"`
	// StreamsPerNode limits the repairs that a node receives, and, apart from
	// that, those that it feeds.
	StreamsPerNode int `yaml:"streams_per_node" json:"streams_per_node"`
}

// Prices are in US dollars.
type Prices struct {
	// Providers names the provider of each failures.regions_per_provider regions,
	// over and over: aws, gcp or azure, with list prices of storage, traffic, servers and requests, or custom,
	// with those given here. None: all custom.
	Providers []string `yaml:"providers" json:"providers"`
	// RegionsPerContinent is how many regions, in order, are near each other; 0:
	// all are.
	RegionsPerContinent int `yaml:"regions_per_continent" json:"regions_per_continent"`

	StoragePerGBMonth    float64 `yaml:"storage_per_gb_month" json:"storage_per_gb_month"` // a month is 730 h
	CrossZonePerGB       float64 `yaml:"cross_zone_per_gb" json:"cross_zone_per_gb"`
	CrossRegionPerGB     float64 `yaml:"cross_region_per_gb" json:"cross_region_per_gb"`
	CrossContinentPerGB  float64 `yaml:"cross_continent_per_gb" json:"cross_continent_per_gb"`
	InternetPerGB        float64 `yaml:"internet_per_gb" json:"internet_per_gb"`           // and to another provider
	SlowRepairPerHour    float64 `yaml:"slow_repair_per_hour" json:"slow_repair_per_hour"` // interference, per repair in flight
	FastRepairPerHour    float64 `yaml:"fast_repair_per_hour" json:"fast_repair_per_hour"`
	UnavailablePerTBHour float64 `yaml:"unavailable_per_tb_hour" json:"unavailable_per_tb_hour"` // of shards short of their quorum
	LossPerTB            float64 `yaml:"loss_per_tb" json:"loss_per_tb"`                         // of shards without any copy
	Restart              float64 `yaml:"restart" json:"restart"`
	Declare              float64 `yaml:"declare" json:"declare"`     // of declaring a node dead
	FailOver             float64 `yaml:"fail_over" json:"fail_over"` // of moving a node's primaries away
	Replace              float64 `yaml:"replace" json:"replace"`     // of exchanging a machine
	// Charged where there is load.
	ServerPerHour     float64 `yaml:"server_per_hour" json:"server_per_hour"`         // of a node
	ReadPerMillion    float64 `yaml:"read_per_million" json:"read_per_million"`       // requests served
	WritePerMillion   float64 `yaml:"write_per_million" json:"write_per_million"`     //
	SlowPerMillion    float64 `yaml:"slow_per_million" json:"slow_per_million"`       // requests served later than the SLO
	RefusedPerMillion float64 `yaml:"refused_per_million" json:"refused_per_million"` // requests not served
}

// Limits are the guards' bounds.
type Limits struct {
	// ZoneDeclaredShare is the largest share of a zone's nodes that may be
	// declared dead at a time.
	ZoneDeclaredShare float64 `yaml:"zone_declared_share" json:"zone_declared_share"`
	// FreeSpace is the share of the believed reachable capacity, less what is
	// on order, below which nothing more may be ordered.
	FreeSpace float64 `yaml:"free_space" json:"free_space"`
}

// Reward says how dollars become reward.
type Reward struct {
	Interval     time.Duration `yaml:"interval" json:"interval"`           // nominal interval: the unit of Elapsed
	TimeConstant time.Duration `yaml:"time_constant" json:"time_constant"` // τ: reward is discounted by e^(−t/τ)
	ScaleUSD     float64       `yaml:"scale_usd" json:"scale_usd"`         // dollars per unit of reward
}

const days = 24 * time.Hour

// DefaultConfig is a cluster of 100 nodes under the failure rates of published
// studies, without correlated failures but rack outages; every other process
// needs only its rate to be set.
//
// Sources: those of defaultFailures; HDFS: heartbeat 3 s, a node is stale after
// 30 s, 2 repair streams a node; list prices of the large clouds, 2026. What has
// no published figure is marked as assumed.
func DefaultConfig() Config {
	return Config{
		Topology: Topology{Regions: 1, ZonesPerRegion: 2, RacksPerZone: 5, NodesPerRack: 10},
		Data: Data{ShardsPerNode: 20, ShardGB: 200, ReplicationFactor: 3, Quorum: 2, NodeGB: 20_000,
			Placement: placement.DefaultConfig()},
		Failures: defaultFailures(),
		Monitor: Monitor{
			Heartbeat:  3 * time.Second,
			Timeout:    30 * time.Second,
			RiskDelay:  30 * time.Second,
			HoldReview: 6 * time.Hour,
		},
		Domains:   defaultDomains(),
		Predictor: defaultPredictor(),
		Detector:  defaultDetector(),
		Suspicion: defaultSuspicion(),
		Reviews:   defaultReviews(),
		Repair: Repair{
			StreamMBps: 50, FastFactor: 4, // a disk's sequential rate, 150 to 250 MB/s, and a quarter of it
			ZoneMBps:       1000, // assumed: 8 Gb/s of each zone's network
			StreamsPerNode: 2,
		},
		Load: defaultLoad(),
		Prices: Prices{
			StoragePerGBMonth:    0.020, // GCS
			CrossZonePerGB:       0.02,  // AWS: 0.01 in each direction
			CrossRegionPerGB:     0.05,
			CrossContinentPerGB:  0.08, // GCP
			InternetPerGB:        0.09, // AWS
			SlowRepairPerHour:    0.05, // assumed
			FastRepairPerHour:    0.5,  // assumed
			UnavailablePerTBHour: 600,  // assumed: no price is published
			LossPerTB:            50_000,
			Restart:              0.2,
			Declare:              0,    // automatic in all systems modelled
			FailOver:             0.05, // assumed: a minute of a server of 0.4 $/h, and retries
			Replace:              5,    // assumed: some minutes of a technician
			ServerPerHour:        0.40, // 8 virtual processors, on demand
			SlowPerMillion:       10,   // assumed
			RefusedPerMillion:    100,  // assumed
		},
		Limits:  Limits{ZoneDeclaredShare: 0.25, FreeSpace: 0.05}, // Ceph: mon_osd_min_in_ratio 0.75, full ratio 0.95
		Reward:  Reward{Interval: 5 * time.Minute, TimeConstant: 60 * time.Hour, ScaleUSD: 100},
		Horizon: 30 * days,
	}
}

// Validate reports every field that is out of range, as field.Errors.
func (c Config) Validate() error {
	var e field.Errors
	t := c.Topology
	e.Want(t.Regions >= 1 && t.Regions <= 64, "topology.regions", t.Regions, "1 to 64")
	e.Want(t.ZonesPerRegion >= 1 && t.ZonesPerRegion <= 64, "topology.zones_per_region", t.ZonesPerRegion, "1 to 64")
	e.Want(t.RacksPerZone >= 1 && t.RacksPerZone <= 10_000, "topology.racks_per_zone", t.RacksPerZone, "1 to 10000")
	e.Want(t.NodesPerRack >= 1 && t.NodesPerRack <= 1000, "topology.nodes_per_rack", t.NodesPerRack, "1 to 1000")
	if len(e) == 0 {
		e.Want(t.Nodes() <= 1_000_000, "topology", fmt.Sprintf("%d nodes", t.Nodes()), "at most 1000000")
	}
	d := c.Data
	e.Want(d.ShardsPerNode >= 1 && d.ShardsPerNode <= 10_000, "data.shards_per_node", d.ShardsPerNode, "1 to 10000")
	e.Want(d.ShardGB >= 1e-6 && d.ShardGB <= 1e6, "data.shard_gb", d.ShardGB, "1e-6 to 1e6")
	e.Want(d.ReplicationFactor >= 1 && d.ReplicationFactor <= maxFactor, "data.replication_factor", d.ReplicationFactor, fmt.Sprintf("1 to %d", maxFactor))
	e.Want(d.MaxFactor == 0 || d.MaxFactor >= d.ReplicationFactor && d.MaxFactor <= maxFactor, "data.max_factor", d.MaxFactor,
		fmt.Sprintf("data.replication_factor to %d, or 0", maxFactor))
	e.Want(d.Quorum >= 1 && d.Quorum <= d.ReplicationFactor, "data.quorum", d.Quorum, "1 to data.replication_factor")
	e.Want(d.NodeGB > 0 && d.NodeGB <= 1e12, "data.node_gb", d.NodeGB, "above 0, to 1e12")
	validateTiers(d.Tiers, &e)
	if len(e) == 0 {
		e.Want(float64(t.Nodes())*float64(d.ShardsPerNode) <= 100_000_000, "data.shards_per_node", d.ShardsPerNode, "at most 100000000 shards in all")
		copies := math.Ceil(float64(d.ShardsPerNode*d.ReplicationFactor) / 0.9)
		e.Want(float64(d.copiesPerNode()) >= copies, "data.node_gb", d.NodeGB,
			fmt.Sprintf("at least %g, %.0f shards, for copies to fill no more than 90 %%", copies*d.ShardGB, copies))
		if len(e) == 0 {
			e.Under("data.placement", d.Placement.Check(t.placed(), t.Nodes()*d.ShardsPerNode, d.ReplicationFactor, int(d.copiesPerNode())))
		}
	}
	c.Failures.validate(&e, t, c.Horizon)
	m := c.Monitor
	e.Want(m.Heartbeat >= time.Millisecond && m.Heartbeat <= time.Hour, "monitor.heartbeat", m.Heartbeat, "1ms to 1h")
	e.Want(m.Timeout >= m.Heartbeat && m.Timeout <= 24*time.Hour, "monitor.timeout", m.Timeout, "monitor.heartbeat to 24h")
	e.Want(m.RiskDelay >= 0 && m.RiskDelay <= time.Hour, "monitor.risk_delay", m.RiskDelay, "0 to 1h")
	e.Want(m.HoldReview >= time.Minute, "monitor.hold_review", m.HoldReview, "at least 1m")
	c.Domains.validate(&e)
	c.Predictor.validate(&e)
	c.Detector.validate(&e)
	c.Suspicion.validate(&e)
	c.Reviews.validate(&e)
	r := c.Repair
	e.Want(r.StreamMBps >= 1e-3 && r.StreamMBps <= 1e9, "repair.stream_mbps", r.StreamMBps, "1e-3 to 1e9")
	e.Want(r.FastFactor >= 1 && r.FastFactor <= 100, "repair.fast_factor", r.FastFactor, "1 to 100")
	e.Want(r.ZoneMBps >= 1e-3 && r.ZoneMBps <= 1e9, "repair.zone_mbps", r.ZoneMBps, "1e-3 to 1e9")
	e.Want(r.StreamsPerNode >= 1 && r.StreamsPerNode <= 100, "repair.streams_per_node", r.StreamsPerNode, "1 to 100")
	p := c.Prices
	for _, x := range []struct {
		path  string
		value float64
	}{
		{"storage_per_gb_month", p.StoragePerGBMonth}, {"cross_zone_per_gb", p.CrossZonePerGB},
		{"cross_region_per_gb", p.CrossRegionPerGB}, {"slow_repair_per_hour", p.SlowRepairPerHour},
		{"fast_repair_per_hour", p.FastRepairPerHour}, {"unavailable_per_tb_hour", p.UnavailablePerTBHour},
		{"loss_per_tb", p.LossPerTB}, {"restart", p.Restart}, {"declare", p.Declare},
		{"fail_over", p.FailOver}, {"replace", p.Replace},
		{"cross_continent_per_gb", p.CrossContinentPerGB}, {"internet_per_gb", p.InternetPerGB},
		{"server_per_hour", p.ServerPerHour}, {"read_per_million", p.ReadPerMillion}, {"write_per_million", p.WritePerMillion},
		{"slow_per_million", p.SlowPerMillion}, {"refused_per_million", p.RefusedPerMillion},
	} {
		e.Want(x.value >= 0 && !math.IsInf(x.value, 0), "prices."+x.path, x.value, "a price >= 0")
	}
	p.validateProviders(&e, t.Regions)
	c.Load.validate(&e, d)
	e.Want(share(c.Limits.ZoneDeclaredShare), "limits.zone_declared_share", c.Limits.ZoneDeclaredShare, "0 to 1")
	e.Want(share(c.Limits.FreeSpace), "limits.free_space", c.Limits.FreeSpace, "0 to 1")
	w := c.Reward
	e.Want(w.Interval >= time.Second && w.Interval <= 24*time.Hour, "reward.interval", w.Interval, "1s to 24h")
	e.Want(w.TimeConstant >= w.Interval, "reward.time_constant", w.TimeConstant, "at least reward.interval")
	e.Want(positive(w.ScaleUSD), "reward.scale_usd", w.ScaleUSD, "dollars > 0")
	e.Want(c.Horizon >= time.Hour && c.Horizon <= 100*365*days, "horizon", c.Horizon, "1h to 876000h")
	return e.Err()
}

func positive(x float64) bool { return x > 0 && !math.IsInf(x, 0) }
func share(x float64) bool    { return x >= 0 && x <= 1 }

func simulated(d time.Duration) env.Time { return env.Time(d / time.Microsecond) }
