package state

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"

	"moa/nips/event"
)

// Waiting is an event that waits for a person to approve it.
type Waiting struct {
	Event    *event.Event
	At       int64 // Unix seconds
	Until    int64 // it waits no longer, Unix seconds
	Approved bool  // it is on its way to the stored events

	// from is where it came from, zero: nobody is charged for it. It is not written down.
	from netip.Addr
}

// bytes is what the event holds of what may wait.
func (w *Waiting) bytes() int { return len(w.Event.Raw) }

// WaitingBounds are how much may wait. An address and an author may each have an eighth
// of the bytes.
type WaitingBounds struct {
	Events, Bytes         int
	PerAddress, PerAuthor int // events
}

// Why an event cannot wait, or need not.
var (
	ErrNoRoom    = fmt.Errorf("%w: too much waits already", ErrRequest)
	ErrNoShare   = fmt.Errorf("%w: too much of the author, or from the address, waits already", ErrRequest)
	ErrNewerWait = fmt.Errorf("%w: a newer version waits already", ErrRequest)
	ErrDecided   = fmt.Errorf("%w: it is decided that the event is not taken", ErrRequest)
	ErrApproved  = errors.New("the author's events need not wait")
)

// Wait has an event wait until that time, Unix seconds. It is durable when Wait returns
// nil. One that waits already goes on waiting; at an event address the newest does. The
// audit log says nothing of it: that grows by what people decide, not by what clients send.
func (s *Store) Wait(ctx context.Context, e *event.Event, from netip.Addr, until int64, b WaitingBounds) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	if s.broken != nil {
		return s.broken
	}
	now := s.now().Unix()
	switch a := s.Author(e.PubKey); {
	case a.Approved:
		return ErrApproved
	case a.Erasing || a.Banned && a.Ban.Holds(now), s.Ruling(e.ID) != Ruling{}:
		return ErrDecided
	}
	if s.Waits(e.ID) {
		return nil
	}
	w := &Waiting{At: now, Until: until, from: from}
	var err error
	if w.Event, err = event.Parse(bytes.Clone(e.Raw)); err != nil { // not a part of what its client has sent besides
		return err
	}
	older, err := s.memory.waiting.admit(w, b)
	if err != nil {
		return err
	}
	err = inTransaction(ctx, s.db, func(tx *sql.Tx) error {
		if older != nil {
			if _, err := tx.ExecContext(ctx, "DELETE FROM waiting WHERE id = ?", older.Event.ID.String()); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO waiting (id, pubkey, at, until, approved, event) VALUES (?, ?, ?, ?, 0, ?)",
			e.ID.String(), e.PubKey.String(), w.At, w.Until, w.Event.Raw)
		return err
	})
	if err != nil {
		s.told(Actor{}, "wait", err)
		return s.failedLocked(ctx, "wait", err)
	}
	s.memory.waiting.drop(func(w *Waiting) bool { return w == older })
	s.memory.waiting.add(w)
	s.Recheck(e.PubKey) // they may have deleted it, or vanished, before it came
	return nil
}

// ApproveAuthor lets an author's events in from now on, and those that wait, as a job: see
// Jobs. id, if not zero, is the event for which it is done, and which must wait.
func (s *Store) ApproveAuthor(ctx context.Context, by Actor, pk event.PubKey, id event.ID, why string) error {
	all := []entry{s.approveAuthor(ctx, by, pk, why)}
	if (id != event.ID{}) {
		all = append(all, s.approveEvent(ctx, by, id, why))
	}
	return s.make(ctx, all...)
}

func (s *Store) approveAuthor(ctx context.Context, by Actor, pk event.PubKey, why string) entry {
	return entry{
		by: by, verb: "approve author", subject: pk.String(), why: why, jobs: []string{ReleaseAuthor},
		write: func(tx *sql.Tx, at int64) (was, became any, err error) {
			if was, err = approvedOf(ctx, tx, pk); err != nil || was != nil {
				return was, was, err // nothing of theirs waits any more
			}
			a := s.Author(pk)
			if a.Erasing || a.Banned && a.Ban.Holds(at) {
				return nil, nil, fmt.Errorf("%w: the author is banned", ErrRequest)
			}
			_, err = tx.ExecContext(ctx, "INSERT INTO approved (pubkey, at, why) VALUES (?, ?, ?)", pk.String(), at, why)
			if err == nil {
				_, err = tx.ExecContext(ctx, "UPDATE waiting SET approved = 1 WHERE pubkey = ?", pk.String())
			}
			return nil, at, err
		},
		remember: func(int64) {
			s.changeAuthor(pk, func(a *Author) { a.Approved = true })
			s.memory.waiting.approve(pk)
		},
	}
}

