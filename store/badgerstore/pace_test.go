package badgerstore

import (
	"testing"

	"moa/nips/event"
)

// However many events are dated to the same quarter of an hour, their time comes a
// thousand at once: commits wait meanwhile.
func TestTheirTimeComesAFewAtOnce(t *testing.T) {
	s := smallStore(t, t.TempDir())
	defer s.Close()
	awaitWarm(t, s)
	now := int64(100_000)
	s.SetClock(func() int64 { return now })
	const events = 3 * paceEvents
	var batch []*event.Event
	for i := range int64(events) {
		batch = append(batch, note(int(1+i/300), now+aheadMost+1+i%300))
	}
	mustCommit(t, s, note(2, now))
	mustCommit(t, s, batch...)
	had := s.InMemory()
	if had != 1 {
		t.Fatalf("%d events are in memory, want 1", had)
	}
	now += 2000
	for moved := true; moved; {
		var err error
		if moved, err = s.keepUpOnce(); err != nil {
			t.Fatal(err)
		}
		n := s.InMemory()
		if n-had > paceEvents {
			t.Fatalf("%d events at once", n-had)
		}
		had = n
	}
	if had != events+1 {
		t.Errorf("%d events are in memory, want %d", had, events+1)
	}
	checkSound(t, s, events+1)
}
