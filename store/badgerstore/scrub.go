package badgerstore

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	badger "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"

	"moa/store"
	"moa/store/badgerstore/internal/fault"
	"moa/store/badgerstore/internal/records"
)

// Disks lose bytes and do not say so before they are asked for. A scrub asks for
// all of them, slowly: first the tables of keys, then every record, and whether all
// keys lead to it that should. What it finds is told (damages.go).

const (
	scrubAfter = time.Minute // since the store was opened
	scrubEvery = 7 * 24 * time.Hour
)

// scrubs runs one after the other, until ctx ends.
func (s *Store) scrubs(ctx context.Context) {
	for wait := scrubAfter; pause(ctx, wait); wait = scrubEvery {
		begun := time.Now()
		err := s.scrub(ctx, int64(s.opt.ScrubMB)<<20)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.log.Error("the files could not be read through", "err", err)
			continue
		}
		s.metrics.scrubEnd.SetToCurrentTime()
		s.log.Info("the files were read through", "took", time.Since(begun).Round(time.Second), "troubles", len(s.Troubles()))
	}
}

// scrub reads everything once, so many bytes a second; 0: as fast as it can.
func (s *Store) scrub(ctx context.Context, rate int64) error {
	pace := func(n int64) bool {
		s.metrics.scrubbed.Add(float64(n))
		if rate == 0 {
			return ctx.Err() == nil
		}
		return pause(ctx, time.Duration(float64(n)/float64(rate)*float64(time.Second)))
	}
	for _, name := range s.tableNames() {
		n, err := s.scrubTable(name)
		if err != nil {
			s.damages.table(filepath.Base(name), err)
		}
		if !pace(n) {
			return ctx.Err()
		}
	}
	for from := uint64(0); from < s.records.Next(); {
		next, n, err := s.scrubRecords(from)
		if err != nil {
			return err
		}
		if from = next; !pace(n) {
			return ctx.Err()
		}
	}
	return nil
}

// tableNames are the tables that Badger has. The folder may have one more, which
// Badger is writing.
func (s *Store) tableNames() (names []string) {
	for _, t := range s.db.Tables() {
		names = append(names, table.NewFilename(t.ID, s.opt.Dir))
	}
	return names
}

// scrubTable reads a table and its checksums. Badger may have removed it meanwhile.
func (s *Store) scrubTable(name string) (size int64, err error) {
	gate, err := s.life.begin()
	if err != nil {
		return 0, nil
	}
	defer gate.RUnlock()
	if info, err := os.Stat(name); err == nil {
		size = info.Size()
	}
	return size, s.verifyTable(name)
}

// verifyTable reads a whole table. One that Badger has taken out of use meanwhile
// is cut to nothing and removed, and its end is no damage. Before format 4 tables were
// compressed, and those that Badger has not merged since still are.
func (s *Store) verifyTable(name string) error {
	err := verifyTable(name, options.None)
	if err != nil && verifyTable(name, options.Snappy) == nil {
		return nil
	}
	if err != nil && !slices.Contains(s.tableNames(), name) {
		return nil
	}
	return err
}

// verifyTable reads a whole table. Badger panics over some that are damaged.
func verifyTable(name string, c options.CompressionType) (err error) {
	defer fault.CatchAll(fault.Arm(), &err)
	left := int64(1) << 62
	_, _, err = inspectTable(name, c, &left)
	return err
}

// scrubbed is how many records are looked at in one transaction.
const scrubbed = 64

// scrubRecords looks at some records from a serial on, and returns where to go on.
func (s *Store) scrubRecords(from uint64) (next uint64, size int64, err error) {
	gate, err := s.life.begin()
	if err != nil {
		return 0, 0, err
	}
	defer gate.RUnlock()
	defer fault.Catch(fault.Arm(), &err)
	var living, dead []records.Record
	end := s.records.Next()
	for next = from; next < end && len(living)+len(dead) < scrubbed; next++ {
		if !s.records.Covers(next) {
			continue
		}
		b, err := s.records.Read(next, new([]byte))
		size += int64(len(b))
		r := records.Record{Serial: next, Bytes: b}
		whole := err == nil && value(b).check() == nil
		switch {
		case s.records.Dead(next):
			if whole {
				dead = append(dead, r)
			}
		case whole:
			living = append(living, r)
		default:
			s.damages.serial(next, err)
		}
	}
	if _, err := s.undrop(dead); err != nil {
		return 0, 0, err
	}
	return next, size, s.scrubKeys(living)
}

// scrubKeys wants the keys of records that are not dead.
func (s *Store) scrubKeys(list []records.Record) error {
	wrong, err := s.keyless(list)
	if err != nil || len(wrong) == 0 {
		return err
	}
	s.appending.Lock()   // a commit drops a record before the backlog has its keys
	s.appending.Unlock() //nolint:staticcheck // it was to be waited for
	if wrong, err = s.keyless(wrong); err != nil {
		return err
	}
	for _, r := range wrong {
		s.damages.key(store.Serial(r.Serial), "keys are missing")
	}
	return nil
}

// keyless returns those of the records that are not dead and lack a key.
func (s *Store) keyless(list []records.Record) (wrong []records.Record, err error) {
	err = s.versions.view(func(txn *badger.Txn) error {
		for _, r := range list {
			ok, err := keyed(txn, store.Serial(r.Serial), r.Bytes)
			if err != nil {
				return err
			}
			if !ok && !s.records.Dead(r.Serial) {
				wrong = append(wrong, r)
			}
		}
		return nil
	})
	return wrong, err
}

// keyed reports whether all keys are there that follow from the record.
func keyed(txn *badger.Txn, serial store.Serial, v value) (ok bool, err error) {
	t, ok, err := eventTail(txn, serial, v)
	if err != nil || !ok {
		return false, err
	}
	v.keys(&t, func(key []byte) {
		if !ok || err != nil {
			return
		}
		var got []byte
		if got, err = get(txn, bytes.Clone(key)); err == nil {
			ok = got != nil && (key[0] != keyID || bytes.Equal(got, t[:]))
		}
	})
	if key := v.latestKey(&t); key != nil && ok && err == nil {
		var got []byte
		got, err = get(txn, key)
		ok = bytes.Equal(got, t[:])
	}
	return ok, err
}
