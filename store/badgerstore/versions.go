package badgerstore

import (
	"errors"
	"fmt"
	"sync"

	badger "github.com/dgraph-io/badger/v4"
)

// versions numbers what is written to Badger, and tells it which versions
// nobody reads any more. Badger is opened in its managed mode, for only there
// can keys be written in their order (writes.go).
type versions struct {
	db    *badger.DB
	flush func() error // writes to Badger what was committed

	mu   sync.Mutex     // guards the following
	last uint64         // readers begin here; what is written next is one more
	open map[uint64]int // transactions that read, by version
}

func newVersions(db *badger.DB) *versions {
	v := &versions{db: db, flush: func() error { return nil }, open: map[uint64]int{}}
	v.committed(db.MaxVersion())
	return v
}

var errUnflushed = errors.New("badger cannot be written")

// begin begins to read what was committed last; finish ends it. As long as Badger
// cannot be written that lacks the newest: it is for readers that serve it and
// remember nothing of it.
func (v *versions) begin() *badger.Txn {
	_ = v.flush() // which tells it
	return v.beginWritten()
}

// beginWhole is begin, and an error where that would lack something.
func (v *versions) beginWhole() (*badger.Txn, error) {
	if err := v.flush(); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnflushed, err)
	}
	return v.beginWritten(), nil
}

// beginWritten begins to read what Badger has of it.
func (v *versions) beginWritten() *badger.Txn {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.open[v.last]++
	return v.db.NewTransactionAt(v.last, false)
}

func (v *versions) finish(txn *badger.Txn) {
	txn.Discard()
	v.mu.Lock()
	defer v.mu.Unlock()
	at := txn.ReadTs()
	if v.open[at]--; v.open[at] == 0 {
		delete(v.open, at)
	}
}

// view reads all that was committed last.
func (v *versions) view(do func(*badger.Txn) error) error {
	txn, err := v.beginWhole()
	if err != nil {
		return err
	}
	defer v.finish(txn)
	return do(txn)
}

// next is the version to write next.
func (v *versions) next() uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.last + 1
}

// committed shows a version to readers, and lets Badger drop what only older
// ones than the oldest reader's would see.
func (v *versions) committed(version uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last = version
	oldest := version
	for at := range v.open {
		oldest = min(oldest, at)
	}
	v.db.SetDiscardTs(oldest)
}
