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
		x := expiry{from: binary.BigEndian.AppendUint64([]byte{keyExpiry}, uint64(s.expireFrom)), next: now + 1}
		for more := true; more && removed < most && x.hidden < expireHidden; {
			keys, err := s.readExpired(x.from, now, most-removed)
			if err != nil {
				return err
			}
			more = len(keys) == most-removed
			n, err := w.expire(ctx, keys, &x)
			if removed += n; err != nil {
				return err
			}
			if more {
				x.next = min(x.next, expiresAt(keys[len(keys)-1]))
			}
		}
		if err := w.seal(); err != nil {
			return err
		}
		s.expireFrom = x.next
		return nil
	})
	if err != nil {
		return 0, err
	}
	s.metrics.expired.Add(float64(removed))
	return removed, nil
}

// expiry is how far an Expire has come.
type expiry struct {
	from   []byte // where to read on
	next   int64  // where the next Expire begins
	hidden int    // events that are removed already for everybody else
}

// expireHidden is how many of those an Expire may drop beside the others.
const expireHidden = 8 * chunk

// expire drops the events that keys of keyExpiry lead to, and counts those that were
// not hidden. A kind 5 or 62 under way is hidden, and goes when it is done.
func (w *writer) expire(ctx context.Context, keys [][]byte, x *expiry) (removed int, err error) {
	h := w.s.requests.hidden()
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		t := tailOf(key)
		x.from = append(key, 0)
		if r := w.s.requests.asks(&t); r != nil {
			counts, err := w.dropLater(r, &t)
			if err != nil {
				return removed, err
			}
			if counts {
				removed++
			}
			continue
		}
		n, err := w.expireOne(key)
		if err != nil {
			return removed, err
		}
		if len(n.value) > 0 && h.has(&n) {
			x.hidden++
		} else {
			removed++
		}
	}
	return removed, nil
}

// expireOne drops the event that the key leads to. The key goes even if the event
// cannot be read, or is gone.
func (w *writer) expireOne(key []byte) (n stored, err error) {
	n.tail = tailOf(key)
	if n.value, err = w.value(&n.tail); err != nil {
		return n, err
	}
	if n.value != nil {
		err = w.leave(n)
	}
	if len(n.value) == 0 {
		w.del(key)
	}
	return n, err
}

func expiresAt(key []byte) int64 { return int64(binary.BigEndian.Uint64(key[1:])) }

// readExpired reads up to most keys, from from on, of events that have expired by
// now, the first to expire first.
func (s *Store) readExpired(from []byte, now int64, most int) (keys [][]byte, err error) {
	err = s.versions.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(keysOnly)
		defer it.Close()
		prefix := []byte{keyExpiry}
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
