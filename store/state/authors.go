package state

import (
	"context"
	"database/sql"
	"errors"
	"math"

	"moa/nips/event"
)

// Author is what is decided about an author.
type Author struct {
	Banned bool
	Ban    Ban   // if so
	Closed int64 // reports up to then are closed, Unix seconds; 0: none are
	// Erasing: what is stored of the author is still to be removed. Until it is, nothing
	// of theirs may be stored, for it would be removed too, and nothing may be shown.
	Erasing bool
	// Approved: their events need not wait. A ban ends it.
	Approved bool
}

// known reports that anything is decided.
func (a Author) known() bool { return a.Banned || a.Closed != 0 || a.Erasing || a.Approved }

// hides is until when something of the author is hidden, Unix seconds; 0: nothing is.
func (a Author) hides() int64 {
	switch {
	case a.Erasing || a.Banned && a.Ban.Hidden && a.Ban.Until == 0:
		return math.MaxInt64
	case a.Banned && a.Ban.Hidden:
		return a.Ban.Until
	}
	return 0
}

// Ban is a ban of an author.
type Ban struct {
	At     int64  `json:"at"`
	Until  int64  `json:"until,omitempty"`  // Unix seconds; 0: for good
	Hidden bool   `json:"hidden,omitempty"` // what they have written is shown to nobody
	Erase  bool   `json:"erase,omitempty"`  // what is stored of the author is removed
	Why    string `json:"why,omitempty"`
}

// Holds reports that the ban holds at that time.
func (b Ban) Holds(now int64) bool { return b.Until == 0 || b.Until > now }

// Author returns what is decided about an author. It takes no lock.
func (s *Store) Author(pk event.PubKey) Author {
	a, _ := s.memory.authors.get(pk)
	return a
}

// Authors are all about whom anything is decided.
func (s *Store) Authors() map[event.PubKey]Author { return s.memory.authors.all() }

// BanAuthor has an author's events refused. With Erase, what is stored of them is
// removed, as a job: see Jobs. A ban replaces another, and closes what is reported up
// to now, or up to closes if that is later.
func (s *Store) BanAuthor(ctx context.Context, by Actor, pk event.PubKey, ban Ban, closes int64) error {
	return s.make(ctx, s.banAuthor(ctx, by, pk, ban, closes))
}

func (s *Store) banAuthor(ctx context.Context, by Actor, pk event.PubKey, ban Ban, closes int64) entry {
	var jobs []string
	if ban.Erase {
		jobs = append(jobs, EraseAuthor)
	}
	return entry{
		by: by, verb: "ban author", subject: pk.String(), why: ban.Why, jobs: jobs,
		write: func(tx *sql.Tx, at int64) (any, any, error) {
			was, err := banOf(ctx, tx, pk)
			ban.At = at
			if err == nil {
				_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO ban (pubkey, at, until, hidden, erase, why) VALUES (?, ?, ?, ?, ?, ?)",
					pk.String(), at, ban.Until, ban.Hidden, ban.Erase, ban.Why)
			}
			if err == nil {
				closes = max(closes, at)
				err = closeReports(ctx, tx, pk, closes, "")
			}
			if err == nil {
				_, err = tx.ExecContext(ctx, "DELETE FROM approved WHERE pubkey = ?", pk.String())
			}
			if err == nil {
				_, err = tx.ExecContext(ctx, "DELETE FROM waiting WHERE pubkey = ?", pk.String())
			}
			return was, ban, err
		},
		remember: func(int64) {
			s.changeAuthor(pk, func(a *Author) { *a = Author{Banned: true, Ban: ban, Closed: closes, Erasing: a.Erasing || ban.Erase} })
			s.memory.waiting.drop(func(w *Waiting) bool { return w.Event.PubKey == pk })
		},
	}
}

// changeAuthor has memory know what has changed about an author.
func (s *Store) changeAuthor(pk event.PubKey, f func(*Author)) {
	s.memory.authors.change(pk, func(a Author) (Author, bool) {
		f(&a)
		return a, a.known()
	})
	s.memory.reckonHidden()
}

// UnbanAuthor lifts a ban. What it has closed or erased stays so.
func (s *Store) UnbanAuthor(ctx context.Context, by Actor, pk event.PubKey, why string) error {
	return s.make(ctx, s.unbanAuthor(ctx, by, pk, why))
}

// PardonAuthor is UnbanAuthor and OpenReports in one, and takes back an approval.
func (s *Store) PardonAuthor(ctx context.Context, by Actor, pk event.PubKey, why string) error {
	return s.make(ctx, s.unbanAuthor(ctx, by, pk, why), s.openReports(ctx, by, pk, why), s.disapproveAuthor(ctx, by, pk, why))
}

func (s *Store) unbanAuthor(ctx context.Context, by Actor, pk event.PubKey, why string) entry {
	return entry{
		by: by, verb: "unban author", subject: pk.String(), why: why,
		write: func(tx *sql.Tx, _ int64) (any, any, error) {
			was, err := banOf(ctx, tx, pk)
			if err == nil {
				_, err = tx.ExecContext(ctx, "DELETE FROM ban WHERE pubkey = ?", pk.String())
			}
			return was, nil, err
		},
		remember: func(int64) { s.changeAuthor(pk, func(a *Author) { a.Banned, a.Ban = false, Ban{} }) },
	}
}

