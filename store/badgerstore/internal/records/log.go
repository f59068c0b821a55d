// Package records keeps the records of a store in files, by serial: to find
// one is arithmetic. What is written is not durable before Sync; the store's
// journal has it until then.
package records

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"moa/store/badgerstore/internal/fault"
)

// Record is one to be written.
type Record struct {
	Serial uint64
	Bytes  []byte
}

// Log is the records of a store. Get, Whole and Dead may be called at any time;
// Prepare, Commit and Drop by one caller at a time, beside one of Sync and any of
// Collect; Truncate alone.
type Log struct {
	dir    string
	fsync  func(*os.File) error
	limits limits // guarded by mu

	segments atomic.Pointer[[]*segment] // by base; the last is written to
	dead     *dead
	id       ID // fixed once it is set

	collecting sync.Mutex // held by Collect, which takes mu

	mu       sync.Mutex // guards segments and what they say it guards
	prepared prepared
	redoing  bool     // until Adopt
	never    []string // files that were never synced, and are to be removed
	buf      []byte
	offsets  []uint32 // memory for the prepared
}

// prepared is what Prepare has written and Commit will show.
type prepared struct {
	segment *segment
	count   uint32
	kept    uint32
	end     int64
	offsets []uint32 // of the serials up to count
}

// limits say when a segment is full, and how much one must have to be collected
// while it is written to.
type limits struct {
	bytes   int64  // of records; one Prepare may take more
	serials uint64 // up to mostSerials
	collect int64  // bytes of records
}

const (
	segmentBytes = 128 << 20
	collectBytes = 1 << 20
)

// Limit makes smaller segments from now on, for tests, and has the last one
// collected whatever its size.
func (l *Log) Limit(bytes int64, serials uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limits = limits{min(bytes, segmentBytes), min(serials, mostSerials), 0}
}

// OnSync has do called in place of each sync, with what does the sync, for tests.
// Nothing may be under way.
func (l *Log) OnSync(do func(f *os.File, sync func(*os.File) error) error) {
	sync := l.fsync
	l.fsync = func(f *os.File) error { return do(f, sync) }
}

// Open opens the records in dir, as far as Sync has promised them: what came
// later is to be written again. Nothing of that is removed before the first Prepare,
// or Adopt.
func Open(dir string) (*Log, error) { return open(dir, (*os.File).Sync) }

func open(dir string, fsync func(*os.File) error) (*Log, error) {
	return openWith(dir, fsync, func(_ *segment, damage error) error { return damage })
}

// mender has a say about a segment whose head is damaged.
type mender func(s *segment, damage error) error

func openWith(dir string, fsync func(*os.File) error, mend mender) (*Log, error) {
	l := &Log{dir: dir, fsync: fsync, limits: limits{segmentBytes, mostSerials, collectBytes}, redoing: true}
	l.segments.Store(new([]*segment))
	var err error
	if l.dead, err = openDead(filepath.Join(dir, deadName)); err == nil {
		err = l.openSegments(mend)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("records: %w", err), l.closeFiles())
	}
	return l, nil
}

func (l *Log) openSegments(mend mender) error {
	names, err := l.names()
	if err != nil {
		return err
	}
	var list []*segment
	for i, name := range names {
		s, err := openSegment(name, segmentBytes, mend)
		if err != nil {
			return err
		}
		if s.count.Load() == 0 && i < len(names)-1 {
			// It may be one of several that were never synced.
			if err := mend(s, nil); err != nil {
				return errors.Join(err, s.close())
			}
		}
		if s.count.Load() == 0 && (i < len(names)-1 || s.base < l.Next() || !s.hasMore()) {
			if err := s.close(); err != nil {
				return err
			}
			l.never = append(l.never, name)
			continue
		}
		next := l.Next()
		list = append(list, s)
		l.segments.Store(&list)
		if err := l.recognise(s); err != nil {
			return err
		}
		if s.base < next {
			return fmt.Errorf("%s: %w: the one before it has its records", name, ErrDamaged)
		}
		// The process before this one may have ended before it was synced.
		if err := l.fsync(s.file); err != nil {
			return err
		}
	}
	for _, name := range l.never {
		if base, _ := baseOf(name); base < l.Next() && l.find(base) == nil {
			return fmt.Errorf("%s: %w: it has no head, and those after it have", name, ErrDamaged)
		}
	}
	l.dead.forget(l.Next())
	l.dead.doubtMissing(l.Next())
	return nil
}

