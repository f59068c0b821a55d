package state

import (
	"context"
	"database/sql"

	"moa/nips/event"
)

// Verbs of jobs.
const (
	EraseAuthor = "erase author" // remove what the store has of an author
	EraseEvent  = "erase event"
)

// Job is what is still to be done because of a change. It may be done twice: a crash
// may come between its end and JobDone.
type Job struct {
	Nth     int64
	Verb    string
	Subject string // as in the change: a public key or an id, hex
}

// Jobs are those that are not done, the oldest first.
func (s *Store) Jobs(ctx context.Context) ([]Job, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT nth, verb, subject FROM job ORDER BY nth")
	return collect(rows, err, func(scan func(...any) error) (j Job, err error) {
		err = scan(&j.Nth, &j.Verb, &j.Subject)
		return j, err
	})
}

// JobDone strikes a job off.
func (s *Store) JobDone(ctx context.Context, j Job) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	var more bool
	err := inTransaction(ctx, s.db, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM job WHERE nth = ?", j.Nth)
		if err == nil {
			err = tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM job WHERE verb = ? AND subject = ?)", j.Verb, j.Subject).Scan(&more)
		}
		return err
	})
	if err != nil {
		return s.failedLocked(ctx, "strike off a job", err)
	}
	if pk, err := event.ParsePubKey(j.Subject); err == nil && j.Verb == EraseAuthor && !more {
		s.changeAuthor(pk, func(a *Author) { a.Erasing = false })
		s.generation.Add(1)
	}
	return nil
}
