package records

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
)

// newSuffix is that of a file that Collect is writing.
const newSuffix = ".new"

// collectShare: a segment is collected once one in so many of its records is dead.
const collectShare = 3

// Collect writes one segment of which much is dead anew, without that, and
// returns how many records that were; 0: there is none such. needed is asked about
// the dead before they are gone for good, some at a time, and returns those that
// are needed all the same: the set of the dead decides nothing alone. drain waits
// for every reader that began before, or fails: none may look any more for
// what was dropped, or hold what Get has returned.
func (l *Log) Collect(ctx context.Context, needed func([]Record) ([]uint64, error), drain func() error) (dropped int, err error) {
	l.collecting.Lock()
	defer l.collecting.Unlock()
	s, err := l.wasteful()
	if s == nil || err != nil {
		return 0, err
	}
	name := nameOf(l.dir, s.base)
	fresh, err := l.rewrite(ctx, s, needed, name+newSuffix)
	if err != nil {
		return 0, fmt.Errorf("records: collect %s: %w", name, err)
	}
	if err = drain(); err == nil {
		err = l.replace(s, fresh)
	}
	if err != nil {
		return 0, fmt.Errorf("records: collect %s: %w", name, errors.Join(err, fresh.close(), os.Remove(name+newSuffix)))
	}
	if err := drain(); err != nil {
		return 0, fmt.Errorf("records: collect %s: %w", name, err) // s stays mapped, for it may be in use
	}
	err = s.close()
	if fresh.kept == 0 {
		err = errors.Join(err, fresh.close(), os.Remove(name+newSuffix))
	}
	return int(s.kept - fresh.kept), errors.Join(err, l.syncDir())
}

// wasteful returns the segment with the largest dead part, if that is large.
func (l *Log) wasteful() (worst *segment, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := *l.segments.Load()
	most := 0.0
	for i, s := range list {
		if !s.clean || s.damaged || i == len(list)-1 && !l.closesLocked(s) {
			continue
		}
		waste := s.kept - min(s.kept, s.living(l.dead))
		if share := float64(waste) / float64(max(s.kept, 1)); waste*collectShare >= s.kept && share > most {
			worst, most = s, share
		}
	}
	if worst == nil || worst != list[len(list)-1] {
		return worst, nil
	}
	next, err := makeSegment(nameOf(l.dir, worst.next()), worst.next(), segmentBytes, l.id)
	if err != nil {
		return nil, fmt.Errorf("records: %w", err)
	}
	next.clean = true
	list = append(slices.Clone(list), next)
	l.segments.Store(&list)
	return worst, nil
}

// closesLocked reports whether another may take the place of the last segment,
// which is being written to, and whether that is worth a file.
func (l *Log) closesLocked(s *segment) bool {
	return s.end.Load() >= recordsAt+l.limits.collect && l.prepared.segment == nil
}

// living is how many of its serials are not dead.
func (s *segment) living(d *dead) uint32 {
	count := s.count.Load()
	return count - d.count(s.base, count)
}

// rewrite makes a synced segment of what is not dead in s.
func (l *Log) rewrite(ctx context.Context, s *segment, needed func([]Record) ([]uint64, error), name string) (fresh *segment, err error) {
	gone, err := l.goners(ctx, s, needed)
	if err != nil {
		return nil, err
	}
	fresh, err = makeSegment(name, s.base, max(segmentBytes, s.end.Load()-recordsAt), l.id)
	if err != nil {
		return nil, err
	}
	err = copyLiving(ctx, s, gone, fresh)
	if err == nil {
		err = l.fsync(fresh.file)
	}
	if err != nil {
		l.mu.Lock()
		s.damaged = errors.Is(err, ErrDamaged)
		l.mu.Unlock()
		return nil, errors.Join(err, fresh.close(), os.Remove(name))
	}
	return fresh, nil
}

// askAtOnce is how many records needed is asked about at once.
const askAtOnce = 1024

// goners returns which of the segment's serials are to go. A record that is not
// whole cannot be asked about: there is nothing left to keep.
func (l *Log) goners(ctx context.Context, s *segment, needed func([]Record) ([]uint64, error)) (gone []bool, err error) {
	gone = make([]bool, s.count.Load())
	var list []Record
	ask := func() error {
		if err := ctx.Err(); err != nil || len(list) == 0 {
			return err
		}
		keep, err := needed(list)
		for _, serial := range keep {
			gone[serial-s.base] = false
		}
		list = list[:0]
		return err
	}
	for at := range gone {
		serial := s.base + uint64(at)
		if !l.dead.has(serial) {
			continue
		}
		gone[at] = true
		if s.whole(uint32(at)) {
			list = append(list, Record{serial, s.get(uint32(at))})
		}
		if len(list) == askAtOnce {
			if err := ask(); err != nil {
				return nil, err
			}
		}
	}
	return gone, ask()
}

func copyLiving(ctx context.Context, s *segment, gone []bool, fresh *segment) error {
	count := uint32(len(gone))
	offsets := make([]byte, 4*count)
	end, kept := int64(recordsAt), uint32(0)
	if _, err := fresh.file.Seek(recordsAt, 0); err != nil {
		return err
	}
	w := bufio.NewWriterSize(fresh.file, 1<<20)
	for at := range count {
		if gone[at] {
			continue
		}
		b := s.get(at)
		if b == nil {
			return fmt.Errorf("%w: record %d is not there", ErrDamaged, s.base+uint64(at))
		}
		if kept%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		from := int(s.offset(at))
		n, err := w.Write(s.bytes[from : from+recordHead+len(b)])
		if err != nil {
			return err
		}
		binary.LittleEndian.PutUint32(offsets[4*at:], uint32(end))
		end += int64(n)
		kept++
	}
	fresh.count.Store(count)
	fresh.kept = kept
	fresh.end.Store(end)
	fresh.clean, fresh.promised = true, count
	_, err := fresh.file.WriteAt(offsets, offsetsAt)
	return errors.Join(err, w.Flush(), fresh.writeHead())
}

// replace puts fresh in the place of s, or nothing if it is empty.
func (l *Log) replace(s, fresh *segment) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := nameOf(l.dir, s.base)
	list := slices.Clone(*l.segments.Load())
	i := slices.Index(list, s)
	if fresh.kept == 0 {
		err = os.Remove(name)
		list = slices.Delete(list, i, i+1)
	} else {
		err = os.Rename(name+newSuffix, name)
		list[i] = fresh
	}
	if err == nil {
		l.segments.Store(&list)
	}
	return err
}

// Stats are figures of a Log.
type Stats struct {
	Segments, Records, Dead int // Dead are records that are not collected yet
}

// Stats walks through the bits of all serials.
func (l *Log) Stats() (st Stats) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range *l.segments.Load() {
		st.Segments++
		st.Records += int(s.kept)
		st.Dead += int(s.kept - min(s.kept, s.living(l.dead)))
	}
	return st
}
