package badgerstore

import (
	"context"

	badger "github.com/dgraph-io/badger/v4"

	"moa/store/badgerstore/internal/fault"
)

// ids is what the writer knows of all ids: nearly every event that comes is
// new, and to ask the tables for it costs more than its signature. Guarded by
// Store.write.
type ids struct {
	*marks
	complete bool // those on disk are in it
}

// lack reports that no event has the id that key is of.
func (i *ids) lack(key []byte) bool { return i.complete && i.lacks(key) }

// idChunk is how many ids are read between two commits.
const idChunk = 4096

// loadIDs adds the ids on disk.
func (s *Store) loadIDs(ctx context.Context) {
	from := []byte{keyID}
	for ctx.Err() == nil && from != nil {
		var err error
		if from, err = s.loadMoreIDs(from); err != nil {
			s.log.Error("reading the ids failed; new events take longer", "err", err)
			return
		}
	}
}

// loadMoreIDs adds some ids, and returns the key to go on from; nil: none.
func (s *Store) loadMoreIDs(from []byte) (next []byte, err error) {
	s.write.Lock()
	defer s.write.Unlock()
	gate, err := s.life.begin()
	if err != nil {
		return nil, nil
	}
	defer gate.RUnlock()
	defer fault.Catch(fault.Arm(), &err)
	err = s.versions.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(keysOnly)
		defer it.Close()
		n := 0
		for it.Seek(from); it.ValidForPrefix([]byte{keyID}); it.Next() {
			if n == idChunk {
				next = it.Item().KeyCopy(nil)
				return nil
			}
			s.ids.add(it.Item().Key())
			n++
		}
		s.ids.complete = true
		return nil
	})
	return next, err
}
