package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"moa/nips/event"
)

// Actor says who makes a change, and through which door.
type Actor struct {
	Key  event.PubKey // zero: somebody with access to the machine
	Door string       // such as "shell" or "nip86"
}

func (a Actor) key() any {
	if a.Key == (event.PubKey{}) {
		return nil
	}
	return a.Key.String()
}

// Change is a row of the audit log.
type Change struct {
	Nth     int64           `json:"nth"`
	At      int64           `json:"at"` // Unix seconds
	By      string          `json:"by,omitempty"`
	Door    string          `json:"door"`
	Verb    string          `json:"verb"`
	Subject string          `json:"subject"`
	Was     json.RawMessage `json:"was,omitempty"`
	Became  json.RawMessage `json:"became,omitempty"`
	Why     string          `json:"why,omitempty"`
}

// entry is a change that is to be made.
type entry struct {
	by      Actor
	at      int64 // Unix seconds; 0: now
	verb    string
	subject string
	why     string
	// write writes it and returns what was there and what is now, nil for nothing. If
	// both are the same, nothing is written.
	write func(tx *sql.Tx, at int64) (was, became any, err error)
	// remember tells memory, once the change is durable.
	remember func(at int64)
	jobs     []string // verbs of the jobs that follow, about the subject
}

const maxWhy = 1000 // bytes

// ErrRequest says that a change makes no sense: its text is for the caller.
var ErrRequest = errors.New("no change")

// errSame says that a change would change nothing.
var errSame = errors.New("nothing changes")

// make makes changes in one transaction. They are durable and in force when make
// returns nil.
func (s *Store) make(ctx context.Context, all ...entry) error {
	for i := range all {
		if n := len(all[i].why); n > maxWhy {
			return fmt.Errorf("%w: the reason has %d bytes, more than %d", ErrRequest, n, maxWhy)
		}
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	if s.broken != nil {
		return s.broken
	}
	var made []*entry
	err := inTransaction(ctx, s.db, func(tx *sql.Tx) (err error) {
		made, err = s.record(ctx, tx, all)
		return err
	})
	switch {
	case errors.Is(err, errSame):
		return nil
	case errors.Is(err, ErrRequest): // before anything was committed
		return err
	case err != nil:
		for i := range all {
			s.told(all[i].by, all[i].verb, err)
		}
		return s.failedLocked(ctx, all[0].verb, err)
	}
	for _, e := range made {
		e.remember(e.at)
		s.told(e.by, e.verb, nil)
	}
	s.generation.Add(1)
	return nil
}

// record writes changes, and returns those that change anything. If none does, the
// error is errSame.
func (s *Store) record(ctx context.Context, tx *sql.Tx, all []entry) (made []*entry, err error) {
	now := s.now().Unix()
	for i := range all {
		e := &all[i]
		if e.at == 0 {
			e.at = now
		}
		switch err := e.record(ctx, tx); {
		case err == nil:
			made = append(made, e)
		case !errors.Is(err, errSame):
			return nil, err
		}
	}
	if len(made) == 0 {
		return nil, errSame
	}
	return made, nil
}

// record writes a change with its row of the log and its jobs.
func (e *entry) record(ctx context.Context, tx *sql.Tx) error {
	was, became, err := e.write(tx, e.at)
	if err != nil {
		return err
	}
	before, err := asJSON(was)
	if err != nil {
		return err
	}
	after, err := asJSON(became)
	if err != nil {
		return err
	}
	if before == after {
		return errSame
	}
	row, err := tx.ExecContext(ctx, "INSERT INTO change (at, by, door, verb, subject, was, became, why) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		e.at, e.by.key(), e.by.Door, e.verb, e.subject, before, after, e.why)
	if err != nil {
		return err
	}
	nth, err := row.LastInsertId()
	if err != nil {
		return err
	}
	for _, verb := range e.jobs {
		if _, err := tx.ExecContext(ctx, "INSERT INTO job (change, verb, subject) VALUES (?, ?, ?)", nth, verb, e.subject); err != nil {
			return err
		}
	}
	return nil
}

func asJSON(v any) (sql.NullString, error) {
	if v == nil {
		return sql.NullString{}, nil
	}
	text, err := json.Marshal(v)
	return sql.NullString{String: string(text), Valid: true}, err
}

// failedLocked is told of a transaction that has failed. Whether it is in the database
// may not be known, so memory is read again.
func (s *Store) failedLocked(ctx context.Context, verb string, err error) error {
	err = fmt.Errorf("%s: %w", verb, err)
	if bad := s.load(context.WithoutCancel(ctx)); bad != nil {
		s.broken = fmt.Errorf("the state cannot be read any more, start the relay again: %w", bad)
		return errors.Join(err, s.broken)
	}
	s.generation.Add(1)
	return err
}

// Changes returns at most limit rows of the audit log, the newest first, that are
// older than the before-th; 0: than none. With a subject, those about it alone.
func (s *Store) Changes(ctx context.Context, subject string, before int64, limit int) (list []Change, err error) {
	return s.changes(ctx, "(?1 = '' OR subject = ?1)", subject, before, limit)
}

// ChangesOf are those about a person and those that the person has made, as Changes.
func (s *Store) ChangesOf(ctx context.Context, pk event.PubKey, before int64, limit int) (list []Change, err error) {
	return s.changes(ctx, "(subject = ?1 OR by = ?1)", pk.String(), before, limit)
}

func (s *Store) changes(ctx context.Context, which, who string, before int64, limit int) (list []Change, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT nth, at, COALESCE(by, ''), door, verb, subject, COALESCE(was, 'null'), COALESCE(became, 'null'), why
		FROM change WHERE `+which+` AND (?2 = 0 OR nth < ?2) ORDER BY nth DESC LIMIT ?3`, who, before, limit)
	return collect(rows, err, func(scan func(...any) error) (c Change, err error) {
		var was, became string
		err = scan(&c.Nth, &c.At, &c.By, &c.Door, &c.Verb, &c.Subject, &was, &became, &c.Why)
		c.Was, c.Became = json.RawMessage(was), json.RawMessage(became)
		return c, err
	})
}

// collect reads all rows.
func collect[T any](rows *sql.Rows, err error, read func(scan func(...any) error) (T, error)) (list []T, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		one, err := read(rows.Scan)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, rows.Err()
}
