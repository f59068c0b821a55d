package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/store"
)

// committer brings batches to the store, and finds out what has become of each of
// their events. But for has, it belongs to the goroutine that leads.
type committer struct {
	// Fixed once made.
	store store.Store
	log   *slog.Logger
	met   *metrics
	now   func() time.Time
	life  context.Context // ends a commit that hangs

	doubts doubts

	failing bool
	events  []*event.Event
}

// decide commits what of a batch is not decided.
func (c *committer) decide(batch []ticket) {
	askAgain(batch)
	c.events = undecided(c.events[:0], batch)
	results, err := c.commit(c.events)
	handOut(batch, results, err)
	clear(c.events)
}

// askAgain refuses what operators have decided against since the policies were asked.
// A decision made from here on waits until the batch is done: see Server.Decided.
func askAgain(batch []ticket) {
	for i := range batch {
		t := &batch[i]
		if t.fate != "" && t.fate != fateRelayed || t.e.Kind == event.KindVanish || t.asked == t.chain.Generation() {
			continue
		}
		switch d := t.chain.Again(background, t.from, t.e); d.Action {
		case policy.Reject:
			t.refuse(fateRefused, cmp.Or(d.Reason, reason.Blocked), d.Text)
		case policy.Shadow:
			t.fate = fateShadowed
		}
	}
}

// undecided appends the events that the store is to decide.
func undecided(events []*event.Event, batch []ticket) []*event.Event {
	for i := range batch {
		if batch[i].fate == "" {
			events = append(events, batch[i].e)
		}
	}
	return events
}

func (c *committer) commit(events []*event.Event) ([]store.Result, error) {
	if len(events) == 0 {
		return nil, nil
	}
	results, err := c.commitOnce(events)
	if err != nil && len(events) > 1 && !errors.Is(err, store.ErrFull) && !errors.Is(err, store.ErrClosed) {
		return c.commitEach(events, results, err)
	}
	c.note(err)
	return results, err
}

func (c *committer) commitOnce(events []*event.Event) ([]store.Result, error) {
	start := time.Now()
	results, err := c.store.Commit(c.life, c.now().Unix(), events)
	c.met.committed(len(events), time.Since(start))
	if err == nil && len(results) != len(events) {
		err = fmt.Errorf("store: %d results for %d events", len(results), len(events))
	}
	c.clearDoubts(c.life, events, results)
	return results, err
}

// mostFailures in a row are the store's fault, and not that of one event.
const mostFailures = 3

// commitEach commits one by one what of a failed batch is not decided, so that an
// event that cannot be stored fails alone.
func (c *committer) commitEach(events []*event.Event, results []store.Result, err error) ([]store.Result, error) {
	all := make([]store.Result, len(events))
	copy(all, results)
	stored, failures := false, 0
	for i := range events {
		if all[i].Outcome != 0 || failures == mostFailures || c.life.Err() != nil {
			continue
		}
		one, failed := c.commitOnce(events[i : i+1])
		if len(one) == 1 {
			all[i] = one[0]
		}
		if failed != nil {
			failures++
			err = failed
			continue
		}
		stored, failures = true, 0
	}
	if !stored {
		c.note(err)
		return all, err
	}
	c.log.Error("an event could not be stored; others could", "err", err)
	c.note(nil)
	return all, err
}

// note logs the first failure of a row of them, and its end.
func (c *committer) note(err error) {
	failed := err != nil
	if failed == c.failing {
		return
	}
	c.failing = failed
	switch {
	case errors.Is(err, store.ErrFull):
		c.log.Error("the disk is full: no events are stored", "err", err)
	case failed:
		c.log.Error("events cannot be stored", "err", err)
	default:
		c.log.Info("events are stored again")
	}
}

// handOut gives the store's results to the tickets that were open. With an error
// there may be some without a result.
func handOut(batch []ticket, results []store.Result, err error) {
	k := 0
	for i := range batch {
		t := &batch[i]
		if t.fate != "" {
			continue
		}
		if k < len(results) && results[k].Outcome != 0 {
			t.decide(results[k])
		} else {
			t.fail(err)
		}
		k++
	}
}

// has reports whether the event is stored, and has been in the fan-out.
func (c *committer) has(id event.ID) bool { return c.store.Has(id) && !c.doubts.has(id) }

// clearDoubts takes the events out of doubt whose fate the store has told, and puts
// those into it that it has not.
func (c *committer) clearDoubts(ctx context.Context, events []*event.Event, results []store.Result) {
	for i, e := range events {
		switch {
		case i >= len(results) || results[i].Outcome == 0:
			c.doubts.add(e.ID)
		case c.doubts.clear(e.ID) && results[i].Outcome == store.Duplicate:
			if n := c.serial(ctx, e.ID); n != 0 {
				results[i] = store.Result{Outcome: store.Stored, Serial: n}
			}
		}
	}
}

// serial looks a stored event up. 0: it is not found.
func (c *committer) serial(ctx context.Context, id event.ID) (n store.Serial) {
	q := store.Query{Filters: []*event.Filter{{IDs: []event.ID{id}}}, Now: c.now().Unix()}
	_ = store.Each(ctx, c.store, q, func(r *store.Record) error { // after an error it is not found
		n = r.Serial
		return nil
	})
	return n
}
