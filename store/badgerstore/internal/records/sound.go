package records

import "sync/atomic"

// sound remembers which records of a segment were found whole where they are
// mapped: to work their checksums out for each reader costs as much as half of
// sending them. It forgets when the pages may be read from the disk again.
type sound struct {
	bits atomic.Pointer[[mostSerials / 64]atomic.Uint64]
}

func (s *sound) has(at uint32) bool {
	bits := s.bits.Load()
	return bits != nil && bits[at/64].Load()>>(at%64)&1 == 1
}

func (s *sound) add(at uint32) {
	bits := s.bits.Load()
	if bits == nil {
		bits = new([mostSerials / 64]atomic.Uint64)
		s.bits.Store(bits) // what another caller has just stored is worked out again
	}
	bits[at/64].Or(1 << (at % 64))
}

func (s *sound) forget() { s.bits.Store(nil) }

// Sound is Whole for a record that Get has returned and that many may ask for. It
// looks at the record once between two calls of Unmap or Forget.
func (l *Log) Sound(serial uint64) bool {
	s := l.find(serial)
	if s == nil {
		return false
	}
	at := uint32(serial - s.base)
	if s.sound.has(at) {
		return true
	}
	if !s.whole(at) {
		return false
	}
	s.sound.add(at)
	return true
}

// Forget has Sound look at every record again: the system may have dropped
// pages and read them from the disk since.
func (l *Log) Forget() {
	for _, s := range *l.segments.Load() {
		s.sound.forget()
	}
}
