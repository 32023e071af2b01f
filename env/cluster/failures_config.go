package cluster

import (
	"fmt"
	"time"

	"mend/configs/field"
)

// Failures are the exogenous processes. They are the same for every policy. A
// process whose rate is 0 never strikes: its MTTF, Upgrade.Every, Lemons.Share.
type Failures struct {
	Transient   Outages   `yaml:"transient" json:"transient"`     // per node
	Maintenance Outages   `yaml:"maintenance" json:"maintenance"` // per node: longer outages, reboots
	Lemons      Lemons    `yaml:"lemons" json:"lemons"`           // per node
	Permanent   Permanent `yaml:"permanent" json:"permanent"`     // per node
	Slow        Slow      `yaml:"slow" json:"slow"`               // per node
	Spot        Spot      `yaml:"spot" json:"spot"`               // per node
	Burst       Bursts    `yaml:"burst" json:"burst"`             // per rack

	// Outages of whole domains, each process per domain. A PDU feeds RacksPerPDU
	// consecutive racks of a zone, a provider runs RegionsPerProvider
	// consecutive regions; the last of each may have fewer.
	Rack               DomainOutages `yaml:"rack" json:"rack"`
	PDU                DomainOutages `yaml:"pdu" json:"pdu"`
	Zone               DomainOutages `yaml:"zone" json:"zone"`
	Region             DomainOutages `yaml:"region" json:"region"`
	Provider           DomainOutages `yaml:"provider" json:"provider"`
	RacksPerPDU        int           `yaml:"racks_per_pdu" json:"racks_per_pdu"`
	RegionsPerProvider int           `yaml:"regions_per_provider" json:"regions_per_provider"`

	Partition Partitions `yaml:"partition" json:"partition"` // per pair of zones
	Upgrade   Upgrades   `yaml:"upgrade" json:"upgrade"`     // of all nodes

	// Replacement is the mean of the exponential time after which an empty
	// machine takes the place of a lost one.
	Replacement time.Duration `yaml:"replacement" json:"replacement"`
	// RestartCures is the share of transient (lemons' too), maintenance and
	// burst outages that a restart ends after RestartTime; others it does not
	// touch.
	RestartCures float64       `yaml:"restart_cures" json:"restart_cures"`
	RestartTime  time.Duration `yaml:"restart_time" json:"restart_time"`
}

// Outages is a process that strikes its subject for a while.
//
// Gaps between strikes are Weibull with mean MTTF (0: never) and shape Shape
// (0 stands for 1: exponential); below 1, strikes cluster. An episode starts in
// the midst of a renewal process that has gone on forever.
//
// A duration is the sum of up to three parts, any of which may be 0: Offset, a
// lognormal of median Median, and an exponential of mean Exponential. Where
// TailShare > 0, that share of the lognormals, the longest, follow instead a
// Pareto law of index TailIndex that begins where they do.
type Outages struct {
	MTTF        time.Duration `yaml:"mttf" json:"mttf"`
	Shape       float64       `yaml:"shape" json:"shape"`
	Offset      time.Duration `yaml:"offset" json:"offset"`
	Median      time.Duration `yaml:"median" json:"median"`
	Sigma       float64       `yaml:"sigma" json:"sigma"` // of the logarithm of the lognormal part
	TailShare   float64       `yaml:"tail_share" json:"tail_share"`
	TailIndex   float64       `yaml:"tail_index" json:"tail_index"` // P(X > x) ~ x^−index
	Exponential time.Duration `yaml:"exponential" json:"exponential"`
}

// Bursts strike several nodes in the same instant, each down for a time of its
// own: 1 + a geometric number of nodes of one rack, MeanNodes on average; or,
// with probability WideProbability, a share of all nodes, log-uniform from
// WideMin to WideMax, wherever they are.
type Bursts struct {
	Outages         `yaml:",inline"`
	MeanNodes       float64 `yaml:"mean_nodes" json:"mean_nodes"`
	WideProbability float64 `yaml:"wide_probability" json:"wide_probability"`
	WideMin         float64 `yaml:"wide_min" json:"wide_min"`
	WideMax         float64 `yaml:"wide_max" json:"wide_max"`
	// LossProbability is the chance that a struck node loses its data.
	LossProbability float64 `yaml:"loss_probability" json:"loss_probability"`
}

