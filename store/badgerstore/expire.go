package badgerstore

import (
	"context"
	"encoding/binary"

	badger "github.com/dgraph-io/badger/v4"
)

// Expire does what store.Store says. It may use half of the disk's reserve,
// for it gives room back.
func (s *Store) Expire(ctx context.Context, now int64, most int) (int, error) {
	removed := 0
	err := s.update(s.opt.ReserveMB/2, func(w *writer) error {
		tails, err := s.readExpired(now, most)
		if err != nil {
			return err
		}
		for i := range tails {
			if err := ctx.Err(); err != nil {
				return err
			}
			v, err := w.value(&tails[i])
			if err != nil {
				return err
			}
			if v == nil {
				continue
			}
			if err := w.dropRoomy(stored{tails[i], v}); err != nil {
				return err
			}
			removed++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	s.metrics.expired.Add(float64(removed))
	return removed, nil
}

// readExpired reads up to most tails of events that have expired by now, the
// first to expire first.
func (s *Store) readExpired(now int64, most int) (tails []tail, err error) {
	err = s.versions.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(keysOnly)
		defer it.Close()
		prefix := []byte{keyExpiry}
		for it.Seek(prefix); len(tails) < most && it.ValidForPrefix(prefix); it.Next() {
			key := it.Item().Key()
			if int64(binary.BigEndian.Uint64(key[1:])) > now {
				break
			}
			tails = append(tails, tailOf(key))
		}
		return nil
	})
	return tails, err
}
