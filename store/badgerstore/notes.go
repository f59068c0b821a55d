package badgerstore

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Notes are what no record tells, for Repair. They are appended to a file. There are
// two kinds:
//
//   - keys of what a collection drops for good: of a version that bars its address, and
//     of a request to delete or to vanish that is gone itself. They are synced before the
//     records go.
//   - the record's key, with no value, of a version that an operator has removed or that
//     has expired: it bars nothing, though a newer version may come. It is synced after
//     the removal: if a crash takes it, the version bars after a Repair, if a newer one
//     came.
//
// A note is
//
//	0     4            6               8
//	| crc | key length | value length  | key | value        little-endian
//
// crc is the Castagnoli one of all the rest.
const (
	notesName = "records.notes"
	noteHead  = 8
	mostNote  = 128 // bytes of a key, and of a value
)

type noted struct{ key, value []byte }

// left is the version that left its address, if the note is of one.
func (n noted) left() (t tail, ok bool) {
	if n.key[0] != keyRecord || len(n.key) != 1+len(t) {
		return t, false
	}
	return tailOf(n.key), true
}

func appendNote(b []byte, n noted) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(n.key)))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(n.value)))
	b = append(append(b, n.key...), n.value...)
	binary.LittleEndian.PutUint32(b[at:], crc32.Checksum(b[at+4:], castagnoli))
	return b
}

// readNotes calls do with the notes in dir, and returns how many bytes are damaged,
// which it passes over. What do is given is valid during the call.
func readNotes(dir string, do func(noted) error) (damaged int64, err error) {
	f, err := os.Open(filepath.Join(dir, notesName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return eachNote(f, do)
}

// eachNote is readNotes of a file.
func eachNote(f io.Reader, do func(noted) error) (damaged int64, err error) {
	r := bufio.NewReaderSize(f, 1<<16)
	for {
		b, err := r.Peek(noteHead + 2*mostNote)
		if len(b) == 0 {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return damaged, err
		}
		n, size := parseNote(b)
		if size == 0 {
			damaged++
			size = 1
		} else if err := do(n); err != nil {
			return damaged, err
		}
		_, _ = r.Discard(size) // what was peeked at
	}
}

// parseNote returns the note that b begins with, and its size; 0: there is none.
func parseNote(b []byte) (n noted, size int) {
	if len(b) < noteHead {
		return n, 0
	}
	key, value := int(binary.LittleEndian.Uint16(b[4:])), int(binary.LittleEndian.Uint16(b[6:]))
	size = noteHead + key + value
	if key == 0 || key > mostNote || value > mostNote || size > len(b) || binary.LittleEndian.Uint32(b) != crc32.Checksum(b[4:size], castagnoli) {
		return n, 0
	}
	return noted{b[noteHead : noteHead+key], b[noteHead+key : size]}, size
}

// notes are those of a collection under way, and the file of all.
type notes struct {
	dir   string
	fsync func(*os.File) error

	taking sync.Mutex // held by a collection; guards the following
	text   []byte
	tidy   int64 // the size from which on the file is made anew

	writing sync.Mutex // held while the file is appended to or replaced; guards the following
	size    int64      // of the file, since it was appended to
}

// save makes durable what was noted.
func (n *notes) save(needed func(noted) (bool, error)) error {
	if err := n.append(n.text); err != nil {
		return err
	}
	n.text = n.text[:0]
	size := n.bytes()
	if needed == nil || size < max(n.tidy, leastNotes) {
		return nil
	}
	kept, err := n.rewrite(size, needed)
	n.tidy = 2 * kept
	return err
}

func (n *notes) append(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	n.writing.Lock()
	defer n.writing.Unlock()
	f, err := os.OpenFile(filepath.Join(n.dir, notesName), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = n.fsync(f)
	}
	size, seekErr := f.Seek(0, io.SeekCurrent)
	n.size = size
	return errors.Join(err, seekErr, f.Close(), syncFile(n.dir))
}

func (n *notes) bytes() int64 {
	n.writing.Lock()
	defer n.writing.Unlock()
	return n.size
}

// leastNotes is a size that is never too much.
const leastNotes = 1 << 20

// rewrite makes the file anew, of the notes among its first size bytes that are needed,
// and of what was appended since.
func (n *notes) rewrite(size int64, needed func(noted) (bool, error)) (kept int64, err error) {
	name := filepath.Join(n.dir, notesName)
	old, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer old.Close()
	f, err := os.Create(name + ".new")
	if err != nil {
		return 0, err
	}
	w := bufio.NewWriter(f)
	var text []byte
	_, err = eachNote(io.NewSectionReader(old, 0, size), func(one noted) error {
		ok, err := needed(one)
		if err != nil || !ok {
			return err
		}
		text = appendNote(text[:0], one)
		kept += int64(len(text))
		_, err = w.Write(text)
		return err
	})
	n.writing.Lock()
	defer n.writing.Unlock()
	if err == nil {
		_, err = io.Copy(w, io.NewSectionReader(old, size, n.size-size))
	}
	if err == nil {
		err = errors.Join(w.Flush(), n.fsync(f))
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, errors.Join(err, os.Remove(name+".new"))
	}
	n.size += kept - size
	return kept, errors.Join(os.Rename(name+".new", name), syncFile(n.dir))
}

// applyNotes gives the new keys what the notes tell.
func (p *repairer) applyNotes(ctx context.Context) error {
	w := p.s.newWriter()
	defer func() { w.close() }()
	n := 0
	damaged, err := readNotes(p.o.Dir, func(one noted) error {
		if n++; n%repairFrame == 0 {
			if err := errors.Join(ctx.Err(), w.seal()); err != nil {
				return err
			}
			w.close()
			w = p.s.newWriter()
		}
		return w.applyNote(one)
	})
	if damaged > 0 {
		p.report.note("%d bytes of %s are damaged, and passed over: what they told to be deleted or replaced may come again", damaged, notesName)
	}
	return errors.Join(err, w.seal())
}

func (w *writer) applyNote(n noted) error {
	has, ok, err := w.get(n.key)
	if err != nil {
		return err
	}
	switch n.key[0] {
	case keyGone:
		w.mark(n.key, nil)
	case keyGoneAddr, keyVanished:
		if t := readTime(n.value); !ok || t > readTime(has) {
			w.mark(n.key, bytes.Clone(n.value))
		}
	case keyBar:
		if len(n.value) == len(tail{}) && (!ok || bytes.Compare(n.value, has) < 0) {
			w.set(n.key, bytes.Clone(n.value))
		}
	}
	return nil
}
