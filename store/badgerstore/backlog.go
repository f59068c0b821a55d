package badgerstore

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// backlog is what is durable in the journal and on its way to Badger. Written
// there in larger parts, in the order of the keys, it costs a fraction: a commit
// of one event does not pay for a pass through Badger of its own.
//
// The writer looks through it itself; every other reader of Badger has it flushed
// first, and so sees all that was committed.
type backlog struct {
	versions *versions
	write    func(list []write, version uint64) error // to Badger
	took     prometheus.Observer                      // seconds
	flushing sync.Mutex                               // held while Badger is written; taken before mu
	waiting  atomic.Int64                             // writes that Badger lacks
	due      chan struct{}                            // it is time to flush
	failed   atomic.Bool                              // what was taken last could not be written
	changed  func(err error)                          // failed has; flushing is held

	mu    sync.Mutex // guards the following
	list  []write
	bytes int
	epoch uint64 // counts what was taken from list; what list has now is of this one

	taken []write // guarded by flushing: not yet written

	flushed atomic.Uint64 // the first epoch that Badger lacks
}

func newBacklog(v *versions, took prometheus.Observer) *backlog {
	write := func(list []write, version uint64) error { return writeBadger(v.db, list, version) }
	return &backlog{versions: v, write: write, took: took, due: make(chan struct{}, 1), changed: func(error) {}}
}

// From so many writes or bytes on the backlog is flushed in the background,
// and from backlogMost times that on before the next commit.
const (
	backlogWrites = 4 << 10
	backlogBytes  = 2 << 20
	backlogMost   = 4
)

// add takes over the writes of a commit, and returns their epoch.
func (b *backlog) add(w *writes) (epoch uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = append(b.list, w.list...)
	for i := range w.list {
		b.bytes += len(w.list[i].key) + len(w.list[i].value)
	}
	b.waiting.Add(int64(len(w.list)))
	if b.fullLocked(1) {
		signal(b.due)
	}
	return b.epoch
}

func (b *backlog) fullLocked(times int) bool {
	return len(b.list) >= times*backlogWrites || b.bytes >= times*backlogBytes
}

// full reports that no more should be added before it is flushed.
func (b *backlog) full() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed.Load() || b.fullLocked(backlogMost)
}

// flush writes to Badger what was added before the call.
func (b *backlog) flush() error {
	if b.waiting.Load() == 0 {
		return nil
	}
	b.flushing.Lock()
	defer b.flushing.Unlock()
	b.mu.Lock()
	if len(b.taken) == 0 {
		b.taken, b.list = b.list, b.taken
	} else {
		b.taken = append(b.taken, b.list...)
		clear(b.list)
		b.list = b.list[:0]
	}
	b.bytes = 0
	b.epoch++
	epoch := b.epoch
	b.mu.Unlock()
	if len(b.taken) == 0 {
		return nil
	}
	start := time.Now()
	version := b.versions.next()
	err := b.write(b.taken, version)
	b.versions.committed(version) // a part may be there after an error, too
	if failed := err != nil; b.failed.Swap(failed) != failed {
		b.changed(err)
	}
	if err != nil {
		return fmt.Errorf("write to badger: %w", err)
	}
	b.waiting.Add(-int64(len(b.taken)))
	clear(b.taken)
	b.taken = b.taken[:0]
	b.flushed.Store(epoch)
	b.took.Observe(time.Since(start).Seconds())
	return nil
}

// flush writes to Badger what was committed before the call. After an error,
// which is logged, Badger lacks the newest of it, which the journal has, and
// readers do not see it; it is tried again with the next call, and no commit is
// taken before it succeeds.
func (s *Store) flush() error { return s.backlog.flush() }

// flushes follows the backlog when Badger cannot be written, and can again.
func (s *Store) flushes(err error) {
	if err != nil {
		s.log.Error("what is committed cannot be written to badger", "err", err)
		return
	}
	s.addresses.reset() // what was found meanwhile may be old
	s.log.Info("badger is written again")
}
