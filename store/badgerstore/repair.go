package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"

	badger "github.com/dgraph-io/badger/v4"

	"moa/store"
	"moa/store/badgerstore/internal/records"
)

// RepairReport is what Repair has done.
type RepairReport struct {
	Events  uint64 // that the store has now
	Dead    uint64 // records of events that were removed, and are not collected yet
	Damaged uint64 // records that are lost
	// Serials are those of the damaged records, the first thousand of them.
	Serials []uint64
	// Notes tell in plain words what was found and what could not be decided.
	Notes []string
}

func (r *RepairReport) note(format string, a ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, a...))
}

func (r *RepairReport) damaged(serial uint64) {
	r.Damaged++
	if len(r.Serials) < mostNamed {
		r.Serials = append(r.Serials, serial)
	}
}

// Repair makes the keys of the store in o.Dir anew from its records, whatever there
// is of the keys, and of the journal, and with them the set of the dead. It is for a
// store that Open answers store.ErrDamaged for, and does no other one any harm. Nobody
// may have the store open. progress, if it is not nil, is called now and then.
//
// The new keys are made beside the old ones, and then take their place: an interrupted
// Repair leaves the store as it was, or is finished by the next Open or Repair.
func Repair(ctx context.Context, o Options, progress func(done, total uint64)) (*RepairReport, error) {
	o.setDefaults()
	o.Existing = true
	if progress == nil {
		progress = func(uint64, uint64) {}
	}
	lock, err := lockFolder(&o)
	if err != nil {
		return nil, fmt.Errorf("repair store in %s: %w", o.Dir, err)
	}
	defer lock.Close()
	r, err := repair(ctx, &o, progress)
	if err != nil {
		return nil, fmt.Errorf("repair store in %s: %w", o.Dir, err)
	}
	return r, nil
}

func repair(ctx context.Context, o *Options, progress func(done, total uint64)) (*RepairReport, error) {
	if err := errors.Join(finishSwap(o.Dir), abandonSwap(o.Dir)); err != nil {
		return nil, err
	}
	p := &repairer{o: o, report: new(RepairReport), progress: progress}
	if err := p.survey(); err != nil {
		return nil, err
	}
	if err := p.open(); err != nil {
		return nil, err
	}
	err := p.run(ctx)
	if err := errors.Join(err, p.close()); err != nil {
		return nil, errors.Join(err, abandonSwap(o.Dir))
	}
	if err := readySwap(o.Dir); err != nil {
		return nil, err
	}
	return p.report, finishSwap(o.Dir)
}

// repairer repairs a store.
type repairer struct {
	o        *Options
	report   *RepairReport
	progress func(done, total uint64)

	records *records.Log
	was     records.Serials // the set of the dead, as it was
	old     *oldKeys        // nil: the keys that there are cannot be used
	left    map[tail]bool   // versions that were removed, and not replaced
	last    uint64          // serial
	adopted int             // events that only their records tell of
	s       *Store          // that is being made

	seed maphash.Seed
	want tally // of the keys that follow from what is stored
}

// survey looks at what there is.
func (p *repairer) survey() error {
	f, err := readDir(p.o.Dir)
	if err != nil {
		return err
	}
	if !f.manifest && !f.events && !f.journal && len(f.tables) == 0 {
		return ErrNoStore
	}
	have, problem := uint32(0), errors.New("the file MANIFEST is missing")
	if f.manifest {
		have, problem = f.inspectTables(p.o.Dir, 1<<62)
	}
	switch {
	case have > formatVersion:
		return newerFormat(have)
	case have > 0 && have < recordsVersion, have == 0 && !f.events && len(f.tables) > 0:
		return fmt.Errorf("%w: of before format %d, which had no files of events, nothing can be made anew; a backup is needed", store.ErrDamaged, recordsVersion)
	case problem != nil:
		p.report.note("the old keys cannot be used: %v", problem)
		return nil
	}
	if p.old, err = readOldKeys(p.o); err != nil {
		p.report.note("the old keys cannot be used: %v", err)
	}
	return nil
}

// open opens the records and brings them up to what the journal has.
func (p *repairer) open() error {
	log, found, err := records.OpenMending(p.o.Dir)
	if err != nil {
		return err
	}
	p.records = log
	for _, text := range found {
		p.report.note("%s; its head is made anew from what is in it", text)
	}
	if p.old != nil && p.old.id != (records.ID{}) && log.ID() != (records.ID{}) && p.old.id != log.ID() {
		p.report.note("the old keys are of another store, and are not used")
		p.old = nil
	}
	if err := p.mergeJournal(); err != nil {
		return errors.Join(err, log.Close())
	}
	if _, err := log.Adopt(p.adoptable); err != nil {
		return errors.Join(err, log.Close())
	}
	if p.adopted > 0 {
		p.report.note("%d events that were written and that nothing else tells of are taken in", p.adopted)
	}
	if p.old != nil && p.old.state.before(p.promised()) {
		p.report.note("the old keys are older than the events, and are not used")
		p.old = nil
	}
	p.was = log.TakeDead()
	if n := p.was.Wrong(); n > 0 && p.old == nil {
		p.report.note("%d pages of the set of removed events are damaged: for their events it is found out from the others what was removed; what had expired or was removed by the operator may be back", n)
	}
	if p.s, err = newKeys(p.o, log); err != nil {
		return errors.Join(err, log.Close())
	}
	return nil
}

