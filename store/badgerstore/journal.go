package badgerstore

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"moa/store/badgerstore/internal/records"
)

// journal makes commits durable: one frame a commit, one sync a frame. Badger,
// which is written behind it and not synced, is repeated from it after a crash.
//
// Two files take turns. When one is full the other is begun anew, over its old
// frames, so that a sync has no blocks to allocate. Before that, everything in
// it must be in Badger and synced there; Store.checkpoint sees to it and raises
// the floor.
type journal struct {
	synced uint64     // the number of the next frame at the last syncLate, which owns it
	id     records.ID // of the store
	sync   func(*os.File) error
	full   int64 // bytes from which on a file is full; with journalMost times as many commits wait for the other

	mu    sync.Mutex // guards the following
	files [2]journalFile
	at    int    // the file being written
	next  uint64 // number of the next frame
	floor uint64 // the first frame that Badger may lack after a crash
	told  uint64 // the floor that the last frame tells
	buf   []byte
	due   chan struct{} // a checkpoint should begin, or end
}

type journalFile struct {
	*os.File
	size  int64  // bytes of its frames
	end   uint64 // number after its last frame
	ready int64  // bytes that the disk has blocks for
}

// A frame is
//
//	0       4        8        16      24     28
//	| magic | length | number | floor | crc | length bytes of writes
//
// Numbers go up by one, from one that nobody can guess: what is in events may
// look like a frame, and lies in the file behind the last one when a later lap
// has come that far. crc is the Castagnoli one of all the rest. The floor is the
// journal's when the frame was written. A write is
//
//	| operation1 | key length uvarint | key | value length uvarint | value
const (
	frameMagic = "moaJ"
	frameHead  = 28
	maxFrame   = 1 << 30 // bytes of writes
	maxKept    = 4 << 20 // bytes of memory that wait for the next frame
	crcAt      = 24

	opSet    = 1
	opRemove = 2
)

const (
	journalFull = 16 << 20 // journal.full, at least
	journalMost = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openJournal opens the files in dir and hands what Badger may lack to redo,
// frame by frame. id is the store's, if it has one. before, if it is not nil, is asked first, with what Badger must
// have by itself.
func openJournal(dir string, sync bool, id records.ID, log *slog.Logger, before func(state) error, redo func(*writes) error) (j *journal, err error) {
	j = &journal{id: id, sync: datasync, full: journalFull, due: make(chan struct{}, 1)}
	if !sync {
		j.sync = func(*os.File) error { return nil }
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("journal: %w", err), j.closeFiles())
		}
	}()
	var files [2]*os.File
	for i := range j.files {
		if files[i], err = os.OpenFile(journalName(dir, i), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
			return j, err
		}
		j.files[i].File = files[i]
		if j.files[i].ready, err = files[i].Seek(0, io.SeekEnd); err != nil {
			return j, err
		}
	}
	found, err := findFrames(files)
	if err != nil {
		return j, err
	}
	if err := j.identify(found); err != nil {
		return j, err
	}
	if len(found.frames) == 0 {
		j.begin()
		return j, nil
	}
	j.take(found)
	if err := found.whole(log); err != nil {
		return j, err
	}
	if before != nil {
		promised, err := found.promised()
		if err == nil {
			err = before(promised)
		}
		if err != nil {
			return j, err
		}
	}
	return j, found.redo(redo)
}

func journalName(dir string, i int) string { return filepath.Join(dir, fmt.Sprintf("journal.%d", i)) }

// begin begins a journal that has nothing. The first frame stands alone in the
// other file, so that a frame behind a damaged first one can be told from what only
// looks like one.
func (j *journal) begin() {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	j.next = binary.BigEndian.Uint64(b[:])>>1 + 1
	j.floor = j.next
	j.at = 1
	_ = j.appendLocked(j.mark()) // a full disk does without
	j.floor = j.next
	j.at = 0
}

// take goes on behind what was found.
func (j *journal) take(found *frames) {
	for i := range found.frames {
		f := &found.frames[i]
		of := &j.files[f.at]
		of.size, of.end = f.end, f.number+1
	}
	if j.files[1].end > j.files[0].end {
		j.at = 1
	}
	j.next, j.floor, j.told = found.next, found.floor, found.floor
}

