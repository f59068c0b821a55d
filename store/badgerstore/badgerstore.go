// Package badgerstore keeps events in files of records and their keys in Badger,
// with an index of the recent ones in memory in front of it. ../FORMAT.md draws
// what is on disk.
//
// It knows how events are kept and found, not who may write or read them.
package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	badger "github.com/dgraph-io/badger/v4"
	"github.com/prometheus/client_golang/prometheus"

	"moa/nips/event"
	"moa/store"
	"moa/store/badgerstore/internal/fault"
	"moa/store/badgerstore/internal/records"
)

// Options say where a Store lives and what it may use. Only Dir is needed.
type Options struct {
	Dir string
	// CacheMB bounds what Badger's tables being written take of the memory; about
	// as much again may be mapped of the files of records. 0: 128. Less than 32
	// counts as 32.
	CacheMB int
	// HotMB bounds the index in memory: three quarters are for the recent
	// events, some 300 bytes each, the rest for where older profiles and lists
	// that are asked for lie. 0: 96; negative: none.
	HotMB int
	// ReserveMB is how much room must be left on the disk for a write to be
	// taken: below it Commit answers store.ErrFull. Badger's files are mapped
	// into memory, so that a disk that really fills up kills the process; the
	// reserve is what it needs to finish flushing and compacting. Expire may
	// use half of it. 0: 512; negative: none.
	ReserveMB int
	// NoSync has what was committed reach the disk a second later, about, and in
	// any order. A crash of the process loses nothing, one of the machine may, and
	// may leave what takes a Repair.
	NoSync bool
	// ScrubMB is how much of the files is read through a second, in MB, in the
	// background, to find what the disk has lost. 0: nothing.
	ScrubMB int
	// Existing has Open answer ErrNoStore where it would make a store, and
	// ErrOlderFormat where it would migrate one: for callers that only read.
	Existing bool
	Log      *slog.Logger          // nil: silent
	Registry prometheus.Registerer // nil: no metrics
}

// addressShare is which part of HotMB is for what was looked up.
const addressShare = 4