// removeNeverLocked removes the files that were never synced: what the journal does
// again takes their place. That comes first when the journal is found to be whole, for
// otherwise they are all there is of what it has lost.
func (l *Log) removeNeverLocked() error {
	for len(l.never) > 0 {
		if err := os.Remove(l.never[0]); err != nil {
			return err
		}
		l.never = l.never[1:]
	}
	return nil
}

// names returns those of the segments, in order. It removes what Collect was
// making when the process ended.
func (l *Log) names() (names []string, err error) {
	files, err := os.ReadDir(l.dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		name := filepath.Join(l.dir, f.Name())
		rest, isNew := strings.CutSuffix(name, newSuffix)
		switch _, ok := baseOf(rest); {
		case !ok:
		case !isNew:
			names = append(names, name)
		default:
			if err := os.Remove(name); err != nil {
				return nil, err
			}
		}
	}
	return names, nil
}

// Next is the serial after the last. 0: there is none.
func (l *Log) Next() uint64 {
	list := *l.segments.Load()
	for n := len(list); n > 0; n-- {
		if s := list[n-1]; s.count.Load() > 0 { // the last may have none yet
			return s.next()
		}
	}
	return 0
}

// find returns the segment that a serial belongs to, or nil.
func (l *Log) find(serial uint64) *segment {
	list := *l.segments.Load()
	i := sort.Search(len(list), func(i int) bool { return list[i].base > serial }) - 1
	if i < 0 || serial >= list[i].next() {
		return nil
	}
	return list[i]
}

// Get returns the record, or nil if there is none. It is valid until Collect or
// Close have shut out readers.
func (l *Log) Get(serial uint64) []byte {
	s := l.find(serial)
	if s == nil {
		return nil
	}
	return s.get(uint32(serial - s.base))
}

// Read is like Get, but reads the record into buf, which grows as need be, and
// leaves the pages that it is in unmapped: for a caller that goes through many once. Of a
// record that is not whole it returns nil.
func (l *Log) Read(serial uint64, buf *[]byte) (b []byte, err error) {
	s := l.find(serial)
	if s == nil {
		return nil, nil
	}
	defer fault.Catch(fault.Arm(), &err) // where it lies is mapped
	b, err = s.read(uint32(serial-s.base), buf)
	if err != nil {
		return nil, fmt.Errorf("records: %w", err)
	}
	return b, nil
}

// Unmap gives back the memory that Get has mapped. What it has returned stays
// valid.
func (l *Log) Unmap() error {
	l.mu.Lock() // what Collect unmaps may be somebody else's memory by then
	defer l.mu.Unlock()
	for _, s := range *l.segments.Load() {
		if err := unix.Madvise(s.bytes, unix.MADV_DONTNEED); err != nil {
			return fmt.Errorf("records: %w", err)
		}
		s.sound.forget()
	}
	return nil
}

// Whole reports whether the record is there, as it was written.
func (l *Log) Whole(serial uint64) bool {
	s := l.find(serial)
	return s != nil && s.whole(uint32(serial-s.base))
}

// Covers reports a serial that a file has a place for. Its record may be gone.
func (l *Log) Covers(serial uint64) bool { return l.find(serial) != nil }

// Dead reports that the record was dropped. It may still be there.
func (l *Log) Dead(serial uint64) bool { return l.dead.has(serial) }

// Prepare writes records of ascending serials, all beyond the last. Nobody sees
// them before Commit; without one the next Prepare takes their place.
func (l *Log) Prepare(list []Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prepared = prepared{}
	if len(list) == 0 {
		return nil
	}
	if err := l.removeNeverLocked(); err != nil {
		return fmt.Errorf("records: %w", err)
	}
	if list[0].Serial < l.Next() {
		return fmt.Errorf("records: %d is there already", list[0].Serial)
	}
	l.buf = l.buf[:0]
	for _, r := range list {
		l.buf = appendRecord(l.buf, r.Serial, r.Bytes)
	}
	s, err := l.roomLocked(list[0].Serial, list[len(list)-1].Serial)
	if err != nil {
		return fmt.Errorf("records: %w", err)
	}
	if _, err := s.file.WriteAt(l.buf, s.end.Load()); err != nil {
		return fmt.Errorf("records: %w", err)
	}
	l.prepared = prepared{
		segment: s, count: uint32(list[len(list)-1].Serial-s.base) + 1,
		kept: s.kept + uint32(len(list)), end: s.end.Load() + int64(len(l.buf)),
		offsets: l.offsetsLocked(s, list),
	}
	if err := s.writeOffsets(s.count.Load(), l.prepared.offsets); err != nil {
		l.prepared = prepared{}
		return fmt.Errorf("records: %w", err)
	}
	return nil
}

