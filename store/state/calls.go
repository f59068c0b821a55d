package state

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"

	"moa/nips/event"
)

// ErrUsed is returned for an event by which a change was asked for before.
var ErrUsed = fmt.Errorf("%w: this event was used before", ErrRequest)

// callWindow is for how long a used event is remembered, in seconds, beyond the time for
// which it may be used (NIP-98).
const callWindow = 600

// UseOnce remembers a signed event by which a change is asked for, so that it is not
// made again with it, after a restart either. createdAt is the event's.
func (s *Store) UseOnce(ctx context.Context, id event.ID, createdAt int64) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	return inTransaction(ctx, s.db, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM call WHERE at < ?", s.now().Unix()-callWindow); err != nil {
			return err
		}
		made, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO call (id, at) VALUES (?, ?)", id.String(), createdAt)
		if err != nil {
			return err
		}
		if n, err := made.RowsAffected(); err != nil || n == 0 {
			return cmp.Or(err, ErrUsed)
		}
		return nil
	})
}
