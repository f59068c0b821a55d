// Package shares counts what clients hold of things of which there is only so
// much: for all of them together, and for each address, which may have no more
// than its share. It only counts; what is done about too much is its user's.
package shares

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Total is something of which there is only so much. What is counted is what it
// costs.
type Total uint8

// The totals there are.
const (
	Outbox  Total = iota // bytes that wait for clients to read them
	Filters              // bytes of filters: of open REQs, and of COUNTs and NEG-OPENs under way
	Counts               // COUNTs that wait or are under way
	Syncs                // events of reconciliations
	Geo                  // bytes of answers about places, from the question until they are out
	Inbox                // bytes of messages that are being received, and of EVENTs that wait for their turn
	Totals               // how many there are

	// Tags is of a minute, and nothing that anybody holds: the weight of events.
	Tags
)

func (t Total) String() string {
	return [...]string{Outbox: "outbox", Filters: "filters", Counts: "counts", Syncs: "syncs", Geo: "geo", Inbox: "inbox", Tags: "tags"}[t]
}

// Scope says whose bound something was beyond.
type Scope string

// The scopes there are.
const (
	Within     Scope = "" // nobody's
	Connection Scope = "connection"
	Address    Scope = "address"
	All        Scope = "all"
)

// Bound is how much there may be of a total, and how much of it for one address.
type Bound struct{ Most, Share int64 }

// Bounds are those of each Total.
type Bounds [Totals]Bound

// Of is a bound whose share is a quarter, or what one connection may need.
func Of(most, least int) Bound {
	return Bound{int64(most), int64(min(most, max(most/4, least)))}
}

// Ledger knows how much there is of each total. It has bounds before it is used.
type Ledger struct {
	bounds  atomic.Pointer[Bounds]
	held    [Totals]atomic.Int64
	refused *prometheus.CounterVec // nil: nobody counts
}

// NewLedger makes a ledger without bounds. A nil registry counts for nobody.
func NewLedger(reg *prometheus.Registry) *Ledger {
	l := &Ledger{refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "moa_bounds_refused_total", Help: "What was refused or ended because a connection, an address or all together would hold too much."}, []string{"of", "scope"})}
	l.refused.WithLabelValues(Tags.String(), string(Address))
	for t := range Totals {
		for _, whose := range []Scope{Connection, Address, All} {
			l.refused.WithLabelValues(t.String(), string(whose))
		}
	}
	if reg != nil {
		l.register(reg)
	}
	return l
}

func (l *Ledger) register(reg *prometheus.Registry) {
	for t := range Totals {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "moa_bounds_held", Help: "How much all clients hold of what is bounded.", ConstLabels: prometheus.Labels{"of": t.String()}},
			func() float64 { return float64(l.held[t].Load()) }))
	}
	reg.MustRegister(l.refused)
}

// SetBounds puts bounds in force. What is held already stays.
func (l *Ledger) SetBounds(b *Bounds) { l.bounds.Store(b) }

// Bound is how much there may be of a total now.
func (l *Ledger) Bound(t Total) Bound { return l.bounds.Load()[t] }

// Held is how much of a total all hold together.
func (l *Ledger) Held(t Total) int64 { return l.held[t].Load() }

// Refuse counts that something was refused or ended for a bound.
func (l *Ledger) Refuse(t Total, whose Scope) {
	if l.refused != nil {
		l.refused.WithLabelValues(t.String(), string(whose)).Inc()
	}
}

// Account is what one address holds of each total.
type Account struct {
	ledger *Ledger
	free   bool // only the totals bind it
	held   [Totals]atomic.Int64
}

// NewAccount makes an account that holds nothing. If it is free it has no shares:
// only the totals bind it.
func (l *Ledger) NewAccount(free bool) *Account { return &Account{ledger: l, free: free} }

// Held is how much of a total the account holds.
func (a *Account) Held(t Total) int64 { return a.held[t].Load() }

// Take charges n to the account, or says whose bound that would be beyond, and
// counts the refusal.
func (a *Account) Take(t Total, n int) Scope {
	l, b := a.ledger, a.ledger.Bound(t)
	beyond := Within
	switch {
	case a.held[t].Add(int64(n)) > b.Share && !a.free:
		a.held[t].Add(-int64(n))
		beyond = Address
	case l.held[t].Add(int64(n)) > b.Most:
		a.Give(t, n)
		beyond = All
	}
	if beyond != Within {
		l.Refuse(t, beyond)
	}
	return beyond
}

// Give takes back what Take has charged.
func (a *Account) Give(t Total, n int) { a.Charge(t, -n, -n) }

// Charge changes what the account and what all hold, whatever the bounds.
func (a *Account) Charge(t Total, its, all int) {
	a.held[t].Add(int64(its))
	a.ledger.held[t].Add(int64(all))
}

// Beyond says whose bound is exceeded, or would be if there were times as much.
func (a *Account) Beyond(t Total, times int64) Scope {
	b := a.ledger.Bound(t)
	switch {
	case !a.free && a.held[t].Load()*times > b.Share:
		return Address
	case a.ledger.held[t].Load()*times > b.Most:
		return All
	}
	return Within
}
