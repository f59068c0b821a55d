// Package store says what an event store must do. Package badgerstore does it
// on disk, package memstore obviously and slowly in memory, and package
// storetest holds both to the same behaviour.
package store

import (
	"context"
	"errors"
	"slices"

	"moa/nips/event"
)

// Serial numbers the stored events in the order they were committed, from 1.
// It is never used twice, not even after a delete or a restart.
type Serial uint64

// Outcome is what Commit did with one event.
type Outcome uint8

const (
	Stored    Outcome = iota + 1
	Duplicate         // the very event is stored already
	Stale             // a newer version of this replaceable or addressable event was stored (NIP-01)
	Deleted           // its author has deleted it, by id or by address, or its recipient has (NIP-09, NIP-59)
	Vanished          // its author, or a gift wrap's recipient, has asked to vanish after it (NIP-62)
	Expired           // its time has passed (NIP-40)
	TooLarge          // it has more tags to index than the store takes at once: thousands
)

// Result is the fate of one event of a batch.
type Result struct {
	Outcome Outcome
	Serial  Serial // of a Stored event, otherwise 0
}

var (
	ErrClosed = errors.New("store: closed")
	// ErrFull says that the disk has no room. Reads go on, and so do writes
	// once there is room again.
	ErrFull = errors.New("store: disk full")
	// ErrFormat says that the files were written by a newer moa.
	ErrFormat = errors.New("store: written by a newer version of moa")
	// ErrDamaged says that files are damaged or missing in a way that cannot be
	// repaired on the way. The error tells what is wrong and what to do about it.
	ErrDamaged = errors.New("store: damaged")
)

// Query is what a REQ, a COUNT or an export reads.
type Query struct {
	// Filters are OR-ed; each keeps its own limit. An event that several match
	// is found once, and counts toward the limit of each.
	Filters []*event.Filter
	// DefaultLimit is the limit of a filter that names none, MaxLimit clamps
	// every filter's. 0: no limit. Count heeds neither them nor the filters'.
	DefaultLimit, MaxLimit int
	// UpTo hides events with a higher serial. 0 hides nothing.
	UpTo Serial
	// Now hides events that have expired by then, in Unix seconds.
	Now int64
	// Visible, if not nil, is asked about each match before it is found. What
	// it withholds does not count toward a limit. It must not keep the Record.
	Visible func(*Record) bool
	// Private, if not nil, keeps some kinds to the people involved.
	Private *Private
	// Bulk leaves the caches of what is asked for often as they are: for exports
	// and other long sequential scans.
	Bulk bool
}

// Private keeps events of Kinds, which are sorted, from everybody but People:
// they are found only if their author or a p tag is one of them. Unlike what
// Visible withholds, others' are not looked at where a filter names others, so
// that the time it takes does not tell how many there are.
type Private struct {
	Kinds  []uint16
	People []event.PubKey
}

// Has reports whether the kind is private.
func (p *Private) Has(kind uint16) bool {
	_, ok := slices.BinarySearch(p.Kinds, kind)
	return ok
}

// Unlimited is the limit of a filter that has none.
const Unlimited = -1

// LimitOf returns how many events q finds for f at most, or Unlimited.
func (q *Query) LimitOf(f *event.Filter) int {
	n := Unlimited
	if f.HasLimit {
		n = f.Limit
	} else if q.DefaultLimit > 0 {
		n = q.DefaultLimit
	}
	if q.MaxLimit > 0 && (n == Unlimited || n > q.MaxLimit) {
		n = q.MaxLimit
	}
	return n
}

// Record is a stored event as Scan finds it. It is valid only during the call
// that receives it; what is kept of Raw must be copied, unless Stable.
type Record struct {
	Serial    Serial
	ID        event.ID
	PubKey    event.PubKey
	Kind      uint16
	CreatedAt int64
	Raw       []byte // event.Event.Raw
	Stable    bool   // Raw is immutable memory that outlives the call: it may be kept as it is
}

// Event parses the record's bytes. The event owns its memory.
func (r *Record) Event() (*event.Event, error) {
	raw := r.Raw
	if !r.Stable {
		raw = append([]byte(nil), raw...)
	}
	return event.ParseTrusted(raw)
}

// Page bounds one step of a Scan, so that no filter, however wide, holds a
// worker for long. The step ends at the first bound that it reaches.
type Page struct {
	Events int // found; 0: no bound
	Bytes  int // of Raw, found; 0: no bound
	Work   int // index entries looked at; 0: no bound
}

