package records

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A segment is a file of records, those of a range of serials:
//
//	head, alone in its first page:
//	0       4        8      16     20     24     32
//	| magic | version | base | count | kept | end | crc of the head
//	offsets: of each serial from base on, where its record lies; 0: nowhere
//	records, one after the other: | serial 8 | length 4 | crc 4 | bytes
//
// all little-endian. The head is written last of all, when the rest is synced:
// what lies behind end was never promised.
type segment struct {
	base  uint64
	file  *os.File
	bytes []byte        // the file, mapped
	count atomic.Uint32 // of serials
	end   atomic.Int64  // where the next record goes
	sound sound

	// Guarded by Log.mu.
	kept    uint32   // records in the file, dead ones too
	clean   bool     // the head says it all
	damaged bool     // Collect cannot copy it
	lie     []uint32 // offsets of the serials beyond promised

	// Owned by Sync.
	promised uint32 // serials that the last head that was synced says
	unsynced bool   // a sync has failed
}

const (
	segmentMagic   = "moaR"
	segmentVersion = 1
	segmentHead    = 36
	offsetsAt      = 4096
	mostSerials    = 1 << 18
	recordsAt      = offsetsAt + 4*mostSerials
	recordHead     = 8 + 4 + 4
	mostBytes      = math.MaxUint32 - recordsAt // of records: an offset has 4 bytes
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	// ErrDamaged says that a file is not as it was written.
	ErrDamaged = errors.New("damaged")
)

const namePrefix = "records."

func nameOf(dir string, base uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%s%016x", namePrefix, base))
}

// baseOf is the base that a file's name tells.
func baseOf(name string) (base uint64, ok bool) {
	digits, ok := strings.CutPrefix(filepath.Base(name), namePrefix)
	if !ok || len(digits) != 16 || strings.Trim(digits, "0123456789abcdef") != "" {
		return 0, false
	}
	base, err := strconv.ParseUint(digits, 16, 64)
	return base, err == nil
}

// IsSegment reports the name of a file of records, without its folder.
func IsSegment(name string) bool {
	_, ok := baseOf(name)
	return ok && name == filepath.Base(name)
}

// IsFile reports the name of any file that a Log keeps.
func IsFile(name string) bool {
	return IsSegment(name) || name == deadName || name == deadName+sumSuffix
}

// makeSegment makes an empty file that has room for so many bytes of records.
func makeSegment(name string, base uint64, room int64, id ID) (*segment, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	s := &segment{base: base, file: f}
	s.end.Store(recordsAt)
	if err = errors.Join(s.writeHead(), s.writeID(id)); err == nil {
		err = s.mapped(recordsAt + room)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(name))
	}
	return s, nil
}

// openSegment opens a file. room is how long it may become.
func openSegment(name string, room int64, mend mender) (*segment, error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	s := &segment{file: f, clean: true}
	if err = s.readHead(f, name); err != nil {
		err = mend(s, err)
	}
	if err == nil {
		err = s.mapped(max(recordsAt+room, s.end.Load()))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
	}
	return s, nil
}

func (s *segment) mapped(length int64) (err error) {
	s.bytes, err = unix.Mmap(int(s.file.Fd()), 0, int(length), unix.PROT_READ, unix.MAP_SHARED)
	return err
}

func (s *segment) close() error { return errors.Join(unix.Munmap(s.bytes), s.file.Close()) }

func (s *segment) writeHead() error {
	_, err := s.file.WriteAt(s.appendHead(make([]byte, 0, segmentHead)), 0)
	return err
}

func (s *segment) appendHead(b []byte) []byte {
	b = append(b, segmentMagic...)
	b = binary.LittleEndian.AppendUint32(b, segmentVersion)
	b = binary.LittleEndian.AppendUint64(b, s.base)
	b = binary.LittleEndian.AppendUint32(b, s.count.Load())
	b = binary.LittleEndian.AppendUint32(b, s.kept)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.end.Load()))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// readHead reads the head. One that a crash has left unwritten is of an empty
