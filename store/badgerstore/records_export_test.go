package badgerstore

import "context"

// SmallRecords makes small segments of records, and has them collected as soon as
// much of them is removed.
func (s *Store) SmallRecords() { s.records.Limit(100_000, 300) }

// Collect gives back the room of removed events.
func (s *Store) Collect(ctx context.Context) { s.collect(ctx) }

// SetAddressBytes bounds what is remembered of addresses.
func (s *Store) SetAddressBytes(n int64) {
	s.write.Lock()
	defer s.write.Unlock()
	s.addresses.max = n
}
