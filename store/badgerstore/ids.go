package badgerstore

import (
	"bytes"
	"context"

	badger "github.com/dgraph-io/badger/v4"

	"moa/store/badgerstore/internal/fault"
)

// ids is what the writer knows of all ids: nearly every event that comes is
// new, and to ask the tables for it costs more than its signature. Guarded by
// Store.write.
type ids struct {
	*bloom
	complete bool // those on disk are in it

	// While they are read: how many keys there are before next, which is to be
	// read next.
	next  []byte
	count int64
}

// newIDs has room for so many events and a quarter more.
func newIDs(events int64) ids {
	bits := min(max(events*5/4*bloomBitsEach, idBits), bloomBitsMost)
	return ids{bloom: newBloom(int(bits)/64*64, bloomBitsMost), next: []byte{keyID}}
}

// follow counts what a commit changes among the keys that were read already.
func (i *ids) follow(c *change) {
	if i.complete {
		return
	}
	for k := range c.added {
		if bytes.Compare(idKey(*c.added[k].id()), i.next) < 0 {
			i.count++
		}
	}
	for k := range c.removed {
		if !c.removed[k].unread() && bytes.Compare(idKey(*c.removed[k].id()), i.next) < 0 {
			i.count--
		}
	}
}

// lack reports that no event has the id that key is of.
func (i *ids) lack(key []byte) bool { return i.complete && i.lacks(key) }

// idChunk is how many ids are read between two commits.
const idChunk = 4096

// loadIDs adds the ids on disk.
func (s *Store) loadIDs(ctx context.Context) {
	for more := true; more && ctx.Err() == nil; {
		var err error
		if more, err = s.loadMoreIDs(); err != nil {
			s.log.Error("reading the ids failed; new events take longer", "err", err)
			return
		}
	}
}

// loadMoreIDs adds some ids, and reports whether there are more.
func (s *Store) loadMoreIDs() (more bool, err error) {
	s.write.Lock()
	defer s.write.Unlock()
	gate, err := s.life.begin()
	if err != nil {
		return false, nil
	}
	defer gate.RUnlock()
	defer fault.Catch(fault.Arm(), &err)
	err = s.versions.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(keysOnly)
		defer it.Close()
		n := 0
		for it.Seek(s.ids.next); it.ValidForPrefix([]byte{keyID}); it.Next() {
			if n == idChunk {
				s.ids.next, more = it.Item().KeyCopy(nil), true
				return nil
			}
			s.ids.add(it.Item().Key())
			s.ids.count++
			n++
		}
		s.ids.complete = true
		if events := s.events.Load(); s.ids.count != events {
			s.damages.ids(s.ids.count, events)
		}
		return nil
	})
	return more, err
}
