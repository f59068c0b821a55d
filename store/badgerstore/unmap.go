package badgerstore

import (
	"context"
	"time"
)

const (
	unmapEvery = time.Second     // looks at the memory that maps files
	soundFor   = 5 * time.Minute // until records that were found whole are looked at again
)

// unmap keeps what records take of the process's memory near CacheMB: pages
// that were read stay mapped until the system wants them back, which is no harm,
// but looks like a leak. Badger's tables are mapped too, and stay.
func (s *Store) unmap(ctx context.Context) {
	tick, again := time.NewTicker(unmapEvery), time.NewTicker(soundFor)
	defer tick.Stop()
	defer again.Stop()
	var left int64 // mapped when records were not: of tables, and the program
	for {
		select {
		case <-tick.C:
		case <-again.C:
			s.records.Forget()
			continue
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