func (o *Options) setDefaults() {
	if o.CacheMB == 0 {
		o.CacheMB = 128
	}
	o.CacheMB = max(o.CacheMB, 32)
	if o.HotMB == 0 {
		o.HotMB = 96
	}
	if o.ReserveMB == 0 {
		o.ReserveMB = 512
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// Store is a store.Store on disk. Make it with Open.
type Store struct {
	opt     Options
	limits  limits
	log     *slog.Logger
	metrics *metrics
	room    func(reserveMB int) error // tells store.ErrFull before a write

	closing sync.Once
	life    life
	lock    io.Closer // of the folder
	db      *badger.DB

	records  *records.Log
	versions *versions
	journal  *journal
	backlog  *backlog

	write      sync.Mutex // guards the following: one writer at a time
	serial     store.Serial
	rebuilding bool           // Repair makes the keys of records that there are
	barsFrom   store.Serial   // what is removed of later ones leaves its address
	had        state          // of Badger, before the journal was done again
	behind     []*event.Event // records that are whole and were never promised
	failed     bool           // the last commit has failed half-way
	tombstones *bloom         // tombstones
	ids        ids
	pending    *pending
	writes     writes // of the writer at work
	// expireFrom is when the next event expires, or before: no key of keyExpiry is
	// for an earlier time.
	expireFrom int64

	syncFile      func(name string) error // to the disk; replaced by tests
	checkpointing sync.Mutex              // guards the following
	distrusted    distrusted
	unsafe        atomic.Bool // the last checkpoint has failed
	late          atomic.Bool // NoSync, and it is synced in the background
	appending     sync.Mutex  // held while the journal has a frame that the backlog lacks

	last      atomic.Uint64 // store.Serial
	events    atomic.Int64
	aliases   atomic.Bool // there are keyAlias keys
	recent    recent
	hot       *hot
	addresses *addressCache

	broken    atomic.Bool  // the last commit has failed
	probed    atomic.Int64 // when Ready has tried the journal last, in probeEvery
	damages   *damages
	collector collector
	notes     notes // of the collector
	requests  requests
	later     func(do func(context.Context)) // in the background, until Close ends ctx

	warmUp func()             // fills hot in the background
	cancel context.CancelFunc // ends warming
	tasks  sync.WaitGroup
}

// Open opens the store in o.Dir, and makes it if there is none. A store of an
// older format is migrated first. An error that is store.ErrFormat says that
// it is of a newer one, and one that is store.ErrDamaged that Repair is needed.
func Open(o Options) (*Store, error) {
	o.setDefaults()
	lock, db, err := openFolder(&o)
	if err != nil {
		return nil, fmt.Errorf("open store in %s: %w", o.Dir, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Store{
		opt: o, limits: usualLimits, log: o.Log, metrics: newMetrics(o.Registry), lock: lock, db: db, cancel: cancel,
		hot: newHot(o.HotMB - o.HotMB/addressShare), addresses: newAddressCache(int64(o.HotMB/addressShare) << 20),
		tombstones: newBloom(tombstoneBits, bloomBitsMost), pending: newPending(),
		collector: collector{due: make(chan struct{}, 1)},
		syncFile:  syncFile, distrusted: distrusted{},
	}
	s.damages = newDamages(o.Log, s.metrics)
	s.notes.dir, s.notes.fsync = o.Dir, (*os.File).Sync
	s.room = func(reserveMB int) error { return diskRoom(o.Dir, reserveMB) }
	if err := s.guardedStart(); err != nil {
		cancel()
		return nil, errors.Join(fmt.Errorf("open store in %s: %w", o.Dir, err), db.Close(), lock.Close())
	}
	s.metrics.watch(s)
	s.later = func(do func(context.Context)) { s.tasks.Go(func() { do(ctx) }) }
	s.warmUp = func() {
		if s.hot.max > 0 {
			s.tasks.Go(func() { s.warm(ctx); s.keepUp(ctx) })
		}
	}
	s.rollForward()
	s.warmUp()
	s.tasks.Go(func() { s.loadIDs(ctx) })
	s.tasks.Go(func() { s.background(ctx) })
	if o.NoSync {
		s.tasks.Go(func() { s.syncLate(ctx) })
	}
	if o.ScrubMB > 0 {
		s.tasks.Go(func() { s.scrubs(ctx) })
	}
	return s, nil
}

// guardedStart is start, with a page that cannot be read as an error.
func (s *Store) guardedStart() (err error) {
	defer fault.Catch(fault.Arm(), &err)
	return s.start()
}

func (s *Store) start() (err error) {
	have, err := knownVersion(s.db, formatVersion)
	if err != nil {
		return err // and do nothing of its journal
	}
	if err := s.mayOpen(have); err != nil {
		return err
	}
	if s.records, err = records.Open(s.opt.Dir); err != nil {
		return asDamaged(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.records.Close())
		}
	}()
	s.hot.records = s.records
	s.versions = newVersions(s.db)
	s.backlog = newBacklog(s.versions, s.metrics.flushTime)
	redo := s.redo
	if have > 0 && have < recordsVersion {
		redo = s.redoKeys
	}
	id, err := s.identify()
	if err != nil {
		return err
	}
	if s.journal, err = openJournal(s.opt.Dir, !s.opt.NoSync, id, s.log, s.atLeast, redo); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.journal.closeFiles())
		}
	}()
	// A file of Badger's soon becomes a table while one of the journal's fills.
	s.journal.full = max(journalFull, s.db.Opts().MemTableSize)
	if err := s.checkpoint(); err != nil {
		return err
	}
	if err := migrate(s, migrations, s.checkpoint); err != nil {
		return err
	}
	if err := s.name(); err != nil {
		return err
	}
	s.versions.committed(s.db.MaxVersion())
	s.versions.flush, s.backlog.changed = s.flush, s.flushes
	if err := s.load(); err != nil {
		return err
	}
	if err := s.loadBars(); err != nil {
		return err
	}
	if err := s.adopt(); err != nil {
		return err
	}
	if err := s.agree(); err != nil {
		return err
	}
	return s.resumeJobs()
}

