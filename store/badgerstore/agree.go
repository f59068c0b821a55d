package badgerstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"

	badger "github.com/dgraph-io/badger/v4"

	"moa/nips/event"
	"moa/store"
	"moa/store/badgerstore/internal/records"
)

// What is promised by the files of records and by the journal was acknowledged,
// whatever Badger says. Where Badger lacks some of it Open has nothing to go by:
// it changes nothing, and leaves it to Repair.

// mayOpen reports what is in the way of a store whose keys tell that version of
// the format; 0: none.
func (s *Store) mayOpen(have uint32) error {
	if have == 0 {
		f, err := readDir(s.opt.Dir)
		if err == nil && f.journal && !f.events {
			f.journal, err = journalTells(s.opt.Dir)
		}
		switch {
		case err != nil:
			return err
		case f.events || f.journal:
			return damaged("the index is empty")
		case s.opt.Existing:
			return ErrNoStore
		}
		return nil
	}
	if s.opt.Existing && have != formatVersion {
		return older(have)
	}
	return nil
}

// journalTells reports that the journal has a commit. A store that was killed while it
// was made has one that is begun, and no version yet.
func journalTells(dir string) (bool, error) {
	found, closeFiles, err := readJournal(dir)
	if err != nil {
		return false, err
	}
	for i := range found.frames {
		w, err := found.frames[i].read()
		if err != nil {
			return false, errors.Join(err, closeFiles())
		}
		if _, ok := w.state(); ok {
			return true, closeFiles()
		}
	}
	return false, closeFiles()
}

// asDamaged makes damage of the records' own store.ErrDamaged.
func asDamaged(err error) error {
	if errors.Is(err, records.ErrDamaged) {
		return damaged(err.Error())
	}
	return err
}

func readState(txn *badger.Txn) (st state, err error) {
	b, err := get(txn, stateKey)
	st, _ = parseState(b)
	return st, err
}

// atLeast reports that Badger lacks some of what it promised to have by itself.
func (s *Store) atLeast(promised state) (err error) {
	txn := s.db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	if s.had, err = readState(txn); err != nil {
		return err
	}
	if s.had.before(promised) {
		return damaged(fmt.Sprintf("the index is older than the events: it ends at %d of %d events, of %d that were stored", s.had.serial, s.had.events, promised.serial))
	}
	return nil
}

// adopt shows the records that Badger has and whose frame, the journal's last, was
// lost: nobody promised them, but they are whole. What is whole behind them is for
// rollForward.
func (s *Store) adopt() error {
	txn, err := s.versions.beginWhole()
	if err != nil {
		return err
	}
	defer s.versions.finish(txn)
	rest, err := s.records.Adopt(func(serial uint64, b []byte) bool {
		t, ok := tailIn(serial, b)
		if !ok || serial > uint64(s.serial) {
			return false
		}
		_, err := txn.Get(recordKey(&t))
		return err == nil
	})
	for _, r := range rest {
		if t, ok := tailIn(r.Serial, r.Bytes); ok && t.serial() > s.serial {
			e, err := event.ParseTrusted(bytes.Clone(value(r.Bytes).raw()))
			if err != nil {
				break
			}
			s.behind = append(s.behind, e)
		}
	}
	return asDamaged(err)
}

// tailIn makes the tail of a record.
func tailIn(serial uint64, b []byte) (t tail, ok bool) {
	v := value(b)
	if v.check() != nil {
		return t, false
	}
	e, err := event.ParseTrusted(v.raw())
	if err != nil {
		return t, false
	}
	return makeTail(e, store.Serial(serial)), true
}

// rollForward stores what was written and may have been acknowledged: a commit
// writes its records first, and then the frame that promises them, so that one
// which is damaged in the last frame loses nothing.
func (s *Store) rollForward() {
	if len(s.behind) == 0 {
		return
	}
	_, err := s.Commit(context.Background(), 0, s.behind) // what has expired since is swept as ever
	s.log.Info("events that were written before a crash and not promised are stored now", "events", len(s.behind), "err", err)
	s.behind = nil
}

// agree compares what Badger has with the records, when what the journal has is
// done again.
func (s *Store) agree() error {
	if next := s.records.Next(); next > uint64(s.serial)+1 {
		return damaged(fmt.Sprintf("the index ends at event %d, and there are %d", s.serial, next-1))
	}
	if err := s.mendDead(); err != nil {
		return err
	}
	st := s.records.Stats()
	if have, want := int64(st.Records-st.Dead), s.events.Load(); have != want {
		return damaged(fmt.Sprintf("the index has %d events, and the files of records %d", want, have))
	}
	return nil
}