// DomainOutages cut a whole domain off at once.
type DomainOutages struct {
	Outages `yaml:",inline"`
	// LossProbability is the chance that a node of the domain loses its data.
	LossProbability float64 `yaml:"loss_probability" json:"loss_probability"`
}

// Permanent is the loss of a node with its data. The hazard of a machine is
//
//	h = m·g(age)/MTTF
//
// where m is the factor of its model and g depends on Hazard: 1 for constant,
// the factor of its age band for bathtub, and for weibull that of a lifetime
// with mean MTTF and shape Shape, k·Γ(1+1/k)^k·(age/MTTF)^(k−1). A machine that
// is put into service is a day old, where age matters, for it has been tested.
type Permanent struct {
	MTTF   time.Duration `yaml:"mttf" json:"mttf"`
	Hazard string        `yaml:"hazard" json:"hazard"` // constant, bathtub or weibull
	Bands  []AgeBand     `yaml:"bands" json:"bands"`
	Shape  float64       `yaml:"shape" json:"shape"`
	// Models says which machines differ from the rest; the share that is left
	// has factor 1. A machine's model is drawn when it is put into service.
	Models []MachineModel `yaml:"models" json:"models"`
	// At the start of an episode machines are uniformly up to InitialAgeMax
	// old.
	InitialAgeMax time.Duration `yaml:"initial_age_max" json:"initial_age_max"`
}

// The hazards of Permanent.
const (
	HazardConstant = "constant"
	HazardBathtub  = "bathtub"
	HazardWeibull  = "weibull"
)

// AgeBand is a range of ages with one hazard, up to the age Until. The last
// one reaches beyond it.
type AgeBand struct {
	Until  time.Duration `yaml:"until" json:"until"`
	Factor float64       `yaml:"factor" json:"factor"`
}

// MachineModel is a kind of machine.
type MachineModel struct {
	Share  float64 `yaml:"share" json:"share"` // of machines
	Factor float64 `yaml:"factor" json:"factor"`
}

// Lemons are machines, a Share of all, that have Factor times as many transient
// outages beside those that every node has.
type Lemons struct {
	Share  float64 `yaml:"share" json:"share"`
	Factor float64 `yaml:"factor" json:"factor"`
}

// Slow is fail-slow: MTTF is the mean time to its onset, the durations those
// until it heals or, with probability Escalates, ends in the loss of the node.
// While slow a node takes x times as long for everything, x being 1 +
// (FactorMedian − 1)·e^(FactorSigma·z) with z standard normal.
type Slow struct {
	Outages      `yaml:",inline"`
	FactorMedian float64 `yaml:"factor_median" json:"factor_median"`
	FactorSigma  float64 `yaml:"factor_sigma" json:"factor_sigma"`
	// Intermittent is the share that alternates: slow and normal for
	// exponential times of the given means.
	Intermittent float64       `yaml:"intermittent" json:"intermittent"`
	SlowPhase    time.Duration `yaml:"slow_phase" json:"slow_phase"`
	NormalPhase  time.Duration `yaml:"normal_phase" json:"normal_phase"`
	Escalates    float64       `yaml:"escalates" json:"escalates"`
	RestartCures float64       `yaml:"restart_cures" json:"restart_cures"` // share
}

// Partitions cut the network between two zones: a OneWay share of them in one
// direction only. The controller is in zone 0.
type Partitions struct {
	Outages `yaml:",inline"`
	OneWay  float64 `yaml:"one_way" json:"one_way"`
}

