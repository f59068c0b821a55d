package records

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// OpenMending opens the records in dir, also those of a file whose head is damaged
// or that is shorter than it was, and says what it has found so.
func OpenMending(dir string) (l *Log, found []string, err error) {
	l, err = openWith(dir, (*os.File).Sync, func(s *segment, damage error) error {
		if damage != nil && !errors.Is(damage, ErrDamaged) {
			return damage
		}
		if err := s.rebuildHead(); err != nil {
			return err
		}
		if damage == nil && s.count.Load() > 0 {
			damage = errors.New("it had no head")
		}
		if damage != nil {
			found = append(found, fmt.Sprintf("%s: %v", filepath.Base(s.file.Name()), damage))
		}
		return nil
	})
	return l, found, err
}

// rebuildHead finds out from the records what the head said.
func (s *segment) rebuildHead() error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	offsets := make([]byte, 4*mostSerials)
	n, _ := s.file.ReadAt(offsets, offsetsAt)
	offsets = offsets[:n/4*4]
	count, kept, end := s.count.Load(), uint32(0), int64(recordsAt)
	for at := range uint32(len(offsets) / 4) {
		from := int64(binary.LittleEndian.Uint32(offsets[4*at:]))
		if from == 0 {
			continue
		}
		b, err := s.wholeAt(from, at, info.Size(), nil)
		if err != nil {
			return err
		}
		if b != nil {
			end = max(end, from+int64(len(b)))
			count = max(count, at+1)
		}
	}
	for at := range min(count, uint32(len(offsets)/4)) {
		if binary.LittleEndian.Uint32(offsets[4*at:]) != 0 {
			kept++
		}
	}
	s.count.Store(count)
	s.end.Store(end)
	s.kept, s.clean, s.promised = kept, count == 0, 0
	s.lie = make([]uint32, count)
	for at := range s.lie {
		if 4*at < len(offsets) {
			s.lie[at] = binary.LittleEndian.Uint32(offsets[4*at:])
		}
	}
	return nil
}

// wholeAt reads the record of base+at, with its head, that lies at from, in a file
// of that size; nil: there is none such.
func (s *segment) wholeAt(from int64, at uint32, size int64, buf []byte) ([]byte, error) {
	var head [recordHead]byte
	if from < recordsAt || from+recordHead > size {
		return nil, nil
	}
	if _, err := s.file.ReadAt(head[:], from); err != nil {
		return nil, err
	}
	length := int64(binary.LittleEndian.Uint32(head[8:]))
	if binary.LittleEndian.Uint64(head[:]) != s.base+uint64(at) || from+recordHead+length > size {
		return nil, nil
	}
	b := slices.Grow(buf[:0], int(recordHead+length))[:recordHead+length]
	if _, err := s.file.ReadAt(b, from); err != nil {
		return nil, err
	}
	if !intact(b) {
		return nil, nil
	}
	return b, nil
}

// mostRest is how many bytes of records Adopt returns at most.
const mostRest = 64 << 20

// Adopt ends what is done when records are opened. It calls take with the records
// that follow the last one and were written, but neither promised nor shown, as
// long as they are whole and take returns true, and shows those. What follows then
// it returns, and forgets.
func (l *Log) Adopt(take func(serial uint64, b []byte) bool) (rest []Record, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.redoing = false
	if err := l.removeNeverLocked(); err != nil {
		return nil, err
	}
	size, taking := 0, true
	list := *l.segments.Load()
	for i, s := range list {
		if i < len(list)-1 && list[i+1].count.Load() > 0 {
			continue
		}
		at, end := s.count.Load(), s.end.Load()
		for size < mostRest {
			b, err := s.behind(at, end)
			if err != nil {
				return nil, err
			}
			if b == nil {
				break
			}
			serial := s.base + uint64(at)
			at, end = at+1, end+int64(len(b))
			if taking = taking && take(serial, b[recordHead:]); !taking {
				size += len(b)
				rest = append(rest, Record{serial, b[recordHead:]})
				continue
			}
			s.lie = append(s.lie, uint32(s.end.Load()))
			s.kept, s.clean = s.kept+1, false
			s.end.Store(end)
			s.count.Store(at)
		}
	}
	if n := len(list); n > 0 && list[n-1].count.Load() == 0 {
		err = l.removeLocked(len(*l.segments.Load()) - 1)
	}
	return rest, err
}

// AdoptUntil shows the records that follow the last one, were written and are whole,
// as long as take returns true, and up to before that serial: those of a commit
// that the journal has lost, whose place what it has of later ones would take.
func (l *Log) AdoptUntil(until uint64, take func(serial uint64, b []byte) bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := *l.segments.Load()
	for i, s := range list {
		if i < len(list)-1 && list[i+1].count.Load() > 0 {
			continue
		}
		for s.next() < until {
			b, err := s.behind(s.count.Load(), s.end.Load())
			if err != nil {
				return err
			}
			if b == nil || !take(s.next(), b[recordHead:]) {
				break
			}
			s.lie = append(s.lie, uint32(s.end.Load()))
			s.kept, s.clean = s.kept+1, false
			s.end.Add(int64(len(b)))
			s.count.Add(1)
		}
	}
	return nil
}

// hasMore reports that behind has a record.
func (s *segment) hasMore() bool {
	b, err := s.behind(s.count.Load(), s.end.Load())
	return b != nil && err == nil
}

// behind reads the record of base+at with its head, if it lies at end; nil: it does
// not.
func (s *segment) behind(at uint32, end int64) ([]byte, error) {
	info, err := s.file.Stat()
	if err != nil || at >= mostSerials || info.Size() <= end {
		return nil, err
	}
	var b [4]byte
	if _, err := s.file.ReadAt(b[:], offsetsAt+4*int64(at)); err != nil {
		return nil, err
	}
	if from := int64(binary.LittleEndian.Uint32(b[:])); from != end {
		return nil, nil
	}
	return s.wholeAt(end, at, info.Size(), nil)
}

// Span are serials that a file is for.
type Span struct{ First, Next uint64 }

// Spans are those of all files.
func (l *Log) Spans() (list []Span) {
	for _, s := range *l.segments.Load() {
		list = append(list, Span{s.base, s.next()})
	}
	return list
}

// Has reports whether the serial has a record, whole or not.
func (l *Log) Has(serial uint64) bool {
	s := l.find(serial)
	return s != nil && s.offset(uint32(serial-s.base)) != 0
}

// Serials is a set of serials.
type Serials struct{ dead *dead }

// Has reports whether the serial is in it. What is known to be damaged has none.
func (s Serials) Has(serial uint64) bool {
	list := *s.dead.pages.Load()
	n := serial / pageBits
	return n < uint64(len(list)) && !list[n].wrong && s.dead.has(serial)
}

// Wrong is how many pages of it are damaged.
func (s Serials) Wrong() (pages int) {
	for _, p := range *s.dead.pages.Load() {
		if p.wrong {
			pages++
		}
	}
	return pages
}

// TakeDead empties the set of the dead, and returns what it was.
func (l *Log) TakeDead() Serials {
	l.dead.mu.Lock()
	defer l.dead.mu.Unlock()
	was := new(dead)
	was.pages.Store(l.dead.pages.Load())
	fresh := make([]*deadPage, len(*was.pages.Load()))
	for i := range fresh {
		fresh[i] = &deadPage{changed: true}
	}
	l.dead.pages.Store(&fresh)
	return Serials{was}
}
