package badgerstore

import (
	"fmt"
)

// What is promised by the files of records and by the journal was acknowledged,
// whatever Badger says. Where Badger lacks some of it Open has nothing to go by:
// it changes nothing, and leaves it to Repair.

// mayOpen reports what is in the way of a store whose keys tell that version of
// the format; 0: none.
func (s *Store) mayOpen(have uint32) error {
	if have == 0 {
		f, err := readDir(s.opt.Dir)
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
