package state

import (
	"context"
	"database/sql"
	"errors"

	"moa/nips/event"
)

// Author is what is decided about an author.
type Author struct {
	Banned bool
	Ban    Ban   // if so
	Closed int64 // reports up to then are closed, Unix seconds; 0: none are
}

// Ban is a ban of an author.
type Ban struct {
	At     int64  `json:"at"`
	Until  int64  `json:"until,omitempty"`  // Unix seconds; 0: for good
	Hidden bool   `json:"hidden,omitempty"` // what they have written is shown to nobody
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

// BanAuthor has an author's events refused. erase removes what is stored of them, as a
// job: see Jobs. A ban replaces another, and closes what is reported.
func (s *Store) BanAuthor(ctx context.Context, by Actor, pk event.PubKey, ban Ban, erase bool) error {
	var jobs []string
	if erase {
		jobs = append(jobs, EraseAuthor)
	}
	return s.make(ctx, entry{
		by: by, verb: "ban author", subject: pk.String(), why: ban.Why, jobs: jobs,
		write: func(tx *sql.Tx, at int64) (any, any, error) {
			was, err := banOf(ctx, tx, pk)
			ban.At = at
			if err == nil {
				_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO ban (pubkey, at, until, hidden, why) VALUES (?, ?, ?, ?, ?)", pk.String(), at, ban.Until, ban.Hidden, ban.Why)
			}
			if err == nil {
				err = closeReports(ctx, tx, pk, at, "")
			}
			return was, ban, err
		},
		remember: func(at int64) {
			s.memory.authors.change(pk, func(Author) (Author, bool) { return Author{Banned: true, Ban: ban, Closed: at}, true })
		},
	})
}

// UnbanAuthor lifts a ban. What it has closed or erased stays so.
func (s *Store) UnbanAuthor(ctx context.Context, by Actor, pk event.PubKey, why string) error {
	return s.make(ctx, entry{
		by: by, verb: "unban author", subject: pk.String(), why: why,
		write: func(tx *sql.Tx, _ int64) (any, any, error) {
			was, err := banOf(ctx, tx, pk)
			if err == nil {
				_, err = tx.ExecContext(ctx, "DELETE FROM ban WHERE pubkey = ?", pk.String())
			}
			return was, nil, err
		},
		remember: func(int64) {
			s.memory.authors.change(pk, func(a Author) (Author, bool) {
				a.Banned, a.Ban = false, Ban{}
				return a, a.Closed != 0
			})
		},
	})
}

// CloseReports closes what is reported about an author until that time, Unix seconds.
func (s *Store) CloseReports(ctx context.Context, by Actor, pk event.PubKey, until int64, why string) error {
	return s.make(ctx, entry{
		by: by, verb: "close reports", subject: pk.String(), why: why,
		write: func(tx *sql.Tx, _ int64) (was, became any, err error) {
			if closed := s.Author(pk).Closed; closed != 0 {
				was = closed
			}
			return was, until, closeReports(ctx, tx, pk, until, why)
		},
		remember: func(int64) {
			s.memory.authors.change(pk, func(a Author) (Author, bool) {
				a.Closed = until
				return a, true
			})
		},
	})
}

// OpenReports lets all reports about an author count again.
func (s *Store) OpenReports(ctx context.Context, by Actor, pk event.PubKey, why string) error {
	return s.make(ctx, entry{
		by: by, verb: "open reports", subject: pk.String(), why: why,
		write: func(tx *sql.Tx, _ int64) (was, became any, err error) {
			if closed := s.Author(pk).Closed; closed != 0 {
				was = closed
			}
			_, err = tx.ExecContext(ctx, "DELETE FROM dismissal WHERE pubkey = ?", pk.String())
			return was, nil, err
		},
		remember: func(int64) {
			s.memory.authors.change(pk, func(a Author) (Author, bool) {
				a.Closed = 0
				return a, a.Banned
			})
		},
	})
}

func closeReports(ctx context.Context, tx *sql.Tx, pk event.PubKey, until int64, why string) error {
	_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO dismissal (pubkey, at, why) VALUES (?, ?, ?)", pk.String(), until, why)
	return err
}

// banOf returns the stored ban, or an untyped nil.
func banOf(ctx context.Context, tx *sql.Tx, pk event.PubKey) (any, error) {
	var b Ban
	err := tx.QueryRowContext(ctx, "SELECT at, until, hidden, why FROM ban WHERE pubkey = ?", pk.String()).Scan(&b.At, &b.Until, &b.Hidden, &b.Why)
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
	rows, err = s.db.QueryContext(ctx, "SELECT pubkey, at, until, hidden, why FROM ban")
	_, err = collect(rows, err, func(scan func(...any) error) (none struct{}, err error) {
		var hex string
		var b Ban
		if err = scan(&hex, &b.At, &b.Until, &b.Hidden, &b.Why); err != nil {
			return none, err
		}
		pk, err := event.ParsePubKey(hex)
		a := all[pk]
		a.Banned, a.Ban = true, b
		all[pk] = a
		return none, err
	})
	return all, err
}
