package records

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Snapshot is what a Log has at one time. It stays as it is while the Log goes
// on: records that were committed never change, and a file that is replaced can
// be read for as long as somebody has it open.
type Snapshot struct {
	Files []*Copy // by serial
	id    ID
	dead  []byte // pages
}

// Copy is one file of a Snapshot, as far as it is part of it.
type Copy struct {
	Name string // without its folder
	said segment
	file *os.File
	id   ID
	lie  []uint32 // offsets of the serials from promised on
	same bool     // the file ends with the snapshot, and nothing is written to it any more
}

// Snapshot takes one. No Prepare, Commit or Drop may be under way.
func (l *Log) Snapshot() (_ *Snapshot, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	snap := &Snapshot{id: l.id}
	defer func() {
		if err != nil {
			err = fmt.Errorf("records: %w", errors.Join(err, snap.Close()))
		}
	}()
	list := *l.segments.Load()
	for i, s := range list {
		if s.count.Load() == 0 {
			continue
		}
		fd, err := unix.FcntlInt(s.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		c := &Copy{Name: filepath.Base(nameOf("", s.base)), file: os.NewFile(uintptr(fd), s.file.Name())}
		snap.Files = append(snap.Files, c)
		c.said.base, c.said.kept = s.base, s.kept
		c.said.count.Store(s.count.Load())
		c.said.end.Store(s.end.Load())
		c.id, c.lie = l.id, slices.Clone(s.lie)
		info, err := c.file.Stat()
		if err != nil {
			return nil, err
		}
		c.same = i < len(list)-1 && s.clean && info.Size() == s.end.Load()
	}
	snap.dead = l.dead.bytes(l.Next())
	return snap, nil
}

// OpenSnapshot opens the files that one was written to.
func OpenSnapshot(dir string) (_ *Snapshot, err error) {
	snap := new(Snapshot)
	defer func() {
		if err != nil {
			err = fmt.Errorf("records: %w", errors.Join(err, snap.Close()))
		}
	}()
	if snap.dead, err = os.ReadFile(filepath.Join(dir, deadName)); err != nil {
		return nil, err
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range files {
		if _, ok := baseOf(entry.Name()); !ok {
			continue
		}
		f, err := os.Open(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		c := &Copy{Name: entry.Name(), file: f}
		snap.Files = append(snap.Files, c)
		if err := c.said.readHead(f, entry.Name()); err != nil {
			return nil, fmt.Errorf("%s: %w", entry.Name(), err)
		}
	}
	return snap, nil
}

// Close closes the files.
func (s *Snapshot) Close() (err error) {
	for _, c := range s.Files {
		err = errors.Join(err, c.file.Close())
	}
	return err
}

// ForgetID takes the store's ID out of the files that a snapshot was written to: what
// is made of them goes its own way, and its files are no more those of the first.
func ForgetID(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("records: %w", err)
	}
	for _, entry := range files {
		at := int64(0)
		var none []byte
		if _, ok := baseOf(entry.Name()); ok {
			at, none = idAt, make([]byte, idSize)
		} else if entry.Name() == deadName+sumSuffix {
			none = sumsFile(nil, ID{})
		} else {
			continue
		}
		f, err := os.OpenFile(filepath.Join(dir, entry.Name()), os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteAt(none, at)
			err = errors.Join(err, f.Sync(), f.Close())
		}
		if err != nil {
			return fmt.Errorf("records: %w", err)
		}
	}
	return nil
}

// Dead reports that the record was dropped.
func (s *Snapshot) Dead(serial uint64) bool {
	at := serial / 8
	return at < uint64(len(s.dead)) && s.dead[at]>>(serial%8)&1 == 1
}

// DeadFiles are the names of the two files of the dead set, and what they hold.
func (s *Snapshot) DeadFiles() (names [2]string, contents [2][]byte) {
	var sums []byte
	for page := range slices.Chunk(s.dead, pageBytes) {
		sums = binary.LittleEndian.AppendUint32(sums, crc32.Checksum(page, castagnoli))
	}
	return [2]string{deadName, deadName + sumSuffix}, [2][]byte{s.dead, sumsFile(sums, s.id)}
}

// Living is how many records were not dropped.
func (s *Snapshot) Living() (n uint64) {
	for _, c := range s.Files {
		for at := range c.said.count.Load() {
			if !s.Dead(c.said.base + uint64(at)) {
				n++
			}
		}
	}
	return n
}

// Size is how long the file is.
func (c *Copy) Size() int64 { return c.said.end.Load() }

// Reader reads what the file is to hold.
func (c *Copy) Reader() (io.Reader, error) {
	offsets, err := c.offsets()
	if err != nil {
		return nil, err
	}
	head := make([]byte, recordsAt)
	c.said.appendHead(head[:0])
	if c.id != (ID{}) {
		copy(head[idAt:], c.id.sealed())
	}
	copy(head[offsetsAt:], offsets)
	return io.MultiReader(bytes.NewReader(head), io.NewSectionReader(patched{c.file}, recordsAt, c.Size()-recordsAt)), nil
}

// offsets are the bytes that say where the records lie.
func (c *Copy) offsets() ([]byte, error) {
	b := make([]byte, 4*c.said.count.Load())
	if _, err := (patched{c.file}).ReadAt(b, offsetsAt); err != nil {
		return nil, err
	}
	for i, lies := range c.lie { // what was never synced the disk may have lost
		at := len(b) - 4*(len(c.lie)-i)
		binary.LittleEndian.PutUint32(b[at:], lies)
	}
	return b, nil
}

// Link gives the file another name, if all that it has is in the snapshot, and
// reports whether it did.
func (c *Copy) Link(name string) bool {
	if !c.same {
		return false
	}
	// The name that it had may be that of another file by now.
	from := fmt.Sprintf("/proc/self/fd/%d", c.file.Fd())
	return unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW) == nil
}

// Damaged returns the serials of the living records that are not as they were
// written, or cannot be read.
func (s *Snapshot) Damaged(ctx context.Context, c *Copy) (list []uint64, err error) {
	offsets, err := c.offsets()
	if err != nil {
		return nil, err
	}
	w := window{file: patched{c.file}, end: c.Size()}
	for at := range c.said.count.Load() {
		serial := c.said.base + uint64(at)
		if at%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if s.Dead(serial) {
			continue
		}
		if !w.holds(int64(binary.LittleEndian.Uint32(offsets[4*at:])), serial) {
			list = append(list, serial)
		}
	}
	return list, nil
}

// window reads a file from its beginning to its end, more or less.
type window struct {
	file io.ReaderAt
	end  int64
	at   int64
	b    []byte
}

const windowBytes = 1 << 20

// holds reports that the record lies there, as it was written.
func (w *window) holds(from int64, serial uint64) bool {
	head := w.take(from, recordHead)
	if from < recordsAt || head == nil || binary.LittleEndian.Uint64(head) != serial {
		return false
	}
	b := w.take(from, recordHead+int64(binary.LittleEndian.Uint32(head[8:])))
	return b != nil && intact(b)
}

func (w *window) take(from, n int64) []byte {
	if from+n > w.end {
		return nil
	}
	if from < w.at || from+n > w.at+int64(len(w.b)) {
		size := min(max(n, windowBytes), w.end-from)
		w.b = slices.Grow(w.b[:0], int(size))[:size]
		w.at = from
		if _, err := w.file.ReadAt(w.b, from); err != nil {
			w.b = w.b[:0]
			return nil
		}
	}
	return w.b[from-w.at:][:n]
}

// patched reads zeros where the disk cannot be read, or the file has been cut: the
// records there are lost, and the others need not be.
type patched struct{ file *os.File }

const sectorBytes = 4096

func (p patched) ReadAt(b []byte, at int64) (n int, err error) {
	n, err = p.file.ReadAt(b, at)
	if errors.Is(err, io.EOF) {
		clear(b[n:])
		return len(b), nil
	}
	if !errors.Is(err, unix.EIO) {
		return n, err
	}
	for n = 0; n < len(b); {
		part := b[n:min(n+int(sectorBytes-(at+int64(n))%sectorBytes), len(b))]
		m, err := p.file.ReadAt(part, at+int64(n))
		switch {
		case errors.Is(err, unix.EIO), errors.Is(err, io.EOF):
			clear(part[m:])
		case err != nil:
			return n + m, err
		}
		n += len(part)
	}
	return n, nil
}

// bytes returns the pages of the serials before next, as the file has them.
func (d *dead) bytes(next uint64) []byte {
	b := make([]byte, (next+pageBits-1)/pageBits*pageBytes)
	for n, p := range *d.pages.Load() {
		for i := range p.words {
			if at := n*pageBytes + 8*i; at < len(b) {
				binary.LittleEndian.PutUint64(b[at:], p.words[i].Load())
			}
		}
	}
	return b
}
