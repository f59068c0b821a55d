package badgerstore

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/testwait"
)

// The disk does not take what Badger's log has, once. The kernel says so once and
// forgets it: when the power fails the log is as it was synced before, whatever a
// later sync has said.
func TestALogThatWasNotSyncedIsNeverBelieved(t *testing.T) {
	o := Options{Dir: t.TempDir(), CacheMB: 32, ReserveMB: -1}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var all []*event.Event
	commit := func(from int64) {
		for i := range int64(300) {
			all = append(all, note(1, from+i))
		}
		mustCommit(t, s, all[len(all)-300:]...)
		s.flush()
	}
	commit(0)
	lost, fail := map[string]bool{}, true
	s.checkpointing.Lock() // something in the background may be at it
	s.syncFile = func(name string) error {
		if fail && strings.HasSuffix(name, ".mem") {
			lost[filepath.Base(name)] = true
			return errors.New("by a test")
		}
		return syncFile(name)
	}
	s.checkpointing.Unlock()
	floor := s.journal.floorNow()
	if err := s.checkpoint(); err == nil || s.journal.floorNow() != floor {
		t.Fatalf("error %v, and the floor is %d, was %d", err, s.journal.floorNow(), floor)
	}
	s.checkpointing.Lock()
	fail = false
	s.checkpointing.Unlock()
	commit(1000)
	testwait.Eventually(t, "a checkpoint succeeds again", func() bool { return s.checkpoint() == nil })
	if s.journal.floorNow() == floor || s.unsafe.Load() || len(lost) == 0 {
		t.Fatalf("the floor is %d, was %d; %v, %v", s.journal.floorNow(), floor, s.unsafe.Load(), lost)
	}
	commit(2000) // which says the floor
	broken := asKilled(t, s)
	for name := range lost {
		if _, ok := broken[name]; ok {
			broken[name] = nil
		}
	}
	for name, b := range broken {
		if len(b) == 0 && strings.HasSuffix(name, ".mem") {
			delete(broken, name)
		}
	}
	o.Dir = writeFolder(t, broken)
	after, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	if got := everything(t, after); len(got) != len(all) {
		t.Fatalf("%d of %d events are left", len(got), len(all))
	}
	checkSound(t, after, len(all))
}