func (j *journal) closeFiles() (err error) {
	for i := range j.files {
		if f := j.files[i].File; f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

// append makes the writes durable as one frame, all or none of them. With an
// error they are not, but may still be there after a crash.
func (j *journal) append(w *writes) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.turnLocked(); err != nil {
		return err
	}
	before := j.pressingLocked()
	err := j.appendLocked(w.list)
	if !before && j.pressingLocked() {
		signal(j.due)
	}
	return err
}

// turnLocked turns to the other file if this one is full and that one free.
func (j *journal) turnLocked() error {
	other := &j.files[1-j.at]
	if j.files[j.at].size < j.full || other.end > j.floor {
		return nil
	}
	// The floor must be known before the frames below it are overwritten.
	if err := j.appendLocked(nil); err != nil {
		return err
	}
	if other.ready > j.full { // it had to become larger once
		if err := other.Truncate(j.full); err != nil {
			return err
		}
		other.ready = j.full
	}
	other.size, other.end = 0, 0
	j.at = 1 - j.at
	signal(j.due)
	return j.appendLocked(j.mark())
}

// appendLocked leaves the journal as it was after an error: half a frame, or one
// of which nobody knows if it is there, is none, and the next is written over it.
func (j *journal) appendLocked(list []write) error {
	f := &j.files[j.at]
	var head [frameHead]byte
	j.buf = append(j.buf[:0], head[:]...)
	for i := range list {
		op := byte(opSet)
		if list[i].remove {
			op = opRemove
		}
		j.buf = append(j.buf, op)
		j.buf = append(binary.AppendUvarint(j.buf, uint64(len(list[i].key))), list[i].key...)
		j.buf = append(binary.AppendUvarint(j.buf, uint64(len(list[i].value))), list[i].value...)
	}
	length := len(j.buf) - frameHead
	if length > maxFrame {
		return errFrame
	}
	copy(head[:], frameMagic)
	binary.BigEndian.PutUint32(head[4:], uint32(length))
	binary.BigEndian.PutUint64(head[8:], j.next)
	binary.BigEndian.PutUint64(head[16:], j.floor)
	binary.BigEndian.PutUint32(head[crcAt:], frameSum(&head, j.buf[frameHead:]))
	copy(j.buf, head[:])
	if err := f.prepare(f.size + int64(len(j.buf))); err != nil {
		return err
	}
	if _, err := f.WriteAt(j.buf, f.size); err != nil {
		return err
	}
	if err := j.sync(f.File); err != nil {
		return err
	}
	f.size += int64(len(j.buf))
	j.told = j.floor
	j.next++
	f.end = j.next
	if cap(j.buf) > maxKept {
		j.buf = nil
	}
	return nil
}

// zeros are written ahead of the frames, so that the sync of a frame has no
// blocks to find and no length to change.
var zeros [1 << 20]byte

// prepare has blocks for so many bytes.
func (f *journalFile) prepare(bytes int64) error {
	for f.ready < bytes {
		n, err := f.WriteAt(zeros[:], f.ready)
		f.ready += int64(n)
		if err != nil {
			return err
		}
	}
	return nil
}

// stuck reports that nothing can be appended before a checkpoint.
func (j *journal) stuck() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.files[j.at].size >= journalMost*j.full && j.files[1-j.at].end > j.floor
}

// pressing reports that the file is three quarters full and the other not free.
func (j *journal) pressing() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.pressingLocked()
}

func (j *journal) pressingLocked() bool {
	return j.files[j.at].size >= j.full/4*3 && j.files[1-j.at].end > j.floor
}

// end is the number after the last frame.
func (j *journal) end() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next
}

// muchFloor is how many frames fewer to do again are worth a frame that says so.
const muchFloor = 64

// raise says that Badger has all frames before floor for good.
func (j *journal) raise(floor uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.floor = max(j.floor, floor)
	if j.floor-j.told >= muchFloor {
		_ = j.appendLocked(nil) // the next frame says it otherwise
	}
}

// close empties the files, for Badger has everything, and closes them.
func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return errors.Join(j.emptyLocked(), j.closeFiles())
}

// emptyLocked first says that nothing needs to be done again, and empties the
// file being written last: at no time do older frames stand alone.
func (j *journal) emptyLocked() error {
	j.floor = j.next
	if err := j.appendLocked(nil); err != nil {
		return err
	}
	for _, f := range []*os.File{j.files[1-j.at].File, j.files[j.at].File} {
		if err := errors.Join(f.Truncate(0), j.sync(f)); err != nil {
			return err
		}
	}
	return nil
}