// Scan is a Query under way: newest first, of the same second by ascending id.
// Between two calls of Next it holds no transaction and no lock, only its
// place. It sees events that are deleted between two calls no more. It is not
// safe for concurrent use.
type Scan interface {
	// Next calls found for the next matches until the page is full or nothing
	// is left. An error of found ends the scan and is returned as it is.
	Next(ctx context.Context, page Page, found func(*Record) error) (Progress, error)
}

// Progress is how far a Scan has come.
type Progress struct {
	Found int  // by this step
	Work  int  // of this step, as Page.Work bounds it
	Done  bool // there is no next page
	// All says, when Done, that every visible match was found: no limit cut
	// anything off (NIP-67). It may be false all the same where finding out
	// would cost a long search.
	All bool
}

// Total is how many events a Scan finds, in one step after the other.
func Total(ctx context.Context, sc Scan) (n int, err error) {
	for {
		p, err := sc.Next(ctx, Page{Work: totalWork}, nil)
		n += p.Found
		if p.Done || err != nil {
			return n, err
		}
	}
}

// totalWork is that of one step of a Total.
const totalWork = 1 << 16

// Each calls found for everything that q finds in st, newest first. An error of found
// ends it and is returned as it is.
func Each(ctx context.Context, st Store, q Query, found func(*Record) error) error {
	for sc := st.Scan(q); ; {
		if p, err := sc.Next(ctx, eachPage, found); p.Done || err != nil {
			return err
		}
	}
}

// eachPage is what one step of Each reads.
var eachPage = Page{Events: 1024, Bytes: 4 << 20, Work: totalWork}

// Store keeps events. Commit, Expire and Close have one caller at a time, the
// relay's writer; everything else is safe for concurrent use.
type Store interface {
	// Commit stores a batch in order, as if one by one, and returns one Result
	// an event. When it returns without error, what it has Stored is durable
	// and seen by every Scan begun from then on. With an error, the Results, if
	// there are any, tell what is Stored, durable and seen all the same; the
	// Outcome of every other event is 0. Such a one may not be acknowledged, and
	// is stored as a whole or not at all: when it comes again it may turn out to
	// be a Duplicate.
	//
	// Stored replaceable and addressable events take the place of older
	// versions. A stored kind 5 deletes what it names and its author may delete
	// (NIP-09; kinds 5 and 62 are never deleted by it; a gift wrap's `p` may
	// delete it, NIP-59). A stored kind 62 deletes everything of its author up
	// to its time, and the gift wraps to them; that it is addressed to this
	// relay is the caller's business (NIP-62). What a 5 or 62 deletes is not found any
	// more, and not taken again, when Commit returns; to remove it may take longer.
	// now is Unix seconds.
	//
	// An address is barred up to the newest version that is stored, and up to the
	// newest that a newer one took the place of: what is older is Stale, and so is
	// that one. A version that is gone otherwise, deleted by id, expired or removed
	// by the operator, bars nothing more.
	//
	// Ephemeral kinds are the caller's business too: Commit would store them.
	Commit(ctx context.Context, now int64, batch []*event.Event) ([]Result, error)

	// Has reports whether the event is stored. It may answer false for one
	// that is; never true for one that is not.
	Has(id event.ID) bool

	// Last is the highest serial that a Scan begun now would see.
	Last() Serial

	Scan(q Query) Scan
	// Count is a Scan that finds every visible event that matches, each once,
	// limits aside, and tells only how many: it need not call found. What goes
	// without being read is not.
	Count(q Query) Scan

	// Expire removes up to most events that have expired by now (NIP-40) and
	// returns how many it removed; fewer than most: none are left.
	Expire(ctx context.Context, now int64, most int) (int, error)

	// Stats costs little and may be asked at any time.
	Stats() Stats
	Close() error
}

// Remover is a Store from which an operator can remove events.
type Remover interface {
	// Remove removes the events that are stored, whatever they are, and returns
	// how many those were. It leaves no mark: the same event is Stored if it comes
	// again. It has one caller at a time, the one of Commit.
	Remove(ctx context.Context, ids []event.ID) (int, error)
}

// Doctor is a Store that tells how it is.
type Doctor interface {
	// Ready reports why nothing can be stored now; nil: it can. It may be asked
	// often.
	Ready() error
	// Troubles are what an operator should act on though the store works, in
	// plain words: damage that was found, work that fails and is tried again.
	Troubles() []string
}

// Stats are a store's figures for pages and metrics.
type Stats struct {
	Events int64 // stored and not removed
	Bytes  int64 // on disk, or in memory for a store without a disk
}
