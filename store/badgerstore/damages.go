package badgerstore

import (
	"log/slog"
	"sync"

	"moa/store"
)

// damages are the damaged records that the log has named. The zero damages are
// none.
type damages struct {
	mu    sync.Mutex
	named map[store.Serial]struct{}
}

// mostNamed is how many are named at most.
const mostNamed = 1000

// report names a record, once. err is that of reading it, if there was one.
func (d *damages) report(log *slog.Logger, t *tail, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := t.serial()
	if _, ok := d.named[n]; ok || len(d.named) == mostNamed {
		return
	}
	if d.named == nil {
		d.named = map[store.Serial]struct{}{}
	}
	d.named[n] = struct{}{}
	log.Error("an event is damaged on the disk, and passed over", "serial", n, "created_at", t.created(), "kind", t.kind(), "err", err)
}
