package badgerstore

import (
	"errors"
	"time"

	"moa/store"
)

// errNotStored says that the last commit has failed, and that the journal still
// cannot be written.
var errNotStored = errors.New("the last commit has failed")

// probeEvery is how often the journal is tried after a failed commit, at most.
const probeEvery = time.Second

// Ready does what store.Doctor says.
func (s *Store) Ready() error {
	if err := s.room(s.opt.ReserveMB); err != nil {
		return err
	}
	if s.backlog.failed.Load() {
		return errUnflushed
	}
	if !s.broken.Load() {
		return nil
	}
	gate, err := s.life.begin()
	if err != nil {
		return err
	}
	defer gate.RUnlock()
	if now := time.Now().UnixNano() / int64(probeEvery); s.probed.Swap(now) == now {
		return errNotStored
	}
	s.appending.Lock()
	defer s.appending.Unlock()
	if err := s.journal.append(new(writes)); err != nil {
		return errors.Join(errNotStored, err)
	}
	s.broken.Store(false)
	return nil
}

// Troubles does what store.Doctor says.
func (s *Store) Troubles() (list []string) {
	if s.unsafe.Load() {
		list = append(list, "a checkpoint has failed; the journal goes on, and grows")
	}
	return append(list, s.damages.troubles()...)
}

var _ store.Doctor = (*Store)(nil)
