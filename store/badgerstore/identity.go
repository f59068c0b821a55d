package badgerstore

import (
	"crypto/rand"
	"fmt"
	"path/filepath"

	badger "github.com/dgraph-io/badger/v4"

	"moa/store/badgerstore/internal/records"
)

// Files of different stores do not mix: each has the store's ID, 16 random bytes. The
// files of records have it in their heads, the set of the removed beside its
// checksums, Badger as a key, and each file of the journal in its first frame, as a
// write of that key. Where it is missing, as in files of an older moa, it is added.

// storeKey holds the ID.
var storeKey = []byte("mstore")

// identify finds the ID that records and Badger tell.
func (s *Store) identify() (id records.ID, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		b, err := get(txn, storeKey)
		if len(b) == len(id) {
			id = records.ID(b)
		}
		return err
	})
	if err != nil {
		return id, err
	}
	switch of := s.records.ID(); {
	case of == records.ID{}:
	case id == records.ID{}:
		id = of
	case id != of:
		return id, damaged("the index is of another store than the files of events")
	}
	return id, nil
}

// name gives the store the ID that the journal was opened with.
func (s *Store) name() error {
	if err := s.records.SetID(s.journal.id); err != nil {
		return err
	}
	txn := s.db.NewTransactionAt(s.db.MaxVersion(), false)
	defer txn.Discard()
	b, err := get(txn, storeKey)
	if err != nil || b != nil {
		return err
	}
	id := s.journal.id
	return writeFew(s.db, []write{{key: storeKey, value: id[:]}}, s.db.MaxVersion()+1)
}

// identify compares the journal's ID with the store's, or learns it. A journal that
// has none, of a store that has none, is given a new one.
func (j *journal) identify(found *frames) error {
	for i := range found.frames {
		f := &found.frames[i]
		if f.start != frameHead {
			continue
		}
		id, err := f.id()
		if err != nil {
			return err
		}
		if j.id != (records.ID{}) && id != (records.ID{}) && id != j.id {
			return damaged(fmt.Sprintf("the file %s is of another store", filepath.Base(f.file.Name())))
		}
		if id != (records.ID{}) {
			j.id = id
		}
	}
	if j.id == (records.ID{}) {
		_, _ = rand.Read(j.id[:]) // it never fails
	}
	return nil
}

// id is the ID that the frame sets.
func (f *frame) id() (id records.ID, err error) {
	w, err := f.read()
	if err != nil {
		return id, err
	}
	for i := range w.list {
		if op := &w.list[i]; string(op.key) == string(storeKey) && len(op.value) == len(id) {
			return records.ID(op.value), nil
		}
	}
	return id, nil
}

// mark is what the first frame of a file writes.
func (j *journal) mark() []write { return []write{{key: storeKey, value: j.id[:]}} }
