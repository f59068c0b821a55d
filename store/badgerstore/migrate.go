package badgerstore

import (
	"encoding/binary"
	"fmt"
	"log/slog"

	badger "github.com/dgraph-io/badger/v4"

	"moa/store"
)

// formatVersion is the version that ../FORMAT.md draws.
const formatVersion = 3

// versionKey holds the version of the format, 4 bytes.
var versionKey = []byte("mversion")

// migrations[i] makes a store of version i+1 into one of version i+2, in
// place. It may be interrupted and run again.
var migrations = []func(*badger.DB) error{
	addRegions,
	func(*badger.DB) error { return nil }, // there may be a journal from now on
}

// migrate brings the store to the version after the last step. A new store has
// that version from the start.
func migrate(db *badger.DB, steps []func(*badger.DB) error, log *slog.Logger) error {
	target := uint32(len(steps) + 1)
	have, err := readVersion(db)
	if err != nil {
		return err
	}
	if have == 0 {
		return writeVersion(db, target)
	}
	if have > target {
		return fmt.Errorf("%w: its format is %d, this one knows up to %d", store.ErrFormat, have, target)
	}
	for ; have < target; have++ {
		log.Info("migrating the store", "from", have, "to", have+1)
		if err := steps[have-1](db); err != nil {
			return fmt.Errorf("migrate from format %d to %d: %w", have, have+1, err)
		}
		if err := writeVersion(db, have+1); err != nil {
			return err
		}
	}
	return nil
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
