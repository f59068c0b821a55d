package badgerstore

import (
	"bytes"
	"cmp"
	"math"
	"slices"

	badger "github.com/dgraph-io/badger/v4"

	"moa/store"
	"moa/store/badgerstore/internal/records"
)

// recordsVersion is the format from which on records are in files of their own.
const recordsVersion = 4

// movedKey is there since the first half of moveRecords: all records are in their
// files, and nowhere else. It stays: the step may be interrupted, and run again,
// when there is no more to do but to write the version.
var movedKey = []byte("mmoved")

// moveRecords takes the records out of Badger, where they were values until
// format 3.
func moveRecords(s *Store) error {
	txn := s.db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	moved, err := get(txn, movedKey)
	if err != nil {
		return err
	}
	if moved == nil {
		if err := s.copyRecords(txn); err != nil {
			return err
		}
	}
	batch := s.db.NewWriteBatchAt(s.db.MaxVersion() + 1)
	defer batch.Cancel()
	err = eachRecordKey(txn, func(key []byte) error { return batch.Set(bytes.Clone(key), nil) })
	if err != nil {
		return err
	}
	return batch.Flush()
}

const (
	copyChunk = 4 << 20 // serials copied in one walk through the keys
	copySpan  = 1 << 16 // serials written at once
)

// copyRecords makes the files, in the order of the serials.
func (s *Store) copyRecords(txn *badger.Txn) error {
	if err := s.records.Truncate(0); err != nil { // what an interrupted step has made
		return err
	}
	var last store.Serial
	for from := store.Serial(0); from <= last; from += copyChunk {
		var tails []tail
		err := eachRecordKey(txn, func(key []byte) error {
			t := tailOf(key)
			if n := t.serial(); n >= from && n-from < copyChunk {
				tails = append(tails, t)
			}
			last = max(last, t.serial())
			return nil
		})
		if err != nil {
			return err
		}
		slices.SortFunc(tails, func(a, b tail) int { return cmp.Compare(a.serial(), b.serial()) })
		for len(tails) > 0 {
			n := 1
			for n < min(chunk, len(tails)) && tails[n].serial()-tails[0].serial() < copySpan {
				n++
			}
			if err := s.copyPart(txn, tails[:n]); err != nil {
				return err
			}
			tails = tails[n:]
		}
	}
	if err := s.records.Sync(); err != nil {
		return err
	}
	batch := s.db.NewWriteBatchAt(s.db.MaxVersion() + 1)
	defer batch.Cancel()
	if err := batch.Set(movedKey, []byte{1}); err != nil {
		return err
	}
	if err := batch.Flush(); err != nil {
		return err
	}
	return s.checkpoint()
}

func (s *Store) copyPart(txn *badger.Txn, tails []tail) error {
	list := make([]records.Record, len(tails))
	for i := range tails {
		v, err := get(txn, recordKey(&tails[i]))
		if err != nil {
			return err
		}
		if _, err := checked(&tails[i], v); err != nil {
			return err
		}
		list[i] = records.Record{Serial: uint64(tails[i].serial()), Bytes: v}
	}
	if err := s.records.Prepare(list); err != nil {
		return err
	}
	s.records.Commit()
	return nil
}

func eachRecordKey(txn *badger.Txn, do func(key []byte) error) error {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: allEvents})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		if err := do(it.Item().Key()); err != nil {
			return err
		}
	}
	return nil
}
