package badgerstore

import (
	"os"
	"path/filepath"
	"testing"

	"moa/nips/event"
	"moa/store/storetest"
)

// One bit of the set of removed events is wrong, in memory already: what lives is
// not destroyed by the next collection, and what the set forgot is.
func TestOneWrongBitDestroysNoEvent(t *testing.T) {
	o := Options{Dir: t.TempDir(), CacheMB: 32, ReserveMB: -1, NoSync: true}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.records.Limit(1<<20, 1<<18)
	var mine, others []*event.Event
	for i := range int64(60) {
		mine, others = append(mine, note(1, i)), append(others, note(2, i), tagged(3+int(i), 30023, i))
	}
	mustCommit(t, s, mine...)
	mustCommit(t, s, others...)
	mustCommit(t, s, storetest.Make(storetest.Key(1), event.KindVanish, 100, ""))
	for serial := uint64(61); serial < 181; serial++ { // all of the others
		s.records.Drop(serial)
	}
	s.collect(t.Context())
	checkSound(t, s, 121)
	if st := s.records.Stats(); st.Records != 121 || st.Dead != 0 {
		t.Fatalf("%+v", st)
	}
}

// The file of removed events is damaged, or gone: it is made anew when the store is
// opened, and the same is found.
func TestDamagedSetOfTheDeadIsMadeAnew(t *testing.T) {
	o := Options{Dir: t.TempDir(), CacheMB: 32, ReserveMB: -1}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(20) {
		mustCommit(t, s, storetest.Make(storetest.Key(1), 0, i, ""), note(2, i))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(o.Dir, "records.dead")
	for _, damage := range []func(b []byte) []byte{
		func(b []byte) []byte { b[1] ^= 8; return b },
		func(b []byte) []byte { clear(b); return b },
		func(b []byte) []byte { return b[:0] },
	} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, damage(b), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err = Open(o); err != nil {
			t.Fatal(err)
		}
		checkSound(t, s, 21)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
