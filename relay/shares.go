package relay

import (
	"math"
	"net/netip"
	"runtime/debug"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// total is something of which there is only so much for all clients together,
// and for one address no more than its share. What is counted is what it costs.
type total uint8

const (
	ofOutbox  total = iota // bytes that wait for clients to read them
	ofFilters              // bytes of filters: of open REQs, and of COUNTs and NEG-OPENs under way
	ofCounts               // COUNTs that wait or are under way
	ofSyncs                // events of reconciliations
	ofGeo                  // bytes of answers about places, from the question until they are out
	totals
)

func (t total) String() string {
	return [...]string{"outbox", "filters", "counts", "syncs", "geo"}[t]
}

// scope says whose bound something was beyond.
type scope string

const (
	within       scope = "" // nobody's
	ofConnection scope = "connection"
	ofAddress    scope = "address"
	ofAll        scope = "all"
)

// bound is how much there may be of a total.
type bound struct{ most, share int64 }

// shareOf is the part of a total that one address may have: a quarter, or what
// one connection of it may need.
func shareOf(most, least int) bound {
	return bound{int64(most), int64(min(most, max(most/4, least)))}
}

// boundsOf are the bounds that a configuration sets.
func boundsOf(cfg *Config) *[totals]bound {
	l := &cfg.Limits
	return &[totals]bound{
		ofOutbox:  shareOf(l.outboxTotal(), 2*l.OutboxBytes),
		ofFilters: shareOf(l.filtersTotal(), l.FilterBytes),
		ofCounts:  {math.MaxInt64, int64(l.CountsPerIP)},
		ofSyncs:   shareOf(cfg.Sync.TotalEvents, cfg.Sync.Events),
		ofGeo:     shareOf(maxGeoTotal, 0),
	}
}

func (l *Limits) outboxTotal() int { return totalBytes(l.OutboxTotalMiB, 4, 512, l.OutboxBytes) }

func (l *Limits) filtersTotal() int { return totalBytes(l.FiltersTotalMiB, 8, 256, l.FilterBytes) }

// totalBytes is a total that is configured as so many MiB; 0: that part of what
// memory the process is to keep to, or else otherwise MiB.
func totalBytes(mib, part, otherwise, least int) int {
	if mib > 0 {
		return mib << 20
	}
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		return max(int(limit)/part, least)
	}
	return max(otherwise<<20, least)
}

// ledger knows how much there is of each total. A Reload changes its bounds.
type ledger struct {
	bounds  atomic.Pointer[[totals]bound]
	held    [totals]atomic.Int64
	refused *prometheus.CounterVec
	relieve func(*account) // is called when too much waits for clients
}

// accountKey tells accounts apart: those who are on this machine have one that
// is bound by the totals only.
type accountKey struct {
	net  netip.Addr
	free bool
}

// account is what one address holds of each total: IPv6 by /64. It lives as
// long as a connection from there.
type account struct {
	accountKey
	ledger *ledger
	held   [totals]atomic.Int64
	lanes  [lanes]lane // each guarded by its scheduler's mu

	uses int // connections, guarded by conns.mu
}

// take charges n to the account, or says whose bound that would be beyond, and
// counts the refusal.
func (a *account) take(t total, n int) scope {
	l, b := a.ledger, a.ledger.bounds.Load()[t]
	beyond := within
	switch {
	case a.held[t].Add(int64(n)) > b.share && !a.free:
		a.held[t].Add(-int64(n))
		beyond = ofAddress
	case l.held[t].Add(int64(n)) > b.most:
		a.give(t, n)
		beyond = ofAll
	}
	if beyond != within {
		l.refuse(t, beyond)
	}
	return beyond
}

// give takes back what take has charged.
func (a *account) give(t total, n int) {
	a.held[t].Add(-int64(n))
	a.ledger.held[t].Add(-int64(n))
}

// beyond says whose bound is exceeded, or would be if there were times as much.
func (a *account) beyond(t total, times int64) scope {
	b := a.ledger.bounds.Load()[t]
	switch {
	case !a.free && a.held[t].Load()*times > b.share:
		return ofAddress
	case a.ledger.held[t].Load()*times > b.most:
		return ofAll
	}
	return within
}

func (l *ledger) refuse(t total, whose scope) {
	if l.refused != nil {
		l.refused.WithLabelValues(t.String(), string(whose)).Inc()
	}
}

// register makes and registers the figures; nil counts for nobody.
func (l *ledger) register(reg *prometheus.Registry) {
	l.refused = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "moa_bounds_refused_total", Help: "What was refused or ended because a connection, an address or all together would hold too much."}, []string{"of", "scope"})
	held := func(t total) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "moa_bounds_held", Help: "How much all clients hold of what is bounded.", ConstLabels: prometheus.Labels{"of": t.String()}},
			func() float64 { return float64(l.held[t].Load()) })
	}
	for t := range totals {
		for _, whose := range []scope{ofConnection, ofAddress, ofAll} {
			l.refused.WithLabelValues(t.String(), string(whose))
		}
		if reg != nil {
			reg.MustRegister(held(t))
		}
	}
	if reg != nil {
		reg.MustRegister(l.refused)
	}
}