// Upgrades walk over all nodes in order, Batch of them at a time, and restart
// each: it is down for a lognormal time. With probability Bad the build is bad:
// the nodes that run it crash with mean gap CrashMTTF, and are then down for as
// long as in a restart, until a rollback, which begins a lognormal time after
// the upgrade, has restarted them in the same order.
type Upgrades struct {
	Every          time.Duration `yaml:"every" json:"every"` // 0: never
	Batch          float64       `yaml:"batch" json:"batch"` // share of nodes
	BatchEvery     time.Duration `yaml:"batch_every" json:"batch_every"`
	Median         time.Duration `yaml:"median" json:"median"` // of a restart
	Sigma          float64       `yaml:"sigma" json:"sigma"`
	Bad            float64       `yaml:"bad" json:"bad"`
	CrashMTTF      time.Duration `yaml:"crash_mttf" json:"crash_mttf"`
	RollbackMedian time.Duration `yaml:"rollback_median" json:"rollback_median"`
	RollbackSigma  float64       `yaml:"rollback_sigma" json:"rollback_sigma"`
}

// Spot preempts the Share of each zone's nodes that are spot instances: MTTF is
// the mean time from one preemption of a node to the warning of the next;
// Warning later the node is lost with its data, and the durations are those
// until an empty machine takes its place. A warning that comes while it is away
// is without effect.
type Spot struct {
	Outages `yaml:",inline"`
	Share   float64       `yaml:"share" json:"share"`
	Warning time.Duration `yaml:"warning" json:"warning"`
}

const year = 365 * days

