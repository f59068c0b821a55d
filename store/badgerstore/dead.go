package badgerstore

import (
	"fmt"
	"iter"

	badger "github.com/dgraph-io/badger/v4"
)

// mendDead makes the pages of the set of removed events anew whose checksum is
// missing, as in stores that had none, or wrong. Nothing is written if the keys
// that it is made of are not as many as there are events.
func (s *Store) mendDead() error {
	pages := s.records.Doubted()
	if pages == 0 {
		return nil
	}
	var events int64
	var failed error
	s.records.Vouch(s.living(&events, &failed))
	if failed != nil {
		return failed
	}
	if want := s.events.Load(); events != want {
		return damaged(fmt.Sprintf("the index has the keys of %d events, and counts %d", events, want))
	}
	s.log.Warn("the set of removed events had pages without their checksum; they are made anew", "pages", pages)
	return s.records.Sync()
}

// living are the serials of the events that are stored, in the order of their
// tails, and counts them. Its error is to be asked for after that.
func (s *Store) living(events *int64, err *error) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		*err = s.versions.view(func(txn *badger.Txn) error {
			it := txn.NewIterator(keysOnly)
			defer it.Close()
			for it.Seek(allEvents); it.ValidForPrefix(allEvents); it.Next() {
				*events++
				if t := tailOf(it.Item().Key()); !yield(uint64(t.serial())) {
					return nil
				}
			}
			return nil
		})
	}
}
