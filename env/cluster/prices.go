package cluster

import (
	"fmt"

	"mend/configs/field"
)

// providerNames are those that prices.providers takes, by index.
var providerNames = [...]string{"custom", "aws", "gcp", "azure"}

const providers = len(providerNames)

// tariff is what a provider charges, in US dollars.
type tariff struct {
	storagePerGBMonth float64
	zonePerGB         float64 // between zones of a region, for each byte that is copied
	nearPerGB         float64 // to another region of the continent
	farPerGB          float64 // to another continent
	internetPerGB     float64 // to the internet and to other providers
	readPerMillion    float64 // requests
	writePerMillion   float64
	serverPerHour     float64 // 8 virtual processors
}

// tariffs are list prices of 2026 in a region in the United States, without
// discounts, for the first tier of volume. Sources: the providers' pages of
// prices. Storage is S3 Standard, Cloud Storage Standard and Blob Storage Hot LRS;
// servers are m5.2xlarge, n2-standard-8 and D8s v5, on demand. AWS charges 0.01
// $/GB on either side of a copy between zones, Google 0.01 once, Azure nothing.
// Prices to another continent vary with the pair; these are assumed to stand for
// all.
var tariffs = [providers]tariff{
	1: {storagePerGBMonth: 0.023, zonePerGB: 0.02, nearPerGB: 0.02, farPerGB: 0.09, internetPerGB: 0.09, readPerMillion: 0.4, writePerMillion: 5, serverPerHour: 0.384},
	2: {storagePerGBMonth: 0.020, zonePerGB: 0.01, nearPerGB: 0.02, farPerGB: 0.08, internetPerGB: 0.12, readPerMillion: 0.4, writePerMillion: 5, serverPerHour: 0.3885},
	3: {storagePerGBMonth: 0.018, zonePerGB: 0, nearPerGB: 0.02, farPerGB: 0.05, internetPerGB: 0.087, readPerMillion: 0.4, writePerMillion: 5, serverPerHour: 0.384},
}

// custom is the tariff that the configuration gives.
func (p *Prices) custom() tariff {
	return tariff{
		storagePerGBMonth: p.StoragePerGBMonth, zonePerGB: p.CrossZonePerGB, nearPerGB: p.CrossRegionPerGB,
		farPerGB: p.CrossContinentPerGB, internetPerGB: p.InternetPerGB,
		readPerMillion: p.ReadPerMillion, writePerMillion: p.WritePerMillion, serverPerHour: p.ServerPerHour,
	}
}

// providerIndex is the index of a provider's name, or −1.
func providerIndex(name string) int {
	for i, known := range providerNames {
		if name == known {
			return i
		}
	}
	return -1
}

func (p *Prices) validateProviders(e *field.Errors, regions int) {
	for i, name := range p.Providers {
		e.Want(providerIndex(name) >= 0, fmt.Sprintf("prices.providers.%d", i), name, "custom, aws, gcp or azure")
	}
	e.Want(len(p.Providers) <= regions, "prices.providers", fmt.Sprintf("%d providers", len(p.Providers)),
		fmt.Sprintf("at most one for each region, %d", regions))
	e.Want(p.RegionsPerContinent >= 0, "prices.regions_per_continent", p.RegionsPerContinent, "at least 1, or 0 for all")
}

// provider is the index of the provider of a group of regions that one provider
// has, see Failures.RegionsPerProvider.
func (p *Prices) provider(group int) uint8 {
	if len(p.Providers) == 0 {
		return 0
	}
	return uint8(providerIndex(p.Providers[group%len(p.Providers)]))
}

// chooseTariffs finds the provider and the tariff of every region.
func (w *World) chooseTariffs() {
	p := &w.cfg.Prices
	w.tariff = tariffs
	w.tariff[0] = p.custom()
	w.provider = make([]uint8, w.regions)
	for g := range w.provider {
		w.provider[g] = p.provider(g / w.cfg.Failures.RegionsPerProvider)
		w.mixed = w.mixed || w.provider[g] != w.provider[0]
	}
	w.pricePerCopyHour = w.cfg.Data.ShardGB * w.tariff[w.provider[0]].storagePerGBMonth / 730
}

// copiesAtStart counts the copies of the layout by provider.
func (w *World) copiesAtStart() (by [providers]int32) {
	for _, n := range w.layout.Nodes {
		by[w.provider[w.regionOfZone(w.zoneOf(n))]]++
	}
	return by
}

// Classes of traffic that cost something.
const (
	trafficZone     = iota // between zones of a region
	trafficRegion          // between regions of a provider
	trafficInternet        // between providers, or to clients in the internet
	trafficClasses
)

// traffic is the class of a transfer between two different zones, and its price
// in dollars a GB: that of the provider of its source.
func (w *World) traffic(from, to int) (class int, perGB float64) {
	a, b := w.regionOfZone(from), w.regionOfZone(to)
	t := &w.tariff[w.provider[a]]
	per := w.cfg.Prices.RegionsPerContinent
	switch {
	case a == b:
		return trafficZone, t.zonePerGB
	case w.provider[a] != w.provider[b]:
		return trafficInternet, t.internetPerGB
	case per > 0 && a/per != b/per:
		return trafficRegion, t.farPerGB
	}
	return trafficRegion, t.nearPerGB
}
