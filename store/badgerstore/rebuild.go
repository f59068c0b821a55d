package badgerstore

import (
	"context"
	"fmt"
	"hash/maphash"
	"math/bits"
	"os"
	"path/filepath"

	badger "github.com/dgraph-io/badger/v4"

	"moa/nips/event"
	"moa/store"
	"moa/store/badgerstore/internal/records"
)

// newKeys makes a store whose records are there, and whose keys are to be made, in
// a folder of their own.
func newKeys(o *Options, log *records.Log) (*Store, error) {
	fresh := *o
	fresh.Dir = filepath.Join(o.Dir, swapMaking)
	if err := os.Mkdir(fresh.Dir, 0o700); err != nil {
		return nil, err
	}
	db, err := badger.OpenManaged(badgerOptions(&fresh).WithLogger(logger{o.Log}))
	if err != nil {
		return nil, err
	}
	s := &Store{
		opt: fresh, limits: usualLimits, log: o.Log, metrics: newMetrics(nil), db: db, records: log, rebuilding: true,
		hot: newHot(0), addresses: newAddressCache(0), tombstones: newBloom(64, 64), ids: ids{bloom: newBloom(64, 64)}, pending: newPending(),
		collector: collector{due: make(chan struct{}, 1)},
	}
	s.versions = newVersions(db)
	s.backlog = newBacklog(s.versions, s.metrics.flushTime)
	s.versions.flush = s.flush
	return s, nil
}

// appendKeys gives Badger the writer's writes, which are not durable before Repair
// is done.
func (s *Store) appendKeys(w *writes) (epoch uint64, err error) {
	if s.backlog.full() {
		if err := s.backlog.flush(); err != nil {
			return 0, err
		}
	}
	s.commitRecords(w)
	return s.backlog.add(w), nil
}

// repairFrame is how many records are done between two seals of the writer.
const repairFrame = 256

// run makes the keys.
func (p *repairer) run(ctx context.Context) error {
	p.seed = maphash.MakeSeed()
	spans := p.records.Spans()
	var total, done uint64
	for _, span := range spans {
		total += span.Next - span.First
		p.last = max(p.last, span.Next-1)
	}
	if p.old != nil {
		p.last = max(p.last, p.old.state.serial)
	}
	if err := p.readLeft(ctx); err != nil {
		return err
	}
	for _, step := range []func(*writer, uint64) error{p.redo, p.sift} {
		for _, span := range spans {
			for from := span.First; from < span.Next; from += repairFrame {
				if err := ctx.Err(); err != nil {
					return err
				}
				to := min(from+repairFrame, span.Next)
				if err := p.each(from, to, step); err != nil {
					return err
				}
				done += to - from
				p.progress(done/2, total)
			}
		}
	}
	if err := p.applyNotes(ctx); err != nil {
		return err
	}
	if err := p.finish(); err != nil {
		return err
	}
	return p.prove(ctx)
}

// each calls do for the serials from from up to to, with a writer.
func (p *repairer) each(from, to uint64, do func(*writer, uint64) error) error {
	w := p.s.newWriter()
	defer w.close()
	for serial := from; serial < to; serial++ {
		if err := do(w, serial); err != nil {
			return fmt.Errorf("event %d: %w", serial, err)
		}
	}
	return w.seal()
}

// redo does what the writer did when the event came, whether it was removed since
// or not: what it removed itself is removed with it.
func (p *repairer) redo(w *writer, serial uint64) error {
	e, n, ok, err := p.read(serial)
	if err != nil {
		return err
	}
	if !ok {
		p.records.Drop(serial)
		return nil
	}
	if err := p.clearWay(w, e, &n); err != nil {
		return err
	}
	if err := w.place(e, n); err != nil {
		return err
	}
	switch e.Kind {
	case event.KindDeletion:
		return w.deletion(e, &n.tail)
	case event.KindVanish:
		w.mark(vanishedKey(e.PubKey), appendTime(nil, e.CreatedAt))
		if err := w.seal(); err != nil {
			return err
		}
		return w.finish(newVanish(e, &n.tail))
	}
	return nil
}

// read reads the event of a record, if it is whole.
func (p *repairer) read(serial uint64) (e *event.Event, n stored, ok bool, err error) {
	if !p.records.Has(serial) {
		return nil, n, false, nil
	}
	b, err := p.records.Read(serial, new([]byte))
	n.value = b
	if err == nil && n.check() == nil {
		if e, err = event.ParseTrusted(n.raw()); err == nil {
			n.tail = makeTail(e, store.Serial(serial))
			return e, n, true, nil
		}
	}
	if !p.wasDead(serial) {
		p.report.damaged(serial)
	}
	return nil, n, false, nil
}

// wasDead reports that the event was removed, as far as anything tells.
func (p *repairer) wasDead(serial uint64) bool {
	if p.old != nil && serial <= p.old.upTo {
		return !p.old.living.has(serial)
	}
	return p.was.Has(serial)
}

// sift removes what is there by the rules and was removed all the same: it had expired,
// or the operator had removed it. It counts the keys of what stays.
func (p *repairer) sift(w *writer, serial uint64) error {
	if p.records.Dead(serial) {
		return nil
	}
	e, n, ok, err := p.read(serial)
	if err != nil || !ok {
		return err
	}
	if p.wasDead(serial) {
		return w.dropRoomy(n)
	}
	p.want.event(p.seed, e, &n)
	return nil
}

// finish writes what is written last, and makes everything durable.
func (p *repairer) finish() error {
	s := p.s
	w := s.newWriter()
	w.serial = store.Serial(p.last)
	w.set(barsKey, appendSerial(nil, 0))
	w.set(versionKey, []byte{0, 0, 0, formatVersion})
	err := w.seal()
	w.close()
	if err == nil {
		err = s.backlog.flush()
	}
	if err == nil {
		err = p.records.Sync()
	}
	p.countMissing()
	st := p.records.Stats()
	p.report.Events, p.report.Dead = uint64(s.events.Load()), uint64(st.Dead)
	if err == nil && uint64(st.Records-st.Dead) != p.report.Events {
		err = fmt.Errorf("%d events have keys, and %d records are not dropped", p.report.Events, st.Records-st.Dead)
	}
	return err
}

// countMissing tells of events that the old keys know and that have no record.
func (p *repairer) countMissing() {
	if p.old == nil {
		return
	}
	missing := 0
	for at, word := range p.old.living {
		for ; word != 0; word &= word - 1 {
			if !p.records.Has(uint64(at)*64 + uint64(bits.TrailingZeros64(word))) {
				missing++
			}
		}
	}
	if missing > 0 {
		p.report.note("%d events are lost with files of records that are missing or damaged", missing)
	}
}
