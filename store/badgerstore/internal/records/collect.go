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

const (
	collectShare = 3       // a segment is collected once one in so many of its records is dead
	collectBytes = 1 << 20 // the last one only if it has so many bytes of records
)

// Collect writes one segment of which much is dead anew, without that, and
// returns how many records that were; 0: there is none such. alone runs a
// function while nobody holds what Get has returned, or fails.
func (l *Log) Collect(ctx context.Context, alone func(func() error) error) (dropped int, err error) {
	s, err := l.wasteful()
	if s == nil || err != nil {
		return 0, err
	}
	name := nameOf(l.dir, s.base)
	fresh, err := l.rewrite(ctx, s, name+newSuffix)
	if err != nil {
		return 0, fmt.Errorf("records: collect %s: %w", name, errors.Join(err, os.Remove(name+newSuffix)))
	}
	err = alone(func() error { return l.replace(s, fresh) })
	if err != nil {
		return 0, fmt.Errorf("records: collect %s: %w", name, errors.Join(err, fresh.close(), os.Remove(name+newSuffix)))
	}
	err = s.close()
	if fresh.kept == 0 {
		err = errors.Join(err, fresh.close(), os.Remove(name+newSuffix))
	}
	return int(s.kept - fresh.kept), errors.Join(err, l.syncFile(l.dir))
}

// wasteful returns the segment with the largest dead part, if that is large.
func (l *Log) wasteful() (worst *segment, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := *l.segments.Load()
	most := 0.0
	for _, s := range list {
		if !s.clean {
			continue // its head is about to be written
		}
		waste := s.kept - min(s.kept, s.living(l.dead))
		if share := float64(waste) / float64(max(s.kept, 1)); waste*collectShare >= s.kept && share > most {
			worst, most = s, share
		}
	}
	if len(list) == 0 || worst != list[len(list)-1] {
		return worst, nil
	}
	// It is being written to. Another takes its place, if that is worth a file.
	if worst.end.Load() < recordsAt+collectBytes || l.prepared.segment != nil {
		return nil, nil
	}
	next, err := makeSegment(nameOf(l.dir, worst.next()), worst.next(), segmentBytes)
	if err != nil {
		return nil, fmt.Errorf("records: %w", err)
	}
	next.clean = true
	list = append(slices.Clone(list), next)
	l.segments.Store(&list)
	return worst, nil
}

// living is how many of its serials are not dead.
func (s *segment) living(d *dead) uint32 {
	count := s.count.Load()
	return count - d.count(s.base, count)
}

// rewrite makes a synced segment of what is not dead in s.
func (l *Log) rewrite(ctx context.Context, s *segment, name string) (fresh *segment, err error) {
	fresh, err = makeSegment(name, s.base, s.end.Load()-recordsAt)
	if err != nil {
		return nil, err
	}
	if err := l.copyLiving(ctx, s, fresh); err != nil {
		return nil, errors.Join(err, fresh.close())
	}
	return fresh, nil
}

func (l *Log) copyLiving(ctx context.Context, s, fresh *segment) error {
	count := s.count.Load()
	offsets := make([]byte, 4*count)
	end, kept := int64(recordsAt), uint32(0)
	if _, err := fresh.file.Seek(recordsAt, 0); err != nil {
		return err
	}
	w := bufio.NewWriterSize(fresh.file, 1<<20)
	for at := range count {
		if l.dead.has(s.base + uint64(at)) {
			continue
		}
		b := s.get(at)
		if b == nil {
			continue
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
	fresh.clean = true
	_, err := fresh.file.WriteAt(offsets, offsetsAt)
	err = errors.Join(err, w.Flush(), fresh.writeHead())
	if err == nil && l.sync {
		err = fresh.file.Sync()
	}
	return err
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
