package badgerstore

import (
	"context"
	"errors"
	"os"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

// RemoveBehind has nothing removed with the commit that asks for it, and little by
// little. Nothing may be stored yet.
func (s *Store) RemoveBehind() {
	s.write.Lock()
	defer s.write.Unlock()
	s.limits = limits{stepWrites: 1, chunk: 2}
}

// HoldRequests has StepRequests alone remove what is asked for. Nothing may be stored
// yet.
func (s *Store) HoldRequests() {
	s.write.Lock()
	defer s.write.Unlock()
	s.later = func(func(context.Context)) {}
}

// StepRequests takes up to n steps of what is under way, and reports whether there is
// more.
func (s *Store) StepRequests(n int) (more bool, err error) {
	for range n {
		r := s.requests.next()
		if r == nil {
			return false, nil
		}
		if err := s.stepRequest(r); err != nil {
			return true, err
		}
	}
	return s.requests.first() != nil, nil
}

// SetHotBytes bounds the index of recent events more finely than Options do.
func (s *Store) SetHotBytes(n int64) {
	s.write.Lock()
	defer s.write.Unlock()
	s.hot.max, s.addresses.max = n, n
}

// ResetHot forgets the recent events.
func (s *Store) ResetHot() {
	s.write.Lock()
	defer s.write.Unlock()
	s.hot.reset()
}

// WarmHot reads so many events more into memory.
func (s *Store) WarmHot(n int) error {
	_, err := s.warmMore(n)
	return err
}

// SetRoom replaces what asks for room on the disk.
func (s *Store) SetRoom(room func(reserveMB int) error) {
	s.write.Lock()
	defer s.write.Unlock()
	s.checkpointing.Lock()
	defer s.checkpointing.Unlock()
	s.room = room
}

// setSync replaces what syncs the journal.
func (j *journal) setSync(sync func(*os.File) error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sync = sync
}

// setFull says how large the journal's files become.
func (j *journal) setFull(bytes int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.full = bytes
}

// floorNow is the journal's floor.
func (j *journal) floorNow() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.floor
}

// SyncFails makes the next sync of the journal fail.
func (s *Store) SyncFails() {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	sync := s.journal.sync
	s.journal.sync = func(*os.File) error {
		s.journal.sync = sync
		return errors.New("by a test")
	}
}

// Rounds is how often a test does what it does at random.
func Rounds(t *testing.T, name string, usual int) int { return rounds(t, name, usual) }

// SetClock sets the time by which events are dated ahead. Nothing may be stored
// yet.
func (s *Store) SetClock(now func() int64) {
	s.write.Lock()
	defer s.write.Unlock()
	s.hot.now = now
}

// Flush writes to Badger what waits for it.
func (s *Store) Flush() error { return s.flush() }

// KeepUp lets memory follow the clock.
func (s *Store) KeepUp() error {
	for {
		if moved, err := s.keepUpOnce(); !moved {
			return err
		}
	}
}

// InMemory is how many events the hot index holds.
func (s *Store) InMemory() int {
	n, _ := s.hot.size()
	return n
}

// ReadFromDisk is how many events scans have read there.
func (s *Store) ReadFromDisk() float64 {
	var m dto.Metric
	if err := s.metrics.fromDisk.Write(&m); err != nil {
		panic(err)
	}
	return m.GetCounter().GetValue()
}