// defaultFailures are the rates of published studies, or 0, beside which stand
// the parameters of every process and a published rate.
//
// Sources: Ford et al., "Availability in globally distributed storage systems"
// (OSDI 2010): node MTTF to outages of 15 minutes and more 4.3 months, fewer
// than one outage in ten that long, rack MTTF 10.2 years, bursts of up to 10 %
// of all nodes; Zhang et al., "SimEDC" (SRDS 2017): permanent node MTTF
// 91,250 h, rack outages of 10 h + Exp(24 h); Cidon et al., "Copysets" (ATC
// 2013): up to 1 % of nodes do not survive a power outage; Dean, "Software
// engineering advice from building large-scale distributed systems" (2007): a
// new cluster loses a PDU a year, for 6 h; Backblaze drive statistics, April
// 2013 to September 2016, by courtesy of Backblaze; LANL's failure records
// (Schroeder and Gibson, DSN 2006); Gunawi et al., "Fail-slow at scale" (FAST
// 2018), and Lu et al., "Perseus" (FAST 2023): 1 to 2 % of machines turn slow
// in a year; Alquraan et al., "An analysis of network-partitioning failures in
// cloud systems" (OSDI 2018): 29 % of partitions are partial; Wu et al., "Can't
// be late" (NSDI 2024), the spot traces published with it. What has no
// published figure is marked as assumed.
func defaultFailures() Failures {
	return Failures{
		// Once in 30 days; P(> 15 min) = 9.9 %.
		Transient: Outages{MTTF: 30 * days, Median: 3 * time.Minute, Sigma: 1.25},
		// With the tail of the above this gives the 4.3 months.
		Maintenance: Outages{MTTF: 130 * days, Median: 30 * time.Minute, Sigma: 0.5},
		// With a share of 0.01, of the transient outages that come 30 days
		// apart 15 % are followed by another of the same node within 24 h and
		// 37 % within 7 d, as LANL's failures are (14.8 % and 37.1 %).
		Lemons: Lemons{Share: 0, Factor: 26},
		Permanent: Permanent{
			MTTF:   91_250 * time.Hour,
			Hazard: HazardConstant,
			// Backblaze: annual failure rates of 2.69, 2.23, 2.06, 2.52, 4.60,
			// 6.40, 3.33, 3.82 and 5.10 % by age, over the 3.57 % of all.
			Bands: []AgeBand{
				{year / 4, 0.754}, {year / 2, 0.625}, {year, 0.577}, {3 * year / 2, 0.706}, {2 * year, 1.289},
				{3 * year, 1.793}, {4 * year, 0.933}, {5 * year, 1.070}, {6 * year, 1.429},
			},
			Shape:         1.2,      // Backblaze, all models; by model 0.65 to 2.95
			InitialAgeMax: 5 * year, // assumed
		},
		// Rate: 584,000 h, 1.5 % a node and year. The duration, shares and
		// factors are assumed: healing after 48 h; a median of 3 and a 95th
		// percentile of 20.
		Slow: Slow{
			Outages: Outages{Exponential: 48 * time.Hour}, FactorMedian: 3, FactorSigma: 1.37,
			Intermittent: 0.3, SlowPhase: time.Hour, NormalPhase: time.Hour, Escalates: 0.25, RestartCures: 0.226,
		},
		// Rate: 0.7 to 9.8 h; spot instances were away for 0.8 to 3.6 h on
		// average, here for 1.65 h. AWS warns 120 s before. The share is
		// assumed.
		Spot: Spot{Outages: Outages{Median: time.Hour, Sigma: 1}, Share: 0.3, Warning: 120 * time.Second},
		// Wide bursts: 0.1 of all suits the sizes of the study.
		Burst: Bursts{Outages: Outages{Median: 15 * time.Minute, Sigma: 1}, MeanNodes: 4, WideMin: 0.01, WideMax: 0.1, LossProbability: 0.01},
		// 10.2 years; the duration is assumed, as for switch faults.
		Rack: DomainOutages{Outages: Outages{MTTF: 89_413 * time.Hour, Median: time.Hour, Sigma: 1}, LossProbability: 0.01},
		// Rate: 8760 h for the PDUs of a cluster together. Sigma is assumed.
		PDU: DomainOutages{Outages: Outages{Median: 6 * time.Hour, Sigma: 0.5}, LossProbability: 0.01},
		// The clouds publish no rates of these. Rates: 17,520 h, 2 years of a
		// zone; 43,800 h, 5 years of a region; all assumed.
		Zone:               DomainOutages{Outages: Outages{Median: 2 * time.Hour, Sigma: 1}, LossProbability: 0.01},
		Region:             DomainOutages{Outages: Outages{Median: 4 * time.Hour, Sigma: 1}},
		Provider:           DomainOutages{Outages: Outages{Median: 4 * time.Hour, Sigma: 1}},
		RacksPerPDU:        2, // assumed: Dean's fed 500 to 1000 machines
		RegionsPerProvider: 1,
		// Rate: 4380 h, 2 a year and pair of zones; rate and duration are
		// assumed.
		Partition: Partitions{Outages: Outages{Median: 10 * time.Minute, Sigma: 1.2}, OneWay: 0.29},
		// Rate: 30 days. All assumed.
		Upgrade: Upgrades{
			Batch: 0.05, BatchEvery: 30 * time.Minute, Median: 3 * time.Minute, Sigma: 0.5,
			Bad: 0.02, CrashMTTF: time.Hour, RollbackMedian: 2 * time.Hour, RollbackSigma: 0.5,
		},
		Replacement: 24 * time.Hour, // assumed
		// 22.6 % of LANL's 23,739 failures had a software cause.
		RestartCures: 0.226,
		RestartTime:  3 * time.Minute, // assumed
	}
}

// maxPartitionZones is the largest number of zones that partitions are
// modelled for: there is a timer for every pair.
const maxPartitionZones = 256