// load reads the state that memory holds of the disk.
func (s *Store) load() error {
	return s.versions.view(func(txn *badger.Txn) error {
		st, err := readState(txn)
		if err != nil {
			return err
		}
		s.serial = store.Serial(st.serial)
		s.events.Store(int64(st.events))
		s.last.Store(uint64(s.serial))
		s.ids = newIDs(s.events.Load())
		s.tombstones.loadTombstones(txn)
		it := txn.NewIterator(keysOnly)
		defer it.Close()
		it.Seek([]byte{keyAlias})
		s.aliases.Store(it.ValidForPrefix([]byte{keyAlias}))
		return nil
	})
}

// stateKey holds the last serial and the number of events, 8 bytes each.
var stateKey = []byte("mstate")

// keysOnly are the options of an iterator that reads no values.
var keysOnly = badger.IteratorOptions{}

// get returns a copy of the value of key, or nil if there is none.
func get(txn *badger.Txn, key []byte) ([]byte, error) {
	item, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return item.ValueCopy(nil)
}

func parseTail(key, b []byte) (t tail, err error) {
	if len(b) != len(t) {
		return t, fmt.Errorf("key %x: %w", key, errValue)
	}
	return tail(b), nil
}

// checked is a record that was read.
func checked(t *tail, b []byte) (value, error) {
	v := value(b)
	if err := v.check(); err != nil {
		return nil, fmt.Errorf("record %x: %w", *t, err)
	}
	return v, nil
}

// readRecord reads the record of t, which there is or was, into buf. Only the
// recent events' are mapped (hot.go): others are too many to be worth it, and a
// read that waits for the disk makes room for others, as touching a page does not.
func (s *Store) readRecord(t *tail, buf *[]byte) (value, error) {
	b, err := s.records.Read(uint64(t.serial()), buf)
	if err != nil { // of the disk: it is damage of this record, and of nobody's batch or query
		return nil, fmt.Errorf("record %x: %w: %w", *t, errValue, err)
	}
	return checked(t, b)
}

// Has does what store.Store says, of the events committed last.
func (s *Store) Has(id event.ID) bool { return s.recent.has(id) }

// Last does what store.Store says.
func (s *Store) Last() store.Serial { return store.Serial(s.last.Load()) }

// Stats does what store.Store says.
func (s *Store) Stats() store.Stats {
	return store.Stats{Events: s.events.Load(), Bytes: diskUse(s.opt.Dir)}
}

// Close waits for what is under way and closes the files. On a full disk it leaves
// the folder as a crash would, locked until the process ends.
func (s *Store) Close() (err error) {
	s.closing.Do(func() { err = s.close() })
	return err
}

func (s *Store) close() error {
	s.cancel()
	s.life.end()
	s.tasks.Wait() // of which no commit begins one any more
	s.metrics.unwatch()
	if err := s.closeRoom(); errors.Is(err, store.ErrFull) {
		return s.abandon(err)
	}
	err := s.backlog.flush()
	err = errors.Join(err, s.db.Close(), s.records.Sync(), s.records.Close())
	if err != nil { // the journal still has it
		return errors.Join(err, s.journal.closeFiles(), s.lock.Close())
	}
	return errors.Join(s.journal.close(), s.lock.Close())
}

// abandon leaves Badger as it is: to write what it has to a disk without room would
// end the process. The journal has it for the next start.
func (s *Store) abandon(why error) error {
	s.log.Warn("no room to close the index; the next start makes it from the journal", "err", why)
	return errors.Join(s.records.Close(), s.journal.closeFiles())
}
