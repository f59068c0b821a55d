package desk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"moa/nips/event"
	"moa/store/state"
)

// retry is how long after a failure a job is tried again.
const retry = time.Minute

// Run does the jobs that a crash or a failure has left, until ctx ends. Events that were
// removed and have come by another way, an import, are removed again at the start.
func (d *Desk) Run(ctx context.Context) error {
	var besides sync.WaitGroup
	besides.Go(func() { d.publisher(ctx) })
	besides.Go(func() { d.tender(ctx) })
	defer besides.Wait()
	swept := false
	for {
		_, err := d.finish(ctx, "")
		if err == nil && !swept {
			if err = d.sweep(ctx); err == nil {
				swept = true
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		var again <-chan time.Time
		if err != nil {
			d.deps.Log.Error("what was decided is not done yet; nobody is shown what is to be removed", "err", err)
			again = time.After(retry)
		}
		select {
		case <-d.left:
		case <-again:
		case <-ctx.Done():
			return nil
		}
	}
}

// sweep removes what is still stored of events that were removed.
func (d *Desk) sweep(ctx context.Context) error {
	d.erase.Lock()
	defer d.erase.Unlock()
	var ids []event.ID
	for _, one := range d.RuledEvents() {
		if one.Do == state.Remove {
			ids = append(ids, one.ID)
		}
	}
	_, err := d.remove(ctx, ids)
	return err
}

// finish erases what is to be erased of a subject, or of all with "", and returns how many
// events were removed.
func (d *Desk) finish(ctx context.Context, subject string) (removed int, err error) {
	d.erase.Lock()
	defer d.erase.Unlock()
	if removed, err = d.finishLocked(ctx, subject); err == nil {
		return removed, nil
	}
	if subject != "" { // Run goes on with it
		select {
		case d.left <- struct{}{}:
		default: // it is known
		}
	}
	return removed, fmt.Errorf("decided, and not done yet: %w", err)
}

// lift takes something back, once what it has to erase is erased. Nothing that comes again
// from then on is mistaken for what is to be erased.
func (d *Desk) lift(ctx context.Context, subject string, change func() error) error {
	d.erase.Lock()
	defer d.erase.Unlock()
	if _, err := d.finishLocked(ctx, subject); err != nil {
		return fmt.Errorf("what was to be removed is still there: %w", err)
	}
	return change()
}

func (d *Desk) finishLocked(ctx context.Context, subject string) (removed int, err error) {
	jobs, err := d.deps.State.Jobs(ctx)
	for _, j := range jobs {
		if j.Publishes() || subject != "" && j.Subject != subject {
			continue
		}
		n, failed := d.do(ctx, j)
		removed += n
		if failed == nil {
			failed = d.deps.State.JobDone(ctx, j)
		}
		if failed != nil {
			err = errors.Join(err, failed)
		}
	}
	return removed, err
}

// do does a job, which may have been done before.
func (d *Desk) do(ctx context.Context, j state.Job) (removed int, err error) {
	if j.Verb == state.EraseEvent {
		id, err := event.ParseID(j.Subject)
		if err != nil {
			return 0, err
		}
		return d.remove(ctx, []event.ID{id})
	}
	pk, err := event.ParsePubKey(j.Subject)
	if err != nil {
		return 0, err
	}
	if j.Verb == state.ReleaseAuthor {
		return 0, d.release(ctx, pk)
	}
	return d.eraseAuthor(ctx, pk)
}

// mostErased is how many events of an author are found before they are removed: memory has
// a bound, however many there are.
const mostErased = 10_000

var errEnough = errors.New("that is enough")

// eraseAuthor removes all that there is of an author. It is hidden, and nothing more
// comes.
func (d *Desk) eraseAuthor(ctx context.Context, pk event.PubKey) (removed int, err error) {
	d.deps.Forget(pk)
	for {
		var ids []event.ID
		err := d.deps.Stored(ctx, &event.Filter{Authors: []event.PubKey{pk}}, func(e *event.Event) error {
			if ids = append(ids, e.ID); len(ids) == mostErased {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return removed, err
		}
		n, failed := d.remove(ctx, ids)
		removed += n
		if failed != nil || err == nil {
			return removed, failed
		}
		if n == 0 {
			return removed, fmt.Errorf("%d events were found, and none could be removed", len(ids))
		}
	}
}

func (d *Desk) remove(ctx context.Context, ids []event.ID) (n int, err error) {
	if len(ids) > 0 {
		n, err = d.deps.Remove(ctx, ids)
	}
	if n > 0 {
		d.deps.Log.Info("moderation: events removed", "events", n, "err", err)
	}
	return n, err
}
