package badgerstore

import (
	"sync"

	badger "github.com/dgraph-io/badger/v4"
)

// versions numbers what is committed, and tells Badger which versions nobody
// reads any more. Badger is opened in its managed mode, for only there can a
// commit be written in the order of its keys (writes.go).
type versions struct {
	db *badger.DB

	mu   sync.Mutex     // guards the following
	last uint64         // readers begin here; the writer goes on from here
	open map[uint64]int // transactions that read, by version
}

func newVersions(db *badger.DB) *versions {
	v := &versions{db: db, open: map[uint64]int{}}
	v.committed(db.MaxVersion())
	return v
}

// begin begins a transaction on what was committed last; finish ends it. What
// is set in one that collects is only seen by its own reads.
func (v *versions) begin(collects bool) *badger.Txn {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.open[v.last]++
	return v.db.NewTransactionAt(v.last, collects)
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

// view reads what was committed last.
func (v *versions) view(do func(*badger.Txn) error) error {
	txn := v.begin(false)
	defer v.finish(txn)
	return do(txn)
}

// next is the version for the writer's next commit.
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
