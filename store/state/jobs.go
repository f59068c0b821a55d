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

	ReleaseAuthor = "release author" // store what waits of an approved author

	PublishJoin    = "publish join"  // say that somebody has become a member
	PublishLeave   = "publish leave" // say that somebody is no member any more
	PublishMembers = "publish members"
	PublishRole    = "publish role" // or that it was deleted
)

// Job is what is still to be done because of a change. It may be done twice: a crash
// may come between its end and JobDone.
type Job struct {
	Nth     int64
	Verb    string
	Subject string // as in the change: a public key or an id, hex, or a role
	At      int64  // when the change was made, Unix seconds
}

// Jobs are those that are not done, the oldest first.
func (s *Store) Jobs(ctx context.Context) ([]Job, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT job.nth, job.verb, job.subject, change.at FROM job JOIN change ON change.nth = job.change ORDER BY job.nth")
	return collect(rows, err, func(scan func(...any) error) (j Job, err error) {
		err = scan(&j.Nth, &j.Verb, &j.Subject, &j.At)
		return j, err
	})
}

// JobsDone strikes off jobs that publish something.
func (s *Store) JobsDone(ctx context.Context, list []Job) error {
	if len(list) == 0 {
		return nil
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	return inTransaction(ctx, s.db, func(tx *sql.Tx) error {
		for _, j := range list {
			if _, err := tx.ExecContext(ctx, "DELETE FROM job WHERE nth = ?", j.Nth); err != nil {
				return err
			}
		}
		return nil
	})
}

// Publishes reports a job that publishes something.
func (j *Job) Publishes() bool {
	switch j.Verb {
	case PublishJoin, PublishLeave, PublishMembers, PublishRole:
		return true
	}
	return false
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