// roomLocked returns the segment that takes what is in buf, of these serials.
func (l *Log) roomLocked(first, last uint64) (*segment, error) {
	list := *l.segments.Load()
	n := len(list)
	if n > 0 && l.redoing && list[n-1].count.Load() == 0 && last < list[n-1].base {
		n-- // Adopt may want it
	}
	for i := n - 1; i >= max(n-2, 0); i-- {
		if list[i].count.Load() > 0 || i == n-1 && l.fitsLocked(list[i], first, last) {
			continue
		}
		if err := l.removeLocked(i); err != nil { // it was made for others
			return nil, err
		}
		return l.roomLocked(first, last)
	}
	if n > 0 && l.fitsLocked(list[n-1], first, last) {
		return list[n-1], nil
	}
	if last-first >= mostSerials {
		return nil, fmt.Errorf("%d serials at once", last-first)
	}
	if len(l.buf) > mostBytes {
		return nil, fmt.Errorf("%d bytes at once", len(l.buf))
	}
	s, err := makeSegment(nameOf(l.dir, first), first, max(segmentBytes, int64(len(l.buf))), l.id)
	if err != nil {
		return nil, err
	}
	list = slices.Insert(slices.Clone(list), n, s)
	l.segments.Store(&list)
	return s, nil
}

func (l *Log) fitsLocked(s *segment, first, last uint64) bool {
	return first >= s.base && last-s.base < l.limits.serials && s.end.Load()+int64(len(l.buf)) <= recordsAt+l.limits.bytes
}

// removeLocked removes segment i, which is empty.
func (l *Log) removeLocked(i int) error {
	list := *l.segments.Load()
	l.segments.Store(new(slices.Delete(slices.Clone(list), i, i+1)))
	return errors.Join(list[i].close(), os.Remove(nameOf(l.dir, list[i].base)))
}

// offsetsLocked returns where the records of buf lie, from the serial after the
// segment's last on; 0 for a serial that has no record.
func (l *Log) offsetsLocked(s *segment, list []Record) []uint32 {
	next := s.next()
	n := int(list[len(list)-1].Serial + 1 - next)
	offsets := slices.Grow(l.offsets[:0], n)[:n]
	clear(offsets)
	l.offsets = offsets
	lies := s.end.Load()
	for _, r := range list {
		offsets[r.Serial-next] = uint32(lies)
		lies += recordHead + int64(len(r.Bytes))
	}
	return offsets
}

// Commit shows what was prepared.
func (l *Log) Commit() {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.prepared
	l.prepared = prepared{}
	if p.segment == nil {
		return
	}
	s := p.segment
	if from := s.count.Load(); p.count-from != p.kept-s.kept { // serials that have no record
		for i, lies := range p.offsets {
			if lies == 0 {
				l.dead.add(s.base + uint64(from) + uint64(i))
			}
		}
	}
	s.lie = append(s.lie, p.offsets...)
	s.kept, s.clean = p.kept, false
	s.end.Store(p.end)
	s.count.Store(p.count)
	if cap(l.buf) > keptBuffer {
		l.buf, l.offsets = nil, nil
	}
}

// keptBuffer is how much memory waits for the next Prepare.
const keptBuffer = 4 << 20

// Drop says that a record is not needed any more. It is there until its segment
// is collected.
func (l *Log) Drop(serial uint64) { l.dead.add(serial) }

// Undrop takes it back: the record is needed.
func (l *Log) Undrop(serial uint64) { l.dead.remove(serial) }

// Truncate forgets all records after last.
func (l *Log) Truncate(last uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := slices.Clone(*l.segments.Load())
	for n := len(list); n > 0 && list[n-1].next() > last+1; n-- {
		s := list[n-1]
		if s.base > last {
			list = list[:n-1]
			l.segments.Store(&list)
			if err := errors.Join(s.close(), os.Remove(nameOf(l.dir, s.base))); err != nil {
				return fmt.Errorf("records: %w", err)
			}
			continue
		}
		// What is cut off stays, and counts as kept: Collect comes a little early.
		s.count.Store(uint32(last - s.base + 1))
		s.promised = min(s.promised, s.count.Load())
		s.lie = s.lie[:s.count.Load()-s.promised]
		s.clean = false
		break
	}
	l.dead.forget(last + 1)
	return nil
}

// Close closes the files. It does not sync them.
func (l *Log) Close() error { return l.closeFiles() }

func (l *Log) closeFiles() (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range *l.segments.Load() {
		err = errors.Join(err, s.close())
	}
	l.segments.Store(new([]*segment))
	if l.dead != nil {
		err = errors.Join(err, l.dead.close())
	}
	return err
}
