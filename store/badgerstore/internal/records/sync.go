package records

import (
	"errors"
	"fmt"
	"os"
)

// Sync makes durable what was committed and dropped before the call. After an
// error nothing of it is promised, and the next call tries it all again.
//
//  1. What the heads will say is decided.
//  2. The set of the dead is synced, which knows of all serials up to there that
//     have no record, and nothing of those that took the place of dead ones.
//  3. The folder is: a head counts only if the segments before it are there.
//  4. Segment by segment, what its head will say is, and then the head.
func (l *Log) Sync() error {
	heads := l.heads()
	err := l.dead.write(l.Next(), l.fsync)
	if err == nil {
		err = l.syncDir()
	}
	for i := 0; err == nil && i < len(heads); i++ {
		err = l.syncSegment(&heads[i])
	}
	if err != nil {
		return fmt.Errorf("records: %w", err)
	}
	return nil
}

// head is what a segment's head is to say.
type head struct {
	segment *segment
	said    *segment
	lie     []uint32 // offsets of what the head before it has not promised
}

// heads returns those to be written, in the order of the segments.
func (l *Log) heads() (list []head) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range *l.segments.Load() {
		if s.clean || s.count.Load() == 0 { // an empty one may be removed at any time
			continue
		}
		said := &segment{base: s.base, file: s.file, kept: s.kept}
		said.end.Store(s.end.Load())
		said.count.Store(s.count.Load())
		list = append(list, head{s, said, s.lie})
	}
	return list
}

func (l *Log) syncSegment(h *head) error {
	s := h.segment
	if s.unsynced {
		if err := h.rewrite(); err != nil {
			return err
		}
	}
	s.unsynced = true
	if err := l.fsync(s.file); err != nil {
		return err
	}
	if err := h.said.writeHead(); err != nil {
		return err
	}
	if err := l.fsync(s.file); err != nil {
		return err
	}
	s.unsynced, s.promised = false, h.said.count.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	s.lie = append([]uint32(nil), s.lie[min(len(h.lie), len(s.lie)):]...)
	s.clean = s.count.Load() == s.promised
	return nil
}

// rewrite writes again what was not synced: what the kernel could not write to
// the disk it may have forgotten, and does not try again. Where the records lie
// is not asked of the file, which may have forgotten that too.
func (h *head) rewrite() error {
	s := h.segment
	var b []byte
	for i, from := range h.lie {
		if from == 0 {
			continue // a serial that has no record
		}
		serial := s.base + uint64(s.promised) + uint64(i)
		var ok bool
		if b, ok = s.at(int64(from), serial, b); !ok {
			return fmt.Errorf("%s: %w: the disk has lost record %d, which the journal has: start again", s.file.Name(), ErrDamaged, serial)
		}
		if _, err := s.file.WriteAt(b, int64(from)); err != nil {
			return err
		}
	}
	return s.writeOffsets(s.promised, h.lie)
}

func (l *Log) syncDir() error {
	f, err := os.Open(l.dir)
	if err != nil {
		return err
	}
	return errors.Join(l.fsync(f), f.Close())
}
