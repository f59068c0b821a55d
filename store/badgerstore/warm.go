package badgerstore

import (
	"context"
	"errors"

	badger "github.com/dgraph-io/badger/v4"

	"moa/store/badgerstore/internal/fault"
)

// warmChunk is how many events are read into memory between two commits.
const warmChunk = 256

// warm fills the hot index from the newest event down, until it is full. While
// it reads a chunk no commit runs, so that none can fall between the chunk and
// the floor.
func (s *Store) warm(ctx context.Context) {
	for ctx.Err() == nil {
		more, err := s.warmMore(warmChunk)
		if err != nil {
			s.log.Error("reading recent events into memory failed", "error", err)
			return
		}
		if !more {
			events, bytes := s.hot.size()
			s.log.Debug("recent events are in memory", "events", events, "bytes", bytes)
			return
		}
	}
}

func (s *Store) warmMore(chunk int) (more bool, err error) {
	s.write.Lock()
	defer s.write.Unlock()
	gate, err := s.life.begin()
	if err != nil {
		return false, nil
	}
	defer gate.RUnlock()
	defer fault.Catch(fault.Arm(), &err)
	events, err := s.readRecords(s.hot.floor, lastTail, chunk)
	if err != nil {
		return false, err
	}
	to := lastTail
	if len(events) == chunk {
		to = events[chunk-1].tail.next()
	}
	return s.hot.extend(events, to), nil
}

// readRecords reads up to most records, from from on and before to.
func (s *Store) readRecords(from, to tail, most int) (events []stored, err error) {
	err = s.versions.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(keysOnly)
		defer it.Close()
		for it.Seek(recordKey(&from)); len(events) < most && it.ValidForPrefix(allEvents); it.Next() {
			t := tailOf(it.Item().Key())
			if t.compare(&to) >= 0 {
				break
			}
			v, err := s.readRecord(&t, new([]byte))
			if errors.Is(err, errValue) {
				s.damages.record(&t, err)
				continue
			}
			if err != nil {
				return err
			}
			events = append(events, stored{t, v})
		}
		return nil
	})
	return events, err
}
