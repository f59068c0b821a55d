package badgerstore

import (
	"fmt"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"moa/store"
)

// damages are what was found damaged since the store was opened, and named in the
// log, each once.
type damages struct {
	log     *slog.Logger
	counter *prometheus.CounterVec

	mu    sync.Mutex // guards the following
	named map[damage]struct{}
	count map[damageKind]int
}

// damage is one: an event by its serial, or a file by its name.
type damage struct {
	kind   damageKind
	serial uint64
	name   string
}

// damageKind is the label of a metric, too.
type damageKind string

const (
	damagedRecord damageKind = "event" // an event cannot be read, or is not what was written
	damagedKey    damageKind = "key"   // an event lacks a key that leads to it
	damagedTable  damageKind = "table" // a table of keys is not what was written
	damagedDead   damageKind = "dead"  // the set of removed events was wrong, and is repaired
)

var damageKinds = []damageKind{damagedRecord, damagedKey, damagedTable, damagedDead}

// mostNamed is how many of a kind are named at most.
const mostNamed = 1000

func newDamages(log *slog.Logger, m *metrics) *damages {
	d := &damages{log: log, counter: m.damages, named: map[damage]struct{}{}, count: map[damageKind]int{}}
	for _, kind := range damageKinds {
		d.counter.WithLabelValues(string(kind))
	}
	return d
}

// add counts one, and reports whether it is new.
func (d *damages) add(one damage) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.named[one]; ok || d.count[one.kind] == mostNamed {
		return false
	}
	d.named[one] = struct{}{}
	d.count[one.kind]++
	d.counter.WithLabelValues(string(one.kind)).Inc()
	return true
}

// record names a damaged event. err is that of reading it, if there was one.
func (d *damages) record(t *tail, err error) {
	if d.add(damage{kind: damagedRecord, serial: uint64(t.serial())}) {
		d.log.Error("an event is damaged on the disk, and passed over", "serial", t.serial(), "created_at", t.created(), "kind", t.kind(), "err", err)
	}
}

// serial names a damaged event of which nothing else is known.
func (d *damages) serial(n uint64, err error) {
	if d.add(damage{kind: damagedRecord, serial: n}) {
		d.log.Error("an event is damaged on the disk, and passed over", "serial", n, "err", err)
	}
}

func (d *damages) key(n store.Serial, what string) {
	if d.add(damage{kind: damagedKey, serial: uint64(n)}) {
		d.log.Error("the index is damaged: an event is not found as it should; stop, and run moa store repair", "serial", n, "what", what)
	}
}

// ids names an index that does not have as many ids as there are events.
func (d *damages) ids(ids, events int64) {
	if d.add(damage{kind: damagedKey, name: "ids"}) {
		d.log.Error("the index is damaged: it has not as many ids as events; stop, and run moa store repair", "ids", ids, "events", events)
	}
}

func (d *damages) table(name string, err error) {
	if d.add(damage{kind: damagedTable, name: name}) {
		d.log.Error("the index is damaged: a table is not what was written; stop, and run moa store repair", "file", name, "err", err)
	}
}

// dead names the records that the set of removed events had falsely, or lacked.
func (d *damages) dead(serials []uint64) {
	fresh := false
	for _, n := range serials {
		fresh = d.add(damage{kind: damagedDead, serial: n}) || fresh
	}
	if fresh {
		d.log.Error("the set of removed events was damaged; it is repaired", "serial", serials[0], "events", len(serials))
	}
}

// troubles are what an operator should act on.
func (d *damages) troubles() (list []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	say := func(kind damageKind, what string) {
		if n := d.count[kind]; n > 0 {
			list = append(list, fmt.Sprintf(what, n))
		}
	}
	say(damagedRecord, "%d events are damaged on the disk")
	say(damagedKey, "the index is damaged: %d events are not found as they should; stop, and run moa store repair")
	say(damagedTable, "the index is damaged: %d tables are not what was written; stop, and run moa store repair")
	say(damagedDead, "the set of removed events was damaged in %d places; it is repaired: check the disk")
	return list
}

// Damaged is how many damaged events were met, and passed over, since the store was
// opened; no more than 1000 are counted.
func (s *Store) Damaged() int {
	s.damages.mu.Lock()
	defer s.damages.mu.Unlock()
	return s.damages.count[damagedRecord]
}
