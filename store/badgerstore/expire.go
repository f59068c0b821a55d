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
		keys, err := s.readExpired(now, most)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := w.expire(key); err != nil {
				return err
			}
			removed++
		}
		if err := w.flush(); err != nil {
			return err
		}
		if s.expireFrom = now + 1; len(keys) == most && most > 0 {
			s.expireFrom = expiresAt(keys[most-1])
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	s.metrics.expired.Add(float64(removed))
	return removed, nil
}

// expire drops the event that a key of keyExpiry leads to. The key goes even if
// the event cannot be read, or is gone.
func (w *writer) expire(key []byte) error {
	t := tailOf(key)
	v, err := w.value(&t)
	if err != nil {
		return err
	}
	if v != nil {
		err = w.dropRoomy(stored{t, v})
	}
	if len(v) == 0 {
		w.del(key)
	}
	return err
}

func expiresAt(key []byte) int64 { return int64(binary.BigEndian.Uint64(key[1:])) }

// readExpired reads up to most keys of events that have expired by now, the
// first to expire first. It does not walk again over those that Expire has removed.
func (s *Store) readExpired(now int64, most int) (keys [][]byte, err error) {
	err = s.versions.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(keysOnly)
		defer it.Close()
		prefix := []byte{keyExpiry}
		from := binary.BigEndian.AppendUint64(prefix, uint64(s.expireFrom))
		for it.Seek(from); len(keys) < most && it.ValidForPrefix(prefix); it.Next() {
			key := it.Item().KeyCopy(nil)
			if expiresAt(key) > now {
				break
			}
			keys = append(keys, key)
		}
		return nil
	})
	return keys, err
}
