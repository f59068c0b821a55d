package badgerstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"slices"
)

// frame is where a frame lies.
type frame struct {
	file          *os.File
	at            int // which file
	number, floor uint64
	start, end    int64 // of the writes
}

// frames are the whole ones of a journal, in their order.
type frames struct {
	frames      []frame
	floor, next uint64
}

// frameRange is how far the numbers of a journal's frames are from each other, at
// most.
const frameRange = 1 << 24

// findFrames reads a journal. What comes behind the last frame of a file is older, or
// was being written when the process ended. What comes behind a damaged one is not
// lost with it: each frame is synced before the next is written, so that a later one
// tells damage from the torn end.
func findFrames(files [2]*os.File) (*frames, error) {
	var of [2][]frame
	for i, file := range files {
		var err error
		if of[i], err = readFrames(file, i, 0); err != nil {
			return nil, err
		}
	}
	for i, file := range files { // whose first frame is damaged
		if other := of[1-i]; len(of[i]) == 0 && len(other) > 0 {
			var err error
			if of[i], err = readFrames(file, i, other[len(other)-1].number); err != nil {
				return nil, err
			}
		}
	}
	all := append(of[0], of[1]...)
	slices.SortFunc(all, func(a, b frame) int {
		if a.number < b.number {
			return -1
		}
		return 1
	})
	found := &frames{frames: all}
	if n := len(all); n > 0 {
		found.floor, found.next = all[n-1].floor, all[n-1].number+1
	}
	return found, nil
}

// readJournal finds the frames of the journal in dir, to read them until its files are
// closed.
func readJournal(dir string) (found *frames, closeFiles func() error, err error) {
	var files [2]*os.File
	closeFiles = func() (err error) {
		for _, f := range files {
			if f != nil {
				err = errors.Join(err, f.Close())
			}
		}
		return err
	}
	for i := range files {
		f, err := os.Open(journalName(dir, i))
		if errors.Is(err, os.ErrNotExist) {
			f, err = os.Open(os.DevNull)
		}
		if err != nil {
			return nil, nil, errors.Join(err, closeFiles())
		}
		files[i] = f
	}
	if found, err = findFrames(files); err != nil {
		return nil, nil, errors.Join(err, closeFiles())
	}
	return found, closeFiles, nil
}

// readFrames returns the frames of a file. near is the number of a frame in the
// other, with which one behind a damaged first frame is told; 0: there is none.
func readFrames(file *os.File, index int, near uint64) (list []frame, err error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	r := frameReader{file: file, index: index, size: info.Size()}
	for at := int64(0); ; {
		f, ok, err := r.read(at, nil)
		if err != nil {
			return nil, err
		}
		if ok && len(list) > 0 {
			ok = f.number == list[len(list)-1].number+1
		}
		if !ok {
			least, most := near-min(near, frameRange), near+frameRange
			if n := len(list); n > 0 {
				least, most = list[n-1].number+1, list[n-1].number+frameRange
			} else if near == 0 {
				return nil, nil
			}
			f, ok, err = r.search(at+1, func(number uint64) bool { return least <= number && number <= most })
			if !ok || err != nil {
				return list, err
			}
		}
		list = append(list, f)
		at = f.end
	}
}

type frameReader struct {
	file  *os.File
	index int
	size  int64
	buf   []byte
}

// read reads the frame at at, if there is a whole one of a number that may be.
func (r *frameReader) read(at int64, may func(number uint64) bool) (f frame, ok bool, err error) {
	var head [frameHead]byte
	if at+frameHead > r.size {
		return f, false, nil
	}
	if _, err := r.file.ReadAt(head[:], at); err != nil {
		return f, false, err
	}
	length := int64(binary.BigEndian.Uint32(head[4:]))
	f = frame{
		file: r.file, at: r.index, number: binary.BigEndian.Uint64(head[8:]), floor: binary.BigEndian.Uint64(head[16:]),
		start: at + frameHead, end: at + frameHead + length,
	}
	if string(head[:4]) != frameMagic || f.end > r.size || may != nil && !may(f.number) {
		return f, false, nil
	}
	r.buf = slices.Grow(r.buf[:0], int(length))[:length]
	if _, err := r.file.ReadAt(r.buf, f.start); err != nil {
		return f, false, err
	}
	return f, binary.BigEndian.Uint32(head[crcAt:]) == frameSum(&head, r.buf), nil
}

