package badgerstore

import (
	"encoding/binary"
	"fmt"

	badger "github.com/dgraph-io/badger/v4"

	"moa/store"
)

// formatVersion is the version that ../FORMAT.md draws.
const formatVersion = 4

// versionKey holds the version of the format, 4 bytes.
var versionKey = []byte("mversion")

// migrations[i] makes a store of version i+1 into one of version i+2, in
// place. It may be interrupted and run again.
var migrations = []func(*Store) error{
	addRegions,
	func(*Store) error { return nil }, // there may be a journal from now on
	moveRecords,
}

// migrate brings the store to the version after the last step. A new store has
// that version from the start. sync makes durable what Badger was given: a
// version must not be there without its keys.
func migrate(s *Store, steps []func(*Store) error, sync func() error) error {
	db := s.db
	target := uint32(len(steps) + 1)
	have, err := knownVersion(db, target)
	if err != nil || have == target {
		return err
	}
	reach := func(version uint32) error {
		if err := writeVersion(db, version); err != nil {
			return err
		}
		return sync()
	}
	if have == 0 {
		return reach(target)
	}
	for ; have < target; have++ {
		s.log.Info("migrating the store", "from", have, "to", have+1)
		err := steps[have-1](s)
		if err == nil {
			err = sync()
		}
		if err == nil {
			err = reach(have + 1)
		}
		if err != nil {
			return fmt.Errorf("migrate from format %d to %d: %w", have, have+1, err)
		}
	}
	return nil
}

// knownVersion reads the version, which must not be newer than newest.
func knownVersion(db *badger.DB, newest uint32) (have uint32, err error) {
	have, err = readVersion(db)
	if err == nil && have > newest {
		err = newerFormat(have)
	}
	return have, err
}

func newerFormat(have uint32) error {
	return fmt.Errorf("%w: its format is %d, this one knows up to %d", store.ErrFormat, have, formatVersion)
}

// readVersion returns 0 for a new store.
func readVersion(db *badger.DB) (have uint32, err error) {
	err = db.View(func(txn *badger.Txn) error {
		b, err := get(txn, versionKey)
		if err == nil && len(b) == 4 {
			have = binary.BigEndian.Uint32(b)
		}
		return err
	})
	return have, err
}

func writeVersion(db *badger.DB, v uint32) error {
	batch := db.NewWriteBatchAt(db.MaxVersion() + 1)
	defer batch.Cancel()
	if err := batch.Set(versionKey, binary.BigEndian.AppendUint32(nil, v)); err != nil {
		return err
	}
	return batch.Flush()
}
