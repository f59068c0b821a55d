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

	badger "github.com/dgraph-io/badger/v4"

	"moa/nips/event"
	"moa/store"
	"moa/store/badgerstore/internal/records"
)

// Notes are keys that no record tells of any more: a collection drops for good a
// version that bars its address, or a request to delete or to vanish that is gone
// itself. They are appended to a file, and synced before the records go, and Repair
// reads them. A note is
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

// notes are those of a collection under way, and its file.
type notes struct {
	dir   string
	fsync func(*os.File) error

	taking sync.Mutex // held by a collection; guards the following
	text   []byte
	tidy   int64 // the size from which on the file is made anew
}

// save appends what was noted, and makes it durable.
func (n *notes) save(needed func(noted) (bool, error)) error {
	if len(n.text) == 0 {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(n.dir, notesName), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(n.text)
	if err == nil {
		err = n.fsync(f)
	}
	size, seekErr := f.Seek(0, io.SeekCurrent)
	if err := errors.Join(err, seekErr, f.Close(), syncFile(n.dir)); err != nil {
		return err
	}
	n.text = n.text[:0]
	if needed == nil || size < max(n.tidy, leastNotes) {
		return nil
	}
	kept, err := n.rewrite(needed)
	n.tidy = 2 * kept
	return err
}

// leastNotes is a size that is never too much.
const leastNotes = 1 << 20

// rewrite makes the file anew of the notes that are needed.
func (n *notes) rewrite(needed func(noted) (bool, error)) (size int64, err error) {
	name := filepath.Join(n.dir, notesName)
	f, err := os.Create(name + ".new")
	if err != nil {
		return 0, err
	}
	w := bufio.NewWriter(f)
	var text []byte
	_, err = readNotes(n.dir, func(one noted) error {
		ok, err := needed(one)
		if err != nil || !ok {
			return err
		}
		text = appendNote(text[:0], one)
		size += int64(len(text))
		_, err = w.Write(text)
		return err
	})
	if err == nil {
		err = errors.Join(w.Flush(), n.fsync(f))
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, errors.Join(err, os.Remove(name+".new"))
	}
	return size, errors.Join(os.Rename(name+".new", name), syncFile(n.dir))
}

// noteGone notes what the records say that a collection drops for good, as far as it
// is still so.
func (s *Store) noteGone(list []records.Record) error {
	return s.versions.view(func(txn *badger.Txn) error {
		for _, r := range list {
			v := value(r.Bytes)
			if v.check() != nil {
				continue
			}
			if err := s.noteOne(txn, store.Serial(r.Serial), v); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) noteOne(txn *badger.Txn, serial store.Serial, v value) error {
	kind := v.kind()
	if kind != event.KindDeletion && kind != event.KindVanish && !event.Replaceable(kind) && !event.Addressable(kind) {
		return nil
	}
	e, err := event.ParseTrusted(v.raw())
	if err != nil {
		return nil //nolint:nilerr // it is damaged, and tells nothing
	}
	if a, ok := store.AddressOf(e); ok {
		t := makeTail(e, serial)
		for _, name := range []byte{keyBar, keyLatest} {
			b, err := get(txn, addressKey(name, a))
			if err != nil {
				return err
			}
			if bytes.Equal(b, t[:]) {
				s.notes.text = appendNote(s.notes.text, noted{addressKey(keyBar, a), b})
				return nil
			}
		}
	}
	var keys [][]byte
	switch kind {
	case event.KindVanish:
		keys = append(keys, vanishedKey(e.PubKey))
	case event.KindDeletion:
		ids, addrs := store.Targets(e)
		for _, id := range ids {
			keys = append(keys, goneKey(id, e.PubKey))
		}
		for _, a := range addrs {
			keys = append(keys, addressKey(keyGoneAddr, a))
		}
	}
	for _, key := range keys {
		item, err := txn.Get(key)
		if errors.Is(err, badger.ErrKeyNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		b, err := item.ValueCopy(nil)
		if err != nil {
			return err
		}
		s.notes.text = appendNote(s.notes.text, noted{key, b})
	}
	return nil
}

// noteNeeded reports that the note still tells what Badger has.
func (s *Store) noteNeeded(n noted) (needed bool, err error) {
	keys := [][]byte{n.key}
	if n.key[0] == keyBar { // or what bars since before there were bars
		keys = append(keys, append([]byte{keyLatest}, n.key[1:]...))
	}
	err = s.versions.view(func(txn *badger.Txn) error {
		for _, key := range keys {
			item, err := txn.Get(key)
			if errors.Is(err, badger.ErrKeyNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if err := item.Value(func(b []byte) error {
				needed = needed || bytes.Equal(b, n.value)
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return needed, err
}

// noteOldBars notes what bars addresses and has no record any more, of before there
// were notes.
func (s *Store) noteOldBars() error {
	err := s.versions.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{keyLatest}})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			b, err := it.Item().ValueCopy(nil)
			if err != nil {
				return err
			}
			t, err := parseTail(it.Item().Key(), b)
			if err != nil || s.records.Has(uint64(t.serial())) {
				continue
			}
			s.notes.text = appendNote(s.notes.text, noted{barKey(it.Item().Key()), b})
			if len(s.notes.text) >= leastNotes {
				if err := s.notes.save(nil); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.notes.save(nil)
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