// CloseReports closes what is reported about an author until that time, Unix seconds.
func (s *Store) CloseReports(ctx context.Context, by Actor, pk event.PubKey, until int64, why string) error {
	return s.make(ctx, s.closeReports(ctx, by, pk, until, why))
}

func (s *Store) closeReports(ctx context.Context, by Actor, pk event.PubKey, until int64, why string) entry {
	return entry{
		by: by, verb: "close reports", subject: pk.String(), why: why,
		write: func(tx *sql.Tx, _ int64) (was, became any, err error) {
			if was, err = closedOf(ctx, tx, pk); err != nil {
				return nil, nil, err
			}
			return was, until, closeReports(ctx, tx, pk, until, why)
		},
		remember: func(int64) { s.changeAuthor(pk, func(a *Author) { a.Closed = until }) },
	}
}

// OpenReports lets all reports about an author count again.
func (s *Store) OpenReports(ctx context.Context, by Actor, pk event.PubKey, why string) error {
	return s.make(ctx, s.openReports(ctx, by, pk, why))
}

func (s *Store) openReports(ctx context.Context, by Actor, pk event.PubKey, why string) entry {
	return entry{
		by: by, verb: "open reports", subject: pk.String(), why: why,
		write: func(tx *sql.Tx, _ int64) (was, became any, err error) {
			if was, err = closedOf(ctx, tx, pk); err == nil {
				_, err = tx.ExecContext(ctx, "DELETE FROM dismissal WHERE pubkey = ?", pk.String())
			}
			return was, nil, err
		},
		remember: func(int64) { s.changeAuthor(pk, func(a *Author) { a.Closed = 0 }) },
	}
}

// closedOf returns until when reports are closed, or an untyped nil.
func closedOf(ctx context.Context, tx *sql.Tx, pk event.PubKey) (any, error) {
	var at int64
	err := tx.QueryRowContext(ctx, "SELECT at FROM dismissal WHERE pubkey = ?", pk.String()).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return at, err
}

func closeReports(ctx context.Context, tx *sql.Tx, pk event.PubKey, until int64, why string) error {
	_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO dismissal (pubkey, at, why) VALUES (?, ?, ?)", pk.String(), until, why)
	return err
}

// Dismissal closes what is reported about an author.
type Dismissal struct {
	At  int64 // reports up to then, Unix seconds
	Why string
}

// Dismissals are those of reports after since.
func (s *Store) Dismissals(ctx context.Context, since int64) (map[event.PubKey]Dismissal, error) {
	all := map[event.PubKey]Dismissal{}
	rows, err := s.db.QueryContext(ctx, "SELECT pubkey, at, why FROM dismissal WHERE at > ?", since)
	_, err = collect(rows, err, func(scan func(...any) error) (none struct{}, err error) {
		var hex string
		var d Dismissal
		if err = scan(&hex, &d.At, &d.Why); err != nil {
			return none, err
		}
		pk, err := event.ParsePubKey(hex)
		all[pk] = d
		return none, err
	})
	return all, err
}

// banOf returns the stored ban, or an untyped nil.
func banOf(ctx context.Context, tx *sql.Tx, pk event.PubKey) (any, error) {
	var b Ban
	err := tx.QueryRowContext(ctx, "SELECT at, until, hidden, erase, why FROM ban WHERE pubkey = ?", pk.String()).Scan(&b.At, &b.Until, &b.Hidden, &b.Erase, &b.Why)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return b, err
}

func (s *Store) loadAuthors(ctx context.Context) (map[event.PubKey]Author, error) {
	all := map[event.PubKey]Author{}
	rows, err := s.db.QueryContext(ctx, "SELECT pubkey, at FROM dismissal")
	_, err = collect(rows, err, func(scan func(...any) error) (none struct{}, err error) {
		var hex string
		var at int64
		if err = scan(&hex, &at); err != nil {
			return none, err
		}
		pk, err := event.ParsePubKey(hex)
		all[pk] = Author{Closed: at}
		return none, err
	})
	if err != nil {
		return nil, err
	}
	rows, err = s.db.QueryContext(ctx, "SELECT pubkey, at, until, hidden, erase, why FROM ban")
	_, err = collect(rows, err, func(scan func(...any) error) (none struct{}, err error) {
		var hex string
		var b Ban
		if err = scan(&hex, &b.At, &b.Until, &b.Hidden, &b.Erase, &b.Why); err != nil {
			return none, err
		}
		pk, err := event.ParsePubKey(hex)
		a := all[pk]
		a.Banned, a.Ban = true, b
		all[pk] = a
		return none, err
	})
	if err != nil {
		return nil, err
	}
	if err := s.loadApproved(ctx, all); err != nil {
		return nil, err
	}
	jobs, err := s.Jobs(ctx)
	for _, j := range jobs {
		if j.Verb != EraseAuthor {
			continue
		}
		pk, err := event.ParsePubKey(j.Subject)
		if err != nil {
			return nil, err
		}
		a := all[pk]
		a.Erasing = true
		all[pk] = a
	}
	return all, err
}
