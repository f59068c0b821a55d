package records

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// ID names a store: files of another are told by it. The zero ID is none, as in
// stores of before there were any.
type ID [16]byte

// An ID stands in the head's page of a segment, behind the head, with a checksum of
// its own: an older moa does not know of it, and leaves it as it is.
const (
	idAt   = 64
	idSize = len(ID{}) + 4
)

func (id ID) sealed() []byte {
	return binary.LittleEndian.AppendUint32(id[:], crc32.Checksum(id[:], castagnoli))
}

// unseal reads an ID with its checksum; without one that is right it is none.
func unseal(b []byte) (id ID) {
	if len(b) == idSize && binary.LittleEndian.Uint32(b[len(id):]) == crc32.Checksum(b[:len(id)], castagnoli) {
		id = ID(b)
	}
	return id
}

func (s *segment) readID() ID {
	b := make([]byte, idSize)
	if _, err := s.file.ReadAt(b, idAt); err != nil {
		return ID{}
	}
	return unseal(b)
}

func (s *segment) writeID(id ID) error {
	if id == (ID{}) {
		return nil
	}
	_, err := s.file.WriteAt(id.sealed(), idAt)
	return err
}

// ID is the store's, as far as the files tell.
func (l *Log) ID() ID { return l.id }

// recognise learns the ID of the segments, or finds one of another store.
func (l *Log) recognise(s *segment) error {
	id := s.readID()
	if id == (ID{}) {
		return nil
	}
	if l.id != (ID{}) && l.id != id {
		return fmt.Errorf("%s: %w: it is of another store", s.file.Name(), ErrDamaged)
	}
	l.id = id
	return nil
}

// SetID writes the ID into all files that have none, and into those that are made.
func (l *Log) SetID(id ID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.id = id
	l.dead.setID(id)
	for _, s := range *l.segments.Load() {
		if s.readID() == id {
			continue
		}
		if err := s.writeID(id); err != nil {
			return fmt.Errorf("records: %w", err)
		}
	}
	return nil
}
