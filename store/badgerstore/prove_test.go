package badgerstore

import (
	"errors"
	"testing"

	"moa/store/storetest"
)

// What goes wrong while the keys are made is found before they take the place of the old
// ones.
func TestRepairProvesItsKeys(t *testing.T) {
	s := smallStore(t, t.TempDir())
	mustCommit(t, s, note(1, 1), note(2, 2), storetest.Make(storetest.Key(3), 0, 3, ""))
	dir, victim := s.opt.Dir, note(2, 2)
	place := placeOf(t, s, victim)
	mustHold(t, s.Close())
	calls := 0
	_, err := Repair(t.Context(), Options{Dir: dir, CacheMB: 32}, func(_, _ uint64) {
		if calls++; calls == 1 { // all keys are made, and nothing is counted
			place.change(t, 30, func(b byte) byte { return b ^ 1 })
		}
	})
	if !errors.Is(err, ErrIndex) {
		t.Fatalf("error %v after %d calls, want ErrIndex", err, calls)
	}
	place.change(t, 30, func(b byte) byte { return b ^ 1 })
	s = smallStore(t, dir) // as it was
	checkSound(t, s, 3)
	mustHold(t, s.Close())
	for _, name := range []byte{keyRecord, keyID, keyAuthor, keyLatest} {
		o := &Options{Dir: dir, CacheMB: 32, Existing: true}
		o.setDefaults()
		p := &repairer{o: o, report: new(RepairReport), progress: func(uint64, uint64) {}}
		mustHold(t, errors.Join(p.survey(), p.open(), p.run(t.Context())))
		w := p.s.newWriter()
		for key := range allKeysOf(t, p.s) {
			if key[0] == name {
				w.del([]byte(key))
				break
			}
		}
		mustHold(t, w.seal())
		w.close()
		if err := p.prove(t.Context()); !errors.Is(err, ErrIndex) {
			t.Errorf("without a key %c: error %v, want ErrIndex", name, err)
		}
		mustHold(t, errors.Join(p.close(), abandonSwap(dir)))
	}
	repaired(t, dir, []held{{storetest.Make(storetest.Key(3), 0, 3, "").ID, 3}, {victim.ID, 2}, {note(1, 1).ID, 1}})
}
