package badgerstore

import (
	"context"
	"time"
)

// unmapEvery is how often the memory that maps files is looked at.
const unmapEvery = time.Second

// unmap keeps what records take of the process's memory near CacheMB: pages
// that were read stay mapped until the system wants them back, which is no harm,
// but looks like a leak. Badger's tables are mapped too, and stay.
func (s *Store) unmap(ctx context.Context) {
	tick := time.NewTicker(unmapEvery)
	defer tick.Stop()
	var left int64 // mapped when records were not: of tables, and the program
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		mapped := mappedBytes()
		left = min(left, mapped)
		if mapped-left < int64(s.opt.CacheMB)<<20 {
			continue
		}
		if err := s.records.Unmap(); err != nil {
			s.log.Error("mapped records cannot be given back", "err", err)
			return
		}
		left = mappedBytes()
	}
}