// approveEvent is the row of the audit log about the event for which an author was
// approved.
func (s *Store) approveEvent(ctx context.Context, by Actor, id event.ID, why string) entry {
	return entry{
		by: by, verb: "approve event", subject: id.String(), why: why,
		write: func(tx *sql.Tx, _ int64) (was, became any, err error) {
			var at int64
			err = tx.QueryRowContext(ctx, "SELECT at FROM waiting WHERE id = ?", id.String()).Scan(&at)
			if errors.Is(err, sql.ErrNoRows) {
				return nil, nil, fmt.Errorf("%w: the event does not wait", ErrRequest)
			}
			return map[string]int64{"waiting": at}, "approved", err
		},
		remember: func(int64) {},
	}
}

// disapproveAuthor has what the author writes from now on wait again.
func (s *Store) disapproveAuthor(ctx context.Context, by Actor, pk event.PubKey, why string) entry {
	return entry{
		by: by, verb: "disapprove author", subject: pk.String(), why: why,
		write: func(tx *sql.Tx, _ int64) (was, became any, err error) {
			if was, err = approvedOf(ctx, tx, pk); err == nil {
				_, err = tx.ExecContext(ctx, "DELETE FROM approved WHERE pubkey = ?", pk.String())
			}
			return was, nil, err
		},
		remember: func(int64) { s.changeAuthor(pk, func(a *Author) { a.Approved = false }) },
	}
}

// DropWaiting forgets events that wait: they are stored, or their time is over, or their
// author wants it.
func (s *Store) DropWaiting(ctx context.Context, ids ...event.ID) error {
	if len(ids) == 0 {
		return nil
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	gone := map[event.ID]bool{}
	err := inTransaction(ctx, s.db, func(tx *sql.Tx) error {
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, "DELETE FROM waiting WHERE id = ?", id.String()); err != nil {
				return err
			}
			gone[id] = true
		}
		return nil
	})
	if err != nil {
		return s.failedLocked(ctx, "drop what waits", err)
	}
	s.memory.waiting.drop(func(w *Waiting) bool { return gone[w.Event.ID] })
	return nil
}

// approvedOf returns since when an author is approved, or an untyped nil.
func approvedOf(ctx context.Context, tx *sql.Tx, pk event.PubKey) (any, error) {
	var at int64
	err := tx.QueryRowContext(ctx, "SELECT at FROM approved WHERE pubkey = ?", pk.String()).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return at, err
}

// Approval lets an author's events in.
type Approval struct {
	Author event.PubKey
	At     int64 // Unix seconds
	Why    string
}

// Approvals are those of all approved authors, the newest last.
func (s *Store) Approvals(ctx context.Context) ([]Approval, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT pubkey, at, why FROM approved ORDER BY at, pubkey")
	return collect(rows, err, func(scan func(...any) error) (a Approval, err error) {
		var hex string
		if err = scan(&hex, &a.At, &a.Why); err != nil {
			return a, err
		}
		a.Author, err = event.ParsePubKey(hex)
		return a, err
	})
}

func (s *Store) loadApproved(ctx context.Context, all map[event.PubKey]Author) error {
	list, err := s.Approvals(ctx)
	for _, one := range list {
		a := all[one.Author]
		a.Approved = true
		all[one.Author] = a
	}
	return err
}

func (s *Store) loadWaiting(ctx context.Context) ([]*Waiting, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT at, until, approved, event FROM waiting ORDER BY at, id")
	return collect(rows, err, func(scan func(...any) error) (*Waiting, error) {
		w := new(Waiting)
		var raw []byte
		err := scan(&w.At, &w.Until, &w.Approved, &raw)
		if err == nil {
			w.Event, err = event.Parse(raw)
		}
		return w, err
	})
}

// compareWaiting puts what waits longest first.
func compareWaiting(a, b *Waiting) int {
	return cmp.Or(cmp.Compare(a.At, b.At), event.CompareIDs(a.Event.ID, b.Event.ID))
}
