package badgerstore

import (
	"bytes"

	badger "github.com/dgraph-io/badger/v4"
)

// sequence reads the records of a long scan, whose order is theirs, with an
// iterator that goes along: a step costs a small part of a look-up in all of
// Badger's tables.
type sequence struct {
	it    *badger.Iterator // shows removed keys and older versions too: none is stepped over unseen
	jumps int              // in a row that found their record without a step
}

const (
	maxSteps = 24 // to the next record; further away it is looked up
	maxJumps = 8  // in a row, then the records lie too far apart
)

// value reads the record of t. It returns false if the record must be looked
// up; nil and true if it is gone. It is valid until the next call.
func (s *sequence) value(r *reader, t *tail) (v value, ok bool, err error) {
	if s.jumps > maxJumps {
		return nil, false, nil
	}
	r.key = append(append(r.key[:0], keyRecord), t[:]...)
	if s.it == nil {
		s.it = r.txn.NewIterator(badger.IteratorOptions{AllVersions: true, Prefix: allEvents})
		s.it.Seek(r.key)
	}
	for range maxSteps {
		if !s.it.Valid() {
			return nil, false, nil
		}
		switch item := s.it.Item(); bytes.Compare(item.Key(), r.key) {
		case 0:
			s.jumps = 0
			if item.IsDeletedOrExpired() {
				return nil, true, nil
			}
			v, err = itemValue(item, r.buf)
			return v, err == nil, err
		case 1:
			return nil, false, nil
		}
		r.work++
		s.it.Next()
	}
	s.jumps++
	s.it.Seek(r.key)
	return nil, false, nil
}

func (s *sequence) close() {
	if s.it != nil {
		s.it.Close()
	}
}
