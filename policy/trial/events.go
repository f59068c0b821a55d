package trial

import (
	"context"
	"iter"
	"slices"

	"moa/nips/event"
)

// Events are a Store of events in memory, the oldest first.
type Events struct {
	List []*event.Event
	// Limit is how many events a relay finds for a filter; less than 0: all.
	Limit func(*event.Filter) int
}

// Stored gives the newest versions of what matches.
func (s Events) Stored(_ context.Context, f *event.Filter, found func(*event.Event) error) error {
	for e := range newest(s.List) {
		if !f.Matches(e) {
			continue
		}
		if err := found(e); err != nil {
			return err
		}
	}
	return nil
}

// Find looks for the newest versions; a COUNT heeds no limit.
func (s Events) Find(ctx context.Context, q Question, visible func(*event.Event) bool) (shown int, err error) {
	most := -1
	if !q.Count {
		most = s.Limit(q.Filter)
	}
	for e := range newest(s.List) {
		if shown == most {
			break
		}
		if q.Filter.Matches(e) && visible(e) {
			shown++
		}
	}
	return shown, ctx.Err()
}

// newest are the events, the last first, without the older versions of those
// that replace each other.
func newest(events []*event.Event) iter.Seq[*event.Event] {
	return func(yield func(*event.Event) bool) {
		seen := map[event.Address]bool{}
		for _, e := range slices.Backward(events) {
			if a, ok := e.Address(); ok {
				if seen[a] {
					continue
				}
				seen[a] = true
			}
			if !yield(e) {
				return
			}
		}
	}
}