// validate adds a complaint for every field that is out of range.
func (f *Failures) validate(e *field.Errors, t Topology, horizon time.Duration) {
	rate := func(path string, d time.Duration) {
		e.Want(d == 0 || d >= time.Minute, path, d, "at least 1m, or 0 for never")
	}
	probability := func(path string, x float64) { e.Want(share(x), path, x, "0 to 1") }
	positiveTime := func(path string, d time.Duration) { e.Want(d >= time.Second, path, d, "at least 1s") }
	sigma := func(path string, x float64) { e.Want(x >= 0 && x <= 5, path, x, "0 to 5") }
	outages := func(path string, o *Outages) {
		path = "failures." + path
		rate(path+".mttf", o.MTTF)
		e.Want(o.Shape == 0 || o.Shape >= 0.2 && o.Shape <= 10, path+".shape", o.Shape, "0.2 to 10, or 0 for 1")
		e.Want(o.Offset >= 0, path+".offset", o.Offset, "a duration >= 0")
		e.Want(o.Exponential >= 0, path+".exponential", o.Exponential, "a duration >= 0")
		if o.Median != 0 || o.Offset == 0 && o.Exponential == 0 {
			positiveTime(path+".median", o.Median)
		}
		sigma(path+".sigma", o.Sigma)
		e.Want(o.TailShare >= 0 && o.TailShare <= 0.5, path+".tail_share", o.TailShare, "0 to 0.5")
		if o.TailShare > 0 {
			e.Want(o.TailIndex >= 0.5 && o.TailIndex <= 100, path+".tail_index", o.TailIndex, "0.5 to 100")
		}
	}
	domains := func(path string, d *DomainOutages) {
		outages(path, &d.Outages)
		probability("failures."+path+".loss_probability", d.LossProbability)
	}
	outages("transient", &f.Transient)
	outages("maintenance", &f.Maintenance)
	probability("failures.lemons.share", f.Lemons.Share)
	e.Want(f.Lemons.Factor > 0 && f.Lemons.Factor <= 1e4, "failures.lemons.factor", f.Lemons.Factor, "above 0, at most 10000")
	if f.Lemons.Share > 0 && f.Lemons.Factor > 0 && f.Transient.MTTF > 0 {
		e.Want(f.Transient.MTTF.Minutes()/f.Lemons.Factor >= 1, "failures.lemons.factor", f.Lemons.Factor, "outages of lemons to be at least 1m apart")
	}
	f.Permanent.validate(e, horizon)

	s := &f.Slow
	outages("slow", &s.Outages)
	e.Want(s.FactorMedian > 1 && s.FactorMedian <= 1000, "failures.slow.factor_median", s.FactorMedian, "above 1, at most 1000")
	sigma("failures.slow.factor_sigma", s.FactorSigma)
	probability("failures.slow.intermittent", s.Intermittent)
	positiveTime("failures.slow.slow_phase", s.SlowPhase)
	positiveTime("failures.slow.normal_phase", s.NormalPhase)
	probability("failures.slow.escalates", s.Escalates)
	probability("failures.slow.restart_cures", s.RestartCures)

	outages("spot", &f.Spot.Outages)
	probability("failures.spot.share", f.Spot.Share)
	e.Want(f.Spot.Warning >= 0, "failures.spot.warning", f.Spot.Warning, "a duration >= 0")

	b := &f.Burst
	outages("burst", &b.Outages)
	e.Want(b.MeanNodes >= 1 && b.MeanNodes <= 1000, "failures.burst.mean_nodes", b.MeanNodes, "1 to 1000")
	probability("failures.burst.wide_probability", b.WideProbability)
	if b.WideProbability > 0 {
		e.Want(b.WideMin > 0 && b.WideMin <= 1, "failures.burst.wide_min", b.WideMin, "above 0, at most 1")
		e.Want(b.WideMax >= b.WideMin && b.WideMax <= 1, "failures.burst.wide_max", b.WideMax, "failures.burst.wide_min to 1")
	}
	probability("failures.burst.loss_probability", b.LossProbability)

	domains("rack", &f.Rack)
	domains("pdu", &f.PDU)
	domains("zone", &f.Zone)
	domains("region", &f.Region)
	domains("provider", &f.Provider)
	e.Want(f.RacksPerPDU >= 1 && f.RacksPerPDU <= 10_000, "failures.racks_per_pdu", f.RacksPerPDU, "1 to 10000")
	e.Want(f.RegionsPerProvider >= 1 && f.RegionsPerProvider <= 64, "failures.regions_per_provider", f.RegionsPerProvider, "1 to 64")

	outages("partition", &f.Partition.Outages)
	probability("failures.partition.one_way", f.Partition.OneWay)
	if f.Partition.MTTF > 0 {
		e.Want(t.Zones() <= maxPartitionZones, "topology", fmt.Sprintf("%d zones", t.Zones()), fmt.Sprintf("at most %d with partitions", maxPartitionZones))
	}

	u := &f.Upgrade
	e.Want(u.Every == 0 || u.Every >= time.Hour, "failures.upgrade.every", u.Every, "at least 1h, or 0 for never")
	e.Want(u.Batch > 0 && u.Batch <= 1, "failures.upgrade.batch", u.Batch, "above 0, at most 1")
	positiveTime("failures.upgrade.batch_every", u.BatchEvery)
	positiveTime("failures.upgrade.median", u.Median)
	sigma("failures.upgrade.sigma", u.Sigma)
	probability("failures.upgrade.bad", u.Bad)
	e.Want(u.CrashMTTF >= time.Minute, "failures.upgrade.crash_mttf", u.CrashMTTF, "at least 1m")
	positiveTime("failures.upgrade.rollback_median", u.RollbackMedian)
	sigma("failures.upgrade.rollback_sigma", u.RollbackSigma)

	e.Want(f.Replacement >= time.Minute, "failures.replacement", f.Replacement, "at least 1m")
	probability("failures.restart_cures", f.RestartCures)
	positiveTime("failures.restart_time", f.RestartTime)
}

