package badgerstore

import (
	"bytes"

	badger "github.com/dgraph-io/badger/v4"
)

// addRegions makes the keys of regions, which format 1 did not have. It reads that
// format, whose records are values in Badger: it is not a pattern for later steps.
func addRegions(s *Store) error {
	db := s.db
	batch := db.NewWriteBatchAt(db.MaxVersion() + 1)
	defer batch.Cancel()
	err := db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{PrefetchValues: true, PrefetchSize: 64, Prefix: allEvents})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			t := tailOf(it.Item().Key())
			err := it.Item().Value(func(b []byte) (err error) {
				if err = value(b).check(); err != nil {
					return err
				}
				value(b).regionKeys(func(prefix ...byte) {
					if err == nil {
						err = batch.Set(append(bytes.Clone(prefix), t[:]...), nil)
					}
				})
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return batch.Flush()
}