// segment.
func (s *segment) readHead(f *os.File, name string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	s.base, _ = baseOf(name)
	s.end.Store(recordsAt)
	var b [segmentHead]byte
	if info.Size() < segmentHead {
		return nil
	}
	if _, err := f.ReadAt(b[:], 0); err != nil {
		return err
	}
	if b == [segmentHead]byte{} {
		return nil
	}
	count, end := binary.LittleEndian.Uint32(b[16:]), int64(binary.LittleEndian.Uint64(b[24:]))
	switch {
	case string(b[:4]) != segmentMagic, binary.LittleEndian.Uint32(b[32:]) != crc32.Checksum(b[:32], castagnoli):
		return ErrDamaged
	case binary.LittleEndian.Uint32(b[4:]) != segmentVersion:
		return errors.New("of another version")
	case binary.LittleEndian.Uint64(b[8:]) != s.base, count > mostSerials, end < recordsAt:
		return ErrDamaged
	}
	s.count.Store(count)
	if count > 0 && end > info.Size() {
		return fmt.Errorf("%w: it is shorter than it was", ErrDamaged)
	}
	s.promised = count
	s.kept = binary.LittleEndian.Uint32(b[20:])
	s.end.Store(end)
	return nil
}

// next is the serial after the last.
func (s *segment) next() uint64 { return s.base + uint64(s.count.Load()) }

// offset is where the record of base+at lies, or 0.
func (s *segment) offset(at uint32) uint32 {
	return binary.LittleEndian.Uint32(s.bytes[offsetsAt+4*int(at):])
}

// get returns the record of base+at, or nil if there is none.
func (s *segment) get(at uint32) []byte {
	from, most := int64(s.offset(at)), s.end.Load()
	if from < recordsAt || from+recordHead > most || binary.LittleEndian.Uint64(s.bytes[from:]) != s.base+uint64(at) {
		return nil
	}
	end := from + recordHead + int64(binary.LittleEndian.Uint32(s.bytes[from+8:]))
	if end > most {
		return nil
	}
	return s.bytes[from+recordHead : end : end]
}

// at reads the record of that serial with its head, if it lies there, and whole,
// into b.
func (s *segment) at(from int64, serial uint64, b []byte) ([]byte, bool) {
	b = slices.Grow(b[:0], recordHead)[:recordHead]
	if _, err := s.file.ReadAt(b, from); err != nil || binary.LittleEndian.Uint64(b) != serial {
		return b, false
	}
	length := int64(binary.LittleEndian.Uint32(b[8:]))
	if from+recordHead+length > s.end.Load() {
		return b, false
	}
	b = slices.Grow(b, int(length))[:recordHead+length]
	if _, err := s.file.ReadAt(b[recordHead:], from+recordHead); err != nil {
		return b, false
	}
	return b, intact(b)
}

// writeOffsets writes where the records of base+at and those behind it lie.
func (s *segment) writeOffsets(at uint32, offsets []uint32) error {
	b := make([]byte, 0, 4*len(offsets))
	for _, lies := range offsets {
		b = binary.LittleEndian.AppendUint32(b, lies)
	}
	_, err := s.file.WriteAt(b, offsetsAt+4*int64(at))
	return err
}

// usualRecord is as much as is read at first.
const usualRecord = 2048

// read reads the record of base+at from the file into buf, if it is whole.
func (s *segment) read(at uint32, buf *[]byte) ([]byte, error) {
	from, most := int64(s.offset(at)), s.end.Load()
	if from < recordsAt || from+recordHead > most {
		return nil, nil
	}
	b := slices.Grow((*buf)[:0], usualRecord)[:min(usualRecord, most-from)]
	*buf = b
	if _, err := s.file.ReadAt(b, from); err != nil {
		return nil, err
	}
	end := recordHead + int64(binary.LittleEndian.Uint32(b[8:]))
	if from+end > most || binary.LittleEndian.Uint64(b) != s.base+uint64(at) {
		return nil, nil
	}
	if have := len(b); have < int(end) {
		b = slices.Grow(b, int(end)-have)[:end]
		*buf = b
		if _, err := s.file.ReadAt(b[have:], from+int64(have)); err != nil {
			return nil, err
		}
	}
	if !intact(b[:end]) {
		return nil, nil
	}
	return b[recordHead:end], nil
}

// whole reports whether the record of base+at is what was written.
func (s *segment) whole(at uint32) bool {
	b := s.get(at)
	if b == nil {
		return false
	}
	from := int(s.offset(at))
	return intact(s.bytes[from : from+recordHead+len(b)])
}

// intact reports whether the record with its head is what was written.
func intact(b []byte) bool {
	return binary.LittleEndian.Uint32(b[12:]) == crc32.Update(crc32.Checksum(b[:12], castagnoli), castagnoli, b[recordHead:])
}

func appendRecord(dst []byte, serial uint64, b []byte) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, serial)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(b)))
	sum := crc32.Update(crc32.Checksum(dst[start:], castagnoli), castagnoli, b)
	dst = binary.LittleEndian.AppendUint32(dst, sum)
	return append(dst, b...)
}
