package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"moa/nips/event"
)

// What is decided about an event.
const (
	Hide   = "hide"   // it is shown to nobody, and refused if it comes again
	Remove = "remove" // the same, and it is removed from the store
)

// Ruling is what is decided about an event. The zero Ruling is none.
type Ruling struct {
	Do  string `json:"do"` // Hide or Remove
	At  int64  `json:"at"` // Unix seconds
	Why string `json:"why,omitempty"`
}

// hides is Author.hides of an event.
func (r Ruling) hides() int64 {
	if r.Do == "" {
		return 0
	}
	return math.MaxInt64
}

// Ruling returns what is decided about an event. It takes no lock.
func (s *Store) Ruling(id event.ID) Ruling {
	r, _ := s.memory.events.get(id)
	return r
}

// Rulings are all events about which anything is decided.
func (s *Store) Rulings() map[event.ID]Ruling { return s.memory.events.all() }

// Rule decides about an event, which waits no longer. Remove has it removed from the store, as a job: see Jobs.
func (s *Store) Rule(ctx context.Context, by Actor, id event.ID, do, why string) error {
	var jobs []string
	switch do {
	case Hide:
	case Remove:
		jobs = append(jobs, EraseEvent)
	default:
		return fmt.Errorf("%w: %q is neither hide nor remove", ErrRequest, do)
	}
	return s.make(ctx, s.rule(ctx, by, id, do, why, jobs))
}

func (s *Store) rule(ctx context.Context, by Actor, id event.ID, do, why string, jobs []string) entry {
	ruling := Ruling{Do: do, Why: why}
	return entry{
		by: by, verb: do + " event", subject: id.String(), why: why, jobs: jobs,
		write: func(tx *sql.Tx, at int64) (any, any, error) {
			ruling.At = at
			was, err := rulingOf(ctx, tx, id)
			if err == nil {
				_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO ruling (id, at, do, why) VALUES (?, ?, ?, ?)", id.String(), at, do, why)
			}
			if err == nil {
				_, err = tx.ExecContext(ctx, "DELETE FROM waiting WHERE id = ?", id.String())
			}
			return was, ruling, err
		},
		remember: func(int64) {
			s.memory.events.change(id, func(Ruling) (Ruling, bool) { return ruling, true })
			s.memory.reckonHidden()
			s.memory.waiting.drop(func(w *Waiting) bool { return w.Event.ID == id })
		},
	}
}

// Unrule takes back what is decided about an event. A removed one does not come back
// by itself.
func (s *Store) Unrule(ctx context.Context, by Actor, id event.ID, why string) error {
	return s.make(ctx, s.unrule(ctx, by, id, why))
}

func (s *Store) unrule(ctx context.Context, by Actor, id event.ID, why string) entry {
	return entry{
		by: by, verb: "allow event", subject: id.String(), why: why,
		write: func(tx *sql.Tx, _ int64) (any, any, error) {
			was, err := rulingOf(ctx, tx, id)
			if err == nil {
				_, err = tx.ExecContext(ctx, "DELETE FROM ruling WHERE id = ?", id.String())
			}
			return was, nil, err
		},
		remember: func(int64) {
			s.memory.events.change(id, func(Ruling) (Ruling, bool) { return Ruling{}, false })
			s.memory.reckonHidden()
		},
	}
}

// rulingOf returns the stored ruling, or an untyped nil.
func rulingOf(ctx context.Context, tx *sql.Tx, id event.ID) (any, error) {
	var r Ruling
	err := tx.QueryRowContext(ctx, "SELECT do, at, why FROM ruling WHERE id = ?", id.String()).Scan(&r.Do, &r.At, &r.Why)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return r, err
}

func (s *Store) loadRulings(ctx context.Context) (map[event.ID]Ruling, error) {
	all := map[event.ID]Ruling{}
	rows, err := s.db.QueryContext(ctx, "SELECT id, do, at, why FROM ruling")
	_, err = collect(rows, err, func(scan func(...any) error) (none struct{}, err error) {
		var hex string
		var r Ruling
		if err = scan(&hex, &r.Do, &r.At, &r.Why); err != nil {
			return none, err
		}
		id, err := event.ParseID(hex)
		all[id] = r
		return none, err
	})
	return all, err
}
