package badgerstore

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/store"
	"moa/store/storetest"
)

// One byte of the journal goes bad, in a store in which events are replaced, deleted,
// expire and vanish, and the process is killed. What a checkpoint has made durable is
// not needed, and the store opens with everything; otherwise it says that it is
// damaged, and a repair finds everything in the records. Nothing that was removed is
// back, and no serial is used twice. What an operator removes is left out: where the journal
// is damaged in its middle it may be back, which Repair says.
func TestStoreWithABadByteInTheJournal(t *testing.T) {
	random := rand.New(rand.NewPCG(seedOf(t), 5))
	for round := range rounds(t, "MOA_CRASH_KILLS", 6) {
		s, err := Open(Options{Dir: t.TempDir(), CacheMB: 32, ReserveMB: -1, HotMB: -1})
		if err != nil {
			t.Fatal(err)
		}
		batches, checkpoints := 0, 20+random.IntN(15)
		storetest.Mixed(random.Uint64(), 40, func(now int64, batch []*event.Event, _ []event.ID) {
			if _, err := s.Commit(t.Context(), now, batch); err != nil {
				t.Fatal(err)
			}
			if batches++; batches == checkpoints {
				if err := s.checkpoint(); err != nil {
					t.Fatal(err)
				}
			}
		})
		want, last, size := serialsOf(t, s), s.Last(), s.journal.files[s.journal.at].size
		at := s.journal.at
		dir := unclean(t, s)
		name := journalName(dir, at)
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		place := random.Int64N(size)
		b[place] ^= 1 << random.IntN(8)
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		log := new(strings.Builder)
		o := Options{Dir: dir, CacheMB: 32, ReserveMB: -1, HotMB: -1, Log: slog.New(slog.NewTextHandler(log, nil))}
		s, err = Open(o)
		refused := errors.Is(err, store.ErrDamaged)
		if refused {
			if r, err := Repair(t.Context(), o, nil); err != nil || r.Damaged > 0 {
				t.Fatalf("round %d: report %+v (%v)", round, r, err)
			}
			s, err = Open(o)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := serialsOf(t, s); !slices.Equal(got, want) {
			t.Fatalf("round %d: byte %d of %d, refused %v: %d events, want %d\n%s", round, place, size, refused, len(got), len(want), log)
		}
		checkSound(t, s, len(want))
		r, err := s.Commit(t.Context(), 0, []*event.Event{note(1000, 1)})
		if err != nil || r[0].Serial <= last {
			t.Fatalf("serial %v after %d (%v)", r, last, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
