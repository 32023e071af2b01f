package cluster

import (
	"fmt"
	"time"

	"mend/configs/field"
	"mend/env/queueing"
	"mend/env/workload"
)

// The kinds of consistency.
const (
	// ConsistencyQuorum refuses a read or write that reaches fewer copies than
	// its quorum; one copy of each shard is its primary, which orders its writes.
	ConsistencyQuorum = "quorum"
	// ConsistencyAvailable serves what reaches any copy; there are no primaries.
	ConsistencyAvailable = "available"
)

// Load is what clients ask of the cluster, and how it serves them. Where
// RequestsPerSecond is 0 there is no load, and nothing else here matters.
type Load struct {
	workload.Config `yaml:",inline"`
	// Service is one node, healthy and without load; the SLO counts from the
	// client, round trip included.
	Service queueing.Class `yaml:"service" json:"service"`
	RTT     RoundTrips     `yaml:"rtt" json:"rtt"`
	// RepairServers is how many servers of a node a slow repair keeps busy, at
	// its source and at its destination; a fast one Repair.FastFactor times as many.
	RepairServers float64 `yaml:"repair_servers" json:"repair_servers"`
	// Consistency is quorum or available. A read needs ReadQuorum copies, a
	// write WriteQuorum.
	Consistency string `yaml:"consistency" json:"consistency"`
	ReadQuorum  int    `yaml:"read_quorum" json:"read_quorum"`
	WriteQuorum int    `yaml:"write_quorum" json:"write_quorum"`
	// FailoverDelay is how long a node must have been down for its primaries to
	// move to other nodes by themselves, unless a domain is lost with it.
	FailoverDelay time.Duration `yaml:"failover_delay" json:"failover_delay"`
	// A popular shard is asked about where the requests for it take more than
	// Hot of the capacity of each of the nodes that hold it, or, if it has extra
	// copies, would take less than Cold with one fewer.
	Hot  float64 `yaml:"hot" json:"hot"`
	Cold float64 `yaml:"cold" json:"cold"`
	// Bytes that a read returns and a write brings, and the share of the bytes
	// read that go to clients in the internet.
	ReadBytes     float64 `yaml:"read_bytes" json:"read_bytes"`
	WriteBytes    float64 `yaml:"write_bytes" json:"write_bytes"`
	InternetShare float64 `yaml:"internet_share" json:"internet_share"`
}

// RoundTrips are the times of a request's way to a node and back.
type RoundTrips struct {
	Zone   time.Duration `yaml:"zone" json:"zone"`     // within a zone
	Region time.Duration `yaml:"region" json:"region"` // between zones of a region
	Far    time.Duration `yaml:"far" json:"far"`       // between regions
}

// defaultLoad is no load; its other figures are those of an interactive store.
//
// Sources: round trips within a zone 0.1 to 0.3 ms (large clouds), between
// zones of AWS regions 0.25 to 3.4 ms, best of 50 pings over all pairs, between
// the east and west of the United States 60 to 70 ms; Yang, Yue, Rashmi (OSDI
// 2020): median value of Twitter's caches 224 B, here 1 kB with keys and headers;
// leases of CockroachDB and etcd end after 5 to 10 s. What has no published
// figure is marked as assumed.
func defaultLoad() Load {
	l := Load{
		Config: workload.DefaultConfig(),
		// Assumed: 4000 requests a second of a node, of 2 ms each.
		Service: queueing.Class{Servers: 8, ServiceSeconds: 0.002, CV2: 1, SLOSeconds: 0.1},
		RTT:     RoundTrips{Zone: 250 * time.Microsecond, Region: 800 * time.Microsecond, Far: 65 * time.Millisecond},
		// A server as a disk of 150 to 250 MB/s, of which Repair.StreamMBps takes a
		// quarter.
		RepairServers: 0.25,
		Consistency:   ConsistencyQuorum,
		ReadQuorum:    2,
		WriteQuorum:   2,
		FailoverDelay: 10 * time.Second,
		Hot:           0.8, // assumed
		Cold:          0.3, // assumed
		ReadBytes:     1000,
		WriteBytes:    1000,
	}
	l.RequestsPerSecond = 0
	// Assumed: a shard holds many keys, which evens their popularity out.
	l.Popularity.ZipfExponent = 0.5
	return l
}

// offered reports whether there is load.
func (l *Load) offered() bool { return l.RequestsPerSecond > 0 }

func (l Load) validate(e *field.Errors, d Data) {
	e.Under("load", l.Config.Validate())
	e.Under("load.service", l.Service.Validate())
	e.Want(l.RepairServers >= 0 && l.RepairServers <= 1000, "load.repair_servers", l.RepairServers, "0 to 1000")
	for _, x := range []struct {
		path  string
		value time.Duration
	}{{"zone", l.RTT.Zone}, {"region", l.RTT.Region}, {"far", l.RTT.Far}} {
		e.Want(x.value >= 0 && x.value <= time.Minute, "load.rtt."+x.path, x.value, "0 to 1m")
	}
	e.Want(l.Consistency == ConsistencyQuorum || l.Consistency == ConsistencyAvailable, "load.consistency", l.Consistency,
		ConsistencyQuorum+" or "+ConsistencyAvailable)
	if l.offered() {
		allowed := fmt.Sprintf("1 to data.replication_factor, %d", d.ReplicationFactor)
		e.Want(l.ReadQuorum >= 1 && l.ReadQuorum <= d.ReplicationFactor, "load.read_quorum", l.ReadQuorum, allowed)
		e.Want(l.WriteQuorum >= 1 && l.WriteQuorum <= d.ReplicationFactor, "load.write_quorum", l.WriteQuorum, allowed)
	}
	e.Want(l.FailoverDelay >= time.Millisecond && l.FailoverDelay <= time.Hour, "load.failover_delay", l.FailoverDelay, "1ms to 1h")
	e.Want(l.Hot > 0 && l.Hot <= 1000, "load.hot", l.Hot, "above 0, to 1000")
	e.Want(l.Cold >= 0 && l.Cold < l.Hot, "load.cold", l.Cold, "0 to less than load.hot")
	e.Want(l.ReadBytes >= 0 && l.ReadBytes <= 1e12, "load.read_bytes", l.ReadBytes, "0 to 1e12")
	e.Want(l.WriteBytes >= 0 && l.WriteBytes <= 1e12, "load.write_bytes", l.WriteBytes, "0 to 1e12")
	e.Want(share(l.InternetShare), "load.internet_share", l.InternetShare, "0 to 1")
}