// search looks for the next frame from at on.
func (r *frameReader) search(at int64, may func(number uint64) bool) (f frame, ok bool, err error) {
	window := make([]byte, 1<<20)
	for at+frameHead <= r.size {
		b := window[:min(int64(len(window)), r.size-at)]
		if _, err := r.file.ReadAt(b, at); err != nil {
			return f, false, err
		}
		for from := 0; ; {
			i := bytes.Index(b[from:], []byte(frameMagic))
			if i < 0 {
				break
			}
			head := b[from+i:]
			from += i + 1
			if len(head) >= frameHead && !may(binary.BigEndian.Uint64(head[8:])) {
				continue // of an event that is full of what frames begin with
			}
			if f, ok, err = r.read(at+int64(from-1), may); ok || err != nil {
				return f, ok, err
			}
		}
		at += int64(len(b)) - (frameHead - 1) // a frame may begin at the end of b
	}
	return frame{}, false, nil
}

func frameSum(head *[frameHead]byte, writes []byte) uint32 {
	return crc32.Update(crc32.Checksum(head[:crcAt], castagnoli), castagnoli, writes)
}

var errFrame = errors.New("malformed frame")

// read reads the frame's writes.
func (f *frame) read() (*writes, error) {
	b := make([]byte, f.end-f.start)
	if _, err := f.file.ReadAt(b, f.start); err != nil {
		return nil, err
	}
	field := func() (x []byte, err error) {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return nil, errFrame
		}
		x, b = b[size:size+int(n)], b[size+int(n):]
		return x, nil
	}
	w := new(writes)
	for len(b) > 0 {
		op := b[0]
		b = b[1:]
		key, err1 := field()
		v, err2 := field()
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		if len(key) == 0 {
			return nil, errFrame
		}
		w.add(key, v, op == opRemove)
	}
	return w, nil
}

// whole reports frames that were lost and that something lacks without them.
func (fs *frames) whole(log *slog.Logger) error {
	next := min(fs.floor, fs.frames[0].number)
	for i := range fs.frames {
		n := fs.frames[i].number
		switch {
		case n == next:
		case n > fs.floor:
			return damaged(fmt.Sprintf("the journal has lost %d commits", n-max(next, fs.floor)))
		default:
			log.Warn("the journal is damaged where it is not needed any more", "commits", n-next)
		}
		next = n + 1
	}
	return nil
}

// redo does again what Badger may lack.
func (fs *frames) redo(do func(*writes) error) error {
	for i := range fs.frames {
		f := &fs.frames[i]
		if f.number < fs.floor {
			continue
		}
		w, err := f.read()
		if err == nil {
			err = do(w)
		}
		if err != nil {
			return fmt.Errorf("frame %d: %w", f.number, err)
		}
	}
	return nil
}

// state is what stateKey holds.
type state struct{ serial, events uint64 }

func parseState(b []byte) (st state, ok bool) {
	if len(b) != 16 {
		return st, false
	}
	return state{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}, true
}

// before reports a state that is older. Between two events that are stored their
// number only falls.
func (st state) before(other state) bool {
	return st.serial < other.serial || st.serial == other.serial && st.events > other.events
}

// promised is the state that Badger has without what is to be done again, at least.
func (fs *frames) promised() (st state, err error) {
	first, _ := slices.BinarySearchFunc(fs.frames, fs.floor, func(f frame, n uint64) int {
		if f.number < n {
			return -1
		}
		return 1
	})
	for i := first; i < len(fs.frames); i++ {
		if st, ok, err := fs.frames[i].stateBefore(); ok || err != nil {
			return st, err
		}
	}
	for i := first - 1; i >= 0; i-- {
		w, err := fs.frames[i].read()
		if err != nil {
			return st, err
		}
		if st, ok := w.state(); ok {
			return st, nil
		}
	}
	return st, nil
}

// state is the one that the writes set.
func (w *writes) state() (st state, ok bool) {
	for i := len(w.list) - 1; i >= 0; i-- {
		if op := &w.list[i]; string(op.key) == string(stateKey) {
			return parseState(op.value)
		}
	}
	return st, false
}

// stateBefore is the state before the frame, if it changes it.
func (f *frame) stateBefore() (st state, ok bool, err error) {
	w, err := f.read()
	if err != nil {
		return st, false, err
	}
	if st, ok = w.state(); !ok {
		return st, false, nil
	}
	for i := range w.list {
		switch op := &w.list[i]; {
		case op.key[0] != keyRecord:
		case op.remove:
			st.events++
		default:
			t := tailOf(op.key)
			st.serial = min(st.serial, uint64(t.serial())-1)
			st.events--
		}
	}
	return st, true, nil
}
