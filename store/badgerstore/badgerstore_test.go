package badgerstore_test

import (
	"fmt"
	"testing"

	"moa/store"
	"moa/store/badgerstore"
	"moa/store/storetest"
)

// open makes a small store in dir.
func open(t testing.TB, o badgerstore.Options) *badgerstore.Store {
	t.Helper()
	o.CacheMB, o.ReserveMB, o.NoSync = 32, -1, true
	s, err := badgerstore.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func maker(o badgerstore.Options) storetest.Maker {
	dirs := map[store.Store]string{}
	openIn := func(t testing.TB, dir string) store.Store {
		o := o
		o.Dir = dir
		s := open(t, o)
		dirs[s] = dir
		return s
	}
	return storetest.Maker{
		Open: func(t testing.TB) store.Store { return openIn(t, t.TempDir()) },
		Reopen: func(t testing.TB, s store.Store) store.Store {
			sound(t, s.(*badgerstore.Store))
			badgerstore.SameWhenRebuilt(t, s.(*badgerstore.Store))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return openIn(t, dirs[s])
		},
	}
}

func TestBadgerstore(t *testing.T) {
	storetest.Run(t, maker(badgerstore.Options{HotMB: -1}))
}

func TestWithRecentEventsInMemory(t *testing.T) {
	storetest.Run(t, maker(badgerstore.Options{}))
}

// withMemory makes stores that hold so many bytes of recent events.
func withMemory(bytes int64) storetest.Maker {
	m := maker(badgerstore.Options{HotMB: -1})
	plainOpen, plainReopen := m.Open, m.Reopen
	m.Open = func(t testing.TB) store.Store {
		s := plainOpen(t)
		s.(*badgerstore.Store).SetHotBytes(bytes)
		return s
	}
	m.Reopen = func(t testing.TB, s store.Store) store.Store {
		s = plainReopen(t, s)
		s.(*badgerstore.Store).SetHotBytes(bytes)
		return s
	}
	return m
}

// The memory holds some ten events.
func TestWithLittleMemory(t *testing.T) {
	m := withMemory(10_000)
	m.Disturb = func(s store.Store, n int) {
		if err := s.(*badgerstore.Store).WarmHot(1 + n%7); err != nil {
			panic(err)
		}
	}
	storetest.Differential(t, m, 4)
}

// The index of recent events is forgotten and read again, a few events at a
// time, while scans are under way.
func TestWhileMemoryIsRebuilt(t *testing.T) {
	m := withMemory(1 << 30)
	m.Disturb = func(s store.Store, n int) {
		b := s.(*badgerstore.Store)
		if n == 0 {
			b.ResetHot()
		} else if err := b.WarmHot(1 + n%7); err != nil {
			panic(err)
		}
	}
	storetest.Differential(t, m, 4)
}

// Readers see whole answers while events are stored, replaced and deleted:
// every note of a constant set, once, in order.
func TestScansBesideCommits(t *testing.T) {
	for _, memory := range []int64{0, 20_000, 1 << 30} {
		t.Run(fmt.Sprintf("memory=%d", memory), func(t *testing.T) {
			s := withMemory(memory).Open(t).(*badgerstore.Store)
			defer s.Close()
			storetest.ScansBesideCommits(t, s)
			sound(t, s)
		})
	}
}