// adoptable counts a record that was written, is whole, and that neither a head nor
// the journal tells of.
func (p *repairer) adoptable(serial uint64, b []byte) bool {
	_, ok := tailIn(serial, b)
	if ok {
		p.adopted++
	}
	return ok
}

// promised is what the old keys must have to be of use.
func (p *repairer) promised() state {
	n := p.records.Next()
	return state{serial: max(n, 1) - 1, events: ^uint64(0)}
}

// mergeJournal puts into the records what the whole frames of the journal have, and
// into the old keys that are in use.
func (p *repairer) mergeJournal() (err error) {
	found, closeFiles, err := readJournal(p.o.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFiles()) }()
	if len(found.frames) == 0 {
		return nil
	}
	if err := (&journal{id: p.records.ID()}).identify(found); err != nil {
		p.report.note("the journal is not used: %v", err)
		return nil
	}
	if err := found.whole(p.o.Log); err != nil {
		p.report.note("the journal is damaged in its middle: what was removed by the commits that are lost is found out from the events; what had expired or was removed by the operator may be back")
	}
	if p.old != nil {
		promised, err := found.promised()
		if err != nil {
			return err
		}
		if p.old.state.before(promised) {
			p.report.note("the old keys are older than the journal, and are not used")
			p.old = nil
		}
	}
	for i := range found.frames {
		if err := p.merge(&found.frames[i], found.floor); err != nil {
			return fmt.Errorf("frame %d: %w", found.frames[i].number, err)
		}
	}
	return nil
}

func (p *repairer) merge(f *frame, floor uint64) error {
	w, err := f.read()
	if err != nil {
		return err
	}
	if st, ok := w.state(); ok {
		p.last = max(p.last, st.serial)
	}
	missing := w.missing(p.records)
	if len(missing) > 0 && missing[0].Serial > p.records.Next() {
		if err := p.records.AdoptUntil(missing[0].Serial, p.adoptable); err != nil {
			return err
		}
	}
	if err := p.records.Prepare(missing); err != nil {
		return err
	}
	p.records.Commit()
	for i := range w.list {
		op := &w.list[i]
		if op.key[0] != keyRecord {
			continue
		}
		t := tailOf(op.key)
		if op.remove {
			p.records.Drop(uint64(t.serial()))
		}
		if p.old != nil && f.number >= floor {
			p.old.living.set(uint64(t.serial()), !op.remove)
		}
	}
	if st, ok := w.state(); ok && p.old != nil && f.number >= floor && !st.before(p.old.state) {
		p.old.state = st
	}
	return nil
}

func (p *repairer) close() error {
	return errors.Join(p.s.db.Close(), p.records.Close())
}

// oldKeys is what is read of keys that are whole.
type oldKeys struct {
	id     records.ID
	state  state
	living bitmap // serials
	upTo   uint64 // of which they tell
}

// readOldKeys reads which events there are, of keys that inspectTables has found to
// be whole.
func readOldKeys(o *Options) (*oldKeys, error) {
	db, err := openBadger(o)
	if err != nil {
		return nil, err
	}
	old := new(oldKeys)
	err = db.View(func(txn *badger.Txn) (err error) {
		if old.state, err = readState(txn); err != nil {
			return err
		}
		if b, err := get(txn, storeKey); err != nil {
			return err
		} else if len(b) == len(old.id) {
			old.id = records.ID(b)
		}
		return eachRecordKey(txn, func(key []byte) error {
			t := tailOf(key)
			old.living.set(uint64(t.serial()), true)
			return nil
		})
	})
	old.upTo = old.state.serial
	if err == nil && old.state == (state{}) {
		err = errors.New("they are empty")
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	return old, nil
}

// bitmap is a set of serials. The zero bitmap is empty.
type bitmap []uint64

func (b *bitmap) set(n uint64, in bool) {
	if in {
		for uint64(len(*b)) <= n/64 {
			*b = append(*b, 0)
		}
		(*b)[n/64] |= 1 << (n % 64)
	} else if n/64 < uint64(len(*b)) {
		(*b)[n/64] &^= 1 << (n % 64)
	}
}

func (b bitmap) has(n uint64) bool { return n/64 < uint64(len(b)) && b[n/64]>>(n%64)&1 == 1 }
