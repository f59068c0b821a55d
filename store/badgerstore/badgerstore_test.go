package badgerstore_test

import (
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
