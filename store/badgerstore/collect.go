package badgerstore

import (
	"context"
	"errors"
	"slices"
	"time"

	badger "github.com/dgraph-io/badger/v4"

	"moa/nips/event"
	"moa/store"
	"moa/store/badgerstore/internal/fault"
	"moa/store/badgerstore/internal/records"
)

// collector says when to look for files of records of which much was removed.
type collector struct {
	due     chan struct{}
	removed int // since; guarded by Store.write
}

// collectAfter is how many events must have been removed.
const collectAfter = 1000

func (c *collector) dropped() {
	if c.removed++; c.removed >= collectAfter {
		c.removed = 0
		signal(c.due)
	}
}

// collectRoom is what a file that is written anew may take, in MB.
const collectRoom = 128

// collect writes files of records anew, without those that were removed, as
// long as that is worth while. It may use half of the disk's reserve, for it gives
// room back.
func (s *Store) collect(ctx context.Context) {
	for ctx.Err() == nil {
		if s.opt.ReserveMB > 0 && s.room(s.opt.ReserveMB/2+collectRoom) != nil {
			return // until more is removed
		}
		begun := time.Now()
		err := s.syncRecords()
		dropped := 0
		if err == nil {
			dropped, err = s.collectOne(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.Error("room of removed events cannot be given back now", "err", err)
			return
		case dropped == 0:
			return
		}
		s.metrics.collected.Add(float64(dropped))
		s.log.Debug("removed events are gone from a file", "events", dropped, "took", time.Since(begun))
	}
}

func (s *Store) collectOne(ctx context.Context) (dropped int, err error) {
	s.notes.taking.Lock()
	defer s.notes.taking.Unlock()
	defer fault.Catch(fault.Arm(), &err)
	s.notes.text = s.notes.text[:0]
	return s.records.Collect(ctx, s.needed, func() error {
		if err := s.notes.save(s.noteNeeded); err != nil {
			return err
		}
		return s.drain()
	})
}

// needed returns those of the records, which are to go for good, that Badger knows
// as events all the same; and notes what the others tell.
func (s *Store) needed(list []records.Record) (keep []uint64, err error) {
	if keep, err = s.undrop(list); err != nil {
		return nil, err
	}
	if len(keep) > 0 {
		list = slices.DeleteFunc(slices.Clone(list), func(r records.Record) bool { return slices.Contains(keep, r.Serial) })
	}
	return keep, s.noteGone(list)
}

// undrop returns those of the records, which were removed, that Badger knows as
// events all the same: then the set of the dead is wrong, and is repaired.
func (s *Store) undrop(list []records.Record) (alive []uint64, err error) {
	s.appending.Lock()   // a commit drops a record before the backlog has its keys
	s.appending.Unlock() //nolint:staticcheck // it was to be waited for
	known, err := s.known(list)
	if err != nil || len(known) == 0 {
		return nil, err
	}
	s.appending.Lock() // what is removed meanwhile is not to be taken back
	defer s.appending.Unlock()
	if known, err = s.known(known); err != nil {
		return nil, err
	}
	for _, r := range known {
		s.records.Undrop(r.Serial)
		alive = append(alive, r.Serial)
	}
	s.damages.dead(alive)
	return alive, nil
}

// known returns those of the records that Badger knows as events.
func (s *Store) known(list []records.Record) (known []records.Record, err error) {
	err = s.versions.view(func(txn *badger.Txn) error {
		for _, r := range list {
			_, there, err := eventTail(txn, store.Serial(r.Serial), r.Bytes)
			if err != nil {
				return err
			}
			if there {
				known = append(known, r)
			}
		}
		return nil
	})
	return known, err
}

// eventTail returns the tail of the record if its own key is there.
func eventTail(txn *badger.Txn, serial store.Serial, v value) (t tail, ok bool, err error) {
	if v.check() != nil {
		return t, false, nil
	}
	t = v.tail(serial)
	_, err = txn.Get(recordKey(&t))
	if errors.Is(err, badger.ErrKeyNotFound) && event.Addressable(v.kind()) {
		t[len(t)-1] |= flagAlias // whether it has several d tags the record does not tell
		_, err = txn.Get(recordKey(&t))
	}
	if errors.Is(err, badger.ErrKeyNotFound) {
		return t, false, nil
	}
	return t, err == nil, err
}

func (s *Store) syncRecords() error {
	s.checkpointing.Lock()
	defer s.checkpointing.Unlock()
	return s.records.Sync()
}

// drain waits for every reader that may see what was dropped before the call, or has
// it in hand. A reader that begins later does not see it: Badger is told.
func (s *Store) drain() error {
	s.appending.Lock()   // between the two
	s.appending.Unlock() //nolint:staticcheck // it was to be waited for
	if err := s.flush(); err != nil {
		return err
	}
	s.life.drain()
	return nil
}
