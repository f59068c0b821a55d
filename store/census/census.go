// Package census counts what a store holds: events and bytes by kind, by author and by
// day. It reads every event once, and its memory has a bound whatever there is. It does
// not say when to count.
package census

import (
	"context"
	"time"

	"moa/nips/event"
	"moa/store"
)

// Amount is so many events.
type Amount struct {
	Events int64 `json:"events"`
	Bytes  int64 `json:"bytes"` // of the events as JSON, without their keys
}

func (a *Amount) add(bytes int) {
	a.Events++
	a.Bytes += int64(bytes)
}

// Report is what a store held. Only what authors have may be inexact, and that only if there
// are more than MostAuthors of them.
type Report struct {
	At   time.Time `json:"counted_at"`      // when the count began
	Took float64   `json:"counted_seconds"` // how long it took
	Amount
	Disk  int64  `json:"disk_bytes"` // files and keys, as the store says
	Kinds []Kind `json:"kinds"`      // all, the largest first
	// Days are the newest first, of which events say that they were made then (UTC), up to
	// a year back. Those without events are left out.
	Days    []Day    `json:"days"`
	Earlier Amount   `json:"earlier"` // dated before those days
	Later   Amount   `json:"later"`   // dated ahead of the clock's day
	Growth  []Growth `json:"growth"`  // by the same dates
	// Authors are the largest by bytes, at most Options.Top.
	Authors []Author `json:"authors"`
	// AuthorsSeen is how many authors there are; with AuthorsMore there are more.
	AuthorsSeen int  `json:"authors_seen"`
	AuthorsMore bool `json:"authors_more"`
}

// Kind is what there is of a kind.
type Kind struct {
	Kind uint16 `json:"kind"`
	Amount
}

// Day is what events say was made on a day.
type Day struct {
	Day string `json:"day"` // 2026-12-01
	Amount
}

// Growth is what events say was made in the last so many days, today among them.
type Growth struct {
	Days int `json:"days"`
	Amount
}

// Author is what there is of an author.
type Author struct {
	PubKey event.PubKey `json:"pubkey"`
	Amount
	// Missed is how many bytes more the author may have; 0: Amount is exact.
	Missed int64 `json:"missed_bytes_at_most,omitempty"`
}

// Options say how to count.
type Options struct {
	Top int       // authors that are told; 0: 100
	Now time.Time // zero: now
	// Pause is how long the count rests after each page, in multiples of what the page took.
	// 0: it does not.
	Pause int
	// Progress, if not nil, is told how many events were counted so far.
	Progress func(events int64)
}

// page is read in one step: a millisecond or so.
var page = store.Page{Events: 1024, Bytes: 4 << 20, Work: 1 << 16}

// Count counts what st holds, hidden and expired events too, until ctx ends.
func Count(ctx context.Context, st store.Store, o Options) (*Report, error) {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	c := newCounter(o.Now)
	began := time.Now()
	for sc := st.Scan(store.Query{Filters: []*event.Filter{{}}, Bulk: true}); ; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := time.Now()
		p, err := sc.Next(ctx, page, c.add)
		if err != nil {
			return nil, err
		}
		if o.Progress != nil {
			o.Progress(c.all.Events)
		}
		if p.Done {
			r := c.report(&o)
			r.Took, r.Disk = time.Since(began).Seconds(), st.Stats().Bytes
			return r, nil
		}
		if err := rest(ctx, time.Since(start)*time.Duration(o.Pause)); err != nil {
			return nil, err
		}
	}
}

// rest waits, but not beyond the end of ctx.
func rest(ctx context.Context, wait time.Duration) error {
	if wait <= 0 {
		return nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
