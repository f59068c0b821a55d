package badgerstore

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	badger "github.com/dgraph-io/badger/v4"

	"moa/nips/event"
	"moa/store"
	"moa/store/storetest"
)

// allKeysOf are all keys of the store and what they hold, but those about the store
// itself.
func allKeysOf(t testing.TB, s *Store) map[string]string {
	t.Helper()
	keys := map[string]string{}
	err := s.versions.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.DefaultIteratorOptions)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			v, err := it.Item().ValueCopy(nil)
			if err != nil {
				return err
			}
			if key := it.Item().Key(); key[0] != keyMeta {
				keys[string(key)] = string(v)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// sameKeys wants the keys of the one store in the other.
func sameKeys(t testing.TB, got, want map[string]string) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if v, ok := got[key]; !ok {
			t.Errorf("key %c %x is missing", key[0], key[1:])
		} else if v != want[key] {
			t.Errorf("key %c %x is %x, want %x", key[0], key[1:], v, want[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[key]; !ok {
			t.Errorf("key %c %x is too much: %x", key[0], key[1:], got[key])
		}
	}
}

// rebuilds make a store anew of the records of another, each in its way, in another
// folder.
var rebuilds = map[string]func(t *testing.T, s *Store) (dir string){
	"restored from a folder": func(t *testing.T, s *Store) string {
		b, err := s.Backup()
		mustHold(t, err)
		defer b.Close()
		return restored(t, Restoring{From: backUp(t, b)})
	},
	"restored from a stream": func(t *testing.T, s *Store) string {
		b, err := s.Backup()
		mustHold(t, err)
		defer b.Close()
		var stream bytes.Buffer
		_, err = b.WriteStream(t.Context(), &stream, nil)
		mustHold(t, err)
		return restored(t, Restoring{Stream: &stream})
	},
	"repaired": func(t *testing.T, s *Store) string {
		mustHold(t, s.flush())
		return repairedAnew(t, writeFolder(t, asKilled(t, s)))
	},
	"repaired without keys": func(t *testing.T, s *Store) string {
		dir := writeFolder(t, asKilled(t, s))
		remove(t, dir, allKeys[:len(allKeys)-1]...)
		return repairedAnew(t, dir)
	},
}

func restored(t testing.TB, r Restoring) (dir string) {
	t.Helper()
	r.To = Options{Dir: filepath.Join(t.TempDir(), "data"), CacheMB: 32}
	_, err := Restore(t.Context(), r)
	mustHold(t, err)
	return r.To.Dir
}

func repairedAnew(t *testing.T, dir string) string {
	t.Helper()
	_, err := Repair(t.Context(), Options{Dir: dir, CacheMB: 32}, nil)
	mustHold(t, err)
	return dir
}

// What an operator removes, and what expires, may come again. However the keys are made
// anew, they are what they were: the same events are found, the same bars stand, and no
// event is stored twice.
func TestRebuiltKeysAreWhatTheyWere(t *testing.T) {
	names := slices.Sorted(maps.Keys(pasts))
	for after, do := range afters {
		t.Run(after, func(t *testing.T) {
			p := &past{T: t, s: smallStore(t, t.TempDir()), after: do}
			p.s.SmallRecords()
			defer func() { mustHold(t, p.s.Close()) }()
			for i, name := range names {
				p.by = i + 1
				pasts[name](p)
			}
			want, events := allKeysOf(t, p.s), int(p.s.Stats().Events)
			checkSound(t, p.s, events)
			for name, rebuild := range rebuilds {
				t.Run(name, func(t *testing.T) {
					s := smallStore(t, rebuild(t, p.s))
					defer func() { mustHold(t, s.Close()) }()
					sameKeys(t, allKeysOf(t, s), want)
					checkSound(t, s, events)
					again := &past{T: t, s: s, by: 1 + slices.Index(names, "a note")}
					again.commit(1000, store.Duplicate, again.make(1, 10, event.Tag{"t", "x"}))
				})
			}
		})
	}
}

// Histories at random. What a collection drops for good of the requests to delete is
// not known any more: then what they deleted may bar its address.
func TestRebuiltKeysAreWhatTheyWereWhateverCame(t *testing.T) {
	seed := seedOf(t)
	for n := range uint64(rounds(t, "MOA_DIFFERENTIALS", 2)) {
		collects := n%2 == 1
		s := mixedOf(t, seed+n, collects)
		want, events := allKeysOf(t, s), int(s.Stats().Events)
		for name, rebuild := range rebuilds {
			t.Run(fmt.Sprint(name, " ", n), func(t *testing.T) {
				s := smallStore(t, rebuild(t, s))
				defer func() { mustHold(t, s.Close()) }()
				got := allKeysOf(t, s)
				if collects {
					moreBars(t, got, want)
				}
				sameKeys(t, got, want)
				checkSound(t, s, events)
			})
		}
		mustHold(t, s.Close())
	}
}

// moreBars wants the bars that are wanted, or such as keep out more, and takes all of
// them away.
func moreBars(t testing.TB, got, want map[string]string) {
	t.Helper()
	for key, v := range want {
		if key[0] != keyBar {
			continue
		}
		if has, ok := got[key]; !ok || has > v {
			t.Errorf("bar %x is %x, want %x or one that keeps out more", key[1:], has, v)
		}
	}
	for _, keys := range []map[string]string{got, want} {
		maps.DeleteFunc(keys, func(key, _ string) bool { return key[0] == keyBar })
	}
}

// SameWhenRebuilt wants the keys of the store to be made anew of a backup as they are,
// but for bars that keep out more, if a note was lost.
func SameWhenRebuilt(t testing.TB, s *Store) {
	t.Helper()
	b, err := s.Backup()
	mustHold(t, err)
	defer b.Close()
	other, err := Open(Options{Dir: restored(t, Restoring{From: backUp(t, b)}), CacheMB: 32, ReserveMB: -1, NoSync: true})
	mustHold(t, err)
	defer func() { mustHold(t, other.Close()) }()
	got, want := allKeysOf(t, other), allKeysOf(t, s)
	moreBars(t, got, want)
	sameKeys(t, got, want)
}

// A version bars, for a newer one took its place, and of that no record is left, while its
// own is there.
func TestABarOutlivesWhatMadeIt(t *testing.T) {
	s := smallStore(t, t.TempDir())
	defer func() { mustHold(t, s.Close()) }()
	s.SmallRecords()
	v := func(at int64) *event.Event { return storetest.Make(storetest.Key(1), 0, at, "") }
	fill := func(by int) (ids []event.ID) {
		var batch []*event.Event
		for i := range int64(700) { // more than two files have room for
			batch = append(batch, note(by, i))
			ids = append(ids, batch[i].ID)
		}
		for part := range slices.Chunk(batch, 20) { // a file takes a batch as a whole
			mustCommit(t, s, part...)
		}
		return ids
	}
	mustCommit(t, s, v(10))
	fill(2)
	mustCommit(t, s, v(20))
	gone := append(fill(3), v(20).ID)
	if _, err := s.Remove(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	s.Collect(t.Context())
	if !s.records.Has(1) || s.records.Has(702) {
		t.Fatal("the wrong record is gone")
	}
	want := allKeysOf(t, s)
	for name, rebuild := range rebuilds {
		t.Run(name, func(t *testing.T) {
			s := smallStore(t, rebuild(t, s))
			defer func() { mustHold(t, s.Close()) }()
			sameKeys(t, allKeysOf(t, s), want)
		})
	}
}

// Without the notes of what was removed a rebuild finds out from what came later what
// was gone by then: bars may keep out more than they did, but nothing that is stored, and
// the rest is as it was.
func TestRebuildWithoutNotes(t *testing.T) {
	p := &past{T: t, s: smallStore(t, t.TempDir()), after: func(*past) {}}
	names := slices.Sorted(maps.Keys(pasts))
	for i, name := range names {
		p.by = i + 1
		pasts[name](p)
	}
	want, events := allKeysOf(t, p.s), int(p.s.Stats().Events)
	dir := p.s.opt.Dir
	mustHold(t, p.s.Close())
	remove(t, dir, notesName)
	s := smallStore(t, repairedAnew(t, dir))
	defer func() { mustHold(t, s.Close()) }()
	checkSound(t, s, events)
	again := &past{T: t, s: s, by: 1 + slices.Index(names, "versions that come again")}
	again.commit(1000, store.Duplicate, again.make(0, 20))
	again.commit(1000, store.Stale, again.make(0, 10))
	got := allKeysOf(t, s)
	moreBars(t, got, want)
	sameKeys(t, got, want)
}

// A store whose index an older moa has damaged so: an event has no key of its id, and was
// stored again. It is stored once when it was repaired, and if its author has deleted the
// one, the other is gone, too.
func TestRepairMergesWhatWasStoredTwice(t *testing.T) {
	s := smallStore(t, t.TempDir())
	twice, deleted, once := note(1, 10), note(2, 10), note(3, 10)
	lose := func(e *event.Event) {
		t.Helper()
		s.write.Lock()
		defer s.write.Unlock()
		w := s.newWriter()
		defer w.close()
		w.del(idKey(e.ID))
		mustHold(t, w.seal())
		s.recent.clear()
	}
	for _, e := range []*event.Event{twice, deleted, once} {
		mustCommit(t, s, e)
		lose(e)
	}
	mustCommit(t, s, twice, deleted, storetest.Make(storetest.Key(2), event.KindDeletion, 20, "", event.Tag{"e", deleted.ID.String()}))
	if n := len(serialsOf(t, s)); n != 5 { // which is what the damage does
		t.Fatalf("%d events are served", n)
	}
	dir := s.opt.Dir
	mustHold(t, s.Close())
	repairedAnew(t, dir)
	s = smallStore(t, dir)
	defer func() { mustHold(t, s.Close()) }()
	checkSound(t, s, 3)
	for e, want := range map[*event.Event]store.Outcome{twice: store.Duplicate, deleted: store.Deleted, once: store.Duplicate} {
		if r, err := s.Commit(t.Context(), 1000, []*event.Event{e}); err != nil || r[0].Outcome != want {
			t.Errorf("%v, %v, want %v", r, err, want)
		}
	}
	gone := storetest.Make(storetest.Key(1), event.KindDeletion, 20, "", event.Tag{"e", twice.ID.String()})
	mustCommit(t, s, gone)
	checkSound(t, s, 3)
}