func (p *Permanent) validate(e *field.Errors, horizon time.Duration) {
	const path = "failures.permanent."
	e.Want(p.MTTF == 0 || p.MTTF >= time.Minute, path+"mttf", p.MTTF, "at least 1m, or 0 for never")
	complaints := len(*e)
	factor := func(path string, x float64) { e.Want(x >= 0 && x <= 1000, path, x, "0 to 1000") }
	highest := 0.0
	switch p.Hazard {
	case HazardConstant:
		highest = 1
	case HazardBathtub:
		before := time.Duration(0)
		for i, b := range p.Bands {
			at := fmt.Sprintf("%sbands[%d].", path, i)
			e.Want(b.Until > before, at+"until", b.Until, fmt.Sprintf("ages in ascending order, more than %s", before))
			factor(at+"factor", b.Factor)
			before, highest = b.Until, max(highest, b.Factor)
		}
		e.Want(highest > 0, path+"bands", len(p.Bands), "at least one band with a factor > 0")
	case HazardWeibull:
		e.Want(p.Shape >= 0.2 && p.Shape <= 10, path+"shape", p.Shape, "0.2 to 10")
	default:
		e.Want(false, path+"hazard", p.Hazard, "constant, bathtub or weibull")
	}
	sum, models := 0.0, 0.0
	for i, m := range p.Models {
		at := fmt.Sprintf("%smodels[%d].", path, i)
		e.Want(share(m.Share), at+"share", m.Share, "0 to 1")
		factor(at+"factor", m.Factor)
		sum += m.Share
		if m.Share > 0 {
			models = max(models, m.Factor)
		}
	}
	e.Want(sum <= 1+1e-9, path+"models", fmt.Sprintf("shares that add up to %g", sum), "at most 1")
	e.Want(sum < 1-1e-9 || models > 0, path+"models", "factors of 0", "a factor > 0, or mttf 0 for never")
	e.Want(p.InitialAgeMax >= 0 && p.InitialAgeMax <= 100*year, path+"initial_age_max", p.InitialAgeMax, "0 to 876000h")
	if p.MTTF > 0 && len(*e) == complaints {
		least := p.MTTF.Minutes() / p.highest(horizon)
		e.Want(least >= 1, path+"mttf", p.MTTF, fmt.Sprintf("at least %.3gm for losses at the highest hazard to be 1m apart", p.MTTF.Minutes()/least))
	}
}
